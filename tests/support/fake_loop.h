/* support/fake_loop.h - loop/loop.h without libuv, threads or sleep: a test turns it by hand.
 * Linked instead of loop.c. Pool work is done at once, its `done` comes in the next turn; a wake
 * runs in the next turn; a timer when fake_loop_advance passes it. Polls and signals do not exist.
 */
#ifndef SUPPORT_FAKE_LOOP_H
#define SUPPORT_FAKE_LOOP_H

#include "loop/loop.h"

/* One turn: wakes and work, soon tasks, last tasks. False: there was nothing to do. */
bool fake_loop_turn(struct loop *l);
/* Turns until there is nothing to do; CHECK after a hundred thousand. */
void fake_loop_settle(struct loop *l);
/* Let time pass, run due timers, settle. */
void fake_loop_advance(struct loop *l, uint64_t ms);
/* What is in the pool ends, told that it was cancelled. */
void fake_loop_cancel_work(struct loop *l);
/* Forget everything scheduled, as when the process dies. */
void fake_loop_kill(struct loop *l);

/* Says true: the next wake or work finds no memory. NULL: there is always some. */
extern bool (*fake_loop_starves)(void);

#endif
