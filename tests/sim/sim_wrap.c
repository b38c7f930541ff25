/* What is linked in place of the kernel's and the allocator's calls, and of single functions of the
 * queue: the clock and the dice are the world's, memory can fail, and the queue can be broken in
 * one place, to see that the simulation finds it. */
#include "core/ticks.h"
#include "queue/expected.h"
#include "queue/store_ahead.h"
#include "sim.h"
#include <stdlib.h>

enum broken wrap_broken;
const char *const wrap_broken_names[BROKEN_KINDS] = {
    [BROKEN_NOTHING] = "nothing",
    [BROKEN_NO_SYNC] = "no-sync",
    [BROKEN_LATE_SYNC] = "late-sync",
    [BROKEN_NO_DIR_SYNC] = "no-dir-sync",
    [BROKEN_NO_NEEDS] = "no-needs",
    [BROKEN_EARLY_FREE] = "early-free",
    [BROKEN_EARLY_COMPACT] = "early-compact",
    [BROKEN_EARLY_CENSUS] = "early-census",
    [BROKEN_NO_MISSING] = "no-missing",
    [BROKEN_NO_SEAL] = "no-seal",
    [BROKEN_NO_CRC] = "no-crc",
    [BROKEN_NO_ATTEMPT] = "no-attempt",
    [BROKEN_NO_NAME] = "no-name",
    [BROKEN_NO_NUMBER] = "no-number",
    [BROKEN_DEAF] = "deaf",
};

/* ---- memory. The simulation's own is compiled to call __real_ at once. */

static uint64_t allocations, fail_in;
static bool failed;

static bool
starves(void)
{
    allocations++;
    if (fail_in > 0 && --fail_in == 0) {
        failed = true;
        return true;
    }
    return false;
}

uint64_t
wrap_allocations(void)
{
    uint64_t n = allocations;

    allocations = 0;
    return n;
}

void
wrap_fail_allocation(uint64_t nth)
{
    fake_loop_starves = starves;
    fail_in = nth;
    failed = false;
}

bool
wrap_allocation_failed(void)
{
    return failed;
}

/* In this file malloc and its kin are __real_ ones by the compiler's command line. */
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t alignment, size_t n);

void *
__wrap_malloc(size_t n)
{
    return starves() ? NULL : malloc(n);
}

void *
__wrap_calloc(size_t count, size_t n)
{
    return starves() ? NULL : calloc(count, n);
}

void *
__wrap_realloc(void *p, size_t n)
{
    return starves() ? NULL : realloc(p, n);
}

void *
__wrap_aligned_alloc(size_t alignment, size_t n)
{
    return starves() ? NULL : aligned_alloc(alignment, n);
}

/* ---- clocks and dice */

uint64_t __wrap_ticks_boot_ns(void);
uint64_t __wrap_ticks_ms(void);
uint64_t __wrap_ticks_wall_ms(void);
int __wrap_store_random(void *out, size_t n);

uint64_t
__wrap_ticks_boot_ns(void)
{
    return sim->boot_ns;
}

uint64_t
__wrap_ticks_ms(void)
{
    return sim->boot_ns / NS_PER_MS;
}

uint64_t
__wrap_ticks_wall_ms(void)
{
    return sim->wall_ms;
}

int
__wrap_store_random(void *out, size_t n)
{
    uint8_t *at = out;

    for (size_t i = 0; i < n; i++) {
        at[i] = (uint8_t)fake_random(&sim->salts);
    }
    return 0;
}

/* ---- threads: store check's read ahead, which nothing depends on */

int __wrap_store_ahead_start(struct store_ahead **out, const char *store, uint64_t *total);
void __wrap_store_ahead_done(struct store_ahead *a, uint64_t bytes);
void __wrap_store_ahead_stop(struct store_ahead *a);

int
__wrap_store_ahead_start(struct store_ahead **out, const char *store, uint64_t *total)
{
    (void)store;
    *out = NULL;
    *total = 0;
    return 0;
}

void
__wrap_store_ahead_done(struct store_ahead *a, uint64_t bytes)
{
    (void)a;
    (void)bytes;
}

void
__wrap_store_ahead_stop(struct store_ahead *a)
{
    (void)a;
}

/* ---- what can be broken */

int __real_io_sync_dir(const char *dir);
int __wrap_io_sync_dir(const char *dir);
int __real_io_fdatasync(int fd);
int __wrap_io_fdatasync(int fd);
int __real_segtab_need(struct segtab *t, struct segment *s, uint64_t seq);
int __wrap_segtab_need(struct segtab *t, struct segment *s, uint64_t seq);
int __real_queue_transid_say(struct queue *q, const struct queue_message *m);
int __wrap_queue_transid_say(struct queue *q, const struct queue_message *m);
int __real_journal_wait(struct journal *j, const struct journal_wait *w);
int __wrap_journal_wait(struct journal *j, const struct journal_wait *w);
int __real_journal_wait_beside(struct journal *j, const struct journal_wait *w);
int __wrap_journal_wait_beside(struct journal *j, const struct journal_wait *w);
int __real_expected_through(struct expected *e, uint64_t seq);
int __wrap_expected_through(struct expected *e, uint64_t seq);
int __real_queue_attempt(struct queue *q, struct queue_message *m, const uint32_t *recipients,
    uint32_t count, enum queue_attempt_kind kind, uint64_t transaction, queue_done_fn *cb,
    void *ctx);
int __wrap_queue_attempt(struct queue *q, struct queue_message *m, const uint32_t *recipients,
    uint32_t count, enum queue_attempt_kind kind, uint64_t transaction, queue_done_fn *cb,
    void *ctx);
int __real_queue_withdraw(
    struct queue *q, struct queue_message *m, const uint32_t *recipients, uint32_t count);
int __wrap_queue_withdraw(
    struct queue *q, struct queue_message *m, const uint32_t *recipients, uint32_t count);
int __real_seal_get(struct slice payload, struct seal_head *h, struct seal_entry *entries);
int __wrap_seal_get(struct slice payload, struct seal_head *h, struct seal_entry *entries);
bool __real_record_payload_valid(const uint8_t *at, const struct record_head *h, uint32_t seed);
bool __wrap_record_payload_valid(const uint8_t *at, const struct record_head *h, uint32_t seed);

int
__wrap_io_sync_dir(const char *dir)
{
    return wrap_broken == BROKEN_NO_DIR_SYNC ? 0 : __real_io_sync_dir(dir);
}

int
__wrap_io_fdatasync(int fd)
{
    int rc = __real_io_fdatasync(fd);

    return wrap_broken == BROKEN_DEAF ? 0 : rc;
}

int
__wrap_segtab_need(struct segtab *t, struct segment *s, uint64_t seq)
{
    return wrap_broken == BROKEN_NO_NEEDS ? 0 : __real_segtab_need(t, s, seq);
}

int
__wrap_queue_transid_say(struct queue *q, const struct queue_message *m)
{
    return wrap_broken == BROKEN_NO_NAME ? 0 : __real_queue_transid_say(q, m);
}

int
__wrap_journal_wait(struct journal *j, const struct journal_wait *w)
{
    struct queue *q = sim->q;

    if (w->kind == WAIT_COMPACT) {
        sim->n->compacted++;
    }
    if (wrap_broken == BROKEN_EARLY_FREE && w->kind == WAIT_GONE && q != NULL) {
        queue_on_done(q, w, 0);
        return 0;
    }
    if (wrap_broken == BROKEN_EARLY_COMPACT && w->kind == WAIT_COMPACT && q != NULL) {
        queue_on_done(q, w, 0);
        return 0;
    }
    return __real_journal_wait(j, w);
}

int
__wrap_journal_wait_beside(struct journal *j, const struct journal_wait *w)
{
    if (wrap_broken == BROKEN_EARLY_CENSUS && sim->q != NULL) {
        queue_on_done(sim->q, w, 0);
        return 0;
    }
    return __real_journal_wait_beside(j, w);
}

int
__wrap_expected_through(struct expected *e, uint64_t seq)
{
    if (wrap_broken == BROKEN_NO_MISSING) {
        e->count = 0;
        return 0;
    }
    return __real_expected_through(e, seq);
}

int
__wrap_queue_attempt(struct queue *q, struct queue_message *m, const uint32_t *recipients,
    uint32_t count, enum queue_attempt_kind kind, uint64_t transaction, queue_done_fn *cb,
    void *ctx)
{
    int rc;

    if (wrap_broken == BROKEN_NO_ATTEMPT) {
        return cb != NULL ? queue_sync(q, cb, ctx) : 0;
    }
    transaction = wrap_broken == BROKEN_NO_NUMBER ? 0 : transaction;
    rc = __real_queue_attempt(q, m, recipients, count, kind, transaction, cb, ctx);
    for (uint32_t i = 0; i < count; i++) {
        sim_tell(sim, m->id, recipients[i], "attempt", rc);
    }
    return rc;
}

int
__wrap_queue_withdraw(
    struct queue *q, struct queue_message *m, const uint32_t *recipients, uint32_t count)
{
    int rc = __real_queue_withdraw(q, m, recipients, count);

    for (uint32_t i = 0; i < count; i++) {
        sim_tell(sim, m->id, recipients[i], "withdrawn", rc);
    }
    return rc;
}

int
__wrap_seal_get(struct slice payload, struct seal_head *h, struct seal_entry *entries)
{
    int rc = __real_seal_get(payload, h, entries);

    for (uint32_t i = 0; wrap_broken == BROKEN_NO_SEAL && rc == 0 && i < h->count; i++) {
        entries[i].valid_bytes = SEGMENT;
    }
    return rc;
}

bool
__wrap_record_payload_valid(const uint8_t *at, const struct record_head *h, uint32_t seed)
{
    return wrap_broken == BROKEN_NO_CRC || __real_record_payload_valid(at, h, seed);
}
