/* O/R addresses: text in two forms, bounds, comparison, patterns. */
#include "test_main.h"
#include "x400/or_address.h"
#include <stdio.h>

static struct or_error error;

static struct or_address
parsed(const char *text)
{
    struct or_address a;

    or_address_init(&a);
    if (or_address_parse(slice_of(text), &a, &error) < 0) {
        CU_FAIL("not taken");
        (void)printf("  %s: %s\n", text, error.text);
    }
    return a;
}

static struct or_address
pattern(const char *text)
{
    struct or_address a;

    or_address_init(&a);
    if (or_address_parse_pattern(slice_of(text), &a, &error) < 0) {
        CU_FAIL("not taken");
        (void)printf("  %s: %s\n", text, error.text);
    }
    return a;
}

static void
check_text(const struct or_address *a, enum or_text form, const char *expect)
{
    char text[OR_ADDRESS_TEXT_BYTES_MAX];

    CU_ASSERT_EQUAL(or_address_text(a, form, text, sizeof(text)), (int)strlen(expect));
    CU_ASSERT_STRING_EQUAL(text, expect);
}

static void
both_forms_say_the_same(void)
{
    static const struct {
        const char *slash, *semicolon;
    } rows[] = {
        { "/C=GB/A=TEST/P=PEER2/O=Org/OU1=Unit/S=Name/G=Given/DDA:RFC-822=a(a)b.example/",
            "G=Given;S=Name;DDA:RFC-822=a(a)b.example;O=Org;OU1=Unit;P=PEER2;A=TEST;C=GB" },
        { "/C=GB/A=x/P=p/O=Acme/S=Doe/G=Jo/", "G=Jo;S=Doe;O=Acme;P=p;A=x;C=GB" },
        /* AMHS: the country XX; the ADMD that is one blank */
        { "/C=XX/A=ICAO/P=SWITZ/O=LS/OU1=LSZH/CN=LSZHZTZX/",
            "CN=LSZHZTZX;O=LS;OU1=LSZH;P=SWITZ;A=ICAO;C=XX" },
        { "/C=DE/A= /P=x/S=y/", "S=y;P=x;A= ;C=DE" },
        { "/C=234/A=1/X.121=23421234/T-ID=tlx 1/N-ID=12 34/",
            "X.121=23421234;N-ID=12 34;T-ID=tlx 1;A=1;C=234" },
        { "/C=GB/A=x/O=a$/b$=c/", "O=a/b=c;A=x;C=GB" },
        { "/C=GB/A=x/OU1=1/OU2=2/OU3=3/OU4=4/S=s/I=J/Q=III/",
            "I=J;S=s;Q=III;OU1=1;OU2=2;OU3=3;OU4=4;A=x;C=GB" },
        { "/C=GB/A=x/S=Mueller*M{252}ller/G=Jo*{012}/",
            "G=Jo*{012};S=Mueller*M{252}ller;A=x;C=GB" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct or_address a = parsed(rows[i].slash), b = parsed(rows[i].semicolon);

        CU_ASSERT_TRUE(or_address_equal(&a, &b));
        CU_ASSERT_EQUAL(or_address_check(&a, &error), 0);
        check_text(&a, OR_TEXT_SLASH, rows[i].slash);
        check_text(&a, OR_TEXT_SEMICOLON, rows[i].semicolon);
        check_text(&b, OR_TEXT_SLASH, rows[i].slash);
    }
}

static void
labels_and_blanks_are_read_liberally(void)
{
    struct or_address a =
        parsed(" /c=gb/admd=Test/prmd=p/ou=u/gq=Jr/ua-id=1/x121=2/dd.t=v/RFC-822=w/");

    check_text(
        &a, OR_TEXT_SLASH, "/C=gb/A=Test/P=p/X.121=2/OU1=u/N-ID=1/Q=Jr/DDA:t=v/DDA:RFC-822=w/");
    a = parsed("g = Jo ; S= Doe; o=Acme  Ltd ;p=x;a= ;c=us;");
    check_text(&a, OR_TEXT_SEMICOLON, "G=Jo;S=Doe;O=Acme  Ltd;P=x;A= ;C=us");
    a = parsed("/C=GB/A=x/DDA:a$=b$/c=1/DDA:z= $=3 /");
    check_text(&a, OR_TEXT_SLASH, "/C=GB/A=x/DDA:a$=b$/c=1/DDA:z=$=3/");
    check_text(&a, OR_TEXT_SEMICOLON, "DDA:a$=b/c=1;DDA:z==3;A=x;C=GB");
    a = parsed("DDA:a$=b/c=1;DDA:z==3;A=x;C=GB");
    check_text(&a, OR_TEXT_SLASH, "/C=GB/A=x/DDA:a$=b$/c=1/DDA:z=$=3/");
}

static void
what_is_no_address_is_refused_with_the_attribute(void)
{
    static const struct {
        const char *text;
        int rc;
        const char *reason; /* beginning */
    } rows[] = {
        { "", BH_ESYNTAX, "O/R address: empty" },
        { "/", BH_ESYNTAX, "O/R address: empty" },
        { "joe@example.org", BH_ESYNTAX, "\"joe@example.org\": no label=value" },
        { "C=GB;;A=x", BH_ESYNTAX, "\"\": no label=value" },
        { "/C=GB/Z=x/", BH_ESYNTAX, "Z: no such attribute" },
        { "/C=GB/\x01\xff=x/", BH_ESYNTAX, "?\?: no such attribute" },
        { "/C=GBR/", BH_ESYNTAX, "C: write two letters" },
        { "/C=G1/", BH_ESYNTAX, "C: write two letters" },
        { "/C=12/", BH_ESYNTAX, "C: write two letters" },
        { "/C=/", BH_ESYNTAX, "C: empty" },
        { "/C=GB/A=/", BH_ESYNTAX, "A: empty; any ADMD is one blank" },
        { "/C=GB/P= /", BH_ESYNTAX, "P: empty" },
        { "/C=GB/C=GB/", BH_ESYNTAX, "C: given twice" },
        { "/OU=a/OU1=b/", BH_ESYNTAX, "OU1: given twice" },
        { "/A=12345678901234567/", BH_ETOOBIG, "A: 17 octets; the limit is 16" },
        { "/I=ABCDEF/", BH_ETOOBIG, "I: 6 octets; the limit is 5" },
        { "/I=*ABCDE{233}/", BH_ETOOBIG, "I: 6 octets; the limit is 5" },
        { "/Q=3rd*/", BH_ESYNTAX, "Q: nothing behind '*'" },
        { "/X.121=12a/", BH_ESYNTAX, "X.121: only digits" },
        { "/N-ID=-1/", BH_ESYNTAX, "N-ID: only digits" },
        { "/O=a@b/", BH_ESYNTAX, "O: no '@' in PrintableString; write (a)" },
        { "/O=a_b/", BH_ESYNTAX, "O: '_' (octet 95) is not in PrintableString" },
        { "/O=M\xfcller/", BH_ESYNTAX, "O: '?' (octet 252) is not in PrintableString" },
        { "/P=a*b/", BH_ESYNTAX, "P: has no teletex form" },
        { "/O=*{25}/", BH_ESYNTAX, "O: write {ddd}" },
        { "/O=*{}/", BH_ESYNTAX, "O: write {ddd}" },
        { "/O=*{256}/", BH_ESYNTAX, "O: {ddd} has to be 000 to 255" },
        { "/O=*{2 3}/", BH_ESYNTAX, "O: {ddd} has to be 000 to 255" },
        { "/O=*{233/", BH_ESYNTAX, "O: '{' without '}'" },
        { "/O=a$", BH_ESYNTAX, "O: nothing behind the last '$'" },
        { "/DDA:=v/", BH_ESYNTAX, "DDA: without a type" },
        { "/DDA:123456789=v/", BH_ETOOBIG, "DDA: a type of 9 octets; the limit is 8" },
        { "/DDA:a_=v/", BH_ESYNTAX, "DDA: '_'" },
        { "/DDA:a=1/DDA:b=2/DDA:c=3/DDA:d=4/DDA:e=5/", BH_ETOOBIG, "DDA: more than 4 of them" },
        { "/C=GB/A=x/O=LS*/", BH_ESYNTAX, "O: nothing behind '*'" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct or_address a;

        CU_ASSERT_EQUAL(or_address_parse(slice_of(rows[i].text), &a, &error), rows[i].rc);
        CU_ASSERT_TRUE(slice_starts(slice_of(error.text), slice_of(rows[i].reason)));
        if (!slice_starts(slice_of(error.text), slice_of(rows[i].reason))) {
            (void)printf("  %s: %s\n", rows[i].text, error.text);
        }
    }
}

static void
an_address_that_can_be_nobodys_is_told_apart(void)
{
    static const struct {
        const char *text, *reason; /* NULL: it can be somebody's */
    } rows[] = {
        { "/A=x/S=y/", "C: missing" },
        { "/C=GB/S=y/", "A: missing" },
        { "/C=GB/A=x/", "P: missing, and all others too" },
        { "/C=GB/A=x/G=y/", "S: missing, and G is given" },
        { "/C=GB/A=x/S=s/OU2=y/", "OU1: missing, and OU2 is given" },
        { "/C=GB/A=x/OU1=s/OU3=y/", "OU2: missing, and OU3 is given" },
        { "/C=GB/A=x/S=y/G=*{233}/", "S: missing, and G is given in teletex form" },
        { "/C=GB/A=x/DDA:a=1/DDA:A=*{233}/", "DDA: of two with one type" },
        { "/C=GB/A=x/DDA:a=1*{233}/DDA:A=2*{234}/DDA:b=1/", NULL },
        { "/C=GB/X.121=234/", NULL },
        { "/C=GB/A=x/P=y/", NULL },
        { "/C=GB/A= /O=*{233}/", NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct or_address a = parsed(rows[i].text);
        int rc = or_address_check(&a, &error);

        CU_ASSERT_EQUAL(rc, rows[i].reason == NULL ? 0 : BH_ESYNTAX);
        CU_ASSERT_TRUE(
            rows[i].reason == NULL || slice_starts(slice_of(error.text), slice_of(rows[i].reason)));
    }
}

static void
case_blanks_and_forms_do_not_tell_addresses_apart(void)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        { "/C=GB/A=x/O=Acme Ltd/", "/c=gb/a=X/o=  ACME    ltd /", true },
        { "/C=GB/A=x/O=Acme Ltd/", "/C=GB/A=x/O=AcmeLtd/", false },
        { "/C=GB/A=x/O=Acme/", "/C=GB/A=x/O=Acme/S=y/", false },
        { "/C=GB/A= /P=x/", "/C=GB/P=x/", false },
        { "/C=GB/A= /P=x/", "/C=GB/A=  /P=x/", true },
        { "/C=826/A=x/", "/C=GB/A=x/", false },
        { "/S=Mueller*M{252}ller/", "/S=MUELLER/", true },
        { "/S=*M{252}ller/", "/S=*m{252}LLER/", true },
        { "/S=*M{252}ller/", "/S=*M{220}ller/", false },
        { "/S=*Doe/", "/S=doe/", true },
        { "/DDA:a=1/DDA:b=2/", "/DDA:B=2/DDA:A=1/", true },
        { "/DDA:a=1/DDA:a=2/", "/DDA:a=2/DDA:a=1/", false },
        { "/DDA:a=1/DDA:b=1/", "/DDA:a=1/DDA:a=1/", false },
        { "/DDA:a=1/", "/DDA:a=1/DDA:a=1/", false },
        { "/OU1=a/OU2=b/", "/OU1=b/OU2=a/", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct or_address a = parsed(rows[i].a), b = parsed(rows[i].b);

        CU_ASSERT_EQUAL(or_address_equal(&a, &b), rows[i].equal);
        CU_ASSERT_EQUAL(or_address_equal(&b, &a), rows[i].equal);
        CU_ASSERT_TRUE(!rows[i].equal || or_address_hash(&a) == or_address_hash(&b));
    }
}

static void
patterns_match_what_they_say(void)
{
    static const struct {
        const char *pattern, *address;
        bool match;
    } rows[] = {
        { "*", "/C=GB/A=x/", true },
        { "", "/C=GB/A=x/", true },
        { "/C=gb/", "/C=GB/A=x/P=y/", true },
        { "C=GB;A=x", "/C=GB/A=x/P=y/", true },
        { "C=GB;A=x;P=y", "/C=GB/A=x/", false },
        { "C=GB;P=*", "/C=GB/A=x/P=y/", true },
        { "C=GB;P=*", "/C=GB/A=x/O=y/", false },
        { "C=*", "/C=XX/A=x/", true },
        { "C=XX;O=AFTN;OU1=LS*", "/C=XX/A=ICAO/O=AFTN/OU1=LSZHZTZX/", true },
        { "C=XX;O=AFTN;OU1=ls *", "/C=XX/A=ICAO/O=AFTN/OU1=LSZHZTZX/", true },
        { "C=XX;O=AFTN;OU1=LS*", "/C=XX/A=ICAO/O=AFTN/OU1=LS/", true },
        { "C=XX;O=AFTN;OU1=LS*", "/C=XX/A=ICAO/O=AFTN/OU1=LFPGZTZX/", false },
        { "C=XX;O=AFTN;OU1=LS*", "/C=XX/A=ICAO/O=AFTN/OU1=L/", false },
        { "C=DE;A= ", "/C=DE/A= /P=x/", true },
        { "C=DE;A= ", "/C=DE/A=dbp/P=x/", false },
        { "DDA:RFC-822=*", "/C=DE/A=x/DDA:id=1/DDA:rfc-822=a(a)b/", true },
        { "DDA:SMTP=*", "/C=DE/A=x/DDA:id=1/DDA:rfc-822=a(a)b/", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct or_address p = pattern(rows[i].pattern), a = parsed(rows[i].address), again;
        char text[OR_ADDRESS_TEXT_BYTES_MAX];
        int n = or_address_text(&p, i % 2 ? OR_TEXT_SLASH : OR_TEXT_SEMICOLON, text, sizeof(text));

        CU_ASSERT_EQUAL(or_address_match(&a, &p), rows[i].match);
        CU_ASSERT_TRUE(n >= 0);
        again = pattern(text);
        CU_ASSERT_TRUE(or_address_equal(&p, &again));
    }
    /* was found by the fuzzer */
    CU_ASSERT_EQUAL(
        or_address_parse_pattern(SLICE_LIT("OU1=*{167};OU1=*"), &(struct or_address){ 0 }, &error),
        BH_ESYNTAX);
    CU_ASSERT_STRING_EQUAL(error.text, "OU1: given twice");
    CU_ASSERT_EQUAL(
        or_address_parse_pattern(SLICE_LIT("C=G*"), &(struct or_address){ 0 }, &error), BH_ESYNTAX);
    CU_ASSERT_STRING_EQUAL(error.text, "C: no beginning of a country: write all of it, or *");
}

static void
the_more_specific_pattern_weighs_more(void)
{
    static const char *const order[] = { "C=GB;A=x;P=y;O=z", "C=GB;A=x;P=y;O=zz*",
        "C=GB;A=x;P=y;O=z*", "C=GB;A=x;P=y;O=*", "C=GB;A=x;P=y", "C=GB;A=x;O=y", "C=GB;P=y",
        "C=GB;S=y", "C=GB;DDA:a=b", "C=GB", "A=x", "S=x", "C=*", "*" };

    for (size_t i = 1; i < ARRAY_LEN(order); i++) {
        struct or_address more = pattern(order[i - 1]), less = pattern(order[i]);

        CU_ASSERT_TRUE(or_address_weight(&more) > or_address_weight(&less));
    }
    CU_ASSERT_EQUAL(or_address_weight(&(struct or_address){ 0 }), 0);
}

/* All values at their bounds, in both forms, in the characters whose text is the longest. */
static void
the_largest_address_fits_and_survives(void)
{
    static const unsigned bounds[OR_ATTRIBUTE_COUNT] = { 2, 16, 16, 15, 24, 64, 32, 32, 32, 32, 32,
        64, 40, 16, 5, 3, 128, 128, 128, 128 };
    struct or_address a, again;
    char text[OR_ADDRESS_TEXT_BYTES_MAX], small[100], octets[129];
    int n;

    or_address_init(&a);
    for (enum or_attribute w = OR_C; w < OR_ATTRIBUTE_COUNT; w++) {
        bool digits = w == OR_X121 || w == OR_NUMERIC_ID, teletex;
        struct slice type = w >= OR_DDA1 ? SLICE_LIT("========") : SLICE_NONE;

        memset(octets, w == OR_C ? 'x' : digits ? '1' : '/', sizeof(octets));
        CU_ASSERT_TRUE(or_address_set(&a, w, OR_PRINTABLE, type,
                           (struct slice){ octets, bounds[w] + 1 }, &error) < 0);
        CU_ASSERT_EQUAL(
            or_address_set(&a, w, OR_PRINTABLE, type, (struct slice){ octets, bounds[w] }, &error),
            0);
        for (size_t i = 0; i < sizeof(octets); i++) {
            octets[i] = i % 2 ? 'x' : '\xe9';
        }
        teletex = w == OR_O || (w >= OR_OU1 && w <= OR_OU4) || w >= OR_CN;
        CU_ASSERT_EQUAL(
            or_address_set(&a, w, OR_TELETEX, type, (struct slice){ octets, bounds[w] }, &error),
            teletex ? 0 : BH_ESYNTAX);
    }
    CU_ASSERT_EQUAL(or_address_value(&a, OR_CN, OR_TELETEX).n, 64);
    CU_ASSERT_EQUAL(or_address_value(&a, OR_P, OR_TELETEX).n, 0);
    for (enum or_text form = OR_TEXT_SLASH; form <= OR_TEXT_SEMICOLON; form++) {
        n = or_address_text(&a, form, text, sizeof(text));
        CU_ASSERT_FATAL(n > 0);
        CU_ASSERT_EQUAL_FATAL(
            or_address_parse((struct slice){ text, (size_t)n }, &again, &error), 0);
        CU_ASSERT_TRUE(or_address_equal(&a, &again));
        CU_ASSERT_EQUAL(again.store_n, a.store_n);
    }
    CU_ASSERT_EQUAL(or_address_text(&a, OR_TEXT_SLASH, small, sizeof(small)), -ENOSPC);
    memset(text, ' ', sizeof(text));
    CU_ASSERT_EQUAL(
        or_address_parse((struct slice){ text, sizeof(text) }, &again, &error), BH_ESYNTAX);
}

static void
a_refused_value_changes_nothing(void)
{
    struct or_address a = parsed("/C=GB/A=x/DDA:a=1/"), before = a;

    CU_ASSERT_EQUAL(
        or_address_set(&a, OR_O, OR_PRINTABLE, SLICE_NONE, SLICE_LIT("a_b"), &error), BH_ESYNTAX);
    CU_ASSERT_EQUAL(
        or_address_set(&a, OR_C, OR_PRINTABLE, SLICE_NONE, SLICE_LIT("GB"), &error), BH_ESYNTAX);
    CU_ASSERT_EQUAL(
        or_address_set(&a, OR_DDA1, OR_TELETEX, SLICE_LIT("b"), SLICE_LIT("\xe9"), &error),
        BH_ESYNTAX);
    CU_ASSERT_EQUAL(memcmp(&a, &before, sizeof(a)), 0);
    CU_ASSERT_EQUAL(
        or_address_set(&a, OR_DDA1, OR_TELETEX, SLICE_LIT("A"), SLICE_LIT("\xe9"), &error), 0);
    check_text(&a, OR_TEXT_SEMICOLON, "DDA:a=1*{233};A=x;C=GB");
    CU_ASSERT_TRUE(slice_eq(or_address_dda_type(&a, OR_DDA1), SLICE_LIT("a")));
    CU_ASSERT_EQUAL(or_address_dda_type(&a, OR_O).n, 0);
}

TEST_MAIN("or_address", TEST(both_forms_say_the_same), TEST(labels_and_blanks_are_read_liberally),
    TEST(what_is_no_address_is_refused_with_the_attribute),
    TEST(an_address_that_can_be_nobodys_is_told_apart),
    TEST(case_blanks_and_forms_do_not_tell_addresses_apart), TEST(patterns_match_what_they_say),
    TEST(the_more_specific_pattern_weighs_more), TEST(the_largest_address_fits_and_survives),
    TEST(a_refused_value_changes_nothing))
