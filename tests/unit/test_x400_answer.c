/* What calls us: matched, refused with the part that did not match, limited. */
#include "fake_x400.h"
#include "test_main.h"

/* The usual world, with an association that is bound. */
static struct x400_conn *
start_bound(struct fake_world *w)
{
    fake_prepare(w);
    fake_start(w);
    return fake_bound(w, RTSE_MONOLOGUE);
}

/* One with points, and an association that another can recover by its name. */
static struct x400_conn *
start_recoverable(struct fake_world *w, uint64_t recovery_ms)
{
    struct x400_conn *c;

    fake_prepare(w);
    w->mta.points = true;
    w->o.checkpoint = 10;
    w->o.recovery_ms = recovery_ms;
    fake_start(w);
    c = fake_bound(w, RTSE_MONOLOGUE);
    c->recovery = (struct rtse_recovery){ .user = "\x04\x01Q", .user_n = 3, .checkpoint = 10 };
    return c;
}

static void
an_association_that_matches_is_accepted_without_points(void)
{
    struct fake_world w;
    struct x400_conn *c;
    struct p1_bind bind;
    const char *error;

    c = start_bound(&w);
    CU_ASSERT_TRUE(c->answered);
    CU_ASSERT_EQUAL(c->offer.checkpoint, 0);
    CU_ASSERT_EQUAL(c->offer.window, 3);
    CU_ASSERT_EQUAL_FATAL(p1_bind_read((struct slice){ c->user_value, c->user_bytes },
                              P1_1988_NORMAL, P1_BIND_RESULT, &bind, &error),
        0);
    CU_ASSERT_TRUE(slice_eq(bind.mta_name, SLICE_LIT("LONDON")));
    CU_ASSERT_TRUE(slice_eq(bind.password, SLICE_LIT("ldn-secret")));
    fake_ends(c, X400_CLOSED, OSI_SESSION, false);
    fake_stop(&w);
}

static void
points_are_one_switch(void)
{
    struct fake_world w;
    struct x400_conn *c;

    fake_prepare(&w);
    w.mta.points = true;
    w.o.checkpoint = 10;
    fake_start(&w);
    c = fake_bound(&w, RTSE_MONOLOGUE);
    CU_ASSERT_EQUAL(c->offer.checkpoint, 10);
    fake_ends(c, X400_CLOSED, OSI_SESSION, false);
    fake_stop(&w);
}

static void
another_t_selector_is_refused_by_the_transport(void)
{
    struct fake_world w;
    struct x400_conn *c;

    fake_prepare(&w);
    fake_start(&w);
    c = fake_call(&w, "ldn2");
    CU_ASSERT_FALSE(c->answered);
    CU_ASSERT_EQUAL(c->call_reason, TP0_REASON_ADDRESS);
    fake_ends(c, X400_REFUSED, OSI_TRANSPORT, false);
    fake_stop(&w);
}

static void
a_bind_that_does_not_match_is_told_apart(void)
{
    static const struct {
        enum p1_protocol protocol;
        enum rtse_dialogue dialogue;
        const char *name, *password;
        unsigned error;
        const char *why;
    } cases[] = {
        { P1_1988_NORMAL, RTSE_MONOLOGUE, "ROME", "par-secret", P1_BIND_AUTHENTICATION, NULL },
        { P1_1988_NORMAL, RTSE_MONOLOGUE, "PARIS", "wrong", P1_BIND_AUTHENTICATION, "password" },
        { P1_1984, RTSE_MONOLOGUE, "PARIS", "par-secret", P1_BIND_AUTHENTICATION, "mode" },
        { P1_1988_NORMAL, RTSE_TWA, "PARIS", "par-secret", P1_BIND_DIALOGUE, "two-way" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fake_world w;
        struct x400_conn *c;
        struct x400_connector_view v;
        struct p1_bind bind;
        const char *error;

        fake_prepare(&w);
        fake_start(&w);
        c = fake_call(&w, "ldn1");
        fake_offer(c, cases[i].protocol, cases[i].dialogue, cases[i].name, cases[i].password);
        CU_ASSERT_TRUE(c->refused && !c->accepted);
        CU_ASSERT_EQUAL(
            c->refuse_reason, p1_bind_refuse_reason((enum p1_bind_error)cases[i].error));
        if (cases[i].protocol == P1_1988_NORMAL) {
            CU_ASSERT_EQUAL_FATAL(p1_bind_read((struct slice){ c->user_value, c->user_bytes },
                                      P1_1988_NORMAL, P1_BIND_REFUSAL, &bind, &error),
                0);
            CU_ASSERT_EQUAL(bind.error, cases[i].error);
        }
        x400_connector_view(w.c, &v);
        if (cases[i].why != NULL) {
            CU_ASSERT_PTR_NOT_NULL(strstr(v.refused, cases[i].why));
            CU_ASSERT_TRUE(v.refused_incoming && v.refused_wall_ms > 0);
            CU_ASSERT_PTR_NULL(strstr(v.refused, "secret"));
        }
        fake_ends(c, X400_REFUSED, OSI_USER, false);
        fake_stop(&w);
    }
}

static void
limits_refuse_with_busy(void)
{
    for (unsigned way = 0; way < 3; way++) {
        struct fake_world w;
        struct x400_conn *first, *c;

        fake_prepare(&w);
        w.o.in_max = way == 0 ? 1 : 0;
        w.mta.associations_max = way == 1 ? 1 : 10;
        fake_start(&w);
        first = fake_bound(&w, RTSE_MONOLOGUE);
        x400_connector_suspend(w.c, way == 2);
        CU_ASSERT_EQUAL(first->closed, way == 2);
        c = fake_asked(&w, RTSE_MONOLOGUE);
        CU_ASSERT_TRUE(c->refused);
        CU_ASSERT_EQUAL(c->refuse_reason, RTSE_REFUSE_BUSY);
        fake_ends(c, X400_REFUSED, OSI_USER, false);
        fake_ends(first, X400_CLOSED, OSI_SESSION, false);
        fake_stop(&w);
    }
}

/* What a layer below the bind does not take is told on this side too; who only connects (a probe of
 * a load balancer) is not. */
static void
who_does_not_get_as_far_as_a_bind_is_told_of(void)
{
    static const struct {
        enum x400_end_how how;
        bool told;
    } ends[] = { { X400_BROKEN, true }, { X400_TIMED_OUT, true }, { X400_LOST, false },
        { X400_ABORTED, false }, { X400_STOPPED, false } };

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct x400_stats stats;
        struct fake_world w;

        fake_prepare(&w);
        fake_start(&w);
        fake_ends(fake_call(&w, "ldn1"), ends[i].how, OSI_SESSION, false);
        x400_stats(w.x, &stats);
        CU_ASSERT_EQUAL(stats.refused_calls, ends[i].told);
        fake_stop(&w);
    }
}

static void
connections_that_do_not_bind_are_few(void)
{
    struct fake_world w;
    struct x400_stats stats;

    fake_prepare(&w);
    w.mta.unbound_max = 2;
    fake_start(&w);
    (void)fake_call(&w, "ldn1");
    (void)fake_call(&w, "ldn1");
    (void)fake_call(&w, "ldn1"); /* not even made */
    CU_ASSERT_EQUAL(fake_conn_count, 2);
    x400_stats(w.x, &stats);
    CU_ASSERT_EQUAL(stats.unbound, 2);
    CU_ASSERT_EQUAL(stats.refused_calls, 1);
    fake_ends(&fake_conns[0], X400_TIMED_OUT, OSI_TCP, false);
    fake_ends(&fake_conns[1], X400_LOST, OSI_TCP, false);
    (void)fake_bound(&w, RTSE_MONOLOGUE);
    x400_stats(w.x, &stats);
    CU_ASSERT_EQUAL(stats.unbound, 0);
    CU_ASSERT_EQUAL(stats.associations, 1);
    fake_ends(&fake_conns[2], X400_CLOSED, OSI_SESSION, false);
    x400_stats(w.x, &stats);
    CU_ASSERT_EQUAL(stats.associations, 0);
    fake_stop(&w);
}

/* An association is recovered by who had it: the same name, address, mode, dialogue and checkpoint
 * size, and not after rtse.recovery; and one that was released is none. */
static void
an_association_that_broke_is_recovered_by_who_had_it(void)
{
    static const struct {
        enum x400_end_how how;
        const char *peer, *user;
        enum presentation_mode mode;
        enum rtse_dialogue dialogue;
        uint32_t checkpoint, agreed; /* agreed: 0 is a refusal */
        uint64_t recovery_ms;
    } rows[] = {
        { X400_LOST, "192.0.2.20", "\x04\x01Q", PRESENTATION_NORMAL, RTSE_MONOLOGUE, 10, 10,
            60000 },
        { X400_ABORTED, "192.0.2.20", "\x04\x01Q", PRESENTATION_NORMAL, RTSE_MONOLOGUE, 30, 10,
            60000 },
        { X400_TIMED_OUT, "192.0.2.20", "\x04\x01Q", PRESENTATION_NORMAL, RTSE_MONOLOGUE, 0, 10,
            60000 },
        { X400_CLOSED, "192.0.2.20", "\x04\x01Q", PRESENTATION_NORMAL, RTSE_MONOLOGUE, 10, 0,
            60000 },
        { X400_LOST, "192.0.2.21", "\x04\x01Q", PRESENTATION_NORMAL, RTSE_MONOLOGUE, 10, 0, 60000 },
        { X400_LOST, "192.0.2.20", "\x04\x01R", PRESENTATION_NORMAL, RTSE_MONOLOGUE, 10, 0, 60000 },
        { X400_LOST, "192.0.2.20", "", PRESENTATION_NORMAL, RTSE_MONOLOGUE, 10, 0, 60000 },
        { X400_LOST, "192.0.2.20", "\x04\x01Q", PRESENTATION_X410, RTSE_MONOLOGUE, 10, 0, 60000 },
        { X400_LOST, "192.0.2.20", "\x04\x01Q", PRESENTATION_NORMAL, RTSE_TWA, 10, 0, 60000 },
        { X400_LOST, "192.0.2.20", "\x04\x01Q", PRESENTATION_NORMAL, RTSE_MONOLOGUE, 9, 0, 60000 },
        { X400_LOST, "192.0.2.20", "\x04\x01Q", PRESENTATION_NORMAL, RTSE_MONOLOGUE, 10, 0, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rtse_open offer = { .mode = rows[i].mode,
            .dialogue = rows[i].dialogue,
            .checkpoint = rows[i].checkpoint,
            .window = 3,
            .recover = true,
            .recovered = { .user = slice_of(rows[i].user) } };
        struct x400_conn *c, *first;
        struct fake_world w;
        struct netaddr peer;

        first = start_recoverable(&w, rows[i].recovery_ms);
        fake_ends(first, rows[i].how, OSI_TCP, false);
        CU_ASSERT_EQUAL(netaddr_parse(slice_of(rows[i].peer), &peer), 0);
        c = fake_call_from(&w, "ldn1", &peer);
        c->user->on_offer(c->ctx, &offer);
        CU_ASSERT_EQUAL(c->accepted, rows[i].agreed != 0);
        CU_ASSERT_EQUAL(c->refused, rows[i].agreed == 0);
        if (c->accepted) {
            CU_ASSERT_EQUAL(c->offer.checkpoint, rows[i].agreed);
            CU_ASSERT_EQUAL(c->user_bytes, 0);
        } else {
            CU_ASSERT_EQUAL(c->refuse_reason, RTSE_REFUSE_CANNOT_RECOVER);
            CU_ASSERT_EQUAL(c->user_bytes, 0);
        }
        fake_ends(c, c->accepted ? X400_CLOSED : X400_REFUSED, OSI_RTSE, false);
        fake_stop(&w);
    }
}

/* The old one is half open: it is ended, and recovered; by nobody else. */
static void
a_recovery_ends_the_association_that_it_names(void)
{
    struct rtse_open offer = { .mode = PRESENTATION_NORMAL,
        .recover = true,
        .window = 3,
        .recovered = { .user = SLICE_LIT("\x04\x01Q") } };
    struct x400_conn *c, *first;
    struct fake_world w;
    struct netaddr other;

    first = start_recoverable(&w, 60000);
    CU_ASSERT_EQUAL(netaddr_parse(SLICE_LIT("192.0.2.21"), &other), 0);
    c = fake_call_from(&w, "ldn1", &other);
    c->user->on_offer(c->ctx, &offer);
    CU_ASSERT_TRUE(c->refused);
    CU_ASSERT_FALSE(first->freed);
    fake_ends(c, X400_REFUSED, OSI_RTSE, false);
    c = fake_call(&w, "ldn1");
    c->user->on_offer(c->ctx, &offer);
    CU_ASSERT_TRUE(c->accepted);
    CU_ASSERT_TRUE(first->freed);
    fake_ends(c, X400_CLOSED, OSI_RTSE, false);
    fake_stop(&w);
}

/* The options of a reload hold for the next association; the one that is open goes on. */
static void
a_reload_leaves_associations_alone(void)
{
    struct fake_world w;
    struct x400_conn *c, *next;

    c = start_bound(&w);
    w.o.remote_password = (struct slice)SLICE_LIT("new-secret");
    CU_ASSERT_EQUAL(x400_connector_set_options(w.c, &w.o), 0);
    CU_ASSERT_FALSE(c->closed);
    next = fake_asked(&w, RTSE_MONOLOGUE);
    CU_ASSERT_TRUE(next->refused);
    fake_ends(next, X400_REFUSED, OSI_USER, false);
    fake_ends(c, X400_CLOSED, OSI_SESSION, false);
    fake_stop(&w);
}

static void
an_address_that_left_cuts_its_associations(void)
{
    struct fake_world w;
    struct x400_conn *c;
    struct netaddr other;

    c = start_bound(&w);
    CU_ASSERT_EQUAL(netaddr_parse(SLICE_LIT("192.0.2.11"), &other), 0);
    x400_cut(w.x, &other);
    CU_ASSERT_FALSE(c->cut);
    x400_cut(w.x, &c->local);
    CU_ASSERT_TRUE(c->cut);
    fake_ends(c, X400_LOST, OSI_TCP, false);
    fake_stop(&w);
}

/* The caller is 192.0.2.20. */
static void
who_calls_from_elsewhere_is_refused(void)
{
    static const struct {
        const char *nets[2];
        bool accepted;
    } rows[] = { { { "192.0.2.0/24", NULL }, true }, { { "192.0.2.21/32", NULL }, false },
        { { "2001:db8::/32", "192.0.2.20/32" }, true }, { { "0.0.0.0/0", NULL }, true } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct netaddr_prefix nets[2];
        struct fake_world w;
        struct x400_connector_view v;
        struct x400_conn *c;

        fake_prepare(&w);
        w.o.callers = nets;
        for (size_t n = 0; n < 2 && rows[i].nets[n] != NULL; n++) {
            CU_ASSERT_EQUAL(netaddr_parse_prefix(slice_of(rows[i].nets[n]), &nets[n]), 0);
            w.o.caller_count++;
        }
        fake_start(&w);
        c = fake_asked(&w, RTSE_MONOLOGUE);
        CU_ASSERT_TRUE(c->answered);
        CU_ASSERT_EQUAL(c->accepted, rows[i].accepted);
        x400_connector_view(w.c, &v);
        CU_ASSERT_EQUAL(strstr(v.refused, "remote.from") == NULL, rows[i].accepted);
        fake_ends(c, rows[i].accepted ? X400_CLOSED : X400_REFUSED, OSI_SESSION, false);
        fake_stop(&w);
    }
}

TEST_MAIN("x400_answer", TEST(who_calls_from_elsewhere_is_refused),
    TEST(an_association_that_matches_is_accepted_without_points), TEST(points_are_one_switch),
    TEST(another_t_selector_is_refused_by_the_transport),
    TEST(a_bind_that_does_not_match_is_told_apart), TEST(limits_refuse_with_busy),
    TEST(who_does_not_get_as_far_as_a_bind_is_told_of), TEST(connections_that_do_not_bind_are_few),
    TEST(an_association_that_broke_is_recovered_by_who_had_it),
    TEST(a_recovery_ends_the_association_that_it_names), TEST(a_reload_leaves_associations_alone),
    TEST(an_address_that_left_cuts_its_associations))
