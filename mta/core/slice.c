#include "core/slice.h"
#include <stdlib.h>

static unsigned char
fold(char c)
{
    unsigned char u = (unsigned char)c;

    return u >= 'A' && u <= 'Z' ? (unsigned char)(u + ('a' - 'A')) : u;
}

struct slice
slice_of(const char *cstr)
{
    return (struct slice){ cstr, cstr != NULL ? strlen(cstr) : 0 };
}

bool
slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
slice_ieq(struct slice a, struct slice b)
{
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        if (fold(a.p[i]) != fold(b.p[i])) {
            return false;
        }
    }
    return true;
}

bool
slice_starts(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && slice_eq(slice_sub(s, 0, prefix.n), prefix);
}

bool
slice_istarts(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && slice_ieq(slice_sub(s, 0, prefix.n), prefix);
}

bool
slice_iends(struct slice s, struct slice suffix)
{
    return s.n >= suffix.n && slice_ieq(slice_skip(s, s.n - suffix.n), suffix);
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct slice
slice_trim(struct slice s)
{
    while (s.n > 0 && is_blank(s.p[0])) {
        s = slice_skip(s, 1);
    }
    while (s.n > 0 && is_blank(s.p[s.n - 1])) {
        s.n--;
    }
    return s;
}

size_t
slice_find(struct slice s, char c)
{
    const char *at = s.n > 0 ? memchr(s.p, c, s.n) : NULL;

    return at != NULL ? (size_t)(at - s.p) : s.n;
}

size_t
slice_rfind(struct slice s, char c)
{
    const char *at = s.n > 0 ? memrchr(s.p, c, s.n) : NULL;

    return at != NULL ? (size_t)(at - s.p) : s.n;
}

bool
slice_next(struct slice *rest, char sep, struct slice *out)
{
    size_t at;

    if (rest->n == 0) {
        return false;
    }
    at = slice_find(*rest, sep);
    *out = slice_sub(*rest, 0, at);
    *rest = slice_skip(*rest, at < rest->n ? at + 1 : at);
    return true;
}

int
slice_u64(struct slice s, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;

    if (s.n == 0) {
        return BH_ESYNTAX;
    }
    /* All of it must be digits before "too big" is said: "99x" is a syntax error. */
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return BH_ESYNTAX;
        }
    }
    for (size_t i = 0; i < s.n; i++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value) || value > max) {
            return BH_ETOOBIG;
        }
    }
    *out = value;
    return 0;
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

int
slice_hex_u64(struct slice s, uint64_t *out)
{
    uint64_t value = 0;
    bool over = false;

    if (s.n == 0) {
        return BH_ESYNTAX;
    }
    for (size_t i = 0; i < s.n; i++) {
        int digit = hex_digit(s.p[i]);

        if (digit < 0) {
            return BH_ESYNTAX;
        }
        over = over || value > UINT64_MAX >> 4;
        value = (value << 4) | (uint64_t)digit;
    }
    if (over) {
        return BH_ETOOBIG;
    }
    *out = value;
    return 0;
}

int
slice_copy(struct slice s, char *out, size_t cap)
{
    if (s.n >= cap) {
        return -ENOSPC;
    }
    if (s.n > 0) {
        memcpy(out, s.p, s.n);
    }
    out[s.n] = '\0';
    return 0;
}

char *
slice_dup(struct slice s)
{
    char *copy;

    if (s.n == SIZE_MAX) {
        return NULL;
    }
    copy = malloc(s.n + 1);
    if (copy != NULL) {
        if (s.n > 0) {
            memcpy(copy, s.p, s.n);
        }
        copy[s.n] = '\0';
    }
    return copy;
}
