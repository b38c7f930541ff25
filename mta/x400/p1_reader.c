#include "x400/p1_reader.h"

void
p1_reader_init(struct p1_reader *r, enum p1_protocol p)
{
    memset(r, 0, offsetof(struct p1_reader, ber));
    ber_reader_init(&r->ber, BER_BYTES_MAX);
    buf_init(&r->gathered, P1_ENVELOPE_BYTES_MAX + 2);
    r->wrapped = p == P1_1988_NORMAL;
    r->state = r->wrapped ? P1_AT_EXTERNAL : P1_AT_APDU;
    r->content_bytes = BER_INDEFINITE;
}

void
p1_reader_fini(struct p1_reader *r)
{
    buf_fini(&r->gathered);
}

static enum p1_event
bad(struct p1_reader *r, int rc, uint64_t at, const char *error)
{
    r->rc = rc;
    r->error = error;
    r->error_at = at;
    return P1_BAD;
}

static enum p1_event
unexpected(struct p1_reader *r, uint64_t at, const char *error)
{
    return bad(r, BH_ESYNTAX, at, error);
}

/* ---- the envelope */

static enum p1_event
gather_from(struct p1_reader *r, const struct ber_item *item, enum p1_kind kind)
{
    if (item->length != BER_INDEFINITE && item->length > P1_ENVELOPE_BYTES_MAX) {
        return bad(r, BH_ETOOBIG, item->at, "an envelope of more than 2 MiB");
    }
    r->kind = kind;
    r->depth = item->depth;
    r->indefinite = item->length == BER_INDEFINITE;
    r->from = r->ber.at;
    r->state = P1_IN_ENVELOPE;
    return P1_MORE;
}

static enum p1_event
gather(struct p1_reader *r, struct slice taken)
{
    int rc = buf_append(&r->gathered, taken);

    if (rc == 0) {
        return P1_MORE;
    }
    return bad(r, rc, r->ber.at,
        rc == BH_ETOOBIG ? "an envelope of more than 2 MiB" : "no memory for an envelope");
}

static enum p1_event
gathered(struct p1_reader *r, const struct ber_item *item)
{
    uint64_t n = item->end - r->from - (r->indefinite ? 2 : 0);
    struct slice octets = slice_sub(buf_slice(&r->gathered), 0, (size_t)n);
    const char *error = NULL;
    uint64_t at = 0;
    int rc = p1_envelope_parse(octets, r->kind, &r->envelope, &error, &at);

    if (rc < 0) {
        return bad(r, rc, r->from + at, error);
    }
    r->state = r->kind == P1_MESSAGE ? P1_AT_CONTENT : P1_AT_TAIL;
    return P1_GOT_ENVELOPE;
}

/* ---- what is around it */

/* EXTERNAL: names of syntaxes, which are the association's affair, then the value. */
static enum p1_event
in_external(struct p1_reader *r, enum ber_event e, const struct ber_item *item)
{
    struct ber_value v = { .tag = item->tag, .body = item->bytes };
    uint64_t context;

    if (e == BER_OPEN && item->tag == BER_CONTEXT(0)) {
        r->state = P1_AT_APDU;
        return P1_MORE;
    }
    if (e == BER_BYTES && item->tag == BER_UNIVERSAL(BER_INTEGER)) {
        if (!item->last || item->offset > 0 || ber_to_uint(&v, UINT32_MAX, &context) < 0) {
            return unexpected(r, item->at, "an indirect reference is no presentation context");
        }
        r->context = (uint32_t)context;
        return P1_MORE;
    }
    if (e == BER_BYTES && item->tag >> 30 == 0) {
        return P1_MORE; /* direct reference, descriptor */
    }
    return unexpected(r, item->at, "an EXTERNAL whose value is not a single ASN.1 type");
}

static enum p1_event
at_apdu(struct p1_reader *r, enum ber_event e, const struct ber_item *item)
{
    if (e == BER_OPEN && item->tag == BER_CONTEXT(P1_MESSAGE)) {
        r->state = P1_AT_ENVELOPE;
        return P1_MORE;
    }
    if (e == BER_OPEN && item->tag == BER_CONTEXT(P1_REPORT)) {
        return gather_from(r, item, P1_REPORT);
    }
    if (e == BER_OPEN && item->tag == BER_CONTEXT(P1_PROBE)) {
        return gather_from(r, item, P1_PROBE);
    }
    return unexpected(r, item->at, "neither a message nor a report nor a probe");
}

static enum p1_event
in_content(
    struct p1_reader *r, enum ber_event e, const struct ber_item *item, struct slice *content)
{
    if (r->state == P1_AT_CONTENT) {
        if (item->tag != BER_UNIVERSAL(BER_OCTET_STRING) || e == BER_CLOSE) {
            return unexpected(r, item->at, "a message without a content");
        }
        r->state = P1_IN_CONTENT;
        if (e == BER_OPEN) {
            ber_join(&r->ber);
            return P1_MORE;
        }
        r->content_bytes = item->length;
    }
    r->content_done += item->bytes.n;
    if (item->last) {
        r->content_bytes = r->content_done;
        r->state = P1_AT_TAIL;
    }
    *content = item->bytes;
    return item->bytes.n > 0 ? P1_CONTENT : P1_MORE;
}

/* One step of the BER reader. MORE: nothing to tell, go on. */
static enum p1_event
step(struct p1_reader *r, enum ber_event e, const struct ber_item *item, struct slice *content)
{
    switch (r->state) {
    case P1_AT_EXTERNAL:
        if (e != BER_OPEN || item->tag != BER_UNIVERSAL(BER_EXTERNAL)) {
            return unexpected(r, item->at, "in normal mode an APDU is within an EXTERNAL");
        }
        r->state = P1_IN_EXTERNAL;
        return P1_MORE;
    case P1_IN_EXTERNAL:
        return in_external(r, e, item);
    case P1_AT_APDU:
        return at_apdu(r, e, item);
    case P1_AT_ENVELOPE:
        if (e != BER_OPEN || item->tag != BER_UNIVERSAL(BER_SET)) {
            return unexpected(r, item->at, "a message without an envelope");
        }
        return gather_from(r, item, P1_MESSAGE);
    case P1_IN_ENVELOPE:
        return e == BER_CLOSE && item->depth == r->depth ? gathered(r, item) : P1_MORE;
    case P1_AT_CONTENT:
    case P1_IN_CONTENT:
        return in_content(r, e, item, content);
    case P1_AT_TAIL:
    case P1_AT_END:
        break;
    }
    return e == BER_CLOSE ? P1_MORE
                          : unexpected(r, item->at, "a value too many behind the content");
}

enum p1_event
p1_reader_next(struct p1_reader *r, struct slice *piece, struct slice *content)
{
    struct ber_item item = { .tag = 0 };
    enum p1_event out = P1_MORE;

    while (r->error == NULL && out == P1_MORE) {
        const struct slice before = *piece;
        enum ber_event e = ber_next(&r->ber, piece, &item);

        if (e == BER_BAD) {
            return bad(r, r->ber.rc, r->ber.error_at, r->ber.error);
        }
        if (e == BER_DONE) {
            r->state = P1_AT_END;
            return piece->n == 0 ? P1_END : unexpected(r, r->ber.at, "octets behind the APDU");
        }
        if (r->state == P1_IN_ENVELOPE) {
            out = gather(r, slice_sub(before, 0, before.n - piece->n));
        }
        if (e == BER_MORE) {
            break;
        }
        if (out == P1_MORE) {
            out = step(r, e, &item, content);
        }
    }
    return r->error != NULL ? P1_BAD : out;
}

int
p1_reader_end(struct p1_reader *r)
{
    if (r->error == NULL && !r->ber.done) {
        (void)unexpected(r, r->ber.at, "the APDU ends too early");
    }
    return r->rc;
}
