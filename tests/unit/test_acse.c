/* APDUs as they were captured: read, and written the same. */
#include "octets.h"
#include "osi/acse.h"
#include "test_main.h"

#define AARQ                                                                                       \
    "6037 a106 0604 56000106 be2d 282b 0602 5101 0201 03 a022"                                     \
    "b020 800101 810103 820100 a315 a013 b011 a10f 8004 4d544131 a107 0405 7061737331"
#define AARE                                                                                       \
    "6140 a106 0604 56000106 a203 020100 a305 a103 020100 be2a 2828 0602 5101 020103 a01f"         \
    "b11d 800101 810103 a215 a013 b111 a10f 8004 4d544131 a107 0405 7061737331"

static struct slice
hex(const char *text)
{
    static char octets[4][512];
    static unsigned which;

    which = (which + 1) % 4;
    return octets_of_hex(text, octets[which], sizeof(octets[0]));
}

static void
check_both_ways(const char *text, const struct acse_apdu *expect)
{
    struct acse_apdu apdu;
    const char *error = NULL;
    struct slice octets = hex(text);
    struct buf b;

    CU_ASSERT_EQUAL_FATAL(acse_read(octets, &apdu, &error), 0);
    CU_ASSERT_EQUAL(apdu.kind, expect->kind);
    CU_ASSERT_TRUE(slice_eq(apdu.context, expect->context));
    CU_ASSERT_EQUAL(apdu.result, expect->result);
    CU_ASSERT_EQUAL(apdu.by_provider, expect->by_provider);
    CU_ASSERT_EQUAL(apdu.diagnostic, expect->diagnostic);
    CU_ASSERT_EQUAL(apdu.user_context, expect->user_context);
    CU_ASSERT_TRUE(slice_eq(apdu.user, expect->user));
    buf_init(&b, 1000);
    CU_ASSERT_EQUAL(acse_write(&b, expect), 0);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&b), octets));
    buf_fini(&b);
}

static void
apdus_are_read_and_written_as_others_write_them(void)
{
    static const struct slice mts_transfer = SLICE_LIT("\x56\x00\x01\x06");
    const struct slice rtorq = slice_skip(hex(AARQ), 2 + 0x37 - 34);
    const struct slice rtoac = slice_skip(hex(AARE), 2 + 0x40 - 31);

    check_both_ways(
        AARQ, &(struct acse_apdu){
                  .kind = ACSE_AARQ, .context = mts_transfer, .user_context = 3, .user = rtorq });
    check_both_ways(
        AARE, &(struct acse_apdu){
                  .kind = ACSE_AARE, .context = mts_transfer, .user_context = 3, .user = rtoac });
    check_both_ways("6203 800100", &(struct acse_apdu){ .kind = ACSE_RLRQ });
    check_both_ways("6303 800100", &(struct acse_apdu){ .kind = ACSE_RLRE });
    check_both_ways("6403 800101", &(struct acse_apdu){ .kind = ACSE_ABRT, .by_provider = true });
    check_both_ways("6114 a106 0604 56000106 a203 020101 a305 a203 020102",
        &(struct acse_apdu){ .kind = ACSE_AARE,
            .context = mts_transfer,
            .result = ACSE_REJECTED,
            .by_provider = true,
            .diagnostic = ACSE_DIAG_CONTEXT });
}

static void
members_that_are_not_needed_are_stepped_over(void)
{
    struct acse_apdu apdu;
    const char *error;

    CU_ASSERT_EQUAL(acse_read(hex("6080 80020780 a180 0604 56000106 0000 a206 0604 2a030405"
                                  "be80 2880 020103 8103 020107 0000 0000 0000"),
                        &apdu, &error),
        0);
    CU_ASSERT_EQUAL(apdu.kind, ACSE_AARQ);
    CU_ASSERT_EQUAL(apdu.called_ap.n, 8);
    CU_ASSERT_EQUAL(apdu.user_context, 3);
    CU_ASSERT_TRUE(slice_eq(apdu.user, hex("020107")));
}

static void
what_is_no_association_apdu_is_refused(void)
{
    static const char *const rows[] = { "", "60", "6080", "6000", "6500", "3000", "4003 800100",
        "6203 800100 00", "6005 a103 020101", "600a a106 0604 56000106 be00",
        "600e a106 0604 56000106 be04 2802 0500", "600c a106 0604 56000106 be02 0500",
        "6111 a106 0604 56000106 a203 020105 a302 a100", "610d a106 0604 56000106 a303 a101 00",
        "6002 a105" };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct acse_apdu apdu;
        const char *error = NULL;

        CU_ASSERT_EQUAL(acse_read(hex(rows[i]), &apdu, &error), BH_ESYNTAX);
        CU_ASSERT_PTR_NOT_NULL(error);
    }
}

TEST_MAIN("acse", TEST(apdus_are_read_and_written_as_others_write_them),
    TEST(members_that_are_not_needed_are_stepped_over),
    TEST(what_is_no_association_apdu_is_refused))
