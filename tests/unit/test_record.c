/* Records: docs/formats/journal.md section 3, byte by byte. */
#include "core/crc32c.h"
#include "queue/record.h"
#include "test_main.h"

#define LSN 0x1122334455667788u

static uint8_t bytes[8192];

static uint32_t
make(enum record_type type, const void *payload, size_t n, uint32_t seed)
{
    struct record_head h = {
        .length = (uint32_t)(RECORD_HEADER_BYTES + n), .type = (uint8_t)type, .lsn = LSN, .epoch = 9
    };

    memset(bytes, 0xee, sizeof(bytes));
    record_begin(bytes, &h);
    memcpy(bytes + RECORD_HEADER_BYTES, payload, n);
    record_finish(bytes, 64, seed);
    return h.length;
}

static void
a_record_has_the_documented_bytes(void)
{
    uint32_t seed = record_seed(0x0807060504030201u), n = make(RECORD_CONTENT, "abc", 3, seed);
    static const uint8_t expected[24] = { 35, 0, 0, 0, 1, 0, 0, 0, 0x88, 0x77, 0x66, 0x55, 0x44,
        0x33, 0x22, 0x11, 9, 0, 0, 0, 64, 0, 0, 0 };

    CU_ASSERT_EQUAL(n, 35);
    CU_ASSERT_EQUAL(seed, crc32c(0, "\1\2\3\4\5\6\7\10", 8));
    CU_ASSERT_EQUAL(memcmp(bytes, expected, sizeof(expected)), 0);
    CU_ASSERT_EQUAL(get_le32(bytes + 24), crc32c(seed, "abc", 3));
    CU_ASSERT_EQUAL(get_le32(bytes + 28), crc32c(seed, bytes, 28));
    CU_ASSERT_EQUAL(memcmp(bytes + 32, "abc\0\0\0\0\0\xee", 9), 0); /* padded, and no further */
}

static void
any_changed_bit_is_seen(void)
{
    uint32_t seed = record_seed(77), n = make(RECORD_CONTENT, "hello", 5, seed);
    struct record_head h;

    CU_ASSERT_EQUAL(record_head_get(bytes, n, seed, LSN, &h), 0);
    CU_ASSERT_TRUE(record_payload_valid(bytes, &h, seed));
    CU_ASSERT_EQUAL(h.length, n);
    CU_ASSERT_EQUAL(h.type, RECORD_CONTENT);
    CU_ASSERT_EQUAL(h.epoch, 9);
    CU_ASSERT_EQUAL(h.behind, 64);
    for (uint32_t bit = 0; bit < n * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (bit < RECORD_HEADER_BYTES * 8) {
            CU_ASSERT_EQUAL(record_head_get(bytes, n, seed, LSN, &h), BH_EDAMAGED);
        } else {
            CU_ASSERT_EQUAL(record_head_get(bytes, n, seed, LSN, &h), 0);
            CU_ASSERT_FALSE(record_payload_valid(bytes, &h, seed));
        }
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void
a_record_of_another_life_or_place_is_none(void)
{
    uint32_t seed = record_seed(77), n = make(RECORD_CONTENT, "hello", 5, seed);
    struct record_head h;

    CU_ASSERT_EQUAL(record_head_get(bytes, n, record_seed(78), LSN, &h), BH_EDAMAGED);
    CU_ASSERT_EQUAL(record_head_get(bytes, n, seed, LSN + 8, &h), BH_EDAMAGED);
    CU_ASSERT_EQUAL(record_head_get(bytes, RECORD_HEADER_BYTES - 1, seed, LSN, &h), BH_EDAMAGED);
    memset(bytes, 0, 64);
    CU_ASSERT_EQUAL(record_head_get(bytes, 64, seed, 0, &h), BH_EDAMAGED);
}

static const struct envelope_recipient to[2] = {
    { { "b@example.com", 13 }, { "rfc822;B", 8 }, ENVELOPE_NOTIFY_NEVER },
    { { "c@d", 3 }, { NULL, 0 }, 0 },
};

static void
a_commit_is_read_as_it_was_written(void)
{
    struct envelope e = { .sender = SLICE_LIT("a@b"),
        .body = 1,
        .hops = 7,
        .received_wall_ms = 1234567890123,
        .recipient_count = 2,
        .recipients = to };
    struct commit_chunk chunks[2] = { { 4096, 10 }, { 8192, 20 } };
    struct commit_head head = { 5, 30 }, got;
    uint64_t n = commit_payload_bytes(&e, 2);
    struct envelope_recipient r;
    struct commit_walk w;
    unsigned seen[9] = { 0 };

    commit_encode(bytes, &head, &e, chunks, 2);
    CU_ASSERT_EQUAL(commit_walk_begin(&w, (struct slice){ (char *)bytes, n }, &got), 0);
    CU_ASSERT_EQUAL(got.id, 5);
    CU_ASSERT_EQUAL(got.size_bytes, 30);
    while (commit_walk_next(&w) > 0) {
        seen[w.tag]++;
        if (w.tag == COMMIT_SENDER) {
            CU_ASSERT_TRUE(slice_eq(w.bytes, e.sender));
        } else if (w.tag == COMMIT_RECIPIENT) {
            CU_ASSERT_EQUAL(commit_recipient(w.bytes, &r), 0);
            CU_ASSERT_TRUE(slice_eq(r.address, to[seen[w.tag] - 1].address));
            CU_ASSERT_TRUE(slice_eq(r.orcpt, to[seen[w.tag] - 1].orcpt));
            CU_ASSERT_EQUAL(r.notify, to[seen[w.tag] - 1].notify);
        } else if (w.tag == COMMIT_CHUNKS) {
            CU_ASSERT_EQUAL(w.bytes.n, 24);
            CU_ASSERT_EQUAL(get_le64((const uint8_t *)w.bytes.p + 12), 8192);
        }
    }
    for (unsigned tag = 1; tag <= 8; tag++) {
        CU_ASSERT_EQUAL(seen[tag], tag == COMMIT_RECIPIENT ? 2 : 1);
    }
    for (uint64_t cut = 0; cut < n; cut++) { /* cut anywhere: an end or an error, never beyond */
        int rc = commit_walk_begin(&w, (struct slice){ (char *)bytes, cut }, &got);

        while (rc == 0 && commit_walk_next(&w) > 0) {
        }
        CU_ASSERT_TRUE(w.r.rest.n <= cut);
    }
}

static void
a_commit_beyond_the_limits_is_refused(void)
{
    struct envelope e = { .recipient_count = 1, .recipients = to };

    CU_ASSERT_NOT_EQUAL(commit_payload_bytes(&e, 1), 0);
    e.recipient_count = 0;
    CU_ASSERT_EQUAL(commit_payload_bytes(&e, 1), 0);
    e.recipient_count = ENVELOPE_RECIPIENTS_MAX + 1;
    CU_ASSERT_EQUAL(commit_payload_bytes(&e, 1), 0);
    e.recipient_count = 1;
    e.sender.n = 65536;
    CU_ASSERT_EQUAL(commit_payload_bytes(&e, 1), 0);
    e.sender.n = 0;
    CU_ASSERT_EQUAL(commit_payload_bytes(&e, 2000000), 0);
}

static void
unknown_fields_are_skipped_unless_they_must_be_understood(void)
{
    struct commit_head head;
    struct commit_walk w;

    memset(bytes, 0, 32);
    put_le16(bytes + 16, 99);
    put_le32(bytes + 18, 1);
    CU_ASSERT_EQUAL(commit_walk_begin(&w, (struct slice){ (char *)bytes, 23 }, &head), 0);
    CU_ASSERT_EQUAL(commit_walk_next(&w), 1);
    CU_ASSERT_EQUAL(w.tag, 99);
    put_le16(bytes + 16, COMMIT_MUST_UNDERSTAND | 99);
    CU_ASSERT_EQUAL(commit_walk_begin(&w, (struct slice){ (char *)bytes, 23 }, &head), 0);
    CU_ASSERT_EQUAL(commit_walk_next(&w), BH_EFORMAT);
}

/* What a COPIED_COMMIT has beside what a COMMIT has. */
static void
statements_are_read_as_written(void)
{
    struct mark m = { 1, 2, 77, MARK_NEXT }, m2;
    struct commit_head head = { 5, 6 };
    struct slice inside;
    struct commit_walk w;
    uint8_t *at, type;

    put_le64(bytes, head.id);
    put_le64(bytes + 8, head.size_bytes);
    at = copied_origin_put(bytes + COMMIT_HEAD_BYTES, 4711);
    CU_ASSERT_EQUAL(at - bytes, COMMIT_HEAD_BYTES + COPIED_ORIGIN_BYTES);
    at = copied_statement_put(at, RECORD_MARK, MARK_BYTES);
    CU_ASSERT_EQUAL(at - bytes, COMMIT_HEAD_BYTES + COPIED_ORIGIN_BYTES + COPIED_STATEMENT_BYTES);
    mark_put(at, &m);
    at += MARK_BYTES;
    CU_ASSERT_EQUAL(
        commit_walk_begin(&w, (struct slice){ (char *)bytes, (size_t)(at - bytes) }, &head), 0);
    CU_ASSERT_EQUAL(commit_walk_next(&w), 1);
    CU_ASSERT_EQUAL(w.tag, COMMIT_ORIGIN);
    CU_ASSERT_EQUAL(w.bytes.n, 8);
    CU_ASSERT_EQUAL(get_le64((const uint8_t *)w.bytes.p), 4711);
    CU_ASSERT_EQUAL(commit_walk_next(&w), 1);
    CU_ASSERT_EQUAL(w.tag, COMMIT_STATEMENT);
    CU_ASSERT_EQUAL(copied_statement_get(w.bytes, &type, &inside), 0);
    CU_ASSERT_EQUAL(type, RECORD_MARK);
    CU_ASSERT_EQUAL(mark_get(inside, &m2), 0);
    CU_ASSERT_EQUAL(m2.value, 77);
    CU_ASSERT_EQUAL(commit_walk_next(&w), 0);
    CU_ASSERT_EQUAL(copied_statement_get(SLICE_NONE, &type, &inside), BH_EDAMAGED);
}

static void
outcomes_marks_seals_and_survivors_are_read_as_written(void)
{
    struct outcome_head oh = { 1, 2, 1 }, oh2;
    struct outcome_entry oe = { 3, 1, true, 5, 6, SLICE_LIT("450 later"), 7 }, oe2;
    struct mark m = { 1, 2, 77, MARK_NEXT }, m2;
    struct seal_entry entries[2] = { { 1, 2, 3, 4 }, { 5, 6, 7, 8 } };
    static struct seal_entry entries2[SEAL_ENTRIES_MAX];
    struct seal_head sh = { 0, 1, 2, 3 }, sh2;
    struct survivors_head vh = { 9, 8, 16, 32, 2 }, vh2;
    struct attempt_head ah = { 5, 6, 2, 1 }, ah2;
    struct reader r;
    uint8_t *end;

    outcome_head_put(bytes, &oh);
    end = outcome_entry_put(bytes + OUTCOME_HEAD_BYTES, &oe);
    CU_ASSERT_EQUAL((size_t)(end - bytes), OUTCOME_HEAD_BYTES + outcome_entry_bytes(&oe));
    r = reader_of((struct slice){ (char *)bytes, (size_t)(end - bytes) });
    CU_ASSERT_EQUAL(outcome_head_get(&r, &oh2), 0);
    CU_ASSERT_TRUE(oh2.id == 1 && oh2.commit_lsn == 2 && oh2.count == 1);
    CU_ASSERT_EQUAL(outcome_entry_get(&r, &oe2), 0);
    CU_ASSERT_EQUAL(oe2.recipient, 3);
    CU_ASSERT_TRUE(oe2.in_doubt);
    CU_ASSERT_EQUAL(oe2.attempts, 5);
    CU_ASSERT_EQUAL(oe2.next_wall_ms, 6);
    CU_ASSERT_TRUE(slice_eq(oe2.reply, oe.reply));
    CU_ASSERT_EQUAL(oe2.transaction, 7);
    CU_ASSERT_EQUAL(outcome_entry_get(&r, &oe2), BH_EDAMAGED); /* no more */

    mark_put(bytes, &m);
    CU_ASSERT_EQUAL(mark_get((struct slice){ (char *)bytes, MARK_BYTES }, &m2), 0);
    CU_ASSERT_EQUAL(m2.value, 77);
    CU_ASSERT_EQUAL(m2.what, MARK_NEXT);
    CU_ASSERT_EQUAL(mark_get((struct slice){ (char *)bytes, MARK_BYTES - 1 }, &m2), BH_EDAMAGED);

    attempt_head_put(bytes, &ah);
    put_le32(bytes + ATTEMPT_HEAD_BYTES, 7);
    put_le32(bytes + ATTEMPT_HEAD_BYTES + 4, 9);
    r = reader_of((struct slice){ (char *)bytes, ATTEMPT_HEAD_BYTES + 8 });
    CU_ASSERT_EQUAL(attempt_head_get(&r, &ah2), 0);
    CU_ASSERT_TRUE(ah2.id == 5 && ah2.commit_lsn == 6 && ah2.count == 2 && ah2.kind == 1);
    CU_ASSERT_TRUE(read_u32(&r) == 7 && read_u32(&r) == 9);
    r = reader_of((struct slice){ (char *)bytes, ATTEMPT_HEAD_BYTES + 7 });
    CU_ASSERT_EQUAL(attempt_head_get(&r, &ah2), BH_EDAMAGED);

    seal_put(bytes, &sh, entries);
    CU_ASSERT_EQUAL(seal_get((struct slice){ (char *)bytes, 80 }, &sh2, entries2), 0);
    CU_ASSERT_EQUAL(sh2.count, 2);
    CU_ASSERT_EQUAL(entries2[1].seq, 5);
    CU_ASSERT_EQUAL(entries2[1].epoch, 8);
    CU_ASSERT_EQUAL(seal_get((struct slice){ (char *)bytes, 79 }, &sh2, entries2), BH_EDAMAGED);
    put_le32(bytes + 8, SEAL_ENTRIES_MAX + 1);
    CU_ASSERT_EQUAL(
        seal_get((struct slice){ (char *)bytes, sizeof(bytes) }, &sh2, entries2), BH_EDAMAGED);

    survivors_head_put(bytes, &vh);
    r = reader_of((struct slice){ (char *)bytes, SURVIVORS_HEAD_BYTES + 8 });
    CU_ASSERT_EQUAL(survivors_head_get(&r, &vh2), 0);
    CU_ASSERT_EQUAL(vh2.to, 32);
    r = reader_of((struct slice){ (char *)bytes, SURVIVORS_HEAD_BYTES + 7 });
    CU_ASSERT_EQUAL(survivors_head_get(&r, &vh2), BH_EDAMAGED);
}

static void
a_long_reply_is_clipped(void)
{
    static char text[5000];
    struct outcome_entry e = { .reply = { text, sizeof(text) } }, got;
    struct reader r;
    uint8_t *end;

    memset(text, 'r', sizeof(text));
    end = outcome_entry_put(bytes, &e);
    r = reader_of((struct slice){ (char *)bytes, (size_t)(end - bytes) });
    CU_ASSERT_EQUAL(outcome_entry_get(&r, &got), 0);
    CU_ASSERT_EQUAL(got.reply.n, REPLY_BYTES_MAX);
}

TEST_MAIN("record", TEST(a_record_has_the_documented_bytes), TEST(any_changed_bit_is_seen),
    TEST(a_record_of_another_life_or_place_is_none), TEST(a_commit_is_read_as_it_was_written),
    TEST(a_commit_beyond_the_limits_is_refused),
    TEST(unknown_fields_are_skipped_unless_they_must_be_understood),
    TEST(statements_are_read_as_written),
    TEST(outcomes_marks_seals_and_survivors_are_read_as_written), TEST(a_long_reply_is_clipped))
