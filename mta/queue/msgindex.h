/* queue/msgindex.h - the messages of the queue in memory: what COMMIT, OUTCOME and MARK records
 * say, taken together. Pure. One thread (the one that recovers, then the loop's).
 *
 * Memory    a message is one allocation: itself, its recipients, chunk list and strings. Replies
 *           are shared (msgindex_reply), since thousands wait for the same reason.
 * Order     by id, which is the order of arrival; found by binary search in a sorted array.
 */
#ifndef QUEUE_MSGINDEX_H
#define QUEUE_MSGINDEX_H

#include "core/list.h"
#include "core/map.h"
#include "queue/queue.h"
#include "queue/record.h"
#include "queue/state.h"

struct stored {
    struct queue_message m; /* first: the public face */
    uint64_t commit_lsn;
    struct list in_segment; /* of msgindex users: all whose COMMIT is in one segment */
    uint64_t *chunk_lsn;
    uint32_t *chunk_bytes;
    uint32_t chunk_count;
    uint16_t readers;
    bool moving;  /* its copy is in the journal, not yet durable */
    bool stays;   /* cannot be copied: compaction leaves it where it is */
    bool durable; /* its COMMIT is on disk: visible */
    bool told;    /* on_message was called */
    bool gone;    /* all recipients final; waits for its outcome's batch */
    bool lost;    /* gone is durable: freed when the last reader closes */
    bool damaged; /* some of its content is in a damaged or missing place */
};

static inline struct stored *
stored_of(struct queue_message *m)
{
    return (struct stored *)m;
}
static inline const struct stored *
stored_of_const(const struct queue_message *m)
{
    return (const struct stored *)m;
}

struct msgindex_entry {
    uint64_t id;
    struct stored *s; /* NULL: gone, until the next compaction */
};
struct msgindex {
    struct msgindex_entry *entries;     /* by id */
    size_t used, capacity, dead, first; /* entries before first are dead */
    size_t hint;                        /* where msgindex_after found the last one */
    struct map replies;
    uint32_t numbering, numbered; /* of replies, for a snapshot */
    struct state state;
    /* totals of the messages in it */
    uint64_t messages, recipients, held, in_doubt, bytes;
    uint64_t attempts;      /* recipients with one under way */
    uint32_t attempt_order; /* of the last ATTEMPT replayed */
};
void msgindex_init(struct msgindex *ix);
void msgindex_fini(struct msgindex *ix); /* frees the messages that are in it */

/* A message from a COMMIT payload. 0, -ENOMEM, BH_EDAMAGED (contradicts itself), BH_EFORMAT. */
int stored_new(struct stored **out, struct slice commit_payload, uint64_t commit_lsn) MUST_USE;
/* One of this size with nothing in it; its strings' bytes are to be put at *strings. */
struct stored_room {
    uint64_t strings;
    uint32_t recipients, chunks;
};
struct stored *stored_alloc(const struct stored_room *need, char **strings) MUST_USE;
/* Of the journal: its COMMIT record, about, whatever its state; and a record of so much content. */
uint64_t stored_commit_bytes(const struct stored *s);
static inline uint64_t
stored_chunk_bytes(uint32_t content_bytes)
{
    return record_padded(RECORD_HEADER_BYTES + CONTENT_PREFIX_BYTES + (uint64_t)content_bytes);
}
void stored_free(struct msgindex *ix, struct stored *s); /* not in the index */

/* 0, -ENOMEM, -EEXIST */
int msgindex_add(struct msgindex *ix, struct stored *s) MUST_USE;
/* Room for one more, so that the next msgindex_add cannot fail for want of memory. */
int msgindex_reserve(struct msgindex *ix, size_t more) MUST_USE;
void msgindex_remove(struct msgindex *ix, struct stored *s);
struct stored *msgindex_find(const struct msgindex *ix, uint64_t id);
struct stored *msgindex_after(const struct msgindex *ix, uint64_t id); /* the least id above */

/* All that is in older comes to ix, in which no reply and no setting is yet, and older is empty;
 * and room more messages can be added. 0; -ENOMEM; BH_EDAMAGED: an id is in both. Then nothing
 * happened. */
int msgindex_join(struct msgindex *ix, struct msgindex *older, size_t room) MUST_USE;

/* What an outcome entry or mark says becomes so. Totals follow while s is in the index.
 * BH_EDAMAGED: no such recipient or kind; -ENOMEM (the reply is then left out). Sets live_count. */
int msgindex_outcome(struct msgindex *ix, struct stored *s, const struct outcome_entry *e) MUST_USE;
bool msgindex_outcome_valid(const struct stored *s, const struct outcome_entry *e);
void msgindex_mark(struct msgindex *ix, struct stored *s, const struct mark *mark);
/* An attempt of this kind at one recipient begins, or (ATTEMPT_NONE) ends. BH_EDAMAGED: no such
 * recipient. Final ones and kinds of a later release: no effect. */
int msgindex_attempt(struct msgindex *ix, struct stored *s, uint32_t recipient, uint8_t kind,
    uint64_t transaction) MUST_USE;

/* Replies as a snapshot has them. Writing: each has a number since the last msgindex_renumber, from
 * 1 on; *fresh: it got it now. Reading: _new holds one (empty: no memory) until _drop; _share is
 * for a recipient. */
void msgindex_renumber(struct msgindex *ix);
uint32_t msgindex_reply_number(struct msgindex *ix, struct slice reply, bool *fresh);
struct slice msgindex_reply_new(struct msgindex *ix, struct slice text) MUST_USE;
struct slice msgindex_reply_share(struct slice reply) MUST_USE;
void msgindex_reply_drop(struct msgindex *ix, struct slice reply);

#endif
