/* The queue as its users see it: real loop, real threads, real files in a temporary directory. What
 * a power cut does is the simulation's (tests/sim). */
#include "queue/owner_file.h"
#include "queue/space.h"
#include "queue/store_tools.h"
#include "queue_rig.h"
#include "test_main.h"
#include <fcntl.h>

static void
a_committed_message_is_there_after_release_and_open(void)
{
    struct rig r;
    struct queue_message *m;
    msg_id small, large;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_STRING_EQUAL(r.claim.cause, "first");
    small = rig_put(&r, 4096, 's');
    large = rig_put(&r, 400000, 'l');
    CU_ASSERT_EQUAL(r.messages, 2);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, large), 'l'), 400000);
    CU_ASSERT_EQUAL(rig_release(&r), 0);

    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_STRING_EQUAL(r.claim.cause, "released");
    CU_ASSERT_STRING_EQUAL(r.claim.previous_node, "node1");
    CU_ASSERT_EQUAL(r.claim.epoch, 2);
    CU_ASSERT_EQUAL(r.messages, 2);
    CU_ASSERT_EQUAL(r.claim.quarantined, 0);
    m = queue_find(r.q, small);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_TRUE(slice_eq(m->sender, SLICE_LIT("a@example.org")));
    CU_ASSERT_TRUE(slice_eq(m->envid, SLICE_LIT("env")));
    CU_ASSERT_TRUE(slice_eq(m->client, SLICE_LIT("[192.0.2.1]:4711 (helo.example)")));
    CU_ASSERT_EQUAL(m->hops, 3);
    CU_ASSERT_EQUAL(m->body, ENVELOPE_BODY_8BITMIME);
    CU_ASSERT_EQUAL(m->received_wall_ms, 1700000000000);
    CU_ASSERT_EQUAL(m->recipient_count, 2);
    CU_ASSERT_EQUAL(m->live_count, 2);
    CU_ASSERT_TRUE(slice_eq(m->recipients[0].orcpt, SLICE_LIT("rfc822;B@example.com")));
    CU_ASSERT_EQUAL(m->recipients[0].notify, ENVELOPE_NOTIFY_FAILURE);
    CU_ASSERT_TRUE(slice_eq(m->recipients[1].address, SLICE_LIT("c@example.net")));
    CU_ASSERT_EQUAL(rig_read(&r, m, 's'), 4096);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, large), 'l'), 400000);
    CU_ASSERT_PTR_EQUAL(queue_after(r.q, 0), m);
    CU_ASSERT_PTR_EQUAL(queue_after(r.q, small), queue_find(r.q, large));
    CU_ASSERT_PTR_NULL(queue_after(r.q, large));
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
a_reader_begins_anywhere(void)
{
    static const uint64_t total = 400000;
    static const uint64_t offsets[] = { 0, 1, 65535, 65536, 200000, 399999 };
    struct queue_reader *reader;
    struct slice piece;
    struct rig r;
    msg_id id;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    id = rig_put(&r, (size_t)total, 'x');
    for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
        uint64_t left = 0, into;
        int rc;

        CU_ASSERT_EQUAL_FATAL(queue_reader_open(r.q, queue_find(r.q, id), &reader), 0);
        into = queue_reader_seek(reader, offsets[i]);
        while ((rc = queue_reader_next(reader, &piece, on_ready, &r)) != 0) {
            if (rc == BH_EBUSY) {
                (void)loop_run(loop);
                continue;
            }
            CU_ASSERT_TRUE_FATAL(rc > 0);
            left += piece.n;
        }
        CU_ASSERT_EQUAL(left, total - offsets[i] + into);
        CU_ASSERT_TRUE(into < 65536);
        queue_reader_close(reader);
    }
    CU_ASSERT_EQUAL_FATAL(queue_reader_open(r.q, queue_find(r.q, id), &reader), 0);
    CU_ASSERT_EQUAL(queue_reader_seek(reader, total + 7), 7);
    CU_ASSERT_EQUAL(queue_reader_next(reader, &piece, on_ready, &r), 0);
    queue_reader_close(reader);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
outcomes_and_marks_survive_and_final_ones_end_a_message(void)
{
    struct rig r;
    struct queue_message *m;
    msg_id id;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    id = rig_put(&r, 100, 'x');
    record(&r, id, 0, OUTCOME_DEFERRED, "450 4.2.1 later");
    CU_ASSERT_EQUAL(queue_set_held(r.q, queue_find(r.q, id), true), 0);
    CU_ASSERT_EQUAL(queue_set_warned(r.q, queue_find(r.q, id)), 0);
    record(&r, id, 1, OUTCOME_DELIVERED, "250 ok");
    CU_ASSERT_EQUAL(rig_release(&r), 0);

    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    m = queue_find(r.q, id);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL(m->live_count, 1);
    CU_ASSERT_TRUE(m->held);
    CU_ASSERT_TRUE(m->recipients[0].warned);
    CU_ASSERT_EQUAL(m->recipients[0].attempts, 1);
    CU_ASSERT_EQUAL(m->recipients[0].next_wall_ms, 1800000000000);
    CU_ASSERT_TRUE(slice_eq(m->recipients[0].last_reply, SLICE_LIT("450 4.2.1 later")));
    CU_ASSERT_EQUAL(m->recipients[1].state, RECIPIENT_DELIVERED);
    CU_ASSERT_EQUAL(queue_set_next(r.q, m, 0), 0);
    CU_ASSERT_EQUAL(m->recipients[0].next_wall_ms, 0);
    record(&r, id, 0, OUTCOME_FAILED, "550 5.1.1 no");
    CU_ASSERT_EQUAL(r.gone, 0); /* only when it is durable */
    CU_ASSERT_PTR_NULL(queue_find(r.q, id));
    rig_sync(&r);
    CU_ASSERT_EQUAL(r.gone, 1);
    CU_ASSERT_EQUAL(rig_release(&r), 0);

    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.messages, 0);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
attempt(struct rig *r, msg_id id, uint32_t recipient)
{
    CU_ASSERT_EQUAL(
        queue_attempt(r->q, queue_find(r->q, id), &recipient, 1, ATTEMPT_TRANSFER, 0, on_done, r),
        0);
    (void)loop_run(loop);
    CU_ASSERT_EQUAL(r->done_status, 0);
}

static void
an_attempt_without_an_outcome_is_found_after_a_crash(void)
{
    static const uint32_t second = 1;
    struct queue_outcome doubt = {
        .kind = OUTCOME_DEFERRED, .reply = SLICE_LIT("4.4.2 in doubt"), .in_doubt = true
    };
    struct queue_outcome later = { .kind = OUTCOME_DEFERRED, .reply = SLICE_LIT("450 later") };
    struct queue_outcome released = { .kind = OUTCOME_DEFERRED, .settled = true };
    struct queue_stats stats;
    struct rig r;
    msg_id open, answered, withdrawn;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    open = rig_put(&r, 100, 'x');
    answered = rig_put(&r, 100, 'x');
    withdrawn = rig_put(&r, 100, 'x');
    attempt(&r, open, 1);
    attempt(&r, answered, 1);
    attempt(&r, withdrawn, 1);
    record(&r, answered, 1, OUTCOME_DEFERRED, "450 4.2.1 later");
    CU_ASSERT_EQUAL(queue_withdraw(r.q, queue_find(r.q, withdrawn), &second, 1), 0);
    rig_sync(&r);
    queue_free(r.q); /* as after a crash */

    for (unsigned again = 0; again < 2; again++) { /* cut before it was settled: the same */
        CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
        CU_ASSERT_EQUAL(r.claim.in_hand, 1);
        CU_ASSERT_EQUAL(queue_find(r.q, open)->recipients[0].attempt, ATTEMPT_NONE);
        CU_ASSERT_EQUAL(queue_find(r.q, open)->recipients[1].attempt, ATTEMPT_TRANSFER);
        CU_ASSERT_EQUAL(queue_find(r.q, answered)->recipients[1].attempt, ATTEMPT_NONE);
        CU_ASSERT_EQUAL(queue_find(r.q, withdrawn)->recipients[1].attempt, ATTEMPT_NONE);
        if (again == 0) {
            queue_free(r.q);
        }
    }
    doubt.recipient = later.recipient = released.recipient = 1;
    CU_ASSERT_EQUAL(queue_record(r.q, queue_find(r.q, open), &doubt, 1), 0);
    CU_ASSERT_EQUAL(queue_record(r.q, queue_find(r.q, open), &later, 1), 0); /* it stays so */
    CU_ASSERT_EQUAL(queue_set_crashes(r.q, queue_find(r.q, open), 1), 0);
    CU_ASSERT_EQUAL(rig_release(&r), 0);

    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.claim.in_hand, 0);
    CU_ASSERT_TRUE(queue_find(r.q, open)->recipients[1].in_doubt);
    CU_ASSERT_EQUAL(queue_find(r.q, open)->recipients[1].attempts, 2);
    CU_ASSERT_EQUAL(queue_find(r.q, open)->crashes, 1);
    queue_stats(r.q, &stats);
    CU_ASSERT_EQUAL(stats.in_doubt, 1);
    CU_ASSERT_EQUAL(queue_record(r.q, queue_find(r.q, open), &released, 1), 0);
    CU_ASSERT_FALSE(queue_find(r.q, open)->recipients[1].in_doubt);
    CU_ASSERT_EQUAL(queue_find(r.q, open)->recipients[1].attempts, 2);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
a_killed_owner_is_followed_at_once_on_the_same_node_and_boot(void)
{
    struct rig r;
    char path[128];
    msg_id id;
    int fd;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    id = rig_put(&r, 5000, 'k');
    queue_free(r.q); /* no seal, no RELEASED: as after a crash */
    (void)snprintf(path, sizeof(path), "%s/owner.2.0123456789abcdef.tmp", dir);
    fd = io_open(path, O_WRONLY | O_CREAT, 0600); /* of another that crashed while it claimed */
    io_close(&fd);

    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_STRING_EQUAL(r.claim.cause, "same-node");
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, id), 'k'), 5000);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    CU_ASSERT_EQUAL(count_files(".", ".tmp"), 0); /* deleted beside the start, or by now */
    store_end();
}

static void
a_store_is_never_made_by_opening(void)
{
    struct rig r;
    char text[TEXT];

    store_begin();
    clear(dir);
    CU_ASSERT_EQUAL(rig_open(&r), BH_ENOSTORE);
    CU_ASSERT_PTR_NULL(r.q);
    CU_ASSERT_PTR_NOT_NULL(strstr(r.text, "Mount"));
    CU_ASSERT_EQUAL(count_files(".", "STORE"), 0);
    CU_ASSERT_EQUAL(queue_store_init(dir, SEGMENT, UINT32_MAX, UINT32_MAX, text, sizeof(text)), 0);
    CU_ASSERT_EQUAL(
        queue_store_init(dir, SEGMENT, UINT32_MAX, UINT32_MAX, text, sizeof(text)), -EEXIST);
    store_end();
}

static void
a_second_server_is_refused_while_the_first_lives(void)
{
    struct rig first, second;
    struct queue_options o;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&first), 0);
    CU_ASSERT_EQUAL(rig_open(&second), BH_EOWNED);
    o = options(&second);
    o.run_lock_path = NULL; /* another run directory: the store's own lock decides */
    CU_ASSERT_EQUAL(rig_open_with(&second, &o), BH_EOWNED);
    CU_ASSERT_EQUAL(rig_release(&first), 0);
    CU_ASSERT_EQUAL(rig_open(&second), 0);
    CU_ASSERT_EQUAL(rig_release(&second), 0);
    store_end();
}

static void
another_nodes_store_is_had_when_fenced_or_when_its_lease_is_over(void)
{
    struct rig r;
    struct queue_options o;

    store_begin();
    o = options(&r);
    o.lease_ms = 600; /* what a slow disk needs to open, and a test to wait */
    CU_ASSERT_EQUAL_FATAL(rig_open_with(&r, &o), 0);
    queue_free(r.q);
    o.node = "node2";
    o.fenced = (struct queue_fenced){ "node1", 1 };
    CU_ASSERT_EQUAL_FATAL(rig_open_with(&r, &o), 0);
    CU_ASSERT_STRING_EQUAL(r.claim.cause, "fenced");
    queue_free(r.q);
    o.node = "node3";
    o.fenced = (struct queue_fenced){ "node2", 1 }; /* not the epoch that is there */
    CU_ASSERT_EQUAL_FATAL(rig_open_with(&r, &o), 0);
    CU_ASSERT_STRING_EQUAL(r.claim.cause, "lease");
    CU_ASSERT_TRUE(r.claim.wait_ms >= 750);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
a_held_lock_yields_only_to_the_death_of_its_owner(void)
{
    struct rig r;
    struct queue_options o;
    char path[128];
    int fd;

    store_begin();
    o = options(&r);
    CU_ASSERT_EQUAL_FATAL(rig_open_with(&r, &o), 0);
    queue_free(r.q);
    (void)snprintf(path, sizeof(path), "%s/LOCK", dir);
    fd = io_open(path, O_RDWR, 0);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(io_lock(fd, true), 0);
    o.node = "node2";
    o.fenced = (struct queue_fenced){ "node9", 1 };
    CU_ASSERT_EQUAL(rig_open_with(&r, &o), BH_EOWNED);
    o.fenced = (struct queue_fenced){ "node1", 2 };
    CU_ASSERT_EQUAL(rig_open_with(&r, &o), BH_EOWNED);
    o.fenced = (struct queue_fenced){ "node1", 1 };
    CU_ASSERT_EQUAL_FATAL(rig_open_with(&r, &o), 0);
    CU_ASSERT_STRING_EQUAL(r.claim.cause, "fenced");
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    io_close(&fd);
    store_end();
}

/* Between the look at the owner and the link of our file: epochs 2 and 3 come, and 2 goes. */
static int
link_after_a_freeze(const char *from, const char *to)
{
    struct owner_record other = { .state = OWNER_ACTIVE, .counter = 1, .lease_ms = 6000 };

    io_set_ops(NULL);
    for (other.epoch = 2; other.epoch <= 3; other.epoch++) {
        CU_ASSERT_EQUAL(owner_file_create(dir, &other), 0);
    }
    owner_file_prune(dir, 3);
    return io_link(from, to);
}

static void
a_claimer_that_was_frozen_while_others_came_and_went_claims_nothing(void)
{
    struct io_ops ops = io_real;
    struct rig r;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    ops.link = link_after_a_freeze;
    io_set_ops(&ops);
    CU_ASSERT_EQUAL(rig_open(&r), BH_EOWNED);
    CU_ASSERT_PTR_NULL(r.q);
    CU_ASSERT_EQUAL(count_files("journal", "00000002.seg"), 0);
    store_end();
}

/* A stop while the lease of another is waited for: at once, and nobody is called back. */
static void
opening_can_be_given_up_while_it_waits(void)
{
    struct rig r, other;
    struct queue_options o;
    struct queue_opening *op;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    queue_free(r.q);
    o = options(&other);
    o.node = "node2";
    other = (struct rig){ .open_status = 77 };
    CU_ASSERT_EQUAL_FATAL(queue_open(&op, loop, &o, on_open, &other), 0);
    queue_open_cancel(op);
    CU_ASSERT_EQUAL(other.open_status, 77);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0); /* its locks were given back */
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
release_marks_a_dead_owner_of_this_node(void)
{
    struct rig r;
    struct queue_owner owner;
    struct queue_options o;
    char text[TEXT];

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(queue_store_release(dir, run_lock, "node1", text, sizeof(text)), BH_EOWNED);
    CU_ASSERT_EQUAL(queue_store_owner(dir, &owner, text, sizeof(text)), 0);
    CU_ASSERT_STRING_EQUAL(owner.state, "active");
    CU_ASSERT_TRUE(owner.locked);
    queue_free(r.q);
    CU_ASSERT_EQUAL(unlink(run_lock), 0);
    CU_ASSERT_EQUAL(queue_store_release(dir, run_lock, "node9", text, sizeof(text)), 0);
    CU_ASSERT_EQUAL(access(run_lock, F_OK), -1); /* it would be root's, and the server shut out */
    CU_ASSERT_EQUAL(queue_store_owner(dir, &owner, text, sizeof(text)), 0);
    CU_ASSERT_STRING_EQUAL(owner.state, "active");
    CU_ASSERT_EQUAL(queue_store_release(dir, run_lock, "node1", text, sizeof(text)), 0);
    CU_ASSERT_EQUAL(queue_store_owner(dir, &owner, text, sizeof(text)), 0);
    CU_ASSERT_STRING_EQUAL(owner.state, "dead");
    CU_ASSERT_FALSE(owner.locked);
    o = options(&r);
    o.node = "node2";
    CU_ASSERT_EQUAL_FATAL(rig_open_with(&r, &o), 0);
    CU_ASSERT_STRING_EQUAL(r.claim.cause, "dead");
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
segments_without_live_messages_go(void)
{
    struct rig r;
    struct queue_stats st;
    struct store_look look = { .path = dir };
    struct store_totals check;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    for (unsigned i = 0; i < 200; i++) {
        msg_id id = rig_put(&r, 30000, 'd');

        record(&r, id, 0, OUTCOME_DELIVERED, "");
        record(&r, id, 1, OUTCOME_DELIVERED, "");
    }
    rig_sync(&r);
    rig_sync(&r);
    queue_stats(r.q, &st);
    CU_ASSERT_EQUAL(st.messages, 0);
    CU_ASSERT_EQUAL(r.gone, 200);
    CU_ASSERT_TRUE(st.segments < 12); /* of 30 that were filled; the freeing runs behind */
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    CU_ASSERT_EQUAL(store_check(&look, &check), 0);
    CU_ASSERT_EQUAL(check.messages, 0);
    CU_ASSERT_EQUAL(check.damaged, 0);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.messages, 0);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static bool
state_is(const struct rig *r, const char *key, const char *value)
{
    return slice_eq(queue_state_get(r->q, slice_of(key)), slice_of(value));
}

static void
settings_move_with_the_queue(void)
{
    struct rig r;
    struct queue_stats st;
    char long_key[200];

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_TRUE(state_is(&r, "a", ""));
    CU_ASSERT_EQUAL(queue_state_set(r.q, SLICE_LIT("a"), SLICE_LIT("1")), 0);
    CU_ASSERT_EQUAL(queue_state_set(r.q, SLICE_LIT("b"), SLICE_LIT("2")), 0);
    CU_ASSERT_EQUAL(queue_state_set(r.q, SLICE_LIT("c"), SLICE_LIT("3")), 0);
    CU_ASSERT_EQUAL(queue_state_set(r.q, SLICE_LIT("b"), SLICE_LIT("22")), 0);
    CU_ASSERT_EQUAL(queue_state_set(r.q, SLICE_LIT("c"), SLICE_NONE), 0);
    CU_ASSERT_EQUAL(queue_state_set(r.q, SLICE_LIT("never"), SLICE_NONE), 0);
    memset(long_key, 'k', sizeof(long_key));
    CU_ASSERT_EQUAL(
        queue_state_set(r.q, (struct slice){ long_key, 129 }, SLICE_LIT("x")), BH_ETOOBIG);
    rig_sync(&r);
    queue_free(r.q);                               /* as after a crash */
    for (unsigned epoch = 0; epoch < 3; epoch++) { /* and when nothing else is written */
        CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
        CU_ASSERT_TRUE(state_is(&r, "a", "1") && state_is(&r, "b", "22") && state_is(&r, "c", ""));
        CU_ASSERT_EQUAL(rig_release(&r), 0);
    }
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    for (unsigned i = 0; i < 200; i++) { /* the segments that say so go, what they say stays */
        msg_id id = rig_put(&r, 30000, 'd');

        record(&r, id, 0, OUTCOME_DELIVERED, "");
        record(&r, id, 1, OUTCOME_DELIVERED, "");
        if (i == 100) {
            CU_ASSERT_EQUAL(queue_state_set(r.q, SLICE_LIT("a"), SLICE_NONE), 0);
        }
    }
    rig_sync(&r);
    rig_sync(&r);
    queue_stats(r.q, &st);
    CU_ASSERT_TRUE(st.segments < 12);
    queue_free(r.q);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_TRUE(state_is(&r, "a", "") && state_is(&r, "b", "22") && state_is(&r, "c", ""));
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

/* I7 and SURVIVORS: what is said about others beside one that waits is said again, and goes. */
static void
a_message_that_waits_does_not_hold_the_journal_behind_it(void)
{
    struct rig r;
    struct queue_stats st;
    struct queue_message *m;
    msg_id old;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    old = rig_put(&r, 5000, 'w');
    for (unsigned i = 0; i < 600; i++) {
        msg_id id = rig_put(&r, 20000, 'd');

        if (i % 150 == 0) {
            record(&r, old, 1, OUTCOME_DEFERRED, "450 still");
        }
        record(&r, id, 0, OUTCOME_DELIVERED, "");
        record(&r, id, 1, OUTCOME_DELIVERED, "");
    }
    for (unsigned i = 0; i < 6; i++) {
        rig_sync(&r);
    }
    queue_stats(r.q, &st);
    CU_ASSERT_TRUE(st.segments < 20); /* of 60 that were filled */
    queue_free(r.q);

    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.messages, 1);
    m = queue_find(r.q, old);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL(m->recipients[1].attempts, 4);
    CU_ASSERT_TRUE(slice_eq(m->recipients[1].last_reply, SLICE_LIT("450 still")));
    CU_ASSERT_EQUAL(m->recipients[0].attempts, 0);
    CU_ASSERT_EQUAL(rig_read(&r, m, 'w'), 5000);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static unsigned
open_segments(void)
{
    DIR *d = opendir("/proc/self/fd");
    struct dirent *e;
    unsigned n = 0;

    while (d != NULL && (e = readdir(d)) != NULL) {
        char path[300], target[TEXT];
        ssize_t length;

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%s", e->d_name);
        length = readlink(path, target, sizeof(target));
        n += length > 4 && memcmp(target + length - 4, ".seg", 4) == 0;
    }
    if (d != NULL) {
        (void)closedir(d);
    }
    return n;
}

/* While others, older ones, are being freed: theirs are closed by the thread that frees. */
static void
descriptors_of_segments_that_are_only_read_are_closed(void)
{
    struct rig r;
    msg_id ids[272];

    store_begin_with(SEGMENT_BYTES_MIN); /* the content fills one nearly */
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        ids[i] = rig_put(&r, 50 * KIB, 'x');
    }
    for (size_t i = 16; i < 48; i++) { /* the first ones are closed by now */
        record(&r, ids[i], 0, OUTCOME_DELIVERED, "");
        record(&r, ids[i], 1, OUTCOME_DELIVERED, "");
        (void)rig_put(&r, 50 * KIB, 'y');
        (void)rig_put(&r, 50 * KIB, 'y');
    }
    rig_sync(&r);
    CU_ASSERT_TRUE(count_files("journal", ".seg") >= 272);
    CU_ASSERT_TRUE(open_segments() <= 256 + 4); /* and the present, the next, what was freed */
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, ids[0]), 'x'), 50 * KIB);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
fencing_ends_everything_with_its_code(void)
{
    struct rig r;
    struct queue_intake *in;
    msg_id id;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(queue_lease_check(r.q), 0);
    queue_fence(r.q, BH_EFENCED);
    CU_ASSERT_EQUAL(queue_lease_check(r.q), BH_EFENCED);
    (void)loop_run(loop);
    CU_ASSERT_EQUAL(r.failure, BH_EFENCED);
    CU_ASSERT_EQUAL(queue_ready(r.q, 0), BH_EFENCED);
    CU_ASSERT_EQUAL(queue_begin(r.q, no_resume, NULL, &in, &id), BH_EFENCED);
    queue_free(r.q);
    store_end();
}

static void
a_nodes_name_fits_into_the_owner_file(void)
{
    char name[QUEUE_NODE_CAP + 1];

    memset(name, 'n', sizeof(name));
    name[QUEUE_NODE_CAP] = '\0';
    CU_ASSERT_FALSE(queue_node_valid(name));
    CU_ASSERT_TRUE(queue_node_valid(name + 1));
    CU_ASSERT_FALSE(queue_node_valid(""));
    CU_ASSERT_FALSE(queue_node_valid("n 1"));
    CU_ASSERT_FALSE(queue_node_valid("n1\n"));
    CU_ASSERT_TRUE(queue_node_valid("n1.example.org"));
}

static void
only_the_reserves_of_owners_before_are_dropped(void)
{
    static const char *const names[] = { "reserve.3", "reserve.4", "reserve.5", "reserve.x" };
    char path[TEXT];

    store_begin();
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        CU_ASSERT_TRUE_FATAL(close(open(path, O_CREAT | O_WRONLY, 0600)) == 0);
    }
    CU_ASSERT_EQUAL(leftovers_drop_reserves(dir, 4), 0);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        CU_ASSERT_EQUAL(unlink(path), i < 2 ? -1 : 0);
    }
    store_end();
}

TEST_MAIN("queue", TEST(a_committed_message_is_there_after_release_and_open),
    TEST(a_reader_begins_anywhere), TEST(outcomes_and_marks_survive_and_final_ones_end_a_message),
    TEST(an_attempt_without_an_outcome_is_found_after_a_crash),
    TEST(a_killed_owner_is_followed_at_once_on_the_same_node_and_boot),
    TEST(a_store_is_never_made_by_opening), TEST(a_second_server_is_refused_while_the_first_lives),
    TEST(another_nodes_store_is_had_when_fenced_or_when_its_lease_is_over),
    TEST(a_held_lock_yields_only_to_the_death_of_its_owner),
    TEST(a_claimer_that_was_frozen_while_others_came_and_went_claims_nothing),
    TEST(opening_can_be_given_up_while_it_waits), TEST(release_marks_a_dead_owner_of_this_node),
    TEST(segments_without_live_messages_go), TEST(settings_move_with_the_queue),
    TEST(a_message_that_waits_does_not_hold_the_journal_behind_it),
    TEST(a_nodes_name_fits_into_the_owner_file),
    TEST(only_the_reserves_of_owners_before_are_dropped),
    TEST(descriptors_of_segments_that_are_only_read_are_closed),
    TEST(fencing_ends_everything_with_its_code))
