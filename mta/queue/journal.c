/* Invariants (all in docs/formats/journal.md)
 *   I1  A durable block is never written again: batches begin on block boundaries (pad()).
 *   I2  The first record of a segment is written only when the whole one before it is durable
 *       (write_batch syncs between two extents).
 *   I4  A batch is reported with 0 only if its sync returned and the lease was valid after that.
 *   I5  After a failure nothing is written any more (write_batch begins with the check).
 */
#include "queue/journal.h"
#include "core/ticks.h"
#include <pthread.h>
#include <stdlib.h>

#define BATCHES           3 /* one gathers, one is written, one is being told */
#define BATCH_BYTES_MIN   (256 * KIB)
#define BATCH_SOFT_BYTES  (4 * MIB) /* above, appenders are asked to pause */
#define BATCH_QUIET_MAX   256
#define LEAST_RISES       16 /* a sixteenth a batch */
#define PATIENCE_NS_MIN   UINT64_C(20000)
#define BATCH_HARD_FACTOR 16 /* of the soft limit: those who do not pause get -ENOMEM */
/* END, and a PAD that may take a second block: always in reserve behind the last record */
#define BATCH_SLACK_BYTES (2 * IO_BLOCK_BYTES + RECORD_HEADER_BYTES)

struct extent { /* bytes of a batch that go into one segment */
    struct segment *segment;
    uint64_t offset; /* in the segment */
    size_t at, bytes;
    bool closes; /* ends with END */
};

struct batch {
    uint8_t *bytes;
    size_t used, capacity;
    struct extent *extents;
    uint32_t extent_count, extent_capacity;
    struct journal_wait *waits;
    uint32_t wait_count, wait_capacity;
    uint32_t quiet; /* how often in a row it was mostly empty */
    int status;
};

struct journal {
    struct journal_options o;
    struct loop_task last;
    struct loop_wake *wake;
    struct segment *now, *next;
    uint64_t offset; /* in now: of the next record */
    size_t soft_bytes;
    uint8_t *open; /* the record added last, without its checksums: somebody may be writing it */
    uint32_t open_behind;
    bool now_is_fast; /* filled ahead */
    bool now_ended;   /* has its END; lock */
    bool in_turn, failure_told, telling;
    int failed; /* the loop's view */

    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t work;
    bool busy, stop; /* busy: the loop is adding to the gathering batch */
    bool handed;     /* `writing` is there to be taken: the loop did not wait for its turn's end */
    struct batch *gather;
    struct batch *spare[BATCHES]; /* unused */
    uint32_t spare_count;
    struct batch *done[BATCHES]; /* oldest first */
    uint32_t done_count;
    struct batch *writing;
    int stop_rc; /* lock; the first failure, known by the writer or the loop */
    _Atomic uint64_t sync_began_ms, appended_bytes, syncs, batches;
    _Atomic uint64_t idle_since_ns; /* the writer; 0: at work */
    _Atomic uint64_t least_ns;      /* that a batch takes, of late */
    uint64_t turn_began_ns;
    uint32_t reserved; /* waits that must not fail: in the present batch */
};

/* ---- gathering (loop) */

static bool
batch_is_empty(const struct batch *b)
{
    return b->used == 0 && b->wait_count == 0;
}

static int
grow(void **array, uint32_t *capacity, uint32_t need, size_t each)
{
    uint32_t wanted = MAX(*capacity, 8U);
    void *grown;

    if (need <= *capacity) {
        return 0;
    }
    while (wanted < need) {
        wanted *= 2;
    }
    grown = realloc(*array, wanted * each);
    if (grown == NULL) {
        return -ENOMEM;
    }
    *array = grown;
    *capacity = wanted;
    return 0;
}

static int
batch_room(struct batch *b, size_t n)
{
    size_t wanted = MAX(b->capacity, (size_t)BATCH_BYTES_MIN);
    uint8_t *grown;

    n += BATCH_SLACK_BYTES;
    if (b->capacity - b->used >= n) {
        return 0;
    }
    while (wanted - b->used < n) {
        wanted *= 2;
    }
    grown = realloc(b->bytes, wanted);
    if (grown == NULL) {
        return -ENOMEM;
    }
    b->bytes = grown;
    b->capacity = wanted;
    return 0;
}

/* The gathering batch, ours until the end of this turn. */
static struct batch *
gathering(struct journal *j)
{
    if (!j->in_turn) {
        j->in_turn = true;
        j->turn_began_ns = ticks_boot_ns();
        (void)pthread_mutex_lock(&j->lock);
        j->busy = true;
        (void)pthread_mutex_unlock(&j->lock);
        loop_call_last(j->o.loop, &j->last);
    }
    return j->gather;
}

/* The extent to add to; room for two more was made sure of. */
static struct extent *
open_extent(struct journal *j, struct batch *b)
{
    struct extent *e = b->extent_count > 0 ? &b->extents[b->extent_count - 1] : NULL;

    if (e != NULL && e->segment == j->now) {
        return e;
    }
    e = &b->extents[b->extent_count++];
    *e = (struct extent){ .segment = j->now, .offset = j->offset, .at = b->used };
    return e;
}

static uint64_t
here(const struct journal *j)
{
    return j->now->seq * j->o.segment_bytes + j->offset;
}

/* Where the file of the current segment ends. */
static uint64_t
limit(const struct journal *j)
{
    return segment_limit(j->now, j->o.segment_bytes);
}

/* The record that was added last is whole. Its checksums are made here, by the loop, as long as its
 * bytes are in this processor's cache and the writer is busy with its sync. */
static void
close_record(struct journal *j)
{
    if (j->open != NULL) {
        record_finish(j->open, j->open_behind, j->now->seed);
        j->open = NULL;
    }
}

/* A record of `length` bytes at the position; room was made sure of. Returns its payload. */
static uint8_t *
place(struct journal *j, struct batch *b, enum record_type type, uint32_t length)
{
    struct extent *e;
    struct record_head h = {
        .length = length,
        .type = (uint8_t)type,
        .flags = record_flags(type),
        .lsn = here(j),
        .epoch = j->o.epoch,
    };
    uint8_t *at = b->bytes + b->used;
    size_t padded = record_padded(length);

    close_record(j);
    e = open_extent(j, b);
    j->open = at;
    j->open_behind = (uint32_t)e->bytes;
    record_begin(at, &h);
    b->used += padded;
    e->bytes += padded;
    j->offset += padded;
    return at + RECORD_HEADER_BYTES;
}

/* The segment after `after`, not yet with a file. */
static struct segment *
make_next(struct journal *j, const struct segment *after)
{
    uint64_t salt;

    if (store_random(&salt, sizeof(salt)) < 0) {
        return NULL;
    }
    return segtab_add(j->o.segments, after->seq + 1, j->o.epoch, salt);
}

/* END, and on with the next segment. Its file need not be ready: the writer waits for it. */
static int
turn_page(struct journal *j, struct batch *b)
{
    struct segment *after = make_next(j, j->next);

    if (after == NULL) {
        return -ENOMEM;
    }
    if (!j->now_ended) {
        (void)place(j, b, RECORD_END, RECORD_HEADER_BYTES);
        b->extents[b->extent_count - 1].closes = true;
    }
    close_record(j);
    j->now->closed = j->now->ended;
    j->now = j->next;
    j->now_is_fast = false;
    j->now_ended = false;
    j->offset = SEGMENT_HEADER_BYTES;
    j->next = after;
    space_prepare(j->o.space, after, j->o.seal_lsn, true);
    return 0;
}

/* A segment that was only allocated makes each sync write metadata as well: it is left as soon as
 * one that was filled ahead is there. */
static bool
leave_early(struct journal *j)
{
    bool zeroed;

    if (j->now_is_fast || !space_is_ready(j->o.space, j->now, &zeroed)) {
        return false;
    }
    if (zeroed) {
        j->now_is_fast = true;
        return false;
    }
    return space_is_ready(j->o.space, j->next, &zeroed) && zeroed;
}

uint64_t
journal_payload_max(const struct journal *j)
{
    return MIN((uint64_t)RECORD_BYTES_MAX, j->o.segment_bytes / 2) - RECORD_HEADER_BYTES;
}

int
journal_add(
    struct journal *j, enum record_type type, uint64_t payload_bytes, struct journal_place *out)
{
    struct batch *b;
    uint64_t padded;
    int rc;

    if (j->failed != 0) {
        return j->failed;
    }
    if (payload_bytes > journal_payload_max(j)) {
        return BH_ETOOBIG;
    }
    b = gathering(j);
    close_record(j); /* before its bytes are moved */
    if (b->used > j->soft_bytes * BATCH_HARD_FACTOR) {
        return -ENOMEM;
    }
    padded = record_padded(RECORD_HEADER_BYTES + payload_bytes);
    rc = batch_room(b, padded + RECORD_HEADER_BYTES);
    rc = rc < 0 ? rc
                : grow((void **)&b->extents, &b->extent_capacity, b->extent_count + 3,
                      sizeof(*b->extents));
    if (rc < 0) {
        return rc;
    }
    if (j->now_ended || j->offset + padded + RECORD_HEADER_BYTES > limit(j) || leave_early(j)) {
        rc = turn_page(j, b);
        if (rc < 0) {
            return rc;
        }
    }
    out->segment = j->now;
    out->lsn = here(j);
    out->payload = place(j, b, type, (uint32_t)(RECORD_HEADER_BYTES + payload_bytes));
    return 0;
}

void
journal_void(const struct journal_place *place)
{
    place->payload[4 - RECORD_HEADER_BYTES] = RECORD_PAD;
}

/* Fill the batch up to a block boundary, so that the next one begins with a block of its own (I1).
 * Under the lock, by the loop, or while it is not busy. What the slack of batch_room is for. */
static void
pad(struct journal *j, struct batch *b)
{
    uint64_t rest = (IO_BLOCK_BYTES - j->offset % IO_BLOCK_BYTES) % IO_BLOCK_BYTES;
    struct extent *e;

    if (b->used == 0 || rest == 0) {
        return;
    }
    e = &b->extents[b->extent_count - 1];
    if (e->segment != j->now || j->now_ended) {
        return;
    }
    if (rest < RECORD_HEADER_BYTES) {
        rest += IO_BLOCK_BYTES;
    }
    if (j->offset + rest + RECORD_HEADER_BYTES > limit(j)) {
        /* no room for an END behind the PAD: end it here */
        (void)place(j, b, RECORD_END, RECORD_HEADER_BYTES);
        e->closes = true;
        j->now_ended = true;
        return;
    }
    memset(b->bytes + b->used + RECORD_HEADER_BYTES, 0, rest - RECORD_HEADER_BYTES);
    (void)place(j, b, RECORD_PAD, (uint32_t)rest);
}

/* As pad(). */
static void
take_gathered(struct journal *j)
{
    j->writing = j->gather;
    pad(j, j->writing);
    close_record(j);
    j->gather = j->spare[--j->spare_count];
}

static int
wait_room(struct batch *b, uint32_t n)
{
    return grow((void **)&b->waits, &b->wait_capacity, b->wait_count + n, sizeof(*b->waits));
}

int
journal_reserve_waits(struct journal *j, uint32_t n)
{
    int rc = j->failed != 0 ? j->failed : wait_room(gathering(j), n);

    j->reserved = rc == 0 ? n : 0;
    return rc;
}

/* Under the lock: is there one to write? */
static bool
to_take(const struct journal *j)
{
    return j->handed || (!j->stop && !j->busy && !batch_is_empty(j->gather) && j->spare_count > 0);
}

/* End what was begun with the lock held, and wake the writer if there is work for him: after the
 * lock, which he takes first, and not for nothing. */
static void
unlock_and_wake(struct journal *j)
{
    bool work = j->stop || (j->writing == NULL && to_take(j)) || j->handed;

    (void)pthread_mutex_unlock(&j->lock);
    if (work) {
        (void)pthread_cond_signal(&j->work);
    }
}

/* A long turn while the writer has nothing to do: what the smallest batch takes is patience enough.
 * Work behind a sync costs one sync more, so it pays if the work is longer than that; on a disk
 * whose syncs take long, one larger batch is better, and waited for. */
static void
hand_over(struct journal *j)
{
    uint64_t idle_ns = atomic_load_explicit(&j->idle_since_ns, memory_order_relaxed);
    uint64_t patience_ns = atomic_load_explicit(&j->least_ns, memory_order_relaxed);

    if (j->o.in_line || idle_ns == 0 || j->reserved > 0 ||
        ticks_boot_ns() < MAX(idle_ns, j->turn_began_ns) + MAX(patience_ns, PATIENCE_NS_MIN)) {
        return;
    }
    (void)pthread_mutex_lock(&j->lock);
    if (j->writing == NULL && j->spare_count > 0 && !j->stop) {
        take_gathered(j);
        j->handed = true;
    }
    unlock_and_wake(j);
}

int
journal_wait(struct journal *j, const struct journal_wait *w)
{
    int rc = j->failed != 0 ? j->failed : wait_room(gathering(j), 1);

    if (rc == 0) {
        j->gather->waits[j->gather->wait_count++] = *w;
        j->reserved -= j->reserved > 0;
        hand_over(j);
    }
    return rc;
}

int
journal_wait_beside(struct journal *j, const struct journal_wait *w)
{
    int rc = j->failed != 0 ? j->failed : wait_room(gathering(j), j->reserved + 1);

    if (rc == 0) {
        j->gather->waits[j->gather->wait_count++] = *w;
    }
    return rc;
}

static void
forget_in(struct batch *b, void (*cb)(void *ctx, int status), const void *ctx)
{
    for (uint32_t i = 0; b != NULL && i < b->wait_count; i++) {
        if (b->waits[i].cb == cb && b->waits[i].ctx == ctx) {
            b->waits[i].cb = NULL;
        }
    }
}

void
journal_forget(struct journal *j, void (*cb)(void *ctx, int status), void *ctx)
{
    (void)pthread_mutex_lock(&j->lock);
    forget_in(j->gather, cb, ctx);
    forget_in(j->writing, cb, ctx); /* the writer reads bytes and extents only */
    for (uint32_t i = 0; i < j->done_count; i++) {
        forget_in(j->done[i], cb, ctx);
    }
    (void)pthread_mutex_unlock(&j->lock);
}

bool
journal_is_full(struct journal *j)
{
    bool full;

    if (j->in_turn) { /* it is the loop's */
        return j->gather->used > j->soft_bytes;
    }
    (void)pthread_mutex_lock(&j->lock);
    full = j->gather->used > j->soft_bytes;
    (void)pthread_mutex_unlock(&j->lock);
    return full;
}

bool
journal_is_idle(struct journal *j)
{
    bool idle;

    (void)pthread_mutex_lock(&j->lock);
    idle = j->writing == NULL && j->done_count == 0 && batch_is_empty(j->gather);
    (void)pthread_mutex_unlock(&j->lock);
    return idle && !j->telling;
}

uint64_t
journal_position(struct journal *j)
{
    uint64_t lsn;

    (void)pthread_mutex_lock(&j->lock);
    lsn = here(j);
    (void)pthread_mutex_unlock(&j->lock);
    return lsn;
}

uint64_t
journal_mark(struct journal *j)
{
    uint64_t lsn;

    (void)pthread_mutex_lock(&j->lock);
    lsn = j->now_ended ? j->next->seq * j->o.segment_bytes + SEGMENT_HEADER_BYTES : here(j);
    (void)pthread_mutex_unlock(&j->lock);
    return lsn;
}

struct segment *
journal_segment(const struct journal *j)
{
    return j->now;
}

struct segment *
journal_next_segment(const struct journal *j)
{
    return j->next;
}

void
journal_stats(struct journal *j, struct journal_stats *out)
{
    *out = (struct journal_stats){
        .appended_bytes = atomic_load_explicit(&j->appended_bytes, memory_order_relaxed),
        .syncs = atomic_load_explicit(&j->syncs, memory_order_relaxed),
        .batches = atomic_load_explicit(&j->batches, memory_order_relaxed),
        .oldest_sync_ms = atomic_load_explicit(&j->sync_began_ms, memory_order_relaxed),
    };
}

/* ---- writing (the writer's thread; in line: the loop's) */

/* The next batch, or NULL: there is none (and we are to stop). */
static struct batch *
take(struct journal *j, bool wait)
{
    struct batch *b = NULL;

    (void)pthread_mutex_lock(&j->lock);
    while (wait && !j->stop && !to_take(j)) {
        (void)pthread_cond_wait(&j->work, &j->lock);
    }
    if (to_take(j)) {
        if (!j->handed) {
            take_gathered(j);
        }
        j->handed = false;
        b = j->writing;
        b->status = j->stop_rc;
        atomic_store_explicit(&j->idle_since_ns, 0, memory_order_relaxed);
    }
    (void)pthread_mutex_unlock(&j->lock);
    return b;
}

/* All of one extent, durable. */
static int
write_extent(struct journal *j, const struct batch *b, const struct extent *e)
{
    uint64_t end = e->offset + e->bytes;
    int rc = space_wait(j->o.space, e->segment);

    if (rc < 0) {
        return rc;
    }
    rc = io_pwrite_all(e->segment->fd, b->bytes + e->at, e->bytes, e->offset);
    rc = rc < 0 ? rc : io_fdatasync(e->segment->fd);
    if (rc < 0) {
        return rc;
    }
    atomic_fetch_add_explicit(&j->syncs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&j->appended_bytes, e->bytes, memory_order_relaxed);
    if (e->closes && !e->segment->zeroed && !segment_is_full(end, j->o.segment_bytes)) {
        /* only room is lost if this fails, or is not durable */
        end += IO_BLOCK_BYTES - 1;
        (void)!io_ftruncate(e->segment->fd, end - end % IO_BLOCK_BYTES);
    }
    return 0;
}

/* The least of late: it rises by and by to what batches take now (twice in a dozen). */
static void
note_least(struct journal *j, uint64_t took_ns)
{
    uint64_t least_ns = atomic_load_explicit(&j->least_ns, memory_order_relaxed);

    least_ns = least_ns == 0 ? took_ns : MIN(took_ns, least_ns + least_ns / LEAST_RISES + 1);
    atomic_store_explicit(&j->least_ns, least_ns, memory_order_relaxed);
}

static void
write_batch(struct journal *j, struct batch *b)
{
    uint64_t begun_ns = ticks_boot_ns(), now_ns;
    int rc = b->status;

    atomic_store_explicit(&j->sync_began_ms, ticks_ms(), memory_order_relaxed);
    for (uint32_t i = 0; rc == 0 && i < b->extent_count; i++) {
        rc = write_extent(j, b, &b->extents[i]);
    }
    now_ns = ticks_boot_ns();
    atomic_store_explicit(&j->sync_began_ms, 0, memory_order_relaxed);
    if (b->extent_count > 0) {
        note_least(j, now_ns - begun_ns);
    }
    atomic_fetch_add_explicit(&j->batches, 1, memory_order_relaxed);
    if (rc == 0 && !lease_valid(j->o.lease, now_ns)) {
        rc = BH_EFENCED;
    }
    (void)pthread_mutex_lock(&j->lock);
    if (j->stop_rc == 0) {
        j->stop_rc = rc;
    }
    b->status = j->stop_rc;
    j->done[j->done_count++] = b;
    j->writing = NULL;
    atomic_store_explicit(&j->idle_since_ns, now_ns, memory_order_relaxed);
    (void)pthread_mutex_unlock(&j->lock);
}

static void *
writer_main(void *arg)
{
    struct journal *j = arg;
    struct batch *b;

    while ((b = take(j, true)) != NULL) {
        write_batch(j, b);
        loop_wake_send(j->wake);
    }
    return NULL;
}

/* ---- telling (loop) */

/* Give a burst's memory back when it is long over. */
static void
batch_reset(struct batch *b)
{
    b->quiet = b->used * 4 < b->capacity ? b->quiet + 1 : 0;
    if (b->quiet >= BATCH_QUIET_MAX && b->capacity > BATCH_BYTES_MIN) {
        free(b->bytes);
        b->bytes = NULL;
        b->capacity = 0;
        b->quiet = 0;
    }
    b->used = 0;
    b->extent_count = 0;
    b->wait_count = 0;
    b->status = 0;
}

static void
note_failure(struct journal *j, int rc)
{
    if (j->failed == 0) {
        j->failed = rc;
        (void)pthread_mutex_lock(&j->lock);
        j->stop_rc = j->stop_rc == 0 ? rc : j->stop_rc;
        (void)pthread_mutex_unlock(&j->lock);
    }
}

static void
tell(struct journal *j, struct batch *b)
{
    if (b->status < 0) {
        note_failure(j, b->status);
    } else {
        for (uint32_t i = 0; i < b->extent_count; i++) {
            const struct extent *e = &b->extents[i];

            if (e->closes) {
                e->segment->valid_bytes = e->offset + e->bytes;
                e->segment->ended = true;
                /* the present one stays until the next record turns the page: it is our position */
                e->segment->closed = e->segment != j->now;
            }
        }
    }
    for (uint32_t i = 0; i < b->wait_count; i++) {
        j->o.on_done(j->o.ctx, &b->waits[i], b->status);
    }
    batch_reset(b);
}

static void
tell_done(struct journal *j)
{
    j->telling = true;
    for (;;) {
        struct batch *b = NULL;

        (void)pthread_mutex_lock(&j->lock);
        if (j->done_count > 0) {
            b = j->done[0];
        }
        (void)pthread_mutex_unlock(&j->lock);
        if (b == NULL) {
            break;
        }
        tell(j, b);
        (void)pthread_mutex_lock(&j->lock);
        j->done_count--;
        memmove(&j->done[0], &j->done[1], j->done_count * sizeof(struct batch *)); /* pointers */
        j->spare[j->spare_count++] = b;
        unlock_and_wake(j);
    }
    j->telling = false;
    if (j->failed != 0 && !j->failure_told) {
        j->failure_told = true;
        j->o.on_failure(j->o.ctx, j->failed);
    }
    j->o.on_turn(j->o.ctx);
}

static void
on_wake(void *ctx)
{
    tell_done(ctx);
}

static void
on_last(void *ctx)
{
    struct journal *j = ctx;

    close_record(j);
    (void)pthread_mutex_lock(&j->lock);
    j->busy = false;
    j->in_turn = false;
    j->reserved = 0;
    unlock_and_wake(j);
    if (j->o.in_line) {
        struct batch *b = take(j, false);

        if (b != NULL) {
            write_batch(j, b);
        }
        tell_done(j); /* also a failure from outside */
    }
}

void
journal_fail(struct journal *j, int rc)
{
    note_failure(j, rc);
    if (!j->failure_told) {
        loop_wake_send(j->wake);
    }
}

/* ---- life */

static void
journal_destroy(struct journal *j)
{
    struct batch *all[BATCHES + 1] = { j->gather };
    uint32_t n = 1;

    for (uint32_t i = 0; i < j->spare_count; i++) {
        all[n++] = j->spare[i];
    }
    for (uint32_t i = 0; i < n; i++) {
        if (all[i] != NULL) {
            free(all[i]->bytes);
            free(all[i]->extents);
            free(all[i]->waits);
            free(all[i]);
        }
    }
    loop_task_cancel(&j->last);
    if (j->wake != NULL) {
        loop_wake_free(j->wake);
    }
    (void)pthread_cond_destroy(&j->work);
    (void)pthread_mutex_destroy(&j->lock);
    free(j);
}

static int
journal_begin(struct journal *j)
{
    int rc;

    j->gather = calloc(1, sizeof(*j->gather));
    while (j->spare_count < BATCHES - 1) {
        j->spare[j->spare_count] = calloc(1, sizeof(**j->spare));
        if (j->spare[j->spare_count] == NULL) {
            return -ENOMEM;
        }
        j->spare_count++;
    }
    j->next = make_next(j, j->now);
    if (j->gather == NULL || j->next == NULL) {
        return -ENOMEM;
    }
    rc = loop_wake_new(j->o.loop, &j->wake, on_wake, j);
    if (rc < 0) {
        return rc;
    }
    space_prepare(j->o.space, j->next, j->o.seal_lsn, true);
    if (j->o.in_line) {
        return 0;
    }
    rc = -pthread_create(&j->thread, NULL, writer_main, j);
    j->started = rc == 0;
    return rc;
}

int
journal_new(struct journal **out, const struct journal_options *o)
{
    struct journal *j = calloc(1, sizeof(*j));
    int rc;

    if (j == NULL) {
        return -ENOMEM;
    }
    j->o = *o;
    j->now = o->first;
    j->offset = o->first_offset;
    j->soft_bytes = MIN((size_t)BATCH_SOFT_BYTES, o->segment_bytes / 2);
    loop_task_init(&j->last, on_last, j);
    (void)pthread_mutex_init(&j->lock, NULL);
    (void)pthread_cond_init(&j->work, NULL);
    rc = journal_begin(j);
    if (rc < 0) {
        journal_destroy(j);
        return rc;
    }
    *out = j;
    return 0;
}

void
journal_stop(struct journal *j)
{
    (void)pthread_mutex_lock(&j->lock);
    j->stop = true;
    unlock_and_wake(j);
    if (j->started) {
        (void)pthread_join(j->thread, NULL);
        j->started = false;
    }
    j->failed = j->failed == 0 ? -ECANCELED : j->failed;
    j->failure_told = true; /* who stops us knows */
    while (j->done_count > 0) {
        struct batch *b = j->done[0];

        tell(j, b);
        j->done_count--;
        memmove(&j->done[0], &j->done[1], j->done_count * sizeof(struct batch *)); /* pointers */
        j->spare[j->spare_count++] = b;
    }
    j->gather->status = j->failed;
    tell(j, j->gather);
}

void
journal_free(struct journal *j)
{
    if (j != NULL) {
        CHECK(!j->started);
        journal_destroy(j);
    }
}
