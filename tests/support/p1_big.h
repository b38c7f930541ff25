/* support/p1_big.h - envelopes of the largest size that is taken, of the kinds that cost a reader
 * most; in the stored form, without content. For tests and for bench_envelope. */
#ifndef SUPPORT_P1_BIG_H
#define SUPPORT_P1_BIG_H

#include "osi/ber.h"
#include "x400/p1.h"
#include "x400/p1_member.h"
#include <stdio.h>

enum p1_big {
    P1_BIG_RECIPIENTS, /* as many as X.411 allows, all ours, each with its own address */
    P1_BIG_LOOSE,      /* the same in indefinite lengths */
    P1_BIG_MEMBERS,    /* unknown members of two octets, of the envelope */
    P1_BIG_OWN,        /* the same of its only recipient */
    P1_BIG_NAME,       /* the same in that recipient's name */
    P1_BIG_EXTENSIONS, /* some recipients with as many as a list may have */
    P1_BIG_SEGMENTS    /* the only recipient's indicators, in segments of no bits */
};
#define P1_BIG_COUNT (P1_BIG_SEGMENTS + 1)

static inline const char *
p1_big_name(enum p1_big kind)
{
    static const char *const names[] = { "recipients", "loose", "members", "own", "name",
        "extensions", "segments" };

    return names[kind];
}

#define P1_BIG_ROOM (P1_ENVELOPE_BYTES_MAX - 512u) /* what is beside is less than that */

/* As many of these octets as there is room for. */
static inline void
p1_big_fill(struct ber_writer *w, const char *octets, size_t n)
{
    for (size_t at = 0; at + n <= P1_BIG_ROOM; at += n) {
        ber_write_raw(w, (struct slice){ octets, n });
    }
}

static inline void
p1_big_address(struct ber_writer *w, enum p1_big kind, uint32_t nth)
{
    char unit[16];

    (void)snprintf(unit, sizeof(unit), "unit%05u", nth);
    ber_write_begin(w, BER_APPLICATION(0));
    ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
    ber_write_list(w, BER_APPLICATION(1),
        (struct slice)SLICE_LIT("\x13\x02"
                                "FR"));
    ber_write_list(w, BER_APPLICATION(2), (struct slice)SLICE_LIT("\x13\x01 "));
    ber_write_list(w, BER_CONTEXT(2),
        (struct slice)SLICE_LIT("\x13\x05"
                                "ATLAS"));
    ber_write_bytes(w, BER_CONTEXT(3), slice_of(unit));
    if (kind == P1_BIG_NAME) {
        p1_big_fill(w, "\x05", 2);
    }
    ber_write_end(w);
    ber_write_end(w);
}

static inline void
p1_big_recipient(struct ber_writer *w, enum p1_big kind, uint32_t nth)
{
    ber_write_begin(w, BER_UNIVERSAL(BER_SET));
    p1_big_address(w, kind, nth);
    ber_write_int(w, BER_CONTEXT(0), nth);
    if (kind == P1_BIG_SEGMENTS) {
        ber_write_begin(w, BER_CONTEXT(1));
        p1_big_fill(w, "\x03\x01", 3);
        ber_write_raw(w, (struct slice)SLICE_LIT("\x03\x02\x03\x90"));
        ber_write_end(w);
    } else {
        ber_write_bits(w, BER_CONTEXT(1), 1 | 1 << 3, 8);
    }
    if (kind == P1_BIG_EXTENSIONS) {
        ber_write_begin(w, BER_CONTEXT(3));
        for (unsigned i = 0; i < P1_EXTENSIONS_MAX; i++) {
            ber_write_raw(w, (struct slice)SLICE_LIT("\x30\x03\x80\x01\x63"));
        }
        ber_write_end(w);
    } else if (kind == P1_BIG_OWN) {
        p1_big_fill(w, "\x05", 2);
    }
    ber_write_end(w);
}

/* The values in octets once more, all that is constructed in indefinite length. */
static inline void
p1_big_loosen(struct buf *out, struct slice octets)
{
    struct ber_reader r;
    struct ber_item item;

    ber_reader_init(&r, BER_BYTES_MAX);
    while (octets.n > 0 || !r.done) {
        struct ber_writer w;

        switch (ber_next(&r, &octets, &item)) {
        case BER_OPEN:
            CHECK(item.tag >> 30 == 0 ? item.tag < 31 : (item.tag & 0x3FFFFFFF) < 31);
            CHECK(
                buf_append(out,
                    (struct slice){
                        (char[]){ (char)((item.tag >> 30 << 6) | 0x20 | (item.tag & 31)), '\x80' },
                        2 }) == 0);
            break;
        case BER_CLOSE:
            CHECK(buf_append(out, (struct slice)SLICE_LIT("\0\0")) == 0);
            break;
        case BER_BYTES:
            ber_writer_init(&w, out);
            ber_write_bytes(&w, item.tag, item.bytes);
            CHECK(ber_write_finish(&w) == 0);
            break;
        case BER_DONE:
            ber_reader_init(&r, BER_BYTES_MAX);
            break;
        case BER_MORE:
        case BER_BAD:
            CHECK(false);
        }
    }
}

static inline uint32_t
p1_big_recipients(enum p1_big kind)
{
    return kind <= P1_BIG_LOOSE        ? P1_RECIPIENTS_MAX
           : kind == P1_BIG_EXTENSIONS ? P1_EXTENSIONS_ALL_MAX / P1_EXTENSIONS_MAX
                                       : 1;
}

/* The members of the envelope of a message, into out, which is empty. */
static inline void
p1_big_members(struct buf *out, enum p1_big kind)
{
    static const struct p1_domain from = { { true, 2, "GB" }, { true, 4, "TEST" },
        { true, 5, "PEER2" } };
    struct ber_writer w;

    ber_writer_init(&w, out);
    p1_write_identifier(&w, &from, (struct slice)SLICE_LIT("BIG-1"));
    p1_big_address(&w, P1_BIG_RECIPIENTS, 0);
    ber_write_int(&w, BER_APPLICATION(6), 2);
    ber_write_begin(&w, BER_APPLICATION(9));
    ber_write_begin(&w, BER_UNIVERSAL(BER_SEQUENCE));
    p1_write_domain(&w, &from);
    ber_write_begin(&w, BER_UNIVERSAL(BER_SET));
    ber_write_bytes(&w, BER_CONTEXT(0), (struct slice)SLICE_LIT("261120231844Z"));
    ber_write_int(&w, BER_CONTEXT(2), 0);
    ber_write_end(&w);
    ber_write_end(&w);
    ber_write_end(&w);
    if (kind == P1_BIG_MEMBERS) {
        p1_big_fill(&w, "\x05", 2);
    }
    ber_write_begin(&w, BER_CONTEXT(2));
    for (uint32_t i = 1; i <= p1_big_recipients(kind); i++) {
        p1_big_recipient(&w, kind, i);
    }
    ber_write_end(&w);
    CHECK(ber_write_finish(&w) == 0);
}

/* The stored form of it, into out (of 2 * P1_ENVELOPE_BYTES_MAX). */
static inline void
p1_big_make(struct buf *out, enum p1_big kind)
{
    struct buf members, loose;
    struct ber_writer w;

    buf_init(&members, P1_ENVELOPE_BYTES_MAX);
    buf_init(&loose, P1_ENVELOPE_BYTES_MAX);
    p1_big_members(&members, kind);
    if (kind == P1_BIG_LOOSE) {
        p1_big_loosen(&loose, buf_slice(&members));
    }
    ber_writer_init(&w, out);
    ber_write_list(&w, BER_CONTEXT(0), buf_slice(kind == P1_BIG_LOOSE ? &loose : &members));
    CHECK(ber_write_finish(&w) == 0);
    buf_fini(&members);
    buf_fini(&loose);
}

#endif
