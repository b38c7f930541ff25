/* support/test_main.h - CUnit with a process exit code.
 *
 * CUnit's own runner does not fail the process. TEST_MAIN runs the listed cases
 * and returns 1 if an assertion failed or no case ran.
 *
 *   static void a_sentence_that_is_true(void) { CU_ASSERT_TRUE(...); }
 *   TEST_MAIN("slice", TEST(a_sentence_that_is_true))
 */
#ifndef SUPPORT_TEST_MAIN_H
#define SUPPORT_TEST_MAIN_H

#include <CUnit/Basic.h>
#include <stdlib.h>

struct test_case {
    const char *name;
    void (*run)(void);
};

#define TEST(fn)                                                                                   \
    {                                                                                              \
#fn, fn                                                                                    \
    }

static inline int
test_main(const char *suite_name, const struct test_case *cases, size_t count)
{
    CU_pSuite suite;
    unsigned failed;

    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    suite = CU_add_suite(suite_name, NULL, NULL);
    if (suite == NULL) {
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        if (CU_add_test(suite, cases[i].name, cases[i].run) == NULL) {
            return 1;
        }
    }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    failed = CU_get_number_of_failures() + CU_get_number_of_tests_failed();
    if (CU_get_number_of_tests_run() != count) {
        failed++;
    }
    CU_cleanup_registry();
    return failed == 0 ? 0 : 1;
}

#define TEST_MAIN(suite_name, ...)                                                                 \
    int main(void)                                                                                 \
    {                                                                                              \
        static const struct test_case cases[] = { __VA_ARGS__ };                                   \
        return test_main(suite_name, cases, sizeof(cases) / sizeof(cases[0]));                     \
    }

#endif
