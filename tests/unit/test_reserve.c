/* The reserve: made whole by steps, taken by renames, a real directory for it. */
#include "queue/owner_file.h"
#include "queue/reserve.h"
#include "test_main.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT SEGMENT_BYTES_MIN

static char dir[64];
static uint8_t *zeros;

static void
begin(struct reserve *r, uint32_t epoch, uint64_t bytes)
{
    reserve_init(r, dir, epoch, SEGMENT, bytes);
    r->zeros = zeros;
    r->zeros_bytes = SEGMENT / 4;
    CU_ASSERT_EQUAL_FATAL(reserve_count(r, NULL), 0);
}

static void
make_whole(struct reserve *r)
{
    int rc;

    do {
        rc = reserve_step(r, 0);
    } while (rc == 1);
    CU_ASSERT_EQUAL(rc, 0);
}

static void
store_begin(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/test_reserve.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    zeros = io_alloc_blocks(SEGMENT / 4);
    CU_ASSERT_PTR_NOT_NULL_FATAL(zeros);
}

static int
each_unlink(void *ctx, const char *name)
{
    char path[STORE_PATH_CAP];

    return store_path(path, ctx, name) == 0 ? io_unlink(path) : 0;
}

static void
store_end(void)
{
    CU_ASSERT_EQUAL(io_list(dir, each_unlink, dir), 0);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
    free(zeros);
}

static void
it_is_made_once_and_belongs_to_whoever_comes(void)
{
    struct reserve a, b;

    store_begin();
    begin(&a, 1, 2 * SEGMENT + 1);
    CU_ASSERT_EQUAL(reserve_lacking(&a), 3 * SEGMENT); /* no less than was asked for */
    make_whole(&a);
    CU_ASSERT_EQUAL(reserve_bytes(&a), 3 * SEGMENT);
    reserve_fini(&a);
    begin(&b, 2, 3 * SEGMENT);
    CU_ASSERT_EQUAL(reserve_lacking(&b), 0);
    CU_ASSERT_EQUAL(reserve_step(&b, 0), 0);
    reserve_fini(&b);
    store_end();
}

static void
what_is_too_much_goes(void)
{
    struct reserve r;

    store_begin();
    begin(&r, 1, 3 * SEGMENT);
    make_whole(&r);
    begin(&r, 2, SEGMENT);
    make_whole(&r);
    CU_ASSERT_EQUAL(reserve_bytes(&r), SEGMENT);
    store_end();
}

static void
one_is_taken_by_one(void)
{
    char path[STORE_PATH_CAP], other[STORE_PATH_CAP];
    struct reserve a, b;
    struct io_stat st;
    uint64_t bytes;

    store_begin();
    begin(&a, 1, SEGMENT);
    make_whole(&a);
    begin(&b, 2, SEGMENT);
    CU_ASSERT_EQUAL(reserve_take(&a, RESERVE_SEGMENT, path, &bytes), 0);
    CU_ASSERT_EQUAL(bytes, SEGMENT);
    CU_ASSERT_EQUAL(io_stat(path, &st), 0);
    CU_ASSERT_TRUE(st.size_bytes == SEGMENT && st.blocks_512 * 512 >= SEGMENT);
    CU_ASSERT_EQUAL(reserve_take(&b, RESERVE_SEGMENT, other, &bytes), -ENOSPC); /* it is gone */
    CU_ASSERT_EQUAL(reserve_lacking(&a), SEGMENT);
    CU_ASSERT_EQUAL(reserve_put(&a, path), 0);
    CU_ASSERT_EQUAL(reserve_lacking(&a), 0);
    CU_ASSERT_EQUAL(reserve_take(&b, RESERVE_SEGMENT, other, &bytes), 0);
    store_end();
}

static void
a_larger_one_serves_where_no_small_one_is_left(void)
{
    char path[STORE_PATH_CAP];
    struct reserve r;
    uint64_t bytes, last = 0;
    unsigned count = 0;

    store_begin();
    begin(&r, 1, SEGMENT);
    make_whole(&r);
    while (reserve_take(&r, RESERVE_FIRST, path, &bytes) == 0) {
        CU_ASSERT_TRUE(bytes >= last);
        last = bytes;
        count++;
    }
    CU_ASSERT_EQUAL(last, SEGMENT);
    CU_ASSERT_TRUE(count > 1);
    CU_ASSERT_TRUE(reserve_take_owner(dir, path) == 0); /* of its own kind */
    store_end();
}

/* A backup that was brought back, say. */
static void
a_file_with_holes_is_made_anew(void)
{
    char path[STORE_PATH_CAP];
    struct lease lease = { .length_ns = 1, .end_ns = UINT64_MAX };
    struct reserve r;
    int fd;

    store_begin();
    (void)snprintf(path, sizeof(path), "%s/reserve.segment-00000001-9", dir);
    fd = io_open(path, O_RDWR | O_CREAT, 0600);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(io_ftruncate(fd, SEGMENT), 0);
    io_close(&fd);
    reserve_init(&r, dir, 2, SEGMENT, SEGMENT);
    CU_ASSERT_EQUAL(reserve_count(&r, &lease), 0);
    CU_ASSERT_EQUAL(reserve_lacking(&r), SEGMENT);
    CU_ASSERT_EQUAL(access(path, F_OK), -1);
    lease.end_ns = 0;
    fd = io_open(path, O_RDWR | O_CREAT, 0600);
    io_close(&fd);
    CU_ASSERT_EQUAL(reserve_count(&r, &lease), BH_EFENCED);
    store_end();
}

static void
one_in_the_making_can_be_given_up(void)
{
    struct reserve r;

    store_begin();
    begin(&r, 1, SEGMENT);
    while (r.fd < 0) {
        CU_ASSERT_EQUAL_FATAL(reserve_step(&r, 0), 1); /* the small ones take one step each */
    }
    reserve_give_up(&r);
    CU_ASSERT_EQUAL(reserve_step(&r, UINT64_MAX / 2), -ENOSPC);
    make_whole(&r);
    CU_ASSERT_EQUAL(reserve_lacking(&r), 0);
    store_end();
}

/* An owner that was frozen takes what his successor has counted. */
static void
what_another_took_is_missed_when_it_is_not_found(void)
{
    char path[STORE_PATH_CAP];
    struct reserve stale, now;
    uint64_t bytes;

    store_begin();
    begin(&stale, 1, 2 * SEGMENT);
    make_whole(&stale);
    begin(&now, 2, 2 * SEGMENT);
    CU_ASSERT_EQUAL(reserve_take(&stale, RESERVE_SEGMENT, path, &bytes), 0);
    CU_ASSERT_EQUAL(reserve_take(&now, RESERVE_SEGMENT, path, &bytes), 0);
    CU_ASSERT_EQUAL(reserve_take(&now, RESERVE_SEGMENT, path, &bytes), -ENOSPC);
    CU_ASSERT_EQUAL(reserve_bytes(&now), 0);
    CU_ASSERT_EQUAL(reserve_lacking(&now), 2 * SEGMENT);
    make_whole(&now);
    CU_ASSERT_EQUAL(reserve_take(&now, RESERVE_SEGMENT, path, &bytes), 0);
    CU_ASSERT_EQUAL(reserve_take(&now, RESERVE_SEGMENT, path, &bytes), 0);
    store_end();
}

static void
a_directory_in_its_place_stops_nobody(void)
{
    struct lease lease = { .length_ns = 1, .end_ns = UINT64_MAX };
    char path[STORE_PATH_CAP];
    struct reserve r;

    store_begin();
    (void)snprintf(path, sizeof(path), "%s/reserve.owner-00000001-9", dir);
    CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
    reserve_init(&r, dir, 2, SEGMENT, SEGMENT);
    CU_ASSERT_EQUAL(reserve_count(&r, &lease), 0);
    CU_ASSERT_EQUAL(r.have[RESERVE_OWNER], 0);
    CU_ASSERT_EQUAL(rmdir(path), 0);
    store_end();
}

/* Who asks for a first segment asks for whole blocks. */
static void
its_files_are_whole_blocks(void)
{
    struct reserve r;

    reserve_init(&r, "/", 1, 2 * MIB + IO_BLOCK_BYTES, MIB);
    for (int k = 0; k < RESERVE_KINDS; k++) {
        CU_ASSERT_EQUAL(r.bytes[k] % IO_BLOCK_BYTES, 0);
    }
}

TEST_MAIN("reserve", TEST(it_is_made_once_and_belongs_to_whoever_comes),
    TEST(what_is_too_much_goes), TEST(one_is_taken_by_one),
    TEST(a_larger_one_serves_where_no_small_one_is_left), TEST(a_file_with_holes_is_made_anew),
    TEST(one_in_the_making_can_be_given_up), TEST(what_another_took_is_missed_when_it_is_not_found),
    TEST(a_directory_in_its_place_stops_nobody), TEST(its_files_are_whole_blocks))
