/* links: core smtp */
#include "smtp/smtp_reply.h"
#include <stdlib.h>

/* The first byte says how long the pieces are. However a peer's bytes are cut, the same replies
 * come out; each is within its bounds and free of line ends but our own. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_reply(const struct smtp_reply *r)
{
    struct smtp_reply_ehlo e;

    CHECK(r->code >= 200 && r->code <= 599);
    CHECK(r->text.n <= SMTP_REPLY_TEXT_BYTES_MAX);
    CHECK(r->status.n == 0 || r->status.p[0] == '0' + r->code / 100);
    CHECK(slice_find(r->text, '\r') == r->text.n);
    smtp_reply_parse_ehlo(r, &e);
}

/* All replies as one text; the error that ended it, or 0. */
static int
run(struct slice all, size_t piece, struct buf *out)
{
    struct smtp_reply_parser p;
    int rc = 0;

    smtp_reply_init(&p);
    for (size_t at = 0; at < all.n && rc >= 0; at += piece) {
        struct slice bytes = slice_sub(all, at, piece);
        struct smtp_reply r;

        for (;;) {
            rc = smtp_reply_feed(&p, &bytes, &r);
            if (rc != 1) {
                break;
            }
            check_reply(&r);
            CHECK(buf_printf(out, "%d|", r.code) == 0);
            CHECK(buf_append(out, r.status) == 0 && buf_append(out, r.text) == 0);
        }
        CHECK(rc < 0 || bytes.n == 0);
    }
    smtp_reply_fini(&p);
    return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = { (const char *)data + 1, size - 1 };
    struct buf whole, cut;

    if (size < 2) {
        return 0;
    }
    buf_init(&whole, 64 * MIB);
    buf_init(&cut, 64 * MIB);
    CHECK(run(all, all.n, &whole) == run(all, data[0] % 16 + 1u, &cut));
    CHECK(slice_eq(buf_slice(&whole), buf_slice(&cut)));
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
