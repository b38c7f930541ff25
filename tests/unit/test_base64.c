#include "core/base64.h"
#include "test_main.h"

static void
each_length_round_trips(void)
{
    char bytes[64], text[96], back[64];

    for (size_t n = 0; n <= sizeof(bytes); n++) {
        for (size_t i = 0; i < n; i++) {
            bytes[i] = (char)(i * 37 + n);
        }
        base64_encode((struct slice){ bytes, n }, text);
        CU_ASSERT_EQUAL(
            base64_decode((struct slice){ text, base64_bytes(n) }, back, sizeof(back)), (ssize_t)n);
        CU_ASSERT_EQUAL(memcmp(bytes, back, n), 0);
    }
}

static void
known_answers(void)
{
    char out[8], text[8];

    base64_encode(SLICE_LIT("fooba"), text);
    CU_ASSERT_EQUAL(memcmp(text, "Zm9vYmE=", 8), 0);
    CU_ASSERT_EQUAL(base64_decode(SLICE_LIT("Zm9vYg"), out, sizeof(out)), 4);
    CU_ASSERT_EQUAL(memcmp(out, "foob", 4), 0);
}

static void
what_is_none_or_too_long_is_refused(void)
{
    char out[3];

    CU_ASSERT_EQUAL(base64_decode(SLICE_LIT("Zm9v YmFy"), out, sizeof(out)), -1);
    CU_ASSERT_EQUAL(base64_decode(SLICE_LIT("Zm9vYmFy"), out, sizeof(out)), -1);
    CU_ASSERT_EQUAL(base64_decode(SLICE_LIT("Zm=v"), out, sizeof(out)), -1);
}

TEST_MAIN("base64", TEST(each_length_round_trips), TEST(known_answers),
    TEST(what_is_none_or_too_long_is_refused))
