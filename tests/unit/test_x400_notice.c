/* The report on a queued message that failed: whom of the envelope's, with which codes, to whom. */
#include "p1_made.h"
#include "test_main.h"
#include "x400/x400_notice.h"

#define L(s) SLICE_LIT(s)

/* The second one twice. */
static const char *const to[] = { "/C=GB/A=TEST/P=A/S=One/", "/C=GB/A=TEST/P=B/S=Two/",
    "/C=GB/A=TEST/P=B/S=Two/", "/C=GB/A=TEST/P=C/S=Three/" };

static struct x400_notice
notice_on(struct p1_held *h, const struct x400_failure *f, uint32_t count)
{
    return (struct x400_notice){ .domain = &p1_ours,
        .mta_name = L("node-1"),
        .local_id = L("R-1"),
        .now_wall_ms = P1_NOW,
        .arrival_wall_ms = P1_NOW,
        .stored = buf_slice(&h->octets),
        .stored_bytes = buf_len(&h->octets),
        .returned_bytes_max = 100,
        .failures = f,
        .failure_count = count };
}

/* The report read again; false: nobody is told. */
static bool
make(const struct x400_notice *n, struct p1_held *h, struct p1_report *r, char **goes_to)
{
    const char *why = NULL, *error;
    uint64_t at;
    int rc;

    buf_init(&h->octets, 2 * P1_ENVELOPE_BYTES_MAX);
    *goes_to = NULL;
    rc = x400_notice_make(&h->octets, goes_to, &why, n);
    CU_ASSERT_TRUE_FATAL(rc >= 0);
    if (rc == 0) {
        CU_ASSERT_PTR_NULL(*goes_to);
        CU_ASSERT_PTR_NOT_NULL(why);
        p1_held_fini(h);
        return false;
    }
    p1_held_read(h);
    CU_ASSERT_EQUAL_FATAL(p1_report_parse(h->e.report_content, r, &error, &at), 0);
    return true;
}

static void
all_of_an_address_are_reported_on_with_their_codes(void)
{
    static const struct x400_failure failures[] = {
        { SLICE_LIT("/C=GB/A=TEST/P=B/S=Two/"), SLICE_LIT("4.4.7"), SLICE_LIT("too late") },
        { SLICE_LIT("/C=GB/A=TEST/P=C/S=Three/"), SLICE_LIT("5.1.1"), SLICE_LIT("") },
    };
    static const struct {
        uint32_t number, reason, diagnostic;
        const char *text;
    } rows[] = { { 2, 0, 5, "too late" }, { 3, 0, 5, "too late" },
        { 4, 1, 0, "the address is not known here" } };
    struct p1_made m = { .kind = P1_MESSAGE, .indicators = P1_RETURN_CONTENT };
    struct p1_held subject, h;
    struct x400_notice n;
    struct p1_reported one;
    struct p1_report r;
    struct ber_cursor c;
    struct buf content;
    char *goes_to;

    p1_hold(&subject, m, to, 4, 0);
    CU_ASSERT_EQUAL(buf_append(&subject.octets, L("the content")), 0);
    n = notice_on(&subject, failures, 2);
    CU_ASSERT_TRUE_FATAL(make(&n, &h, &r, &goes_to));
    CU_ASSERT_STRING_EQUAL(goes_to, "/C=DE/A= /P=BH/S=Meier/");
    CU_ASSERT_EQUAL(r.recipient_count, ARRAY_LEN(rows));
    ber_cursor_init(&c, r.recipients);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CU_ASSERT_EQUAL_FATAL(p1_reported_next(&c, &one), 1);
        CU_ASSERT_EQUAL(one.number, rows[i].number);
        CU_ASSERT_EQUAL(one.reason, rows[i].reason);
        CU_ASSERT_EQUAL(one.diagnostic, rows[i].diagnostic);
        CU_ASSERT_TRUE(slice_eq(one.supplementary, slice_of(rows[i].text)));
    }
    buf_init(&content, 100);
    CU_ASSERT_EQUAL(p1_report_returned(&r, &content), 0);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&content), L("the content")));
    buf_fini(&content);
    p1_held_fini(&h);
    free(goes_to);
    p1_held_fini(&subject);
}

static void
content_that_is_too_long_or_not_all_there_is_not_returned(void)
{
    static const struct x400_failure failure = { SLICE_LIT("/C=GB/A=TEST/P=A/S=One/"),
        SLICE_LIT("5.0.0"), SLICE_LIT("") };

    for (unsigned i = 0; i < 3; i++) {
        struct p1_made m = { .kind = P1_MESSAGE, .indicators = P1_RETURN_CONTENT };
        struct p1_held subject, h;
        struct x400_notice n;
        struct p1_report r;
        char *goes_to;

        p1_hold(&subject, m, to, 1, 0);
        CU_ASSERT_EQUAL(buf_append(&subject.octets, L("the content")), 0);
        n = notice_on(&subject, &failure, 1);
        n.returned_bytes_max = i == 1 ? 10 : 11;
        CU_ASSERT_EQUAL(x400_notice_bytes(slice_sub(n.stored, 0, BER_HEADER_BYTES_MAX),
                            n.stored_bytes, n.returned_bytes_max),
            i == 1 ? n.stored_bytes - 11 : n.stored_bytes);
        n.stored_bytes += i == 2;
        CU_ASSERT_TRUE_FATAL(make(&n, &h, &r, &goes_to));
        CU_ASSERT_EQUAL(r.returns, i == 0);
        p1_held_fini(&h);
        free(goes_to);
        p1_held_fini(&subject);
    }
}

static void
a_report_and_an_address_that_is_not_in_it_are_told_to_nobody(void)
{
    static const struct x400_failure known = { SLICE_LIT("/C=GB/A=TEST/P=A/S=One/"),
        SLICE_LIT("5.0.0"), SLICE_LIT("") };
    static const struct x400_failure unknown = { SLICE_LIT("/C=GB/A=TEST/P=A/S=Other/"),
        SLICE_LIT("5.0.0"), SLICE_LIT("") };
    struct p1_made m = { .kind = P1_PROBE };
    struct p1_held subject, h, none;
    struct x400_notice n;
    struct p1_report r;
    char *goes_to, *nowhere;

    p1_hold(&subject, m, to, 1, 0);
    n = notice_on(&subject, &unknown, 1);
    CU_ASSERT_FALSE(make(&n, &none, &r, &nowhere));
    n = notice_on(&subject, &known, 1);
    CU_ASSERT_TRUE_FATAL(make(&n, &h, &r, &goes_to));
    n = notice_on(&h, &known, 1);
    CU_ASSERT_FALSE(make(&n, &none, &r, &nowhere));
    p1_held_fini(&h);
    free(goes_to);
    p1_held_fini(&subject);
}

static void
what_is_stored_and_no_envelope_is_damage(void)
{
    static const char *const rows[] = { "", "\xa0", "\xa0\x05\x31", "hello, world" };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct x400_notice n = { .domain = &p1_ours,
            .mta_name = L("node-1"),
            .local_id = L("R"),
            .stored = slice_of(rows[i]),
            .stored_bytes = strlen(rows[i]) };
        const char *why;
        struct buf out;
        char *goes_to;

        buf_init(&out, 1000);
        CU_ASSERT_EQUAL(x400_notice_make(&out, &goes_to, &why, &n), BH_EDAMAGED);
        CU_ASSERT_EQUAL(x400_notice_bytes(n.stored, n.stored_bytes, 100), 0);
        buf_fini(&out);
    }
}

TEST_MAIN("x400_notice", TEST(all_of_an_address_are_reported_on_with_their_codes),
    TEST(content_that_is_too_long_or_not_all_there_is_not_returned),
    TEST(a_report_and_an_address_that_is_not_in_it_are_told_to_nobody),
    TEST(what_is_stored_and_no_envelope_is_damage))
