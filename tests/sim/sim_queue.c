/* The real queue on a fake disk, in one thread: random work, and at a random disk call the power
 * goes, the process dies, or the call fails. Then recovery, itself cut at random calls, until it
 * ends; then what is there is compared with what was promised:
 *
 *   acknowledged         there, intact, unless all its outcomes were recorded
 *   on_gone was called   not there, ever again
 *   committed, no answer there intact, or not at all (I4)
 *   never committed      not there
 *   a recipient          in a state between the last one that was synced and the last recorded
 *   damage               none: a crash must never look like it
 *   a snapshot           gives what the whole journal gives, and if its bytes rot, nothing is lost
 *
 * What recovery shows counts as promised from then on. With --lie syncs do nothing, and violations
 * must be found: the last run of main makes sure of it.
 *
 *   sim_queue [--seeds N] [--seed S] [--lie] [--verbose]
 */
#include "core/log.h"
#include "fake_disk.h"
#include "fake_loop.h"
#include "queue/queue.h"
#include "same_index.h"
#include <stdio.h>
#include <stdlib.h>

#define STORE        "/store"
#define BOOT_ID      "/proc/sys/kernel/random/boot_id"
#define SEGMENT      (64 * KIB)
#define RECIPIENTS   3
#define MESSAGES_MAX 4096
#define INTAKES_MAX  4
#define LEASE_MS     3600000 /* the lease has a test of its own: here it never ends */

struct promise { /* about one recipient */
    bool final_asked, final_sure;
    unsigned attempts_asked, attempts_sure;
    uint64_t asked_at; /* when, in work items */
};

struct message {
    msg_id id;
    size_t bytes;
    bool committed, acked, gone, held_asked, held_sure;
    uint64_t held_at;
    unsigned held_changes; /* since it was sure */
    struct promise to[RECIPIENTS];
};

struct intake {
    struct queue_intake *in;
    struct message *m;
};

struct sim {
    uint64_t random, seed;
    struct fake_disk *disk;
    struct loop *loop;
    struct queue *q;
    bool open_done, dead, quiet, low, fault_met;
    int open_status, failure;
    char text[512];
    struct message messages[MESSAGES_MAX];
    unsigned count;
    struct intake intakes[INTAKES_MAX];
    uint64_t clock; /* work items so far */
    unsigned violations, crashes, acked, opened, refused, full;
    unsigned snapshots, compared, rotten, unreadable; /* written, read, damaged, found out */
    uint64_t quarantined;
};

struct commit_call {
    struct sim *s;
    struct message *m;
};
struct sync_call {
    struct sim *s;
    uint64_t at;
};

static uint64_t
dice(struct sim *s, uint64_t sides)
{
    return fake_random(&s->random) % sides;
}

static void
violation(struct sim *s, const struct message *m, const char *what)
{
    s->violations++;
    if (!s->quiet) {
        printf("VIOLATION seed=%llu id=%llx: %s\n", (unsigned long long)s->seed,
            m != NULL ? (unsigned long long)m->id : 0, what);
    }
}

/* ---- content that tells whose it is */

static char
content_byte(msg_id id, size_t at)
{
    return (char)('a' + (id * 31 + at * 7 + at / 251) % 26);
}

static int
append(struct intake *i, size_t n)
{
    char *bytes = malloc(n);
    int rc;

    CHECK(bytes != NULL);
    for (size_t k = 0; k < n; k++) {
        bytes[k] = content_byte(i->m->id, i->m->bytes + k);
    }
    rc = queue_append(i->in, (struct slice){ bytes, n });
    i->m->bytes += n;
    free(bytes);
    return rc;
}

static void
nothing(void *ctx)
{
    (void)ctx;
}

static void
check_content(struct sim *s, const struct message *m, const struct queue_message *qm)
{
    struct queue_reader *r;
    size_t at = 0;
    int rc = queue_reader_open(s->q, qm, &r);

    if (rc < 0) {
        return;
    }
    for (;;) {
        struct slice piece;

        rc = queue_reader_next(r, &piece, nothing, NULL);
        if (rc == BH_EBUSY) {
            fake_loop_turn(s->loop);
            continue;
        }
        if (rc <= 0) {
            break;
        }
        for (size_t k = 0; k < piece.n; k++) {
            if (piece.p[k] != content_byte(m->id, at + k)) {
                violation(s, m, "content differs");
                break;
            }
        }
        at += piece.n;
    }
    queue_reader_close(r);
    if (rc == 0 && at != m->bytes) {
        violation(s, m, "content is cut");
    }
    if (rc < 0 && !fake_disk_failed(s->disk)) {
        violation(s, m, "content cannot be read");
    }
}

/* ---- what the queue says */

static struct message *
find(struct sim *s, msg_id id)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (s->messages[i].id == id) {
            return &s->messages[i];
        }
    }
    return NULL;
}

static void
on_message(void *ctx, struct queue_message *qm)
{
    (void)ctx;
    (void)qm;
}

static void
on_gone(void *ctx, struct queue_message *qm)
{
    struct sim *s = ctx;
    struct message *m = find(s, qm->id);

    if (!s->dead && m != NULL) {
        m->gone = true;
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
    ((struct sim *)ctx)->failure = rc;
}

static void
on_commit(void *ctx, int status)
{
    struct commit_call *c = ctx;

    if (!c->s->dead && status == 0) {
        if (c->s->failure != 0) {
            violation(c->s, c->m, "acknowledged after a failure");
        }
        c->m->acked = true;
        c->s->acked++;
    }
    free(c);
}

/* All that was asked for by then is certain now. */
static void
on_sync(void *ctx, int status)
{
    struct sync_call *c = ctx;

    for (unsigned i = 0; !c->s->dead && status == 0 && i < c->s->count; i++) {
        struct message *m = &c->s->messages[i];

        if (m->held_at <= c->at) {
            m->held_sure = m->held_asked;
            m->held_changes = 0;
        }
        for (unsigned r = 0; r < RECIPIENTS; r++) {
            if (m->to[r].asked_at <= c->at) {
                m->to[r].final_sure = m->to[r].final_asked;
                m->to[r].attempts_sure = m->to[r].attempts_asked;
            }
        }
    }
    free(c);
}

static void
on_open(void *ctx, int status, struct queue *q, const struct queue_claim *claim, const char *text)
{
    struct sim *s = ctx;

    s->open_done = true;
    s->open_status = status;
    s->q = q;
    s->quarantined = claim != NULL ? claim->quarantined : 0;
    (void)snprintf(s->text, sizeof(s->text), "%s", text);
}

/* ---- work */

static void
do_begin(struct sim *s)
{
    for (unsigned i = 0; i < INTAKES_MAX; i++) {
        struct intake *in = &s->intakes[i];

        if (in->in == NULL && s->count < MESSAGES_MAX) {
            struct message *m = &s->messages[s->count];

            *m = (struct message){ 0 };
            if (queue_begin(s->q, nothing, NULL, &in->in, &m->id) == 0) {
                in->m = m;
                s->count++;
            } else {
                in->in = NULL;
                s->refused++;
            }
            return;
        }
    }
}

static void
do_end(struct sim *s, struct intake *i)
{
    static const struct envelope_recipient to[RECIPIENTS] = {
        { { "one@example.com", 15 }, { NULL, 0 }, 0 },
        { { "two@example.net", 15 }, { "rfc822;two", 10 }, 1 },
        { { "three@example.org", 17 }, { NULL, 0 }, 0 },
    };
    struct envelope e = {
        .sender = SLICE_LIT("me@example.org"), .recipient_count = RECIPIENTS, .recipients = to
    };
    struct queue_intake *in = i->in;

    i->in = NULL;
    if (dice(s, 8) == 0) {
        queue_abort(in);
    } else {
        struct commit_call *c = malloc(sizeof(*c));

        CHECK(c != NULL);
        *c = (struct commit_call){ s, i->m };
        if (queue_commit(in, &e, on_commit, c) == 0) {
            i->m->committed = true;
        } else {
            free(c);
        }
    }
}

static struct message *
any_live(struct sim *s)
{
    for (unsigned tries = 0; s->count > 0 && tries < 20; tries++) {
        struct message *m = &s->messages[dice(s, s->count)];

        if (queue_find(s->q, m->id) != NULL) {
            return m;
        }
    }
    return NULL;
}

static void
do_outcome(struct sim *s, struct message *m, bool final)
{
    struct queue_message *qm = queue_find(s->q, m->id);
    struct queue_outcome o = { .recipient = (uint32_t)dice(s, RECIPIENTS),
        .kind = OUTCOME_DEFERRED,
        .next_wall_ms = s->clock,
        .reply = SLICE_LIT("450 4.2.1 come again") };
    struct promise *p = &m->to[o.recipient];

    if (p->final_asked) {
        return;
    }
    if (final || dice(s, 2) == 0) {
        o.kind = dice(s, 2) == 0 ? OUTCOME_DELIVERED : OUTCOME_FAILED;
    }
    if (queue_record(s->q, qm, &o, 1) == 0) {
        p->asked_at = s->clock;
        p->attempts_asked++;
        p->final_asked = o.kind != OUTCOME_DEFERRED;
    }
}

static void
do_held(struct sim *s, struct message *m)
{
    if (queue_set_held(s->q, queue_find(s->q, m->id), !m->held_asked) == 0) {
        m->held_asked = !m->held_asked;
        m->held_changes++;
        m->held_at = s->clock;
    }
}

static void
do_sync(struct sim *s)
{
    struct sync_call *c = malloc(sizeof(*c));

    CHECK(c != NULL);
    *c = (struct sync_call){ s, s->clock };
    if (queue_sync(s->q, on_sync, c) < 0) {
        free(c);
    }
}

static void
on_snapshot(void *ctx, int status)
{
    ((struct sim *)ctx)->snapshots += status == 0;
}

static size_t
piece_bytes(struct sim *s)
{
    switch (dice(s, 8)) {
    case 0:
        return 1;
    case 1:
        return 20000 + dice(s, 40000);
    default:
        return 1 + dice(s, 3000);
    }
}

/* One item of work; the queue may fail in it. */
static void
work(struct sim *s)
{
    struct intake *i = &s->intakes[dice(s, INTAKES_MAX)];
    struct message *m;

    s->clock++;
    switch (dice(s, 10)) {
    case 0:
    case 1:
        do_begin(s);
        break;
    case 2:
    case 3:
        if (i->in != NULL) {
            (void)append(i, piece_bytes(s));
        }
        break;
    case 4:
        if (i->in != NULL) {
            do_end(s, i);
        }
        break;
    case 5:
        m = any_live(s);
        if (m != NULL) {
            do_outcome(s, m, false);
        }
        break;
    case 6:
        m = any_live(s);
        if (m != NULL && dice(s, 4) == 0) {
            do_held(s, m);
        } else if (m != NULL && dice(s, 4) == 0) {
            check_content(s, m, queue_find(s->q, m->id));
        }
        break;
    case 7:
        if (dice(s, 4) == 0) {
            do_sync(s);
        } else if (dice(s, 8) == 0) {
            (void)!queue_snapshot(s->q, 0, on_snapshot, s);
        } else if (dice(s, 8) == 0) {
            static const char keys[] = "abc", values[] = "0123456789";

            (void)!queue_state_set(s->q, (struct slice){ keys + dice(s, 3), 1 },
                (struct slice){ values + dice(s, 10), dice(s, 2) });
        }
        break;
    default:
        (void)fake_loop_turn(s->loop);
        break;
    }
}

/* ---- crash and recovery */

static void
forget_queue(struct sim *s)
{
    s->dead = true;
    s->fault_met = s->fault_met || fake_disk_failed(s->disk);
    fake_disk_fail(s->disk, 0, 0, false);
    for (unsigned i = 0; i < INTAKES_MAX; i++) {
        queue_abort(s->intakes[i].in);
        s->intakes[i].in = NULL;
    }
    queue_free(s->q);
    s->q = NULL;
    fake_loop_kill(s->loop);
    s->dead = false;
    s->failure = 0;
}

static void
set_boot(struct sim *s)
{
    char id[64];
    int n = snprintf(id, sizeof(id), "boot-%016llx\n", (unsigned long long)fake_random(&s->random));

    fake_disk_put(s->disk, BOOT_ID, id, (size_t)n);
}

static void
power_cut(struct sim *s)
{
    fake_disk_power_cut(s->disk);
    set_boot(s);
    s->crashes++;
}

/* Only where the fault hit our own look at who is to be fenced: give up this try. */
static void
give_up(void *ctx, uint64_t ns)
{
    struct sim *s = ctx;

    (void)ns;
    fake_disk_fail(s->disk, 1, -EIO, true);
}

static int
open_once(struct sim *s)
{
    struct queue_owner owner = { .epoch = 0 };
    struct queue_opening *op;
    char text[512];
    struct queue_options o = { .path = STORE,
        .node = "node1",
        .reserve_bytes = 4 * SEGMENT,
        .snapshot_bytes = 2 * SEGMENT,
        .lease_ms = LEASE_MS,
        .in_line = give_up,
        .on_message = on_message,
        .on_gone = on_gone,
        .on_space = on_space,
        .on_failure = on_failure,
        .ctx = s };

    if (queue_store_owner(STORE, &owner, text, sizeof(text)) == 0 && owner.epoch > 0) {
        o.fenced = (struct queue_fenced){ owner.node, owner.epoch };
    }
    s->open_done = false;
    s->low = false;
    CHECK(queue_open(&op, s->loop, &o, on_open, s) == 0);
    while (!s->open_done) {
        (void)fake_loop_turn(s->loop);
    }
    return s->open_status;
}

/* A bit of one of the snapshots turns over. */
static int
rot(void *ctx, const char *name)
{
    struct sim *s = ctx;
    char path[128];
    struct io_stat st;
    uint64_t at;
    uint8_t byte;

    (void)snprintf(path, sizeof(path), STORE "/snapshot/%s", name);
    if (io_stat(path, &st) == 0 && st.size_bytes > 0 && dice(s, 2) == 0) {
        at = dice(s, st.size_bytes);
        (void)fake_disk_peek(s->disk, path, at, &byte, 1);
        byte ^= (uint8_t)(1u << dice(s, 8));
        fake_disk_poke(s->disk, path, at, &byte, 1);
        s->rotten++;
    }
    return 0;
}

static void
compare_ways(struct sim *s)
{
    bool used = false;
    unsigned unreadable = 0;
    const char *differs;

    if (dice(s, 4) == 0) {
        (void)!io_list(STORE "/snapshot", rot, s);
    }
    differs = same_index(STORE, &used, &unreadable);
    s->compared += used;
    s->unreadable += unreadable;
    if (differs != NULL) {
        violation(s, NULL, differs);
    }
}

/* Until it opens: the first tries are cut off at a random call. */
static void
recover(struct sim *s)
{
    unsigned cuts = (unsigned)dice(s, 3);

    while (cuts-- > 0) {
        bool forever = dice(s, 2) == 0;

        fake_disk_fail(s->disk, 1 + dice(s, 60), -EIO, forever);
        if (open_once(s) == 0) {
            forget_queue(s);
        }
        fake_disk_fail(s->disk, 0, 0, false);
        fake_loop_kill(s->loop);
        fake_disk_kill(s->disk);
        if (forever) {
            power_cut(s);
        }
    }
    compare_ways(s);
    if (open_once(s) < 0) {
        violation(s, NULL, s->text);
        return;
    }
    s->opened++;
    if (s->quarantined > 0) {
        violation(s, NULL, "a crash looks like damage");
    }
}

static void
compare_recipient(
    struct sim *s, const struct message *m, struct promise *p, const struct queue_recipient *r)
{
    bool final = r->state != RECIPIENT_QUEUED;

    if (p->final_sure && !final) {
        violation(s, m, "a final outcome that was synced is forgotten");
    }
    if (!p->final_asked && final) {
        violation(s, m, "an outcome that nobody recorded");
    }
    if (r->attempts < p->attempts_sure || r->attempts > p->attempts_asked) {
        violation(s, m, "attempts differ");
    }
    *p = (struct promise){ final, final, r->attempts, r->attempts, 0 };
}

static void
compare(struct sim *s, struct message *m)
{
    struct queue_message *qm = queue_find(s->q, m->id);
    bool all_asked = true;

    for (unsigned r = 0; r < RECIPIENTS; r++) {
        all_asked = all_asked && m->to[r].final_asked;
    }
    if (qm == NULL) {
        if (m->acked && !m->gone && !all_asked) {
            violation(s, m, "LOST: acknowledged and not there");
        }
        m->gone = m->gone || m->committed; /* what is not there must not come back */
        m->acked = m->acked || m->committed;
        return;
    }
    if (!m->committed) {
        violation(s, m, "was never committed");
    }
    if (m->gone) {
        violation(s, m, "RESURRECTED: was durably gone");
    }
    m->acked = true;
    if (m->held_changes == 0 && qm->held != m->held_sure) {
        violation(s, m, "held differs");
    }
    m->held_asked = m->held_sure = qm->held;
    m->held_changes = 0;
    for (unsigned r = 0; r < RECIPIENTS; r++) {
        compare_recipient(s, m, &m->to[r], &qm->recipients[r]);
    }
    check_content(s, m, qm);
}

static void
verify(struct sim *s)
{
    for (unsigned i = 0; s->q != NULL && i < s->count; i++) {
        compare(s, &s->messages[i]);
    }
    for (struct queue_message *qm = s->q != NULL ? queue_after(s->q, 0) : NULL; qm != NULL;
         qm = queue_after(s->q, qm->id)) {
        if (find(s, qm->id) == NULL) {
            violation(s, NULL, "a message from nowhere");
        }
    }
}

static void
on_released(void *ctx, int status)
{
    *(int *)ctx = status;
}

static void
release(struct sim *s)
{
    int status = 1;

    for (unsigned i = 0; i < INTAKES_MAX; i++) {
        queue_abort(s->intakes[i].in);
        s->intakes[i].in = NULL;
    }
    if (queue_release(s->q, on_released, &status) == 0) {
        fake_loop_settle(s->loop);
        if (status != 0 && s->failure == 0 && !fake_disk_failed(s->disk)) {
            violation(s, NULL, "release failed");
        }
    }
    forget_queue(s);
}

/* A life of the daemon: some work, then an end. */
static void
live(struct sim *s)
{
    unsigned items = 20 + (unsigned)dice(s, 400), end = (unsigned)dice(s, 6);

    if (end < 2) {
        fake_disk_fail(s->disk, 1 + dice(s, 120), -EIO, true);
    } else if (end == 2) {
        fake_disk_fail(s->disk, 1 + dice(s, 120), dice(s, 2) == 0 ? -EIO : -ENOSPC, false);
    }
    while (items-- > 0 && s->failure == 0) {
        work(s);
    }
    if (end == 5 && s->failure == 0) {
        release(s);
    } else {
        if (s->failure == 0 && end == 4) {
            fake_loop_settle(s->loop);
        }
        forget_queue(s);
    }
    fake_disk_fail(s->disk, 0, 0, false);
    if (end < 2 || dice(s, 2) == 0) {
        power_cut(s);
    } else {
        fake_disk_kill(s->disk);
    }
}

static void
deliver_all(struct sim *s)
{
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < s->count; i++) {
            while (queue_find(s->q, s->messages[i].id) != NULL && s->failure == 0) {
                do_outcome(s, &s->messages[i], true);
            }
            if (i % 4 == 0) { /* a batch costs a block: smallest segments, largest waste */
                fake_loop_settle(s->loop);
            }
        }
        fake_loop_settle(s->loop);
    }
}

/* Deliver everything; then nearly nothing may be left on the disk. The reserve here is sixty
 * blocks, and the crashes before may have used it up: then a restart or two must get over it. */
static void
drain(struct sim *s)
{
    struct queue_stats st;

    deliver_all(s);
    for (unsigned restarts = 0; s->failure == -ENOSPC && restarts < 3; restarts++) {
        forget_queue(s);
        fake_disk_kill(s->disk);
        recover(s);
        verify(s);
        if (s->q == NULL) {
            return;
        }
        s->full++;
        deliver_all(s);
    }
    queue_stats(s->q, &st);
    if (s->failure != 0) {
        violation(s, NULL, "failed while draining");
    } else if (st.messages != 0) {
        violation(s, NULL, "not drained");
    } else if (st.segments > 4) {
        violation(s, NULL, "dead segments stay");
    } else if (s->low) {
        violation(s, NULL, "an empty store has no room");
    }
}

static struct sim *
sim_new(uint64_t seed, bool quiet)
{
    struct sim *s = calloc(1, sizeof(*s));
    char text[512];

    CHECK(s != NULL);
    s->seed = seed;
    s->random = seed * 0x2545f4914f6cdd1du + 7;
    s->quiet = quiet;
    s->disk = fake_disk_new(seed, dice(s, 4) == 0 ? (18 + dice(s, 20)) * SEGMENT : GIB);
    fake_disk_use(s->disk);
    fake_disk_put(s->disk, STORE, NULL, 0);
    set_boot(s);
    CHECK(loop_new(&s->loop) == 0);
    CHECK(queue_store_init(STORE, SEGMENT, UINT32_MAX, UINT32_MAX, text, sizeof(text)) == 0);
    return s;
}

/* Adds what it counted to total; returns its violations. */
static unsigned
sim_end(struct sim *s, struct sim *total)
{
    unsigned violations = s->violations;

    if (s->q != NULL) {
        forget_queue(s);
    }
    total->violations += violations;
    total->crashes += s->crashes;
    total->acked += s->acked;
    total->opened += s->opened;
    total->refused += s->refused;
    total->full += s->full;
    total->snapshots += s->snapshots;
    total->compared += s->compared;
    total->rotten += s->rotten;
    total->unreadable += s->unreadable;
    loop_free(s->loop);
    fake_disk_free(s->disk);
    free(s);
    return violations;
}

static unsigned
run(uint64_t seed, bool lie, bool quiet, struct sim *total)
{
    struct sim *s = sim_new(seed, quiet);
    unsigned lives;

    fake_disk_lie(s->disk, lie);
    recover(s);
    for (lives = 2 + (unsigned)dice(s, 6); s->q != NULL && lives > 0; lives--) {
        live(s);
        recover(s);
        verify(s);
    }
    if (s->q != NULL && !lie) {
        drain(s);
    }
    if (s->q != NULL && !lie) {
        release(s);
        recover(s);
        verify(s);
    }
    return sim_end(s, total);
}

/* A small life, always the same, in which call number nth fails; false: it has fewer calls. */
static bool
sweep_one(uint64_t nth, int error, bool forever, struct sim *total)
{
    struct sim *s = sim_new(4 * nth + 1, false);
    bool met;

    CHECK(open_once(s) == 0);
    for (unsigned i = 0; i < 30; i++) {
        work(s); /* something to recover */
    }
    forget_queue(s);
    s->fault_met = false;
    fake_disk_fail(s->disk, nth, error, forever);
    if (open_once(s) == 0) {
        verify(s);
        for (unsigned i = 0; i < 60 && s->failure == 0; i++) {
            work(s);
        }
        if (s->failure == 0) {
            release(s);
        }
    }
    met = s->fault_met || fake_disk_failed(s->disk);
    if (s->q != NULL) {
        forget_queue(s);
    }
    fake_disk_fail(s->disk, 0, 0, false);
    fake_loop_kill(s->loop);
    if (forever) {
        power_cut(s);
    } else {
        fake_disk_kill(s->disk);
    }
    recover(s);
    verify(s);
    (void)sim_end(s, total);
    return met;
}

/* Every call fails once. */
static void
sweep(struct sim *total)
{
    static const struct {
        int error;
        bool forever;
    } kinds[] = { { -EIO, false }, { -EIO, true }, { -ENOSPC, false } };

    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        uint64_t nth = 1;

        while (sweep_one(nth, kinds[k].error, kinds[k].forever, total)) {
            nth++;
        }
        printf("sim_queue: each of %llu calls failed once with %d%s\n",
            (unsigned long long)(nth - 1), -kinds[k].error,
            kinds[k].forever ? ", then the power went" : "");
    }
}

int
main(int argc, char **argv)
{
    struct sim *total = calloc(1, sizeof(*total));
    uint64_t seeds = 300, first = 1;
    struct sim liar = { 0 };
    bool lie = false, verbose = false;
    int failed;

    CHECK(total != NULL);
    for (int i = 1; i < argc; i++) {
        uint64_t *number = strcmp(argv[i], "--seeds") == 0  ? &seeds
                           : strcmp(argv[i], "--seed") == 0 ? &first
                                                            : NULL;

        if (number != NULL && i + 1 < argc) {
            if (slice_u64(slice_of(argv[++i]), UINT64_MAX, number) < 0) {
                return 2;
            }
            seeds = number == &first ? 1 : seeds;
        } else {
            lie = lie || strcmp(argv[i], "--lie") == 0;
            verbose = verbose || strcmp(argv[i], "--verbose") == 0;
        }
    }
    if (seeds > 1 && !lie) {
        sweep(total);
    }
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        unsigned violations = run(seed, lie, false, total);

        if (verbose || violations > 0) {
            printf("seed %llu: %u violations\n", (unsigned long long)seed, violations);
        }
    }
    printf(
        "sim_queue: %llu seeds from %llu, %u messages acknowledged, %u power cuts, %u recoveries, "
        "%u refused, %u stopped by a full disk, %u violations\n",
        (unsigned long long)seeds, (unsigned long long)first, total->acked, total->crashes,
        total->opened, total->refused, total->full, total->violations);
    printf("sim_queue: %u snapshots written, %u recoveries through one, %u damaged, %u found "
           "unreadable\n",
        total->snapshots, total->compared, total->rotten, total->unreadable);
    failed = total->violations > 0;
    if (!lie && seeds > 1) {
        for (uint64_t seed = 1; seed <= 20; seed++) {
            (void)run(seed, true, true, &liar);
        }
        printf("sim_queue: with syncs that do nothing: %u violations found\n", liar.violations);
        failed = failed || liar.violations == 0;
    }
    free(total);
    return failed;
}
