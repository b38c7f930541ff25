/* x400/p1_member.h - reading the members that envelopes and reports have in common. Pure. For P1's
 * own files.
 *
 * c is where v was taken from: what is wrong is told there, with v's position. */
#ifndef X400_P1_MEMBER_H
#define X400_P1_MEMBER_H

#include "x400/p1_envelope.h"

int p1_fail(struct ber_cursor *c, const struct ber_value *v, int rc, const char *error);
/* The same failure told by the cursor around. */
int p1_pass(struct ber_cursor *c, const struct ber_cursor *inner, int rc);

int p1_read_text(struct ber_cursor *c, const struct ber_value *v, size_t bytes_max,
    struct p1_text *out, const char *error) MUST_USE;
int p1_read_time(struct ber_cursor *c, const struct ber_value *v, struct p1_text *out) MUST_USE;
int p1_read_bits(
    struct ber_cursor *c, const struct ber_value *v, uint64_t *bits, size_t *count) MUST_USE;
int p1_read_list(struct ber_cursor *c, const struct ber_value *v, struct slice *out) MUST_USE;
int p1_read_domain(struct ber_cursor *c, const struct ber_value *v, struct p1_domain *out) MUST_USE;
int p1_read_identifier(
    struct ber_cursor *c, const struct ber_value *v, struct p1_identifier *out) MUST_USE;
int p1_read_eits(struct ber_cursor *c, const struct ber_value *v, uint64_t *bits) MUST_USE;

/* Every element (p1_envelope.c); *count is raised. */
int p1_check_trace(
    struct ber_cursor *c, struct slice list, bool internal, uint32_t *count) MUST_USE;
/* Every extension of a recipient or of a report: *critical is set if one is critical for transfer
 * and not known here. */
int p1_check_extensions(struct ber_cursor *c, struct slice list, bool *critical) MUST_USE;

#endif
