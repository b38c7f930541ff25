#include "queue/owner_file.h"
#include "core/crc32c.h"
#include "queue/record.h"
#include "queue/reserve.h"
#include "queue/segment.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define MAGIC_BYTES         8
#define CRC_AT              508
#define OWNER_MODE          0600
#define NAME_PREFIX         "owner."
#define OWNER_LEASE_MAX     (24 * 3600 * (uint64_t)1000) /* ms; a longer one is no lease but damage */
#define OWNER_LEASE_SANE(l) ((l) > 0 && (l) <= OWNER_LEASE_MAX)

static const char owner_magic[MAGIC_BYTES] = { 'B', 'R', 'I', 'D', 'G', 'E', 'O',
    'W' }; /* no terminator */

void
owner_slot_put(uint8_t slot[OWNER_SLOT_BYTES], const struct owner_record *o)
{
    memset(slot, 0, OWNER_SLOT_BYTES);
    memcpy(slot, owner_magic, MAGIC_BYTES);
    put_le32(slot + 8, STORE_VERSION);
    put_le32(slot + 12, (uint32_t)o->state);
    memcpy(slot + 16, o->uuid, sizeof(o->uuid));
    put_le64(slot + 32, o->epoch);
    put_le64(slot + 40, o->counter);
    put_le64(slot + 48, o->lease_ms);
    put_le64(slot + 56, o->sealed_lsn);
    memcpy(slot + 64, o->node, strnlen(o->node, OWNER_NODE_CAP - 1));
    memcpy(slot + 128, o->boot_id, strnlen(o->boot_id, OWNER_BOOT_ID_CAP - 1));
    put_le64(slot + 168, o->claimed_wall_ms);
    put_le32(slot + CRC_AT, crc32c(0, slot, CRC_AT));
}

int
owner_slot_get(const uint8_t *slot, struct owner_record *out)
{
    struct owner_record o = { 0 };
    uint32_t state = get_le32(slot + 12);

    if (memcmp(slot, owner_magic, MAGIC_BYTES) != 0 ||
        get_le32(slot + CRC_AT) != crc32c(0, slot, CRC_AT)) {
        return BH_EDAMAGED;
    }
    if (get_le32(slot + 8) != STORE_VERSION) {
        return BH_EFORMAT;
    }
    if (state < OWNER_ACTIVE || state > OWNER_DEAD) {
        return BH_EDAMAGED;
    }
    o.state = (enum owner_state)state;
    memcpy(o.uuid, slot + 16, sizeof(o.uuid));
    o.epoch = get_le64(slot + 32);
    o.counter = get_le64(slot + 40);
    o.lease_ms = get_le64(slot + 48);
    o.sealed_lsn = get_le64(slot + 56);
    memcpy(o.node, slot + 64, OWNER_NODE_CAP - 1);
    memcpy(o.boot_id, slot + 128, OWNER_BOOT_ID_CAP - 1);
    o.claimed_wall_ms = get_le64(slot + 168);
    if (!OWNER_LEASE_SANE(o.lease_ms)) {
        return BH_EDAMAGED;
    }
    *out = o;
    return 0;
}

int
owner_file_parse(const uint8_t *bytes, size_t n, struct owner_record *out)
{
    struct owner_record slots[2];
    int rc[2] = { BH_EDAMAGED, BH_EDAMAGED };

    for (size_t i = 0; i < 2 && n >= (i + 1) * OWNER_SLOT_BYTES; i++) {
        rc[i] = owner_slot_get(bytes + i * OWNER_SLOT_BYTES, &slots[i]);
    }
    if (rc[0] == BH_EFORMAT || rc[1] == BH_EFORMAT) {
        return BH_EFORMAT; /* a newer release owns it: an older slot beside says nothing */
    }
    if (rc[0] == 0 && (rc[1] < 0 || slots[0].counter >= slots[1].counter)) {
        *out = slots[0];
        return 0;
    }
    if (rc[1] == 0) {
        *out = slots[1];
        return 0;
    }
    return BH_EDAMAGED;
}

bool
owner_file_name_parse(const char *name, uint64_t *epoch)
{
    struct slice s = slice_of(name), digits = slice_skip(s, sizeof(NAME_PREFIX) - 1);

    return slice_starts(s, SLICE_LIT(NAME_PREFIX)) && slice_u64(digits, EPOCH_MAX, epoch) == 0 &&
           digits.p[0] != '0'; /* opened by its number it would not be there */
}

static int
owner_path(char path[STORE_PATH_CAP], const char *store, uint64_t epoch)
{
    char name[SEGMENT_NAME_CAP];

    (void)snprintf(name, sizeof(name), NAME_PREFIX "%llu", (unsigned long long)epoch);
    return store_path(path, store, name);
}

static int
each_highest(void *ctx, const char *name)
{
    uint64_t *highest = ctx, epoch;

    if (owner_file_name_parse(name, &epoch)) {
        *highest = MAX(*highest, epoch);
    }
    return 0;
}

int
owner_file_highest(const char *store, uint64_t *epoch)
{
    uint64_t highest = 0;
    int rc = io_list(store, each_highest, &highest);

    if (rc < 0) {
        return rc;
    }
    *epoch = highest;
    return 0;
}

int
owner_file_read(const char *store, uint64_t epoch, struct owner_record *out)
{
    char path[STORE_PATH_CAP];
    uint8_t *bytes;
    ssize_t n;
    int fd, rc;

    rc = owner_path(path, store, epoch);
    if (rc < 0) {
        return rc;
    }
    fd = store_open_direct(path, O_RDONLY);
    if (fd < 0) {
        return io_is_no_file(fd) ? BH_EDAMAGED : fd;
    }
    bytes = io_alloc_blocks(OWNER_FILE_BYTES);
    if (bytes == NULL) {
        io_close(&fd);
        return -ENOMEM;
    }
    n = io_pread(fd, bytes, OWNER_FILE_BYTES, 0);
    io_close(&fd);
    rc = n < 0 ? (int)n : owner_file_parse(bytes, (size_t)n, out);
    rc = io_is_no_file(rc) ? BH_EDAMAGED : rc;
    if (rc == 0 && out->epoch != epoch) {
        rc = BH_EDAMAGED;
    }
    free(bytes);
    return rc;
}

/* On a full disk: a file that has its blocks, written in place under a name that nobody else makes
 * up, then linked as any other. */
static int
create_of_reserve(const char *store, const char *path, const uint8_t *bytes)
{
    char tmp[STORE_PATH_CAP];
    uint64_t random;
    int fd, n, rc = store_random(&random, sizeof(random));

    if (rc < 0) {
        return rc;
    }
    n = snprintf(tmp, sizeof(tmp), "%s.%016llx.tmp", path, (unsigned long long)random);
    if (n < 0 || (size_t)n >= sizeof(tmp)) {
        return -ENAMETOOLONG;
    }
    rc = reserve_take_owner(store, tmp);
    fd = rc < 0 ? rc : io_open(tmp, O_WRONLY | O_NOFOLLOW, 0);
    if (fd < 0) {
        return fd;
    }
    rc = io_pwrite_all(fd, bytes, OWNER_FILE_BYTES, 0);
    rc = rc < 0 ? rc : io_fsync(fd);
    io_close(&fd);
    rc = rc < 0 ? rc : io_link(tmp, path);
    (void)!io_unlink(tmp);
    return rc < 0 ? rc : io_sync_dir(store);
}

int
owner_file_create(const char *store, const struct owner_record *o)
{
    char path[STORE_PATH_CAP];
    struct owner_record older = *o;
    uint8_t *bytes;
    int rc = owner_path(path, store, o->epoch);

    if (rc < 0) {
        return rc;
    }
    CHECK(o->counter > 0);
    bytes = io_alloc_blocks(OWNER_FILE_BYTES);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    older.counter--;
    owner_slot_put(bytes + (o->counter & 1) * OWNER_SLOT_BYTES, o);
    owner_slot_put(bytes + (older.counter & 1) * OWNER_SLOT_BYTES, &older);
    rc = io_create_file(path, (struct slice){ (char *)bytes, OWNER_FILE_BYTES }, OWNER_MODE);
    if (rc == -ENOSPC) {
        rc = create_of_reserve(store, path, bytes);
    }
    free(bytes);
    return rc;
}

struct prune {
    uint64_t epochs[64]; /* of one round: a directory is not changed while it is listed */
    size_t count;
    uint64_t below;
};

static int
each_prune(void *ctx, const char *name)
{
    struct prune *p = ctx;
    uint64_t epoch;

    if (p->count < ARRAY_LEN(p->epochs) && owner_file_name_parse(name, &epoch) &&
        epoch < p->below) {
        p->epochs[p->count++] = epoch;
    }
    return 0;
}

void
owner_file_prune(const char *store, uint64_t below)
{
    struct prune p = { .below = below };
    char path[STORE_PATH_CAP];

    (void)!io_list(store, each_prune, &p);
    for (size_t i = 0; i < p.count; i++) {
        if (owner_path(path, store, p.epochs[i]) == 0) {
            (void)!io_unlink(path);
        }
    }
}

int
owner_file_open(struct owner_file *f, const char *store, const struct owner_record *rec)
{
    char path[STORE_PATH_CAP];
    int rc = owner_path(path, store, rec->epoch);

    if (rc < 0) {
        return rc;
    }
    f->record = *rec;
    f->block = io_alloc_blocks(OWNER_SLOT_BYTES);
    if (f->block == NULL) {
        return -ENOMEM;
    }
    f->fd = store_open_direct(path, O_RDWR);
    if (f->fd < 0) {
        free(f->block);
        f->block = NULL;
        return f->fd;
    }
    return 0;
}

int
owner_file_write(struct owner_file *f, enum owner_state state, uint64_t sealed_lsn)
{
    struct owner_record next = f->record;
    int rc;

    next.counter++;
    next.state = state;
    next.sealed_lsn = sealed_lsn;
    owner_slot_put(f->block, &next);
    rc = io_pwrite_all(f->fd, f->block, OWNER_SLOT_BYTES, (next.counter & 1) * OWNER_SLOT_BYTES);
    if (rc == 0) {
        rc = io_fdatasync(f->fd);
    }
    if (rc == 0) {
        f->record = next;
    }
    return rc;
}

void
owner_file_close(struct owner_file *f)
{
    io_close(&f->fd);
    free(f->block);
    f->block = NULL;
}
