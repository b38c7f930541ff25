#include "x400/p1_stored.h"

int
p1_stored_write(struct buf *out, const struct p1_envelope *e)
{
    struct ber_writer w;

    ber_writer_init(&w, out);
    if (e->kind == P1_REPORT) {
        ber_write_begin(&w, BER_CONTEXT(P1_REPORT));
        ber_write_list(&w, BER_UNIVERSAL(BER_SET), e->members);
        ber_write_list(&w, BER_UNIVERSAL(BER_SET), e->report_content);
        ber_write_end(&w);
    } else {
        ber_write_list(&w, BER_CONTEXT(e->kind), e->members);
    }
    return ber_write_finish(&w);
}

/* The outermost value's header; what is in it comes later. */
static int
open_value(struct slice octets, enum p1_kind *kind, size_t *header, uint64_t *length)
{
    struct ber_item item = { .tag = 0 };
    struct ber_reader r;

    ber_reader_init(&r, P1_STORED_BYTES_MAX);
    if (ber_next(&r, &octets, &item) != BER_OPEN || item.length == BER_INDEFINITE) {
        return BH_ESYNTAX;
    }
    if (item.tag != BER_CONTEXT(P1_MESSAGE) && item.tag != BER_CONTEXT(P1_REPORT) &&
        item.tag != BER_CONTEXT(P1_PROBE)) {
        return BH_ESYNTAX;
    }
    *kind = (enum p1_kind)(item.tag - BER_CONTEXT(0));
    *header = (size_t)r.at;
    *length = item.length;
    return 0;
}

int
p1_stored_bytes(struct slice start, enum p1_kind *kind, uint64_t *out)
{
    uint64_t length;
    size_t header;
    int rc = open_value(start, kind, &header, &length);

    if (rc == 0) {
        *out = header + length;
    }
    return rc;
}

int
p1_stored_read(struct slice octets, struct p1_envelope *out, const char **error, uint64_t *error_at)
{
    enum p1_kind kind;
    uint64_t length;
    size_t header;
    int rc = open_value(octets, &kind, &header, &length);

    *error_at = 0;
    if (rc == 0 && length > octets.n - header) {
        rc = BH_ESYNTAX;
    }
    if (rc < 0) {
        *error = "what is stored does not begin with an envelope";
        return rc;
    }
    rc = p1_envelope_parse(slice_sub(octets, header, (size_t)length), kind, out, error, error_at);
    *error_at += rc < 0 ? header : 0;
    return rc;
}
