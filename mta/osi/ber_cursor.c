/* ber_cursor.c - values in memory, and what is in them. What a header is and whether a value may be
 * where it is, the reader in ber.c decides: there is one opinion about that. */
#include "osi/ber.h"

#include <stdio.h>

void
ber_cursor_init(struct ber_cursor *c, struct slice bytes)
{
    *c = (struct ber_cursor){ .rest = bytes, .base = bytes.p };
}

struct ber_cursor
ber_inside(const struct ber_cursor *c, const struct ber_value *v)
{
    return (struct ber_cursor){ .rest = v->body, .base = c->base };
}

static int
fail(struct ber_cursor *c, int rc, uint64_t at, const char *error)
{
    c->error = error;
    c->error_at = (uint64_t)(c->rest.p - c->base) + at;
    return rc;
}

/* An indefinite length ends where the reader sees it end. False: the octets end before, or are bad.
 */
static bool
find_end(struct ber_reader *r, struct slice *piece, struct ber_item *item)
{
    enum ber_event e;

    do {
        e = ber_next(r, piece, item);
        if (e == BER_BAD || e == BER_MORE) {
            return false;
        }
    } while (!r->done);
    return true;
}

int
ber_take(struct ber_cursor *c, struct ber_value *v)
{
    struct ber_reader r;
    struct ber_item item = { .tag = 0 };
    struct slice piece = c->rest, body;
    enum ber_event e;
    bool whole = false;

    if (c->rest.n == 0) {
        return 0;
    }
    ber_reader_init(&r, BER_BYTES_MAX);
    e = ber_next(&r, &piece, &item);
    body = piece;
    if (e == BER_BYTES) {
        whole = item.last;
        body = item.bytes;
    } else if (e == BER_OPEN && item.length != BER_INDEFINITE) {
        whole = item.length <= (uint64_t)piece.n;
        body = slice_sub(piece, 0, (size_t)MIN(item.length, (uint64_t)piece.n));
        piece = slice_skip(piece, body.n);
    } else if (e == BER_OPEN) {
        whole = find_end(&r, &piece, &item);
        body = slice_sub(body, 0, (size_t)(piece.p - body.p) - (whole ? 2 : 0));
    }
    if (r.error != NULL) {
        return fail(c, r.rc, r.error_at, r.error);
    }
    if (!whole) {
        return fail(c, BH_ESYNTAX, c->rest.n, "the octets end within a value");
    }
    *v = (struct ber_value){ .tag = item.tag, .constructed = e == BER_OPEN, .body = body };
    v->whole = slice_sub(c->rest, 0, (size_t)(piece.p - c->rest.p));
    c->rest = piece;
    return 1;
}

int
ber_take_tag(struct ber_cursor *c, ber_tag tag, struct ber_value *v)
{
    struct ber_cursor ahead = *c;
    struct ber_value next = { .tag = 0 };
    int rc = ber_take(&ahead, &next);

    if (rc < 0) {
        *c = ahead;
        return rc;
    }
    if (rc == 0 || next.tag != tag) {
        return 0;
    }
    *c = ahead;
    *v = next;
    return 1;
}

/* ---- contents */

int
ber_to_bool(const struct ber_value *v, bool *out)
{
    if (v->constructed || v->body.n != 1) {
        return BH_ESYNTAX;
    }
    *out = v->body.p[0] != 0;
    return 0;
}

int
ber_to_int(const struct ber_value *v, int64_t *out)
{
    struct slice s = v->body;
    uint64_t value;
    bool negative;

    if (v->constructed || s.n == 0) {
        return BH_ESYNTAX;
    }
    negative = ((uint8_t)s.p[0] & 0x80) != 0;
    value = negative ? UINT64_MAX : 0;
    /* Octets that only repeat the sign. */
    while (s.n > 1 && (uint8_t)s.p[0] == (negative ? 0xFF : 0) &&
           (((uint8_t)s.p[1] & 0x80) != 0) == negative) {
        s = slice_skip(s, 1);
    }
    if (s.n > 8) {
        return BH_ETOOBIG;
    }
    for (size_t i = 0; i < s.n; i++) {
        value = value << 8 | (uint8_t)s.p[i];
    }
    *out = (int64_t)value;
    return 0;
}

int
ber_to_uint(const struct ber_value *v, uint64_t max, uint64_t *out)
{
    int64_t value;
    int rc = ber_to_int(v, &value);

    if (rc < 0) {
        return rc;
    }
    if (value < 0) {
        return BH_ESYNTAX;
    }
    if ((uint64_t)value > max) {
        return BH_ETOOBIG;
    }
    *out = (uint64_t)value;
    return 0;
}

/* Segments in however many levels, one after another (no recursion: they are a peer's): *next is
 * the following primitive one. 1, 0 at the end, BH_ESYNTAX. */
struct segments {
    struct ber_reader reader;
    struct slice rest;
    ber_tag tag;
};

static void
segments_init(struct segments *s, const struct ber_value *v, ber_tag tag)
{
    ber_reader_init(&s->reader, (uint64_t)v->whole.n);
    s->rest = v->whole;
    s->tag = tag;
}

static int
segments_next(struct segments *s, struct slice *next)
{
    struct ber_item item;

    for (;;) {
        enum ber_event e = ber_next(&s->reader, &s->rest, &item);

        if (e == BER_DONE) {
            return 0;
        }
        if (e == BER_BAD || e == BER_MORE || (item.depth > 0 && item.tag != s->tag)) {
            return BH_ESYNTAX;
        }
        if (e == BER_BYTES) {
            *next = item.bytes;
            return 1;
        }
    }
}

int
ber_to_bits(const struct ber_value *v, uint64_t *out, size_t *count)
{
    struct segments s;
    struct slice part;
    uint64_t bits = 0;
    size_t n = 0;
    unsigned unused = 0;
    int rc;

    segments_init(&s, v, BER_UNIVERSAL(BER_BIT_STRING));
    for (rc = segments_next(&s, &part); rc > 0; rc = segments_next(&s, &part)) {
        if (part.n == 0 || unused != 0 || (uint8_t)part.p[0] > (part.n > 1 ? 7 : 0)) {
            return BH_ESYNTAX; /* only the last segment may have unused bits */
        }
        unused = (uint8_t)part.p[0];
        for (size_t i = 1; i < part.n; i++) {
            for (unsigned bit = 0; bit < (i + 1 < part.n ? 8 : 8 - unused); bit++, n++) {
                if (n < 64 && ((uint8_t)part.p[i] >> (7 - bit) & 1) != 0) {
                    bits |= (uint64_t)1 << n;
                }
            }
        }
    }
    if (rc < 0) {
        return rc;
    }
    *out = bits;
    *count = n;
    return 0;
}

int
ber_to_string(const struct ber_value *v, char *store, size_t cap, struct slice *out)
{
    struct segments s;
    struct slice part;
    size_t n = 0;
    int rc;

    if (!v->constructed) {
        if (v->body.n > cap) {
            return BH_ETOOBIG;
        }
        *out = v->body;
        return 0;
    }
    segments_init(&s, v, BER_UNIVERSAL(BER_OCTET_STRING));
    for (rc = segments_next(&s, &part); rc > 0; rc = segments_next(&s, &part)) {
        if (part.n > cap - n) {
            return BH_ETOOBIG;
        }
        memcpy(store + n, part.n > 0 ? part.p : "", part.n);
        n += part.n;
    }
    if (rc < 0) {
        return rc;
    }
    *out = (struct slice){ store, n };
    return 0;
}

int
ber_to_oid(const struct ber_value *v, struct slice *out)
{
    bool first = true; /* octet of an arc */

    if (v->constructed || v->body.n == 0) {
        return BH_ESYNTAX;
    }
    for (size_t i = 0; i < v->body.n; i++) {
        uint8_t octet = (uint8_t)v->body.p[i];

        if (first && octet == 0x80) {
            return BH_ESYNTAX;
        }
        first = (octet & 0x80) == 0;
    }
    if (!first) {
        return BH_ESYNTAX;
    }
    *out = v->body;
    return 0;
}

static int
append_arc(char *out, size_t cap, size_t *n, uint64_t arc)
{
    int wrote = snprintf(out + *n, cap - *n, *n > 0 ? ".%ju" : "%ju", (uintmax_t)arc);

    if (wrote < 0 || (size_t)wrote >= cap - *n) {
        return BH_ETOOBIG;
    }
    *n += (size_t)wrote;
    return 0;
}

int
ber_oid_text(struct slice oid, char *out, size_t cap)
{
    struct ber_value v = { .body = oid };
    uint64_t arc = 0;
    size_t n = 0;
    int rc = ber_to_oid(&v, &oid);

    for (size_t i = 0; rc == 0 && i < oid.n; i++) {
        uint8_t octet = (uint8_t)oid.p[i];

        if (arc > UINT64_MAX >> 7) {
            return BH_ETOOBIG;
        }
        arc = arc << 7 | (octet & 0x7Fu);
        if ((octet & 0x80) != 0) {
            continue;
        }
        if (n == 0) { /* the first two arcs share a number (X.690 section 8.19.4) */
            rc = append_arc(out, cap, &n, MIN(arc / 40, (uint64_t)2));
            arc -= MIN(arc / 40, (uint64_t)2) * 40;
        }
        rc = rc == 0 ? append_arc(out, cap, &n, arc) : rc;
        arc = 0;
    }
    return rc;
}
