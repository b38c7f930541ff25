/* mail/transport.h - how the scheduler drives a protocol that hands mail on. Structs of function
 * pointers; smtp/ and x400/ implement `transport`, sched/ implements `transport_up`. All on the
 * loop's thread; nothing is called back from inside a call of the other side except `next` from
 * `done` (see there).
 *
 * A session serves one destination of one connector. The scheduler decides how many; the transport
 * opens (with address lookup, alternates and timeouts), runs one delivery at a time, and asks for
 * the next.
 */
#ifndef MAIL_TRANSPORT_H
#define MAIL_TRANSPORT_H

#include "mail/envelope.h"

enum outcome_kind {
    OUTCOME_DELIVERED,
    OUTCOME_DEFERRED,
    OUTCOME_FAILED,
    OUTCOME_EXPANDED,
    OUTCOME_REMOVED
};

/* What happened to one recipient, or to a session. Slices live during the call that hands it over.
 */
struct transport_result {
    enum outcome_kind kind;
    int code;            /* the peer's reply code; 0 when there was none */
    struct slice status; /* RFC 3463 "4.4.1"; ours when the peer gave none */
    struct slice reply;  /* the peer's text, or our sentence */
    struct slice remote; /* "mx.example.org[192.0.2.1]:25" or empty */
    struct slice source; /* the VIP it was sent from, or empty */
    uint8_t in_doubt;    /* the final dot was out and no answer came */
    uint8_t can_ask;     /* in_doubt, and the peer knows TRANSIDs: trying again does no harm */
    uint8_t answered;    /* the peer knew the TRANSID: no doubt of before is left */
    uint8_t untried;     /* deferred for a reason of ours: no attempt that the peer failed */
    /* Deferred: tried within this time it goes on where it stopped; 0: anew. Of a session that did
     * not open: it, or another of the same destination. */
    uint64_t resume_ms;
};

/* One transaction's work: one message, some of its recipients. Owned by the scheduler; valid until
 * `done`. */
struct delivery {
    uint64_t id; /* the message's, for logs */
    struct slice sender;
    uint8_t body;
    uint64_t size_bytes;
    uint64_t received_wall_ms; /* when it came to us: P1's trace says so */
    /* The route of some of them names another connector first, which is down. Of a transport that
     * says so to the peer; for others it is not found out. */
    uint8_t rerouted;
    uint32_t recipient_count;
    const struct slice *recipients; /* addresses */
    /* RFC 1845's TRANSID of this transaction, with its brackets: the same when those whom it left
     * in doubt are tried again. */
    struct slice transid;
};

typedef void transport_ready_fn(void *ctx);

struct transport_session; /* the transport's */
struct sched_session;     /* the scheduler's view of the same session */

/* What the scheduler offers the transport. */
struct transport_up {
    /* The current delivery's transaction begins: its first byte (MAIL FROM) is about to be written.
     * 0: write it; BH_EBUSY: not before ready is called, then ask again; another code: give the
     * delivery up, as with content. May be asked again for the same delivery over another
     * connection. */
    int (*begin)(struct sched_session *s, transport_ready_fn *ready, void *ctx);
    /* Is it on disk that the delivery is tried? The dot waits for that; a transport that has all of
     * a short message asks before its first byte, so that content and dot leave together. 0;
     * BH_EBUSY: ready is called, then ask again; another code: the dot will not go out. */
    int (*attempted)(struct sched_session *s, transport_ready_fn *ready, void *ctx);
    /* Content, piece by piece: >0 bytes in *out (valid until the next call or delivery's end), 0
     * end, BH_EBUSY: ready(ctx) is called when to ask again; BH_EDAMAGED or -EIO: give up this
     * delivery (done with DEFERRED; do not send the dot: RSET or close). */
    int (*content)(
        struct sched_session *s, struct slice *out, transport_ready_fn *ready, void *ctx);
    /* content goes on (or begins) with the octet at offset of the stored message. */
    void (*seek)(struct sched_session *s, uint64_t offset);
    /* May the final dot go out now? 0; BH_EBUSY: ready is called, then ask again; BH_EFENCED,
     * BH_EQUORUM: never: close the connection. */
    int (*dot)(struct sched_session *s, transport_ready_fn *ready, void *ctx);
    /* Result of one recipient of the current delivery, in any order, once each. */
    void (*recipient)(struct sched_session *s, uint32_t index, const struct transport_result *r);
    /* The current delivery is over (every recipient has its result). Returns the next one, to begin
     * at once, or NULL: the session is idle and waits for `work` or its idle timeout. */
    const struct delivery *(*done)(struct sched_session *s);
    /* The session is open and greeted (for limits and back-off: the destination lives). */
    void (*opened)(struct sched_session *s);
    /* The session ended; the transport has forgotten it. result says why; recipients of a current
     * delivery without result get it. Before `opened` it means that the destination could not be
     * reached. */
    void (*closed)(struct sched_session *s, const struct transport_result *result);
};

struct transport_ops {
    /* Open a session to destination ("example.org", or the connector's own next hops when it has
     * some) for `up`'s s, with a first delivery. 0 (then everything else arrives by `up`, never
     * inside this call), or -ENOMEM. */
    int (*open)(void *ctx, struct slice destination, struct sched_session *s,
        const struct delivery *first, struct transport_session **out);
    /* New work for an idle session. */
    void (*work)(struct transport_session *t, const struct delivery *d);
    /* End it: politely (QUIT) if idle; abort: at once, current recipients get DEFERRED by `closed`.
     */
    void (*close)(struct transport_session *t, bool abort);
    bool says_rerouted; /* wants delivery.rerouted */
};

struct transport {
    const struct transport_ops *ops;
    void *ctx;
};

#endif
