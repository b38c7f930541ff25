/* The table and the document, and transfers between two of ours. test_stack.c has the rest: broken
 * and refused associations, and conversations of others. */
#include "stack_pair.h"
#include "test_main.h"

#define DOC "docs/protocols/x400.md"

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

/* Open, and nothing told since. */
static void
open_pair(struct pair *p, const struct rtse_open *o)
{
    pair_init(p, o);
    pair_open(p);
    CU_ASSERT_STRING_EQUAL(p->a.told, "connected opened ");
    CU_ASSERT_STRING_EQUAL(p->b.told, "called open ");
    p->a.told[0] = p->b.told[0] = '\0';
}

static void
an_association_opens_transfers_and_closes_in_both_modes(void)
{
    static const size_t sizes[] = { 1, 1023, 1024, 1025, 10245, 300000 };
    static const uint32_t checkpoints[] = { 0, 1, 7 };

    for (unsigned mode = 0; mode < 2; mode++) {
        for (size_t c = 0; c < ARRAY_LEN(checkpoints); c++) {
            struct rtse_open o = offer(mode == 0 ? NORMAL_1988 : X410_1988);
            struct pair p;

            o.checkpoint = checkpoints[c];
            o.window = 1 + (uint32_t)c;
            open_pair(&p, &o);
            CU_ASSERT_STRING_EQUAL(p.a.bind, "\x04\x02ok");
            CU_ASSERT_STRING_EQUAL(p.b.bind, "\x04\x04"
                                             "bind");
            CU_ASSERT_EQUAL(p.a.k.rtse.checkpoint, checkpoints[c]);
            CU_ASSERT_EQUAL(p.a.last.open.checkpoint, checkpoints[c]);
            CU_ASSERT_EQUAL(rtse_apdu_max(&p.a.k.rtse),
                checkpoints[c] == 0 ? UINT64_MAX : (uint64_t)999998 * 1024 * checkpoints[c]);
            CU_ASSERT_EQUAL(p.a.last.open.window, o.window);
            for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
                buf_clear(&p.b.octets);
                CU_ASSERT_EQUAL_FATAL(rtse_transfer(&p.a.k.rtse, sizes[i]), 0);
                CU_ASSERT_TRUE(write_to(&p, &p.a, sizes[i]));
                CU_ASSERT_EQUAL(p.a.k.rtse.state, RTSE_TURN);
                CU_ASSERT_TRUE(slice_eq(buf_slice(&p.b.octets), (struct slice){ text, sizes[i] }));
            }
            CU_ASSERT_EQUAL(p.b.k.rtse.self.activity, ARRAY_LEN(sizes));
            p.a.told[0] = p.b.told[0] = '\0';
            CU_ASSERT_EQUAL(rtse_close(&p.a.k.rtse), 0);
            settle(&p);
            CU_ASSERT_EQUAL(p.a.end.how, STACK_CLOSED);
            CU_ASSERT_EQUAL(p.b.end.how, STACK_CLOSED);
            pair_fini(&p);
        }
    }
}

static void
the_sender_waits_at_the_end_of_the_window(void)
{
    struct rtse_open o = offer(NORMAL_1988);
    struct pair p;

    open_pair(&p, &o);
    p.b.holds = true;
    CU_ASSERT_EQUAL(rtse_transfer(&p.a.k.rtse, 5000), 0);
    CU_ASSERT_FALSE(write_to(&p, &p.a, 5000));
    CU_ASSERT_EQUAL(p.a.k.rtse.done_bytes, 3 * 1024);
    CU_ASSERT_STRING_EQUAL(p.b.told, "begin point point point ");
    CU_ASSERT_EQUAL(rtse_secured(&p.b.k.rtse, 2), 0);
    CU_ASSERT_TRUE(write_to(&p, &p.a, 5000));
    CU_ASSERT_EQUAL(p.a.k.rtse.state, RTSE_WAIT_SENT);
    CU_ASSERT_EQUAL(rtse_secured(&p.b.k.rtse, 4), 0);
    CU_ASSERT_EQUAL(rtse_secured(&p.b.k.rtse, 5), 0);
    settle(&p);
    CU_ASSERT_STRING_EQUAL(p.a.told, "confirmed confirmed sent ");
    pair_fini(&p);
}

static void
the_turn_goes_round(void)
{
    for (unsigned mode = 0; mode < 2; mode++) {
        struct rtse_open o = offer(mode == 0 ? NORMAL_1988 : X410_1988);
        struct pair p;

        o.dialogue = RTSE_TWA;
        open_pair(&p, &o);
        CU_ASSERT_EQUAL(rtse_please(&p.b.k.rtse, 5), 0);
        settle(&p);
        CU_ASSERT_STRING_EQUAL(p.a.told, "please gave ");
        CU_ASSERT_STRING_EQUAL(p.b.told, "turn ");
        CU_ASSERT_EQUAL(rtse_transfer(&p.b.k.rtse, 2000), 0);
        CU_ASSERT_TRUE(write_to(&p, &p.b, 2000));
        CU_ASSERT_EQUAL(buf_len(&p.a.octets), 2000);
        CU_ASSERT_EQUAL(p.b.k.rtse.state, RTSE_TURN);
        pair_fini(&p);
    }
}

static void
give_turn(struct pair *p, struct side *from)
{
    CU_ASSERT_EQUAL(rtse_give(&from->k.rtse), 0);
    settle(p);
}

/* A number that came twice on one association would name two transfers, of which one could be gone
 * on with the other's octets. Each side counts its own, and neither the peer's count nor an old
 * number that it resumes sets ours back. */
static void
each_side_counts_its_activities(void)
{
    struct rtse_open o = offer(NORMAL_1988);
    struct rtse_recovery old;
    struct pair p;

    o.dialogue = RTSE_TWA;
    open_pair(&p, &o);
    for (uint32_t i = 1; i <= 3; i++) {
        CU_ASSERT_EQUAL(rtse_transfer(&p.a.k.rtse, 2000), 0);
        CU_ASSERT_TRUE(write_to(&p, &p.a, 2000));
        CU_ASSERT_EQUAL(p.a.k.rtse.self.activity, i);
        CU_ASSERT_EQUAL(p.b.k.rtse.self.activity, i);
    }
    give_turn(&p, &p.a);
    old = p.b.k.rtse.self;
    old.activity = 1;
    old.point = 1;
    CU_ASSERT_EQUAL(rtse_resume(&p.b.k.rtse, &old, 2000), 0);
    CU_ASSERT_TRUE(write_to(&p, &p.b, 2000));
    CU_ASSERT_EQUAL(p.b.k.rtse.self.activity, 1);
    CU_ASSERT_EQUAL(p.a.k.rtse.self.activity, 1);
    give_turn(&p, &p.b);
    CU_ASSERT_EQUAL(rtse_transfer(&p.a.k.rtse, 2000), 0);
    CU_ASSERT_TRUE(write_to(&p, &p.a, 2000));
    CU_ASSERT_EQUAL(p.a.k.rtse.self.activity, 4);
    pair_fini(&p);
}

static void
a_reported_transfer_is_interrupted_and_resumed_on_the_same_association(void)
{
    struct rtse_open o = offer(NORMAL_1988);
    struct pair p;
    struct rtse_recovery from;

    open_pair(&p, &o);
    p.b.reports_at = 3;
    CU_ASSERT_EQUAL(rtse_transfer(&p.a.k.rtse, 6000), 0);
    (void)write_to(&p, &p.a, 6000);
    CU_ASSERT_EQUAL(p.a.k.rtse.state, RTSE_TURN);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.a.told, "failed"));
    CU_ASSERT_PTR_NOT_NULL(strstr(p.b.told, "stopped"));
    CU_ASSERT_TRUE(p.a.last.keep && p.b.last.keep);
    from = p.a.k.rtse.self;
    CU_ASSERT_EQUAL(from.point, 2);
    CU_ASSERT_EQUAL(rtse_offset(&from), 2048);
    p.b.reports_at = 0;
    p.b.told[0] = '\0';
    buf_clear(&p.b.octets);
    CU_ASSERT_EQUAL(rtse_resume(&p.a.k.rtse, &from, 6000), 0);
    CU_ASSERT_TRUE(write_to(&p, &p.a, 6000));
    CU_ASSERT_EQUAL(p.a.k.rtse.state, RTSE_TURN);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.b.told, "resume point"));
    CU_ASSERT_TRUE(slice_eq(buf_slice(&p.b.octets), (struct slice){ text + 2048, 6000 - 2048 }));
    pair_fini(&p);
}

static void
a_transfer_can_be_stopped_in_the_middle_of_a_segment(void)
{
    for (unsigned keep = 0; keep < 2; keep++) {
        struct rtse_open o = offer(NORMAL_1988);
        struct pair p;

        open_pair(&p, &o);
        CU_ASSERT_EQUAL(rtse_transfer(&p.a.k.rtse, 5000), 0);
        CU_ASSERT_TRUE(write_to(&p, &p.a, 1500));
        CU_ASSERT_EQUAL(rtse_stop(&p.a.k.rtse, keep != 0), 0);
        settle(&p);
        CU_ASSERT_STRING_EQUAL(p.a.told, "confirmed failed ");
        CU_ASSERT_STRING_EQUAL(p.b.told, "begin point stopped ");
        CU_ASSERT_EQUAL(p.b.last.keep, keep != 0);
        CU_ASSERT_EQUAL(rtse_transfer(&p.a.k.rtse, 100), 0);
        CU_ASSERT_TRUE(write_to(&p, &p.a, 100));
        CU_ASSERT_EQUAL(p.a.k.rtse.state, RTSE_TURN);
        pair_fini(&p);
    }
}

/* A fuzzer's finding: what is sent later would have met a CHECK. */
static void
a_peer_without_the_context_of_segments_is_refused(void)
{
    for (unsigned answering = 0; answering < 2; answering++) {
        struct rtse_open o = offer(NORMAL_1988);
        struct pair p;

        pair_init(&p, &o);
        (answering ? &p.b : &p.a)->k.presentation.contexts[1].syntax = L("\x51\x07");
        pair_open(&p);
        CU_ASSERT_STRING_EQUAL(p.b.told, "called ended ");
        CU_ASSERT_PTR_NOT_NULL(strstr(p.b.end.text, "presentation context"));
        CU_ASSERT_STRING_EQUAL(p.a.told, "connected ended ");
        CU_ASSERT_EQUAL(p.a.end.how, STACK_REFUSED);
        pair_fini(&p);
    }
}

TEST_MAIN("rtse", TEST(the_document_shows_the_table),
    TEST(an_association_opens_transfers_and_closes_in_both_modes),
    TEST(the_sender_waits_at_the_end_of_the_window), TEST(the_turn_goes_round),
    TEST(each_side_counts_its_activities),
    TEST(a_reported_transfer_is_interrupted_and_resumed_on_the_same_association),
    TEST(a_transfer_can_be_stopped_in_the_middle_of_a_segment),
    TEST(a_peer_without_the_context_of_segments_is_refused))
