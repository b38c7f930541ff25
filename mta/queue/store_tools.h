/* queue/store_tools.h - looking at a store without a daemon: check, stat, dump. They change nothing
 * and take no lock; beside a running daemon what they tell may be of two moments.
 *
 * Threads   blocking; any one thread.
 * Failure   BH_ENOSTORE, BH_EFORMAT, BH_EDAMAGED (STORE itself), -EIO, -EACCES ...; text says what,
 *           and the cure.
 */
#ifndef QUEUE_STORE_TOOLS_H
#define QUEUE_STORE_TOOLS_H

#include "queue/finding.h"
#include "queue/record.h"

struct store_look {
    const char *path;
    queue_finding_fn *finding; /* NULL: nobody listens */
    /* Bytes looked at and in all, now and then; NULL: nobody asks. */
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
    char text[512]; /* out, with an error */
};

/* ---- check: every file, every record, every reference, and whether snapshots say the same. */
struct store_totals {
    uint64_t segments, records, messages, recipients, bytes, torn_bytes, late_bytes;
    uint64_t damaged; /* findings that are damage */
    uint64_t snapshots;
};
int store_check(struct store_look *l, struct store_totals *out) MUST_USE;

/* ---- stat: what is where. */
struct store_owner_stat {
    char uuid[37], node[64], boot_id[64], state[16];
    uint64_t epoch, lease_ms, claimed_wall_ms;
    bool locked;
};
struct store_segment_stat {
    uint64_t seq, size_bytes, valid_bytes, live_bytes;
    uint32_t epoch, live_records, needs; /* needs: older segments that it has to outlive */
    bool damaged;
    const char *name; /* valid in the call */
};
struct store_stat {
    struct store_owner_stat owner;
    struct store_totals totals;
    uint64_t segment_bytes, created_wall_ms, journal_bytes, live_bytes, reserve_bytes, free_bytes;
    uint64_t held, in_doubt, oldest_wall_ms;
    uint32_t epochs; /* with segments */
};
typedef void store_segment_fn(void *ctx, const struct store_segment_stat *s);
struct store_snapshot_stat {
    const char *name; /* valid in the call */
    uint64_t position,
        through; /* all before position is in it; all that it says lay before through */
    uint64_t size_bytes, messages, recipients, created_wall_ms; /* 0 where it cannot be read */
    uint32_t epoch;
    bool counts, good; /* counts: a takeover may begin at it; good: whole, and it says what is so */
};
typedef void store_snapshot_fn(void *ctx, const struct store_snapshot_stat *s);
/* each(l->ctx, segment) in order of seq; snapshot(l->ctx, ...) the newest first, before them. */
int store_stat(struct store_look *l, struct store_stat *out, store_segment_fn *each,
    store_snapshot_fn *snapshot) MUST_USE;

/* ---- dump: records as they stand there. */
struct store_dump_filter {
    uint64_t seq, from_lsn, to_lsn; /* seq 0: all; to_lsn 0: to the end */
    uint64_t id;                    /* records that name this message; 0: all */
};
struct store_record {
    const char *segment;
    uint64_t offset, lsn;
    bool header_valid, payload_valid;
    /* With a bad header: the rest of the segment's file, of which nothing can be said but whether
     * a record follows in it. If none does it is no damage: a torn tail, or what the file had in
     * its life before. */
    uint64_t length;
    bool followed;
    struct record_head head;
    struct slice payload; /* valid in the call; empty if the header is bad */
};
/* Returns false to stop. */
typedef bool store_record_fn(void *ctx, const struct store_record *r);
/* The segments' headers that do not validate are findings. */
int store_dump(
    struct store_look *l, const struct store_dump_filter *filter, store_record_fn *each) MUST_USE;

#endif
