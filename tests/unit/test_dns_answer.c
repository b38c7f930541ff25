#include "net/dns_answer.h"

#include "test_main.h"

struct seen {
    struct dns_record records[8];
    unsigned count;
};

static void
on_record(void *ctx, const struct dns_record *record)
{
    struct seen *s = ctx;

    if (s->count < ARRAY_LEN(s->records)) {
        s->records[s->count] = *record;
    }
    s->count++;
}

/* Question example.org at offset 12, one answer section after it. */
#define HEAD(answers) "\0\1\x81\x80\0\1\0" answers "\0\0\0\0"
#define QUESTION      "\7example\3org\0\0\17\0\1"
#define RECORD(type)  "\xc0\x0c\0" type "\0\1\0\0\0\74"

static int
parse(struct slice packet, uint16_t type, struct seen *seen)
{
    seen->count = 0;
    return dns_answer_each(packet, type, on_record, seen);
}

static void
mx_records_give_preference_and_host(void)
{
    static const char packet[] =
        HEAD("\3") QUESTION RECORD("\17") "\0\7\0\12\2mX\xc0\x0c" /* compressed, upper case */
        RECORD("\17") "\0\20\0\24\4back\7example\0" RECORD("\5") "\0\2\xc0\x0c";
    struct seen seen;

    CU_ASSERT_EQUAL(parse((struct slice){ packet, sizeof(packet) - 1 }, DNS_TYPE_MX, &seen), 0);
    CU_ASSERT_EQUAL(seen.count, 2); /* the CNAME is none */
    CU_ASSERT_EQUAL(seen.records[0].preference, 10);
    CU_ASSERT_STRING_EQUAL(seen.records[0].name, "mx.example.org");
    CU_ASSERT_EQUAL(seen.records[1].preference, 20);
}

static void
addresses_have_their_length_or_are_left_out(void)
{
    static const char packet[] =
        HEAD("\4") QUESTION RECORD("\1") "\0\4\300\0\2\1" RECORD("\1") "\0\5\300\0\2\1\1" RECORD(
            "\34") "\0\20\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1" RECORD("\1") "\0\4\300\0\2\2";
    struct slice bytes = { packet, sizeof(packet) - 1 };
    char text[NETADDR_TEXT_CAP];
    struct seen seen;

    CU_ASSERT_EQUAL(parse(bytes, DNS_TYPE_A, &seen), 0);
    CU_ASSERT_EQUAL(seen.count, 2);
    netaddr_text(&seen.records[1].address, text);
    CU_ASSERT_STRING_EQUAL(text, "192.0.2.2");
    CU_ASSERT_EQUAL(parse(bytes, DNS_TYPE_AAAA, &seen), 0);
    CU_ASSERT_EQUAL(seen.count, 1);
    netaddr_text(&seen.records[0].address, text);
    CU_ASSERT_STRING_EQUAL(text, "2001:db8::1");
}

static void
the_root_is_the_null_mx(void)
{
    static const char packet[] = HEAD("\1") QUESTION RECORD("\17") "\0\3\0\0\0";
    struct seen seen;

    CU_ASSERT_EQUAL(parse((struct slice){ packet, sizeof(packet) - 1 }, DNS_TYPE_MX, &seen), 0);
    CU_ASSERT_EQUAL(seen.count, 1);
    CU_ASSERT_STRING_EQUAL(seen.records[0].name, "");
}

static void
hosts_that_are_no_host_names_are_left_out(void)
{
    static const char packet[] =
        HEAD("\2") QUESTION RECORD("\17") "\0\6\0\12\3a\0b\0" RECORD("\17") "\0\6\0\12\3a.b\0";
    struct seen seen;

    (void)parse((struct slice){ packet, sizeof(packet) - 1 }, DNS_TYPE_MX, &seen);
    CU_ASSERT_EQUAL(seen.count, 0);
}

static void
names_that_go_round_end(void)
{
    /* The first points to itself, the second forwards, the third back before itself, for ever. */
    static const char self[] = HEAD("\1") QUESTION "\xc0\x1d\0\17\0\1\0\0\0\74\0\3\0\0\0";
    static const char forward[] = HEAD("\1") QUESTION "\xc0\x20\0\17\0\1\0\0\0\74\0\3\0\0\0";
    static const char round[] = HEAD("\1") QUESTION "\1a\xc0\x1d\0\17\0\1\0\0\0\74\0\3\0\0\0";
    struct seen seen;

    CU_ASSERT_EQUAL(parse((struct slice){ self, sizeof(self) - 1 }, 15, &seen), BH_ESYNTAX);
    CU_ASSERT_EQUAL(parse((struct slice){ forward, sizeof(forward) - 1 }, 15, &seen), BH_ESYNTAX);
    CU_ASSERT_EQUAL(parse((struct slice){ round, sizeof(round) - 1 }, 15, &seen), BH_ESYNTAX);
    CU_ASSERT_EQUAL(seen.count, 0);
}

static void
a_cut_packet_is_refused_wherever_it_is_cut(void)
{
    static const char packet[] = HEAD("\1") QUESTION RECORD("\17") "\0\7\0\12\2mx\xc0\x0c";
    struct seen seen;

    for (size_t n = 0; n < sizeof(packet) - 1; n++) {
        char *copy = malloc(n + 1); /* so that ASan sees a step too far */

        CHECK(copy != NULL);
        memcpy(copy, packet, n);
        CU_ASSERT_EQUAL(parse((struct slice){ copy, n }, DNS_TYPE_MX, &seen), BH_ESYNTAX);
        free(copy);
    }
}

static void
what_is_asked_for_is_a_host_name(void)
{
    static const char *const bad[] = { "", ".", "a..b", ".a", "a b", "a\\b", "ex\303\244mple",
        "0123456789012345678901234567890123456789012345678901234567890123.org", "a/b", "*.org" };
    char longest[260], name[DNS_NAME_CAP];

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CU_ASSERT_EQUAL(dns_name(slice_of(bad[i]), name), BH_ESYNTAX);
    }
    CU_ASSERT_EQUAL(dns_name(SLICE_LIT("Mail_1.Example.ORG."), name), 0);
    CU_ASSERT_STRING_EQUAL(name, "mail_1.example.org");
    for (size_t i = 0; i < sizeof(longest); i++) {
        longest[i] = i % 2 == 0 ? 'a' : '.';
    }
    CU_ASSERT_EQUAL(dns_name((struct slice){ longest, 253 }, name), 0);
    CU_ASSERT_EQUAL(dns_name((struct slice){ longest, 255 }, name), BH_ESYNTAX);
}

TEST_MAIN("dns_answer", TEST(mx_records_give_preference_and_host),
    TEST(addresses_have_their_length_or_are_left_out), TEST(the_root_is_the_null_mx),
    TEST(hosts_that_are_no_host_names_are_left_out), TEST(names_that_go_round_end),
    TEST(a_cut_packet_is_refused_wherever_it_is_cut), TEST(what_is_asked_for_is_a_host_name))
