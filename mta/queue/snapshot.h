/* queue/snapshot.h - the bytes of a snapshot file: docs/formats/journal.md section 6c. Pure.
 * snapshot_make.c writes such files, snapshot_load.c reads them.
 */
#ifndef QUEUE_SNAPSHOT_H
#define QUEUE_SNAPSHOT_H

#include "queue/msgindex.h"
#include "queue/segment.h"

#define SNAPSHOT_HEADER_BYTES      4096
#define SNAPSHOT_TRAILER_BYTES     4096
#define SNAPSHOT_BLOCK_HEAD_BYTES  16
#define SNAPSHOT_BLOCK_BYTES_MAX   (64 * MIB)
#define SNAPSHOT_ENTRY_HEAD_BYTES  8
#define SNAPSHOT_NAME_CAP          32
#define SNAPSHOT_REF_BYTES         24 /* in a SNAPSHOT record */
#define SNAPSHOT_RECORD_HEAD_BYTES 8

struct snapshot_head {
    uint8_t uuid[16];
    uint64_t position; /* P: all before it is in the file */
    uint64_t salt, segment_bytes, created_wall_ms;
    uint32_t epoch;
};
void snapshot_head_put(uint8_t block[SNAPSHOT_HEADER_BYTES], const struct snapshot_head *h);
/* 0, BH_EFORMAT, BH_EDAMAGED */
int snapshot_head_get(const uint8_t *block, size_t n, struct snapshot_head *out) MUST_USE;

struct snapshot_trailer {
    uint64_t salt;
    uint64_t through; /* W: all that the file says is durable before it */
    uint64_t file_bytes, blocks, messages, recipients;
    uint64_t damaged; /* known when it was written */
};
void snapshot_trailer_put(uint8_t block[SNAPSHOT_TRAILER_BYTES], const struct snapshot_trailer *t);
int snapshot_trailer_get(const uint8_t *block, size_t n, struct snapshot_trailer *out) MUST_USE;

void snapshot_name(char out[SNAPSHOT_NAME_CAP], uint64_t position, uint32_t epoch);
bool snapshot_name_parse(const char *name, uint64_t *position, uint32_t *epoch);

/* ---- the SNAPSHOT record behind a SEAL: which files count. */

struct snapshot_ref {
    uint64_t position, salt;
    uint32_t epoch;
};
#define SNAPSHOT_REFS_MAX 2 /* so many are kept */
size_t snapshot_record_bytes(uint32_t count);
void snapshot_record_put(uint8_t *at, const struct snapshot_ref *refs, uint32_t count);
/* At most SNAPSHOT_REFS_MAX of them. */
int snapshot_record_get(struct slice payload, struct snapshot_ref *refs, uint32_t *count) MUST_USE;

/* ---- blocks: a head, filled in last, and entries. */

struct snapshot_block {
    uint8_t *bytes; /* room for the head included */
    size_t used, capacity;
};
void snapshot_block_begin(struct snapshot_block *b); /* keeps its memory */
void snapshot_block_fini(struct snapshot_block *b);
static inline bool
snapshot_block_is_empty(const struct snapshot_block *b)
{
    return b->used <= SNAPSHOT_BLOCK_HEAD_BYTES;
}
/* Each 0 or -ENOMEM; nothing is added then. */
int snapshot_put_segment(struct snapshot_block *b, const struct segment *s) MUST_USE;
int snapshot_put_state(struct snapshot_block *b, const struct state_entry *e) MUST_USE;
/* Replies that were not numbered since msgindex_renumber come before it. */
int snapshot_put_message(
    struct snapshot_block *b, struct msgindex *ix, const struct stored *s) MUST_USE;
/* Length, number and checksums. */
void snapshot_block_finish(struct snapshot_block *b, uint32_t number, uint32_t seed);

struct snapshot_block_head {
    uint32_t bytes, number, crc;
};
/* 0 or BH_EDAMAGED. */
int snapshot_block_head_get(
    const uint8_t *at, uint32_t seed, struct snapshot_block_head *out) MUST_USE;
bool snapshot_block_valid(const uint8_t *at, const struct snapshot_block_head *h, uint32_t seed);

/* ---- reading a block's entries. Trusts nothing but memory bounds. */

enum snapshot_kind {
    SNAPSHOT_SEGMENT = 1,
    SNAPSHOT_REPLY = 2,
    SNAPSHOT_MESSAGE = 3,
    SNAPSHOT_STATE = 4,
    SNAPSHOT_TRANSID = 5, /* as STATE */
    SNAPSHOT_MUST_UNDERSTAND = 0x8000
};
struct snapshot_entry {
    uint16_t kind;
    struct slice bytes;
};
/* 1: out is set and *rest behind it; 0: the end; BH_EDAMAGED. */
int snapshot_next(struct slice *rest, struct snapshot_entry *out) MUST_USE;

struct snapshot_segment {
    uint64_t seq, salt, valid_bytes;
    uint32_t epoch, need_count;
    bool damaged, mended;
    struct reader needs; /* need_count times u64 */
};
int snapshot_segment_get(struct slice bytes, struct snapshot_segment *out) MUST_USE;

struct snapshot_setting {
    uint64_t lsn;
    struct slice key, value;
};
int snapshot_state_get(struct slice bytes, struct snapshot_setting *out) MUST_USE;

/* Replies by number: each is held until snapshot_replies_fini. */
struct snapshot_replies {
    struct slice *list;
    uint32_t count, capacity;
};
int snapshot_reply_get(struct snapshot_replies *r, struct msgindex *ix, struct slice text) MUST_USE;
void snapshot_replies_fini(struct snapshot_replies *r, struct msgindex *ix);
/* LSN of the commit of a message's entry; 0: too short for one. */
uint64_t snapshot_message_commit(struct slice bytes);
/* Not added to the index. 0, -ENOMEM, BH_EDAMAGED, BH_EFORMAT. */
int snapshot_message_get(struct slice bytes, const struct snapshot_replies *replies,
    struct msgindex *ix, struct stored **out) MUST_USE;

#endif
