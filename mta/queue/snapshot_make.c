/* Steps (section 6c): begin - everything before P is told - segments, messages - everything before
 * W is durable - trailer, checked, renamed. Loop and thread take turns: while the thread has the
 * block, the loop does not touch it. */
#include "queue/snapshot_make.h"
#include "core/log.h"
#include "core/ticks.h"
#include "queue/census.h"
#include "queue/queue_int.h"
#include "queue/snapshot_load.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_MODE 0600
#define DIR_MODE  0700
/* Filled in one turn of the loop: about half a millisecond. Less in a store of small segments, so
 * that a few messages are several blocks there, and the simulation has mail change between them. */
#define BLOCK_BYTES  (256 * KIB)
#define SEGMENT_PART 64
/* Written back at once: the journal's sync waits no longer for the disk than that takes. */
#define SYNC_BYTES (4 * MIB)
/* Room on the disk that is asked for before one is begun, for each message and recipient. */
#define ROOM_BYTES 256

enum make_state { MAKE_TELL, MAKE_SEGMENTS, MAKE_MESSAGES, MAKE_DURABLE, MAKE_FINISH };
enum make_job { JOB_NONE, JOB_OPEN, JOB_BLOCK, JOB_FINISH };

/* The thread's. */
struct make_file {
    const struct queue *q;
    char tmp[STORE_PATH_CAP], path[STORE_PATH_CAP], dir[STORE_PATH_CAP];
    struct snapshot_info info;
    struct snapshot_ref keep[SNAPSHOT_REFS_MAX];
    struct snapshot_ref newest; /* of those that are there */
    uint32_t keep_count;
    bool is_short; /* of room: nothing but the newest is kept beside this one */
    uint64_t at, unsynced, idle_mark;
    uint32_t seed;
    int fd;
};

struct snapshot_make {
    struct queue *q;
    queue_done_fn *cb;
    void *ctx;
    enum make_state state;
    uint64_t cursor; /* id of the last message written */
    uint64_t began_ms;
    struct snapshot_block block;
    struct make_file file;

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    bool started;
    enum make_job job; /* under lock, as the next two */
    bool done;
    int rc;
    _Atomic bool stop;
};

/* ---- the thread: the file */

static int
make_dir(struct make_file *f)
{
    int rc = io_mkdir(f->dir, DIR_MODE);

    if (rc == -EEXIST) {
        return 0;
    }
    return rc < 0 ? rc : io_sync_dir(f->q->store);
}

static int
write_block(struct make_file *f, const uint8_t *bytes, size_t n)
{
    int rc = io_pwrite_all(f->fd, bytes, n, f->at);

    f->at += n;
    f->unsynced += n;
    if (rc == 0 && f->unsynced >= SYNC_BYTES) {
        f->unsynced = 0;
        rc = io_fdatasync(f->fd);
    }
    return rc;
}

static int
file_open(struct make_file *f)
{
    uint8_t *block = io_alloc_blocks(SNAPSHOT_HEADER_BYTES);
    int rc = block == NULL ? -ENOMEM : make_dir(f);

    if (rc == 0 && f->is_short) {
        snapshot_prune(f->q->store, &f->newest, 1, &f->q->renewal.lease);
    }
    if (rc == 0) {
        f->fd = io_open(f->tmp, O_RDWR | O_CREAT | O_TRUNC, FILE_MODE);
        rc = MIN(f->fd, 0);
    }
    if (rc == 0) {
        snapshot_head_put(block, &f->info.head);
        rc = write_block(f, block, SNAPSHOT_HEADER_BYTES);
    }
    free(block);
    return rc;
}

static int
write_trailer(struct make_file *f)
{
    uint8_t *block = io_alloc_blocks(SNAPSHOT_TRAILER_BYTES);
    int rc;

    if (block == NULL) {
        return -ENOMEM;
    }
    f->at += (IO_BLOCK_BYTES - f->at % IO_BLOCK_BYTES) % IO_BLOCK_BYTES;
    f->info.trailer.salt = f->info.head.salt;
    f->info.trailer.file_bytes = f->at + SNAPSHOT_TRAILER_BYTES;
    snapshot_trailer_put(block, &f->info.trailer);
    rc = io_pwrite_all(f->fd, block, SNAPSHOT_TRAILER_BYTES, f->at);
    free(block);
    return rc < 0 ? rc : io_fsync(f->fd);
}

static int
file_finish(struct make_file *f, const _Atomic bool *stop)
{
    int rc = write_trailer(f);

    /* what reads back from the disk itself is what a next owner finds */
    rc = rc < 0 ? rc : snapshot_verify(f->tmp, &f->info, stop);
    if (rc == 0 && !lease_valid(&f->q->renewal.lease, ticks_boot_ns())) {
        rc = BH_EFENCED;
    }
    rc = rc < 0 ? rc : io_rename(f->tmp, f->path);
    rc = rc < 0 ? rc : io_sync_dir(f->dir);
    if (rc == 0) {
        io_close(&f->fd);
        snapshot_prune(f->q->store, f->keep, f->keep_count, &f->q->renewal.lease);
    }
    return rc;
}

static void
file_give_up(struct make_file *f)
{
    if (f->fd >= 0) {
        io_close(&f->fd);
        (void)!io_unlink(f->tmp); /* the next owner deletes what stays */
    }
}

static int
run_job(struct snapshot_make *m, enum make_job job)
{
    switch (job) {
    case JOB_OPEN:
        return file_open(&m->file);
    case JOB_BLOCK:
        snapshot_block_finish(&m->block, (uint32_t)m->file.info.trailer.blocks++, m->file.seed);
        return write_block(&m->file, m->block.bytes, m->block.used);
    case JOB_FINISH:
        return file_finish(&m->file, &m->stop);
    case JOB_NONE:
        break;
    }
    return 0;
}

static void
job_done(struct snapshot_make *m, int rc)
{
    (void)pthread_mutex_lock(&m->lock);
    m->job = JOB_NONE;
    m->done = true;
    m->rc = rc;
    (void)pthread_mutex_unlock(&m->lock);
    loop_wake_send(m->q->wake);
}

static void *
make_main(void *arg)
{
    struct snapshot_make *m = arg;

    for (;;) {
        enum make_job job;

        (void)pthread_mutex_lock(&m->lock);
        while (m->job == JOB_NONE && !atomic_load(&m->stop)) {
            (void)pthread_cond_wait(&m->work, &m->lock);
        }
        job = m->job;
        (void)pthread_mutex_unlock(&m->lock);
        if (atomic_load(&m->stop)) {
            return NULL;
        }
        job_done(m, run_job(m, job));
    }
}

/* ---- the loop */

static void
give_job(struct snapshot_make *m, enum make_job job)
{
    if (m->q->o.in_line != NULL) {
        job_done(m, run_job(m, job));
        return;
    }
    (void)pthread_mutex_lock(&m->lock);
    m->job = job;
    (void)pthread_cond_signal(&m->work);
    (void)pthread_mutex_unlock(&m->lock);
}

void
snapshot_make_stop(struct queue *q)
{
    struct snapshot_make *m = q->snapshots.make;

    if (m == NULL) {
        return;
    }
    q->snapshots.make = NULL;
    (void)pthread_mutex_lock(&m->lock);
    atomic_store(&m->stop, true);
    (void)pthread_cond_signal(&m->work);
    (void)pthread_mutex_unlock(&m->lock);
    if (m->started) {
        (void)pthread_join(m->thread, NULL);
    }
    file_give_up(&m->file);
    (void)pthread_cond_destroy(&m->work);
    (void)pthread_mutex_destroy(&m->lock);
    snapshot_block_fini(&m->block);
    free(m);
}

static void
keep_newest(struct snapshot_state *st, const struct make_file *f)
{
    memcpy(st->kept, f->keep, sizeof(st->kept));
    st->kept_count = f->keep_count;
    st->last_bytes = f->info.trailer.file_bytes;
    st->idle_mark = f->idle_mark;
}

static void
end(struct snapshot_make *m, int rc)
{
    struct queue *q = m->q;
    queue_done_fn *cb = m->cb;
    void *ctx = m->ctx;
    const struct snapshot_info *info = &m->file.info;

    if (rc == 0) {
        keep_newest(&q->snapshots, &m->file);
        log_event(EV_QUEUE_SNAPSHOT, LF_UINT("position", info->head.position),
            LF_UINT("messages", info->trailer.messages), LF_UINT("bytes", info->trailer.file_bytes),
            LF_MS("took", ticks_ms() - m->began_ms));
    } else if (q->failed == 0 && !q->releasing) {
        log_event(EV_QUEUE_SNAPSHOT_FAILED, LF_UINT("position", info->head.position),
            LF_ERR("error", rc));
    }
    snapshot_make_stop(q);
    if (cb != NULL) {
        cb(ctx, rc);
    }
}

static void on_sync(void *ctx, int status);

/* on_sync when all that was appended so far is durable, and told. */
static void
wait_sync(struct snapshot_make *m)
{
    int rc = queue_sync(m->q, on_sync, m->q);

    if (rc < 0) {
        end(m, rc);
    }
}

static int
put_segments(struct snapshot_make *m)
{
    uint64_t last = m->file.info.head.position / m->q->segment_bytes;
    int rc = 0;

    LIST_FOR(it, &m->q->segments.order)
    {
        const struct segment *s = CONTAINER_OF(it, struct segment, link);

        if (rc == 0 && s->seq <= last) {
            rc = snapshot_put_segment(&m->block, s);
        }
    }
    return rc;
}

/* As P is chosen, and not later: a setting is said again by records that are not to be replayed
 * over a later one, for what they depend on would lie behind them. */
static int
put_state(struct snapshot_make *m)
{
    int rc = 0;

    snapshot_block_begin(&m->block);
    LIST_FOR(it, &m->q->index.state.entries)
    {
        rc =
            rc < 0 ? rc : snapshot_put_state(&m->block, CONTAINER_OF(it, struct state_entry, link));
    }
    return rc;
}

static int
put_messages(struct snapshot_make *m)
{
    struct msgindex *ix = &m->q->index;
    uint64_t full = MIN(BLOCK_BYTES, m->q->segment_bytes / SEGMENT_PART);
    int rc = 0;

    while (rc == 0 && m->block.used < full) {
        const struct stored *s = msgindex_after(ix, m->cursor);

        if (s == NULL) {
            break;
        }
        rc = snapshot_put_message(&m->block, ix, s);
        m->cursor = s->m.id;
        m->file.info.trailer.messages++;
        m->file.info.trailer.recipients += s->m.live_count;
    }
    return rc;
}

/* One block more, or all of them are written. The first has the settings already, and may be full
 * with them: its state tells it from the others, and not whether a message was written. */
static void
walk(struct snapshot_make *m)
{
    int rc = 0;

    if (m->state == MAKE_SEGMENTS) {
        m->state = MAKE_MESSAGES;
        rc = put_segments(m);
    } else {
        snapshot_block_begin(&m->block);
    }
    rc = rc < 0 ? rc : put_messages(m);
    if (rc < 0) {
        end(m, rc);
    } else if (!snapshot_block_is_empty(&m->block)) {
        give_job(m, JOB_BLOCK);
    } else {
        m->state = MAKE_DURABLE;
        m->file.info.trailer.through = journal_mark(m->q->journal);
        wait_sync(m);
    }
}

static void
on_sync(void *ctx, int status)
{
    struct snapshot_make *m = ((struct queue *)ctx)->snapshots.make;

    if (m == NULL) {
        return; /* stopped meanwhile */
    }
    if (status < 0) {
        end(m, status);
    } else if (m->state == MAKE_TELL) {
        m->state = MAKE_SEGMENTS;
        give_job(m, JOB_OPEN);
    } else {
        m->state = MAKE_FINISH;
        give_job(m, JOB_FINISH);
    }
}

void
snapshot_make_wake(struct queue *q)
{
    struct snapshot_make *m = q->releasing ? NULL : q->snapshots.make;
    bool done;
    int rc;

    if (m == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&m->lock);
    done = m->done;
    m->done = false;
    rc = m->rc;
    (void)pthread_mutex_unlock(&m->lock);
    if (!done) {
        return;
    }
    if (rc < 0 || m->state == MAKE_FINISH) {
        end(m, rc);
    } else if (q->failed != 0) {
        end(m, q->failed);
    } else {
        walk(m);
    }
}

int
snapshot_make_join(struct queue *q, queue_done_fn *cb, void *ctx)
{
    if (q->snapshots.make->cb != NULL) {
        return BH_EBUSY;
    }
    q->snapshots.make->cb = cb;
    q->snapshots.make->ctx = ctx;
    return 0;
}

/* ---- when */

static uint64_t
journal_bytes(const struct queue *q)
{
    struct journal_stats js;

    journal_stats(q->journal, &js);
    return q->snapshots.tail_bytes + js.appended_bytes;
}

uint64_t
snapshot_make_tail(const struct queue *q)
{
    return journal_bytes(q) - q->snapshots.mark_bytes;
}

bool
snapshot_make_needed(const struct queue *q, uint64_t tail_bytes)
{
    const struct snapshot_state *st = &q->snapshots;

    return snapshot_make_tail(q) > tail_bytes &&
           (st->kept_count == 0 || st->idle_mark != journal_mark(q->journal));
}

void
snapshot_make_turn(struct queue *q)
{
    uint64_t due = MAX(q->o.snapshot_bytes, 2 * q->snapshots.last_bytes);

    if (q->o.snapshot_bytes == 0 || q->snapshots.make != NULL || q->low ||
        snapshot_make_tail(q) < due) {
        return;
    }
    if (snapshot_make_begin(q, NULL, NULL) < 0) {
        q->snapshots.mark_bytes = journal_bytes(q); /* not again at once */
    }
}

static int
make_paths(struct snapshot_make *m)
{
    struct make_file *f = &m->file;
    const struct snapshot_head *h = &f->info.head;
    char name[SNAPSHOT_NAME_CAP];
    int rc = store_path(f->dir, m->q->store, "snapshot");

    snapshot_name(name, h->position, h->epoch);
    rc = rc < 0 ? rc : store_path(f->path, f->dir, name);
    (void)snprintf(name, sizeof(name), "new-%08x.tmp", h->epoch);
    return rc < 0 ? rc : store_path(f->tmp, f->dir, name);
}

static int
make_file(struct snapshot_make *m)
{
    struct queue *q = m->q;
    struct make_file *f = &m->file;
    int rc;

    f->q = q;
    f->info.head = (struct snapshot_head){ .position = journal_mark(q->journal),
        .segment_bytes = q->segment_bytes,
        .created_wall_ms = ticks_wall_ms(),
        .epoch = q->epoch };
    memcpy(f->info.head.uuid, q->head.uuid, sizeof(f->info.head.uuid));
    f->info.trailer.damaged = q->claim.quarantined;
    rc = store_random(&f->info.head.salt, sizeof(f->info.head.salt));
    f->seed = record_seed(f->info.head.salt);
    f->keep[0] = (struct snapshot_ref){ f->info.head.position, f->info.head.salt, q->epoch };
    f->keep_count = 1;
    f->newest = q->snapshots.kept_count > 0 ? q->snapshots.kept[0] : f->keep[0];
    f->is_short = q->is_short;
    for (uint32_t i = 0; i < q->snapshots.kept_count && f->keep_count < SNAPSHOT_REFS_MAX; i++) {
        if (!f->is_short) {
            f->keep[f->keep_count++] = q->snapshots.kept[i];
        }
    }
    return rc < 0 ? rc : make_paths(m);
}

static bool
has_room(const struct queue *q)
{
    uint64_t need = (q->index.messages + q->index.recipients) * ROOM_BYTES;

    return space_free_bytes(q->space) > need + 2 * q->segment_bytes;
}

int
snapshot_make_begin(struct queue *q, queue_done_fn *cb, void *ctx)
{
    struct snapshot_make *m;
    int rc = q->failed != 0 ? q->failed : has_room(q) ? 0 : -ENOSPC;

    m = rc < 0 ? NULL : calloc(1, sizeof(*m));
    if (m == NULL) {
        return rc < 0 ? rc : -ENOMEM;
    }
    m->q = q;
    m->file.fd = -1;
    m->began_ms = ticks_ms();
    rc = make_file(m);
    rc = rc < 0 ? rc : put_state(m);
    rc = rc < 0 ? rc : census_put(q); /* at P: whoever begins there has one to go by */
    m->file.idle_mark = journal_mark(q->journal);
    m->file.idle_mark += (IO_BLOCK_BYTES - m->file.idle_mark % IO_BLOCK_BYTES) % IO_BLOCK_BYTES;
    (void)pthread_mutex_init(&m->lock, NULL);
    (void)pthread_cond_init(&m->work, NULL);
    if (rc == 0 && q->o.in_line == NULL) {
        rc = -pthread_create(&m->thread, NULL, make_main, m);
        m->started = rc == 0;
    }
    q->snapshots.make = m;
    rc = rc < 0 ? rc : queue_sync(q, on_sync, q);
    if (rc < 0) {
        snapshot_make_stop(q);
        return rc;
    }
    m->cb = cb;
    m->ctx = ctx;
    q->snapshots.mark_bytes = journal_bytes(q);
    msgindex_renumber(&q->index);
    return 0;
}
