#include "x400/or_address.h"
#include "x400/or_address_table.h"
#include <stdarg.h>
#include <stdio.h>

/* ---- attributes */

#define TELETEX true
const struct or_attribute_rule or_rules[OR_ATTRIBUTE_COUNT] = {
    [OR_C] = { "C", 3, OR_CHARS_COUNTRY, !TELETEX },
    [OR_A] = { "A", 16, OR_CHARS_PRINTABLE, !TELETEX },
    [OR_P] = { "P", 16, OR_CHARS_PRINTABLE, !TELETEX },
    [OR_X121] = { "X.121", 15, OR_CHARS_NUMERIC, !TELETEX },
    [OR_TERMINAL_ID] = { "T-ID", 24, OR_CHARS_PRINTABLE, !TELETEX },
    [OR_O] = { "O", 64, OR_CHARS_PRINTABLE, TELETEX },
    [OR_OU1] = { "OU1", 32, OR_CHARS_PRINTABLE, TELETEX },
    [OR_OU2] = { "OU2", 32, OR_CHARS_PRINTABLE, TELETEX },
    [OR_OU3] = { "OU3", 32, OR_CHARS_PRINTABLE, TELETEX },
    [OR_OU4] = { "OU4", 32, OR_CHARS_PRINTABLE, TELETEX },
    [OR_NUMERIC_ID] = { "N-ID", 32, OR_CHARS_NUMERIC, !TELETEX },
    [OR_CN] = { "CN", 64, OR_CHARS_PRINTABLE, TELETEX },
    [OR_S] = { "S", 40, OR_CHARS_PRINTABLE, TELETEX },
    [OR_G] = { "G", 16, OR_CHARS_PRINTABLE, TELETEX },
    [OR_I] = { "I", 5, OR_CHARS_PRINTABLE, TELETEX },
    [OR_Q] = { "Q", 3, OR_CHARS_PRINTABLE, TELETEX },
    [OR_DDA1] = { "DDA", OR_DDA_VALUE_BYTES_MAX, OR_CHARS_PRINTABLE, TELETEX },
    [OR_DDA2] = { "DDA", OR_DDA_VALUE_BYTES_MAX, OR_CHARS_PRINTABLE, TELETEX },
    [OR_DDA3] = { "DDA", OR_DDA_VALUE_BYTES_MAX, OR_CHARS_PRINTABLE, TELETEX },
    [OR_DDA4] = { "DDA", OR_DDA_VALUE_BYTES_MAX, OR_CHARS_PRINTABLE, TELETEX },
};

int
or_bad(struct or_error *error, int rc, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(error->text, sizeof(error->text), fmt, args);
    va_end(args);
    for (char *p = error->text; *p != '\0'; p++) {
        *p = *p < ' ' || *p > '~' ? '?' : *p;
    }
    return rc;
}

bool
or_is_dda(enum or_attribute which)
{
    return which >= OR_DDA1;
}

static bool
is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool
or_is_printable(char c)
{
    if (is_letter(c) || is_digit(c)) {
        return true;
    }
    switch (c) {
    case ' ':
    case '\'':
    case '(':
    case ')':
    case '+':
    case ',':
    case '-':
    case '.':
    case '/':
    case ':':
    case '=':
    case '?':
        return true;
    default:
        return false;
    }
}

/* Only the country's number of characters is fixed: two letters or three digits. */
static int
check_country(struct slice value, struct or_error *error)
{
    bool letters = value.n == 2 && is_letter(value.p[0]) && is_letter(value.p[1]);
    bool digits =
        value.n == 3 && is_digit(value.p[0]) && is_digit(value.p[1]) && is_digit(value.p[2]);

    return letters || digits ? 0
                             : or_bad(error, BH_ESYNTAX,
                                   "C: write two letters (ISO 3166, or XX) or three digits");
}

static int
check_characters(
    const char *label, enum or_characters allowed, struct slice value, struct or_error *error)
{
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];

        if (allowed == OR_CHARS_NUMERIC && !is_digit(c) && c != ' ') {
            return or_bad(error, BH_ESYNTAX, "%s: only digits and blanks are allowed", label);
        }
        if (!or_is_printable(c)) {
            return c == '@'
                       ? or_bad(
                             error, BH_ESYNTAX, "%s: no '@' in PrintableString; write (a)", label)
                       : or_bad(error, BH_ESYNTAX, "%s: '%c' (octet %u) is not in PrintableString",
                             label, c, (unsigned)(unsigned char)c);
        }
    }
    return 0;
}

static int
check_value(enum or_attribute which, enum or_form form, struct slice value, bool prefix,
    struct or_error *error)
{
    const struct or_attribute_rule *rule = &or_rules[which];

    if (value.n == 0 && !prefix) {
        return which == OR_A ? or_bad(error, BH_ESYNTAX, "A: empty; any ADMD is one blank")
                             : or_bad(error, BH_ESYNTAX, "%s: empty", rule->label);
    }
    if (form == OR_TELETEX) {
        if (!rule->teletex) {
            return or_bad(error, BH_ESYNTAX, "%s: has no teletex form", rule->label);
        }
    } else if (which == OR_C && !prefix) {
        return check_country(value, error);
    } else if (which == OR_C && value.n > 0) {
        return or_bad(error, BH_ESYNTAX, "C: no beginning of a country: write all of it, or *");
    }
    if (value.n > rule->bytes_max) {
        return or_bad(error, BH_ETOOBIG, "%s: %zu octets; the limit is %u", rule->label, value.n,
            rule->bytes_max);
    }
    return form == OR_TELETEX ? 0 : check_characters(rule->label, rule->characters, value, error);
}

static struct slice
trim_blanks(struct slice s)
{
    while (s.n > 0 && s.p[0] == ' ') {
        s = slice_skip(s, 1);
    }
    while (s.n > 0 && s.p[s.n - 1] == ' ') {
        s.n--;
    }
    return s;
}

/* ---- values */

void
or_address_init(struct or_address *a)
{
    memset(a, 0, offsetof(struct or_address, store)); /* 32,767 of them come in an envelope */
}

static struct slice
stored(const struct or_address *a, struct or_value v)
{
    return (struct slice){ a->store + v.at, v.bytes };
}

struct slice
or_address_value(const struct or_address *a, enum or_attribute which, enum or_form form)
{
    return stored(a, a->value[which][form]);
}

struct slice
or_address_dda_type(const struct or_address *a, enum or_attribute which)
{
    return or_is_dda(which) ? stored(a, a->dda_type[which - OR_DDA1]) : SLICE_NONE;
}

bool
or_is_there(const struct or_address *a, enum or_attribute which)
{
    return (a->there & (UINT32_C(1) << which)) != 0;
}

static struct or_value
put(struct or_address *a, struct slice s)
{
    struct or_value v = { a->store_n, (uint16_t)s.n };

    /* The bounds of all values together fit: see OR_ADDRESS_STORE_BYTES and its test. */
    CHECK(s.n <= sizeof(a->store) - a->store_n);
    if (s.n > 0) {
        memcpy(a->store + a->store_n, s.p, s.n);
    }
    a->store_n = (uint16_t)(a->store_n + s.n);
    return v;
}

static int
set_type(struct or_address *a, enum or_attribute which, struct slice type, struct or_error *error)
{
    struct or_value *v = &a->dda_type[which - OR_DDA1];
    int rc;

    type = trim_blanks(type);
    if (v->bytes > 0) {
        return slice_ieq(stored(a, *v), type)
                   ? 0
                   : or_bad(error, BH_ESYNTAX, "DDA: two types for one value");
    }
    if (type.n == 0) {
        return or_bad(error, BH_ESYNTAX, "DDA: without a type; write DDA:type=value");
    }
    if (type.n > OR_DDA_TYPE_BYTES_MAX) {
        return or_bad(error, BH_ETOOBIG, "DDA: a type of %zu octets; the limit is %d", type.n,
            OR_DDA_TYPE_BYTES_MAX);
    }
    rc = check_characters("DDA", OR_CHARS_PRINTABLE, type, error);
    if (rc == 0) {
        *v = put(a, type);
    }
    return rc;
}

int
or_set(struct or_address *a, const struct or_setting *s, struct or_error *error)
{
    struct slice value = trim_blanks(s->value);
    int rc;

    CHECK(s->which < OR_ATTRIBUTE_COUNT && s->form < OR_FORM_COUNT);
    if (s->which == OR_A && value.n == 0 && s->value.n > 0 && !s->prefix) {
        value = SLICE_LIT(" ");
    }
    if (a->value[s->which][s->form].bytes > 0 || (a->prefix & (UINT32_C(1) << s->which)) != 0 ||
        (s->prefix && or_is_there(a, s->which))) {
        return or_bad(error, BH_ESYNTAX, "%s: given twice", or_rules[s->which].label);
    }
    rc = check_value(s->which, s->form, value, s->prefix, error);
    if (rc == 0 && or_is_dda(s->which)) {
        rc = set_type(a, s->which, s->type, error);
    }
    if (rc < 0) {
        return rc;
    }
    a->value[s->which][s->form] = put(a, value);
    a->there |= UINT32_C(1) << s->which;
    if (s->prefix) {
        a->prefix |= UINT32_C(1) << s->which;
    }
    return 0;
}

int
or_address_set(struct or_address *a, enum or_attribute which, enum or_form form, struct slice type,
    struct slice value, struct or_error *error)
{
    struct or_setting s = { .which = which, .form = form, .type = type, .value = value };

    return or_set(a, &s, error);
}

/* The next character that counts, or -1 at the end: lower case, runs of blanks as one. */
static int
next_character(struct slice *s)
{
    char c;

    if (s->n == 0) {
        return -1;
    }
    c = s->p[0];
    *s = slice_skip(*s, 1);
    while (c == ' ' && s->n > 0 && s->p[0] == ' ') {
        *s = slice_skip(*s, 1);
    }
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

/* Does a begin with b (prefix), or equal it? */
static bool
same(struct slice a, struct slice b, bool prefix)
{
    for (;;) {
        int x = next_character(&a), y = next_character(&b);

        if (y < 0) {
            return prefix || x < 0;
        }
        if (x != y) {
            return false;
        }
    }
}

/* ---- is it one? */

static bool
names_somebody(const struct or_address *a)
{
    for (enum or_attribute w = OR_P; w < OR_ATTRIBUTE_COUNT; w++) {
        if (or_is_there(a, w)) {
            return true;
        }
    }
    return false;
}

/* X.411 has printable and teletex DDAs in two lists: with some of a type in one form and some in
 * the other, nobody knows which belong together. */
static bool
ddas_pair(const struct or_address *a)
{
    for (enum or_attribute x = OR_DDA1; x <= OR_DDA4; x++) {
        for (enum or_attribute y = OR_DDA1; y < x; y++) {
            bool same_forms =
                (a->value[x][OR_PRINTABLE].bytes > 0) == (a->value[y][OR_PRINTABLE].bytes > 0) &&
                (a->value[x][OR_TELETEX].bytes > 0) == (a->value[y][OR_TELETEX].bytes > 0);

            if (or_is_there(a, x) && or_is_there(a, y) && !same_forms &&
                same(or_address_dda_type(a, x), or_address_dda_type(a, y), false)) {
                return false;
            }
        }
    }
    return true;
}

int
or_address_check(const struct or_address *a, struct or_error *error)
{
    /* PersonalName's surname is not optional; a SEQUENCE OF units has no gaps; in either form. */
    static const struct {
        enum or_attribute given, needs;
    } rules[] = {
        { OR_G, OR_S },
        { OR_I, OR_S },
        { OR_Q, OR_S },
        { OR_OU2, OR_OU1 },
        { OR_OU3, OR_OU2 },
        { OR_OU4, OR_OU3 },
    };

    if (!or_is_there(a, OR_C)) {
        return or_bad(error, BH_ESYNTAX, "C: missing");
    }
    /* A terminal may be addressed by its network address alone. */
    if (!or_is_there(a, OR_A) && !or_is_there(a, OR_X121)) {
        return or_bad(error, BH_ESYNTAX, "A: missing; any ADMD is one blank");
    }
    for (size_t i = 0; i < ARRAY_LEN(rules) * OR_FORM_COUNT; i++) {
        enum or_attribute given = rules[i / OR_FORM_COUNT].given;
        enum or_attribute needs = rules[i / OR_FORM_COUNT].needs;
        enum or_form form = i % OR_FORM_COUNT == 0 ? OR_PRINTABLE : OR_TELETEX;

        if (a->value[given][form].bytes > 0 && a->value[needs][form].bytes == 0) {
            return or_bad(error, BH_ESYNTAX, "%s: missing, and %s is given%s",
                or_rules[needs].label, or_rules[given].label,
                form == OR_TELETEX ? " in teletex form" : "");
        }
    }
    if (!ddas_pair(a)) {
        return or_bad(error, BH_ESYNTAX,
            "DDA: of two with one type one has a teletex form, one has not, or no other");
    }
    return names_somebody(a)
               ? 0
               : or_bad(error, BH_ESYNTAX, "P: missing, and all others too: it names nobody");
}

/* ---- compare */

static struct slice
counting(const struct or_address *a, enum or_attribute which)
{
    return or_address_value(
        a, which, a->value[which][OR_PRINTABLE].bytes > 0 ? OR_PRINTABLE : OR_TELETEX);
}

static bool
same_value(const struct or_address *a, enum or_attribute x, const struct or_address *pattern,
    enum or_attribute y)
{
    return or_is_there(a, x) &&
           same(counting(a, x), counting(pattern, y), (pattern->prefix & (UINT32_C(1) << y)) != 0);
}

/* The value of this type that is as far behind the first one as y is in the pattern. */
static bool
same_dda(const struct or_address *a, const struct or_address *pattern, enum or_attribute y)
{
    struct slice type = or_address_dda_type(pattern, y);
    unsigned nth = 0;

    for (enum or_attribute w = OR_DDA1; w < y; w++) {
        nth += or_is_there(pattern, w) && same(or_address_dda_type(pattern, w), type, false);
    }
    for (enum or_attribute w = OR_DDA1; w <= OR_DDA4; w++) {
        if (or_is_there(a, w) && same(or_address_dda_type(a, w), type, false) && nth-- == 0) {
            return same_value(a, w, pattern, y);
        }
    }
    return false;
}

bool
or_address_match(const struct or_address *a, const struct or_address *pattern)
{
    uint32_t rest = pattern->there;

    /* From the end: where many patterns share country and domain, a unit tells them apart. */
    while (rest != 0) {
        enum or_attribute w = (enum or_attribute)(31 - __builtin_clz(rest));

        rest &= ~(UINT32_C(1) << w);
        if (!(or_is_dda(w) ? same_dda(a, pattern, w) : same_value(a, w, pattern, w))) {
            return false;
        }
    }
    return true;
}

bool
or_address_equal(const struct or_address *a, const struct or_address *b)
{
    /* Where a matches b's prefixes it might be longer; then b does not match a's. */
    return __builtin_popcount(a->there) == __builtin_popcount(b->there) && or_address_match(a, b) &&
           or_address_match(b, a) && a->prefix == b->prefix;
}

/* FNV-1a over what counts. */
static uint32_t
hash_of(struct slice s, uint32_t hash)
{
    for (int c = next_character(&s); c >= 0; c = next_character(&s)) {
        hash = (hash ^ (uint32_t)c) * UINT32_C(16777619);
    }
    return hash;
}

uint32_t
or_address_hash_some(const struct or_address *a, uint32_t which)
{
    uint32_t sum = 0; /* so that the order of DDAs does not matter */

    for (enum or_attribute w = OR_C; w < OR_ATTRIBUTE_COUNT; w++) {
        uint32_t start = UINT32_C(2166136261) + (or_is_dda(w) ? (uint32_t)OR_DDA1 : (uint32_t)w);

        if ((which & UINT32_C(1) << w) != 0 && or_is_there(a, w)) {
            sum += hash_of(counting(a, w), hash_of(or_address_dda_type(a, w), start));
        }
    }
    return sum;
}

uint32_t
or_address_hash(const struct or_address *a)
{
    return or_address_hash_some(a, UINT32_MAX);
}

uint64_t
or_address_weight(const struct or_address *pattern)
{
    uint64_t exact = 0, beginnings = 0, order = 0;

    for (enum or_attribute w = OR_C; w < OR_ATTRIBUTE_COUNT; w++) {
        if (!or_is_there(pattern, w)) {
            continue;
        }
        order |= UINT64_C(1) << (OR_ATTRIBUTE_COUNT - 1 - w);
        if ((pattern->prefix & (UINT32_C(1) << w)) == 0) {
            exact++;
        } else {
            beginnings += pattern->value[w][OR_PRINTABLE].bytes;
        }
    }
    /* 20 attributes: 5 bits; their beginnings have at most 2,048 octets: 12 bits; order: 20 bits */
    return (uint64_t)__builtin_popcount(pattern->there) << 37 | exact << 32 | beginnings << 20 |
           order;
}
