/* loop.c - the one file that drives uv_run: turns, timers, wakes, pool work, polls, signals.
 *
 * One turn is: due timers, I/O callbacks, soon tasks, last tasks, sleep. libuv's own order is
 * (timers, idle, prepare, poll, check, close); soon and last tasks run in prepare, right before
 * poll. So whatever an I/O or timer callback schedules has run before the loop can sleep, and what
 * a task itself schedules waits for the next turn: the idle handle is active just then and makes
 * poll return at once, never otherwise (no busy loop, no timeout to wait out).
 */
#include "loop/loop.h"

#include "core/heap.h"
#include <stdlib.h>
#include <uv.h>

/* Turns without sleep that loop_free grants to closing handles. A close takes one or two. */
#define LOOP_CLOSING_TURNS 16

struct loop {
    uv_loop_t uv;
    uv_prepare_t prepare;
    uv_idle_t idle;
    uv_timer_t timer;
    struct list soon, last;
    struct heap timers;
    struct loop_timer *starved; /* timers for which the heap had no memory: run at the next turn */
    uint64_t armed_ms;          /* when the uv timer fires; UINT64_MAX: not armed */
    unsigned works;             /* in the pool */
    bool running_timers;
    void *local;
    loop_fn *local_fini;
};

_Static_assert(sizeof(((struct loop_timer *)0)->node) == sizeof(struct heap_node) &&
                   offsetof(struct loop_timer, node) == 0,
    "loop_timer embeds a heap node under another name");

static struct heap_node *
timer_node(struct loop_timer *t)
{
    return (struct heap_node *)(void *)&t->node;
}

/* ---- turns */

/* Run what is on the list now; what the tasks add waits for the next turn. A task may cancel any
 * other: it is unlinked from wherever it is. */
static void
run_tasks(struct list *tasks)
{
    struct list now;
    struct list *link;

    list_init(&now);
    list_splice_back(&now, tasks);
    link = list_pop_front(&now);
    while (link != NULL) {
        struct loop_task *t = CONTAINER_OF(link, struct loop_task, link);

        t->run(t->ctx); /* may free t */
        link = list_pop_front(&now);
    }
}

static void
on_idle(uv_idle_t *idle)
{
    (void)idle; /* only there to keep poll from sleeping */
}

static void on_timer(uv_timer_t *timer);

/* One uv timer for the earliest of ours. It may fire early (a stopped timer is not disarmed):
 * cheaper than touching it at each start and stop. */
static void
arm_timer(struct loop *l)
{
    const struct heap_node *min = heap_min(&l->timers);
    uint64_t now_ms = uv_now(&l->uv);

    if (min == NULL || min->key >= l->armed_ms) {
        return;
    }
    l->armed_ms = min->key;
    uv_timer_start(&l->timer, on_timer, min->key > now_ms ? min->key - now_ms : 0, 0);
}

static void
on_prepare(uv_prepare_t *prepare)
{
    struct loop *l = prepare->data;

    run_tasks(&l->soon);
    run_tasks(&l->last);
    arm_timer(l);
    if (!list_empty(&l->soon) || !list_empty(&l->last) || l->starved != NULL) {
        uv_idle_start(&l->idle, on_idle);
    } else {
        uv_idle_stop(&l->idle);
    }
    if (l->starved != NULL && l->armed_ms == UINT64_MAX) {
        uv_timer_start(&l->timer, on_timer, 0, 0);
    }
}

/* ---- life */

int
loop_new(struct loop **out)
{
    struct loop *l = calloc(1, sizeof(*l));
    int rc;

    if (l == NULL) {
        return -ENOMEM;
    }
    rc = uv_loop_init(&l->uv);
    if (rc < 0) {
        free(l);
        return rc;
    }
    l->uv.data = l;
    list_init(&l->soon);
    list_init(&l->last);
    heap_init(&l->timers);
    l->armed_ms = UINT64_MAX;
    /* These three cannot fail. */
    uv_prepare_init(&l->uv, &l->prepare);
    uv_idle_init(&l->uv, &l->idle);
    uv_timer_init(&l->uv, &l->timer);
    l->prepare.data = l;
    l->timer.data = l;
    uv_prepare_start(&l->prepare, on_prepare);
    *out = l;
    return 0;
}

void
loop_free(struct loop *l)
{
    if (l == NULL) {
        return;
    }
    if (l->local_fini != NULL) {
        l->local_fini(l->local);
    }
    while (l->works > 0) {
        uv_run(&l->uv, UV_RUN_ONCE);
    }
    uv_run(&l->uv, UV_RUN_NOWAIT); /* the tasks that are still scheduled */
    uv_close((uv_handle_t *)&l->prepare, NULL);
    uv_close((uv_handle_t *)&l->idle, NULL);
    uv_close((uv_handle_t *)&l->timer, NULL);
    for (int turn = 0; turn < LOOP_CLOSING_TURNS && uv_loop_alive(&l->uv); turn++) {
        uv_run(&l->uv, UV_RUN_NOWAIT);
    }
    if (uv_loop_alive(&l->uv)) {
        uv_print_all_handles(&l->uv, stderr); /* says whose close was forgotten */
    }
    CHECK(uv_loop_close(&l->uv) == 0);
    heap_fini(&l->timers);
    free(l->local);
    free(l);
}

int
loop_run(struct loop *l)
{
    int rc = uv_run(&l->uv, UV_RUN_DEFAULT);

    return rc < 0 ? rc : 0;
}

void
loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}

uint64_t
loop_now_ms(const struct loop *l)
{
    return uv_now(&l->uv);
}

struct uv_loop_s *
loop_uv(struct loop *l)
{
    return &l->uv;
}

void *
loop_local(const struct loop *l)
{
    return l->local;
}

void
loop_set_local(struct loop *l, void *memory, loop_fn *fini)
{
    CHECK(l->local == NULL);
    l->local = memory;
    l->local_fini = fini;
}

/* ---- tasks */

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

/* ---- timers */

void
loop_timer_init(struct loop *l, struct loop_timer *t, loop_fn *run, void *ctx)
{
    heap_node_init(timer_node(t));
    t->run = run;
    t->ctx = ctx;
    t->loop = l;
    t->starved_next = NULL;
    t->starved = false;
}

static void
starved_remove(struct loop_timer *t)
{
    struct loop_timer **at = &t->loop->starved;

    while (*at != NULL && *at != t) {
        at = &(*at)->starved_next;
    }
    CHECK(*at == t);
    *at = t->starved_next;
    t->starved = false;
}

void
loop_timer_start(struct loop_timer *t, uint64_t in_ms)
{
    struct loop *l = t->loop;
    uint64_t now_ms = uv_now(&l->uv);
    uint64_t due_ms;

    if (l->running_timers && in_ms == 0) {
        in_ms = 1; /* a timer that restarts itself must not keep the others from running */
    }
    due_ms = in_ms < UINT64_MAX - 1 - now_ms ? now_ms + in_ms : UINT64_MAX - 1;
    if (t->starved) {
        starved_remove(t);
    }
    if (heap_has(timer_node(t))) {
        heap_rekey(&l->timers, timer_node(t), due_ms);
    } else if (heap_insert(&l->timers, timer_node(t), due_ms) < 0) {
        t->starved = true;
        t->starved_next = l->starved;
        l->starved = t;
    }
}

void
loop_timer_stop(struct loop_timer *t)
{
    if (t->starved) {
        starved_remove(t);
    } else if (heap_has(timer_node(t))) {
        heap_remove(&t->loop->timers, timer_node(t));
    }
}

bool
loop_timer_running(const struct loop_timer *t)
{
    return t->starved || t->node.index != HEAP_OUT;
}

uint64_t
loop_timer_due_ms(const struct loop_timer *t)
{
    return t->node.index != HEAP_OUT ? t->node.key : t->starved ? 0 : UINT64_MAX;
}

static void
on_timer(uv_timer_t *timer)
{
    struct loop *l = timer->data;
    uint64_t now_ms = uv_now(&l->uv);

    l->armed_ms = UINT64_MAX;
    l->running_timers = true;
    for (struct heap_node *n = heap_min(&l->timers); n != NULL && n->key <= now_ms;
         n = heap_min(&l->timers)) {
        struct loop_timer *t = CONTAINER_OF(n, struct loop_timer, node);

        heap_remove(&l->timers, n);
        t->run(t->ctx); /* may free t */
    }
    l->running_timers = false;
    for (struct loop_timer *t = l->starved; t != NULL; t = l->starved) {
        starved_remove(t);
        t->run(t->ctx);
    }
}

/* ---- wake */

struct loop_wake {
    uv_async_t async;
    loop_fn *run;
    void *ctx;
};

static void
on_wake(uv_async_t *async)
{
    struct loop_wake *w = async->data;

    w->run(w->ctx);
}

static void
on_handle_closed(uv_handle_t *h)
{
    free(h->data); /* the handle is inside */
}

int
loop_wake_new(struct loop *l, struct loop_wake **out, loop_fn *run, void *ctx)
{
    struct loop_wake *w = calloc(1, sizeof(*w));
    int rc;

    if (w == NULL) {
        return -ENOMEM;
    }
    w->run = run;
    w->ctx = ctx;
    rc = uv_async_init(&l->uv, &w->async, on_wake);
    if (rc < 0) {
        free(w);
        return rc;
    }
    w->async.data = w;
    *out = w;
    return 0;
}

void
loop_wake_send(struct loop_wake *w)
{
    uv_async_send(&w->async);
}

void
loop_wake_free(struct loop_wake *w)
{
    if (w != NULL) {
        uv_close((uv_handle_t *)&w->async, on_handle_closed);
    }
}

/* ---- work */

static void
on_work(uv_work_t *req)
{
    struct loop_work *w = req->data;

    w->work(w->ctx);
}

static void
on_work_done(uv_work_t *req, int status)
{
    struct loop_work *w = req->data;
    struct loop *l = req->loop->data;

    l->works--;
    free(req);
    w->req = NULL;
    w->done(w->ctx, status); /* may free w */
}

int
loop_work_start(struct loop *l, struct loop_work *w)
{
    uv_work_t *req = malloc(sizeof(*req));
    int rc;

    if (req == NULL) {
        return -ENOMEM;
    }
    req->data = w;
    w->req = req;
    rc = uv_queue_work(&l->uv, req, on_work, on_work_done);
    if (rc < 0) {
        w->req = NULL;
        free(req);
        return rc;
    }
    l->works++;
    return 0;
}

/* ---- poll */

struct loop_poll {
    uv_poll_t poll;
    loop_poll_fn *run;
    void *ctx;
};

int
loop_poll_new(struct loop *l, struct loop_poll **out, int fd, loop_poll_fn *run, void *ctx)
{
    struct loop_poll *p = calloc(1, sizeof(*p));
    int rc;

    if (p == NULL) {
        return -ENOMEM;
    }
    p->run = run;
    p->ctx = ctx;
    rc = uv_poll_init(&l->uv, &p->poll, fd);
    if (rc < 0) {
        free(p);
        return rc;
    }
    p->poll.data = p;
    *out = p;
    return 0;
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
    struct loop_poll *p = poll->data;
    unsigned ours = 0;

    if ((events & (UV_READABLE | UV_DISCONNECT)) != 0) {
        ours |= LOOP_READABLE;
    }
    if ((events & UV_WRITABLE) != 0) {
        ours |= LOOP_WRITABLE;
    }
    p->run(p->ctx, status, ours); /* may free p: its memory stays until the close callback */
}

int
loop_poll_set(struct loop_poll *p, unsigned events)
{
    int wanted = 0;

    if (events == 0) {
        return uv_poll_stop(&p->poll);
    }
    if ((events & LOOP_READABLE) != 0) {
        wanted |= UV_READABLE;
    }
    if ((events & LOOP_WRITABLE) != 0) {
        wanted |= UV_WRITABLE;
    }
    return uv_poll_start(&p->poll, wanted, on_poll);
}

void
loop_poll_free(struct loop_poll *p)
{
    if (p != NULL) {
        uv_close((uv_handle_t *)&p->poll, on_handle_closed); /* stops at once */
    }
}

/* ---- signals */

struct loop_signal {
    uv_signal_t signal;
    loop_fn *run;
    void *ctx;
};

static void
on_signal(uv_signal_t *signal, int signo)
{
    struct loop_signal *s = signal->data;

    (void)signo;
    s->run(s->ctx);
}

int
loop_signal_new(struct loop *l, struct loop_signal **out, int signo, loop_fn *run, void *ctx)
{
    struct loop_signal *s = calloc(1, sizeof(*s));
    int rc;

    if (s == NULL) {
        return -ENOMEM;
    }
    s->run = run;
    s->ctx = ctx;
    rc = uv_signal_init(&l->uv, &s->signal);
    if (rc < 0) {
        free(s);
        return rc;
    }
    s->signal.data = s;
    rc = uv_signal_start(&s->signal, on_signal, signo);
    if (rc < 0) {
        uv_close((uv_handle_t *)&s->signal, on_handle_closed);
        return rc;
    }
    *out = s;
    return 0;
}

void
loop_signal_free(struct loop_signal *s)
{
    if (s != NULL) {
        uv_close((uv_handle_t *)&s->signal, on_handle_closed);
    }
}
