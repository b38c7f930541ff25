/* Transactions that completed, by the TRANSID they came with (journal.md section 6f). A message
 * carries its own in its COMMIT. Before its last OUTCOME a TRANSID record says it again, in a slot
 * that is its until its client goes on, or until so many others left the queue as there are slots:
 * so at no moment does neither count. */
#include "queue/queue_int.h"
#include <stdio.h>

#define SLOT_KEY_CAP     24
#define SLOT_BYTES       192 /* of a usual one, with its record */
#define SLOTS_MIN        8
#define SLOTS_MAX        4096
#define SEGMENT_PART_MAX 64 /* of a segment, if all of them stood in one: one byte in so many */

static struct slice
slot_key(uint32_t slot, char out[SLOT_KEY_CAP])
{
    int n = snprintf(out, SLOT_KEY_CAP, STATE_TRANSID "%u", slot);

    return (struct slice){ out, (size_t)n };
}

/* False: it is not of that form. */
static bool
slot_of(struct slice key, uint32_t *slot)
{
    struct slice digits = slice_skip(key, sizeof(STATE_TRANSID) - 1);
    uint64_t n;

    if (!state_is_transid(key) || slice_u64(digits, SLOTS_MAX, &n) < 0) {
        return false;
    }
    *slot = (uint32_t)n;
    return true;
}

static int
add_recovered(struct transids *t, const struct queue_message *m, struct transid **out)
{
    int rc = transids_add(t, m->transid, m->id, m->transid_bytes, m->recipient_count, out);

    for (uint32_t i = 0; rc == 0 && i < m->recipient_count; i++) {
        transids_set_recipient(*out, i, m->recipients[i].address);
    }
    return rc == -ENOMEM ? rc : 0; /* a name that is too long is not remembered */
}

int
queue_transid_load(struct transids *into, const struct msgindex *ix, uint64_t segment_bytes)
{
    uint64_t slots = segment_bytes / SEGMENT_PART_MAX / SLOT_BYTES;
    int rc = transids_set_slots(
        into, (uint32_t)MIN(MAX(slots, (uint64_t)SLOTS_MIN), (uint64_t)SLOTS_MAX));

    LIST_FOR(it, &ix->state.entries)
    {
        const struct state_entry *e = CONTAINER_OF(it, struct state_entry, link);
        uint32_t slot;

        if (rc == 0 && slot_of(state_key(e), &slot)) {
            rc = transids_decode(into, slot, state_value(e));
            rc = rc == -ENOMEM ? rc : 0; /* what makes no sense is not remembered */
        }
    }
    rc = rc < 0 ? rc : transids_begin(into);
    for (struct stored *s = msgindex_after(ix, 0); rc == 0 && s != NULL;
         s = msgindex_after(ix, s->m.id)) {
        struct transid *e = s->m.transid.n > 0 ? transids_find(into, s->m.transid) : NULL;

        if (s->m.transid.n > 0 && e == NULL) {
            rc = add_recovered(into, &s->m, &e);
        }
        if (rc == 0 && e != NULL) {
            e->phase = TRANSID_DONE;
            e->live = true;
        }
    }
    return rc;
}

int
queue_transid_begin(struct queue *q, msg_id id, const struct envelope *e, struct transid **out)
{
    struct transid *t;
    int rc;

    *out = NULL;
    if (e->transid.n == 0) {
        return 0;
    }
    if (q->load != NULL) {
        return BH_EBUSY; /* it may be in what is not loaded yet */
    }
    rc = transids_add(&q->transids, e->transid, id, e->transid_bytes, e->recipient_count, &t);
    if (rc < 0) {
        return rc;
    }
    for (uint32_t i = 0; i < e->recipient_count; i++) {
        transids_set_recipient(t, i, e->recipients[i].address);
    }
    *out = t;
    return 0;
}

void
queue_transid_committed(struct queue *q, const struct queue_message *m, int status)
{
    struct transid *e = m->transid.n > 0 ? transids_find(&q->transids, m->transid) : NULL;

    if (e == NULL) {
        return;
    }
    if (status < 0) {
        transids_drop(&q->transids, e);
        return;
    }
    e->phase = TRANSID_DONE;
    e->live = true;
}

int
queue_transid_say(struct queue *q, const struct queue_message *m)
{
    struct transid *e = m->transid.n > 0 ? transids_find(&q->transids, m->transid) : NULL;
    uint8_t value[TRANSID_VALUE_BYTES_MAX];
    char key[SLOT_KEY_CAP];
    size_t n;
    int rc;

    if (e == NULL || e->said || e->settled) {
        return 0;
    }
    n = transid_encode(e, q->transids.turn + 1, value);
    if (n == 0) {
        return 0; /* it is forgotten with the message */
    }
    rc = queue_state_set(q, slot_key(transids_next_slot(&q->transids), key),
        (struct slice){ (const char *)value, n });
    if (rc == 0) {
        transids_keep(&q->transids, e);
        e->said = true;
    }
    return rc;
}

void
queue_transid_gone(struct queue *q, const struct queue_message *m)
{
    struct transid *e = m->transid.n > 0 ? transids_find(&q->transids, m->transid) : NULL;

    if (e != NULL && e->slot == TRANSID_NO_SLOT) {
        transids_drop(&q->transids, e);
    } else if (e != NULL) {
        e->live = false;
    }
}

enum queue_transaction
queue_transaction_find(const struct queue *q, struct slice name, msg_id *id, uint64_t *size_bytes)
{
    const struct transid *e = transids_find(&q->transids, name);

    if (e == NULL) {
        return q->load != NULL ? TRANSACTION_BUSY : TRANSACTION_NEW;
    }
    *id = e->id;
    *size_bytes = e->size_bytes;
    return e->phase == TRANSID_DONE ? TRANSACTION_DONE : TRANSACTION_BUSY;
}

bool
queue_transaction_has(const struct queue *q, struct slice name, struct slice address)
{
    const struct transid *e = transids_find(&q->transids, name);

    return e != NULL && transid_has(e, address);
}

void
queue_transaction_settled(struct queue *q, struct slice name)
{
    struct transid *e = transids_find(&q->transids, name);

    if (e != NULL && e->phase == TRANSID_DONE) {
        transids_settle(&q->transids, e);
    }
}
