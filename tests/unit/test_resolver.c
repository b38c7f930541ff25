#include "net/resolver.h"

#include "test_main.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a name server: one thread, one UDP socket, one table */

enum { A = 1, MX = 15, AAAA = 28, CNAME = 5 };
enum { NODATA = -1, NXDOMAIN = 3, SERVFAIL = 2, SILENT = -2 };

static const struct row {
    const char *name;
    int type;
    int code;         /* instead of data */
    const char *data; /* address, or "preference host" */
} zone[] = {
    { "example.org", MX, 0, "20 back.example.org" },
    { "example.org", MX, 0, "10 mx.example.org" },
    { "example.org", MX, 0, "30 noaddress.example.org" },
    { "mx.example.org", A, 0, "192.0.2.1" },
    { "mx.example.org", A, 0, "192.0.2.2" },
    { "mx.example.org", AAAA, 0, "2001:db8::1" },
    { "back.example.org", A, 0, "192.0.2.9" },
    { "nomx.example.org", A, 0, "192.0.2.3" },
    { "nullmx.example.org", MX, 0, "0 ." },
    { "alias.example.org", CNAME, 0, "nomx.example.org" },
    { "broken.example.org", MX, SERVFAIL, NULL },
    { "brokenhost.example.org", MX, 0, "10 servfail.example.org" },
    { "halfbroken.example.org", MX, 0, "10 servfail.example.org" },
    { "halfbroken.example.org", MX, 0, "20 mx.example.org" },
    { "servfail.example.org", A, SERVFAIL, NULL },
    { "servfail.example.org", AAAA, SERVFAIL, NULL },
    { "deadhosts.example.org", MX, 0, "10 missing.example.org" },
    { "silent.example.org", MX, SILENT, NULL },
    { "silenthost.example.org", MX, 0, "10 quiet.example.org" },
    { "quiet.example.org", A, 0, "192.0.2.4" },
    { "quiet.example.org", AAAA, SILENT, NULL },
    { "equal.example.org", MX, 0, "5 a.example.org" },
    { "equal.example.org", MX, 0, "5 b.example.org" },
    { "a.example.org", A, 0, "192.0.2.11" },
    { "b.example.org", A, 0, "192.0.2.12" },
    { "relay.test", A, 0, "192.0.2.13" },
    { "relay.home.arpa", A, 0, "192.0.2.14" },
};

struct server {
    int fd;
    struct netaddr address;
    pthread_t thread;
    _Atomic unsigned asked;
    _Atomic uint32_t last_client; /* IPv4, network order */
    atomic_bool silent;
};

static size_t
put_name(uint8_t *out, const char *name)
{
    size_t n = 0;

    while (*name != '\0' && strcmp(name, ".") != 0) {
        size_t label = strcspn(name, ".");

        out[n++] = (uint8_t)label;
        memcpy(out + n, name, label);
        n += label;
        name += label + (name[label] == '.');
    }
    out[n++] = 0;
    return n;
}

static size_t
get_name(const uint8_t *in, char *out)
{
    size_t at = 0, n = 0;

    while (in[at] != 0) {
        memcpy(out + n, in + at + 1, in[at]);
        n += in[at];
        out[n++] = '.';
        at += in[at] + 1u;
    }
    out[n > 0 ? n - 1 : 0] = '\0';
    return at + 1;
}

static size_t
put_record(uint8_t *out, const struct row *row)
{
    static const uint8_t class_ttl[] = { 0, 1, 0, 0, 0, 60 };
    size_t n = put_name(out, row->name), length_at, data_at;
    struct netaddr address;

    out[n++] = 0;
    out[n++] = (uint8_t)row->type;
    memcpy(out + n, class_ttl, sizeof(class_ttl));
    n += sizeof(class_ttl);
    length_at = n;
    n += 2;
    data_at = n;
    if (row->type == MX) {
        char *end;
        long preference = strtol(row->data, &end, 10);

        out[n++] = 0;
        out[n++] = (uint8_t)preference;
        n += put_name(out + n, end + 1);
    } else if (row->type == CNAME) {
        n += put_name(out + n, row->data);
    } else if (netaddr_parse(slice_of(row->data), &address) == 0) {
        memcpy(out + n, address.bytes, row->type == A ? 4 : 16);
        n += row->type == A ? 4 : 16;
    }
    out[length_at] = 0;
    out[length_at + 1] = (uint8_t)(n - data_at);
    return n;
}

/* The answer to the question in packet (of n bytes); 0: none. */
static size_t
answer(uint8_t *packet)
{
    char name[256];
    size_t n = 12 + get_name(packet + 12, name);
    int type = packet[n + 1];
    int code = NXDOMAIN;
    uint8_t count = 0;
    bool alias = true;

    n += 4;
    for (int follow = 0; follow < 2 && alias; follow++) {
        alias = false;
        for (size_t i = 0; i < ARRAY_LEN(zone); i++) {
            const struct row *row = &zone[i];

            if (strcasecmp(row->name, name) != 0) {
                continue;
            }
            code = code == NXDOMAIN ? 0 : code;
            if (row->type == type || (row->type == CNAME && follow == 0)) {
                if (row->data == NULL) {
                    code = row->code;
                    break;
                }
                n += put_record(packet + n, row);
                count++;
                if (row->type == CNAME) {
                    (void)snprintf(name, sizeof(name), "%s", row->data);
                    alias = true;
                    break;
                }
            }
        }
    }
    if (code == SILENT || strncmp(name, "mute", 4) == 0) {
        return 0;
    }
    packet[2] = 0x85;
    packet[3] = (uint8_t)(0x80 | code);
    packet[7] = count;
    memset(packet + 8, 0, 4);
    return n;
}

static void *
server_run(void *arg)
{
    struct server *s = arg;

    for (;;) {
        uint8_t packet[2048] = { 0 };
        struct sockaddr_in from = { 0 };
        socklen_t from_bytes = sizeof(from);
        ssize_t got = recvfrom(s->fd, packet, 512, 0, (struct sockaddr *)&from, &from_bytes);
        size_t n;

        if (got < 12) {
            return NULL; /* shut down */
        }
        s->asked++;
        s->last_client = from.sin_addr.s_addr;
        n = s->silent ? 0 : answer(packet);
        if (n > 0) {
            (void)!sendto(s->fd, packet, n, 0, (struct sockaddr *)&from, from_bytes);
        }
    }
}

static void
server_start(struct server *s, const char *address)
{
    struct sockaddr_storage sa;
    socklen_t n;

    memset(s, 0, sizeof(*s));
    CU_ASSERT_EQUAL_FATAL(netaddr_parse(slice_of(address), &s->address), 0);
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_FATAL(s->fd >= 0);
    n = netaddr_to_sockaddr(&s->address, &sa);
    CU_ASSERT_EQUAL_FATAL(bind(s->fd, (struct sockaddr *)&sa, n), 0);
    n = sizeof(sa);
    CU_ASSERT_EQUAL_FATAL(getsockname(s->fd, (struct sockaddr *)&sa, &n), 0);
    CU_ASSERT_EQUAL_FATAL(netaddr_from_sockaddr((struct sockaddr *)&sa, &s->address), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&s->thread, NULL, server_run, s), 0);
}

static void
server_stop(struct server *s)
{
    struct sockaddr_storage sa;
    socklen_t n = netaddr_to_sockaddr(&s->address, &sa);

    CU_ASSERT_EQUAL(sendto(s->fd, "", 0, 0, (struct sockaddr *)&sa, n), 0);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

/* ---- the rig */

struct rig {
    struct loop *loop;
    struct server server;
    struct resolver *resolver;
    unsigned called;
    unsigned stop_at;
    int status;
    struct resolver_answer answer;
    struct resolver_query *query;
    bool free_in_callback;
};

static void
on_done(void *ctx, int status, const struct resolver_answer *a)
{
    struct rig *r = ctx;

    r->called++;
    r->status = status;
    CU_ASSERT_EQUAL(a != NULL, status == 0);
    if (a != NULL) {
        r->answer = *a;
    }
    if (r->free_in_callback) {
        resolver_free(r->resolver);
        r->resolver = NULL;
    }
    if (r->called >= r->stop_at) {
        loop_stop(r->loop);
    }
}

static void
rig_start_at(struct rig *r, const char *server, const struct netaddr *sources, size_t count,
    uint64_t timeout_ms)
{
    struct resolver_options o = { .timeout_ms = timeout_ms };

    memset(r, 0, sizeof(*r));
    r->stop_at = 1;
    server_start(&r->server, server);
    o.servers = &r->server.address;
    o.server_count = 1;
    o.sources = sources;
    o.source_count = count;
    CU_ASSERT_EQUAL_FATAL(loop_new(&r->loop), 0);
    CU_ASSERT_EQUAL_FATAL(resolver_new(&r->resolver, r->loop, &o), 0);
}

static void
rig_start(struct rig *r)
{
    rig_start_at(r, "127.0.0.1", NULL, 0, 600000);
}

static void
rig_stop(struct rig *r)
{
    resolver_free(r->resolver);
    loop_free(r->loop);
    server_stop(&r->server);
}

static int
rig_mx(struct rig *r, const char *domain)
{
    memset(&r->answer, 0, sizeof(r->answer));
    CU_ASSERT_EQUAL_FATAL(resolver_mx(&r->query, r->resolver, slice_of(domain), on_done, r), 0);
    loop_run(r->loop);
    return r->status;
}

static int
rig_addresses(struct rig *r, const char *name)
{
    memset(&r->answer, 0, sizeof(r->answer));
    CU_ASSERT_EQUAL_FATAL(
        resolver_addresses(&r->query, r->resolver, slice_of(name), on_done, r), 0);
    loop_run(r->loop);
    return r->status;
}

static const char *
text(const struct resolver_answer *a, unsigned host, unsigned address)
{
    static char out[NETADDR_TEXT_CAP];

    if (host >= a->host_count || address >= a->hosts[host].address_count) {
        return "none";
    }
    netaddr_text(&a->hosts[host].addresses[address], out);
    return out;
}

static void
hosts_come_by_preference_with_their_addresses(void)
{
    struct rig r;

    rig_start(&r);
    CU_ASSERT_EQUAL(rig_mx(&r, "Example.ORG."), 0);
    CU_ASSERT_EQUAL(r.answer.host_count, 2); /* the one without address is left out */
    CU_ASSERT_STRING_EQUAL(r.answer.hosts[0].name, "mx.example.org");
    CU_ASSERT_EQUAL(r.answer.hosts[0].preference, 10);
    CU_ASSERT_EQUAL(r.answer.hosts[0].address_count, 3);
    CU_ASSERT_STRING_EQUAL(text(&r.answer, 0, 0), "2001:db8::1");
    CU_ASSERT_STRING_EQUAL(r.answer.hosts[1].name, "back.example.org");
    CU_ASSERT_STRING_EQUAL(text(&r.answer, 1, 0), "192.0.2.9");
    CU_ASSERT_FALSE(r.answer.implicit_mx || r.answer.null_mx);
    rig_stop(&r);
}

static void
without_mx_it_is_the_domain_itself(void)
{
    struct rig r;

    rig_start(&r);
    CU_ASSERT_EQUAL(rig_mx(&r, "nomx.example.org"), 0);
    CU_ASSERT_TRUE(r.answer.implicit_mx);
    CU_ASSERT_EQUAL(r.answer.host_count, 1);
    CU_ASSERT_STRING_EQUAL(text(&r.answer, 0, 0), "192.0.2.3");
    CU_ASSERT_EQUAL(rig_mx(&r, "alias.example.org"), 0); /* a CNAME is followed */
    CU_ASSERT_STRING_EQUAL(text(&r.answer, 0, 0), "192.0.2.3");
    rig_stop(&r);
}

static void
a_null_mx_takes_no_mail(void)
{
    struct rig r;

    rig_start(&r);
    CU_ASSERT_EQUAL(rig_mx(&r, "nullmx.example.org"), 0);
    CU_ASSERT_TRUE(r.answer.null_mx);
    CU_ASSERT_EQUAL(r.answer.host_count, 0);
    rig_stop(&r);
}

static void
failures_are_permanent_or_temporary(void)
{
    static const struct {
        const char *domain;
        int status;
    } rows[] = {
        { "missing.example.org", BH_EDNS_NONE },
        { "broken.example.org", BH_EDNS_TEMP },
        { "brokenhost.example.org", BH_EDNS_TEMP },
        { "halfbroken.example.org", 0 }, /* the other host has an address */
        { "deadhosts.example.org", BH_EDNS_NONE },
    };
    struct rig r;

    rig_start(&r);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CU_ASSERT_EQUAL(rig_mx(&r, rows[i].domain), rows[i].status);
    }
    CU_ASSERT_EQUAL(rig_addresses(&r, "missing.example.org"), BH_EDNS_NONE);
    CU_ASSERT_EQUAL(rig_addresses(&r, "servfail.example.org"), BH_EDNS_TEMP);
    CU_ASSERT_EQUAL(rig_addresses(&r, "mx.example.org"), 0);
    CU_ASSERT_EQUAL(r.answer.hosts[0].address_count, 3);
    rig_stop(&r);
}

static void
special_names_are_the_servers_to_answer(void)
{
    struct rig r;

    rig_start(&r);
    CU_ASSERT_EQUAL(rig_addresses(&r, "relay.test"), 0);
    CU_ASSERT_EQUAL(rig_addresses(&r, "relay.home.arpa"), 0);
    CU_ASSERT_EQUAL(rig_addresses(&r, "localhost"), 0); /* answered inside ub_resolve_event */
    CU_ASSERT_STRING_EQUAL(text(&r.answer, 0, 0), "::1");
    CU_ASSERT_STRING_EQUAL(text(&r.answer, 0, 1), "127.0.0.1");
    rig_stop(&r);
}

static void
equal_preferences_are_shuffled(void)
{
    struct rig r;
    bool seen[2] = { false, false };

    rig_start(&r);
    for (int i = 0; i < 100 && !(seen[0] && seen[1]); i++) {
        CU_ASSERT_EQUAL_FATAL(rig_mx(&r, "equal.example.org"), 0);
        seen[r.answer.hosts[0].name[0] - 'a'] = true;
    }
    CU_ASSERT_TRUE(seen[0] && seen[1]);
    CU_ASSERT_EQUAL(r.server.asked, 5); /* the cache knew the rest */
    rig_stop(&r);
}

static void
a_lookup_ends_at_its_time_with_what_is_known(void)
{
    struct rig r;

    rig_start_at(&r, "127.0.0.1", NULL, 0, 50);
    CU_ASSERT_EQUAL(rig_mx(&r, "silent.example.org"), BH_EDNS_TEMP);
    CU_ASSERT_EQUAL(rig_mx(&r, "silenthost.example.org"), 0);
    CU_ASSERT_STRING_EQUAL(text(&r.answer, 0, 0), "192.0.2.4");
    rig_stop(&r); /* with questions under way, which ub_ctx_delete calls back */
}

static void
many_lookups_at_once_all_end(void)
{
    struct rig r;

    rig_start(&r);
    r.stop_at = 3000;
    for (int i = 0; i < 3000; i++) {
        char name[64];
        struct resolver_query *q;

        (void)snprintf(name, sizeof(name), i % 2 == 0 ? "n%d.example.org" : "mx.example.org", i);
        CU_ASSERT_EQUAL_FATAL(resolver_mx(&q, r.resolver, slice_of(name), on_done, &r), 0);
    }
    loop_run(r.loop);
    CU_ASSERT_EQUAL(r.called, 3000);
    rig_stop(&r);
}

static void
silent_names_do_not_hold_up_the_others(void)
{
    struct rig r;
    struct resolver_query *q;

    rig_start(&r);
    for (int i = 0; i < 1500; i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "mute%d.example.org", i);
        CU_ASSERT_EQUAL_FATAL(resolver_mx(&q, r.resolver, slice_of(name), on_done, &r), 0);
    }
    CU_ASSERT_EQUAL(rig_mx(&r, "example.org"), 0);
    CU_ASSERT_EQUAL(r.called, 1);
    rig_stop(&r);
}

static void
a_cancelled_lookup_does_not_call_back(void)
{
    struct rig r;
    struct resolver_query *q;

    rig_start(&r);
    CU_ASSERT_EQUAL_FATAL(
        resolver_mx(&q, r.resolver, SLICE_LIT("silent.example.org"), on_done, &r), 0);
    resolver_cancel(q); /* not begun */
    CU_ASSERT_EQUAL_FATAL(
        resolver_mx(&q, r.resolver, SLICE_LIT("silent.example.org"), on_done, &r), 0);
    CU_ASSERT_EQUAL(rig_mx(&r, "example.org"), 0);
    resolver_cancel(q); /* on the wire */
    CU_ASSERT_EQUAL(r.called, 1);
    CU_ASSERT_EQUAL(resolver_mx(&q, r.resolver, SLICE_LIT("not a host"), on_done, &r), BH_ESYNTAX);
    r.free_in_callback = true;
    CU_ASSERT_EQUAL(rig_mx(&r, "nomx.example.org"), 0);
    rig_stop(&r);
}

#define PIPES 32
struct ear {
    struct ears *all;
    struct loop_poll *poll;
    int fds[2];
};
struct ears {
    struct loop *loop;
    struct ear ear[PIPES];
    unsigned heard;
    struct loop_timer give_up;
};

static void
on_heard(void *ctx, int status, unsigned events)
{
    struct ear *e = ctx;
    char c;

    (void)status;
    (void)events;
    CU_ASSERT_EQUAL(read(e->fds[0], &c, 1), 1);
    if (++e->all->heard == PIPES) {
        loop_stop(e->all->loop);
    }
}

static void
on_give_up(void *ctx)
{
    struct ears *e = ctx;

    loop_stop(e->loop);
}

/* libunbound closes a socket long before it frees the event that watched it. Whoever gets the
 * number in between must not become deaf when it does. */
static void
a_reused_descriptor_stays_heard_when_the_resolver_goes(void)
{
    struct rig r;
    struct ears e = { .heard = 0 };

    rig_start(&r);
    CU_ASSERT_EQUAL(rig_mx(&r, "example.org"), 0);
    e.loop = r.loop;
    for (size_t i = 0; i < PIPES; i++) {
        struct ear *ear = &e.ear[i];

        ear->all = &e;
        CU_ASSERT_EQUAL_FATAL(pipe2(ear->fds, O_NONBLOCK | O_CLOEXEC), 0);
        CU_ASSERT_EQUAL_FATAL(loop_poll_new(r.loop, &ear->poll, ear->fds[0], on_heard, ear), 0);
        CU_ASSERT_EQUAL_FATAL(loop_poll_set(ear->poll, LOOP_READABLE), 0);
    }
    CU_ASSERT_EQUAL(rig_mx(&r, "localhost"), 0); /* a turn, which makes epoll know them */
    resolver_free(r.resolver);
    r.resolver = NULL;
    for (size_t i = 0; i < PIPES; i++) {
        CU_ASSERT_EQUAL(write(e.ear[i].fds[1], "x", 1), 1);
    }
    loop_timer_init(r.loop, &e.give_up, on_give_up, &e);
    loop_timer_start(&e.give_up, 10000);
    loop_run(r.loop);
    loop_timer_stop(&e.give_up);
    CU_ASSERT_EQUAL(e.heard, PIPES);
    for (size_t i = 0; i < PIPES; i++) {
        loop_poll_free(e.ear[i].poll);
        close(e.ear[i].fds[0]);
        close(e.ear[i].fds[1]);
    }
    rig_stop(&r);
}

/* ---- where the questions leave from, in a network namespace of our own */

static bool
in_namespace(void)
{
    static int state; /* 0: not tried, 1: in, -1: not permitted */

    if (state == 0) {
        state = unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 ? 1 : -1;
        if (state < 0) {
            printf("(no network namespace permitted: skipped) ");
        }
    }
    return state > 0;
}

static void
questions_leave_from_the_vip_or_not_at_all(void)
{
    struct rig r;
    struct netaddr vips[2];
    struct resolver_query *q;
    struct netaddr client = { .family = AF_INET };
    uint32_t raw;

    if (!in_namespace()) {
        return;
    }
    CU_ASSERT_EQUAL_FATAL(system("ip link set lo up && ip addr add 192.0.2.53/24 dev lo && "
                                 "ip addr add 198.51.100.1/32 dev lo"),
        0);
    CU_ASSERT_EQUAL_FATAL(netaddr_parse(SLICE_LIT("192.0.2.10"), &vips[0]), 0);
    CU_ASSERT_EQUAL_FATAL(netaddr_parse(SLICE_LIT("198.51.100.1"), &vips[1]), 0);

    rig_start_at(&r, "192.0.2.53", NULL, 0, 600000);
    CU_ASSERT_EQUAL(rig_mx(&r, "example.org"), BH_ENOVIP);
    CU_ASSERT_EQUAL(r.server.asked, 0);

    CU_ASSERT_EQUAL(resolver_set_sources(r.resolver, vips, 1), 0);
    CU_ASSERT_EQUAL(rig_mx(&r, "example.org"), 0);
    raw = r.server.last_client;
    memcpy(client.bytes, &raw, 4);
    CU_ASSERT_TRUE(netaddr_eq(&client, &vips[0]));

    /* A lookup on the wire when the VIP changes is asked anew, from the new one. */
    r.server.silent = true;
    CU_ASSERT_EQUAL_FATAL(
        resolver_mx(&q, r.resolver, SLICE_LIT("nomx.example.org"), on_done, &r), 0);
    CU_ASSERT_EQUAL(rig_addresses(&r, "localhost"), 0); /* a turn or two */
    r.server.silent = false;
    CU_ASSERT_EQUAL(resolver_set_sources(r.resolver, &vips[1], 1), 0);
    r.called = 0;
    loop_run(r.loop);
    CU_ASSERT_EQUAL(r.called, 1);
    CU_ASSERT_EQUAL(r.status, 0);
    CU_ASSERT_TRUE(r.answer.implicit_mx);
    raw = r.server.last_client;
    memcpy(client.bytes, &raw, 4);
    CU_ASSERT_TRUE(netaddr_eq(&client, &vips[1]));

    /* And when it leaves, what is pending ends. */
    r.server.silent = true;
    CU_ASSERT_EQUAL_FATAL(
        resolver_mx(&q, r.resolver, SLICE_LIT("other.example.org"), on_done, &r), 0);
    CU_ASSERT_EQUAL(resolver_set_sources(r.resolver, NULL, 0), 0);
    loop_run(r.loop);
    CU_ASSERT_EQUAL(r.status, BH_ENOVIP);
    rig_stop(&r);
}

/* The VIP is listed as source, but is not on this host: the answer must be a failure, and no
 * question may leave from another address. */
static void
an_absent_source_sends_nothing(void)
{
    struct rig r;
    struct netaddr absent;

    if (!in_namespace()) {
        return;
    }
    CU_ASSERT_EQUAL_FATAL(netaddr_parse(SLICE_LIT("203.0.113.1"), &absent), 0);
    rig_start_at(&r, "192.0.2.53", &absent, 1, 2000);
    CU_ASSERT_EQUAL(rig_mx(&r, "example.org"), BH_EDNS_TEMP);
    CU_ASSERT_EQUAL(r.server.asked, 0);
    rig_stop(&r);
}

TEST_MAIN("resolver", TEST(hosts_come_by_preference_with_their_addresses),
    TEST(without_mx_it_is_the_domain_itself), TEST(a_null_mx_takes_no_mail),
    TEST(failures_are_permanent_or_temporary), TEST(special_names_are_the_servers_to_answer),
    TEST(equal_preferences_are_shuffled), TEST(a_lookup_ends_at_its_time_with_what_is_known),
    TEST(many_lookups_at_once_all_end), TEST(silent_names_do_not_hold_up_the_others),
    TEST(a_cancelled_lookup_does_not_call_back),
    TEST(a_reused_descriptor_stays_heard_when_the_resolver_goes),
    TEST(questions_leave_from_the_vip_or_not_at_all), TEST(an_absent_source_sends_nothing))
