/* net/egress.h - the one place that calls connect(2): bound to a VIP that is there, or not at all.
 *
 * The order: the source is present (vip_watch) - socket - IP_BIND_ADDRESS_NO_PORT - bind - connect
 * - hand over. There is no fallback to another address. When a source leaves, every attempt and
 * every connection from it ends with BH_ENOVIP in the same turn, before the watch's own on_change
 * runs. Nothing more is sent on them, not even a reset: the kernel does not route from an IPv4
 * address that is not its own, and an IPv6 socket is tied to the loopback interface before it is
 * closed (tests/integration/10-egress-source captures both).
 */
#ifndef NET_EGRESS_H
#define NET_EGRESS_H

#include "net/conn.h"
#include "net/vip_watch.h"

struct egress; /* one a loop: knows the watch and all open connections by source */
/* The watch must outlive it. */
int egress_new(struct egress **out, struct loop *l, struct vip_watch *w) MUST_USE;
/* Cancels the attempts; connections stay their users'. */
void egress_free(struct egress *e);

struct egress_attempt;
/* Exactly once, never inside egress_connect: 0 and a conn (the user's now), or BH_ENOVIP,
 * BH_EQUORUM, -ECONNREFUSED, -ETIMEDOUT, … The attempt is gone then. */
typedef void egress_fn(void *ctx, int status, struct conn *c);
/* sources: candidates in order; the first of to's family that is present is used; none: BH_ENOVIP
 * at once. Any error returned here means that cb never runs. */
int egress_connect(struct egress_attempt **out, struct egress *e, const struct netaddr *sources,
    size_t source_count, const struct netaddr *to, uint64_t timeout_ms,
    const struct conn_user *user, void *user_ctx, egress_fn *cb, void *ctx) MUST_USE;
void egress_cancel(struct egress_attempt *a); /* cb will not run */
/* Stop all sending at once (quorum lost, fenced): attempts and connections end with BH_EQUORUM; new
 * attempts are refused with it until allowed again. */
void egress_forbid(struct egress *e, bool forbidden);

#endif
