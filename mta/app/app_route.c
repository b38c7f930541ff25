#include "app/app_route.h"
#include <stdlib.h>

int
app_routes_new(struct app_routes **out, const struct route_table_options *o)
{
    struct app_routes *t = calloc(1, sizeof(*t));
    int rc = t != NULL ? route_table_new(&t->domains, o) : -ENOMEM;

    if (rc == 0) {
        rc = or_route_table_new(&t->spaces);
    }
    if (rc < 0) {
        app_routes_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void
app_routes_free(struct app_routes *t)
{
    if (t == NULL) {
        return;
    }
    route_table_free(t->domains);
    or_route_table_free(t->spaces);
    free(t);
}

bool
app_route_is_space(struct slice to)
{
    return slice_starts(to, SLICE_LIT("/")) || slice_find(to, '=') < to.n; /* C=FR;A=ATLAS */
}

bool
app_route_is_or(struct slice recipient)
{
    return slice_starts(recipient, SLICE_LIT("/")) && slice_find(recipient, '@') == recipient.n;
}

int
app_routes_add(struct app_routes *t, const struct app_route *r, struct or_error *error)
{
    struct or_address space;
    int rc;

    if (!r->is_or) {
        return route_table_add(t->domains, r->to, r->via, r->via_count);
    }
    rc = or_address_parse_pattern(
        slice_eq(r->to, SLICE_LIT("/")) ? SLICE_LIT("*") : r->to, &space, error);
    for (size_t i = 0; rc == 0 && i < r->via_count; i++) {
        rc = or_route_add(t->spaces, &space, r->via[i], r->cost[i], error);
    }
    return rc;
}

static int
fill(struct app_routes *t, const struct app_conf *c)
{
    struct or_error error;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < c->connector_count; i++) {
        if (c->connectors[i].x400 != NULL) {
            rc = or_route_connector(
                t->spaces, (uint16_t)i, slice_of(c->connectors[i].x400->remote.mta));
        }
    }
    for (size_t i = 0; rc == 0 && i < c->route_count; i++) {
        rc = app_routes_add(t, &c->routes[i], &error);
    }
    return rc;
}

int
app_routes_make(struct app_routes **out, const struct app_conf *c)
{
    struct route_table_options o = { .hostname = c->hostname,
        .postmaster = slice_of(c->postmaster),
        .clients = c->clients,
        .client_count = c->client_count,
        .domains = c->domains,
        .domain_count = c->domain_count };
    struct app_routes *t;
    int rc = app_routes_new(&t, &o);

    if (rc < 0) {
        return rc;
    }
    rc = fill(t, c);
    if (rc < 0) {
        app_routes_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

uint16_t
app_connector_index(const struct app_conf *c, struct slice name)
{
    for (size_t i = 0; i < c->connector_count; i++) {
        if (slice_eq(slice_of(c->connectors[i].name), name)) {
            return (uint16_t)i;
        }
    }
    return OR_ROUTE_NO_CONNECTOR;
}

static int
find_space(const struct app_routes *t, struct slice recipient, uint16_t came_by,
    const struct x400_past *past, struct route *out)
{
    struct or_address to;
    struct or_error error;
    struct or_route_query q = { .to = &to, .came_by = came_by };
    size_t count;

    if (past != NULL) {
        q.passed_sums = past->sums;
        q.passed_sum_count = past->count;
        q.reroutes = past->reroutes;
    }
    if (or_address_parse(recipient, &to, &error) < 0) {
        return BH_ESYNTAX;
    }
    switch (or_route_list(t->spaces, &q, out->via, ROUTE_VIA_MAX, &count)) {
    case OR_ROUTE_GO:
    case OR_ROUTE_WAIT:
        break;
    case OR_ROUTE_LOOP:
        return -ELOOP;
    case OR_ROUTE_NONE:
        return BH_ENOTFOUND;
    }
    out->via_count = (uint8_t)count;
    return 0;
}

int
app_routes_find(const struct app_routes *t, struct slice recipient, uint16_t came_by,
    const struct x400_past *past, struct route *out)
{
    const struct route *r;
    struct address rcpt;

    if (app_route_is_or(recipient)) {
        return find_space(t, recipient, came_by, past, out);
    }
    if (address_parse(recipient, &rcpt) < 0) {
        return BH_ESYNTAX;
    }
    r = route_find(t->domains, rcpt.domain);
    if (r == NULL) {
        return BH_ENOTFOUND;
    }
    *out = *r;
    return 0;
}

struct intake_verdict
app_routes_permit(const struct app_routes *t, struct slice recipient, uint16_t came_by)
{
    struct route r;

    if (!app_route_is_or(recipient)) {
        return (
            struct intake_verdict){ 550, "5.1.2", "Not an O/R address, and no gateway is here" };
    }
    switch (app_routes_find(t, recipient, came_by, NULL, &r)) {
    case 0:
        return (struct intake_verdict){ 250, "2.1.5", "Recipient ok" };
    case -ELOOP:
        return (struct intake_verdict){ 554, "5.4.6", "The only way is the one it came by" };
    case BH_ENOTFOUND:
        return (struct intake_verdict){ 550, "5.1.1", "No address space has this O/R address" };
    default:
        return (struct intake_verdict){ 553, "5.1.3", "O/R address is not valid" };
    }
}
