/* queue/recover_int.h - what the files of a recovery share: recover.c, which says what counts;
 * recover_read.c, which reads a segment; recover_snapshot.c, which begins it at a snapshot;
 * recover_findings.c. Not for others. */
#ifndef QUEUE_RECOVER_INT_H
#define QUEUE_RECOVER_INT_H

#include "queue/expected.h"
#include "queue/recover.h"
#include "queue/snapshot_load.h"

struct found { /* a segment's file */
    uint64_t seq, valid_bytes, size_bytes;
    uint32_t epoch;
    bool counts, sealed; /* sealed: valid_bytes are exact */
    bool complete;       /* of the last epoch, and durable to its END: a record behind it (I2), a
                            snapshot or the one who released says so */
    bool stranger;       /* its header is good, and of another store or place: never counts */
    int head_rc;
    enum bridgehead_finding fault; /* of a bad header */
    struct segment_head head;
};

/* One segment's bytes through a window that moves on. */
struct window {
    int fd;
    uint8_t *bytes;
    size_t capacity, filled, ahead; /* ahead: what is read at a time, at least */
    uint64_t at;
};

struct run {
    struct recovery *r;
    struct found *found;
    uint32_t count, capacity;
    struct seal_entry *seal; /* of the sealed epoch; NULL: its segment is gone or unreadable */
    uint32_t seal_count;
    bool seal_lost; /* there, but unreadable: older segments are read without it */
    struct snapshot_info looked[SNAPSHOT_REFS_MAX]; /* of r->snapshots: header and trailer */
    uint64_t from; /* position of the snapshot that was loaded; 0: none */
    struct window window;
    struct expected expected;  /* the segments that must be there */
    struct finding_kept *kept; /* findings so far: what was repaired is taken out again */
    uint32_t kept_count, kept_capacity;
    uint64_t missing_last; /* segment that was last told to be missing; 0: none */
};

struct finding_kept {
    struct queue_finding f; /* its file and detail are below */
    char file[SEGMENT_NAME_CAP], detail[96];
    uint64_t seq; /* of a segment; 0: of none */
};

/* recover_read.c */
struct cursor {
    const struct found *f;
    uint64_t offset, limit; /* bytes of the segment that may count */
    uint32_t seed;
};
enum look { LOOK_GOOD, LOOK_BAD_PAYLOAD, LOOK_BAD_HEADER, LOOK_LIMIT };
struct tail {          /* what lies behind the first record that does not validate */
    uint64_t good_end; /* end of the last good header found there */
    bool was_durable;
};
/* Writes to w; direct: past the page cache, where the recovery says so. */
int recover_window_open(
    struct window *w, const struct recovery *r, const struct found *f, bool direct) MUST_USE;
/* n bytes at offset, or fewer at the end of the file. */
int recover_window_get(
    struct window *w, uint64_t offset, size_t n, const uint8_t **out, size_t *got) MUST_USE;
struct cursor recover_cursor(const struct recovery *r, const struct found *f);
/* The record at the cursor: enum look. Negative: an error of reading. */
int recover_look(
    struct run *run, const struct cursor *c, struct record_head *h, const uint8_t **at) MUST_USE;
/* Says in r->text where. Returns rc. */
int recover_fail(struct run *run, const struct found *f, uint64_t offset, int rc, const char *what);
/* Behind a bad record at c: what is there, and does it prove that c had been durable? */
int recover_probe(struct run *run, struct cursor c, struct tail *t) MUST_USE;
/* Where the journal ends in a segment of the last epoch that is not complete: then it is as good as
 * sealed there. Reads from the last position that is known to be durable. */
int recover_find_end(struct run *run, struct found *f) MUST_USE;
/* All that a segment says, from the snapshot's position on. */
int recover_read(struct run *run, const struct found *f, struct segment *seg) MUST_USE;

/* recover_findings.c */
void recover_tell(struct run *run, const struct queue_finding *finding);
/* length 0: not known. */
void recover_report(struct run *run, const struct found *f, uint64_t offset, uint64_t length,
    enum bridgehead_finding kind, const char *detail);
/* What a REPAIRED record names is dealt with. 0, -ENOMEM, BH_EDAMAGED. */
int recover_settle(struct run *run, struct slice payload) MUST_USE;
void recover_report_missing(struct run *run, uint64_t seq);
/* The segment with the last byte that is known to be durable; 0: of none is. */
uint64_t recover_durable_seq(const struct run *run);
/* When all is read: what must be there and nobody has. 0 or -ENOMEM. */
int recover_missing(struct run *run) MUST_USE;
void recover_tell_all(struct run *run);

/* Does its epoch's owner say what he frees (journal.md section 6e)? */
static inline bool
recover_says_census(const struct found *f)
{
    return (f->head.flags & SEGMENT_FLAG_CENSUS) != 0;
}

/* recover_snapshot.c */
/* Which ones there are that count: r->snapshots, by header and trailer. What they say was durable
 * is evidence from then on. 0, -ENOMEM, or an error of reading the directory. */
int recover_look_for_snapshots(struct run *run) MUST_USE;
/* The newest of them that can be read, into table and index; without one run->from stays 0. Those
 * that cannot leave r->snapshots. 0, -ENOMEM, -ECANCELED. */
int recover_load_snapshot(struct run *run) MUST_USE;
/* Is all of this segment in the snapshot? */
static inline bool
recover_knows(const struct run *run, const struct found *f)
{
    return f->seq < run->from / run->r->segment_bytes;
}

#endif
