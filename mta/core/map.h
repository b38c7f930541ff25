/* core/map.h - intrusive hash maps: by uint64_t, and by bytes. Pure.
 * The node is embedded in the caller's struct; the map never owns it. Growth is by
 * doubling; an insert that finds no memory to grow fails and leaves the map as it was. Byte hashes
 * are seeded (map_seed), so that a peer cannot choose collisions. */
#ifndef CORE_MAP_H
#define CORE_MAP_H

#include "core/slice.h"

struct map_node {
    struct map_node *next;
    uint64_t hash; /* the key itself in a map64 */
};

struct map {
    struct map_node **buckets;
    size_t bucket_count, count;
};

void map_seed(uint64_t seed); /* once, at start, before the first byte-keyed map */
void map_init(struct map *m);
void map_fini(struct map *m); /* frees the table, not the nodes */

int map64_insert(
    struct map *m, struct map_node *n, uint64_t key) MUST_USE; /* 0, -ENOMEM, -EEXIST */
struct map_node *map64_find(const struct map *m, uint64_t key);

/* Keys are compared by key_of(node). */
typedef struct slice map_key_fn(const struct map_node *n);
int map_insert(struct map *m, struct map_node *n, map_key_fn *key_of) MUST_USE;
struct map_node *map_find(const struct map *m, struct slice key, map_key_fn *key_of);

void map_remove(struct map *m, struct map_node *n); /* must be in */

/* Any order; the visited node may be removed by the body: fetch next first via map_next before
 * removing. */
struct map_node *map_first(const struct map *m);
struct map_node *map_next(const struct map *m, const struct map_node *n);

uint64_t hash_bytes(struct slice s);
uint64_t hash_u64(uint64_t v);

#endif
