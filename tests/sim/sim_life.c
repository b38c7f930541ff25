/* A world, its daemon's lives, and how they end. */
#include "queue/reserve.h"
#include "sim.h"
#include <stdio.h>
#include <stdlib.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

struct sim *sim;

static void
set_boot(struct sim *s)
{
    char id[64];
    int n = snprintf(id, sizeof(id), "boot-%016llx\n", (unsigned long long)fake_random(&s->random));

    fake_disk_put(s->disk, BOOT_ID, id, (size_t)n);
}

static struct sim *
sim_alloc(uint64_t random)
{
    struct sim *s = calloc(1, sizeof(*s));

    CHECK(s != NULL);
    CHECK(loop_new(&s->loop) == 0);
    list_init(&s->sessions);
    s->random = random | 1;
    s->salts = random * 31 + 5;
    s->timer_at = UINT64_MAX;
    s->boot_ns = 1000000 * (uint64_t)NS_PER_MS;
    s->wall_ms = WALL_BEGIN_MS;
    return s;
}

struct sim *
sim_new(uint64_t seed, struct counts *n)
{
    struct sim *s = sim_alloc(seed * 0x2545f4914f6cdd1du + 7);
    char text[512];

    sim = s;
    s->seed = seed;
    s->n = n;
    s->slack = 1 + (uint32_t)(seed % 3);
    s->disk = fake_disk_new(seed, dice(s, 4) == 0 ? (18 + dice(s, 20)) * SEGMENT : GIB);
    fake_disk_lie(s->disk, wrap_broken == BROKEN_NO_SYNC);
    fake_disk_late(s->disk, wrap_broken == BROKEN_LATE_SYNC);
    fake_disk_use(s->disk);
    fake_disk_put(s->disk, STORE, NULL, 0);
    set_boot(s);
    CHECK(queue_store_init(STORE, SEGMENT, UINT32_MAX, UINT32_MAX, text, sizeof(text)) == 0);
    n->scenarios++;
    return s;
}

struct sim *
sim_fork(struct sim *s, struct fake_disk *disk, uint64_t random)
{
    struct sim *f = sim_alloc(random);

    f->seed = s->seed;
    f->quiet = s->quiet;
    f->starved = s->starved;
    f->slack = s->slack;
    f->boot_ns = s->boot_ns;
    f->wall_ms = s->wall_ms;
    f->disk = disk;
    f->n = s->n;
    memcpy(f->at, s->at, sizeof(f->at));
    model_copy(f, s);
    return f;
}

void
sim_free(struct sim *s)
{
    if (s->q != NULL) {
        life_forget(s);
    }
    loop_free(s->loop);
    fake_disk_free(s->disk);
    free(s->messages);
    free(s->seen);
    free(s);
}

/* ---- what the queue says */

static void
on_message(void *ctx, struct queue_message *qm)
{
    net_add(ctx, qm);
}

static void
on_gone(void *ctx, struct queue_message *qm)
{
    struct sim *s = ctx;
    struct message *m = model_find(s, qm->id);

    net_remove(s, qm);
    if (!s->dead && m != NULL) {
        m->gone = true;
        s->certain++;
    }
}

static void
on_space(void *ctx, bool low)
{
    ((struct sim *)ctx)->low = low;
}

static void
on_failure(void *ctx, int rc)
{
    struct sim *s = ctx;

    s->failure = rc;
    s->n->failed_stop++;
}

static void
on_open(void *ctx, int status, struct queue *q, const struct queue_claim *claim, const char *text)
{
    struct sim *s = ctx;

    s->open_done = true;
    s->open_status = status;
    s->q = q;
    s->claim = claim != NULL ? *claim : (struct queue_claim){ .epoch = 0 };
    s->n->read_snapshots += s->claim.snapshot_bytes > 0; /* what comes later, on_loaded counts */
    (void)snprintf(s->text, sizeof(s->text), "cannot be opened: %s", text);
    if (status < 0 && text[0] == '\0') {
        sim_violation(s, NULL, "cannot be opened, without a word why");
    }
}

static void
on_loaded(void *ctx, int status, const struct queue_claim *claim, const char *text)
{
    struct sim *s = ctx;

    s->loaded = true;
    s->open_status = status;
    s->claim = *claim;
    s->n->read_snapshots += s->claim.snapshot_bytes > 0;
    (void)snprintf(s->text, sizeof(s->text), "cannot be loaded: %s", text);
    if (status < 0 && text[0] == '\0') {
        sim_violation(s, NULL, "cannot be loaded, without a word why");
    }
}

/* ---- beginning */

/* Only where the fault hit our own look at who is to be fenced: give up this try. */
static void
give_up(void *ctx, uint64_t ns)
{
    struct sim *s = ctx;

    (void)ns;
    if (fake_disk_failed(s->disk) || wrap_allocation_failed()) {
        s->fault_met = true;
    }
    fake_disk_fail(s->disk, 1, -EIO, true);
}

static bool
still_loading(void *ctx)
{
    struct sim *s = ctx;

    return s->load_turns > 0 && s->load_turns-- > 0;
}

/* Sealed, and what the last owner left is on its way: mail comes in meanwhile. What is under way at
 * the end is finished, so that who compares finds the world at rest. */
static int
life_load(struct sim *s)
{
    unsigned items = s->early ? 60 : 0;

    while (!s->loaded && s->failure == 0 && items-- > 0) {
        work_early(s);
    }
    while (!s->loaded && s->failure == 0) {
        work_turn(s);
    }
    work_drop_intakes(s);
    if (s->failure == 0 && s->open_status == 0) {
        fake_loop_settle(s->loop);
    }
    s->open_status = s->failure != 0 ? s->failure : s->open_status;
    if (s->open_status < 0) {
        life_forget(s);
    }
    return s->open_status;
}

int
life_open(struct sim *s)
{
    struct queue_owner owner = { .epoch = 0 };
    struct queue_opening *op;
    char text[512];
    struct queue_options o = { .path = STORE,
        .node = "node1",
        .reserve_bytes = RESERVE_BYTES,
        .lease_ms = LEASE_MS,
        .snapshot_bytes = SNAPSHOT_BYTES,
        .slack_segments = s->slack,
        .in_line = give_up,
        .on_message = on_message,
        .on_gone = on_gone,
        .on_space = on_space,
        .on_failure = on_failure,
        .ctx = s };

    s->loaded = false;
    s->load_turns = (unsigned)dice(s, 6);
    if (dice(s, 3) != 0) {
        o.on_loaded = on_loaded;
        o.in_line_waits = still_loading;
    }
    if (queue_store_owner(STORE, &owner, text, sizeof(text)) == 0 && owner.epoch > 0) {
        o.fenced = (struct queue_fenced){ owner.node, owner.epoch };
    }
    s->open_done = false;
    s->low = false;
    s->open_status = queue_open(&op, s->loop, &o, on_open, s);
    if (s->open_status < 0) {
        (void)snprintf(s->text, sizeof(s->text), "queue_open failed");
        return s->open_status;
    }
    while (!s->open_done) {
        (void)fake_loop_turn(s->loop);
    }
    if (s->open_status == 0) {
        s->n->recoveries++;
        s->renewed_ns = s->boot_ns;
        s->unsure_at = s->asks;
    }
    return s->open_status == 0 && o.on_loaded != NULL ? life_load(s) : s->open_status;
}

/* Until it opens: the first tries are cut off at a random call. */
void
life_recover(struct sim *s)
{
    unsigned cuts = s->calm ? 0 : (unsigned)dice(s, 3);

    s->early = true;
    while (cuts-- > 0) {
        bool forever = dice(s, 2) == 0;

        fake_disk_fail(s->disk, 1 + dice(s, 60), -EIO, forever);
        if (life_open(s) == 0) {
            life_forget(s);
        }
        fake_disk_fail(s->disk, 0, 0, false);
        fake_loop_kill(s->loop);
        fake_disk_kill(s->disk);
        if (forever) {
            life_cut(s, CUT_SOME);
        }
    }
    s->early = dice(s, 2) == 0;
    if (life_open(s) == -ENOSPC && s->early) { /* mail filled what was left of the disk */
        s->early = false;
        fake_disk_kill(s->disk);
        (void)life_open(s);
    }
    if (s->open_status < 0) {
        sim_violation(s, NULL, s->text);
        return;
    }
    s->early = false;
    if (s->claim.quarantined > 0) {
        sim_violation(s, NULL, "a crash looks like damage");
    }
}

/* ---- the end */

void
life_forget(struct sim *s)
{
    s->dead = true;
    s->fault_met = s->fault_met || fake_disk_failed(s->disk);
    if (!s->single) {
        fake_disk_fail(s->disk, 0, 0, false);
    }
    if (s->q != NULL && s->q->failed == 0) {
        s->q->failed = -ECANCELED; /* nothing reaches the disk any more */
    }
    net_end(s);
    work_drop_intakes(s);
    fake_loop_cancel_work(s->loop); /* before what it reads is freed */
    queue_free(s->q);
    s->q = NULL;
    fake_loop_kill(s->loop);
    s->dead = false;
    s->failure = 0;
}

void
life_cut(struct sim *s, enum fake_cut how)
{
    fake_disk_cut(s->disk, how);
    set_boot(s);
}

static void
on_released(void *ctx, int status)
{
    *(int *)ctx = status;
}

void
life_release(struct sim *s)
{
    int status = 1;

    work_drop_intakes(s);
    if (!net_drain(s) && s->failure == 0 && !fake_disk_failed(s->disk)) {
        sim_violation(s, NULL, "the scheduler does not drain");
    }
    if (s->failure == 0 && queue_release(s->q, on_released, &status) < 0) {
        s->n->failed_stop++; /* a failure that on_failure had no turn to tell of */
    } else if (s->failure == 0) {
        fake_loop_settle(s->loop);
        if (status != 0 && s->failure == 0 && !fake_disk_failed(s->disk) &&
            !wrap_allocation_failed()) {
            sim_violation(s, NULL, "release failed");
        }
        s->n->failed_stop += status < 0;
    }
    life_forget(s);
}

/* Some work, then an end. */
void
life_live(struct sim *s)
{
    unsigned items = 20 + (unsigned)dice(s, s->calm ? 200 : 400), end = (unsigned)dice(s, 6);

    if (!s->calm && end < 2) {
        fake_disk_fail(s->disk, 1 + dice(s, 120), -EIO, true);
    } else if (!s->calm && end == 2) {
        fake_disk_fail(s->disk, 1 + dice(s, 120), dice(s, 2) == 0 ? -EIO : -ENOSPC, false);
    }
    if (dice(s, 2) == 0) {
        net_begin(s);
    }
    while (items-- > 0 && s->failure == 0) {
        work_item(s);
    }
    if (end == 5 && s->failure == 0) {
        life_release(s);
    } else {
        if (s->failure == 0 && (end == 4 || s->single)) {
            work_settle(s);
        }
        life_forget(s);
    }
    if (s->single && fake_disk_failed(s->disk)) {
        return; /* sim_fault.c goes on */
    }
    if (end < 2 || dice(s, 2) == 0) {
        life_cut(s, CUT_SOME);
    } else {
        fake_disk_kill(s->disk);
    }
}

/* ---- what must not stay behind */

struct files {
    struct sim *s;
    const char *dir;
    unsigned owners; /* or snapshots */
};

static bool
journal_file_belongs(const struct queue *q, struct slice name)
{
    char prefix[64];

    LIST_FOR(it, &q->segments.order)
    {
        const struct segment *seg = CONTAINER_OF(it, struct segment, link);
        char own[SEGMENT_NAME_CAP];

        segment_name(own, seg->seq, seg->epoch);
        if (slice_eq(name, slice_of(own))) {
            return true;
        }
    }
    (void)snprintf(prefix, sizeof(prefix), "spare-%08x-", q->epoch);
    return slice_starts(name, slice_of(prefix));
}

/* Two, or three until the oldest is deleted. */
static bool
snapshot_file_belongs(struct files *f, struct slice name)
{
    char own[64];

    (void)snprintf(own, sizeof(own), "new-%08x.tmp", f->s->q->epoch);
    return slice_eq(name, slice_of(own)) ||
           (slice_iends(name, SLICE_LIT(".snap")) && ++f->owners <= 3);
}

static bool
store_file_belongs(struct files *f, struct slice name)
{
    char own[64];

    if (slice_starts(name, SLICE_LIT("owner.")) && !slice_iends(name, SLICE_LIT(".tmp"))) {
        return ++f->owners <= 2; /* the present one and the one before */
    }
    (void)snprintf(own, sizeof(own), "reserve.new-%08x-", f->s->q->epoch);
    return slice_eq(name, SLICE_LIT("LOCK")) || slice_eq(name, SLICE_LIT("STORE")) ||
           slice_eq(name, SLICE_LIT("journal")) || slice_eq(name, SLICE_LIT("snapshot")) ||
           slice_eq(name, SLICE_LIT("quarantine")) || reserve_name(name) ||
           slice_starts(name, slice_of(own));
}

static int
each_file(void *ctx, const char *name)
{
    struct files *f = ctx;
    struct slice n = slice_of(name);
    bool belongs;

    if (strcmp(f->dir, STORE) == 0) {
        belongs = store_file_belongs(f, n);
    } else if (strcmp(f->dir, STORE "/snapshot") == 0) {
        belongs = snapshot_file_belongs(f, n);
    } else {
        belongs = journal_file_belongs(f->s->q, n);
    }
    if (!belongs) {
        char text[160];

        (void)snprintf(text, sizeof(text), "left behind: %s/%s", f->dir, name);
        sim_violation(f->s, NULL, text);
    }
    return 0;
}

void
life_check_files(struct sim *s)
{
    struct files store = { s, STORE, 0 }, journal = { s, STORE "/journal", 0 };
    struct files snapshot = { s, STORE "/snapshot", 0 };

    if (s->q != NULL) {
        CHECK(io_list(store.dir, each_file, &store) == 0);
        CHECK(io_list(journal.dir, each_file, &journal) == 0);
        (void)!io_list(snapshot.dir, each_file, &snapshot); /* it need not be there */
    }
}

/* ---- a whole scenario */

/* Deliver everything; then nearly nothing may be left on the disk. The reserve here is sixty
 * blocks, and the crashes before may have used it up: then a restart or two must get over it. */
static void
drain(struct sim *s)
{
    struct queue_stats st;

    work_deliver_all(s);
    for (unsigned restarts = 0; s->failure == -ENOSPC && restarts < 3; restarts++) {
        life_forget(s);
        fake_disk_kill(s->disk);
        life_recover(s);
        model_compare(s);
        if (s->q == NULL) {
            return;
        }
        s->n->full++;
        work_deliver_all(s);
    }
    if (s->failure != 0) {
        sim_violation(s, NULL, "failed while draining");
        return;
    }
    queue_stats(s->q, &st);
    if (st.messages != 0) {
        sim_violation(s, NULL, "not drained");
    } else if (st.segments > SEGMENTS_EMPTY + s->slack) {
        sim_violation(s, NULL, "dead segments stay");
    } else if (s->low) {
        sim_violation(s, NULL, "an empty store has no room");
    } else if (fake_disk_used(s->disk) > RESERVE_BYTES + (SEGMENTS_KEPT + s->slack) * SEGMENT) {
        sim_violation(s, NULL, "an empty store takes too much of the disk");
    }
}

void
life_scenario(struct sim *s)
{
    life_recover(s);
    for (uint64_t lives = 2 + dice(s, 6); s->q != NULL && lives > 0; lives--) {
        life_live(s);
        life_recover(s);
        life_check_files(s);
        model_compare(s);
    }
    if (s->q != NULL && wrap_broken == BROKEN_NOTHING) {
        drain(s);
    }
    if (s->q != NULL && wrap_broken == BROKEN_NOTHING) {
        life_release(s);
        life_recover(s);
        life_check_files(s);
        model_compare(s);
    }
}
