#include "queue/repaired.h"
#include "queue/record.h"

void
repaired_put(uint8_t *at, const struct repaired *r, const struct repaired_place *places)
{
    put_le64(at, r->seq);
    put_le32(at + 8, r->epoch);
    put_le32(at + 12, r->count);
    at += REPAIRED_HEAD_BYTES;
    for (uint32_t i = 0; i < r->count; i++, at += REPAIRED_PLACE_BYTES) {
        put_le32(at, places[i].offset);
        put_le32(at + 4, places[i].kind);
    }
}

int
repaired_get(struct slice payload, struct repaired *out, struct repaired_place *places)
{
    struct reader r = reader_of(payload);
    struct repaired got;

    got.seq = read_u64(&r);
    got.epoch = read_u32(&r);
    got.count = read_u32(&r);
    if (r.bad || got.count > REPAIRED_PLACES_MAX) {
        return BH_EDAMAGED;
    }
    for (uint32_t i = 0; i < got.count; i++) {
        places[i].offset = read_u32(&r);
        places[i].kind = read_u32(&r);
    }
    if (r.bad) {
        return BH_EDAMAGED;
    }
    *out = got;
    return 0;
}
