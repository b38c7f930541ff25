#include "osi/presentation_pdu.h"

#define FULLY_ENCODED BER_APPLICATION(1)

static const char ber_oid[] = "\x51\x01"; /* 2.1.1 */
static const struct slice ber_syntax = { ber_oid, 2 };

/* ---- reading */

static int
bad(const char **error, const char *text)
{
    *error = text;
    return BH_ESYNTAX;
}

/* The members of a PDV-list: transfer syntax (skipped), context, value. */
static bool
read_pdv(struct ber_cursor *c, uint32_t *context, struct slice *value)
{
    struct ber_value list, m;
    struct ber_cursor in;
    uint64_t id;

    if (ber_take_tag(c, BER_UNIVERSAL(BER_SEQUENCE), &list) <= 0 || c->rest.n > 0) {
        return false; /* none, or several */
    }
    in = ber_inside(c, &list);
    if (ber_take_tag(&in, BER_UNIVERSAL(BER_OID), &m) < 0 ||
        ber_take_tag(&in, BER_UNIVERSAL(BER_INTEGER), &m) <= 0 ||
        ber_to_uint(&m, UINT32_MAX, &id) < 0 || ber_take(&in, &m) <= 0 || in.rest.n > 0) {
        return false;
    }
    if (!(m.tag == BER_CONTEXT(0) && m.constructed) &&
        !(m.tag == BER_CONTEXT(1) && !m.constructed)) {
        return false;
    }
    *context = (uint32_t)id;
    *value = m.body;
    return true;
}

bool
pdu_read_user(struct slice bytes, uint32_t *context, struct slice *value)
{
    struct ber_cursor c, in;
    struct ber_value v;

    ber_cursor_init(&c, bytes);
    if (ber_take(&c, &v) <= 0 || c.rest.n > 0 || !v.constructed) {
        return false;
    }
    in = ber_inside(&c, &v);
    if (v.tag == BER_CONTEXT(0)) { /* an ARU: its list of contexts, then the user data */
        if (ber_take_tag(&in, BER_CONTEXT(0), &v) < 0 ||
            ber_take_tag(&in, FULLY_ENCODED, &v) <= 0) {
            return false;
        }
        in = ber_inside(&in, &v);
    } else if (v.tag != FULLY_ENCODED) {
        return false;
    }
    return read_pdv(&in, context, value);
}

int
pdu_read_offer(struct ber_cursor *list, uint32_t *id, struct slice *syntax, bool *ber)
{
    struct ber_value item, m;
    struct ber_cursor in;
    struct slice oid;
    uint64_t number;
    int rc = ber_take(list, &item);

    if (rc <= 0) {
        return rc < 0 ? BH_ESYNTAX : 0;
    }
    in = ber_inside(list, &item);
    if (ber_take_tag(&in, BER_UNIVERSAL(BER_INTEGER), &m) <= 0 ||
        ber_to_uint(&m, UINT32_MAX, &number) < 0 ||
        ber_take_tag(&in, BER_UNIVERSAL(BER_OID), &m) <= 0 || ber_to_oid(&m, syntax) < 0 ||
        ber_take_tag(&in, BER_UNIVERSAL(BER_SEQUENCE), &m) <= 0) {
        return BH_ESYNTAX;
    }
    in = ber_inside(&in, &m);
    *ber = false;
    for (rc = ber_take(&in, &m); rc > 0; rc = ber_take(&in, &m)) {
        *ber = *ber || (ber_to_oid(&m, &oid) == 0 && slice_eq(oid, ber_syntax));
    }
    *id = (uint32_t)number;
    return rc < 0 ? BH_ESYNTAX : 1;
}

int
pdu_read_result(struct ber_cursor *list, bool *accepted)
{
    struct ber_value item, m;
    struct ber_cursor in;
    uint64_t result;
    int rc = ber_take(list, &item);

    if (rc <= 0) {
        return rc < 0 ? BH_ESYNTAX : 0;
    }
    in = ber_inside(list, &item);
    if (ber_take_tag(&in, BER_CONTEXT(0), &m) <= 0 || ber_to_uint(&m, 2, &result) < 0) {
        return BH_ESYNTAX;
    }
    *accepted = result == 0;
    return 1;
}

/* Members of the normal mode's parameters, of whichever PDU. */
static int
read_normal(struct ber_cursor *in, struct pdu *out, const char **error)
{
    struct ber_value m;
    uint64_t number;
    int rc;

    for (rc = ber_take(in, &m); rc > 0; rc = ber_take(in, &m)) {
        if (m.tag == BER_CONTEXT(1) && !m.constructed) {
            out->calling = m.body;
        } else if (m.tag == BER_CONTEXT(2) && !m.constructed) {
            out->called = m.body;
        } else if (m.tag == BER_CONTEXT(3) && !m.constructed) {
            out->responding = m.body;
        } else if (m.tag == BER_CONTEXT(4) || m.tag == BER_CONTEXT(5)) {
            out->contexts = m.body;
            out->has_contexts = true;
        } else if (m.tag == BER_CONTEXT(10)) {
            out->provider_reason = ber_to_uint(&m, 100, &number) == 0 ? (int)number : 0;
        } else if (m.tag == FULLY_ENCODED && !pdu_read_user(m.whole, &out->context, &out->user)) {
            return bad(error, "presentation user data that is not one value in one context");
        }
    }
    return rc < 0 ? bad(error, in->error) : 0;
}

static int
read_mode(
    const struct ber_cursor *c, const struct ber_value *v, struct pdu *out, const char **error)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value mode;
    uint64_t number;

    if (ber_take_tag(&in, BER_CONTEXT(0), &mode) <= 0 || ber_to_uint(&mode, 1, &number) < 0) {
        return bad(error, "a presentation mode that is neither normal nor X.410-1984");
    }
    out->mode = (enum presentation_mode)number;
    return 0;
}

int
pdu_read_connect(struct slice bytes, struct pdu *out, const char **error)
{
    struct ber_cursor c, in, normal;
    struct ber_value v, m;
    bool mode = false, members = false;
    int rc;

    *out = (struct pdu){ .provider_reason = PRESENTATION_REFUSE_USER };
    ber_cursor_init(&c, bytes);
    if (ber_take_tag(&c, BER_UNIVERSAL(BER_SET), &v) <= 0 || c.rest.n > 0) {
        return bad(error, "not a presentation PDU");
    }
    in = ber_inside(&c, &v);
    for (rc = ber_take(&in, &m); rc > 0; rc = ber_take(&in, &m)) {
        int member = 0;

        if (m.tag == BER_CONTEXT(0)) {
            mode = true;
            member = read_mode(&in, &m, out, error);
        } else if (m.tag == BER_CONTEXT(1)) {
            members = true;
            out->user = m.body;
        } else if (m.tag == BER_CONTEXT(2)) {
            normal = ber_inside(&in, &m);
            member = read_normal(&normal, out, error);
        }
        if (member < 0) {
            return member;
        }
    }
    if (rc < 0) {
        return bad(error, in.error);
    }
    if (!mode || (out->mode == PRESENTATION_X410 && !members)) {
        return bad(error, "a presentation PDU without its mode or its members");
    }
    return 0;
}

int
pdu_read_refusal(struct slice bytes, struct pdu *out, const char **error)
{
    struct ber_cursor c, in;
    struct ber_value v;

    *out = (struct pdu){ .provider_reason = PRESENTATION_REFUSE_USER, .refusal = true };
    ber_cursor_init(&c, bytes);
    if (ber_take(&c, &v) <= 0 || !v.constructed || c.rest.n > 0) {
        return bad(error, "not a presentation PDU");
    }
    if (v.tag == BER_UNIVERSAL(BER_SET)) {
        out->mode = PRESENTATION_X410;
        out->user = v.body;
        return 0;
    }
    if (v.tag != BER_UNIVERSAL(BER_SEQUENCE)) {
        return bad(error, "not a presentation PDU");
    }
    out->mode = PRESENTATION_NORMAL;
    in = ber_inside(&c, &v);
    return read_normal(&in, out, error);
}

/* ---- writing */

void
pdu_write_mode(struct ber_writer *w, enum presentation_mode mode)
{
    ber_write_begin(w, BER_CONTEXT(0));
    ber_write_int(w, BER_CONTEXT(0), (int64_t)mode);
    ber_write_end(w);
}

void
pdu_write_user(struct ber_writer *w, uint32_t context, struct slice value)
{
    ber_write_begin(w, FULLY_ENCODED);
    ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
    ber_write_int(w, BER_UNIVERSAL(BER_INTEGER), (int64_t)context);
    ber_write_begin(w, BER_CONTEXT(0));
    ber_write_raw(w, value);
    ber_write_end(w);
    ber_write_end(w);
    ber_write_end(w);
}

void
pdu_write_offer(struct ber_writer *w, uint32_t id, struct slice syntax)
{
    ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
    ber_write_int(w, BER_UNIVERSAL(BER_INTEGER), (int64_t)id);
    ber_write_bytes(w, BER_UNIVERSAL(BER_OID), syntax);
    ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
    ber_write_bytes(w, BER_UNIVERSAL(BER_OID), ber_syntax);
    ber_write_end(w);
    ber_write_end(w);
}

void
pdu_write_result(struct ber_writer *w, bool accepted)
{
    ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
    ber_write_int(w, BER_CONTEXT(0), accepted ? 0 : 2);
    if (accepted) {
        ber_write_bytes(w, BER_CONTEXT(1), ber_syntax);
    } else {
        ber_write_int(w, BER_CONTEXT(2), 1); /* abstract syntax not supported */
    }
    ber_write_end(w);
}

const char *
presentation_refuse_text(int provider_reason)
{
    static const char *const texts[] = { "the peer's presentation layer refuses, no reason given",
        "the peer's presentation layer is congested",
        "a limit of the peer's presentation layer is exceeded",
        "the called presentation selector is unknown",
        "the presentation protocol version is not supported",
        "the default presentation context is not supported", "the user data are not readable there",
        "no presentation address is available there" };

    return provider_reason >= 0 && (size_t)provider_reason < ARRAY_LEN(texts)
               ? texts[provider_reason]
               : "the peer's presentation layer refuses, its reason is unknown";
}
