/* x400_out.c - the sending half: a session of the scheduler's, and the association that it has.
 *
 * Finding    A session takes an association that is open and has no session (one with the turn
 *            first, then one that may ask for it), else opens one, else ends deferred; where only
 *            the peer calls, it waits for that.
 * Order      begin (the attempt's record is on its way) - the turn - ACTIVITY START - octets - dot
 *            (it is durable, and the lease holds) - the last octet. A small message asks for the
 *            record's durability first, and goes out in one piece.
 * Results    confirmed: delivered. Stopped, or lost before its last octet: deferred. Lost behind
 *            it: deferred and in doubt; the peer knows a repetition by its identifier, if it is one
 *            of us. What cannot go over this connector at all: failed.
 * Turns      a delivery never begins within the callback that ended the one before, but from the
 *            loop's next task: no recursion however fast deliveries fail.
 */
#include "core/log.h"
#include "core/ticks.h"
#include "x400/p1_bind.h"
#include "x400/p1_code.h"
#include "x400/p1_stored.h"
#include "x400/x400_link.h"
#include "x400/x400_share.h"

#include <stdio.h>
#include <stdlib.h>

#define SMALL_BYTES      (64 * KIB)
#define PLACES_BYTES_MIN (16 * KIB) /* some hundred recipients */

static void happens(struct transport_session *t, enum x400_out_event e);
static void out_task(void *ctx);

/* ---- results */

static struct transport_result
result(const struct transport_session *t, enum outcome_kind kind, const char *status)
{
    struct transport_result r = {
        .kind = kind, .status = slice_of(status), .reply = slice_of(t->text)
    };

    r.remote = slice_of(t->remote);
    r.source = slice_of(t->source);
    r.resume_ms = kind == OUTCOME_DEFERRED ? x400_resume_left_ms(t) : 0;
    /* One transfer, however often it is gone on with. */
    r.untried = t->untried || (t->resumed && r.resume_ms != 0);
    return r;
}

static void
text_is(struct transport_session *t, const char *text)
{
    (void)snprintf(t->text, sizeof(t->text), "%s", text);
}

static void
soon(struct transport_session *t)
{
    loop_call_soon(t->connector->x->env.loop, &t->task);
}

static void
set_delivery(struct transport_session *t, const struct delivery *d)
{
    x400_resume_leave(t, false);
    t->d = d;
    buf_clear(&t->head);
    buf_release(&t->head);
    t->piece = SLICE_NONE;
    free(t->left_out);
    t->left_out = NULL;
    t->began = t->headed = t->granted = t->waits = t->in_doubt = false;
    t->resumed = t->anew = t->told_left_out = t->untried = false;
    t->head_done = 0;
    t->left = t->bytes = t->content_bytes = 0;
    t->priority = P1_NORMAL;
}

/* Free the association for another session, or close it; of a connector that is suspended or gone
 * the peer's too: what it sends there would be refused for as long as it tries. */
static void
let_go(struct transport_session *t)
{
    struct x400_link *l = t->at;
    uint32_t limit = t->conf->o.messages_per_association;
    bool used_up;

    if (l == NULL) {
        return;
    }
    used_up = limit != 0 && !l->incoming && l->messages_out >= limit;
    t->at = NULL;
    l->session = NULL;
    if (used_up || l->x->draining || l->connector->suspended || (t->closing && !l->incoming)) {
        x400_link_close(l);
    } else {
        x400_link_turn(l);
    }
}

/* Every recipient has its result: the next delivery, if there is one. */
static void
next_delivery(struct transport_session *t)
{
    uint32_t limit = t->conf->o.messages_per_association;

    set_delivery(t, NULL);
    t->state = X400_OUT_IDLE;
    set_delivery(t, t->connector->up.done(t->up));
    if (t->at != NULL && limit != 0 && !t->at->incoming && t->at->messages_out >= limit) {
        let_go(t);
    }
    if (t->d != NULL) {
        happens(t, X400_OUT_WORK);
    } else if (t->closing || t->at == NULL) {
        soon(t);
    } else {
        x400_link_turn(t->at); /* the peer may have asked for it */
    }
}

static void
results(struct transport_session *t, const struct transport_result *r)
{
    for (uint32_t i = 0; i < t->d->recipient_count; i++) {
        if (t->left_out == NULL || t->left_out[i] == X400_LEFT_NONE) { /* they have theirs */
            t->connector->up.recipient(t->up, i, r);
        }
    }
    next_delivery(t);
}

/* Its status says whether for good, or only for now: then its recipients wait for another time, and
 * neither the association nor what else is for this peer. */
static void
fail(struct transport_session *t)
{
    bool for_good = t->status[0] == '5';
    struct transport_result r;

    x400_resume_leave(t, true);
    t->untried = !for_good;
    r = result(t, for_good ? OUTCOME_FAILED : OUTCOME_DEFERRED, t->status);
    r.resume_ms = 0; /* another time is what it waits for */
    log_event(EV_X400_UNFIT, LF_ID("id", t->d->id), LF_SLICE("connector", t->conf->o.name),
        LF_STR("reason", t->text));
    results(t, &r);
}

static void
deliver(struct transport_session *t)
{
    struct transport_result r;

    if (t->at != NULL) {
        t->at->messages_out++;
    }
    x400_record_out(t);
    x400_resume_leave(t, true);
    text_is(t, t->at != NULL ? "transfer confirmed" : "the peer aborted: it has the transfer");
    r = result(t, OUTCOME_DELIVERED, "2.0.0");
    results(t, &r);
}

static void
defer(struct transport_session *t, bool in_doubt)
{
    struct transport_result r = result(t, OUTCOME_DEFERRED, t->status);

    r.in_doubt = in_doubt;
    log_event(EV_X400_TRANSFER_FAILED, LF_ID("id", t->d->id),
        LF_SLICE("connector", t->conf->o.name), LF_STR("remote", t->remote),
        LF_STR("reason", t->text));
    results(t, &r);
}

/* ---- life */

void
x400_out_free(struct transport_session *t)
{
    loop_task_cancel(&t->task);
    list_remove(&t->link);
    buf_fini(&t->head);
    free(t->left_out);
    x400_conf_unref(t->conf);
    free(t);
}

static void
task_free(void *ctx)
{
    x400_out_free(ctx);
}

void
x400_out_end(struct transport_session *t, const struct transport_result *r)
{
    struct x400_connector *c = t->connector;

    CHECK(t->state != X400_OUT_OVER);
    t->state = X400_OUT_OVER;
    if (t->query != NULL) {
        resolver_cancel(t->query);
        t->query = NULL;
    }
    loop_timer_stop(&t->timer);
    loop_task_cancel(&t->task);
    list_remove(&t->link);
    c->session_count--;
    if (r->in_doubt && t->d != NULL) {
        log_event(EV_X400_IN_DOUBT, LF_ID("id", t->d->id), LF_SLICE("connector", t->conf->o.name),
            LF_SLICE("reason", r->reply));
    }
    x400_resume_leave(t, false);
    c->up.closed(t->up, r);
    t->d = NULL;
    list_push_back(&c->dead, &t->link);
    loop_task_init(&t->task, task_free, t);
    soon(t);
}

/* The association goes with it, if an activity of ours is under way. */
static void
end_with(struct transport_session *t, enum outcome_kind kind, bool in_doubt)
{
    struct transport_result r = result(t, kind, t->status);
    struct x400_link *l = t->at;

    r.in_doubt = in_doubt;
    if (l != NULL && l->open && !l->sending) {
        let_go(t);
    } else if (l != NULL) {
        t->at = NULL;
        l->session = NULL;
        x400_link_abort(l, "its delivery was broken off", 0);
    }
    x400_out_end(t, &r);
}

/* ---- finding an association */

static void
attach(struct transport_session *t, struct x400_link *l)
{
    loop_timer_stop(&t->timer);
    t->at = l;
    l->session = t;
    if (l->open) {
        x400_out_opened(t);
    }
}

static struct x400_link *
free_link(const struct x400_connector *c)
{
    struct x400_link *best = NULL;

    LIST_FOR(it, &c->links)
    {
        struct x400_link *l = CONTAINER_OF(it, struct x400_link, of_connector);

        if (!l->open || l->closing || l->session != NULL || (!l->turn && l->dialogue != RTSE_TWA)) {
            continue;
        }
        if (l->turn) {
            return l;
        }
        best = best != NULL ? best : l;
    }
    return best;
}

static void
not_opened(struct transport_session *t, const char *status, const char *text)
{
    t->status = status;
    t->untried = true;
    text_is(t, text);
    end_with(t, OUTCOME_DEFERRED, false);
}

static void
open_link(struct transport_session *t)
{
    struct x400_link *l = x400_link_new(t->connector->x);
    struct rtse_recovery broken;
    struct x400_options o;
    struct buf bind;
    int rc = -ENOMEM;

    buf_init(&bind, X400_BIND_BYTES_MAX);
    if (l != NULL) {
        rc = x400_conf_open(t->conf, &o, &bind);
        o.to = t->to;
        o.to_count = t->to_count;
        l->recovers = x400_recover_ours(t, &broken);
        o.recover = l->recovers ? &broken : NULL;
        x400_link_bind(l, t->connector);
    }
    if (rc == 0) {
        rc = x400_conn_open(&l->conn, t->connector->x->env.net, &o, &x400_link_user, l);
    }
    buf_fini(&bind);
    if (rc == 0) {
        attach(t, l);
        return;
    }
    if (l != NULL) {
        l->conn = NULL;
        x400_link_drop(l);
    }
    not_opened(t, "4.3.0", error_text(rc));
}

static void find_hops(struct transport_session *t);

static void
on_addresses(void *ctx, int status, const struct resolver_answer *answer)
{
    struct transport_session *t = ctx;
    const struct x400_hop *hop = &t->conf->o.hops[t->hop++];

    t->query = NULL;
    for (unsigned i = 0; status == 0 && answer->host_count > 0 &&
                         i < answer->hosts[0].address_count && t->to_count < ARRAY_LEN(t->to);
         i++) {
        t->to[t->to_count] = answer->hosts[0].addresses[i];
        t->to[t->to_count++].port = hop->port;
    }
    if (status < 0) {
        (void)snprintf(t->text, sizeof(t->text), "the next hop %.*s has no address: %s",
            SLICE_FMT(hop->name), error_text(status));
    }
    soon(t); /* find_hops goes on there */
}

/* The addresses of all next hops; a literal needs no DNS. */
static void
find_hops(struct transport_session *t)
{
    const struct x400_connector_options *o = &t->conf->o;
    struct resolver *dns = t->connector->x->env.resolver;

    while (t->hop < o->hop_count && t->to_count < ARRAY_LEN(t->to)) {
        const struct x400_hop *hop = &o->hops[t->hop];

        if (hop->name.n == 0) {
            t->to[t->to_count++] = hop->address;
        } else if (dns != NULL &&
                   resolver_addresses(&t->query, dns, hop->name, on_addresses, t) == 0) {
            return;
        } else {
            t->query = NULL;
            (void)snprintf(t->text, sizeof(t->text), "the next hop %.*s cannot be looked up",
                SLICE_FMT(hop->name));
        }
        t->hop++;
    }
    if (t->to_count > 0) {
        open_link(t);
    } else {
        t->status = "4.4.4";
        if (t->text[0] == '\0') {
            text_is(t, "the connector has no next hop");
        }
        end_with(t, OUTCOME_DEFERRED, false);
    }
}

/* For the peer's call, or has an association. One is enough, with one delivery in hand: what else
 * there is waits in its order, and goes over the same association, or is asked for when another one
 * comes. */
static bool
somebody_waits(const struct x400_connector *c)
{
    LIST_FOR(it, &c->sessions)
    {
        const struct transport_session *t = CONTAINER_OF(it, struct transport_session, link);

        if (t->at != NULL || loop_timer_running(&t->timer)) {
            return true;
        }
    }
    return false;
}

/* An association that is free is better than a new one. */
static void
find(struct transport_session *t)
{
    struct x400_link *l = free_link(t->connector);
    const char *why = NULL;
    enum x400_may may = X400_MAY;

    if (l != NULL) {
        t->text[0] = '\0';
        attach(t, l);
        return;
    }
    if (t->hop == 0) {
        may = x400_connector_may_call(t->connector, &why);
        t->text[0] = '\0';
        t->to_count = 0;
    }
    if (may == X400_MAY) {
        find_hops(t);
    } else if (may == X400_MAY_NOT && t->conf->o.schedule.kind == X400_REMOTE_INITIATED &&
               !somebody_waits(t->connector)) {
        text_is(t, why);
        loop_timer_start(&t->timer, t->conf->o.waiting_ms);
    } else if (may == X400_MAY_NOT) {
        not_opened(t, "4.4.5", why);
    }
}

void
x400_out_wake(struct x400_connector *c)
{
    LIST_FOR(it, &c->sessions)
    {
        struct transport_session *t = CONTAINER_OF(it, struct transport_session, link);

        if (t->state == X400_OUT_FIND && t->at == NULL) {
            soon(t);
        }
    }
}

static void
on_waited(void *ctx)
{
    struct transport_session *t = ctx;
    const struct x400_connector *c = t->connector;

    if (!c->retired && c->conf->o.schedule.kind != X400_REMOTE_INITIATED) {
        x400_conf_take(&t->conf, c, NULL); /* a reload: now it is for us to call */
        find(t);
        return;
    }
    t->status = "4.4.1";
    t->untried = true; /* it was for the peer to call */
    end_with(t, OUTCOME_DEFERRED, false);
}

void
x400_out_offer(struct x400_link *l)
{
    struct x400_connector *c = l->connector;

    if (!l->turn && l->dialogue != RTSE_TWA) {
        return; /* it carries mail to us only */
    }
    LIST_FOR(it, &c->sessions)
    {
        struct transport_session *t = CONTAINER_OF(it, struct transport_session, link);

        if (loop_timer_running(&t->timer)) {
            attach(t, l);
            return;
        }
    }
    if (l->incoming) {
        loop_call_soon(l->x->env.loop, &c->reached);
    }
}

/* ---- a delivery's beginning */

static void
on_ready(void *ctx)
{
    struct transport_session *t = ctx;

    t->waits = false;
    soon(t); /* the scheduler is in the stack */
}

static int
unfit(struct transport_session *t, const char *status, const char *why)
{
    t->status = status;
    text_is(t, why);
    happens(t, X400_OUT_UNFIT);
    return -ECANCELED;
}

/* A reason of ours. */
static int
ours(struct transport_session *t, int rc)
{
    if (rc == -EIO || rc == BH_EDAMAGED) {
        log_event(EV_X400_CONTENT, LF_ID("id", t->d->id), LF_SLICE("connector", t->conf->o.name),
            LF_ERR("error", rc));
    }
    t->status = "4.3.0";
    t->untried = true;
    text_is(t, error_text(rc));
    happens(t, X400_OUT_OURS);
    return rc;
}

/* A piece of content is in hand, or 1: it is waited for; <0: it was told. */
static int
fetch(struct transport_session *t)
{
    int rc;

    if (t->piece.n > 0) {
        return 0;
    }
    if (t->waits) {
        return 1;
    }
    rc = t->connector->up.content(t->up, &t->piece, on_ready, t);
    if (rc == BH_EBUSY) {
        t->waits = true;
        return 1;
    }
    return rc > 0 ? 0 : ours(t, rc == 0 ? BH_EDAMAGED : rc);
}

/* All that is stored before the content into t->head. 0; 1: later; <0: told. */
static int
read_head(struct transport_session *t, uint64_t *bytes)
{
    uint64_t need = BER_HEADER_BYTES_MAX;
    bool sized = false;

    for (;;) {
        size_t take;
        int rc;

        if (!sized && buf_len(&t->head) >= MIN(need, t->d->size_bytes)) {
            if (p1_stored_bytes(buf_slice(&t->head), &t->kind, &need) < 0 ||
                need > P1_STORED_BYTES_MAX || need > t->d->size_bytes) {
                return ours(t, BH_EDAMAGED);
            }
            sized = true;
        }
        if (sized && buf_len(&t->head) >= need) {
            *bytes = need;
            return 0;
        }
        rc = fetch(t);
        if (rc != 0) {
            return rc;
        }
        take = MIN(t->piece.n, (size_t)(need - buf_len(&t->head)));
        if (buf_append(&t->head, slice_sub(t->piece, 0, take)) < 0) {
            return ours(t, -ENOMEM);
        }
        t->piece = slice_skip(t->piece, take);
    }
}

static int
begin_fits(struct transport_session *t)
{
    if (t->d->body != ENVELOPE_P1_MESSAGE && t->d->body != ENVELOPE_P1_PROBE &&
        t->d->body != ENVELOPE_P1_REPORT) {
        return unfit(t, "5.6.3",
            "the message did not come by X.400, and there is no gateway between SMTP and X.400");
    }
    return 0;
}

/* The head as this peer gets it, for these recipients. */
static int
write_head(struct transport_session *t, uint64_t stored_bytes)
{
    const struct x400_share_query q = { .conf = &t->conf->o,
        .domain = &t->connector->x->o.domain,
        .mta_name = t->connector->x->o.mta_name,
        .context = x400_conn_context(t->at->conn),
        .d = t->d,
        .stored = slice_sub(buf_slice(&t->head), 0, (size_t)stored_bytes),
        .content_bytes = t->d->size_bytes - stored_bytes,
        .now_wall_ms = ticks_wall_ms(),
        .places = stored_bytes >= PLACES_BYTES_MIN ? &t->connector->x->places : NULL };
    struct x400_share share;
    int rc = x400_share_make(&share, &q);

    if (rc == 0) {
        t->message = share.id;
        t->priority = share.priority;
        t->content_type = share.content_type;
        t->content_bytes = q.content_bytes;
        free(t->left_out);
        t->left_out = share.left_out;
        buf_fini(&t->head);
        t->head = share.head;
        return 0;
    }
    return share.why != NULL ? unfit(t, share.status, share.why) : ours(t, rc);
}

static void
tell_left_out(struct transport_session *t)
{
    static const struct transport_result unnamed = { .kind = OUTCOME_FAILED,
        .status = SLICE_LIT("5.3.0"),
        .reply = SLICE_LIT("the stored envelope does not name this recipient") };
    const struct p1_code *code = p1_code(P1_CAUSE_DOWNGRADE);
    const struct transport_result downgrade = {
        .kind = OUTCOME_FAILED, .status = slice_of(code->status), .reply = slice_of(code->text)
    };

    bool tell = t->left_out != NULL && !t->told_left_out;

    t->told_left_out = true;
    for (uint32_t i = 0; tell && i < t->d->recipient_count; i++) {
        if (t->left_out[i] != X400_LEFT_NONE) {
            t->connector->up.recipient(
                t->up, i, t->left_out[i] == X400_LEFT_UNNAMED ? &unnamed : &downgrade);
        }
    }
}

static int
asked(struct transport_session *t,
    int (*ask)(struct sched_session *s, transport_ready_fn *ready, void *ctx))
{
    int rc = t->waits ? BH_EBUSY : ask(t->up, on_ready, t);

    t->waits = rc == BH_EBUSY;
    return rc;
}

static void
prepare(struct transport_session *t)
{
    uint64_t bytes = 0;
    int rc;

    t->state = X400_OUT_BEGIN;
    if (begin_fits(t) < 0) {
        return;
    }
    if (!t->began) {
        rc = asked(t, t->connector->up.begin);
        if (rc < 0) {
            (void)(rc == BH_EBUSY ? 0 : ours(t, rc));
            return;
        }
        t->began = true;
    }
    if (!t->headed) {
        if (read_head(t, &bytes) != 0 || write_head(t, bytes) < 0) {
            return;
        }
        t->headed = true;
        t->stored_bytes = bytes;
        t->bytes = t->left = buf_len(&t->head) + t->content_bytes;
        if (t->bytes > x400_conn_apdu_max(t->at->conn)) {
            (void)unfit(t, "5.3.4",
                "the message is longer than a million checkpoints of the size agreed upon: a "
                "larger rtse.checkpoint is needed, here and at the peer");
            return;
        }
        t->small = t->bytes <= SMALL_BYTES;
    }
    rc = t->small ? asked(t, t->connector->up.attempted) : 0;
    if (rc < 0) {
        (void)(rc == BH_EBUSY ? 0 : ours(t, rc));
        return;
    }
    tell_left_out(t);
    t->state = X400_OUT_SEND;
    t->at->sending = true;
    if (!x400_resume_out(t)) {
        x400_conn_transfer(t->at->conn, t->bytes, t->priority);
    }
    happens(t, X400_OUT_ROOM);
}

/* ---- octets */

/* The last ones: may they go? */
static bool
permitted(struct transport_session *t)
{
    int rc;

    if (t->granted) {
        return true;
    }
    t->state = X400_OUT_LAST;
    rc = asked(t, t->connector->up.dot);
    if (rc < 0) {
        (void)(rc == BH_EBUSY ? 0 : ours(t, rc));
        return false;
    }
    t->granted = true;
    t->state = X400_OUT_SEND;
    return true;
}

static void
write_octets(struct transport_session *t)
{
    size_t room = x400_conn_room(t->at->conn);

    while (room > 0 && t->left > 0) {
        struct slice piece = slice_skip(buf_slice(&t->head), t->head_done);

        if (piece.n == 0) {
            if (fetch(t) != 0) {
                return;
            }
            piece = t->piece;
        }
        piece = slice_sub(piece, 0, (size_t)MIN((uint64_t)MIN(room, piece.n), t->left));
        if (piece.n == t->left && !permitted(t)) {
            return;
        }
        if (t->head_done < buf_len(&t->head)) {
            t->head_done += piece.n;
        } else {
            t->piece = slice_skip(t->piece, piece.n);
        }
        t->left -= piece.n;
        x400_conn_write(t->at->conn, piece);
        room = x400_conn_room(t->at->conn);
    }
    if (t->left == 0) {
        happens(t, X400_OUT_WRITTEN);
    }
}

/* ---- steps */

/* From the loop's next task on: whoever calls may be the scheduler. */
static void
ask_turn(struct transport_session *t)
{
    x400_conf_take(&t->conf, t->connector, t->at);
    t->state = t->at != NULL ? X400_OUT_TURN : X400_OUT_FIND; /* its association was used up */
    t->hop = t->to_count = 0;
    soon(t);
}

static void
happens(struct transport_session *t, enum x400_out_event e)
{
    switch (x400_out_row(t->state, e)) {
    case X400_OUT_ASK_TURN:
        ask_turn(t);
        break;
    case X400_OUT_PREPARE:
        prepare(t);
        break;
    case X400_OUT_WRITE:
        write_octets(t);
        break;
    case X400_OUT_PERMIT:
        if (permitted(t)) {
            write_octets(t);
        }
        break;
    case X400_OUT_FAIL:
        fail(t);
        break;
    case X400_OUT_DISCARD:
        t->state = X400_OUT_STOP;
        x400_conn_stop(t->at->conn, false);
        break;
    case X400_OUT_AWAIT:
        t->state = X400_OUT_WAIT;
        break;
    case X400_OUT_DELIVER:
        deliver(t);
        break;
    case X400_OUT_DEFER:
        defer(t, t->in_doubt);
        break;
    case X400_OUT_END:
        t->status = "2.0.0";
        end_with(t, OUTCOME_DELIVERED, false);
        break;
    case X400_OUT_END_DEFER:
        end_with(t, OUTCOME_DEFERRED, false);
        break;
    case X400_OUT_END_DOUBT:
        end_with(t, OUTCOME_DEFERRED, t->in_doubt);
        break;
    case X400_OUT_IGNORE:
        break;
    case X400_OUT_NEVER:
        CHECK(false); /* the association's own table lets none of these pass */
    }
}

/* ---- what the association says */

bool
x400_out_has_work(const struct transport_session *t)
{
    return t->state == X400_OUT_TURN && t->d != NULL;
}

void
x400_out_opened(struct transport_session *t)
{
    memcpy(t->remote, t->at->remote, sizeof(t->remote));
    memcpy(t->source, t->at->local, sizeof(t->source));
    x400_conf_take(&t->conf, t->connector, t->at);
    if (!t->announced) {
        t->announced = true;
        t->connector->up.opened(t->up);
    }
    happens(t, X400_OUT_OPENED);
}

/* Once it was broken off there is no content: not even the piece in hand, whose buffer is somebody
 * else's by now. What is still to be done is out_task's. */
void
x400_out_turn(struct transport_session *t)
{
    if (!t->aborting) {
        happens(t, X400_OUT_HAS_TURN);
    }
}

void
x400_out_room(struct transport_session *t)
{
    if (!t->aborting) {
        happens(t, X400_OUT_ROOM);
    }
}

void
x400_out_sent(struct transport_session *t)
{
    happens(t, X400_OUT_SENT);
}

/* The peer does not know what was to be resumed: at once from the beginning. */
static void
begin_anew(struct transport_session *t)
{
    x400_resume_leave(t, true);
    t->resumed = t->granted = t->waits = false;
    t->anew = true;
    t->head_done = 0;
    t->left = t->bytes;
    t->piece = SLICE_NONE;
    t->connector->up.seek(t->up, t->stored_bytes);
    ask_turn(t);
}

void
x400_out_failed(struct transport_session *t, const struct rtse_ind *ind, bool in_doubt)
{
    unsigned reason = ind->reason;

    if (t->resumed && !in_doubt && reason == SESSION_REASON_PROCEDURAL &&
        t->state != X400_OUT_STOP) {
        begin_anew(t);
        return;
    }
    if (ind->keep) {
        x400_resume_reported(t);
    } else {
        x400_resume_leave(t, true);
    }
    if (t->state != X400_OUT_STOP) {
        t->status = "4.4.2";
        (void)snprintf(t->text, sizeof(t->text),
            "rtse: the peer could not take the transfer: %s (reason %u)",
            reason == SESSION_REASON_PROCEDURAL  ? "it does not understand or want it"
            : reason == SESSION_REASON_RECEIVING ? "no room, or it is about to stop"
                                                 : "no further reason",
            reason);
    }
    t->in_doubt = in_doubt;
    happens(t, X400_OUT_FAILED);
}

static const char *
status_of(const struct x400_end *end)
{
    switch (end->how) {
    case X400_REFUSED:
        return end->layer == OSI_USER ? "4.7.0" : "4.4.1";
    case X400_UNREACHABLE:
        return "4.4.1";
    case X400_BROKEN:
        return "4.5.0";
    case X400_STOPPED:
        return "4.3.2";
    case X400_CLOSED:
    case X400_ABORTED:
    case X400_LOST:
    case X400_TIMED_OUT:
        return end->opened ? "4.4.2" : "4.4.1";
    }
    return "4.4.2";
}

/* We gave a transfer up behind its last octet, and the peer cannot: it has taken it. */
static bool
is_completed(const struct transport_session *t, const struct x400_end *end)
{
    return t->state == X400_OUT_WAIT && end->in_doubt && end->how == X400_ABORTED &&
           end->layer == OSI_RTSE && end->reason == RTSE_ABORT_COMPLETED;
}

void
x400_out_lost(struct transport_session *t, const struct x400_end *end)
{
    if (is_completed(t, end)) {
        happens(t, X400_OUT_SENT);
        return;
    }
    t->status = status_of(end);
    x400_link_why(end, t->text);
    t->in_doubt = end->in_doubt;
    happens(t, X400_OUT_LOST);
}

/* ---- what the scheduler says */

static void
out_task(void *ctx)
{
    struct transport_session *t = ctx;

    if (t->aborting) {
        t->status = "4.3.2";
        text_is(t, "the delivery was broken off");
        t->in_doubt = true; /* if it waits for its confirmation */
        happens(t, X400_OUT_ABORT);
    } else if (t->state == X400_OUT_FIND) {
        if (t->closing) {
            happens(t, X400_OUT_CLOSE);
        } else if (t->at == NULL && t->query == NULL && !loop_timer_running(&t->timer)) {
            find(t);
        }
    } else if (t->state == X400_OUT_TURN) {
        x400_link_turn(t->at);
    } else if (t->state == X400_OUT_IDLE) {
        if (t->closing || t->at == NULL) {
            text_is(t, "closed");
            happens(t, X400_OUT_CLOSE);
        }
    } else {
        happens(t, X400_OUT_READY);
    }
}

static int
out_open(void *ctx, struct slice destination, struct sched_session *s, const struct delivery *first,
    struct transport_session **out)
{
    struct x400_connector *c = ctx;
    struct transport_session *t = calloc(1, sizeof(*t));

    (void)destination; /* a connector leads to one peer */
    CHECK(first != NULL);
    if (t == NULL) {
        return -ENOMEM;
    }
    t->connector = c;
    t->conf = x400_conf_ref(c->conf);
    t->up = s;
    t->state = X400_OUT_FIND;
    t->status = "4.4.1";
    buf_init(&t->head, P1_STORED_BYTES_MAX);
    loop_task_init(&t->task, out_task, t);
    loop_timer_init(c->x->env.loop, &t->timer, on_waited, t);
    set_delivery(t, first);
    list_push_back(&c->sessions, &t->link);
    c->session_count++;
    soon(t);
    *out = t;
    return 0;
}

static void
out_work(struct transport_session *t, const struct delivery *d)
{
    CHECK(t->state == X400_OUT_IDLE && t->d == NULL);
    set_delivery(t, d);
    happens(t, X400_OUT_WORK);
}

static void
out_close(struct transport_session *t, bool abort)
{
    CHECK(t->state != X400_OUT_OVER);
    t->closing = true;
    t->aborting = t->aborting || abort;
    soon(t);
}

const struct transport_ops x400_out_ops = {
    .open = out_open, .work = out_work, .close = out_close, .says_rerouted = true
};
