/* resolver.c - MX and address lookups as small state machines over libunbound.
 *
 * R1 libunbound is never called from inside its own callback, and the user never runs inside
 *    either: a callback notes what came and schedules the query's step as a soon task.
 * R2 A question outlives its query: it is owned by libunbound until its callback comes, which
 *    finds no query when that was cancelled, timed out, or is asked anew in another context.
 *    ub_ctx_delete runs the callbacks of all that is pending; by then every question is orphaned.
 * R3 All options are set before the first question, which fixes them.
 */
#include "net/resolver.h"

#include "core/io.h"
#include "core/log.h"
#include "net/dns_answer.h"
#include "net/unbound_event.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unbound-event.h>
#include <unbound.h>

#define SERVERS_MAX     8
#define SOURCES_MAX     32
#define RESOLV_CONF     "/etc/resolv.conf"
#define RESOLV_CONF_CAP (16 * 1024)
#define DNS_PORT        53
#define CLASS_IN        1
#define RCODE_NXDOMAIN  3
#define PER_FAMILY_MAX  (RESOLVER_ADDRESSES_MAX / 2)
#define RANGE_MAX       1024u /* see set_range */
#define RANGE_MIN       16u
#define RUNNING_MAX     2048 /* lookups at once; more wait, so that a flood stays bounded */

struct resolver {
    struct loop *loop;
    struct netaddr servers[SERVERS_MAX];
    size_t server_count;
    struct netaddr sources[SOURCES_MAX];
    size_t source_count;
    uint64_t timeout_ms;
    struct ub_ctx *ctx; /* NULL: nobody can be asked, see trouble */
    struct ub_event_base *base;
    int trouble; /* what queries end with while ctx is NULL */
    struct list running, waiting;
    unsigned running_count;
};

enum query_state { QUERY_START, QUERY_MX, QUERY_HOSTS };

struct resolver_query {
    struct list link;
    struct resolver *resolver;
    struct list questions; /* with libunbound */
    struct loop_task step;
    struct loop_timer timer;
    resolver_fn *cb;
    void *ctx;
    enum query_state state;
    bool is_mx;
    bool temporary; /* a question had no answer that counts for ever */
    bool no_domain; /* the MX question said that the name does not exist */
    unsigned v6_count[RESOLVER_HOSTS_MAX];
    char name[DNS_NAME_CAP];
    struct resolver_answer answer;
};

struct question {
    struct list link;
    struct resolver_query *query; /* NULL: nobody wants to know any more */
    unsigned host;
    uint16_t type;
};

/* ---- answers */

static void
note_mx(void *ctx, const struct dns_record *record)
{
    struct resolver_answer *a = ctx;
    struct resolver_host *host;
    unsigned at = a->host_count;

    if (record->name[0] == '\0') {
        a->null_mx = true; /* counts only when it is the only record */
        return;
    }
    if (at == RESOLVER_HOSTS_MAX) {
        /* Keep the best sixteen: the last is replaced if it is worse. */
        at = RESOLVER_HOSTS_MAX - 1;
        if (a->hosts[at].preference <= record->preference) {
            return;
        }
        a->host_count--;
    }
    while (at > 0 && a->hosts[at - 1].preference > record->preference) {
        a->hosts[at] = a->hosts[at - 1];
        at--;
    }
    host = &a->hosts[at];
    memset(host, 0, sizeof(*host));
    memcpy(host->name, record->name, sizeof(host->name));
    host->preference = record->preference;
    a->host_count++;
}

struct address_sink {
    struct resolver_query *query;
    unsigned host;
};

/* AAAA before A, whichever answer comes first. */
static void
note_address(void *ctx, const struct dns_record *record)
{
    const struct address_sink *sink = ctx;
    struct resolver_host *host = &sink->query->answer.hosts[sink->host];
    unsigned *v6_count = &sink->query->v6_count[sink->host];

    if (record->type == DNS_TYPE_AAAA && *v6_count < PER_FAMILY_MAX) {
        memmove(&host->addresses[*v6_count + 1], &host->addresses[*v6_count],
            (host->address_count - *v6_count) * sizeof(host->addresses[0]));
        host->addresses[(*v6_count)++] = record->address;
        host->address_count++;
    } else if (record->type == DNS_TYPE_A && host->address_count - *v6_count < PER_FAMILY_MAX) {
        host->addresses[host->address_count++] = record->address;
    }
}

/* libunbound's callback (R1). rcode 0 comes with a packet; it may hold no record of the type. */
static void
on_answer(void *ctx, int rcode, void *packet, int packet_bytes, int security, char *why_bogus,
    int was_ratelimited)
{
    struct question *question = ctx;
    struct resolver_query *q = question->query;
    struct slice bytes = { packet, packet_bytes > 0 ? (size_t)packet_bytes : 0 };
    struct address_sink sink = { q, question->host };
    uint16_t type = question->type;
    int rc = BH_EDNS_TEMP;

    (void)why_bogus;
    (void)was_ratelimited;
    list_remove(&question->link);
    free(question);
    if (q == NULL) {
        return;
    }
    if (rcode == 0) {
        rcode = dns_answer_code(bytes); /* 0 above means only that there is a packet */
    }
    if (rcode == RCODE_NXDOMAIN) {
        q->no_domain = q->no_domain || type == DNS_TYPE_MX;
        rc = 0;
    } else if (rcode == 0 && security != 1) { /* 1: bogus */
        rc = type == DNS_TYPE_MX ? dns_answer_each(bytes, type, note_mx, &q->answer)
                                 : dns_answer_each(bytes, type, note_address, &sink);
    }
    q->temporary = q->temporary || rc < 0;
    if (list_empty(&q->questions)) {
        loop_call_soon(q->resolver->loop, &q->step);
    }
}

/* ---- questions */

static void
ask(struct resolver_query *q, const char *name, uint16_t type, unsigned host)
{
    struct question *question = calloc(1, sizeof(*question));

    if (question == NULL) {
        q->temporary = true;
        return;
    }
    list_init(&question->link);
    list_push_back(&q->questions, &question->link);
    question->query = q;
    question->host = host;
    question->type = type;
    if (ub_resolve_event(q->resolver->ctx, name, type, CLASS_IN, question, on_answer, NULL) != 0) {
        list_remove(&question->link); /* it failed before it called back */
        free(question);
        q->temporary = true;
    }
}

static void
orphan_questions(struct resolver_query *q)
{
    for (struct list *link = list_pop_front(&q->questions); link != NULL;
         link = list_pop_front(&q->questions)) {
        CONTAINER_OF(link, struct question, link)->query = NULL;
    }
}

/* After asking: no question may be open, because none could be asked or because the answers came at
 * once, from libunbound's own data. */
static void
asked(struct resolver_query *q)
{
    if (list_empty(&q->questions)) {
        loop_call_soon(q->resolver->loop, &q->step);
    }
}

static void
ask_hosts(struct resolver_query *q)
{
    q->state = QUERY_HOSTS;
    q->temporary = false;
    for (unsigned i = 0; i < q->answer.host_count; i++) {
        ask(q, q->answer.hosts[i].name, DNS_TYPE_AAAA, i);
        ask(q, q->answer.hosts[i].name, DNS_TYPE_A, i);
    }
    asked(q);
}

static void
ask_own_addresses(struct resolver_query *q)
{
    memset(&q->answer, 0, sizeof(q->answer));
    q->answer.implicit_mx = q->is_mx;
    q->answer.host_count = 1;
    memcpy(q->answer.hosts[0].name, q->name, sizeof(q->name));
    ask_hosts(q);
}

/* ---- the query's end */

static void start_waiting(struct resolver *r);

static void
query_free(struct resolver_query *q)
{
    struct resolver *r = q->resolver;

    orphan_questions(q);
    list_remove(&q->link);
    loop_task_cancel(&q->step);
    loop_timer_stop(&q->timer);
    if (q->state != QUERY_START) {
        r->running_count--;
    }
    free(q);
    start_waiting(r);
}

static void
finish(struct resolver_query *q, int status)
{
    orphan_questions(q);
    loop_task_cancel(&q->step);
    loop_timer_stop(&q->timer);
    list_remove(&q->link); /* the callback may change the sources or free the resolver's others */
    if (q->state != QUERY_START) {
        q->resolver->running_count--;
        q->state = QUERY_START;
    }
    start_waiting(q->resolver);
    q->cb(q->ctx, status, status == 0 ? &q->answer : NULL);
    free(q);
}

/* Equal preferences in random order (RFC 5321 section 5.1), and hosts without address left out. */
static void
arrange_hosts(struct resolver_answer *a)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < a->host_count; i++) {
        if (a->hosts[i].address_count > 0) {
            if (kept != i) {
                a->hosts[kept] = a->hosts[i];
            }
            kept++;
        }
    }
    a->host_count = kept;
    for (unsigned first = 0, end; first < kept; first = end) {
        for (end = first + 1; end < kept && a->hosts[end].preference == a->hosts[first].preference;
             end++) {
        }
        for (unsigned n = end - first; n > 1; n--) {
            struct resolver_host swap;
            unsigned random = 0;

            if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0) {
                random = n - 1; /* as the server gave them */
            }
            random %= n;
            swap = a->hosts[first + n - 1];
            a->hosts[first + n - 1] = a->hosts[first + random];
            a->hosts[first + random] = swap;
        }
    }
}

static void
after_mx(struct resolver_query *q)
{
    if (q->answer.host_count > 0) {
        q->answer.null_mx = false; /* "." beside others means nothing */
        ask_hosts(q);
    } else if (q->temporary) {
        finish(q, BH_EDNS_TEMP);
    } else if (q->answer.null_mx) {
        finish(q, 0);
    } else if (q->no_domain) {
        finish(q, BH_EDNS_NONE);
    } else {
        ask_own_addresses(q);
    }
}

static void
after_hosts(struct resolver_query *q)
{
    bool temporary = q->temporary;

    arrange_hosts(&q->answer);
    if (q->answer.host_count > 0) {
        finish(q, 0);
    } else {
        finish(q, temporary ? BH_EDNS_TEMP : BH_EDNS_NONE);
    }
}

static void
start(struct resolver_query *q)
{
    struct resolver *r = q->resolver;

    if (r->running_count >= RUNNING_MAX) {
        return; /* the end of another one starts it */
    }
    r->running_count++;
    list_remove(&q->link);
    list_push_back(&r->running, &q->link);
    if (q->is_mx) {
        q->state = QUERY_MX;
        ask(q, q->name, DNS_TYPE_MX, 0);
        asked(q);
    } else {
        ask_own_addresses(q);
    }
}

/* A soon task (R1): the query has just begun, or its questions are answered. */
static void
on_step(void *ctx)
{
    struct resolver_query *q = ctx;

    if (q->resolver->ctx == NULL) {
        finish(q, q->resolver->trouble);
        return;
    }
    if (!list_empty(&q->questions)) {
        return; /* the first answer came before the second question was asked */
    }
    switch (q->state) {
    case QUERY_START:
        start(q);
        return;
    case QUERY_MX:
        after_mx(q);
        return;
    case QUERY_HOSTS:
        after_hosts(q);
        return;
    }
}

/* What is known by then may be enough: one host's silent name server must not hide the others. */
static void
on_timeout(void *ctx)
{
    struct resolver_query *q = ctx;

    if (q->state == QUERY_HOSTS) {
        q->temporary = true;
        after_hosts(q);
    } else {
        finish(q, BH_EDNS_TEMP);
    }
}

/* ---- asking */

static void
start_waiting(struct resolver *r)
{
    unsigned room = RUNNING_MAX - MIN(r->running_count, RUNNING_MAX);

    LIST_FOR(link, &r->waiting)
    {
        if (room-- == 0) {
            break;
        }
        loop_call_soon(r->loop, &CONTAINER_OF(link, struct resolver_query, link)->step);
    }
}

static int
query_new(struct resolver_query **out, struct resolver *r, struct slice name, bool is_mx,
    resolver_fn *cb, void *ctx)
{
    struct resolver_query *q = calloc(1, sizeof(*q));
    int rc;

    if (q == NULL) {
        return -ENOMEM;
    }
    rc = dns_name(name, q->name);
    if (rc < 0) {
        free(q);
        return rc;
    }
    q->resolver = r;
    q->is_mx = is_mx;
    q->cb = cb;
    q->ctx = ctx;
    list_init(&q->link);
    list_init(&q->questions);
    loop_task_init(&q->step, on_step, q);
    loop_timer_init(r->loop, &q->timer, on_timeout, q);
    loop_timer_start(&q->timer, r->timeout_ms);
    list_push_back(&r->waiting, &q->link);
    if (r->running_count < RUNNING_MAX) {
        loop_call_soon(r->loop, &q->step);
    }
    *out = q;
    return 0;
}

int
resolver_mx(struct resolver_query **out, struct resolver *r, struct slice domain, resolver_fn *cb,
    void *ctx)
{
    return query_new(out, r, domain, true, cb, ctx);
}

int
resolver_addresses(
    struct resolver_query **out, struct resolver *r, struct slice name, resolver_fn *cb, void *ctx)
{
    return query_new(out, r, name, false, cb, ctx);
}

void
resolver_cancel(struct resolver_query *q)
{
    query_free(q);
}

/* ---- the context */

static int
set_option(struct ub_ctx *ctx, const char *option, const char *value)
{
    return ub_ctx_set_option(ctx, option, value) == 0 ? 0 : -EINVAL;
}

/* libunbound answers these by itself (RFC 6761); but what a site's own servers serve is theirs to
 * say. The first of these calls fixes the options (R3). */
static int
open_special_names(struct ub_ctx *ctx)
{
    static const char *const zones[] = { "test.", "home.arpa." };

    for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
        if (ub_ctx_zone_remove(ctx, zones[i]) != 0) {
            return -EINVAL;
        }
    }
    return 0;
}

/* Questions on the wire at once. A silent server keeps each for a while, so there should be many;
 * but each is a descriptor, and DNS must not take those of the sessions. */
static int
set_range(struct ub_ctx *ctx)
{
    struct rlimit files;
    unsigned range = RANGE_MAX;
    char text[16];

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / 4 < range) {
        range = (unsigned)files.rlim_cur / 4;
    }
    (void)snprintf(text, sizeof(text), "%u", MAX(range, RANGE_MIN));
    return set_option(ctx, "outgoing-range:", text);
}

/* Those that every context has. */
static int
set_options(struct ub_ctx *ctx)
{
    static const struct {
        const char *option, *value;
    } rows[] = {
        { "module-config:", "iterator" }, /* no trust anchor yet: DANE brings the validator */
        { "do-not-query-localhost:", "no" },
        { "edns-buffer-size:", "1232" },
        { "infra-host-ttl:", "60" },      /* after an outage servers are soon tried again, */
        { "infra-keep-probing:", "yes" }, /* and even while they count as down */
        { "cache-max-negative-ttl:", "300" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (set_option(ctx, rows[i].option, rows[i].value) < 0) {
            log_event(EV_RESOLVER_FAILED, LF_STR("option", rows[i].option));
            return -EINVAL;
        }
    }
    /* Its complaints (no descriptor, no address) come back as failed questions; a daemon has no
     * stderr to repeat them on. */
    (void)ub_ctx_debugout(ctx, NULL);
    return set_range(ctx);
}

/* "nameserver ADDRESS" lines; without any it is this host, as for everyone who reads that file. */
static size_t
read_resolv_conf(struct netaddr servers[SERVERS_MAX])
{
    char text[RESOLV_CONF_CAP];
    struct slice rest = { text, 0 }, line;
    size_t count = 0;

    if (io_read_file(RESOLV_CONF, text, sizeof(text), &rest.n) < 0) {
        rest.n = 0;
    }
    while (count < SERVERS_MAX && slice_next(&rest, '\n', &line)) {
        static const struct slice key = { "nameserver", 10 };
        struct slice value = slice_trim(slice_skip(line, key.n));

        if (slice_starts(line, key) && netaddr_parse(value, &servers[count]) == 0) {
            count++;
        }
    }
    if (count == 0) {
        CHECK(netaddr_parse(SLICE_LIT("127.0.0.1"), &servers[count++]) == 0);
    }
    return count;
}

static bool
has_source(const struct resolver *r, uint8_t family)
{
    for (size_t i = 0; i < r->source_count; i++) {
        if (r->sources[i].family == family) {
            return true;
        }
    }
    return false;
}

static int
add_server(struct ub_ctx *ctx, const struct netaddr *server)
{
    char text[NETADDR_TEXT_CAP], with_port[NETADDR_TEXT_CAP + 8];

    netaddr_text(server, text);
    (void)snprintf(with_port, sizeof(with_port), "%s@%u", text,
        server->port != 0 ? (unsigned)server->port : DNS_PORT);
    return ub_ctx_set_fwd(ctx, with_port) == 0 ? 0 : -EINVAL;
}

static int
add_source(struct ub_ctx *ctx, const struct netaddr *source)
{
    char text[NETADDR_TEXT_CAP];

    netaddr_text(source, text);
    return set_option(ctx, "outgoing-interface:", text);
}

/* Forwarders and sources by the rule in the header. BH_ENOVIP: nobody may be asked. */
static int
set_addresses(const struct resolver *r, struct ub_ctx *ctx)
{
    struct netaddr servers[SERVERS_MAX], loopback[2];
    size_t count = r->server_count, used = 0, remote = 0;
    bool loopback_only;
    int rc = 0;

    memcpy(servers, r->servers, sizeof(servers));
    if (count == 0) {
        count = read_resolv_conf(servers);
    }
    for (size_t i = 0; i < count; i++) {
        remote += !netaddr_is_loopback(&servers[i]) && has_source(r, servers[i].family);
    }
    loopback_only = remote == 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        if (loopback_only ? netaddr_is_loopback(&servers[i]) : has_source(r, servers[i].family)) {
            rc = add_server(ctx, &servers[i]);
            used++;
        }
    }
    if (rc == 0 && used == 0) {
        return BH_ENOVIP;
    }
    for (size_t i = 0; i < r->source_count && rc == 0 && !loopback_only; i++) {
        rc = add_source(ctx, &r->sources[i]);
    }
    CHECK(netaddr_parse(SLICE_LIT("127.0.0.1"), &loopback[0]) == 0);
    CHECK(netaddr_parse(SLICE_LIT("::1"), &loopback[1]) == 0);
    for (size_t i = 0; i < ARRAY_LEN(loopback) && rc == 0 && loopback_only; i++) {
        rc = add_source(ctx, &loopback[i]); /* so that nothing can leave the host */
    }
    return rc;
}

static void
free_context(struct resolver *r)
{
    if (r->ctx != NULL) {
        ub_ctx_delete(r->ctx); /* runs the callbacks of orphaned questions, which frees them (R2) */
        unbound_event_base_free(r->base);
    }
    r->ctx = NULL;
    r->base = NULL;
}

static int
make_context(struct resolver *r)
{
    int rc = unbound_event_base_new(&r->base, r->loop);

    r->trouble = BH_EDNS_TEMP;
    if (rc < 0) {
        return rc;
    }
    r->ctx = ub_ctx_create_ub_event(r->base);
    if (r->ctx == NULL) {
        unbound_event_base_free(r->base);
        r->base = NULL;
        return -ENOMEM;
    }
    rc = set_options(r->ctx);
    if (rc == 0) {
        rc = set_addresses(r, r->ctx);
    }
    if (rc == 0) {
        rc = open_special_names(r->ctx);
    }
    if (rc < 0) {
        free_context(r);
    }
    if (rc == BH_ENOVIP) {
        r->trouble = BH_ENOVIP;
        return 0; /* a state, not a failure: see resolver_set_sources */
    }
    return rc;
}

/* ---- life */

static void
copy_sources(struct resolver *r, const struct netaddr *sources, size_t count)
{
    r->source_count = MIN(count, (size_t)SOURCES_MAX);
    for (size_t i = 0; i < r->source_count; i++) {
        r->sources[i] = sources[i];
    }
}

static bool
same_sources(const struct resolver *r, const struct netaddr *sources, size_t count)
{
    if (MIN(count, (size_t)SOURCES_MAX) != r->source_count) {
        return false;
    }
    for (size_t i = 0; i < r->source_count; i++) {
        if (!netaddr_eq(&r->sources[i], &sources[i])) {
            return false;
        }
    }
    return true;
}

int
resolver_new(struct resolver **out, struct loop *l, const struct resolver_options *o)
{
    struct resolver *r = calloc(1, sizeof(*r));
    int rc;

    if (r == NULL) {
        return -ENOMEM;
    }
    r->loop = l;
    r->timeout_ms = o->timeout_ms;
    r->server_count = MIN(o->server_count, (size_t)SERVERS_MAX);
    for (size_t i = 0; i < r->server_count; i++) {
        r->servers[i] = o->servers[i];
    }
    copy_sources(r, o->sources, o->source_count);
    list_init(&r->running);
    list_init(&r->waiting);
    rc = make_context(r);
    if (rc < 0) {
        log_event(EV_RESOLVER_FAILED, LF_ERR("error", rc));
        free(r);
        return rc;
    }
    *out = r;
    return 0;
}

/* Back to where it began, for another context. Its time goes on. */
static void
begin_again(struct resolver_query *q)
{
    orphan_questions(q);
    q->state = QUERY_START;
    q->temporary = q->no_domain = false;
    memset(&q->answer, 0, sizeof(q->answer));
    memset(q->v6_count, 0, sizeof(q->v6_count));
}

int
resolver_set_sources(struct resolver *r, const struct netaddr *sources, size_t count)
{
    int rc;

    if (same_sources(r, sources, count) && (r->ctx != NULL || r->trouble == BH_ENOVIP)) {
        return 0;
    }
    copy_sources(r, sources, count);
    LIST_FOR(link, &r->running)
    {
        begin_again(CONTAINER_OF(link, struct resolver_query, link));
    }
    list_splice_back(&r->waiting, &r->running);
    r->running_count = 0;
    free_context(r);
    rc = make_context(r);
    if (rc < 0) {
        log_event(EV_RESOLVER_FAILED, LF_ERR("error", rc));
    }
    LIST_FOR(link, &r->waiting)
    {
        loop_call_soon(r->loop, &CONTAINER_OF(link, struct resolver_query, link)->step);
    }
    return rc;
}

void
resolver_free(struct resolver *r)
{
    if (r == NULL) {
        return;
    }
    list_splice_back(&r->running, &r->waiting);
    LIST_FOR_SAFE(link, tmp, &r->running)
    {
        struct resolver_query *q = CONTAINER_OF(link, struct resolver_query, link);

        orphan_questions(q);
        loop_task_cancel(&q->step);
        loop_timer_stop(&q->timer);
        free(q);
    }
    free_context(r);
    free(r);
}
