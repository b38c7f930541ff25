/* links: core x400 */
#include "x400/or_address.h"
#include "x400/or_route.h"

/* Lines of input are O/R addresses and patterns. What is taken is, written in either form and read
 * again, the same; equal is symmetric and means the same as matching both ways; a route that is
 * found matches, and none that matches weighs more. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINES_MAX 24

struct known {
    struct or_address addresses[LINES_MAX], patterns[LINES_MAX];
    uint16_t address_count, pattern_count;
};

static void
check_error(const struct or_error *error)
{
    size_t n = strnlen(error->text, sizeof(error->text));

    CHECK(n > 0 && n < sizeof(error->text));
    for (size_t i = 0; i < n; i++) {
        CHECK(error->text[i] >= ' ' && error->text[i] <= '~');
    }
}

static void
check_text(const struct or_address *a, bool pattern)
{
    for (enum or_text form = OR_TEXT_SLASH; form <= OR_TEXT_SEMICOLON; form++) {
        char text[OR_ADDRESS_TEXT_BYTES_MAX], small[20];
        int n = or_address_text(a, form, text, sizeof(text));
        struct slice s = { text, (size_t)n };
        struct or_address again;
        struct or_error error;

        CHECK(n >= 0 && text[n] == '\0');
        CHECK((pattern ? or_address_parse_pattern(s, &again, &error)
                       : or_address_parse(s, &again, &error)) == 0);
        CHECK(or_address_equal(a, &again) && or_address_equal(&again, a));
        CHECK(again.store_n == a->store_n);
        CHECK(or_address_weight(a) == or_address_weight(&again));
        CHECK((or_address_text(a, form, small, sizeof(small)) < 0) == (n >= (int)sizeof(small)));
    }
}

static void
take(struct known *k, struct slice line)
{
    struct or_address a;
    struct or_error error;

    if (or_address_parse(line, &a, &error) == 0) {
        check_text(&a, false);
        CHECK(or_address_match(&a, &a) && or_address_equal(&a, &a));
        k->addresses[k->address_count++] = a;
        if (or_address_check(&a, &error) < 0) {
            check_error(&error);
        }
        /* What is taken as an address is a pattern, too, and the same. */
        CHECK(or_address_parse_pattern(line, &a, &error) == 0);
        CHECK(or_address_equal(&a, &k->addresses[k->address_count - 1]));
    } else {
        check_error(&error);
    }
    if (or_address_parse_pattern(line, &a, &error) == 0) {
        check_text(&a, true);
        k->patterns[k->pattern_count++] = a;
    } else {
        check_error(&error);
    }
}

static void
check_routes(const struct known *k)
{
    struct or_route_table *t;
    struct or_error error;

    if (or_route_table_new(&t) < 0) {
        return;
    }
    for (uint16_t i = 0; i < k->pattern_count; i++) {
        CHECK(or_route_add(t, &k->patterns[i], i, i % 3, &error) == 0);
        CHECK(or_route_add(t, &k->patterns[i], i, i % 3, &error) == -EEXIST);
    }
    for (uint16_t i = 0; i < k->address_count; i++) {
        struct or_route_query q = { .to = &k->addresses[i], .came_by = OR_ROUTE_NO_CONNECTOR };
        struct or_route r = or_route_find(t, &q);

        CHECK(r.verdict == OR_ROUTE_WAIT || r.verdict == OR_ROUTE_NONE);
        CHECK(r.verdict == OR_ROUTE_NONE || or_address_match(q.to, &k->patterns[r.via]));
        for (uint16_t j = 0; j < k->pattern_count; j++) {
            CHECK(!or_address_match(q.to, &k->patterns[j]) ||
                  (r.verdict == OR_ROUTE_WAIT && or_address_weight(&k->patterns[j]) <=
                                                     or_address_weight(&k->patterns[r.via])));
        }
    }
    or_route_table_free(t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct known k;
    struct slice rest = { (const char *)data, size }, line;

    k.address_count = k.pattern_count = 0;
    for (int i = 0; i < LINES_MAX && slice_next(&rest, '\n', &line); i++) {
        take(&k, line);
    }
    for (uint16_t i = 0; i + 1 < k.address_count; i++) {
        const struct or_address *a = &k.addresses[i], *b = &k.addresses[i + 1];

        CHECK(or_address_equal(a, b) == or_address_equal(b, a));
        CHECK(!or_address_equal(a, b) || or_address_hash(a) == or_address_hash(b));
        CHECK(or_address_equal(a, b) == (or_address_match(a, b) && or_address_match(b, a)));
    }
    check_routes(&k);
    return 0;
}
