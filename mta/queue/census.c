#include "queue/census.h"
#include "queue/queue_int.h"
#include <stdlib.h>

/* Does its file exist, and is it not about to go? The next segment is prepared, but not yet used: a
 * release deletes it. */
static bool
counts(const struct queue *q, const struct segment *s)
{
    return !s->freeing && s->seq <= journal_segment(q->journal)->seq;
}

/* The next range from *it on; false: there is none. */
static bool
next_range(const struct queue *q, const struct list **it, uint64_t *first, uint64_t *last)
{
    const struct list *end = &q->segments.order;

    while (*it != end && !counts(q, CONTAINER_OF(*it, const struct segment, link))) {
        *it = (*it)->next;
    }
    if (*it == end) {
        return false;
    }
    *first = *last = CONTAINER_OF(*it, const struct segment, link)->seq;
    for (*it = (*it)->next; *it != end; *it = (*it)->next) {
        const struct segment *s = CONTAINER_OF(*it, const struct segment, link);

        if (!counts(q, s) || s->seq != *last + 1) {
            break;
        }
        *last = s->seq;
    }
    return true;
}

int
census_put(struct queue *q)
{
    const struct list *it = q->segments.order.next;
    struct journal_place place;
    uint32_t ranges = 0;
    uint64_t first, last;
    uint8_t *at;
    int rc;

    while (next_range(q, &it, &first, &last)) {
        ranges++;
    }
    rc = journal_add(q->journal, RECORD_CENSUS,
        CENSUS_HEAD_BYTES + (uint64_t)ranges * CENSUS_RANGE_BYTES, &place);
    if (rc < 0) {
        return rc;
    }
    at = place.payload;
    put_le32(at, 0);
    put_le32(at + 4, 0);
    it = q->segments.order.next;
    for (uint32_t i = 0; i < ranges && next_range(q, &it, &first, &last); i++) {
        put_le64(at + CENSUS_HEAD_BYTES + i * CENSUS_RANGE_BYTES, first);
        put_le64(at + CENSUS_HEAD_BYTES + i * CENSUS_RANGE_BYTES + 8, last);
        put_le32(at, i + 1); /* adding may have begun the next segment: one range more at most */
    }
    return 0;
}

int
census_get(struct slice payload, struct census *c)
{
    struct reader r = reader_of(payload);
    uint32_t ranges = read_u32(&r);
    struct reader again;
    uint64_t total = 0, before = 0;
    uint64_t *seqs;
    uint32_t n = 0;

    (void)read_u32(&r);
    again = r;
    for (uint32_t i = 0; i < ranges && !r.bad; i++) {
        uint64_t first = read_u64(&r), last = read_u64(&r);

        if (r.bad || first > last || first < before || last - first >= CENSUS_SEQS_MAX ||
            last == UINT64_MAX) {
            return BH_EDAMAGED;
        }
        before = last;
        total += last - first + 1;
        if (total > CENSUS_SEQS_MAX) {
            return BH_EDAMAGED;
        }
    }
    if (r.bad) {
        return BH_EDAMAGED;
    }
    seqs = malloc((size_t)(total + 1) * sizeof(*seqs));
    if (seqs == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < ranges; i++) {
        uint64_t first = read_u64(&again), last = read_u64(&again);

        for (uint64_t seq = first; seq <= last; seq++) {
            seqs[n++] = seq;
        }
    }
    free(c->seqs);
    *c = (struct census){ seqs, n, true };
    return 0;
}
