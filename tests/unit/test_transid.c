/* Transactions that completed, in memory and in a store that is opened again and again. */
#include "queue/transid.h"
#include "queue_rig.h"
#include "test_main.h"

#include <fcntl.h>
#include <sys/mman.h>

/* ---- the table */

static struct transid *
add(struct transids *t, const char *name, uint64_t id)
{
    struct transid *e;

    CU_ASSERT_EQUAL_FATAL(transids_add(t, slice_of(name), id, 100, 2, &e), 0);
    transids_set_recipient(e, 0, SLICE_LIT("Alice@Example.ORG"));
    transids_set_recipient(e, 1, SLICE_LIT("bob@example.org"));
    e->phase = TRANSID_DONE;
    return e;
}

static void
a_recipient_is_known_whatever_the_case_of_its_domain(void)
{
    struct transids t;
    struct transid *e;

    transids_init(&t);
    e = add(&t, "c <1@x>", 7);
    CU_ASSERT_TRUE(transid_has(e, SLICE_LIT("Alice@example.org")));
    CU_ASSERT_TRUE(transid_has(e, SLICE_LIT("bob@EXAMPLE.org")));
    CU_ASSERT_FALSE(transid_has(e, SLICE_LIT("alice@example.org")));
    CU_ASSERT_FALSE(transid_has(e, SLICE_LIT("carol@example.org")));
    CU_ASSERT_EQUAL(transids_add(&t, SLICE_LIT("c <1@x>"), 8, 1, 1, &e), -EEXIST);
    CU_ASSERT_PTR_NULL(transids_find(&t, SLICE_LIT("d <1@x>"))); /* the client's name counts */
    transids_fini(&t);
}

static void
slots_go_round(void)
{
    static const char *const names[] = { "c <0@x>", "c <1@x>", "c <2@x>", "c <3@x>", "c <4@x>" };
    struct transid *e[5];
    struct transids t;

    transids_init(&t);
    CU_ASSERT_EQUAL_FATAL(transids_set_slots(&t, 3), 0);
    CU_ASSERT_EQUAL_FATAL(transids_begin(&t), 0);
    for (unsigned i = 0; i < 5; i++) {
        e[i] = add(&t, names[i], i);
        e[i]->live = i == 1;
    }
    for (unsigned i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(transids_next_slot(&t), i % 3);
        transids_keep(&t, e[i]);
        CU_ASSERT_EQUAL(e[i]->turn, i + 1);
    }
    CU_ASSERT_PTR_NULL(transids_find(&t, slice_of(names[0])));
    CU_ASSERT_PTR_EQUAL(transids_find(&t, slice_of(names[1])), e[1]); /* its message is there */
    CU_ASSERT_EQUAL(e[1]->slot, TRANSID_NO_SLOT);
    transids_keep(&t, e[4]); /* back after a crash, and it leaves again */
    CU_ASSERT_EQUAL(e[4]->turn, 6);
    CU_ASSERT_PTR_NULL(transids_find(&t, slice_of(names[2])));
    CU_ASSERT_PTR_EQUAL(transids_find(&t, slice_of(names[3])), e[3]);
    transids_settle(&t, e[4]); /* its client went on: its slot is the next, and nobody has to go */
    CU_ASSERT_PTR_NULL(transids_find(&t, slice_of(names[4])));
    transids_settle(&t, e[1]);
    CU_ASSERT_PTR_EQUAL(transids_find(&t, slice_of(names[1])), e[1]);
    transids_keep(&t, add(&t, "c <5@x>", 5));
    CU_ASSERT_PTR_EQUAL(transids_find(&t, slice_of(names[3])), e[3]);
    transids_fini(&t);
}

static int
decode(struct transids *t, uint32_t slot, const uint8_t *value, size_t n)
{
    return transids_decode(t, slot, (struct slice){ (const char *)value, n });
}

static void
a_value_is_read_as_written_and_nonsense_is_refused(void)
{
    uint8_t value[TRANSID_VALUE_BYTES_MAX], later[TRANSID_VALUE_BYTES_MAX];
    struct transids t;
    struct transid *e;
    size_t n;

    transids_init(&t);
    CU_ASSERT_EQUAL_FATAL(transids_set_slots(&t, 3), 0);
    e = add(&t, "c <1@x>", 7);
    n = transid_encode(e, 5, value);
    CU_ASSERT_TRUE(n > 0);
    transids_drop(&t, e);
    for (size_t short_by = 1; short_by <= n; short_by++) {
        CU_ASSERT_EQUAL(decode(&t, 2, value, n - short_by), BH_EDAMAGED);
    }
    CU_ASSERT_EQUAL(decode(&t, 3, value, n), BH_EDAMAGED);
    CU_ASSERT_EQUAL(decode(&t, 2, value, n), 0);
    CU_ASSERT_EQUAL(decode(&t, 2, value, n), BH_EDAMAGED);
    e = transids_find(&t, SLICE_LIT("c <1@x>"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(e);
    CU_ASSERT_TRUE(e->id == 7 && e->size_bytes == 100 && e->turn == 5 && t.turn == 5);
    CU_ASSERT_TRUE(e->phase == TRANSID_DONE && transid_has(e, SLICE_LIT("bob@example.org")));
    CU_ASSERT_EQUAL(transid_encode(e, 6, value), n);
    CU_ASSERT_EQUAL(transid_encode(e, 7, later), n);
    CU_ASSERT_EQUAL(decode(&t, 1, later, n), 0);
    CU_ASSERT_EQUAL(decode(&t, 0, value, n), 0);
    e = transids_find(&t, SLICE_LIT("c <1@x>")); /* the last time it left counts */
    CU_ASSERT_PTR_NOT_NULL_FATAL(e);
    CU_ASSERT_EQUAL(e->turn, 7);
    transids_fini(&t);
}

static void
one_for_too_many_is_not_written(void)
{
    uint8_t value[TRANSID_VALUE_BYTES_MAX];
    struct transids t;
    struct transid *e;

    transids_init(&t);
    CU_ASSERT_EQUAL_FATAL(transids_add(&t, SLICE_LIT("c <1@x>"), 1, 1, 300, &e), 0);
    CU_ASSERT_EQUAL(transid_encode(e, 1, value), 0);
    transids_fini(&t);
}

/* ---- the store */

static msg_id
put_named(struct rig *r, const char *name)
{
    static const struct envelope_recipient to = { { "b@example.com", 13 }, { NULL, 0 }, 0 };
    struct envelope e = envelope_of(&to, 1);
    struct queue_intake *in;
    msg_id id;

    e.transid = slice_of(name);
    e.transid_bytes = 4711;
    CU_ASSERT_EQUAL_FATAL(queue_begin(r->q, no_resume, NULL, &in, &id), 0);
    CU_ASSERT_TRUE(queue_append(in, SLICE_LIT("hello")) >= 0);
    r->done_status = queue_commit(in, &e, on_done, r);
    if (r->done_status == 0) {
        CU_ASSERT_EQUAL(
            queue_transaction_find(r->q, e.transid, &id, &e.transid_bytes), TRANSACTION_BUSY);
        (void)loop_run(loop);
    }
    return id;
}

static void
finish(struct rig *r, msg_id id)
{
    struct queue_outcome o = { .kind = OUTCOME_DELIVERED, .reply = SLICE_LIT("250 ok") };

    CU_ASSERT_EQUAL(queue_record(r->q, queue_find(r->q, id), &o, 1), 0);
    rig_sync(r);
}

static bool
is_done(struct rig *r, const char *name, msg_id want)
{
    uint64_t size_bytes = 0;
    msg_id id = 0;

    return queue_transaction_find(r->q, slice_of(name), &id, &size_bytes) == TRANSACTION_DONE &&
           id == want && size_bytes == 4711 &&
           queue_transaction_has(r->q, slice_of(name), SLICE_LIT("b@EXAMPLE.com")) &&
           !queue_transaction_has(r->q, slice_of(name), SLICE_LIT("c@example.com"));
}

static void
a_transaction_is_remembered_with_its_message_and_after_it(void)
{
    uint64_t n;
    struct rig r;
    msg_id id, first;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(queue_transaction_find(r.q, SLICE_LIT("c <1@x>"), &id, &n), TRANSACTION_NEW);
    first = put_named(&r, "c <1@x>");
    CU_ASSERT_EQUAL(r.done_status, 0);
    CU_ASSERT_TRUE(is_done(&r, "c <1@x>", first));
    (void)put_named(&r, "c <1@x>");
    CU_ASSERT_EQUAL(r.done_status, -EEXIST); /* not twice, and nothing is left of it */
    queue_free(r.q);                         /* as after a crash */

    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.messages, 1);
    CU_ASSERT_TRUE(is_done(&r, "c <1@x>", first));
    finish(&r, first);
    CU_ASSERT_EQUAL(r.gone, 1);
    CU_ASSERT_TRUE(is_done(&r, "c <1@x>", first));
    queue_free(r.q);

    for (unsigned again = 0; again < 3; again++) { /* crash, crash, handoff */
        CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
        CU_ASSERT_EQUAL(r.messages, 0);
        CU_ASSERT_TRUE(is_done(&r, "c <1@x>", first));
        if (again < 2) {
            queue_free(r.q);
        } else {
            CU_ASSERT_EQUAL(rig_release(&r), 0);
        }
    }
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_TRUE(is_done(&r, "c <1@x>", first));
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

/* The segments that held it go, and it stays; the oldest make room for the youngest. */
static void
it_outlives_its_segments(void)
{
    char name[32];
    struct rig r;
    msg_id id = 0;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    for (unsigned i = 0; i < 60; i++) {
        (void)snprintf(name, sizeof(name), "c <%u@x>", i);
        id = put_named(&r, name);
        finish(&r, id);
        finish(&r, rig_put(&r, 100 * KIB, 'x'));
    }
    CU_ASSERT_TRUE(is_done(&r, "c <59@x>", id));
    queue_free(r.q);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_TRUE(is_done(&r, "c <59@x>", id));
    CU_ASSERT_EQUAL(
        queue_transaction_find(r.q, SLICE_LIT("c <0@x>"), &id, &(uint64_t){ 0 }), TRANSACTION_NEW);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

/* An attempt's number stays with who is left in doubt, and with nobody else. */
static void
the_transaction_in_doubt_is_found_by_the_next_owner(void)
{
    static const uint32_t both[] = { 0, 1 };
    struct queue_outcome doubt = { .kind = OUTCOME_DEFERRED, .in_doubt = true };
    struct queue_outcome later = { .recipient = 1, .kind = OUTCOME_DEFERRED };
    struct queue_outcome answered = { .kind = OUTCOME_DEFERRED, .answered = true };
    struct rig r;
    uint64_t number;
    msg_id id;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    id = rig_put(&r, 100, 'x');
    number = queue_transaction_new(r.q);
    CU_ASSERT_NOT_EQUAL(number, queue_transaction_new(r.q));
    CU_ASSERT_EQUAL(
        queue_attempt(r.q, queue_find(r.q, id), both, 2, ATTEMPT_TRANSFER, number, on_done, &r), 0);
    (void)loop_run(loop);
    queue_free(r.q);

    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(queue_find(r.q, id)->recipients[0].transaction, number);
    CU_ASSERT_EQUAL(queue_find(r.q, id)->recipients[1].transaction, number);
    CU_ASSERT_EQUAL(queue_record(r.q, queue_find(r.q, id), &doubt, 1), 0);
    CU_ASSERT_EQUAL(queue_record(r.q, queue_find(r.q, id), &later, 1), 0);
    CU_ASSERT_EQUAL(queue_find(r.q, id)->recipients[1].transaction, 0);
    rig_sync(&r);
    queue_free(r.q);

    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_TRUE(queue_find(r.q, id)->recipients[0].in_doubt);
    CU_ASSERT_EQUAL(queue_find(r.q, id)->recipients[0].transaction, number);
    CU_ASSERT_EQUAL(queue_find(r.q, id)->recipients[1].transaction, 0);
    CU_ASSERT_EQUAL(queue_record(r.q, queue_find(r.q, id), &answered, 1), 0);
    CU_ASSERT_FALSE(queue_find(r.q, id)->recipients[0].in_doubt);
    CU_ASSERT_EQUAL(queue_find(r.q, id)->recipients[0].transaction, 0);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

TEST_MAIN("transid", TEST(a_recipient_is_known_whatever_the_case_of_its_domain),
    TEST(slots_go_round), TEST(a_value_is_read_as_written_and_nonsense_is_refused),
    TEST(one_for_too_many_is_not_written),
    TEST(a_transaction_is_remembered_with_its_message_and_after_it), TEST(it_outlives_its_segments),
    TEST(the_transaction_in_doubt_is_found_by_the_next_owner))
