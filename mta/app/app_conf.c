#include "app/app_conf_pass.h"
#include "app/app_route.h"
#include "core/log.h"
#include "core/ticks.h"
#include "mail/address.h"
#include "osi/rtse.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SMTP_PORT 25
#define X400_PORT 102

#define MS(n)     ((uint64_t)(n))
#define SEC(n)    ((uint64_t)(n)*1000)
#define MIN_MS(n) (SEC(n) * 60)
#define DAY(n)    (MIN_MS(n) * 60 * 24)

/* clang-format off */
#define SIDE_KEYS(side, mta, password) \
    { "connector.*." side ".mta", CONF_STRING, 0, P1_MTA_NAME_BYTES_MAX, NULL, NULL, false, true, mta }, \
    { "connector.*." side ".password_file", CONF_STRING, 1, APP_PATH_CAP - 1, NULL, NULL, false, true, password ": the one line of this file, at most 64 octets. It must be readable for the account of the server and not for everyone: owner root, the account's group, mode 0640. Without it the password is empty." }, \
    { "connector.*." side ".tsel", CONF_STRING, 0, TP0_SELECTOR_BYTES_MAX, NULL, NULL, false, true, "T-selector (TSAP) in printable characters. Default: none." }, \
    { "connector.*." side ".tsel_hex", CONF_STRING, 0, 2 * TP0_SELECTOR_BYTES_MAX, NULL, NULL, false, true, "The same in hexadecimal digits, two for each octet." }, \
    { "connector.*." side ".ssel", CONF_STRING, 0, SESSION_SELECTOR_BYTES_MAX, NULL, NULL, false, true, "S-selector. Old peers, and mode x410, want none." }, \
    { "connector.*." side ".ssel_hex", CONF_STRING, 0, 2 * SESSION_SELECTOR_BYTES_MAX, NULL, NULL, false, true, "The same in hexadecimal digits." }, \
    { "connector.*." side ".psel", CONF_STRING, 0, PRESENTATION_SELECTOR_BYTES_MAX, NULL, NULL, false, true, "P-selector. Modes x410 and 1984 have none." }, \
    { "connector.*." side ".psel_hex", CONF_STRING, 0, 2 * PRESENTATION_SELECTOR_BYTES_MAX, NULL, NULL, false, true, "The same in hexadecimal digits." }

static const struct conf_key table[] = {
    { "instance", CONF_STRING, 1, 63, NULL, NULL, false, false, "Name of this instance. Defaults to the file's base name; if given it must be the same." },
    { "hostname", CONF_STRING, 1, 255, NULL, NULL, true, true, "The name in the greeting, in EHLO, in Received lines and in notifications." },
    { "user", CONF_STRING, 1, 63, "bridgehead", NULL, false, false, "The account the server runs under. Members of its group may use the control socket." },
    { "vip", CONF_STRINGS, 0, APP_VIPS_MAX, NULL, NULL, false, false, "The virtual IPs, the only addresses mail is sent from. The first of each family is the default source. Under Pacemaker the agent passes them; where both are given they must be the same." },
    { "vip_grace", CONF_DURATION, 0, MIN_MS(10), "10s", NULL, false, true, "How long a virtual IP may be missing after start before the state becomes degraded." },
    { "drain", CONF_DURATION, 0, MIN_MS(5), "10s", NULL, false, true, "Longest time a planned stop waits for replies already earned and deliveries under way." },
    { "store", CONF_GROUP, 0, 0, NULL, NULL, true, false, "Where the queue lives." },
    { "store.path", CONF_STRING, 1, APP_PATH_CAP - 1, NULL, NULL, true, false, "The store's directory, on the filesystem the cluster mounts. Made by bridgehead store init." },
    { "store.reserve", CONF_SIZE, 8 * MIB, 1024 * GIB, "256MiB", NULL, false, false, "Space that new mail may not use, in files that are ready for outcomes and for the next owner when the disk is full. At least one segment." },
    { "store.snapshot", CONF_SIZE, MIB, 1024 * GIB, "256MiB", NULL, false, false, "A snapshot of the queue is written when the journal has grown by so much since the last one, or by twice its size if that is more. A takeover reads one snapshot and that much journal." },
    { "store.lease", CONF_DURATION, SEC(1), MIN_MS(5), "6s", NULL, false, false, "Ownership lapses when it could not be renewed for so long; without fencing a takeover waits 1.25 times this." },
    { "cluster", CONF_GROUP, 0, 0, NULL, NULL, false, false, "How this node belongs to a cluster." },
    { "cluster.mode", CONF_ENUM, 0, 0, "none", "none|pacemaker", false, false, "pacemaker: quorum and peers are watched through corosync. none: a single node." },
    { "dns", CONF_GROUP, 0, 0, NULL, NULL, false, false, "Name resolution." },
    { "dns.servers", CONF_STRINGS, 0, APP_DNS_SERVERS_MAX, NULL, NULL, false, false, "Resolvers to ask, as addresses with an optional port. Default: those of /etc/resolv.conf." },
    { "dns.timeout", CONF_DURATION, SEC(1), MIN_MS(5), "30s", NULL, false, false, "For a whole lookup." },
    { "log", CONF_GROUP, 0, 0, NULL, NULL, false, true, "Where events go." },
    { "log.to", CONF_STRING, 1, APP_PATH_CAP - 1, "syslog", NULL, false, true, "syslog, stderr or file:PATH." },
    { "log.level", CONF_ENUM, 0, 0, "info", "error|warn|info|debug", false, true, "The least important events that are logged." },
    { "limits", CONF_GROUP, 0, 0, NULL, NULL, false, true, "What one client or message may use." },
    { "limits.sessions", CONF_INT, 1, 100000, "5000", NULL, false, true, "Inbound sessions at a time; more get 421." },
    { "limits.sessions_per_client", CONF_INT, 0, 100000, "50", NULL, false, true, "Inbound sessions of one address (IPv6: of one /64) at a time, so that no stranger takes all; relay.clients have no such limit. 0: no limit." },
    { "limits.message_size", CONF_SIZE, 64 * KIB, 1024 * GIB, "100MiB", NULL, false, true, "Largest message, announced by SIZE." },
    { "limits.recipients", CONF_INT, 100, 10000, "1000", NULL, false, true, "Recipients of one message; more get 452. RFC 5321 asks for at least 100." },
    { "limits.errors", CONF_INT, 1, 1000, "20", NULL, false, true, "Bad commands of one session before 421." },
    { "limits.command_timeout", CONF_DURATION, SEC(1), MIN_MS(60), "5min", NULL, false, true, "Longest wait for a client's next command." },
    { "limits.data_timeout", CONF_DURATION, SEC(1), MIN_MS(60), "10min", NULL, false, true, "Longest wait for a client's next piece of a message. Content that comes at less than 500 bytes a second uses this time up." },
    { "listener", CONF_GROUP, 0, 0, NULL, NULL, false, true, "Where mail comes in, one group for each name." },
    { "listener.*", CONF_GROUP, 0, 0, NULL, NULL, false, true, "A listener." },
    { "listener.*.protocol", CONF_ENUM, 0, 0, NULL, "smtp|x400", true, true, "The protocol spoken." },
    { "listener.*.address", CONF_STRING, 1, 64, "vip", NULL, false, true, "vip: every virtual IP. Else one address of this host." },
    { "listener.*.port", CONF_INT, 1, 65535, NULL, NULL, false, true, "The TCP port. Required of smtp; x400 listens on 102 by default." },
    { "listener.*.checkpoint", CONF_BOOL, 0, 0, "true", NULL, false, true, "smtp: offer CHECKPOINT (RFC 1845) to relay.clients: what a client was not told after a fault is settled without a duplicate." },
    { "relay", CONF_GROUP, 0, 0, NULL, NULL, false, true, "Who may relay: a client's network or a recipient's domain, either one permits. Default: nobody." },
    { "relay.clients", CONF_STRINGS, 0, APP_CLIENTS_MAX, NULL, NULL, false, true, "Networks (address/bits) whose clients may send to any recipient." },
    { "relay.domains", CONF_STRINGS, 0, APP_DOMAINS_MAX, NULL, NULL, false, true, "Recipient domains anybody may send to; *.example.org matches names below it." },
    { "relay.postmaster", CONF_STRING, 3, 319, NULL, NULL, false, true, "Where mail for <postmaster> and postmaster at the hostname goes. Default: postmaster at the hostname, by route." },
    { "x400", CONF_GROUP, 0, 0, NULL, NULL, false, true, "What the X.400 listeners and connectors share; required with one of them." },
    { "x400.domain", CONF_STRING, 1, 64, NULL, NULL, false, true, "The global domain identifier of this MTA: /C=GB/A=TEST/P=LONDON/ with country (two letters, XX as well, or three digits), ADMD (one blank where a country has many) and, of a private domain, PRMD. It stands in message identifiers and in the trace; other MTAs find loops by it. Required with the group." },
    { "x400.mta", CONF_STRING, 1, P1_MTA_NAME_BYTES_MAX, NULL, NULL, false, true, "The name of this MTA, in the internal trace and to peers; local.mta of a connector overrides the latter. Required with the group." },
    { "connector", CONF_GROUP, 0, 0, NULL, NULL, false, true, "Where mail goes out, one group for each name." },
    { "connector.*", CONF_GROUP, 0, 0, NULL, NULL, false, true, "A connector." },
    { "connector.*.protocol", CONF_ENUM, 0, 0, NULL, "smtp|lmtp|x400", true, true, "The protocol spoken." },
    { "connector.*.next_hop", CONF_STRINGS, 1, APP_HOPS_MAX, NULL, NULL, false, true, "Hosts tried in order: [address]:port, or a name with an optional :port. Without it the recipient's domain is looked up (MX); x400 needs it, unless its schedule never calls." },
    { "connector.*.source", CONF_STRINGS, 1, APP_VIPS_MAX, NULL, NULL, false, true, "Virtual IPs to send from. Default: the first of each family." },
    { "connector.*.port", CONF_INT, 1, 65535, NULL, NULL, false, true, "Port for hosts without one. Default: 25; of x400 102." },
    { "connector.*.concurrency", CONF_INT, 1, 1000, "20", NULL, false, true, "smtp, lmtp: sessions to one destination." },
    { "connector.*.limit", CONF_INT, 0, 100000, "500", NULL, false, true, "smtp, lmtp: sessions of the connector; 0: no limit. A new destination that is silent holds up to five of them until a time-out: where hundreds may be silent at once, more are needed." },
    { "connector.*.recipients", CONF_INT, 1, 1000, "100", NULL, false, true, "smtp, lmtp: recipients in one transaction." },
    { "connector.*.messages_per_session", CONF_INT, 0, 1000000, "1000", NULL, false, true, "smtp, lmtp: messages before a session is closed; 0: no limit." },
    { "connector.*.idle", CONF_DURATION, 0, MIN_MS(60), "5s", NULL, false, true, "smtp, lmtp: how long an idle session is kept." },
    { "connector.*.down_after", CONF_DURATION, SEC(1), DAY(1), "5min", NULL, false, true, "A connector none of whose destinations could be reached for so long makes the state degraded." },
    { "connector.*.in_doubt", CONF_ENUM, 0, 0, "retry", "retry|hold", false, true, "What to do with a recipient whose final dot was sent while the answer never came: try again, or wait for the operator (queue release, retry, remove). Unset: as retry.in_doubt." },
    { "connector.*.connect_timeout", CONF_DURATION, MS(100), MIN_MS(10), "30s", NULL, false, true, "For a connection to open; x400: and for the transport connection over it." },
    { "connector.*.greeting_timeout", CONF_DURATION, MS(100), MIN_MS(60), "5min", NULL, false, true, "smtp, lmtp: for the greeting." },
    { "connector.*.command_timeout", CONF_DURATION, MS(100), MIN_MS(60), "5min", NULL, false, true, "smtp, lmtp: for the answer to EHLO, MAIL or RCPT." },
    { "connector.*.data_init_timeout", CONF_DURATION, MS(100), MIN_MS(60), "2min", NULL, false, true, "smtp, lmtp: for the answer to DATA." },
    { "connector.*.data_block_timeout", CONF_DURATION, MS(100), MIN_MS(60), "3min", NULL, false, true, "smtp, lmtp: for the peer to take a piece of the message." },
    { "connector.*.data_done_timeout", CONF_DURATION, MS(100), MIN_MS(60), "10min", NULL, false, true, "smtp, lmtp: for the answer to the final dot." },
    { "connector.*.mode", CONF_ENUM, 0, 0, "normal", "normal|x410|1984", false, true, "x400: the protocol. normal: 1988, normal mode. x410: 1988, in X.410-1984 mode. 1984: X.411 of 1984." },
    { "connector.*.local", CONF_GROUP, 0, 0, NULL, NULL, false, true, "x400: who we are for this peer. An incoming association belongs to the connector whose local selectors it calls and whose remote name and password it brings; addresses and DNS names do not count." },
    SIDE_KEYS("local", "The name that we give. Default: x400.mta. Empty, with an empty remote.mta: no name and no password (the NULL bind).", "The password that we give"),
    { "connector.*.remote", CONF_GROUP, 0, 0, NULL, NULL, false, true, "x400: who the peer is. Required of x400." },
    SIDE_KEYS("remote", "The name that the peer has to give, and by which it is known in traces. Required of x400. Empty: whoever calls with our selectors and gives no name is taken for it.", "The password that the peer has to give"),
    { "connector.*.remote.from", CONF_STRINGS, 1, APP_FROM_MAX, NULL, NULL, false, true, "Networks (address/bits) that the peer calls from; of all others its name, password and selectors are of no use. Unset: any. Required where remote.mta is empty and local has no selector: nothing else would tell who calls." },
    { "connector.*.rtse", CONF_GROUP, 0, 0, NULL, NULL, false, true, "x400: reliable transfer." },
    { "connector.*.rtse.checkpoint", CONF_INT, 0, RTSE_CHECKPOINT_MAX, "30", NULL, false, true, "Checkpoint size in KiB; 0: the peer decides, or none." },
    { "connector.*.rtse.window", CONF_INT, 1, RTSE_WINDOW_MAX, "5", NULL, false, true, "Checkpoints that may be sent before the first of them is confirmed." },
    { "connector.*.rtse.dialogue", CONF_ENUM, 0, 0, "monologue", "monologue|twa", false, true, "monologue: the caller sends. twa: both send, in turns (two-way alternate); the peer has to agree, and many want it off." },
    { "connector.*.rtse.recovery", CONF_DURATION, 0, MIN_MS(60), "60s", NULL, false, true, "How long a transfer that broke off may be resumed at its last confirmed checkpoint; later it begins anew." },
    { "connector.*.rtse.recover", CONF_BOOL, 0, 0, "false", NULL, false, true, "Call by recover, without a bind, where a transfer is to be resumed (X.228): for peers that resume only so. Neither side shows its name and password then; a peer that refuses gets a bind the next time." },
    { "connector.*.associations", CONF_GROUP, 0, 0, NULL, NULL, false, true, "x400: how many associations, and how long." },
    { "connector.*.associations.limit", CONF_INT, 1, 1000, "4", NULL, false, true, "Those that we open, at a time. Peers have limits of their own, often below ten." },
    { "connector.*.associations.incoming", CONF_INT, 0, 1000, "10", NULL, false, true, "Those that the peer opens, at a time; more are refused as busy. 0: no limit." },
    { "connector.*.associations.threshold", CONF_INT, 1, 1000000, "50", NULL, false, true, "Messages that wait for each association that is open, before another is opened." },
    { "connector.*.associations.idle", CONF_DURATION, 0, DAY(1), "5min", NULL, false, true, "How long an association without work is kept." },
    { "connector.*.open", CONF_GROUP, 0, 0, NULL, NULL, false, true, "x400: when an association cannot be opened." },
    { "connector.*.open.interval", CONF_DURATION, SEC(1), DAY(1), "1min", NULL, false, true, "Between two attempts, give or take a tenth; in the place of retry.destination." },
    { "connector.*.open.retries", CONF_INT, 0, 100000, "0", NULL, false, true, "So many failed attempts in a row return the mail that waited through them and has no other connector; 0: only its time does (expire). Counted anew by each owner of the queue." },
    { "connector.*.transfer", CONF_GROUP, 0, 0, NULL, NULL, false, true, "x400: the transfer of a message." },
    { "connector.*.transfer.interval", CONF_DURATION, SEC(1), DAY(1), "2min", NULL, false, true, "Between two attempts for one message, give or take a tenth; in the place of retry.schedule. What can be resumed is tried within an eighth of the time that is left for that (rtse.recovery)." },
    { "connector.*.transfer.retries", CONF_INT, 0, 100000, "0", NULL, false, true, "So many further attempts that failed return the message; 0: only its time does (expire). Attempts to open are none." },
    { "connector.*.transfer.urgent", CONF_DURATION, MS(10), MIN_MS(60), "1s", NULL, false, true, "Longest time without a confirmation, for each KiB of an urgent message; it is at least a minute in all." },
    { "connector.*.transfer.normal", CONF_DURATION, MS(10), MIN_MS(60), "2s", NULL, false, true, "The same of a normal message." },
    { "connector.*.transfer.non_urgent", CONF_DURATION, MS(10), MIN_MS(60), "3s", NULL, false, true, "The same of a non-urgent message." },
    { "connector.*.expire", CONF_GROUP, 0, 0, NULL, NULL, false, true, "x400: ages at which a message that waits is returned (non-delivery), instead of retry.expire: as they are when it comes; of several connectors the longest. A latest delivery time of its own that is earlier counts." },
    { "connector.*.expire.urgent", CONF_DURATION, SEC(1), DAY(60), "2d", NULL, false, true, "Of an urgent message." },
    { "connector.*.expire.normal", CONF_DURATION, SEC(1), DAY(60), "7d", NULL, false, true, "Of a normal message." },
    { "connector.*.expire.non_urgent", CONF_DURATION, SEC(1), DAY(60), "10d", NULL, false, true, "Of a non-urgent message." },
    { "connector.*.schedule", CONF_STRINGS, 1, X400_SCHEDULE_WINDOWS_MAX, "[\"always\"]", NULL, false, true, "x400: when we call. always; never; remote-initiated: the peer calls and gives us the turn (rtse.dialogue = twa on both sides); or windows of local time: Mon-Fri 08:00-18:00, Sat,Sun 10:00-12:00, 22:00-02:00 (each day). Incoming associations are taken at any time." },
    { "connector.*.message_size", CONF_SIZE, KIB, 1024 * GIB, NULL, NULL, false, true, "x400: largest content in both directions; larger ones get a non-delivery report. Default: limits.message_size." },
    { "connector.*.strip_internal_trace", CONF_BOOL, 0, 0, "false", NULL, false, true, "x400: send no internal trace of other MTAs: for peers that do not know the extension, or should not know our MTAs." },
    { "connector.*.strip_bilateral", CONF_BOOL, 0, 0, "false", NULL, false, true, "x400: send no per-domain bilateral information." },
    { "connector.*.relabel_content", CONF_BOOL, 0, 0, "false", NULL, false, true, "x400, mode 1984: say 2 of a content of type 22 (interpersonal messaging of 1988) instead of returning it: for peers whose users say 22 of all they write." },
    { "route", CONF_LIST, 0, APP_ROUTES_MAX, NULL, NULL, false, true, "Which connector a recipient goes to; the longest match wins, whatever the order." },
    { "route[].to", CONF_STRING, 1, 320, NULL, NULL, true, true, "example.org, *.example.org, an address literal, or * for all domains. An X.400 address space begins with a slash: /C=FR/A=ATLAS/P=PARIS/, /C=FR/A=*/P=PA*/ for any ADMD and PRMDs that begin so, / for every O/R address; the most specific one counts." },
    { "route[].via", CONF_STRINGS, 1, APP_VIA_MAX, NULL, NULL, true, true, "Connectors in the order of preference; a later one is used while those before it are down. NAME:COST gives a cost (0 to 1000, the least first) instead; a name without one costs one more than the name before it. An address space goes by x400 connectors only, a domain by the others." },
    { "retry", CONF_GROUP, 0, 0, NULL, NULL, false, true, "When to try again." },
    { "retry.schedule", CONF_STRINGS, 1, RETRY_STEPS_MAX, "[\"30s\", \"1min\", \"5min\", \"15min\", \"30min\", \"1h\"]", NULL, false, true, "Delays of a recipient its next hop deferred; the last repeats." },
    { "retry.destination", CONF_STRINGS, 1, RETRY_STEPS_MAX, "[\"5s\", \"10s\", \"30s\", \"1min\", \"5min\"]", NULL, false, true, "Delays of a destination that cannot be reached; the last repeats." },
    { "retry.expire", CONF_DURATION, SEC(1), DAY(60), "5d", NULL, false, true, "A message not delivered for so long is returned." },
    { "retry.warn_after", CONF_DURATION, 0, DAY(60), "4h", NULL, false, true, "A delay notification is sent after so long; 0: never." },
    { "retry.in_doubt", CONF_ENUM, 0, 0, "retry", "retry|hold", false, true, "For connectors that do not say in_doubt themselves." },
};
/* clang-format on */

const struct conf_key *
app_conf_table(size_t *rows)
{
    *rows = ARRAY_LEN(table);
    return table;
}

void
app_conf_fault(struct pass *p, const char *key, const char *cure, const char *fmt, ...)
{
    struct conf_error e = { .file = p->c->file };
    va_list ap;

    e.line = key[0] != '\0' ? conf_line_of(p->c->conf, key) : 0;
    (void)snprintf(e.key, sizeof(e.key), "%s", key);
    va_start(ap, fmt);
    (void)vsnprintf(e.message, sizeof(e.message), fmt, ap);
    va_end(ap);
    (void)snprintf(e.cure, sizeof(e.cure), "%s", cure);
    p->errors++;
    p->on_error(p->ctx, &e);
}

void
app_conf_error_text(const struct conf_error *e, char *out, size_t cap)
{
    if (e->line > 0) {
        (void)snprintf(out, cap, "%s:%d: %s%s%s (%s)", e->file, e->line, e->key,
            e->key[0] != '\0' ? ": " : "", e->message, e->cure);
    } else {
        (void)snprintf(out, cap, "%s: %s%s%s (%s)", e->file, e->key, e->key[0] != '\0' ? ": " : "",
            e->message, e->cure);
    }
}

enum bridgehead_event
app_conf_error_event(const struct conf_error *e)
{
    static const enum bridgehead_event events[] = {
        [CONF_FAULT_VALUE] = EV_CONF_INVALID,
        [CONF_FAULT_UNREADABLE] = EV_CONF_UNREADABLE,
        [CONF_FAULT_SYNTAX] = EV_CONF_SYNTAX,
        [CONF_FAULT_UNKNOWN_KEY] = EV_CONF_UNKNOWN_KEY,
        [CONF_FAULT_TYPE] = EV_CONF_TYPE,
        [CONF_FAULT_DUPLICATE] = EV_CONF_DUPLICATE,
        [CONF_FAULT_MISSING] = EV_CONF_MISSING,
    };

    return (size_t)e->fault < ARRAY_LEN(events) ? events[e->fault] : EV_CONF_INVALID;
}

/* The table bounds every string below its array's size. */
static void
take_string(struct pass *p, const char *key, char *out, size_t cap)
{
    struct slice s = conf_string(p->c->conf, key);

    out[0] = '\0';
    if (s.p != NULL && slice_copy(s, out, cap) < 0) {
        app_conf_fault(p, key, "Shorten it.", "longer than %zu bytes", cap - 1);
    }
}

const char *
app_conf_key(char out[APP_KEY_CAP], const char *group, struct slice name, const char *leaf)
{
    (void)snprintf(out, APP_KEY_CAP, "%s.%.*s.%s", group, SLICE_FMT(name), leaf);
    return out;
}

static void
take_instance(struct pass *p)
{
    struct slice path = slice_of(p->c->file);
    struct slice base =
        slice_skip(path, slice_rfind(path, '/') < path.n ? slice_rfind(path, '/') + 1 : 0);

    if (slice_iends(base, SLICE_LIT(".conf"))) {
        base.n -= 5;
    }
    if (base.n == 0 || slice_copy(base, p->c->instance, sizeof(p->c->instance)) < 0) {
        app_conf_fault(p, "", "Name the file INSTANCE.conf, at most 63 bytes.",
            "the file's base name is no instance name");
        return;
    }
    for (size_t i = 0; i < base.n; i++) {
        bool word = (base.p[i] >= 'a' && base.p[i] <= 'z') ||
                    (base.p[i] >= '0' && base.p[i] <= '9') || base.p[i] == '-' ||
                    base.p[i] == '_' || (base.p[i] >= 'A' && base.p[i] <= 'Z');

        if (!word) {
            app_conf_fault(p, "", "Use letters, digits, - and _ in the file's name.",
                "the instance name \"%s\" has a character that is not allowed", p->c->instance);
            return;
        }
    }
    if (conf_is_set(p->c->conf, "instance") &&
        !slice_eq(conf_string(p->c->conf, "instance"), base)) {
        app_conf_fault(p, "instance", "Make it the file's base name, or rename the file.",
            "is not the file's base name \"%s\"", p->c->instance);
    }
}

static bool
vip_known(const struct app_conf *c, const struct netaddr *a)
{
    for (size_t i = 0; i < c->vip_count; i++) {
        if (netaddr_eq(&c->vips[i], a)) {
            return true;
        }
    }
    return false;
}

static void
add_vip(struct pass *p, struct slice text, const char *key)
{
    struct netaddr a;

    if (netaddr_parse(text, &a) < 0 || netaddr_is_any(&a)) {
        app_conf_fault(p, key, "Write one IPv4 or IPv6 address, without prefix length.",
            "\"%.*s\" is not an address", SLICE_FMT(text));
    } else if (vip_known(p->c, &a)) {
        app_conf_fault(
            p, key, "Remove one of the two.", "\"%.*s\" is listed twice", SLICE_FMT(text));
    } else if (p->c->vip_count == APP_VIPS_MAX) {
        app_conf_fault(p, key, "Use another instance for more addresses.", "more than %d addresses",
            APP_VIPS_MAX);
    } else {
        p->c->vips[p->c->vip_count++] = a;
    }
}

/* Does the address stand in the text once more? Said at its first place only. */
static bool
is_repeated(struct slice one, struct slice text)
{
    struct slice rest = text, other;
    struct netaddr a, b;

    if (netaddr_parse(one, &a) < 0) {
        return false;
    }
    while (slice_next(&rest, ',', &other)) {
        other = slice_trim(other);
        if (other.p > one.p && netaddr_parse(other, &b) == 0 && netaddr_eq(&a, &b)) {
            return true;
        }
    }
    return false;
}

/* The agent's --vip and the file's vip must be the same set; the file's order counts (default
 * source). */
static void
take_vips(struct pass *p, const char *vip_text)
{
    struct app_conf *c = p->c;
    struct slice rest = slice_of(vip_text), one;
    size_t in_file, given = 0;

    for (size_t i = 0; i < conf_strings_count(c->conf, "vip"); i++) {
        add_vip(p, conf_strings_at(c->conf, "vip", i), "vip");
    }
    in_file = c->vip_count;
    while (slice_next(&rest, ',', &one)) {
        struct netaddr a;

        one = slice_trim(one);
        if (in_file > 0 && is_repeated(one, slice_of(vip_text))) {
            app_conf_fault(
                p, "--vip", "Remove one of the two.", "\"%.*s\" is given twice", SLICE_FMT(one));
        }
        given++;
        if (in_file == 0) {
            add_vip(p, one, "--vip");
        } else if (netaddr_parse(one, &a) < 0 || !vip_known(c, &a)) {
            app_conf_fault(p, "vip",
                "Make the file's vip and the cluster's IPaddr2 resources the same, or leave vip "
                "out of the file.",
                "the cluster's virtual IP %.*s is not listed", SLICE_FMT(one));
        }
    }
    if (in_file > 0 && given > 0 && given != in_file) {
        app_conf_fault(p, "vip",
            "Make the file's vip and the cluster's IPaddr2 resources the same, or leave vip out of "
            "the file.",
            "lists %zu addresses, the cluster gives %zu", in_file, given);
    }
    /* Under Pacemaker the agent knows them; checks and the store commands do without. */
    if (c->vip_count == 0 && p->errors == 0 && !c->pacemaker) {
        app_conf_fault(
            p, "vip", "Add vip = [\"ADDRESS\"], or give --vip.", "no virtual IP is given");
    }
}

static const struct app_listener *
listener_at(const struct app_conf *c, const struct netaddr *a)
{
    for (size_t i = 0; i < c->listener_count; i++) {
        for (size_t j = 0; j < c->listeners[i].address_count; j++) {
            const struct netaddr *other = &c->listeners[i].addresses[j];

            if (netaddr_eq(other, a) && other->port == a->port) {
                return &c->listeners[i];
            }
        }
    }
    return NULL;
}

static void
check_listener_alone(struct pass *p, struct slice name, const struct netaddr *a)
{
    const struct app_listener *other = listener_at(p->c, a);
    char key[APP_KEY_CAP];

    if (other != NULL) {
        app_conf_fault(p, app_conf_key(key, "listener", name, "port"),
            "Give one of them another port.", "listener %s has the same address and port",
            other->name);
    }
}

static void
take_listener(struct pass *p, struct slice name)
{
    struct app_conf *c = p->c;
    struct app_listener *l = &c->listeners[c->listener_count];
    char key[APP_KEY_CAP];
    struct slice address;

    if (c->listener_count == APP_LISTENERS_MAX || slice_copy(name, l->name, sizeof(l->name)) < 0) {
        app_conf_fault(p, "listener", "Remove some, or shorten the name.",
            "more than %d listeners, or a name of over 63 bytes", APP_LISTENERS_MAX);
        return;
    }
    l->protocol = conf_enum(c->conf, app_conf_key(key, "listener", name, "protocol")) == 0
                      ? APP_SMTP
                      : APP_X400;
    l->port = (uint16_t)conf_uint(c->conf, app_conf_key(key, "listener", name, "port"));
    if (l->port == 0 && l->protocol == APP_X400) {
        l->port = X400_PORT;
    }
    app_conf_check_listener_keys(p, l);
    l->checkpoint = conf_bool(c->conf, app_conf_key(key, "listener", name, "checkpoint"));
    address = conf_string(c->conf, app_conf_key(key, "listener", name, "address"));
    if (slice_eq(address, SLICE_LIT("vip"))) {
        for (size_t i = 0; i < c->vip_count; i++) {
            l->addresses[l->address_count++] = c->vips[i];
        }
    } else if (netaddr_parse(address, &l->addresses[0]) < 0) {
        app_conf_fault(p, key, "Write \"vip\" or an address.", "\"%.*s\" is not an address",
            SLICE_FMT(address));
    } else {
        l->address_count = 1;
    }
    for (size_t i = 0; i < l->address_count; i++) {
        l->addresses[i].port = l->port;
        check_listener_alone(p, name, &l->addresses[i]);
    }
    c->listener_count++;
}

/* What it hands to itself comes back until it has too many Received fields. */
static void
check_hop_is_another(
    struct pass *p, const struct app_connector *o, const char *key, const struct netaddr *a)
{
    const struct app_listener *own = listener_at(p->c, a);

    if (o->protocol == APP_SMTP && own != NULL && own->protocol == APP_SMTP) {
        app_conf_fault(p, key, "Name the host behind this one.",
            "listener %s of this instance is there: the mail would come back", own->name);
    }
}

static void
take_hop(struct pass *p, struct app_connector *o, const char *key, struct slice text)
{
    struct app_hop *hop = &o->hops[o->hop_count];
    struct slice host = text;
    size_t colon;
    uint64_t port = o->port;

    *hop = (struct app_hop){ .port = o->port };
    if (netaddr_parse_port(text, o->port, &hop->address) == 0) {
        hop->port = hop->address.port;
        check_hop_is_another(p, o, key, &hop->address);
        o->hop_count++;
        return;
    }
    colon = slice_rfind(text, ':');
    if (colon < text.n) {
        host = slice_sub(text, 0, colon);
        if (slice_u64(slice_skip(text, colon + 1), 65535, &port) < 0 || port == 0) {
            app_conf_fault(p, key, "Write a port from 1 to 65535.", "\"%.*s\" has no valid port",
                SLICE_FMT(text));
            return;
        }
    }
    if (!address_domain_valid(host) || slice_copy(host, hop->name, sizeof(hop->name)) < 0) {
        app_conf_fault(p, key, "Write [address]:port or a host name.",
            "\"%.*s\" is neither an address nor a host name", SLICE_FMT(text));
        return;
    }
    hop->address = (struct netaddr){ 0 };
    hop->port = (uint16_t)port;
    o->hop_count++;
}

static void
take_sources(struct pass *p, struct app_connector *o, const char *key)
{
    const struct app_conf *c = p->c;
    size_t count = conf_strings_count(c->conf, key);

    for (size_t i = 0; i < count; i++) {
        struct slice text = conf_strings_at(c->conf, key, i);
        struct netaddr a;

        if (netaddr_parse(text, &a) < 0 || (c->vip_count > 0 && !vip_known(c, &a))) {
            app_conf_fault(p, key,
                "Name one of the virtual IPs; nothing is ever sent from another address.",
                "\"%.*s\" is not a virtual IP of this instance", SLICE_FMT(text));
        } else {
            o->sources[o->source_count++] = a;
        }
    }
    for (size_t i = 0; count == 0 && i < c->vip_count; i++) { /* the first of each family */
        bool have = false;

        for (size_t j = 0; j < o->source_count; j++) {
            have = have || o->sources[j].family == c->vips[i].family;
        }
        if (!have) {
            o->sources[o->source_count++] = c->vips[i];
        }
    }
}

static int
take_connector(struct pass *p, struct slice name, struct app_connector *o)
{
    const struct conf *conf = p->c->conf;
    char key[APP_KEY_CAP];
    size_t hops;

    if (slice_copy(name, o->name, sizeof(o->name)) < 0) {
        app_conf_fault(p, "connector", "Shorten it.", "the name \"%.*s\" is longer than 63 bytes",
            SLICE_FMT(name));
        return 0;
    }
    o->protocol =
        (enum app_protocol)conf_enum(conf, app_conf_key(key, "connector", name, "protocol"));
    o->port = (uint16_t)conf_uint(conf, app_conf_key(key, "connector", name, "port"));
    if (o->port == 0) {
        o->port = o->protocol == APP_X400 ? X400_PORT : SMTP_PORT;
    }
    app_conf_key(key, "connector", name, "next_hop");
    hops = conf_strings_count(conf, key);
    for (size_t i = 0; i < hops && i < APP_HOPS_MAX; i++) {
        take_hop(p, o, key, conf_strings_at(conf, key, i));
    }
    if (o->protocol == APP_LMTP && hops == 0) {
        app_conf_fault(p, app_conf_key(key, "connector", name, "protocol"), "Add next_hop.",
            "lmtp needs a next_hop");
    }
    take_sources(p, o, app_conf_key(key, "connector", name, "source"));
    o->concurrency = (uint32_t)conf_uint(conf, app_conf_key(key, "connector", name, "concurrency"));
    o->limit = (uint32_t)conf_uint(conf, app_conf_key(key, "connector", name, "limit"));
    o->recipients = (uint32_t)conf_uint(conf, app_conf_key(key, "connector", name, "recipients"));
    o->messages_per_session =
        (uint32_t)conf_uint(conf, app_conf_key(key, "connector", name, "messages_per_session"));
    o->idle_ms = conf_uint(conf, app_conf_key(key, "connector", name, "idle"));
    o->down_after_ms = conf_uint(conf, app_conf_key(key, "connector", name, "down_after"));
    (void)app_conf_key(key, "connector", name, "in_doubt");
    o->in_doubt_hold = conf_enum(conf, conf_is_set(conf, key) ? key : "retry.in_doubt") == 1;
    o->connect_ms = conf_uint(conf, app_conf_key(key, "connector", name, "connect_timeout"));
    o->greeting_ms = conf_uint(conf, app_conf_key(key, "connector", name, "greeting_timeout"));
    o->command_ms = conf_uint(conf, app_conf_key(key, "connector", name, "command_timeout"));
    o->data_init_ms = conf_uint(conf, app_conf_key(key, "connector", name, "data_init_timeout"));
    o->data_block_ms = conf_uint(conf, app_conf_key(key, "connector", name, "data_block_timeout"));
    o->data_done_ms = conf_uint(conf, app_conf_key(key, "connector", name, "data_done_timeout"));
    return app_conf_take_connector_x400(p, o);
}

static int
take_connectors(struct pass *p)
{
    struct app_conf *c = p->c;
    size_t count = conf_children_count(c->conf, "connector");

    if (count > APP_CONNECTORS_MAX) {
        app_conf_fault(
            p, "connector", "Use another instance.", "more than %d connectors", APP_CONNECTORS_MAX);
        return 0;
    }
    c->connectors = calloc(count + 1, sizeof(*c->connectors));
    if (c->connectors == NULL) {
        return -ENOMEM;
    }
    c->connector_count = count;
    for (size_t i = 0; i < count; i++) {
        int rc = take_connector(p, conf_child_name(c->conf, "connector", i), &c->connectors[i]);

        if (rc < 0) {
            return rc;
        }
    }
    app_conf_check_connectors_x400(p);
    return 0;
}

/* "paris" or "paris:10"; *cost is what it has without one. */
static int
read_via(const struct app_conf *c, struct slice text, uint16_t *connector, uint64_t *cost)
{
    size_t colon = slice_find(text, ':');
    struct slice name = slice_sub(text, 0, colon);

    if (colon < text.n && slice_u64(slice_skip(text, colon + 1), OR_ROUTE_COST_MAX, cost) < 0) {
        return BH_ESYNTAX;
    }
    *connector = app_connector_index(c, name);
    if (*connector != OR_ROUTE_NO_CONNECTOR) {
        return *cost <= OR_ROUTE_COST_MAX ? 0 : BH_ESYNTAX;
    }
    return BH_ENOTFOUND;
}

/* By cost; of equal cost the first one given. */
static void
insert_via(struct app_route *r, uint16_t connector, uint32_t cost)
{
    size_t at = r->via_count++;

    for (; at > 0 && r->cost[at - 1] > cost; at--) {
        r->via[at] = r->via[at - 1];
        r->cost[at] = r->cost[at - 1];
    }
    r->via[at] = connector;
    r->cost[at] = cost;
}

static void
take_via(struct pass *p, size_t index, struct app_route *r)
{
    const struct app_conf *c = p->c;
    uint64_t cost = 0;
    char key[64];

    (void)snprintf(key, sizeof(key), "route[%zu].via", index);
    for (size_t i = 0; i < conf_strings_count(c->conf, key) && i < APP_VIA_MAX; i++) {
        struct slice text = conf_strings_at(c->conf, key, i);
        uint16_t connector;
        int rc;

        cost++;
        rc = read_via(c, text, &connector, &cost);
        if (rc == BH_ESYNTAX) {
            app_conf_fault(p, key, "Write NAME or NAME:COST.",
                "\"%.*s\" has no valid cost from 0 to %d", SLICE_FMT(text), OR_ROUTE_COST_MAX);
        } else if (rc < 0) {
            app_conf_fault(p, key, "Name a group of the connector section.",
                "there is no connector \"%.*s\"", SLICE_FMT(text));
        } else {
            insert_via(r, connector, (uint32_t)cost);
        }
    }
}

static void
take_route(struct pass *p, size_t index, struct app_route *r)
{
    struct app_conf *c = p->c;
    char key[64];

    (void)snprintf(key, sizeof(key), "route[%zu].to", index);
    r->to = conf_string(c->conf, key);
    r->is_or = app_route_is_space(r->to);
    for (size_t i = 0; i < index; i++) {
        if (slice_ieq(c->routes[i].to, r->to)) {
            app_conf_fault(
                p, key, "Remove one of the two.", "\"%.*s\" has a route already", SLICE_FMT(r->to));
        }
    }
    take_via(p, index, r);
    app_conf_check_route(p, index);
}

/* The table that will hold the pattern judges it. */
static int
check_pattern(struct pass *p, size_t index, struct app_routes *probe)
{
    const struct app_route *r = &p->c->routes[index];
    struct or_error error = { "" };
    char key[64];
    int rc = r->via_count > 0 ? app_routes_add(probe, r, &error) : 0;

    (void)snprintf(key, sizeof(key), "route[%zu].to", index);
    if (r->is_or && rc < 0 && rc != -ENOMEM) {
        app_conf_fault(p, key, "Write an address space like /C=FR/A=ATLAS/P=PARIS/, or / for all.",
            "%s", error.text);
    } else if (rc == BH_ESYNTAX) {
        app_conf_fault(p, key,
            "Write example.org, *.example.org, an address literal like [192.0.2.1], or *; an "
            "address space begins with a slash.",
            "\"%.*s\" is no pattern of a domain", SLICE_FMT(r->to));
    }
    return rc == -ENOMEM ? rc : 0;
}

static int
take_routes(struct pass *p)
{
    struct app_conf *c = p->c;
    size_t count = conf_list_count(c->conf, "route");
    struct route_table_options o = { .hostname = c->hostname };
    struct app_routes *probe;
    int rc = app_routes_new(&probe, &o);

    if (rc < 0) {
        return rc;
    }
    c->routes = calloc(count + 1, sizeof(*c->routes));
    rc = c->routes == NULL ? -ENOMEM : 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        c->route_count = i + 1;
        take_route(p, i, &c->routes[i]);
        rc = check_pattern(p, i, probe);
    }
    app_routes_free(probe);
    return rc;
}

static int
take_relay(struct pass *p)
{
    struct app_conf *c = p->c;
    size_t domains = conf_strings_count(c->conf, "relay.domains");

    for (size_t i = 0; i < conf_strings_count(c->conf, "relay.clients"); i++) {
        struct slice text = conf_strings_at(c->conf, "relay.clients", i);

        if (netaddr_parse_prefix(text, &c->clients[c->client_count]) < 0) {
            app_conf_fault(p, "relay.clients",
                "Write ADDRESS/BITS with no bits set behind the prefix.",
                "\"%.*s\" is not a network", SLICE_FMT(text));
        } else {
            c->client_count++;
        }
    }
    c->domains = calloc(domains + 1, sizeof(*c->domains));
    if (c->domains == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < domains; i++) {
        struct slice text = conf_strings_at(c->conf, "relay.domains", i);
        struct slice bare = slice_starts(text, SLICE_LIT("*.")) ? slice_skip(text, 2) : text;

        if (!address_domain_valid(bare)) {
            app_conf_fault(p, "relay.domains", "Write example.org or *.example.org.",
                "\"%.*s\" is not a domain", SLICE_FMT(text));
        }
        c->domains[c->domain_count++] = text;
    }
    return 0;
}

static void
take_schedule(struct pass *p, const char *key, struct retry_schedule *s)
{
    size_t count = conf_strings_count(p->c->conf, key);

    for (size_t i = 0; i < count && i < RETRY_STEPS_MAX; i++) {
        struct slice text = conf_strings_at(p->c->conf, key, i);

        if (ticks_parse_duration(text, &s->steps_ms[s->count]) < 0 || s->steps_ms[s->count] < 100) {
            app_conf_fault(p, key, "Write durations of 100ms or more, like \"30s\" or \"5min\".",
                "\"%.*s\" is no delay", SLICE_FMT(text));
        } else {
            s->count++;
        }
    }
    if (s->count == 0) { /* an error was reported */
        s->steps_ms[s->count++] = SEC(30);
    }
}

static void
take_dns(struct pass *p)
{
    struct app_conf *c = p->c;

    for (size_t i = 0; i < conf_strings_count(c->conf, "dns.servers"); i++) {
        struct slice text = conf_strings_at(c->conf, "dns.servers", i);

        if (netaddr_parse_port(text, 53, &c->dns_servers[c->dns_server_count]) < 0) {
            app_conf_fault(p, "dns.servers", "Write an address, or [address]:port.",
                "\"%.*s\" is not an address", SLICE_FMT(text));
        } else {
            c->dns_server_count++;
        }
    }
    c->dns_timeout_ms = conf_uint(c->conf, "dns.timeout");
}

/* What has no domain has no route: mail that is always accepted would wait for one until it
 * expires. */
static void
take_postmaster(struct pass *p)
{
    struct app_conf *c = p->c;
    struct address a;

    take_string(p, "relay.postmaster", c->postmaster, sizeof(c->postmaster));
    if (c->postmaster[0] != '\0' && address_parse(slice_of(c->postmaster), &a) < 0) {
        app_conf_fault(p, "relay.postmaster", "Write LOCAL@DOMAIN.", "\"%s\" is not an address",
            c->postmaster);
    }
}

static void
take_scalars(struct pass *p)
{
    struct app_conf *c = p->c;
    const struct conf *conf = c->conf;

    take_string(p, "hostname", c->hostname, sizeof(c->hostname));
    if (!address_domain_valid(slice_of(c->hostname))) {
        app_conf_fault(p, "hostname", "Write a fully qualified host name.",
            "\"%s\" is not a host name", c->hostname);
    }
    take_string(p, "user", c->user, sizeof(c->user));
    take_string(p, "store.path", c->store_path, sizeof(c->store_path));
    if (c->store_path[0] != '/') {
        app_conf_fault(
            p, "store.path", "Write an absolute path.", "\"%s\" is not absolute", c->store_path);
    }
    take_string(p, "log.to", c->log_to, sizeof(c->log_to));
    if (strcmp(c->log_to, "syslog") != 0 && strcmp(c->log_to, "stderr") != 0 &&
        strncmp(c->log_to, "file:/", 6) != 0) {
        app_conf_fault(p, "log.to", "Write syslog, stderr or file:/PATH.",
            "\"%s\" is no log target", c->log_to);
    }
    take_postmaster(p);
    c->vip_grace_ms = conf_uint(conf, "vip_grace");
    c->drain_ms = conf_uint(conf, "drain");
    c->store_reserve_bytes = conf_uint(conf, "store.reserve");
    c->store_snapshot_bytes = conf_uint(conf, "store.snapshot");
    c->store_lease_ms = conf_uint(conf, "store.lease");
    c->pacemaker = conf_enum(conf, "cluster.mode") == 1;
    c->log_level = conf_enum(conf, "log.level");
    c->sessions_max = (uint32_t)conf_uint(conf, "limits.sessions");
    c->sessions_per_client_max = (uint32_t)conf_uint(conf, "limits.sessions_per_client");
    c->message_bytes_max = conf_uint(conf, "limits.message_size");
    c->recipients_max = (uint32_t)conf_uint(conf, "limits.recipients");
    c->errors_max = (uint32_t)conf_uint(conf, "limits.errors");
    c->command_timeout_ms = conf_uint(conf, "limits.command_timeout");
    c->data_timeout_ms = conf_uint(conf, "limits.data_timeout");
    c->expire_ms = conf_uint(conf, "retry.expire");
    c->warn_after_ms = conf_uint(conf, "retry.warn_after");
    take_schedule(p, "retry.schedule", &c->retry);
    take_schedule(p, "retry.destination", &c->backoff);
}

static int
take_all(struct pass *p, const char *vip_text)
{
    int rc;

    take_instance(p);
    take_scalars(p);
    take_vips(p, vip_text);
    take_dns(p);
    for (size_t i = 0; i < conf_children_count(p->c->conf, "listener"); i++) {
        take_listener(p, conf_child_name(p->c->conf, "listener", i));
    }
    app_conf_take_x400(p);
    rc = take_relay(p);
    if (rc == 0) {
        rc = take_connectors(p);
    }
    if (rc == 0) {
        rc = take_routes(p);
    }
    if (rc == 0 && p->errors > 0) {
        rc = BH_ECONFIG;
    }
    return rc;
}

int
app_conf_load(struct app_conf **out, const char *path, const char *vip_text,
    conf_error_fn *on_error, void *ctx)
{
    struct pass p = { .on_error = on_error, .ctx = ctx };
    struct app_conf *c = calloc(1, sizeof(*c));
    int rc;

    if (c == NULL) {
        return -ENOMEM;
    }
    p.c = c;
    rc = slice_copy(slice_of(path), c->file, sizeof(c->file));
    if (rc == 0) {
        rc = conf_load(&c->conf, path, table, ARRAY_LEN(table), on_error, ctx);
        if (rc < 0 && rc != -ENOMEM) { /* unreadable: reported too */
            rc = BH_ECONFIG;
        }
    }
    if (rc == 0) {
        rc = take_all(&p, vip_text);
    }
    if (rc < 0) {
        app_conf_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

void
app_conf_free(struct app_conf *c)
{
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < c->connector_count; i++) {
        free(c->connectors[i].x400);
    }
    free(c->connectors);
    free(c->routes);
    free(c->domains);
    secrets_free(c->secrets);
    conf_free(c->conf);
    free(c);
}

void
app_run_dir(const struct app_conf *c, char out[APP_PATH_CAP])
{
    (void)snprintf(out, APP_PATH_CAP, "/run/bridgehead/%s", c->instance);
}

void
app_server_lock(const char *instance, char out[APP_PATH_CAP])
{
    (void)snprintf(out, APP_PATH_CAP, "/run/bridgehead/%s/server/lock", instance);
}
