/* What one delivery sends of a stored envelope. */
#include "p1_apdus.h"
#include "p1_made.h"
#include "test_main.h"
#include "x400/x400_share.h"

#define L(s) ((struct slice)SLICE_LIT(s))

static const char *const to[] = { "/C=FR/A= /P=P/S=A/", "/C=FR/A= /P=P/S=B/",
    "/C=FR/A= /P=P/S=A/" };
static const struct p1_domain ours = { { true, 2, "GB" }, { true, 1, " " }, { true, 3, "LDN" } };

static uint64_t now_wall_ms = P1_NOW;
static struct slice remote_mta;
static struct x400_places *places;

static bool rerouted;

static int
shared(struct x400_share *out, const struct p1_held *h, enum p1_protocol p, uint64_t max,
    const struct slice *recipients, uint32_t count)
{
    const struct x400_connector_options o = {
        .protocol = p, .message_bytes_max = max, .remote_mta = remote_mta
    };
    const struct delivery d = { .id = 1,
        .received_wall_ms = P1_NOW,
        .recipient_count = count,
        .recipients = recipients,
        .rerouted = rerouted };
    const struct x400_share_query q = { .conf = &o,
        .domain = &ours,
        .mta_name = L("LONDON"),
        .context = 5,
        .d = &d,
        .stored = buf_slice(&h->octets),
        .content_bytes = 5,
        .now_wall_ms = now_wall_ms,
        .places = places };

    return x400_share_make(out, &q);
}

/* The bits of the recipients, the first one's first. */
static unsigned
responsible(struct x400_share *s, enum p1_protocol p, unsigned *internal)
{
    struct p1_reader r;
    struct p1_recipient rcpt;
    struct ber_cursor c;
    unsigned bits = 0;

    CU_ASSERT_EQUAL(buf_append(&s->head, L("hello")), 0);
    p1_reader_init(&r, p);
    CU_ASSERT_EQUAL(p1_feed(&r, buf_slice(&s->head), NULL), P1_END);
    ber_cursor_init(&c, r.envelope.recipients);
    for (unsigned i = 0; p1_recipient_next(&c, &rcpt) > 0; i++) {
        bits |= (unsigned)((rcpt.indicators & P1_RESPONSIBLE) != 0) << i;
    }
    CU_ASSERT_EQUAL(r.envelope.trace_count, 1);
    *internal = r.envelope.internal_count;
    p1_reader_fini(&r);
    buf_fini(&s->head);
    return bits;
}

/* An address that the envelope names twice goes with both; 1984 has no internal trace. */
static void
responsibility_goes_for_this_deliverys_addresses(void)
{
    static const enum p1_protocol protocols[] = { P1_1988_NORMAL, P1_1988_X410, P1_1984 };
    const struct slice a = slice_of(to[0]), b = slice_of(to[1]);
    struct p1_held h;
    struct x400_share s;
    unsigned internal;

    p1_hold(&h, (struct p1_made){ .kind = P1_MESSAGE }, to, 3, 0);
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        CU_ASSERT_EQUAL_FATAL(shared(&s, &h, protocols[i], 0, &a, 1), 0);
        CU_ASSERT_PTR_NULL(s.left_out);
        CU_ASSERT_EQUAL(responsible(&s, protocols[i], &internal), 5);
        CU_ASSERT_EQUAL(internal, protocols[i] != P1_1984);
        CU_ASSERT_EQUAL_FATAL(shared(&s, &h, protocols[i], 0, &b, 1), 0);
        CU_ASSERT_EQUAL(responsible(&s, protocols[i], &internal), 2);
    }
    p1_held_fini(&h);
}

/* What is remembered of a message is asked for no other one. */
static void
a_later_delivery_finds_its_recipients_by_what_an_earlier_one_read(void)
{
    const struct slice a = slice_of(to[0]), b = slice_of(to[1]), c = L("/C=FR/A= /P=P/S=C/");
    struct x400_places remembered = { .message = 0 };
    struct p1_held h;
    struct x400_share s;
    unsigned internal;

    places = &remembered;
    p1_hold(&h, (struct p1_made){ .kind = P1_MESSAGE }, to, 3, 0);
    CU_ASSERT_EQUAL_FATAL(shared(&s, &h, P1_1988_NORMAL, 0, &a, 1), 0);
    CU_ASSERT_EQUAL(responsible(&s, P1_1988_NORMAL, &internal), 5);
    CU_ASSERT_EQUAL(remembered.count, 3);
    CU_ASSERT_EQUAL_FATAL(shared(&s, &h, P1_1988_NORMAL, 0, &b, 1), 0);
    CU_ASSERT_EQUAL(responsible(&s, P1_1988_NORMAL, &internal), 2);
    CU_ASSERT_EQUAL_FATAL(shared(&s, &h, P1_1988_NORMAL, 0, &a, 1), 0);
    CU_ASSERT_EQUAL(responsible(&s, P1_1988_NORMAL, &internal), 5);
    CU_ASSERT_EQUAL(shared(&s, &h, P1_1988_NORMAL, 0, &c, 1), BH_ESYNTAX);
    remembered.message = 2; /* another's */
    remembered.sums[1] = remembered.sums[0];
    CU_ASSERT_EQUAL_FATAL(shared(&s, &h, P1_1988_NORMAL, 0, &b, 1), 0);
    CU_ASSERT_EQUAL(responsible(&s, P1_1988_NORMAL, &internal), 2);
    CU_ASSERT_EQUAL(remembered.message, 1);
    x400_places_fini(&remembered);
    places = NULL;
    p1_held_fini(&h);
}

static void
who_is_not_named_is_told_and_the_others_go(void)
{
    const struct slice both[] = { slice_of(to[1]), SLICE_LIT("/C=FR/A= /P=P/S=Z/") };
    struct p1_held h;
    struct x400_share s;
    unsigned internal;

    p1_hold(&h, (struct p1_made){ .kind = P1_MESSAGE }, to, 3, 0);
    CU_ASSERT_EQUAL_FATAL(shared(&s, &h, P1_1988_NORMAL, 0, both, 2), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s.left_out);
    CU_ASSERT_EQUAL(s.left_out[0], X400_LEFT_NONE);
    CU_ASSERT_EQUAL(s.left_out[1], X400_LEFT_UNNAMED);
    CU_ASSERT_EQUAL(responsible(&s, P1_1988_NORMAL, &internal), 2);
    free(s.left_out);
    CU_ASSERT_EQUAL(shared(&s, &h, P1_1988_NORMAL, 0, both + 1, 1), BH_ESYNTAX);
    CU_ASSERT_STRING_EQUAL(s.status, "5.3.0");
    p1_held_fini(&h);
}

static void
what_the_peer_cannot_take_says_so(void)
{
    const struct slice a = slice_of(to[0]);
    struct p1_held h;
    struct x400_share s;

    p1_hold(&h, (struct p1_made){ .kind = P1_MESSAGE, .content_type = 22 }, to, 3, 0);
    CU_ASSERT_TRUE(shared(&s, &h, P1_1984, 0, &a, 1) < 0);
    CU_ASSERT_PTR_NOT_NULL(s.why);
    CU_ASSERT_EQUAL(s.status, p1_code(P1_CAUSE_DOWNGRADE)->status);
    CU_ASSERT_EQUAL(shared(&s, &h, P1_1988_NORMAL, 4, &a, 1), BH_ETOOBIG);
    CU_ASSERT_STRING_EQUAL(s.status, "5.3.4");
    p1_held_fini(&h);
}

static void
it_is_held_until_its_time_and_the_trace_says_so(void)
{
    static const struct {
        uint64_t deferred, now;
        bool held, told;
    } rows[] = { { P1_NOW + 1000, P1_NOW, true, false },
        { P1_NOW + 1000, P1_NOW + 999, true, false }, { P1_NOW + 1000, P1_NOW + 1000, false, true },
        { P1_NOW - 1000, P1_NOW, false, false }, { 0, P1_NOW, false, false } };
    const struct slice a = slice_of(to[0]);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct p1_made m = { .kind = P1_MESSAGE, .deferred_wall_ms = rows[i].deferred };
        struct p1_reader r;
        struct ber_cursor c;
        struct p1_trace t;
        struct p1_held h;
        struct x400_share s;

        p1_hold(&h, m, to, 3, 0);
        now_wall_ms = rows[i].now;
        CU_ASSERT_EQUAL(shared(&s, &h, P1_1988_NORMAL, 0, &a, 1), rows[i].held ? BH_EBUSY : 0);
        now_wall_ms = P1_NOW;
        if (rows[i].held) {
            CU_ASSERT_EQUAL(s.status[0], '4');
            CU_ASSERT_PTR_NOT_NULL(s.why);
            p1_held_fini(&h);
            continue;
        }
        p1_reader_init(&r, P1_1988_NORMAL);
        CU_ASSERT_EQUAL(p1_feed(&r, buf_slice(&s.head), NULL), P1_MORE);
        ber_cursor_init(&c, r.envelope.trace);
        CU_ASSERT_EQUAL_FATAL(p1_trace_next(&c, false, &t), 1);
        CU_ASSERT_EQUAL(t.deferred, rows[i].told);
        p1_reader_fini(&r);
        buf_fini(&s.head);
        p1_held_fini(&h);
    }
}

static void
the_trace_says_that_another_connector_would_have_been_the_first(void)
{
    static const enum p1_protocol protocols[] = { P1_1988_NORMAL, P1_1988_X410, P1_1984 };
    const struct slice a = slice_of(to[0]);

    for (size_t i = 0; i < 2 * ARRAY_LEN(protocols); i++) {
        struct p1_reader r;
        struct ber_cursor c;
        struct p1_trace t;
        struct p1_held h;
        struct x400_share s;

        p1_hold(&h, (struct p1_made){ .kind = P1_MESSAGE }, to, 3, 0);
        rerouted = i % 2 != 0;
        CU_ASSERT_EQUAL_FATAL(shared(&s, &h, protocols[i / 2], 0, &a, 1), 0);
        p1_reader_init(&r, protocols[i / 2]);
        CU_ASSERT_EQUAL(p1_feed(&r, buf_slice(&s.head), NULL), P1_MORE);
        ber_cursor_init(&c, r.envelope.trace);
        CU_ASSERT_EQUAL_FATAL(p1_trace_next(&c, false, &t), 1);
        CU_ASSERT_EQUAL(t.action, rerouted);
        ber_cursor_init(&c, r.envelope.internal);
        CU_ASSERT_EQUAL(p1_trace_next(&c, true, &t), protocols[i / 2] != P1_1984);
        CU_ASSERT_EQUAL(t.action, rerouted);
        p1_reader_fini(&r);
        buf_fini(&s.head);
        p1_held_fini(&h);
    }
    rerouted = false;
}

static void
behind_its_latest_delivery_time_it_has_expired(void)
{
    const struct slice a = slice_of(to[0]);
    struct p1_held h;
    struct x400_share s;

    p1_hold(&h, (struct p1_made){ .kind = P1_MESSAGE, .latest_wall_ms = P1_NOW + 1000 }, to, 3, 0);
    CU_ASSERT_EQUAL_FATAL(shared(&s, &h, P1_1988_NORMAL, 0, &a, 1), 0);
    buf_fini(&s.head);
    now_wall_ms = P1_NOW + 1000;
    CU_ASSERT_TRUE(shared(&s, &h, P1_1988_NORMAL, 0, &a, 1) < 0);
    CU_ASSERT_STRING_EQUAL(s.status, "5.4.7");
    now_wall_ms = P1_NOW;
    p1_held_fini(&h);
}

/* What came from LONDON waits rather than goes there again, where it would be a loop. */
static void
it_does_not_go_to_an_mta_that_it_passed(void)
{
    static const struct {
        struct slice mta;
        int rc;
    } rows[] = { { SLICE_LIT("PARIS"), 0 }, { SLICE_LIT("london"), -ELOOP }, { SLICE_LIT(""), 0 } };
    const struct slice a = slice_of(to[0]);
    struct p1_held h, passed;
    struct x400_share s;
    struct p1_reader r;

    p1_hold(&h, (struct p1_made){ .kind = P1_MESSAGE }, to, 3, 0);
    CU_ASSERT_EQUAL_FATAL(shared(&s, &h, P1_1988_NORMAL, 0, &a, 1), 0);
    p1_reader_init(&r, P1_1988_NORMAL);
    CU_ASSERT_EQUAL(p1_feed(&r, buf_slice(&s.head), NULL), P1_MORE);
    buf_init(&passed.octets, P1_STORED_BYTES_MAX);
    CU_ASSERT_EQUAL_FATAL(p1_stored_write(&passed.octets, &r.envelope), 0);
    p1_reader_fini(&r);
    buf_fini(&s.head);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        remote_mta = rows[i].mta;
        CU_ASSERT_EQUAL(shared(&s, &passed, P1_1988_NORMAL, 0, &a, 1), rows[i].rc);
        if (rows[i].rc < 0) {
            CU_ASSERT_EQUAL(s.status[0], '4');
            CU_ASSERT_PTR_NOT_NULL(s.why);
        } else {
            buf_fini(&s.head);
        }
    }
    remote_mta = SLICE_NONE;
    p1_held_fini(&passed);
    p1_held_fini(&h);
}

static void
a_stored_envelope_that_is_none_is_damage(void)
{
    const struct slice a = slice_of(to[0]);
    struct p1_held h;
    struct x400_share s;

    p1_hold(&h, (struct p1_made){ .kind = P1_MESSAGE }, to, 3, 0);
    h.octets.base[h.octets.head + 6] = '\x01';
    CU_ASSERT_EQUAL(shared(&s, &h, P1_1988_NORMAL, 0, &a, 1), BH_EDAMAGED);
    CU_ASSERT_PTR_NULL(s.why);
    p1_held_fini(&h);
    p1_hold(&h, (struct p1_made){ .kind = P1_PROBE }, to, 3, 0); /* with five octets behind it */
    CU_ASSERT_EQUAL(shared(&s, &h, P1_1988_NORMAL, 0, &a, 1), BH_EDAMAGED);
    CU_ASSERT_PTR_NULL(s.why);
    p1_held_fini(&h);
}

TEST_MAIN("x400_share", TEST(responsibility_goes_for_this_deliverys_addresses),
    TEST(a_later_delivery_finds_its_recipients_by_what_an_earlier_one_read),
    TEST(who_is_not_named_is_told_and_the_others_go), TEST(what_the_peer_cannot_take_says_so),
    TEST(it_is_held_until_its_time_and_the_trace_says_so),
    TEST(the_trace_says_that_another_connector_would_have_been_the_first),
    TEST(behind_its_latest_delivery_time_it_has_expired),
    TEST(it_does_not_go_to_an_mta_that_it_passed), TEST(a_stored_envelope_that_is_none_is_damage))
