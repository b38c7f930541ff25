/* What a relay does: the rules of the document in their order, times, and copies. */
#include "octets.h"
#include "p1_made.h"
#include "test_main.h"
#include "x400/p1_head.h"
#include "x400/p1_plan.h"

#define L(s)    SLICE_LIT(s)
#define DAY     ((uint64_t)24 * 3600 * 1000)
#define NOWHERE OR_ROUTE_NO_CONNECTOR

static const char *const four[] = { "/C=GB/A=TEST/P=A/S=One/", "/C=GB/A=TEST/P=B/S=Two/",
    "/C=GB/A=TEST/P=C/S=Three/", "/C=GB/A=TEST/P=D/CN=*Four/" };
static const struct or_route go[] = { { OR_ROUTE_GO, 0, NOWHERE, 1 },
    { OR_ROUTE_GO, 1, NOWHERE, 1 }, { OR_ROUTE_GO, 0, NOWHERE, 1 }, { OR_ROUTE_GO, 0, 1, 1 } };

static struct p1_plan_query
query(const struct p1_envelope *e)
{
    return (struct p1_plan_query){ .e = e,
        .own = &p1_ours,
        .mta_name = L("node-1"),
        .received_wall_ms = P1_NOW,
        .now_wall_ms = P1_NOW,
        .routes = go };
}

static void
the_document_has_the_same_rules(void)
{
    static const char *const steps[] = { "not-ours", "refuse", "hold", "wait", "deliver", "send" };
    const struct p1_plan_rule *rule;
    unsigned i;

    for (i = 0; (rule = p1_plan_rule(i)) != NULL; i++) {
        char line[600], row[200];
        const char *cause = rule->cause == P1_CAUSE_LOOP           ? "loop"
                            : rule->cause == P1_CAUSE_EXPIRED      ? "expired"
                            : rule->cause == P1_CAUSE_CRITICAL     ? "critical"
                            : rule->cause == P1_CAUSE_UNKNOWN_NAME ? "unknown-name"
                            : rule->cause == P1_CAUSE_TOO_LONG     ? "too-long"
                            : rule->cause == P1_CAUSE_CONTENT_TYPE ? "content-type"
                            : rule->cause == P1_CAUSE_EITS         ? "eits"
                            : rule->cause == P1_CAUSE_DOWNGRADE    ? "downgrade"
                                                                   : "-";

        (void)snprintf(row, sizeof(row), "| %s | %s | %s | ", rule->name, steps[rule->step], cause);
        CU_ASSERT_TRUE(octets_doc_row(__FILE__, "docs/protocols/x400.md", "### Table: relay",
            rule->name, line, sizeof(line)));
        CU_ASSERT_TRUE(slice_starts(slice_of(line), slice_of(row)));
    }
    CU_ASSERT_EQUAL(i, 15);
}

/* Each case turns one thing; the rule that decides of its first recipient. */
struct turn {
    const char *rule;
    enum p1_kind kind;
    const char *more; /* members behind; an own trace takes the empty one's place */
    struct p1_made made;
    struct or_route route;
    struct p1_peer peer;
    uint64_t later_ms, content_bytes;
};

#define ROUTE                                                                                      \
    {                                                                                              \
        OR_ROUTE_GO, 0, NOWHERE, 1                                                                 \
    }

static void
each_rule_decides(void)
{
    static const struct turn turns[] = {
        { .rule = "up", .route = ROUTE },
        { .rule = "up", .kind = P1_PROBE, .route = ROUTE },
        { .rule = "expired", .route = ROUTE, .later_ms = 7 * DAY },
        { .rule = "up", .route = ROUTE, .later_ms = 7 * DAY - 1 },
        { .rule = "expired",
            .made = { .latest_wall_ms = P1_NOW + 1000 },
            .route = ROUTE,
            .later_ms = 1000 },
        { .rule = "critical", .more = "a309 3007 800163 8102 0640", .route = ROUTE },
        { .rule = "no-space", .route = { OR_ROUTE_NONE, NOWHERE, NOWHERE, 0 } },
        { .rule = "leads-back", .route = { OR_ROUTE_LOOP, NOWHERE, NOWHERE, 0 } },
        { .rule = "too-long",
            .route = ROUTE,
            .peer = { .content_bytes_max = 999 },
            .content_bytes = 1000 },
        { .rule = "up",
            .route = ROUTE,
            .peer = { .content_bytes_max = 1000 },
            .content_bytes = 1000 },
        { .rule = "too-long",
            .kind = P1_PROBE,
            .made = { .probe_bytes = 1000 },
            .route = ROUTE,
            .peer = { .content_bytes_max = 999 } },
        { .rule = "up",
            .kind = P1_PROBE,
            .route = ROUTE,
            .peer = { .content_bytes_max = 999 },
            .content_bytes = 1000 },
        { .rule = "content-type", .route = ROUTE, .peer = { .content_types = 1 << 22 } },
        { .rule = "up", .route = ROUTE, .peer = { .content_types = 1 << 2 } },
        { .rule = "content-type",
            .made = { .content_type = P1_CONTENT_OID, .content_oid = SLICE_LIT("\x2a\x03") },
            .route = ROUTE,
            .peer = { .content_types = UINT64_MAX } },
        { .rule = "eits", .made = { .eit_bits = 12 }, .route = ROUTE, .peer = { .eits = 4 } },
        { .rule = "up", .made = { .eit_bits = 4 }, .route = ROUTE, .peer = { .eits = 4 } },
        { .rule = "critical-here",
            .more = "a309 3007 800163 8102 0520",
            .route = ROUTE,
            .peer = { .here = true } },
        { .rule = "up", .more = "a309 3007 800163 8102 0520", .route = ROUTE },
        { .rule = "downgrade",
            .made = { .content_type = 22 },
            .route = ROUTE,
            .peer = { .protocol = P1_1984 } },
        { .rule = "up",
            .made = { .content_type = 22 },
            .route = ROUTE,
            .peer = { .protocol = P1_1984, .how = { .relabel = true } } },
        { .rule = "up", .route = ROUTE, .peer = { .protocol = P1_1984 } },
        { .rule = "deferred", .made = { .deferred_wall_ms = P1_NOW + 1000 }, .route = ROUTE },
        { .rule = "up",
            .made = { .deferred_wall_ms = P1_NOW + 1000 },
            .route = ROUTE,
            .later_ms = 1000 },
        { .rule = "up", /* its age counts from then */
            .made = { .deferred_wall_ms = P1_NOW + 8 * DAY },
            .route = ROUTE,
            .later_ms = 8 * DAY },
        { .rule = "expired",
            .made = { .deferred_wall_ms = P1_NOW + 8 * DAY },
            .route = ROUTE,
            .later_ms = 15 * DAY },
        { .rule = "down", .route = { OR_ROUTE_WAIT, 0, NOWHERE, 1 } },
        { .rule = "here", .route = ROUTE, .peer = { .here = true } },
        { .rule = "here", .kind = P1_PROBE, .route = ROUTE, .peer = { .here = true } },
    };

    for (size_t i = 0; i < ARRAY_LEN(turns); i++) {
        const struct turn *t = &turns[i];
        struct p1_made m = t->made;
        struct p1_plan_query q;
        struct p1_share share;
        struct p1_plan plan;
        struct p1_held h;
        char octets[200];

        m.kind = t->kind;
        p1_hold(&h, m, four, 1, 0);
        if (t->more != NULL) {
            p1_hold_more(&h, octets_of_hex(t->more, octets, sizeof(octets)));
        }
        q = query(&h.e);
        q.routes = &t->route;
        q.peers = &t->peer;
        q.peer_count = 1;
        q.now_wall_ms += t->later_ms;
        q.content_bytes = t->content_bytes;
        p1_plan_make(&q, &share, &plan);
        if (strcmp(p1_plan_rule(share.rule)->name, t->rule) != 0) {
            fprintf(stderr, "%zu: %s\n", i, p1_plan_rule(share.rule)->name);
        }
        CU_ASSERT_STRING_EQUAL(p1_plan_rule(share.rule)->name, t->rule);
        CU_ASSERT_EQUAL(share.step, p1_plan_rule(share.rule)->step);
        CU_ASSERT_EQUAL(share.cause, p1_plan_rule(share.rule)->cause);
        CU_ASSERT_EQUAL(share.via, share.step >= P1_WAIT ? 0 : NOWHERE);
        p1_held_fini(&h);
    }
}

/* ---- what was elsewhere */

#define AT "800d 3236313132303233313834345a 8201"

/* With this trace and internal trace in the place of none. */
static void
with_trace(struct p1_held *h, const char *trace, const char *internal)
{
    char octets[4096], more[4096];
    struct slice t = octets_of_hex(trace, octets, sizeof(octets));
    struct slice x = octets_of_hex(internal, more, sizeof(more));
    struct ber_writer w;
    struct ber_cursor c;
    struct ber_value v;
    struct buf out;

    buf_init(&out, 100000);
    ber_writer_init(&w, &out);
    ber_write_begin(&w, BER_CONTEXT(h->e.kind));
    ber_cursor_init(&c, h->e.members);
    while (ber_take(&c, &v) > 0) {
        if (v.tag == BER_APPLICATION(9)) {
            ber_write_list(&w, v.tag, t);
        } else {
            ber_write_raw(&w, v.whole);
        }
    }
    if (x.n > 0) {
        ber_write_begin(&w, BER_CONTEXT(3));
        ber_write_begin(&w, BER_UNIVERSAL(BER_SEQUENCE));
        ber_write_int(&w, BER_CONTEXT(0), P1_EXT_INTERNAL_TRACE);
        ber_write_begin(&w, BER_CONTEXT(2));
        ber_write_list(&w, BER_UNIVERSAL(BER_SEQUENCE), x);
        ber_write_end(&w);
        ber_write_end(&w);
        ber_write_end(&w);
    }
    ber_write_end(&w);
    CU_ASSERT_EQUAL_FATAL(ber_write_finish(&w), 0);
    buf_fini(&h->octets);
    h->octets = out;
    p1_held_read(h);
}

#define ELEMENT(domain, action) "3021 " domain " 3112 " AT action " "
#define IN_OURS(action)         "3025 630f 6104 1302 4445 6203 1301 20 1302 4248 3112 " AT action " "
#define OTHER                   "630b 6104 1302 4652 6203 1301 41"

static void
a_message_that_goes_round_is_refused_and_one_from_elsewhere_is_not_held(void)
{
    struct p1_made m = { .kind = P1_MESSAGE, .deferred_wall_ms = P1_NOW + DAY };
    struct p1_plan_query q;
    struct p1_share share;
    struct p1_plan plan;
    struct p1_held h;

    p1_hold(&h, m, four, 1, 0);
    with_trace(&h, ELEMENT(OTHER, "00"), "");
    q = query(&h.e);
    p1_plan_make(&q, &share, &plan);
    CU_ASSERT_STRING_EQUAL(p1_plan_rule(share.rule)->name, "up");
    CU_ASSERT_EQUAL(plan.hold_until_wall_ms, 0);
    with_trace(&h, IN_OURS("00"), "");
    q = query(&h.e);
    p1_plan_make(&q, &share, &plan);
    CU_ASSERT_STRING_EQUAL(p1_plan_rule(share.rule)->name, "deferred");
    CU_ASSERT_EQUAL(plan.hold_until_wall_ms, P1_NOW + DAY);
    with_trace(&h, IN_OURS("00") ELEMENT(OTHER, "00"), "");
    q = query(&h.e);
    p1_plan_make(&q, &share, &plan);
    CU_ASSERT_STRING_EQUAL(p1_plan_rule(share.rule)->name, "looped");
    CU_ASSERT_EQUAL(plan.loop, P1_LOOP_DOMAIN);
    p1_held_fini(&h);
}

static void
the_mtas_it_passed_and_its_reroutes_are_told(void)
{
    /* MTAs A, B (which redirected), C, D; rerouted twice by domains, once by MTAs. */
#define MTA(letter, action, n, set, extra)                                                         \
    "30" n " " OTHER " 1601 " letter " 31" set " " AT action " " extra " "
    struct p1_made m = { .kind = P1_MESSAGE };
    struct p1_passed passed;
    struct p1_held h;

    p1_hold(&h, m, four, 1, 0);
    with_trace(&h, ELEMENT(OTHER, "01") ELEMENT(OTHER, "01"),
        MTA("41", "00", "24", "12", "") MTA("42", "00", "28", "16", "8302 0780")
            MTA("43", "01", "24", "12", "") MTA("44", "00", "24", "12", ""));
    p1_plan_passed(&h.e, &passed);
    CU_ASSERT_EQUAL(passed.reroutes, 2);
    CU_ASSERT_EQUAL_FATAL(passed.count, 2);
    CU_ASSERT_TRUE(slice_eq(passed.slices[0], L("C")));
    CU_ASSERT_TRUE(slice_eq(passed.slices[1], L("D")));
    p1_held_fini(&h);
}

static void
each_priority_has_its_time_and_the_originator_may_shorten_it(void)
{
    static const struct {
        enum p1_priority priority;
        uint64_t days;
    } rows[] = { { P1_NORMAL, 7 }, { P1_NON_URGENT, 10 }, { P1_URGENT, 2 } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        static const uint64_t hours[3] = { 3600000, 7200000, 1000 };
        struct p1_made m = { .kind = P1_MESSAGE, .priority = rows[i].priority };
        struct p1_held h;

        p1_hold(&h, m, four, 1, 0);
        CU_ASSERT_EQUAL(p1_plan_expires(&h.e, P1_NOW, NULL), P1_NOW + rows[i].days * DAY);
        CU_ASSERT_EQUAL(p1_plan_expires(&h.e, P1_NOW, hours), P1_NOW + hours[rows[i].priority]);
        p1_held_fini(&h);
        m.latest_wall_ms = P1_NOW + DAY;
        p1_hold(&h, m, four, 1, 0);
        CU_ASSERT_EQUAL(p1_plan_expires(&h.e, P1_NOW, NULL), P1_NOW + DAY);
        CU_ASSERT_EQUAL(p1_plan_expires(&h.e, P1_NOW, hours), P1_NOW + hours[rows[i].priority]);
        p1_held_fini(&h);
    }
}

static void
each_connector_gets_a_copy_with_its_recipients(void)
{
    static const struct p1_peer peers[] = { { .protocol = P1_1988_X410 }, { .protocol = P1_1984 } };
    static const struct {
        struct p1_copy copy;
        uint8_t bits;
    } rows[] = { { { P1_SEND, 0, false }, 5 }, { { P1_SEND, 0, true }, 8 },
        { { P1_SEND, 1, false }, 2 } };
    struct p1_made m = { .kind = P1_MESSAGE };
    struct p1_copy copy = { .step = P1_NOT_OURS };
    struct p1_share shares[4];
    struct p1_plan_query q;
    struct p1_plan plan;
    struct p1_held h;
    uint8_t bits[1];
    size_t n = 0;

    p1_hold(&h, m, four, 4, 0);
    q = query(&h.e);
    q.peers = peers;
    q.peer_count = 2;
    p1_plan_make(&q, shares, &plan);
    CU_ASSERT_EQUAL(plan.count, 4);
    while (p1_plan_next(&plan, &copy, bits)) {
        struct p1_relay relay = { .protocol = P1_1988_X410, .responsible = bits };
        struct buf out;

        CU_ASSERT_TRUE_FATAL(n < ARRAY_LEN(rows));
        CU_ASSERT_TRUE(copy.step == rows[n].copy.step && copy.via == rows[n].copy.via &&
                       copy.rerouted == rows[n].copy.rerouted);
        CU_ASSERT_EQUAL(bits[0], rows[n].bits);
        buf_init(&out, 10000);
        CU_ASSERT_EQUAL(p1_head_write(&out, &h.e, &relay, 0), 0);
        buf_fini(&out);
        n++;
    }
    CU_ASSERT_EQUAL(n, ARRAY_LEN(rows));
    p1_held_fini(&h);
}

/* Of one envelope, whatever order they come in. */
static void
each_recipients_peer_decides_for_it(void)
{
    static const struct p1_peer peers[] = { { .protocol = P1_1984 },
        { .protocol = P1_1984, .how = { .relabel = true } }, { .here = true }, { .here = false } };
    static const uint16_t orders[][4] = { { 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 1, 0, 0, 1 },
        { 2, 3, 2, 2 } };
    static const enum p1_step steps[] = { P1_REFUSE, P1_SEND, P1_REFUSE, P1_SEND };

    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        /* 22 is not for 1984 unless it is relabelled; the extension not for who delivers */
        for (unsigned extension = 0; extension < 2; extension++) {
            struct p1_made m = { .kind = P1_MESSAGE, .content_type = 22 };
            struct or_route routes[4];
            struct p1_share shares[4];
            struct p1_plan_query q;
            struct p1_plan plan;
            struct p1_held h;
            char octets[200];

            p1_hold(&h, m, four, 4, 0);
            if (extension == 1) {
                p1_hold_more(
                    &h, octets_of_hex("a309 3007 800163 8102 0520", octets, sizeof(octets)));
            }
            for (unsigned r = 0; r < 4; r++) {
                routes[r] = (struct or_route){ OR_ROUTE_GO, orders[i][r], NOWHERE, 1 };
            }
            q = query(&h.e);
            q.routes = routes;
            q.peers = peers;
            q.peer_count = ARRAY_LEN(peers);
            p1_plan_make(&q, shares, &plan);
            for (unsigned r = 0; r < 3; r++) { /* the fourth has a name that 1984 lacks */
                uint16_t via = orders[i][r];
                enum p1_step expected = extension == 0 && via == 2   ? P1_DELIVER
                                        : extension == 1 && via == 1 ? P1_REFUSE
                                                                     : steps[via];

                CU_ASSERT_EQUAL(shares[r].step, expected);
            }
            p1_held_fini(&h);
        }
    }
}

static void
a_report_has_one_recipient(void)
{
    static const struct p1_outcome o = { .is = P1_FAILED, .reason = 1, .diagnostic = 0 };
    static const struct p1_reporter by = { .domain = &p1_ours,
        .mta_name = SLICE_LIT("node-1"),
        .local_id = SLICE_LIT("R"),
        .now_wall_ms = P1_NOW };
    struct p1_made m = { .kind = P1_MESSAGE };
    struct p1_copy copy = { .step = P1_NOT_OURS };
    struct p1_held subject, h;
    struct p1_plan_query q;
    struct p1_share share;
    struct p1_plan plan;
    uint8_t bits;

    p1_hold(&subject, m, four, 4, 0);
    buf_init(&h.octets, 10000);
    {
        struct p1_outcome outcomes[4] = { o, o, o, o };

        CU_ASSERT_EQUAL_FATAL(p1_report_write(&h.octets, &subject.e, outcomes, &by), 1);
    }
    p1_held_read(&h);
    CU_ASSERT_EQUAL(p1_plan_count(&h.e), 1);
    q = query(&h.e);
    p1_plan_make(&q, &share, &plan);
    CU_ASSERT_EQUAL(share.step, P1_SEND);
    CU_ASSERT_TRUE(p1_plan_next(&plan, &copy, &bits));
    CU_ASSERT_EQUAL(bits, 1);
    CU_ASSERT_FALSE(p1_plan_next(&plan, &copy, &bits));
    q.now_wall_ms += 7 * DAY;
    p1_plan_make(&q, &share, &plan);
    CU_ASSERT_EQUAL(share.step, P1_REFUSE);
    copy = (struct p1_copy){ .step = P1_NOT_OURS };
    CU_ASSERT_FALSE(p1_plan_next(&plan, &copy, &bits));
    p1_held_fini(&h);
    p1_held_fini(&subject);
}

static void
what_others_are_responsible_for_is_not_ours(void)
{
    struct p1_made m = { .kind = P1_MESSAGE };
    struct p1_relay relay = { .protocol = P1_1988_X410, .responsible = (const uint8_t *)"\x02" };
    struct p1_share shares[2];
    struct p1_plan_query q;
    struct p1_plan plan;
    struct p1_held h, part;

    p1_hold(&h, m, four, 2, 0);
    buf_init(&part.octets, 10000);
    CU_ASSERT_EQUAL(
        p1_1984_write(&part.octets, &h.e, &(struct p1_1984){ false }, relay.responsible), 0);
    p1_held_read(&part);
    q = query(&part.e);
    p1_plan_make(&q, shares, &plan);
    CU_ASSERT_EQUAL(shares[0].step, P1_NOT_OURS);
    CU_ASSERT_EQUAL(shares[1].step, P1_SEND);
    CU_ASSERT_EQUAL(shares[1].via, 1);
    p1_held_fini(&part);
    p1_held_fini(&h);
}

TEST_MAIN("p1_plan", TEST(the_document_has_the_same_rules), TEST(each_rule_decides),
    TEST(a_message_that_goes_round_is_refused_and_one_from_elsewhere_is_not_held),
    TEST(the_mtas_it_passed_and_its_reroutes_are_told),
    TEST(each_priority_has_its_time_and_the_originator_may_shorten_it),
    TEST(each_connector_gets_a_copy_with_its_recipients), TEST(each_recipients_peer_decides_for_it),
    TEST(a_report_has_one_recipient), TEST(what_others_are_responsible_for_is_not_ours))
