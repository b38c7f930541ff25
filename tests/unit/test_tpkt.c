/* Packets are found in a stream however it is cut, and what is no packet is told at its first wrong
 * octet. */
#include "octets.h"
#include "osi/tpkt.h"
#include "test_main.h"

struct seen {
    char octets[256];
    size_t n, packets;
    bool bad;
};

static void
feed(struct tpkt *t, struct slice s, struct seen *seen)
{
    struct tpkt_piece p;
    enum tpkt_event e;

    for (e = tpkt_next(t, &s, &p); e == TPKT_PIECE; e = tpkt_next(t, &s, &p)) {
        CU_ASSERT_TRUE(p.bytes.n > 0);
        CU_ASSERT_EQUAL(p.first, seen->n == 0 || seen->octets[seen->n - 1] == '|');
        memcpy(seen->octets + seen->n, p.bytes.p, p.bytes.n);
        seen->n += p.bytes.n;
        if (p.last) {
            seen->octets[seen->n++] = '|';
            seen->packets++;
        }
    }
    CU_ASSERT_TRUE(e == TPKT_BAD || s.n == 0);
    seen->bad = e == TPKT_BAD;
}

static void
packets_are_found_however_the_stream_is_cut(void)
{
    static const char stream[] = "\x03\x00\x00\x07"
                                 "abc\x03\x07\x00\x09"
                                 "defgh";
    struct slice s = { stream, sizeof(stream) - 1 };

    for (size_t cut = 0; cut <= s.n; cut++) {
        struct tpkt t;
        struct seen seen = { .n = 0 };

        tpkt_init(&t);
        feed(&t, slice_sub(s, 0, cut), &seen);
        feed(&t, slice_skip(s, cut), &seen);
        CU_ASSERT_FALSE(seen.bad);
        CU_ASSERT_EQUAL(seen.packets, 2);
        CU_ASSERT_TRUE(
            slice_eq((struct slice){ seen.octets, seen.n }, (struct slice)SLICE_LIT("abc|defgh|")));
    }
}

static void
what_is_no_packet_is_told_at_once_and_for_good(void)
{
    static const struct {
        const char *hex;
        bool bad;
    } rows[] = { { "47", true }, { "16", true }, { "0300 0006", true }, { "0300 0000", true },
        { "0300 0007", false }, { "0300 ffff", false }, { "03ff 0007", false } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char octets[8];
        struct slice s = octets_of_hex(rows[i].hex, octets, sizeof(octets));
        struct tpkt t;
        struct seen seen = { .n = 0 };

        tpkt_init(&t);
        feed(&t, s, &seen);
        CU_ASSERT_EQUAL(seen.bad, rows[i].bad);
        CU_ASSERT_EQUAL(t.error != NULL, rows[i].bad);
        feed(&t, (struct slice)SLICE_LIT("\x03"), &seen);
        CU_ASSERT_EQUAL(seen.bad, rows[i].bad);
        CU_ASSERT_EQUAL(seen.n, rows[i].bad ? 0 : 1);
    }
}

static void
a_header_has_its_length_in_it(void)
{
    char out[TPKT_HEADER_BYTES];

    tpkt_header(out, TPKT_BYTES_MAX);
    CU_ASSERT_EQUAL(memcmp(out, "\x03\x00\xff\xff", 4), 0);
    tpkt_header(out, TPKT_BYTES_MIN);
    CU_ASSERT_EQUAL(memcmp(out, "\x03\x00\x00\x07", 4), 0);
}

TEST_MAIN("tpkt", TEST(packets_are_found_however_the_stream_is_cut),
    TEST(what_is_no_packet_is_told_at_once_and_for_good), TEST(a_header_has_its_length_in_it))
