/* What the queue keeps: read again it is the same envelope, in one value of definite length. */
#include "p1_apdus.h"
#include "test_main.h"
#include "x400/p1_stored.h"

#define BODY P1_ID P1_NAME " 460116 " P1_TRACE " a213 3111 " P1_NAME " 800101 8102 00a8"

static void
what_is_stored_is_the_envelope_as_it_came(void)
{
    static const struct {
        const char *apdu; /* indefinite lengths around */
        enum p1_kind kind;
    } rows[] = {
        { "a080 3180 " BODY " 0000 0403 616263 0000", P1_MESSAGE },
        { "a280 " BODY " 0000", P1_PROBE },
        { "a180 3180 " P1_ID P1_NAME P1_TRACE " 0000 3180 020107 0000 0000", P1_REPORT },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char octets[1000];
        struct p1_envelope again;
        struct p1_reader r;
        struct buf out;
        const char *error = NULL;
        uint64_t bytes = 0, at;
        enum p1_kind kind;

        p1_reader_init(&r, P1_1984);
        CU_ASSERT_EQUAL_FATAL(
            p1_feed(&r, octets_of_hex(rows[i].apdu, octets, sizeof(octets)), NULL), P1_END);
        buf_init(&out, P1_STORED_BYTES_MAX + 3);
        CU_ASSERT_EQUAL(p1_stored_write(&out, &r.envelope), 0);
        CU_ASSERT_EQUAL(buf_append(&out, SLICE_LIT("abc")), 0); /* the content */
        CU_ASSERT_EQUAL(
            p1_stored_bytes(slice_sub(buf_slice(&out), 0, BER_HEADER_BYTES_MAX), &kind, &bytes), 0);
        CU_ASSERT_EQUAL(kind, rows[i].kind);
        CU_ASSERT_EQUAL(bytes + 3, buf_len(&out));
        CU_ASSERT_EQUAL_FATAL(p1_stored_read(buf_slice(&out), &again, &error, &at), 0);
        CU_ASSERT_EQUAL(again.kind, rows[i].kind);
        CU_ASSERT_TRUE(slice_eq(again.members, r.envelope.members));
        CU_ASSERT_TRUE(slice_eq(again.report_content, r.envelope.report_content));
        p1_reader_fini(&r);
        buf_fini(&out);
    }
}

static void
what_is_no_envelope_is_told(void)
{
    static const char *const rows[] = { "", "a0", "a0 80 0000", "0403 616263", "a3 00",
        "a0 84 00300000", "a0 05 0400", "a0 00" };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char octets[100];
        struct slice s = octets_of_hex(rows[i], octets, sizeof(octets));
        struct p1_envelope e;
        const char *error = NULL;
        uint64_t at;

        CU_ASSERT_TRUE(p1_stored_read(s, &e, &error, &at) < 0);
        CU_ASSERT_PTR_NOT_NULL(error);
        CU_ASSERT_TRUE(at <= s.n);
    }
}

TEST_MAIN(
    "p1_stored", TEST(what_is_stored_is_the_envelope_as_it_came), TEST(what_is_no_envelope_is_told))
