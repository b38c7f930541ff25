/* test_retry.c - the schedule: steps in order, the last repeats, spread is small and repeatable. */
#include "sched/retry.h"
#include "test_main.h"

static const struct retry_schedule schedule = { { 30000, 60000, 300000 }, 3 };

static void
expect_step(uint32_t attempts, uint64_t step_ms)
{
    uint64_t low = UINT64_MAX, high = 0;

    for (uint64_t seed = 0; seed < 2000; seed++) {
        uint64_t d = retry_delay_ms(&schedule, attempts, seed);

        CU_ASSERT_EQUAL(d, retry_delay_ms(&schedule, attempts, seed));
        low = MIN(low, d);
        high = MAX(high, d);
    }
    CU_ASSERT_TRUE(low >= step_ms * 9 / 10 && high <= step_ms * 11 / 10);
    /* and mail deferred together does come back apart */
    CU_ASSERT_TRUE(low < step_ms * 92 / 100 && high > step_ms * 108 / 100);
}

static void
steps_come_in_order_and_the_last_repeats(void)
{
    expect_step(0, 30000);
    expect_step(1, 30000);
    expect_step(2, 60000);
    expect_step(3, 300000);
    expect_step(4, 300000);
    expect_step(UINT32_MAX, 300000);
}

static void
an_empty_schedule_is_not_at_once(void)
{
    static const struct retry_schedule none = { .count = 0 };

    CU_ASSERT_TRUE(retry_delay_ms(&none, 1, 7) >= 60000);
}

static void
extremes_do_not_overflow(void)
{
    static const struct retry_schedule tiny = { { 1 }, 1 };
    static const struct retry_schedule week = { { 7ull * 24 * 3600 * 1000 }, 1 };

    for (uint64_t seed = 0; seed < 100; seed++) {
        CU_ASSERT_TRUE(retry_delay_ms(&tiny, 1, seed) <= 2);
        CU_ASSERT_TRUE(retry_delay_ms(&week, 9, seed) >= 6ull * 24 * 3600 * 1000);
    }
}

TEST_MAIN("retry", TEST(steps_come_in_order_and_the_last_repeats),
    TEST(an_empty_schedule_is_not_at_once), TEST(extremes_do_not_overflow))
