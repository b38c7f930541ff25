/* test_x400_schedule.c - windows on the wall's clock, also on the days when it is set. */
#include "test_main.h"
#include "x400/x400_schedule.h"
#include <time.h>

#define MINUTE_MS ((uint64_t)60000)

static void
use_zone(const char *zone)
{
    (void)setenv("TZ", zone, 1);
    tzset();
}

/* "2026-03-29 01:30" in UTC. */
static uint64_t
utc(const char *text)
{
    struct tm tm = { 0 };

    CU_ASSERT_PTR_NOT_NULL_FATAL(strptime(text, "%Y-%m-%d %H:%M", &tm));
    return (uint64_t)timegm(&tm) * 1000;
}

static int
add(struct x400_schedule *s, const char *text)
{
    const char *why = NULL;
    int rc = x400_schedule_add(s, slice_of(text), &why);

    CU_ASSERT((rc == 0) == (why == NULL));
    return rc;
}

static void
what_is_written_is_what_is_meant(void)
{
    static const struct {
        const char *text;
        unsigned days, from, to;
    } rows[] = {
        { "Mon-Fri 08:00-18:00", 0x3E, 480, 1080 },
        { " mon,WED  8:00-18:00 ", 0x0A, 480, 1080 },
        { "Sat-Mon,Thu 00:00-24:00", 0x53, 0, 1440 },
        { "Mon, Fri 22:00-02:00", 0x22, 1320, 120 },
        { "07:05-07:06", 0x7F, 425, 426 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct x400_schedule s = { 0 };

        CU_ASSERT_EQUAL(add(&s, rows[i].text), 0);
        CU_ASSERT_EQUAL(s.kind, X400_WINDOWS);
        CU_ASSERT_EQUAL(s.windows[0].days, rows[i].days);
        CU_ASSERT_EQUAL(s.windows[0].from, rows[i].from);
        CU_ASSERT_EQUAL(s.windows[0].to, rows[i].to);
    }
}

static void
what_cannot_be_meant_is_refused(void)
{
    static const char *const texts[] = { "", "sometimes", "Mon", "Mon-Fri", "08:00", "08:00-",
        "-18:00", "08:00-08:00", "25:00-26:00", "08:60-09:00", "24:00-24:00", "24:30-02:00",
        "Mon- 08:00-18:00", "-Mon 08:00-18:00", "Mon,,Tue 08:00-18:00", ", 08:00-18:00",
        "Mo 08:00-18:00", "Mon-Tue-Wed 08:00-18:00", "08:00 - 18:00", "008:00-09:00",
        "08:0-09:00" };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct x400_schedule s = { 0 };

        CU_ASSERT_EQUAL(add(&s, texts[i]), BH_ESYNTAX);
        CU_ASSERT_TRUE(x400_schedule_open(&s, 0)); /* as it was: always */
    }
}

static void
words_stand_alone_and_windows_are_limited(void)
{
    struct x400_schedule s = { 0 };

    CU_ASSERT_EQUAL(add(&s, "Never"), 0);
    CU_ASSERT_EQUAL(add(&s, "08:00-18:00"), BH_ESYNTAX);
    CU_ASSERT_EQUAL(add(&s, "never"), BH_ESYNTAX);
    CU_ASSERT_FALSE(x400_schedule_open(&s, 1));
    CU_ASSERT_EQUAL(x400_schedule_next(&s, 1), 0);
    s = (struct x400_schedule){ 0 };
    for (int i = 0; i < X400_SCHEDULE_WINDOWS_MAX; i++) {
        CU_ASSERT_EQUAL(add(&s, "08:00-18:00"), 0);
    }
    CU_ASSERT_EQUAL(add(&s, "08:00-18:00"), BH_ETOOBIG);
    CU_ASSERT_EQUAL(add(&s, "always"), BH_ESYNTAX);
    s = (struct x400_schedule){ 0 };
    CU_ASSERT_EQUAL(add(&s, "remote-initiated"), 0);
    CU_ASSERT_FALSE(x400_schedule_open(&s, 1));
    CU_ASSERT_EQUAL(x400_schedule_next(&s, 1), 0);
    s = (struct x400_schedule){ 0 };
    CU_ASSERT_EQUAL(add(&s, "always"), 0);
    CU_ASSERT_TRUE(x400_schedule_open(&s, 1));
    CU_ASSERT_EQUAL(x400_schedule_next(&s, 12345), 12345);
    CU_ASSERT_EQUAL(x400_schedule_closes(&s, 12345), 0);
}

/* next and closes: UTC, NULL for 0. */
struct row {
    const char *windows[3];
    const char *at, *next, *closes;
};

static void
play(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct row *r = &rows[i];
        struct x400_schedule s = { 0 };
        uint64_t at = utc(r->at);

        for (int w = 0; w < 3 && r->windows[w] != NULL; w++) {
            CU_ASSERT_EQUAL(add(&s, r->windows[w]), 0);
        }
        if (x400_schedule_next(&s, at) != (r->next != NULL ? utc(r->next) : 0) ||
            x400_schedule_closes(&s, at) != (r->closes != NULL ? utc(r->closes) : 0) ||
            x400_schedule_open(&s, at) != (x400_schedule_next(&s, at) == at)) {
            printf("\n%s at %s: next %llu, closes %llu", r->windows[0], r->at,
                (unsigned long long)x400_schedule_next(&s, at) / 1000,
                (unsigned long long)x400_schedule_closes(&s, at) / 1000);
            CU_FAIL("a schedule");
        }
    }
}

static void
windows_open_and_close_by_the_local_clock(void)
{
    /* Saturday 21 November 2026; New York is five hours behind. */
    static const struct row rows[] = {
        { { "Mon-Fri 08:00-18:00" }, "2026-11-20 22:59", "2026-11-20 22:59", "2026-11-20 23:00" },
        { { "Mon-Fri 08:00-18:00" }, "2026-11-20 23:00", "2026-11-23 13:00", NULL },
        { { "Fri 22:00-02:00" }, "2026-11-21 06:59", "2026-11-21 06:59", "2026-11-21 07:00" },
        { { "Fri 22:00-02:00" }, "2026-11-21 07:00", "2026-11-28 03:00", NULL },
        { { "Sat 22:00-02:00" }, "2026-11-22 06:00", "2026-11-22 06:00", "2026-11-22 07:00" },
        { { "00:00-24:00" }, "2026-11-21 07:00", "2026-11-21 07:00", NULL },
        { { "00:00-12:00", "12:00-24:00" }, "2026-11-21 07:00", "2026-11-21 07:00", NULL },
        { { "Sun 10:00-11:00", "Tue 10:00-11:00", "Tue 10:30-12:00" }, "2026-11-24 15:10",
            "2026-11-24 15:10", "2026-11-24 17:00" },
        { { "Sun 10:00-11:00", "Tue 10:00-11:00" }, "2026-11-22 16:00", "2026-11-24 15:00", NULL },
    };
    struct x400_schedule s = { 0 };

    use_zone("EST5EDT,M3.2.0,M11.1.0");
    play(rows, ARRAY_LEN(rows));
    /* within a minute */
    CU_ASSERT_EQUAL(add(&s, "Mon-Fri 08:00-18:00"), 0);
    CU_ASSERT_EQUAL(
        x400_schedule_next(&s, utc("2026-11-23 12:59") + 59999), utc("2026-11-23 13:00"));
    CU_ASSERT_EQUAL(
        x400_schedule_closes(&s, utc("2026-11-23 22:59") + 59999), utc("2026-11-23 23:00"));
}

static void
clocks_that_are_set_leave_out_or_repeat(void)
{
    /* Berlin: 29 March 2026, 01:00 UTC: from 02:00 to 03:00; 25 October, 01:00 UTC: back. */
    static const struct row rows[] = {
        /* the day's window begins an hour earlier by UTC */
        { { "06:00-07:00" }, "2026-03-28 06:00", "2026-03-29 04:00", NULL },
        { { "Sun 06:00-07:00" }, "2026-03-28 12:00", "2026-03-29 04:00", NULL },
        { { "06:00-07:00" }, "2026-10-24 05:00", "2026-10-25 05:00", NULL },
        /* what is left out does not come that day */
        { { "02:15-02:45" }, "2026-03-29 00:30", "2026-03-30 00:15", NULL },
        { { "Sun 02:15-02:45" }, "2026-03-29 00:30", "2026-04-05 00:15", NULL },
        { { "02:30-03:30" }, "2026-03-29 00:30", "2026-03-29 01:00", NULL },
        { { "01:30-02:30" }, "2026-03-29 00:30", "2026-03-29 00:30", "2026-03-29 01:00" },
        { { "01:30-03:30" }, "2026-03-29 00:30", "2026-03-29 00:30", "2026-03-29 01:30" },
        /* what comes twice is open twice */
        { { "02:15-02:45" }, "2026-10-25 00:20", "2026-10-25 00:20", "2026-10-25 00:45" },
        { { "02:15-02:45" }, "2026-10-25 00:45", "2026-10-25 01:15", NULL },
        { { "02:15-02:45" }, "2026-10-25 01:45", "2026-10-26 01:15", NULL },
        { { "01:30-02:30" }, "2026-10-25 00:40", "2026-10-25 01:00", NULL },
        { { "02:30-04:00" }, "2026-10-25 00:40", "2026-10-25 00:40", "2026-10-25 01:00" },
    };

    use_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    play(rows, ARRAY_LEN(rows));
}

/* By looking at each minute of the weeks around the changes of the clocks. */
static void
next_and_closes_are_the_first_minutes_in_which_it_is_so(void)
{
    static const char *const windows[] = { "Sat-Sun 23:30-02:20", "02:10-02:50", "Wed 12:00-13:00",
        "Sun 01:59-03:01" };

    use_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    for (size_t i = 0; i < ARRAY_LEN(windows); i++) {
        static const char *const starts[] = { "2026-03-25 00:00", "2026-10-21 00:00" };
        struct x400_schedule s = { 0 };

        CU_ASSERT_EQUAL(add(&s, windows[i]), 0);
        for (size_t k = 0; k < ARRAY_LEN(starts); k++) {
            uint64_t next = 0, closes = 0;

            for (uint64_t m = 14 * 24 * 60; m > 0; m--) {
                uint64_t at = utc(starts[k]) + m * MINUTE_MS;
                bool open = x400_schedule_open(&s, at);

                next = open ? at : next;
                closes = open ? closes : at;
                if (m < 7 * 24 * 60) {
                    CU_ASSERT_EQUAL(x400_schedule_next(&s, at), next);
                    CU_ASSERT_EQUAL(x400_schedule_closes(&s, at), open ? closes : 0);
                }
            }
        }
    }
}

TEST_MAIN("x400_schedule", TEST(what_is_written_is_what_is_meant),
    TEST(what_cannot_be_meant_is_refused), TEST(words_stand_alone_and_windows_are_limited),
    TEST(windows_open_and_close_by_the_local_clock), TEST(clocks_that_are_set_leave_out_or_repeat),
    TEST(next_and_closes_are_the_first_minutes_in_which_it_is_so))
