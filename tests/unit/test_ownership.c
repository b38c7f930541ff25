/* Rules 3 and 5 of design section 6, as tables: facts and times in, decision out. */
#include "queue/ownership.h"
#include "test_main.h"

#define S 1000000000ull

static struct owner_record
owner(enum owner_state state, const char *node, const char *boot, uint64_t epoch, uint64_t counter)
{
    struct owner_record o = {
        .state = state, .epoch = epoch, .counter = counter, .lease_ms = 6000
    };

    CU_ASSERT_EQUAL(slice_copy(slice_of(node), o.node, sizeof(o.node)), 0);
    CU_ASSERT_EQUAL(slice_copy(slice_of(boot), o.boot_id, sizeof(o.boot_id)), 0);
    return o;
}

static const struct ownership_self me = { "n1", "boot-a", true, NULL, 0 };

static void
what_the_last_owner_says_of_itself_decides(void)
{
    static const struct {
        enum owner_state state;
        const char *node, *boot;
        bool locks;
        const char *fenced;
        uint64_t fenced_epoch;
        enum ownership_verdict verdict;
        const char *cause;
    } rows[] = {
        { OWNER_NONE, "", "", false, NULL, 0, OWNERSHIP_CLAIM, "first" },
        { OWNER_RELEASED, "n2", "boot-b", false, NULL, 0, OWNERSHIP_CLAIM, "released" },
        { OWNER_DEAD, "n2", "boot-b", false, NULL, 0, OWNERSHIP_CLAIM, "dead" },
        { OWNER_ACTIVE, "n1", "boot-a", true, NULL, 0, OWNERSHIP_CLAIM, "same-node" },
        /* a lock that is not ours is held by somebody who lives */
        { OWNER_ACTIVE, "n1", "boot-a", false, NULL, 0, OWNERSHIP_WAIT, NULL },
        /* the same node before a reboot, or another of that name: not proved */
        { OWNER_ACTIVE, "n1", "boot-b", true, NULL, 0, OWNERSHIP_WAIT, NULL },
        { OWNER_ACTIVE, "n2", "boot-a", true, NULL, 0, OWNERSHIP_WAIT, NULL },
        { OWNER_ACTIVE, "n2", "boot-b", true, "n2", 7, OWNERSHIP_CLAIM, "fenced" },
        /* fencing of another epoch or node says nothing about this owner */
        { OWNER_ACTIVE, "n2", "boot-b", true, "n2", 6, OWNERSHIP_WAIT, NULL },
        { OWNER_ACTIVE, "n2", "boot-b", true, "n3", 7, OWNERSHIP_WAIT, NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct owner_record last = owner(rows[i].state, rows[i].node, rows[i].boot, 7, 3);
        struct ownership_self self = me;
        struct ownership_watch w = { 0 };
        struct ownership_decision d;

        self.both_locks = rows[i].locks;
        self.fenced_node = rows[i].fenced;
        self.fenced_epoch = rows[i].fenced_epoch;
        d = ownership_decide(&w, &last, &self, 10 * S, 10 * S);
        CU_ASSERT_EQUAL(d.verdict, rows[i].verdict);
        if (rows[i].cause != NULL && d.verdict == OWNERSHIP_CLAIM) {
            CU_ASSERT_STRING_EQUAL(d.cause, rows[i].cause);
        }
    }
}

static void
a_counter_that_stands_still_for_a_lease_and_a_quarter_is_dead(void)
{
    struct owner_record last = owner(OWNER_ACTIVE, "n2", "boot-b", 7, 3);
    struct ownership_watch w = { 0 };
    struct ownership_decision d = ownership_decide(&w, &last, &me, 10 * S, 11 * S);

    CU_ASSERT_EQUAL(d.verdict, OWNERSHIP_WAIT);
    CU_ASSERT_EQUAL(d.wait_ns, S); /* a sixth of the lease */
    /* 7.5 s from the end of the first look; a look that began before proves nothing */
    d = ownership_decide(&w, &last, &me, 11 * S + 7 * S + S / 2 - 1, 30 * S);
    CU_ASSERT_EQUAL(d.verdict, OWNERSHIP_WAIT);
    CU_ASSERT_EQUAL(d.wait_ns, 1);
    d = ownership_decide(&w, &last, &me, 11 * S + 7 * S + S / 2, 30 * S);
    CU_ASSERT_EQUAL(d.verdict, OWNERSHIP_CLAIM);
    CU_ASSERT_STRING_EQUAL(d.cause, "lease");
}

static void
a_counter_or_epoch_that_moves_is_alive(void)
{
    struct owner_record last = owner(OWNER_ACTIVE, "n2", "boot-b", 7, 3);
    struct ownership_watch w = { 0 };

    (void)ownership_decide(&w, &last, &me, 10 * S, 10 * S).verdict;
    last.counter++;
    CU_ASSERT_EQUAL(ownership_decide(&w, &last, &me, 99 * S, 99 * S).verdict, OWNERSHIP_REFUSE);
    w = (struct ownership_watch){ 0 };
    (void)ownership_decide(&w, &last, &me, 10 * S, 10 * S).verdict;
    last.epoch++;
    CU_ASSERT_EQUAL(ownership_decide(&w, &last, &me, 99 * S, 99 * S).verdict, OWNERSHIP_REFUSE);
    /* it released while we watched */
    last.state = OWNER_RELEASED;
    CU_ASSERT_EQUAL(ownership_decide(&w, &last, &me, 99 * S, 99 * S).verdict, OWNERSHIP_CLAIM);
}

/* I13 */
static void
a_lease_counts_from_before_its_write_and_never_begins_again(void)
{
    struct lease l;

    lease_begin(&l, 6000, 10 * S);
    CU_ASSERT_TRUE(lease_valid(&l, 16 * S - 1));
    CU_ASSERT_FALSE(lease_valid(&l, 16 * S));
    CU_ASSERT_EQUAL(lease_renewed(&l, 12 * S, 15 * S), 0); /* stalled, but in time */
    CU_ASSERT_TRUE(lease_valid(&l, 18 * S - 1));
    CU_ASSERT_FALSE(lease_valid(&l, 18 * S));
    CU_ASSERT_EQUAL(lease_renewed(&l, 14 * S, 18 * S), BH_EFENCED); /* too late */
    CU_ASSERT_FALSE(lease_valid(&l, 18 * S));
    lease_begin(&l, 6000, 10 * S);
    lease_end(&l);
    CU_ASSERT_EQUAL(lease_renewed(&l, 11 * S, 11 * S), BH_EFENCED);
    CU_ASSERT_FALSE(lease_valid(&l, 0));
}

static void
states_have_names(void)
{
    CU_ASSERT_STRING_EQUAL(owner_state_text(OWNER_NONE), "none");
    CU_ASSERT_STRING_EQUAL(owner_state_text(OWNER_ACTIVE), "active");
    CU_ASSERT_STRING_EQUAL(owner_state_text(OWNER_RELEASED), "released");
    CU_ASSERT_STRING_EQUAL(owner_state_text(OWNER_DEAD), "dead");
}

TEST_MAIN("ownership", TEST(what_the_last_owner_says_of_itself_decides),
    TEST(a_counter_that_stands_still_for_a_lease_and_a_quarter_is_dead),
    TEST(a_counter_or_epoch_that_moves_is_alive),
    TEST(a_lease_counts_from_before_its_write_and_never_begins_again), TEST(states_have_names))
