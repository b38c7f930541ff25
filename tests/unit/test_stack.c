/* Two whole stacks against each other, in the three protocols of P1; broken, resumed and refused
 * associations; a peer that says anything in any state; and what is awaited in each. */
#include "osi/stack.h"

#include "stack_pair.h"
#include "test_main.h"

/* Bind, two messages and unbind; the octets that went to the responder and the initiator. */
static void
whole_conversation(struct pair *p, const struct rtse_open *o, size_t bytes)
{
    pair_open(p);
    CU_ASSERT_STRING_EQUAL(p->a.told, "connected opened ");
    CU_ASSERT_STRING_EQUAL(p->b.told, "called open ");
    CU_ASSERT_STRING_EQUAL(p->a.bind, "\x04\x02ok");
    CU_ASSERT_STRING_EQUAL(p->b.bind, "\x04\x04"
                                      "bind");
    CU_ASSERT_STRING_EQUAL(p->b.called, "there");
    CU_ASSERT_EQUAL(p->b.last.open.application_protocol,
        o->mode == PRESENTATION_X410 ? o->application_protocol : 1);
    for (unsigned i = 0; i < 2 && p->a.k.rtse.state == RTSE_TURN; i++) {
        buf_clear(&p->b.octets);
        transfer(p, &p->a, bytes);
        CU_ASSERT_EQUAL(p->a.k.rtse.state, RTSE_TURN);
        CU_ASSERT_TRUE(slice_eq(buf_slice(&p->b.octets), (struct slice){ text, bytes }));
    }
    CU_ASSERT_EQUAL_FATAL(p->a.k.rtse.state, RTSE_TURN);
    CHECK(rtse_close(&p->a.k.rtse) == 0);
    settle(p);
    CU_ASSERT_EQUAL(p->a.end.how, STACK_CLOSED);
    CU_ASSERT_EQUAL(p->b.end.how, STACK_CLOSED);
    CU_ASSERT_EQUAL(buf_len(&p->a.k.transport.out) + buf_len(&p->b.k.transport.out), 0);
}

/* ---- tests */

static void
all_three_protocols_speak_at_every_cut_of_the_stream(void)
{
    for (unsigned protocol = 0; protocol < PROTOCOLS; protocol++) {
        struct rtse_open o = offer((enum protocol)protocol);
        uint64_t total = 1;

        for (uint64_t cut = 0; cut < total; cut++) {
            struct pair p;

            pair_init(&p, &o);
            p.a.split_at = p.b.split_at = cut;
            whole_conversation(&p, &o, 1300);
            total = MAX(p.a.fed, p.b.fed);
            pair_fini(&p);
        }
        CU_ASSERT_TRUE(total > 2600);
    }
}

static void
small_pieces_and_large_messages_make_no_difference(void)
{
    static const size_t pieces[] = { 1, 2, 3, 7, 1000, 65536 };

    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        for (unsigned protocol = 0; protocol < PROTOCOLS; protocol++) {
            struct rtse_open o = offer((enum protocol)protocol);
            struct pair p;

            o.checkpoint = (uint32_t)i;
            o.window = 1 + (uint32_t)i;
            pair_init(&p, &o);
            p.a.piece = p.b.piece = pieces[i];
            whole_conversation(&p, &o, i < 3 ? 20000 : 900000);
            pair_fini(&p);
        }
    }
}

static void
the_turn_goes_to_who_asks_even_in_the_middle_of_a_transfer(void)
{
    for (unsigned protocol = 0; protocol < PROTOCOLS; protocol++) {
        struct rtse_open o = offer((enum protocol)protocol);
        struct pair p;

        o.dialogue = RTSE_TWA;
        pair_init(&p, &o);
        pair_open(&p);
        CHECK(rtse_transfer(&p.a.k.rtse, 5000) == 0);
        (void)write_to(&p, &p.a, 2000);
        CU_ASSERT_EQUAL(stack_please(&p.b.k, 5), 0); /* remembered: it receives */
        CU_ASSERT_EQUAL(stack_wait(&p.b.k), STACK_WAIT_OCTETS);
        (void)write_to(&p, &p.a, 5000);
        CU_ASSERT_PTR_NOT_NULL(strstr(p.a.told, "sent please gave "));
        CU_ASSERT_PTR_NOT_NULL(strstr(p.b.told, "end turn "));
        transfer(&p, &p.b, 3000);
        CU_ASSERT_EQUAL(buf_len(&p.a.octets), 3000);
        CU_ASSERT_EQUAL(stack_wait(&p.b.k), STACK_WAIT_IDLE);
        pair_fini(&p);
    }
}

static void
a_broken_association_is_recovered_and_goes_on_at_the_last_point(void)
{
    for (unsigned protocol = 0; protocol < PROTOCOLS; protocol++) {
        struct rtse_open o = offer((enum protocol)protocol), again;
        struct rtse_recovery from, theirs;
        struct pair p, q;
        struct stack_end end;

        pair_init(&p, &o);
        pair_open(&p);
        CHECK(rtse_transfer(&p.a.k.rtse, 6000) == 0);
        CU_ASSERT_TRUE(write_to(&p, &p.a, 4500));
        CU_ASSERT_TRUE(stack_lost(&p.a.k, &end));
        CU_ASSERT_EQUAL(end.how, STACK_LOST);
        CU_ASSERT_EQUAL(end.was, RTSE_SEND);
        CU_ASSERT_FALSE(end.in_doubt);
        CU_ASSERT_FALSE(stack_lost(&p.a.k, &end)); /* once */
        CU_ASSERT_TRUE(stack_lost(&p.b.k, &end));
        CU_ASSERT_EQUAL(end.was, RTSE_RECEIVE);
        stack_recovery(&p.a.k, &from);
        stack_recovery(&p.b.k, &theirs);
        CU_ASSERT_EQUAL(from.point, 4);
        CU_ASSERT_EQUAL(theirs.point, 4);
        CU_ASSERT_EQUAL(theirs.activity, from.activity);
        CU_ASSERT_EQUAL(theirs.user_n, from.user_n);
        CU_ASSERT_EQUAL(memcmp(theirs.user, from.user, from.user_n), 0);
        again = o;
        again.recover = true;
        again.recovered.user = (struct slice){ from.user, from.user_n };
        again.recovered.common = (struct slice){ from.common, from.common_n };
        again.user = SLICE_NONE;
        again.reference.user = L("\x04\x02"
                                 "CD");
        pair_init(&q, &again);
        q.b.deaf = true;
        pair_open(&q);
        CU_ASSERT_EQUAL(stack_answer(&q.b.k, 2048), 0);
        settle(&q);
        CU_ASSERT_TRUE(q.b.last.open.recover);
        CU_ASSERT_TRUE(slice_eq(q.b.last.open.recovered.user, again.recovered.user));
        CU_ASSERT_EQUAL(stack_wait(&q.b.k), STACK_WAIT_NOTHING);
        again.reference = q.b.last.open.reference;
        CU_ASSERT_EQUAL(rtse_accept(&q.b.k.rtse, &again), 0);
        q.b.deaf = false;
        go_on(&q.b);
        settle(&q);
        CU_ASSERT_STRING_EQUAL(q.a.told, "connected opened ");
        CU_ASSERT_EQUAL(rtse_resume(&q.a.k.rtse, &from, 6000), 0);
        CU_ASSERT_TRUE(write_to(&q, &q.a, 6000));
        CU_ASSERT_PTR_NOT_NULL(strstr(q.b.told, "resume point end "));
        CU_ASSERT_TRUE(
            slice_eq(buf_slice(&q.b.octets), (struct slice){ text + 4096, 6000 - 4096 }));
        CU_ASSERT_EQUAL(q.a.k.rtse.state, RTSE_TURN);
        pair_fini(&p);
        pair_fini(&q);
    }
}

static void
a_receiver_that_cannot_resume_reports_and_the_sender_begins_anew(void)
{
    struct rtse_open o = offer(NORMAL_1988);
    struct rtse_recovery from = { .user = "\x04\x01Z", .user_n = 3, .common = "\x17\x01Z" };
    struct pair p;

    from.common_n = 3;
    from.activity = 7;
    from.point = 2;
    from.checkpoint = 1;
    pair_init(&p, &o);
    pair_open(&p);
    p.b.deaf = true;
    CU_ASSERT_EQUAL(rtse_resume(&p.a.k.rtse, &from, 6000), 0);
    settle(&p);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.b.told, "resume "));
    CU_ASSERT_EQUAL(p.b.last.offset, 2048);
    CU_ASSERT_EQUAL(stack_report(&p.b.k, 7, SESSION_REASON_PROCEDURAL), 0);
    CU_ASSERT_EQUAL(stack_wait(&p.b.k), STACK_WAIT_ANSWER);
    settle(&p);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.a.told, "failed "));
    CU_ASSERT_FALSE(p.a.last.keep);
    CU_ASSERT_FALSE(p.a.in_doubt);
    p.b.deaf = false;
    transfer(&p, &p.a, 6000);
    CU_ASSERT_EQUAL(buf_len(&p.b.octets), 6000);
    CU_ASSERT_EQUAL(p.a.k.rtse.state, RTSE_TURN);
    pair_fini(&p);
}

static void
every_layer_refuses_and_says_so(void)
{
    static const struct {
        const char *what;
        enum osi_layer layer;
        unsigned reason;
        const char *part; /* of the sentence */
    } rows[] = {
        { "transport", OSI_TRANSPORT, TP0_REASON_ADDRESS, "no such TSAP" },
        { "session", OSI_SESSION, SESSION_REFUSE_SELECTOR, "session selector is unknown" },
        { "presentation", OSI_PRESENTATION, PRESENTATION_REFUSE_ADDRESS, "presentation selector" },
        { "association", OSI_ASSOCIATION, 0, "rejects the association" },
        { "bind", OSI_USER, 0, "refuses the bind" },
        { "x410", OSI_RTSE, RTSE_REFUSE_VALIDATION, "names or passwords" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rtse_open o = offer(i == 5 ? X410_1988 : NORMAL_1988);
        struct pair p;
        int rc = 0;

        pair_init(&p, &o);
        p.b.deaf = true;
        pair_open(&p);
        CU_ASSERT_EQUAL(stack_wait(&p.a.k), STACK_WAIT_CALL);
        if (i == 0) {
            rc = stack_refuse(&p.b.k, TP0_REASON_ADDRESS);
        } else {
            CHECK(stack_answer(&p.b.k, 2048) == 0);
            CU_ASSERT_EQUAL(stack_wait(&p.b.k), STACK_WAIT_CALLED);
            settle(&p);
            CU_ASSERT_EQUAL(stack_wait(&p.a.k), STACK_WAIT_OPEN);
        }
        if (i == 1) {
            rc = session_refuse(&p.b.k.session, SESSION_REFUSE_SELECTOR, SLICE_NONE);
        } else if (i == 2) {
            rc = presentation_refuse(
                &p.b.k.presentation, PRESENTATION_REFUSE_ADDRESS, SLICE_NONE, SLICE_NONE);
        } else if (i > 2) {
            rc = rtse_refuse(
                &p.b.k.rtse, RTSE_REFUSE_VALIDATION, i == 4 ? L("\x02\x01\x02") : SLICE_NONE);
        }
        CU_ASSERT_EQUAL(rc, 0);
        settle(&p);
        CU_ASSERT_TRUE(p.a.ended);
        CU_ASSERT_EQUAL(p.a.end.how, STACK_REFUSED);
        CU_ASSERT_EQUAL(p.a.end.layer, rows[i].layer);
        CU_ASSERT_EQUAL(p.a.end.reason, rows[i].reason);
        CU_ASSERT_PTR_NOT_NULL(strstr(p.a.end.text, rows[i].part));
        CU_ASSERT_STRING_EQUAL(p.a.bind, i == 4 ? "\x02\x01\x02" : "");
        CU_ASSERT_EQUAL(stack_wait(&p.a.k), STACK_WAIT_NOTHING);
        pair_fini(&p);
    }
}

static void
an_abort_names_the_layer_that_did_it(void)
{
    struct rtse_open o = offer(NORMAL_1988);
    char hex[] = "03000007 02f080 | 0300000b 02f080 0100 0500";
    char octets[64];
    struct slice bytes = octets_of_hex(strchr(hex, '|'), octets, sizeof(octets));
    struct pair p;

    for (unsigned mode = 0; mode < 2; mode++) {
        o = offer(mode == 0 ? NORMAL_1988 : X410_1988);
        pair_init(&p, &o);
        pair_open(&p);
        CHECK(rtse_transfer(&p.a.k.rtse, 5000) == 0);
        CHECK(rtse_write(&p.a.k.rtse, L("some")) == 0);
        stack_abort(&p.a.k, RTSE_ABORT_TEMPORARY);
        settle(&p);
        CU_ASSERT_EQUAL(p.b.end.how, STACK_ABORTED);
        CU_ASSERT_EQUAL(p.b.end.layer, OSI_RTSE);
        CU_ASSERT_EQUAL(p.b.end.reason, RTSE_ABORT_TEMPORARY);
        CU_ASSERT_PTR_NOT_NULL(strstr(p.b.end.text, "temporary"));
        CU_ASSERT_FALSE(p.a.ended); /* its own abort is not told */
        pair_fini(&p);
    }
    o = offer(NORMAL_1988);
    pair_init(&p, &o); /* an SPDU that nobody has: broken by us, and the peer hears of it */
    pair_open(&p);
    CU_ASSERT_EQUAL(feed(&p.a, bytes), bytes.n);
    CU_ASSERT_EQUAL(p.a.end.how, STACK_BROKEN);
    CU_ASSERT_EQUAL(p.a.end.layer, OSI_SESSION);
    settle(&p);
    CU_ASSERT_EQUAL(p.b.end.how, STACK_ABORTED);
    CU_ASSERT_EQUAL(p.b.end.layer, OSI_SESSION);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.b.end.text, "session protocol error"));
    pair_fini(&p);
    pair_init(&p, &o);
    pair_open(&p); /* no TPDU of class 0 */
    CU_ASSERT_EQUAL(feed(&p.a, L("\x03\x00\x00\x07\x02\x10\x80")), 7);
    CU_ASSERT_EQUAL(p.a.end.how, STACK_BROKEN);
    CU_ASSERT_EQUAL(p.a.end.layer, OSI_TRANSPORT);
    pair_fini(&p);
}

static void
a_pause_stops_the_octets_and_loses_none(void)
{
    struct rtse_open o = offer(NORMAL_1988);
    struct pair p;
    size_t before;

    o.checkpoint = 0;
    pair_init(&p, &o);
    pair_open(&p);
    CHECK(rtse_transfer(&p.a.k.rtse, 300000) == 0);
    (void)write_to(&p, &p.a, 10000);
    stack_pause(&p.b.k, true);
    CU_ASSERT_FALSE(stack_hungry(&p.b.k));
    CU_ASSERT_EQUAL(stack_wait(&p.b.k), STACK_WAIT_NOTHING);
    before = buf_len(&p.b.octets);
    CU_ASSERT_FALSE(write_to(&p, &p.a, 300000)); /* the sender's out is full at some time */
    CU_ASSERT_TRUE(stack_queued(&p.a.k) < TP0_OUT_BYTES_MAX);
    CU_ASSERT_TRUE(before > 0 && buf_len(&p.b.octets) == before);
    stack_pause(&p.b.k, false);
    CU_ASSERT_EQUAL(stack_wait(&p.b.k), STACK_WAIT_OCTETS);
    CU_ASSERT_TRUE(write_to(&p, &p.a, 300000));
    CU_ASSERT_TRUE(slice_eq(buf_slice(&p.b.octets), (struct slice){ text, 300000 }));
    CU_ASSERT_EQUAL(p.a.k.rtse.state, RTSE_TURN);
    pair_fini(&p);
}

static void
what_is_not_taken_is_kept_until_the_answer(void)
{
    struct rtse_open o = offer(NORMAL_1988);
    struct pair p;
    char all[4096];
    size_t n = 0;

    o.checkpoint = 0;
    pair_init(&p, &o);
    pair_open(&p);
    p.b.holds = true;
    CHECK(rtse_transfer(&p.a.k.rtse, 500) == 0);
    CHECK(rtse_write(&p.a.k.rtse, (struct slice){ text, 500 }) == 0);
    n = stack_out(&p.a.k).n;
    memcpy(all, stack_out(&p.a.k).p, n);
    stack_abort(&p.a.k, RTSE_ABORT_TEMPORARY); /* behind the end, in the same read */
    memcpy(all, stack_out(&p.a.k).p, stack_out(&p.a.k).n);
    n = stack_out(&p.a.k).n;
    CU_ASSERT_EQUAL(feed(&p.b, (struct slice){ all, n }), n);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.b.told, "begin end "));
    CU_ASSERT_FALSE(stack_hungry(&p.b.k));
    CU_ASSERT_TRUE(buf_len(&p.b.k.kept) > 0);
    CU_ASSERT_EQUAL(stack_wait(&p.b.k), STACK_WAIT_NOTHING);
    CU_ASSERT_EQUAL(stack_secured(&p.b.k, 1, 1), 0);
    go_on(&p.b);
    CU_ASSERT_EQUAL(p.b.end.how, STACK_ABORTED);
    CU_ASSERT_EQUAL(stack_keep(&p.b.k), 0);
    CU_ASSERT_PTR_NULL(p.b.k.kept.base);
    pair_fini(&p);
}

/* The presentation once kept a piece that a report had made nobody's. */
static void
a_report_in_the_middle_of_a_segment_drops_the_rest(void)
{
    static const size_t pieces[] = { SIZE_MAX, 700, 100, 1 };

    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct rtse_open o = offer(NORMAL_1988);
        struct pair p;

        pair_init(&p, &o);
        p.b.piece = pieces[i];
        pair_open(&p);
        p.b.reports_at = 1001;
        transfer(&p, &p.a, 6000);
        CU_ASSERT_PTR_NOT_NULL(strstr(p.a.told, "failed "));
        CU_ASSERT_PTR_NOT_NULL(strstr(p.b.told, "stopped "));
        CU_ASSERT_FALSE(p.a.ended || p.b.ended);
        p.b.reports_at = 0;
        buf_clear(&p.b.octets);
        transfer(&p, &p.a, 6000);
        CU_ASSERT_EQUAL(p.a.k.rtse.state, RTSE_TURN);
        CU_ASSERT_TRUE(slice_eq(buf_slice(&p.b.octets), (struct slice){ text, 6000 }));
        pair_fini(&p);
    }
}

static void
answers_that_come_late_are_nobodys(void)
{
    struct rtse_open o = offer(NORMAL_1988);
    struct pair p;

    pair_init(&p, &o);
    pair_open(&p);
    p.b.holds = true;
    CHECK(rtse_transfer(&p.a.k.rtse, 5000) == 0);
    CU_ASSERT_FALSE(write_to(&p, &p.a, 5000));
    CU_ASSERT_EQUAL(p.b.k.point, 3);
    CU_ASSERT_EQUAL(stack_wait(&p.b.k), STACK_WAIT_NOTHING); /* the window is ours to open */
    CU_ASSERT_EQUAL(stack_wait(&p.a.k), STACK_WAIT_CONFIRM);
    CU_ASSERT_EQUAL(stack_unconfirmed_bytes(&p.a.k), 3 * 1024);
    CU_ASSERT_EQUAL(stack_secured(&p.b.k, 2, 1), 0); /* another activity */
    CU_ASSERT_EQUAL(stack_secured(&p.b.k, 1, 4), 0); /* a point that never came */
    CU_ASSERT_EQUAL(stack_queued(&p.b.k), 0);
    CU_ASSERT_EQUAL(stack_secured(&p.b.k, 1, 2), 0);
    CU_ASSERT_TRUE(stack_queued(&p.b.k) > 0);
    settle(&p);
    CU_ASSERT_EQUAL(stack_secured(&p.b.k, 1, 2), 0); /* again */
    CU_ASSERT_EQUAL(stack_queued(&p.b.k), 0);
    CU_ASSERT_EQUAL(stack_stop(&p.a.k, true), 0);
    settle(&p);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.b.told, "stopped "));
    CU_ASSERT_EQUAL(stack_secured(&p.b.k, 1, 3), 0); /* it was interrupted meanwhile */
    CU_ASSERT_EQUAL(stack_report(&p.b.k, 1, SESSION_REASON_LOCAL), 0);
    CU_ASSERT_EQUAL(stack_queued(&p.b.k), 0);
    CU_ASSERT_EQUAL(stack_stop(&p.a.k, true), 0); /* nothing is under way */
    CU_ASSERT_EQUAL(stack_queued(&p.a.k), 0);
    pair_fini(&p);
}

static void
a_please_that_nobody_answers_is_awaited(void)
{
    struct rtse_open o = offer(NORMAL_1988);
    struct pair p;

    o.dialogue = RTSE_TWA;
    pair_init(&p, &o);
    pair_open(&p);
    p.a.deaf = true;
    CU_ASSERT_EQUAL(stack_wait(&p.b.k), STACK_WAIT_IDLE);
    CU_ASSERT_EQUAL(stack_please(&p.b.k, 5), 0);
    CU_ASSERT_EQUAL(stack_wait(&p.b.k), STACK_WAIT_ANSWER);
    settle(&p);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.a.told, "please "));
    CU_ASSERT_EQUAL(p.a.last.priority, 5);
    transfer(&p, &p.a, 3000); /* the peer goes on: once asked is enough */
    CU_ASSERT_EQUAL(buf_len(&p.b.octets), 3000);
    CU_ASSERT_EQUAL(stack_wait(&p.b.k), STACK_WAIT_ANSWER);
    CU_ASSERT_PTR_NULL(strstr(strstr(p.a.told, "please ") + 1, "please "));
    pair_fini(&p);
}

static void
a_stop_behind_the_last_octet_leaves_doubt(void)
{
    struct rtse_open o = offer(NORMAL_1988);
    struct stack_end end;
    struct pair p;

    for (unsigned late = 0; late < 2; late++) {
        pair_init(&p, &o);
        pair_open(&p);
        p.b.holds = true;
        CHECK(rtse_transfer(&p.a.k.rtse, 500) == 0);
        (void)write_to(&p, &p.a, late ? 500 : 400);
        CU_ASSERT_EQUAL(stack_stop(&p.a.k, true), 0);
        CU_ASSERT_EQUAL(stack_wait(&p.a.k), STACK_WAIT_ANSWER);
        CU_ASSERT_EQUAL(stack_secured(&p.b.k, 1, 1), 0); /* crosses it, if the end came */
        settle(&p);
        go_on(&p.b);
        settle(&p);
        CU_ASSERT_PTR_NOT_NULL(strstr(p.a.told, "failed "));
        CU_ASSERT_EQUAL(p.a.in_doubt, late != 0);
        pair_fini(&p);
    }
    pair_init(&p, &o);
    pair_open(&p);
    p.b.holds = true;
    transfer(&p, &p.a, 500);
    CU_ASSERT_TRUE(stack_lost(&p.a.k, &end));
    CU_ASSERT_TRUE(end.in_doubt);
    CU_ASSERT_EQUAL(end.was, RTSE_WAIT_SENT);
    pair_fini(&p);
}

/* The names of ISODE's echo, with which this was run against it. */
static void
another_application_has_its_own_names(void)
{
    static const struct rtse_names echo = { SLICE_LIT("\x39\x00\x01\x01"), SLICE_LIT("\x53\x00"),
        { NULL, 0 } };

    for (unsigned both = 0; both < 2; both++) {
        struct rtse_open o = offer(NORMAL_1988);
        struct pair p;

        pair_init(&p, &o);
        rtse_use(&p.a.k.rtse, &echo);
        if (both) {
            rtse_use(&p.b.k.rtse, &echo);
            whole_conversation(&p, &o, 3000);
        } else {
            pair_open(&p);
            CU_ASSERT_EQUAL(p.b.end.how, STACK_BROKEN);
            CU_ASSERT_PTR_NOT_NULL(strstr(p.b.end.text, "application context"));
            CU_ASSERT_EQUAL(p.a.end.how, STACK_REFUSED);
            CU_ASSERT_EQUAL(p.a.end.layer, OSI_ASSOCIATION);
        }
        pair_fini(&p);
    }
}

/* ---- a peer that says anything */

/* The TPKTs of a capture. */
static struct slice
next_packet(struct slice *rest)
{
    size_t n = rest->n < 4 ? rest->n : (size_t)((uint8_t)rest->p[2] << 8 | (uint8_t)rest->p[3]);
    struct slice packet = slice_sub(*rest, 0, n);

    *rest = slice_skip(*rest, n);
    return packet;
}

static void
step(struct pair *p, unsigned i)
{
    struct rtse *r = &p->a.k.rtse;

    if (i < 8) {
        (void)exchange(p);
    } else if (r->state == RTSE_TURN && i < 12) {
        CHECK(rtse_transfer(r, 3000) == 0);
    } else if (r->state == RTSE_SEND) {
        size_t room = MIN(rtse_room(r), (size_t)800);

        CHECK(room == 0 || rtse_write(r, (struct slice){ text, room }) == 0);
        (void)exchange(p);
    } else {
        (void)exchange(p);
    }
}

static void
anything_may_be_said_in_any_state(void)
{
    static const char *const names[] = { "tests/data/x400/p1-python.initiator",
        "tests/data/x400/p1-pp.responder", "tests/data/x400/rtse-echo.initiator" };
    unsigned ended = 0, said = 0;

    for (size_t n = 0; n < ARRAY_LEN(names); n++) {
        struct slice file = octets_of_file(__FILE__, names[n]), rest = file;

        for (unsigned packets = 0; rest.n > 0 && packets < 24; packets++) {
            struct slice packet = next_packet(&rest);

            for (unsigned steps = 0; steps < 20; steps++) {
                struct rtse_open o = offer(steps % 2 == 0 ? NORMAL_1988 : X410_1988);
                struct pair p;

                pair_init(&p, &o);
                CHECK(stack_connect(&p.a.k, L("here"), L("there"), 2048) == 0);
                for (unsigned i = 0; i < steps; i++) {
                    step(&p, i);
                }
                for (unsigned i = 0; i < 2; i++) { /* to both: then they also meet the ruins */
                    struct side *x = i == 0 ? &p.b : &p.a;

                    (void)feed(x, packet);
                    (void)feed(x, packet);
                    CHECK(stack_queued(&x->k) <= TP0_OUT_BYTES_MAX);
                    CHECK(!x->ended || stack_wait(&x->k) == STACK_WAIT_NOTHING);
                    ended += x->ended;
                    said++;
                }
                settle(&p);
                pair_fini(&p);
            }
        }
        free((void *)(uintptr_t)file.p);
    }
    CU_ASSERT_TRUE(ended > said / 4);
}

static void
captured_conversations_are_the_same_at_every_cut_and_with_every_octet_changed(void)
{
    static const struct {
        const char *name, *told;
        size_t octets;
    } rows[] = {
        { "tests/data/x400/p1-python.initiator", "called open begin end ended ", 692 },
        { "tests/data/x400/p1-pp.initiator", "called open begin end ended ", 795 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice file = octets_of_file(__FILE__, rows[i].name);
        char *p = (char *)(uintptr_t)file.p;

        for (size_t at = 0; at <= file.n; at++) {
            struct side x;

            side_init(&x, false);
            x.split_at = at;
            CU_ASSERT_EQUAL(feed(&x, file), file.n);
            CU_ASSERT_STRING_EQUAL(x.told, rows[i].told);
            CU_ASSERT_EQUAL(x.end.how, STACK_CLOSED);
            CU_ASSERT_EQUAL(buf_len(&x.octets), rows[i].octets);
            side_fini(&x);
        }
        for (size_t at = 0; at < file.n; at++) {
            struct side x;

            side_init(&x, false);
            p[at] = (char)~p[at];
            (void)feed(&x, file);
            p[at] = (char)~p[at];
            side_fini(&x);
        }
        free(p);
    }
}

/* A TSDU with GIVE TOKENS and MINOR SYNC POINT, in one packet. */
static size_t
minor_point(char out[32], uint32_t point)
{
    char digits[8];
    size_t n = (size_t)snprintf(digits, sizeof(digits), "%u", point), total = 13 + n;

    memcpy(out, "\x03\0\0\0\x02\xf0\x80\x01\0\x31\0*\0", 13);
    out[3] = (char)total;
    out[10] = (char)(2 + n);
    out[12] = (char)n;
    memcpy(out + 13, digits, n);
    return total;
}

/* It never reads our answers: in the end there is no room for one more. */
static void
a_flood_that_wants_answers_ends_at_the_limit_of_what_waits(void)
{
    struct rtse_open o = offer(NORMAL_1988);
    struct pair p;
    int rc = 0;

    pair_init(&p, &o);
    pair_open(&p);
    CHECK(rtse_transfer(&p.a.k.rtse, 5000) == 0);
    settle(&p);
    p.b.deaf = true;
    for (uint32_t point = 1; rc == 0 && point < 99999; point++) {
        char packet[32];
        size_t n = minor_point(packet, point);

        CHECK(feed(&p.b, (struct slice){ packet, n }) == n);
        rc = stack_secured(&p.b.k, 1, point);
    }
    CU_ASSERT_EQUAL(rc, BH_ETOOBIG);
    CU_ASSERT_TRUE(stack_queued(&p.b.k) <= TP0_OUT_BYTES_MAX);
    stack_abort(&p.b.k, RTSE_ABORT_SYSTEM); /* as the shell does */
    CU_ASSERT_EQUAL(stack_wait(&p.b.k), STACK_WAIT_NOTHING);
    pair_fini(&p);
}

TEST_MAIN("stack", TEST(all_three_protocols_speak_at_every_cut_of_the_stream),
    TEST(small_pieces_and_large_messages_make_no_difference),
    TEST(the_turn_goes_to_who_asks_even_in_the_middle_of_a_transfer),
    TEST(a_broken_association_is_recovered_and_goes_on_at_the_last_point),
    TEST(a_receiver_that_cannot_resume_reports_and_the_sender_begins_anew),
    TEST(every_layer_refuses_and_says_so), TEST(an_abort_names_the_layer_that_did_it),
    TEST(a_pause_stops_the_octets_and_loses_none), TEST(what_is_not_taken_is_kept_until_the_answer),
    TEST(a_report_in_the_middle_of_a_segment_drops_the_rest),
    TEST(answers_that_come_late_are_nobodys), TEST(a_please_that_nobody_answers_is_awaited),
    TEST(a_stop_behind_the_last_octet_leaves_doubt), TEST(another_application_has_its_own_names),
    TEST(anything_may_be_said_in_any_state),
    TEST(captured_conversations_are_the_same_at_every_cut_and_with_every_octet_changed),
    TEST(a_flood_that_wants_answers_ends_at_the_limit_of_what_waits))
