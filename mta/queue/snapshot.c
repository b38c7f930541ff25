#include "queue/snapshot.h"
#include "core/crc32c.h"
#include <stdio.h>
#include <stdlib.h>

#define VERSION              1
#define CRC_AT               508
#define MAGIC_BYTES          8
#define SEGMENT_ENTRY_BYTES  40
#define MESSAGE_ENTRY_BYTES  56
#define FIELD_HEAD_BYTES     6
#define RECIPIENT_HEAD_BYTES 5  /* two lengths and notify */
#define RECIPIENT_TAIL_BYTES 25 /* state … transaction */

#define SEGMENT_FLAG_DAMAGED  1u
#define SEGMENT_FLAG_MENDED   2u
#define RECIPIENT_FLAG_DOUBT  1u
#define RECIPIENT_FLAG_WARNED 2u

static const char head_magic[MAGIC_BYTES] = { 'B', 'R', 'I', 'D', 'G', 'E', 'S',
    'N' }; /* no terminator */
static const char trailer_magic[MAGIC_BYTES] = { 'B', 'R', 'I', 'D', 'G', 'E', 'S',
    'E' }; /* no terminator */

/* ---- header, trailer, names */

static bool
block_valid(const uint8_t *block, size_t n, size_t need, const char *magic)
{
    return n >= need && memcmp(block, magic, MAGIC_BYTES) == 0 &&
           get_le32(block + CRC_AT) == crc32c(0, block, CRC_AT);
}

void
snapshot_head_put(uint8_t block[SNAPSHOT_HEADER_BYTES], const struct snapshot_head *h)
{
    memset(block, 0, SNAPSHOT_HEADER_BYTES);
    memcpy(block, head_magic, MAGIC_BYTES);
    put_le32(block + 8, VERSION);
    memcpy(block + 16, h->uuid, sizeof(h->uuid));
    put_le64(block + 32, h->position);
    put_le32(block + 40, h->epoch);
    put_le64(block + 48, h->salt);
    put_le64(block + 56, h->segment_bytes);
    put_le64(block + 64, h->created_wall_ms);
    put_le32(block + CRC_AT, crc32c(0, block, CRC_AT));
}

int
snapshot_head_get(const uint8_t *block, size_t n, struct snapshot_head *out)
{
    if (!block_valid(block, n, SNAPSHOT_HEADER_BYTES, head_magic)) {
        return BH_EDAMAGED;
    }
    if (get_le32(block + 8) != VERSION) {
        return BH_EFORMAT;
    }
    *out = (struct snapshot_head){ .position = get_le64(block + 32),
        .salt = get_le64(block + 48),
        .segment_bytes = get_le64(block + 56),
        .created_wall_ms = get_le64(block + 64),
        .epoch = get_le32(block + 40) };
    memcpy(out->uuid, block + 16, sizeof(out->uuid));
    return 0;
}

void
snapshot_trailer_put(uint8_t block[SNAPSHOT_TRAILER_BYTES], const struct snapshot_trailer *t)
{
    memset(block, 0, SNAPSHOT_TRAILER_BYTES);
    memcpy(block, trailer_magic, MAGIC_BYTES);
    put_le64(block + 8, t->salt);
    put_le64(block + 16, t->through);
    put_le64(block + 24, t->file_bytes);
    put_le64(block + 32, t->blocks);
    put_le64(block + 40, t->messages);
    put_le64(block + 48, t->recipients);
    put_le64(block + 56, t->damaged);
    put_le32(block + CRC_AT, crc32c(0, block, CRC_AT));
}

int
snapshot_trailer_get(const uint8_t *block, size_t n, struct snapshot_trailer *out)
{
    if (!block_valid(block, n, SNAPSHOT_TRAILER_BYTES, trailer_magic)) {
        return BH_EDAMAGED;
    }
    *out = (struct snapshot_trailer){ .salt = get_le64(block + 8),
        .through = get_le64(block + 16),
        .file_bytes = get_le64(block + 24),
        .blocks = get_le64(block + 32),
        .messages = get_le64(block + 40),
        .recipients = get_le64(block + 48),
        .damaged = get_le64(block + 56) };
    return 0;
}

void
snapshot_name(char out[SNAPSHOT_NAME_CAP], uint64_t position, uint32_t epoch)
{
    (void)snprintf(
        out, SNAPSHOT_NAME_CAP, "%016llx-%08x.snap", (unsigned long long)position, epoch);
}

bool
snapshot_name_parse(const char *name, uint64_t *position, uint32_t *epoch)
{
    struct slice s = slice_of(name);
    char canonical[SNAPSHOT_NAME_CAP];
    uint64_t e;

    if (s.n != 16 + 1 + 8 + 5 || slice_hex_u64(slice_sub(s, 0, 16), position) < 0 ||
        slice_hex_u64(slice_sub(s, 17, 8), &e) < 0) {
        return false;
    }
    *epoch = (uint32_t)e;
    snapshot_name(canonical, *position, *epoch);
    return strcmp(name, canonical) == 0;
}

/* ---- the SNAPSHOT record */

size_t
snapshot_record_bytes(uint32_t count)
{
    return SNAPSHOT_RECORD_HEAD_BYTES + (size_t)count * SNAPSHOT_REF_BYTES;
}

void
snapshot_record_put(uint8_t *at, const struct snapshot_ref *refs, uint32_t count)
{
    put_le32(at, count);
    put_le32(at + 4, 0);
    at += SNAPSHOT_RECORD_HEAD_BYTES;
    for (uint32_t i = 0; i < count; i++, at += SNAPSHOT_REF_BYTES) {
        put_le64(at, refs[i].position);
        put_le32(at + 8, refs[i].epoch);
        put_le32(at + 12, 0);
        put_le64(at + 16, refs[i].salt);
    }
}

int
snapshot_record_get(struct slice payload, struct snapshot_ref *refs, uint32_t *count)
{
    struct reader r = reader_of(payload);
    uint32_t n = read_u32(&r), got = 0;

    (void)read_u32(&r);
    for (uint32_t i = 0; i < n && !r.bad; i++) {
        struct snapshot_ref ref = { .position = read_u64(&r) };

        ref.epoch = read_u32(&r);
        (void)read_u32(&r);
        ref.salt = read_u64(&r);
        if (!r.bad && got < SNAPSHOT_REFS_MAX) {
            refs[got++] = ref;
        }
    }
    if (r.bad) {
        return BH_EDAMAGED;
    }
    *count = got;
    return 0;
}

/* ---- writing blocks */

void
snapshot_block_begin(struct snapshot_block *b)
{
    b->used = SNAPSHOT_BLOCK_HEAD_BYTES;
}

void
snapshot_block_fini(struct snapshot_block *b)
{
    free(b->bytes);
    *b = (struct snapshot_block){ 0 };
}

static size_t
entry_bytes(size_t payload)
{
    return (SNAPSHOT_ENTRY_HEAD_BYTES + payload + 7) & ~(size_t)7;
}

/* Room for an entry with so much payload; its head is filled in. NULL: no memory. */
static uint8_t *
entry(struct snapshot_block *b, enum snapshot_kind kind, size_t payload)
{
    size_t n = entry_bytes(payload), wanted = MAX(b->capacity, (size_t)(64 * KIB));
    uint8_t *at, *grown;

    while (wanted < b->used + n) {
        wanted *= 2;
    }
    if (wanted > b->capacity) {
        grown = realloc(b->bytes, wanted);
        if (grown == NULL) {
            return NULL;
        }
        b->bytes = grown;
        b->capacity = wanted;
    }
    at = b->bytes + b->used;
    put_le64(at + n - 8, 0); /* the padding; an entry has 8 bytes at least */
    put_le16(at, (uint16_t)kind);
    put_le16(at + 2, 0);
    put_le32(at + 4, (uint32_t)payload);
    b->used += n;
    return at + SNAPSHOT_ENTRY_HEAD_BYTES;
}

int
snapshot_put_segment(struct snapshot_block *b, const struct segment *s)
{
    uint8_t *at =
        entry(b, SNAPSHOT_SEGMENT, SEGMENT_ENTRY_BYTES + s->need_count * sizeof(uint64_t));

    if (at == NULL) {
        return -ENOMEM;
    }
    put_le64(at, s->seq);
    put_le64(at + 8, s->salt);
    put_le64(at + 16, s->valid_bytes);
    put_le32(at + 24, s->epoch);
    put_le32(
        at + 28, (s->damaged ? SEGMENT_FLAG_DAMAGED : 0) | (s->mended ? SEGMENT_FLAG_MENDED : 0));
    put_le32(at + 32, s->need_count);
    put_le32(at + 36, 0);
    at += SEGMENT_ENTRY_BYTES;
    for (uint32_t i = 0; i < s->need_count; i++, at += sizeof(uint64_t)) {
        put_le64(at, s->needs[i]);
    }
    return 0;
}

int
snapshot_put_state(struct snapshot_block *b, const struct state_entry *e)
{
    struct slice key = state_key(e), value = state_value(e);
    enum snapshot_kind kind = state_is_transid(key) ? SNAPSHOT_TRANSID : SNAPSHOT_STATE;
    uint8_t *at = entry(b, kind, sizeof(uint64_t) + state_payload_bytes(key, value));

    if (at == NULL) {
        return -ENOMEM;
    }
    put_le64(at, e->lsn);
    state_put(at + sizeof(uint64_t), key, value);
    return 0;
}

static int
put_new_replies(struct snapshot_block *b, struct msgindex *ix, const struct stored *s)
{
    for (uint32_t i = 0; i < s->m.recipient_count; i++) {
        struct slice text = s->m.recipients[i].last_reply;
        bool fresh = false;
        uint8_t *at;

        if (text.n > 0) {
            (void)msgindex_reply_number(ix, text, &fresh);
        }
        if (fresh) {
            at = entry(b, SNAPSHOT_REPLY, text.n);
            if (at == NULL) {
                return -ENOMEM;
            }
            memcpy(at, text.p, text.n);
        }
    }
    return 0;
}

static size_t
field_bytes(size_t n)
{
    return n > 0 ? FIELD_HEAD_BYTES + n : 0;
}

static uint8_t *
put_bytes(uint8_t *at, struct slice s)
{
    if (s.n > 0) {
        memcpy(at, s.p, s.n);
    }
    return at + s.n;
}

static uint8_t *
put_field(uint8_t *at, enum commit_tag tag, size_t n)
{
    put_le16(at, (uint16_t)tag);
    put_le32(at + 2, (uint32_t)n);
    return at + FIELD_HEAD_BYTES;
}

static uint8_t *
put_string(uint8_t *at, enum commit_tag tag, struct slice s)
{
    return s.n == 0 ? at : put_bytes(put_field(at, tag, s.n), s);
}

static size_t
recipient_bytes(const struct queue_recipient *r)
{
    return RECIPIENT_HEAD_BYTES + r->address.n + r->orcpt.n + RECIPIENT_TAIL_BYTES;
}

static uint8_t *
put_recipient(uint8_t *at, struct msgindex *ix, const struct queue_recipient *r)
{
    bool fresh;

    at = put_field(at, COMMIT_RECIPIENT, recipient_bytes(r));
    put_le16(at, (uint16_t)r->address.n);
    at = put_bytes(at + 2, r->address);
    put_le16(at, (uint16_t)r->orcpt.n);
    at = put_bytes(at + 2, r->orcpt);
    *at++ = r->notify;
    *at++ = r->state;
    *at++ = (uint8_t)((r->in_doubt ? RECIPIENT_FLAG_DOUBT : 0) |
                      (r->warned ? RECIPIENT_FLAG_WARNED : 0));
    *at++ = r->attempt;
    put_le16(at, r->attempts);
    put_le64(at + 2, r->next_wall_ms);
    put_le32(at + 10, r->last_reply.n > 0 ? msgindex_reply_number(ix, r->last_reply, &fresh) : 0);
    put_le64(at + 14, r->transaction);
    return at + RECIPIENT_TAIL_BYTES - 3;
}

/* Bytes of its entry's payload, and of all strings. */
static size_t
measure(const struct stored *s, size_t *strings)
{
    const struct queue_message *m = &s->m;
    size_t n = MESSAGE_ENTRY_BYTES + field_bytes(m->sender.n) + field_bytes(m->envid.n) +
               field_bytes(m->client.n) + field_bytes((size_t)s->chunk_count * COMMIT_CHUNK_BYTES);

    if (m->transid.n > 0) {
        n += field_bytes(COMMIT_TRANSID_HEAD_BYTES + m->transid.n);
    }
    *strings = m->sender.n + m->envid.n + m->client.n + m->transid.n;
    for (uint32_t i = 0; i < m->recipient_count; i++) {
        n += field_bytes(recipient_bytes(&m->recipients[i]));
        *strings += m->recipients[i].address.n + m->recipients[i].orcpt.n;
    }
    return n;
}

static uint8_t *
put_message_head(uint8_t *at, const struct stored *s, size_t strings)
{
    put_le64(at, s->m.id);
    put_le64(at + 8, s->commit_lsn);
    put_le64(at + 16, s->m.size_bytes);
    put_le64(at + 24, s->m.received_wall_ms);
    put_le32(at + 32, s->m.recipient_count);
    put_le32(at + 36, s->chunk_count);
    put_le32(at + 40, (uint32_t)strings);
    at[44] = s->m.body;
    at[45] = s->m.hops;
    at[46] = 0;
    at[47] = s->m.held;
    put_le64(at + 48, s->m.crashes);
    return at + MESSAGE_ENTRY_BYTES;
}

int
snapshot_put_message(struct snapshot_block *b, struct msgindex *ix, const struct stored *s)
{
    size_t strings, n = measure(s, &strings);
    int rc = put_new_replies(b, ix, s);
    uint8_t *at = rc < 0 ? NULL : entry(b, SNAPSHOT_MESSAGE, n);

    if (at == NULL) {
        return -ENOMEM;
    }
    at = put_message_head(at, s, strings);
    at = put_string(at, COMMIT_SENDER, s->m.sender);
    at = put_string(at, COMMIT_ENVID, s->m.envid);
    at = put_string(at, COMMIT_CLIENT, s->m.client);
    if (s->m.transid.n > 0) {
        at = put_field(at, COMMIT_TRANSID, COMMIT_TRANSID_HEAD_BYTES + s->m.transid.n);
        put_le64(at, s->m.transid_bytes);
        at = put_bytes(at + COMMIT_TRANSID_HEAD_BYTES, s->m.transid);
    }
    for (uint32_t i = 0; i < s->m.recipient_count; i++) {
        at = put_recipient(at, ix, &s->m.recipients[i]);
    }
    if (s->chunk_count > 0) {
        at = put_field(at, COMMIT_CHUNKS, (size_t)s->chunk_count * COMMIT_CHUNK_BYTES);
    }
    for (uint32_t i = 0; i < s->chunk_count; i++, at += COMMIT_CHUNK_BYTES) {
        put_le64(at, s->chunk_lsn[i]);
        put_le32(at + 8, s->chunk_bytes[i]);
    }
    return 0;
}

void
snapshot_block_finish(struct snapshot_block *b, uint32_t number, uint32_t seed)
{
    size_t n = b->used - SNAPSHOT_BLOCK_HEAD_BYTES;

    put_le32(b->bytes, (uint32_t)n);
    put_le32(b->bytes + 4, number);
    put_le32(b->bytes + 8, crc32c(seed, b->bytes + SNAPSHOT_BLOCK_HEAD_BYTES, n));
    put_le32(b->bytes + 12, crc32c(seed, b->bytes, 12));
}

/* ---- reading */

int
snapshot_block_head_get(const uint8_t *at, uint32_t seed, struct snapshot_block_head *out)
{
    *out = (struct snapshot_block_head){ get_le32(at), get_le32(at + 4), get_le32(at + 8) };
    return get_le32(at + 12) == crc32c(seed, at, 12) && out->bytes > 0 && out->bytes % 8 == 0 &&
                   out->bytes <= SNAPSHOT_BLOCK_BYTES_MAX
               ? 0
               : BH_EDAMAGED;
}

bool
snapshot_block_valid(const uint8_t *at, const struct snapshot_block_head *h, uint32_t seed)
{
    return crc32c(seed, at + SNAPSHOT_BLOCK_HEAD_BYTES, h->bytes) == h->crc;
}

int
snapshot_next(struct slice *rest, struct snapshot_entry *out)
{
    const uint8_t *at = (const uint8_t *)rest->p;
    size_t n, padded;

    if (rest->n == 0) {
        return 0;
    }
    if (rest->n < SNAPSHOT_ENTRY_HEAD_BYTES) {
        return BH_EDAMAGED;
    }
    n = get_le32(at + 4);
    padded = entry_bytes(n);
    if (padded > rest->n) {
        return BH_EDAMAGED;
    }
    *out = (struct snapshot_entry){ get_le16(at), { rest->p + SNAPSHOT_ENTRY_HEAD_BYTES, n } };
    *rest = slice_skip(*rest, padded);
    return 1;
}

int
snapshot_segment_get(struct slice bytes, struct snapshot_segment *out)
{
    struct reader r = reader_of(bytes);
    uint32_t flags;

    out->seq = read_u64(&r);
    out->salt = read_u64(&r);
    out->valid_bytes = read_u64(&r);
    out->epoch = read_u32(&r);
    flags = read_u32(&r);
    out->damaged = (flags & SEGMENT_FLAG_DAMAGED) != 0;
    out->mended = (flags & SEGMENT_FLAG_MENDED) != 0;
    out->need_count = read_u32(&r);
    (void)read_u32(&r);
    out->needs = r;
    return r.bad || out->need_count > r.rest.n / sizeof(uint64_t) ? BH_EDAMAGED : 0;
}

int
snapshot_state_get(struct slice bytes, struct snapshot_setting *out)
{
    struct reader r = reader_of(bytes);

    out->lsn = read_u64(&r);
    return r.bad ? BH_EDAMAGED : state_get(r.rest, &out->key, &out->value);
}

int
snapshot_reply_get(struct snapshot_replies *r, struct msgindex *ix, struct slice text)
{
    struct slice *grown;

    if (text.n == 0 || text.n > REPLY_BYTES_MAX) {
        return BH_EDAMAGED;
    }
    if (r->count == r->capacity) {
        uint32_t capacity = MAX(r->capacity * 2, 64U);

        grown = realloc(r->list, capacity * sizeof(*grown));
        if (grown == NULL) {
            return -ENOMEM;
        }
        r->list = grown;
        r->capacity = capacity;
    }
    r->list[r->count] = msgindex_reply_new(ix, text);
    if (r->list[r->count].n == 0) {
        return -ENOMEM;
    }
    r->count++;
    return 0;
}

void
snapshot_replies_fini(struct snapshot_replies *r, struct msgindex *ix)
{
    for (uint32_t i = 0; i < r->count; i++) {
        msgindex_reply_drop(ix, r->list[i]);
    }
    free(r->list);
    *r = (struct snapshot_replies){ 0 };
}

uint64_t
snapshot_message_commit(struct slice bytes)
{
    return bytes.n < MESSAGE_ENTRY_BYTES ? 0 : get_le64((const uint8_t *)bytes.p + 8);
}

struct filler { /* where the next bytes of each kind go, and what is left for them */
    struct stored *s;
    char *strings;
    size_t strings_left;
    uint32_t recipient, chunk;
    uint64_t content;
    bool bad;
};

static struct slice
keep(struct filler *f, struct slice s)
{
    char *at = f->strings;

    if (s.n == 0) {
        return SLICE_NONE;
    }
    if (s.n > f->strings_left) {
        f->bad = true;
        return SLICE_NONE;
    }
    memcpy(at, s.p, s.n);
    f->strings += s.n;
    f->strings_left -= s.n;
    return (struct slice){ at, s.n };
}

static void
fill_recipient(struct filler *f, const struct snapshot_replies *replies, struct slice bytes)
{
    struct reader r = reader_of(bytes);
    struct queue_recipient *to;
    uint32_t number;
    uint8_t flags;

    if (f->recipient == f->s->m.recipient_count) {
        f->bad = true;
        return;
    }
    to = &f->s->m.recipients[f->recipient++];
    to->address = keep(f, read_bytes16(&r));
    to->orcpt = keep(f, read_bytes16(&r));
    to->notify = read_u8(&r);
    to->state = read_u8(&r);
    flags = read_u8(&r);
    to->in_doubt = (flags & RECIPIENT_FLAG_DOUBT) != 0;
    to->warned = (flags & RECIPIENT_FLAG_WARNED) != 0;
    to->attempt = read_u8(&r);
    to->attempts = read_u16(&r);
    to->next_wall_ms = read_u64(&r);
    number = read_u32(&r);
    to->transaction = r.rest.n >= 8 ? read_u64(&r) : 0;
    if (r.bad || to->state > RECIPIENT_REMOVED || to->attempt > ATTEMPT_READING ||
        number > replies->count) {
        f->bad = true;
        return;
    }
    if (number > 0) {
        to->last_reply = msgindex_reply_share(replies->list[number - 1]);
    }
    f->s->m.live_count += to->state == RECIPIENT_QUEUED;
}

static void
fill_chunks(struct filler *f, struct slice bytes)
{
    const uint8_t *at = (const uint8_t *)bytes.p;

    if (bytes.n != (uint64_t)f->s->chunk_count * COMMIT_CHUNK_BYTES || f->chunk > 0) {
        f->bad = true;
        return;
    }
    for (; f->chunk < f->s->chunk_count; f->chunk++, at += COMMIT_CHUNK_BYTES) {
        f->s->chunk_lsn[f->chunk] = get_le64(at);
        f->s->chunk_bytes[f->chunk] = get_le32(at + 8);
        f->content += f->s->chunk_bytes[f->chunk];
    }
}

static int
fill_field(
    struct filler *f, const struct snapshot_replies *replies, uint16_t tag, struct slice bytes)
{
    struct queue_message *m = &f->s->m;

    switch (tag) {
    case COMMIT_SENDER:
        m->sender = keep(f, bytes);
        break;
    case COMMIT_ENVID:
        m->envid = keep(f, bytes);
        break;
    case COMMIT_CLIENT:
        m->client = keep(f, bytes);
        break;
    case COMMIT_TRANSID:
        if (bytes.n >= COMMIT_TRANSID_HEAD_BYTES) {
            m->transid_bytes = get_le64((const uint8_t *)bytes.p);
            m->transid = keep(f, slice_skip(bytes, COMMIT_TRANSID_HEAD_BYTES));
        }
        break;
    case COMMIT_RECIPIENT:
        fill_recipient(f, replies, bytes);
        break;
    case COMMIT_CHUNKS:
        fill_chunks(f, bytes);
        break;
    default:
        return (tag & COMMIT_MUST_UNDERSTAND) != 0 ? BH_EFORMAT : 0;
    }
    return f->bad ? BH_EDAMAGED : 0;
}

static int
fill(struct filler *f, const struct snapshot_replies *replies, struct slice fields)
{
    int rc = 0;

    while (rc == 0 && fields.n > 0) {
        const uint8_t *at = (const uint8_t *)fields.p;
        size_t n;

        if (fields.n < FIELD_HEAD_BYTES) {
            return BH_EDAMAGED;
        }
        n = get_le32(at + 2);
        fields = slice_skip(fields, FIELD_HEAD_BYTES);
        if (n > fields.n) {
            return BH_EDAMAGED;
        }
        rc = fill_field(f, replies, get_le16(at), slice_sub(fields, 0, n));
        fields = slice_skip(fields, n);
    }
    return rc;
}

int
snapshot_message_get(struct slice bytes, const struct snapshot_replies *replies,
    struct msgindex *ix, struct stored **out)
{
    const uint8_t *at = (const uint8_t *)bytes.p;
    struct stored_room room;
    struct filler f = { 0 };
    int rc;

    if (bytes.n < MESSAGE_ENTRY_BYTES) {
        return BH_EDAMAGED;
    }
    room = (struct stored_room){ get_le32(at + 40), get_le32(at + 32), get_le32(at + 36) };
    if (room.recipients == 0 || room.recipients > ENVELOPE_RECIPIENTS_MAX ||
        room.strings > bytes.n || room.chunks > bytes.n / COMMIT_CHUNK_BYTES) {
        return BH_EDAMAGED;
    }
    f.s = stored_alloc(&room, &f.strings);
    if (f.s == NULL) {
        return -ENOMEM;
    }
    f.strings_left = room.strings;
    f.s->m.id = get_le64(at);
    f.s->commit_lsn = get_le64(at + 8);
    f.s->m.size_bytes = get_le64(at + 16);
    f.s->m.received_wall_ms = get_le64(at + 24);
    f.s->m.body = at[44];
    f.s->m.hops = at[45];
    f.s->m.held = (uint8_t)(at[47] > HOLD_POISON ? HOLD_OPERATOR : at[47]);
    f.s->m.crashes = at[48];
    f.s->durable = true;
    rc = fill(&f, replies, slice_skip(bytes, MESSAGE_ENTRY_BYTES));
    if (rc == 0 &&
        (f.recipient != room.recipients || f.chunk != room.chunks ||
            f.content != f.s->m.size_bytes || f.s->m.live_count == 0 || f.s->m.id == 0)) {
        rc = BH_EDAMAGED;
    }
    if (rc < 0) {
        stored_free(ix, f.s);
        return rc;
    }
    *out = f.s;
    return 0;
}
