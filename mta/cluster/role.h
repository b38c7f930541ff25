/* cluster/role.h - what this instance may do now: facts in, state and permissions out. Pure.
 *
 * States (design section 4): starting, recovering, waiting-vip, serving, degraded, draining,
 * released, fenced, stopped. role_update is called after any fact changed; it computes the state
 * from the facts, so that no order of events can leave a permission behind.
 */
#ifndef CLUSTER_ROLE_H
#define CLUSTER_ROLE_H

#include "core/base.h"

enum role_state {
    ROLE_STARTING,
    ROLE_RECOVERING,
    ROLE_WAITING_VIP,
    ROLE_SERVING,
    ROLE_DEGRADED,
    ROLE_DRAINING,
    ROLE_RELEASED,
    ROLE_FENCED,
    ROLE_STOPPED,
    ROLE_STATE_COUNT
};
const char *role_state_name(enum role_state s);

/* Why degraded: a set; names by role_reason_name. */
enum role_reason {
    ROLE_VIP_MISSING = 1 << 0,
    ROLE_RESTARTED = 1 << 1, /* the server came back after a crash (for five minutes) */
    ROLE_CONNECTOR_DOWN = 1 << 2,
    ROLE_RESERVE_IN_USE = 1 << 3,
    ROLE_QUARANTINE = 1 << 4,
    ROLE_NO_QUORUM = 1 << 5,
    ROLE_NO_COROSYNC = 1 << 6,
    ROLE_DISK_FULL = 1 << 7, /* not yet the reserve in use, but mail found no room */
    ROLE_REASONS_END = 1 << 8,
};
/* Of one bit. The text: what it means, and what to do. */
const char *role_reason_name(enum role_reason r);
const char *role_reason_text(enum role_reason r);

struct role_facts {
    bool queue_opening, queue_open;
    unsigned vips, vips_present;
    uint64_t vip_grace_until_ms; /* ticks: no complaint about a missing VIP before; set when the
                                    queue opened and when a VIP left */
    bool joined, quorate;
    bool connector_down, reserve_in_use, disk_full, quarantine, restarted;
    bool draining, released, fenced, stopped;
};
struct role {
    enum role_state state;
    unsigned reasons;     /* enum role_reason */
    bool may_accept;      /* listeners open, new transactions */
    bool may_send;        /* deliveries may begin */
    bool must_stop_now;   /* sessions and deliveries are cut at once (quorum lost, fenced) */
    uint64_t again_at_ms; /* ticks: call again then (grace ends); 0: not by time */
};
void role_update(struct role *r, const struct role_facts *f, uint64_t now_ms);

#endif
