/* loop/loop.h - the one event loop of a process, on libuv, and what may be asked of it.
 *
 * Only loop/, net/ and ctl_server.c include uv.h; all others use these.
 * Threads   everything is called on the loop's thread, but for loop_wake_send.
 * Rule      a callback never blocks: no file I/O, no DNS, no waiting lock.
 * Memory    tasks, timers and wakes are embedded in the caller's struct; a *_stop / *_close that
 *           needs a turn of the loop says so and calls back when the memory may be freed.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include "core/list.h"
#include "core/slice.h"

struct loop;

int loop_new(struct loop **out) MUST_USE;
/* Waits for work in the pool, runs what is scheduled, then: all handles closed, or CHECK (after
 * printing them). */
void loop_free(struct loop *l);
/* Runs until loop_stop, whether or not anything is open. May be run again. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* The time of this turn (ticks), without a system call. */
uint64_t loop_now_ms(const struct loop *l);

/* ---- soon: run once at the end of this turn (or next turn when scheduled from a soon task). */
typedef void loop_fn(void *ctx);
struct loop_task {
    struct list link;
    loop_fn *run;
    void *ctx;
};
void loop_task_init(struct loop_task *t, loop_fn *run, void *ctx);
void loop_call_soon(struct loop *l, struct loop_task *t); /* already scheduled: no-op */
void loop_task_cancel(struct loop_task *t);               /* at once; not scheduled: no-op */

/* ---- last: run once when this turn's soon tasks are done, right before the loop sleeps: where
 * batches are handed on (journal batch, queued writes). Same struct, own list. */
void loop_call_last(struct loop *l, struct loop_task *t);

/* ---- timers: a heap of our own over one uv_timer, so that start, restart and stop are plain
 * memory operations and need no close callback. */
struct loop_timer {
    struct {
        uint64_t key;
        uint32_t index;
    } node; /* a core/heap.h node; kept opaque here */
    loop_fn *run;
    void *ctx;
    struct loop *loop;
    struct loop_timer *starved_next; /* internal: no memory for the heap */
    bool starved;
};
void loop_timer_init(struct loop *l, struct loop_timer *t, loop_fn *run, void *ctx);
void loop_timer_start(struct loop_timer *t,
    uint64_t in_ms); /* restarts; out of memory: CHECK-free, runs at the next turn */
void loop_timer_stop(struct loop_timer *t); /* at once; memory free afterwards */
bool loop_timer_running(const struct loop_timer *t);
/* When it runs (ticks); UINT64_MAX when it is stopped. */
uint64_t loop_timer_due_ms(const struct loop_timer *t);

/* ---- wake: from any thread, coalesced (uv_async). */
struct loop_wake;
int loop_wake_new(struct loop *l, struct loop_wake **out, loop_fn *run, void *ctx) MUST_USE;
void loop_wake_send(struct loop_wake *w); /* any thread */
void loop_wake_free(struct loop_wake *w); /* loop thread; no run afterwards */

/* ---- work: run blocking work in the pool, then done on the loop. A start that fails never calls
 * done. */
struct loop_work {
    loop_fn *work;                       /* in the pool */
    void (*done)(void *ctx, int status); /* status 0, or -ECANCELED */
    void *ctx;
    void *req; /* internal */
};
int loop_work_start(struct loop *l, struct loop_work *w) MUST_USE;

/* ---- descriptors that are not streams (netlink, qb, unbound, the keeper's socket). */
struct loop_poll;
#define LOOP_READABLE 1
#define LOOP_WRITABLE 2
/* status <0: the fd has an error for its owner to read, and polling has stopped until
 * loop_poll_set. */
typedef void loop_poll_fn(void *ctx, int status, unsigned events);
int loop_poll_new(
    struct loop *l, struct loop_poll **out, int fd, loop_poll_fn *run, void *ctx) MUST_USE;
int loop_poll_set(struct loop_poll *p, unsigned events) MUST_USE; /* 0 stops */
/* Stops at once; the fd stays the caller's. Free it before the fd is closed: later the number may
 * be another's, whom this would make deaf. */
void loop_poll_free(struct loop_poll *p);

/* ---- signals. */
struct loop_signal;
int loop_signal_new(
    struct loop *l, struct loop_signal **out, int signo, loop_fn *run, void *ctx) MUST_USE;
void loop_signal_free(struct loop_signal *s);

/* For net/ and ctl_server.c only. */
struct uv_loop_s;
struct uv_loop_s *loop_uv(struct loop *l);
/* For net/conn: one piece of malloc'ed memory that lives as long as the loop. loop_free runs fini
 * first (close what is left), then closes the loop, then frees the memory. */
void *loop_local(const struct loop *l);
void loop_set_local(struct loop *l, void *memory, loop_fn *fini);

#endif
