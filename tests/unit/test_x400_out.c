/* The sending half against a fake association and a fake scheduler: what is asked before which
 * octet, what every end leaves, turns, and which association is taken. */
#include "fake_x400.h"
#include "test_main.h"

#define L(s)           ((struct slice)SLICE_LIT(s))
#define DELIVERIES_MAX 6

static const char *const to[] = { "/C=FR/A= /P=PAR/S=Dupont/", "/C=FR/A= /P=PAR/S=Martin/",
    "/C=FR/A= /P=PAR/S=Durand/" };
static const struct slice recipients[] = { { "/C=FR/A= /P=PAR/S=Dupont/", 25 },
    { "/C=FR/A= /P=PAR/S=Durand/", 25 } };

struct rig {
    struct fake_world w;
    struct sched_session s;
    struct delivery deliveries[DELIVERIES_MAX];
    struct slice stored[DELIVERIES_MAX];
    struct p1_held held;
    struct buf content;
    struct transport transport;
};

/* Deliveries of one message to the first and the third of its recipients. */
static void
rig_start(struct rig *g, unsigned count, size_t content_bytes)
{
    p1_hold(&g->held, (struct p1_made){ .kind = P1_MESSAGE, .priority = P1_URGENT }, to,
        ARRAY_LEN(to), P1_MTA_NON_DELIVERY);
    buf_init(&g->content, 64 * MIB);
    CHECK(buf_append(&g->content, buf_slice(&g->held.octets)) == 0);
    for (size_t i = 0; i < content_bytes; i++) {
        CHECK(buf_append(&g->content, slice_sub(L("0123456789"), i % 10, 1)) == 0);
    }
    g->s = (struct sched_session){
        .list = g->deliveries, .count = count, .at = 1, .stored = g->stored, .piece_bytes = 1000
    };
    for (unsigned i = 0; i < count; i++) {
        g->stored[i] = buf_slice(&g->content);
        g->deliveries[i] = (struct delivery){ .id = i + 1,
            .body = ENVELOPE_P1_MESSAGE,
            .size_bytes = buf_len(&g->content),
            .received_wall_ms = P1_NOW,
            .recipient_count = ARRAY_LEN(recipients),
            .recipients = recipients };
    }
    fake_start(&g->w);
    g->transport = x400_connector_transport(g->w.c);
    CU_ASSERT_EQUAL(g->transport.ops->open(
                        g->transport.ctx, L("paris"), &g->s, &g->deliveries[0], &g->s.transport),
        0);
    run_a_while(g->w.loop);
}

static void
rig_init(struct rig *g, unsigned count, size_t content_bytes)
{
    fake_prepare(&g->w);
    rig_start(g, count, content_bytes);
}

static void
rig_stop(struct rig *g)
{
    run_a_while(g->w.loop);
    CU_ASSERT_EQUAL(g->s.closed, 1);
    fake_stop(&g->w);
    p1_held_fini(&g->held);
    buf_fini(&g->content);
}

static struct x400_conn *
opened(struct rig *g)
{
    fake_opened(&fake_conns[0], g->w.o.protocol, "PARIS", "par-secret");
    run_a_while(g->w.loop);
    return &fake_conns[0];
}

static void
ready(struct rig *g)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(g->s.ready);
    g->s.ready(g->s.ready_ctx);
    g->s.ready = NULL;
    run_a_while(g->w.loop);
}

static void
sent(struct rig *g, struct x400_conn *c)
{
    c->room = fake_room;
    fake_says(c, RTSE_IND_SENT, (struct rtse_ind){ .activity = 1 }, false);
    run_a_while(g->w.loop);
}

/* Read what went out; the content is counted. */
static uint64_t
read_sent(const struct x400_conn *c, struct p1_reader *r)
{
    struct buf content;
    uint64_t n;

    p1_reader_init(r, P1_1988_NORMAL);
    buf_init(&content, 64 * MIB);
    CU_ASSERT_EQUAL(buf_len(&c->out), c->apdu_bytes);
    CU_ASSERT_EQUAL(p1_feed(r, buf_slice(&c->out), &content), P1_END);
    n = buf_len(&content);
    buf_fini(&content);
    return n;
}

/* The bind says who we are; the APDU has our trace and the responsibility for this delivery. */
static void
what_goes_out_is_for_these_recipients_alone(void)
{
    struct rig g;
    struct x400_conn *c;
    struct p1_reader r;
    struct p1_recipient rcpt;
    struct p1_trace trace;
    struct ber_cursor walk;
    unsigned responsible = 0;

    rig_init(&g, 1, 5000);
    c = opened(&g);
    CU_ASSERT_EQUAL(g.s.opened, 1);
    CU_ASSERT_EQUAL_FATAL(read_sent(c, &r), 5000);
    ber_cursor_init(&walk, r.envelope.recipients);
    for (unsigned i = 0; p1_recipient_next(&walk, &rcpt) > 0; i++) {
        responsible |= (unsigned)((rcpt.indicators & P1_RESPONSIBLE) != 0) << i;
    }
    CU_ASSERT_EQUAL(responsible, 5);
    ber_cursor_init(&walk, r.envelope.trace);
    CU_ASSERT_EQUAL_FATAL(p1_trace_next(&walk, false, &trace), 1);
    CU_ASSERT_TRUE(p1_domain_equal(&trace.domain, &g.w.mta.domain));
    CU_ASSERT_EQUAL(r.envelope.priority, P1_URGENT);
    p1_reader_fini(&r);
    CU_ASSERT_EQUAL(g.s.results, 0);
    sent(&g, c);
    CU_ASSERT_EQUAL(g.s.results, 2);
    CU_ASSERT_EQUAL(g.s.kinds[0], OUTCOME_DELIVERED);
    g.transport.ops->close(g.s.transport, false);
    run_a_while(g.w.loop);
    CU_ASSERT_TRUE(c->closed);
    fake_ends(c, X400_CLOSED, OSI_SESSION, false);
    rig_stop(&g);
}

/* A small message: record, permission, then all octets at once. */
static void
a_small_message_waits_for_its_record(void)
{
    struct rig g;
    struct x400_conn *c;

    fake_prepare(&g.w);
    rig_start(&g, 1, 100);
    g.s.begin = g.s.attempted = g.s.dot = BH_EBUSY;
    c = opened(&g);
    CU_ASSERT_EQUAL(c->apdu_bytes, 0);
    ready(&g); /* begin */
    CU_ASSERT_EQUAL(c->apdu_bytes, 0);
    CU_ASSERT_EQUAL(g.s.begins, 2);
    ready(&g); /* attempted */
    CU_ASSERT_TRUE(c->apdu_bytes > 100);
    CU_ASSERT_TRUE(buf_len(&c->out) < c->apdu_bytes); /* the dot is awaited */
    ready(&g);
    CU_ASSERT_EQUAL(buf_len(&c->out), c->apdu_bytes);
    sent(&g, c);
    CU_ASSERT_EQUAL(g.s.kinds[1], OUTCOME_DELIVERED);
    fake_ends(c, X400_CLOSED, OSI_SESSION, false);
    rig_stop(&g);
}

/* However little room there is and however slowly content comes: the last octet waits for the dot.
 */
static void
the_last_octet_waits_for_permission(void)
{
    struct rig g;
    struct x400_conn *c;
    struct p1_reader r;

    rig_init(&g, 1, 200000);
    g.s.content = BH_EBUSY;
    g.s.dot = BH_EBUSY;
    fake_conns[0].room = 700;
    c = opened(&g);
    for (unsigned i = 0; i < 2000 && g.s.dots == 0; i++) {
        if (g.s.ready != NULL) {
            ready(&g);
        }
        CU_ASSERT_TRUE(buf_len(&c->out) < c->apdu_bytes || c->apdu_bytes == 0);
        c->room = 700;
        c->user->on_room(c->ctx);
    }
    CU_ASSERT_EQUAL(g.s.dots, 1);
    CU_ASSERT_EQUAL(g.s.attempts, 0);
    CU_ASSERT_TRUE(buf_len(&c->out) < c->apdu_bytes);
    c->user->on_room(c->ctx);
    CU_ASSERT_TRUE(buf_len(&c->out) < c->apdu_bytes);
    ready(&g);
    CU_ASSERT_EQUAL(read_sent(c, &r), 200000);
    p1_reader_fini(&r);
    sent(&g, c);
    CU_ASSERT_EQUAL(g.s.results, 2);
    fake_ends(c, X400_CLOSED, OSI_SESSION, false);
    rig_stop(&g);
}

/* Fenced before the last octet: it never goes, and the association is aborted. */
static void
without_permission_nothing_is_completed(void)
{
    struct rig g;
    struct x400_conn *c;

    rig_init(&g, 1, 100);
    g.s.dot = BH_EFENCED;
    c = opened(&g);
    CU_ASSERT_TRUE(buf_len(&c->out) < c->apdu_bytes);
    CU_ASSERT_TRUE(c->freed);
    CU_ASSERT_EQUAL(g.s.end_kind, OUTCOME_DEFERRED);
    CU_ASSERT_FALSE(g.s.end_in_doubt);
    rig_stop(&g);
}

static void
damaged_content_is_discarded(void)
{
    struct rig g;
    struct x400_conn *c;

    rig_init(&g, 1, 100000);
    g.s.piece_bytes = 30000;
    g.s.content = BH_EDAMAGED;
    c = opened(&g);
    CU_ASSERT_EQUAL(c->stopped, 1);
    fake_says(c, RTSE_IND_FAILED, (struct rtse_ind){ .reason = 0 }, false);
    run_a_while(g.w.loop);
    CU_ASSERT_EQUAL(g.s.results, 2);
    CU_ASSERT_EQUAL(g.s.kinds[0], OUTCOME_DEFERRED);
    CU_ASSERT_STRING_EQUAL(g.s.status[0], "4.3.0");
    CU_ASSERT_FALSE(c->freed);
    fake_ends(c, X400_CLOSED, OSI_SESSION, false);
    rig_stop(&g);
}

/* Each end leaves the message here, or in doubt; and the association's word decides which. */
static void
every_end_defers_and_only_a_lost_confirmation_is_in_doubt(void)
{
    for (unsigned stage = 0; stage < 4; stage++) {
        struct rig g;
        struct x400_conn *c = &fake_conns[0];

        rig_init(&g, 1, stage == 2 ? 200000 : 100);
        if (stage > 0) {
            g.s.attempted = stage == 1 ? BH_EBUSY : 0;
            fake_conns[0].room = 4000;
            (void)opened(&g);
        }
        fake_ends(c, X400_LOST, OSI_TCP, stage == 3);
        run_a_while(g.w.loop);
        CU_ASSERT_EQUAL(g.s.closed, 1);
        CU_ASSERT_EQUAL(g.s.opened, stage > 0);
        CU_ASSERT_EQUAL(g.s.end_kind, OUTCOME_DEFERRED);
        CU_ASSERT_EQUAL(g.s.end_in_doubt, stage == 3);
        CU_ASSERT_PTR_NOT_NULL(strstr(g.s.end_reply, "tcp: the connection was lost"));
        rig_stop(&g);
    }
}

/* transferCompleted is an answer, and the only one of its kind. */
static void
a_peer_that_says_it_is_completed_has_it(void)
{
    static const struct {
        enum x400_end_how how;
        enum osi_layer layer;
        unsigned reason;
        bool in_doubt, delivered;
    } rows[] = { { X400_ABORTED, OSI_RTSE, RTSE_ABORT_COMPLETED, true, true },
        { X400_ABORTED, OSI_RTSE, RTSE_ABORT_COMPLETED, false, false },
        { X400_ABORTED, OSI_RTSE, RTSE_ABORT_ACTIVITY, true, false },
        { X400_ABORTED, OSI_SESSION, RTSE_ABORT_COMPLETED, true, false },
        { X400_BROKEN, OSI_RTSE, RTSE_ABORT_COMPLETED, true, false } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct x400_end end = { .how = rows[i].how,
            .layer = rows[i].layer,
            .reason = rows[i].reason,
            .text = "as the test says",
            .opened = true,
            .in_doubt = rows[i].in_doubt };
        struct x400_conn *c = &fake_conns[0];
        struct rig g;

        rig_init(&g, 1, 100);
        (void)opened(&g);
        c->user->on_end(c->ctx, &end);
        run_a_while(g.w.loop);
        CU_ASSERT_TRUE(c->freed);
        CU_ASSERT_EQUAL(g.s.closed, 1);
        CU_ASSERT_EQUAL(g.s.results, rows[i].delivered ? 2 : 0);
        CU_ASSERT_TRUE(!rows[i].delivered || g.s.kinds[0] == OUTCOME_DELIVERED);
        CU_ASSERT_EQUAL(g.s.end_kind, rows[i].delivered ? OUTCOME_DELIVERED : OUTCOME_DEFERRED);
        CU_ASSERT_EQUAL(g.s.end_in_doubt, rows[i].in_doubt && !rows[i].delivered);
        rig_stop(&g);
    }
}

static void
a_report_of_the_peer_defers_and_the_association_goes_on(void)
{
    struct rig g;
    struct x400_conn *c;

    rig_init(&g, 2, 100);
    c = opened(&g);
    c->room = fake_room;
    fake_says(c, RTSE_IND_FAILED, (struct rtse_ind){ .reason = SESSION_REASON_RECEIVING }, false);
    run_a_while(g.w.loop);
    CU_ASSERT_EQUAL(g.s.results, 2);
    CU_ASSERT_EQUAL(g.s.kinds[1], OUTCOME_DEFERRED);
    CU_ASSERT_PTR_NOT_NULL(strstr(g.s.reply[0], "rtse: "));
    CU_ASSERT_EQUAL(buf_len(&c->out), c->apdu_bytes); /* the next one */
    sent(&g, c);
    CU_ASSERT_EQUAL(g.s.kinds[2], OUTCOME_DELIVERED);
    fake_ends(c, X400_CLOSED, OSI_SESSION, false);
    rig_stop(&g);
}

static void
what_is_no_p1_or_too_long_fails(void)
{
    for (unsigned way = 0; way < 3; way++) {
        struct rig g;
        struct x400_conn *c;

        fake_prepare(&g.w);
        g.w.o.message_bytes_max = way == 1 ? 99 : 0;
        rig_start(&g, 3, 100);
        fake_apdu_max = way == 2 ? 99 : UINT64_MAX; /* its checkpoints cannot count it */
        for (unsigned i = 0; i < 3; i++) {
            g.deliveries[i].body = way == 0 ? ENVELOPE_BODY_8BITMIME : ENVELOPE_P1_MESSAGE;
        }
        c = opened(&g);
        run_a_while(g.w.loop);
        CU_ASSERT_EQUAL(g.s.results, 6);
        CU_ASSERT_EQUAL(g.s.kinds[5], OUTCOME_FAILED);
        CU_ASSERT_STRING_EQUAL(g.s.status[5], way == 0 ? "5.6.3" : "5.3.4");
        CU_ASSERT_EQUAL(c->apdu_bytes, 0);
        fake_ends(c, X400_CLOSED, OSI_SESSION, false);
        rig_stop(&g);
    }
}

/* An association may be open for days: a limit that was corrected is not to fail what comes behind
 * it. But what goes over one is written in the mode that it was opened in. */
static void
the_next_delivery_goes_by_the_settings_of_the_reload(void)
{
    for (unsigned mode = 0; mode < 2; mode++) {
        struct rig g;
        struct x400_conn *c;

        rig_init(&g, 2, 100);
        c = opened(&g);
        g.w.o.message_bytes_max = 99;
        g.w.o.protocol = mode == 0 ? P1_1988_NORMAL : P1_1984;
        CU_ASSERT_EQUAL(x400_connector_set_options(g.w.c, &g.w.o), 0);
        sent(&g, c);
        CU_ASSERT_EQUAL(g.s.kinds[0], OUTCOME_DELIVERED);
        if (mode == 0) {
            CU_ASSERT_EQUAL_FATAL(g.s.results, 4);
            CU_ASSERT_EQUAL(g.s.kinds[2], OUTCOME_FAILED);
            CU_ASSERT_STRING_EQUAL(g.s.status[2], "5.3.4");
        } else {
            struct p1_reader r;

            CU_ASSERT_EQUAL(read_sent(c, &r), 100); /* in normal mode */
            p1_reader_fini(&r);
            sent(&g, c);
            CU_ASSERT_EQUAL_FATAL(g.s.results, 4);
            CU_ASSERT_EQUAL(g.s.kinds[2], OUTCOME_DELIVERED);
        }
        fake_ends(c, X400_CLOSED, OSI_SESSION, false);
        rig_stop(&g);
    }
}

static void
what_is_not_due_yet_waits_and_the_association_goes_on(void)
{
    struct p1_made m = { .kind = P1_MESSAGE,
        .deferred_wall_ms = P1_NOW + 20 * (uint64_t)31556952000 };
    struct p1_held later;
    struct rig g;
    struct x400_conn *c;

    p1_hold(&later, m, to, ARRAY_LEN(to), P1_MTA_NON_DELIVERY);
    rig_init(&g, 3, 100);
    g.stored[0] = buf_slice(&later.octets);
    g.deliveries[0].size_bytes = g.stored[0].n;
    c = opened(&g);
    run_a_while(g.w.loop);
    CU_ASSERT_EQUAL(g.s.results, 2);
    CU_ASSERT_EQUAL(g.s.kinds[1], OUTCOME_DEFERRED);
    CU_ASSERT_EQUAL(g.s.status[1][0], '4');
    CU_ASSERT_TRUE(c->apdu_bytes > 0); /* the next one goes */
    fake_ends(c, X400_CLOSED, OSI_SESSION, false);
    rig_stop(&g);
    p1_held_fini(&later);
}

/* Who answers has to be who was called. */
static void
another_mta_that_answers_gets_nothing(void)
{
    struct rig g;

    rig_init(&g, 1, 100);
    fake_opened(&fake_conns[0], P1_1988_NORMAL, "ROME", "par-secret");
    run_a_while(g.w.loop);
    CU_ASSERT_TRUE(fake_conns[0].freed);
    CU_ASSERT_EQUAL(fake_conns[0].apdu_bytes, 0);
    CU_ASSERT_EQUAL(g.s.opened, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(g.s.end_reply, "names another MTA"));
    rig_stop(&g);
}

static void
the_next_delivery_follows_and_the_limit_of_an_association_holds(void)
{
    for (uint32_t out_max = 0; out_max < 2; out_max++) {
        struct rig g;
        struct x400_conn *c;

        fake_prepare(&g.w);
        g.w.o.messages_per_association = 2;
        g.w.o.out_max = out_max;
        rig_start(&g, 3, 100);
        c = opened(&g);
        sent(&g, c);
        CU_ASSERT_EQUAL(g.s.results, 2);
        CU_ASSERT_FALSE(c->closed);
        sent(&g, c);
        CU_ASSERT_TRUE(c->closed);
        /* the third one takes another; where there may be one only, when the first one is gone */
        CU_ASSERT_EQUAL(fake_conn_count, out_max == 0 ? 2 : 1);
        fake_ends(c, X400_CLOSED, OSI_SESSION, false);
        run_a_while(g.w.loop);
        CU_ASSERT_EQUAL_FATAL(fake_conn_count, 2);
        fake_opened(&fake_conns[1], P1_1988_NORMAL, "PARIS", "par-secret");
        run_a_while(g.w.loop);
        sent(&g, &fake_conns[1]);
        CU_ASSERT_EQUAL(g.s.results, 6);
        CU_ASSERT_EQUAL(g.s.opened, 1);
        fake_ends(&fake_conns[1], X400_CLOSED, OSI_SESSION, false);
        rig_stop(&g);
    }
}

/* Mail that comes between our release and the peer's answer to it, which may be a minute, takes
 * another association. */
static void
an_idle_association_is_left_before_it_is_released(void)
{
    struct rig g;
    struct sched_session second;
    struct x400_conn *c;
    uint64_t was;

    rig_init(&g, 1, 100);
    second = g.s;
    c = opened(&g);
    sent(&g, c);
    was = c->apdu_bytes;
    CU_ASSERT_TRUE(c->user->on_idle(c->ctx));
    run_a_while(g.w.loop);
    CU_ASSERT_EQUAL(g.s.closed, 1);
    buf_clear(&c->out);
    CU_ASSERT_EQUAL(g.transport.ops->open(
                        g.transport.ctx, L("paris"), &second, &g.deliveries[0], &second.transport),
        0);
    run_a_while(g.w.loop);
    CU_ASSERT_EQUAL_FATAL(fake_conn_count, 2);
    fake_opened(&fake_conns[1], P1_1988_NORMAL, "PARIS", "par-secret");
    run_a_while(g.w.loop);
    CU_ASSERT_EQUAL(fake_conns[1].apdu_bytes, was);
    CU_ASSERT_EQUAL(buf_len(&c->out), 0);
    CU_ASSERT_FALSE(c->closed); /* x400_conn releases it by itself */
    fake_ends(c, X400_CLOSED, OSI_SESSION, false);
    sent(&g, &fake_conns[1]);
    CU_ASSERT_EQUAL(second.kinds[0], OUTCOME_DELIVERED);
    fake_ends(&fake_conns[1], X400_CLOSED, OSI_SESSION, false);
    rig_stop(&g);
}

/* The scheduler gives the session work in the same turn of the loop. */
static void
an_idle_session_that_gets_work_finds_another(void)
{
    struct rig g;
    struct x400_conn *c;

    rig_init(&g, 2, 100);
    g.s.count = 1; /* the second one comes later */
    c = opened(&g);
    sent(&g, c);
    CU_ASSERT_TRUE(c->user->on_idle(c->ctx));
    g.transport.ops->work(g.s.transport, &g.deliveries[1]);
    run_a_while(g.w.loop);
    CU_ASSERT_EQUAL(g.s.closed, 0);
    CU_ASSERT_EQUAL_FATAL(fake_conn_count, 2);
    fake_ends(c, X400_CLOSED, OSI_SESSION, false);
    fake_opened(&fake_conns[1], P1_1988_NORMAL, "PARIS", "par-secret");
    run_a_while(g.w.loop);
    sent(&g, &fake_conns[1]);
    CU_ASSERT_EQUAL(g.s.results, 4);
    fake_ends(&fake_conns[1], X400_CLOSED, OSI_SESSION, false);
    rig_stop(&g);
}

/* A slow disk may need longer than a short idle time. */
static void
an_association_with_a_delivery_in_hand_is_not_idle(void)
{
    struct rig g;
    struct x400_conn *c;

    fake_prepare(&g.w);
    rig_start(&g, 1, 100);
    g.s.attempted = BH_EBUSY;
    c = opened(&g);
    CU_ASSERT_EQUAL(c->apdu_bytes, 0);
    CU_ASSERT_FALSE(c->user->on_idle(c->ctx));
    ready(&g);
    CU_ASSERT_TRUE(c->apdu_bytes > 100);
    sent(&g, c);
    CU_ASSERT_EQUAL(g.s.kinds[1], OUTCOME_DELIVERED);
    fake_ends(c, X400_CLOSED, OSI_SESSION, false);
    rig_stop(&g);
}

/* Two-way alternate over an association that the peer opened: the turn is asked for, used, and
 * given when the peer wants it and has waited its number of messages. */
static void
the_peers_association_carries_our_mail_when_it_gives_the_turn(void)
{
    struct rig g;
    struct sched_session second;
    struct x400_conn *c;

    fake_prepare(&g.w);
    g.w.o.dialogue = RTSE_TWA;
    g.w.o.schedule.kind = X400_REMOTE_INITIATED;
    g.w.o.messages_per_turn = 2;
    rig_start(&g, 3, 100);
    CU_ASSERT_EQUAL(fake_conn_count, 0); /* it waits for a call */
    CU_ASSERT_EQUAL(g.s.closed, 0);
    second = g.s;
    CU_ASSERT_EQUAL(g.transport.ops->open(
                        g.transport.ctx, L("paris"), &second, &g.deliveries[0], &second.transport),
        0);
    run_a_while(g.w.loop);
    CU_ASSERT_EQUAL(second.closed, 1); /* one is enough; what it had in hand is in the line again */
    CU_ASSERT_TRUE(second.end_untried);
    CU_ASSERT_EQUAL(g.s.closed, 0);
    c = fake_bound(&g.w, RTSE_TWA);
    run_a_while(g.w.loop);
    CU_ASSERT_EQUAL(g.s.opened, 1);
    second = g.s; /* nor does one wait for a further call while this one is used */
    second.closed = 0;
    CU_ASSERT_EQUAL(g.transport.ops->open(
                        g.transport.ctx, L("paris"), &second, &g.deliveries[0], &second.transport),
        0);
    run_a_while(g.w.loop);
    CU_ASSERT_EQUAL(second.closed, 1);
    CU_ASSERT_TRUE(c->pleased);
    c->pleased = false;
    fake_says(c, RTSE_IND_TURN, (struct rtse_ind){ .priority = 0 }, false);
    CU_ASSERT_EQUAL(buf_len(&c->out), c->apdu_bytes);
    fake_says(c, RTSE_IND_PLEASE, (struct rtse_ind){ .priority = 0 }, false);
    sent(&g, c);
    CU_ASSERT_FALSE(c->gave);
    sent(&g, c);
    CU_ASSERT_TRUE(c->gave); /* and the third one waits */
    CU_ASSERT_EQUAL(g.s.results, 4);
    CU_ASSERT_FALSE(c->pleased);
    fake_says(c, RTSE_IND_GAVE, (struct rtse_ind){ .priority = 0 }, false);
    CU_ASSERT_TRUE(c->pleased);
    fake_says(c, RTSE_IND_TURN, (struct rtse_ind){ .priority = 0 }, false);
    sent(&g, c);
    CU_ASSERT_EQUAL(g.s.results, 6);
    g.transport.ops->close(g.s.transport, false);
    run_a_while(g.w.loop);
    CU_ASSERT_FALSE(c->closed || c->aborted); /* it is the peer's */
    fake_ends(c, X400_CLOSED, OSI_SESSION, false);
    rig_stop(&g);
}

/* A reload says that we call, or removes the connector: then nobody waits for the peer's call. */
static void
a_reload_ends_the_wait_for_the_peers_call(void)
{
    for (unsigned way = 0; way < 3; way++) { /* 0: the peer is still to call; 2: removed */
        struct rig g;

        fake_prepare(&g.w);
        g.w.o.dialogue = RTSE_TWA;
        g.w.o.schedule.kind = X400_REMOTE_INITIATED;
        rig_start(&g, 1, 100);
        if (way < 2) {
            g.w.o.schedule.kind = way == 0 ? X400_REMOTE_INITIATED : X400_ALWAYS;
            CU_ASSERT_EQUAL(x400_connector_set_options(g.w.c, &g.w.o), 0);
        } else {
            x400_connector_retire(g.w.c);
        }
        run_a_while(g.w.loop);
        CU_ASSERT_EQUAL(g.s.closed, way == 2);
        CU_ASSERT_EQUAL_FATAL(fake_conn_count, way == 1);
        if (way == 1) {
            sent(&g, opened(&g));
            CU_ASSERT_EQUAL(g.s.kinds[0], OUTCOME_DELIVERED);
            fake_ends(&fake_conns[0], X400_CLOSED, OSI_SESSION, false);
        } else if (way == 2) {
            CU_ASSERT_TRUE(g.s.end_untried);
        } else {
            g.transport.ops->close(g.s.transport, false);
        }
        rig_stop(&g);
    }
}

/* Suspended, or removed by a reload, while a session of ours has the peer's association: that ends
 * with the session, like one that nobody has, and not within a transfer of the peer's. */
static void
no_association_outlives_its_connectors_suspension(void)
{
    for (unsigned way = 0; way < 3; way++) { /* 1: removed; 2: the peer sends */
        struct x400_conn *c;
        struct rig g;

        fake_prepare(&g.w);
        g.w.o.dialogue = RTSE_TWA;
        g.w.o.schedule.kind = X400_REMOTE_INITIATED;
        rig_start(&g, 1, 100);
        c = fake_bound(&g.w, RTSE_TWA);
        run_a_while(g.w.loop);
        fake_says(c, RTSE_IND_TURN, (struct rtse_ind){ .priority = 0 }, false);
        sent(&g, c);
        CU_ASSERT_EQUAL(g.s.closed, 0); /* it is idle */
        if (way == 2) {
            fake_says(c, RTSE_IND_GAVE, (struct rtse_ind){ .priority = 0 }, false);
            fake_says(c, RTSE_IND_BEGIN, (struct rtse_ind){ .activity = 1 }, false);
        }
        if (way == 1) {
            x400_connector_retire(g.w.c);
        } else {
            x400_connector_suspend(g.w.c, true);
        }
        CU_ASSERT_FALSE(c->closed);
        g.transport.ops->close(g.s.transport, false); /* as the scheduler does then */
        run_a_while(g.w.loop);
        CU_ASSERT_EQUAL(g.s.closed, 1);
        if (way == 2) {
            CU_ASSERT_FALSE(c->closed);
            fake_says(c, RTSE_IND_STOPPED, (struct rtse_ind){ .activity = 1 }, false);
        }
        CU_ASSERT_TRUE(c->closed);
        fake_ends(c, X400_STOPPED, OSI_USER, false);
        rig_stop(&g);
    }
}

static void
without_work_the_turn_is_given_at_once_and_a_free_association_is_told_of(void)
{
    struct fake_world w;
    struct x400_conn *c;

    fake_prepare(&w);
    w.o.dialogue = RTSE_TWA;
    fake_start(&w);
    c = fake_bound(&w, RTSE_TWA);
    run_a_while(w.loop);
    CU_ASSERT_EQUAL(w.reached, 1);
    fake_says(c, RTSE_IND_TURN, (struct rtse_ind){ .priority = 0 }, false);
    CU_ASSERT_FALSE(c->gave);
    fake_says(c, RTSE_IND_PLEASE, (struct rtse_ind){ .priority = 0 }, false);
    CU_ASSERT_TRUE(c->gave);
    fake_ends(c, X400_CLOSED, OSI_SESSION, false);
    fake_stop(&w);
}

/* A second session: of the same association none, beyond the limit or below the threshold none. */
static void
another_association_is_opened_only_when_it_may(void)
{
    for (unsigned way = 0; way < 3; way++) {
        struct rig g;
        struct sched_session second;
        struct x400_conn *c;

        fake_prepare(&g.w);
        g.w.o.out_max = way == 1 ? 1 : 0;
        g.w.o.threshold = way == 2 ? 50 : 0;
        g.w.waiting = 49;
        rig_start(&g, 1, 100);
        second = g.s;
        c = opened(&g);
        CU_ASSERT_EQUAL(g.transport.ops->open(g.transport.ctx, L("paris"), &second,
                            &g.deliveries[0], &second.transport),
            0);
        run_a_while(g.w.loop);
        CU_ASSERT_EQUAL(fake_conn_count, way == 0 ? 2 : 1);
        CU_ASSERT_EQUAL(second.closed, way != 0);
        CU_ASSERT_EQUAL(way == 0 || second.end_untried, true);
        if (way == 0) {
            fake_ends(&fake_conns[1], X400_REFUSED, OSI_TRANSPORT, false);
            CU_ASSERT_EQUAL(second.closed, 1);
            CU_ASSERT_STRING_EQUAL(second.end_status, "4.4.1");
            CU_ASSERT_FALSE(second.end_untried);
        }
        sent(&g, c);
        fake_ends(c, X400_CLOSED, OSI_SESSION, false);
        rig_stop(&g);
    }
}

static void
a_connector_that_may_not_call_defers(void)
{
    struct rig g;

    fake_prepare(&g.w);
    g.w.o.schedule.kind = X400_NEVER;
    rig_start(&g, 1, 100);
    CU_ASSERT_EQUAL(fake_conn_count, 0);
    CU_ASSERT_EQUAL(g.s.closed, 1);
    CU_ASSERT_EQUAL(g.s.end_kind, OUTCOME_DEFERRED);
    rig_stop(&g);
}

/* The scheduler breaks a delivery off: in doubt only if all of it was sent. Whatever the
 * association says before it ends, nothing more is written: the content is not ours any more. */
static void
an_abort_ends_the_association_with_its_transfer(void)
{
    for (unsigned all = 0; all < 2; all++) {
        struct rig g;
        struct x400_conn *c;
        size_t before;

        rig_init(&g, 1, 200000);
        c = &fake_conns[0];
        c->room = all ? 400000 : 4000;
        (void)opened(&g);
        CU_ASSERT_EQUAL(buf_len(&c->out) == c->apdu_bytes, all == 1);
        before = buf_len(&c->out);
        g.transport.ops->close(g.s.transport, true);
        c->room += 4000;
        c->user->on_room(c->ctx);
        CU_ASSERT_EQUAL(buf_len(&c->out), before);
        CU_ASSERT_EQUAL(c->stopped, 0);
        run_a_while(g.w.loop);
        CU_ASSERT_TRUE(c->freed);
        CU_ASSERT_EQUAL(g.s.end_kind, OUTCOME_DEFERRED);
        CU_ASSERT_EQUAL(g.s.end_in_doubt, all == 1);
        rig_stop(&g);
    }
}

/* In X.410 mode and 1984 there are no P-selectors, and the bind is bare. */
static void
each_mode_is_offered_as_it_is(void)
{
    static const enum p1_protocol protocols[] = { P1_1988_NORMAL, P1_1988_X410, P1_1984 };

    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        struct rig g;
        struct x400_conn *c;
        struct p1_bind bind;
        const char *error;

        fake_prepare(&g.w);
        g.w.o.protocol = protocols[i];
        fake_selector(&g.w.o.remote.p, "P1");
        rig_start(&g, 1, 100);
        c = &fake_conns[0];
        CU_ASSERT_EQUAL(c->offer.mode == PRESENTATION_NORMAL, i == 0);
        CU_ASSERT_EQUAL(c->offer.application_protocol, i == 2 ? 1 : 12);
        CU_ASSERT_EQUAL(c->offer.called_p.n, i == 0 ? 2 : 0);
        CU_ASSERT_EQUAL(p1_bind_read((struct slice){ c->user_value, c->user_bytes }, protocols[i],
                            P1_BIND_ARGUMENT, &bind, &error),
            0);
        CU_ASSERT_TRUE(slice_eq(bind.mta_name, L("LONDON")));
        c = opened(&g);
        CU_ASSERT_TRUE(c->apdu_bytes > 0);
        sent(&g, c);
        CU_ASSERT_EQUAL(g.s.kinds[0], OUTCOME_DELIVERED);
        fake_ends(c, X400_CLOSED, OSI_SESSION, false);
        rig_stop(&g);
    }
}

TEST_MAIN("x400_out", TEST(what_goes_out_is_for_these_recipients_alone),
    TEST(a_small_message_waits_for_its_record), TEST(the_last_octet_waits_for_permission),
    TEST(without_permission_nothing_is_completed), TEST(damaged_content_is_discarded),
    TEST(every_end_defers_and_only_a_lost_confirmation_is_in_doubt),
    TEST(a_peer_that_says_it_is_completed_has_it),
    TEST(a_report_of_the_peer_defers_and_the_association_goes_on),
    TEST(what_is_no_p1_or_too_long_fails),
    TEST(the_next_delivery_goes_by_the_settings_of_the_reload),
    TEST(what_is_not_due_yet_waits_and_the_association_goes_on),
    TEST(another_mta_that_answers_gets_nothing),
    TEST(the_next_delivery_follows_and_the_limit_of_an_association_holds),
    TEST(an_idle_association_is_left_before_it_is_released),
    TEST(an_idle_session_that_gets_work_finds_another),
    TEST(an_association_with_a_delivery_in_hand_is_not_idle),
    TEST(the_peers_association_carries_our_mail_when_it_gives_the_turn),
    TEST(a_reload_ends_the_wait_for_the_peers_call),
    TEST(no_association_outlives_its_connectors_suspension),
    TEST(without_work_the_turn_is_given_at_once_and_a_free_association_is_told_of),
    TEST(another_association_is_opened_only_when_it_may),
    TEST(a_connector_that_may_not_call_defers),
    TEST(an_abort_ends_the_association_with_its_transfer), TEST(each_mode_is_offered_as_it_is))
