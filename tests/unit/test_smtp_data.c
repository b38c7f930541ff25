/* smtp_data.c: unstuffing and the end of data, at every split, and what smugglers try. */
#include "smtp/smtp_data.h"
#include "test_main.h"

struct outcome {
    enum smtp_data_result result; /* MORE, END or FORGED */
    bool bare;
    size_t content_bytes, rest_bytes;
    char content[256];
};

/* Feed two pieces, each in a block of exactly its size, and gather what comes. */
static void
feed(struct slice all, size_t first, struct outcome *o)
{
    struct slice pieces[2] = { slice_sub(all, 0, first), slice_skip(all, first) };
    struct smtp_data d;

    memset(o, 0, sizeof(*o));
    smtp_data_init(&d);
    for (int i = 0; i < 2 && o->result == SMTP_DATA_MORE; i++) {
        struct slice rest = pieces[i], run;

        do {
            o->result = smtp_data_next(&d, &rest, &run);
            if (o->result == SMTP_DATA_CONTENT) {
                CU_ASSERT_TRUE(run.n > 0);
                memcpy(o->content + o->content_bytes, run.p, run.n);
                o->content_bytes += run.n;
            }
        } while (o->result == SMTP_DATA_CONTENT);
        o->rest_bytes = rest.n + (i == 0 ? pieces[1].n : 0);
        CU_ASSERT_TRUE(o->result != SMTP_DATA_MORE || rest.n == 0);
    }
    o->bare = d.bare;
}

static void
content_is_the_same_at_every_split(void)
{
    static const struct {
        const char *bytes, *content, *rest;
        enum smtp_data_result result;
    } rows[] = {
        { "hello\r\n.\r\n", "hello\r\n", "", SMTP_DATA_END },
        { ".\r\n", "", "", SMTP_DATA_END },
        { "\r\n.\r\n", "\r\n", "", SMTP_DATA_END },
        { "a\r\n.\r\nQUIT\r\n", "a\r\n", "QUIT\r\n", SMTP_DATA_END },
        { "..\r\n.\r\n", ".\r\n", "", SMTP_DATA_END },
        { "...\r\n.a\r\n..b\r\n.\r\n", "..\r\na\r\n.b\r\n", "", SMTP_DATA_END },
        { "a.\r\n.\r\n", "a.\r\n", "", SMTP_DATA_END },
        { "a\r\n", "a\r\n", "", SMTP_DATA_MORE },
        { "a\r\n.", "a\r\n", "", SMTP_DATA_MORE },
        { "a\r\n.\r", "a\r\n", "", SMTP_DATA_MORE },
        { "a\r", "a\r", "", SMTP_DATA_MORE },
        { "\xff\x80\r\n.\r\n", "\xff\x80\r\n", "", SMTP_DATA_END },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice all = slice_of(rows[i].bytes);

        for (size_t first = 0; first <= all.n; first++) {
            struct outcome o;

            feed(all, first, &o);
            CU_ASSERT_EQUAL(o.result, rows[i].result);
            CU_ASSERT_FALSE(o.bare);
            CU_ASSERT_TRUE(
                slice_eq((struct slice){ o.content, o.content_bytes }, slice_of(rows[i].content)));
            CU_ASSERT_EQUAL(o.rest_bytes, strlen(rows[i].rest));
        }
    }
}

static void
what_smugglers_try_is_no_end_of_data(void)
{
    static const struct {
        const char *bytes;
        enum smtp_data_result result;
    } rows[] = {
        { "a\n.\nMAIL", SMTP_DATA_FORGED },
        { "a\n.\r\nMAIL", SMTP_DATA_FORGED },
        { "a\r.\r\nMAIL", SMTP_DATA_FORGED },
        { "a\r.\rMAIL", SMTP_DATA_FORGED },
        { "a\r\n.\nMAIL", SMTP_DATA_FORGED },
        { "a\r\n.\rMAIL", SMTP_DATA_FORGED },
        { "a\r.\nMAIL", SMTP_DATA_FORGED },
        { "a\n.\rMAIL", SMTP_DATA_FORGED },
        { "a\r\r\n.\r\r\nMAIL", SMTP_DATA_FORGED },
        { "\n.\nMAIL", SMTP_DATA_FORGED },
        { ".\nMAIL", SMTP_DATA_FORGED },
        { "a\nb\r\n.\r\n", SMTP_DATA_END },
        { "a\rb\r\n.\r\n", SMTP_DATA_END },
        { "a\r\r\n.\r\n", SMTP_DATA_END },
        { "a\r\n\n.b\r\n.\r\n", SMTP_DATA_END },
        { "a\n..\r\n.\r\n", SMTP_DATA_END },
        { "a\n", SMTP_DATA_MORE },
        { "a\r\n.\r\r\n", SMTP_DATA_FORGED },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice all = slice_of(rows[i].bytes);

        for (size_t first = 0; first <= all.n; first++) {
            struct outcome o;

            feed(all, first, &o);
            CU_ASSERT_EQUAL(o.result, rows[i].result);
            CU_ASSERT_TRUE(o.bare || o.result == SMTP_DATA_FORGED);
        }
    }
}

/* The same by one switch a byte: slow, and hard to get wrong. NULs are content like any other. */
static enum smtp_data_result
model(struct slice all, struct outcome *o)
{
    bool line_start = true, pretended = false; /* pretended: after a bare CR or LF */

    memset(o, 0, sizeof(*o));
    for (size_t i = 0; i < all.n; i++) {
        char c = all.p[i];
        char next = i + 1 < all.n ? all.p[i + 1] : 'x';
        bool end_there = i + 1 < all.n && (next == '\r' || next == '\n');

        if (line_start && c == '.') {
            if (i + 1 < all.n && next == '\r') {
                if (i + 2 == all.n) {
                    return SMTP_DATA_MORE;
                }
                return all.p[i + 2] == '\n' ? SMTP_DATA_END : SMTP_DATA_FORGED;
            }
            if (i + 1 < all.n && next == '\n') {
                return SMTP_DATA_FORGED;
            }
            line_start = pretended = false;
            continue;
        }
        if (pretended && c == '.' && end_there) {
            return SMTP_DATA_FORGED;
        }
        o->content[o->content_bytes++] = c;
        line_start = c == '\n' && i > 0 && all.p[i - 1] == '\r';
        pretended = (c == '\n' && !line_start) || (c == '\r' && i + 1 < all.n && next != '\n');
        o->bare = o->bare || pretended;
    }
    return SMTP_DATA_MORE;
}

static void
every_short_string_agrees_with_the_model(void)
{
    static const char alphabet[] = { 'a', '.', '\r', '\n', '\0' };
    char text[7];

    for (unsigned n = 0; n <= sizeof(text); n++) {
        unsigned count = 1;

        for (unsigned i = 0; i < n; i++) {
            count *= sizeof(alphabet);
        }
        for (unsigned number = 0; number < count; number++) {
            struct outcome want, got;
            unsigned digits = number;
            bool same;

            for (unsigned i = 0; i < n; i++, digits /= sizeof(alphabet)) {
                text[i] = alphabet[digits % sizeof(alphabet)];
            }
            want.result = model((struct slice){ text, n }, &want);
            for (unsigned first = 0; first <= n; first++) {
                struct slice all = { text, n };
                enum smtp_data_result result = model(all, &want);

                feed(all, first, &got);
                same = got.result == result;
                if (result != SMTP_DATA_FORGED) {
                    same = same && got.content_bytes == want.content_bytes &&
                           memcmp(got.content, want.content, want.content_bytes) == 0 &&
                           got.bare == want.bare;
                }
                if (!same) {
                    printf("\nnumber %u of length %u split at %u\n", number, n, first);
                }
                CU_ASSERT_TRUE_FATAL(same);
            }
        }
    }
}

static void
runs_are_maximal(void)
{
    struct slice bytes = SLICE_LIT("one\r\ntwo\r\n..three\r\nfour\r\n.\r\n"), run;
    struct smtp_data d;

    smtp_data_init(&d);
    CU_ASSERT_EQUAL(smtp_data_next(&d, &bytes, &run), SMTP_DATA_CONTENT);
    CU_ASSERT_TRUE(slice_eq(run, SLICE_LIT("one\r\ntwo\r\n")));
    CU_ASSERT_EQUAL(smtp_data_next(&d, &bytes, &run), SMTP_DATA_CONTENT);
    CU_ASSERT_TRUE(slice_eq(run, SLICE_LIT(".three\r\nfour\r\n")));
    CU_ASSERT_EQUAL(smtp_data_next(&d, &bytes, &run), SMTP_DATA_END);
    CU_ASSERT_EQUAL(bytes.n, 0);
}

TEST_MAIN("smtp_data", TEST(content_is_the_same_at_every_split),
    TEST(what_smugglers_try_is_no_end_of_data), TEST(every_short_string_agrees_with_the_model),
    TEST(runs_are_maximal))
