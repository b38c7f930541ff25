/* x400/p1_reader.h - an MTS-APDU while it comes: the envelope gathered and checked, the content
 * passed on at once. Pure.
 *
 * Input     the APDU's octets (RTSE_IND_OCTETS) in pieces cut anywhere: in normal mode within an
 *           EXTERNAL, else bare.
 * Memory    the envelope, at most P1_ENVELOPE_BYTES_MAX; of the content nothing. A report is
 *           gathered whole, returned content and all, within the same limit.
 * Errors    sticky; a sentence and a position in the APDU. rc: BH_ESYNTAX, BH_ETOOBIG, or -ENOMEM,
 *           which is not the peer's fault.
 */
#ifndef X400_P1_READER_H
#define X400_P1_READER_H

#include "x400/p1_envelope.h"

enum p1_event {
    P1_MORE,         /* the piece is used up */
    P1_GOT_ENVELOPE, /* envelope is there, and stays until p1_reader_fini */
    P1_CONTENT,      /* octets of the content, in the piece or in the reader until the next call */
    P1_END,          /* the APDU is whole; sticky, but for octets behind it */
    P1_BAD           /* rc, error, error_at; sticky */
};

enum p1_reader_state {
    P1_AT_EXTERNAL,
    P1_IN_EXTERNAL,
    P1_AT_APDU,
    P1_AT_ENVELOPE,
    P1_IN_ENVELOPE,
    P1_AT_CONTENT,
    P1_IN_CONTENT,
    P1_AT_TAIL,
    P1_AT_END
};

/* All fields are the reader's; those of the events may be read. */
struct p1_reader {
    struct p1_envelope envelope;
    uint32_t context;       /* presentation context that the EXTERNAL names; 0: none */
    uint64_t content_bytes; /* declared; BER_INDEFINITE: not known before the end */
    uint64_t content_done;
    int rc;
    const char *error;
    uint64_t error_at;
    enum p1_reader_state state;
    enum p1_kind kind;
    bool wrapped;
    bool indefinite; /* the envelope's length */
    unsigned depth;  /* of the envelope */
    uint64_t from;   /* where its contents begin */
    struct buf gathered;
    struct ber_reader ber;
};

void p1_reader_init(struct p1_reader *r, enum p1_protocol p);
void p1_reader_fini(struct p1_reader *r);
enum p1_event p1_reader_next(struct p1_reader *r, struct slice *piece, struct slice *content);
/* No more octets come. 0: the APDU was whole; BH_ESYNTAX, or what was wrong before: error tells. */
int p1_reader_end(struct p1_reader *r) MUST_USE;

#endif
