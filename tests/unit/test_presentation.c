/* PDUs as they were captured; data in every form and cut; what is no PDU of presentation. */
#include "octets.h"
#include "osi/acse.h"
#include "osi/presentation.h"
#include "test_main.h"

#define L(s) ((struct slice)SLICE_LIT(s))

static const struct slice acse_syntax = SLICE_LIT("\x52\x01\x00\x01");
static const struct slice rtse_syntax = SLICE_LIT("\x56\x00\x02\x0c");
static const struct slice mtse_syntax = SLICE_LIT("\x56\x00\x02\x07");

struct side {
    struct tp0 t;
    struct session s;
    struct presentation p;
    struct buf data;
    struct presentation_ind last;
    char told[512];
    bool answers;
};

static void
side_init(struct side *x, bool initiator)
{
    struct presentation_context contexts[3] = { { .syntax = SLICE_LIT("\x52\x01\x00\x01") },
        { .syntax = SLICE_LIT("\x56\x00\x02\x0c") }, { .syntax = SLICE_LIT("\x56\x00\x02\x07") } };

    memset(x, 0, sizeof(*x));
    for (unsigned i = 0; initiator && i < 3; i++) {
        contexts[i].id = 2 * i + 1;
    }
    tp0_init(&x->t, 1);
    session_init(&x->s, &x->t);
    presentation_init(&x->p, &x->s, contexts, 3);
    buf_init(&x->data, 1 << 20);
    if (initiator) {
        x->t.state = TP0_OPEN;
        x->t.tpdu_bytes = 8192;
    }
}

static void
side_fini(struct side *x)
{
    presentation_fini(&x->p);
    session_fini(&x->s);
    tp0_fini(&x->t);
    buf_fini(&x->data);
}

static struct presentation_connect
answer_to(const struct side *x, struct slice user)
{
    return (struct presentation_connect){ .mode = x->p.mode,
        .syntax = acse_syntax,
        .user = user,
        .session.reference = x->last.session.connect.reference };
}

static void
hear(struct side *x, enum session_ind_kind kind)
{
    static const char *const words[] = { "", "connect ", "accepted ", "refused ", "", "minor ", "",
        "start ", "resume ", "end ", "end-ack ", "", "", "", "", "please ", "turn ", "gave ",
        "exception ", "release ", "released ", "abort " };
    struct presentation_connect c;
    int rc = 0;

    strcat(x->told, words[kind]);
    if (kind == SESSION_IND_DATA) {
        rc = buf_append(&x->data, x->last.session.bytes);
        if (x->last.session.end) {
            rc = buf_append(&x->data, L("|"));
        }
    } else if (kind == SESSION_IND_CONNECT && x->answers) {
        c = answer_to(x, L("\x61\x00"));
        rc = presentation_accept(&x->p, &c);
    } else if (kind == SESSION_IND_END && x->answers) {
        rc = session_end_ack(&x->s);
    } else if (kind == SESSION_IND_RELEASE && x->answers) {
        rc = session_release_ack(&x->s, SLICE_NONE);
    }
    CHECK(rc == 0);
}

static void
feed_tsdu(struct side *x, struct slice bytes, bool end)
{
    enum session_ind_kind kind;

    do {
        struct presentation_ind ind;

        kind = presentation_next(&x->p, &bytes, end, &ind);
        if (kind != SESSION_IND_MORE) {
            x->last = ind;
            hear(x, kind);
        }
    } while (
        kind != SESSION_IND_MORE && kind != SESSION_IND_CONNECT && kind != SESSION_IND_RELEASE);
}

static void
feed(struct side *x, struct slice bytes)
{
    struct tp0_ind ind;
    enum tp0_ind_kind kind;

    for (kind = tp0_next(&x->t, &bytes, &ind); kind != TP0_IND_MORE;
         kind = tp0_next(&x->t, &bytes, &ind)) {
        if (kind == TP0_IND_CONNECT) {
            CHECK(tp0_accept(&x->t, 2048) == 0);
        } else if (kind == TP0_IND_DATA) {
            feed_tsdu(x, ind.bytes, ind.end);
        }
        tp0_sent(&x->t, tp0_out(&x->t).n);
    }
}

/* ---- connecting */

/* The captured CONNECT's user data is what we write for the same AARQ; and the ACCEPT's. */
static void
connects_are_as_others_write_them(void)
{
    struct slice i = octets_of_file(__FILE__, "tests/data/x400/p1-python.initiator");
    struct slice r = octets_of_file(__FILE__, "tests/data/x400/p1-python.responder");
    struct slice cp = slice_sub(i, 71, 128), cpa = slice_sub(r, 14 + 53, 113);
    struct slice aarq = slice_skip(cp, 128 - 57), aare = slice_skip(cpa, 113 - 66);
    struct presentation_connect c = { .mode = PRESENTATION_NORMAL,
        .syntax = acse_syntax,
        .user = aarq,
        .session.initiator_has_turn = true };
    struct side a, b;

    side_init(&a, true);
    side_init(&b, false);
    CU_ASSERT_EQUAL(presentation_connect(&a.p, &c), 0);
    CU_ASSERT_TRUE(slice_eq(slice_skip(tp0_out(&a.t), tp0_out(&a.t).n - 128), cp));
    feed(&b, slice_sub(i, 0, 199)); /* the capture's CR and CONNECT */
    CU_ASSERT_STRING_EQUAL(b.told, "connect ");
    CU_ASSERT_TRUE(slice_eq(b.last.session.connect.user_data, aarq));
    CU_ASSERT_EQUAL(b.last.context, 1);
    CU_ASSERT_EQUAL(presentation_id(&b.p, mtse_syntax), 5);
    c = answer_to(&b, aare);
    CU_ASSERT_EQUAL(presentation_accept(&b.p, &c), 0);
    CU_ASSERT_TRUE(slice_eq(slice_skip(tp0_out(&b.t), tp0_out(&b.t).n - 113), cpa));
    feed(&a, slice_sub(r, 14, 166));
    CU_ASSERT_STRING_EQUAL(a.told, "accepted ");
    CU_ASSERT_TRUE(slice_eq(a.last.session.connect.user_data, aare));
    side_fini(&a);
    side_fini(&b);
    free((void *)(uintptr_t)i.p);
    free((void *)(uintptr_t)r.p);
}

static void
selectors_and_modes_arrive(void)
{
    for (unsigned x410 = 0; x410 < 2; x410++) {
        struct presentation_connect c = { .mode = x410 ? PRESENTATION_X410 : PRESENTATION_NORMAL,
            .calling = L("us"),
            .called = L("\0\xff"),
            .syntax = acse_syntax,
            .user = L("\x80\x01\x01"),
            .session.reference = { L("u"), L("c"), SLICE_NONE } };
        struct side a, b;

        side_init(&a, true);
        side_init(&b, true);
        CU_ASSERT_EQUAL(presentation_connect(&a.p, &c), 0);
        feed(&b, tp0_out(&a.t));
        CU_ASSERT_STRING_EQUAL(b.told, "connect ");
        CU_ASSERT_EQUAL(b.last.mode, c.mode);
        CU_ASSERT_TRUE(slice_eq(b.last.session.connect.user_data, c.user));
        CU_ASSERT_TRUE(slice_eq(b.last.called, x410 ? SLICE_NONE : c.called));
        CU_ASSERT_TRUE(slice_eq(b.last.calling, x410 ? SLICE_NONE : c.calling));
        CU_ASSERT_EQUAL(
            presentation_refuse(&b.p, x410 ? PRESENTATION_REFUSE_USER : PRESENTATION_REFUSE_ADDRESS,
                acse_syntax, x410 ? L("\x80\x01\x02") : SLICE_NONE),
            0);
        tp0_sent(&a.t, tp0_out(&a.t).n);
        feed(&a, tp0_out(&b.t));
        CU_ASSERT_STRING_EQUAL(a.told, "refused ");
        CU_ASSERT_EQUAL(
            a.last.provider_reason, x410 ? PRESENTATION_REFUSE_USER : PRESENTATION_REFUSE_ADDRESS);
        CU_ASSERT_TRUE(slice_eq(a.last.session.user_data, x410 ? L("\x80\x01\x02") : SLICE_NONE));
        side_fini(&a);
        side_fini(&b);
    }
}

static void
connects_that_cannot_be_are_refused(void)
{
    static const char *const rows[] = { "", "3000", "0500", "3105 a003 800105", "3105 a003 800101",
        "3105 a003 800100", "3109 a003 800101 a202 6100",
        /* a context of ours with another transfer syntax; the right one, named by another number */
        "311f a003 800101 a218 a40e 300c 020101 0604 52010001 3001 05 6106 3004 020101 a000",
        "312a a003 800101 a223 a412 3010 020101 0604 52010001 3005 0603 2a0304"
        "610d 300b 020101 a006 6004 a102 0600",
        "3129 a003 800101 a222 a411 300f 020101 0604 52010001 3004 0602 5101"
        "610d 300b 020103 a006 6004 a102 0600" };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct session_connect c = { .reference = { L("u"), L("c"), SLICE_NONE } };
        char octets[128];
        struct side a, b;

        side_init(&a, true);
        side_init(&b, true);
        c.user_data = octets_of_hex(rows[i], octets, sizeof(octets));
        CU_ASSERT_EQUAL(session_connect(&a.s, &c), 0);
        feed(&b, tp0_out(&a.t));
        CU_ASSERT_STRING_EQUAL(b.told, "abort ");
        CU_ASSERT_PTR_NOT_NULL(b.last.session.error);
        CU_ASSERT_EQUAL(b.s.state, SESSION_OVER);
        side_fini(&a);
        side_fini(&b);
    }
}

/* ---- data */

/* In an activity of the peer's. */
static void
receiving(struct side *x)
{
    side_init(x, true);
    x->s.state = SESSION_OPEN;
    x->s.version = 2;
    x->s.activity = true;
    x->s.next = x->s.unconfirmed = 1;
}

static void
data_come_in_every_form_and_cut(void)
{
    static const struct {
        const char *hex, *data;
    } rows[] = {
        { "610c 300a 020103 a005 0403 616263", "abc|" },
        { "610b 3009 020103 a004 0402 6162", "ab|" },
        { "6109 3007 020103 a002 0400", "|" },
        { "6180 3080 020103 a080 0403 616263 0000 0000 0000", "abc|" },
        { "6180 3080 020103 a080 2480 0402 6162 0401 63 0000 0000 0000 0000", "abc|" },
        { "6110 300e 0602 5101 020103 a005 0403 616263", "abc|" },
        { "610c 300a 020103 8105 0403 616263", "abc|" },
        { "6180 3080 020103 a180 0402 0403 0402 6162 0401 63 0000 0000 0000", "abc|" },
        { "6112 3010 020103 810b 2480 0401 61 0402 6263 0000", "abc|" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char octets[128];
        struct slice s = octets_of_hex(rows[i].hex, octets + 4, sizeof(octets) - 4);

        memcpy(octets, "\x01\x00\x01\x00", 4);
        s = (struct slice){ octets, s.n + 4 };
        for (size_t cut = 0; cut <= s.n; cut++) {
            struct side x;

            receiving(&x);
            feed_tsdu(&x, slice_sub(s, 0, cut), false);
            feed_tsdu(&x, slice_skip(s, cut), true);
            feed_tsdu(&x, s, true); /* and another one behind it */
            if (cut == 0 && x.told[0] != '\0') {
                printf("%s: %s\n", rows[i].hex, x.last.session.error);
            }
            CU_ASSERT_STRING_EQUAL(x.told, "");
            CU_ASSERT_EQUAL(buf_len(&x.data), 2 * strlen(rows[i].data));
            CU_ASSERT_TRUE(slice_eq(
                slice_sub(buf_slice(&x.data), 0, strlen(rows[i].data)), slice_of(rows[i].data)));
            side_fini(&x);
        }
    }
}

static void
data_that_are_none_abort(void)
{
    static const char *const rows[] = { "", "0403 616263", "610c 300a 020103 a005 0403 6162",
        "610c 300a 020107 a005 0403 616263", "610c 300a 020103 a005 0203 616263",
        "610c 300a 020103 a205 0403 616263", "6107 3005 a003 0401 61", "6105 3003 020103",
        "610c 300a 020103 a005 0403 616263 00", "6180 3080 020103 a080 0401 61 0401 62",
        "6115 300a 020103 a005 0403 616263 3007 020103 a002 0400",
        "610c 300a 020103 8105 0503 616263", "610c 300a 020103 8105 0402 616263",
        "610c 300a 020103 8105 0404 616263", "0000" };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char octets[128];
        struct slice s = octets_of_hex(rows[i], octets + 4, sizeof(octets) - 4);
        struct side x;

        memcpy(octets, "\x01\x00\x01\x00", 4);
        receiving(&x);
        feed_tsdu(&x, (struct slice){ octets, s.n + 4 }, true);
        feed_tsdu(&x, L("\x01\x00\x31\x03\x2a\x01\x31"), true); /* what is cut short shows now */
        CU_ASSERT_STRING_EQUAL(x.told, "abort ");
        CU_ASSERT_EQUAL(x.s.state, SESSION_OVER);
        side_fini(&x);
    }
}

static void
data_go_out_as_they_come_in(void)
{
    static const uint64_t sizes[] = { 0, 1, 100, 200, 70000 };
    static char text[70000];

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct slice octets = { text, (size_t)sizes[i] };
        struct side a, b;

        side_init(&a, true);
        a.s.state = SESSION_OPEN;
        a.s.our_turn = true;
        receiving(&b);
        b.t.state = TP0_OPEN;
        CU_ASSERT_EQUAL(presentation_begin(&a.p, rtse_syntax, sizes[i]), 0);
        CU_ASSERT_EQUAL(session_data(&a.s, slice_sub(octets, 0, 10), false), 0);
        CU_ASSERT_EQUAL(session_data(&a.s, slice_skip(octets, 10), true), 0);
        feed(&b, tp0_out(&a.t));
        CU_ASSERT_STRING_EQUAL(b.told, "");
        CU_ASSERT_EQUAL(buf_len(&b.data), sizes[i] + 1);
        side_fini(&a);
        side_fini(&b);
    }
}

static void
in_x410_mode_data_are_bare(void)
{
    struct side x;

    receiving(&x);
    x.p.mode = PRESENTATION_X410;
    feed_tsdu(&x, L("\x01\x00\x01\x00hello"), true);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&x.data), L("hello|")));
    side_fini(&x);
}

static void
aborts_and_pleas_are_unwrapped(void)
{
    struct side a, b;
    struct slice wrapped;

    side_init(&a, true);
    side_init(&b, true);
    a.s.state = b.s.state = SESSION_OPEN;
    a.s.version = 2;
    b.s.our_turn = true;
    CU_ASSERT_EQUAL(presentation_wrap(&a.p, rtse_syntax, L("\x02\x01\x05"), &wrapped), 0);
    CU_ASSERT_EQUAL(session_please(&a.s, wrapped), 0);
    feed(&b, tp0_out(&a.t));
    CU_ASSERT_STRING_EQUAL(b.told, "please ");
    tp0_sent(&a.t, tp0_out(&a.t).n);
    presentation_abort(&a.p, rtse_syntax, L("\xb6\x03\x80\x01\x03"));
    feed(&b, tp0_out(&a.t));
    CU_ASSERT_STRING_EQUAL(b.told, "please abort ");
    CU_ASSERT_EQUAL(a.s.state, SESSION_OVER);
    side_fini(&a);
    side_fini(&b);
}

/* ---- conversations of others */

static void
captured_conversations_read_the_same_at_every_cut(void)
{
    static const char *const names[] = { "tests/data/x400/p1-python.initiator",
        "tests/data/x400/p1-pp.initiator" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct slice bytes = octets_of_file(__FILE__, names[i]);
        char *p = (char *)(uintptr_t)bytes.p;
        struct side whole;

        side_init(&whole, false);
        whole.answers = true;
        feed(&whole, bytes);
        CU_ASSERT_STRING_EQUAL(whole.told, "connect start end release ");
        /* the RTTR's octets: an EXTERNAL */
        CU_ASSERT_TRUE(slice_starts(buf_slice(&whole.data), L("\x28")));
        CU_ASSERT_EQUAL(buf_len(&whole.data), i == 0 ? 692 + 1 : 795 + 1);
        for (size_t cut = 0; cut <= bytes.n; cut++) {
            struct side x;

            side_init(&x, false);
            x.answers = true;
            feed(&x, slice_sub(bytes, 0, cut));
            feed(&x, slice_skip(bytes, cut));
            CU_ASSERT_STRING_EQUAL(x.told, whole.told);
            CU_ASSERT_TRUE(slice_eq(buf_slice(&x.data), buf_slice(&whole.data)));
            side_fini(&x);
        }
        for (size_t at = 0; at < bytes.n; at++) {
            struct side x;

            side_init(&x, false);
            x.answers = true;
            p[at] = (char)~p[at];
            feed(&x, bytes);
            p[at] = (char)~p[at];
            side_fini(&x);
        }
        side_fini(&whole);
        free(p);
    }
}

TEST_MAIN("presentation", TEST(connects_are_as_others_write_them), TEST(selectors_and_modes_arrive),
    TEST(connects_that_cannot_be_are_refused), TEST(data_come_in_every_form_and_cut),
    TEST(data_that_are_none_abort), TEST(data_go_out_as_they_come_in),
    TEST(in_x410_mode_data_are_bare), TEST(aborts_and_pleas_are_unwrapped),
    TEST(captured_conversations_read_the_same_at_every_cut))
