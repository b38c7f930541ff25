/* cluster/cluster.h - what Corosync knows, for the keeper. Its calls block, so they live on one
 * helper thread.
 *
 * libquorum: have we quorum. libcpg: owners of one instance see each other's epoch. Losing corosync
 * counts as quorum lost, and is tried again (every second) until joined. With mode none
 * cluster_none.c says "joined, quorate" once and nothing more. Events reach on_event on the loop's
 * thread, in order.
 */
#ifndef CLUSTER_CLUSTER_H
#define CLUSTER_CLUSTER_H

#include "loop/loop.h"

struct cluster;
enum cluster_event_kind {
    CLUSTER_JOINED, /* connected to corosync */
    CLUSTER_LEFT,   /* corosync is unreachable: counts as quorum lost */
    CLUSTER_QUORUM, /* .quorate */
    CLUSTER_PEER,   /* an owner of this instance spoke: .node, .epoch (not our own messages) */
};
struct cluster_event {
    enum cluster_event_kind kind;
    bool quorate;
    char node[64];
    uint64_t epoch;
};
typedef void cluster_fn(void *ctx, const struct cluster_event *e);
struct cluster_options {
    const char *instance; /* the CPG group is "bridgehead-INSTANCE" */
    const char *node;
};
/* Corosync: returns at once; BH_ECLUSTER is not an error here but an event. The first event (JOINED
 * or LEFT) comes within a second. */
int cluster_corosync_start(struct cluster **out, struct loop *l, const struct cluster_options *o,
    cluster_fn *on_event, void *ctx) MUST_USE;
int cluster_none_start(struct cluster **out, struct loop *l, const struct cluster_options *o,
    cluster_fn *on_event, void *ctx) MUST_USE;
/* Tell the group our epoch: now, and again whenever a member joins. 0: we own nothing (any more).
 */
void cluster_announce(struct cluster *c, uint64_t epoch);
/* Joins the thread; 1 s at most. The process ends soon after: connections are left to that. False:
 * the thread is held up inside corosync. It may still wake the loop, which must not be freed then;
 * this may be called again. */
bool cluster_free(struct cluster *c) MUST_USE;

#endif
