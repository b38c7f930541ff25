/* What is kept of a transfer under way, as octets and back. */
#include "test_main.h"
#include "x400/x400_resume.h"

static const struct rtse_recovery whose = { .user = "\x04\x02he",
    .user_n = 4,
    .common = "\x17\x01",
    .common_n = 2,
    .activity = 7,
    .point = 3,
    .checkpoint = 30 };

static void
a_part_s_key_names_connector_and_transfer(void)
{
    char a[X400_PART_KEY_CAP], b[X400_PART_KEY_CAP];
    struct rtse_recovery longest = { .user_n = SESSION_REFERENCE_BYTES_MAX,
        .common_n = SESSION_REFERENCE_BYTES_MAX,
        .activity = UINT32_MAX };
    struct rtse_recovery later = whose;
    struct slice key = x400_part_key(a, SLICE_LIT("paris"), &whose);
    char name[300];

    CU_ASSERT_TRUE(slice_eq(key, SLICE_LIT("x400/paris/7/04026865/1701")));
    CU_ASSERT_TRUE(x400_part_is_of(key, SLICE_LIT("paris")));
    CU_ASSERT_TRUE(x400_part_is_of(key, SLICE_NONE));
    CU_ASSERT_FALSE(x400_part_is_of(key, SLICE_LIT("par")));
    CU_ASSERT_FALSE(x400_part_is_of(key, SLICE_LIT("paris2")));
    CU_ASSERT_FALSE(x400_part_is_of(SLICE_LIT("smtp/paris/7"), SLICE_NONE));
    later.activity += 100;
    CU_ASSERT_TRUE(x400_part_is_like(key, SLICE_LIT("paris"), &later));
    CU_ASSERT_FALSE(x400_part_is_like(key, SLICE_LIT("par"), &later));
    later.common[0]++;
    CU_ASSERT_FALSE(x400_part_is_like(key, SLICE_LIT("paris"), &later));
    memset(name, 'x', sizeof(name));
    key = x400_part_key(b, (struct slice){ name, sizeof(name) }, &longest);
    CU_ASSERT_TRUE(key.n < X400_PART_KEY_CAP);
}

/* Every shorter one is damage; a changed octet is, or says something within bounds. */
static void
a_part_reads_as_it_was_written(void)
{
    const struct x400_part p = {
        .point = 3, .checkpoint = 30, .arrival_wall_ms = 5, .secured_wall_ms = 6
    };
    struct x400_part q;
    struct buf out;

    buf_init(&out, X400_PART_BYTES_MAX);
    CU_ASSERT_EQUAL(x400_part_write(&out, &p), 0);
    for (size_t n = 0; n < buf_len(&out); n++) {
        CU_ASSERT_EQUAL(x400_part_read(slice_sub(buf_slice(&out), 0, n), &q), BH_EDAMAGED);
    }
    CU_ASSERT_EQUAL(buf_append(&out, SLICE_LIT("reader")), 0);
    CU_ASSERT_EQUAL_FATAL(x400_part_read(buf_slice(&out), &q), 0);
    CU_ASSERT_TRUE(q.point == 3 && q.checkpoint == 30);
    CU_ASSERT_TRUE(q.arrival_wall_ms == 5 && q.secured_wall_ms == 6);
    CU_ASSERT_TRUE(slice_eq(q.reader, SLICE_LIT("reader")));
    buf_fini(&out);
}

static void
a_note_reads_as_it_was_written(void)
{
    const struct x400_note n = { .message = 9,
        .recipients = 10,
        .from = whose,
        .apdu_bytes = 1 << 20,
        .head_bytes = 200,
        .head_crc = 11,
        .noted_wall_ms = 12 };
    struct x400_note m = { .message = 0 };
    struct buf out;
    char *bytes;

    buf_init(&out, X400_NOTE_BYTES_MAX);
    CU_ASSERT_EQUAL(x400_note_write(&out, &n), 0);
    CU_ASSERT_EQUAL_FATAL(x400_note_read(buf_slice(&out), &m), 0);
    CU_ASSERT_TRUE(m.message == 9 && m.recipients == 10 && m.apdu_bytes == 1 << 20);
    CU_ASSERT_TRUE(m.head_bytes == 200 && m.head_crc == 11 && m.noted_wall_ms == 12);
    CU_ASSERT_EQUAL(memcmp(&m.from, &whose, sizeof(whose)), 0);
    bytes = slice_dup(buf_slice(&out));
    for (size_t i = 0; i < buf_len(&out); i++) {
        CU_ASSERT_EQUAL(x400_note_read(slice_sub(buf_slice(&out), 0, i), &m), BH_EDAMAGED);
        for (unsigned bit = 1; bit < 256; bit <<= 1) {
            bytes[i] = (char)((unsigned char)bytes[i] ^ bit);
            if (x400_note_read((struct slice){ bytes, buf_len(&out) }, &m) == 0) {
                CU_ASSERT_TRUE(rtse_offset(&m.from) > 0 && rtse_offset(&m.from) < m.apdu_bytes);
                CU_ASSERT_TRUE(m.head_bytes <= m.apdu_bytes);
            }
            bytes[i] = (char)((unsigned char)bytes[i] ^ bit);
        }
    }
    free(bytes);
    CU_ASSERT_EQUAL(x400_note_read(SLICE_NONE, &m), BH_EDAMAGED);
    buf_fini(&out);
}

static void
a_note_s_key_fits(void)
{
    char out[X400_NOTE_KEY_CAP], name[300];

    CU_ASSERT_TRUE(
        slice_eq(x400_note_key(out, SLICE_LIT("paris"), 15), SLICE_LIT("x400/out/paris/15")));
    memset(name, 'x', sizeof(name));
    CU_ASSERT_TRUE(
        x400_note_key(out, (struct slice){ name, sizeof(name) }, UINT32_MAX).n < X400_NOTE_KEY_CAP);
}

TEST_MAIN("x400_resume", TEST(a_part_s_key_names_connector_and_transfer),
    TEST(a_part_reads_as_it_was_written), TEST(a_note_reads_as_it_was_written),
    TEST(a_note_s_key_fits))
