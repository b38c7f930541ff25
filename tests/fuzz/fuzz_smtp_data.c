/* links: core smtp */
#include "smtp/smtp_data.h"
#include <stdlib.h>

/* The first byte says how long the pieces are. However the bytes are cut, content, end and verdict
 * are the same as in one piece; content is never longer than what came, and a message that is taken
 * holds no CR or LF but in CRLF. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum smtp_data_result result;
    bool bare;
    size_t taken, content_bytes;
    char *content;
};

static void
run(struct slice all, size_t piece, struct outcome *o)
{
    struct smtp_data d;
    struct slice out;

    smtp_data_init(&d);
    o->result = SMTP_DATA_MORE;
    o->taken = o->content_bytes = 0;
    while (o->taken < all.n && o->result == SMTP_DATA_MORE) {
        struct slice rest = slice_sub(all, o->taken, piece);
        size_t before = rest.n;

        do {
            o->result = smtp_data_next(&d, &rest, &out);
            if (o->result == SMTP_DATA_CONTENT) {
                CHECK(out.n > 0);
                memcpy(o->content + o->content_bytes, out.p, out.n);
                o->content_bytes += out.n;
            }
        } while (o->result == SMTP_DATA_CONTENT);
        CHECK(o->result != SMTP_DATA_MORE || rest.n == 0);
        o->taken += before - rest.n;
    }
    o->bare = d.bare;
}

static void
check_lines(const struct outcome *o)
{
    for (size_t i = 0; i < o->content_bytes; i++) {
        if (o->content[i] == '\n') {
            CHECK(i > 0 && o->content[i - 1] == '\r');
        } else if (i > 0 && o->content[i - 1] == '\r') {
            CHECK(false);
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = { (const char *)data + 1, size - 1 };
    struct outcome whole, cut;

    if (size < 2) {
        return 0;
    }
    whole.content = malloc(size);
    cut.content = malloc(size);
    CHECK(whole.content != NULL && cut.content != NULL);
    run(all, all.n, &whole);
    run(all, data[0] % 16 + 1u, &cut);
    CHECK(whole.result == cut.result && whole.taken == cut.taken);
    if (whole.result != SMTP_DATA_FORGED) {
        CHECK(whole.bare == cut.bare && whole.content_bytes == cut.content_bytes);
        CHECK(memcmp(whole.content, cut.content, whole.content_bytes) == 0);
    }
    if (whole.result == SMTP_DATA_END && !whole.bare) {
        check_lines(&whole);
    }
    free(whole.content);
    free(cut.content);
    return 0;
}
