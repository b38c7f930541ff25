/* links: core osi */
#include "osi/tp0.h"
#include "told.h"

/* Whatever a peer sends: the same is told however it is cut, what is over stays over, and what we
 * write is whole TPDUs. What comes as data is sent back.
 *
 * Input: byte 0: bit 7 we are the initiator, bits 0-4 the size of the pieces of the second run. */

/* Only whole TPKTs may leave. */
static void
send_out(struct tp0 *t)
{
    struct slice out = tp0_out(t);

    while (out.n > 0) {
        size_t n;

        CHECK(out.n >= TPKT_BYTES_MIN && out.p[0] == 3 && out.p[1] == 0);
        n = (size_t)((uint8_t)out.p[2] << 8 | (uint8_t)out.p[3]);
        CHECK(n >= TPKT_BYTES_MIN && n <= out.n);
        out = slice_skip(out, n);
    }
    tp0_sent(t, tp0_out(t).n);
}

static void
on_ind(struct tp0 *t, enum tp0_ind_kind kind, const struct tp0_ind *ind, struct told *told)
{
    tell_bytes(&told->data, ind->bytes);
    if (kind == TP0_IND_MORE) {
        return;
    }
    if (kind == TP0_IND_DATA) {
        CHECK(t->state == TP0_OPEN);
        CHECK(tp0_send(t, ind->bytes, ind->end) == 0);
        if (!ind->end) {
            return;
        }
    }
    tell(&told->inds, (uint64_t)kind);
    if (kind == TP0_IND_CONNECT) {
        tell(&told->inds, ind->called.n + 256 * ind->calling.n);
        CHECK(ind->called.n % 7 != 5 ? tp0_accept(t, 1024) == 0 : tp0_refuse(t, 3) == 0);
    } else if (kind == TP0_IND_PROTOCOL || kind == TP0_IND_DISCONNECT) {
        CHECK(t->state == TP0_OVER && (kind == TP0_IND_DISCONNECT || ind->error != NULL));
        told->error = ind->error;
    }
}

static struct told
run(struct slice all, size_t cut, uint8_t how)
{
    struct told told = { .data = 0 };
    struct tp0 t;

    tp0_init(&t, 1);
    if ((how & 0x80) != 0) {
        CHECK(tp0_connect(&t, SLICE_NONE, (struct slice)SLICE_LIT("x"), 512) == 0);
    }
    while (all.n > 0) {
        struct slice piece = slice_sub(all, 0, cut);
        struct tp0_ind ind;
        enum tp0_ind_kind kind;

        all = slice_skip(all, piece.n);
        do {
            kind = tp0_next(&t, &piece, &ind);
            on_ind(&t, kind, &ind, &told);
        } while (kind != TP0_IND_MORE);
        CHECK(piece.n == 0);
        send_out(&t);
    }
    told.state = (int)t.state;
    tp0_lost(&t);
    tp0_fini(&t);
    return told;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return told_twice(data, size, 4096, run);
}
