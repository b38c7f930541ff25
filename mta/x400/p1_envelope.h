/* x400/p1_envelope.h - the transfer envelopes of messages, probes and reports (X.411 section 12.2),
 * in memory: checked once, then walked. Pure.
 *
 * The envelope stays the octets that came: slices point into them, names of people are raw (O/R
 * addresses are or_address's), unknown members are there and not looked at. What is looked at is
 * checked by p1_envelope_parse as a whole: after it the walks below cannot fail.
 *
 * Bounds    what is longer or more than X.411's upper bounds is BH_ETOOBIG, what cannot be read
 *           BH_ESYNTAX, both with a sentence and the position in the envelope. None is cut short.
 */
#ifndef X400_P1_ENVELOPE_H
#define X400_P1_ENVELOPE_H

#include "osi/ber.h"
#include "x400/p1.h"

enum p1_kind { P1_MESSAGE = 0, P1_REPORT = 1, P1_PROBE = 2 };
enum p1_priority { P1_NORMAL = 0, P1_NON_URGENT = 1, P1_URGENT = 2 };
enum { /* per-message indicators, as bits of p1_envelope.indicators */
    P1_DISCLOSURE = 1 << 0,
    P1_NO_CONVERSION = 1 << 1,
    P1_ALTERNATE_ALLOWED = 1 << 2,
    P1_RETURN_CONTENT = 1 << 3,
    P1_SERVICE_MESSAGE = 1 << 7
};
enum { /* per-recipient indicators */
    P1_RESPONSIBLE = 1 << 0,
    P1_MTA_REPORT = 1 << 1,
    P1_MTA_NON_DELIVERY = 1 << 2,
    P1_REPORT_ASKED = 1 << 3,
    P1_NON_DELIVERY_ASKED = 1 << 4
};
enum { P1_FOR_SUBMISSION = 1 << 0, P1_FOR_TRANSFER = 1 << 1, P1_FOR_DELIVERY = 1 << 2 };
enum { /* extensions that this house reads; the others' numbers are in X.411 */
    P1_EXT_NO_REASSIGNMENT = 1,
    P1_EXT_ALTERNATE = 2,
    P1_EXT_NO_DL_EXPANSION = 3,
    P1_EXT_NO_LOSS = 4,
    P1_EXT_LATEST_DELIVERY = 5,
    P1_EXT_CONTENT_CORRELATOR = 23,
    P1_EXT_REDIRECTION_HISTORY = 25,
    P1_EXT_DL_HISTORY = 26,
    P1_EXT_ORIGINATOR_AND_DL_HISTORY = 30,
    P1_EXT_REPORTING_DL = 31,
    P1_EXT_TRACE = 37,
    P1_EXT_INTERNAL_TRACE = 38,
    P1_EXT_REPORTING_MTA = 39
};
#define P1_EXT_PRIVATE UINT32_MAX /* named by an OID */
#define P1_CONTENT_OID UINT32_MAX /* a content type named by an OID */
#define P1_TEXT_OCTETS P1_LOCAL_ID_BYTES_MAX

/* A short string, its own: it may have come in segments. */
struct p1_text {
    bool given;
    uint8_t n;
    char octets[P1_TEXT_OCTETS];
};
static inline struct slice
p1_text_slice(const struct p1_text *t)
{
    return (struct slice){ t->octets, t->n };
}

struct p1_domain { /* global domain identifier */
    struct p1_text country, admd, prmd;
};
struct p1_identifier { /* of a message, probe or report */
    struct p1_domain domain;
    struct p1_text local;
};

struct p1_envelope {
    enum p1_kind kind;
    struct slice members; /* all of it */
    struct p1_identifier id;
    struct slice originator; /* ORName, whole; of a report: its destination */
    struct slice eits;       /* original encoded information types, whole; empty: none given */
    uint64_t eit_bits;       /* the built-in ones */
    uint32_t content_type;   /* or P1_CONTENT_OID; of a report: not here */
    struct slice content_oid;
    struct p1_text content_id;
    enum p1_priority priority;
    uint32_t indicators;
    struct p1_text deferred; /* UTCTime */
    struct p1_text latest;
    uint64_t probe_bytes; /* PROBE: the content's length; UINT64_MAX: not given */
    struct slice bilateral, trace, extensions, internal, recipients; /* contents: walk them */
    struct slice report_content; /* REPORT: the SET's contents; not checked here */
    uint32_t recipient_count, trace_count, internal_count;
    bool critical; /* an extension of the whole is critical for transfer, and not known here */
    bool critical_recipients; /* or one of some recipient: p1_recipient_critical */
};

struct p1_recipient {
    struct slice members;
    struct slice name;       /* ORName, whole */
    uint32_t number;         /* originally specified */
    uint64_t indicators;     /* P1_RESPONSIBLE and so on */
    size_t indicators_count; /* bits that there were; at most 64 */
    struct slice extensions;
};
struct p1_extension {
    struct slice whole, value; /* value: what is in [2]; empty: NULL */
    uint32_t number;           /* or P1_EXT_PRIVATE */
    struct slice oid;
    struct slice criticality; /* as it came, whole; empty: default */
    uint32_t critical;        /* P1_FOR_TRANSFER and so on */
};
struct p1_trace {
    struct slice whole;
    struct p1_domain domain;
    struct p1_text mta_name; /* internal trace only */
    struct p1_text arrival;  /* UTCTime */
    uint32_t action;         /* 0 relayed, 1 rerouted */
    bool deferred;           /* it waited on purpose */
    bool other_actions;      /* redirected or DL-expanded: what follows is no loop */
};

/* octets: an envelope's contents (REPORT: those of the SEQUENCE of both SETs), which out's slices
 * point into. */
int p1_envelope_parse(struct slice octets, enum p1_kind kind, struct p1_envelope *out,
    const char **error, uint64_t *error_at) MUST_USE;

/* Walks: begin with ber_cursor_init over recipients, extensions (the envelope's or a recipient's),
 * trace or internal. 1; 0 at the end; <0: c->error and c->error_at tell. */
int p1_recipient_next(struct ber_cursor *c, struct p1_recipient *out) MUST_USE;
int p1_extension_next(struct ber_cursor *c, struct p1_extension *out) MUST_USE;
int p1_trace_next(struct ber_cursor *c, bool internal, struct p1_trace *out) MUST_USE;
/* An extension of this recipient is critical for transfer, and not known here. */
bool p1_recipient_critical(const struct p1_recipient *r);

/* Names without case; absent and empty differ (an ADMD of one space is a value). */
bool p1_domain_equal(const struct p1_domain *a, const struct p1_domain *b);
/* The extension is one whose meaning we heed, or that asks nothing of a relay. */
bool p1_extension_known(uint32_t number);

#endif
