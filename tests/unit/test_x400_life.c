/* Priority and expiry as the queue keeps them. */
#include "test_main.h"
#include "x400/x400_life.h"

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

TEST_MAIN("x400_life", TEST(what_is_written_is_read_again), TEST(other_texts_say_nothing))
