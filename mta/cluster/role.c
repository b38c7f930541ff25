#include "cluster/role.h"

const char *
role_state_name(enum role_state s)
{
    static const char *const names[ROLE_STATE_COUNT] = {
        [ROLE_STARTING] = "starting",
        [ROLE_RECOVERING] = "recovering",
        [ROLE_WAITING_VIP] = "waiting-vip",
        [ROLE_SERVING] = "serving",
        [ROLE_DEGRADED] = "degraded",
        [ROLE_DRAINING] = "draining",
        [ROLE_RELEASED] = "released",
        [ROLE_FENCED] = "fenced",
        [ROLE_STOPPED] = "stopped",
    };

    return (unsigned)s < ROLE_STATE_COUNT ? names[s] : "unknown";
}

const char *
role_reason_name(enum role_reason r)
{
    switch (r) {
    case ROLE_VIP_MISSING:
        return "vip-missing";
    case ROLE_RESTARTED:
        return "server-restarted";
    case ROLE_CONNECTOR_DOWN:
        return "connector-down";
    case ROLE_RESERVE_IN_USE:
        return "reserve-in-use";
    case ROLE_QUARANTINE:
        return "quarantine-not-empty";
    case ROLE_NO_QUORUM:
        return "no-quorum";
    case ROLE_NO_COROSYNC:
        return "no-corosync";
    }
    return "unknown";
}

/* A VIP that is not there yet is no complaint within its grace: IPaddr2 starts after us. */
static bool
vip_complaint(const struct role_facts *f, uint64_t now_ms)
{
    return f->vips_present < f->vips && now_ms >= f->vip_grace_until_ms;
}

static unsigned
reasons_of(const struct role_facts *f, uint64_t now_ms)
{
    unsigned reasons = 0;

    reasons |= vip_complaint(f, now_ms) ? ROLE_VIP_MISSING : 0;
    reasons |= f->restarted ? ROLE_RESTARTED : 0;
    reasons |= f->connector_down ? ROLE_CONNECTOR_DOWN : 0;
    reasons |= f->reserve_in_use ? ROLE_RESERVE_IN_USE : 0;
    reasons |= f->quarantine ? ROLE_QUARANTINE : 0;
    if (!f->joined) {
        reasons |= ROLE_NO_COROSYNC;
    } else if (!f->quorate) {
        reasons |= ROLE_NO_QUORUM;
    }
    return reasons;
}

/* The first that holds, from the most final to the most ordinary. */
static enum role_state
state_of(const struct role_facts *f, unsigned reasons)
{
    if (f->stopped) {
        return f->released ? ROLE_RELEASED : f->fenced ? ROLE_FENCED : ROLE_STOPPED;
    }
    if (f->fenced) {
        return ROLE_FENCED;
    }
    if (f->released) {
        return ROLE_RELEASED;
    }
    if (f->draining) {
        return ROLE_DRAINING;
    }
    if (!f->queue_open) {
        return f->queue_opening ? ROLE_RECOVERING : ROLE_STARTING;
    }
    if (reasons != 0) {
        return ROLE_DEGRADED;
    }
    return f->vips_present == 0 ? ROLE_WAITING_VIP : ROLE_SERVING;
}

void
role_update(struct role *r, const struct role_facts *f, uint64_t now_ms)
{
    bool quorum = f->joined && f->quorate;
    bool alive = f->queue_open && !f->fenced && !f->released && !f->stopped;

    r->reasons = reasons_of(f, now_ms);
    r->state = state_of(f, r->reasons);
    r->may_accept = alive && quorum && !f->draining;
    /* Nothing is sent, and so nothing is deferred for it, while no VIP is there at all. */
    r->may_send = r->may_accept && f->vips_present > 0;
    r->must_stop_now = f->fenced || (f->queue_open && !quorum);
    r->again_at_ms =
        f->vips_present < f->vips && now_ms < f->vip_grace_until_ms ? f->vip_grace_until_ms : 0;
}
