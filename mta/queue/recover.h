/* queue/recover.h - what the disk holds becomes a segment table and an index:
 * docs/formats/journal.md section 6. Changes nothing on disk. Blocking; one thread.
 *
 * Trusts nothing: any bytes in any file end in a result, a list of findings or an error.
 */
#ifndef QUEUE_RECOVER_H
#define QUEUE_RECOVER_H

#include "queue/msgindex.h"
#include "queue/record.h"
#include "queue/segment.h"
#include "queue/snapshot.h"

struct run;
struct recovery {
    /* in */
    const char *store;
    uint8_t uuid[16];
    uint64_t segment_bytes;
    uint64_t sealed_lsn; /* the last owner's, if it released; else 0 */
    /* Not in a read-only check: sync the last epoch's segments first, and read them past the page
     * cache. */
    bool sync_tail;
    bool use_snapshots;        /* else the whole journal is read */
    const _Atomic bool *stop;  /* true: give up, -ECANCELED; NULL: never */
    struct segtab *segments;   /* empty */
    struct msgindex *index;    /* empty */
    queue_finding_fn *finding; /* NULL: nobody listens */
    void *ctx;
    /* Now and then: bytes of segments read so far; NULL: nobody asks. */
    void (*progress)(void *ctx, uint64_t done);
    /* out, from recover_begin on */
    struct run *run; /* its own, until recover_load */
    /* What counts, for the next SEAL; malloced. A segment of the last epoch that is known to be
     * durable to its END has the length of a segment: there END says where it ends. */
    struct seal_entry *counting;
    uint32_t counting_count;
    uint64_t to_read;   /* bytes of snapshot and journal, about */
    uint64_t next_seq;  /* above all segments seen */
    uint32_t epoch;     /* the last sealed one; 0: none */
    uint32_t epoch_max; /* in any segment's name */
    uint64_t end_lsn;   /* where the journal of that epoch ends */
    /* out, from recover_load on */
    uint64_t records, replayed_segments, replayed_bytes, torn_bytes, late_bytes;
    uint64_t damaged; /* ranges, whole segments and messages */
    struct recover_stray {
        char name[SEGMENT_NAME_CAP];
        bool keep; /* it may be one that is missed: not to be deleted but set aside */
    } * strays;    /* segments that do not count: to be unlinked; malloced */
    uint32_t stray_count;
    uint64_t *missing; /* numbers of segments, in order: to be named until a repair; malloced */
    uint32_t missing_count;
    /* Snapshots that count, the newest first, but for unreadable ones: to be named behind the next
     * SEAL, all others to be deleted. */
    struct snapshot_ref snapshots[SNAPSHOT_REFS_MAX];
    uint32_t snapshot_count;
    struct snapshot_ref named[SNAPSHOT_REFS_MAX]; /* behind the SEAL of epoch: of older ones */
    uint32_t named_count;
    struct snapshot_ref used; /* the one that was loaded; epoch 0: none */
    uint64_t snapshot_bytes;  /* its size */
    struct recover_unreadable {
        struct snapshot_ref ref;
        int rc;
    } unreadable[SNAPSHOT_REFS_MAX + 1];
    uint32_t unreadable_count;
    char text[256]; /* with an error: what and where */
};
/* In two steps, so that whoever takes over can seal the journal, and take in mail, before he knows
 * all that it says: what counts and where it ends; then what it says, into segments and index,
 * which nobody else uses meanwhile. 0; -ENOMEM; -EIO and others of a read; BH_EFORMAT: a newer
 * release wrote it. Damage is no error. recover_load once, after recover_begin returned 0. */
int recover_begin(struct recovery *r) MUST_USE;
int recover_load(struct recovery *r) MUST_USE;
int recover_run(struct recovery *r) MUST_USE; /* both */
void recover_fini(struct recovery *r);        /* frees what was malloced */
/* I15, of a snapshot that is there, by what the journal says; after recover_begin. */
bool recover_snapshot_counts(const struct recovery *r, const struct snapshot_ref *ref);

/* The highest epoch in any segment's name, without opening one; 0: none. */
int recover_epoch_highest(const char *store, uint32_t *epoch) MUST_USE;

#endif
