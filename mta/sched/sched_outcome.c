/* sched/sched_outcome.c - what the transport says of each recipient of a delivery, made into
 * outcomes.
 *
 * Results are kept until the delivery is over and then recorded together: one record, one notice
 * for all its failed recipients. A crash before that repeats the delivery, as a crash before the
 * record's sync does anyway.
 */
#include "sched/sched_private.h"

#include "core/log.h"

#include <stdio.h>

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

void
session_note_result(struct sched_session *ss, uint32_t index, const struct transport_result *r)
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

/* What waited there when the connector was removed or suspended was routed again; nobody looks at
 * what comes back to it later. */
static bool
goes_elsewhere(const struct destination *d)
{
    return d->connector->removed || (d->connector->suspended && d->alternates);
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
        } else if (reroute || goes_elsewhere(x->ss->dest)) {
            task_route(s, x->again);
        } else {
            task_to_ready(s, x->again, true);
        }
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

void
session_finish(struct sched_session *ss, bool reroute)
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
