/* x400/or_address_table.h - what or_address.c and or_address_text.c share. Private to them. */
#ifndef X400_OR_ADDRESS_TABLE_H
#define X400_OR_ADDRESS_TABLE_H

#include "x400/or_address.h"

#define OR_DDA_TYPE_BYTES_MAX  8
#define OR_DDA_VALUE_BYTES_MAX 128

enum or_characters { OR_CHARS_PRINTABLE, OR_CHARS_NUMERIC, OR_CHARS_COUNTRY };

struct or_attribute_rule {
    const char *label;
    unsigned bytes_max; /* X.411, upper bounds */
    enum or_characters characters;
    bool teletex; /* there is an extension attribute with a teletex form of it */
};
extern const struct or_attribute_rule or_rules[OR_ATTRIBUTE_COUNT];

struct or_setting {
    enum or_attribute which;
    enum or_form form;
    bool prefix; /* of a pattern: the value goes on */
    struct slice type, value;
};
/* or_address_set, for patterns too. */
int or_set(struct or_address *a, const struct or_setting *s, struct or_error *error) MUST_USE;

/* Writes *error, with what is not printable replaced, and returns rc. */
int or_bad(struct or_error *error, int rc, const char *fmt, ...) PRINTF(3, 4);
bool or_is_dda(enum or_attribute which);
bool or_is_printable(char c); /* in PrintableString */
bool or_is_there(const struct or_address *a, enum or_attribute which);

#endif
