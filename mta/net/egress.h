/* net/egress.h - the one place that calls connect(2): bound to a VIP that is there, or not at all.
 *
 * The order: the source is present (vip_watch) - socket - IP_BIND_ADDRESS_NO_PORT - bind - connect
 * - hand over. There is no fallback to another address. A source that leaves while connecting or
 * connected: egress closes the attempt (BH_ENOVIP), and egress_vip_left aborts established
 * connections from that source without sending FIN from elsewhere (SO_LINGER 0 would send RST: from
 * the VIP, if it is still routable; never from another address).
 */
#ifndef NET_EGRESS_H
#define NET_EGRESS_H

#include "net/conn.h"
#include "net/vip_watch.h"

struct egress; /* one a process: knows the watch and all open connections by source */
int egress_new(struct egress **out, struct loop *l, struct vip_watch *w) MUST_USE;
void egress_free(struct egress *e);

struct egress_attempt;
/* Exactly once, never inside egress_connect: 0 and a conn (the user's now), or BH_ENOVIP,
 * -ECONNREFUSED, -ETIMEDOUT, … */
typedef void egress_fn(void *ctx, int status, struct conn *c);
/* sources: candidates in order; the first of to's family that is present is used; none: BH_ENOVIP
 * at once (cb never runs). */
int egress_connect(struct egress_attempt **out, struct egress *e, const struct netaddr *sources,
    size_t source_count, const struct netaddr *to, uint64_t timeout_ms,
    const struct conn_user *user, void *user_ctx, egress_fn *cb, void *ctx) MUST_USE;
void egress_cancel(struct egress_attempt *a); /* cb will not run */
/* Stop all sending at once (quorum lost, fenced): attempts end with BH_EQUORUM, connections are
 * closed; new attempts are refused until allowed again. */
void egress_forbid(struct egress *e, bool forbidden);

#endif
