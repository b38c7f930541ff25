/* queue/expected.h - which segments must be there, by what the journal says as it is read, in
 * order: docs/formats/journal.md section 6e. Pure.
 */
#ifndef QUEUE_EXPECTED_H
#define QUEUE_EXPECTED_H

#include "core/buf.h"

#define EXPECTED_MAX ((uint64_t)1 << 20) /* numbers: more than any store has */

struct expected {
    uint64_t *seqs; /* malloced; sorted and each once after expected_settle */
    uint32_t count, capacity;
    uint64_t upto; /* segments above were not read yet */
    uint64_t said; /* the segment with the last CENSUS; 0: none was read */
    bool blank;    /* of what lies up to `upto` nothing is known but what is in seqs */
};
/* Segments below from_seq are not read (they are in a snapshot). Zeroes *e. */
void expected_begin(struct expected *e, uint64_t from_seq);
void expected_fini(struct expected *e);
/* The records of segment seq come now. epoch_first: of its epoch, whose owner says what he frees;
 * 0: he does not. */
int expected_segment(struct expected *e, uint64_t seq, uint64_t epoch_first) MUST_USE;
/* It is over. */
void expected_segment_end(struct expected *e, uint64_t seq);
/* The payload of a SEAL of an owner who says what he frees. 0, -ENOMEM, BH_EDAMAGED. */
int expected_seal(struct expected *e, struct slice payload) MUST_USE;
/* The payload of a CENSUS in segment seq. 0, -ENOMEM, BH_EDAMAGED. */
int expected_census(struct expected *e, struct slice payload, uint64_t seq) MUST_USE;
/* Something in segment seq could not be read: it may have been a CENSUS. */
void expected_unknown(struct expected *e, uint64_t seq);
/* The segment with the end of what is known to be durable. */
int expected_through(struct expected *e, uint64_t seq) MUST_USE;
/* All is read. */
void expected_settle(struct expected *e);
/* Does the last CENSUS leave it out? After expected_settle. */
bool expected_leaves_out(const struct expected *e, uint64_t seq);

#endif
