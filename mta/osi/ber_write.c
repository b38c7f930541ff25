/* ber_write.c - the writer. A constructed value's length is known at its end: one octet is kept
 * free for it, and what was written moves up by the few more that a long one needs. */
#include "osi/ber.h"

void
ber_writer_init(struct ber_writer *w, struct buf *out)
{
    w->out = out;
    w->rc = 0;
    w->depth = 0;
}

int
ber_write_finish(struct ber_writer *w)
{
    CHECK(w->depth == 0 || w->rc < 0);
    return w->rc;
}

void
ber_write_raw(struct ber_writer *w, struct slice encoded)
{
    if (w->rc == 0) {
        w->rc = buf_append(w->out, encoded);
    }
}

static size_t
identifier(uint8_t *out, ber_tag tag, bool constructed)
{
    uint8_t first = (uint8_t)((tag >> 30) << 6 | (constructed ? 0x20u : 0));
    uint32_t number = tag & 0x3FFFFFFFu;
    size_t n = 1;

    CHECK(number <= BER_TAG_NUMBER_MAX);
    if (number < 0x1F) {
        out[0] = (uint8_t)(first | number);
        return 1;
    }
    out[0] = first | 0x1F;
    for (unsigned shift = 28; shift > 0; shift -= 7) {
        if (shift == 7 || number >> (shift - 7) != 0) {
            out[n++] = (uint8_t)((number >> (shift - 7) & 0x7Fu) | (shift > 7 ? 0x80u : 0));
        }
    }
    return n;
}

/* Octets of a length; out may be NULL. */
static size_t
length_octets(uint8_t *out, uint64_t length)
{
    size_t more = 0;

    if (length < 0x80) {
        if (out != NULL) {
            out[0] = (uint8_t)length;
        }
        return 1;
    }
    while (more < 8 && length >> (8 * more) != 0) {
        more++;
    }
    for (size_t i = 0; out != NULL && i < more; i++) {
        out[1 + i] = (uint8_t)(length >> (8 * (more - 1 - i)));
    }
    if (out != NULL) {
        out[0] = (uint8_t)(0x80 | more);
    }
    return 1 + more;
}

size_t
ber_header_bytes(ber_tag tag, uint64_t length)
{
    uint8_t octets[5];

    return identifier(octets, tag, false) + length_octets(NULL, length);
}

void
ber_write_header(struct ber_writer *w, ber_tag tag, bool constructed, uint64_t length)
{
    uint8_t octets[BER_HEADER_BYTES_MAX];
    size_t n = identifier(octets, tag, constructed);

    n += length_octets(octets + n, length);
    ber_write_raw(w, (struct slice){ (const char *)octets, n });
}

void
ber_write_begin(struct ber_writer *w, ber_tag tag)
{
    if (w->rc < 0) {
        return;
    }
    CHECK(w->depth < BER_DEPTH_MAX);
    ber_write_header(w, tag, true, 0);
    w->start[w->depth++] = buf_len(w->out);
}

void
ber_write_end(struct ber_writer *w)
{
    static const char room[8] = { 0 };
    uint8_t octets[1 + 8];
    size_t start, length, n;
    char *at;

    if (w->rc < 0) {
        return;
    }
    CHECK(w->depth > 0);
    start = w->start[--w->depth];
    length = buf_len(w->out) - start;
    n = length_octets(octets, (uint64_t)length);
    ber_write_raw(w, (struct slice){ room, n - 1 });
    if (w->rc < 0) {
        return;
    }
    at = w->out->base + w->out->head + start;
    memmove(at + n - 1, at, length);
    memcpy(at - 1, octets, n);
}

void
ber_write_bytes(struct ber_writer *w, ber_tag tag, struct slice contents)
{
    ber_write_header(w, tag, false, (uint64_t)contents.n);
    ber_write_raw(w, contents);
}

void
ber_write_list(struct ber_writer *w, ber_tag tag, struct slice values)
{
    ber_write_header(w, tag, true, (uint64_t)values.n);
    ber_write_raw(w, values);
}

void
ber_write_bool(struct ber_writer *w, ber_tag tag, bool v)
{
    const char octet = v ? (char)0xFF : 0;

    ber_write_bytes(w, tag, (struct slice){ &octet, 1 });
}

void
ber_write_int(struct ber_writer *w, ber_tag tag, int64_t v)
{
    char octets[8];
    size_t n = 8;

    for (size_t i = 0; i < 8; i++) {
        octets[i] = (char)((uint64_t)v >> (8 * (7 - i)));
    }
    /* Drop what only repeats the sign. */
    while (
        n > 1 && v >= -((int64_t)1 << (8 * (n - 1) - 1)) && v < (int64_t)1 << (8 * (n - 1) - 1)) {
        n--;
    }
    ber_write_bytes(w, tag, (struct slice){ octets + 8 - n, n });
}

void
ber_write_bits(struct ber_writer *w, ber_tag tag, uint64_t bits, size_t count)
{
    char octets[1 + 8] = { 0 };
    size_t n = (count + 7) / 8;

    CHECK(count <= 64);
    octets[0] = (char)(8 * n - count);
    for (size_t i = 0; i < count; i++) {
        if ((bits >> i & 1) != 0) {
            octets[1 + i / 8] = (char)((uint8_t)octets[1 + i / 8] | 0x80u >> (i % 8));
        }
    }
    ber_write_bytes(w, tag, (struct slice){ octets, 1 + n });
}
