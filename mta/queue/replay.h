/* queue/replay.h - one journal record's effect on the segment table and the index. Pure. The same
 * rules hold while the queue runs: what holds a segment is decided here only. */
#ifndef QUEUE_REPLAY_H
#define QUEUE_REPLAY_H

#include "queue/msgindex.h"
#include "queue/segment.h"

struct replay {
    struct segtab *segments;
    struct msgindex *index;
    uint64_t segment_bytes;
};

/* A record in segment `in`, its checksums good. 0; -ENOMEM; BH_EDAMAGED: it contradicts itself and
 * had no effect; BH_EFORMAT: of a newer release, and must be understood. */
int replay_record(struct replay *r, struct segment *in, const struct record_head *h,
    struct slice payload) MUST_USE;

/* Does content of s lie where it can: in the journal, before its commit, outside headers? */
bool replay_plausible(const struct replay *r, const struct stored *s);
/* The message that lives holds the segments of its content and commit. False: one of them is not
 * there (the others are held). */
bool replay_hold(struct replay *r, struct stored *s);
/* True: some segment holds nothing that lives any more. */
bool replay_let_go(struct replay *r, struct stored *s);
/* The same for a place where s was until its copy became durable: it is in no list there. */
bool replay_let_go_of(
    struct replay *r, const struct stored *s, uint64_t commit_lsn, const uint64_t *chunk_lsn);

#endif
