/* queue/record.h - the bytes of journal records: docs/formats/journal.md section 3. Pure. */
#ifndef QUEUE_RECORD_H
#define QUEUE_RECORD_H

#include "core/buf.h"
#include "mail/envelope.h"

#define RECORD_HEADER_BYTES  32
#define RECORD_ALIGN         8
#define RECORD_BYTES_MAX     (16 * MIB)
#define CONTENT_BYTES_MAX    (64 * KIB) /* of content in one CONTENT record */
#define CONTENT_PREFIX_BYTES 16
#define RECORD_FLAG_OPTIONAL 1
/* Of a SEAL: settings stay as they were (one of an older release unsets them). */
#define RECORD_FLAG_SETTINGS_STAY 0x02
#define SEAL_ENTRIES_MAX          1000 /* in one SEAL record; more parts follow */
#define SEAL_ENTRY_BYTES          32
#define REPLY_BYTES_MAX           1000 /* of a remote's reply that is kept */

enum record_type {
    RECORD_CONTENT = 1,
    RECORD_COMMIT = 2,
    RECORD_OUTCOME = 3,
    RECORD_MARK = 4,
    RECORD_SEAL = 5,
    RECORD_END = 6,
    RECORD_PAD = 7,
    RECORD_SURVIVORS = 8,
    RECORD_ATTEMPT = 9,
    RECORD_SNAPSHOT = 10,
    RECORD_COPIED_CONTENT = 11,
    RECORD_COPIED_COMMIT = 12,
    RECORD_TRANSID = 13, /* as STATE */
    /* 14 is not used */
    RECORD_STATE = 15,
    RECORD_REPAIRED = 17,
    RECORD_CENSUS = 18,
};

struct record_head {
    uint32_t length; /* header and payload, unpadded */
    uint8_t type, flags;
    uint64_t lsn;
    uint32_t epoch, behind, payload_crc;
};

static inline uint64_t
record_padded(uint64_t length)
{
    return (length + RECORD_ALIGN - 1) & ~(uint64_t)(RECORD_ALIGN - 1);
}

/* What a release without the type may skip. */
static inline uint8_t
record_flags(enum record_type type)
{
    return type == RECORD_REPAIRED || type == RECORD_CENSUS || type == RECORD_ATTEMPT ||
                   type == RECORD_SNAPSHOT || type == RECORD_STATE || type == RECORD_TRANSID
               ? RECORD_FLAG_OPTIONAL
               : 0;
}

uint32_t record_seed(uint64_t salt);

/* Header without behind and CRCs, and zeros in the padding after the payload. */
void record_begin(uint8_t *at, const struct record_head *h);
/* Fill in behind and both CRCs; the payload must be complete. */
void record_finish(uint8_t *at, uint32_t behind, uint32_t seed);

/* Disk bytes: is there a header of this LSN at `at`? 0 or BH_EDAMAGED (also for zeros). The length
 * is then at least a header's, at most RECORD_BYTES_MAX, and not checked against what follows. */
int record_head_get(
    const uint8_t *at, size_t n, uint32_t seed, uint64_t lsn, struct record_head *out) MUST_USE;
bool record_payload_valid(const uint8_t *at, const struct record_head *h, uint32_t seed);

/* ---- payloads. Decoders take disk bytes whose CRC was good but trust nothing: BH_EDAMAGED. */

struct commit_head {
    uint64_t id, size_bytes;
};
enum commit_tag {
    COMMIT_SENDER = 1,
    COMMIT_ENVID = 2,
    COMMIT_BODY = 3,
    COMMIT_HOPS = 4,
    COMMIT_RECEIVED = 5,
    COMMIT_CLIENT = 6,
    COMMIT_RECIPIENT = 7,
    COMMIT_CHUNKS = 8,
    COMMIT_ORIGIN = 9,     /* of a COPIED_COMMIT: LSN of the COMMIT that it stands for */
    COMMIT_STATEMENT = 10, /* of a COPIED_COMMIT: what OUTCOMEs and MARKs have said so far */
    COMMIT_TRANSID = 11,   /* u64 content bytes as the client sent them, name */
    COMMIT_MUST_UNDERSTAND = 0x8000,
};
#define COMMIT_HEAD_BYTES         16
#define COMMIT_CHUNK_BYTES        12
#define COMMIT_TRANSID_HEAD_BYTES 8
struct commit_chunk {
    uint64_t lsn;
    uint32_t bytes;
};
/* Payload bytes that e with this many chunks needs; 0: beyond a limit (a field over 64 KiB, too
 * many recipients, a record over RECORD_BYTES_MAX). */
uint64_t commit_payload_bytes(const struct envelope *e, uint32_t chunk_count);
void commit_encode(uint8_t *at, const struct commit_head *head, const struct envelope *e,
    const struct commit_chunk *chunks, uint32_t chunk_count);

/* One walk over a COMMIT payload: each field in turn. */
struct commit_walk {
    struct reader r;
    uint16_t tag;
    struct slice bytes;
};
int commit_walk_begin(
    struct commit_walk *w, struct slice payload, struct commit_head *head) MUST_USE;
/* 1: w->tag and w->bytes are set; 0: the end; BH_EDAMAGED; BH_EFORMAT: a tag we must know but do
 * not. */
int commit_walk_next(struct commit_walk *w) MUST_USE;
int commit_recipient(struct slice bytes, struct envelope_recipient *out) MUST_USE;

/* Behind what commit_encode wrote, in a COPIED_COMMIT. Each returns the next place. */
#define COPIED_ORIGIN_BYTES    14
#define COPIED_STATEMENT_BYTES 7 /* and the payload that follows */
uint8_t *copied_origin_put(uint8_t *at, uint64_t lsn);
uint8_t *copied_statement_put(uint8_t *at, uint8_t type, uint64_t payload_bytes);
/* From such a field: a record of that type would have that payload. */
int copied_statement_get(struct slice field, uint8_t *type, struct slice *payload) MUST_USE;

struct outcome_head {
    uint64_t id, commit_lsn;
    uint32_t count;
};
#define OUTCOME_HEAD_BYTES 24
struct outcome_entry {
    uint32_t recipient;
    uint8_t kind; /* enum outcome_kind */
    bool in_doubt;
    uint16_t attempts;
    uint64_t next_wall_ms;
    struct slice reply;   /* clipped to REPLY_BYTES_MAX by the encoder */
    uint64_t transaction; /* only if in doubt; 0: none */
};
size_t outcome_entry_bytes(const struct outcome_entry *e);
void outcome_head_put(uint8_t *at, const struct outcome_head *h);
uint8_t *outcome_entry_put(uint8_t *at, const struct outcome_entry *e); /* returns the next place */
int outcome_head_get(struct reader *r, struct outcome_head *out) MUST_USE;
int outcome_entry_get(struct reader *r, struct outcome_entry *out) MUST_USE;

enum mark_what { MARK_HELD = 1, MARK_NEXT = 2, MARK_WARNED = 3, MARK_CRASHES = 4 };
struct mark {
    uint64_t id, commit_lsn, value;
    uint32_t what;
};
#define MARK_BYTES 32
void mark_put(uint8_t *at, const struct mark *m);
int mark_get(struct slice payload, struct mark *out) MUST_USE;

struct attempt_head {
    uint64_t id, commit_lsn;
    uint32_t count;
    uint8_t kind; /* enum queue_attempt_kind */
};
#define ATTEMPT_HEAD_BYTES 24
#define ATTEMPT_TAIL_BYTES 8
/* Followed by count times u32: recipients' indices; and u64: transaction, if there is one. */
void attempt_head_put(uint8_t *at, const struct attempt_head *h);
/* r then gives count times u32. */
int attempt_head_get(struct reader *r, struct attempt_head *out) MUST_USE;

struct seal_entry {
    uint64_t seq, salt, valid_bytes;
    uint32_t epoch;
};
struct seal_head {
    uint32_t part, parts, count, previous_epoch;
};
#define SEAL_HEAD_BYTES 16
void seal_put(uint8_t *at, const struct seal_head *h, const struct seal_entry *entries);
/* entries has room for SEAL_ENTRIES_MAX. */
int seal_get(struct slice payload, struct seal_head *h, struct seal_entry *entries) MUST_USE;

struct survivors_head {
    uint64_t seq;
    uint32_t epoch, from, to, count;
};
#define SURVIVORS_HEAD_BYTES 24
void survivors_head_put(uint8_t *at, const struct survivors_head *h);
/* r then gives count times u32. */
int survivors_head_get(struct reader *r, struct survivors_head *out) MUST_USE;

#endif
