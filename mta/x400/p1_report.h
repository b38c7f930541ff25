/* x400/p1_report.h - what became of a message or probe: reports read, and reports made (X.411
 * sections 8.3.1.2, 12.2.1.3 and 14.3). Pure.
 *
 * Read      p1_report_parse checks a report's content as p1_envelope_parse does an envelope; then
 *           p1_reported_next cannot fail. Slices point into the octets that came.
 * Made      from the subject's envelope and what became of its recipients. Who is reported on:
 *             non-delivery  always: at least the originating MTA wants it (X.411 has it ask), and
 *                           a message that vanishes without a word is worse than a word too many;
 *             delivery      if the originator or the originating MTA asked for reports.
 *           There is no report on a report. A probe is reported on as a message is, by the MTA that
 *           would have delivered it or cannot pass it on.
 * Goes to   the originator; where lists were expanded, to the last of them, which passes it on as
 *           its policy is (extension 30 tells it the way back). A redirected recipient is named
 *           with the one originally intended.
 * Content   is returned on non-delivery only, when the originator asked for it and the maker gives
 *           it: whoever makes the report has a limit for that.
 */
#ifndef X400_P1_REPORT_H
#define X400_P1_REPORT_H

#include "x400/p1_code.h"
#include "x400/p1_envelope.h"

enum p1_user { /* type of MTS-user */
    P1_USER_PUBLIC = 0,
    P1_USER_PRIVATE = 1,
    P1_USER_MS = 2,
    P1_USER_DL = 3,
    P1_USER_PDAU = 4,
    P1_USER_PHYSICAL = 5,
    P1_USER_OTHER = 6
};
#define P1_SUPPLEMENTARY_BYTES_MAX 256
#define P1_REDIRECTIONS_MAX        512 /* of histories that are walked */

struct p1_report { /* its content */
    struct p1_identifier subject;
    struct slice intermediate; /* the subject's trace; empty: not given */
    struct slice eits;
    uint64_t eit_bits;
    uint32_t content_type; /* or P1_CONTENT_OID: content_oid, or none was given */
    struct slice content_oid;
    struct p1_text content_id;
    bool returns; /* the content is there: p1_report_returned */
    struct slice returned;
    struct slice extensions, recipients;
    uint32_t recipient_count;
    bool critical; /* as p1_envelope's */
};
struct p1_reported { /* one recipient */
    struct slice members;
    struct slice name;     /* actual recipient, whole: or_address_read takes it */
    struct slice intended; /* originally intended; empty: the same */
    uint32_t number;
    uint64_t indicators;
    struct p1_text arrival; /* of the subject where it ended */
    struct slice converted; /* encoded information types; empty: not converted */
    bool delivered;
    struct p1_text delivery;     /* delivered: when */
    uint32_t user;               /* delivered: enum p1_user, or what it says */
    uint32_t reason, diagnostic; /* else; P1_NO_DIAGNOSTIC */
    struct slice supplementary;  /* in the octets, or in store: so don't copy the struct */
    struct slice extensions;
    bool critical;
    char store[P1_SUPPLEMENTARY_BYTES_MAX];
};

/* content: p1_envelope's report_content. */
int p1_report_parse(
    struct slice content, struct p1_report *out, const char **error, uint64_t *error_at) MUST_USE;
/* A walk: ber_cursor_init over recipients. 1; 0 at the end; <0 only before p1_report_parse. */
int p1_reported_next(struct ber_cursor *c, struct p1_reported *out) MUST_USE;
/* Append the content that is returned. 0, also if there is none; -ENOMEM, BH_ETOOBIG: out's. */
int p1_report_returned(const struct p1_report *r, struct buf *out) MUST_USE;

struct p1_outcome {
    enum { P1_OPEN, P1_DELIVERED, P1_FAILED } is; /* OPEN: nothing is said of it */
    uint64_t delivery_wall_ms;                    /* DELIVERED */
    enum p1_user user;
    uint32_t reason, diagnostic; /* FAILED: p1_code's */
    struct slice text; /* supplementary information, made printable and cut; empty: none */
};
struct p1_reporter { /* we */
    const struct p1_domain *domain;
    struct slice mta_name;
    struct slice local_id; /* of the report: unique here, at most P1_LOCAL_ID_BYTES_MAX */
    uint64_t now_wall_ms;
    uint64_t arrival_wall_ms; /* of the subject here */
    bool return_content;      /* it is all in content; what was not asked for is not returned */
    bool terse;               /* without supplementary information */
    struct slice content;
};

/* Is this recipient to be reported on? */
bool p1_report_due(
    const struct p1_envelope *subject, const struct p1_recipient *r, const struct p1_outcome *o);
/* Whether its content is wanted back if it cannot be delivered. */
bool p1_report_returns(const struct p1_envelope *subject);
/* Whom a report goes to: the O/R name, whole. */
struct slice p1_report_destination(const struct p1_envelope *subject);
/* Append the report as it is stored (p1_stored.h). outcomes: of all recipients, in their order.
 * 1: it is there; 0: there is nothing to report; -ENOMEM, BH_ETOOBIG: out's, or it would be more
 * than the next MTA reads (then again, without content). */
int p1_report_write(struct buf *out, const struct p1_envelope *subject,
    const struct p1_outcome *outcomes, const struct p1_reporter *by) MUST_USE;
/* The same into an empty out, with as much as there is room for: without content, then terse. */
int p1_report_write_fitting(struct buf *out, const struct p1_envelope *subject,
    const struct p1_outcome *outcomes, const struct p1_reporter *by) MUST_USE;

#endif
