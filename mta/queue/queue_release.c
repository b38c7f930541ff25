/* The end: what is recorded becomes durable, the threads end, RELEASED is written, the locks are
 * given back; or, in a crash of ours, nothing of it. */
#include "core/log.h"
#include "core/ticks.h"
#include "queue/census.h"
#include "queue/queue_int.h"
#include "queue/queue_load.h"
#include <stdlib.h>

static int
truncate_last(struct queue *q)
{
    const struct segment *now = journal_segment(q->journal);
    uint64_t end = q->sealed_lsn % q->segment_bytes;

    /* sealed_lsn may be the very end of the segment, where its remainder is 0: nothing to cut */
    if (now->fd < 0 || end == 0 || !lease_valid(&q->renewal.lease, ticks_boot_ns())) {
        return 0;
    }
    return io_ftruncate(now->fd, (end + IO_BLOCK_BYTES - 1) / IO_BLOCK_BYTES * IO_BLOCK_BYTES);
}

/* In the pool: threads end, then what is ours alone is tidied, then RELEASED. */
static void
release_work(void *ctx)
{
    struct queue *q = ctx;
    bool zeroed;
    int rc = 0;

    snapshot_make_stop(q);
    renewal_stop(&q->renewal);
    space_stop(q->space);
    if (!lease_valid(&q->renewal.lease, ticks_boot_ns())) {
        q->release_rc = BH_EFENCED;
        return;
    }
    (void)!truncate_last(q);
    space_clear(q->space, space_is_ready(q->space, journal_next_segment(q->journal), &zeroed)
                              ? journal_next_segment(q->journal)
                              : NULL);
    rc = owner_file_write(&q->renewal.owner, OWNER_RELEASED, q->sealed_lsn);
    io_close(&q->lock_fd);
    io_close(&q->run_fd);
    q->release_rc = rc;
}

static void
release_done(void *ctx, int status)
{
    struct queue *q = ctx;
    int rc = status < 0 ? status : q->release_rc;

    if (rc == 0) {
        log_event(EV_OWNER_RELEASED, LF_UINT("epoch", q->epoch));
    }
    lease_end(&q->renewal.lease);
    q->failed = q->failed == 0 ? BH_ESTATE : q->failed;
    q->release_cb(q->release_ctx, rc);
}

static void
release_begin(void *ctx)
{
    struct queue *q = ctx;
    int rc = q->release_rc;

    if (rc == 0) {
        q->sealed_lsn = journal_position(q->journal);
        journal_stop(q->journal);
        q->release_work =
            (struct loop_work){ .work = release_work, .done = release_done, .ctx = q };
        rc = loop_work_start(q->loop, &q->release_work);
    }
    if (rc < 0) {
        q->release_cb(q->release_ctx, rc);
    }
}

/* Everything recorded is durable, or will not be. Not from inside the journal's call. */
static void
release_on_sync(void *ctx, int status)
{
    struct queue *q = ctx;

    q->release_rc = status;
    loop_call_soon(q->loop, &q->release_task);
}

int
queue_release(struct queue *q, queue_done_fn *cb, void *ctx)
{
    int rc = q->releasing || q->release_waits ? BH_ESTATE : q->failed;

    if (rc == 0 && q->load != NULL) {
        q->release_waits = true;
        q->release_cb = cb;
        q->release_ctx = ctx;
        return 0;
    }
    rc = rc < 0 ? rc : census_put(q);
    rc = rc == -ENOMEM ? 0 : rc; /* the last one holds: nobody freed anything without one */
    rc = rc < 0 ? rc : queue_sync(q, release_on_sync, q);
    if (rc < 0) {
        return rc;
    }
    q->releasing = true;
    space_leave(q->space);
    queue_compact_stop(q);
    q->release_cb = cb;
    q->release_ctx = ctx;
    loop_task_init(&q->release_task, release_begin, q);
    return 0;
}

void
queue_free(struct queue *q)
{
    if (q == NULL) {
        return;
    }
    if (q->load != NULL) {
        queue_load_free(q);
    }
    snapshot_make_stop(q);
    queue_feed_stop(q);
    if (q->journal != NULL && !q->releasing) {
        q->failed = q->failed == 0 ? -ECANCELED : q->failed;
        journal_stop(q->journal);
    }
    renewal_stop(&q->renewal);
    if (q->space != NULL) {
        space_stop(q->space);
    }
    if (q->wake != NULL) {
        loop_wake_free(q->wake);
    }
    journal_free(q->journal);
    space_free(q->space);
    queue_compact_fini(q);
    queue_parts_free(q);
    LIST_FOR(it, &q->segments.order)
    {
        struct segment *seg = CONTAINER_OF(it, struct segment, link);

        LIST_FOR_SAFE(m, tmp, &seg->messages)
        {
            struct stored *stored = CONTAINER_OF(m, struct stored, in_segment);

            if (stored->gone) { /* in no index, and not known to be durably gone */
                stored_free(&q->index, stored);
            }
        }
    }
    msgindex_fini(&q->index);
    transids_fini(&q->transids);
    free(q->missing);
    segtab_fini(&q->segments);
    owner_file_close(&q->renewal.owner);
    io_close(&q->lock_fd);
    io_close(&q->run_fd);
    queue_buffers_free(q);
    free(q);
}
