/* Captured messages at every cut and with every octet changed; what is no APDU. */
#include "p1_apdus.h"
#include "p1_big.h"
#include "test_main.h"
#include "x400/p1_stored.h"

static void
check_captured(const struct p1_envelope *e, bool pp)
{
    struct ber_cursor c;
    struct p1_recipient r;

    CU_ASSERT_EQUAL(e->kind, P1_MESSAGE);
    CU_ASSERT_TRUE(slice_eq(p1_text_slice(&e->id.local), SLICE_LIT("MSG-1795216724-0")));
    CU_ASSERT_TRUE(slice_eq(p1_text_slice(&e->id.domain.prmd), SLICE_LIT("PEER2")));
    CU_ASSERT_EQUAL(e->content_type, 22);
    CU_ASSERT_TRUE(slice_eq(p1_text_slice(&e->content_id), SLICE_LIT("CID0")));
    CU_ASSERT_EQUAL(e->eit_bits, 1 << 2);
    CU_ASSERT_EQUAL(e->priority, P1_NORMAL);
    CU_ASSERT_EQUAL(e->trace_count, pp ? 2 : 1);
    CU_ASSERT_EQUAL(e->internal_count, pp ? 2 : 1);
    CU_ASSERT_EQUAL(e->recipient_count, 1);
    CU_ASSERT_EQUAL(e->originator.n, 30);
    CU_ASSERT_FALSE(e->critical);
    ber_cursor_init(&c, e->recipients);
    CU_ASSERT_EQUAL(p1_recipient_next(&c, &r), 1);
    CU_ASSERT_EQUAL(r.number, 1);
    CU_ASSERT_EQUAL(r.indicators, P1_RESPONSIBLE | P1_MTA_NON_DELIVERY | P1_NON_DELIVERY_ASKED);
    CU_ASSERT_EQUAL(r.name.n, 34);
    CU_ASSERT_EQUAL(p1_recipient_next(&c, &r), 0);
}

static void
captured_messages_read_the_same_at_every_cut(void)
{
    for (unsigned pp = 0; pp < 2; pp++) {
        struct slice file, apdu = p1_captured(__FILE__, pp != 0, &file);

        for (size_t cut = 0; cut <= apdu.n; cut++) {
            struct p1_reader r;
            struct buf content;

            buf_init(&content, 1000);
            p1_reader_init(&r, P1_1988_NORMAL);
            CU_ASSERT_EQUAL(
                p1_feed(&r, slice_sub(apdu, 0, cut), &content), cut == apdu.n ? P1_END : P1_MORE);
            CU_ASSERT_EQUAL(p1_feed(&r, slice_skip(apdu, cut), &content), P1_END);
            CU_ASSERT_EQUAL(p1_reader_end(&r), 0);
            CU_ASSERT_EQUAL(r.context, 5);
            CU_ASSERT_EQUAL(r.content_bytes, 421);
            CU_ASSERT_EQUAL(buf_len(&content), 421);
            CU_ASSERT_TRUE(slice_starts(buf_slice(&content), SLICE_LIT("\xa0\x82\x01\xa1\x31")));
            check_captured(&r.envelope, pp != 0);
            p1_reader_fini(&r);
            buf_fini(&content);
        }
        free((char *)(uintptr_t)file.p);
    }
}

static void
octet_by_octet_and_cut_short(void)
{
    for (unsigned pp = 0; pp < 2; pp++) {
        struct slice file, apdu = p1_captured(__FILE__, pp != 0, &file);

        for (size_t n = 0; n <= apdu.n; n++) {
            struct p1_reader r;

            p1_reader_init(&r, P1_1988_NORMAL);
            for (size_t i = 0; i < n; i++) {
                (void)p1_feed(&r, slice_sub(apdu, i, 1), NULL);
            }
            CU_ASSERT_EQUAL(p1_reader_end(&r), n < apdu.n ? BH_ESYNTAX : 0);
            CU_ASSERT_EQUAL(r.error != NULL, n < apdu.n);
            p1_reader_fini(&r);
        }
        free((char *)(uintptr_t)file.p);
    }
}

/* What is changed is told as it stands, or is an error with its place; and the same, whole or in
 * pieces. */
static void
changed_octets_are_told_the_same_however_cut(void)
{
    for (unsigned pp = 0; pp < 2; pp++) {
        struct slice file, apdu = p1_captured(__FILE__, pp != 0, &file);
        char *p = (char *)(uintptr_t)apdu.p;

        for (size_t i = 0; i < apdu.n * 9; i++) {
            struct p1_reader a, b;
            enum p1_event whole, pieces = P1_MORE;
            char was = p[i / 9];

            p[i / 9] = (char)(i % 9 == 8 ? ~was : was ^ (1 << i % 9));
            p1_reader_init(&a, P1_1988_NORMAL);
            p1_reader_init(&b, P1_1988_NORMAL);
            whole = p1_feed(&a, apdu, NULL);
            for (size_t at = 0; at < apdu.n; at += 7) {
                pieces = p1_feed(&b, slice_sub(apdu, at, 7), NULL);
            }
            CU_ASSERT_EQUAL(whole, pieces);
            CU_ASSERT_EQUAL(a.error, b.error);
            CU_ASSERT_EQUAL(a.error_at, b.error_at);
            CU_ASSERT_TRUE(a.error == NULL || a.error_at <= apdu.n);
            CU_ASSERT_EQUAL(whole == P1_BAD, a.error != NULL);
            p1_reader_fini(&a);
            p1_reader_fini(&b);
            p[i / 9] = was;
        }
        free((char *)(uintptr_t)file.p);
    }
}

static enum p1_event
read_hex(const char *text, enum p1_protocol p, struct p1_reader *r, struct buf *content)
{
    static char octets[4096];

    p1_reader_init(r, p);
    return p1_feed(r, octets_of_hex(text, octets, sizeof(octets)), content);
}

#define PROBE                                                                                      \
    "a280 " P1_ID P1_NAME " 460116 800203e8 " P1_TRACE " a212 3110 " P1_NAME " 800101 810100 0000"

static void
probes_and_reports_are_gathered_whole(void)
{
    struct p1_reader r;

    CU_ASSERT_EQUAL(read_hex(PROBE, P1_1988_X410, &r, NULL), P1_END);
    CU_ASSERT_EQUAL(r.envelope.kind, P1_PROBE);
    CU_ASSERT_EQUAL(r.envelope.probe_bytes, 1000);
    CU_ASSERT_EQUAL(r.envelope.recipient_count, 1);
    p1_reader_fini(&r);
    CU_ASSERT_EQUAL(
        read_hex("a180 3180 " P1_ID P1_NAME P1_TRACE " 0000 3103 020107 0000", P1_1984, &r, NULL),
        P1_END);
    CU_ASSERT_EQUAL(r.envelope.kind, P1_REPORT);
    CU_ASSERT_TRUE(slice_eq(r.envelope.report_content, SLICE_LIT("\x02\x01\x07")));
    p1_reader_fini(&r);
}

#define ENVELOPE "3180 " P1_ID P1_NAME " 460102 " P1_TRACE " a211 310f " P1_NAME " 800101 8100 0000"
#define GOOD                                                                                       \
    "3180 " P1_ID P1_NAME " 460102 " P1_TRACE " a213 3111 " P1_NAME " 800101 8102 00a8 0000"

static void
content_may_come_in_any_form(void)
{
    static const struct {
        const char *text, *content;
    } rows[] = {
        { "a080 " GOOD "0403 616263 0000", "abc" },
        { "a080 " GOOD "2480 0401 61 2480 0401 62 0000 2403 0401 63 0000 0000", "abc" },
        { "a080 " GOOD "2400 0000", "" },
        { "a080 " GOOD "0400 0000", "" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct p1_reader r;
        struct buf content;

        buf_init(&content, 1000);
        CU_ASSERT_EQUAL(read_hex(rows[i].text, P1_1984, &r, &content), P1_END);
        CU_ASSERT_TRUE(slice_eq(buf_slice(&content), slice_of(rows[i].content)));
        CU_ASSERT_EQUAL(r.content_bytes, buf_len(&content));
        p1_reader_fini(&r);
        buf_fini(&content);
    }
}

static void
what_is_no_apdu_is_refused(void)
{
    static const struct {
        const char *text;
        enum p1_protocol p;
    } rows[] = {
        { "3000", P1_1984 }, { "a300", P1_1984 }, { "8000", P1_1984 }, { "a000", P1_1984 },
        { "a000", P1_1988_NORMAL }, { "2800", P1_1988_NORMAL },
        { "2805 0201058100", P1_1988_NORMAL }, { "2806 0201ff a001 00", P1_1988_NORMAL },
        { "a002 3100", P1_1984 }, { "a002 0400", P1_1984 }, { "a202 3100", P1_1984 },
        { "a100", P1_1984 }, { "a104 3100 3100", P1_1984 },
        { "a080 " ENVELOPE "0400 0000", P1_1984 }, { "a080 " GOOD "0000", P1_1984 },
        { "a080 " GOOD "1600 0000", P1_1984 }, { "a080 " GOOD "0400 0400 0000", P1_1984 },
        { "a080 " GOOD "0400 0000 00", P1_1984 },
        { "a084 00ffffff 3184 00200001", P1_1984 }, /* an envelope of more than 2 MiB */
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct p1_reader r;

        CU_ASSERT_EQUAL(read_hex(rows[i].text, rows[i].p, &r, NULL), P1_BAD);
        CU_ASSERT_PTR_NOT_NULL(r.error);
        CU_ASSERT_TRUE(p1_reader_end(&r) < 0);
        p1_reader_fini(&r);
    }
}

static void
an_envelope_without_end_meets_the_limit(void)
{
    static const char junk[4] = { (char)0x9F, 0x50, 1, 7 }; /* a member that nobody knows */
    struct p1_reader r;
    struct slice start = SLICE_LIT("\xa0\x80\x31\x80");
    uint64_t n = 0;

    p1_reader_init(&r, P1_1984);
    CU_ASSERT_EQUAL(p1_feed(&r, start, NULL), P1_MORE);
    while (r.error == NULL && n < 2 * P1_ENVELOPE_BYTES_MAX) {
        (void)p1_feed(&r, (struct slice){ junk, sizeof(junk) }, NULL);
        n += sizeof(junk);
    }
    CU_ASSERT_EQUAL(p1_reader_end(&r), BH_ETOOBIG);
    CU_ASSERT_TRUE(n <= P1_ENVELOPE_BYTES_MAX + 8);
    p1_reader_fini(&r);
}

/* What is gathered is the envelope alone, whatever passes through. */
static void
content_is_not_held(void)
{
    enum { PIECE = 1 << 16, PIECES = 1 << 12 };
    char *much = calloc(1, PIECE);
    char hexed[1024];
    uint64_t passed = 0;
    struct p1_reader r;
    size_t held;

    CU_ASSERT_PTR_NOT_NULL_FATAL(much);
    (void)snprintf(hexed, sizeof(hexed), "a080 %s 0484 10000000", GOOD);
    CU_ASSERT_EQUAL(read_hex(hexed, P1_1984, &r, NULL), P1_MORE);
    held = r.gathered.capacity;
    for (unsigned i = 0; i < PIECES; i++) {
        struct slice piece = { much, PIECE }, content = SLICE_NONE;

        while (p1_reader_next(&r, &piece, &content) == P1_CONTENT) {
            CU_ASSERT_TRUE(content.p >= much && content.p + content.n <= much + PIECE);
            passed += content.n;
        }
        CU_ASSERT_EQUAL_FATAL(r.error, NULL);
    }
    CU_ASSERT_EQUAL(passed, 256 * MIB);
    CU_ASSERT_EQUAL(r.gathered.capacity, held);
    CU_ASSERT_EQUAL(p1_feed(&r, SLICE_LIT("\0\0"), NULL), P1_END);
    CU_ASSERT_EQUAL(r.content_bytes, 256 * MIB);
    p1_reader_fini(&r);
    free(much);
}

/* As large as they are taken: the same envelope however cut, and stored and read again. */
static void
the_largest_envelopes_are_the_same_at_every_cut(void)
{
    static const size_t cuts[] = { 1, 7, 4096, (size_t)2 * MIB };

    for (enum p1_big kind = 0; kind < P1_BIG_COUNT; kind++) {
        struct buf stored, again;
        struct ber_cursor c;
        struct ber_value v;

        buf_init(&stored, 2 * P1_ENVELOPE_BYTES_MAX);
        p1_big_make(&stored, kind);
        ber_cursor_init(&c, buf_slice(&stored));
        CU_ASSERT_EQUAL_FATAL(ber_take(&c, &v), 1);
        for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
            struct p1_reader r;

            p1_reader_init(&r, P1_1988_X410);
            CU_ASSERT_EQUAL(p1_feed(&r, SLICE_LIT("\xa0\x80\x31\x80"), NULL), P1_MORE);
            for (struct slice rest = v.body; rest.n > 0; rest = slice_skip(rest, cuts[i])) {
                CU_ASSERT_EQUAL_FATAL(p1_feed(&r, slice_sub(rest, 0, cuts[i]), NULL), P1_MORE);
            }
            CU_ASSERT_EQUAL(p1_feed(&r, SLICE_LIT("\0\0\x04\x00\0\0"), NULL), P1_END);
            buf_init(&again, P1_STORED_BYTES_MAX);
            CU_ASSERT_EQUAL(p1_stored_write(&again, &r.envelope), 0);
            CU_ASSERT_TRUE(slice_eq(buf_slice(&again), buf_slice(&stored)));
            CU_ASSERT_EQUAL(r.envelope.recipient_count, p1_big_recipients(kind));
            CU_ASSERT_FALSE(r.envelope.critical || r.envelope.critical_recipients);
            buf_fini(&again);
            p1_reader_fini(&r);
        }
        buf_fini(&stored);
    }
}

TEST_MAIN("p1_reader", TEST(the_largest_envelopes_are_the_same_at_every_cut),
    TEST(captured_messages_read_the_same_at_every_cut), TEST(octet_by_octet_and_cut_short),
    TEST(changed_octets_are_told_the_same_however_cut), TEST(probes_and_reports_are_gathered_whole),
    TEST(content_may_come_in_any_form), TEST(what_is_no_apdu_is_refused),
    TEST(an_envelope_without_end_meets_the_limit), TEST(content_is_not_held))
