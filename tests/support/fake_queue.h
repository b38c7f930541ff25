/* support/fake_queue.h - a queue in memory, with the calls of queue/queue.h that sched/ uses.
 *
 * Linked into a test in place of mta/queue. What it is told stays checkable: an outcome for a
 * recipient that is final already, or a call with a message that is gone, is a violation.
 */
#ifndef SUPPORT_FAKE_QUEUE_H
#define SUPPORT_FAKE_QUEUE_H

#include "queue/queue.h"

#define FAKE_JOURNAL_MAX 4096

struct fake_wait;

struct queue {
    struct queue_message **messages; /* id - 1; NULL: gone */
    uint64_t count, capacity, live;
    void (*on_gone)(void *ctx, struct queue_message *m);
    void *ctx;
    uint64_t violations;
    uint64_t outcomes[8];               /* by enum outcome_kind */
    uint64_t in_doubt, warned, readers; /* readers open now */
    int record_rc, attempt_rc, lease_rc, reader_rc;
    bool late_gone; /* on_gone by fake_queue_reap, not inside queue_record */
    bool stalled;   /* no attempt becomes durable */
    bool busy;      /* each piece of content needs a ready call */
    size_t piece_bytes;
    struct queue_reader *waiting; /* for fake_queue_ready */
    /* What went to the journal, in order: 'n' a notice (fake_queue_note), 'f' 'd' 'D' ... */
    char journal[FAKE_JOURNAL_MAX];
    size_t journal_count;
    struct fake_wait *attempts; /* for fake_queue_sync */
    uint64_t attempted, withdrawn, transactions;
    struct queue_message **gone;
    size_t gone_count, gone_capacity;
};

struct queue *fake_queue_new(void);
void fake_queue_free(struct queue *q); /* messages left are freed without on_gone */
/* A message with `count` recipients; sched_add is the caller's. */
struct queue_message *fake_queue_put(struct queue *q, const char *sender, const char *const *rcpts,
    uint32_t count, uint64_t received_wall_ms);
void fake_queue_content(struct queue *q, struct queue_message *m, struct slice content);
void fake_queue_note(struct queue *q, char what);
void fake_queue_reap(struct queue *q);
bool fake_queue_sync(struct queue *q);  /* attempts are durable; false: there was none */
bool fake_queue_ready(struct queue *q); /* call one waiting ready; false: none */

#endif
