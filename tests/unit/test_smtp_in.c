/* smtp_in.c: real sessions on the loop, over loopback TCP, into an intake of the test's own. The
 * test waits for what the clients are told; the only clock is the one that gives up. */
#include "core/buf.h"
#include "core/ticks.h"
#include "smtp/smtp.h"
#include "smtp/smtp_grammar.h"
#include "test_main.h"

#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define GIVE_UP_MS 20000
#define DRIP_MS    5 /* a byte each: less than content must come at */
#define HELLO      "EHLO c.test\r\n"
#define AGAIN      "RCPT TO:<r@y>\r\n"
#define BEGIN      HELLO "MAIL FROM:<s@x>\r\nRCPT TO:<r@y>\r\nDATA\r\n"

struct intake_message {
    struct rig *rig;
    struct buf content;
};

struct client {
    struct rig *rig;
    int fd;
    struct loop_poll *poll;
    struct buf got;
    struct buf to_send;
    unsigned reads;
    bool ended, mute; /* mute: does not read */
};

struct rig {
    struct loop *loop;
    struct smtp_in *in;
    struct loop_timer timer;
    struct loop_task commit_task, resume_task;
    bool gave_up, manual, trusted;
    /* intake */
    bool checkpoint;
    const char *known_name;
    char settled[64];
    int known_rc;
    unsigned known_later; /* so often it is not known yet */
    int ready_rc, write_rc, commit_rc;
    unsigned opened, aborted, forgotten, committed;
    unsigned pause_every; /* write returns 1 each so many calls */
    unsigned writes;
    uint64_t written_bytes;
    intake_resume_fn *resume;
    intake_commit_fn *commit_cb;
    void *resume_ctx, *commit_ctx;
    struct buf last; /* content of the message committed last */
    char envelope[1024];
    /* what the loop runs for */
    struct client *awaited;
    const char *text;
    bool drained;
};

/* ---- intake */

static struct intake_verdict
on_recipient(
    void *ctx, const struct intake_client *client, struct slice sender, struct slice recipient)
{
    (void)ctx;
    (void)sender;
    CU_ASSERT_TRUE(slice_eq(client->listener, SLICE_LIT("mx")));
    CU_ASSERT_TRUE(slice_eq(client->helo, SLICE_LIT("c.test")));
    CU_ASSERT_TRUE(netaddr_is_loopback(&client->address));
    if (slice_iends(recipient, SLICE_LIT("@refused.example"))) {
        return (struct intake_verdict){ 550, "5.7.1", "Relaying denied" };
    }
    return (struct intake_verdict){ 250, "2.1.5", "Recipient OK" };
}

static int
on_ready(void *ctx, uint64_t size_bytes)
{
    struct rig *r = ctx;

    (void)size_bytes;
    return r->ready_rc;
}

static int
on_open(void *ctx, intake_resume_fn *resume, void *resume_ctx, struct intake_message **out,
    uint64_t *id)
{
    struct rig *r = ctx;
    struct intake_message *m = calloc(1, sizeof(*m));

    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    m->rig = r;
    buf_init(&m->content, 64 * MIB);
    r->resume = resume;
    r->resume_ctx = resume_ctx;
    r->opened++;
    *out = m;
    *id = 0x30000000000 + r->opened;
    return 0;
}

static int
on_write(struct intake_message *m, struct slice bytes)
{
    struct rig *r = m->rig;

    if (r->write_rc < 0) {
        return r->write_rc;
    }
    CU_ASSERT_EQUAL(buf_append(&m->content, bytes), 0);
    r->writes++;
    r->written_bytes += bytes.n;
    return r->pause_every > 0 && r->writes % r->pause_every == 0;
}

static void
message_free(struct intake_message *m)
{
    buf_fini(&m->content);
    free(m);
}

static void
on_abort(struct intake_message *m)
{
    m->rig->aborted++;
    message_free(m);
}

static void
on_commit_task(void *ctx)
{
    struct rig *r = ctx;
    intake_commit_fn *cb = r->commit_cb;

    r->commit_cb = NULL;
    if (cb != NULL) {
        cb(r->commit_ctx, r->commit_rc);
    }
}

static int
on_commit(struct intake_message *m, const struct envelope *e, intake_commit_fn *cb, void *ctx)
{
    struct rig *r = m->rig;
    int n = snprintf(r->envelope, sizeof(r->envelope), "<%.*s>", SLICE_FMT(e->sender));

    for (uint32_t i = 0; i < e->recipient_count; i++) {
        n += snprintf(r->envelope + n, sizeof(r->envelope) - (size_t)n, "<%.*s>",
            SLICE_FMT(e->recipients[i].address));
    }
    CU_ASSERT_TRUE(slice_iends(e->client, SLICE_LIT("(c.test)")));
    CU_ASSERT_TRUE(e->received_wall_ms > 0);
    buf_clear(&r->last);
    CU_ASSERT_EQUAL(buf_append(&r->last, buf_slice(&m->content)), 0);
    r->committed++;
    r->commit_cb = cb;
    r->commit_ctx = ctx;
    message_free(m);
    if (!r->manual) {
        loop_call_soon(r->loop, &r->commit_task);
    } else {
        loop_stop(r->loop);
    }
    return 0;
}

static void
on_forget(void *ctx, intake_commit_fn *cb, void *cb_ctx)
{
    struct rig *r = ctx;

    CU_ASSERT_TRUE(cb == r->commit_cb && cb_ctx == r->commit_ctx);
    r->commit_cb = NULL;
    r->forgotten++;
}

static bool
on_checkpoint(void *ctx, const struct intake_client *client)
{
    struct rig *r = ctx;

    (void)client;
    return r->checkpoint;
}

static int
on_known(void *ctx, struct slice transid, struct intake_known *out)
{
    struct rig *r = ctx;

    if (r->known_later > 0) {
        r->known_later--;
        return -EAGAIN;
    }
    if (r->known_rc == 1) {
        *out = (struct intake_known){ 0x77, 5 };
    }
    return r->known_name != NULL && slice_eq(transid, slice_of(r->known_name)) ? r->known_rc : 0;
}

static bool
on_known_for(void *ctx, struct slice transid, struct slice recipient)
{
    (void)ctx;
    (void)transid;
    return slice_eq(recipient, SLICE_LIT("had@it"));
}

static void
on_settled(void *ctx, struct slice transid)
{
    struct rig *r = ctx;

    (void)snprintf(r->settled, sizeof(r->settled), "%.*s", SLICE_FMT(transid));
}

static const struct intake_ops ops = { on_recipient, on_ready, on_checkpoint, on_known,
    on_known_for, on_settled, on_open, on_write, on_commit, on_abort, on_forget, NULL, NULL, NULL,
    NULL, NULL };

/* ---- the rig */

static void
on_give_up(void *ctx)
{
    struct rig *r = ctx;

    r->gave_up = true;
    loop_stop(r->loop);
}

static const struct smtp_in_options default_options = { .hostname = "mx.test",
    .sessions_max = 1000,
    .message_bytes_max = 50 * MIB,
    .recipients_max = 100,
    .command_timeout_ms = 300000,
    .data_timeout_ms = 600000,
    .errors_max = 10 };

static void
rig_start_with(struct rig *r, const struct smtp_in_options *o)
{
    struct intake intake = { &ops, r };

    memset(r, 0, sizeof(*r));
    CU_ASSERT_EQUAL_FATAL(loop_new(&r->loop), 0);
    CU_ASSERT_EQUAL_FATAL(smtp_in_new(&r->in, r->loop, o, &intake), 0);
    loop_timer_init(r->loop, &r->timer, on_give_up, r);
    loop_task_init(&r->commit_task, on_commit_task, r);
    buf_init(&r->last, 64 * MIB);
}

static void
rig_start(struct rig *r)
{
    rig_start_with(r, &default_options);
}

static void
rig_stop(struct rig *r)
{
    smtp_in_free(r->in);
    CU_ASSERT_EQUAL(r->opened, r->aborted + r->committed);
    loop_timer_stop(&r->timer);
    loop_task_cancel(&r->commit_task);
    loop_free(r->loop);
    CU_ASSERT_EQUAL(conn_count(), 0);
    buf_fini(&r->last);
}

static void
rig_run(struct rig *r)
{
    loop_timer_start(&r->timer, GIVE_UP_MS);
    CU_ASSERT_EQUAL(loop_run(r->loop), 0);
    loop_timer_stop(&r->timer);
    CU_ASSERT_FALSE_FATAL(r->gave_up);
}

/* ---- clients */

static bool
has(const struct client *c, const char *text)
{
    struct slice got = buf_slice(&c->got);

    return memmem(got.p, got.n, text, strlen(text)) != NULL;
}

static void
client_read(struct client *c)
{
    char bytes[65536];
    ssize_t n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n > 0) {
        CU_ASSERT_EQUAL(buf_append(&c->got, (struct slice){ bytes, (size_t)n }), 0);
        c->reads++;
    } else if (n == 0 || errno != EAGAIN) {
        c->ended = true;
        loop_poll_free(c->poll);
        c->poll = NULL;
    }
}

static void
client_write(struct client *c)
{
    struct slice rest = buf_slice(&c->to_send);
    ssize_t n = rest.n > 0 ? send(c->fd, rest.p, rest.n, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

    if (n > 0) {
        buf_consume(&c->to_send, (size_t)n);
    }
}

static void
client_poll(struct client *c)
{
    unsigned events =
        (c->mute ? 0u : LOOP_READABLE) | (buf_len(&c->to_send) > 0 ? LOOP_WRITABLE : 0u);

    if (c->poll != NULL) {
        CU_ASSERT_EQUAL(loop_poll_set(c->poll, events), 0);
    }
}

static void
on_client(void *ctx, int status, unsigned events)
{
    struct client *c = ctx;
    struct rig *r = c->rig;

    (void)status;
    if (events & LOOP_WRITABLE) {
        client_write(c);
    }
    if (events & LOOP_READABLE) {
        client_read(c);
    }
    client_poll(c);
    if (r->awaited == c && (r->text == NULL ? c->ended : has(c, r->text))) {
        loop_stop(r->loop);
    }
}

static void
narrow(int fd)
{
    int bytes = 16 * 1024;

    CU_ASSERT_EQUAL(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
    CU_ASSERT_EQUAL(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
}

static void
client_start_narrow(struct client *c, struct rig *r, bool is_narrow)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(sa);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
    struct netaddr peer;

    memset(c, 0, sizeof(*c));
    c->rig = r;
    buf_init(&c->got, 64 * MIB);
    buf_init(&c->to_send, 64 * MIB);
    CU_ASSERT_FATAL(bind(listener, (struct sockaddr *)&sa, n) == 0 && listen(listener, 1) == 0);
    CU_ASSERT_FATAL(getsockname(listener, (struct sockaddr *)&sa, &n) == 0);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (is_narrow) {
        narrow(c->fd);
        narrow(listener); /* inherited */
    }
    CU_ASSERT_FATAL(connect(c->fd, (struct sockaddr *)&sa, n) == 0);
    n = sizeof(sa);
    fd = accept(listener, (struct sockaddr *)&sa, &n);
    close(listener);
    CU_ASSERT_FATAL(fd >= 0 && netaddr_from_sockaddr((struct sockaddr *)&sa, &peer) == 0);
    CU_ASSERT_EQUAL_FATAL(loop_poll_new(r->loop, &c->poll, c->fd, on_client, c), 0);
    client_poll(c);
    smtp_in_accept(r->in, fd, &peer, r->trusted, "mx");
}

static void
client_start(struct client *c, struct rig *r)
{
    client_start_narrow(c, r, false);
}

static void
client_stop(struct client *c)
{
    if (c->poll != NULL) {
        loop_poll_free(c->poll);
    }
    if (c->fd >= 0) {
        close(c->fd);
    }
    buf_fini(&c->got);
    buf_fini(&c->to_send);
}

static void
client_say(struct client *c, struct slice s)
{
    CU_ASSERT_EQUAL(buf_append(&c->to_send, s), 0);
    client_write(c);
    client_poll(c);
}

/* Run until the client has been told that; NULL: until its connection has ended. */
static void
await(struct client *c, const char *text)
{
    c->rig->awaited = c;
    c->rig->text = text;
    if (text == NULL ? !c->ended : !has(c, text)) {
        rig_run(c->rig);
    }
    c->rig->awaited = NULL;
}

/* ---- cases */

static void
a_pipelined_message_reaches_intake_and_is_acknowledged(void)
{
    struct client c;
    struct rig r;

    rig_start(&r);
    client_start(&c, &r);
    await(&c, "220 mx.test ");
    c.reads = 0;
    client_say(&c, SLICE_LIT(BEGIN));
    await(&c, "354 ");
    CU_ASSERT_EQUAL(c.reads, 1); /* the replies of a group leave in one write */
    client_say(&c, SLICE_LIT("Subject: x\r\n\r\n..hello\r\n.\r\nQUIT\r\n"));
    await(&c, NULL);
    CU_ASSERT_TRUE(has(&c, "\r\n250 2.0.0 Queued as 30000000001\r\n221 2.0.0 Bye\r\n"));
    CU_ASSERT_STRING_EQUAL(r.envelope, "<s@x><r@y>");
    CU_ASSERT_TRUE(slice_starts(buf_slice(&r.last),
        SLICE_LIT("Received: from c.test ([127.0.0.1]) by mx.test (Bridgehead)\r\n"
                  "\twith ESMTP id 30000000001\r\n\tfor <r@y>; ")));
    CU_ASSERT_TRUE(
        slice_iends(buf_slice(&r.last), SLICE_LIT(" +0000\r\nSubject: x\r\n\r\n.hello\r\n")));
    CU_ASSERT_EQUAL(smtp_in_count(r.in), 0);
    client_stop(&c);
    rig_stop(&r);
}

static void
nothing_is_acknowledged_before_it_is_durable(void)
{
    struct client c;
    struct rig r;

    rig_start(&r);
    r.manual = true;
    client_start(&c, &r);
    client_say(&c, SLICE_LIT(BEGIN "hi\r\n.\r\nNOOP\r\nMAIL FROM:<t@x>\r\n"));
    await(&c, "354 ");
    if (r.committed == 0) {
        rig_run(&r); /* until commit is asked for */
    }
    CU_ASSERT_FALSE(has(&c, "Queued"));
    CU_ASSERT_FALSE(has(&c, "Sender OK\r\n250 2.1.5 Recipient OK\r\n354 End data with "
                            "<CR><LF>.<CR><LF>\r\n250"));
    on_commit_task(&r);
    await(&c, "Queued as 30000000001\r\n250 2.0.0 OK\r\n250 2.1.0 ");
    client_stop(&c);
    rig_stop(&r);
}

static void
a_failed_commit_is_a_temporary_failure(void)
{
    static const struct {
        int status;
        const char *reply;
        bool closes;
    } rows[] = { { -EIO, "\r\n451 4.3.0 ", true }, { BH_EFENCED, "\r\n451 4.3.0 ", true },
        { -EINVAL, "\r\n451 4.3.0 ", false } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct client c;
        struct rig r;

        rig_start(&r);
        r.commit_rc = rows[i].status;
        client_start(&c, &r);
        client_say(&c, SLICE_LIT(BEGIN "hi\r\n.\r\n"));
        await(&c, rows[i].reply);
        if (rows[i].closes) {
            await(&c, NULL);
        }
        CU_ASSERT_EQUAL(smtp_in_count(r.in), rows[i].closes ? 0 : 1);
        CU_ASSERT_FALSE(has(&c, "Queued"));
        client_stop(&c);
        rig_stop(&r);
    }
}

static void
a_session_that_dies_while_committing_is_forgotten(void)
{
    struct client c;
    struct rig r;

    rig_start(&r);
    r.manual = true;
    client_start(&c, &r);
    client_say(&c, SLICE_LIT(BEGIN "hi\r\n.\r\n"));
    rig_run(&r);
    CU_ASSERT_EQUAL(r.committed, 1);
    smtp_in_abort(r.in);
    CU_ASSERT_EQUAL(r.forgotten, 1);
    CU_ASSERT_EQUAL(smtp_in_count(r.in), 0);
    await(&c, NULL);
    CU_ASSERT_FALSE(has(&c, "Queued"));
    client_stop(&c);
    rig_stop(&r);
}

static void
on_resume_now(void *ctx)
{
    struct rig *r = ctx;

    r->resume(r->resume_ctx);
}

/* A large message, with intake pausing at every write. While it pauses nothing more is taken. */
static void
intake_sets_the_pace(void)
{
    static char line[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n";
    uint64_t before = 0;
    struct client c;
    struct rig r;

    rig_start(&r);
    r.pause_every = 1;
    loop_task_init(&r.resume_task, on_resume_now, &r);
    client_start(&c, &r);
    client_say(&c, SLICE_LIT(BEGIN));
    await(&c, "354 ");
    for (int i = 0; i < 100000; i++) {
        CU_ASSERT_EQUAL(buf_append(&c.to_send, (struct slice){ line, sizeof(line) - 1 }), 0);
    }
    client_say(&c, SLICE_LIT(".\r\nQUIT\r\n"));
    while (!has(&c, "Queued")) {
        CU_ASSERT_TRUE(r.written_bytes - before <= 70000); /* one read at most */
        before = r.written_bytes;
        if (r.committed == 0) {
            on_resume_now(&r);
        }
        loop_timer_start(&r.timer, 1); /* some turns; how many does not matter */
        CU_ASSERT_EQUAL(loop_run(r.loop), 0);
        r.gave_up = false;
    }
    CU_ASSERT_TRUE(buf_len(&r.last) > 100000 * (sizeof(line) - 1));
    CU_ASSERT_TRUE(buf_len(&r.last) < 100000 * (sizeof(line) - 1) + 300);
    await(&c, NULL);
    client_stop(&c);
    rig_stop(&r);
}

static void
a_full_disk_is_said_after_the_dot(void)
{
    struct client c;
    struct rig r;

    rig_start(&r);
    client_start(&c, &r);
    client_say(&c, SLICE_LIT(BEGIN));
    await(&c, "354 ");
    r.write_rc = -ENOSPC;
    client_say(&c, SLICE_LIT("a\r\nb\r\n"));
    client_say(&c, SLICE_LIT("c\r\n.\r\nNOOP\r\n"));
    await(&c, "\r\n452 4.3.1 Insufficient system storage\r\n250 2.0.0 OK\r\n");
    CU_ASSERT_EQUAL(r.aborted, 1);
    r.ready_rc = -ENOSPC;
    client_say(&c, SLICE_LIT("MAIL FROM:<a@b> SIZE=99\r\n"));
    await(&c, "250 2.0.0 OK\r\n452 4.3.1 ");
    r.ready_rc = BH_ESTATE;
    client_say(&c, SLICE_LIT("MAIL FROM:<a@b>\r\n"));
    await(&c, "421 4.3.2 ");
    await(&c, NULL);
    client_stop(&c);
    rig_stop(&r);
}

static void
on_drained(void *ctx)
{
    struct rig *r = ctx;

    r->drained = true;
    CU_ASSERT_EQUAL(smtp_in_count(r->in), 0);
    loop_stop(r->loop);
}

static void
draining_lets_content_finish_and_ends_the_rest_at_once(void)
{
    struct client idle, busy, late;
    struct rig r;

    rig_start(&r);
    client_start(&idle, &r);
    client_start(&busy, &r);
    client_say(&idle, SLICE_LIT(HELLO));
    await(&idle, "250 ENHANCEDSTATUSCODES");
    client_say(&busy, SLICE_LIT(BEGIN "hi\r\n"));
    await(&busy, "354 ");
    smtp_in_drain(r.in, GIVE_UP_MS * 2, on_drained, &r);
    await(&idle, NULL);
    CU_ASSERT_TRUE(has(&idle, "421 4.3.2 "));
    CU_ASSERT_FALSE(r.drained);
    client_start(&late, &r);
    await(&late, NULL);
    CU_ASSERT_TRUE(has(&late, "421 4.3.2 "));
    client_say(&busy, SLICE_LIT(".\r\n"));
    await(&busy, NULL);
    CU_ASSERT_TRUE(has(&busy, "Queued as 30000000001\r\n421 4.3.2 "));
    if (!r.drained) {
        rig_run(&r);
    }
    CU_ASSERT_TRUE(r.drained);
    client_stop(&idle);
    client_stop(&busy);
    client_stop(&late);
    rig_stop(&r);
}

static void
draining_ends_when_its_time_is_over(void)
{
    struct client c;
    struct rig r;

    rig_start(&r);
    client_start(&c, &r);
    client_say(&c, SLICE_LIT(BEGIN "hi\r\n"));
    await(&c, "354 ");
    smtp_in_drain(r.in, 10, on_drained, &r);
    rig_run(&r);
    CU_ASSERT_TRUE(r.drained);
    CU_ASSERT_EQUAL(r.aborted, 1);
    await(&c, NULL);
    CU_ASSERT_TRUE(has(&c, "421 4.3.2 "));
    client_stop(&c);
    rig_stop(&r);
}

static void
draining_an_empty_house_is_told_too(void)
{
    struct rig r;

    rig_start(&r);
    smtp_in_drain(r.in, 10, on_drained, &r);
    CU_ASSERT_FALSE(r.drained);
    rig_run(&r);
    CU_ASSERT_TRUE(r.drained);
    rig_stop(&r);
}

static void
a_transaction_of_which_nothing_is_known_yet_is_asked_for_again(void)
{
    struct client c;
    struct rig r;

    rig_start(&r);
    r.checkpoint = true;
    r.known_later = 3;
    client_start(&c, &r);
    await(&c, "220 ");
    client_say(&c, SLICE_LIT("EHLO c.test\r\n"));
    await(&c, "250 ");
    client_say(&c,
        SLICE_LIT("MAIL FROM:<a@example.org> TRANSID=<one@c.test>\r\nRCPT TO:<b@example.com>\r\n"));
    await(&c, "250 2.1.5");
    CU_ASSERT_EQUAL(r.known_later, 0);
    CU_ASSERT_FALSE(has(&c, "451 "));
    client_stop(&c);
    rig_stop(&r);
}

static void
limits_turn_clients_away(void)
{
    struct smtp_in_options o = default_options;
    struct client a, b, c;
    struct smtp_in_stats stats;
    struct rig r;

    o.sessions_per_client_max = 1;
    rig_start_with(&r, &o);
    client_start(&a, &r);
    client_start(&b, &r);
    await(&b, NULL);
    CU_ASSERT_TRUE(has(&b, "421 4.7.0 "));
    client_say(&a, SLICE_LIT("QUIT\r\n"));
    await(&a, NULL);
    client_start(&c, &r); /* the first one is gone: room again */
    await(&c, "220 ");
    client_stop(&a);
    client_stop(&b);
    r.trusted = true; /* one that is known has no such limit */
    client_start(&b, &r);
    await(&b, "220 ");
    client_say(&b, SLICE_LIT("QUIT\r\n"));
    await(&b, NULL);
    client_stop(&b);
    o.sessions_per_client_max = 0;
    o.sessions_max = 1;
    smtp_in_set_options(r.in, &o);
    client_start(&a, &r);
    await(&a, NULL);
    CU_ASSERT_TRUE(has(&a, "421 4.7.0 "));
    smtp_in_stats(r.in, &stats);
    CU_ASSERT_EQUAL(stats.sessions, 3);
    CU_ASSERT_EQUAL(stats.open, 1);
    client_stop(&a);
    client_stop(&c);
    rig_stop(&r);
}

static void
silence_and_dripping_end_in_a_time_out(void)
{
    struct smtp_in_options o = default_options;
    struct client silent, half, data;
    struct rig r;

    o.command_timeout_ms = 30;
    o.data_timeout_ms = 30;
    rig_start_with(&r, &o);
    client_start(&silent, &r);
    client_start(&half, &r);
    client_start(&data, &r);
    client_say(&half, SLICE_LIT("EHL"));
    client_say(&data, SLICE_LIT(BEGIN "hi\r\n"));
    await(&silent, NULL);
    await(&half, NULL);
    await(&data, NULL);
    CU_ASSERT_TRUE(has(&silent, "421 4.4.2 ") && has(&half, "421 4.4.2 "));
    CU_ASSERT_TRUE(has(&data, "354 ") && has(&data, "421 4.4.2 "));
    CU_ASSERT_EQUAL(r.aborted, 1);
    client_stop(&silent);
    client_stop(&half);
    client_stop(&data);
    rig_stop(&r);
}

struct drip {
    struct client *client;
    struct loop_timer timer;
    const char *byte;
};

static void
on_drip(void *ctx)
{
    struct drip *d = ctx;

    if (!d->client->ended) {
        client_say(d->client, slice_of(d->byte));
        loop_timer_start(&d->timer, DRIP_MS);
    }
}

/* Each of these makes progress for ever, byte by byte: content, a command, and what is behind the
 * longest line that a command may have. */
static void
what_drips_in_ends_in_a_time_out_too(void)
{
    static const char *const begun[] = { BEGIN "hi\r\n", "EHL", NULL };
    struct smtp_in_options o = default_options;

    for (size_t i = 0; i < ARRAY_LEN(begun); i++) {
        struct client c;
        struct drip drip = { .client = &c, .byte = "x" };
        struct rig r;

        o.command_timeout_ms = 100;
        o.data_timeout_ms = 100;
        rig_start_with(&r, &o);
        client_start(&c, &r);
        if (begun[i] != NULL) {
            client_say(&c, slice_of(begun[i]));
        } else {
            for (size_t n = 0; n < SMTP_GRAMMAR_LINE_BYTES_MAX; n++) {
                client_say(&c, SLICE_LIT("x"));
            }
            await(&c, "500 5.5.2 ");
        }
        loop_timer_init(r.loop, &drip.timer, on_drip, &drip);
        loop_timer_start(&drip.timer, DRIP_MS);
        await(&c, NULL);
        CU_ASSERT_TRUE(has(&c, "421 4.4.2 "));
        loop_timer_stop(&drip.timer);
        client_stop(&c);
        rig_stop(&r);
    }
}

static void
a_half_closed_client_still_hears_its_answers(void)
{
    struct client c;
    struct rig r;

    rig_start(&r);
    client_start(&c, &r);
    client_say(&c, SLICE_LIT(BEGIN "hi\r\n.\r\nMAIL FROM:<a@b>\r\n"));
    CU_ASSERT_EQUAL(shutdown(c.fd, SHUT_WR), 0);
    await(&c, NULL);
    CU_ASSERT_TRUE(has(&c, "Queued as 30000000001\r\n250 2.1.0 "));
    CU_ASSERT_EQUAL(r.committed, 1);
    client_stop(&c);
    rig_stop(&r);
}

static void
a_client_that_vanishes_in_its_content_leaves_nothing(void)
{
    struct linger reset = { 1, 0 };
    struct client c;
    struct rig r;

    rig_start(&r);
    client_start(&c, &r);
    client_say(&c, SLICE_LIT(BEGIN "hi\r\n"));
    await(&c, "354 ");
    CU_ASSERT_EQUAL(setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    loop_poll_free(c.poll);
    c.poll = NULL;
    close(c.fd);
    c.fd = -1;
    smtp_in_drain(r.in, GIVE_UP_MS * 2, on_drained, &r);
    rig_run(&r);
    CU_ASSERT_EQUAL(r.aborted, 1);
    client_stop(&c);
    rig_stop(&r);
}

/* Commands without end from a client that reads no reply: it is not read any more; once it reads,
 * it gets every one. And meanwhile another client is served. */
static void
a_flood_is_bounded_and_starves_nobody(void)
{
    enum { COUNT = 200000 };
    struct client flood, other;
    struct rig r;

    rig_start(&r);
    client_start_narrow(&flood, &r, true);
    flood.mute = true;
    CU_ASSERT_EQUAL(buf_append(&flood.to_send, SLICE_LIT(HELLO "MAIL FROM:<s@x>\r\n")), 0);
    for (int i = 0; i < COUNT; i++) {
        CU_ASSERT_EQUAL(buf_append(&flood.to_send, SLICE_LIT(AGAIN)), 0);
    }
    client_say(&flood, SLICE_LIT("QUIT\r\n"));
    client_start(&other, &r);
    client_say(&other, SLICE_LIT(BEGIN "hi\r\n.\r\n"));
    await(&other, "Queued");
    CU_ASSERT_TRUE(buf_len(&flood.to_send) > COUNT * strlen(AGAIN) / 2); /* nobody holds so much */
    flood.mute = false;
    client_poll(&flood);
    await(&flood, NULL);
    CU_ASSERT_TRUE(has(&flood, "221 "));
    CU_ASSERT_TRUE(buf_len(&flood.got) > COUNT * strlen("250 2.1.5 Recipient OK\r\n"));
    client_stop(&flood);
    client_stop(&other);
    rig_stop(&r);
}

static void
bare_line_feeds_end_the_session(void)
{
    struct client c;
    struct rig r;

    rig_start(&r);
    client_start(&c, &r);
    client_say(&c, SLICE_LIT(BEGIN "a\n.\nMAIL FROM:<evil@x>\r\nRCPT TO:<v@y>\r\n"));
    await(&c, NULL);
    CU_ASSERT_TRUE(has(&c, "354 End data with <CR><LF>.<CR><LF>\r\n554 5.5.2 "));
    CU_ASSERT_EQUAL(r.aborted, 1);
    client_stop(&c);
    rig_stop(&r);
}

static void
an_idle_session_costs_little(void)
{
    enum { COUNT = 200 };
    static struct client clients[COUNT];
    size_t before, each;
    struct rig r;

    rig_start(&r);
    client_start(&clients[0], &r); /* what is shared is there */
    await(&clients[0], "220 ");
    before = mallinfo2().uordblks;
    for (int i = 1; i < COUNT; i++) {
        client_start(&clients[i], &r);
        client_say(&clients[i], SLICE_LIT(HELLO "MAIL FROM:<a@b>\r\nRSET\r\nNO"));
        await(&clients[i], "250 2.1.0 Sender OK\r\n250 2.0.0 OK\r\n");
        client_say(&clients[i], SLICE_LIT("OP\r\n"));
        await(&clients[i], "250 2.0.0 OK\r\n250 2.0.0 OK\r\n");
    }
    each = (mallinfo2().uordblks - before) / (COUNT - 1); /* the test's own side included */
    printf("%zu bytes each ", each);
    CU_ASSERT_TRUE(each < 4096);
    for (int i = 0; i < COUNT; i++) {
        client_stop(&clients[i]);
    }
    rig_stop(&r);
}

static void
sessions_of_an_address_that_left_hear_nothing_more(void)
{
    static const struct netaddr other = { .family = AF_INET, .bytes = { 192, 0, 2, 1 } };
    static const struct netaddr ours = { .family = AF_INET, .bytes = { 127, 0, 0, 1 } };
    struct client idle, committing, later;
    struct rig r;

    rig_start(&r);
    client_start(&idle, &r);
    await(&idle, "220 ");
    r.manual = true;
    client_start(&committing, &r);
    client_say(&committing, SLICE_LIT(BEGIN "hi\r\n.\r\n"));
    rig_run(&r);
    CU_ASSERT_EQUAL(r.committed, 1);
    smtp_in_cut(r.in, &other);
    CU_ASSERT_EQUAL(smtp_in_count(r.in), 2);
    smtp_in_cut(r.in, &ours);
    CU_ASSERT_EQUAL(smtp_in_count(r.in), 0);
    CU_ASSERT_EQUAL(r.forgotten, 1);
    client_start(&later, &r);
    await(&later, "220 ");
    CU_ASSERT_FALSE(has(&committing, "Queued"));
    client_stop(&idle);
    client_stop(&committing);
    client_stop(&later);
    rig_stop(&r);
}

TEST_MAIN("smtp_in", TEST(a_pipelined_message_reaches_intake_and_is_acknowledged),
    TEST(nothing_is_acknowledged_before_it_is_durable),
    TEST(a_failed_commit_is_a_temporary_failure),
    TEST(a_transaction_of_which_nothing_is_known_yet_is_asked_for_again),
    TEST(a_session_that_dies_while_committing_is_forgotten), TEST(intake_sets_the_pace),
    TEST(a_full_disk_is_said_after_the_dot),
    TEST(draining_lets_content_finish_and_ends_the_rest_at_once),
    TEST(draining_ends_when_its_time_is_over), TEST(draining_an_empty_house_is_told_too),
    TEST(limits_turn_clients_away), TEST(silence_and_dripping_end_in_a_time_out),
    TEST(what_drips_in_ends_in_a_time_out_too), TEST(a_half_closed_client_still_hears_its_answers),
    TEST(a_client_that_vanishes_in_its_content_leaves_nothing),
    TEST(a_flood_is_bounded_and_starves_nobody), TEST(bare_line_feeds_end_the_session),
    TEST(sessions_of_an_address_that_left_hear_nothing_more), TEST(an_idle_session_costs_little))
