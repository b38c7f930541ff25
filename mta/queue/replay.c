/* I7: `needs` of a segment is kept here. I10: `live` of a segment is kept here. */
#include "queue/replay.h"
#include <stdlib.h>

static struct segment *
segment_at(const struct replay *r, uint64_t lsn)
{
    return segtab_find(r->segments, lsn / r->segment_bytes);
}

bool
replay_hold(struct replay *r, struct stored *s)
{
    struct segment *commit = segment_at(r, s->commit_lsn);
    bool all = commit != NULL;

    if (commit != NULL) {
        uint64_t bytes = stored_commit_bytes(s);

        commit->live++;
        commit->live_bytes += bytes;
        commit->commit_bytes += bytes;
        list_push_back(&commit->messages, &s->in_segment);
    }
    for (uint32_t i = 0; i < s->chunk_count; i++) {
        struct segment *seg = segment_at(r, s->chunk_lsn[i]);

        if (seg != NULL) {
            seg->live++;
            seg->live_bytes += stored_chunk_bytes(s->chunk_bytes[i]);
        }
        if (seg != NULL && seg != commit) {
            segment_guest(seg, s->m.id);
        }
        all = all && seg != NULL;
    }
    return all;
}

/* Looks up the same segments: none of them can have gone, since they were held. A chunk's segment
 * that was not there then is not there now: numbers are never used again. */
bool
replay_let_go_of(
    struct replay *r, const struct stored *s, uint64_t commit_lsn, const uint64_t *chunk_lsn)
{
    struct segment *commit = segment_at(r, commit_lsn);
    bool empty = false;

    if (commit != NULL) {
        uint64_t bytes = stored_commit_bytes(s);

        empty = --commit->live == 0;
        commit->live_bytes -= bytes;
        commit->commit_bytes -= bytes;
    }
    for (uint32_t i = 0; i < s->chunk_count; i++) {
        struct segment *seg = segment_at(r, chunk_lsn[i]);

        if (seg != NULL) {
            empty = --seg->live == 0 || empty;
            seg->live_bytes -= stored_chunk_bytes(s->chunk_bytes[i]);
        }
    }
    return empty;
}

bool
replay_let_go(struct replay *r, struct stored *s)
{
    list_remove(&s->in_segment);
    return replay_let_go_of(r, s, s->commit_lsn, s->chunk_lsn);
}

static void
drop(struct replay *r, struct stored *s)
{
    msgindex_remove(r->index, s);
    (void)replay_let_go(r, s);
    stored_free(r->index, s);
}

bool
replay_plausible(const struct replay *r, const struct stored *s)
{
    for (uint32_t i = 0; i < s->chunk_count; i++) {
        if (s->chunk_lsn[i] >= s->commit_lsn || s->chunk_bytes[i] == 0 ||
            s->chunk_bytes[i] > CONTENT_BYTES_MAX || s->chunk_lsn[i] % RECORD_ALIGN != 0 ||
            s->chunk_lsn[i] % r->segment_bytes < SEGMENT_HEADER_BYTES) {
            return false;
        }
    }
    return true;
}

static int
on_commit(struct replay *r, const struct record_head *h, struct slice payload)
{
    struct stored *s;
    const struct stored *known;
    int rc = stored_new(&s, payload, h->lsn);

    if (rc < 0) {
        return rc;
    }
    known = msgindex_find(r->index, s->m.id);
    if (known != NULL && known->commit_lsn >= h->lsn) {
        stored_free(r->index, s); /* from a snapshot, which is later: perhaps it was copied since */
        return 0;
    }
    rc = s->m.id != 0 && replay_plausible(r, s) ? msgindex_add(r->index, s) : BH_EDAMAGED;
    if (rc < 0) {
        stored_free(r->index, s);
        return rc == -EEXIST ? BH_EDAMAGED : rc;
    }
    s->durable = true;
    s->damaged = !replay_hold(r, s);
    return 0;
}

/* The message that a record is about; NULL if it is not there any more. Whether it is or not: as
 * long as its COMMIT's segment is there, this record must be, too (I7). */
static int
subject(struct replay *r, struct segment *in, uint64_t id, uint64_t commit_lsn, struct stored **out)
{
    struct stored *s = msgindex_find(r->index, id);

    *out = s != NULL && s->commit_lsn == commit_lsn ? s : NULL;
    return segtab_need(r->segments, in, commit_lsn / r->segment_bytes);
}

static int
on_outcome(struct replay *r, struct segment *in, struct slice payload)
{
    struct reader rd = reader_of(payload), entries;
    struct outcome_head head;
    struct stored *s;
    int rc = outcome_head_get(&rd, &head);

    rc = rc < 0 ? rc : subject(r, in, head.id, head.commit_lsn, &s);
    if (rc < 0) {
        return rc;
    }
    /* all or nothing: first a look at every entry */
    entries = rd;
    for (uint32_t i = 0; i < head.count; i++) {
        struct outcome_entry e;

        rc = outcome_entry_get(&rd, &e);
        if (rc == 0 && s != NULL && !msgindex_outcome_valid(s, &e)) {
            rc = BH_EDAMAGED;
        }
        if (rc < 0) {
            return rc;
        }
    }
    for (uint32_t i = 0; s != NULL && i < head.count; i++) {
        struct outcome_entry e;

        rc = outcome_entry_get(&entries, &e);
        rc = rc < 0 ? rc : msgindex_outcome(r->index, s, &e);
        CHECK(rc == 0 || rc == -ENOMEM); /* without memory only the reply's text is missing */
    }
    if (s != NULL && s->m.live_count == 0) {
        drop(r, s);
    }
    return 0;
}

static int
on_mark(struct replay *r, struct segment *in, struct slice payload)
{
    struct mark mark;
    struct stored *s;
    int rc = mark_get(payload, &mark);

    rc = rc < 0 ? rc : subject(r, in, mark.id, mark.commit_lsn, &s);
    if (rc == 0 && s != NULL) {
        msgindex_mark(r->index, s, &mark);
    }
    return rc;
}

static int
on_attempt(struct replay *r, struct segment *in, struct slice payload)
{
    struct reader rd = reader_of(payload);
    struct attempt_head head;
    struct stored *s;
    struct reader all;
    uint64_t transaction;
    int rc = attempt_head_get(&rd, &head);

    rc = rc < 0 ? rc : subject(r, in, head.id, head.commit_lsn, &s);
    if (rc < 0 || s == NULL) {
        return rc;
    }
    all = rd; /* all or nothing */
    for (uint32_t i = 0; i < head.count; i++) {
        if (read_u32(&all) >= s->m.recipient_count) {
            return BH_EDAMAGED;
        }
    }
    transaction = all.rest.n >= ATTEMPT_TAIL_BYTES ? read_u64(&all) : 0;
    for (uint32_t i = 0; rc == 0 && i < head.count; i++) {
        rc = msgindex_attempt(r->index, s, read_u32(&rd), head.kind, transaction);
    }
    s->m.attempt_order = ++r->index->attempt_order;
    return rc;
}

/* ---- COPIED_COMMIT */

static int
outcomes_check(const struct stored *s, struct reader *r, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct outcome_entry e;
        int rc = outcome_entry_get(r, &e);

        if (rc < 0 || !msgindex_outcome_valid(s, &e)) {
            return BH_EDAMAGED;
        }
    }
    return 0;
}

static int
attempts_check(const struct stored *s, struct reader *r, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (read_u32(r) >= s->m.recipient_count) {
            return BH_EDAMAGED;
        }
    }
    return 0;
}

/* Would this statement be a record about s, and about nobody else? */
static int
statement_check(const struct stored *s, uint8_t type, struct slice payload)
{
    struct reader r = reader_of(payload);
    uint64_t id = read_u64(&r), lsn = read_u64(&r);
    struct outcome_head outcome;
    struct attempt_head attempt;
    struct mark mark;
    int rc;

    if (r.bad || id != s->m.id || lsn != s->commit_lsn) {
        return BH_EDAMAGED;
    }
    r = reader_of(payload);
    switch (type) {
    case RECORD_OUTCOME:
        rc = outcome_head_get(&r, &outcome);
        return rc < 0 ? rc : outcomes_check(s, &r, outcome.count);
    case RECORD_ATTEMPT:
        rc = attempt_head_get(&r, &attempt);
        return rc < 0 ? rc : attempts_check(s, &r, attempt.count);
    case RECORD_MARK:
        return mark_get(payload, &mark);
    default:
        return BH_EFORMAT;
    }
}

/* The fields that a COMMIT has not; 0 and *origin, or why it cannot be taken. */
static int
copied_check(const struct stored *s, struct slice payload, uint64_t *origin)
{
    struct commit_head head;
    struct commit_walk w;
    int rc = commit_walk_begin(&w, payload, &head);

    *origin = 0;
    while (rc == 0 && (rc = commit_walk_next(&w)) > 0) {
        struct slice inside;
        uint8_t type;

        rc = 0;
        if (w.tag == COMMIT_ORIGIN) {
            struct reader r = reader_of(w.bytes);

            *origin = read_u64(&r);
        } else if (w.tag == COMMIT_STATEMENT) {
            rc = copied_statement_get(w.bytes, &type, &inside);
            rc = rc < 0 ? rc : statement_check(s, type, inside);
        }
    }
    return rc < 0 ? rc : *origin == 0 || *origin >= s->commit_lsn ? BH_EDAMAGED : 0;
}

/* Its statements, as the records that they stand for. */
static int
say_again(struct replay *r, struct segment *in, struct slice payload)
{
    struct commit_head head;
    struct commit_walk w;
    int rc = commit_walk_begin(&w, payload, &head);

    while (rc == 0 && (rc = commit_walk_next(&w)) > 0) {
        struct slice inside;
        uint8_t type;

        rc = 0;
        if (w.tag == COMMIT_STATEMENT) {
            rc = copied_statement_get(w.bytes, &type, &inside);
            rc = rc < 0                   ? rc
                 : type == RECORD_MARK    ? on_mark(r, in, inside)
                 : type == RECORD_ATTEMPT ? on_attempt(r, in, inside)
                                          : on_outcome(r, in, inside);
        }
    }
    return rc;
}

/* It takes the place of what is known of that message, all of it. Where nothing is known, the
 * segment of its COMMIT is gone, or nobody could read it. */
static int
on_copied_commit(
    struct replay *r, struct segment *in, const struct record_head *h, struct slice payload)
{
    struct stored *s, *known;
    uint64_t origin;
    int rc = stored_new(&s, payload, h->lsn);

    if (rc < 0) {
        return rc;
    }
    rc = s->m.id != 0 && replay_plausible(r, s) ? copied_check(s, payload, &origin) : BH_EDAMAGED;
    rc = rc < 0 ? rc : segtab_need(r->segments, in, origin / r->segment_bytes);
    known = msgindex_find(r->index, s->m.id);
    if (rc == 0 && known != NULL && known->commit_lsn >= h->lsn) {
        stored_free(r->index, s);
        return 0; /* what is known is younger: from a snapshot */
    }
    if (rc == 0 && known != NULL) {
        rc = segtab_need(r->segments, in, known->commit_lsn / r->segment_bytes);
    }
    if (rc == 0 && known != NULL) {
        drop(r, known);
    }
    rc = rc < 0 ? rc : msgindex_add(r->index, s);
    if (rc < 0) {
        stored_free(r->index, s);
        return rc;
    }
    s->durable = true;
    s->damaged = !replay_hold(r, s);
    return say_again(r, in, payload);
}

static int
by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static int
on_survivors(struct replay *r, struct segment *in, struct slice payload)
{
    struct reader rd = reader_of(payload);
    struct survivors_head head;
    struct segment *about;
    uint32_t *offsets;
    int rc = survivors_head_get(&rd, &head);

    if (rc < 0) {
        return rc;
    }
    about = segtab_find(r->segments, head.seq);
    if (about == NULL || about->epoch != head.epoch || about == in) {
        return 0;
    }
    offsets = calloc(head.count + (size_t)1, sizeof(*offsets));
    if (offsets == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < head.count; i++) {
        offsets[i] = read_u32(&rd);
    }
    qsort(offsets, head.count, sizeof(*offsets), by_number);
    LIST_FOR_SAFE(it, tmp, &about->messages)
    {
        struct stored *s = CONTAINER_OF(it, struct stored, in_segment);
        uint32_t at = (uint32_t)(s->commit_lsn % r->segment_bytes);

        if (at >= head.from && at < head.to &&
            bsearch(&at, offsets, head.count, sizeof(*offsets), by_number) == NULL) {
            drop(r, s);
        }
    }
    free(offsets);
    return segtab_need(r->segments, in, head.seq);
}

/* In the first releases all settings stood again behind each SEAL, which unset what was before. */
static int
on_seal(struct replay *r, const struct record_head *h, struct slice payload)
{
    struct reader rd = reader_of(payload);

    if ((h->flags & RECORD_FLAG_SETTINGS_STAY) == 0 && read_u32(&rd) == 0) {
        state_clear(&r->index->state, r->segments, r->segment_bytes);
    }
    return 0;
}

static int
on_state(struct replay *r, struct segment *in, uint64_t lsn, struct slice payload)
{
    struct slice key, value;
    struct segment *before;
    int rc = state_get(payload, &key, &value);

    rc = rc < 0 ? rc
                : state_apply(&r->index->state, r->segments, r->segment_bytes, in, lsn, key, value,
                      &before);
    if (rc == 0) {
        state_let_go(before);
    }
    return rc == BH_ETOOBIG ? BH_EDAMAGED : rc;
}

/* It has to outlive the segment that it is about, whose damage would come back without it. What it
 * says of findings is recover.c's. */
static int
on_repaired(struct replay *r, struct segment *in, struct slice payload)
{
    struct reader rd = reader_of(payload);
    uint64_t seq = read_u64(&rd);

    return rd.bad ? BH_EDAMAGED : segtab_need(r->segments, in, seq);
}

int
replay_record(
    struct replay *r, struct segment *in, const struct record_head *h, struct slice payload)
{
    switch (h->type) {
    case RECORD_CONTENT:
    case RECORD_COPIED_CONTENT:
    case RECORD_END:
    case RECORD_PAD:
    case RECORD_CENSUS:
    case RECORD_SNAPSHOT:
        return 0;
    case RECORD_SEAL:
        return on_seal(r, h, payload);
    case RECORD_REPAIRED:
        return on_repaired(r, in, payload);
    case RECORD_STATE:
    case RECORD_TRANSID:
        return on_state(r, in, h->lsn, payload);
    case RECORD_COMMIT:
        return on_commit(r, h, payload);
    case RECORD_COPIED_COMMIT:
        return on_copied_commit(r, in, h, payload);
    case RECORD_OUTCOME:
        return on_outcome(r, in, payload);
    case RECORD_MARK:
        return on_mark(r, in, payload);
    case RECORD_ATTEMPT:
        return on_attempt(r, in, payload);
    case RECORD_SURVIVORS:
        return on_survivors(r, in, payload);
    default:
        return (h->flags & RECORD_FLAG_OPTIONAL) != 0 ? 0 : BH_EFORMAT;
    }
}
