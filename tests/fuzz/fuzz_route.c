/* links: core mail route */
#include "route/route.h"
#include <stdlib.h>

/* Lines of input: patterns, an empty line, domains. A pattern that is taken once is refused twice;
 * a plain one finds itself; and what a linear search by the documented rule finds is found. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATTERNS_MAX 64

struct known {
    struct slice patterns[PATTERNS_MAX];
    uint16_t count;
};

static struct slice
without_dot(struct slice s)
{
    return s.n > 1 && s.p[s.n - 1] == '.' ? slice_sub(s, 0, s.n - 1) : s;
}

/* How well a pattern matches: 0 not at all, 1 "*", else more for more. */
static size_t
match(struct slice pattern, struct slice domain)
{
    struct slice below = slice_skip(pattern, 1);

    if (slice_eq(pattern, SLICE_LIT("*"))) {
        return 1;
    }
    domain = without_dot(domain);
    if (domain.n == 0 || domain.n > ADDRESS_DOMAIN_BYTES_MAX) {
        return 0;
    }
    if (!slice_starts(pattern, SLICE_LIT("*."))) {
        return slice_ieq(without_dot(pattern), domain) ? 1000 : 0;
    }
    below = without_dot(below);
    return domain.p[0] != '[' && domain.n >= below.n && slice_iends(domain, below) ? 1 + below.n
                                                                                   : 0;
}

static void
check_find(const struct route_table *t, const struct known *k, struct slice domain)
{
    const struct route *found = route_find(t, domain.n > 0 ? domain : SLICE_LIT("h.example"));
    size_t best = 0;
    uint16_t via = 0;

    if (domain.n == 0) {
        return;
    }
    for (uint16_t i = 0; i < k->count; i++) {
        size_t m = match(k->patterns[i], domain);

        if (m > best) {
            best = m;
            via = i;
        }
    }
    CHECK((found != NULL) == (best > 0));
    CHECK(found == NULL || found->via[0] == via);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = { (const char *)data, size }, line;
    struct route_table_options o = { .hostname = "h.example" };
    struct route_table *t;
    struct known k = { .count = 0 };

    if (route_table_new(&t, &o) < 0) {
        return 0;
    }
    while (slice_next(&rest, '\n', &line) && line.n > 0) {
        if (k.count < PATTERNS_MAX && route_table_add(t, line, &k.count, 1) == 0) {
            CHECK(route_table_add(t, line, &k.count, 1) == -EEXIST);
            k.patterns[k.count++] = line;
        }
    }
    for (int i = 0; i < 100 && slice_next(&rest, '\n', &line); i++) {
        check_find(t, &k, line);
    }
    for (uint16_t i = 0; i < k.count; i++) {
        if (k.patterns[i].p[0] != '*') {
            check_find(t, &k, k.patterns[i]);
        }
    }
    route_table_free(t);
    return 0;
}
