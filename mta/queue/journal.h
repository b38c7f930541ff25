/* queue/journal.h - the journal's end that is written: records gather into a batch, a thread writes
 * and syncs it, and what waited for it is told. docs/formats/journal.md sections 4 and 5.
 *
 * Owns      the writer thread, three batches, the position in the journal.
 * Threads   loop's thread, but for the writer's own code. The batch that gathers belongs to the
 *           loop from the first record of a turn to the turn's end, else to whoever holds the lock:
 *           so the writer takes the next batch by itself, without a round trip through the loop.
 * Failure   after the first failed write or sync nothing is written any more (I5); every later
 *           batch ends with the same code.
 */
#ifndef QUEUE_JOURNAL_H
#define QUEUE_JOURNAL_H

#include "loop/loop.h"
#include "queue/record.h"
#include "queue/segment.h"
#include "queue/space.h"

/* What waits for a batch. The journal only carries it. */
struct journal_wait {
    uint32_t kind;
    void (*cb)(void *ctx, int status);
    void *ctx;
    void *object;
};

struct journal_options {
    struct loop *loop;
    struct segtab *segments;
    struct space *space;
    const struct lease *lease;
    uint32_t epoch;
    uint64_t segment_bytes;
    /* The first segment: ready, its seal records durable up to first_offset. */
    struct segment *first;
    uint64_t first_offset, seal_lsn;
    /* For each wait of a batch, in order; on the loop. 0, or why its batch is not durable. */
    void (*on_done)(void *ctx, const struct journal_wait *w, int status);
    /* After all waits of finished batches: segments may have become closed, appenders may go on. */
    void (*on_turn)(void *ctx);
    void (*on_failure)(void *ctx, int rc); /* once */
    void *ctx;
    bool in_line; /* no thread: batches are written at the end of the turn (simulation) */
};

struct journal;
int journal_new(struct journal **out, const struct journal_options *o) MUST_USE;
/* Waits for the batch in hand; waits not yet told are told -ECANCELED. */
void journal_stop(struct journal *j);
void journal_free(struct journal *j);

struct journal_place {
    uint8_t *payload; /* to be filled before the next call of the journal: then its CRC is made */
    uint64_t lsn;
    struct segment *segment;
};
/* Room for a record in the gathering batch. 0; BH_ETOOBIG; -ENOMEM; or the failure. */
int journal_add(struct journal *j, enum record_type type, uint64_t payload_bytes,
    struct journal_place *out) MUST_USE;
/* Make the record that was just added one that says nothing. */
void journal_void(const struct journal_place *place);
/* The largest payload that journal_add takes. */
uint64_t journal_payload_max(const struct journal *j);
/* w is told when all that was added so far is durable. 0, -ENOMEM, or the failure. */
int journal_wait(struct journal *j, const struct journal_wait *w) MUST_USE;
/* The same where others may have reserved room for theirs: it stays. */
int journal_wait_beside(struct journal *j, const struct journal_wait *w) MUST_USE;
/* Room for n waits more: the next n calls of journal_wait in this turn cannot fail. */
int journal_reserve_waits(struct journal *j, uint32_t n) MUST_USE;
/* The waits with this cb and ctx are told no more: cb becomes NULL. */
void journal_forget(struct journal *j, void (*cb)(void *ctx, int status), void *ctx);
/* Ask those who add content to pause? */
bool journal_is_full(struct journal *j);
/* Everything that is added is durable, too. */
bool journal_is_idle(struct journal *j);
/* Where the next record goes; when idle: where the journal ends. */
uint64_t journal_position(struct journal *j);
/* Where the next record will stand: a place to read on from, once there is one. */
uint64_t journal_mark(struct journal *j);
struct segment *journal_segment(const struct journal *j);
struct segment *journal_next_segment(const struct journal *j);
/* The outside says stop (fence): as after a failed write. */
void journal_fail(struct journal *j, int rc);

struct journal_stats {
    uint64_t appended_bytes, syncs, batches;
    uint64_t oldest_sync_ms; /* ticks when the outstanding sync began; 0: none */
};
void journal_stats(struct journal *j, struct journal_stats *out);

#endif
