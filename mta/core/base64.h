/* core/base64.h - RFC 4648 base64, with padding. Pure. */
#ifndef CORE_BASE64_H
#define CORE_BASE64_H

#include "core/slice.h"
#include <sys/types.h>

static inline size_t
base64_bytes(size_t n)
{
    return (n + 2) / 3 * 4;
}
/* base64_bytes(s.n) characters, no terminator. */
void base64_encode(struct slice s, char *out);
/* The decoded count; -1: no base64, or more than cap bytes. Padding may be missing. */
ssize_t base64_decode(struct slice text, char *out, size_t cap) MUST_USE;

#endif
