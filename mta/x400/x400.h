/* x400/x400.h - X.400 connectors, for app/ to wire up: associations (x400_conn.h) in either
 * direction, between mail/intake.h (what comes) and mail/transport.h (what goes, driven by sched/).
 *
 * One struct x400 in the process, one x400_connector for each connector; an association belongs to
 * one connector from its bind on. Its receiving half is x400_in.c, its sending half x400_out.c; in
 * two-way alternate one association has both, whoever opened it.
 *
 * In        accept(2) - called TSAP - bind - x400_match - APDU - intake - journal's sync - activity
 *           end confirmed, and in no other order.
 * Out       sched asks for sessions; each takes an association that is open and free, or opens one.
 *           Confirmed: delivered. Refused, reported, lost: deferred; in doubt only if all of it was
 *           sent and neither was heard.
 * Isolation what one connector waits for no other waits for: associations, limits, deadlines and
 *           passwords are its own. Until a bind no more than unbound_max connections are held.
 * Points    a transfer that breaks goes on at its last confirmed point, in either direction and on
 *           whatever node (docs/protocols/x400.md, Checkpoints and the journal).
 */
#ifndef X400_X400_H
#define X400_X400_H

#include "mail/intake.h"
#include "mail/transport.h"
#include "net/resolver.h"
#include "x400/or_route.h"
#include "x400/p1_plan.h"
#include "x400/x400_conn.h"
#include "x400/x400_match.h"
#include "x400/x400_ping.h"
#include "x400/x400_schedule.h"

struct x400;
struct x400_connector;

/* ---- the protocol */

/* A recipient of a message, probe or report that came: is there a way for it, and which? */
struct x400_way {
    struct slice came_by; /* connector's name */
    const struct or_address *to;
    struct slice text; /* the same, as it is queued */
    const struct p1_envelope *envelope;
    /* Of the envelope, read once: 10,000 recipients with a trace of 1,024 elements are seconds. */
    const struct p1_passed *passed;
};
typedef struct or_route x400_route_fn(void *ctx, const struct x400_way *way);

/* Small values that move with the queue: what is known of transfers that go, to resume them. get:
 * empty if it is unset; lives until the next call. set: value empty: unset. NULL: none are kept. */
struct x400_settings {
    int (*set)(void *ctx, struct slice key, struct slice value);
    struct slice (*get)(void *ctx, struct slice key);
    void *ctx;
};

/* Outlives the protocol. */
struct x400_env {
    struct loop *loop;
    struct x400_net *net;
    struct resolver *resolver; /* NULL: next hops have no names */
    struct intake intake;
    x400_route_fn *route;
    /* What the connectors that route's `via` counts take; NULL: all take all. */
    const struct p1_peer *(*peers)(void *route_ctx, size_t *count);
    void *route_ctx;
    struct x400_settings settings;
};

struct x400_mta_options {            /* borrowed during the call */
    struct slice mta_name;           /* ours; a connector may have another towards its peer */
    struct p1_domain domain;         /* ours: country and ADMD given */
    uint32_t associations_max;       /* bound ones, of all connectors, that others opened */
    uint32_t unbound_max;            /* connections without a bind yet; beyond: closed at once */
    uint32_t unbound_per_client_max; /* of them, of one address */
    uint64_t returned_bytes_max;     /* content that a non-delivery report of ours returns */
    struct x400_times times;         /* until it is known whose association it is */
    /* Incoming associations agree on the connector's checkpoints, a point is confirmed when the
     * octets before it are durable (intake's secure), and what a peer resumes goes on. Else a size
     * of 0 is agreed on, and what a peer resumes is refused: it begins anew. */
    bool points;
};
int x400_new(
    struct x400 **out, const struct x400_env *env, const struct x400_mta_options *o) MUST_USE;
/* Reload: associations go on. -ENOMEM: as before. */
int x400_set_options(struct x400 *x, const struct x400_mta_options *o) MUST_USE;
void x400_free(struct x400 *x); /* connectors are freed before, or CHECK */

/* A connection of listener's: fd is taken over. */
void x400_accept(struct x400 *x, int fd, const struct netaddr *peer, const char *listener);
/* No new association, no new transfer in (reported, or the turn kept); a message that is coming in
 * has budget_ms to its end, and whoever sent it is answered when the sync returns. The scheduler
 * drains what goes out. cb when no association is left. */
void x400_drain(struct x400 *x, uint64_t budget_ms, loop_fn *cb, void *ctx);
/* At once: nothing more is said (fenced, quorum lost). Sessions of the scheduler end deferred. */
void x400_abort(struct x400 *x);
/* The address left this host: incoming associations to it end without a word. (Outgoing ones are
 * egress's.) */
void x400_cut(struct x400 *x, const struct netaddr *local);

/* Of the client of an envelope that x400 handed in: the connector that it came by; empty: none. */
struct slice x400_came_by(struct slice client);

struct x400_stats {
    uint64_t accepted, refused_calls, refused_binds; /* connections in */
    uint64_t opened, failed;                         /* associations out */
    uint64_t messages_in, messages_out, probes_in, probes_out, reports_in, reports_out;
    uint64_t reports_made, repeated; /* non-deliveries of ours; transfers that came before */
    uint64_t transfers_refused;      /* reported to the peer */
    unsigned unbound, associations;  /* now */
};
void x400_stats(const struct x400 *x, struct x400_stats *out);

/* ---- a connector */

struct x400_hop {
    struct slice name;      /* "mta.example.net", or empty when address is given */
    struct netaddr address; /* family 0 when named */
    uint16_t port;          /* 0: 102 */
};

struct x400_connector_options { /* borrowed during the call */
    struct slice name;
    enum p1_protocol protocol; /* of all its associations */
    /* Ours: what we say of ourselves, and what a peer has to call. */
    struct slice local_mta, local_password;
    struct x400_selectors local;
    /* The peer's: what we call, and what it has to say. */
    struct slice remote_mta, remote_password;
    struct x400_selectors remote;

    const struct netaddr_prefix *callers; /* the peer has to call from one of these ... */
    size_t caller_count;                  /* ... 0: from anywhere */
    const struct netaddr *sources;        /* VIPs to call from */
    size_t source_count;
    const struct x400_hop *hops;
    size_t hop_count;
    size_t tpdu_bytes;

    enum rtse_dialogue dialogue;
    uint32_t checkpoint, window; /* KiB, points */
    uint64_t recovery_ms;        /* how long a transfer that broke may be resumed; 0: never */
    bool recover; /* by an association that recovers the one that broke, not a bind */
    struct x400_times times;
    struct x400_schedule schedule; /* when we may call; x400_schedule.h */
    uint64_t waiting_ms; /* remote-initiated: how long a delivery waits for a call before it is
                            deferred; 0: 10 min */

    uint32_t in_max, out_max; /* associations that the peer opens, that we open; 0: no limit */
    /* Another association of ours is opened when this many messages wait for each that there is; 0:
     * as many as the scheduler asks for. */
    uint32_t threshold;
    uint32_t messages_per_association; /* of ours, then a new one; 0: no limit */
    uint32_t messages_per_turn;        /* two-way alternate: then the peer may, if it asks; 0: 10 */
    uint64_t message_bytes_max;        /* content, in both directions; 0: no limit */
    bool strip_internal, strip_bilateral; /* towards this peer */
    struct p1_1984 how;                   /* a peer of 1984 */
};

/* What a connector asks of app/; each may be NULL. */
struct x400_connector_env {
    /* How many messages wait for it (for threshold). */
    uint32_t (*waiting)(void *ctx);
    /* The peer is there, and no session of the scheduler's: mail that waits may be tried now. */
    void (*reached)(void *ctx);
    void *ctx;
};
int x400_connector_new(struct x400_connector **out, struct x400 *x,
    const struct x400_connector_options *o, const struct x400_connector_env *env,
    const struct transport_up *up) MUST_USE;
/* Reload: associations that are open stay so, with what was agreed upon and their times; their next
 * transfer goes by these options (message size, what is stripped, the time for a recovery), unless
 * the mode is another one. -ENOMEM: as before. */
int x400_connector_set_options(
    struct x400_connector *c, const struct x400_connector_options *o) MUST_USE;
/* No association of the peer's is taken (busy), those without a transfer end. */
void x400_connector_suspend(struct x400_connector *c, bool suspended);
/* It is in the configuration no more: what calls is not matched to it, and it calls no more than
 * the scheduler's sessions that are left want. */
void x400_connector_retire(struct x400_connector *c);
/* Call the peer at one of these addresses as the connector does, bind, and end it. As
 * x400_ping_start. */
int x400_connector_ping(struct x400_ping **out, struct x400_connector *c, const struct netaddr *to,
    size_t to_count, x400_ping_fn *cb, void *ctx) MUST_USE;
struct transport x400_connector_transport(struct x400_connector *c);
/* Its associations end. No session of the scheduler's is left, or CHECK. */
void x400_connector_free(struct x400_connector *c);

/* ---- to look at */

#define X400_WHY_CAP 256
struct x400_connector_view {
    unsigned in, out;          /* associations that are open */
    unsigned opening, waiting; /* sessions that open one, and that wait for a call */
    uint64_t messages_in, messages_out, bytes_in, bytes_out; /* probes and reports too */
    /* The last association that was refused or failed, by either side: a sentence with the layer.
     * refused_wall_ms 0: none. */
    uint64_t refused_wall_ms;
    bool refused_incoming;
    enum osi_layer refused_layer;
    unsigned refused_reason;
    char refused[X400_WHY_CAP];
};
void x400_connector_view(const struct x400_connector *c, struct x400_connector_view *out);
struct x400_association_view {
    struct x400_view conn;
    uint64_t id;                     /* of logs */
    const char *sending, *receiving; /* states of the halves; docs/protocols/x400.md */
    uint64_t message_id;             /* in hand, or 0 */
    uint32_t messages_in, messages_out;
};
typedef void x400_each_fn(void *ctx, const struct x400_association_view *view);
void x400_connector_each(const struct x400_connector *c, x400_each_fn *each, void *ctx);

#endif
