#include "x400/p1_plan.h"
#include "x400/p1_time.h"

#define DAY_MS ((uint64_t)24 * 60 * 60 * 1000)
const uint64_t p1_plan_life_ms[3] = {
    [P1_NORMAL] = 7 * DAY_MS, [P1_NON_URGENT] = 10 * DAY_MS, [P1_URGENT] = 2 * DAY_MS
};

/* ---- times */

uint64_t
p1_plan_expires(const struct p1_envelope *e, uint64_t received_wall_ms, const uint64_t life_ms[3])
{
    uint64_t at = received_wall_ms + (life_ms != NULL ? life_ms : p1_plan_life_ms)[e->priority];
    uint64_t latest;

    if (!e->latest.given) {
        return at;
    }
    if (p1_time_read(p1_text_slice(&e->latest), received_wall_ms, &latest) < 0) {
        return 0; /* before 1970: long over */
    }
    return MIN(at, latest);
}

/* Has it only been in our domain? */
static bool
began_here(const struct p1_envelope *e, const struct p1_domain *own)
{
    struct ber_cursor c;
    struct p1_trace t;

    ber_cursor_init(&c, e->trace);
    while (p1_trace_next(&c, false, &t) > 0) {
        if (!p1_domain_equal(&t.domain, own)) {
            return false;
        }
    }
    return true;
}

uint64_t
p1_plan_hold(const struct p1_envelope *e, const struct p1_domain *own, uint64_t now_wall_ms)
{
    uint64_t until;

    if (!e->deferred.given || p1_time_read(p1_text_slice(&e->deferred), now_wall_ms, &until) < 0) {
        return 0;
    }
    return until > now_wall_ms && began_here(e, own) ? until : 0;
}

/* ---- where it was */

void
p1_plan_passed(const struct p1_envelope *e, struct p1_passed *out)
{
    struct ber_cursor c;
    struct p1_trace t;
    unsigned by_mtas = 0;

    *out = (struct p1_passed){ .count = 0 };
    ber_cursor_init(&c, e->trace);
    while (p1_trace_next(&c, false, &t) > 0) {
        out->reroutes += t.action == 1;
    }
    ber_cursor_init(&c, e->internal);
    while (p1_trace_next(&c, true, &t) > 0) {
        by_mtas += t.action == 1;
        if (t.other_actions) {
            out->count = 0;
        } else if (out->count < P1_HOPS_MAX) { /* with more it is a loop anyway */
            out->names[out->count++] = t.mta_name;
        }
    }
    for (size_t i = 0; i < out->count; i++) {
        out->slices[i] = p1_text_slice(&out->names[i]);
    }
    out->reroutes = MAX(out->reroutes, by_mtas);
}

/* ---- rules */

/* What is read from the whole envelope, once, when it is first asked for: 10,000 recipients would
 * have it read as often. */
enum answer { UNASKED, NO, YES };
struct once {
    enum answer fits[2]; /* 1984, by relabel */
    enum answer asks;    /* something critical at delivery */
};

struct at { /* one recipient */
    const struct p1_plan_query *q;
    const struct p1_plan *plan;
    const struct p1_recipient *r; /* NULL: a report's destination */
    const struct or_route *route;
    const struct p1_peer *peer;
    struct once *once;
};

static bool
not_responsible(const struct at *a)
{
    return a->r != NULL && (a->r->indicators & P1_RESPONSIBLE) == 0;
}

static bool
looped(const struct at *a)
{
    return a->plan->loop != P1_NO_LOOP;
}

static bool
expired(const struct at *a)
{
    return a->q->now_wall_ms >= a->plan->expires_wall_ms;
}

static bool
critical(const struct at *a)
{
    const struct p1_envelope *e = a->q->e;

    return e->critical || (a->r != NULL && e->critical_recipients && p1_recipient_critical(a->r));
}

static bool
no_space(const struct at *a)
{
    return a->route->verdict == OR_ROUTE_NONE;
}

static bool
leads_back(const struct at *a)
{
    return a->route->verdict == OR_ROUTE_LOOP;
}

static bool
too_long(const struct at *a)
{
    const struct p1_envelope *e = a->q->e;
    uint64_t bytes = e->kind == P1_MESSAGE                                 ? a->q->content_bytes
                     : e->kind == P1_PROBE && e->probe_bytes != UINT64_MAX ? e->probe_bytes
                                                                           : 0;

    return a->peer->content_bytes_max != 0 && bytes > a->peer->content_bytes_max;
}

static bool
other_content_type(const struct at *a)
{
    const struct p1_envelope *e = a->q->e;

    return e->kind != P1_REPORT && a->peer->content_types != 0 &&
           (e->content_type > 63 || (a->peer->content_types >> e->content_type & 1) == 0);
}

static bool
other_eits(const struct at *a)
{
    return a->peer->eits != 0 && (a->q->e->eit_bits & ~a->peer->eits) != 0;
}

static bool
asks_at_delivery(struct slice extensions)
{
    struct p1_extension x;
    struct ber_cursor c;

    ber_cursor_init(&c, extensions);
    while (p1_extension_next(&c, &x) > 0) {
        if ((x.critical & P1_FOR_DELIVERY) != 0 && !p1_extension_known(x.number)) {
            return true;
        }
    }
    return false;
}

static bool
critical_here(const struct at *a)
{
    enum answer *asks = &a->once->asks;

    if (!a->peer->here) {
        return false;
    }
    if (*asks == UNASKED) {
        *asks = asks_at_delivery(a->q->e->extensions) ? YES : NO;
    }
    return *asks == YES || (a->r != NULL && asks_at_delivery(a->r->extensions));
}

static bool
downgrade(const struct at *a)
{
    enum answer *fits = &a->once->fits[a->peer->how.relabel];
    const char *why;

    if (a->peer->protocol != P1_1984) {
        return false;
    }
    if (*fits == UNASKED) {
        *fits = p1_1984_fits(a->q->e, &a->peer->how, &why) ? YES : NO;
    }
    return *fits == NO || (a->r != NULL && !p1_1984_recipient_fits(a->r, &why));
}

static bool
deferred(const struct at *a)
{
    return a->plan->hold_until_wall_ms != 0;
}

static bool
down(const struct at *a)
{
    return a->route->verdict == OR_ROUTE_WAIT;
}

static bool
here(const struct at *a)
{
    return a->peer->here;
}

static bool
always(const struct at *a)
{
    (void)a;
    return true;
}

static const struct {
    struct p1_plan_rule rule;
    bool (*holds)(const struct at *a);
} rules[] = {
    { { "not-responsible", P1_NOT_OURS, P1_CAUSE_OTHER }, not_responsible },
    { { "looped", P1_REFUSE, P1_CAUSE_LOOP }, looped },
    { { "expired", P1_REFUSE, P1_CAUSE_EXPIRED }, expired },
    { { "critical", P1_REFUSE, P1_CAUSE_CRITICAL }, critical },
    { { "no-space", P1_REFUSE, P1_CAUSE_UNKNOWN_NAME }, no_space },
    { { "leads-back", P1_REFUSE, P1_CAUSE_LOOP }, leads_back },
    { { "too-long", P1_REFUSE, P1_CAUSE_TOO_LONG }, too_long },
    { { "content-type", P1_REFUSE, P1_CAUSE_CONTENT_TYPE }, other_content_type },
    { { "eits", P1_REFUSE, P1_CAUSE_EITS }, other_eits },
    { { "critical-here", P1_REFUSE, P1_CAUSE_CRITICAL }, critical_here },
    { { "downgrade", P1_REFUSE, P1_CAUSE_DOWNGRADE }, downgrade },
    { { "deferred", P1_HOLD, P1_CAUSE_OTHER }, deferred },
    { { "down", P1_WAIT, P1_CAUSE_OTHER }, down },
    { { "here", P1_DELIVER, P1_CAUSE_OTHER }, here },
    { { "up", P1_SEND, P1_CAUSE_OTHER }, always },
};

const struct p1_plan_rule *
p1_plan_rule(unsigned index)
{
    return index < ARRAY_LEN(rules) ? &rules[index].rule : NULL;
}

static struct p1_share
share_of(const struct p1_plan_query *q, const struct p1_plan *plan, const struct p1_recipient *r,
    const struct or_route *route, struct once *once)
{
    static const struct p1_peer any = { .protocol = P1_1988_NORMAL };
    struct at at = { q, plan, r, route, &any, once };
    struct p1_share share = { .via = OR_ROUTE_NO_CONNECTOR };
    unsigned i = 0;

    if (route->via < q->peer_count) {
        at.peer = &q->peers[route->via];
    }
    while (!rules[i].holds(&at)) {
        i++;
    }
    share.step = rules[i].rule.step;
    share.cause = rules[i].rule.cause;
    share.rule = (uint8_t)i;
    if (share.step >= P1_WAIT) {
        share.via = route->via;
    }
    share.rerouted = share.step == P1_SEND && route->instead_of != OR_ROUTE_NO_CONNECTOR;
    return share;
}

void
p1_plan_make(const struct p1_plan_query *q, struct p1_share *shares, struct p1_plan *out)
{
    const uint64_t held_ms = p1_plan_hold(q->e, q->own, q->received_wall_ms);
    struct once once = { .asks = UNASKED };
    struct p1_recipient r;
    struct ber_cursor c;

    *out = (struct p1_plan){ .loop = p1_loop(q->e, q->own, q->mta_name),
        .expires_wall_ms = p1_plan_expires(q->e, MAX(q->received_wall_ms, held_ms), q->life_ms),
        .hold_until_wall_ms = p1_plan_hold(q->e, q->own, q->now_wall_ms),
        .count = p1_plan_count(q->e),
        .shares = shares };
    if (q->e->kind == P1_REPORT) {
        shares[0] = share_of(q, out, NULL, &q->routes[0], &once);
        return;
    }
    ber_cursor_init(&c, q->e->recipients);
    for (size_t nth = 0; p1_recipient_next(&c, &r) > 0; nth++) {
        shares[nth] = share_of(q, out, &r, &q->routes[nth], &once);
    }
}

/* ---- copies */

/* Their order; 0 is before all. */
static uint32_t
key(enum p1_step step, uint16_t via, bool rerouted)
{
    if (step != P1_SEND && step != P1_DELIVER) {
        return 0;
    }
    return (uint32_t)step << 17 | (uint32_t)via << 1 | rerouted;
}

bool
p1_plan_next(const struct p1_plan *p, struct p1_copy *copy, uint8_t *bits)
{
    const uint32_t last = key(copy->step, copy->via, copy->rerouted);
    uint32_t next = UINT32_MAX;

    for (uint32_t i = 0; i < p->count; i++) {
        const struct p1_share *s = &p->shares[i];
        uint32_t k = key(s->step, s->via, s->rerouted);

        if (k > last && k < next) {
            next = k;
            *copy = (struct p1_copy){ s->step, s->via, s->rerouted };
        }
    }
    if (next == UINT32_MAX) {
        return false;
    }
    memset(bits, 0, (p->count + 7) / 8);
    for (uint32_t i = 0; i < p->count; i++) {
        const struct p1_share *s = &p->shares[i];

        if (key(s->step, s->via, s->rerouted) == next) {
            bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << i % 8);
        }
    }
    return true;
}
