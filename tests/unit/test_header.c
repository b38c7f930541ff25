/* header.c: what is seen of a header section, whatever the pieces it comes in. */
#include "mail/header.h"
#include "test_main.h"

static const char message[] = "Received: from a by b; Sat, 1 Jan 2026 00:00:00 +0000\r\n"
                              "RECEIVED : from c by d\r\n"
                              "\tReceived: folded, no field\r\n"
                              "Received-SPF: pass\r\n"
                              "from: x@y\r\n"
                              "Message-ID:\r\n"
                              " <1@x>\r\n"
                              "Date: now\r\n"
                              "\r\n"
                              "Received: in the body\r\n"
                              "Message-ID: <2@x>\r\n";

static void
check(const struct header_scan *h)
{
    CU_ASSERT_EQUAL(h->received_count, 2);
    CU_ASSERT_TRUE(h->done);
    CU_ASSERT_TRUE(h->has_from && h->has_date && h->has_message_id);
    CU_ASSERT_STRING_EQUAL(h->message_id, "<1@x>");
}

static void
every_split_sees_the_same(void)
{
    size_t n = sizeof(message) - 1;

    for (size_t piece = 1; piece <= n; piece++) {
        struct header_scan h;

        header_scan_init(&h);
        for (size_t at = 0; at < n; at += piece) {
            header_scan_feed(&h, slice_sub((struct slice){ message, n }, at, piece));
        }
        check(&h);
    }
}

static void
a_body_without_header_ends_it(void)
{
    static const char *const bodies[] = { "\r\nReceived: x\r\n", "hello\r\nReceived: x\r\n",
        "two words: x\r\nReceived: x\r\n", ": x\r\nReceived: x\r\n" };

    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct header_scan h;

        header_scan_init(&h);
        header_scan_feed(&h, slice_of(bodies[i]));
        CU_ASSERT_TRUE(h.done);
        CU_ASSERT_EQUAL(h.received_count, 0);
        CU_ASSERT_FALSE(h.has_message_id);
    }
}

static void
long_lines_and_ids_are_cut(void)
{
    struct header_scan h;
    char filler[2000];

    memset(filler, 'x', sizeof(filler));
    header_scan_init(&h);
    header_scan_feed(&h, SLICE_LIT("Message-ID: <"));
    header_scan_feed(&h, (struct slice){ filler, sizeof(filler) });
    header_scan_feed(&h, SLICE_LIT("\r\nReceived: "));
    header_scan_feed(&h, (struct slice){ filler, sizeof(filler) });
    header_scan_feed(&h, SLICE_LIT("\r\nMessage-ID: second\r\n"));
    CU_ASSERT_EQUAL(strlen(h.message_id), sizeof(h.message_id) - 1);
    CU_ASSERT_EQUAL(h.message_id[1], 'x');
    CU_ASSERT_EQUAL(h.received_count, 1);
    CU_ASSERT_FALSE(h.done);
}

static void
the_received_field_is_as_rfc_5321_wants_it(void)
{
    struct header_received r = { .helo = SLICE_LIT("helo.example"),
        .client_address = SLICE_LIT("192.0.2.1"),
        .by_host = SLICE_LIT("mx.example.org"),
        .protocol = SLICE_LIT("ESMTP"),
        .id = SLICE_LIT("30000000001"),
        .recipient = SLICE_LIT("a@b.example"),
        .wall_ms = 0 };
    char out[1024];
    int n = header_write_received(out, sizeof(out), &r);

    CU_ASSERT_FATAL(n > 0);
    CU_ASSERT_STRING_EQUAL(out,
        "Received: from helo.example ([192.0.2.1]) by mx.example.org (Bridgehead)\r\n"
        "\twith ESMTP id 30000000001\r\n"
        "\tfor <a@b.example>; Thu, 1 Jan 1970 00:00:00 +0000\r\n");
    r.recipient = SLICE_NONE;
    CU_ASSERT_TRUE(header_write_received(out, sizeof(out), &r) > 0);
    CU_ASSERT_PTR_NULL(strstr(out, "for <"));
    CU_ASSERT_EQUAL(header_write_received(out, 40, &r), BH_ETOOBIG);
}

TEST_MAIN("header", TEST(every_split_sees_the_same), TEST(a_body_without_header_ends_it),
    TEST(long_lines_and_ids_are_cut), TEST(the_received_field_is_as_rfc_5321_wants_it))
