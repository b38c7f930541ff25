/* x400/p1_plan.h - what a relay does with a message, probe or report that it has: for each
 * recipient it is responsible for, over which connector, or why not; how long. Pure: the answer
 * changes with the time and with what is up, so it is asked for again.
 *
 * Rules     one table, looked through in its order; the first that holds decides
 *           (docs/protocols/x400.md, Table: relay).
 * Copies    one for each connector: in it we hand over the responsibility for its recipients, and
 *           for them only (p1_head.h). DL expansion and redirection history stay in all of them.
 * Probes    go the way of a message. SEND passes it on; DELIVER and REFUSE are what the report on
 *           it says: this MTA would deliver, or cannot go on.
 * Reports   have one recipient, the destination. REFUSE is the end of it: nobody is told but the
 *           log.
 */
#ifndef X400_P1_PLAN_H
#define X400_P1_PLAN_H

#include "x400/or_route.h"
#include "x400/p1_1984.h"
#include "x400/p1_loop.h"

/* How long we try, by enum p1_priority: 7 days, non-urgent 10, urgent 2. */
extern const uint64_t p1_plan_life_ms[3];

/* When it is given up: so long after it came here (p1_plan_make: or after it is no longer held), or
 * at the latest delivery time if that is earlier. */
uint64_t p1_plan_expires(
    const struct p1_envelope *e, uint64_t received_wall_ms, const uint64_t life_ms[3]) MUST_USE;
/* Until when it is held because of its deferred delivery time; 0: it is not, or no longer. That is
 * the work of the domain it comes from: one that left another domain before its time goes on, and
 * waits where it is delivered. */
uint64_t p1_plan_hold(
    const struct p1_envelope *e, const struct p1_domain *own, uint64_t now_wall_ms) MUST_USE;

/* For or_route_query: the MTAs it passed since the last redirection or DL expansion, and how often
 * it was rerouted. Points into itself. */
struct p1_passed {
    struct p1_text names[P1_HOPS_MAX];
    struct slice slices[P1_HOPS_MAX];
    size_t count;
    unsigned reroutes;
};
void p1_plan_passed(const struct p1_envelope *e, struct p1_passed *out);

struct p1_peer { /* what a connector takes */
    bool here;   /* it delivers, or leaves X.400: what it takes is delivered by us */
    enum p1_protocol protocol;
    struct p1_1984 how;
    uint64_t content_bytes_max; /* 0: any */
    uint64_t content_types;     /* 1 << type; those by object identifier never. 0: any */
    uint64_t eits;              /* built-in ones, as eit_bits; 0: any */
    const uint64_t *life_ms; /* how long what goes there is tried: three; NULL: p1_plan_life_ms */
};

struct p1_plan_query { /* all borrowed */
    const struct p1_envelope *e;
    uint64_t content_bytes; /* of a message */
    const struct p1_domain *own;
    struct slice mta_name;
    uint64_t received_wall_ms, now_wall_ms;
    const uint64_t *life_ms; /* three; NULL: p1_plan_life_ms */
    /* By recipient (a report: one); of those that are not ours zeros do. */
    const struct or_route *routes;
    const struct p1_peer *peers; /* by connector */
    size_t peer_count;           /* those beyond take all, in normal mode */
};

enum p1_step {
    P1_NOT_OURS, /* another MTA is responsible */
    P1_REFUSE,   /* non-delivery, for cause */
    P1_HOLD,     /* until plan's hold_until_wall_ms */
    P1_WAIT,     /* for via to come up */
    P1_DELIVER,  /* over via, which ends the transfer */
    P1_SEND      /* over via */
};
struct p1_share { /* of one recipient */
    enum p1_step step;
    enum p1_cause cause; /* REFUSE */
    uint16_t via;        /* WAIT, DELIVER, SEND; else OR_ROUTE_NO_CONNECTOR */
    bool rerouted;       /* SEND: the trace says so */
    uint8_t rule;        /* p1_plan_rule, for the log */
};
struct p1_plan {
    enum p1_loop loop;
    uint64_t expires_wall_ms;
    uint64_t hold_until_wall_ms; /* 0: not held */
    uint32_t count;              /* recipients; 1 of a report */
    struct p1_share *shares;     /* the caller's, for p1_plan_count() of them */
};
static inline uint32_t
p1_plan_count(const struct p1_envelope *e)
{
    return e->kind == P1_REPORT ? 1 : e->recipient_count;
}
void p1_plan_make(const struct p1_plan_query *q, struct p1_share *shares, struct p1_plan *out);

/* A copy to make: recipients with the same step (SEND or DELIVER), connector and trace. */
struct p1_copy {
    enum p1_step step;
    uint16_t via;
    bool rerouted;
};
/* The first copy, and then the one after *copy (begin with a zeroed one). bits: who is in it, as
 * p1_relay.responsible wants it, (count + 7) / 8 octets. False: there is none left. */
bool p1_plan_next(const struct p1_plan *p, struct p1_copy *copy, uint8_t *bits);

/* The table, for the document: NULL behind its end. */
struct p1_plan_rule {
    const char *name;
    enum p1_step step;
    enum p1_cause cause;
};
const struct p1_plan_rule *p1_plan_rule(unsigned index);

#endif
