#include "x400/p1_member.h"
#include "x400/p1_time.h"

int
p1_fail(struct ber_cursor *c, const struct ber_value *v, int rc, const char *error)
{
    c->error = error;
    c->error_at = (uint64_t)(v->whole.p - c->base);
    return rc;
}

/* The same failure told by the cursor around. */
int
p1_pass(struct ber_cursor *c, const struct ber_cursor *inner, int rc)
{
    c->error = inner->error;
    c->error_at = inner->error_at;
    return rc;
}

int
p1_take(struct ber_cursor *c, ber_tag tag, const char *error, struct ber_value *out)
{
    int rc = ber_take(c, out);

    return rc <= 0 || (out->tag == tag && out->constructed) ? rc
                                                            : p1_fail(c, out, BH_ESYNTAX, error);
}

int
p1_read_text(struct ber_cursor *c, const struct ber_value *v, size_t bytes_max, struct p1_text *out,
    const char *error)
{
    char store[P1_TEXT_OCTETS];
    struct slice s;
    int rc = ber_to_string(v, store, MIN(bytes_max, sizeof(store)), &s);

    if (rc < 0) {
        return p1_fail(c, v, rc, error);
    }
    *out = (struct p1_text){ .given = true, .n = (uint8_t)s.n };
    memcpy(out->octets, s.n > 0 ? s.p : "", s.n);
    return 0;
}

int
p1_read_time(struct ber_cursor *c, const struct ber_value *v, struct p1_text *out)
{
    int rc = p1_read_text(c, v, P1_TIME_BYTES_MAX, out, "a time that is no UTCTime");

    return rc < 0 || p1_time_ok(p1_text_slice(out))
               ? rc
               : p1_fail(c, v, BH_ESYNTAX, "a time that is no UTCTime");
}

int
p1_read_bits(struct ber_cursor *c, const struct ber_value *v, uint64_t *bits, size_t *count)
{
    if (ber_to_bits(v, bits, count) < 0) {
        return p1_fail(c, v, BH_ESYNTAX, "indicators that are no BIT STRING");
    }
    return *count <= 64 ? 0 : p1_fail(c, v, BH_ETOOBIG, "indicators of more than 64 bits");
}

/* A SET's or SEQUENCE's contents; they are values to their end only when walked. */
int
p1_read_list(struct ber_cursor *c, const struct ber_value *v, struct slice *out)
{
    if (!v->constructed) {
        return p1_fail(c, v, BH_ESYNTAX, "a list in primitive form");
    }
    *out = v->body;
    return 0;
}

/* A CHOICE of NumericString and PrintableString; in explicit tags but for the last. */
static int
read_domain_name(
    struct ber_cursor *c, const struct ber_value *v, bool tagged, size_t max, struct p1_text *out)
{
    static const char error[] = "a domain's name that is no short string";
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value m = *v;

    if (tagged && (!v->constructed || ber_take(&in, &m) <= 0 || in.rest.n > 0)) {
        return p1_fail(c, v, BH_ESYNTAX, error);
    }
    if (m.tag != BER_UNIVERSAL(BER_NUMERIC_STRING) &&
        m.tag != BER_UNIVERSAL(BER_PRINTABLE_STRING)) {
        return p1_fail(c, v, BH_ESYNTAX, error);
    }
    return p1_read_text(c, &m, max, out, error);
}

int
p1_read_domain(struct ber_cursor *c, const struct ber_value *v, struct p1_domain *out)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value m;
    int rc;

    *out = (struct p1_domain){ .country = { .n = 0 } };
    if (v->tag != BER_APPLICATION(3) || !v->constructed) {
        return p1_fail(c, v, BH_ESYNTAX, "a global domain identifier was expected");
    }
    for (rc = ber_take(&in, &m); rc > 0; rc = ber_take(&in, &m)) {
        int member;

        if (m.tag == BER_APPLICATION(1) && !out->country.given && !out->admd.given) {
            member = read_domain_name(&in, &m, true, P1_COUNTRY_BYTES_MAX, &out->country);
        } else if (m.tag == BER_APPLICATION(2) && !out->admd.given) {
            member = read_domain_name(&in, &m, true, P1_DOMAIN_BYTES_MAX, &out->admd);
        } else if (out->admd.given && !out->prmd.given) {
            member = read_domain_name(&in, &m, false, P1_DOMAIN_BYTES_MAX, &out->prmd);
        } else {
            member =
                p1_fail(&in, &m, BH_ESYNTAX, "a global domain identifier with a member too many");
        }
        if (member < 0) {
            return p1_pass(c, &in, member);
        }
    }
    if (rc < 0) {
        return p1_pass(c, &in, rc);
    }
    return out->country.given && out->admd.given
               ? 0
               : p1_fail(c, v, BH_ESYNTAX, "a global domain identifier without country or ADMD");
}

int
p1_read_identifier(struct ber_cursor *c, const struct ber_value *v, struct p1_identifier *out)
{
    static const char error[] = "a message identifier that is no domain and local identifier";
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value m;
    int rc;

    if (!v->constructed || ber_take(&in, &m) <= 0) {
        return p1_fail(c, v, BH_ESYNTAX, error);
    }
    rc = p1_read_domain(&in, &m, &out->domain);
    if (rc < 0) {
        return p1_pass(c, &in, rc);
    }
    if (ber_take_tag(&in, BER_UNIVERSAL(BER_IA5_STRING), &m) <= 0 || in.rest.n > 0) {
        return p1_fail(c, v, BH_ESYNTAX, error);
    }
    rc = p1_read_text(&in, &m, P1_LOCAL_ID_BYTES_MAX, &out->local,
        "a local identifier that is no string of at most 32 octets");
    return rc < 0 ? p1_pass(c, &in, rc) : 0;
}

int
p1_read_eits(struct ber_cursor *c, const struct ber_value *v, uint64_t *bits)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value m;
    size_t count;
    int rc;

    if (!v->constructed) {
        return p1_fail(c, v, BH_ESYNTAX, "encoded information types that are no SET");
    }
    for (rc = ber_take(&in, &m); rc > 0; rc = ber_take(&in, &m)) {
        if (m.tag == BER_CONTEXT(0) && ber_to_bits(&m, bits, &count) < 0) {
            return p1_fail(c, v, BH_ESYNTAX, "encoded information types that are no BIT STRING");
        }
    }
    return rc < 0 ? p1_pass(c, &in, rc) : 0;
}

int
p1_read_content_type(struct ber_cursor *c, const struct ber_value *v, uint32_t *out)
{
    uint64_t number;

    if (ber_to_uint(v, P1_CONTENT_OID - 1, &number) < 0) {
        return p1_fail(c, v, BH_ESYNTAX, "a content type that is no number");
    }
    *out = (uint32_t)number;
    return 0;
}

int
p1_read_content_oid(struct ber_cursor *c, const struct ber_value *v, struct slice *out)
{
    return ber_to_oid(v, out) < 0
               ? p1_fail(c, v, BH_ESYNTAX, "a content type that is no object identifier")
               : 0;
}

int
p1_read_content_id(struct ber_cursor *c, const struct ber_value *v, struct p1_text *out)
{
    return p1_read_text(c, v, P1_CONTENT_ID_BYTES_MAX, out,
        "a content identifier that is no string of at most 16 octets");
}

bool
p1_find_member(struct slice members, ber_tag tag, struct ber_value *out)
{
    struct ber_cursor c;

    ber_cursor_init(&c, members);
    while (ber_take(&c, out) > 0) {
        if (out->tag == tag) {
            return true;
        }
    }
    return false;
}

bool
p1_find_extension(struct slice extensions, uint32_t number, struct p1_extension *out)
{
    struct ber_cursor c;

    ber_cursor_init(&c, extensions);
    while (p1_extension_next(&c, out) > 0) {
        if (out->number == number) {
            return true;
        }
    }
    return false;
}

/* ---- writing */

static void
write_domain_name(struct ber_writer *w, ber_tag around, const struct p1_text *name)
{
    struct slice s = p1_text_slice(name);
    ber_tag tag = BER_UNIVERSAL(BER_PRINTABLE_STRING);

    /* A country of digits is one of X.121. Domains are printable. */
    if (around == BER_APPLICATION(1) && s.n > 0 && s.p[0] >= '0' && s.p[0] <= '9') {
        tag = BER_UNIVERSAL(BER_NUMERIC_STRING);
    }
    if (around != 0) {
        ber_write_begin(w, around);
    }
    ber_write_bytes(w, tag, s);
    if (around != 0) {
        ber_write_end(w);
    }
}

void
p1_write_domain(struct ber_writer *w, const struct p1_domain *domain)
{
    ber_write_begin(w, BER_APPLICATION(3));
    write_domain_name(w, BER_APPLICATION(1), &domain->country);
    write_domain_name(w, BER_APPLICATION(2), &domain->admd);
    if (domain->prmd.given) {
        write_domain_name(w, 0, &domain->prmd);
    }
    ber_write_end(w);
}

void
p1_write_identifier(struct ber_writer *w, const struct p1_domain *domain, struct slice local)
{
    ber_write_begin(w, BER_APPLICATION(4));
    p1_write_domain(w, domain);
    ber_write_bytes(w, BER_UNIVERSAL(BER_IA5_STRING), local);
    ber_write_end(w);
}

void
p1_write_time(struct ber_writer *w, ber_tag tag, uint64_t wall_ms)
{
    char time[P1_TIME_WRITTEN_BYTES + 1];

    p1_time_write(wall_ms, time);
    ber_write_bytes(w, tag, slice_of(time));
}

void
p1_write_extension(struct ber_writer *w, uint32_t number, uint32_t critical, struct slice value)
{
    ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
    ber_write_int(w, BER_CONTEXT(0), number);
    if (critical != 0) {
        ber_write_bits(w, BER_CONTEXT(1), critical, 3);
    }
    ber_write_list(w, BER_CONTEXT(2), value);
    ber_write_end(w);
}
