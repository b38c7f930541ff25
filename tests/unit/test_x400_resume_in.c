/* Two whole MTAs over loopback with checkpoints: the wire is cut everywhere in a long transfer, and
 * it goes on where it was; on another node of either side too; and where it cannot it begins anew.
 */
#include "x400_pair.h"

#define CONTENT_BYTES ((uint64_t)300 * 1000)
#define CHECKPOINT    4u /* KiB */
#define POINT_BYTES   ((uint64_t)CHECKPOINT * RTSE_CHECKPOINT_UNIT_BYTES)

enum failover { NOBODY_MOVES, RECEIVER_MOVES, SENDER_MOVES };

static struct pair p;
/* The sender re-opens by recover; the receiver says where that may come from after a failover. */
static bool recovers;
static const struct netaddr_prefix *from;

static void
start(enum p1_protocol protocol)
{
    pair_init(&p);
    p.a.o.recover = recovers;
    p.b.o.callers = from;
    p.b.o.caller_count = from != NULL;
    p.a.o.protocol = p.b.o.protocol = protocol;
    p.a.o.checkpoint = p.b.o.checkpoint = CHECKPOINT;
    p.a.points = p.b.points = true;
    pair_start(&p);
}

/* Everything of m ends but its queue; then it is there again, as on another node. */
static void
moves(struct pair_mta *m)
{
    unsigned used = 0;

    pair_mta_stop(m);
    do {
        used = m->pending_count;
        for (unsigned i = 0; i < PAIR_SESSIONS; i++) {
            used += m->sessions[i].used;
        }
    } while (used > 0 && loop_run(p.loop) == 0);
    for (unsigned i = 0; i < PAIR_PARTS; i++) {
        if (m->parts[i].used && !m->parts[i].durable) {
            pair_part_free(&m->parts[i]); /* its sync never came */
        }
        m->parts[i].open = NULL;
    }
    x400_connector_free(m->c);
    x400_free(m->x);
    pair_mta_start(&p, m, m == &p.a ? "L" : "P");
    m->stopped = false;
}

/* A message of which so many octets came when the wire was cut. */
static void
begin_and_cut(uint64_t octets)
{
    start(P1_1988_NORMAL);
    p.cut_at = octets;
    (void)pair_put(&p.a, P1_MESSAGE, CONTENT_BYTES);
    pair_pump(&p.a);
    while (p.cuts == 0) {
        CHECK(loop_run(p.loop) == 0);
    }
}

/* Until nobody says anything any more. */
static void
run_until_silent(void)
{
    uint64_t before;

    do {
        before = p.octets;
        loop_timer_start(&p.guard, 100);
        while (!p.guarded) {
            CHECK(loop_run(p.loop) == 0);
        }
        p.guarded = false;
    } while (p.octets != before || before == 0);
}

static void
expect_whole(void)
{
    const struct pair_entry *e = &p.b.in[0];
    uint64_t sum = 0;
    enum p1_kind kind;
    uint64_t head;

    CU_ASSERT_EQUAL_FATAL(p.b.in_count, 1);
    CU_ASSERT_EQUAL_FATAL(p1_stored_bytes(buf_slice(&e->stored), &kind, &head), 0);
    CU_ASSERT_EQUAL(e->bytes, head + CONTENT_BYTES);
    sum = pair_sum(slice_sub(buf_slice(&e->stored), 0, (size_t)head));
    for (uint64_t i = 0; i < CONTENT_BYTES; i++) {
        sum += (unsigned char)p.pattern[i % PAIR_PATTERN];
    }
    CU_ASSERT_EQUAL(e->sum, sum);
}

/* Nothing is left of it in either queue. */
static void
expect_nothing_kept(void)
{
    struct intake_part part;

    CU_ASSERT_EQUAL(pair_part(&p.b, 0, &part), 0);
    for (unsigned i = 0; i < PAIR_SETTINGS; i++) {
        CU_ASSERT_EQUAL(p.a.settings[i].bytes, 0);
    }
}

/* Refused, to the receiver as it is now. */
static uint64_t
refused(void)
{
    struct x400_stats stats;

    x400_stats(p.b.x, &stats);
    return stats.refused_binds;
}

/* Octets on the wire until all was there, with the wire cut behind so many. */
static uint64_t
cut_at(uint64_t octets, enum p1_protocol protocol, enum failover moving, bool *resumed)
{
    uint64_t total;

    start(protocol);
    p.cut_at = octets;
    (void)pair_put(&p.a, P1_MESSAGE, CONTENT_BYTES);
    pair_pump(&p.a);
    loop_timer_start(&p.guard, PAIR_GUARD_MS);
    while (!p.guarded && octets > 0 && p.cuts == 0) {
        CHECK(loop_run(p.loop) == 0);
    }
    if (moving != NOBODY_MOVES && p.cuts > 0) {
        moves(moving == RECEIVER_MOVES ? &p.b : &p.a);
    }
    pair_run(&p);
    total = p.octets;
    *resumed = p.b.reopened > 0;
    CU_ASSERT_EQUAL(refused(), recovers && moving == RECEIVER_MOVES && *resumed && from == NULL);
    if (moving == NOBODY_MOVES) { /* the scheduler was told to come back in time for it */
        CU_ASSERT_EQUAL(p.a.resume_ms > 0, *resumed);
    }
    expect_whole();
    expect_nothing_kept();
    CU_ASSERT_EQUAL(p.a.out[0].failures, 0);
    pair_stop(&p);
    return total;
}

static void
a_transfer_cut_anywhere_goes_on(void)
{
    static const enum p1_protocol protocols[] = { P1_1988_NORMAL, P1_1988_X410 };

    for (size_t k = 0; k < ARRAY_LEN(protocols); k++) {
        bool resumed;
        uint64_t whole = cut_at(0, protocols[k], NOBODY_MOVES, &resumed);
        unsigned count = 0;

        CU_ASSERT_FALSE(resumed);
        for (uint64_t at = 500; at < whole; at += 9973) {
            uint64_t total = cut_at(at, protocols[k], NOBODY_MOVES, &resumed);

            count += resumed;
            if (resumed) { /* at most the window again, and what opening costs */
                CU_ASSERT_TRUE(total < whole + 8 * POINT_BYTES + 8192);
            }
        }
        CU_ASSERT_TRUE(count > 10);
    }
}

static void
on_another_node_too(void)
{
    bool resumed;
    unsigned count[3] = { 0 };

    for (uint64_t at = 20000; at < CONTENT_BYTES; at += 29989) {
        for (unsigned moving = RECEIVER_MOVES; moving <= SENDER_MOVES; moving++) {
            (void)cut_at(at, P1_1988_NORMAL, (enum failover)moving, &resumed);
            count[moving] += resumed;
        }
    }
    CU_ASSERT_TRUE(count[RECEIVER_MOVES] > 3);
    CU_ASSERT_TRUE(count[SENDER_MOVES] > 3);
}

/* The same by associations that recover the one that broke, wherever it broke; a receiver that was
 * elsewhere then refuses, and is bound to, unless it knows where the sender is at home. */
static void
recovered_associations_go_on_too(void)
{
    struct netaddr_prefix home;

    recovers = true;
    a_transfer_cut_anywhere_goes_on();
    on_another_node_too();
    CU_ASSERT_EQUAL(netaddr_parse_prefix(SLICE_LIT("127.0.0.0/8"), &home), 0);
    from = &home;
    on_another_node_too();
    from = NULL;
    recovers = false;
}

/* Cut again and again, each time some octets later: each goes on where the one before was. */
static void
a_transfer_cut_often_goes_on_each_time(void)
{
    unsigned cuts = 0;

    start(P1_1988_NORMAL);
    (void)pair_put(&p.a, P1_MESSAGE, CONTENT_BYTES);
    pair_pump(&p.a);
    loop_timer_start(&p.guard, PAIR_GUARD_MS);
    while (!p.guarded && !p.a.out[0].done) {
        if (p.cut_at == 0 && p.cuts < 8) {
            p.cut_at = p.octets + 50000;
        }
        CHECK(loop_run(p.loop) == 0);
    }
    cuts = p.cuts;
    pair_run(&p);
    expect_whole();
    expect_nothing_kept();
    CU_ASSERT_TRUE(cuts >= 5);
    CU_ASSERT_TRUE(p.b.reopened >= 5);
    CU_ASSERT_TRUE(p.octets < CONTENT_BYTES + 9 * (8 * POINT_BYTES + 8192));
    pair_stop(&p);
}

/* Who sent lost its power, say: the receiver has not heard that the association is gone when the
 * transfer is resumed over the next one. */
static void
a_half_open_association_lets_go_of_its_part(void)
{
    for (uint64_t at = 100000; at < CONTENT_BYTES; at += 49999) {
        start(P1_1988_NORMAL);
        p.half_open = true;
        p.cut_at = at;
        (void)pair_put(&p.a, P1_MESSAGE, CONTENT_BYTES);
        pair_pump(&p.a);
        pair_run(&p);
        expect_whole();
        expect_nothing_kept();
        CU_ASSERT_EQUAL(p.cuts, 1);
        CU_ASSERT_EQUAL(p.b.reopened, 1);
        CU_ASSERT_TRUE(p.octets < CONTENT_BYTES + 8 * POINT_BYTES + 16384);
        pair_stop(&p);
    }
}

/* The receiver is still loading its queue: "not now"; then it knows the transfer by its old name.
 */
static void
a_resumption_that_came_too_early_comes_again(void)
{
    begin_and_cut(150000);
    p.b.parts_unknown = 2;
    pair_run(&p);
    expect_whole();
    expect_nothing_kept();
    CU_ASSERT_EQUAL(p.b.parts_unknown, 0);
    CU_ASSERT_EQUAL(p.b.reopened, 1);
    CU_ASSERT_EQUAL(p.a.tried, 1); /* one transfer */
    pair_stop(&p);
}

static void
break_off(uint64_t octets)
{
    unsigned cuts = p.cuts;

    p.cut_at = octets;
    while (p.cuts == cuts || p.a.sessions[0].used) {
        CHECK(loop_run(p.loop) == 0);
    }
}

/* A message that is never resumed and breaks off each time has had so many attempts. */
static void
what_begins_anew_is_another_attempt(void)
{
    start(P1_1988_NORMAL);
    (void)pair_put(&p.a, P1_MESSAGE, CONTENT_BYTES);
    p.a.stopped = true;
    for (unsigned i = 1; i <= 3; i++) {
        p.a.stopped = false;
        pair_pump(&p.a);
        p.a.stopped = true;
        break_off(p.octets + 150000);
        CU_ASSERT_EQUAL(p.a.tried, i);
        for (unsigned k = 0; k < PAIR_PARTS; k++) {
            if (p.b.parts[k].used) {
                pair_part_free(&p.b.parts[k]);
            }
        }
    }
    p.a.stopped = false;
    pair_pump(&p.a);
    pair_run(&p);
    expect_whole();
    CU_ASSERT_EQUAL(p.b.reopened, 0);
    pair_stop(&p);
}

/* While something of the connector can be resumed, whoever finds the peer away comes back soon. */
static void
what_cannot_be_resumed_makes_nobody_wait(void)
{
    const struct pair_entry *second;

    start(P1_1988_NORMAL);
    (void)pair_put(&p.a, P1_MESSAGE, CONTENT_BYTES);
    pair_pump(&p.a);
    p.a.stopped = true;
    break_off(150000);
    p.a.out[0].in_hand = true; /* it waits for its time */
    p.b.stopped = true;
    p.a.stopped = false;
    p.a.resume_ms = 0;
    second = pair_put(&p.a, P1_MESSAGE, 1000);
    pair_pump(&p.a);
    while (second->attempts == 0 || second->in_hand) {
        CHECK(loop_run(p.loop) == 0);
    }
    CU_ASSERT_TRUE(p.a.resume_ms > 0);
    p.b.stopped = false;
    p.a.out[0].in_hand = false;
    pair_run(&p);
    CU_ASSERT_EQUAL(p.b.in_count, 2);
    CU_ASSERT_EQUAL(p.b.reopened, 1);
    pair_stop(&p);
}

/* The receiver has lost it: it says so, and all of it comes over the same association. */
static void
what_is_not_known_any_more_begins_anew(void)
{
    begin_and_cut(150000);
    moves(&p.b);
    for (unsigned i = 0; i < PAIR_PARTS; i++) {
        if (p.b.parts[i].used) {
            pair_part_free(&p.b.parts[i]);
        }
    }
    pair_run(&p);
    expect_whole();
    expect_nothing_kept();
    CU_ASSERT_EQUAL(p.b.reopened, 0);
    pair_stop(&p);
}

/* A point is confirmed only when the disk has it: the sender stops at the window's end. */
static void
no_point_is_confirmed_before_it_is_durable(void)
{
    start(P1_1988_NORMAL);
    p.b.no_sync = true;
    (void)pair_put(&p.a, P1_MESSAGE, CONTENT_BYTES);
    pair_pump(&p.a);
    run_until_silent();
    CU_ASSERT_TRUE(p.octets < 9 * POINT_BYTES);
    CU_ASSERT_EQUAL(p.a.noted, 0);
    p.b.no_sync = false;
    loop_call_soon(p.loop, &p.b.sync);
    pair_run(&p);
    expect_whole();
    pair_stop(&p);
}

/* A peer that begins and breaks off as often as it likes: its oldest part makes room. */
static void
a_connector_keeps_so_many_parts(void)
{
    bool oldest = false, second = false;

    start(P1_1988_NORMAL);
    p.b.last_id = 2 * X400_PARTS_MAX;
    for (unsigned i = 0; i < X400_PARTS_MAX; i++) {
        struct pair_part *part = &p.b.parts[i];
        struct rtse_recovery whose = { .activity = i };

        *part = (struct pair_part){ .used = true, .durable = true, .id = i + 1 };
        part->key_bytes = x400_part_key(part->key, p.b.o.name, &whose).n;
    }
    p.cut_at = 150000;
    (void)pair_put(&p.a, P1_MESSAGE, CONTENT_BYTES);
    pair_pump(&p.a);
    while (p.b.suspended == 0) {
        CHECK(loop_run(p.loop) == 0);
    }
    for (unsigned i = 0; i < PAIR_PARTS; i++) {
        oldest = oldest || (p.b.parts[i].used && p.b.parts[i].id == 1);
        second = second || (p.b.parts[i].used && p.b.parts[i].id == 2);
    }
    CU_ASSERT_FALSE(oldest);
    CU_ASSERT_TRUE(second);
    pair_run(&p);
    expect_whole();
    CU_ASSERT_EQUAL(p.b.reopened, 1);
    pair_stop(&p);
}

/* What was confirmed last is not known to the sender, and the disk of the receiver takes its time:
 * the points that come again are confirmed too. */
static void
points_that_come_again_are_confirmed(void)
{
    struct x400_note n;
    struct buf value;

    begin_and_cut(150000);
    moves(&p.a);
    CU_ASSERT_EQUAL_FATAL(
        x400_note_read((struct slice){ p.a.settings[0].value, p.a.settings[0].bytes }, &n), 0);
    CU_ASSERT_TRUE_FATAL(n.from.point > 20);
    n.from.point -= 12;
    buf_init(&value, X400_NOTE_BYTES_MAX);
    CU_ASSERT_EQUAL(x400_note_write(&value, &n), 0);
    memcpy(p.a.settings[0].value, buf_slice(&value).p, buf_len(&value));
    buf_fini(&value);
    p.b.no_sync = true;
    pair_pump(&p.a);
    run_until_silent();
    CU_ASSERT_EQUAL(p.b.reopened, 1);
    p.b.no_sync = false;
    loop_call_soon(p.loop, &p.b.sync);
    pair_run(&p);
    expect_whole();
    expect_nothing_kept();
    pair_stop(&p);
}

TEST_MAIN("x400_resume_in", TEST(a_connector_keeps_so_many_parts),
    TEST(a_transfer_cut_anywhere_goes_on), TEST(on_another_node_too),
    TEST(recovered_associations_go_on_too), TEST(a_transfer_cut_often_goes_on_each_time),
    TEST(a_half_open_association_lets_go_of_its_part),
    TEST(a_resumption_that_came_too_early_comes_again), TEST(what_begins_anew_is_another_attempt),
    TEST(what_cannot_be_resumed_makes_nobody_wait), TEST(what_is_not_known_any_more_begins_anew),
    TEST(points_that_come_again_are_confirmed), TEST(no_point_is_confirmed_before_it_is_durable))
