#include "queue/record.h"
#include "core/crc32c.h"

#define CRC_AT         28
#define PAYLOAD_CRC_AT 24
#define BEHIND_AT      20

uint32_t
record_seed(uint64_t salt)
{
    uint8_t bytes[8];

    put_le64(bytes, salt);
    return crc32c(0, bytes, sizeof(bytes));
}

void
record_begin(uint8_t *at, const struct record_head *h)
{
    uint64_t padded = record_padded(h->length);

    CHECK(h->length >= RECORD_HEADER_BYTES && h->length <= RECORD_BYTES_MAX);
    memset(at + h->length, 0, padded - h->length);
    put_le32(at, h->length);
    at[4] = h->type;
    at[5] = h->flags;
    put_le16(at + 6, 0);
    put_le64(at + 8, h->lsn);
    put_le32(at + 16, h->epoch);
    memset(at + BEHIND_AT, 0, RECORD_HEADER_BYTES - BEHIND_AT);
}

void
record_finish(uint8_t *at, uint32_t behind, uint32_t seed)
{
    uint32_t length = get_le32(at);

    put_le32(at + BEHIND_AT, behind);
    put_le32(
        at + PAYLOAD_CRC_AT, crc32c(seed, at + RECORD_HEADER_BYTES, length - RECORD_HEADER_BYTES));
    put_le32(at + CRC_AT, crc32c(seed, at, CRC_AT));
}

int
record_head_get(const uint8_t *at, size_t n, uint32_t seed, uint64_t lsn, struct record_head *out)
{
    uint32_t length;

    if (n < RECORD_HEADER_BYTES) {
        return BH_EDAMAGED;
    }
    length = get_le32(at);
    if (length < RECORD_HEADER_BYTES || length > RECORD_BYTES_MAX || get_le64(at + 8) != lsn ||
        get_le32(at + CRC_AT) != crc32c(seed, at, CRC_AT)) {
        return BH_EDAMAGED;
    }
    *out = (struct record_head){
        .length = length,
        .type = at[4],
        .flags = at[5],
        .lsn = lsn,
        .epoch = get_le32(at + 16),
        .behind = get_le32(at + BEHIND_AT),
        .payload_crc = get_le32(at + PAYLOAD_CRC_AT),
    };
    return 0;
}

bool
record_payload_valid(const uint8_t *at, const struct record_head *h, uint32_t seed)
{
    return crc32c(seed, at + RECORD_HEADER_BYTES, h->length - RECORD_HEADER_BYTES) ==
           h->payload_crc;
}

/* ---- COMMIT */

#define TLV_BYTES              6
#define RECIPIENT_FIXED_BYTES  5
#define COMMIT_SMALL_TLV_BYTES (3 * TLV_BYTES + 1 + 1 + 8) /* body, hops, received */

uint64_t
commit_payload_bytes(const struct envelope *e, uint32_t chunk_count)
{
    uint64_t bytes = COMMIT_HEAD_BYTES + COMMIT_SMALL_TLV_BYTES;
    const size_t field_max = UINT16_MAX;

    if (e->sender.n > field_max || e->envid.n > field_max || e->client.n > field_max ||
        e->transid.n > field_max || e->recipient_count == 0 ||
        e->recipient_count > ENVELOPE_RECIPIENTS_MAX) {
        return 0;
    }
    bytes += 3 * (uint64_t)TLV_BYTES + e->sender.n + e->envid.n + e->client.n;
    for (uint32_t i = 0; i < e->recipient_count; i++) {
        const struct envelope_recipient *r = &e->recipients[i];

        if (r->address.n > field_max || r->orcpt.n > field_max) {
            return 0;
        }
        bytes += TLV_BYTES + RECIPIENT_FIXED_BYTES + r->address.n + r->orcpt.n;
    }
    if (e->transid.n > 0) {
        bytes += TLV_BYTES + COMMIT_TRANSID_HEAD_BYTES + e->transid.n;
    }
    bytes += TLV_BYTES + (uint64_t)COMMIT_CHUNK_BYTES * chunk_count;
    return bytes + RECORD_HEADER_BYTES <= RECORD_BYTES_MAX ? bytes : 0;
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
put_tlv(uint8_t *at, uint16_t tag, size_t n)
{
    put_le16(at, tag);
    put_le32(at + 2, (uint32_t)n);
    return at + TLV_BYTES;
}

static uint8_t *
put_field(uint8_t *at, uint16_t tag, struct slice s)
{
    return put_bytes(put_tlv(at, tag, s.n), s);
}

static uint8_t *
put_recipient(uint8_t *at, const struct envelope_recipient *r)
{
    at = put_tlv(at, COMMIT_RECIPIENT, RECIPIENT_FIXED_BYTES + r->address.n + r->orcpt.n);
    put_le16(at, (uint16_t)r->address.n);
    at = put_bytes(at + 2, r->address);
    put_le16(at, (uint16_t)r->orcpt.n);
    at = put_bytes(at + 2, r->orcpt);
    *at = r->notify;
    return at + 1;
}

void
commit_encode(uint8_t *at, const struct commit_head *head, const struct envelope *e,
    const struct commit_chunk *chunks, uint32_t chunk_count)
{
    const uint8_t *start = at;

    put_le64(at, head->id);
    put_le64(at + 8, head->size_bytes);
    at = put_field(at + COMMIT_HEAD_BYTES, COMMIT_SENDER, e->sender);
    at = put_field(at, COMMIT_ENVID, e->envid);
    at = put_tlv(at, COMMIT_BODY, 1);
    *at++ = e->body;
    at = put_tlv(at, COMMIT_HOPS, 1);
    *at++ = e->hops;
    at = put_tlv(at, COMMIT_RECEIVED, 8);
    put_le64(at, e->received_wall_ms);
    at = put_field(at + 8, COMMIT_CLIENT, e->client);
    if (e->transid.n > 0) {
        at = put_tlv(at, COMMIT_TRANSID, COMMIT_TRANSID_HEAD_BYTES + e->transid.n);
        put_le64(at, e->transid_bytes);
        at = put_bytes(at + COMMIT_TRANSID_HEAD_BYTES, e->transid);
    }
    for (uint32_t i = 0; i < e->recipient_count; i++) {
        at = put_recipient(at, &e->recipients[i]);
    }
    at = put_tlv(at, COMMIT_CHUNKS, (size_t)COMMIT_CHUNK_BYTES * chunk_count);
    for (uint32_t i = 0; i < chunk_count; i++, at += COMMIT_CHUNK_BYTES) {
        put_le64(at, chunks[i].lsn);
        put_le32(at + 8, chunks[i].bytes);
    }
    CHECK((uint64_t)(at - start) == commit_payload_bytes(e, chunk_count));
}

int
commit_walk_begin(struct commit_walk *w, struct slice payload, struct commit_head *head)
{
    *w = (struct commit_walk){ .r = reader_of(payload) };
    head->id = read_u64(&w->r);
    head->size_bytes = read_u64(&w->r);
    return w->r.bad ? BH_EDAMAGED : 0;
}

int
commit_walk_next(struct commit_walk *w)
{
    uint32_t n;

    if (w->r.rest.n == 0) {
        return 0;
    }
    w->tag = read_u16(&w->r);
    n = read_u32(&w->r);
    w->bytes = read_bytes(&w->r, n);
    if (w->r.bad) {
        return BH_EDAMAGED;
    }
    return (w->tag & COMMIT_MUST_UNDERSTAND) != 0 ? BH_EFORMAT : 1;
}

int
commit_recipient(struct slice bytes, struct envelope_recipient *out)
{
    struct reader r = reader_of(bytes);
    struct envelope_recipient got;

    got.address = read_bytes16(&r);
    got.orcpt = read_bytes16(&r);
    got.notify = read_u8(&r);
    if (r.bad) {
        return BH_EDAMAGED;
    }
    *out = got;
    return 0;
}

_Static_assert(COPIED_ORIGIN_BYTES == TLV_BYTES + 8, "a field with a u64");
_Static_assert(COPIED_STATEMENT_BYTES == TLV_BYTES + 1, "a field with a u8 and a payload");

uint8_t *
copied_origin_put(uint8_t *at, uint64_t lsn)
{
    at = put_tlv(at, COMMIT_ORIGIN, 8);
    put_le64(at, lsn);
    return at + 8;
}

uint8_t *
copied_statement_put(uint8_t *at, uint8_t type, uint64_t payload_bytes)
{
    at = put_tlv(at, COMMIT_STATEMENT, (size_t)payload_bytes + 1);
    *at = type;
    return at + 1;
}

int
copied_statement_get(struct slice field, uint8_t *type, struct slice *payload)
{
    struct reader r = reader_of(field);

    *type = read_u8(&r);
    *payload = r.rest;
    return r.bad ? BH_EDAMAGED : 0;
}

/* ---- OUTCOME, MARK */

#define OUTCOME_FIXED_BYTES  18 /* after the length field */
#define OUTCOME_FLAG_INDOUBT 1

static size_t
clipped(struct slice reply)
{
    return MIN(reply.n, (size_t)REPLY_BYTES_MAX);
}

static size_t
transaction_bytes(const struct outcome_entry *e)
{
    return e->in_doubt && e->transaction != 0 ? 8 : 0;
}

size_t
outcome_entry_bytes(const struct outcome_entry *e)
{
    return 2 + OUTCOME_FIXED_BYTES + clipped(e->reply) + transaction_bytes(e);
}

void
outcome_head_put(uint8_t *at, const struct outcome_head *h)
{
    put_le64(at, h->id);
    put_le64(at + 8, h->commit_lsn);
    put_le32(at + 16, h->count);
    put_le32(at + 20, 0);
}

uint8_t *
outcome_entry_put(uint8_t *at, const struct outcome_entry *e)
{
    size_t reply = clipped(e->reply);

    put_le16(at, (uint16_t)(OUTCOME_FIXED_BYTES + reply + transaction_bytes(e)));
    put_le32(at + 2, e->recipient);
    at[6] = e->kind;
    at[7] = e->in_doubt ? OUTCOME_FLAG_INDOUBT : 0;
    put_le16(at + 8, e->attempts);
    put_le64(at + 10, e->next_wall_ms);
    put_le16(at + 18, (uint16_t)reply);
    at = put_bytes(at + 20, slice_sub(e->reply, 0, reply));
    if (transaction_bytes(e) > 0) {
        put_le64(at, e->transaction);
        at += 8;
    }
    return at;
}

int
outcome_head_get(struct reader *r, struct outcome_head *out)
{
    struct outcome_head got;

    got.id = read_u64(r);
    got.commit_lsn = read_u64(r);
    got.count = read_u32(r);
    (void)read_u32(r);
    if (r->bad) {
        return BH_EDAMAGED;
    }
    *out = got;
    return 0;
}

int
outcome_entry_get(struct reader *r, struct outcome_entry *out)
{
    struct reader in = reader_of(read_bytes16(r));
    struct outcome_entry got;

    if (r->bad) {
        return BH_EDAMAGED;
    }
    got.recipient = read_u32(&in);
    got.kind = read_u8(&in);
    got.in_doubt = (read_u8(&in) & OUTCOME_FLAG_INDOUBT) != 0;
    got.attempts = read_u16(&in);
    got.next_wall_ms = read_u64(&in);
    got.reply = read_bytes16(&in);
    if (in.bad) {
        return BH_EDAMAGED;
    }
    got.transaction = got.in_doubt && in.rest.n >= 8 ? read_u64(&in) : 0;
    *out = got;
    return 0;
}

void
mark_put(uint8_t *at, const struct mark *m)
{
    put_le64(at, m->id);
    put_le64(at + 8, m->commit_lsn);
    put_le32(at + 16, m->what);
    put_le32(at + 20, 0);
    put_le64(at + 24, m->value);
}

int
mark_get(struct slice payload, struct mark *out)
{
    struct reader r = reader_of(payload);
    struct mark got;

    got.id = read_u64(&r);
    got.commit_lsn = read_u64(&r);
    got.what = read_u32(&r);
    (void)read_u32(&r);
    got.value = read_u64(&r);
    if (r.bad) {
        return BH_EDAMAGED;
    }
    *out = got;
    return 0;
}

/* ---- ATTEMPT */

void
attempt_head_put(uint8_t *at, const struct attempt_head *h)
{
    put_le64(at, h->id);
    put_le64(at + 8, h->commit_lsn);
    put_le32(at + 16, h->count);
    put_le32(at + 20, h->kind);
}

int
attempt_head_get(struct reader *r, struct attempt_head *out)
{
    struct attempt_head got;

    got.id = read_u64(r);
    got.commit_lsn = read_u64(r);
    got.count = read_u32(r);
    got.kind = (uint8_t)(read_u32(r) & 0xff);
    if (r->bad || got.count > r->rest.n / 4) {
        return BH_EDAMAGED;
    }
    *out = got;
    return 0;
}

/* ---- SEAL, SURVIVORS */

void
seal_put(uint8_t *at, const struct seal_head *h, const struct seal_entry *entries)
{
    put_le32(at, h->part);
    put_le32(at + 4, h->parts);
    put_le32(at + 8, h->count);
    put_le32(at + 12, h->previous_epoch);
    at += SEAL_HEAD_BYTES;
    for (uint32_t i = 0; i < h->count; i++, at += SEAL_ENTRY_BYTES) {
        put_le64(at, entries[i].seq);
        put_le32(at + 8, entries[i].epoch);
        put_le32(at + 12, 0);
        put_le64(at + 16, entries[i].salt);
        put_le64(at + 24, entries[i].valid_bytes);
    }
}

int
seal_get(struct slice payload, struct seal_head *h, struct seal_entry *entries)
{
    struct reader r = reader_of(payload);
    struct seal_head got;

    got.part = read_u32(&r);
    got.parts = read_u32(&r);
    got.count = read_u32(&r);
    got.previous_epoch = read_u32(&r);
    if (r.bad || got.count > SEAL_ENTRIES_MAX || got.part >= got.parts) {
        return BH_EDAMAGED;
    }
    for (uint32_t i = 0; i < got.count; i++) {
        entries[i].seq = read_u64(&r);
        entries[i].epoch = read_u32(&r);
        (void)read_u32(&r);
        entries[i].salt = read_u64(&r);
        entries[i].valid_bytes = read_u64(&r);
    }
    if (r.bad) {
        return BH_EDAMAGED;
    }
    *h = got;
    return 0;
}

void
survivors_head_put(uint8_t *at, const struct survivors_head *h)
{
    put_le64(at, h->seq);
    put_le32(at + 8, h->epoch);
    put_le32(at + 12, h->from);
    put_le32(at + 16, h->to);
    put_le32(at + 20, h->count);
}

int
survivors_head_get(struct reader *r, struct survivors_head *out)
{
    struct survivors_head got;

    got.seq = read_u64(r);
    got.epoch = read_u32(r);
    got.from = read_u32(r);
    got.to = read_u32(r);
    got.count = read_u32(r);
    if (r->bad || got.count > r->rest.n / 4) {
        return BH_EDAMAGED;
    }
    *out = got;
    return 0;
}
