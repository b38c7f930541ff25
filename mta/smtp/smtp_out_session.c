/* smtp_out_session.c - the shell of a client session: DNS, connect, bytes and timers around
 * smtp_client.
 *
 * Deadlines   DNS has its own; connect connect_ms; every reply that of its state, counted from the
 *             moment it is due (a byte now and then does not extend it); content data_block_ms for
 *             each CONN_HIGH_BYTES the peer takes; idle idle_ms; see also smtp_out_find.c.
 * Resending   A delivery goes on to the next candidate, or over a new connection when a kept one
 *             proves dead, only while no recipient has a result and the peer has neither taken DATA
 *             nor said that it has the message from before (355): then nothing can have been
 *             delivered. Everything later is a result.
 * Order       All bytes that were lent are fed before anything new is sent (see smtp_client.h).
 */
#include "smtp/smtp_out_session.h"
#include "core/log.h"

#include <stdio.h>
#include <stdlib.h>

#define QUIT_LINGER_MS 1000

static void session_task(void *ctx);
static void next_delivery(struct transport_session *t);

/* ---- results */

static struct transport_result
with_ends(const struct transport_session *t, const struct transport_result *r)
{
    struct transport_result out = *r;

    out.remote = slice_of(t->remote);
    out.source = slice_of(t->source);
    return out;
}

static void
session_on_result(void *ctx, uint32_t index, const struct transport_result *r)
{
    struct transport_session *t = ctx;
    struct transport_result out = with_ends(t, r);

    t->results++;
    t->out->up.recipient(t->up, index, &out);
}

/* ---- life */

static void
drop_connection(struct transport_session *t, uint64_t linger_ms)
{
    if (t->conn != NULL) {
        conn_close(t->conn, linger_ms);
        t->conn = NULL;
    }
}

void
smtp_out_session_free(struct transport_session *t)
{
    CHECK(t->phase == SMTP_OUT_ENDED);
    loop_task_cancel(&t->task);
    list_remove(&t->link);
    smtp_client_fini(&t->proto);
    smtp_out_conf_unref(t->conf);
    free(t);
}

static void
session_task_free(void *ctx)
{
    smtp_out_session_free(ctx);
}

/* The end: the scheduler hears of it, the memory goes at the end of the turn. r may live in t. */
void
smtp_out_session_end(struct transport_session *t, const struct transport_result *r)
{
    struct smtp_out *out = t->out;
    struct transport_result last = *r;

    CHECK(t->phase != SMTP_OUT_ENDED);
    t->phase = SMTP_OUT_ENDED;
    smtp_out_find_cancel(t);
    drop_connection(t, 0);
    loop_timer_stop(&t->timer);
    loop_task_cancel(&t->task);
    free(t->hops);
    t->hops = NULL;
    list_remove(&t->link);
    out->count--;
    log_event(EV_SMTP_OUT_CLOSED, LF_STR("connector", t->conf->o.connector),
        LF_STR("destination", t->destination), LF_STR("remote", t->remote),
        LF_SLICE("why", last.reply));
    out->up.closed(t->up, &last);
    list_push_back(&out->dead, &t->link);
    loop_task_init(&t->task, session_task_free, t);
    loop_call_soon(out->loop, &t->task);
}

static void
end_with(struct transport_session *t, const struct transport_result *r)
{
    struct transport_result out = with_ends(t, r);

    smtp_out_session_end(t, &out);
}

/* As it should be: nothing was under way. */
static void
end_well(struct transport_session *t, const char *text)
{
    struct transport_result r = { .kind = OUTCOME_DELIVERED, .reply = slice_of(text) };

    end_with(t, &r);
}

/* ---- bytes out */

static void
arm(struct transport_session *t)
{
    const struct smtp_out_options *o = &t->conf->o;
    uint64_t ms = 0;

    switch (smtp_client_timeout(&t->proto)) {
    case SMTP_TIMEOUT_GREETING:
        ms = o->greeting_ms;
        break;
    case SMTP_TIMEOUT_COMMAND:
        ms = o->command_ms;
        break;
    case SMTP_TIMEOUT_DATA_INIT:
        ms = o->data_init_ms;
        break;
    case SMTP_TIMEOUT_DATA_BLOCK:
        ms = o->data_block_ms;
        break;
    case SMTP_TIMEOUT_DATA_DONE:
        ms = o->data_done_ms;
        break;
    case SMTP_TIMEOUT_IDLE:
        break; /* t->timer: QUIT is still to be said */
    }
    conn_set_deadline(t->conn, ms);
}

static void
flush_out(struct transport_session *t)
{
    if (buf_len(&t->proto.out) > 0) {
        conn_send(t->conn, buf_slice(&t->proto.out));
        buf_clear(&t->proto.out);
    }
}

/* ---- the end of a connection */

static void
log_loss(const struct transport_session *t, enum bridgehead_event event,
    const struct transport_result *why)
{
    log_event(event, LF_STR("connector", t->conf->o.connector),
        LF_STR("destination", t->destination), LF_STR("remote", t->remote),
        LF_STR("source", t->source), LF_INT("code", why->code), LF_SLICE("reply", why->reply));
    if (why->in_doubt) {
        log_event(EV_SMTP_OUT_IN_DOUBT, LF_ID("id", t->d != NULL ? t->d->id : 0),
            LF_STR("remote", t->remote), LF_STR("source", t->source),
            LF_SLICE("reply", why->reply));
    }
}

/* 355: this peer has the message from before. Another host would take it a second time. */
static bool
peer_has_it(const struct transport_session *t)
{
    return t->proto.d != NULL && t->proto.known;
}

/* May the delivery be tried elsewhere at once, or must its result be this one? */
static bool
untouched(const struct transport_session *t)
{
    return t->d != NULL && t->results == 0 && !t->data_taken && !t->aborting && !peer_has_it(t);
}

/* Our own reasons to stop all sending: no other host helps. */
static bool
is_stop(int status)
{
    return status == BH_EQUORUM || status == BH_EFENCED || status == BH_ENOVIP;
}

/* A kept connection that was dead, or about to be closed, before this delivery began. (Asked of
 * kept ones only, and the next one is new: no delivery goes round in circles.) */
static bool
went_stale(const struct transport_session *t)
{
    uint64_t answers = t->proto.replies - t->replies_begun;

    return answers == 0 || (answers == 1 && t->proto.why.code == 421);
}

/* The connection is useless; proto.why says why. status: of conn, or 0. */
static void
hang_up(struct transport_session *t, int status)
{
    bool first = t->deliveries == 0;

    drop_connection(t, 0);
    if (t->finished) {
        next_delivery(t); /* the loss came behind the last result: the next one goes elsewhere */
    } else if (t->d == NULL) {
        end_well(t, "the peer ended the session");
    } else if (is_stop(status) || !untouched(t)) {
        end_with(t, &t->proto.why);
    } else if (first) {
        smtp_out_find_next(t, &t->proto.why);
    } else if (went_stale(t)) {
        log_loss(t, EV_SMTP_OUT_STALE, &t->proto.why);
        smtp_out_find(t);
    } else {
        end_with(t, &t->proto.why);
    }
}

/* ---- content */

static void
session_on_content_ready(void *ctx)
{
    struct transport_session *t = ctx;

    t->content_waits = false;
    loop_call_soon(t->out->loop, &t->task); /* the scheduler is in the stack */
}

static void
session_on_dot_ready(void *ctx)
{
    struct transport_session *t = ctx;

    t->dot_waits = false;
    loop_call_soon(t->out->loop, &t->task);
}

/* Have a piece in hand. Called when the delivery begins too, so that the disk works while MAIL,
 * RCPT and DATA are under way. */
static void
fetch(struct transport_session *t)
{
    int rc;

    if (t->has_piece || t->content_over || t->content_waits || t->content_error < 0) {
        return;
    }
    rc = t->out->up.content(t->up, &t->piece, session_on_content_ready, t);
    if (rc > 0) {
        t->has_piece = true;
    } else if (rc == 0) {
        t->content_over = true;
    } else if (rc == BH_EBUSY) {
        t->content_waits = true;
    } else {
        t->content_error = rc;
    }
}

static void
send_piece(struct transport_session *t)
{
    struct slice piece = t->piece;

    for (;;) {
        struct slice run = smtp_client_content(&t->proto, &piece);

        if (run.n == 0) {
            break;
        }
        conn_send(t->conn, run);
    }
    t->has_piece = false;
}

/* For reasons of ours this message must not be completed: the connection goes without the dot. */
static void
break_off(struct transport_session *t, const char *status, int rc)
{
    if (rc == -EIO || rc == BH_EDAMAGED) {
        log_event(EV_SMTP_OUT_CONTENT, LF_ID("id", t->d->id), LF_ERR("error", rc));
    }
    smtp_client_give_up(&t->proto, status, error_text(rc));
    drop_connection(t, 0);
    end_with(t, &t->proto.why);
}

static void
ask_dot(struct transport_session *t)
{
    int rc;

    if (t->dot_waits) {
        return;
    }
    rc = t->out->up.dot(t->up, session_on_dot_ready, t);
    if (rc == BH_EBUSY) {
        t->dot_waits = true;
        return;
    }
    if (rc == 0) {
        rc = smtp_client_dot(&t->proto);
    }
    if (rc < 0) {
        break_off(t, "4.3.2", rc);
        return;
    }
    flush_out(t);
    arm(t);
}

/* A dot in a packet of its own costs both sides a system call more. */
static bool
waits_for_all(struct transport_session *t)
{
    if (t->content_begun || t->d->size_bytes > CONN_HIGH_BYTES) {
        return false;
    }
    t->dot_waits = t->dot_waits || t->out->up.attempted(t->up, session_on_dot_ready, t) == BH_EBUSY;
    return t->dot_waits;
}

/* As much content as the connection takes now; at its end the dot. */
static void
transfer(struct transport_session *t)
{
    while (t->proto.state == SMTP_CLIENT_CONTENT && conn_queued(t->conn) < CONN_HIGH_BYTES) {
        fetch(t);
        if (t->content_error < 0) {
            break_off(t, "4.3.0", t->content_error);
            return;
        }
        if (t->content_waits) {
            return;
        }
        if (t->content_over) {
            ask_dot(t);
            return;
        }
        if (waits_for_all(t)) {
            return;
        }
        t->content_begun = true;
        send_piece(t);
    }
}

/* ---- deliveries */

static void
session_on_begin_ready(void *ctx)
{
    struct transport_session *t = ctx;

    t->begin_waits = false;
    t->begin_due = true;
    loop_call_soon(t->out->loop, &t->task);
}

static void
begin(struct transport_session *t)
{
    int rc;

    t->phase = SMTP_OUT_BUSY;
    t->begin_due = false;
    loop_timer_stop(&t->timer);
    if (smtp_reply_partial(&t->proto.parser)) {
        smtp_client_give_up(&t->proto, "4.5.0", "the peer spoke out of turn");
        hang_up(t, 0);
        return;
    }
    rc = t->begin_waits ? BH_EBUSY : t->out->up.begin(t->up, session_on_begin_ready, t);
    if (rc == BH_EBUSY) {
        t->begin_waits = true;
        arm(t); /* our own disk is waited for, not the peer */
        return;
    }
    if (rc < 0) {
        break_off(t, "4.3.0", rc);
        return;
    }
    rc = smtp_client_deliver(&t->proto, t->d);
    if (rc < 0) {
        break_off(t, "4.3.0", rc);
    } else if (rc > 0) {
        t->finished = true; /* no byte was needed; from the top of a new turn: no recursion */
        loop_call_soon(t->out->loop, &t->task);
    } else {
        flush_out(t);
        arm(t);
        fetch(t);
    }
}

static void
set_delivery(struct transport_session *t, const struct delivery *d)
{
    t->d = d;
    t->replies_begun = t->proto.replies;
    t->results = 0;
    t->piece = SLICE_NONE;
    t->has_piece = t->content_over = t->content_waits = t->dot_waits = t->data_taken = false;
    t->content_begun = false;
    t->begin_waits = t->begin_due = false;
    t->finished = false;
    t->content_error = 0;
}

static void
quit(struct transport_session *t, const char *why)
{
    smtp_client_quit(&t->proto);
    flush_out(t);
    drop_connection(t, QUIT_LINGER_MS); /* its answer tells nothing: not waited for */
    end_well(t, why);
}

static void
rest(struct transport_session *t)
{
    if (t->conn == NULL) {
        end_well(t, "the peer ended the session");
    } else if (t->closing || t->conf->o.idle_ms == 0) {
        quit(t, "closed");
    } else {
        t->phase = SMTP_OUT_IDLE;
        conn_set_deadline(t->conn, 0);
        loop_timer_start(&t->timer, t->conf->o.idle_ms);
    }
}

/* The delivery in hand is over: the next one, over this connection if it may still be used. */
static void
next_delivery(struct transport_session *t)
{
    uint32_t limit = t->conf->o.messages_per_session;

    t->deliveries++;
    free(t->hops);
    t->hops = NULL;
    set_delivery(t, NULL);
    set_delivery(t, t->out->up.done(t->up));
    if (t->d == NULL) {
        rest(t);
    } else if (t->conn != NULL && (limit == 0 || t->deliveries < limit)) {
        begin(t);
    } else {
        if (t->conn != NULL) {
            smtp_client_quit(&t->proto);
            flush_out(t);
            drop_connection(t, QUIT_LINGER_MS);
        }
        smtp_out_find(t);
    }
}

/* ---- bytes in */

static void
opened(struct transport_session *t)
{
    log_event(EV_SMTP_OUT_CONNECTED, LF_STR("connector", t->conf->o.connector),
        LF_STR("destination", t->destination), LF_STR("remote", t->remote),
        LF_STR("source", t->source));
    if (t->proto.fell_back) {
        log_event(
            EV_SMTP_OUT_HELO, LF_STR("destination", t->destination), LF_STR("remote", t->remote));
    }
    if (!t->announced) {
        t->announced = true;
        t->out->up.opened(t->up);
    }
    begin(t);
}

/* The session ended by a reply, or by what should have been one. */
static void
ended(struct transport_session *t)
{
    log_loss(t, t->proto.why.code != 0 ? EV_SMTP_OUT_REFUSED : EV_SMTP_OUT_PROTOCOL, &t->proto.why);
    hang_up(t, 0);
}

static void
session_on_bytes(void *ctx, struct slice bytes)
{
    struct transport_session *t = ctx;
    uint64_t replies = t->proto.replies;
    bool open = false;

    while (bytes.n > 0) {
        switch (smtp_client_input(&t->proto, &bytes)) {
        case SMTP_CLIENT_WAIT:
            break;
        case SMTP_CLIENT_TRANSFER:
            t->data_taken = true; /* but first all bytes */
            break;
        case SMTP_CLIENT_OPENED:
            open = true;
            break;
        case SMTP_CLIENT_DONE:
            t->finished = true;
            break;
        case SMTP_CLIENT_ENDED:
            ended(t);
            return;
        }
    }
    if (t->finished) {
        next_delivery(t);
        return;
    }
    if (open) {
        opened(t);
        return;
    }
    flush_out(t);
    if (t->proto.replies != replies) {
        arm(t);
        transfer(t);
    }
}

static void
session_on_drained(void *ctx)
{
    struct transport_session *t = ctx;

    smtp_client_sent(&t->proto);
    if (t->proto.state == SMTP_CLIENT_CONTENT) {
        arm(t); /* the peer took all of it: the next block's time begins */
        transfer(t);
    }
}

static void
session_on_end(void *ctx, int status)
{
    struct transport_session *t = ctx;
    bool idle = t->phase == SMTP_OUT_IDLE && t->d == NULL;

    /* After a plain end of file conn_close still sends what is queued: it is not dropped. */
    smtp_client_lost(&t->proto, status, status < 0);
    if (!idle && !t->finished) {
        log_loss(t, status == -ETIMEDOUT ? EV_SMTP_OUT_TIMEOUT : EV_SMTP_OUT_LOST, &t->proto.why);
    }
    hang_up(t, status);
}

const struct conn_user *
smtp_out_session_user(void)
{
    static const struct conn_user user = { session_on_bytes, session_on_drained, session_on_end };

    return &user;
}

void
smtp_out_session_connected(struct transport_session *t, struct conn *c)
{
    t->conn = c;
    t->deliveries = 0;
    netaddr_text(conn_local(c), t->source);
    smtp_client_start(&t->proto);
    conn_set_reading(c, true);
    arm(t);
}

/* ---- time and calls from the scheduler */

static void
session_on_timer(void *ctx)
{
    struct transport_session *t = ctx;

    if (t->phase == SMTP_OUT_IDLE) {
        if (t->d == NULL) {
            quit(t, "idle");
        }
    } else if (t->phase == SMTP_OUT_FINDING) {
        smtp_out_find_timed_out(t);
    }
}

static void
abort_now(struct transport_session *t)
{
    struct transport_result r = { .kind = OUTCOME_DEFERRED,
        .status = SLICE_LIT("4.3.2"),
        .reply = SLICE_LIT("the delivery was broken off") };

    if (t->conn != NULL && t->proto.state != SMTP_CLIENT_OVER) {
        smtp_client_lost(&t->proto, -ECANCELED, false);
        r.in_doubt = t->proto.why.in_doubt && !t->finished;
    }
    if (r.in_doubt) {
        log_loss(t, EV_SMTP_OUT_LOST, &t->proto.why);
    }
    end_with(t, &r);
}

static void
session_task(void *ctx)
{
    struct transport_session *t = ctx;

    if (t->aborting) {
        abort_now(t);
        return;
    }
    switch (t->phase) {
    case SMTP_OUT_FINDING:
        if (t->lookups == 0) {
            smtp_out_find(t); /* the first turn */
        }
        break;
    case SMTP_OUT_IDLE:
        if (t->d != NULL) {
            begin(t);
        } else if (t->closing) {
            quit(t, "closed");
        }
        break;
    case SMTP_OUT_BUSY:
        if (t->finished) {
            next_delivery(t);
        } else if (t->begin_due) {
            begin(t);
        } else if (t->begin_waits) {
            break; /* it was called for something else */
        } else if (t->proto.state == SMTP_CLIENT_CONTENT) {
            transfer(t);
        } else {
            fetch(t);
        }
        break;
    case SMTP_OUT_ENDED:
        break;
    }
}

int
smtp_out_session_open(struct smtp_out *out, struct slice destination, struct sched_session *up,
    const struct delivery *first, struct transport_session **session)
{
    struct transport_session *t = calloc(1, sizeof(*t) + destination.n + 1);

    CHECK(first != NULL);
    if (t == NULL) {
        return -ENOMEM;
    }
    memcpy(t->destination, destination.p, destination.n);
    t->out = out;
    t->up = up;
    t->conf = out->conf;
    t->conf->refs++;
    t->phase = SMTP_OUT_FINDING;
    smtp_client_init(&t->proto, t->conf->o.hostname, t->conf->o.lmtp, session_on_result, t);
    loop_task_init(&t->task, session_task, t);
    loop_timer_init(out->loop, &t->timer, session_on_timer, t);
    set_delivery(t, first);
    list_push_back(&out->sessions, &t->link);
    out->count++;
    loop_call_soon(out->loop, &t->task);
    *session = t;
    return 0;
}

void
smtp_out_session_work(struct transport_session *t, const struct delivery *d)
{
    CHECK(t->phase == SMTP_OUT_IDLE && t->d == NULL);
    set_delivery(t, d);
    loop_call_soon(t->out->loop, &t->task);
}

void
smtp_out_session_close(struct transport_session *t, bool abort)
{
    CHECK(t->phase != SMTP_OUT_ENDED);
    t->closing = true;
    t->aborting = t->aborting || abort;
    loop_call_soon(t->out->loop, &t->task);
}
