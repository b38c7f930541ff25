/* x400/x400_conn.h - the shell of the OSI stack: one TCP connection, in or out, with the layers,
 * the deadlines and back-pressure; the user sees an association. Contract of x400_in and x400_out.
 *
 * Threads   the loop's. Callbacks never run inside a call of the user's; each call may be made in
 *           any callback, x400_conn_free too.
 * Life      x400_conn_open or x400_conn_adopt makes one; on_end comes exactly once, as the last
 *           callback, unless x400_conn_free came before; x400_conn_free always ends it: what was
 *           written still goes out (close_ms), an association that is open is aborted.
 * Out       every address of the list is tried, from a VIP and no other source (net/egress), until
 *           one answers the CR; then CONNECT and bind. on_opened, or on_end with the last reason.
 * In        on_called (TSAPs): x400_conn_answer or x400_conn_refuse_call. Then on_offer (selectors,
 *           bind argument): x400_conn_accept or x400_conn_refuse. Both at once or later.
 * Sending   with the turn and nothing under way (on_opened says who has the turn):
 *           x400_conn_transfer, then on_room whenever octets may be written; x400_conn_write takes
 *           at most x400_conn_room. RTSE_IND_CONFIRMED for points, RTSE_IND_SENT: the peer has
 *           secured it. RTSE_IND_FAILED: the peer reported, or we stopped; our turn again.
 * Receiving RTSE_IND_BEGIN or RESUME, OCTETS, POINT, END: see osi/rtse.h; confirmed by
 *           x400_conn_secured when durable. x400_conn_pause: no more octets are read (what one read
 *           brought may still come).
 * Deadlines of struct x400_times, all of them: a peer that stalls in any state of any layer is
 *           given up, and on_end says which wait it was (X400_TIMED_OUT). While an answer of the
 *           user's is due, or he pauses, the peer's deadlines rest.
 * Calls     once the association is over (on_end is about to come) every call but x400_conn_free
 *           does nothing. Out of memory in a call ends the association.
 * Memory    some 8 KiB idle; a transfer of any size at most X400_CONN_BYTES_MAX.
 */
#ifndef X400_X400_CONN_H
#define X400_X400_CONN_H

#include "net/egress.h"
#include "osi/stack.h"

/* Octets waiting in out (256 KiB), in the connection's queue, kept of one read, an SPDU. */
#define X400_CONN_BYTES_MAX   (512 * 1024)
#define X400_CONN_LABEL_CAP   64
#define X400_CONN_NAME_MAX    32 /* of x400_net_new */
#define X400_CONN_TARGETS_MAX 16

struct x400_conn;
struct x400_trace_sink;

/* ---- what all connections of a process share */

struct x400_net;
/* name: what our session references begin with (the hostname; cut at X400_CONN_NAME_MAX); a number
 * that begins at a random one follows, so that no two associations have the same. egress may be
 * NULL where only incoming ones are made. */
int x400_net_new(
    struct x400_net **out, struct loop *l, struct egress *e, struct slice name) MUST_USE;
void x400_net_free(struct x400_net *n); /* all connections are freed before */
unsigned x400_net_count(const struct x400_net *n);
struct loop *x400_net_loop(const struct x400_net *n);
/* All connections, present and future, are traced into sink (NULL: none); it must outlive that. */
void x400_net_trace(struct x400_net *n, const struct x400_trace_sink *sink);

/* ---- one */

enum { X400_NORMAL, X400_NON_URGENT, X400_URGENT }; /* priority, as X.411 counts them */

/* docs/protocols/x400.md, Time-outs. */
struct x400_times {
    uint64_t connect_ms; /* TCP connect, and CR to CC, each */
    uint64_t called_ms;  /* from accept(2) to a CR, from our CC to the CONNECT */
    uint64_t open_ms;    /* CONNECT to ACCEPT */
    uint64_t confirm_ms; /* no point, no end confirmed: at least this, and ... */
    uint64_t kib_ms[3];  /* ... this for each KiB, by priority */
    uint64_t octets_ms;  /* no octet of an APDU that is being received; and in all this and, for
                            each KiB that came, the longest of kib_ms (x400_patience.h) */
    uint64_t idle_ms; /* nothing under way: the initiator releases; the answerer waits twice that */
    uint64_t answer_ms; /* interrupt, discard, please, turn, release unanswered */
    uint64_t close_ms;  /* until what is still to be sent is dropped */
};
extern const struct x400_times x400_times_default;

/* Copied by x400_conn_open. */
struct x400_options {
    const struct netaddr *sources; /* see egress_connect */
    size_t source_count;
    const struct netaddr *to; /* with ports; at most X400_CONN_TARGETS_MAX */
    size_t to_count;
    struct slice calling_t, called_t; /* TSAP selectors */
    size_t tpdu_bytes;                /* TP0_TPDU_BYTES_DEFAULT */
    /* mode, dialogue, checkpoint, window, application_protocol, initiator_has_turn, S- and
     * P-selectors, user (the bind argument's value). reference is made here. */
    struct rtse_open open;
    /* NULL, or the association to recover: then there is no bind, and its checkpoint size holds. */
    const struct rtse_recovery *recover;
    struct x400_times times;
    struct slice label; /* the connector's name, for traces and describe */
};

enum x400_end_how {
    X400_CLOSED,      /* released */
    X400_REFUSED,     /* layer, reason, text; user: the bind error */
    X400_ABORTED,     /* by the peer: layer, reason, text */
    X400_BROKEN,      /* by us: the peer broke the rules of layer */
    X400_LOST,        /* the connection ended, or our address left: status */
    X400_TIMED_OUT,   /* text says what was waited for */
    X400_UNREACHABLE, /* no connection was made: status, of the last address */
    X400_STOPPED      /* x400_conn_abort, or we found no memory: status */
};

struct x400_end {
    enum x400_end_how how;
    enum osi_layer layer;
    unsigned reason;
    int status;        /* 0, or an error_text code */
    const char *text;  /* a sentence without period; never NULL, lives until x400_conn_free */
    struct slice user; /* until on_end returns */
    struct netaddr local, remote;
    bool opened; /* there was an association */
    enum rtse_state was;
    bool in_doubt; /* a transfer was sent whole, and its confirmation is not known */
    bool broken;   /* a transfer was under way, in either direction: x400_conn_recovery */
};

/* All but on_end may be NULL if it cannot come; on_idle in any case. */
struct x400_conn_user {
    void (*on_called)(void *ctx, struct slice calling, struct slice called);
    void (*on_offer)(void *ctx, const struct rtse_open *offer);
    void (*on_opened)(void *ctx, const struct rtse_open *agreed); /* of x400_conn_open */
    /* kind: BEGIN and all that follow it in enum rtse_ind_kind but CLOSED and ABORT. in_doubt: of
     * FAILED, as in struct x400_end. */
    void (*on_rtse)(void *ctx, enum rtse_ind_kind kind, const struct rtse_ind *ind, bool in_doubt);
    /* Once after x400_conn_transfer or _resume, and again when there is room after
     * x400_conn_write left none. */
    void (*on_room)(void *ctx);
    void (*on_end)(void *ctx, const struct x400_end *end);
    /* Nothing was under way for the idle time, and we opened it. True, or no such callback: it is
     * released now, and must be used no more. False: it is about to be used, and stays. */
    bool (*on_idle)(void *ctx);
};

/* An error here means that no callback ever runs: -ENOMEM; BH_ENOVIP, … of egress for the only or
 * last address come by on_end. */
int x400_conn_open(struct x400_conn **out, struct x400_net *n, const struct x400_options *o,
    const struct x400_conn_user *user, void *ctx) MUST_USE;
/* A connection of listener's: fd is ours (closed on failure as well). */
int x400_conn_adopt(struct x400_conn **out, struct x400_net *n, int fd,
    const struct x400_times *times, const struct x400_conn_user *user, void *ctx) MUST_USE;
void x400_conn_free(struct x400_conn *c); /* NULL is fine */
/* Our address left this host, or nothing more may be said: no octet goes out any more, not even a
 * reset (conn_cut). on_end follows (LOST, status), unless x400_conn_free comes before. */
void x400_conn_cut(struct x400_conn *c, int status);

/* ---- answering. From here the connector's own times may hold: x400_conn_set_times. */
void x400_conn_answer(struct x400_conn *c, size_t tpdu_bytes);
void x400_conn_refuse_call(struct x400_conn *c, unsigned reason); /* TP0_REASON_; on_end follows */
/* o: checkpoint and window at most, our S- and P-selector (called_s, called_p) as they were called,
 * user: the bind result. What the offer says (mode, dialogue, turn, references) is taken from it.
 */
void x400_conn_accept(struct x400_conn *c, const struct rtse_open *o);
/* reason: X.410 mode (RTSE_REFUSE_); user: the bind error, normal mode. on_end follows. */
void x400_conn_refuse(struct x400_conn *c, unsigned reason, struct slice user);
void x400_conn_set_times(struct x400_conn *c, const struct x400_times *times);
void x400_conn_set_label(struct x400_conn *c, struct slice label);

/* ---- sending: with the turn, nothing under way */
/* apdu_bytes at most this: what the points that were agreed upon can count. */
uint64_t x400_conn_apdu_max(const struct x400_conn *c);
void x400_conn_transfer(struct x400_conn *c, uint64_t apdu_bytes, unsigned priority);
/* The octets from rtse_offset(from) on follow. from: its point above 0, and its checkpoint size
 * that of this association (else -EINVAL: begin anew). */
int x400_conn_resume(struct x400_conn *c, const struct rtse_recovery *from, uint64_t apdu_bytes,
    unsigned priority) MUST_USE;
size_t x400_conn_room(const struct x400_conn *c);
void x400_conn_write(struct x400_conn *c, struct slice bytes); /* at most room */
/* The octets can't be had: interrupt (keep: it will be resumed) or discard. RTSE_IND_FAILED
 * follows, unless the end comes first or nothing is under way. */
void x400_conn_stop(struct x400_conn *c, bool keep);

/* ---- receiving. activity: of the indication; late answers to a transfer that is over do nothing.
 */
void x400_conn_secured(struct x400_conn *c, uint32_t activity, uint32_t point);
void x400_conn_report(
    struct x400_conn *c, uint32_t activity, unsigned reason); /* SESSION_REASON_ */
void x400_conn_pause(struct x400_conn *c, bool on);

/* ---- turn (two-way alternate) and end */
void x400_conn_please(struct x400_conn *c, uint32_t priority); /* without the turn; TURN follows */
void x400_conn_give(struct x400_conn *c);                      /* TURN state; GAVE follows */
/* Polite: release if we may (the initiator with the turn and nothing under way; without the turn it
 * is asked for first), at once or as soon as that holds; where we never may, as
 * x400_conn_abort. on_end follows. */
void x400_conn_close(struct x400_conn *c);
void x400_conn_abort(struct x400_conn *c, unsigned reason); /* RTSE_ABORT_; on_end follows */

/* ---- to look at */

bool x400_conn_is_open(const struct x400_conn *c); /* the association is */
/* Normal mode: the presentation context of message transfer, which P1's EXTERNAL names; else 0. */
uint32_t x400_conn_context(const struct x400_conn *c);
/* Of the transfer under way or the last one, in either direction; in on_end too. */
void x400_conn_recovery(const struct x400_conn *c, struct rtse_recovery *out);

/* For connector show and ping. Texts are static or in the struct. */
struct x400_view {
    char label[X400_CONN_LABEL_CAP];
    bool incoming;
    struct netaddr local, remote;
    const char *tcp;                        /* "connecting", "open", "closed" */
    const char *transport, *session, *rtse; /* state names */
    const char *mode;                       /* "normal", "x410" */
    const char *dialogue;                   /* "monologue", "two-way-alternate" */
    const char *waits_for;                  /* what the deadline is for */
    uint64_t waits_ms;                      /* until it; UINT64_MAX: none */
    unsigned session_version;
    size_t tpdu_bytes;
    uint32_t checkpoint, window; /* KiB, points */
    bool our_turn;
    uint32_t activity, point;
    uint64_t apdu_bytes, done_bytes;      /* of the transfer under way */
    uint64_t octets_in, octets_out;       /* of TCP, since the beginning */
    uint32_t transfers_in, transfers_out; /* ended and confirmed */
};
void x400_conn_view(const struct x400_conn *c, struct x400_view *out);
/* The same as one line, terminated, cut to cap. */
void x400_conn_describe(const struct x400_conn *c, char *out, size_t cap);

#endif
