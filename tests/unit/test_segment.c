/* Headers, names and the table of segments. */
#include "queue/segment.h"
#include "test_main.h"

static void
a_store_head_is_read_as_written_and_any_change_is_seen(void)
{
    struct store_head h = { .uuid = "fedcba987654321", .segment_bytes = MIB, .created_wall_ms = 5 };
    struct store_head got;
    uint8_t block[STORE_BLOCK_BYTES];

    store_head_put(block, &h);
    CU_ASSERT_EQUAL(memcmp(block, "BRIDGEST\1\0\0\0", 12), 0);
    CU_ASSERT_EQUAL(store_head_get(block, sizeof(block), &got), 0);
    CU_ASSERT_EQUAL(memcmp(&h, &got, sizeof(h)), 0);
    CU_ASSERT_EQUAL(store_head_get(block, 511, &got), BH_EDAMAGED);
    for (size_t i = 0; i < 512; i++) {
        block[i] ^= 4;
        CU_ASSERT_EQUAL(store_head_get(block, sizeof(block), &got), BH_EDAMAGED);
        block[i] ^= 4;
    }
}

static void
a_segment_head_is_read_as_written(void)
{
    struct segment_head h = { .uuid = "fedcba987654321",
        .seq = 0x123456789,
        .segment_bytes = MIB,
        .salt = 0xdeadbeefcafe,
        .seal_lsn = 77,
        .created_wall_ms = 5,
        .epoch = 12 };
    struct segment_head got;
    uint8_t block[SEGMENT_HEADER_BYTES];

    segment_head_put(block, &h);
    CU_ASSERT_EQUAL(segment_head_get(block, sizeof(block), &got), 0);
    CU_ASSERT_EQUAL(memcmp(&h.uuid, &got.uuid, 16), 0);
    CU_ASSERT_EQUAL(got.seq, h.seq);
    CU_ASSERT_EQUAL(got.salt, h.salt);
    CU_ASSERT_EQUAL(got.seal_lsn, 77);
    CU_ASSERT_EQUAL(got.epoch, 12);
    for (size_t i = 0; i < 128; i++) {
        block[i] ^= 4;
        CU_ASSERT_TRUE(segment_head_get(block, sizeof(block), &got) < 0);
        block[i] ^= 4;
    }
}

static void
only_names_that_we_make_are_names(void)
{
    static const char *const bad[] = { "", "LOCK", "0000000000000001.seg",
        "0000000000000001-00000001.tmp", "g000000000000001-00000001.seg",
        "0000000000000001-00000001.seg2", "0000000000000001_00000001.seg",
        "0000000000000ABC-00000001.seg", "0000000000000001-01000000.seg",
        "0000000000000001-ffffffff.seg" };
    char name[SEGMENT_NAME_CAP];
    uint64_t seq;
    uint32_t epoch;

    segment_name(name, 0xabc, 0x12);
    CU_ASSERT_STRING_EQUAL(name, "0000000000000abc-00000012.seg");
    CU_ASSERT_TRUE(segment_name_parse(name, &seq, &epoch));
    CU_ASSERT_EQUAL(seq, 0xabc);
    CU_ASSERT_EQUAL(epoch, 0x12);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CU_ASSERT_FALSE(segment_name_parse(bad[i], &seq, &epoch));
    }
}

/* I7: what depends on a segment is freed after it, and only then. */
static void
a_segment_waits_for_those_it_speaks_about(void)
{
    struct segtab t;
    struct segment *a, *b, *c;

    segtab_init(&t);
    b = segtab_add(&t, 2, 1, 20);
    a = segtab_add(&t, 1, 1, 10);
    c = segtab_add(&t, 3, 1, 30);
    CU_ASSERT_PTR_NULL(segtab_add(&t, 2, 1, 20)); /* a number is given once */
    CU_ASSERT_PTR_EQUAL(CONTAINER_OF(t.order.next, struct segment, link), a);
    CU_ASSERT_PTR_EQUAL(CONTAINER_OF(t.order.prev, struct segment, link), c);
    a->closed = b->closed = c->closed = true;
    CU_ASSERT_EQUAL(segtab_need(&t, c, 2), 0);
    CU_ASSERT_EQUAL(segtab_need(&t, c, 1), 0);
    CU_ASSERT_EQUAL(segtab_need(&t, c, 1), 0); /* once is enough */
    CU_ASSERT_EQUAL(segtab_need(&t, c, 3), 0); /* itself: nothing */
    CU_ASSERT_EQUAL(segtab_need(&t, c, 9), 0); /* already gone: nothing */
    CU_ASSERT_EQUAL(c->need_count, 2);
    CU_ASSERT_TRUE(segment_needs(c, 1) && segment_needs(c, 2) && !segment_needs(c, 3));
    CU_ASSERT_FALSE(segment_dead(c));
    CU_ASSERT_TRUE(segment_dead(a) && segment_dead(b));
    segtab_remove(&t, a);
    CU_ASSERT_FALSE(segment_dead(c));
    segtab_remove(&t, b);
    CU_ASSERT_TRUE(segment_dead(c));
    c->live = 1;
    CU_ASSERT_FALSE(segment_dead(c)); /* I10 */
    c->live = 0;
    c->damaged = true;
    CU_ASSERT_FALSE(segment_dead(c));
    CU_ASSERT_EQUAL(t.count, 1);
    segtab_fini(&t);
}

static void
sizes_have_limits(void)
{
    CU_ASSERT_TRUE(segment_bytes_valid(64 * KIB));
    CU_ASSERT_TRUE(segment_bytes_valid(SEGMENT_BYTES_DEFAULT));
    CU_ASSERT_FALSE(segment_bytes_valid(64 * KIB - 4096));
    CU_ASSERT_FALSE(segment_bytes_valid(64 * KIB + 1));
    CU_ASSERT_FALSE(segment_bytes_valid(2 * GIB));
    CU_ASSERT_FALSE(segment_bytes_valid(0));
}

TEST_MAIN("segment", TEST(a_store_head_is_read_as_written_and_any_change_is_seen),
    TEST(a_segment_head_is_read_as_written), TEST(only_names_that_we_make_are_names),
    TEST(a_segment_waits_for_those_it_speaks_about), TEST(sizes_have_limits))
