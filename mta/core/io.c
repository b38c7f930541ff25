#include "core/io.h"
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* A used-up quota is a full disk to everybody here: the same cause, the same cure. */
static int
failure(void)
{
    return errno == EDQUOT ? -ENOSPC : -errno;
}

static int
result(int rc)
{
    return rc < 0 ? failure() : rc;
}

static ssize_t
result_bytes(ssize_t n)
{
    return n < 0 ? failure() : n;
}

static int
real_open(const char *path, int flags, unsigned mode)
{
    int fd;

    do {
        /* a fifo in a file's place must not hold us until somebody opens its other end */
        fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, (mode_t)mode);
    } while (fd < 0 && errno == EINTR);
    return result(fd);
}

static int
real_close(int fd)
{
    /* On Linux the descriptor is gone whatever close says; a second try might hit another's. */
    return result(close(fd));
}

static ssize_t
real_pread(int fd, void *buf, size_t n, uint64_t offset)
{
    return result_bytes(pread(fd, buf, n, (off_t)offset));
}

static ssize_t
real_pread_nowait(int fd, void *buf, size_t n, uint64_t offset)
{
    struct iovec iov = { buf, n };
    ssize_t got = preadv2(fd, &iov, 1, (off_t)offset, RWF_NOWAIT);

    /* tmpfs and some others do not know the flag: the caller falls back to its thread pool. */
    if (got < 0 && (errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS)) {
        return -EAGAIN;
    }
    return result_bytes(got);
}

static ssize_t
real_pwritev(int fd, const struct iovec *iov, int count, uint64_t offset)
{
    return result_bytes(pwritev(fd, iov, count, (off_t)offset));
}

static int
real_fdatasync(int fd)
{
    return result(fdatasync(fd));
}

static int
real_fsync(int fd)
{
    return result(fsync(fd));
}

static int
real_ftruncate(int fd, uint64_t size)
{
    return result(ftruncate(fd, (off_t)size));
}

static int
real_fallocate(int fd, uint64_t offset, uint64_t n)
{
    return result(fallocate(fd, 0, (off_t)offset, (off_t)n));
}

static int
real_rename(const char *from, const char *to)
{
    return result(rename(from, to));
}

static int
real_link(const char *from, const char *to)
{
    return result(link(from, to));
}

static int
real_unlink(const char *path)
{
    return result(unlink(path));
}

static int
real_mkdir(const char *path, unsigned mode)
{
    return result(mkdir(path, (mode_t)mode));
}

static int
real_list(const char *dir, int (*each)(void *ctx, const char *name), void *ctx)
{
    /* not opendir(3): ThreadSanitizer does not see it take a descriptor number that another thread
     * has just closed, and calls the closedir a race */
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    int rc = 0;

    if (d == NULL) {
        rc = -errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return rc;
    }
    while (rc == 0) {
        const struct dirent *entry;

        errno = 0;
        entry = readdir(d);
        if (entry == NULL) {
            rc = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            rc = each(ctx, entry->d_name);
        }
    }
    (void)closedir(d);
    return rc;
}

static void
fill_stat(const struct stat *st, struct io_stat *out)
{
    *out = (struct io_stat){
        .size_bytes = (uint64_t)st->st_size,
        .dev = st->st_dev,
        .ino = st->st_ino,
        .blocks_512 = (uint64_t)st->st_blocks,
        .uid = st->st_uid,
        .gid = st->st_gid,
        .mode = st->st_mode & 07777,
        .is_dir = S_ISDIR(st->st_mode),
        .is_file = S_ISREG(st->st_mode),
    };
}

static int
real_stat(const char *path, struct io_stat *out)
{
    struct stat st;

    if (stat(path, &st) < 0) {
        return -errno;
    }
    fill_stat(&st, out);
    return 0;
}

static int
real_fstat(int fd, struct io_stat *out)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        return -errno;
    }
    fill_stat(&st, out);
    return 0;
}

static int
real_space(const char *path, struct io_space *out)
{
    struct statvfs vfs;

    if (statvfs(path, &vfs) < 0) {
        return -errno;
    }
    *out = (struct io_space){
        .total_bytes = (uint64_t)vfs.f_blocks * vfs.f_frsize,
        .free_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize,
    };
    return 0;
}

/* An OFD lock belongs to the open file, so that another descriptor of this process that is closed
 * by chance (a library's, say) does not drop it, as a classic POSIX lock would be. */
static int
real_lock(int fd, bool exclusive)
{
    struct flock fl = { .l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };

    if (fcntl(fd, F_OFD_SETLK, &fl) < 0) {
        return errno == EACCES ? -EAGAIN : -errno;
    }
    return 0;
}

static int
real_drop_cache(int fd)
{
    return -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

const struct io_ops io_real = {
    .open = real_open,
    .close = real_close,
    .pread = real_pread,
    .pread_nowait = real_pread_nowait,
    .pwritev = real_pwritev,
    .fdatasync = real_fdatasync,
    .fsync = real_fsync,
    .ftruncate = real_ftruncate,
    .fallocate = real_fallocate,
    .rename = real_rename,
    .link = real_link,
    .unlink = real_unlink,
    .mkdir = real_mkdir,
    .list = real_list,
    .stat = real_stat,
    .fstat = real_fstat,
    .space = real_space,
    .lock = real_lock,
    .drop_cache = real_drop_cache,
};

static const struct io_ops *ops = &io_real;

void
io_set_ops(const struct io_ops *new_ops)
{
    ops = new_ops != NULL ? new_ops : &io_real;
}

int
io_open(const char *path, int flags, unsigned mode)
{
    return ops->open(path, flags, mode);
}

void
io_close(int *fd)
{
    if (*fd >= 0) {
        /* What close(2) reports was either synced before, or is not counted on by anyone. */
        (void)ops->close(*fd);
        *fd = -1;
    }
}

ssize_t
io_pread(int fd, void *buf, size_t n, uint64_t offset)
{
    size_t done = 0;

    while (done < n) {
        ssize_t got = ops->pread(fd, (char *)buf + done, n - done, offset + done);

        if (got == -EINTR) {
            continue;
        }
        if (got < 0) {
            return got;
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    return (ssize_t)done;
}

ssize_t
io_pread_nowait(int fd, void *buf, size_t n, uint64_t offset)
{
    return ops->pread_nowait(fd, buf, n, offset);
}

int
io_pwrite_all(int fd, const void *buf, size_t n, uint64_t offset)
{
    struct iovec iov = { (void *)(uintptr_t)buf, n };

    return io_pwritev_all(fd, &iov, 1, offset);
}

int
io_pwritev_all(int fd, struct iovec *iov, int count, uint64_t offset)
{
    while (count > 0) {
        ssize_t put;

        if (iov->iov_len == 0) {
            iov++;
            count--;
            continue;
        }
        put = ops->pwritev(fd, iov, MIN(count, IOV_MAX), offset);
        if (put == -EINTR) {
            continue;
        }
        if (put <= 0) {
            return put < 0 ? (int)put : -EIO; /* 0 would loop for ever */
        }
        offset += (uint64_t)put;
        while (count > 0 && (size_t)put >= iov->iov_len) {
            put -= (ssize_t)iov->iov_len;
            iov++;
            count--;
        }
        if (put > 0) {
            CHECK(count > 0);
            iov->iov_base = (char *)iov->iov_base + put;
            iov->iov_len -= (size_t)put;
        }
    }
    return 0;
}

int
io_fdatasync(int fd)
{
    return ops->fdatasync(fd);
}

int
io_fsync(int fd)
{
    return ops->fsync(fd);
}

int
io_ftruncate(int fd, uint64_t size)
{
    return ops->ftruncate(fd, size);
}

int
io_fallocate(int fd, uint64_t offset, uint64_t n)
{
    return ops->fallocate(fd, offset, n);
}

int
io_rename(const char *from, const char *to)
{
    return ops->rename(from, to);
}

int
io_link(const char *from, const char *to)
{
    return ops->link(from, to);
}

int
io_unlink(const char *path)
{
    return ops->unlink(path);
}

int
io_mkdir(const char *path, unsigned mode)
{
    return ops->mkdir(path, mode);
}

int
io_list(const char *dir, int (*each)(void *ctx, const char *name), void *ctx)
{
    return ops->list(dir, each, ctx);
}

int
io_stat(const char *path, struct io_stat *out)
{
    return ops->stat(path, out);
}

int
io_fstat(int fd, struct io_stat *out)
{
    return ops->fstat(fd, out);
}

int
io_space(const char *path, struct io_space *out)
{
    return ops->space(path, out);
}

int
io_lock(int fd, bool exclusive)
{
    return ops->lock(fd, exclusive);
}

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U /* Linux 6.8 */
#endif

int
io_mount_id(const char *path, uint64_t *id)
{
    struct statx st;

    if (statx(AT_FDCWD, path, 0, STATX_MNT_ID_UNIQUE, &st) == 0 &&
        (st.stx_mask & STATX_MNT_ID_UNIQUE) != 0) {
        *id = st.stx_mnt_id;
        return 0;
    }
    if (statx(AT_FDCWD, path, 0, STATX_MNT_ID, &st) < 0) {
        return -errno;
    }
    if ((st.stx_mask & STATX_MNT_ID) == 0) {
        return -ENOTSUP;
    }
    *id = st.stx_mnt_id;
    return 0;
}

int
io_drop_cache(int fd)
{
    return ops->drop_cache(fd);
}

bool
io_is_no_file(int rc)
{
    return rc == -EISDIR || rc == -ESPIPE || rc == -ENXIO || rc == -ELOOP;
}

int
io_sync_dir(const char *dir)
{
    int fd = io_open(dir, O_RDONLY | O_DIRECTORY, 0);
    int rc;

    if (fd < 0) {
        return fd;
    }
    rc = io_fsync(fd);
    io_close(&fd);
    return rc;
}

int
io_read_file(const char *path, char *buf, size_t cap, size_t *n)
{
    int fd = io_open(path, O_RDONLY, 0);
    ssize_t got;
    char more;

    if (fd < 0) {
        return fd;
    }
    got = io_pread(fd, buf, cap, 0);
    if (got >= 0 && (size_t)got == cap) {
        ssize_t beyond = io_pread(fd, &more, 1, cap);

        got = beyond > 0 ? BH_ETOOBIG : beyond < 0 ? beyond : got;
    }
    io_close(&fd);
    if (got < 0) {
        return (int)got;
    }
    *n = (size_t)got;
    return 0;
}

/* The bytes, synced, in a file of a name that nobody else makes up, on no node: two that claim an
 * epoch, each pid 9 of its container, would delete and link each other's file. */
static int
write_temporary(const char *path, struct slice bytes, unsigned mode, char tmp[PATH_MAX])
{
    uint64_t random;
    int n, fd, rc;

    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return -EIO; /* so few bytes come whole, or the kernel has no getrandom */
    }
    n = snprintf(tmp, PATH_MAX, "%s.%016" PRIx64 ".tmp", path, random);
    if (n < 0 || n >= PATH_MAX) {
        return -ENAMETOOLONG;
    }
    fd = io_open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    if (fd < 0) {
        return fd;
    }
    rc = io_pwrite_all(fd, bytes.p, bytes.n, 0);
    if (rc == 0) {
        rc = io_fsync(fd);
    }
    io_close(&fd);
    if (rc < 0) {
        (void)!io_unlink(tmp);
    }
    return rc;
}

static int
sync_parent(const char *path)
{
    char dir[PATH_MAX];
    struct slice s = slice_of(path);
    size_t at = slice_rfind(s, '/');
    int rc;

    if (at == s.n) {
        return io_sync_dir(".");
    }
    rc = slice_copy(slice_sub(s, 0, MAX(at, (size_t)1)), dir, sizeof(dir));
    return rc < 0 ? -ENAMETOOLONG : io_sync_dir(dir);
}

int
io_write_file(const char *path, struct slice bytes, unsigned mode)
{
    char tmp[PATH_MAX];
    int rc = write_temporary(path, bytes, mode, tmp);

    if (rc < 0) {
        return rc;
    }
    rc = io_rename(tmp, path);
    if (rc < 0) {
        (void)!io_unlink(tmp);
        return rc;
    }
    return sync_parent(path);
}

/* link(2), not rename: of two that create the same name one must lose (the claim of an epoch). */
int
io_create_file(const char *path, struct slice bytes, unsigned mode)
{
    char tmp[PATH_MAX];
    int rc = write_temporary(path, bytes, mode, tmp);

    if (rc < 0) {
        return rc;
    }
    rc = io_link(tmp, path);
    (void)!io_unlink(tmp);
    return rc < 0 ? rc : sync_parent(path);
}

void *
io_alloc_blocks(size_t bytes)
{
    size_t rounded;
    void *blocks;

    if (__builtin_add_overflow(bytes, IO_BLOCK_BYTES - 1, &rounded)) {
        return NULL;
    }
    rounded = MAX(rounded - rounded % IO_BLOCK_BYTES, (size_t)IO_BLOCK_BYTES);
    blocks = aligned_alloc(IO_BLOCK_BYTES, rounded);
    if (blocks != NULL) {
        memset(blocks, 0, rounded);
    }
    return blocks;
}
