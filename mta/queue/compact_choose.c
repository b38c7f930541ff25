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

struct choice { /* n of the first `end` candidates */
    uint32_t n, end;
    bool choosy;
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

/* A round went through it and it is still there: what holds it (content of mail that is coming in,
 * a setting) no round can move. Not chosen again before that has changed, or it would be chosen
 * each time, since it seems to cost nothing, instead of those that can go. */
static bool
is_kept(const struct segment *s)
{
    return s->kept_by == 1 + s->live + (uint64_t)s->need_count && s->kept_bytes == s->live_bytes;
}

static void
note_kept(struct segment *s)
{
    if (s->chosen && s->wanted == WANTED_NO) {
        s->kept_by = 1 + s->live + (uint64_t)s->need_count;
        s->kept_bytes = s->live_bytes;
    }
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
            is_kept(s) || !space_regains(q->space, s)) {
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

/* What is written more if k goes, too: less than nothing where it had to be retired else. */
static int64_t
added_cost(struct queue *q, const struct candidate *k, bool mark)
{
    struct segment *s = k->s;
    uint64_t cost = s->live_bytes + s->commit_bytes * (STATE_FACTOR_PERCENT - 100) / 100;

    cost += MIN(s->guest_count, s->live) * (uint64_t)GUEST_BYTES; /* COMMITs from elsewhere */
    if (s->wanted == WANTED_RETIRE) {
        cost -= s->commit_bytes * STATE_FACTOR_PERCENT / 100 + IO_BLOCK_BYTES;
    }
    s->wanted = mark ? WANTED_COPY : s->wanted;
    for (uint32_t i = 0; i < s->need_count; i++) {
        struct segment *a = segtab_find(&q->segments, s->needs[i]);

        if (a->wanted == WANTED_NO && !a->freeing) {
            a->wanted = mark ? WANTED_RETIRE : WANTED_NO;
            cost += a->commit_bytes * STATE_FACTOR_PERCENT / 100 + IO_BLOCK_BYTES;
        }
    }
    return (int64_t)cost;
}

static void
add_candidate(struct queue *q, const struct candidate *k, struct choice *sum)
{
    sum->n++;
    sum->freed += k->bytes;
    sum->cost += (uint64_t)added_cost(q, k, true);
}

/* What a round may write while room is short: there must be a place for it. */
struct place {
    uint64_t bytes; /* of a round as any other */
    uint64_t most;  /* of one that frees twice what it writes: with all of the reserve */
};

static struct place
place_of(const struct queue *q)
{
    const struct segment *now = journal_segment(q->journal);
    uint64_t reserve, room = space_room_bytes(q->space, &reserve);
    uint64_t end = segment_limit(now, q->segment_bytes);
    uint64_t used = journal_position(q->journal) - now->seq * q->segment_bytes;
    uint64_t rest = end - MIN(used, end);
    uint64_t segments = room / q->segment_bytes + reserve / q->segment_bytes;

    /* the present one's END and the CENSUS must fit as well; of the others a quarter is for
     * headers, for what is left unused, and for who writes beside us */
    return (struct place){ rest + room + reserve / 2,
        rest - MIN(rest, 2 * (uint64_t)IO_BLOCK_BYTES) + segments * (q->segment_bytes / 4 * 3) };
}

/* With the padding of its batches. */
static bool
has_place(const struct queue *q, const struct choice *c, const struct place *place)
{
    uint64_t pieces = c->cost / queue_compact_piece_bytes(q) + 1;

    return c->cost + pieces * IO_BLOCK_BYTES <= place->most;
}

/* Does it pay? need: what is above the bound. While room is short a round must win a segment, or
 * free twice what it writes, for which the whole reserve may be used; but never more than there is.
 */
static bool
is_enough(const struct queue *q, const struct choice *c, uint64_t need, const struct place *place)
{
    if (!q->is_short) {
        return c->freed >= c->cost + need;
    }
    if (c->freed >= c->cost * 2 && (q->low || c->freed >= c->cost + q->segment_bytes / 4)) {
        return has_place(q, c, place);
    }
    return c->freed >= c->cost + q->segment_bytes && c->cost <= place->bytes;
}

/* Is this better than what was found so far? */
static bool
is_better(const struct queue *q, const struct choice *c, const struct choice *best, uint64_t need,
    const struct place *place)
{
    if (c->freed <= c->cost || !is_enough(q, c, need, place)) {
        return false;
    }
    return best->n == 0 ||
           c->freed / KIB * (best->cost / KIB + 1) > best->freed / KIB * (c->cost / KIB + 1);
}

/* Go through the first `end` candidates; choosy: those that alone would cost more than they free,
 * for what must be retired with them, are passed by. Takes them (best NULL), or finds the best end.
 */
static struct choice
go_through(struct queue *q, const struct candidate *list, uint32_t end, bool choosy, uint64_t need,
    struct choice *best)
{
    struct choice sum = { .choosy = choosy };
    struct place place = place_of(q);

    for (uint32_t i = 0; i < end; i++) {
        if (choosy && added_cost(q, &list[i], false) >= (int64_t)list[i].bytes) {
            continue;
        }
        add_candidate(q, &list[i], &sum);
        sum.end = i + 1;
        list[i].s->chosen = best == NULL;
        if (best != NULL && is_better(q, &sum, best, need, &place)) {
            *best = sum;
        }
    }
    return sum;
}

static void
unmark(struct queue *q, const struct candidate *list, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        list[i].s->wanted = WANTED_NO;
    }
    LIST_FOR(it, &q->segments.order)
    {
        struct segment *s = segment_of(it);

        s->wanted = s->wanted == WANTED_RETIRE ? WANTED_NO : s->wanted;
    }
}

/* Mark what the round is to go through; false: nothing, or it does not pay. */
static bool
choose(struct queue *q, uint64_t need)
{
    struct candidate *list = calloc(q->segments.count, sizeof(*list));
    struct choice best = { 0 };
    uint32_t n;

    if (list == NULL) {
        return false;
    }
    n = list_candidates(q, list);
    (void)go_through(q, list, n, false, need, &best);
    unmark(q, list, n);
    (void)go_through(q, list, n, true, need, &best);
    unmark(q, list, n);
    if (best.n > 0) {
        (void)go_through(q, list, best.end, best.choosy, need, NULL); /* once more, up to it */
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

/* About to go, or only waiting for a CENSUS that does not list it. */
static bool
is_going(const struct queue *q, const struct segment *s)
{
    return s->freeing || ((q->census_waits || q->reap_wanted) && s != q->first && segment_dead(s));
}

/* What the last round won: those of its segments that are gone, less what it wrote, with the
 * padding of its batches and what it left unused behind ENDs. If that is less than half of what was
 * promised (records fill segments badly, or something holds them that is no message), there is no
 * further round before as much more is dead as it wrote in vain: so rounds end. */
static void
judge_last(struct queue *q, uint64_t left, uint64_t dead)
{
    struct compaction *c = &q->compaction;
    uint64_t wrote = c->appended + c->pieces * (uint64_t)IO_BLOCK_BYTES;

    if (left + wrote + c->gain / 2 > c->freed) {
        c->resume_at = dead + MIN(wrote, q->segment_bytes / (q->low ? 4 : 1));
    }
    c->freed = c->gain = c->appended = c->pieces = 0;
}

/* Is there more than there may be, or too little room for more? */
static bool
round_is_due(struct queue *q, uint64_t *need, uint64_t *dead_bytes)
{
    struct compaction *c = &q->compaction;
    uint64_t live = 0, bytes = 0, dead = 0, left = 0, bound;

    LIST_FOR(it, &q->segments.order)
    {
        if (is_going(q, segment_of(it))) {
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
            note_kept(s);
            s->chosen = false;
        }
    }
    judge_last(q, left, dead);
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
