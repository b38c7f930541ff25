/* app/app_conf_pass.h - what app_conf.c and app_conf_x400.c share. Private to them. */
#ifndef APP_APP_CONF_PASS_H
#define APP_APP_CONF_PASS_H

#include "app/app_conf.h"

/* One pass of checks; errors are counted, so that all are reported. */
struct pass {
    struct app_conf *c;
    conf_error_fn *on_error;
    void *ctx;
    unsigned errors;
    bool said_x400; /* that the group x400 is missing */
};

/* key: where it is written; "" for the file. */
void app_conf_fault(struct pass *p, const char *key, const char *cure, const char *fmt, ...)
    PRINTF(4, 5);
#define APP_KEY_CAP 160
/* "connector.paris.port" */
const char *app_conf_key(
    char out[APP_KEY_CAP], const char *group, struct slice name, const char *leaf);

/* The group x400. Before connectors. */
void app_conf_take_x400(struct pass *p);
/* Keys that are not this protocol's are faults; of an X.400 connector, all that is its own. 0 or
 * -ENOMEM. */
int app_conf_take_connector_x400(struct pass *p, struct app_connector *o) MUST_USE;
void app_conf_check_listener_keys(struct pass *p, const struct app_listener *l);
/* When all connectors are known: can they be told apart? */
void app_conf_check_connectors_x400(struct pass *p);
/* By X.400 connectors if `to` is an address space, else by none of them? */
void app_conf_check_route(struct pass *p, size_t index);

#endif
