/* x400/p1_member.h - the members that envelopes and reports have in common, read and written. Pure.
 * For P1's own files.
 *
 * Reading: c is where v was taken from; what is wrong is told there, with v's position. */
#ifndef X400_P1_MEMBER_H
#define X400_P1_MEMBER_H

#include "x400/p1_envelope.h"

int p1_fail(struct ber_cursor *c, const struct ber_value *v, int rc, const char *error);
/* The same failure told by the cursor around. */
int p1_pass(struct ber_cursor *c, const struct ber_cursor *inner, int rc);

/* The next value of a list whose elements are all of this tag and constructed; error: that it is
 * not. 1; 0 at the end; <0. */
int p1_take(struct ber_cursor *c, ber_tag tag, const char *error, struct ber_value *out) MUST_USE;

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

int p1_read_content_type(struct ber_cursor *c, const struct ber_value *v, uint32_t *out) MUST_USE;
int p1_read_content_oid(
    struct ber_cursor *c, const struct ber_value *v, struct slice *out) MUST_USE;
int p1_read_content_id(
    struct ber_cursor *c, const struct ber_value *v, struct p1_text *out) MUST_USE;

/* Every element (p1_envelope.c); *count is raised. */
int p1_check_trace(
    struct ber_cursor *c, struct slice list, bool internal, uint32_t *count) MUST_USE;
/* Every extension of a recipient or of a report: *critical is set if one is critical for transfer
 * and not known here, *all is raised by their number. */
int p1_check_extensions(
    struct ber_cursor *c, struct slice list, bool *critical, uint32_t *all) MUST_USE;

/* In what was checked: the first one of that tag or number. */
bool p1_find_member(struct slice members, ber_tag tag, struct ber_value *out);
bool p1_find_extension(struct slice extensions, uint32_t number, struct p1_extension *out);

void p1_write_domain(struct ber_writer *w, const struct p1_domain *domain);
void p1_write_identifier(struct ber_writer *w, const struct p1_domain *domain, struct slice local);
void p1_write_time(struct ber_writer *w, ber_tag tag, uint64_t wall_ms);
/* critical: P1_FOR_TRANSFER and so on; value: already encoded. */
void p1_write_extension(
    struct ber_writer *w, uint32_t number, uint32_t critical, struct slice value);

#endif
