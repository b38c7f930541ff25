/* queue/census.h - CENSUS records: which segments must be there from here on. Nothing is freed
 * before a durable one leaves it out, so that a missing file can be told from a freed one.
 * docs/formats/journal.md section 6e; what a recovery makes of them is in expected.h.
 */
#ifndef QUEUE_CENSUS_H
#define QUEUE_CENSUS_H

#include "core/base.h"

#define CENSUS_HEAD_BYTES  8
#define CENSUS_RANGE_BYTES 16

struct queue;
/* Put one into the journal: all segments but those that are being freed, and those that are missing
 * already. 0, -ENOMEM, or the failure. */
int census_put(struct queue *q) MUST_USE;
/* Loop: what is in q->dying goes once a CENSUS without it is durable. Nothing
 * to do while another one is under way; without memory it is tried with the next turn. */
void census_free_dying(struct queue *q);

#endif
