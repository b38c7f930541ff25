/* queue/snapshot_make.h - writing a snapshot while the queue serves: docs/formats/journal.md
 * section 6c.
 *
 * Owns      a thread while one is being made, so that neither the loop nor the journal's writer
 *           waits for it; one block of memory that goes back and forth between loop and thread.
 * Threads   loop; the file is the thread's.
 * Failure   the snapshot is given up, with an event. Never the queue's failure.
 */
#ifndef QUEUE_SNAPSHOT_MAKE_H
#define QUEUE_SNAPSHOT_MAKE_H

#include "queue/queue.h"
#include "queue/snapshot.h"

struct snapshot_make;

/* What the queue remembers between two. Zeroed at first. */
struct snapshot_state {
    struct snapshot_make *make;                  /* NULL: none is being made */
    struct snapshot_ref kept[SNAPSHOT_REFS_MAX]; /* that count, the newest first */
    uint32_t kept_count;
    uint64_t tail_bytes; /* of the journal that recovery read when this epoch began */
    uint64_t mark_bytes; /* of tail and what was appended since, as the last one began */
    uint64_t last_bytes; /* size of the last one */
    uint64_t idle_mark;  /* where the journal stands as long as nothing was said since the newest */
};

/* 0, or -ENOMEM, -EAGAIN (no thread), the queue's failure. cb may be NULL. */
int snapshot_make_begin(struct queue *q, queue_done_fn *cb, void *ctx) MUST_USE;
/* Who asks while one is being made waits for that one. 0 or BH_EBUSY: another waits already. */
int snapshot_make_join(struct queue *q, queue_done_fn *cb, void *ctx) MUST_USE;
/* Would recovery read more than that beside the newest one? */
bool snapshot_make_needed(const struct queue *q, uint64_t tail_bytes);
/* So much journal would be read beside the newest snapshot. */
uint64_t snapshot_make_tail(const struct queue *q);
/* At the end of the journal's turn: begin one if it is time. */
void snapshot_make_turn(struct queue *q);
/* The queue was woken: the thread may have done what it was told. */
void snapshot_make_wake(struct queue *q);
/* Give up what is being made; its cb is not called. Waits for the thread. Any thread, once the
 * loop leaves it alone. */
void snapshot_make_stop(struct queue *q);

#endif
