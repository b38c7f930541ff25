/* sched/sched_operator.c - what an operator asks for, and reload. */
#include "sched/sched_private.h"

#include "core/log.h"

#include <stdlib.h>

static int
result(const struct sched *s)
{
    return s->broken ? -EIO : 0;
}

/* ---- connectors */

static void
close_idle(struct sched *s, struct connector *c)
{
    LIST_FOR_SAFE(l, tmp, &c->idle)
    {
        session_close_later(s, CONTAINER_OF(l, struct sched_session, idle_conn));
    }
}

/* What waits there is looked at again: by the routes that hold now, and for sessions. */
static void
reconsider(struct sched *s, struct connector *c, bool all)
{
    for (struct map_node *n = map_first(&c->dests); n != NULL; n = map_next(&c->dests, n)) {
        struct destination *d = CONTAINER_OF(n, struct destination, node);

        if (all || d->alternates) {
            destination_move(s, d);
        }
        destination_wake(s, d);
    }
}

int
sched_connector_suspend(struct sched *s, struct slice name, bool suspended)
{
    for (size_t i = 0; i < s->connector_count; i++) {
        struct connector *c = s->connectors[i];

        if (!slice_eq(slice_of(c->name), name)) {
            continue;
        }
        if (c->suspended != suspended) {
            c->suspended = suspended;
            if (suspended) {
                log_event(EV_CONNECTOR_SUSPENDED, LF_STR("connector", c->name),
                    LF_UINT("waiting", c->tally.ready));
                close_idle(s, c);
            } else {
                log_event(EV_CONNECTOR_RESUMED, LF_STR("connector", c->name),
                    LF_UINT("waiting", c->tally.ready));
            }
            reconsider(s, c, false);
            sched_settle(s);
        }
        return 0;
    }
    return BH_ENOTFOUND;
}

void
sched_connector_reached(struct sched *s, struct slice name)
{
    for (size_t i = 0; i < s->connector_count; i++) {
        struct connector *c = s->connectors[i];

        if (!slice_eq(slice_of(c->name), name)) {
            continue;
        }
        for (struct map_node *n = map_first(&c->dests); n != NULL; n = map_next(&c->dests, n)) {
            struct destination *d = CONTAINER_OF(n, struct destination, node);

            d->next_try_ms = 0;
            heap_remove(&s->backoffs, &d->backoff);
            destination_wake(s, d);
        }
        sched_settle(s);
        return;
    }
}

/* ---- messages */

int
sched_retry(struct sched *s, struct queue_message *m)
{
    struct entry *e = m->sched;
    struct task *next;
    int rc;

    if (e == NULL) {
        return BH_ENOTFOUND;
    }
    if (m->held) {
        return BH_ESTATE;
    }
    rc = sched_settle_doubts(s, e);
    rc = rc < 0 ? rc : queue_set_next(s->env.queue, m, sched_now(s));
    if (rc < 0) {
        return rc;
    }
    s->depth++; /* begin nothing before all are in front */
    for (struct task *t = e->tasks; t != NULL; t = next) {
        next = t->next; /* new ones come at the head, ready already */
        if (t->state == TASK_DEFERRED || t->state == TASK_HELD) {
            task_leave(s, t);
            task_route(s, t);
        }
    }
    for (struct task *t = e->tasks; t != NULL; t = t->next) {
        if (t->state == TASK_READY && t->dest != s->noroute) {
            task_leave(s, t);
            t->dest->next_try_ms = 0;
            heap_remove(&s->backoffs, &t->dest->backoff);
            task_to_ready(s, t, true);
        }
    }
    s->depth--;
    sched_settle(s);
    return result(s);
}

int
sched_hold(struct sched *s, struct queue_message *m, bool held)
{
    struct entry *e = m->sched;
    struct task *next;
    int rc = queue_set_held(s->env.queue, m, held ? HOLD_OPERATOR : HOLD_NO);

    rc = rc < 0 || e == NULL || held ? rc : sched_settle_doubts(s, e);
    if (rc < 0 || e == NULL) {
        return rc;
    }
    for (struct task *t = e->tasks; t != NULL; t = next) {
        next = t->next;
        if (held && task_waits(t)) {
            task_leave(s, t);
            task_to_held(s, t);
        } else if (!held && t->state == TASK_HELD) {
            task_leave(s, t);
            task_route(s, t);
        }
    }
    sched_set_deadline(s, e, 0);
    sched_settle(s);
    return result(s);
}

int
sched_bounce(struct sched *s, struct queue_message *m)
{
    struct entry *e = m->sched;

    if (e == NULL) {
        return BH_ENOTFOUND;
    }
    e->fate = FATE_BOUNCE; /* of what is in sessions now */
    if (!sched_fail_waiting(s, e, "5.0.0", "bounced by the operator", false)) {
        return -ENOMEM;
    }
    sched_settle(s);
    return result(s);
}

/* The recipients that are in no session, as outcomes; their tasks end. */
static uint32_t
drop_waiting(struct sched *s, struct entry *e, struct queue_outcome *out)
{
    struct task *next;
    uint32_t n = 0;

    for (struct task *t = e->tasks; t != NULL; t = next) {
        next = t->next;
        if (t->state == TASK_RUNNING) {
            continue;
        }
        for (uint32_t i = t->first; i != CHAIN_END; i = task_after(e, i)) {
            out[n++] = (struct queue_outcome){ .recipient = i, .kind = OUTCOME_REMOVED };
            log_event(
                EV_REMOVED, LF_ID("id", e->m->id), LF_SLICE("rcpt", e->m->recipients[i].address));
        }
        if (t->state == TASK_NOTICE) {
            notice_free(s, t->at.notice);
        }
        task_leave(s, t);
        task_free(s, t);
    }
    return n;
}

int
sched_drop(struct sched *s, struct queue_message *m)
{
    struct entry *e = m->sched;
    struct queue_outcome *out;
    uint32_t running = 0, n;

    if (e == NULL) {
        return BH_ENOTFOUND;
    }
    out = calloc(m->recipient_count, sizeof(*out));
    if (out == NULL) {
        return -ENOMEM;
    }
    e->fate = FATE_DROP;
    for (const struct task *t = e->tasks; t != NULL; t = t->next) {
        running += t->state == TASK_RUNNING;
    }
    s->depth++;
    n = drop_waiting(s, e, out);
    if (n > 0) {
        sched_record(s, m, out, n); /* with none running the message is gone now */
    }
    for (; running > 0; running--) { /* each ends one; the message goes with the last */
        struct task *t = e->tasks;

        while (t->state != TASK_RUNNING) {
            t = t->next;
        }
        session_break_off(s, t->at.session);
    }
    s->depth--;
    free(out);
    sched_settle(s);
    return result(s);
}

/* ---- reload */

static struct connector *
kept(const struct sched *s, const struct sched_connector *o)
{
    for (size_t i = 0; i < s->connector_count; i++) {
        struct connector *c = s->connectors[i];

        if (strcmp(c->name, o->name) == 0 && strcmp(c->protocol, o->protocol) == 0 &&
            c->per_domain == o->per_domain) {
            return c;
        }
    }
    return NULL;
}

/* The new list: what is kept, and new ones not yet in s->all. */
static struct connector **
connectors_new(struct sched *s, const struct sched_connector *o, size_t count)
{
    struct connector **list = calloc(count + 1, sizeof(struct connector *));

    for (size_t i = 0; list != NULL && i < count; i++) {
        list[i] = kept(s, &o[i]);
        if (list[i] == NULL) {
            list[i] = connector_new(s, &o[i]);
        }
        if (list[i] == NULL) {
            sched_connectors_undo(s, list, i);
            return NULL;
        }
    }
    return list;
}

void
sched_connectors_undo(struct sched *s, struct connector **list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (list_empty(&list[i]->link)) { /* not in s->all: new */
            if (list[i]->only != NULL) {
                destination_free(s, list[i]->only);
            }
            connector_free(list[i]);
        }
    }
    free(list);
}

static void
remove_connector(struct sched *s, struct connector *c)
{
    struct map_node *n = map_first(&c->dests);

    c->removed = true;
    c->suspended = true;
    close_idle(s, c);
    reconsider(s, c, true);
    if (n == NULL) {
        connector_free(c);
        return;
    }
    while (n != NULL) {
        struct map_node *next = map_next(&c->dests, n);

        destination_check_unused(
            s, CONTAINER_OF(n, struct destination, node)); /* the last: c too */
        n = next;
    }
}

static void
reset_deadlines(struct sched *s)
{
    struct heap old = s->deadlines;

    heap_init(&s->deadlines);
    for (uint32_t i = 0; i < old.count; i++) {
        struct entry *e = CONTAINER_OF(old.nodes[i], struct entry, deadline);

        heap_node_init(&e->deadline);
        sched_set_deadline(s, e, 0);
    }
    heap_fini(&old);
}

int
sched_reconfigure(struct sched *s, const struct sched_options *o,
    const struct sched_connector *connectors, size_t count)
{
    struct connector **list = connectors_new(s, connectors, count);
    struct connector **old = s->connectors;
    size_t old_count = s->connector_count;
    char *hostname = slice_dup(slice_of(o->hostname));
    bool times = o->expire_ms != s->o.expire_ms || o->warn_after_ms != s->o.warn_after_ms;

    if (list == NULL || hostname == NULL) {
        if (list != NULL) {
            sched_connectors_undo(s, list, count);
        }
        free(hostname);
        return -ENOMEM;
    }
    free(s->hostname);
    s->hostname = hostname;
    s->o = *o;
    s->o.hostname = hostname;
    s->connectors = list;
    s->connector_count = count;
    for (size_t i = 0; i < count; i++) {
        connector_set(list[i], &connectors[i]);
        if (list_empty(&list[i]->link)) {
            list_push_back(&s->all, &list[i]->link);
        }
        list[i]->keep = true;
    }
    s->depth++;
    for (size_t i = 0; i < old_count; i++) {
        if (!old[i]->keep) {
            remove_connector(s, old[i]);
        }
    }
    free(old);
    for (size_t i = 0; i < count; i++) {
        list[i]->keep = false;
        reconsider(s, list[i], true);
    }
    destination_move(s, s->noroute);
    sched_route_doubts(s);
    if (times) {
        reset_deadlines(s);
    }
    s->depth--;
    sched_settle(s);
    return 0;
}
