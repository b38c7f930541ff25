/* Choosing a round of compaction: is one due, and which segments is it to go through
 * (docs/formats/journal.md section 7b)? compact.c carries it out.
 *
 * The journal may take COMPACT_FACTOR times what its living messages need, and some segments more.
 * Beyond, or where room on the disk is short, a round is begun: the segments are chosen that free
 * most for what it costs. */
#include "core/log.h"
#include "queue/queue_int.h"
#include <stdlib.h>

#define COMPACT_FACTOR       2
#define ALIVE_SHORT_PERCENT  75  /* of a segment that is worth it where room is short */
#define SLACK_SEGMENTS       8   /* a small queue is not copied about for a few megabytes */
#define GUEST_BYTES          512 /* of a copied COMMIT, about */
#define STATE_FACTOR_PERCENT 150 /* a copied COMMIT, with replies, of what the COMMIT has */

/* ---- how large is it? */

static uint64_t
size_of(const struct queue *q, const struct segment *s)
{
    if (s->size_bytes != 0) {
        return s->size_bytes;
    }
    if (s->closed && !s->zeroed) { /* cut to its length when it ended */
        return (s->valid_bytes + IO_BLOCK_BYTES - 1) / IO_BLOCK_BYTES * IO_BLOCK_BYTES;
    }
    return segment_limit(s, q->segment_bytes);
}

uint64_t
queue_journal_bytes(const struct queue *q, uint64_t *live)
{
    uint64_t bytes = 0;

    *live = 0;
    LIST_FOR(it, &q->segments.order)
    {
        const struct segment *s = CONTAINER_OF(it, const struct segment, link);

        *live += s->live_bytes;
        bytes += size_of(q, s);
    }
    return bytes;
}

uint64_t
queue_compact_bound(const struct queue *q, uint64_t live)
{
    uint32_t slack = q->o.slack_segments != 0 ? q->o.slack_segments : SLACK_SEGMENTS;

    return live * COMPACT_FACTOR + slack * q->segment_bytes;
}

/* ---- choosing */

struct candidate {
    struct segment *s;
    uint64_t bytes;
};

struct choice { /* of the first n candidates */
    uint32_t n;
    uint64_t freed, cost;
};

static int
by_live(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    /* ratios, compared without division: both are below 2^31 times 2^31 */
    uint64_t left = x->s->live_bytes * (y->bytes / KIB),
             right = y->s->live_bytes * (x->bytes / KIB);

    if (left == right) {
        return x->s->seq < y->s->seq ? -1 : 1; /* the older one keeps fewer others waiting */
    }
    return left < right ? -1 : 1;
}

static struct segment *
segment_of(struct list *it)
{
    return CONTAINER_OF(it, struct segment, link);
}

/* Must s outlive one that cannot be retired? */
static bool
is_blocked(const struct queue *q, const struct segment *s)
{
    for (uint32_t i = 0; i < s->need_count; i++) {
        const struct segment *a = segtab_find(&q->segments, s->needs[i]);

        if (a->damaged || !a->closed) {
            return true;
        }
    }
    return false;
}

/* Where damage was dealt with, a record in another segment says so, and SURVIVORS would not keep
 * that one: so what lives there is copied, and until it is gone nothing that must outlive it goes.
 */
static bool
waits_for_mended(const struct queue *q, const struct segment *s)
{
    for (uint32_t i = 0; i < s->need_count; i++) {
        if (segtab_find(&q->segments, s->needs[i])->mended) {
            return true;
        }
    }
    return false;
}

/* The present and the next segment cannot be less, and of our epoch's first one the seal cannot be
 * said again (I8). */
static bool
is_counted(const struct queue *q, const struct segment *s)
{
    return s->closed && s != q->first;
}

/* All that could be freed, the least alive first. */
static uint32_t
list_candidates(struct queue *q, struct candidate *list)
{
    uint32_t n = 0;
    uint64_t blocked = 0;
    uint64_t alive_percent = q->is_short ? ALIVE_SHORT_PERCENT : 100 / COMPACT_FACTOR;

    LIST_FOR(it, &q->segments.order)
    {
        struct segment *s = segment_of(it);
        uint64_t bytes = size_of(q, s);

        s->wanted = WANTED_NO;
        if (!is_counted(q, s) || s->freeing || s->live_bytes >= bytes * alive_percent / 100 ||
            !space_regains(q->space, s)) {
            continue;
        }
        if (s->damaged || is_blocked(q, s)) {
            blocked++;
            s->wanted = s->damaged && s->live > 0 ? WANTED_COPY : WANTED_NO;
            continue;
        }
        if (waits_for_mended(q, s)) {
            continue;
        }
        list[n++] = (struct candidate){ s, bytes };
    }
    if (blocked > 0 && q->compaction.blocked == 0) {
        log_event(EV_QUEUE_COMPACT_BLOCKED, LF_UINT("segments", blocked));
    }
    q->compaction.blocked = blocked;
    qsort(list, n, sizeof(*list), by_live);
    return n;
}

/* What is freed and written if s goes, too. */
static void
add_candidate(struct queue *q, const struct candidate *k, struct choice *sum)
{
    struct segment *s = k->s;

    if (s->wanted == WANTED_RETIRE) {
        sum->cost -= s->commit_bytes * STATE_FACTOR_PERCENT / 100 + IO_BLOCK_BYTES;
    }
    s->wanted = WANTED_COPY;
    sum->n++;
    sum->freed += k->bytes;
    sum->cost += s->live_bytes + s->commit_bytes * (STATE_FACTOR_PERCENT - 100) / 100;
    sum->cost += MIN(s->guest_count, s->live) * (uint64_t)GUEST_BYTES; /* COMMITs from elsewhere */
    for (uint32_t i = 0; i < s->need_count; i++) {
        struct segment *a = segtab_find(&q->segments, s->needs[i]);

        if (a->wanted == WANTED_NO && !a->freeing) {
            a->wanted = WANTED_RETIRE;
            sum->cost += a->commit_bytes * STATE_FACTOR_PERCENT / 100 + IO_BLOCK_BYTES;
        }
    }
}

/* What a round may write while room is short: there must be a place for it. */
static uint64_t
place_bytes(const struct queue *q)
{
    const struct segment *now = journal_segment(q->journal);
    uint64_t reserve, room = space_room_bytes(q->space, &reserve);
    uint64_t end = segment_limit(now, q->segment_bytes);
    uint64_t used = journal_position(q->journal) - now->seq * q->segment_bytes;

    return end - MIN(used, end) + room + reserve / 2;
}

/* Does it pay? need: what is above the bound. While room is short a round must win a segment, or
 * free twice what it writes, which a full disk can always stand. */
static bool
is_enough(const struct queue *q, const struct choice *c, uint64_t need, uint64_t place)
{
    if (!q->is_short) {
        return c->freed >= c->cost + need;
    }
    if (c->freed >= c->cost * 2 && (q->low || c->freed >= c->cost + q->segment_bytes / 4)) {
        return true;
    }
    return c->freed >= c->cost + q->segment_bytes && c->cost <= place;
}

/* Is this better than what was found so far? */
static bool
is_better(const struct queue *q, const struct choice *c, const struct choice *best, uint64_t need,
    uint64_t place)
{
    if (c->freed <= c->cost || !is_enough(q, c, need, place)) {
        return false;
    }
    return best->n == 0 ||
           c->freed / KIB * (best->cost / KIB + 1) > best->freed / KIB * (c->cost / KIB + 1);
}

/* Mark what the round is to go through; false: nothing, or it does not pay. */
static bool
choose(struct queue *q, uint64_t need)
{
    struct candidate *list = calloc(q->segments.count, sizeof(*list));
    struct choice sum = { 0 }, best = { 0 };
    uint64_t place = place_bytes(q);
    uint32_t n;

    if (list == NULL) {
        return false;
    }
    n = list_candidates(q, list);
    for (uint32_t i = 0; i < n; i++) {
        add_candidate(q, &list[i], &sum);
        if (is_better(q, &sum, &best, need, place)) {
            best = sum;
        }
    }
    for (uint32_t i = 0; i < n; i++) { /* once more, up to the best */
        list[i].s->wanted = WANTED_NO;
    }
    LIST_FOR(it, &q->segments.order)
    {
        struct segment *s = segment_of(it);

        s->wanted = s->wanted == WANTED_RETIRE || best.n == 0 ? WANTED_NO : s->wanted;
    }
    for (uint32_t i = 0; i < best.n; i++) {
        add_candidate(q, &list[i], &sum);
        list[i].s->chosen = true;
    }
    q->compaction.freed = best.freed;
    q->compaction.gain = best.freed - best.cost;
    free(list);
    return best.n > 0;
}

/* A round for one whose damage was dealt with, once each: its damage goes for good with it. */
static bool
choose_mended(struct queue *q)
{
    struct choice sum = { 0 };

    LIST_FOR(it, &q->segments.order)
    {
        if (segment_of(it)->freeing || q->is_short) {
            return false;
        }
        segment_of(it)->wanted = WANTED_NO;
    }
    LIST_FOR(it, &q->segments.order)
    {
        struct segment *s = segment_of(it);

        if (s->mended && !s->mended_tried && !s->damaged && s->live > 0 && is_counted(q, s) &&
            !is_blocked(q, s) && !waits_for_mended(q, s)) {
            s->mended_tried = true;
            add_candidate(q, &(struct candidate){ s, size_of(q, s) }, &sum);
            q->compaction.freed = sum.freed;
            q->compaction.gain = 0;
            return true;
        }
    }
    return false;
}

/* Is there more than there may be, or too little room for more? A round that won less than half of
 * what was promised (records fill segments badly, or something holds them that is no message) is
 * not repeated before as much as a segment more is dead. What it won: those of its segments that
 * are gone, less what it wrote, the padding of its batches included. */
static bool
round_is_due(struct queue *q, uint64_t *need, uint64_t *dead_bytes)
{
    struct compaction *c = &q->compaction;
    uint64_t live = 0, bytes = 0, dead = 0, left = 0, bound;

    LIST_FOR(it, &q->segments.order)
    {
        if (segment_of(it)->freeing) {
            return false; /* asked again when it is gone, and what waits for it with it */
        }
    }
    LIST_FOR(it, &q->segments.order)
    {
        struct segment *s = segment_of(it);

        live += s->live_bytes;
        if (is_counted(q, s)) {
            uint64_t size = size_of(q, s);

            bytes += size;
            dead += size - MIN(size, s->live_bytes);
            left += s->chosen ? size : 0;
            s->chosen = false;
        }
    }
    if (left + c->appended + c->pieces * (uint64_t)IO_BLOCK_BYTES + c->gain / 2 > c->freed) {
        c->resume_at = dead + q->segment_bytes / (q->low ? 4 : 1);
    }
    c->freed = c->gain = c->appended = c->pieces = 0;
    if (dead < c->resume_at) {
        return false;
    }
    c->resume_at = 0;
    bound = queue_compact_bound(q, live);
    *need = bytes > bound ? bytes - bound : 0;
    *dead_bytes = dead;
    return *need > 0 || q->is_short;
}

bool
queue_compact_choose(struct queue *q)
{
    struct compaction *c = &q->compaction;
    uint64_t need, dead;
    bool due = round_is_due(q, &need, &dead);

    if (choose_mended(q)) {
        return true;
    }
    if (!due) {
        return false;
    }
    if (!choose(q, need)) {
        c->resume_at = dead + q->segment_bytes / 4; /* not at every turn */
        return false;
    }
    return true;
}
