/* bridgehead/events.h - every event: number, dotted name, level, what it means, and the cure.
 *
 * The number and the name never change and are never reused. docs/events.md is written from these
 * rows (lint_docs compares them). Ranges: 1000 app and keeper, 1100 configuration, 1200 SMTP in,
 * 1300 SMTP out, 1400 queue and store, 1500 ownership, 1600 VIP and network, 1700 routing and DNS,
 * 1800 scheduler and DSN, 1900 cluster, 2000 control, 2100 X.400.
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
    BRIDGEHEAD_EVENTS_CTL(X) \
    BRIDGEHEAD_EVENTS_X400(X)

#define BRIDGEHEAD_EVENTS_APP(X) \
    X(EV_APP_STARTED, 1000, "app.started", INFO, "A process of Bridgehead started.", "None needed.") \
    X(EV_APP_STOPPED, 1001, "app.stopped", INFO, "A process of Bridgehead ended as asked.", "None needed.") \
    X(EV_LOG_DROPPED, 1002, "log.dropped", WARN, "Log lines were dropped because the log target is slower than the events.", "Look at the disk or syslog that takes the log; raise log.level if debug is on.") \
    X(EV_APP_STATE, 1003, "app.state", INFO, "The state of the instance changed.", "None needed.") \
    X(EV_APP_DEGRADED, 1004, "app.degraded", WARN, "The instance serves, but something needs attention; the reasons are named.", "Look at the reasons: bridgehead status explains each.") \
    X(EV_APP_FAILED, 1005, "app.failed", ERROR, "The server stops because going on could lose or repeat mail, or because it cannot start.", "The line names the cause; the exit code is in exit_codes.h and bridgeheadd(8).") \
    X(EV_APP_NO_BLACKBOX, 1006, "app.blackbox.failed", WARN, "The flight recorder could not be written.", "Look at the space in the run directory.") \
    X(EV_APP_RELOADED, 1007, "app.reloaded", INFO, "A changed configuration is in force.", "None needed.") \
    X(EV_APP_RELOAD_REFUSED, 1008, "app.reload.refused", ERROR, "A changed configuration was refused; the old one stays in force.", "Correct the named line and reload again.") \
    X(EV_APP_LOG_REOPEN, 1009, "app.log.reopen.failed", WARN, "The log target of the new configuration cannot be opened; the old one stays.", "Check that the account of the server may write there.") \
    X(EV_APP_KEEPER_GONE, 1010, "app.keeper.gone", ERROR, "The keeper is gone; the server ends with it.", "Look for what killed the keeper; the cluster restarts both.") \
    X(EV_APP_NO_RESOLVER, 1011, "app.resolver.failed", ERROR, "Name resolution could not be set up for the present virtual IPs.", "Look at dns.servers and at the free memory.") \
    X(EV_APP_NO_STORE, 1012, "app.store.missing", ERROR, "There is no store where the configuration says, or its filesystem is not mounted.", "Mount the filesystem; for a new instance run bridgehead store init.") \
    X(EV_APP_STORE_OWNED, 1013, "app.store.owned", ERROR, "The store belongs to another owner that may be alive.", "Stop the other owner; after a power cut let the cluster fence its node first.") \
    X(EV_APP_STORE_DAMAGED, 1014, "app.store.damaged", ERROR, "The store is damaged where no crash can explain it, or of a format this release does not read.", "Run bridgehead store check; use a release that reads the format.") \
    X(EV_KEEPER_LISTEN_FAILED, 1020, "keeper.listen.failed", ERROR, "A listening socket could not be opened.", "Stop what uses the port, or change the listener.") \
    X(EV_KEEPER_CHANNEL, 1021, "keeper.channel.failed", WARN, "A message between keeper and server could not be passed.", "If it repeats, the server hangs: the monitor will see it.") \
    X(EV_KEEPER_SERVER_CRASHED, 1022, "keeper.server.crashed", ERROR, "The server ended without a reason of its own; it is started again, at most three times in five minutes.", "Report it with the core dump and the blackbox.") \
    X(EV_KEEPER_GIVES_UP, 1023, "keeper.gives.up", ERROR, "The keeper stops and tells Pacemaker, which recovers the resource.", "The line names why; look at the events before it.") \
    X(EV_KEEPER_DESCRIPTORS, 1024, "keeper.descriptors.low", WARN, "The limit of open files is below what the configuration may need.", "Raise the hard limit of open files for the cluster's daemons, or lower limits.sessions.") \
    X(EV_KEEPER_RUNNING, 1025, "keeper.already.running", ERROR, "A second daemon of an instance was to be started on a node.", "Nothing to do if the first one is wanted; else stop it.") \
    X(EV_KEEPER_NO_COROSYNC, 1026, "keeper.corosync.absent", ERROR, "Corosync could not be reached at start.", "Start corosync, or set cluster.mode = \"none\" for a single node.") \
    X(EV_KEEPER_NO_QUORUM, 1027, "keeper.quorum.none", ERROR, "The partition had no quorum at start.", "Start more nodes, or repair their links.") \
    X(EV_KEEPER_NO_ACCOUNT, 1028, "keeper.account.missing", ERROR, "The account the server runs under does not exist.", "Create it: adduser --system --group --no-create-home NAME.") \
    X(EV_KEEPER_RUN_DIR, 1029, "keeper.run.failed", ERROR, "The run directory or a file in it could not be made.", "Run bridgeheadd as root; look at the space and the rights of /run.") \
    X(EV_KEEPER_NO_VIP, 1030, "keeper.vip.none", ERROR, "No virtual IP was given.", "The resource agent passes --vip; without it add vip to the configuration.") \
    X(EV_KEEPER_KILLS, 1031, "keeper.server.killed", ERROR, "The server did not end in its time after a stop was asked for, and is killed.", "If its disk hangs look there; else report it with the blackbox. The store is taken over as after a crash.")

#define BRIDGEHEAD_EVENTS_CONF(X) \
    X(EV_CONF_INVALID, 1100, "conf.invalid", ERROR, "The configuration was refused; the line names file, line, key and reason.", "Correct the named line; bridgeheadd --check validates without starting.") \
    X(EV_CONF_UNKNOWN_KEY, 1101, "conf.key.unknown", ERROR, "The configuration has a key that does not exist.", "Correct its spelling or remove it; bridgehead.conf(5) has all keys.") \
    X(EV_CONF_TYPE, 1102, "conf.type.wrong", ERROR, "A key of the configuration has a value of the wrong type.", "Write it as the line shows.") \
    X(EV_CONF_DUPLICATE, 1103, "conf.key.duplicate", ERROR, "A key of the configuration is given twice.", "Keep one of the two.") \
    X(EV_CONF_MISSING, 1104, "conf.key.missing", ERROR, "A required key of the configuration is missing.", "Add it as the line shows.") \
    X(EV_CONF_SYNTAX, 1105, "conf.syntax", ERROR, "The configuration is not libconfig syntax.", "Look at the named line and the one before.") \
    X(EV_CONF_UNREADABLE, 1106, "conf.unreadable", ERROR, "The configuration file cannot be read.", "Create it, the same on every node, readable for root and the account of the server.")

#define BRIDGEHEAD_EVENTS_SMTP_IN(X) \
    X(EV_SMTP_CONNECTED, 1200, "smtp.in.connected", DEBUG, "A client opened an SMTP session.", "None needed.") \
    X(EV_SMTP_ACCEPTED, 1201, "smtp.in.accepted", INFO, "A message is durable in the queue and was acknowledged.", "None needed.") \
    X(EV_SMTP_DISCONNECTED, 1202, "smtp.in.disconnected", DEBUG, "An SMTP session of a client ended.", "None needed.") \
    X(EV_SMTP_RCPT_REFUSED, 1203, "smtp.rcpt.refused", INFO, "A recipient was refused; the line has the reply.", "None needed; for a relay that should be allowed, look at relay.clients and relay.domains.") \
    X(EV_SMTP_MESSAGE_REFUSED, 1204, "smtp.in.message.refused", INFO, "A message was refused while its content came; the line has the reply.", "Too large: limits.message_size. Bare CR or LF: the client has to be repaired. Mail loop: look at the routes of both sides. Insufficient storage: free space on the store's filesystem.") \
    X(EV_SMTP_COMMIT_FAILED, 1205, "smtp.in.commit.failed", WARN, "A received message could not be made durable; the client was told to try again.", "See the event of the queue or of the ownership before it.") \
    X(EV_SMTP_CLOSED, 1206, "smtp.in.closed", INFO, "A session was ended by us; the line has the reply: time-out, too many errors, a bare LF, draining.", "None needed; a client that is closed again and again has to be repaired.") \
    X(EV_SMTP_SESSION_REFUSED, 1207, "smtp.in.session.refused", WARN, "A client was turned away with 421 before its session began.", "If the client is wanted, add it to relay.clients (they have no limit of their own) or raise limits.sessions_per_client; raise limits.sessions if that is reached.") \
    X(EV_SMTP_KNOWN, 1208, "smtp.in.known", INFO, "A client came again with a transaction that had completed, because it had not heard so (CHECKPOINT); it was told, and nothing was taken twice.", "None needed.") \
    X(EV_SMTP_LEFT, 1209, "smtp.in.left", INFO, "A session ended before its message was durable, and no answer could be given. The message is in the queue all the same if it reached the disk; a client that sends it again sends another.", "None needed; a client that does so often does not wait for the answer to the final dot (RFC 5321 asks for 10 minutes).")

#define BRIDGEHEAD_EVENTS_SMTP_OUT(X) \
    X(EV_SMTP_OUT_CONNECTED, 1300, "smtp.out.connected", DEBUG, "An SMTP session to a next hop was opened.", "None needed.") \
    X(EV_SMTP_OUT_CONNECT_FAILED, 1301, "smtp.out.connect.failed", INFO, "A next hop could not be connected; the next address is tried.", "If it lasts, check the next hop and the way to it; with 'not on this host' look at the virtual IP.") \
    X(EV_SMTP_OUT_REFUSED, 1302, "smtp.out.refused", INFO, "A next hop refused or ended the session with a reply of its own.", "The line has the reply; ask its operator if it lasts.") \
    X(EV_SMTP_OUT_TIMEOUT, 1303, "smtp.out.timeout", WARN, "A next hop did not answer in the time of RFC 5321 section 4.5.3.2.", "Look at the next hop; its mail waits, no other destination does.") \
    X(EV_SMTP_OUT_LOST, 1304, "smtp.out.lost", INFO, "The connection to a next hop was lost during a session.", "If it lasts, look at the network and at the next hop's log.") \
    X(EV_SMTP_OUT_PROTOCOL, 1305, "smtp.out.protocol", WARN, "A next hop answered with something that is not SMTP, or against its order or limits.", "Check that the next hop and its port are an SMTP (or LMTP) server.") \
    X(EV_SMTP_OUT_HELO, 1306, "smtp.out.helo", DEBUG, "A next hop refused EHLO and was greeted with HELO: no extensions.", "None needed; an old server, or a firewall that alters SMTP.") \
    X(EV_SMTP_OUT_IN_DOUBT, 1307, "smtp.out.in_doubt", WARN, "The final dot was sent and no valid answer came: the message may arrive twice, for it is tried again.", "None needed; bridgehead queue list --selector in-doubt shows such messages.") \
    X(EV_SMTP_OUT_NO_HOST, 1308, "smtp.out.host.none", INFO, "The addresses of a destination could not be found.", "Check the domain's MX, A and AAAA records, and dns.servers if it happens to all.") \
    X(EV_SMTP_OUT_LOOP, 1309, "smtp.out.loop", ERROR, "The best MX of a destination is this instance, which has no other route for it: mail would loop.", "Add a route for the domain, or correct its MX records.") \
    X(EV_SMTP_OUT_CONTENT, 1310, "smtp.out.content.failed", ERROR, "A message's content could not be read; its delivery was broken off.", "Look at the store's events; bridgehead store check lists damage.") \
    X(EV_SMTP_OUT_CLOSED, 1311, "smtp.out.closed", DEBUG, "An SMTP session to a next hop ended.", "None needed.") \
    X(EV_SMTP_OUT_STALE, 1312, "smtp.out.stale", DEBUG, "A kept session had died; its delivery goes on over a new one.", "None needed.")

#define BRIDGEHEAD_EVENTS_QUEUE(X) \
    X(EV_QUEUE_OPENED, 1400, "queue.opened", INFO, "The store is sealed and takes mail; what it held before is being loaded.", "None needed.") \
    X(EV_QUEUE_FAILED, 1401, "queue.failed", ERROR, "A write or sync of the store failed; nothing more is acknowledged and the server exits.", "Check the disk and its path (kernel log, multipath, DRBD state); remount the filesystem before this node opens the store again.") \
    X(EV_QUEUE_SPACE_LOW, 1402, "queue.space.low", WARN, "The disk is full but for the reserve: new mail is answered with 452, delivery goes on.", "Make room on the store's filesystem, or enlarge it; intake resumes alone.") \
    X(EV_QUEUE_SPACE_OK, 1403, "queue.space.ok", INFO, "The reserve is whole again and new mail is accepted.", "None needed.") \
    X(EV_QUEUE_NO_ROOM, 1413, "queue.no-room", WARN, "A message that says how long it is found less room than that on the disk, and was refused for now; shorter ones are taken.", "Make room on the store's filesystem, or enlarge it; the state tells disk-full until so much has room.") \
    X(EV_QUEUE_DAMAGED, 1404, "queue.damaged", ERROR, "A checksum failed where no crash can explain it; the named place is set aside and the rest serves.", "Check the disk; bridgehead store check lists all damage. Messages with content there are held.") \
    X(EV_QUEUE_STRAY, 1405, "queue.stray", WARN, "A segment that no seal lists was found and is deleted: a stale owner wrote it after it had lost the store.", "Look at why that owner was not fenced; nothing in it was acknowledged.") \
    X(EV_QUEUE_READ_FAILED, 1406, "queue.read.failed", ERROR, "Content of a message could not be read or its checksum failed; it is not sent.", "Check the disk; hold the message, and export or remove it.") \
    X(EV_QUEUE_SNAPSHOT, 1407, "queue.snapshot.written", INFO, "A snapshot was written: recovery begins there.", "None needed.") \
    X(EV_QUEUE_SNAPSHOT_FAILED, 1408, "queue.snapshot.failed", WARN, "A snapshot could not be written. No mail is touched by it; a recovery takes longer.", "Look at the error: room on the store's filesystem, or its disk. The next one is tried by itself.") \
    X(EV_QUEUE_SNAPSHOT_UNREADABLE, 1409, "queue.snapshot.unreadable", WARN, "A snapshot could not be used; the named one took its place, which takes longer. No mail is touched by it.", "Check the disk: a snapshot was read back when it was written, so something changed it since.") \
    X(EV_QUEUE_LOADED, 1412, "queue.loaded", INFO, "All that the store held is known: delivery goes on.", "None needed.") \
    X(EV_QUEUE_COMPACT_BLOCKED, 1410, "queue.compact.blocked", WARN, "Segments of the journal cannot be freed, since damage is in them or in one that they must outlive: the store takes more of the disk than it should.", "bridgehead store check names the damage; export or remove the messages that are held for it, then bridgehead store repair.")

#define BRIDGEHEAD_EVENTS_OWNER(X) \
    X(EV_OWNER_CLAIMED, 1500, "owner.claimed", INFO, "This daemon became the owner of the store under a new epoch.", "None needed.") \
    X(EV_OWNER_LOST, 1501, "owner.lost", ERROR, "Ownership of the store is lost: a higher epoch exists, or the lease ran out before it could be renewed.", "Look at what stalled this node or its disk for longer than store.lease; the server exits and the cluster decides where it runs.") \
    X(EV_OWNER_RELEASED, 1502, "owner.released", INFO, "The store was sealed and released: the next owner waits for nothing.", "None needed.")

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
    X(EV_DELIVERED, 1800, "delivery.delivered", INFO, "A recipient was delivered to its next hop.", "None needed.") \
    X(EV_DEFERRED, 1801, "delivery.deferred", INFO, "A recipient could not be delivered now; it is tried again by the retry schedule.", "None needed; if it repeats, the reply says what the next hop objects to.") \
    X(EV_FAILED, 1802, "delivery.failed", INFO, "A recipient cannot be delivered; the sender is told, if the message allows it.", "None needed; the reply says why.") \
    X(EV_REMOVED, 1803, "delivery.removed", INFO, "A recipient was removed from the queue by the operator, without a notice.", "None needed.") \
    X(EV_IN_DOUBT_HELD, 1804, "delivery.in_doubt.held", WARN, "A final dot stayed without an answer, and the configuration says to hold such messages.", "Ask the next hop whether it has the message, then release or remove it.") \
    X(EV_CONTENT_UNREADABLE, 1805, "delivery.content.unreadable", ERROR, "The content of a queued message could not be read; it is not sent.", "Run bridgehead store check; look at the disk.") \
    X(EV_IN_DOUBT_FOUND, 1806, "delivery.in_doubt.found", INFO, "A recipient was being delivered when the last owner ended: nobody knows whether it arrived.", "None needed, or with in_doubt = \"hold\" ask the next hop; bridgehead queue list --selector in-doubt shows them.") \
    X(EV_TAKEOVER_IN_DOUBT, 1809, "delivery.in_doubt.takeover", WARN, "The last owner ended with deliveries under way: their recipients are in doubt.", "None needed; bridgehead failover report and queue list --selector in-doubt show them.") \
    X(EV_POISON_HELD, 1807, "delivery.poison.held", ERROR, "The server crashed repeatedly with this message in hand: it is held.", "Keep a copy (bridgehead queue export) and the core dump for a report, then remove the message, or release it when the fault is corrected.") \
    X(EV_POISON_SUSPECT, 1808, "delivery.poison.suspect", WARN, "The server crashed repeatedly with this and other messages in hand: they are tried one after another.", "None needed; if it crashes again, the message begun last is held.") \
    X(EV_DESTINATION_DOWN, 1810, "destination.down", WARN, "No session to a destination could be opened; one delivery asks again after the back-off, the rest waits.", "Check the network and the host; bridgehead why DESTINATION shows the last error.") \
    X(EV_DESTINATION_UP, 1811, "destination.up", INFO, "A destination that was down answers again.", "None needed.") \
    X(EV_CONNECTOR_SUSPENDED, 1812, "connector.suspended", WARN, "An operator suspended a connector: its mail waits or takes the route's next connector.", "bridgehead connector resume NAME.") \
    X(EV_CONNECTOR_RESUMED, 1813, "connector.resumed", INFO, "An operator resumed a connector.", "None needed.") \
    X(EV_NOTICE_SENT, 1820, "notice.sent", INFO, "A notice about failed or delayed recipients was queued for the sender.", "None needed.") \
    X(EV_NOTICE_DROPPED, 1821, "notice.dropped", INFO, "A failed recipient of a message without a sender: nobody is told, a bounce is never bounced.", "None needed.") \
    X(EV_NOTICE_UNSENT, 1822, "notice.unsent", WARN, "A notice could not be queued; its recipients stay in the queue for another try.", "Free space on the store's filesystem, or memory.") \
    X(EV_SCHED_BROKEN, 1830, "sched.broken", ERROR, "An outcome could not be recorded; nothing more is sent by this process.", "None: the store's failure ends the process and the outcomes are found again by recovery; see the store's event.")

#define BRIDGEHEAD_EVENTS_CLUSTER(X) \
    X(EV_CLUSTER_JOINED, 1900, "cluster.joined", INFO, "The keeper is connected to corosync.", "None needed.") \
    X(EV_CLUSTER_HIGHER_EPOCH, 1901, "cluster.higher.epoch", ERROR, "Another node owns the store under a higher epoch; this one ends.", "None needed, but find out why this node was thought dead.") \
    X(EV_CLUSTER_LEFT, 1902, "cluster.left", ERROR, "Corosync cannot be reached: nothing is accepted or sent until it is back.", "Start corosync, or look why it ended; the keeper joins again by itself.") \
    X(EV_CLUSTER_QUORUM, 1903, "cluster.quorum", WARN, "Quorum was gained or lost; without it nothing is accepted or sent.", "Bring nodes or links back; fencing follows from the cluster.") \
    X(EV_CLUSTER_PEER, 1904, "cluster.peer", INFO, "Another owner of this instance spoke.", "None needed.")

#define BRIDGEHEAD_EVENTS_CTL(X) \
    X(EV_CTL_COMMAND, 2000, "ctl.command", INFO, "An operator's command changed something.", "None needed.") \
    X(EV_CTL_REFUSED, 2001, "ctl.refused", WARN, "Somebody without permission asked the control socket.", "Run the command as root, or add the account to the group of the daemon.") \
    X(EV_CTL_REPLY_FAILED, 2002, "ctl.reply.failed", WARN, "An answer could not be sent to a client of the control socket.", "None needed; the client was gone or does not read.")

#define BRIDGEHEAD_EVENTS_X400(X) \
    X(EV_X400_CALL_REFUSED, 2120, "x400.call.refused", WARN, "A connection was refused, or given up, before it could bind: too many that have not bound, no connector has the called T-selector, what came is not what a layer below the bind takes, or nothing came in time.", "Compare the peer's called T-selector with local.tsel of its connector; look at the limits if it is one of ours. Where the reason names a layer the peer's stack is set otherwise than X.400 has it, or no X.400 calls.") \
    X(EV_X400_BIND_REFUSED, 2121, "x400.bind.refused", WARN, "An association was refused; the line says which part did not match, or which limit is reached, and what the peer called and in which mode.", "Compare the named part with the connector's configuration on both sides (the password is in neither log).") \
    X(EV_X400_OPENED, 2122, "x400.association.opened", INFO, "An association with a connector's peer is open.", "None needed.") \
    X(EV_X400_CLOSED, 2123, "x400.association.closed", DEBUG, "An association, or a connection without one, ended as it should.", "None needed.") \
    X(EV_X400_FAILED, 2124, "x400.association.failed", INFO, "An association could not be opened, or ended otherwise than by release; the line names the layer.", "If it lasts: transport means address, port or T-selector, session and presentation the S- and P-selector or the mode, bind the MTA names and passwords.") \
    X(EV_X400_PEER_WRONG, 2125, "x400.peer.wrong", WARN, "The MTA that answered is not the one that the connector names; nothing was sent to it.", "Check next_hop, remote.mta and the remote password.") \
    X(EV_X400_MESSAGE_IN, 2126, "x400.transfer.in", INFO, "A message, probe or report came and is durable here: the log record of ICAO Doc 9880.", "None needed; keep such lines for 30 days where that applies.") \
    X(EV_X400_MESSAGE_OUT, 2127, "x400.transfer.out", INFO, "A message, probe or report was handed on and confirmed: the log record of ICAO Doc 9880.", "None needed; keep such lines for 30 days where that applies.") \
    X(EV_X400_NON_DELIVERY, 2128, "x400.report.made", INFO, "Recipients of a message or probe are not delivered to; a report to its originator is queued.", "None needed; rule names the row of the table of relaying in docs/protocols/x400.md: no-space and leads-back want a route, looped means that an MTA of our names was passed.") \
    X(EV_X400_DROPPED, 2129, "x400.transfer.dropped", INFO, "A transfer was confirmed and nothing of it is kept (nobody here is responsible, or a report that has no way), or a queued one failed and there is nobody to tell.", "None needed; a report without a way may want an address space.") \
    X(EV_X400_TRANSFER_REFUSED, 2130, "x400.transfer.refused", WARN, "A transfer was not taken and the peer was told; it keeps the message.", "The line says why: no room here, or octets that are no P1.") \
    X(EV_X400_REPEATED, 2131, "x400.transfer.repeated", INFO, "A transfer came again that is here already: its confirmation had been lost. It is confirmed and not taken twice.", "None needed.") \
    X(EV_X400_IN_DOUBT, 2132, "x400.transfer.in_doubt", WARN, "A transfer was sent whole and its confirmation is not known: the message may arrive twice, for it is tried again.", "None needed; bridgehead queue list --selector in-doubt shows such messages.") \
    X(EV_X400_TRANSFER_FAILED, 2133, "x400.transfer.failed", INFO, "The peer did not take a transfer; it is tried again by the retry schedule.", "If it lasts, ask the peer's operator: the reason is his MTA's.") \
    X(EV_X400_UNFIT, 2134, "x400.transfer.unfit", INFO, "A message cannot go over this connector at all: its recipients fail.", "None needed; the line says why.") \
    X(EV_X400_RESUME_REFUSED, 2135, "x400.resume.refused", DEBUG, "A peer wanted to resume a transfer of which nothing is kept here; it begins anew.", "None needed.") \
    X(EV_X400_CONTENT, 2136, "x400.content.failed", ERROR, "A queued message could not be read, or is not as long as it should be; its delivery was broken off.", "Look at the store's events; bridgehead store check lists damage.") \
    X(EV_X400_REPORT_IN, 2137, "x400.report.in", INFO, "What a report that came says: the message or probe that it is on, and what became of the first 20 of its recipients. id is that of its x400.transfer.in.", "None needed; reason and diagnostic tell whether the address, the route or the message is to be mended.") \
    X(EV_X400_RESUMED, 2150, "x400.transfer.resumed", INFO, "A transfer that had broken off goes on at its last confirmed point; kept tells how many octets need not come again.", "None needed.") \
    X(EV_X400_PART_DROPPED, 2151, "x400.part.dropped", INFO, "What was kept of a transfer that had broken off is given up: nobody resumed it in rtse.recovery, its connector is gone, 64 younger ones are kept for it, or its peer gave another association the same reference.", "None needed: the peer still has the message, and sends it anew.") \
    X(EV_X400_TRANSFER_BROKEN, 2152, "x400.transfer.broken", INFO, "A transfer broke off behind a confirmed point, or the peer put it off; it goes on there if it is resumed within rtse.recovery. kept: the octets that are confirmed (direction out) or came (in).", "If it lasts, the line before it tells why its association ended.")
/* clang-format on */

enum bridgehead_event {
#define BRIDGEHEAD_EVENT_SYMBOL(symbol, number, name, level, what, cure) symbol = number,
    BRIDGEHEAD_EVENTS(BRIDGEHEAD_EVENT_SYMBOL)
#undef BRIDGEHEAD_EVENT_SYMBOL
};

#endif
