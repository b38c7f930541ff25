/* core/io.h - every open, read, write, sync, rename and lock on files of ours, and the one seam
 * where a simulation puts a fake disk in their place.
 *
 * Threads   any; the table is set once before the first call.
 * Errors    -errno; EDQUOT is -ENOSPC. A short write is continued; end of file in io_pread is a
 *           short count.
 * Rule      a failed fsync or fdatasync is never retried by anyone: the caller fails stop.
 */
#ifndef CORE_IO_H
#define CORE_IO_H

#include "core/slice.h"
#include <sys/types.h>
#include <sys/uio.h>

struct io_stat {
    uint64_t size_bytes;
    uint64_t dev, ino;
    uint64_t blocks_512;
    uint32_t uid, gid, mode;
    bool is_dir, is_file;
};
struct io_space {
    uint64_t total_bytes, free_bytes; /* free to this user */
};

/* The seam: tests/sim replaces it. Paths are absolute. Flags are open(2)'s. */
struct io_ops {
    int (*open)(const char *path, int flags, unsigned mode);
    int (*close)(int fd);
    ssize_t (*pread)(int fd, void *buf, size_t n, uint64_t offset);
    ssize_t (*pread_nowait)(
        int fd, void *buf, size_t n, uint64_t offset); /* -EAGAIN: would block */
    ssize_t (*pwritev)(int fd, const struct iovec *iov, int count, uint64_t offset);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*ftruncate)(int fd, uint64_t size);
    int (*fallocate)(int fd, uint64_t offset, uint64_t n);
    int (*rename)(const char *from, const char *to);
    int (*link)(const char *from, const char *to); /* -EEXIST: the race is lost */
    int (*unlink)(const char *path);
    int (*mkdir)(const char *path, unsigned mode);
    int (*list)(const char *dir, int (*each)(void *ctx, const char *name), void *ctx);
    int (*stat)(const char *path, struct io_stat *out);
    int (*fstat)(int fd, struct io_stat *out);
    int (*space)(const char *path, struct io_space *out);
    int (*lock)(int fd, bool exclusive); /* OFD lock, never waits: -EAGAIN when held */
    int (*drop_cache)(int fd);           /* posix_fadvise DONTNEED, after a sync */
};
extern const struct io_ops io_real;
void io_set_ops(const struct io_ops *ops); /* NULL: io_real */

/* Thin calls through the table; all O_CLOEXEC, and none waits for a fifo's other end. */
int io_open(const char *path, int flags, unsigned mode) MUST_USE;
/* What opening or reading said means: something else stands in the file's place, a directory, a
 * fifo, a socket, a link to itself. */
bool io_is_no_file(int rc);
void io_close(int *fd); /* closes and sets -1; -1 is fine */
ssize_t io_pread(
    int fd, void *buf, size_t n, uint64_t offset) MUST_USE; /* loops; short only at EOF */
ssize_t io_pread_nowait(
    int fd, void *buf, size_t n, uint64_t offset) MUST_USE; /* one call; -EAGAIN */
int io_pwrite_all(int fd, const void *buf, size_t n, uint64_t offset) MUST_USE;
int io_pwritev_all(
    int fd, struct iovec *iov, int count, uint64_t offset) MUST_USE; /* changes iov */
int io_fdatasync(int fd) MUST_USE;
int io_fsync(int fd) MUST_USE;
int io_ftruncate(int fd, uint64_t size) MUST_USE;
int io_fallocate(int fd, uint64_t offset, uint64_t n) MUST_USE;
int io_rename(const char *from, const char *to) MUST_USE;
int io_link(const char *from, const char *to) MUST_USE;
int io_unlink(const char *path) MUST_USE;
int io_mkdir(const char *path, unsigned mode) MUST_USE;
int io_list(const char *dir, int (*each)(void *ctx, const char *name), void *ctx) MUST_USE;
int io_stat(const char *path, struct io_stat *out) MUST_USE;
int io_fstat(int fd, struct io_stat *out) MUST_USE;
int io_space(const char *path, struct io_space *out) MUST_USE;
int io_lock(int fd, bool exclusive) MUST_USE;
int io_drop_cache(int fd) MUST_USE;

/* Which mount a path is on: another one after umount and mount, where the kernel tells (6.8 and
 * later never uses a number again; older ones may). Not part of the seam. */
int io_mount_id(const char *path, uint64_t *id) MUST_USE;

/* Composed. */
int io_sync_dir(const char *dir) MUST_USE;
/* A whole small file: read (BH_ETOOBIG over cap), or write under a temporary name in the same
 * directory, fsync, then rename (io_write_file) or link (io_create_file: -EEXIST) and sync the
 * directory. */
int io_read_file(const char *path, char *buf, size_t cap, size_t *n) MUST_USE;
int io_write_file(const char *path, struct slice bytes, unsigned mode) MUST_USE;
int io_create_file(const char *path, struct slice bytes, unsigned mode) MUST_USE;
/* Memory for O_DIRECT: zeroed, aligned to and sized in 4 KiB blocks; free with free(). */
#define IO_BLOCK_BYTES 4096
void *io_alloc_blocks(size_t bytes) MUST_USE;

#endif
