/* What is told of a message that came by X.400: a report instead of a notice. */
#include "fake_world.h"
#include "test_main.h"
#include <stdio.h>

static struct world *
started(void)
{
    struct world *w = world_new();

    world_start(w);
    return w;
}

static void
expect_nothing_left(struct world *w)
{
    CU_ASSERT_TRUE(world_empty(w));
    CU_ASSERT_EQUAL(w->q->violations, 0);
    CU_ASSERT_EQUAL(w->q->readers, 0);
}

static void
what_came_by_x400_is_told_by_a_report(void)
{
    static const size_t pieces[] = { 1, 7, 31, 33, SIZE_MAX };
    static const struct {
        uint64_t wants;
        const char *content;
    } rows[] = { { 1000, "0123456789012345678901234567890123456789" },
        { 35, "01234567890123456789012345678901234" }, { 0, "01234567890123456789012345678901" } };

    for (size_t i = 0; i < ARRAY_LEN(pieces) * ARRAY_LEN(rows); i++) {
        struct world *w = started();
        struct queue_message *m;
        char expected[200];

        w->q->piece_bytes = pieces[i / ARRAY_LEN(rows)];
        w->report_wants = rows[i % ARRAY_LEN(rows)].wants;
        (void)world_host(w, "strict.example", HOST_REJECT);
        m = world_put(w, "/C=GB/A=T/S=From/", "u0@strict.example");
        m->body = ENVELOPE_P1_MESSAGE;
        fake_queue_content(w->q, m, slice_of(rows[0].content));
        m->size_bytes = strlen(rows[0].content);
        CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
        CU_ASSERT_EQUAL(w->notices, 0);
        CU_ASSERT_EQUAL(w->reports, 1);
        CU_ASSERT_STRING_EQUAL(w->q->journal, "nf");
        (void)snprintf(expected, sizeof(expected), "%s|u0@strict.example 5.1.1;",
            rows[i % ARRAY_LEN(rows)].content);
        CU_ASSERT_STRING_EQUAL(w->reported, expected);
        expect_nothing_left(w);
        world_free(w);
    }
}

static void
a_report_that_cannot_be_queued_defers_the_failure_and_no_delay_is_told(void)
{
    struct world *w = started();
    struct queue_message *m;

    (void)world_host(w, "bad.example", HOST_DEFER);
    m = world_put(w, "/C=GB/A=T/S=From/", "u0@bad.example");
    m->body = ENVELOPE_P1_PROBE;
    (void)world_run(w, WORLD_START + 4 * HOUR + MINUTE, NULL);
    CU_ASSERT_EQUAL(w->notices + w->reports, 0);
    w->q->reader_rc = BH_EDAMAGED;
    w->notify_rc = -ENOSPC;
    (void)world_run(w, WORLD_START + 5 * DAY + MINUTE, NULL);
    CU_ASSERT_EQUAL(m->live_count, 1);
    w->notify_rc = 0;
    CU_ASSERT_TRUE(world_run(w, WORLD_START + 6 * DAY, world_empty));
    CU_ASSERT_EQUAL(w->notices, 0);
    CU_ASSERT_EQUAL(w->reports, 1);
    CU_ASSERT_TRUE(slice_starts(slice_of(w->reported), SLICE_LIT("|u0@bad.example ")));
    expect_nothing_left(w);
    world_free(w);
}

static void
what_came_by_x400_is_given_up_at_its_own_time(void)
{
    static const uint64_t hours[] = { 1, 9 * 24 };

    for (size_t i = 0; i < ARRAY_LEN(hours); i++) {
        struct world *w = started();
        struct queue_message *m;

        w->expires_wall_ms = WORLD_START + hours[i] * HOUR;
        (void)world_host(w, "bad.example", HOST_DEFER);
        m = fake_queue_put(
            w->q, "/C=GB/A=T/S=From/", (const char *[]){ "u0@bad.example" }, 1, w->now);
        m->body = ENVELOPE_P1_MESSAGE;
        world_add(w, m);
        (void)world_run(w, w->expires_wall_ms - 1, NULL);
        CU_ASSERT_EQUAL(w->reports, 0);
        CU_ASSERT_TRUE(world_run(w, w->expires_wall_ms + 2 * MINUTE, world_empty));
        CU_ASSERT_EQUAL(w->reports, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w->reported, "u0@bad.example 4.4.7"));
        expect_nothing_left(w);
        world_free(w);
    }
}

TEST_MAIN("sched_notice", TEST(what_came_by_x400_is_given_up_at_its_own_time),
    TEST(what_came_by_x400_is_told_by_a_report),
    TEST(a_report_that_cannot_be_queued_defers_the_failure_and_no_delay_is_told))
