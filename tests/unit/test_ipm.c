/* An IPM's octets, value by value. (tests/integration/78-x400-connectors has tshark read one.) */
#include "osi/ber.h"
#include "test_main.h"
#include "x400/ipm.h"

static void
expect(struct slice subject, const char *hex_head, size_t head_bytes)
{
    const struct ipm m = { SLICE_LIT("id-1"), subject, SLICE_LIT("hi\r\n") };
    struct ber_cursor c;
    struct ber_value v;
    struct buf out;

    buf_init(&out, 1024);
    CU_ASSERT_EQUAL(ipm_write(&out, &m), 0);
    CU_ASSERT_TRUE(slice_starts(buf_slice(&out), (struct slice){ hex_head, head_bytes }));
    ber_cursor_init(&c, buf_slice(&out));
    CU_ASSERT_EQUAL(ber_take_tag(&c, BER_CONTEXT(0), &v), 1);
    CU_ASSERT_EQUAL(c.rest.n, 0); /* one value, and nothing behind it */
    CU_ASSERT_TRUE(
        slice_eq(slice_skip(v.body, v.body.n - 6), SLICE_LIT("\x16\x04hi\r\n"))); /* the body */
    buf_fini(&out);
}

static void
a_message_has_heading_and_body(void)
{
    /* [0] { SET { [APPLICATION 11] { PrintableString id-1 }, [8] { T61String Hello } } ... */
    expect(SLICE_LIT("Hello"),
        "\xa0\x1f\x31\x11\x6b\x06\x13\x04id-1\xa8\x07\x14\x05Hello\x30\x0a\xa0\x08\x31\x00\x16",
        28);
    expect(SLICE_NONE, "\xa0\x16\x31\x08\x6b\x06\x13\x04id-1\x30\x0a\xa0", 15);
}

static void
only_seven_bits_are_ia5(void)
{
    CU_ASSERT_TRUE(ipm_is_ia5(SLICE_LIT("")));
    CU_ASSERT_TRUE(ipm_is_ia5(SLICE_LIT("plain\x7f")));
    CU_ASSERT_FALSE(ipm_is_ia5(SLICE_LIT("caf\xc3\xa9")));
}

static void
what_does_not_fit_is_told(void)
{
    const struct ipm m = { SLICE_LIT("id-1"), SLICE_NONE, SLICE_LIT("a text") };
    struct buf out;

    buf_init(&out, 10);
    CU_ASSERT_EQUAL(ipm_write(&out, &m), BH_ETOOBIG);
    buf_fini(&out);
}

TEST_MAIN("ipm", TEST(a_message_has_heading_and_body), TEST(only_seven_bits_are_ia5),
    TEST(what_does_not_fit_is_told))
