/* osi/presentation.h - the presentation protocol (X.226) in normal mode, kernel only, and in
 * X.410-1984 mode, where nothing of it is left after the connection is made. Pure.
 *
 * Normal    CP, CPA and CPR wrap the user's data in the session's CONNECT, ACCEPT and REFUSE; each
 *           further datum is a PDV-list: one context, one value. Contexts are a list of abstract
 *           syntaxes, always with BER (2.1.1) as transfer syntax; a peer's other offers are refused
 *           one by one (X.226 section 8.2), which is no error.
 * X.410     CP is a SET with the mode and the members of the RTORQ ([1]); CPA the same with those
 *           of RTOAC, CPR with RTORJ's. Data are the APDU's octets, with nothing around.
 * Data      the only datum that reliable transfer has is an OCTET STRING (RTTR), of any size and in
 *           whatever form. Its octets go up as they come, without wrapping and header; end is told
 *           when the SSDU is whole and was sound. Single-ASN1-type and octet-aligned are both
 *           taken.
 * Up        presentation_next gives the session's indications; where they carry user data it is
 *           unwrapped, and context says whose it is. What is no PDU of presentation, or names a
 *           context that was not agreed upon, ends in an ARP and SESSION_IND_ABORT.
 * States    the session's: there is no table of its own.
 */
#ifndef OSI_PRESENTATION_H
#define OSI_PRESENTATION_H

#include "osi/ber.h"
#include "osi/session.h"

/* Of ours; a peer's longer one matches nothing. */
#define PRESENTATION_SELECTOR_BYTES_MAX 16
#define PRESENTATION_CONTEXTS_MAX       8  /* of ours: there are three */
#define PRESENTATION_OFFERS_MAX         32 /* of a peer's; above: refused, local limit exceeded */

enum presentation_mode { PRESENTATION_X410 = 0, PRESENTATION_NORMAL = 1 };

/* Provider reasons of a CPR (X.226 section 8.4.2.4). */
enum {
    PRESENTATION_REFUSE_USER = -1, /* the user refuses, not the provider */
    PRESENTATION_REFUSE_NONE = 0,
    PRESENTATION_REFUSE_CONGESTION = 1,
    PRESENTATION_REFUSE_LIMIT = 2,
    PRESENTATION_REFUSE_ADDRESS = 3,
    PRESENTATION_REFUSE_VERSION = 4
};

struct presentation_context {
    struct slice syntax; /* abstract syntax: an OID's contents, static */
    uint32_t id;         /* the initiator's number for it; 0: not agreed upon (yet) */
};

struct presentation_connect {
    enum presentation_mode mode;
    struct slice calling, called;   /* P-selectors; empty: none */
    struct slice syntax;            /* normal mode: whose user is */
    struct slice user;              /* normal mode: one value (AARQ, AARE); X.410: members */
    struct session_connect session; /* without user_data */
};

struct presentation_ind {
    struct session_ind session;   /* user_data, bytes: unwrapped */
    enum presentation_mode mode;  /* CONNECT */
    struct slice calling, called; /* CONNECT; ACCEPTED: called is the responding selector */
    uint32_t context;             /* of user_data or of the SSDU under way; 0: none */
    int provider_reason;          /* REFUSED: PRESENTATION_REFUSE_ */
};

struct presentation {
    struct session *below;
    enum presentation_mode mode;
    struct presentation_context contexts[PRESENTATION_CONTEXTS_MAX];
    unsigned context_count;
    uint32_t offer_count;   /* of the peer's list, for its results */
    uint32_t offers_agreed; /* a bit for each */
    /* the SSDU under way, in */
    int place;
    bool aligned;                    /* its value is within octets: inner reads them */
    bool begin;                      /* nothing of it was told yet */
    bool torn;                       /* the last SSDU was cut short */
    bool pending, pending_end;       /* a piece of the session's is not used up */
    struct slice rest, aligned_rest; /* of that piece; of the octets that inner reads */
    uint32_t context;
    struct ber_reader outer, inner;
    struct buf scratch; /* PDUs under construction; limit SESSION_DATA_BYTES_MAX */
};

/* contexts: what we offer, or take of a peer's offers; ids are given here (1, 3, 5 ...) or come
 * with the offer. */
void presentation_init(struct presentation *p, struct session *below,
    const struct presentation_context *contexts, unsigned count);
void presentation_fini(struct presentation *p);

/* As session_next. CONNECT: answer with presentation_accept or _refuse. */
enum session_ind_kind presentation_next(
    struct presentation *p, struct slice *bytes, bool end, struct presentation_ind *ind);

/* 0; -ENOMEM; BH_ETOOBIG: more than a CONNECT or ACCEPT holds. */
int presentation_connect(struct presentation *p, const struct presentation_connect *c) MUST_USE;
int presentation_accept(struct presentation *p, const struct presentation_connect *c) MUST_USE;
int presentation_refuse(
    struct presentation *p, int provider_reason, struct slice syntax, struct slice user) MUST_USE;

/* One datum: an OCTET STRING of this many octets in a context; session_data takes them (the last
 * with end; at least one call). The length is known before: that is what lets content stream. In
 * X.410 mode nothing is written here. */
int presentation_begin(struct presentation *p, struct slice syntax, uint64_t octets) MUST_USE;
/* One value as user data of a PLEASE, FINISH or DISCONNECT; *out lives until the next call. X.410
 * mode: the value as it is. */
int presentation_wrap(
    struct presentation *p, struct slice syntax, struct slice value, struct slice *out) MUST_USE;
/* ABORT by the user: an ARU with this value (empty: without user data). Over. */
void presentation_abort(struct presentation *p, struct slice syntax, struct slice value);
/* A sentence for a provider reason of a CPR; never NULL. */
const char *presentation_refuse_text(int provider_reason);
/* The id of one of our contexts; 0: not agreed upon. */
uint32_t presentation_id(const struct presentation *p, struct slice syntax);

#endif
