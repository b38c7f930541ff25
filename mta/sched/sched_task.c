/* sched/sched_task.c - tasks: which recipients of a message, in which state, counted where. */
#include "sched/sched_private.h"

#include "core/log.h"

#include <stdlib.h>

/* ---- memory */

#define SLAB_PIECES 256

void
pool_init(struct pool *p, size_t piece_bytes, size_t kept_back)
{
    CHECK(piece_bytes >= sizeof(void *) && piece_bytes % sizeof(void *) == 0);
    *p = (struct pool){ .piece_bytes = piece_bytes, .kept_back = kept_back };
}

void
pool_fini(struct pool *p)
{
    while (p->slabs != NULL) {
        void *next = *(void **)p->slabs;

        free(p->slabs);
        p->slabs = next;
    }
    p->free = NULL;
}

bool
pool_reserve(struct pool *p, size_t count)
{
    while (p->free_count < count) {
        char *slab = malloc(sizeof(void *) + SLAB_PIECES * p->piece_bytes);

        if (slab == NULL) {
            return false;
        }
        *(void **)(void *)slab = p->slabs;
        p->slabs = slab;
        for (size_t i = SLAB_PIECES; i-- > 0;) {
            pool_put(p, slab + sizeof(void *) + i * p->piece_bytes);
        }
    }
    return true;
}

static void *
take(struct pool *p)
{
    void *piece = p->free;

    p->free = *(void **)piece;
    p->free_count--;
    return piece;
}

void *
pool_get(struct pool *p)
{
    return pool_reserve(p, p->kept_back + 1) ? take(p) : NULL;
}

void *
pool_get_reserved(struct pool *p)
{
    if (!pool_reserve(p, p->kept_back + 1)) {
        /* Each time the reserve is used memory was asked for in vain: after so many times we are
         * ended better than limping on. */
        CHECK(p->free_count > 0);
    }
    return take(p);
}

void
pool_put(struct pool *p, void *piece)
{
    *(void **)piece = p->free;
    p->free = piece;
    p->free_count++;
}

/* ---- tasks */

static struct task *
task_init(struct task *t, struct entry *e)
{
    *t = (struct task){ .entry = e, .next = e->tasks, .first = CHAIN_END, .state = TASK_NONE };
    if (e->tasks != NULL) {
        e->tasks->prev = t;
    }
    e->tasks = t;
    return t;
}

struct task *
task_new(struct sched *s, struct entry *e)
{
    struct task *t = pool_get(&s->tasks);

    return t != NULL ? task_init(t, e) : NULL;
}

struct task *
task_new_reserved(struct sched *s, struct entry *e)
{
    return task_init(pool_get_reserved(&s->tasks), e);
}

void
task_free(struct sched *s, struct task *t)
{
    struct destination *d = t->dest;

    CHECK(t->state == TASK_NONE);
    if (t->prev != NULL) {
        t->prev->next = t->next;
    } else {
        t->entry->tasks = t->next;
    }
    if (t->next != NULL) {
        t->next->prev = t->prev;
    }
    pool_put(&s->tasks, t);
    if (d != NULL) {
        d->tasks--;
        destination_check_unused(s, d);
    }
}

void
task_push(struct task *t, uint32_t recipient)
{
    if (t->entry->chain != NULL) {
        t->entry->chain[recipient] = t->first;
    }
    t->first = recipient;
    t->count++;
}

void
task_set_dest(struct sched *s, struct task *t, struct destination *d)
{
    struct destination *old = t->dest;

    CHECK(t->state == TASK_NONE);
    if (d != NULL) {
        d->tasks++;
    }
    t->dest = d;
    if (old != NULL) {
        old->tasks--;
        destination_check_unused(s, old);
    }
}

static uint64_t *
tally_place(struct tally *y, enum task_state state)
{
    switch (state) {
    case TASK_READY:
        return &y->ready;
    case TASK_RUNNING:
        return &y->active;
    case TASK_DEFERRED:
        return &y->deferred;
    case TASK_NONE:
    case TASK_HELD:
    case TASK_NOTICE:
        break;
    }
    return NULL;
}

/* Add n recipients (or take them off: n negative, as unsigned arithmetic wraps). */
static void
tally_add(struct sched *s, const struct task *t, uint64_t n)
{
    enum task_state state = (enum task_state)t->state;
    uint64_t *place = tally_place(&s->tally, state);

    if (place == NULL) {
        return;
    }
    *place += n;
    *tally_place(&t->dest->tally, state) += n;
    if (t->dest->connector != NULL) {
        *tally_place(&t->dest->connector->tally, state) += n;
    }
}

uint64_t
task_not_before(const struct sched *s, const struct task *t)
{
    return t->entry->postponed ? sched_life(s, t->entry->m).not_before_wall_ms : 0;
}

void
task_leave(struct sched *s, struct task *t)
{
    tally_add(s, t, 0 - (uint64_t)t->count);
    switch ((enum task_state)t->state) {
    case TASK_READY:
        list_remove(&t->at.link);
        t->dest->ready_tasks--;
        t->dest->ready_of[t->entry->urgency]--;
        break;
    case TASK_DEFERRED:
        heap_remove(&s->deferred, &t->at.due);
        break;
    case TASK_RUNNING:
        s->active--;
        break;
    case TASK_HELD:
        list_remove(&t->at.link);
        break;
    case TASK_NONE:
    case TASK_NOTICE:
        break;
    }
    t->state = TASK_NONE;
}

static void
enter(struct sched *s, struct task *t, enum task_state state)
{
    CHECK(t->state == TASK_NONE && t->count > 0);
    t->state = (uint8_t)state;
    tally_add(s, t, t->count);
}

void
task_to_ready(struct sched *s, struct task *t, bool front)
{
    struct destination *d = t->dest;
    uint8_t urgency = t->entry->urgency;

    enter(s, t, TASK_READY);
    if (front) {
        list_push_front(&d->ready[urgency], &t->at.link);
    } else {
        list_push_back(&d->ready[urgency], &t->at.link);
    }
    d->ready_tasks++;
    d->ready_of[urgency]++;
    destination_wake(s, d);
    if (d == s->noroute && !heap_has(&d->backoff)) {
        destination_nap(s, d, sched_now(s) + NOROUTE_CHECK_MS);
    }
}

void
task_to_deferred(struct sched *s, struct task *t, uint64_t due_ms)
{
    heap_node_init(&t->at.due);
    if (heap_insert(&s->deferred, &t->at.due, due_ms) < 0) {
        task_to_ready(s, t, false); /* no memory: too early is better than never */
        return;
    }
    enter(s, t, TASK_DEFERRED);
}

void
task_to_running(struct sched *s, struct task *t, struct sched_session *ss)
{
    enter(s, t, TASK_RUNNING);
    t->at.session = ss;
    s->active++;
}

void
task_to_held(struct sched *s, struct task *t)
{
    task_set_dest(s, t, NULL); /* routed again when released */
    enter(s, t, TASK_HELD);
    list_init(&t->at.link);
}

void
task_to_doubt(struct sched *s, struct task *t)
{
    task_to_held(s, t);
    list_push_back(&s->doubts, &t->at.link);
}

void
task_to_notice(struct sched *s, struct task *t, struct notice *n)
{
    enter(s, t, TASK_NOTICE);
    t->at.notice = n;
}

bool
task_waits(const struct task *t)
{
    return t->state == TASK_READY || t->state == TASK_DEFERRED || t->state == TASK_HELD;
}

/* ---- routing */

#define TOGETHER_MS 1000 /* next times so close are one task: deferred by one run of deliveries */

static uint64_t
task_due(const struct task *t)
{
    const struct queue_message *m = t->entry->m;
    uint64_t due = 0;

    for (uint32_t i = t->first; i != CHAIN_END; i = task_after(t->entry, i)) {
        due = MAX(due, m->recipients[i].next_wall_ms);
    }
    return due;
}

static bool
held_in_doubt(const struct destination *d, const struct queue_recipient *r)
{
    return r->in_doubt && d->connector != NULL && d->connector->in_doubt_hold;
}

static void
settle_routed(struct sched *s, struct task *t, uint64_t now)
{
    uint64_t due = MAX(task_due(t), task_not_before(s, t));

    if (t->entry->m->held) {
        task_to_held(s, t);
    } else if (held_in_doubt(t->dest, &t->entry->m->recipients[t->first])) {
        task_to_doubt(s, t);
    } else if (due > now) {
        task_to_deferred(s, t, due);
    } else {
        task_to_ready(s, t, false);
    }
}

/* The task of d that recipient i joins in this routing, or NULL. Stamps make "this routing" known
 * without a table: 10,000 recipients at 10,000 destinations are routed in linear time. */
static struct task **
group_of(
    struct sched *s, struct destination *d, const struct queue_message *m, uint32_t i, uint64_t now)
{
    uint64_t next = m->recipients[i].next_wall_ms;
    struct task **g;

    if (d->stamp != s->stamp) {
        d->stamp = s->stamp;
        d->group[0] = d->group[1] = d->group[2] = NULL;
    }
    if (held_in_doubt(d, &m->recipients[i])) {
        return &d->group[2];
    }
    g = &d->group[next > now];
    if (*g != NULL && next > now) {
        uint64_t other = m->recipients[(*g)->first].next_wall_ms;

        if (MAX(next, other) - MIN(next, other) > TOGETHER_MS) {
            *g = NULL; /* another time of its own; the older group is complete */
        }
    }
    return g;
}

/* What cannot be routed for want of memory waits with what has no route, and is looked at again. */
void
task_park(struct sched *s, struct task *t)
{
    task_set_dest(s, t, s->noroute);
    task_to_ready(s, t, false);
}

static void
route_many(struct sched *s, struct task *t, uint64_t now)
{
    struct entry *e = t->entry;
    struct destination *from = t->dest;
    struct task *own = t; /* becomes the first group */
    uint32_t i = t->first, next;
    struct list fresh;

    if (!pool_reserve(&s->tasks, s->tasks.kept_back + t->count)) {
        task_park(s, t);
        return;
    }
    s->stamp++;
    list_init(&fresh);
    t->first = CHAIN_END;
    t->count = 0;
    if (from != NULL) {
        from->tasks++; /* keeps it while we compare with it */
    }
    for (; i != CHAIN_END; i = next) {
        struct destination *d = destination_choose(s, e->m, i, from);
        struct task **g = group_of(s, d, e->m, i, now);

        next = task_after(e, i);
        if (*g == NULL) {
            *g = own != NULL ? own : task_new(s, e);
            own = NULL;
            CHECK(*g != NULL); /* reserved */
            task_set_dest(s, *g, d);
            list_push_back(&fresh, &(*g)->at.link);
        }
        task_push(*g, i);
    }
    if (from != NULL) {
        from->tasks--;
        destination_check_unused(s, from);
    }
    for (struct list *l = list_pop_front(&fresh); l != NULL; l = list_pop_front(&fresh)) {
        settle_routed(s, CONTAINER_OF(l, struct task, at.link), now);
    }
}

void
task_route(struct sched *s, struct task *t)
{
    uint64_t now = sched_now(s);

    CHECK(t->state == TASK_NONE && t->count > 0);
    if (t->count > 1) {
        route_many(s, t, now);
        return;
    }
    task_set_dest(s, t, destination_choose(s, t->entry->m, t->first, t->dest));
    settle_routed(s, t, now);
}

uint64_t
task_doubt(const struct queue_message *m, uint32_t recipient)
{
    const struct queue_recipient *r = &m->recipients[recipient];

    return r->in_doubt ? r->transaction : 0;
}

bool
task_split_doubt(struct sched *s, struct task *t)
{
    const struct entry *e = t->entry;
    uint64_t doubt = task_doubt(e->m, t->first);
    uint32_t i = t->first, next;
    struct task *rest;

    while (i != CHAIN_END && task_doubt(e->m, i) == doubt) {
        i = task_after(e, i);
    }
    if (i == CHAIN_END) {
        return true; /* as good as always */
    }
    rest = task_new(s, t->entry);
    if (rest == NULL) {
        return false;
    }
    i = t->first;
    t->first = CHAIN_END;
    t->count = 0;
    for (; i != CHAIN_END; i = next) {
        next = task_after(e, i);
        task_push(task_doubt(e->m, i) == doubt ? t : rest, i);
    }
    task_set_dest(s, rest, t->dest);
    task_to_ready(s, rest, false);
    return true;
}

bool
task_split(struct sched *s, struct task *t, uint32_t max)
{
    struct task *rest = task_new(s, t->entry);
    uint32_t last = t->first;

    if (rest == NULL) {
        return false;
    }
    CHECK(t->state == TASK_NONE && t->count > max && max > 0);
    for (uint32_t n = 1; n < max; n++) {
        last = task_after(t->entry, last);
    }
    rest->first = t->entry->chain[last];
    rest->count = t->count - max;
    t->entry->chain[last] = CHAIN_END;
    t->count = max;
    task_set_dest(s, rest, t->dest);
    task_to_ready(s, rest, false);
    return true;
}
