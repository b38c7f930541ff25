/* queue/queue_int.h - what the files of the queue share: queue.c (intake, outcomes, looking),
 * queue_open.c (claim), queue_seal.c, queue_load.c (what the last owner left), queue_release.c,
 * queue_read.c (content out). Not for others. */
#ifndef QUEUE_QUEUE_INT_H
#define QUEUE_QUEUE_INT_H

#include "queue/journal.h"
#include "queue/msgindex.h"
#include "queue/owner_file.h"
#include "queue/queue.h"
#include "queue/replay.h"
#include "queue/snapshot_make.h"
#include "queue/transid.h"
#include <pthread.h>

#define QUEUE_TEXT_CAP 512

enum wait_kind {
    WAIT_COMMIT,
    WAIT_PART,
    WAIT_GONE,
    WAIT_CALL,
    WAIT_COMPACT,
    WAIT_STATE,
    WAIT_CENSUS
};

/* What compact.c is at. */
struct compaction {
    uint64_t seq;        /* the segment in hand, or the next one */
    uint32_t guest;      /* in its guests */
    bool active;         /* in a round */
    bool waiting;        /* for a batch to be durable */
    bool reading;        /* for the pool */
    bool wanted;         /* something became free or dead: is a round due? */
    uint64_t closed_seq; /* the newest full segment that this was asked for */
    uint64_t resume_at; /* not before so much is dead: the last round did not free what it should */
    uint64_t freed,
        gain;          /* of the last round: what was to go, and that less what it was to write */
    uint64_t appended; /* by it so far, with what is unused behind an END, … */
    uint32_t pieces;   /* … in so many batches; … */
    uint64_t piece_at; /* … and where the journal stood at the last one */
    struct stored *s;  /* the message that is being copied, … */
    struct queue_reader *reader;
    uint64_t *chunk_lsn; /* … and where its chunks are so far */
    uint32_t chunk_count;
    struct list moves; /* what is not durable yet */
    /* for queue_stats */
    uint64_t copied_bytes, blocked;
};

/* The thread that renews the lease, and all it touches. */
struct renewal {
    const char *store;
    struct owner_file owner;
    struct lease lease;
    struct loop_wake *wake; /* when failure is set */
    _Atomic int failure;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool started, stop;
};

#define INTAKE_CHUNKS_INSIDE 2 /* most messages are smaller than that */
struct queue_intake {
    struct queue *q;
    msg_id id;
    loop_fn *resume;
    void *ctx;
    struct list paused;
    struct part *part; /* what of it is secured, or on its way to that; NULL: nothing */
    uint8_t *stage;
    size_t staged, stage_capacity;
    struct commit_chunk *chunks, inside[INTAKE_CHUNKS_INSIDE];
    uint32_t chunk_count, chunk_capacity;
    uint64_t size_bytes;
    int failed; /* of an append: the commit fails, too */
};

/* A message that is secured in part (journal.md section 6g). */
struct part {
    struct list link;
    msg_id id;
    struct stored *now;      /* the durable one, in the index; NULL: not yet */
    struct queue_intake *in; /* that goes on with it; NULL: it waits */
    uint64_t commit_lsn;     /* of the COMMIT or COPIED_COMMIT that was appended last */
    uint32_t pending;        /* of those, not yet told */
    bool whole;              /* the message itself is on its way to the disk */
    bool dropped;            /* to be forgotten, as soon as that can be written down */
};

struct queue_load;
struct recovery;

#define READER_BUFFERS 64
struct queue {
    struct loop *loop;
    struct queue_options o;
    char store[STORE_PATH_CAP], run_lock[STORE_PATH_CAP], node[OWNER_NODE_CAP];
    struct store_head head;
    uint32_t epoch;
    uint64_t segment_bytes, id_counter;
    struct segtab segments;
    struct msgindex index;
    struct replay replay;
    struct transids transids;
    struct space *space;
    struct journal *journal;
    struct renewal renewal;
    int lock_fd, run_fd;
    struct queue_claim claim;
    struct segment *first; /* between opening and journal_new */
    uint64_t first_offset, seal_lsn;

    /* Until what older epochs left is loaded (queue_load.c): segments and index have only what is
     * of this one, and nothing is freed, copied, told or written down but new mail. NULL: it is. */
    struct queue_load *load;

    struct loop_wake *wake; /* news from the space and renewal threads */
    struct list paused;     /* intakes that wait to resume */
    struct list parts;
    uint64_t commits_pending, committed, first_commit_wall_ms;
    struct compaction compaction;
    struct snapshot_state snapshots;
    struct loop_task feed_task; /* recovered messages to on_message, and new ones that waited */
    uint64_t feed_after;        /* id of the last one */
    uint64_t feed_last;         /* what is above was told when it was committed */
    bool low, is_short, reap_wanted, releasing;
    struct list dying; /* dead segments (by job), until a durable CENSUS leaves them out (I16) */
    bool census_waits; /* for such a CENSUS: what dies meanwhile waits for the next one */
    uint64_t *missing; /* numbers of segments that must be there and are not; malloced */
    uint32_t missing_count;
    bool release_waits; /* for the load */
    int failed;

    uint8_t *buffers[READER_BUFFERS]; /* of readers, unused */
    uint32_t buffer_count;

    /* release */
    queue_done_fn *release_cb;
    void *release_ctx;
    struct loop_task release_task;
    struct loop_work release_work;
    uint64_t sealed_lsn;
    int release_rc;
};

/* queue.c */
void queue_start_serving(struct queue *q); /* dead segments of the recovery */
void queue_reap(struct queue *q);
void queue_on_wake(void *ctx);
void queue_on_done(void *ctx, const struct journal_wait *w, int status);
void queue_on_turn(void *ctx);
void queue_on_failure(void *ctx, int rc);
void queue_message_unused(struct queue *q, struct stored *s); /* last reader closed, or lost */

/* A record in `in` speaks about the COMMIT at this place: remember what it depends on (I7). */
void queue_depend(struct queue *q, struct segment *in, uint64_t commit_lsn);

/* queue_intake.c */
struct queue_intake *queue_intake_new(struct queue *q, loop_fn *resume, void *ctx) MUST_USE;
void queue_intake_free(struct queue_intake *in);
int queue_intake_chunk_room(struct queue_intake *in, uint32_t more) MUST_USE;
/* What was appended so far, as a message with this envelope; wait is told when it is durable, and
 * the message is its object. in stays. */
int queue_intake_put(
    struct queue_intake *in, const struct envelope *e, const struct journal_wait *wait) MUST_USE;

/* queue_part.c */
static inline bool
stored_is_part(const struct stored *s)
{
    return s->m.body == ENVELOPE_PART;
}
struct part *queue_part_find(const struct queue *q, msg_id id);
int queue_part_found(struct queue *q, struct stored *s) MUST_USE; /* by recovery; -ENOMEM */
/* s, of a part's id, is durable (or status says that nobody knows): it takes the place of what was
 * before. */
void queue_part_replaced(struct queue *q, struct stored *s, int status);
void queue_part_forget(struct queue *q, struct part *p); /* no intake has it */
void queue_parts_turn(struct queue *q);                  /* what could not be forgotten before */
void queue_parts_free(struct queue *q);

/* queue_feed.c */
void queue_feed_begin(struct queue *q);
void queue_feed_stop(struct queue *q);

/* queue_state.c */
/* Say again what stands in seg, so that it can go. */
void queue_state_refresh(struct queue *q, const struct segment *seg);

/* compact_choose.c. What a round is to do with a segment (segment.wanted). */
enum { WANTED_NO, WANTED_COPY, WANTED_RETIRE };
/* Is a round due, and does one pay? If so its segments are marked. */
uint64_t queue_compact_piece_bytes(const struct queue *q);
bool queue_compact_choose(struct queue *q) MUST_USE;
/* All segments' bytes on disk; *live: what of them messages that live need. */
uint64_t queue_journal_bytes(const struct queue *q, uint64_t *live);
/* What closed segments may take before a round of compaction is due. */
uint64_t queue_compact_bound(const struct queue *q, uint64_t live);

/* compact.c */
void queue_compact(struct queue *q);               /* at the end of a turn: begin, or go on */
void queue_compacted(struct queue *q, int status); /* what it appended is durable, or never */
void queue_compact_stop(struct queue *q);          /* gives up the message in hand */
void queue_compact_fini(struct queue *q);
/* Where the chunk of a message that is moving can be read. */
uint64_t queue_moving_chunk(const struct queue *q, const struct stored *s, uint32_t chunk);

/* queue_seal.c: the first segment of our epoch, with the SEAL of what counts. Durable on return. */
int queue_seal(struct queue *q, const struct recovery *r) MUST_USE;

/* queue_transid.c */
/* From what was loaded, into an empty table. 0, -ENOMEM. */
int queue_transid_load(
    struct transids *into, const struct msgindex *ix, uint64_t segment_bytes) MUST_USE;
/* 0: *out is pending, or NULL without a TRANSID. -EEXIST, -ENOMEM, BH_ETOOBIG. */
int queue_transid_begin(
    struct queue *q, msg_id id, const struct envelope *e, struct transid **out) MUST_USE;
void queue_transid_committed(struct queue *q, const struct queue_message *m, int status);
/* Before the outcome that makes it leave. */
int queue_transid_say(struct queue *q, const struct queue_message *m) MUST_USE;
void queue_transid_gone(struct queue *q, const struct queue_message *m);

/* queue_open.c */
int renewal_step(struct renewal *r);
void renewal_stop(struct renewal *r);

/* queue_read.c */
void queue_buffers_free(struct queue *q);
/* Go on with this chunk; not while the reader is busy. */
void queue_reader_chunk(struct queue_reader *r, uint32_t chunk);
/* The queue goes while r's read may be in the pool: it frees itself. */
void queue_reader_orphan(struct queue_reader *r);

/* queue_store.c */
void store_uuid_text(const uint8_t uuid[16], char out[37]);
int store_read(const char *path, struct store_head *head, char *text, size_t cap) MUST_USE;
/* Why the store at path cannot be used: what met rc. Where an account may not, the cure is whose
 * the store has to be. */
void store_failure_text(
    char *out, size_t cap, const char *path, int rc, const char *what, const char *cure);
/* 0 and *fd; BH_EOWNED: another holds it. flags: O_CREAT for the server alone, who must be able to
 * open the file again: what an operator's command makes is root's. */
int store_lock(const char *path, int flags, int *fd) MUST_USE;
/* A segment goes to quarantine/. Where that fails it stays, and is a stray of the next start. */
void store_set_aside(const char *path, const char *segment);
/* Does what a repair set aside wait for an operator? */
bool store_quarantine_holds(const char *path);
int store_boot_id(char out[OWNER_BOOT_ID_CAP]) MUST_USE;

#endif
