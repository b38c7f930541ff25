#include "queue/queue_int.h"
#include "queue/snapshot.h"
#include "queue/snapshot_load.h"
#include "queue/store_tools.h"
#include "queue_rig.h"
#include "test_main.h"
#include <fcntl.h>
#include <sys/stat.h>

/* ---- bytes */

static struct stored *
make_message(struct msgindex *ix, uint64_t id)
{
    static const struct envelope_recipient to[2] = {
        { { "b@example.com", 13 }, { "rfc822;B@example.com", 20 }, ENVELOPE_NOTIFY_FAILURE },
        { { "c@example.net", 13 }, { NULL, 0 }, 0 },
    };
    struct envelope e = envelope_of(to, 2);
    struct commit_chunk chunks[2] = { { 8192, 100 }, { 16384, 23 } };
    struct commit_head head = { id, 123 };
    struct outcome_entry deferred = { 0, OUTCOME_DEFERRED, true, 3, 1800000000000,
        SLICE_LIT("450 4.2.1 later"), 55 };
    struct mark held = { .what = MARK_HELD, .value = HOLD_POISON };
    struct mark crashes = { .what = MARK_CRASHES, .value = 2 };
    uint8_t payload[1000];
    uint64_t n = commit_payload_bytes(&e, 2);
    struct stored *s;

    commit_encode(payload, &head, &e, chunks, 2);
    CU_ASSERT_EQUAL_FATAL(stored_new(&s, (struct slice){ (char *)payload, n }, 24576), 0);
    CU_ASSERT_EQUAL_FATAL(msgindex_add(ix, s), 0);
    CU_ASSERT_EQUAL(msgindex_outcome(ix, s, &deferred), 0);
    msgindex_mark(ix, s, &held);
    msgindex_mark(ix, s, &crashes);
    CU_ASSERT_EQUAL(msgindex_attempt(ix, s, 1, ATTEMPT_TRANSFER, 77), 0);
    s->m.recipients[1].warned = true;
    return s;
}

static void
assert_same(const struct stored *a, const struct stored *b)
{
    CU_ASSERT_EQUAL(a->m.id, b->m.id);
    CU_ASSERT_EQUAL(a->commit_lsn, b->commit_lsn);
    CU_ASSERT_EQUAL(a->m.size_bytes, b->m.size_bytes);
    CU_ASSERT_EQUAL(a->m.received_wall_ms, b->m.received_wall_ms);
    CU_ASSERT_EQUAL(a->m.live_count, b->m.live_count);
    CU_ASSERT_TRUE(slice_eq(a->m.sender, b->m.sender));
    CU_ASSERT_TRUE(slice_eq(a->m.envid, b->m.envid));
    CU_ASSERT_TRUE(slice_eq(a->m.client, b->m.client));
    CU_ASSERT_TRUE(slice_eq(a->m.transid, b->m.transid));
    CU_ASSERT_EQUAL(a->m.transid_bytes, b->m.transid_bytes);
    CU_ASSERT_EQUAL(a->m.body, b->m.body);
    CU_ASSERT_EQUAL(a->m.hops, b->m.hops);
    CU_ASSERT_EQUAL(a->m.held, b->m.held);
    CU_ASSERT_EQUAL(a->m.crashes, b->m.crashes);
    CU_ASSERT_EQUAL_FATAL(a->m.recipient_count, b->m.recipient_count);
    for (uint32_t i = 0; i < a->m.recipient_count; i++) {
        const struct queue_recipient *x = &a->m.recipients[i], *y = &b->m.recipients[i];

        CU_ASSERT_TRUE(slice_eq(x->address, y->address));
        CU_ASSERT_TRUE(slice_eq(x->orcpt, y->orcpt));
        CU_ASSERT_TRUE(slice_eq(x->last_reply, y->last_reply));
        CU_ASSERT_EQUAL(x->next_wall_ms, y->next_wall_ms);
        CU_ASSERT_EQUAL(x->attempts, y->attempts);
        CU_ASSERT_EQUAL(x->state, y->state);
        CU_ASSERT_EQUAL(x->notify, y->notify);
        CU_ASSERT_EQUAL(x->in_doubt, y->in_doubt);
        CU_ASSERT_EQUAL(x->warned, y->warned);
        CU_ASSERT_EQUAL(x->attempt, y->attempt);
        CU_ASSERT_EQUAL(x->transaction, y->transaction);
    }
    CU_ASSERT_EQUAL_FATAL(a->chunk_count, b->chunk_count);
    CU_ASSERT_EQUAL(memcmp(a->chunk_lsn, b->chunk_lsn, a->chunk_count * sizeof(uint64_t)), 0);
    CU_ASSERT_EQUAL(memcmp(a->chunk_bytes, b->chunk_bytes, a->chunk_count * sizeof(uint32_t)), 0);
}

/* The messages of one block into an empty index. 0, or the first error. */
static int
take_block(const struct snapshot_block *b, struct msgindex *ix)
{
    struct slice rest = { (const char *)b->bytes + SNAPSHOT_BLOCK_HEAD_BYTES,
        b->used - SNAPSHOT_BLOCK_HEAD_BYTES };
    struct snapshot_replies replies = { 0 };
    struct snapshot_entry e;
    struct stored *s;
    int rc = 0;

    while (rc == 0 && (rc = snapshot_next(&rest, &e)) > 0) {
        rc = e.kind == SNAPSHOT_REPLY ? snapshot_reply_get(&replies, ix, e.bytes)
                                      : snapshot_message_get(e.bytes, &replies, ix, &s);
        if (rc == 0 && e.kind != SNAPSHOT_REPLY) {
            CU_ASSERT_EQUAL(msgindex_add(ix, s), 0);
        }
    }
    snapshot_replies_fini(&replies, ix);
    return rc;
}

static void
a_message_comes_back_as_it_was(void)
{
    struct snapshot_block b = { 0 };
    struct msgindex from, to;
    struct stored *one, *two;

    msgindex_init(&from);
    msgindex_init(&to);
    one = make_message(&from, 7);
    two = make_message(&from, 9);
    snapshot_block_begin(&b);
    msgindex_renumber(&from);
    CU_ASSERT_EQUAL(snapshot_put_message(&b, &from, one), 0);
    CU_ASSERT_EQUAL(snapshot_put_message(&b, &from, two), 0);
    CU_ASSERT_EQUAL(take_block(&b, &to), 0);
    CU_ASSERT_EQUAL(to.messages, 2);
    CU_ASSERT_EQUAL(to.recipients, from.recipients);
    CU_ASSERT_EQUAL(to.held, from.held);
    CU_ASSERT_EQUAL(to.in_doubt, from.in_doubt);
    CU_ASSERT_EQUAL(to.attempts, from.attempts);
    CU_ASSERT_EQUAL(to.replies.count, 1); /* shared, as before */
    assert_same(msgindex_find(&to, 7), one);
    assert_same(msgindex_find(&to, 9), two);
    msgindex_fini(&to);
    CU_ASSERT_EQUAL(from.replies.count, 1);
    msgindex_fini(&from);
    snapshot_block_fini(&b);
}

/* Whatever the bytes are, reading ends, and what was taken is freed. */
static void
an_entry_with_any_byte_changed_is_read_or_refused(void)
{
    struct snapshot_block b = { 0 };
    struct msgindex from;
    unsigned refused = 0;

    msgindex_init(&from);
    snapshot_block_begin(&b);
    msgindex_renumber(&from);
    CU_ASSERT_EQUAL(snapshot_put_message(&b, &from, make_message(&from, 7)), 0);
    for (size_t at = SNAPSHOT_BLOCK_HEAD_BYTES; at < b.used; at++) {
        static const uint8_t flips[] = { 1, 0x80, 0xff };

        for (size_t k = 0; k < ARRAY_LEN(flips); k++) {
            struct msgindex to;

            msgindex_init(&to);
            b.bytes[at] ^= flips[k];
            refused += take_block(&b, &to) < 0;
            b.bytes[at] ^= flips[k];
            msgindex_fini(&to);
        }
    }
    CU_ASSERT_TRUE(refused > 0);
    msgindex_fini(&from);
    snapshot_block_fini(&b);
}

static void
header_and_trailer_are_checked(void)
{
    struct snapshot_head h = { .uuid = "0123456789abcde",
        .position = 77,
        .salt = 5,
        .segment_bytes = SEGMENT,
        .created_wall_ms = 9,
        .epoch = 3 };
    struct snapshot_trailer t = { 5, 88, 12288, 1, 2, 3, 4 };
    struct snapshot_head h2;
    struct snapshot_trailer t2;
    uint8_t block[SNAPSHOT_HEADER_BYTES], block2[SNAPSHOT_HEADER_BYTES];

    snapshot_head_put(block, &h);
    CU_ASSERT_EQUAL(snapshot_head_get(block, sizeof(block), &h2), 0);
    snapshot_head_put(block2, &h2); /* the struct itself has padding */
    CU_ASSERT_EQUAL(memcmp(block, block2, sizeof(block)), 0);
    CU_ASSERT_EQUAL(snapshot_head_get(block, sizeof(block) - 1, &h2), BH_EDAMAGED);
    block[33] ^= 1;
    CU_ASSERT_EQUAL(snapshot_head_get(block, sizeof(block), &h2), BH_EDAMAGED);
    snapshot_trailer_put(block, &t);
    CU_ASSERT_EQUAL(snapshot_trailer_get(block, sizeof(block), &t2), 0);
    CU_ASSERT_EQUAL(memcmp(&t, &t2, sizeof(t)), 0);
    block[17] ^= 1;
    CU_ASSERT_EQUAL(snapshot_trailer_get(block, sizeof(block), &t2), BH_EDAMAGED);
    CU_ASSERT_EQUAL(snapshot_head_get(block, sizeof(block), &h2), BH_EDAMAGED);
}

static void
names_and_the_record_of_those_that_count(void)
{
    struct snapshot_ref refs[2] = { { 4096, 11, 2 }, { 77777, 12, 3 } }, back[SNAPSHOT_REFS_MAX];
    char name[SNAPSHOT_NAME_CAP];
    uint64_t position;
    uint32_t epoch, count;
    uint8_t bytes[128];

    snapshot_name(name, 0x123456789abcdef, 0x42);
    CU_ASSERT_STRING_EQUAL(name, "0123456789abcdef-00000042.snap");
    CU_ASSERT_TRUE(snapshot_name_parse(name, &position, &epoch));
    CU_ASSERT_TRUE(position == 0x123456789abcdef && epoch == 0x42);
    CU_ASSERT_FALSE(snapshot_name_parse("0123456789ABCDEF-00000042.snap", &position, &epoch));
    CU_ASSERT_FALSE(snapshot_name_parse("new-00000042.tmp", &position, &epoch));
    snapshot_record_put(bytes, refs, 2);
    CU_ASSERT_EQUAL(snapshot_record_get(
                        (struct slice){ (char *)bytes, snapshot_record_bytes(2) }, back, &count),
        0);
    CU_ASSERT_EQUAL(count, 2);
    CU_ASSERT_TRUE(back[1].position == 77777 && back[1].salt == 12 && back[1].epoch == 3);
    CU_ASSERT_EQUAL(
        snapshot_record_get(
            (struct slice){ (char *)bytes, snapshot_record_bytes(2) - 1 }, back, &count),
        BH_EDAMAGED);
}

/* ---- a queue with snapshots */

static void
take_snapshot(struct rig *r)
{
    CU_ASSERT_EQUAL_FATAL(queue_snapshot(r->q, 0, on_done, r), 0);
    (void)loop_run(loop);
    CU_ASSERT_EQUAL(r->done_status, 0);
}

/* As after a kill: nothing is released. */
static void
drop(struct rig *r)
{
    queue_free(r->q);
    r->q = NULL;
}

static void
recovery_begins_at_the_snapshot(void)
{
    struct rig r;
    msg_id early, late;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.claim.snapshot_bytes, 0);
    early = rig_put(&r, 50000, 'a');
    record(&r, early, 1, OUTCOME_DEFERRED, "450 4.2.1 busy");
    rig_sync(&r);
    take_snapshot(&r);
    CU_ASSERT_EQUAL(count_files("snapshot", ".snap"), 1);
    CU_ASSERT_EQUAL(count_files("snapshot", ".tmp"), 0);
    CU_ASSERT_EQUAL(queue_snapshot(r.q, 0, on_done, &r), 1); /* nothing is new */
    late = rig_put(&r, 3000, 'b');
    record(&r, early, 0, OUTCOME_DELIVERED, "250 ok");
    rig_sync(&r);
    drop(&r);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_TRUE(r.claim.snapshot_bytes > 0);
    CU_ASSERT_TRUE(r.claim.replayed_bytes < 50000);
    CU_ASSERT_EQUAL(r.claim.messages, 2);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, early), 'a'), 50000);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, late), 'b'), 3000);
    CU_ASSERT_EQUAL(queue_find(r.q, early)->recipients[0].state, RECIPIENT_DELIVERED);
    CU_ASSERT_EQUAL(queue_find(r.q, early)->recipients[1].attempts, 1);
    CU_ASSERT_TRUE(
        slice_eq(queue_find(r.q, early)->recipients[1].last_reply, SLICE_LIT("450 4.2.1 busy")));
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
an_older_epochs_snapshot_counts_as_long_as_each_owner_names_it(void)
{
    struct rig r;
    msg_id id;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    id = rig_put(&r, 5000, 'a');
    take_snapshot(&r);
    for (unsigned epochs = 0; epochs < 3; epochs++) {
        if (epochs == 1) {
            drop(&r);
        } else {
            CU_ASSERT_EQUAL(rig_release(&r), 0);
        }
        CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
        CU_ASSERT_TRUE(r.claim.snapshot_bytes > 0);
        CU_ASSERT_EQUAL(r.claim.messages, 1);
    }
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, id), 'a'), 5000);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
rename_snapshots(const char *part, const char *to)
{
    char path[128], from[400], target[400];
    struct dirent *e;
    DIR *d;

    (void)snprintf(path, sizeof(path), "%s/snapshot", dir);
    d = opendir(path);
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (strstr(e->d_name, part) != NULL) {
            (void)snprintf(from, sizeof(from), "%s/%s", path, e->d_name);
            (void)snprintf(target, sizeof(target), "%s/%.16s%s", path, e->d_name, to);
            CU_ASSERT_EQUAL(rename(from, target), 0);
        }
    }
    if (d != NULL) {
        (void)closedir(d);
    }
}

/* I15: of an epoch that is not the sealed one, and named by nobody: as a stale owner's would be. */
static void
a_snapshot_that_no_seal_names_does_not_count(void)
{
    struct rig r;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    (void)rig_put(&r, 5000, 'a');
    take_snapshot(&r);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    rename_snapshots("-00000001.snap", "-00000001.away"); /* epoch 2 does not see it … */
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.claim.snapshot_bytes, 0);
    rename_snapshots("-00000001.away", "-00000001.snap"); /* … nor names it */
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.claim.snapshot_bytes, 0);
    CU_ASSERT_EQUAL(r.claim.messages, 1);
    CU_ASSERT_EQUAL(count_files("snapshot", ""), 2); /* deleted: . and .. */
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

/* In the file with the highest position (newest) or all of them. */
static void
damage_snapshots(bool all, off_t at)
{
    char path[128], newest[300] = "", file[400];
    struct dirent *e;
    DIR *d;

    (void)snprintf(path, sizeof(path), "%s/snapshot", dir);
    for (unsigned pass = 0; pass < 2; pass++) {
        d = opendir(path);
        while (d != NULL && (e = readdir(d)) != NULL) {
            if (pass == 0 && strstr(e->d_name, ".snap") != NULL && strcmp(e->d_name, newest) > 0) {
                (void)snprintf(newest, sizeof(newest), "%s", e->d_name);
            }
            if (pass == 1 && strstr(e->d_name, ".snap") != NULL &&
                (all || strcmp(e->d_name, newest) == 0)) {
                char byte;
                int fd;

                (void)snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
                fd = open(file, O_RDWR | O_CLOEXEC);
                CU_ASSERT_EQUAL(pread(fd, &byte, 1, at), 1);
                byte ^= 4;
                CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, at), 1);
                (void)close(fd);
            }
        }
        if (d != NULL) {
            (void)closedir(d);
        }
    }
}

/* ---- what store check says of them */

static struct {
    unsigned count;
    enum bridgehead_finding kind;
    struct store_snapshot_stat first;
    unsigned shown;
} seen;

static void
on_seen_finding(void *ctx, const struct queue_finding *f)
{
    (void)ctx;
    seen.count++;
    seen.kind = f->kind;
}

static void
on_seen_snapshot(void *ctx, const struct store_snapshot_stat *s)
{
    (void)ctx;
    if (seen.shown++ == 0) {
        seen.first = *s;
    }
}

/* The store's findings; without any 0. */
static enum bridgehead_finding
check_finds(uint64_t *damaged)
{
    struct store_look look = { .path = dir, .finding = on_seen_finding };
    struct store_stat out;

    memset(&seen, 0, sizeof(seen));
    CU_ASSERT_EQUAL(store_stat(&look, &out, NULL, on_seen_snapshot), 0);
    CU_ASSERT_TRUE(seen.count <= 1);
    *damaged = out.totals.damaged;
    return seen.kind;
}

static void
check_looks_into_snapshots(void)
{
    static const off_t places[] = { 40, SNAPSHOT_HEADER_BYTES + 5, SNAPSHOT_HEADER_BYTES + 100 };
    uint64_t damaged;
    struct rig r;
    msg_id id;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    id = rig_put(&r, 5000, 'a');
    (void)rig_put(&r, 5000, 'c');
    take_snapshot(&r);
    (void)rig_put(&r, 5000, 'b');
    record(&r, id, 0, OUTCOME_DELIVERED, "250 ok");
    rig_sync(&r);
    drop(&r);
    CU_ASSERT_EQUAL(check_finds(&damaged), 0);
    CU_ASSERT_EQUAL(seen.shown, 1);
    CU_ASSERT_TRUE(seen.first.counts && seen.first.good);
    CU_ASSERT_EQUAL(seen.first.messages, 2);
    CU_ASSERT_TRUE(seen.first.size_bytes > SNAPSHOT_HEADER_BYTES);
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        damage_snapshots(true, places[i]);
        CU_ASSERT_EQUAL(check_finds(&damaged), FINDING_SNAPSHOT_DAMAGED);
        CU_ASSERT_EQUAL(damaged, 0); /* it is a cache */
        CU_ASSERT_FALSE(seen.first.good);
        damage_snapshots(true, places[i]); /* the same bit: as before */
        CU_ASSERT_EQUAL(check_finds(&damaged), 0);
    }
    rename_snapshots(".snap", "-00000009.snap");
    CU_ASSERT_EQUAL(check_finds(&damaged), FINDING_SNAPSHOT_FOREIGN);
    rename_snapshots(".snap", "-00000001.tmp");
    CU_ASSERT_EQUAL(check_finds(&damaged), FINDING_UNKNOWN);
    store_end();
}

/* A snapshot that says too little would lose mail: its checksums are good. */
static void
check_compares_a_snapshot_with_the_journal(void)
{
    struct snapshot_list list;
    struct snapshot_info info;
    struct store_head head;
    char text[256], name[SNAPSHOT_NAME_CAP], path[400];
    static uint8_t bytes[SNAPSHOT_HEADER_BYTES + SNAPSHOT_TRAILER_BYTES];
    uint64_t damaged;
    struct rig r;
    int fd;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    (void)rig_put(&r, 5000, 'a');
    take_snapshot(&r);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    CU_ASSERT_EQUAL(check_finds(&damaged), 0);
    CU_ASSERT_EQUAL(store_read(dir, &head, text, sizeof(text)), 0);
    CU_ASSERT_EQUAL(snapshot_list(dir, &list), 0);
    CU_ASSERT_EQUAL_FATAL(list.count, 1);
    CU_ASSERT_EQUAL(snapshot_look(dir, head.uuid, head.segment_bytes, &list.list[0], &info), 0);
    info.trailer.blocks = info.trailer.messages = 0;
    info.trailer.file_bytes = sizeof(bytes);
    snapshot_head_put(bytes, &info.head);
    snapshot_trailer_put(bytes + SNAPSHOT_HEADER_BYTES, &info.trailer);
    snapshot_name(name, info.head.position, info.head.epoch);
    (void)snprintf(path, sizeof(path), "%s/snapshot/%s", dir, name);
    fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    CU_ASSERT_EQUAL(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
    (void)close(fd);
    CU_ASSERT_EQUAL(check_finds(&damaged), FINDING_SNAPSHOT_DISAGREES);
    CU_ASSERT_EQUAL(damaged, 1);
    store_end();
}

static void
an_unreadable_snapshot_costs_the_one_before_or_the_whole_journal(void)
{
    static const off_t places[] = { 40, SNAPSHOT_HEADER_BYTES + 5, SNAPSHOT_HEADER_BYTES + 100 };
    struct rig r;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        uint64_t first;

        (void)rig_put(&r, 5000, 'a');
        take_snapshot(&r);
        first = rig_put(&r, 5000, 'b');
        take_snapshot(&r);
        CU_ASSERT_EQUAL(count_files("snapshot", ".snap"), 2);
        drop(&r);
        damage_snapshots(false, places[i]);
        CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
        CU_ASSERT_EQUAL(r.claim.snapshots_unreadable, 1);
        CU_ASSERT_TRUE(r.claim.snapshot_bytes > 0);
        CU_ASSERT_EQUAL(r.claim.messages, 2 * (i + 1));
        CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, first), 'b'), 5000);
        CU_ASSERT_EQUAL(count_files("snapshot", ".snap"), 1); /* the bad one is gone */
        drop(&r);
        damage_snapshots(true, places[i]);
        CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
        CU_ASSERT_EQUAL(r.claim.snapshots_unreadable, 1);
        CU_ASSERT_EQUAL(r.claim.snapshot_bytes, 0);
        CU_ASSERT_EQUAL(r.claim.messages, 2 * (i + 1));
        CU_ASSERT_EQUAL(r.claim.quarantined, 0);
    }
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
one_is_written_when_the_journal_has_grown(void)
{
    struct rig r;
    struct queue_options o;

    store_begin();
    o = options(&r);
    o.snapshot_bytes = SEGMENT;
    CU_ASSERT_EQUAL_FATAL(rig_open_with(&r, &o), 0);
    for (unsigned i = 0; i < 1000 && count_files("snapshot", ".snap") < 2; i++) {
        (void)rig_put(&r, 20000, 'a');
    }
    CU_ASSERT_EQUAL(count_files("snapshot", ".snap"), 2);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

/* More than a block takes (names of transactions do that): they are one block, and then the
 * messages come. */
static void
many_settings_are_written_once_and_come_back(void)
{
    enum { KEYS = 600, VALUE = 1000 };
    static char value[VALUE];
    char key[32];
    struct rig r;

    memset(value, 'v', sizeof(value));
    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    (void)rig_put(&r, 5000, 'a');
    for (unsigned i = 0; i < KEYS; i++) {
        struct slice k = { key, (size_t)snprintf(key, sizeof(key), STATE_TRANSID "%u", i) };

        CU_ASSERT_EQUAL_FATAL(queue_state_set(r.q, k, (struct slice){ value, sizeof(value) }), 0);
        if (i % 100 == 99) {
            rig_sync(&r);
        }
    }
    take_snapshot(&r);
    CU_ASSERT_EQUAL(count_files("snapshot", ".snap"), 1);
    drop(&r);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_TRUE(r.claim.snapshot_bytes > KEYS * VALUE);
    CU_ASSERT_TRUE(r.claim.snapshot_bytes < KEYS * VALUE * 2);
    CU_ASSERT_EQUAL(r.claim.messages, 1);
    for (unsigned i = 0; i < KEYS; i++) {
        struct slice k = { key, (size_t)snprintf(key, sizeof(key), STATE_TRANSID "%u", i) };

        CU_ASSERT_EQUAL(queue_state_get(r.q, k).n, sizeof(value));
    }
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
a_release_does_not_wait_for_one_in_the_making(void)
{
    struct rig r;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    (void)rig_put(&r, 5000, 'a');
    CU_ASSERT_EQUAL_FATAL(queue_snapshot(r.q, 0, NULL, NULL), 0);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.claim.messages, 1);
    CU_ASSERT_EQUAL_FATAL(queue_snapshot(r.q, 0, NULL, NULL), 0);
    drop(&r);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(count_files("snapshot", ".tmp"), 0);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

TEST_MAIN("snapshot", TEST(a_message_comes_back_as_it_was),
    TEST(an_entry_with_any_byte_changed_is_read_or_refused), TEST(header_and_trailer_are_checked),
    TEST(names_and_the_record_of_those_that_count), TEST(recovery_begins_at_the_snapshot),
    TEST(an_older_epochs_snapshot_counts_as_long_as_each_owner_names_it),
    TEST(a_snapshot_that_no_seal_names_does_not_count),
    TEST(an_unreadable_snapshot_costs_the_one_before_or_the_whole_journal),
    TEST(check_looks_into_snapshots), TEST(check_compares_a_snapshot_with_the_journal),
    TEST(one_is_written_when_the_journal_has_grown),
    TEST(many_settings_are_written_once_and_come_back),
    TEST(a_release_does_not_wait_for_one_in_the_making))
