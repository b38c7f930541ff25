/* The journal by itself: batches, blocks, segments, completions; on real files. */
#include "core/ticks.h"
#include "queue/journal.h"
#include "test_main.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define SEGMENT (64 * KIB)

struct rig {
    char dir[64];
    struct loop *loop;
    struct lease lease;
    struct segtab segments;
    struct space *space;
    struct journal *journal;
    struct segment *first;
    unsigned done, failures;
    int status, failure;
    struct journal_wait last;
};

static void
on_done(void *ctx, const struct journal_wait *w, int status)
{
    struct rig *r = ctx;

    r->done++;
    r->last = *w;
    r->status = status;
    loop_stop(r->loop);
}

static void
on_turn(void *ctx)
{
    (void)ctx;
}

static void
on_failure(void *ctx, int rc)
{
    struct rig *r = ctx;

    r->failures++;
    r->failure = rc;
    loop_stop(r->loop);
}

static void
notify(void *ctx)
{
    (void)ctx;
}

static void
begin(struct rig *r)
{
    struct space_options so = { .epoch = 1, .segment_bytes = SEGMENT, .notify = notify };
    struct journal_options jo = { .epoch = 1,
        .segment_bytes = SEGMENT,
        .first_offset = SEGMENT_HEADER_BYTES,
        .seal_lsn = 1,
        .on_done = on_done,
        .on_turn = on_turn,
        .on_failure = on_failure };
    char path[80];

    *r = (struct rig){ .dir = "/tmp/test_journal.XXXXXX" };
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(r->dir));
    (void)snprintf(path, sizeof(path), "%s/journal", r->dir);
    CU_ASSERT_EQUAL(io_mkdir(path, 0700), 0);
    CU_ASSERT_EQUAL_FATAL(loop_new(&r->loop), 0);
    lease_begin(&r->lease, 3600000, ticks_boot_ns());
    segtab_init(&r->segments);
    r->first = segtab_add(&r->segments, 1, 1, 42);
    so.store = r->dir;
    so.lease = jo.lease = &r->lease;
    CU_ASSERT_EQUAL_FATAL(space_new(&r->space, &so), 0);
    CU_ASSERT_EQUAL_FATAL(space_make_first(r->space, r->first, SLICE_NONE), 0);
    CU_ASSERT_EQUAL_FATAL(space_start(r->space), 0);
    jo.loop = r->loop;
    jo.segments = &r->segments;
    jo.space = r->space;
    jo.first = r->first;
    jo.ctx = r;
    CU_ASSERT_EQUAL_FATAL(journal_new(&r->journal, &jo), 0);
    /* leave the first segment, which is left as soon as the next one is ready: not in a test */
    r->first->zeroed = true;
}

static int
each_unlink(void *ctx, const char *name)
{
    char path[STORE_PATH_CAP];

    return store_path(path, ctx, name) == 0 ? io_unlink(path) : 0;
}

static void
end(struct rig *r)
{
    char path[80];

    journal_stop(r->journal);
    space_stop(r->space);
    journal_free(r->journal);
    space_free(r->space);
    segtab_fini(&r->segments);
    loop_free(r->loop);
    (void)snprintf(path, sizeof(path), "%s/journal", r->dir);
    CU_ASSERT_EQUAL(io_list(path, each_unlink, path), 0);
    (void)rmdir(path);
    CU_ASSERT_EQUAL(rmdir(r->dir), 0);
}

static uint64_t
add(struct rig *r, size_t n, char c)
{
    struct journal_place place = { NULL, 0, NULL };

    CU_ASSERT_EQUAL_FATAL(journal_add(r->journal, RECORD_CONTENT, n, &place), 0);
    memset(place.payload, c, n);
    return place.lsn;
}

static void
settle(struct rig *r)
{
    struct journal_wait w = { 0 };

    CU_ASSERT_EQUAL_FATAL(journal_wait(r->journal, &w), 0);
    (void)loop_run(r->loop);
}

/* The record at this LSN on disk: is it whole? Its length; 0: no. */
static uint32_t
on_disk(struct rig *r, uint64_t lsn, uint8_t *type)
{
    static uint8_t bytes[SEGMENT];
    const struct segment *s = segtab_find(&r->segments, lsn / SEGMENT);
    struct record_head h;
    ssize_t n = io_pread(s->fd, bytes, sizeof(bytes), lsn % SEGMENT);

    if (n < 0 || record_head_get(bytes, (size_t)n, s->seed, lsn, &h) < 0 ||
        !record_payload_valid(bytes, &h, s->seed)) {
        return 0;
    }
    *type = h.type;
    return h.length;
}

/* I1 */
static void
each_batch_begins_with_a_block_of_its_own(void)
{
    struct rig r;
    uint64_t a, b, c;
    uint8_t type;

    begin(&r);
    a = add(&r, 100, 'a');
    b = add(&r, 5000, 'b');
    settle(&r);
    CU_ASSERT_EQUAL(r.status, 0);
    c = add(&r, 100, 'c');
    settle(&r);
    CU_ASSERT_EQUAL(a % SEGMENT, SEGMENT_HEADER_BYTES);
    CU_ASSERT_EQUAL(b, a + record_padded(RECORD_HEADER_BYTES + 100));
    CU_ASSERT_EQUAL(c % IO_BLOCK_BYTES, 0);
    CU_ASSERT_EQUAL(on_disk(&r, a, &type), RECORD_HEADER_BYTES + 100);
    CU_ASSERT_EQUAL(on_disk(&r, b, &type), RECORD_HEADER_BYTES + 5000);
    CU_ASSERT_EQUAL(on_disk(&r, c, &type), RECORD_HEADER_BYTES + 100);
    b += record_padded(RECORD_HEADER_BYTES + 5000);
    CU_ASSERT_EQUAL(on_disk(&r, b, &type), c - b); /* the PAD between */
    CU_ASSERT_EQUAL(type, RECORD_PAD);
    CU_ASSERT_EQUAL(journal_position(r.journal) % IO_BLOCK_BYTES, 0);
    CU_ASSERT_TRUE(journal_is_idle(r.journal));
    end(&r);
}

/* Every length that leaves an awkward rest: less than a header before the block's or the
 * segment's end. */
static void
any_length_leaves_a_readable_journal(void)
{
    struct rig r;
    uint64_t lsn[600];
    size_t bytes[600];
    uint8_t type;
    unsigned n = 0;

    begin(&r);
    for (size_t length = 4000; length < 4100; length++) {
        for (unsigned k = 0; k < 1 + length % 3; k++) {
            bytes[n] = length;
            lsn[n++] = add(&r, length, 'x');
        }
        settle(&r);
        CU_ASSERT_EQUAL(r.status, 0);
    }
    CU_ASSERT_TRUE(lsn[n - 1] / SEGMENT > 8);
    for (unsigned i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(on_disk(&r, lsn[i], &type), RECORD_HEADER_BYTES + bytes[i]);
    }
    end(&r);
}

static void
a_batch_may_span_segments_and_closes_them(void)
{
    struct rig r;
    uint64_t first, last = 0;

    begin(&r);
    first = add(&r, 20000, 'a');
    for (unsigned i = 0; i < 20; i++) {
        last = add(&r, 20000, 'b');
    }
    CU_ASSERT_TRUE(journal_is_full(r.journal));
    settle(&r);
    CU_ASSERT_EQUAL(r.status, 0);
    CU_ASSERT_TRUE(last / SEGMENT > first / SEGMENT + 4);
    for (uint64_t seq = first / SEGMENT; seq < last / SEGMENT; seq++) {
        CU_ASSERT_TRUE(segtab_find(&r.segments, seq)->closed);
        CU_ASSERT_TRUE(segtab_find(&r.segments, seq)->valid_bytes <= SEGMENT);
    }
    CU_ASSERT_FALSE(journal_segment(r.journal)->closed);
    CU_ASSERT_FALSE(journal_is_full(r.journal));
    end(&r);
}

static void
what_does_not_fit_half_a_segment_is_refused(void)
{
    struct rig r;
    struct journal_place place;

    begin(&r);
    CU_ASSERT_EQUAL(journal_add(r.journal, RECORD_CONTENT, SEGMENT / 2, &place), BH_ETOOBIG);
    (void)add(&r, journal_payload_max(r.journal), 'm');
    settle(&r);
    CU_ASSERT_EQUAL(r.status, 0);
    end(&r);
}

/* I4: the sync returned, but the lease had ended. */
static void
a_batch_after_the_lease_is_not_acknowledged(void)
{
    struct rig r;
    struct journal_place place;
    struct journal_wait w = { 0 };

    begin(&r);
    (void)add(&r, 100, 'a');
    lease_end(&r.lease);
    settle(&r);
    CU_ASSERT_EQUAL(r.status, BH_EFENCED);
    CU_ASSERT_EQUAL(r.failures, 1);
    CU_ASSERT_EQUAL(r.failure, BH_EFENCED);
    CU_ASSERT_EQUAL(journal_add(r.journal, RECORD_CONTENT, 1, &place), BH_EFENCED);
    CU_ASSERT_EQUAL(journal_wait(r.journal, &w), BH_EFENCED);
    end(&r);
}

/* I5. The disk fails for real here: its descriptor is one that cannot be written. */
static void
a_failed_write_ends_it_once(void)
{
    struct rig r;
    int full = open("/dev/full", O_RDWR);
    int kept;

    begin(&r);
    kept = r.first->fd;
    CU_ASSERT_TRUE_FATAL(full >= 0);
    r.first->fd = full;
    (void)add(&r, 100, 'a');
    settle(&r);
    CU_ASSERT_EQUAL(r.status, -ENOSPC);
    CU_ASSERT_EQUAL(r.failures, 1);
    r.first->fd = kept;
    (void)close(full);
    end(&r);
}

static void
forgotten(void *ctx, int status)
{
    (void)ctx;
    (void)status;
}

static void
a_forgotten_wait_keeps_its_object_but_not_its_callback(void)
{
    struct rig r;
    struct journal_wait w = { 7, forgotten, &r, &r };

    begin(&r);
    (void)add(&r, 100, 'a');
    CU_ASSERT_EQUAL(journal_wait(r.journal, &w), 0);
    journal_forget(r.journal, forgotten, &r);
    (void)loop_run(r.loop);
    CU_ASSERT_PTR_NULL(r.last.cb);
    CU_ASSERT_PTR_EQUAL(r.last.object, &r);
    CU_ASSERT_EQUAL(r.done, 1); /* told, with cb NULL: the message exists all the same */
    end(&r);
}

/* The turn goes on for ever, as it seems to the writer: it gets a batch all the same, on a block
 * boundary, and what comes later is in the next one. */
static void
a_long_turn_hands_its_batch_over(void)
{
    struct rig r;
    struct journal_wait w = { 0 };
    struct journal_stats stats;
    uint64_t first, last, until_ms;
    unsigned waits = 0;
    uint8_t type;

    begin(&r);
    (void)add(&r, 100, 'a');
    settle(&r);
    first = add(&r, 100, 'b');
    last = first;
    until_ms = ticks_ms() + 30000;
    do {
        last = add(&r, 10, 'c');
        CU_ASSERT_EQUAL_FATAL(journal_wait(r.journal, &w), 0);
        waits++;
        usleep(100);
        journal_stats(r.journal, &stats);
    } while (stats.batches < 2 && ticks_ms() < until_ms);
    CU_ASSERT_EQUAL(stats.batches, 2);
    CU_ASSERT_EQUAL(r.done, 1); /* told on the loop, later */
    last = add(&r, 10, 'd');
    CU_ASSERT_EQUAL(journal_wait(r.journal, &w), 0);
    waits++;
    while (r.done < 1 + waits) {
        (void)loop_run(r.loop);
    }
    CU_ASSERT_EQUAL(r.status, 0);
    CU_ASSERT_EQUAL(on_disk(&r, first, &type), RECORD_HEADER_BYTES + 100);
    CU_ASSERT_EQUAL(on_disk(&r, last, &type), RECORD_HEADER_BYTES + 10);
    CU_ASSERT_EQUAL(first % IO_BLOCK_BYTES, 0);
    CU_ASSERT_TRUE(last / IO_BLOCK_BYTES > first / IO_BLOCK_BYTES);
    end(&r);
}

/* What is reserved stays so: the batch with the room for it is not handed over before. */
static void
a_reserved_wait_finds_its_room(void)
{
    struct rig r;
    struct journal_wait w = { 0 };
    struct journal_stats stats;

    begin(&r);
    (void)add(&r, 100, 'a');
    settle(&r);
    (void)add(&r, 100, 'b');
    CU_ASSERT_EQUAL(journal_reserve_waits(r.journal, 3), 0);
    for (unsigned i = 0; i < 2; i++) {
        usleep(20000);
        CU_ASSERT_EQUAL(journal_wait(r.journal, &w), 0);
    }
    journal_stats(r.journal, &stats);
    CU_ASSERT_EQUAL(stats.batches, 1);
    settle(&r);
    CU_ASSERT_EQUAL(r.status, 0);
    end(&r);
}

TEST_MAIN("journal", TEST(each_batch_begins_with_a_block_of_its_own),
    TEST(any_length_leaves_a_readable_journal), TEST(a_batch_may_span_segments_and_closes_them),
    TEST(what_does_not_fit_half_a_segment_is_refused),
    TEST(a_batch_after_the_lease_is_not_acknowledged), TEST(a_failed_write_ends_it_once),
    TEST(a_forgotten_wait_keeps_its_object_but_not_its_callback),
    TEST(a_long_turn_hands_its_batch_over), TEST(a_reserved_wait_finds_its_room))
