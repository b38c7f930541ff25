#include "core/slice.h"
#include "test_main.h"

#define S(text) SLICE_LIT(text)

static void
comparing_follows_the_bytes(void)
{
    CU_ASSERT_TRUE(slice_eq(S("ab"), S("ab")));
    CU_ASSERT_FALSE(slice_eq(S("ab"), S("abc")));
    CU_ASSERT_TRUE(slice_eq(SLICE_NONE, S("")));
    CU_ASSERT_TRUE(slice_eq(slice_of(NULL), slice_of("")));
    CU_ASSERT_TRUE(slice_ieq(S("Example.ORG"), S("eXAMPLE.org")));
    CU_ASSERT_FALSE(slice_ieq(S("[]"), S("{}"))); /* 0x20 apart, but no letters */
    CU_ASSERT_FALSE(slice_ieq(S("\xc4"), S("\xe4")));
}

static void
beginnings_and_ends_are_found(void)
{
    CU_ASSERT_TRUE(slice_starts(S("MAIL FROM:"), S("MAIL")));
    CU_ASSERT_FALSE(slice_starts(S("MA"), S("MAIL")));
    CU_ASSERT_FALSE(slice_starts(S("mail"), S("MAIL")));
    CU_ASSERT_TRUE(slice_istarts(S("mail from"), S("MAIL")));
    CU_ASSERT_TRUE(slice_iends(S("a.Example.Org"), S(".example.ORG")));
    CU_ASSERT_FALSE(slice_iends(S("org"), S("example.org")));
    CU_ASSERT_TRUE(slice_iends(S("x"), S("")));
    CU_ASSERT_EQUAL(slice_find(S("a@b@c"), '@'), 1);
    CU_ASSERT_EQUAL(slice_rfind(S("a@b@c"), '@'), 3);
    CU_ASSERT_EQUAL(slice_find(S("abc"), '@'), 3);
    CU_ASSERT_EQUAL(slice_rfind(SLICE_NONE, '@'), 0);
}

static void
parts_never_reach_beyond_the_whole(void)
{
    CU_ASSERT_TRUE(slice_eq(slice_sub(S("abcdef"), 2, 3), S("cde")));
    CU_ASSERT_TRUE(slice_eq(slice_sub(S("abc"), 2, SIZE_MAX), S("c")));
    CU_ASSERT_EQUAL(slice_sub(S("abc"), SIZE_MAX, SIZE_MAX).n, 0);
    CU_ASSERT_TRUE(slice_eq(slice_skip(S("abc"), 1), S("bc")));
    CU_ASSERT_EQUAL(slice_skip(S("abc"), 9).n, 0);
    CU_ASSERT_EQUAL(slice_sub(SLICE_NONE, 5, 5).n, 0);
    CU_ASSERT_TRUE(slice_eq(slice_trim(S(" \t a b\t ")), S("a b")));
    CU_ASSERT_EQUAL(slice_trim(S("  ")).n, 0);
}

static void
next_walks_over_separators(void)
{
    struct slice rest = S("a,,b"), part;

    CU_ASSERT_TRUE(slice_next(&rest, ',', &part) && slice_eq(part, S("a")));
    CU_ASSERT_TRUE(slice_next(&rest, ',', &part) && part.n == 0);
    CU_ASSERT_TRUE(slice_next(&rest, ',', &part) && slice_eq(part, S("b")));
    CU_ASSERT_FALSE(slice_next(&rest, ',', &part));
    rest = SLICE_NONE;
    CU_ASSERT_FALSE(slice_next(&rest, ',', &part));
}

static void
numbers_are_digits_and_nothing_else(void)
{
    static const struct {
        const char *text;
        uint64_t max;
        int rc;
        uint64_t value;
    } rows[] = {
        { "0", 10, 0, 0 },
        { "007", 10, 0, 7 },
        { "10", 10, 0, 10 },
        { "11", 10, BH_ETOOBIG, 0 },
        { "18446744073709551615", UINT64_MAX, 0, UINT64_MAX },
        { "18446744073709551616", UINT64_MAX, BH_ETOOBIG, 0 },
        { "99999999999999999999999", UINT64_MAX, BH_ETOOBIG, 0 },
        { "", 10, BH_ESYNTAX, 0 },
        { "-1", 10, BH_ESYNTAX, 0 },
        { "+1", 10, BH_ESYNTAX, 0 },
        { " 1", 10, BH_ESYNTAX, 0 },
        { "99999999999999999999999x", UINT64_MAX, BH_ESYNTAX, 0 },
        { "0x1", 10, BH_ESYNTAX, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t value = 0;

        CU_ASSERT_EQUAL(slice_u64(slice_of(rows[i].text), rows[i].max, &value), rows[i].rc);
        CU_ASSERT_EQUAL(value, rows[i].value);
    }
}

static void
hexadecimal_takes_both_cases_and_sixteen_digits(void)
{
    uint64_t value = 0;

    CU_ASSERT_EQUAL(slice_hex_u64(S("30000000aBc"), &value), 0);
    CU_ASSERT_EQUAL(value, 0x30000000abcu);
    CU_ASSERT_EQUAL(slice_hex_u64(S("ffffffffffffffff"), &value), 0);
    CU_ASSERT_EQUAL(value, UINT64_MAX);
    CU_ASSERT_EQUAL(slice_hex_u64(S("00ffffffffffffffff"), &value), 0);
    CU_ASSERT_EQUAL(slice_hex_u64(S("10000000000000000"), &value), BH_ETOOBIG);
    CU_ASSERT_EQUAL(slice_hex_u64(S("12g"), &value), BH_ESYNTAX);
    CU_ASSERT_EQUAL(slice_hex_u64(S(""), &value), BH_ESYNTAX);
}

static void
copies_are_terminated_or_refused(void)
{
    char out[4] = "zzz";
    char *copy = slice_dup(S("abc"));

    CU_ASSERT_EQUAL(slice_copy(S("abcd"), out, sizeof(out)), -ENOSPC);
    CU_ASSERT_STRING_EQUAL(out, "zzz");
    CU_ASSERT_EQUAL(slice_copy(S("abc"), out, sizeof(out)), 0);
    CU_ASSERT_STRING_EQUAL(out, "abc");
    CU_ASSERT_EQUAL(slice_copy(SLICE_NONE, out, sizeof(out)), 0);
    CU_ASSERT_STRING_EQUAL(out, "");
    CU_ASSERT_EQUAL(slice_copy(SLICE_NONE, out, 0), -ENOSPC);
    CU_ASSERT_STRING_EQUAL(copy, "abc");
    free(copy);
}

TEST_MAIN("slice", TEST(comparing_follows_the_bytes), TEST(beginnings_and_ends_are_found),
    TEST(parts_never_reach_beyond_the_whole), TEST(next_walks_over_separators),
    TEST(numbers_are_digits_and_nothing_else),
    TEST(hexadecimal_takes_both_cases_and_sixteen_digits), TEST(copies_are_terminated_or_refused))
