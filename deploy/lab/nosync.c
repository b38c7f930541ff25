/* nosync.c - a disk that forgets: syncs that do nothing, for the lab's negative control.
 *
 * Loaded into every process of the nodes by /etc/ld.so.preload (`lab up --nosync`). A power cut
 * must then lose acknowledged mail; if it does not, the lab's power cut loses nothing and proves
 * nothing.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

int
fsync(int fd)
{
    (void)fd;
    return 0;
}

int
fdatasync(int fd)
{
    (void)fd;
    return 0;
}

int
syncfs(int fd)
{
    (void)fd;
    return 0;
}

void
sync(void)
{
}

int
msync(void *addr, size_t size_bytes, int flags)
{
    (void)addr;
    (void)size_bytes;
    (void)flags;
    return 0;
}

int
sync_file_range(int fd, off64_t offset, off64_t size_bytes, unsigned flags)
{
    (void)fd;
    (void)offset;
    (void)size_bytes;
    (void)flags;
    return 0;
}

/* A write that syncs by itself is a sync too. */
ssize_t
pwritev2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
    static ssize_t (*real)(int, const struct iovec *, int, off_t, int);

    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "pwritev2");
    }
    return real(fd, iov, count, offset, flags & ~(RWF_DSYNC | RWF_SYNC));
}
