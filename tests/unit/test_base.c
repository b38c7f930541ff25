#include "core/base.h"
#include "test_main.h"
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void
every_code_has_a_text(void)
{
    for (int code = BH_EDNS_TEMP; code >= BH_EDNS_TEMP - 20; code--) {
        CU_ASSERT_TRUE(strlen(error_text(code)) > 0);
    }
    for (int code = BH_EFENCED; code > BH_EDNS_TEMP; code--) {
        CU_ASSERT_STRING_NOT_EQUAL(error_text(code), "unknown error");
    }
    CU_ASSERT_STRING_EQUAL(error_text(0), "success");
    CU_ASSERT_STRING_EQUAL(error_text(-ENOSPC), "No space left on device");
    CU_ASSERT_STRING_EQUAL(error_text(-4095), "end of stream");
    CU_ASSERT_STRING_EQUAL(error_text(-9999), "unknown error");
    CU_ASSERT_STRING_EQUAL(error_text(7), "unknown error");
    CU_ASSERT_STRING_EQUAL(error_text(INT32_MIN), "unknown error");
}

static void
a_failed_check_aborts(void)
{
    pid_t pid = fork();
    int status = 0;

    CU_ASSERT_TRUE_FATAL(pid >= 0);
    if (pid == 0) {
        (void)!freopen("/dev/null", "w", stderr);
        CHECK(pid != 0);
        _exit(0);
    }
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

TEST_MAIN("base", TEST(every_code_has_a_text), TEST(a_failed_check_aborts))
