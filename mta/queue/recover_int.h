/* queue/recover_int.h - what the files of a recovery share: recover.c, and recover_snapshot.c,
 * which begins it at a snapshot. Not for others. */
#ifndef QUEUE_RECOVER_INT_H
#define QUEUE_RECOVER_INT_H

#include "queue/census.h"
#include "queue/recover.h"

struct found { /* a segment's file */
    uint64_t seq, valid_bytes, size_bytes;
    uint32_t epoch;
    bool counts, sealed; /* sealed: valid_bytes are exact */
    bool complete;       /* of the last epoch, and a record behind it proves it durable (I2) */
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
    uint64_t from;  /* position of the snapshot that was loaded; 0: none */
    struct window window;
    struct census census;      /* known: it is the journal's last word */
    struct finding_kept *kept; /* findings so far: what was repaired is taken out again */
    uint32_t kept_count, kept_capacity;
    uint64_t missing_last; /* segment that was last told to be missing; 0: none */
};

struct finding_kept {
    struct queue_finding f; /* its file and detail are below */
    char file[SEGMENT_NAME_CAP], detail[96];
    uint64_t seq; /* of a segment; 0: of none */
};

/* recover_findings.c */
void recover_tell(struct run *run, const struct queue_finding *finding);
/* length 0: not known. */
void recover_report(struct run *run, const struct found *f, uint64_t offset, uint64_t length,
    enum bridgehead_finding kind, const char *detail);
/* What a REPAIRED record names is dealt with. 0, -ENOMEM, BH_EDAMAGED. */
int recover_settle(struct run *run, struct slice payload) MUST_USE;
void recover_report_missing(struct run *run, uint64_t seq);
/* What the last census, or the seal, names and nobody has. */
void recover_missing(struct run *run);
void recover_tell_all(struct run *run);

/* The newest snapshot that counts and can be read, into table and index; without one run->from
 * stays 0. 0, -ENOMEM, or an error of reading the directory. */
int recover_from_snapshot(struct run *run) MUST_USE;
/* Is all of this segment in the snapshot? */
static inline bool
recover_knows(const struct run *run, const struct found *f)
{
    return f->seq < run->from / run->r->segment_bytes;
}

#endif
