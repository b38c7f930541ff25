/* route/route_table.c - patterns to connectors: three places to look, whatever their number.
 *
 * Exact names and "*.suffix" rows are in two hash maps; a look-up of a.b.c asks exact "a.b.c", then
 * below "b.c", below "c", then "*". A name has at most 127 labels, so the work is bounded.
 */
#include "route/route.h"

#include "core/map.h"

#include <stdlib.h>

#define NAME_BYTES_MAX ADDRESS_DOMAIN_BYTES_MAX

/* One pattern: of a route, or of relay.domains (then route is unused). */
struct row {
    struct map_node node;
    struct route route;
    size_t name_bytes;
    char name[]; /* lower case, without "*." */
};

/* What a pattern can be looked up in. */
struct patterns {
    struct map exact, below;
    struct row *any; /* "*" */
};

struct route_table {
    struct patterns routes, domains;
    struct netaddr_prefix *clients;
    size_t client_count;
    char *hostname, *postmaster;
};

static struct slice
row_key(const struct map_node *n)
{
    const struct row *r = CONTAINER_OF(n, struct row, node);

    return (struct slice){ r->name, r->name_bytes };
}

/* Lower case, without a final dot. False: not a name that a pattern could match. */
static bool
normal_form(struct slice s, char out[NAME_BYTES_MAX], struct slice *name)
{
    if (s.n > 1 && s.p[s.n - 1] == '.') {
        s.n--;
    }
    if (s.n == 0 || s.n > NAME_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        out[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    *name = (struct slice){ out, s.n };
    return true;
}

static bool
label_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           ((unsigned char)c & 0x80) != 0; /* an internationalised name as typed */
}

/* Labels of 1 to 63 bytes, or "[...]". */
static bool
name_valid(struct slice name)
{
    size_t label = 0;

    if (name.p[0] == '[') {
        return name.n > 2 && slice_find(name, ']') == name.n - 1;
    }
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '.') {
            if (label == 0) {
                return false;
            }
            label = 0;
        } else if (!label_char(name.p[i]) || ++label > 63) {
            return false;
        }
    }
    return label > 0;
}

static void
patterns_init(struct patterns *p)
{
    map_init(&p->exact);
    map_init(&p->below);
    p->any = NULL;
}

static void
free_rows(struct map *m)
{
    struct map_node *n = map_first(m);

    while (n != NULL) {
        struct map_node *next = map_next(m, n);

        free(CONTAINER_OF(n, struct row, node));
        n = next;
    }
    map_fini(m);
}

static void
patterns_fini(struct patterns *p)
{
    free_rows(&p->exact);
    free_rows(&p->below);
    free(p->any);
}

static int
patterns_add(struct patterns *p, struct slice pattern, struct row **out)
{
    char text[NAME_BYTES_MAX];
    struct slice name = SLICE_NONE;
    bool any = slice_eq(pattern, SLICE_LIT("*"));
    bool below = slice_starts(pattern, SLICE_LIT("*."));
    struct row *r;
    int rc = 0;

    if (!any) {
        if (!normal_form(below ? slice_skip(pattern, 2) : pattern, text, &name) ||
            !name_valid(name) || (below && name.p[0] == '[')) {
            return BH_ESYNTAX;
        }
    }
    r = calloc(1, sizeof(*r) + name.n + 1);
    if (r == NULL) {
        return -ENOMEM;
    }
    r->name_bytes = name.n;
    if (name.n > 0) {
        memcpy(r->name, name.p, name.n);
    }
    if (!any) {
        rc = map_insert(below ? &p->below : &p->exact, &r->node, row_key);
    } else if (p->any == NULL) {
        p->any = r;
    } else {
        rc = -EEXIST;
    }
    if (rc < 0) {
        free(r);
        return rc;
    }
    *out = r;
    return 0;
}

/* The row of the longest match, or NULL. */
static const struct row *
patterns_find(const struct patterns *p, struct slice domain)
{
    char text[NAME_BYTES_MAX];
    struct slice name;
    const struct map_node *n;

    if (!normal_form(domain, text, &name)) {
        return p->any;
    }
    n = map_find(&p->exact, name, row_key);
    if (n == NULL && name.p[0] != '[' && p->below.count > 0) {
        for (;;) {
            size_t dot = slice_find(name, '.');

            if (dot >= name.n) {
                break;
            }
            name = slice_skip(name, dot + 1);
            n = map_find(&p->below, name, row_key);
            if (n != NULL) {
                break;
            }
        }
    }
    return n != NULL ? CONTAINER_OF(n, struct row, node) : p->any;
}

static int
copy_options(struct route_table *t, const struct route_table_options *o)
{
    t->hostname = slice_dup(slice_of(o->hostname));
    t->postmaster = slice_dup(o->postmaster);
    if (t->hostname == NULL || t->postmaster == NULL) {
        return -ENOMEM;
    }
    if (o->client_count > 0) {
        t->clients = calloc(o->client_count, sizeof(*t->clients));
        if (t->clients == NULL) {
            return -ENOMEM;
        }
        memcpy(t->clients, o->clients, o->client_count * sizeof(*t->clients));
        t->client_count = o->client_count;
    }
    for (size_t i = 0; i < o->domain_count; i++) {
        struct row *r;
        int rc = patterns_add(&t->domains, o->domains[i], &r);

        if (rc < 0 && rc != -EEXIST) { /* named twice permits as well as once */
            return rc;
        }
    }
    return 0;
}

int
route_table_new(struct route_table **out, const struct route_table_options *o)
{
    struct route_table *t = calloc(1, sizeof(*t));
    int rc;

    if (t == NULL) {
        return -ENOMEM;
    }
    patterns_init(&t->routes);
    patterns_init(&t->domains);
    rc = copy_options(t, o);
    if (rc < 0) {
        route_table_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void
route_table_free(struct route_table *t)
{
    if (t == NULL) {
        return;
    }
    patterns_fini(&t->routes);
    patterns_fini(&t->domains);
    free(t->clients);
    free(t->hostname);
    free(t->postmaster);
    free(t);
}

int
route_table_add(struct route_table *t, struct slice to, const uint16_t *via, size_t via_count)
{
    struct row *r;
    int rc;

    if (via_count == 0 || via_count > ROUTE_VIA_MAX) {
        return BH_ETOOBIG;
    }
    rc = patterns_add(&t->routes, to, &r);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < via_count; i++) {
        r->route.via[i] = via[i];
    }
    r->route.via_count = (uint8_t)via_count;
    return 0;
}

const struct route *
route_find(const struct route_table *t, struct slice domain)
{
    const struct row *r = patterns_find(&t->routes, domain.n > 0 ? domain : slice_of(t->hostname));

    return r != NULL ? &r->route : NULL;
}

bool
route_permits(const struct route_table *t, const struct netaddr *client, struct slice domain)
{
    for (size_t i = 0; i < t->client_count; i++) {
        if (netaddr_in(client, &t->clients[i])) {
            return true;
        }
    }
    return domain.n > 0 && patterns_find(&t->domains, domain) != NULL;
}

struct slice
route_postmaster(const struct route_table *t)
{
    return slice_of(t->postmaster);
}
