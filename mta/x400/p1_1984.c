#include "x400/p1_1984.h"
#include "x400/p1_member.h"

enum { CONTENT_P2_1984 = 2, CONTENT_P2_1988 = 22 };
static const struct slice common = SLICE_LIT("common");

/* ---- names */

/* An ORName's parts, as far as 1984 has them. */
struct name {
    struct slice standard; /* whole */
    struct slice ddas;     /* contents */
    unsigned dda_count;
    struct slice common_name; /* to be told as a DDA */
    char store[64];
};

enum { /* extension attributes: 2 to 6 teletex, 24 to 28 universal forms of the same five */
    ATTRIBUTE_COMMON_NAME = 1,
    ATTRIBUTE_TELETEX = 2,
    ATTRIBUTE_UNIVERSAL = 24,
    ATTRIBUTE_FORMS = 5
};

static bool
has(struct slice list, ber_tag tag)
{
    struct ber_value v;

    return p1_find_member(list, tag, &v);
}

/* Is there a printable form beside this teletex or universal one? form: common name, organization,
 * personal name, units, DDAs. */
static bool
printable_beside(const struct name *n, unsigned form)
{
    static const ber_tag tags[] = { 0, BER_CONTEXT(3), BER_CONTEXT(5), BER_CONTEXT(6) };
    struct ber_cursor c;
    struct ber_value v;

    if (form == 0) {
        return n->common_name.n > 0;
    }
    if (form == ATTRIBUTE_FORMS - 1) {
        return n->dda_count > 0;
    }
    ber_cursor_init(&c, n->standard);
    return ber_take(&c, &v) > 0 && has(v.body, tags[form]);
}

/* One extension attribute: SEQUENCE {[0] type, [1] EXPLICIT value}. */
static bool
read_attribute(
    const struct ber_cursor *around, const struct ber_value *v, uint64_t *type, struct ber_value *m)
{
    struct ber_cursor in = ber_inside(around, v);
    struct ber_value number, value;

    if (v->tag != BER_UNIVERSAL(BER_SEQUENCE) || !v->constructed ||
        ber_take_tag(&in, BER_CONTEXT(0), &number) <= 0 ||
        ber_to_uint(&number, UINT32_MAX, type) < 0 ||
        ber_take_tag(&in, BER_CONTEXT(1), &value) <= 0 || !value.constructed) {
        return false;
    }
    in = ber_inside(&in, &value);
    return ber_take(&in, m) > 0;
}

/* Twice: the common name first, since another form of it may stand before it. */
static bool
read_attributes(const struct ber_cursor *around, const struct ber_value *set, struct name *n)
{
    bool fits = true;

    for (unsigned pass = 0; pass < 2; pass++) {
        struct ber_cursor c = ber_inside(around, set);
        struct ber_value v, m;

        while (ber_take(&c, &v) > 0) {
            uint64_t type = 0;
            unsigned form;

            if (!read_attribute(&c, &v, &type, &m)) {
                return false;
            }
            if (type == ATTRIBUTE_COMMON_NAME) {
                fits = fits && (pass > 0 || ber_to_string(&m, n->store, sizeof(n->store),
                                                &n->common_name) == 0);
                continue;
            }
            form = (unsigned)(type - (type >= ATTRIBUTE_UNIVERSAL ? ATTRIBUTE_UNIVERSAL
                                                                  : ATTRIBUTE_TELETEX));
            if (pass > 0 && (form >= ATTRIBUTE_FORMS || !printable_beside(n, form))) {
                fits = false;
            }
        }
    }
    return fits;
}

/* False: it is not the same name without what is left out. */
static bool
read_name(struct slice whole, struct name *n)
{
    struct ber_cursor c;
    struct ber_value v, m;
    bool fits = true;

    *n = (struct name){ .dda_count = 0 };
    ber_cursor_init(&c, whole);
    if (ber_take(&c, &v) <= 0) {
        return false;
    }
    c = ber_inside(&c, &v);
    for (unsigned nth = 0; ber_take(&c, &m) > 0; nth++) {
        if (!m.constructed) {
            fits = false; /* what is in it nobody has checked */
        } else if (nth == 0) {
            n->standard = m.whole;
        } else if (m.tag == BER_UNIVERSAL(BER_SEQUENCE) && nth == 1) {
            struct ber_cursor in = ber_inside(&c, &m);
            struct ber_value dda;

            n->ddas = m.body;
            while (ber_take(&in, &dda) > 0) {
                n->dda_count++;
            }
        } else if (m.tag == BER_UNIVERSAL(BER_SET)) {
            fits = read_attributes(&c, &m, n) && fits;
        }
    }
    if (n->common_name.n > 0 && n->dda_count >= P1_1984_DDAS_MAX) {
        n->common_name = SLICE_NONE;
        fits = false;
    }
    return fits && n->standard.n > 0;
}

static void
write_name(struct ber_writer *w, ber_tag tag, struct slice whole)
{
    struct name n;

    (void)read_name(whole, &n);
    ber_write_begin(w, tag);
    if (n.standard.n > 0) {
        ber_write_raw(w, n.standard);
    } else {
        ber_write_list(w, BER_UNIVERSAL(BER_SEQUENCE), SLICE_NONE);
    }
    if (n.ddas.n > 0 || n.common_name.n > 0) {
        ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
        ber_write_raw(w, n.ddas);
        if (n.common_name.n > 0) {
            ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
            ber_write_bytes(w, BER_UNIVERSAL(BER_PRINTABLE_STRING), common);
            ber_write_bytes(w, BER_UNIVERSAL(BER_PRINTABLE_STRING), n.common_name);
            ber_write_end(w);
        }
        ber_write_end(w);
    }
    ber_write_end(w);
}

/* ---- whether it can be told */

/* Extension 4 has an indicator in 1984. */
static bool
extensions_fit(struct slice list, const char **why)
{
    struct p1_extension x;
    struct ber_cursor c;

    ber_cursor_init(&c, list);
    while (p1_extension_next(&c, &x) > 0) {
        if (x.number != P1_EXT_NO_LOSS && (x.critical & (P1_FOR_TRANSFER | P1_FOR_DELIVERY)) != 0) {
            *why = "an extension that is critical for transfer or delivery";
            return false;
        }
    }
    return true;
}

bool
p1_1984_fits(const struct p1_envelope *e, const struct p1_1984 *how, const char **why)
{
    struct p1_report r;
    struct name n;
    uint64_t at;

    if (!read_name(e->originator, &n)) {
        *why = e->kind == P1_REPORT ? "a destination with an attribute that 1984 lacks"
                                    : "an originator with an attribute that 1984 lacks";
        return false;
    }
    if (e->kind != P1_REPORT && (e->content_type == P1_CONTENT_OID ||
                                    (e->content_type == CONTENT_P2_1988 && !how->relabel))) {
        *why = "a content type that 1984 lacks";
        return false;
    }
    return extensions_fit(e->extensions, why) &&
           (e->kind != P1_REPORT || p1_report_parse(e->report_content, &r, why, &at) == 0);
}

bool
p1_1984_recipient_fits(const struct p1_recipient *r, const char **why)
{
    struct name n;

    if (!read_name(r->name, &n)) {
        *why = "a recipient with an attribute that 1984 lacks";
        return false;
    }
    return extensions_fit(r->extensions, why);
}

/* ---- members of both kinds */

static void
write_eits(struct ber_writer *w, const struct ber_value *v)
{
    struct ber_cursor c;
    struct ber_value m;
    bool by_oid = has(v->body, BER_CONTEXT(4)), told = false;

    ber_write_begin(w, v->tag);
    ber_cursor_init(&c, v->body);
    while (ber_take(&c, &m) > 0) {
        uint64_t bits = 0;
        size_t count = 0;

        if (m.tag == BER_CONTEXT(0) && ber_to_bits(&m, &bits, &count) == 0) {
            ber_write_bits(w, m.tag, bits | (by_oid ? 1 : 0), MIN(MAX(count, (size_t)1), 64));
            told = true;
        } else if (m.tag != BER_CONTEXT(4)) {
            ber_write_raw(w, m.whole);
        }
    }
    if (by_oid && !told) {
        ber_write_bits(w, BER_CONTEXT(0), 1, 1);
    }
    ber_write_end(w);
}

/* A SET in which the encoded information types are as 1984 has them and [3], other actions, is not.
 */
static void
write_actions(struct ber_writer *w, const struct ber_value *set)
{
    struct ber_cursor c;
    struct ber_value m;

    ber_write_begin(w, set->tag);
    ber_cursor_init(&c, set->body);
    while (ber_take(&c, &m) > 0) {
        if (m.tag == BER_APPLICATION(5)) {
            write_eits(w, &m);
        } else if (m.tag != BER_CONTEXT(3)) {
            ber_write_raw(w, m.whole);
        }
    }
    ber_write_end(w);
}

static void
write_trace(struct ber_writer *w, const struct ber_value *v)
{
    struct ber_cursor c;
    struct ber_value element, m;

    ber_write_begin(w, v->tag);
    ber_cursor_init(&c, v->body);
    while (ber_take(&c, &element) > 0) {
        struct ber_cursor in = ber_inside(&c, &element);

        ber_write_begin(w, element.tag);
        while (ber_take(&in, &m) > 0) {
            if (m.tag == BER_UNIVERSAL(BER_SET)) {
                write_actions(w, &m);
            } else {
                ber_write_raw(w, m.whole);
            }
        }
        ber_write_end(w);
    }
    ber_write_end(w);
}

/* ---- messages and probes */

/* Country and administration domain; 1988's private domains are a SEQUENCE in the second place. */
static void
write_bilateral(struct ber_writer *w, const struct ber_value *v)
{
    struct ber_cursor c;
    struct ber_value element, m;
    size_t some = 0;

    for (unsigned pass = 0; pass < 2 && (pass == 0 || some > 0); pass++) {
        if (pass > 0) {
            ber_write_begin(w, v->tag);
        }
        ber_cursor_init(&c, v->body);
        while (ber_take(&c, &element) > 0) {
            struct ber_cursor in = ber_inside(&c, &element);

            if (ber_take(&in, &m) > 0 && ber_take(&in, &m) > 0 && m.tag == BER_APPLICATION(2)) {
                some++;
                if (pass > 0) {
                    ber_write_raw(w, element.whole);
                }
            }
        }
        if (pass > 0) {
            ber_write_end(w);
        }
    }
}

static void
write_recipient(struct ber_writer *w, const struct p1_recipient *r, bool responsible)
{
    const uint64_t asked =
        P1_MTA_REPORT | P1_MTA_NON_DELIVERY | P1_REPORT_ASKED | P1_NON_DELIVERY_ASKED;
    struct ber_cursor c;
    struct ber_value m;

    ber_write_begin(w, BER_UNIVERSAL(BER_SET));
    ber_cursor_init(&c, r->members);
    while (ber_take(&c, &m) > 0) {
        if (m.tag == BER_APPLICATION(0)) {
            write_name(w, m.tag, m.whole);
        } else if (m.tag == BER_CONTEXT(1)) {
            ber_write_bits(
                w, m.tag, (r->indicators & asked) | (responsible ? P1_RESPONSIBLE : 0), 8);
        } else if (m.tag == BER_CONTEXT(0) || m.tag == BER_CONTEXT(2)) {
            ber_write_raw(w, m.whole);
        }
    }
    ber_write_end(w);
}

/* How many there are. */
static uint32_t
write_recipients(
    struct ber_writer *w, ber_tag tag, const struct p1_envelope *e, const uint8_t *responsible)
{
    struct p1_recipient r;
    struct ber_cursor c;
    const char *why;
    uint32_t count = 0;

    ber_write_begin(w, tag);
    ber_cursor_init(&c, e->recipients);
    for (size_t nth = 0; p1_recipient_next(&c, &r) > 0; nth++) {
        bool is = responsible != NULL ? (responsible[nth / 8] >> nth % 8 & 1) != 0
                                      : (r.indicators & P1_RESPONSIBLE) != 0;

        if (p1_1984_recipient_fits(&r, &why)) {
            write_recipient(w, &r, is);
            count++;
        }
    }
    ber_write_end(w);
    return count;
}

/* Conversion with loss prohibited, by extension. */
static uint32_t
indicators_of(const struct p1_envelope *e)
{
    uint32_t bits = e->indicators &
                    (P1_DISCLOSURE | P1_NO_CONVERSION | P1_ALTERNATE_ALLOWED | P1_RETURN_CONTENT);
    struct p1_extension x;
    struct ber_cursor c;
    struct ber_value v;
    uint64_t prohibited = 0;

    if (p1_find_extension(e->extensions, P1_EXT_NO_LOSS, &x)) {
        ber_cursor_init(&c, x.value);
        if (ber_take(&c, &v) > 0 && ber_to_uint(&v, 1, &prohibited) == 0 && prohibited == 1) {
            bits |= P1_NO_CONVERSION;
        }
    }
    return bits;
}

static void
write_member(struct ber_writer *w, const struct ber_value *v, const struct p1_envelope *e)
{
    switch (v->tag) {
    case BER_APPLICATION(0):
        write_name(w, v->tag, v->whole);
        break;
    case BER_APPLICATION(5):
        write_eits(w, v);
        break;
    case BER_APPLICATION(6):
        ber_write_int(
            w, v->tag, e->content_type == CONTENT_P2_1988 ? CONTENT_P2_1984 : e->content_type);
        break;
    case BER_APPLICATION(9):
        write_trace(w, v);
        break;
    case BER_CONTEXT(1):
        write_bilateral(w, v);
        break;
    case BER_APPLICATION(4):
    case BER_APPLICATION(7):
    case BER_APPLICATION(10):
    case BER_CONTEXT(0):
        ber_write_raw(w, v->whole);
        break;
    default:
        break;
    }
}

static int
write_transfer(struct ber_writer *w, const struct p1_envelope *e, const uint8_t *responsible)
{
    uint32_t indicators = indicators_of(e), count = 0;
    struct ber_cursor c;
    struct ber_value v;

    ber_write_begin(w, BER_CONTEXT(e->kind));
    ber_cursor_init(&c, e->members);
    while (ber_take(&c, &v) > 0) {
        if (v.tag == BER_CONTEXT(2)) {
            count = write_recipients(w, v.tag, e, responsible);
        } else {
            write_member(w, &v, e);
        }
    }
    if (indicators != 0) {
        ber_write_bits(w, BER_APPLICATION(8), indicators, 8);
    }
    ber_write_end(w);
    return count > 0 ? 0 : BH_ESYNTAX;
}

/* ---- reports */

/* The value of a report type's only member: [0] a delivery, [1] a non-delivery. */
static void
write_type(struct ber_writer *w, const struct p1_reported *r)
{
    enum { TRANSFER_FAILURE = 0, UNABLE = 1, REASON_MAX = 2, DIAGNOSTIC_MAX = 11 };

    ber_write_begin(w, BER_CONTEXT(1));
    ber_write_begin(w, BER_CONTEXT(r->delivered ? 0 : 1));
    if (r->delivered) {
        ber_write_bytes(w, BER_CONTEXT(0), p1_text_slice(&r->delivery));
        if (r->user != P1_USER_PUBLIC) {
            ber_write_int(w, BER_CONTEXT(1), P1_USER_PRIVATE);
        }
    } else {
        ber_write_int(w, BER_CONTEXT(0), r->reason > REASON_MAX ? UNABLE : r->reason);
        if (r->diagnostic <= DIAGNOSTIC_MAX) {
            ber_write_int(w, BER_CONTEXT(1), r->diagnostic);
        }
    }
    ber_write_end(w);
    ber_write_end(w);
}

static void
write_reported(struct ber_writer *w, const struct p1_reported *r)
{
    struct ber_cursor c;
    struct ber_value eits;
    struct name n;

    ber_write_begin(w, BER_UNIVERSAL(BER_SET));
    write_name(w, BER_CONTEXT(0), r->name);
    ber_write_int(w, BER_CONTEXT(1), r->number);
    ber_write_bits(w, BER_CONTEXT(2), r->indicators & 0x1f, 8);
    ber_write_begin(w, BER_CONTEXT(3));
    ber_write_bytes(w, BER_CONTEXT(0), p1_text_slice(&r->arrival));
    ber_cursor_init(&c, r->converted);
    if (ber_take(&c, &eits) > 0) {
        write_eits(w, &eits);
    }
    write_type(w, r);
    ber_write_end(w);
    if (r->intended.n > 0 && read_name(r->intended, &n)) {
        write_name(w, BER_CONTEXT(4), r->intended);
    }
    if (r->supplementary.n > 0) {
        ber_write_bytes(
            w, BER_CONTEXT(5), slice_sub(r->supplementary, 0, P1_1984_SUPPLEMENTARY_BYTES_MAX));
    }
    ber_write_end(w);
}

static void
write_report_content(struct ber_writer *w, const struct p1_envelope *e, const struct p1_report *r)
{
    struct p1_reported one;
    struct ber_cursor c;
    struct ber_value v;

    ber_write_begin(w, BER_UNIVERSAL(BER_SET));
    ber_cursor_init(&c, e->report_content);
    while (ber_take(&c, &v) > 0) {
        if (v.tag == BER_APPLICATION(9)) {
            write_trace(w, &v);
        } else if (v.tag == BER_APPLICATION(4) || v.tag == BER_APPLICATION(10) ||
                   v.tag == BER_CONTEXT(1)) {
            ber_write_raw(w, v.whole);
        }
    }
    ber_write_begin(w, BER_CONTEXT(0));
    ber_cursor_init(&c, r->recipients);
    while (p1_reported_next(&c, &one) > 0) {
        write_reported(w, &one);
    }
    ber_write_end(w);
    ber_write_end(w);
}

static int
write_report(struct ber_writer *w, const struct p1_envelope *e)
{
    struct p1_report r;
    struct ber_cursor c;
    struct ber_value v;
    const char *error;
    uint64_t at;
    int rc = p1_report_parse(e->report_content, &r, &error, &at);

    if (rc < 0) {
        return rc;
    }
    ber_write_begin(w, BER_CONTEXT(P1_REPORT));
    ber_write_begin(w, BER_UNIVERSAL(BER_SET));
    ber_cursor_init(&c, e->members);
    while (ber_take(&c, &v) > 0) {
        if (v.tag != BER_CONTEXT(1)) { /* extensions; elsewhere bilateral information */
            write_member(w, &v, e);
        }
    }
    ber_write_end(w);
    write_report_content(w, e, &r);
    ber_write_end(w);
    return 0;
}

int
p1_1984_write(struct buf *out, const struct p1_envelope *e, const struct p1_1984 *how,
    const uint8_t *responsible)
{
    struct ber_writer w;
    const char *why;
    int rc, finished;

    if (!p1_1984_fits(e, how, &why)) {
        return BH_ESYNTAX;
    }
    ber_writer_init(&w, out);
    rc = e->kind == P1_REPORT ? write_report(&w, e) : write_transfer(&w, e, responsible);
    finished = ber_write_finish(&w);
    return finished < 0 ? finished : rc;
}
