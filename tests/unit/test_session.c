/* The table and the document; two sessions against each other; SPDUs that may not come; and the
 * captured conversations of other implementations, cut and damaged everywhere. */
#include "octets.h"
#include "osi/session.h"
#include "test_main.h"

#define DOC  "docs/protocols/x400.md"
#define L(s) ((struct slice)SLICE_LIT(s))

static void
the_document_shows_the_table(void)
{
    for (unsigned e = 0; e < SESSION_EVENT_COUNT; e++) {
        char line[512] = "", expect[512];
        int n = snprintf(expect, sizeof(expect), "| %s |", session_event_name(e));

        for (unsigned s = 0; s < SESSION_STATE_COUNT; s++) {
            n += snprintf(expect + n, sizeof(expect) - (size_t)n, " %s |",
                session_step_name(session_row(s, e)));
        }
        (void)snprintf(expect + n, sizeof(expect) - (size_t)n, "\n");
        CU_ASSERT_TRUE(octets_doc_row(
            __FILE__, DOC, "### Table: session", session_event_name(e), line, sizeof(line)));
        CU_ASSERT_STRING_EQUAL(line, expect);
    }
}

/* ---- a side: transport, session, and what was told */

struct side {
    struct tp0 t;
    struct session s;
    char told[8192];
    uint64_t data; /* a hash of the SSDUs, with their ends */
    bool automatic, initiator;
    const char *error;
    struct session_ind last;
    unsigned activities;
};

static void
say(struct side *x, const char *word)
{
    if (strlen(x->told) + strlen(word) + 2 < sizeof(x->told)) {
        strcat(x->told, word);
        strcat(x->told, " ");
    }
}

static void
say_number(struct side *x, const char *word, uint32_t n)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "%s%u", word, n);
    say(x, text);
}

static void
side_init(struct side *x)
{
    memset(x, 0, sizeof(*x));
    tp0_init(&x->t, 1);
    session_init(&x->s, &x->t);
}

static void
side_fini(struct side *x)
{
    session_fini(&x->s);
    tp0_fini(&x->t);
}

static const struct session_connect plain = { .reference = { { "\x04\x02"
                                                               "AB",
                                                                 4 },
                                                  { "\x17\x0d"
                                                    "261120231844Z",
                                                      15 },
                                                  { NULL, 0 } },
    .initiator_has_turn = true };

/* An activity of three pieces, with two points, as ISODE's echo has it. */
static void
send_activity(struct side *x, unsigned points)
{
    uint32_t serial;

    CHECK(session_start(&x->s, L("\x02\x01\x01")) == 0);
    for (unsigned i = 0; i < points; i++) {
        CHECK(session_data(&x->s, L("piece"), false) == 0);
        CHECK(session_data(&x->s, L("s"), true) == 0);
        CHECK(session_minor(&x->s, &serial) == 0 && serial == i + 1);
    }
    CHECK(session_data(&x->s, L("last"), true) == 0);
    CHECK(session_end(&x->s, &serial) == 0 && serial == points + 1);
}

/* What a user of reliable transfer would do, so that a conversation goes on by itself. */
static void
answer(struct side *x, enum session_ind_kind kind, const struct session_ind *ind)
{
    bool free_turn = x->s.state == SESSION_OPEN && x->s.our_turn && !x->s.activity;
    int rc = 0;

    if (kind == SESSION_IND_CONNECT) {
        struct session_connect c = plain;

        c.reference.user = ind->connect.reference.user;
        c.reference.common = ind->connect.reference.common;
        rc = session_accept(&x->s, &c);
    } else if (kind == SESSION_IND_MINOR) {
        rc = session_minor_ack(&x->s, ind->serial);
    } else if (kind == SESSION_IND_END) {
        rc = session_end_ack(&x->s);
        if (rc == 0 && x->initiator) {
            rc = session_please(&x->s, L("please"));
        }
    } else if (kind == SESSION_IND_RELEASE) {
        rc = session_release_ack(&x->s, SLICE_NONE);
    } else if (kind == SESSION_IND_PLEASE && free_turn) {
        rc = session_give(&x->s);
    } else if (kind == SESSION_IND_TURN) {
        send_activity(x, 2);
    } else if (kind == SESSION_IND_ACCEPTED && x->s.our_turn) {
        send_activity(x, 0);
    } else if (kind == SESSION_IND_ACCEPTED) {
        rc = session_please(&x->s, SLICE_NONE);
    } else if (kind == SESSION_IND_END_ACK && free_turn && x->activities++ == 0 && x->initiator &&
               strstr(x->told, "turn") == NULL) {
        rc = session_release(&x->s, SLICE_NONE);
    } else if (kind == SESSION_IND_EXCEPTION) {
        rc = session_discard(&x->s, SESSION_REASON_NONE);
    }
    CHECK(rc == 0);
}

static void
hear(struct side *x, enum session_ind_kind kind, const struct session_ind *ind)
{
    static const char *const words[] = { "", "connect", "accepted", "refused", "", "minor",
        "minor-ack", "start", "resume", "end", "end-ack", "interrupt", "interrupted", "discard",
        "discarded", "please", "turn", "gave", "exception", "release", "released", "abort" };

    if (kind == SESSION_IND_DATA) {
        for (size_t i = 0; i < ind->bytes.n; i++) {
            x->data = (x->data ^ (uint8_t)ind->bytes.p[i]) * 1099511628211u;
        }
        x->data += ind->end;
        if (ind->end) {
            say(x, "data");
        }
        return;
    }
    if (ind->serial > 0) {
        say_number(x, words[kind], ind->serial);
    } else {
        say(x, words[kind]);
    }
    x->last = *ind;
    if (kind == SESSION_IND_ABORT) {
        CHECK(ind->error != NULL && x->s.state == SESSION_OVER);
        x->error = ind->error;
    }
    if (x->automatic) {
        answer(x, kind, ind);
    }
}

static void
feed_ssdu(struct side *x, struct slice bytes, bool end)
{
    struct session_ind ind;
    enum session_ind_kind kind;

    for (kind = session_next(&x->s, &bytes, end, &ind); kind != SESSION_IND_MORE;
         kind = session_next(&x->s, &bytes, end, &ind)) {
        hear(x, kind, &ind);
    }
    CHECK(bytes.n == 0 || x->s.state == SESSION_ANSWER || x->s.state == SESSION_END ||
          x->s.state == SESSION_RELEASE);
}

/* Octets of TCP. */
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
            feed_ssdu(x, ind.bytes, ind.end);
        } else if (kind == TP0_IND_DISCONNECT || kind == TP0_IND_PROTOCOL) {
            session_lost(&x->s);
        }
        tp0_sent(&x->t, tp0_out(&x->t).n);
    }
}

/* ---- two sides */

struct pair {
    struct side a, b;
};

/* Until neither has anything to send. */
static void
settle(struct pair *p)
{
    bool moved = true;

    while (moved) {
        moved = false;
        for (unsigned i = 0; i < 2; i++) {
            struct side *from = i == 0 ? &p->a : &p->b, *to = i == 0 ? &p->b : &p->a;
            struct slice out = tp0_out(&from->t);
            char *copy = malloc(out.n + 1);

            CHECK(copy != NULL);
            if (out.n > 0) {
                memcpy(copy, out.p, out.n);
                tp0_sent(&from->t, out.n);
                moved = true;
            }
            /* as tp0_next would, but what the receiver answers stays in its out */
            struct slice bytes = { copy, out.n };
            struct tp0_ind ind;
            enum tp0_ind_kind kind;

            for (kind = tp0_next(&to->t, &bytes, &ind); kind != TP0_IND_MORE;
                 kind = tp0_next(&to->t, &bytes, &ind)) {
                if (kind == TP0_IND_CONNECT) {
                    CHECK(tp0_accept(&to->t, 128) == 0);
                } else if (kind == TP0_IND_DATA) {
                    feed_ssdu(to, ind.bytes, ind.end);
                }
            }
            free(copy);
        }
    }
}

static void
pair_init(struct pair *p, bool automatic)
{
    side_init(&p->a);
    side_init(&p->b);
    p->a.initiator = true;
    CHECK(tp0_connect(&p->a.t, SLICE_NONE, SLICE_NONE, 2048) == 0);
    settle(p);
    p->a.automatic = p->b.automatic = automatic;
}

static void
pair_fini(struct pair *p)
{
    side_fini(&p->a);
    side_fini(&p->b);
}

/* Open, the turn with a. */
static void
pair_open(struct pair *p)
{
    struct session_connect c = plain;

    pair_init(p, false);
    CU_ASSERT_EQUAL(session_connect(&p->a.s, &plain), 0);
    settle(p);
    CU_ASSERT_STRING_EQUAL(p->b.told, "connect ");
    c.reference = p->b.last.connect.reference;
    CU_ASSERT_EQUAL(session_accept(&p->b.s, &c), 0);
    settle(p);
    CU_ASSERT_STRING_EQUAL(p->a.told, "accepted ");
    CU_ASSERT_EQUAL(p->a.s.version, 2);
    CU_ASSERT_EQUAL(p->b.s.version, 2);
    p->a.told[0] = p->b.told[0] = '\0';
}

static void
check_told(struct pair *p, const char *a, const char *b)
{
    settle(p);
    CU_ASSERT_STRING_EQUAL(p->a.told, a);
    CU_ASSERT_STRING_EQUAL(p->b.told, b);
    p->a.told[0] = p->b.told[0] = '\0';
}

static void
a_connect_is_as_others_write_it(void)
{
    struct pair p;
    struct slice whole = octets_of_file(__FILE__, "tests/data/x400/p1-python.initiator");
    struct slice cn = slice_sub(whole, 20, 179); /* behind the CR */
    struct session_connect c = plain;

    pair_init(&p, false);
    CU_ASSERT_EQUAL(memcmp(cn.p + 39, "\x16\x01\x02", 3), 0);
    ((char *)(uintptr_t)cn.p)[41] = 3; /* we offer version 1 as well */
    p.a.t.tpdu_bytes = 2048;
    c.user_data = slice_sub(cn, cn.n - 128, 128);
    CU_ASSERT_EQUAL(session_connect(&p.a.s, &c), 0);
    CU_ASSERT_TRUE(slice_eq(tp0_out(&p.a.t), cn));
    pair_fini(&p);
    free((void *)(uintptr_t)whole.p);
}

static void
what_a_connect_says_arrives(void)
{
    struct pair p;
    static char big[SESSION_DATA_BYTES_MAX] = { 'x' };
    struct session_connect c = plain;

    pair_init(&p, false);
    c.calling = L("us");
    c.called = L("\0\xff");
    c.reference.additional = L("1234");
    c.initiator_has_turn = false;
    c.user_data = (struct slice){ big, sizeof(big) };
    CU_ASSERT_EQUAL(session_connect(&p.a.s, &c), 0);
    settle(&p);
    CU_ASSERT_STRING_EQUAL(p.b.told, "connect ");
    CU_ASSERT_TRUE(slice_eq(p.b.last.connect.calling, c.calling));
    CU_ASSERT_TRUE(slice_eq(p.b.last.connect.called, c.called));
    CU_ASSERT_TRUE(slice_eq(p.b.last.connect.reference.user, c.reference.user));
    CU_ASSERT_TRUE(slice_eq(p.b.last.connect.reference.common, c.reference.common));
    CU_ASSERT_TRUE(slice_eq(p.b.last.connect.reference.additional, c.reference.additional));
    CU_ASSERT_TRUE(slice_eq(p.b.last.connect.user_data, c.user_data));
    CU_ASSERT_FALSE(p.b.last.connect.initiator_has_turn);
    CU_ASSERT_EQUAL(p.b.last.connect.version, 2);
    CU_ASSERT_EQUAL(session_refuse(&p.b.s, SESSION_REFUSE_DATA, c.user_data), 0);
    settle(&p);
    CU_ASSERT_STRING_EQUAL(p.a.told, "refused ");
    CU_ASSERT_EQUAL(p.a.last.reason, SESSION_REFUSE_DATA);
    CU_ASSERT_TRUE(slice_eq(p.a.last.user_data, c.user_data));
    CU_ASSERT_EQUAL(p.a.s.state, SESSION_OVER);
    CU_ASSERT_EQUAL(p.b.s.state, SESSION_OVER);
    pair_fini(&p);
}

static void
an_activity_with_points_is_confirmed(void)
{
    struct pair p;

    pair_open(&p);
    send_activity(&p.a, 2);
    check_told(&p, "", "start data minor1 data minor2 data end3 ");
    CU_ASSERT_EQUAL(session_minor_ack(&p.b.s, 2), 0); /* both */
    check_told(&p, "minor-ack2 ", "");
    CU_ASSERT_EQUAL(session_end_ack(&p.b.s), 0);
    check_told(&p, "end-ack3 ", "");
    CU_ASSERT_EQUAL(session_release(&p.a.s, L("bye")), 0);
    check_told(&p, "", "release ");
    CU_ASSERT_TRUE(slice_eq(p.b.last.user_data, L("bye")));
    CU_ASSERT_EQUAL(session_release_ack(&p.b.s, L("so long")), 0);
    check_told(&p, "released ", "");
    CU_ASSERT_TRUE(slice_eq(p.a.last.user_data, L("so long")));
    pair_fini(&p);
}

static void
the_turn_is_asked_for_and_given(void)
{
    struct pair p;

    pair_open(&p);
    CU_ASSERT_EQUAL(session_please(&p.b.s, L("\x02\x01\x05")), 0);
    check_told(&p, "please ", "");
    CU_ASSERT_TRUE(slice_eq(p.a.last.user_data, L("\x02\x01\x05")));
    CU_ASSERT_EQUAL(session_give(&p.a.s), 0);
    CU_ASSERT_EQUAL(session_please(&p.b.s, SLICE_NONE), 0); /* crosses */
    check_told(&p, "gave ", "turn ");
    CU_ASSERT_TRUE(p.b.s.our_turn && !p.a.s.our_turn);
    send_activity(&p.b, 0);
    check_told(&p, "start data end1 ", "");
    CU_ASSERT_EQUAL(session_end_ack(&p.a.s), 0);
    check_told(&p, "", "end-ack1 ");
    pair_fini(&p);
}

static void
an_activity_can_be_interrupted_and_resumed(void)
{
    struct pair p;
    uint32_t serial;

    pair_open(&p);
    CU_ASSERT_EQUAL(session_start(&p.a.s, L("\x02\x01\x07")), 0);
    CU_ASSERT_EQUAL(session_data(&p.a.s, L("one"), true), 0);
    CU_ASSERT_EQUAL(session_minor(&p.a.s, &serial), 0);
    CU_ASSERT_EQUAL(session_data(&p.a.s, L("tw"), false), 0); /* torn */
    CU_ASSERT_EQUAL(session_interrupt(&p.a.s, SESSION_REASON_LOCAL), 0);
    check_told(&p, "interrupted ", "start data minor1 data interrupt ");
    CU_ASSERT_EQUAL(p.b.last.reason, SESSION_REASON_LOCAL);
    CU_ASSERT_EQUAL(
        session_resume(&p.a.s, L("\x02\x01\x08"), L("\x02\x01\x07"), 1, &plain.reference), 0);
    CU_ASSERT_EQUAL(session_data(&p.a.s, L("two"), true), 0);
    CU_ASSERT_EQUAL(session_minor(&p.a.s, &serial), 0);
    CU_ASSERT_EQUAL(serial, 2);
    settle(&p);
    CU_ASSERT_STRING_EQUAL(p.b.told, "resume1 data minor2 ");
    CU_ASSERT_EQUAL(session_end(&p.a.s, &serial), 0);
    settle(&p);
    CU_ASSERT_EQUAL(session_end_ack(&p.b.s), 0);
    check_told(&p, "end-ack3 ", "resume1 data minor2 end3 ");
    pair_fini(&p);
}

static void
a_resumption_names_what_it_goes_on_with(void)
{
    struct pair p;
    static const struct session_reference none;

    pair_open(&p);
    CU_ASSERT_EQUAL(
        session_resume(&p.a.s, L("\x02\x01\x08"), L("\x02\x01\x07"), 12, &plain.reference), 0);
    check_told(&p, "", "resume12 ");
    CU_ASSERT_TRUE(slice_eq(p.b.last.activity, L("\x02\x01\x08")));
    CU_ASSERT_TRUE(slice_eq(p.b.last.old_activity, L("\x02\x01\x07")));
    CU_ASSERT_TRUE(slice_eq(p.b.last.link.user, plain.reference.user));
    CU_ASSERT_TRUE(slice_eq(p.b.last.link.common, plain.reference.common));
    CU_ASSERT_EQUAL(session_exception(&p.b.s, SESSION_REASON_PROCEDURAL), 0);
    check_told(&p, "exception ", "");
    CU_ASSERT_EQUAL(session_discard(&p.a.s, SESSION_REASON_NONE), 0);
    check_told(&p, "discarded ", "discard ");
    CU_ASSERT_EQUAL(session_resume(&p.a.s, L("\x09"), L("\x07"), 1, &none), 0);
    check_told(&p, "", "resume1 ");
    CU_ASSERT_EQUAL(p.b.last.link.user.n, 0);
    pair_fini(&p);
}

static void
after_an_exception_what_comes_is_dropped_until_the_activity_stops(void)
{
    struct pair p;
    uint32_t serial;

    pair_open(&p);
    CU_ASSERT_EQUAL(session_start(&p.a.s, L("x")), 0);
    CU_ASSERT_EQUAL(session_data(&p.a.s, L("one"), false), 0);
    settle(&p);
    CU_ASSERT_EQUAL(session_exception(&p.b.s, SESSION_REASON_RECEIVING), 0);
    CU_ASSERT_EQUAL(session_data(&p.a.s, L("two"), true), 0);
    CU_ASSERT_EQUAL(session_minor(&p.a.s, &serial), 0);
    CU_ASSERT_EQUAL(session_data(&p.a.s, L("three"), true), 0);
    CU_ASSERT_EQUAL(session_end(&p.a.s, &serial), 0);
    check_told(&p, "exception ", "start ");
    CU_ASSERT_EQUAL(p.a.last.reason, SESSION_REASON_RECEIVING);
    CU_ASSERT_EQUAL(p.a.s.state, SESSION_EXCEPTION);
    CU_ASSERT_EQUAL(session_interrupt(&p.a.s, SESSION_REASON_NONE), 0);
    check_told(&p, "interrupted ", "interrupt ");
    CU_ASSERT_EQUAL(p.b.s.state, SESSION_OPEN);
    send_activity(&p.a, 1);
    check_told(&p, "", "start data minor1 data end2 ");
    pair_fini(&p);
}

static void
an_interrupt_that_crosses_the_answer_to_the_end_is_answered(void)
{
    struct pair p;

    pair_open(&p);
    send_activity(&p.a, 0);
    settle(&p);
    CU_ASSERT_EQUAL(session_end_ack(&p.b.s), 0);
    CU_ASSERT_EQUAL(session_interrupt(&p.a.s, SESSION_REASON_NONE), 0);
    p.a.told[0] = p.b.told[0] = '\0';
    check_told(&p, "interrupted ", "");
    CU_ASSERT_EQUAL(p.b.s.state, SESSION_OPEN);
    send_activity(&p.a, 0);
    check_told(&p, "", "start data end1 ");
    pair_fini(&p);
}

static void
an_abort_carries_what_its_version_has_room_for(void)
{
    struct pair p;
    static const char data[600] = { 'x' };

    pair_open(&p);
    session_abort(&p.a.s, (struct slice){ data, sizeof(data) });
    check_told(&p, "", "abort ");
    CU_ASSERT_TRUE(p.b.last.by_peer);
    CU_ASSERT_EQUAL(p.b.last.user_data.n, sizeof(data));
    CU_ASSERT_EQUAL(tp0_queued(&p.b.t), 0); /* the transport is not kept: no answer */
    pair_fini(&p);
    pair_open(&p);
    p.a.s.version = 1;
    session_abort(&p.a.s, (struct slice){ data, sizeof(data) });
    check_told(&p, "", "abort ");
    CU_ASSERT_EQUAL(p.b.last.user_data.n, 0);
    pair_fini(&p);
}

/* ---- what may not come: TSDUs to a side in this state */

static void
feed_hex(struct side *x, const char *hex)
{
    char octets[1024];

    feed_ssdu(x, octets_of_hex(hex, octets, sizeof(octets)), true);
}

static void
spdus_out_of_order_abort(void)
{
    static const struct {
        const char *hex, *words;
        bool turn, activity;
    } rows[] = {
        { "0e 00", "may not come now", false, false },
        { "0100 0100 61", "may not come now", true, true },
        { "0100 31032a0132", "out of order", false, true },
        { "0100 31032a0131", "out of order", true, true },
        { "0100 31032a0131", "out of order", false, false },
        { "0100 31032a0178", "out of order", false, true },
        { "0100 3100", "out of order", false, true },
        { "0100 29032a0132", "out of order", false, true },
        { "0200 32032a0131", "not set", true, true },
        { "0200 32032a0131", "not set", false, true },
        { "0200 2a032a0131", "may not come now", true, true },
        { "0100 2d 05 2903020101", "may not come now", true, false },
        { "0100 2d 05 2903020101", "may not come now", false, true },
        { "0100 2d00", "without its identifiers", false, false },
        { "0100 1d05 2903020101", "without its identifiers", false, false },
        { "0100 1d0c 2105 2901012a0131 29020101", "longer than what it is in", false, false },
        { "0100 1900", "may not come now", true, true },
        { "0100 1900", "may not come now", false, false },
        { "1500", "may not come now", true, false },
        { "1500", "may not come now", false, true },
        { "1600", "may not come now", true, false },
        { "0200 30033201 01", "may not come now", false, true },
        { "0900", "may not come now", false, true },
        { "1a00", "may not come now", true, false },
        { "0800", "does not have", false, false },
        { "0100 3500", "does not have", false, true },
        { "0100 0d00", "does not have", false, false },
        { "2d 05 2903020101", "does not have", false, false },
        { "0103100115", "tokens given", false, false },
        { "0100 0103190101 61", "segmented", false, true },
        { "1500 00", "more than one", false, false },
        { "0100 2d05 2903020101 00", "more than one", false, false },
        { "0100 2d05 29030201", "ends within", false, false },
        { "0100 2d", "ends within", false, false },
        { "01", "ends within", false, false },
        { "0100 2d09 2907 01020304050607", "longer than X.225 allows", false, false },
        { "0100 2d05 2904020101", "longer than what it is in", false, false },
        { "0dff 4000", "longer than is taken", false, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct side x;

        side_init(&x);
        x.t.state = TP0_OPEN;
        x.t.tpdu_bytes = 2048;
        x.s.state = SESSION_OPEN;
        x.s.version = 2;
        x.s.our_turn = rows[i].turn;
        x.s.activity = rows[i].activity;
        x.s.next = x.s.unconfirmed = 1;
        feed_hex(&x, rows[i].hex);
        if (x.error == NULL || strstr(x.error, rows[i].words) == NULL) {
            printf("%s: %s; told %s\n", rows[i].hex, x.error != NULL ? x.error : "none", x.told);
        }
        CU_ASSERT_PTR_NOT_NULL_FATAL(x.error);
        CU_ASSERT_PTR_NOT_NULL(strstr(x.error, rows[i].words));
        CU_ASSERT_EQUAL(x.s.state, SESSION_OVER);
        if (strcmp(rows[i].hex, "1500 00") != 0) { /* that one is answered before */
            CU_ASSERT_TRUE(slice_eq(slice_skip(tp0_out(&x.t), 7), L("\x19\x03\x11\x01\x05")) ||
                           tp0_out(&x.t).n > 12);
        }
        feed_hex(&x, "0100 0100 61");
        CU_ASSERT_EQUAL(x.data, 0);
        side_fini(&x);
    }
}

static void
prefixes_and_empty_tsdus_are_nothing_by_themselves(void)
{
    struct side x;

    side_init(&x);
    x.s.state = SESSION_OPEN;
    feed_hex(&x, "0100");
    feed_hex(&x, "");
    feed_hex(&x, "0200");
    feed_ssdu(&x, L("\x01"), false);
    feed_ssdu(&x, L("\x00"), false);
    feed_ssdu(&x, SLICE_NONE, true);
    feed_hex(&x, "0100 2d05 2903020101");
    feed_ssdu(&x, L("\x01\x00\x01"), false);
    feed_ssdu(&x, L("\x00"), false);
    feed_ssdu(&x, SLICE_NONE, false);
    feed_ssdu(&x, L("z"), false);
    feed_ssdu(&x, SLICE_NONE, true);
    CU_ASSERT_STRING_EQUAL(x.told, "start data ");
    side_fini(&x);
}

static void
a_peer_without_our_functional_units_is_refused(void)
{
    static const char *const rows[] = { "0d 04 1402 0002", "0d 07 05031601 00 1402",
        "0d 0b 0503 160104 1402 0249", "0d 05 0503 160104" };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct side x;

        side_init(&x);
        x.t.state = TP0_OPEN;
        x.t.tpdu_bytes = 2048;
        feed_hex(&x, rows[i]);
        CU_ASSERT_STRING_EQUAL(x.told, "abort ");
        CU_ASSERT_EQUAL(x.s.state, SESSION_OVER);
        side_fini(&x);
    }
}

/* ---- conversations of others */

struct capture {
    const char *name;
    bool initiator_turn;
    size_t bytes; /* 0: all */
};
static const struct capture captures[] = { { "tests/data/x400/p1-python", true, 0 },
    { "tests/data/x400/p1-pp", true, 0 }, { "tests/data/x400/rtse-echo", false, 8000 } };

static struct slice
captured(const struct capture *c, const char *who)
{
    char path[128];
    struct slice s;

    (void)snprintf(path, sizeof(path), "%s.%s", c->name, who);
    s = octets_of_file(__FILE__, path);
    return c->bytes > 0 ? slice_sub(s, 0, c->bytes) : s;
}

static void
replay_init(struct side *x, const struct capture *c, bool initiator)
{
    side_init(x);
    x->automatic = true;
    x->initiator = initiator;
    if (initiator) {
        CHECK(tp0_connect(&x->t, SLICE_NONE, L("x400"), 2048) == 0);
    }
    (void)c;
}

/* The initiator's CONNECT goes out when the transport is open. */
static void
replay(struct side *x, const struct capture *c, struct slice bytes)
{
    if (x->initiator && x->t.state == TP0_WAIT_CC) {
        struct slice cc = slice_sub(bytes, 0, 14);
        struct session_connect connect = plain;

        connect.initiator_has_turn = c->initiator_turn;
        feed(x, cc);
        bytes = slice_skip(bytes, cc.n);
        if (x->t.state == TP0_OPEN) {
            CHECK(session_connect(&x->s, &connect) == 0);
        }
    }
    feed(x, bytes);
}

static void
captured_conversations_read_the_same_at_every_cut(void)
{
    static const char *const told[] = { "connect start data end1 release ",
        "accepted end-ack1 released ", "connect start data end1 release ",
        "accepted end-ack1 released ",
        "connect please gave start data minor1 data minor2 data end3 turn minor-ack1 minor-ack2 ",
        "accepted turn minor-ack1 minor-ack2 end-ack3 please gave start data minor1 data " };

    for (size_t i = 0; i < 2 * ARRAY_LEN(captures); i++) {
        const struct capture *c = &captures[i / 2];
        bool initiator = i % 2 != 0;
        struct slice bytes = captured(c, initiator ? "responder" : "initiator");
        struct side whole;

        replay_init(&whole, c, initiator);
        replay(&whole, c, bytes);
        if (strncmp(whole.told, told[i], strlen(told[i])) != 0 || whole.error != NULL) {
            printf("%zu: %s (%s)\n", i, whole.told, whole.error != NULL ? whole.error : "");
        }
        CU_ASSERT_EQUAL(strncmp(whole.told, told[i], strlen(told[i])), 0);
        CU_ASSERT_PTR_NULL(whole.error);
        for (size_t cut = initiator ? 14 : 0; cut <= bytes.n; cut++) {
            struct side x;

            replay_init(&x, c, initiator);
            replay(&x, c, slice_sub(bytes, 0, cut));
            replay(&x, c, slice_skip(bytes, cut));
            CU_ASSERT_TRUE(strcmp(x.told, whole.told) == 0 && x.data == whole.data);
            side_fini(&x);
        }
        side_fini(&whole);
        free((void *)(uintptr_t)bytes.p);
    }
}

static void
captured_conversations_with_an_octet_changed_end_or_go_on(void)
{
    for (size_t i = 0; i < 2 * ARRAY_LEN(captures); i++) {
        const struct capture *c = &captures[i / 2];
        bool initiator = i % 2 != 0;
        struct slice bytes = captured(c, initiator ? "responder" : "initiator");
        char *p = (char *)(uintptr_t)bytes.p;

        for (size_t at = 0; at < bytes.n; at++) {
            struct side x;

            replay_init(&x, c, initiator);
            p[at] = (char)~p[at];
            replay(&x, c, bytes);
            p[at] = (char)~p[at];
            CU_ASSERT_TRUE(x.s.state <= SESSION_OVER);
            side_fini(&x);
        }
        free(p);
    }
}

TEST_MAIN("session", TEST(the_document_shows_the_table), TEST(a_connect_is_as_others_write_it),
    TEST(what_a_connect_says_arrives), TEST(an_activity_with_points_is_confirmed),
    TEST(the_turn_is_asked_for_and_given), TEST(an_activity_can_be_interrupted_and_resumed),
    TEST(a_resumption_names_what_it_goes_on_with),
    TEST(after_an_exception_what_comes_is_dropped_until_the_activity_stops),
    TEST(an_interrupt_that_crosses_the_answer_to_the_end_is_answered),
    TEST(an_abort_carries_what_its_version_has_room_for), TEST(spdus_out_of_order_abort),
    TEST(prefixes_and_empty_tsdus_are_nothing_by_themselves),
    TEST(a_peer_without_our_functional_units_is_refused),
    TEST(captured_conversations_read_the_same_at_every_cut),
    TEST(captured_conversations_with_an_octet_changed_end_or_go_on))
