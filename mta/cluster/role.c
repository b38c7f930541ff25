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

struct reason_row {
    enum role_reason reason;
    const char *name, *text;
};
static const struct reason_row reason_rows[] = {
    { ROLE_VIP_MISSING, "vip-missing",
        "a virtual IP is not on this host: look at its IPaddr2 resource" },
    { ROLE_RESTARTED, "server-restarted",
        "the server crashed and was started again within the last five minutes: report it with "
        "what bridgehead blackbox prints" },
    { ROLE_CONNECTOR_DOWN, "connector-down",
        "no destination of a connector answers: bridgehead connector show NAME tells why" },
    { ROLE_RESERVE_IN_USE, "reserve-in-use",
        "the store's filesystem is full but for the reserve, and new mail is refused for now, by "
        "SMTP and X.400: make room there" },
    { ROLE_QUARANTINE, "quarantine-not-empty",
        "part of the store is damaged, or its quarantine/ still lies there: bridgehead store check "
        "lists what" },
    { ROLE_NO_QUORUM, "no-quorum",
        "this part of the cluster has no quorum, and nothing is taken or sent: bring back the "
        "other nodes, or the way to them" },
    { ROLE_NO_COROSYNC, "no-corosync",
        "corosync cannot be reached, and nothing is taken or sent: start it" },
    { ROLE_DISK_FULL, "disk-full",
        "mail that says how long it is found less room than that on the store's filesystem, and is "
        "refused for now, by SMTP and X.400: make room there" },
};
_Static_assert(1 << ARRAY_LEN(reason_rows) == ROLE_REASONS_END, "a reason has no row");

static const struct reason_row *
row_of(enum role_reason r)
{
    static const struct reason_row unknown = { .name = "unknown", .text = "" };

    for (size_t i = 0; i < ARRAY_LEN(reason_rows); i++) {
        if (reason_rows[i].reason == r) {
            return &reason_rows[i];
        }
    }
    return &unknown;
}

const char *
role_reason_name(enum role_reason r)
{
    return row_of(r)->name;
}

const char *
role_reason_text(enum role_reason r)
{
    return row_of(r)->text;
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
    reasons |= f->disk_full ? ROLE_DISK_FULL : 0;
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
