#include "queue/reserve.h"
#include "core/ticks.h"
#include <fcntl.h>
#include <stdio.h>

#define FILE_MODE       0600
#define STARTS          4 /* owners in a row that find no room at all, and take no segment for it */
#define FIRST_BYTES_MIN (16 * KIB)
#define OWNER_BYTES     (2 * (uint64_t)IO_BLOCK_BYTES)
#define NAME_CAP        64
#define TAKE_TRIES      8 /* others may take one at the same moment */
#define BAD_MAX         32

static const char *const prefixes[RESERVE_KINDS] = { [RESERVE_OWNER] = "reserve.owner-",
    [RESERVE_FIRST] = "reserve.first-",
    [RESERVE_SEGMENT] = "reserve.segment-" };

static bool
name_kind(struct slice name, enum reserve_kind *kind)
{
    for (int k = 0; k < RESERVE_KINDS; k++) {
        if (slice_starts(name, slice_of(prefixes[k])) && name.n < NAME_CAP) {
            *kind = (enum reserve_kind)k;
            return true;
        }
    }
    return false;
}

bool
reserve_name(struct slice name)
{
    enum reserve_kind kind;

    return name_kind(name, &kind);
}

void
reserve_init(struct reserve *r, const char *store, uint32_t epoch, uint64_t segment_bytes,
    uint64_t reserve_bytes)
{
    uint64_t segments = (reserve_bytes + segment_bytes - 1) / segment_bytes;
    uint32_t starts = segments > 0 ? STARTS : 0;

    *r = (struct reserve){ .store = store,
        .epoch = epoch,
        .bytes = { OWNER_BYTES, segment_block_up(MAX(segment_bytes / 64, FIRST_BYTES_MIN)),
            segment_bytes },
        .wanted = { starts, starts, (uint32_t)MIN(segments, UINT32_MAX) },
        .fd = -1 };
}

void
reserve_fini(struct reserve *r)
{
    io_close(&r->fd);
}

uint64_t
reserve_bytes(const struct reserve *r)
{
    return r->have[RESERVE_SEGMENT] * r->bytes[RESERVE_SEGMENT];
}

uint64_t
reserve_lacking(const struct reserve *r)
{
    return r->have[RESERVE_SEGMENT] >= r->wanted[RESERVE_SEGMENT]
               ? 0
               : r->wanted[RESERVE_SEGMENT] * r->bytes[RESERVE_SEGMENT] - reserve_bytes(r);
}

/* ---- what is there */

struct count {
    struct reserve *r;
    char bad[BAD_MAX][NAME_CAP]; /* a directory is not changed while it is listed */
    size_t bad_count;
};

static int
each_count(void *ctx, const char *name)
{
    struct count *c = ctx;
    char path[STORE_PATH_CAP];
    enum reserve_kind kind;
    struct io_stat st;
    int rc;

    if (!name_kind(slice_of(name), &kind)) {
        return 0;
    }
    rc = store_path(path, c->r->store, name);
    rc = rc < 0 ? rc : io_stat(path, &st);
    if (rc < 0) {
        return rc == -ENOENT ? 0 : rc;
    }
    if (st.size_bytes == c->r->bytes[kind] && st.blocks_512 * 512 >= st.size_bytes) {
        c->r->have[kind]++;
    } else if (c->bad_count < BAD_MAX) { /* what is more, the next start deletes */
        (void)!slice_copy(slice_of(name), c->bad[c->bad_count++], NAME_CAP);
    }
    return 0;
}

int
reserve_count(struct reserve *r, const struct lease *lease)
{
    struct count c = { .r = r };
    char path[STORE_PATH_CAP];
    int rc;

    memset(r->have, 0, sizeof(r->have));
    rc = io_list(r->store, each_count, &c);
    for (size_t i = 0; rc == 0 && i < c.bad_count; i++) {
        if (!lease_valid(lease, ticks_boot_ns())) {
            return BH_EFENCED;
        }
        rc = store_path(path, r->store, c.bad[i]);
        rc = rc < 0 ? rc : io_unlink(path);
        rc = rc == -ENOENT || rc == -EISDIR ? 0 : rc; /* a directory is nobody's reserve */
    }
    return rc;
}

/* ---- taking one */

struct find {
    enum reserve_kind kind;
    char name[NAME_CAP];
};

static int
each_find(void *ctx, const char *name)
{
    struct find *f = ctx;
    enum reserve_kind kind;

    if (f->name[0] == '\0' && name_kind(slice_of(name), &kind) && kind == f->kind) {
        (void)!slice_copy(slice_of(name), f->name, sizeof(f->name));
    }
    return 0;
}

/* 0; -ENOENT: there is none. */
static int
take_one(const char *store, enum reserve_kind kind, const char *to)
{
    char from[STORE_PATH_CAP];
    int rc = -ENOENT;

    for (unsigned tries = 0; rc == -ENOENT && tries < TAKE_TRIES; tries++) {
        struct find f = { .kind = kind };

        rc = io_list(store, each_find, &f);
        if (rc < 0 || f.name[0] == '\0') {
            return rc < 0 ? rc : -ENOENT;
        }
        rc = store_path(from, store, f.name);
        rc = rc < 0 ? rc : io_rename(from, to);
    }
    /* Durable before a byte is written into it, or it might be in the reserve again, and used. */
    return rc < 0 ? rc : io_sync_dir(store);
}

/* 0; -ENOENT: there is none, nor a larger one. */
static int
take(const char *store, enum reserve_kind *kind, const char *to)
{
    int rc = -ENOENT;

    for (int k = (int)*kind; rc == -ENOENT && k < RESERVE_KINDS; k++) {
        *kind = (enum reserve_kind)k;
        rc = take_one(store, *kind, to);
    }
    return rc;
}

int
reserve_take_owner(const char *store, const char *path)
{
    enum reserve_kind kind = RESERVE_OWNER;
    int rc = take(store, &kind, path);

    return rc == -ENOENT ? -ENOSPC : rc;
}

static int
path_of(struct reserve *r, const char *prefix, const char *suffix, char out[STORE_PATH_CAP])
{
    char name[NAME_CAP];

    (void)snprintf(name, sizeof(name), "%s%08x-%u%s", prefix, r->epoch, r->made, suffix);
    return store_path(out, r->store, name);
}

int
reserve_take(struct reserve *r, enum reserve_kind kind, char path[STORE_PATH_CAP], uint64_t *bytes)
{
    int rc = path_of(r, "reserve.new-", ".tmp", path);
    enum reserve_kind wanted = kind;

    r->made++;
    rc = rc < 0 ? rc : take(r->store, &kind, path);
    if (rc == 0 || rc == -ENOENT) {
        /* Of the smaller ones there was none: what was counted, an owner from before took late. */
        for (int k = (int)wanted; k < (rc == 0 ? (int)kind : RESERVE_KINDS); k++) {
            r->have[k] = 0;
        }
    }
    if (rc == 0) {
        r->have[kind] -= r->have[kind] > 0;
        *bytes = r->bytes[kind];
    }
    return rc == -ENOENT ? -ENOSPC : rc;
}

/* ---- making one */

/* It is whole, synced and closed. */
static int
name_it(struct reserve *r, enum reserve_kind kind, const char *from)
{
    char to[STORE_PATH_CAP];
    int rc = path_of(r, prefixes[kind], "", to);

    r->made++;
    rc = rc < 0 ? rc : io_rename(from, to);
    if (rc == 0) {
        r->have[kind]++;
        rc = io_sync_dir(r->store);
    }
    return rc;
}

int
reserve_put(struct reserve *r, const char *from)
{
    return name_it(r, RESERVE_SEGMENT, from);
}

static bool
missing(const struct reserve *r, enum reserve_kind *kind)
{
    for (int k = 0; k < RESERVE_KINDS; k++) { /* a start needs little, and above all */
        if (r->have[k] < r->wanted[k]) {
            *kind = (enum reserve_kind)k;
            return true;
        }
    }
    return false;
}

static int
begin_one(struct reserve *r, uint64_t keep_free)
{
    uint64_t bytes = r->bytes[r->kind];
    struct io_space seen;
    int rc = io_space(r->store, &seen);

    if (rc == 0 && seen.free_bytes < bytes + keep_free) {
        rc = -ENOSPC;
    }
    rc = rc < 0 ? rc : path_of(r, "reserve.new-", ".tmp", r->tmp);
    if (rc < 0) {
        return rc;
    }
    r->made++;
    r->filled_bytes = 0;
    r->fd = io_open(r->tmp, O_RDWR | O_CREAT | O_EXCL, FILE_MODE);
    if (r->fd < 0) {
        rc = r->fd;
        r->fd = -1;
        return rc;
    }
    rc = io_fallocate(r->fd, 0, bytes);
    return rc == -EOPNOTSUPP ? 0 : rc; /* the zeros allocate it then */
}

static int
fill_some(struct reserve *r)
{
    uint64_t n = MIN(r->zeros_bytes, r->bytes[r->kind] - r->filled_bytes);
    bool last = r->filled_bytes + n == r->bytes[r->kind];
    int rc = io_pwrite_all(r->fd, r->zeros, n, r->filled_bytes);

    rc = rc < 0 ? rc : last ? io_fsync(r->fd) : io_fdatasync(r->fd);
    if (rc == 0) {
        r->filled_bytes += n;
    }
    if (rc == 0 && last) {
        io_close(&r->fd);
        rc = name_it(r, r->kind, r->tmp);
        if (rc == 0) {
            r->tmp[0] = '\0';
        }
    }
    return rc;
}

/* Of a store whose configuration became smaller. */
static int
drop_one(struct reserve *r)
{
    char path[STORE_PATH_CAP];
    uint64_t bytes;
    int rc = reserve_take(r, RESERVE_SEGMENT, path, &bytes);

    return rc < 0 ? rc : io_unlink(path);
}

int
reserve_step(struct reserve *r, uint64_t keep_free)
{
    int rc = 0;

    if (r->fd < 0 && r->have[RESERVE_SEGMENT] > r->wanted[RESERVE_SEGMENT]) {
        rc = drop_one(r);
        return rc < 0 ? rc : 1;
    }
    if (r->fd < 0 && !missing(r, &r->kind)) {
        return 0;
    }
    if (r->fd < 0) {
        rc = begin_one(r, keep_free);
    }
    rc = rc < 0 ? rc : fill_some(r);
    if (rc < 0) {
        reserve_give_up(r);
    }
    return rc < 0 ? rc : 1;
}

void
reserve_give_up(struct reserve *r)
{
    io_close(&r->fd);
    if (r->tmp[0] != '\0') {
        (void)!io_unlink(r->tmp);
        r->tmp[0] = '\0';
    }
}
