/* Priority and expiry as the queue keeps them. */
#include "test_main.h"
#include "x400/x400_life.h"
#include <limits.h>

static void
what_is_written_is_read_again(void)
{
    static const struct {
        struct x400_life life;
        const char *text;
    } rows[] = { { { P1_NORMAL, 1795821524000, 0 }, "normal 1795821524" },
        { { P1_NON_URGENT, 1796080724999, 0 }, "non-urgent 1796080724" },
        { { P1_URGENT, 0, 0 }, "urgent 0" },
        { { P1_URGENT, 1795389524000, 1795300000001 }, "urgent 1795389524 1795300001" },
        { { P1_NON_URGENT, UINT64_MAX, UINT64_MAX - 615 },
            "non-urgent 18446744073709551 18446744073709551" } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct x400_life life = rows[i].life, read;
        char text[X400_LIFE_CAP];

        x400_life_write(&life, text);
        CU_ASSERT_STRING_EQUAL(text, rows[i].text);
        CU_ASSERT_TRUE(x400_life_read(slice_of(text), &read));
        CU_ASSERT_EQUAL(read.priority, rows[i].life.priority);
        CU_ASSERT_EQUAL(read.expires_wall_ms, rows[i].life.expires_wall_ms / 1000 * 1000);
        CU_ASSERT_EQUAL(read.hold_until_wall_ms == 0, rows[i].life.hold_until_wall_ms == 0);
        CU_ASSERT_TRUE(read.hold_until_wall_ms >= rows[i].life.hold_until_wall_ms &&
                       read.hold_until_wall_ms - rows[i].life.hold_until_wall_ms < 1000);
    }
}

static void
other_texts_say_nothing(void)
{
    static const char *const rows[] = { "", "urgent", "urgent ", "urgent x", "urgent -1",
        "urgent 1 ", "urgent 1 x", "urgent 1 2 3", "slow 12", "urgent 18446744073709551615", " 12",
        "QQ314159" };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct x400_life life;

        CU_ASSERT_FALSE(x400_life_read(slice_of(rows[i]), &life));
    }
}

static void
where_it_was_stands_behind_and_changes_nothing_before(void)
{
    static struct p1_passed passed;
    const struct x400_life life = { P1_NORMAL, 1795821524000, 1795300000000 };
    struct x400_life read;
    struct x400_past past;
    char text[X400_LIFE_CAP];

    x400_life_write(&life, text);
    x400_past_append(&passed, text);
    CU_ASSERT_STRING_EQUAL(text, "normal 1795821524 1795300000"); /* it was nowhere */
    x400_past_read(slice_of(text), &past);
    CU_ASSERT_TRUE(past.count == 0 && past.reroutes == 0);
    passed.slices[passed.count++] = (struct slice)SLICE_LIT("LONDON");
    passed.slices[passed.count++] = (struct slice)SLICE_LIT("Paris");
    passed.reroutes = 2;
    x400_past_append(&passed, text);
    CU_ASSERT_TRUE(x400_life_read(slice_of(text), &read));
    CU_ASSERT_EQUAL(read.hold_until_wall_ms, life.hold_until_wall_ms);
    x400_past_read(slice_of(text), &past);
    CU_ASSERT_EQUAL_FATAL(past.count, 2);
    CU_ASSERT_EQUAL(past.reroutes, 2);
    CU_ASSERT_EQUAL(past.sums[0], or_route_mta_sum(SLICE_LIT("London")));
    CU_ASSERT_EQUAL(past.sums[1], or_route_mta_sum(SLICE_LIT("PARIS")));
    while (passed.count < P1_HOPS_MAX) {
        passed.slices[passed.count++] = (struct slice)SLICE_LIT("ROME");
    }
    passed.reroutes = UINT_MAX;
    x400_life_write(&(struct x400_life){ P1_NON_URGENT, UINT64_MAX, UINT64_MAX - 615 }, text);
    x400_past_append(&passed, text); /* the longest that there is */
    x400_past_read(slice_of(text), &past);
    CU_ASSERT_EQUAL(past.count, X400_PAST_MAX);
    CU_ASSERT_EQUAL(past.sums[X400_PAST_MAX - 1], or_route_mta_sum(SLICE_LIT("ROME")));
    CU_ASSERT_TRUE(x400_life_read(slice_of(text), &read));
}

TEST_MAIN("x400_life", TEST(what_is_written_is_read_again), TEST(other_texts_say_nothing),
    TEST(where_it_was_stands_behind_and_changes_nothing_before))
