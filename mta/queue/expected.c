#include "queue/expected.h"
#include "queue/census.h"
#include "queue/record.h"
#include "queue/segment.h"
#include <stdlib.h>

void
expected_begin(struct expected *e, uint64_t from_seq)
{
    *e = (struct expected){ .upto = from_seq > 0 ? from_seq - 1 : 0, .blank = true };
}

void
expected_fini(struct expected *e)
{
    free(e->seqs);
    e->seqs = NULL;
    e->count = e->capacity = 0;
}

/* More than any store has are not of our making: the rest is not missed. */
static int
add(struct expected *e, uint64_t first, uint64_t last)
{
    uint64_t room = EXPECTED_MAX - e->count, n;

    if (first > last || room == 0) {
        return 0;
    }
    n = MIN(last - first, room - 1) + 1;
    if (e->count + n > e->capacity) {
        uint32_t capacity = (uint32_t)MAX(e->count + n, (uint64_t)e->capacity * 2);
        uint64_t *grown = realloc(e->seqs, capacity * sizeof(*grown));

        if (grown == NULL) {
            return -ENOMEM;
        }
        e->seqs = grown;
        e->capacity = capacity;
    }
    for (uint64_t i = 0; i < n; i++) {
        e->seqs[e->count++] = first + i;
    }
    return 0;
}

int
expected_segment(struct expected *e, uint64_t seq, uint64_t epoch_first)
{
    if (epoch_first == 0 || epoch_first > seq) {
        expected_unknown(e, MAX(e->upto, seq - 1));
        return 0;
    }
    return add(e, MAX(e->upto + 1, epoch_first), seq);
}

void
expected_segment_end(struct expected *e, uint64_t seq)
{
    e->upto = MAX(e->upto, seq);
}

int
expected_seal(struct expected *e, struct slice payload)
{
    struct reader r = reader_of(payload);
    uint32_t count;
    int rc = 0;

    (void)read_u32(&r);
    (void)read_u32(&r);
    count = read_u32(&r);
    (void)read_u32(&r);
    for (uint32_t i = 0; rc == 0 && i < count && !r.bad; i++) {
        uint64_t seq = read_u64(&r), valid_bytes;

        (void)read_u64(&r); /* epoch */
        (void)read_u64(&r); /* salt */
        valid_bytes = read_u64(&r);
        if (!r.bad && (e->blank || seq > e->upto) && valid_bytes > SEGMENT_HEADER_BYTES) {
            rc = add(e, seq, seq);
        }
    }
    return rc < 0 ? rc : r.bad ? BH_EDAMAGED : 0;
}

/* Are these ranges in order, and not too much? */
static bool
ranges_are_good(struct reader r, uint32_t ranges)
{
    uint64_t total = 0, before = 0;

    for (uint32_t i = 0; i < ranges && !r.bad; i++) {
        uint64_t first = read_u64(&r), last = read_u64(&r);

        if (r.bad || first > last || first < before || last - first >= EXPECTED_MAX ||
            last == UINT64_MAX) {
            return false;
        }
        before = last;
        total += last - first + 1;
        if (total > EXPECTED_MAX) {
            return false;
        }
    }
    return !r.bad;
}

int
expected_census(struct expected *e, struct slice payload, uint64_t seq)
{
    struct reader r = reader_of(payload);
    uint32_t ranges = read_u32(&r);
    int rc = 0;

    (void)read_u32(&r);
    if (!ranges_are_good(r, ranges)) {
        return BH_EDAMAGED;
    }
    e->count = 0;
    for (uint32_t i = 0; rc == 0 && i < ranges; i++) {
        uint64_t first = read_u64(&r), last = read_u64(&r);

        rc = add(e, first, last);
    }
    e->upto = e->said = seq;
    e->blank = false;
    return rc;
}

void
expected_unknown(struct expected *e, uint64_t seq)
{
    e->count = 0;
    e->upto = seq;
    e->said = 0;
    e->blank = true;
}

int
expected_through(struct expected *e, uint64_t seq)
{
    return add(e, e->blank ? MAX(e->upto + 1, seq) : e->upto + 1, seq);
}

static int
by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

void
expected_settle(struct expected *e)
{
    uint32_t n = 0;

    if (e->count > 0) {
        qsort(e->seqs, e->count, sizeof(*e->seqs), by_number);
    }
    for (uint32_t i = 0; i < e->count; i++) {
        if (n == 0 || e->seqs[n - 1] != e->seqs[i]) {
            e->seqs[n++] = e->seqs[i];
        }
    }
    e->count = n;
}

bool
expected_leaves_out(const struct expected *e, uint64_t seq)
{
    return seq <= e->said &&
           (e->count == 0 || bsearch(&seq, e->seqs, e->count, sizeof(*e->seqs), by_number) == NULL);
}
