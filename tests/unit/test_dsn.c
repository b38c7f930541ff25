/* test_dsn.c - a notification has the structure of RFC 3464, whatever the peers' bytes were. */
#include "mail/dsn.h"
#include "test_main.h"

#include <stdio.h>
#include <unistd.h>

#define WALL 1795250000123u

static const struct dsn_recipient recipients[] = {
    { .kind = DSN_FAILED,
        .address = SLICE_LIT("nobody@example.net"),
        .orcpt = SLICE_LIT("rfc822;Nobody@example.net"),
        .status = SLICE_LIT("5.1.1"),
        .diagnostic = SLICE_LIT("550 5.1.1 no such user"),
        .smtp_diagnostic = true,
        .remote = SLICE_LIT("mx.example.net[192.0.2.25]:25"),
        .last_attempt_wall_ms = WALL - 1000 },
    { .kind = DSN_FAILED,
        .address = SLICE_LIT("late@example.net"),
        .status = SLICE_LIT("4.4.7"),
        .diagnostic = SLICE_LIT("delivery time expired") },
    { .kind = DSN_DELAYED,
        .address = SLICE_LIT("slow@example.net"),
        .status = SLICE_LIT("4.4.1"),
        .remote = SLICE_LIT("[192.0.2.25]:25"),
        .will_retry_until_wall_ms = WALL + 86400000 },
};

static struct dsn
example(void)
{
    return (struct dsn){ .reporting_mta = SLICE_LIT("mx.example.org"),
        .id = SLICE_LIT("30000000001"),
        .sender = SLICE_LIT("sender@example.org"),
        .envid = SLICE_LIT("QQ314159"),
        .now_wall_ms = WALL,
        .arrival_wall_ms = WALL - 60000,
        .unique = 0x1234,
        .original_header = SLICE_LIT("Subject: hello\r\nFrom: sender@example.org\r\n"),
        .recipients = recipients,
        .recipient_count = ARRAY_LEN(recipients) };
}

static char *
write_text(const struct dsn *d)
{
    struct buf b;
    char *text;

    buf_init(&b, 1 << 24);
    CU_ASSERT_EQUAL_FATAL(dsn_write(&b, d), 0);
    text = slice_dup(buf_slice(&b));
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL(strlen(text), buf_len(&b)); /* no NUL */
    buf_fini(&b);
    return text;
}

/* What must hold for any input: CRLF lines of 7-bit text, at most 998 bytes. */
static void
expect_sane(const char *text)
{
    size_t line = 0, bad = 0;

    for (size_t i = 0; text[i] != '\0'; i++) {
        if (text[i] == '\r') {
            bad += text[i + 1] != '\n';
        } else if (text[i] == '\n') {
            bad += i == 0 || text[i - 1] != '\r';
            line = 0;
        } else {
            bad += (unsigned char)text[i] >= 0x7f || ++line > 998;
        }
    }
    CU_ASSERT_EQUAL(bad, 0);
}

static size_t
count_of(const char *text, const char *what)
{
    size_t n = 0;

    for (const char *p = strstr(text, what); p != NULL; p = strstr(p + 1, what)) {
        n++;
    }
    return n;
}

static void
each_recipient_has_its_block(void)
{
    static const char *const expected[] = {
        "From: Mail Delivery System <MAILER-DAEMON@mx.example.org>\r\n",
        "\r\nTo: <sender@example.org>\r\n",
        "\r\nDate: Sat, 21 Nov 2026 ",
        "\r\nSubject: Undelivered mail returned to sender\r\n",
        "\r\nAuto-Submitted: auto-replied\r\n",
        "report-type=delivery-status",
        "\r\nOriginal-Envelope-Id: QQ314159\r\nReporting-MTA: dns; mx.example.org\r\n",
        "\r\n\r\nOriginal-Recipient: rfc822;Nobody@example.net\r\n"
        "Final-Recipient: rfc822; nobody@example.net\r\n"
        "Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.example.net\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\nLast-Attempt-Date: ",
        "\r\n\r\nFinal-Recipient: rfc822; late@example.net\r\n"
        "Action: failed\r\nStatus: 4.4.7\r\n"
        "Diagnostic-Code: X-Bridgehead; delivery time expired\r\n\r\n",
        "\r\n\r\nFinal-Recipient: rfc822; slow@example.net\r\n"
        "Action: delayed\r\nStatus: 4.4.1\r\nRemote-MTA: dns; [192.0.2.25]\r\n"
        "Will-Retry-Until: Sun, 22 Nov 2026 ",
        "\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: hello\r\n",
        "\r\nFrom: sender@example.org\r\n\r\n--",
    };
    struct dsn d = example();
    char *text = write_text(&d);

    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        CU_ASSERT_PTR_NOT_NULL(strstr(text, expected[i]));
    }
    CU_ASSERT_EQUAL(count_of(text, "\r\n--=_bridgehead_"), 4);
    expect_sane(text);
    free(text);
}

static void
a_header_that_holds_the_boundary_is_no_way_out(void)
{
    struct dsn d = example();
    char *text;

    d.original_header = SLICE_LIT("X-A: 1\r\n--=_bridgehead_0000000000001234--\r\n");
    text = write_text(&d);
    CU_ASSERT_EQUAL(count_of(text, "\r\n--=_bridgehead_0000000000001234"), 1);
    CU_ASSERT_EQUAL(count_of(text, "\r\n--=_bridgehead_"), 5);
    free(text);
}

static void
bytes_of_peers_inject_nothing(void)
{
    static const struct dsn_recipient evil[] = {
        { .kind = DSN_FAILED,
            .address = SLICE_LIT("a@b\r\nBcc: all@example.org"),
            .status = SLICE_LIT("5.1.1\r\nX: y"),
            .diagnostic = SLICE_LIT("550 line\r\n\r\n--boundary\r\n\xff\0 end"),
            .smtp_diagnostic = true,
            .remote = SLICE_LIT("mx\r\nX: y[1]") },
    };
    struct dsn d = example();
    char *text;

    d.sender = SLICE_LIT("x@y>\r\nCc: <z@example.org");
    d.recipients = evil;
    d.recipient_count = 1;
    d.original_header = SLICE_LIT("Subject: \xc3\xa4 = bare\rcr \n lf\r\nlast without end ");
    text = write_text(&d);
    expect_sane(text);
    CU_ASSERT_EQUAL(count_of(text, "\r\nBcc:"), 0);
    CU_ASSERT_EQUAL(count_of(text, "\r\nCc:"), 0);
    CU_ASSERT_EQUAL(count_of(text, "\r\nX: y"), 0);
    CU_ASSERT_EQUAL(count_of(text, "\r\nStatus: 5.0.0\r\n"), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                                        "Subject: =C3=A4 =3D bare=0Dcr =0A lf\r\n"
                                        "last without end=20\r\n"));
    free(text);
}

static void
a_long_reply_is_cut_and_a_long_header_line_is_wrapped(void)
{
    static char reply[5000], header[3000];
    struct dsn_recipient r = recipients[0];
    struct dsn d = example();
    char *text;

    memset(reply, 'r', sizeof(reply));
    memset(header, 'h', sizeof(header));
    r.diagnostic = (struct slice){ reply, sizeof(reply) };
    d.recipients = &r;
    d.recipient_count = 1;
    d.original_header = (struct slice){ header, sizeof(header) };
    text = write_text(&d);
    expect_sane(text);
    CU_ASSERT_EQUAL(count_of(text, "h=\r\n"), 40 - 1);
    free(text);
}

static void
without_a_header_there_are_two_parts(void)
{
    struct dsn d = example();
    char *text;

    d.original_header = SLICE_NONE;
    d.recipients = &recipients[2];
    d.recipient_count = 1;
    text = write_text(&d);
    CU_ASSERT_EQUAL(count_of(text, "\r\n--=_bridgehead_"), 3);
    CU_ASSERT_PTR_NULL(strstr(text, "rfc822-headers"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "Subject: Delayed mail"));
    free(text);
}

static void
more_than_the_limit_is_an_error(void)
{
    struct dsn d = example();
    struct buf b;
    int rc = BH_ETOOBIG;

    for (size_t limit = 1; rc == BH_ETOOBIG; limit++) {
        buf_init(&b, limit);
        rc = dsn_write(&b, &d);
        CU_ASSERT_TRUE(rc == BH_ETOOBIG || (rc == 0 && buf_len(&b) == limit));
        buf_fini(&b);
    }
}

/* A parser that is not ours agrees about the structure. */
static void
python_parses_it(void)
{
    static const char script[] =
        "import email, sys\n"
        "m = email.message_from_binary_file(open(sys.argv[1], 'rb'))\n"
        "assert not m.defects and m.get_content_type() == 'multipart/report', m.defects\n"
        "t, s, h = m.get_payload()\n"
        "b = s.get_payload()\n"
        "assert [x.get_content_type() for x in (t, s, h)] == ['text/plain',\n"
        "    'message/delivery-status', 'text/rfc822-headers']\n"
        "assert len(b) == 4 and b[0]['Reporting-MTA'] == 'dns; mx.example.org', b\n"
        "assert [x['Action'] for x in b[1:]] == ['failed', 'failed', 'delayed']\n"
        "assert [x['Status'] for x in b[1:]] == ['5.1.1', '4.4.7', '4.4.1']\n"
        "assert b[1]['Diagnostic-Code'] == 'smtp; 550 5.1.1 no such user'\n"
        "p = h.get_payload(decode=True).split()\n"
        "assert p == [b'Subject:', b'\\xc3\\xa4', b'X:', b'y' * 200], p\n";
    struct dsn d = example();
    char path[] = "/tmp/test_dsn.XXXXXX", header[256], command[2400];
    int fd = mkstemp(path), n;
    char *text;

    CU_ASSERT_TRUE_FATAL(fd >= 0);
    n = snprintf(header, sizeof(header), "Subject: \xc3\xa4\r\nX: %0200d\r\n", 0);
    for (int i = 0; i < n; i++) {
        header[i] = header[i] == '0' ? 'y' : header[i];
    }
    d.original_header = slice_of(header);
    text = write_text(&d);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    free(text);
    n = snprintf(command, sizeof(command), "python3 -c \"%s\" %s", script, path);
    CU_ASSERT_TRUE_FATAL(n > 0 && (size_t)n < sizeof(command));
    CU_ASSERT_EQUAL(system(command), 0);
    unlink(path);
}

TEST_MAIN("dsn", TEST(each_recipient_has_its_block),
    TEST(a_header_that_holds_the_boundary_is_no_way_out), TEST(bytes_of_peers_inject_nothing),
    TEST(a_long_reply_is_cut_and_a_long_header_line_is_wrapped),
    TEST(without_a_header_there_are_two_parts), TEST(more_than_the_limit_is_an_error),
    TEST(python_parses_it))
