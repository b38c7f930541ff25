/* What the last owner had in hand: in doubt, held by its connector, or poison. */
#include "fake_world.h"
#include "test_main.h"
#include <stdlib.h>

static struct queue_message *
put(struct world *w, enum queue_attempt_kind attempt, uint8_t crashes, uint32_t order)
{
    static const char *const rcpts[] = { "u0@ok.example", "u1@ok.example" };
    struct queue_message *m = fake_queue_put(w->q, "a@b", rcpts, 2, w->now);

    m->recipients[0].attempt = (uint8_t)attempt;
    m->crashes = crashes;
    m->attempt_order = order;
    return m;
}

/* A scheduler over the queue of an owner that ended; nothing has happened in it yet. */
static struct sched_recovered
take_over(struct world *w, bool crashed)
{
    if (w->s != NULL) {
        world_stop(w);
    }
    w->recovered = (struct sched_recovered){ .crashed = crashed };
    world_start(w);
    return w->recovered;
}

static bool
contains(struct slice s, const char *text)
{
    char *copy = slice_dup(s);
    bool found = strstr(copy, text) != NULL;

    free(copy);
    return found;
}

static void
what_was_in_hand_is_in_doubt_and_nothing_else(void)
{
    struct world *w = world_new();
    struct queue_message *m = put(w, ATTEMPT_TRANSFER, 0, 1);
    struct queue_message *read = put(w, ATTEMPT_READING, 0, 2);
    struct queue_message *other = put(w, ATTEMPT_NONE, 0, 0);
    struct sched_recovered x = take_over(w, true);

    CU_ASSERT_EQUAL(x.in_doubt, 1);
    CU_ASSERT_EQUAL(x.messages, 2);
    CU_ASSERT_TRUE(m->recipients[0].in_doubt && !m->recipients[1].in_doubt);
    CU_ASSERT_EQUAL(m->recipients[0].attempts, 1);
    CU_ASSERT_EQUAL(m->recipients[0].next_wall_ms, 0);
    CU_ASSERT_TRUE(contains(m->recipients[0].last_reply, "since the takeover at 20"));
    CU_ASSERT_FALSE(read->recipients[0].in_doubt);
    CU_ASSERT_EQUAL(read->recipients[0].attempt, ATTEMPT_NONE);
    CU_ASSERT_TRUE(m->crashes == 1 && read->crashes == 1 && other->crashes == 0);
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    CU_ASSERT_EQUAL(w->q->violations, 0);
    world_free(w);
}

static void
a_message_in_hand_at_two_crashes_is_held(void)
{
    struct world *w = world_new();
    struct queue_message *m = put(w, ATTEMPT_TRANSFER, 1, 1);
    struct queue_message *once = put(w, ATTEMPT_TRANSFER, 0, 2);
    struct sched_recovered x = take_over(w, true);
    struct sched_why why;

    CU_ASSERT_TRUE(x.poison == 1 && x.suspects == 1);
    CU_ASSERT_TRUE(m->held == HOLD_POISON && m->crashes == 2 && m->recipients[0].in_doubt);
    CU_ASSERT_EQUAL(once->held, HOLD_NO);
    (void)world_run(w, w->now + DAY, NULL);
    CU_ASSERT_EQUAL(w->q->live, 1);
    sched_why(w->s, m, 1, &why);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "crashed 2 times in a row"));
    CU_ASSERT_EQUAL(sched_hold(w->s, m, false), 0);
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    world_free(w);
}

static void
a_lost_machine_makes_no_suspects(void)
{
    struct world *w = world_new();
    struct queue_message *list[100];

    for (unsigned i = 0; i < ARRAY_LEN(list); i++) {
        list[i] = put(w, ATTEMPT_TRANSFER, i % 2, i + 1);
    }
    for (unsigned cut = 0; cut < 3; cut++) {
        struct sched_recovered x = take_over(w, false);

        CU_ASSERT_TRUE(x.in_doubt == ARRAY_LEN(list) && x.poison == 0 && x.suspects == 0);
        for (unsigned i = 0; i < ARRAY_LEN(list); i++) {
            CU_ASSERT_TRUE(list[i]->held == HOLD_NO && list[i]->crashes == i % 2);
            list[i]->recipients[0].attempt = ATTEMPT_TRANSFER;
        }
    }
    world_free(w);
}

/* The worst: many are in hand whenever the one kills. */
static void
one_among_many_is_found_and_at_most_one_is_held_for_a_crash(void)
{
    struct world *w = world_new();
    struct queue_message *list[100], *bad;
    unsigned held = 0;
    struct sched_recovered x;

    for (unsigned i = 0; i < ARRAY_LEN(list); i++) {
        list[i] = put(w, ATTEMPT_TRANSFER, 1, i + 1);
    }
    bad = list[37];
    x = take_over(w, true);
    CU_ASSERT_TRUE(x.poison == 0 && x.suspects == ARRAY_LEN(list));
    for (unsigned i = 0; i < ARRAY_LEN(list); i++) { /* one a second */
        CU_ASSERT_EQUAL(list[i]->recipients[0].next_wall_ms, w->now + (i + 1) * SECOND);
        if (list[i]->recipients[0].next_wall_ms <= bad->recipients[0].next_wall_ms) {
            list[i]->recipients[0].attempt = ATTEMPT_TRANSFER; /* and none has been answered */
            list[i]->attempt_order = i + 1;
        }
    }
    x = take_over(w, true);
    CU_ASSERT_EQUAL(x.poison, 1);
    CU_ASSERT_EQUAL(bad->held, HOLD_POISON);
    for (unsigned i = 0; i < ARRAY_LEN(list); i++) {
        held += list[i]->held != HOLD_NO;
    }
    CU_ASSERT_EQUAL(held, 1);
    world_free(w);
}

static void
a_message_the_operator_holds_stays_his(void)
{
    struct world *w = world_new();
    struct queue_message *m = put(w, ATTEMPT_TRANSFER, 3, 1);

    m->held = HOLD_OPERATOR;
    CU_ASSERT_EQUAL(take_over(w, true).poison, 0);
    CU_ASSERT_EQUAL(m->held, HOLD_OPERATOR);
    world_free(w);
}

static void
who_is_in_doubt_waits_where_the_connector_holds_and_the_others_go(void)
{
    struct world *w = world_new();
    struct queue_message *m = put(w, ATTEMPT_TRANSFER, 0, 1);

    w->connectors[0].in_doubt_hold = true;
    (void)take_over(w, false);
    (void)world_run(w, w->now + 30 * (uint64_t)DAY, NULL);
    CU_ASSERT_EQUAL(m->recipients[1].state, RECIPIENT_DELIVERED);
    CU_ASSERT_EQUAL(m->recipients[0].state, RECIPIENT_QUEUED);
    m->received_wall_ms = w->now;
    w->connectors[0].in_doubt_hold = false; /* a reload lets them go */
    CU_ASSERT_EQUAL(sched_reconfigure(w->s, &w->o, w->connectors, w->connector_count), 0);
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    CU_ASSERT_EQUAL(w->q->violations, 0);
    world_free(w);
}

static void
a_retry_takes_the_doubt_as_well(void)
{
    struct world *w = world_new();
    struct queue_message *m = put(w, ATTEMPT_TRANSFER, 0, 1);

    w->connectors[0].in_doubt_hold = true;
    (void)take_over(w, false);
    (void)world_run(w, w->now + HOUR, NULL);
    CU_ASSERT_EQUAL(sched_retry(w->s, m), 0);
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    world_free(w);
}

/* The journal has each attempt, and forgets it where no dot went out. */
static void
what_never_came_to_its_dot_is_withdrawn(void)
{
    struct world *w = world_new();
    struct queue_message *m = put(w, ATTEMPT_NONE, 0, 0);

    (void)world_host(w, "ok.example", HOST_OK);
    w->q->stalled = true;
    world_start(w);
    (void)world_run(w, w->now + 10 * SECOND, NULL);
    CU_ASSERT_EQUAL(w->q->attempted, 1);
    CU_ASSERT_EQUAL(m->recipients[0].attempt, ATTEMPT_TRANSFER);
    sched_set_run(w->s, SCHED_STOPPED);
    CU_ASSERT_EQUAL(m->recipients[0].attempt, ATTEMPT_NONE);
    CU_ASSERT_EQUAL(w->q->withdrawn, 1);
    CU_ASSERT_PTR_NULL(w->q->attempts); /* nobody is told any more */
    w->q->stalled = false;
    sched_set_run(w->s, SCHED_RUNNING);
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    world_free(w);
}

static void
after_a_crash_nothing_is_touched_that_is_not_in_hand_on_disk(void)
{
    for (unsigned crashed = 0; crashed < 2; crashed++) {
        struct world *w = world_new();

        (void)put(w, ATTEMPT_NONE, 0, 0);
        w->q->stalled = true;
        (void)take_over(w, crashed == 1);
        (void)world_run(w, w->now + 10 * SECOND, NULL);
        CU_ASSERT_EQUAL(w->q->attempted, 1);
        CU_ASSERT_EQUAL(w->first_bytes > 0, crashed == 0);
        w->q->stalled = false;
        CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
        CU_ASSERT_EQUAL(w->q->violations, 0);
        world_free(w);
    }
}

static void
a_message_is_in_hand_while_it_is_read_for_a_notice(void)
{
    struct world *w = world_new();
    struct queue_message *m = put(w, ATTEMPT_NONE, 0, 0);

    (void)world_host(w, "ok.example", HOST_REFUSE);
    (void)take_over(w, true);
    (void)world_run(w, w->now + SECOND, NULL); /* both are deferred */
    m->received_wall_ms = w->now - 10 * (uint64_t)DAY;
    w->q->stalled = true;
    (void)take_over(w, true); /* and expire */
    (void)world_run(w, w->now + MINUTE, NULL);
    CU_ASSERT_EQUAL((m->recipients[0].attempt == ATTEMPT_READING) +
                        (m->recipients[1].attempt == ATTEMPT_READING),
        1);
    CU_ASSERT_EQUAL(w->notices, 0);
    sched_set_run(w->s, SCHED_STOPPED); /* nothing of it is left */
    CU_ASSERT_PTR_NULL(w->q->attempts);
    CU_ASSERT_TRUE(
        m->recipients[0].attempt == ATTEMPT_NONE && m->recipients[1].attempt == ATTEMPT_NONE);
    w->q->stalled = false;
    sched_set_run(w->s, SCHED_RUNNING);
    CU_ASSERT_TRUE(world_run(w, w->now + HOUR, world_empty));
    CU_ASSERT_EQUAL(w->notices, 1);
    CU_ASSERT_EQUAL(w->q->violations, 0);
    world_free(w);
}

static void
a_doubt_outlives_a_notice_that_cannot_be_written(void)
{
    struct world *w = world_new();
    struct queue_message *m = put(w, ATTEMPT_NONE, 0, 0);

    (void)world_host(w, "ok.example", HOST_REFUSE);
    world_start(w);
    (void)world_run(w, w->now + SECOND, NULL);
    (void)world_host(w, "ok.example", HOST_DOUBT);
    m->received_wall_ms = w->now + 29 * SECOND - 5 * (uint64_t)DAY; /* expires at the next try */
    w->notify_rc = -ENOSPC;
    (void)world_run(w, w->now + 40 * SECOND, NULL);
    CU_ASSERT_TRUE(m->recipients[0].in_doubt && m->recipients[1].in_doubt);
    CU_ASSERT_EQUAL(m->recipients[0].attempt, ATTEMPT_NONE);
    w->notify_rc = 0;
    CU_ASSERT_TRUE(world_run(w, w->now + HOUR, world_empty));
    CU_ASSERT_EQUAL(w->notices, 1);
    CU_ASSERT_EQUAL(w->q->violations, 0);
    world_free(w);
}

static void
without_the_record_no_dot_goes_out(void)
{
    struct world *w = world_new();
    struct host *h = world_host(w, "ok.example", HOST_OK);

    (void)put(w, ATTEMPT_NONE, 0, 0);
    w->q->attempt_rc = -ENOMEM;
    world_start(w);
    (void)world_run(w, w->now + 10 * SECOND, NULL);
    CU_ASSERT_EQUAL(h->delivered, 0);
    w->q->attempt_rc = 0;
    CU_ASSERT_TRUE(world_run(w, w->now + HOUR, world_empty));
    world_free(w);
}

/* Each is asked for by the name that its last transaction had, and nobody else with it. */
static void
each_doubt_is_asked_for_by_its_own_name(void)
{
    static const char *const rcpts[] = { "u0@ok.example", "u1@ok.example", "u2@ok.example",
        "u3@ok.example" };
    static const uint64_t transactions[] = { 0x71, 0x72, 0x71, 0 };
    struct world *w = world_new();
    struct queue_message *m = fake_queue_put(w->q, "a@b", rcpts, 4, w->now);

    for (unsigned i = 0; i < 4; i++) {
        m->recipients[i].transaction = transactions[i];
        m->recipients[i].attempt = transactions[i] != 0 ? ATTEMPT_TRANSFER : ATTEMPT_NONE;
    }
    w->q->transactions = 0x80;
    (void)take_over(w, false);
    (void)world_host(w, "ok.example", HOST_DOUBT); /* and again */
    CU_ASSERT_FALSE(world_run(w, w->now + SECOND / 2, world_empty));
    world_host(w, "ok.example", HOST_OK)->mode = HOST_OK;
    CU_ASSERT_TRUE(world_run(w, w->now + DAY, world_empty));
    for (const char *line = w->dots; *line != '\0'; line = strchr(line, '\n') + 1) {
        bool both = strncmp(line, "<1.71@", 6) == 0, one = strncmp(line, "<1.72@", 6) == 0;
        struct slice rest = slice_of(line);
        struct slice all;

        (void)slice_next(&rest, '\n', &all);
        CU_ASSERT_EQUAL(contains(all, "u0@"), both);
        CU_ASSERT_EQUAL(contains(all, "u1@"), one);
        CU_ASSERT_EQUAL(contains(all, "u2@"), both);
        CU_ASSERT_EQUAL(contains(all, "u3@"), !both && !one);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(w->dots, "<1.71@"));
    CU_ASSERT_PTR_NOT_NULL(strstr(w->dots, "<1.72@"));
    CU_ASSERT_EQUAL(w->q->violations, 0);
    world_free(w);
}

TEST_MAIN("sched_doubt", TEST(each_doubt_is_asked_for_by_its_own_name),
    TEST(what_was_in_hand_is_in_doubt_and_nothing_else),
    TEST(a_message_in_hand_at_two_crashes_is_held), TEST(a_lost_machine_makes_no_suspects),
    TEST(one_among_many_is_found_and_at_most_one_is_held_for_a_crash),
    TEST(a_message_the_operator_holds_stays_his),
    TEST(who_is_in_doubt_waits_where_the_connector_holds_and_the_others_go),
    TEST(a_retry_takes_the_doubt_as_well), TEST(what_never_came_to_its_dot_is_withdrawn),
    TEST(after_a_crash_nothing_is_touched_that_is_not_in_hand_on_disk),
    TEST(a_message_is_in_hand_while_it_is_read_for_a_notice),
    TEST(a_doubt_outlives_a_notice_that_cannot_be_written),
    TEST(without_the_record_no_dot_goes_out))
