#include "queue/space.h"
#include "core/ticks.h"
#include "queue/cuts.h"
#include "queue/leftovers.h"
#include "queue/record.h"
#include "queue/reserve.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FILE_MODE 0600
#define NS_PER_MS 1000000u
#define ZERO_STEP_BYTES                                                                            \
    MIB               /* written and synced at once: the journal's own sync waits no longer        \
                       */
#define SPARES_MAX 16 /* dead segments that are kept, if all that the queue has leaves room */
#define SPARES_FEW 4  /* these in any case, but on a full disk */
#define SWEEP_NOW_SEGMENTS                                                                         \
    16                    /* room for fewer beside the reserve: dead epochs' is needed at once */
#define IDLE_LOOKS     60 /* without a segment made or freed: more than a few are not needed now */
#define SHORT_SEGMENTS 4  /* room for fewer is short: time to win some back */
#define LOOK_EVERY_MS  1000
#define OK_AGAIN_MS    5000 /* low ends no more often, or it would change with every segment */
#define RESERVE_PAUSE  4    /* making the reserve takes one part in five of the disk's time */
/* What we leave of the disk but for a first segment: the next owner must be able to start. */
#define KEEP_FREE_MIN (64 * KIB)

struct spare {
    uint64_t number, filled_bytes; /* what is behind that was only allocated */
};

struct space {
    struct space_options o;
    char dir[STORE_PATH_CAP];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, ready;
    bool started, stop, urgent;
    struct list prepare, reclaim, gone; /* segments, by job; under lock */
    bool low, is_short, leaving;
    int failure;
    _Atomic uint32_t spares_wanted;
    struct cuts cuts; /* what older epochs left too long */
    _Atomic uint64_t free_bytes, room_bytes, reserve_left;
    /* of the thread alone */
    struct reserve reserve;
    uint64_t spare_counter, pause_ns;
    uint64_t ok_since_ms; /* of the last time that low ended; 0: it never did */
    bool no_room;         /* what is to be prepared waits for room */
    struct spare spares[SPARES_MAX];
    uint32_t spare_count, idle_looks;
    bool sweep_later;
    uint8_t *zeros;
};

struct job {
    struct segment *seg;
    uint64_t seal_lsn;
    uint64_t bytes, bytes_min;
    struct slice records; /* behind the header */
    bool zero, first;
};

static int
spare_path(const struct space *s, uint64_t number, char out[STORE_PATH_CAP])
{
    char name[64];

    (void)snprintf(name, sizeof(name), "spare-%08x-%llu", s->o.epoch, (unsigned long long)number);
    return store_path(out, s->dir, name);
}

static int
segment_path(const struct space *s, const struct segment *seg, char out[STORE_PATH_CAP])
{
    char name[SEGMENT_NAME_CAP];

    segment_name(name, seg->seq, seg->epoch);
    return store_path(out, s->dir, name);
}

int
space_new(struct space **out, const struct space_options *o)
{
    struct space *s = calloc(1, sizeof(*s));
    int rc;

    if (s == NULL) {
        return -ENOMEM;
    }
    s->o = *o;
    list_init(&s->prepare);
    list_init(&s->reclaim);
    list_init(&s->gone);
    s->zeros = io_alloc_blocks(MIN(ZERO_STEP_BYTES, o->segment_bytes));
    rc = s->zeros == NULL ? -ENOMEM : store_path(s->dir, o->store, "journal");
    if (rc < 0) {
        free(s->zeros);
        free(s);
        return rc;
    }
    reserve_init(&s->reserve, o->store, o->epoch, o->segment_bytes, o->reserve_bytes);
    s->reserve.zeros = s->zeros;
    s->reserve.zeros_bytes = MIN(ZERO_STEP_BYTES, o->segment_bytes);
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->work, NULL);
    (void)pthread_cond_init(&s->ready, NULL);
    *out = s;
    return 0;
}

void
space_free(struct space *s)
{
    if (s == NULL) {
        return;
    }
    CHECK(!s->started);
    reserve_fini(&s->reserve);
    (void)pthread_cond_destroy(&s->ready);
    (void)pthread_cond_destroy(&s->work);
    (void)pthread_mutex_destroy(&s->lock);
    cuts_fini(&s->cuts);
    free(s->zeros);
    free(s);
}

static uint64_t
keep_free(const struct space *s)
{
    return MAX(KEEP_FREE_MIN, s->o.segment_bytes / 16);
}

static uint64_t
less(uint64_t from, uint64_t what)
{
    return from > what ? from - what : 0;
}

/* How much is free, and what of it segments may be made of. */
static void
look(struct space *s)
{
    struct io_space seen;
    uint64_t room;
    bool is_short, changed;

    if (io_space(s->o.store, &seen) < 0) {
        return;
    }
    room = less(seen.free_bytes, keep_free(s)) + s->spare_count * s->o.segment_bytes;
    room = less(room, reserve_lacking(&s->reserve));
    is_short = room < SHORT_SEGMENTS * s->o.segment_bytes;
    atomic_store_explicit(&s->free_bytes, seen.free_bytes, memory_order_relaxed);
    atomic_store_explicit(&s->room_bytes, room, memory_order_relaxed);
    atomic_store_explicit(&s->reserve_left, reserve_bytes(&s->reserve), memory_order_relaxed);
    (void)pthread_mutex_lock(&s->lock);
    changed = s->is_short != is_short;
    s->is_short = is_short;
    (void)pthread_mutex_unlock(&s->lock);
    if (changed) {
        s->o.notify(s->o.ctx);
    }
}

static int
take_room(struct space *s, int fd, uint64_t offset, uint64_t bytes)
{
    struct io_space seen;
    int rc = io_space(s->o.store, &seen);

    if (rc == 0 && seen.free_bytes < bytes + keep_free(s)) {
        rc = -ENOSPC;
    }
    return rc < 0 ? rc : io_fallocate(fd, offset, bytes);
}

static void
set_low(struct space *s, bool low)
{
    bool changed;

    (void)pthread_mutex_lock(&s->lock);
    changed = s->low != low;
    s->low = low;
    (void)pthread_mutex_unlock(&s->lock);
    if (changed) {
        s->o.notify(s->o.ctx);
    }
}

/* Is there room for one more segment, without the reserve? */
static bool
one_would_fit(const struct space *s)
{
    struct io_space seen;

    return s->spare_count > 0 || (io_space(s->o.store, &seen) == 0 &&
                                     seen.free_bytes >= s->o.segment_bytes + keep_free(s));
}

/* The reserve is whole, and room for one segment beside, or the next one would take from the
 * reserve at once. Not so soon after the last time. */
static bool
low_ends(struct space *s)
{
    uint64_t now_ms = ticks_ms();

    if (!one_would_fit(s) ||
        (!s->o.in_line && s->ok_since_ms != 0 && now_ms - s->ok_since_ms < OK_AGAIN_MS)) {
        return false;
    }
    s->ok_since_ms = now_ms;
    return true;
}

/* ---- making a segment */

/* Written once over nearly all its length: worth to be used again. */
static bool
reusable(const struct space *s, const struct segment *seg)
{
    return seg->epoch == s->o.epoch && seg->limit_bytes == 0 &&
           (seg->zeroed || segment_is_full(seg->valid_bytes, s->o.segment_bytes));
}

static bool
hurry(struct space *s)
{
    bool urgent;

    (void)pthread_mutex_lock(&s->lock);
    urgent = s->urgent || s->stop;
    (void)pthread_mutex_unlock(&s->lock);
    return urgent;
}

/* Is there a dead segment, which is faster had than a file filled? */
static bool
dead_waits(struct space *s)
{
    bool waits = false;

    (void)pthread_mutex_lock(&s->lock);
    LIST_FOR(it, &s->reclaim)
    {
        waits = waits || reusable(s, CONTAINER_OF(it, struct segment, job));
    }
    (void)pthread_mutex_unlock(&s->lock);
    return waits;
}

/* must: whatever happens meanwhile. Else not done when the writer waits, and -EAGAIN when it is
 * better to begin anew, with a dead segment. */
static int
zero_fill(struct space *s, int fd, uint64_t from, uint64_t to, bool must, bool *done)
{
    for (uint64_t at = from; at < to; at += ZERO_STEP_BYTES) {
        uint64_t n = MIN((uint64_t)ZERO_STEP_BYTES, to - at);
        int rc;

        if (!must && dead_waits(s)) {
            return -EAGAIN;
        }
        if (!must && hurry(s)) {
            return 0;
        }
        rc = io_pwrite_all(fd, s->zeros, n, at);
        rc = rc < 0 ? rc : io_fdatasync(fd);
        if (rc < 0) {
            return rc;
        }
    }
    *done = true;
    return 0;
}

static int
allocate(struct space *s, int fd, const struct job *job, bool *zeroed)
{
    /* the first one to the last block */
    int rc = job->first ? io_fallocate(fd, 0, job->bytes) : take_room(s, fd, 0, job->bytes);

    if (rc == -EOPNOTSUPP) {
        return zero_fill(s, fd, 0, job->bytes, true, zeroed);
    }
    if (rc < 0 || !job->zero) {
        return rc;
    }
    return zero_fill(s, fd, 0, job->bytes, false, zeroed);
}

static int
write_header(const struct space *s, const struct job *job, int fd)
{
    const struct segment *seg = job->seg;
    struct segment_head h = {
        .seq = seg->seq,
        .segment_bytes = s->o.segment_bytes,
        .salt = seg->salt,
        .seal_lsn = job->seal_lsn,
        .created_wall_ms = ticks_wall_ms(),
        .epoch = seg->epoch,
        .flags = SEGMENT_FLAG_CENSUS,
    };
    uint8_t *block = io_alloc_blocks(SEGMENT_HEADER_BYTES);
    int rc;

    if (block == NULL) {
        return -ENOMEM;
    }
    memcpy(h.uuid, s->o.uuid, sizeof(h.uuid));
    segment_head_put(block, &h);
    rc = io_pwrite_all(fd, block, SEGMENT_HEADER_BYTES, 0);
    free(block);
    if (rc == 0 && job->records.n > 0) {
        rc = io_pwrite_all(fd, job->records.p, job->records.n, SEGMENT_HEADER_BYTES);
    }
    /* fsync: the length and the extents as well, before the file has its name */
    return rc < 0 ? rc : io_fsync(fd);
}

static int
open_new(struct space *s, const struct job *job, char path[STORE_PATH_CAP], bool *zeroed)
{
    char name[64];
    int fd, rc;

    (void)snprintf(name, sizeof(name), "new-%016llx-%08x.tmp", (unsigned long long)job->seg->seq,
        job->seg->epoch);
    rc = store_path(path, s->dir, name);
    if (rc < 0) {
        return rc;
    }
    fd = io_open(path, O_RDWR | O_CREAT | O_EXCL, FILE_MODE);
    if (fd < 0) {
        return fd;
    }
    rc = allocate(s, fd, job, zeroed);
    if (rc < 0) {
        io_close(&fd);
        (void)!io_unlink(path);
        return rc;
    }
    return fd;
}

/* A file of the reserve: for who waits for it, or nobody comes to serve. */
static int
open_reserve(struct space *s, struct job *job, char path[STORE_PATH_CAP], bool *zeroed)
{
    bool is_short = job->first && job->bytes_min <= s->reserve.bytes[RESERVE_FIRST];
    int rc, fd;

    set_low(s, true);
    if (!job->first && !hurry(s)) {
        return -ENOSPC;
    }
    rc = reserve_take(&s->reserve, is_short ? RESERVE_FIRST : RESERVE_SEGMENT, path, &job->bytes);
    fd = rc < 0 ? rc : io_open(path, O_RDWR, 0);
    *zeroed = fd >= 0;
    return fd;
}

/* A dead segment's file, filled to its end. */
static int
open_spare(struct space *s, char path[STORE_PATH_CAP], bool *zeroed)
{
    const struct spare *spare = &s->spares[--s->spare_count];
    int fd, rc;

    rc = spare_path(s, spare->number, path);
    fd = rc < 0 ? rc : io_open(path, O_RDWR, 0);
    rc = fd < 0 ? fd : zero_fill(s, fd, spare->filled_bytes, s->o.segment_bytes, true, zeroed);
    if (rc < 0) {
        io_close(&fd);
        return rc;
    }
    return fd;
}

static int
make(struct space *s, struct job *job, int *out_fd, bool *zeroed)
{
    char from[STORE_PATH_CAP], to[STORE_PATH_CAP];
    int fd, rc;

    *zeroed = false;
    rc = segment_path(s, job->seg, to);
    if (rc < 0) {
        return rc;
    }
    fd = s->spare_count > 0 ? open_spare(s, from, zeroed) : open_new(s, job, from, zeroed);
    if (fd == -ENOSPC) {
        fd = open_reserve(s, job, from, zeroed);
    }
    if (fd < 0) {
        return fd;
    }
    rc = write_header(s, job, fd);
    rc = rc < 0 ? rc : io_rename(from, to);
    rc = rc < 0 ? rc : io_sync_dir(s->dir);
    if (rc < 0) {
        io_close(&fd);
        (void)!io_unlink(from); /* nobody counts it any more; the directory may need its room */
        return rc;
    }
    *out_fd = fd;
    return 0;
}

static void
made(struct space *s, struct segment *seg, int rc, int fd, bool zeroed)
{
    (void)pthread_mutex_lock(&s->lock);
    seg->fd = fd;
    seg->status = rc;
    seg->zeroed = zeroed;
    seg->ready = true;
    /* without room the writer finds out when it needs the segment: until then outcomes fit */
    if (rc < 0 && rc != -ENOSPC && s->failure == 0) {
        s->failure = rc;
    }
    (void)pthread_cond_broadcast(&s->ready);
    (void)pthread_mutex_unlock(&s->lock);
    s->o.notify(s->o.ctx);
}

/* What is dead comes first (-EAGAIN); or there is no room, not even the reserve's. That is the end
 * only for a writer that waits for it while nothing is about to be freed; else it is tried again,
 * when there is room or when the writer needs it. */
static bool
put_back(struct space *s, struct segment *seg)
{
    bool again;

    (void)pthread_mutex_lock(&s->lock);
    again = !s->urgent || !list_empty(&s->reclaim);
    if (again) {
        list_push_front(&s->prepare, &seg->job);
    }
    (void)pthread_mutex_unlock(&s->lock);
    return again;
}

static void
prepare_one(struct space *s, struct segment *seg)
{
    struct job job = { .seg = seg,
        .seal_lsn = seg->want_seal_lsn,
        .bytes = s->o.segment_bytes,
        .zero = seg->want_zero };
    bool zeroed;
    int fd = -1, rc = make(s, &job, &fd, &zeroed);

    look(s);
    if (rc == -ENOSPC) {
        set_low(s, true);
    }
    if ((rc == -ENOSPC || rc == -EAGAIN) && put_back(s, seg)) {
        return;
    }
    made(s, seg, rc, fd, zeroed);
}

int
space_make_first(struct space *s, struct segment *seg, struct slice records)
{
    uint64_t min_bytes = SEGMENT_HEADER_BYTES + records.n + 2 * (uint64_t)IO_BLOCK_BYTES;
    struct job job = { .seg = seg, .records = records, .first = true };
    bool zeroed;
    int fd = -1, rc;

    CHECK(!s->started);
    look(s);
    job.bytes_min = segment_block_up(MAX(min_bytes, s->reserve.bytes[RESERVE_FIRST]));
    job.bytes = segment_block_up(space_free_bytes(s) / 8);
    job.bytes = MIN(MAX(job.bytes, job.bytes_min), s->o.segment_bytes);
    rc = make(s, &job, &fd, &zeroed);
    seg->limit_bytes = zeroed && job.bytes == s->o.segment_bytes ? 0 : job.bytes;
    made(s, seg, rc, fd, zeroed);
    return rc;
}

/* ---- dead segments */

/* To fill a new one takes longer than to write it, and to delete one as long as a hundred syncs,
 * where the filesystem discards what is freed. */
static uint32_t
spares_wanted(struct space *s)
{
    uint32_t wanted = atomic_load_explicit(&s->spares_wanted, memory_order_relaxed);
    bool few, none;

    (void)pthread_mutex_lock(&s->lock);
    none = s->leaving && !s->low;
    few = s->is_short || s->idle_looks >= IDLE_LOOKS;
    (void)pthread_mutex_unlock(&s->lock);
    wanted = few ? SPARES_FEW : MAX(wanted, SPARES_FEW);
    wanted += (uint32_t)(reserve_lacking(&s->reserve) / s->o.segment_bytes);
    return none ? 0 : MIN(wanted, SPARES_MAX);
}

static bool
drop_spare(struct space *s)
{
    char path[STORE_PATH_CAP];

    return s->spare_count > 0 && spare_path(s, s->spares[--s->spare_count].number, path) == 0 &&
           io_unlink(path) == 0;
}

/* One more than are wanted is not worth a deletion. */
static bool
drop_one(struct space *s)
{
    uint32_t wanted = spares_wanted(s);

    return s->spare_count > (wanted > 0 ? wanted + 1 : 0) && drop_spare(s);
}

void
space_keep(struct space *s, uint32_t spares)
{
    atomic_store_explicit(&s->spares_wanted, spares, memory_order_relaxed);
}

void
space_leave(struct space *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->leaving = true;
    (void)pthread_cond_signal(&s->work);
    (void)pthread_mutex_unlock(&s->lock);
}

/* The name goes first and durably; only then may anyone forget what depended on it (I7), and only
 * then are bytes of a new life written into the file. */
static int
reclaim_one(struct space *s, struct segment *seg)
{
    char from[STORE_PATH_CAP], to[STORE_PATH_CAP];
    int rc = segment_path(s, seg, from);

    if (rc < 0) {
        return rc;
    }
    io_close(&seg->fd);
    if (!lease_valid(s->o.lease, ticks_boot_ns())) {
        return BH_EFENCED;
    }
    if (reusable(s, seg) && s->spare_count < spares_wanted(s)) {
        rc = spare_path(s, s->spare_counter, to);
        rc = rc < 0 ? rc : io_rename(from, to);
        if (rc == 0) {
            s->spares[s->spare_count++] = (struct spare){ s->spare_counter++,
                seg->zeroed ? s->o.segment_bytes : segment_block_up(seg->valid_bytes) };
        }
        return rc;
    }
    rc = io_unlink(from);
    return rc == -ENOENT ? 0 : rc;
}

static void
reclaim_all(struct space *s, struct list *dead)
{
    int rc = 0;

    LIST_FOR(it, dead)
    {
        if (rc == 0) {
            rc = reclaim_one(s, CONTAINER_OF(it, struct segment, job));
        }
    }
    rc = rc < 0 ? rc : io_sync_dir(s->dir);
    look(s);
    (void)pthread_mutex_lock(&s->lock);
    if (rc < 0) {
        s->failure = s->failure == 0 ? rc : s->failure;
        list_splice_back(&s->reclaim, dead); /* found there by whoever frees the table */
    } else {
        list_splice_back(&s->gone, dead);
    }
    (void)pthread_mutex_unlock(&s->lock);
    s->o.notify(s->o.ctx);
}

/* ---- the reserve */

static void
fail(struct space *s, int rc)
{
    (void)pthread_mutex_lock(&s->lock);
    s->failure = s->failure == 0 ? rc : s->failure;
    (void)pthread_mutex_unlock(&s->lock);
    s->o.notify(s->o.ctx);
}

/* What circulates on a full disk is not freed. The spare's old name is durably gone. */
static int
spare_to_reserve(struct space *s)
{
    char path[STORE_PATH_CAP];
    bool zeroed;
    int fd = open_spare(s, path, &zeroed), rc;

    if (fd < 0) {
        return fd;
    }
    rc = io_fsync(fd);
    io_close(&fd);
    return rc < 0 ? rc : reserve_put(&s->reserve, path);
}

/* One step of making the reserve whole; low as long as there is no room for it. False: nothing was
 * done. */
static bool
refill(struct space *s)
{
    uint64_t begun_ns = ticks_boot_ns();
    int rc = reserve_step(&s->reserve, keep_free(s));

    if (rc == -ENOSPC && reserve_lacking(&s->reserve) > 0) {
        set_low(s, true);
        rc = s->spare_count > 0 ? spare_to_reserve(s) : rc;
        rc = rc == 0 ? 1 : rc;
    }
    if (reserve_lacking(&s->reserve) == 0 && s->low && low_ends(s)) {
        set_low(s, false);
    }
    if (rc < 0 && rc != -ENOSPC) {
        fail(s, rc);
    }
    s->pause_ns = s->low ? 0 : RESERVE_PAUSE * (ticks_boot_ns() - begun_ns);
    return rc == 1;
}

static void
refill_all(struct space *s)
{
    while (s->failure == 0 && refill(s)) {
    }
}

/* ---- what older epochs left behind their last record (section 7a) */

/* True: something was cut. */
static bool
cut_some(struct space *s)
{
    struct cuts cuts;

    (void)pthread_mutex_lock(&s->lock);
    cuts = s->cuts;
    s->cuts = (struct cuts){ 0 };
    (void)pthread_mutex_unlock(&s->lock);
    if (cuts.count == 0) {
        return false;
    }
    cuts_do(&cuts, s->dir, s->o.lease);
    cuts_fini(&cuts);
    look(s);
    return true;
}

void
space_cut(struct space *s, struct segtab *segments)
{
    (void)pthread_mutex_lock(&s->lock);
    cuts_note(&s->cuts, segments, s->o.epoch);
    (void)pthread_cond_signal(&s->work);
    (void)pthread_mutex_unlock(&s->lock);
    if (s->o.in_line) {
        (void)cut_some(s);
        refill_all(s);
    }
}

/* ---- what dead epochs left */

static int
sweep(struct space *s)
{
    s->sweep_later = false;
    return leftovers_sweep(s->o.store, s->dir, s->o.epoch, s->o.lease);
}

int
space_sweep(struct space *s)
{
    int rc = reserve_count(&s->reserve, s->o.lease);

    CHECK(!s->started); /* or it would delete what the thread is making */
    if (rc < 0) {
        return rc;
    }
    look(s);
    s->sweep_later =
        space_free_bytes(s) >= s->o.reserve_bytes + SWEEP_NOW_SEGMENTS * s->o.segment_bytes;
    return s->sweep_later ? 0 : sweep(s);
}

/* The thread, when there is nothing else to do and nothing in the making. */
static void
sweep_now(struct space *s)
{
    int rc = s->sweep_later ? sweep(s) : 0;

    if (rc < 0) {
        fail(s, rc);
    }
}

/* ---- the thread */

/* One round of what is to be done; false: nothing was. */
static bool
step(struct space *s)
{
    struct list dead, *first;
    bool fits = one_would_fit(s);

    list_init(&dead);
    (void)pthread_mutex_lock(&s->lock);
    if (s->failure != 0) {
        (void)pthread_mutex_unlock(&s->lock);
        return false;
    }
    /* Dead segments first: one that is used again is there in no time, a new one takes long to
     * fill. On a full disk nothing is made ahead: a start that finds no room is worse than a wait,
     * and until the writer needs it there may be room. */
    list_splice_back(&dead, &s->reclaim);
    first = NULL;
    s->no_room = !list_empty(&s->prepare) && !s->urgent && (s->low || !fits);
    if (list_empty(&dead) && !s->no_room) {
        first = list_pop_front(&s->prepare);
    }
    (void)pthread_mutex_unlock(&s->lock);
    s->idle_looks = first != NULL || !list_empty(&dead) ? 0 : s->idle_looks + 1;
    if (first != NULL) {
        prepare_one(s, CONTAINER_OF(first, struct segment, job));
        return true;
    }
    if (!list_empty(&dead)) {
        reclaim_all(s, &dead);
        return true;
    }
    return drop_one(s);
}

static void
sleep_a_while(struct space *s, uint64_t ns)
{
    /* a wall clock that is set back would prolong it, and new mail be refused for as long */
    const struct timespec until = ticks_until(ns);

    (void)pthread_mutex_lock(&s->lock);
    if (!s->stop && s->cuts.count == 0 && (list_empty(&s->prepare) || (s->no_room && !s->urgent)) &&
        (s->failure != 0 || list_empty(&s->reclaim))) {
        (void)pthread_cond_clockwait(&s->work, &s->lock, CLOCK_MONOTONIC, &until);
    }
    (void)pthread_mutex_unlock(&s->lock);
}

static bool
stopping(struct space *s)
{
    bool stop;

    (void)pthread_mutex_lock(&s->lock);
    stop = s->stop;
    (void)pthread_mutex_unlock(&s->lock);
    return stop;
}

static void *
space_main(void *arg)
{
    struct space *s = arg;

    look(s);
    while (!stopping(s)) {
        if (!cut_some(s) && !step(s)) {
            bool more;

            sweep_now(s);
            more = s->failure == 0 && refill(s);
            look(s);
            sleep_a_while(s, more ? s->pause_ns : LOOK_EVERY_MS * NS_PER_MS);
        }
    }
    return NULL;
}

int
space_start(struct space *s)
{
    int rc;

    if (s->o.in_line) {
        sweep_now(s);
        refill_all(s);
        look(s);
        return 0;
    }
    rc = -pthread_create(&s->thread, NULL, space_main, s);
    s->started = rc == 0;
    return rc;
}

void
space_stop(struct space *s)
{
    if (s->started) {
        (void)pthread_mutex_lock(&s->lock);
        s->stop = true;
        (void)pthread_cond_broadcast(&s->work);
        (void)pthread_mutex_unlock(&s->lock);
        (void)pthread_join(s->thread, NULL);
        s->started = false;
    }
}

void
space_prepare(struct space *s, struct segment *seg, uint64_t seal_lsn, bool zero)
{
    (void)pthread_mutex_lock(&s->lock);
    CHECK(!seg->ready);
    seg->want_seal_lsn = seal_lsn;
    seg->want_zero = zero;
    list_push_back(&s->prepare, &seg->job);
    (void)pthread_cond_signal(&s->work);
    (void)pthread_mutex_unlock(&s->lock);
    if (s->o.in_line) {
        (void)step(s);
    }
}

int
space_wait(struct space *s, struct segment *seg)
{
    int rc;

    (void)pthread_mutex_lock(&s->lock);
    while (!seg->ready && s->failure == 0) {
        s->urgent = true;
        if (s->o.in_line) {
            (void)pthread_mutex_unlock(&s->lock);
            (void)step(s);
            (void)pthread_mutex_lock(&s->lock);
            continue;
        }
        (void)pthread_cond_signal(&s->work);
        (void)pthread_cond_wait(&s->ready, &s->lock);
    }
    s->urgent = false;
    rc = seg->ready ? seg->status : s->failure;
    (void)pthread_mutex_unlock(&s->lock);
    return rc;
}

void
space_reclaim(struct space *s, struct segment *seg)
{
    (void)pthread_mutex_lock(&s->lock);
    list_push_back(&s->reclaim, &seg->job);
    (void)pthread_cond_signal(&s->work);
    (void)pthread_mutex_unlock(&s->lock);
    if (!s->started && s->o.in_line) {
        while (step(s)) {
        }
        refill_all(s);
    }
}

void
space_poll(struct space *s, struct space_news *news)
{
    list_init(&news->gone);
    (void)pthread_mutex_lock(&s->lock);
    list_splice_back(&news->gone, &s->gone);
    news->low = s->low;
    news->is_short = s->is_short;
    news->failure = s->failure;
    (void)pthread_mutex_unlock(&s->lock);
}

bool
space_is_ready(struct space *s, const struct segment *seg, bool *zeroed)
{
    bool ready;

    (void)pthread_mutex_lock(&s->lock);
    ready = seg->ready && seg->status == 0;
    *zeroed = ready && seg->zeroed;
    (void)pthread_mutex_unlock(&s->lock);
    return ready;
}

uint64_t
space_free_bytes(struct space *s)
{
    return atomic_load_explicit(&s->free_bytes, memory_order_relaxed);
}

uint64_t
space_room_bytes(struct space *s, uint64_t *reserve_left)
{
    *reserve_left = atomic_load_explicit(&s->reserve_left, memory_order_relaxed);
    return atomic_load_explicit(&s->room_bytes, memory_order_relaxed);
}

bool
space_regains(struct space *s, const struct segment *seg)
{
    return space_free_bytes(s) > 0 || reusable(s, seg);
}

void
space_clear(struct space *s, const struct segment *unused)
{
    char path[STORE_PATH_CAP];

    CHECK(!s->started);
    if (s->sweep_later) {
        (void)!sweep(s); /* the next start does what is left */
    }
    reserve_give_up(&s->reserve);
    if (unused != NULL && segment_path(s, unused, path) == 0 &&
        !(s->low && unused->zeroed && reserve_lacking(&s->reserve) > 0 &&
            reserve_put(&s->reserve, path) == 0)) {
        (void)!io_unlink(path); /* empty, if it stays */
    }
    while (s->low && s->spare_count > 0 && reserve_lacking(&s->reserve) > 0 &&
           spare_to_reserve(s) == 0) {
    }
    while (s->spare_count > 0) {
        (void)drop_spare(s); /* the next start deletes what is left */
    }
}
