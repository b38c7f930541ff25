#include "fake_disk.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define SECTOR   512
#define FDS_MAX  4096
#define FD_BASE  1000000 /* no number that a real descriptor has */
#define PATH_CAP 512

struct inode {
    uint8_t *now, *disk; /* what a read shows; what is on disk */
    uint8_t *dirty;      /* by sector */
    uint64_t now_bytes, disk_bytes, allocated, room;
    bool is_dir, locked;
};

struct name {
    char path[PATH_CAP];
    struct inode *inode;
};
struct names {
    struct name *list;
    size_t count, capacity;
};

enum change_kind { CHANGE_ADD, CHANGE_REMOVE, CHANGE_RENAME };
struct change { /* of names, not yet synced */
    enum change_kind kind;
    char path[PATH_CAP], to[PATH_CAP];
    struct inode *inode;
};

struct open_file {
    struct inode *inode;
    int flags;
    bool holds_lock;
    char path[PATH_CAP];
};

struct fake_disk {
    uint64_t random, capacity, calls, fail_in;
    int error;
    bool forever, failed, lie;
    uint64_t freeze_in;
    bool freeze_after;
    void (*freeze)(void *ctx);
    void *freeze_ctx;
    struct names now, disk;
    struct change *changes;
    size_t change_count, change_capacity;
    struct inode **inodes;
    size_t inode_count, inode_capacity;
    struct open_file *fds[FDS_MAX];
};

static struct fake_disk *used;

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

static void *
more(void *array, size_t *capacity, size_t count, size_t each)
{
    if (count < *capacity) {
        return array;
    }
    *capacity = MAX(*capacity * 2, (size_t)16);
    array = realloc(array, *capacity * each);
    CHECK(array != NULL);
    return array;
}

/* ---- names */

static struct name *
names_find(const struct names *n, const char *path)
{
    for (size_t i = 0; i < n->count; i++) {
        if (strcmp(n->list[i].path, path) == 0) {
            return &n->list[i];
        }
    }
    return NULL;
}

static void
names_add(struct names *n, const char *path, struct inode *inode)
{
    struct name *at = names_find(n, path);

    if (at == NULL) {
        n->list = more(n->list, &n->capacity, n->count, sizeof(*n->list));
        at = &n->list[n->count++];
        (void)snprintf(at->path, sizeof(at->path), "%s", path);
    }
    at->inode = inode;
}

static void
names_remove(struct names *n, const char *path)
{
    struct name *at = names_find(n, path);

    if (at != NULL) {
        *at = n->list[--n->count];
    }
}

static void
change_apply(struct names *n, const struct change *c)
{
    switch (c->kind) {
    case CHANGE_ADD:
        names_add(n, c->path, c->inode);
        break;
    case CHANGE_REMOVE:
        names_remove(n, c->path);
        break;
    case CHANGE_RENAME:
        names_remove(n, c->path);
        names_add(n, c->to, c->inode);
        break;
    }
}

static void
change_names(struct fake_disk *d, enum change_kind kind, const char *path, const char *to,
    struct inode *inode)
{
    struct change *c;

    d->changes = more(d->changes, &d->change_capacity, d->change_count, sizeof(*d->changes));
    c = &d->changes[d->change_count++];
    c->kind = kind;
    c->inode = inode;
    (void)snprintf(c->path, sizeof(c->path), "%s", path);
    (void)snprintf(c->to, sizeof(c->to), "%s", to != NULL ? to : "");
    change_apply(&d->now, c);
}

static void
settle_names(struct fake_disk *d, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        change_apply(&d->disk, &d->changes[i]);
    }
    memmove(d->changes, d->changes + count, (d->change_count - count) * sizeof(*d->changes));
    d->change_count -= count;
}

/* ---- inodes */

static struct inode *
inode_new(struct fake_disk *d, bool is_dir)
{
    struct inode *i = calloc(1, sizeof(*i));

    CHECK(i != NULL);
    i->is_dir = is_dir;
    d->inodes = more(d->inodes, &d->inode_capacity, d->inode_count, sizeof(*d->inodes));
    d->inodes[d->inode_count++] = i;
    return i;
}

static void
inode_free(struct inode *i)
{
    free(i->now);
    free(i->disk);
    free(i->dirty);
    free(i);
}

static void
inode_room(struct inode *i, uint64_t bytes)
{
    uint64_t room = MAX(i->room, (uint64_t)4096);

    if (bytes <= i->room) {
        return;
    }
    while (room < bytes) {
        room *= 2;
    }
    i->now = realloc(i->now, room);
    i->disk = realloc(i->disk, room);
    i->dirty = realloc(i->dirty, room / SECTOR);
    CHECK(i->now != NULL && i->disk != NULL && i->dirty != NULL);
    memset(i->now + i->room, 0, room - i->room);
    memset(i->disk + i->room, 0, room - i->room);
    memset(i->dirty + i->room / SECTOR, 0, (room - i->room) / SECTOR);
    i->room = room;
}

static bool
is_referenced(const struct fake_disk *d, const struct inode *i, bool also_disk)
{
    for (size_t n = 0; n < d->now.count; n++) {
        if (d->now.list[n].inode == i) {
            return true;
        }
    }
    for (size_t n = 0; also_disk && n < d->disk.count; n++) {
        if (d->disk.list[n].inode == i) {
            return true;
        }
    }
    for (size_t f = 0; f < FDS_MAX; f++) {
        if (d->fds[f] != NULL && d->fds[f]->inode == i) {
            return true;
        }
    }
    return false;
}

uint64_t
fake_disk_used(const struct fake_disk *d)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < d->inode_count; i++) {
        if (is_referenced(d, d->inodes[i], false)) {
            bytes += d->inodes[i]->allocated;
        }
    }
    return bytes;
}

static int
allocate(struct fake_disk *d, struct inode *i, uint64_t bytes)
{
    bytes = (bytes + 4095) / 4096 * 4096;
    if (bytes > i->allocated) {
        if (fake_disk_used(d) + (bytes - i->allocated) > d->capacity) {
            return -ENOSPC;
        }
        i->allocated = bytes;
    }
    inode_room(i, bytes);
    return 0;
}

static void
write_through(struct inode *i)
{
    for (uint64_t s = 0; s < i->room / SECTOR; s++) {
        if (i->dirty[s]) {
            memcpy(i->disk + s * SECTOR, i->now + s * SECTOR, SECTOR);
            i->dirty[s] = 0;
        }
    }
    i->disk_bytes = i->now_bytes;
}

/* How a cut chooses among the sectors that were not synced. */
enum mood { MOOD_NONE, MOOD_ALL, MOOD_PREFIX, MOOD_SUFFIX, MOOD_RANDOM, MOODS };

static void
lose(struct fake_disk *d, struct inode *i)
{
    enum mood mood = (enum mood)(fake_random(&d->random) % MOODS);
    uint64_t sectors = i->room / SECTOR, dirty = 0, nth = 0, turn;

    for (uint64_t s = 0; s < sectors; s++) {
        dirty += i->dirty[s];
    }
    turn = dirty > 0 ? fake_random(&d->random) % (dirty + 1) : 0;
    for (uint64_t s = 0; s < sectors; s++) {
        bool keep;

        if (!i->dirty[s]) {
            continue;
        }
        keep = mood == MOOD_ALL || (mood == MOOD_PREFIX && nth < turn) ||
               (mood == MOOD_SUFFIX && nth >= turn) ||
               (mood == MOOD_RANDOM && (fake_random(&d->random) & 1) != 0);
        nth++;
        if (keep) {
            memcpy(i->disk + s * SECTOR, i->now + s * SECTOR, SECTOR);
        }
        i->dirty[s] = 0;
    }
    if (i->disk_bytes != i->now_bytes && (fake_random(&d->random) & 1) != 0) {
        i->disk_bytes = i->now_bytes;
    }
}

static void
show_disk(struct inode *i)
{
    if (i->room > 0) {
        memset(i->disk + i->disk_bytes, 0, i->room - i->disk_bytes);
        memcpy(i->now, i->disk, i->room);
    }
    i->now_bytes = i->disk_bytes;
}

/* ---- calls */

/* Is it this call that freezes? Others may come inside; it is for once. */
static void
thaw(struct fake_disk *d, bool after)
{
    void (*run)(void *ctx) = d->freeze;

    if (run == NULL || after != d->freeze_after) {
        return;
    }
    if (d->freeze_in > 0 && --d->freeze_in == 0) {
        d->freeze = NULL;
        run(d->freeze_ctx);
    }
}

static int
fault(void)
{
    struct fake_disk *d = used;

    d->calls++;
    thaw(d, false);
    if (d->failed && d->forever) {
        return d->error;
    }
    if (d->fail_in > 0 && --d->fail_in == 0) {
        d->failed = true;
        return d->error;
    }
    return 0;
}

#define FAULT()                                                                                    \
    do {                                                                                           \
        int fault_rc = fault();                                                                    \
        if (fault_rc < 0) {                                                                        \
            return fault_rc;                                                                       \
        }                                                                                          \
    } while (0)

static struct open_file *
file_of(int fd)
{
    CHECK(fd >= FD_BASE && fd < FD_BASE + FDS_MAX && used->fds[fd - FD_BASE] != NULL);
    return used->fds[fd - FD_BASE];
}

static int
fake_open(const char *path, int flags, unsigned mode)
{
    struct fake_disk *d = used;
    struct name *n = names_find(&d->now, path);
    struct inode *inode = n != NULL ? n->inode : NULL;
    int at = 0;

    (void)mode;
    FAULT();
    if (inode == NULL && (flags & O_CREAT) == 0) {
        return -ENOENT;
    }
    if (inode != NULL && (flags & O_EXCL) != 0) {
        return -EEXIST;
    }
    if (inode != NULL && inode->is_dir && (flags & O_ACCMODE) != O_RDONLY) {
        return -EISDIR;
    }
    while (at < FDS_MAX && d->fds[at] != NULL) {
        at++;
    }
    CHECK(at < FDS_MAX);
    if (inode == NULL) {
        inode = inode_new(d, false);
        change_names(d, CHANGE_ADD, path, NULL, inode);
    }
    d->fds[at] = calloc(1, sizeof(**d->fds));
    CHECK(d->fds[at] != NULL);
    d->fds[at]->inode = inode;
    d->fds[at]->flags = flags;
    (void)snprintf(d->fds[at]->path, PATH_CAP, "%s", path);
    return FD_BASE + at;
}

static void
forget_fd(struct fake_disk *d, int at)
{
    if (d->fds[at] != NULL) {
        if (d->fds[at]->holds_lock) {
            d->fds[at]->inode->locked = false;
        }
        free(d->fds[at]);
        d->fds[at] = NULL;
    }
}

static int
fake_close(int fd)
{
    /* The one call that may come after kill: of a queue that is freed. */
    if (used->fds[fd - FD_BASE] != NULL) {
        forget_fd(used, fd - FD_BASE);
    }
    return 0;
}

static bool
aligned(const struct open_file *f, const void *buf, size_t n, uint64_t offset)
{
    return (f->flags & O_DIRECT) == 0 ||
           ((uintptr_t)buf % SECTOR == 0 && n % SECTOR == 0 && offset % SECTOR == 0);
}

static ssize_t
fake_pread(int fd, void *buf, size_t n, uint64_t offset)
{
    struct open_file *f = file_of(fd);

    FAULT();
    if (!aligned(f, buf, n, offset)) {
        return -EINVAL;
    }
    if (offset >= f->inode->now_bytes) {
        return 0;
    }
    n = MIN(n, f->inode->now_bytes - offset);
    memcpy(buf, f->inode->now + offset, n);
    return (ssize_t)n;
}

static ssize_t
fake_pread_nowait(int fd, void *buf, size_t n, uint64_t offset)
{
    if (fake_random(&used->random) % 4 == 0) {
        return -EAGAIN;
    }
    return fake_pread(fd, buf, n, offset);
}

static ssize_t
fake_pwritev(int fd, const struct iovec *iov, int count, uint64_t offset)
{
    struct open_file *f = file_of(fd);
    struct inode *i = f->inode;
    ssize_t total = 0;

    FAULT();
    for (int v = 0; v < count; v++) {
        uint64_t n = iov[v].iov_len;
        int rc;

        if (!aligned(f, iov[v].iov_base, n, offset)) {
            return -EINVAL;
        }
        /* sometimes not all of it: callers must go on */
        if (n > 4096 && fake_random(&used->random) % 16 == 0) {
            n = n / 2 / 4096 * 4096;
        }
        rc = allocate(used, i, offset + n);
        if (rc < 0) {
            return total > 0 ? total : rc;
        }
        memcpy(i->now + offset, iov[v].iov_base, n);
        for (uint64_t s = offset / SECTOR; n > 0 && s <= (offset + n - 1) / SECTOR; s++) {
            i->dirty[s] = 1;
        }
        offset += n;
        total += (ssize_t)n;
        i->now_bytes = MAX(i->now_bytes, offset);
        if (n < iov[v].iov_len) {
            break;
        }
    }
    thaw(used, true);
    return total;
}

static int
fake_sync(int fd)
{
    struct fake_disk *d = used;
    struct open_file *f = file_of(fd);
    int rc = fault();

    if (rc < 0) {
        if (!d->forever && !f->inode->is_dir) {
            lose(d, f->inode); /* the cache goes on to show it, but it is nowhere to be written */
        }
        return rc;
    }
    if (d->lie) {
        return 0;
    }
    if (!f->inode->is_dir) {
        write_through(f->inode);
        thaw(d, true);
        return 0;
    }
    for (size_t n = d->change_count; n > 0; n--) {
        if (strncmp(d->changes[n - 1].path, f->path, strlen(f->path)) == 0) {
            settle_names(d, n); /* and all that came before: a journal keeps its order */
            break;
        }
    }
    return 0;
}

static int
fake_ftruncate(int fd, uint64_t size)
{
    struct inode *i = file_of(fd)->inode;

    FAULT();
    inode_room(i, size);
    if (size < i->now_bytes) {
        memset(i->now + size, 0, i->now_bytes - size);
        for (uint64_t s = size / SECTOR; s < (i->now_bytes + SECTOR - 1) / SECTOR; s++) {
            i->dirty[s] = 1;
        }
    }
    i->now_bytes = size;
    i->allocated = MIN(i->allocated, (size + 4095) / 4096 * 4096);
    return 0;
}

static int
fake_fallocate(int fd, uint64_t offset, uint64_t n)
{
    struct inode *i = file_of(fd)->inode;
    int rc;

    FAULT();
    rc = allocate(used, i, offset + n);
    if (rc == 0) {
        i->now_bytes = MAX(i->now_bytes, offset + n);
    }
    return rc;
}

static int
fake_rename(const char *from, const char *to)
{
    struct name *n = names_find(&used->now, from);

    FAULT();
    if (n == NULL) {
        return -ENOENT;
    }
    change_names(used, CHANGE_RENAME, from, to, n->inode);
    return 0;
}

static int
fake_link(const char *from, const char *to)
{
    struct name *n = names_find(&used->now, from);

    FAULT();
    if (n == NULL) {
        return -ENOENT;
    }
    if (names_find(&used->now, to) != NULL) {
        return -EEXIST;
    }
    change_names(used, CHANGE_ADD, to, NULL, n->inode);
    return 0;
}

static int
fake_unlink(const char *path)
{
    FAULT();
    if (names_find(&used->now, path) == NULL) {
        return -ENOENT;
    }
    change_names(used, CHANGE_REMOVE, path, NULL, NULL);
    return 0;
}

static int
fake_mkdir(const char *path, unsigned mode)
{
    (void)mode;
    FAULT();
    if (names_find(&used->now, path) != NULL) {
        return -EEXIST;
    }
    change_names(used, CHANGE_ADD, path, NULL, inode_new(used, true));
    return 0;
}

static int
fake_list(const char *dir, int (*each)(void *ctx, const char *name), void *ctx)
{
    size_t n = strlen(dir);
    struct name *d = names_find(&used->now, dir);
    int rc = 0;

    FAULT();
    if (d == NULL) {
        return -ENOENT;
    }
    for (size_t i = 0; rc == 0 && i < used->now.count; i++) {
        const char *path = used->now.list[i].path;

        if (strncmp(path, dir, n) == 0 && path[n] == '/' && strchr(path + n + 1, '/') == NULL) {
            rc = each(ctx, path + n + 1);
        }
    }
    return rc;
}

static int
stat_inode(const struct inode *i, struct io_stat *out)
{
    *out = (struct io_stat){
        .size_bytes = i->now_bytes, .dev = 1, .blocks_512 = i->allocated / 512, .is_dir = i->is_dir
    };
    return 0;
}

static int
fake_stat(const char *path, struct io_stat *out)
{
    struct name *n = names_find(&used->now, path);

    FAULT();
    return n == NULL ? -ENOENT : stat_inode(n->inode, out);
}

static int
fake_fstat(int fd, struct io_stat *out)
{
    FAULT();
    return stat_inode(file_of(fd)->inode, out);
}

static int
fake_space(const char *path, struct io_space *out)
{
    uint64_t now = fake_disk_used(used);

    (void)path;
    FAULT();
    *out = (struct io_space){ used->capacity, used->capacity > now ? used->capacity - now : 0 };
    return 0;
}

static int
fake_lock(int fd, bool exclusive)
{
    struct open_file *f = file_of(fd);

    (void)exclusive;
    FAULT();
    if (f->inode->locked && !f->holds_lock) {
        return -EAGAIN;
    }
    f->inode->locked = true;
    f->holds_lock = true;
    return 0;
}

static int
fake_drop_cache(int fd)
{
    struct inode *i = file_of(fd)->inode;

    FAULT();
    for (uint64_t s = 0; s < i->room / SECTOR; s++) {
        if (!i->dirty[s]) {
            memcpy(i->now + s * SECTOR, i->disk + s * SECTOR, SECTOR);
        }
    }
    return 0;
}

static const struct io_ops fake_ops = {
    .open = fake_open,
    .close = fake_close,
    .pread = fake_pread,
    .pread_nowait = fake_pread_nowait,
    .pwritev = fake_pwritev,
    .fdatasync = fake_sync,
    .fsync = fake_sync,
    .ftruncate = fake_ftruncate,
    .fallocate = fake_fallocate,
    .rename = fake_rename,
    .link = fake_link,
    .unlink = fake_unlink,
    .mkdir = fake_mkdir,
    .list = fake_list,
    .stat = fake_stat,
    .fstat = fake_fstat,
    .space = fake_space,
    .lock = fake_lock,
    .drop_cache = fake_drop_cache,
};

/* ---- from the test's side */

struct fake_disk *
fake_disk_new(uint64_t seed, uint64_t capacity_bytes)
{
    struct fake_disk *d = calloc(1, sizeof(*d));

    CHECK(d != NULL);
    d->random = seed * 0x9e3779b97f4a7c15u + 1;
    d->capacity = capacity_bytes;
    return d;
}

void
fake_disk_free(struct fake_disk *d)
{
    if (used == d) {
        fake_disk_use(NULL);
    }
    fake_disk_kill(d);
    for (size_t i = 0; i < d->inode_count; i++) {
        inode_free(d->inodes[i]);
    }
    free(d->inodes);
    free(d->now.list);
    free(d->disk.list);
    free(d->changes);
    free(d);
}

void
fake_disk_use(struct fake_disk *d)
{
    used = d;
    io_set_ops(d != NULL ? &fake_ops : NULL);
}

uint64_t
fake_disk_calls(const struct fake_disk *d)
{
    return d->calls;
}

void
fake_disk_fail(struct fake_disk *d, uint64_t nth, int error, bool forever)
{
    d->fail_in = nth;
    d->error = error;
    d->forever = forever;
    d->failed = false;
}

bool
fake_disk_failed(const struct fake_disk *d)
{
    return d->failed;
}

void
fake_disk_freeze(struct fake_disk *d, uint64_t nth, bool after, void (*run)(void *ctx), void *ctx)
{
    d->freeze_in = nth;
    d->freeze_after = after;
    d->freeze = nth > 0 ? run : NULL;
    d->freeze_ctx = ctx;
}

void
fake_disk_forget_locks(struct fake_disk *d)
{
    for (int at = 0; at < FDS_MAX; at++) {
        if (d->fds[at] != NULL && d->fds[at]->holds_lock) {
            d->fds[at]->inode->locked = false;
            d->fds[at]->holds_lock = false;
        }
    }
}

void
fake_disk_lie(struct fake_disk *d, bool lie)
{
    d->lie = lie;
}

void
fake_disk_kill(struct fake_disk *d)
{
    for (int at = 0; at < FDS_MAX; at++) {
        forget_fd(d, at);
    }
}

void
fake_disk_power_cut(struct fake_disk *d)
{
    size_t kept = 0;

    fake_disk_kill(d);
    settle_names(d, d->change_count > 0 ? fake_random(&d->random) % (d->change_count + 1) : 0);
    d->change_count = 0;
    d->now.count = 0;
    for (size_t i = 0; i < d->disk.count; i++) {
        names_add(&d->now, d->disk.list[i].path, d->disk.list[i].inode);
    }
    for (size_t i = 0; i < d->inode_count; i++) {
        struct inode *inode = d->inodes[i];

        if (!is_referenced(d, inode, true)) {
            inode_free(inode);
            continue;
        }
        lose(d, inode);
        show_disk(inode);
        d->inodes[kept++] = inode;
    }
    d->inode_count = kept;
}

void
fake_disk_put(struct fake_disk *d, const char *path, const void *bytes, size_t n)
{
    struct name *at = names_find(&d->now, path);
    struct inode *i = at != NULL ? at->inode : inode_new(d, bytes == NULL);

    names_add(&d->now, path, i);
    names_add(&d->disk, path, i);
    if (bytes != NULL) {
        inode_room(i, n);
        memcpy(i->now, bytes, n);
        i->now_bytes = n;
        fake_disk_touch(d, path);
    }
}

uint8_t *
fake_disk_bytes(struct fake_disk *d, const char *path, size_t *n)
{
    struct name *at = names_find(&d->now, path);

    if (at == NULL) {
        return NULL;
    }
    *n = at->inode->now_bytes;
    return at->inode->now;
}

void
fake_disk_touch(struct fake_disk *d, const char *path)
{
    struct name *at = names_find(&d->now, path);

    CHECK(at != NULL);
    memcpy(at->inode->disk, at->inode->now, at->inode->room);
    memset(at->inode->dirty, 0, at->inode->room / SECTOR);
    at->inode->disk_bytes = at->inode->now_bytes;
}

void
fake_disk_capacity(struct fake_disk *d, uint64_t bytes)
{
    d->capacity = bytes;
}
