/* x400/p1_resume.h - a reader of a message in the middle of its content, as octets that can be
 * kept, and back: so that a transfer can go on after a crash, elsewhere (docs/protocols/x400.md,
 * Checkpoints and the journal). Pure.
 *
 * What is kept is the envelope as it is stored, where the reader is in the values around the
 * content, and what it had gathered of a header or a short value: those octets are read again, so
 * that a state that was damaged ends as one, whatever it says.
 */
#ifndef X400_P1_RESUME_H
#define X400_P1_RESUME_H

#include "x400/p1_reader.h"

/* With each point the envelope is written again, so a long one is not worth it: the sender of such
 * a transfer begins anew. About a hundred recipients. */
#define P1_RESUME_ENVELOPE_BYTES_MAX (16 * KIB)
#define P1_RESUME_BYTES_MAX          (P1_RESUME_ENVELOPE_BYTES_MAX + 4 * KIB)

/* 0; BH_ESTATE: no message, or not between its envelope and its end; BH_ETOOBIG; -ENOMEM. out then
 * has a part of it. */
int p1_reader_save(const struct p1_reader *r, struct buf *out) MUST_USE;
/* As p1_reader_init and all octets before: r->ber.at of them. BH_EDAMAGED, -ENOMEM: r needs no
 * p1_reader_fini then. */
int p1_reader_load(struct p1_reader *r, struct slice saved) MUST_USE;

#endif
