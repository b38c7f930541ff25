/* osi/session.h - the session protocol (X.225) as far as reliable transfer needs it: kernel,
 * half-duplex, minor synchronize, activity management, exceptions; versions 1 and 2. Pure: pieces
 * of TSDUs in, indications up, TSDUs to the transport below.
 *
 * What comes when is one table, session_row(state, event); docs/protocols/x400.md shows the same
 * rows and test_session.c compares them. Whether the turn, the activity and the serial number allow
 * it is looked at in the step: if not, the step is that of a protocol error. Our own wrong calls
 * are CHECKs.
 *
 * Turn      the data, synchronize-minor and major/activity tokens are one thing here, the turn, as
 *           in X.228. A GIVE TOKENS CONFIRM is answered at once, outside activities.
 * Answers   the session answers by itself what needs nobody's decision: ACTIVITY INTERRUPT and
 *           DISCARD, GIVE TOKENS CONFIRM, ABORT. In ANSWER, END and RELEASE nothing is taken from
 *           the transport until the user answered.
 * Data      an SSDU goes up and down in pieces; only a header, or an SPDU that is not data (at most
 *           SESSION_SPDU_BYTES_MAX), is gathered.
 * Errors    a protocol error of the peer: ABORT with that reason to it, SESSION_IND_ABORT with a
 *           sentence to the user. Every request returns 0, -ENOMEM or BH_ETOOBIG (the transport's
 *           out is full: see CONN_HIGH_BYTES); after an error the connection is given up.
 * Sections  numbers in comments are X.225 (1995)'s.
 */
#ifndef OSI_SESSION_H
#define OSI_SESSION_H

#include "osi/layer.h"
#include "osi/tp0.h"

#define SESSION_SELECTOR_BYTES_MAX      16 /* 8.3.1.15 */
#define SESSION_REFERENCE_BYTES_MAX     64 /* calling, called and common reference, 8.3.1.2 */
#define SESSION_ADDITIONAL_BYTES_MAX    4
#define SESSION_ACTIVITY_ID_BYTES_MAX   6
#define SESSION_DATA_V1_BYTES_MAX       512 /* user data of a CONNECT in version 1 */
#define SESSION_DATA_BYTES_MAX          10240 /* in version 2; beyond it would be CONNECT DATA OVERFLOW */
#define SESSION_ABORT_DATA_V1_BYTES_MAX 9
/* The largest SPDU but data: user data, references and selectors, with their headers. */
#define SESSION_SPDU_BYTES_MAX (SESSION_DATA_BYTES_MAX + 1024)
#define SESSION_SERIAL_MAX     999999u /* six digits, 8.3.1.10 */

enum { /* session user requirements, 8.3.1.14 */
    SESSION_HALF_DUPLEX = 0x0001,
    SESSION_MINOR_SYNC = 0x0008,
    SESSION_ACTIVITY = 0x0040,
    SESSION_EXCEPTIONS = 0x0200,
    SESSION_REQUIREMENTS = 0x0249 /* all of these: what we ask for and insist on */
};

enum { /* of exceptions, interrupts and discards, 8.3.19.3 */
    SESSION_REASON_NONE = 0,
    SESSION_REASON_RECEIVING = 1, /* the receiver may be unable to go on */
    SESSION_REASON_SEQUENCE = 3,
    SESSION_REASON_LOCAL = 5,
    SESSION_REASON_PROCEDURAL = 6, /* unrecoverable */
    SESSION_REASON_DEMAND_TOKEN = 128
};

enum { /* of a REFUSE, 8.3.5.9 */
    SESSION_REFUSE_USER = 0,
    SESSION_REFUSE_CONGESTION = 1,
    SESSION_REFUSE_DATA = 2, /* by the called user, user data follows */
    SESSION_REFUSE_SELECTOR = 129,
    SESSION_REFUSE_NOT_ATTACHED = 130,
    SESSION_REFUSE_PROVIDER = 131, /* congestion */
    SESSION_REFUSE_VERSION = 132
};

/* X.225's names of states behind. */
enum session_state {
    SESSION_IDLE,      /* transport open: CONNECT comes or goes (STA 01C) */
    SESSION_WAIT_AC,   /* STA 02A */
    SESSION_ANSWER,    /* CONNECT came, the user's answer is awaited (STA 08) */
    SESSION_OPEN,      /* STA 713 */
    SESSION_WAIT_AEA,  /* our ACTIVITY END is out (STA 04B) */
    SESSION_END,       /* ACTIVITY END came, the user's answer is awaited (STA 10B) */
    SESSION_WAIT_AIA,  /* STA 05B */
    SESSION_WAIT_ADA,  /* STA 05C */
    SESSION_WAIT_GTA,  /* we gave the turn (STA 18) */
    SESSION_REPORTED,  /* we reported an exception: the peer interrupts or discards (STA 20) */
    SESSION_EXCEPTION, /* the peer reported one: we interrupt or discard (STA 19) */
    SESSION_WAIT_DN,   /* STA 03 */
    SESSION_RELEASE,   /* FINISH came, the user's answer is awaited (STA 09) */
    SESSION_OVER       /* STA 01 */
};
#define SESSION_STATE_COUNT (SESSION_OVER + 1)

/* SPDUs, in the order of the document's rows. */
enum session_event {
    SESSION_CN,
    SESSION_AC,
    SESSION_RF,
    SESSION_DT,
    SESSION_MIP,
    SESSION_MIA,
    SESSION_AS,
    SESSION_AR,
    SESSION_AE,
    SESSION_AEA,
    SESSION_AI,
    SESSION_AIA,
    SESSION_AD,
    SESSION_ADA,
    SESSION_PT,
    SESSION_GTC,
    SESSION_GTA,
    SESSION_ED,
    SESSION_ER,
    SESSION_FN,
    SESSION_DN,
    SESSION_AB,
    SESSION_AA,
    SESSION_BAD, /* no SPDU, one of a functional unit that is not in use, one beyond a limit */
    SESSION_LOST /* the transport connection ended */
};
#define SESSION_EVENT_COUNT (SESSION_LOST + 1)

enum session_step {
    SESSION_STEP_CONNECT,
    SESSION_STEP_ACCEPTED,
    SESSION_STEP_REFUSED,
    SESSION_STEP_DATA,      /* the peer has the turn */
    SESSION_STEP_MINOR,     /* ... and an activity, and this is the next serial number */
    SESSION_STEP_MINOR_ACK, /* of a point that is not confirmed yet */
    SESSION_STEP_START,     /* the peer has the turn, and no activity */
    SESSION_STEP_RESUME,    /* the same */
    SESSION_STEP_END,       /* as minor */
    SESSION_STEP_END_ACK,
    SESSION_STEP_INTERRUPT, /* answered at once; nothing to tell if it crossed our end-ack */
    SESSION_STEP_INTERRUPTED,
    SESSION_STEP_DISCARD, /* the same */
    SESSION_STEP_DISCARDED,
    SESSION_STEP_PLEASE,
    SESSION_STEP_TURN, /* the peer had it, and no activity; answered at once */
    SESSION_STEP_GAVE,
    SESSION_STEP_EXCEPTION,
    SESSION_STEP_RELEASE, /* no activity */
    SESSION_STEP_RELEASED,
    SESSION_STEP_ABORT,    /* ABORT ACCEPT if it keeps the transport; over */
    SESSION_STEP_PROTOCOL, /* ABORT to the peer; over */
    SESSION_STEP_DROP,     /* crossed something of ours: nobody needs it any more */
    SESSION_STEP_LOSE,
    SESSION_STEP_IGNORE
};
#define SESSION_STEP_COUNT (SESSION_STEP_IGNORE + 1)

/* What the user is told. Which fields of struct session_ind are set is said behind. */
enum session_ind_kind {
    SESSION_IND_MORE,      /* the piece is used up, or an answer of ours is awaited */
    SESSION_IND_CONNECT,   /* connect: session_accept or session_refuse */
    SESSION_IND_ACCEPTED,  /* connect */
    SESSION_IND_REFUSED,   /* reason, user_data; over */
    SESSION_IND_DATA,      /* bytes, begin, end */
    SESSION_IND_MINOR,     /* serial: session_minor_ack when all before it is secured */
    SESSION_IND_MINOR_ACK, /* serial: all up to it is confirmed */
    SESSION_IND_START,     /* activity */
    SESSION_IND_RESUME,    /* activity, old_activity, serial, link */
    SESSION_IND_END,       /* serial: session_end_ack, session_exception or session_abort */
    SESSION_IND_END_ACK,   /* serial; no activity any more */
    SESSION_IND_INTERRUPT, /* reason; no activity any more, as in the next three */
    SESSION_IND_INTERRUPTED,
    SESSION_IND_DISCARD, /* reason */
    SESSION_IND_DISCARDED,
    SESSION_IND_PLEASE,    /* user_data: the peer would like the turn */
    SESSION_IND_TURN,      /* we have it */
    SESSION_IND_GAVE,      /* the peer knows that it has it */
    SESSION_IND_EXCEPTION, /* reason, user_data: session_interrupt, _discard or _abort */
    SESSION_IND_RELEASE,   /* user_data: session_release_ack */
    SESSION_IND_RELEASED,  /* user_data; over */
    SESSION_IND_ABORT      /* by_peer, user_data or error; over */
};

/* A session connection's name for ever after: what recovery refers to. Contents of X.228's
 * SessionConnectionIdentifier, each as it stands in the SPDU. */
struct session_reference {
    struct slice user;   /* calling or called SS-user reference */
    struct slice common; /* a UTCTime */
    struct slice additional;
};

struct session_connect {
    struct slice calling, called; /* selectors; empty: none is sent (X.410-1984 mode wants that) */
    struct session_reference reference;
    bool initiator_has_turn; /* after the connection is open */
    bool version_1_only;     /* of a request: offer only this */
    unsigned version;        /* of an indication: agreed upon, or the best that is offered */
    struct slice user_data;
};

/* Slices live until the next call with this session. */
struct session_ind {
    struct session_connect connect;
    struct slice bytes; /* DATA: points into what was fed */
    bool begin, end;    /* of the SSDU */
    uint32_t serial;
    struct slice activity, old_activity;
    struct session_reference link; /* empty: the same session connection */
    unsigned reason;
    struct slice user_data;
    bool by_peer; /* ABORT: the peer's user did it, user_data is his */
    bool ours;    /* ABORT: we did it, the peer broke this layer's rules */
    enum osi_layer layer;
    const char *error; /* ABORT: a sentence: what the peer did wrong, or why it aborts */
};

struct session {
    enum session_state state;
    struct tp0 *below;
    bool initiator;
    bool our_turn, activity;
    unsigned version;
    uint32_t next;        /* serial number of the next point set by whoever has the turn */
    uint32_t unconfirmed; /* the oldest point that is not confirmed; next: none */
    bool crossed;         /* our last end-ack may cross an interrupt */
    /* in */
    enum { SESSION_AT_START, SESSION_AT_SPDU, SESSION_IN_DATA, SESSION_AT_END } where;
    uint8_t prefix; /* category 0 SPDU that was seen in this TSDU: its SI; 0: none */
    bool first_data;
    bool spent;      /* what is in spdu was acted on */
    struct buf spdu; /* gathered so far; limit SESSION_SPDU_BYTES_MAX */
    /* out */
    bool in_ssdu; /* one is under way */
};

/* below: open, or about to be; outlives s. */
void session_init(struct session *s, struct tp0 *below);
void session_fini(struct session *s);

/* A piece of a TSDU (tp0's DATA). Take from *bytes up to the first thing to act on; call again,
 * with what is left and the same end, until MORE. */
enum session_ind_kind session_next(
    struct session *s, struct slice *bytes, bool end, struct session_ind *ind);
/* An answer of the user's is awaited: nothing is taken. */
bool session_waits(const struct session *s);
/* The transport connection ended, for whatever reason. */
void session_lost(struct session *s);

/* IDLE. user_data: at most SESSION_DATA_BYTES_MAX; above SESSION_DATA_V1_BYTES_MAX only version 2
 * is offered (not with version_1_only: CHECK). */
int session_connect(struct session *s, const struct session_connect *c) MUST_USE;
/* ANSWER. selector: ours, told in the ACCEPT (empty: none). reference: ours; common and additional
 * as they came. The turn is where the CONNECT has it, or, where it leaves that to us, the
 * initiator's. */
int session_accept(struct session *s, const struct session_connect *c) MUST_USE;
int session_refuse(struct session *s, unsigned reason, struct slice user_data) MUST_USE;

/* OPEN with the turn. A piece of an SSDU; while one is under way nothing else but session_abort. */
int session_data(struct session *s, struct slice bytes, bool end) MUST_USE;
/* OPEN with the turn and an activity; *serial: its number. */
int session_minor(struct session *s, uint32_t *serial) MUST_USE;
/* OPEN, END or REPORTED without the turn: confirm all up to serial. */
int session_minor_ack(struct session *s, uint32_t serial) MUST_USE;
/* OPEN with the turn and no activity. resume: the next point is serial + 1. */
int session_start(struct session *s, struct slice activity) MUST_USE;
int session_resume(struct session *s, struct slice activity, struct slice old_activity,
    uint32_t serial, const struct session_reference *link) MUST_USE;
/* OPEN with the turn and an activity. */
int session_end(struct session *s, uint32_t *serial) MUST_USE;
/* END: the activity's content is secured. This is the 250 of X.400. */
int session_end_ack(struct session *s) MUST_USE;
/* With the turn and an activity: OPEN, WAIT_AEA, EXCEPTION. */
int session_interrupt(struct session *s, unsigned reason) MUST_USE;
int session_discard(struct session *s, unsigned reason) MUST_USE;
/* OPEN or END, without the turn, in an activity: what the peer sends now is dropped until it
 * interrupts or discards. */
int session_exception(struct session *s, unsigned reason) MUST_USE;
/* OPEN without the turn. user_data: at most SESSION_DATA_V1_BYTES_MAX. */
int session_please(struct session *s, struct slice user_data) MUST_USE;
/* OPEN with the turn and no activity. */
int session_give(struct session *s) MUST_USE;
/* OPEN with the turn and no activity; answer in RELEASE. */
int session_release(struct session *s, struct slice user_data) MUST_USE;
int session_release_ack(struct session *s, struct slice user_data) MUST_USE;
/* Any state but OVER (IDLE too: nothing is written then). user_data that the version has no room
 * for is left out. */
void session_abort(struct session *s, struct slice user_data);

/* The table, by number and by name, for the test that compares the document. */
enum session_step session_row(enum session_state s, enum session_event e);
const char *session_state_name(enum session_state s);
const char *session_event_name(enum session_event e);
const char *session_step_name(enum session_step s);
/* A sentence for a REFUSE's or an exception's reason; never NULL. */
const char *session_refuse_text(unsigned reason);
const char *session_reason_text(unsigned reason);

#endif
