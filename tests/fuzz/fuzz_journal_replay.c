/* links: core mail queue */
/* Recovery from a journal whose bytes somebody else chose: it ends, without an abort, within memory
 * that follows from the size of the files; what it then has in memory agrees with itself.
 *
 * An input is a list of {u8 type, u8 flags, u16 length, bytes}: each becomes a record with a good
 * checksum, so that the fuzzer works on what is behind the checksum. Type 255: on with the next
 * segment. 254: change a byte of what was written (length: how far back). 253: bytes as they are.
 */
#include "../support/fake_disk.c" /* the fuzzers link modules only */
#include "../support/fake_pages.c"
#include "queue/recover.h"
#include "queue/replay.h"

#define STORE    "/store"
#define SEGMENT  (64 * KIB)
#define SEGMENTS 6
#define UUID     "fedcba987654321"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct out {
    uint8_t bytes[SEGMENT];
    uint64_t seq, offset, salt;
};

static void
begin_segment(struct out *o, uint64_t seq)
{
    struct segment_head h = { .uuid = UUID,
        .seq = seq,
        .segment_bytes = SEGMENT,
        .salt = seq * 77,
        .seal_lsn = seq == 1 ? 0 : SEGMENT + SEGMENT_HEADER_BYTES,
        .epoch = 1,
        .flags = SEGMENT_FLAG_CENSUS };

    memset(o->bytes, 0, sizeof(o->bytes));
    segment_head_put(o->bytes, &h);
    o->seq = seq;
    o->salt = h.salt;
    o->offset = SEGMENT_HEADER_BYTES;
}

static void
put_record(struct out *o, uint8_t type, uint8_t flags, const uint8_t *payload, uint32_t n)
{
    struct record_head h = { .length = RECORD_HEADER_BYTES + n,
        .type = type,
        .flags = flags,
        .lsn = o->seq * SEGMENT + o->offset,
        .epoch = 1 };
    uint8_t *at = o->bytes + o->offset;

    if (o->offset + record_padded(h.length) > SEGMENT) {
        return;
    }
    record_begin(at, &h);
    memcpy(at + RECORD_HEADER_BYTES, payload, n);
    record_finish(at, (uint32_t)(o->offset - SEGMENT_HEADER_BYTES), record_seed(o->salt));
    o->offset += record_padded(h.length);
}

static void
end_segment(struct fake_disk *d, const struct out *o)
{
    char path[64], name[SEGMENT_NAME_CAP];

    segment_name(name, o->seq, 1);
    (void)snprintf(path, sizeof(path), STORE "/journal/%s", name);
    fake_disk_put(d, path, o->bytes, sizeof(o->bytes));
}

static void
build(struct fake_disk *d, struct reader r)
{
    static struct out o;
    uint8_t none[SEAL_HEAD_BYTES] = { 0, 0, 0, 0, 1 };

    begin_segment(&o, 1);
    put_record(&o, RECORD_SEAL, 0, none, sizeof(none));
    while (r.rest.n > 0) {
        uint8_t type = read_u8(&r), flags = read_u8(&r);
        uint16_t n = read_u16(&r);

        if (type == 254) {
            o.bytes[o.offset - MIN((uint64_t)n, o.offset)] ^= flags;
        } else if (type == 255) {
            end_segment(d, &o);
            if (o.seq == SEGMENTS) {
                return;
            }
            begin_segment(&o, o.seq + 1);
        } else {
            struct slice bytes = slice_sub(r.rest, 0, n);

            r.rest = slice_skip(r.rest, bytes.n);
            if (type != 253) {
                put_record(&o, type, flags, (const uint8_t *)bytes.p, (uint32_t)bytes.n);
            } else if (o.offset + bytes.n <= SEGMENT && bytes.n > 0) {
                memcpy(o.bytes + o.offset, bytes.p, bytes.n);
            }
        }
    }
    end_segment(d, &o);
}

/* What is in memory agrees with itself. */
static void
check_memory(struct segtab *t, struct msgindex *ix)
{
    uint64_t messages = 0, recipients = 0, held = 0, doubts = 0, bytes = 0, last = 0, attempts = 0;

    for (struct stored *s = msgindex_after(ix, 0); s != NULL; s = msgindex_after(ix, s->m.id)) {
        uint32_t live = 0;

        CHECK(s->m.id > last);
        last = s->m.id;
        messages++;
        held += s->m.held != HOLD_NO;
        bytes += s->m.size_bytes;
        CHECK(s->m.recipient_count > 0 && s->m.recipient_count <= ENVELOPE_RECIPIENTS_MAX);
        for (uint32_t i = 0; i < s->m.recipient_count; i++) {
            live += s->m.recipients[i].state == RECIPIENT_QUEUED;
            doubts += s->m.recipients[i].state == RECIPIENT_QUEUED && s->m.recipients[i].in_doubt;
            attempts += s->m.recipients[i].attempt != ATTEMPT_NONE;
        }
        CHECK(live == s->m.live_count && live > 0);
        recipients += live;
    }
    CHECK(messages == ix->messages && recipients == ix->recipients && held == ix->held &&
          doubts == ix->in_doubt && bytes == ix->bytes && attempts == ix->attempts);
    LIST_FOR(it, &t->order)
    {
        const struct segment *s = CONTAINER_OF(it, struct segment, link);

        for (uint32_t i = 0; i < s->need_count; i++) {
            CHECK(segtab_find(t, s->needs[i]) != NULL && s->needs[i] != s->seq);
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake_disk *d = fake_disk_new(1, GIB);
    struct segtab segments;
    struct msgindex index;
    struct recovery r = { .store = STORE,
        .uuid = UUID,
        .segment_bytes = SEGMENT,
        .segments = &segments,
        .index = &index,
        .sealed_lsn = 1, /* released */
        .sync_tail = true };
    struct replay replay = { &segments, &index, SEGMENT };

    fake_disk_use(d);
    fake_disk_put(d, STORE, NULL, 0);
    fake_disk_put(d, STORE "/journal", NULL, 0);
    build(d, reader_of((struct slice){ (const char *)data, size }));
    segtab_init(&segments);
    msgindex_init(&index);
    if (recover_run(&r) == 0) {
        check_memory(&segments, &index);
        /* let all of them go: nothing is held then, whatever it was that held it */
        for (struct stored *s = msgindex_after(&index, 0); s != NULL;
             s = msgindex_after(&index, 0)) {
            msgindex_remove(&index, s);
            (void)replay_let_go(&replay, s);
            stored_free(&index, s);
        }
        LIST_FOR(it, &segments.order)
        {
            const struct segment *s = CONTAINER_OF(it, struct segment, link);

            CHECK(s->live == s->state); /* settings stay */
        }
        CHECK(index.messages == 0 && index.bytes == 0 && index.replies.count == 0);
    }
    recover_fini(&r);
    msgindex_fini(&index);
    segtab_fini(&segments);
    fake_disk_free(d);
    return 0;
}
