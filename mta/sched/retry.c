/* sched/retry.c - a step of the schedule, spread by ±10 %. */
#include "sched/retry.h"

#include "core/map.h"

#define RETRY_DEFAULT_MS                                                                           \
    (UINT64_C(5) * 60 * UINT64_C(1000)) /* an empty schedule must not mean "at once" */
#define RETRY_SPREAD UINT64_C(10)       /* percent to each side */

uint64_t
retry_delay_ms(const struct retry_schedule *s, uint32_t attempts, uint64_t seed)
{
    uint64_t base_ms = RETRY_DEFAULT_MS, width_ms, hash;

    if (s->count > 0) {
        uint32_t step = MAX(attempts, 1u) - 1;

        base_ms = s->steps_ms[MIN(step, MIN(s->count, (uint32_t)RETRY_STEPS_MAX) - 1)];
    }
    /* The spread depends on the message and the attempt only: after a failover the other node
     * computes the same time. */
    hash = hash_u64(seed ^ ((uint64_t)attempts << 56) ^ attempts);
    width_ms = base_ms / 100 * (2 * RETRY_SPREAD) + base_ms % 100 * (2 * RETRY_SPREAD) / 100;
    return base_ms - width_ms / 2 + hash % (width_ms + 1);
}
