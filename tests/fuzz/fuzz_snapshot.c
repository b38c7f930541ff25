/* links: core mail queue */
/* A snapshot whose bytes somebody else chose: loading it ends, without an abort, within memory that
 * follows from the file's size; what is in memory then agrees with itself, and can be undone.
 *
 * An input is a list of {u16 kind, u16 length, bytes}: entries of blocks with good checksums, so
 * that the fuzzer works on what is behind them. Kind 65535: a new block. The table has segments 1
 * to 6 of 64 KiB.
 */
#include "../support/fake_disk.c" /* the fuzzers link modules only */
#include "../support/fake_pages.c"
#include "queue/snapshot_load.h"

#define STORE    "/store"
#define SEGMENT  (64 * KIB)
#define SEGMENTS 6
#define UUID     "fedcba987654321"
#define FILE_MAX (256 * KIB)
#define POSITION (SEGMENTS * SEGMENT + 8192)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct out {
    uint8_t bytes[FILE_MAX];
    size_t used, block; /* where the present block begins */
    uint64_t messages;
    uint32_t blocks;
};

static void
end_block(struct out *o)
{
    struct snapshot_block b = { o->bytes + o->block, o->used - o->block, o->used - o->block };

    if (!snapshot_block_is_empty(&b)) {
        snapshot_block_finish(&b, o->blocks++, record_seed(7));
        o->block = o->used;
        o->used += SNAPSHOT_BLOCK_HEAD_BYTES;
    }
}

static void
put_entry(struct out *o, uint16_t kind, struct slice bytes)
{
    size_t padded = (SNAPSHOT_ENTRY_HEAD_BYTES + bytes.n + 7) & ~(size_t)7;
    uint8_t *at = o->bytes + o->used;

    if (o->used + padded + 2 * SNAPSHOT_TRAILER_BYTES + SNAPSHOT_BLOCK_HEAD_BYTES > FILE_MAX) {
        return;
    }
    put_le16(at, kind);
    put_le32(at + 4, (uint32_t)bytes.n);
    if (bytes.n > 0) {
        memcpy(at + SNAPSHOT_ENTRY_HEAD_BYTES, bytes.p, bytes.n);
    }
    o->used += padded;
    o->messages += kind == SNAPSHOT_MESSAGE;
}

static void
build(struct fake_disk *d, struct reader r, struct snapshot_ref *ref)
{
    static struct out o;
    struct snapshot_head h = {
        .uuid = UUID, .position = POSITION, .salt = 7, .segment_bytes = SEGMENT, .epoch = 1
    };
    struct snapshot_trailer t = { .salt = 7, .through = POSITION };
    char path[64], name[SNAPSHOT_NAME_CAP];

    memset(&o, 0, sizeof(o));
    snapshot_head_put(o.bytes, &h);
    o.block = SNAPSHOT_HEADER_BYTES;
    o.used = o.block + SNAPSHOT_BLOCK_HEAD_BYTES;
    while (r.rest.n > 0) {
        uint16_t kind = read_u16(&r), n = read_u16(&r);

        if (kind == UINT16_MAX) {
            end_block(&o);
        } else {
            put_entry(&o, kind, slice_sub(r.rest, 0, n));
            r.rest = slice_skip(r.rest, n);
        }
    }
    end_block(&o);
    o.used = (o.used + IO_BLOCK_BYTES - 1) / IO_BLOCK_BYTES * IO_BLOCK_BYTES;
    t.blocks = o.blocks;
    t.messages = o.messages;
    t.file_bytes = o.used + SNAPSHOT_TRAILER_BYTES;
    snapshot_trailer_put(o.bytes + o.used, &t);
    snapshot_name(name, POSITION, 1);
    (void)snprintf(path, sizeof(path), STORE "/snapshot/%s", name);
    fake_disk_put(d, path, o.bytes, (size_t)t.file_bytes);
    *ref = (struct snapshot_ref){ POSITION, 7, 1 };
}

static void
check_memory(const struct replay *into)
{
    uint64_t messages = 0, last = 0;

    for (const struct stored *s = msgindex_after(into->index, 0); s != NULL;
         s = msgindex_after(into->index, s->m.id)) {
        uint32_t live = 0;

        CHECK(s->m.id > last && s->m.recipient_count > 0);
        last = s->m.id;
        messages++;
        for (uint32_t i = 0; i < s->m.recipient_count; i++) {
            live += s->m.recipients[i].state == RECIPIENT_QUEUED;
        }
        CHECK(live == s->m.live_count && live > 0);
    }
    CHECK(messages == into->index->messages);
    LIST_FOR(it, &into->segments->order)
    {
        const struct segment *s = CONTAINER_OF(it, struct segment, link);

        for (uint32_t i = 0; i < s->need_count; i++) {
            CHECK(segtab_find(into->segments, s->needs[i]) != NULL && s->needs[i] != s->seq);
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake_disk *d = fake_disk_new(1, GIB);
    struct segtab segments;
    struct msgindex index;
    struct replay into = { .segments = &segments, .index = &index, .segment_bytes = SEGMENT };
    struct snapshot_info info;
    struct snapshot_ref ref;

    fake_disk_use(d);
    fake_disk_put(d, STORE, NULL, 0);
    fake_disk_put(d, STORE "/snapshot", NULL, 0);
    build(d, reader_of((struct slice){ (const char *)data, size }), &ref);
    segtab_init(&segments);
    msgindex_init(&index);
    for (uint64_t seq = 1; seq <= SEGMENTS; seq++) {
        struct segment *s = segtab_add(&segments, seq, 1, seq * 77);

        CHECK(s != NULL);
        s->closed = true;
        s->valid_bytes = SEGMENT_HEADER_BYTES;
    }
    CHECK(snapshot_look(STORE, (const uint8_t *)UUID, SEGMENT, &ref, &info) == 0);
    if (snapshot_load(STORE, &info, &into, NULL) == 0) {
        check_memory(&into);
    }
    snapshot_undo(&into);
    CHECK(index.messages == 0 && index.replies.count == 0);
    LIST_FOR(it, &segments.order)
    {
        const struct segment *s = CONTAINER_OF(it, struct segment, link);

        CHECK(s->live == 0 && s->live_bytes == 0 && s->commit_bytes == 0 && s->need_count == 0 &&
              list_empty(&s->messages));
    }
    msgindex_fini(&index);
    segtab_fini(&segments);
    fake_disk_free(d);
    return 0;
}
