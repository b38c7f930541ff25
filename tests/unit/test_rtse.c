/* The table and the document; two whole stacks against each other, in both modes; broken and
 * resumed transfers; and the captured conversations of other implementations, cut and damaged
 * everywhere. */
#include "octets.h"
#include "osi/rtse.h"
#include "test_main.h"

#define DOC  "docs/protocols/x400.md"
#define L(s) ((struct slice)SLICE_LIT(s))

static void
the_document_shows_the_table(void)
{
    for (unsigned e = 1; e < RTSE_EVENT_COUNT; e++) {
        char line[512] = "", expect[512];
        int n = snprintf(expect, sizeof(expect), "| %s |", rtse_event_name(e));

        for (unsigned s = 0; s < RTSE_STATE_COUNT; s++) {
            n += snprintf(
                expect + n, sizeof(expect) - (size_t)n, " %s |", rtse_step_name(rtse_row(s, e)));
        }
        (void)snprintf(expect + n, sizeof(expect) - (size_t)n, "\n");
        CU_ASSERT_TRUE(octets_doc_row(
            __FILE__, DOC, "### Table: reliable transfer", rtse_event_name(e), line, sizeof(line)));
        CU_ASSERT_STRING_EQUAL(line, expect);
    }
}

/* ---- a side: all layers, and what was told */

struct side {
    struct tp0 t;
    struct session s;
    struct presentation p;
    struct rtse r;
    char told[1024];
    struct buf octets;
    uint64_t offset; /* of the last octets */
    bool automatic;  /* answers by itself */
    bool holds;      /* ... but does not secure */
    uint32_t refuses_point;
    struct rtse_ind last;
    char bind[64];
    const char *error;
};

static void
side_init(struct side *x, bool initiator)
{
    struct presentation_context contexts[RTSE_CONTEXT_COUNT];

    memset(x, 0, sizeof(*x));
    rtse_contexts(contexts, initiator);
    tp0_init(&x->t, 1);
    session_init(&x->s, &x->t);
    presentation_init(&x->p, &x->s, contexts, RTSE_CONTEXT_COUNT);
    rtse_init(&x->r, &x->p);
    buf_init(&x->octets, 4 << 20);
    x->automatic = true;
}

static void
side_fini(struct side *x)
{
    rtse_fini(&x->r);
    presentation_fini(&x->p);
    session_fini(&x->s);
    tp0_fini(&x->t);
    buf_fini(&x->octets);
}

static struct rtse_open
offer(enum presentation_mode mode)
{
    return (struct rtse_open){ .mode = mode,
        .checkpoint = 1,
        .window = 3,
        .application_protocol = 12,
        .initiator_has_turn = true,
        .reference = { L("\x04\x02"
                         "AB"),
            L("\x17\x0d"
              "261120231844Z"),
            SLICE_NONE },
        .user = L("\x04\x04"
                  "bind") };
}

static void
answer(struct side *x, enum rtse_ind_kind kind)
{
    struct rtse_open o = x->last.open;
    int rc = 0;

    if (kind == RTSE_IND_OPEN) {
        o.user = L("\x04\x02"
                   "ok");
        o.called_s = o.called_p = o.calling_p = SLICE_NONE;
        o.checkpoint = MIN(o.checkpoint, RTSE_CHECKPOINT_MAX);
        o.window = 3;
        rc = rtse_accept(&x->r, &o);
    } else if (kind == RTSE_IND_POINT && x->refuses_point == x->last.point) {
        rc = rtse_report(&x->r, SESSION_REASON_LOCAL);
    } else if ((kind == RTSE_IND_POINT || kind == RTSE_IND_END) && !x->holds) {
        rc = rtse_secured(&x->r, x->last.point);
    } else if (kind == RTSE_IND_PLEASE && x->r.state == RTSE_TURN) {
        rc = rtse_give(&x->r);
    }
    CHECK(rc == 0);
}

static void
hear(struct side *x, enum rtse_ind_kind kind)
{
    static const char *const words[] = { "", "open ", "opened ", "refused ", "begin ", "resume ",
        "", "point ", "end ", "stopped ", "confirmed ", "sent ", "failed ", "please ", "turn ",
        "gave ", "closed ", "abort " };

    if (strlen(x->told) + 20 < sizeof(x->told)) {
        strcat(x->told, words[kind]);
    }
    if (kind == RTSE_IND_OCTETS) {
        x->offset = x->last.offset + x->last.bytes.n;
        CHECK(buf_append(&x->octets, x->last.bytes) == 0);
    } else if (kind == RTSE_IND_OPEN || kind == RTSE_IND_OPENED || kind == RTSE_IND_REFUSED) {
        struct slice user = kind == RTSE_IND_REFUSED ? x->last.user : x->last.open.user;

        CHECK(slice_copy(slice_sub(user, 0, 60), x->bind, sizeof(x->bind)) == 0);
    } else if (kind == RTSE_IND_ABORT) {
        x->error = x->last.error;
        CHECK(x->error != NULL && x->r.state == RTSE_OVER);
    }
    if (x->automatic) {
        answer(x, kind);
    }
}

static void
feed(struct side *x, struct slice bytes)
{
    struct tp0_ind low;
    enum tp0_ind_kind kind;

    for (kind = tp0_next(&x->t, &bytes, &low); kind != TP0_IND_MORE;
         kind = tp0_next(&x->t, &bytes, &low)) {
        enum rtse_ind_kind told = RTSE_IND_MORE;

        CHECK(kind != TP0_IND_CONNECT || tp0_accept(&x->t, 2048) == 0);
        do {
            struct rtse_ind ind;

            if (kind == TP0_IND_DATA) {
                told = rtse_next(&x->r, &low.bytes, low.end, &ind);
            }
            if (told != RTSE_IND_MORE) {
                x->last = ind;
                hear(x, told);
            }
        } while (told != RTSE_IND_MORE);
    }
}

struct pair {
    struct side a, b;
};

/* One exchange; false: nothing moved. */
static bool
exchange(struct pair *p)
{
    bool moved = false;

    for (unsigned i = 0; i < 2; i++) {
        struct side *from = i == 0 ? &p->a : &p->b, *to = i == 0 ? &p->b : &p->a;
        struct slice out = tp0_out(&from->t);
        char *copy;

        if (out.n == 0) {
            continue;
        }
        copy = malloc(out.n);
        CHECK(copy != NULL);
        memcpy(copy, out.p, out.n);
        tp0_sent(&from->t, out.n);
        feed(to, (struct slice){ copy, out.n });
        free(copy);
        moved = true;
    }
    return moved;
}

static void
settle(struct pair *p)
{
    while (exchange(p)) {
    }
}

static void
pair_open(struct pair *p, const struct rtse_open *o)
{
    side_init(&p->a, true);
    side_init(&p->b, false);
    CHECK(tp0_connect(&p->a.t, SLICE_NONE, SLICE_NONE, 2048) == 0);
    settle(p);
    CU_ASSERT_EQUAL(rtse_open(&p->a.r, o), 0);
    settle(p);
    CU_ASSERT_STRING_EQUAL(p->a.told, "opened ");
    CU_ASSERT_STRING_EQUAL(p->b.told, "open ");
    p->a.told[0] = p->b.told[0] = '\0';
}

static void
pair_fini(struct pair *p)
{
    side_fini(&p->a);
    side_fini(&p->b);
}

static char text[2 << 20];

static void
fill_text(void)
{
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)(i * 2654435761u >> 13);
    }
}

/* Write what there is room for until end, as the other side answers. False: it stands still. */
static bool
write_to(struct pair *p, struct side *from, size_t end)
{
    while (from->r.done_bytes < end && from->r.state == RTSE_SEND) {
        size_t room = rtse_room(&from->r), at = (size_t)from->r.done_bytes;

        if (room > 0) {
            room = MIN(MIN(room, end - at), 1 + at % 5000);
            CU_ASSERT_EQUAL_FATAL(rtse_write(&from->r, (struct slice){ text + at, room }), 0);
        } else if (!exchange(p)) {
            return false;
        }
    }
    settle(p);
    return true;
}

static void
an_association_opens_transfers_and_closes_in_both_modes(void)
{
    static const size_t sizes[] = { 1, 1023, 1024, 1025, 10245, 300000 };
    static const uint32_t checkpoints[] = { 0, 1, 7 };

    fill_text();
    for (unsigned mode = 0; mode < 2; mode++) {
        for (size_t c = 0; c < ARRAY_LEN(checkpoints); c++) {
            struct rtse_open o = offer((enum presentation_mode)mode);
            struct pair p;

            o.checkpoint = checkpoints[c];
            o.window = 1 + (uint32_t)c;
            pair_open(&p, &o);
            CU_ASSERT_STRING_EQUAL(p.a.bind, "\x04\x02ok");
            CU_ASSERT_STRING_EQUAL(p.b.bind, "\x04\x04"
                                             "bind");
            CU_ASSERT_EQUAL(p.a.r.checkpoint, checkpoints[c]);
            for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
                buf_clear(&p.b.octets);
                CU_ASSERT_EQUAL_FATAL(rtse_transfer(&p.a.r, sizes[i]), 0);
                CU_ASSERT_TRUE(write_to(&p, &p.a, sizes[i]));
                CU_ASSERT_EQUAL(p.a.r.state, RTSE_TURN);
                CU_ASSERT_TRUE(slice_eq(buf_slice(&p.b.octets), (struct slice){ text, sizes[i] }));
            }
            CU_ASSERT_EQUAL(p.b.r.self.activity, ARRAY_LEN(sizes));
            p.a.told[0] = p.b.told[0] = '\0';
            CU_ASSERT_EQUAL(rtse_close(&p.a.r), 0);
            settle(&p);
            CU_ASSERT_STRING_EQUAL(p.a.told, "closed ");
            CU_ASSERT_STRING_EQUAL(p.b.told, "closed ");
            pair_fini(&p);
        }
    }
}

static void
the_sender_waits_at_the_end_of_the_window(void)
{
    struct rtse_open o = offer(PRESENTATION_NORMAL);
    struct pair p;

    pair_open(&p, &o);
    p.b.holds = true;
    CU_ASSERT_EQUAL(rtse_transfer(&p.a.r, 5000), 0);
    CU_ASSERT_FALSE(write_to(&p, &p.a, 5000));
    CU_ASSERT_EQUAL(p.a.r.done_bytes, 3 * 1024);
    CU_ASSERT_STRING_EQUAL(p.b.told, "begin point point point ");
    CU_ASSERT_EQUAL(rtse_secured(&p.b.r, 2), 0);
    CU_ASSERT_TRUE(write_to(&p, &p.a, 5000));
    CU_ASSERT_EQUAL(p.a.r.state, RTSE_WAIT_SENT);
    CU_ASSERT_EQUAL(rtse_secured(&p.b.r, 4), 0);
    CU_ASSERT_EQUAL(rtse_secured(&p.b.r, 5), 0);
    settle(&p);
    CU_ASSERT_STRING_EQUAL(p.a.told, "confirmed confirmed sent ");
    pair_fini(&p);
}

static void
the_turn_goes_round(void)
{
    for (unsigned mode = 0; mode < 2; mode++) {
        struct rtse_open o = offer((enum presentation_mode)mode);
        struct pair p;

        o.dialogue = RTSE_TWA;
        pair_open(&p, &o);
        CU_ASSERT_EQUAL(rtse_please(&p.b.r, 5), 0);
        settle(&p);
        CU_ASSERT_STRING_EQUAL(p.a.told, "please gave ");
        CU_ASSERT_STRING_EQUAL(p.b.told, "turn ");
        CU_ASSERT_EQUAL(rtse_transfer(&p.b.r, 2000), 0);
        CU_ASSERT_TRUE(write_to(&p, &p.b, 2000));
        CU_ASSERT_EQUAL(buf_len(&p.a.octets), 2000);
        CU_ASSERT_EQUAL(p.b.r.state, RTSE_TURN);
        pair_fini(&p);
    }
}

static void
a_reported_transfer_is_interrupted_and_resumed_on_the_same_association(void)
{
    struct rtse_open o = offer(PRESENTATION_NORMAL);
    struct pair p;
    struct rtse_recovery from;

    fill_text();
    pair_open(&p, &o);
    p.b.refuses_point = 3;
    CU_ASSERT_EQUAL(rtse_transfer(&p.a.r, 6000), 0);
    (void)write_to(&p, &p.a, 6000);
    CU_ASSERT_EQUAL(p.a.r.state, RTSE_TURN);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.a.told, "failed"));
    CU_ASSERT_PTR_NOT_NULL(strstr(p.b.told, "stopped"));
    CU_ASSERT_TRUE(p.a.last.keep && p.b.last.keep);
    from = p.a.r.self;
    CU_ASSERT_EQUAL(from.point, 2);
    CU_ASSERT_EQUAL(rtse_offset(&from), 2048);
    p.b.refuses_point = 0;
    p.b.told[0] = '\0';
    buf_clear(&p.b.octets);
    CU_ASSERT_EQUAL(rtse_resume(&p.a.r, &from, 6000), 0);
    CU_ASSERT_TRUE(write_to(&p, &p.a, 6000));
    CU_ASSERT_EQUAL(p.a.r.state, RTSE_TURN);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.b.told, "resume point"));
    CU_ASSERT_TRUE(slice_eq(buf_slice(&p.b.octets), (struct slice){ text + 2048, 6000 - 2048 }));
    CU_ASSERT_EQUAL(p.b.offset, 6000);
    pair_fini(&p);
}

static void
a_broken_association_is_recovered_by_another(void)
{
    for (unsigned mode = 0; mode < 2; mode++) {
        struct rtse_open o = offer((enum presentation_mode)mode);
        struct pair p, q;
        struct rtse_recovery from;
        char user[64], common[64];

        pair_open(&p, &o);
        CU_ASSERT_EQUAL(rtse_transfer(&p.a.r, 6000), 0);
        CU_ASSERT_TRUE(write_to(&p, &p.a, 4500));
        from = p.a.r.self;
        CU_ASSERT_EQUAL(from.point, 4);
        rtse_lost(&p.a.r);
        memcpy(user, from.user, from.user_n);
        memcpy(common, from.common, from.common_n);
        o.recover = true;
        o.recovered.user = (struct slice){ user, from.user_n };
        o.recovered.common = (struct slice){ common, from.common_n };
        o.user = SLICE_NONE;
        o.reference.user = L("\x04\x02"
                             "CD");
        side_init(&q.a, true);
        side_init(&q.b, false);
        CHECK(tp0_connect(&q.a.t, SLICE_NONE, SLICE_NONE, 2048) == 0);
        settle(&q);
        q.b.automatic = false;
        CU_ASSERT_EQUAL(rtse_open(&q.a.r, &o), 0);
        settle(&q);
        CU_ASSERT_TRUE(q.b.last.open.recover);
        CU_ASSERT_TRUE(slice_eq(q.b.last.open.recovered.user, o.recovered.user));
        CU_ASSERT_TRUE(slice_eq(q.b.last.open.recovered.common, o.recovered.common));
        o.reference = q.b.last.open.reference;
        CU_ASSERT_EQUAL(rtse_accept(&q.b.r, &o), 0);
        q.b.automatic = true;
        settle(&q);
        CU_ASSERT_STRING_EQUAL(q.a.told, "opened ");
        CU_ASSERT_EQUAL(rtse_resume(&q.a.r, &from, 6000), 0);
        CU_ASSERT_TRUE(write_to(&q, &q.a, 6000));
        CU_ASSERT_EQUAL(q.a.r.state, RTSE_TURN);
        CU_ASSERT_EQUAL(buf_len(&q.b.octets), 6000 - 4096);
        CU_ASSERT_EQUAL(q.b.offset, 6000);
        pair_fini(&p);
        pair_fini(&q);
    }
}

static void
a_transfer_can_be_stopped_in_the_middle_of_a_segment(void)
{
    for (unsigned keep = 0; keep < 2; keep++) {
        struct rtse_open o = offer(PRESENTATION_NORMAL);
        struct pair p;

        pair_open(&p, &o);
        CU_ASSERT_EQUAL(rtse_transfer(&p.a.r, 5000), 0);
        CU_ASSERT_TRUE(write_to(&p, &p.a, 1500));
        CU_ASSERT_EQUAL(rtse_stop(&p.a.r, keep != 0), 0);
        settle(&p);
        CU_ASSERT_STRING_EQUAL(p.a.told, "confirmed failed ");
        CU_ASSERT_STRING_EQUAL(p.b.told, "begin point stopped ");
        CU_ASSERT_EQUAL(p.b.last.keep, keep != 0);
        CU_ASSERT_EQUAL(rtse_transfer(&p.a.r, 100), 0);
        CU_ASSERT_TRUE(write_to(&p, &p.a, 100));
        CU_ASSERT_EQUAL(p.a.r.state, RTSE_TURN);
        pair_fini(&p);
    }
}

static void
refusals_and_aborts_say_why(void)
{
    for (unsigned mode = 0; mode < 2; mode++) {
        struct rtse_open o = offer((enum presentation_mode)mode);
        struct pair p;

        side_init(&p.a, true);
        side_init(&p.b, false);
        CHECK(tp0_connect(&p.a.t, SLICE_NONE, SLICE_NONE, 2048) == 0);
        settle(&p);
        p.b.automatic = false;
        CU_ASSERT_EQUAL(rtse_open(&p.a.r, &o), 0);
        settle(&p);
        CU_ASSERT_EQUAL(rtse_refuse(&p.b.r, RTSE_REFUSE_VALIDATION, L("\x02\x01\x02")), 0);
        settle(&p);
        CU_ASSERT_STRING_EQUAL(p.a.told, "refused ");
        CU_ASSERT_EQUAL(p.a.last.reason, mode == PRESENTATION_X410 ? RTSE_REFUSE_VALIDATION : 0);
        CU_ASSERT_STRING_EQUAL(p.a.bind, mode == PRESENTATION_NORMAL ? "\x02\x01\x02" : "");
        pair_fini(&p);
        o = offer((enum presentation_mode)mode);
        pair_open(&p, &o);
        CU_ASSERT_EQUAL(rtse_transfer(&p.a.r, 5000), 0);
        CU_ASSERT_EQUAL(rtse_write(&p.a.r, L("some")), 0);
        rtse_abort(&p.a.r, RTSE_ABORT_TEMPORARY);
        settle(&p);
        CU_ASSERT_PTR_NOT_NULL(strstr(p.b.told, "abort "));
        CU_ASSERT_TRUE(p.b.last.by_peer);
        CU_ASSERT_EQUAL(p.b.last.reason, RTSE_ABORT_TEMPORARY);
        CU_ASSERT_EQUAL(p.b.r.state, RTSE_OVER);
        pair_fini(&p);
    }
}

/* A fuzzer's finding: what is sent later would have met a CHECK. */
static void
a_peer_without_the_context_of_segments_is_refused(void)
{
    for (unsigned answering = 0; answering < 2; answering++) {
        struct rtse_open o = offer(PRESENTATION_NORMAL);
        struct pair p;

        side_init(&p.a, true);
        side_init(&p.b, false);
        p.a.p.contexts[1].syntax = answering ? p.a.p.contexts[1].syntax : L("\x51\x07");
        p.b.p.contexts[1].syntax = answering ? L("\x51\x07") : p.b.p.contexts[1].syntax;
        CHECK(tp0_connect(&p.a.t, SLICE_NONE, SLICE_NONE, 2048) == 0);
        settle(&p);
        CU_ASSERT_EQUAL(rtse_open(&p.a.r, &o), 0);
        settle(&p);
        CU_ASSERT_STRING_EQUAL(p.b.told, "abort ");
        CU_ASSERT_STRING_EQUAL(p.a.told, "refused ");
        pair_fini(&p);
    }
}

/* ---- conversations of others */

static void
captured_conversations_read_the_same_at_every_cut(void)
{
    static const struct {
        const char *name, *told;
        size_t octets;
    } rows[] = {
        { "tests/data/x400/p1-python.initiator", "open begin end closed ", 692 },
        { "tests/data/x400/p1-pp.initiator", "open begin end closed ", 795 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice file = octets_of_file(__FILE__, rows[i].name);
        struct slice bytes = file;
        char *p = (char *)(uintptr_t)file.p;

        for (size_t cut = 0; cut <= bytes.n; cut++) {
            struct side x;

            side_init(&x, false);
            feed(&x, slice_sub(bytes, 0, cut));
            feed(&x, slice_skip(bytes, cut));
            CU_ASSERT_STRING_EQUAL(x.told, rows[i].told);
            CU_ASSERT_EQUAL(buf_len(&x.octets), rows[i].octets);
            side_fini(&x);
        }
        for (size_t at = 0; at < bytes.n; at++) {
            struct side x;

            side_init(&x, false);
            p[at] = (char)~p[at];
            feed(&x, bytes);
            p[at] = (char)~p[at];
            side_fini(&x);
        }
        free(p);
    }
}

TEST_MAIN("rtse", TEST(the_document_shows_the_table),
    TEST(an_association_opens_transfers_and_closes_in_both_modes),
    TEST(the_sender_waits_at_the_end_of_the_window), TEST(the_turn_goes_round),
    TEST(a_reported_transfer_is_interrupted_and_resumed_on_the_same_association),
    TEST(a_broken_association_is_recovered_by_another),
    TEST(a_transfer_can_be_stopped_in_the_middle_of_a_segment), TEST(refusals_and_aborts_say_why),
    TEST(a_peer_without_the_context_of_segments_is_refused),
    TEST(captured_conversations_read_the_same_at_every_cut))
