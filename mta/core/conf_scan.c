#include "core/conf_scan.h"
#include <stdio.h>
#include <stdlib.h>

#define SCAN_DEPTH_MAX 16
#define SCAN_KEY_BYTES 128

struct seen {
    unsigned scope;
    struct slice name;
    int line;
};

struct scan {
    struct slice rest;
    int line;
    unsigned depth, scopes;
    struct {
        unsigned scope;    /* number of the group: names are compared within one */
        struct slice name; /* of the group */
    } open[SCAN_DEPTH_MAX];
    struct slice last_name; /* a name that waits for its '=' or ':' */
    struct seen *seen;
    size_t count, capacity, duplicates;
    conf_scan_fn *found;
    void *ctx;
};

static void
step(struct scan *s, size_t n)
{
    for (size_t i = 0; i < n && i < s->rest.n; i++) {
        s->line += s->rest.p[i] == '\n';
    }
    s->rest = slice_skip(s->rest, n);
}

static bool
skip_comment(struct scan *s)
{
    if (s->rest.p[0] == '#' || slice_starts(s->rest, SLICE_LIT("//"))) {
        step(s, slice_find(s->rest, '\n'));
        return true;
    }
    if (slice_starts(s->rest, SLICE_LIT("/*"))) {
        step(s, 2);
        while (s->rest.n > 0 && !slice_starts(s->rest, SLICE_LIT("*/"))) {
            step(s, 1);
        }
        step(s, 2);
        return true;
    }
    return false;
}

static bool
skip_string(struct scan *s)
{
    if (s->rest.p[0] != '"') {
        return false;
    }
    step(s, 1);
    while (s->rest.n > 0 && s->rest.p[0] != '"') {
        step(s, s->rest.p[0] == '\\' ? 2 : 1);
    }
    step(s, 1);
    return true;
}

static bool
is_name_char(char c, bool first)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '*';

    return letter || (!first && ((c >= '0' && c <= '9') || c == '-' || c == '_'));
}

static void
report(struct scan *s, struct slice name, int first_line)
{
    char key[SCAN_KEY_BYTES];
    size_t used = 0;

    for (unsigned i = 1; i <= s->depth && used < sizeof(key) - 2; i++) {
        struct slice group = s->open[i].name;

        if (group.n > 0) {
            used += (size_t)snprintf(key + used, sizeof(key) - used, "%.*s.", SLICE_FMT(group));
            used = MIN(used, sizeof(key) - 1);
        }
    }
    used += (size_t)snprintf(key + used, sizeof(key) - used, "%.*s", SLICE_FMT(name));
    s->duplicates++;
    s->found(s->ctx, (struct slice){ key, MIN(used, sizeof(key) - 1) }, s->line, first_line);
}

static void
add_setting(struct scan *s, struct slice name)
{
    unsigned scope = s->open[s->depth].scope;

    for (size_t i = 0; i < s->count; i++) {
        if (s->seen[i].scope == scope && slice_eq(s->seen[i].name, name)) {
            report(s, name, s->seen[i].line);
            return;
        }
    }
    if (s->count == s->capacity) {
        size_t capacity = MAX(s->capacity * 2, (size_t)64);
        struct seen *more = reallocarray(s->seen, capacity, sizeof(*more));

        if (more == NULL) {
            return; /* a duplicate may go unnamed; libconfig's own error stays */
        }
        s->seen = more;
        s->capacity = capacity;
    }
    s->seen[s->count++] = (struct seen){ scope, name, s->line };
}

/* Groups and lists both open a scope: the elements of a list are groups of their own. */
static bool
open_or_close(struct scan *s, char c)
{
    if (c == '{' || c == '(' || c == '[') {
        if (s->depth + 1 == SCAN_DEPTH_MAX) {
            s->rest = slice_skip(s->rest, s->rest.n); /* deeper than any key of ours */
            return true;
        }
        s->depth++;
        s->open[s->depth].scope = ++s->scopes;
        s->open[s->depth].name = s->last_name;
        s->last_name = SLICE_NONE;
        return true;
    }
    if (c == '}' || c == ')' || c == ']') {
        s->depth -= s->depth > 0;
        return true;
    }
    return false;
}

static void
scan_token(struct scan *s)
{
    char c = s->rest.p[0];
    size_t n = 0;

    while (n < s->rest.n && is_name_char(s->rest.p[n], n == 0)) {
        n++;
    }
    if (n > 0) {
        s->last_name = slice_sub(s->rest, 0, n);
        step(s, n);
        return;
    }
    if ((c == '=' || c == ':') && s->last_name.n > 0) {
        add_setting(s, s->last_name);
    } else if (!open_or_close(s, c) && (c == ';' || c == ',')) {
        s->last_name = SLICE_NONE;
    }
    step(s, 1);
}

size_t
conf_scan_duplicates(struct slice text, conf_scan_fn *found, void *ctx)
{
    struct scan s = { .rest = text, .line = 1, .found = found, .ctx = ctx };

    while (s.rest.n > 0) {
        if (!skip_comment(&s) && !skip_string(&s)) {
            scan_token(&s);
        }
    }
    free(s.seen);
    return s.duplicates;
}

void
conf_scan_includes(struct slice text, conf_scan_include_fn *found, void *ctx)
{
    struct slice line;

    for (int number = 1; slice_next(&text, '\n', &line); number++) {
        line = slice_trim(line);
        if (slice_starts(line, SLICE_LIT("@include"))) {
            line = slice_skip(line, slice_find(line, '"') + 1);
            found(ctx, slice_sub(line, 0, slice_find(line, '"')), number);
        }
    }
}
