/* links: core osi x400 */
#include "p1_made.h"
#include "x400/p1_1984.h"

/* A report's content as it came: what was checked can be walked, the content that is returned can
 * be had, and what a peer of 1984 is told of it reads as a report on as many. */

static void
walk(const struct p1_report *r)
{
    struct p1_reported one;
    struct ber_cursor c;
    uint32_t n = 0;
    int rc;

    ber_cursor_init(&c, r->recipients);
    for (rc = p1_reported_next(&c, &one); rc > 0; rc = p1_reported_next(&c, &one)) {
        CHECK(one.number > 0 && one.name.n > 0 && one.arrival.given);
        CHECK(!one.delivered || one.delivery.given);
        CHECK(one.supplementary.n <= P1_SUPPLEMENTARY_BYTES_MAX);
        CHECK(p1_code_status(one.reason, one.diagnostic)[0] == '5');
        n++;
    }
    CHECK(rc == 0 && n == r->recipient_count);
}

static void
returned(const struct p1_report *r)
{
    struct buf out;
    int rc;

    buf_init(&out, MIB);
    rc = p1_report_returned(r, &out);
    CHECK(rc == 0 || rc == BH_ESYNTAX || rc == BH_ETOOBIG);
    CHECK(buf_len(&out) <= r->returned.n);
    buf_fini(&out);
}

static void
as_of_1984(struct slice content, const struct p1_report *r)
{
    static const char head[] = "\x60\x0a\x30\x08\x61\x04\x13\x02"
                               "GB\x62\x00";
    struct p1_report again;
    struct p1_held old, new;
    struct ber_writer w;
    const char *error;
    uint64_t at;

    buf_init(&old.octets, 4 * MIB);
    ber_writer_init(&w, &old.octets);
    ber_write_begin(&w, BER_CONTEXT(P1_REPORT));
    ber_write_begin(&w, BER_UNIVERSAL(BER_SET));
    ber_write_begin(&w, BER_APPLICATION(4));
    ber_write_raw(&w, (struct slice)SLICE_LIT("\x63\x0b\x61\x04\x13\x02"
                                              "GB\x62\x03\x13\x01"
                                              "A\x16\x01R"));
    ber_write_end(&w);
    ber_write_raw(&w, (struct slice){ head, sizeof(head) - 1 });
    ber_write_list(&w, BER_APPLICATION(9), SLICE_NONE);
    ber_write_end(&w);
    ber_write_list(&w, BER_UNIVERSAL(BER_SET), content);
    ber_write_end(&w);
    CHECK(ber_write_finish(&w) == 0);
    p1_held_read(&old);
    buf_init(&new.octets, 4 * MIB);
    CHECK(p1_1984_write(&new.octets, &old.e, &(struct p1_1984){ false }, NULL) == 0);
    p1_held_read(&new);
    CHECK(p1_report_parse(new.e.report_content, &again, &error, &at) == 0);
    CHECK(again.recipient_count == r->recipient_count && again.extensions.n == 0);
    CHECK(again.returns == r->returns);
    walk(&again);
    p1_held_fini(&new);
    p1_held_fini(&old);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = { (const char *)data, size };
    struct p1_report r;
    const char *error = NULL;
    uint64_t at = 0;

    if (p1_report_parse(all, &r, &error, &at) < 0) {
        CHECK(error != NULL && at <= size);
        return 0;
    }
    walk(&r);
    returned(&r);
    as_of_1984(all, &r);
    return 0;
}
