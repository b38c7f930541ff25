#include "queue/census.h"
#include "queue/expected.h"
#include "queue/queue_int.h"

/* Numbers in order: segments that count, and those that are missed. */
struct numbers {
    const struct queue *q;
    const struct list *it;
    uint32_t missing;
    uint64_t left; /* so many more fit */
};

static struct numbers
numbers_of(const struct queue *q)
{
    return (struct numbers){ q, q->segments.order.next, 0, EXPECTED_MAX };
}

/* Does its file exist, and is it not about to go? The next segment is prepared, but not yet used: a
 * release deletes it. */
static bool
counts(const struct queue *q, const struct segment *s)
{
    return !s->freeing && !s->left_out && s->seq <= journal_segment(q->journal)->seq;
}

static bool
next_number(struct numbers *n, uint64_t *seq)
{
    const struct list *end = &n->q->segments.order;
    const struct segment *s;

    while (n->it != end && !counts(n->q, CONTAINER_OF(n->it, const struct segment, link))) {
        n->it = n->it->next;
    }
    s = n->it != end ? CONTAINER_OF(n->it, const struct segment, link) : NULL;
    if (n->left == 0 || (s == NULL && n->missing == n->q->missing_count)) {
        return false;
    }
    n->left--;
    *seq = n->missing < n->q->missing_count ? n->q->missing[n->missing] : UINT64_MAX;
    if (s != NULL && s->seq <= *seq) {
        n->missing += s->seq == *seq;
        *seq = s->seq;
        n->it = n->it->next;
    } else {
        n->missing++;
    }
    return true;
}

/* The next range from *n on; false: there is none. */
static bool
next_range(struct numbers *n, uint64_t *first, uint64_t *last)
{
    struct numbers ahead;
    uint64_t seq;

    if (!next_number(n, first)) {
        return false;
    }
    *last = *first;
    for (ahead = *n; next_number(&ahead, &seq) && seq == *last + 1; *n = ahead) {
        *last = seq;
    }
    return true;
}

int
census_put(struct queue *q)
{
    uint64_t most = (journal_payload_max(q->journal) - CENSUS_HEAD_BYTES) / CENSUS_RANGE_BYTES;
    struct numbers n = numbers_of(q);
    struct journal_place place;
    uint32_t ranges = 0;
    uint64_t first, last;
    uint8_t *at;
    int rc;

    while (ranges < most && next_range(&n, &first, &last)) {
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
    n = numbers_of(q);
    for (uint32_t i = 0; i < ranges && next_range(&n, &first, &last); i++) {
        put_le64(at + CENSUS_HEAD_BYTES + i * CENSUS_RANGE_BYTES, first);
        put_le64(at + CENSUS_HEAD_BYTES + i * CENSUS_RANGE_BYTES + 8, last);
        put_le32(at, i + 1); /* adding may have begun the next segment: one range more at most */
    }
    return 0;
}

void
census_free_dying(struct queue *q)
{
    struct journal_wait w = { WAIT_CENSUS, NULL, NULL, NULL };

    if (q->census_waits || list_empty(&q->dying) || q->failed != 0) {
        return;
    }
    q->census_waits = true;
    if (census_put(q) < 0 || journal_wait_beside(q->journal, &w) < 0) {
        q->census_waits = false;
        q->reap_wanted = true;
    }
}
