/* osi/rtse.h - reliable transfer (X.228), over association control and presentation, in normal mode
 * and in X.410-1984 mode: associations, turns, and APDUs of any size sent as activities with
 * checkpoints. Pure.
 *
 * What comes when is one table, rtse_row(state, event); docs/protocols/x400.md shows the same rows
 * and test_rtse.c compares them. Events are what the session tells (presentation_ind), after its
 * own table let it pass.
 *
 * Sending   rtse_transfer names the APDU's length, the user then writes its octets whenever
 *           rtse_room says so, in pieces of any size; RTSE cuts segments at checkpoints, sets the
 *           points, waits at the window's end, and ends the activity behind the last octet.
 *           RTSE_IND_SENT: the peer has secured it. RTSE_IND_CONFIRMED tells of points on the way:
 *           durable there, so that the sender may note them for a recovery.
 * Receiving segments' octets go up as they come (RTSE_IND_OCTETS), without RTTR and PDV around. At
 *           RTSE_IND_POINT and RTSE_IND_END the user answers by rtse_secured when all octets before
 *           it are durable: only then the peer hears of it. Several points may be open (the
 *           window).
 * Recovery  an association that breaks leaves a struct rtse_recovery with its user: whose it was
 *           (the session's reference), the activity, the last point confirmed and the checkpoint
 *           size. rtse_open with it (ConnectionData recover), then rtse_resume and the octets from
 *           rtse_offset on. The receiver is asked by RTSE_IND_RESUME and says from which point on
 *           it has the octets, or refuses; then the sender begins anew.
 * Turn      TWA only: asked for with rtse_please, given with rtse_give; after an exchange in which
 *           both believe to be without it (a bug class of others), the initiator's timer ends it:
 *           the shell's affair.
 * Errors    of the peer: ABORT with RTAB, RTSE_IND_ABORT with a sentence; a transfer under way is
 *           then broken, not lost. Requests: 0, -ENOMEM, BH_ETOOBIG, as the session's.
 */
#ifndef OSI_RTSE_H
#define OSI_RTSE_H

#include "osi/acse.h"
#include "osi/presentation.h"

#define RTSE_CHECKPOINT_UNIT_BYTES 1024u /* checkpointSize counts these */
#define RTSE_CHECKPOINT_MAX        4096u /* 4 MiB: a larger one of a peer is lowered to this */
#define RTSE_CHECKPOINT_DEFAULT    30u   /* Exchange's */
#define RTSE_WINDOW_MAX            64u /* points without confirmation; a larger offer is lowered */
#define RTSE_WINDOW_DEFAULT        3u  /* X.228 9: when absent */
#define RTSE_ACTIVITY_MAX          0x7FFFFFFFu /* an INTEGER of at most four octets (id of six) */

enum rtse_dialogue { RTSE_MONOLOGUE = 0, RTSE_TWA = 1 };

enum { /* refuseReason, X.410 mode */
    RTSE_REFUSE_BUSY = 0,
    RTSE_REFUSE_CANNOT_RECOVER = 1,
    RTSE_REFUSE_VALIDATION = 2,
    RTSE_REFUSE_DIALOGUE = 3
};
enum { /* abortReason of RTAB */
    RTSE_ABORT_SYSTEM = 0,
    RTSE_ABORT_INVALID = 1,   /* parameter */
    RTSE_ABORT_ACTIVITY = 2,  /* unrecognized */
    RTSE_ABORT_TEMPORARY = 3, /* cannot go on now */
    RTSE_ABORT_PROTOCOL = 4,
    RTSE_ABORT_PERMANENT = 5,
    RTSE_ABORT_USER = 6,
    RTSE_ABORT_COMPLETED = 7 /* this transfer is already completed */
};

enum rtse_state {
    RTSE_IDLE,
    RTSE_WAIT_OPEN, /* RTORQ is out */
    RTSE_ANSWER,    /* RTORQ came: rtse_accept or rtse_refuse */
    RTSE_TURN,      /* ours, nothing is under way */
    RTSE_NO_TURN,   /* the peer's, nothing is under way */
    RTSE_SEND,      /* an activity of ours */
    RTSE_WAIT_SENT, /* it is ended, not yet confirmed */
    RTSE_WAIT_STOP, /* it is interrupted or discarded, not yet confirmed */
    RTSE_RECEIVE,   /* an activity of the peer's */
    RTSE_SECURE,    /* it is ended, and rtse_secured awaited */
    RTSE_REPORTED,  /* we could not secure it: the peer is to interrupt or discard */
    RTSE_GIVING,    /* the turn */
    RTSE_WAIT_CLOSE,
    RTSE_OVER
};
#define RTSE_STATE_COUNT (RTSE_OVER + 1)

/* Events are what the session tells (enum session_ind_kind, MORE left out), and the loss of the
 * connection. */
#define RTSE_LOST        (SESSION_IND_ABORT + 1)
#define RTSE_EVENT_COUNT (RTSE_LOST + 1)

enum rtse_step {
    RTSE_STEP_ASK,
    RTSE_STEP_OPENED,
    RTSE_STEP_REFUSED,
    RTSE_STEP_BEGIN,
    RTSE_STEP_RESUME,
    RTSE_STEP_OCTETS,
    RTSE_STEP_POINT,
    RTSE_STEP_CONFIRMED,
    RTSE_STEP_END,
    RTSE_STEP_SENT,
    RTSE_STEP_STOPPED,
    RTSE_STEP_FAILED,
    RTSE_STEP_STOP, /* we interrupt or discard, by the reason */
    RTSE_STEP_PLEASE,
    RTSE_STEP_TURN,
    RTSE_STEP_GAVE,
    RTSE_STEP_CLOSE, /* the peer releases: answered at once */
    RTSE_STEP_CLOSED,
    RTSE_STEP_ABORT,
    RTSE_STEP_PROTOCOL, /* RTAB, over */
    RTSE_STEP_DROP,
    RTSE_STEP_LOSE,
    RTSE_STEP_IGNORE
};
#define RTSE_STEP_COUNT (RTSE_STEP_IGNORE + 1)

enum rtse_ind_kind {
    RTSE_IND_MORE,
    RTSE_IND_OPEN,      /* open: rtse_accept or rtse_refuse */
    RTSE_IND_OPENED,    /* open */
    RTSE_IND_REFUSED,   /* reason, user, error; over */
    RTSE_IND_BEGIN,     /* activity: an APDU comes */
    RTSE_IND_RESUME,    /* activity, renamed, point, offset, link: octets follow; or rtse_report */
    RTSE_IND_OCTETS,    /* bytes, of the APDU */
    RTSE_IND_POINT,     /* point: rtse_secured when all before it is durable */
    RTSE_IND_END,       /* the APDU is whole: rtse_secured or rtse_report */
    RTSE_IND_STOPPED,   /* the peer interrupted (keep: it may resume) or discarded (keep false) */
    RTSE_IND_CONFIRMED, /* point */
    RTSE_IND_SENT,      /* the peer has it: our turn again, nothing under way */
    RTSE_IND_FAILED,    /* the transfer was stopped after an exception of the peer: reason, keep */
    RTSE_IND_PLEASE,    /* priority: the peer wants the turn */
    RTSE_IND_TURN,      /* we have it */
    RTSE_IND_GAVE,      /* the peer has it */
    RTSE_IND_CLOSED,    /* released, by either side; over */
    RTSE_IND_ABORT /* error, by_peer, reason; over. A transfer under way is in doubt if it was in
                      WAIT_SENT, else broken */
};

/* The reference is kept as it stands in the SPDU, and in ConnectionData. */
struct rtse_recovery {
    char user[SESSION_REFERENCE_BYTES_MAX], common[SESSION_REFERENCE_BYTES_MAX];
    uint8_t user_n, common_n;
    uint32_t activity;
    uint32_t point;      /* the last confirmed; 0: none, begin anew */
    uint32_t checkpoint; /* units; the answering side must keep to it (Q187929) */
};

struct rtse_open {
    enum presentation_mode mode;
    enum rtse_dialogue dialogue;
    uint32_t checkpoint; /* units; 0: an offer leaves it to the peer, an answer wants none */
    uint32_t window;
    uint32_t application_protocol; /* X.410 mode: 1 or 12; a peer's 3072 counts as 12 */
    bool initiator_has_turn;
    bool recover; /* the reference names the association to recover, and there is no user */
    struct session_reference reference; /* of this association; recovered of that one */
    struct session_reference recovered;
    struct slice calling_s, called_s, calling_p, called_p; /* selectors */
    struct slice user;                                     /* one value: the bind */
};

struct rtse_ind {
    struct rtse_open open; /* slices live until the next call with this rtse */
    struct slice bytes;
    uint32_t activity, point;
    uint32_t
        renamed; /* RESUME: what the peer calls the activity from now on, for another recovery */
    uint64_t offset; /* of the octets that follow, in the APDU */
    struct session_reference link;
    unsigned reason;
    uint32_t priority;
    struct slice user;
    bool keep, by_peer;
    bool ours;            /* ABORT: we did it, the peer broke the rules of layer */
    enum osi_layer layer; /* REFUSED, ABORT: who did, or met nonsense; reason is its own */
    const char *error;
};

/* What the application above calls itself: P1's unless rtse_use says otherwise. Contents of OIDs,
 * static. */
struct rtse_names {
    struct slice application; /* context name of the association, 2.6.0.1.6 */
    struct slice rtse;        /* abstract syntax of RTSE and bind, 2.6.0.2.12 */
    struct slice transfer;    /* of what the EXTERNAL names, 2.6.0.2.7; empty: none */
};

struct rtse {
    enum rtse_state state;
    const struct rtse_names *names;
    struct presentation *below;
    enum presentation_mode mode;
    enum rtse_dialogue dialogue;
    bool initiator;
    uint32_t checkpoint, window;     /* agreed upon; before, what was offered */
    struct rtse_recovery self;       /* what a recovery of the present transfer would need */
    uint32_t activities;             /* begun by us: their numbers, which the peer's do not touch */
    uint64_t apdu_bytes, done_bytes; /* of the transfer under way */
    uint64_t segment_left;           /* sending: octets to the next point */
    uint32_t open_points;            /* set and not confirmed */
    unsigned stop_reason;            /* WAIT_STOP: why */
    bool stop_keep;
    struct buf rt, ac; /* APDUs under construction: of RTSE, of ACSE */
};

/* The contexts that presentation_init wants. */
#define RTSE_CONTEXT_COUNT 3
void rtse_contexts(struct presentation_context out[RTSE_CONTEXT_COUNT], bool initiator);

void rtse_init(struct rtse *r, struct presentation *below);
void rtse_fini(struct rtse *r);
/* IDLE: another application than P1, in normal mode. names outlive r. */
void rtse_use(struct rtse *r, const struct rtse_names *names);

/* As session_next: a piece of a TSDU. */
enum rtse_ind_kind rtse_next(struct rtse *r, struct slice *bytes, bool end, struct rtse_ind *ind);
void rtse_lost(struct rtse *r);

int rtse_open(struct rtse *r, const struct rtse_open *o) MUST_USE;   /* IDLE */
int rtse_accept(struct rtse *r, const struct rtse_open *o) MUST_USE; /* ANSWER */
/* reason for X.410 mode; user (a bind error) for normal mode. */
int rtse_refuse(struct rtse *r, unsigned reason, struct slice user) MUST_USE;

/* TURN. At most rtse_apdu_max. The activity's number is the next one; see self.activity. */
int rtse_transfer(struct rtse *r, uint64_t apdu_bytes) MUST_USE;
/* TURN: go on with what from's association began; the octets from rtse_offset(from) on follow. */
int rtse_resume(struct rtse *r, const struct rtse_recovery *from, uint64_t apdu_bytes) MUST_USE;
uint64_t rtse_offset(const struct rtse_recovery *from);
/* Only whose it is: a copy of the reference. The rest stays. */
void rtse_recovery_name(struct rtse_recovery *r, const struct session_reference *whose);
/* The longest APDU: a point behind each checkpoint, and points have numbers of six digits (X.225
 * 8.3.1.10). UINT64_MAX without checkpoints. */
uint64_t rtse_apdu_max(const struct rtse *r);
/* SEND: how many octets rtse_write takes now: 0 at the window's end or while much waits in out. */
size_t rtse_room(const struct rtse *r);
int rtse_write(struct rtse *r, struct slice bytes) MUST_USE; /* at most rtse_room */
/* SEND, WAIT_SENT: the octets can't be had (or took too long). keep: interrupt, else discard. */
int rtse_stop(struct rtse *r, bool keep) MUST_USE;

/* RECEIVE, SECURE: all octets before point are durable; the last one's point: the whole APDU is. */
int rtse_secured(struct rtse *r, uint32_t point) MUST_USE;
/* RECEIVE, SECURE: no. reason as SESSION_REASON_. */
int rtse_report(struct rtse *r, unsigned reason) MUST_USE;

int rtse_please(struct rtse *r, uint32_t priority) MUST_USE; /* NO_TURN, TWA */
int rtse_give(struct rtse *r) MUST_USE;                      /* TURN, TWA */
int rtse_close(struct rtse *r) MUST_USE;                     /* TURN, the initiator */
void rtse_abort(struct rtse *r, unsigned reason);

/* The presentation context of message transfer, which P1's EXTERNAL names; 0: X.410 mode, or it was
 * not agreed upon. */
uint32_t rtse_transfer_context(const struct rtse *r);

/* Sentences for reasons of RTAB and of RTORJ (X.410 mode); never NULL. */
const char *rtse_abort_text(unsigned reason);
const char *rtse_refuse_text(unsigned reason);
/* The table, by number and by name, for the test that compares the document. */
enum rtse_step rtse_row(enum rtse_state s, unsigned event);
const char *rtse_state_name(enum rtse_state s);
const char *rtse_event_name(unsigned event);
const char *rtse_step_name(enum rtse_step s);

#endif
