#include "x400/p1_make.h"
#include "x400/or_address_ber.h"
#include "x400/p1_member.h"

/* The writer's buffer is free between two of its calls: an address is appended by its own writer.
 */
static void
write_address(struct ber_writer *w, const struct or_address *a)
{
    w->rc = w->rc < 0 ? w->rc : or_address_write(a, BER_APPLICATION(0), w->out);
}

static void
write_recipients(struct ber_writer *w, const struct p1_made *m)
{
    ber_write_begin(w, BER_CONTEXT(2));
    for (uint32_t i = 0; i < m->recipient_count; i++) {
        const struct p1_made_recipient *r = &m->recipients[i];

        ber_write_begin(w, BER_UNIVERSAL(BER_SET));
        write_address(w, r->to);
        ber_write_int(w, BER_CONTEXT(0), i + 1);
        ber_write_bits(w, BER_CONTEXT(1), r->reports | P1_RESPONSIBLE | P1_MTA_NON_DELIVERY, 8);
        ber_write_end(w);
    }
    ber_write_end(w);
}

static void
write_content_fields(struct ber_writer *w, const struct p1_made *m)
{
    if (m->eit_bits != 0) {
        ber_write_begin(w, BER_APPLICATION(5));
        ber_write_bits(w, BER_CONTEXT(0), m->eit_bits, 10);
        ber_write_end(w);
    }
    if (m->content_type != P1_CONTENT_OID) {
        ber_write_int(w, BER_APPLICATION(6), m->content_type);
    } else {
        ber_write_bytes(w, BER_UNIVERSAL(BER_OID), m->content_oid);
    }
    if (m->content_id.n > 0) {
        ber_write_bytes(w, BER_APPLICATION(10), m->content_id);
    }
}

static void
write_latest(struct ber_writer *w, const struct p1_made *m)
{
    ber_write_begin(w, BER_CONTEXT(3));
    ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
    ber_write_int(w, BER_CONTEXT(0), P1_EXT_LATEST_DELIVERY);
    ber_write_bits(w, BER_CONTEXT(1), P1_FOR_DELIVERY, 3);
    ber_write_begin(w, BER_CONTEXT(2));
    p1_write_time(w, BER_UNIVERSAL(BER_UTC_TIME), m->latest_wall_ms);
    ber_write_end(w);
    ber_write_end(w);
    ber_write_end(w);
}

static void
check(const struct p1_made *m)
{
    CHECK(m->kind == P1_MESSAGE || m->kind == P1_PROBE);
    CHECK(m->local_id.n > 0 && m->local_id.n <= P1_LOCAL_ID_BYTES_MAX);
    CHECK(m->content_id.n <= P1_CONTENT_ID_BYTES_MAX);
    CHECK(m->recipient_count > 0 && m->recipient_count <= P1_RECIPIENTS_MAX);
    CHECK(m->content_type != P1_CONTENT_OID || m->content_oid.n > 0);
}

int
p1_make(struct buf *out, const struct p1_made *m)
{
    const size_t before = buf_len(out);
    struct ber_writer w;
    int rc;

    check(m);
    ber_writer_init(&w, out);
    ber_write_begin(&w, BER_CONTEXT(m->kind));
    p1_write_identifier(&w, m->domain, m->local_id);
    write_address(&w, m->originator);
    write_content_fields(&w, m);
    if (m->kind == P1_MESSAGE && m->priority != P1_NORMAL) {
        ber_write_int(&w, BER_APPLICATION(7), m->priority);
    }
    if (m->indicators != 0) {
        ber_write_bits(&w, BER_APPLICATION(8), m->indicators, 8);
    }
    if (m->kind == P1_MESSAGE && m->deferred_wall_ms != 0) {
        p1_write_time(&w, BER_CONTEXT(0), m->deferred_wall_ms);
    } else if (m->kind == P1_PROBE && m->probe_bytes != UINT64_MAX) {
        ber_write_int(&w, BER_CONTEXT(0), (int64_t)MIN(m->probe_bytes, (uint64_t)INT64_MAX));
    }
    ber_write_list(&w, BER_APPLICATION(9), SLICE_NONE);
    if (m->kind == P1_MESSAGE && m->latest_wall_ms != 0) {
        write_latest(&w, m);
    }
    write_recipients(&w, m);
    ber_write_end(&w);
    rc = ber_write_finish(&w);
    if (rc == 0 && buf_len(out) - before > P1_ENVELOPE_BYTES_MAX) {
        rc = BH_ETOOBIG;
    }
    return rc;
}
