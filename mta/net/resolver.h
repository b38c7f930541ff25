/* net/resolver.h - DNS over libunbound on the loop (pluggable event base), queries leave from the
 * VIP (outgoing-interface).
 *
 * An IP literal never comes here. One context per set of sources; a changed VIP makes a new
 * context. With no usable source every query ends BH_ENOVIP and nothing is sent.
 * Which address a query leaves from: only servers on loopback: from loopback. Else from the sources
 * (a server on loopback as well, if there are others), and servers of a family without source are
 * left out. No source at all: the servers on loopback alone, if any.
 */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include "core/netaddr.h"
#include "loop/loop.h"

struct resolver;
struct resolver_options {
    const struct netaddr
        *servers; /* 0: those of /etc/resolv.conf; a port in the address is honoured */
    size_t server_count;
    const struct netaddr *sources; /* VIPs that are present */
    size_t source_count;
    uint64_t timeout_ms; /* for a whole lookup */
};
int resolver_new(struct resolver **out, struct loop *l, const struct resolver_options *o) MUST_USE;
/* To be called at each change of a VIP; pending queries are asked anew. The same set again is a
 * no-op. On an error queries end BH_EDNS_TEMP until a later call succeeds. */
int resolver_set_sources(struct resolver *r, const struct netaddr *sources, size_t count) MUST_USE;
void resolver_free(struct resolver *r); /* pending callbacks do not run */

#define RESOLVER_HOSTS_MAX     16
#define RESOLVER_ADDRESSES_MAX 16
struct resolver_host {
    char name[256];
    uint16_t preference;
    struct netaddr addresses[RESOLVER_ADDRESSES_MAX]; /* AAAA and A, in the order to try */
    unsigned address_count;
};
struct resolver_answer {
    struct resolver_host hosts[RESOLVER_HOSTS_MAX]; /* by preference, equal ones shuffled */
    unsigned host_count;
    bool null_mx;     /* RFC 7505: the domain takes no mail */
    bool implicit_mx; /* no MX record: the domain's own addresses (RFC 5321 section 5.1) */
};
/* Exactly once, never inside the call that asked. status 0 with at least one address or null_mx
 * (the answer is lent for the callback); else answer is NULL: BH_EDNS_NONE: permanent;
 * BH_EDNS_TEMP: try later; BH_ENOVIP. The query is gone then. */
typedef void resolver_fn(void *ctx, int status, const struct resolver_answer *answer);
struct resolver_query;
/* BH_ESYNTAX: not a host name; -ENOMEM. cb never runs then. */
int resolver_mx(struct resolver_query **out, struct resolver *r, struct slice domain,
    resolver_fn *cb, void *ctx) MUST_USE;
int resolver_addresses(struct resolver_query **out, struct resolver *r, struct slice name,
    resolver_fn *cb, void *ctx) MUST_USE;
void resolver_cancel(struct resolver_query *q); /* cb will not run */

#endif
