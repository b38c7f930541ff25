/* x400_load.c - load generator and sink over X.400 P1: numbered messages over many associations.
 *
 * Either end is an MTA of its own: mta/x400 on a loop, with no queue behind it. A message's number
 * and when it was due (ns of the monotonic clock) stand in its local identifier ("B-12-4711"), by
 * which the sink tells what is missing, what came twice and how long it took; its content is a
 * pattern that is never held in memory whole, and that the sink compares.
 *
 * send      each session holds one association and one message. What is deferred is tried again
 *           after AGAIN_MS, --tries times; then, and when the peer refuses it, it counts as
 *           failed. With --rate each message has its time, whether the ones before are done or
 *           not: what has to wait for them is late, and counts as that.
 * receive   a transfer is confirmed in the loop's next task, without a disk. With --flap the sink
 *           is a peer that is not well: up for so long, in which each association is cut at the
 *           first octets of content, then down (connections are refused) for as long.
 */
#include "bench_util.h"

#include "core/ticks.h"
#include "net/egress.h"
#include "net/listener.h"
#include "net/vip_watch.h"
#include "x400/p1_make.h"
#include "x400/p1_stored.h"
#include "x400/x400.h"
#include "x400_plain.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    SESSIONS_MAX = 1000,
    AGAIN_MS = 100,
    LINGER_MS = 500, /* behind the last message: what comes twice comes then */
    CLOSE_MS = 5000, /* for associations to be released */
    POLL_MS = 10,
    PIECE_BYTES = 32 * 1024,
    PATTERN_BYTES = 65521, /* a prime: a piece that is left out or comes twice is seen */
    HEAD_BYTES_MAX = 16 * 1024,
    NUMBERS_MAX = 1 << 24,
};

struct sched_session {
    struct transport_session *transport;
    struct delivery work;
    struct buf head; /* what is stored before the content */
    uint64_t number, read;
    unsigned tries;
    bool open, busy, waits; /* busy: a message is in hand; waits: until again */
    struct loop_timer again;
};

struct intake_message {
    struct list link; /* in run.pending */
    struct loop_task sync;
    intake_commit_fn *cb;
    void *ctx;
    uint64_t number, head_bytes, bytes; /* bytes: all that is stored */
    bool numbered, altered;
};

static struct {
    struct netaddr at, bind; /* to or listen */
    bool receives;
    char *local, *peer; /* MTA,TSEL */
    enum p1_protocol protocol;
    uint64_t sessions, messages, rate, size, first, tries, count, flap_ms;
    const char *from, *recipient, *json, *ready;
} opt = { .sessions = 1,
    .messages = 1,
    .size = 4096,
    .tries = 100,
    .from = "/C=XX/A=LOAD/S=a/",
    .recipient = "/C=XX/A=BENCH/S=b/" };

static struct {
    struct loop *loop;
    struct x400_net *net;
    struct x400 *mta;
    struct x400_connector *connector;
    struct x400_connector_options options;
    struct x400_hop hop;
    unsigned char pattern[PATTERN_BYTES];

    struct sched_session *session;
    struct or_address from, to;
    struct slice recipient;
    uint64_t issued, acked, failed, deferred, open;
    uint64_t start_ns, end_ns, give_up_ms;
    char first_error[256];
    struct loop_task finish;
    struct loop_timer poll;

    struct listener *listener;
    struct list pending;
    uint64_t messages, distinct, duplicates, unnumbered, altered, others, bytes, cuts, connections;
    uint64_t first_ns, last_ns, last_wall_ms;
    struct histogram latency;
    unsigned char *seen;
    struct loop_task cut;
    struct loop_timer flap, linger;
} run;

/* Two, or what comes goes round. */
static const struct p1_domain load_domain = { { true, 2, "XX" }, { true, 1, " " },
    { true, 4, "LOAD" } };
static const struct p1_domain sink_domain = { { true, 2, "XX" }, { true, 1, " " },
    { true, 4, "SINK" } };
static const struct transport_up up;

static void
must(int rc, const char *what)
{
    if (rc < 0) {
        bench_die(EXIT_FAILED, "%s: %s", what, error_text(rc));
    }
}

/* ---- the content */

static void
pattern_make(void)
{
    uint32_t x = 1;

    for (size_t i = 0; i < sizeof(run.pattern); i++) {
        x = x * 1664525U + 1013904223U;
        run.pattern[i] = (unsigned char)(x >> 24);
    }
}

/* As much of it from offset on as stands in one piece. */
static struct slice
pattern_at(uint64_t offset, uint64_t bytes)
{
    size_t at = (size_t)(offset % PATTERN_BYTES);

    return (struct slice){ (const char *)run.pattern + at,
        (size_t)MIN(MIN(bytes, (uint64_t)PIECE_BYTES), (uint64_t)(PATTERN_BYTES - at)) };
}

static bool
is_pattern(uint64_t offset, struct slice bytes)
{
    while (bytes.n > 0) {
        struct slice piece = pattern_at(offset, bytes.n);

        if (memcmp(piece.p, bytes.p, piece.n) != 0) {
            return false;
        }
        offset += piece.n;
        bytes = slice_skip(bytes, piece.n);
    }
    return true;
}

/* ---- what comes */

static struct intake_message *
message_of(struct list *link)
{
    return CONTAINER_OF(link, struct intake_message, link);
}

/* "x400 /CONNECTOR/COUNTRY/ADMD/PRMD/B-12-4711 ...": the number, and when it was due. */
static bool
number_of(struct slice transid, uint64_t *out, uint64_t *due_ns)
{
    struct slice part, id = SLICE_NONE, rest = transid, fields[3];

    while (slice_next(&rest, '/', &part)) {
        id = part;
    }
    (void)slice_next(&id, ' ', &rest);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (!slice_next(&rest, '-', &fields[i])) {
            return false;
        }
    }
    return slice_eq(fields[0], SLICE_LIT("B")) && slice_u64(fields[1], NUMBERS_MAX - 1, out) == 0 &&
           slice_u64(fields[2], UINT64_MAX, due_ns) == 0;
}

static bool
is_seen(uint64_t number)
{
    return (run.seen[number / 8] & (1U << number % 8)) != 0;
}

static int
on_known(void *ctx, struct slice transid, struct intake_known *out)
{
    uint64_t number, due_ns;

    (void)ctx;
    *out = (struct intake_known){ 1, 0 };
    return number_of(transid, &number, &due_ns) && is_seen(number);
}

static void
on_sync(void *ctx)
{
    struct intake_message *m = ctx;

    list_remove(&m->link);
    if (m->cb != NULL) {
        m->cb(m->ctx, 0);
    }
    free(m);
}

static int
on_open(void *ctx, intake_resume_fn *resume, void *resume_ctx, struct intake_message **out,
    uint64_t *id)
{
    static uint64_t last;
    struct intake_message *m = calloc(1, sizeof(*m));

    (void)ctx;
    (void)resume;
    (void)resume_ctx;
    if (m == NULL) {
        return -ENOMEM;
    }
    list_init(&m->link);
    loop_task_init(&m->sync, on_sync, m);
    *id = ++last;
    *out = m;
    return 0;
}

static int
on_write(struct intake_message *m, struct slice bytes)
{
    enum p1_kind kind;
    struct slice content;

    if (m->bytes == 0) {
        must(p1_stored_bytes(bytes, &kind, &m->head_bytes), "what is stored before the content");
    }
    content = slice_skip(
        bytes, (size_t)MIN(m->head_bytes - MIN(m->head_bytes, m->bytes), (uint64_t)bytes.n));
    if (content.n > 0) {
        uint64_t at = m->bytes + (bytes.n - content.n) - m->head_bytes;

        m->altered = m->altered || !is_pattern(at, content);
        if (opt.flap_ms > 0) {
            loop_call_soon(run.loop, &run.cut);
        }
    }
    m->bytes += bytes.n;
    return 0;
}

static void
on_abort(struct intake_message *m)
{
    loop_task_cancel(&m->sync);
    list_remove(&m->link);
    free(m);
}

static void
note(const struct envelope *e, const struct intake_message *m)
{
    uint64_t number, due_ns;

    if (e->body != ENVELOPE_P1_MESSAGE) {
        run.others++;
        return;
    }
    run.last_ns = bench_now_ns();
    run.last_wall_ms = ticks_wall_ms();
    run.first_ns = run.first_ns == 0 ? run.last_ns : run.first_ns;
    run.messages++;
    run.bytes += m->bytes - m->head_bytes;
    run.altered += m->altered;
    if (!number_of(e->transid, &number, &due_ns)) {
        run.unnumbered++;
    } else if (is_seen(number)) {
        run.duplicates++; /* two transfers of it at once: known could not tell */
    } else {
        run.seen[number / 8] |= (unsigned char)(1U << number % 8);
        run.distinct++;
        histogram_add(&run.latency, run.last_ns - MIN(due_ns, run.last_ns));
    }
    if (opt.count > 0 && run.distinct >= opt.count && !loop_timer_running(&run.linger)) {
        loop_timer_start(&run.linger, LINGER_MS);
    }
}

static int
on_commit(struct intake_message *m, const struct envelope *e, intake_commit_fn *cb, void *ctx)
{
    if (opt.flap_ms > 0) { /* the cut is about to come; it may be that short */
        on_abort(m);
        return BH_ESTATE;
    }
    note(e, m);
    m->cb = cb;
    m->ctx = ctx;
    list_push_back(&run.pending, &m->link);
    loop_call_soon(run.loop, &m->sync);
    return 0;
}

static void
on_forget(void *ctx, intake_commit_fn *cb, void *cb_ctx)
{
    (void)ctx;
    (void)cb;
    LIST_FOR(it, &run.pending)
    {
        if (message_of(it)->ctx == cb_ctx) {
            message_of(it)->cb = NULL;
        }
    }
}

static void
on_accept(void *ctx, int fd, const struct netaddr *peer)
{
    (void)ctx;
    run.connections++;
    x400_accept(run.mta, fd, peer, "p1");
}

static void
connector_make(void)
{
    static const struct x400_connector_env none = { NULL, NULL, NULL };

    must(x400_connector_new(&run.connector, run.mta, &run.options, &none, &up), "the connector");
}

/* Its associations are aborted, whatever they are at. */
static void
on_cut(void *ctx)
{
    (void)ctx;
    run.cuts++;
    x400_connector_free(run.connector);
    connector_make();
}

static void
listen_now(void)
{
    struct sockaddr_storage bound;
    socklen_t bytes = sizeof(bound);
    int fd;

    must(listener_open(&opt.at, &fd), "the listener");
    if (getsockname(fd, (struct sockaddr *)&bound, &bytes) < 0) {
        bench_die(EXIT_FAILED, "getsockname: %s", strerror(errno));
    }
    must(netaddr_from_sockaddr((struct sockaddr *)&bound, &opt.at), "the listener");
    must(listener_start(&run.listener, run.loop, fd, on_accept, NULL), "the listener");
}

static void
on_flap(void *ctx)
{
    (void)ctx;
    if (run.listener != NULL) {
        listener_free(run.listener, true);
        run.listener = NULL;
        on_cut(NULL);
    } else {
        listen_now();
    }
    loop_timer_start(&run.flap, opt.flap_ms);
}

static void
on_stop(void *ctx)
{
    (void)ctx;
    loop_stop(run.loop);
}

static void
tell_ready(void)
{
    char text[NETADDR_TEXT_CAP];
    FILE *file;

    if (opt.ready == NULL) {
        return;
    }
    netaddr_text_port(&opt.at, text);
    file = fopen(opt.ready, "we");
    if (file == NULL || fprintf(file, "%s\n", text) < 0 || fclose(file) != 0) {
        bench_die(EXIT_FAILED, "%s: %s", opt.ready, strerror(errno));
    }
}

static void
receive(void)
{
    run.seen = calloc(NUMBERS_MAX / 8, 1);
    CHECK(run.seen != NULL);
    list_init(&run.pending);
    loop_task_init(&run.cut, on_cut, NULL);
    loop_timer_init(run.loop, &run.flap, on_flap, NULL);
    loop_timer_init(run.loop, &run.linger, on_stop, NULL);
    listen_now();
    if (opt.flap_ms > 0) {
        loop_timer_start(&run.flap, opt.flap_ms);
    }
    tell_ready();
    must(loop_run(run.loop), "the loop");
}

static void
report_received(FILE *file)
{
    struct x400_stats stats;

    x400_stats(run.mta, &stats);
    (void)fprintf(file,
        "{\"messages\": %llu, \"distinct\": %llu, \"duplicates\": %llu, \"unnumbered\": %llu, "
        "\"altered\": %llu, \"others\": %llu, \"bytes\": %llu, \"first_ns\": %llu, \"last_ns\": "
        "%llu, "
        "\"last_wall_ms\": %llu, \"connections\": %llu, \"cuts\": %llu, \"cpu_s\": %.3f, ",
        (unsigned long long)run.messages, (unsigned long long)run.distinct,
        (unsigned long long)(run.duplicates + stats.repeated), (unsigned long long)run.unnumbered,
        (unsigned long long)run.altered, (unsigned long long)run.others,
        (unsigned long long)run.bytes, (unsigned long long)run.first_ns,
        (unsigned long long)run.last_ns, (unsigned long long)run.last_wall_ms,
        (unsigned long long)run.connections, (unsigned long long)run.cuts, bench_cpu_seconds());
    histogram_print(file, "latency_ms", &run.latency);
    (void)fputs("}\n", file);
}

/* ---- what goes */

static void
note_error(struct slice why)
{
    if (run.first_error[0] == '\0') {
        (void)snprintf(run.first_error, sizeof(run.first_error), "%.*s", SLICE_FMT(why));
    }
}

/* When the next message is due; the session waits for it if that is not yet. */
static bool
is_due(struct sched_session *s, uint64_t *due_ns)
{
    uint64_t now_ns = bench_now_ns();

    *due_ns = now_ns;
    if (opt.rate == 0) {
        return true;
    }
    *due_ns = run.start_ns + run.issued * NS_PER_S / opt.rate;
    if (*due_ns > now_ns) {
        s->waits = true;
        loop_timer_start(&s->again, (*due_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
    }
    return *due_ns <= now_ns;
}

/* The next message, if there is one. */
static bool
next_message(struct sched_session *s)
{
    const struct p1_made_recipient to = { &run.to, P1_MTA_NON_DELIVERY };
    char id[P1_LOCAL_ID_BYTES_MAX + 1];
    uint64_t due_ns;
    struct p1_made made = { .kind = P1_MESSAGE,
        .domain = &load_domain,
        .originator = &run.from,
        .recipients = &to,
        .recipient_count = 1,
        .content_type = 2,
        .probe_bytes = UINT64_MAX };

    s->busy = run.issued < opt.messages && is_due(s, &due_ns);
    if (!s->busy) {
        return false;
    }
    s->number = opt.first + run.issued++;
    (void)snprintf(
        id, sizeof(id), "B-%llu-%llu", (unsigned long long)s->number, (unsigned long long)due_ns);
    made.local_id = slice_of(id);
    buf_clear(&s->head);
    must(p1_make(&s->head, &made), "the envelope");
    s->tries = 0;
    s->read = 0;
    s->work = (struct delivery){ .id = s->number + 1,
        .sender = slice_of(opt.from),
        .body = ENVELOPE_P1_MESSAGE,
        .size_bytes = buf_len(&s->head) + opt.size,
        .received_wall_ms = ticks_wall_ms(),
        .recipient_count = 1,
        .recipients = &run.recipient };
    return true;
}

static void
session_open(struct sched_session *s)
{
    struct transport t = x400_connector_transport(run.connector);

    s->read = 0;
    s->open = true;
    run.open++;
    must(t.ops->open(t.ctx, SLICE_LIT("peer"), s, &s->work, &s->transport), "a session");
}

static void
on_again(void *ctx)
{
    struct sched_session *s = ctx;

    s->waits = false;
    s->read = 0;
    if (!s->busy && !next_message(s)) {
        return;
    }
    if (s->open) {
        x400_connector_transport(run.connector).ops->work(s->transport, &s->work);
    } else {
        session_open(s);
    }
}

static int
up_content(struct sched_session *s, struct slice *out, transport_ready_fn *ready, void *ctx)
{
    uint64_t head_bytes = buf_len(&s->head);

    (void)ready;
    (void)ctx;
    *out = s->read < head_bytes ? slice_skip(buf_slice(&s->head), (size_t)s->read)
                                : pattern_at(s->read - head_bytes, s->work.size_bytes - s->read);
    s->read += out->n;
    return (int)out->n;
}

static void
up_seek(struct sched_session *s, uint64_t offset)
{
    s->read = offset;
}

/* Tried again later, or not: its session has nothing in hand then. */
static void
not_taken(struct sched_session *s, const struct transport_result *r)
{
    note_error(r->reply);
    if (r->kind == OUTCOME_DEFERRED && ++s->tries < opt.tries) {
        run.deferred++;
        s->waits = true;
        loop_timer_start(&s->again, AGAIN_MS);
        return;
    }
    run.failed++;
    s->busy = false;
}

static void
up_recipient(struct sched_session *s, uint32_t index, const struct transport_result *r)
{
    (void)index; /* there is one */
    if (r->kind == OUTCOME_DELIVERED) {
        run.acked++;
        run.end_ns = bench_now_ns();
        s->busy = false;
    } else {
        not_taken(s, r);
    }
}

static const struct delivery *
up_done(struct sched_session *s)
{
    if (!s->waits && next_message(s)) {
        return &s->work;
    }
    if (!s->busy) {
        loop_call_soon(run.loop, &run.finish);
    }
    return NULL;
}

static void
up_closed(struct sched_session *s, const struct transport_result *r)
{
    s->open = false;
    s->transport = NULL;
    run.open--;
    if (s->busy && !s->waits) {
        not_taken(s, r);
    }
    if (!s->busy && next_message(s)) {
        s->waits = true;
        loop_timer_start(&s->again, AGAIN_MS);
    }
    loop_call_soon(run.loop, &run.finish);
}

static const struct transport_up up = { plain_yes, plain_yes, up_content, up_seek, plain_yes,
    up_recipient, up_done, plain_opened, up_closed };

/* All messages have their answer: the sessions end, then the associations. */
static void
on_finish(void *ctx)
{
    (void)ctx;
    if (run.acked + run.failed < opt.messages || loop_timer_running(&run.poll)) {
        return;
    }
    for (uint64_t i = 0; i < opt.sessions; i++) {
        if (run.session[i].transport != NULL) {
            x400_connector_transport(run.connector).ops->close(run.session[i].transport, false);
            run.session[i].transport = NULL;
        }
    }
    run.give_up_ms = ticks_ms() + CLOSE_MS;
    loop_timer_start(&run.poll, POLL_MS);
}

static void
on_poll(void *ctx)
{
    (void)ctx;
    if (run.open == 0) {
        x400_connector_suspend(run.connector, true);
    }
    if (x400_net_count(run.net) == 0 || ticks_ms() >= run.give_up_ms) {
        loop_stop(run.loop);
    } else {
        loop_timer_start(&run.poll, POLL_MS);
    }
}

static void
or_of(const char *text, struct or_address *out)
{
    struct or_error error;

    if (or_address_parse(slice_of(text), out, &error) < 0) {
        bench_die(EXIT_USAGE, "%s is no O/R address", text);
    }
}

static void
send_all(void)
{
    or_of(opt.from, &run.from);
    or_of(opt.recipient, &run.to);
    run.recipient = slice_of(opt.recipient);
    run.session = calloc(opt.sessions, sizeof(*run.session));
    CHECK(run.session != NULL);
    loop_task_init(&run.finish, on_finish, NULL);
    loop_timer_init(run.loop, &run.poll, on_poll, NULL);
    run.start_ns = bench_now_ns();
    for (uint64_t i = 0; i < opt.sessions; i++) {
        struct sched_session *s = &run.session[i];

        buf_init(&s->head, HEAD_BYTES_MAX);
        loop_timer_init(run.loop, &s->again, on_again, s);
        if (next_message(s)) {
            session_open(s);
        }
    }
    must(loop_run(run.loop), "the loop");
}

static void
report_sent(FILE *file)
{
    double seconds = run.acked > 0 ? (double)(run.end_ns - run.start_ns) / (double)NS_PER_S : 0;

    (void)fprintf(file,
        "{\"issued\": %llu, \"acked\": %llu, \"failed\": %llu, \"unknown\": 0, \"deferred\": %llu, "
        "\"sessions\": %llu, \"size\": %llu, \"seconds\": %.6f, \"rate\": %.2f, \"start_ns\": "
        "%llu, \"end_ns\": %llu, \"cpu_s\": %.3f, \"first_error\": ",
        (unsigned long long)run.issued, (unsigned long long)run.acked,
        (unsigned long long)run.failed, (unsigned long long)run.deferred,
        (unsigned long long)opt.sessions, (unsigned long long)opt.size, seconds,
        seconds > 0 ? (double)run.acked / seconds : 0.0, (unsigned long long)run.start_ns,
        (unsigned long long)run.end_ns, bench_cpu_seconds());
    bench_json_string(file, run.first_error);
    (void)fputs("}\n", file);
}

/* ---- both */

static void
set_end(char *spec, struct slice *mta, struct x400_selector *t)
{
    struct slice rest = slice_of(spec), tsel;

    if (!slice_next(&rest, ',', mta) || !slice_next(&rest, ',', &tsel) ||
        tsel.n > sizeof(t->octets)) {
        bench_die(EXIT_USAGE, "--local and --peer are MTA,T-SELECTOR");
    }
    t->n = (uint8_t)tsel.n;
    memcpy(t->octets, tsel.p, tsel.n);
}

static void
options_make(void)
{
    struct x400_connector_options *o = &run.options;

    run.hop = (struct x400_hop){ .address = opt.at, .port = opt.at.port };
    *o = (struct x400_connector_options){ .name = SLICE_LIT("bench"),
        .protocol = opt.protocol,
        .sources = &opt.bind,
        .source_count = opt.receives ? 0 : 1,
        .hops = &run.hop,
        .hop_count = opt.receives ? 0 : 1,
        .dialogue = RTSE_MONOLOGUE,
        .checkpoint = 30,
        .window = 5,
        .times = x400_times_default,
        .schedule.kind = opt.receives ? X400_NEVER : X400_ALWAYS,
        .out_max = (uint32_t)opt.sessions };
    set_end(opt.local, &o->local_mta, &o->local.t);
    set_end(opt.peer, &o->remote_mta, &o->remote.t);
}

static void
begin(void)
{
    static const struct intake_ops ops = { .ready = plain_room,
        .known = on_known,
        .open = on_open,
        .write = on_write,
        .commit = on_commit,
        .abort = on_abort,
        .forget = on_forget };
    struct x400_mta_options o = { .domain = opt.receives ? sink_domain : load_domain,
        .associations_max = SESSIONS_MAX,
        .unbound_max = SESSIONS_MAX,
        .unbound_per_client_max = SESSIONS_MAX,
        .times = x400_times_default };
    struct x400_env env = { .intake = { &ops, NULL }, .route = plain_way };
    struct vip_watch *watch;
    struct egress *egress = NULL;
    struct loop_signal *unused;

    (void)signal(SIGPIPE, SIG_IGN);
    bench_raise_fd_limit();
    pattern_make();
    must(loop_new(&run.loop), "the loop");
    must(loop_signal_new(run.loop, &unused, SIGTERM, on_stop, NULL), "SIGTERM");
    must(loop_signal_new(run.loop, &unused, SIGINT, on_stop, NULL), "SIGINT");
    if (!opt.receives) {
        must(vip_watch_new(&watch, run.loop, &opt.bind, 1, NULL, NULL), "the addresses");
        must(egress_new(&egress, run.loop, watch), "connections");
    }
    must(x400_net_new(&run.net, run.loop, egress, SLICE_LIT("bench")), "the stack");
    env.loop = run.loop;
    env.net = run.net;
    options_make();
    o.mta_name = run.options.local_mta; /* or the internal trace shows a loop */
    must(x400_new(&run.mta, &env, &o), "the protocol");
    connector_make();
}

static const char usage[] =
    "Usage: x400_load send --to ADDR:PORT --local MTA,TSEL --peer MTA,TSEL [OPTION]...\n"
    "       x400_load receive --listen ADDR[:PORT] --local MTA,TSEL --peer MTA,TSEL [OPTION]...\n"
    "  --local, --peer     names and T-selectors: ours, and the other's\n"
    "  --mode MODE         normal, x410 or 1984 (normal)\n"
    "  --json FILE         write the result there, not to standard output\n"
    "send\n"
    "  --bind ADDR         call from this address (127.0.0.1)\n"
    "  --sessions N        associations (1)\n"
    "  --messages N        in all (1)\n"
    "  --rate N            so many a second in all; 0: as fast as they are taken (0)\n"
    "  --size BYTES        of the content (4096)\n"
    "  --first N           number of the first message (0)\n"
    "  --tries N           of a message that is deferred (100), 100 ms between\n"
    "  --from, --recipient O/R addresses (/C=XX/A=LOAD/S=a/, /C=XX/A=BENCH/S=b/)\n"
    "receive: until SIGTERM, or\n"
    "  --count N           until half a second after so many different messages came\n"
    "  --ready FILE        write ADDR:PORT there once it listens\n"
    "  --flap MS           cut each association at its first content; down every other MS\n";

static enum p1_protocol
protocol_of(const char *text)
{
    if (strcmp(text, "normal") != 0 && strcmp(text, "x410") != 0 && strcmp(text, "1984") != 0) {
        bench_die(EXIT_USAGE, "no such mode: %s", text);
    }
    return text[0] == 'n' ? P1_1988_NORMAL : text[0] == 'x' ? P1_1988_X410 : P1_1984;
}

static struct netaddr
address_of(const char *text)
{
    struct netaddr a;

    if (netaddr_parse_port(slice_of(text), 0, &a) < 0) {
        bench_die(EXIT_USAGE, "%s is no address with a port", text);
    }
    return a;
}

static void
option_set(int id, char *text)
{
    switch (id) {
    case 't':
        opt.at = address_of(text);
        break;
    case 'b':
        opt.bind = address_of(text);
        break;
    case 'l':
        opt.local = text;
        break;
    case 'p':
        opt.peer = text;
        break;
    case 'm':
        opt.protocol = protocol_of(text);
        break;
    case 's':
        opt.sessions = bench_number("--sessions", text, SESSIONS_MAX);
        break;
    case 'n':
        opt.messages = bench_number("--messages", text, NUMBERS_MAX);
        break;
    case 'a':
        opt.rate = bench_number("--rate", text, 1000000);
        break;
    case 'z':
        opt.size = bench_number("--size", text, 64 * GIB);
        break;
    case '1':
        opt.first = bench_number("--first", text, NUMBERS_MAX);
        break;
    case 'T':
        opt.tries = bench_number("--tries", text, 1000000);
        break;
    case 'f':
        opt.from = text;
        break;
    case 'r':
        opt.recipient = text;
        break;
    case 'c':
        opt.count = bench_number("--count", text, NUMBERS_MAX);
        break;
    case 'F':
        opt.flap_ms = bench_number("--flap", text, 3600000);
        break;
    case 'R':
        opt.ready = text;
        break;
    case 'j':
        opt.json = text;
        break;
    default:
        (void)fputs(usage, id == 'h' ? stdout : stderr);
        exit(id == 'h' ? 0 : EXIT_USAGE);
    }
}

static void
options_parse(int argc, char **argv)
{
    static const struct option options[] = { { "to", required_argument, NULL, 't' },
        { "listen", required_argument, NULL, 't' }, { "bind", required_argument, NULL, 'b' },
        { "local", required_argument, NULL, 'l' }, { "peer", required_argument, NULL, 'p' },
        { "mode", required_argument, NULL, 'm' }, { "sessions", required_argument, NULL, 's' },
        { "messages", required_argument, NULL, 'n' }, { "rate", required_argument, NULL, 'a' },
        { "size", required_argument, NULL, 'z' }, { "first", required_argument, NULL, '1' },
        { "tries", required_argument, NULL, 'T' }, { "from", required_argument, NULL, 'f' },
        { "recipient", required_argument, NULL, 'r' }, { "count", required_argument, NULL, 'c' },
        { "flap", required_argument, NULL, 'F' }, { "ready", required_argument, NULL, 'R' },
        { "json", required_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 } };
    int id;

    opt.protocol = P1_1988_NORMAL;
    opt.bind = address_of("127.0.0.1");
    while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
        option_set(id, optarg);
    }
    opt.receives = optind < argc && strcmp(argv[optind], "receive") == 0;
    if (optind != argc - 1 || (!opt.receives && strcmp(argv[optind], "send") != 0) ||
        opt.at.family == 0 || opt.local == NULL || opt.peer == NULL || opt.sessions == 0 ||
        opt.messages == 0) {
        (void)fputs(usage, stderr);
        exit(EXIT_USAGE);
    }
}

int
main(int argc, char **argv)
{
    FILE *file = stdout;

    options_parse(argc, argv);
    begin();
    if (opt.receives) {
        receive();
    } else {
        send_all();
    }
    if (opt.json != NULL) {
        file = fopen(opt.json, "we");
        if (file == NULL) {
            bench_die(EXIT_FAILED, "%s: %s", opt.json, strerror(errno));
        }
    }
    (opt.receives ? report_received : report_sent)(file);
    if (fflush(file) != 0) {
        bench_die(EXIT_FAILED, "cannot write the result: %s", strerror(errno));
    }
    return run.failed == 0 ? 0 : EXIT_FAILED;
}
