/* osi/stack.h - one transport connection with all its layers: octets of TCP in, what reliable
 * transfer says up, octets of TCP out. Pure; the shell (x400/x400_conn) has the connection and the
 * clock.
 *
 *     octets -> tp0_next -> session_next <- presentation_next <- rtse_next -> stack_ind
 *     rtse_write ... -> presentation, session (each writes its header) -> tp0_send -> stack_out
 *
 * In        stack_feed lends octets, stack_next is called until it says MORE, stack_keep copies
 *           what was not taken (at most what was lent) before the lender takes it back. Not taken
 *           is what comes while an answer of the user is awaited or he wants a pause; stack_hungry
 *           says whether more may be fed.
 * Requests  go to stack_rtse(k), but for those that are here. After one, and after an answer,
 *           stack_next is called again: what was kept may go on.
 * Waiting   stack_wait says for what, and stack_waits_anew counts what begins a wait anew; how
 *           long is the shell's.
 * Ending    STACK_ENDED exactly once, with the layer that ended it; then only stack_out is of
 *           interest, and stack_fini.
 * Memory    about 6 KiB, an SPDU that is gathered (11 KiB), what waits in out (TP0_OUT_BYTES_MAX),
 *           and what is kept (what was lent last); buffers are given back when empty.
 */
#ifndef OSI_STACK_H
#define OSI_STACK_H

#include "osi/layer.h"
#include "osi/rtse.h"

enum stack_ind_kind {
    STACK_MORE,
    STACK_CALLED,    /* a CR: calling, called (TSAPs): stack_answer or stack_refuse */
    STACK_CONNECTED, /* the CC came: stack_open */
    STACK_RTSE,      /* rtse_kind, rtse: all kinds but REFUSED, CLOSED and ABORT */
    STACK_ENDED      /* end */
};

enum stack_end_how {
    STACK_CLOSED,  /* released, by either side */
    STACK_REFUSED, /* the peer did not want the connection, session, association or bind */
    STACK_ABORTED, /* by the peer */
    STACK_BROKEN,  /* by us: the peer broke a layer's rules, or memory ran out; it was told */
    STACK_LOST     /* the connection ended (or a DR said that it will) */
};

struct stack_end {
    enum stack_end_how how;
    enum osi_layer layer; /* who said no, or met nonsense */
    unsigned reason;   /* of that layer, as in its header; OSI_RTSE: abortReason or refuseReason */
    const char *text;  /* a sentence; static, never NULL */
    struct slice user; /* REFUSED: the bind error's value, in normal mode */
    enum rtse_state was; /* before the end */
    /* The whole APDU was sent and neither confirmed nor reported: the peer may have secured it. */
    bool in_doubt;
};

/* Slices live until the next call with this stack. */
struct stack_ind {
    struct slice calling, called;
    enum rtse_ind_kind rtse_kind;
    struct rtse_ind rtse;
    bool in_doubt; /* RTSE_IND_FAILED: as in stack_end */
    struct stack_end end;
};

/* What is awaited from the peer; docs/protocols/x400.md, Time-outs, in the order of its rows. */
enum stack_wait {
    STACK_WAIT_NOTHING, /* an answer of ours is due, or it is over */
    STACK_WAIT_CALL,    /* our CR is out */
    STACK_WAIT_CALLED,  /* a CR, then the CONNECT */
    STACK_WAIT_OPEN,    /* our CONNECT is out */
    STACK_WAIT_CONFIRM, /* of a point, or of the end; anew with each */
    STACK_WAIT_OCTETS,  /* of an APDU; anew with each piece */
    STACK_WAIT_IDLE,    /* nothing is under way */
    STACK_WAIT_ANSWER   /* to an interrupt, discard, please, turn given, release, our report */
};
#define STACK_WAIT_COUNT (STACK_WAIT_ANSWER + 1)

/* Fields are the stack's; others may read those of the layers. */
struct stack {
    struct tp0 transport;
    struct session session;
    struct presentation presentation;
    struct rtse rtse;
    bool initiator, paused, ended;
    bool wants_turn, asked; /* and PLEASE is out */
    bool stopped_late;      /* our stop came behind the last octet */
    uint32_t priority;      /* of PLEASE */
    uint32_t anew;          /* see stack_waits_anew */
    uint32_t point;         /* receiving: the last that came */
    uint32_t secured;       /* receiving: the last that was confirmed */
    bool has_piece;         /* of a TSDU, not yet used up */
    bool piece_end;         /* of the TSDU */
    bool in_kept;           /* where piece and rest point to; else to what was lent */
    struct slice piece;
    struct slice rest; /* behind it */
    struct buf kept;
};

/* ref: see tp0_init. initiator: stack_connect follows; else a CR is awaited. */
void stack_init(struct stack *k, uint16_t ref, bool initiator);
void stack_fini(struct stack *k);

/* Once. 0 or -ENOMEM. */
int stack_connect(
    struct stack *k, struct slice calling, struct slice called, size_t tpdu_bytes) MUST_USE;
int stack_answer(struct stack *k, size_t tpdu_bytes) MUST_USE; /* after CALLED */
int stack_refuse(struct stack *k, unsigned reason) MUST_USE;   /* TP0_REASON_; ENDED follows not */
int stack_open(struct stack *k, const struct rtse_open *o) MUST_USE; /* after CONNECTED */

/* Only while stack_hungry. */
void stack_feed(struct stack *k, struct slice bytes);
enum stack_ind_kind stack_next(struct stack *k, struct stack_ind *ind);
int stack_keep(struct stack *k) MUST_USE; /* 0 or -ENOMEM: then nothing can go on */
bool stack_hungry(const struct stack *k);
/* Give back what is empty: an association that rests costs little. */
void stack_rest(struct stack *k);
/* What was fed last may still come up to the end of a TPDU's octets. */
void stack_pause(struct stack *k, bool on);
/* The TCP connection ended. *end as of STACK_ENDED; false if that was told before. */
bool stack_lost(struct stack *k, struct stack_end *end);

/* Requests; each may come at any time: what the state does not allow any more is left out.
 * activity: of RTSE_IND_BEGIN or RESUME; a late answer to one that is over is nobody's. */
int stack_secured(struct stack *k, uint32_t activity, uint32_t point) MUST_USE;
int stack_report(struct stack *k, uint32_t activity, unsigned reason) MUST_USE;
int stack_stop(struct stack *k, bool keep) MUST_USE;
/* As soon as the peer may be asked. TWA only. */
int stack_please(struct stack *k, uint32_t priority) MUST_USE;
void stack_abort(struct stack *k, unsigned reason); /* RTSE_ABORT_; over, ENDED follows not */
struct rtse *stack_rtse(struct stack *k);
/* If it ended now: see stack_end. */
bool stack_in_doubt(const struct stack *k);
/* Of the transfer under way or the last one, in either direction. */
void stack_recovery(const struct stack *k, struct rtse_recovery *out);

struct slice stack_out(const struct stack *k);
void stack_sent(struct stack *k, size_t n);
size_t stack_queued(const struct stack *k);

enum stack_wait stack_wait(const struct stack *k);
uint32_t stack_waits_anew(const struct stack *k);
/* Octets that come before the next confirmation, at most: what STACK_WAIT_CONFIRM is measured by.
 */
uint64_t stack_unconfirmed_bytes(const struct stack *k);

#endif
