#include "smtp/smtp_hops.h"

#include "test_main.h"
#include <stdio.h>

static struct netaddr sources[2], vips[2];
static struct smtp_hops hops;
static struct resolver_answer answer;

static struct smtp_hops_self
self(size_t source_count)
{
    CU_ASSERT_EQUAL(netaddr_parse(SLICE_LIT("192.0.2.10"), &sources[0]), 0);
    CU_ASSERT_EQUAL(netaddr_parse(SLICE_LIT("2001:db8::10"), &sources[1]), 0);
    vips[0] = sources[0];
    CU_ASSERT_EQUAL(netaddr_parse(SLICE_LIT("192.0.2.11"), &vips[1]), 0);
    return (
        struct smtp_hops_self){ "mx.example.org", sources, vips, source_count, ARRAY_LEN(vips) };
}

static void
begin(void)
{
    memset(&answer, 0, sizeof(answer));
}

static void
host(const char *name, uint16_t preference, const char *a, const char *b)
{
    struct resolver_host *h = &answer.hosts[answer.host_count++];

    CU_ASSERT_EQUAL(slice_copy(slice_of(name), h->name, sizeof(h->name)), 0);
    h->preference = preference;
    CU_ASSERT_EQUAL(netaddr_parse(slice_of(a), &h->addresses[h->address_count++]), 0);
    if (b != NULL) {
        CU_ASSERT_EQUAL(netaddr_parse(slice_of(b), &h->addresses[h->address_count++]), 0);
    }
}

/* The candidates as one text. */
static const char *
listed(void)
{
    static char text[4096];
    size_t n = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < hops.count; i++) {
        char one[SMTP_HOPS_TEXT_CAP];

        smtp_hops_text(&hops, i, one);
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i > 0 ? " " : "", one);
    }
    return text;
}

static void
hosts_keep_their_order_with_all_their_addresses(void)
{
    struct smtp_hops_self me = self(2);

    begin();
    host("a.x", 10, "2001:db8::1", "192.0.2.1");
    host("b.x", 20, "192.0.2.2", NULL);
    CU_ASSERT_EQUAL(smtp_hops_fill(&hops, &answer, 25, true, &me), SMTP_HOPS_OK);
    CU_ASSERT_STRING_EQUAL(listed(), "a.x[2001:db8::1]:25 a.x[192.0.2.1]:25 b.x[192.0.2.2]:25");
}

static void
a_family_without_a_source_is_left_out_but_for_loopback(void)
{
    struct smtp_hops_self me = self(1);

    begin();
    host("a.x", 10, "2001:db8::1", "192.0.2.1");
    host("b.x", 20, "::1", NULL);
    CU_ASSERT_EQUAL(smtp_hops_fill(&hops, &answer, 26, true, &me), SMTP_HOPS_OK);
    CU_ASSERT_STRING_EQUAL(listed(), "a.x[192.0.2.1]:26 b.x[::1]:26");
    begin();
    host("a.x", 10, "2001:db8::1", NULL);
    CU_ASSERT_EQUAL(smtp_hops_fill(&hops, &answer, 25, true, &me), SMTP_HOPS_FAMILY);
}

static void
hosts_no_better_than_ourselves_are_left_out(void)
{
    static const struct {
        const char *name, *address;
        uint16_t port;
        bool us;
    } rows[] = {
        { "MX.example.org.", "192.0.2.99", 25, true },
        { "other.example", "192.0.2.10", 25, true },
        { "other.example", "192.0.2.10", 26, false }, /* somebody else may live there */
        { "other.example", "192.0.2.11", 25, true },  /* ours, though nothing is sent from it */
        { "evil.example", "127.0.0.1", 25, true },    /* not to what else listens on this host */
        { "evil.example", "127.7.7.7", 25, true },
        { "evil.example", "::1", 25, true },
        { "evil.example", "0.0.0.0", 25, true },
        { "evil.example", "::", 25, true },
        { "evil.example", "::ffff:127.0.0.1", 25, true },
        { "other.example", "127.0.0.1", 2525, false },
        { "mx.example.org.evil", "192.0.2.99", 25, false },
    };
    struct smtp_hops_self me = self(2);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin();
        host("better.x", 5, "192.0.2.1", NULL);
        host(rows[i].name, 10, rows[i].address, NULL);
        host("equal.x", 10, "192.0.2.2", NULL);
        host("worse.x", 20, "192.0.2.3", NULL);
        CU_ASSERT_EQUAL(smtp_hops_fill(&hops, &answer, rows[i].port, true, &me), SMTP_HOPS_OK);
        CU_ASSERT_EQUAL(hops.count, rows[i].us ? 1 : 4);
        CU_ASSERT_EQUAL(smtp_hops_fill(&hops, &answer, rows[i].port, false, &me), SMTP_HOPS_OK);
        CU_ASSERT_EQUAL(hops.count, 4); /* a configured next hop is as it is */
    }
    begin();
    host("mx.example.org", 10, "192.0.2.99", NULL);
    host("worse.x", 20, "192.0.2.3", NULL);
    CU_ASSERT_EQUAL(smtp_hops_fill(&hops, &answer, 25, true, &me), SMTP_HOPS_SELF);
    CU_ASSERT_EQUAL(hops.count, 0);
}

static void
a_null_mx_and_an_answer_without_hosts_give_no_candidate(void)
{
    struct smtp_hops_self me = self(2);

    begin();
    answer.null_mx = true;
    CU_ASSERT_EQUAL(smtp_hops_fill(&hops, &answer, 25, true, &me), SMTP_HOPS_NULL_MX);
    begin();
    CU_ASSERT_EQUAL(smtp_hops_fill(&hops, &answer, 25, true, &me), SMTP_HOPS_FAMILY);
    CU_ASSERT_EQUAL(hops.count, 0);
}

static void
a_full_answer_is_cut_at_the_limit(void)
{
    struct smtp_hops_self me = self(2);

    begin();
    for (unsigned i = 0; i < RESOLVER_HOSTS_MAX; i++) {
        host("a.x", (uint16_t)i, "192.0.2.1", "192.0.2.2");
        for (unsigned k = 2; k < RESOLVER_ADDRESSES_MAX; k++) {
            answer.hosts[i].addresses[k] = answer.hosts[i].addresses[0];
        }
        answer.hosts[i].address_count = RESOLVER_ADDRESSES_MAX;
    }
    CU_ASSERT_EQUAL(smtp_hops_fill(&hops, &answer, 25, true, &me), SMTP_HOPS_OK);
    CU_ASSERT_EQUAL(hops.count, SMTP_HOPS_MAX);
}

static void
literals_are_told_from_names(void)
{
    static const struct {
        const char *text, *address;
    } rows[] = { { "[192.0.2.1]", "[192.0.2.1]:26" }, { "[IPv6:2001:db8::1]", "[2001:db8::1]:26" },
        { "[ipv6:2001:db8::1]", "[2001:db8::1]:26" }, { "[2001:db8::1]", "[2001:db8::1]:26" },
        { "example.org", NULL }, { "192.0.2.1", NULL }, { "[", NULL }, { "[]", NULL }, { "", NULL },
        { "[192.0.2.1", NULL }, { "[example.org]", NULL } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct netaddr a;
        int rc = smtp_hops_literal(slice_of(rows[i].text), 26, &a);

        CU_ASSERT_EQUAL(rc, rows[i].address != NULL ? 0 : BH_ESYNTAX);
        if (rc == 0) {
            smtp_hops_one(&hops, &a);
            CU_ASSERT_STRING_EQUAL(listed(), rows[i].address);
        }
    }
}

TEST_MAIN("smtp_hops", TEST(hosts_keep_their_order_with_all_their_addresses),
    TEST(a_family_without_a_source_is_left_out_but_for_loopback),
    TEST(hosts_no_better_than_ourselves_are_left_out),
    TEST(a_null_mx_and_an_answer_without_hosts_give_no_candidate),
    TEST(a_full_answer_is_cut_at_the_limit), TEST(literals_are_told_from_names))
