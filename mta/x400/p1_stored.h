/* x400/p1_stored.h - what the queue keeps of that which came by X.400. Pure.
 *
 * The stored content is the transfer envelope as one value of definite length, then the content's
 * octets; of probes and reports nothing follows. The tag is the MTS-APDU's: [0] a message, [1] a
 * report (in it the SETs of envelope and content), [2] a probe. What is in it is as it came, so
 * that what is sent on is (p1_head.h), and without a trace element of ours: that one is appended
 * when it is sent. mail/envelope.h's body says that a content is stored so.
 */
#ifndef X400_P1_STORED_H
#define X400_P1_STORED_H

#include "x400/p1_envelope.h"

/* All that stands before the content: header, envelope, and the headers of a report's SETs. */
#define P1_STORED_BYTES_MAX (P1_ENVELOPE_BYTES_MAX + 3 * BER_HEADER_BYTES_MAX)

/* e: as p1_envelope_parse gave it. 0, -ENOMEM, BH_ETOOBIG (of out): out then has a part of it. */
int p1_stored_write(struct buf *out, const struct p1_envelope *e) MUST_USE;
/* How many octets stand before the content, from the first ones of it: BER_HEADER_BYTES_MAX do. */
int p1_stored_bytes(struct slice start, enum p1_kind *kind, uint64_t *out) MUST_USE;
/* octets: all before the content (more may follow); out's slices point into them. */
int p1_stored_read(
    struct slice octets, struct p1_envelope *out, const char **error, uint64_t *error_at) MUST_USE;

#endif
