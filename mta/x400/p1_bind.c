#include "x400/p1_bind.h"
#include "osi/rtse.h"

#define TAG_ROS(kind)        BER_CONTEXT(16u + (unsigned)(kind))
#define TAG_AUTHENTICATED    BER_CONTEXT(1)
#define TAG_NAME             BER_CONTEXT(0)
#define TAG_CREDENTIALS      BER_CONTEXT(1)
#define TAG_SECURITY_CONTEXT BER_CONTEXT(2)

/* ---- reading */

static int
bad(const char **error, const char *text)
{
    *error = text;
    return BH_ESYNTAX;
}

static int
read_name(const struct ber_value *v, struct p1_bind *b, const char **error)
{
    int rc;

    if (b->mta_name.p != NULL) {
        return bad(error, "a bind with two MTA names");
    }
    rc = ber_to_string(v, b->store, P1_MTA_NAME_BYTES_MAX, &b->mta_name);
    if (rc < 0) {
        *error = rc == BH_ETOOBIG ? "an MTA name of more than 32 octets"
                                  : "an MTA name that is no string";
        return rc;
    }
    return b->mta_name.n > 0 ? 0 : bad(error, "an MTA name without a character");
}

/* A CHOICE within an explicit tag. */
static int
read_credentials(
    const struct ber_cursor *c, const struct ber_value *v, struct p1_bind *b, const char **error)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value m;
    int rc;

    if (b->password.p != NULL || b->strong) {
        return bad(error, "a bind with two credentials");
    }
    if (!v->constructed || ber_take(&in, &m) <= 0 || in.rest.n > 0) {
        return bad(error, "credentials that are not one value");
    }
    b->password_is_octets = m.tag == BER_UNIVERSAL(BER_OCTET_STRING);
    if (!b->password_is_octets && m.tag != BER_UNIVERSAL(BER_IA5_STRING)) {
        b->strong = true;
        return m.tag >> 30 == BER_CONTEXT(0) >> 30 ? 0 : bad(error, "credentials of no kind");
    }
    rc = ber_to_string(&m, b->store + P1_MTA_NAME_BYTES_MAX, P1_PASSWORD_BYTES_MAX, &b->password);
    if (rc < 0) {
        *error =
            rc == BH_ETOOBIG ? "a password of more than 64 octets" : "a password that is no string";
    }
    return rc;
}

static int
read_authenticated(
    const struct ber_cursor *c, const struct ber_value *v, struct p1_bind *b, const char **error)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value m;
    int rc, member;

    for (rc = ber_take(&in, &m); rc > 0; rc = ber_take(&in, &m)) {
        member = 0;
        if (m.tag == TAG_NAME) {
            member = read_name(&m, b, error);
        } else if (m.tag == TAG_CREDENTIALS) {
            member = read_credentials(&in, &m, b, error);
        } else if (m.tag == TAG_SECURITY_CONTEXT) {
            b->security_context = true;
        }
        if (member < 0) {
            return member;
        }
    }
    if (rc < 0) {
        return bad(error, in.error);
    }
    if (b->mta_name.p == NULL) {
        return bad(error, "a bind without an MTA name");
    }
    return b->password.p != NULL || b->strong ? 0 : bad(error, "a bind without credentials");
}

static int
read_value(
    const struct ber_cursor *c, const struct ber_value *v, struct p1_bind *b, const char **error)
{
    uint64_t number;

    if (b->kind == P1_BIND_REFUSAL) {
        if (v->tag != BER_UNIVERSAL(BER_INTEGER) || ber_to_uint(v, UINT32_MAX, &number) < 0) {
            return bad(error, "a bind's error that is no number");
        }
        b->error = (unsigned)number;
        return 0;
    }
    if (v->tag == BER_UNIVERSAL(BER_NULL)) {
        return v->body.n == 0 && !v->constructed ? 0 : bad(error, "a NULL with contents");
    }
    if (v->tag != TAG_AUTHENTICATED || !v->constructed) {
        return bad(error, "a bind that is neither NULL nor authenticated");
    }
    b->authenticated = true;
    return read_authenticated(c, v, b, error);
}

int
p1_bind_read(struct slice value, enum p1_protocol p, enum p1_bind_kind kind, struct p1_bind *out,
    const char **error)
{
    struct ber_cursor c, in;
    struct ber_value v;
    int rc;

    *out = (struct p1_bind){ .kind = kind };
    if (p != P1_1988_NORMAL && kind == P1_BIND_REFUSAL) {
        return bad(error, "a bind's error, which only normal mode has");
    }
    ber_cursor_init(&c, value);
    rc = ber_take(&c, &v);
    if (rc <= 0) {
        return bad(error, rc < 0 ? c.error : "no bind");
    }
    if (c.rest.n > 0) {
        return bad(error, "octets behind the bind");
    }
    if (p != P1_1988_NORMAL) {
        return read_value(&c, &v, out, error);
    }
    if (v.tag != TAG_ROS(kind) || !v.constructed) {
        return bad(error, "not the bind operation's argument, result or error (ROS)");
    }
    in = ber_inside(&c, &v);
    rc = ber_take(&in, &v);
    if (rc <= 0 || in.rest.n > 0) {
        return bad(error, rc < 0 ? in.error : "a bind operation with no or two values");
    }
    return read_value(&in, &v, out, error);
}

/* ---- writing */

int
p1_bind_write(struct buf *out, enum p1_protocol p, const struct p1_bind *b)
{
    ber_tag password = BER_UNIVERSAL(b->password_is_octets ? BER_OCTET_STRING : BER_IA5_STRING);
    bool wrapped = p == P1_1988_NORMAL;
    struct ber_writer w;

    CHECK(wrapped || b->kind != P1_BIND_REFUSAL);
    ber_writer_init(&w, out);
    if (wrapped) {
        ber_write_begin(&w, TAG_ROS(b->kind));
    }
    if (b->kind == P1_BIND_REFUSAL) {
        ber_write_int(&w, BER_UNIVERSAL(BER_INTEGER), (int64_t)b->error);
    } else if (!b->authenticated) {
        ber_write_bytes(&w, BER_UNIVERSAL(BER_NULL), SLICE_NONE);
    } else {
        CHECK(b->mta_name.n > 0 && b->mta_name.n <= P1_MTA_NAME_BYTES_MAX);
        CHECK(b->password.n <= P1_PASSWORD_BYTES_MAX);
        ber_write_begin(&w, TAG_AUTHENTICATED);
        ber_write_bytes(&w, TAG_NAME, b->mta_name);
        ber_write_begin(&w, TAG_CREDENTIALS);
        ber_write_bytes(&w, password, b->password);
        ber_write_end(&w);
        ber_write_end(&w);
    }
    if (wrapped) {
        ber_write_end(&w);
    }
    return ber_write_finish(&w);
}

unsigned
p1_bind_refuse_reason(enum p1_bind_error e)
{
    switch (e) {
    case P1_BIND_BUSY:
        return RTSE_REFUSE_BUSY;
    case P1_BIND_DIALOGUE:
        return RTSE_REFUSE_DIALOGUE;
    case P1_BIND_AUTHENTICATION:
    case P1_BIND_SECURITY:
    case P1_BIND_CONFIDENTIALITY:
        break;
    }
    return RTSE_REFUSE_VALIDATION;
}

enum p1_bind_error
p1_bind_error_of(unsigned refuse_reason)
{
    if (refuse_reason == RTSE_REFUSE_BUSY || refuse_reason == RTSE_REFUSE_CANNOT_RECOVER) {
        return P1_BIND_BUSY;
    }
    return refuse_reason == RTSE_REFUSE_DIALOGUE ? P1_BIND_DIALOGUE : P1_BIND_AUTHENTICATION;
}

const char *
p1_bind_error_text(unsigned error)
{
    static const char *const texts[] = { "busy", NULL, "authentication error",
        "unacceptable dialogue mode", "unacceptable security context",
        "inadequate association confidentiality" };

    return error < ARRAY_LEN(texts) && texts[error] != NULL ? texts[error] : "an unknown error";
}

const char *
p1_bind_refused_text(unsigned error)
{
    switch (error) {
    case P1_BIND_BUSY:
        return "the peer refuses the bind: busy";
    case P1_BIND_AUTHENTICATION:
        return "the peer refuses the bind: authentication error; it compares local.mta and "
               "local.password_file, and perhaps mode and the selectors that are called";
    case P1_BIND_DIALOGUE:
        return "the peer refuses the bind: unacceptable dialogue mode (rtse.dialogue)";
    default:
        return "the peer refuses the bind";
    }
}

/* ---- who it is */

static bool
same_secret(struct slice a, struct slice b)
{
    unsigned differs = a.n != b.n;

    for (size_t i = 0; i < a.n; i++) {
        differs |= (unsigned)(uint8_t)a.p[i] ^ (i < b.n ? (uint8_t)b.p[i] : 0u);
    }
    return differs == 0;
}

enum p1_bind_match
p1_bind_match(const struct p1_bind *b, struct slice mta_name, struct slice password)
{
    if (!b->authenticated) {
        return mta_name.n == 0 && password.n == 0 ? P1_MATCH : P1_MATCH_NULL;
    }
    if (!slice_eq(b->mta_name, mta_name)) {
        return P1_MATCH_NAME;
    }
    if (b->strong) {
        return P1_MATCH_STRONG;
    }
    return same_secret(b->password, password) ? P1_MATCH : P1_MATCH_PASSWORD;
}
