/* x400/x400_life.h - a queued message's priority, when it is given up, and until when it is held,
 * as text: "urgent 1795389524", "normal 1795821524 1795300000" (seconds since 1970). It is what
 * mail/envelope.h's envid is for that which came by X.400, so that the scheduler need not read
 * envelopes. Pure. */
#ifndef X400_X400_LIFE_H
#define X400_X400_LIFE_H

#include "x400/p1_envelope.h"

#define X400_LIFE_CAP 64

struct x400_life {
    enum p1_priority priority;
    uint64_t expires_wall_ms;    /* whole seconds */
    uint64_t hold_until_wall_ms; /* as well; its deferred delivery time. 0: it is not held */
};

void x400_life_write(const struct x400_life *life, char out[X400_LIFE_CAP]);
/* False: it says nothing of it (a report of ours; an import). */
bool x400_life_read(struct slice text, struct x400_life *out);

#endif
