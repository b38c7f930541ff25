/* The table and the document; TPDUs octet by octet; two of ours against each other; and the
 * captured conversations of other implementations, cut and damaged everywhere. */
#include "octets.h"
#include "osi/tp0.h"
#include "test_main.h"

#define DOC "docs/protocols/x400.md"

static void
the_document_shows_the_table(void)
{
    for (unsigned s = 0; s < TP0_STATE_COUNT; s++) {
        char line[512] = "", expect[512];
        int n = snprintf(expect, sizeof(expect), "| %s |", tp0_state_name(s));

        for (unsigned e = 0; e < TP0_EVENT_COUNT; e++) {
            n += snprintf(
                expect + n, sizeof(expect) - (size_t)n, " %s |", tp0_step_name(tp0_row(s, e)));
        }
        (void)snprintf(expect + n, sizeof(expect) - (size_t)n, "\n");
        CU_ASSERT_TRUE(octets_doc_row(
            __FILE__, DOC, "### Table: transport", tp0_state_name(s), line, sizeof(line)));
        CU_ASSERT_STRING_EQUAL(line, expect);
    }
}

/* ---- a side, and what it was told */

struct side {
    struct tp0 t;
    char told[512];   /* one word for each indication */
    struct buf tsdus; /* what came in data, "|" behind each TSDU */
    const char *error;
    unsigned reason;
    size_t accept_bytes; /* 0: refuse */
    char called[64], calling[64];
};

static void
side_init(struct side *s, uint16_t ref)
{
    memset(s, 0, sizeof(*s));
    tp0_init(&s->t, ref);
    buf_init(&s->tsdus, 1 << 20);
    s->accept_bytes = TP0_TPDU_BYTES_DEFAULT;
}

static void
side_fini(struct side *s)
{
    tp0_fini(&s->t);
    buf_fini(&s->tsdus);
}

static void
hear(struct side *s, enum tp0_ind_kind kind, const struct tp0_ind *ind)
{
    static const char *const words[] = { "", "connect ", "connected ", "", "disconnect ",
        "protocol " };

    strcat(s->told, words[kind]);
    if (kind == TP0_IND_CONNECT) {
        CU_ASSERT_EQUAL(slice_copy(ind->called, s->called, sizeof(s->called)), 0);
        CU_ASSERT_EQUAL(slice_copy(ind->calling, s->calling, sizeof(s->calling)), 0);
        CU_ASSERT_EQUAL(s->t.state, TP0_ANSWER);
        CU_ASSERT_EQUAL(s->accept_bytes > 0 ? tp0_accept(&s->t, s->accept_bytes)
                                            : tp0_refuse(&s->t, TP0_REASON_ADDRESS),
            0);
    }
    if (kind == TP0_IND_DATA) {
        /* CHECK: millions of CUnit's assertions would take their time */
        CHECK(buf_append(&s->tsdus, ind->bytes) == 0);
        CHECK(!ind->end || buf_append(&s->tsdus, (struct slice)SLICE_LIT("|")) == 0);
    }
    if (kind == TP0_IND_PROTOCOL) {
        s->error = ind->error;
        CU_ASSERT_PTR_NOT_NULL(ind->error);
    }
    if (kind == TP0_IND_PROTOCOL || kind == TP0_IND_DISCONNECT) {
        s->reason = ind->reason;
        CU_ASSERT_EQUAL(s->t.state, TP0_OVER);
    }
}

static void
feed(struct side *s, struct slice bytes)
{
    struct tp0_ind ind;
    enum tp0_ind_kind kind;

    do {
        kind = tp0_next(&s->t, &bytes, &ind);
        hear(s, kind, &ind);
    } while (kind != TP0_IND_MORE);
    CU_ASSERT_EQUAL(bytes.n, 0);
}

static void
feed_hex(struct side *s, const char *hex)
{
    char octets[1024];

    feed(s, octets_of_hex(hex, octets, sizeof(octets)));
}

static void
check_out(struct side *s, const char *hex)
{
    char octets[1024];
    struct slice expect = octets_of_hex(hex, octets, sizeof(octets));

    CU_ASSERT_TRUE(slice_eq(tp0_out(&s->t), expect));
    tp0_sent(&s->t, tp0_out(&s->t).n);
}

static void
open_it(struct side *s)
{
    feed_hex(s, "03000012 0de000005c1a00 c2020201 c0010b");
    CU_ASSERT_EQUAL(s->t.state, TP0_OPEN);
    tp0_sent(&s->t, tp0_out(&s->t).n);
}

/* ---- connecting */

static void
a_connect_request_is_as_others_write_it(void)
{
    struct side s;

    side_init(&s, 0x1234);
    CU_ASSERT_EQUAL(tp0_connect(&s.t, SLICE_NONE, (struct slice)SLICE_LIT("x400"), 2048), 0);
    check_out(&s, "03000014 0f e0 0000 1234 00 c204 78343030 c0010b");
    CU_ASSERT_EQUAL(s.t.state, TP0_WAIT_CC);
    feed_hex(&s, "0300000e 09 d0 1234 44fd 00 c0010b");
    CU_ASSERT_STRING_EQUAL(s.told, "connected ");
    CU_ASSERT_EQUAL(s.t.tpdu_bytes, 2048);
    side_fini(&s);
}

static void
selectors_are_any_octets(void)
{
    static const char octets[TP0_SELECTOR_BYTES_MAX] = { 0, (char)0xC2, (char)0xFF, 'a' };
    struct side a, b;
    struct tp0_ind ind;
    struct slice out;

    side_init(&a, 1);
    side_init(&b, 2);
    CU_ASSERT_EQUAL(tp0_connect(&a.t, (struct slice){ octets, 3 },
                        (struct slice){ octets, sizeof(octets) }, TP0_TPDU_BYTES_MAX),
        0);
    out = tp0_out(&a.t);
    CU_ASSERT_EQUAL(tp0_next(&b.t, &out, &ind), TP0_IND_CONNECT);
    CU_ASSERT_TRUE(slice_eq(ind.calling, (struct slice){ octets, 3 }));
    CU_ASSERT_TRUE(slice_eq(ind.called, (struct slice){ octets, sizeof(octets) }));
    side_fini(&a);
    side_fini(&b);
}

static void
the_smaller_tpdu_size_counts(void)
{
    static const struct {
        size_t offered, taken, agreed;
    } rows[] = { { 2048, 2048, 2048 }, { 2048, 128, 128 }, { 128, 8192, 128 },
        { 8192, TP0_TPDU_BYTES_MAX, 8192 }, { TP0_TPDU_BYTES_MAX, 1024, 1024 },
        { TP0_TPDU_BYTES_MAX, TP0_TPDU_BYTES_MAX, TP0_TPDU_BYTES_MAX } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct side a, b;

        side_init(&a, 1);
        side_init(&b, 2);
        b.accept_bytes = rows[i].taken;
        CU_ASSERT_EQUAL(tp0_connect(&a.t, SLICE_NONE, SLICE_NONE, rows[i].offered), 0);
        feed(&b, tp0_out(&a.t));
        feed(&a, tp0_out(&b.t));
        CU_ASSERT_STRING_EQUAL(a.told, "connected ");
        CU_ASSERT_EQUAL(a.t.tpdu_bytes, rows[i].agreed);
        CU_ASSERT_EQUAL(b.t.tpdu_bytes, rows[i].agreed);
        side_fini(&a);
        side_fini(&b);
    }
}

/* A connect request with this behind its fixed part, and what becomes of it. */
static void
parameters_of_a_connect_request(void)
{
    static const struct {
        const char *hex, *told;
        size_t tpdu_bytes;
        uint8_t answer; /* the code of the TPDU that is written */
    } rows[] = {
        { "0300000b 06 e0 0000 0001 00", "connect ", 2048, 0xD0 },
        { "0300000e 09 e0 0000 0001 00 c00107", "connect ", 128, 0xD0 },
        { "0300000e 09 e0 0000 0001 00 c00103", "connect ", 128, 0xD0 },
        { "0300000e 09 e0 0000 0001 00 c001ff", "connect ", 2048, 0xD0 },
        { "0300000f 0a e0 0000 0001 00 c002000a", "protocol ", 0, 0x70 },
        { "0300000e 09 e0 0000 0001 00 c00207", "protocol ", 0, 0x70 },
        { "0300000c 07 e0 0000 0001 00 c2", "protocol ", 0, 0x70 },
        { "0300000f 0a e0 0000 0001 00 99020102", "connect ", 2048, 0xD0 },
        { "0300000b 06 e0 0000 0001 40", "protocol ", 0, 0x80 },
        { "0300000f 0a e0 0000 0001 40 c7022000", "connect ", 2048, 0xD0 },
        { "0300000e 09 e0 0000 0001 40 c70120", "protocol ", 0, 0x80 },
        /* user data, which class 0 does not have, is nobody's */
        { "0300000e 06 e0 0000 0001 00 616263", "connect ", 2048, 0xD0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct side s;

        side_init(&s, 7);
        feed_hex(&s, rows[i].hex);
        CU_ASSERT_STRING_EQUAL(s.told, rows[i].told);
        CU_ASSERT_EQUAL((uint8_t)tp0_out(&s.t).p[5], rows[i].answer);
        if (rows[i].tpdu_bytes > 0) {
            CU_ASSERT_EQUAL(s.t.tpdu_bytes, rows[i].tpdu_bytes);
        }
        side_fini(&s);
    }
}

static void
a_refusal_says_its_reason(void)
{
    struct side a, b;

    side_init(&a, 0x0102);
    side_init(&b, 2);
    b.accept_bytes = 0;
    CU_ASSERT_EQUAL(
        tp0_connect(&a.t, (struct slice)SLICE_LIT("us"), (struct slice)SLICE_LIT("nobody"), 2048),
        0);
    feed(&b, tp0_out(&a.t));
    CU_ASSERT_STRING_EQUAL(b.called, "nobody");
    CU_ASSERT_STRING_EQUAL(b.calling, "us");
    CU_ASSERT_EQUAL(b.t.state, TP0_OVER);
    feed(&a, tp0_out(&b.t));
    check_out(&b, "0300000b 06 80 0102 0000 03");
    CU_ASSERT_STRING_EQUAL(a.told, "disconnect ");
    CU_ASSERT_EQUAL(a.reason, TP0_REASON_ADDRESS);
    CU_ASSERT_STRING_EQUAL(tp0_reason_text(a.reason), "no such TSAP");
    side_fini(&a);
    side_fini(&b);
}

static void
nothing_is_taken_before_the_answer(void)
{
    struct tp0 t;
    struct tp0_ind ind;
    char octets[64];
    struct slice s =
        octets_of_hex("0300000b 06 e0 0000 0001 00 | 03000008 02f080 61", octets, sizeof(octets));

    tp0_init(&t, 1);
    CU_ASSERT_EQUAL(tp0_next(&t, &s, &ind), TP0_IND_CONNECT);
    CU_ASSERT_EQUAL(tp0_next(&t, &s, &ind), TP0_IND_MORE);
    CU_ASSERT_EQUAL(s.n, 8);
    CU_ASSERT_EQUAL(tp0_accept(&t, 2048), 0);
    CU_ASSERT_EQUAL(tp0_next(&t, &s, &ind), TP0_IND_DATA);
    CU_ASSERT_TRUE(ind.end && slice_eq(ind.bytes, (struct slice)SLICE_LIT("a")));
    tp0_fini(&t);
}

/* ---- data */

static void
tsdus_go_up_piece_by_piece(void)
{
    struct side s;

    side_init(&s, 1);
    open_it(&s);
    feed_hex(&s, "03000009 02f000 6162 | 03000007 02f000 | 03000008 02f080 63 | 03000007 02f080");
    CU_ASSERT_TRUE(slice_eq(buf_slice(&s.tsdus), (struct slice)SLICE_LIT("abc||")));
    side_fini(&s);
}

static void
small_appendings_fill_whole_tpdus(void)
{
    static char text[300], back[400];
    struct side a, b;
    struct slice out, expect = { back, 0 };

    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)('a' + i % 26);
    }
    for (size_t step = 1; step <= 130; step++) {
        side_init(&a, 1);
        side_init(&b, 2);
        CU_ASSERT_EQUAL(tp0_connect(&a.t, SLICE_NONE, SLICE_NONE, 128), 0);
        feed(&b, tp0_out(&a.t));
        feed(&a, tp0_out(&b.t));
        tp0_sent(&a.t, tp0_out(&a.t).n);
        for (size_t i = 0; i < sizeof(text); i += step) {
            bool end = i + step >= sizeof(text);

            CU_ASSERT_EQUAL(
                tp0_send(&a.t, slice_sub((struct slice){ text, sizeof(text) }, i, step), end), 0);
            out = tp0_out(&a.t);
            CU_ASSERT_TRUE(end || out.n % (4 + 128) == 0); /* whole and full TPDUs only */
            if (i % 2 == 0) {
                feed(&b, out);
                tp0_sent(&a.t, out.n);
            }
        }
        feed(&b, tp0_out(&a.t));
        memcpy(back, text, sizeof(text));
        back[sizeof(text)] = '|';
        expect.n = sizeof(text) + 1;
        CU_ASSERT_TRUE(slice_eq(buf_slice(&b.tsdus), expect));
        side_fini(&a);
        side_fini(&b);
    }
}

static void
a_full_tpdu_that_ends_the_tsdu_says_so(void)
{
    static const char text[125 + 125] = { 'x' };
    struct side s;

    side_init(&s, 1);
    feed_hex(&s, "0300000e 09 e0 0000 0001 00 c00107");
    tp0_sent(&s.t, tp0_out(&s.t).n);
    CU_ASSERT_EQUAL(tp0_send(&s.t, (struct slice){ text, sizeof(text) }, false), 0);
    CU_ASSERT_EQUAL(tp0_out(&s.t).n, 132);
    CU_ASSERT_EQUAL(tp0_queued(&s.t), 264);
    CU_ASSERT_EQUAL(tp0_send(&s.t, SLICE_NONE, true), 0);
    CU_ASSERT_EQUAL(tp0_out(&s.t).n, 264);
    CU_ASSERT_EQUAL((uint8_t)tp0_out(&s.t).p[6], 0);
    CU_ASSERT_EQUAL((uint8_t)tp0_out(&s.t).p[132 + 6], 0x80);
    side_fini(&s);
}

static void
a_full_out_tears_the_tsdu_and_is_told(void)
{
    static char text[TP0_OUT_BYTES_MAX];
    struct side s;

    side_init(&s, 1);
    open_it(&s);
    CU_ASSERT_EQUAL(tp0_send(&s.t, (struct slice){ text, sizeof(text) }, true), BH_ETOOBIG);
    CU_ASSERT_EQUAL(s.t.state, TP0_OVER);
    CU_ASSERT_TRUE(tp0_out(&s.t).n % (4 + 2048) == 0);
    side_fini(&s);
}

/* ---- what may not come */

static void
nonsense_is_named_and_ends_it(void)
{
    static const struct {
        const char *hex, *words, *er; /* er: the octets of the header that it names */
    } rows[] = {
        { "474554", "not a TPKT", NULL },
        { "03000006", "below 7", NULL },
        { "03000007 02f0", NULL, NULL }, /* not whole yet */
        { "03000007 000102", "impossible length", NULL },
        { "03000007 ff0102", "impossible length", NULL },
        { "03000007 04f080", "ends within", "04f0" },
        { "03000008 03f08000", "has not the length", "03f0" },
        { "03000007 021000", "class 0 does not have", "0210" },
        { "0300000b 06 e0 0000 0001 00", "may not come now", "06e0" },
        { "0300000b 06 d0 0000 0001 00", "may not come now", "06d0" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct side s;

        side_init(&s, 1);
        open_it(&s);
        s.told[0] = '\0';
        feed_hex(&s, rows[i].hex);
        CU_ASSERT_STRING_EQUAL(s.told, rows[i].words != NULL ? "protocol " : "");
        if (rows[i].words != NULL) {
            CU_ASSERT_PTR_NOT_NULL(strstr(s.error, rows[i].words));
        }
        if (rows[i].er == NULL) {
            CU_ASSERT_EQUAL(tp0_out(&s.t).n, 0);
        } else {
            char octets[64];
            struct slice named = octets_of_hex(rows[i].er, octets, sizeof(octets));
            struct slice er = tp0_out(&s.t);

            CU_ASSERT_EQUAL((uint8_t)er.p[5], 0x70);
            CU_ASSERT_EQUAL((uint8_t)er.p[9], 0xC1);
            CU_ASSERT_TRUE(slice_eq(slice_skip(er, 11), named));
        }
        feed_hex(&s, "03000008 02f080 61");
        CU_ASSERT_EQUAL(buf_len(&s.tsdus), 0);
        side_fini(&s);
    }
}

static void
a_late_disconnect_and_an_error_end_it(void)
{
    struct side s;

    side_init(&s, 1);
    open_it(&s);
    s.told[0] = '\0';
    feed_hex(&s, "0300000b 06 80 4507 4506 80 | 03000008 02f080 61");
    CU_ASSERT_STRING_EQUAL(s.told, "disconnect ");
    CU_ASSERT_EQUAL(s.reason, 0x80);
    CU_ASSERT_EQUAL(tp0_out(&s.t).n, 0);
    side_fini(&s);
    side_init(&s, 1);
    CU_ASSERT_EQUAL(tp0_connect(&s.t, SLICE_NONE, SLICE_NONE, 2048), 0);
    feed_hex(&s, "03000009 04 70 0001 02");
    CU_ASSERT_STRING_EQUAL(s.told, "disconnect ");
    CU_ASSERT_EQUAL(s.reason, TP0_REASON_REFUSED);
    side_fini(&s);
}

/* ---- conversations of others (tests/data/x400/README) */

static const char *const captures[] = { "tests/data/x400/p1-python", "tests/data/x400/p1-pp",
    "tests/data/x400/rtse-echo" };

static struct slice
captured(const char *name, const char *who)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s.%s", name, who);
    return octets_of_file(__FILE__, path);
}

/* As the responder; or as the initiator, whose own CR is made first. */
static void
replay_init(struct side *s, bool initiator)
{
    side_init(s, 0x7777);
    if (initiator) {
        CU_ASSERT_EQUAL(tp0_connect(&s->t, SLICE_NONE, (struct slice)SLICE_LIT("x400"), 2048), 0);
    }
}

static void
captured_conversations_read_the_same_at_every_cut(void)
{
    for (size_t i = 0; i < 2 * ARRAY_LEN(captures); i++) {
        bool initiator = i % 2 != 0;
        struct slice bytes = captured(captures[i / 2], initiator ? "responder" : "initiator");
        struct side whole;

        replay_init(&whole, initiator);
        feed(&whole, bytes);
        CU_ASSERT_TRUE(strncmp(whole.told, initiator ? "connected " : "connect ", 8) == 0);
        CU_ASSERT_PTR_NULL(strstr(whole.told, "protocol"));
        CU_ASSERT_TRUE(buf_len(&whole.tsdus) > 100);
        for (size_t cut = 0; cut <= bytes.n; cut++) {
            struct side s;

            replay_init(&s, initiator);
            feed(&s, slice_sub(bytes, 0, cut));
            feed(&s, slice_skip(bytes, cut));
            CU_ASSERT_STRING_EQUAL(s.told, whole.told);
            CU_ASSERT_TRUE(slice_eq(buf_slice(&s.tsdus), buf_slice(&whole.tsdus)));
            side_fini(&s);
        }
        side_fini(&whole);
        free((void *)(uintptr_t)bytes.p);
    }
}

static void
captured_conversations_with_an_octet_changed_end_or_go_on(void)
{
    for (size_t i = 0; i < 2 * ARRAY_LEN(captures); i++) {
        bool initiator = i % 2 != 0;
        struct slice bytes = captured(captures[i / 2], initiator ? "responder" : "initiator");
        char *p = (char *)(uintptr_t)bytes.p;

        for (size_t at = 0; at < bytes.n; at++) {
            struct side s;

            replay_init(&s, initiator);
            p[at] = (char)~p[at];
            feed(&s, bytes);
            p[at] = (char)~p[at];
            CU_ASSERT_TRUE(s.t.state == TP0_OPEN || s.t.state == TP0_OVER ||
                           s.t.state == TP0_LISTEN || s.t.state == TP0_WAIT_CC);
            CU_ASSERT_TRUE(
                s.t.state != TP0_OVER || s.error != NULL || strstr(s.told, "disconnect") != NULL);
            side_fini(&s);
        }
        free(p);
    }
}

TEST_MAIN("tp0", TEST(the_document_shows_the_table), TEST(a_connect_request_is_as_others_write_it),
    TEST(selectors_are_any_octets), TEST(the_smaller_tpdu_size_counts),
    TEST(parameters_of_a_connect_request), TEST(a_refusal_says_its_reason),
    TEST(nothing_is_taken_before_the_answer), TEST(tsdus_go_up_piece_by_piece),
    TEST(small_appendings_fill_whole_tpdus), TEST(a_full_tpdu_that_ends_the_tsdu_says_so),
    TEST(a_full_out_tears_the_tsdu_and_is_told), TEST(nonsense_is_named_and_ends_it),
    TEST(a_late_disconnect_and_an_error_end_it),
    TEST(captured_conversations_read_the_same_at_every_cut),
    TEST(captured_conversations_with_an_octet_changed_end_or_go_on))
