/* links: core mail queue */
/* A snapshot file of which somebody else chose every byte: looking at it, loading it, undoing that,
 * and what store check does with it end, without an abort.
 *
 * An input is {u8 flags, 80 bytes of header, 80 bytes of trailer, blocks}: the checksums, and what
 * would end every look at once, are put right unless a flag says not to (1 header, 2 trailer,
 * 4 length and name, 8 blocks), so that the fuzzer works on what is behind them.
 */
#include "../support/fake_disk.c" /* the fuzzers link modules only */
#include "../support/fake_pages.c"
#include "core/crc32c.h"
#include "queue/store_snapshots.h"

#define STORE    "/store"
#define SEGMENT  (64 * KIB)
#define SEGMENTS 6
#define UUID     "fedcba987654321"
#define FILE_MAX (256 * KIB)
#define FIELDS   80
#define CRC_AT   508
#define POSITION (SEGMENTS * SEGMENT + 8192)

enum { KEEP_HEADER = 1, KEEP_TRAILER = 2, KEEP_LENGTH = 4, KEEP_BLOCKS = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t bytes[FILE_MAX];

/* Numbers and checksums of the blocks that there are, by the lengths that they claim. */
static uint64_t
mend_blocks(size_t filled, uint64_t salt)
{
    size_t at = SNAPSHOT_HEADER_BYTES;
    uint32_t number = 0;

    while (at + SNAPSHOT_BLOCK_HEAD_BYTES < filled) {
        size_t n = get_le32(bytes + at) & ~(size_t)7;
        struct snapshot_block b;

        if (n == 0 || n > filled - at - SNAPSHOT_BLOCK_HEAD_BYTES) {
            break;
        }
        n += SNAPSHOT_BLOCK_HEAD_BYTES;
        b = (struct snapshot_block){ bytes + at, n, n };
        snapshot_block_finish(&b, number++, record_seed(salt));
        at += n;
    }
    return number;
}

static void
mend_crc(uint8_t *block, const char *magic, bool keep)
{
    if (!keep) {
        memcpy(block, magic, 8);
        put_le32(block + CRC_AT, crc32c(0, block, CRC_AT));
    }
}

static void
build(struct fake_disk *d, struct reader r)
{
    uint8_t flags = read_u8(&r);
    struct slice head = slice_sub(r.rest, 0, FIELDS), trailer = slice_sub(r.rest, head.n, FIELDS);
    struct slice blocks = slice_sub(slice_skip(r.rest, head.n + trailer.n), 0, FILE_MAX / 2);
    size_t filled = SNAPSHOT_HEADER_BYTES + blocks.n, total;
    char path[64], name[SNAPSHOT_NAME_CAP];
    uint64_t count = 0;
    uint8_t *end;

    memset(bytes, 0, sizeof(bytes));
    if (head.n > 0) {
        memcpy(bytes, head.p, head.n);
    }
    if ((flags & KEEP_LENGTH) == 0) {
        put_le32(bytes + 8, 1);
        memcpy(bytes + 16, UUID, 16);
        put_le64(bytes + 32, POSITION);
        put_le32(bytes + 40, 1);
        put_le64(bytes + 56, SEGMENT);
    }
    mend_crc(bytes, "BRIDGESN", (flags & KEEP_HEADER) != 0);
    if (blocks.n > 0) {
        memcpy(bytes + SNAPSHOT_HEADER_BYTES, blocks.p, blocks.n);
    }
    if ((flags & KEEP_BLOCKS) == 0) {
        count = mend_blocks(filled, get_le64(bytes + 48));
    }
    filled = (filled + IO_BLOCK_BYTES - 1) / IO_BLOCK_BYTES * IO_BLOCK_BYTES;
    total = filled + SNAPSHOT_TRAILER_BYTES;
    end = bytes + filled;
    if (trailer.n > 0) {
        memcpy(end, trailer.p, trailer.n);
    }
    if ((flags & KEEP_LENGTH) == 0) {
        put_le64(end + 8, get_le64(bytes + 48));
        put_le64(end + 16, MAX(get_le64(end + 16), (uint64_t)POSITION));
        put_le64(end + 24, total);
        put_le64(end + 32, count);
    }
    mend_crc(end, "BRIDGESE", (flags & KEEP_TRAILER) != 0);
    snapshot_name(name, POSITION, 1);
    (void)snprintf(path, sizeof(path), STORE "/snapshot/%s", name);
    fake_disk_put(d, path, bytes, total);
}

static int
no_leftover(void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return 0;
}

static void
on_finding(void *ctx, const struct queue_finding *f)
{
    unsigned *count = ctx;

    CHECK(finding_name(f->kind)[0] != '\0' && f->file[0] != '\0');
    ++*count;
}

static void
on_shown(void *ctx, const struct store_snapshot_stat *s)
{
    unsigned *shown = ctx;

    CHECK(s->name[0] != '\0');
    ++*shown;
}

/* A journal in memory: segments, and one message that lives since before the snapshot. */
static void
begin_memory(struct segtab *segments, struct msgindex *index)
{
    static const struct envelope_recipient to = { { "b@example.com", 13 }, { NULL, 0 }, 0 };
    struct envelope e = { .recipients = (struct envelope_recipient *)(uintptr_t)&to,
        .recipient_count = 1 };
    struct commit_head head = { 5, 0 };
    uint8_t payload[256];
    struct stored *s;

    segtab_init(segments);
    msgindex_init(index);
    for (uint64_t seq = 1; seq <= SEGMENTS; seq++) {
        struct segment *seg = segtab_add(segments, seq, 1, seq * 77);

        CHECK(seg != NULL);
        seg->closed = true;
        seg->valid_bytes = SEGMENT_HEADER_BYTES;
    }
    commit_encode(payload, &head, &e, NULL, 0);
    CHECK(stored_new(&s, (struct slice){ (char *)payload, commit_payload_bytes(&e, 0) },
              2 * SEGMENT + 8192) == 0);
    CHECK(msgindex_add(index, s) == 0);
}

static void
check_it(void)
{
    static struct store_snapshots look;
    struct segtab segments;
    struct msgindex index;
    struct recovery r = { .store = STORE,
        .uuid = UUID,
        .segment_bytes = SEGMENT,
        .segments = &segments,
        .index = &index,
        .epoch = 1 };
    unsigned findings = 0, shown = 0;
    struct store_snapshots_to to = {
        .whole = true, .finding = on_finding, .ctx = &findings, .each = on_shown, .ctx_each = &shown
    };

    begin_memory(&segments, &index);
    CHECK(store_snapshots_begin(&look, STORE, (const uint8_t *)UUID, SEGMENT, no_leftover, NULL) ==
          0);
    (void)store_snapshots_bytes(&look);
    CHECK(store_snapshots_judge(&look, &r, &to) == 0);
    CHECK(shown == 1 && findings <= 1 && index.messages == 1);
    msgindex_fini(&index);
    segtab_fini(&segments);
}

static void
load_it(void)
{
    struct segtab segments;
    struct msgindex index;
    struct replay into = { .segments = &segments, .index = &index, .segment_bytes = SEGMENT };
    struct snapshot_ref ref = { POSITION, 0, 1 };
    struct snapshot_info info;

    begin_memory(&segments, &index);
    msgindex_fini(&index);
    msgindex_init(&index);
    if (snapshot_look(STORE, (const uint8_t *)UUID, SEGMENT, &ref, &info) == 0) {
        (void)!snapshot_load(STORE, &info, &into, NULL);
        snapshot_undo(&into);
        CHECK(index.messages == 0 && index.replies.count == 0);
    }
    msgindex_fini(&index);
    segtab_fini(&segments);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake_disk *d = fake_disk_new(1, GIB);

    fake_disk_use(d);
    fake_disk_put(d, STORE, NULL, 0);
    fake_disk_put(d, STORE "/snapshot", NULL, 0);
    build(d, reader_of((struct slice){ (const char *)data, size }));
    check_it();
    load_it();
    fake_disk_free(d);
    return 0;
}
