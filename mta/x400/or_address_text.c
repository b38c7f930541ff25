#include "x400/or_address.h"
#include "x400/or_address_table.h"

/* Raw octets of one value, labels and escapes included: {233} is five for one. */
#define PIECE_BYTES_MAX 1024

struct piece {
    char bytes[PIECE_BYTES_MAX];
    size_t n;
};

/* ---- reading */

struct parser {
    struct or_address *out;
    struct or_error *error;
    bool pattern;
};

static const struct {
    struct slice label;
    enum or_attribute which;
} labels[] = {
    { SLICE_LIT("C"), OR_C },
    { SLICE_LIT("A"), OR_A },
    { SLICE_LIT("ADMD"), OR_A },
    { SLICE_LIT("P"), OR_P },
    { SLICE_LIT("PRMD"), OR_P },
    { SLICE_LIT("X.121"), OR_X121 },
    { SLICE_LIT("X121"), OR_X121 },
    { SLICE_LIT("T-ID"), OR_TERMINAL_ID },
    { SLICE_LIT("O"), OR_O },
    { SLICE_LIT("OU"), OR_OU1 },
    { SLICE_LIT("OU1"), OR_OU1 },
    { SLICE_LIT("OU2"), OR_OU2 },
    { SLICE_LIT("OU3"), OR_OU3 },
    { SLICE_LIT("OU4"), OR_OU4 },
    { SLICE_LIT("N-ID"), OR_NUMERIC_ID },
    { SLICE_LIT("UA-ID"), OR_NUMERIC_ID },
    { SLICE_LIT("CN"), OR_CN },
    { SLICE_LIT("S"), OR_S },
    { SLICE_LIT("G"), OR_G },
    { SLICE_LIT("I"), OR_I },
    { SLICE_LIT("Q"), OR_Q },
    { SLICE_LIT("GQ"), OR_Q },
};

/* Position of the first c that "$" does not take the meaning from; s.n: none. "$" is in no
 * PrintableString, so it can mean the same in both forms of the text. */
static size_t
find_plain(struct slice s, char c)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '$') {
            i++;
        } else if (s.p[i] == c) {
            return i;
        }
    }
    return s.n;
}

static int
add(const struct parser *p, struct piece *out, char c, const char *label)
{
    if (out->n == sizeof(out->bytes)) {
        return or_bad(p->error, BH_ETOOBIG, "%s: more than %d octets", label, PIECE_BYTES_MAX);
    }
    out->bytes[out->n++] = c;
    return 0;
}

static int
unescape(const struct parser *p, struct slice raw, struct piece *out, const char *label)
{
    int rc = 0;

    for (size_t i = 0; i < raw.n && rc == 0; i++) {
        if (raw.p[i] == '$' && ++i == raw.n) {
            return or_bad(p->error, BH_ESYNTAX, "%s: nothing behind the last '$'", label);
        }
        rc = add(p, out, raw.p[i], label);
    }
    return rc;
}

/* {233} or {233002}: octets in three decimal digits each. */
static int
unescape_octets(const struct parser *p, struct slice digits, struct piece *out, const char *label)
{
    int rc = 0;

    if (digits.n == 0 || digits.n % 3 != 0) {
        return or_bad(p->error, BH_ESYNTAX, "%s: write {ddd}, three digits for an octet", label);
    }
    for (; digits.n > 0 && rc == 0; digits = slice_skip(digits, 3)) {
        uint64_t octet;

        if (slice_u64(slice_sub(digits, 0, 3), UINT8_MAX, &octet) < 0) {
            return or_bad(p->error, BH_ESYNTAX, "%s: {ddd} has to be 000 to 255", label);
        }
        rc = add(p, out, (char)(unsigned char)octet, label);
    }
    return rc;
}

static int
unescape_teletex(const struct parser *p, struct slice raw, struct piece *out, const char *label)
{
    int rc = 0;

    while (raw.n > 0 && rc == 0) {
        size_t plain = slice_find(raw, '{'), close;

        rc = unescape(p, slice_sub(raw, 0, plain), out, label);
        raw = slice_skip(raw, plain);
        if (rc == 0 && raw.n > 0) {
            close = slice_find(raw, '}');
            if (close == raw.n) {
                return or_bad(p->error, BH_ESYNTAX, "%s: '{' without '}'", label);
            }
            rc = unescape_octets(p, slice_sub(raw, 1, close - 1), out, label);
            raw = slice_skip(raw, close + 1);
        }
    }
    return rc;
}

/* printable, printable*teletex, *teletex; of a pattern also beginning*. */
static int
read_value(const struct parser *p, enum or_attribute which, struct slice type, struct slice raw)
{
    struct or_setting s = { .which = which, .form = OR_PRINTABLE, .type = type };
    const char *label = or_rules[which].label;
    size_t star = find_plain(raw, '*');
    struct piece piece = { .n = 0 };
    int rc = unescape(p, slice_sub(raw, 0, star), &piece, label);

    if (rc < 0) {
        return rc;
    }
    s.value = (struct slice){ piece.bytes, piece.n };
    s.prefix = slice_trim(slice_skip(raw, star)).n == 1;
    if (s.prefix && !p->pattern) {
        return or_bad(p->error, BH_ESYNTAX, "%s: nothing behind '*'", label);
    }
    if (star == raw.n || star > 0 || s.prefix) {
        rc = or_set(p->out, &s, p->error);
    }
    if (rc < 0 || star == raw.n || s.prefix) {
        return rc;
    }
    piece.n = 0;
    rc = unescape_teletex(p, slice_skip(raw, star + 1), &piece, label);
    if (rc == 0) {
        s.form = OR_TELETEX;
        s.value = (struct slice){ piece.bytes, piece.n };
        rc = or_set(p->out, &s, p->error);
    }
    return rc;
}

static int
read_dda(const struct parser *p, struct slice type, struct slice value)
{
    struct piece piece = { .n = 0 };
    int rc = unescape(p, type, &piece, "DDA");

    for (enum or_attribute w = OR_DDA1; rc == 0 && w <= OR_DDA4; w++) {
        if (!or_is_there(p->out, w)) {
            return read_value(p, w, (struct slice){ piece.bytes, piece.n }, value);
        }
    }
    return rc < 0 ? rc
                  : or_bad(p->error, BH_ETOOBIG, "DDA: more than %d of them", OR_ADDRESS_DDAS_MAX);
}

static int
read_pair(const struct parser *p, struct slice text)
{
    size_t equals = find_plain(text, '=');
    struct slice label = slice_trim(slice_sub(text, 0, equals));
    struct slice value = slice_skip(text, equals + 1);

    if (equals == text.n) {
        return or_bad(
            p->error, BH_ESYNTAX, "\"%.*s\": no label=value", (int)MIN(text.n, (size_t)40), text.p);
    }
    if (slice_istarts(label, SLICE_LIT("DDA:"))) {
        return read_dda(p, slice_skip(label, 4), value);
    }
    if (slice_istarts(label, SLICE_LIT("DD."))) {
        return read_dda(p, slice_skip(label, 3), value);
    }
    if (slice_ieq(label, SLICE_LIT("RFC-822"))) {
        return read_dda(p, label, value);
    }
    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        if (slice_ieq(labels[i].label, label)) {
            return read_value(p, labels[i].which, SLICE_NONE, value);
        }
    }
    return or_bad(p->error, BH_ESYNTAX,
        "%.*s: no such attribute; there are C A P X.121 T-ID O OU1 to OU4 N-ID CN S G I Q and "
        "DDA:type",
        (int)MIN(label.n, (size_t)40), label.p);
}

static int
parse(struct slice text, bool pattern, struct or_address *out, struct or_error *error)
{
    struct parser p = { .error = error, .pattern = pattern };
    struct or_address a;
    char separator = ';';
    int rc = 0;

    or_address_init(&a);
    p.out = &a;
    if (text.n > OR_ADDRESS_TEXT_BYTES_MAX) {
        return or_bad(error, BH_ETOOBIG, "O/R address: %zu octets; the limit is %d", text.n,
            OR_ADDRESS_TEXT_BYTES_MAX);
    }
    while (text.n > 0 && text.p[0] == ' ') {
        text = slice_skip(text, 1);
    }
    if (text.n > 0 && text.p[0] == '/') {
        separator = '/';
        text = slice_skip(text, 1);
    }
    if (text.n == 0 && !pattern) {
        return or_bad(error, BH_ESYNTAX, "O/R address: empty");
    }
    while (text.n > 0 && rc == 0) {
        size_t end = find_plain(text, separator);

        rc = read_pair(&p, slice_sub(text, 0, end));
        text = slice_skip(text, end + 1);
        /* One separator may stand at the end, and blanks behind it. */
        if (slice_trim(text).n == 0) {
            break;
        }
    }
    if (rc == 0) {
        *out = a;
    }
    return rc;
}

int
or_address_parse(struct slice text, struct or_address *out, struct or_error *error)
{
    return parse(text, false, out, error);
}

int
or_address_parse_pattern(struct slice text, struct or_address *out, struct or_error *error)
{
    if (slice_eq(slice_trim(text), SLICE_LIT("*"))) {
        text = SLICE_NONE;
    }
    return parse(text, true, out, error);
}

/* ---- writing */

struct writer {
    char *out;
    size_t cap, n; /* n counts on where out is full */
    bool slash;
};

static void
write_octet(struct writer *w, char c)
{
    if (w->n < w->cap) {
        w->out[w->n] = c;
    }
    w->n++;
}

static void
write_printable(struct writer *w, struct slice s, bool equals)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((s.p[i] == '=' && equals) || (s.p[i] == '/' && w->slash)) {
            write_octet(w, '$');
        }
        write_octet(w, s.p[i]);
    }
}

static void
write_teletex(struct writer *w, struct slice s)
{
    bool braces = false;

    for (size_t i = 0; i < s.n; i++) {
        unsigned octet = (unsigned char)s.p[i];
        bool plain = or_is_printable(s.p[i]) && strchr("/=", s.p[i]) == NULL;

        if (plain == braces) {
            write_octet(w, plain ? '}' : '{');
            braces = !plain;
        }
        if (plain) {
            write_octet(w, s.p[i]);
        } else {
            write_octet(w, (char)('0' + octet / 100));
            write_octet(w, (char)('0' + octet / 10 % 10));
            write_octet(w, (char)('0' + octet % 10));
        }
    }
    if (braces) {
        write_octet(w, '}');
    }
}

static void
write_attribute(struct writer *w, const struct or_address *a, enum or_attribute which)
{
    struct slice teletex = or_address_value(a, which, OR_TELETEX);

    for (const char *p = or_rules[which].label; *p != '\0'; p++) {
        write_octet(w, *p);
    }
    if (or_is_dda(which)) {
        write_octet(w, ':');
        write_printable(w, or_address_dda_type(a, which), true);
    }
    write_octet(w, '=');
    write_printable(w, or_address_value(a, which, OR_PRINTABLE), w->slash);
    if (teletex.n > 0 || (a->prefix & (UINT32_C(1) << which)) != 0) {
        write_octet(w, '*');
    }
    write_teletex(w, teletex);
}

int
or_address_text(const struct or_address *a, enum or_text form, char *out, size_t cap)
{
    static const enum or_attribute personal_first[OR_ATTRIBUTE_COUNT] = { OR_G, OR_I, OR_S, OR_Q,
        OR_CN, OR_X121, OR_NUMERIC_ID, OR_TERMINAL_ID, OR_DDA1, OR_DDA2, OR_DDA3, OR_DDA4, OR_O,
        OR_OU1, OR_OU2, OR_OU3, OR_OU4, OR_P, OR_A, OR_C };
    struct writer w = { .out = out, .cap = cap, .slash = form == OR_TEXT_SLASH };

    for (unsigned i = 0; i < OR_ATTRIBUTE_COUNT; i++) {
        enum or_attribute which = w.slash ? (enum or_attribute)i : personal_first[i];

        if (!or_is_there(a, which)) {
            continue;
        }
        if (w.slash || w.n > 0) {
            write_octet(&w, w.slash ? '/' : ';');
        }
        write_attribute(&w, a, which);
    }
    if (w.slash) {
        write_octet(&w, '/');
    }
    if (w.n >= cap) {
        return -ENOSPC;
    }
    out[w.n] = '\0';
    return (int)w.n;
}
