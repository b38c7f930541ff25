/* sched/sched.c - the tick, the queue's hooks, run state, beginning and end. */
#include "sched/sched_private.h"

#include "core/log.h"

#include <stdlib.h>

#define TASKS_KEPT_BACK 256
#define RECORD_AGAIN_MS 50 /* a batch of the journal goes out every few ms, or its disk stalls */

static void wake_all(struct sched *s);

/* ---- small things the other files use */

uint64_t
sched_now(const struct sched *s)
{
    return s->env.wall_ms(s->env.ctx);
}

bool
sched_may_begin(const struct sched *s)
{
    return s->run == SCHED_RUNNING && !s->draining && !s->broken && list_empty(&s->unrecorded);
}

void
sched_broken(struct sched *s, int rc)
{
    if (!s->broken) {
        s->broken = true;
        log_event(EV_SCHED_BROKEN, LF_ERR("error", rc));
    }
}

/* ---- recording */

/* Outcomes that the journal had no room in memory for (its disk stalls), kept until it has. Their
 * message stays: at least one of its recipients is live for the queue. */
struct unrecorded {
    struct list link;
    struct queue_message *m;
    uint32_t count;
    struct queue_outcome outcomes[]; /* then the replies' text */
};

static bool
keep_unrecorded(
    struct sched *s, struct queue_message *m, const struct queue_outcome *outcomes, uint32_t count)
{
    size_t bytes = sizeof(struct unrecorded) + count * sizeof(*outcomes);
    struct unrecorded *u;
    char *text;

    for (uint32_t i = 0; i < count; i++) {
        bytes += outcomes[i].reply.n;
    }
    u = malloc(bytes);
    if (u == NULL) {
        return false;
    }
    u->m = m;
    u->count = count;
    text = (char *)(u->outcomes + count);
    for (uint32_t i = 0; i < count; i++) {
        u->outcomes[i] = outcomes[i];
        if (outcomes[i].reply.n > 0) {
            memcpy(text, outcomes[i].reply.p, outcomes[i].reply.n);
        }
        u->outcomes[i].reply.p = text;
        text += outcomes[i].reply.n;
    }
    list_push_back(&s->unrecorded, &u->link);
    return true;
}

void
sched_record(
    struct sched *s, struct queue_message *m, const struct queue_outcome *outcomes, uint32_t count)
{
    /* behind what waits already: a message's outcomes keep their order */
    int rc = list_empty(&s->unrecorded) ? queue_record(s->env.queue, m, outcomes, count) : -ENOMEM;

    if (rc == -ENOMEM && keep_unrecorded(s, m, outcomes, count)) {
        return;
    }
    if (rc < 0) {
        sched_broken(s, rc);
    }
}

/* One record may have been cut in two: what is applied already is not said again. */
static int
record_rest(struct sched *s, struct unrecorded *u)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < u->count; i++) {
        if (u->m->recipients[u->outcomes[i].recipient].state == RECIPIENT_QUEUED) {
            u->outcomes[n++] = u->outcomes[i];
        }
    }
    u->count = n;
    return n > 0 ? queue_record(s->env.queue, u->m, u->outcomes, n) : 0;
}

void
sched_record_unrecorded(struct sched *s)
{
    if (list_empty(&s->unrecorded)) {
        return;
    }
    while (!list_empty(&s->unrecorded) && !s->broken) {
        struct unrecorded *u = CONTAINER_OF(s->unrecorded.next, struct unrecorded, link);
        int rc = record_rest(s, u);

        if (rc == -ENOMEM) {
            return;
        }
        list_remove(&u->link);
        free(u);
        if (rc < 0) {
            sched_broken(s, rc);
        }
    }
    wake_all(s); /* nothing was begun meanwhile */
}

/* ---- the timer */

static void
on_timer(void *ctx)
{
    sched_tick(ctx);
}

static void
arm(struct sched *s, uint64_t at_ms)
{
    uint64_t now;

    if (at_ms >= s->timer_at_ms) {
        return;
    }
    now = sched_now(s);
    at_ms = MIN(at_ms, now + TIMER_MAX_MS);
    s->timer_at_ms = at_ms;
    if (s->timer != NULL) {
        loop_timer_start(s->timer, at_ms > now ? at_ms - now : 0);
    } else {
        s->env.set_timer(s->env.ctx, at_ms > now ? at_ms - now : 0);
    }
}

static bool
is_drained(const struct sched *s)
{
    return s->drained != NULL && s->active == 0 && s->notices_active_count == 0 &&
           s->notices_waiting_count == 0 && (list_empty(&s->unrecorded) || s->broken);
}

static bool
notices_can_begin(const struct sched *s)
{
    return s->notices_waiting_count > 0 && s->notices_active_count < NOTICES_ACTIVE_MAX &&
           s->run != SCHED_STOPPED && !s->broken;
}

static void
arm_next(struct sched *s)
{
    const struct heap_node *heads[] = { heap_min(&s->deferred), heap_min(&s->backoffs),
        sched_deadlines_run(s) ? heap_min(&s->deadlines) : NULL };
    uint64_t at_ms = s->orphans && s->run != SCHED_STOPPED ? s->orphans_at_ms : NEVER;

    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        if (heads[i] != NULL) {
            at_ms = MIN(at_ms, heads[i]->key);
        }
    }
    if (!list_empty(&s->wake) || !list_empty(&s->closing) || !list_empty(&s->moving) ||
        is_drained(s) || notices_can_begin(s)) {
        at_ms = 0;
    }
    if (!list_empty(&s->unrecorded) && !s->broken && s->run != SCHED_STOPPED) {
        at_ms = MIN(at_ms, sched_now(s) + RECORD_AGAIN_MS);
    }
    if (at_ms != NEVER) {
        arm(s, at_ms);
    }
}

/* ---- settling */

void
sched_enter(struct sched *s)
{
    s->depth++;
}

void
sched_leave(struct sched *s)
{
    s->depth--;
    arm_next(s);
}

void
sched_settle(struct sched *s)
{
    uint32_t budget = WORK_PER_TICK;

    if (s->depth == 0) {
        s->depth++; /* a queue's or transport's call below may come back here */
        while (budget-- > 0 && !list_empty(&s->wake)) {
            struct list *l = list_pop_front(&s->wake);

            destination_pump(s, CONTAINER_OF(l, struct destination, wake));
        }
        session_close_marked(s);
        s->depth--;
    }
    arm_next(s);
}

/* ---- the tick */

static void
due_tasks(struct sched *s, uint32_t budget)
{
    uint64_t now = sched_now(s);

    while (budget-- > 0) {
        struct heap_node *n = heap_min(&s->deferred);
        struct task *t;

        if (n == NULL || n->key > now) {
            return;
        }
        t = CONTAINER_OF(n, struct task, at.due);
        task_leave(s, t);
        task_route(s, t);
    }
}

static void
due_backoffs(struct sched *s, uint32_t budget)
{
    uint64_t now = sched_now(s);

    while (budget-- > 0) {
        struct heap_node *n = heap_min(&s->backoffs);
        struct destination *d;

        if (n == NULL || n->key > now) {
            return;
        }
        d = CONTAINER_OF(n, struct destination, backoff);
        heap_remove(&s->backoffs, n);
        if (d == s->noroute) {
            destination_move(s, d);
            if (d->tasks > 0) {
                destination_nap(s, d, now + NOROUTE_CHECK_MS);
            }
        } else {
            destination_wake(s, d);
            destination_check_unused(s, d);
        }
    }
}

static void
move_tasks(struct sched *s)
{
    if (!list_empty(&s->moving)) {
        struct destination *d = CONTAINER_OF(s->moving.next, struct destination, moving);

        /* its turn comes again after the others' */
        list_remove(&d->moving);
        list_push_back(&s->moving, &d->moving);
        (void)destination_move_some(s, d, WORK_PER_TICK);
    }
}

/* Messages that sched_add had no memory for. */
static void
find_orphans(struct sched *s)
{
    if (!s->orphans || sched_now(s) < s->orphans_at_ms) {
        return;
    }
    s->orphans = false;
    for (struct queue_message *m = queue_after(s->env.queue, 0); m != NULL && !s->orphans;
         m = queue_after(s->env.queue, m->id)) {
        if (m->sched == NULL) {
            sched_add(s, m);
        }
    }
}

void
sched_tick(struct sched *s)
{
    s->timer_at_ms = NEVER;
    s->depth++;                    /* settle once, at the end */
    if (s->run != SCHED_STOPPED) { /* stopped: the queue may be gone */
        sched_record_unrecorded(s);
        find_orphans(s);
    }
    due_tasks(s, WORK_PER_TICK);
    due_backoffs(s, WORK_PER_TICK);
    move_tasks(s);
    sched_deadlines(s, WORK_PER_TICK);
    notice_pump(s);
    s->depth--;
    sched_settle(s);
    if (is_drained(s)) {
        loop_fn *cb = s->drained;

        s->drained = NULL;
        cb(s->drained_ctx);
    }
}

/* ---- the queue's hooks */

static struct entry *
entry_new(struct sched *s, struct queue_message *m)
{
    struct entry *e = pool_get(&s->entries);
    struct sched_life life = sched_life(s, m);

    if (e == NULL) {
        return NULL;
    }
    *e = (struct entry){
        .m = m, .urgency = (uint8_t)life.urgency, .postponed = life.not_before_wall_ms != 0
    };
    heap_node_init(&e->deadline);
    if (m->live_count > 1) {
        e->chain = malloc(m->recipient_count * sizeof(*e->chain));
        if (e->chain == NULL) {
            pool_put(&s->entries, e);
            return NULL;
        }
    }
    return e;
}

static void
entry_free(struct sched *s, struct entry *e)
{
    heap_remove(&s->deadlines, &e->deadline);
    free(e->chain);
    pool_put(&s->entries, e);
}

static void
log_no_route(const struct sched *s, const struct entry *e)
{
    for (const struct task *t = e->tasks; t != NULL; t = t->next) {
        if (t->dest == s->noroute) {
            log_event(EV_ROUTE_NONE, LF_ID("id", e->m->id),
                LF_SLICE("rcpt", e->m->recipients[t->first].address),
                LF_UINT("recipients", t->count));
        }
    }
}

void
sched_add(struct sched *s, struct queue_message *m)
{
    struct entry *e;
    struct task *t;

    if (m->live_count == 0 || m->sched != NULL) {
        return;
    }
    e = entry_new(s, m);
    t = e != NULL ? task_new(s, e) : NULL;
    if (t == NULL) {
        if (e != NULL) {
            entry_free(s, e);
        }
        s->orphans = true; /* it is safe in the queue; found again in a minute */
        s->orphans_at_ms = sched_now(s) + RETRY_SOON_MS;
        arm_next(s);
        return;
    }
    m->sched = e;
    for (uint32_t i = 0; i < m->recipient_count; i++) { /* routing turns the order once more */
        if (m->recipients[i].state == RECIPIENT_QUEUED) {
            task_push(t, i);
        }
    }
    CHECK(t->count == m->live_count);
    task_route(s, t);
    log_no_route(s, e);
    sched_set_deadline(s, e, 0);
    sched_settle(s);
}

void
sched_remove(struct sched *s, struct queue_message *m)
{
    struct entry *e = m->sched;

    if (e == NULL) {
        return;
    }
    while (e->tasks != NULL) {
        struct task *t = e->tasks;

        CHECK(t->state != TASK_RUNNING);
        if (t->state == TASK_NOTICE) {
            notice_free(s, t->at.notice);
        }
        task_leave(s, t);
        task_free(s, t);
    }
    if (e->delay != NULL) {
        notice_free(s, e->delay);
    }
    entry_free(s, e);
    m->sched = NULL;
}

/* ---- run state */

static void
wake_all(struct sched *s)
{
    LIST_FOR(l, &s->all)
    {
        struct connector *c = CONTAINER_OF(l, struct connector, link);

        for (struct map_node *n = map_first(&c->dests); n != NULL; n = map_next(&c->dests, n)) {
            destination_wake(s, CONTAINER_OF(n, struct destination, node));
        }
    }
}

static void
stop_all(struct sched *s)
{
    s->depth++; /* nothing new is begun while things end */
    LIST_FOR_SAFE(l, tmp, &s->sessions)
    {
        session_break_off(s, CONTAINER_OF(l, struct sched_session, link));
    }
    notice_cancel_all(s);
    sched_record_unrecorded(s); /* the last chance */
    s->depth--;
}

void
sched_set_run(struct sched *s, enum sched_run run)
{
    if (run == s->run) {
        return;
    }
    s->run = run;
    if (run == SCHED_STOPPED) {
        stop_all(s);
    } else if (run == SCHED_RUNNING) {
        wake_all(s);
    }
    sched_settle(s);
}

unsigned
sched_active(const struct sched *s)
{
    return s->active;
}

unsigned
sched_sessions(const struct sched *s)
{
    return s->session_count;
}

void
sched_drain(struct sched *s, loop_fn *cb, void *ctx)
{
    s->draining = true;
    s->drained = cb;
    s->drained_ctx = ctx;
    /* A final dot that is out is waited for (the drain's budget bounds it); what has not come so
     * far is cut: it is queued, and nobody should wait for a stranger. */
    s->depth++;
    LIST_FOR_SAFE(l, next, &s->sessions)
    {
        struct sched_session *ss = CONTAINER_OF(l, struct sched_session, link);

        if (ss->state == SESSION_IDLE) {
            session_close_later(s, ss);
        } else if (!ss->dot) {
            session_break_off(s, ss);
        }
    }
    s->depth--;
    sched_settle(s);
}

/* ---- life */

static void
lists_init(struct sched *s)
{
    list_init(&s->all);
    list_init(&s->wake);
    list_init(&s->doubts);
    list_init(&s->moving);
    list_init(&s->closing);
    list_init(&s->sessions);
    list_init(&s->unrecorded);
    list_init(&s->spare_sessions);
    list_init(&s->notices_waiting);
    list_init(&s->notices_active);
    heap_init(&s->deferred);
    heap_init(&s->backoffs);
    heap_init(&s->deadlines);
}

static int
timer_new(struct sched *s)
{
    if (s->env.loop == NULL) {
        return 0;
    }
    s->timer = calloc(1, sizeof(*s->timer));
    if (s->timer == NULL) {
        return -ENOMEM;
    }
    loop_timer_init(s->env.loop, s->timer, on_timer, s);
    return 0;
}

int
sched_new(struct sched **out, const struct sched_options *o, const struct sched_env *env,
    const struct sched_connector *connectors, size_t count)
{
    struct sched *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        return -ENOMEM;
    }
    lists_init(s);
    pool_init(&s->tasks, sizeof(struct task), TASKS_KEPT_BACK);
    pool_init(&s->entries, sizeof(struct entry), 0);
    s->env = *env;
    queue_store_uuid(env->queue, s->store_uuid);
    s->timer_at_ms = NEVER;
    s->run = SCHED_STOPPED;
    s->o = *o;
    s->noroute = destination_new(NULL, SLICE_LIT("no route"));
    if (s->noroute == NULL || timer_new(s) < 0 || sched_reconfigure(s, o, connectors, count) < 0) {
        sched_free(s);
        return -ENOMEM;
    }
    *out = s;
    return 0;
}

static void
free_sessions(struct sched *s)
{
    struct list *l;

    while ((l = list_pop_front(&s->sessions)) != NULL) {
        struct sched_session *ss = CONTAINER_OF(l, struct sched_session, link);

        if (ss->task != NULL) {
            session_forget_try(ss);
            task_leave(s, ss->task);
        }
        session_free(ss);
    }
    while ((l = list_pop_front(&s->spare_sessions)) != NULL) {
        session_free(CONTAINER_OF(l, struct sched_session, link));
    }
}

static void
free_connectors(struct sched *s)
{
    while (!list_empty(&s->all)) {
        struct connector *c = CONTAINER_OF(s->all.next, struct connector, link);
        struct map_node *n;

        while ((n = map_first(&c->dests)) != NULL) {
            destination_free(s, CONTAINER_OF(n, struct destination, node));
        }
        connector_free(c);
    }
}

void
sched_free(struct sched *s)
{
    if (s == NULL) {
        return;
    }
    if (s->timer != NULL) {
        loop_timer_stop(s->timer);
        free(s->timer);
    }
    free_sessions(s);
    for (struct list *l = list_pop_front(&s->unrecorded); l != NULL;
         l = list_pop_front(&s->unrecorded)) {
        free(CONTAINER_OF(l, struct unrecorded, link));
    }
    if (s->connectors != NULL) { /* else it was never used */
        s->run = SCHED_STOPPED;
        for (struct queue_message *m = queue_after(s->env.queue, 0); m != NULL;
             m = queue_after(s->env.queue, m->id)) {
            sched_remove(s, m);
        }
    }
    free_connectors(s);
    if (s->noroute != NULL) {
        destination_free(s, s->noroute);
    }
    heap_fini(&s->deferred);
    heap_fini(&s->backoffs);
    heap_fini(&s->deadlines);
    pool_fini(&s->tasks);
    pool_fini(&s->entries);
    free(s->connectors);
    free(s->hostname);
    free(s);
}
