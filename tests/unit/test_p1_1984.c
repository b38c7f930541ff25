/* What a peer of 1984 gets: nothing that it cannot read, and no other message than was sent. */
#include "p1_apdus.h"
#include "p1_made.h"
#include "test_main.h"
#include "x400/p1_1984.h"
#include "x400/p1_head.h"

#define L(s) SLICE_LIT(s)

/* As it is sent: downgraded, with a hop, and read again. */
static void
downgrade(const struct p1_envelope *e, const struct p1_1984 *how, const uint8_t *responsible,
    struct p1_held *h)
{
    struct p1_hop hop = { .domain = p1_ours, .arrival_wall_ms = P1_NOW };
    struct p1_relay relay = { .protocol = P1_1984 };
    struct p1_reader reader;
    struct buf trace, apdu;

    buf_init(&h->octets, 2 * P1_ENVELOPE_BYTES_MAX);
    CU_ASSERT_EQUAL_FATAL(p1_1984_write(&h->octets, e, how, responsible), 0);
    p1_held_read(h);
    buf_init(&trace, 1000);
    buf_init(&apdu, 2 * P1_ENVELOPE_BYTES_MAX);
    CU_ASSERT_EQUAL(p1_trace_write(&trace, &hop), 0);
    relay.trace = buf_slice(&trace);
    CU_ASSERT_EQUAL(p1_head_write(&apdu, &h->e, &relay, 0), 0);
    p1_reader_init(&reader, P1_1984);
    CU_ASSERT_EQUAL(p1_feed(&reader, buf_slice(&apdu), NULL), P1_END);
    CU_ASSERT_EQUAL(reader.envelope.trace_count, e->trace_count + 1);
    CU_ASSERT_EQUAL(reader.envelope.internal_count, 0);
    CU_ASSERT_EQUAL(reader.envelope.extensions.n, 0);
    p1_reader_fini(&reader);
    buf_fini(&apdu);
    buf_fini(&trace);
}

/* ---- names */

#define STANDARD         "301a 6104 1302 4742 6206 1304 54455354 a50a 8008 4c697374 2d303031"
#define ATTR(type, text) "300c 8001 " type " a107 1305 " text

static const struct {
    const char *name, *text; /* NULL: cannot be told */
} names[] = {
    { "60 1c " STANDARD, "/C=GB/A=TEST/S=List-001/" },
    /* a directory name is left out */
    { "60 20 " STANDARD " a002 3000", "/C=GB/A=TEST/S=List-001/" },
    /* the common name is a DDA */
    { "60 2c " STANDARD " 310e " ATTR("01", "4142434445"),
        "/C=GB/A=TEST/S=List-001/DDA:common=ABCDE/" },
    /* its teletex form goes with it, in whatever order; alone it cannot be told */
    { "60 3a " STANDARD " 311c " ATTR("02", "4142434445") ATTR("01", "4142434445"),
        "/C=GB/A=TEST/S=List-001/DDA:common=ABCDE/" },
    { "60 2c " STANDARD " 310e " ATTR("02", "4142434445"), NULL },
    /* a teletex and a universal form of a personal name that is there */
    { "60 2c " STANDARD " 310e " ATTR("04", "4142434445"), "/C=GB/A=TEST/S=List-001/" },
    { "60 2c " STANDARD " 310e " ATTR("1a", "4142434445"), "/C=GB/A=TEST/S=List-001/" },
    /* of an organization that is not; of DDAs that are not; a postal code; a terminal type */
    { "60 2c " STANDARD " 310e " ATTR("03", "4142434445"), NULL },
    { "60 2c " STANDARD " 310e " ATTR("06", "4142434445"), NULL },
    { "60 2c " STANDARD " 310e " ATTR("09", "4142434445"), NULL },
    { "60 2c " STANDARD " 310e " ATTR("17", "4142434445"), NULL },
    { "60 20 " STANDARD " 3102 3000", NULL },
    /* values of which nobody knows what is in them */
    { "60 22 " STANDARD " 1004 130c 4742", NULL },
};

static void
a_name_keeps_what_1984_has_and_is_refused_if_that_is_another_one(void)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        static const struct p1_1984 how = { .relabel = false };
        struct p1_envelope e = { .kind = P1_MESSAGE, .content_type = 2 };
        struct p1_recipient r = { .name = p1_hex(names[i].name) };
        const char *why = NULL;

        e.originator = r.name;
        CU_ASSERT_EQUAL(p1_1984_fits(&e, &how, &why), names[i].text != NULL);
        CU_ASSERT_EQUAL(why == NULL, names[i].text != NULL);
        CU_ASSERT_EQUAL(p1_1984_recipient_fits(&r, &why), names[i].text != NULL);
    }
}

/* An envelope whose originator and recipients have these names. */
static void
names_are_written_so(void)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char text[2000];
        struct p1_reader reader;
        struct p1_recipient r;
        struct ber_cursor c;
        struct p1_held h;

        if (names[i].text == NULL) {
            continue;
        }
        (void)snprintf(text, sizeof(text),
            "a280 " P1_ID " %s 460102 " P1_TRACE " a280 3180 %s 800109 8102 00ff 8201 08 0000 0000"
            " 0000",
            names[i].name, names[i].name);
        p1_reader_init(&reader, P1_1984);
        CU_ASSERT_EQUAL_FATAL(p1_feed(&reader, p1_hex(text), NULL), P1_END);
        downgrade(&reader.envelope, &(struct p1_1984){ false }, NULL, &h);
        CU_ASSERT_STRING_EQUAL(p1_text_of(h.e.originator), names[i].text);
        ber_cursor_init(&c, h.e.recipients);
        CU_ASSERT_EQUAL_FATAL(p1_recipient_next(&c, &r), 1);
        CU_ASSERT_STRING_EQUAL(p1_text_of(r.name), names[i].text);
        CU_ASSERT_EQUAL(r.number, 9);
        CU_ASSERT_EQUAL(r.indicators, 0x1f); /* the reserved bits are not told */
        CU_ASSERT_TRUE(slice_eq(slice_skip(r.members, r.members.n - 3), p1_hex("820108")));
        p1_held_fini(&h);
        p1_reader_fini(&reader);
    }
}

/* ---- envelopes */

static void
what_1984_lacks_is_left_out(void)
{
    /* Extended EITs; indicators with reserved bits; bilateral information of an administration
     * and of a private domain; a trace element that redirected and converted; extensions: internal
     * trace, conversion with loss prohibited, critical for delivery. */
    static const char text[] =
        "a280 " P1_ID P1_NAME " 6580 8002 0520 a404 0602 2a03 0000 460102 4802 0091"
        " a180 300d 6104 1302 4742 6203 1301 41 0500 3010 6104 1302 4742 3006 8001 41 8101 42 0500"
        " 0000"
        " 6980 3037 " P1_GDI " 311e 800d 3236313132303233313834345a 820100 8302 0780"
        " 6506 a404 0602 2a03 0000"
        " a380 300c 800104 8102 0520 a203 0a0101 0000" /* number 4 */
        " a213 3111 " P1_NAME " 800101 8102 00a8 0000";
    struct p1_reader reader;
    struct p1_trace t;
    struct ber_cursor c;
    struct p1_held h;

    p1_reader_init(&reader, P1_1984);
    CU_ASSERT_EQUAL_FATAL(p1_feed(&reader, p1_hex(text), NULL), P1_END);
    CU_ASSERT_FALSE(reader.envelope.critical);
    downgrade(&reader.envelope, &(struct p1_1984){ false }, NULL, &h);
    CU_ASSERT_EQUAL(h.e.eit_bits, 1 | 1 << 2);
    CU_ASSERT_TRUE(slice_eq(h.e.eits, p1_hex("6504 8002 05a0")));
    CU_ASSERT_EQUAL(h.e.indicators, P1_DISCLOSURE | P1_RETURN_CONTENT | P1_NO_CONVERSION);
    CU_ASSERT_TRUE(slice_eq(h.e.bilateral, p1_hex("300d 6104 1302 4742 6203 1301 41 0500")));
    ber_cursor_init(&c, h.e.trace);
    CU_ASSERT_EQUAL_FATAL(p1_trace_next(&c, false, &t), 1);
    CU_ASSERT_FALSE(t.other_actions);
    CU_ASSERT_TRUE(slice_eq(slice_skip(t.whole, t.whole.n - 6), p1_hex("6504 8002 0780")));
    p1_held_fini(&h);
    p1_reader_fini(&reader);
}

static void
what_would_be_another_message_does_not_fit(void)
{
    static const struct {
        const char *type, *extensions, *recipient;
        bool relabel, fits, recipient_fits;
    } rows[] = {
        { "460102", "", "", false, true, true },
        { "460100", "", "", false, true, true },
        { "460123", "", "", false, true, true },
        { "460116", "", "", false, false, true },
        { "460116", "", "", true, true, true },
        { "0602 2a03", "", "", true, false, true },
        { "460102", "a309 3007 800163 8102 0580", "", false, true, true }, /* for submission */
        { "460102", "a309 3007 800163 8102 0520", "", false, false, true },
        { "460102", "a309 3007 800101 8102 0640", "", false, false, true },
        { "460102", "", "a309 3007 800163 8102 0520", false, true, false },
        { "460102", "", "a305 3003 800163", false, true, true },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct p1_1984 how = { .relabel = rows[i].relabel };
        char text[2000];
        struct p1_reader reader;
        struct p1_recipient r;
        struct ber_cursor c;
        const char *why = NULL;
        struct buf out;

        (void)snprintf(text, sizeof(text),
            "a280 " P1_ID P1_NAME " %s " P1_TRACE " %s a280 3180 " P1_NAME
            " 800109 8102 00a8 %s 0000 0000 0000",
            rows[i].type, rows[i].extensions, rows[i].recipient);
        p1_reader_init(&reader, P1_1984);
        CU_ASSERT_EQUAL_FATAL(p1_feed(&reader, p1_hex(text), NULL), P1_END);
        CU_ASSERT_EQUAL(p1_1984_fits(&reader.envelope, &how, &why), rows[i].fits);
        ber_cursor_init(&c, reader.envelope.recipients);
        CU_ASSERT_EQUAL_FATAL(p1_recipient_next(&c, &r), 1);
        CU_ASSERT_EQUAL(p1_1984_recipient_fits(&r, &why), rows[i].recipient_fits);
        CU_ASSERT_EQUAL(why == NULL, rows[i].fits && rows[i].recipient_fits);
        buf_init(&out, 10000);
        CU_ASSERT_EQUAL(p1_1984_write(&out, &reader.envelope, &how, NULL),
            rows[i].fits && rows[i].recipient_fits ? 0 : BH_ESYNTAX);
        buf_fini(&out);
        if (rows[i].relabel && rows[i].fits) {
            struct p1_held h;

            downgrade(&reader.envelope, &how, NULL, &h);
            CU_ASSERT_EQUAL(h.e.content_type, 2);
            p1_held_fini(&h);
        }
        p1_reader_fini(&reader);
    }
}

static void
recipients_that_cannot_be_told_are_left_out_and_the_others_are_split(void)
{
    static const char *const to[] = { "/C=GB/A=TEST/S=One/", "/C=GB/A=TEST/CN=*Two/",
        "/C=GB/A=TEST/S=Three/" };
    static const uint8_t third[] = { 4 };
    struct p1_made m = { .kind = P1_MESSAGE };
    struct p1_held h, h84;
    struct p1_recipient r;
    struct ber_cursor c;

    p1_hold(&h, m, to, 3, P1_REPORT_ASKED);
    downgrade(&h.e, &(struct p1_1984){ false }, third, &h84);
    CU_ASSERT_EQUAL(h84.e.recipient_count, 2);
    ber_cursor_init(&c, h84.e.recipients);
    CU_ASSERT_EQUAL_FATAL(p1_recipient_next(&c, &r), 1);
    CU_ASSERT_TRUE(r.number == 1 && (r.indicators & P1_RESPONSIBLE) == 0);
    CU_ASSERT_EQUAL_FATAL(p1_recipient_next(&c, &r), 1);
    CU_ASSERT_TRUE(r.number == 3 && (r.indicators & P1_RESPONSIBLE) != 0);
    p1_held_fini(&h84);
    p1_held_fini(&h);
}

/* ---- reports */

static void
a_report_says_what_1984_can_say(void)
{
    static const char *const to[] = { "/C=GB/A=TEST/CN=One/", "/C=GB/A=TEST/S=Two/",
        "/C=GB/A=TEST/S=Three/", "/C=GB/A=TEST/CN=*Four/" };
    struct p1_made m = { .kind = P1_MESSAGE, .content_type = 22, .eit_bits = 4 };
    struct p1_reporter by = { .domain = &p1_ours,
        .mta_name = L("node-1"),
        .local_id = L("R-1"),
        .now_wall_ms = P1_NOW,
        .arrival_wall_ms = P1_NOW };
    struct p1_outcome outcomes[4] = {
        { .is = P1_DELIVERED, .delivery_wall_ms = P1_NOW, .user = P1_USER_MS },
        { .is = P1_FAILED, .reason = 8, .diagnostic = 53 },
        { .is = P1_FAILED, .reason = 0, .diagnostic = 5 },
        { .is = P1_FAILED, .reason = 1, .diagnostic = P1_NO_DIAGNOSTIC },
    };
    static const struct {
        const char *name;
        bool delivered;
        uint32_t user, reason, diagnostic;
    } rows[] = {
        { "/C=GB/A=TEST/DDA:common=One/", true, P1_USER_PRIVATE, 0, 0 },
        { "/C=GB/A=TEST/S=Two/", false, 0, 1, P1_NO_DIAGNOSTIC },
        { "/C=GB/A=TEST/S=Three/", false, 0, 0, 5 },
        { "/C=GB/A=TEST/", false, 0, 1, P1_NO_DIAGNOSTIC }, /* as far as it can be told */
    };
    struct p1_held subject, report, h;
    struct p1_reported one;
    struct p1_report r;
    struct ber_cursor c;
    const char *error;
    char long_text[101] = "";
    uint64_t at;

    memset(long_text, 'x', 100);
    outcomes[3].text = slice_of(long_text);
    p1_hold(&subject, m, to, 4, P1_REPORT_ASKED);
    buf_init(&report.octets, 100000);
    CU_ASSERT_EQUAL_FATAL(p1_report_write(&report.octets, &subject.e, outcomes, &by), 1);
    p1_held_read(&report);
    downgrade(&report.e, &(struct p1_1984){ false }, NULL, &h);
    CU_ASSERT_EQUAL_FATAL(p1_report_parse(h.e.report_content, &r, &error, &at), 0);
    CU_ASSERT_TRUE(slice_eq(p1_text_slice(&r.subject.local), L("M-1")));
    CU_ASSERT_EQUAL(r.content_type, P1_CONTENT_OID);
    CU_ASSERT_EQUAL(r.eits.n, 0);
    CU_ASSERT_EQUAL(r.recipient_count, 4);
    ber_cursor_init(&c, r.recipients);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CU_ASSERT_EQUAL_FATAL(p1_reported_next(&c, &one), 1);
        CU_ASSERT_STRING_EQUAL(p1_text_of(one.name), rows[i].name);
        CU_ASSERT_EQUAL(one.delivered, rows[i].delivered);
        CU_ASSERT_EQUAL(one.user, rows[i].user);
        CU_ASSERT_TRUE(rows[i].delivered ||
                       (one.reason == rows[i].reason && one.diagnostic == rows[i].diagnostic));
        CU_ASSERT_EQUAL(one.extensions.n, 0);
    }
    CU_ASSERT_EQUAL(one.supplementary.n, P1_1984_SUPPLEMENTARY_BYTES_MAX);
    p1_held_fini(&h);
    p1_held_fini(&report);
    p1_held_fini(&subject);
}

static void
a_report_that_cannot_be_read_does_not_fit(void)
{
    static const struct p1_1984 how = { .relabel = true };
    struct p1_reader reader;
    const char *why = NULL;
    struct buf out;

    p1_reader_init(&reader, P1_1984);
    CU_ASSERT_EQUAL_FATAL(
        p1_feed(&reader, p1_hex("a180 3180 " P1_ID P1_NAME P1_TRACE " 0000 3180 020107 0000 0000"),
            NULL),
        P1_END);
    CU_ASSERT_FALSE(p1_1984_fits(&reader.envelope, &how, &why));
    CU_ASSERT_PTR_NOT_NULL(why);
    buf_init(&out, 10000);
    CU_ASSERT_EQUAL(p1_1984_write(&out, &reader.envelope, &how, NULL), BH_ESYNTAX);
    buf_fini(&out);
    p1_reader_fini(&reader);
}

TEST_MAIN("p1_1984", TEST(a_name_keeps_what_1984_has_and_is_refused_if_that_is_another_one),
    TEST(names_are_written_so), TEST(what_1984_lacks_is_left_out),
    TEST(what_would_be_another_message_does_not_fit),
    TEST(recipients_that_cannot_be_told_are_left_out_and_the_others_are_split),
    TEST(a_report_says_what_1984_can_say), TEST(a_report_that_cannot_be_read_does_not_fit))
