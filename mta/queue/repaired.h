/* queue/repaired.h - REPAIRED records: damage that an operator has dealt with (store repair), and
 * that a recovery does not report again. docs/formats/journal.md section 6d. Pure. */
#ifndef QUEUE_REPAIRED_H
#define QUEUE_REPAIRED_H

#include "core/buf.h"

#define REPAIRED_HEAD_BYTES  16
#define REPAIRED_PLACE_BYTES 8
#define REPAIRED_PLACES_MAX  1000 /* in one record */

struct repaired_place {
    uint32_t offset, kind; /* kind: enum bridgehead_finding */
};
struct repaired {
    uint64_t seq;
    uint32_t epoch, count;
};
void repaired_put(uint8_t *at, const struct repaired *r, const struct repaired_place *places);
/* places has room for REPAIRED_PLACES_MAX. BH_EDAMAGED. */
int repaired_get(
    struct slice payload, struct repaired *out, struct repaired_place *places) MUST_USE;

#endif
