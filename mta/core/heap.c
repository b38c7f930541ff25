#include "core/heap.h"
#include <stdlib.h>

#define HEAP_FIRST_CAPACITY 64

void
heap_init(struct heap *h)
{
    *h = (struct heap){ 0 };
}

void
heap_fini(struct heap *h)
{
    free(h->nodes);
    heap_init(h);
}

static void
put(struct heap *h, uint32_t index, struct heap_node *n)
{
    h->nodes[index] = n;
    n->index = index;
}

static void
sift_up(struct heap *h, struct heap_node *n)
{
    uint32_t at = n->index;

    while (at > 0) {
        uint32_t parent = (at - 1) / 2;

        if (h->nodes[parent]->key <= n->key) {
            break;
        }
        put(h, at, h->nodes[parent]);
        at = parent;
    }
    put(h, at, n);
}

static void
sift_down(struct heap *h, struct heap_node *n)
{
    uint32_t at = n->index;

    /* "at < count / 2" is "has a left child", and cannot overflow where 2 * at + 1 might */
    while (at < h->count / 2) {
        uint32_t child = 2 * at + 1;

        if (child + 1 < h->count && h->nodes[child + 1]->key < h->nodes[child]->key) {
            child++;
        }
        if (n->key <= h->nodes[child]->key) {
            break;
        }
        put(h, at, h->nodes[child]);
        at = child;
    }
    put(h, at, n);
}

static int
grow(struct heap *h)
{
    uint32_t capacity = h->capacity > 0 ? h->capacity * 2 : HEAP_FIRST_CAPACITY;
    struct heap_node **nodes;

    if (h->capacity > UINT32_MAX / 4) {
        return -ENOMEM;
    }
    nodes = reallocarray(h->nodes, capacity, sizeof(struct heap_node *));
    if (nodes == NULL) {
        return -ENOMEM;
    }
    h->nodes = nodes;
    h->capacity = capacity;
    return 0;
}

int
heap_insert(struct heap *h, struct heap_node *n, uint64_t key)
{
    CHECK(!heap_has(n));
    if (h->count == h->capacity) {
        int rc = grow(h);

        if (rc < 0) {
            return rc;
        }
    }
    n->key = key;
    put(h, h->count++, n);
    sift_up(h, n);
    return 0;
}

void
heap_remove(struct heap *h, struct heap_node *n)
{
    struct heap_node *last;
    uint32_t hole = n->index;

    if (!heap_has(n)) {
        return;
    }
    CHECK(hole < h->count && h->nodes[hole] == n);
    last = h->nodes[--h->count];
    if (last != n) {
        put(h, hole, last);
        sift_up(h, last);
        sift_down(h, last);
    }
    n->index = HEAP_OUT;
}

void
heap_rekey(struct heap *h, struct heap_node *n, uint64_t key)
{
    CHECK(n->index < h->count && h->nodes[n->index] == n);
    n->key = key;
    sift_up(h, n);
    sift_down(h, n);
}
