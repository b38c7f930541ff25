#include "x400/or_address_ber.h"
#include "x400/or_address_table.h"

enum extension {
    EXTENSION_COMMON_NAME = 1,
    EXTENSION_TELETEX_COMMON_NAME = 2,
    EXTENSION_TELETEX_ORGANIZATION = 3,
    EXTENSION_TELETEX_PERSONAL_NAME = 4,
    EXTENSION_TELETEX_UNITS = 5,
    EXTENSION_TELETEX_DDAS = 6
};

#define TAG_COUNTRY    BER_APPLICATION(1)
#define TAG_ADMD       BER_APPLICATION(2)
#define TAG_X121       BER_CONTEXT(0)
#define TAG_TERMINAL   BER_CONTEXT(1)
#define TAG_PRMD       BER_CONTEXT(2)
#define TAG_O          BER_CONTEXT(3)
#define TAG_NUMERIC_ID BER_CONTEXT(4)
#define TAG_PERSON     BER_CONTEXT(5)
#define TAG_UNITS      BER_CONTEXT(6)

/* PersonalName's [0] to [3]. */
static const enum or_attribute person[] = { OR_S, OR_G, OR_I, OR_Q };

/* ---- reading */

struct reading {
    struct or_address *out;
    struct or_error *error;
};

static int
bad_ber(const struct reading *r, const struct ber_cursor *c)
{
    return or_bad(r->error, BH_ESYNTAX, "O/R address: %s (octet %llu)", c->error,
        (unsigned long long)c->error_at);
}

static bool
is_blank(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != ' ') {
            return false;
        }
    }
    return true;
}

static bool
all_printable(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!or_is_printable(s.p[i])) {
            return false;
        }
    }
    return true;
}

static int
set(const struct reading *r, enum or_attribute which, enum or_form form, struct slice type,
    struct slice value)
{
    if (is_blank(value)) {
        if (which != OR_A) {
            return 0;
        }
        value = SLICE_LIT(" ");
    }
    if (form == OR_PRINTABLE && or_rules[which].teletex && !all_printable(value)) {
        form = OR_TELETEX;
    } else if (form == OR_TELETEX && or_address_value(r->out, which, form).n > 0) {
        return 0; /* its place is taken by a printable form that is none: that one came first */
    }
    return or_address_set(r->out, which, form, type, value, r->error);
}

static int
read_string(const struct reading *r, const struct ber_value *v, char *store, size_t cap,
    struct slice *out, const char *label)
{
    int rc = ber_to_string(v, store, cap, out);

    if (rc == BH_ETOOBIG || (rc == 0 && out->n > cap)) {
        return or_bad(r->error, BH_ETOOBIG, "%s: more than %zu octets", label, cap);
    }
    return rc < 0 ? or_bad(r->error, BH_ESYNTAX, "%s: no string", label) : 0;
}

static int
read_value(
    const struct reading *r, const struct ber_value *v, enum or_attribute which, enum or_form form)
{
    char store[OR_DDA_VALUE_BYTES_MAX];
    struct slice value;
    int rc = read_string(r, v, store, sizeof(store), &value, or_rules[which].label);

    return rc < 0 ? rc : set(r, which, form, SLICE_NONE, value);
}

/* A CHOICE, hence in an explicit tag: NumericString or PrintableString. */
static int
read_choice(const struct reading *r, const struct ber_cursor *c, const struct ber_value *v,
    enum or_attribute which)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value string;

    if (!v->constructed || ber_take(&in, &string) <= 0) {
        return or_bad(r->error, BH_ESYNTAX, "%s: no string", or_rules[which].label);
    }
    return read_value(r, &string, which, OR_PRINTABLE);
}

static int
read_person(const struct reading *r, const struct ber_cursor *c, const struct ber_value *v,
    enum or_form form)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value m;
    int rc, taken;

    for (taken = ber_take(&in, &m); taken > 0; taken = ber_take(&in, &m)) {
        for (unsigned i = 0; i < ARRAY_LEN(person); i++) {
            rc = m.tag == BER_CONTEXT(i) ? read_value(r, &m, person[i], form) : 0;
            if (rc < 0) {
                return rc;
            }
        }
    }
    return taken < 0 ? bad_ber(r, &in) : 0;
}

static int
read_units(const struct reading *r, const struct ber_cursor *c, const struct ber_value *v,
    enum or_form form)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value m;
    enum or_attribute which = OR_OU1;
    int rc, taken;

    for (taken = ber_take(&in, &m); taken > 0; taken = ber_take(&in, &m)) {
        if (which > OR_OU4) {
            return or_bad(r->error, BH_ETOOBIG, "OU: more than %d of them", OR_ADDRESS_UNITS_MAX);
        }
        rc = read_value(r, &m, which++, form);
        if (rc < 0) {
            return rc;
        }
    }
    return taken < 0 ? bad_ber(r, &in) : 0;
}

/* The DDA that a value of this type and form goes to: the first without that form, and, if it has
 * the other form, of the same type. */
static enum or_attribute
dda_for(const struct or_address *a, struct slice type, enum or_form form)
{
    enum or_attribute w = OR_DDA1;

    while (w <= OR_DDA4 && or_is_there(a, w) &&
           (or_address_value(a, w, form).n > 0 || !slice_ieq(or_address_dda_type(a, w), type))) {
        w++;
    }
    return w;
}

static int
read_dda(const struct reading *r, const struct ber_cursor *c, const struct ber_value *v,
    enum or_form form)
{
    char types[OR_DDA_TYPE_BYTES_MAX], values[OR_DDA_VALUE_BYTES_MAX];
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value type, value;
    struct slice t, s;
    enum or_attribute which;
    int rc;

    if (!v->constructed || ber_take(&in, &type) <= 0 || ber_take(&in, &value) <= 0) {
        return or_bad(r->error, BH_ESYNTAX, "DDA: no type and value");
    }
    rc = read_string(r, &type, types, sizeof(types), &t, "DDA");
    rc = rc < 0 ? rc : read_string(r, &value, values, sizeof(values), &s, "DDA");
    if (rc < 0) {
        return rc;
    }
    if (!all_printable(s)) {
        form = OR_TELETEX;
    }
    which = dda_for(r->out, t, form);
    if (which > OR_DDA4) {
        return or_bad(r->error, BH_ETOOBIG, "DDA: more than %d of them", OR_ADDRESS_DDAS_MAX);
    }
    return set(r, which, form, t, s);
}

static int
read_ddas(const struct reading *r, const struct ber_cursor *c, const struct ber_value *v,
    enum or_form form)
{
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value m;
    int rc = 0, taken;

    for (taken = ber_take(&in, &m); taken > 0 && rc == 0; taken = ber_take(&in, &m)) {
        rc = read_dda(r, &in, &m, form);
    }
    return rc == 0 && taken < 0 ? bad_ber(r, &in) : rc;
}

static int
read_standard(const struct reading *r, const struct ber_cursor *c, const struct ber_value *v)
{
    static const struct {
        ber_tag tag;
        bool choice;
        enum or_attribute which;
    } members[] = {
        { TAG_COUNTRY, true, OR_C },
        { TAG_ADMD, true, OR_A },
        { TAG_X121, false, OR_X121 },
        { TAG_TERMINAL, false, OR_TERMINAL_ID },
        { TAG_PRMD, true, OR_P },
        { TAG_O, false, OR_O },
        { TAG_NUMERIC_ID, false, OR_NUMERIC_ID },
    };
    struct ber_cursor in = ber_inside(c, v);
    struct ber_value m;
    int rc = 0, taken;

    for (taken = ber_take(&in, &m); taken > 0 && rc == 0; taken = ber_take(&in, &m)) {
        if (m.tag == TAG_PERSON) {
            rc = read_person(r, &in, &m, OR_PRINTABLE);
        } else if (m.tag == TAG_UNITS) {
            rc = read_units(r, &in, &m, OR_PRINTABLE);
        }
        for (size_t i = 0; i < ARRAY_LEN(members) && rc == 0; i++) {
            if (m.tag == members[i].tag) {
                rc = members[i].choice ? read_choice(r, &in, &m, members[i].which)
                                       : read_value(r, &m, members[i].which, OR_PRINTABLE);
            }
        }
    }
    return rc == 0 && taken < 0 ? bad_ber(r, &in) : rc;
}

static int
read_extension(const struct reading *r, const struct ber_cursor *c, const struct ber_value *v)
{
    struct ber_cursor in = ber_inside(c, v), inner;
    struct ber_value type, explicit, m;
    uint64_t number;

    if (!v->constructed || ber_take_tag(&in, BER_CONTEXT(0), &type) <= 0 ||
        ber_take_tag(&in, BER_CONTEXT(1), &explicit) <= 0 || !explicit.constructed) {
        return or_bad(r->error, BH_ESYNTAX, "O/R address: an extension without type and value");
    }
    inner = ber_inside(&in, &explicit);
    if (ber_to_uint(&type, UINT32_MAX, &number) < 0 || ber_take(&inner, &m) <= 0) {
        return or_bad(r->error, BH_ESYNTAX, "O/R address: an extension without type and value");
    }
    switch (number) {
    case EXTENSION_COMMON_NAME:
        return read_value(r, &m, OR_CN, OR_PRINTABLE);
    case EXTENSION_TELETEX_COMMON_NAME:
        return read_value(r, &m, OR_CN, OR_TELETEX);
    case EXTENSION_TELETEX_ORGANIZATION:
        return read_value(r, &m, OR_O, OR_TELETEX);
    case EXTENSION_TELETEX_PERSONAL_NAME:
        return read_person(r, &inner, &m, OR_TELETEX);
    case EXTENSION_TELETEX_UNITS:
        return read_units(r, &inner, &m, OR_TELETEX);
    case EXTENSION_TELETEX_DDAS:
        return read_ddas(r, &inner, &m, OR_TELETEX);
    default:
        return 0;
    }
}

static int
read_members(const struct reading *r, const struct ber_cursor *c, const struct ber_value *v)
{
    struct ber_cursor in = ber_inside(c, v), extensions;
    struct ber_value m, extension;
    int rc, taken = ber_take_tag(&in, BER_UNIVERSAL(BER_SEQUENCE), &m);

    if (taken <= 0) {
        return taken < 0 ? bad_ber(r, &in)
                         : or_bad(r->error, BH_ESYNTAX, "O/R address: no standard attributes");
    }
    rc = read_standard(r, &in, &m);
    if (rc == 0) {
        taken = ber_take_tag(&in, BER_UNIVERSAL(BER_SEQUENCE), &m);
        rc = taken > 0 ? read_ddas(r, &in, &m, OR_PRINTABLE) : taken < 0 ? bad_ber(r, &in) : 0;
    }
    if (rc == 0) {
        taken = ber_take_tag(&in, BER_UNIVERSAL(BER_SET), &m);
        if (taken <= 0) {
            return taken < 0 ? bad_ber(r, &in) : 0;
        }
        extensions = ber_inside(&in, &m);
        for (taken = ber_take(&extensions, &extension); taken > 0 && rc == 0;
             taken = ber_take(&extensions, &extension)) {
            rc = read_extension(r, &extensions, &extension);
        }
        rc = rc == 0 && taken < 0 ? bad_ber(r, &extensions) : rc;
    }
    return rc;
}

int
or_address_read(struct slice octets, struct or_address *out, struct or_error *error)
{
    struct or_address a;
    struct reading r = { &a, error };
    struct ber_cursor c;
    struct ber_value v;
    int rc;

    or_address_init(&a);
    ber_cursor_init(&c, octets);
    rc = ber_take(&c, &v);
    if (rc < 0) {
        return bad_ber(&r, &c);
    }
    if (rc == 0 || !v.constructed) {
        return or_bad(error, BH_ESYNTAX, "O/R address: missing");
    }
    rc = read_members(&r, &c, &v);
    if (rc == 0) {
        memcpy(out, &a, offsetof(struct or_address, store) + a.store_n);
    }
    return rc;
}

/* ---- writing */

static void
write_choice(struct ber_writer *w, const struct or_address *a, ber_tag tag, enum or_attribute which)
{
    struct slice s = or_address_value(a, which, OR_PRINTABLE);
    bool numeric = which == OR_C && s.n == 3;

    if (s.n > 0) {
        ber_write_begin(w, tag);
        ber_write_bytes(w, BER_UNIVERSAL(numeric ? BER_NUMERIC_STRING : BER_PRINTABLE_STRING), s);
        ber_write_end(w);
    }
}

static void
write_string(struct ber_writer *w, const struct or_address *a, ber_tag tag, enum or_attribute which)
{
    struct slice s = or_address_value(a, which, OR_PRINTABLE);

    if (s.n > 0) {
        ber_write_bytes(w, tag, s);
    }
}

static ber_tag
string_tag(enum or_form form)
{
    return BER_UNIVERSAL(form == OR_TELETEX ? BER_T61_STRING : BER_PRINTABLE_STRING);
}

/* Without a surname there is no PersonalName. */
static void
write_person(struct ber_writer *w, const struct or_address *a, ber_tag tag, enum or_form form)
{
    ber_write_begin(w, tag);
    for (unsigned i = 0; i < ARRAY_LEN(person); i++) {
        struct slice s = or_address_value(a, person[i], form);

        if (s.n > 0) {
            ber_write_bytes(w, BER_CONTEXT(i), s);
        }
    }
    ber_write_end(w);
}

static void
write_units(struct ber_writer *w, const struct or_address *a, ber_tag tag, enum or_form form)
{
    ber_write_begin(w, tag);
    for (enum or_attribute u = OR_OU1; u <= OR_OU4; u++) {
        struct slice s = or_address_value(a, u, form);

        if (s.n == 0) {
            break;
        }
        ber_write_bytes(w, string_tag(form), s);
    }
    ber_write_end(w);
}

static bool
has_ddas(const struct or_address *a, enum or_form form)
{
    for (enum or_attribute d = OR_DDA1; d <= OR_DDA4; d++) {
        if (or_address_value(a, d, form).n > 0) {
            return true;
        }
    }
    return false;
}

static void
write_ddas(struct ber_writer *w, const struct or_address *a, enum or_form form)
{
    ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
    for (enum or_attribute d = OR_DDA1; d <= OR_DDA4; d++) {
        struct slice s = or_address_value(a, d, form);

        if (s.n > 0) {
            ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
            ber_write_bytes(w, string_tag(form), or_address_dda_type(a, d));
            ber_write_bytes(w, string_tag(form), s);
            ber_write_end(w);
        }
    }
    ber_write_end(w);
}

static void
write_standard(struct ber_writer *w, const struct or_address *a)
{
    ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
    write_choice(w, a, TAG_COUNTRY, OR_C);
    write_choice(w, a, TAG_ADMD, OR_A);
    write_string(w, a, TAG_X121, OR_X121);
    write_string(w, a, TAG_TERMINAL, OR_TERMINAL_ID);
    write_choice(w, a, TAG_PRMD, OR_P);
    write_string(w, a, TAG_O, OR_O);
    write_string(w, a, TAG_NUMERIC_ID, OR_NUMERIC_ID);
    if (or_address_value(a, OR_S, OR_PRINTABLE).n > 0) {
        write_person(w, a, TAG_PERSON, OR_PRINTABLE);
    }
    if (or_address_value(a, OR_OU1, OR_PRINTABLE).n > 0) {
        write_units(w, a, TAG_UNITS, OR_PRINTABLE);
    }
    ber_write_end(w);
}

static void
write_extension(struct ber_writer *w, const struct or_address *a, enum extension number)
{
    static const struct {
        enum or_attribute which;
        enum or_form form;
    } of[] = {
        [EXTENSION_COMMON_NAME] = { OR_CN, OR_PRINTABLE },
        [EXTENSION_TELETEX_COMMON_NAME] = { OR_CN, OR_TELETEX },
        [EXTENSION_TELETEX_ORGANIZATION] = { OR_O, OR_TELETEX },
        [EXTENSION_TELETEX_PERSONAL_NAME] = { OR_S, OR_TELETEX },
        [EXTENSION_TELETEX_UNITS] = { OR_OU1, OR_TELETEX },
        [EXTENSION_TELETEX_DDAS] = { OR_DDA1, OR_TELETEX },
    };
    struct slice s = or_address_value(a, of[number].which, of[number].form);

    if (number == EXTENSION_TELETEX_DDAS ? !has_ddas(a, OR_TELETEX) : s.n == 0) {
        return;
    }
    ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
    ber_write_int(w, BER_CONTEXT(0), number);
    ber_write_begin(w, BER_CONTEXT(1));
    if (number == EXTENSION_TELETEX_PERSONAL_NAME) {
        write_person(w, a, BER_UNIVERSAL(BER_SET), OR_TELETEX);
    } else if (number == EXTENSION_TELETEX_UNITS) {
        write_units(w, a, BER_UNIVERSAL(BER_SEQUENCE), OR_TELETEX);
    } else if (number == EXTENSION_TELETEX_DDAS) {
        write_ddas(w, a, OR_TELETEX);
    } else {
        ber_write_bytes(w, string_tag(of[number].form), s);
    }
    ber_write_end(w);
    ber_write_end(w);
}

static bool
has_extensions(const struct or_address *a)
{
    return or_is_there(a, OR_CN) || or_address_value(a, OR_O, OR_TELETEX).n > 0 ||
           or_address_value(a, OR_S, OR_TELETEX).n > 0 ||
           or_address_value(a, OR_OU1, OR_TELETEX).n > 0 || has_ddas(a, OR_TELETEX);
}

int
or_address_write(const struct or_address *a, ber_tag tag, struct buf *out)
{
    struct ber_writer w;

    ber_writer_init(&w, out);
    ber_write_begin(&w, tag);
    write_standard(&w, a);
    if (has_ddas(a, OR_PRINTABLE)) {
        write_ddas(&w, a, OR_PRINTABLE);
    }
    if (has_extensions(a)) {
        ber_write_begin(&w, BER_UNIVERSAL(BER_SET));
        for (enum extension n = EXTENSION_COMMON_NAME; n <= EXTENSION_TELETEX_DDAS; n++) {
            write_extension(&w, a, n);
        }
        ber_write_end(&w);
    }
    ber_write_end(&w);
    return ber_write_finish(&w);
}
