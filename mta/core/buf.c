#include "core/buf.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_FIRST_BYTES 256

void
buf_init(struct buf *b, size_t limit_bytes)
{
    *b = (struct buf){ .limit = limit_bytes };
}

void
buf_fini(struct buf *b)
{
    free(b->base);
    buf_init(b, b->limit);
}

void
buf_release(struct buf *b)
{
    if (buf_len(b) == 0) {
        buf_fini(b);
    }
}

/* Bytes in use to the front, so that the free room is in one piece. */
static void
compact(struct buf *b)
{
    if (b->head > 0 && b->base != NULL) {
        memmove(b->base, b->base + b->head, buf_len(b));
        b->tail -= b->head;
        b->head = 0;
    }
}

int
buf_reserve(struct buf *b, size_t n, char **out)
{
    size_t need, capacity;
    char *base;

    if (n > buf_space(b)) {
        return BH_ETOOBIG;
    }
    if (b->base != NULL && n <= b->capacity - b->tail) {
        *out = b->base + b->tail;
        return 0;
    }
    compact(b);
    need = b->tail + n;
    if (need > b->capacity || b->base == NULL) {
        capacity = b->capacity > b->limit / 2 ? b->limit : b->capacity * 2;
        capacity = MAX(capacity, MAX(need, MIN((size_t)BUF_FIRST_BYTES, b->limit)));
        base = realloc(b->base, MAX(capacity, (size_t)1));
        if (base == NULL) {
            return -ENOMEM;
        }
        b->base = base;
        b->capacity = capacity;
    }
    *out = b->base + b->tail;
    return 0;
}

void
buf_commit(struct buf *b, size_t n)
{
    CHECK(n <= b->capacity - b->tail);
    b->tail += n;
}

void
buf_consume(struct buf *b, size_t n)
{
    CHECK(n <= buf_len(b));
    b->head += n;
    if (b->head == b->tail) {
        buf_clear(b);
    }
}

void
buf_clear(struct buf *b)
{
    b->head = b->tail = 0;
}

int
buf_append(struct buf *b, struct slice s)
{
    char *to;
    int rc;

    if (s.n == 0) {
        return 0;
    }
    rc = buf_reserve(b, s.n, &to);
    if (rc < 0) {
        return rc;
    }
    memcpy(to, s.p, s.n);
    buf_commit(b, s.n);
    return 0;
}

int
buf_printf(struct buf *b, const char *fmt, ...)
{
    char *to;
    va_list ap;
    int len, rc;

    va_start(ap, fmt);
    len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (len < 0) {
        return -EINVAL;
    }
    /* The terminator needs a byte of room too, but is not part of the contents. */
    if ((size_t)len > buf_space(b)) {
        return BH_ETOOBIG;
    }
    b->limit++;
    rc = buf_reserve(b, (size_t)len + 1, &to);
    b->limit--;
    if (rc < 0) {
        return rc;
    }
    va_start(ap, fmt);
    (void)vsnprintf(to, (size_t)len + 1, fmt, ap);
    va_end(ap);
    buf_commit(b, (size_t)len);
    return 0;
}

static int
put_le(struct buf *b, uint64_t v, size_t bytes)
{
    char le[sizeof(v)];

    for (size_t i = 0; i < bytes; i++) {
        le[i] = (char)(v >> (8 * i));
    }
    return buf_append(b, (struct slice){ le, bytes });
}

int
buf_put_u8(struct buf *b, uint8_t v)
{
    return put_le(b, v, 1);
}

int
buf_put_u16(struct buf *b, uint16_t v)
{
    return put_le(b, v, 2);
}

int
buf_put_u32(struct buf *b, uint32_t v)
{
    return put_le(b, v, 4);
}

int
buf_put_u64(struct buf *b, uint64_t v)
{
    return put_le(b, v, 8);
}

int
buf_put_bytes16(struct buf *b, struct slice s)
{
    int rc;

    /* Both or neither: a length without its bytes would shift all that follows. */
    if (s.n > UINT16_MAX || s.n + 2 > buf_space(b)) {
        return BH_ETOOBIG;
    }
    rc = buf_put_u16(b, (uint16_t)s.n);
    if (rc < 0) {
        return rc;
    }
    rc = buf_append(b, s);
    if (rc < 0) {
        b->tail -= 2;
    }
    return rc;
}
