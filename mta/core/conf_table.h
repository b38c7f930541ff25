/* core/conf_table.h - the rows behind conf.h: matching paths, reading and checking single values.
 * Pure, and without libconfig. For conf.c only. */
#ifndef CORE_CONF_TABLE_H
#define CORE_CONF_TABLE_H

#include "core/conf.h"

struct conf_table {
    const struct conf_key *keys;
    size_t rows;
};

struct conf_value {
    uint64_t number; /* INT; BOOL; DURATION in ms; SIZE in bytes; ENUM: index of the choice */
    struct slice string;
    struct slice *strings; /* malloc'ed */
    size_t count;
};

struct conf_problem {
    char message[256], cure[256];
};

enum conf_match { CONF_MATCH_NONE, CONF_MATCH_EXACT, CONF_MATCH_GROUP, CONF_MATCH_LIST };

/* What a concrete path ("connector.paris.port", "route[2].to") is to the table: a row's own path,
 * or a group or list that rows lie below. *key is the row, also of a group or list that has one;
 * else NULL. */
enum conf_match conf_table_find(
    const struct conf_table *t, struct slice path, const struct conf_key **key);

/* Whether a concrete path is what the whole pattern describes: "connector.*", "connector.paris". */
bool conf_table_matches(struct slice pattern, struct slice path);

/* What to write instead of `name` in the group `parent` ("" for the top): the nearest key, or all
 * that are possible there. */
void conf_table_suggest(
    const struct conf_table *t, struct slice parent, struct slice name, char out[256]);

/* "a string", "a duration such as \"30s\"": what a row wants, and how it is written. */
const char *conf_table_wants(enum conf_type type);
void conf_table_example(const struct conf_key *key, struct slice name, char out[256]);

/* Text of a STRING, DURATION, SIZE or ENUM; BH_ESYNTAX and *problem when it is none. */
int conf_table_read(const struct conf_key *key, struct slice text, struct conf_value *out,
    struct conf_problem *problem) MUST_USE;
/* The row's range; BH_ECONFIG and *problem outside of it. */
int conf_table_check(
    const struct conf_key *key, const struct conf_value *v, struct conf_problem *problem) MUST_USE;
/* The row's default. A default that the row itself refuses is our own fault: CHECK. -ENOMEM. */
int conf_table_default(const struct conf_key *key, struct conf_value *out) MUST_USE;

#endif
