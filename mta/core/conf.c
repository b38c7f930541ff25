/* One pass over libconfig's tree: each setting is found in the table, read, checked and entered
 * under its path ("connector.paris.port"). Whatever the file leaves out comes from the row's
 * default, read once at load. The tree stays as long as the conf: names and strings lie in it. */
#include "core/conf.h"
#include "core/conf_scan.h"
#include "core/conf_table.h"
#include "core/io.h"
#include "core/list.h"
#include "core/map.h"
#include <libconfig.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define CONF_BYTES_MAX (4 * MIB) /* a generated file of 20,000 routes fits */
#define PATH_BYTES_MAX 256       /* of a key; libconfig's names have no limit of their own */

struct entry {
    struct map_node node;
    struct list link; /* in file order */
    char *path;
    const struct conf_key *key; /* NULL: a group or list without a row */
    const config_setting_t *setting;
    struct conf_value value;
};

struct conf {
    char *name; /* of the file */
    struct conf_table table;
    struct conf_value *defaults; /* one a row */
    config_t tree;
    struct map entries;
    struct list order;
};

/* What one load carries along. */
struct loading {
    struct conf *c;
    struct slice text;
    conf_error_fn *on_error;
    enum conf_fault fault; /* of the next report */
    void *ctx;
    unsigned errors;
    int rc; /* -ENOMEM: stop */
};

static struct slice
entry_path(const struct map_node *n)
{
    return slice_of(CONTAINER_OF(n, const struct entry, node)->path);
}

static struct entry *
find_entry(const struct conf *c, struct slice path)
{
    struct map_node *n = map_find(&c->entries, path, entry_path);

    return n != NULL ? CONTAINER_OF(n, struct entry, node) : NULL;
}

/* ---- errors ---- */

static void
copy_cut(char *out, size_t cap, struct slice s)
{
    /* Names and values come from a file: keep a report on one line. */
    size_t n = MIN(s.n, cap - 1);

    for (size_t i = 0; i < n; i++) {
        out[i] = s.p[i];
        if ((unsigned char)s.p[i] < ' ') {
            out[i] = '?';
        }
    }
    out[n] = '\0';
}

static void
report(struct loading *l, const char *file, int line, struct slice key, const char *message,
    const char *cure)
{
    struct conf_error e = {
        .file = file != NULL ? file : l->c->name, .line = line, .fault = l->fault
    };

    copy_cut(e.key, sizeof(e.key), key);
    copy_cut(e.message, sizeof(e.message), slice_of(message));
    copy_cut(e.cure, sizeof(e.cure), slice_of(cure));
    l->errors++;
    l->fault = CONF_FAULT_VALUE;
    l->on_error(l->ctx, &e);
}

static void
report_at(struct loading *l, const config_setting_t *s, struct slice key, const char *message,
    const char *cure)
{
    report(
        l, config_setting_source_file(s), (int)config_setting_source_line(s), key, message, cure);
}

/* ---- reading single settings ---- */

static const char *
type_name(const config_setting_t *s)
{
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_GROUP:
        return "a group";
    case CONFIG_TYPE_LIST:
        return "a list";
    case CONFIG_TYPE_ARRAY:
        return "an array";
    case CONFIG_TYPE_STRING:
        return "a string";
    case CONFIG_TYPE_BOOL:
        return "a boolean";
    case CONFIG_TYPE_FLOAT:
        return "a number with a fraction";
    default:
        return "a number";
    }
}

static void
report_type(struct loading *l, const config_setting_t *s, struct slice path, enum conf_type type,
    const struct conf_key *key)
{
    struct conf_key any = { .type = type };
    char message[256], cure[256];

    (void)snprintf(
        message, sizeof(message), "must be %s, not %s", conf_table_wants(type), type_name(s));
    conf_table_example(key != NULL ? key : &any, slice_of(config_setting_name(s)), cure);
    l->fault = CONF_FAULT_TYPE;
    report_at(l, s, path, message, cure);
}

static bool
read_strings(struct loading *l, const config_setting_t *s, struct slice path,
    const struct conf_key *key, struct conf_value *v)
{
    int n = config_setting_length(s);
    int type = config_setting_type(s);

    if (type != CONFIG_TYPE_ARRAY && type != CONFIG_TYPE_LIST) {
        report_type(l, s, path, CONF_STRINGS, key);
        return false;
    }
    v->strings = calloc((size_t)n + 1, sizeof(struct slice));
    if (v->strings == NULL) {
        l->rc = -ENOMEM;
        return false;
    }
    for (int i = 0; i < n; i++) {
        const config_setting_t *elem = config_setting_get_elem(s, (unsigned)i);

        if (config_setting_type(elem) != CONFIG_TYPE_STRING) {
            l->fault = CONF_FAULT_TYPE;
            report_at(l, elem, path, "all its elements must be strings",
                "put quotes around each element: [\"...\", \"...\"]");
            return false;
        }
        v->strings[v->count++] = slice_of(config_setting_get_string(elem));
    }
    return true;
}

static bool
read_number(struct loading *l, const config_setting_t *s, struct slice path, struct conf_value *v)
{
    long long n = config_setting_get_int64(s);

    if (n < 0) {
        report_at(l, s, path, "the value is negative", "write 0 or a positive number");
        return false;
    }
    v->number = (uint64_t)n;
    return true;
}

/* False after a report. */
static bool
read_value(struct loading *l, const config_setting_t *s, struct slice path,
    const struct conf_key *key, struct conf_value *v)
{
    int type = config_setting_type(s);
    bool whole = type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64;
    struct conf_problem problem;

    if (key->type == CONF_STRINGS) {
        return read_strings(l, s, path, key, v);
    }
    if (key->type == CONF_BOOL && type == CONFIG_TYPE_BOOL) {
        v->number = config_setting_get_bool(s) != 0;
        return true;
    }
    if ((key->type == CONF_INT || key->type == CONF_SIZE) && whole) {
        return read_number(l, s, path, v);
    }
    if (type != CONFIG_TYPE_STRING || key->type == CONF_INT || key->type == CONF_BOOL) {
        report_type(l, s, path, key->type, key);
        return false;
    }
    if (conf_table_read(key, slice_of(config_setting_get_string(s)), v, &problem) < 0) {
        report_at(l, s, path, problem.message, problem.cure);
        return false;
    }
    return true;
}

static void
entry_free(struct entry *e)
{
    if (e != NULL) {
        free(e->value.strings);
        free(e->path);
        free(e);
    }
}

static struct entry *
add_entry(
    struct loading *l, const config_setting_t *s, struct slice path, const struct conf_key *key)
{
    struct entry *e = calloc(1, sizeof(*e));

    if (e != NULL) {
        e->key = key;
        e->setting = s;
        e->path = slice_dup(path);
    }
    if (e == NULL || e->path == NULL ||
        map_insert(&l->c->entries, &e->node, entry_path) < 0) { /* never -EEXIST: see libconfig */
        entry_free(e);
        l->rc = -ENOMEM;
        return NULL;
    }
    list_push_back(&l->c->order, &e->link);
    return e;
}

/* ---- the walk ---- */

static void walk_group(struct loading *l, const config_setting_t *group, struct slice path);

static void
take_leaf(
    struct loading *l, const config_setting_t *s, struct slice path, const struct conf_key *key)
{
    struct entry *e = add_entry(l, s, path, key);
    struct conf_problem problem;

    if (e != NULL && read_value(l, s, path, key, &e->value) &&
        conf_table_check(key, &e->value, &problem) < 0) {
        report_at(l, s, path, problem.message, problem.cure);
    }
}

static void
take_list(
    struct loading *l, const config_setting_t *s, struct slice path, const struct conf_key *key)
{
    struct conf_value count = { .count = (size_t)config_setting_length(s) };
    struct conf_problem problem;
    char sub[PATH_BYTES_MAX];

    if (config_setting_type(s) != CONFIG_TYPE_LIST) {
        report_type(l, s, path, CONF_LIST, NULL);
        return;
    }
    if (key != NULL && conf_table_check(key, &count, &problem) < 0) {
        report_at(l, s, path, problem.message, problem.cure);
    }
    for (unsigned i = 0; i < count.count && l->rc == 0; i++) {
        const config_setting_t *elem = config_setting_get_elem(s, i);

        (void)snprintf(sub, sizeof(sub), "%.*s[%u]", SLICE_FMT(path), i);
        if (config_setting_type(elem) != CONFIG_TYPE_GROUP) {
            l->fault = CONF_FAULT_TYPE;
            report_at(l, elem, slice_of(sub), "each element of the list must be a group",
                "write ( { key = value; ... }, { ... } )");
        } else if (add_entry(l, elem, slice_of(sub), NULL) != NULL) {
            walk_group(l, elem, slice_of(sub));
        }
    }
}

static void
take_setting(struct loading *l, const config_setting_t *s, struct slice parent)
{
    struct slice name = slice_of(config_setting_name(s));
    char full[PATH_BYTES_MAX], cure[256];
    const struct conf_key *key;
    int n = snprintf(full, sizeof(full), "%.*s%s%.*s", SLICE_FMT(parent), parent.n > 0 ? "." : "",
        SLICE_FMT(name));
    struct slice path = slice_of(full);

    if (n < 0 || (size_t)n >= sizeof(full) - 16) { /* an index may follow */
        report_at(l, s, path, "the name is too long", "choose a shorter name");
        return;
    }
    switch (conf_table_find(&l->c->table, path, &key)) {
    case CONF_MATCH_NONE:
        conf_table_suggest(&l->c->table, parent, name, cure);
        l->fault = CONF_FAULT_UNKNOWN_KEY;
        report_at(l, s, path, "unknown key", cure);
        return;
    case CONF_MATCH_EXACT:
        take_leaf(l, s, path, key);
        return;
    case CONF_MATCH_LIST:
        if (add_entry(l, s, path, key) != NULL) {
            take_list(l, s, path, key);
        }
        return;
    case CONF_MATCH_GROUP:
        if (config_setting_type(s) != CONFIG_TYPE_GROUP) {
            report_type(l, s, path, CONF_GROUP, NULL);
        } else if (add_entry(l, s, path, key) != NULL) {
            walk_group(l, s, path);
        }
        return;
    }
}

/* The depth is the table's: what has no row is reported, not entered. */
static void
walk_group(struct loading *l, const config_setting_t *group, struct slice path)
{
    int n = config_setting_length(group);

    for (int i = 0; i < n && l->rc == 0; i++) {
        take_setting(l, config_setting_get_elem(group, (unsigned)i), path);
    }
}

/* ---- required keys ---- */

static void
report_missing(
    struct loading *l, const struct entry *group, struct slice path, const struct conf_key *key)
{
    size_t dot = slice_rfind(path, '.');
    char cure[256];

    conf_table_example(key, dot < path.n ? slice_skip(path, dot + 1) : path, cure);
    l->fault = CONF_FAULT_MISSING;
    if (group == NULL) {
        report(l, NULL, 1, path, "a required key is missing", cure);
    } else {
        report_at(l, group->setting, path, "a required key is missing", cure);
    }
}

/* It is there but of a wrong type, or its group is missing or wrong itself: that was said. */
static bool
is_reported(const struct loading *l, struct slice path, struct slice parent)
{
    const struct conf_key *key = NULL;
    char text[PATH_BYTES_MAX];

    if (slice_copy(path, text, sizeof(text)) == 0 && config_lookup(&l->c->tree, text) != NULL) {
        return true;
    }
    (void)conf_table_find(&l->c->table, parent, &key);
    return parent.n > 0 && find_entry(l->c, parent) == NULL && key != NULL && key->required;
}

/* A key below a name of the user's ("connector.*.protocol") is required in each group that is
 * there; any other is required at all. */
static void
require(struct loading *l, const struct conf_key *key)
{
    struct slice pattern = slice_of(key->path), parent, leaf;
    size_t dot = slice_rfind(pattern, '.');
    char full[PATH_BYTES_MAX];

    parent = slice_sub(pattern, 0, dot < pattern.n ? dot : 0);
    leaf = slice_skip(pattern, dot < pattern.n ? dot + 1 : 0);
    if (slice_find(parent, '*') == parent.n && slice_find(parent, '[') == parent.n) {
        if (find_entry(l->c, pattern) == NULL && !is_reported(l, pattern, parent)) {
            report_missing(l, find_entry(l->c, parent), pattern, key);
        }
        return;
    }
    LIST_FOR(it, &l->c->order)
    {
        struct entry *group = CONTAINER_OF(it, struct entry, link);

        if (!conf_table_matches(parent, slice_of(group->path))) {
            continue;
        }
        (void)snprintf(full, sizeof(full), "%s.%.*s", group->path, SLICE_FMT(leaf));
        if (find_entry(l->c, slice_of(full)) == NULL) {
            report_missing(l, group, slice_of(full), key);
        }
    }
}

/* ---- parsing ---- */

struct duplicates {
    struct loading *l;
    const char *file;
};

static void
on_duplicate(void *ctx, struct slice key, int line, int first_line)
{
    struct duplicates *d = ctx;
    char message[256];

    (void)snprintf(
        message, sizeof(message), "duplicate key: it was given before, in line %d", first_line);
    d->l->fault = CONF_FAULT_DUPLICATE;
    report(d->l, d->file, line, key, message, "keep one of the two");
}

static void
report_parse(struct loading *l)
{
    const config_t *t = &l->c->tree;
    const char *text = config_error_text(t) != NULL ? config_error_text(t) : "cannot be read";
    struct duplicates d = { l, config_error_file(t) };
    size_t found = 0;

    if (strstr(text, "duplicate") != NULL && d.file == NULL) {
        found = conf_scan_duplicates(l->text, on_duplicate, &d);
    }
    if (found == 0) {
        l->fault = strstr(text, "duplicate") != NULL ? CONF_FAULT_DUPLICATE : CONF_FAULT_SYNTAX;
        report(l, d.file, config_error_line(t), SLICE_NONE, text,
            strstr(text, "duplicate") != NULL ? "keep one of the two settings of that name"
            : strstr(text, "include") != NULL
                ? "@include takes a readable file, relative to the directory of the first one"
                : "look at this line and the one before: key = value; strings in quotes");
    }
}

/* libconfig's scanner ends the process when a file opens but cannot be read, as a directory does.
 */
static void
on_include(void *ctx, struct slice path, int line)
{
    struct loading *l = ctx;
    const char *dir = config_get_include_dir(&l->c->tree);
    char full[PATH_MAX];
    struct io_stat st;
    int n = dir != NULL ? snprintf(full, sizeof(full), "%s/%.*s", dir, SLICE_FMT(path))
                        : snprintf(full, sizeof(full), "%.*s", SLICE_FMT(path));

    if (n > 0 && (size_t)n < sizeof(full) && io_stat(full, &st) == 0 && st.is_dir) {
        report(l, NULL, line, path, "the included name is a directory", "name a file");
    }
}

static int
parse(struct loading *l)
{
    struct conf *c = l->c;

    if (slice_find(l->text, '\0') < l->text.n) {
        l->fault = CONF_FAULT_SYNTAX;
        report(l, NULL, 1, SLICE_NONE, "the file holds a zero byte", "write it as plain text");
        return BH_ECONFIG;
    }
    conf_scan_includes(l->text, on_include, l);
    if (l->errors > 0) {
        return BH_ECONFIG;
    }
    if (config_read_string(&c->tree, l->text.p) != CONFIG_TRUE) {
        report_parse(l);
        return BH_ECONFIG;
    }
    walk_group(l, config_root_setting(&c->tree), SLICE_LIT(""));
    for (size_t i = 0; i < c->table.rows && l->rc == 0; i++) {
        if (c->table.keys[i].required) {
            require(l, &c->table.keys[i]);
        }
    }
    return l->rc < 0 ? l->rc : l->errors > 0 ? BH_ECONFIG : 0;
}

static int
conf_new(struct conf **out, const char *name, const struct conf_key *table, size_t rows)
{
    struct conf *c = calloc(1, sizeof(*c));
    int rc = 0;

    if (c == NULL) {
        return -ENOMEM;
    }
    config_init(&c->tree);
    map_init(&c->entries);
    list_init(&c->order);
    c->table = (struct conf_table){ table, rows };
    c->name = slice_dup(slice_of(name));
    c->defaults = calloc(rows + 1, sizeof(*c->defaults));
    if (c->name == NULL || c->defaults == NULL) {
        rc = -ENOMEM;
    }
    for (size_t i = 0; i < rows && rc == 0; i++) {
        rc = conf_table_default(&table[i], &c->defaults[i]);
    }
    if (rc < 0) {
        conf_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

static int
load_text(struct conf *c, struct slice text, conf_error_fn *on_error, void *ctx, struct conf **out)
{
    struct loading l = { .c = c, .text = text, .on_error = on_error, .ctx = ctx };
    int rc = parse(&l);

    if (rc < 0) {
        conf_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

int
conf_parse_string(struct conf **out, const char *name, const char *text,
    const struct conf_key *table, size_t rows, conf_error_fn *on_error, void *ctx)
{
    struct conf *c;
    int rc = conf_new(&c, name, table, rows);

    return rc < 0 ? rc : load_text(c, slice_of(text), on_error, ctx, out);
}

static int
read_text(const char *path, char **out, size_t *n)
{
    struct io_stat st;
    char *text;
    int rc = io_stat(path, &st);

    if (rc < 0) {
        return rc;
    }
    if (st.is_dir) {
        return -EISDIR;
    }
    if (st.size_bytes > CONF_BYTES_MAX) {
        return BH_ETOOBIG;
    }
    /* A file that grows meanwhile is refused, too. */
    text = malloc((size_t)st.size_bytes + 1);
    if (text == NULL) {
        return -ENOMEM;
    }
    rc = io_read_file(path, text, (size_t)st.size_bytes, n);
    if (rc < 0) {
        free(text);
        return rc;
    }
    text[*n] = '\0';
    *out = text;
    return 0;
}

static void
set_include_dir(struct conf *c, const char *path)
{
    struct slice s = slice_of(path);
    size_t at = slice_rfind(s, '/');
    char dir[PATH_MAX];

    if (at < s.n && slice_copy(slice_sub(s, 0, MAX(at, (size_t)1)), dir, sizeof(dir)) == 0) {
        config_set_include_dir(&c->tree, dir); /* copied */
    }
}

int
conf_load(struct conf **out, const char *path, const struct conf_key *table, size_t rows,
    conf_error_fn *on_error, void *ctx)
{
    struct conf *c;
    char *text = NULL;
    size_t n = 0;
    int rc = conf_new(&c, path, table, rows);

    if (rc < 0) {
        return rc;
    }
    rc = read_text(path, &text, &n);
    if (rc < 0) {
        struct loading l = {
            .c = c, .on_error = on_error, .ctx = ctx, .fault = CONF_FAULT_UNREADABLE
        };
        char message[256];

        (void)snprintf(message, sizeof(message), "cannot be read: %s", error_text(rc));
        report(&l, NULL, 0, SLICE_NONE, message, "name a readable file of at most 4 MiB");
        conf_free(c);
        return rc;
    }
    set_include_dir(c, path);
    rc = load_text(c, (struct slice){ text, n }, on_error, ctx, out);
    free(text);
    return rc;
}

void
conf_free(struct conf *c)
{
    if (c == NULL) {
        return;
    }
    LIST_FOR_SAFE(it, after, &c->order)
    {
        entry_free(CONTAINER_OF(it, struct entry, link));
    }
    map_fini(&c->entries);
    config_destroy(&c->tree);
    for (size_t i = 0; c->defaults != NULL && i < c->table.rows; i++) {
        free(c->defaults[i].strings);
    }
    free(c->defaults);
    free(c->name);
    free(c);
}

/* ---- looking up ---- */

/* The value in force, and the row's type checked against what the caller takes it for. */
static const struct conf_value *
value_of(const struct conf *c, const char *path, unsigned types)
{
    const struct entry *e = find_entry(c, slice_of(path));
    const struct conf_key *key;

    if (e != NULL) {
        CHECK(e->key != NULL && (types & (1u << e->key->type)) != 0);
        return &e->value;
    }
    CHECK(conf_table_find(&c->table, slice_of(path), &key) == CONF_MATCH_EXACT);
    CHECK((types & (1u << key->type)) != 0);
    return &c->defaults[key - c->table.keys];
}

struct slice
conf_string(const struct conf *c, const char *path)
{
    return value_of(c, path, 1u << CONF_STRING | 1u << CONF_ENUM)->string;
}

uint64_t
conf_uint(const struct conf *c, const char *path)
{
    return value_of(c, path, 1u << CONF_INT | 1u << CONF_DURATION | 1u << CONF_SIZE)->number;
}

bool
conf_bool(const struct conf *c, const char *path)
{
    return value_of(c, path, 1u << CONF_BOOL)->number != 0;
}

int
conf_enum(const struct conf *c, const char *path)
{
    return (int)value_of(c, path, 1u << CONF_ENUM)->number;
}

size_t
conf_strings_count(const struct conf *c, const char *path)
{
    return value_of(c, path, 1u << CONF_STRINGS)->count;
}

struct slice
conf_strings_at(const struct conf *c, const char *path, size_t i)
{
    const struct conf_value *v = value_of(c, path, 1u << CONF_STRINGS);

    CHECK(i < v->count);
    return v->strings[i];
}

bool
conf_is_set(const struct conf *c, const char *path)
{
    return find_entry(c, slice_of(path)) != NULL;
}

static size_t
length_of(const struct conf *c, const char *path)
{
    const struct entry *e = find_entry(c, slice_of(path));

    return e != NULL ? (size_t)config_setting_length(e->setting) : 0;
}

size_t
conf_children_count(const struct conf *c, const char *path)
{
    return length_of(c, path);
}

struct slice
conf_child_name(const struct conf *c, const char *path, size_t i)
{
    const struct entry *e = find_entry(c, slice_of(path));

    CHECK(e != NULL && i < length_of(c, path));
    return slice_of(config_setting_name(config_setting_get_elem(e->setting, (unsigned)i)));
}

size_t
conf_list_count(const struct conf *c, const char *path)
{
    return length_of(c, path);
}

const char *
conf_file_of(const struct conf *c, const char *path)
{
    const struct entry *e = find_entry(c, slice_of(path));
    const char *file = e != NULL ? config_setting_source_file(e->setting) : NULL;

    return file != NULL ? file : c->name;
}

int
conf_line_of(const struct conf *c, const char *path)
{
    const struct entry *e = find_entry(c, slice_of(path));

    return e != NULL ? (int)config_setting_source_line(e->setting) : 0;
}

/* ---- what a reload would change ---- */

static bool
values_equal(const struct conf_key *key, const struct conf_value *a, const struct conf_value *b)
{
    if (a->number != b->number || a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!slice_eq(a->strings[i], b->strings[i])) {
            return false;
        }
    }
    /* "60s" and "1min" are the same duration. */
    return key->type != CONF_STRING || slice_eq(a->string, b->string);
}

/* A group of the user's that is there on one side only: its own row decides ("connector.*" can
 * come and go with a reload), else each key of it. */
static bool
may_come_and_go(const struct conf *with, const struct conf *without, const char *path)
{
    struct slice parent = slice_of(path);
    const struct conf_key *key;

    for (;;) {
        size_t cut = slice_rfind(parent, '.');
        size_t bracket = slice_rfind(parent, '[');

        cut = bracket < parent.n && (cut == parent.n || bracket > cut) ? bracket : cut;
        if (cut == parent.n) {
            return false;
        }
        parent = slice_sub(parent, 0, cut);
        (void)conf_table_find(&with->table, parent, &key);
        if (key != NULL && find_entry(without, parent) == NULL) {
            return key->reloadable;
        }
        if (key != NULL && key->type == CONF_LIST) {
            return key->reloadable;
        }
    }
}

static const char *
first_change(const struct conf *a, const struct conf *b)
{
    LIST_FOR(it, &a->order)
    {
        const struct entry *e = CONTAINER_OF(it, struct entry, link);
        const struct entry *other = find_entry(b, slice_of(e->path));
        const struct conf_value *value;

        if (e->key == NULL || e->key->reloadable || e->key->type == CONF_GROUP ||
            e->key->type == CONF_LIST) {
            continue;
        }
        if (other == NULL && may_come_and_go(a, b, e->path)) {
            continue;
        }
        value = other != NULL ? &other->value : &b->defaults[e->key - a->table.keys];
        if (!values_equal(e->key, &e->value, value)) {
            return e->path;
        }
    }
    return NULL;
}

const char *
conf_changed_unreloadable(const struct conf *old_conf, const struct conf *new_conf)
{
    const char *path;

    CHECK(old_conf->table.keys == new_conf->table.keys);
    path = first_change(new_conf, old_conf);                       /* changed, or new */
    return path != NULL ? path : first_change(old_conf, new_conf); /* or gone */
}
