#include "core/netaddr.h"

#include "test_main.h"
#include <netinet/in.h>

static int
parse(const char *text, struct netaddr *out)
{
    return netaddr_parse(slice_of(text), out);
}

static void
text_and_value_are_inverse(void)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "192.0.2.1", "192.0.2.1" },
        { "0.0.0.0", "0.0.0.0" },
        { "2001:DB8:0:0::10", "2001:db8::10" },
        { "::1", "::1" },
        { "::ffff:192.0.2.7", "192.0.2.7" }, /* one host, one spelling */
        { "fe80::1%1", "fe80::1%1" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[NETADDR_TEXT_CAP];
        struct netaddr a;

        CU_ASSERT_EQUAL_FATAL(parse(rows[i].in, &a), 0);
        netaddr_text(&a, text);
        CU_ASSERT_STRING_EQUAL(text, rows[i].out);
    }
}

static void
what_is_no_address_is_refused(void)
{
    static const char *const rows[] = { "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4x", "::g",
        "1:2:3:4:5:6:7:8:9", "example.org", "[::1]", " 1.2.3.4", "fe80::1%", "fe80::1%nosuchif",
        "1.2.3.4:25", "0000000000000000000000000000000000000000000000000000000000001.2.3.4" };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct netaddr a = { .port = 77 };

        CU_ASSERT_EQUAL(parse(rows[i], &a), BH_ESYNTAX);
        CU_ASSERT_EQUAL(a.port, 77); /* untouched */
    }
    struct netaddr a;
    CU_ASSERT_EQUAL(netaddr_parse((struct slice){ "1.2.3.4\0x", 9 }, &a), BH_ESYNTAX);
}

static void
a_port_may_follow(void)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "[192.0.2.1]:25", "[192.0.2.1]:25" },
        { "192.0.2.1:65535", "[192.0.2.1]:65535" },
        { "[2001:db8::1]:2525", "[2001:db8::1]:2525" },
        { "2001:db8::1", "[2001:db8::1]:24" },
        { "[2001:db8::1]", "[2001:db8::1]:24" },
        { "192.0.2.1", "[192.0.2.1]:24" },
        { "[192.0.2.1]:", NULL },
        { "[192.0.2.1]:0", NULL },
        { "192.0.2.1:65536", NULL },
        { "192.0.2.1:", NULL },
        { "[192.0.2.1]25", NULL },
        { "[192.0.2.1", NULL },
        { "[]:25", NULL },
        { "", NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[NETADDR_TEXT_CAP];
        struct netaddr a;
        int rc = netaddr_parse_port(slice_of(rows[i].in), 24, &a);

        CU_ASSERT_EQUAL(rc, rows[i].out != NULL ? 0 : BH_ESYNTAX);
        if (rc == 0 && rows[i].out != NULL) {
            netaddr_text_port(&a, text);
            CU_ASSERT_STRING_EQUAL(text, rows[i].out);
        }
    }
}

static void
the_longest_text_fits(void)
{
    struct netaddr a = { .family = AF_INET6, .port = 65535, .scope_id = UINT32_MAX };
    char text[NETADDR_TEXT_CAP];

    memset(a.bytes, 0xab, sizeof(a.bytes));
    netaddr_text_port(&a, text);
    CU_ASSERT_STRING_EQUAL(text, "[abab:abab:abab:abab:abab:abab:abab:abab%4294967295]:65535");
    a = (struct netaddr){ 0 };
    netaddr_text(&a, text);
    CU_ASSERT_STRING_EQUAL(text, "none");
}

static void
a_sockaddr_goes_there_and_back(void)
{
    static const char *const rows[] = { "192.0.2.1", "2001:db8::1" };
    struct sockaddr_storage sa;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct netaddr a, b;

        CU_ASSERT_EQUAL_FATAL(parse(rows[i], &a), 0);
        a.port = 2525;
        CU_ASSERT_TRUE(netaddr_to_sockaddr(&a, &sa) > 0);
        CU_ASSERT_EQUAL_FATAL(netaddr_from_sockaddr((struct sockaddr *)&sa, &b), 0);
        CU_ASSERT_TRUE(netaddr_eq(&a, &b));
        CU_ASSERT_EQUAL(b.port, 2525);
    }
    memset(&sa, 0, sizeof(sa));
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&sa;
    struct netaddr a, v4;
    v6->sin6_family = AF_INET6;
    v6->sin6_addr.s6_addr[10] = v6->sin6_addr.s6_addr[11] = 0xff;
    v6->sin6_addr.s6_addr[12] = 10;
    CU_ASSERT_EQUAL_FATAL(netaddr_from_sockaddr((struct sockaddr *)&sa, &a), 0);
    CU_ASSERT_EQUAL_FATAL(parse("10.0.0.0", &v4), 0);
    CU_ASSERT_TRUE(netaddr_eq(&a, &v4));
    sa.ss_family = AF_UNIX;
    CU_ASSERT_EQUAL(netaddr_from_sockaddr((struct sockaddr *)&sa, &a), -EAFNOSUPPORT);
}

static void
a_prefix_holds_its_addresses_only(void)
{
    static const struct {
        const char *prefix, *address;
        bool in;
    } rows[] = {
        { "127.0.0.0/8", "127.255.0.1", true },
        { "127.0.0.0/8", "128.0.0.1", false },
        { "192.0.2.128/25", "192.0.2.129", true },
        { "192.0.2.128/25", "192.0.2.127", false },
        { "192.0.2.1", "192.0.2.1", true },
        { "192.0.2.1/32", "192.0.2.2", false },
        { "0.0.0.0/0", "203.0.113.9", true },
        { "0.0.0.0/0", "::1", false },
        { "2001:db8::/33", "2001:db8:7fff::1", true },
        { "2001:db8::/33", "2001:db8:8000::1", false },
        { "::1/128", "::1", true },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct netaddr_prefix p;
        struct netaddr a;

        CU_ASSERT_EQUAL_FATAL(netaddr_parse_prefix(slice_of(rows[i].prefix), &p), 0);
        CU_ASSERT_EQUAL_FATAL(parse(rows[i].address, &a), 0);
        CU_ASSERT_EQUAL(netaddr_in(&a, &p), rows[i].in);
    }
}

static void
a_prefix_with_host_bits_is_refused(void)
{
    static const char *const rows[] = { "10.1.2.3/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x",
        "2001:db8::1/64", "::/129", "/8", "", "10.0.0.0/-1" };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct netaddr_prefix p;

        CU_ASSERT_EQUAL(netaddr_parse_prefix(slice_of(rows[i]), &p), BH_ESYNTAX);
    }
}

static void
loopback_is_known(void)
{
    struct netaddr a;

    CU_ASSERT_EQUAL_FATAL(parse("127.9.9.9", &a), 0);
    CU_ASSERT_TRUE(netaddr_is_loopback(&a));
    CU_ASSERT_EQUAL_FATAL(parse("::1", &a), 0);
    CU_ASSERT_TRUE(netaddr_is_loopback(&a));
    CU_ASSERT_EQUAL_FATAL(parse("::2", &a), 0);
    CU_ASSERT_FALSE(netaddr_is_loopback(&a));
    CU_ASSERT_EQUAL_FATAL(parse("128.0.0.1", &a), 0);
    CU_ASSERT_FALSE(netaddr_is_loopback(&a));
}

static void
the_address_of_no_host_is_known(void)
{
    static const struct {
        const char *text;
        bool any;
    } rows[] = { { "0.0.0.0", true }, { "::", true }, { "::ffff:0.0.0.0", true },
        { "0.0.0.1", false }, { "::1", false }, { "1::", false } };
    struct netaddr a = { 0 };

    CU_ASSERT_FALSE(netaddr_is_any(&a)); /* it is none at all */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CU_ASSERT_EQUAL_FATAL(parse(rows[i].text, &a), 0);
        CU_ASSERT_EQUAL(netaddr_is_any(&a), rows[i].any);
    }
}

TEST_MAIN("netaddr", TEST(text_and_value_are_inverse), TEST(what_is_no_address_is_refused),
    TEST(a_port_may_follow), TEST(the_longest_text_fits), TEST(a_sockaddr_goes_there_and_back),
    TEST(a_prefix_holds_its_addresses_only), TEST(a_prefix_with_host_bits_is_refused),
    TEST(loopback_is_known), TEST(the_address_of_no_host_is_known))
