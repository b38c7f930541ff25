/* Compaction: docs/formats/journal.md section 7b. compact_choose.c says when a round is due and
 * what it is to go through; here it is carried out, the oldest segment first, since a segment must
 * outlive those that it speaks about (I7).
 *
 *   WANTED_COPY    what lives in it is copied into the present segment: it is dead when that is
 *                  durable, and so goes by itself.
 *   WANTED_RETIRE  mostly alive, but segments to be freed must outlive it for what they say about
 *                  its messages. Only the COMMITs are copied, and SURVIVORS says that none of those
 *                  here counts any more. When that is durable, nobody needs to outlive it but the
 *                  segment where this is said.
 *
 * One piece at a time, of at most PIECE_BYTES, goes into a batch; the next one when it is durable.
 * What a message held in its old place it holds until then (struct move); in the index it is in its
 * new place at once, so that whatever is recorded from now on names the new COMMIT.
 */
#include "queue/queue_int.h"
#include <stdlib.h>

#define PIECE_BYTES     (256 * KIB) /* of a batch: it takes that much longer for those beside us */
#define PIECE_BYTES_MAX (2 * MIB)
#define SKIP_BYTES      64 /* looking at a message that is passed by, in bytes of a piece */
/* in a copied COMMIT, of one recipient */
#define TRANSFER_BYTES (COPIED_STATEMENT_BYTES + ATTEMPT_HEAD_BYTES + 4 + ATTEMPT_TAIL_BYTES)

/* A copy on its way to the disk. s: from where it moves; NULL: segment seq is retired, and
 * SURVIVORS says so in segment `in`. */
struct move {
    struct list link;
    struct stored *s;
    uint64_t seq, in, commit_lsn;
    uint64_t chunk_lsn[];
};

static struct segment *
segment_of(struct list *it)
{
    return CONTAINER_OF(it, struct segment, link);
}

/* Into the journal, at the round's expense: what it leaves unused behind an END is gone as well. */
static int
append(struct queue *q, enum record_type type, uint64_t payload_bytes, struct journal_place *place)
{
    const struct segment *now = journal_segment(q->journal);
    uint64_t end = segment_limit(now, q->segment_bytes), lost = SEGMENT_HEADER_BYTES;
    uint64_t used = journal_position(q->journal) - now->seq * q->segment_bytes;
    bool zeroed, is_cut = space_is_ready(q->space, now, &zeroed) && !zeroed;
    int rc = journal_add(q->journal, type, payload_bytes, place);

    if (rc == 0) {
        lost += is_cut ? 0 : end - MIN(used, end);
        q->compaction.appended += RECORD_HEADER_BYTES + payload_bytes;
        q->compaction.appended += place->segment != now ? lost : 0;
    }
    return rc;
}

/* ---- what is on its way to the disk */

uint64_t
queue_moving_chunk(const struct queue *q, const struct stored *s, uint32_t chunk)
{
    LIST_FOR(it, &q->compaction.moves)
    {
        const struct move *m = CONTAINER_OF(it, const struct move, link);

        if (m->s == s) {
            return m->chunk_lsn[chunk];
        }
    }
    CHECK(false); /* a message that moves has its move */
    return 0;
}

/* Nobody needs to outlive the retired segment any more, but who says that it is retired, and the
 * SEAL; and SURVIVORS says nothing of settings (section 6b). */
static void
retired(struct queue *q, const struct move *m)
{
    const struct segment *gone = segtab_find(&q->segments, m->seq);

    LIST_FOR(it, &q->segments.order)
    {
        struct segment *s = segment_of(it);
        bool settings = gone != NULL && gone->has_state && s->has_state;

        if (s->seq != m->in && s != q->first && !settings) {
            segment_need_no_more(s, m->seq);
        }
    }
}

/* Its copy is durable: what it held in its old place can go. */
static void
move_done(struct queue *q, struct move *m)
{
    struct stored *s = m->s;

    if (s != NULL) {
        (void)replay_let_go_of(&q->replay, s, m->commit_lsn, m->chunk_lsn);
        s->moving = false;
        s->readers--;
        queue_message_unused(q, s);
        return;
    }
    retired(q, m);
}

void
queue_compacted(struct queue *q, int status)
{
    struct list *it;

    q->compaction.waiting = false;
    if (status != 0) {
        return; /* not known where they are: the process ends */
    }
    while ((it = list_pop_front(&q->compaction.moves)) != NULL) {
        move_done(q, CONTAINER_OF(it, struct move, link));
        free(CONTAINER_OF(it, struct move, link));
    }
    q->reap_wanted = true;
}

/* ---- the copied COMMIT */

static bool
is_as_at_first(const struct queue_recipient *r)
{
    return r->state == RECIPIENT_QUEUED && r->attempts == 0 && r->next_wall_ms == 0 &&
           !r->in_doubt && r->last_reply.n == 0;
}

static struct outcome_entry
entry_of(const struct stored *s, uint32_t recipient)
{
    static const uint8_t kind_of[] = {
        [RECIPIENT_QUEUED] = OUTCOME_DEFERRED,
        [RECIPIENT_DELIVERED] = OUTCOME_DELIVERED,
        [RECIPIENT_FAILED] = OUTCOME_FAILED,
        [RECIPIENT_EXPANDED] = OUTCOME_EXPANDED,
        [RECIPIENT_REMOVED] = OUTCOME_REMOVED,
    };
    const struct queue_recipient *r = &s->m.recipients[recipient];

    return (struct outcome_entry){ recipient, kind_of[r->state], r->in_doubt, r->attempts,
        r->next_wall_ms, r->last_reply, r->transaction };
}

/* What the records about a message have said so far, taken together: one OUTCOME of all recipients
 * that are not as at first, then (an outcome ends them) an ATTEMPT of each recipient that is being
 * transferred, since each may have a transaction of its own, and one of those being read, then
 * MARKs. */
struct said {
    uint64_t bytes, outcome_bytes;
    uint32_t outcomes, attempts[ATTEMPT_READING + 1]; /* recipients, by kind */
    uint32_t marks;
    bool warned;
};

static struct said
said_of(const struct stored *s)
{
    struct said st = { .outcome_bytes = OUTCOME_HEAD_BYTES };

    for (uint32_t i = 0; i < s->m.recipient_count; i++) {
        const struct queue_recipient *r = &s->m.recipients[i];
        struct outcome_entry e = entry_of(s, i);

        st.warned = st.warned || r->warned;
        st.attempts[MIN(r->attempt, (uint8_t)ATTEMPT_READING)]++;
        if (!is_as_at_first(r)) {
            st.outcomes++;
            st.outcome_bytes += outcome_entry_bytes(&e);
        }
    }
    st.marks = (uint32_t)(s->m.held != HOLD_NO) + (s->m.crashes > 0) + st.warned;
    st.bytes = st.marks * (uint64_t)(COPIED_STATEMENT_BYTES + MARK_BYTES);
    st.bytes += st.outcomes > 0 ? COPIED_STATEMENT_BYTES + st.outcome_bytes : 0;
    st.bytes += st.attempts[ATTEMPT_TRANSFER] * (uint64_t)TRANSFER_BYTES;
    if (st.attempts[ATTEMPT_READING] > 0) {
        st.bytes += COPIED_STATEMENT_BYTES + ATTEMPT_HEAD_BYTES + 4 * st.attempts[ATTEMPT_READING];
    }
    return st;
}

static uint8_t *
put_outcomes(uint8_t *at, const struct stored *s, const struct said *st, uint64_t lsn)
{
    struct outcome_head head = { s->m.id, lsn, st->outcomes };

    if (st->outcomes == 0) {
        return at;
    }
    at = copied_statement_put(at, RECORD_OUTCOME, st->outcome_bytes);
    outcome_head_put(at, &head);
    at += OUTCOME_HEAD_BYTES;
    for (uint32_t i = 0; i < s->m.recipient_count; i++) {
        if (!is_as_at_first(&s->m.recipients[i])) {
            struct outcome_entry e = entry_of(s, i);

            at = outcome_entry_put(at, &e);
        }
    }
    return at;
}

static uint8_t *
put_transfers(uint8_t *at, const struct stored *s, uint64_t lsn)
{
    struct attempt_head head = { s->m.id, lsn, 1, ATTEMPT_TRANSFER };

    for (uint32_t i = 0; i < s->m.recipient_count; i++) {
        if (s->m.recipients[i].attempt == ATTEMPT_TRANSFER) {
            at = copied_statement_put(
                at, RECORD_ATTEMPT, ATTEMPT_HEAD_BYTES + 4 + ATTEMPT_TAIL_BYTES);
            attempt_head_put(at, &head);
            put_le32(at + ATTEMPT_HEAD_BYTES, i);
            put_le64(at + ATTEMPT_HEAD_BYTES + 4, s->m.recipients[i].transaction);
            at += ATTEMPT_HEAD_BYTES + 4 + ATTEMPT_TAIL_BYTES;
        }
    }
    return at;
}

static uint8_t *
put_readings(uint8_t *at, const struct stored *s, uint32_t count, uint64_t lsn)
{
    struct attempt_head head = { s->m.id, lsn, count, ATTEMPT_READING };

    if (count == 0) {
        return at;
    }
    at = copied_statement_put(at, RECORD_ATTEMPT, ATTEMPT_HEAD_BYTES + 4 * (uint64_t)count);
    attempt_head_put(at, &head);
    at += ATTEMPT_HEAD_BYTES;
    for (uint32_t i = 0; i < s->m.recipient_count; i++) {
        if (s->m.recipients[i].attempt >= ATTEMPT_READING) {
            put_le32(at, i);
            at += 4;
        }
    }
    return at;
}

static uint8_t *
put_mark(uint8_t *at, const struct stored *s, uint64_t lsn, enum mark_what what, uint64_t value)
{
    struct mark mark = { s->m.id, lsn, value, what };

    at = copied_statement_put(at, RECORD_MARK, MARK_BYTES);
    mark_put(at, &mark);
    return at + MARK_BYTES;
}

static uint8_t *
put_said(uint8_t *at, const struct stored *s, const struct said *st, uint64_t lsn)
{
    at = put_outcomes(at, s, st, lsn);
    at = put_transfers(at, s, lsn);
    at = put_readings(at, s, st->attempts[ATTEMPT_READING], lsn);
    if (s->m.crashes > 0) {
        at = put_mark(at, s, lsn, MARK_CRASHES, s->m.crashes);
    }
    if (st->warned) {
        at = put_mark(at, s, lsn, MARK_WARNED, 0);
    }
    return s->m.held != HOLD_NO ? put_mark(at, s, lsn, MARK_HELD, s->m.held) : at;
}

struct copied { /* a message as commit_encode takes it */
    struct envelope e;
    struct commit_chunk *chunks;
    uint64_t commit_bytes; /* of the payload, before what a COMMIT has not */
};

static int
copied_of(const struct stored *s, const uint64_t *chunk_lsn, struct copied *out)
{
    uint32_t n = s->m.recipient_count;
    struct envelope_recipient *to = calloc(n, sizeof(*to));
    struct commit_chunk *chunks = calloc(s->chunk_count + (size_t)1, sizeof(*chunks));

    if (to == NULL || chunks == NULL) {
        free(to);
        free(chunks);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct queue_recipient *r = &s->m.recipients[i];

        to[i] = (struct envelope_recipient){ r->address, r->orcpt, r->notify };
    }
    for (uint32_t i = 0; i < s->chunk_count; i++) {
        chunks[i] = (struct commit_chunk){ chunk_lsn[i], s->chunk_bytes[i] };
    }
    *out = (struct copied){ .chunks = chunks,
        .e = { .sender = s->m.sender,
            .envid = s->m.envid,
            .body = s->m.body,
            .hops = s->m.hops,
            .received_wall_ms = s->m.received_wall_ms,
            .client = s->m.client,
            .transid = s->m.transid,
            .transid_bytes = s->m.transid_bytes,
            .recipient_count = n,
            .recipients = to } };
    out->commit_bytes = commit_payload_bytes(&out->e, s->chunk_count);
    return 0;
}

static int
put_copied_commit(
    struct queue *q, struct stored *s, const uint64_t *chunk_lsn, struct journal_place *place)
{
    struct commit_head head = { s->m.id, s->m.size_bytes };
    struct said st = said_of(s);
    struct copied c;
    uint64_t bytes;
    int rc = copied_of(s, chunk_lsn, &c);

    if (rc < 0) {
        return rc;
    }
    bytes = c.commit_bytes + COPIED_ORIGIN_BYTES + st.bytes;
    rc = c.commit_bytes == 0 ? BH_ETOOBIG : append(q, RECORD_COPIED_COMMIT, bytes, place);
    if (rc == 0) {
        uint8_t *at = place->payload;

        commit_encode(at, &head, &c.e, c.chunks, s->chunk_count);
        at = copied_origin_put(at + c.commit_bytes, s->commit_lsn);
        at = put_said(at, s, &st, place->lsn);
        CHECK((uint64_t)(at - place->payload) == bytes);
        q->compaction.copied_bytes += bytes;
    }
    free((void *)(uintptr_t)c.e.recipients);
    free(c.chunks);
    return rc;
}

/* s lives in a new place from here on, its content where chunk_lsn says. */
static int
rehome(struct queue *q, struct stored *s, const uint64_t *chunk_lsn)
{
    size_t lsns = s->chunk_count * sizeof(*chunk_lsn);
    struct move *m = calloc(1, sizeof(*m) + lsns);
    struct journal_place place;
    int rc = m == NULL ? -ENOMEM : put_copied_commit(q, s, chunk_lsn, &place);

    if (rc < 0) {
        free(m);
        s->stays = s->stays || rc == BH_ETOOBIG;
        return rc == BH_ETOOBIG ? 0 : rc;
    }
    m->s = s;
    m->commit_lsn = s->commit_lsn;
    if (s->chunk_count > 0) {
        memcpy(m->chunk_lsn, s->chunk_lsn, lsns);
        memcpy(s->chunk_lsn, chunk_lsn, lsns);
    }
    list_push_back(&q->compaction.moves, &m->link);
    s->commit_lsn = place.lsn;
    s->moving = true;
    s->readers++;
    list_remove(&s->in_segment);
    (void)replay_hold(&q->replay, s);
    if (segtab_need(&q->segments, place.segment, m->commit_lsn / q->segment_bytes) < 0) {
        place.segment->damaged = true; /* no memory to note it: kept until the next start */
    }
    return 0;
}

/* ---- copying one message */

static void
give_up_message(struct queue *q)
{
    struct compaction *c = &q->compaction;

    for (uint32_t i = 0; i < c->chunk_count; i++) {
        segtab_find(&q->segments, c->chunk_lsn[i] / q->segment_bytes)->live--;
    }
    free(c->chunk_lsn);
    c->chunk_lsn = NULL;
    c->chunk_count = 0;
    c->reader = NULL;
    c->s = NULL;
    c->reading = false;
}

static void
on_ready(void *ctx)
{
    struct queue *q = ctx;

    q->compaction.reading = false;
    queue_compact(q);
}

static int
put_content(struct queue *q, struct slice bytes)
{
    struct compaction *c = &q->compaction;
    struct journal_place place;
    uint64_t n = CONTENT_PREFIX_BYTES + bytes.n;
    int rc = append(q, RECORD_COPIED_CONTENT, n, &place);

    if (rc == 0) {
        put_le64(place.payload, c->s->m.id);
        put_le32(place.payload + 8, c->chunk_count);
        put_le32(place.payload + 12, 0);
        memcpy(place.payload + CONTENT_PREFIX_BYTES, bytes.p, bytes.n);
        place.segment->live++;
        c->chunk_lsn[c->chunk_count++] = place.lsn;
        c->copied_bytes += n;
    }
    return rc;
}

/* Its checksum failed: the message stays where it is, and so does the segment (I11). */
static void
on_unreadable(struct queue *q, struct stored *s, uint32_t chunk)
{
    struct segment *seg = segtab_find(&q->segments, s->chunk_lsn[chunk] / q->segment_bytes);

    s->damaged = true;
    if (seg != NULL) {
        seg->damaged = true;
    }
}

/* The chunk stays where it is: in a segment that does not go. */
static void
keep_chunk(struct queue *q, struct segment *seg)
{
    struct compaction *c = &q->compaction;

    seg->live++;
    c->chunk_lsn[c->chunk_count] = c->s->chunk_lsn[c->chunk_count];
    c->chunk_count++;
}

/* One chunk of the message in hand; BH_EBUSY; or why it cannot be copied. */
static int
copy_chunk(struct queue *q)
{
    struct compaction *c = &q->compaction;
    struct segment *seg =
        segtab_find(&q->segments, c->s->chunk_lsn[c->chunk_count] / q->segment_bytes);
    struct slice bytes;
    int rc;

    if (seg != NULL && seg->wanted != WANTED_COPY) {
        keep_chunk(q, seg);
        return 0;
    }
    queue_reader_chunk(c->reader, c->chunk_count);
    rc = queue_reader_next(c->reader, &bytes, on_ready, q);
    return rc > 0 ? put_content(q, bytes) : rc;
}

/* One step with the message in hand. 0, BH_EBUSY, or an error that ends the round. */
static int
copy_some(struct queue *q)
{
    struct compaction *c = &q->compaction;
    struct stored *s = c->s;
    struct queue_reader *reader = c->reader;
    int rc = s->gone ? -ECANCELED : 0;

    if (rc == 0 && c->chunk_count < s->chunk_count) {
        rc = copy_chunk(q);
        c->reading = rc == BH_EBUSY;
        if (rc == 0 || rc == BH_EBUSY) {
            return rc;
        }
        if (rc == BH_EDAMAGED || rc == -EIO) {
            on_unreadable(q, s, c->chunk_count);
            rc = 0;
        }
    } else if (rc == 0) {
        rc = rehome(q, s, c->chunk_lsn);
    }
    give_up_message(q); /* what was copied is held by s by now, or by nobody */
    q->reap_wanted = q->reap_wanted || !s->moving;
    queue_reader_close(reader);
    return rc == -ECANCELED ? 0 : rc;
}

static int
begin_message(struct queue *q, struct stored *s)
{
    struct compaction *c = &q->compaction;
    int rc;

    c->chunk_lsn = calloc(s->chunk_count + (size_t)1, sizeof(*c->chunk_lsn));
    if (c->chunk_lsn == NULL) {
        return -ENOMEM;
    }
    rc = queue_reader_open(q, &s->m, &c->reader);
    if (rc < 0) {
        free(c->chunk_lsn);
        c->chunk_lsn = NULL;
        return rc;
    }
    c->chunk_count = 0;
    c->s = s;
    return 0;
}

/* ---- going through the segments */

static bool
has_content_in(const struct queue *q, const struct stored *s, const struct segment *seg)
{
    for (uint32_t i = 0; i < s->chunk_count; i++) {
        if (s->chunk_lsn[i] / q->segment_bytes == seg->seq) {
            return true;
        }
    }
    return false;
}

/* The next message that is to leave seg; NULL: there is none. */
static struct stored *
next_message(struct queue *q, struct segment *seg, uint64_t *looked)
{
    struct compaction *c = &q->compaction;

    LIST_FOR(it, &seg->messages)
    {
        struct stored *s = CONTAINER_OF(it, struct stored, in_segment);

        if (!s->gone && !s->stays && !s->moving && !(s->damaged && seg->damaged)) {
            return s;
        }
    }
    while (seg->wanted == WANTED_COPY && c->guest < seg->guest_count && *looked < PIECE_BYTES) {
        struct stored *s = msgindex_find(&q->index, seg->guests[c->guest++]);

        *looked += SKIP_BYTES;
        if (s != NULL && !s->stays && !s->damaged && !s->moving && has_content_in(q, s, seg)) {
            return s;
        }
    }
    return NULL;
}

static bool
is_emptied(const struct queue *q, const struct segment *seg)
{
    LIST_FOR(it, &seg->messages)
    {
        if (!CONTAINER_OF(it, const struct stored, in_segment)->gone) {
            return false;
        }
    }
    return !seg->damaged && seg->wanted == WANTED_RETIRE && q->failed == 0;
}

/* No COMMIT in seg counts any more: its living messages have theirs elsewhere. */
static int
put_retired(struct queue *q, struct segment *seg)
{
    struct survivors_head head = { seg->seq, seg->epoch, 0, (uint32_t)q->segment_bytes, 0 };
    struct move *m = calloc(1, sizeof(*m));
    struct journal_place place;
    int rc = m == NULL ? -ENOMEM : append(q, RECORD_SURVIVORS, SURVIVORS_HEAD_BYTES, &place);

    if (rc < 0) {
        free(m);
        return rc;
    }
    survivors_head_put(place.payload, &head);
    m->seq = seg->seq;
    m->in = place.segment->seq;
    list_push_back(&q->compaction.moves, &m->link);
    return segtab_need(&q->segments, place.segment, seg->seq);
}

static struct segment *
segment_in_hand(struct queue *q)
{
    struct compaction *c = &q->compaction;

    LIST_FOR(it, &q->segments.order)
    {
        struct segment *s = segment_of(it);

        if (s->seq >= c->seq && s->wanted != WANTED_NO && !s->freeing) {
            c->guest = s->seq == c->seq ? c->guest : 0;
            c->seq = s->seq;
            return s;
        }
    }
    return NULL;
}

/* One step of the round: 1 go on; 0 it is over; BH_EBUSY; or an error that ends it. */
static int
advance(struct queue *q, uint64_t *looked)
{
    struct compaction *c = &q->compaction;
    struct segment *seg;
    struct stored *s;
    int rc;

    if (c->s != NULL) {
        rc = copy_some(q);
        return rc < 0 ? rc : 1;
    }
    seg = segment_in_hand(q);
    if (seg == NULL) {
        return 0;
    }
    s = next_message(q, seg, looked);
    if (s != NULL) {
        rc = seg->wanted == WANTED_COPY && !s->damaged ? begin_message(q, s)
                                                       : rehome(q, s, s->chunk_lsn);
    } else if (seg->wanted == WANTED_COPY && c->guest < seg->guest_count) {
        return 1; /* enough for one piece */
    } else {
        rc = is_emptied(q, seg) ? put_retired(q, seg) : 0;
        seg->wanted = WANTED_NO;
        c->seq = seg->seq + 1;
        c->guest = 0;
    }
    return rc < 0 ? rc : 1;
}

uint64_t
queue_compact_piece_bytes(const struct queue *q)
{
    return MIN((uint64_t)PIECE_BYTES, q->segment_bytes / 8);
}

/* Where others write faster than that, a quarter of what they wrote since the last piece: or the
 * round would never catch up with them. */
static uint64_t
piece_bytes(struct queue *q)
{
    uint64_t here = journal_position(q->journal), since = here - q->compaction.piece_at;
    uint64_t most = queue_compact_piece_bytes(q);

    q->compaction.piece_at = here;
    /* at most half of what makes the journal full: intakes go on beside it */
    since = MIN(since / 4, MIN((uint64_t)PIECE_BYTES_MAX, q->segment_bytes / 4));
    return q->is_short ? most : MAX(most, since);
}

static void
piece(struct queue *q)
{
    struct journal_wait w = { WAIT_COMPACT, NULL, NULL, NULL };
    struct compaction *c = &q->compaction;
    uint64_t before = c->appended, looked = 0, most = piece_bytes(q);
    int rc = journal_reserve_waits(q->journal, 1);

    rc = rc < 0 ? rc : 1;
    while (
        rc > 0 && looked < queue_compact_piece_bytes(q) && c->appended - before + looked < most) {
        rc = advance(q, &looked);
    }
    if (q->failed == 0 && (c->appended > before || looked >= queue_compact_piece_bytes(q))) {
        c->waiting = true;
        c->pieces++;
        CHECK(journal_wait(q->journal, &w) == 0); /* reserved */
    }
    if (rc <= 0 && rc != BH_EBUSY) {
        c->active = false; /* over; or no memory, or the queue has failed: nothing was lost */
    }
}

/* A segment that became full may make a round due though nothing died: outcomes fill one alone. */
static bool
one_was_closed(struct queue *q)
{
    const struct list *before = journal_segment(q->journal)->link.prev;
    const struct segment *s = CONTAINER_OF(before, const struct segment, link);

    if (before == &q->segments.order || !s->closed || s->seq == q->compaction.closed_seq) {
        return false;
    }
    q->compaction.closed_seq = s->seq;
    return true;
}

void
queue_compact(struct queue *q)
{
    struct compaction *c = &q->compaction;

    if (q->failed != 0 || q->releasing || c->waiting || c->reading) {
        return;
    }
    if (!c->active) {
        if (!one_was_closed(q) && !c->wanted) {
            return;
        }
        c->wanted = false;
        c->seq = 0;
        c->guest = 0;
        c->active = queue_compact_choose(q);
        if (!c->active) {
            return;
        }
        c->piece_at = journal_position(q->journal);
    }
    piece(q);
}

void
queue_compact_stop(struct queue *q)
{
    struct queue_reader *reader = q->compaction.reader;

    if (q->compaction.s != NULL) {
        give_up_message(q);
        queue_reader_orphan(reader);
    }
    q->compaction.active = false;
}

void
queue_compact_fini(struct queue *q)
{
    struct list *it;

    queue_compact_stop(q);
    while ((it = list_pop_front(&q->compaction.moves)) != NULL) {
        free(CONTAINER_OF(it, struct move, link));
    }
}
