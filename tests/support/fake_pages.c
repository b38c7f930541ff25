#include "fake_pages.h"
#include "fake_disk.h"
#include <stdlib.h>

/* Shared by all who point at it; written only by one who is alone. NULL stands for zeros. */
struct block {
    uint32_t refs;
    uint64_t digest; /* 0: not known */
    uint8_t bytes[BLOCK];
};

uint64_t
fake_random(uint64_t *state)
{
    uint64_t x = *state != 0 ? *state : 88172645463325252u;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x * 2685821657736338717u;
}

uint64_t
fake_mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}

uint64_t
fake_mix_bytes(uint64_t h, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    uint64_t v;

    for (; n >= sizeof(v); n -= sizeof(v), at += sizeof(v)) {
        memcpy(&v, at, sizeof(v));
        h = fake_mix(h, v);
    }
    for (; n > 0; n--) {
        h = fake_mix(h, *at++);
    }
    return h;
}

void *
fake_more(void *array, size_t *capacity, size_t count, size_t each)
{
    if (count < *capacity) {
        return array;
    }
    *capacity = MAX(*capacity * 2, (size_t)16);
    array = realloc(array, *capacity * each);
    CHECK(array != NULL);
    return array;
}

/* ---- blocks */

static struct block *
block_ref(struct block *b)
{
    if (b != NULL) {
        b->refs++;
    }
    return b;
}

static void
block_drop(struct block *b)
{
    if (b != NULL && --b->refs == 0) {
        free(b);
    }
}

/* One that may be written. */
static struct block *
block_own(struct block **at)
{
    struct block *b = *at;

    if (b == NULL || b->refs > 1) {
        struct block *mine = malloc(sizeof(*mine));

        CHECK(mine != NULL);
        mine->refs = 1;
        if (b != NULL) {
            memcpy(mine->bytes, b->bytes, BLOCK);
        } else {
            memset(mine->bytes, 0, BLOCK);
        }
        block_drop(b);
        *at = b = mine;
    }
    b->digest = 0;
    return b;
}

static void
block_set(struct block **at, struct block *to)
{
    struct block *was = *at;

    *at = block_ref(to);
    block_drop(was);
}

static uint64_t
block_digest(struct block *b)
{
    static const uint8_t zeros[BLOCK];
    static uint64_t of_zeros;

    if (of_zeros == 0) {
        of_zeros = fake_mix_bytes(1, zeros, BLOCK) | 1;
    }
    if (b == NULL) {
        return of_zeros;
    }
    if (b->digest == 0) {
        b->digest = fake_mix_bytes(1, b->bytes, BLOCK) | 1;
    }
    return b->digest;
}

static bool
is_zero(const uint8_t *bytes, size_t n)
{
    return n > 0 && bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0;
}

void
pages_room(struct inode *i, uint64_t bytes)
{
    size_t need = (bytes + BLOCK - 1) / BLOCK, room = MAX(i->room, (size_t)4);

    if (need <= i->room) {
        return;
    }
    while (room < need) {
        room *= 2;
    }
    i->now = realloc(i->now, room * sizeof(*i->now));
    i->disk = realloc(i->disk, room * sizeof(*i->disk));
    i->dirty = realloc(i->dirty, room);
    CHECK(i->now != NULL && i->disk != NULL && i->dirty != NULL);
    memset(i->now + i->room, 0, (room - i->room) * sizeof(*i->now));
    memset(i->disk + i->room, 0, (room - i->room) * sizeof(*i->disk));
    memset(i->dirty + i->room, 0, room - i->room);
    i->room = room;
}

void
pages_free(struct inode *i)
{
    for (size_t b = 0; b < i->room; b++) {
        block_drop(i->now[b]);
        block_drop(i->disk[b]);
    }
    free(i->now);
    free(i->disk);
    free(i->dirty);
}

void
pages_share(struct inode *to, const struct inode *from)
{
    pages_room(to, from->room * BLOCK);
    for (size_t b = 0; b < from->room; b++) {
        to->now[b] = block_ref(from->now[b]);
        to->disk[b] = block_ref(from->disk[b]);
    }
    if (from->room > 0) {
        memcpy(to->dirty, from->dirty, from->room);
    }
    to->now_bytes = from->now_bytes;
    to->disk_bytes = from->disk_bytes;
    to->allocated = from->allocated;
}

static void
mark_dirty(struct inode *i, uint64_t from, uint64_t to)
{
    for (uint64_t s = from / SECTOR; from < to && s <= (to - 1) / SECTOR; s++) {
        i->dirty[s / BLOCK_SECTORS] |= (uint8_t)(1 << s % BLOCK_SECTORS);
    }
}

void
pages_put(struct inode *i, uint64_t offset, const uint8_t *bytes, size_t n)
{
    mark_dirty(i, offset, offset + n);
    while (n > 0) {
        size_t in = offset % BLOCK, part = MIN(n, BLOCK - in);
        struct block **at = &i->now[offset / BLOCK];

        if (part == BLOCK && (bytes == NULL || is_zero(bytes, BLOCK))) {
            block_set(at, NULL);
        } else if (bytes != NULL) {
            memcpy(block_own(at)->bytes + in, bytes, part);
        } else {
            memset(block_own(at)->bytes + in, 0, part);
        }
        offset += part;
        n -= part;
        bytes = bytes != NULL ? bytes + part : NULL;
    }
}

void
pages_get(const struct inode *i, uint64_t offset, uint8_t *to, size_t n)
{
    while (n > 0) {
        size_t in = offset % BLOCK, part = MIN(n, BLOCK - in);
        const struct block *b = offset / BLOCK < i->room ? i->now[offset / BLOCK] : NULL;

        if (b != NULL) {
            memcpy(to, b->bytes + in, part);
        } else {
            memset(to, 0, part);
        }
        offset += part;
        to += part;
        n -= part;
    }
}

/* Sectors from one block to another; part: that many bytes of the last one only, 0: all. */
static void
copy_sectors(struct block **to, const struct block *from, uint8_t which, size_t torn)
{
    struct block *mine = block_own(to);

    for (unsigned s = 0; s < BLOCK_SECTORS; s++) {
        if ((which >> s & 1) != 0) {
            size_t n = torn > 0 ? torn : SECTOR;

            if (from != NULL) {
                memcpy(mine->bytes + s * SECTOR, from->bytes + s * SECTOR, n);
            } else {
                memset(mine->bytes + s * SECTOR, 0, n);
            }
        }
    }
}

void
pages_sync(struct inode *i)
{
    for (size_t b = 0; b < i->room; b++) {
        if (i->dirty[b] != 0) {
            if (i->dirty[b] == 0xff || i->disk[b] == i->now[b]) {
                block_set(&i->disk[b], i->now[b]);
            } else {
                copy_sectors(&i->disk[b], i->now[b], i->dirty[b], 0);
            }
            i->dirty[b] = 0;
        }
    }
    i->disk_bytes = i->now_bytes;
}

void
pages_lose(struct inode *i, enum mood mood, uint64_t *random)
{
    uint64_t dirty = 0, nth = 0, turn;
    bool longer = mood == MOOD_ALL;

    for (size_t b = 0; b < i->room; b++) {
        dirty += (unsigned)__builtin_popcount(i->dirty[b]);
    }
    turn = dirty > 0 ? fake_random(random) % (dirty + 1) : 0;
    for (size_t b = 0; b < i->room; b++) {
        for (unsigned s = 0; s < BLOCK_SECTORS && i->dirty[b] != 0; s++) {
            uint8_t bit = (uint8_t)(1 << s);
            bool keep;

            if ((i->dirty[b] & bit) == 0) {
                continue;
            }
            keep = mood == MOOD_ALL || ((mood == MOOD_PREFIX || mood == MOOD_TORN) && nth < turn) ||
                   (mood == MOOD_SUFFIX && nth >= turn) ||
                   (mood == MOOD_RANDOM && (fake_random(random) & 1) != 0);
            if (keep) {
                copy_sectors(&i->disk[b], i->now[b], bit, 0);
            } else if (mood == MOOD_TORN && nth == turn) {
                copy_sectors(&i->disk[b], i->now[b], bit, 1 + fake_random(random) % SECTOR);
            }
            nth++;
            i->dirty[b] &= (uint8_t)~bit;
        }
    }
    if (mood != MOOD_ALL && mood != MOOD_NONE) {
        longer = (fake_random(random) & 1) != 0;
    }
    if (longer) {
        i->disk_bytes = i->now_bytes;
    }
}

void
pages_show_disk(struct inode *i)
{
    for (size_t b = i->disk_bytes / BLOCK; b < i->room; b++) {
        size_t from = b == i->disk_bytes / BLOCK ? i->disk_bytes % BLOCK : 0;

        if (from == 0) {
            block_set(&i->disk[b], NULL);
        } else if (i->disk[b] != NULL && !is_zero(i->disk[b]->bytes + from, BLOCK - from)) {
            memset(block_own(&i->disk[b])->bytes + from, 0, BLOCK - from);
        }
    }
    for (size_t b = 0; b < i->room; b++) {
        block_set(&i->now[b], i->disk[b]);
    }
    i->now_bytes = i->disk_bytes;
}

void
pages_drop_clean(struct inode *i)
{
    for (size_t b = 0; b < i->room; b++) {
        if (i->dirty[b] == 0) {
            block_set(&i->now[b], i->disk[b]);
        } else if (i->dirty[b] != 0xff) {
            copy_sectors(&i->now[b], i->disk[b], (uint8_t)~i->dirty[b], 0);
        }
    }
}

uint64_t
pages_digest(uint64_t h, const struct inode *i)
{
    for (size_t b = 0; b * BLOCK < i->now_bytes; b++) {
        h = fake_mix(h, block_digest(b < i->room ? i->now[b] : NULL));
    }
    return h;
}

/* ---- names */

struct name *
names_find(const struct names *n, const char *path)
{
    for (size_t i = 0; i < n->count; i++) {
        if (strcmp(n->list[i].path, path) == 0) {
            return &n->list[i];
        }
    }
    return NULL;
}

void
names_count(const struct names *n, struct inode *i, int by)
{
    unsigned *counter = n->seen ? &i->links : &i->holds;

    *counter = (unsigned)((int)*counter + by);
}

void
path_set(char to[PATH_CAP], const char *path)
{
    CHECK(slice_copy(slice_of(path), to, PATH_CAP) == 0);
}

void
names_add(struct names *n, const char *path, struct inode *inode)
{
    struct name *at = names_find(n, path);

    if (at == NULL) {
        n->list = fake_more(n->list, &n->capacity, n->count, sizeof(*n->list));
        at = &n->list[n->count++];
        path_set(at->path, path);
    } else {
        names_count(n, at->inode, -1);
    }
    at->inode = inode;
    names_count(n, inode, 1);
}

bool
names_remove(struct names *n, const char *path)
{
    struct name *at = names_find(n, path);

    if (at != NULL) {
        names_count(n, at->inode, -1);
        *at = n->list[--n->count];
    }
    return at != NULL;
}
