/* What recovery makes of files that somebody else has changed: a torn tail is normal, anything else
 * is named, set aside, and the rest serves. Nothing is ever delivered whose checksum fails. */
#include "core/crc32c.h"
#include "queue/queue_int.h"
#include "queue/recover.h"
#include "queue/store_tools.h"
#include "queue_rig.h"
#include "test_main.h"
#include <fcntl.h>

#define FOUND_MAX 32

static struct {
    unsigned count;
    char segment[FOUND_MAX][64];
    uint64_t offset[FOUND_MAX], id[FOUND_MAX];
    enum bridgehead_finding kind[FOUND_MAX];
} found;

static void
on_finding(void *ctx, const struct queue_finding *f)
{
    (void)ctx;
    if (found.count < FOUND_MAX) {
        (void)snprintf(found.segment[found.count], sizeof(found.segment[0]), "%s", f->file);
        found.kind[found.count] = f->kind;
        found.offset[found.count] = f->offset;
        found.id[found.count] = f->id;
    }
    found.count++;
}

static struct store_totals
check(void)
{
    struct store_totals out = { 0 };
    struct store_look look = { .path = dir, .finding = on_finding };

    found.count = 0;
    CU_ASSERT_EQUAL(store_check(&look, &out), 0);
    return out;
}

/* Segment seq of epoch 1, for changing. */
static int
open_segment(uint64_t seq, uint32_t epoch)
{
    char path[200], name[SEGMENT_NAME_CAP];
    int fd;

    segment_name(name, seq, epoch);
    (void)snprintf(path, sizeof(path), "%s/journal/%s", dir, name);
    fd = open(path, O_RDWR);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    return fd;
}

static void
flip(uint64_t lsn, unsigned at)
{
    int fd = open_segment(lsn / SEGMENT, 1);
    uint64_t offset = lsn % SEGMENT + at;
    char byte;

    CU_ASSERT_EQUAL(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= 0x20;
    CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, (off_t)offset), 1);
    (void)close(fd);
}

static void
path_of(char out[200], uint64_t seq, uint32_t epoch)
{
    char name[SEGMENT_NAME_CAP];

    segment_name(name, seq, epoch);
    (void)snprintf(out, 200, "%s/journal/%s", dir, name);
}

static const struct stored *
stored(struct rig *r, msg_id id)
{
    const struct queue_message *m = queue_find(r->q, id);

    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    return stored_of_const(m);
}

static void
garbage_behind_the_end_is_a_torn_tail(void)
{
    struct rig r;
    msg_id id;
    uint64_t end;
    char junk[5000];
    int fd;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    id = rig_put(&r, 3000, 'a');
    end = (stored(&r, id)->commit_lsn / 4096 + 1) * 4096;
    queue_free(r.q);
    memset(junk, 0x5a, sizeof(junk));
    fd = open_segment(end / SEGMENT, 1);
    CU_ASSERT_EQUAL(pwrite(fd, junk, sizeof(junk), (off_t)(end % SEGMENT)), sizeof(junk));
    (void)close(fd);
    CU_ASSERT_EQUAL(check().damaged, 0);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.claim.quarantined, 0);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, id), 'a'), 3000);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

/* A record whose header is good is stepped over; its message is held and never delivered. */
static void
damaged_content_costs_its_message_only(void)
{
    struct rig r;
    msg_id ids[3];
    uint64_t lsn;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    for (unsigned i = 0; i < 3; i++) {
        ids[i] = rig_put(&r, 3000, (char)('a' + i));
    }
    lsn = stored(&r, ids[1])->chunk_lsn[0];
    queue_free(r.q);
    flip(lsn, 100);
    CU_ASSERT_EQUAL(check().damaged, 2); /* the place and the message */
    CU_ASSERT_EQUAL(found.count, 2);
    CU_ASSERT_EQUAL(found.kind[0], FINDING_RECORD_DAMAGED);
    CU_ASSERT_EQUAL(found.offset[0], lsn % SEGMENT);
    CU_ASSERT_EQUAL(found.kind[1], FINDING_MESSAGE_DAMAGED);
    CU_ASSERT_EQUAL(found.id[1], ids[1]);
    for (unsigned again = 0; again < 2; again++) { /* and it stays so, sealed or not */
        CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
        CU_ASSERT_EQUAL(r.claim.quarantined, 2);
        CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, ids[0]), 'a'), 3000);
        CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, ids[2]), 'c'), 3000);
        CU_ASSERT_TRUE(queue_find(r.q, ids[1])->held);
        CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, ids[1]), 'b'), BH_EDAMAGED);
        CU_ASSERT_EQUAL(rig_release(&r), 0);
    }
    store_end();
}

/* Messages of one segment, content and all: an epoch's first one is left at any moment. */
static void
put_together(struct rig *r, msg_id *ids, unsigned n)
{
    bool together;

    do {
        together = true;
        for (unsigned i = 0; i < n; i++) {
            ids[i] = rig_put(r, 3000, 'a');
            together = together && stored(r, ids[i])->commit_lsn / SEGMENT ==
                                       stored(r, ids[0])->chunk_lsn[0] / SEGMENT;
        }
    } while (!together);
}

static void
a_damaged_header_costs_the_rest_of_its_segment(void)
{
    struct rig r;
    msg_id ids[3];
    uint64_t lsn;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    put_together(&r, ids, 3);
    lsn = stored(&r, ids[1])->chunk_lsn[0];
    queue_free(r.q);
    flip(lsn, 9);
    CU_ASSERT_EQUAL(check().damaged, 1);
    CU_ASSERT_EQUAL(found.offset[0], lsn % SEGMENT);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.claim.quarantined, 1);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, ids[0]), 'a'), 3000);
    CU_ASSERT_PTR_NULL(queue_find(r.q, ids[1]));
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    CU_ASSERT_EQUAL(check().damaged, 1); /* kept for a repair */
    store_end();
}

/* Nothing tells a damaged last batch from a torn one: but for the owner's word that it sealed. */
static void
a_sealed_position_makes_a_lost_tail_damage(void)
{
    struct rig r;
    msg_id id;
    uint64_t lsn;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    id = rig_put(&r, 3000, 'a');
    lsn = stored(&r, id)->commit_lsn;
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    flip(lsn, 50);
    CU_ASSERT_EQUAL(check().damaged, 1);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.claim.quarantined, 1);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
a_segment_whose_header_is_damaged_is_set_aside_whole(void)
{
    struct rig r;
    msg_id first, last = 0;
    unsigned before;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    first = rig_put(&r, 3000, 'a');
    for (unsigned i = 0; i < 30; i++) {
        last = rig_put(&r, 30000, 'z');
    }
    CU_ASSERT_TRUE(stored(&r, last)->commit_lsn / SEGMENT > 3);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    before = count_files("journal", ".seg");
    flip(3 * SEGMENT, 20);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_TRUE(r.claim.quarantined >= 1);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, first), 'a'), 3000);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, last), 'z'), 30000);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    CU_ASSERT_TRUE(count_files("journal", ".seg") >= before); /* nothing was deleted */
    store_end();
}

static void
a_missing_segment_holds_the_messages_that_had_content_there(void)
{
    struct rig r;
    msg_id id, large;
    uint64_t lsn;
    char path[200], name[SEGMENT_NAME_CAP];

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    id = rig_put(&r, 3000, 'a');
    large = rig_put(&r, 900000, 'l');
    lsn = stored(&r, large)->chunk_lsn[0] + SEGMENT;
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    segment_name(name, lsn / SEGMENT, 1);
    (void)snprintf(path, sizeof(path), "%s/journal/%s", dir, name);
    CU_ASSERT_EQUAL(unlink(path), 0);
    CU_ASSERT_EQUAL(check().damaged, 2);
    CU_ASSERT_EQUAL(found.kind[0], FINDING_SEGMENT_MISSING);
    CU_ASSERT_EQUAL(found.kind[1], FINDING_MESSAGE_MISSING);
    CU_ASSERT_EQUAL(found.id[1], large);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.claim.quarantined, 2);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, id), 'a'), 3000);
    CU_ASSERT_TRUE(queue_find(r.q, large)->held);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, large), 'l'), BH_EDAMAGED);
    record(&r, large, 0, OUTCOME_REMOVED, ""); /* an operator gives it up */
    record(&r, large, 1, OUTCOME_REMOVED, "");
    rig_sync(&r);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.messages, 1);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

/* Also one of which no message that is left has a part: its messages are lost, and that is said. */
static void
a_missing_segment_is_missed_though_nothing_refers_to_it(void)
{
    struct rig r;
    msg_id id, last = 0;
    uint64_t seq;
    char path[200];

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    for (unsigned i = 0; i < 40; i++) { /* some segments come and go */
        id = rig_put(&r, 30000, 'a');
        record(&r, id, 0, OUTCOME_DELIVERED, "");
        record(&r, id, 1, OUTCOME_DELIVERED, "");
    }
    rig_sync(&r);
    for (unsigned i = 0; i < 40; i++) {
        last = rig_put(&r, 30000, 'z');
    }
    seq = stored(&r, last)->commit_lsn / SEGMENT - 2;
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    CU_ASSERT_EQUAL(check().damaged, 0);
    path_of(path, seq, 1);
    CU_ASSERT_EQUAL(unlink(path), 0);
    CU_ASSERT_TRUE(check().damaged >= 1);
    CU_ASSERT_EQUAL(found.kind[0], FINDING_SEGMENT_MISSING);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_TRUE(r.claim.quarantined >= 1);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

/* Nobody released: what tells is what was said before segments were freed, and that numbers run on.
 */
static void
a_segment_is_missed_after_a_crash_too_and_goes_on_being_missed(void)
{
    struct rig r;
    msg_id id, first, last = 0;
    uint64_t seq;
    char path[200], away[240], kept[240];

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    first = rig_put(&r, 3000, 'f');
    for (unsigned i = 0; i < 40; i++) { /* some segments come and go */
        id = rig_put(&r, 30000, 'a');
        record(&r, id, 0, OUTCOME_DELIVERED, "");
        record(&r, id, 1, OUTCOME_DELIVERED, "");
    }
    rig_sync(&r);
    for (unsigned i = 0; i < 40; i++) {
        last = rig_put(&r, 30000, 'z');
    }
    seq = stored(&r, last)->commit_lsn / SEGMENT - 2;
    queue_free(r.q);
    CU_ASSERT_EQUAL(check().damaged, 0);
    path_of(path, seq, 1);
    (void)snprintf(away, sizeof(away), "%s.away", run_lock);
    CU_ASSERT_EQUAL(rename(path, away), 0);
    CU_ASSERT_TRUE(check().damaged >= 1);
    CU_ASSERT_EQUAL(found.kind[0], FINDING_SEGMENT_MISSING);
    CU_ASSERT_EQUAL(rename(away, path), 0); /* the cure, as long as no daemon started */
    CU_ASSERT_EQUAL(check().damaged, 0);
    CU_ASSERT_EQUAL(rename(path, away), 0);
    for (unsigned life = 0; life < 3; life++) {
        CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
        CU_ASSERT_TRUE(r.claim.quarantined >= 1);
        CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, first), 'f'), 3000);
        if (life == 1) {
            CU_ASSERT_EQUAL(rig_release(&r), 0);
        } else {
            queue_free(r.q);
        }
        CU_ASSERT_TRUE(check().damaged >= 1);
    }
    CU_ASSERT_EQUAL(rename(away, path), 0); /* too late */
    CU_ASSERT_TRUE(check().damaged >= 1);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_TRUE(r.claim.quarantined >= 1);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    (void)snprintf(kept, sizeof(kept), "%s/quarantine%s", dir, strrchr(path, '/'));
    CU_ASSERT_EQUAL(access(kept, F_OK), 0);
    CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
    store_end();
}

/* As a release wrote it that did not say what it frees: flag bit 0 is not set. */
static void
unsay_census(uint64_t seq)
{
    uint8_t block[4096];
    struct segment_head h;
    int fd = open_segment(seq, 1);

    CU_ASSERT_EQUAL(pread(fd, block, sizeof(block), 0), sizeof(block));
    CU_ASSERT_EQUAL(segment_head_get(block, sizeof(block), &h), 0);
    CU_ASSERT_EQUAL(h.flags, SEGMENT_FLAG_CENSUS);
    h.flags = 0;
    segment_head_put(block, &h);
    CU_ASSERT_EQUAL(pwrite(fd, block, sizeof(block), 0), sizeof(block));
    (void)close(fd);
}

/* The newest full segment before `seq` that must outlive this one: it stays, whatever was full how
 * early. */
static uint64_t
last_that_outlives(const struct rig *r, uint64_t outlived, uint64_t seq)
{
    uint64_t last = 0;

    LIST_FOR(it, &r->q->segments.order)
    {
        const struct segment *s = CONTAINER_OF(it, const struct segment, link);

        last = s->seq < seq && !s->freeing && segment_needs(s, outlived) ? s->seq : last;
    }
    return last;
}

static void
an_older_releases_gaps_are_no_finding(void)
{
    struct rig r;
    struct queue_options o = options(&r);
    msg_id id, first;
    uint64_t seq, gap, of_last = 0;
    char path[200];

    store_begin();
    o.slack_segments = 1000; /* no round of compaction: what is dead is to stay */
    CU_ASSERT_EQUAL_FATAL(rig_open_with(&r, &o), 0);
    first = rig_put(&r, 3000, 'f');
    for (unsigned i = 0; i < 30; i++) { /* dead segments, which the first one's is outlived by */
        id = rig_put(&r, 30000, 'z');
        of_last = stored(&r, id)->commit_lsn / SEGMENT;
        record(&r, first, 0, OUTCOME_DEFERRED, "450 4.2.1 busy");
        record(&r, id, 0, OUTCOME_DELIVERED, "");
        record(&r, id, 1, OUTCOME_DELIVERED, "");
    }
    rig_sync(&r);
    gap = last_that_outlives(&r, stored(&r, first)->commit_lsn / SEGMENT, of_last);
    queue_free(r.q);
    CU_ASSERT_TRUE_FATAL(gap > 0);
    path_of(path, gap, 1);
    CU_ASSERT_EQUAL(unlink(path), 0);
    /* it may have had the CENSUS that left out one before it */
    CU_ASSERT_TRUE(check().damaged >= 1);
    for (unsigned f = 0; f < found.count; f++) {
        CU_ASSERT_EQUAL(found.kind[f], FINDING_SEGMENT_MISSING);
    }
    for (seq = 1; seq <= of_last + 1; seq++) {
        path_of(path, seq, 1);
        if (access(path, F_OK) == 0) {
            unsay_census(seq);
        }
    }
    CU_ASSERT_EQUAL(check().damaged, 0); /* it may have been freed */
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.claim.quarantined, 0);
    queue_free(r.q);
    CU_ASSERT_EQUAL(check().damaged, 0); /* nor for its seal's sake */
    store_end();
}

/* With the seal's segment everything older would be a stray, and be deleted. */
static void
without_the_seals_segment_nothing_is_deleted(void)
{
    struct rig r;
    msg_id id;
    uint64_t seq;
    char path[200], aside[200], kept[240];

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    id = rig_put(&r, 3000, 'a');
    seq = stored(&r, id)->commit_lsn / SEGMENT;
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    for (unsigned i = 0; i < 20; i++) {
        (void)rig_put(&r, 30000, 'z');
    }
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    CU_ASSERT_EQUAL(check().damaged, 0);
    path_of(path, r.claim.epoch == 2 ? seq + 1 : 0, 2);
    while (access(path, F_OK) != 0 && seq < 50) { /* the epoch's first */
        path_of(path, ++seq, 2);
    }
    (void)snprintf(aside, sizeof(aside), "%s.away", run_lock);
    CU_ASSERT_EQUAL(rename(path, aside), 0);
    CU_ASSERT_TRUE(check().damaged >= 2);
    (void)snprintf(kept, sizeof(kept), "%s/quarantine", dir);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    CU_ASSERT_TRUE(count_files("quarantine", ".seg") > 0);
    (void)unlink(aside);
    store_end();
}

/* I6: what a stale owner writes after the seal does not exist. */
static void
a_segment_that_no_seal_lists_is_late(void)
{
    struct rig r;
    struct segment_head h = { .seq = 99, .segment_bytes = SEGMENT, .salt = 5, .seal_lsn = 4096 };
    uint8_t block[SEGMENT_HEADER_BYTES];
    char path[200], name[SEGMENT_NAME_CAP];
    int fd;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(rig_release(&r), 0); /* epoch 2 is sealed */
    (void)snprintf(path, sizeof(path), "%s/STORE", dir);
    fd = open(path, O_RDONLY);
    CU_ASSERT_EQUAL(pread(fd, block, sizeof(block), 0), sizeof(block));
    (void)close(fd);
    memcpy(h.uuid, block + 16, sizeof(h.uuid));
    h.epoch = 1;
    segment_head_put(block, &h);
    segment_name(name, 99, 1);
    (void)snprintf(path, sizeof(path), "%s/journal/%s", dir, name);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    CU_ASSERT_EQUAL(write(fd, block, sizeof(block)), sizeof(block));
    (void)close(fd);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.claim.late_bytes, sizeof(block));
    CU_ASSERT_EQUAL(r.claim.quarantined, 0);
    CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
    (void)rig_put(&r, 100, 'x'); /* seq 100 by now: the number was not used again */
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

/* A good header of elsewhere proves that the file is not ours, whatever its name says: it takes
 * part in nothing (an epoch of its name would hide the true one), and is never deleted. */
static void
a_segment_of_another_store_never_counts(void)
{
    struct rig r;
    struct segment_head h = { .seq = 77, .epoch = 9, .segment_bytes = SEGMENT, .salt = 5 };
    uint8_t block[SEGMENT_HEADER_BYTES];
    char path[200];
    msg_id id;
    int fd;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    id = rig_put(&r, 3000, 'a');
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    segment_head_put(block, &h);
    path_of(path, 77, 9);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    CU_ASSERT_EQUAL(write(fd, block, sizeof(block)), sizeof(block));
    (void)close(fd);
    CU_ASSERT_EQUAL(check().damaged, 1);
    CU_ASSERT_EQUAL(found.kind[0], FINDING_SEGMENT_FOREIGN);
    for (unsigned again = 0; again < 2; again++) {
        CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
        CU_ASSERT_EQUAL(r.claim.quarantined, 1);
        CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, id), 'a'), 3000);
        CU_ASSERT_EQUAL(rig_release(&r), 0);
        CU_ASSERT_EQUAL(access(path, F_OK), 0);
    }
    store_end();
}

static void
a_renamed_segment_is_told_its_name(void)
{
    struct rig r;
    msg_id id;
    uint64_t seq;
    char from[200], to[200];

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    id = rig_put(&r, 3000, 'a');
    seq = stored(&r, id)->commit_lsn / SEGMENT;
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    path_of(from, seq, 1);
    path_of(to, seq, 8);
    CU_ASSERT_EQUAL(rename(from, to), 0);
    CU_ASSERT_EQUAL(check().damaged, 2); /* and the one of that number is missed */
    CU_ASSERT_EQUAL(found.kind[0], FINDING_SEGMENT_MISPLACED);
    CU_ASSERT_EQUAL(found.kind[1], FINDING_SEGMENT_MISSING);
    CU_ASSERT_EQUAL(rename(to, from), 0); /* the cure */
    CU_ASSERT_EQUAL(check().damaged, 0);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, id), 'a'), 3000);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
a_shortened_segment_is_damage_where_it_ends(void)
{
    struct rig r;
    msg_id ids[2];
    uint64_t lsn;
    char path[200];

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    put_together(&r, ids, 2);
    lsn = stored(&r, ids[1])->chunk_lsn[0];
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0); /* sealed by the next epoch */
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    path_of(path, lsn / SEGMENT, 1);
    CU_ASSERT_EQUAL(truncate(path, (off_t)(lsn % SEGMENT)), 0);
    CU_ASSERT_EQUAL(check().damaged, 1);
    CU_ASSERT_EQUAL(found.kind[0], FINDING_SEGMENT_SHORT);
    CU_ASSERT_EQUAL(found.offset[0], lsn % SEGMENT);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.claim.quarantined, 1);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, ids[0]), 'a'), 3000);
    CU_ASSERT_PTR_NULL(queue_find(r.q, ids[1]));
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

/* A record of a type that this release does not know, where the journal ends. */
static void
append_record(uint64_t lsn, uint8_t type, uint8_t flags)
{
    uint8_t block[4096];
    struct segment_head h;
    struct record_head rec = {
        .length = 4096, .type = type, .flags = flags, .lsn = lsn, .epoch = 1
    };
    int fd = open_segment(lsn / SEGMENT, 1);

    CU_ASSERT_EQUAL(pread(fd, block, sizeof(block), 0), sizeof(block));
    CU_ASSERT_EQUAL(segment_head_get(block, sizeof(block), &h), 0);
    memset(block, 0, sizeof(block));
    record_begin(block, &rec);
    record_finish(block, 0, record_seed(h.salt));
    CU_ASSERT_EQUAL(pwrite(fd, block, sizeof(block), (off_t)(lsn % SEGMENT)), sizeof(block));
    (void)close(fd);
}

static void
a_record_of_a_newer_release_is_skipped_or_refused_as_it_asks(void)
{
    struct rig r;
    msg_id id;
    uint64_t end;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    id = rig_put(&r, 3000, 'a');
    end = (stored(&r, id)->commit_lsn / 4096 + 1) * 4096;
    queue_free(r.q);
    append_record(end, 200, RECORD_FLAG_OPTIONAL);
    CU_ASSERT_EQUAL(check().damaged, 0);
    append_record(end + 4096, 201, 0);
    CU_ASSERT_EQUAL(rig_open(&r), BH_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(r.text, "newer release"));
    store_end();
}

static void
a_store_of_a_newer_format_is_refused(void)
{
    struct rig r;
    char path[200];
    uint8_t block[4096];
    int fd;

    store_begin();
    (void)snprintf(path, sizeof(path), "%s/STORE", dir);
    fd = open(path, O_RDWR);
    CU_ASSERT_EQUAL(pread(fd, block, sizeof(block), 0), sizeof(block));
    put_le32(block + 8, 2);
    put_le32(block + 508, crc32c(0, block, 508));
    CU_ASSERT_EQUAL(pwrite(fd, block, sizeof(block), 0), sizeof(block));
    CU_ASSERT_EQUAL(rig_open(&r), BH_EFORMAT);
    block[100] = 1;
    CU_ASSERT_EQUAL(pwrite(fd, block, sizeof(block), 0), sizeof(block));
    (void)close(fd);
    CU_ASSERT_EQUAL(rig_open(&r), BH_EDAMAGED);
    store_end();
}

TEST_MAIN("recover", TEST(garbage_behind_the_end_is_a_torn_tail),
    TEST(damaged_content_costs_its_message_only),
    TEST(a_damaged_header_costs_the_rest_of_its_segment),
    TEST(a_sealed_position_makes_a_lost_tail_damage),
    TEST(a_segment_whose_header_is_damaged_is_set_aside_whole),
    TEST(a_missing_segment_holds_the_messages_that_had_content_there),
    TEST(a_missing_segment_is_missed_though_nothing_refers_to_it),
    TEST(a_segment_is_missed_after_a_crash_too_and_goes_on_being_missed),
    TEST(an_older_releases_gaps_are_no_finding), TEST(without_the_seals_segment_nothing_is_deleted),
    TEST(a_segment_that_no_seal_lists_is_late), TEST(a_segment_of_another_store_never_counts),
    TEST(a_renamed_segment_is_told_its_name), TEST(a_shortened_segment_is_damage_where_it_ends),
    TEST(a_record_of_a_newer_release_is_skipped_or_refused_as_it_asks),
    TEST(a_store_of_a_newer_format_is_refused))
