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

TEST_MAIN("sched_destination", TEST(urgent_mail_goes_first_and_each_class_in_its_order),
    TEST(a_new_route_moves_mail_of_every_class))
