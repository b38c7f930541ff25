#include "x400/p1_head.h"
#include "x400/p1_member.h"

/* ---- trace */

int
p1_trace_write(struct buf *out, const struct p1_hop *hop)
{
    struct ber_writer w;

    CHECK(hop->domain.country.given && hop->domain.admd.given);
    CHECK(hop->mta_name.n <= P1_MTA_NAME_BYTES_MAX);
    ber_writer_init(&w, out);
    ber_write_begin(&w, BER_UNIVERSAL(BER_SEQUENCE));
    p1_write_domain(&w, &hop->domain);
    if (hop->mta_name.n > 0) {
        ber_write_bytes(&w, BER_UNIVERSAL(BER_IA5_STRING), hop->mta_name);
    }
    ber_write_begin(&w, BER_UNIVERSAL(BER_SET));
    p1_write_time(&w, BER_CONTEXT(0), hop->arrival_wall_ms);
    if (hop->deferred_wall_ms != 0) {
        p1_write_time(&w, BER_CONTEXT(1), hop->deferred_wall_ms);
    }
    ber_write_int(&w, BER_CONTEXT(2), hop->rerouted ? 1 : 0);
    ber_write_end(&w);
    ber_write_end(&w);
    return ber_write_finish(&w);
}

/* ---- members that change */

static void
write_internal(struct ber_writer *w, const struct p1_relay *relay, const struct p1_extension *old,
    struct slice elements)
{
    ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
    ber_write_int(w, BER_CONTEXT(0), P1_EXT_INTERNAL_TRACE);
    if (old != NULL) {
        ber_write_raw(w, old->criticality);
    }
    ber_write_begin(w, BER_CONTEXT(2));
    ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
    ber_write_raw(w, elements);
    ber_write_raw(w, relay->internal);
    ber_write_end(w);
    ber_write_end(w);
    ber_write_end(w);
}

static void
write_extensions(
    struct ber_writer *w, ber_tag tag, const struct p1_envelope *e, const struct p1_relay *relay)
{
    struct p1_extension x;
    struct ber_cursor c;
    bool written = relay->internal.n == 0;

    ber_write_begin(w, tag);
    ber_cursor_init(&c, e->extensions);
    while (p1_extension_next(&c, &x) > 0) {
        if (x.number != P1_EXT_INTERNAL_TRACE) {
            ber_write_raw(w, x.whole);
        } else if (!written) {
            write_internal(w, relay, &x, relay->strip_internal ? SLICE_NONE : e->internal);
            written = true;
        } else if (!relay->strip_internal) {
            ber_write_raw(w, x.whole);
        }
    }
    if (!written) {
        write_internal(w, relay, NULL, SLICE_NONE);
    }
    ber_write_end(w);
}

/* Only the indicators differ; of at least eight bits, since fewer were refused by others. */
static void
write_recipient(struct ber_writer *w, const struct p1_recipient *r)
{
    struct ber_cursor c;
    struct ber_value m;

    ber_write_begin(w, BER_UNIVERSAL(BER_SET));
    ber_cursor_init(&c, r->members);
    while (ber_take(&c, &m) > 0) {
        if (m.tag == BER_CONTEXT(1)) {
            ber_write_bits(
                w, m.tag, r->indicators ^ P1_RESPONSIBLE, MAX(r->indicators_count, (size_t)8));
        } else {
            ber_write_raw(w, m.whole);
        }
    }
    ber_write_end(w);
}

static void
write_recipients(
    struct ber_writer *w, ber_tag tag, const struct p1_envelope *e, const uint8_t *responsible)
{
    struct ber_cursor c;
    struct p1_recipient r;
    size_t nth = 0;

    ber_write_begin(w, tag);
    ber_cursor_init(&c, e->recipients);
    for (struct slice before = c.rest; p1_recipient_next(&c, &r) > 0; before = c.rest, nth++) {
        bool is = (r.indicators & P1_RESPONSIBLE) != 0;
        bool shall = (responsible[nth / 8] >> nth % 8 & 1) != 0;

        if (is != shall) {
            write_recipient(w, &r);
        } else {
            ber_write_raw(w, slice_sub(before, 0, before.n - c.rest.n));
        }
    }
    ber_write_end(w);
}

static void
write_members(struct ber_writer *w, const struct p1_envelope *e, const struct p1_relay *relay)
{
    const ber_tag extensions = BER_CONTEXT(e->kind == P1_REPORT ? 1 : 3);
    bool touch = relay->internal.n > 0 || relay->strip_internal, touched = false;
    struct ber_cursor c;
    struct ber_value v;

    ber_cursor_init(&c, e->members);
    while (ber_take(&c, &v) > 0) {
        if (v.tag == extensions && touch) {
            write_extensions(w, v.tag, e, relay);
            touched = true;
        } else if (v.tag == BER_APPLICATION(9) && relay->trace.n > 0) {
            ber_write_begin(w, v.tag);
            ber_write_raw(w, v.body);
            ber_write_raw(w, relay->trace);
            ber_write_end(w);
        } else if (v.tag == BER_CONTEXT(2) && relay->responsible != NULL && e->recipients.n > 0) {
            write_recipients(w, v.tag, e, relay->responsible);
        } else if (v.tag != BER_CONTEXT(1) || e->kind == P1_REPORT || !relay->strip_bilateral) {
            ber_write_raw(w, v.whole);
        }
    }
    if (relay->internal.n > 0 && !touched) {
        write_extensions(w, extensions, e, relay);
    }
}

/* ---- the head */

/* The identifier and length octets around the envelope, which is whole in env, from the outermost
 * on; lengths include the content. */
static void
write_around(struct ber_writer *w, const struct p1_envelope *e, const struct p1_relay *relay,
    uint64_t inner_bytes)
{
    const ber_tag apdu = BER_CONTEXT(e->kind);
    uint64_t apdu_bytes = ber_header_bytes(apdu, inner_bytes) + inner_bytes;
    const ber_tag value = BER_CONTEXT(0), reference = BER_UNIVERSAL(BER_INTEGER);

    if (relay->protocol == P1_1988_NORMAL) {
        struct ber_writer number;
        struct buf b;

        buf_init(&b, 16);
        ber_writer_init(&number, &b);
        ber_write_int(&number, reference, (int64_t)relay->context);
        w->rc = w->rc < 0 ? w->rc : ber_write_finish(&number);
        ber_write_header(w, BER_UNIVERSAL(BER_EXTERNAL), true,
            buf_len(&b) + ber_header_bytes(value, apdu_bytes) + apdu_bytes);
        ber_write_raw(w, buf_slice(&b));
        ber_write_header(w, value, true, apdu_bytes);
        buf_fini(&b);
    }
    ber_write_header(w, apdu, true, inner_bytes);
}

static int
write_set(struct buf *out, const struct p1_envelope *e, const struct p1_relay *relay)
{
    struct ber_writer w;

    ber_writer_init(&w, out);
    /* A probe is its envelope: [2] stands for the SET. */
    if (e->kind != P1_PROBE) {
        ber_write_begin(&w, BER_UNIVERSAL(BER_SET));
    }
    write_members(&w, e, relay);
    if (e->kind != P1_PROBE) {
        ber_write_end(&w);
    }
    return ber_write_finish(&w);
}

int
p1_head_write(struct buf *out, const struct p1_envelope *e, const struct p1_relay *relay,
    uint64_t content_bytes)
{
    const ber_tag content = BER_UNIVERSAL(BER_OCTET_STRING), set = BER_UNIVERSAL(BER_SET);
    uint64_t inner;
    struct ber_writer w;
    struct buf env;
    int rc;

    CHECK(content_bytes < BER_BYTES_MAX / 2 && (e->kind == P1_MESSAGE || content_bytes == 0));
    buf_init(&env, P1_ENVELOPE_BYTES_MAX);
    rc = write_set(&env, e, relay);
    inner = buf_len(&env);
    if (e->kind == P1_MESSAGE) {
        inner += ber_header_bytes(content, content_bytes) + content_bytes;
    } else if (e->kind == P1_REPORT) {
        inner += ber_header_bytes(set, e->report_content.n) + e->report_content.n;
    }
    ber_writer_init(&w, out);
    w.rc = rc;
    write_around(&w, e, relay, inner);
    ber_write_raw(&w, buf_slice(&env));
    if (e->kind == P1_MESSAGE) {
        ber_write_header(&w, content, false, content_bytes);
    } else if (e->kind == P1_REPORT) {
        ber_write_header(&w, set, true, e->report_content.n);
        ber_write_raw(&w, e->report_content);
    }
    rc = ber_write_finish(&w);
    buf_fini(&env);
    return rc;
}
