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
    X(EV_VIP_PRESENT, 1600, "vip.present", INFO, "A virtual IP is on this host and usable.", "None needed.")

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
