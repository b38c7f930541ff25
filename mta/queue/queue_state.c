/* Settings that move with the queue (journal.md section 6b): set, said again in the present segment
 * before the one they stand in would go, and said anew behind each epoch's SEAL. */
#include "queue/queue_int.h"

static enum record_type
type_of(struct slice key)
{
    return state_is_transid(key) ? RECORD_TRANSID : RECORD_STATE;
}

/* The place before is let go only when this one is durable: until then it is the record. */
static int
put(struct queue *q, struct slice key, struct slice value)
{
    struct journal_wait w = { WAIT_STATE, NULL, NULL, NULL };
    struct segment *before;
    struct journal_place place;
    int rc = journal_reserve_waits(q->journal, 1);

    rc = rc < 0 ? rc
                : journal_add(q->journal, type_of(key), state_payload_bytes(key, value), &place);
    if (rc < 0) {
        return rc;
    }
    state_put(place.payload, key, value);
    rc = state_apply(&q->index.state, &q->segments, q->segment_bytes, place.segment, place.lsn, key,
        value, &before);
    if (rc < 0) {
        journal_void(&place);
        return rc;
    }
    place.segment->has_state = true;
    w.object = before;
    rc = journal_wait(q->journal, &w);
    CHECK(rc == 0); /* reserved */
    return 0;
}

int
queue_state_set(struct queue *q, struct slice key, struct slice value)
{
    if (q->failed != 0 || q->releasing) {
        return q->failed != 0 ? q->failed : BH_ESTATE;
    }
    if (key.n == 0 || key.n > STATE_KEY_BYTES_MAX || value.n > STATE_VALUE_BYTES_MAX) {
        return BH_ETOOBIG;
    }
    if (slice_eq(queue_state_get(q, key), value)) {
        return 0;
    }
    return put(q, key, value);
}

struct slice
queue_state_get(const struct queue *q, struct slice key)
{
    const struct state_entry *e = state_find(&q->index.state, key);

    return e != NULL ? state_value(e) : SLICE_NONE;
}

void
queue_state_refresh(struct queue *q, const struct segment *seg)
{
    LIST_FOR_SAFE(it, tmp, &q->index.state.entries)
    {
        const struct state_entry *e = CONTAINER_OF(it, struct state_entry, link);
        char text[STATE_KEY_BYTES_MAX + STATE_VALUE_BYTES_MAX];

        if (e->lsn / q->segment_bytes != seg->seq) {
            continue; /* said again already, and not yet durable; or elsewhere */
        }
        memcpy(text, e->text, (size_t)e->key_bytes + e->value_bytes); /* e is replaced */
        if (put(q, (struct slice){ text, e->key_bytes },
                (struct slice){ text + e->key_bytes, e->value_bytes }) < 0) {
            return; /* the segment stays, and this is tried at the next look */
        }
    }
}

size_t
queue_state_bytes(const struct queue *q)
{
    size_t bytes = 0;

    LIST_FOR(it, &q->index.state.entries)
    {
        const struct state_entry *e = CONTAINER_OF(it, struct state_entry, link);

        bytes +=
            record_padded(RECORD_HEADER_BYTES + state_payload_bytes(state_key(e), state_value(e)));
    }
    return bytes;
}

size_t
queue_state_seal(struct queue *q, uint8_t *at, uint64_t offset, size_t behind)
{
    size_t n = 0;

    LIST_FOR_SAFE(it, tmp, &q->index.state.entries)
    {
        struct state_entry *e = CONTAINER_OF(it, struct state_entry, link);
        uint64_t payload = state_payload_bytes(state_key(e), state_value(e));
        struct record_head h = {
            .length = (uint32_t)(RECORD_HEADER_BYTES + payload),
            .type = (uint8_t)type_of(state_key(e)),
            .flags = record_flags(type_of(state_key(e))),
            .lsn = q->first->seq * q->segment_bytes + offset + n,
            .epoch = q->epoch,
        };

        if (e->value_bytes == 0) { /* the SEAL says so */
            state_drop(&q->index.state, &q->segments, q->segment_bytes, e);
            continue;
        }
        record_begin(at + n, &h);
        state_put(at + n + RECORD_HEADER_BYTES, state_key(e), state_value(e));
        record_finish(at + n, (uint32_t)(behind + n), q->first->seed);
        state_move(e, &q->segments, q->segment_bytes, q->first, h.lsn);
        q->first->has_state = true;
        n += record_padded(h.length);
    }
    return n;
}
