/* The SEAL: the first durable records of an epoch, in its first segment. docs/formats/journal.md
 * section 6, step 7, and I6. */
#include "core/ticks.h"
#include "queue/queue_int.h"
#include "queue/recover.h"
#include <stdlib.h>

static uint32_t
seal_part_max(const struct queue *q)
{
    uint64_t room = q->segment_bytes / 2 - RECORD_HEADER_BYTES - SEAL_HEAD_BYTES;

    return (uint32_t)MIN((uint64_t)SEAL_ENTRIES_MAX, room / SEAL_ENTRY_BYTES);
}

static size_t
seal_put_record(
    const struct queue *q, uint8_t *at, uint64_t offset, enum record_type type, uint32_t length)
{
    struct record_head h = {
        .length = length,
        .type = (uint8_t)type,
        .flags = record_flags(type) | (type == RECORD_SEAL ? RECORD_FLAG_SETTINGS_STAY : 0),
        .lsn = q->first->seq * q->segment_bytes + offset,
        .epoch = q->epoch,
    };

    record_begin(at, &h);
    return record_padded(length);
}

/* Which snapshots of older epochs count (I15). Returns its bytes; 0: there are none. */
static size_t
put_snapshots(const struct queue *q, const struct recovery *r, uint8_t *bytes, size_t at)
{
    uint32_t count = r->snapshot_count;
    size_t payload = snapshot_record_bytes(count), padded;

    if (count == 0) {
        return 0;
    }
    padded = seal_put_record(q, bytes + at, SEGMENT_HEADER_BYTES + at, RECORD_SNAPSHOT,
        (uint32_t)(RECORD_HEADER_BYTES + payload));
    snapshot_record_put(bytes + at + RECORD_HEADER_BYTES, r->snapshots, count);
    record_finish(bytes + at, (uint32_t)at, q->first->seed);
    return padded;
}

/* All SEAL records, what snapshots count, and a PAD to the block's end, as they go to disk after
 * the header. */
static int
seal_bytes(const struct queue *q, const struct recovery *r, uint8_t **out, size_t *n)
{
    uint32_t total = r->counting_count, per_part = seal_part_max(q);
    uint32_t parts = MAX((total + per_part - 1) / per_part, 1U), left = total;
    size_t room = (size_t)parts * (RECORD_HEADER_BYTES + SEAL_HEAD_BYTES) +
                  (size_t)total * SEAL_ENTRY_BYTES + RECORD_HEADER_BYTES +
                  snapshot_record_bytes(SNAPSHOT_REFS_MAX) + 2 * (size_t)IO_BLOCK_BYTES;
    uint8_t *bytes = io_alloc_blocks(room);
    size_t at = 0, pad;

    if (bytes == NULL) {
        return -ENOMEM;
    }
    for (uint32_t part = 0; part < parts; part++) {
        struct seal_head head = { part, parts, MIN(left, per_part),
            (uint32_t)q->claim.previous_epoch };
        size_t start = at;

        at += seal_put_record(q, bytes + at, SEGMENT_HEADER_BYTES + at, RECORD_SEAL,
            RECORD_HEADER_BYTES + SEAL_HEAD_BYTES + head.count * SEAL_ENTRY_BYTES);
        seal_put(bytes + start + RECORD_HEADER_BYTES, &head, r->counting + (total - left));
        record_finish(bytes + start, (uint32_t)start, q->first->seed);
        left -= head.count;
    }
    at += put_snapshots(q, r, bytes, at);
    pad = (IO_BLOCK_BYTES - at % IO_BLOCK_BYTES) % IO_BLOCK_BYTES;
    pad += pad > 0 && pad < RECORD_HEADER_BYTES ? IO_BLOCK_BYTES : 0;
    if (pad > 0) {
        (void)seal_put_record(q, bytes + at, SEGMENT_HEADER_BYTES + at, RECORD_PAD, (uint32_t)pad);
        record_finish(bytes + at, (uint32_t)at, q->first->seed);
    }
    *out = bytes;
    *n = at + pad;
    return 0;
}

/* Step 7: the first segment of our epoch, with the seal in it. */
int
queue_seal(struct queue *q, const struct recovery *r)
{
    uint64_t salt, seq = r->next_seq;
    uint8_t *bytes;
    size_t n;
    int rc = store_random(&salt, sizeof(salt));

    if (rc < 0) {
        return rc;
    }
    q->first = segtab_add(&q->segments, seq, q->epoch, salt);
    if (q->first == NULL) {
        return -ENOMEM;
    }
    rc = seal_bytes(q, r, &bytes, &n);
    if (rc < 0) {
        return rc;
    }
    q->seal_lsn = seq * q->segment_bytes + SEGMENT_HEADER_BYTES;
    q->first_offset = SEGMENT_HEADER_BYTES + n;
    if (q->first_offset > q->segment_bytes / 2) {
        rc = BH_ETOOBIG; /* only with segments as small as tests have them */
    }
    rc = rc < 0 ? rc : space_make_first(q->space, q->first, (struct slice){ (char *)bytes, n });
    free(bytes);
    if (rc == 0 && !lease_valid(&q->renewal.lease, ticks_boot_ns())) {
        rc = BH_EFENCED;
    }
    return rc;
}
