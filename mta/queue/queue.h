/* queue/queue.h - the durable message queue on the shared disk.
 *
 * Owns      the journal, its threads (writer; lease renewal), and the in-memory index.
 * Threads   call from the loop's thread only; callbacks run there too, never inside the call that
 *           asked for them.
 * Failure   after the first failed write or sync, or a lost lease or ownership, every call returns
 *           the same code, on_failure has run once, and the process must exit: fsync is never
 *           retried.
 * Rules     invariants in docs/formats/journal.md; ownership rules in design and docs there.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include "core/heap.h"
#include "core/list.h"
#include "core/map.h"
#include "loop/loop.h"
#include "mail/envelope.h"
#include "mail/transport.h"
#include "queue/finding.h"

#define QUEUE_ID_EPOCH_SHIFT 40
typedef uint64_t msg_id; /* epoch << 40 | counter; shown in hexadecimal */

struct queue;
struct queue_intake; /* a message being received */
struct queue_reader;

/* ---- what is in the index. Read by anyone on the loop's thread, changed only through the calls
 * below. */

enum recipient_state {
    RECIPIENT_QUEUED,
    RECIPIENT_DELIVERED,
    RECIPIENT_FAILED,
    RECIPIENT_EXPANDED,
    RECIPIENT_REMOVED
};

struct queue_recipient {
    struct slice address;
    struct slice orcpt;
    struct slice last_reply; /* of the last deferral or failure: "450 4.2.1 …"; empty at first */
    uint64_t next_wall_ms;   /* not before; 0: at once */
    uint16_t attempts;
    uint8_t state; /* enum recipient_state */
    uint8_t notify;
    bool in_doubt;   /* until it is delivered, fails, is removed or released */
    bool warned;     /* a delay DSN was sent */
    uint8_t attempt; /* enum queue_attempt_kind: under way; in a message just recovered: when the
                        last owner ended */
    uint64_t transaction; /* of the attempt under way, or that left it in doubt; 0: none */
};

/* What is written down before something is done with a message. docs/formats/journal.md 6a. */
enum queue_attempt_kind {
    ATTEMPT_NONE,     /* in a record: withdrawn */
    ATTEMPT_TRANSFER, /* its final dot may go out */
    ATTEMPT_READING   /* its content is read for a notice */
};
enum queue_hold { HOLD_NO, HOLD_OPERATOR, HOLD_POISON };

struct queue_message {
    msg_id id;
    struct slice sender;
    struct slice envid, client;
    struct slice transid; /* as it came in: see mail/envelope.h; empty: without one */
    uint64_t transid_bytes;
    uint64_t received_wall_ms;
    uint64_t size_bytes;
    uint32_t recipient_count, live_count; /* live: still RECIPIENT_QUEUED */
    uint8_t body, hops;
    uint8_t held;           /* enum queue_hold */
    uint8_t crashes;        /* in a row, with it in hand */
    uint32_t attempt_order; /* after recovery: greater is later; 0: none, or before a snapshot */
    void *sched;            /* the scheduler's own, NULL at first */
    struct queue_recipient *recipients;
};

/* ---- opening: claim, seal, recover (design section 6). */

/* An owner file has room for so much of a node's name, with its NUL. Valid: 1 byte or more and room
 * for all of it (what is cut off could be another node's name), without blanks. */
#define QUEUE_NODE_CAP 64
bool queue_node_valid(const char *node);

struct queue_fenced { /* what the cluster confirms: this owner is dead */
    const char *node; /* NULL: nothing confirmed */
    uint64_t epoch;
};
struct queue_claim;
struct queue_options {
    const char *path;
    const char *node;          /* this node's name in the cluster; "localhost" without one */
    const char *run_lock_path; /* the second lock, in the run directory; NULL: none (tests) */
    uint64_t reserve_bytes, lease_ms;
    uint64_t segment_bytes; /* only tests differ from the store's own */
    /* A snapshot is written when the journal has grown by so much since the last one, and by twice
     * its size; 0: only when asked. */
    uint64_t snapshot_bytes;
    uint32_t slack_segments; /* of the bound on disk use (journal.md section 7b); 0: the usual */
    /* Simulation: no threads, disk calls happen in the loop's turns; called to let ns pass. Else
     * NULL. */
    void (*in_line)(void *ctx, uint64_t ns);
    bool (*in_line_waits)(void *ctx); /* the load is not to go on in this turn; NULL: it is */
    struct queue_fenced fenced;
    bool whole_journal; /* use no snapshot: a repair wants to know of all damage */
    /* Each finding of the recovery, beside its event; from any thread. NULL: nobody asks. */
    queue_finding_fn *on_finding;
    /* A message became durable (after its commit callback), or was recovered: in turns of the loop
     * after opened. */
    void (*on_message)(void *ctx, struct queue_message *m);
    void (*on_recovered)(void *ctx); /* that was the last recovered one; NULL: nobody asks */
    /* With it, opened means that mail can be taken in. What older epochs left is loaded behind it;
     * until this runs, nothing of the queue can be seen or changed but by intakes, on_message
     * waits, and claim says nothing of what was loaded. status 0: all is there, before the first
     * on_message. <0: it cannot be loaded, the queue has failed, text says why and the cure (and
     * on_failure says nothing). NULL: opened means that all is there. */
    void (*on_loaded)(void *ctx, int status, const struct queue_claim *claim, const char *text);
    /* All its recipients are final, or it was removed: forget it; freed after this returns. */
    void (*on_gone)(void *ctx, struct queue_message *m);
    /* Disk space: below the reserve (new mail is refused) or above again. */
    void (*on_space)(void *ctx, bool low);
    /* Fail-stop: -EIO/-ENOSPC of a write or sync, BH_EFENCED. Once. */
    void (*on_failure)(void *ctx, int rc);
    void *ctx;
};
struct queue_claim { /* how it became ours: for the failover report */
    uint64_t epoch, previous_epoch;
    char previous_node[QUEUE_NODE_CAP];
    char cause[32]; /* "first", "released", "dead", "same-node", "fenced", "lease" */
    /* phases; replay: until the journal's end is known. load: after the seal, beside new mail */
    uint64_t lock_ms, claim_ms, wait_ms, replay_ms, seal_ms, load_ms;
    uint64_t messages, recipients, replayed_bytes, torn_bytes, late_bytes;
    uint64_t replayed_segments;
    uint64_t late_segments; /* that a stale owner made after the seal */
    uint64_t in_hand;       /* recipients with an attempt under way when the last owner ended */
    uint64_t quarantined;
    uint64_t snapshot_bytes; /* of the one that was read; 0: there was none */
    uint64_t snapshot_position, snapshots_unreadable;
};
/* Runs in a thread of its own, so that probes are answered meanwhile (a lease wait may take
 * seconds). cb(ctx, status, q, claim): 0; BH_ENOSTORE, BH_EOWNED, BH_EFORMAT, BH_EDAMAGED, -EIO,
 * -EACCES …; text says what and the cure. */
typedef void queue_open_fn(
    void *ctx, int status, struct queue *q, const struct queue_claim *claim, const char *text);
struct queue_opening;
int queue_open(struct queue_opening **out, struct loop *l, const struct queue_options *o,
    queue_open_fn *cb, void *ctx) MUST_USE;
void queue_open_cancel(struct queue_opening *o);

/* Planned end: write what is pending, seal, RELEASED, give the locks back. No call afterwards
 * except queue_free from cb. Intakes and readers must be closed or aborted before. While the queue
 * is loading, it waits for that; if it fails, on_loaded says so and cb is not called. */
typedef void queue_done_fn(void *ctx, int status);
int queue_release(struct queue *q, queue_done_fn *cb, void *ctx) MUST_USE;
void queue_free(struct queue *q);

/* Ownership is gone or quorum is lost: acknowledge nothing more. fence: for ever (rc becomes the
 * failure). */
void queue_fence(struct queue *q, int rc);
/* May something go out that another owner must not send as well (final dot)? 0 or BH_EFENCED. A
 * clock read, no I/O. */
int queue_lease_check(const struct queue *q) MUST_USE;

/* ---- intake. */
/* May size_bytes come in? 0, -ENOSPC (reserve in use), or the failure. */
int queue_ready(const struct queue *q, uint64_t size_bytes) MUST_USE;
/* The store's uuid as text. */
void queue_store_uuid(const struct queue *q, char out[37]);
/* resume(ctx) after queue_append returned 1. */
int queue_begin(
    struct queue *q, loop_fn *resume, void *ctx, struct queue_intake **out, msg_id *id) MUST_USE;
/* Before the first queue_append, for a message that comes back (queue import): may it have its old
 * id again? Only one of an earlier epoch that no message has; the caller sees to it that no two
 * intakes ask for the same. False: it keeps the new one. */
bool queue_intake_again(struct queue_intake *in, msg_id id);
int queue_append(
    struct queue_intake *in, struct slice bytes) MUST_USE; /* copied; 0, 1 (pause), or <0 */
/* Consumes in. Returns 0 and cb(ctx, status) exactly once; or <0 and cb never.
 * status 0: content and commit record are on disk under our epoch and valid lease: acknowledge. */
int queue_commit(
    struct queue_intake *in, const struct envelope *e, queue_done_fn *cb, void *ctx) MUST_USE;
void queue_abort(struct queue_intake *in);

/* Parts: what came of a long message survives its sender's and our own misfortunes (journal.md
 * section 6g). A part is no message: queue_find and queue_after pass it by. What may be lost with
 * one is only the work of sending its octets again. */
/* cb(ctx, 0): what was appended so far is durable under in's id, with key (whose it is) and state
 * (what is needed to go on), both at most 64 KiB; it takes the place of what was secured before.
 * The intake goes on: queue_commit makes the message of it, queue_abort forgets it. May be called
 * again before cb. Errors as queue_commit's, but the intake stays. */
int queue_secure(struct queue_intake *in, struct slice key, struct slice state, queue_done_fn *cb,
    void *ctx) MUST_USE;
/* Ends the intake; what was secured waits for queue_reopen, here or with the next owner. */
void queue_suspend(struct queue_intake *in);
/* Are those of the last owner known? False for a short while after a start. */
bool queue_parts_known(const struct queue *q);
/* Those that wait, by id; 0: the first. sender is the key, envid the state; content can be read as
 * any message's. */
const struct queue_message *queue_part_after(const struct queue *q, msg_id id);
/* Go on with it: the next byte is that at its size_bytes. BH_ENOTFOUND; BH_EBUSY: it is being
 * moved, soon again; BH_EDAMAGED; else as queue_begin. */
int queue_reopen(
    struct queue *q, msg_id id, loop_fn *resume, void *ctx, struct queue_intake **out) MUST_USE;
/* Nobody will go on with it. */
void queue_part_drop(struct queue *q, msg_id id);

/* Did a transaction of this name (envelope.transid) come before? DONE: it is durable under our
 * ownership, *id and *size_bytes are set. Remembered while its message is in the queue, and for
 * the last thousands that left it and were not settled. A second queue_commit with its name fails:
 * -EEXIST. */
enum queue_transaction { TRANSACTION_NEW, TRANSACTION_BUSY, TRANSACTION_DONE };
enum queue_transaction queue_transaction_find(
    const struct queue *q, struct slice name, msg_id *id, uint64_t *size_bytes);
/* Its client knows, and will not ask again: it need not be remembered beyond its message. */
void queue_transaction_settled(struct queue *q, struct slice name);
/* Was the address among those that it was accepted for? */
bool queue_transaction_has(const struct queue *q, struct slice name, struct slice address);
void queue_forget(struct queue *q, queue_done_fn *cb, void *ctx);

/* ---- delivery. */
int queue_reader_open(
    struct queue *q, const struct queue_message *m, struct queue_reader **out) MUST_USE;
/* Before the first queue_reader_next: begin with the piece that has the byte at offset, without
 * reading those before it. Returns how far in that piece it is (beyond the end: how far beyond). */
uint64_t queue_reader_seek(struct queue_reader *r, uint64_t offset);
/* >0: *out has that many bytes (valid until the next call), checksum verified; 0: end; BH_EBUSY:
 * ready(ctx) runs when to call again; BH_EDAMAGED, -EIO. First tries without blocking (page cache),
 * then in the pool. */
int queue_reader_next(
    struct queue_reader *r, struct slice *out, loop_fn *ready, void *ctx) MUST_USE;
void queue_reader_close(struct queue_reader *r);

struct queue_outcome {
    uint32_t recipient; /* index */
    enum outcome_kind kind;
    uint64_t next_wall_ms; /* DEFERRED */
    struct slice reply;
    bool in_doubt; /* false does not end a doubt of before, but for `settled` */
    bool settled;  /* DEFERRED by an operator: no attempt, and no doubt any more */
    bool answered; /* DEFERRED by a peer who knows the transaction that was in doubt */
    bool untried;  /* DEFERRED without having asked the peer: no attempt */
};
/* Applied to the index at once, durable with the next batch. count > 0. Ordered after everything
 * queued before it in the journal: a DSN committed first is durable no later than the failure it
 * reports. */
int queue_record(struct queue *q, struct queue_message *m, const struct queue_outcome *outcomes,
    uint32_t count) MUST_USE;
/* Before the final dot, and as soon as a try is certain: cb(ctx, 0) when it is on disk that these
 * recipients are being tried (I14); an outcome of theirs, or queue_withdraw, ends it. count > 0. 0
 * and cb exactly once, later (but see queue_forget); or <0 and cb never. cb NULL: nobody waits.
 * transaction: stays with those who are left in doubt, so that they can be asked for by that
 * number; 0: none. */
int queue_attempt(struct queue *q, struct queue_message *m, const uint32_t *recipients,
    uint32_t count, enum queue_attempt_kind kind, uint64_t transaction, queue_done_fn *cb,
    void *ctx) MUST_USE;
/* A number that this store never gave out before. */
uint64_t queue_transaction_new(struct queue *q);
/* No dot went out and there is no outcome: with the next batch. */
int queue_withdraw(
    struct queue *q, struct queue_message *m, const uint32_t *recipients, uint32_t count) MUST_USE;
/* How often in a row the server died with m in hand; an outcome sets it to 0. */
int queue_set_crashes(struct queue *q, struct queue_message *m, uint8_t crashes) MUST_USE;
int queue_set_held(struct queue *q, struct queue_message *m, enum queue_hold held) MUST_USE;
int queue_set_next(struct queue *q, struct queue_message *m,
    uint64_t next_wall_ms) MUST_USE; /* all live recipients: operator's retry */
int queue_set_warned(struct queue *q, struct queue_message *m) MUST_USE;
/* Settings that move with the queue, small and few. Unset: empty. Durable with the next batch;
 * BH_ETOOBIG: a few hundred keys of 128 bytes with 1024 are meant. Those that begin with "transid/"
 * are the queue's own. */
int queue_state_set(struct queue *q, struct slice key, struct slice value) MUST_USE;
struct slice queue_state_get(const struct queue *q, struct slice key);
/* cb when everything recorded so far is durable. */
int queue_sync(struct queue *q, queue_done_fn *cb, void *ctx) MUST_USE;

/* Write a snapshot, if recovery would have to read more than min_bytes of journal beside the one
 * there is: so that the next owner needs no time. 0: cb(ctx, status) when it is there, or could not
 * be written (nothing is lost then), unless queue_release or queue_free come first; 1: not needed,
 * cb is not called; <0: cannot. One at a time: BH_EBUSY. */
int queue_snapshot(struct queue *q, uint64_t min_bytes, queue_done_fn *cb, void *ctx) MUST_USE;

/* ---- looking. In the order of arrival. */
struct queue_message *queue_find(const struct queue *q, msg_id id);
struct queue_message *queue_after(const struct queue *q, msg_id id); /* 0: the first */

struct queue_stats {
    uint64_t messages, recipients, held, in_doubt, bytes; /* bytes: content of live messages */
    uint64_t oldest_wall_ms;
    uint64_t segments, journal_bytes, free_bytes;
    /* Of journal_bytes, what messages that live need (journal.md section 7b); copied so far to let
     * the rest go; segments that stay for damage alone. */
    uint64_t live_bytes, copied_bytes, compaction_blocked;
    bool compacting;
    uint64_t appended, syncs, batches, committed; /* counters */
    uint64_t oldest_sync_ms;                      /* age of the outstanding sync; 0: none */
    uint64_t first_commit_wall_ms;                /* of this epoch; 0: there was none yet */
    uint64_t quarantined;
    uint64_t snapshot_bytes, tail_bytes; /* what recovery would read now: snapshot, journal */
    bool space_low;
    bool loading; /* of all above, only what came in since is counted */
    uint64_t loaded_percent;
    uint64_t epoch, lease_left_ms;
};
void queue_stats(const struct queue *q, struct queue_stats *out);
/* Is what older epochs left there? Until then what needs it is answered with BH_EBUSY. */
bool queue_is_loaded(const struct queue *q);
const struct queue_claim *queue_claim_info(const struct queue *q);

/* ---- without a daemon: the `store` commands, and bridgeheadd --release. Blocking; any thread. */
/* Make a store in an existing, empty directory. uid, gid: its owner. -EEXIST: there is one. */
int queue_store_init(const char *path, uint64_t segment_bytes, uint32_t uid, uint32_t gid,
    char *text, size_t cap) MUST_USE;
struct queue_owner {
    char uuid[37], node[QUEUE_NODE_CAP], boot_id[64],
        state[16]; /* state: "active", "released", "dead", "none" */
    uint64_t epoch, lease_ms, counter;
    bool locked; /* a live process holds LOCK */
};
int queue_store_owner(const char *path, struct queue_owner *out, char *text, size_t cap) MUST_USE;
/* After a crash, on the node and boot of the dead owner: RELEASED cannot be proved, so mark DEAD.
 * Only when both locks are free. 0 (also when there is nothing to do), BH_EOWNED, BH_ENOSTORE … */
int queue_store_release(
    const char *path, const char *run_lock_path, const char *node, char *text, size_t cap) MUST_USE;

#endif
