/* queue/census.h - CENSUS records: which segments there are when the owner releases the store, so
 * that a missing file can be told from a freed one. docs/formats/journal.md section 6e.
 */
#ifndef QUEUE_CENSUS_H
#define QUEUE_CENSUS_H

#include "core/buf.h"

#define CENSUS_HEAD_BYTES  8
#define CENSUS_RANGE_BYTES 16
#define CENSUS_SEQS_MAX    ((uint64_t)1 << 20) /* of one record: more than any store has */

struct queue;
/* Put one into the journal: all segments but those that are being freed. 0, -ENOMEM, BH_ETOOBIG, or
 * the failure. */
int census_put(struct queue *q) MUST_USE;

struct census {
    uint64_t *seqs; /* sorted; malloced */
    uint32_t count;
    bool known;
};
/* Replaces what is in *c. 0, -ENOMEM, BH_EDAMAGED. */
int census_get(struct slice payload, struct census *c) MUST_USE;

#endif
