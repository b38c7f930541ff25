#include "core/log.h"
#include "core/ticks.h"
#include "queue/census.h"
#include "queue/distrust.h"
#include "queue/queue_load.h"
#include <stdlib.h>

#define SEGMENTS_OPEN_MAX 256
#define BESIDE_BOUND      10 /* segments, spares and all: 2 fewer than may be (journal.md 7b) */
#define OUTCOMES_A_RECORD 16 /* with replies of full length it fits the smallest segments */

/* ---- what the journal tells */

void
queue_message_unused(struct queue *q, struct stored *s)
{
    if (s->lost && s->readers == 0) {
        q->reap_wanted = replay_let_go(&q->replay, s) || q->reap_wanted;
        stored_free(&q->index, s);
    }
}

static void
on_committed(struct queue *q, const struct journal_wait *w, int status)
{
    struct stored *s = w->object;
    bool is_part = stored_is_part(s);

    q->commits_pending--;
    queue_transid_committed(q, &s->m, status);
    queue_part_replaced(q, s, status);
    if (status == 0) {
        /* Room was made at commit; an id is given out once. */
        CHECK(msgindex_add(&q->index, s) == 0);
        s->durable = true;
        if (!is_part && q->committed++ == 0) {
            q->first_commit_wall_ms = ticks_wall_ms();
        }
    }
    if (w->cb != NULL) {
        w->cb(w->ctx, status);
    }
    if (status == 0 && is_part) {
        s->told = true;
    } else if (status == 0 && q->load == NULL) {
        s->told = true;
        q->o.on_message(q->o.ctx, &s->m);
    } else if (status != 0) {
        s->lost = true;
        queue_message_unused(q, s);
    }
}

/* As many spares as the bound on disk use leaves room for, when these are gone (journal.md section
 * 7b): what a round of compaction frees is what the journal grows by up to the next. */
static void
reclaim(struct queue *q)
{
    uint64_t live, may_be, used = 0;

    LIST_FOR(it, &q->segments.order)
    {
        used += !CONTAINER_OF(it, struct segment, link)->freeing;
    }
    (void)queue_journal_bytes(q, &live);
    may_be = queue_compact_bound(q, live) / q->segment_bytes + BESIDE_BOUND;
    space_keep(q->space, (uint32_t)(may_be - MIN(used, may_be)));
    for (struct list *it = list_pop_front(&q->dying); it != NULL; it = list_pop_front(&q->dying)) {
        space_reclaim(q->space, CONTAINER_OF(it, struct segment, job));
    }
}

void
queue_on_done(void *ctx, const struct journal_wait *w, int status)
{
    struct queue *q = ctx;
    struct stored *s = w->object;

    switch ((enum wait_kind)w->kind) {
    case WAIT_COMMIT:
    case WAIT_PART:
        on_committed(q, w, status);
        break;
    case WAIT_GONE:
        if (status == 0) { /* else it is not known to be gone, and the process ends */
            if (!stored_is_part(s)) {
                q->o.on_gone(q->o.ctx, &s->m);
            }
            queue_transid_gone(q, &s->m);
            s->lost = true;
            queue_message_unused(q, s);
        }
        break;
    case WAIT_COMPACT:
        queue_compacted(q, status);
        break;
    case WAIT_STATE:
        if (status == 0 && w->object != NULL) {
            state_let_go(w->object);
            q->reap_wanted = true;
        }
        break;
    case WAIT_CENSUS:
        q->census_waits = false;
        q->reap_wanted = true; /* what died meanwhile */
        if (status == 0) {
            reclaim(q);
        }
        break;
    case WAIT_CALL:
        if (w->cb != NULL) {
            w->cb(w->ctx, status);
        }
        break;
    }
}

/* Descriptors of segments that are only read, beyond what is worth keeping: the oldest first. The
 * next reader opens its segment again, in the pool. */
static void
close_some(struct queue *q, uint32_t open)
{
    LIST_FOR(it, &q->segments.order)
    {
        struct segment *seg = CONTAINER_OF(it, struct segment, link);

        if (open <= SEGMENTS_OPEN_MAX) {
            return;
        }
        /* of one that is being freed, fd is the space thread's */
        if (!seg->freeing && seg->closed && seg->fd >= 0 && seg->readers == 0) {
            io_close(&seg->fd);
            open--;
        }
    }
}

void
queue_reap(struct queue *q)
{
    uint32_t open = 0;

    q->reap_wanted = false;
    LIST_FOR(it, &q->segments.order)
    {
        struct segment *seg = CONTAINER_OF(it, struct segment, link);

        /* I8: what the SEAL lists is all before it */
        if (segment_dead(seg) && (seg != q->first || it == q->segments.order.next)) {
            if (!q->census_waits) {
                seg->freeing = true;
                list_push_back(&q->dying, &seg->job);
            }
        } else {
            if (seg->state > 0 && seg->live == seg->state && seg->closed && !seg->damaged) {
                queue_state_refresh(q, seg); /* nothing else is left in it */
            }
            open += seg->closed && !seg->freeing && seg->fd >= 0;
        }
    }
    census_free_dying(q);
    q->compaction.wanted = true;
    close_some(q, open);
}

void
queue_on_turn(void *ctx)
{
    struct queue *q = ctx;
    struct list resume;

    if (q->failed != 0) {
        return;
    }
    if (q->load == NULL) {
        queue_parts_turn(q);
        if (q->reap_wanted && !q->releasing) {
            queue_reap(q);
        }
        queue_compact(q);
        if (!q->releasing) {
            snapshot_make_turn(q);
        }
    }
    if (journal_is_full(q->journal)) {
        return;
    }
    list_init(&resume);
    list_splice_back(&resume, &q->paused);
    for (struct list *it = list_pop_front(&resume); it != NULL; it = list_pop_front(&resume)) {
        struct queue_intake *in = CONTAINER_OF(it, struct queue_intake, paused);

        in->resume(in->ctx); /* may abort others: they leave the list by themselves */
    }
}

void
queue_on_failure(void *ctx, int rc)
{
    struct queue *q = ctx;

    if (q->failed == 0) {
        q->failed = rc;
        lease_end(&q->renewal.lease);
        if (rc == BH_EFENCED) {
            log_event(EV_OWNER_LOST, LF_UINT("epoch", q->epoch));
        } else {
            log_event(EV_QUEUE_FAILED, LF_ERR("error", rc));
            distrust_mount(q->run_lock, q->store);
        }
        q->o.on_failure(q->o.ctx, rc);
    }
}

/* News from the threads beside the journal. */
void
queue_on_wake(void *ctx)
{
    struct queue *q = ctx;
    struct space_news news;
    int failure = atomic_load(&q->renewal.failure);

    if (q->journal == NULL) {
        return; /* before opening is complete, and after release */
    }
    space_poll(q->space, &news);
    if (!list_empty(&news.gone)) {
        for (struct list *it = list_pop_front(&news.gone); it != NULL;
             it = list_pop_front(&news.gone)) {
            segtab_remove(&q->segments, CONTAINER_OF(it, struct segment, job));
        }
        q->reap_wanted = true; /* what waited for them may go, too */
    }
    failure = failure != 0 ? failure : news.failure;
    snapshot_make_wake(q);
    if (failure != 0) {
        journal_fail(q->journal, failure);
        return;
    }
    if (news.low != q->low) {
        q->low = news.low;
        if (q->low) {
            log_event(EV_QUEUE_SPACE_LOW, LF_UINT("free", space_free_bytes(q->space)));
        } else {
            log_event(EV_QUEUE_SPACE_OK, LF_UINT("free", space_free_bytes(q->space)));
        }
        q->o.on_space(q->o.ctx, q->low);
    }
    q->compaction.wanted = q->compaction.wanted || (news.is_short && !q->is_short);
    q->is_short = news.is_short;
    if ((q->reap_wanted || q->compaction.wanted) && q->load == NULL && !q->releasing &&
        q->failed == 0) {
        queue_reap(q);
        queue_compact(q);
    }
}

void
queue_fence(struct queue *q, int rc)
{
    lease_end(&q->renewal.lease);
    journal_fail(q->journal, rc);
}

int
queue_lease_check(const struct queue *q)
{
    return lease_valid(&q->renewal.lease, ticks_boot_ns()) ? 0 : BH_EFENCED;
}

/* ---- outcomes and marks */

void
queue_depend(struct queue *q, struct segment *in, uint64_t commit_lsn)
{
    if (segtab_need(&q->segments, in, commit_lsn / q->segment_bytes) < 0) {
        in->damaged = true; /* no memory to note it: kept until the next start */
    }
}

static int
may_change(const struct queue *q, const struct stored *s)
{
    return q->failed != 0    ? q->failed
           : q->releasing    ? BH_ESTATE
           : q->load != NULL ? BH_EBUSY
           : s->gone         ? BH_ENOTFOUND
                             : 0;
}

static struct outcome_entry
entry_of(const struct stored *s, const struct queue_outcome *o)
{
    const struct queue_recipient *r = &s->m.recipients[o->recipient];
    bool tried =
        o->kind != OUTCOME_REMOVED && o->kind != OUTCOME_EXPANDED && !o->settled && !o->untried;
    bool still = o->kind == OUTCOME_DEFERRED && r->in_doubt && !o->settled && !o->answered;

    return (struct outcome_entry){
        .recipient = o->recipient,
        .kind = (uint8_t)o->kind,
        .in_doubt = o->in_doubt || still,
        .attempts = (uint16_t)MIN(r->attempts + (tried ? 1 : 0), UINT16_MAX),
        .next_wall_ms = o->kind == OUTCOME_DEFERRED ? o->next_wall_ms : 0,
        .reply = o->reply,
        .transaction = r->transaction,
    };
}

static int
put_outcomes(struct queue *q, struct stored *s, const struct outcome_entry *entries, uint32_t count)
{
    struct outcome_head head = { s->m.id, s->commit_lsn, count };
    uint64_t bytes = OUTCOME_HEAD_BYTES;
    struct journal_place place;
    uint8_t *at;
    int rc;

    for (uint32_t i = 0; i < count; i++) {
        bytes += outcome_entry_bytes(&entries[i]);
    }
    rc = journal_add(q->journal, RECORD_OUTCOME, bytes, &place);
    if (rc < 0) {
        return rc;
    }
    outcome_head_put(place.payload, &head);
    at = place.payload + OUTCOME_HEAD_BYTES;
    for (uint32_t i = 0; i < count; i++) {
        at = outcome_entry_put(at, &entries[i]);
    }
    queue_depend(q, place.segment, s->commit_lsn);
    return 0;
}

/* A record's worth, and the index with it. */
static int
record_some(struct queue *q, struct stored *s, const struct queue_outcome *outcomes, uint32_t count)
{
    struct outcome_entry entries[OUTCOMES_A_RECORD];
    int rc;

    for (uint32_t i = 0; i < count; i++) {
        entries[i] = entry_of(s, &outcomes[i]);
    }
    rc = put_outcomes(q, s, entries, count);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        int applied = msgindex_outcome(&q->index, s, &entries[i]);

        CHECK(applied == 0 || applied == -ENOMEM); /* only the reply's text is missing then */
    }
    return rc;
}

/* Is nobody left with these? */
static bool
leaves(const struct queue_message *m, const struct queue_outcome *outcomes, uint32_t count)
{
    uint32_t final = 0;

    for (uint32_t i = 0; i < count; i++) {
        final += outcomes[i].kind != OUTCOME_DEFERRED;
    }
    return final >= m->live_count;
}

int
queue_record(
    struct queue *q, struct queue_message *m, const struct queue_outcome *outcomes, uint32_t count)
{
    struct stored *s = stored_of(m);
    int rc = may_change(q, s);

    CHECK(count > 0);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(outcomes[i].recipient < m->recipient_count);
    }
    rc = rc == 0 && leaves(m, outcomes, count) ? queue_transid_say(q, m) : rc;
    rc = rc < 0 ? rc : journal_reserve_waits(q->journal, 1);
    while (rc == 0 && count > 0) {
        uint32_t n = MIN(count, (uint32_t)OUTCOMES_A_RECORD);

        rc = record_some(q, s, outcomes, n);
        outcomes += n;
        count -= n;
    }
    if (rc == 0 && m->live_count == 0) {
        struct journal_wait w = { WAIT_GONE, NULL, NULL, s };

        s->gone = true;
        msgindex_remove(&q->index, s);
        rc = journal_wait(q->journal, &w);
        CHECK(rc == 0);
    }
    return rc;
}

static int
put_mark(struct queue *q, struct stored *s, enum mark_what what, uint64_t value)
{
    struct mark mark = { s->m.id, s->commit_lsn, value, what };
    struct journal_place place;
    int rc = journal_add(q->journal, RECORD_MARK, MARK_BYTES, &place);

    if (rc == 0) {
        mark_put(place.payload, &mark);
        queue_depend(q, place.segment, s->commit_lsn);
    }
    return rc;
}

static int
mark_message(struct queue *q, struct queue_message *m, enum mark_what what, uint64_t value)
{
    struct stored *s = stored_of(m);
    struct mark mark = { s->m.id, s->commit_lsn, value, what };
    int rc = may_change(q, s);

    rc = rc < 0 ? rc : put_mark(q, s, what, value);
    if (rc == 0) {
        msgindex_mark(&q->index, s, &mark);
    }
    return rc;
}

int
queue_set_held(struct queue *q, struct queue_message *m, enum queue_hold held)
{
    return mark_message(q, m, MARK_HELD, held);
}

int
queue_set_next(struct queue *q, struct queue_message *m, uint64_t next_wall_ms)
{
    return mark_message(q, m, MARK_NEXT, next_wall_ms);
}

int
queue_set_warned(struct queue *q, struct queue_message *m)
{
    return mark_message(q, m, MARK_WARNED, 0);
}

int
queue_set_crashes(struct queue *q, struct queue_message *m, uint8_t crashes)
{
    return mark_message(q, m, MARK_CRASHES, crashes);
}

/* ---- attempts (journal.md section 6a) */

static int
put_attempt(struct queue *q, struct stored *s, enum queue_attempt_kind kind, uint64_t transaction,
    const uint32_t *recipients, uint32_t count)
{
    struct attempt_head head = { s->m.id, s->commit_lsn, count, (uint8_t)kind };
    uint64_t bytes = ATTEMPT_HEAD_BYTES + (uint64_t)count * 4;
    struct journal_place place;
    int rc = journal_add(
        q->journal, RECORD_ATTEMPT, bytes + (transaction != 0 ? ATTEMPT_TAIL_BYTES : 0), &place);

    if (rc == 0) {
        attempt_head_put(place.payload, &head);
        for (uint32_t i = 0; i < count; i++) {
            put_le32(place.payload + ATTEMPT_HEAD_BYTES + i * 4, recipients[i]);
        }
        if (transaction != 0) {
            put_le64(place.payload + bytes, transaction);
        }
        queue_depend(q, place.segment, s->commit_lsn);
    }
    return rc;
}

static int
attempt(struct queue *q, struct queue_message *m, const uint32_t *recipients, uint32_t count,
    enum queue_attempt_kind kind, uint64_t transaction)
{
    struct stored *s = stored_of(m);
    int rc = may_change(q, s);

    CHECK(count > 0);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(recipients[i] < m->recipient_count);
    }
    rc = rc < 0 ? rc : put_attempt(q, s, kind, transaction, recipients, count);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        CHECK(msgindex_attempt(&q->index, s, recipients[i], (uint8_t)kind, transaction) == 0);
    }
    return rc;
}

int
queue_attempt(struct queue *q, struct queue_message *m, const uint32_t *recipients, uint32_t count,
    enum queue_attempt_kind kind, uint64_t transaction, queue_done_fn *cb, void *ctx)
{
    struct journal_wait w = { WAIT_CALL, cb, ctx, NULL };
    int rc = q->failed != 0 ? q->failed : cb != NULL ? journal_reserve_waits(q->journal, 1) : 0;

    CHECK(kind != ATTEMPT_NONE);
    rc = rc < 0 ? rc : attempt(q, m, recipients, count, kind, transaction);
    return rc < 0 || cb == NULL ? rc : journal_wait(q->journal, &w);
}

int
queue_withdraw(struct queue *q, struct queue_message *m, const uint32_t *recipients, uint32_t count)
{
    return attempt(q, m, recipients, count, ATTEMPT_NONE, 0);
}

uint64_t
queue_transaction_new(struct queue *q)
{
    return (uint64_t)q->epoch << QUEUE_ID_EPOCH_SHIFT | ++q->id_counter; /* no message's either */
}

int
queue_sync(struct queue *q, queue_done_fn *cb, void *ctx)
{
    struct journal_wait w = { WAIT_CALL, cb, ctx, NULL };

    return q->failed != 0 ? q->failed : journal_wait(q->journal, &w);
}

int
queue_snapshot(struct queue *q, uint64_t min_bytes, queue_done_fn *cb, void *ctx)
{
    if (q->failed != 0 || q->releasing || q->load != NULL) {
        return q->failed != 0 ? q->failed : q->releasing ? BH_ESTATE : BH_EBUSY;
    }
    if (q->snapshots.make != NULL) {
        return snapshot_make_join(q, cb, ctx);
    }
    return snapshot_make_needed(q, min_bytes) ? snapshot_make_begin(q, cb, ctx) : 1;
}

/* ---- looking */

struct queue_message *
queue_find(const struct queue *q, msg_id id)
{
    struct stored *s = msgindex_find(&q->index, id);

    return s != NULL && !stored_is_part(s) ? &s->m : NULL;
}

struct queue_message *
queue_after(const struct queue *q, msg_id id)
{
    struct stored *s = msgindex_after(&q->index, id);

    while (s != NULL && stored_is_part(s)) {
        s = msgindex_after(&q->index, s->m.id);
    }
    return s != NULL ? &s->m : NULL;
}

static uint64_t
loaded_percent(const struct queue *q)
{
    uint64_t all = q->load != NULL ? q->load->r.to_read : 0;
    uint64_t read = q->load != NULL ? atomic_load(&q->load->read) : 0;

    return q->load == NULL ? 100 : all == 0 ? 0 : MIN(read * 100 / all, (uint64_t)99);
}

void
queue_stats(const struct queue *q, struct queue_stats *out)
{
    const struct queue_message *oldest = queue_after(q, 0);
    uint64_t end_ns = atomic_load(&q->renewal.lease.end_ns), now_ns = ticks_boot_ns();
    uint64_t now_ms = ticks_ms(), live_bytes, journal_bytes = queue_journal_bytes(q, &live_bytes);
    struct journal_stats js;

    journal_stats(q->journal, &js);
    *out = (struct queue_stats){
        .messages = q->index.messages,
        .recipients = q->index.recipients,
        .held = q->index.held,
        .in_doubt = q->index.in_doubt,
        .bytes = q->index.bytes,
        .oldest_wall_ms = oldest != NULL ? oldest->received_wall_ms : 0,
        .segments = q->segments.count,
        .journal_bytes = journal_bytes,
        .live_bytes = live_bytes,
        .copied_bytes = q->compaction.copied_bytes,
        .compacting = q->compaction.active,
        .compaction_blocked = q->compaction.blocked,
        .free_bytes = space_free_bytes(q->space),
        .appended = js.appended_bytes,
        .syncs = js.syncs,
        .batches = js.batches,
        .committed = q->committed,
        .first_commit_wall_ms = q->first_commit_wall_ms,
        .oldest_sync_ms =
            js.oldest_sync_ms != 0 && js.oldest_sync_ms < now_ms ? now_ms - js.oldest_sync_ms : 0,
        .quarantined = q->claim.quarantined,
        .snapshot_bytes = q->snapshots.last_bytes,
        .tail_bytes = snapshot_make_tail(q),
        .space_low = q->low,
        .loading = q->load != NULL,
        .loaded_percent = loaded_percent(q),
        .epoch = q->epoch,
        .lease_left_ms = end_ns > now_ns ? (end_ns - now_ns) / 1000000 : 0,
    };
}

bool
queue_is_loaded(const struct queue *q)
{
    return q->load == NULL;
}

const struct queue_claim *
queue_claim_info(const struct queue *q)
{
    return &q->claim;
}
