#include "queue/queue_repair.h"
#include "queue/census.h"
#include "queue/queue_int.h"

struct queue_message *
queue_damaged_after(const struct queue *q, msg_id id)
{
    struct stored *s = msgindex_after(&q->index, id);

    while (s != NULL && !s->damaged) {
        s = msgindex_after(&q->index, s->m.id);
    }
    return s != NULL ? &s->m : NULL;
}

uint32_t
queue_piece_bytes(const struct queue_message *m, uint32_t i)
{
    const struct stored *s = stored_of_const(m);

    return i < s->chunk_count ? s->chunk_bytes[i] : 0;
}

void
queue_segment_moves(struct queue *q, uint64_t seq)
{
    struct segment *seg = segtab_find(&q->segments, seq);

    if (seg != NULL) {
        seg->freeing = true;
    }
}

int
queue_say_missing(struct queue *q)
{
    q->missing_count = 0;
    return census_put(q);
}

int
queue_settle_damage(
    struct queue *q, uint64_t seq, const struct repaired_place *places, uint32_t count)
{
    struct segment *about = segtab_find(&q->segments, seq);
    struct repaired r = { .seq = seq, .count = count };
    struct journal_place place;
    int rc;

    CHECK(count <= REPAIRED_PLACES_MAX);
    if (about == NULL) {
        return BH_ENOTFOUND;
    }
    r.epoch = about->epoch;
    rc = q->failed != 0 ? q->failed
                        : journal_add(q->journal, RECORD_REPAIRED,
                              REPAIRED_HEAD_BYTES + (uint64_t)count * REPAIRED_PLACE_BYTES, &place);
    if (rc < 0) {
        return rc;
    }
    repaired_put(place.payload, &r, places);
    about->mended = true;
    return segtab_need(&q->segments, place.segment, seq);
}
