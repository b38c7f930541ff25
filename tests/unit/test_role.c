#include "cluster/role.h"
#include "test_main.h"
#include <string.h>

static struct role_facts
healthy(void)
{
    return (struct role_facts){
        .queue_open = true, .vips = 2, .vips_present = 2, .joined = true, .quorate = true
    };
}

static struct role
role_of(const struct role_facts *f, uint64_t now_ms)
{
    struct role r = { .state = ROLE_STARTING };

    role_update(&r, f, now_ms);
    return r;
}

static void
a_healthy_owner_serves_and_sends(void)
{
    struct role_facts f = healthy();
    struct role r = role_of(&f, 0);

    CU_ASSERT_EQUAL(r.state, ROLE_SERVING);
    CU_ASSERT_TRUE(r.may_accept && r.may_send);
    CU_ASSERT_FALSE(r.must_stop_now);
    CU_ASSERT_EQUAL(r.reasons, 0);
}

static void
no_vip_within_its_grace_waits_and_sends_nothing(void)
{
    struct role_facts f = healthy();
    struct role r;

    f.vips_present = 0;
    f.vip_grace_until_ms = 10000;
    r = role_of(&f, 9999);
    CU_ASSERT_EQUAL(r.state, ROLE_WAITING_VIP);
    CU_ASSERT_TRUE(r.may_accept);
    CU_ASSERT_FALSE(r.may_send);
    CU_ASSERT_EQUAL(r.again_at_ms, 10000);
    r = role_of(&f, 10000);
    CU_ASSERT_EQUAL(r.state, ROLE_DEGRADED);
    CU_ASSERT_EQUAL(r.reasons, ROLE_VIP_MISSING);
    CU_ASSERT_EQUAL(r.again_at_ms, 0);
}

static void
one_missing_vip_degrades_and_the_other_still_sends(void)
{
    struct role_facts f = healthy();
    struct role r;

    f.vips_present = 1;
    r = role_of(&f, 5);
    CU_ASSERT_EQUAL(r.state, ROLE_DEGRADED);
    CU_ASSERT_TRUE(r.may_send);
}

static void
lost_quorum_or_corosync_stops_everything_at_once(void)
{
    struct role_facts f = healthy();
    struct role r;

    f.quorate = false;
    r = role_of(&f, 0);
    CU_ASSERT_EQUAL(r.reasons, ROLE_NO_QUORUM);
    CU_ASSERT_TRUE(r.must_stop_now);
    CU_ASSERT_FALSE(r.may_accept || r.may_send);
    f.joined = false;
    f.quorate = true; /* what it last said does not count */
    r = role_of(&f, 0);
    CU_ASSERT_EQUAL(r.reasons, ROLE_NO_COROSYNC);
    CU_ASSERT_TRUE(r.must_stop_now);
    CU_ASSERT_FALSE(r.may_accept || r.may_send);
}

static void
final_facts_win_over_all_others(void)
{
    struct role_facts f = healthy();

    f.draining = true;
    CU_ASSERT_EQUAL(role_of(&f, 0).state, ROLE_DRAINING);
    CU_ASSERT_FALSE(role_of(&f, 0).may_accept);
    f.released = true;
    CU_ASSERT_EQUAL(role_of(&f, 0).state, ROLE_RELEASED);
    f.fenced = true;
    CU_ASSERT_EQUAL(role_of(&f, 0).state, ROLE_FENCED);
    CU_ASSERT_TRUE(role_of(&f, 0).must_stop_now);
}

/* Whatever the facts: who may send may accept, who must stop may do neither, and degraded has a
 * reason. */
static void
no_combination_of_facts_leaves_a_permission_behind(void)
{
    for (unsigned bits = 0; bits < 1u << 14; bits++) {
        struct role_facts f = { .queue_opening = bits & 1,
            .queue_open = bits & 2,
            .vips = 1,
            .vips_present = bits & 4 ? 1 : 0,
            .joined = bits & 8,
            .quorate = bits & 16,
            .connector_down = bits & 32,
            .reserve_in_use = bits & 64,
            .quarantine = bits & 128,
            .restarted = bits & 256,
            .draining = bits & 512,
            .released = bits & 1024,
            .fenced = bits & 2048,
            .stopped = bits & 4096,
            .disk_full = bits & 8192 };
        struct role r = role_of(&f, 1);

        CU_ASSERT_TRUE_FATAL(!r.may_send || r.may_accept);
        CU_ASSERT_TRUE_FATAL(!r.must_stop_now || !r.may_accept);
        CU_ASSERT_TRUE_FATAL(
            !r.may_accept || (f.queue_open && f.joined && f.quorate && !f.released));
        CU_ASSERT_TRUE_FATAL(r.state != ROLE_DEGRADED || r.reasons != 0);
        CU_ASSERT_TRUE_FATAL(r.state != ROLE_SERVING || (r.may_send && r.reasons == 0));
    }
}

static void
each_reason_has_a_name_and_a_cure(void)
{
    for (unsigned a = 1; a < ROLE_REASONS_END; a <<= 1) {
        CU_ASSERT_STRING_NOT_EQUAL(role_reason_name((enum role_reason)a), "unknown");
        CU_ASSERT_TRUE(strchr(role_reason_text((enum role_reason)a), ':') != NULL);
        for (unsigned b = 1; b < a; b <<= 1) {
            CU_ASSERT_STRING_NOT_EQUAL(
                role_reason_name((enum role_reason)a), role_reason_name((enum role_reason)b));
        }
    }
}

TEST_MAIN("role", TEST(each_reason_has_a_name_and_a_cure), TEST(a_healthy_owner_serves_and_sends),
    TEST(no_vip_within_its_grace_waits_and_sends_nothing),
    TEST(one_missing_vip_degrades_and_the_other_still_sends),
    TEST(lost_quorum_or_corosync_stops_everything_at_once), TEST(final_facts_win_over_all_others),
    TEST(no_combination_of_facts_leaves_a_permission_behind))
