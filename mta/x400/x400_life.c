#include "x400/x400_life.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const names[] = {
    [P1_NORMAL] = "normal", [P1_NON_URGENT] = "non-urgent", [P1_URGENT] = "urgent"
};

void
x400_life_write(const struct x400_life *life, char out[X400_LIFE_CAP])
{
    (void)snprintf(
        out, X400_LIFE_CAP, "%s %" PRIu64, names[life->priority], life->expires_wall_ms / 1000);
}

bool
x400_life_read(struct slice text, struct x400_life *out)
{
    size_t blank = slice_find(text, ' ');
    struct slice name = slice_sub(text, 0, blank);
    uint64_t seconds;

    if (blank == text.n ||
        slice_u64(slice_skip(text, blank + 1), UINT64_MAX / 1000, &seconds) < 0) {
        return false;
    }
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        if (slice_eq(name, slice_of(names[i]))) {
            *out = (struct x400_life){ (enum p1_priority)i, seconds * 1000 };
            return true;
        }
    }
    return false;
}
