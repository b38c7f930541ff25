/* osi/explain.h - TPDUs and TSDUs for people: one line each, of all layers that are in it. Pure.
 *
 * It reads what goes by, beside the stack and without its states, so it explains nonsense too: what
 * cannot be read is said to be so. Text of a peer is shown only where it is printable, else as hex.
 */
#ifndef OSI_EXPLAIN_H
#define OSI_EXPLAIN_H

#include "osi/rtse.h"

#define EXPLAIN_LINE_CAP 320
/* Of a TSDU so much is enough: all but CONNECT and ACCEPT are short, or data. */
#define EXPLAIN_HEAD_BYTES 2048

enum explain_user {
    EXPLAIN_NONE,
    EXPLAIN_ARGUMENT, /* of a bind */
    EXPLAIN_RESULT,
    EXPLAIN_REFUSAL, /* normal mode */
    EXPLAIN_SEGMENT  /* of an APDU: its first octets */
};

struct explained {
    char line[EXPLAIN_LINE_CAP]; /* terminated; cut if need be */
    enum explain_user kind;
    struct slice user; /* into head */
    bool first;        /* SEGMENT: of its activity */
};

/* Of one connection: the mode, which only the CONNECT says. */
struct explain {
    enum presentation_mode mode;
    bool begun; /* an activity, and no segment of it yet */
};

/* A TPDU but DT: CR, CC, DR, ER. */
void explain_tpdu(struct slice tpdu, struct explained *out);
/* head: the first octets of a TSDU of total octets, EXPLAIN_HEAD_BYTES or all. */
void explain_tsdu(struct explain *e, struct slice head, uint64_t total, struct explained *out);

#endif
