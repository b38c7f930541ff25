/* Routing by O/R address: the most specific space, alternates by cost, and no bouncing. */
#include "test_main.h"
#include "x400/or_route.h"
#include <stdio.h>

#define NONE OR_ROUTE_NO_CONNECTOR

struct row {
    const char *space;
    uint16_t connector;
    uint32_t cost;
};

static struct or_error error;

static struct or_route_table *
table(const struct row *rows, size_t count)
{
    struct or_route_table *t;

    CU_ASSERT_EQUAL_FATAL(or_route_table_new(&t), 0);
    for (size_t i = 0; i < count; i++) {
        struct or_address space;

        CU_ASSERT_EQUAL_FATAL(or_address_parse_pattern(slice_of(rows[i].space), &space, &error), 0);
        CU_ASSERT_EQUAL(or_route_add(t, &space, rows[i].connector, rows[i].cost, &error), 0);
    }
    return t;
}

struct from { /* what a query says of the message; all zero but came_by: submitted here */
    uint16_t came_by;
    unsigned reroutes;
    const struct slice *passed;
    size_t passed_count;
};
static const struct from here = { .came_by = NONE };

/* up: a character for each connector, '1' is up. */
static struct or_route
find(const struct or_route_table *t, const char *to, const struct from *from, const char *up)
{
    struct or_address a;
    bool is_up[16] = { false };
    struct or_route_query q = { .to = &a,
        .came_by = from->came_by,
        .passed = from->passed,
        .passed_count = from->passed_count,
        .reroutes = from->reroutes,
        .up = is_up,
        .up_count = strlen(up) };

    CU_ASSERT_EQUAL_FATAL(or_address_parse(slice_of(to), &a, &error), 0);
    for (size_t i = 0; i < q.up_count && i < ARRAY_LEN(is_up); i++) {
        is_up[i] = up[i] == '1';
    }
    return or_route_find(t, &q);
}

static void
check(struct or_route r, enum or_route_verdict verdict, uint16_t via, uint16_t instead_of)
{
    CU_ASSERT_EQUAL(r.verdict, verdict);
    CU_ASSERT_EQUAL(r.via, via);
    CU_ASSERT_EQUAL(r.instead_of, instead_of);
}

static void
the_most_specific_space_wins_whatever_the_order(void)
{
    static const struct row rows[] = { { "*", 0, 1 }, { "C=GB", 1, 1 }, { "C=GB;A=x;P=y", 3, 100 },
        { "C=GB;A=x", 2, 50 }, { "C=XX;O=AFTN;OU1=LS*", 4, 1 }, { "C=XX;O=AFTN;OU1=LSZH*", 5, 1 },
        { "C=XX;O=AFTN;OU1=*", 6, 1 } };
    static const struct {
        const char *to;
        uint16_t via;
    } cases[] = { { "C=FR;A=x", 0 }, { "C=gb;A=z", 1 }, { "C=GB;A=X;S=s", 2 },
        { "C=GB;A=x;P=Y;S=s", 3 }, { "C=XX;A=ICAO;O=AFTN;OU1=LSGG", 4 },
        { "C=XX;A=ICAO;O=AFTN;OU1=LSZHZTZX", 5 }, { "C=XX;A=ICAO;O=AFTN;OU1=EGLL", 6 },
        { "C=XX;A=ICAO;O=AFTN", 0 } };
    struct or_route_table *t = table(rows, ARRAY_LEN(rows));

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check(find(t, cases[i].to, &here, "1111111"), OR_ROUTE_GO, cases[i].via, NONE);
    }
    or_route_table_free(t);
    t = table(rows + 1, 3);
    check(find(t, "C=FR;A=x", &here, "1111111"), OR_ROUTE_NONE, NONE, NONE);
    or_route_table_free(t);
    t = table(NULL, 0);
    check(find(t, "C=FR;A=x", &here, "1"), OR_ROUTE_NONE, NONE, NONE);
    or_route_table_free(t);
}

static void
a_connector_that_is_down_gives_way_to_the_next_by_cost(void)
{
    static const struct row rows[] = { { "*", 0, 1 }, { "C=GB", 1, 30 }, { "C=GB", 2, 10 },
        { "c=gb", 3, 20 }, { "C=GB", 4, 10 } };
    static const struct {
        const char *up;
        enum or_route_verdict verdict;
        uint16_t via, instead_of;
    } cases[] = { { "11111", OR_ROUTE_GO, 2, NONE }, { "11011", OR_ROUTE_GO, 4, 2 },
        { "11010", OR_ROUTE_GO, 3, 2 }, { "11000", OR_ROUTE_GO, 1, 2 },
        /* a less specific space is no alternate */
        { "10000", OR_ROUTE_WAIT, 2, NONE }, { "", OR_ROUTE_WAIT, 2, NONE } };
    struct or_route_table *t = table(rows, ARRAY_LEN(rows));

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check(find(t, "C=GB;A=x", &here, cases[i].up), cases[i].verdict, cases[i].via,
            cases[i].instead_of);
    }
    CU_ASSERT_EQUAL(find(t, "C=GB;A=x", &here, "11010").cost, 20);
    or_route_table_free(t);
}

static void
nothing_goes_back_to_where_it_came_from(void)
{
    static const struct row rows[] = { { "*", 0, 10 }, { "*", 1, 20 }, { "*", 2, 30 } };
    static const struct slice passed[] = { SLICE_LIT("OTHER"), SLICE_LIT("mta-b") };
    struct from from = { .came_by = 0 };
    struct or_route_table *t = table(rows, ARRAY_LEN(rows));

    CU_ASSERT_EQUAL(or_route_connector(t, 0, SLICE_LIT("MTA-A")), 0);
    CU_ASSERT_EQUAL(or_route_connector(t, 1, SLICE_LIT("MTA-B")), 0);
    /* R1; and since the cheapest was no choice, it is not rerouted */
    check(find(t, "C=GB;A=x", &from, "111"), OR_ROUTE_GO, 1, NONE);
    check(find(t, "C=GB;A=x", &from, "101"), OR_ROUTE_GO, 2, 1);
    check(find(t, "C=GB;A=x", &from, "100"), OR_ROUTE_WAIT, 1, NONE);
    /* R2 */
    from.passed = passed;
    from.passed_count = ARRAY_LEN(passed);
    check(find(t, "C=GB;A=x", &from, "111"), OR_ROUTE_GO, 2, NONE);
    from.came_by = 2;
    check(find(t, "C=GB;A=x", &from, "011"), OR_ROUTE_WAIT, 0, NONE);
    or_route_table_free(t);

    t = table(rows, 1);
    from = (struct from){ .came_by = 0 };
    check(find(t, "C=GB;A=x", &from, "1"), OR_ROUTE_LOOP, NONE, NONE);
    or_route_table_free(t);
}

static void
what_was_rerouted_twice_waits_for_the_cheapest(void)
{
    static const struct row rows[] = { { "*", 0, 10 }, { "*", 1, 20 }, { "*", 2, 30 } };
    struct from from = { .came_by = NONE, .reroutes = OR_REROUTES_MAX };
    struct or_route_table *t = table(rows, ARRAY_LEN(rows));

    check(find(t, "C=GB;A=x", &from, "111"), OR_ROUTE_GO, 0, NONE);
    check(find(t, "C=GB;A=x", &from, "011"), OR_ROUTE_WAIT, 0, NONE);
    from.reroutes--;
    check(find(t, "C=GB;A=x", &from, "011"), OR_ROUTE_GO, 1, 0);
    from = (struct from){ .came_by = 0, .reroutes = OR_REROUTES_MAX };
    check(find(t, "C=GB;A=x", &from, "111"), OR_ROUTE_GO, 1, NONE);
    check(find(t, "C=GB;A=x", &from, "101"), OR_ROUTE_WAIT, 1, NONE);
    or_route_table_free(t);
}

static void
a_list_has_what_is_left_by_cost(void)
{
    static const struct row rows[] = { { "*", 9, 1 }, { "C=GB", 0, 10 }, { "C=GB", 1, 30 },
        { "C=GB", 2, 20 } };
    static const struct slice passed[] = { SLICE_LIT("mta-c") };
    struct or_route_table *t = table(rows, ARRAY_LEN(rows));
    struct or_address to;
    struct or_route_query q = { .to = &to, .came_by = NONE };
    uint16_t via[4];
    size_t count;

    CU_ASSERT_EQUAL(or_route_connector(t, 2, SLICE_LIT("MTA-C")), 0);
    CU_ASSERT_EQUAL_FATAL(or_address_parse(SLICE_LIT("C=GB;A=x"), &to, &error), 0);
    CU_ASSERT_EQUAL(or_route_list(t, &q, via, ARRAY_LEN(via), &count), OR_ROUTE_GO);
    CU_ASSERT(count == 3 && via[0] == 0 && via[1] == 2 && via[2] == 1);
    CU_ASSERT_EQUAL(or_route_list(t, &q, via, 2, &count), OR_ROUTE_GO);
    CU_ASSERT_EQUAL(count, 2);
    q.reroutes = OR_REROUTES_MAX;
    q.came_by = 0;
    CU_ASSERT_EQUAL(or_route_list(t, &q, via, ARRAY_LEN(via), &count), OR_ROUTE_GO);
    CU_ASSERT(count == 1 && via[0] == 2);
    q.reroutes = 0;
    q.passed = passed;
    q.passed_count = ARRAY_LEN(passed);
    CU_ASSERT_EQUAL(or_route_list(t, &q, via, ARRAY_LEN(via), &count), OR_ROUTE_GO);
    CU_ASSERT(count == 1 && via[0] == 1);
    q.passed_count = 0; /* the same by what stands for the name */
    q.passed_sums = &(const uint32_t){ or_route_mta_sum(passed[0]) };
    q.passed_sum_count = 1;
    CU_ASSERT_EQUAL(or_route_list(t, &q, via, ARRAY_LEN(via), &count), OR_ROUTE_GO);
    CU_ASSERT(count == 1 && via[0] == 1);
    CU_ASSERT_EQUAL_FATAL(or_address_parse(SLICE_LIT("C=DE;A=x"), &to, &error), 0);
    q.came_by = 9;
    CU_ASSERT_EQUAL(or_route_list(t, &q, via, ARRAY_LEN(via), &count), OR_ROUTE_LOOP);
    CU_ASSERT_EQUAL(count, 0);
    or_route_table_free(t);
    t = table(NULL, 0);
    CU_ASSERT_EQUAL(or_route_list(t, &q, via, ARRAY_LEN(via), &count), OR_ROUTE_NONE);
    or_route_table_free(t);
}

/* Bridgeheads 0, 1 and 2, each with a dead link to the destination (connector 9, cheapest) and the
 * two others as alternates (connectors 0 to 2 lead to that bridgehead). */
static void
three_bridgeheads_with_dead_links_do_not_bounce(void)
{
    for (int names = 0; names < 2; names++) { /* with MTA names in the trace, and stripped */
        struct slice passed[16];
        struct from from = { .came_by = NONE, .passed = passed };
        static const struct slice mta[] = { SLICE_LIT("B0"), SLICE_LIT("B1"), SLICE_LIT("B2") };
        unsigned at = 0, hops = 0;

        for (;; hops++) {
            struct row rows[] = { { "*", 9, 1 }, { "*", (uint16_t)((at + 1) % 3), 5 },
                { "*", (uint16_t)((at + 2) % 3), 6 } };
            struct or_route_table *t = table(rows, ARRAY_LEN(rows));
            struct or_route r;

            for (uint16_t i = 0; i < 3; i++) {
                CU_ASSERT_EQUAL(or_route_connector(t, i, mta[i]), 0);
            }
            passed[from.passed_count] = mta[at];
            from.passed_count += names == 1;
            r = find(t, "C=GB;A=x", &from, "1110000000");
            or_route_table_free(t);
            if (r.verdict != OR_ROUTE_GO) {
                check(r, OR_ROUTE_WAIT, 9, NONE);
                break;
            }
            CU_ASSERT_EQUAL(r.instead_of, 9);
            from.reroutes++;
            from.came_by = (uint16_t)at;
            at = r.via;
            CU_ASSERT_FATAL(hops < 10);
        }
        CU_ASSERT_EQUAL(hops, 2); /* with names: B0, B1, B2; without: as far as R3 lets it */
    }
}

static void
limits_and_doubles_are_refused_with_a_reason(void)
{
    static const struct row rows[] = { { "C=GB;A= ", 0, 10 } };
    struct or_route_table *t = table(rows, 1);
    struct or_address space;

    CU_ASSERT_EQUAL_FATAL(or_address_parse_pattern(SLICE_LIT("/c=gb/a= /"), &space, &error), 0);
    CU_ASSERT_EQUAL(or_route_add(t, &space, 0, 20, &error), -EEXIST);
    CU_ASSERT_STRING_EQUAL(error.text, "address space: given twice for one connector");
    CU_ASSERT_EQUAL(or_route_add(t, &space, 1, OR_ROUTE_COST_MAX + 1, &error), BH_ETOOBIG);
    CU_ASSERT_STRING_EQUAL(error.text, "cost: 1001; the limit is 1000");
    CU_ASSERT_EQUAL(or_route_add(t, &space, OR_ROUTE_CONNECTORS_MAX, 1, &error), BH_ETOOBIG);
    CU_ASSERT_EQUAL(or_route_connector(t, OR_ROUTE_CONNECTORS_MAX, SLICE_LIT("x")), BH_ETOOBIG);
    CU_ASSERT_EQUAL(
        or_route_connector(t, 0, SLICE_LIT("a name of more than 32 octets, 36")), BH_ETOOBIG);
    or_route_table_free(t);
    or_route_table_free(NULL);
}

/* As many as an AMHS region has; each is found once it is there. */
static void
each_of_thousands_of_spaces_is_found(void)
{
    enum { ROWS = 2000 };
    struct or_route_table *t;
    struct or_address space, to;
    char text[64];
    uint32_t x = 12345;
    int rc;

    CU_ASSERT_EQUAL_FATAL(or_route_table_new(&t), 0);
    for (unsigned i = 0; i < ROWS; i++) {
        x = x * 1664525 + 1013904223;
        (void)snprintf(text, sizeof(text), "C=XX;A=ICAO;O=AFTN;OU1=%c%c%c*",
            'A' + (int)(x >> 8) % 26, 'A' + (int)(x >> 14) % 26, 'A' + (int)(x >> 20) % 26);
        CU_ASSERT_EQUAL_FATAL(or_address_parse_pattern(slice_of(text), &space, &error), 0);
        rc = or_route_add(t, &space, (uint16_t)(i % 3), (uint32_t)(3 - i % 3), &error);
        CU_ASSERT_TRUE(rc == 0 || rc == -EEXIST);
        (void)snprintf(text + strlen(text) - 1, 8, "ZQZX");
        CU_ASSERT_EQUAL_FATAL(or_address_parse(slice_of(text), &to, &error), 0);
        if (i % 100 == 0) {
            struct or_route_query q = { .to = &to, .came_by = NONE };

            CU_ASSERT_EQUAL(or_route_find(t, &q).verdict, OR_ROUTE_WAIT);
        }
    }
    or_route_table_free(t);
}

/* The heaviest of all that match, found one by one, is what the index finds. */
static void
the_index_finds_what_looking_through_all_finds(void)
{
    static const char *const c[] = { "", "C=GB", "C=gb", "C=FR", "C=DE", "C=*" };
    static const char *const a[] = { "", ";A=TEST", ";A=Te*", ";A= ", ";A=*", ";A=x  y" };
    static const char *const p[] = { "", ";P=ONE", ";P=O*", ";P=two", ";P=*" };
    static const char *const o[] = { "", ";O=Org", ";O=O*", ";OU1=U" };
    static const char *const to[] = { "C=GB;A=test;P=One;O=org", "C=FR;A= ;P=TWO", "C=GB;A=X Y;S=s",
        "C=DE;A=x;P=three;O=Other;OU1=u", "C=gb;A=TEXT;P=One", "C=GB;X121=123" };
    enum { ALL = 6 * 6 * 5 * 4 };
    static struct or_address spaces[ALL];
    static uint16_t connectors[ALL];
    struct or_route_table *t;
    unsigned count = 0;

    CU_ASSERT_EQUAL_FATAL(or_route_table_new(&t), 0);
    for (unsigned i = 0; i < ALL; i++) { /* in an order that is none */
        unsigned n = i * 331 % ALL;
        char text[80];

        (void)snprintf(
            text, sizeof(text), "%s%s%s%s", c[n % 6], a[n / 6 % 6], p[n / 36 % 5], o[n / 180]);
        if (or_address_parse_pattern(
                slice_of(text[0] == ';' ? text + 1 : text), &spaces[count], &error) < 0) {
            CU_FAIL(text);
            continue;
        }
        connectors[count] = (uint16_t)(i % 900);
        if (or_route_add(t, &spaces[count], connectors[count], 1, &error) == 0) {
            count++;
        }
    }
    CU_ASSERT(count > ALL / 2);
    for (size_t i = 0; i < ARRAY_LEN(to); i++) {
        struct or_address address;
        struct or_route_query q = { .to = &address, .came_by = NONE };
        unsigned best = count;

        CU_ASSERT_EQUAL_FATAL(or_address_parse(slice_of(to[i]), &address, &error), 0);
        for (unsigned n = 0; n < count; n++) {
            if (or_address_match(&address, &spaces[n]) &&
                (best == count ||
                    or_address_weight(&spaces[n]) > or_address_weight(&spaces[best]))) {
                best = n;
            }
        }
        CU_ASSERT_FATAL(best < count);
        CU_ASSERT_EQUAL(or_route_find(t, &q).via, connectors[best]);
    }
    or_route_table_free(t);
}

TEST_MAIN("or_route", TEST(the_index_finds_what_looking_through_all_finds),
    TEST(the_most_specific_space_wins_whatever_the_order),
    TEST(a_connector_that_is_down_gives_way_to_the_next_by_cost),
    TEST(nothing_goes_back_to_where_it_came_from),
    TEST(what_was_rerouted_twice_waits_for_the_cheapest), TEST(a_list_has_what_is_left_by_cost),
    TEST(three_bridgeheads_with_dead_links_do_not_bounce),
    TEST(limits_and_doubles_are_refused_with_a_reason), TEST(each_of_thousands_of_spaces_is_found))
