/* test_app_x400.c - what the parts of X.400 are told of the configuration, and which way there is.
 */
#include "app/app_x400.h"
#include "conf_rig.h"
#include "x400/p1_head.h"

static const char *const good_lines[] = {
    "user = \"root\"; hostname = \"mx.example.org\"; vip = [\"192.0.2.10\"]; store = { path = "
    "\"/s\"; };",
    "limits = { sessions = 77; sessions_per_client = 3; };",
    "x400 = { domain = \"/C=GB/A= /P=LONDON/\"; mta = \"LONDON\"; };",
    "connector = { up = { protocol = \"smtp\"; }; paris = { protocol = \"x400\"; mode = \"x410\";",
    "next_hop = [\"198.51.100.7:1102\", \"mta.example.net\"]; connect_timeout = \"7s\";",
    "local = { mta = \"L2\"; tsel = \"ours\"; }; remote = { mta = \"PARIS\"; tsel_hex = \"00\"; };",
    "rtse = { checkpoint = 9; window = 3; dialogue = \"twa\"; }; message_size = \"1MiB\";",
    "associations = { limit = 2; incoming = 6; threshold = 11; idle = \"8s\"; };",
    "transfer = { urgent = \"50ms\"; normal = \"60ms\"; non_urgent = \"70ms\"; };",
    "schedule = [\"08:00-09:00\"]; strip_internal_trace = true; };",
    "lyon = { protocol = \"x400\"; next_hop = [\"198.51.100.8\"]; remote = { mta = \"LYON\"; }; "
    "mode = \"1984\"; relabel_content = true; expire = { urgent = \"1h\"; }; }; "
    "};",
    "route = ( { to = \"/C=FR/\"; via = [\"paris\", \"lyon\"]; } );",
};

static struct app_conf *
load(void)
{
    struct app_conf *c = NULL;
    struct collected faults;

    CU_ASSERT_EQUAL_FATAL(
        load_lines(&c, good_lines, ARRAY_LEN(good_lines), 0, NULL, NULL, &faults), 0);
    return c;
}

static bool
is(struct slice s, const char *text)
{
    return slice_eq(s, slice_of(text));
}

static void
the_mta_is_told_its_names_and_limits(void)
{
    struct app_conf *c = load();
    struct x400_mta_options o;

    app_x400_mta_options(c, &o);
    CU_ASSERT_TRUE(is(o.mta_name, "LONDON"));
    CU_ASSERT_TRUE(is(p1_text_slice(&o.domain.country), "GB"));
    CU_ASSERT_TRUE(o.domain.admd.given && is(p1_text_slice(&o.domain.admd), " "));
    CU_ASSERT_TRUE(is(p1_text_slice(&o.domain.prmd), "LONDON"));
    CU_ASSERT_EQUAL(o.associations_max, 77);
    CU_ASSERT_EQUAL(o.unbound_per_client_max, 3);
    CU_ASSERT_TRUE(o.points);
    app_conf_free(c);
}

static void
a_connector_is_told_all_that_its_keys_say(void)
{
    struct app_conf *c = load();
    struct x400_hop hops[APP_HOPS_MAX];
    struct x400_connector_options o;

    app_x400_connector_options(&c->connectors[1], hops, &o);
    CU_ASSERT_TRUE(is(o.name, "paris"));
    CU_ASSERT_EQUAL(o.protocol, P1_1988_X410);
    CU_ASSERT_TRUE(is(o.local_mta, "L2") && is(o.remote_mta, "PARIS"));
    CU_ASSERT_TRUE(is(x400_selector_slice(&o.local.t), "ours"));
    CU_ASSERT_TRUE(slice_eq(x400_selector_slice(&o.remote.t), SLICE_LIT("\0")));
    CU_ASSERT_EQUAL(o.source_count, 1);
    CU_ASSERT_EQUAL_FATAL(o.hop_count, 2);
    CU_ASSERT(o.hops[0].name.n == 0 && o.hops[0].address.family != 0 && o.hops[0].port == 1102);
    CU_ASSERT(is(o.hops[1].name, "mta.example.net") && o.hops[1].address.family == 0 &&
              o.hops[1].port == 102);
    CU_ASSERT(o.dialogue == RTSE_TWA && o.checkpoint == 9 && o.window == 3);
    CU_ASSERT(o.out_max == 2 && o.in_max == 6 && o.threshold == 11);
    CU_ASSERT(o.times.connect_ms == 7000 && o.times.idle_ms == 8000);
    CU_ASSERT(o.times.kib_ms[X400_URGENT] == 50 && o.times.kib_ms[X400_NORMAL] == 60 &&
              o.times.kib_ms[X400_NON_URGENT] == 70);
    CU_ASSERT_EQUAL(o.times.open_ms, x400_times_default.open_ms);
    CU_ASSERT_EQUAL(o.schedule.kind, X400_WINDOWS);
    CU_ASSERT_EQUAL(o.message_bytes_max, MIB);
    CU_ASSERT(o.strip_internal && !o.strip_bilateral);
    app_conf_free(c);
}

static void
what_a_connector_takes_is_told_by_its_index(void)
{
    struct app_conf *c = load();
    struct p1_peer peers[3];

    CU_ASSERT_EQUAL_FATAL(c->connector_count, 3);
    app_x400_peers(c, peers);
    CU_ASSERT(peers[0].life_ms == NULL && peers[0].content_bytes_max == 0);
    CU_ASSERT(peers[1].protocol == P1_1988_X410 && peers[1].content_bytes_max == MIB);
    CU_ASSERT(!peers[1].here && peers[1].content_types == 0 && peers[1].eits == 0);
    CU_ASSERT_FALSE(peers[1].how.relabel);
    CU_ASSERT(peers[2].protocol == P1_1984 && peers[2].how.relabel);
    CU_ASSERT_PTR_NOT_NULL_FATAL(peers[2].life_ms);
    CU_ASSERT(peers[2].life_ms[P1_URGENT] == 3600000 &&
              peers[2].life_ms[P1_NORMAL] == 7 * UINT64_C(86400000));
    app_conf_free(c);
}

static enum or_route_verdict
way(const struct app_conf *c, const struct app_routes *t, const char *to, const char *came_by,
    const char *passed)
{
    struct p1_hop hop = { .domain = c->x400_domain, .mta_name = slice_of(passed) };
    struct p1_envelope e = { .kind = P1_MESSAGE };
    struct p1_passed before;
    struct x400_way w = { .came_by = slice_of(came_by), .envelope = &e, .passed = &before };
    struct or_address address;
    struct or_error error;
    enum or_route_verdict verdict;
    struct buf trace;

    buf_init(&trace, 1000);
    CU_ASSERT_EQUAL_FATAL(or_address_parse(slice_of(to), &address, &error), 0);
    w.to = &address;
    if (passed != NULL) {
        CU_ASSERT_EQUAL_FATAL(p1_trace_write(&trace, &hop), 0);
        e.internal = buf_slice(&trace);
    }
    p1_plan_passed(&e, &before);
    verdict = app_x400_way(c, t, &w).verdict;
    buf_fini(&trace);
    return verdict;
}

static void
a_way_does_not_lead_back(void)
{
    struct app_conf *c = load();
    struct app_routes *t = NULL;

    CU_ASSERT_EQUAL_FATAL(app_routes_make(&t, c), 0);
    CU_ASSERT_EQUAL(way(c, t, "/C=FR/A=X/S=y/", "paris", NULL), OR_ROUTE_GO);
    CU_ASSERT_EQUAL(way(c, t, "/C=FR/A=X/S=y/", "", NULL), OR_ROUTE_GO);
    CU_ASSERT_EQUAL(way(c, t, "/C=FR/A=X/S=y/", "paris", "ROME"), OR_ROUTE_GO);
    CU_ASSERT_EQUAL(way(c, t, "/C=FR/A=X/S=y/", "paris", "lyon"), OR_ROUTE_LOOP);
    CU_ASSERT_EQUAL(way(c, t, "/C=DE/A=X/S=y/", "paris", NULL), OR_ROUTE_NONE);
    app_routes_free(t);
    app_conf_free(c);
}

static const struct test_case cases[] = { TEST(the_mta_is_told_its_names_and_limits),
    TEST(a_connector_is_told_all_that_its_keys_say),
    TEST(what_a_connector_takes_is_told_by_its_index), TEST(a_way_does_not_lead_back) };

int
main(void)
{
    return conf_rig_main("app_x400", cases, ARRAY_LEN(cases));
}
