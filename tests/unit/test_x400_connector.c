/* A connector's options as an association keeps them. */
#include "core/secret.h"
#include "test_main.h"
#include "x400/x400_link.h"

static void
passwords_are_kept_apart_from_all_else(void)
{
    char ours[] = "ours", theirs[] = "theirs";
    struct x400_connector_options o = { .name = SLICE_LIT("paris"),
        .local_mta = SLICE_LIT("LONDON"),
        .local_password = { ours, 4 },
        .remote_mta = SLICE_LIT("PARIS"),
        .remote_password = { theirs, 6 } };
    struct x400_conf *conf;

    CU_ASSERT_EQUAL_FATAL(x400_conf_new(&conf, &o), 0);
    explicit_bzero(ours, sizeof(ours)); /* a reload, and the configuration is gone */
    explicit_bzero(theirs, sizeof(theirs));
    CU_ASSERT_PTR_NOT_NULL(conf->passwords);
    CU_ASSERT_TRUE(slice_eq(conf->o.local_password, SLICE_LIT("ours")));
    CU_ASSERT_TRUE(slice_eq(conf->o.remote_password, SLICE_LIT("theirs")));
    /* both in the page that core/secret keeps out of core dumps, where malloc has nothing */
    CU_ASSERT_EQUAL((uintptr_t)conf->o.local_password.p % 4096, 0);
    CU_ASSERT_PTR_EQUAL(conf->o.remote_password.p, conf->o.local_password.p + 4);
    x400_conf_unref(conf);

    o.local_password = o.remote_password = SLICE_NONE;
    CU_ASSERT_EQUAL_FATAL(x400_conf_new(&conf, &o), 0);
    CU_ASSERT_PTR_NULL(conf->passwords);
    CU_ASSERT_EQUAL(conf->o.remote_password.n, 0);
    x400_conf_unref(conf);
}

TEST_MAIN("x400_connector", TEST(passwords_are_kept_apart_from_all_else))
