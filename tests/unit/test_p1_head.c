/* What a relay writes: byte-exact but for what is its own. */
#include "p1_apdus.h"
#include "test_main.h"
#include "x400/p1_head.h"

#define L(s) SLICE_LIT(s)

/* Read an APDU, write it anew as relay says with its content behind, and read that into again. */
static void
relay_once(struct slice apdu, enum p1_protocol in, const struct p1_relay *relay, struct buf *out,
    struct p1_reader *again)
{
    struct p1_reader r;
    struct buf content;

    buf_init(&content, 10000);
    buf_init(out, 3 * P1_ENVELOPE_BYTES_MAX);
    p1_reader_init(&r, in);
    CU_ASSERT_EQUAL_FATAL(p1_feed(&r, apdu, &content), P1_END);
    CU_ASSERT_EQUAL_FATAL(p1_head_write(out, &r.envelope, relay, buf_len(&content)), 0);
    CU_ASSERT_EQUAL(buf_append(out, buf_slice(&content)), 0);
    p1_reader_init(again, relay->protocol);
    CU_ASSERT_EQUAL(p1_feed(again, buf_slice(out), NULL), P1_END);
    CU_ASSERT_EQUAL(again->content_done, buf_len(&content));
    p1_reader_fini(&r);
    buf_fini(&content);
}

static void
what_is_not_ours_is_written_as_it_came(void)
{
    struct slice file, apdu = p1_captured(__FILE__, false, &file);
    struct p1_relay relay = { .protocol = P1_1988_NORMAL, .context = 5 };
    struct p1_reader again;
    struct buf out;

    relay_once(apdu, P1_1988_NORMAL, &relay, &out, &again);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&out), apdu));
    p1_reader_fini(&again);
    buf_fini(&out);
    relay.protocol = P1_1988_X410; /* the same without the EXTERNAL */
    relay_once(apdu, P1_1988_NORMAL, &relay, &out, &again);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&out), slice_skip(apdu, 11)));
    p1_reader_fini(&again);
    buf_fini(&out);
    free((char *)(uintptr_t)file.p);
    /* Indefinite lengths around, and what is within the members as it came. */
    apdu = p1_captured(__FILE__, true, &file);
    relay_once(apdu, P1_1988_NORMAL, &relay, &out, &again);
    CU_ASSERT_TRUE(slice_eq(again.envelope.members, slice_sub(apdu, 11, again.envelope.members.n)));
    CU_ASSERT_TRUE(again.envelope.members.n > 300);
    p1_reader_fini(&again);
    buf_fini(&out);
    free((char *)(uintptr_t)file.p);
}

static void
a_hop_is_appended_to_both_traces(void)
{
    struct p1_hop hop = { .domain = { .country = { true, 2, "DE" }, .admd = { true, 1, " " } },
        .arrival_wall_ms = (uint64_t)1795216724 * 1000 };
    struct buf trace, internal;

    buf_init(&trace, 1000);
    buf_init(&internal, 1000);
    CU_ASSERT_EQUAL(p1_trace_write(&trace, &hop), 0);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&trace),
        p1_hex(
            "3021 630b 6104 1302 4445 6203 1301 20 3112 800d 3236313132303233313834345a 820100")));
    hop.domain.prmd = (struct p1_text){ true, 2, "BH" };
    hop.mta_name = L("node-1");
    CU_ASSERT_EQUAL(p1_trace_write(&internal, &hop), 0);
    for (unsigned pp = 0; pp < 2; pp++) {
        struct slice file, apdu = p1_captured(__FILE__, pp != 0, &file);
        struct p1_relay relay = { .protocol = P1_1988_NORMAL,
            .context = 1000,
            .trace = buf_slice(&trace),
            .internal = buf_slice(&internal) };
        struct p1_reader again;
        struct p1_trace t;
        struct ber_cursor c;
        struct buf out;

        relay_once(apdu, P1_1988_NORMAL, &relay, &out, &again);
        CU_ASSERT_EQUAL(again.context, 1000);
        CU_ASSERT_EQUAL(again.envelope.trace_count, pp + 2);
        CU_ASSERT_EQUAL(again.envelope.internal_count, pp + 2);
        ber_cursor_init(&c, again.envelope.internal);
        while (p1_trace_next(&c, true, &t) > 0 && c.rest.n > 0) {
        }
        CU_ASSERT_TRUE(slice_eq(p1_text_slice(&t.mta_name), L("node-1")));
        CU_ASSERT_TRUE(slice_eq(p1_text_slice(&t.arrival), L("261120231844Z")));
        CU_ASSERT_TRUE(p1_domain_equal(&t.domain, &hop.domain));
        p1_reader_fini(&again);
        buf_fini(&out);
        relay.strip_internal = true;
        relay_once(apdu, P1_1988_NORMAL, &relay, &out, &again);
        CU_ASSERT_EQUAL(again.envelope.internal_count, 1);
        p1_reader_fini(&again);
        buf_fini(&out);
        free((char *)(uintptr_t)file.p);
    }
    buf_fini(&trace);
    buf_fini(&internal);
}

#define RCPT(number, bits) " 3111 " P1_NAME " 8001" number " 8102" bits

static void
responsibility_is_split_and_nothing_else_of_a_recipient_changes(void)
{
    /* Three recipients; the middle one has a member that nobody knows and an indefinite length. */
    static const char text[] =
        "a080 3180 " P1_ID P1_NAME " 460116 " P1_TRACE " a280" RCPT("01", "00a8")
            RCPT("02", "03a8") " 3180 800103 8601ff 8102 0028 " P1_NAME
                               " 0000 0000 a102 3000 0000 0403 616263 0000";
    static const uint8_t all[] = { 7 }, second[] = { 2 }, none[] = { 0 };
    const struct {
        const uint8_t *responsible;
        unsigned bits;
    } rows[] = { { NULL, 3 }, { all, 7 }, { second, 2 }, { none, 0 } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct p1_relay relay = { .protocol = P1_1984, .responsible = rows[i].responsible };
        struct p1_recipient r;
        struct ber_cursor c;
        struct p1_reader again;
        struct buf out;
        unsigned bits = 0, nth = 0;

        relay_once(p1_hex(text), P1_1984, &relay, &out, &again);
        ber_cursor_init(&c, again.envelope.recipients);
        for (nth = 0; p1_recipient_next(&c, &r) > 0; nth++) {
            bits |= (r.indicators & P1_RESPONSIBLE) != 0 ? 1u << nth : 0;
            CU_ASSERT_EQUAL(r.number, nth + 1);
            CU_ASSERT_EQUAL(r.indicators & ~(uint64_t)P1_RESPONSIBLE,
                P1_MTA_NON_DELIVERY | P1_NON_DELIVERY_ASKED);
            CU_ASSERT_TRUE(slice_eq(r.name, p1_hex(P1_NAME)));
            CU_ASSERT_TRUE(nth != 2 || slice_starts(r.members, p1_hex("800103 8601ff 8102 00")));
        }
        CU_ASSERT_EQUAL(nth, 3);
        CU_ASSERT_EQUAL(bits, rows[i].bits);
        CU_ASSERT_TRUE(slice_eq(again.envelope.bilateral, p1_hex("3000")));
        p1_reader_fini(&again);
        buf_fini(&out);
        relay.strip_bilateral = true;
        relay_once(p1_hex(text), P1_1984, &relay, &out, &again);
        CU_ASSERT_EQUAL(again.envelope.bilateral.n, 0);
        p1_reader_fini(&again);
        buf_fini(&out);
    }
}

static void
probes_and_reports_get_a_hop_as_well(void)
{
    static const char *const rows[] = {
        "a280 " P1_ID P1_NAME " 460116 800203e8 " P1_TRACE " a212 3110 " P1_NAME
        " 800101 810100 0000",
        "a180 3180 " P1_ID P1_NAME P1_TRACE " a107 3005 a003 020163 0000 3180 020107 0000 0000",
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct p1_relay relay = { .protocol = P1_1988_NORMAL, .context = 7 };
        struct p1_reader again;
        struct buf out;

        relay.trace = p1_hex(P1_TRACED);
        relay.internal =
            p1_hex("302f " P1_GDI " 1602 4d54 3112 800d 3236313132303233313834345a 820100");
        relay_once(p1_hex(rows[i]), P1_1984, &relay, &out, &again);
        CU_ASSERT_EQUAL(again.envelope.trace_count, 2);
        CU_ASSERT_EQUAL(again.envelope.internal_count, 1);
        CU_ASSERT_EQUAL(again.envelope.report_content.n, i == 1 ? 3 : 0);
        p1_reader_fini(&again);
        buf_fini(&out);
    }
}

static void
an_envelope_grown_beyond_the_limit_is_an_error(void)
{
    struct slice file, apdu = p1_captured(__FILE__, false, &file);
    struct p1_relay relay = { .protocol = P1_1984 };
    char *much = calloc(1, P1_ENVELOPE_BYTES_MAX);
    struct p1_reader r;
    struct buf out;

    CU_ASSERT_PTR_NOT_NULL_FATAL(much);
    relay.trace = (struct slice){ much, P1_ENVELOPE_BYTES_MAX };
    buf_init(&out, 3 * P1_ENVELOPE_BYTES_MAX);
    p1_reader_init(&r, P1_1988_NORMAL);
    CU_ASSERT_EQUAL(p1_feed(&r, apdu, NULL), P1_END);
    CU_ASSERT_EQUAL(p1_head_write(&out, &r.envelope, &relay, 421), BH_ETOOBIG);
    p1_reader_fini(&r);
    buf_fini(&out);
    free(much);
    free((char *)(uintptr_t)file.p);
}

/* As many recipients as there may be, each with responsibility: every second one is ours. */
static void
many_recipients_are_split(void)
{
    enum { COUNT = P1_RECIPIENTS_MAX };
    static uint8_t odd[COUNT / 8 + 1];
    struct p1_relay relay = { .protocol = P1_1988_X410, .responsible = odd };
    const struct slice name = p1_hex(P1_NAME);
    struct p1_reader again;
    struct p1_recipient r;
    struct ber_writer w;
    struct ber_cursor c;
    struct buf apdu, out;
    unsigned wrong = 0;

    memset(odd, 0xAA, sizeof(odd));
    buf_init(&apdu, P1_ENVELOPE_BYTES_MAX);
    ber_writer_init(&w, &apdu);
    ber_write_begin(&w, BER_CONTEXT(P1_MESSAGE));
    ber_write_begin(&w, BER_UNIVERSAL(BER_SET));
    ber_write_raw(&w, p1_hex(P1_ID P1_NAME " 460116 " P1_TRACE));
    ber_write_begin(&w, BER_CONTEXT(2));
    for (unsigned i = 0; i < COUNT; i++) {
        ber_write_begin(&w, BER_UNIVERSAL(BER_SET));
        ber_write_raw(&w, name);
        ber_write_int(&w, BER_CONTEXT(0), (int64_t)i + 1);
        ber_write_bits(&w, BER_CONTEXT(1), P1_RESPONSIBLE | P1_MTA_NON_DELIVERY, 8);
        ber_write_end(&w);
    }
    ber_write_end(&w);
    ber_write_end(&w);
    ber_write_bytes(&w, BER_UNIVERSAL(BER_OCTET_STRING), L("abc"));
    ber_write_end(&w);
    CU_ASSERT_EQUAL_FATAL(ber_write_finish(&w), 0);
    relay_once(buf_slice(&apdu), P1_1984, &relay, &out, &again);
    CU_ASSERT_EQUAL(again.envelope.recipient_count, COUNT);
    ber_cursor_init(&c, again.envelope.recipients);
    for (unsigned i = 0; p1_recipient_next(&c, &r) > 0; i++) {
        wrong += r.number != i + 1 || r.indicators != (i % 2 | P1_MTA_NON_DELIVERY);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(buf_len(&out), buf_len(&apdu));
    p1_reader_fini(&again);
    buf_fini(&out);
    buf_fini(&apdu);
}

TEST_MAIN("p1_head", TEST(what_is_not_ours_is_written_as_it_came),
    TEST(a_hop_is_appended_to_both_traces),
    TEST(responsibility_is_split_and_nothing_else_of_a_recipient_changes),
    TEST(probes_and_reports_get_a_hop_as_well),
    TEST(an_envelope_grown_beyond_the_limit_is_an_error), TEST(many_recipients_are_split))
