/* test_route_table.c - the longest match wins, and who may relay. */
#include "route/route.h"
#include "test_main.h"

static struct route_table *
table_new(const char *const *domains, size_t domain_count)
{
    static struct netaddr_prefix clients[2];
    struct slice slices[8];
    struct route_table_options o = { .hostname = "mx.example.org",
        .postmaster = SLICE_LIT("hostmaster@example.net"),
        .clients = clients,
        .client_count = 2,
        .domains = slices,
        .domain_count = domain_count };
    struct route_table *t = NULL;

    CU_ASSERT_EQUAL(netaddr_parse_prefix(SLICE_LIT("127.0.0.0/8"), &clients[0]), 0);
    CU_ASSERT_EQUAL(netaddr_parse_prefix(SLICE_LIT("2001:db8::/32"), &clients[1]), 0);
    for (size_t i = 0; i < domain_count; i++) {
        slices[i] = slice_of(domains[i]);
    }
    CU_ASSERT_EQUAL_FATAL(route_table_new(&t, &o), 0);
    return t;
}

static int
add(struct route_table *t, const char *pattern, uint16_t via)
{
    return route_table_add(t, slice_of(pattern), &via, 1);
}

/* The connector a domain goes to; -1: none. */
static int
via_of(const struct route_table *t, const char *domain)
{
    const struct route *r = route_find(t, slice_of(domain));

    return r == NULL ? -1 : r->via[0];
}

static void
the_longest_match_wins_whatever_the_order(void)
{
    static const char *const patterns[] = { "*", "*.org", "*.example.org", "a.example.org",
        "[192.0.2.1]", "example.org" };
    static const struct {
        const char *domain;
        int via;
    } rows[] = {
        { "a.example.org", 3 }, { "A.Example.ORG", 3 }, { "a.example.org.", 3 },
        { "b.example.org", 2 }, { "x.a.example.org", 2 }, { "example.org", 5 }, { "other.org", 1 },
        { "x.y.other.org", 1 }, { "org", 0 }, { "example.com", 0 }, { "notexample.org", 1 },
        { "[192.0.2.1]", 4 }, { "[192.0.2.2]", 0 }, { "[IPv6:2001:db8::1]", 0 },
        { "", 2 }, /* the hostname's, mx.example.org */
    };

    for (int backwards = 0; backwards < 2; backwards++) {
        struct route_table *t = table_new(NULL, 0);

        for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
            size_t k = backwards ? ARRAY_LEN(patterns) - 1 - i : i;

            CU_ASSERT_EQUAL(add(t, patterns[k], (uint16_t)k), 0);
        }
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            CU_ASSERT_EQUAL(via_of(t, rows[i].domain), rows[i].via);
        }
        route_table_free(t);
    }
}

static void
without_a_star_strangers_have_no_route(void)
{
    struct route_table *t = table_new(NULL, 0);

    CU_ASSERT_EQUAL(add(t, "*.example.org", 1), 0);
    CU_ASSERT_EQUAL(via_of(t, "example.org"), -1);
    CU_ASSERT_EQUAL(via_of(t, "a.example.org"), 1);
    CU_ASSERT_EQUAL(via_of(t, "[192.0.2.1]"), -1);
    CU_ASSERT_EQUAL(via_of(t, "."), -1);
    CU_ASSERT_EQUAL(via_of(t, "..example.org"), 1); /* not valid, not harmful */
    route_table_free(t);
}

static void
bad_patterns_are_refused(void)
{
    static const char *const bad[] = { "", ".", "*.", "a..b", ".a", "*a", "a.*", "*.*", "a b",
        "/C=FR/A=ATLAS/", "[192.0.2.1", "*.[192.0.2.1]", "@example.org", "[]" };
    struct route_table *t = table_new(NULL, 0);
    uint16_t via[ROUTE_VIA_MAX + 1] = { 0 };
    char label[65];

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CU_ASSERT_EQUAL(add(t, bad[i], 0), BH_ESYNTAX);
    }
    memset(label, 'a', 64);
    label[64] = '\0';
    CU_ASSERT_EQUAL(add(t, label, 0), BH_ESYNTAX);
    label[63] = '\0';
    CU_ASSERT_EQUAL(add(t, label, 0), 0);
    CU_ASSERT_EQUAL(add(t, "example.org", 0), 0);
    CU_ASSERT_EQUAL(add(t, "EXAMPLE.org.", 1), -EEXIST);
    CU_ASSERT_EQUAL(add(t, "*", 0), 0);
    CU_ASSERT_EQUAL(add(t, "*", 1), -EEXIST);
    CU_ASSERT_EQUAL(route_table_add(t, SLICE_LIT("b"), via, 0), BH_ETOOBIG);
    CU_ASSERT_EQUAL(route_table_add(t, SLICE_LIT("b"), via, ARRAY_LEN(via)), BH_ETOOBIG);
    CU_ASSERT_EQUAL(via_of(t, "example.org"), 0);
    route_table_free(t);
}

static bool
permits(const struct route_table *t, const char *client, const char *domain)
{
    struct netaddr a;

    CU_ASSERT_EQUAL(netaddr_parse(slice_of(client), &a), 0);
    return route_permits(t, &a, slice_of(domain));
}

static void
the_network_or_the_domain_permits(void)
{
    static const char *const domains[] = { "example.org", "*.example.org", "example.org" };
    struct route_table *t = table_new(domains, 3);

    CU_ASSERT_EQUAL(add(t, "*", 0), 0); /* a route is no permission */
    CU_ASSERT_TRUE(permits(t, "127.0.0.1", "anywhere.example"));
    CU_ASSERT_TRUE(permits(t, "127.0.0.1", ""));
    CU_ASSERT_TRUE(permits(t, "2001:db8::5", "anywhere.example"));
    CU_ASSERT_TRUE(permits(t, "192.0.2.1", "Example.Org"));
    CU_ASSERT_TRUE(permits(t, "192.0.2.1", "a.b.example.org"));
    CU_ASSERT_FALSE(permits(t, "192.0.2.1", "anywhere.example"));
    CU_ASSERT_FALSE(permits(t, "192.0.2.1", "notexample.org"));
    CU_ASSERT_FALSE(permits(t, "192.0.2.1", "mx.example.com"));
    CU_ASSERT_FALSE(permits(t, "192.0.2.1", ""));
    CU_ASSERT_FALSE(permits(t, "192.0.2.1", "[192.0.2.9]"));
    CU_ASSERT_TRUE(slice_eq(route_postmaster(t), SLICE_LIT("hostmaster@example.net")));
    route_table_free(t);
    t = table_new(NULL, 0);
    CU_ASSERT_FALSE(permits(t, "192.0.2.1", "example.org"));
    route_table_free(t);
}

TEST_MAIN("route_table", TEST(the_longest_match_wins_whatever_the_order),
    TEST(without_a_star_strangers_have_no_route), TEST(bad_patterns_are_refused),
    TEST(the_network_or_the_domain_permits))
