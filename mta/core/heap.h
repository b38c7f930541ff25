/* core/heap.h - an intrusive binary min-heap keyed by a 64-bit number (a time). Pure.
 * A node knows its own index, so that removal and re-keying cost O(log n). */
#ifndef CORE_HEAP_H
#define CORE_HEAP_H

#include "core/base.h"

#define HEAP_OUT UINT32_MAX /* index of a node that is in no heap */

struct heap_node {
    uint64_t key;
    uint32_t index;
};

struct heap {
    struct heap_node **nodes;
    uint32_t count, capacity;
};

void heap_init(struct heap *h);
void heap_fini(struct heap *h); /* frees the array, not the nodes */
static inline void
heap_node_init(struct heap_node *n)
{
    n->key = 0;
    n->index = HEAP_OUT;
}
static inline bool
heap_has(const struct heap_node *n)
{
    return n->index != HEAP_OUT;
}
static inline struct heap_node *
heap_min(const struct heap *h)
{
    return h->count ? h->nodes[0] : NULL;
}

int heap_insert(struct heap *h, struct heap_node *n, uint64_t key) MUST_USE; /* 0 or -ENOMEM */
void heap_remove(struct heap *h, struct heap_node *n);                       /* no-op when out */
void heap_rekey(struct heap *h, struct heap_node *n, uint64_t key);          /* must be in */

#endif
