/* x400/or_address.h - O/R addresses (X.411 section 8.5, X.402 section 18; upper bounds of X.411's
 * annex): read from and written as text, checked, compared, matched against an address space. Pure.
 *
 * Text      two forms, told apart by the first character. Labels in any case, in any order:
 *             /C=GB/A=TEST/P=PEER2/O=Org/OU1=Unit/S=Name/G=Given/DDA:RFC-822=a(a)b.example/
 *             G=Given;S=Name;O=Org;OU1=Unit;P=PEER2;A=TEST;C=GB
 *           The first is RFC 2156's std-or-address: "$" takes the meaning from a "/" or "=" behind
 *           it. The second is that of F.401 (RFC 1685); no value can have a ";", so its doubling is
 *           not needed, and "$" is only before the "=" of a DDA's type. In both a teletex form
 *           follows the printable one behind "*", octets of it that are not plain as {233}: the
 *           notation of RFC 2156, which F.401 lacks. RFC 2156's labels are read too (PRMD, GQ,
 *           DD.).
 * A=        with one blank is a value (X.411: any ADMD that serves this PRMD), not absence.
 * Values    are kept without blanks at their ends, else as given; from whatever source they come,
 *           a character or length that X.411 does not allow is refused, never cut or mended.
 * Compare   letters without case, runs of blanks as one (X.402 18.3.1). Printable and teletex forms
 *           of one attribute are the same attribute; the printable one counts where both are given.
 * Patterns  of address spaces: an address of which parts are given; "*" is any value (which has to
 *           be there), "LS*" one that begins so. "*" or "" alone matches every address.
 */
#ifndef X400_OR_ADDRESS_H
#define X400_OR_ADDRESS_H

#include "core/slice.h"

#define OR_ADDRESS_UNITS_MAX 4
#define OR_ADDRESS_DDAS_MAX  4
/* Every attribute at its bound in both forms, each character escaped, with labels: 4,700 octets. */
#define OR_ADDRESS_TEXT_BYTES_MAX 5120
#define OR_ADDRESS_STORE_BYTES    2048 /* all values at their bounds: 1,802 octets */
#define OR_ERROR_BYTES_MAX        160

/* The order of the text that begins with "/", and of the weight of patterns. */
enum or_attribute {
    OR_C,
    OR_A,
    OR_P,
    OR_X121,
    OR_TERMINAL_ID,
    OR_O,
    OR_OU1,
    OR_OU2,
    OR_OU3,
    OR_OU4,
    OR_NUMERIC_ID,
    OR_CN,
    OR_S,
    OR_G,
    OR_I,
    OR_Q,
    OR_DDA1,
    OR_DDA2,
    OR_DDA3,
    OR_DDA4
};
#define OR_ATTRIBUTE_COUNT (OR_DDA4 + 1)

enum or_form { OR_PRINTABLE, OR_TELETEX };
#define OR_FORM_COUNT (OR_TELETEX + 1)

struct or_value {
    uint16_t at, bytes; /* in store; bytes 0: absent */
};

/* Owns its octets and points nowhere: may be copied by assignment. */
struct or_address {
    struct or_value value[OR_ATTRIBUTE_COUNT][OR_FORM_COUNT];
    struct or_value dda_type[OR_ADDRESS_DDAS_MAX];
    uint32_t there;  /* 1 << attribute: in either form, or as a pattern's "*" */
    uint32_t prefix; /* 1 << attribute: a pattern's value ends in "*" */
    uint16_t store_n;
    char store[OR_ADDRESS_STORE_BYTES];
};

/* A sentence that begins with the attribute's label: "OU1: 40 octets; the limit is 32". Printable
 * ASCII whatever came. */
struct or_error {
    char text[OR_ERROR_BYTES_MAX];
};

void or_address_init(struct or_address *a); /* no attribute */
/* Set what is not yet there. For DDAs: of that type (empty for all others; the same type as the
 * other form's). BH_ESYNTAX: not allowed there; BH_ETOOBIG: too long; a is as before. */
int or_address_set(struct or_address *a, enum or_attribute which, enum or_form form,
    struct slice type, struct slice value, struct or_error *error) MUST_USE;
/* Empty: absent. They point into a. */
struct slice or_address_value(
    const struct or_address *a, enum or_attribute which, enum or_form form);
struct slice or_address_dda_type(const struct or_address *a, enum or_attribute which);

/* All rules but those of or_address_check. BH_ESYNTAX, BH_ETOOBIG: *error tells. */
int or_address_parse(struct slice text, struct or_address *out, struct or_error *error) MUST_USE;
int or_address_parse_pattern(
    struct slice text, struct or_address *out, struct or_error *error) MUST_USE;
/* Can it be somebody's (X.402 18.5)? BH_ESYNTAX: C or A is missing, nothing names anybody, G
 * without S, OU2 without OU1. Whoever it names, it need not exist. */
int or_address_check(const struct or_address *a, struct or_error *error) MUST_USE;

enum or_text { OR_TEXT_SLASH, OR_TEXT_SEMICOLON };
/* Its length; it is terminated. -ENOSPC, out untouched in meaning, if it does not fit into cap;
 * OR_ADDRESS_TEXT_BYTES_MAX does for all. Parsed again it is the same address, or pattern. */
int or_address_text(const struct or_address *a, enum or_text form, char *out, size_t cap) MUST_USE;

/* DDAs in any order; those of one type in theirs. */
bool or_address_equal(const struct or_address *a, const struct or_address *b);
uint32_t or_address_hash(const struct or_address *a); /* the same for addresses that are equal */
/* Of these attributes alone (1 << attribute): the same for an address and a pattern that it matches
 * and that has all of them exactly. */
uint32_t or_address_hash_some(const struct or_address *a, uint32_t which);
bool or_address_match(const struct or_address *a, const struct or_address *pattern);
/* Of two patterns that match one address, the one with more weight is the more specific: more
 * attributes, then more of them exact, then longer beginnings before "*", then those that stand
 * higher in the order above. The pattern that matches everything weighs 0. */
uint64_t or_address_weight(const struct or_address *pattern);

#endif
