#include "fake_disk.h"
#include "fake_pages.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define FDS_MAX 512
#define FD_BASE 1000000 /* no number that a real descriptor has */

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
    uint64_t random, capacity, calls, writes, fail_in;
    enum fake_fault fault;
    int error;
    char failed_call[PATH_CAP + 16];
    bool forever, failed, lie, late, wild, full, cut_short;
    int late_fd; /* a sync that is still to be done; -1: none */
    uint64_t freeze_in;
    bool freeze_after;
    void (*freeze)(void *ctx);
    void *freeze_ctx;
    void (*before)(void *ctx);
    void *before_ctx;
    struct names now, disk;
    struct change *changes;
    size_t change_count, change_capacity;
    struct inode **inodes;
    size_t inode_count, inode_capacity;
    struct open_file *fds[FDS_MAX];
};

static struct fake_disk *used;

/* ---- names */

/* False: there is nothing that it could be done to. */
static bool
change_apply(struct names *n, const struct change *c)
{
    switch (c->kind) {
    case CHANGE_ADD:
        names_add(n, c->path, c->inode);
        break;
    case CHANGE_REMOVE:
        return names_remove(n, c->path);
    case CHANGE_RENAME:
        if (!names_remove(n, c->path)) {
            return false;
        }
        names_add(n, c->to, c->inode);
        break;
    }
    return true;
}

static void
change_names(struct fake_disk *d, enum change_kind kind, const char *path, const char *to,
    struct inode *inode)
{
    struct change *c;

    d->changes = fake_more(d->changes, &d->change_capacity, d->change_count, sizeof(*d->changes));
    c = &d->changes[d->change_count++];
    c->kind = kind;
    c->inode = inode;
    if (inode != NULL) {
        inode->holds++;
    }
    path_set(c->path, path);
    path_set(c->to, to != NULL ? to : "");
    (void)change_apply(&d->now, c);
}

static void
change_done(struct change *c)
{
    if (c->inode != NULL) {
        c->inode->holds--;
    }
}

static void
settle_names(struct fake_disk *d, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)change_apply(&d->disk, &d->changes[i]);
        change_done(&d->changes[i]);
    }
    if (count > 0) {
        memmove(d->changes, d->changes + count, (d->change_count - count) * sizeof(*d->changes));
    }
    d->change_count -= count;
}

/* ---- inodes */

static struct inode *
inode_new(struct fake_disk *d, bool is_dir)
{
    struct inode *i = calloc(1, sizeof(*i));

    CHECK(i != NULL);
    i->is_dir = is_dir;
    d->inodes = fake_more(d->inodes, &d->inode_capacity, d->inode_count, sizeof(*d->inodes));
    d->inodes[d->inode_count++] = i;
    return i;
}

static void
inode_free(struct inode *i)
{
    pages_free(i);
    free(i);
}

/* Those that no name, change or descriptor has any more. */
static void
inodes_sweep(struct fake_disk *d)
{
    size_t kept = 0;

    for (size_t i = 0; i < d->inode_count; i++) {
        if (d->inodes[i]->links + d->inodes[i]->holds == 0) {
            inode_free(d->inodes[i]);
        } else {
            d->inodes[kept++] = d->inodes[i];
        }
    }
    d->inode_count = kept;
}

uint64_t
fake_disk_used(const struct fake_disk *d)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < d->inode_count; i++) {
        bytes += d->inodes[i]->links > 0 ? d->inodes[i]->allocated : 0;
    }
    for (int f = 0; f < FDS_MAX; f++) {
        const struct open_file *o = d->fds[f];
        bool again = false;

        if (o == NULL || o->inode->links > 0 || o->inode->allocated == 0) {
            continue;
        }
        for (int g = 0; g < f; g++) {
            again = again || (d->fds[g] != NULL && d->fds[g]->inode == o->inode);
        }
        bytes += again ? 0 : o->inode->allocated;
    }
    return bytes;
}

static int
allocate(struct fake_disk *d, struct inode *i, uint64_t bytes)
{
    bytes = (bytes + BLOCK - 1) / BLOCK * BLOCK;
    if (bytes > i->allocated) {
        if (d->full ||
            (d->capacity < GIB && fake_disk_used(d) + (bytes - i->allocated) > d->capacity)) {
            return -ENOSPC;
        }
        i->allocated = bytes;
    }
    pages_room(i, bytes);
    return 0;
}

static enum mood
any_mood(struct fake_disk *d)
{
    return (enum mood)(fake_random(&d->random) % MOODS);
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

/* Does the fault come now? writing: this is a write. */
static bool
fault_due(struct fake_disk *d, bool writing)
{
    if (d->fault != FAULT_ERROR && !writing) {
        return false;
    }
    return d->fail_in > 0 && --d->fail_in == 0;
}

static void
failed_in(struct fake_disk *d, const char *what, const char *path)
{
    d->failed = true;
    (void)snprintf(d->failed_call, sizeof(d->failed_call), "%s %s", what, path);
}

static int
fault(const char *what, const char *path)
{
    struct fake_disk *d = used;

    d->calls++;
    thaw(d, false);
    if (d->cut_short || (d->failed && d->forever)) {
        d->cut_short = false;
        return d->error;
    }
    if (d->fault == FAULT_ERROR && fault_due(d, false)) {
        failed_in(d, what, path);
        return d->error;
    }
    return 0;
}

#define FAULT(what, path)                                                                          \
    do {                                                                                           \
        int fault_rc = fault((what), (path));                                                      \
        if (fault_rc < 0) {                                                                        \
            return fault_rc;                                                                       \
        }                                                                                          \
    } while (0)

/* The disk is about to change. */
static void
changing(void)
{
    struct fake_disk *d = used;

    if (d->before != NULL) {
        d->before(d->before_ctx);
        CHECK(used == d);
    }
}

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
    struct inode *inode;
    struct name *n;
    int at = 0;

    (void)mode;
    if ((flags & O_CREAT) != 0) {
        changing();
    }
    FAULT("open", path); /* frozen in it, others may change the names */
    n = names_find(&d->now, path);
    inode = n != NULL ? n->inode : NULL;
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
    inode->holds++;
    path_set(d->fds[at]->path, path);
    return FD_BASE + at;
}

static void
forget_fd(struct fake_disk *d, int at)
{
    if (d->fds[at] != NULL) {
        if (d->fds[at]->holds_lock) {
            d->fds[at]->inode->locked = false;
        }
        d->fds[at]->inode->holds--;
        free(d->fds[at]);
        d->fds[at] = NULL;
        d->late_fd = d->late_fd == FD_BASE + at ? -1 : d->late_fd;
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

    FAULT("pread", file_of(fd)->path);
    if (!aligned(f, buf, n, offset)) {
        return -EINVAL;
    }
    if (offset >= f->inode->now_bytes) {
        return 0;
    }
    n = MIN(n, f->inode->now_bytes - offset);
    pages_get(f->inode, offset, buf, n);
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

static int
write_some(struct inode *i, const void *bytes, uint64_t n, uint64_t offset)
{
    int rc = allocate(used, i, offset + n);

    if (rc == 0) {
        pages_put(i, offset, bytes, n);
        i->now_bytes = MAX(i->now_bytes, offset + n);
    }
    return rc;
}

/* This write meets its fault: a part of it goes to the disk's cache. */
static ssize_t
write_part(struct inode *i, const char *path, const struct iovec *iov, uint64_t offset)
{
    struct fake_disk *d = used;
    uint64_t n = iov->iov_len / 2 / SECTOR * SECTOR;

    failed_in(d, "pwritev", path);
    if (d->fault == FAULT_TORN) {
        (void)write_some(i, iov->iov_base, n + SECTOR / 2, offset);
        return d->error;
    }
    d->cut_short = true;
    (void)write_some(i, iov->iov_base, n, offset);
    return n > 0 ? (ssize_t)n : d->error;
}

static ssize_t
fake_pwritev(int fd, const struct iovec *iov, int count, uint64_t offset)
{
    struct open_file *f = file_of(fd);
    struct inode *i = f->inode;
    ssize_t total = 0;

    changing();
    FAULT("pwritev", file_of(fd)->path);
    used->writes++;
    if (used->fault != FAULT_ERROR && fault_due(used, true) && count > 0) {
        return write_part(i, f->path, iov, offset);
    }
    for (int v = 0; v < count; v++) {
        uint64_t n = iov[v].iov_len;
        int rc;

        if (!aligned(f, iov[v].iov_base, n, offset)) {
            return -EINVAL;
        }
        /* sometimes not all of it: callers must go on */
        if (n > BLOCK && fake_random(&used->random) % 16 == 0) {
            n = MAX(n / 2 / BLOCK, (uint64_t)1) * BLOCK;
        }
        rc = write_some(i, iov[v].iov_base, n, offset);
        if (rc < 0) {
            return total > 0 ? total : rc;
        }
        offset += n;
        total += (ssize_t)n;
        if (n < iov[v].iov_len) {
            break;
        }
    }
    thaw(used, true);
    return total;
}

static void
sync_now(struct fake_disk *d, struct open_file *f)
{
    if (!f->inode->is_dir) {
        pages_sync(f->inode);
        return;
    }
    for (size_t n = d->change_count; n > 0; n--) {
        if (strncmp(d->changes[n - 1].path, f->path, strlen(f->path)) == 0 ||
            strncmp(d->changes[n - 1].to, f->path, strlen(f->path)) == 0) {
            settle_names(d, n); /* and all that came before: a journal keeps its order */
            inodes_sweep(d);
            break;
        }
    }
}

static int
fake_sync(int fd)
{
    struct fake_disk *d = used;
    struct open_file *f = file_of(fd);
    int rc;

    changing();
    rc = fault("sync", f->path);
    if (rc < 0) {
        if (!d->forever && !f->inode->is_dir) {
            /* the cache goes on to show it, but it is nowhere to be written */
            pages_lose(f->inode, any_mood(d), &d->random);
        }
        return rc;
    }
    if (d->lie) {
        return 0;
    }
    if (d->late_fd >= 0) {
        sync_now(d, file_of(d->late_fd));
        d->late_fd = -1;
    }
    if (d->late && !f->inode->is_dir) {
        d->late_fd = fd;
        return 0;
    }
    sync_now(d, f);
    if (!f->inode->is_dir) {
        thaw(d, true);
    }
    return 0;
}

static int
fake_ftruncate(int fd, uint64_t size)
{
    struct inode *i = file_of(fd)->inode;

    changing();
    FAULT("ftruncate", file_of(fd)->path);
    pages_room(i, size);
    if (size < i->now_bytes) {
        pages_put(i, size, NULL, i->now_bytes - size);
    }
    i->now_bytes = size;
    i->allocated = MIN(i->allocated, (size + BLOCK - 1) / BLOCK * BLOCK);
    return 0;
}

static int
fake_fallocate(int fd, uint64_t offset, uint64_t n)
{
    struct inode *i = file_of(fd)->inode;
    int rc;

    changing();
    FAULT("fallocate", file_of(fd)->path);
    rc = allocate(used, i, offset + n);
    if (rc == 0) {
        i->now_bytes = MAX(i->now_bytes, offset + n);
    }
    return rc;
}

static int
fake_rename(const char *from, const char *to)
{
    const struct name *n;

    changing();
    FAULT("rename", from);
    n = names_find(&used->now, from);
    if (n == NULL) {
        return -ENOENT;
    }
    change_names(used, CHANGE_RENAME, from, to, n->inode);
    return 0;
}

static int
fake_link(const char *from, const char *to)
{
    const struct name *n;

    changing();
    FAULT("link", from);
    n = names_find(&used->now, from);
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
    changing();
    FAULT("unlink", path);
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
    changing();
    FAULT("mkdir", path);
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
    int rc = 0;

    FAULT("list", dir);
    if (names_find(&used->now, dir) == NULL) {
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
    const struct name *n;

    FAULT("stat", path);
    n = names_find(&used->now, path);
    return n == NULL ? -ENOENT : stat_inode(n->inode, out);
}

static int
fake_fstat(int fd, struct io_stat *out)
{
    FAULT("fstat", file_of(fd)->path);
    return stat_inode(file_of(fd)->inode, out);
}

static int
fake_space(const char *path, struct io_space *out)
{
    uint64_t now = fake_disk_used(used);

    (void)path;
    FAULT("space", path);
    *out = (struct io_space){ used->capacity,
        used->capacity > now && !used->full ? used->capacity - now : 0 };
    return 0;
}

static int
fake_lock(int fd, bool exclusive)
{
    struct open_file *f = file_of(fd);

    (void)exclusive;
    FAULT("lock", file_of(fd)->path);
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

    FAULT("drop_cache", file_of(fd)->path);
    pages_drop_clean(i);
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
    d->late_fd = -1;
    d->now.seen = true;
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

static void
clone_inode(struct fake_disk *to, struct inode *i)
{
    struct inode *copy = inode_new(to, i->is_dir);

    pages_share(copy, i);
    i->copy = copy;
}

static void
clone_names(struct names *to, const struct names *from)
{
    for (size_t i = 0; i < from->count; i++) {
        to->list = fake_more(to->list, &to->capacity, to->count, sizeof(*to->list));
        to->list[to->count] = from->list[i];
        to->list[to->count].inode = from->list[i].inode->copy;
        names_count(to, to->list[to->count++].inode, 1);
    }
}

struct fake_disk *
fake_disk_clone(struct fake_disk *d, uint64_t seed)
{
    struct fake_disk *to = fake_disk_new(seed, d->capacity);

    to->lie = d->lie;
    to->late = d->late;
    to->wild = d->wild;
    to->full = d->full;
    for (size_t i = 0; i < d->inode_count; i++) {
        clone_inode(to, d->inodes[i]);
    }
    clone_names(&to->now, &d->now);
    clone_names(&to->disk, &d->disk);
    for (size_t i = 0; i < d->change_count; i++) {
        struct change *c;

        to->changes =
            fake_more(to->changes, &to->change_capacity, to->change_count, sizeof(*to->changes));
        c = &to->changes[to->change_count++];
        *c = d->changes[i];
        if (c->inode != NULL) {
            c->inode = c->inode->copy;
            c->inode->holds++;
        }
    }
    inodes_sweep(to); /* what only a descriptor had */
    return to;
}

uint64_t
fake_disk_digest(struct fake_disk *d)
{
    uint64_t sum = 0;

    for (size_t n = 0; n < d->now.count; n++) {
        const struct name *name = &d->now.list[n];
        uint64_t h = fake_mix_bytes(2, name->path, strlen(name->path));

        h = pages_digest(fake_mix(h, name->inode->now_bytes), name->inode);
        sum += h; /* in any order */
    }
    return sum;
}

void
fake_disk_watch(struct fake_disk *d, void (*before)(void *ctx), void *ctx)
{
    d->before = before;
    d->before_ctx = ctx;
}

uint64_t
fake_disk_calls(const struct fake_disk *d)
{
    return d->calls;
}

uint64_t
fake_disk_writes(const struct fake_disk *d)
{
    return d->writes;
}

void
fake_disk_arm(struct fake_disk *d, enum fake_fault what, uint64_t nth, int error, bool forever)
{
    d->fault = what;
    d->fail_in = nth;
    d->error = error;
    d->forever = forever;
    d->failed = false;
    d->cut_short = false;
}

void
fake_disk_fail(struct fake_disk *d, uint64_t nth, int error, bool forever)
{
    fake_disk_arm(d, FAULT_ERROR, nth, error, forever);
}

bool
fake_disk_failed(const struct fake_disk *d)
{
    return d->failed;
}

const char *
fake_disk_failed_call(const struct fake_disk *d)
{
    return d->failed_call;
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
fake_disk_late(struct fake_disk *d, bool late)
{
    d->late = late;
}

void
fake_disk_wild(struct fake_disk *d, bool wild)
{
    d->wild = wild;
}

void
fake_disk_kill(struct fake_disk *d)
{
    for (int at = 0; at < FDS_MAX; at++) {
        forget_fd(d, at);
    }
}

static void
lose_names(struct fake_disk *d, enum fake_cut how)
{
    size_t kept = how == CUT_NOTHING ? 0 : d->change_count;

    if (how == CUT_SOME && d->change_count > 0 && d->wild) {
        for (size_t i = 0; i < d->change_count; i++) {
            if ((fake_random(&d->random) & 1) != 0) {
                (void)change_apply(&d->disk, &d->changes[i]);
            }
        }
        kept = 0;
    } else if (how == CUT_SOME) {
        kept = fake_random(&d->random) % (d->change_count + 1);
    }
    settle_names(d, kept);
    for (size_t i = 0; i < d->change_count; i++) {
        change_done(&d->changes[i]);
    }
    d->change_count = 0;
    while (d->now.count > 0) {
        names_count(&d->now, d->now.list[--d->now.count].inode, -1);
    }
    for (size_t i = 0; i < d->disk.count; i++) {
        names_add(&d->now, d->disk.list[i].path, d->disk.list[i].inode);
    }
}

void
fake_disk_cut(struct fake_disk *d, enum fake_cut how)
{
    fake_disk_kill(d);
    lose_names(d, how);
    inodes_sweep(d);
    for (size_t i = 0; i < d->inode_count; i++) {
        enum mood mood = how == CUT_NOTHING ? MOOD_NONE : how == CUT_ALL ? MOOD_ALL : any_mood(d);

        pages_lose(d->inodes[i], mood, &d->random);
        pages_show_disk(d->inodes[i]);
    }
}

void
fake_disk_power_cut(struct fake_disk *d)
{
    fake_disk_cut(d, CUT_SOME);
}

void
fake_disk_put(struct fake_disk *d, const char *path, const void *bytes, size_t n)
{
    struct name *at = names_find(&d->now, path);
    struct inode *i = at != NULL ? at->inode : inode_new(d, bytes == NULL);

    names_add(&d->now, path, i);
    names_add(&d->disk, path, i);
    if (bytes != NULL) {
        i->now_bytes = n;
        i->allocated = MAX(i->allocated, (n + BLOCK - 1) / BLOCK * BLOCK);
        pages_room(i, n);
        pages_put(i, 0, bytes, n);
        pages_sync(i);
    }
}

size_t
fake_disk_peek(struct fake_disk *d, const char *path, uint64_t offset, void *buf, size_t n)
{
    const struct name *at = names_find(&d->now, path);

    if (at == NULL || offset >= at->inode->now_bytes) {
        return 0;
    }
    n = MIN(n, at->inode->now_bytes - offset);
    pages_get(at->inode, offset, buf, n);
    return n;
}

void
fake_disk_poke(struct fake_disk *d, const char *path, uint64_t offset, const void *bytes, size_t n)
{
    struct name *at = names_find(&d->now, path);

    CHECK(at != NULL && offset + n <= at->inode->now_bytes);
    pages_room(at->inode, offset + n);
    pages_put(at->inode, offset, bytes, n);
    pages_sync(at->inode);
}

void
fake_disk_remove(struct fake_disk *d, const char *path)
{
    (void)names_remove(&d->now, path);
    (void)names_remove(&d->disk, path);
    inodes_sweep(d);
}

void
fake_disk_capacity(struct fake_disk *d, uint64_t bytes)
{
    d->capacity = bytes;
}

void
fake_disk_full(struct fake_disk *d, bool full)
{
    d->full = full;
}
