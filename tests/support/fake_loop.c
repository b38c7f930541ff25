#include "fake_loop.h"
#include <stdlib.h>

#define TURNS_MAX 100000

bool (*fake_loop_starves)(void);

struct loop {
    struct list soon, last, work, wakes, timers;
    uint64_t now_ms;
    bool stop;
};
struct loop_wake {
    struct list link;
    loop_fn *run;
    void *ctx;
    bool sent;
};
struct work_item {
    struct list link;
    struct loop_work *w;
};
struct timer_item {
    struct list link;
    struct loop_timer *t;
    uint64_t at_ms;
};

int
loop_new(struct loop **out)
{
    struct loop *l = calloc(1, sizeof(*l));

    if (l == NULL) {
        return -ENOMEM;
    }
    list_init(&l->soon);
    list_init(&l->last);
    list_init(&l->work);
    list_init(&l->wakes);
    list_init(&l->timers);
    *out = l;
    return 0;
}

void
fake_loop_cancel_work(struct loop *l)
{
    for (struct list *it = list_pop_front(&l->work); it != NULL; it = list_pop_front(&l->work)) {
        struct work_item *item = CONTAINER_OF(it, struct work_item, link);
        struct loop_work *w = item->w;

        free(item);
        w->done(w->ctx, -ECANCELED);
    }
}

void
fake_loop_kill(struct loop *l)
{
    struct list *it;

    while (list_pop_front(&l->soon) != NULL || list_pop_front(&l->last) != NULL) {
    }
    fake_loop_cancel_work(l); /* what its owner left behind ends with it */
    while ((it = list_pop_front(&l->timers)) != NULL) {
        free(CONTAINER_OF(it, struct timer_item, link));
    }
    LIST_FOR(w, &l->wakes)
    {
        CONTAINER_OF(w, struct loop_wake, link)->sent = false;
    }
}

void
loop_free(struct loop *l)
{
    fake_loop_kill(l);
    CHECK(list_empty(&l->wakes));
    free(l);
}

void
loop_stop(struct loop *l)
{
    l->stop = true;
}

int
loop_run(struct loop *l)
{
    for (l->stop = false; !l->stop;) {
        if (!fake_loop_turn(l)) {
            break;
        }
    }
    return 0;
}

uint64_t
loop_now_ms(const struct loop *l)
{
    return l->now_ms;
}

static void
run_list(struct list *tasks)
{
    struct list batch;

    list_init(&batch);
    list_splice_back(&batch, tasks);
    for (struct list *it = list_pop_front(&batch); it != NULL; it = list_pop_front(&batch)) {
        struct loop_task *t = CONTAINER_OF(it, struct loop_task, link);

        t->run(t->ctx);
    }
}

bool
fake_loop_turn(struct loop *l)
{
    struct list work, *it;
    bool any = !list_empty(&l->soon) || !list_empty(&l->last) || !list_empty(&l->work);
    bool again;

    do {
        again = false;
        LIST_FOR(w, &l->wakes)
        {
            struct loop_wake *wake = CONTAINER_OF(w, struct loop_wake, link);

            if (wake->sent) {
                wake->sent = false;
                any = again = true;
                wake->run(wake->ctx); /* may free wakes: begin anew */
                break;
            }
        }
    } while (again);
    list_init(&work);
    list_splice_back(&work, &l->work);
    while ((it = list_pop_front(&work)) != NULL) {
        struct work_item *item = CONTAINER_OF(it, struct work_item, link);
        struct loop_work *w = item->w;

        free(item);
        w->done(w->ctx, 0);
    }
    run_list(&l->soon);
    run_list(&l->last);
    return any;
}

void
fake_loop_settle(struct loop *l)
{
    unsigned turns = 0;

    while (fake_loop_turn(l)) {
        CHECK(++turns < TURNS_MAX);
    }
}

void
fake_loop_advance(struct loop *l, uint64_t ms)
{
    l->now_ms += ms;
    LIST_FOR_SAFE(it, tmp, &l->timers)
    {
        struct timer_item *item = CONTAINER_OF(it, struct timer_item, link);

        if (item->at_ms <= l->now_ms) {
            struct loop_timer *t = item->t;

            list_remove(&item->link);
            free(item);
            t->run(t->ctx);
            tmp = l->timers.next;
        }
    }
    fake_loop_settle(l);
}

void
loop_task_init(struct loop_task *t, loop_fn *run, void *ctx)
{
    list_init(&t->link);
    t->run = run;
    t->ctx = ctx;
}

void
loop_call_soon(struct loop *l, struct loop_task *t)
{
    if (list_empty(&t->link)) {
        list_push_back(&l->soon, &t->link);
    }
}

void
loop_call_last(struct loop *l, struct loop_task *t)
{
    if (list_empty(&t->link)) {
        list_push_back(&l->last, &t->link);
    }
}

void
loop_task_cancel(struct loop_task *t)
{
    list_remove(&t->link);
}

void
loop_timer_init(struct loop *l, struct loop_timer *t, loop_fn *run, void *ctx)
{
    *t = (struct loop_timer){ .run = run, .ctx = ctx, .loop = l };
}

void
loop_timer_start(struct loop_timer *t, uint64_t in_ms)
{
    struct timer_item *item;

    loop_timer_stop(t);
    item = calloc(1, sizeof(*item));
    CHECK(item != NULL);
    item->t = t;
    item->at_ms = t->loop->now_ms + in_ms;
    list_push_back(&t->loop->timers, &item->link);
}

static struct timer_item *
timer_find(const struct loop_timer *t)
{
    LIST_FOR(it, &t->loop->timers)
    {
        if (CONTAINER_OF(it, struct timer_item, link)->t == t) {
            return CONTAINER_OF(it, struct timer_item, link);
        }
    }
    return NULL;
}

void
loop_timer_stop(struct loop_timer *t)
{
    struct timer_item *item = timer_find(t);

    if (item != NULL) {
        list_remove(&item->link);
        free(item);
    }
}

bool
loop_timer_running(const struct loop_timer *t)
{
    return timer_find(t) != NULL;
}

int
loop_wake_new(struct loop *l, struct loop_wake **out, loop_fn *run, void *ctx)
{
    bool starved = fake_loop_starves != NULL && fake_loop_starves();
    struct loop_wake *w = starved ? NULL : calloc(1, sizeof(*w));

    if (w == NULL) {
        return -ENOMEM;
    }
    w->run = run;
    w->ctx = ctx;
    list_push_back(&l->wakes, &w->link);
    *out = w;
    return 0;
}

void
loop_wake_send(struct loop_wake *w)
{
    w->sent = true;
}

void
loop_wake_free(struct loop_wake *w)
{
    list_remove(&w->link);
    free(w);
}

int
loop_work_start(struct loop *l, struct loop_work *w)
{
    bool starved = fake_loop_starves != NULL && fake_loop_starves();
    struct work_item *item = starved ? NULL : calloc(1, sizeof(*item));

    if (item == NULL) {
        return -ENOMEM;
    }
    w->work(w->ctx);
    item->w = w;
    list_push_back(&l->work, &item->link);
    return 0;
}
