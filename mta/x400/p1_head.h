/* x400/p1_head.h - what a relay sends: all octets before the content. Pure.
 *
 * Members of the envelope are copied as they came and in their order, whatever their form; written
 * anew is only what a relay must change: trace and internal trace (elements are appended), the
 * responsibility of recipients, and what a connector wants stripped. Lengths are definite, so that
 * nothing follows the content: the APDU is head, then content_bytes octets.
 * The time of arrival is in the trace, so the same message has another head later: a transfer that
 * may be resumed keeps its own.
 * For a peer of 1984 the envelope is one that p1_1984.h made, and no internal trace is appended.
 */
#ifndef X400_P1_HEAD_H
#define X400_P1_HEAD_H

#include "x400/p1_envelope.h"

struct p1_relay {
    enum p1_protocol protocol;
    uint32_t context;      /* normal mode: of the transfer syntax */
    struct slice trace;    /* elements to append, by p1_trace_write; empty: none */
    struct slice internal; /* the same of the internal trace */
    bool strip_internal;   /* those before ours are left out */
    bool strip_bilateral;
    /* A bit for each recipient in order, the first is 1 of octet 0: who is to be responsible for
     * it. NULL: as it came. Not shorter than recipient_count. */
    const uint8_t *responsible;
};

struct p1_hop {
    struct p1_domain domain; /* country and admd given, within their bounds */
    struct slice mta_name;   /* internal trace only; else empty */
    uint64_t arrival_wall_ms;
    uint64_t deferred_wall_ms; /* until when it was held on purpose; 0: it was not */
    bool rerouted;
};
int p1_trace_write(struct buf *out, const struct p1_hop *hop) MUST_USE;

/* e: as p1_envelope_parse gave it. content_bytes: of a message; else 0. 0, -ENOMEM, BH_ETOOBIG (of
 * out, or the envelope with what was added is beyond the limit): out then has a part of it. */
int p1_head_write(struct buf *out, const struct p1_envelope *e, const struct p1_relay *relay,
    uint64_t content_bytes) MUST_USE;

#endif
