#include "core/ticks.h"
#include "test_main.h"

static void
clocks_do_not_run_backwards(void)
{
    uint64_t ms = ticks_ms(), ns = ticks_boot_ns();

    CU_ASSERT_TRUE(ticks_ms() >= ms);
    CU_ASSERT_TRUE(ticks_boot_ns() >= ns);
    CU_ASSERT_TRUE(ticks_wall_ms() > 1700000000000u); /* after 2023 */
}

static void
times_are_written_as_the_standards_say(void)
{
    static const struct {
        uint64_t wall_ms;
        const char *rfc3339, *rfc5322;
    } rows[] = {
        { 0, "1970-01-01T00:00:00.000Z", "Thu, 1 Jan 1970 00:00:00 +0000" },
        { 1795249800123, "2026-11-21T08:30:00.123Z", "Sat, 21 Nov 2026 08:30:00 +0000" },
        { 1709210096009, "2024-02-29T12:34:56.009Z", "Thu, 29 Feb 2024 12:34:56 +0000" },
        { UINT64_MAX, "9999-12-31T23:59:59.999Z", "Fri, 31 Dec 9999 23:59:59 +0000" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char iso[TICKS_RFC3339_CAP], mail[TICKS_RFC5322_CAP];

        ticks_rfc3339(rows[i].wall_ms, iso);
        ticks_rfc5322(rows[i].wall_ms, mail);
        CU_ASSERT_STRING_EQUAL(iso, rows[i].rfc3339);
        CU_ASSERT_STRING_EQUAL(mail, rows[i].rfc5322);
    }
}

struct quantity {
    const char *text;
    int rc;
    uint64_t value;
};

static void
check(const struct quantity *rows, size_t count, int (*parse)(struct slice s, uint64_t *out))
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 0;

        CU_ASSERT_EQUAL(parse(slice_of(rows[i].text), &value), rows[i].rc);
        CU_ASSERT_EQUAL(value, rows[i].value);
    }
}

static void
durations_have_a_unit_and_may_be_sums(void)
{
    static const struct quantity rows[] = {
        { "250ms", 0, 250 },
        { "30s", 0, 30000 },
        { "5min", 0, 300000 },
        { "4h", 0, 14400000 },
        { "5d", 0, 432000000 },
        { "1h30min", 0, 5400000 },
        { "0s", 0, 0 },
        { "", BH_ESYNTAX, 0 },
        { "30", BH_ESYNTAX, 0 },
        { "s", BH_ESYNTAX, 0 },
        { "1m", BH_ESYNTAX, 0 },
        { "1 s", BH_ESYNTAX, 0 },
        { "-1s", BH_ESYNTAX, 0 },
        { "1h30", BH_ESYNTAX, 0 },
        { "1.5h", BH_ESYNTAX, 0 },
        { "999999999999999999d", BH_ETOOBIG, 0 },
        { "18446744073709551615ms1ms", BH_ETOOBIG, 0 },
    };

    check(rows, ARRAY_LEN(rows), ticks_parse_duration);
}

static void
sizes_are_bytes_or_binary_units(void)
{
    static const struct quantity rows[] = {
        { "100", 0, 100 },
        { "100B", 0, 100 },
        { "4KiB", 0, 4096 },
        { "256MiB", 0, 256 * MIB },
        { "1GiB512MiB", 0, 1536 * MIB },
        { "2TiB", 0, 2048 * GIB },
        { "4KB", BH_ESYNTAX, 0 },
        { "4k", BH_ESYNTAX, 0 },
        { "MiB", BH_ESYNTAX, 0 },
        { "", BH_ESYNTAX, 0 },
        { "99999999999TiB", BH_ETOOBIG, 0 },
    };

    check(rows, ARRAY_LEN(rows), ticks_parse_size);
}

TEST_MAIN("ticks", TEST(clocks_do_not_run_backwards), TEST(times_are_written_as_the_standards_say),
    TEST(durations_have_a_unit_and_may_be_sums), TEST(sizes_are_bytes_or_binary_units))
