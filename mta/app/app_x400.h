/* app/app_x400.h - from the configuration to the options of X.400's parts (x400/x400.h), and its
 * question for a way. Pure: what wires them up and when is app_wire.c's. */
#ifndef APP_APP_X400_H
#define APP_APP_X400_H

#include "app/app_route.h"
#include "x400/x400.h"

void app_x400_mta_options(const struct app_conf *c, struct x400_mta_options *out);
/* Of an X.400 connector. What out points to is o's, and hops. */
void app_x400_connector_options(const struct app_connector *o, struct x400_hop hops[APP_HOPS_MAX],
    struct x400_connector_options *out);
/* What the connectors take, by index: room for c's. life_ms points into c. */
void app_x400_peers(const struct app_conf *c, struct p1_peer *out);

/* Whether there is a way for it that does not lead back, and the first one: GO, LOOP or NONE. By
 * what its trace says too, so it is exact where app_routes_permit is not. */
struct or_route app_x400_way(
    const struct app_conf *c, const struct app_routes *t, const struct x400_way *way);

#endif
