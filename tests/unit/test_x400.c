/* Two whole MTAs over loopback: every mode, every kind, both directions; the wire cut behind every
 * octet; a peer that swallows everything beside one that does not; content of any size. */
#include "x400_pair.h"

#include <malloc.h>

static const enum p1_protocol protocols[] = { P1_1988_NORMAL, P1_1988_X410, P1_1984 };

/* Each of from's came exactly once. */
static void
check_once(const struct pair_mta *from, const struct pair_mta *to)
{
    for (unsigned i = 0; i < from->out_count; i++) {
        CU_ASSERT_EQUAL(pair_came(from, to, i), 1);
        CU_ASSERT_EQUAL(from->out[i].failures, 0);
    }
}

static void
messages_probes_and_reports_pass_in_all_modes(void)
{
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        static struct pair p;
        struct p1_envelope e;
        struct p1_trace t;
        struct ber_cursor c;
        const char *error;
        uint64_t at, bytes;
        enum p1_kind kind;
        struct x400_stats stats;

        pair_init(&p);
        p.a.o.protocol = p.b.o.protocol = protocols[i];
        pair_start(&p);
        (void)pair_put(&p.a, P1_MESSAGE, 5000);
        (void)pair_put(&p.a, P1_PROBE, 0);
        (void)pair_put(&p.a, P1_REPORT, 0);
        pair_run(&p);
        check_once(&p.a, &p.b);
        CU_ASSERT_EQUAL_FATAL(p.b.in_count, 3);
        /* our hop is in the trace, and the content is what was sent */
        CU_ASSERT_EQUAL(p1_stored_bytes(buf_slice(&p.b.in[0].stored), &kind, &bytes), 0);
        CU_ASSERT_EQUAL_FATAL(p1_stored_read(buf_slice(&p.b.in[0].stored), &e, &error, &at), 0);
        ber_cursor_init(&c, e.trace);
        CU_ASSERT_EQUAL(p1_trace_next(&c, false, &t), 1);
        CU_ASSERT_TRUE(slice_eq(p1_text_slice(&t.domain.prmd), SLICE_LIT("L")));
        CU_ASSERT_TRUE(slice_eq(slice_skip(buf_slice(&p.b.in[0].stored), (size_t)bytes),
            (struct slice){ p.pattern, 5000 }));
        x400_stats(p.b.x, &stats);
        CU_ASSERT_EQUAL(stats.messages_in + stats.probes_in + stats.reports_in, 3);
        CU_ASSERT_EQUAL(stats.accepted, 1);
        pair_stop(&p);
    }
}

/* Who is not routed is reported on: the report is in the other queue. */
static void
what_has_no_way_there_is_reported_on(void)
{
    static struct pair p;

    pair_init(&p);
    pair_start(&p);
    p.b.nobody = true;
    (void)pair_put(&p.a, P1_MESSAGE, 5000);
    (void)pair_put(&p.a, P1_PROBE, 0);
    pair_run(&p);
    CU_ASSERT_EQUAL_FATAL(p.b.in_count, 2);
    CU_ASSERT_EQUAL(p.b.in[0].body, ENVELOPE_P1_REPORT);
    CU_ASSERT_EQUAL(p.b.in[1].body, ENVELOPE_P1_REPORT);
    CU_ASSERT_STRING_EQUAL(p.b.in[0].to, "/C=DE/A= /P=BH/S=Meier/");
    pair_stop(&p);
}

/* Two-way alternate: b never calls, and its mail goes over what a opens. */
static void
both_directions_share_one_association(void)
{
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        static struct pair p;
        struct x400_stats stats;

        pair_init(&p);
        p.a.o.protocol = p.b.o.protocol = protocols[i];
        p.a.o.dialogue = p.b.o.dialogue = RTSE_TWA;
        p.a.o.messages_per_turn = 3;
        p.b.o.messages_per_turn = 2;
        pair_start(&p);
        for (unsigned n = 0; n < 20; n++) {
            (void)pair_put(&p.a, P1_MESSAGE, n * 1000);
            (void)pair_put(&p.b, P1_MESSAGE, n * 3000);
        }
        pair_run(&p);
        check_once(&p.a, &p.b);
        check_once(&p.b, &p.a);
        x400_stats(p.b.x, &stats);
        CU_ASSERT_EQUAL(stats.accepted, 1);
        CU_ASSERT_EQUAL(stats.messages_in, 20);
        CU_ASSERT_EQUAL(stats.messages_out, 20);
        pair_stop(&p);
    }
}

/* What one run leaves when the wire breaks behind that many octets, and what becomes of it. */
static uint64_t
cut_at(uint64_t octets, enum rtse_dialogue dialogue, unsigned *doubts, unsigned *repeated)
{
    static struct pair p;
    struct x400_stats stats;
    uint64_t total;

    pair_init(&p);
    p.a.o.dialogue = p.b.o.dialogue = dialogue;
    p.cut_at = octets;
    pair_start(&p);
    (void)pair_put(&p.a, P1_MESSAGE, 3000);
    (void)pair_put(&p.a, P1_PROBE, 0);
    if (dialogue == RTSE_TWA) {
        (void)pair_put(&p.b, P1_MESSAGE, 3000);
    }
    pair_run(&p);
    total = p.octets;
    CU_ASSERT_EQUAL(p.cuts, octets != 0);
    check_once(&p.a, &p.b);
    check_once(&p.b, &p.a);
    x400_stats(p.b.x, &stats);
    *repeated += (unsigned)stats.repeated;
    for (unsigned i = 0; i < 2; i++) {
        CU_ASSERT_TRUE(p.a.out[i].attempts - 1 <= p.cuts);
        *doubts += p.a.out[i].doubts;
    }
    pair_stop(&p);
    return total;
}

/* Wherever the connection is lost each message comes exactly once: a repetition is recognised. */
static void
a_connection_cut_anywhere_loses_nothing_and_doubles_nothing(void)
{
    static const enum rtse_dialogue dialogues[] = { RTSE_MONOLOGUE, RTSE_TWA };

    for (size_t d = 0; d < ARRAY_LEN(dialogues); d++) {
        unsigned doubts = 0, repeated = 0;
        uint64_t total = cut_at(0, dialogues[d], &doubts, &repeated);

        CU_ASSERT_EQUAL(doubts + repeated, 0);
        for (uint64_t at = 1; at < total; at += 13) {
            (void)cut_at(at, dialogues[d], &doubts, &repeated);
        }
        CU_ASSERT_TRUE(doubts > 0);
        CU_ASSERT_TRUE(repeated > 0 && repeated <= doubts);
    }
}

/* Memory of the heap in use. */
static size_t
heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

static void
a_content_of_any_size_takes_bounded_memory(void)
{
    static struct pair p;
    const uint64_t content = (uint64_t)200 * MIB;
    size_t before, most = 0;
    struct loop_timer timer;

    pair_init(&p);
    p.a.o.window = p.b.o.window = 5;
    pair_start(&p);
    (void)pair_put(&p.a, P1_MESSAGE, content);
    before = heap_bytes();
    loop_timer_init(p.loop, &timer, pair_on_sync, &p.b); /* stops the loop now and then */
    loop_timer_start(&p.guard, PAIR_GUARD_MS);
    pair_pump(&p.a);
    while (!p.guarded && !pair_all_done(&p.a)) {
        loop_timer_start(&timer, 5);
        CHECK(loop_run(p.loop) == 0);
        most = MAX(most, heap_bytes());
    }
    loop_timer_stop(&timer);
    loop_timer_stop(&p.guard);
    CU_ASSERT_FALSE(p.guarded);
    CU_ASSERT_EQUAL_FATAL(p.b.in_count, 1);
    CU_ASSERT_EQUAL(
        p.b.in[0].sum - pair_sum(buf_slice(&p.a.out[0].stored)) -
                pair_sum((struct slice){ p.pattern, PAIR_PATTERN }) * (content / PAIR_PATTERN) <
            100000,
        1); /* the head has our trace more */
    CU_ASSERT_TRUE(p.b.in[0].bytes > content);
    CU_ASSERT_TRUE(most - before < (size_t)4 * MIB);
    pair_stop(&p);
}

/* One peer answers nothing at all; what goes to another does not notice. */
static void
a_peer_that_swallows_everything_holds_nobody(void)
{
    static struct pair dead, alive;
    struct x400_connector_view v;

    pair_init(&dead);
    dead.black_hole = true;
    pair_start(&dead);
    (void)pair_put(&dead.a, P1_MESSAGE, 5000);
    pair_pump(&dead.a);
    pair_init(&alive);
    pair_start(&alive);
    for (unsigned n = 0; n < 50; n++) {
        (void)pair_put(&alive.a, P1_MESSAGE, 5000);
    }
    pair_run(&alive);
    check_once(&alive.a, &alive.b);
    x400_connector_view(dead.a.c, &v);
    pair_stop(&alive);
    CU_ASSERT_EQUAL(dead.a.out[0].done, false);
    /* with its own deadline it is told, and the connector says why */
    dead.a.o.times.connect_ms = dead.a.o.times.open_ms = 30;
    CU_ASSERT_EQUAL(x400_connector_set_options(dead.a.c, &dead.a.o), 0);
    x400_connector_transport(dead.a.c).ops->close(dead.a.sessions[0].transport, true);
    loop_timer_start(&dead.guard, PAIR_GUARD_MS);
    do {
        CHECK(loop_run(dead.loop) == 0);
        x400_connector_view(dead.a.c, &v);
    } while (!dead.guarded && v.refused_wall_ms == 0);
    loop_timer_stop(&dead.guard);
    CU_ASSERT_FALSE(dead.guarded);
    CU_ASSERT_PTR_NOT_NULL(strstr(v.refused, "timed out"));
    CU_ASSERT_FALSE(v.refused_incoming);
    dead.a.stopped = true;
    pair_stop(&dead);
}

/* Wrong password: refused there with its reason, and known here and there. */
static void
both_sides_say_why_a_bind_was_refused(void)
{
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        static struct pair p;
        struct x400_connector_view here, there;

        pair_init(&p);
        p.a.o.protocol = p.b.o.protocol = protocols[i];
        p.a.o.local_password = (struct slice)SLICE_LIT("wrong");
        pair_start(&p);
        (void)pair_put(&p.a, P1_MESSAGE, 10);
        loop_timer_start(&p.guard, PAIR_GUARD_MS);
        pair_pump(&p.a);
        do {
            CHECK(loop_run(p.loop) == 0);
            x400_connector_view(p.a.c, &here);
        } while (!p.guarded && here.refused_wall_ms == 0);
        loop_timer_stop(&p.guard);
        CU_ASSERT_FALSE(p.guarded);
        p.a.stopped = true;
        x400_connector_view(p.b.c, &there);
        CU_ASSERT_PTR_NOT_NULL(strstr(here.refused, "the peer refused"));
        CU_ASSERT_PTR_NOT_NULL(strstr(here.refused, "local.password_file"));
        CU_ASSERT_PTR_NOT_NULL(strstr(there.refused, "password"));
        CU_ASSERT_TRUE(there.refused_incoming);
        pair_stop(&p);
    }
}

TEST_MAIN("x400", TEST(messages_probes_and_reports_pass_in_all_modes),
    TEST(what_has_no_way_there_is_reported_on), TEST(both_directions_share_one_association),
    TEST(a_connection_cut_anywhere_loses_nothing_and_doubles_nothing),
    TEST(a_content_of_any_size_takes_bounded_memory),
    TEST(a_peer_that_swallows_everything_holds_nobody), TEST(both_sides_say_why_a_bind_was_refused))
