/* links: core mail queue tools */
/* store dump of a segment whose bytes somebody else chose: the walk ends, and whatever its records
 * say becomes JSON, without an abort; what is shown lies in the file, in order.
 *
 * An input is a list of {u8 type, u8 flags, u16 length, bytes}: each becomes a record with a good
 * checksum, so that the fuzzer works on what is behind the checksum. Type 254: change a byte of
 * what was written (length: how far back). 253: bytes as they are. 252: cut the file here.
 */
#include "../support/fake_disk.c" /* the fuzzers link modules only */
#include "../support/fake_pages.c"
#include "queue/queue_int.h"
#include "queue/segment.h"
#include "tools/record_json.h"

#define STORE   "/store"
#define SEGMENT (64 * KIB)
#define UUID    "fedcba987654321"
#define SEQ     3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t bytes[SEGMENT];

static uint64_t
put_record(uint64_t at, const struct record_head *like, struct slice payload)
{
    struct record_head h = *like;

    h.length = RECORD_HEADER_BYTES + (uint32_t)payload.n;
    h.lsn = SEQ * SEGMENT + at;
    if (at + record_padded(h.length) > SEGMENT) {
        return at;
    }
    record_begin(bytes + at, &h);
    if (payload.n > 0) {
        memcpy(bytes + at + RECORD_HEADER_BYTES, payload.p, payload.n);
    }
    record_finish(bytes + at, (uint32_t)(at - SEGMENT_HEADER_BYTES), record_seed(77));
    return at + record_padded(h.length);
}

/* The file's length. */
static uint64_t
build(struct reader r)
{
    struct segment_head h = {
        .uuid = UUID, .seq = SEQ, .segment_bytes = SEGMENT, .salt = 77, .epoch = 1
    };
    uint64_t at = SEGMENT_HEADER_BYTES;

    memset(bytes, 0, sizeof(bytes));
    segment_head_put(bytes, &h);
    while (r.rest.n > 0) {
        struct record_head like = { .type = read_u8(&r), .flags = read_u8(&r), .epoch = 1 };
        uint16_t n = read_u16(&r);
        struct slice rest = slice_sub(r.rest, 0, n);

        if (like.type == 252) {
            return at;
        }
        if (like.type == 254) {
            bytes[at - MIN((uint64_t)n, at)] ^= like.flags;
            continue;
        }
        r.rest = slice_skip(r.rest, rest.n);
        if (like.type != 253) {
            at = put_record(at, &like, rest);
        } else if (at + rest.n <= SEGMENT && rest.n > 0) {
            memcpy(bytes + at, rest.p, rest.n);
        }
    }
    return SEGMENT;
}

struct seen {
    uint64_t at, size;
};

static bool
on_record(void *ctx, const struct store_record *r)
{
    struct seen *s = ctx;
    json_t *a = record_json(r, true);
    char *text = json_dumps(a, JSON_COMPACT);

    CHECK(a != NULL && text != NULL);
    CHECK(r->offset >= s->at && r->length > 0 && r->offset + r->length <= s->size);
    s->at = r->offset + r->length;
    free(text);
    json_decref(a);
    return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake_disk *d = fake_disk_new(1, GIB);
    struct store_head head = { .uuid = UUID, .segment_bytes = SEGMENT };
    uint8_t block[STORE_BLOCK_BYTES];
    struct store_dump_filter filter = { 0 };
    struct seen seen = { 0 };
    struct store_look look = { .path = STORE, .ctx = &seen };
    char path[64], name[SEGMENT_NAME_CAP];

    fake_disk_use(d);
    fake_disk_put(d, STORE, NULL, 0);
    fake_disk_put(d, STORE "/journal", NULL, 0);
    store_head_put(block, &head);
    fake_disk_put(d, STORE "/STORE", block, sizeof(block));
    seen.size = build(reader_of((struct slice){ (const char *)data, size }));
    segment_name(name, SEQ, 1);
    (void)snprintf(path, sizeof(path), STORE "/journal/%s", name);
    fake_disk_put(d, path, bytes, seen.size);
    CHECK(store_dump(&look, &filter, on_record) == 0);
    filter.id = 1;
    seen.at = 0;
    CHECK(store_dump(&look, &filter, on_record) == 0);
    fake_disk_free(d);
    return 0;
}
