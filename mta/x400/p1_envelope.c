/* p1_envelope.c - what is in an envelope. Each member of a SET is looked at by a row of a table; a
 * member that comes twice is refused, since two readers would see two envelopes. */
#include "x400/p1_envelope.h"
#include "x400/p1_member.h"
#include "x400/p1_time.h"

/* ---- domains and identifiers */

static bool
same_name(const struct p1_text *a, const struct p1_text *b)
{
    return a->given == b->given && slice_ieq(p1_text_slice(a), p1_text_slice(b));
}

bool
p1_domain_equal(const struct p1_domain *a, const struct p1_domain *b)
{
    return same_name(&a->country, &b->country) && same_name(&a->admd, &b->admd) &&
           same_name(&a->prmd, &b->prmd);
}

/* ---- trace */

static int
read_actions(struct ber_cursor *c, const struct ber_value *v, struct p1_trace *out)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value m;
    uint64_t number = 0;
    bool acted = false;
    int rc;

    for (rc = ber_take(&in, &m); rc > 0; rc = ber_take(&in, &m)) {
        int member = 0;

        if (m.tag == BER_CONTEXT(0)) {
            member = out->arrival.given ? p1_fail(&in, &m, BH_ESYNTAX, "two arrival times")
                                        : p1_read_time(&in, &m, &out->arrival);
        } else if (m.tag == BER_CONTEXT(1)) {
            out->deferred = true;
        } else if (m.tag == BER_CONTEXT(2)) {
            if (acted || ber_to_uint(&m, UINT32_MAX, &number) < 0) {
                member = p1_fail(&in, &m, BH_ESYNTAX, "a routing action that is not one number");
            }
            acted = true;
            out->action = (uint32_t)number;
        } else if (m.tag == BER_CONTEXT(3)) {
            uint64_t bits = 0;
            size_t count = 0;

            member = p1_read_bits(&in, &m, &bits, &count);
            out->other_actions = out->other_actions || bits != 0;
        }
        if (member < 0) {
            return p1_pass(c, &in, member);
        }
    }
    if (rc < 0) {
        return p1_pass(c, &in, rc);
    }
    return out->arrival.given && acted
               ? 0
               : p1_fail(c, v, BH_ESYNTAX, "trace without an arrival time or a routing action");
}

int
p1_trace_next(struct ber_cursor *c, bool internal, struct p1_trace *out)
{
    struct ber_value v, m;
    struct ber_cursor in;
    int rc = p1_take(c, BER_UNIVERSAL(BER_SEQUENCE), "trace that is no list of SEQUENCEs", &v);

    if (rc <= 0) {
        return rc;
    }
    *out = (struct p1_trace){ .whole = v.whole };
    in = ber_inside(c, &v);
    rc = ber_take(&in, &m);
    if (rc > 0) {
        rc = p1_read_domain(&in, &m, &out->domain);
    }
    if (rc >= 0 && internal) {
        rc = ber_take_tag(&in, BER_UNIVERSAL(BER_IA5_STRING), &m);
        rc = rc <= 0 ? rc
                     : p1_read_text(&in, &m, P1_MTA_NAME_BYTES_MAX, &out->mta_name,
                           "an MTA name of more than 32 octets");
    }
    if (rc >= 0) {
        rc = ber_take_tag(&in, BER_UNIVERSAL(BER_SET), &m);
        rc = rc > 0 && !m.constructed ? 0 : rc;
        if (rc > 0) {
            rc = read_actions(&in, &m, out);
            rc = rc < 0 ? rc : 1;
        }
    }
    if (rc < 0) {
        return p1_pass(c, &in, rc);
    }
    if (rc == 0 || in.rest.n > 0 || (internal && !out->mta_name.given)) {
        return p1_fail(c, &v, BH_ESYNTAX, "trace whose members are not those of X.411");
    }
    return 1;
}

int
p1_check_trace(struct ber_cursor *c, struct slice list, bool internal, uint32_t *count)
{
    struct ber_cursor in = { .rest = list, .base = c->base };
    struct p1_trace t;
    int rc;

    for (rc = p1_trace_next(&in, internal, &t); rc > 0; rc = p1_trace_next(&in, internal, &t)) {
        if (++*count > P1_TRACE_MAX) {
            in.error = "trace of more than 512 elements";
            in.error_at = (uint64_t)(in.rest.p - in.base);
            return p1_pass(c, &in, BH_ETOOBIG);
        }
    }
    return rc < 0 ? p1_pass(c, &in, rc) : 0;
}

/* ---- extensions */

bool
p1_extension_known(uint32_t number)
{
    static const uint8_t known[] = { P1_EXT_NO_REASSIGNMENT, P1_EXT_ALTERNATE,
        P1_EXT_NO_DL_EXPANSION, P1_EXT_NO_LOSS, P1_EXT_LATEST_DELIVERY, P1_EXT_CONTENT_CORRELATOR,
        P1_EXT_REDIRECTION_HISTORY, P1_EXT_DL_HISTORY, P1_EXT_ORIGINATOR_AND_DL_HISTORY,
        P1_EXT_REPORTING_DL, P1_EXT_TRACE, P1_EXT_INTERNAL_TRACE, P1_EXT_REPORTING_MTA };

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (known[i] == number) {
            return true;
        }
    }
    return false;
}

/* 80 01 nn; or, of a peer that took the tag for an explicit one, A0 03 02 01 nn. */
static int
read_extension_type(struct ber_cursor *c, const struct ber_value *v, struct p1_extension *out)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value m = *v;
    uint64_t number;

    if (v->tag == BER_CONTEXT(3)) {
        out->number = P1_EXT_PRIVATE;
        return ber_to_oid(v, &out->oid) < 0
                   ? p1_fail(c, v, BH_ESYNTAX, "an extension named by no object identifier")
                   : 0;
    }
    if (v->tag != BER_CONTEXT(0) ||
        (v->constructed &&
            (ber_take_tag(&in, BER_UNIVERSAL(BER_INTEGER), &m) <= 0 || in.rest.n > 0)) ||
        ber_to_uint(&m, P1_EXT_PRIVATE - 1, &number) < 0) {
        return p1_fail(c, v, BH_ESYNTAX, "an extension without its number");
    }
    out->number = (uint32_t)number;
    return 0;
}

int
p1_extension_next(struct ber_cursor *c, struct p1_extension *out)
{
    struct ber_value v, m;
    struct ber_cursor in;
    uint64_t bits = 0;
    size_t count = 0;
    int rc = p1_take(c, BER_UNIVERSAL(BER_SEQUENCE), "an extension that is no SEQUENCE", &v);

    if (rc <= 0) {
        return rc;
    }
    *out = (struct p1_extension){ .whole = v.whole };
    in = ber_inside(c, &v);
    rc = ber_take(&in, &m);
    if (rc <= 0) {
        return rc < 0 ? p1_pass(c, &in, rc)
                      : p1_fail(c, &v, BH_ESYNTAX, "an extension without members");
    }
    rc = read_extension_type(&in, &m, out);
    if (rc == 0) {
        rc = ber_take_tag(&in, BER_CONTEXT(1), &m);
        if (rc > 0) {
            out->criticality = m.whole;
            rc = p1_read_bits(&in, &m, &bits, &count);
        }
    }
    out->critical = (uint32_t)bits;
    if (rc == 0) {
        rc = ber_take_tag(&in, BER_CONTEXT(2), &m);
        out->value = rc > 0 ? m.body : SLICE_NONE;
        rc = rc > 0 && !m.constructed
                 ? p1_fail(&in, &m, BH_ESYNTAX, "an extension's value in primitive form")
                 : MIN(rc, 0);
    }
    if (rc < 0) {
        return p1_pass(c, &in, rc);
    }
    return in.rest.n > 0 ? p1_fail(c, &v, BH_ESYNTAX, "an extension with a member too many") : 1;
}

/* Of the whole envelope (e) or of a recipient. */
static int
check_extensions(
    struct ber_cursor *c, struct slice list, struct p1_envelope *e, bool *critical, uint32_t *all)
{
    struct ber_cursor in = { .rest = list, .base = c->base };
    struct p1_extension x;
    uint32_t count = 0;
    int rc;

    for (rc = p1_extension_next(&in, &x); rc > 0; rc = p1_extension_next(&in, &x)) {
        struct ber_cursor inner = { .rest = x.value, .base = c->base };
        struct ber_value v;

        if (++count > P1_EXTENSIONS_MAX || ++*all > P1_EXTENSIONS_ALL_MAX) {
            in.error = "more than 512 extensions in one list, or 131068 of recipients";
            in.error_at = (uint64_t)(x.whole.p - c->base);
            return p1_pass(c, &in, BH_ETOOBIG);
        }
        if ((x.critical & P1_FOR_TRANSFER) != 0 && !p1_extension_known(x.number)) {
            *critical = true;
        }
        if (e == NULL ||
            (x.number != P1_EXT_INTERNAL_TRACE && x.number != P1_EXT_LATEST_DELIVERY)) {
            continue;
        }
        rc = ber_take(&inner, &v);
        if (rc <= 0 || inner.rest.n > 0) {
            in.error = "an extension without one value";
            in.error_at = (uint64_t)(x.whole.p - c->base);
            return p1_pass(c, &in, BH_ESYNTAX);
        }
        if (x.number == P1_EXT_LATEST_DELIVERY) {
            rc = p1_read_time(&in, &v, &e->latest);
        } else if (e->internal.p != NULL) {
            rc = p1_fail(&in, &v, BH_ESYNTAX, "two internal traces");
        } else {
            rc = p1_read_list(&in, &v, &e->internal);
            rc = rc < 0 ? rc : p1_check_trace(&in, e->internal, true, &e->internal_count);
        }
        if (rc < 0) {
            break;
        }
    }
    return rc < 0 ? p1_pass(c, &in, rc) : 0;
}

int
p1_check_extensions(struct ber_cursor *c, struct slice list, bool *critical, uint32_t *all)
{
    return check_extensions(c, list, NULL, critical, all);
}

/* ---- recipients */

static int
read_recipient_member(
    struct ber_cursor *c, const struct ber_value *m, struct p1_recipient *r, unsigned *seen)
{
    static const ber_tag tags[] = { BER_APPLICATION(0), BER_CONTEXT(0), BER_CONTEXT(1),
        BER_CONTEXT(3) };
    uint64_t number = 0;
    unsigned row = 0;
    int rc = 0;

    while (row < ARRAY_LEN(tags) && tags[row] != m->tag) {
        row++;
    }
    if (row == ARRAY_LEN(tags)) {
        return 0;
    }
    if ((*seen & 1u << row) != 0) {
        return p1_fail(c, m, BH_ESYNTAX, "a recipient with the same member twice");
    }
    *seen |= 1u << row;
    if (m->tag == BER_APPLICATION(0)) {
        r->name = m->whole;
        rc = m->constructed ? 0
                            : p1_fail(c, m, BH_ESYNTAX, "a recipient's name that is no O/R name");
    } else if (m->tag == BER_CONTEXT(0)) {
        if (ber_to_uint(m, P1_RECIPIENTS_MAX, &number) < 0 || number == 0) {
            rc = p1_fail(c, m, BH_ESYNTAX, "a recipient's number that is not of 1 to 32767");
        }
        r->number = (uint32_t)number;
    } else if (m->tag == BER_CONTEXT(1)) {
        rc = p1_read_bits(c, m, &r->indicators, &r->indicators_count);
    } else {
        rc = p1_read_list(c, m, &r->extensions);
    }
    return rc;
}

int
p1_recipient_next(struct ber_cursor *c, struct p1_recipient *out)
{
    struct ber_value v, m;
    struct ber_cursor in;
    unsigned seen = 0;
    int rc = p1_take(c, BER_UNIVERSAL(BER_SET), "a recipient that is no SET", &v);

    if (rc <= 0) {
        return rc;
    }
    *out = (struct p1_recipient){ .members = v.body };
    in = ber_inside(c, &v);
    for (rc = ber_take(&in, &m); rc > 0; rc = ber_take(&in, &m)) {
        int member = read_recipient_member(&in, &m, out, &seen);

        if (member < 0) {
            return p1_pass(c, &in, member);
        }
    }
    if (rc < 0) {
        return p1_pass(c, &in, rc);
    }
    return (seen & 7u) == 7u
               ? 1
               : p1_fail(c, &v, BH_ESYNTAX, "a recipient without name, number or indicators");
}

bool
p1_recipient_critical(const struct p1_recipient *r)
{
    struct ber_cursor c;
    bool critical = false;
    uint32_t all = 0;

    ber_cursor_init(&c, r->extensions);
    return p1_check_extensions(&c, r->extensions, &critical, &all) == 0 && critical;
}

static int
check_recipients(struct ber_cursor *c, const struct ber_value *v, struct p1_envelope *e)
{
    struct ber_cursor in = ber_inside(c, v);
    struct p1_recipient r;
    uint32_t extensions = 0;
    int rc;

    for (rc = p1_recipient_next(&in, &r); rc > 0; rc = p1_recipient_next(&in, &r)) {
        rc = p1_check_extensions(&in, r.extensions, &e->critical_recipients, &extensions);
        if (rc < 0) {
            break;
        }
        if (++e->recipient_count > P1_RECIPIENTS_MAX) {
            return p1_fail(c, v, BH_ETOOBIG, "more than 32767 recipients");
        }
    }
    if (rc < 0) {
        return p1_pass(c, &in, rc);
    }
    return e->recipient_count > 0 ? 0 : p1_fail(c, v, BH_ESYNTAX, "an envelope without recipients");
}

/* ---- the envelope's members */

typedef int member_fn(struct ber_cursor *c, const struct ber_value *v, struct p1_envelope *e);

static int
on_identifier(struct ber_cursor *c, const struct ber_value *v, struct p1_envelope *e)
{
    return p1_read_identifier(c, v, &e->id);
}

static int
on_originator(struct ber_cursor *c, const struct ber_value *v, struct p1_envelope *e)
{
    e->originator = v->whole;
    return v->constructed ? 0 : p1_fail(c, v, BH_ESYNTAX, "an originator that is no O/R name");
}

static int
on_eits(struct ber_cursor *c, const struct ber_value *v, struct p1_envelope *e)
{
    e->eits = v->whole;
    return p1_read_eits(c, v, &e->eit_bits);
}

static int
on_content_type(struct ber_cursor *c, const struct ber_value *v, struct p1_envelope *e)
{
    return e->content_oid.n > 0 ? p1_fail(c, v, BH_ESYNTAX, "two content types")
                                : p1_read_content_type(c, v, &e->content_type);
}

static int
on_content_oid(struct ber_cursor *c, const struct ber_value *v, struct p1_envelope *e)
{
    return e->content_type != P1_CONTENT_OID ? p1_fail(c, v, BH_ESYNTAX, "two content types")
                                             : p1_read_content_oid(c, v, &e->content_oid);
}

static int
on_content_id(struct ber_cursor *c, const struct ber_value *v, struct p1_envelope *e)
{
    return p1_read_content_id(c, v, &e->content_id);
}

static int
on_priority(struct ber_cursor *c, const struct ber_value *v, struct p1_envelope *e)
{
    uint64_t number;

    if (ber_to_uint(v, P1_URGENT, &number) < 0) {
        return p1_fail(c, v, BH_ESYNTAX, "a priority that is not one of three");
    }
    e->priority = (enum p1_priority)number;
    return 0;
}

static int
on_indicators(struct ber_cursor *c, const struct ber_value *v, struct p1_envelope *e)
{
    uint64_t bits = 0;
    size_t count = 0;
    int rc = p1_read_bits(c, v, &bits, &count);

    e->indicators = (uint32_t)bits;
    return rc;
}

/* A message's deferred delivery time, a probe's content length. */
static int
on_zero(struct ber_cursor *c, const struct ber_value *v, struct p1_envelope *e)
{
    if (e->kind == P1_MESSAGE) {
        return p1_read_time(c, v, &e->deferred);
    }
    return ber_to_uint(v, INT64_MAX, &e->probe_bytes) < 0
               ? p1_fail(c, v, BH_ESYNTAX, "a content length that is no number")
               : 0;
}

static int
on_bilateral(struct ber_cursor *c, const struct ber_value *v, struct p1_envelope *e)
{
    return p1_read_list(c, v, &e->bilateral);
}

static int
on_trace(struct ber_cursor *c, const struct ber_value *v, struct p1_envelope *e)
{
    int rc = p1_read_list(c, v, &e->trace);

    return rc < 0 ? rc : p1_check_trace(c, e->trace, false, &e->trace_count);
}

static int
on_extensions(struct ber_cursor *c, const struct ber_value *v, struct p1_envelope *e)
{
    int rc = p1_read_list(c, v, &e->extensions);
    uint32_t all = 0;

    return rc < 0 ? rc : check_extensions(c, e->extensions, e, &e->critical, &all);
}

static int
on_recipients(struct ber_cursor *c, const struct ber_value *v, struct p1_envelope *e)
{
    int rc = p1_read_list(c, v, &e->recipients);

    return rc < 0 ? rc : check_recipients(c, v, e);
}

#define IN(kind) (1u << (kind))
#define TRANSFER (IN(P1_MESSAGE) | IN(P1_PROBE))
#define ANY      (TRANSFER | IN(P1_REPORT))

static const struct {
    ber_tag tag;
    unsigned in; /* kinds that may have it */
    member_fn *read;
    const char *missing; /* they must */
} members[] = {
    { BER_APPLICATION(4), ANY, on_identifier, "an envelope without identifier" },
    { BER_APPLICATION(0), ANY, on_originator, "an envelope without originator or destination" },
    { BER_APPLICATION(5), TRANSFER, on_eits, NULL },
    { BER_APPLICATION(6), TRANSFER, on_content_type, NULL },
    { BER_UNIVERSAL(BER_OID), TRANSFER, on_content_oid, NULL },
    { BER_APPLICATION(10), TRANSFER, on_content_id, NULL },
    { BER_APPLICATION(7), IN(P1_MESSAGE), on_priority, NULL },
    { BER_APPLICATION(8), TRANSFER, on_indicators, NULL },
    { BER_CONTEXT(0), TRANSFER, on_zero, NULL },
    { BER_CONTEXT(1), TRANSFER, on_bilateral, NULL },
    { BER_CONTEXT(1), IN(P1_REPORT), on_extensions, NULL },
    { BER_APPLICATION(9), ANY, on_trace, "an envelope without trace" },
    { BER_CONTEXT(3), TRANSFER, on_extensions, NULL },
    { BER_CONTEXT(2), TRANSFER, on_recipients, "an envelope without recipients" },
};

static int
read_members(struct ber_cursor *c, struct p1_envelope *e)
{
    struct ber_value v;
    unsigned seen = 0;
    int rc;

    for (rc = ber_take(c, &v); rc > 0; rc = ber_take(c, &v)) {
        for (unsigned i = 0; i < ARRAY_LEN(members) && rc > 0; i++) {
            if (members[i].tag != v.tag || (members[i].in & IN(e->kind)) == 0) {
                continue;
            }
            rc = (seen & 1u << i) != 0 ? p1_fail(c, &v, BH_ESYNTAX, "a member of an envelope twice")
                                       : members[i].read(c, &v, e);
            rc = rc < 0 ? rc : 1;
            seen |= 1u << i;
        }
        if (rc < 0) {
            return rc;
        }
    }
    c->error_at = rc == 0 ? (uint64_t)(c->rest.p - c->base) : c->error_at;
    for (unsigned i = 0; i < ARRAY_LEN(members) && rc == 0; i++) {
        if (members[i].missing != NULL && (members[i].in & IN(e->kind)) != 0 &&
            (seen & 1u << i) == 0) {
            c->error = members[i].missing;
            rc = BH_ESYNTAX;
        }
    }
    if (rc == 0 && e->kind != P1_REPORT && e->content_type == P1_CONTENT_OID &&
        e->content_oid.n == 0) {
        c->error = "an envelope without a content type";
        rc = BH_ESYNTAX;
    }
    return rc;
}

/* SEQUENCE of the envelope and the report's content. */
static int
split_report(struct ber_cursor *c, struct p1_envelope *e)
{
    struct ber_value first, second;

    if (ber_take_tag(c, BER_UNIVERSAL(BER_SET), &first) <= 0 || !first.constructed ||
        ber_take_tag(c, BER_UNIVERSAL(BER_SET), &second) <= 0 || !second.constructed ||
        c->rest.n > 0) {
        c->error = c->error != NULL ? c->error : "a report that is not an envelope and a content";
        return BH_ESYNTAX;
    }
    e->members = first.body;
    e->report_content = second.body;
    return 0;
}

int
p1_envelope_parse(struct slice octets, enum p1_kind kind, struct p1_envelope *out,
    const char **error, uint64_t *error_at)
{
    struct ber_cursor c;
    int rc = 0;

    *out = (struct p1_envelope){ .kind = kind, .members = octets };
    out->content_type = P1_CONTENT_OID;
    out->probe_bytes = UINT64_MAX;
    ber_cursor_init(&c, octets);
    if (kind == P1_REPORT) {
        rc = split_report(&c, out);
        c.rest = out->members;
    }
    rc = rc < 0 ? rc : read_members(&c, out);
    if (rc < 0) {
        *error = c.error;
        *error_at = c.error_at;
    }
    return rc;
}
