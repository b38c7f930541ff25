/* app/app_route.h - where a recipient goes, whatever its address is: domains by route/, O/R
 * addresses by x400/or_route, told apart by their form. Neither of the two knows the other.
 *
 * An O/R address begins with "/" and has no "@" (its own are written (a), or {64}): so a local part
 * that is one, "/C=FR/…/@gateway.example", is an address of that domain.
 */
#ifndef APP_APP_ROUTE_H
#define APP_APP_ROUTE_H

#include "app/app_conf.h"
#include "mail/intake.h"
#include "route/route.h"
#include "x400/or_route.h"
#include "x400/x400_life.h"

struct app_routes {
    struct route_table *domains;
    struct or_route_table *spaces;
};

/* All that a checked configuration says. -ENOMEM. */
int app_routes_make(struct app_routes **out, const struct app_conf *c) MUST_USE;
/* Without routes; for the checks. */
int app_routes_new(struct app_routes **out, const struct route_table_options *o) MUST_USE;
void app_routes_free(struct app_routes *t);
/* BH_ESYNTAX: `to` is no pattern; of an address space *error tells, and of BH_ETOOBIG and -EEXIST
 * too. */
int app_routes_add(
    struct app_routes *t, const struct app_route *r, struct or_error *error) MUST_USE;

bool app_route_is_space(struct slice to);     /* of a route */
bool app_route_is_or(struct slice recipient); /* by its form: it may be no valid one */

/* OR_ROUTE_NO_CONNECTOR: there is none of that name. */
uint16_t app_connector_index(const struct app_conf *c, struct slice name);

/* 0; BH_ESYNTAX: no address; BH_ENOTFOUND: no route; -ELOOP: only back over came_by (a connector,
 * or OR_ROUTE_NO_CONNECTOR), or to an MTA that it passed. past: NULL: nothing is known of it. */
int app_routes_find(const struct app_routes *t, struct slice recipient, uint16_t came_by,
    const struct x400_past *past, struct route *out) MUST_USE;
/* Relay control for an association of the connector came_by: it is known, so it may send to every
 * O/R address that has a route. SMTP clients are route_permits' affair. */
struct intake_verdict app_routes_permit(
    const struct app_routes *t, struct slice recipient, uint16_t came_by);

#endif
