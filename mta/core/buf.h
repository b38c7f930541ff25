/* core/buf.h - a growable byte buffer with a hard limit; bytes go in at the tail, out at the head.
 * Pure. Owned by one thread. */
#ifndef CORE_BUF_H
#define CORE_BUF_H

#include "core/le.h"
#include "core/slice.h"

struct buf {
    char *base;
    size_t capacity, head, tail; /* bytes [head, tail) are in use */
    size_t limit;                /* growth stops here */
};

void buf_init(struct buf *b, size_t limit_bytes);
void buf_fini(struct buf *b);
/* Give the memory back when empty (idle sessions must cost little). */
void buf_release(struct buf *b);

static inline size_t
buf_len(const struct buf *b)
{
    return b->tail - b->head;
}
static inline size_t
buf_space(const struct buf *b)
{
    return b->limit - buf_len(b);
}
static inline struct slice
buf_slice(const struct buf *b)
{
    return (struct slice){ b->base ? b->base + b->head : "", buf_len(b) };
}

/* 0; -ENOMEM; BH_ETOOBIG beyond the limit (nothing appended). */
int buf_append(struct buf *b, struct slice s) MUST_USE;
int buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3) MUST_USE;
/* Room for n contiguous bytes at the tail (read(2) straight into it); then buf_commit what came. */
int buf_reserve(struct buf *b, size_t n, char **out) MUST_USE;
void buf_commit(struct buf *b, size_t n);
void buf_consume(struct buf *b, size_t n); /* n <= buf_len */
void buf_clear(struct buf *b);

/* Fixed-width little-endian fields for records, and their bounds-checked reading. */
int buf_put_u8(struct buf *b, uint8_t v) MUST_USE;
int buf_put_u16(struct buf *b, uint16_t v) MUST_USE;
int buf_put_u32(struct buf *b, uint32_t v) MUST_USE;
int buf_put_u64(struct buf *b, uint64_t v) MUST_USE;
int buf_put_bytes16(
    struct buf *b, struct slice s) MUST_USE; /* u16 length, bytes; BH_ETOOBIG > 65535 */

/* A reader over outside bytes: the first over-run sets bad and every later read gives zeros. */
struct reader {
    struct slice rest;
    bool bad;
};
static inline struct reader
reader_of(struct slice s)
{
    return (struct reader){ s, false };
}
/* Here, since a million messages are read field by field. */
static inline struct slice
read_bytes(struct reader *r, size_t n)
{
    struct slice out = { r->rest.p, n };

    if (r->bad || n > r->rest.n) {
        r->bad = true;
        r->rest.n = 0;
        return (struct slice){ "", 0 };
    }
    if (n > 0) { /* else it may point nowhere */
        r->rest.p += n;
        r->rest.n -= n;
    }
    return out;
}
static inline uint8_t
read_u8(struct reader *r)
{
    struct slice s = read_bytes(r, 1);

    return s.n == 0 ? 0 : (uint8_t)s.p[0];
}
static inline uint16_t
read_u16(struct reader *r)
{
    struct slice s = read_bytes(r, 2);

    return s.n == 0 ? 0 : get_le16((const uint8_t *)s.p);
}
static inline uint32_t
read_u32(struct reader *r)
{
    struct slice s = read_bytes(r, 4);

    return s.n == 0 ? 0 : get_le32((const uint8_t *)s.p);
}
static inline uint64_t
read_u64(struct reader *r)
{
    struct slice s = read_bytes(r, 8);

    return s.n == 0 ? 0 : get_le64((const uint8_t *)s.p);
}
static inline struct slice
read_bytes16(struct reader *r)
{
    return read_bytes(r, read_u16(r));
}

#endif
