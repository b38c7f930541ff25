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

void
x400_past_append(const struct p1_passed *passed, char text[X400_LIFE_CAP])
{
    size_t n = strlen(text), first = passed->count - MIN(passed->count, (size_t)X400_PAST_MAX);

    if (passed->count == 0 && passed->reroutes == 0) {
        return;
    }
    n += (size_t)snprintf(text + n, X400_LIFE_CAP - n, " >%u", MIN(passed->reroutes, 99u));
    for (size_t i = first; i < passed->count; i++) {
        n += (size_t)snprintf(
            text + n, X400_LIFE_CAP - n, ":%08" PRIx32, or_route_mta_sum(passed->slices[i]));
    }
    CHECK(n < X400_LIFE_CAP);
}

void
x400_past_read(struct slice text, struct x400_past *out)
{
    struct slice rest = slice_skip(text, MIN(slice_find(text, '>') + 1, text.n)), part;
    uint64_t n;

    *out = (struct x400_past){ .count = 0 };
    if (slice_next(&rest, ':', &part) && slice_u64(part, 99, &n) == 0) {
        out->reroutes = (unsigned)n;
    }
    while (out->count < X400_PAST_MAX && slice_next(&rest, ':', &part)) {
        if (slice_hex_u64(part, &n) == 0 && n <= UINT32_MAX) {
            out->sums[out->count++] = (uint32_t)n;
        }
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
    size_t past = slice_find(text, '>'), blank = slice_find(text, ' ');
    struct slice name = slice_sub(text, 0, blank), rest;
    struct x400_life life = { .hold_until_wall_ms = 0 };
    size_t end;

    if (past > 0 && past < text.n && text.p[past - 1] == ' ') {
        text = slice_sub(text, 0, past - 1);
    }
    rest = slice_skip(text, MIN(blank + 1, text.n));
    end = slice_find(rest, ' ');

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
