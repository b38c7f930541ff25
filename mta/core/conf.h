/* core/conf.h - configuration in libconfig syntax, driven by one table.
 *
 * A struct conf_key row is (path, type, unit, range, default, help, reloadable). The same rows
 * check a file, print bridgehead.conf(5) and decide what a reload may change. A '*' in a path
 * stands for a name of the user's ("connector.*.next_hop"); the list "route" has rows "route[].to".
 * An unknown key, a wrong type, a duplicate, a value out of range is an error with file, line, key
 * and cure; all errors of a file are reported, not only the first. Only conf.c includes
 * libconfig.h.
 */
#ifndef CORE_CONF_H
#define CORE_CONF_H

#include "core/slice.h"

enum conf_type {
    CONF_STRING,
    CONF_INT,
    CONF_BOOL,
    CONF_DURATION,
    CONF_SIZE,
    CONF_STRINGS,
    CONF_ENUM,
    CONF_GROUP,
    CONF_LIST
};

struct conf_key {
    const char *path;
    enum conf_type type;
    uint64_t min, max; /* INT: value; DURATION: ms; SIZE: bytes; STRING: length; STRINGS: count. max
                          0 = no bound */
    const char *dflt;  /* as written in a file; NULL: none */
    const char *choices; /* ENUM: "a|b|c" */
    bool required, reloadable;
    const char *help; /* one or more sentences for the manual page */
};

enum conf_fault {
    CONF_FAULT_VALUE, /* of the right type, but not allowed */
    CONF_FAULT_UNREADABLE,
    CONF_FAULT_SYNTAX,
    CONF_FAULT_UNKNOWN_KEY,
    CONF_FAULT_TYPE,
    CONF_FAULT_DUPLICATE,
    CONF_FAULT_MISSING /* a required key */
};
struct conf_error {
    const char *file; /* lives until the callback returns */
    int line;
    enum conf_fault fault;
    char key[128];
    char message[256];
    char cure[256];
};
typedef void conf_error_fn(void *ctx, const struct conf_error *e);

struct conf; /* a parsed and checked file; immutable */

/* Parse and check. 0; BH_ECONFIG after at least one call of on_error; -ENOMEM; -errno if unreadable
 * (reported too). text instead of a path for tests and fuzzers: conf_parse_string. */
int conf_load(struct conf **out, const char *path, const struct conf_key *table, size_t rows,
    conf_error_fn *on_error, void *ctx) MUST_USE;
int conf_parse_string(struct conf **out, const char *name, const char *text,
    const struct conf_key *table, size_t rows, conf_error_fn *on_error, void *ctx) MUST_USE;
void conf_free(struct conf *c);

/* Values by concrete path, e.g. "connector.paris.concurrency" or "route[2].to"; the default applies
 * where the file is silent. The path must match a row of the right type (CHECK): it is the
 * program's, not the user's. */
struct slice conf_string(
    const struct conf *c, const char *path); /* .p NULL when unset and without default */
uint64_t conf_uint(const struct conf *c, const char *path); /* INT, DURATION (ms), SIZE (bytes) */
bool conf_bool(const struct conf *c, const char *path);
int conf_enum(const struct conf *c, const char *path); /* index in choices */
size_t conf_strings_count(const struct conf *c, const char *path);
struct slice conf_strings_at(const struct conf *c, const char *path, size_t i);
bool conf_is_set(const struct conf *c, const char *path);
/* Names of the user below a '*' row ("connector"), in file order; entries of a list ("route"). */
size_t conf_children_count(const struct conf *c, const char *path);
struct slice conf_child_name(const struct conf *c, const char *path, size_t i);
size_t conf_list_count(const struct conf *c, const char *path);
/* Where a value was written, for errors found later by a module (line 0: a default); an included
 * file is named as the @include line names it. */
const char *conf_file_of(const struct conf *c, const char *path);
int conf_line_of(const struct conf *c, const char *path);

/* First key in which old and new differ and which is not reloadable, or NULL; new_value for
 * messages. */
const char *conf_changed_unreloadable(const struct conf *old_conf, const struct conf *new_conf);
/* mdoc text of the table, for bridgehead.conf(5). */
void conf_print_mdoc(const struct conf_key *table, size_t rows,
    void (*put)(void *ctx, struct slice text), void *ctx);

#endif
