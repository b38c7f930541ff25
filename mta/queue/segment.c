#include "queue/segment.h"
#include "core/crc32c.h"
#include "queue/record.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define MAGIC_BYTES    8
#define STORE_CRC_AT   508
#define SEGMENT_CRC_AT 124

static const char segment_magic[MAGIC_BYTES] = { 'B', 'R', 'I', 'D', 'G', 'E', 'S',
    'G' }; /* no terminator */
static const char store_magic[MAGIC_BYTES] = { 'B', 'R', 'I', 'D', 'G', 'E', 'S',
    'T' }; /* no terminator */

/* Magic, version and checksum, which STORE and segment headers share. A greater version is told
 * from damage only if its checksum is where ours is: so it stays there. */
static int
head_check(const uint8_t *block, size_t n, const char *magic, size_t crc_at)
{
    if (n < STORE_BLOCK_BYTES || memcmp(block, magic, MAGIC_BYTES) != 0 ||
        get_le32(block + crc_at) != crc32c(0, block, crc_at)) {
        return BH_EDAMAGED;
    }
    return get_le32(block + MAGIC_BYTES) == STORE_VERSION ? 0 : BH_EFORMAT;
}

int
store_random(void *out, size_t n)
{
    ssize_t got;

    do {
        got = getrandom(out, n, 0); /* up to 256 bytes come whole */
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)n ? 0 : got < 0 ? -errno : -EIO;
}

bool
segment_bytes_valid(uint64_t bytes)
{
    return bytes >= SEGMENT_BYTES_MIN && bytes <= SEGMENT_BYTES_MAX && bytes % IO_BLOCK_BYTES == 0;
}

void
store_head_put(uint8_t block[STORE_BLOCK_BYTES], const struct store_head *h)
{
    memset(block, 0, STORE_BLOCK_BYTES);
    memcpy(block, store_magic, MAGIC_BYTES);
    put_le32(block + 8, STORE_VERSION);
    memcpy(block + 16, h->uuid, sizeof(h->uuid));
    put_le64(block + 32, h->segment_bytes);
    put_le64(block + 40, h->created_wall_ms);
    put_le32(block + STORE_CRC_AT, crc32c(0, block, STORE_CRC_AT));
}

int
store_head_get(const uint8_t *block, size_t n, struct store_head *out)
{
    int rc = head_check(block, n, store_magic, STORE_CRC_AT);

    if (rc < 0) {
        return rc;
    }
    if (!segment_bytes_valid(get_le64(block + 32))) {
        return BH_EDAMAGED;
    }
    memcpy(out->uuid, block + 16, sizeof(out->uuid));
    out->segment_bytes = get_le64(block + 32);
    out->created_wall_ms = get_le64(block + 40);
    return 0;
}

void
segment_head_put(uint8_t block[SEGMENT_HEADER_BYTES], const struct segment_head *h)
{
    memset(block, 0, SEGMENT_HEADER_BYTES);
    memcpy(block, segment_magic, MAGIC_BYTES);
    put_le32(block + 8, STORE_VERSION);
    put_le32(block + 12, h->flags);
    memcpy(block + 16, h->uuid, sizeof(h->uuid));
    put_le64(block + 32, h->seq);
    put_le64(block + 40, h->segment_bytes);
    put_le32(block + 48, h->epoch);
    put_le64(block + 56, h->salt);
    put_le64(block + 64, h->seal_lsn);
    put_le64(block + 72, h->created_wall_ms);
    put_le32(block + SEGMENT_CRC_AT, crc32c(0, block, SEGMENT_CRC_AT));
}

int
segment_head_get(const uint8_t *block, size_t n, struct segment_head *out)
{
    int rc = head_check(block, n, segment_magic, SEGMENT_CRC_AT);

    if (rc < 0) {
        return rc;
    }
    memcpy(out->uuid, block + 16, sizeof(out->uuid));
    out->seq = get_le64(block + 32);
    out->segment_bytes = get_le64(block + 40);
    out->epoch = get_le32(block + 48);
    out->flags = get_le32(block + 12);
    out->salt = get_le64(block + 56);
    out->seal_lsn = get_le64(block + 64);
    out->created_wall_ms = get_le64(block + 72);
    return 0;
}

void
segment_name(char out[SEGMENT_NAME_CAP], uint64_t seq, uint32_t epoch)
{
    (void)snprintf(out, SEGMENT_NAME_CAP, "%016llx-%08x.seg", (unsigned long long)seq, epoch);
}

bool
segment_name_parse(const char *name, uint64_t *seq, uint32_t *epoch)
{
    struct slice s = slice_of(name);
    uint64_t got_seq, got_epoch;
    char made[SEGMENT_NAME_CAP];

    if (s.n != 29 || slice_hex_u64(slice_sub(s, 0, 16), &got_seq) < 0 ||
        slice_hex_u64(slice_sub(s, 17, 8), &got_epoch) < 0 || got_epoch > EPOCH_MAX) {
        return false;
    }
    segment_name(made, got_seq, (uint32_t)got_epoch);
    if (strcmp(name, made) != 0) {
        return false; /* opened by its numbers it would not be there */
    }
    *seq = got_seq;
    *epoch = (uint32_t)got_epoch;
    return true;
}

int
store_path(char out[STORE_PATH_CAP], const char *dir, const char *name)
{
    int n = snprintf(out, STORE_PATH_CAP, "%s/%s", dir, name);

    return n < 0 || n >= STORE_PATH_CAP ? -ENAMETOOLONG : 0;
}

/* -EINVAL is how a filesystem says that it has no O_DIRECT. */
int
store_open_direct(const char *path, int flags)
{
    int fd = io_open(path, flags | O_DIRECT, 0);

    return fd == -EINVAL ? io_open(path, flags, 0) : fd;
}

/* ---- the table */

void
segtab_init(struct segtab *t)
{
    map_init(&t->by_seq);
    list_init(&t->order);
    t->count = 0;
}

void
segment_free(struct segment *s)
{
    if (s != NULL) {
        io_close(&s->fd);
        free(s->needs);
        free(s->guests);
        free(s);
    }
}

void
segtab_fini(struct segtab *t)
{
    LIST_FOR_SAFE(it, tmp, &t->order)
    {
        segment_free(CONTAINER_OF(it, struct segment, link));
    }
    map_fini(&t->by_seq);
    segtab_init(t);
}

struct segment *
segtab_add(struct segtab *t, uint64_t seq, uint32_t epoch, uint64_t salt)
{
    struct segment *s = calloc(1, sizeof(*s));
    struct list *at = t->order.prev;

    if (s == NULL) {
        return NULL;
    }
    s->seq = seq;
    s->epoch = epoch;
    s->salt = salt;
    s->seed = record_seed(salt);
    s->fd = -1;
    list_init(&s->job);
    list_init(&s->messages);
    if (map64_insert(&t->by_seq, &s->by_seq, seq) < 0) {
        free(s);
        return NULL;
    }
    while (at != &t->order && CONTAINER_OF(at, struct segment, link)->seq > seq) {
        at = at->prev;
    }
    list_push_front(at, &s->link);
    t->count++;
    return s;
}

struct segment *
segtab_find(const struct segtab *t, uint64_t seq)
{
    struct map_node *n = map64_find(&t->by_seq, seq);

    return n != NULL ? CONTAINER_OF(n, struct segment, by_seq) : NULL;
}

int
segtab_join(struct segtab *t, struct segtab *older)
{
    map_fini(&older->by_seq);
    while (!list_empty(&older->order)) {
        struct segment *s = CONTAINER_OF(older->order.prev, struct segment, link);
        int rc = map64_insert(&t->by_seq, &s->by_seq, s->seq);

        if (rc < 0) {
            return rc;
        }
        list_remove(&s->link);
        list_push_front(&t->order, &s->link);
        older->count--;
        t->count++;
    }
    return 0;
}

/* Index of the first need that is not less than seq. */
static uint32_t
needs_from(const struct segment *s, uint64_t seq)
{
    uint32_t low = 0, high = s->need_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (s->needs[middle] < seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool
segment_needs(const struct segment *s, uint64_t seq)
{
    uint32_t at = needs_from(s, seq);

    return at < s->need_count && s->needs[at] == seq;
}

void
segment_need_no_more(struct segment *s, uint64_t seq)
{
    uint32_t at = needs_from(s, seq);

    if (at < s->need_count && s->needs[at] == seq) {
        memmove(s->needs + at, s->needs + at + 1, (s->need_count - at - 1) * sizeof(*s->needs));
        s->need_count--;
    }
}

void
segment_guest(struct segment *s, uint64_t id)
{
    if (s->guest_count > 0 && s->guests[s->guest_count - 1] == id) {
        return; /* its chunk before was here, too */
    }
    if (s->guest_count == s->guest_capacity) {
        uint32_t capacity = MAX(s->guest_capacity * 2, 4U);
        uint64_t *grown = realloc(s->guests, capacity * sizeof(*grown));

        if (grown == NULL) {
            return;
        }
        s->guests = grown;
        s->guest_capacity = capacity;
    }
    s->guests[s->guest_count++] = id;
}

void
segtab_remove(struct segtab *t, struct segment *s)
{
    LIST_FOR(it, &t->order)
    {
        segment_need_no_more(CONTAINER_OF(it, struct segment, link), s->seq);
    }
    map_remove(&t->by_seq, &s->by_seq);
    list_remove(&s->link);
    t->count--;
    segment_free(s);
}

int
segtab_need(struct segtab *t, struct segment *s, uint64_t seq)
{
    uint32_t at;

    if (seq == s->seq || segtab_find(t, seq) == NULL) {
        return 0;
    }
    at = needs_from(s, seq);
    if (at < s->need_count && s->needs[at] == seq) {
        return 0;
    }
    if (s->need_count == s->need_capacity) {
        uint32_t capacity = MAX(s->need_capacity * 2, 4U);
        uint64_t *grown = realloc(s->needs, capacity * sizeof(*grown));

        if (grown == NULL) {
            return -ENOMEM;
        }
        s->needs = grown;
        s->need_capacity = capacity;
    }
    memmove(s->needs + at + 1, s->needs + at, (s->need_count - at) * sizeof(*s->needs));
    s->needs[at] = seq;
    s->need_count++;
    return 0;
}
