/* Messages in memory: from COMMIT payloads, in order, changed by outcomes and marks, counted. */
#include "queue/msgindex.h"
#include "test_main.h"

static uint8_t payload[65536];

static struct slice
commit(uint64_t id, const char *sender, uint32_t recipients, uint64_t content)
{
    static struct envelope_recipient to[200];
    struct envelope e = { .sender = slice_of(sender),
        .envid = SLICE_LIT("e"),
        .client = SLICE_LIT("[192.0.2.1]"),
        .received_wall_ms = id * 1000,
        .recipient_count = recipients,
        .recipients = to };
    struct commit_chunk chunk = { 4096, (uint32_t)content };
    struct commit_head head = { id, content };

    for (uint32_t i = 0; i < recipients; i++) {
        to[i] = (struct envelope_recipient){ .address = SLICE_LIT("user@example.org"),
            .orcpt = i % 2 == 0 ? SLICE_LIT("rfc822;x") : SLICE_NONE };
    }
    commit_encode(payload, &head, &e, &chunk, 1);
    return (struct slice){ (char *)payload, commit_payload_bytes(&e, 1) };
}

static struct stored *
add(struct msgindex *ix, uint64_t id, uint32_t recipients)
{
    struct stored *s;

    CU_ASSERT_EQUAL_FATAL(stored_new(&s, commit(id, "a@b", recipients, 100), 8192), 0);
    CU_ASSERT_EQUAL_FATAL(msgindex_add(ix, s), 0);
    return s;
}

static void
a_message_is_what_its_commit_says(void)
{
    struct msgindex ix;
    struct stored *s;

    msgindex_init(&ix);
    CU_ASSERT_EQUAL_FATAL(stored_new(&s, commit(7, "a@b", 3, 100), 8192), 0);
    CU_ASSERT_EQUAL(s->m.id, 7);
    CU_ASSERT_EQUAL(s->commit_lsn, 8192);
    CU_ASSERT_TRUE(slice_eq(s->m.sender, SLICE_LIT("a@b")));
    CU_ASSERT_EQUAL(s->m.received_wall_ms, 7000);
    CU_ASSERT_EQUAL(s->m.recipient_count, 3);
    CU_ASSERT_EQUAL(s->m.live_count, 3);
    CU_ASSERT_TRUE(slice_eq(s->m.recipients[2].orcpt, SLICE_LIT("rfc822;x")));
    CU_ASSERT_EQUAL(s->m.recipients[1].orcpt.n, 0);
    CU_ASSERT_EQUAL(s->chunk_count, 1);
    CU_ASSERT_EQUAL(s->chunk_lsn[0], 4096);
    CU_ASSERT_EQUAL(s->chunk_bytes[0], 100);
    stored_free(&ix, s);
    msgindex_fini(&ix);
}

static void
a_commit_that_contradicts_itself_is_no_message(void)
{
    struct stored *s;
    struct slice whole = commit(7, "a@b", 3, 100);

    for (size_t cut = 0; cut < whole.n; cut++) {
        CU_ASSERT_EQUAL(stored_new(&s, slice_sub(whole, 0, cut), 8192), BH_EDAMAGED);
    }
    put_le64(payload + 8, 101); /* content that the chunks do not have */
    CU_ASSERT_EQUAL(stored_new(&s, whole, 8192), BH_EDAMAGED);
}

static void
ids_are_found_in_order_whatever_the_order_of_coming(void)
{
    static const uint64_t ids[] = { 10, 30, 20, 5, 40, 35 };
    static const uint64_t sorted[] = { 5, 10, 20, 30, 35, 40 };
    struct msgindex ix;
    struct stored *s;
    uint64_t id = 0;

    msgindex_init(&ix);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        (void)add(&ix, ids[i], 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
        s = msgindex_after(&ix, id);
        CU_ASSERT_PTR_NOT_NULL_FATAL(s);
        id = s->m.id;
        CU_ASSERT_EQUAL(id, sorted[i]);
        CU_ASSERT_PTR_EQUAL(msgindex_find(&ix, id), s);
    }
    CU_ASSERT_PTR_NULL(msgindex_after(&ix, id));
    CU_ASSERT_PTR_NULL(msgindex_after(&ix, UINT64_MAX));
    CU_ASSERT_PTR_NULL(msgindex_find(&ix, 11));
    CU_ASSERT_EQUAL_FATAL(stored_new(&s, commit(20, "a@b", 1, 100), 8192), 0);
    CU_ASSERT_EQUAL(msgindex_add(&ix, s), -EEXIST);
    stored_free(&ix, s);
    msgindex_fini(&ix);
}

/* A page through a list goes on from an id that has left meanwhile. */
static void
removed_ones_leave_no_holes_and_no_memory(void)
{
    struct msgindex ix;
    struct stored *s;
    size_t capacity;

    msgindex_init(&ix);
    for (uint64_t id = 1; id <= 20000; id++) {
        (void)add(&ix, id, 1);
    }
    capacity = ix.capacity;
    for (uint64_t id = 1; id <= 20000; id++) {
        if (id % 1000 != 0) {
            s = msgindex_find(&ix, id);
            msgindex_remove(&ix, s);
            stored_free(&ix, s);
        }
    }
    CU_ASSERT_EQUAL(ix.messages, 20);
    CU_ASSERT_EQUAL(msgindex_after(&ix, 0)->m.id, 1000);
    CU_ASSERT_EQUAL(msgindex_after(&ix, 1500)->m.id, 2000);
    CU_ASSERT_PTR_NULL(msgindex_find(&ix, 1500));
    for (uint64_t id = 20001; id <= 40000; id++) { /* used again, not grown */
        s = add(&ix, id, 1);
        msgindex_remove(&ix, s);
        stored_free(&ix, s);
    }
    CU_ASSERT_EQUAL(ix.capacity, capacity);
    msgindex_fini(&ix);
}

static void
outcomes_change_recipients_and_totals(void)
{
    struct msgindex ix;
    struct stored *s;
    struct outcome_entry e = { 0, OUTCOME_DEFERRED, true, 3, 999, SLICE_LIT("450 busy"), 0 };

    msgindex_init(&ix);
    s = add(&ix, 1, 3);
    CU_ASSERT_EQUAL(ix.recipients, 3);
    CU_ASSERT_EQUAL(msgindex_outcome(&ix, s, &e), 0);
    CU_ASSERT_EQUAL(ix.in_doubt, 1);
    CU_ASSERT_EQUAL(ix.recipients, 3);
    CU_ASSERT_EQUAL(s->m.recipients[0].attempts, 3);
    CU_ASSERT_EQUAL(s->m.recipients[0].next_wall_ms, 999);
    CU_ASSERT_TRUE(slice_eq(s->m.recipients[0].last_reply, SLICE_LIT("450 busy")));
    CU_ASSERT_EQUAL(msgindex_outcome(&ix, s, &e), 0); /* twice is the same */
    CU_ASSERT_EQUAL(ix.in_doubt, 1);
    e.kind = OUTCOME_DELIVERED;
    e.in_doubt = false;
    CU_ASSERT_EQUAL(msgindex_outcome(&ix, s, &e), 0);
    CU_ASSERT_EQUAL(ix.in_doubt, 0);
    CU_ASSERT_EQUAL(ix.recipients, 2);
    CU_ASSERT_EQUAL(s->m.live_count, 2);
    e.recipient = 3;
    CU_ASSERT_EQUAL(msgindex_outcome(&ix, s, &e), BH_EDAMAGED);
    e.recipient = 0;
    e.kind = 9;
    CU_ASSERT_EQUAL(msgindex_outcome(&ix, s, &e), BH_EDAMAGED);
    msgindex_fini(&ix);
}

static void
an_attempt_lasts_until_an_outcome_or_its_withdrawal(void)
{
    struct msgindex ix;
    struct stored *s;
    struct outcome_entry e = { 0, OUTCOME_DEFERRED, false, 1, 0, SLICE_NONE, 0 };
    struct mark crashes = { .what = MARK_CRASHES, .value = 2 };

    msgindex_init(&ix);
    s = add(&ix, 1, 3);
    for (uint32_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(msgindex_attempt(&ix, s, i, ATTEMPT_TRANSFER, 0), 0);
    }
    CU_ASSERT_EQUAL(msgindex_attempt(&ix, s, 3, ATTEMPT_TRANSFER, 0), BH_EDAMAGED);
    CU_ASSERT_EQUAL(msgindex_attempt(&ix, s, 2, ATTEMPT_READING, 0), 0);
    CU_ASSERT_EQUAL(ix.attempts, 3);
    msgindex_mark(&ix, s, &crashes);
    CU_ASSERT_EQUAL(msgindex_attempt(&ix, s, 2, ATTEMPT_NONE, 0), 0);
    CU_ASSERT_EQUAL(msgindex_attempt(&ix, s, 2, 77, 0), 0); /* of a later release */
    CU_ASSERT_EQUAL(ix.attempts, 2);
    CU_ASSERT_EQUAL(s->m.crashes, 2);
    CU_ASSERT_EQUAL(msgindex_outcome(&ix, s, &e), 0);
    CU_ASSERT_EQUAL(ix.attempts, 1);
    CU_ASSERT_EQUAL(s->m.recipients[0].attempt, ATTEMPT_NONE);
    CU_ASSERT_EQUAL(s->m.crashes, 0); /* it was handled, and the server lived */
    CU_ASSERT_EQUAL(ix.in_doubt, 0);  /* who is in doubt is for the next owner to say */
    msgindex_remove(&ix, s);
    CU_ASSERT_EQUAL(ix.attempts, 0);
    stored_free(&ix, s);
    msgindex_fini(&ix);
}

static void
marks_change_messages_and_totals(void)
{
    struct msgindex ix;
    struct stored *s;
    struct mark m = { .what = MARK_HELD, .value = 1 };

    msgindex_init(&ix);
    s = add(&ix, 1, 2);
    msgindex_mark(&ix, s, &m);
    msgindex_mark(&ix, s, &m);
    CU_ASSERT_TRUE(s->m.held);
    CU_ASSERT_EQUAL(ix.held, 1);
    m.value = 0;
    msgindex_mark(&ix, s, &m);
    CU_ASSERT_EQUAL(ix.held, 0);
    s->m.recipients[0].state = RECIPIENT_DELIVERED;
    m = (struct mark){ .what = MARK_NEXT, .value = 5 };
    msgindex_mark(&ix, s, &m);
    CU_ASSERT_EQUAL(s->m.recipients[0].next_wall_ms, 0);
    CU_ASSERT_EQUAL(s->m.recipients[1].next_wall_ms, 5);
    m.what = MARK_WARNED;
    msgindex_mark(&ix, s, &m);
    CU_ASSERT_TRUE(s->m.recipients[1].warned);
    m.what = 77; /* of a later release: nothing */
    msgindex_mark(&ix, s, &m);
    s->m.recipients[0].state = RECIPIENT_QUEUED;
    msgindex_fini(&ix);
}

static void
equal_replies_are_kept_once(void)
{
    struct msgindex ix;
    struct outcome_entry e = { 0, OUTCOME_DEFERRED, false, 1, 0, SLICE_LIT("450 4.2.1 later"), 0 };
    struct stored *a, *b;

    msgindex_init(&ix);
    a = add(&ix, 1, 1);
    b = add(&ix, 2, 1);
    CU_ASSERT_EQUAL(msgindex_outcome(&ix, a, &e), 0);
    CU_ASSERT_EQUAL(msgindex_outcome(&ix, b, &e), 0);
    CU_ASSERT_PTR_EQUAL(a->m.recipients[0].last_reply.p, b->m.recipients[0].last_reply.p);
    CU_ASSERT_EQUAL(ix.replies.count, 1);
    e.reply = SLICE_LIT("451 other");
    CU_ASSERT_EQUAL(msgindex_outcome(&ix, a, &e), 0);
    CU_ASSERT_EQUAL(ix.replies.count, 2);
    msgindex_remove(&ix, b);
    stored_free(&ix, b);
    CU_ASSERT_EQUAL(ix.replies.count, 1);
    msgindex_fini(&ix);
}

static void
a_queued_recipient_costs_less_than_400_bytes(void)
{
    /* one message with one recipient, its entry in the index and the allocator's own */
    size_t strings = 30 + 40 + 25, chunk = 12, entry = sizeof(struct msgindex_entry), heap = 16;

    CU_ASSERT_TRUE(
        sizeof(struct stored) + sizeof(struct queue_recipient) + strings + chunk + entry + heap <
        400);
}

TEST_MAIN("msgindex", TEST(a_message_is_what_its_commit_says),
    TEST(a_commit_that_contradicts_itself_is_no_message),
    TEST(ids_are_found_in_order_whatever_the_order_of_coming),
    TEST(removed_ones_leave_no_holes_and_no_memory), TEST(outcomes_change_recipients_and_totals),
    TEST(an_attempt_lasts_until_an_outcome_or_its_withdrawal),
    TEST(marks_change_messages_and_totals), TEST(equal_replies_are_kept_once),
    TEST(a_queued_recipient_costs_less_than_400_bytes))
