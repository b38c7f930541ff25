/* queue/ownership.h - who may claim the store, and how long a claim lasts: design section 6, rules
 * 3 and 5; invariants I12 and I13 of docs/formats/journal.md. Pure: facts and times in, decision
 * out.
 */
#ifndef QUEUE_OWNERSHIP_H
#define QUEUE_OWNERSHIP_H

#include "core/slice.h"
#include <stdatomic.h>

#define OWNER_NODE_CAP    64
#define OWNER_BOOT_ID_CAP 40

enum owner_state { OWNER_NONE, OWNER_ACTIVE, OWNER_RELEASED, OWNER_DEAD };
const char *owner_state_text(enum owner_state s); /* "none", "active", "released", "dead" */

/* What an owner file's newest slot says. */
struct owner_record {
    uint8_t uuid[16];
    enum owner_state state;
    uint64_t epoch, counter, lease_ms, sealed_lsn, claimed_wall_ms;
    char node[OWNER_NODE_CAP], boot_id[OWNER_BOOT_ID_CAP];
};

struct ownership_self {
    const char *node, *boot_id;
    bool both_locks;         /* LOCK and the run dir's lock are ours */
    const char *fenced_node; /* the cluster confirms that this node is dead … */
    uint64_t fenced_epoch;   /* … as owner of this epoch; NULL, 0: nothing confirmed */
};

/* Looks at a counter that should stand still. Zeroed at first. */
struct ownership_watch {
    bool looked;
    uint64_t epoch, counter;
    uint64_t first_seen_ns; /* end of the look that first saw this counter */
};

enum ownership_verdict { OWNERSHIP_CLAIM, OWNERSHIP_WAIT, OWNERSHIP_REFUSE };
struct ownership_decision {
    enum ownership_verdict verdict;
    const char *cause; /* CLAIM: "first", "released", "dead", "same-node", "fenced", "lease" */
    uint64_t wait_ns;  /* WAIT: until the next look */
};
/* last: of the highest epoch, state NONE when there never was one. look_begin_ns, look_end_ns: when
 * reading it began and ended, boot clock. */
struct ownership_decision ownership_decide(struct ownership_watch *w,
    const struct owner_record *last, const struct ownership_self *self, uint64_t look_begin_ns,
    uint64_t look_end_ns);

/* The lease: written by the renewing thread, read by all. */
struct lease {
    uint64_t length_ns;
    _Atomic uint64_t end_ns; /* boot clock; 0: ended */
};
void lease_begin(struct lease *l, uint64_t lease_ms, uint64_t t0_ns);
static inline bool
lease_valid(const struct lease *l, uint64_t now_ns)
{
    return now_ns < atomic_load_explicit(&l->end_ns, memory_order_acquire);
}
/* Counter written durably, no higher epoch seen; begun at t0, all done at now. 0, or BH_EFENCED: it
 * had lapsed before, and stays so. */
int lease_renewed(struct lease *l, uint64_t t0_ns, uint64_t now_ns) MUST_USE;
void lease_end(struct lease *l);

#endif
