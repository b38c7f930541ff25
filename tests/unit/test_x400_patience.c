/* Who sends is waited for; who drips is not. */
#include "test_main.h"
#include "x400/x400_patience.h"

#define EACH_MS 180000u
#define KIB_MS  2000u

/* So many octets each so many ms: how long until it is given up; 0: it is not, in a week. */
static uint64_t
given_up_after(uint64_t bytes, uint64_t each_ms)
{
    const uint64_t week_ms = UINT64_C(7) * 24 * 3600 * 1000;
    struct x400_patience p;
    uint64_t now = 1000;

    x400_patience_begin(&p);
    while (now < week_ms) {
        uint64_t wait = x400_patience_wait(&p, now, EACH_MS, KIB_MS);

        if (wait < each_ms) {
            return now + wait - 1000;
        }
        now += each_ms;
        x400_patience_stop(&p, now);
        x400_patience_came(&p, bytes);
    }
    return 0;
}

static void
a_drip_is_no_transfer(void)
{
    CU_ASSERT_EQUAL(given_up_after(1, EACH_MS + 1), EACH_MS); /* a stall */
    CU_ASSERT_EQUAL(given_up_after(1, EACH_MS - 1), EACH_MS);
    CU_ASSERT_EQUAL(given_up_after(1, 1000), EACH_MS);
    CU_ASSERT(given_up_after(100, 1000) > EACH_MS && given_up_after(100, 1000) < 2 * EACH_MS);
    CU_ASSERT_EQUAL(given_up_after(KIB, KIB_MS), 0); /* slow, and allowed */
    CU_ASSERT_EQUAL(given_up_after(64 * KIB, EACH_MS / 2), 0);
    CU_ASSERT_EQUAL(given_up_after(64 * KIB, 100), 0);
}

static void
time_of_ours_does_not_count(void)
{
    struct x400_patience p;

    x400_patience_begin(&p);
    for (unsigned i = 0; i < 100; i++) {
        CU_ASSERT_EQUAL(x400_patience_wait(&p, i * 1000000u, EACH_MS, KIB_MS), EACH_MS - i);
        CU_ASSERT_EQUAL(p.slow, i > 0);
        x400_patience_stop(&p, i * 1000000u + 1);
        x400_patience_stop(&p, i * 1000000u + 900000); /* paused */
    }
    x400_patience_begin(&p); /* the next one */
    CU_ASSERT_EQUAL(x400_patience_wait(&p, 5, EACH_MS, KIB_MS), EACH_MS);
    x400_patience_stop(&p, 4); /* a clock that went back */
    CU_ASSERT_EQUAL(x400_patience_wait(&p, 5, EACH_MS, KIB_MS), EACH_MS);
}

TEST_MAIN("x400_patience", TEST(a_drip_is_no_transfer), TEST(time_of_ours_does_not_count))
