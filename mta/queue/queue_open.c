/* Opening: lock, claim, find the journal's end, seal - in a thread of its own, since a lease may
 * have to be waited for. What the journal says is loaded behind it (queue_load.c). Order matters
 * throughout; see docs/formats/journal.md sections 6 to 8, whose step numbers stand here. */
#include "core/log.h"
#include "core/ticks.h"
#include "queue/distrust.h"
#include "queue/queue_int.h"
#include "queue/queue_load.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NS_PER_MS 1000000u

struct queue_opening {
    struct queue *q;
    struct queue_options o;
    queue_open_fn *cb;
    void *ctx;
    struct loop_task task; /* in line */
    struct loop_wake *wake;
    pthread_t thread;
    bool started;
    _Atomic bool done;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool cancelled;
    char fenced_node[OWNER_NODE_CAP];
    int status;
    char text[QUEUE_TEXT_CAP];
    uint64_t claim_epoch;
    uint64_t mark_ns; /* end of the last phase */
};

_Static_assert(QUEUE_NODE_CAP == OWNER_NODE_CAP, "the owner file's room for a node's name");

bool
queue_node_valid(const char *node)
{
    size_t n = strlen(node);

    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)node[i] <= ' ' || node[i] == 0x7f) {
            return false;
        }
    }
    return n > 0 && n < QUEUE_NODE_CAP;
}

static int
say(struct queue_opening *op, int rc, const char *what, const char *cure)
{
    store_failure_text(op->text, sizeof(op->text), op->q->store, rc, what, cure);
    return rc;
}

static uint64_t
phase_ms(struct queue_opening *op)
{
    uint64_t now = ticks_boot_ns(), took = now - op->mark_ns;

    op->mark_ns = now;
    return took / NS_PER_MS;
}

/* ---- renewing the lease */

/* Design section 6, rule 5: t0, counter durable, then no higher epoch. In this order: a look first
 * and a stalled write after it would let two owners overlap. */
int
renewal_step(struct renewal *r)
{
    uint64_t t0 = ticks_boot_ns(), highest;
    int rc = owner_file_write(&r->owner, OWNER_ACTIVE, 0);

    rc = rc < 0 ? rc : owner_file_highest(r->store, &highest);
    if (rc == 0 && highest > r->owner.record.epoch) {
        rc = BH_EFENCED;
    }
    rc = rc < 0 ? rc : lease_renewed(&r->lease, t0, ticks_boot_ns());
    if (rc < 0) {
        lease_end(&r->lease);
    }
    return rc;
}

static bool
renewal_sleep(struct renewal *r)
{
    const struct timespec until = ticks_until(r->lease.length_ns / 3);
    bool stop;

    (void)pthread_mutex_lock(&r->lock);
    while (!r->stop && pthread_cond_timedwait(&r->cond, &r->lock, &until) == 0) {
    }
    stop = r->stop;
    (void)pthread_mutex_unlock(&r->lock);
    return !stop;
}

static void *
renewal_main(void *arg)
{
    struct renewal *r = arg;

    while (renewal_sleep(r)) {
        int rc = renewal_step(r);

        if (rc < 0) {
            atomic_store(&r->failure, rc);
            loop_wake_send(r->wake);
            break;
        }
    }
    return NULL;
}

/* One whose timed waits know nothing of the wall clock. */
static void
cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attr);
    (void)pthread_condattr_destroy(&attr);
}

static int
renewal_start(struct renewal *r)
{
    int rc;

    cond_init(&r->cond);
    (void)pthread_mutex_init(&r->lock, NULL);
    rc = -pthread_create(&r->thread, NULL, renewal_main, r);
    r->started = rc == 0;
    return rc;
}

void
renewal_stop(struct renewal *r)
{
    if (r->started) {
        (void)pthread_mutex_lock(&r->lock);
        r->stop = true;
        (void)pthread_cond_signal(&r->cond);
        (void)pthread_mutex_unlock(&r->lock);
        (void)pthread_join(r->thread, NULL);
        (void)pthread_cond_destroy(&r->cond);
        (void)pthread_mutex_destroy(&r->lock);
        r->started = false;
    }
}

/* ---- locks and claim */

static int
wait_a_while(struct queue_opening *op, uint64_t ns)
{
    struct timespec until;
    bool cancelled;

    if (op->o.in_line != NULL) {
        op->o.in_line(op->o.ctx, ns);
        return 0;
    }
    until = ticks_until(ns);
    (void)pthread_mutex_lock(&op->lock);
    while (!op->cancelled && pthread_cond_timedwait(&op->cond, &op->lock, &until) == 0) {
    }
    cancelled = op->cancelled;
    (void)pthread_mutex_unlock(&op->lock);
    return cancelled ? -ECANCELED : 0;
}

#define LOCK_TRIES        25 /* half a second in all */
#define LOCK_TRY_AGAIN_MS 20

/* A process that is just dying holds its locks a moment longer, and `store` commands hold one for
 * the time of a look. */
static int
lock_patiently(struct queue_opening *op, const char *path, int *fd)
{
    int rc = store_lock(path, O_CREAT, fd);

    for (unsigned tries = 1; rc == BH_EOWNED && op->o.in_line == NULL && tries < LOCK_TRIES;
         tries++) {
        rc = wait_a_while(op, LOCK_TRY_AGAIN_MS * (uint64_t)NS_PER_MS);
        rc = rc < 0 ? rc : store_lock(path, O_CREAT, fd);
    }
    return rc;
}

static int
take_locks(struct queue_opening *op)
{
    struct queue *q = op->q;
    char path[STORE_PATH_CAP];
    int rc = 0;

    if (q->run_lock[0] != '\0') {
        rc = lock_patiently(op, q->run_lock, &q->run_fd);
        if (rc < 0) {
            return say(op, rc, q->run_lock,
                rc == BH_EOWNED ? "Another server of this instance runs on this node: stop it, or "
                                  "look at who holds the file"
                                : "The run directory must be there, and be the server's user's");
        }
    }
    rc = distrust_check(q->run_lock, q->store, path, sizeof(path));
    if (rc < 0) {
        return say(op, rc, rc == -EIO ? path : q->run_lock,
            "A write or sync of this store failed here and its filesystem was not mounted anew "
            "since: what it "
            "shows cannot be believed. Look at the disk, then unmount and mount it, or run on "
            "another node");
    }
    rc = store_path(path, q->store, "LOCK");
    rc = rc < 0 ? rc : lock_patiently(op, path, &q->lock_fd);
    if (rc == BH_EOWNED && op->o.fenced.node != NULL && strcmp(op->o.fenced.node, q->node) != 0) {
        /* NFS keeps a dead client's lock for a while; the cluster vouches for its death */
        return 0;
    }
    if (rc < 0) {
        return say(op, rc, "LOCK",
            rc == BH_EOWNED ? "A live process holds the store: stop it there first"
                            : "The store must be the server's user's, on a writable filesystem");
    }
    return 0;
}

/* The owner file of the highest epoch, as it is now; and the epoch to claim. It follows from this
 * look alone: whoever claims after it takes the same number, and one of us loses. (It was computed
 * later once, from the segments: a claimer that was frozen in between stepped over the one who had
 * claimed meanwhile. So segments come first: one of a newer epoch has its owner file already.) */
static int
look_at_owner(struct queue_opening *op, struct owner_record *last)
{
    struct queue *q = op->q;
    uint32_t in_names = 0;
    uint64_t epoch = 0;
    int rc = recover_epoch_highest(q->store, &in_names);

    *last = (struct owner_record){ .state = OWNER_NONE };
    rc = rc < 0 ? rc : owner_file_highest(q->store, &epoch);
    op->claim_epoch = MAX(epoch, (uint64_t)in_names) + 1;
    if (rc == 0 && epoch > 0) {
        rc = owner_file_read(q->store, epoch, last);
    }
    if (rc == 0 && epoch > 0 && memcmp(last->uuid, q->head.uuid, sizeof(last->uuid)) != 0) {
        rc = BH_EDAMAGED;
    }
    return rc < 0 ? say(op, rc, "owner file",
                        "Who owns the store cannot be read: check the disk, then bridgehead store "
                        "check")
                  : 0;
}

/* Step 1: who was it, and may we? */
static int
decide(struct queue_opening *op, const char *boot_id, struct owner_record *last, const char **cause)
{
    struct queue *q = op->q;
    struct ownership_watch watch = { 0 };
    struct ownership_self self = { q->node, boot_id, q->lock_fd >= 0, op->o.fenced.node,
        op->o.fenced.epoch };
    unsigned vanished = 0;

    for (;;) {
        uint64_t begin_ns = ticks_boot_ns();
        int rc = look_at_owner(op, last);
        struct ownership_decision d;

        if (rc == -ENOENT && ++vanished < 16) {
            continue; /* another claimed, and deleted older files between our list and our read */
        }
        if (rc < 0) {
            return rc;
        }
        d = ownership_decide(&watch, last, &self, begin_ns, ticks_boot_ns());
        if (q->lock_fd < 0 && (d.verdict != OWNERSHIP_CLAIM || strcmp(d.cause, "fenced") != 0)) {
            /* take_locks let us pass for a death that is not this owner's */
            return say(
                op, BH_EOWNED, "LOCK", "A live process holds the store: stop it there first");
        }
        if (d.verdict == OWNERSHIP_CLAIM) {
            *cause = d.cause;
            return 0;
        }
        if (d.verdict == OWNERSHIP_REFUSE) {
            (void)snprintf(op->text, sizeof(op->text),
                "%.200s: owned by node %s, epoch %llu, which renews its lease. Stop it there, or "
                "have "
                "the cluster fence that node",
                q->store, last->node, (unsigned long long)last->epoch);
            return BH_EOWNED;
        }
        rc = wait_a_while(op, d.wait_ns);
        if (rc < 0) {
            return rc;
        }
    }
}

/* A file of our epoch's name could also be made because it was there and is not any more: we were
 * frozen since we looked, others claimed this epoch and the next ones, and the last of them deleted
 * its file. Then theirs is there. To be asked before anything else in the store is touched. */
static int
overtaken(struct queue_opening *op, uint64_t epoch)
{
    uint64_t highest;
    int rc = owner_file_highest(op->q->store, &highest);

    if (rc < 0) {
        return say(op, rc, "owner file", "Can the store's directory be read?");
    }
    return highest > epoch
               ? say(op, BH_EOWNED, "claim", "Other nodes claimed the store in the meantime")
               : 0;
}

static int
claim(struct queue_opening *op, const char *boot_id)
{
    struct queue *q = op->q;
    struct owner_record mine = { .state = OWNER_ACTIVE, .counter = 1, .epoch = op->claim_epoch };
    uint64_t t0;
    int rc;

    if (mine.epoch > EPOCH_MAX) {
        return say(op, BH_EDAMAGED, "epoch",
            "An owner file or segment has the last number that there is. Is it of this store? "
            "Else move it away");
    }
    mine.lease_ms = op->o.lease_ms;
    mine.claimed_wall_ms = ticks_wall_ms();
    memcpy(mine.uuid, q->head.uuid, sizeof(mine.uuid));
    (void)snprintf(mine.node, sizeof(mine.node), "%s", q->node);
    (void)snprintf(mine.boot_id, sizeof(mine.boot_id), "%s", boot_id);
    t0 = ticks_boot_ns();
    rc = owner_file_create(q->store, &mine);
    if (rc == -ENOSPC && leftovers_drop_reserves(q->store, mine.epoch - 1) == 0) {
        rc = owner_file_create(q->store, &mine);
    }
    if (rc == -EEXIST) {
        return say(op, BH_EOWNED, "claim", "Another node claimed the store at the same moment");
    }
    rc = rc < 0 ? rc : owner_file_open(&q->renewal.owner, q->store, &mine);
    if (rc < 0) {
        return say(op, rc, "owner file",
            rc == -ENOSPC ? "The disk is full: make room for one segment"
                          : "Can the store's directory be written?");
    }
    rc = overtaken(op, mine.epoch);
    if (rc < 0) {
        return rc;
    }
    q->epoch = (uint32_t)mine.epoch;
    q->renewal.store = q->store;
    q->renewal.wake = q->wake;
    lease_begin(&q->renewal.lease, op->o.lease_ms, t0);
    if (op->o.in_line == NULL) {
        rc = renewal_start(&q->renewal);
    }
    return rc < 0 ? say(op, rc, "lease thread", "Out of threads or memory") : 0;
}

/* ---- seal */

static void
wake_queue(void *ctx)
{
    loop_wake_send(ctx);
}

static int
make_space(struct queue_opening *op)
{
    struct queue *q = op->q;
    struct space_options so = {
        .store = q->store,
        .epoch = q->epoch,
        .segment_bytes = q->segment_bytes,
        .reserve_bytes = op->o.reserve_bytes,
        .lease = &q->renewal.lease,
        .notify = wake_queue,
        .ctx = q->wake,
        .in_line = op->o.in_line != NULL,
    };
    int rc;

    memcpy(so.uuid, q->head.uuid, sizeof(so.uuid));
    rc = space_new(&q->space, &so);
    /* leftovers of a dead epoch first: on a full disk they are room */
    return rc < 0 ? rc : space_sweep(q->space);
}

static int
seal(struct queue_opening *op, const struct owner_record *last)
{
    struct queue *q = op->q;
    const struct recovery *r;
    int rc = queue_load_begin(q, last);

    q->claim.replay_ms = phase_ms(op);
    if (rc < 0) {
        return say(op, rc, q->load != NULL ? q->load->r.text : "the journal",
            "bridgehead store check lists what is wrong");
    }
    r = &q->load->r;
    q->claim.torn_bytes = r->torn_bytes;
    q->claim.late_bytes = r->late_bytes;
    q->claim.late_segments = r->stray_count;
    rc = queue_seal(q, r);
    rc = rc < 0 ? rc : space_start(q->space);
    q->claim.seal_ms = phase_ms(op);
    return rc < 0 ? say(op, rc, "seal",
                        rc == -ENOSPC ? "The disk is full: make room for one segment"
                                      : "The store cannot be written")
                  : 0;
}

static int
open_store(struct queue_opening *op)
{
    struct queue *q = op->q;
    char boot_id[OWNER_BOOT_ID_CAP];
    struct owner_record last;
    const char *cause = "";
    int rc;

    op->mark_ns = ticks_boot_ns();
    rc = store_read(q->store, &q->head, op->text, sizeof(op->text));
    if (rc < 0) {
        return rc;
    }
    q->segment_bytes = q->replay.segment_bytes = q->head.segment_bytes;
    rc = take_locks(op);
    q->claim.lock_ms = phase_ms(op);
    if (rc < 0) {
        return rc;
    }
    rc = store_boot_id(boot_id);
    if (rc < 0) {
        return say(op, rc, "/proc/sys/kernel/random/boot_id", "Is /proc mounted?");
    }
    rc = decide(op, boot_id, &last, &cause);
    q->claim.wait_ms = phase_ms(op);
    rc = rc < 0 ? rc : claim(op, boot_id);
    q->claim.claim_ms = phase_ms(op);
    if (rc < 0) {
        return rc;
    }
    q->claim.epoch = q->epoch;
    q->claim.previous_epoch = last.epoch;
    (void)snprintf(q->claim.previous_node, sizeof(q->claim.previous_node), "%s", last.node);
    (void)snprintf(q->claim.cause, sizeof(q->claim.cause), "%s", cause);
    log_event(EV_OWNER_CLAIMED, LF_UINT("epoch", q->epoch), LF_STR("cause", cause),
        LF_UINT("previous_epoch", last.epoch), LF_STR("previous_node", last.node));
    rc = make_space(op);
    if (rc < 0) {
        return say(op, rc, "leftovers of the last owner", "The store cannot be written");
    }
    rc = seal(op, &last);
    if (rc == 0 && q->o.on_loaded == NULL) {
        queue_load_run(q->load);
    }
    return rc;
}

/* ---- the thread, and what the loop makes of it */

static void *
opening_main(void *arg)
{
    struct queue_opening *op = arg;

    op->status = open_store(op);
    atomic_store(&op->done, true);
    loop_wake_send(op->wake);
    return NULL;
}

static void
opening_free(struct queue_opening *op)
{
    loop_task_cancel(&op->task);
    if (op->wake != NULL) {
        loop_wake_free(op->wake);
    }
    (void)pthread_cond_destroy(&op->cond);
    (void)pthread_mutex_destroy(&op->lock);
    free(op);
}

static int
begin_serving(struct queue *q)
{
    struct journal_options jo = {
        .loop = q->loop,
        .segments = &q->segments,
        .space = q->space,
        .lease = &q->renewal.lease,
        .epoch = q->epoch,
        .segment_bytes = q->segment_bytes,
        .first = q->first,
        .first_offset = q->first_offset,
        .seal_lsn = q->seal_lsn,
        .on_done = queue_on_done,
        .on_turn = queue_on_turn,
        .on_failure = queue_on_failure,
        .ctx = q,
        .in_line = q->o.in_line != NULL,
    };

    return journal_new(&q->journal, &jo);
}

/* Who does not ask for what comes in before is told when all is there. */
static void
deliver_loaded(struct queue_opening *op)
{
    struct queue *q = op->q;

    queue_load_done(q);
    if (q->failed == 0) {
        op->cb(op->ctx, 0, q, &q->claim, "");
        return;
    }
    op->cb(op->ctx, q->failed, NULL, NULL, q->load->text);
    queue_free(q);
    op->q = NULL;
}

static void
opening_deliver(struct queue_opening *op)
{
    struct queue *q = op->q;
    int rc = op->status;

    if (rc == 0) {
        rc = begin_serving(q);
        if (rc < 0) {
            (void)say(op, rc, "journal thread", "Out of threads or memory");
        }
    }
    if (rc < 0) {
        op->cb(op->ctx, rc, NULL, NULL, op->text);
        queue_free(q);
        opening_free(op);
        return;
    }
    log_event(EV_QUEUE_OPENED, LF_UINT("epoch", q->epoch), LF_UINT("torn", q->claim.torn_bytes),
        LF_UINT("late", q->claim.late_bytes), LF_MS("replay", q->claim.replay_ms),
        LF_MS("seal", q->claim.seal_ms));
    if (q->o.on_loaded != NULL) {
        op->cb(op->ctx, 0, q, &q->claim, "");
        rc = queue_load_start(q);
        if (rc < 0) {
            q->load->status = rc;
            (void)snprintf(q->load->text, sizeof(q->load->text), "%.200s: no thread to load it: %s",
                q->store, error_text(rc));
            queue_load_done(q);
        }
    } else {
        deliver_loaded(op);
    }
    if (op->q != NULL) {
        queue_on_wake(q); /* what the threads had to say before there was a journal */
    }
    opening_free(op);
}

static void
on_opening_wake(void *ctx)
{
    struct queue_opening *op = ctx;

    if (atomic_load(&op->done)) {
        (void)pthread_join(op->thread, NULL);
        opening_deliver(op);
    }
}

static void
on_opening_task(void *ctx)
{
    struct queue_opening *op = ctx;

    op->status = open_store(op);
    opening_deliver(op);
}

static int
queue_alloc(struct queue **out, struct loop *l, const struct queue_options *o)
{
    struct queue *q = calloc(1, sizeof(*q));
    int rc;

    if (q == NULL) {
        return -ENOMEM;
    }
    q->loop = l;
    q->o = *o;
    q->lock_fd = q->run_fd = q->renewal.owner.fd = -1;
    list_init(&q->paused);
    list_init(&q->dying);
    list_init(&q->parts);
    list_init(&q->compaction.moves);
    segtab_init(&q->segments);
    msgindex_init(&q->index);
    transids_init(&q->transids);
    q->replay = (struct replay){ &q->segments, &q->index, 0 };
    rc = slice_copy(slice_of(o->path), q->store, sizeof(q->store));
    rc = rc < 0 ? rc : slice_copy(slice_of(o->run_lock_path), q->run_lock, sizeof(q->run_lock));
    rc = rc < 0 ? rc : slice_copy(slice_of(o->node), q->node, sizeof(q->node));
    rc = rc < 0 ? rc : loop_wake_new(l, &q->wake, queue_on_wake, q);
    if (rc < 0) {
        queue_free(q);
        return rc;
    }
    q->o.path = q->store;
    q->o.node = q->node;
    q->o.run_lock_path = q->run_lock;
    *out = q;
    return 0;
}

int
queue_open(struct queue_opening **out, struct loop *l, const struct queue_options *o,
    queue_open_fn *cb, void *ctx)
{
    struct queue_opening *op = calloc(1, sizeof(*op));
    int rc;

    CHECK(o->lease_ms > 0 && o->path != NULL && o->node != NULL);
    if (op == NULL) {
        return -ENOMEM;
    }
    op->o = *o;
    op->cb = cb;
    op->ctx = ctx;
    op->o.fenced.node = NULL;
    if (o->fenced.node != NULL && queue_node_valid(o->fenced.node)) {
        (void)snprintf(op->fenced_node, sizeof(op->fenced_node), "%s", o->fenced.node);
        op->o.fenced.node = op->fenced_node;
    }
    loop_task_init(&op->task, on_opening_task, op);
    (void)pthread_mutex_init(&op->lock, NULL);
    cond_init(&op->cond);
    rc = queue_alloc(&op->q, l, o);
    if (rc < 0) {
        opening_free(op);
        return rc;
    }
    if (o->in_line != NULL) {
        loop_call_soon(l, &op->task);
        *out = op;
        return 0;
    }
    rc = loop_wake_new(l, &op->wake, on_opening_wake, op);
    rc = rc < 0 ? rc : -pthread_create(&op->thread, NULL, opening_main, op);
    if (rc < 0) {
        queue_free(op->q);
        opening_free(op);
        return rc;
    }
    op->started = true;
    *out = op;
    return 0;
}

void
queue_open_cancel(struct queue_opening *op)
{
    if (op == NULL) {
        return;
    }
    if (op->started) {
        (void)pthread_mutex_lock(&op->lock);
        op->cancelled = true;
        (void)pthread_cond_signal(&op->cond);
        (void)pthread_mutex_unlock(&op->lock);
        (void)pthread_join(op->thread, NULL);
    }
    queue_free(op->q);
    opening_free(op);
}
