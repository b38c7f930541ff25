/* owner.<epoch>: bytes, both slots, and the race for a name; in a real directory. */
#include "core/crc32c.h"
#include "queue/owner_file.h"
#include "queue/record.h"
#include "queue/segment.h"
#include "test_main.h"
#include <stdio.h>
#include <unistd.h>

static char dir[64];

static struct owner_record
sample(uint64_t epoch, uint64_t counter)
{
    struct owner_record o = { .uuid = "0123456789abcde",
        .state = OWNER_ACTIVE,
        .epoch = epoch,
        .counter = counter,
        .lease_ms = 6000,
        .claimed_wall_ms = 1700000000000,
        .node = "node-1",
        .boot_id = "11111111-2222-3333-4444-555555555555" };

    return o;
}

static void
begin(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/test_owner_file.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
}

static void
end(void)
{
    char path[128];

    for (unsigned epoch = 0; epoch < 20; epoch++) {
        (void)snprintf(path, sizeof(path), "%s/owner.%u", dir, epoch);
        (void)unlink(path);
    }
    CU_ASSERT_EQUAL(rmdir(dir), 0); /* nothing else was left behind */
}

static void
a_slot_is_what_was_put_and_nothing_less(void)
{
    struct owner_record o = sample(7, 41), got;
    uint8_t slot[OWNER_SLOT_BYTES];

    o.sealed_lsn = 0x123456789a;
    owner_slot_put(slot, &o);
    CU_ASSERT_EQUAL(memcmp(slot, "BRIDGEOW\1\0\0\0\1\0\0\0", 16), 0);
    CU_ASSERT_EQUAL(owner_slot_get(slot, &got), 0);
    CU_ASSERT_EQUAL(memcmp(&got, &o, sizeof(o)), 0);
    for (size_t i = 0; i < 512; i++) {
        slot[i] ^= 0x10;
        CU_ASSERT_TRUE(owner_slot_get(slot, &got) < 0);
        slot[i] ^= 0x10;
    }
}

static void
the_newer_valid_slot_counts(void)
{
    struct owner_record older = sample(7, 4), newer = sample(7, 5), got;
    uint8_t bytes[OWNER_FILE_BYTES];

    owner_slot_put(bytes, &older);
    owner_slot_put(bytes + OWNER_SLOT_BYTES, &newer);
    CU_ASSERT_EQUAL(owner_file_parse(bytes, sizeof(bytes), &got), 0);
    CU_ASSERT_EQUAL(got.counter, 5);
    bytes[OWNER_SLOT_BYTES + 40] ^= 1; /* torn */
    CU_ASSERT_EQUAL(owner_file_parse(bytes, sizeof(bytes), &got), 0);
    CU_ASSERT_EQUAL(got.counter, 4);
    CU_ASSERT_EQUAL(owner_file_parse(bytes, OWNER_SLOT_BYTES, &got), 0);
    bytes[40] ^= 1;
    CU_ASSERT_EQUAL(owner_file_parse(bytes, sizeof(bytes), &got), BH_EDAMAGED);
    CU_ASSERT_EQUAL(owner_file_parse(bytes, 0, &got), BH_EDAMAGED);
}

static void
a_name_is_had_once(void)
{
    struct owner_record o = sample(3, 1), got;
    uint64_t epoch;

    begin();
    CU_ASSERT_EQUAL(owner_file_highest(dir, &epoch), 0);
    CU_ASSERT_EQUAL(epoch, 0);
    CU_ASSERT_EQUAL(owner_file_create(dir, &o), 0);
    CU_ASSERT_EQUAL(owner_file_create(dir, &o), -EEXIST);
    CU_ASSERT_EQUAL(owner_file_read(dir, 3, &got), 0);
    CU_ASSERT_EQUAL(memcmp(&got, &o, sizeof(o)), 0);
    o = sample(12, 1);
    CU_ASSERT_EQUAL(owner_file_create(dir, &o), 0);
    CU_ASSERT_EQUAL(owner_file_highest(dir, &epoch), 0);
    CU_ASSERT_EQUAL(epoch, 12); /* not by the alphabet */
    owner_file_prune(dir, 12);
    CU_ASSERT_EQUAL(owner_file_read(dir, 3, &got), -ENOENT);
    CU_ASSERT_EQUAL(owner_file_read(dir, 12, &got), 0);
    end();
}

static void
each_write_takes_the_other_slot(void)
{
    struct owner_record o = sample(3, 1), got;
    struct owner_file f;

    begin();
    CU_ASSERT_EQUAL(owner_file_create(dir, &o), 0);
    CU_ASSERT_EQUAL_FATAL(owner_file_open(&f, dir, &o), 0);
    CU_ASSERT_EQUAL(owner_file_write(&f, OWNER_ACTIVE, 0), 0);
    CU_ASSERT_EQUAL(owner_file_write(&f, OWNER_ACTIVE, 0), 0);
    CU_ASSERT_EQUAL(owner_file_read(dir, 3, &got), 0);
    CU_ASSERT_EQUAL(got.counter, 3);
    CU_ASSERT_EQUAL(owner_file_write(&f, OWNER_RELEASED, 777), 0);
    CU_ASSERT_EQUAL(owner_file_read(dir, 3, &got), 0);
    CU_ASSERT_EQUAL(got.state, OWNER_RELEASED);
    CU_ASSERT_EQUAL(got.sealed_lsn, 777);
    owner_file_close(&f);
    end();
}

static void
a_newer_format_is_refused(void)
{
    struct owner_record o = sample(3, 1), got;
    uint8_t slot[OWNER_SLOT_BYTES];

    owner_slot_put(slot, &o);
    put_le32(slot + 8, 2);
    put_le32(slot + 508, crc32c(0, slot, 508));
    CU_ASSERT_EQUAL(owner_slot_get(slot, &got), BH_EFORMAT);
}

static void
only_names_that_an_owner_makes_are_names(void)
{
    static const char *const bad[] = { "owner.", "owner.0", "owner.007", "owner.7x", "owner.-7",
        "owner.16777216", "owner.99999999999999999999", "owner.7.tmp" };
    uint64_t epoch = 0;

    CU_ASSERT_TRUE(owner_file_name_parse("owner.16777215", &epoch));
    CU_ASSERT_EQUAL(epoch, EPOCH_MAX);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CU_ASSERT_FALSE(owner_file_name_parse(bad[i], &epoch));
    }
}

TEST_MAIN("owner_file", TEST(only_names_that_an_owner_makes_are_names),
    TEST(a_slot_is_what_was_put_and_nothing_less), TEST(the_newer_valid_slot_counts),
    TEST(a_name_is_had_once), TEST(each_write_takes_the_other_slot),
    TEST(a_newer_format_is_refused))
