/* Who of an envelope's recipients is taken, and who is reported on. */
#include "p1_made.h"
#include "test_main.h"
#include "x400/x400_judge.h"

static const struct p1_domain ours = { { true, 2, "GB" }, { true, 1, " " }, { true, 3, "LDN" } };

static struct or_route
route(void *ctx, const struct or_address *to, struct slice text, const struct p1_envelope *e)
{
    const enum or_route_verdict *verdict = ctx;

    (void)text;
    (void)e;
    if (slice_eq(or_address_value(to, OR_O, OR_PRINTABLE), SLICE_LIT("nobody"))) {
        return (struct or_route){ .verdict = OR_ROUTE_NONE };
    }
    return (struct or_route){ .verdict = *verdict };
}

static struct x400_judged
judged(struct p1_held *h, enum or_route_verdict verdict, uint64_t bytes, uint64_t max)
{
    const struct x400_judge by = { .domain = &ours,
        .mta_name = SLICE_LIT("LONDON"),
        .content_bytes = bytes,
        .message_bytes_max = max,
        .now_wall_ms = P1_NOW,
        .route = route,
        .ctx = &verdict };
    struct x400_judged j;

    CU_ASSERT_EQUAL(x400_judge(&j, &h->e, &by), 0);
    return j;
}

static void
each_address_is_taken_once_and_the_rest_is_told_apart(void)
{
    static const char *const to[] = { "/C=FR/A= /P=P/S=A/", "/C=FR/A= /P=P/O=nobody/S=A/",
        "/C=fr/A= /P=P/S=A/", "/C=FR/A= /P=P/S=B/" };
    struct p1_held h;
    struct x400_judged j;

    p1_hold(&h, (struct p1_made){ .kind = P1_MESSAGE }, to, 2, 0);
    j = judged(&h, OR_ROUTE_WAIT, 10, 0);
    CU_ASSERT_EQUAL(j.ours, 2);
    CU_ASSERT_EQUAL(j.failed, 1);
    CU_ASSERT_EQUAL_FATAL(j.recipient_count, 1);
    CU_ASSERT_TRUE(slice_eq(j.recipients[0].address, slice_of(to[0])));
    CU_ASSERT_STRING_EQUAL(j.sender, "/C=DE/A= /P=BH/S=Meier/");
    CU_ASSERT_EQUAL(j.outcomes[0].is, P1_OPEN);
    CU_ASSERT_EQUAL(j.outcomes[1].is, P1_FAILED);
    CU_ASSERT_EQUAL(j.outcomes[1].diagnostic, p1_code(P1_CAUSE_UNKNOWN_NAME)->diagnostic);
    x400_judged_fini(&j);
    p1_held_fini(&h);

    p1_hold(&h, (struct p1_made){ .kind = P1_PROBE }, (const char *const[]){ to[0], to[3], to[0] },
        3, 0);
    j = judged(&h, OR_ROUTE_GO, 10, 0);
    CU_ASSERT_EQUAL(j.ours, 3);
    CU_ASSERT_EQUAL(j.failed, 0);
    CU_ASSERT_EQUAL(j.recipient_count, 2);
    x400_judged_fini(&j);
    p1_held_fini(&h);
}

static void
a_message_that_is_too_long_or_goes_round_fails_for_all(void)
{
    static const char *const to[] = { "/C=FR/A= /P=P/S=A/", "/C=FR/A= /P=P/S=B/" };
    struct p1_held h;
    struct x400_judged j;

    p1_hold(&h, (struct p1_made){ .kind = P1_MESSAGE }, to, 2, 0);
    j = judged(&h, OR_ROUTE_GO, 11, 10);
    CU_ASSERT_EQUAL(j.failed, 2);
    CU_ASSERT_EQUAL(j.recipient_count, 0);
    CU_ASSERT_EQUAL(j.outcomes[0].diagnostic, p1_code(P1_CAUSE_TOO_LONG)->diagnostic);
    CU_ASSERT_STRING_EQUAL(j.rule, "too-long");
    x400_judged_fini(&j);
    j = judged(&h, OR_ROUTE_LOOP, 10, 10);
    CU_ASSERT_EQUAL(j.failed, 2);
    CU_ASSERT_EQUAL(j.outcomes[1].diagnostic, p1_code(P1_CAUSE_LOOP)->diagnostic);
    CU_ASSERT_STRING_EQUAL(j.rule, "leads-back");
    x400_judged_fini(&j);
    j = judged(&h, OR_ROUTE_NONE, 10, 10);
    CU_ASSERT_STRING_EQUAL(j.rule, "no-space");
    x400_judged_fini(&j);
    /* one whose length shows later */
    j = judged(&h, OR_ROUTE_GO, BER_INDEFINITE, 10);
    CU_ASSERT_EQUAL(j.recipient_count, 2);
    x400_judged_too_long(&j, &h.e);
    CU_ASSERT_EQUAL(j.recipient_count, 0);
    CU_ASSERT_EQUAL(j.failed, 2);
    CU_ASSERT_STRING_EQUAL(j.why, p1_code(P1_CAUSE_TOO_LONG)->text);
    CU_ASSERT_STRING_EQUAL(j.rule, "too-long");
    x400_judged_fini(&j);
    p1_held_fini(&h);
}

struct vias { /* of recipients in their order */
    uint16_t via[3];
    unsigned at;
};

static struct or_route
route_via(void *ctx, const struct or_address *to, struct slice text, const struct p1_envelope *e)
{
    struct vias *v = ctx;

    (void)to;
    (void)text;
    (void)e;
    return (struct or_route){
        .verdict = OR_ROUTE_GO, .via = v->via[v->at++], .instead_of = OR_ROUTE_NO_CONNECTOR
    };
}

/* What the next hop does not take is told at once, and how long we try is the connector's time. */
static void
the_connectors_decide_what_they_take_and_how_long(void)
{
    static const char *const to[] = { "/C=FR/A= /P=P/S=A/", "/C=FR/A= /P=P/S=B/",
        "/C=FR/A= /P=P/S=C/" };
    static const uint64_t short_ms[3] = { 1000, 2000, 3000 }, long_ms[3] = { 4000, 5000, 6000 };
    static const struct p1_peer peers[] = { { .content_bytes_max = 10, .life_ms = long_ms },
        { .protocol = P1_1984, .life_ms = short_ms }, { .life_ms = short_ms } };
    static const struct {
        struct vias vias;
        uint64_t life_ms;
        enum p1_cause causes[2]; /* of the first two; OTHER: taken */
    } rows[] = {
        { { { 0, 1, 2 }, 0 }, 4000, { P1_CAUSE_TOO_LONG, P1_CAUSE_DOWNGRADE } },
        { { { 2, 2, 2 }, 0 }, 1000, { P1_CAUSE_OTHER, P1_CAUSE_OTHER } },
        { { { 9, 9, 9 }, 0 }, 0, { P1_CAUSE_OTHER, P1_CAUSE_OTHER } },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct vias vias = rows[i].vias;
        struct x400_judge by = { .domain = &ours,
            .mta_name = SLICE_LIT("LONDON"),
            .content_bytes = 11,
            .now_wall_ms = P1_NOW,
            .peers = peers,
            .peer_count = ARRAY_LEN(peers),
            .route = route_via,
            .ctx = &vias };
        struct x400_judged j;
        struct p1_held h;

        p1_hold(&h, (struct p1_made){ .kind = P1_MESSAGE, .content_type = 22 }, to, 3, 0);
        CU_ASSERT_EQUAL(x400_judge(&j, &h.e, &by), 0);
        for (unsigned r = 0; r < 2; r++) {
            enum p1_cause cause = rows[i].causes[r];

            CU_ASSERT_EQUAL(j.outcomes[r].is, cause == P1_CAUSE_OTHER ? P1_OPEN : P1_FAILED);
            CU_ASSERT(
                cause == P1_CAUSE_OTHER || j.outcomes[r].diagnostic == p1_code(cause)->diagnostic);
        }
        CU_ASSERT_EQUAL(j.outcomes[2].is, P1_OPEN);
        CU_ASSERT_EQUAL(j.life.expires_wall_ms,
            P1_NOW + (rows[i].life_ms != 0 ? rows[i].life_ms : p1_plan_life_ms[P1_NORMAL]));
        x400_judged_fini(&j);
        p1_held_fini(&h);
    }
}

TEST_MAIN("x400_judge", TEST(the_connectors_decide_what_they_take_and_how_long),
    TEST(each_address_is_taken_once_and_the_rest_is_told_apart),
    TEST(a_message_that_is_too_long_or_goes_round_fails_for_all))
