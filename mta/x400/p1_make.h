/* x400/p1_make.h - messages and probes of our own: for `x400 ping` and the like, for a loader, for
 * what comes over a gateway, and for tests. Pure.
 *
 * What is made is the stored form (p1_stored.h): of a message the caller appends the content. We
 * are responsible for all recipients; they are numbered in their order.
 */
#ifndef X400_P1_MAKE_H
#define X400_P1_MAKE_H

#include "x400/or_address.h"
#include "x400/p1_envelope.h"

struct p1_made_recipient {
    const struct or_address *to; /* that or_address_check takes */
    uint32_t reports;            /* P1_MTA_REPORT and so on; P1_MTA_NON_DELIVERY is always set */
};
struct p1_made {
    enum p1_kind kind; /* MESSAGE or PROBE */
    const struct p1_domain *domain;
    struct slice local_id; /* unique here, 1 to P1_LOCAL_ID_BYTES_MAX octets of IA5 */
    const struct or_address *originator;
    const struct p1_made_recipient *recipients;
    uint32_t recipient_count; /* 1 to P1_RECIPIENTS_MAX */
    uint32_t content_type;    /* or P1_CONTENT_OID: content_oid */
    struct slice content_oid;
    struct slice content_id; /* at most P1_CONTENT_ID_BYTES_MAX, printable; empty: none */
    uint64_t eit_bits;       /* built-in encoded information types; 0: none given */
    uint64_t probe_bytes;    /* PROBE: the length of the content asked for; UINT64_MAX: none */
    enum p1_priority priority;
    uint32_t indicators;       /* P1_RETURN_CONTENT and so on */
    uint64_t deferred_wall_ms; /* MESSAGE; 0: none */
    uint64_t latest_wall_ms;   /* MESSAGE; critical for delivery; 0: none */
};

/* Append it. 0, -ENOMEM, BH_ETOOBIG (of out, or beyond P1_ENVELOPE_BYTES_MAX). */
int p1_make(struct buf *out, const struct p1_made *m) MUST_USE;

#endif
