/* queue/queue_load.h - what the journal of older epochs says, while the queue takes mail already:
 * docs/formats/journal.md section 6, steps 8 and 9. Not for others than the queue's files.
 *
 * Owns      table, index and thread of a load. Until the join, the queue's own have only what is of
 *           this epoch; nobody else sees what is being loaded.
 * Threads   queue_load_begin and _run in any one thread, the others on the loop.
 * Failure   of a load: the queue fails as after a failed write. What it took in is durable.
 */
#ifndef QUEUE_QUEUE_LOAD_H
#define QUEUE_QUEUE_LOAD_H

#include "queue/queue_int.h"
#include "queue/recover.h"

struct queue_load {
    struct queue *q;
    struct recovery r;
    struct segtab segments;
    struct msgindex index;
    struct transids transids;
    uint64_t previous_epoch, took_ms, quarantined;
    int status;
    char text[QUEUE_TEXT_CAP];
    _Atomic uint64_t read; /* bytes, of r.to_read */
    _Atomic bool stop, done;

    struct loop_wake *wake;
    pthread_t thread;
    bool started;
    struct loop_task task; /* in line: the load, then the join */
};

/* What counts, and where it ends: as recover_begin. load->r is for the SEAL then. */
int queue_load_begin(struct queue *q, const struct owner_record *last) MUST_USE;
/* After the SEAL: all the rest, into load->status; and what does not count is deleted. */
void queue_load_run(struct queue_load *load);
/* The same in a thread, and then queue_load_done. 0, or why there is no thread. */
int queue_load_start(struct queue *q) MUST_USE;
/* The loop has what was loaded, or fails: on_loaded is called, mail is fed. */
void queue_load_done(struct queue *q);
void queue_load_free(struct queue *q); /* waits for the thread */

#endif
