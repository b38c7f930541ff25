/* smtp_reply.c: replies as tables, each at every split. */
#include "smtp/smtp_reply.h"
#include "test_main.h"

struct row {
    const char *bytes;
    int rc; /* 1, or an error */
    int code;
    const char *status, *text;
};

static const struct row rows[] = {
    { "250 OK\r\n", 1, 250, "", "OK" },
    { "250 2.1.0 OK\r\n", 1, 250, "2.1.0", "OK" },
    { "250\r\n", 1, 250, "", "" },
    { "250 \r\n", 1, 250, "", "" },
    { "250\n", 1, 250, "", "" },
    { "354 go\n", 1, 354, "", "go" },
    { "550-5.1.1 no\r\n550-5.1.1 such\r\n550 5.1.1 user\r\n", 1, 550, "5.1.1", "no\nsuch\nuser" },
    { "550-5.1.1 no\r\n550 5.1.2 user\r\n", 1, 550, "5.1.1", "no\n5.1.2 user" },
    { "550-5.1.1\r\n550 5.1.1\r\n", 1, 550, "5.1.1", "\n" },
    { "550 4.1.1 other class\r\n", 1, 550, "", "4.1.1 other class" },
    { "550 5.1 short\r\n", 1, 550, "", "5.1 short" },
    { "550 5.1.1x\r\n", 1, 550, "", "5.1.1x" },
    { "550-\r\n550 5.1.1 late\r\n", 1, 550, "", "\n5.1.1 late" },
    { "220-a\r\n220 b\rc\r\n", 1, 220, "", "a\nb c" },
    { "250-a\n250-b\n250\n", 1, 250, "", "a\nb\n" },
    { "250-a\r\n550 b\r\n", BH_ESYNTAX, 0, NULL, NULL },
    { "150 a\r\n", BH_ESYNTAX, 0, NULL, NULL },
    { "650 a\r\n", BH_ESYNTAX, 0, NULL, NULL },
    { "2a0 a\r\n", BH_ESYNTAX, 0, NULL, NULL },
    { "250_a\r\n", BH_ESYNTAX, 0, NULL, NULL },
    { "250\ra\r\n", BH_ESYNTAX, 0, NULL, NULL },
    { "25\r\n", BH_ESYNTAX, 0, NULL, NULL },
    { "\r\n", BH_ESYNTAX, 0, NULL, NULL },
    { "HTTP/1.0 400\r\n", BH_ESYNTAX, 0, NULL, NULL },
};

static int
feed_split(struct smtp_reply_parser *p, struct slice all, size_t first, struct smtp_reply *out)
{
    struct slice head = slice_sub(all, 0, first);
    struct slice tail = slice_skip(all, first);
    int rc = smtp_reply_feed(p, &head, out);

    return rc != 0 ? rc : smtp_reply_feed(p, &tail, out);
}

static void
replies_are_the_same_at_every_split(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *r = &rows[i];
        struct slice all = slice_of(r->bytes);

        for (size_t first = 0; first <= all.n; first++) {
            struct smtp_reply_parser p;
            struct smtp_reply out;
            int rc;

            smtp_reply_init(&p);
            rc = feed_split(&p, all, first, &out);
            CU_ASSERT_EQUAL(rc, r->rc);
            if (rc == 1 && r->rc == 1) {
                CU_ASSERT_EQUAL(out.code, r->code);
                CU_ASSERT_TRUE(slice_eq(out.status, slice_of(r->status)));
                CU_ASSERT_TRUE(slice_eq(out.text, slice_of(r->text)));
                CU_ASSERT_FALSE(smtp_reply_partial(&p));
            }
            smtp_reply_fini(&p);
        }
    }
}

static void
pipelined_replies_come_one_by_one(void)
{
    struct slice bytes = SLICE_LIT("250 2.1.0 a\r\n550 5.1.1 b\r\n354 c\r\n25");
    struct smtp_reply_parser p;
    struct smtp_reply out;

    smtp_reply_init(&p);
    CU_ASSERT_EQUAL(smtp_reply_feed(&p, &bytes, &out), 1);
    CU_ASSERT_EQUAL(out.code, 250);
    CU_ASSERT_EQUAL(smtp_reply_feed(&p, &bytes, &out), 1);
    CU_ASSERT_EQUAL(out.code, 550);
    CU_ASSERT_TRUE(slice_eq(out.status, SLICE_LIT("5.1.1")));
    CU_ASSERT_EQUAL(smtp_reply_feed(&p, &bytes, &out), 1);
    CU_ASSERT_EQUAL(out.status.n, 0);
    CU_ASSERT_EQUAL(bytes.n, 2);
    CU_ASSERT_EQUAL(smtp_reply_feed(&p, &bytes, &out), 0);
    CU_ASSERT_TRUE(smtp_reply_partial(&p));
    smtp_reply_reset(&p);
    CU_ASSERT_FALSE(smtp_reply_partial(&p));
    smtp_reply_release(&p);
    smtp_reply_fini(&p);
}

static void
a_flood_is_refused_and_long_text_is_cut(void)
{
    struct smtp_reply_parser p;
    struct smtp_reply out;
    char line[2002];
    struct slice bytes;
    int rc = 0;

    memset(line, 'x', sizeof(line));
    memcpy(line, "250-", 4);
    line[sizeof(line) - 1] = '\n';
    smtp_reply_init(&p);
    for (int i = 0; i < 10; i++) {
        bytes = (struct slice){ line, sizeof(line) };
        CU_ASSERT_EQUAL(smtp_reply_feed(&p, &bytes, &out), 0);
    }
    bytes = SLICE_LIT("250 end\r\n");
    CU_ASSERT_EQUAL(smtp_reply_feed(&p, &bytes, &out), 1);
    CU_ASSERT_EQUAL(out.text.n, SMTP_REPLY_TEXT_BYTES_MAX);
    for (int i = 0; i < 100 && rc == 0; i++) {
        bytes = (struct slice){ line, sizeof(line) };
        rc = smtp_reply_feed(&p, &bytes, &out);
    }
    CU_ASSERT_EQUAL(rc, BH_ETOOBIG);
    smtp_reply_reset(&p);
    rc = 0;
    for (int i = 0; i < 5 && rc == 0; i++) {
        bytes = (struct slice){ line, sizeof(line) - 1 }; /* a line that never ends */
        rc = smtp_reply_feed(&p, &bytes, &out);
    }
    CU_ASSERT_EQUAL(rc, BH_ETOOBIG);
    smtp_reply_fini(&p);
}

static void
ehlo_keywords_are_found(void)
{
    static const struct {
        const char *text;
        bool pipelining, eightbitmime, size;
        uint64_t size_bytes_max;
    } offers[] = {
        { "host\nPIPELINING\nSIZE 1000\n8bitmime", true, true, true, 1000 },
        { "host\nSIZE", false, false, true, 0 },
        { "host\nSIZE 99999999999999999999999", false, false, true, 0 },
        { "PIPELINING", false, false, false, 0 },
        { "host\nPIPELINING2\nXSIZE 5\n\n SIZE  7 ", false, false, true, 7 },
        { "", false, false, false, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(offers); i++) {
        struct smtp_reply r = { 250, SLICE_NONE, slice_of(offers[i].text) };
        struct smtp_reply_ehlo e;

        smtp_reply_parse_ehlo(&r, &e);
        CU_ASSERT_EQUAL(e.pipelining, offers[i].pipelining);
        CU_ASSERT_EQUAL(e.eightbitmime, offers[i].eightbitmime);
        CU_ASSERT_EQUAL(e.size, offers[i].size);
        CU_ASSERT_EQUAL(e.size_bytes_max, offers[i].size_bytes_max);
    }
}

TEST_MAIN("smtp_reply", TEST(replies_are_the_same_at_every_split),
    TEST(pipelined_replies_come_one_by_one), TEST(a_flood_is_refused_and_long_text_is_cut),
    TEST(ehlo_keywords_are_found))
