/* p1_report.c - reports read. */
#include "x400/p1_report.h"
#include "x400/p1_member.h"

/* ---- one recipient */

static int
read_delivered(struct ber_cursor *c, const struct ber_value *v, struct p1_reported *r)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value m;
    uint64_t number;
    int rc;

    r->delivered = true;
    r->user = P1_USER_PUBLIC;
    for (rc = ber_take(&in, &m); rc > 0; rc = ber_take(&in, &m)) {
        if (m.tag == BER_CONTEXT(0)) {
            rc = p1_read_time(&in, &m, &r->delivery);
        } else if (m.tag == BER_CONTEXT(1)) {
            rc = ber_to_uint(&m, UINT32_MAX, &number) < 0
                     ? p1_fail(&in, &m, BH_ESYNTAX, "a type of user that is no number")
                     : 0;
            r->user = rc < 0 ? 0 : (uint32_t)number;
        }
        if (rc < 0) {
            break;
        }
    }
    if (rc < 0) {
        return p1_pass(c, &in, rc);
    }
    return r->delivery.given ? 0 : p1_fail(c, v, BH_ESYNTAX, "a delivery without its time");
}

static int
read_failed(struct ber_cursor *c, const struct ber_value *v, struct p1_reported *r)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value m;
    bool reason = false;
    int rc;

    r->diagnostic = P1_NO_DIAGNOSTIC;
    for (rc = ber_take(&in, &m); rc > 0; rc = ber_take(&in, &m)) {
        uint64_t number = 0;

        if (m.tag != BER_CONTEXT(0) && m.tag != BER_CONTEXT(1)) {
            continue;
        }
        if (ber_to_uint(&m, P1_NO_DIAGNOSTIC - 1, &number) < 0) {
            return p1_fail(c, &m, BH_ESYNTAX, "a reason or diagnostic code that is no number");
        }
        reason = reason || m.tag == BER_CONTEXT(0);
        *(m.tag == BER_CONTEXT(0) ? &r->reason : &r->diagnostic) = (uint32_t)number;
    }
    if (rc < 0) {
        return p1_pass(c, &in, rc);
    }
    return reason ? 0 : p1_fail(c, v, BH_ESYNTAX, "a non-delivery without its reason");
}

/* [1] of a CHOICE: explicit. */
static int
read_type(struct ber_cursor *c, const struct ber_value *v, struct p1_reported *r)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value m;
    int rc;

    if (!v->constructed || ber_take(&in, &m) <= 0 || !m.constructed || in.rest.n > 0) {
        return p1_fail(c, v, BH_ESYNTAX, "a report type that is not one value");
    }
    if (m.tag == BER_CONTEXT(0)) {
        rc = read_delivered(&in, &m, r);
    } else if (m.tag == BER_CONTEXT(1)) {
        rc = read_failed(&in, &m, r);
    } else {
        rc = p1_fail(&in, &m, BH_ESYNTAX, "neither a delivery nor a non-delivery");
    }
    return rc < 0 ? p1_pass(c, &in, rc) : 0;
}

static int
read_last_trace(struct ber_cursor *c, const struct ber_value *v, struct p1_reported *r)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value m;
    bool type = false;
    int rc;

    if (!v->constructed) {
        return p1_fail(c, v, BH_ESYNTAX, "last trace information that is no SET");
    }
    for (rc = ber_take(&in, &m); rc > 0; rc = ber_take(&in, &m)) {
        uint64_t bits;

        if (m.tag == BER_CONTEXT(0)) {
            rc = p1_read_time(&in, &m, &r->arrival);
        } else if (m.tag == BER_APPLICATION(5)) {
            r->converted = m.whole;
            rc = p1_read_eits(&in, &m, &bits);
        } else if (m.tag == BER_CONTEXT(1)) {
            rc = type ? p1_fail(&in, &m, BH_ESYNTAX, "two report types") : read_type(&in, &m, r);
            type = true;
        }
        if (rc < 0) {
            break;
        }
    }
    if (rc < 0) {
        return p1_pass(c, &in, rc);
    }
    return type && r->arrival.given
               ? 0
               : p1_fail(c, v, BH_ESYNTAX, "last trace information without time or type");
}

static int
read_name(struct ber_cursor *c, const struct ber_value *v, struct slice *out)
{
    *out = v->whole;
    return v->constructed ? 0 : p1_fail(c, v, BH_ESYNTAX, "a reported name that is no O/R name");
}

static int
read_member(struct ber_cursor *c, const struct ber_value *m, struct p1_reported *r)
{
    uint64_t number = 0;
    uint32_t extensions = 0;
    size_t count = 0;
    int rc;

    switch (m->tag) {
    case BER_CONTEXT(0):
        return read_name(c, m, &r->name);
    case BER_CONTEXT(1):
        if (ber_to_uint(m, P1_RECIPIENTS_MAX, &number) < 0 || number == 0) {
            return p1_fail(c, m, BH_ESYNTAX, "a reported number that is not of 1 to 32767");
        }
        r->number = (uint32_t)number;
        return 0;
    case BER_CONTEXT(2):
        return p1_read_bits(c, m, &r->indicators, &count);
    case BER_CONTEXT(3):
        return read_last_trace(c, m, r);
    case BER_CONTEXT(4):
        return read_name(c, m, &r->intended);
    case BER_CONTEXT(5):
        rc = ber_to_string(m, r->store, sizeof(r->store), &r->supplementary);
        return rc < 0 ? p1_fail(c, m, rc, "supplementary information of more than 256 octets") : 0;
    case BER_CONTEXT(6):
        rc = p1_read_list(c, m, &r->extensions);
        return rc < 0 ? rc : p1_check_extensions(c, r->extensions, &r->critical, &extensions);
    default:
        return 0;
    }
}

int
p1_reported_next(struct ber_cursor *c, struct p1_reported *out)
{
    struct ber_value v, m;
    struct ber_cursor in;
    unsigned seen = 0;
    int rc = p1_take(c, BER_UNIVERSAL(BER_SET), "a reported recipient that is no SET", &v);

    if (rc <= 0) {
        return rc;
    }
    memset(out, 0, offsetof(struct p1_reported, store));
    out->members = v.body;
    in = ber_inside(c, &v);
    for (rc = ber_take(&in, &m); rc > 0; rc = ber_take(&in, &m)) {
        unsigned bit =
            m.tag <= BER_CONTEXT(6) && m.tag >= BER_CONTEXT(0) ? 1u << (m.tag - BER_CONTEXT(0)) : 0;

        rc = (seen & bit) != 0
                 ? p1_fail(&in, &m, BH_ESYNTAX, "a reported recipient with the same member twice")
                 : read_member(&in, &m, out);
        seen |= bit;
        if (rc < 0) {
            break;
        }
    }
    if (rc < 0) {
        return p1_pass(c, &in, rc);
    }
    return (seen & 15u) == 15u
               ? 1
               : p1_fail(c, &v, BH_ESYNTAX, "a reported recipient without one of its members");
}

/* ---- the content */

typedef int member_fn(struct ber_cursor *c, const struct ber_value *v, struct p1_report *r);

static int
on_subject(struct ber_cursor *c, const struct ber_value *v, struct p1_report *r)
{
    return p1_read_identifier(c, v, &r->subject);
}

static int
on_trace(struct ber_cursor *c, const struct ber_value *v, struct p1_report *r)
{
    uint32_t count = 0;
    int rc = p1_read_list(c, v, &r->intermediate);

    return rc < 0 ? rc : p1_check_trace(c, r->intermediate, false, &count);
}

static int
on_eits(struct ber_cursor *c, const struct ber_value *v, struct p1_report *r)
{
    r->eits = v->whole;
    return p1_read_eits(c, v, &r->eit_bits);
}

static int
on_content_type(struct ber_cursor *c, const struct ber_value *v, struct p1_report *r)
{
    return p1_read_content_type(c, v, &r->content_type);
}

static int
on_content_oid(struct ber_cursor *c, const struct ber_value *v, struct p1_report *r)
{
    return p1_read_content_oid(c, v, &r->content_oid);
}

static int
on_content_id(struct ber_cursor *c, const struct ber_value *v, struct p1_report *r)
{
    return p1_read_content_id(c, v, &r->content_id);
}

static int
on_returned(struct ber_cursor *c, const struct ber_value *v, struct p1_report *r)
{
    (void)c;
    r->returns = true;
    r->returned = v->whole;
    return 0;
}

static int
on_extensions(struct ber_cursor *c, const struct ber_value *v, struct p1_report *r)
{
    int rc = p1_read_list(c, v, &r->extensions);
    uint32_t count = 0;

    return rc < 0 ? rc : p1_check_extensions(c, r->extensions, &r->critical, &count);
}

static int
on_recipients(struct ber_cursor *c, const struct ber_value *v, struct p1_report *r)
{
    struct p1_reported one;
    struct ber_cursor in;
    int rc = p1_read_list(c, v, &r->recipients);

    if (rc < 0) {
        return rc;
    }
    in = ber_inside(c, v);
    for (rc = p1_reported_next(&in, &one); rc > 0; rc = p1_reported_next(&in, &one)) {
        if (++r->recipient_count > P1_RECIPIENTS_MAX) {
            return p1_fail(c, v, BH_ETOOBIG, "a report on more than 32767 recipients");
        }
    }
    if (rc < 0) {
        return p1_pass(c, &in, rc);
    }
    return r->recipient_count > 0 ? 0 : p1_fail(c, v, BH_ESYNTAX, "a report on nobody");
}

static const struct {
    ber_tag tag;
    member_fn *read;
    const char *missing;
} members[] = {
    { BER_APPLICATION(4), on_subject, "a report without its subject's identifier" },
    { BER_APPLICATION(9), on_trace, NULL },
    { BER_APPLICATION(5), on_eits, NULL },
    { BER_APPLICATION(6), on_content_type, NULL },
    { BER_UNIVERSAL(BER_OID), on_content_oid, NULL },
    { BER_APPLICATION(10), on_content_id, NULL },
    { BER_CONTEXT(1), on_returned, NULL },
    { BER_CONTEXT(3), on_extensions, NULL },
    { BER_CONTEXT(0), on_recipients, "a report without recipients" },
};

static int
read_content(struct ber_cursor *c, struct p1_report *r)
{
    struct ber_value v;
    unsigned seen = 0;
    int rc;

    for (rc = ber_take(c, &v); rc > 0; rc = ber_take(c, &v)) {
        for (unsigned i = 0; i < ARRAY_LEN(members) && rc > 0; i++) {
            if (members[i].tag != v.tag) {
                continue;
            }
            rc = (seen & 1u << i) != 0 ? p1_fail(c, &v, BH_ESYNTAX, "a member of a report twice")
                                       : members[i].read(c, &v, r);
            rc = rc < 0 ? rc : 1;
            seen |= 1u << i;
        }
        if (rc < 0) {
            return rc;
        }
    }
    for (unsigned i = 0; i < ARRAY_LEN(members) && rc == 0; i++) {
        if (members[i].missing != NULL && (seen & 1u << i) == 0) {
            c->error = members[i].missing;
            c->error_at = (uint64_t)(c->rest.p - c->base);
            rc = BH_ESYNTAX;
        }
    }
    return rc;
}

int
p1_report_parse(struct slice content, struct p1_report *out, const char **error, uint64_t *error_at)
{
    struct ber_cursor c;
    int rc;

    *out = (struct p1_report){ .content_type = P1_CONTENT_OID };
    ber_cursor_init(&c, content);
    rc = read_content(&c, out);
    if (rc < 0) {
        *error = c.error;
        *error_at = c.error_at;
    }
    return rc;
}

int
p1_report_returned(const struct p1_report *r, struct buf *out)
{
    struct ber_item item = { .tag = 0 };
    struct slice rest = r->returned;
    struct ber_reader reader;
    enum ber_event e;

    if (!r->returns) {
        return 0;
    }
    ber_reader_init(&reader, BER_BYTES_MAX);
    for (e = ber_next(&reader, &rest, &item); e != BER_DONE; e = ber_next(&reader, &rest, &item)) {
        int rc = 0;

        if (e == BER_OPEN) {
            ber_join(&reader);
        } else if (e == BER_BYTES) {
            rc = buf_append(out, item.bytes);
        } else {
            return reader.rc < 0 ? reader.rc : BH_ESYNTAX;
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}
