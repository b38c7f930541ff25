/* The line for one destination: what is urgent goes first, and a new route moves all. */
#include "fake_world.h"
#include "test_main.h"
#include <stdio.h>

static void
put(struct world *w, const char *rcpt, enum sched_urgency u)
{
    struct queue_message *m = fake_queue_put(w->q, "/C=GB/A=T/S=From/", &rcpt, 1, w->now);

    m->body = ENVELOPE_P1_MESSAGE;
    m->hops = (uint8_t)u;
    world_add(w, m);
}

static struct world *
prepared(void)
{
    struct world *w = world_new();

    w->connectors[0].concurrency = 1;
    w->connectors[1] = w->connectors[0];
    w->connectors[1].name = "other";
    w->connector_count = 2;
    w->via[0] = 0;
    world_start(w);
    (void)world_host(w, "h.example", HOST_OK);
    return w;
}

static void
urgent_mail_goes_first_and_each_class_in_its_order(void)
{
    struct world *w = prepared();
    const char *at = w->dots;
    static const char *const order[] = { "u3@", "u5@", "u1@", "u4@", "u0@", "u2@" };

    sched_set_run(w->s, SCHED_PAUSED);
    put(w, "u0@h.example", SCHED_UNHURRIED);
    put(w, "u1@h.example", SCHED_ORDINARY);
    put(w, "u2@h.example", SCHED_UNHURRIED);
    put(w, "u3@h.example", SCHED_URGENT);
    put(w, "u4@h.example", SCHED_ORDINARY);
    put(w, "u5@h.example", SCHED_URGENT);
    sched_set_run(w->s, SCHED_RUNNING);
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        at = strstr(at, order[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    }
    world_free(w);
}

static void
a_new_route_moves_mail_of_every_class(void)
{
    struct world *w = prepared();

    CU_ASSERT_EQUAL(sched_connector_suspend(w->s, SLICE_LIT("mx"), true), 0);
    for (unsigned i = 0; i < 30; i++) {
        char rcpt[40];

        (void)snprintf(rcpt, sizeof(rcpt), "u%u@h.example", i);
        put(w, rcpt, (enum sched_urgency)(i % SCHED_URGENCIES));
    }
    (void)world_run(w, w->now + MINUTE, NULL);
    w->via[0] = 1;
    CU_ASSERT_EQUAL(sched_reconfigure(w->s, &w->o, w->connectors, w->connector_count), 0);
    CU_ASSERT_TRUE(world_run(w, w->now + 10 * MINUTE, world_empty));
    CU_ASSERT_EQUAL(w->q->violations, 0);
    world_free(w);
}

/* It is text. */
static void
what_a_message_asks_for_is_not_read_again_for_each_step(void)
{
    struct world *w = prepared();

    for (unsigned i = 0; i < 10; i++) {
        put(w, "u0@h.example", SCHED_ORDINARY);
    }
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    CU_ASSERT_EQUAL(w->hosts[0].delivered, 10);
    CU_ASSERT_EQUAL(w->lives, 20); /* for its class, and for when it is given up */
    world_free(w);
}

static void
what_is_held_leaves_at_its_time(void)
{
    struct world *w = prepared();
    const uint64_t at = w->now + 5 * HOUR;
    struct sched_why why;

    w->not_before_wall_ms = at;
    put(w, "u0@h.example", SCHED_ORDINARY);
    CU_ASSERT_EQUAL(sched_retry(w->s, queue_after(w->q, 0)), 0); /* not even so */
    (void)world_run(w, at - 1, NULL);
    CU_ASSERT_EQUAL(w->hosts[0].opens, 0);
    sched_why(w->s, queue_after(w->q, 0), 0, &why);
    CU_ASSERT_EQUAL(why.next_wall_ms, at);
    CU_ASSERT_TRUE(slice_starts(slice_of(why.text), SLICE_LIT("its deferred delivery time is ")));
    world_stop(w);
    world_start(w); /* another owner */
    (void)world_run(w, at - 1, NULL);
    CU_ASSERT_EQUAL(w->hosts[0].opens, 0);
    CU_ASSERT_TRUE(world_run(w, at + SECOND, world_empty));
    CU_ASSERT_EQUAL(w->hosts[0].delivered, 1);
    world_free(w);
}

/* ---- a connector with its own times */

static struct world *
with_times(enum host_mode mode, uint32_t open_retries, uint32_t transfer_retries)
{
    struct world *w = world_new();

    w->connectors[0].open_interval_ms = 10 * MINUTE;
    w->connectors[0].transfer_interval_ms = 2 * MINUTE;
    w->connectors[0].open_retries = open_retries;
    w->connectors[0].transfer_retries = transfer_retries;
    w->connectors[1] = w->connectors[0];
    w->connectors[1].name = "other";
    w->connector_count = 2;
    world_start(w);
    (void)world_host(w, "h.example", mode);
    return w;
}

static void
intervals_are_the_connectors_own(void)
{
    struct world *w = with_times(HOST_REFUSE, 0, 0);
    struct host *h = &w->hosts[0];

    put(w, "u0@h.example", SCHED_ORDINARY);
    (void)world_run(w, w->now + 10 * HOUR, NULL);
    CU_ASSERT(h->opens >= 50 && h->opens <= 67); /* 60, each 10 min +- 10 %, and its own time */
    h->mode = HOST_DEFER;
    (void)world_run(w, w->now + HOUR, NULL);
    h->attempts = 0;
    (void)world_run(w, w->now + 10 * HOUR, NULL);
    CU_ASSERT(h->attempts >= 270 && h->attempts <= 334); /* 300 */
    CU_ASSERT_EQUAL(w->reports, 0);
    world_free(w);
}

static void
what_can_be_resumed_is_tried_within_that_time(void)
{
    static const enum host_mode modes[] = { HOST_REFUSE, HOST_LOSE };

    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct world *w = with_times(modes[i], 0, 0);

        w->hosts[0].resume_ms = MINUTE;
        put(w, "u0@h.example", SCHED_ORDINARY);
        (void)world_run(w, w->now + MINUTE, NULL);
        CU_ASSERT(w->hosts[0].opens >= 5 && w->hosts[0].opens <= 61);
        world_free(w);
    }
}

static bool
one_open_failed(struct world *w)
{
    return w->hosts[0].opens == 2 && w->hosts[0].sessions == 0;
}

/* Who meets the peer's absence next has nothing to resume: the destination is tried soon all the
 * same. */
static void
what_cannot_be_resumed_makes_nobody_wait(void)
{
    struct world *w = with_times(HOST_LOSE, 0, 0);
    struct host *h = &w->hosts[0];

    h->resume_ms = MINUTE;
    put(w, "u0@h.example", SCHED_ORDINARY);
    (void)world_run(w, w->now + SECOND, NULL);
    CU_ASSERT_EQUAL(h->opens, 1);
    h->mode = HOST_REFUSE;
    h->resume_ms = 0;
    put(w, "u1@h.example", SCHED_ORDINARY);
    CU_ASSERT_TRUE(world_run(w, w->now + SECOND, one_open_failed));
    h->mode = HOST_OK;
    (void)world_run(w, w->now + 30 * SECOND, NULL);
    CU_ASSERT_EQUAL(h->delivered, 1); /* u1 has its own time, ten minutes */
    (void)world_run(w, w->now + 15 * MINUTE, NULL);
    CU_ASSERT_TRUE(world_empty(w));
    world_free(w);
}

static bool
is_down(struct world *w)
{
    return w->hosts[0].opens == 4 && w->hosts[0].sessions == 1;
}

/* Three that have nothing to resume are lost before the one that has. */
static void
nor_what_was_lost_before_it(void)
{
    struct world *w = with_times(HOST_OK, 0, 0);
    struct host *h = &w->hosts[0];

    for (unsigned i = 0; i < 4; i++) { /* the window grows */
        put(w, "u0@h.example", SCHED_ORDINARY);
    }
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    (void)world_run(w, w->now + HOUR, NULL); /* idle sessions end */
    h->opens = 0;
    h->mode = HOST_LOSE;
    for (unsigned i = 0; i < 4; i++) {
        put(w, "u0@h.example", SCHED_ORDINARY);
    }
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, is_down));
    h->resume_ms = MINUTE;
    CU_ASSERT_FALSE(world_run(w, w->now + SECOND, world_empty));
    h->mode = HOST_OK;
    h->resume_ms = 0;
    h->delivered = 0;
    (void)world_run(w, w->now + 30 * SECOND, NULL);
    CU_ASSERT_TRUE(h->delivered >= 1);
    (void)world_run(w, w->now + 15 * MINUTE, NULL);
    CU_ASSERT_TRUE(world_empty(w));
    world_free(w);
}

static void
so_many_attempts_to_open_return_what_waited_through_them(void)
{
    struct world *w = with_times(HOST_REFUSE, 4, 0);

    put(w, "u0@h.example", SCHED_ORDINARY);
    put(w, "u1@h.example", SCHED_URGENT);
    (void)world_run(w, w->now + 25 * MINUTE, NULL);
    CU_ASSERT_EQUAL(w->reports, 0);
    put(w, "u2@h.example", SCHED_ORDINARY); /* it came late */
    (void)world_run(w, w->now + 20 * MINUTE, NULL);
    CU_ASSERT_EQUAL(w->reports, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(w->reported, " 4.4.1;"));
    CU_ASSERT_PTR_NOT_NULL(strstr(w->reported_text, "attempts in a row"));
    CU_ASSERT_PTR_NOT_NULL(strstr(w->reported_text, "connection refused"));
    (void)world_run(w, w->now + 40 * MINUTE, NULL);
    CU_ASSERT_EQUAL(w->reports, 3);
    CU_ASSERT_TRUE(world_empty(w));
    CU_ASSERT_EQUAL(w->q->violations, 0);
    world_free(w);
}

/* Not what has another connector, nor while the connector may not call, nor once it is back. */
static void
what_is_no_attempt_or_has_another_way_is_not_returned(void)
{
    for (unsigned i = 0; i < 3; i++) {
        struct world *w = with_times(HOST_REFUSE, 4, i == 2 ? 2 : 0);

        w->hosts[0].untried = i == 0 || i == 2;
        w->hosts[0].mode = i == 2 ? HOST_LOSE : HOST_REFUSE;
        w->via[1] = 1;
        w->via_count = i == 1 ? 2 : 1;
        put(w, "u0@h.example", SCHED_ORDINARY);
        put(w, "u1@h.example", SCHED_ORDINARY);
        (void)world_run(w, w->now + 5 * HOUR, NULL);
        CU_ASSERT_EQUAL(w->reports, 0);
        w->hosts[0].untried = 0;
        w->hosts[0].mode = HOST_OK;
        CU_ASSERT_TRUE(world_run(w, w->now + HOUR, world_empty));
        CU_ASSERT_EQUAL(w->reports, 0);
        world_free(w);
    }
}

/* A connector at its limit is busy, not down: no mail of it takes an alternate, or waits. */
static void
what_needs_no_further_session_waits_for_the_one_that_opens(void)
{
    struct world *w = with_times(HOST_OK, 0, 0);
    uint64_t until;

    w->via[1] = 1;
    w->via_count = 2;
    w->hosts[0].alone = true;
    w->hosts[0].untried = 1;
    w->hosts[0].latency_ms = SECOND;
    for (unsigned i = 0; i < 3; i++) {
        put(w, i == 0 ? "u0@h.example" : i == 1 ? "u1@h.example" : "u2@h.example", SCHED_ORDINARY);
    }
    until = w->now + 10 * SECOND;
    CU_ASSERT_TRUE(world_run(w, until, world_empty));
    CU_ASSERT_EQUAL(w->hosts[0].delivered, 3);
    CU_ASSERT_TRUE(w->hosts[0].peak > 1);
    world_free(w);
}

/* Who is in the line for a session of the connector, and needs none any more when its turn comes,
 * or may not take it, passes it on. */
static void
a_place_of_the_connector_that_is_not_taken_is_the_next_ones(void)
{
    for (unsigned fails = 0; fails < 2; fails++) {
        struct world *w = world_new();
        const struct host *last;

        w->connectors[0].connector_limit = 1;
        world_start(w);
        world_host(w, "h.example", fails ? HOST_REFUSE : HOST_OK)->latency_ms = SECOND;
        last = world_host(w, "last.example", HOST_OK);
        (void)world_put(w, "a@b", "u0@h.example");
        (void)world_put(w, "a@b", "u1@h.example"); /* for it and the next one another is wanted, */
        (void)world_put(w, "a@b", "u2@h.example"); /* and the first one's carries them */
        (void)world_put(w, "a@b", "u0@last.example");
        (void)world_run(w, w->now + (fails ? 3 : 10) * SECOND, NULL); /* no back-off is over yet */
        CU_ASSERT_EQUAL(last->delivered, 1);
        world_free(w);
    }
}

/* The delivery goes back without an outcome: its session was lost before anything was said. */
static void
what_comes_back_to_a_connector_that_is_gone_goes_elsewhere(void)
{
    for (unsigned suspended = 0; suspended < 2; suspended++) {
        struct world *w = prepared();

        w->via[1] = 1;
        w->via_count = 2;
        w->idle_ms = HOUR;
        (void)world_put(w, "a@b", "u0@h.example");
        CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
        (void)world_put(w, "a@b", "u1@h.example"); /* over the session that is kept */
        CU_ASSERT_EQUAL(sched_active(w->s), 1);
        if (suspended) {
            CU_ASSERT_EQUAL(sched_connector_suspend(w->s, SLICE_LIT("mx"), true), 0);
        } else {
            w->via_count = 1;
            CU_ASSERT_EQUAL(sched_reconfigure(w->s, &w->o, &w->connectors[1], 1), 0);
        }
        w->hosts[0].mode = HOST_LOSE;
        (void)world_run(w, w->now + 6, NULL);
        w->hosts[0].mode = HOST_OK;
        CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
        CU_ASSERT_EQUAL(w->q->outcomes[OUTCOME_DEFERRED], 0);
        CU_ASSERT_EQUAL(w->hosts[0].delivered, 2);
        world_free(w);
    }
}

static void
a_delivery_knows_that_it_takes_an_alternate(void)
{
    struct world *w = with_times(HOST_OK, 0, 0);

    world_stop(w);
    w->says_rerouted = true;
    world_start(w);
    w->via[1] = 1;
    w->via_count = 2;
    for (unsigned i = 0; i < 3; i++) { /* the first one, the other one, the first one again */
        CU_ASSERT_EQUAL(sched_connector_suspend(w->s, SLICE_LIT("mx"), i == 1), 0);
        put(w, "u0@h.example", SCHED_ORDINARY);
        CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
        CU_ASSERT_EQUAL(w->hosts[0].rerouted, i > 0);
    }
    w->via[0] = 1; /* by its route it is the first one */
    w->via[1] = 0;
    put(w, "u0@h.example", SCHED_ORDINARY);
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    CU_ASSERT_EQUAL(w->hosts[0].rerouted, 1);
    CU_ASSERT_EQUAL(w->hosts[0].delivered, 4);
    world_free(w);
}

/* As SMTP, which has nothing to say it with. */
static void
whether_an_alternate_is_taken_is_found_out_only_for_who_says_so(void)
{
    for (unsigned says = 0; says < 2; says++) {
        struct world *w = world_new();

        w->connectors[1] = w->connectors[0];
        w->connectors[1].name = "other";
        w->connector_count = 2;
        w->via[1] = 1;
        w->via_count = 2;
        w->says_rerouted = says == 1;
        world_start(w);
        (void)world_host(w, "h.example", HOST_OK);
        (void)world_put_many(w, "a@b.example", "h.example", 40);
        CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
        CU_ASSERT_EQUAL(w->hosts[0].delivered, 40);
        CU_ASSERT_EQUAL(w->routed, says == 1 ? 80 : 40);
        world_free(w);
    }
}

static void
so_many_further_transfers_return_a_message(void)
{
    struct world *w = with_times(HOST_DEFER, 0, 2);

    put(w, "u0@h.example", SCHED_ORDINARY);
    CU_ASSERT_TRUE(world_run(w, w->now + HOUR, world_empty));
    CU_ASSERT_EQUAL(w->hosts[0].attempts, 3);
    CU_ASSERT_EQUAL(w->reports, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(w->reported_text, "4.4.1 the limit of attempts is reached"));
    /* attempts to open are none of them */
    w->hosts[0].mode = HOST_REFUSE;
    put(w, "u1@h.example", SCHED_ORDINARY);
    (void)world_run(w, w->now + 2 * HOUR, NULL);
    CU_ASSERT_EQUAL(w->reports, 1);
    w->hosts[0].mode = HOST_DOUBT; /* nor is what may have arrived ended by their number */
    (void)world_run(w, w->now + 2 * HOUR, NULL);
    CU_ASSERT_EQUAL(w->reports, 1);
    world_free(w);
}

TEST_MAIN("sched_destination", TEST(urgent_mail_goes_first_and_each_class_in_its_order),
    TEST(a_new_route_moves_mail_of_every_class),
    TEST(what_a_message_asks_for_is_not_read_again_for_each_step),
    TEST(what_is_held_leaves_at_its_time), TEST(intervals_are_the_connectors_own),
    TEST(what_can_be_resumed_is_tried_within_that_time),
    TEST(what_cannot_be_resumed_makes_nobody_wait), TEST(nor_what_was_lost_before_it),
    TEST(so_many_attempts_to_open_return_what_waited_through_them),
    TEST(what_is_no_attempt_or_has_another_way_is_not_returned),
    TEST(a_delivery_knows_that_it_takes_an_alternate),
    TEST(whether_an_alternate_is_taken_is_found_out_only_for_who_says_so),
    TEST(what_needs_no_further_session_waits_for_the_one_that_opens),
    TEST(a_place_of_the_connector_that_is_not_taken_is_the_next_ones),
    TEST(what_comes_back_to_a_connector_that_is_gone_goes_elsewhere),
    TEST(so_many_further_transfers_return_a_message))
