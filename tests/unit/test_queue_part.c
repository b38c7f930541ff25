/* A message that is secured in part, left, and gone on with: here, after a release, after a crash.
 */
#include "queue/queue.h"
#include "queue_rig.h"
#include "test_main.h"

#define PIECE_BYTES 70000

static const struct slice key = SLICE_LIT("connector/association/7");
static const struct envelope_recipient one[1] = { { .address = SLICE_LIT("b@example.com") } };

static void
append(struct queue_intake *in, size_t n)
{
    char *bytes = malloc(n);

    memset(bytes, 'x', n);
    CU_ASSERT_TRUE(queue_append(in, (struct slice){ bytes, n }) >= 0);
    free(bytes);
}

static void
secure(struct rig *r, struct queue_intake *in, const char *state)
{
    CU_ASSERT_EQUAL_FATAL(queue_secure(in, key, slice_of(state), on_done, r), 0);
    (void)loop_run(loop);
    CU_ASSERT_EQUAL(r->done_status, 0);
}

static struct queue_intake *
begin_secured(struct rig *r, size_t n, msg_id *id)
{
    struct queue_intake *in;

    CU_ASSERT_EQUAL_FATAL(queue_begin(r->q, no_resume, NULL, &in, id), 0);
    append(in, n);
    secure(r, in, "first");
    return in;
}

static void
commit(struct rig *r, struct queue_intake *in)
{
    struct envelope e = envelope_of(one, 1);

    CU_ASSERT_EQUAL_FATAL(queue_commit(in, &e, on_done, r), 0);
    (void)loop_run(loop);
    CU_ASSERT_EQUAL(r->done_status, 0);
}

static void
expect_part(struct rig *r, msg_id id, uint64_t bytes, const char *state)
{
    const struct queue_message *part = queue_part_after(r->q, 0);

    CU_ASSERT_PTR_NOT_NULL_FATAL(part);
    CU_ASSERT_EQUAL(part->id, id);
    CU_ASSERT_EQUAL(part->size_bytes, bytes);
    CU_ASSERT_TRUE(slice_eq(part->sender, key));
    CU_ASSERT_TRUE(slice_eq(part->envid, slice_of(state)));
    CU_ASSERT_EQUAL(rig_read(r, part, 'x'), (int64_t)bytes);
    CU_ASSERT_PTR_NULL(queue_part_after(r->q, id));
    CU_ASSERT_PTR_NULL(queue_find(r->q, id));
    CU_ASSERT_PTR_NULL(queue_after(r->q, 0));
}

static void
expect_message(struct rig *r, msg_id id, uint64_t bytes)
{
    const struct queue_message *m = queue_find(r->q, id);

    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL(m->size_bytes, bytes);
    CU_ASSERT_EQUAL(m->body, ENVELOPE_BODY_8BITMIME);
    CU_ASSERT_TRUE(slice_eq(m->recipients[0].address, one[0].address));
    CU_ASSERT_EQUAL(rig_read(r, m, 'x'), (int64_t)bytes);
    CU_ASSERT_PTR_NULL(queue_part_after(r->q, 0));
}

static void
reopen(struct rig *r)
{
    queue_free(r->q); /* as a crash */
    CU_ASSERT_EQUAL_FATAL(rig_open(r), 0);
}

static void
a_part_is_no_message_and_becomes_one(void)
{
    struct queue_stats st;
    struct queue_intake *in;
    struct rig r;
    msg_id id;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    in = begin_secured(&r, PIECE_BYTES, &id);
    queue_stats(r.q, &st);
    CU_ASSERT_TRUE(st.messages == 0 && st.recipients == 0 && st.bytes == 0 && st.committed == 0);
    CU_ASSERT_PTR_NULL(queue_part_after(r.q, 0)); /* it does not wait for anybody */
    CU_ASSERT_EQUAL(r.messages, 0);
    append(in, PIECE_BYTES);
    secure(&r, in, "second");
    append(in, 10);
    commit(&r, in);
    CU_ASSERT_EQUAL(r.messages, 1);
    expect_message(&r, id, 2 * PIECE_BYTES + 10);
    queue_stats(r.q, &st);
    CU_ASSERT_TRUE(st.messages == 1 && st.recipients == 1 && st.committed == 1);
    reopen(&r);
    CU_ASSERT_EQUAL(r.claim.messages, 1);
    expect_message(&r, id, 2 * PIECE_BYTES + 10);
    record(&r, id, 0, OUTCOME_DELIVERED, "250");
    rig_sync(&r);
    CU_ASSERT_EQUAL(r.gone, 1);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
the_next_owner_goes_on_with_it(void)
{
    struct queue_intake *in;
    struct rig r;
    msg_id id;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    in = begin_secured(&r, PIECE_BYTES, &id);
    append(in, 500); /* not secured: sent again */
    queue_suspend(in);
    reopen(&r);
    CU_ASSERT_EQUAL(r.claim.messages, 0);
    CU_ASSERT_EQUAL(r.messages, 0);
    expect_part(&r, id, PIECE_BYTES, "first");
    CU_ASSERT_EQUAL_FATAL(queue_reopen(r.q, id, no_resume, NULL, &in), 0);
    CU_ASSERT_EQUAL(queue_reopen(r.q, id, no_resume, NULL, &in), BH_ENOTFOUND);
    append(in, 20);
    secure(&r, in, "second");
    queue_suspend(in);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    expect_part(&r, id, PIECE_BYTES + 20, "second");
    CU_ASSERT_EQUAL_FATAL(queue_reopen(r.q, id, no_resume, NULL, &in), 0);
    append(in, 7);
    commit(&r, in);
    expect_message(&r, id, PIECE_BYTES + 27);
    reopen(&r);
    expect_message(&r, id, PIECE_BYTES + 27);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
what_is_given_up_is_gone_and_tells_nobody(void)
{
    struct queue_intake *in;
    struct rig r;
    msg_id id[2];

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    in = begin_secured(&r, PIECE_BYTES, &id[0]);
    append(in, 1);
    CU_ASSERT_EQUAL_FATAL(queue_secure(in, key, SLICE_NONE, on_done, &r), 0);
    queue_abort(in); /* before the second is durable */
    (void)loop_run(loop);
    in = begin_secured(&r, PIECE_BYTES, &id[1]);
    queue_suspend(in);
    expect_part(&r, id[1], PIECE_BYTES, "first");
    queue_part_drop(r.q, id[1]);
    CU_ASSERT_PTR_NULL(queue_part_after(r.q, 0));
    rig_sync(&r);
    CU_ASSERT_EQUAL(r.gone, 0);
    reopen(&r);
    CU_ASSERT_PTR_NULL(queue_part_after(r.q, 0));
    CU_ASSERT_EQUAL(queue_reopen(r.q, id[0], no_resume, NULL, &in), BH_ENOTFOUND);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
a_snapshot_has_it_too(void)
{
    struct queue_intake *in;
    struct rig r;
    msg_id id;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    in = begin_secured(&r, PIECE_BYTES, &id);
    CU_ASSERT_EQUAL_FATAL(queue_snapshot(r.q, 0, on_done, &r), 0);
    (void)loop_run(loop);
    CU_ASSERT_EQUAL(r.done_status, 0);
    append(in, 9);
    secure(&r, in, "second");
    queue_suspend(in);
    reopen(&r);
    CU_ASSERT_TRUE(r.claim.snapshot_bytes > 0);
    expect_part(&r, id, PIECE_BYTES + 9, "second");
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

TEST_MAIN("queue_part", TEST(a_part_is_no_message_and_becomes_one),
    TEST(the_next_owner_goes_on_with_it), TEST(what_is_given_up_is_gone_and_tells_nobody),
    TEST(a_snapshot_has_it_too))
