/* links: x400 net loop mail osi */
/* relay_driver.c - an MTA of a few lines at the end of the relays: it sends what it is told to, and
 * writes down what comes.
 *
 *   relay_driver receive DIR ADDRESS PORT SPEC...       listens until it is ended
 *   relay_driver send ADDRESS PORT SPEC FROM KIND FILE COUNT TO...   ends when all is confirmed
 *
 * SPEC is NAME,MODE,OUR-MTA,OUR-TSEL,PEERS-MTA,PEERS-TSEL. KIND: message, probe, or report: then
 * FILE is what came, as it is stored, and each TO is what became of a recipient, delivered or
 * failed. What came is DIR/NAME.N (as it is stored), DIR/NAME.N.content, and a line of DIR/log. The
 * file DIR/stall or $STALL: at most 64 KiB of each content are taken or sent while it is there. A
 * transfer that came again and is known makes a line "again".
 * $SOURCE: the address to call from (127.0.0.1). $ID: of identifiers, before their number. $DOMAIN:
 * another than /C=AA/A= /P=END/. $PRIORITY: urgent or non-urgent. $DEFERRED, $LATEST: delivery
 * times, in seconds since 1970. $REPORTS: delivery is to be reported too. $HEAD: a file with the
 * envelope, as it is stored, in the place of one made of all that. */
#include "core/ticks.h"
#include "net/egress.h"
#include "net/listener.h"
#include "net/vip_watch.h"
#include "x400/or_address_ber.h"
#include "x400/p1_make.h"
#include "x400/p1_report.h"
#include "x400/p1_stored.h"
#include "x400/x400.h"
#include "x400_plain.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SPECS_MAX   8
#define CAME_MAX    1000
#define AGAIN_MS    50
#define STALL_BYTES ((uint64_t)64 * 1024)
#define LISTED_MAX  ((size_t)1024 * 1024)

struct intake_message {
    FILE *file;
    char path[512];
    uint64_t bytes;
    intake_resume_fn *resume;
    void *resume_ctx;
    intake_commit_fn *cb;
    void *ctx;
};

struct end {
    const char *name;
    struct x400_connector *connector;
};

static struct loop *loop;
static struct x400 *mta;
static struct end ends[SPECS_MAX];
static size_t end_count;
static const char *dir, *stall;
static struct netaddr own;
static struct loop_timer again;
static struct loop_task sync_task;

static bool
stalled(void)
{
    return stall != NULL && access(stall, F_OK) == 0;
}

static void
must(int rc, const char *what)
{
    if (rc < 0) {
        fprintf(stderr, "%s: %s\n", what, error_text(rc));
        exit(1);
    }
}

/* ---- what comes */

static char *came[CAME_MAX];
static unsigned came_count;
static struct intake_message *pending, *paused;

static int
on_ready(void *ctx, uint64_t size_bytes)
{
    (void)ctx;
    (void)size_bytes;
    return pending == NULL ? 0 : BH_ESTATE;
}

static FILE *
open_log(void)
{
    char path[512];
    FILE *log;

    (void)snprintf(path, sizeof(path), "%s/log", dir);
    log = fopen(path, "a");
    CHECK(log != NULL);
    return log;
}

static void
list_again(struct slice transid)
{
    FILE *log = open_log();

    fprintf(log, "again %.*s\n", SLICE_FMT(transid));
    (void)fclose(log);
}

static int
on_known(void *ctx, struct slice transid, struct intake_known *out)
{
    (void)ctx;
    *out = (struct intake_known){ 1, 0 };
    for (unsigned i = 0; i < came_count; i++) {
        if (slice_eq(transid, slice_of(came[i]))) {
            list_again(transid);
            return 1;
        }
    }
    return 0;
}

static int
on_open(void *ctx, intake_resume_fn *resume, void *resume_ctx, struct intake_message **out,
    uint64_t *id)
{
    static unsigned number;
    struct intake_message *m = calloc(1, sizeof(*m));

    (void)ctx;
    CHECK(m != NULL);
    *id = ++number;
    (void)snprintf(m->path, sizeof(m->path), "%s/new.%u", dir, number);
    m->file = fopen(m->path, "w+b");
    CHECK(m->file != NULL);
    m->resume = resume;
    m->resume_ctx = resume_ctx;
    *out = m;
    return 0;
}

static int
on_write(struct intake_message *m, struct slice bytes)
{
    CHECK(fwrite(bytes.p, 1, bytes.n, m->file) == bytes.n);
    m->bytes += bytes.n;
    if (m->bytes > STALL_BYTES && stalled()) {
        paused = m;
        loop_timer_start(&again, AGAIN_MS);
        return 1;
    }
    return 0;
}

static void
on_abort(struct intake_message *m)
{
    paused = paused == m ? NULL : paused;
    (void)fclose(m->file);
    (void)unlink(m->path);
    free(m);
}

static void
list_report(FILE *log, struct slice content)
{
    struct p1_report r;
    struct p1_reported one;
    const char *error;
    uint64_t at;
    struct ber_cursor c;

    must(p1_report_parse(content, &r, &error, &at), "a report");
    fprintf(log, " subject %.*s", SLICE_FMT(p1_text_slice(&r.subject.local)));
    ber_cursor_init(&c, r.recipients);
    while (p1_reported_next(&c, &one) > 0) {
        fprintf(log, " %s reason %u diagnostic %d", one.delivered ? "delivered" : "failed",
            one.reason, (int)one.diagnostic);
    }
}

/* A line of the log, and the content in a file of its own. */
static void
list_it(struct intake_message *m, const struct envelope *e, const char *name, unsigned n)
{
    static const char *const kinds[] = { [ENVELOPE_P1_MESSAGE] = "message",
        [ENVELOPE_P1_PROBE] = "probe",
        [ENVELOPE_P1_REPORT] = "report" };
    char path[512], *octets = malloc((size_t)m->bytes + 1);
    static struct p1_passed passed;
    struct p1_envelope p1;
    const char *error = "";
    uint64_t head, at;
    enum p1_kind kind;
    FILE *log, *content;

    CHECK(octets != NULL);
    rewind(m->file);
    CHECK(fread(octets, 1, (size_t)m->bytes, m->file) == (size_t)m->bytes);
    must(p1_stored_bytes((struct slice){ octets, (size_t)m->bytes }, &kind, &head), "its head");
    must(p1_stored_read((struct slice){ octets, (size_t)head }, &p1, &error, &at), error);
    (void)snprintf(path, sizeof(path), "%s/%s.%u.content", dir, name, n);
    content = fopen(path, "wb");
    CHECK(content != NULL &&
          fwrite(octets + head, 1, (size_t)(m->bytes - head), content) == m->bytes - head);
    (void)fclose(content);
    log = open_log();
    p1_plan_passed(&p1, &passed);
    fprintf(log, "%s %s %u id %.*s trace %u rerouted %u for", name, kinds[e->body], n,
        SLICE_FMT(p1_text_slice(&p1.id.local)), (unsigned)p1.trace_count, passed.reroutes);
    for (uint32_t i = 0; i < e->recipient_count; i++) {
        fprintf(log, " %.*s", SLICE_FMT(e->recipients[i].address));
    }
    if (e->body == ENVELOPE_P1_REPORT) {
        list_report(log, p1.report_content);
    }
    fprintf(log, "\n");
    (void)fclose(log);
    free(octets);
}

static void
on_sync(void *unused)
{
    struct intake_message *m = pending;

    (void)unused;
    pending = NULL;
    if (m->cb != NULL) {
        m->cb(m->ctx, 0);
    }
    free(m);
}

static int
on_commit(struct intake_message *m, const struct envelope *e, intake_commit_fn *cb, void *ctx)
{
    char path[512], name[64];
    struct slice rest = slice_skip(e->transid, 6), connector; /* "x400 /bob/AA/..." */
    unsigned n = came_count + 1;

    CHECK(pending == NULL && came_count < CAME_MAX);
    CHECK(slice_next(&rest, '/', &connector) && connector.n > 0);
    (void)snprintf(name, sizeof(name), "%.*s", SLICE_FMT(connector));
    came[came_count++] = slice_dup(e->transid);
    list_it(m, e, name, n);
    (void)fclose(m->file);
    (void)snprintf(path, sizeof(path), "%s/%s.%u", dir, name, n);
    CHECK(rename(m->path, path) == 0);
    m->cb = cb;
    m->ctx = ctx;
    pending = m;
    loop_call_soon(loop, &sync_task);
    return 0;
}

static void
on_forget(void *ctx, intake_commit_fn *cb, void *cb_ctx)
{
    (void)ctx;
    (void)cb;
    if (pending != NULL && pending->ctx == cb_ctx) {
        pending->cb = NULL;
    }
}

/* ---- what goes */

struct sched_session {
    struct transport_session *transport;
    transport_ready_fn *ready;
    void *ready_ctx;
    uint64_t read;
    bool open, idle, doubt;
};

static struct sched_session session;
static struct delivery work;
static struct slice recipients[16];
static char *sent_octets;
static uint64_t sent_head, sent_bytes;
static unsigned left, number;
static struct p1_made made;
static struct slice content;

static struct slice given; /* of $HEAD, or a report; empty: made is made */

static struct slice
report_on(struct slice stored, char **outcomes, int count)
{
    static struct buf out; /* as long as the process */
    struct p1_outcome all[ARRAY_LEN(recipients)];
    struct p1_reporter by = { .domain = made.domain,
        .mta_name = SLICE_LIT("END"),
        .local_id = slice_of(getenv("ID") != NULL ? getenv("ID") : "R"),
        .now_wall_ms = ticks_wall_ms(),
        .arrival_wall_ms = ticks_wall_ms() };
    struct p1_envelope subject;
    const char *error = "";
    uint64_t at, head;
    enum p1_kind kind;

    must(p1_stored_bytes(stored, &kind, &head), "the subject's head");
    must(p1_stored_read(slice_sub(stored, 0, (size_t)head), &subject, &error, &at), error);
    CHECK(subject.recipient_count == (unsigned)count && (unsigned)count <= ARRAY_LEN(all));
    for (int i = 0; i < count; i++) {
        all[i] = strcmp(outcomes[i], "delivered") == 0
                     ? (struct p1_outcome){ .is = P1_DELIVERED, .delivery_wall_ms = by.now_wall_ms }
                     : (struct p1_outcome){ .is = P1_FAILED, .diagnostic = 4 };
    }
    buf_init(&out, LISTED_MAX);
    if (p1_report_write(&out, &subject, all, &by) != 1) {
        fprintf(stderr, "nothing to report\n");
        exit(1);
    }
    return buf_slice(&out);
}

/* The next message: as the one before, under another identifier. */
static void
make_it(void)
{
    char id[32];
    struct buf head;

    (void)snprintf(id, sizeof(id), "%s-%u", getenv("ID") != NULL ? getenv("ID") : "T", ++number);
    made.local_id = slice_of(id);
    buf_init(&head, LISTED_MAX);
    must(given.n > 0 ? buf_append(&head, given) : p1_make(&head, &made), "the envelope");
    free(sent_octets);
    sent_head = buf_len(&head);
    sent_bytes = sent_head + (made.kind == P1_MESSAGE ? content.n : 0);
    sent_octets = malloc((size_t)sent_bytes);
    CHECK(sent_octets != NULL);
    memcpy(sent_octets, buf_slice(&head).p, (size_t)sent_head);
    memcpy(sent_octets + sent_head, content.p, (size_t)(sent_bytes - sent_head));
    buf_fini(&head);
    work.id = number;
    work.size_bytes = sent_bytes;
    work.received_wall_ms = ticks_wall_ms();
    session.read = 0;
}

static void
try_it(void)
{
    struct transport t = x400_connector_transport(ends[0].connector);

    session = (struct sched_session){ .open = true };
    must(t.ops->open(t.ctx, SLICE_LIT("peer"), &session, &work, &session.transport), "a session");
}

static void
on_again(void *unused)
{
    struct intake_message *m = paused;

    (void)unused;
    if (stalled()) {
        loop_timer_start(&again, AGAIN_MS);
    } else if (m != NULL) {
        paused = NULL;
        m->resume(m->resume_ctx);
    } else if (session.ready != NULL) {
        transport_ready_fn *ready = session.ready;

        session.ready = NULL;
        ready(session.ready_ctx);
    } else if (left > 0 && !session.open) {
        try_it();
    }
}

static int
up_content(struct sched_session *s, struct slice *out, transport_ready_fn *ready, void *ctx)
{
    uint64_t n = MIN(sent_bytes - s->read, (uint64_t)32 * 1024);

    if (s->read > STALL_BYTES && stalled()) {
        if (s->ready == NULL) {
            printf("stalled\n");
        }
        s->ready = ready;
        s->ready_ctx = ctx;
        loop_timer_start(&again, AGAIN_MS);
        return BH_EBUSY;
    }
    *out = (struct slice){ sent_octets + s->read, (size_t)n };
    s->read += n;
    return (int)n;
}

static void
up_seek(struct sched_session *s, uint64_t offset)
{
    s->read = offset;
}

static void
result(const struct transport_result *r)
{
    printf("%s %d %.*s\n",
        r->kind == OUTCOME_DELIVERED  ? "delivered"
        : r->kind == OUTCOME_DEFERRED ? "deferred"
                                      : "failed",
        r->in_doubt, SLICE_FMT(r->reply));
    if (r->kind != OUTCOME_DEFERRED && --left > 0) {
        make_it();
    }
}

static void
up_recipient(struct sched_session *s, uint32_t index, const struct transport_result *r)
{
    (void)s;
    if (index == 0) {
        result(r);
    }
}

static const struct delivery *
up_done(struct sched_session *s)
{
    s->read = 0;
    if (left > 0) {
        return &work;
    }
    s->idle = true;
    x400_connector_suspend(ends[0].connector, true);
    loop_timer_start(&again, AGAIN_MS);
    loop_stop(loop);
    return NULL;
}

static void
up_closed(struct sched_session *s, const struct transport_result *r)
{
    printf("closed %.*s\n", SLICE_FMT(r->reply));
    *s = (struct sched_session){ .open = false };
    if (left > 0) {
        loop_timer_start(&again, AGAIN_MS);
    } else {
        loop_stop(loop);
    }
}

static const struct transport_up up = { plain_yes, plain_yes, up_content, up_seek, plain_yes,
    up_recipient, up_done, plain_opened, up_closed };

/* ---- both */

static void
set_selector(struct x400_selector *s, struct slice text)
{
    CHECK(text.n <= sizeof(s->octets));
    s->n = (uint8_t)text.n;
    memcpy(s->octets, text.p, text.n);
}

static void
add_end(char *spec, const struct netaddr *hop)
{
    static const struct x400_connector_env none = { NULL, NULL, NULL };
    static struct x400_hop hops[SPECS_MAX];
    struct slice rest = slice_of(spec), part[6];
    struct x400_connector_options o = { .sources = &own,
        .source_count = 1,
        .dialogue = RTSE_MONOLOGUE,
        .checkpoint = 30,
        .window = 5,
        .times = x400_times_default };

    for (size_t i = 0; i < ARRAY_LEN(part); i++) {
        CHECK(slice_next(&rest, ',', &part[i]));
    }
    CHECK(end_count < SPECS_MAX);
    o.name = part[0];
    o.protocol = slice_eq(part[1], SLICE_LIT("1984"))   ? P1_1984
                 : slice_eq(part[1], SLICE_LIT("x410")) ? P1_1988_X410
                                                        : P1_1988_NORMAL;
    o.local_mta = part[2];
    set_selector(&o.local.t, part[3]);
    o.remote_mta = part[4];
    set_selector(&o.remote.t, part[5]);
    o.schedule.kind = hop != NULL ? X400_ALWAYS : X400_NEVER;
    if (hop != NULL) {
        hops[end_count] = (struct x400_hop){ .address = *hop, .port = hop->port };
        o.hops = &hops[end_count];
        o.hop_count = 1;
    }
    must(x400_connector_new(&ends[end_count].connector, mta, &o, &none, &up), "a connector");
    end_count++;
}

static void
begin(const struct p1_domain *domain)
{
    static const struct intake_ops ops = { .ready = on_ready,
        .known = on_known,
        .open = on_open,
        .write = on_write,
        .commit = on_commit,
        .abort = on_abort,
        .forget = on_forget };
    struct x400_mta_options o = { .mta_name = SLICE_LIT("END"),
        .domain = *domain,
        .associations_max = 20,
        .unbound_max = 20,
        .unbound_per_client_max = 20,
        .times = { 30000, 30000, 60000, 60000, { 1000, 1000, 1000 }, 60000, 60000, 30000, 5000 } };
    struct x400_env env = { .intake = { &ops, NULL }, .route = plain_way };
    const char *source = getenv("SOURCE");
    struct vip_watch *watch;
    struct egress *egress;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    must(netaddr_parse(slice_of(source != NULL ? source : "127.0.0.1"), &own), "$SOURCE");
    must(loop_new(&loop), "the loop");
    must(vip_watch_new(&watch, loop, &own, 1, NULL, NULL), "the addresses");
    must(egress_new(&egress, loop, watch), "connections");
    loop_timer_init(loop, &again, on_again, NULL);
    loop_task_init(&sync_task, on_sync, NULL);
    env.loop = loop;
    must(x400_net_new(&env.net, loop, egress, SLICE_LIT("end")), "the stack");
    must(x400_new(&mta, &env, &o), "the protocol");
}

static void
on_accept(void *ctx, int fd, const struct netaddr *peer)
{
    (void)ctx;
    x400_accept(mta, fd, peer, "p1");
}

static struct netaddr
address_of(const char *text, const char *port)
{
    struct netaddr a;

    must(netaddr_parse(slice_of(text), &a), text);
    a.port = (uint16_t)strtoul(port, NULL, 10);
    return a;
}

static int
receive(int argc, char **argv)
{
    /* another one than the sender's, or what comes goes round */
    static const struct p1_domain domain = { { true, 2, "AA" }, { true, 1, " " },
        { true, 3, "RCV" } };
    struct netaddr at;
    struct listener *listener;
    char path[512];
    int fd;

    dir = argv[0];
    (void)snprintf(path, sizeof(path), "%s/stall", dir);
    stall = path;
    begin(&domain);
    at = address_of(argv[1], argv[2]);
    for (int i = 3; i < argc; i++) {
        add_end(argv[i], NULL);
    }
    must(listener_open(&at, &fd), "the listener");
    must(listener_start(&listener, loop, fd, on_accept, NULL), "the listener");
    return loop_run(loop) == 0 ? 0 : 1;
}

static struct slice
whole_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *octets;
    long n;

    CHECK(f != NULL && fseek(f, 0, SEEK_END) == 0);
    n = ftell(f);
    rewind(f);
    octets = malloc((size_t)n + 1);
    CHECK(octets != NULL && fread(octets, 1, (size_t)n, f) == (size_t)n);
    (void)fclose(f);
    return (struct slice){ octets, (size_t)n };
}

static struct or_address
or_of(const char *text)
{
    struct or_address a;
    struct or_error error;

    if (or_address_parse(slice_of(text), &a, &error) < 0) {
        fprintf(stderr, "%s: no O/R address\n", text);
        exit(2);
    }
    return a;
}

static uint64_t
seconds_of(const char *name)
{
    const char *text = getenv(name);

    return text != NULL ? (uint64_t)strtoull(text, NULL, 10) * 1000 : 0;
}

/* /C=AA/A= /P=END/ */
static void
take_domain(struct p1_domain *out, const char *text)
{
    struct or_address a = or_of(text);
    struct p1_text *const to[] = { &out->country, &out->admd, &out->prmd };
    static const enum or_attribute of[] = { OR_C, OR_A, OR_P };

    for (size_t i = 0; i < ARRAY_LEN(of); i++) {
        struct slice s = or_address_value(&a, of[i], OR_PRINTABLE);

        *to[i] = (struct p1_text){ .given = s.n > 0, .n = (uint8_t)s.n };
        memcpy(to[i]->octets, s.n > 0 ? s.p : "", s.n);
    }
}

/* All but kind, recipients and content. */
static void
make_from(const struct p1_domain *domain, const struct or_address *from)
{
    const char *priority = getenv("PRIORITY");

    made.domain = domain;
    made.originator = from;
    made.content_type = 2;
    made.probe_bytes = content.n;
    made.deferred_wall_ms = seconds_of("DEFERRED");
    made.latest_wall_ms = seconds_of("LATEST");
    if (priority != NULL && priority[0] != '\0') {
        made.priority = strcmp(priority, "urgent") == 0 ? P1_URGENT : P1_NON_URGENT;
    }
}

static void
send_to(int count, char **to)
{
    static struct or_address address[ARRAY_LEN(recipients)];
    static struct p1_made_recipient list[ARRAY_LEN(recipients)];
    const uint32_t reports =
        getenv("REPORTS") != NULL ? P1_MTA_NON_DELIVERY | P1_REPORT_ASKED : P1_MTA_NON_DELIVERY;

    for (int i = 0; i < count && work.recipient_count < ARRAY_LEN(recipients); i++) {
        uint32_t n = work.recipient_count++;

        address[n] = or_of(to[i]);
        list[n] = (struct p1_made_recipient){ &address[n], reports };
        recipients[n] = slice_of(to[i]);
    }
    made.recipients = list;
    made.recipient_count = work.recipient_count;
    work.recipients = recipients;
}

static int
send_all(int argc, char **argv)
{
    static struct or_address from;
    static struct p1_domain domain;
    const bool report = strcmp(argv[4], "report") == 0;
    const char *head = getenv("HEAD"), *name = getenv("DOMAIN");
    struct netaddr hop;

    stall = getenv("STALL");
    take_domain(&domain, name != NULL ? name : "/C=AA/A= /P=END/");
    begin(&domain);
    hop = address_of(argv[0], argv[1]);
    add_end(argv[2], &hop);
    from = or_of(argv[3]);
    content = whole_file(argv[5]);
    left = (unsigned)strtoul(argv[6], NULL, 10);
    made.kind = strcmp(argv[4], "probe") == 0 ? P1_PROBE : report ? P1_REPORT : P1_MESSAGE;
    make_from(&domain, &from);
    if (report) {
        given = report_on(content, argv + 7, argc - 7);
        send_to(1, argv + 3);
    } else {
        given = head != NULL ? whole_file(head) : SLICE_NONE;
        send_to(argc - 7, argv + 7);
    }
    work.sender = slice_of(argv[3]);
    work.body = made.kind == P1_PROBE ? ENVELOPE_P1_PROBE
                : report              ? ENVELOPE_P1_REPORT
                                      : ENVELOPE_P1_MESSAGE;
    make_it();
    try_it();
    return loop_run(loop) == 0 && left == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
    if (argc > 5 && strcmp(argv[1], "receive") == 0) {
        return receive(argc - 2, argv + 2);
    }
    if (argc > 9 && strcmp(argv[1], "send") == 0) {
        return send_all(argc - 2, argv + 2);
    }
    fprintf(stderr, "usage: see the head of relay_driver.c\n");
    return 2;
}
