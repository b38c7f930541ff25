/* sched/sched_session.c - one session's delivery: what the transport says, made into outcomes.
 *
 * Results are kept until the delivery is over and then recorded together: one record, one notice
 * for all its failed recipients. A crash before that repeats the delivery, as a crash before the
 * record's sync does anyway.
 */
#include "sched/sched_private.h"

#include "core/log.h"

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

/* Whoever gets no outcome now, and whose dot was not sent or was answered, is in nobody's hand any
 * more. Takes ss->indexes. What finds no memory is over-reported after a crash. */
static void
withdraw(struct sched_session *ss, struct queue_message *m)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < ss->delivery.recipient_count; i++) {
        const struct result *r = &ss->results[i];

        if (!r->known || (r->kind == OUTCOME_FAILED && !r->in_doubt)) {
            ss->indexes[n++] = ss->indexes[i];
        }
    }
    if (n > 0 && queue_withdraw(ss->s->env.queue, m, ss->indexes, n) < 0) {
        return;
    }
}

/* ---- results */

static struct slice
text_at(const struct sched_session *ss, struct span sp)
{
    return slice_sub(buf_slice(&ss->text), sp.at, sp.n);
}

/* Keep a copy; no memory: empty. */
static struct span
keep(struct sched_session *ss, struct slice s)
{
    struct span sp = { (uint32_t)buf_len(&ss->text), (uint32_t)MIN(s.n, (size_t)REPLY_BYTES_MAX) };

    if (buf_append(&ss->text, slice_sub(s, 0, sp.n)) < 0) {
        sp.n = 0;
    }
    return sp;
}

/* "450 4.2.1 text", without saying twice what the text says itself. */
static struct span
keep_reply(struct sched_session *ss, int code, struct slice status, struct slice text)
{
    char head[32];
    int n = code > 0 ? snprintf(head, sizeof(head), "%d ", code) : 0;
    uint32_t at = (uint32_t)buf_len(&ss->text);
    struct slice parts[3] = { { head, (size_t)n }, status, slice_sub(text, 0, REPLY_BYTES_MAX) };

    if (n > 0 && slice_starts(text, (struct slice){ head, (size_t)n })) {
        parts[2] = slice_skip(parts[2], (size_t)n);
    }
    if (slice_starts(parts[2], status)) {
        parts[1] = SLICE_NONE;
    }
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if ((i == 2 && parts[1].n > 0 && buf_append(&ss->text, SLICE_LIT(" ")) < 0) ||
            buf_append(&ss->text, parts[i]) < 0) {
            break;
        }
    }
    return (struct span){ at, (uint32_t)buf_len(&ss->text) - at };
}

static void
note_result(struct sched_session *ss, uint32_t index, const struct transport_result *r)
{
    struct result *to = &ss->results[index];

    destination_resumable(ss->s, ss->dest, r->resume_ms);
    *to = (struct result){ .known = true,
        .kind = (uint8_t)(r->kind == OUTCOME_REMOVED ? OUTCOME_DEFERRED : r->kind),
        .code = (uint16_t)r->code,
        .in_doubt = r->in_doubt != 0,
        .soon = r->in_doubt != 0 && r->can_ask,
        .answered = r->answered,
        .untried = r->untried || (!ss->opened && ss->dest->connector->open_interval_ms != 0),
        .resume_ms = r->resume_ms };
    if (r->kind == OUTCOME_DELIVERED || r->kind == OUTCOME_EXPANDED) {
        log_event(EV_DELIVERED, LF_ID("id", ss->delivery.id),
            LF_SLICE("rcpt", ss->addresses[index]), LF_STR("connector", ss->dest->connector->name),
            LF_SLICE("remote", r->remote), LF_SLICE("source", r->source), LF_INT("code", r->code),
            LF_SLICE("reply", r->reply),
            LF_MS("delay", sched_now(ss->s) - ss->task->entry->m->received_wall_ms));
        return;
    }
    to->status = keep(ss, r->status);
    to->reply = keep_reply(ss, r->code, r->status, r->reply);
    to->remote = keep(ss, r->remote);
    to->source = keep(ss, r->source);
}

/* Does it wait for the operator from here on? */
static bool
held_in_doubt(
    const struct sched_session *ss, const struct result *r, const struct queue_recipient *rcpt)
{
    return ss->dest->connector->in_doubt_hold && (r->in_doubt || rcpt->in_doubt);
}

/* The sentence before what the last try gave. */
static void
becomes_failed(struct sched_session *ss, struct result *r, const char *status, const char *why)
{
    char text[REPLY_BYTES_MAX];
    struct slice last = text_at(ss, r->reply);
    int n = snprintf(text, sizeof(text), "%s %s; the last try gave: %.*s", status, why,
        (int)MIN(last.n, (size_t)400), last.p);

    r->kind = OUTCOME_FAILED;
    r->code = 0;
    r->status = keep(ss, slice_of(status));
    r->reply = keep(ss, (struct slice){ text, (size_t)n });
}

/* Was it tried as often as it may be? What is in doubt may have arrived: its age ends it. */
static const char *
gave_up(struct sched_session *ss, uint32_t index)
{
    const struct connector *c = ss->dest->connector;
    const struct queue_message *m = ss->task->entry->m;
    const struct queue_recipient *rcpt = &m->recipients[ss->indexes[index]];
    const struct result *r = &ss->results[index];

    if (r->in_doubt || rcpt->in_doubt) {
        return NULL;
    }
    if (!ss->opened && destination_gives_up(ss->s, ss->dest, m, ss->indexes[index])) {
        return "so many attempts in a row to reach the next hop failed";
    }
    return c->transfer_retries > 0 && !r->untried && rcpt->attempts >= c->transfer_retries
               ? "the limit of attempts is reached"
               : NULL;
}

/* When it is tried again. */
static uint64_t
again_ms(const struct sched_session *ss, const struct queue_recipient *rcpt, const struct result *r)
{
    const struct connector *c = ss->dest->connector;
    uint64_t delay_ms = destination_delay_ms(&ss->s->o.retry,
        ss->opened ? c->transfer_interval_ms : c->open_interval_ms, (uint32_t)rcpt->attempts + 1,
        ss->delivery.id, r->resume_ms);

    return r->soon ? MIN(delay_ms, (uint64_t)ASK_SOON_MS) : delay_ms;
}

/* What an undelivered result becomes: too old is a failure, and the operator's word goes first. */
static void
decide(struct sched_session *ss, uint32_t index, uint64_t now)
{
    const struct sched *s = ss->s;
    const struct entry *e = ss->task->entry;
    const struct queue_recipient *rcpt = &e->m->recipients[ss->indexes[index]];
    struct result *r = &ss->results[index];

    if (r->kind != OUTCOME_DEFERRED && r->kind != OUTCOME_FAILED) {
        return;
    }
    if (e->fate == FATE_DROP) {
        r->kind = OUTCOME_REMOVED;
    } else if (r->kind == OUTCOME_DEFERRED && e->fate == FATE_BOUNCE) {
        r->kind = OUTCOME_FAILED;
        r->code = 0;
        r->status = keep(ss, SLICE_LIT("5.0.0"));
        r->reply = keep(ss, SLICE_LIT("5.0.0 bounced by the operator"));
    } else if (r->kind == OUTCOME_DEFERRED && !e->m->held && !held_in_doubt(ss, r, rcpt)) {
        const char *why = gave_up(ss, index);

        if (now >= sched_expiry(s, e->m)) {
            becomes_failed(ss, r, "4.4.7", "delivery time expired");
        } else if (why != NULL) {
            becomes_failed(ss, r, "4.4.1", why);
        }
    }
    if (r->kind == OUTCOME_DEFERRED) {
        r->next_ms = now + again_ms(ss, rcpt, r);
    }
}

/* ---- a delivery's end */

#define GROUPS_MAX 8 /* times of one message's recipients; more join the last */

struct ending { /* of one delivery, while it is sorted */
    struct sched_session *ss;
    struct entry *e;
    struct task *own;   /* the delivery's task, until a group takes it */
    struct task *again; /* goes back without an outcome */
    struct task *told;  /* waits for its notice */
    struct task *doubt; /* waits for the operator, as the connector wants it */
    struct notice *notice;
    struct task *groups[GROUPS_MAX];
    uint64_t due_ms[GROUPS_MAX];
    size_t group_count;
    uint32_t outcomes;
};

static struct task *
ending_task(struct ending *x)
{
    struct task *t = x->own;

    if (t != NULL) {
        x->own = NULL;
        return t;
    }
    t = task_new_reserved(x->ss->s, x->e);
    task_set_dest(x->ss->s, t, x->ss->dest);
    return t;
}

static struct queue_outcome *
ending_outcome(struct ending *x, uint32_t index, enum outcome_kind kind)
{
    struct queue_outcome *o = &x->ss->outcomes[x->outcomes++];

    *o = (struct queue_outcome){ .recipient = x->ss->indexes[index], .kind = kind };
    return o;
}

static void
end_deferred(struct ending *x, uint32_t index, uint64_t due_ms)
{
    struct result *r = &x->ss->results[index];
    struct queue_outcome *o = ending_outcome(x, index, OUTCOME_DEFERRED);
    size_t g = 0;

    while (g < x->group_count && x->due_ms[g] != due_ms) {
        g++;
    }
    if (held_in_doubt(x->ss, r, &x->e->m->recipients[o->recipient])) {
        x->doubt = x->doubt != NULL ? x->doubt : ending_task(x);
        task_push(x->doubt, o->recipient);
        log_event(EV_IN_DOUBT_HELD, LF_ID("id", x->ss->delivery.id),
            LF_SLICE("rcpt", x->ss->addresses[index]));
    } else if (g < x->group_count) {
        task_push(x->groups[g], o->recipient);
    } else {
        if (g < GROUPS_MAX) {
            x->groups[g] = ending_task(x);
            x->due_ms[g] = due_ms;
            x->group_count++;
        } else {
            g--;
            x->due_ms[g] = MAX(x->due_ms[g], due_ms);
        }
        task_push(x->groups[g], o->recipient);
    }
    o->next_wall_ms = due_ms;
    o->reply = text_at(x->ss, r->reply);
    o->in_doubt = r->in_doubt;
    o->answered = r->answered;
    o->untried = r->untried;
    x->ss->s->deferrals++;
    log_event(EV_DEFERRED, LF_ID("id", x->ss->delivery.id),
        LF_SLICE("rcpt", x->ss->addresses[index]),
        LF_STR("connector", x->ss->dest->connector->name),
        LF_SLICE("remote", text_at(x->ss, r->remote)),
        LF_SLICE("source", text_at(x->ss, r->source)), LF_INT("code", r->code),
        LF_SLICE("reply", o->reply), LF_MS("again_in", due_ms - sched_now(x->ss->s)),
        LF_INT("in_doubt", r->in_doubt));
}

/* False: the notice found no memory. */
static bool
end_failed(struct ending *x, uint32_t index)
{
    const struct queue_message *m = x->e->m;
    struct result *r = &x->ss->results[index];
    uint32_t i = x->ss->indexes[index];

    if (notice_wanted(m, &m->recipients[i])) {
        struct notice_failure f = { i, r->code, text_at(x->ss, r->status), text_at(x->ss, r->reply),
            text_at(x->ss, r->remote) };

        if (x->notice == NULL) {
            x->notice = notice_new(x->ss->s, x->e, x->ss->delivery.recipient_count);
        }
        if (x->notice == NULL || notice_add(x->notice, &f) < 0) {
            return false;
        }
        if (x->told == NULL) {
            x->told = ending_task(x);
        }
        task_push(x->told, i);
    } else {
        ending_outcome(x, index, OUTCOME_FAILED)->reply = text_at(x->ss, r->reply);
    }
    x->ss->s->failed++;
    log_event(EV_FAILED, LF_ID("id", m->id), LF_SLICE("rcpt", x->ss->addresses[index]),
        LF_STR("connector", x->ss->dest->connector->name),
        LF_SLICE("remote", text_at(x->ss, r->remote)),
        LF_SLICE("source", text_at(x->ss, r->source)), LF_INT("code", r->code),
        LF_SLICE("reply", text_at(x->ss, r->reply)));
    return true;
}

static void
end_recipient(struct ending *x, uint32_t index, uint64_t now)
{
    struct result *r = &x->ss->results[index];

    if (!r->known) { /* goes back as it was */
        if (x->again == NULL) {
            x->again = ending_task(x);
        }
        task_push(x->again, x->ss->indexes[index]);
        return;
    }
    switch ((enum outcome_kind)r->kind) {
    case OUTCOME_DELIVERED:
    case OUTCOME_EXPANDED:
        (void)ending_outcome(x, index, (enum outcome_kind)r->kind);
        x->ss->s->delivered++;
        if (x->ss->s->first_delivered_ms == 0) {
            x->ss->s->first_delivered_ms = now;
        }
        break;
    case OUTCOME_REMOVED:
        (void)ending_outcome(x, index, OUTCOME_REMOVED);
        log_event(
            EV_REMOVED, LF_ID("id", x->ss->delivery.id), LF_SLICE("rcpt", x->ss->addresses[index]));
        break;
    case OUTCOME_FAILED:
        if (!end_failed(x, index)) {
            end_deferred(x, index, now + RETRY_SOON_MS);
        }
        break;
    case OUTCOME_DEFERRED:
        end_deferred(x, index, r->next_ms);
        break;
    }
}

/* Put the tasks where they belong now; the message is live if any is left. */
static void
ending_settle(struct ending *x, bool reroute)
{
    struct sched *s = x->ss->s;
    bool held = x->e->m->held;

    if (x->own != NULL) {
        task_free(s, x->own);
    }
    for (size_t g = 0; g < x->group_count; g++) {
        if (held) {
            task_to_held(s, x->groups[g]);
        } else {
            task_to_deferred(s, x->groups[g], x->due_ms[g]);
        }
    }
    if (x->doubt != NULL && held) {
        task_to_held(s, x->doubt);
    } else if (x->doubt != NULL) {
        task_to_doubt(s, x->doubt);
    }
    if (x->again != NULL) {
        x->again->requeued = true;
        if (held) {
            task_to_held(s, x->again);
        } else if (reroute) {
            task_route(s, x->again);
        } else {
            task_to_ready(s, x->again, true);
        }
    }
}

/* Recipients without a result go back to their destination's front, or (reroute) by their route. */
static void
finish(struct sched_session *ss, bool reroute)
{
    struct sched *s = ss->s;
    struct task *t = ss->task;
    struct ending x = { .ss = ss, .e = t->entry, .own = t };
    struct queue_message *m = x.e->m;
    uint64_t now = sched_now(s);

    session_close_content(ss);
    for (uint32_t i = 0; i < ss->delivery.recipient_count; i++) {
        if (ss->results[i].known) {
            decide(ss, i, now); /* the last to add to ss->text: slices of it hold from here on */
        }
    }
    ss->task = NULL;
    task_leave(s, t);
    t->first = CHAIN_END;
    t->count = 0;
    t->requeued = false;
    session_forget_try(ss);
    for (uint32_t i = 0; i < ss->delivery.recipient_count; i++) {
        end_recipient(&x, i, now);
    }
    ending_settle(&x, reroute);
    if (x.told != NULL) {
        notice_attach(s, x.notice, x.told); /* live until its notice is queued: m stays */
    } else if (x.notice != NULL) {
        notice_free(s, x.notice);
    }
    if (ss->tried != TRY_NONE && x.outcomes < ss->delivery.recipient_count) { /* so m is live */
        withdraw(ss, m);
    }
    if (x.outcomes > 0) {
        sched_record(s, m, ss->outcomes, x.outcomes);
    }
    if (x.told != NULL) {
        notice_start(s, x.notice);
    }
    buf_clear(&ss->text);
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
        note_result(ss, index, r);
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
                note_result(ss, i, &unknown);
            }
        }
        finish(ss, false);
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
            note_result(ss, i, r);
        }
    }
    finish(ss, false);
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
            finish(ss, false);
            return;
        }
    } else {
        if (!d->down || ss->probe) { /* several at a time that fail are one failure */
            d->unopened += !r->untried;
            destination_failed(s, d, r);
        }
        if (may_go_back(ss) && destination_choose(s, ss->task->entry->m, ss->indexes[0], d) != d) {
            finish(ss, true);
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
        finish(ss, false); /* it was idle, and the peer had left: once more, over a new one */
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
        finish(ss, false);
    }
}
