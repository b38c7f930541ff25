#include "core/conf_table.h"
#include "core/ticks.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- paths ---- */

/* The next segment of a path: up to '.', '[' or the end. A list is its name, then "[]" or "[2]" as
 * a segment of its own. */
static bool
next_segment(struct slice *rest, struct slice *out)
{
    size_t n = 0;

    if (rest->n == 0) {
        return false;
    }
    if (rest->p[0] == '[') {
        n = MIN(slice_find(*rest, ']') + 1, rest->n);
    } else {
        while (n < rest->n && rest->p[n] != '.' && rest->p[n] != '[') {
            n++;
        }
    }
    *out = slice_sub(*rest, 0, n);
    *rest = slice_skip(*rest, n);
    if (rest->n > 0 && rest->p[0] == '.') {
        *rest = slice_skip(*rest, 1);
    }
    return true;
}

static bool
segment_matches(struct slice pattern, struct slice segment)
{
    if (slice_eq(pattern, SLICE_LIT("[]"))) {
        return segment.n > 0 && segment.p[0] == '[';
    }
    return slice_eq(pattern, SLICE_LIT("*")) || slice_eq(pattern, segment);
}

/* Whether `pattern` begins with `path`; *deeper is what it has beyond. */
static bool
pattern_covers(struct slice pattern, struct slice path, struct slice *deeper)
{
    struct slice p, s;

    while (next_segment(&path, &s)) {
        if (!next_segment(&pattern, &p) || !segment_matches(p, s)) {
            return false;
        }
    }
    *deeper = pattern;
    return true;
}

bool
conf_table_matches(struct slice pattern, struct slice path)
{
    struct slice deeper;

    return pattern_covers(pattern, path, &deeper) && deeper.n == 0;
}

enum conf_match
conf_table_find(const struct conf_table *t, struct slice path, const struct conf_key **key)
{
    enum conf_match match = CONF_MATCH_NONE;

    *key = NULL;
    for (size_t i = 0; i < t->rows; i++) {
        const struct conf_key *row = &t->keys[i];
        struct slice deeper;

        if (!pattern_covers(slice_of(row->path), path, &deeper)) {
            continue;
        }
        if (deeper.n > 0) {
            match = deeper.p[0] == '[' ? CONF_MATCH_LIST : CONF_MATCH_GROUP;
        } else if (row->type == CONF_GROUP || row->type == CONF_LIST) {
            *key = row;
            match = row->type == CONF_GROUP ? CONF_MATCH_GROUP : CONF_MATCH_LIST;
        } else {
            *key = row;
            return CONF_MATCH_EXACT;
        }
    }
    return match;
}

/* ---- suggestions ---- */

#define NAME_BYTES_MAX 48

/* How many letters must be added, dropped or changed; two swapped ones count as one. */
static size_t
distance(struct slice a, struct slice b)
{
    size_t d[NAME_BYTES_MAX + 1][NAME_BYTES_MAX + 1];

    a = slice_sub(a, 0, NAME_BYTES_MAX);
    b = slice_sub(b, 0, NAME_BYTES_MAX);
    for (size_t i = 0; i <= a.n; i++) {
        for (size_t j = 0; j <= b.n; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            d[i][j] = d[i - 1][j - 1] + (a.p[i - 1] != b.p[j - 1]);
            d[i][j] = MIN(d[i][j], MIN(d[i - 1][j], d[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1]) {
                d[i][j] = MIN(d[i][j], d[i - 2][j - 2] + 1);
            }
        }
    }
    return d[a.n][b.n];
}

void
conf_table_suggest(
    const struct conf_table *t, struct slice parent, struct slice name, char out[256])
{
    struct slice best = SLICE_NONE, last = SLICE_NONE;
    size_t best_distance = MAX(name.n / 3, (size_t)2) + 1, used = 0;

    used += (size_t)snprintf(out, 256, "the keys here are:");
    for (size_t i = 0; i < t->rows; i++) {
        struct slice deeper, key;

        if (!pattern_covers(slice_of(t->keys[i].path), parent, &deeper) ||
            !next_segment(&deeper, &key) || key.p[0] == '*' || key.p[0] == '[' ||
            slice_eq(key, last)) {
            continue;
        }
        last = key; /* rows of a group stand together */
        if (used < 256) {
            used += (size_t)snprintf(out + used, 256 - used, " %.*s", SLICE_FMT(key));
        }
        if (distance(name, key) < best_distance) {
            best_distance = distance(name, key);
            best = key;
        }
    }
    if (best.n > 0) {
        (void)snprintf(out, 256, "did you mean '%.*s'?", SLICE_FMT(best));
    }
}

/* ---- what a row wants ---- */

static const struct {
    const char *wants, *example;
} kinds[] = {
    [CONF_STRING] = { "a string", "\"...\"" },
    [CONF_INT] = { "a number", "10" },
    [CONF_BOOL] = { "true or false", "true" },
    [CONF_DURATION] = { "a duration (ms, s, min, h, d)", "\"30s\"" },
    [CONF_SIZE] = { "a size (B, KiB, MiB, GiB)", "\"100MiB\"" },
    [CONF_STRINGS] = { "an array of strings", "[\"...\", \"...\"]" },
    [CONF_ENUM] = { "one of its words", "\"...\"" },
    [CONF_GROUP] = { "a group", "{ ... }" },
    [CONF_LIST] = { "a list of groups", "( { ... }, { ... } )" },
};

const char *
conf_table_wants(enum conf_type type)
{
    CHECK((size_t)type < ARRAY_LEN(kinds));
    return kinds[type].wants;
}

void
conf_table_example(const struct conf_key *key, struct slice name, char out[256])
{
    const char *example = kinds[key->type].example;
    struct slice word = slice_of(key->choices);

    if (key->type == CONF_ENUM) {
        (void)snprintf(out, 256, "write %.*s = \"%.*s\"; one of: %s", SLICE_FMT(name),
            (int)slice_find(word, '|'), word.p, key->choices);
        return;
    }
    (void)snprintf(out, 256, "write %.*s = %s;", SLICE_FMT(name), example);
}

/* ---- values ---- */

static int
read_choice(const char *choices, struct slice text, uint64_t *index)
{
    struct slice rest = slice_of(choices), word;

    for (uint64_t i = 0; slice_next(&rest, '|', &word); i++) {
        if (slice_eq(word, text)) {
            *index = i;
            return 0;
        }
    }
    return BH_ESYNTAX;
}

int
conf_table_read(const struct conf_key *key, struct slice text, struct conf_value *out,
    struct conf_problem *problem)
{
    struct conf_value v = { .string = text };
    int rc = 0;

    if (key->type == CONF_DURATION) {
        rc = ticks_parse_duration(text, &v.number);
    } else if (key->type == CONF_SIZE) {
        rc = ticks_parse_size(text, &v.number);
    } else if (key->type == CONF_ENUM) {
        rc = read_choice(key->choices, text, &v.number);
    }
    if (rc == 0) {
        *out = v;
        return 0;
    }
    (void)snprintf(problem->message, sizeof(problem->message), "\"%.*s\" is not %s",
        (int)MIN(text.n, (size_t)100), text.p, conf_table_wants(key->type));
    if (key->type == CONF_ENUM) {
        (void)snprintf(problem->cure, sizeof(problem->cure), "use one of: %s", key->choices);
    } else {
        (void)snprintf(
            problem->cure, sizeof(problem->cure), "write for example %s", kinds[key->type].example);
    }
    return BH_ESYNTAX;
}

static void
print_amount(enum conf_type type, uint64_t n, char out[32])
{
    static const struct {
        uint64_t factor;
        const char *name;
    } durations[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "min" }, { 1000, "s" },
        { 1, "ms" } },
      sizes[] = { { GIB, "GiB" }, { MIB, "MiB" }, { KIB, "KiB" }, { 1, " bytes" } }, *unit;

    if (type != CONF_DURATION && type != CONF_SIZE) {
        (void)snprintf(out, 32, "%llu", (unsigned long long)n);
        return;
    }
    unit = type == CONF_DURATION ? durations : sizes;
    while (unit->factor > 1 && (n == 0 || n % unit->factor != 0)) {
        unit++;
    }
    (void)snprintf(out, 32, "%llu%s", (unsigned long long)(n / unit->factor), unit->name);
}

int
conf_table_check(
    const struct conf_key *key, const struct conf_value *v, struct conf_problem *problem)
{
    static const char *const subject[] = {
        [CONF_STRING] = "its length is ",
        [CONF_STRINGS] = "the number of its elements is ",
        [CONF_LIST] = "",
    };
    uint64_t n = v->number;
    char is[32], bound[32];

    if (key->type == CONF_BOOL || key->type == CONF_ENUM || key->type == CONF_GROUP) {
        return 0;
    }
    if (key->type == CONF_STRING) {
        n = v->string.n;
    } else if (key->type == CONF_STRINGS || key->type == CONF_LIST) {
        n = v->count;
    }
    if (n >= key->min && (key->max == 0 || n <= key->max)) {
        return 0;
    }
    print_amount(key->type, n, is);
    print_amount(key->type, n < key->min ? key->min : key->max, bound);
    (void)snprintf(problem->message, sizeof(problem->message), "%s%s, out of range",
        key->type == CONF_STRING || key->type == CONF_STRINGS ? subject[key->type]
                                                              : "the value is ",
        is);
    (void)snprintf(problem->cure, sizeof(problem->cure), "the %s is %s",
        n < key->min ? "least" : "most", bound);
    return BH_ECONFIG;
}

static struct slice
unquoted(struct slice s)
{
    return s.n >= 2 && s.p[0] == '"' ? slice_sub(s, 1, s.n - 2) : s;
}

/* ["a", "b"]: our own text, so without escapes. */
static int
default_strings(struct slice s, struct conf_value *v)
{
    struct slice inner = slice_sub(s, 1, s.n - 2), item;

    CHECK(s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']');
    v->strings = calloc(s.n, sizeof(struct slice)); /* more than there can be */
    if (v->strings == NULL) {
        return -ENOMEM;
    }
    while (slice_next(&inner, ',', &item)) {
        item = slice_trim(item);
        if (item.n > 0) {
            v->strings[v->count++] = unquoted(item);
        }
    }
    return 0;
}

int
conf_table_default(const struct conf_key *key, struct conf_value *out)
{
    struct slice text = slice_of(key->dflt);
    struct conf_problem problem;
    int rc = 0;

    *out = (struct conf_value){ 0 };
    if (key->dflt == NULL) {
        return 0;
    }
    switch (key->type) {
    case CONF_STRING:
    case CONF_DURATION:
    case CONF_SIZE:
    case CONF_ENUM:
        rc = conf_table_read(key, unquoted(text), out, &problem);
        break;
    case CONF_INT:
        rc = slice_u64(text, INT64_MAX, &out->number);
        break;
    case CONF_BOOL:
        out->number = slice_eq(text, SLICE_LIT("true"));
        CHECK(out->number == 1 || slice_eq(text, SLICE_LIT("false")));
        break;
    case CONF_STRINGS:
        rc = default_strings(text, out);
        break;
    case CONF_GROUP:
    case CONF_LIST:
        break;
    }
    CHECK(rc == 0 || rc == -ENOMEM);
    return rc;
}

/* ---- the manual page ---- */

struct page {
    void (*put)(void *ctx, struct slice text);
    void *ctx;
};

static void
put(const struct page *p, const char *text)
{
    p->put(p->ctx, slice_of(text));
}

/* Running text: a backslash must not begin an escape, nor a dot or quote at its start a macro. */
static void
put_text(const struct page *p, const char *text)
{
    if (text[0] == '.' || text[0] == '\'') {
        put(p, "\\&");
    }
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == ' ' && at > text && (at[-1] == '.' || at[-1] == ';')) {
            put(p, "\n"); /* mdoc begins each sentence on a line of its own */
        } else {
            p->put(p->ctx, *at == '\\' ? SLICE_LIT("\\e") : (struct slice){ at, 1 });
        }
    }
}

static void
put_bounds(const struct page *p, const struct conf_key *key)
{
    static const char *const what[] = {
        [CONF_STRING] = "Length",
        [CONF_STRINGS] = "Elements",
        [CONF_LIST] = "Entries",
    };
    const char *name =
        key->type == CONF_STRING || key->type == CONF_STRINGS || key->type == CONF_LIST
            ? what[key->type]
            : "Range";
    char least[32], most[32], line[128];

    if ((key->min == 0 && key->max == 0) || key->type == CONF_ENUM || key->type == CONF_BOOL) {
        return;
    }
    print_amount(key->type, key->min, least);
    print_amount(key->type, key->max, most);
    if (key->max == 0) {
        (void)snprintf(line, sizeof(line), "%s: %s or more.\n", name, least);
    } else {
        (void)snprintf(line, sizeof(line), "%s: %s to %s.\n", name, least, most);
    }
    put(p, line);
}

static void
put_row(const struct page *p, const struct conf_key *key)
{
    put(p, ".It Ic ");
    put_text(p, key->path);
    put(p, "\n");
    if (key->type == CONF_ENUM) {
        struct slice rest = slice_of(key->choices), word;

        put(p, "One of");
        while (slice_next(&rest, '|', &word)) {
            put(p, " \\(dq");
            p->put(p->ctx, word);
            put(p, rest.n > 0 ? "\\(dq," : "\\(dq.\n");
        }
    } else {
        put(p, "Value: ");
        put(p, conf_table_wants(key->type));
        put(p, ".\n");
    }
    if (key->help != NULL) {
        put_text(p, key->help);
        put(p, "\n");
    }
    put_bounds(p, key);
    if (key->dflt != NULL) {
        put(p, "Default: ");
        put_text(p, key->dflt);
        put(p, ".\n");
    }
    if (key->required) {
        put(p, "Required.\n");
    }
    put(p, key->reloadable ? "A reload applies a change.\n" : "A change needs a restart.\n");
}

void
conf_print_mdoc(const struct conf_key *table, size_t rows,
    void (*put_fn)(void *ctx, struct slice text), void *ctx)
{
    struct page page = { put_fn, ctx };

    put(&page, ".Bl -tag -width Ds\n");
    for (size_t i = 0; i < rows; i++) {
        put_row(&page, &table[i]);
    }
    put(&page, ".El\n");
}
