#include "core/io.h"
#include "test_main.h"
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static char dir[64], path[128], other[128];

static void
enter_dir(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/test_io.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/a", dir);
    (void)snprintf(other, sizeof(other), "%s/b", dir);
}

static int
count_name(void *ctx, const char *name)
{
    CU_ASSERT_TRUE(name[0] != '.');
    ++*(int *)ctx;
    return 0;
}

static int
stop_at_first(void *ctx, const char *name)
{
    (void)name;
    ++*(int *)ctx;
    return -ECANCELED;
}

static int
names_in_dir(void)
{
    int count = 0;

    CU_ASSERT_EQUAL(io_list(dir, count_name, &count), 0);
    return count;
}

static void
leave_dir(void)
{
    (void)!io_unlink(path);
    (void)!io_unlink(other);
    CU_ASSERT_EQUAL(rmdir(dir), 0); /* so no temporary file was left */
}

static void
a_small_file_is_replaced_as_a_whole(void)
{
    char text[16];
    size_t n = 99;

    enter_dir();
    CU_ASSERT_EQUAL(io_write_file(path, SLICE_LIT("first"), 0640), 0);
    CU_ASSERT_EQUAL(io_write_file(path, SLICE_LIT("second!"), 0640), 0);
    CU_ASSERT_EQUAL(io_read_file(path, text, sizeof(text), &n), 0);
    CU_ASSERT_TRUE(slice_eq((struct slice){ text, n }, SLICE_LIT("second!")));
    CU_ASSERT_EQUAL(io_read_file(path, text, 7, &n), 0);
    CU_ASSERT_EQUAL(n, 7);
    CU_ASSERT_EQUAL(io_read_file(path, text, 6, &n), BH_ETOOBIG);
    CU_ASSERT_EQUAL(n, 7);
    CU_ASSERT_EQUAL(io_read_file(other, text, sizeof(text), &n), -ENOENT);
    CU_ASSERT_EQUAL(io_write_file("/nonexistent/x", SLICE_LIT("x"), 0600), -ENOENT);
    CU_ASSERT_EQUAL(names_in_dir(), 1);
    leave_dir();
}

static void
of_two_that_create_a_name_one_loses(void)
{
    char text[16];
    size_t n = 0;

    enter_dir();
    CU_ASSERT_EQUAL(io_create_file(path, SLICE_LIT("winner"), 0600), 0);
    CU_ASSERT_EQUAL(io_create_file(path, SLICE_LIT("loser"), 0600), -EEXIST);
    CU_ASSERT_EQUAL(io_read_file(path, text, sizeof(text), &n), 0);
    CU_ASSERT_TRUE(slice_eq((struct slice){ text, n }, SLICE_LIT("winner")));
    CU_ASSERT_EQUAL(names_in_dir(), 1);
    leave_dir();
}

static void
positions_and_vectors_land_where_they_should(void)
{
    struct iovec iov[] = { { (char[]){ "abc" }, 3 }, { NULL, 0 }, { (char[]){ "defg" }, 4 } };
    char text[16] = { 0 };
    struct io_stat st;
    int fd;

    enter_dir();
    fd = io_open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_TRUE((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    CU_ASSERT_EQUAL(io_fallocate(fd, 0, 8192), 0);
    CU_ASSERT_EQUAL(io_pwritev_all(fd, iov, 3, 4000), 0);
    CU_ASSERT_EQUAL(io_pwrite_all(fd, "XY", 2, 4001), 0);
    CU_ASSERT_EQUAL(io_fdatasync(fd), 0);
    CU_ASSERT_EQUAL(io_fsync(fd), 0);
    CU_ASSERT_EQUAL(io_pread(fd, text, 7, 4000), 7);
    CU_ASSERT_STRING_EQUAL(text, "aXYdefg");
    CU_ASSERT_EQUAL(io_drop_cache(fd), 0);
    CU_ASSERT_EQUAL(io_fstat(fd, &st), 0);
    CU_ASSERT_EQUAL(st.size_bytes, 8192);
    CU_ASSERT_FALSE(st.is_dir);
    CU_ASSERT_EQUAL(io_ftruncate(fd, 4003), 0);
    CU_ASSERT_EQUAL(io_pread(fd, text, 16, 4000), 3); /* the end */
    CU_ASSERT_EQUAL(io_pread(fd, text, 16, 9000), 0);
    io_close(&fd);
    CU_ASSERT_EQUAL(fd, -1);
    io_close(&fd);
    leave_dir();
}

static void
a_read_that_would_block_says_so(void)
{
    char text[8];
    ssize_t n;
    int fd;

    enter_dir();
    CU_ASSERT_EQUAL(io_write_file(path, SLICE_LIT("0123456789"), 0600), 0);
    fd = io_open(path, O_RDONLY, 0);
    n = io_pread_nowait(fd, text, 4, 2); /* tmpfs cannot tell, and gives -EAGAIN */
    CU_ASSERT_TRUE(n == -EAGAIN || (n == 4 && memcmp(text, "2345", 4) == 0));
    io_close(&fd);
    leave_dir();
}

static void
a_lock_holds_against_another_open_file(void)
{
    int first, second;

    enter_dir();
    first = io_open(path, O_RDWR | O_CREAT, 0600);
    second = io_open(path, O_RDWR, 0);
    CU_ASSERT_EQUAL(io_lock(first, true), 0);
    CU_ASSERT_EQUAL(io_lock(first, true), 0); /* it is ours */
    CU_ASSERT_EQUAL(io_lock(second, true), -EAGAIN);
    CU_ASSERT_EQUAL(io_lock(second, false), -EAGAIN);
    io_close(&first);
    CU_ASSERT_EQUAL(io_lock(second, true), 0);
    io_close(&second);
    leave_dir();
}

static void
directories_names_and_space_are_told(void)
{
    struct io_stat st;
    struct io_space space;
    int count = 0;

    enter_dir();
    CU_ASSERT_EQUAL(io_mkdir(path, 0700), 0);
    CU_ASSERT_EQUAL(io_mkdir(path, 0700), -EEXIST);
    CU_ASSERT_EQUAL(io_stat(path, &st), 0);
    CU_ASSERT_TRUE(st.is_dir);
    CU_ASSERT_EQUAL(st.mode, 0700);
    CU_ASSERT_EQUAL(io_sync_dir(dir), 0);
    CU_ASSERT_EQUAL(io_sync_dir("/nonexistent"), -ENOENT);
    CU_ASSERT_EQUAL(io_rename(path, other), 0);
    CU_ASSERT_EQUAL(io_stat(path, &st), -ENOENT);
    CU_ASSERT_EQUAL(io_space(dir, &space), 0);
    CU_ASSERT_TRUE(space.total_bytes >= space.free_bytes && space.total_bytes > 0);
    CU_ASSERT_EQUAL(io_list(dir, stop_at_first, &count), -ECANCELED);
    CU_ASSERT_EQUAL(count, 1);
    CU_ASSERT_EQUAL(io_list("/nonexistent", count_name, &count), -ENOENT);
    CU_ASSERT_EQUAL(rmdir(other), 0);
    leave_dir();
}

/* ---- the seam: a disk that gives little, is interrupted, and fails at will ---- */

static struct {
    ssize_t piece;
    int interrupts, fail_fsync, fail_link, writes;
} fake;

static ssize_t
fake_pwritev(int fd, const struct iovec *iov, int count, uint64_t offset)
{
    struct iovec one = iov[0];

    (void)count;
    fake.writes++;
    if (fake.interrupts > 0) {
        fake.interrupts--;
        return -EINTR;
    }
    one.iov_len = MIN(one.iov_len, (size_t)fake.piece);
    return one.iov_len > 0 ? io_real.pwritev(fd, &one, 1, offset) : 0;
}

static ssize_t
fake_pread(int fd, void *buf, size_t n, uint64_t offset)
{
    if (fake.interrupts > 0) {
        fake.interrupts--;
        return -EINTR;
    }
    return io_real.pread(fd, buf, MIN(n, (size_t)fake.piece), offset);
}

static int
fake_fsync(int fd)
{
    return fake.fail_fsync != 0 ? fake.fail_fsync : io_real.fsync(fd);
}

static int
fake_link(const char *from, const char *to)
{
    return fake.fail_link != 0 ? fake.fail_link : io_real.link(from, to);
}

static void
short_and_interrupted_calls_are_continued(void)
{
    struct io_ops ops = io_real;
    struct iovec iov[] = { { (char[]){ "abcde" }, 5 }, { (char[]){ "fgh" }, 3 } };
    char text[16] = { 0 };
    int fd;

    ops.pwritev = fake_pwritev;
    ops.pread = fake_pread;
    enter_dir();
    io_set_ops(&ops);
    fake.piece = 2;
    fake.interrupts = 2;
    fd = io_open(path, O_RDWR | O_CREAT, 0600);
    CU_ASSERT_EQUAL(io_pwritev_all(fd, iov, 2, 0), 0);
    fake.interrupts = 2;
    CU_ASSERT_EQUAL(io_pread(fd, text, sizeof(text), 0), 8);
    CU_ASSERT_STRING_EQUAL(text, "abcdefgh");
    fake.piece = 0;
    CU_ASSERT_EQUAL(io_pwrite_all(fd, "x", 1, 0), -EIO); /* not for ever */
    io_close(&fd);
    io_set_ops(NULL);
    leave_dir();
}

static void
a_failed_sync_leaves_the_old_file_and_no_other(void)
{
    struct io_ops ops = io_real;
    char text[16];
    size_t n = 0;

    ops.fsync = fake_fsync;
    ops.link = fake_link;
    enter_dir();
    CU_ASSERT_EQUAL(io_write_file(path, SLICE_LIT("old"), 0600), 0);
    io_set_ops(&ops);
    fake.fail_fsync = -EIO;
    CU_ASSERT_EQUAL(io_write_file(path, SLICE_LIT("new"), 0600), -EIO);
    CU_ASSERT_EQUAL(io_create_file(other, SLICE_LIT("new"), 0600), -EIO);
    fake.fail_fsync = 0;
    fake.fail_link = -EPERM;
    CU_ASSERT_EQUAL(io_create_file(other, SLICE_LIT("new"), 0600), -EPERM);
    fake.fail_link = 0;
    io_set_ops(NULL);
    CU_ASSERT_EQUAL(io_read_file(path, text, sizeof(text), &n), 0);
    CU_ASSERT_TRUE(slice_eq((struct slice){ text, n }, SLICE_LIT("old")));
    CU_ASSERT_EQUAL(names_in_dir(), 1);
    leave_dir();
}

static void
a_name_too_long_is_an_error(void)
{
    static char name[PATH_MAX];

    memset(name, 'x', sizeof(name) - 1);
    CU_ASSERT_EQUAL(io_write_file(name, SLICE_LIT("x"), 0600), -ENAMETOOLONG);
    CU_ASSERT_EQUAL(io_create_file(name, SLICE_LIT("x"), 0600), -ENAMETOOLONG);
}

static void
blocks_are_aligned_and_zero(void)
{
    static const size_t sizes[] = { 0, 1, 4096, 4097 };

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        unsigned char *blocks = io_alloc_blocks(sizes[i]);

        CU_ASSERT_PTR_NOT_NULL_FATAL(blocks);
        CU_ASSERT_EQUAL((uintptr_t)blocks % IO_BLOCK_BYTES, 0);
        CU_ASSERT_EQUAL(blocks[MAX(sizes[i], (size_t)1) - 1], 0);
        free(blocks);
    }
    CU_ASSERT_PTR_NULL(io_alloc_blocks(SIZE_MAX));
}

TEST_MAIN("io", TEST(a_small_file_is_replaced_as_a_whole),
    TEST(of_two_that_create_a_name_one_loses), TEST(positions_and_vectors_land_where_they_should),
    TEST(a_read_that_would_block_says_so), TEST(a_lock_holds_against_another_open_file),
    TEST(directories_names_and_space_are_told), TEST(short_and_interrupted_calls_are_continued),
    TEST(a_failed_sync_leaves_the_old_file_and_no_other), TEST(a_name_too_long_is_an_error),
    TEST(blocks_are_aligned_and_zero))
