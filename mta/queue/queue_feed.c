/* Recovered messages, and what came in before they were loaded, go to the scheduler in slices,
 * while the queue serves already: a million of them takes a second or two, and neither a probe nor
 * new mail may wait so long. */
#include "core/ticks.h"
#include "queue/queue_int.h"

#define SLICE_NS   UINT64_C(1000000) /* of one turn of the loop */
#define SLICE_STEP 32                /* messages between two looks at the clock */

static void
feed(void *ctx)
{
    struct queue *q = ctx;
    uint64_t end_ns = ticks_boot_ns() + SLICE_NS;

    while (q->failed == 0 && !q->releasing) {
        for (unsigned i = 0; i < SLICE_STEP; i++) {
            struct stored *s = msgindex_after(&q->index, q->feed_after);

            if (s == NULL || s->m.id > q->feed_last) {
                q->feed_after = UINT64_MAX;
                if (q->o.on_recovered != NULL) {
                    q->o.on_recovered(q->o.ctx);
                }
                return;
            }
            if (stored_is_part(s) && queue_part_found(q, s) < 0) {
                loop_call_soon(q->loop, &q->feed_task); /* without memory: in the next turn */
                return;
            }
            q->feed_after = s->m.id;
            if (!stored_is_part(s) && !s->told) {
                s->told = true;
                q->o.on_message(q->o.ctx, &s->m);
            }
        }
        if (ticks_boot_ns() >= end_ns) {
            loop_call_soon(q->loop, &q->feed_task);
            return;
        }
    }
}

void
queue_feed_begin(struct queue *q)
{
    q->feed_last = (uint64_t)q->epoch << QUEUE_ID_EPOCH_SHIFT | q->id_counter;
    loop_task_init(&q->feed_task, feed, q);
    loop_call_soon(q->loop, &q->feed_task);
}

void
queue_feed_stop(struct queue *q)
{
    if (q->feed_task.run != NULL) {
        loop_task_cancel(&q->feed_task);
    }
}
