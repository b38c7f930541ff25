#include "x400/p1_loop.h"

static bool
domain_again(const struct p1_envelope *e, const struct p1_domain *own)
{
    struct ber_cursor c;
    struct p1_trace t;
    bool here = false, left = false;

    ber_cursor_init(&c, e->trace);
    while (p1_trace_next(&c, false, &t) > 0) {
        bool ours = p1_domain_equal(&t.domain, own);

        if (ours && left) {
            return true;
        }
        left = here && !ours;
        here = here || ours;
        if (t.other_actions) {
            here = left = false;
        }
    }
    return left;
}

static bool
mta_again(const struct p1_envelope *e, const struct p1_domain *own, struct slice mta_name)
{
    struct ber_cursor c;
    struct p1_trace t;
    bool here = false;

    ber_cursor_init(&c, e->internal);
    while (p1_trace_next(&c, true, &t) > 0) {
        bool ours =
            p1_domain_equal(&t.domain, own) && slice_eq(p1_text_slice(&t.mta_name), mta_name);

        here = (here || ours) && !t.other_actions;
    }
    return here;
}

enum p1_loop
p1_loop(const struct p1_envelope *e, const struct p1_domain *own, struct slice mta_name)
{
    if (mta_again(e, own, mta_name)) {
        return P1_LOOP_MTA;
    }
    if (domain_again(e, own)) {
        return P1_LOOP_DOMAIN;
    }
    return e->trace_count > P1_HOPS_MAX || e->internal_count > P1_HOPS_MAX ? P1_LOOP_HOPS
                                                                           : P1_NO_LOOP;
}
