/* Envelopes in memory: every member, its bounds, and what is refused, with its place. */
#include "p1_apdus.h"
#include "test_main.h"

#define BASE  P1_ID P1_NAME " 460116 " P1_TRACE
#define RCPT  "3111 " P1_NAME " 800101 8102 00a8"
#define RCPTS " a213 " RCPT
#define L(s)  SLICE_LIT(s)

static int
parse(const char *text, enum p1_kind kind, struct p1_envelope *e, const char **error, uint64_t *at)
{
    static char octets[8192];
    struct slice s = octets_of_hex(text, octets, sizeof(octets));

    *error = NULL;
    *at = UINT64_MAX;
    return p1_envelope_parse(s, kind, e, error, at);
}

static void
every_member_is_read(void)
{
    struct p1_envelope e;
    struct p1_trace t;
    struct p1_extension x;
    struct ber_cursor c;
    const char *error;
    uint64_t at;

    CU_ASSERT_EQUAL(parse(P1_ID P1_NAME P1_TRACE RCPTS
                        "0603 2a0304 4a024142 470102 4802 0410 6510 8002 0520 8102 0102 a406 0604 "
                        "2a030405 800d 3236313132303233313834345a a102 3000 9f5000"
                        "a329 3018 800105 8102 0640 a20f 170d 3236313132303233313834345a"
                        "300d 8302 2a03 8102 0640 a203 020107",
                        P1_MESSAGE, &e, &error, &at),
        0);
    CU_ASSERT_EQUAL(e.content_type, P1_CONTENT_OID);
    CU_ASSERT_TRUE(slice_eq(e.content_oid, L("\x2a\x03\x04")));
    CU_ASSERT_TRUE(slice_eq(p1_text_slice(&e.content_id), L("AB")));
    CU_ASSERT_EQUAL(e.priority, P1_URGENT);
    CU_ASSERT_EQUAL(e.indicators, P1_RETURN_CONTENT);
    CU_ASSERT_EQUAL(e.eit_bits, 1 << 2);
    CU_ASSERT_TRUE(slice_eq(p1_text_slice(&e.deferred), L("261120231844Z")));
    CU_ASSERT_TRUE(slice_eq(p1_text_slice(&e.latest), L("261120231844Z")));
    CU_ASSERT_TRUE(slice_eq(e.bilateral, L("\x30\x00")));
    CU_ASSERT_TRUE(e.critical);
    ber_cursor_init(&c, e.extensions);
    CU_ASSERT_EQUAL(p1_extension_next(&c, &x), 1);
    CU_ASSERT_EQUAL(x.number, P1_EXT_LATEST_DELIVERY);
    CU_ASSERT_EQUAL(x.critical, P1_FOR_TRANSFER);
    CU_ASSERT_EQUAL(p1_extension_next(&c, &x), 1);
    CU_ASSERT_EQUAL(x.number, P1_EXT_PRIVATE);
    CU_ASSERT_TRUE(slice_eq(x.oid, L("\x2a\x03")));
    CU_ASSERT_TRUE(slice_eq(x.value, L("\x02\x01\x07")));
    CU_ASSERT_EQUAL(p1_extension_next(&c, &x), 0);
    ber_cursor_init(&c, e.trace);
    CU_ASSERT_EQUAL(p1_trace_next(&c, false, &t), 1);
    CU_ASSERT_TRUE(p1_domain_equal(&t.domain, &e.id.domain));
    CU_ASSERT_EQUAL(t.action, 0);
    CU_ASSERT_FALSE(t.deferred || t.other_actions);
    CU_ASSERT_EQUAL(p1_trace_next(&c, false, &t), 0);
}

static void
criticality_counts_for_transfer_and_unknown_only(void)
{
    static const struct {
        const char *extension;
        bool critical;
    } rows[] = {
        { "a309 3007 800101 8102 0640", false },      /* known */
        { "a30b 3009 a003 020101 8102 0640", false }, /* known, in a peer's own form */
        { "a309 3007 800163 8102 0640", true },
        { "a30b 3009 a003 020163 8102 0640", true },
        { "a309 3007 800163 8102 0580", false }, /* for submission */
        { "a309 3007 800163 8102 0520", false }, /* for delivery */
        { "a309 3007 800163 8102 05e0", true },
        { "a305 3003 800163", false },
        { "a300", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct p1_envelope e;
        struct p1_recipient r;
        struct ber_cursor c;
        char text[2048], rcpt[512];
        const char *error;
        uint64_t at;

        (void)snprintf(text, sizeof(text), "%s %s %s", BASE, RCPTS, rows[i].extension);
        CU_ASSERT_EQUAL(parse(text, P1_MESSAGE, &e, &error, &at), 0);
        CU_ASSERT_EQUAL(e.critical, rows[i].critical);
        (void)snprintf(rcpt, sizeof(rcpt), "a280 3180 %s 800101 8102 00a8 %s 0000 0000", P1_NAME,
            rows[i].extension);
        (void)snprintf(text, sizeof(text), "%s %s", BASE, rcpt);
        CU_ASSERT_EQUAL(parse(text, P1_MESSAGE, &e, &error, &at), 0);
        CU_ASSERT_FALSE(e.critical);
        ber_cursor_init(&c, e.recipients);
        CU_ASSERT_EQUAL(p1_recipient_next(&c, &r), 1);
        CU_ASSERT_EQUAL(e.critical_recipients, rows[i].critical);
        CU_ASSERT_EQUAL(p1_recipient_critical(&r), rows[i].critical);
    }
}

/* A list, the envelope's or a recipient's, is bounded, and those of all recipients are together. */
static void
extensions_are_counted(void)
{
    enum { EACH = P1_EXTENSIONS_MAX, RECIPIENTS = P1_EXTENSIONS_ALL_MAX / EACH };
    static const struct {
        unsigned of_all, each, recipients;
        int rc;
    } rows[] = { { EACH, EACH, 1, 0 }, { EACH + 1, 0, 1, BH_ETOOBIG },
        { 0, EACH + 1, 1, BH_ETOOBIG }, { EACH, EACH, RECIPIENTS, 0 },
        { 0, EACH, RECIPIENTS + 1, BH_ETOOBIG } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ber_writer w;
        struct buf out;
        struct p1_envelope e;
        const char *error = NULL;
        uint64_t at;

        buf_init(&out, P1_ENVELOPE_BYTES_MAX);
        ber_writer_init(&w, &out);
        ber_write_raw(&w, p1_hex(BASE));
        ber_write_begin(&w, BER_CONTEXT(3));
        for (unsigned n = 0; n < rows[i].of_all; n++) {
            ber_write_raw(&w, L("\x30\x03\x80\x01\x63"));
        }
        ber_write_end(&w);
        ber_write_begin(&w, BER_CONTEXT(2));
        for (unsigned r = 0; r < rows[i].recipients; r++) {
            ber_write_begin(&w, BER_UNIVERSAL(BER_SET));
            ber_write_raw(&w, p1_hex(P1_NAME "800101 8102 00a8"));
            ber_write_begin(&w, BER_CONTEXT(3));
            for (unsigned n = 0; n < rows[i].each; n++) {
                ber_write_raw(&w, L("\x30\x03\x80\x01\x63"));
            }
            ber_write_end(&w);
            ber_write_end(&w);
        }
        ber_write_end(&w);
        CU_ASSERT_EQUAL_FATAL(ber_write_finish(&w), 0);
        CU_ASSERT_EQUAL(
            p1_envelope_parse(buf_slice(&out), P1_MESSAGE, &e, &error, &at), rows[i].rc);
        CU_ASSERT_EQUAL(error == NULL, rows[i].rc == 0);
        buf_fini(&out);
    }
}

static void
strings_in_segments_are_put_together(void)
{
    struct p1_envelope e;
    const char *error;
    uint64_t at;

    CU_ASSERT_EQUAL(
        parse("6480 6380 6180 3380 0401 47 0401 42 0000 0000 6280 3280 0401 31 0000 0000 0000"
              "3604 0402 4d31 0000" P1_NAME " 460116 " P1_TRACE RCPTS,
            P1_MESSAGE, &e, &error, &at),
        0);
    CU_ASSERT_TRUE(slice_eq(p1_text_slice(&e.id.domain.country), L("GB")));
    CU_ASSERT_TRUE(slice_eq(p1_text_slice(&e.id.local), L("M1")));
    CU_ASSERT_FALSE(e.id.domain.prmd.given);
}

static void
what_cannot_be_read_is_refused_with_its_place(void)
{
    static const struct {
        const char *text;
        enum p1_kind kind;
        int rc;
    } rows[] = {
        { "", P1_MESSAGE, BH_ESYNTAX },
        { BASE, P1_MESSAGE, BH_ESYNTAX },                              /* no recipients */
        { BASE " a200", P1_MESSAGE, BH_ESYNTAX },                      /* none of them */
        { P1_NAME " 460116 " P1_TRACE RCPTS, P1_MESSAGE, BH_ESYNTAX }, /* no identifier */
        { P1_ID " 460116 " P1_TRACE RCPTS, P1_MESSAGE, BH_ESYNTAX },   /* no originator */
        { P1_ID P1_NAME P1_TRACE RCPTS, P1_MESSAGE, BH_ESYNTAX },      /* no content type */
        { P1_ID P1_NAME " 460116 " RCPTS, P1_MESSAGE, BH_ESYNTAX },    /* no trace */
        /* trace whose SET is in primitive form */
        { P1_ID P1_NAME " 460116 " RCPTS "692d 302b " P1_GDI
                        " 1112 800d 3236313132303233313834345a 820100",
            P1_MESSAGE, BH_ESYNTAX },
        { BASE RCPTS " 460116", P1_MESSAGE, BH_ESYNTAX },   /* twice */
        { BASE RCPTS " 06022a03", P1_MESSAGE, BH_ESYNTAX }, /* two content types */
        { BASE RCPTS RCPTS, P1_MESSAGE, BH_ESYNTAX },
        { BASE RCPTS " 470103", P1_MESSAGE, BH_ESYNTAX },
        { BASE RCPTS " 4802 0910", P1_MESSAGE, BH_ESYNTAX },
        { BASE RCPTS " 480a 00 000000000000000000", P1_MESSAGE, BH_ETOOBIG },
        { BASE RCPTS " 8003 323630", P1_MESSAGE, BH_ESYNTAX },
        { BASE RCPTS " 800180", P1_PROBE, BH_ESYNTAX },
        { BASE RCPTS " 4a11 4141414141414141414141414141414141", P1_MESSAGE, BH_ETOOBIG },
        { BASE RCPTS " 4500", P1_MESSAGE, BH_ESYNTAX },
        { BASE RCPTS " 8300", P1_MESSAGE, BH_ESYNTAX },
        { BASE RCPTS " a302 3000", P1_MESSAGE, BH_ESYNTAX },
        { BASE RCPTS " a302 3100", P1_MESSAGE, BH_ESYNTAX },
        { BASE RCPTS " a307 3005 8101 00 8001", P1_MESSAGE, BH_ESYNTAX },
        { BASE RCPTS " a305 3003 800105", P1_MESSAGE, BH_ESYNTAX }, /* no latest time in it */
        { BASE RCPTS " a309 3007 800126 a202 3000 30", P1_MESSAGE, BH_ESYNTAX },
        { BASE RCPTS " a30b 3009 800126 a204 3002 3000", P1_MESSAGE, BH_ESYNTAX },
        { BASE RCPTS " a312 3007 800126 a202 3000 3007 800126 a202 3000", P1_MESSAGE, BH_ESYNTAX },
        { BASE " a20f 310d " P1_NAME " 810100", P1_MESSAGE, BH_ESYNTAX }, /* no number */
        { BASE " a20f 310d " P1_NAME " 800101", P1_MESSAGE, BH_ESYNTAX }, /* no indicators */
        { BASE " a212 3110 " P1_NAME " 800100 810100", P1_MESSAGE, BH_ESYNTAX },
        { BASE " a213 3111 " P1_NAME " 80028000 810100", P1_MESSAGE, BH_ESYNTAX },
        { BASE " a208 3106 800101 810100", P1_MESSAGE, BH_ESYNTAX },
        { BASE " a202 3000", P1_MESSAGE, BH_ESYNTAX },
        { BASE RCPTS " 9f81", P1_MESSAGE, BH_ESYNTAX },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct p1_envelope e;
        const char *error;
        uint64_t at;

        CU_ASSERT_EQUAL(parse(rows[i].text, rows[i].kind, &e, &error, &at), rows[i].rc);
        CU_ASSERT_PTR_NOT_NULL(error);
        CU_ASSERT_TRUE(at <= strlen(rows[i].text) / 2);
    }
}

static void
trace_has_a_bound_and_domains_are_compared_as_names(void)
{
    struct p1_domain a = { .country = { true, 2, "GB" }, .admd = { true, 1, " " } };
    struct p1_domain b = { .country = { true, 2, "gb" }, .admd = { true, 1, " " } };

    for (unsigned n = P1_TRACE_MAX; n <= P1_TRACE_MAX + 1; n++) {
        static char text[128 * 1024], octets[64 * 1024];
        struct p1_envelope e;
        const char *error = NULL;
        uint64_t at = 0;
        size_t used =
            (size_t)snprintf(text, sizeof(text), "%s %s 460116 %s 6980", P1_ID, P1_NAME, RCPTS);

        for (unsigned i = 0; i < n; i++) {
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s", P1_TRACED);
        }
        (void)snprintf(text + used, sizeof(text) - used, "0000");
        CU_ASSERT_EQUAL(p1_envelope_parse(octets_of_hex(text, octets, sizeof(octets)), P1_MESSAGE,
                            &e, &error, &at),
            n > P1_TRACE_MAX ? BH_ETOOBIG : 0);
    }
    CU_ASSERT_TRUE(p1_domain_equal(&a, &b));
    b.prmd = (struct p1_text){ .given = true };
    CU_ASSERT_FALSE(p1_domain_equal(&a, &b));
    b = a;
    b.admd.n = 0;
    CU_ASSERT_FALSE(p1_domain_equal(&a, &b));
}

TEST_MAIN("p1_envelope", TEST(every_member_is_read),
    TEST(criticality_counts_for_transfer_and_unknown_only), TEST(extensions_are_counted),
    TEST(strings_in_segments_are_put_together), TEST(what_cannot_be_read_is_refused_with_its_place),
    TEST(trace_has_a_bound_and_domains_are_compared_as_names))
