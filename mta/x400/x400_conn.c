/* x400_conn.c - the shell of the stack: octets, deadlines, back-pressure. Who is called and what is
 * said first is in x400_conn_out.c, what is shown in x400_conn_view.c. */
#include "x400/x400_conn_int.h"

#include "core/ticks.h"
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

/* Handed to net/conn while less than this waits there; then the stack's own out fills, and the
 * user has no room. Above READ_STOP only answers to a peer that does not read them can be there. */
#define TCP_QUEUED_MAX  (CONN_HIGH_BYTES / 2)
#define ROOM_QUEUED_MAX ((size_t)64 * 1024)
#define ROOM_MAX        ((size_t)32 * 1024)
#define READ_STOP_BYTES ((size_t)192 * 1024)
#define ROOM_ROUNDS     4 /* of one connection in one turn of the loop */

const struct x400_times x400_times_default = {
    .connect_ms = 30000,
    .called_ms = 30000,
    .open_ms = 60000,
    .confirm_ms = 60000,
    .kib_ms = { 2000, 3000, 1000 },
    .octets_ms = 180000,
    .idle_ms = 300000,
    .answer_ms = 60000,
    .close_ms = 2000,
};

/* ---- what all share */

int
x400_net_new(struct x400_net **out, struct loop *l, struct egress *e, struct slice name)
{
    struct x400_net *n = calloc(1, sizeof(*n));

    if (n == NULL) {
        return -ENOMEM;
    }
    n->loop = l;
    n->egress = e;
    list_init(&n->conns);
    name = slice_sub(name, 0, X400_CONN_NAME_MAX);
    n->name_n = name.n;
    memcpy(n->name, name.n > 0 ? name.p : "", name.n);
    if (getrandom(&n->reference, sizeof(n->reference), GRND_NONBLOCK) < 0) {
        n->reference = (uint32_t)ticks_wall_ms(); /* unlike those of the process before */
    }
    *out = n;
    return 0;
}

void
x400_net_free(struct x400_net *n)
{
    if (n != NULL) {
        CHECK(n->count == 0);
        free(n);
    }
}

unsigned
x400_net_count(const struct x400_net *n)
{
    return n->count;
}

struct loop *
x400_net_loop(const struct x400_net *n)
{
    return n->loop;
}

/* ---- trace */

static void
trace_begin(struct x400_conn *c)
{
    const struct x400_trace_sink *sink = c->net->sink;

    if (sink != NULL && c->trace == NULL && c->tcp != NULL) {
        /* Without memory nobody looks at this one. */
        (void)!x400_trace_new(&c->trace, sink, c->label, &c->local, &c->remote);
    }
}

static void
trace_end(struct x400_conn *c)
{
    if (c->trace != NULL) {
        x400_trace_end(c->trace, ticks_wall_ms());
        x400_trace_free(c->trace);
        c->trace = NULL;
    }
}

/* In the middle of a conversation: from the next packet on. What went out went in whole ones. */
static void
trace_join(struct x400_conn *c)
{
    const struct tpkt *in = &c->stack.transport.packets;
    struct slice head = { (const char *)in->head, in->head_n };

    trace_begin(c);
    if (c->trace == NULL) {
        return;
    }
    if (in->left > 0) {
        x400_trace_skip(c->trace, false, in->left);
    } else if (head.n < TPKT_HEADER_BYTES) {
        x400_trace_octets(c->trace, false, head, ticks_wall_ms());
    }
}

void
x400_net_trace(struct x400_net *n, const struct x400_trace_sink *sink)
{
    n->sink = sink;
    LIST_FOR(link, &n->conns)
    {
        struct x400_conn *c = CONTAINER_OF(link, struct x400_conn, link);

        x400_trace_free(c->trace);
        c->trace = NULL;
        trace_join(c);
    }
}

/* ---- the end */

static void
flush(struct x400_conn *c, bool all)
{
    struct slice out = stack_out(&c->stack);

    if (c->tcp == NULL || out.n == 0 || (!all && conn_queued(c->tcp) >= TCP_QUEUED_MAX)) {
        return;
    }
    if (c->trace != NULL) {
        x400_trace_octets(c->trace, true, out, ticks_wall_ms());
    }
    conn_send(c->tcp, out);
    c->octets_out += out.n;
    stack_sent(&c->stack, out.n);
}

static void
hang_up(struct x400_conn *c)
{
    if (c->attempt != NULL) {
        egress_cancel(c->attempt);
        c->attempt = NULL;
    }
    loop_timer_stop(&c->timer);
    c->wait = STACK_WAIT_NOTHING;
    if (c->tcp != NULL) {
        flush(c, true);
        trace_end(c);
        conn_close(c->tcp, c->times.close_ms);
        c->tcp = NULL;
    }
}

static bool
transfers(enum rtse_state s)
{
    return s == RTSE_SEND || s == RTSE_WAIT_SENT || s == RTSE_WAIT_STOP || s == RTSE_RECEIVE ||
           s == RTSE_SECURE;
}

void
x400_conn_finish(
    struct x400_conn *c, enum x400_end_how how, enum osi_layer layer, int status, const char *text)
{
    if (c->over) {
        return;
    }
    c->over = true;
    c->end.how = how;
    c->end.layer = layer;
    c->end.status = status;
    c->end.text = text;
    c->end.local = c->local;
    c->end.remote = c->remote;
    c->end.opened = c->opened;
    c->end.broken = how != X400_CLOSED && transfers(c->end.was);
    stack_abort(&c->stack, RTSE_ABORT_TEMPORARY); /* nothing if it has ended */
    hang_up(c);
    loop_call_soon(c->net->loop, &c->task);
}

/* We end it: a request failed, a deadline passed, the user wants it. */
static void
stop(struct x400_conn *c, enum x400_end_how how, unsigned reason, int status, const char *text)
{
    struct stack_end end = { .was = c->stack.rtse.state };

    if (c->over) {
        return;
    }
    end.in_doubt = stack_in_doubt(&c->stack);
    stack_abort(&c->stack, reason);
    c->end.was = end.was;
    c->end.in_doubt = end.in_doubt;
    c->end.reason = reason;
    x400_conn_finish(c, how, OSI_RTSE, status, text);
}

/* A request of the stack's failed: no memory, or a peer that does not take our answers. */
static void
check(struct x400_conn *c, int rc)
{
    if (rc < 0) {
        stop(c, X400_STOPPED, RTSE_ABORT_SYSTEM, rc, error_text(rc));
    }
}

static void
kick(struct x400_conn *c)
{
    if (!c->busy) {
        loop_call_soon(c->net->loop, &c->task);
    }
}

static void
destroy(struct x400_conn *c)
{
    loop_task_cancel(&c->task);
    loop_timer_stop(&c->timer);
    list_remove(&c->link);
    c->net->count--;
    x400_trace_free(c->trace);
    x400_plan_free(c->plan);
    stack_fini(&c->stack);
    free(c);
}

void
x400_conn_free(struct x400_conn *c)
{
    if (c == NULL) {
        return;
    }
    CHECK(!c->freed);
    if (!c->over) {
        stop(c, X400_STOPPED, RTSE_ABORT_TEMPORARY, 0, "given up");
    }
    c->freed = true;
    if (!c->busy) {
        destroy(c);
    }
}

void
x400_conn_cut(struct x400_conn *c, int status)
{
    struct conn *tcp = c->tcp;

    if (c->over) {
        return;
    }
    c->tcp = NULL;
    if (tcp != NULL) {
        trace_end(c);
        conn_cut(tcp, status);
        conn_close(tcp, 0);
    }
    stop(c, X400_LOST, RTSE_ABORT_SYSTEM, status, error_text(status));
    c->end.layer = OSI_TCP;
    c->end.reason = 0;
}

void
x400_conn_enter(struct x400_conn *c)
{
    CHECK(!c->busy);
    c->busy = true;
}

void
x400_conn_leave(struct x400_conn *c)
{
    c->busy = false;
    if (c->freed) {
        destroy(c);
    }
}

/* ---- what the stack says */

static enum x400_end_how
how_of(enum stack_end_how how)
{
    switch (how) {
    case STACK_CLOSED:
        return X400_CLOSED;
    case STACK_REFUSED:
        return X400_REFUSED;
    case STACK_ABORTED:
        return X400_ABORTED;
    case STACK_BROKEN:
        return X400_BROKEN;
    case STACK_LOST:
        break;
    }
    return X400_LOST;
}

static void
stack_ended(struct x400_conn *c, const struct stack_end *end, int status)
{
    struct slice user = slice_sub(end->user, 0, sizeof(c->end_user));

    memcpy(c->end_user, user.n > 0 ? user.p : "", user.n);
    c->end.user = (struct slice){ c->end_user, user.n };
    c->end.reason = end->reason;
    c->end.was = end->was;
    c->end.in_doubt = end->in_doubt;
    if (!c->incoming && !c->connected) {
        struct x400_end why = c->end;

        why.how = how_of(end->how);
        why.layer = end->layer;
        why.status = status;
        why.text = end->text;
        x400_conn_dial_failed(c, &why);
        return;
    }
    x400_conn_finish(c, how_of(end->how), end->layer, status, end->text);
}

static void
offered(struct x400_conn *c, const struct rtse_open *o)
{
    struct slice user = slice_sub(o->recovered.user, 0, SESSION_REFERENCE_BYTES_MAX);
    struct slice common = slice_sub(o->recovered.common, 0, SESSION_REFERENCE_BYTES_MAX);

    memcpy(c->recovered_text, user.n > 0 ? user.p : "", user.n);
    memcpy(c->recovered_text + user.n, common.n > 0 ? common.p : "", common.n);
    c->recovers = o->recover;
    c->recovered.user = (struct slice){ c->recovered_text, user.n };
    c->recovered.common = (struct slice){ c->recovered_text + user.n, common.n };
    c->user->on_offer(c->ctx, o);
}

static void
rtse_said(struct x400_conn *c, const struct stack_ind *ind)
{
    if (ind->rtse_kind == RTSE_IND_OPEN) {
        offered(c, &ind->rtse.open);
    } else if (ind->rtse_kind == RTSE_IND_OPENED) {
        c->opened = true;
        x400_plan_free(c->plan);
        c->plan = NULL;
        c->user->on_opened(c->ctx, &ind->rtse.open);
    } else {
        c->transfers_out += ind->rtse_kind == RTSE_IND_SENT;
        if (ind->rtse_kind == RTSE_IND_BEGIN || ind->rtse_kind == RTSE_IND_RESUME) {
            x400_patience_begin(&c->patience);
        } else if (ind->rtse_kind == RTSE_IND_OCTETS) {
            x400_patience_came(&c->patience, ind->rtse.bytes.n);
        }
        c->user->on_rtse(c->ctx, ind->rtse_kind, &ind->rtse, ind->in_doubt);
    }
}

static void
stack_said(struct x400_conn *c, enum stack_ind_kind kind, const struct stack_ind *ind)
{
    switch (kind) {
    case STACK_CALLED:
        c->user->on_called(c->ctx, ind->calling, ind->called);
        break;
    case STACK_CONNECTED:
        c->connected = true;
        check(c, x400_conn_call(c));
        break;
    case STACK_RTSE:
        rtse_said(c, ind);
        break;
    case STACK_ENDED:
        stack_ended(c, &ind->end, 0);
        break;
    case STACK_MORE:
        break;
    }
}

/* ---- deadlines */

/* An envelope, and with it the priority, comes with the transfer's octets: the slowest counts. */
static uint64_t
octets_ms(struct x400_conn *c)
{
    const uint64_t *kib_ms = c->times.kib_ms;

    return x400_patience_wait(&c->patience, ticks_ms(), c->times.octets_ms,
        MAX(kib_ms[X400_NON_URGENT], MAX(kib_ms[X400_NORMAL], kib_ms[X400_URGENT])));
}

static uint64_t
wait_ms(struct x400_conn *c)
{
    const struct x400_times *t = &c->times;
    uint64_t kib = (stack_unconfirmed_bytes(&c->stack) + KIB - 1) / KIB;

    switch (c->wait) {
    case STACK_WAIT_CALL:
        return t->connect_ms;
    case STACK_WAIT_CALLED:
        return t->called_ms;
    case STACK_WAIT_OPEN:
        return t->open_ms;
    case STACK_WAIT_CONFIRM:
        return MAX(t->confirm_ms, MIN(kib, UINT32_MAX) * t->kib_ms[c->priority]);
    case STACK_WAIT_OCTETS:
        return octets_ms(c);
    case STACK_WAIT_IDLE:
        return c->incoming ? 2 * t->idle_ms : t->idle_ms;
    case STACK_WAIT_ANSWER:
        return t->answer_ms;
    case STACK_WAIT_NOTHING:
        break;
    }
    return 0;
}

static void
arm(struct x400_conn *c)
{
    enum stack_wait wait = c->tcp != NULL ? stack_wait(&c->stack) : STACK_WAIT_NOTHING;
    uint32_t anew = stack_waits_anew(&c->stack);

    if (wait == c->wait && anew == c->anew) {
        return;
    }
    x400_patience_stop(&c->patience, ticks_ms());
    c->wait = wait;
    c->anew = anew;
    if (wait == STACK_WAIT_NOTHING) {
        loop_timer_stop(&c->timer);
    } else {
        loop_timer_start(&c->timer, wait_ms(c));
    }
}

static const char *const wait_texts[STACK_WAIT_COUNT] = {
    [STACK_WAIT_NOTHING] = "",
    [STACK_WAIT_CALL] = "the peer did not answer the transport connect in time",
    [STACK_WAIT_CALLED] = "the peer did not ask for an association in time",
    [STACK_WAIT_OPEN] = "the peer did not answer the association request in time",
    [STACK_WAIT_CONFIRM] = "the peer did not confirm what was sent in time",
    [STACK_WAIT_OCTETS] = "the peer stopped in the middle of a transfer",
    [STACK_WAIT_IDLE] = "nothing was transferred for the idle time",
    [STACK_WAIT_ANSWER] = "the peer did not answer in time",
};

static enum osi_layer
wait_layer(enum stack_wait wait)
{
    return wait == STACK_WAIT_CALL ? OSI_TRANSPORT : OSI_RTSE;
}

static void
timed_out(struct x400_conn *c, enum stack_wait wait)
{
    if (wait == STACK_WAIT_CALL) {
        x400_conn_dial_failed(c, &(struct x400_end){ .how = X400_TIMED_OUT,
                                     .layer = OSI_TRANSPORT,
                                     .status = -ETIMEDOUT,
                                     .text = wait_texts[wait] });
    } else if (wait == STACK_WAIT_CONFIRM) {
        check(c, stack_stop(&c->stack, true)); /* then its confirmation is awaited, or abort */
    } else if (wait == STACK_WAIT_IDLE && !c->incoming) {
        c->closing = c->closing || c->user->on_idle == NULL || c->user->on_idle(c->ctx);
    } else {
        stop(c, X400_TIMED_OUT, RTSE_ABORT_TEMPORARY, -ETIMEDOUT,
            wait == STACK_WAIT_OCTETS && c->patience.slow
                ? "the peer sent the octets of a transfer too slowly"
                : wait_texts[wait]);
        c->end.layer = wait_layer(wait);
    }
}

static void
on_timer(void *ctx)
{
    struct x400_conn *c = ctx;
    enum stack_wait wait = c->wait;

    x400_conn_enter(c);
    c->wait = STACK_WAIT_NOTHING;
    timed_out(c, wait);
    x400_conn_pump(c);
    x400_conn_leave(c);
}

/* ---- the turn of one connection */

/* Release as soon as we may. */
static void
tend_close(struct x400_conn *c)
{
    struct rtse *r = stack_rtse(&c->stack);

    if (!c->closing || c->over) {
        return;
    }
    if (!c->opened || c->incoming || (r->state == RTSE_NO_TURN && r->dialogue != RTSE_TWA)) {
        stop(c, X400_STOPPED, RTSE_ABORT_TEMPORARY, 0, "closed where a release is not ours");
    } else if (r->state == RTSE_TURN) {
        check(c, rtse_close(r));
    } else if (r->state == RTSE_NO_TURN) {
        check(c, stack_please(&c->stack, 0));
    }
}

static void
ask_stack(struct x400_conn *c)
{
    struct stack_ind ind;
    enum stack_ind_kind kind = STACK_CALLED;

    while (kind != STACK_MORE && !c->over && c->tcp != NULL) {
        kind = stack_next(&c->stack, &ind);
        stack_said(c, kind, &ind);
    }
}

static void
offer_room(struct x400_conn *c)
{
    for (int i = 0; i < ROOM_ROUNDS && c->room_due && !c->over; i++) {
        if (x400_conn_room(c) == 0) {
            return;
        }
        c->room_due = false;
        c->user->on_room(c->ctx);
        flush(c, false);
    }
    if (c->room_due && !c->over && x400_conn_room(c) > 0) {
        loop_call_soon(c->net->loop, &c->task); /* the others' turn first */
    }
}

void
x400_conn_pump(struct x400_conn *c)
{
    if (c->over || c->tcp == NULL) {
        return;
    }
    ask_stack(c);
    tend_close(c);
    if (c->over || c->tcp == NULL) {
        return;
    }
    flush(c, false);
    offer_room(c);
    if (!c->over) {
        check(c, stack_keep(&c->stack));
    }
    if (!c->over) {
        conn_set_reading(
            c->tcp, stack_hungry(&c->stack) && stack_queued(&c->stack) < READ_STOP_BYTES);
        arm(c);
        if (c->wait == STACK_WAIT_IDLE) {
            stack_rest(&c->stack);
        }
    }
}

static void
on_task(void *ctx)
{
    struct x400_conn *c = ctx;

    x400_conn_enter(c);
    if (c->dial_due && !c->over) {
        c->dial_due = false;
        x400_conn_dial(c);
    }
    x400_conn_pump(c);
    if (c->over && !c->told) {
        c->told = true;
        c->user->on_end(c->ctx, &c->end);
    }
    x400_conn_leave(c);
}

/* ---- the connection */

static void
tcp_on_bytes(void *ctx, struct slice bytes)
{
    struct x400_conn *c = ctx;

    x400_conn_enter(c);
    c->octets_in += bytes.n;
    if (c->trace != NULL) {
        x400_trace_octets(c->trace, false, bytes, ticks_wall_ms());
    }
    stack_feed(&c->stack, bytes);
    x400_conn_pump(c);
    x400_conn_leave(c);
}

static void
tcp_on_drained(void *ctx)
{
    struct x400_conn *c = ctx;

    x400_conn_enter(c);
    x400_conn_pump(c);
    x400_conn_leave(c);
}

static void
tcp_on_end(void *ctx, int status)
{
    struct x400_conn *c = ctx;
    struct stack_end end;

    if (c->tcp == NULL) {
        return; /* x400_conn_cut */
    }
    x400_conn_enter(c);
    if (!c->over && stack_lost(&c->stack, &end)) {
        end.text = status < 0 ? error_text(status) : end.text;
        stack_ended(c, &end, status);
    }
    x400_conn_leave(c);
}

const struct conn_user x400_conn_tcp_user = { tcp_on_bytes, tcp_on_drained, tcp_on_end };

int
x400_conn_begin(struct x400_conn *c, struct conn *tcp)
{
    c->tcp = tcp;
    conn_keep_alive(tcp);
    c->local = *conn_local(tcp);
    c->remote = *conn_peer(tcp);
    trace_begin(c);
    if (c->trace != NULL) {
        x400_trace_begin(c->trace, c->incoming, ticks_wall_ms());
    }
    if (c->incoming) {
        return 0;
    }
    return stack_connect(
        &c->stack, c->plan->o.calling_t, c->plan->o.called_t, c->plan->o.tpdu_bytes);
}

/* ---- making one */

static struct x400_conn *
new_conn(struct x400_net *n, const struct x400_times *times, const struct x400_conn_user *user,
    void *ctx, bool incoming)
{
    struct x400_conn *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        return NULL;
    }
    c->net = n;
    c->user = user;
    c->ctx = ctx;
    c->times = *times;
    c->incoming = incoming;
    n->transport_ref = n->transport_ref == UINT16_MAX ? 1 : (uint16_t)(n->transport_ref + 1);
    stack_init(&c->stack, n->transport_ref, !incoming);
    loop_task_init(&c->task, on_task, c);
    loop_timer_init(n->loop, &c->timer, on_timer, c);
    list_push_back(&n->conns, &c->link);
    n->count++;
    return c;
}

int
x400_conn_open(struct x400_conn **out, struct x400_net *n, const struct x400_options *o,
    const struct x400_conn_user *user, void *ctx)
{
    struct x400_plan *plan;
    int rc = x400_plan_new(&plan, o);

    CHECK(n->egress != NULL);
    if (rc < 0) {
        return rc;
    }
    *out = new_conn(n, &o->times, user, ctx, false);
    if (*out == NULL) {
        x400_plan_free(plan);
        return -ENOMEM;
    }
    (*out)->plan = plan;
    (*out)->remote = o->to[0];
    x400_conn_set_label(*out, o->label);
    (*out)->dial_due = true;
    loop_call_soon(n->loop, &(*out)->task);
    return 0;
}

int
x400_conn_adopt(struct x400_conn **out, struct x400_net *n, int fd, const struct x400_times *times,
    const struct x400_conn_user *user, void *ctx)
{
    struct x400_conn *c = new_conn(n, times, user, ctx, true);
    struct conn *tcp;
    int rc;

    if (c == NULL) {
        close(fd);
        return -ENOMEM;
    }
    rc = conn_new(&tcp, n->loop, fd, &x400_conn_tcp_user, c);
    if (rc < 0) {
        destroy(c);
        return rc;
    }
    (void)!x400_conn_begin(c, tcp); /* an incoming one says nothing */
    loop_call_soon(n->loop, &c->task);
    *out = c;
    return 0;
}

void
x400_conn_set_times(struct x400_conn *c, const struct x400_times *times)
{
    c->times = *times;
}

void
x400_conn_set_label(struct x400_conn *c, struct slice label)
{
    label = slice_sub(label, 0, sizeof(c->label) - 1);
    memcpy(c->label, label.n > 0 ? label.p : "", label.n);
    c->label[label.n] = '\0';
    if (c->trace != NULL) {
        x400_trace_label(c->trace, c->label);
    }
}

/* ---- answering */

void
x400_conn_answer(struct x400_conn *c, size_t tpdu_bytes)
{
    if (!c->over) {
        check(c, stack_answer(&c->stack, tpdu_bytes));
        kick(c);
    }
}

void
x400_conn_refuse_call(struct x400_conn *c, unsigned reason)
{
    if (!c->over) {
        int rc = stack_refuse(&c->stack, reason);

        c->end.reason = reason;
        x400_conn_finish(c, X400_STOPPED, OSI_TRANSPORT, rc, "we refused the call");
    }
}

void
x400_conn_accept(struct x400_conn *c, const struct rtse_open *o)
{
    struct rtse *r = stack_rtse(&c->stack);
    struct rtse_open a = *o;

    CHECK(c->recovers || o->user.n > 0);
    if (c->over) {
        return;
    }
    a.mode = r->mode;
    a.dialogue = r->dialogue;
    a.reference = (struct session_reference){ { r->self.user, r->self.user_n },
        { r->self.common, r->self.common_n }, SLICE_NONE };
    a.recover = c->recovers;
    a.recovered = c->recovered;
    a.calling_s = a.calling_p = SLICE_NONE;
    c->opened = true;
    check(c, rtse_accept(r, &a));
    kick(c);
}

void
x400_conn_refuse(struct x400_conn *c, unsigned reason, struct slice user)
{
    struct rtse *r = stack_rtse(&c->stack);

    if (!c->over) {
        int rc = rtse_refuse(r, reason, r->mode == PRESENTATION_NORMAL ? user : SLICE_NONE);

        c->end.reason = reason;
        x400_conn_finish(c, X400_STOPPED, OSI_USER, rc, "we refused the bind");
    }
}

/* ---- sending */

uint64_t
x400_conn_apdu_max(const struct x400_conn *c)
{
    return rtse_apdu_max(&c->stack.rtse);
}

void
x400_conn_transfer(struct x400_conn *c, uint64_t apdu_bytes, unsigned priority)
{
    CHECK(priority < ARRAY_LEN(c->times.kib_ms));
    if (!c->over) {
        c->priority = priority;
        c->room_due = true;
        c->stack.anew++;
        check(c, rtse_transfer(stack_rtse(&c->stack), apdu_bytes));
        kick(c);
    }
}

int
x400_conn_resume(
    struct x400_conn *c, const struct rtse_recovery *from, uint64_t apdu_bytes, unsigned priority)
{
    CHECK(priority < ARRAY_LEN(c->times.kib_ms));
    if (c->over) {
        return 0;
    }
    if (from->point == 0 || from->checkpoint != c->stack.rtse.checkpoint ||
        rtse_offset(from) >= apdu_bytes) {
        return -EINVAL;
    }
    c->priority = priority;
    c->room_due = true;
    c->stack.anew++;
    check(c, rtse_resume(stack_rtse(&c->stack), from, apdu_bytes));
    kick(c);
    return 0;
}

size_t
x400_conn_room(const struct x400_conn *c)
{
    size_t waiting = c->tcp != NULL ? conn_queued(c->tcp) : 0;

    if (c->over || waiting + stack_queued(&c->stack) > ROOM_QUEUED_MAX + TCP_QUEUED_MAX ||
        stack_queued(&c->stack) > ROOM_QUEUED_MAX) {
        return 0;
    }
    return MIN(rtse_room(&c->stack.rtse), ROOM_MAX);
}

void
x400_conn_write(struct x400_conn *c, struct slice bytes)
{
    if (c->over) {
        return;
    }
    check(c, rtse_write(stack_rtse(&c->stack), bytes));
    c->room_due = c->room_due || x400_conn_room(c) == 0;
    kick(c);
}

void
x400_conn_stop(struct x400_conn *c, bool keep)
{
    if (!c->over) {
        check(c, stack_stop(&c->stack, keep));
        kick(c);
    }
}

/* ---- receiving */

void
x400_conn_secured(struct x400_conn *c, uint32_t activity, uint32_t point)
{
    bool whole = c->stack.rtse.state == RTSE_SECURE;

    if (!c->over) {
        check(c, stack_secured(&c->stack, activity, point));
        c->transfers_in += whole && c->stack.rtse.state == RTSE_NO_TURN;
        kick(c);
    }
}

void
x400_conn_report(struct x400_conn *c, uint32_t activity, unsigned reason)
{
    if (!c->over) {
        check(c, stack_report(&c->stack, activity, reason));
        kick(c);
    }
}

void
x400_conn_pause(struct x400_conn *c, bool on)
{
    if (!c->over) {
        stack_pause(&c->stack, on);
        kick(c);
    }
}

/* ---- turn and end */

void
x400_conn_please(struct x400_conn *c, uint32_t priority)
{
    if (!c->over) {
        check(c, stack_please(&c->stack, priority));
        kick(c);
    }
}

void
x400_conn_give(struct x400_conn *c)
{
    if (!c->over) {
        check(c, rtse_give(stack_rtse(&c->stack)));
        kick(c);
    }
}

void
x400_conn_close(struct x400_conn *c)
{
    c->closing = true;
    if (!c->over && c->tcp == NULL) {
        stop(c, X400_STOPPED, RTSE_ABORT_USER, 0, "closed before it was connected");
    }
    kick(c);
}

void
x400_conn_abort(struct x400_conn *c, unsigned reason)
{
    stop(c, X400_STOPPED, reason, 0, "aborted by us");
}
