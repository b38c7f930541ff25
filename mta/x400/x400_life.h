/* x400/x400_life.h - a queued message's priority, when it is given up, until when it is held, and
 * where it was, as text: "urgent 1795389524", "normal 1795821524 1795300000" (seconds since 1970),
 * "normal 1795821524 >1:8d52f3a1:01b2c3d4" (rerouted once; sums of the MTA names in its trace). It
 * is what mail/envelope.h's envid is for that which came by X.400, so that the scheduler need not
 * read envelopes. Pure. */
#ifndef X400_X400_LIFE_H
#define X400_X400_LIFE_H

#include "x400/p1_plan.h"

#define X400_PAST_MAX 16 /* MTAs, the last ones: what passed more is at home nowhere */
#define X400_LIFE_CAP (64 + 16 + X400_PAST_MAX * 9)

struct x400_life {
    enum p1_priority priority;
    uint64_t expires_wall_ms;    /* whole seconds */
    uint64_t hold_until_wall_ms; /* as well; its deferred delivery time. 0: it is not held */
};

void x400_life_write(const struct x400_life *life, char out[X400_LIFE_CAP]);
/* Append to it where the message was, for R2 and R3 (or_route.h); nothing if it was nowhere. */
void x400_past_append(const struct p1_passed *passed, char text[X400_LIFE_CAP]);
struct x400_past {
    unsigned reroutes;
    size_t count;
    uint32_t sums[X400_PAST_MAX]; /* or_route_mta_sum */
};
void x400_past_read(struct slice text, struct x400_past *out); /* none, if it says nothing of it */
/* False: it says nothing of it (a report of ours; an import). */
bool x400_life_read(struct slice text, struct x400_life *out);

#endif
