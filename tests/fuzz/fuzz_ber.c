/* links: core osi */
#include "osi/ber.h"

/* Whatever the octets: the reader says the same however they are cut, takes no octet twice, and
 * agrees with the cursor about where a value ends; what it gives can be decoded without harm.
 *
 * Input: byte 0: bits 0-4 the size of the pieces of the second reading, bit 7 strings are joined.
 */

struct said {
    uint64_t hash, taken;
    enum ber_event last;
    const char *error;
};

static void
say(struct said *s, uint64_t v)
{
    s->hash = (s->hash ^ v) * 1099511628211u;
}

static void
say_item(struct said *s, enum ber_event e, const struct ber_item *item)
{
    if (e == BER_BYTES) {
        for (size_t i = 0; i < item->bytes.n; i++) {
            say(s, (uint8_t)item->bytes.p[i]);
        }
        if (!item->last) {
            return; /* how many pieces there are depends on the cut */
        }
    }
    say(s, (uint64_t)e);
    say(s, item->tag);
    say(s, item->depth);
    say(s, item->at);
}

static struct said
read_all(struct slice all, size_t cut, bool join)
{
    struct ber_reader r;
    struct ber_item item;
    struct said s = { .hash = 14695981039346656037u, .last = BER_MORE };

    ber_reader_init(&r, BER_BYTES_MAX);
    while (s.last == BER_MORE && all.n > 0) {
        struct slice piece = slice_sub(all, 0, cut), before = piece;

        for (s.last = ber_next(&r, &piece, &item);
             s.last == BER_OPEN || s.last == BER_CLOSE || s.last == BER_BYTES;
             s.last = ber_next(&r, &piece, &item)) {
            CHECK(item.depth < BER_DEPTH_MAX + 1 && item.at <= r.at);
            say_item(&s, s.last, &item);
            if (s.last == BER_OPEN && join && item.tag == BER_UNIVERSAL(BER_OCTET_STRING)) {
                ber_join(&r);
            }
        }
        CHECK(s.last != BER_MORE || piece.n == 0);
        all = slice_skip(all, before.n - piece.n);
    }
    CHECK(s.last != BER_BAD || (r.error != NULL && r.rc < 0 && r.error_at <= r.at));
    s.taken = r.at;
    s.error = r.error;
    return s;
}

static void
decode(const struct ber_value *v)
{
    char store[64], text[64];
    struct slice out;
    bool b;
    int64_t i;
    uint64_t u;
    size_t n;

    if (ber_to_string(v, store, sizeof(store), &out) == 0) {
        CHECK(out.n <= sizeof(store));
    }
    if (ber_to_oid(v, &out) == 0 && ber_oid_text(out, text, sizeof(text)) == 0) {
        CHECK(strlen(text) < sizeof(text));
    }
    (void)!ber_to_bool(v, &b);
    if (ber_to_int(v, &i) == 0) {
        CHECK((ber_to_uint(v, UINT64_MAX, &u) == 0) == (i >= 0));
    }
    (void)!ber_to_bits(v, &u, &n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = { (const char *)data + 1, size - 1 };
    struct ber_cursor c;
    struct ber_value v;
    struct said whole, cut;
    bool join;

    if (size < 2) {
        return 0;
    }
    join = (data[0] & 0x80) != 0;
    whole = read_all(all, all.n, join);
    cut = read_all(all, 1 + (data[0] & 0x1F), join);
    CHECK(whole.hash == cut.hash && whole.last == cut.last && whole.error == cut.error);
    CHECK(whole.taken == cut.taken && whole.taken <= all.n);
    ber_cursor_init(&c, all);
    CHECK(whole.last != BER_DONE || (ber_take(&c, &v) == 1 && v.whole.n == whole.taken));
    ber_cursor_init(&c, all);
    while (ber_take(&c, &v) > 0) {
        CHECK(v.whole.n > 0 && v.body.n < v.whole.n);
        CHECK(c.rest.p + c.rest.n == all.p + all.n);
        decode(&v);
        if (v.constructed) {
            c = ber_inside(&c, &v);
            all = c.rest;
        }
    }
    CHECK(c.rest.n == 0 || c.error != NULL);
    return 0;
}
