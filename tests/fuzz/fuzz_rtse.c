/* links: core osi */
#include "osi/rtse.h"
#include "told.h"

/* Whatever a peer sends in TSDUs: the same octets and indications however they are cut, points and
 * ends answered or reported, an abort with a sentence, and nothing after it.
 *
 * Input: byte 0: bit 7 we open, bit 6 in X.410 mode, bit 5 we report instead of securing, bits 0-4
 * the size of the pieces of the second run. Then TSDUs: two octets of length each, and octets. */

static void
answer(struct rtse *r, enum rtse_ind_kind kind, const struct rtse_ind *ind, bool report)
{
    struct rtse_open o = ind->open;
    int rc = 0;

    if (kind == RTSE_IND_OPEN) {
        o.checkpoint = 2;
        o.window = 2;
        o.calling_s = o.called_s = o.calling_p = o.called_p = SLICE_NONE;
        rc = !o.recover || ind->open.window % 2 == 0 ? rtse_accept(r, &o)
                                                     : rtse_refuse(r, 1, SLICE_NONE);
    } else if ((kind == RTSE_IND_POINT || kind == RTSE_IND_END) && report && ind->point % 3 == 2) {
        rc = rtse_report(r, SESSION_REASON_LOCAL);
    } else if (kind == RTSE_IND_POINT || kind == RTSE_IND_END) {
        rc = rtse_secured(r, ind->point);
    } else if (kind == RTSE_IND_PLEASE && r->state == RTSE_TURN) {
        rc = rtse_give(r);
    } else if (r->state == RTSE_TURN && kind != RTSE_IND_PLEASE && kind != RTSE_IND_CONFIRMED) {
        rc = rtse_transfer(r, 3000);
        while (rc == 0 && rtse_room(r) > 0) {
            static const char text[3000];

            rc = rtse_write(r, (struct slice){ text, rtse_room(r) });
        }
    }
    CHECK(rc == 0);
}

static void
feed(struct rtse *r, struct slice piece, bool end, bool report, struct told *told)
{
    struct rtse_ind ind;
    enum rtse_ind_kind kind;

    for (kind = rtse_next(r, &piece, end, &ind); kind != RTSE_IND_MORE;
         kind = rtse_next(r, &piece, end, &ind)) {
        tell_bytes(&told->data, ind.bytes);
        if (kind == RTSE_IND_OCTETS) {
            continue;
        }
        tell(&told->inds, (uint64_t)kind + 100 * ind.point);
        tell(&told->inds, ind.user.n + ind.open.user.n);
        CHECK(kind != RTSE_IND_ABORT || (ind.error != NULL && r->state == RTSE_OVER));
        told->error = ind.error;
        answer(r, kind, &ind, report);
    }
    CHECK(piece.n == 0);
}

static void
begin(struct rtse *r, uint8_t how)
{
    struct rtse_open o = { .checkpoint = 1,
        .window = 3,
        .initiator_has_turn = true,
        .dialogue = RTSE_TWA,
        .reference = { SLICE_LIT("\x04\x01"
                                 "A"),
            SLICE_LIT("\x17\x01"
                      "1"),
            { NULL, 0 } },
        .user = SLICE_LIT("\x05\x00") };

    o.mode = (how & 0x40) != 0 ? PRESENTATION_X410 : PRESENTATION_NORMAL;
    CHECK(rtse_open(r, &o) == 0);
}

static struct told
run(struct slice all, size_t cut, uint8_t how)
{
    struct presentation_context contexts[RTSE_CONTEXT_COUNT];
    struct told told = { .inds = 0 };
    struct presentation p;
    struct session s;
    struct rtse r;
    struct slice tsdu;
    struct tp0 t;

    rtse_contexts(contexts, (how & 0x80) != 0);
    tp0_init(&t, 1);
    t.state = TP0_OPEN;
    t.tpdu_bytes = 2048;
    session_init(&s, &t);
    presentation_init(&p, &s, contexts, RTSE_CONTEXT_COUNT);
    rtse_init(&r, &p);
    if ((how & 0x80) != 0) {
        begin(&r, how);
    }
    while (told_next_tsdu(&all, &tsdu)) {
        do {
            struct slice piece = slice_sub(tsdu, 0, cut);

            tsdu = slice_skip(tsdu, piece.n);
            feed(&r, piece, tsdu.n == 0, (how & 0x20) != 0, &told);
            tp0_sent(&t, tp0_out(&t).n);
        } while (tsdu.n > 0);
    }
    told.state = (int)r.state;
    rtse_fini(&r);
    presentation_fini(&p);
    session_fini(&s);
    tp0_fini(&t);
    return told;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return told_twice(data, size, 65536, run);
}
