/* core/secret.h - passwords in memory: in no core dump, not swapped out where that is allowed, and
 * overwritten when they go.
 *
 * What is handed out is borrowed: it must not be logged, nor copied to other memory but what leaves
 * the process at once.
 */
#ifndef CORE_SECRET_H
#define CORE_SECRET_H

#include "core/slice.h"

struct secrets; /* room for some */

int secrets_new(struct secrets **out, size_t bytes) MUST_USE; /* -ENOMEM, -errno */
void secrets_free(struct secrets *s);                         /* NULL is fine */
/* The one line of a file, without its end: at most bytes_max octets, read nowhere else. BH_ESYNTAX:
 * it is empty, or more than one line; BH_ETOOBIG: longer, or no room; -errno of reading. *out lives
 * as long as s. */
int secrets_read_line(
    struct secrets *s, const char *path, size_t bytes_max, struct slice *out) MUST_USE;
/* One of another's, which may end before s does. BH_ETOOBIG: no room. An empty one needs none. */
int secrets_copy(struct secrets *s, struct slice secret, struct slice *out) MUST_USE;

#endif
