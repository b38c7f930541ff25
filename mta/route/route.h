/* route/route.h - who is next for this recipient, and may this client ask. Pure.
 *
 * The longest match wins, whatever the order in the file: "a.example.org" before "*.example.org"
 * before "*.org" before "*"; "example.org" matches only itself, "*.example.org" any name below it
 * (not itself). Address literals match "[…]" rows or "*".
 */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include "core/netaddr.h"
#include "mail/address.h"

struct route_table;

struct route_table_options { /* all borrowed during the call */
    const char *hostname;    /* mail for it, and a bare postmaster, is local: see postmaster */
    struct slice postmaster; /* where mail for postmaster goes; empty: by route like any other */
    const struct netaddr_prefix *clients;
    size_t client_count;
    const struct slice *domains; /* relay.domains: "example.org", "*.example.org" */
    size_t domain_count;
};
int route_table_new(struct route_table **out, const struct route_table_options *o) MUST_USE;
void route_table_free(struct route_table *t);
/* Add a route: to = pattern, via = connector indexes (numbers of the app), in order of preference.
 * -EEXIST: pattern twice; BH_ESYNTAX: not a domain pattern (O/R addresses come with X.400);
 * BH_ETOOBIG: none or more than ROUTE_VIA_MAX connectors. */
#define ROUTE_VIA_MAX 8
int route_table_add(
    struct route_table *t, struct slice to, const uint16_t *via, size_t via_count) MUST_USE;

struct route {
    uint16_t via[ROUTE_VIA_MAX];
    uint8_t via_count;
};
/* The route for a recipient's domain (any case, a final dot or none), or NULL. An empty domain (a
 * bare postmaster) is the hostname's. */
const struct route *route_find(const struct route_table *t, struct slice domain);
/* Relay control: the client's network or the recipient's domain permits (either one). No route is
 * needed for the answer. An empty domain needs the network. */
bool route_permits(const struct route_table *t, const struct netaddr *client, struct slice domain);
/* Postmaster is always accepted (RFC 5321 4.5.1): the address it is delivered to, or empty. */
struct slice route_postmaster(const struct route_table *t);

#endif
