/* Priority and expiry as the queue keeps them. */
#include "p1_made.h"
#include "test_main.h"
#include "x400/x400_life.h"

static const char *const to[] = { "/C=GB/A=TEST/P=A/S=One/" };

static void
what_is_written_is_read_again(void)
{
    static const struct {
        enum p1_priority priority;
        uint64_t latest_ms;
        const char *text;
    } rows[] = { { P1_NORMAL, 0, "normal 1795821524" },
        { P1_NON_URGENT, 0, "non-urgent 1796080724" }, { P1_URGENT, 0, "urgent 1795389524" },
        { P1_URGENT, P1_NOW + 60000, "urgent 1795216784" } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct p1_made m = {
            .kind = P1_MESSAGE, .priority = rows[i].priority, .latest_wall_ms = rows[i].latest_ms
        };
        enum p1_priority priority = P1_NORMAL;
        uint64_t expires_ms = 0;
        char text[X400_LIFE_CAP];
        struct p1_held h;

        p1_hold(&h, m, to, 1, 0);
        x400_life_write(&h.e, P1_NOW, text);
        CU_ASSERT_STRING_EQUAL(text, rows[i].text);
        CU_ASSERT_TRUE(x400_life_read(slice_of(text), &priority, &expires_ms));
        CU_ASSERT_EQUAL(priority, rows[i].priority);
        CU_ASSERT_EQUAL(expires_ms, strtoull(strchr(rows[i].text, ' ') + 1, NULL, 10) * 1000);
        p1_held_fini(&h);
    }
}

static void
other_texts_say_nothing(void)
{
    static const char *const rows[] = { "", "urgent", "urgent ", "urgent x", "urgent -1", "slow 12",
        "urgent 18446744073709551615", " 12", "QQ314159" };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum p1_priority priority;
        uint64_t expires_ms;

        CU_ASSERT_FALSE(x400_life_read(slice_of(rows[i]), &priority, &expires_ms));
    }
}

TEST_MAIN("x400_life", TEST(what_is_written_is_read_again), TEST(other_texts_say_nothing))
