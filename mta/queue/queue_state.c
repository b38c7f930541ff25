/* Settings that move with the queue (journal.md section 6b): set, said again in the present segment
 * before the one they stand in would go. */
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
    if (q->failed != 0 || q->releasing || q->load != NULL) {
        return q->failed != 0 ? q->failed : q->releasing ? BH_ESTATE : BH_EBUSY;
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
    state_forget_unset(&q->index.state, &q->segments, q->segment_bytes);
    LIST_FOR_SAFE(it, tmp, &q->index.state.entries)
    {
        struct state_entry *e = CONTAINER_OF(it, struct state_entry, link);
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
