/* x400/x400_patience.h - how long the octets of an APDU that comes are waited for: for each piece
 * no longer than `each`, and in all no longer than that and so much for each KiB that came. So a
 * peer that sends an octet now and then, which begins each wait anew, does not hold an association
 * for ever. Time in which it was not waited for (intake paused, points of the window ours to
 * confirm) does not count. Pure. */
#ifndef X400_X400_PATIENCE_H
#define X400_X400_PATIENCE_H

#include "core/base.h"

struct x400_patience { /* zeroed: nothing comes */
    uint64_t bytes, waited_ms, since_ms;
    bool waiting, slow; /* slow: the wait is the rest of what it has in all */
};

/* An APDU comes, or what was broken off goes on. */
void x400_patience_begin(struct x400_patience *p);
void x400_patience_came(struct x400_patience *p, uint64_t bytes);
/* It is waited for from now on: at most for so long. */
uint64_t x400_patience_wait(
    struct x400_patience *p, uint64_t now_ms, uint64_t each_ms, uint64_t kib_ms);
/* It is not, or something came. */
void x400_patience_stop(struct x400_patience *p, uint64_t now_ms);

#endif
