/* ber.c - the streaming reader. One place decides what a header is (header_step) and whether a
 * value may be where it is (header_done); the cursor in ber_cursor.c asks it as well. */
#include "osi/ber.h"

void
ber_reader_init(struct ber_reader *r, uint64_t limit)
{
    CHECK(limit <= BER_BYTES_MAX);
    /* Not all of it: held and stack are large and need no value. */
    memset(r, 0, offsetof(struct ber_reader, stack));
    r->limit = limit;
}

static enum ber_event
bad(struct ber_reader *r, int rc, uint64_t at, const char *error)
{
    r->rc = rc;
    r->error = error;
    r->error_at = at;
    return BER_BAD;
}

/* Where the contents of what is open now must end at the latest. */
static uint64_t
bound(const struct ber_reader *r)
{
    return r->depth > 0 ? r->stack[r->depth - 1].end : r->limit;
}

/* ---- headers */

/* How many identifier octets head begins with; 0: not all there yet. */
static size_t
identifier_octets(const uint8_t *head, size_t n)
{
    if (n == 0) {
        return 0;
    }
    if ((head[0] & 0x1F) != 0x1F) {
        return 1;
    }
    for (size_t i = 1; i < n; i++) {
        if ((head[i] & 0x80) == 0) {
            return i + 1;
        }
    }
    return 0;
}

/* A sentence if no header can begin like this. */
static const char *
identifier_error(const uint8_t *head, size_t n)
{
    if ((head[0] & 0x1F) == 0x1F && n > 1) {
        if (head[1] == 0x80 || (n == 2 && head[1] < 0x1F)) {
            return "a tag number is not in its shortest form (X.690 section 8.1.2.4)";
        }
        if (n == 5 && identifier_octets(head, n) == 0) {
            return "a tag number is above 2^28";
        }
    }
    return NULL;
}

static ber_tag
tag_of(const uint8_t *head, size_t ident)
{
    ber_tag number = head[0] & 0x1F;

    if (ident > 1) {
        number = 0;
        for (size_t i = 1; i < ident; i++) {
            number = number << 7 | (head[i] & 0x7Fu);
        }
    }
    return (ber_tag)(head[0] >> 6) << 30 | number;
}

/* Gather octets until the header is whole: 1, 0: more are needed, <0: bad. */
static int
header_step(struct ber_reader *r, struct slice *piece, size_t *ident, size_t *whole)
{
    for (;;) {
        const char *error = r->head_n > 0 ? identifier_error(r->head, r->head_n) : NULL;

        if (error != NULL) {
            (void)bad(r, BH_ESYNTAX, r->at - r->head_n, error);
            return r->rc;
        }
        *ident = identifier_octets(r->head, r->head_n);
        if (*ident > 0 && r->head_n > *ident) {
            uint8_t first = r->head[*ident];
            size_t more = first > 0x80 ? first & 0x7Fu : 0;

            if (more > BER_LENGTH_OCTETS_MAX) {
                (void)bad(r, BH_ETOOBIG, r->at - 1, "a length has more than 8 octets");
                return r->rc;
            }
            *whole = *ident + 1 + more;
            if (r->head_n == *whole) {
                return 1;
            }
        }
        if (r->at == bound(r)) {
            (void)bad(r, BH_ESYNTAX, r->at, "the value around ends within a header");
            return r->rc;
        }
        if (piece->n == 0) {
            return 0;
        }
        r->head[r->head_n++] = (uint8_t)piece->p[0];
        *piece = slice_skip(*piece, 1);
        r->at++;
    }
}

static uint64_t
length_of(const uint8_t *octets)
{
    uint64_t length = 0;

    if (octets[0] < 0x80) {
        return octets[0];
    }
    if (octets[0] == 0x80) {
        return BER_INDEFINITE;
    }
    for (size_t i = 1; i <= (octets[0] & 0x7Fu); i++) {
        length = length << 8 | octets[i];
    }
    /* One that equals BER_INDEFINITE is too long in any case. */
    return MIN(length, BER_INDEFINITE - 1);
}

/* ---- values */

static enum ber_event
closed(struct ber_reader *r, struct ber_item *item)
{
    const struct ber_frame *f = &r->stack[--r->depth];

    *item = (struct ber_item){ .tag = f->tag, .depth = r->depth, .at = f->at, .end = r->at };
    item->length = BER_INDEFINITE;
    r->done = r->depth == 0;
    if (r->join_depth == 0 || r->depth >= r->join_depth) {
        return BER_CLOSE;
    }
    r->join_depth = 0;
    item->offset = r->join_offset;
    item->last = true;
    return BER_BYTES;
}

static enum ber_event
opened(struct ber_reader *r, struct ber_item *item)
{
    struct ber_frame *f = &r->stack[r->depth];

    *f = (struct ber_frame){ .tag = item->tag, .at = item->at };
    f->indefinite = item->length == BER_INDEFINITE;
    f->end = f->indefinite ? bound(r) : r->at + item->length;
    r->depth++;
    return BER_OPEN;
}

/* A header is whole: may such a value be here? */
static enum ber_event
header_done(struct ber_reader *r, size_t ident, struct ber_item *item)
{
    bool constructed = (r->head[0] & 0x20) != 0, longer = r->head_n != 2;
    uint64_t length = length_of(r->head + ident);

    *item = (struct ber_item){ .tag = tag_of(r->head, ident), .depth = r->depth, .length = length };
    item->at = r->at - r->head_n;
    r->head_n = 0;
    if (item->tag == 0) { /* end-of-contents */
        if (r->depth == 0 || !r->stack[r->depth - 1].indefinite) {
            return bad(r, BH_ESYNTAX, item->at, "end-of-contents octets where none can be");
        }
        if (constructed || longer || length != 0) { /* 00 00, and no other zero */
            return bad(r, BH_ESYNTAX, item->at, "end-of-contents octets with contents");
        }
        return closed(r, item);
    }
    if (length == BER_INDEFINITE && !constructed) {
        return bad(r, BH_ESYNTAX, item->at, "a primitive value of indefinite length");
    }
    if (length != BER_INDEFINITE && length > bound(r) - r->at) {
        return r->depth > 0
                   ? bad(r, BH_ESYNTAX, item->at, "a value is longer than the value around it")
                   : bad(r, BH_ETOOBIG, item->at, "the value is longer than is taken here");
    }
    if (r->join_depth > 0 && item->tag != r->join_segment) {
        return bad(r, BH_ESYNTAX, item->at, "a segment of a string is not an OCTET STRING");
    }
    if (constructed) {
        return r->depth < BER_DEPTH_MAX
                   ? opened(r, item)
                   : bad(r, BH_ETOOBIG, item->at, "values within values, deeper than 48");
    }
    r->value = *item;
    r->in_value = true;
    r->held_n = 0;
    return BER_MORE; /* the caller goes on with the contents */
}

/* The primitive value's octets go up; in a joined string as the outer's. */
static enum ber_event
give(struct ber_reader *r, struct slice bytes, bool last, struct ber_item *item)
{
    *item = r->value;
    item->bytes = bytes;
    item->last = last;
    r->value.offset += bytes.n;
    if (last) {
        r->in_value = false;
        r->done = r->depth == 0;
    }
    if (r->join_depth > 0) {
        const struct ber_frame *f = &r->stack[r->join_depth - 1];

        item->tag = f->tag;
        item->at = f->at;
        item->depth = r->join_depth - 1;
        item->length = BER_INDEFINITE;
        item->offset = r->join_offset;
        item->last = false;
        r->join_offset += bytes.n;
    }
    return BER_BYTES;
}

static enum ber_event
contents(struct ber_reader *r, struct slice *piece, struct ber_item *item)
{
    uint64_t left = r->value.length - r->value.offset - r->held_n;
    struct slice now = slice_sub(*piece, 0, (size_t)MIN(left, (uint64_t)piece->n));
    bool held = r->value.length <= BER_VALUE_BYTES_MAX && (now.n < left || r->held_n > 0);

    if (now.n == 0 && left > 0) {
        return BER_MORE;
    }
    *piece = slice_skip(*piece, now.n);
    r->at += now.n;
    if (!held) {
        return give(r, now, now.n == left, item);
    }
    memcpy(r->held + r->held_n, now.n > 0 ? now.p : "", now.n);
    r->held_n += now.n;
    if (now.n < left) {
        return BER_MORE;
    }
    now = (struct slice){ r->held, r->held_n };
    r->held_n = 0;
    return give(r, now, true, item);
}

/* One step: an event, or MORE with whether it is worth to go on. */
static enum ber_event
step(struct ber_reader *r, struct slice *piece, struct ber_item *item, bool *again)
{
    size_t ident = 0, whole = 0;
    enum ber_event e;

    *again = false;
    if (r->in_value) {
        return contents(r, piece, item);
    }
    if (r->depth > 0 && r->head_n == 0 && r->at == bound(r)) {
        return r->stack[r->depth - 1].indefinite
                   ? bad(r, BH_ESYNTAX, r->at, "the value around ends before end-of-contents")
                   : closed(r, item);
    }
    if (header_step(r, piece, &ident, &whole) <= 0) {
        return r->error != NULL ? BER_BAD : BER_MORE;
    }
    e = header_done(r, ident, item);
    *again = e == BER_MORE;
    return e;
}

/* Inside a joined string only its octets are of interest. */
static bool
joined_away(const struct ber_reader *r, enum ber_event e, const struct ber_item *item)
{
    return r->join_depth > 0 &&
           (e == BER_OPEN || e == BER_CLOSE || (e == BER_BYTES && item->bytes.n == 0));
}

enum ber_event
ber_next(struct ber_reader *r, struct slice *piece, struct ber_item *item)
{
    enum ber_event e;
    bool again;

    if (r->error != NULL) {
        return BER_BAD;
    }
    do {
        if (r->done) {
            return BER_DONE;
        }
        e = step(r, piece, item, &again);
    } while (again || joined_away(r, e, item));
    return e;
}

void
ber_join(struct ber_reader *r)
{
    CHECK(r->depth > 0 && r->join_depth == 0 && !r->in_value && r->head_n == 0 && !r->done);
    r->join_depth = r->depth;
    r->join_offset = 0;
    r->join_segment = BER_UNIVERSAL(BER_OCTET_STRING);
}
