#include "app/app_conf.h"
#include "conf_rig.h"
#include "core/io.h"
#include "test_main.h"
#include <stdio.h>
#include <unistd.h>

/* Each key has a line of its own, in this order; a test replaces one. */
enum line {
    HOSTNAME,
    VIP,
    STORE,
    CLUSTER,
    DNS,
    LOG,
    LIMITS,
    LISTENER,
    RELAY,
    CONNECTOR,
    ROUTE,
    RETRY,
    MORE,
    LINES
};
static const char *const good_lines[LINES] = {
    [HOSTNAME] = "hostname = \"mx.example.org\";",
    [VIP] = "vip = [\"192.0.2.10\", \"2001:db8::10\", \"192.0.2.11\"];",
    [STORE] = "store = { path = \"/srv/relay\"; };",
    [CLUSTER] = "cluster = { mode = \"none\"; };",
    [DNS] = "dns = { servers = [\"192.0.2.53\", \"[2001:db8::53]:5353\"]; };",
    [LOG] = "log = { to = \"stderr\"; };",
    [LIMITS] = "limits = { sessions = 100; };",
    [LISTENER] = "listener = { mx = { protocol = \"smtp\"; port = 25; }; };",
    [RELAY] = "relay = { clients = [\"127.0.0.0/8\"]; domains = [\"*.example.org\"]; };",
    [CONNECTOR] =
        "connector = { up = { protocol = \"smtp\"; next_hop = [\"[192.0.2.25]:2525\", "
        "\"a.example.net\", \"b.example.net:26\"]; }; internet = { protocol = \"smtp\"; }; };",
    [ROUTE] = "route = ( { to = \"example.org\"; via = [\"up\", \"internet\"]; }, { to = \"*\"; "
              "via = [\"internet\"]; } );",
    [RETRY] = "retry = { schedule = [\"1s\", \"2min\"]; };",
    [MORE] = "",
};

/* Loads the good file with one line replaced (NULL: none). */
static int
load(struct app_conf **out, enum line which, const char *text, const char *vip, struct collected *c)
{
    return load_lines(out, good_lines, LINES, which, text, vip, c);
}

static void
a_good_file_is_taken_as_it_is_written(void)
{
    struct collected c;
    struct app_conf *conf;
    char text[NETADDR_TEXT_CAP];

    CU_ASSERT_EQUAL_FATAL(load(&conf, MORE, NULL, NULL, &c), 0);
    CU_ASSERT_EQUAL(c.count, 0);
    CU_ASSERT_STRING_EQUAL(conf->instance, "relay");
    CU_ASSERT_STRING_EQUAL(conf->hostname, "mx.example.org");
    CU_ASSERT_STRING_EQUAL(conf->user, "bridgehead");
    CU_ASSERT_EQUAL(conf->vip_count, 3);
    CU_ASSERT_EQUAL(conf->listener_count, 1);
    CU_ASSERT_EQUAL(conf->listeners[0].address_count, 3); /* "vip" is the default */
    CU_ASSERT_EQUAL(conf->listeners[0].addresses[1].port, 25);
    CU_ASSERT_EQUAL(conf->connector_count, 2);
    CU_ASSERT_EQUAL(conf->connectors[0].hop_count, 3);
    CU_ASSERT_EQUAL(conf->connectors[0].hops[0].port, 2525);
    CU_ASSERT_STRING_EQUAL(conf->connectors[0].hops[0].name, "");
    CU_ASSERT_STRING_EQUAL(conf->connectors[0].hops[1].name, "a.example.net");
    CU_ASSERT_EQUAL(conf->connectors[0].hops[1].port, 25);
    CU_ASSERT_EQUAL(conf->connectors[0].hops[2].port, 26);
    /* the default sources: the first of each family */
    CU_ASSERT_EQUAL(conf->connectors[0].source_count, 2);
    netaddr_text(&conf->connectors[0].sources[0], text);
    CU_ASSERT_STRING_EQUAL(text, "192.0.2.10");
    CU_ASSERT_EQUAL(conf->route_count, 2);
    CU_ASSERT_EQUAL(conf->routes[0].via_count, 2);
    CU_ASSERT_EQUAL(conf->routes[0].via[1], 1);
    CU_ASSERT_EQUAL(conf->dns_server_count, 2);
    CU_ASSERT_EQUAL(conf->dns_servers[0].port, 53);
    CU_ASSERT_EQUAL(conf->dns_servers[1].port, 5353);
    CU_ASSERT_EQUAL(conf->retry.count, 2);
    CU_ASSERT_EQUAL(conf->retry.steps_ms[1], 120000);
    CU_ASSERT_EQUAL(conf->store_lease_ms, 6000);
    CU_ASSERT_FALSE(conf->pacemaker);
    app_conf_free(conf);
}

static void
connectors_are_taken_by_cost(void)
{
    static const struct {
        const char *via;
        uint16_t first;
        uint32_t costs[2];
    } rows[] = {
        { "\"up\", \"internet\"", 0, { 1, 2 } },
        { "\"up:10\", \"internet\"", 0, { 10, 11 } },
        { "\"up:10\", \"internet:5\"", 1, { 5, 10 } },
        { "\"up:5\", \"internet:5\"", 0, { 5, 5 } },
        { "\"up\", \"internet:0\"", 1, { 0, 1 } },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct app_conf *conf;
        struct collected c;
        char line[256];

        (void)snprintf(line, sizeof(line), "route = ( { to = \"*\"; via = [%s]; } );", rows[i].via);
        CU_ASSERT_EQUAL_FATAL(load(&conf, ROUTE, line, NULL, &c), 0);
        CU_ASSERT_EQUAL(conf->routes[0].via_count, 2);
        CU_ASSERT_EQUAL(conf->routes[0].via[0], rows[i].first);
        CU_ASSERT_EQUAL(conf->routes[0].via[1], 1 - rows[i].first);
        CU_ASSERT_EQUAL(conf->routes[0].cost[0], rows[i].costs[0]);
        CU_ASSERT_EQUAL(conf->routes[0].cost[1], rows[i].costs[1]);
        app_conf_free(conf);
    }
}

static const struct fault_row faults[] = {
    { MORE, "hostnme = \"x\";", "hostnme", "unknown key", "hostname", EV_CONF_UNKNOWN_KEY },
    { STORE, "store = { path = \"/s\"; reserv = \"1GiB\"; };", "store.reserv", "unknown key",
        "reserve", EV_CONF_UNKNOWN_KEY },
    { VIP, "vip = \"192.0.2.10\";", "vip", "must be", "[", EV_CONF_TYPE },
    { VIP, "vip = [1, 2];", "vip", "must be", "quotes", EV_CONF_TYPE },
    { LIMITS, "limits = { sessions = \"many\"; };", "limits.sessions", "must be", "sessions",
        EV_CONF_TYPE },
    { STORE, "store = \"/srv\";", "store", "must be a group", "", EV_CONF_TYPE },
    { STORE, "store = { path = \"/a\"; path = \"/b\"; };", "store.path", "duplicate", "keep one",
        EV_CONF_DUPLICATE },
    { MORE, "hostname = \"other.example.org\";", "hostname", "duplicate", "keep one",
        EV_CONF_DUPLICATE },
    { STORE, "store = { };", "store.path", "required", "path", EV_CONF_MISSING },
    { STORE, "", "store", "required", "store", EV_CONF_MISSING },
    { HOSTNAME, "", "hostname", "required", "hostname", EV_CONF_MISSING },
    { LISTENER, "listener = { mx = { protocol = \"smtp\"; }; };", "listener.mx.protocol", "port",
        "port", EV_CONF_INVALID },
    { LISTENER, "listener = { mx = { port = 25; }; };", "listener.mx.protocol", "required",
        "protocol", EV_CONF_MISSING },
    { ROUTE, "route = ( { to = \"*\"; } );", "route[0].via", "required", "via", EV_CONF_MISSING },
    { HOSTNAME, "hostname = ;", "", "syntax", "line", EV_CONF_SYNTAX },
    { LISTENER, "listener = { mx = { protocol = \"smtp\"; port = 70000; }; };", "listener.mx.port",
        "70000", "65535", EV_CONF_INVALID },
    { STORE, "store = { path = \"/s\"; lease = \"1ms\"; };", "store.lease", "", "1s",
        EV_CONF_INVALID },
    { STORE, "store = { path = \"/s\"; lease = \"soon\"; };", "store.lease", "soon", "",
        EV_CONF_INVALID },
    { CLUSTER, "cluster = { mode = \"both\"; };", "cluster.mode", "both", "pacemaker",
        EV_CONF_INVALID },
    { HOSTNAME, "hostname = \"not a host\";", "hostname", "not a host", "host name",
        EV_CONF_INVALID },
    { STORE, "store = { path = \"relative\"; };", "store.path", "not absolute", "absolute",
        EV_CONF_INVALID },
    { LOG, "log = { to = \"paper\"; };", "log.to", "paper", "syslog", EV_CONF_INVALID },
    { MORE, "instance = \"other\";", "instance", "base name", "rename", EV_CONF_INVALID },
    { VIP, "vip = [\"192.0.2.10/24\"];", "vip", "not an address", "prefix", EV_CONF_INVALID },
    { VIP, "vip = [\"0.0.0.0\"];", "vip", "not an address", "one IPv4", EV_CONF_INVALID },
    { VIP, "vip = [\"192.0.2.10\", \"192.0.2.10\"];", "vip", "twice", "one of the two",
        EV_CONF_INVALID },
    { VIP, "vip = [];", "vip", "no virtual IP", "--vip", EV_CONF_INVALID },
    { DNS, "dns = { servers = [\"resolver.example.org\"]; };", "dns.servers", "not an address",
        "address", EV_CONF_INVALID },
    { LISTENER, "listener = { mx = { protocol = \"smtp\"; port = 25; address = \"here\"; }; };",
        "listener.mx.address", "here", "vip", EV_CONF_INVALID },
    { LISTENER,
        "listener = { a = { protocol = \"smtp\"; port = 25; }; b = { protocol = \"smtp\"; port = "
        "25; address = \"192.0.2.11\"; }; };",
        "listener.b.port", "listener a", "another port", EV_CONF_INVALID },
    { RELAY, "relay = { clients = [\"127.0.0.1/8\"]; };", "relay.clients", "not a network", "BITS",
        EV_CONF_INVALID },
    { RELAY, "relay = { clients = [\"everybody\"]; };", "relay.clients", "everybody", "BITS",
        EV_CONF_INVALID },
    { RELAY, "relay = { domains = [\"*\"]; };", "relay.domains", "not a domain", "example.org",
        EV_CONF_INVALID },
    { RELAY, "relay = { domains = [\"a@b\"]; };", "relay.domains", "not a domain", "example.org",
        EV_CONF_INVALID },
    { RELAY, "relay = { postmaster = \"operator\"; };", "relay.postmaster", "not an address",
        "LOCAL@DOMAIN", EV_CONF_INVALID },
    { CONNECTOR,
        "connector = { up = { protocol = \"smtp\"; next_hop = [\"192.0.2.11\"]; }; internet = { "
        "protocol = \"smtp\"; }; };",
        "connector.up.next_hop", "come back", "behind this one", EV_CONF_INVALID },
    { CONNECTOR,
        "connector = { up = { protocol = \"smtp\"; source = [\"192.0.2.99\"]; }; internet = { "
        "protocol = \"smtp\"; }; };",
        "connector.up.source", "192.0.2.99", "virtual IPs", EV_CONF_INVALID },
    { CONNECTOR,
        "connector = { up = { protocol = \"smtp\"; next_hop = [\"a.example.net:0\"]; }; internet = "
        "{ protocol = \"smtp\"; }; };",
        "connector.up.next_hop", "port", "65535", EV_CONF_INVALID },
    { CONNECTOR,
        "connector = { up = { protocol = \"smtp\"; next_hop = [\"a b\"]; }; internet = { protocol "
        "= \"smtp\"; }; };",
        "connector.up.next_hop", "a b", "host name", EV_CONF_INVALID },
    { CONNECTOR,
        "connector = { up = { protocol = \"lmtp\"; }; internet = { protocol = \"smtp\"; }; };",
        "connector.up.protocol", "next_hop", "next_hop", EV_CONF_INVALID },
    { ROUTE, "route = ( { to = \"*\"; via = [\"up:1001\"]; } );", "route[0].via", "cost",
        "NAME:COST", EV_CONF_INVALID },
    { ROUTE, "route = ( { to = \"*\"; via = [\"up:1000\", \"internet\"]; } );", "route[0].via",
        "cost", "NAME:COST", EV_CONF_INVALID },
    { ROUTE, "route = ( { to = \"*\"; via = [\"up:\"]; } );", "route[0].via", "cost", "NAME:COST",
        EV_CONF_INVALID },
    { ROUTE, "route = ( { to = \"a b\"; via = [\"up\"]; } );", "route[0].to", "no pattern", "slash",
        EV_CONF_INVALID },
    { ROUTE, "route = ( { to = \"*\"; via = [\"nowhere\"]; } );", "route[0].via", "nowhere",
        "connector", EV_CONF_INVALID },
    { ROUTE, "route = ( { to = \"*\"; via = [\"up\"]; }, { to = \"*\"; via = [\"internet\"]; } );",
        "route[1].to", "route already", "one of the two", EV_CONF_INVALID },
    { RETRY, "retry = { schedule = [\"soon\"]; };", "retry.schedule", "soon", "30s",
        EV_CONF_INVALID },
    { RETRY, "retry = { schedule = [\"1ms\"]; };", "retry.schedule", "1ms", "100ms",
        EV_CONF_INVALID },
    { CONNECTOR,
        "connector = { a123456789012345678901234567890123456789012345678901234567890123 = { "
        "protocol = \"smtp\"; }; up = { protocol = \"smtp\"; }; internet = { protocol = \"smtp\"; "
        "}; };",
        "connector", "longer than 63", "horten", EV_CONF_INVALID },
};

static void
each_fault_names_line_key_message_and_cure(void)
{
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        check_fault(good_lines, LINES, &faults[i]);
    }
}

static void
all_faults_of_a_file_are_reported(void)
{
    struct app_conf *conf;
    struct collected c;

    CU_ASSERT_EQUAL(load(&conf, CONNECTOR,
                        "connector = { up = { protocol = \"smtp\"; source = [\"192.0.2.98\"]; "
                        "next_hop = [\"a b\"]; }; };",
                        NULL, &c),
        BH_ECONFIG);
    /* source, next_hop, and two routes to a connector that is not there */
    CU_ASSERT_EQUAL(c.count, 4);
    CU_ASSERT_PTR_NOT_NULL(strstr(c.all, "192.0.2.98"));
    CU_ASSERT_PTR_NOT_NULL(strstr(c.all, "route[1].via"));
}

static void
the_clusters_vips_and_the_files_are_the_same_set(void)
{
    static const struct {
        const char *line, *vip;
        int rc;
        size_t count;
    } rows[] = {
        { "vip = [\"192.0.2.10\", \"2001:db8::10\"];", NULL, 0, 2 },
        { "vip = [\"192.0.2.10\", \"2001:db8::10\"];", "192.0.2.10,2001:db8::10", 0, 2 },
        { "vip = [\"192.0.2.10\", \"2001:db8::10\"];", "2001:db8:0::10, 192.0.2.10", 0, 2 },
        { "vip = [\"192.0.2.10\", \"2001:db8::10\"];", "192.0.2.10", BH_ECONFIG, 0 },
        { "vip = [\"192.0.2.10\"];", "192.0.2.10,2001:db8::10", BH_ECONFIG, 0 },
        { "vip = [\"192.0.2.10\"];", "192.0.2.11", BH_ECONFIG, 0 },
        { "vip = [\"192.0.2.10\", \"192.0.2.11\"];", "192.0.2.10,192.0.2.10", BH_ECONFIG, 0 },
        { "vip = [\"192.0.2.10\"];", "nonsense", BH_ECONFIG, 0 },
        { "", "192.0.2.10,2001:db8::10", 0, 2 },
        { "", "192.0.2.10,192.0.2.10", BH_ECONFIG, 0 },
        { "", "192.0.2.10,,", BH_ECONFIG, 0 },
        { "", NULL, BH_ECONFIG, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct app_conf *conf = NULL;
        struct collected c;
        int rc = load(&conf, VIP, rows[i].line, rows[i].vip, &c);

        if (rc != rows[i].rc || (rc == 0 && conf->vip_count != rows[i].count)) {
            printf("\n%s --vip %s: %d %s", rows[i].line, rows[i].vip, rc, c.all);
            CU_FAIL("the sets of VIPs");
        }
        if (rc == 0) {
            app_conf_free(conf);
        }
    }
}

static void
under_pacemaker_the_vips_may_be_the_clusters_alone(void)
{
    struct app_conf *conf;
    struct collected c;
    char path[128];
    static const char text[] = "hostname = \"mx.example.org\"; store = { path = \"/srv\"; };\n"
                               "cluster = { mode = \"pacemaker\"; };\n"
                               "listener = { mx = { protocol = \"smtp\"; port = 25; }; };\n";

    (void)snprintf(path, sizeof(path), "%s/cluster.conf", dir);
    CU_ASSERT_EQUAL_FATAL(io_write_file(path, slice_of(text), 0600), 0);
    memset(&c, 0, sizeof(c));
    CU_ASSERT_EQUAL_FATAL(app_conf_load(&conf, path, NULL, collect, &c), 0);
    CU_ASSERT_EQUAL(conf->vip_count, 0);
    CU_ASSERT_TRUE(conf->pacemaker);
    app_conf_free(conf);
    (void)unlink(path);
}

static void
the_files_name_is_the_instance(void)
{
    static const struct {
        const char *name;
        bool good;
    } rows[] = { { "a.conf", true }, { "a-b_C9.conf", true }, { "plain", true },
        { "two words.conf", false }, { ".conf", false }, { "a.b.conf", false },
        { "a12345678901234567890123456789012345678901234567890123456789012.conf", true },
        { "a123456789012345678901234567890123456789012345678901234567890123.conf", false } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct app_conf *conf = NULL;
        struct collected c = { 0 };
        char path[192], text[256];
        int n = snprintf(text, sizeof(text), "%s\n%s\n%s\n", good_lines[HOSTNAME], good_lines[VIP],
            good_lines[STORE]);
        int rc;

        (void)snprintf(path, sizeof(path), "%s/%s", dir, rows[i].name);
        CU_ASSERT_EQUAL_FATAL(io_write_file(path, (struct slice){ text, (size_t)n }, 0600), 0);
        rc = app_conf_load(&conf, path, NULL, collect, &c);
        if (rc != (rows[i].good ? 0 : BH_ECONFIG)) {
            printf("\n%s: %d %s", rows[i].name, rc, c.all);
            CU_FAIL("an instance's name");
        }
        if (rc == 0) {
            app_conf_free(conf);
        }
        (void)unlink(path);
    }
}

static void
a_file_that_is_not_there_is_an_error_of_the_configuration(void)
{
    struct collected c = { 0 };
    struct app_conf *conf;

    CU_ASSERT_EQUAL(app_conf_load(&conf, "/nowhere/relay.conf", NULL, collect, &c), BH_ECONFIG);
    CU_ASSERT_EQUAL(c.count, 1);
    CU_ASSERT_EQUAL(app_conf_error_event(&c.first), EV_CONF_UNREADABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(c.all, "/nowhere/relay.conf: "));
}

static const struct test_case cases[] = { TEST(a_good_file_is_taken_as_it_is_written),
    TEST(connectors_are_taken_by_cost), TEST(each_fault_names_line_key_message_and_cure),
    TEST(all_faults_of_a_file_are_reported), TEST(the_clusters_vips_and_the_files_are_the_same_set),
    TEST(under_pacemaker_the_vips_may_be_the_clusters_alone), TEST(the_files_name_is_the_instance),
    TEST(a_file_that_is_not_there_is_an_error_of_the_configuration) };

int
main(void)
{
    return conf_rig_main("app_conf", cases, ARRAY_LEN(cases));
}
