/* net/vip_watch.h - is the address on this host, now? From the kernel's list (rtnetlink), at start
 * and all the time.
 *
 * bind() is no proof: it succeeds for an address that is not there (ip_nonlocal_bind), is tentative
 * (IPv6 DAD) or just left. An address counts as present only if the kernel lists it on an interface
 * that is up, neither TENTATIVE nor DADFAILED. A lost netlink message (ENOBUFS) leads to a full new
 * dump; until it is there nothing counts as present.
 */
#ifndef NET_VIP_WATCH_H
#define NET_VIP_WATCH_H

#include "loop/loop.h"
#include "core/netaddr.h"

struct vip_watch;
enum vip_state { VIP_ABSENT, VIP_TENTATIVE, VIP_PRESENT };

/* on_change(ctx, address, state) for every watched address at the first dump and at each change. */
typedef void vip_change_fn(void *ctx, const struct netaddr *address, enum vip_state state);
/* The first dump is made before this returns (a netlink socket answers at once). */
int vip_watch_new(struct vip_watch **out, struct loop *l, const struct netaddr *vips, size_t count,
    vip_change_fn *on_change, void *ctx) MUST_USE;
void vip_watch_free(struct vip_watch *w);
enum vip_state vip_watch_state(
    const struct vip_watch *w, const struct netaddr *address); /* watched ones; else ABSENT */
/* Pure parser of one netlink datagram, for tests and the fuzzer. */
typedef void vip_watch_addr_fn(
    void *ctx, const struct netaddr *address, unsigned ifindex, enum vip_state state);
int vip_watch_parse(struct slice datagram, vip_watch_addr_fn *each, void *ctx) MUST_USE;

#endif
