/* The reader as a table: octets in, a line of what it says out, the same for every way to cut them.
 */
#include "octets.h"
#include "osi/ber.h"
#include "test_main.h"

#define TEXT_CAP 65536

/* "{16 4:0102 }": a SEQUENCE that contains an OCTET STRING. Classes: a application, c context,
 * p private. */
static void
say_tag(char *text, ber_tag tag)
{
    static const char *const classes[] = { "", "a", "c", "p" };

    (void)snprintf(text + strlen(text), TEXT_CAP - strlen(text), "%s%u", classes[tag >> 30],
        tag & 0x3FFFFFFFu);
}

struct listener {
    struct ber_reader r;
    char *text;
    bool in_bytes;  /* of a value whose first octets came */
    ber_tag joined; /* the tag whose constructed form is a string here; 0: none */
    enum ber_event last;
};

static void
listen(struct listener *l, enum ber_event e, const struct ber_item *item)
{
    if (e == BER_OPEN && l->joined != 0 && item->tag == l->joined) {
        ber_join(&l->r);
        return;
    }
    if (e == BER_OPEN || (e == BER_BYTES && !l->in_bytes)) {
        strcat(l->text, e == BER_OPEN ? "{" : "");
        say_tag(l->text, item->tag);
        strcat(l->text, e == BER_OPEN ? " " : ":");
    }
    if (e == BER_BYTES) {
        for (size_t i = 0; i < item->bytes.n; i++) {
            (void)snprintf(l->text + strlen(l->text), 3, "%02x", (uint8_t)item->bytes.p[i]);
        }
        strcat(l->text, item->last ? " " : "");
        l->in_bytes = !item->last;
    }
    if (e == BER_CLOSE) {
        strcat(l->text, "} ");
    }
}

static void
feed(struct listener *l, struct slice piece)
{
    struct ber_item item;

    do {
        l->last = ber_next(&l->r, &piece, &item);
        listen(l, l->last, &item);
    } while (l->last == BER_OPEN || l->last == BER_CLOSE || l->last == BER_BYTES);
}

static void
listener_init(struct listener *l, char *text, ber_tag joined)
{
    memset(l, 0, sizeof(*l));
    l->text = text;
    l->joined = joined;
    text[0] = '\0';
    ber_reader_init(&l->r, BER_BYTES_MAX);
}

/* Each octet alone, with the memory around it unreadable to a sanitizer. */
static void
feed_singly(struct listener *l, struct slice s)
{
    for (size_t i = 0; i < s.n && l->last != BER_BAD && l->last != BER_DONE; i++) {
        char *one = malloc(1);

        CU_ASSERT_PTR_NOT_NULL_FATAL(one);
        *one = s.p[i];
        feed(l, (struct slice){ one, 1 });
        free(one);
    }
}

static void
check_text(const char *hex, ber_tag joined, const char *expect)
{
    static char octets[8192], text[TEXT_CAP], again[TEXT_CAP];
    struct slice s = octets_of_hex(hex, octets, sizeof(octets));
    struct listener l;

    listener_init(&l, text, joined);
    feed(&l, s);
    if (l.last != BER_DONE || strcmp(text, expect) != 0) {
        printf("%s: %s, not %s; %s\n", hex, text, expect, l.r.error != NULL ? l.r.error : "");
    }
    CU_ASSERT_STRING_EQUAL(text, expect);
    CU_ASSERT_EQUAL(l.last, BER_DONE);
    for (size_t cut = 0; cut <= s.n; cut++) {
        listener_init(&l, again, joined);
        feed(&l, slice_sub(s, 0, cut));
        CU_ASSERT_EQUAL(l.last, cut < s.n ? BER_MORE : BER_DONE);
        feed(&l, slice_skip(s, cut));
        CU_ASSERT_STRING_EQUAL(again, expect);
        CU_ASSERT_EQUAL(l.r.at, s.n);
    }
    listener_init(&l, again, joined);
    feed_singly(&l, s);
    CU_ASSERT_STRING_EQUAL(again, expect);
}

static void
values_come_as_they_are_whatever_the_cut(void)
{
    static const struct {
        const char *hex, *text;
    } rows[] = {
        { "05 00", "5: " },
        { "02 01 2a", "2:2a " },
        { "30 00", "{16 } " },
        { "30 80 00 00", "{16 } " },
        { "30 03 02 01 05", "{16 2:05 } " },
        { "30 80 02 01 05 00 00", "{16 2:05 } " },
        { "30 81 04 02 81 01 05", "{16 2:05 } " },
        { "30 88 00000000 00000003 04 01 ff", "{16 4:ff } " },
        { "31 06 a0 80 05 00 00 00", "{17 {c0 5: } } " },
        { "31 80 a0 02 05 00 80 00 00 00", "{17 {c0 5: } c0: } " },
        { "7e 02 43 00", "{a30 a3: } " },
        { "bf 1f 04 df 81 00 00", "{c31 p128: } " },
        { "ff ff ff ff 7f 00", "{p268435455 } " },
        { "9f ff ff 7f 81 01 aa", "c2097151:aa " },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].text != NULL) {
            check_text(rows[i].hex, 0, rows[i].text);
        }
    }
}

static void
strings_in_constructed_form_can_be_joined(void)
{
    static const struct {
        const char *hex, *text;
    } rows[] = {
        { "24 00", "4: " },
        { "04 02 6162", "4:6162 " },
        { "24 07 04 02 6162 04 01 63", "4:616263 " },
        { "24 80 04 02 6162 04 00 04 01 63 00 00", "4:616263 " },
        { "24 80 24 80 04 01 61 24 03 04 01 62 00 00 04 01 63 00 00", "4:616263 " },
        { "30 80 24 80 04 01 61 00 00 02 01 07 00 00", "{16 4:61 2:07 } " },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check_text(rows[i].hex, BER_UNIVERSAL(BER_OCTET_STRING), rows[i].text);
    }
    check_text("a4 80 04 01 61 04 01 62 00 00", BER_CONTEXT(4), "c4:6162 ");
}

static void
a_joined_string_says_where_and_how_deep_it_is(void)
{
    static const char octets[] = "\x30\x80\x24\x80\x04\x01"
                                 "a\x04\x02"
                                 "bc\x00\x00\x00\x00";
    struct slice piece = { octets, sizeof(octets) - 1 };
    struct ber_reader r;
    struct ber_item item;
    uint64_t offsets = 0;

    ber_reader_init(&r, 100);
    CU_ASSERT_EQUAL(ber_next(&r, &piece, &item), BER_OPEN);
    CU_ASSERT_EQUAL(item.depth, 0);
    CU_ASSERT_EQUAL(ber_next(&r, &piece, &item), BER_OPEN);
    CU_ASSERT_EQUAL(item.at, 2);
    ber_join(&r);
    do {
        CU_ASSERT_EQUAL(ber_next(&r, &piece, &item), BER_BYTES);
        CU_ASSERT_EQUAL(item.at, 2);
        CU_ASSERT_EQUAL(item.depth, 1);
        CU_ASSERT_EQUAL(item.offset, offsets);
        CU_ASSERT_EQUAL(item.tag, BER_UNIVERSAL(BER_OCTET_STRING));
        offsets += item.bytes.n;
    } while (!item.last);
    CU_ASSERT_EQUAL(offsets, 3);
    CU_ASSERT_EQUAL(ber_next(&r, &piece, &item), BER_CLOSE);
    CU_ASSERT_EQUAL(item.end, sizeof(octets) - 1);
    CU_ASSERT_EQUAL(ber_next(&r, &piece, &item), BER_DONE);
}

static void
what_is_wrong_is_said_with_its_position(void)
{
    static const struct {
        const char *hex;
        int rc;
        unsigned at;
        const char *words;
    } rows[] = {
        { "00 00", BH_ESYNTAX, 0, "end-of-contents" },
        { "30 02 00 00", BH_ESYNTAX, 2, "end-of-contents" },
        { "30 80 00 01 00", BH_ESYNTAX, 2, "with contents" },
        { "30 80 20 00", BH_ESYNTAX, 2, "with contents" },
        { "30 80 00 81 00", BH_ESYNTAX, 2, "with contents" },
        { "30 80 20 80", BH_ESYNTAX, 2, "with contents" },
        { "04 80", BH_ESYNTAX, 0, "primitive value of indefinite" },
        { "30 03 04 02 00", BH_ESYNTAX, 2, "longer than the value around" },
        { "30 03 30 80 00", BH_ESYNTAX, 5, "ends within a header" },
        { "30 02 30 80", BH_ESYNTAX, 4, "before end-of-contents" },
        { "30 01 04", BH_ESYNTAX, 3, "within a header" },
        { "30 04 04 00 1f 81", BH_ESYNTAX, 6, "within a header" },
        { "1f 1e 00", BH_ESYNTAX, 0, "shortest form" },
        { "1f 80 7f 00", BH_ESYNTAX, 0, "shortest form" },
        { "1f 81 80 80 80 00", BH_ESYNTAX, 0, "above 2^28" },
        { "04 89", BH_ETOOBIG, 1, "more than 8 octets" },
        { "04 ff", BH_ETOOBIG, 1, "more than 8 octets" },
        { "04 88 ffffffff ffffffff", BH_ETOOBIG, 0, "longer than is taken" },
        { "04 88 7fffffff ffffffff", BH_ETOOBIG, 0, "longer than is taken" },
        { "30 84 00000005 04 88 ffffffffffff", BH_ESYNTAX, 11, "within a header" },
    };
    static char octets[64], text[TEXT_CAP];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice s = octets_of_hex(rows[i].hex, octets, sizeof(octets));
        struct listener l;

        for (size_t cut = 0; cut <= s.n; cut++) {
            listener_init(&l, text, 0);
            feed(&l, slice_sub(s, 0, cut));
            feed(&l, slice_skip(s, cut));
            CU_ASSERT_EQUAL(l.last, BER_BAD);
            CU_ASSERT_EQUAL(l.r.rc, rows[i].rc);
            CU_ASSERT_EQUAL(l.r.error_at, rows[i].at);
            CU_ASSERT_PTR_NOT_NULL_FATAL(l.r.error);
            CU_ASSERT_PTR_NOT_NULL(strstr(l.r.error, rows[i].words));
            feed(&l, s);
            CU_ASSERT_EQUAL(l.last, BER_BAD);
        }
    }
}

static void
only_octet_strings_are_segments_of_a_string(void)
{
    static char text[TEXT_CAP];
    struct listener l;

    listener_init(&l, text, BER_UNIVERSAL(BER_OCTET_STRING));
    feed(&l, (struct slice)SLICE_LIT("\x24\x80\x04\x01x\x0c\x01y"));
    CU_ASSERT_EQUAL(l.last, BER_BAD);
    CU_ASSERT_EQUAL(l.r.error_at, 5);
}

static void
depth_and_size_have_limits(void)
{
    static char deep[2 * BER_DEPTH_MAX + 2], text[TEXT_CAP];
    struct listener l;
    struct slice piece = SLICE_LIT("\x04\x03xyz");
    struct ber_item item;

    for (size_t i = 0; i < sizeof(deep); i += 2) {
        memcpy(deep + i, "\x30\x80", 2);
    }
    listener_init(&l, text, 0);
    feed(&l, (struct slice){ deep, 2 * BER_DEPTH_MAX });
    CU_ASSERT_EQUAL(l.last, BER_MORE);
    feed(&l, (struct slice){ deep, 2 });
    CU_ASSERT_EQUAL(l.last, BER_BAD);
    CU_ASSERT_EQUAL(l.r.rc, BH_ETOOBIG);
    ber_reader_init(&l.r, 4);
    CU_ASSERT_EQUAL(ber_next(&l.r, &piece, &item), BER_BAD);
    CU_ASSERT_EQUAL(l.r.rc, BH_ETOOBIG);
}

static void
small_values_come_whole_and_large_ones_as_they_come(void)
{
    static char octets[4 + BER_VALUE_BYTES_MAX + 1];
    struct ber_reader r;
    struct ber_item item;

    for (size_t n = BER_VALUE_BYTES_MAX; n <= BER_VALUE_BYTES_MAX + 1; n++) {
        struct slice first = { octets, 10 }, second = { octets + 10, n - 6 };
        char head[4] = { 4, (char)0x82, (char)(n >> 8), (char)n };

        memcpy(octets, head, sizeof(head));
        octets[4] = 'a';
        octets[3 + n] = 'z';
        ber_reader_init(&r, BER_BYTES_MAX);
        if (n == BER_VALUE_BYTES_MAX) {
            CU_ASSERT_EQUAL(ber_next(&r, &first, &item), BER_MORE);
            CU_ASSERT_EQUAL(ber_next(&r, &second, &item), BER_BYTES);
            CU_ASSERT_EQUAL(item.bytes.n, n);
            CU_ASSERT_TRUE(item.bytes.p[0] == 'a' && item.bytes.p[n - 1] == 'z');
        } else {
            CU_ASSERT_EQUAL(ber_next(&r, &first, &item), BER_BYTES);
            CU_ASSERT_EQUAL(item.bytes.n, 6);
            CU_ASSERT_FALSE(item.last);
            CU_ASSERT_EQUAL(ber_next(&r, &second, &item), BER_BYTES);
            CU_ASSERT_EQUAL(item.offset, 6);
            CU_ASSERT_EQUAL(item.bytes.n, n - 6);
        }
        CU_ASSERT_TRUE(item.last);
        CU_ASSERT_EQUAL(ber_next(&r, &second, &item), BER_DONE);
    }
}

/* ---- cursor */

static void
a_cursor_steps_over_whatever_length_form(void)
{
    char octets[64];
    struct slice s = octets_of_hex(
        "30 80 a0 80 02 01 07 00 00 a1 03 04 01 78 00 00 05 00", octets, sizeof(octets));
    struct ber_cursor c, in;
    struct ber_value v, w;

    ber_cursor_init(&c, s);
    CU_ASSERT_EQUAL_FATAL(ber_take(&c, &v), 1);
    CU_ASSERT_EQUAL(v.tag, BER_UNIVERSAL(BER_SEQUENCE));
    CU_ASSERT_EQUAL(v.whole.n, 16);
    CU_ASSERT_EQUAL(v.body.n, 12);
    in = ber_inside(&c, &v);
    CU_ASSERT_EQUAL(ber_take_tag(&in, BER_CONTEXT(1), &w), 0);
    CU_ASSERT_EQUAL(ber_take_tag(&in, BER_CONTEXT(0), &w), 1);
    CU_ASSERT_EQUAL(w.body.n, 3);
    CU_ASSERT_EQUAL(ber_take(&in, &w), 1);
    CU_ASSERT_EQUAL(w.tag, BER_CONTEXT(1));
    CU_ASSERT_EQUAL(ber_take(&in, &w), 0);
    CU_ASSERT_EQUAL(ber_take(&c, &v), 1);
    CU_ASSERT_EQUAL(v.tag, BER_UNIVERSAL(BER_NULL));
    CU_ASSERT_EQUAL(ber_take(&c, &v), 0);
    CU_ASSERT_EQUAL(ber_take_tag(&c, BER_UNIVERSAL(BER_NULL), &v), 0);
}

static void
a_cursor_tells_errors_from_the_beginning_of_all(void)
{
    static const struct {
        const char *hex;
        unsigned at;
    } rows[] = {
        { "30 06 05 00 04 05 61 62", 6 + 2 }, /* ends within the OCTET STRING */
        { "30 06 05 00 04 80 61 62", 4 },
        { "30 06 05 00 30 80 05 00", 8 },
        { "30 05 05 00 30 80 00", 7 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char octets[64];
        struct slice s = octets_of_hex(rows[i].hex, octets, sizeof(octets)), rest;
        struct ber_cursor c, in;
        struct ber_value v;

        ber_cursor_init(&c, s);
        CU_ASSERT_EQUAL_FATAL(ber_take(&c, &v), 1);
        in = ber_inside(&c, &v);
        CU_ASSERT_EQUAL_FATAL(ber_take(&in, &v), 1);
        rest = in.rest;
        CU_ASSERT_EQUAL(ber_take(&in, &v), BH_ESYNTAX);
        CU_ASSERT_EQUAL(in.error_at, rows[i].at);
        CU_ASSERT_PTR_NOT_NULL(in.error);
        CU_ASSERT_PTR_EQUAL(in.rest.p, rest.p);
        CU_ASSERT_EQUAL(ber_take_tag(&in, BER_UNIVERSAL(BER_NULL), &v), BH_ESYNTAX);
        CU_ASSERT_PTR_NOT_NULL(in.error);
    }
}

static struct ber_value
value_of(const char *hex, char *octets, size_t cap)
{
    struct ber_cursor c;
    struct ber_value v = { .tag = 0 };

    ber_cursor_init(&c, octets_of_hex(hex, octets, cap));
    CU_ASSERT_EQUAL(ber_take(&c, &v), 1);
    return v;
}

static void
integers_are_taken_in_any_length_up_to_64_bits(void)
{
    static const struct {
        const char *hex;
        int rc;
        int64_t value;
    } rows[] = {
        { "02 01 00", 0, 0 },
        { "02 01 7f", 0, 127 },
        { "02 01 80", 0, -128 },
        { "02 02 0080", 0, 128 },
        { "02 04 00000001", 0, 1 },
        { "02 0a ffffffffffffffffffff", 0, -1 },
        { "02 08 7fffffffffffffff", 0, INT64_MAX },
        { "02 08 8000000000000000", 0, INT64_MIN },
        { "02 09 008000000000000000", BH_ETOOBIG, 0 },
        { "02 09 ff7fffffffffffffff", BH_ETOOBIG, 0 },
        { "02 00", BH_ESYNTAX, 0 },
        { "22 03 02 01 00", BH_ESYNTAX, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char octets[32];
        struct ber_value v = value_of(rows[i].hex, octets, sizeof(octets));
        int64_t value = 42;
        uint64_t positive = 42;

        CU_ASSERT_EQUAL(ber_to_int(&v, &value), rows[i].rc);
        CU_ASSERT_EQUAL(value, rows[i].rc == 0 ? rows[i].value : 42);
        if (rows[i].rc == 0) {
            bool fits = rows[i].value >= 0 && rows[i].value <= 127;

            CU_ASSERT_EQUAL(ber_to_uint(&v, 127, &positive), rows[i].value < 0 ? BH_ESYNTAX
                                                             : fits            ? 0
                                                                               : BH_ETOOBIG);
        }
    }
}

static void
bits_count_from_the_first(void)
{
    static const struct {
        const char *hex;
        int rc;
        uint64_t bits;
        size_t count;
    } rows[] = {
        { "03 02 00 a8", 0, 0x15, 8 },
        { "03 02 03 a8", 0, 0x15, 5 },
        { "03 01 00", 0, 0, 0 },
        { "03 03 00 01 80", 0, 0x180, 16 },
        { "03 0a 00 000000000000000180", 0, (uint64_t)1 << 63, 72 },
        { "23 80 03 02 00 80 03 02 07 80 00 00", 0, 0x101, 9 },
        { "23 0a 03 01 00 03 81 02 07 80 03 00", BH_ESYNTAX, 0, 0 },
        { "23 08 03 01 00 03 81 02 07 80", 0, 1, 1 },
        { "23 08 03 02 01 80 03 02 07 80", BH_ESYNTAX, 0, 0 },
        { "23 04 03 05 00 80", BH_ESYNTAX, 0, 0 },
        { "23 02 00 00", BH_ESYNTAX, 0, 0 },
        { "23 03 04 01 00", BH_ESYNTAX, 0, 0 },
        { "03 00", BH_ESYNTAX, 0, 0 },
        { "03 02 08 00", BH_ESYNTAX, 0, 0 },
        { "03 01 01", BH_ESYNTAX, 0, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char octets[32];
        struct ber_value v = value_of(rows[i].hex, octets, sizeof(octets));
        uint64_t bits = 0;
        size_t count = 0;

        CU_ASSERT_EQUAL(ber_to_bits(&v, &bits, &count), rows[i].rc);
        CU_ASSERT_EQUAL(bits, rows[i].bits);
        CU_ASSERT_EQUAL(count, rows[i].count);
    }
}

static void
strings_are_put_together_up_to_a_limit(void)
{
    char octets[64], store[4];
    struct ber_value v = value_of("16 04 4d544131", octets, sizeof(octets));
    struct slice s;

    CU_ASSERT_EQUAL(ber_to_string(&v, store, sizeof(store), &s), 0);
    CU_ASSERT_TRUE(slice_eq(s, (struct slice)SLICE_LIT("MTA1")));
    v = value_of("36 80 04 02 4d54 24 80 04 02 4131 00 00 00 00", octets, sizeof(octets));
    CU_ASSERT_EQUAL(ber_to_string(&v, store, sizeof(store), &s), 0);
    CU_ASSERT_TRUE(slice_eq(s, (struct slice)SLICE_LIT("MTA1")));
    v = value_of("36 80 04 02 4d54 04 03 413132 00 00", octets, sizeof(octets));
    CU_ASSERT_EQUAL(ber_to_string(&v, store, sizeof(store), &s), BH_ETOOBIG);
    v = value_of("16 05 4d54413132", octets, sizeof(octets));
    CU_ASSERT_EQUAL(ber_to_string(&v, store, sizeof(store), &s), BH_ETOOBIG);
    v = value_of("36 80 16 02 4d54 00 00", octets, sizeof(octets));
    CU_ASSERT_EQUAL(ber_to_string(&v, store, sizeof(store), &s), BH_ESYNTAX);
}

static void
object_identifiers_are_checked_and_shown(void)
{
    static const struct {
        const char *hex;
        int rc;
        const char *text;
    } rows[] = {
        { "06 04 56000106", 0, "2.6.0.1.6" },
        { "06 02 5101", 0, "2.1.1" },
        { "06 05 2a864886f7", BH_ESYNTAX, NULL },
        { "06 06 2a864886f70d", 0, "1.2.840.113549" },
        { "06 01 00", 0, "0.0" },
        { "06 02 8837", 0, "2.999" },
        { "06 00", BH_ESYNTAX, NULL },
        { "06 02 5180", BH_ESYNTAX, NULL },
        { "06 03 518001", BH_ESYNTAX, NULL },
        { "06 0b 51 83ffffffffffffffff7f", BH_ETOOBIG, NULL },
    };
    char octets[32], text[64];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ber_value v = value_of(rows[i].hex, octets, sizeof(octets));
        struct slice oid = v.body;
        int rc = ber_to_oid(&v, &oid);

        if (rows[i].text != NULL) {
            CU_ASSERT_EQUAL(rc, 0);
            CU_ASSERT_EQUAL(ber_oid_text(oid, text, sizeof(text)), 0);
            CU_ASSERT_STRING_EQUAL(text, rows[i].text);
            CU_ASSERT_EQUAL(ber_oid_text(oid, text, strlen(rows[i].text)), BH_ETOOBIG);
        } else {
            CU_ASSERT_TRUE(rc < 0 || rows[i].rc <= 0);
            CU_ASSERT_EQUAL(
                ber_oid_text(oid, text, sizeof(text)), rows[i].rc == 0 ? BH_ESYNTAX : rows[i].rc);
        }
    }
}

static void
booleans_have_one_octet(void)
{
    char octets[8];
    struct ber_value v = value_of("01 01 01", octets, sizeof(octets));
    bool b = false;

    CU_ASSERT_EQUAL(ber_to_bool(&v, &b), 0);
    CU_ASSERT_TRUE(b);
    v = value_of("01 02 0000", octets, sizeof(octets));
    CU_ASSERT_EQUAL(ber_to_bool(&v, &b), BH_ESYNTAX);
}

/* ---- writer */

static void
check_written(struct buf *b, const char *hex)
{
    static char octets[256];
    struct slice expect = octets_of_hex(hex, octets, sizeof(octets));

    CU_ASSERT_TRUE(slice_eq(buf_slice(b), expect));
    buf_clear(b);
}

static void
what_is_written_is_in_its_shortest_form(void)
{
    static const struct {
        int64_t value;
        const char *hex;
    } ints[] = { { 0, "020100" }, { 127, "02017f" }, { 128, "02020080" }, { -128, "020180" },
        { -129, "0202ff7f" }, { 65536, "0203010000" }, { INT64_MAX, "02087fffffffffffffff" },
        { INT64_MIN, "02088000000000000000" } };
    struct buf b;
    struct ber_writer w;

    buf_init(&b, 4096);
    ber_writer_init(&w, &b);
    for (size_t i = 0; i < ARRAY_LEN(ints); i++) {
        ber_write_int(&w, BER_UNIVERSAL(BER_INTEGER), ints[i].value);
        check_written(&b, ints[i].hex);
    }
    ber_write_begin(&w, BER_APPLICATION(3));
    ber_write_bool(&w, BER_CONTEXT(31), true);
    ber_write_bits(&w, BER_UNIVERSAL(BER_BIT_STRING), 0x15, 5);
    ber_write_begin(&w, BER_PRIVATE(BER_TAG_NUMBER_MAX));
    ber_write_end(&w);
    ber_write_end(&w);
    check_written(&b, "63 0e 9f1f 01 ff 03 02 03 a8 ffffffff7f 00");
    CU_ASSERT_EQUAL(ber_write_finish(&w), 0);
    buf_fini(&b);
}

static void
lengths_grow_behind_what_is_written(void)
{
    static char filler[70000];
    static const size_t sizes[] = { 0, 100, 127, 128, 255, 256, 65535, 65536 };

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct buf b;
        struct ber_writer w;
        struct ber_cursor c, in;
        struct ber_value v;

        buf_init(&b, 1 << 20);
        CU_ASSERT_EQUAL(buf_append(&b, (struct slice)SLICE_LIT("before")), 0);
        ber_writer_init(&w, &b);
        ber_write_begin(&w, BER_UNIVERSAL(BER_SEQUENCE));
        ber_write_begin(&w, BER_CONTEXT(0));
        ber_write_raw(&w, (struct slice){ filler, sizes[i] });
        ber_write_end(&w);
        ber_write_bytes(&w, BER_CONTEXT(1), (struct slice)SLICE_LIT("x"));
        ber_write_end(&w);
        CU_ASSERT_EQUAL(ber_write_finish(&w), 0);
        ber_cursor_init(&c, slice_skip(buf_slice(&b), 6));
        CU_ASSERT_EQUAL_FATAL(ber_take(&c, &v), 1);
        CU_ASSERT_EQUAL(c.rest.n, 0);
        in = ber_inside(&c, &v);
        CU_ASSERT_EQUAL(ber_take(&in, &v), 1);
        CU_ASSERT_EQUAL(v.body.n, sizes[i]);
        CU_ASSERT_EQUAL(v.whole.n, sizes[i] + ber_header_bytes(BER_CONTEXT(0), sizes[i]));
        CU_ASSERT_EQUAL(ber_take(&in, &v), 1);
        CU_ASSERT_TRUE(slice_eq(v.body, (struct slice)SLICE_LIT("x")));
        CU_ASSERT_EQUAL(ber_take(&in, &v), 0);
        buf_fini(&b);
    }
}

static void
a_writer_without_room_says_so_at_the_end(void)
{
    for (size_t limit = 0; limit < 12; limit++) {
        struct buf b;
        struct ber_writer w;

        buf_init(&b, limit);
        ber_writer_init(&w, &b);
        ber_write_begin(&w, BER_CONTEXT(0));
        ber_write_int(&w, BER_CONTEXT(1), 1000);
        ber_write_begin(&w, BER_CONTEXT(2));
        ber_write_end(&w);
        ber_write_bytes(&w, BER_CONTEXT(3), (struct slice)SLICE_LIT("ab"));
        ber_write_end(&w);
        CU_ASSERT_EQUAL(ber_write_finish(&w), limit < 12 ? BH_ETOOBIG : 0);
        buf_fini(&b);
    }
}

/* ---- random values */

static uint64_t
any(uint64_t *seed, uint64_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 33) % below;
}

/* Encode a random value by hand, with lengths in a random form; what the reader should say goes to
 * text. */
static size_t
grow(uint64_t *seed, char *out, size_t room, unsigned depth, char *text)
{
    uint8_t number = (uint8_t)(1 + any(seed, 30));
    uint8_t class = (uint8_t)(any(seed, 4) << 6);
    bool constructed = depth < 6 && room > 40 && any(seed, 3) > 0;
    bool indefinite = constructed && any(seed, 2) == 0;
    static const size_t heads[] = { 2, 3, 6 };
    size_t head = indefinite ? 2 : heads[any(seed, room > 200 ? 3 : 2)];
    size_t n = 0, children = any(seed, 5);

    out[0] = (char)(class | (constructed ? 0x20 : 0) | number);
    strcat(text, constructed ? "{" : "");
    say_tag(text, (ber_tag)(class >> 6) << 30 | number);
    strcat(text, constructed ? " " : ":");
    for (size_t i = 0; constructed && i < children && room - n > 60; i++) {
        n += grow(seed, out + head + n, MIN(room - n - 20, (size_t)120), depth + 1, text);
    }
    if (!constructed) {
        n = any(seed, MIN(room - 8, (size_t)100));
        for (size_t i = 0; i < n; i++) {
            out[head + i] = (char)any(seed, 256);
            (void)snprintf(text + strlen(text), 3, "%02x", (uint8_t)out[head + i]);
        }
    }
    strcat(text, constructed ? "} " : " ");
    if (n > 127 && head == 2 && !indefinite) { /* does not fit after all: one octet more */
        memmove(out + 3, out + 2, n);
        head = 3;
    }
    if (n > 255 && head == 3) {
        memmove(out + 6, out + 3, n);
        head = 6;
    }
    out[1] = indefinite ? (char)0x80 : head == 2 ? (char)n : (char)(0x80 | (head - 2));
    for (size_t i = 2; i < head; i++) {
        out[i] = (char)((uint64_t)n >> (8 * (head - 1 - i)));
    }
    if (indefinite) {
        memset(out + head + n, 0, 2);
        n += 2;
    }
    return head + n;
}

static void
random_values_are_read_as_they_were_written(void)
{
    static char octets[8192], text[TEXT_CAP], expect[TEXT_CAP];
    uint64_t seed = 4;

    for (unsigned i = 0; i < 2000; i++) {
        struct listener l;
        struct ber_cursor c;
        struct ber_value v;
        struct slice s = { octets, 0 };

        expect[0] = '\0';
        s.n = grow(&seed, octets, 2000, 0, expect);
        listener_init(&l, text, 0);
        while (l.last != BER_DONE && l.last != BER_BAD && l.r.at < s.n) {
            feed(&l, slice_sub(s, l.r.at, 1 + any(&seed, 40)));
        }
        CU_ASSERT_EQUAL(l.last, BER_DONE);
        CU_ASSERT_STRING_EQUAL(text, expect);
        ber_cursor_init(&c, s);
        CU_ASSERT_EQUAL(ber_take(&c, &v), 1);
        CU_ASSERT_EQUAL(v.whole.n, s.n);
    }
}

/* The cursor's short way and the reader have one opinion of where a value ends. What is in a
 * definite length the cursor does not look at. */
static void
check_cursor(const struct listener *l, struct slice s)
{
    bool open = (s.p[0] & 0x20) != 0 && s.n > 1 && (uint8_t)s.p[1] != 0x80;
    struct ber_value v = { .tag = 0 };
    struct ber_cursor c;
    int rc;

    ber_cursor_init(&c, s);
    rc = ber_take(&c, &v);
    if (l->last == BER_DONE) {
        CU_ASSERT_EQUAL(rc, 1);
        CU_ASSERT_EQUAL(v.whole.n, l->r.at);
        CU_ASSERT_EQUAL(c.rest.n, s.n - l->r.at);
    } else if (!open) {
        CU_ASSERT_EQUAL(rc, l->last == BER_BAD ? l->r.rc : BH_ESYNTAX);
        CU_ASSERT_TRUE(l->last != BER_BAD || strcmp(c.error, l->r.error) == 0);
        CU_ASSERT_TRUE(l->last != BER_BAD || c.error_at == l->r.error_at);
    }
}

static void
changed_octets_never_lead_out_of_the_input(void)
{
    static char octets[8192], text[TEXT_CAP];
    uint64_t seed = 5;

    for (unsigned i = 0; i < 5000; i++) {
        struct listener l;
        struct slice s;
        char *copy;

        text[0] = '\0';
        s.n = grow(&seed, octets, 500, 0, text);
        copy = malloc(s.n);
        CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
        memcpy(copy, octets, s.n);
        for (uint64_t k = any(&seed, 4) + 1; k > 0; k--) {
            copy[any(&seed, s.n)] = (char)any(&seed, 256);
        }
        s.p = copy;
        listener_init(&l, text, BER_UNIVERSAL(BER_OCTET_STRING));
        feed(&l, s);
        CU_ASSERT_TRUE(l.r.at <= s.n);
        CU_ASSERT_TRUE(l.last != BER_BAD || l.r.error_at <= s.n);
        listener_init(&l, text, 0);
        feed(&l, s);
        check_cursor(&l, s);
        free(copy);
    }
}

TEST_MAIN("ber", TEST(values_come_as_they_are_whatever_the_cut),
    TEST(strings_in_constructed_form_can_be_joined),
    TEST(a_joined_string_says_where_and_how_deep_it_is),
    TEST(what_is_wrong_is_said_with_its_position),
    TEST(only_octet_strings_are_segments_of_a_string), TEST(depth_and_size_have_limits),
    TEST(small_values_come_whole_and_large_ones_as_they_come),
    TEST(a_cursor_steps_over_whatever_length_form),
    TEST(a_cursor_tells_errors_from_the_beginning_of_all),
    TEST(integers_are_taken_in_any_length_up_to_64_bits), TEST(bits_count_from_the_first),
    TEST(strings_are_put_together_up_to_a_limit), TEST(object_identifiers_are_checked_and_shown),
    TEST(booleans_have_one_octet), TEST(what_is_written_is_in_its_shortest_form),
    TEST(lengths_grow_behind_what_is_written), TEST(a_writer_without_room_says_so_at_the_end),
    TEST(random_values_are_read_as_they_were_written),
    TEST(changed_octets_never_lead_out_of_the_input))
