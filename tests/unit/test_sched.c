/* test_sched.c - the scheduler against hosts that behave and hosts that don't. Time is a number. */
#include "fake_world.h"
#include "test_main.h"

#include <stdio.h>
#include <time.h>

static struct sched_totals
totals(const struct world *w)
{
    struct sched_totals t;

    sched_totals(w->s, &t);
    return t;
}

static void
expect_nothing_left(struct world *w)
{
    struct sched_totals t = totals(w);

    CU_ASSERT_TRUE(world_empty(w));
    CU_ASSERT_EQUAL(t.active + t.ready + t.deferred, 0);
    CU_ASSERT_EQUAL(sched_active(w->s), 0);
    CU_ASSERT_EQUAL(w->q->violations, 0);
    CU_ASSERT_EQUAL(w->twice, 0);
    CU_ASSERT_EQUAL(w->q->readers, 0);
}

static struct world *
started(void)
{
    struct world *w = world_new();

    world_start(w);
    return w;
}

static bool
why_has(const struct world *w, const struct queue_message *m, const char *text)
{
    struct sched_why why;
    bool found;

    sched_why(w->s, m, 0, &why);
    found = strstr(why.text, text) != NULL;
    if (!found) {
        printf("why is \"%s\", without \"%s\"\n", why.text, text);
    }
    return found;
}

/* ---- delivery */

static void
a_message_is_delivered_and_forgotten(void)
{
    struct world *w = started();

    (void)world_put(w, "a@b", "u0@ok.example");
    CU_ASSERT_EQUAL(totals(w).active, 1);
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    CU_ASSERT_EQUAL(w->q->outcomes[OUTCOME_DELIVERED], 1);
    CU_ASSERT_EQUAL(totals(w).delivered, 1);
    CU_ASSERT_EQUAL(w->first_bytes, 32);
    (void)world_run(w, w->now + MINUTE, NULL);
    CU_ASSERT_EQUAL(sched_sessions(w->s), 0); /* idle ones left by themselves */
    expect_nothing_left(w);
    world_free(w);
}

static void
sessions_are_reused_and_limited(void)
{
    struct world *w = world_new();
    const struct host *h;

    w->connectors[0].concurrency = 7;
    world_start(w);
    h = world_host(w, "ok.example", HOST_OK);
    for (int i = 0; i < 1000; i++) {
        (void)world_put(w, "a@b", "u0@OK.example");
    }
    CU_ASSERT_TRUE(world_run(w, w->now + HOUR, world_empty));
    CU_ASSERT_EQUAL(h->delivered, 1000);
    CU_ASSERT_EQUAL(h->peak, 7);
    CU_ASSERT_EQUAL(h->opens, 7);
    expect_nothing_left(w);
    world_free(w);
}

static void
a_lone_message_opens_one_session(void)
{
    struct world *w = started();
    const struct host *h = world_host(w, "ok.example", HOST_OK);

    for (int i = 0; i < 50; i++) { /* one after the other */
        (void)world_put(w, "a@b", "u0@ok.example");
        CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    }
    CU_ASSERT_EQUAL(h->opens, 1);
    world_free(w);
}

static void
many_recipients_are_split_and_do_not_hold_up_others(void)
{
    struct world *w = world_new();
    const struct host *h;
    struct queue_message *small;

    w->connectors[0].concurrency = 1;
    world_start(w);
    h = world_host(w, "ok.example", HOST_OK);
    (void)world_put_many(w, "a@b", "ok.example", 1000);
    small = world_put(w, "a@b", "u0@ok.example");
    CU_ASSERT_EQUAL(small->id, 2);
    while (queue_find(w->q, 2) != NULL) {
        (void)world_run(w, w->now + 1, NULL);
    }
    CU_ASSERT_EQUAL(h->delivered, 101); /* two transactions of 50, of which one had begun */
    CU_ASSERT_TRUE(world_run(w, w->now + HOUR, world_empty));
    CU_ASSERT_EQUAL(h->delivered, 1001);
    expect_nothing_left(w);
    world_free(w);
}

static void
ten_thousand_recipients_at_as_many_destinations(void)
{
    struct world *w = world_new();
    static char text[10000][40];
    static const char *rcpts[10000];

    w->via_count = 0;
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(text[i], sizeof(text[i]), "u0@d%d.example", i % 250);
        rcpts[i] = text[i];
    }
    world_start(w);
    w->via_count = 1;
    world_add(w, fake_queue_put(w->q, "a@b", rcpts, 10000, w->now));
    CU_ASSERT_TRUE(world_run(w, w->now + HOUR, world_empty));
    CU_ASSERT_EQUAL(totals(w).delivered, 10000);
    world_free(w);
}

/* ---- failures of destinations */

static void
a_destination_that_refuses_is_asked_by_one_delivery(void)
{
    struct world *w = started();
    struct host *h = world_host(w, "down.example", HOST_REFUSE);
    uint64_t before;

    for (int i = 0; i < 1000; i++) {
        (void)world_put(w, "a@b", "u0@down.example");
    }
    (void)world_run(w, w->now + 10 * SECOND, NULL);
    before = h->opens;
    CU_ASSERT_TRUE(before <= 5);
    CU_ASSERT_EQUAL(w->q->outcomes[OUTCOME_DEFERRED], before); /* the others were not touched */
    CU_ASSERT_EQUAL(totals(w).ready, 1000 - before);
    CU_ASSERT_TRUE(why_has(w, queue_find(w->q, 900), "down until 2026-"));
    CU_ASSERT_TRUE(why_has(w, queue_find(w->q, 1), "next try at 2026-"));
    (void)world_run(w, w->now + 23 * SECOND, NULL);
    CU_ASSERT_EQUAL(h->opens, before + 1); /* the probe */
    (void)world_run(w, w->now + HOUR, NULL);
    CU_ASSERT_TRUE(h->opens <= before + 9);
    h->mode = HOST_OK;
    CU_ASSERT_TRUE(world_run(w, w->now + 2 * HOUR, world_empty));
    CU_ASSERT_EQUAL(h->delivered, 1000);
    expect_nothing_left(w);
    world_free(w);
}

static bool
healthy_done(struct world *w)
{
    return w->hosts[1].delivered == 500;
}

static void
a_black_hole_does_not_delay_others(void)
{
    static const enum host_mode bad[] = { HOST_BLACKHOLE, HOST_HANG, HOST_LOSE, HOST_DEFER };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct world *w = started();
        struct world *alone = started();

        (void)world_host(w, "hole.example", bad[i]);
        (void)world_host(w, "ok.example", HOST_OK);
        (void)world_host(alone, "unused", HOST_OK);
        (void)world_host(alone, "ok.example", HOST_OK);
        for (int k = 0; k < 500; k++) {
            (void)world_put(w, "a@b", "u0@hole.example");
            (void)world_put(w, "a@b", "u0@ok.example");
            (void)world_put(alone, "a@b", "u0@ok.example");
        }
        CU_ASSERT_TRUE(world_run(w, w->now + DAY, healthy_done));
        CU_ASSERT_TRUE(world_run(alone, alone->now + DAY, healthy_done));
        CU_ASSERT_EQUAL(w->now, alone->now); /* to the millisecond as if it weren't there */
        if (bad[i] == HOST_BLACKHOLE || bad[i] == HOST_HANG) {
            CU_ASSERT_TRUE(w->hosts[0].sessions >= 5); /* and it holds all it gets */
        }
        CU_ASSERT_EQUAL(w->q->violations, 0);
        world_free(w);
        world_free(alone);
    }
}

static void
a_full_connector_is_shared(void)
{
    struct world *w = world_new();

    w->connectors[0].connector_limit = 10;
    world_start(w);
    (void)world_host(w, "hole.example", HOST_HANG);
    (void)world_host(w, "ok.example", HOST_OK);
    for (int k = 0; k < 500; k++) {
        (void)world_put(w, "a@b", "u0@hole.example");
        (void)world_put(w, "a@b", "u0@ok.example");
    }
    for (int k = 0; k < 100; k++) {
        char rcpt[40];

        (void)snprintf(rcpt, sizeof(rcpt), "u0@d%d.example", k);
        (void)world_put(w, "a@b", rcpt);
    }
    CU_ASSERT_TRUE(world_run(w, w->now + 4 * MINUTE, healthy_done));
    (void)world_run(w, WORLD_START + 4 * MINUTE, NULL);
    CU_ASSERT_EQUAL(totals(w).delivered, 600); /* before the first hung session ends */
    CU_ASSERT_TRUE(sched_sessions(w->s) <= 10);
    world_free(w);
}

static void
an_idle_session_gives_its_place(void)
{
    struct world *w = world_new();

    w->connectors[0].connector_limit = 1;
    w->idle_ms = HOUR;
    world_start(w);
    for (int k = 0; k < 20; k++) { /* each waits while the one before is busy */
        char rcpt[40];

        (void)snprintf(rcpt, sizeof(rcpt), "u0@d%d.example", k);
        (void)world_put(w, "a@b", rcpt);
    }
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    expect_nothing_left(w);
    world_free(w);
}

static void
a_host_that_takes_few_sessions_gets_few(void)
{
    struct world *w = started();
    struct host *h = world_host(w, "few.example", HOST_OK);

    h->session_max = 2;
    for (int i = 0; i < 300; i++) {
        (void)world_put(w, "a@b", "u0@few.example");
    }
    CU_ASSERT_TRUE(world_run(w, w->now + 10 * MINUTE, world_empty));
    CU_ASSERT_EQUAL(h->delivered, 300);
    CU_ASSERT_EQUAL(
        w->q->outcomes[OUTCOME_DEFERRED], 0); /* a refused extra session is no failure */
    CU_ASSERT_TRUE(h->opens < 20);
    world_free(w);
}

static void
a_peer_that_left_while_idle_costs_no_attempt(void)
{
    struct world *w = started();
    struct host *h = world_host(w, "ok.example", HOST_OK);

    (void)world_put(w, "a@b", "u0@ok.example");
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    h->mode = HOST_LOSE;
    (void)world_put(w, "a@b", "u0@ok.example");
    (void)world_run(w, w->now + 6, NULL); /* the idle session was lost with it */
    CU_ASSERT_EQUAL(w->q->outcomes[OUTCOME_DEFERRED], 0);
    h->mode = HOST_OK;
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    CU_ASSERT_EQUAL(w->q->outcomes[OUTCOME_DEFERRED], 0);
    expect_nothing_left(w);
    world_free(w);
}

static void
no_such_domain_fails_the_mail_not_the_destination(void)
{
    struct world *w = started();

    (void)world_host(w, "nx.example", HOST_NXDOMAIN);
    (void)world_put(w, "a@b", "u0@nx.example");
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    CU_ASSERT_STRING_EQUAL(w->q->journal, "nf");
    CU_ASSERT_PTR_NOT_NULL(strstr(w->notice, "Status: 5.1.2\r\n"));
    expect_nothing_left(w);
    world_free(w);
}

/* ---- retries */

static void
a_deferred_recipient_follows_the_schedule_through_a_failover(void)
{
    static const uint64_t steps[] = { 30 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, HOUR };
    struct world *w = started();
    struct host *h = world_host(w, "busy.example", HOST_DEFER);
    struct queue_message *m = world_put(w, "a@b", "u0@busy.example");

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        uint64_t next;

        (void)world_run(w, w->now + SECOND, NULL);
        CU_ASSERT_EQUAL(m->recipients[0].attempts, i + 1);
        CU_ASSERT_TRUE(slice_eq(m->recipients[0].last_reply, SLICE_LIT("450 4.2.1 mailbox busy")));
        next = m->recipients[0].next_wall_ms;
        CU_ASSERT_TRUE(next >= w->now - SECOND + steps[i] * 9 / 10);
        CU_ASSERT_TRUE(next <= w->now + steps[i] * 11 / 10);
        if (i % 2 == 1) {
            world_stop(w);
            world_start(w);
        }
        (void)world_run(w, next - 1, NULL);
        CU_ASSERT_EQUAL(h->attempts, i + 1);
        (void)world_run(w, next, NULL);
    }
    h->mode = HOST_OK;
    CU_ASSERT_TRUE(world_run(w, w->now + 2 * HOUR, world_empty));
    expect_nothing_left(w);
    world_free(w);
}

static void
what_was_delivered_of_a_message_is_not_sent_again(void)
{
    struct world *w = started();
    struct host *h = world_host(w, "mixed.example", HOST_MIXED);

    (void)world_put_many(w, "a@b", "mixed.example", 60);
    (void)world_run(w, w->now + SECOND, NULL);
    world_stop(w);
    world_start(w);
    (void)world_run(w, w->now + MINUTE, NULL);
    h->mode = HOST_OK;
    CU_ASSERT_TRUE(world_run(w, w->now + DAY, world_empty));
    CU_ASSERT_EQUAL(w->q->outcomes[OUTCOME_DELIVERED] + w->q->outcomes[OUTCOME_FAILED], 60);
    CU_ASSERT_TRUE(w->q->outcomes[OUTCOME_FAILED] > 0 && w->q->outcomes[OUTCOME_DEFERRED] > 0);
    expect_nothing_left(w);
    world_free(w);
}

/* ---- alternates */

static struct world *
two_connectors(void)
{
    struct world *w = world_new();

    w->connectors[0].name = "first";
    w->connectors[0].per_domain = false;
    w->connectors[1] = w->connectors[0];
    w->connectors[1].name = "second";
    w->connector_count = 2;
    w->via[1] = 1;
    w->via_count = 2;
    world_start(w);
    return w;
}

static void
the_alternate_takes_over_and_gives_back(void)
{
    struct world *w = two_connectors();
    struct host *first = world_host(w, "first", HOST_REFUSE);
    struct host *second = world_host(w, "second", HOST_OK);

    for (int i = 0; i < 5000; i++) {
        (void)world_put(w, "a@b", "u0@x.example");
    }
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    CU_ASSERT_EQUAL(second->delivered, 5000);
    CU_ASSERT_EQUAL(w->q->outcomes[OUTCOME_DEFERRED], 0); /* there was a way */
    first->mode = HOST_OK;
    (void)world_run(w, w->now + HOUR, NULL);
    for (int i = 0; i < 100; i++) { /* the first is the probe, the next wait for no one */
        (void)world_put(w, "a@b", "u0@x.example");
    }
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    CU_ASSERT_TRUE(first->delivered >= 1);
    for (int i = 0; i < 100; i++) {
        (void)world_put(w, "a@b", "u0@x.example");
    }
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    CU_ASSERT_TRUE(first->delivered >= 101);
    expect_nothing_left(w);
    world_free(w);
}

static void
with_both_down_mail_waits_and_goes_with_the_first_back(void)
{
    struct world *w = two_connectors();
    struct host *second;

    (void)world_host(w, "first", HOST_BLACKHOLE);
    second = world_host(w, "second", HOST_REFUSE);
    for (int i = 0; i < 3000; i++) {
        (void)world_put(w, "a@b", "u0@x.example");
    }
    (void)world_run(w, w->now + 10 * MINUTE, NULL);
    CU_ASSERT_EQUAL(w->q->live, 3000);
    CU_ASSERT_TRUE(w->q->outcomes[OUTCOME_DEFERRED] < 60);
    second->mode = HOST_OK;
    CU_ASSERT_TRUE(world_run(w, w->now + 3 * HOUR, world_empty));
    CU_ASSERT_EQUAL(second->delivered, 3000);
    expect_nothing_left(w);
    world_free(w);
}

static void
a_suspended_connector_keeps_its_mail_or_the_alternate_has_it(void)
{
    struct world *w = two_connectors();
    struct host *first = world_host(w, "first", HOST_OK),
                *second = world_host(w, "second", HOST_OK);
    struct sched_connector_info info;

    CU_ASSERT_EQUAL(sched_connector_suspend(w->s, SLICE_LIT("none"), true), BH_ENOTFOUND);
    CU_ASSERT_EQUAL(sched_connector_suspend(w->s, SLICE_LIT("first"), true), 0);
    (void)world_put(w, "a@b", "u0@x.example");
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    CU_ASSERT_EQUAL(second->delivered, 1);
    CU_ASSERT_EQUAL(sched_connector_suspend(w->s, SLICE_LIT("second"), true), 0);
    for (int i = 0; i < 100; i++) {
        (void)world_put(w, "a@b", "u0@x.example");
    }
    (void)world_run(w, w->now + HOUR, NULL);
    CU_ASSERT_EQUAL(w->q->live, 100);
    CU_ASSERT_TRUE(why_has(w, queue_find(w->q, 50), "connector first is suspended"));
    sched_connector_info(w->s, 0, &info);
    CU_ASSERT_TRUE(info.suspended && info.queued == 100 && info.sessions == 0);
    CU_ASSERT_EQUAL(sched_connector_suspend(w->s, SLICE_LIT("first"), false), 0);
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    CU_ASSERT_EQUAL(first->delivered, 100);
    expect_nothing_left(w);
    world_free(w);
}

/* ---- notices */

static void
several_failures_of_a_delivery_are_one_notice_queued_first(void)
{
    struct world *w = started();
    const struct host *h = world_host(w, "strict.example", HOST_REJECT);

    (void)world_put_many(w, "sender@example.org", "strict.example", 3);
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    CU_ASSERT_STRING_EQUAL(w->q->journal, "nfff");
    CU_ASSERT_EQUAL(h->attempts, 3);
    CU_ASSERT_PTR_NOT_NULL(strstr(w->notice, "To: <sender@example.org>"));
    CU_ASSERT_PTR_NOT_NULL(strstr(w->notice, "Diagnostic-Code: smtp; 550 5.1.1 no such user"));
    CU_ASSERT_PTR_NOT_NULL(strstr(w->notice, "Remote-MTA: dns; mx.example\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(w->notice, "u2@strict.example"));
    CU_ASSERT_PTR_NOT_NULL(strstr(w->notice, "\r\nSubject: test\r\nFrom: a\r\n\r\n--"));
    CU_ASSERT_PTR_NULL(strstr(w->notice, "body"));
    expect_nothing_left(w);
    world_free(w);
}

static void
headers_come_in_pieces_late_or_not_at_all(void)
{
    static const size_t pieces[] = { 1, 2, 3, 7, SIZE_MAX };
    static char big[200000];

    for (size_t i = 0; i < ARRAY_LEN(pieces) * 2; i++) {
        struct world *w = started();

        w->q->piece_bytes = pieces[i / 2];
        w->q->busy = i % 2 == 1;
        (void)world_host(w, "strict.example", HOST_NXDOMAIN);
        (void)world_put(w, "s@example.org", "u0@strict.example");
        CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
        CU_ASSERT_PTR_NOT_NULL(strstr(w->notice, "\r\nSubject: test\r\nFrom: a\r\n\r\n--"));
        expect_nothing_left(w);
        world_free(w);
    }
    for (int i = 0; i < 4; i++) {
        static const char *const contents[] = { "\r\nno header", "", "half a line" };
        struct world *w = started();
        struct queue_message *m;

        memset(big, 'x', sizeof(big));
        for (size_t k = 50; k < sizeof(big); k += 100) {
            big[k] = '\r';
            big[k + 1] = '\n';
        }
        (void)world_host(w, "strict.example", HOST_REJECT);
        m = world_put(w, "s@example.org", "u0@strict.example");
        fake_queue_content(
            w->q, m, i < 3 ? slice_of(contents[i]) : (struct slice){ big, sizeof(big) });
        CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
        CU_ASSERT_EQUAL(w->notices, 1);
        CU_ASSERT_EQUAL(strstr(w->notice, "rfc822-headers") != NULL, i >= 2);
        CU_ASSERT_TRUE(strlen(w->notice) < 80000);
        expect_nothing_left(w);
        world_free(w);
    }
}

static void
unreadable_content_is_told_without_the_header(void)
{
    struct world *w = started();

    (void)world_host(w, "nx.example", HOST_NXDOMAIN);
    w->q->reader_rc = BH_EDAMAGED;
    (void)world_put(w, "s@example.org", "u0@nx.example");
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    CU_ASSERT_STRING_EQUAL(w->q->journal, "nf");
    CU_ASSERT_PTR_NULL(strstr(w->notice, "rfc822-headers"));
    expect_nothing_left(w);
    world_free(w);
}

static void
nobody_is_told_who_must_not_be(void)
{
    struct world *w = started();
    struct queue_message *m;

    (void)world_host(w, "strict.example", HOST_REJECT);
    (void)world_put(w, "", "u0@strict.example"); /* a bounce is not bounced */
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    CU_ASSERT_STRING_EQUAL(w->q->journal, "f");
    for (int i = 0; i < 2; i++) {
        const char *rcpt = "u0@strict.example";

        m = fake_queue_put(w->q, "s@example.org", &rcpt, 1, w->now);
        m->recipients[0].notify =
            i == 0 ? ENVELOPE_NOTIFY_NEVER : ENVELOPE_NOTIFY_SUCCESS | ENVELOPE_NOTIFY_DELAY;
        world_add(w, m);
    }
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    CU_ASSERT_STRING_EQUAL(w->q->journal, "fff");
    CU_ASSERT_EQUAL(w->notices, 0);
    expect_nothing_left(w);
    world_free(w);
}

static void
a_notice_that_cannot_be_queued_defers_the_failure(void)
{
    struct world *w = started();
    struct queue_message *m;

    (void)world_host(w, "strict.example", HOST_REJECT);
    w->notify_rc = -ENOSPC;
    m = world_put(w, "s@example.org", "u0@strict.example");
    (void)world_run(w, w->now + 30 * SECOND, NULL);
    CU_ASSERT_STRING_EQUAL(w->q->journal, "d");
    CU_ASSERT_EQUAL(m->live_count, 1);
    w->notify_rc = 0;
    CU_ASSERT_TRUE(world_run(w, w->now + 2 * MINUTE, world_empty));
    CU_ASSERT_STRING_EQUAL(w->q->journal, "dnf");
    expect_nothing_left(w);
    world_free(w);
}

static void
a_delay_is_told_once_and_expiry_fails_it(void)
{
    static const enum host_mode modes[] = { HOST_DEFER, HOST_REFUSE, HOST_BLACKHOLE, HOST_HANG };

    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct world *w = started();

        (void)world_host(w, "bad.example", modes[i]);
        (void)world_put_many(w, "s@example.org", "bad.example", 3);
        (void)world_put(w, "", "u0@bad.example");
        (void)world_run(w, WORLD_START + 4 * HOUR - 1, NULL);
        CU_ASSERT_EQUAL(w->notices, 0);
        (void)world_run(w, WORLD_START + 4 * HOUR + MINUTE, NULL);
        CU_ASSERT_EQUAL(w->notices, 1);
        CU_ASSERT_EQUAL(w->q->warned, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w->notice, "Action: delayed"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w->notice, "Will-Retry-Until: "));
        world_stop(w);
        world_start(w);
        (void)world_run(w, WORLD_START + 5 * (uint64_t)DAY - 1, NULL);
        CU_ASSERT_EQUAL(w->notices, 1);
        CU_ASSERT_EQUAL(w->q->live, 2);
        CU_ASSERT_TRUE(world_run(w, WORLD_START + 5 * (uint64_t)DAY + 10 * MINUTE, world_empty));
        CU_ASSERT_PTR_NOT_NULL(strstr(w->notice, "Status: 4.4.7\r\n"));
        CU_ASSERT_PTR_NOT_NULL(strstr(w->notice, "expired"));
        CU_ASSERT_EQUAL(w->q->outcomes[OUTCOME_FAILED], 4);
        expect_nothing_left(w);
        world_free(w);
    }
}

/* The queue has the message until its last outcome is durable. */
static void
a_delay_notice_that_comes_too_late_is_no_fault(void)
{
    struct world *w = started();
    struct queue_message *m;

    (void)world_host(w, "bad.example", HOST_DEFER);
    m = world_put(w, "s@example.org", "u0@bad.example");
    w->q->busy = w->q->late_gone = true;
    (void)world_run(w, WORLD_START + 4 * HOUR - 1, NULL);
    w->now = WORLD_START + 4 * HOUR + 1;
    sched_tick(w->s);
    CU_ASSERT_EQUAL(w->q->readers, 1); /* it reads the header */
    CU_ASSERT_EQUAL(sched_drop(w->s, m), 0);
    while (fake_queue_ready(w->q)) {
    }
    CU_ASSERT_EQUAL(w->notices, 0);
    CU_ASSERT_EQUAL(w->q->violations, 0);
    fake_queue_reap(w->q);
    expect_nothing_left(w);
    world_free(w);
}

/* ---- the operator */

static void
held_mail_waits_for_its_release(void)
{
    struct world *w = started();
    struct host *h = world_host(w, "ok.example", HOST_DEFER);
    struct queue_message *m = world_put(w, "s@example.org", "u0@ok.example");

    CU_ASSERT_EQUAL(sched_hold(w->s, m, true), 0); /* while it is in a session */
    CU_ASSERT_EQUAL(sched_retry(w->s, m), BH_ESTATE);
    (void)world_run(w, w->now + 10 * (uint64_t)DAY, NULL);
    CU_ASSERT_EQUAL(h->attempts, 1);
    CU_ASSERT_EQUAL(w->notices, 0);
    CU_ASSERT_TRUE(why_has(w, m, "held"));
    world_stop(w);
    world_start(w);
    (void)world_run(w, w->now + DAY, NULL);
    CU_ASSERT_EQUAL(h->attempts, 1);
    h->mode = HOST_OK;
    w->o.expire_ms = 100 * (uint64_t)DAY;
    CU_ASSERT_EQUAL(sched_reconfigure(w->s, &w->o, w->connectors, 1), 0);
    CU_ASSERT_EQUAL(sched_hold(w->s, m, false), 0);
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    CU_ASSERT_EQUAL(h->delivered, 1);
    expect_nothing_left(w);
    world_free(w);
}

static void
retry_goes_now_and_first(void)
{
    struct world *w = started();
    struct host *h = world_host(w, "bad.example", HOST_REFUSE);
    struct queue_message *last = NULL;

    for (int i = 0; i < 100; i++) {
        last = world_put(w, "s@example.org", "u0@bad.example");
    }
    (void)world_run(w, w->now + HOUR, NULL);
    h->mode = HOST_OK;
    CU_ASSERT_EQUAL(sched_retry(w->s, last), 0);
    (void)world_run(w, w->now + 12, NULL);
    CU_ASSERT_PTR_NULL(queue_find(w->q, 100));
    CU_ASSERT_TRUE(world_run(w, w->now + HOUR, world_empty));
    expect_nothing_left(w);
    world_free(w);
}

static void
bounce_and_drop_end_a_message_wherever_it_is(void)
{
    static const enum host_mode modes[] = { HOST_DEFER, HOST_REFUSE, HOST_HANG };

    for (size_t i = 0; i < ARRAY_LEN(modes) * 4; i++) {
        struct world *w = started();
        struct queue_message *m;
        bool bounce = i % 2 == 0;

        w->q->late_gone = i % 4 > 1;
        (void)world_host(w, "bad.example", modes[i / 4]);
        m = world_put_many(w, "s@example.org", "bad.example", 120); /* 3 deliveries */
        (void)world_run(w, w->now + 20 * SECOND, NULL);
        CU_ASSERT_EQUAL(bounce ? sched_bounce(w->s, m) : sched_drop(w->s, m), 0);
        CU_ASSERT_TRUE(world_run(w, w->now + 6 * MINUTE, world_empty));
        CU_ASSERT_EQUAL(w->q->outcomes[bounce ? OUTCOME_FAILED : OUTCOME_REMOVED], 120);
        CU_ASSERT_EQUAL(w->notices > 0, bounce);
        if (bounce) {
            CU_ASSERT_PTR_NOT_NULL(strstr(w->notice, "bounced by the operator"));
        }
        expect_nothing_left(w);
        world_free(w);
    }
}

/* ---- run states */

static void
stop_cuts_sessions_without_a_trace_but_for_what_is_in_doubt(void)
{
    struct world *w = started();
    struct host *h = world_host(w, "ok.example", HOST_HANG);

    for (int i = 0; i < 50; i++) {
        (void)world_put(w, "a@b", "u0@ok.example");
    }
    (void)world_run(w, w->now + MINUTE, NULL);
    CU_ASSERT_TRUE(sched_active(w->s) > 0);
    sched_set_run(w->s, SCHED_STOPPED);
    CU_ASSERT_EQUAL(sched_active(w->s), 0);
    CU_ASSERT_EQUAL(w->q->journal_count, 0);
    w->q->record_rc = BH_EFENCED; /* no call of the queue may come now */
    (void)world_run(w, w->now + MINUTE, NULL);
    CU_ASSERT_EQUAL(sched_sessions(w->s), 0);
    w->q->record_rc = 0;
    h->mode = HOST_OK;
    sched_set_run(w->s, SCHED_RUNNING);
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    CU_ASSERT_EQUAL(h->delivered, 50);
    CU_ASSERT_EQUAL(w->q->outcomes[OUTCOME_DEFERRED], 0);
    expect_nothing_left(w);
    world_free(w);
}

static void
pause_lets_running_deliveries_end(void)
{
    struct world *w = started();
    struct host *h = world_host(w, "ok.example", HOST_OK);

    for (int i = 0; i < 50; i++) {
        (void)world_put(w, "a@b", "u0@ok.example");
    }
    sched_set_run(w->s, SCHED_PAUSED);
    (void)world_run(w, w->now + 5 * SECOND, NULL);
    CU_ASSERT_EQUAL(h->delivered, h->opens);
    CU_ASSERT_TRUE(why_has(w, queue_find(w->q, 50), "paused"));
    sched_set_run(w->s, SCHED_RUNNING);
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    expect_nothing_left(w);
    world_free(w);
}

static void
on_drained(void *ctx)
{
    ((struct world *)ctx)->drained++;
}

static bool
was_drained(struct world *w)
{
    return w->drained > 0;
}

static void
a_drain_ends_when_the_last_delivery_does(void)
{
    struct world *w = started();
    struct host *h = world_host(w, "ok.example", HOST_OK);

    for (int i = 0; i < 50; i++) {
        (void)world_put(w, "a@b", "u0@ok.example");
    }
    (void)world_run(w, w->now + 12, NULL);
    sched_drain(w->s, on_drained, w);
    CU_ASSERT_EQUAL(w->drained, 0); /* never inside the call */
    CU_ASSERT_TRUE(world_run(w, w->now + SECOND, was_drained));
    CU_ASSERT_EQUAL(sched_active(w->s), 0);
    CU_ASSERT_TRUE(w->q->live > 0);
    (void)world_run(w, w->now + SECOND, NULL);
    CU_ASSERT_EQUAL(sched_sessions(w->s), 0);
    CU_ASSERT_EQUAL(w->drained, 1);
    world_stop(w); /* and the next owner goes on */
    world_start(w);
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    CU_ASSERT_EQUAL(h->delivered, 50);
    expect_nothing_left(w);
    sched_drain(w->s, on_drained, w);
    CU_ASSERT_EQUAL(w->drained, 1);
    CU_ASSERT_TRUE(world_run(w, w->now + SECOND, NULL) || w->drained == 2);
    world_free(w);
}

static void
an_outcome_that_cannot_be_recorded_stops_everything(void)
{
    struct world *w = started();
    struct host *h = world_host(w, "ok.example", HOST_OK);

    for (int i = 0; i < 50; i++) {
        (void)world_put(w, "a@b", "u0@ok.example");
    }
    w->q->record_rc = -EIO;
    (void)world_run(w, w->now + DAY, NULL);
    CU_ASSERT_TRUE(h->delivered <= 5); /* those that were out */
    CU_ASSERT_EQUAL(w->q->live, 50);
    world_free(w);
}

static void
outcomes_wait_for_a_journal_without_memory(void)
{
    struct world *w = started();
    struct host *h = world_host(w, "mixed.example", HOST_MIXED);

    for (int i = 0; i < 50; i++) {
        (void)world_put_many(w, "s@example.org", "mixed.example", 10);
    }
    w->q->record_rc = -ENOMEM;
    (void)world_run(w, w->now + MINUTE, NULL);
    CU_ASSERT_TRUE(h->delivered > 0 && h->attempts <= 50); /* nothing new was begun */
    CU_ASSERT_EQUAL(w->q->live, 50);
    sched_drain(w->s, on_drained, w);
    (void)world_run(w, w->now + MINUTE, NULL);
    CU_ASSERT_EQUAL(w->drained, 0); /* what was delivered must be known to the next owner */
    w->q->record_rc = 0;
    CU_ASSERT_TRUE(world_run(w, w->now + SECOND, was_drained));
    CU_ASSERT_EQUAL(w->q->outcomes[OUTCOME_DELIVERED], h->delivered);
    world_stop(w);
    world_start(w);
    h->mode = HOST_OK;
    CU_ASSERT_TRUE(world_run(w, w->now + DAY, world_empty));
    expect_nothing_left(w);
    world_free(w);
}

static void
without_a_lease_no_dot_goes_out(void)
{
    struct world *w = started();
    struct host *h = world_host(w, "ok.example", HOST_OK);

    w->q->lease_rc = BH_EFENCED;
    (void)world_put(w, "a@b", "u0@ok.example");
    (void)world_run(w, w->now + 10 * SECOND, NULL);
    CU_ASSERT_EQUAL(h->delivered, 0);
    CU_ASSERT_EQUAL(w->q->live, 1);
    world_free(w);
}

static void
in_doubt_can_be_held(void)
{
    struct world *w = world_new();
    struct queue_message *m;

    w->connectors[0].in_doubt_hold = true;
    world_start(w);
    m = world_put(w, "a@b", "u0@doubt.example");
    (void)world_host(w, "doubt.example", HOST_DOUBT);
    (void)world_run(w, w->now + 30 * (uint64_t)DAY, NULL); /* nor does it expire */
    CU_ASSERT_TRUE(!m->held && m->recipients[0].in_doubt && m->recipients[0].attempts == 1);
    CU_ASSERT_TRUE(why_has(w, m, "may have been delivered"));
    CU_ASSERT_EQUAL(w->q->in_doubt, 1);
    (void)world_host(w, "doubt.example", HOST_OK);
    m->received_wall_ms = w->now;
    CU_ASSERT_EQUAL(sched_hold(w->s, m, false), 0);
    CU_ASSERT_FALSE(m->recipients[0].in_doubt);
    CU_ASSERT_TRUE(world_run(w, w->now + MINUTE, world_empty));
    expect_nothing_left(w);
    world_free(w);
}

/* ---- reload */

static void
reload_moves_what_waits_by_the_new_routes(void)
{
    struct world *w = two_connectors();
    struct host *third;

    (void)world_host(w, "first", HOST_REFUSE);
    (void)world_host(w, "second", HOST_DEFER);
    for (int i = 0; i < 3000; i++) {
        (void)world_put(w, "a@b", "u0@x.example");
    }
    (void)world_run(w, w->now + 20 * MINUTE, NULL);
    w->connectors[0] = w->connectors[1];
    w->connectors[0].name = "third";
    w->connector_count = 1;
    w->via_count = 1;
    third = world_host(w, "third", HOST_OK);
    CU_ASSERT_EQUAL(sched_reconfigure(w->s, &w->o, w->connectors, 1), 0);
    CU_ASSERT_EQUAL(sched_connector_count(w->s), 1);
    CU_ASSERT_TRUE(world_run(w, w->now + DAY, world_empty));
    CU_ASSERT_TRUE(third->delivered > 0);
    CU_ASSERT_EQUAL(totals(w).delivered, 3000);
    expect_nothing_left(w);
    (void)world_run(w, w->now + HOUR, NULL);
    CU_ASSERT_EQUAL(sched_sessions(w->s), 0);
    world_free(w);
}

static void
mail_without_a_route_waits_for_one(void)
{
    struct world *w = world_new();
    struct queue_message *m;

    w->via_count = 0;
    world_start(w);
    m = world_put(w, "s@example.org", "u0@x.example");
    CU_ASSERT_TRUE(why_has(w, m, "no route"));
    (void)world_run(w, w->now + HOUR, NULL);
    CU_ASSERT_EQUAL(w->q->live, 1);
    w->via_count = 1;
    CU_ASSERT_TRUE(world_run(w, w->now + 6 * MINUTE, world_empty)); /* even without a reload */
    w->via_count = 0;
    (void)world_put(w, "s@example.org", "u0@x.example");
    w->via_count = 1;
    CU_ASSERT_EQUAL(sched_reconfigure(w->s, &w->o, w->connectors, 1), 0);
    CU_ASSERT_TRUE(world_run(w, w->now + SECOND, world_empty));
    w->via_count = 0;
    (void)world_put(w, "s@example.org", "u0@x.example");
    CU_ASSERT_TRUE(world_run(w, w->now + 5 * (uint64_t)DAY + HOUR, world_empty)); /* or expires */
    CU_ASSERT_PTR_NOT_NULL(strstr(w->notice, "Status: 4.4.7"));
    expect_nothing_left(w);
    world_free(w);
}

static void
a_connector_is_down_after_its_time(void)
{
    struct world *w = two_connectors();
    struct sched_connector_info info;

    (void)world_host(w, "first", HOST_REFUSE);
    (void)world_host(w, "second", HOST_REFUSE);
    (void)world_put(w, "a@b", "u0@x.example");
    (void)world_run(w, w->now + 9 * MINUTE, NULL);
    CU_ASSERT_EQUAL(totals(w).connectors_down, 0);
    (void)world_run(w, w->now + 2 * MINUTE, NULL);
    CU_ASSERT_EQUAL(totals(w).connectors_down, 2);
    sched_connector_info(w->s, 1, &info);
    CU_ASSERT_TRUE(info.down);
    CU_ASSERT_STRING_EQUAL(info.last_error, "connection refused");
    (void)world_host(w, "first", HOST_OK);
    CU_ASSERT_TRUE(world_run(w, w->now + 2 * HOUR, world_empty));
    CU_ASSERT_EQUAL(totals(w).connectors_down, 1);
    world_free(w);
}

/* ---- chance */

static struct world *
chance_world(uint64_t seed)
{
    struct world *w = world_new();

    w->random = seed * 1000003;
    w->q->late_gone = seed % 2 == 1;
    w->q->busy = seed % 3 == 1;
    w->q->piece_bytes = seed % 3 == 2 ? 10 : SIZE_MAX;
    w->requeue_notices = true;
    w->connectors[0].connector_limit = seed % 4 == 3 ? 15 : 0;
    if (seed % 2 == 0) {
        w->connectors[1] = w->connectors[0];
        w->connectors[1].name = "relay";
        w->connectors[1].per_domain = false;
        w->connector_count = 2;
        w->via[0] = (uint16_t)(seed / 2 % 2);
        w->via[1] = (uint16_t)(1 - seed / 2 % 2);
        w->via_count = 2;
    }
    world_start(w);
    return w;
}

/* Eight messages, and a host that changes its mind. Returns the recipients. */
static uint64_t
chance_mail(struct world *w)
{
    uint64_t recipients = 0;
    char domain[40];

    for (int i = 0; i < 8; i++) {
        uint32_t count = world_random(w) % 10 == 0 ? 1 + (uint32_t)(world_random(w) % 60) : 1;

        (void)snprintf(domain, sizeof(domain), "d%u.example", (unsigned)(world_random(w) % 12));
        (void)world_put_many(w, world_random(w) % 10 == 0 ? "" : "s@d1.example", domain, count);
        recipients += count;
    }
    (void)snprintf(domain, sizeof(domain), "d%u.example", (unsigned)(world_random(w) % 12));
    (void)world_host(w, world_random(w) % 8 == 0 ? "relay" : domain,
        (enum host_mode)(world_random(w) % (HOST_MIXED + 1)));
    return recipients;
}

/* A crash, a pause, a reload, an operator. */
static void
chance_event(struct world *w)
{
    uint64_t dice = world_random(w) % 100;

    if (dice < 4) {
        world_stop(w);
        world_start(w);
    } else if (dice < 8) {
        sched_set_run(w->s, dice < 6 ? SCHED_PAUSED : SCHED_STOPPED);
    } else if (dice < 12) {
        CU_ASSERT_EQUAL(sched_reconfigure(w->s, &w->o, w->connectors, w->connector_count), 0);
    } else if (dice < 20) {
        CU_ASSERT_EQUAL(sched_connector_suspend(w->s, SLICE_LIT("mx"), dice < 16), 0);
    } else if (dice < 40) {
        struct queue_message *m = queue_after(w->q, world_random(w) % w->q->count);
        int rc = 0;

        if (m != NULL && m->sched != NULL) {
            rc = dice < 25   ? sched_hold(w->s, m, dice % 2 == 0)
                 : dice < 30 ? sched_retry(w->s, m)
                 : dice < 35 ? sched_bounce(w->s, m)
                             : sched_drop(w->s, m);
        }
        CU_ASSERT_TRUE(rc == 0 || rc == BH_ESTATE);
    }
}

/* Each live recipient waits for something that can be named. */
static void
expect_all_scheduled(struct world *w)
{
    for (struct queue_message *m = queue_after(w->q, 0); m != NULL; m = queue_after(w->q, m->id)) {
        for (uint32_t r = 0; r < m->recipient_count; r++) {
            struct sched_why why;

            sched_why(w->s, m, r, &why);
            w->q->violations += strcmp(why.text, "is not scheduled yet") == 0;
        }
    }
}

/* All troubles end but for some hosts that stay black holes: expiry ends those. */
static void
chance_ends(struct world *w)
{
    CU_ASSERT_EQUAL(sched_connector_suspend(w->s, SLICE_LIT("mx"), false), 0);
    for (struct queue_message *m = queue_after(w->q, 0); m != NULL; m = queue_after(w->q, m->id)) {
        CU_ASSERT_EQUAL(sched_hold(w->s, m, false), 0);
    }
    for (size_t i = 0; i < w->host_count; i++) {
        w->hosts[i].mode = i % 2 == 0 ? HOST_OK : HOST_BLACKHOLE;
    }
    CU_ASSERT_TRUE(world_run(w, w->now + 12 * (uint64_t)DAY, world_empty));
    expect_nothing_left(w);
}

static void
simulate(uint64_t seed)
{
    struct world *w = chance_world(seed);
    uint64_t puts = 0, recipients = 0;

    for (int round = 0; round < 300; round++) {
        recipients += chance_mail(w);
        puts += 8;
        chance_event(w);
        w->notify_rc = world_random(w) % 20 == 0 ? -ENOSPC : 0;
        w->q->record_rc = world_random(w) % 10 == 0 ? -ENOMEM : 0;
        (void)world_run(w, w->now + world_random(w) % (20 * MINUTE), NULL);
        w->q->record_rc = w->notify_rc = 0;
        (void)world_run(w, w->now + SECOND, NULL);
        sched_set_run(w->s, SCHED_RUNNING);
        expect_all_scheduled(w);
    }
    chance_ends(w);
    CU_ASSERT_EQUAL(w->q->outcomes[OUTCOME_DELIVERED] + w->q->outcomes[OUTCOME_FAILED] +
                        w->q->outcomes[OUTCOME_REMOVED],
        recipients + (w->q->count - puts)); /* each has one final outcome, notices too */
    (void)world_run(w, w->now + HOUR, NULL);
    CU_ASSERT_EQUAL(sched_sessions(w->s), 0);
    if (CU_get_number_of_failure_records() > 0) {
        printf("seed %llu\n", (unsigned long long)seed);
    }
    world_free(w);
}

static void
each_recipient_ends_once_whatever_happens(void)
{
    const char *from = getenv("SCHED_SEED"), *count = getenv("SCHED_SEEDS");
    uint64_t first = from != NULL ? strtoull(from, NULL, 10) : 1;
    uint64_t n = count != NULL ? strtoull(count, NULL, 10) : 12;

    for (uint64_t seed = first; seed < first + n; seed++) {
        simulate(seed);
    }
}

static double
cpu_us(void)
{
    return (double)clock() * 1e6 / CLOCKS_PER_SEC;
}

/* Facts about amounts; the printed times are for people. */
static void
a_crowd_waits_and_passes(void)
{
    struct world *w = started();
    struct host *h = world_host(w, "hole.example", HOST_REFUSE);
    const int n = 100000;
    double begin, added;

    begin = cpu_us();
    for (int i = 0; i < n; i++) {
        const char *rcpt = "u0@hole.example";

        sched_add(w->s, fake_queue_put(w->q, "a@b", &rcpt, 1, w->now));
    }
    added = cpu_us();
    (void)world_run(w, w->now + 20 * SECOND, NULL);
    CU_ASSERT_TRUE(w->q->outcomes[OUTCOME_DEFERRED] <= 5);
    h->mode = HOST_OK;
    CU_ASSERT_TRUE(world_run(w, w->now + HOUR, world_empty));
    printf("\n    %d messages: %.2f us each to add, %.2f us each to deliver, fakes included\n", n,
        (added - begin) / n, (cpu_us() - added) / n);
    expect_nothing_left(w);
    world_free(w);
}

TEST_MAIN("sched", TEST(a_message_is_delivered_and_forgotten),
    TEST(sessions_are_reused_and_limited), TEST(a_lone_message_opens_one_session),
    TEST(many_recipients_are_split_and_do_not_hold_up_others),
    TEST(ten_thousand_recipients_at_as_many_destinations),
    TEST(a_destination_that_refuses_is_asked_by_one_delivery),
    TEST(a_black_hole_does_not_delay_others), TEST(a_full_connector_is_shared),
    TEST(an_idle_session_gives_its_place), TEST(a_host_that_takes_few_sessions_gets_few),
    TEST(a_peer_that_left_while_idle_costs_no_attempt),
    TEST(no_such_domain_fails_the_mail_not_the_destination),
    TEST(a_deferred_recipient_follows_the_schedule_through_a_failover),
    TEST(what_was_delivered_of_a_message_is_not_sent_again),
    TEST(the_alternate_takes_over_and_gives_back),
    TEST(with_both_down_mail_waits_and_goes_with_the_first_back),
    TEST(a_suspended_connector_keeps_its_mail_or_the_alternate_has_it),
    TEST(several_failures_of_a_delivery_are_one_notice_queued_first),
    TEST(headers_come_in_pieces_late_or_not_at_all),
    TEST(unreadable_content_is_told_without_the_header), TEST(nobody_is_told_who_must_not_be),
    TEST(a_notice_that_cannot_be_queued_defers_the_failure),
    TEST(a_delay_is_told_once_and_expiry_fails_it),
    TEST(a_delay_notice_that_comes_too_late_is_no_fault), TEST(held_mail_waits_for_its_release),
    TEST(retry_goes_now_and_first), TEST(bounce_and_drop_end_a_message_wherever_it_is),
    TEST(stop_cuts_sessions_without_a_trace_but_for_what_is_in_doubt),
    TEST(pause_lets_running_deliveries_end), TEST(a_drain_ends_when_the_last_delivery_does),
    TEST(an_outcome_that_cannot_be_recorded_stops_everything),
    TEST(outcomes_wait_for_a_journal_without_memory), TEST(without_a_lease_no_dot_goes_out),
    TEST(in_doubt_can_be_held), TEST(reload_moves_what_waits_by_the_new_routes),
    TEST(mail_without_a_route_waits_for_one), TEST(a_connector_is_down_after_its_time),
    TEST(each_recipient_ends_once_whatever_happens), TEST(a_crowd_waits_and_passes))
