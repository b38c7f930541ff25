#include "core/heap.h"
#include "test_main.h"
#include <stdio.h>

#define NODES 500

/* xorshift: a fixed seed gives the same run each time */
static uint64_t
random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void
the_smallest_key_comes_first(void)
{
    static const uint64_t keys[] = { 5, 1, 4, 1, UINT64_MAX, 0, 9 };
    static const uint64_t sorted[] = { 0, 1, 1, 4, 5, 9, UINT64_MAX };
    struct heap_node nodes[ARRAY_LEN(keys)];
    struct heap h;

    heap_init(&h);
    CU_ASSERT_PTR_NULL(heap_min(&h));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        heap_node_init(&nodes[i]);
        CU_ASSERT_FALSE(heap_has(&nodes[i]));
        CU_ASSERT_EQUAL(heap_insert(&h, &nodes[i], keys[i]), 0);
        CU_ASSERT_TRUE(heap_has(&nodes[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
        struct heap_node *min = heap_min(&h);

        CU_ASSERT_EQUAL(min->key, sorted[i]);
        heap_remove(&h, min);
        CU_ASSERT_FALSE(heap_has(min));
        heap_remove(&h, min); /* out: nothing happens */
    }
    CU_ASSERT_PTR_NULL(heap_min(&h));
    heap_fini(&h);
}

/* Against a plain scan of all nodes, after each of many random steps. */
static void
random_steps_keep_the_minimum(void)
{
    static struct heap_node nodes[NODES];
    uint64_t seed = 20261121;
    struct heap h;

    heap_init(&h);
    for (size_t i = 0; i < NODES; i++) {
        heap_node_init(&nodes[i]);
    }
    for (int step = 0; step < 20000; step++) {
        struct heap_node *n = &nodes[random_next(&seed) % NODES], *min = NULL;
        uint64_t key = random_next(&seed) % 1000;
        uint32_t in = 0;

        if (!heap_has(n)) {
            CU_ASSERT_EQUAL(heap_insert(&h, n, key), 0);
        } else if (key % 2 == 0) {
            heap_rekey(&h, n, key);
        } else {
            heap_remove(&h, n);
        }
        for (size_t i = 0; i < NODES; i++) {
            in += heap_has(&nodes[i]);
            if (heap_has(&nodes[i]) && (min == NULL || nodes[i].key < min->key)) {
                min = &nodes[i];
            }
        }
        if (h.count != in || (min != NULL && heap_min(&h)->key != min->key)) {
            printf("\nseed 20261121, step %d\n", step);
            CU_FAIL_FATAL("the heap lost its order");
        }
    }
    heap_fini(&h);
}

TEST_MAIN("heap", TEST(the_smallest_key_comes_first), TEST(random_steps_keep_the_minimum))
