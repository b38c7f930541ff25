#include "x400/or_route.h"
#include "core/crc32c.h"
#include "x400/or_address_table.h"
#include <stdlib.h>

struct row {
    uint32_t space; /* index */
    uint32_t cost;
    uint16_t connector;
};

struct space {
    struct or_address address;
    uint64_t weight;
    uint32_t hash;
    uint32_t exact;  /* which of DOMAIN it has, and not as a beginning: its class */
    uint32_t domain; /* the hash of those */
    uint32_t next;   /* of the same bucket: index + 1; 0: none */
};

/* Spaces are found by the attributes that most of them differ in: for each class that there is, the
 * bucket of what the address has in these attributes. */
#define DOMAIN      (1u << OR_C | 1u << OR_A | 1u << OR_P)
#define DOMAIN_ENDS (DOMAIN + 1)
#define BUCKETS     1024u /* a power of 2 */

/* Rows in the order in which they are looked through: of the heaviest space first, those of one
 * space together and by cost. */
struct or_route_table {
    struct space **spaces;
    struct row *rows;
    uint32_t space_count, row_count, row_capacity, space_capacity;
    uint32_t buckets[BUCKETS]; /* index + 1; 0: empty */
    bool classes[DOMAIN_ENDS]; /* those that there are */
    char mta[OR_ROUTE_CONNECTORS_MAX][OR_ROUTE_MTA_BYTES_MAX];
    uint8_t mta_bytes[OR_ROUTE_CONNECTORS_MAX];
    uint32_t mta_sum[OR_ROUTE_CONNECTORS_MAX];
};

int
or_route_table_new(struct or_route_table **out)
{
    struct or_route_table *t = calloc(1, sizeof(*t));

    if (t == NULL) {
        return -ENOMEM;
    }
    *out = t;
    return 0;
}

void
or_route_table_free(struct or_route_table *t)
{
    if (t == NULL) {
        return;
    }
    for (uint32_t i = 0; i < t->space_count; i++) {
        free(t->spaces[i]);
    }
    free(t->spaces);
    free(t->rows);
    free(t);
}

uint32_t
or_route_mta_sum(struct slice mta)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < mta.n; i++) {
        char c = mta.p[i] >= 'A' && mta.p[i] <= 'Z' ? (char)(mta.p[i] - 'A' + 'a') : mta.p[i];

        sum = crc32c(sum, &c, 1);
    }
    return sum;
}

int
or_route_connector(struct or_route_table *t, uint16_t connector, struct slice mta)
{
    if (connector >= OR_ROUTE_CONNECTORS_MAX || mta.n > OR_ROUTE_MTA_BYTES_MAX) {
        return BH_ETOOBIG;
    }
    if (mta.n > 0) {
        memcpy(t->mta[connector], mta.p, mta.n);
    }
    t->mta_bytes[connector] = (uint8_t)mta.n;
    t->mta_sum[connector] = or_route_mta_sum(mta);
    return 0;
}

/* ---- adding */

/* Room for one more of size bytes. */
static int
grow(void **array, uint32_t count, uint32_t *capacity, size_t size)
{
    uint32_t wanted = MAX(16, *capacity * 2);
    void *bigger;

    if (count < *capacity) {
        return 0;
    }
    bigger = realloc(*array, wanted * size);
    if (bigger == NULL) {
        return -ENOMEM;
    }
    *array = bigger;
    *capacity = wanted;
    return 0;
}

static uint32_t
bucket_of(uint32_t exact, uint32_t domain)
{
    return (domain ^ domain >> 16 ^ exact) % BUCKETS;
}

static void
index_space(struct or_route_table *t, struct space *s, uint32_t index)
{
    uint32_t *bucket;

    s->exact = s->address.there & ~s->address.prefix & DOMAIN;
    s->domain = or_address_hash_some(&s->address, s->exact);
    bucket = &t->buckets[bucket_of(s->exact, s->domain)];
    s->next = *bucket;
    *bucket = index + 1;
    t->classes[s->exact] = true;
}

/* The index of this space, new or old; or a negative code. */
static int64_t
find_or_add_space(struct or_route_table *t, const struct or_address *address)
{
    void *array = t->spaces;
    uint32_t hash = or_address_hash(address);
    struct space *s;
    int rc;

    for (uint32_t i = 0; i < t->space_count; i++) {
        if (t->spaces[i]->hash == hash && or_address_equal(&t->spaces[i]->address, address)) {
            return i;
        }
    }
    rc = grow(&array, t->space_count, &t->space_capacity, sizeof(t->spaces[0]));
    t->spaces = array;
    if (rc < 0) {
        return rc;
    }
    s = malloc(sizeof(*s));
    if (s == NULL) {
        return -ENOMEM;
    }
    s->address = *address;
    s->weight = or_address_weight(address);
    s->hash = hash;
    t->spaces[t->space_count] = s;
    index_space(t, s, t->space_count);
    return t->space_count++;
}

/* Does a new row belong before this one? Equal ones keep the order in which they were given. */
static bool
before(const struct or_route_table *t, const struct row *new, const struct row *old)
{
    uint64_t n = t->spaces[new->space]->weight, o = t->spaces[old->space]->weight;

    if (n != o) {
        return n > o;
    }
    return new->space != old->space ? new->space < old->space : new->cost < old->cost;
}

int
or_route_add(struct or_route_table *t, const struct or_address *space, uint16_t connector,
    uint32_t cost, struct or_error *error)
{
    struct row row = { .cost = cost, .connector = connector };
    void *array = t->rows;
    int64_t index;
    uint32_t at;
    int rc;

    if (connector >= OR_ROUTE_CONNECTORS_MAX || t->row_count == OR_ROUTE_ROWS_MAX) {
        return or_bad(error, BH_ETOOBIG, "address space: more than %d connectors or %d rows",
            OR_ROUTE_CONNECTORS_MAX, OR_ROUTE_ROWS_MAX);
    }
    if (cost > OR_ROUTE_COST_MAX) {
        return or_bad(
            error, BH_ETOOBIG, "cost: %u; the limit is %d", (unsigned)cost, OR_ROUTE_COST_MAX);
    }
    rc = grow(&array, t->row_count, &t->row_capacity, sizeof(t->rows[0]));
    t->rows = array;
    index = rc < 0 ? rc : find_or_add_space(t, space);
    if (index < 0) {
        return or_bad(error, (int)index, "address space: %s", error_text((int)index));
    }
    row.space = (uint32_t)index;
    for (at = 0; at < t->row_count; at++) {
        if (t->rows[at].space == row.space && t->rows[at].connector == connector) {
            return or_bad(error, -EEXIST, "address space: given twice for one connector");
        }
    }
    for (at = t->row_count; at > 0 && before(t, &row, &t->rows[at - 1]); at--) {
        t->rows[at] = t->rows[at - 1];
    }
    t->rows[at] = row;
    t->row_count++;
    return 0;
}

/* ---- finding */

static bool
is_up(const struct or_route_query *q, uint16_t connector)
{
    return connector < q->up_count && q->up[connector];
}

/* R1 and R2. */
static bool
leads_back(const struct or_route_table *t, const struct or_route_query *q, uint16_t connector)
{
    struct slice mta = { t->mta[connector], t->mta_bytes[connector] };

    if (connector == q->came_by) {
        return true;
    }
    for (size_t i = 0; i < q->passed_count && mta.n > 0; i++) {
        if (slice_ieq(q->passed[i], mta)) {
            return true;
        }
    }
    for (size_t i = 0; i < q->passed_sum_count && mta.n > 0; i++) {
        if (q->passed_sums[i] == t->mta_sum[connector]) {
            return true;
        }
    }
    return false;
}

/* Index + 1 of the heaviest space that matches, of equal ones of the first; 0: none does. */
static uint32_t
find_space(const struct or_route_table *t, const struct or_address *to)
{
    uint32_t best = 0;

    for (uint32_t exact = 0; exact < DOMAIN_ENDS; exact++) {
        uint32_t domain;

        if (!t->classes[exact]) {
            continue;
        }
        domain = or_address_hash_some(to, exact);
        for (uint32_t i = t->buckets[bucket_of(exact, domain)]; i != 0;
             i = t->spaces[i - 1]->next) {
            const struct space *s = t->spaces[i - 1];
            uint64_t least = best != 0 ? t->spaces[best - 1]->weight : 0;

            if (s->exact == exact && s->domain == domain &&
                (best == 0 || s->weight > least || (s->weight == least && i < best)) &&
                or_address_match(to, &s->address)) {
                best = i;
            }
        }
    }
    return best;
}

/* The rows of the most specific space that matches are those from *first to before the result. */
static uint32_t
find_rows(const struct or_route_table *t, const struct or_address *to, uint32_t *first)
{
    const struct row least = { .space = find_space(t, to) - 1 };
    uint32_t low = 0, end = t->row_count;

    if (least.space == UINT32_MAX) {
        *first = 0;
        return 0;
    }
    while (low < end) { /* the first that is not before a row of no cost */
        uint32_t middle = low + (end - low) / 2;

        if (before(t, &t->rows[middle], &least)) {
            low = middle + 1;
        } else {
            end = middle;
        }
    }
    for (end = low; end < t->row_count && t->rows[end].space == least.space; end++) {
    }
    *first = low;
    return end;
}

struct or_route
or_route_find(const struct or_route_table *t, const struct or_route_query *q)
{
    struct or_route out = { OR_ROUTE_NONE, OR_ROUTE_NO_CONNECTOR, OR_ROUTE_NO_CONNECTOR, 0 };
    uint32_t first, end = find_rows(t, q->to, &first);

    for (uint32_t i = first; i < end; i++) {
        const struct row *row = &t->rows[i];
        bool cheapest = out.verdict != OR_ROUTE_WAIT;

        if (leads_back(t, q, row->connector)) {
            out.verdict = cheapest ? OR_ROUTE_LOOP : out.verdict;
            continue;
        }
        if (is_up(q, row->connector)) {
            return (struct or_route){ OR_ROUTE_GO, row->connector, out.via, row->cost };
        }
        if (cheapest) {
            out = (struct or_route){ OR_ROUTE_WAIT, row->connector, OR_ROUTE_NO_CONNECTOR,
                row->cost };
        }
        if (q->reroutes >= OR_REROUTES_MAX) {
            break; /* R3: only the cheapest */
        }
    }
    return out;
}

enum or_route_verdict
or_route_list(const struct or_route_table *t, const struct or_route_query *q, uint16_t *via,
    size_t cap, size_t *count)
{
    uint32_t first, end = find_rows(t, q->to, &first);
    size_t n = 0, most = q->reroutes >= OR_REROUTES_MAX ? MIN(cap, (size_t)1) : cap;

    for (uint32_t i = first; i < end && n < most; i++) {
        if (!leads_back(t, q, t->rows[i].connector)) {
            via[n++] = t->rows[i].connector;
        }
    }
    *count = n;
    return n > 0 ? OR_ROUTE_GO : first < end ? OR_ROUTE_LOOP : OR_ROUTE_NONE;
}
