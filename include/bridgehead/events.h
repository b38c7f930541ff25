/* bridgehead/events.h - every event: number, dotted name, level, what it means, and the cure.
 *
 * The number and the name never change and are never reused. docs/events.md shows the same rows (lint_docs
 * compares them). Ranges: 1000 app and keeper, 1100 configuration, 1200 SMTP in, 1300 SMTP out,
 * 1400 queue and store, 1500 ownership, 1600 VIP and network, 1700 routing and DNS, 1800 scheduler and DSN,
 * 1900 cluster, 2000 control, 2100 X.400 (later).
 *
 * Row: X(symbol, number, "dotted.name", LEVEL, "what happened", "what to do")
 */
#ifndef BRIDGEHEAD_EVENTS_H
#define BRIDGEHEAD_EVENTS_H

/* clang-format off */
#define BRIDGEHEAD_EVENTS(X) \
    BRIDGEHEAD_EVENTS_APP(X) \
    BRIDGEHEAD_EVENTS_CONF(X) \
    BRIDGEHEAD_EVENTS_SMTP_IN(X) \
    BRIDGEHEAD_EVENTS_SMTP_OUT(X) \
    BRIDGEHEAD_EVENTS_QUEUE(X) \
    BRIDGEHEAD_EVENTS_OWNER(X) \
    BRIDGEHEAD_EVENTS_NET(X) \
    BRIDGEHEAD_EVENTS_ROUTE(X) \
    BRIDGEHEAD_EVENTS_SCHED(X) \
    BRIDGEHEAD_EVENTS_CLUSTER(X) \
    BRIDGEHEAD_EVENTS_CTL(X)

#define BRIDGEHEAD_EVENTS_APP(X) \
    X(EV_APP_STARTED, 1000, "app.started", INFO, "A process of Bridgehead started.", "None needed.") \
    X(EV_APP_STOPPED, 1001, "app.stopped", INFO, "A process of Bridgehead ended as asked.", "None needed.") \
    X(EV_LOG_DROPPED, 1002, "log.dropped", WARN, "Log lines were dropped because the log target is slower than the events.", "Look at the disk or syslog that takes the log; raise log.level if debug is on.")

#define BRIDGEHEAD_EVENTS_CONF(X) \
    X(EV_CONF_INVALID, 1100, "conf.invalid", ERROR, "The configuration was refused; the line names file, line, key and reason.", "Correct the named line; bridgeheadd --check validates without starting.")

#define BRIDGEHEAD_EVENTS_SMTP_IN(X) \
    X(EV_SMTP_CONNECTED, 1200, "smtp.in.connected", DEBUG, "A client opened an SMTP session.", "None needed.")

#define BRIDGEHEAD_EVENTS_SMTP_OUT(X) \
    X(EV_SMTP_OUT_CONNECTED, 1300, "smtp.out.connected", DEBUG, "An SMTP session to a next hop was opened.", "None needed.")

#define BRIDGEHEAD_EVENTS_QUEUE(X) \
    X(EV_QUEUE_OPENED, 1400, "queue.opened", INFO, "The store was recovered and is ready.", "None needed.")

#define BRIDGEHEAD_EVENTS_OWNER(X) \
    X(EV_OWNER_CLAIMED, 1500, "owner.claimed", INFO, "This daemon became the owner of the store under a new epoch.", "None needed.")

#define BRIDGEHEAD_EVENTS_NET(X) \
    X(EV_VIP_PRESENT, 1600, "vip.present", INFO, "A virtual IP is on this host and usable.", "None needed.") \
    X(EV_VIP_ABSENT, 1601, "vip.absent", WARN, "A virtual IP is not (or no longer) on this host; nothing is sent from it and nothing is sent from another address instead.", "See crm_mon for the IPaddr2 resource; with cluster.mode none, add the address to an interface that is up.") \
    X(EV_VIP_TENTATIVE, 1602, "vip.tentative", WARN, "A virtual IPv6 address is being checked for duplicates (or failed that check); nothing is sent from it yet.", "Give IPaddr2 nodad=true; if the check failed, find the other host that has the address.") \
    X(EV_VIP_LOST_SYNC, 1603, "vip.lost-sync", WARN, "The kernel dropped address change messages; all addresses are read anew and count as absent until then.", "None needed; if it repeats, look for something that changes addresses in a loop.") \
    X(EV_VIP_WATCH_FAILED, 1604, "vip.watch-failed", ERROR, "The kernel's address list cannot be read; every virtual IP counts as absent.", "Look at the error; the read is tried again each second.") \
    X(EV_ACCEPT_FAILED, 1610, "net.accept-failed", WARN, "New connections cannot be accepted for want of descriptors or memory; they wait in the kernel.", "Raise LimitNOFILE or lower limits.sessions.") \
    X(EV_EGRESS_CUT, 1620, "egress.cut", WARN, "Outgoing connections were cut because their source address left or sending was forbidden.", "See the event before it; delivery is tried again by itself.") \
    X(EV_RESOLVER_FAILED, 1710, "dns.setup-failed", ERROR, "The DNS resolver could not be set up.", "Check dns.servers and /etc/resolv.conf.")

#define BRIDGEHEAD_EVENTS_ROUTE(X) \
    X(EV_ROUTE_NONE, 1700, "route.none", WARN, "No route matches a recipient.", "Add a route with to = \"*\", or one for the recipient's domain.")

#define BRIDGEHEAD_EVENTS_SCHED(X) \
    X(EV_DELIVERED, 1800, "delivery.delivered", INFO, "A recipient was delivered to its next hop.", "None needed.")

#define BRIDGEHEAD_EVENTS_CLUSTER(X) \
    X(EV_CLUSTER_JOINED, 1900, "cluster.joined", INFO, "The keeper is connected to corosync.", "None needed.")

#define BRIDGEHEAD_EVENTS_CTL(X) \
    X(EV_CTL_COMMAND, 2000, "ctl.command", INFO, "An operator's command changed something.", "None needed.")
/* clang-format on */

enum bridgehead_event {
#define BRIDGEHEAD_EVENT_SYMBOL(symbol, number, name, level, what, cure) symbol = number,
    BRIDGEHEAD_EVENTS(BRIDGEHEAD_EVENT_SYMBOL)
#undef BRIDGEHEAD_EVENT_SYMBOL
};

#endif
