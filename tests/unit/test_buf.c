#include "core/buf.h"
#include "test_main.h"

static void
bytes_come_out_as_they_went_in(void)
{
    struct buf b;
    char *room;

    buf_init(&b, 1000);
    CU_ASSERT_EQUAL(buf_len(&b), 0);
    CU_ASSERT_EQUAL(buf_slice(&b).n, 0);
    CU_ASSERT_EQUAL(buf_append(&b, SLICE_LIT("hello ")), 0);
    CU_ASSERT_EQUAL(buf_printf(&b, "%s %d", "world", 42), 0);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&b), SLICE_LIT("hello world 42")));
    buf_consume(&b, 6);
    CU_ASSERT_EQUAL(buf_reserve(&b, 3, &room), 0);
    memcpy(room, "ab", 2);
    buf_commit(&b, 2);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&b), SLICE_LIT("world 42ab")));
    buf_release(&b); /* not empty: kept */
    CU_ASSERT_EQUAL(buf_len(&b), 10);
    buf_consume(&b, 10);
    buf_release(&b);
    CU_ASSERT_PTR_NULL(b.base);
    CU_ASSERT_EQUAL(buf_append(&b, SLICE_LIT("again")), 0);
    buf_clear(&b);
    CU_ASSERT_EQUAL(buf_len(&b), 0);
    buf_fini(&b);
}

static void
the_limit_is_hard_and_exact(void)
{
    struct buf b;
    char *room;

    buf_init(&b, 10);
    CU_ASSERT_EQUAL(buf_append(&b, SLICE_LIT("0123456789")), 0);
    CU_ASSERT_EQUAL(buf_space(&b), 0);
    CU_ASSERT_EQUAL(buf_append(&b, SLICE_LIT("x")), BH_ETOOBIG);
    CU_ASSERT_EQUAL(buf_printf(&b, "x"), BH_ETOOBIG);
    CU_ASSERT_EQUAL(buf_put_u8(&b, 1), BH_ETOOBIG);
    CU_ASSERT_EQUAL(buf_reserve(&b, 1, &room), BH_ETOOBIG);
    CU_ASSERT_EQUAL(buf_append(&b, SLICE_NONE), 0);
    buf_consume(&b, 4);
    CU_ASSERT_EQUAL(buf_space(&b), 4);
    CU_ASSERT_EQUAL(buf_append(&b, SLICE_LIT("abcde")), BH_ETOOBIG);
    CU_ASSERT_EQUAL(buf_printf(&b, "%s", "abcd"), 0); /* its terminator is no content */
    CU_ASSERT_TRUE(slice_eq(buf_slice(&b), SLICE_LIT("456789abcd")));
    CU_ASSERT_EQUAL(buf_append(&b, SLICE_LIT("e")), BH_ETOOBIG);
    buf_consume(&b, 10);
    CU_ASSERT_EQUAL(buf_put_bytes16(&b, SLICE_LIT("012345678")), BH_ETOOBIG);
    CU_ASSERT_EQUAL(buf_len(&b), 0); /* not even the length */
    CU_ASSERT_EQUAL(buf_put_bytes16(&b, SLICE_LIT("01234567")), 0);
    buf_fini(&b);
    buf_init(&b, 0);
    CU_ASSERT_EQUAL(buf_append(&b, SLICE_LIT("x")), BH_ETOOBIG);
    buf_fini(&b);
}

static void
a_long_stream_passes_through_little_memory(void)
{
    uint32_t in = 0, out = 0;
    struct buf b;

    buf_init(&b, 4096);
    for (int turn = 0; turn < 10000; turn++) {
        struct reader r;

        for (int i = 0; i < 1 + turn % 7 && buf_space(&b) >= 4; i++) {
            CU_ASSERT_EQUAL(buf_put_u32(&b, in++), 0);
        }
        for (int i = 0; i < 1 + turn % 5 && buf_len(&b) > 0; i++) {
            r = reader_of(buf_slice(&b));
            if (read_u32(&r) != out++) {
                CU_FAIL_FATAL("a byte moved");
            }
            buf_consume(&b, 4);
        }
    }
    CU_ASSERT_TRUE(b.capacity <= 4096);
    buf_fini(&b);
}

static void
fields_are_little_endian_and_read_back(void)
{
    struct buf b;
    struct reader r;

    buf_init(&b, 100);
    CU_ASSERT_EQUAL(buf_put_u8(&b, 0xfe), 0);
    CU_ASSERT_EQUAL(buf_put_u16(&b, 0x1234), 0);
    CU_ASSERT_EQUAL(buf_put_u32(&b, 0xfedcba98), 0);
    CU_ASSERT_EQUAL(buf_put_u64(&b, 0x8877665544332211), 0);
    CU_ASSERT_EQUAL(buf_put_bytes16(&b, SLICE_LIT("xyz")), 0);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&b),
        SLICE_LIT("\xfe\x34\x12\x98\xba\xdc\xfe\x11\x22\x33\x44\x55\x66\x77\x88\x03\0xyz")));
    r = reader_of(buf_slice(&b));
    CU_ASSERT_EQUAL(read_u8(&r), 0xfe);
    CU_ASSERT_EQUAL(read_u16(&r), 0x1234);
    CU_ASSERT_EQUAL(read_u32(&r), 0xfedcba98);
    CU_ASSERT_EQUAL(read_u64(&r), 0x8877665544332211);
    CU_ASSERT_TRUE(slice_eq(read_bytes16(&r), SLICE_LIT("xyz")));
    CU_ASSERT_EQUAL(r.rest.n, 0);
    CU_ASSERT_FALSE(r.bad);
    buf_fini(&b);
}

static void
reading_too_far_gives_zeros_for_ever(void)
{
    struct reader r = reader_of(SLICE_LIT("\x01\x02\x03\x04\x05"));

    CU_ASSERT_EQUAL(read_u32(&r), 0x04030201);
    CU_ASSERT_EQUAL(read_u16(&r), 0);
    CU_ASSERT_TRUE(r.bad);
    CU_ASSERT_EQUAL(read_u8(&r), 0); /* though one byte was left */
    CU_ASSERT_EQUAL(read_bytes(&r, 0).n, 0);
    r = reader_of(SLICE_LIT("\x05\x00zz"));
    CU_ASSERT_EQUAL(read_bytes16(&r).n, 0);
    CU_ASSERT_TRUE(r.bad);
    r = reader_of(SLICE_NONE);
    CU_ASSERT_EQUAL(read_bytes(&r, 0).n, 0);
    CU_ASSERT_FALSE(r.bad);
    CU_ASSERT_EQUAL(read_bytes(&r, SIZE_MAX).n, 0);
    CU_ASSERT_TRUE(r.bad);
}

TEST_MAIN("buf", TEST(bytes_come_out_as_they_went_in), TEST(the_limit_is_hard_and_exact),
    TEST(a_long_stream_passes_through_little_memory), TEST(fields_are_little_endian_and_read_back),
    TEST(reading_too_far_gives_zeros_for_ever))
