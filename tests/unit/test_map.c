#include "core/map.h"
#include "test_main.h"
#include <stdio.h>

struct thing {
    struct map_node node;
    char name[16];
};

static struct slice
name_of(const struct map_node *n)
{
    return slice_of(CONTAINER_OF(n, const struct thing, node)->name);
}

static void
numbers_are_found_again_and_once(void)
{
    static struct map_node nodes[1000];
    struct map_node again;
    struct map m;

    map_init(&m);
    CU_ASSERT_PTR_NULL(map64_find(&m, 0));
    for (uint64_t i = 0; i < ARRAY_LEN(nodes); i++) {
        CU_ASSERT_EQUAL(map64_insert(&m, &nodes[i], i << 32), 0);
    }
    CU_ASSERT_EQUAL(m.count, 1000);
    CU_ASSERT_EQUAL(map64_insert(&m, &again, 5ull << 32), -EEXIST);
    for (uint64_t i = 0; i < ARRAY_LEN(nodes); i++) {
        CU_ASSERT_PTR_EQUAL(map64_find(&m, i << 32), &nodes[i]);
        CU_ASSERT_PTR_NULL(map64_find(&m, (i << 32) + 1));
    }
    for (uint64_t i = 0; i < ARRAY_LEN(nodes); i += 2) {
        map_remove(&m, &nodes[i]);
    }
    for (uint64_t i = 0; i < ARRAY_LEN(nodes); i++) {
        CU_ASSERT_PTR_EQUAL(map64_find(&m, i << 32), i % 2 != 0 ? &nodes[i] : NULL);
    }
    map_fini(&m);
}

static void
names_are_compared_by_their_bytes(void)
{
    static struct thing things[300];
    struct thing twin = { .name = "thing-7" };
    struct map m;

    map_seed(4711);
    map_init(&m);
    CU_ASSERT_PTR_NULL(map_find(&m, SLICE_LIT("x"), name_of));
    for (size_t i = 0; i < ARRAY_LEN(things); i++) {
        (void)snprintf(things[i].name, sizeof(things[i].name), "thing-%zu", i);
        CU_ASSERT_EQUAL(map_insert(&m, &things[i].node, name_of), 0);
    }
    CU_ASSERT_EQUAL(map_insert(&m, &twin.node, name_of), -EEXIST);
    CU_ASSERT_PTR_EQUAL(map_find(&m, SLICE_LIT("thing-299"), name_of), &things[299].node);
    CU_ASSERT_PTR_NULL(map_find(&m, SLICE_LIT("thing-300"), name_of));
    CU_ASSERT_PTR_NULL(map_find(&m, SLICE_LIT("Thing-1"), name_of));
    map_remove(&m, &things[7].node);
    CU_ASSERT_EQUAL(map_insert(&m, &twin.node, name_of), 0);
    CU_ASSERT_PTR_EQUAL(map_find(&m, SLICE_LIT("thing-7"), name_of), &twin.node);
    map_fini(&m);
}

static void
a_walk_meets_each_once_and_may_remove(void)
{
    static struct map_node nodes[257];
    struct map_node *n, *after;
    size_t met = 0;
    struct map m;

    map_init(&m);
    CU_ASSERT_PTR_NULL(map_first(&m));
    for (uint64_t i = 0; i < ARRAY_LEN(nodes); i++) {
        CU_ASSERT_EQUAL(map64_insert(&m, &nodes[i], i), 0);
    }
    for (n = map_first(&m); n != NULL; n = map_next(&m, n)) {
        met++;
    }
    CU_ASSERT_EQUAL(met, ARRAY_LEN(nodes));
    for (n = map_first(&m); n != NULL; n = after) {
        after = map_next(&m, n);
        map_remove(&m, n);
        met--;
    }
    CU_ASSERT_EQUAL(met, 0);
    CU_ASSERT_EQUAL(m.count, 0);
    map_fini(&m);
}

static void
the_seed_changes_the_hash_of_bytes(void)
{
    uint64_t before, after;

    map_seed(1);
    before = hash_bytes(SLICE_LIT("example.org"));
    CU_ASSERT_EQUAL(before, hash_bytes(SLICE_LIT("example.org")));
    CU_ASSERT_NOT_EQUAL(before, hash_bytes(SLICE_LIT("example.orh")));
    CU_ASSERT_NOT_EQUAL(hash_bytes(SLICE_LIT("")), hash_bytes(SLICE_LIT("\0")));
    map_seed(2);
    after = hash_bytes(SLICE_LIT("example.org"));
    CU_ASSERT_NOT_EQUAL(before, after);
}

TEST_MAIN("map", TEST(numbers_are_found_again_and_once), TEST(names_are_compared_by_their_bytes),
    TEST(a_walk_meets_each_once_and_may_remove), TEST(the_seed_changes_the_hash_of_bytes))
