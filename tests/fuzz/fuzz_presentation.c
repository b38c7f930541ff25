/* links: core osi */
#include "osi/presentation.h"
#include "told.h"

/* Whatever a peer sends in TSDUs: the same data and indications however they are cut, contexts only
 * that were agreed upon, an abort with a sentence, and nothing after it.
 *
 * Input: byte 0: bit 7 we connect, bit 6 in X.410 mode, bits 0-4 the size of the pieces of the
 * second run. Then TSDUs: two octets of length each, and octets. */

static const struct slice acse = SLICE_LIT("\x52\x01\x00\x01");

static void
answer(struct presentation *p, enum session_ind_kind kind, const struct presentation_ind *ind)
{
    struct presentation_connect c = { .mode = p->mode, .syntax = acse, .user = acse };
    int rc = 0;

    if (kind == SESSION_IND_CONNECT) {
        rc =
            ind->called.n % 5 != 4 && (p->mode == PRESENTATION_X410 || presentation_id(p, acse) > 0)
                ? presentation_accept(p, &c)
                : presentation_refuse(p, PRESENTATION_REFUSE_ADDRESS, acse, SLICE_NONE);
    } else if (kind == SESSION_IND_END) {
        rc = session_end_ack(p->below);
    } else if (kind == SESSION_IND_RELEASE) {
        rc = session_release_ack(p->below, SLICE_NONE);
    } else if (kind == SESSION_IND_MINOR && ind->session.serial == 3) {
        rc = session_exception(p->below, 0);
    }
    CHECK(rc == 0);
}

static void
feed(struct presentation *p, struct slice piece, bool end, struct told *told)
{
    struct presentation_ind ind;
    enum session_ind_kind kind;

    for (kind = presentation_next(p, &piece, end, &ind); kind != SESSION_IND_MORE;
         kind = presentation_next(p, &piece, end, &ind)) {
        tell_bytes(&told->data, ind.session.bytes);
        if (kind == SESSION_IND_DATA && !ind.session.end) {
            continue;
        }
        tell(&told->inds, (uint64_t)kind + 100 * ind.session.serial);
        tell(&told->inds, ind.session.user_data.n);
        tell(&told->inds, ind.context);
        CHECK(kind != SESSION_IND_ABORT || ind.session.error != NULL);
        told->error = ind.session.error;
        answer(p, kind, &ind);
    }
    CHECK(piece.n == 0);
}

static struct told
run(struct slice all, size_t cut, uint8_t how)
{
    struct presentation_context contexts[] = { { .syntax = SLICE_LIT("\x52\x01\x00\x01") },
        { .syntax = SLICE_LIT("\x56\x00\x02\x0c") }, { .syntax = SLICE_LIT("\x56\x00\x02\x07") } };
    struct told told = { .inds = 0 };
    struct presentation p;
    struct session s;
    struct slice tsdu;
    struct tp0 t;

    tp0_init(&t, 1);
    t.state = TP0_OPEN;
    t.tpdu_bytes = 2048;
    session_init(&s, &t);
    for (uint32_t i = 0; (how & 0x80) != 0 && i < 3; i++) {
        contexts[i].id = 2 * i + 1;
    }
    presentation_init(&p, &s, contexts, 3);
    if ((how & 0x80) != 0) {
        struct presentation_connect c = { .syntax = acse, .user = acse };

        c.mode = (how & 0x40) != 0 ? PRESENTATION_X410 : PRESENTATION_NORMAL;
        CHECK(presentation_connect(&p, &c) == 0);
    }
    while (told_next_tsdu(&all, &tsdu)) {
        do {
            struct slice piece = slice_sub(tsdu, 0, cut);

            tsdu = slice_skip(tsdu, piece.n);
            feed(&p, piece, tsdu.n == 0, &told);
        } while (tsdu.n > 0);
        tp0_sent(&t, tp0_out(&t).n);
    }
    told.state = (int)s.state;
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
