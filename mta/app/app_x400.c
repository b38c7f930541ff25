#include "app/app_x400.h"
#include "x400/p1_plan.h"

/* A report of ours returns no more content than this: it has to be held whole by who reads it. */
#define RETURNED_BYTES_MAX (2 * MIB)
/* Of connections that have not said yet who they are. */
#define UNBOUND_MAX 256

void
app_x400_mta_options(const struct app_conf *c, struct x400_mta_options *out)
{
    *out = (struct x400_mta_options){ .mta_name = slice_of(c->x400_mta),
        .domain = c->x400_domain,
        .associations_max = c->sessions_max,
        .unbound_max = UNBOUND_MAX,
        .unbound_per_client_max = c->sessions_per_client_max > 0
                                      ? MIN(c->sessions_per_client_max, UNBOUND_MAX)
                                      : UNBOUND_MAX,
        .returned_bytes_max = RETURNED_BYTES_MAX,
        .points = true,
        .times = x400_times_default };
}

static struct x400_times
times_of(const struct app_connector *o)
{
    struct x400_times t = x400_times_default;

    _Static_assert((int)X400_URGENT == (int)P1_URGENT && (int)X400_NORMAL == (int)P1_NORMAL,
        "both count priorities as X.411 does");
    t.connect_ms = o->connect_ms;
    t.idle_ms = o->x400->association_idle_ms;
    for (size_t i = 0; i < APP_PRIORITIES; i++) {
        t.kib_ms[i] = o->x400->kib_ms[i];
    }
    return t;
}

void
app_x400_connector_options(const struct app_connector *o, struct x400_hop hops[APP_HOPS_MAX],
    struct x400_connector_options *out)
{
    const struct app_x400 *x = o->x400;

    for (size_t i = 0; i < o->hop_count; i++) {
        hops[i] =
            (struct x400_hop){ slice_of(o->hops[i].name), o->hops[i].address, o->hops[i].port };
    }
    *out = (struct x400_connector_options){ .name = slice_of(o->name),
        .protocol = x->protocol,
        .local_mta = slice_of(x->local.mta),
        .local_password = x->local.password,
        .local = x->local.selectors,
        .remote_mta = slice_of(x->remote.mta),
        .remote_password = x->remote.password,
        .remote = x->remote.selectors,
        .callers = x->from,
        .caller_count = x->from_count,
        .sources = o->sources,
        .source_count = o->source_count,
        .hops = hops,
        .hop_count = o->hop_count,
        .tpdu_bytes = TP0_TPDU_BYTES_DEFAULT,
        .dialogue = x->two_way ? RTSE_TWA : RTSE_MONOLOGUE,
        .checkpoint = x->checkpoint,
        .window = x->window,
        .recovery_ms = x->recovery_ms,
        .recover = x->recover,
        .times = times_of(o),
        .schedule = x->schedule,
        .in_max = x->association_incoming,
        .out_max = x->association_limit,
        .threshold = x->association_threshold,
        .message_bytes_max = x->message_bytes_max,
        .strip_internal = x->strip_internal,
        .strip_bilateral = x->strip_bilateral,
        .how = { .relabel = x->relabel } };
}

void
app_x400_peers(const struct app_conf *c, struct p1_peer *out)
{
    _Static_assert(APP_PRIORITIES == 3, "life_ms has three");
    for (size_t i = 0; i < c->connector_count; i++) {
        const struct app_x400 *x = c->connectors[i].x400;

        out[i] = x == NULL ? (struct p1_peer){ .protocol = P1_1988_NORMAL }
                           : (struct p1_peer){ .protocol = x->protocol,
                                 .how = { .relabel = x->relabel },
                                 .content_bytes_max = x->message_bytes_max,
                                 .life_ms = x->expire_ms };
    }
}

struct or_route
app_x400_way(const struct app_conf *c, const struct app_routes *t, const struct x400_way *way)
{
    struct or_route_query q = { .to = way->to, .came_by = app_connector_index(c, way->came_by) };
    uint16_t via[ROUTE_VIA_MAX];
    size_t count = 0;
    struct or_route r = { .via = OR_ROUTE_NO_CONNECTOR, .instead_of = OR_ROUTE_NO_CONNECTOR };

    q.passed = way->passed->slices;
    q.passed_count = way->passed->count;
    q.reroutes = way->passed->reroutes;
    r.verdict = or_route_list(t->spaces, &q, via, ARRAY_LEN(via), &count);
    if (r.verdict == OR_ROUTE_GO && count > 0) {
        r.via = via[0];
    }
    return r;
}
