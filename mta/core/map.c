#include "core/map.h"
#include <stdlib.h>

#define MAP_FIRST_BUCKETS 16

/* SipHash-1-3 key. Set once before threads start, read only after that. */
static uint64_t seed0 = 0x6272696467656865u;
static uint64_t seed1 = 0x61642d6d61702d31u;

uint64_t
hash_u64(uint64_t v)
{
    v ^= v >> 32;
    v *= 0xd6e8feb86659fd93u;
    v ^= v >> 32;
    v *= 0xd6e8feb86659fd93u;
    v ^= v >> 32;
    return v;
}

void
map_seed(uint64_t seed)
{
    seed0 = seed;
    seed1 = hash_u64(seed ^ 0x9e3779b97f4a7c15u);
}

static uint64_t
rotl(uint64_t v, unsigned by)
{
    return (v << by) | (v >> (64 - by));
}

static void
sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

static void
sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

/* SipHash-1-3: a peer chooses the keys (domains, addresses), so it must not know the hash. */
uint64_t
hash_bytes(struct slice s)
{
    uint64_t v[4] = { seed0 ^ 0x736f6d6570736575u, seed1 ^ 0x646f72616e646f6du,
        seed0 ^ 0x6c7967656e657261u, seed1 ^ 0x7465646279746573u };
    uint64_t word;
    size_t i = 0;

    for (; s.n - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, s.p + i, sizeof(word));
        sip_word(v, word);
    }
    word = 0;
    if (i < s.n) {
        memcpy(&word, s.p + i, s.n - i);
    }
    sip_word(v, word | (uint64_t)s.n << 56);
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void
map_init(struct map *m)
{
    *m = (struct map){ 0 };
}

void
map_fini(struct map *m)
{
    free(m->buckets);
    map_init(m);
}

/* The stored hash is mixed again, because in a map64 it is the caller's number itself. */
static struct map_node **
bucket_of(const struct map *m, uint64_t hash)
{
    return &m->buckets[hash_u64(hash) & (m->bucket_count - 1)];
}

static int
grow(struct map *m)
{
    struct map next = { .count = m->count };

    next.bucket_count = m->bucket_count > 0 ? m->bucket_count * 2 : MAP_FIRST_BUCKETS;
    next.buckets = calloc(next.bucket_count, sizeof(struct map_node *));
    if (next.buckets == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < m->bucket_count; i++) {
        struct map_node *n = m->buckets[i];

        while (n != NULL) {
            struct map_node *after = n->next;
            struct map_node **bucket = bucket_of(&next, n->hash);

            n->next = *bucket;
            *bucket = n;
            n = after;
        }
    }
    free(m->buckets);
    *m = next;
    return 0;
}

static int
add(struct map *m, struct map_node *n, uint64_t hash)
{
    struct map_node **bucket;

    if (m->count == m->bucket_count) {
        int rc = grow(m);

        if (rc < 0) {
            return rc;
        }
    }
    bucket = bucket_of(m, hash);
    n->hash = hash;
    n->next = *bucket;
    *bucket = n;
    m->count++;
    return 0;
}

struct map_node *
map64_find(const struct map *m, uint64_t key)
{
    struct map_node *n = m->count > 0 ? *bucket_of(m, key) : NULL;

    while (n != NULL && n->hash != key) {
        n = n->next;
    }
    return n;
}

int
map64_insert(struct map *m, struct map_node *n, uint64_t key)
{
    if (map64_find(m, key) != NULL) {
        return -EEXIST;
    }
    return add(m, n, key);
}

static struct map_node *
find_hashed(const struct map *m, uint64_t hash, struct slice key, map_key_fn *key_of)
{
    struct map_node *n = m->count > 0 ? *bucket_of(m, hash) : NULL;

    while (n != NULL && !(n->hash == hash && slice_eq(key_of(n), key))) {
        n = n->next;
    }
    return n;
}

struct map_node *
map_find(const struct map *m, struct slice key, map_key_fn *key_of)
{
    return m->count > 0 ? find_hashed(m, hash_bytes(key), key, key_of) : NULL;
}

int
map_insert(struct map *m, struct map_node *n, map_key_fn *key_of)
{
    struct slice key = key_of(n);
    uint64_t hash = hash_bytes(key);

    if (find_hashed(m, hash, key, key_of) != NULL) {
        return -EEXIST;
    }
    return add(m, n, hash);
}

void
map_remove(struct map *m, struct map_node *n)
{
    struct map_node **link;

    CHECK(m->count > 0);
    link = bucket_of(m, n->hash);
    while (*link != n) {
        CHECK(*link != NULL);
        link = &(*link)->next;
    }
    *link = n->next;
    n->next = NULL;
    m->count--;
}

static struct map_node *
first_from(const struct map *m, size_t bucket)
{
    for (; bucket < m->bucket_count; bucket++) {
        if (m->buckets[bucket] != NULL) {
            return m->buckets[bucket];
        }
    }
    return NULL;
}

struct map_node *
map_first(const struct map *m)
{
    return m->count > 0 ? first_from(m, 0) : NULL;
}

struct map_node *
map_next(const struct map *m, const struct map_node *n)
{
    if (n->next != NULL) {
        return n->next;
    }
    return first_from(m, (size_t)(bucket_of(m, n->hash) - m->buckets) + 1);
}
