/* osi/ber.h - ASN.1's Basic Encoding Rules (X.690 section 8): a streaming pull reader, a cursor
 * over octets that are all there, and a writer. Pure.
 *
 * Why our own: docs/adr/0009. In short: content of any size passes through without being held, what
 * is relayed stays octet for octet as it came, and an error names its position.
 *
 * Reader    struct ber_reader: one value (with all that is in it), fed in pieces of any size, cut
 *           anywhere. ber_next takes what it needs from the piece and says what comes: a
 *           constructed value opens or closes, a primitive value's octets (whole if they are few,
 *           else as they come). Nothing is allocated; what is beyond a limit is an error, not a
 *           longer wait.
 * Cursor    struct ber_cursor: the same rules over octets in memory, value by value, for the small
 *           PDUs (connect, associate, bind) and for P1 envelopes. Values point into the input.
 * Writer    struct ber_writer: definite lengths in the shortest form, into a buf. Content that is
 *           not in memory: ber_write_header with its length, then its octets by another way.
 *
 * Strict    where leniency would let two readers see two things: lengths beyond the value around,
 *           end-of-contents where no indefinite length is open, high tag numbers in long disguise.
 * Liberal   where X.690 or real peers are: lengths with leading zeros, non-minimal integers, any
 *           mixture of definite and indefinite, strings in constructed form.
 */
#ifndef OSI_BER_H
#define OSI_BER_H

#include "core/buf.h"

/* A constructed value within a constructed value, and so on. The deepest that X.411 (1999) asks
 * for, a certificate in an extension of a recipient within an EXTERNAL, is about 30. */
#define BER_DEPTH_MAX 48
/* Primitive values up to this are given whole. All of P1 that is looked at is far below (ub 32,
 * 64, 128, a sender's supplementary information 256); OIDs that killed others were of 33 octets. */
#define BER_VALUE_BYTES_MAX 1024
/* Tag numbers; four octets behind the first. X.411 ends at 30, X.520 far below this. */
#define BER_TAG_NUMBER_MAX    0x0FFFFFFFu
#define BER_LENGTH_OCTETS_MAX 8 /* of the long form, leading zeros included */
#define BER_HEADER_BYTES_MAX  (1 + 4 + 1 + BER_LENGTH_OCTETS_MAX)
#define BER_BYTES_MAX         ((uint64_t)1 << 62) /* so that no sum of two lengths overflows */
#define BER_INDEFINITE        UINT64_MAX

/* Class and number; whether a value is constructed is not part of it. */
typedef uint32_t ber_tag;
#define BER_UNIVERSAL(n)   ((ber_tag)(n))
#define BER_APPLICATION(n) (0x40000000u | (ber_tag)(n))
#define BER_CONTEXT(n)     (0x80000000u | (ber_tag)(n))
#define BER_PRIVATE(n)     (0xC0000000u | (ber_tag)(n))

enum {
    BER_BOOLEAN = 1,
    BER_INTEGER = 2,
    BER_BIT_STRING = 3,
    BER_OCTET_STRING = 4,
    BER_NULL = 5,
    BER_OID = 6,
    BER_EXTERNAL = 8,
    BER_ENUMERATED = 10,
    BER_SEQUENCE = 16,
    BER_SET = 17,
    BER_NUMERIC_STRING = 18,
    BER_PRINTABLE_STRING = 19,
    BER_T61_STRING = 20,
    BER_IA5_STRING = 22,
    BER_UTC_TIME = 23,
    BER_GENERALIZED_TIME = 24
};

/* ---- reader */

enum ber_event {
    BER_MORE,  /* the piece is used up: feed the next one */
    BER_OPEN,  /* a constructed value begins */
    BER_CLOSE, /* it ends */
    BER_BYTES, /* octets of a primitive value (or of a joined string) */
    BER_DONE,  /* the value is complete; the piece begins with what is behind it */
    BER_BAD    /* error, error_at; sticky */
};

struct ber_item {
    ber_tag tag;
    unsigned depth;     /* of the value: 0 for the outermost */
    uint64_t at;        /* position of its first identifier octet */
    uint64_t end;       /* CLOSE: position behind it, end-of-contents included */
    uint64_t length;    /* of its contents; BER_INDEFINITE: not known before CLOSE */
    struct slice bytes; /* BYTES: lives until the piece or the reader is touched */
    uint64_t offset;    /* BYTES: where these are in the contents */
    bool last;          /* BYTES: the value ends with them */
};

struct ber_frame {
    uint64_t end; /* contents end here at the latest; BER_BYTES_MAX and more: unknown */
    uint64_t at;
    ber_tag tag;
    bool indefinite;
};

/* All fields are the reader's; at, error and error_at may be read. About 2.5 KiB. */
struct ber_reader {
    uint64_t at; /* octets taken since the beginning */
    uint64_t limit;
    unsigned depth; /* open constructed values */
    bool done;
    bool in_value;       /* a primitive value is under way */
    uint8_t head_n;      /* identifier and length octets gathered */
    unsigned join_depth; /* depth inside the string that is joined; 0: none */
    ber_tag join_segment;
    uint64_t join_offset;
    struct ber_item value; /* the primitive value under way */
    size_t held_n;
    const char *error; /* a sentence; NULL: none */
    uint64_t error_at;
    int rc; /* BH_ESYNTAX or BH_ETOOBIG */
    struct ber_frame stack[BER_DEPTH_MAX];
    uint8_t head[BER_HEADER_BYTES_MAX];
    char held[BER_VALUE_BYTES_MAX];
};

/* One value of at most limit octets, header included; limit <= BER_BYTES_MAX. */
void ber_reader_init(struct ber_reader *r, uint64_t limit);
/* What comes next. Takes from *piece. A primitive value of at most BER_VALUE_BYTES_MAX comes in one
 * BYTES with last set (empty values too); a longer one in as many as pieces, none of them empty.
 * After DONE and BAD every call returns the same and takes nothing. */
enum ber_event ber_next(struct ber_reader *r, struct slice *piece, struct ber_item *item);
/* Right after OPEN of a string in constructed form (X.690 sections 8.7.3, 8.23.6): its segments, in
 * however many levels, come as BYTES with the outer value's tag, depth and position; one with last
 * set (perhaps empty) stands for its CLOSE. Segments must be OCTET STRINGs. */
void ber_join(struct ber_reader *r);

/* ---- cursor */

/* Walks over values that follow each other. Positions in errors count from base. */
struct ber_cursor {
    struct slice rest;
    const char *base;
    const char *error; /* a sentence; NULL: none */
    uint64_t error_at;
};

struct ber_value {
    ber_tag tag;
    bool constructed;
    struct slice whole; /* header and all */
    struct slice body;  /* contents, without end-of-contents octets */
};

void ber_cursor_init(struct ber_cursor *c, struct slice bytes);
/* The values in v, which c gave; positions go on counting from c's base. */
struct ber_cursor ber_inside(const struct ber_cursor *c, const struct ber_value *v);
/* The next value. 1; 0: there is none; BH_ESYNTAX, BH_ETOOBIG: c->error tells (and c stays). */
int ber_take(struct ber_cursor *c, struct ber_value *v) MUST_USE;
/* The same only if its tag is this one (an optional member of a SEQUENCE): 0 if it is not. */
int ber_take_tag(struct ber_cursor *c, ber_tag tag, struct ber_value *v) MUST_USE;

/* Contents of a value whose tag was looked at (tags may be implicit, so these don't). BH_ESYNTAX;
 * BH_ETOOBIG: valid, and more than is taken here. Outputs are written on success only. */
int ber_to_bool(const struct ber_value *v, bool *out) MUST_USE;
int ber_to_int(const struct ber_value *v, int64_t *out) MUST_USE; /* INTEGER, ENUMERATED */
int ber_to_uint(const struct ber_value *v, uint64_t max, uint64_t *out) MUST_USE;
/* BIT STRING: bit n of the string (the first is 0) is 1 << n of *out; those above 63 are left out.
 * *count: bits there were. */
int ber_to_bits(const struct ber_value *v, uint64_t *out, size_t *count) MUST_USE;
/* A string of any type but BIT STRING. *out points into v, or, if it came in constructed form, into
 * store, where it was put together; BH_ETOOBIG if it is longer than cap in either form. */
int ber_to_string(const struct ber_value *v, char *store, size_t cap, struct slice *out) MUST_USE;
/* OBJECT IDENTIFIER: its contents, after a check that they are one. Compare with slice_eq. */
int ber_to_oid(const struct ber_value *v, struct slice *out) MUST_USE;
/* "2.6.0.1.6", terminated; for people. BH_ESYNTAX, BH_ETOOBIG (cap; arcs above 2^64). */
int ber_oid_text(struct slice oid, char *out, size_t cap) MUST_USE;

/* ---- writer */

/* The first failure of out (-ENOMEM, BH_ETOOBIG) is kept: what follows does nothing, and
 * ber_write_finish tells. Nobody else touches out from init to finish. */
struct ber_writer {
    struct buf *out;
    int rc;
    unsigned depth;
    size_t start[BER_DEPTH_MAX]; /* of the contents, from the beginning of out */
};

void ber_writer_init(struct ber_writer *w, struct buf *out);
/* 0 or the first failure: what was written is then cut short, not valid. CHECKs that all is closed.
 */
int ber_write_finish(struct ber_writer *w) MUST_USE;
void ber_write_begin(struct ber_writer *w, ber_tag tag); /* a constructed value */
void ber_write_end(struct ber_writer *w);
void ber_write_bytes(struct ber_writer *w, ber_tag tag, struct slice contents);
/* A constructed value of values that are already encoded. */
void ber_write_list(struct ber_writer *w, ber_tag tag, struct slice values);
void ber_write_bool(struct ber_writer *w, ber_tag tag, bool v);
void ber_write_int(struct ber_writer *w, ber_tag tag, int64_t v);
/* Bits 0 to count - 1 as by ber_to_bits; count <= 64. */
void ber_write_bits(struct ber_writer *w, ber_tag tag, uint64_t bits, size_t count);
/* Octets that are already encoded. */
void ber_write_raw(struct ber_writer *w, struct slice encoded);
/* Only identifier and length; length octets are to follow by another way (outside of begin and end,
 * whose lengths would not know of them). */
void ber_write_header(struct ber_writer *w, ber_tag tag, bool constructed, uint64_t length);
/* Octets that ber_write_header writes. */
size_t ber_header_bytes(ber_tag tag, uint64_t length);

#endif
