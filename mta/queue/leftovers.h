/* queue/leftovers.h - files that nobody needs any more: what another epoch left half made, its
 * spare segments; and the reserve of a release before. */
#ifndef QUEUE_LEFTOVERS_H
#define QUEUE_LEFTOVERS_H

#include "queue/ownership.h"

/* Delete them; not those of `epoch`, but for segments that it has half made itself. With a valid
 * lease: BH_EFENCED else. `journal` is the store's directory of segments. */
int leftovers_sweep(
    const char *store, const char *journal, uint32_t epoch, const struct lease *lease) MUST_USE;
/* The disk is too full for a claim, and the owners up to that epoch are known to be gone: they need
 * no more the reserves that the first releases had for each epoch. (One that only seemed gone stops
 * with a failed write, as it should.) What it frees can be had on return. */
int leftovers_drop_reserves(const char *store, uint64_t up_to_epoch) MUST_USE;

#endif
