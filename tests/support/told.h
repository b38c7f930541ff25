/* told.h - fuzzers of a layer that takes what comes in pieces: what it told, as sums, and that it
 * tells the same however it is cut. */
#ifndef SUPPORT_TOLD_H
#define SUPPORT_TOLD_H

#include "core/base.h"
#include "core/slice.h"

struct told {
    uint64_t inds, data;
    int state; /* of the layer, in the end */
    const char *error;
};

static inline void
tell(uint64_t *sum, uint64_t v)
{
    *sum = (*sum ^ v) * 1099511628211u;
}

static inline void
tell_bytes(uint64_t *sum, struct slice bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        tell(sum, (uint8_t)bytes.p[i]);
    }
}

/* Input with TSDUs: two octets of length each, and octets. False: there is none any more. */
static inline bool
told_next_tsdu(struct slice *all, struct slice *tsdu)
{
    if (all->n <= 2) {
        return false;
    }
    *tsdu = slice_sub(*all, 2, (size_t)((uint8_t)all->p[0] << 8 | (uint8_t)all->p[1]));
    *all = slice_skip(*all, 2 + tsdu->n);
    return true;
}

/* Byte 0 of the input is run's own, but for bits 0-4: the size of the pieces of the second run. */
typedef struct told told_run_fn(struct slice all, size_t cut, uint8_t how);

static inline int
told_twice(const uint8_t *data, size_t size, size_t whole_bytes, told_run_fn *run)
{
    struct told whole, cut;
    struct slice all;

    if (size < 2) {
        return 0;
    }
    all = (struct slice){ (const char *)data + 1, size - 1 };
    whole = run(all, whole_bytes, data[0]);
    cut = run(all, 1 + (data[0] & 0x1F), data[0]);
    CHECK(whole.inds == cut.inds && whole.data == cut.data && whole.error == cut.error);
    CHECK(whole.state == cut.state);
    return 0;
}

#endif
