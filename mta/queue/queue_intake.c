/* A message while it comes in: its content goes into the journal at once, its COMMIT makes it one
 * (I3). */
#include "queue/queue_int.h"
#include <stdlib.h>

#define DIRECT_BYTES_MIN (2 * KIB) /* a piece that is worth a record of its own */
#define STAGE_BYTES_MIN  KIB
#define STAGE_BYTES_MAX  (32 * KIB) /* small pieces gather to chunks of this size */

/* ---- intake */

int
queue_ready(const struct queue *q, uint64_t size_bytes)
{
    if (q->failed != 0) {
        return q->failed;
    }
    if (q->releasing || q->release_waits) {
        return BH_ESTATE;
    }
    if (q->low || size_bytes > space_free_bytes(q->space)) {
        return -ENOSPC;
    }
    return 0;
}

struct queue_intake *
queue_intake_new(struct queue *q, loop_fn *resume, void *ctx)
{
    struct queue_intake *in = calloc(1, sizeof(*in));

    if (in == NULL) {
        return NULL;
    }
    in->q = q;
    in->resume = resume;
    in->ctx = ctx;
    in->chunks = in->inside;
    in->chunk_capacity = INTAKE_CHUNKS_INSIDE;
    list_init(&in->paused);
    return in;
}

int
queue_begin(struct queue *q, loop_fn *resume, void *ctx, struct queue_intake **out, msg_id *id)
{
    struct queue_intake *in;
    int rc = queue_ready(q, 0);

    if (rc < 0) {
        return rc;
    }
    in = queue_intake_new(q, resume, ctx);
    if (in == NULL) {
        return -ENOMEM;
    }
    in->id = *id = (uint64_t)q->epoch << QUEUE_ID_EPOCH_SHIFT | ++q->id_counter;
    *out = in;
    return 0;
}

/* Not while recovered messages are told in order of their ids: it would be told twice. Of an
 * earlier epoch only: then nobody is being given it now, and its COMMIT of then lies before all
 * that this epoch writes, a snapshot's beginning included. */
bool
queue_intake_again(struct queue_intake *in, msg_id id)
{
    uint64_t epoch = id >> QUEUE_ID_EPOCH_SHIFT;

    if (in->q->feed_after != UINT64_MAX || epoch == 0 || epoch >= in->q->epoch ||
        in->chunk_count > 0 || in->staged > 0 || msgindex_find(&in->q->index, id) != NULL) {
        return false;
    }
    in->id = id;
    return true;
}

int
queue_intake_chunk_room(struct queue_intake *in, uint32_t more)
{
    uint32_t capacity = in->chunk_capacity;
    bool inside = in->chunks == in->inside;
    struct commit_chunk *grown;

    while (capacity - in->chunk_count < more) {
        capacity *= 4;
    }
    if (capacity == in->chunk_capacity) {
        return 0;
    }
    grown = realloc(inside ? NULL : in->chunks, capacity * sizeof(*grown));
    if (grown == NULL) {
        return -ENOMEM;
    }
    if (inside) {
        memcpy(grown, in->inside, sizeof(in->inside));
    }
    in->chunks = grown;
    in->chunk_capacity = capacity;
    return 0;
}

/* What is staged and then these bytes as one CONTENT record. */
static int
put_chunk(struct queue_intake *in, struct slice bytes)
{
    size_t n = in->staged + bytes.n;
    struct journal_place place;
    int rc = queue_intake_chunk_room(in, 1);

    rc =
        rc < 0 ? rc : journal_add(in->q->journal, RECORD_CONTENT, CONTENT_PREFIX_BYTES + n, &place);
    if (rc < 0) {
        return rc;
    }
    put_le64(place.payload, in->id);
    put_le32(place.payload + 8, in->chunk_count);
    put_le32(place.payload + 12, 0);
    if (in->staged > 0) {
        memcpy(place.payload + CONTENT_PREFIX_BYTES, in->stage, in->staged);
    }
    if (bytes.n > 0) {
        memcpy(place.payload + CONTENT_PREFIX_BYTES + in->staged, bytes.p, bytes.n);
    }
    in->staged = 0;
    place.segment->live++;
    in->chunks[in->chunk_count++] = (struct commit_chunk){ place.lsn, (uint32_t)n };
    in->size_bytes += n;
    return 0;
}

static int
flush_stage(struct queue_intake *in)
{
    return in->staged > 0 ? put_chunk(in, SLICE_NONE) : 0;
}

static int
stage_room(struct queue_intake *in, size_t n)
{
    size_t wanted = MAX(in->stage_capacity, (size_t)STAGE_BYTES_MIN);
    uint8_t *grown;

    while (wanted < in->staged + n) {
        wanted *= 2;
    }
    if (wanted <= in->stage_capacity) {
        return 0;
    }
    grown = realloc(in->stage, wanted);
    if (grown == NULL) {
        return -ENOMEM;
    }
    in->stage = grown;
    in->stage_capacity = wanted;
    return 0;
}

static size_t
chunk_max(const struct queue *q)
{
    return MIN((size_t)CONTENT_BYTES_MAX, journal_payload_max(q->journal) - CONTENT_PREFIX_BYTES);
}

/* Large pieces go straight into the batch; small ones gather first, so that a client that drips
 * does not cost a record and a chunk entry for each of its packets. */
static int
append(struct queue_intake *in, struct slice bytes)
{
    size_t stage_max = MIN((size_t)STAGE_BYTES_MAX, chunk_max(in->q));

    while (bytes.n > 0) {
        size_t n;
        int rc;

        if (bytes.n >= MIN((size_t)DIRECT_BYTES_MIN, stage_max)) {
            n = MIN(bytes.n, chunk_max(in->q) - in->staged);
            rc = put_chunk(in, slice_sub(bytes, 0, n));
        } else {
            n = MIN(bytes.n, stage_max - in->staged);
            rc = stage_room(in, n);
            if (rc == 0) {
                memcpy(in->stage + in->staged, bytes.p, n);
                in->staged += n;
                rc = in->staged == stage_max ? flush_stage(in) : 0;
            }
        }
        if (rc < 0) {
            return rc;
        }
        bytes = slice_skip(bytes, n);
    }
    return 0;
}

int
queue_append(struct queue_intake *in, struct slice bytes)
{
    struct queue *q = in->q;
    int rc = in->failed != 0 ? in->failed : queue_ready(q, 0);

    rc = rc < 0 ? rc : append(in, bytes);
    if (rc < 0) {
        in->failed = rc;
        return rc;
    }
    if (!journal_is_full(q->journal)) {
        return 0;
    }
    list_remove(&in->paused);
    list_push_back(&q->paused, &in->paused);
    return 1;
}

/* The chunks are no longer held by the message in the making. */
static void
let_chunks_go(struct queue_intake *in)
{
    for (uint32_t i = 0; i < in->chunk_count; i++) {
        segtab_find(&in->q->segments, in->chunks[i].lsn / in->q->segment_bytes)->live--;
    }
    in->q->reap_wanted = true;
}

void
queue_intake_free(struct queue_intake *in)
{
    let_chunks_go(in);
    list_remove(&in->paused);
    if (in->part != NULL) {
        in->part->in = NULL;
    }
    free(in->stage);
    if (in->chunks != in->inside) {
        free(in->chunks);
    }
    free(in);
}

void
queue_abort(struct queue_intake *in)
{
    if (in != NULL) {
        struct part *p = in->part;
        struct queue *q = in->q;

        queue_intake_free(in);
        if (p != NULL) {
            queue_part_forget(q, p);
        }
    }
}

/* COMMIT in the batch and the message in memory, or neither. Where there is a part it is copied
 * from it: the same record that compaction writes. */
static int
put_commit(struct queue_intake *in, const struct envelope *e, struct stored **out)
{
    struct commit_head head = { in->id, in->size_bytes };
    uint64_t n = commit_payload_bytes(e, in->chunk_count);
    uint64_t origin = in->part != NULL ? in->part->commit_lsn : 0;
    uint64_t bytes = n + (origin != 0 ? COPIED_ORIGIN_BYTES : 0);
    struct journal_place place;
    int rc = n == 0 ? BH_ETOOBIG
                    : journal_add(in->q->journal,
                          origin != 0 ? RECORD_COPIED_COMMIT : RECORD_COMMIT, bytes, &place);

    if (rc < 0) {
        return rc;
    }
    commit_encode(place.payload, &head, e, in->chunks, in->chunk_count);
    if (origin != 0) {
        copied_origin_put(place.payload + n, origin);
    }
    rc = stored_new(out, (struct slice){ (const char *)place.payload, bytes }, place.lsn);
    if (rc < 0) {
        journal_void(&place);
    } else if (origin != 0) {
        queue_depend(in->q, place.segment, origin);
    }
    return rc;
}

int
queue_intake_put(struct queue_intake *in, const struct envelope *e, const struct journal_wait *wait)
{
    struct queue *q = in->q;
    struct stored *s = NULL;
    struct transid *t = NULL;
    int rc = in->failed != 0 ? in->failed : queue_ready(q, 0);

    rc = rc < 0 ? rc : flush_stage(in);
    rc = rc < 0 ? rc : journal_reserve_waits(q->journal, 1);
    rc = rc < 0 ? rc : msgindex_reserve(&q->index, q->commits_pending + 1);
    rc = rc < 0 ? rc : queue_transid_begin(q, in->id, e, &t);
    rc = rc < 0 ? rc : put_commit(in, e, &s);
    if (rc < 0 && t != NULL) {
        transids_drop(&q->transids, t);
    }
    if (rc == 0) {
        struct journal_wait w = *wait;

        w.object = s;
        CHECK(replay_hold(&q->replay, s)); /* the intake holds them: they are there */
        rc = journal_wait(q->journal, &w);
        CHECK(rc == 0);
        q->commits_pending++;
        if (in->part != NULL) {
            in->part->commit_lsn = s->commit_lsn;
        }
    }
    return rc;
}

int
queue_commit(struct queue_intake *in, const struct envelope *e, queue_done_fn *cb, void *ctx)
{
    struct journal_wait w = { WAIT_COMMIT, cb, ctx, NULL };
    struct part *p = in->part;
    struct queue *q = in->q;
    int rc = queue_intake_put(in, e, &w);

    queue_intake_free(in);
    if (p != NULL && rc == 0) {
        p->whole = true;
    } else if (p != NULL) {
        queue_part_forget(q, p);
    }
    return rc;
}

void
queue_forget(struct queue *q, queue_done_fn *cb, void *ctx)
{
    journal_forget(q->journal, cb, ctx);
}
