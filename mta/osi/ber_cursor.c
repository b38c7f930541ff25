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

/* ---- the short way: what is common, all there and right. An envelope may have a million values
 * (p1_reader.h), each walked over several times; what is odd goes to the reader, which tells what
 * is wrong if something is. */

struct header {
    size_t octets;
    uint64_t length;
};

/* A length of the long form, or the indefinite one. */
static bool
long_header(const uint8_t *p, size_t n, struct header *out)
{
    size_t more = p[1] & 0x7Fu;

    if (more == 0) {
        *out = (struct header){ 2, BER_INDEFINITE };
        return (p[0] & 0x20) != 0;
    }
    if (more > BER_LENGTH_OCTETS_MAX || n < 2 + more) {
        return false;
    }
    *out = (struct header){ 2 + more, 0 };
    for (size_t i = 0; i < more; i++) {
        out->length = out->length << 8 | p[2 + i];
    }
    return out->length < BER_BYTES_MAX;
}

/* False: odd. Of tag numbers below 31. */
static inline bool
short_header(const uint8_t *p, size_t n, struct header *out)
{
    if (n < 2 || (p[0] & 0x1F) == 0x1F) {
        return false;
    }
    if (p[1] >= 0x80) {
        return long_header(p, n, out);
    }
    *out = (struct header){ 2, p[1] };
    return true;
}

/* Through a value and all that is in it. */
struct walk {
    const uint8_t *p;
    size_t at;
    unsigned depth; /* of open values; 0: what is around */
    size_t end[BER_DEPTH_MAX + 1];
    bool indefinite[BER_DEPTH_MAX + 1];
};
enum walked { WALK_ODD, WALK_OPEN, WALK_VALUE, WALK_CLOSE };

static void
walk_init(struct walk *w, struct slice s)
{
    w->p = (const uint8_t *)s.p;
    w->at = 0;
    w->depth = 0;
    w->end[0] = s.n;
    w->indefinite[0] = false;
}

static inline void
walk_open(struct walk *w, uint64_t length)
{
    size_t around = w->end[w->depth++];

    w->indefinite[w->depth] = length == BER_INDEFINITE;
    w->end[w->depth] = length == BER_INDEFINITE ? around : w->at + (size_t)length;
}

/* A value's contents (VALUE) end at w->at. */
static inline enum walked
walk_step(struct walk *w, struct header *h)
{
    size_t left = w->end[w->depth] - w->at;
    const uint8_t *p = w->p + w->at;

    if (left == 0 && w->depth > 0 && !w->indefinite[w->depth]) {
        w->depth--;
        return WALK_CLOSE;
    }
    if (!short_header(p, left, h)) {
        return WALK_ODD;
    }
    if ((p[0] & ~0x20) == 0) { /* end-of-contents */
        if (p[0] != 0 || p[1] != 0 || !w->indefinite[w->depth]) {
            return WALK_ODD;
        }
        w->at += 2;
        w->depth--;
        return WALK_CLOSE;
    }
    if (h->length != BER_INDEFINITE && h->length > left - h->octets) {
        return WALK_ODD;
    }
    w->at += h->octets;
    if ((p[0] & 0x20) == 0) {
        w->at += (size_t)h->length;
        return WALK_VALUE;
    }
    if (w->depth == BER_DEPTH_MAX) {
        return WALK_ODD;
    }
    walk_open(w, h->length);
    return WALK_OPEN;
}

static bool
take_short(struct ber_cursor *c, struct ber_value *v)
{
    const uint8_t *p = (const uint8_t *)c->rest.p;
    size_t n = c->rest.n, end;
    struct header h;

    if (!short_header(p, n, &h) || (p[0] & ~0x20) == 0) {
        return false;
    }
    if (h.length == BER_INDEFINITE) {
        struct walk w;

        walk_init(&w, c->rest);
        w.at = h.octets;
        walk_open(&w, h.length);
        while (w.depth > 0) {
            struct header inner;

            if (walk_step(&w, &inner) == WALK_ODD) {
                return false;
            }
        }
        end = w.at;
        h.length = end - h.octets - 2;
    } else if (h.length <= n - h.octets) {
        end = h.octets + (size_t)h.length;
    } else {
        return false;
    }
    *v = (struct ber_value){ .tag = (ber_tag)(p[0] >> 6) << 30 | (p[0] & 0x1Fu),
        .constructed = (p[0] & 0x20) != 0,
        .whole = { c->rest.p, end },
        .body = { c->rest.p + h.octets, (size_t)h.length } };
    c->rest = (struct slice){ c->rest.p + end, n - end };
    return true;
}

/* ---- the long way */

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

static int
take_long(struct ber_cursor *c, struct ber_value *v)
{
    struct ber_reader r;
    struct ber_item item = { .tag = 0 };
    struct slice piece = c->rest, body;
    enum ber_event e;
    bool whole = false;

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
ber_take(struct ber_cursor *c, struct ber_value *v)
{
    if (c->rest.n == 0) {
        return 0;
    }
    return take_short(c, v) ? 1 : take_long(c, v);
}

int
ber_take_tag(struct ber_cursor *c, ber_tag tag, struct ber_value *v)
{
    struct ber_cursor ahead = *c;
    struct ber_value next;
    int rc;

    if (c->rest.n == 0) {
        return 0;
    }
    rc = ber_take(&ahead, &next);
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
    struct walk walk;
    ber_tag tag; /* universal, low */
};

static void
segments_init(struct segments *s, const struct ber_value *v, unsigned tag)
{
    walk_init(&s->walk, v->whole);
    s->tag = tag;
}

static int
segments_next(struct segments *s, struct slice *next)
{
    struct walk *w = &s->walk;

    do {
        const uint8_t *p = w->p + w->at;
        bool outermost = w->at == 0;
        struct header h;
        enum walked step = walk_step(w, &h);

        if (step == WALK_ODD || (step != WALK_CLOSE && !outermost && (p[0] & ~0x20u) != s->tag)) {
            return BH_ESYNTAX;
        }
        if (step == WALK_VALUE) {
            *next = (struct slice){ (const char *)p + h.octets, (size_t)h.length };
            return 1;
        }
    } while (w->depth > 0);
    return 0;
}

/* Bits so far; only the last segment may have unused ones. */
struct bits {
    uint64_t value;
    size_t n;
    unsigned unused;
};

static int
add_bits(struct bits *b, struct slice part)
{
    if (part.n == 0 || b->unused != 0 || (uint8_t)part.p[0] > (part.n > 1 ? 7 : 0)) {
        return BH_ESYNTAX;
    }
    b->unused = (uint8_t)part.p[0];
    for (size_t i = 1; i < part.n; i++) {
        unsigned octet = (uint8_t)part.p[i], there = i + 1 < part.n ? 8 : 8 - b->unused;

        for (unsigned bit = 0; bit < there && b->n + bit < 64; bit++) {
            b->value |= (uint64_t)(octet >> (7 - bit) & 1) << (b->n + bit);
        }
        b->n += there;
    }
    return 0;
}

int
ber_to_bits(const struct ber_value *v, uint64_t *out, size_t *count)
{
    struct bits b = { .value = 0 };
    struct segments s;
    struct slice part;
    int rc;

    if (!v->constructed) {
        rc = add_bits(&b, v->body);
    } else {
        segments_init(&s, v, BER_BIT_STRING);
        for (rc = segments_next(&s, &part); rc > 0; rc = segments_next(&s, &part)) {
            rc = add_bits(&b, part);
            if (rc < 0) {
                break;
            }
        }
    }
    if (rc < 0) {
        return rc;
    }
    *out = b.value;
    *count = b.n;
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
    segments_init(&s, v, BER_OCTET_STRING);
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
