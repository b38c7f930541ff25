#include "core/base.h"
#include "core/crc32c.h"
#include "test_main.h"
#include <string.h>

/* RFC 3720, B.4 */
static void
known_answers_come_out(void)
{
    static const unsigned char zeros[32];
    unsigned char ones[32], up[32], down[32];

    memset(ones, 0xff, sizeof(ones));
    for (size_t i = 0; i < 32; i++) {
        up[i] = (unsigned char)i;
        down[i] = (unsigned char)(31 - i);
    }
    CU_ASSERT_EQUAL(crc32c(0, "123456789", 9), 0xe3069283);
    CU_ASSERT_EQUAL(crc32c(0, zeros, 32), 0x8a9136aa);
    CU_ASSERT_EQUAL(crc32c(0, ones, 32), 0x62a8ab43);
    CU_ASSERT_EQUAL(crc32c(0, up, 32), 0x46dd794e);
    CU_ASSERT_EQUAL(crc32c(0, down, 32), 0x113fdb5c);
    CU_ASSERT_EQUAL(crc32c(0, "", 0), 0);
}

static void
hardware_and_table_agree_at_every_length_and_alignment(void)
{
    static unsigned char bytes[9000];
    uint32_t x = 12345;

    for (size_t i = 0; i < sizeof(bytes); i++) {
        x = x * 1664525 + 1013904223;
        bytes[i] = (unsigned char)(x >> 24);
    }
    for (size_t from = 0; from < 9; from++) {
        for (size_t n = 0; n < 270; n++) {
            if (crc32c(x, bytes + from, n) != crc32c_portable(x, bytes + from, n)) {
                CU_FAIL_FATAL("they differ");
            }
        }
        for (size_t n = 270; n < 8900; n += 1 + n % 97) { /* the stretches done side by side */
            if (crc32c(x, bytes + from, n) != crc32c_portable(x, bytes + from, n)) {
                CU_FAIL_FATAL("they differ");
            }
        }
    }
}

static void
a_sum_can_be_continued(void)
{
    static const char text[] = "content streams in as chunks while it arrives";
    uint32_t whole = crc32c(0, text, sizeof(text));

    for (size_t cut = 0; cut <= sizeof(text); cut++) {
        CU_ASSERT_EQUAL(crc32c(crc32c(0, text, cut), text + cut, sizeof(text) - cut), whole);
    }
}

TEST_MAIN("crc32c", TEST(known_answers_come_out),
    TEST(hardware_and_table_agree_at_every_length_and_alignment), TEST(a_sum_can_be_continued))
