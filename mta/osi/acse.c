#include "osi/acse.h"

#define TAG_CONTEXT    BER_CONTEXT(1)
#define TAG_RESULT     BER_CONTEXT(2)
#define TAG_DIAGNOSTIC BER_CONTEXT(3)
#define TAG_USER       BER_CONTEXT(30)
#define TAG_REASON     BER_CONTEXT(0) /* RLRQ, RLRE; ABRT's source; in AARQ and AARE the version */

static const char ber_oid[] = "\x51\x01"; /* 2.1.1 */

/* ---- reading */

static int
bad(const char **error, const char *text)
{
    *error = text;
    return BH_ESYNTAX;
}

/* The one value of an EXTERNAL, and whose it is. */
static int
read_external(const struct ber_cursor *c, const struct ber_value *v, struct acse_apdu *out,
    const char **error)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value m;
    uint64_t context;
    int rc;

    for (rc = ber_take(&in, &m); rc > 0; rc = ber_take(&in, &m)) {
        if (m.tag == BER_UNIVERSAL(BER_INTEGER)) {
            if (ber_to_uint(&m, UINT32_MAX, &context) < 0) {
                return bad(error, "an indirect reference is no presentation context");
            }
            out->user_context = (uint32_t)context;
        } else if ((m.tag == BER_CONTEXT(0) && m.constructed) ||
                   (m.tag == BER_CONTEXT(1) && !m.constructed)) {
            out->user = m.body;
        }
    }
    if (rc < 0) {
        return bad(error, in.error);
    }
    return out->user.n > 0 ? 0 : bad(error, "user information without a value");
}

/* SEQUENCE OF EXTERNAL: the first. */
static int
read_user(const struct ber_cursor *c, const struct ber_value *v, struct acse_apdu *out,
    const char **error)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value external;
    int rc = ber_take_tag(&in, BER_UNIVERSAL(BER_EXTERNAL), &external);

    if (rc < 0) {
        return bad(error, in.error);
    }
    return rc == 0 ? bad(error, "user information that is no EXTERNAL")
                   : read_external(&in, &external, out, error);
}

/* An INTEGER in an explicit tag. */
static int
read_number(const struct ber_cursor *c, const struct ber_value *v, uint64_t max, uint64_t *out,
    const char **error)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value number;

    if (ber_take_tag(&in, BER_UNIVERSAL(BER_INTEGER), &number) <= 0 ||
        ber_to_uint(&number, max, out) < 0) {
        return bad(error, "a result or diagnostic is no number");
    }
    return 0;
}

static int
read_diagnostic(const struct ber_cursor *c, const struct ber_value *v, struct acse_apdu *out,
    const char **error)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value source;
    uint64_t number;
    int rc = ber_take(&in, &source);

    if (rc <= 0 || !source.constructed) {
        return bad(error, "a result without its source");
    }
    rc = read_number(&in, &source, UINT32_MAX, &number, error);
    if (rc == 0) {
        out->by_provider = source.tag == BER_CONTEXT(2);
        out->diagnostic = (uint32_t)number;
    }
    return rc;
}

static int
read_context(const struct ber_cursor *c, const struct ber_value *v, struct acse_apdu *out,
    const char **error)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value oid;

    if (ber_take_tag(&in, BER_UNIVERSAL(BER_OID), &oid) <= 0 ||
        ber_to_oid(&oid, &out->context) < 0) {
        return bad(error, "the application context is no object identifier");
    }
    return 0;
}

static int
read_member(const struct ber_cursor *c, const struct ber_value *m, struct acse_apdu *out,
    const char **error)
{
    bool associate = out->kind == ACSE_AARQ || out->kind == ACSE_AARE;
    uint64_t number = 0;
    int rc = 0;

    if (m->tag == TAG_USER) {
        return out->user.n > 0 ? 0 : read_user(c, m, out, error);
    }
    if (m->tag == TAG_CONTEXT && associate) {
        return read_context(c, m, out, error);
    }
    if (out->kind == ACSE_AARQ && m->tag == BER_CONTEXT(2)) {
        out->called_ap = m->whole;
    } else if (out->kind == ACSE_AARE && m->tag == TAG_RESULT) {
        rc = read_number(c, m, ACSE_REJECTED_TRANSIENT, &number, error);
        out->result = (uint8_t)number;
    } else if (out->kind == ACSE_AARE && m->tag == TAG_DIAGNOSTIC) {
        rc = read_diagnostic(c, m, out, error);
    } else if (out->kind == ACSE_ABRT && m->tag == TAG_REASON) {
        out->by_provider = ber_to_uint(m, 1, &number) == 0 && number == 1;
    }
    return rc;
}

int
acse_read(struct slice bytes, struct acse_apdu *out, const char **error)
{
    struct acse_apdu apdu = { .kind = ACSE_AARQ };
    struct ber_cursor c, in;
    struct ber_value v;
    int rc;

    ber_cursor_init(&c, bytes);
    rc = ber_take(&c, &v);
    if (rc <= 0) {
        return bad(error, rc < 0 ? c.error : "no association APDU");
    }
    if (v.tag < BER_APPLICATION(ACSE_AARQ) || v.tag > BER_APPLICATION(ACSE_ABRT) ||
        !v.constructed || c.rest.n > 0) {
        return bad(error, "not an association APDU");
    }
    apdu.kind = (enum acse_kind)(v.tag - BER_APPLICATION(ACSE_AARQ));
    in = ber_inside(&c, &v);
    for (rc = ber_take(&in, &v); rc > 0; rc = ber_take(&in, &v)) {
        int member = read_member(&in, &v, &apdu, error);

        if (member < 0) {
            return member;
        }
    }
    if (rc < 0) {
        return bad(error, in.error);
    }
    if ((apdu.kind == ACSE_AARQ || apdu.kind == ACSE_AARE) && apdu.context.n == 0) {
        return bad(error, "an association APDU without an application context");
    }
    *out = apdu;
    return 0;
}

/* ---- writing */

static void
write_user(struct ber_writer *w, const struct acse_apdu *apdu)
{
    if (apdu->user.n == 0) {
        return;
    }
    ber_write_begin(w, TAG_USER);
    ber_write_begin(w, BER_UNIVERSAL(BER_EXTERNAL));
    ber_write_bytes(w, BER_UNIVERSAL(BER_OID), (struct slice){ ber_oid, 2 });
    ber_write_int(w, BER_UNIVERSAL(BER_INTEGER), (int64_t)apdu->user_context);
    ber_write_begin(w, BER_CONTEXT(0));
    ber_write_raw(w, apdu->user);
    ber_write_end(w);
    ber_write_end(w);
    ber_write_end(w);
}

static void
write_number(struct ber_writer *w, ber_tag tag, uint32_t number)
{
    ber_write_begin(w, tag);
    ber_write_int(w, BER_UNIVERSAL(BER_INTEGER), (int64_t)number);
    ber_write_end(w);
}

int
acse_write(struct buf *out, const struct acse_apdu *apdu)
{
    struct ber_writer w;

    ber_writer_init(&w, out);
    ber_write_begin(&w, BER_APPLICATION(apdu->kind));
    if (apdu->kind == ACSE_AARQ || apdu->kind == ACSE_AARE) {
        CHECK(apdu->context.n > 0 && apdu->context.n <= ACSE_OID_BYTES_MAX);
        ber_write_begin(&w, TAG_CONTEXT);
        ber_write_bytes(&w, BER_UNIVERSAL(BER_OID), apdu->context);
        ber_write_end(&w);
    }
    if (apdu->kind == ACSE_AARE) {
        write_number(&w, TAG_RESULT, apdu->result);
        ber_write_begin(&w, TAG_DIAGNOSTIC);
        write_number(&w, BER_CONTEXT(apdu->by_provider ? 2 : 1), apdu->diagnostic);
        ber_write_end(&w);
    }
    if (apdu->kind == ACSE_RLRQ || apdu->kind == ACSE_RLRE) {
        ber_write_int(&w, TAG_REASON, 0); /* normal */
    }
    if (apdu->kind == ACSE_ABRT) {
        ber_write_int(&w, TAG_REASON, apdu->by_provider ? 1 : 0);
    }
    write_user(&w, apdu);
    ber_write_end(&w);
    return ber_write_finish(&w);
}
