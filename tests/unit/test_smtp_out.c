#include "smtp/smtp.h"

#include "fake_peer.h"
#include "test_main.h"
#include <stdio.h>

/* The real shell against peers on loopback and a fake scheduler; DNS is a fake in this file (its
 * functions stand in for net/resolver.c). No test asserts a duration: short time-outs are given
 * where one is to fire, long ones everywhere else. */

#define LONG_MS        600000
#define SHORT_MS       40
#define DELIVERIES_MAX 64
#define RCPTS_MAX      8

/* ---- fake DNS */

struct resolver {
    struct loop *loop;
    struct resolver_answer answer;
    int status;
    unsigned asked_mx, asked_addresses;
    bool silent;
};

struct resolver_query {
    struct resolver *r;
    resolver_fn *cb;
    void *ctx;
    struct loop_task task;
};

static void
query_run(void *ctx)
{
    struct resolver_query *q = ctx;
    struct resolver_query copy = *q;

    free(q);
    copy.cb(copy.ctx, copy.r->status, copy.r->status == 0 ? &copy.r->answer : NULL);
}

static int
query_new(struct resolver_query **out, struct resolver *r, resolver_fn *cb, void *ctx)
{
    struct resolver_query *q = calloc(1, sizeof(*q));

    CU_ASSERT_PTR_NOT_NULL_FATAL(q);
    *q = (struct resolver_query){ .r = r, .cb = cb, .ctx = ctx };
    loop_task_init(&q->task, query_run, q);
    if (!r->silent) {
        loop_call_soon(r->loop, &q->task);
    }
    *out = q;
    return 0;
}

int
resolver_mx(struct resolver_query **out, struct resolver *r, struct slice domain, resolver_fn *cb,
    void *ctx)
{
    if (slice_find(domain, ' ') < domain.n) {
        return BH_ESYNTAX;
    }
    r->asked_mx++;
    return query_new(out, r, cb, ctx);
}

int
resolver_addresses(
    struct resolver_query **out, struct resolver *r, struct slice name, resolver_fn *cb, void *ctx)
{
    (void)name;
    r->asked_addresses++;
    return query_new(out, r, cb, ctx);
}

void
resolver_cancel(struct resolver_query *q)
{
    loop_task_cancel(&q->task);
    free(q);
}

/* ---- fake scheduler */

struct fake_result {
    unsigned count;
    enum outcome_kind kind;
    int code;
    bool in_doubt;
    char status[16], reply[256], remote[128], source[64];
};

struct sched_session {
    struct transport_session *transport;
    struct rig *rig;
};

struct rig {
    struct loop *loop;
    struct vip_watch *watch;
    struct egress *egress;
    struct resolver dns;
    struct netaddr sources[3];
    size_t source_count;
    struct smtp_out_hop hops[4];
    struct smtp_out_options options;
    struct smtp_out *out;
    struct transport transport;
    struct peer peers[3];
    size_t peer_count;

    struct sched_session session;
    struct delivery deliveries[DELIVERIES_MAX];
    struct slice recipients[RCPTS_MAX];
    unsigned delivery_count, current, done;
    struct fake_result results[DELIVERIES_MAX][RCPTS_MAX];
    unsigned opened, closed;
    struct fake_result end;

    struct slice content; /* of every delivery */
    size_t piece_bytes, at;
    bool stop_when_idle, work_when_idle, close_when_idle, busy_content, busy_begin, busy_attempt,
        busy_dot;
    int content_error, begin_error, dot_error;
    struct loop_task ready_task;
    transport_ready_fn *ready;
    void *ready_ctx;
    struct loop_task task;
    struct loop_timer timer;
};

static void
keep(struct fake_result *to, const struct transport_result *r)
{
    to->count++;
    to->kind = r->kind;
    to->code = r->code;
    to->in_doubt = r->in_doubt != 0;
    CU_ASSERT_EQUAL(slice_copy(r->status, to->status, sizeof(to->status)), 0);
    CU_ASSERT_EQUAL(slice_copy(slice_sub(r->reply, 0, 255), to->reply, sizeof(to->reply)), 0);
    CU_ASSERT_EQUAL(slice_copy(r->remote, to->remote, sizeof(to->remote)), 0);
    CU_ASSERT_EQUAL(slice_copy(r->source, to->source, sizeof(to->source)), 0);
}

static void
run_ready(void *ctx)
{
    struct rig *g = ctx;

    g->ready(g->ready_ctx);
}

static int
later(struct rig *g, transport_ready_fn *ready, void *ctx)
{
    g->ready = ready;
    g->ready_ctx = ctx;
    loop_call_soon(g->loop, &g->ready_task);
    return BH_EBUSY;
}

static int
up_content(struct sched_session *s, struct slice *out, transport_ready_fn *ready, void *ctx)
{
    struct rig *g = s->rig;
    size_t n = MIN(g->piece_bytes, g->content.n - g->at);

    if (g->busy_content) {
        g->busy_content = false;
        return later(g, ready, ctx);
    }
    if (g->content_error < 0 && g->at > 0) {
        return g->content_error;
    }
    if (n == 0) {
        return 0;
    }
    g->busy_content = g->piece_bytes < 100; /* now and then */
    *out = slice_sub(g->content, g->at, n);
    g->at += n;
    return (int)n;
}

static int
up_begin(struct sched_session *s, transport_ready_fn *ready, void *ctx)
{
    struct rig *g = s->rig;

    if (g->busy_begin) {
        g->busy_begin = false;
        return later(g, ready, ctx);
    }
    return g->begin_error;
}

static int
up_attempted(struct sched_session *s, transport_ready_fn *ready, void *ctx)
{
    struct rig *g = s->rig;

    if (g->busy_attempt) {
        g->busy_attempt = false;
        return later(g, ready, ctx);
    }
    return 0;
}

static int
up_dot(struct sched_session *s, transport_ready_fn *ready, void *ctx)
{
    struct rig *g = s->rig;

    if (g->busy_dot) {
        g->busy_dot = false;
        return later(g, ready, ctx);
    }
    return g->dot_error;
}

static void
up_recipient(struct sched_session *s, uint32_t index, const struct transport_result *r)
{
    struct rig *g = s->rig;

    CU_ASSERT_TRUE_FATAL(index < g->deliveries[g->current].recipient_count);
    keep(&g->results[g->current][index], r);
}

static void
call_soon(struct rig *g)
{
    loop_call_soon(g->loop, &g->task);
}

static const struct delivery *
up_done(struct sched_session *s)
{
    struct rig *g = s->rig;

    g->done++;
    g->at = 0;
    for (uint32_t i = 0; i < g->deliveries[g->current].recipient_count; i++) {
        CU_ASSERT_EQUAL(g->results[g->current][i].count, 1);
    }
    g->current++;
    if (g->current == g->delivery_count || g->work_when_idle) {
        call_soon(g);
        return NULL;
    }
    return &g->deliveries[g->current];
}

static void
up_opened(struct sched_session *s)
{
    s->rig->opened++;
}

static void
up_closed(struct sched_session *s, const struct transport_result *r)
{
    struct rig *g = s->rig;

    g->closed++;
    keep(&g->end, r);
    if (g->current < g->delivery_count) {
        const struct delivery *d = &g->deliveries[g->current];

        for (uint32_t i = 0; i < d->recipient_count; i++) {
            if (g->results[g->current][i].count == 0) {
                keep(&g->results[g->current][i], r);
            }
        }
    }
    loop_stop(g->loop);
}

static const struct transport_up up = { up_begin, up_attempted, up_content, NULL, up_dot,
    up_recipient, up_done, up_opened, up_closed };

/* The session is idle. */
static void
on_idle(void *ctx)
{
    struct rig *g = ctx;

    if (g->closed > 0) {
        return;
    }
    if (g->current < g->delivery_count) {
        g->transport.ops->work(g->session.transport, &g->deliveries[g->current]);
    } else if (g->close_when_idle) {
        g->transport.ops->close(g->session.transport, false);
    } else if (g->stop_when_idle) {
        loop_stop(g->loop);
    }
}

/* ---- the rig */

static void
rig_init(struct rig *g)
{
    memset(g, 0, sizeof(*g));
    CU_ASSERT_EQUAL_FATAL(loop_new(&g->loop), 0);
    CU_ASSERT_EQUAL(netaddr_parse(SLICE_LIT("127.0.0.1"), &g->sources[0]), 0);
    CU_ASSERT_EQUAL(netaddr_parse(SLICE_LIT("::1"), &g->sources[1]), 0);
    CU_ASSERT_EQUAL(netaddr_parse(SLICE_LIT("192.0.2.99"), &g->sources[2]), 0); /* not here */
    g->source_count = 2;
    CU_ASSERT_EQUAL_FATAL(vip_watch_new(&g->watch, g->loop, g->sources, 3, NULL, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(egress_new(&g->egress, g->loop, g->watch), 0);
    g->dns.loop = g->loop;
    g->options = (struct smtp_out_options){ .connector = "test",
        .hostname = "me.example",
        .idle_ms = LONG_MS,
        .connect_ms = LONG_MS,
        .greeting_ms = LONG_MS,
        .command_ms = LONG_MS,
        .data_init_ms = LONG_MS,
        .data_block_ms = LONG_MS,
        .data_done_ms = LONG_MS };
    g->content = SLICE_LIT("Subject: x\r\n\r\n.hello\r\nbye\r\n");
    g->piece_bytes = 65536;
    g->delivery_count = 1;
    g->close_when_idle = true;
    g->recipients[0] = SLICE_LIT("a@y");
    g->recipients[1] = SLICE_LIT("b@y");
    g->recipients[2] = SLICE_LIT("c@y");
    for (unsigned i = 0; i < DELIVERIES_MAX; i++) {
        g->deliveries[i] = (struct delivery){ .id = i + 1,
            .sender = SLICE_LIT("s@x"),
            .size_bytes = 29,
            .recipient_count = 1,
            .recipients = g->recipients };
    }
    loop_task_init(&g->task, on_idle, g);
    loop_task_init(&g->ready_task, run_ready, g);
}

/* A peer on 127.0.0.(2 + index), all at one port; its scripts are added by peer_add. */
static struct peer *
rig_peer(struct rig *g)
{
    struct peer *p = &g->peers[g->peer_count];
    char text[32];

    (void)snprintf(text, sizeof(text), "127.0.0.%u", 2 + (unsigned)g->peer_count);
    peer_start(p, g->loop, text, g->peer_count > 0 ? g->peers[0].address.port : 0);
    g->peer_count++;
    return p;
}

static void
rig_hop(struct rig *g, const struct peer *p)
{
    g->hops[g->options.hop_count].address = p->address;
    g->hops[g->options.hop_count].port = p->address.port;
    g->options.hop_count++;
}

/* One peer, which is the next hop, with one good script to be spoilt. */
static struct peer_script *
rig_simple(struct rig *g)
{
    struct peer *p;

    rig_init(g);
    p = rig_peer(g);
    rig_hop(g, p);
    return peer_add(p);
}

/* Open the session; returns when it has ended (or idles, if that is asked for). */
static void
rig_run(struct rig *g, const char *destination)
{
    g->options.sources = g->options.vips = g->sources;
    g->options.source_count = g->options.vip_count = g->source_count;
    g->options.hops = g->hops;
    CU_ASSERT_EQUAL_FATAL(smtp_out_new(&g->out, g->loop, g->egress, &g->dns, &g->options, &up), 0);
    g->transport = smtp_out_transport(g->out);
    g->session.rig = g;
    CU_ASSERT_EQUAL_FATAL(g->transport.ops->open(g->transport.ctx, slice_of(destination),
                              &g->session, &g->deliveries[0], &g->session.transport),
        0);
    CU_ASSERT_EQUAL(g->opened + g->closed, 0); /* never inside */
    CU_ASSERT_EQUAL(loop_run(g->loop), 0);
}

static void
wait_for_peers(void *ctx)
{
    struct rig *g = ctx;

    for (size_t i = 0; i < g->peer_count; i++) {
        if (g->peers[i].open > 0) {
            loop_timer_start(&g->timer, 1);
            return;
        }
    }
    loop_stop(g->loop);
}

/* Let the peers see the end, then give everything back and look for leaks. */
static void
rig_fini(struct rig *g)
{
    loop_timer_init(g->loop, &g->timer, wait_for_peers, g);
    loop_timer_start(&g->timer, 0);
    CU_ASSERT_EQUAL(loop_run(g->loop), 0);
    CU_ASSERT_EQUAL(g->closed, 1);
    loop_task_cancel(&g->task);
    loop_task_cancel(&g->ready_task);
    smtp_out_free(g->out);
    for (size_t i = 0; i < g->peer_count; i++) {
        peer_stop(&g->peers[i]);
    }
    egress_free(g->egress);
    vip_watch_free(g->watch);
    loop_free(g->loop);
    CU_ASSERT_EQUAL(conn_count(), 0);
}

static bool
starts(const char *text, const char *with)
{
    return slice_starts(slice_of(text), slice_of(with));
}

static void
expect(const struct fake_result *r, enum outcome_kind kind, int code, const char *status,
    const char *reply)
{
    CU_ASSERT_EQUAL(r->count, 1);
    CU_ASSERT_EQUAL(r->kind, kind);
    CU_ASSERT_EQUAL(r->code, code);
    CU_ASSERT_STRING_EQUAL(r->status, status);
    CU_ASSERT_TRUE(starts(r->reply, reply));
    if (r->kind != kind || !starts(r->reply, reply) || strcmp(r->status, status) != 0) {
        (void)fprintf(stderr, "got kind %d code %d %s '%s', expected kind %d %s '%s'\n", r->kind,
            r->code, r->status, r->reply, kind, status, reply);
    }
}

#define LATER OUTCOME_DEFERRED
#define OK    OUTCOME_DELIVERED
#define NEVER OUTCOME_FAILED

/* ---- deliveries */

static void
a_message_arrives_whole_and_the_result_names_both_ends(void)
{
    struct rig g;
    char remote[64];

    rig_simple(&g);
    rig_run(&g, "y");
    expect(&g.results[0][0], OK, 250, "2.0.0", "queued");
    (void)snprintf(remote, sizeof(remote), "[127.0.0.2]:%u", g.peers[0].address.port);
    CU_ASSERT_STRING_EQUAL(g.results[0][0].remote, remote);
    CU_ASSERT_STRING_EQUAL(g.results[0][0].source, "127.0.0.1");
    CU_ASSERT_EQUAL(g.opened, 1);
    CU_ASSERT_EQUAL(g.end.kind, OK);
    rig_fini(&g);
}

static void
content_comes_in_pieces_and_not_at_once(void)
{
    for (size_t piece = 1; piece < 32; piece += 5) {
        struct rig g;

        rig_simple(&g);
        g.piece_bytes = piece;
        g.busy_dot = true;
        g.busy_attempt = true;
        g.busy_content = true;
        rig_run(&g, "y");
        expect(&g.results[0][0], OK, 250, "2.0.0", "queued");
        CU_ASSERT_TRUE(
            slice_eq(buf_slice(&g.peers[0].content), SLICE_LIT("Subject: x\n\n..hello\nbye\n")));
        rig_fini(&g);
    }
}

static void
a_large_message_passes_with_backpressure(void)
{
    struct rig g;
    size_t n = 8 * MIB;
    char *big = malloc(n);

    CU_ASSERT_PTR_NOT_NULL_FATAL(big);
    memset(big, 'x', n);
    for (size_t i = 76; i + 2 < n; i += 78) {
        big[i] = '\r';
        big[i + 1] = '\n';
        big[i + 2] = i % 5 == 0 ? '.' : 'y';
    }
    big[n - 2] = '\r';
    big[n - 1] = '\n';
    rig_simple(&g);
    g.content = (struct slice){ big, n };
    rig_run(&g, "y");
    expect(&g.results[0][0], OK, 250, "2.0.0", "queued");
    CU_ASSERT_TRUE(buf_len(&g.peers[0].content) > n - n / 40);
    rig_fini(&g);
    free(big);
}

static void
deliveries_follow_each_other_over_one_connection(void)
{
    struct rig g;

    rig_simple(&g);
    g.delivery_count = 50;
    rig_run(&g, "y");
    for (unsigned i = 0; i < 50; i++) {
        expect(&g.results[i][0], OK, 250, "2.0.0", "queued");
    }
    CU_ASSERT_EQUAL(g.done, 50);
    rig_fini(&g);
    CU_ASSERT_EQUAL(g.peers[0].connections, 1);
    CU_ASSERT_EQUAL(g.peers[0].quits, 1);
    CU_ASSERT_EQUAL(g.peers[0].dots, 50);
}

static void
an_idle_session_takes_new_work(void)
{
    struct rig g;

    rig_simple(&g);
    g.delivery_count = 5;
    g.work_when_idle = true;
    rig_run(&g, "y");
    expect(&g.results[4][0], OK, 250, "2.0.0", "queued");
    rig_fini(&g);
    CU_ASSERT_EQUAL(g.peers[0].connections, 1);
}

static void
a_session_of_two_messages_begins_anew_after_them(void)
{
    struct rig g;

    rig_simple(&g);
    g.options.messages_per_session = 2;
    g.delivery_count = 5;
    rig_run(&g, "y");
    for (unsigned i = 0; i < 5; i++) {
        expect(&g.results[i][0], OK, 250, "2.0.0", "queued");
    }
    CU_ASSERT_EQUAL(g.opened, 1);
    rig_fini(&g);
    CU_ASSERT_EQUAL(g.peers[0].connections, 3);
    CU_ASSERT_EQUAL(g.peers[0].quits, 3);
}

static void
an_idle_session_quits_after_its_time(void)
{
    struct rig g;

    rig_simple(&g);
    g.options.idle_ms = SHORT_MS;
    g.close_when_idle = false;
    rig_run(&g, "y");
    CU_ASSERT_EQUAL(g.end.kind, OK);
    rig_fini(&g);
    CU_ASSERT_EQUAL(g.peers[0].quits, 1);
}

static void
each_recipient_gets_its_own_result(void)
{
    struct rig g;
    struct peer_script *s = rig_simple(&g);

    s->rcpt[0] = "550 5.1.1 nobody\r\n";
    s->rcpt[1] = "450 4.2.2 full\r\n";
    s->rcpt[2] = "250 ok\r\n";
    g.deliveries[0].recipient_count = 3;
    rig_run(&g, "y");
    expect(&g.results[0][0], NEVER, 550, "5.1.1", "nobody");
    expect(&g.results[0][1], LATER, 450, "4.2.2", "full");
    expect(&g.results[0][2], OK, 250, "2.0.0", "queued");
    rig_fini(&g);
}

static void
an_old_server_is_served_step_by_step(void)
{
    struct rig g;
    struct peer_script *s = rig_simple(&g);

    s->ehlo = "502 what\r\n";
    s->helo = "250 hello\r\n";
    g.delivery_count = 2;
    g.deliveries[0].recipient_count = 2;
    rig_run(&g, "y");
    expect(&g.results[0][1], OK, 250, "2.0.0", "queued");
    expect(&g.results[1][0], OK, 250, "2.0.0", "queued");
    rig_fini(&g);
}

static void
nobody_accepted_and_354_leaves_the_session_usable(void)
{
    struct rig g;
    struct peer_script *s = rig_simple(&g);

    s->rcpt[0] = "550 no\r\n";
    s->dot = "554 no recipients\r\n";
    g.delivery_count = 2;
    rig_run(&g, "y");
    expect(&g.results[0][0], NEVER, 550, "5.2.0", "no");
    expect(&g.results[1][0], NEVER, 550, "5.2.0", "no");
    CU_ASSERT_EQUAL(buf_len(&g.peers[0].content), 0);
    rig_fini(&g);
    CU_ASSERT_EQUAL(g.peers[0].connections, 1);
}

static void
larger_than_the_peers_size_is_refused_here_and_the_next_goes_on(void)
{
    struct rig g;
    struct peer_script *s = rig_simple(&g);

    s->ehlo = "250-peer\r\n250-SIZE 100\r\n250 PIPELINING\r\n";
    g.delivery_count = 3;
    g.deliveries[0].size_bytes = 101;
    g.deliveries[1].size_bytes = 101;
    rig_run(&g, "y");
    expect(&g.results[0][0], NEVER, 0, "5.3.4", "the message is larger");
    expect(&g.results[1][0], NEVER, 0, "5.3.4", "the message is larger");
    expect(&g.results[2][0], OK, 250, "2.0.0", "queued");
    rig_fini(&g);
    CU_ASSERT_EQUAL(g.peers[0].mails, 1);
}

static void
lmtp_gives_a_result_for_each_recipient(void)
{
    struct rig g;
    struct peer_script *s = rig_simple(&g);

    g.options.lmtp = true;
    s->dot = "250 a\r\n452 4.2.2 full\r\n";
    g.deliveries[0].recipient_count = 2;
    rig_run(&g, "y");
    expect(&g.results[0][0], OK, 250, "2.0.0", "a");
    expect(&g.results[0][1], LATER, 452, "4.2.2", "full");
    CU_ASSERT_TRUE(slice_starts(buf_slice(&g.peers[0].commands), SLICE_LIT("LHLO me.example\n")));
    rig_fini(&g);
}

static void
ipv6_is_spoken(void)
{
    struct rig g;
    struct peer *p;

    rig_init(&g);
    p = &g.peers[g.peer_count++];
    peer_start(p, g.loop, "::1", 0);
    (void)peer_add(p);
    rig_hop(&g, p);
    rig_run(&g, "y");
    expect(&g.results[0][0], OK, 250, "2.0.0", "queued");
    CU_ASSERT_STRING_EQUAL(g.results[0][0].source, "::1");
    rig_fini(&g);
}

/* ---- a peer that is silent, at each place */

static void
silence_at_each_place_has_its_time_out(void)
{
    static const struct {
        const char *place;
        bool doubt;
    } rows[] = { { "before its greeting", false }, { "at EHLO", false }, { "at MAIL FROM", false },
        { "at RCPT TO", false }, { "at DATA", false }, { "after the final dot", true } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig g;
        struct peer_script *s = rig_simple(&g);
        const char **say[] = { &s->greeting, &s->ehlo, &s->mail, &s->rcpt[0], &s->data, &s->dot };
        uint64_t *ms[] = { &g.options.greeting_ms, &g.options.command_ms, &g.options.command_ms,
            &g.options.command_ms, &g.options.data_init_ms, &g.options.data_done_ms };
        char text[128];

        *say[i] = NULL;
        *ms[i] = SHORT_MS;
        if (i == 2 || i == 3) {
            s->data = NULL; /* else its answer comes in the other's place */
        }
        if (i == 2) {
            s->rcpt[0] = NULL;
        }
        rig_run(&g, "y");
        (void)snprintf(text, sizeof(text), "the peer did not answer in time %s", rows[i].place);
        expect(&g.results[0][0], LATER, 0, "4.4.2", text);
        CU_ASSERT_EQUAL(g.results[0][0].in_doubt, rows[i].doubt);
        CU_ASSERT_EQUAL(g.opened, i >= 2);
        rig_fini(&g);
    }
}

static void
a_byte_now_and_then_does_not_extend_the_time(void)
{
    struct rig g;
    struct peer_script *s = rig_simple(&g);

    s->mood = PEER_DRIPS;
    g.options.greeting_ms = SHORT_MS;
    rig_run(&g, "y");
    expect(&g.results[0][0], LATER, 0, "4.4.2", "the peer did not answer in time before");
    rig_fini(&g);
}

static void
a_flood_is_cut_off(void)
{
    struct rig g;
    struct peer_script *s = rig_simple(&g);

    s->mood = PEER_FLOODS;
    rig_run(&g, "y");
    expect(&g.results[0][0], LATER, 0, "4.5.0", "the peer's reply exceeds the limits");
    rig_fini(&g);
}

static void
content_that_nobody_reads_has_its_time_out(void)
{
    struct rig g;
    struct peer_script *s = rig_simple(&g);
    size_t n = 16 * MIB; /* more than both kernels take */
    char *big = malloc(n);

    CU_ASSERT_PTR_NOT_NULL_FATAL(big);
    memset(big, 'x', n);
    s->mood = PEER_NEVER_READS;
    g.content = (struct slice){ big, n };
    g.options.data_block_ms = SHORT_MS * 5;
    rig_run(&g, "y");
    expect(
        &g.results[0][0], LATER, 0, "4.4.2", "the peer did not answer in time while the message");
    CU_ASSERT_FALSE(g.results[0][0].in_doubt);
    conn_set_reading(g.peers[0].stuck, true); /* to see the end */
    rig_fini(&g);
    free(big);
}

/* ---- a peer that leaves, or speaks nonsense, at each place */

static void
a_peer_that_leaves_anywhere_gives_one_clear_result(void)
{
    static const char *const places[] = { "before its greeting", "at EHLO", "at MAIL FROM",
        "at RCPT TO", "at DATA", "after the final dot" };
    static const char *const says[] = { "~", "421 4.3.2 bye\r\n~", "junk\r\n~" };

    for (size_t how = 0; how < ARRAY_LEN(says); how++) {
        for (size_t i = 0; i < ARRAY_LEN(places); i++) {
            struct rig g;
            struct peer_script *s = rig_simple(&g);
            const char **say[] = { &s->greeting, &s->ehlo, &s->mail, &s->rcpt[0], &s->data,
                &s->dot };
            const struct fake_result *r = &g.results[0][0];
            char text[128];

            *say[i] = says[how];
            rig_run(&g, "y");
            if (how == 1) {
                expect(r, LATER, 421, "4.3.2", "bye");
                CU_ASSERT_FALSE(r->in_doubt);
            } else {
                (void)snprintf(text, sizeof(text), "%s %s",
                    how == 0 ? "the peer closed the connection"
                             : "the peer sent something that is no SMTP reply",
                    places[i]);
                expect(r, LATER, 0, how == 0 || i == 5 ? "4.4.2" : "4.5.0", text);
                CU_ASSERT_EQUAL(r->in_doubt, i == 5);
            }
            rig_fini(&g);
        }
    }
}

static void
an_answer_before_the_dot_is_not_believed(void)
{
    struct rig g;
    struct peer_script *s = rig_simple(&g);

    s->data = "354 go\r\n250 thank you\r\n";
    rig_run(&g, "y");
    expect(&g.results[0][0], LATER, 0, "4.5.0", "the peer answered against the protocol while");
    rig_fini(&g);
    CU_ASSERT_EQUAL(g.peers[0].dots, 0);
}

static void
a_refusal_in_the_middle_of_the_message_is_its_result(void)
{
    struct rig g;
    struct peer_script *s = rig_simple(&g);

    s->data = "354 go\r\n552 5.3.4 too big\r\n~";
    rig_run(&g, "y");
    expect(&g.results[0][0], NEVER, 552, "5.3.4", "too big");
    rig_fini(&g);
}

static void
a_kept_session_that_died_is_replaced_without_a_result(void)
{
    static const char *const says[] = { "~", "421 4.4.2 idle too long\r\n~" };

    for (size_t how = 0; how < ARRAY_LEN(says); how++) {
        struct rig g;
        struct peer_script *s = rig_simple(&g);

        s->mail_next = says[how];
        g.delivery_count = 3;
        g.work_when_idle = how == 0;
        rig_run(&g, "y");
        for (unsigned i = 0; i < 3; i++) {
            expect(&g.results[i][0], OK, 250, "2.0.0", "queued");
        }
        CU_ASSERT_EQUAL(g.opened, 1);
        rig_fini(&g);
        CU_ASSERT_EQUAL(g.peers[0].connections, 3);
    }
}

static void
a_new_connection_that_dies_too_is_a_result(void)
{
    struct rig g;
    struct peer_script *s = rig_simple(&g);

    s->mail_next = "~";
    s = peer_add(&g.peers[0]);
    s->mail = "~";
    g.delivery_count = 2;
    rig_run(&g, "y");
    expect(&g.results[0][0], OK, 250, "2.0.0", "queued");
    expect(&g.results[1][0], LATER, 0, "4.4.2", "the peer closed the connection at MAIL FROM");
    rig_fini(&g);
    CU_ASSERT_EQUAL(g.peers[0].connections, 2);
}

static void
a_peer_that_closes_after_each_message_gets_each_over_a_new_connection(void)
{
    struct rig g;
    struct peer_script *s = rig_simple(&g);

    s->dot = "250 ok\r\n421 enough\r\n~";
    g.delivery_count = 3;
    rig_run(&g, "y");
    for (unsigned i = 0; i < 3; i++) {
        expect(&g.results[i][0], OK, 250, "2.0.0", "ok");
    }
    rig_fini(&g);
    CU_ASSERT_EQUAL(g.peers[0].connections, 3);
}

/* ---- several hosts */

static void
whatever_is_wrong_with_the_first_host_the_second_takes_it(void)
{
    static const struct peer_script broken[] = {
        { .greeting = "450 busy\r\n" },
        { .greeting = "554 no\r\n~" },
        { .greeting = "521 never\r\n~" },
        { .greeting = "421 later\r\n~" },
        { .greeting = "~" },
        { .greeting = "SSH-2.0-OpenSSH\r\n" },
        { .greeting = NULL },
        { .mood = PEER_DRIPS },
        { .mood = PEER_FLOODS },
        { .greeting = "220 hi\r\n", .ehlo = "451 busy\r\n" },
        { .greeting = "220 hi\r\n", .ehlo = "500 what\r\n", .helo = "500 what\r\n" },
        { .greeting = "220 hi\r\n", .ehlo = "~" },
        { .greeting = "220 hi\r\n", .ehlo = "250 hi\r\n", .mail = "421 busy\r\n~" },
        { .greeting = "220 hi\r\n", .ehlo = "250 hi\r\n", .mail = "~" },
    };

    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct rig g;

        *rig_simple(&g) = broken[i];
        if (broken[i].greeting == NULL && broken[i].mood != PEER_FLOODS) {
            g.options.greeting_ms = 200;
        }
        rig_hop(&g, rig_peer(&g));
        (void)peer_add(&g.peers[1]);
        rig_run(&g, "y");
        expect(&g.results[0][0], OK, 250, "2.0.0", "queued");
        CU_ASSERT_TRUE(starts(g.results[0][0].remote, "[127.0.0.3]:"));
        CU_ASSERT_TRUE(slice_eq(buf_slice(&g.peers[1].content),
            SLICE_LIT("Subject: x\n\n..hello\nbye\n"))); /* a piece in hand is kept */
        CU_ASSERT_EQUAL(g.peers[0].connections, 1);
        CU_ASSERT_EQUAL(g.opened, 1);
        rig_fini(&g);
    }
}

/* Something may have been delivered, or was decided: no other host gets it in this try. */
static void
what_was_touched_goes_to_no_other_host(void)
{
    static const struct {
        const char *rcpt, *data, *dot;
        const char *reply;
        enum outcome_kind kind;
        bool doubt;
    } rows[] = {
        { "250 ok\r\n", "354 go\r\n", "~", "the peer closed the connection after", LATER, true },
        { "250 ok\r\n", "354 go\r\n", "junk\r\n~", "the peer sent something", LATER, true },
        { "250 ok\r\n", "354 go\r\n", "421 bye\r\n~", "bye", LATER, false },
        { "250 ok\r\n", "354 go\r\n~", NULL, "", LATER, false },
        { "250 ok\r\n", "354 go\r\n451 no\r\n~", NULL, "no", LATER, false },
        { "550 no\r\n", "~", NULL, "no", NEVER, false },
        { "450 no\r\n", "421 bye\r\n~", NULL, "no", LATER, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig g;
        struct peer_script *s = rig_simple(&g);

        s->rcpt[0] = rows[i].rcpt;
        s->data = rows[i].data;
        s->dot = rows[i].dot;
        rig_hop(&g, rig_peer(&g));
        (void)peer_add(&g.peers[1]);
        rig_run(&g, "y");
        CU_ASSERT_EQUAL(g.results[0][0].kind, rows[i].kind);
        CU_ASSERT_TRUE(starts(g.results[0][0].reply, rows[i].reply));
        if (i != 3) { /* there the dot may have been under way: either is true */
            CU_ASSERT_EQUAL(g.results[0][0].in_doubt, rows[i].doubt);
        }
        rig_fini(&g);
        CU_ASSERT_EQUAL(g.peers[1].connections, 0);
    }
}

/* RFC 1845: it says that it has the message; the second host would make two of it. */
static void
what_the_first_host_knows_goes_to_no_other(void)
{
    struct rig g;
    struct peer_script *s = rig_simple(&g);

    s->ehlo = "250-peer\r\n250 CHECKPOINT\r\n";
    s->mail = "355 29 is the transaction offset\r\n";
    s->rcpt[0] = "~";
    g.deliveries[0].transid = SLICE_LIT("<1@me>");
    rig_hop(&g, rig_peer(&g));
    (void)peer_add(&g.peers[1]);
    rig_run(&g, "y");
    expect(&g.results[0][0], LATER, 0, "4.4.2", "the peer closed the connection at RCPT TO");
    rig_fini(&g);
    CU_ASSERT_EQUAL(g.peers[1].connections, 0);
}

static void
a_dead_host_is_passed_over(void)
{
    struct rig g;

    (void)rig_simple(&g);
    g.hops[1] = g.hops[0];
    g.hops[0].address.bytes[3] = 200; /* nobody listens there */
    g.options.hop_count = 2;
    rig_run(&g, "y");
    expect(&g.results[0][0], OK, 250, "2.0.0", "queued");
    rig_fini(&g);
}

static void
no_host_answers_and_the_session_was_never_open(void)
{
    struct rig g;

    (void)rig_simple(&g);
    g.hops[0].address.bytes[3] = 200;
    rig_run(&g, "y");
    expect(&g.results[0][0], LATER, 0, "4.4.1", "connect to [127.0.0.200]:");
    CU_ASSERT_TRUE(starts(g.results[0][0].remote, "[127.0.0.200]:"));
    CU_ASSERT_EQUAL(g.opened, 0);
    rig_fini(&g);
}

static void
a_refusal_for_good_needs_every_host(void)
{
    struct rig g;
    struct peer_script *s = rig_simple(&g);

    s->greeting = "521 never\r\n~";
    rig_hop(&g, rig_peer(&g));
    *peer_add(&g.peers[1]) = (struct peer_script){ .greeting = "521 never\r\n~" };
    rig_run(&g, "y");
    expect(&g.results[0][0], NEVER, 521, "5.3.2", "never");
    rig_fini(&g);

    s = rig_simple(&g);
    s->greeting = "450 busy\r\n~";
    rig_hop(&g, rig_peer(&g));
    *peer_add(&g.peers[1]) = (struct peer_script){ .greeting = "521 never\r\n~" };
    rig_run(&g, "y");
    expect(&g.results[0][0], LATER, 450, "4.3.2", "busy");
    rig_fini(&g);
}

/* ---- DNS */

static void
dns_host(struct rig *g, const char *name, uint16_t preference, const char *address)
{
    struct resolver_host *h = &g->dns.answer.hosts[g->dns.answer.host_count++];

    CU_ASSERT_EQUAL(slice_copy(slice_of(name), h->name, sizeof(h->name)), 0);
    h->preference = preference;
    CU_ASSERT_EQUAL(netaddr_parse(slice_of(address), &h->addresses[h->address_count++]), 0);
}

static struct peer_script *
rig_mx(struct rig *g)
{
    struct peer_script *s = rig_simple(g);

    g->options.hop_count = 0;
    g->options.port = g->peers[0].address.port;
    return s;
}

static void
mx_hosts_are_tried_by_preference(void)
{
    struct rig g;

    (void)rig_mx(&g);
    dns_host(&g, "mx1.example", 10, "127.0.0.200");
    dns_host(&g, "mx2.example", 20, "127.0.0.2");
    rig_run(&g, "y.example");
    expect(&g.results[0][0], OK, 250, "2.0.0", "queued");
    CU_ASSERT_TRUE(starts(g.results[0][0].remote, "mx2.example[127.0.0.2]:"));
    CU_ASSERT_EQUAL(g.dns.asked_mx, 1);
    rig_fini(&g);
}

static void
a_named_hop_is_looked_up_and_a_literal_is_not(void)
{
    struct rig g;

    (void)rig_simple(&g);
    g.hops[0].address = (struct netaddr){ .family = 0 };
    g.hops[0].name = SLICE_LIT("relay.example");
    dns_host(&g, "relay.example", 0, "127.0.0.2");
    rig_run(&g, "y");
    expect(&g.results[0][0], OK, 250, "2.0.0", "queued");
    CU_ASSERT_EQUAL(g.dns.asked_addresses, 1);
    CU_ASSERT_EQUAL(g.dns.asked_mx, 0);
    rig_fini(&g);

    (void)rig_mx(&g);
    rig_run(&g, "[127.0.0.2]");
    expect(&g.results[0][0], OK, 250, "2.0.0", "queued");
    CU_ASSERT_EQUAL(g.dns.asked_mx + g.dns.asked_addresses, 0);
    rig_fini(&g);
}

static void
what_dns_says_becomes_the_result(void)
{
    static const struct {
        int status;
        bool hops;
        enum outcome_kind kind;
        const char *derived;
    } rows[] = {
        { BH_EDNS_NONE, false, NEVER, "5.1.2" },
        { BH_EDNS_TEMP, false, LATER, "4.4.3" },
        { BH_ENOVIP, false, LATER, "4.4.3" },
        { BH_EDNS_NONE, true, LATER, "4.4.4" },
        { BH_EDNS_TEMP, true, LATER, "4.4.3" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig g;

        (void)rig_simple(&g);
        g.hops[0].address = (struct netaddr){ .family = 0 };
        g.hops[0].name = SLICE_LIT("relay.example");
        g.options.hop_count = rows[i].hops;
        g.dns.status = rows[i].status;
        rig_run(&g, "y.example");
        expect(&g.results[0][0], rows[i].kind, 0, rows[i].derived, error_text(rows[i].status));
        CU_ASSERT_EQUAL(g.opened, 0);
        rig_fini(&g);
    }
}

static void
null_mx_is_permanent(void)
{
    struct rig g;

    (void)rig_mx(&g);
    g.dns.answer.null_mx = true;
    rig_run(&g, "y.example");
    expect(&g.results[0][0], NEVER, 556, "5.1.10", "the domain accepts no mail");
    rig_fini(&g);
}

static void
a_domain_that_is_no_name_is_permanent(void)
{
    struct rig g;

    (void)rig_mx(&g);
    rig_run(&g, "not a name");
    expect(&g.results[0][0], NEVER, 0, "5.1.2", "");
    rig_fini(&g);
}

static void
mail_that_would_come_back_is_refused(void)
{
    struct rig g;

    (void)rig_mx(&g);
    dns_host(&g, "ME.example", 10, "127.0.0.2");
    dns_host(&g, "mx2.example", 10, "127.0.0.2");
    dns_host(&g, "mx3.example", 20, "127.0.0.2");
    rig_run(&g, "y.example");
    expect(&g.results[0][0], NEVER, 0, "5.4.6", "the mail would loop");
    rig_fini(&g);
    CU_ASSERT_EQUAL(g.peers[0].connections, 0);

    (void)rig_mx(&g);
    g.options.port = 25;
    dns_host(&g, "other.example", 10, "127.0.0.1"); /* our source */
    rig_run(&g, "y.example");
    expect(&g.results[0][0], NEVER, 0, "5.4.6", "the mail would loop");
    rig_fini(&g);

    (void)rig_mx(&g);
    dns_host(&g, "mx1.example", 5, "127.0.0.2"); /* better than us */
    dns_host(&g, "me.example", 10, "127.0.0.1");
    rig_run(&g, "y.example");
    expect(&g.results[0][0], OK, 250, "2.0.0", "queued");
    rig_fini(&g);
}

static void
an_unanswered_lookup_ends_with_an_abort(void)
{
    struct rig g;

    (void)rig_mx(&g);
    g.dns.silent = true;
    g.options.sources = g.sources;
    g.options.source_count = 2;
    CU_ASSERT_EQUAL_FATAL(smtp_out_new(&g.out, g.loop, g.egress, &g.dns, &g.options, &up), 0);
    g.transport = smtp_out_transport(g.out);
    g.session.rig = &g;
    CU_ASSERT_EQUAL_FATAL(g.transport.ops->open(g.transport.ctx, SLICE_LIT("y.example"), &g.session,
                              &g.deliveries[0], &g.session.transport),
        0);
    loop_task_init(&g.task, (loop_fn *)NULL, NULL);
    loop_timer_init(g.loop, &g.timer, (loop_fn *)loop_stop, g.loop);
    loop_timer_start(&g.timer, 5);
    CU_ASSERT_EQUAL(loop_run(g.loop), 0);
    CU_ASSERT_EQUAL(g.dns.asked_mx, 1);
    g.transport.ops->close(g.session.transport, true);
    CU_ASSERT_EQUAL(g.closed, 0); /* never inside */
    CU_ASSERT_EQUAL(loop_run(g.loop), 0);
    expect(&g.results[0][0], LATER, 0, "4.3.2", "the delivery was broken off");
    rig_fini(&g);
}

/* ---- the source */

static void
without_the_vip_nothing_is_sent(void)
{
    struct rig g;

    (void)rig_simple(&g);
    g.sources[0] = g.sources[2];
    g.source_count = 1;
    rig_run(&g, "y");
    expect(&g.results[0][0], LATER, 0, "4.4.1", "connect to [127.0.0.2]:");
    CU_ASSERT_EQUAL(g.opened, 0);
    rig_fini(&g);
    CU_ASSERT_EQUAL(g.peers[0].connections, 0);
}

static void
on_forbid(void *ctx)
{
    struct rig *g = ctx;

    if (g->peers[0].dots == 0) {
        loop_timer_start(&g->timer, 1);
        return;
    }
    egress_forbid(g->egress, true);
}

static void
forbidden_sending_ends_the_session_at_once(void)
{
    struct rig g;
    struct peer_script *s = rig_simple(&g);

    s->dot = NULL;
    rig_hop(&g, rig_peer(&g));
    (void)peer_add(&g.peers[1]);
    loop_timer_init(g.loop, &g.timer, on_forbid, &g);
    loop_timer_start(&g.timer, 1);
    rig_run(&g, "y");
    expect(&g.results[0][0], LATER, 0, "4.4.2", error_text(BH_EQUORUM));
    CU_ASSERT_TRUE(g.results[0][0].in_doubt);
    rig_fini(&g);
    CU_ASSERT_EQUAL(g.peers[1].connections, 0);
}

/* ---- our own reasons */

static void
unreadable_content_is_never_completed(void)
{
    struct rig g;

    (void)rig_simple(&g);
    g.piece_bytes = 10;
    g.content_error = BH_EDAMAGED;
    rig_run(&g, "y");
    expect(&g.results[0][0], LATER, 0, "4.3.0", error_text(BH_EDAMAGED));
    CU_ASSERT_FALSE(g.results[0][0].in_doubt);
    rig_fini(&g);
    CU_ASSERT_EQUAL(g.peers[0].dots, 0);
}

static void
a_dot_that_may_not_go_is_not_sent(void)
{
    struct rig g;

    (void)rig_simple(&g);
    g.dot_error = BH_EFENCED;
    g.busy_dot = true;
    rig_run(&g, "y");
    expect(&g.results[0][0], LATER, 0, "4.3.2", error_text(BH_EFENCED));
    CU_ASSERT_FALSE(g.results[0][0].in_doubt);
    rig_fini(&g);
    CU_ASSERT_EQUAL(g.peers[0].dots, 0);
}

static void
a_delivery_begins_when_it_may_and_not_at_all_when_not(void)
{
    struct rig g;

    (void)rig_simple(&g);
    g.busy_begin = true;
    rig_run(&g, "y");
    expect(&g.results[0][0], OK, 250, "2.0.0", "queued");
    rig_fini(&g);
    (void)rig_simple(&g);
    g.begin_error = -EIO;
    g.busy_begin = true;
    rig_run(&g, "y");
    expect(&g.results[0][0], LATER, 0, "4.3.0", error_text(-EIO));
    rig_fini(&g);
    CU_ASSERT_EQUAL(g.peers[0].mails, 0);
}

static void
on_abort(void *ctx)
{
    struct rig *g = ctx;

    if (g->peers[0].mails == 0 || (g->peers[0].scripts[0].data != NULL && g->peers[0].dots == 0)) {
        loop_timer_start(&g->timer, 1);
        return;
    }
    g->transport.ops->close(g->session.transport, true);
}

static void
an_abort_is_in_doubt_only_after_the_dot(void)
{
    for (unsigned dotted = 0; dotted < 2; dotted++) {
        struct rig g;
        struct peer_script *s = rig_simple(&g);

        s->dot = NULL;
        s->data = dotted == 1 ? s->data : NULL;
        loop_timer_init(g.loop, &g.timer, on_abort, &g);
        loop_timer_start(&g.timer, 1);
        rig_run(&g, "y");
        expect(&g.results[0][0], LATER, 0, "4.3.2", "the delivery was broken off");
        CU_ASSERT_EQUAL(g.results[0][0].in_doubt, dotted == 1);
        rig_fini(&g);
    }
}

static void
new_options_are_for_new_sessions(void)
{
    struct rig g;
    struct smtp_out_options o;

    (void)rig_simple(&g);
    g.close_when_idle = false;
    g.stop_when_idle = true;
    rig_run(&g, "y");
    expect(&g.results[0][0], OK, 250, "2.0.0", "queued");
    o = g.options;
    o.hostname = "other.example";
    o.hop_count = 0;
    CU_ASSERT_EQUAL(smtp_out_set_options(g.out, &o), 0);
    g.delivery_count = 2;
    g.close_when_idle = true;
    g.transport.ops->work(g.session.transport, &g.deliveries[1]);
    CU_ASSERT_EQUAL(loop_run(g.loop), 0);
    expect(&g.results[1][0], OK, 250, "2.0.0", "queued");
    rig_fini(&g);
}

TEST_MAIN("smtp_out", TEST(a_message_arrives_whole_and_the_result_names_both_ends),
    TEST(content_comes_in_pieces_and_not_at_once), TEST(a_large_message_passes_with_backpressure),
    TEST(deliveries_follow_each_other_over_one_connection), TEST(an_idle_session_takes_new_work),
    TEST(a_session_of_two_messages_begins_anew_after_them),
    TEST(an_idle_session_quits_after_its_time), TEST(each_recipient_gets_its_own_result),
    TEST(an_old_server_is_served_step_by_step),
    TEST(nobody_accepted_and_354_leaves_the_session_usable),
    TEST(larger_than_the_peers_size_is_refused_here_and_the_next_goes_on),
    TEST(lmtp_gives_a_result_for_each_recipient), TEST(ipv6_is_spoken),
    TEST(silence_at_each_place_has_its_time_out),
    TEST(a_byte_now_and_then_does_not_extend_the_time), TEST(a_flood_is_cut_off),
    TEST(content_that_nobody_reads_has_its_time_out),
    TEST(a_peer_that_leaves_anywhere_gives_one_clear_result),
    TEST(an_answer_before_the_dot_is_not_believed),
    TEST(a_refusal_in_the_middle_of_the_message_is_its_result),
    TEST(a_kept_session_that_died_is_replaced_without_a_result),
    TEST(a_new_connection_that_dies_too_is_a_result),
    TEST(a_peer_that_closes_after_each_message_gets_each_over_a_new_connection),
    TEST(whatever_is_wrong_with_the_first_host_the_second_takes_it),
    TEST(what_was_touched_goes_to_no_other_host), TEST(what_the_first_host_knows_goes_to_no_other),
    TEST(a_dead_host_is_passed_over), TEST(no_host_answers_and_the_session_was_never_open),
    TEST(a_refusal_for_good_needs_every_host), TEST(mx_hosts_are_tried_by_preference),
    TEST(a_named_hop_is_looked_up_and_a_literal_is_not), TEST(what_dns_says_becomes_the_result),
    TEST(null_mx_is_permanent), TEST(a_domain_that_is_no_name_is_permanent),
    TEST(mail_that_would_come_back_is_refused), TEST(an_unanswered_lookup_ends_with_an_abort),
    TEST(without_the_vip_nothing_is_sent), TEST(forbidden_sending_ends_the_session_at_once),
    TEST(unreadable_content_is_never_completed),
    TEST(a_delivery_begins_when_it_may_and_not_at_all_when_not),
    TEST(a_dot_that_may_not_go_is_not_sent), TEST(an_abort_is_in_doubt_only_after_the_dot),
    TEST(new_options_are_for_new_sessions))
