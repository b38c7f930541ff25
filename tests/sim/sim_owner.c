/* Two nodes, one store, no fencing: the second line of defence by itself (design section 6).
 *
 * Node A is frozen inside a disk call - before or after it has its effect, in the journal, in a
 * renewal, in a claim - while the world goes on: node B waits for the lease, claims, seals and
 * works, is perhaps frozen itself while A thaws. Clocks run up to 10 % apart. Whatever either
 * acknowledged must be there in the end, in the eyes of a third owner after a power cut.
 *
 *   sim_owner [--seeds N] [--seed S | --first S] [--trust] [--verbose]
 *
 * --trust: acknowledge without looking at the lease; violations must then be found (main does that,
 * too). */
#include "core/ticks.h"
#include "fake_disk.h"
#include "fake_loop.h"
#include "queue/queue_int.h"
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#define STORE     "/store"
#define BOOT_ID   "/proc/sys/kernel/random/boot_id"
#define SEGMENT   (64 * KIB)
#define LEASE_MS  6000
#define MS        1000000u
#define NODES     2
#define ACKED_MAX 4096

struct node {
    struct sim *s;
    const char *name;
    char boot[64];
    struct loop *loop;
    struct queue *q;
    uint64_t rate; /* of its clock, in thousandths */
    uint64_t renewed_ns;
    bool open, frozen, failed, opening;
};

struct sim {
    uint64_t seed, random, now_ns, freezes_left;
    struct fake_disk *disk;
    struct node nodes[NODES];
    msg_id acked[ACKED_MAX];
    unsigned acked_count, violations, takeovers, lapses;
    bool quiet, trust;
    struct node *at; /* whose code runs */
};

static struct sim *sim;

/* The clock of the node that looks at it. Linked in place of ticks_boot_ns. */
uint64_t __wrap_ticks_boot_ns(void);
uint64_t
__wrap_ticks_boot_ns(void)
{
    uint64_t rate = sim->at != NULL ? sim->at->rate : 1000;

    return 1000000 * (uint64_t)MS + sim->now_ns / 1000 * rate;
}

static uint64_t
dice(struct sim *s, uint64_t sides)
{
    return fake_random(&s->random) % sides;
}

static void
violation(struct sim *s, msg_id id, const char *what)
{
    s->violations++;
    if (!s->quiet) {
        printf("VIOLATION seed=%llu id=%llx: %s\n", (unsigned long long)s->seed,
            (unsigned long long)id, what);
    }
}

static void freeze_some(struct sim *s);

/* ---- time */

/* Time passes for all; who is awake renews in time. */
static void
pass(struct sim *s, uint64_t ns)
{
    struct node *was = s->at;

    while (ns > 0) {
        uint64_t step = MIN(ns, LEASE_MS * (uint64_t)MS / 20);

        s->now_ns += step;
        ns -= step;
        for (unsigned i = 0; i < NODES; i++) {
            struct node *n = &s->nodes[i];

            if (n->open && !n->frozen && !n->failed &&
                s->now_ns - n->renewed_ns >= LEASE_MS * (uint64_t)MS / 3) {
                int rc;

                s->at = n;
                n->frozen = true; /* not again inside its own call */
                n->renewed_ns = s->now_ns;
                rc = renewal_step(&n->q->renewal);
                n->frozen = false;
                if (rc < 0) {
                    s->lapses++;
                    n->failed = true;
                    queue_fence(n->q, rc);
                }
            }
        }
    }
    s->at = was;
}

static void
in_line(void *ctx, uint64_t ns)
{
    struct node *n = ctx;

    pass(n->s, ns + ns / 10); /* on its own clock it may be a little less */
}

/* ---- what nodes do */

static void
on_message(void *ctx, struct queue_message *m)
{
    (void)ctx;
    (void)m;
}

static void
on_space(void *ctx, bool low)
{
    (void)ctx;
    (void)low;
}

static void
on_failure(void *ctx, int rc)
{
    struct node *n = ctx;

    (void)rc;
    n->failed = true;
}

static void
on_open(void *ctx, int status, struct queue *q, const struct queue_claim *claim, const char *text)
{
    struct node *n = ctx;

    (void)claim;
    (void)text;
    n->opening = false;
    n->q = q;
    n->open = status == 0;
    n->failed = false;
}

struct put {
    struct node *n;
    msg_id id;
};

static void
on_commit(void *ctx, int status)
{
    struct put *p = ctx;
    struct sim *s = p->n->s;

    if (status == 0 && s->acked_count < ACKED_MAX) {
        s->acked[s->acked_count++] = p->id;
    }
    free(p);
}

static void
nothing(void *ctx)
{
    (void)ctx;
}

static void
put(struct node *n)
{
    static const struct envelope_recipient to = { { "a@b", 3 }, { NULL, 0 }, 0 };
    struct envelope e = { .recipient_count = 1, .recipients = &to };
    struct put *p = malloc(sizeof(*p));
    char bytes[6000];
    struct queue_intake *in;

    CHECK(p != NULL);
    p->n = n;
    memset(bytes, 'x', sizeof(bytes));
    if (queue_begin(n->q, nothing, NULL, &in, &p->id) < 0) {
        free(p);
        return;
    }
    if (queue_append(in, (struct slice){ bytes, 1 + dice(n->s, sizeof(bytes)) }) < 0) {
        queue_abort(in);
        free(p);
        return;
    }
    if (queue_commit(in, &e, on_commit, p) < 0) {
        free(p);
    }
}

static void
close_node(struct node *n)
{
    queue_free(n->q);
    n->q = NULL;
    n->open = false;
    fake_loop_kill(n->loop);
}

static void
open_node(struct node *n, const struct queue_fenced *fenced)
{
    struct sim *s = n->s;
    struct node *was = s->at;
    struct queue_opening *op;
    struct queue_options o = { .path = STORE,
        .node = n->name,
        .lease_ms = LEASE_MS,
        .in_line = in_line,
        .on_message = on_message,
        .on_gone = on_message,
        .on_space = on_space,
        .on_failure = on_failure,
        .ctx = n };

    if (fenced != NULL) {
        o.fenced = *fenced;
    }
    s->at = n;
    fake_disk_put(s->disk, BOOT_ID, n->boot, strlen(n->boot));
    fake_disk_forget_locks(s->disk);
    n->opening = true;
    n->renewed_ns = s->now_ns;
    CHECK(queue_open(&op, n->loop, &o, on_open, n) == 0);
    while (n->opening) {
        (void)fake_loop_turn(n->loop);
    }
    n->renewed_ns = MAX(n->renewed_ns, s->now_ns);
    s->takeovers += n->open;
    s->at = was;
}

static void
work(struct node *n)
{
    struct sim *s = n->s;
    struct node *was = s->at;
    unsigned items = 1 + (unsigned)dice(s, 12);

    s->at = n;
    while (items-- > 0 && n->open && !n->failed) {
        put(n);
        if (dice(s, 3) == 0) {
            fake_loop_settle(n->loop);
        }
        if (dice(s, 4) == 0) {
            pass(s, dice(s, 3000) * MS);
        }
    }
    if (n->open) {
        fake_loop_settle(n->loop);
    }
    if (n->open && n->failed) {
        close_node(n); /* its process exits */
    }
    s->at = was;
}

/* ---- the world goes on while one is frozen */

static void
others_turn(void *ctx)
{
    struct sim *s = ctx;
    struct node *sleeper = s->at;
    struct node *other;
    bool was_frozen;

    if (sleeper == NULL) {
        return;
    }
    was_frozen = sleeper->frozen;
    sleeper->frozen = true;
    pass(s, dice(s, 3) == 0 ? dice(s, 200) * MS : dice(s, 20000) * MS);
    other = &s->nodes[sleeper == &s->nodes[0]];
    if (!other->frozen && !other->opening) {
        freeze_some(s); /* the other one, perhaps, while the first thaws only later */
        if (!other->open) {
            open_node(other, NULL);
        }
        if (other->open) {
            work(other);
        }
    }
    sleeper->frozen = was_frozen;
    s->at = sleeper;
}

static void
freeze_some(struct sim *s)
{
    if (s->freezes_left > 0) {
        s->freezes_left--;
        fake_disk_freeze(s->disk, 1 + dice(s, 40), dice(s, 2) == 0, others_turn, s);
    }
}

/* ---- a run */

static void
verify(struct sim *s)
{
    struct node *n = &s->nodes[0];
    struct queue_fenced fenced;
    struct queue_owner owner;
    char text[256];

    fake_disk_freeze(s->disk, 0, false, NULL, NULL);
    s->at = NULL;
    for (unsigned i = 0; i < NODES; i++) {
        if (s->nodes[i].open) {
            close_node(&s->nodes[i]);
        }
    }
    fake_disk_power_cut(s->disk);
    CHECK(queue_store_owner(STORE, &owner, text, sizeof(text)) == 0);
    fenced = (struct queue_fenced){ owner.node, owner.epoch };
    n->name = "third";
    open_node(n, &fenced);
    if (!n->open) {
        violation(s, 0, "cannot be opened");
        return;
    }
    if (n->q->claim.quarantined > 0) {
        violation(s, 0, "looks damaged");
    }
    for (unsigned i = 0; i < s->acked_count; i++) {
        if (queue_find(n->q, s->acked[i]) == NULL) {
            violation(s, s->acked[i], "LOST: acknowledged and not there");
        }
    }
    close_node(n);
}

static unsigned
run(uint64_t seed, bool trust, bool quiet, struct sim *total)
{
    struct sim *s = calloc(1, sizeof(*s));
    unsigned violations;
    char text[256];

    CHECK(s != NULL);
    sim = s;
    s->seed = seed;
    s->random = seed * 0x2545f4914f6cdd1du + 11;
    s->quiet = quiet;
    s->trust = trust;
    s->disk = fake_disk_new(seed, GIB);
    fake_disk_use(s->disk);
    fake_disk_put(s->disk, STORE, NULL, 0);
    CHECK(queue_store_init(STORE, SEGMENT, UINT32_MAX, UINT32_MAX, text, sizeof(text)) == 0);
    for (unsigned i = 0; i < NODES; i++) {
        struct node *n = &s->nodes[i];

        *n = (struct node){ .s = s, .name = i == 0 ? "a" : "b", .rate = 900 + dice(s, 201) };
        (void)snprintf(n->boot, sizeof(n->boot), "boot-%u\n", i);
        CHECK(loop_new(&n->loop) == 0);
    }
    s->freezes_left = 1 + dice(s, 5);
    for (unsigned round = 0; round < 6; round++) {
        struct node *n = &s->nodes[dice(s, NODES)];

        freeze_some(s);
        if (!n->open && !s->nodes[n == &s->nodes[0]].open) {
            open_node(n, NULL);
        }
        for (unsigned i = 0; i < NODES; i++) {
            work(&s->nodes[i]);
        }
        pass(s, dice(s, 4000) * MS);
    }
    verify(s);
    violations = s->violations;
    total->violations += violations;
    total->takeovers += s->takeovers;
    total->acked_count += s->acked_count;
    total->lapses += s->lapses;
    for (unsigned i = 0; i < NODES; i++) {
        loop_free(s->nodes[i].loop);
    }
    fake_disk_free(s->disk);
    free(s);
    sim = NULL;
    return violations;
}

/* Linked in place of lease_valid's only comparison? It is inline: --trust stops the lease's end
 * instead, which is the same to the writer. */
int __wrap_lease_renewed(struct lease *l, uint64_t t0_ns, uint64_t now_ns);
int __real_lease_renewed(struct lease *l, uint64_t t0_ns, uint64_t now_ns);
void __wrap_lease_begin(struct lease *l, uint64_t lease_ms, uint64_t t0_ns);
void __real_lease_begin(struct lease *l, uint64_t lease_ms, uint64_t t0_ns);

int
__wrap_lease_renewed(struct lease *l, uint64_t t0_ns, uint64_t now_ns)
{
    return sim->trust ? 0 : __real_lease_renewed(l, t0_ns, now_ns);
}

void
__wrap_lease_begin(struct lease *l, uint64_t lease_ms, uint64_t t0_ns)
{
    __real_lease_begin(l, lease_ms, t0_ns);
    if (sim->trust) {
        l->end_ns = UINT64_MAX;
    }
}

int
main(int argc, char **argv)
{
    struct sim *total = calloc(2, sizeof(*total));
    uint64_t seeds = 2000, first = 1;
    bool trust = false, verbose = false;
    int failed;

    CHECK(total != NULL);
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 28); /* not back to the kernel after each of its lives */
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 28);
    for (int i = 1; i < argc; i++) {
        bool one = strcmp(argv[i], "--seed") == 0;
        uint64_t *number = strcmp(argv[i], "--seeds") == 0          ? &seeds
                           : one || strcmp(argv[i], "--first") == 0 ? &first
                                                                    : NULL;

        if (number != NULL && i + 1 < argc) {
            if (slice_u64(slice_of(argv[++i]), UINT64_MAX, number) < 0) {
                return 2;
            }
            seeds = one ? 1 : seeds;
        } else {
            trust = trust || strcmp(argv[i], "--trust") == 0;
            verbose = verbose || strcmp(argv[i], "--verbose") == 0;
        }
    }
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        unsigned violations = run(seed, trust, false, &total[0]);

        if (verbose || violations > 0) {
            printf("seed %llu: %u violations\n", (unsigned long long)seed, violations);
        }
    }
    printf("sim_owner: %llu seeds from %llu, %u acknowledged, %u owners, %u lapsed leases, "
           "%u violations\n",
        (unsigned long long)seeds, (unsigned long long)first, total[0].acked_count,
        total[0].takeovers, total[0].lapses, total[0].violations);
    failed = total[0].violations > 0;
    if (!trust && seeds > 1) {
        for (uint64_t seed = 1; seed <= 300; seed++) {
            (void)run(seed, true, true, &total[1]);
        }
        printf("sim_owner: without the lease: %u violations found\n", total[1].violations);
        failed = failed || total[1].violations == 0;
    }
    free(total);
    return failed;
}
