/* support/p1_apdus.h - MTS-APDUs for tests of P1: those of the captures, and ones of our own. */
#ifndef SUPPORT_P1_APDUS_H
#define SUPPORT_P1_APDUS_H

#include "octets.h"
#include "x400/p1_reader.h"

#define P1_GDI    "6315 6104 1302 4742 6206 1304 54455354 1305 5045455232"
#define P1_ID     "641b " P1_GDI " 1602 4d31"
#define P1_NAME   "6008 3006 6104 1302 4742"
#define P1_TRACED "302b " P1_GDI " 3112 800d 3236313132303233313834345a 820100"
#define P1_TRACE  "692d " P1_TRACED

/* Octets of hex text, in turns in one of four buffers. */
static inline struct slice
p1_hex(const char *text)
{
    static char octets[4][4096];
    static unsigned which;

    which = (which + 1) % 4;
    return octets_of_hex(text, octets[which], sizeof(octets[0]));
}

/* An APDU as it came from another implementation, within its EXTERNAL; it is in file, which the
 * caller frees. */
static inline struct slice
p1_captured(const char *unit_file, bool pp, struct slice *file)
{
    const struct slice start =
        pp ? SLICE_LIT("\x28\x80\x02\x01\x05\xa0\x80") : SLICE_LIT("\x28\x82\x02\xb0\x02\x01\x05");
    const size_t bytes = pp ? 795 : 692;

    *file = octets_of_file(
        unit_file, pp ? "tests/data/x400/p1-pp.initiator" : "tests/data/x400/p1-python.initiator");
    for (size_t at = 0; at + bytes <= file->n; at++) {
        if (slice_starts(slice_skip(*file, at), start)) {
            return slice_sub(*file, at, bytes);
        }
    }
    abort();
}

/* Feed a piece; what comes of the content goes to content (may be NULL). */
static inline enum p1_event
p1_feed(struct p1_reader *r, struct slice piece, struct buf *content)
{
    enum p1_event e;

    do {
        struct slice part = SLICE_NONE;

        e = p1_reader_next(r, &piece, &part);
        if (e == P1_CONTENT && content != NULL) {
            CHECK(buf_append(content, part) == 0);
        }
    } while (e == P1_GOT_ENVELOPE || e == P1_CONTENT);
    return e;
}

#endif
