/* A queue that takes mail while what its last owner left is still being loaded. on_open runs before
 * the load begins, so what is asked in it is asked before all is there. */
#include "queue/queue_int.h"
#include "queue_rig.h"
#include "test_main.h"

#define RECORD_OF_ANOTHER_RELEASE 99

static struct early {
    void (*then)(struct rig *r); /* in on_open */
    unsigned loaded, recovered, wanted;
    int status;
    char text[TEXT];
    struct queue_claim claim;
    msg_id id;
} early;

static void
stop_when_all_came(void)
{
    if (early.wanted == 0 || --early.wanted == 0) {
        loop_stop(loop);
    }
}

static void
on_early_loaded(void *ctx, int status, const struct queue_claim *claim, const char *text)
{
    const struct rig *r = ctx;

    early.loaded++;
    early.status = status;
    early.claim = *claim;
    (void)snprintf(early.text, sizeof(early.text), "%s", text);
    CU_ASSERT_EQUAL(r->messages, 0); /* nobody was told of any before */
    if (status < 0) {
        loop_stop(loop);
    }
}

static void
on_early_recovered(void *ctx)
{
    (void)ctx;
    early.recovered++;
    stop_when_all_came();
}

static void
on_early_done(void *ctx, int status)
{
    struct rig *r = ctx;

    r->done_status = status;
    r->done++;
    stop_when_all_came();
}

static void
on_early_open(
    void *ctx, int status, struct queue *q, const struct queue_claim *claim, const char *t)
{
    struct rig *r = ctx;

    (void)claim;
    (void)t;
    CU_ASSERT_EQUAL_FATAL(status, 0);
    r->q = q;
    CU_ASSERT_FALSE(queue_is_loaded(q));
    early.then(r);
}

/* wanted: how many of recovered and done end it. */
static void
open_early(struct rig *r, unsigned wanted, void (*then)(struct rig *r))
{
    struct queue_options o = options(r);
    struct queue_opening *op;

    *r = (struct rig){ 0 };
    early = (struct early){ .then = then, .wanted = wanted };
    o.on_loaded = on_early_loaded;
    o.on_recovered = on_early_recovered;
    CU_ASSERT_EQUAL_FATAL(queue_open(&op, loop, &o, on_early_open, r), 0);
    (void)loop_run(loop);
}

static void
put_early(struct rig *r)
{
    static const struct envelope_recipient to[1] = { { .address = SLICE_LIT("b@example.com") } };
    struct envelope e = envelope_of(to, 1);
    struct queue_intake *in;

    CU_ASSERT_EQUAL_FATAL(queue_begin(r->q, no_resume, NULL, &in, &early.id), 0);
    CU_ASSERT_TRUE(queue_append(in, SLICE_LIT("early")) >= 0);
    CU_ASSERT_EQUAL_FATAL(queue_commit(in, &e, on_early_done, r), 0);
}

static void
put_early_and_ask(struct rig *r)
{
    struct queue_stats st;
    uint64_t bytes;
    msg_id id;

    put_early(r);
    queue_stats(r->q, &st);
    CU_ASSERT_TRUE(st.loading && st.loaded_percent < 100 && st.messages == 0);
    CU_ASSERT_EQUAL(queue_state_set(r->q, SLICE_LIT("k"), SLICE_LIT("v")), BH_EBUSY);
    CU_ASSERT_EQUAL(queue_snapshot(r->q, 0, NULL, NULL), BH_EBUSY);
    CU_ASSERT_EQUAL(
        queue_transaction_find(r->q, SLICE_LIT("a b c"), &id, &bytes), TRANSACTION_BUSY);
    CU_ASSERT_PTR_NULL(queue_after(r->q, 0));
}

static void
release_early(struct rig *r)
{
    struct queue_intake *in;
    msg_id id;

    CU_ASSERT_EQUAL(queue_release(r->q, on_early_done, r), 0);
    CU_ASSERT_EQUAL(queue_release(r->q, on_early_done, r), BH_ESTATE);
    CU_ASSERT_EQUAL(queue_begin(r->q, no_resume, NULL, &in, &id), BH_ESTATE);
}

static void
leave_at_once(struct rig *r)
{
    (void)r;
    loop_stop(loop);
}

/* A store whose owner died with two messages in it, one of them deferred. */
static void
leave_two(msg_id id[2])
{
    struct rig r;

    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    id[0] = rig_put(&r, 3000, 'x');
    id[1] = rig_put(&r, 70000, 'y');
    record(&r, id[0], 1, OUTCOME_DEFERRED, "450 later");
    CU_ASSERT_EQUAL(queue_state_set(r.q, SLICE_LIT("kept"), SLICE_LIT("1")), 0);
    rig_sync(&r);
    queue_free(r.q);
}

static void
mail_comes_in_before_the_older_is_loaded_and_each_is_told_once(void)
{
    struct queue_message *m;
    struct rig r;
    msg_id id[2];

    store_begin();
    leave_two(id);
    open_early(&r, 2, put_early_and_ask);
    CU_ASSERT_EQUAL(early.loaded, 1);
    CU_ASSERT_EQUAL(early.status, 0);
    CU_ASSERT_EQUAL(early.claim.messages, 2);
    CU_ASSERT_EQUAL(r.done_status, 0);
    CU_ASSERT_EQUAL(r.messages, 3);
    CU_ASSERT_TRUE(queue_is_loaded(r.q));
    CU_ASSERT_TRUE(slice_eq(queue_state_get(r.q, SLICE_LIT("kept")), SLICE_LIT("1")));
    m = queue_after(r.q, 0);
    CU_ASSERT_TRUE_FATAL(m != NULL && m->id == id[0]); /* in the order of arrival */
    CU_ASSERT_EQUAL(m->recipients[1].attempts, 1);
    CU_ASSERT_EQUAL(rig_read(&r, queue_after(r.q, id[0]), 'y'), 70000);
    CU_ASSERT_TRUE(queue_after(r.q, id[1]) == queue_find(r.q, early.id));
    record(&r, id[0], 0, OUTCOME_DELIVERED, "");
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.claim.messages, 3);
    CU_ASSERT_TRUE(slice_eq(queue_state_get(r.q, SLICE_LIT("kept")), SLICE_LIT("1")));
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
what_came_in_before_the_join_survives_a_crash_then(void)
{
    struct rig r;
    msg_id id[2];

    store_begin();
    leave_two(id);
    open_early(&r, 1, put_early); /* the first of both: told, or all loaded */
    while (r.done == 0) {
        early.wanted = 1;
        (void)loop_run(loop);
    }
    queue_free(r.q);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.claim.messages, 3);
    CU_ASSERT_PTR_NOT_NULL(queue_find(r.q, early.id));
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
a_release_waits_for_the_load(void)
{
    struct rig r;
    msg_id id[2];

    store_begin();
    leave_two(id);
    open_early(&r, 1, release_early);
    CU_ASSERT_EQUAL(r.done_status, 0);
    CU_ASSERT_EQUAL(early.loaded, 1);
    queue_free(r.q);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_STRING_EQUAL(r.claim.cause, "released");
    CU_ASSERT_EQUAL(r.claim.messages, 2);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
a_queue_can_be_freed_while_it_loads(void)
{
    struct rig r;
    msg_id id[2];

    store_begin();
    leave_two(id);
    open_early(&r, 0, leave_at_once);
    queue_free(r.q);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.claim.messages, 2);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
a_load_that_fails_stops_the_queue_and_says_why(void)
{
    struct journal_place place;
    struct rig r;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    (void)rig_put(&r, 3000, 'x');
    CU_ASSERT_EQUAL_FATAL(
        journal_add(r.q->journal, (enum record_type)RECORD_OF_ANOTHER_RELEASE, 8, &place), 0);
    memset(place.payload, 0, 8);
    rig_sync(&r);
    queue_free(r.q);
    open_early(&r, 2, put_early);
    CU_ASSERT_EQUAL(early.status, BH_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(early.text, "newer release"));
    CU_ASSERT_EQUAL(r.failure, 0); /* told once */
    CU_ASSERT_EQUAL(queue_ready(r.q, 0), BH_EFORMAT);
    CU_ASSERT_EQUAL(queue_lease_check(r.q), BH_EFENCED);
    queue_free(r.q);
    CU_ASSERT_EQUAL(rig_open(&r), BH_EFORMAT); /* without on_loaded: not opened */
    store_end();
}

TEST_MAIN("queue_load", TEST(mail_comes_in_before_the_older_is_loaded_and_each_is_told_once),
    TEST(what_came_in_before_the_join_survives_a_crash_then), TEST(a_release_waits_for_the_load),
    TEST(a_queue_can_be_freed_while_it_loads), TEST(a_load_that_fails_stops_the_queue_and_says_why))
