#include "test_main.h"
#include "x400/p1_time.h"

#define NOW_2026 ((uint64_t)1795216724 * 1000) /* 2026-11-20 23:18:44 */

static void
times_are_read_as_others_write_them(void)
{
    static const struct {
        const char *text;
        uint64_t seconds;
    } rows[] = {
        { "261120231844Z", 1795216724 },
        { "2611202318Z", 1795216680 },
        { "261120191844-0400", 1795216724 },
        { "2611210018+0100", 1795216680 },
        { "1261120231844Z", 1795216724 }, /* a year that counts from 1900 */
        { "760101000000Z", 189302400 },   /* 50 years ago: the oldest two digits can be */
        { "750101000000Z", 3313526400 },  /* 49 years ahead */
        { "000229120000Z", 951825600 },
        { "691231235959Z", 3155759999 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t ms = 1;

        CU_ASSERT_TRUE(p1_time_ok(slice_of(rows[i].text)));
        CU_ASSERT_EQUAL(p1_time_read(slice_of(rows[i].text), NOW_2026, &ms), 0);
        CU_ASSERT_EQUAL(ms, rows[i].seconds * 1000);
    }
}

static void
what_is_no_time_is_refused(void)
{
    static const char *const rows[] = { "", "Z", "261120231844", "26112023184Z", "261320231844Z",
        "261132231844Z", "261120241844Z", "261120236044Z", "261120231861Z", "261120231844ZZ",
        "261120231844+01", "261120231844+0160", "261120231844+2400", "26112023184400Z",
        "2611202318441234Z", "x61120231844Z", "261100231844Z", "2611 0231844Z", "-61120231844Z" };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t ms;

        CU_ASSERT_FALSE(p1_time_ok(slice_of(rows[i])));
        CU_ASSERT_EQUAL(p1_time_read(slice_of(rows[i]), NOW_2026, &ms), BH_ESYNTAX);
    }
}

static void
what_is_written_is_read_the_same(void)
{
    for (uint64_t s = 0; s < (uint64_t)80 * 365 * 86400; s += 86400 * 3 + 3607) {
        char text[P1_TIME_WRITTEN_BYTES + 1];
        uint64_t ms = 0;

        p1_time_write(s * 1000 + 999, text);
        CU_ASSERT_EQUAL(strlen(text), P1_TIME_WRITTEN_BYTES);
        CU_ASSERT_EQUAL(p1_time_read(slice_of(text), s * 1000, &ms), 0);
        CU_ASSERT_EQUAL(ms, s * 1000);
    }
}

TEST_MAIN("p1_time", TEST(times_are_read_as_others_write_them), TEST(what_is_no_time_is_refused),
    TEST(what_is_written_is_read_the_same))
