/* sched/retry.h - when to try again. Pure. */
#ifndef SCHED_RETRY_H
#define SCHED_RETRY_H

#include "core/base.h"

#define RETRY_STEPS_MAX 32
struct retry_schedule {
    uint64_t steps_ms[RETRY_STEPS_MAX];
    uint32_t count; /* the last step repeats */
};
/* Delay before the next attempt after `attempts` failed ones (>= 1), spread by ±10 % from seed, so
 * that mail deferred together does not come back together. */
uint64_t retry_delay_ms(const struct retry_schedule *s, uint32_t attempts, uint64_t seed);

#endif
