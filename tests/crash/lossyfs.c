/* lossyfs.c - a filesystem in memory that loses what was not synced: support/fake_disk behind FUSE,
 * so that the real daemon, with its threads and system calls, meets the power cuts of the
 * simulation.
 *
 *     lossyfs MOUNTPOINT --seed N [--size MIB]     in the foreground, until unmounted or ended
 *
 * Commands are extended attributes of the mount point:
 *
 *     set user.cut                   the power goes: a legal subset of what was not synced is there
 *                                    afterwards, chosen by the seed (what is legal:
 *                                    support/fake_disk.h). Nobody may have a file open; who does
 *                                    gets EIO from then on
 *     set user.cut_in "CALLS PID"    the same inside the last of so many calls: the keeper of this
 *                                    id and who made the call are killed there
 *     get user.cut_at                when that was, in seconds since 1970; empty: not yet
 *     set user.lie 1                 syncs do nothing from now on, 0: again something. The control,
 *                                    with which mail must be lost
 *
 * Everything passes through uncached, each write and sync as the daemon makes it. Owners and modes
 * are not kept. Locks are the kernel's.
 */
#define FUSE_USE_VERSION 35
#include "core/io.h"
#include "fake_disk.h"
#include <fcntl.h>
#include <fuse.h>
#include <fuse_opt.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define PATH_CAP   512
#define ROOT       "/root" /* the mount point's name on the disk */
#define FILES_MODE 0600

static struct {
    struct fake_disk *disk;
    uint64_t life; /* between two cuts; a handle of an earlier one is stale */
    unsigned long cut_in;
    long keeper;
    struct timespec cut_at;
} fs = { .life = 1 };

struct options {
    unsigned long seed, size_mib;
};

static void
place_of(char out[PATH_CAP], const char *path)
{
    (void)snprintf(out, PATH_CAP, "%s%s", ROOT, strcmp(path, "/") == 0 ? "" : path);
}

/* The life is that of the disk when the file was opened: releases come late, after a cut. */
struct handle {
    uint64_t life;
    int fd;
    char place[PATH_CAP];
};

static int
fd_of(const struct fuse_file_info *fi)
{
    const struct handle *h = (const struct handle *)(uintptr_t)fi->fh;

    return h->life == fs.life ? h->fd : -EIO;
}

static void
cut(void)
{
    fake_disk_power_cut(fs.disk);
    fs.life++;
}

/* At the door of each call that reads or changes the disk. 0, or what nobody is there to see. */
static int
enter(void)
{
    if (fs.cut_in == 0 || --fs.cut_in > 0) {
        return 0;
    }
    (void)kill((pid_t)fs.keeper, SIGKILL);
    (void)kill(fuse_get_context()->pid, SIGKILL);
    (void)clock_gettime(CLOCK_REALTIME, &fs.cut_at);
    cut();
    return -EIO;
}

/* The descriptor to go on with. */
static int
enter_file(const struct fuse_file_info *fi)
{
    int rc = enter();

    return rc < 0 ? rc : fd_of(fi);
}

static void
fill(struct stat *st, const struct io_stat *s)
{
    memset(st, 0, sizeof(*st));
    st->st_mode = s->is_dir ? S_IFDIR | 0755 : S_IFREG | FILES_MODE;
    st->st_nlink = 1;
    st->st_size = (off_t)s->size_bytes;
    st->st_blocks = (blkcnt_t)s->blocks_512;
    st->st_blksize = IO_BLOCK_BYTES;
}

static int
lossy_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
    char place[PATH_CAP];
    struct io_stat s;
    int rc;

    if (fi != NULL) {
        int fd = fd_of(fi);

        rc = fd < 0 ? fd : io_fstat(fd, &s);
    } else {
        place_of(place, path);
        rc = io_stat(place, &s);
    }
    if (rc == 0) {
        fill(st, &s);
    }
    return rc;
}

static int
open_at(const char *path, int flags, struct fuse_file_info *fi)
{
    int entered = enter();
    struct handle *h = entered < 0 ? NULL : calloc(1, sizeof(*h));

    if (h == NULL) {
        return entered < 0 ? entered : -ENOMEM;
    }
    place_of(h->place, path);
    h->life = fs.life;
    h->fd = io_open(h->place, flags, 0);
    if (h->fd < 0) {
        int rc = h->fd;

        free(h);
        return rc;
    }
    fi->fh = (uintptr_t)h;
    return 0;
}

static int
lossy_open(const char *path, struct fuse_file_info *fi)
{
    /* the kernel checked what O_DIRECT asks for; our buffers are not aligned */
    return open_at(path, fi->flags & O_ACCMODE, fi);
}

static int
lossy_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    (void)mode;
    return open_at(path, (fi->flags & (O_ACCMODE | O_EXCL)) | O_CREAT, fi);
}

static int
lossy_opendir(const char *path, struct fuse_file_info *fi)
{
    return open_at(path, O_RDONLY, fi);
}

static int
lossy_release(const char *path, struct fuse_file_info *fi)
{
    int fd = fd_of(fi);

    (void)path;
    if (fd >= 0) {
        io_close(&fd);
    }
    free((void *)(uintptr_t)fi->fh);
    return 0;
}

static int
lossy_read(const char *path, char *buf, size_t n, off_t at, struct fuse_file_info *fi)
{
    int fd = enter_file(fi);

    (void)path;
    return fd < 0 ? fd : (int)io_pread(fd, buf, n, (uint64_t)at);
}

static int
lossy_write(const char *path, const char *buf, size_t n, off_t at, struct fuse_file_info *fi)
{
    int fd = enter_file(fi);
    int rc = fd < 0 ? fd : io_pwrite_all(fd, buf, n, (uint64_t)at);

    (void)path;
    return rc < 0 ? rc : (int)n;
}

static int
lossy_fsync(const char *path, int only_data, struct fuse_file_info *fi)
{
    int fd = enter_file(fi);

    (void)path;
    if (fd < 0) {
        return fd;
    }
    return only_data ? io_fdatasync(fd) : io_fsync(fd);
}

static int
lossy_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
    struct fuse_file_info own = { .fh = 0 };
    int rc, fd;

    if (fi != NULL) {
        fd = enter_file(fi);
        return fd < 0 ? fd : io_ftruncate(fd, (uint64_t)size);
    }
    rc = open_at(path, O_WRONLY, &own);
    if (rc == 0) {
        rc = io_ftruncate(fd_of(&own), (uint64_t)size);
        (void)lossy_release(path, &own);
    }
    return rc;
}

static int
lossy_fallocate(const char *path, int mode, off_t at, off_t n, struct fuse_file_info *fi)
{
    int fd = enter_file(fi);

    (void)path;
    if (mode != 0) {
        return -EOPNOTSUPP;
    }
    return fd < 0 ? fd : io_fallocate(fd, (uint64_t)at, (uint64_t)n);
}

struct listing {
    void *buf;
    fuse_fill_dir_t add;
};

static int
each_name(void *ctx, const char *name)
{
    struct listing *l = ctx;

    return l->add(l->buf, name, NULL, 0, 0) != 0 ? -ENOMEM : 0;
}

static int
lossy_readdir(const char *path, void *buf, fuse_fill_dir_t add, off_t at, struct fuse_file_info *fi,
    enum fuse_readdir_flags flags)
{
    struct listing l = { buf, add };
    const struct handle *h = (const struct handle *)(uintptr_t)fi->fh;

    (void)path; /* NULL: libfuse has no name for what is open */
    (void)at;
    (void)flags;
    if (add(buf, ".", NULL, 0, 0) != 0 || add(buf, "..", NULL, 0, 0) != 0) {
        return -ENOMEM;
    }
    return io_list(h->place, each_name, &l);
}

static int
lossy_mkdir(const char *path, mode_t mode)
{
    char place[PATH_CAP];
    int rc;

    place_of(place, path);
    rc = enter();
    return rc < 0 ? rc : io_mkdir(place, mode);
}

static int
lossy_unlink(const char *path)
{
    char place[PATH_CAP];
    int rc;

    place_of(place, path);
    rc = enter();
    return rc < 0 ? rc : io_unlink(place);
}

static int
lossy_rename(const char *from, const char *to, unsigned flags)
{
    char old_place[PATH_CAP], new_place[PATH_CAP];
    int rc;

    if (flags != 0) {
        return -EINVAL;
    }
    place_of(old_place, from);
    place_of(new_place, to);
    rc = enter();
    return rc < 0 ? rc : io_rename(old_place, new_place);
}

static int
lossy_link(const char *from, const char *to)
{
    char old_place[PATH_CAP], new_place[PATH_CAP];
    int rc;

    place_of(old_place, from);
    place_of(new_place, to);
    rc = enter();
    return rc < 0 ? rc : io_link(old_place, new_place);
}

static int
lossy_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    (void)path;
    (void)mode;
    (void)fi;
    return 0;
}

static int
lossy_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi)
{
    (void)path;
    (void)uid;
    (void)gid;
    (void)fi;
    return 0;
}

static int
lossy_statfs(const char *path, struct statvfs *out)
{
    struct io_space space;
    int rc = io_space(path, &space);

    memset(out, 0, sizeof(*out));
    out->f_bsize = out->f_frsize = IO_BLOCK_BYTES;
    out->f_namemax = PATH_CAP - sizeof(ROOT);
    if (rc == 0) {
        out->f_blocks = space.total_bytes / IO_BLOCK_BYTES;
        out->f_bfree = out->f_bavail = space.free_bytes / IO_BLOCK_BYTES;
    }
    return rc;
}

/* "CALLS PID" */
static int
cut_later(const char *value, size_t n)
{
    char text[64];
    char *end;

    if (n >= sizeof(text)) {
        return -EINVAL;
    }
    memcpy(text, value, n);
    text[n] = '\0';
    fs.cut_at = (struct timespec){ 0 };
    fs.cut_in = strtoul(text, &end, 10);
    fs.keeper = strtol(end, &end, 10);
    return fs.cut_in > 0 && fs.keeper > 0 && *end == '\0' ? 0 : -EINVAL;
}

static int
lossy_setxattr(const char *path, const char *name, const char *value, size_t n, int flags)
{
    (void)flags;
    if (strcmp(path, "/") != 0) {
        return -ENOTSUP;
    }
    if (strcmp(name, "user.cut") == 0) {
        fs.cut_in = 0;
        cut();
        return 0;
    }
    if (strcmp(name, "user.cut_in") == 0) {
        return cut_later(value, n);
    }
    if (strcmp(name, "user.lie") == 0) {
        fake_disk_lie(fs.disk, n == 1 && value[0] == '1');
        return 0;
    }
    return -ENOTSUP;
}

static int
lossy_getxattr(const char *path, const char *name, char *out, size_t cap)
{
    char text[64] = "";
    int n = 0;

    if (strcmp(path, "/") != 0 || strcmp(name, "user.cut_at") != 0) {
        return -ENODATA;
    }
    if (fs.cut_at.tv_sec != 0) {
        n = snprintf(
            text, sizeof(text), "%lld.%09ld", (long long)fs.cut_at.tv_sec, fs.cut_at.tv_nsec);
    }
    if (cap != 0 && cap < (size_t)n) {
        return -ERANGE;
    }
    if (cap != 0) {
        memcpy(out, text, (size_t)n);
    }
    return n;
}

static void *
lossy_init(struct fuse_conn_info *conn, struct fuse_config *config)
{
    (void)conn;
    config->direct_io = 1; /* no page of the kernel's outlives a cut */
    config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
    config->hard_remove = 1; /* a file that is open may lose its name: the handle knows it */
    config->nullpath_ok = 1;
    return NULL;
}

static const struct fuse_operations operations = {
    .init = lossy_init,
    .getattr = lossy_getattr,
    .open = lossy_open,
    .create = lossy_create,
    .release = lossy_release,
    .read = lossy_read,
    .write = lossy_write,
    .fsync = lossy_fsync,
    .truncate = lossy_truncate,
    .fallocate = lossy_fallocate,
    .opendir = lossy_opendir,
    .readdir = lossy_readdir,
    .releasedir = lossy_release,
    .fsyncdir = lossy_fsync,
    .mkdir = lossy_mkdir,
    .unlink = lossy_unlink,
    .rename = lossy_rename,
    .link = lossy_link,
    .chmod = lossy_chmod,
    .chown = lossy_chown,
    .statfs = lossy_statfs,
    .setxattr = lossy_setxattr,
    .getxattr = lossy_getxattr,
};

int
main(int argc, char **argv)
{
    static const struct fuse_opt known[] = {
        { "--seed %lu", offsetof(struct options, seed), 0 },
        { "--size %lu", offsetof(struct options, size_mib), 0 },
        FUSE_OPT_END,
    };
    struct options o = { .seed = 1, .size_mib = 512 };
    struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
    int rc;

    if (fuse_opt_parse(&args, &o, known, NULL) < 0 || fuse_opt_add_arg(&args, "-f") < 0 ||
        fuse_opt_add_arg(&args, "-s") < 0 ||
        fuse_opt_add_arg(&args, "-oallow_other,fsname=lossyfs") < 0) {
        return 2;
    }
    fs.disk = fake_disk_new(o.seed, (uint64_t)o.size_mib * MIB);
    fake_disk_put(fs.disk, ROOT, NULL, 0);
    fake_disk_use(fs.disk);
    rc = fuse_main(args.argc, args.argv, &operations, NULL);
    fuse_opt_free_args(&args);
    fake_disk_free(fs.disk);
    return rc;
}
