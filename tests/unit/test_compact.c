/* Compaction on real files: the bound holds, what is copied is the same afterwards, and what must
 * not be copied stays. What a crash leaves at each point is tests/sim/sim_queue. */
#include "core/ticks.h"
#include "queue/queue_int.h"
#include "queue/queue_repair.h"
#include "queue_rig.h"
#include "test_main.h"
#include <fcntl.h>

#define SLACK      2
#define GIVE_UP_MS 30000 /* when a fact that is waited for does not come */
/* Beside 2 x live + SLACK (journal.md section 7b): the first, the present and the next segment, one
 * that is tolerated after a round that did not free what it should, and what damage keeps. */
static uint64_t
bound_of(const struct queue_stats *st)
{
    return 2 * st->live_bytes + (SLACK + 4 + st->compaction_blocked) * (uint64_t)SEGMENT;
}

static int
open_tight(struct rig *r)
{
    struct queue_options o = options(r);

    o.slack_segments = SLACK;
    return rig_open_with(r, &o);
}

static struct queue_stats
stats(const struct rig *r)
{
    struct queue_stats st;

    queue_stats(r->q, &st);
    return st;
}

/* Until compaction has nothing more to do: the freeing runs in a thread of its own, so that a
 * number of syncs would not tell. */
static void
settle(struct rig *r)
{
    uint64_t until_ms = ticks_ms() + GIVE_UP_MS;
    struct queue_stats st;

    do {
        rig_sync(r);
        rig_sync(r); /* what became final in the first one */
        st = stats(r);
    } while (r->failure == 0 && (st.compacting || st.journal_bytes > bound_of(&st)) &&
             ticks_ms() < until_ms);
    CU_ASSERT_TRUE(st.journal_bytes <= bound_of(&st));
}

static void
deliver(struct rig *r, msg_id id)
{
    record(r, id, 0, OUTCOME_DELIVERED, "");
    record(r, id, 1, OUTCOME_DELIVERED, "");
}

/* Our epoch's first segment is never compacted (I8): get beyond it. */
static void
leave_first(struct rig *r)
{
    while (journal_segment(r->q->journal) == r->q->first) {
        deliver(r, rig_put(r, 20000, 'd'));
    }
}

/* n messages, of which each 20th is not delivered; their ids in kept. */
static unsigned
traffic(struct rig *r, unsigned n, size_t bytes, msg_id *kept)
{
    unsigned count = 0;

    for (unsigned i = 0; i < n; i++) {
        msg_id id = rig_put(r, bytes, 'd');

        if (i % 20 == 0) {
            record(r, id, 0, OUTCOME_DEFERRED, "450 4.2.1 later");
            kept[count++] = id;
        } else {
            deliver(r, id);
        }
    }
    return count;
}

static void
the_journal_stays_within_its_bound_while_some_mail_waits(void)
{
    struct rig r;
    struct queue_stats st;
    msg_id kept[64];
    unsigned n;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
    n = traffic(&r, 800, 20000, kept);
    settle(&r);
    st = stats(&r);
    CU_ASSERT_EQUAL(st.messages, n);
    CU_ASSERT_TRUE(st.copied_bytes > 0);
    CU_ASSERT_TRUE(st.live_bytes > n * 20000);
    CU_ASSERT_EQUAL(st.compaction_blocked, 0);
    for (unsigned i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, kept[i]), 'd'), 20000);
    }
    queue_free(r.q);
    CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
    CU_ASSERT_EQUAL(r.claim.quarantined, 0);
    CU_ASSERT_EQUAL(r.messages, n);
    for (unsigned i = 0; i < n; i++) {
        struct queue_message *m = queue_find(r.q, kept[i]);

        CU_ASSERT_PTR_NOT_NULL_FATAL(m);
        CU_ASSERT_EQUAL(m->recipients[0].attempts, 1);
        CU_ASSERT_TRUE(slice_eq(m->recipients[0].last_reply, SLICE_LIT("450 4.2.1 later")));
        CU_ASSERT_EQUAL(rig_read(&r, m, 'd'), 20000);
    }
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

/* One of everything that a record can say about a message. */
static void
say_everything(struct rig *r, msg_id id)
{
    struct queue_message *m = queue_find(r->q, id);
    struct queue_outcome o = { .kind = OUTCOME_DEFERRED,
        .next_wall_ms = 1800000000000,
        .reply = SLICE_LIT("450 maybe"),
        .in_doubt = true };
    uint32_t first = 0, second = 1;

    CU_ASSERT_EQUAL(queue_attempt(r->q, m, &first, 1, ATTEMPT_TRANSFER, 77, NULL, NULL), 0);
    CU_ASSERT_EQUAL(queue_record(r->q, m, &o, 1), 0);
    CU_ASSERT_EQUAL(queue_set_warned(r->q, m), 0);
    CU_ASSERT_EQUAL(queue_attempt(r->q, m, &second, 1, ATTEMPT_TRANSFER, 78, NULL, NULL), 0);
    CU_ASSERT_EQUAL(queue_set_crashes(r->q, m, 1), 0);
    CU_ASSERT_EQUAL(queue_set_held(r->q, m, HOLD_OPERATOR), 0);
}

static void
check_everything(const struct queue_message *m)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_TRUE(slice_eq(m->sender, SLICE_LIT("a@example.org")));
    CU_ASSERT_TRUE(slice_eq(m->envid, SLICE_LIT("env")));
    CU_ASSERT_EQUAL(m->hops, 3);
    CU_ASSERT_EQUAL(m->received_wall_ms, 1700000000000);
    CU_ASSERT_EQUAL(m->held, HOLD_OPERATOR);
    CU_ASSERT_EQUAL(m->crashes, 1);
    CU_ASSERT_EQUAL(m->live_count, 2);
    CU_ASSERT_TRUE(slice_eq(m->recipients[0].orcpt, SLICE_LIT("rfc822;B@example.com")));
    CU_ASSERT_TRUE(m->recipients[0].in_doubt);
    CU_ASSERT_EQUAL(m->recipients[0].attempts, 1);
    CU_ASSERT_EQUAL(m->recipients[0].next_wall_ms, 1800000000000);
    CU_ASSERT_TRUE(slice_eq(m->recipients[0].last_reply, SLICE_LIT("450 maybe")));
    CU_ASSERT_EQUAL(m->recipients[0].attempt, ATTEMPT_NONE);
    CU_ASSERT_EQUAL(m->recipients[1].attempt, ATTEMPT_TRANSFER);
    CU_ASSERT_EQUAL(m->recipients[1].attempts, 0);
    CU_ASSERT_EQUAL(m->recipients[0].transaction, 77);
    CU_ASSERT_EQUAL(m->recipients[1].transaction, 78);
    CU_ASSERT_TRUE(m->recipients[0].warned && m->recipients[1].warned);
}

static void
all_that_was_said_of_a_message_goes_with_it(void)
{
    struct rig r;
    uint64_t lsn;
    msg_id id, kept[32];
    unsigned waiting;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
    leave_first(&r);
    id = rig_put(&r, 5000, 'w');
    say_everything(&r, id);
    lsn = stored_of_const(queue_find(r.q, id))->commit_lsn;
    waiting = traffic(&r, 300, 20000, kept);
    settle(&r);
    CU_ASSERT_TRUE(stored_of_const(queue_find(r.q, id))->commit_lsn > lsn);
    check_everything(queue_find(r.q, id));
    queue_free(r.q);
    CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
    check_everything(queue_find(r.q, id));
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, id), 'w'), 5000);
    /* what is recorded now is about the copy */
    deliver(&r, id);
    rig_sync(&r);
    queue_free(r.q);
    CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
    CU_ASSERT_EQUAL(r.messages, waiting);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

/* Its COMMIT is elsewhere than most of its content: found by the content. */
static void
a_message_over_many_segments_moves_as_a_whole(void)
{
    struct rig r;
    msg_id id = 0;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
    for (unsigned round = 0; round < 3; round++) {
        deliver(&r, rig_put(&r, 150000, 'd')); /* the large one begins in the midst of dead ones */
        id = rig_put(&r, 900000, 'b');
        deliver(&r, rig_put(&r, 150000, 'd'));
        if (round < 2) {
            deliver(&r, id);
        }
    }
    for (unsigned i = 0; i < 150; i++) {
        deliver(&r, rig_put(&r, 20000, 'd'));
    }
    settle(&r);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, id), 'b'), 900000);
    queue_free(r.q);
    CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, id), 'b'), 900000);
    deliver(&r, id);
    settle(&r);
    CU_ASSERT_EQUAL(stats(&r).live_bytes, 0);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

/* Segments full of mail that lives and waits, and traffic that says something about it now and
 * then: the traffic's segments go, the mail is not copied about. */
static void
a_backlog_is_retired_not_copied(void)
{
    struct rig r;
    msg_id backlog[60];
    uint64_t chunk;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
    leave_first(&r);
    for (unsigned i = 0; i < ARRAY_LEN(backlog); i++) {
        backlog[i] = rig_put(&r, 20000, 'w');
    }
    chunk = stored_of_const(queue_find(r.q, backlog[20]))->chunk_lsn[0];
    for (unsigned i = 0; i < 600; i++) {
        record(&r, backlog[i % ARRAY_LEN(backlog)], 0, OUTCOME_DEFERRED, "450 still");
        deliver(&r, rig_put(&r, 20000, 'd'));
    }
    settle(&r);
    CU_ASSERT_TRUE(stats(&r).copied_bytes < 1000000); /* of 12 MB that passed by */
    CU_ASSERT_EQUAL(stored_of_const(queue_find(r.q, backlog[20]))->chunk_lsn[0], chunk);
    queue_free(r.q);
    CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
    CU_ASSERT_EQUAL(r.messages, ARRAY_LEN(backlog));
    for (unsigned i = 0; i < ARRAY_LEN(backlog); i++) {
        struct queue_message *m = queue_find(r.q, backlog[i]);

        CU_ASSERT_PTR_NOT_NULL_FATAL(m);
        CU_ASSERT_EQUAL(m->recipients[0].attempts, 10);
        CU_ASSERT_EQUAL(rig_read(&r, m, 'w'), 20000);
    }
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

#define ROUNDS_MAX 50

/* It reads on where the content was, and then where it is. */
static void
a_reader_goes_on_while_its_message_moves(void)
{
    struct rig r;
    struct queue_reader *reader;
    struct slice piece;
    uint64_t lsn, total = 0;
    msg_id id, kept[16];
    int rc;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
    leave_first(&r);
    id = rig_put(&r, 70000, 'r');
    lsn = stored_of_const(queue_find(r.q, id))->commit_lsn;
    while (journal_segment(r.q->journal)->seq <= lsn / SEGMENT) { /* the rest of it is dead */
        deliver(&r, rig_put(&r, 10000, 'd'));
    }
    CU_ASSERT_EQUAL_FATAL(queue_reader_open(r.q, queue_find(r.q, id), &reader), 0);
    for (unsigned i = 0;; i++) {
        rc = queue_reader_next(reader, &piece, on_ready, &r);
        if (rc == BH_EBUSY) {
            (void)loop_run(loop);
            continue;
        }
        if (rc <= 0) {
            break;
        }
        total += piece.n;
        for (unsigned k = 0; i < 3 && k < ROUNDS_MAX; k++) {
            (void)traffic(&r, 200, 20000, kept);
            settle(&r);
            if (stored_of_const(queue_find(r.q, id))->commit_lsn > lsn) {
                break; /* which segments a round takes depends on how quick the freeing is */
            }
        }
    }
    CU_ASSERT_EQUAL(rc, 0);
    CU_ASSERT_EQUAL(total, 70000);
    CU_ASSERT_TRUE(stored_of_const(queue_find(r.q, id))->commit_lsn > lsn);
    queue_reader_close(reader);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
flip(uint64_t lsn)
{
    char path[200], name[SEGMENT_NAME_CAP], byte;
    int fd;

    segment_name(name, lsn / SEGMENT, 1);
    (void)snprintf(path, sizeof(path), "%s/journal/%s", dir, name);
    fd = open(path, O_RDWR);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(pread(fd, &byte, 1, (off_t)(lsn % SEGMENT + 100)), 1);
    byte ^= 0x20;
    CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, (off_t)(lsn % SEGMENT + 100)), 1);
    (void)close(fd);
}

/* Found by the copier: the message and its segment stay, the others there move on. */
static void
damaged_content_is_never_copied(void)
{
    struct rig r;
    const struct stored *bad;
    uint64_t lsn, until_ms;
    msg_id ids[3], kept[32];
    unsigned waiting;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
    leave_first(&r);
    for (unsigned i = 0; i < 3; i++) {
        ids[i] = rig_put(&r, 3000, (char)('a' + i));
    }
    bad = stored_of_const(queue_find(r.q, ids[1]));
    lsn = bad->chunk_lsn[0];
    flip(lsn);
    waiting = traffic(&r, 300, 20000, kept);
    until_ms = ticks_ms() + GIVE_UP_MS;
    while ((stats(&r).compacting || !bad->damaged) && ticks_ms() < until_ms) {
        rig_sync(&r);
    }
    CU_ASSERT_TRUE(bad->damaged);
    CU_ASSERT_EQUAL(bad->chunk_lsn[0], lsn);
    CU_ASSERT_PTR_NOT_NULL(segtab_find(&r.q->segments, lsn / SEGMENT));
    CU_ASSERT_TRUE(stored_of_const(queue_find(r.q, ids[0]))->commit_lsn / SEGMENT > lsn / SEGMENT);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, ids[0]), 'a'), 3000);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, ids[1]), 'b'), BH_EDAMAGED);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, ids[2]), 'c'), 3000);
    waiting += traffic(&r, 300, 20000, kept);
    settle(&r); /* the rest goes all the same */
    queue_free(r.q);
    CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
    CU_ASSERT_EQUAL(r.messages, 3 + waiting);
    CU_ASSERT_TRUE(queue_find(r.q, ids[1])->held);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, ids[2]), 'c'), 3000);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static struct queue_finding found;

static void
on_found(void *ctx, const struct queue_finding *f)
{
    (void)ctx;
    if (f->kind == FINDING_RECORD_DAMAGED) {
        found = *f;
    }
}

/* A recovery of the whole journal, which sees all damage that is on the disk. */
static void
open_looking(struct rig *r)
{
    struct queue_options o = options(r);

    o.slack_segments = SLACK;
    o.whole_journal = true;
    o.on_finding = on_found;
    found.kind = 0;
    CU_ASSERT_EQUAL_FATAL(rig_open_with(r, &o), 0);
}

/* What store repair dealt with does not come back when the record that says so might be freed. */
static void
mended_damage_never_comes_back(void)
{
    struct rig r;
    msg_id backlog[60];
    uint64_t chunk, seq;
    struct repaired_place place;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
    leave_first(&r);
    for (unsigned i = 0; i < ARRAY_LEN(backlog); i++) {
        backlog[i] = rig_put(&r, 20000, 'w');
    }
    chunk = stored_of_const(queue_find(r.q, backlog[20]))->chunk_lsn[0];
    seq = chunk / SEGMENT;
    queue_free(r.q);
    flip(chunk);
    open_looking(&r);
    CU_ASSERT_EQUAL_FATAL(found.kind, FINDING_RECORD_DAMAGED);
    CU_ASSERT_EQUAL(found.offset, chunk % SEGMENT);
    record(&r, backlog[20], 0, OUTCOME_REMOVED, "");
    record(&r, backlog[20], 1, OUTCOME_REMOVED, "");
    place = (struct repaired_place){ (uint32_t)found.offset, (uint32_t)found.kind };
    CU_ASSERT_EQUAL(queue_settle_damage(r.q, seq, &place, 1), 0);
    rig_sync(&r);
    queue_free(r.q);
    for (unsigned lives = 0; lives < 3; lives++) {
        open_looking(&r);
        CU_ASSERT_EQUAL(found.kind, 0);
        CU_ASSERT_EQUAL(r.claim.quarantined, 0);
        CU_ASSERT_EQUAL(r.messages, ARRAY_LEN(backlog) - 1);
        for (unsigned i = 0; i < 300; i++) {
            unsigned k = i % ARRAY_LEN(backlog);

            if (k != 20) {
                record(&r, backlog[k], 0, OUTCOME_DEFERRED, "450 still");
            }
            deliver(&r, rig_put(&r, 20000, 'd'));
        }
        settle(&r);
        CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, backlog[19]), 'w'), 20000);
        CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, backlog[21]), 'w'), 20000);
        queue_free(r.q);
    }
    CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
    CU_ASSERT_PTR_NULL(segtab_find(&r.q->segments, seq)); /* and the damage is gone for good */
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

/* In the midst of a round, with a message in hand or on its way. */
static void
a_release_and_a_death_end_it_at_any_point(void)
{
    struct rig r;
    msg_id kept[8];
    unsigned n;

    store_begin();
    for (unsigned lives = 0; lives < 12; lives++) {
        CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
        CU_ASSERT_EQUAL(r.claim.quarantined, 0);
        CU_ASSERT_EQUAL(r.messages, 2 * lives);
        n = traffic(&r, 40, 30000, kept);
        CU_ASSERT_EQUAL(n, 2);
        for (unsigned i = 0; i < 200 && !stats(&r).compacting; i++) {
            deliver(&r, rig_put(&r, 30000, 'd'));
        }
        if (lives % 2 == 0) {
            CU_ASSERT_EQUAL(rig_release(&r), 0);
        } else {
            rig_sync(&r);
            queue_free(r.q);
        }
    }
    CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
    for (struct queue_message *m = queue_after(r.q, 0); m != NULL; m = queue_after(r.q, m->id)) {
        CU_ASSERT_EQUAL(rig_read(&r, m, 'd'), 30000);
    }
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static uint64_t
file_bytes(const struct segment *seg)
{
    char path[200], name[SEGMENT_NAME_CAP];
    struct io_stat st;

    segment_name(name, seg->seq, seg->epoch);
    (void)snprintf(path, sizeof(path), "%s/journal/%s", dir, name);
    return io_stat(path, &st) == 0 ? st.size_bytes : 0;
}

/* What it had not used of its present segment, filled with zeros to its end, goes back to the disk
 * once the next owner's SEAL is durable; and all that was written is there. */
static void
what_a_dead_owner_did_not_use_is_given_back(void)
{
    struct rig r;
    const struct segment *seg;
    uint64_t seq, valid, until_ms;
    msg_id id;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
    leave_first(&r);
    id = rig_put(&r, 5000, 'w');
    seq = stored_of_const(queue_find(r.q, id))->commit_lsn / SEGMENT;
    CU_ASSERT_EQUAL(file_bytes(segtab_find(&r.q->segments, seq)), SEGMENT);
    queue_free(r.q); /* as if killed */
    for (unsigned lives = 0; lives < 2; lives++) {
        CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
        CU_ASSERT_EQUAL(r.claim.quarantined, 0);
        seg = segtab_find(&r.q->segments, seq);
        CU_ASSERT_PTR_NOT_NULL_FATAL(seg);
        valid = (seg->valid_bytes + IO_BLOCK_BYTES - 1) / IO_BLOCK_BYTES * IO_BLOCK_BYTES;
        CU_ASSERT_TRUE(valid < SEGMENT);
        CU_ASSERT_EQUAL(seg->size_bytes, valid);
        until_ms = ticks_ms() + GIVE_UP_MS;
        while (file_bytes(seg) != valid && ticks_ms() < until_ms) {
            rig_sync(&r); /* a thread does it */
        }
        CU_ASSERT_EQUAL(file_bytes(seg), valid);
        CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, id), 'w'), 5000);
        queue_free(r.q);
    }
    store_end();
}

/* The next part speaks about the copy: it has to outlive it, or the part would rise from the dead
 * when its message is long gone (I7). */
static void
what_follows_a_part_that_was_copied_outlives_the_copy(void)
{
    const struct stored *s;
    struct queue_intake *in;
    struct segment *seg;
    uint64_t at;
    struct rig r;
    msg_id id, kept[16];

    store_begin();
    CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
    leave_first(&r);
    CU_ASSERT_EQUAL_FATAL(queue_begin(r.q, no_resume, NULL, &in, &id), 0);
    CU_ASSERT_TRUE(queue_append(in, SLICE_LIT("the first octets")) >= 0);
    CU_ASSERT_EQUAL_FATAL(queue_secure(in, SLICE_LIT("who"), SLICE_NONE, on_done, &r), 0);
    (void)loop_run(loop);
    s = msgindex_find(&r.q->index, id);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    at = s->commit_lsn;
    queue_suspend(in);
    for (unsigned i = 0; i < 20 && s->commit_lsn == at; i++) {
        (void)traffic(&r, 200, 20000, kept);
        settle(&r);
    }
    CU_ASSERT_TRUE_FATAL(s->commit_lsn != at && !s->moving);
    at = s->commit_lsn;
    seg = journal_segment(r.q->journal);
    while (journal_segment(r.q->journal) == seg) {
        deliver(&r, rig_put(&r, 20000, 'd'));
    }
    CU_ASSERT_EQUAL_FATAL(queue_reopen(r.q, id, no_resume, NULL, &in), 0);
    CU_ASSERT_EQUAL_FATAL(queue_secure(in, SLICE_LIT("who"), SLICE_NONE, on_done, &r), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(segtab_find(&r.q->segments, at / SEGMENT));
    CU_ASSERT_TRUE(segment_needs(journal_segment(r.q->journal), at / SEGMENT));
    (void)loop_run(loop);
    queue_suspend(in);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

/* ---- mail that comes in as fast as it can */

struct flood {
    struct rig *r;
    msg_id id; /* of the large message under way */
    unsigned left;
};

static void
ignore_done(void *ctx, int status)
{
    (void)ctx;
    CU_ASSERT_EQUAL(status, 0);
}

static msg_id
flood_put(struct rig *r, size_t n, queue_done_fn *cb, void *ctx)
{
    static const char bytes[200000];
    static const struct envelope_recipient to = { .address = { "b@example.com", 13 } };
    struct envelope e = envelope_of(&to, 1);
    struct queue_intake *in;
    msg_id id;

    CU_ASSERT_EQUAL_FATAL(queue_begin(r->q, no_resume, NULL, &in, &id), 0);
    CU_ASSERT_TRUE(queue_append(in, (struct slice){ bytes, n }) >= 0);
    CU_ASSERT_EQUAL_FATAL(queue_commit(in, &e, cb, ctx), 0);
    return id;
}

/* A small one that stays and a large one that is delivered at once, again and again: mostly the
 * batch that gathers is full when the last one is told. */
static void
flood_on(void *ctx, int status)
{
    struct flood *f = ctx;

    CU_ASSERT_EQUAL(status, 0);
    record(f->r, f->id, 0, OUTCOME_DELIVERED, "");
    if (--f->left == 0) {
        loop_stop(loop);
        return;
    }
    (void)flood_put(f->r, 10000, ignore_done, NULL);
    f->id = flood_put(f->r, 200000, flood_on, f);
}

static void
mail_that_comes_in_as_fast_as_it_can_does_not_hold_it_up(void)
{
    struct rig r;
    struct flood f = { .r = &r, .left = 100 };

    store_begin();
    CU_ASSERT_EQUAL_FATAL(open_tight(&r), 0);
    leave_first(&r);
    f.id = flood_put(&r, 200000, flood_on, &f);
    (void)loop_run(loop);
    CU_ASSERT_EQUAL(f.left, 0);
    settle(&r);
    CU_ASSERT_TRUE(stats(&r).copied_bytes > 0);
    CU_ASSERT_EQUAL(stats(&r).messages, 99);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

TEST_MAIN("compact", TEST(what_a_dead_owner_did_not_use_is_given_back),
    TEST(the_journal_stays_within_its_bound_while_some_mail_waits),
    TEST(all_that_was_said_of_a_message_goes_with_it),
    TEST(a_message_over_many_segments_moves_as_a_whole), TEST(a_backlog_is_retired_not_copied),
    TEST(a_reader_goes_on_while_its_message_moves), TEST(damaged_content_is_never_copied),
    TEST(mended_damage_never_comes_back), TEST(a_release_and_a_death_end_it_at_any_point),
    TEST(what_follows_a_part_that_was_copied_outlives_the_copy),
    TEST(mail_that_comes_in_as_fast_as_it_can_does_not_hold_it_up))
