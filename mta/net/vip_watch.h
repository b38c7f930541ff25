/* net/vip_watch.h - is the address on this host, now? From the kernel's list (rtnetlink), at start
 * and all the time.
 *
 * bind() is no proof: it succeeds for an address that is not there (ip_nonlocal_bind), is tentative
 * (IPv6 DAD) or just left. An address counts as present only if the kernel lists it on an interface
 * that is up, neither TENTATIVE nor DADFAILED; or, IPv4 only, if it lies inside the prefix of an
 * address on a loopback interface (127.0.0.2 in 127.0.0.1/8: the kernel takes all of it for local).
 * A lost netlink message (ENOBUFS) leads to a full new dump; until it is there nothing counts as
 * present. Each change is logged (events 1600 to 1604).
 */
#ifndef NET_VIP_WATCH_H
#define NET_VIP_WATCH_H

#include "core/netaddr.h"
#include "loop/loop.h"

struct vip_watch;
enum vip_state { VIP_ABSENT, VIP_TENTATIVE, VIP_PRESENT };

/* on_change(ctx, address, state) for every watched address at the first dump (inside
 * vip_watch_new) and at each change, also when an address left and came back between two turns. It
 * must not free the watch. */
typedef void vip_change_fn(void *ctx, const struct netaddr *address, enum vip_state state);
/* The first dump is made before this returns (a netlink socket answers at once). on_change may be
 * NULL. */
int vip_watch_new(struct vip_watch **out, struct loop *l, const struct netaddr *vips, size_t count,
    vip_change_fn *on_change, void *ctx) MUST_USE;
void vip_watch_free(struct vip_watch *w);
/* Watch these instead (reload). On an error the old ones stay. */
int vip_watch_set(struct vip_watch *w, const struct netaddr *vips, size_t count) MUST_USE;
enum vip_state vip_watch_state(
    const struct vip_watch *w, const struct netaddr *address); /* watched ones; else ABSENT */

/* More who want to know; told before on_change. The memory is the caller's, until unlisten. */
struct vip_listener {
    struct list link;
    vip_change_fn *on_change;
    void *ctx;
};
void vip_watch_listen(struct vip_watch *w, struct vip_listener *listener);
void vip_watch_unlisten(struct vip_listener *listener);

/* Pure parser of one netlink datagram, for tests and the fuzzer. */
struct vip_message {
    enum { VIP_MESSAGE_ADDRESS, VIP_MESSAGE_LINK } kind;
    unsigned ifindex;
    struct netaddr_prefix address; /* host bits kept */
    enum vip_state state;          /* of the address, if its interface is up; ABSENT: removed */
    bool up, loopback;             /* of the link; neither: removed */
};
typedef void vip_message_fn(void *ctx, const struct vip_message *m);
#define VIP_PARSE_DONE        1u /* the end of a dump */
#define VIP_PARSE_INTERRUPTED 2u /* the dump is inconsistent: ask again */
/* 0; -errno that the kernel reports; BH_ESYNTAX (messages before the bad one were given). *flags:
 * VIP_PARSE_…. */
int vip_watch_parse(
    struct slice datagram, vip_message_fn *each, void *ctx, unsigned *flags) MUST_USE;

#endif
