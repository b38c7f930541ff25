/* Invariants
 *   I12  An owner file is written only by its epoch; only DEAD is marked by another process, of the
 *        same node and boot, holding both locks.
 *   I13  The lease counts only from the moment before a counter write that returned, with no higher
 *        epoch seen after it, before the previous lease ended.
 *
 * A claimer waits 1.25 times the recorded lease on its own clock, which covers clocks that drift by
 * up to 10 % each. A guest whose clock stops while it is paused is not covered: fencing is.
 */
#include "queue/ownership.h"

#define NS_PER_MS 1000000u

const char *
owner_state_text(enum owner_state s)
{
    switch (s) {
    case OWNER_NONE:
        return "none";
    case OWNER_ACTIVE:
        return "active";
    case OWNER_RELEASED:
        return "released";
    case OWNER_DEAD:
        return "dead";
    }
    return "unknown";
}

static struct ownership_decision
claim(const char *cause)
{
    return (struct ownership_decision){ .verdict = OWNERSHIP_CLAIM, .cause = cause };
}

/* Nobody vouches for its death: watch the counter. The first look only starts the clock, and what
 * was read in a look that began before the wait was over proves nothing: it may be older. */
static struct ownership_decision
watch(
    struct ownership_watch *w, const struct owner_record *last, uint64_t begin_ns, uint64_t end_ns)
{
    uint64_t need_ns, waited_ns, step_ns;

    if (!w->looked) {
        *w = (struct ownership_watch){ true, last->epoch, last->counter, end_ns };
    } else if (w->epoch != last->epoch || w->counter != last->counter) {
        return (struct ownership_decision){ .verdict = OWNERSHIP_REFUSE };
    }
    need_ns = last->lease_ms * NS_PER_MS / 4 * 5;
    waited_ns = begin_ns > w->first_seen_ns ? begin_ns - w->first_seen_ns : 0;
    if (waited_ns >= need_ns) {
        return claim("lease");
    }
    step_ns = MAX(last->lease_ms * NS_PER_MS / 6, (uint64_t)NS_PER_MS);
    return (struct ownership_decision){ .verdict = OWNERSHIP_WAIT,
        .wait_ns = MIN(step_ns, need_ns - waited_ns) };
}

struct ownership_decision
ownership_decide(struct ownership_watch *w, const struct owner_record *last,
    const struct ownership_self *self, uint64_t look_begin_ns, uint64_t look_end_ns)
{
    switch (last->state) {
    case OWNER_NONE:
        return claim("first");
    case OWNER_RELEASED:
        return claim("released");
    case OWNER_DEAD:
        return claim("dead");
    case OWNER_ACTIVE:
        break;
    }
    if (self->both_locks && strcmp(last->node, self->node) == 0 &&
        strcmp(last->boot_id, self->boot_id) == 0) {
        return claim("same-node");
    }
    if (self->fenced_node != NULL && strcmp(last->node, self->fenced_node) == 0 &&
        last->epoch == self->fenced_epoch) {
        return claim("fenced");
    }
    return watch(w, last, look_begin_ns, look_end_ns);
}

void
lease_begin(struct lease *l, uint64_t lease_ms, uint64_t t0_ns)
{
    l->length_ns = lease_ms * NS_PER_MS;
    atomic_store_explicit(&l->end_ns, t0_ns + l->length_ns, memory_order_release);
}

int
lease_renewed(struct lease *l, uint64_t t0_ns, uint64_t now_ns)
{
    uint64_t end = atomic_load_explicit(&l->end_ns, memory_order_acquire);

    /* lease_end() may come at any moment: what has ended is never begun again */
    do {
        if (now_ns >= end) {
            return BH_EFENCED;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        &l->end_ns, &end, t0_ns + l->length_ns, memory_order_acq_rel, memory_order_acquire));
    return 0;
}

void
lease_end(struct lease *l)
{
    atomic_store_explicit(&l->end_ns, 0, memory_order_release);
}
