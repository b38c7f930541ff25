#include "x400/x400_life.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const names[] = {
    [P1_NORMAL] = "normal", [P1_NON_URGENT] = "non-urgent", [P1_URGENT] = "urgent"
};

void
x400_life_write(const struct x400_life *life, char out[X400_LIFE_CAP])
{
    int n = snprintf(
        out, X400_LIFE_CAP, "%s %" PRIu64, names[life->priority], life->expires_wall_ms / 1000);

    if (life->hold_until_wall_ms != 0) {
        (void)snprintf(out + n, X400_LIFE_CAP - (size_t)n, " %" PRIu64,
            life->hold_until_wall_ms / 1000 + (life->hold_until_wall_ms % 1000 != 0));
    }
}

static bool
read_seconds(struct slice text, uint64_t *ms)
{
    uint64_t seconds;

    if (slice_u64(text, UINT64_MAX / 1000, &seconds) < 0) {
        return false;
    }
    *ms = seconds * 1000;
    return true;
}

bool
x400_life_read(struct slice text, struct x400_life *out)
{
    size_t blank = slice_find(text, ' ');
    struct slice name = slice_sub(text, 0, blank), rest = slice_skip(text, MIN(blank + 1, text.n));
    size_t end = slice_find(rest, ' ');
    struct x400_life life = { .hold_until_wall_ms = 0 };

    if (!read_seconds(slice_sub(rest, 0, end), &life.expires_wall_ms) ||
        (end < rest.n && !read_seconds(slice_skip(rest, end + 1), &life.hold_until_wall_ms))) {
        return false;
    }
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        if (slice_eq(name, slice_of(names[i]))) {
            life.priority = (enum p1_priority)i;
            *out = life;
            return true;
        }
    }
    return false;
}
