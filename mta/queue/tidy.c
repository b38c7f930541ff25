/* Segments that nothing lives in, but that must outlive older ones because of what they say about
 * messages there (I7): what they say is said again, briefly, in the present segment, and they can
 * go.
 *
 * For one older segment A at a time, in steps of a few hundred messages: a SURVIVORS record for a
 * range of A ("of the commits here, these live"), then the present state of those survivors as
 * OUTCOME and MARK records. When all of A is covered and durable, segments before the first of
 * these records need not outlive A any more. A crash in between changes nothing: everything said
 * before is still there, and saying it twice is harmless.
 *
 * It is done when it pays: at most a quarter of what it frees is written (a half when the disk is
 * full). Content is not moved: a message that waits keeps the segments of its content, but no
 * other.
 */
#include "queue/queue_int.h"

#define STUCK_MIN       4   /* segments to be gained, before anything is written */
#define MESSAGES_A_STEP 256 /* of one turn of the loop */
#define STATE_BYTES     200 /* of one survivor, about */

static bool
is_stuck(const struct queue *q, const struct segment *s)
{
    return s->closed && !s->damaged && !s->freeing && s->live == 0 && s->readers == 0 &&
           s->need_count > 0 && s != q->first; /* the seal cannot be said again (I8) */
}

/* Mark the segments that stuck ones wait for. Does it pay to deal with them? */
static bool
choose(struct queue *q)
{
    uint64_t stuck = 0, cost = IO_BLOCK_BYTES;

    LIST_FOR(it, &q->segments.order)
    {
        CONTAINER_OF(it, struct segment, link)->wanted = false;
    }
    LIST_FOR(it, &q->segments.order)
    {
        struct segment *s = CONTAINER_OF(it, struct segment, link);

        for (uint32_t i = 0; is_stuck(q, s) && i < s->need_count; i++) {
            struct segment *a = segtab_find(&q->segments, s->needs[i]);

            if (!a->wanted) {
                a->wanted = true;
                cost += (uint64_t)(a->live + 1) * STATE_BYTES;
            }
        }
        stuck += is_stuck(q, s);
    }
    return stuck >= (q->low ? 1 : STUCK_MIN) && cost <= stuck * q->segment_bytes / (q->low ? 2 : 4);
}

static uint32_t
offset_of(const struct queue *q, const struct stored *s)
{
    return (uint32_t)(s->commit_lsn % q->segment_bytes);
}

/* The survivors of a from this offset on, in order; their number. *to: the range ends before. */
static uint32_t
survivors(struct queue *q, const struct segment *a, uint32_t from,
    struct stored *out[MESSAGES_A_STEP], uint32_t max, uint32_t *to)
{
    uint32_t count = 0;

    *to = (uint32_t)q->segment_bytes;
    LIST_FOR(it, &a->messages)
    {
        struct stored *s = CONTAINER_OF(it, struct stored, in_segment);

        /* one that is gone has its last outcome before this place in the journal: it is no
         * survivor when this is durable */
        if (offset_of(q, s) < from || s->gone) {
            continue;
        }
        if (count == max) {
            *to = offset_of(q, s);
            break;
        }
        out[count++] = s;
    }
    return count;
}

static int
put_survivors(struct queue *q, const struct segment *a, uint32_t from, uint32_t to,
    struct stored *const *list, uint32_t count)
{
    struct survivors_head head = { a->seq, a->epoch, from, to, count };
    struct journal_place place;
    int rc = journal_add(q->journal, RECORD_SURVIVORS,
        SURVIVORS_HEAD_BYTES + (uint64_t)count * sizeof(uint32_t), &place);

    if (rc < 0) {
        return rc;
    }
    survivors_head_put(place.payload, &head);
    for (uint32_t i = 0; i < count; i++) {
        put_le32(
            place.payload + SURVIVORS_HEAD_BYTES + i * sizeof(uint32_t), offset_of(q, list[i]));
    }
    if (q->tidy.first_seq == 0) {
        q->tidy.first_seq = place.segment->seq;
    }
    return segtab_need(&q->segments, place.segment, a->seq);
}

/* All of it, also what is as at first: an older record that stays may say otherwise. */
static int
put_state(struct queue *q, struct stored *s)
{
    static const uint8_t kind_of[] = {
        [RECIPIENT_QUEUED] = OUTCOME_DEFERRED,
        [RECIPIENT_DELIVERED] = OUTCOME_DELIVERED,
        [RECIPIENT_FAILED] = OUTCOME_FAILED,
        [RECIPIENT_EXPANDED] = OUTCOME_EXPANDED,
        [RECIPIENT_REMOVED] = OUTCOME_REMOVED,
    };
    bool warned = false;
    int rc = 0;

    if (!s->touched) {
        return 0;
    }
    for (uint32_t i = 0; rc == 0 && i < s->m.recipient_count; i++) {
        const struct queue_recipient *r = &s->m.recipients[i];
        struct outcome_entry e = { i, kind_of[r->state], r->in_doubt, r->attempts, r->next_wall_ms,
            r->last_reply };

        warned = warned || r->warned;
        rc = queue_put_outcomes(q, s, &e, 1);
        if (rc == 0 && r->attempt != ATTEMPT_NONE) { /* the outcome would end it */
            rc = queue_put_attempt(q, s, (enum queue_attempt_kind)r->attempt, &i, 1);
        }
    }
    if (rc == 0 && s->m.crashes > 0) { /* the same */
        rc = queue_put_mark(q, s, MARK_CRASHES, s->m.crashes);
    }
    if (rc == 0 && warned) {
        rc = queue_put_mark(q, s, MARK_WARNED, 0);
    }
    return rc < 0 ? rc : queue_put_mark(q, s, MARK_HELD, s->m.held);
}

static void
tidy_stop(struct queue *q)
{
    q->tidy = (struct tidy){ 0 };
}

void
queue_tidied(struct queue *q)
{
    LIST_FOR(a, &q->segments.order)
    {
        for (struct list *it = a->next;
             CONTAINER_OF(a, struct segment, link)->wanted && it != &q->segments.order;
             it = it->next) {
            struct segment *s = CONTAINER_OF(it, struct segment, link);

            if (s->seq < q->tidy.first_seq && s != q->first) {
                segment_need_no_more(s, CONTAINER_OF(a, struct segment, link)->seq);
            }
        }
    }
    tidy_stop(q);
    queue_reap(q);
}

/* The next wanted segment at or above seq; NULL: none. */
static struct segment *
next_wanted(struct queue *q, uint64_t seq)
{
    LIST_FOR(it, &q->segments.order)
    {
        struct segment *s = CONTAINER_OF(it, struct segment, link);

        if (s->wanted && s->seq >= seq) {
            return s;
        }
    }
    return NULL;
}

/* A part of one segment, at most so many messages. */
static int
tell_part(struct queue *q, struct segment *a, uint32_t *budget)
{
    struct stored *list[MESSAGES_A_STEP];
    uint32_t to, count = survivors(q, a, q->tidy.from, list, *budget, &to);
    int rc = put_survivors(q, a, q->tidy.from, to, list, count);

    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        rc = put_state(q, list[i]);
    }
    *budget -= count;
    q->tidy.seq = to < q->segment_bytes ? a->seq : a->seq + 1;
    q->tidy.from = to < q->segment_bytes ? to : 0;
    return rc;
}

/* As much as one turn may take; more follows when it is durable. */
static int
step(struct queue *q)
{
    struct journal_wait w = { WAIT_TIDY, NULL, NULL, NULL };
    uint32_t budget = MESSAGES_A_STEP;
    struct segment *a = next_wanted(q, q->tidy.seq);
    int rc = journal_reserve_waits(q->journal, 1);

    while (rc == 0 && a != NULL && budget > 0) {
        rc = tell_part(q, a, &budget);
        a = next_wanted(q, q->tidy.seq);
    }
    q->tidy.complete = a == NULL;
    return rc < 0 ? rc : journal_wait(q->journal, &w);
}

/* At the end of a turn of the journal: begin, or go on. */
void
queue_tidy(struct queue *q)
{
    if (q->tidy.waiting) {
        return;
    }
    if (!q->tidy.active) {
        if (!q->tidy_wanted) {
            return;
        }
        q->tidy_wanted = false;
        if (!choose(q)) {
            return;
        }
        q->tidy = (struct tidy){ .active = true };
    }
    q->tidy.waiting = true;
    if (step(q) < 0) {
        tidy_stop(q); /* no memory, or the queue has failed: nothing was lost */
    }
}
