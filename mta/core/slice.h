/* core/slice.h - a borrowed run of bytes: pointer and length, never owned, not terminated.
 * All length arithmetic on outside data goes through here and buf.h. Pure. */
#ifndef CORE_SLICE_H
#define CORE_SLICE_H

#include "core/base.h"
#include <string.h>

struct slice {
    const char *p;
    size_t n;
};

#define SLICE_LIT(s) ((struct slice){ "" s, sizeof(s) - 1 })
#define SLICE_FMT(s) (int)MIN((s).n, (size_t)INT32_MAX), (s).p /* for "%.*s" */
#define SLICE_NONE   ((struct slice){ NULL, 0 })

struct slice slice_of(const char *cstr); /* NULL gives an empty slice */
bool slice_eq(struct slice a, struct slice b);
bool slice_ieq(struct slice a, struct slice b); /* ASCII case folded */
bool slice_starts(struct slice s, struct slice prefix);
bool slice_istarts(struct slice s, struct slice prefix);
bool slice_iends(struct slice s, struct slice suffix);

/* Bytes [from, from+n) clamped to s. */
static inline struct slice
slice_sub(struct slice s, size_t from, size_t n)
{
    if (s.p == NULL) {
        return s;
    }
    from = MIN(from, s.n);
    return (struct slice){ s.p + from, MIN(n, s.n - from) };
}
static inline struct slice
slice_skip(struct slice s, size_t n)
{
    return slice_sub(s, n, s.n);
}
struct slice slice_trim(struct slice s); /* spaces and tabs at both ends */

/* Index of the first c, or s.n if there is none. */
size_t slice_find(struct slice s, char c);
size_t slice_rfind(struct slice s, char c);

/* Take up to the first sep (excluded) out of *rest and step over sep. False when *rest is
 * exhausted. */
bool slice_next(struct slice *rest, char sep, struct slice *out);

/* Decimal or hexadecimal without sign or white space; BH_ESYNTAX, or BH_ETOOBIG above max. */
int slice_u64(struct slice s, uint64_t max, uint64_t *out) MUST_USE;
int slice_hex_u64(struct slice s, uint64_t *out) MUST_USE;

/* Copy into a terminated string of cap bytes; -ENOSPC (and out untouched) if it does not fit. */
int slice_copy(struct slice s, char *out, size_t cap) MUST_USE;
/* malloc'ed, terminated copy; NULL when out of memory. */
char *slice_dup(struct slice s) MUST_USE;

#endif
