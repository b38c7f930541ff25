/* test_app_conf_x400.c - what an X.400 configuration is taken for, and each refusal of it. */
#include "app/app_conf.h"
#include "conf_rig.h"
#include <sys/stat.h>

enum line { START, X400, LISTENER, PARIS, OTHER, ROUTE, MORE, LINES };
static const char *const good_lines[LINES] = {
    [START] = "user = \"root\"; hostname = \"mx.example.org\"; vip = [\"192.0.2.10\"]; store = { "
              "path = \"/s\"; };",
    [X400] = "x400 = { domain = \"/C=GB/A=TEST/P=LONDON/\"; mta = \"LONDON\"; };",
    [LISTENER] = "listener = { p1 = { protocol = \"x400\"; }; };",
    [PARIS] = "connector = { paris = { protocol = \"x400\"; next_hop = [\"198.51.100.7\"]; "
              "remote = { mta = \"PARIS\"; }; };",
    [OTHER] = "up = { protocol = \"smtp\"; }; };",
    [ROUTE] =
        "route = ( { to = \"/C=FR/A=ATLAS/P=PARIS/\"; via = [\"paris\"]; }, { to = \"*\"; via = "
        "[\"up\"]; } );",
    [MORE] = "",
};

#define PARIS_IS(keys)                                                                             \
    "connector = { paris = { protocol = \"x400\"; next_hop = [\"198.51.100.7\"]; " keys " };"
#define NAMED(keys)  PARIS_IS("remote = { mta = \"PARIS\"; }; " keys)
#define REMOTE(keys) PARIS_IS("remote = { mta = \"PARIS\"; " keys " };")
#define LOCAL(keys)  NAMED("local = { " keys " };")
#define OTHER_IS(keys)                                                                             \
    "up = { protocol = \"smtp\"; }; rome = { protocol = \"x400\"; next_hop = "                     \
    "[\"h.example\"]; " keys " }; };"
#define OCTETS16 "0123456789ABCDEF"

static void
write_password(const char *name, const char *text, unsigned mode)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    CU_ASSERT_EQUAL_FATAL(io_write_file(path, slice_of(text), 0600), 0);
    CU_ASSERT_EQUAL_FATAL(chmod(path, mode), 0); /* whatever the umask */
}

static void
remove_password(const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    (void)unlink(path);
}

static int
load(struct app_conf **out, enum line which, const char *text, struct collected *c)
{
    int rc = load_lines(out, good_lines, LINES, which, text, NULL, c);

    if (rc < 0) {
        printf("\n%s", c->all);
    }
    return rc;
}

static bool
is(struct slice s, const char *text)
{
    return slice_eq(s, slice_of(text));
}

static void
what_is_not_said_has_its_default(void)
{
    const struct app_connector *o;
    struct app_conf *conf;
    struct collected c;

    CU_ASSERT_EQUAL_FATAL(load(&conf, MORE, NULL, &c), 0);
    CU_ASSERT_EQUAL(conf->listeners[0].protocol, APP_X400);
    CU_ASSERT_EQUAL(conf->listeners[0].port, 102);
    CU_ASSERT_TRUE(is(p1_text_slice(&conf->x400_domain.country), "GB"));
    CU_ASSERT_TRUE(is(p1_text_slice(&conf->x400_domain.admd), "TEST"));
    CU_ASSERT_TRUE(is(p1_text_slice(&conf->x400_domain.prmd), "LONDON"));
    CU_ASSERT_TRUE(conf->x400_domain.prmd.given);
    o = &conf->connectors[0];
    CU_ASSERT_EQUAL(o->hops[0].port, 102);
    CU_ASSERT_PTR_NULL(conf->connectors[1].x400);
    CU_ASSERT_EQUAL(conf->connectors[1].port, 25);
    CU_ASSERT_PTR_NOT_NULL_FATAL(o->x400);
    CU_ASSERT_EQUAL(o->x400->protocol, P1_1988_NORMAL);
    CU_ASSERT_STRING_EQUAL(o->x400->local.mta, "LONDON"); /* x400.mta */
    CU_ASSERT_STRING_EQUAL(o->x400->remote.mta, "PARIS");
    CU_ASSERT_EQUAL(o->x400->remote.password.n, 0);
    CU_ASSERT_EQUAL(o->x400->remote.selectors.t.n, 0);
    CU_ASSERT_EQUAL(o->x400->checkpoint, 30);
    CU_ASSERT_EQUAL(o->x400->window, 5);
    CU_ASSERT_FALSE(o->x400->two_way);
    CU_ASSERT_EQUAL(o->x400->recovery_ms, 60000);
    CU_ASSERT_FALSE(o->x400->recover);
    CU_ASSERT_EQUAL(o->x400->kib_ms[P1_URGENT], 1000);
    CU_ASSERT_EQUAL(o->x400->kib_ms[P1_NON_URGENT], 3000);
    CU_ASSERT_EQUAL(o->x400->expire_ms[P1_NORMAL], (uint64_t)7 * 24 * 3600 * 1000);
    CU_ASSERT_EQUAL(o->x400->schedule.kind, X400_ALWAYS);
    CU_ASSERT_EQUAL(o->x400->message_bytes_max, 100 * MIB); /* limits.message_size */
    CU_ASSERT_TRUE(conf->routes[0].is_or);
    CU_ASSERT_FALSE(conf->routes[1].is_or);
    app_conf_free(conf);
}

static void
what_is_said_is_taken(void)
{
    struct app_conf *conf;
    struct collected c;
    const struct app_x400 *x;
    char line[1024];

    write_password("ours", "swordfish\n", 0600);
    write_password("theirs", " two words", 0640);
    (void)snprintf(line, sizeof(line),
        PARIS_IS(
            "mode = \"x410\"; local = { mta = \"L2\"; password_file = \"%s/ours\"; tsel = "
            "\"ldn1\"; }; remote = { mta = \"PARIS\"; password_file = \"%s/theirs\"; tsel_hex = "
            "\"70617231\"; ssel_hex = \"00ff\"; }; rtse = { checkpoint = 0; window = 64; "
            "dialogue = \"twa\"; recovery = \"5min\"; "
            "recover = true; }; schedule = [\"remote-initiated\"]; "
            "message_size = \"1MiB\"; strip_bilateral = true; associations = { limit = 8; }; "
            "transfer = { urgent = \"500ms\"; }; expire = { non_urgent = \"1d\"; };"),
        dir, dir);
    CU_ASSERT_EQUAL_FATAL(load(&conf, PARIS, line, &c), 0);
    x = conf->connectors[0].x400;
    CU_ASSERT_EQUAL(x->protocol, P1_1988_X410);
    CU_ASSERT_STRING_EQUAL(x->local.mta, "L2");
    CU_ASSERT_TRUE(is(x->local.password, "swordfish"));
    CU_ASSERT_TRUE(is(x->remote.password, " two words"));
    CU_ASSERT_TRUE(is(x400_selector_slice(&x->local.selectors.t), "ldn1"));
    CU_ASSERT_TRUE(is(x400_selector_slice(&x->remote.selectors.t), "par1"));
    CU_ASSERT_TRUE(slice_eq(x400_selector_slice(&x->remote.selectors.s), SLICE_LIT("\0\xFF")));
    CU_ASSERT_EQUAL(x->checkpoint, 0);
    CU_ASSERT_EQUAL(x->window, 64);
    CU_ASSERT_TRUE(x->two_way);
    CU_ASSERT_TRUE(x->recover);
    CU_ASSERT_EQUAL(x->schedule.kind, X400_REMOTE_INITIATED);
    CU_ASSERT_EQUAL(x->message_bytes_max, MIB);
    CU_ASSERT_TRUE(x->strip_bilateral);
    CU_ASSERT_FALSE(x->strip_internal);
    CU_ASSERT_EQUAL(x->association_limit, 8);
    CU_ASSERT_EQUAL(x->association_incoming, 10);
    CU_ASSERT_EQUAL(conf->connectors[0].concurrency, 8); /* for the scheduler, whoever it asks */
    CU_ASSERT_EQUAL(conf->connectors[0].limit, 8);
    CU_ASSERT_EQUAL(x->kib_ms[P1_URGENT], 500);
    CU_ASSERT_EQUAL(x->kib_ms[P1_NORMAL], 2000);
    CU_ASSERT_EQUAL(x->expire_ms[P1_NON_URGENT], (uint64_t)24 * 3600 * 1000);
    app_conf_free(conf);
    remove_password("ours");
    remove_password("theirs");
}

static const struct fault_row faults[] = {
    { X400, "x400 = { domain = \"/C=GB/A=TEST/\"; };", "x400", "both required",
        "mta =", EV_CONF_INVALID },
    { X400, "x400 = { domain = \"/C=ENG/A=TEST/\"; mta = \"L\"; };", "x400.domain", "C:", "/C=GB",
        EV_CONF_INVALID },
    { X400, "x400 = { domain = \"/C=G/A=TEST/\"; mta = \"L\"; };", "x400.domain", "C:", "/C=GB",
        EV_CONF_INVALID },
    { X400, "x400 = { domain = \"/C=GB/A=SEVENTEEN-LETTERS/\"; mta = \"L\"; };", "x400.domain",
        "A:", "/C=GB", EV_CONF_INVALID },
    { X400, "x400 = { domain = \"/C=GB/A=T/P=SEVENTEEN-LETTERS/\"; mta = \"L\"; };", "x400.domain",
        "P:", "/C=GB", EV_CONF_INVALID },
    { X400, "x400 = { domain = \"/C=GB/A=TEST/O=Org/\"; mta = \"L\"; };", "x400.domain",
        "nothing else", "/C=GB", EV_CONF_INVALID },
    { X400, "x400 = { domain = \"/C=GB/P=LONDON/\"; mta = \"L\"; };", "x400.domain", "C and A",
        "/C=GB", EV_CONF_INVALID },
    { X400, "x400 = { domain = \"London\"; mta = \"L\"; };", "x400.domain", "", "/C=GB",
        EV_CONF_INVALID },
    { X400, "x400 = { domain = \"/C=GB/A=TEST/\"; mta = \"" OCTETS16 OCTETS16 "1\"; };", "x400.mta",
        "33", "32", EV_CONF_INVALID },
    { X400, "x400 = { domain = \"/C=GB/A=TEST/\"; mta = \"LØNDON\"; };", "x400.mta", "MTA name",
        "ASCII", EV_CONF_INVALID },
    { LISTENER, "listener = { p1 = { protocol = \"x400\"; checkpoint = true; }; };",
        "listener.p1.checkpoint", "not a key of an x400", "Remove", EV_CONF_INVALID },
    /* selectors */
    { PARIS, LOCAL("tsel = \"" OCTETS16 OCTETS16 "1\";"), "connector.paris.local.tsel", "33", "32",
        EV_CONF_INVALID },
    { PARIS, LOCAL("ssel = \"" OCTETS16 "1\";"), "connector.paris.local.ssel", "17", "16",
        EV_CONF_INVALID },
    { PARIS, LOCAL("psel_hex = \"" OCTETS16 OCTETS16 "12\";"), "connector.paris.local.psel_hex",
        "34", "32", EV_CONF_INVALID },
    { PARIS, REMOTE("tsel_hex = \"7\";"), "connector.paris.remote.tsel_hex", "hexadecimal",
        "two digits", EV_CONF_INVALID },
    { PARIS, REMOTE("tsel_hex = \"0x12\";"), "connector.paris.remote.tsel_hex", "hexadecimal",
        "two digits", EV_CONF_INVALID },
    { PARIS, REMOTE("tsel_hex = \"70 61 72\";"), "connector.paris.remote.tsel_hex", "hexadecimal",
        "two digits", EV_CONF_INVALID },
    { PARIS, REMOTE("ssel = \"a\"; ssel_hex = \"61\";"), "connector.paris.remote.ssel_hex",
        "as text as well", "one of the two", EV_CONF_INVALID },
    { PARIS, REMOTE("tsel = \"pär\";"), "connector.paris.remote.tsel", "printable", "_hex",
        EV_CONF_INVALID },
    { PARIS, REMOTE("psel = \"p\"; }; mode = \"1984\"; rtse = {"), "connector.paris.remote.psel",
        "no P-selector", "normal", EV_CONF_INVALID },
    /* names and passwords */
    { PARIS, PARIS_IS(""), "connector.paris.protocol", "remote.mta", "remote =", EV_CONF_INVALID },
    { PARIS, REMOTE("password_file = \"/nowhere/pw\";"), "connector.paris.remote.password_file",
        "No such file", "chmod 640", EV_CONF_INVALID },
    { PARIS, REMOTE("password_file = \"pw\";"), "connector.paris.remote.password_file",
        "not absolute", "absolute", EV_CONF_INVALID },
    { PARIS, REMOTE("password_file = \"/tmp\";"), "connector.paris.remote.password_file",
        "is not a file", "one line", EV_CONF_INVALID },
    /* keys of the other protocol */
    { PARIS, NAMED("concurrency = 5;"), "connector.paris.concurrency", "not a key of an x400",
        "associations", EV_CONF_INVALID },
    { PARIS, NAMED("idle = \"5s\";"), "connector.paris.idle", "not a key of an x400",
        "associations", EV_CONF_INVALID },
    { OTHER, "up = { protocol = \"smtp\"; mode = \"normal\"; }; };", "connector.up.mode",
        "not a key of an smtp", "x400", EV_CONF_INVALID },
    { OTHER, "up = { protocol = \"lmtp\"; next_hop = [\"a.b\"]; remote = { mta = \"X\"; }; }; };",
        "connector.up.remote", "not a key of an lmtp", "x400", EV_CONF_INVALID },
    /* calling */
    { PARIS, "connector = { paris = { protocol = \"x400\"; remote = { mta = \"P\"; }; };",
        "connector.paris.protocol", "next_hop", "never", EV_CONF_INVALID },
    { PARIS, NAMED("schedule = [\"Mon-Fri 8-18\"];"), "connector.paris.schedule", "Mon-Fri 8-18",
        "08:00-18:00", EV_CONF_INVALID },
    { PARIS, NAMED("schedule = [\"never\", \"08:00-09:00\"];"), "connector.paris.schedule", "alone",
        "windows", EV_CONF_INVALID },
    { PARIS, NAMED("schedule = [\"remote-initiated\"];"), "connector.paris.schedule", "turn", "twa",
        EV_CONF_INVALID },
    { PARIS, NAMED("rtse = { checkpoint = 4097; };"), "connector.paris.rtse.checkpoint", "4097",
        "4096", EV_CONF_INVALID },
    /* routes */
    { ROUTE, "route = ( { to = \"/C=FR/A=ATLAS/\"; via = [\"up\"]; } );", "route[0].via",
        "no x400 connector", "x400 connector", EV_CONF_INVALID },
    { ROUTE, "route = ( { to = \"example.org\"; via = [\"paris\"]; } );", "route[0].via",
        "x400 connector paris", "address space", EV_CONF_INVALID },
    { ROUTE, "route = ( { to = \"*\"; via = [\"paris\"]; } );", "route[0].via",
        "x400 connector paris", "address space", EV_CONF_INVALID },
    { ROUTE, "route = ( { to = \"/C=FRA/A=ATLAS/\"; via = [\"paris\"]; } );", "route[0].to",
        "C:", "/C=FR", EV_CONF_INVALID },
    { ROUTE, "route = ( { to = \"/C=FR/X=1/\"; via = [\"paris\"]; } );", "route[0].to", "X",
        "/C=FR", EV_CONF_INVALID },
    { ROUTE, "route = ( { to = \"/C=FR/P=SEVENTEEN-LETTERS/\"; via = [\"paris\"]; } );",
        "route[0].to", "P:", "/C=FR", EV_CONF_INVALID },
    { ROUTE, "route = ( { to = \"/C=FR/A=X/\"; via = [\"paris\", \"paris:9\"]; } );", "route[0].to",
        "twice", "/C=FR", EV_CONF_INVALID },
    /* two connectors that one association could belong to */
    { OTHER, OTHER_IS("remote = { mta = \"PARIS\"; };"), "connector.rome.remote.mta",
        "connector paris", "local.tsel", EV_CONF_INVALID },
    { OTHER, OTHER_IS("remote = { mta = \"PARIS\"; tsel = \"x\"; }; mode = \"x410\";"),
        "connector.rome.remote.mta", "connector paris", "local.tsel", EV_CONF_INVALID },
};

static void
each_fault_names_line_key_message_and_cure(void)
{
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        check_fault(good_lines, LINES, &faults[i]);
    }
}

/* A value that any row of this type takes, as far as its type goes. */
static const char *
value_of(const struct conf_key *key, char out[64])
{
    static const char *const values[] = { [CONF_STRING] = "\"a\"",
        [CONF_INT] = "5",
        [CONF_BOOL] = "true",
        [CONF_DURATION] = "\"10s\"",
        [CONF_SIZE] = "\"1MiB\"",
        [CONF_STRINGS] = "[\"always\"]",
        [CONF_GROUP] = "{ }" };

    if (key->type == CONF_ENUM) {
        (void)snprintf(out, 64, "\"%.*s\"", (int)strcspn(key->choices, "|"), key->choices);
        return out;
    }
    return values[key->type];
}

static bool
is_fault(enum line which, const char *start, const char *key, const char *value, const char *end)
{
    struct app_conf *conf;
    struct collected c;
    char line[512];

    (void)snprintf(line, sizeof(line), "%s %s = %s; %s", start, key, value, end);
    if (load_lines(&conf, good_lines, LINES, which, line, NULL, &c) < 0) {
        return strstr(c.all, "is not a key of an") != NULL;
    }
    app_conf_free(conf);
    return false;
}

/* So that a new row is not forgotten in the lists of which keys are whose. */
static void
each_key_of_a_connector_is_one_protocols_or_all(void)
{
    static const char *const all[] = { "protocol", "next_hop", "source", "port", "down_after",
        "in_doubt", "connect_timeout" };
    size_t rows;
    const struct conf_key *table = app_conf_table(&rows);

    for (size_t i = 0; i < rows; i++) {
        const char *name = table[i].path + strlen("connector.*.");
        bool common = false, smtp, x400;
        char text[64];

        if (strncmp(table[i].path, "connector.*.", 12) != 0 || strchr(name, '.') != NULL) {
            continue;
        }
        for (size_t k = 0; k < ARRAY_LEN(all); k++) {
            common = common || strcmp(name, all[k]) == 0;
        }
        if (common) {
            continue;
        }
        smtp = is_fault(
            OTHER, "up = { protocol = \"smtp\";", name, value_of(&table[i], text), "}; };");
        x400 = is_fault(PARIS,
            "connector = { paris = { protocol = \"x400\"; next_hop = [\"h.example\"];", name,
            value_of(&table[i], text), "};");
        if (smtp == x400) {
            printf("\n%s", table[i].path);
            CU_FAIL("a key is in none of the lists of app_conf_x400.c");
        }
    }
}

static void
names_of_our_own_are_asked_for_once(void)
{
    struct app_conf *conf;
    struct collected c;

    CU_ASSERT_EQUAL(load_lines(&conf, good_lines, LINES, X400, "", NULL, &c), BH_ECONFIG);
    CU_ASSERT_EQUAL(c.count, 1);
    CU_ASSERT_EQUAL(c.first.line, LISTENER + 1);
    CU_ASSERT_STRING_EQUAL(c.first.key, "listener.p1.protocol");
    CU_ASSERT_PTR_NOT_NULL(strstr(c.first.cure, "x400 = {"));
}

static void
connectors_are_told_apart_by_selectors_name_or_password(void)
{
    static const char *const others[] = {
        OTHER_IS("remote = { mta = \"ROME\"; };"),
        OTHER_IS("remote = { mta = \"PARIS\"; }; local = { tsel = \"2\"; };"),
        OTHER_IS("remote = { mta = \"PARIS\"; }; local = { psel_hex = \"02\"; };"),
        OTHER_IS("remote = { mta = \"\"; }; local = { tsel = \"3\"; };"),
        OTHER_IS("remote = { mta = \"\"; }; local = { ssel = \"3\"; };"),
        OTHER_IS("remote = { mta = \"\"; from = [\"192.0.2.0/24\", \"2001:db8::/32\"]; };"),
        "up = { protocol = \"smtp\"; }; rome = { protocol = \"x400\"; schedule = [\"never\"]; "
        "remote "
        "= { mta = \"R\"; }; }; };",
    };

    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        struct app_conf *conf;
        struct collected c;

        CU_ASSERT_EQUAL_FATAL(load(&conf, OTHER, others[i], &c), 0);
        CU_ASSERT_EQUAL(conf->connector_count, 3);
        app_conf_free(conf);
    }
}

static void
a_password_that_others_can_read_or_that_is_none_is_refused(void)
{
    static const struct {
        const char *text;
        unsigned mode;
        const char *message;
    } rows[] = {
        { "secret\n", 0644, "open to everyone (mode 0644)" },
        { "secret\n", 0642, "open to everyone" },
        { "secret\n", 0601, "open to everyone" },
        { "", 0600, "empty" },
        { "one\ntwo\n", 0600, "more than one line" },
        { "0123456789012345678901234567890123456789012345678901234567890123456", 0600, "limit" },
    };
    char line[512];

    (void)snprintf(line, sizeof(line), REMOTE("password_file = \"%s/pw\";"), dir);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct fault_row f = { PARIS, line, "connector.paris.remote.password_file",
            rows[i].message, "chmod 640", EV_CONF_INVALID };

        write_password("pw", rows[i].text, rows[i].mode);
        check_fault(good_lines, LINES, &f);
    }
    remove_password("pw");
}

static void
a_password_that_the_servers_account_cannot_read_is_refused(void)
{
    static const char start[] = "user = \"nobody\"; hostname = \"mx.example.org\"; vip = "
                                "[\"192.0.2.10\"]; store = { path = \"/s\"; };";
    const char *lines[LINES];
    char line[512];
    const struct fault_row f = { PARIS, line, "connector.paris.remote.password_file",
        "the account nobody of the server cannot read", "chown root:nobody", EV_CONF_INVALID };

    if (geteuid() != 0) { /* what root can read is no question then */
        return;
    }
    memcpy(lines, good_lines, sizeof(lines));
    lines[START] = start;
    (void)snprintf(line, sizeof(line), REMOTE("password_file = \"%s/pw\";"), dir);
    write_password("pw", "secret\n", 0640);
    check_fault(lines, LINES, &f);
    remove_password("pw");
}

static void
who_says_nothing_at_all_is_told_by_its_address(void)
{
    static const struct fault_row rows[] = {
        { PARIS, PARIS_IS("remote = { mta = \"\"; };"), "connector.paris.remote.mta",
            "whoever calls", "local.tsel", EV_CONF_INVALID },
        { PARIS, PARIS_IS("remote = { mta = \"\"; }; local = { ssel = \"1\"; }; mode = \"x410\";"),
            "connector.paris.remote.mta", "in this mode", "remote.from", EV_CONF_INVALID },
        { PARIS, REMOTE("from = [\"192.0.2.1/24\"];"), "connector.paris.remote.from",
            "not a network", "ADDRESS/BITS", EV_CONF_INVALID },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check_fault(good_lines, LINES, &rows[i]);
    }
}

static void
a_password_without_a_name_is_refused(void)
{
    char line[512];
    struct fault_row f = { PARIS, line, "connector.paris.remote.password_file", "without",
        "name too", EV_CONF_INVALID };

    (void)snprintf(
        line, sizeof(line), PARIS_IS("remote = { mta = \"\"; password_file = \"%s/pw\"; };"), dir);
    write_password("pw", "secret\n", 0600);
    check_fault(good_lines, LINES, &f);
    remove_password("pw");
}

struct said {
    size_t count;
    char lines[8][1024];
};

static void
say(void *ctx, const char *line)
{
    struct said *s = ctx;

    CU_ASSERT_FATAL(s->count < ARRAY_LEN(s->lines));
    (void)snprintf(s->lines[s->count++], sizeof(s->lines[0]), "%s", line);
}

static void
check_says_what_it_understood_and_no_password(void)
{
    static struct said said;
    struct app_conf *conf;
    struct collected c;
    char line[512];

    (void)snprintf(line, sizeof(line),
        REMOTE("password_file = \"%s/pw\"; tsel_hex = \"70617231\"; ssel_hex = \"0001\";"), dir);
    write_password("pw", "swordfish\n", 0600);
    CU_ASSERT_EQUAL_FATAL(load(&conf, PARIS, line, &c), 0);
    app_conf_describe(conf, say, &said);
    CU_ASSERT_EQUAL_FATAL(said.count, 5);
    CU_ASSERT_STRING_EQUAL(said.lines[0], "listener p1: x400 at [192.0.2.10]:102");
    CU_ASSERT_STRING_EQUAL(said.lines[1],
        "connector paris: x400 to [198.51.100.7]:102, from 192.0.2.10; normal mode, monologue; we "
        "are LONDON, without a password, T-selector none, S-selector none, P-selector none; the "
        "peer is PARIS, with a password, T-selector \"par1\", S-selector 0x0001, P-selector none; "
        "calls at any time");
    CU_ASSERT_STRING_EQUAL(
        said.lines[2], "connector up: smtp to the hosts of the domain (MX), from 192.0.2.10");
    CU_ASSERT_STRING_EQUAL(said.lines[3], "route /C=FR/A=ATLAS/P=PARIS/: paris (cost 1)");
    CU_ASSERT_STRING_EQUAL(said.lines[4], "route *: up (cost 1)");
    for (size_t i = 0; i < said.count; i++) {
        CU_ASSERT_PTR_NULL(strstr(said.lines[i], "swordfish"));
    }
    app_conf_free(conf);
    remove_password("pw");
}

static const struct test_case cases[] = { TEST(what_is_not_said_has_its_default),
    TEST(what_is_said_is_taken), TEST(each_fault_names_line_key_message_and_cure),
    TEST(each_key_of_a_connector_is_one_protocols_or_all),
    TEST(names_of_our_own_are_asked_for_once),
    TEST(connectors_are_told_apart_by_selectors_name_or_password),
    TEST(a_password_that_others_can_read_or_that_is_none_is_refused),
    TEST(a_password_that_the_servers_account_cannot_read_is_refused),
    TEST(who_says_nothing_at_all_is_told_by_its_address),
    TEST(a_password_without_a_name_is_refused),
    TEST(check_says_what_it_understood_and_no_password) };

int
main(void)
{
    return conf_rig_main("app_conf_x400", cases, ARRAY_LEN(cases));
}
