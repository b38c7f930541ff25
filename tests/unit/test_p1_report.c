/* Reports: what is read, what is refused, and what is made of messages and outcomes. */
#include "p1_apdus.h"
#include "p1_made.h"
#include "test_main.h"

#define L(s) SLICE_LIT(s)

/* ---- reading */

#define NAME0 "a008 3006 6104 1302 4742 "
/* A report content of one recipient, whose members are these. */
static int
parse(const char *head, const char *recipient, struct p1_report *out, const char **error)
{
    static char octets[4096];
    struct slice h = p1_hex(head), r = p1_hex(recipient);
    struct ber_writer w;
    struct buf b;
    uint64_t at;
    int rc;

    buf_init(&b, 4096);
    ber_writer_init(&w, &b);
    ber_write_raw(&w, h);
    ber_write_begin(&w, BER_CONTEXT(0));
    ber_write_list(&w, BER_UNIVERSAL(BER_SET), r);
    ber_write_end(&w);
    CU_ASSERT_EQUAL_FATAL(ber_write_finish(&w), 0);
    memcpy(octets, buf_slice(&b).p, buf_len(&b));
    *error = NULL;
    rc = p1_report_parse((struct slice){ octets, buf_len(&b) }, out, error, &at);
    CU_ASSERT_TRUE(rc == 0 || (*error != NULL && at <= buf_len(&b)));
    buf_fini(&b);
    return rc;
}

#define TIME     "800d 3236313132303233313834345a"
#define LAST_OK  "a322 " TIME " a111 a00f 800d 3236313132303233313834345a"
#define LAST_MS  "a325 " TIME " a114 a012 800d 3236313132303233313834345a 810102"
#define LAST_BAD "a319 " TIME " a108 a106 800101 810103"
#define RCPT     NAME0 "810107 82020090 "

static void
members_of_a_report_are_read(void)
{
    struct p1_report r;
    struct p1_reported one;
    struct ber_cursor c;
    struct buf content;
    const char *error;

    CU_ASSERT_EQUAL_FATAL(
        parse(P1_ID P1_TRACE "6504 8002 0520 460116 4a024142 a180 0402 6162 0401 63 0000"
                             "a307 3005 800117 a200",
            RCPT "a325 " TIME " a108 a106 800101 810103 "
                 "650a 8002 0520 a404 0602 2a03"
                 "a407 3005 6103 1301 58 8502 6f6b a609 3007 800163 8102 0640",
            &r, &error),
        0);
    CU_ASSERT_TRUE(slice_eq(p1_text_slice(&r.subject.local), L("M1")));
    CU_ASSERT_TRUE(r.intermediate.n > 0);
    CU_ASSERT_EQUAL(r.eit_bits, 1 << 2);
    CU_ASSERT_EQUAL(r.content_type, 22);
    CU_ASSERT_TRUE(slice_eq(p1_text_slice(&r.content_id), L("AB")));
    CU_ASSERT_TRUE(r.returns);
    CU_ASSERT_EQUAL(r.recipient_count, 1);
    buf_init(&content, 100);
    CU_ASSERT_EQUAL(p1_report_returned(&r, &content), 0);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&content), L("abc")));
    buf_fini(&content);
    ber_cursor_init(&c, r.recipients);
    CU_ASSERT_EQUAL_FATAL(p1_reported_next(&c, &one), 1);
    CU_ASSERT_EQUAL(one.number, 7);
    CU_ASSERT_EQUAL(one.indicators, P1_RESPONSIBLE | P1_REPORT_ASKED);
    CU_ASSERT_FALSE(one.delivered);
    CU_ASSERT_EQUAL(one.reason, 1);
    CU_ASSERT_EQUAL(one.diagnostic, 3);
    CU_ASSERT_TRUE(one.critical);
    CU_ASSERT_TRUE(slice_eq(one.supplementary, L("ok")));
    CU_ASSERT_TRUE(one.converted.n > 0 && one.intended.n > 0);
    CU_ASSERT_STRING_EQUAL(p1_text_of(one.name), "/C=GB/");
    CU_ASSERT_EQUAL(p1_reported_next(&c, &one), 0);
}

static void
a_delivery_has_a_time_and_a_type_of_user(void)
{
    static const struct {
        const char *last;
        uint32_t user;
    } rows[] = { { RCPT LAST_OK, P1_USER_PUBLIC }, { RCPT LAST_MS, P1_USER_MS } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct p1_report r;
        struct p1_reported one;
        struct ber_cursor c;
        const char *error;

        CU_ASSERT_EQUAL_FATAL(parse(P1_ID, rows[i].last, &r, &error), 0);
        CU_ASSERT_FALSE(r.returns);
        CU_ASSERT_EQUAL(r.content_type, P1_CONTENT_OID);
        ber_cursor_init(&c, r.recipients);
        CU_ASSERT_EQUAL_FATAL(p1_reported_next(&c, &one), 1);
        CU_ASSERT_TRUE(one.delivered);
        CU_ASSERT_TRUE(slice_eq(p1_text_slice(&one.delivery), L("261120231844Z")));
        CU_ASSERT_EQUAL(one.user, rows[i].user);
    }
}

static void
what_is_no_report_is_told_with_its_fault(void)
{
    static const struct {
        const char *head, *recipient, *error;
    } rows[] = {
        { "", RCPT LAST_BAD, "a report without its subject's identifier" },
        { P1_ID P1_ID, RCPT LAST_BAD, "a member of a report twice" },
        { P1_ID "4601ff", RCPT LAST_BAD, "a content type that is no number" },
        { P1_ID "0600", RCPT LAST_BAD, "a content type that is no object identifier" },
        { P1_ID "4a11 4141414141414141414141414141414141", RCPT LAST_BAD,
            "a content identifier that is no string of at most 16 octets" },
        { P1_ID "690130", RCPT LAST_BAD, NULL },
        { P1_ID "6500", RCPT LAST_BAD, "" },
        { P1_ID, RCPT, "a reported recipient without one of its members" },
        { P1_ID, NAME0 "8100 82020090 " LAST_BAD, "a reported number that is not of 1 to 32767" },
        { P1_ID, NAME0 RCPT LAST_BAD, "a reported recipient with the same member twice" },
        { P1_ID, RCPT "a304 8002 0000", "a time that is no UTCTime" },
        { P1_ID, RCPT "a311 " TIME " a100", "a report type that is not one value" },
        { P1_ID, RCPT "a313 " TIME " a102 a200", "neither a delivery nor a non-delivery" },
        { P1_ID, RCPT "a313 " TIME " a102 a000", "a delivery without its time" },
        { P1_ID, RCPT "a313 " TIME " a102 a100", "a non-delivery without its reason" },
        { P1_ID, RCPT "a30f " TIME, "last trace information without time or type" },
        { P1_ID, RCPT "8300", "last trace information that is no SET" },
        { P1_ID, RCPT LAST_BAD "8400", "a reported name that is no O/R name" },
        { P1_ID, RCPT LAST_BAD "8600", "a list in primitive form" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct p1_report r;
        const char *error;
        int rc = parse(rows[i].head, rows[i].recipient, &r, &error);

        if (rows[i].error != NULL && rows[i].error[0] == '\0') {
            CU_ASSERT_EQUAL(rc, 0); /* no types at all is no fault */
            continue;
        }
        CU_ASSERT_TRUE(rc < 0);
        if (rows[i].error != NULL && error != NULL) {
            CU_ASSERT_STRING_EQUAL(error, rows[i].error);
        }
    }
}

/* ---- making */

static const char *const three[] = { "/C=GB/A=TEST/P=A/S=One/", "/C=GB/A=TEST/P=B/S=Two/",
    "/C=GB/A=TEST/P=C/S=Three/" };

static const struct p1_reporter we = { .domain = &p1_ours,
    .mta_name = SLICE_LIT("node-1"),
    .local_id = SLICE_LIT("R-1"),
    .now_wall_ms = P1_NOW + 1000,
    .arrival_wall_ms = P1_NOW };

static struct p1_outcome
failed(enum p1_cause cause)
{
    const struct p1_code *code = p1_code(cause);

    return (struct p1_outcome){ .is = P1_FAILED,
        .reason = code->reason,
        .diagnostic = code->diagnostic,
        .text = slice_of(code->text) };
}

/* Make a report and read it; false: there is none. */
static bool
report(const struct p1_envelope *subject, const struct p1_outcome *outcomes,
    const struct p1_reporter *by, struct p1_held *h, struct p1_report *r)
{
    const char *error = NULL;
    uint64_t at;
    int rc;

    buf_init(&h->octets, 2 * P1_ENVELOPE_BYTES_MAX);
    rc = p1_report_write(&h->octets, subject, outcomes, by);
    CU_ASSERT_TRUE_FATAL(rc >= 0);
    if (rc == 0) {
        CU_ASSERT_EQUAL(buf_len(&h->octets), 0);
        p1_held_fini(h);
        return false;
    }
    p1_held_read(h);
    CU_ASSERT_EQUAL(h->e.kind, P1_REPORT);
    CU_ASSERT_EQUAL_FATAL(p1_report_parse(h->e.report_content, r, &error, &at), 0);
    return true;
}

static void
a_report_says_what_became_of_each(void)
{
    struct p1_made m = { .kind = P1_MESSAGE,
        .content_type = 22,
        .eit_bits = 4,
        .content_id = SLICE_LIT("CID"),
        .indicators = P1_RETURN_CONTENT };
    struct p1_outcome outcomes[3] = {
        { .is = P1_DELIVERED, .delivery_wall_ms = P1_NOW, .user = P1_USER_MS },
        failed(P1_CAUSE_LOOP), { .is = P1_OPEN }
    };
    struct p1_reporter by = we;
    struct p1_held subject, h;
    struct p1_reported one;
    struct p1_extension x;
    struct p1_report r;
    struct ber_cursor c;
    struct buf content;

    p1_hold(&subject, m, three, 3, P1_MTA_REPORT | P1_REPORT_ASKED);
    outcomes[1].text = (struct slice)SLICE_LIT("host_1: \xc3\xa4!");
    by.return_content = true;
    by.content = (struct slice)SLICE_LIT("the content");
    CU_ASSERT_TRUE_FATAL(report(&subject.e, outcomes, &by, &h, &r));
    CU_ASSERT_STRING_EQUAL(p1_text_of(h.e.originator), "/C=DE/A= /P=BH/S=Meier/");
    CU_ASSERT_TRUE(slice_eq(p1_text_slice(&h.e.id.local), L("R-1")));
    CU_ASSERT_TRUE(slice_eq(p1_text_slice(&r.subject.local), L("M-1")));
    CU_ASSERT_TRUE(p1_domain_equal(&r.subject.domain, &p1_ours));
    CU_ASSERT_EQUAL(r.content_type, 22);
    CU_ASSERT_EQUAL(r.eit_bits, 4);
    CU_ASSERT_TRUE(slice_eq(p1_text_slice(&r.content_id), L("CID")));
    CU_ASSERT_PTR_NULL(r.intermediate.p); /* audited, and it has no trace yet */
    buf_init(&content, 100);
    CU_ASSERT_EQUAL(p1_report_returned(&r, &content), 0);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&content), by.content));
    buf_fini(&content);
    ber_cursor_init(&c, h.e.extensions);
    CU_ASSERT_EQUAL_FATAL(p1_extension_next(&c, &x), 1);
    CU_ASSERT_EQUAL(x.number, P1_EXT_REPORTING_MTA);
    CU_ASSERT_EQUAL(r.recipient_count, 2);
    ber_cursor_init(&c, r.recipients);
    CU_ASSERT_EQUAL_FATAL(p1_reported_next(&c, &one), 1);
    CU_ASSERT_TRUE(one.delivered && one.number == 1 && one.user == P1_USER_MS);
    CU_ASSERT_TRUE(slice_eq(p1_text_slice(&one.arrival), L("261120231844Z")));
    CU_ASSERT_EQUAL(one.supplementary.n, 0);
    CU_ASSERT_EQUAL_FATAL(p1_reported_next(&c, &one), 1);
    CU_ASSERT_TRUE(!one.delivered && one.number == 2 && one.reason == 1 && one.diagnostic == 3);
    CU_ASSERT_STRING_EQUAL(p1_text_of(one.name), three[1]);
    CU_ASSERT_TRUE(slice_eq(one.supplementary, L("host 1:    ")));
    p1_held_fini(&h);
    p1_held_fini(&subject);
}

static void
who_is_told_what(void)
{
    static const struct {
        uint32_t bits;
        bool on_delivery;
    } rows[] = { { 0, false }, { P1_MTA_NON_DELIVERY, false }, { P1_NON_DELIVERY_ASKED, false },
        { P1_REPORT_ASKED, true }, { P1_MTA_REPORT, true } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (unsigned probe = 0; probe < 2; probe++) {
            struct p1_made m = { .kind = probe != 0 ? P1_PROBE : P1_MESSAGE };
            struct p1_outcome o = { .is = P1_DELIVERED, .delivery_wall_ms = P1_NOW };
            struct p1_held subject, h;
            struct p1_report r;

            p1_hold(&subject, m, three, 1, rows[i].bits);
            if (report(&subject.e, &o, &we, &h, &r)) {
                CU_ASSERT_TRUE(rows[i].on_delivery);
                p1_held_fini(&h);
            } else {
                CU_ASSERT_FALSE(rows[i].on_delivery);
            }
            o = failed(P1_CAUSE_RESTRICTED);
            CU_ASSERT_TRUE_FATAL(report(&subject.e, &o, &we, &h, &r));
            CU_ASSERT_FALSE(r.returns); /* nobody asked for it */
            p1_held_fini(&h);
            p1_held_fini(&subject);
        }
    }
}

static void
there_is_no_report_on_a_report(void)
{
    struct p1_made m = { .kind = P1_MESSAGE };
    struct p1_outcome o = failed(P1_CAUSE_UNKNOWN_NAME);
    struct p1_held subject, h, none;
    struct p1_report r;

    p1_hold(&subject, m, three, 1, 0);
    CU_ASSERT_TRUE_FATAL(report(&subject.e, &o, &we, &h, &r));
    CU_ASSERT_FALSE(report(&h.e, &o, &we, &none, &r));
    p1_held_fini(&h);
    p1_held_fini(&subject);
}

static void
after_lists_were_expanded_the_last_one_gets_it(void)
{
    /* Extension 26, two lists; 23, a correlator; 20, a label. */
    static const char more[] =
        "a381 8b"
        "3066 80011a a261 305f"
        " 302d 601c 301a 6104 1302 4742 6206 1304 54455354 a50a 8008 4c697374 2d303031"
        " 170d 3236313132303233313834345a"
        " 302e 601d 301b 6104 1302 4742 6206 1304 54455354 a50b 8009 4c697374 2d30303032"
        " 170d 3236313132303233313834345a"
        "3010 800117 a20b 1609 636f72722d 31323334"
        "300f 800114 8102 0520 a206 3104 8002 2a03";
    struct p1_made m = { .kind = P1_MESSAGE };
    struct p1_outcome o = failed(P1_CAUSE_EXPIRED);
    struct p1_held subject, h;
    struct p1_extension x;
    struct p1_report r;
    struct ber_cursor c;
    uint64_t seen = 0;

    p1_hold(&subject, m, three, 1, 0);
    p1_hold_more(&subject, p1_hex(more));
    CU_ASSERT_TRUE_FATAL(report(&subject.e, &o, &we, &h, &r));
    CU_ASSERT_STRING_EQUAL(p1_text_of(h.e.originator), "/C=GB/A=TEST/S=List-0002/");
    ber_cursor_init(&c, h.e.extensions);
    while (p1_extension_next(&c, &x) > 0) {
        seen |= (uint64_t)1 << x.number;
        if (x.number == P1_EXT_ORIGINATOR_AND_DL_HISTORY) {
            struct ber_cursor list;
            struct ber_value v;
            unsigned n = 0;

            ber_cursor_init(&list, x.value);
            CU_ASSERT_EQUAL_FATAL(ber_take(&list, &v), 1);
            for (list = ber_inside(&list, &v); ber_take(&list, &v) > 0; n++) {
                CU_ASSERT_EQUAL(v.tag, BER_UNIVERSAL(BER_SEQUENCE));
            }
            CU_ASSERT_EQUAL(n, 3);
        }
    }
    CU_ASSERT_EQUAL(seen, (uint64_t)1 << P1_EXT_ORIGINATOR_AND_DL_HISTORY |
                              (uint64_t)1 << P1_EXT_REPORTING_MTA | (uint64_t)1 << 20);
    ber_cursor_init(&c, r.extensions);
    CU_ASSERT_EQUAL_FATAL(p1_extension_next(&c, &x), 1);
    CU_ASSERT_EQUAL(x.number, P1_EXT_CONTENT_CORRELATOR);
    p1_held_fini(&h);
    p1_held_fini(&subject);
}

static void
a_redirected_recipient_is_named_with_the_one_first_intended(void)
{
    static const char text[] =
        "a280 " P1_ID P1_NAME " 460116 " P1_TRACE " a280 3180 " P1_NAME " 800109 8102 00e8"
        " a380 3080 800119 a280 3080 3080 3080 6008 3006 6104 1302 4652 170d "
        "3236313132303233313834345a"
        " 0000 0a0101 0000 0000 0000 0000 0000 0000 0000 0000";
    struct p1_outcome o = failed(P1_CAUSE_UNAVAILABLE);
    struct p1_reader reader;
    struct p1_reported one;
    struct p1_report r;
    struct ber_cursor c;
    struct p1_held h;

    p1_reader_init(&reader, P1_1984);
    CU_ASSERT_EQUAL_FATAL(p1_feed(&reader, p1_hex(text), NULL), P1_END);
    CU_ASSERT_TRUE_FATAL(report(&reader.envelope, &o, &we, &h, &r));
    CU_ASSERT_TRUE(slice_eq(r.intermediate, reader.envelope.trace)); /* audited */
    ber_cursor_init(&c, r.recipients);
    CU_ASSERT_EQUAL_FATAL(p1_reported_next(&c, &one), 1);
    CU_ASSERT_EQUAL(one.number, 9);
    CU_ASSERT_STRING_EQUAL(p1_text_of(one.name), "/C=GB/");
    CU_ASSERT_STRING_EQUAL(p1_text_of(one.intended), "/C=FR/");
    CU_ASSERT_TRUE(one.extensions.n > 0);
    p1_held_fini(&h);
    p1_reader_fini(&reader);
}

/* Many recipients: the content is left out first, then what explains the reasons in words. */
static void
what_has_no_room_is_left_out(void)
{
    struct p1_made m = { .kind = P1_MESSAGE, .indicators = P1_RETURN_CONTENT };
    struct p1_outcome o = failed(P1_CAUSE_TOO_LONG);
    size_t bytes[3];
    struct p1_held subject;
    struct buf out;

    p1_hold(&subject, m, three, 1, 0);
    for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
        struct p1_reporter by = we;
        struct p1_report r;
        struct p1_held h;

        by.return_content = true;
        by.content = L("hello");
        buf_init(&h.octets, i == 0 ? P1_STORED_BYTES_MAX : bytes[i - 1] - 1);
        CU_ASSERT_EQUAL_FATAL(p1_report_write_fitting(&h.octets, &subject.e, &o, &by), 1);
        bytes[i] = buf_len(&h.octets);
        p1_held_read(&h);
        CU_ASSERT_EQUAL_FATAL(
            p1_report_parse(h.e.report_content, &r, &(const char *){ NULL }, &(uint64_t){ 0 }), 0);
        CU_ASSERT_EQUAL(r.returns, i == 0);
        p1_held_fini(&h);
    }
    buf_init(&out, bytes[2] - 1);
    CU_ASSERT_EQUAL(p1_report_write_fitting(&out, &subject.e, &o, &we), BH_ETOOBIG);
    buf_fini(&out);
    p1_held_fini(&subject);
}

static void
content_that_makes_it_too_big_is_told(void)
{
    struct p1_made m = { .kind = P1_MESSAGE, .indicators = P1_RETURN_CONTENT };
    struct p1_outcome o = failed(P1_CAUSE_TOO_LONG);
    struct p1_reporter by = we;
    struct p1_held subject;
    struct buf out;
    char *much = calloc(1, P1_ENVELOPE_BYTES_MAX);

    CU_ASSERT_PTR_NOT_NULL_FATAL(much);
    p1_hold(&subject, m, three, 1, 0);
    by.return_content = true;
    by.content = (struct slice){ much, P1_ENVELOPE_BYTES_MAX };
    buf_init(&out, 3 * P1_ENVELOPE_BYTES_MAX);
    CU_ASSERT_EQUAL(p1_report_write(&out, &subject.e, &o, &by), BH_ETOOBIG);
    buf_fini(&out);
    buf_init(&out, 100);
    CU_ASSERT_EQUAL(p1_report_write(&out, &subject.e, &o, &we), BH_ETOOBIG);
    buf_fini(&out);
    p1_held_fini(&subject);
    free(much);
}

TEST_MAIN("p1_report", TEST(members_of_a_report_are_read),
    TEST(a_delivery_has_a_time_and_a_type_of_user), TEST(what_is_no_report_is_told_with_its_fault),
    TEST(a_report_says_what_became_of_each), TEST(who_is_told_what),
    TEST(there_is_no_report_on_a_report), TEST(after_lists_were_expanded_the_last_one_gets_it),
    TEST(a_redirected_recipient_is_named_with_the_one_first_intended),
    TEST(what_has_no_room_is_left_out), TEST(content_that_makes_it_too_big_is_told))
