/* O/R addresses as X.411 encodes them. */
#include "octets.h"
#include "test_main.h"
#include "x400/or_address_ber.h"

static struct or_error error;

static struct slice
hex(const char *text)
{
    static char octets[1024];

    return octets_of_hex(text, octets, sizeof(octets));
}

static void
check_text(const struct or_address *a, const char *expect)
{
    char text[OR_ADDRESS_TEXT_BYTES_MAX];

    CU_ASSERT_TRUE_FATAL(or_address_text(a, OR_TEXT_SLASH, text, sizeof(text)) >= 0);
    CU_ASSERT_STRING_EQUAL(text, expect);
    if (strcmp(text, expect) != 0) {
        (void)printf("  %s\n", text);
    }
}

static void
an_address_of_1984_is_written_as_others_write_it(void)
{
    /* by PP 6.0, in tests/data/x400/p1-pp.initiator */
    static const char pp[] =
        "6020 301e 6104 1302 4742 6206 1304 54455354 a207 1305 5045455232 a505 8003 6a6f65";
    static const char octets[] =
        "60 27 30 25 61 04 13 02 4742 62 03 13 01 20 a2 07 13 05 5045455232"
        "83 03 4f7267 a5 0a 80 04 4e616d65 81 02 4a6f";
    struct or_address a;
    struct buf out;

    CU_ASSERT_EQUAL_FATAL(or_address_read(hex(octets), &a, &error), 0);
    check_text(&a, "/C=GB/A= /P=PEER2/O=Org/S=Name/G=Jo/");
    buf_init(&out, 1000);
    CU_ASSERT_EQUAL(or_address_write(&a, BER_APPLICATION(0), &out), 0);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&out), hex(octets)));
    buf_clear(&out);
    CU_ASSERT_EQUAL_FATAL(or_address_read(hex(pp), &a, &error), 0);
    check_text(&a, "/C=GB/A=TEST/P=PEER2/S=joe/");
    CU_ASSERT_EQUAL(or_address_write(&a, BER_APPLICATION(0), &out), 0);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&out), hex(pp)));
    buf_fini(&out);
}

static void
indefinite_lengths_and_constructed_strings_are_read(void)
{
    struct or_address a;

    /* numeric country; O of two segments; what has no place in an address is stepped over: a
     * directory name behind it, a postal code (9) and a universal common name (24) */
    CU_ASSERT_EQUAL_FATAL(
        or_address_read(hex("6080 3080 6180 1203 323334 0000 6203 1301 78"
                            "a380 0401 41 0402 6263 0000 0000"
                            "3180 300a 8001 09 a105 1303 313233 300a 8001 18 a105 1c03 000041"
                            "300a 8001 01 a105 1303 434e31 0000 a002 3000 0000"),
            &a, &error),
        0);
    check_text(&a, "/C=234/A=x/O=Abc/CN=CN1/");
}

static void
what_others_put_into_printable_strings_is_relayed(void)
{
    struct or_address a, b;

    /* a surname with "_"; given name empty; units of which one is blank; ADMD empty */
    CU_ASSERT_EQUAL_FATAL(or_address_read(hex("30 1f 30 1d 6104 1302 4742 6202 1300"
                                              "a507 8003 615f62 8100 a608 1301 20 1301 55 1300"),
                              &a, &error),
        0);
    check_text(&a, "/C=GB/A= /OU2=U/S=*a{095}b/");
    CU_ASSERT_EQUAL_FATAL(
        or_address_parse(SLICE_LIT("/c=gb/a= /ou2=u/s=*A{095}B/"), &b, &error), 0);
    CU_ASSERT_TRUE(or_address_equal(&a, &b));
}

static void
what_text_says_survives_ber(void)
{
    static const char *const rows[] = {
        "/C=XX/A=ICAO/P=SWITZ/O=LS/OU1=LSZH/CN=LSZHZTZX/",
        "/C=234/A= /X.121=23421234/T-ID=tlx 1/N-ID=12 34/",
        "/C=GB/A=x/OU1=1/OU2=2/OU3=3/OU4=4/S=s/G=Jo/I=J/Q=III/",
        "/C=GB/A=x/O=Oe*{214}/OU1=a*{228}/OU2=b*{229}/CN=*{214}/S=Mueller*M{252}ller/G=J*{233}/",
        "/C=GB/A=x/S=*M{252}ller/G=*{233}/I=*{234}/Q=*{235}/",
        "/C=GB/A=x/DDA:RFC-822=a(a)b.example*a{064}b.example/DDA:y=*{253}/",
        "/C=GB/A=x/S=s/DDA:x=1*{251}/DDA:x=2*{252}/",
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct or_address a, again;
        struct buf out;

        buf_init(&out, 8192);
        CU_ASSERT_EQUAL_FATAL(or_address_parse(slice_of(rows[i]), &a, &error), 0);
        CU_ASSERT_EQUAL(or_address_check(&a, &error), 0);
        CU_ASSERT_EQUAL(or_address_write(&a, BER_UNIVERSAL(BER_SEQUENCE), &out), 0);
        CU_ASSERT_EQUAL_FATAL(or_address_read(buf_slice(&out), &again, &error), 0);
        check_text(&again, rows[i]);
        /* of less than all octets none is an address */
        for (size_t n = 0; n < buf_len(&out); n++) {
            CU_ASSERT_TRUE(or_address_read(slice_sub(buf_slice(&out), 0, n), &again, &error) < 0);
        }
        buf_fini(&out);
    }
}

static void
what_is_no_address_is_refused_with_the_attribute(void)
{
    static const struct {
        const char *octets;
        int rc;
        const char *reason; /* beginning */
    } rows[] = {
        { "", BH_ESYNTAX, "O/R address: missing" },
        { "4000", BH_ESYNTAX, "O/R address: missing" },
        { "6000", BH_ESYNTAX, "O/R address: no standard attributes" },
        { "6005 3003 830541", BH_ESYNTAX, "O/R address: " },
        { "6008 3006 6104 1302 4731", BH_ESYNTAX, "C: write two letters" },
        { "6004 3002 6100", BH_ESYNTAX, "C: no string" },
        { "600a 3008 a506 8506 414243444546", BH_ESYNTAX, "O/R address: " },
        { "600c 300a a508 8206 414243444546", BH_ETOOBIG, "I: 6 octets; the limit is 5" },
        { "600e 300c 8401 31 8401 31 8104 414243 5f", BH_ESYNTAX, "N-ID: given twice" },
        { "6008 3006 8104 414243 5f", BH_ESYNTAX, "T-ID: '_' (octet 95)" },
        { "6011 300f a60d 1301 61 1301 62 1301 63 1301 64 1300", BH_ESYNTAX, "O/R address: " },
        { "6013 3011 a60f 1301 61 1301 62 1301 63 1301 64 1301 65", BH_ETOOBIG,
            "OU: more than 4 of them" },
        { "6009 3000 3005 3003 1301 61", BH_ESYNTAX, "DDA: no type and value" },
        { "6012 3000 300e 300c 1309 313233343536373839", BH_ESYNTAX, "O/R address: " },
        { "6014 3000 3010 300e 1309 313233343536373839 1301 61", BH_ETOOBIG,
            "DDA: more than 8 octets" },
        { "6006 3000 3102 3000", BH_ESYNTAX, "O/R address: an extension without type and value" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct or_address a;

        CU_ASSERT_EQUAL(or_address_read(hex(rows[i].octets), &a, &error), rows[i].rc);
        CU_ASSERT_TRUE(slice_starts(slice_of(error.text), slice_of(rows[i].reason)));
        if (!slice_starts(slice_of(error.text), slice_of(rows[i].reason))) {
            (void)printf("  %s: %s\n", rows[i].octets, error.text);
        }
    }
}

TEST_MAIN("or_address_ber", TEST(an_address_of_1984_is_written_as_others_write_it),
    TEST(indefinite_lengths_and_constructed_strings_are_read),
    TEST(what_others_put_into_printable_strings_is_relayed), TEST(what_text_says_survives_ber),
    TEST(what_is_no_address_is_refused_with_the_attribute))
