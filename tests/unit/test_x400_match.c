/* test_x400_match.c - who calls is known by what it calls and by who it says it is. */
#include "test_main.h"
#include "x400/x400_match.h"
#include <stdio.h>

#define L(s) SLICE_LIT(s)

static struct x400_selector
selector(const char *text)
{
    struct x400_selector s = { .n = (uint8_t)strlen(text) };

    memcpy(s.octets, text, s.n);
    return s;
}

static struct x400_expected
expected(const char *t, const char *s, const char *p, const char *mta, const char *password,
    enum p1_protocol protocol)
{
    return (struct x400_expected){ .called = { selector(t), selector(s), selector(p) },
        .mta_name = slice_of(mta),
        .password = slice_of(password),
        .protocol = protocol };
}

struct row {
    const char *t, *s, *p, *mta, *password; /* mta NULL: the NULL bind */
    enum p1_protocol protocol;
    enum x400_match match;
    size_t which;
};

static void
play(const struct x400_expected *list, size_t count, const struct row *rows, size_t row_count)
{
    for (size_t i = 0; i < row_count; i++) {
        const struct row *r = &rows[i];
        struct p1_bind bind = { .kind = P1_BIND_ARGUMENT,
            .authenticated = r->mta != NULL,
            .mta_name = slice_of(r->mta),
            .password = slice_of(r->password) };
        struct x400_arrival a = { .called_t = slice_of(r->t),
            .called_s = slice_of(r->s),
            .called_p = slice_of(r->p),
            .protocol = r->protocol,
            .bind = &bind };
        size_t which = 99;
        enum x400_match m = x400_match_find(list, count, &a, &which);

        if (m != r->match || which != r->which) {
            printf("\nrow %zu: %s, connector %zu", i, x400_match_text(m), which);
            CU_FAIL("an association goes to the wrong connector");
        }
        CU_ASSERT_EQUAL(x400_match_transport(list, count, a.called_t), r->match != X400_MATCH_NO_T);
    }
}

static void
a_mismatch_is_told_as_far_as_the_nearest_got(void)
{
    const struct x400_expected list[] = {
        expected("ldn1", "", "", "PARIS", "secret", P1_1988_NORMAL),
        expected("ldn2", "s", "p", "PARIS", "secret", P1_1988_NORMAL),
        expected("ldn1", "", "", "PARIS", "other", P1_1988_NORMAL),
        expected("ldn1", "", "", "ROME", "secret", P1_1988_X410),
        expected("", "", "", "", "", P1_1984),
    };
    static const struct row rows[] = {
        { "ldn1", "", "", "PARIS", "secret", P1_1988_NORMAL, X400_MATCH_FOUND, 0 },
        { "ldn1", "", "", "PARIS", "other", P1_1988_NORMAL, X400_MATCH_FOUND, 2 },
        { "ldn2", "s", "p", "PARIS", "secret", P1_1988_NORMAL, X400_MATCH_FOUND, 1 },
        { "ldn1", "", "", "ROME", "secret", P1_1988_X410, X400_MATCH_FOUND, 3 },
        { "", "", "", NULL, "", P1_1984, X400_MATCH_FOUND, 4 },
        { "LDN1", "", "", "PARIS", "secret", P1_1988_NORMAL, X400_MATCH_NO_T, 5 },
        { "ldn", "", "", "PARIS", "secret", P1_1988_NORMAL, X400_MATCH_NO_T, 5 },
        { "ldn2", "", "p", "PARIS", "secret", P1_1988_NORMAL, X400_MATCH_NO_S, 1 },
        { "ldn2", "s", "", "PARIS", "secret", P1_1988_NORMAL, X400_MATCH_NO_P, 1 },
        { "ldn1", "x", "", "PARIS", "secret", P1_1988_NORMAL, X400_MATCH_NO_S, 0 },
        { "ldn1", "", "", "paris", "secret", P1_1988_NORMAL, X400_MATCH_NO_NAME, 0 },
        { "ldn1", "", "", NULL, "", P1_1988_NORMAL, X400_MATCH_NO_NAME, 0 },
        { "", "", "", "PARIS", "", P1_1984, X400_MATCH_NO_NAME, 4 },
        { "ldn1", "", "", "PARIS", "secret2", P1_1988_NORMAL, X400_MATCH_NO_PASSWORD, 0 },
        { "ldn1", "", "", "ROME", "wrong", P1_1988_X410, X400_MATCH_NO_PASSWORD, 3 },
        /* all is right but the mode: said so, and of the connector meant */
        { "ldn1", "", "", "ROME", "secret", P1_1988_NORMAL, X400_MATCH_NO_PROTOCOL, 3 },
        { "ldn1", "", "", "ROME", "secret", P1_1984, X400_MATCH_NO_PROTOCOL, 3 },
        { "", "", "", NULL, "", P1_1988_NORMAL, X400_MATCH_NO_PROTOCOL, 4 },
    };

    play(list, ARRAY_LEN(list), rows, ARRAY_LEN(rows));
}

static void
an_old_peer_needs_no_session_and_presentation_selectors(void)
{
    const struct x400_expected list[] = { expected("t", "s", "p", "OLD", "x", P1_1988_X410) };
    static const struct row rows[] = {
        { "t", "", "", "OLD", "x", P1_1988_X410, X400_MATCH_FOUND, 0 },
        { "t", "s", "", "OLD", "x", P1_1988_X410, X400_MATCH_FOUND, 0 },
        { "t", "z", "", "OLD", "x", P1_1988_X410, X400_MATCH_NO_S, 0 },
        { "t", "", "", "OLD", "x", P1_1988_NORMAL, X400_MATCH_NO_S, 0 },
    };

    play(list, ARRAY_LEN(list), rows, ARRAY_LEN(rows));
}

static void
no_connectors_take_nobody(void)
{
    static const struct row rows[] = { { "", "", "", NULL, "", P1_1984, X400_MATCH_NO_T, 0 } };

    play(NULL, 0, rows, ARRAY_LEN(rows));
}

static void
strong_credentials_are_no_password(void)
{
    const struct x400_expected list[] = { expected("", "", "", "A", "", P1_1988_NORMAL) };
    struct p1_bind bind = { .authenticated = true, .strong = true, .mta_name = L("A") };
    struct x400_arrival a = { .protocol = P1_1988_NORMAL, .bind = &bind };
    size_t which;

    CU_ASSERT_EQUAL(x400_match_find(list, 1, &a, &which), X400_MATCH_NO_PASSWORD);
    CU_ASSERT_EQUAL(which, 0);
}

/* Where a pair is not ambiguous, no association is taken by both. */
static void
an_association_that_both_would_take_makes_two_ambiguous(void)
{
    static const enum p1_protocol protocols[] = { P1_1988_NORMAL, P1_1988_X410, P1_1984 };
    static const char *const words[] = { "", "a" };
    struct x400_expected all[2 * 2 * 2 * 2 * 2 * 3];
    size_t n = 0;

    for (unsigned bits = 0; bits < 32; bits++) {
        for (size_t k = 0; k < ARRAY_LEN(protocols); k++) {
            all[n++] = expected(words[bits & 1], words[bits >> 1 & 1], words[bits >> 2 & 1],
                words[bits >> 3 & 1], words[bits >> 4 & 1], protocols[k]);
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            const struct x400_expected pair[] = { all[i], all[j] };
            bool ambiguous = x400_match_ambiguous(&pair[0], &pair[1]);

            CU_ASSERT_EQUAL(ambiguous, x400_match_ambiguous(&pair[1], &pair[0]));
            CU_ASSERT_TRUE(i != j || ambiguous);
            for (size_t k = 0; k < n && !ambiguous; k++) {
                struct p1_bind bind = { .authenticated = all[k].mta_name.n + all[k].password.n > 0,
                    .mta_name = all[k].mta_name,
                    .password = all[k].password };
                struct x400_arrival a = { x400_selector_slice(&all[k].called.t),
                    x400_selector_slice(&all[k].called.s), x400_selector_slice(&all[k].called.p),
                    all[k].protocol, &bind };
                size_t which;
                bool first = x400_match_find(&pair[0], 1, &a, &which) == X400_MATCH_FOUND;
                bool second = x400_match_find(&pair[1], 1, &a, &which) == X400_MATCH_FOUND;

                CU_ASSERT_FALSE(first && second);
            }
        }
    }
}

static void
selectors_are_shown_as_text_or_as_octets(void)
{
    char out[X400_SELECTOR_TEXT_CAP], octets[TP0_SELECTOR_BYTES_MAX + 1];

    memset(octets, 0xFE, sizeof(octets));
    CU_ASSERT_STRING_EQUAL(x400_selector_text(L("par 1"), out), "\"par 1\"");
    CU_ASSERT_STRING_EQUAL(x400_selector_text(L("\0\xFF"), out), "0x00FF");
    CU_ASSERT_STRING_EQUAL(x400_selector_text(L("a\"b"), out), "0x612262");
    CU_ASSERT_STRING_EQUAL(x400_selector_text(SLICE_NONE, out), "none");
    CU_ASSERT_EQUAL(strlen(x400_selector_text((struct slice){ octets, 32 }, out)), 66);
    CU_ASSERT_STRING_EQUAL(
        x400_selector_text((struct slice){ octets, 33 }, out), "one that is too long");
}

TEST_MAIN("x400_match", TEST(a_mismatch_is_told_as_far_as_the_nearest_got),
    TEST(an_old_peer_needs_no_session_and_presentation_selectors), TEST(no_connectors_take_nobody),
    TEST(strong_credentials_are_no_password),
    TEST(an_association_that_both_would_take_makes_two_ambiguous),
    TEST(selectors_are_shown_as_text_or_as_octets))
