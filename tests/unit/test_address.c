/* address.c: RFC 5321 mailboxes and paths, as tables. */
#include "mail/address.h"
#include "test_main.h"

#define X10 "xxxxxxxxxx"
#define X60 X10 X10 X10 X10 X10 X10
#define X63 X60 "xxx"

static void
mailboxes_are_taken_and_split(void)
{
    static const struct {
        const char *text, *local, *domain;
        bool literal;
    } rows[] = {
        { "a@b", "a", "b", false },
        { "john.doe+tag@Example.ORG", "john.doe+tag", "Example.ORG", false },
        { "!#$%&'*+-/=?^_`{|}~@x.y", "!#$%&'*+-/=?^_`{|}~", "x.y", false },
        { "\"a b\"@x", "\"a b\"", "x", false },
        { "\"a@b\"@x", "\"a@b\"", "x", false },
        { "\"a\\\"b\"@x", "\"a\\\"b\"", "x", false },
        { "\"\"@x", "\"\"", "x", false },
        { "a@[192.0.2.1]", "a", "[192.0.2.1]", true },
        { "a@[IPv6:2001:db8::1]", "a", "[IPv6:2001:db8::1]", true },
        { "a@x--y.1-2", "a", "x--y.1-2", false },
        { X60 "xxxx@b", X60 "xxxx", "b", false },
        { "a@" X63 "." X63, "a", X63 "." X63, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address a;

        CU_ASSERT_EQUAL_FATAL(address_parse(slice_of(rows[i].text), &a), 0);
        CU_ASSERT_TRUE(slice_eq(a.text, slice_of(rows[i].text)));
        CU_ASSERT_TRUE(slice_eq(a.local, slice_of(rows[i].local)));
        CU_ASSERT_TRUE(slice_eq(a.domain, slice_of(rows[i].domain)));
        CU_ASSERT_EQUAL(a.literal, rows[i].literal);
    }
}

static void
what_is_no_mailbox_is_refused(void)
{
    static const struct {
        const char *text;
        int rc;
    } rows[] = {
        { "", BH_ESYNTAX },
        { "a", BH_ESYNTAX },
        { "@b", BH_ESYNTAX },
        { "a@", BH_ESYNTAX },
        { ".a@b", BH_ESYNTAX },
        { "a.@b", BH_ESYNTAX },
        { "a..b@c", BH_ESYNTAX },
        { "a b@c", BH_ESYNTAX },
        { "a@b c", BH_ESYNTAX },
        { "a@b@c", BH_ESYNTAX },
        { "a@-b", BH_ESYNTAX },
        { "a@b-", BH_ESYNTAX },
        { "a@b_c", BH_ESYNTAX },
        { "a@b..c", BH_ESYNTAX },
        { "a@b.", BH_ESYNTAX },
        { "a@" X63 "x", BH_ESYNTAX },
        { "\"a@b", BH_ESYNTAX },
        { "\"a\\", BH_ESYNTAX },
        { "\"a\n\"@b", BH_ESYNTAX },
        { "\"a\\\n\"@b", BH_ESYNTAX },
        { "\xc3\xa4@b", BH_ESYNTAX },
        { "a@\xc3\xa4", BH_ESYNTAX },
        { "a@[192.0.2]", BH_ESYNTAX },
        { "a@[2001:db8::1]", BH_ESYNTAX },
        { "a@[IPv6:192.0.2.1]", BH_ESYNTAX },
        { "a@[IPv6:fe80::1%lo]", BH_ESYNTAX },
        { "a@[192.0.2.1", BH_ESYNTAX },
        { "a@[192.0.2.1]x", BH_ESYNTAX },
        { "a@[]", BH_ESYNTAX },
        { X60 "xxxxx@b", BH_ETOOBIG },
        { "a@" X63 "." X63 "." X63 "." X63, BH_ETOOBIG },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address a;

        CU_ASSERT_EQUAL(address_parse(slice_of(rows[i].text), &a), rows[i].rc);
    }
}

static void
paths_end_at_their_bracket(void)
{
    static const struct {
        const char *text;
        bool null_ok, postmaster_ok;
        int rc;
        const char *mailbox, *rest;
    } rows[] = {
        { "<a@b>", false, false, 0, "a@b", "" },
        { "<a@b> SIZE=1", false, false, 0, "a@b", " SIZE=1" },
        { "<\">\"@b>x", false, false, 0, "\">\"@b", "x" },
        { "<>", true, false, 0, "", "" },
        { "<> BODY=7BIT", true, false, 0, "", " BODY=7BIT" },
        { "<>", false, true, BH_ESYNTAX, NULL, NULL },
        { "<PostMaster>", false, true, 0, "PostMaster", "" },
        { "<postmaster>", true, false, BH_ESYNTAX, NULL, NULL },
        { "<@x.y,@z:a@b>", false, false, 0, "a@b", "" },
        { "<@x.y:a@b>", false, false, 0, "a@b", "" },
        { "<@x.y,a@b>", false, false, BH_ESYNTAX, NULL, NULL },
        { "<@x.y,>", false, false, BH_ESYNTAX, NULL, NULL },
        { "<@x.y:>", false, false, BH_ESYNTAX, NULL, NULL },
        { "<@", false, false, BH_ESYNTAX, NULL, NULL },
        { "<", true, true, BH_ESYNTAX, NULL, NULL },
        { "", true, true, BH_ESYNTAX, NULL, NULL },
        { "a@b", false, false, BH_ESYNTAX, NULL, NULL },
        { "<a@b", false, false, BH_ESYNTAX, NULL, NULL },
        { "<a@b >", false, false, BH_ESYNTAX, NULL, NULL },
        { "< a@b>", false, false, BH_ESYNTAX, NULL, NULL },
        { "<@" X63 "." X63 "." X63 ":" X60 "@" X60 ">", false, false, BH_ETOOBIG, NULL, NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address a;
        struct slice rest;
        int rc = address_parse_path(
            slice_of(rows[i].text), rows[i].null_ok, rows[i].postmaster_ok, &a, &rest);

        CU_ASSERT_EQUAL(rc, rows[i].rc);
        if (rc == 0 && rows[i].rc == 0) {
            CU_ASSERT_TRUE(slice_eq(a.text, slice_of(rows[i].mailbox)));
            CU_ASSERT_TRUE(slice_eq(rest, slice_of(rows[i].rest)));
        }
    }
}

static void
postmaster_is_known_in_any_case_and_quoted(void)
{
    static const struct {
        const char *text;
        bool is;
    } rows[] = { { "postmaster@x", true }, { "POSTmaster@y", true }, { "\"postmaster\"@x", true },
        { "postmasters@x", false }, { "a@postmaster", false } };
    struct address a;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CU_ASSERT_EQUAL_FATAL(address_parse(slice_of(rows[i].text), &a), 0);
        CU_ASSERT_EQUAL(address_is_postmaster(&a), rows[i].is);
    }
}

static void
domains_are_told_from_what_is_none(void)
{
    CU_ASSERT_TRUE(address_domain_valid(SLICE_LIT("a.b")));
    CU_ASSERT_TRUE(address_domain_valid(SLICE_LIT("[192.0.2.1]")));
    CU_ASSERT_FALSE(address_domain_valid(SLICE_LIT("a.b ")));
    CU_ASSERT_FALSE(address_domain_valid(SLICE_LIT("")));
}

TEST_MAIN("address", TEST(mailboxes_are_taken_and_split), TEST(what_is_no_mailbox_is_refused),
    TEST(paths_end_at_their_bracket), TEST(postmaster_is_known_in_any_case_and_quoted),
    TEST(domains_are_told_from_what_is_none))
