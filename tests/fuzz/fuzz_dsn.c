/* links: core mail */
#include "mail/dsn.h"
#include <stdlib.h>

/* Whatever a header, an address or a reply holds, a notification is CRLF lines of 7-bit text within
 * the limit, with exactly the parts it should have. First byte: how much of the input is the reply
 * (in eighths); the rest is the header. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_lines(struct slice s)
{
    size_t line = 0;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        CHECK(c != 0 && c < 0x80);
        CHECK(c != '\n' || (i > 0 && s.p[i - 1] == '\r'));
        CHECK(c != '\r' || (i + 1 < s.n && s.p[i + 1] == '\n'));
        line = c == '\n' ? 0 : line + (c != '\r');
        CHECK(line <= 998);
    }
}

/* The boundary as the message itself states it, at the beginning of lines. */
static size_t
count_parts(struct slice s)
{
    static const char name[] = "\r\n\tboundary=\"";
    const char *b = memmem(s.p, s.n, name, sizeof(name) - 1);
    struct slice boundary, rest = s;
    size_t n = 0;

    CHECK(b != NULL);
    boundary = slice_skip(s, (size_t)(b - s.p) + sizeof(name) - 1);
    boundary = slice_sub(boundary, 0, slice_find(boundary, '"'));
    while (rest.n > 0) {
        if (slice_starts(rest, SLICE_LIT("--")) && slice_starts(slice_skip(rest, 2), boundary)) {
            n++;
        }
        rest = slice_skip(rest, slice_find(rest, '\n') + 1);
    }
    return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = { (const char *)data, size }, reply, header;
    struct dsn_recipient r[2];
    struct dsn d;
    struct buf out;

    if (size < 1) {
        return 0;
    }
    reply = slice_sub(all, 1, (size - 1) / 8 * (data[0] & 7));
    header = slice_skip(all, 1 + reply.n);
    for (size_t i = 0; i < ARRAY_LEN(r); i++) {
        r[i] = (struct dsn_recipient){ .kind = (enum dsn_kind)((data[0] >> 3) % (DSN_EXPANDED + 1)),
            .address = slice_sub(reply, 0, 300),
            .orcpt = slice_sub(reply, 1, 300),
            .status = slice_sub(reply, 2, 9),
            .diagnostic = reply,
            .smtp_diagnostic = i == 0,
            .remote = slice_sub(reply, 3, 40),
            .last_attempt_wall_ms = size,
            .will_retry_until_wall_ms = size << 40 };
    }
    d = (struct dsn){ .reporting_mta = SLICE_LIT("mx.example.org"),
        .id = SLICE_LIT("1"),
        .sender = all,
        .envid = slice_sub(reply, 0, 100),
        .now_wall_ms = size,
        .unique = data[0],
        .original_header = header,
        .recipients = r,
        .recipient_count = ARRAY_LEN(r) };
    buf_init(&out, 1 << 24);
    CHECK(dsn_write(&out, &d) == 0);
    check_lines(buf_slice(&out));
    CHECK(count_parts(buf_slice(&out)) == (header.n > 0 ? 4 : 3));
    buf_fini(&out);
    return 0;
}
