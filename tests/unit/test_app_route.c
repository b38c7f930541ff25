/* test_app_route.c - domains and O/R addresses, each to its own connectors. */
#include "app/app_route.h"
#include "test_main.h"

static void
add(struct app_routes *t, const char *to, uint16_t first, uint16_t second)
{
    struct app_route r = { .to = slice_of(to),
        .is_or = app_route_is_space(slice_of(to)),
        .via = { first, second },
        .cost = { 1, 2 },
        .via_count = second > 0 ? 2 : 1 };
    struct or_error error;

    CU_ASSERT_EQUAL_FATAL(app_routes_add(t, &r, &error), 0);
}

static struct app_routes *
table(void)
{
    struct route_table_options o = { .hostname = "mx.example.org" };
    struct app_routes *t = NULL;

    CU_ASSERT_EQUAL_FATAL(app_routes_new(&t, &o), 0);
    add(t, "example.org", 1, 0);
    add(t, "*", 2, 0);
    add(t, "/C=FR/A=ATLAS/", 3, 4);
    add(t, "C=FR;A=ATLAS;P=PA*", 4, 3);
    add(t, "/C=XX/A=ICAO/P=SWITZ/", 5, 0);
    return t;
}

/* The connectors as digits; "syntax", "none", "loop". */
static const char *
way(const struct app_routes *t, const char *recipient, uint16_t came_by)
{
    static char digits[ROUTE_VIA_MAX + 1];
    struct route r;
    int rc = app_routes_find(t, slice_of(recipient), came_by, NULL, &r);

    if (rc < 0) {
        return rc == BH_ESYNTAX ? "syntax" : rc == BH_ENOTFOUND ? "none" : "loop";
    }
    for (size_t i = 0; i < r.via_count; i++) {
        digits[i] = (char)('0' + r.via[i]);
    }
    digits[r.via_count] = '\0';
    return digits;
}

static void
each_form_of_address_goes_by_its_own_routes(void)
{
    static const struct {
        const char *recipient, *way;
    } rows[] = {
        { "a@example.org", "1" },
        { "a@elsewhere.example", "2" },
        { "/C=FR/A=ATLAS/S=x/", "34" },
        { "/S=x/A=atlas/C=fr/", "34" },
        { "/C=FR/A=ATLAS/P=PARIS/S=x/", "43" },
        { "/C=XX/A=ICAO/P=SWITZ/O=LS/OU1=LSZH/CN=LSZHZTZX/", "5" },
        { "/C=DE/A=ATLAS/S=x/", "none" }, /* "*" is for domains */
        { "/C=FR/", "none" },
        /* a local part that is an O/R address is the domain's to understand */
        { "/C=FR/A=ATLAS/S=x/@gateway.example.org", "2" },
        { "/C=FRA/A=ATLAS/S=x/", "syntax" },
        { "/etc/passwd", "syntax" },
        { "C=FR;A=ATLAS;S=x", "syntax" }, /* only the form that the queue has */
        { "nobody", "syntax" },
        { "", "syntax" },
    };
    struct app_routes *t = table();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CU_ASSERT_STRING_EQUAL(way(t, rows[i].recipient, OR_ROUTE_NO_CONNECTOR), rows[i].way);
    }
    app_routes_free(t);
}

static void
nothing_goes_back_the_way_it_came(void)
{
    struct app_routes *t = table();

    CU_ASSERT_STRING_EQUAL(way(t, "/C=FR/A=ATLAS/S=x/", 3), "4");
    CU_ASSERT_STRING_EQUAL(way(t, "/C=FR/A=ATLAS/S=x/", 5), "34");
    CU_ASSERT_STRING_EQUAL(way(t, "/C=XX/A=ICAO/P=SWITZ/S=x/", 5), "loop");
    app_routes_free(t);
}

static void
a_slash_alone_is_every_or_address_and_no_domain(void)
{
    struct route_table_options o = { .hostname = "mx.example.org" };
    struct app_routes *t = NULL;

    CU_ASSERT_EQUAL_FATAL(app_routes_new(&t, &o), 0);
    add(t, "/", 7, 0);
    CU_ASSERT_STRING_EQUAL(way(t, "/C=DE/A=X/S=x/", OR_ROUTE_NO_CONNECTOR), "7");
    CU_ASSERT_STRING_EQUAL(way(t, "a@example.org", OR_ROUTE_NO_CONNECTOR), "none");
    app_routes_free(t);
}

static void
an_association_may_send_to_whatever_has_a_route(void)
{
    static const struct {
        const char *recipient;
        uint16_t came_by;
        int code;
        const char *status;
    } rows[] = {
        { "/C=FR/A=ATLAS/S=x/", 5, 250, "2.1.5" }, { "/C=XX/A=ICAO/P=SWITZ/S=x/", 3, 250, "2.1.5" },
        { "/C=XX/A=ICAO/P=SWITZ/S=x/", 5, 554, "5.4.6" }, { "/C=DE/A=ATLAS/S=x/", 3, 550, "5.1.1" },
        { "/C=FRA/A=ATLAS/S=x/", 3, 553, "5.1.3" },
        { "a@example.org", 3, 550, "5.1.2" }, /* no gateway, whatever the routes */
    };
    struct app_routes *t = table();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct intake_verdict v =
            app_routes_permit(t, slice_of(rows[i].recipient), rows[i].came_by);

        CU_ASSERT_EQUAL(v.code, rows[i].code);
        CU_ASSERT_STRING_EQUAL(v.status, rows[i].status);
    }
    app_routes_free(t);
}

TEST_MAIN("app_route", TEST(an_association_may_send_to_whatever_has_a_route),
    TEST(each_form_of_address_goes_by_its_own_routes), TEST(nothing_goes_back_the_way_it_came),
    TEST(a_slash_alone_is_every_or_address_and_no_domain))
