/* run_a_while.h - a few turns of a loop, for what must not happen in them. */
#ifndef SUPPORT_RUN_A_WHILE_H
#define SUPPORT_RUN_A_WHILE_H

#include "loop/loop.h"
#include "test_main.h"

static void
run_a_while_over(void *loop)
{
    loop_stop(loop);
}

static void
run_a_while(struct loop *l)
{
    struct loop_timer timer;

    loop_timer_init(l, &timer, run_a_while_over, l);
    loop_timer_start(&timer, 20);
    CU_ASSERT_EQUAL(loop_run(l), 0);
    loop_timer_stop(&timer);
}

#endif
