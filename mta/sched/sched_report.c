/* sched/sched_report.c - infos, why, totals: counters that are kept anyway, never a walk through
 * the queue. */
#include "sched/sched_private.h"

#include "core/ticks.h"

#include <stdio.h>

size_t
sched_connector_count(const struct sched *s)
{
    return s->connector_count;
}

static void
copy_text(char *out, size_t cap, const char *text)
{
    (void)snprintf(out, cap, "%s", text != NULL ? text : "");
}

void
sched_connector_info(const struct sched *s, size_t i, struct sched_connector_info *out)
{
    const struct connector *c = s->connectors[i];

    CHECK(i < s->connector_count);
    *out = (struct sched_connector_info){ .name = c->name,
        .protocol = c->protocol,
        .suspended = c->suspended,
        .down = connector_down(c, sched_now(s)),
        .destinations = (uint32_t)c->dests.count,
        .sessions = c->sessions,
        .idle = c->idle_count,
        .queued = c->tally.ready + c->tally.active + c->tally.deferred,
        .active = c->tally.active,
        .deferred = c->tally.deferred,
        .last_error_wall_ms = c->last_error_ms };
    copy_text(out->last_error, sizeof(out->last_error), c->last_error);
}

static uint64_t
next_try(const struct sched *s, const struct destination *d)
{
    return d->next_try_ms > sched_now(s) ? d->next_try_ms : 0;
}

static struct sched_destination_info
destination_info(const struct sched *s, const struct destination *d)
{
    const struct connector *c = d->connector;
    struct sched_destination_info out = { .connector = c->name,
        .name = d->name,
        .sessions = d->sessions,
        .idle = d->idle_count,
        .limit = MIN(d->window, c->concurrency),
        .ready = d->tally.ready,
        .active = d->tally.active,
        .deferred = d->tally.deferred,
        .down = d->down,
        .failures = d->failures,
        .next_wall_ms = next_try(s, d),
        .last_error_wall_ms = d->last_error_ms };

    copy_text(out.last_error, sizeof(out.last_error), d->last_error);
    return out;
}

void
sched_each_destination(const struct sched *s,
    bool (*each)(void *ctx, const struct sched_destination_info *d), void *ctx)
{
    LIST_FOR(l, &s->all)
    {
        const struct connector *c = CONTAINER_OF(l, struct connector, link);

        for (struct map_node *n = map_first(&c->dests); n != NULL; n = map_next(&c->dests, n)) {
            struct sched_destination_info d =
                destination_info(s, CONTAINER_OF(n, struct destination, node));

            if (!each(ctx, &d)) {
                return;
            }
        }
    }
}

/* ---- why */

static const struct task *
task_of(const struct entry *e, uint32_t recipient)
{
    for (const struct task *t = e->tasks; t != NULL; t = t->next) {
        for (uint32_t i = t->first; i != CHAIN_END; i = task_after(e, i)) {
            if (i == recipient) {
                return t;
            }
        }
    }
    return NULL;
}

static void
why_ready(const struct sched *s, const struct destination *d, struct sched_why *out)
{
    const struct connector *c = d->connector;
    char when[TICKS_RFC3339_CAP];

    if (c->removed || s->broken || s->draining || s->run != SCHED_RUNNING) {
        (void)snprintf(out->text, sizeof(out->text), "%s",
            c->removed    ? "its connector was removed; it is being routed again"
            : s->broken   ? "nothing is sent: an outcome could not be recorded"
            : s->draining ? "nothing is begun: the instance is draining"
                          : "nothing is begun: deliveries are paused, see bridgehead status");
    } else if (c->suspended) {
        (void)snprintf(out->text, sizeof(out->text),
            "connector %s is suspended; bridgehead connector resume %s", c->name, c->name);
    } else if (d->down && next_try(s, d) > 0) {
        out->next_wall_ms = d->next_try_ms;
        ticks_rfc3339(d->next_try_ms, when);
        (void)snprintf(out->text, sizeof(out->text),
            "destination %s of connector %s is down until %s: %s", d->name, c->name, when,
            d->last_error != NULL ? d->last_error : "it could not be reached");
    } else if (d->down) {
        (void)snprintf(out->text, sizeof(out->text),
            "destination %s of connector %s is down and being asked now: %s", d->name, c->name,
            d->last_error != NULL ? d->last_error : "it could not be reached");
    } else if (!list_empty(&d->waiting)) {
        (void)snprintf(out->text, sizeof(out->text),
            "all %u sessions of connector %s are taken; %u deliveries wait for destination %s",
            c->limit, c->name, d->ready_tasks, d->name);
    } else {
        (void)snprintf(out->text, sizeof(out->text),
            "waits for one of %u sessions (limit %u) to destination %s of connector %s; %u "
            "deliveries wait there",
            d->sessions, MIN(d->window, c->concurrency), d->name, c->name, d->ready_tasks);
    }
}

static void
why_deferred(const struct sched *s, const struct queue_recipient *r, const struct task *t,
    struct sched_why *out)
{
    char when[TICKS_RFC3339_CAP];
    int last = (int)MIN(r->last_reply.n, (size_t)300);

    out->next_wall_ms = t->at.due.key;
    ticks_rfc3339(t->at.due.key, when);
    if (t->at.due.key == task_not_before(s, t)) {
        (void)snprintf(out->text, sizeof(out->text), "its deferred delivery time is %s", when);
    } else if (last == 0) {
        (void)snprintf(out->text, sizeof(out->text), "next try at %s", when);
    } else {
        (void)snprintf(
            out->text, sizeof(out->text), "next try at %s after %.*s", when, last, r->last_reply.p);
    }
}

static void
why_held(const struct queue_message *m, const struct queue_recipient *r, struct sched_why *out)
{
    if (m->held == HOLD_POISON) {
        (void)snprintf(out->text, sizeof(out->text),
            "held: the server crashed %u times in a row with this message in hand; bridgehead "
            "queue export it for a report, then queue remove or queue release",
            (unsigned)m->crashes);
    } else if (m->held != HOLD_NO) {
        copy_text(out->text, sizeof(out->text), "held; bridgehead queue release");
    } else {
        (void)snprintf(out->text, sizeof(out->text),
            "may have been delivered, and its connector holds what is in doubt: ask the next hop, "
            "then bridgehead queue release, retry or remove; %.*s",
            SLICE_FMT(slice_sub(r->last_reply, 0, 250)));
    }
}

static void
why_task(const struct sched *s, const struct queue_recipient *r, const struct task *t,
    struct sched_why *out)
{
    if (t->dest != NULL && t->dest->connector != NULL) {
        out->connector = t->dest->connector->name;
        copy_text(out->destination, sizeof(out->destination), t->dest->name);
    }
    switch ((enum task_state)t->state) {
    case TASK_READY:
        if (t->dest == s->noroute) {
            copy_text(out->text, sizeof(out->text),
                "no route matches; add a route for its domain, or one with to = \"*\", and reload");
        } else {
            why_ready(s, t->dest, out);
        }
        break;
    case TASK_RUNNING:
        (void)snprintf(out->text, sizeof(out->text), "%s destination %s of connector %s now",
            t->at.session->opened ? "is being delivered to" : "a session is being opened to",
            t->dest->name, t->dest->connector->name);
        break;
    case TASK_DEFERRED:
        why_deferred(s, r, t, out);
        break;
    case TASK_HELD:
        why_held(t->entry->m, r, out);
        break;
    case TASK_NOTICE:
        copy_text(
            out->text, sizeof(out->text), "failed; the notice to its sender is being written");
        break;
    case TASK_NONE:
        break;
    }
}

void
sched_why(
    const struct sched *s, const struct queue_message *m, uint32_t recipient, struct sched_why *out)
{
    static const char *const finals[] = { [RECIPIENT_QUEUED] = "is not scheduled yet",
        [RECIPIENT_DELIVERED] = "was delivered",
        [RECIPIENT_FAILED] = "failed",
        [RECIPIENT_EXPANDED] = "was passed on to other addresses",
        [RECIPIENT_REMOVED] = "was removed by an operator" };
    const struct queue_recipient *r = &m->recipients[recipient];
    const struct task *t;

    CHECK(recipient < m->recipient_count);
    *out = (struct sched_why){ .connector = NULL };
    t = m->sched != NULL ? task_of(m->sched, recipient) : NULL;
    if (r->state == RECIPIENT_FAILED && r->last_reply.n > 0) {
        (void)snprintf(out->text, sizeof(out->text), "failed: %.*s",
            (int)MIN(r->last_reply.n, (size_t)400), r->last_reply.p);
    } else if (t == NULL) {
        copy_text(out->text, sizeof(out->text),
            r->state < ARRAY_LEN(finals) ? finals[r->state] : "is in an unknown state");
    } else {
        why_task(s, r, t, out);
    }
}

void
sched_totals(const struct sched *s, struct sched_totals *out)
{
    uint64_t now = sched_now(s);

    *out = (struct sched_totals){ .active = s->tally.active,
        .deferred = s->tally.deferred,
        .ready = s->tally.ready,
        .delivered = s->delivered,
        .failed = s->failed,
        .deferrals = s->deferrals,
        .first_delivered_wall_ms = s->first_delivered_ms };
    for (size_t i = 0; i < s->connector_count; i++) {
        out->connectors_down += connector_down(s->connectors[i], now);
    }
}
