/* x400/x400_half.h - the two halves of an association as tables: what comes in which state is
 * answered how. Pure. docs/protocols/x400.md shows the same rows; test_x400_half.c compares them.
 * x400_in.c and x400_out.c take the steps. */
#ifndef X400_X400_HALF_H
#define X400_X400_HALF_H

#include "core/base.h"

/* ---- receiving: one APDU */

enum x400_in_state {
    X400_IN_HEAD,    /* its envelope comes */
    X400_IN_TAKE,    /* its content goes to intake */
    X400_IN_SKIP,    /* its content is not kept: it is here already, or nobody gets it */
    X400_IN_REFUSED, /* we reported: the peer is to stop */
    X400_IN_ASK,     /* it is whole; whether it came before is not known yet */
    X400_IN_COMMIT,  /* it, or our report on it, waits for the journal */
    X400_IN_OVER
};
#define X400_IN_STATE_COUNT (X400_IN_OVER + 1)

enum x400_in_event {
    X400_IN_OCTETS,
    X400_IN_ACCEPTED, /* the envelope: somebody is to get it */
    X400_IN_NOBODY,   /* the envelope: known, nobody's, or non-delivered to all */
    X400_IN_BAD,      /* no APDU, or one beyond a limit */
    X400_IN_NO_ROOM,  /* ours: intake does not take it now, or out of memory */
    X400_IN_END,
    X400_IN_NEW,     /* asked: it did not come before */
    X400_IN_KNOWN,   /* asked: it did */
    X400_IN_UNKNOWN, /* asked: that is not known yet */
    X400_IN_NOTHING, /* there is nothing to commit */
    X400_IN_DURABLE,
    X400_IN_UNSURE, /* a commit failed */
    X400_IN_STOPPED,
    X400_IN_LOST
};
#define X400_IN_EVENT_COUNT (X400_IN_LOST + 1)

enum x400_in_step {
    X400_IN_READ,
    X400_IN_DROP,
    X400_IN_OPEN, /* with intake */
    X400_IN_SKIP_REST,
    X400_IN_REPORT_BAD,  /* to the peer: procedural */
    X400_IN_REPORT_BUSY, /* to the peer: receiving ability */
    X400_IN_ASK_KNOWN,
    X400_IN_ASK_AGAIN,
    X400_IN_WRITE_DOWN, /* our report, then the message, in this order */
    X400_IN_CONFIRM,    /* the end, to the peer */
    X400_IN_FORGET,     /* what was written is given up */
    X400_IN_GO_ON,      /* without the association: the commit stays as it is */
    X400_IN_NEVER
};
#define X400_IN_STEP_COUNT (X400_IN_NEVER + 1)

enum x400_in_step x400_in_row(enum x400_in_state s, enum x400_in_event e);
const char *x400_in_state_name(enum x400_in_state s);
const char *x400_in_event_name(enum x400_in_event e);
const char *x400_in_step_name(enum x400_in_step s);

/* ---- sending: one session of the scheduler's */

enum x400_out_state {
    X400_OUT_FIND,  /* no association yet: looked for, opened, or a call is waited for */
    X400_OUT_TURN,  /* a delivery, and the turn is awaited */
    X400_OUT_BEGIN, /* the record of the attempt, and the head, are awaited */
    X400_OUT_SEND,
    X400_OUT_LAST, /* all but the last octets is written; may they go? */
    X400_OUT_WAIT, /* for the confirmation */
    X400_OUT_STOP, /* the transfer is discarded, for a reason of ours */
    X400_OUT_IDLE,
    X400_OUT_OVER
};
#define X400_OUT_STATE_COUNT (X400_OUT_OVER + 1)

enum x400_out_event {
    X400_OUT_OPENED, /* the association, or a free one is found */
    X400_OUT_HAS_TURN,
    X400_OUT_READY, /* ours: record, content or permission may be asked for again */
    X400_OUT_ROOM,
    X400_OUT_UNFIT,   /* this message cannot go over this connector */
    X400_OUT_OURS,    /* a reason of ours: content, lease, quorum */
    X400_OUT_WRITTEN, /* the last octet */
    X400_OUT_SENT,
    X400_OUT_FAILED,
    X400_OUT_WORK,
    X400_OUT_CLOSE,
    X400_OUT_ABORT,
    X400_OUT_LOST
};
#define X400_OUT_EVENT_COUNT (X400_OUT_LOST + 1)

enum x400_out_step {
    X400_OUT_ASK_TURN,
    X400_OUT_PREPARE, /* attempt's record, head, first octets */
    X400_OUT_WRITE,
    X400_OUT_PERMIT,  /* the last octets */
    X400_OUT_FAIL,    /* results: failed; next delivery */
    X400_OUT_DISCARD, /* the transfer */
    X400_OUT_AWAIT,
    X400_OUT_DELIVER,   /* results: delivered; next delivery */
    X400_OUT_DEFER,     /* results: deferred; next delivery */
    X400_OUT_END,       /* the session: as it should */
    X400_OUT_END_DEFER, /* the session; recipients without result are deferred */
    X400_OUT_END_DOUBT, /* ... and in doubt */
    X400_OUT_IGNORE,
    X400_OUT_NEVER
};
#define X400_OUT_STEP_COUNT (X400_OUT_NEVER + 1)

enum x400_out_step x400_out_row(enum x400_out_state s, enum x400_out_event e);
const char *x400_out_state_name(enum x400_out_state s);
const char *x400_out_event_name(enum x400_out_event e);
const char *x400_out_step_name(enum x400_out_step s);

#endif
