/* The table of settings: what holds a segment, and what the disk may not make us do. */
#include "queue/record.h"
#include "queue/state.h"
#include "test_main.h"
#include <stdio.h>

#define SEGMENT_BYTES (64 * KIB)

static int
apply(struct state *st, struct segtab *t, uint64_t seq, const char *key, const char *value)
{
    struct segment *before, *in = segtab_find(t, seq);
    int rc = state_apply(st, t, SEGMENT_BYTES, in, seq * SEGMENT_BYTES + 4096, slice_of(key),
        slice_of(value), &before);

    if (rc == 0) {
        state_let_go(before);
    }
    return rc;
}

static void
the_last_record_of_a_key_holds_its_segment(void)
{
    struct state st;
    struct segtab t;
    struct segment *one, *two, *three;

    state_init(&st);
    segtab_init(&t);
    one = segtab_add(&t, 1, 1, 0);
    two = segtab_add(&t, 2, 1, 0);
    three = segtab_add(&t, 3, 1, 0);
    CU_ASSERT_EQUAL(apply(&st, &t, 1, "k", "v"), 0);
    CU_ASSERT_TRUE(one->live == 1 && one->state == 1);
    CU_ASSERT_EQUAL(apply(&st, &t, 2, "k", "w"), 0);
    CU_ASSERT_TRUE(one->live == 0 && two->live == 1);
    CU_ASSERT_TRUE(slice_eq(state_value(state_find(&st, SLICE_LIT("k"))), SLICE_LIT("w")));
    CU_ASSERT_EQUAL(apply(&st, &t, 3, "k", ""), 0);
    CU_ASSERT_TRUE(two->live == 0 && three->live == 1); /* or the key would come back */
    CU_ASSERT_EQUAL(state_find(&st, SLICE_LIT("k"))->value_bytes, 0);
    state_drop(&st, &t, SEGMENT_BYTES, state_find(&st, SLICE_LIT("k")));
    CU_ASSERT_TRUE(three->live == 0 && st.count == 0);
    CU_ASSERT_EQUAL(apply(&st, &t, 1, "k", "v"), 0);
    CU_ASSERT_TRUE(one->state == 1);
    state_clear(&st, &t, SEGMENT_BYTES);
    CU_ASSERT_TRUE(one->live == 0 && st.count == 0);
    state_fini(&st);
    segtab_fini(&t);
}

static void
what_was_unset_in_the_oldest_segment_is_forgotten(void)
{
    struct state st;
    struct segtab t;
    struct segment *one, *two;

    state_init(&st);
    segtab_init(&t);
    state_forget_unset(&st, &t, SEGMENT_BYTES);
    one = segtab_add(&t, 1, 1, 0);
    two = segtab_add(&t, 2, 1, 0);
    CU_ASSERT_EQUAL(apply(&st, &t, 1, "set", "v"), 0);
    CU_ASSERT_EQUAL(apply(&st, &t, 1, "unset", ""), 0);
    CU_ASSERT_EQUAL(apply(&st, &t, 2, "later", ""), 0);
    state_forget_unset(&st, &t, SEGMENT_BYTES);
    CU_ASSERT_PTR_NULL(state_find(&st, SLICE_LIT("unset")));
    CU_ASSERT_PTR_NOT_NULL(state_find(&st, SLICE_LIT("set")));
    CU_ASSERT_PTR_NOT_NULL(state_find(&st, SLICE_LIT("later"))); /* segment one may say otherwise */
    CU_ASSERT_TRUE(one->live == 1 && two->live == 1);
    state_fini(&st);
    segtab_fini(&t);
}

static void
there_are_limits(void)
{
    struct state st;
    struct segtab t;
    char key[16];

    state_init(&st);
    segtab_init(&t);
    CU_ASSERT_PTR_NOT_NULL(segtab_add(&t, 1, 1, 0));
    for (unsigned i = 0; i < STATE_KEYS_MAX; i++) {
        (void)snprintf(key, sizeof(key), "key%u", i);
        CU_ASSERT_EQUAL(apply(&st, &t, 1, key, "x"), 0);
    }
    CU_ASSERT_EQUAL(apply(&st, &t, 1, "one more", "x"), BH_ETOOBIG);
    CU_ASSERT_EQUAL(apply(&st, &t, 1, "key7", "y"), 0);
    CU_ASSERT_EQUAL(st.count, STATE_KEYS_MAX);
    state_fini(&st);
    segtab_fini(&t);
}

static void
a_record_is_read_as_written_and_nothing_is_believed(void)
{
    uint8_t bytes[64];
    struct slice key = SLICE_LIT("key"), value = SLICE_LIT("value"), k, v;
    size_t n = (size_t)state_payload_bytes(key, value);

    state_put(bytes, key, value);
    CU_ASSERT_EQUAL(state_get((struct slice){ (char *)bytes, n }, &k, &v), 0);
    CU_ASSERT_TRUE(slice_eq(k, key) && slice_eq(v, value));
    for (size_t cut = 0; cut < n; cut++) {
        CU_ASSERT_EQUAL(state_get((struct slice){ (char *)bytes, cut }, &k, &v), BH_EDAMAGED);
    }
    put_le16(bytes, 0);
    CU_ASSERT_EQUAL(state_get((struct slice){ (char *)bytes, n }, &k, &v), BH_EDAMAGED);
}

TEST_MAIN("state", TEST(the_last_record_of_a_key_holds_its_segment),
    TEST(what_was_unset_in_the_oldest_segment_is_forgotten), TEST(there_are_limits),
    TEST(a_record_is_read_as_written_and_nothing_is_believed))
