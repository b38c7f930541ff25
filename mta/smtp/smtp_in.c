/* smtp_in.c - the inbound sessions: bytes from conn to smtp_server, its requests to intake, its
 * replies to conn. No protocol is decided here.
 *
 * Bytes     are processed where conn lends them; what is left (half a line, or what must wait for
 *           an answer) is copied to `input`, and reading stops until that is gone. So a session
 *           holds at most one read of conn's, and nothing when it is idle.
 * Fairness  ACTS_PER_WAKEUP things are done for one session, then the others have their turn.
 * Flood     a peer that does not take its replies is not read.
 * Ending    session_end is the only way out; nothing may touch the session after it, so run() and
 *           its callers return at once when it says that the session is gone.
 */
#include "core/buf.h"
#include "core/id.h"
#include "core/log.h"
#include "core/map.h"
#include "core/ticks.h"
#include "smtp/smtp.h"
#include "smtp/smtp_server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ACTS_PER_WAKEUP      128
#define INPUT_BYTES_MAX      (128 * KIB) /* one read of conn, twice */
#define LINGER_MS            5000        /* for the last reply to leave */
#define TURN_AWAY_MS         1000 /* the same, for those who have no session: they are not counted */
#define DATA_BYTES_PER_S_MIN 500  /* content that comes slower uses its time up */

#define CLIENT_KEY_BYTES 9

struct client { /* one address and its sessions, for sessions_per_client_max */
    struct map_node node;
    unsigned session_count;
    char key[CLIENT_KEY_BYTES]; /* family, and what of the address one client has to itself */
};

struct smtp_in {
    struct loop *loop;
    struct intake intake;
    struct smtp_in_options options;
    struct smtp_server_shared shared;
    struct list sessions;
    struct map clients;
    struct smtp_in_stats stats;
    uint64_t last_sid;
    struct loop_timer drain_timer;
    struct loop_task drain_task;
    loop_fn *drain_cb; /* NULL: not draining, or told */
    void *drain_ctx;
};

/* A transaction of which intake cannot tell yet is asked for again, five seconds long. */
#define KNOWN_AGAIN_MS  20
#define KNOWN_TRIES_MAX 250

struct session {
    struct list link; /* in smtp_in.sessions */
    struct smtp_in *in;
    struct conn *conn;
    struct smtp_server proto;
    struct buf input;
    struct loop_task again;
    struct loop_timer timer; /* runs at or before deadline_ms */
    uint64_t deadline_ms;    /* 0: none */
    uint64_t sid;
    struct intake_message *message; /* being written */
    uint64_t message_id;
    struct intake_client who;
    struct client *client;
    uint16_t asked_again; /* what intake knows of the transaction */
    char *named;          /* the transaction that was answered last (RFC 1845), or NULL */
    bool write_paused;    /* intake asked to wait for resume */
    bool committing;      /* on_commit will be called, whatever state the dialog is in by then */
    bool peer_ended;      /* no more bytes will come; replies may go */
    bool over;            /* the last reply is sent */
    bool yielded;         /* `again` is scheduled */
    bool stalled;         /* replies pile up */
};
_Static_assert(sizeof(struct session) < 512, "thousands of idle sessions must cost little");

static void session_run(struct session *s);

/* ---- sessions and clients */

static struct slice
client_key(const struct map_node *n)
{
    const struct client *c = CONTAINER_OF(n, struct client, node);

    return (struct slice){ c->key, sizeof(c->key) };
}

/* The client's entry, one session counted. Of IPv6 the /64 counts: who has one address of it has
 * all. NULL: out of memory. */
static struct client *
client_get(struct smtp_in *in, const struct netaddr *peer)
{
    struct map_node *node;
    struct client *c;
    char key[CLIENT_KEY_BYTES];

    key[0] = (char)peer->family; /* an IPv4 address has zeros behind it */
    memcpy(key + 1, peer->bytes, sizeof(key) - 1);
    node = map_find(&in->clients, (struct slice){ key, sizeof(key) }, client_key);
    if (node != NULL) {
        c = CONTAINER_OF(node, struct client, node);
        c->session_count++;
        return c;
    }
    c = malloc(sizeof(*c));
    if (c == NULL) {
        return NULL;
    }
    memcpy(c->key, key, sizeof(key));
    c->session_count = 1;
    if (map_insert(&in->clients, &c->node, client_key) < 0) {
        free(c);
        return NULL;
    }
    return c;
}

static void
client_put(struct smtp_in *in, struct client *c)
{
    if (c != NULL && --c->session_count == 0) {
        map_remove(&in->clients, &c->node);
        free(c);
    }
}

static void on_commit(void *ctx, int status);
static void log_left(const struct session *s);

static void
message_abort(struct session *s)
{
    if (s->message != NULL) {
        s->in->intake.ops->abort(s->message);
        s->message = NULL;
    }
    s->write_paused = false;
}

static void
session_end(struct session *s, uint64_t linger_ms)
{
    struct smtp_in *in = s->in;

    if (s->committing) {
        log_left(s);
        in->intake.ops->forget(in->intake.ctx, on_commit, s);
    }
    message_abort(s);
    log_event(EV_SMTP_DISCONNECTED, LF_UINT("sid", s->sid));
    conn_close(s->conn, linger_ms);
    loop_task_cancel(&s->again);
    loop_timer_stop(&s->timer);
    smtp_server_fini(&s->proto);
    buf_fini(&s->input);
    client_put(in, s->client);
    list_remove(&s->link);
    free(s->named);
    free(s);
    in->stats.open--;
    if (in->stats.open == 0 && in->drain_cb != NULL) {
        loop_call_soon(in->loop, &in->drain_task);
    }
}

/* ---- log lines */

static struct slice
client_text(const struct session *s, char out[LOG_TEXT_CAP + ADDRESS_DOMAIN_BYTES_MAX])
{
    char address[NETADDR_TEXT_CAP];
    int n;

    netaddr_text_port(&s->who.address, address);
    n = snprintf(out, LOG_TEXT_CAP + ADDRESS_DOMAIN_BYTES_MAX, "%s (%s)", address,
        s->proto.helo != NULL ? s->proto.helo : "");
    return (struct slice){ out, (size_t)n };
}

static void
log_accepted(struct session *s)
{
    const struct smtp_transaction *t = s->proto.transaction;
    char address[NETADDR_TEXT_CAP];

    netaddr_text(&s->who.address, address);
    log_event(EV_SMTP_ACCEPTED, LF_ID("id", s->message_id), LF_STR("client", address),
        LF_SLICE("from", t->sender), LF_UINT("size", t->size_bytes),
        LF_UINT("rcpts", t->recipient_count), LF_STR("msgid", t->header.message_id));
}

/* Without this line nobody could tell later where the message came from. */
static void
log_left(const struct session *s)
{
    const struct smtp_transaction *t = s->proto.transaction;
    char address[NETADDR_TEXT_CAP];

    netaddr_text(&s->who.address, address);
    log_event(EV_SMTP_LEFT, LF_ID("id", s->message_id), LF_STR("client", address),
        LF_SLICE("from", t != NULL ? t->sender : SLICE_NONE),
        LF_UINT("size", t != NULL ? t->size_bytes : 0),
        LF_UINT("rcpts", t != NULL ? t->recipient_count : 0),
        LF_STR("msgid", t != NULL ? t->header.message_id : ""));
}

static void
log_refused(struct session *s, struct slice reply)
{
    const struct smtp_transaction *t = s->proto.transaction;
    char address[NETADDR_TEXT_CAP];

    s->in->stats.rejected_messages++;
    netaddr_text(&s->who.address, address);
    log_event(EV_SMTP_MESSAGE_REFUSED, LF_ID("id", s->message_id), LF_STR("client", address),
        LF_SLICE("from", t->sender), LF_UINT("rcpts", t->recipient_count),
        LF_SLICE("reply", slice_sub(reply, 0, reply.n - 2)));
}

/* ---- what smtp_server asks for; each returns the next thing to do */

typedef struct smtp_server_action act_fn(struct session *s, const struct smtp_server_action *a);
static const struct smtp_server_action nothing = { .act = SMTP_SERVER_DO_NOTHING };

static struct smtp_server_action
do_nothing(struct session *s, const struct smtp_server_action *a)
{
    (void)s;
    (void)a;
    return nothing;
}

static struct smtp_server_action
do_reply(struct session *s, const struct smtp_server_action *a)
{
    conn_send(s->conn, a->reply);
    return nothing;
}

static struct smtp_server_action
do_close(struct session *s, const struct smtp_server_action *a)
{
    conn_send(s->conn, a->reply);
    if (a->reply.n > 4 && a->reply.p[0] != '2') {
        log_event(EV_SMTP_CLOSED, LF_UINT("sid", s->sid),
            LF_SLICE("reply", slice_sub(a->reply, 0, a->reply.n - 2)));
    }
    s->over = true;
    return nothing;
}

static struct smtp_server_action
do_ask_sender(struct session *s, const struct smtp_server_action *a)
{
    struct intake *intake = &s->in->intake;
    const struct smtp_transaction *t = s->proto.transaction;
    struct intake_known known;
    int rc = intake->ops->ready(intake->ctx, t->said_bytes);

    (void)a;
    if (rc == 0 && t->transid.n > 0) {
        rc = intake->ops->known(intake->ctx, t->transid, &known);
    }
    if (rc == -EAGAIN && s->asked_again++ < KNOWN_TRIES_MAX) {
        loop_timer_start(&s->timer, KNOWN_AGAIN_MS);
        return nothing; /* asked again by on_timer */
    }
    rc = rc == -EAGAIN ? BH_EBUSY : rc;
    s->asked_again = 0;
    if (rc == 1) {
        log_event(EV_SMTP_KNOWN, LF_ID("id", known.id), LF_UINT("sid", s->sid),
            LF_SLICE("transid", t->transid), LF_UINT("size", known.size_bytes));
    }
    return smtp_server_sender(&s->proto, MIN(rc, 0), rc == 1 ? &known : NULL);
}

/* Part of a transaction that came before: for whom it was accepted then counts, not what we would
 * say now. Who was not among them is judged anew, and has to come in a transaction of its own. */
static struct intake_verdict
verdict_of(struct session *s)
{
    const struct smtp_transaction *t = s->proto.transaction;
    struct intake *intake = &s->in->intake;
    struct intake_verdict v;

    if (t->known && intake->ops->known_for(intake->ctx, t->transid, t->asked.address)) {
        return (struct intake_verdict){ 250, "2.1.5", "Recipient ok: has it already" };
    }
    v = intake->ops->recipient(intake->ctx, &s->who, t->sender, t->asked.address);
    if (t->known && v.code == 250) {
        return (struct intake_verdict){ 451, "4.5.0", "Not in that transaction: send it anew" };
    }
    return v;
}

static struct smtp_server_action
do_ask_recipient(struct session *s, const struct smtp_server_action *a)
{
    const struct smtp_transaction *t = s->proto.transaction;
    struct intake_verdict v;

    (void)a;
    s->who.helo = (struct slice){ s->proto.helo, s->proto.helo_bytes };
    v = verdict_of(s);
    if (v.code != 250) {
        char address[NETADDR_TEXT_CAP];

        netaddr_text(&s->who.address, address);
        s->in->stats.refused_recipients++;
        log_event(EV_SMTP_RCPT_REFUSED, LF_UINT("sid", s->sid), LF_STR("client", address),
            LF_SLICE("from", t->sender), LF_SLICE("rcpt", t->asked.address), LF_INT("code", v.code),
            LF_STR("status", v.status), LF_STR("text", v.text));
    }
    return smtp_server_recipient(&s->proto, &v);
}

static void
write_content(struct session *s, struct slice bytes)
{
    int rc = s->in->intake.ops->write(s->message, bytes);

    if (rc < 0) {
        smtp_server_write_failed(&s->proto, rc);
        message_abort(s);
        log_refused(s, smtp_server_refusal_reply((enum smtp_server_refusal)s->proto.refusal));
    } else if (rc > 0) {
        s->write_paused = true;
    }
}

/* Our Received field is content like the rest. */
static void
write_received(struct session *s)
{
    const struct smtp_transaction *t = s->proto.transaction;
    char address[NETADDR_TEXT_CAP + 8] = "IPv6:", id[ID_TEXT_CAP], out[1536];
    bool v6 = s->who.address.family == AF_INET6;
    struct header_received r = {
        .helo = { s->proto.helo, s->proto.helo_bytes },
        .by_host = slice_of(s->in->shared.hostname),
        .protocol = s->proto.esmtp ? SLICE_LIT("ESMTP") : SLICE_LIT("SMTP"),
        .recipient = t->recipient_count == 1 ? t->recipients[0].address : SLICE_NONE,
        .wall_ms = ticks_wall_ms(),
    };
    int n;

    netaddr_text(&s->who.address, address + (v6 ? 5 : 0));
    r.client_address = slice_of(address);
    r.id = slice_of(id_text(s->message_id, id));
    n = header_write_received(out, sizeof(out), &r);
    CHECK(n > 0); /* each part is limited: it fits */
    write_content(s, (struct slice){ out, (size_t)n });
}

static void on_resume(void *ctx);

static struct smtp_server_action
do_open(struct session *s, const struct smtp_server_action *a)
{
    struct intake *intake = &s->in->intake;
    struct smtp_server_action next;
    int rc = intake->ops->open(intake->ctx, on_resume, s, &s->message, &s->message_id);

    (void)a;
    next = smtp_server_opened(&s->proto, rc);
    if (rc == 0) {
        s->deadline_ms = 0; /* the content's own begins */
        write_received(s);
    }
    return next;
}

static struct smtp_server_action
do_write(struct session *s, const struct smtp_server_action *a)
{
    write_content(s, a->content);
    return nothing;
}

static struct smtp_server_action
do_drop(struct session *s, const struct smtp_server_action *a)
{
    (void)a;
    message_abort(s);
    log_refused(s, smtp_server_refusal_reply((enum smtp_server_refusal)s->proto.refusal));
    return nothing;
}

static struct smtp_server_action
committed(struct session *s, int status)
{
    const struct smtp_transaction *t = s->proto.transaction;

    if (status == 0) {
        s->in->stats.accepted++;
        log_accepted(s);
        s->named = t->transid.n > 0 ? strndup(t->transid.p, t->transid.n) : NULL;
    } else {
        s->in->stats.rejected_messages++;
        log_event(EV_SMTP_COMMIT_FAILED, LF_ID("id", s->message_id), LF_ERR("reason", status));
    }
    return smtp_server_committed(&s->proto, status, s->message_id);
}

/* Another final dot: what was answered before is durable with a client who, as ours does, writes
 * down that he begins before he ends, behind what he knows by then. */
static void
went_on(struct session *s)
{
    if (s->named != NULL) {
        s->in->intake.ops->settled(s->in->intake.ctx, slice_of(s->named));
        free(s->named);
        s->named = NULL;
    }
}

static struct smtp_server_action
do_commit(struct session *s, const struct smtp_server_action *a)
{
    char client[LOG_TEXT_CAP + ADDRESS_DOMAIN_BYTES_MAX];
    struct intake_message *m = s->message;
    struct envelope e;
    int rc;

    (void)a;
    went_on(s);
    smtp_server_envelope(&s->proto, &e);
    e.received_wall_ms = ticks_wall_ms();
    e.client = client_text(s, client);
    s->message = NULL; /* consumed, whatever comes */
    s->write_paused = false;
    rc = s->in->intake.ops->commit(m, &e, on_commit, s);
    s->committing = rc == 0;
    return rc < 0 ? committed(s, rc) : nothing;
}

static void
apply(struct session *s, struct smtp_server_action a)
{
    static act_fn *const acts[] = {
        [SMTP_SERVER_DO_NOTHING] = do_nothing,
        [SMTP_SERVER_DO_REPLY] = do_reply,
        [SMTP_SERVER_DO_CLOSE] = do_close,
        [SMTP_SERVER_DO_ASK_SENDER] = do_ask_sender,
        [SMTP_SERVER_DO_ASK_RECIPIENT] = do_ask_recipient,
        [SMTP_SERVER_DO_OPEN] = do_open,
        [SMTP_SERVER_DO_WRITE] = do_write,
        [SMTP_SERVER_DO_DROP] = do_drop,
        [SMTP_SERVER_DO_COMMIT] = do_commit,
    };

    while (a.act != SMTP_SERVER_DO_NOTHING) {
        a = acts[a.act](s, &a);
    }
}

/* ---- bytes */

static bool
in_command(const struct session *s)
{
    return s->proto.state <= SMTP_SERVER_RCPT;
}

/* Content has its time as a whole, and each piece buys some of it back: a byte now and then does
 * not hold a session, a slow line does. */
static uint64_t
content_deadline_ms(const struct session *s, uint64_t now_ms, size_t taken)
{
    uint64_t whole_ms = now_ms + s->in->options.data_timeout_ms;

    return s->deadline_ms == 0
               ? whole_ms
               : MIN(whole_ms, s->deadline_ms + taken * 1000 / DATA_BYTES_PER_S_MIN);
}

/* Whom do we wait for, and until when? A command must be complete in time, byte by byte is not
 * enough (nor is the rest of a line that was too long). Nobody is blamed for waiting for us. */
static void
set_deadline(struct session *s, size_t taken)
{
    uint64_t now_ms = loop_now_ms(s->in->loop);

    if (smtp_server_waits(&s->proto) || s->write_paused) {
        s->deadline_ms = 0;
        return;
    }
    if (s->proto.state == SMTP_SERVER_DATA) {
        s->deadline_ms = content_deadline_ms(s, now_ms, taken);
    } else if ((taken > 0 && !s->proto.skipping) || s->deadline_ms == 0) {
        s->deadline_ms = now_ms + s->in->options.command_timeout_ms;
    }
    if (loop_timer_due_ms(&s->timer) > s->deadline_ms) {
        loop_timer_start(&s->timer, s->deadline_ms - MIN(now_ms, s->deadline_ms));
    }
}

static void
on_timer(void *ctx)
{
    struct session *s = ctx;
    uint64_t now_ms = loop_now_ms(s->in->loop);

    if (s->proto.state == SMTP_SERVER_ASK_SENDER) {
        apply(s, do_ask_sender(s, NULL));
        session_run(s);
        return;
    }
    if (s->deadline_ms == 0) {
        return; /* started again when there is one */
    }
    if (now_ms < s->deadline_ms) {
        loop_timer_start(&s->timer, s->deadline_ms - now_ms);
        return;
    }
    apply(s, smtp_server_farewell(&s->proto, SMTP_SERVER_TIMED_OUT));
    session_end(s, LINGER_MS);
}

/* Process bytes until they are used up, an answer is awaited or it is the others' turn. Returns
 * how many were taken. */
static size_t
process(struct session *s, struct slice bytes)
{
    size_t before = bytes.n;
    int budget = ACTS_PER_WAKEUP;

    while (!s->over && !s->write_paused) {
        struct smtp_server_action a;

        s->stalled = conn_queued(s->conn) > CONN_HIGH_BYTES;
        if (s->stalled) {
            break;
        }
        if (budget-- == 0) {
            s->yielded = true;
            loop_call_soon(s->in->loop, &s->again);
            break;
        }
        a = smtp_server_input(&s->proto, &bytes);
        if (a.act == SMTP_SERVER_DO_NOTHING) {
            break;
        }
        apply(s, a);
    }
    return before - bytes.n;
}

/* After every event: end the session or get ready for the next. taken: how many bytes were used.
 * False: the session is gone. */
static bool
settle(struct session *s, size_t taken)
{
    bool busy = smtp_server_waits(&s->proto) || s->write_paused || s->stalled || s->yielded;

    if (!s->over && s->in->shared.draining && in_command(s)) {
        apply(s, smtp_server_farewell(&s->proto, SMTP_SERVER_DRAINING));
    }
    if (s->over || (s->peer_ended && !busy)) {
        session_end(s, LINGER_MS);
        return false;
    }
    set_deadline(s, taken);
    conn_set_reading(s->conn, !busy && !s->peer_ended);
    return true;
}

/* Go on with what is in input. */
static void
session_run(struct session *s)
{
    size_t taken = process(s, buf_slice(&s->input));

    buf_consume(&s->input, taken);
    if (settle(s, taken)) {
        buf_release(&s->input);
    }
}

static void
on_again(void *ctx)
{
    struct session *s = ctx;

    s->yielded = false;
    session_run(s);
}

static void
keep_input(struct session *s, struct slice bytes)
{
    if (bytes.n > 0 && buf_append(&s->input, bytes) < 0) {
        apply(s, smtp_server_farewell(&s->proto, SMTP_SERVER_NO_MEMORY));
    }
}

static void
on_bytes(void *ctx, struct slice bytes)
{
    struct session *s = ctx;
    size_t taken;

    if (buf_len(&s->input) > 0 || s->yielded) {
        keep_input(s, bytes);
        if (s->over) {
            session_end(s, LINGER_MS);
        } else if (!s->yielded) {
            session_run(s);
        }
        return;
    }
    taken = process(s, bytes);
    if (!s->over) {
        keep_input(s, slice_skip(bytes, taken));
    }
    (void)settle(s, taken);
}

static void
on_drained(void *ctx)
{
    struct session *s = ctx;

    if (s->stalled) {
        s->stalled = false;
        session_run(s);
    }
}

static void
on_end(void *ctx, int status)
{
    struct session *s = ctx;

    if (status < 0) {
        session_end(s, 0);
        return;
    }
    s->peer_ended = true; /* what it sent before is still done and answered */
    if (!s->yielded) {
        session_run(s);
    }
}

static void
on_resume(void *ctx)
{
    struct session *s = ctx;

    s->write_paused = false;
    session_run(s);
}

static void
on_commit(void *ctx, int status)
{
    struct session *s = ctx;

    s->committing = false;
    apply(s, committed(s, status));
    session_run(s); /* pipelined commands were waiting */
}

/* ---- the whole */

static const struct conn_user session_user = { on_bytes, on_drained, on_end };

/* Turn a client away without a session. */
static void
turn_away(struct smtp_in *in, int fd, const struct netaddr *peer, const char *why)
{
    char address[NETADDR_TEXT_CAP];
    struct conn *c;

    netaddr_text(peer, address);
    log_event(EV_SMTP_SESSION_REFUSED, LF_STR("client", address), LF_STR("reason", why));
    if (conn_new(&c, in->loop, fd, NULL, NULL) == 0) {
        conn_send(c, SLICE_LIT("421 4.7.0 Too many connections, try again later\r\n"));
        conn_close(c, TURN_AWAY_MS);
    }
}

static bool
has_room_for(struct smtp_in *in, const struct netaddr *peer, bool trusted, struct client **client,
    const char **why)
{
    *client = NULL;
    *why = "limits.sessions is reached";
    if (in->stats.open >= in->options.sessions_max) {
        return false;
    }
    if (in->options.sessions_per_client_max == 0 || trusted) {
        return true;
    }
    *client = client_get(in, peer);
    *why = "out of memory";
    if (*client != NULL && (*client)->session_count > in->options.sessions_per_client_max) {
        client_put(in, *client);
        *client = NULL;
        *why = "too many sessions of this client";
    }
    return *client != NULL;
}

static int
session_new(struct session **out, struct smtp_in *in, int fd)
{
    struct session *s = calloc(1, sizeof(*s));
    struct conn *c;
    int rc;

    rc = conn_new(&c, in->loop, fd, &session_user, s);
    if (rc < 0 || s == NULL) {
        if (rc == 0) {
            conn_close(c, 0);
        }
        free(s);
        return rc < 0 ? rc : -ENOMEM;
    }
    s->in = in;
    s->conn = c;
    s->sid = ++in->last_sid;
    smtp_server_init(&s->proto, &in->shared);
    buf_init(&s->input, INPUT_BYTES_MAX);
    loop_task_init(&s->again, on_again, s);
    loop_timer_init(in->loop, &s->timer, on_timer, s);
    *out = s;
    return 0;
}

void
smtp_in_accept(
    struct smtp_in *in, int fd, const struct netaddr *peer, bool trusted, const char *listener)
{
    struct client *client;
    struct session *s;
    const char *why;
    char address[NETADDR_TEXT_CAP];

    if (!has_room_for(in, peer, trusted, &client, &why)) {
        turn_away(in, fd, peer, why);
        return;
    }
    if (session_new(&s, in, fd) < 0) {
        client_put(in, client);
        return; /* the client finds the connection closed and tries again */
    }
    s->client = client;
    s->who = (struct intake_client){ .address = *peer, .listener = slice_of(listener) };
    if (in->intake.ops->checkpoint(in->intake.ctx, &s->who)) {
        s->proto.checkpoint = &s->who.address;
    }
    list_push_back(&in->sessions, &s->link);
    in->stats.open++;
    in->stats.sessions++;
    netaddr_text_port(peer, address);
    log_event(EV_SMTP_CONNECTED, LF_UINT("sid", s->sid), LF_STR("client", address),
        LF_STR("listener", listener));
    apply(s, smtp_server_greet(&s->proto));
    (void)settle(s, 0);
}

static void on_drain_task(void *ctx);
static void on_drain_timer(void *ctx);

int
smtp_in_new(struct smtp_in **out, struct loop *l, const struct smtp_in_options *o,
    const struct intake *intake)
{
    struct smtp_in *in = calloc(1, sizeof(*in));
    int rc;

    if (in == NULL) {
        return -ENOMEM;
    }
    in->loop = l;
    in->intake = *intake;
    in->options = *o;
    smtp_server_shared_init(&in->shared);
    rc = smtp_server_shared_set(
        &in->shared, o->hostname, o->message_bytes_max, o->recipients_max, o->errors_max);
    if (rc < 0) {
        free(in);
        return rc;
    }
    list_init(&in->sessions);
    map_init(&in->clients);
    loop_timer_init(l, &in->drain_timer, on_drain_timer, in);
    loop_task_init(&in->drain_task, on_drain_task, in);
    *out = in;
    return 0;
}

void
smtp_in_set_options(struct smtp_in *in, const struct smtp_in_options *o)
{
    if (smtp_server_shared_set(&in->shared, o->hostname, o->message_bytes_max, o->recipients_max,
            o->errors_max) == 0) {
        in->options = *o;
    }
}

void
smtp_in_abort(struct smtp_in *in)
{
    LIST_FOR_SAFE(link, tmp, &in->sessions)
    {
        session_end(CONTAINER_OF(link, struct session, link), 0);
    }
}

void
smtp_in_cut(struct smtp_in *in, const struct netaddr *local)
{
    LIST_FOR_SAFE(link, tmp, &in->sessions)
    {
        struct session *s = CONTAINER_OF(link, struct session, link);
        bool told = s->peer_ended; /* then on_end does not run again */

        if (!netaddr_eq(conn_local(s->conn), local)) {
            continue;
        }
        conn_cut(s->conn, BH_ENOVIP);
        if (told) {
            session_end(s, 0);
        }
    }
}

static void
on_drain_task(void *ctx)
{
    struct smtp_in *in = ctx;
    loop_fn *cb = in->drain_cb;

    loop_timer_stop(&in->drain_timer);
    in->drain_cb = NULL;
    if (cb != NULL) {
        cb(in->drain_ctx);
    }
}

/* Time is up for whoever has not sent the final dot: 421. A commit under way has earned its reply
 * and ends with the sync, or with smtp_in_abort. */
static void
on_drain_timer(void *ctx)
{
    struct smtp_in *in = ctx;

    LIST_FOR_SAFE(link, tmp, &in->sessions)
    {
        struct session *s = CONTAINER_OF(link, struct session, link);

        if (s->proto.state != SMTP_SERVER_COMMIT) {
            apply(s, smtp_server_farewell(&s->proto, SMTP_SERVER_DRAINING));
            session_end(s, LINGER_MS);
        }
    }
}

void
smtp_in_drain(struct smtp_in *in, uint64_t budget_ms, loop_fn *cb, void *ctx)
{
    in->shared.draining = true;
    in->drain_cb = cb;
    in->drain_ctx = ctx;
    if (in->stats.open == 0) {
        loop_call_soon(in->loop, &in->drain_task);
        return;
    }
    loop_timer_start(&in->drain_timer, budget_ms);
    LIST_FOR_SAFE(link, tmp, &in->sessions)
    {
        (void)settle(CONTAINER_OF(link, struct session, link), 0);
    }
}

unsigned
smtp_in_count(const struct smtp_in *in)
{
    return in->stats.open;
}

void
smtp_in_stats(const struct smtp_in *in, struct smtp_in_stats *out)
{
    *out = in->stats;
}

void
smtp_in_free(struct smtp_in *in)
{
    if (in == NULL) {
        return;
    }
    in->drain_cb = NULL;
    smtp_in_abort(in);
    loop_task_cancel(&in->drain_task);
    loop_timer_stop(&in->drain_timer);
    smtp_server_shared_fini(&in->shared);
    map_fini(&in->clients);
    free(in);
}
