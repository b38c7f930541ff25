/* queue/segment.h - segments: their header and names on disk (docs/formats/journal.md sections 1
 * and 2), and the table of those that exist, with what holds each of them.
 *
 * Threads   the table and everything in struct segment belong to the loop's thread, but for what
 *           the space thread sets before it reports the segment ready, and for fd while the segment
 *           is being freed (space.h).
 */
#ifndef QUEUE_SEGMENT_H
#define QUEUE_SEGMENT_H

#include "core/io.h"
#include "core/list.h"
#include "core/map.h"

#define STORE_VERSION         1
#define STORE_BLOCK_BYTES     4096
#define SEGMENT_HEADER_BYTES  4096
#define SEGMENT_BYTES_DEFAULT (64 * MIB)
#define SEGMENT_BYTES_MIN     (64 * KIB)
#define SEGMENT_BYTES_MAX     GIB
#define SEGMENT_NAME_CAP      32
#define STORE_PATH_CAP        4096
#define EPOCH_MAX             (((uint32_t)1 << 24) - 1) /* a message id has 24 bits for it */

struct store_head {
    uint8_t uuid[16];
    uint64_t segment_bytes, created_wall_ms;
};
void store_head_put(uint8_t block[STORE_BLOCK_BYTES], const struct store_head *h);
/* 0, BH_EFORMAT, BH_EDAMAGED */
int store_head_get(const uint8_t *block, size_t n, struct store_head *out) MUST_USE;
/* From the kernel; 0 or -errno. For uuids and salts. */
int store_random(void *out, size_t n) MUST_USE;
/* Is this a size that a store can have? */
bool segment_bytes_valid(uint64_t bytes);

struct segment_head {
    uint8_t uuid[16];
    uint64_t seq, segment_bytes, salt, seal_lsn, created_wall_ms;
    uint32_t epoch, flags;
};
#define SEGMENT_FLAG_CENSUS 1u /* its epoch's owner says what he frees before he frees it */
void segment_head_put(uint8_t block[SEGMENT_HEADER_BYTES], const struct segment_head *h);
int segment_head_get(const uint8_t *block, size_t n, struct segment_head *out) MUST_USE;

void segment_name(char out[SEGMENT_NAME_CAP], uint64_t seq, uint32_t epoch);
bool segment_name_parse(const char *name, uint64_t *seq, uint32_t *epoch);
/* dir/name; -ENAMETOOLONG */
int store_path(char out[STORE_PATH_CAP], const char *dir, const char *name) MUST_USE;

/* Open past the page cache; where the filesystem has no O_DIRECT (tmpfs), plainly. */
int store_open_direct(const char *path, int flags) MUST_USE;

/* ---- the table. */

struct segment {
    struct map_node by_seq;
    struct list link; /* in order of seq */
    struct list job;  /* in one list of space.c */
    uint64_t seq, salt;
    uint64_t valid_bytes; /* of an older segment; of our own once closed */
    uint64_t size_bytes;  /* of an older segment's file; 0: it is our own */
    uint64_t limit_bytes; /* of a first segment on a full disk: its size; 0: segment_bytes */
    uint32_t epoch, seed;
    int fd;         /* -1: not open */
    int status;     /* of its preparation */
    uint32_t live;  /* content and commit records of messages that live or are being received, and
                       STATE records that count */
    uint32_t state; /* those */
    uint64_t live_bytes;   /* of messages that live, … */
    uint64_t commit_bytes; /* … and what of it are commits */
    uint32_t readers;      /* pool reads under way */
    struct list messages;  /* struct stored, by in_segment: whose COMMIT is here and who live */
    uint64_t *guests;      /* ids of messages with content here and their COMMIT elsewhere, some
                              of them gone or moved by now */
    uint32_t guest_count, guest_capacity;
    bool ready;             /* prepared: fd is set, the name durable; space.c's mutex */
    bool want_zero;         /* while it waits for its file: how to make it … */
    uint64_t want_seal_lsn; /* … and what its header says */
    bool zeroed;            /* written once over its whole length: a sync writes no metadata */
    bool ended;             /* its END is durable */
    bool closed;            /* nothing is written to it any more, and all of it is durable */
    bool damaged;           /* kept for ever */
    bool mended;            /* a REPAIRED record elsewhere says that its damage is dealt with */
    bool mended_tried;      /* compact_choose.c's own: what lives in it was to be copied out */
    bool freeing;
    bool left_out;  /* by the last CENSUS of an earlier epoch: whose owner may be deleting it */
    bool has_state; /* a STATE record of this epoch was put here, whether it counts or not */
    uint8_t wanted; /* compact.c's own, … */
    bool chosen;    /* … and to be gone after its last round, … */
    uint64_t kept_by, kept_bytes; /* … which found it held by what it cannot move: see is_kept() */
    uint64_t *needs;              /* sorted: segments (by seq) that must be gone before this one */
    uint32_t need_count, need_capacity;
};

/* How long a segment may become. */
static inline uint64_t
segment_limit(const struct segment *s, uint64_t segment_bytes)
{
    return s->limit_bytes != 0 ? s->limit_bytes : segment_bytes;
}

struct segtab {
    struct map by_seq;
    struct list order;
    uint32_t count;
};
void segtab_init(struct segtab *t);
void segtab_fini(struct segtab *t); /* closes and frees all segments */
/* A new segment at the end or in its place; NULL: out of memory, or there is one. */
struct segment *segtab_add(struct segtab *t, uint64_t seq, uint32_t epoch, uint64_t salt) MUST_USE;
struct segment *segtab_find(const struct segtab *t, uint64_t seq);
/* All of older, whose numbers are lower, comes to t. 0; -ENOMEM: some of them did. */
int segtab_join(struct segtab *t, struct segtab *older) MUST_USE;
/* It is durably gone: nobody needs to wait for it any more. Frees it. */
void segtab_remove(struct segtab *t, struct segment *s);
void segment_free(struct segment *s); /* one that is in no table */
/* s says something about a commit in segment `seq`: s must outlive it (I7, I8). 0 or -ENOMEM.
 * seq of no or of the same segment: nothing to do. */
int segtab_need(struct segtab *t, struct segment *s, uint64_t seq) MUST_USE;
/* A message of this id has content in s. Without memory for it, s is not compacted. */
void segment_guest(struct segment *s, uint64_t id);
void segment_need_no_more(struct segment *s, uint64_t seq);
bool segment_needs(const struct segment *s, uint64_t seq);
static inline uint64_t
segment_block_up(uint64_t bytes)
{
    return (bytes + IO_BLOCK_BYTES - 1) / IO_BLOCK_BYTES * IO_BLOCK_BYTES;
}
/* Ends so near to the length of a segment that what is left is not worth giving back. */
static inline bool
segment_is_full(uint64_t end_bytes, uint64_t segment_bytes)
{
    return segment_bytes - end_bytes <= segment_bytes / 64;
}
/* May s go? (I8, I10) */
static inline bool
segment_dead(const struct segment *s)
{
    return s->closed && !s->damaged && !s->freeing && s->live == 0 && s->readers == 0 &&
           s->need_count == 0;
}

#endif
