/* Binds as they were captured: read, and written the same. */
#include "octets.h"
#include "test_main.h"
#include "x400/p1_bind.h"

#define ARGUMENT "b011 a10f 8004 4d544131 a107 0405 7061737331"
#define RESULT   "b111 a10f 8004 4d544132 a107 0405 7061737332"
#define L(s)     SLICE_LIT(s)

static struct slice
hex(const char *text)
{
    static char octets[512];

    return octets_of_hex(text, octets, sizeof(octets));
}

/* The first place in a captured conversation where a bind begins; aborts if there is none. */
static struct slice
captured(struct slice file, const char *start, size_t bytes)
{
    char octets[8];
    struct slice s = octets_of_hex(start, octets, sizeof(octets));

    for (size_t at = 0; at + bytes <= file.n; at++) {
        if (slice_starts(slice_skip(file, at), s)) {
            return slice_sub(file, at, bytes);
        }
    }
    abort();
}

static void
captured_binds_are_read_and_written_the_same(void)
{
    static const struct {
        const char *file, *name, *password;
        enum p1_bind_kind kind;
    } rows[] = {
        { "tests/data/x400/p1-python.initiator", "MTA1", "pass1", P1_BIND_ARGUMENT },
        { "tests/data/x400/p1-python.responder", "MTA1", "pass1", P1_BIND_RESULT },
        { "tests/data/x400/p1-pp.initiator", "MTA1", "pass1", P1_BIND_ARGUMENT },
        { "tests/data/x400/p1-pp.responder", "MTA2", "pass2", P1_BIND_RESULT },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice file = octets_of_file(__FILE__, rows[i].file);
        struct slice octets =
            captured(file, rows[i].kind == P1_BIND_ARGUMENT ? "b011a10f" : "b111a10f", 19);
        const char *error = NULL;
        struct p1_bind b;
        struct buf out;

        CU_ASSERT_EQUAL_FATAL(p1_bind_read(octets, P1_1988_NORMAL, rows[i].kind, &b, &error), 0);
        CU_ASSERT_TRUE(b.authenticated && b.password_is_octets && !b.strong);
        CU_ASSERT_EQUAL(
            p1_bind_match(&b, slice_of(rows[i].name), slice_of(rows[i].password)), P1_MATCH);
        buf_init(&out, 100);
        CU_ASSERT_EQUAL(p1_bind_write(&out, P1_1988_NORMAL, &b), 0);
        CU_ASSERT_TRUE(slice_eq(buf_slice(&out), octets));
        buf_clear(&out);
        CU_ASSERT_EQUAL(p1_bind_write(&out, P1_1984, &b), 0);
        CU_ASSERT_TRUE(slice_eq(buf_slice(&out), slice_skip(octets, 2)));
        CU_ASSERT_EQUAL(p1_bind_read(buf_slice(&out), P1_1984, rows[i].kind, &b, &error), 0);
        CU_ASSERT_TRUE(slice_eq(b.password, slice_of(rows[i].password)));
        buf_fini(&out);
        free((char *)(uintptr_t)file.p);
    }
}

static void
an_octet_changed_or_missing_never_binds_as_somebody_else(void)
{
    static const char *const texts[] = { ARGUMENT, RESULT };

    for (unsigned which = 0; which < 2; which++) {
        struct slice octets = hex(texts[which]);
        char *p = (char *)(uintptr_t)octets.p;
        enum p1_bind_kind kind = (enum p1_bind_kind)which;
        const char *error;
        struct p1_bind b;

        for (size_t n = 0; n < octets.n; n++) {
            error = NULL;
            CU_ASSERT_EQUAL(p1_bind_read(slice_sub(octets, 0, n), P1_1988_NORMAL, kind, &b, &error),
                BH_ESYNTAX);
            CU_ASSERT_PTR_NOT_NULL(error);
        }
        for (size_t i = 0; i < octets.n * 8; i++) {
            int rc;

            error = NULL;
            p[i / 8] = (char)(p[i / 8] ^ (1 << i % 8));
            rc = p1_bind_read(octets, P1_1988_NORMAL, kind, &b, &error);
            CU_ASSERT_EQUAL(rc < 0, error != NULL);
            CU_ASSERT_TRUE(rc < 0 || p1_bind_match(&b, which == 0 ? L("MTA1") : L("MTA2"),
                                         which == 0 ? L("pass1") : L("pass2")) != P1_MATCH);
            p[i / 8] = (char)(p[i / 8] ^ (1 << i % 8));
        }
    }
}

static void
forms_that_others_write_are_read(void)
{
    static const struct {
        const char *text;
        enum p1_protocol p;
        enum p1_bind_match match;
    } rows[] = {
        /* indefinite lengths, an IA5String, members in the other order */
        { "b080 a180 a180 1605 7061737331 0000 8004 4d544131 0000 0000", P1_1988_NORMAL, P1_MATCH },
        /* strings in constructed form */
        { "a119 a008 0402 4d54 0402 4131 a10d 2480 0403 706173 0402 7331 0000", P1_1988_X410,
            P1_MATCH },
        /* a security context, and a member that nobody knows */
        { "a114 8004 4d544131 a107 1605 7061737331 a200 8701 00", P1_1984, P1_MATCH },
        { "0500", P1_1984, P1_MATCH_NULL },
        { "b002 0500", P1_1988_NORMAL, P1_MATCH_NULL },
        { "a10f 8004 4d544132 a107 0405 7061737331", P1_1988_X410, P1_MATCH_NAME },
        { "a10f 8004 4d544131 a107 0405 7061737332", P1_1988_X410, P1_MATCH_PASSWORD },
        { "a10e 8004 4d544131 a106 0404 70617373", P1_1988_X410, P1_MATCH_PASSWORD },
        { "a110 8004 4d544131 a108 0406 706173733131", P1_1988_X410, P1_MATCH_PASSWORD },
        { "a10a 8004 4d544131 a102 a000", P1_1988_X410, P1_MATCH_STRONG },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *error = NULL;
        struct p1_bind b;
        int rc = p1_bind_read(hex(rows[i].text), rows[i].p, P1_BIND_ARGUMENT, &b, &error);

        CU_ASSERT_EQUAL(rc, 0);
        CU_ASSERT_EQUAL(p1_bind_match(&b, L("MTA1"), L("pass1")), rows[i].match);
    }
}

static void
what_is_no_bind_is_refused(void)
{
    static const struct {
        const char *text;
        int rc;
    } rows[] = {
        { "", BH_ESYNTAX },
        { "3000", BH_ESYNTAX },
        { "0501 00", BH_ESYNTAX },
        { "0500 00", BH_ESYNTAX },
        { "a100", BH_ESYNTAX },
        { "8100", BH_ESYNTAX },
        { "a106 8004 4d544131", BH_ESYNTAX },
        { "a109 a107 0405 7061737331", BH_ESYNTAX },
        { "a10b 8000 a107 0405 7061737331", BH_ESYNTAX },
        { "a10d 8004 4d544131 8105 7061737331", BH_ESYNTAX },
        { "a10a 8004 4d544131 a102 3000", BH_ESYNTAX },
        { "a10c 8004 4d544131 a104 0400 0400", BH_ESYNTAX },
        { "a114 8004 4d544131 8004 4d544132 a106 0404 70617373", BH_ESYNTAX },
        { "a112 8004 4d544131 a104 0402 7061 a104 0402 7061", BH_ESYNTAX },
        { "a127 8021 414141414141414141414141414141414141414141414141414141414141414141 a102 0400",
            BH_ETOOBIG },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *error = NULL;
        struct p1_bind b;

        CU_ASSERT_EQUAL(p1_bind_read(hex(rows[i].text), P1_1988_X410, P1_BIND_ARGUMENT, &b, &error),
            rows[i].rc);
        CU_ASSERT_PTR_NOT_NULL(error);
    }
}

static void
a_password_has_a_bound_in_every_form(void)
{
    char octets[200] = { 0 };
    struct buf out;

    buf_init(&out, 1000);
    for (size_t n = 0; n <= P1_PASSWORD_BYTES_MAX + 2; n++) {
        struct ber_writer w;
        const char *error = NULL;
        struct p1_bind b;
        int rc;

        buf_clear(&out);
        ber_writer_init(&w, &out);
        ber_write_begin(&w, BER_CONTEXT(1));
        ber_write_bytes(&w, BER_CONTEXT(0), L("X"));
        ber_write_begin(&w, BER_CONTEXT(1));
        ber_write_bytes(&w, BER_UNIVERSAL(BER_IA5_STRING), (struct slice){ octets, n });
        ber_write_end(&w);
        ber_write_end(&w);
        CU_ASSERT_EQUAL(ber_write_finish(&w), 0);
        rc = p1_bind_read(buf_slice(&out), P1_1984, P1_BIND_RESULT, &b, &error);
        CU_ASSERT_EQUAL(rc, n <= P1_PASSWORD_BYTES_MAX ? 0 : BH_ETOOBIG);
        CU_ASSERT_TRUE(rc < 0 || b.password.n == n);
    }
    buf_fini(&out);
}

static void
a_refusal_is_a_number_in_normal_mode_and_a_reason_of_rtorj_elsewhere(void)
{
    struct p1_bind b = { .kind = P1_BIND_REFUSAL, .error = P1_BIND_AUTHENTICATION };
    const char *error = NULL;
    struct buf out;

    buf_init(&out, 100);
    CU_ASSERT_EQUAL(p1_bind_write(&out, P1_1988_NORMAL, &b), 0);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&out), hex("b203 020102")));
    b.error = 0;
    CU_ASSERT_EQUAL(p1_bind_read(buf_slice(&out), P1_1988_NORMAL, P1_BIND_REFUSAL, &b, &error), 0);
    CU_ASSERT_EQUAL(b.error, P1_BIND_AUTHENTICATION);
    CU_ASSERT_EQUAL(
        p1_bind_read(hex("020102"), P1_1988_X410, P1_BIND_REFUSAL, &b, &error), BH_ESYNTAX);
    CU_ASSERT_EQUAL(
        p1_bind_read(hex("b202 0500"), P1_1988_NORMAL, P1_BIND_REFUSAL, &b, &error), BH_ESYNTAX);
    CU_ASSERT_EQUAL(p1_bind_error_of(p1_bind_refuse_reason(P1_BIND_BUSY)), P1_BIND_BUSY);
    CU_ASSERT_EQUAL(p1_bind_error_of(p1_bind_refuse_reason(P1_BIND_DIALOGUE)), P1_BIND_DIALOGUE);
    CU_ASSERT_EQUAL(
        p1_bind_error_of(p1_bind_refuse_reason(P1_BIND_SECURITY)), P1_BIND_AUTHENTICATION);
    buf_fini(&out);
}

TEST_MAIN("p1_bind", TEST(captured_binds_are_read_and_written_the_same),
    TEST(an_octet_changed_or_missing_never_binds_as_somebody_else),
    TEST(forms_that_others_write_are_read), TEST(what_is_no_bind_is_refused),
    TEST(a_password_has_a_bound_in_every_form),
    TEST(a_refusal_is_a_number_in_normal_mode_and_a_reason_of_rtorj_elsewhere))
