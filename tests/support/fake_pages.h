/* support/fake_pages.h - the bytes and names of fake_disk's files: what the page cache shows, what
 * the disk has, and which sectors are only in the first. Blocks are shared until somebody writes.
 */
#ifndef SUPPORT_FAKE_PAGES_H
#define SUPPORT_FAKE_PAGES_H

#include "core/io.h"

#define SECTOR        512
#define BLOCK         4096
#define BLOCK_SECTORS (BLOCK / SECTOR)

struct block; /* NULL stands for zeros */

struct inode {
    struct block **now, **disk; /* what a read shows; what is on disk */
    uint8_t *dirty;             /* by block, a bit for each sector */
    size_t room;                /* in blocks */
    uint64_t now_bytes, disk_bytes, allocated;
    unsigned links, holds; /* names that a program sees; names on disk, changes and descriptors */
    bool is_dir, locked;
    struct inode *copy; /* while a disk is cloned */
};

/* How a cut chooses among the sectors that were not synced. */
enum mood { MOOD_NONE, MOOD_ALL, MOOD_PREFIX, MOOD_SUFFIX, MOOD_TORN, MOOD_RANDOM, MOODS };

uint64_t fake_mix(uint64_t h, uint64_t v);
uint64_t fake_mix_bytes(uint64_t h, const void *bytes, size_t n);

void pages_room(struct inode *i, uint64_t bytes); /* so much can be put */
void pages_free(struct inode *i);
void pages_share(struct inode *to, const struct inode *from);
/* Into the cache; NULL: zeros. */
void pages_put(struct inode *i, uint64_t offset, const uint8_t *bytes, size_t n);
void pages_get(const struct inode *i, uint64_t offset, uint8_t *to, size_t n);
void pages_sync(struct inode *i);
/* Some of what is not synced comes to the disk, the rest is forgotten; the cache still shows it. */
void pages_lose(struct inode *i, enum mood mood, uint64_t *random);
void pages_show_disk(struct inode *i); /* nothing is dirty: the cache becomes what the disk has */
void pages_drop_clean(struct inode *i);
uint64_t pages_digest(uint64_t h, const struct inode *i); /* of what the cache shows */

#define PATH_CAP 128

struct name {
    char path[PATH_CAP];
    struct inode *inode;
};
struct names {
    struct name *list;
    size_t count, capacity;
    bool seen; /* by programs: they count as links */
};

/* An array with room for one more. */
void *fake_more(void *array, size_t *capacity, size_t count, size_t each);
struct name *names_find(const struct names *n, const char *path);
void names_count(const struct names *n, struct inode *i, int by);
void names_add(struct names *n, const char *path, struct inode *inode);
bool names_remove(struct names *n, const char *path);
void path_set(char to[PATH_CAP], const char *path);

#endif
