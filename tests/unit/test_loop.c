#include "loop/loop.h"

#include "core/ticks.h"
#include "test_main.h"
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

/* What happened, in order: one letter each. */
struct trace {
    struct loop *loop;
    char text[64];
    size_t n;
    struct loop_task soon, soon2, last, last2;
    struct loop_timer timer, timer2;
    struct loop_poll *poll;
    int pipe[2];
    unsigned rounds;
    bool stop_in_soon;
};

static void
note(struct trace *t, char c)
{
    if (t->n < sizeof(t->text) - 1) {
        t->text[t->n++] = c;
    }
}

static void
trace_start(struct trace *t)
{
    memset(t, 0, sizeof(*t));
    CU_ASSERT_EQUAL_FATAL(loop_new(&t->loop), 0);
}

static void
on_stop(void *ctx)
{
    struct trace *t = ctx;

    note(t, '.');
    loop_stop(t->loop);
}

static void
on_soon(void *ctx)
{
    struct trace *t = ctx;

    note(t, 's');
    if (t->stop_in_soon) {
        loop_stop(t->loop);
    }
}

static void
on_soon_again(void *ctx)
{
    struct trace *t = ctx;

    note(t, 'S');
    loop_call_soon(t->loop, &t->soon); /* next turn */
}

static void
on_last(void *ctx)
{
    note(ctx, 'l');
}

static void
soon_runs_before_last_and_rescheduled_work_in_the_next_turn(void)
{
    struct trace t;

    trace_start(&t);
    loop_task_init(&t.soon, on_soon, &t);
    loop_task_init(&t.soon2, on_soon_again, &t);
    loop_task_init(&t.last, on_last, &t);
    t.stop_in_soon = true;
    loop_call_last(t.loop, &t.last);
    loop_call_soon(t.loop, &t.soon2);
    loop_call_soon(t.loop, &t.soon2); /* no-op */
    CU_ASSERT_EQUAL(loop_run(t.loop), 0);
    loop_free(t.loop);
    CU_ASSERT_STRING_EQUAL(t.text, "Sls");
}

static void
on_readable(void *ctx, int status, unsigned events)
{
    struct trace *t = ctx;
    char byte;

    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_EQUAL(events, LOOP_READABLE);
    CU_ASSERT_EQUAL(read(t->pipe[0], &byte, 1), 1);
    note(t, 'r');
    loop_call_last(t->loop, &t->last);
    loop_call_soon(t->loop, &t->soon);
}

/* No timer runs and nothing else wakes the loop: were the tasks not run before it sleeps, the test
 * would hang. */
static void
work_of_an_io_callback_runs_before_the_loop_sleeps(void)
{
    struct trace t;

    trace_start(&t);
    CU_ASSERT_EQUAL_FATAL(pipe(t.pipe), 0);
    loop_task_init(&t.soon, on_soon, &t);
    loop_task_init(&t.last, on_stop, &t);
    CU_ASSERT_EQUAL_FATAL(loop_poll_new(t.loop, &t.poll, t.pipe[0], on_readable, &t), 0);
    CU_ASSERT_EQUAL_FATAL(loop_poll_set(t.poll, LOOP_READABLE), 0);
    CU_ASSERT_EQUAL(write(t.pipe[1], "x", 1), 1);
    CU_ASSERT_EQUAL(loop_run(t.loop), 0);
    loop_poll_free(t.poll);
    loop_free(t.loop);
    close(t.pipe[0]);
    close(t.pipe[1]);
    CU_ASSERT_STRING_EQUAL(t.text, "rs.");
}

static void
on_cancel_others(void *ctx)
{
    struct trace *t = ctx;

    note(t, 'c');
    loop_task_cancel(&t->soon2);
    loop_task_cancel(&t->last);
}

static void
a_cancelled_task_does_not_run_even_in_the_same_turn(void)
{
    struct trace t;

    trace_start(&t);
    loop_task_init(&t.soon, on_cancel_others, &t);
    loop_task_init(&t.soon2, on_soon, &t);
    loop_task_init(&t.last, on_last, &t);
    loop_task_init(&t.last2, on_stop, &t);
    loop_call_soon(t.loop, &t.soon);
    loop_call_soon(t.loop, &t.soon2);
    loop_call_last(t.loop, &t.last);
    loop_call_last(t.loop, &t.last2);
    CU_ASSERT_EQUAL(loop_run(t.loop), 0);
    loop_free(t.loop);
    CU_ASSERT_STRING_EQUAL(t.text, "c.");
}

static void
on_first_timer(void *ctx)
{
    note(ctx, '1');
}

static void
timers_run_in_the_order_of_their_times(void)
{
    struct trace t;

    trace_start(&t);
    loop_timer_init(t.loop, &t.timer, on_first_timer, &t);
    loop_timer_init(t.loop, &t.timer2, on_stop, &t);
    CU_ASSERT_FALSE(loop_timer_running(&t.timer));
    CU_ASSERT_EQUAL(loop_timer_due_ms(&t.timer), UINT64_MAX);
    loop_timer_start(&t.timer2, 5);
    loop_timer_start(&t.timer, 100000);
    loop_timer_start(&t.timer, 1); /* restarted, earlier */
    CU_ASSERT_TRUE(loop_timer_running(&t.timer));
    CU_ASSERT_EQUAL(loop_run(t.loop), 0);
    CU_ASSERT_FALSE(loop_timer_running(&t.timer));
    loop_free(t.loop);
    CU_ASSERT_STRING_EQUAL(t.text, "1.");
}

static void
on_stop_other_timer(void *ctx)
{
    struct trace *t = ctx;

    note(t, 'x');
    loop_timer_stop(&t->timer2);
    loop_timer_start(&t->timer, 3);
    t->timer.run = on_stop;
}

static void
a_stopped_timer_does_not_run_even_when_due_in_the_same_turn(void)
{
    struct trace t;

    trace_start(&t);
    loop_timer_init(t.loop, &t.timer, on_stop_other_timer, &t);
    loop_timer_init(t.loop, &t.timer2, on_first_timer, &t);
    loop_timer_start(&t.timer, 0);
    loop_timer_start(&t.timer2, 1);
    while (ticks_ms() < loop_timer_due_ms(&t.timer2) + 2) {
        /* until both are due in the first turn */
    }
    CU_ASSERT_EQUAL(loop_run(t.loop), 0);
    loop_free(t.loop);
    CU_ASSERT_STRING_EQUAL(t.text, "x.");
}

static void
on_restart_at_once(void *ctx)
{
    struct trace *t = ctx;

    if (++t->rounds < 3) {
        loop_timer_start(&t->timer, 0);
    } else {
        loop_stop(t->loop);
    }
}

static void
a_timer_that_restarts_itself_lets_the_turn_end(void)
{
    struct trace t;

    trace_start(&t);
    loop_timer_init(t.loop, &t.timer, on_restart_at_once, &t);
    loop_timer_start(&t.timer, UINT64_MAX); /* no overflow */
    loop_timer_start(&t.timer, 0);
    CU_ASSERT_EQUAL(loop_run(t.loop), 0);
    CU_ASSERT_EQUAL(t.rounds, 3);
    loop_free(t.loop);
}

static void *
wake_thread(void *arg)
{
    struct loop_wake *w = arg;

    for (int i = 0; i < 100; i++) {
        loop_wake_send(w);
    }
    return NULL;
}

static void
another_thread_wakes_the_loop(void)
{
    struct trace t;
    struct loop_wake *w;
    pthread_t thread;

    trace_start(&t);
    CU_ASSERT_EQUAL_FATAL(loop_wake_new(t.loop, &w, on_stop, &t), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, wake_thread, w), 0);
    CU_ASSERT_EQUAL(loop_run(t.loop), 0);
    pthread_join(thread, NULL);
    loop_wake_free(w);
    loop_free(t.loop);
    CU_ASSERT_TRUE(t.n >= 1);
}

struct job {
    struct trace *t;
    struct loop_work work;
    pthread_t worked_by;
    int status;
};

static void
on_job(void *ctx)
{
    struct job *j = ctx;

    j->worked_by = pthread_self();
}

static void
on_job_done(void *ctx, int status)
{
    struct job *j = ctx;

    j->status = status;
    on_stop(j->t);
}

static void
work_runs_in_the_pool_and_ends_on_the_loop(void)
{
    struct trace t;
    struct job j = { .t = &t, .work = { .work = on_job, .done = on_job_done }, .status = 1 };

    trace_start(&t);
    j.work.ctx = &j;
    CU_ASSERT_EQUAL_FATAL(loop_work_start(t.loop, &j.work), 0);
    CU_ASSERT_EQUAL(loop_run(t.loop), 0);
    CU_ASSERT_EQUAL(j.status, 0);
    CU_ASSERT_FALSE(pthread_equal(j.worked_by, pthread_self()));

    /* loop_free waits for the pool. */
    j.status = 1;
    CU_ASSERT_EQUAL_FATAL(loop_work_start(t.loop, &j.work), 0);
    loop_free(t.loop);
    CU_ASSERT_EQUAL(j.status, 0);
}

static void
a_signal_arrives_as_a_callback(void)
{
    struct trace t;
    struct loop_signal *s;

    trace_start(&t);
    CU_ASSERT_EQUAL_FATAL(loop_signal_new(t.loop, &s, SIGUSR1, on_stop, &t), 0);
    CU_ASSERT_EQUAL(raise(SIGUSR1), 0);
    CU_ASSERT_EQUAL(loop_run(t.loop), 0);
    loop_signal_free(s);
    loop_free(t.loop);
    CU_ASSERT_STRING_EQUAL(t.text, ".");
}

TEST_MAIN("loop", TEST(soon_runs_before_last_and_rescheduled_work_in_the_next_turn),
    TEST(work_of_an_io_callback_runs_before_the_loop_sleeps),
    TEST(a_cancelled_task_does_not_run_even_in_the_same_turn),
    TEST(timers_run_in_the_order_of_their_times),
    TEST(a_stopped_timer_does_not_run_even_when_due_in_the_same_turn),
    TEST(a_timer_that_restarts_itself_lets_the_turn_end), TEST(another_thread_wakes_the_loop),
    TEST(work_runs_in_the_pool_and_ends_on_the_loop), TEST(a_signal_arrives_as_a_callback))
