/* sched/sched_session.c - a session, from its beginning to its end.
 *
 * One delivery follows the other over it; what became of each recipient is sched_outcome.c's.
 */
#include "sched/sched_private.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_BYTES_MAX                                                                             \
    ((size_t)4 * 1024 * 1024) /* SCHED_RECIPIENTS_MAX replies with all their parts */
#define SPARE_SESSIONS_MAX 64
#define YIELD_AFTER        10 /* deliveries, then a lone session makes room for a waiting destination */

/* ---- life */

static struct sched_session *
session_new(struct sched *s, struct destination *d)
{
    struct list *l = list_pop_front(&s->spare_sessions);
    struct sched_session *ss;

    if (l != NULL) {
        ss = CONTAINER_OF(l, struct sched_session, link);
        s->spare_count--;
    } else {
        ss = calloc(1, sizeof(*ss));
        if (ss == NULL) {
            return NULL;
        }
        buf_init(&ss->text, TEXT_BYTES_MAX);
    }
    list_init(&ss->link);
    list_init(&ss->idle);
    list_init(&ss->idle_conn);
    list_init(&ss->close_link);
    ss->s = s;
    ss->dest = d;
    ss->ops = d->connector->transport.ops;
    ss->transport = NULL;
    ss->state = SESSION_OPENING;
    ss->opened = ss->opening = ss->aborted = ss->dot = false;
    ss->tried = TRY_NONE;
    ss->ready = NULL;
    ss->finished = 0;
    ss->task = NULL;
    ss->reader = NULL;
    ss->from = 0;
    return ss;
}

void
session_free(struct sched_session *ss)
{
    session_close_content(ss);
    free(ss->addresses);
    free(ss->indexes);
    free(ss->results);
    free(ss->outcomes);
    buf_fini(&ss->text);
    free(ss);
}

static void
session_spare(struct sched *s, struct sched_session *ss)
{
    if (s->spare_count >= SPARE_SESSIONS_MAX) {
        session_free(ss);
        return;
    }
    buf_clear(&ss->text);
    buf_release(&ss->text);
    list_push_back(&s->spare_sessions, &ss->link);
    s->spare_count++;
}

static void
set_idle(struct sched_session *ss)
{
    struct connector *c = ss->dest->connector;

    ss->state = SESSION_IDLE;
    list_push_front(&ss->dest->idle, &ss->idle);
    list_push_front(&c->idle, &ss->idle_conn);
    ss->dest->idle_count++;
    c->idle_count++;
}

static void
leave_idle(struct sched_session *ss)
{
    if (ss->state == SESSION_IDLE) {
        list_remove(&ss->idle);
        list_remove(&ss->idle_conn);
        ss->dest->idle_count--;
        ss->dest->connector->idle_count--;
    }
}

static void
leave_opening(struct sched_session *ss)
{
    if (ss->opening) {
        ss->opening = false;
        ss->dest->opening--;
    }
}

/* ---- a delivery's beginning */

static bool
make_room(struct sched_session *ss, uint32_t count)
{
    uint32_t capacity = MAX(count, 4u);

    if (count <= ss->capacity) {
        return true;
    }
    free(ss->addresses);
    free(ss->indexes);
    free(ss->results);
    free(ss->outcomes);
    ss->addresses = calloc(capacity, sizeof(*ss->addresses));
    ss->indexes = calloc(capacity, sizeof(*ss->indexes));
    ss->results = calloc(capacity, sizeof(*ss->results));
    ss->outcomes = calloc(capacity, sizeof(*ss->outcomes));
    ss->capacity = capacity;
    if (ss->addresses == NULL || ss->indexes == NULL || ss->results == NULL ||
        ss->outcomes == NULL) {
        ss->capacity = 0;
    }
    return ss->capacity > 0;
}

/* RFC 1845: those who are in doubt are asked for by the name of the transaction that left them so,
 * whatever took its turn in between; destination_pick sees to it that they all have the same. */
static struct slice
transid_of(struct sched *s, struct sched_session *ss, const struct queue_message *m, uint32_t first)
{
    uint64_t doubt = task_doubt(m, first);
    int n;

    ss->transaction = doubt != 0 ? doubt : queue_transaction_new(s->env.queue);
    n = snprintf(ss->transid, sizeof(ss->transid), "<%llx.%llx@%s>", (unsigned long long)m->id,
        (unsigned long long)ss->transaction, s->store_uuid);
    return (struct slice){ ss->transid, (size_t)n };
}

/* The next ready task as the session's delivery; false: none, or no memory for one. */
static bool
begin(struct sched *s, struct sched_session *ss)
{
    struct task *t = destination_pick(s, ss->dest, ss);
    const struct queue_message *m;
    uint32_t n = 0;

    if (t == NULL) {
        return false;
    }
    if (!make_room(ss, t->count)) {
        task_leave(s, t);
        task_to_ready(s, t, true);
        destination_nap(s, ss->dest, sched_now(s) + 1000);
        return false;
    }
    m = t->entry->m;
    for (uint32_t i = t->first; i != CHAIN_END; i = task_after(t->entry, i)) {
        ss->addresses[n] = m->recipients[i].address;
        ss->indexes[n] = i;
        ss->results[n] = (struct result){ .known = false };
        n++;
    }
    CHECK(n == t->count);
    ss->delivery = (struct delivery){ .id = m->id,
        .sender = m->sender,
        .body = m->body,
        .size_bytes = m->size_bytes,
        .received_wall_ms = m->received_wall_ms,
        .rerouted = destination_is_alternate(s, ss->dest, m, ss->indexes, n),
        .recipient_count = n,
        .recipients = ss->addresses,
        .transid = transid_of(s, ss, m, t->first) };
    ss->task = t;
    ss->dot = ss->ours = false;
    ss->tried = TRY_NONE;
    return true;
}

bool
session_open(struct sched *s, struct destination *d)
{
    struct connector *c = d->connector;
    struct sched_session *ss = session_new(s, d);
    int rc;

    if (ss == NULL) {
        destination_nap(s, d, sched_now(s) + 1000);
        return false;
    }
    if (!begin(s, ss)) {
        session_spare(s, ss);
        return false;
    }
    rc = c->transport.ops->open(c->transport.ctx, (struct slice){ d->name, d->name_bytes }, ss,
        &ss->delivery, &ss->transport);
    if (rc < 0) {
        struct task *t = ss->task;

        task_leave(s, t);
        task_to_ready(s, t, true);
        session_spare(s, ss);
        destination_nap(s, d, sched_now(s) + 1000);
        return false;
    }
    list_push_back(&s->sessions, &ss->link);
    s->session_count++;
    ss->opening = true;
    ss->probe = d->down;
    d->opening++;
    d->sessions++;
    c->sessions++;
    return true;
}

bool
session_work(struct sched *s, struct sched_session *ss)
{
    if (!begin(s, ss)) {
        return false;
    }
    leave_idle(ss);
    ss->state = SESSION_BUSY;
    ss->ops->work(ss->transport, &ss->delivery);
    return true;
}

/* ---- the attempt's record */

static void
session_on_try(void *ctx, int status)
{
    struct sched_session *ss = ctx;
    transport_ready_fn *ready = ss->ready;

    ss->tried = status == 0 ? TRY_DURABLE : TRY_NONE; /* <0: asking again says why */
    ss->ready = NULL;
    if (ready != NULL) {
        ready(ss->ready_ctx);
    }
}

/* 0 when it is durable; BH_EBUSY: on its way, ready is called then. */
static int
try_durable(struct sched_session *ss, transport_ready_fn *ready, void *ctx)
{
    if (ss->tried == TRY_NONE) {
        int rc = queue_attempt(ss->s->env.queue, ss->task->entry->m, ss->indexes,
            ss->delivery.recipient_count, ATTEMPT_TRANSFER, ss->transaction, session_on_try, ss);

        if (rc < 0) {
            return rc;
        }
        ss->tried = TRY_QUEUED;
    }
    if (ss->tried == TRY_DURABLE) {
        return 0;
    }
    ss->ready = ready;
    ss->ready_ctx = ctx;
    return BH_EBUSY;
}

void
session_forget_try(struct sched_session *ss)
{
    if (ss->tried == TRY_QUEUED) {
        queue_forget(ss->s->env.queue, session_on_try, ss);
        ss->ready = NULL;
    }
}

/* ---- transport_up */

/* Nothing may go out, or on. */
static bool
up_stopped(const struct sched_session *ss)
{
    return ss->task == NULL || ss->s->run == SCHED_STOPPED || ss->s->broken;
}

/* The record is only begun here: it has until the dot, but for a while after a crash. */
static int
up_begin(struct sched_session *ss, transport_ready_fn *ready, void *ctx)
{
    int rc;

    if (up_stopped(ss)) {
        ss->ours = true;
        return BH_EQUORUM;
    }
    rc = try_durable(ss, ready, ctx);
    if (rc == BH_EBUSY && sched_careful(ss->s)) {
        return rc;
    }
    if (rc == BH_EBUSY) {
        ss->ready = NULL;
    }
    ss->ours = rc < 0 && rc != BH_EBUSY && rc != -ENOMEM;
    return ss->ours ? rc : 0;
}

static int
up_attempted(struct sched_session *ss, transport_ready_fn *ready, void *ctx)
{
    return up_stopped(ss) ? BH_EQUORUM : try_durable(ss, ready, ctx);
}

static int
up_dot(struct sched_session *ss, transport_ready_fn *ready, void *ctx)
{
    int rc;

    if (up_stopped(ss)) {
        ss->ours = true;
        return BH_EQUORUM;
    }
    rc = try_durable(ss, ready, ctx); /* I14 */
    if (rc == BH_EBUSY) {
        return rc;
    }
    rc = rc < 0 ? rc : queue_lease_check(ss->s->env.queue);
    ss->ours = rc < 0;
    ss->dot = ss->dot || rc == 0;
    return rc;
}

static void
up_recipient(struct sched_session *ss, uint32_t index, const struct transport_result *r)
{
    if (ss->task == NULL) {
        return; /* aborted: the recipient is elsewhere already */
    }
    CHECK(index < ss->delivery.recipient_count);
    if (!ss->results[index].known) {
        session_note_result(ss, index, r);
    }
}

/* Go on with this session, or let it end? */
static bool
keep_going(const struct sched *s, const struct sched_session *ss)
{
    const struct destination *d = ss->dest;
    const struct connector *c = d->connector;

    if (s->draining || c->suspended || c->removed || d->sessions > c->concurrency) {
        return false;
    }
    /* The connector's sessions are all taken and another destination waits for one. */
    return list_empty(&c->waiting) || (d->sessions == 1 && ss->finished % YIELD_AFTER != 0);
}

static const struct delivery *
up_done(struct sched_session *ss)
{
    static const struct transport_result unknown = { .kind = OUTCOME_DEFERRED,
        .status = SLICE_LIT("4.3.0"),
        .reply = SLICE_LIT("the delivery ended without a result") };
    struct sched *s = ss->s;
    const struct delivery *next = NULL;

    sched_enter(s);
    if (ss->task != NULL) {
        for (uint32_t i = 0; i < ss->delivery.recipient_count; i++) {
            if (!ss->results[i].known) {
                session_note_result(ss, i, &unknown);
            }
        }
        session_finish(ss, false);
        ss->finished++;
        destination_proved(s, ss->dest);
        if (!keep_going(s, ss)) {
            set_idle(ss);
            session_close_later(s, ss);
        } else if (sched_may_begin(s) && begin(s, ss)) {
            next = &ss->delivery;
        } else {
            set_idle(ss);
            if (!list_empty(&ss->dest->connector->waiting)) {
                session_close_later(s, ss); /* its place is wanted elsewhere */
            }
        }
    }
    sched_leave(s);
    return next;
}

static void
up_opened(struct sched_session *ss)
{
    struct sched *s = ss->s;

    sched_enter(s);
    leave_opening(ss);
    if (!ss->aborted) {
        ss->opened = true;
        ss->state = SESSION_BUSY;
        destination_reached(s, ss->dest);
    }
    sched_leave(s);
}

static bool
has_results(const struct sched_session *ss)
{
    for (uint32_t i = 0; i < ss->delivery.recipient_count; i++) {
        if (ss->results[i].known) {
            return true;
        }
    }
    return false;
}

static void
finish_with(struct sched_session *ss, const struct transport_result *r)
{
    for (uint32_t i = 0; i < ss->delivery.recipient_count; i++) {
        if (!ss->results[i].known) {
            session_note_result(ss, i, r);
        }
    }
    session_finish(ss, false);
}

/* Nothing of the operator's or of the clock's wants an outcome now. */
static bool
may_go_back(const struct sched_session *ss)
{
    const struct entry *e = ss->task->entry;

    return e->fate == FATE_NONE && sched_now(ss->s) < sched_expiry(ss->s, e->m);
}

/* A session that could not be opened ended with its first delivery. */
static void
closed_unopened(struct sched_session *ss, const struct transport_result *r)
{
    struct sched *s = ss->s;
    struct destination *d = ss->dest;

    destination_note_error(s, d, r->reply);
    if (r->kind == OUTCOME_FAILED) {
        finish_with(ss, r); /* of this address for good, not a state of the host */
        return;
    }
    /* Others are open, or for a reason of ours one that opens is to be the only one. */
    if (d->sessions > d->opening + 1 || (r->untried && d->sessions > 1)) {
        destination_crowded(s, d);
        if (may_go_back(ss)) {
            session_finish(ss, false);
            return;
        }
    } else {
        if (!d->down || ss->probe) { /* several at a time that fail are one failure */
            d->unopened += !r->untried;
            destination_failed(s, d, r);
        }
        if (may_go_back(ss) && destination_choose(s, ss->task->entry->m, ss->indexes[0], d) != d) {
            session_finish(ss, true);
            return;
        }
    }
    finish_with(ss, r);
}

/* An open session ended with a delivery under way. */
static void
closed_busy(struct sched_session *ss, const struct transport_result *r)
{
    struct sched *s = ss->s;
    struct destination *d = ss->dest;
    bool untouched = !has_results(ss) && !ss->dot && r->in_doubt == 0 && r->kind != OUTCOME_FAILED;

    destination_note_error(s, d, r->reply);
    if (untouched && ss->finished > 0 && !ss->task->requeued && may_go_back(ss)) {
        /* It was idle, and the peer had left: once more, over a new one. */
        session_finish(ss, false);
        return;
    }
    if (!ss->ours && ss->finished == 0 && ++d->lost >= LOST_IN_A_ROW) {
        destination_failed(s, d, r);
    }
    finish_with(ss, r);
}

static void
up_closed(struct sched_session *ss, const struct transport_result *result)
{
    static const struct transport_result lost = { .kind = OUTCOME_DEFERRED,
        .status = SLICE_LIT("4.4.2"),
        .reply = SLICE_LIT("the session ended") };
    struct sched *s = ss->s;
    struct destination *d = ss->dest;
    struct connector *c = d->connector;
    struct transport_result r = result != NULL ? *result : lost;

    if (r.kind != OUTCOME_FAILED) {
        r.kind = OUTCOME_DEFERRED; /* a session that ended well still delivers nothing */
    }
    sched_enter(s);
    leave_opening(ss);
    leave_idle(ss);
    list_remove(&ss->close_link);
    list_remove(&ss->link);
    if (ss->task != NULL && ss->opened) {
        closed_busy(ss, &r);
    } else if (ss->task != NULL) {
        closed_unopened(ss, &r);
    }
    s->session_count--;
    c->sessions--;
    d->sessions--;
    connector_slot_free(s, c);
    destination_wake(s, d);
    session_spare(s, ss);
    destination_check_unused(s, d); /* may free both */
    sched_leave(s);
}

const struct transport_up *
sched_transport_up(void)
{
    static const struct transport_up up = { up_begin, up_attempted, session_content, session_seek,
        up_dot, up_recipient, up_done, up_opened, up_closed };

    return &up;
}

/* ---- ending sessions ourselves */

void
session_close_later(struct sched *s, struct sched_session *ss)
{
    if (ss->state == SESSION_IDLE) {
        leave_idle(ss);
        ss->state = SESSION_CLOSING;
        list_push_back(&s->closing, &ss->close_link);
    }
}

void
session_close_marked(struct sched *s)
{
    for (struct list *l = list_pop_front(&s->closing); l != NULL; l = list_pop_front(&s->closing)) {
        struct sched_session *ss = CONTAINER_OF(l, struct sched_session, close_link);

        ss->ops->close(ss->transport, false);
    }
}

void
session_break_off(struct sched *s, struct sched_session *ss)
{
    static const struct transport_result cut = { .kind = OUTCOME_DEFERRED,
        .status = SLICE_LIT("4.4.2"),
        .reply = SLICE_LIT("the delivery was cut short after its final dot"),
        .in_doubt = 1 };

    (void)s;
    if (ss->aborted) {
        return;
    }
    leave_idle(ss);
    list_remove(&ss->close_link);
    ss->aborted = true;
    ss->state = SESSION_CLOSING;
    ss->ops->close(ss->transport, true);
    if (ss->task == NULL) {
        return;
    }
    if (ss->dot || ss->task->entry->fate != FATE_NONE) {
        finish_with(ss, &cut);
    } else {
        session_finish(ss, false);
    }
}
