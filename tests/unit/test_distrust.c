#include "core/io.h"
#include "queue/distrust.h"
#include "test_main.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

struct rig {
    char dir[64], lock[96], mark[128];
};

static void
begin(struct rig *r)
{
    (void)snprintf(r->dir, sizeof(r->dir), "/tmp/test_distrust.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(r->dir));
    (void)snprintf(r->lock, sizeof(r->lock), "%s/lock", r->dir);
    (void)snprintf(r->mark, sizeof(r->mark), "%s.distrust", r->lock);
}

static void
end(struct rig *r)
{
    (void)unlink(r->mark);
    CU_ASSERT_EQUAL(rmdir(r->dir), 0);
}

static void
without_a_failure_a_mount_is_believed(void)
{
    struct rig r;
    char mark[128];

    begin(&r);
    CU_ASSERT_EQUAL(distrust_check(r.lock, r.dir, mark, sizeof(mark)), 0);
    CU_ASSERT_EQUAL(distrust_check("", r.dir, mark, sizeof(mark)), 0);
    CU_ASSERT_EQUAL(distrust_check(NULL, r.dir, mark, sizeof(mark)), 0);
    end(&r);
}

static void
a_mount_that_failed_is_refused_until_it_is_another(void)
{
    struct rig r;
    char mark[128] = "";

    begin(&r);
    distrust_mount(r.lock, r.dir);
    CU_ASSERT_EQUAL(distrust_check(r.lock, r.dir, mark, sizeof(mark)), -EIO);
    CU_ASSERT_STRING_EQUAL(mark, r.mark);
    CU_ASSERT_EQUAL(distrust_check(r.lock, r.dir, mark, sizeof(mark)), -EIO); /* and again */
    CU_ASSERT_EQUAL(distrust_check(r.lock, "/proc", mark, sizeof(mark)), 0);  /* another mount */
    CU_ASSERT_EQUAL(access(r.mark, F_OK), -1); /* the mark has done its work */
    CU_ASSERT_EQUAL(distrust_check(r.lock, r.dir, mark, sizeof(mark)), 0);
    end(&r);
}

static void
a_mark_of_another_boot_says_nothing(void)
{
    struct rig r;
    char mark[128];

    begin(&r);
    CU_ASSERT_EQUAL(
        io_write_file(r.mark, SLICE_LIT("00000000-0000-0000-0000-000000000000 1\n"), 0600), 0);
    CU_ASSERT_EQUAL(distrust_check(r.lock, r.dir, mark, sizeof(mark)), 0);
    CU_ASSERT_EQUAL(access(r.mark, F_OK), -1);
    end(&r);
}

TEST_MAIN("distrust", TEST(without_a_failure_a_mount_is_believed),
    TEST(a_mount_that_failed_is_refused_until_it_is_another),
    TEST(a_mark_of_another_boot_says_nothing))
