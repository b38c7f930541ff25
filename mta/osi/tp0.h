/* osi/tp0.h - transport class 0 over TCP (X.224; RFC 1006, RFC 2126): one transport connection is
 * one TCP connection. Pure: octets in, indications and octets out.
 *
 * What comes when is one table, tp0_row(state, event); docs/protocols/x400.md shows the same rows
 * and test_tp0.c compares them. Our own wrong calls (data before the connection is open) are
 * CHECKs.
 *
 * In        tp0_next takes octets up to the first thing to act on; a TSDU's octets go up as they
 *           come, in pieces that point into what was fed. Nothing larger than a TPDU header is
 *           held.
 * Out       tp0_send appends to the TSDU under way and fills the TPDUs to the size agreed upon,
 *           however small the appended pieces are. tp0_out is what may go to the connection: whole
 *           TPDUs, except that the last one waits until it is full or its TSDU ends.
 * Ending    class 0 has no disconnection: to end is to close the TCP connection. A DR is written
 *           only to refuse, an ER only to name a protocol error; both, and every loss, end in OVER.
 * Memory    the struct (about 0.6 KiB) and out, which grows to TP0_OUT_BYTES_MAX at most.
 */
#ifndef OSI_TP0_H
#define OSI_TP0_H

#include "core/buf.h"
#include "osi/tpkt.h"

/* A TSAP selector: any octets. What others can be configured with (Exchange: 32 characters or 64
 * hex digits); in X.224 only the length of the header limits it. A longer one of a peer matches
 * nothing. */
#define TP0_SELECTOR_BYTES_MAX 32
/* A TPDU's header, with its length octet: 255 in that is reserved (X.224 section 13.2.1). */
#define TP0_HEADER_BYTES_MAX 255
/* TPDU size, with its header of 3 for data. X.224 has 128 to 8192 as powers of two; 65531 is RFC
 * 1006's when none is named. */
#define TP0_TPDU_BYTES_MIN     128
#define TP0_TPDU_BYTES_NAMED   8192
#define TP0_TPDU_BYTES_MAX     65531
#define TP0_TPDU_BYTES_DEFAULT 2048 /* what ISODE and Exchange use */
#define TP0_DATA_HEADER_BYTES  3
/* Whoever sends data stops at CONN_HIGH_BYTES; the rest is for one more piece of it and for
 * answers. */
#define TP0_OUT_BYTES_MAX ((size_t)256 * 1024)

/* Of a DR (X.224 section 13.5.3). */
enum {
    TP0_REASON_NONE = 0,
    TP0_REASON_CONGESTION = 1,
    TP0_REASON_NO_SESSION = 2, /* nobody is attached to this TSAP now */
    TP0_REASON_ADDRESS = 3,    /* no such TSAP */
    TP0_REASON_NEGOTIATION = 130,
    TP0_REASON_REFUSED = 136
};

enum tp0_state {
    TP0_LISTEN,  /* the other side connects: a CR is awaited */
    TP0_ANSWER,  /* the CR is here, our answer is awaited; no octet is taken */
    TP0_WAIT_CC, /* our CR is out */
    TP0_OPEN,
    TP0_OVER /* the TCP connection is to be closed once out is empty */
};
#define TP0_STATE_COUNT (TP0_OVER + 1)

/* What comes from the peer. */
enum tp0_event {
    TP0_CR,
    TP0_CC,
    TP0_DT,
    TP0_DR,
    TP0_ER,
    TP0_BAD, /* no TPKT, no TPDU, or one that class 0 does not have */
    TP0_LOST /* the TCP connection ended */
};
#define TP0_EVENT_COUNT (TP0_LOST + 1)

enum tp0_step {
    TP0_STEP_INDICATE, /* somebody connects */
    TP0_STEP_CONFIRM,  /* the connection is open */
    TP0_STEP_DATA,
    TP0_STEP_REFUSED,  /* the peer does not want this connection */
    TP0_STEP_CLOSING,  /* the peer is about to close (some send a DR before) */
    TP0_STEP_PROTOCOL, /* nonsense: ER where there is a TPDU to name, and over */
    TP0_STEP_LOSE,
    TP0_STEP_IGNORE
};
#define TP0_STEP_COUNT (TP0_STEP_IGNORE + 1)

/* What the layer above is told. */
enum tp0_ind_kind {
    TP0_IND_MORE,       /* all octets are taken, or the answer to CONNECT is awaited */
    TP0_IND_CONNECT,    /* calling, called: call tp0_accept or tp0_refuse */
    TP0_IND_CONNECTED,  /* our CR was confirmed */
    TP0_IND_DATA,       /* bytes, end */
    TP0_IND_DISCONNECT, /* refused or closing: reason; over */
    TP0_IND_PROTOCOL    /* error; over. Send out (perhaps an ER), then close */
};

/* Slices live until the next call with this tp0, or until the octets fed are touched. */
struct tp0_ind {
    struct slice calling, called; /* selectors; empty: not given. called may be any length */
    struct slice bytes;           /* of the TSDU under way; perhaps empty when end is set */
    bool end;                     /* of the TSDU */
    unsigned reason;              /* of the peer's DR; an ER counts as TP0_REASON_REFUSED */
    const char *error;            /* a sentence */
};

struct tp0 {
    enum tp0_state state;
    struct tpkt packets;
    uint16_t local_ref, remote_ref;
    size_t tpdu_bytes; /* the most that we send (and, while it is not agreed upon, offer) */
    bool in_data, eot; /* a DT's data is under way, and whether it ends the TSDU */
    bool skip;         /* what a control TPDU has behind its header */
    size_t head_n;
    uint8_t head[TP0_HEADER_BYTES_MAX];
    size_t open_bytes; /* of the unfinished TPDU at out's tail, TPKT header included */
    struct buf out;
};

/* Either waits for a CR (then tp0_next), or connects (tp0_connect). ref: any number but 0, distinct
 * among the connections of this process for the sake of traces. */
void tp0_init(struct tp0 *t, uint16_t ref);
void tp0_fini(struct tp0 *t);

/* LISTEN, once: a CR is in out. Selectors as in TP0_SELECTOR_BYTES_MAX; an empty one is left out.
 * tpdu_bytes: a power of two from MIN to NAMED, or MAX. 0 or -ENOMEM. */
int tp0_connect(
    struct tp0 *t, struct slice calling, struct slice called, size_t tpdu_bytes) MUST_USE;
/* ANSWER: a CC is in out, with the smaller of the peer's size and this one. 0 or -ENOMEM. */
int tp0_accept(struct tp0 *t, size_t tpdu_bytes) MUST_USE;
/* ANSWER: a DR is in out; over. */
int tp0_refuse(struct tp0 *t, unsigned reason) MUST_USE;

/* Take octets up to the first thing to act on; call again until MORE. */
enum tp0_ind_kind tp0_next(struct tp0 *t, struct slice *bytes, struct tp0_ind *ind);
/* The TCP connection ended. */
void tp0_lost(struct tp0 *t);

/* OPEN: append to the TSDU; end: it is complete. 0; -ENOMEM, BH_ETOOBIG (out is full): the TSDU is
 * torn and the state OVER. */
int tp0_send(struct tp0 *t, struct slice bytes, bool end) MUST_USE;
/* What may go out now, and that n octets of it went. */
struct slice tp0_out(const struct tp0 *t);
void tp0_sent(struct tp0 *t, size_t n);
/* Octets that wait in out, those of the unfinished TPDU included. */
size_t tp0_queued(const struct tp0 *t);

/* The table, by number and by name, for the test that compares the document. */
enum tp0_step tp0_row(enum tp0_state s, enum tp0_event e);
const char *tp0_state_name(enum tp0_state s);
const char *tp0_event_name(enum tp0_event e);
const char *tp0_step_name(enum tp0_step s);
/* A sentence for a DR's reason; never NULL. */
const char *tp0_reason_text(unsigned reason);

#endif
