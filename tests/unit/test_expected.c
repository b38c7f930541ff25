/* Which segments must be there: what each record adds to it. */
#include "queue/census.h"
#include "queue/expected.h"
#include "queue/record.h"
#include "queue/segment.h"
#include "test_main.h"
#include <stdlib.h>

static bool
has(const struct expected *e, uint64_t seq)
{
    for (uint32_t i = 0; i < e->count; i++) {
        if (e->seqs[i] == seq) {
            return true;
        }
    }
    return false;
}

/* A CENSUS with these ranges, in segment seq. */
static int
census(struct expected *e, uint64_t seq, const uint64_t (*ranges)[2], uint32_t count)
{
    uint8_t payload[CENSUS_HEAD_BYTES + 4 * CENSUS_RANGE_BYTES] = { 0 };

    put_le32(payload, count);
    for (uint32_t i = 0; i < count; i++) {
        put_le64(payload + CENSUS_HEAD_BYTES + i * CENSUS_RANGE_BYTES, ranges[i][0]);
        put_le64(payload + CENSUS_HEAD_BYTES + i * CENSUS_RANGE_BYTES + 8, ranges[i][1]);
    }
    return expected_census(e,
        (struct slice){
            (const char *)payload, CENSUS_HEAD_BYTES + (size_t)count * CENSUS_RANGE_BYTES },
        seq);
}

static int
seal(struct expected *e, const struct seal_entry *entries, uint32_t count)
{
    struct seal_head head = { .parts = 1, .count = count };
    uint8_t payload[SEAL_HEAD_BYTES + 4 * SEAL_ENTRY_BYTES];

    seal_put(payload, &head, entries);
    return expected_seal(e, (struct slice){ (const char *)payload,
                                SEAL_HEAD_BYTES + (size_t)count * SEAL_ENTRY_BYTES });
}

/* Segment seq is read, with nothing in it that matters here. */
static void
read_segment(struct expected *e, uint64_t seq, uint64_t epoch_first)
{
    CU_ASSERT_EQUAL(expected_segment(e, seq, epoch_first), 0);
    expected_segment_end(e, seq);
}

static void
numbers_of_an_epoch_run_on(void)
{
    struct expected e;

    expected_begin(&e, 0);
    read_segment(&e, 5, 5);
    read_segment(&e, 8, 5);
    expected_settle(&e);
    CU_ASSERT_EQUAL(e.count, 4);
    CU_ASSERT_TRUE(has(&e, 5) && has(&e, 6) && has(&e, 7) && has(&e, 8));
    expected_fini(&e);
}

static void
a_census_replaces_what_was_known_up_to_it(void)
{
    static const uint64_t ranges[][2] = { { 2, 2 }, { 6, 6 } };
    struct expected e;

    expected_begin(&e, 0);
    read_segment(&e, 1, 1);
    CU_ASSERT_EQUAL(expected_segment(&e, 6, 1), 0);
    CU_ASSERT_EQUAL(census(&e, 6, ranges, 2), 0);
    expected_segment_end(&e, 6);
    read_segment(&e, 8, 1);
    expected_settle(&e);
    CU_ASSERT_EQUAL(e.count, 4);
    CU_ASSERT_TRUE(has(&e, 2) && has(&e, 6) && has(&e, 7) && has(&e, 8));
    CU_ASSERT_TRUE(expected_leaves_out(&e, 1));
    CU_ASSERT_FALSE(expected_leaves_out(&e, 2));
    CU_ASSERT_FALSE(expected_leaves_out(&e, 9)); /* it came later */
    expected_fini(&e);
}

/* All of it where nothing was known; else what came behind the last CENSUS. */
static void
a_seal_adds_what_it_lists_with_bytes(void)
{
    static const struct seal_entry list[] = { { .seq = 2, .valid_bytes = 9000 },
        { .seq = 3, .valid_bytes = 9000 }, { .seq = 4, .valid_bytes = SEGMENT_HEADER_BYTES } };
    static const uint64_t ranges[][2] = { { 1, 1 } };
    struct expected e;

    for (unsigned known = 0; known < 2; known++) {
        expected_begin(&e, 0);
        if (known != 0) {
            CU_ASSERT_EQUAL(expected_segment(&e, 2, 1), 0);
            CU_ASSERT_EQUAL(census(&e, 2, ranges, 1), 0);
            expected_segment_end(&e, 2);
        }
        CU_ASSERT_EQUAL(expected_segment(&e, 5, 5), 0);
        CU_ASSERT_EQUAL(seal(&e, list, ARRAY_LEN(list)), 0);
        expected_segment_end(&e, 5);
        expected_settle(&e);
        CU_ASSERT_EQUAL(has(&e, 2), known == 0); /* left out: it may be going still */
        CU_ASSERT_EQUAL(has(&e, 1), known != 0);
        CU_ASSERT_TRUE(has(&e, 3) && has(&e, 5));
        CU_ASSERT_FALSE(has(&e, 4)); /* its name need not be durable */
        expected_fini(&e);
    }
}

static void
what_was_not_said_or_not_read_is_not_missed(void)
{
    static const uint64_t ranges[][2] = { { 1, 3 } };
    struct expected e;

    expected_begin(&e, 0);
    CU_ASSERT_EQUAL(expected_segment(&e, 3, 1), 0);
    CU_ASSERT_EQUAL(census(&e, 3, ranges, 1), 0);
    expected_unknown(&e, 3); /* damage behind it: another CENSUS may have been there */
    expected_segment_end(&e, 3);
    read_segment(&e, 5, 1);
    CU_ASSERT_EQUAL(e.count, 2);
    CU_ASSERT_TRUE(has(&e, 4) && has(&e, 5));
    read_segment(&e, 9, 0); /* of an owner who does not say what he frees */
    CU_ASSERT_EQUAL(e.count, 0);
    expected_fini(&e);
    expected_begin(&e, 7); /* what lies before is in a snapshot */
    read_segment(&e, 8, 2);
    CU_ASSERT_EQUAL(e.count, 2);
    CU_ASSERT_TRUE(has(&e, 7) && has(&e, 8));
    CU_ASSERT_EQUAL(expected_through(&e, 10), 0);
    CU_ASSERT_EQUAL(e.count, 3); /* of those between nothing is known */
    CU_ASSERT_TRUE(has(&e, 10));
    expected_fini(&e);
}

static void
what_cannot_be_is_damage_and_takes_no_memory(void)
{
    static const uint64_t backwards[][2] = { { 5, 4 } }, overlap[][2] = { { 1, 9 }, { 3, 4 } },
                          endless[][2] = { { 1, UINT64_MAX } },
                          large[][2] = { { 1, EXPECTED_MAX },
                              { EXPECTED_MAX + 2, EXPECTED_MAX * 2 } };
    struct expected e;

    expected_begin(&e, 0);
    CU_ASSERT_EQUAL(census(&e, 1, backwards, 1), BH_EDAMAGED);
    CU_ASSERT_EQUAL(census(&e, 1, overlap, 2), BH_EDAMAGED);
    CU_ASSERT_EQUAL(census(&e, 1, endless, 1), BH_EDAMAGED);
    CU_ASSERT_EQUAL(census(&e, 1, large, 2), BH_EDAMAGED);
    CU_ASSERT_EQUAL(expected_census(&e, SLICE_LIT("\2\0\0\0\0\0\0\0"), 1), BH_EDAMAGED);
    CU_ASSERT_EQUAL(expected_seal(&e, SLICE_LIT("\0\0\0\0\1\0\0\0\1\0\0\0")), BH_EDAMAGED);
    read_segment(&e, UINT64_MAX / SEGMENT_BYTES_MIN, 1);
    CU_ASSERT_EQUAL(e.count, EXPECTED_MAX);
    expected_fini(&e);
}

TEST_MAIN("expected", TEST(numbers_of_an_epoch_run_on),
    TEST(a_census_replaces_what_was_known_up_to_it), TEST(a_seal_adds_what_it_lists_with_bytes),
    TEST(what_was_not_said_or_not_read_is_not_missed),
    TEST(what_cannot_be_is_damage_and_takes_no_memory))
