/* links: core osi */
#include "osi/session.h"
#include "told.h"

/* Whatever a peer sends in TSDUs: the same is told however they are cut; points are numbered in
 * order; nothing is told after the end; and the user's answers are always legal when they are asked
 * for.
 *
 * Input: byte 0: bit 7 we connect, bit 6 the turn is ours, bits 0-4 the size of the pieces of the
 * second run. Then TSDUs: two octets of length each, and octets. */

static const struct session_connect plain = { .reference = { { "u", 1 }, { "c", 1 }, { NULL, 0 } },
    .initiator_has_turn = true };

static void
send_activity(struct session *s)
{
    uint32_t serial;

    CHECK(session_start(s, (struct slice)SLICE_LIT("a")) == 0);
    CHECK(session_data(s, (struct slice)SLICE_LIT("1"), true) == 0);
    CHECK(session_minor(s, &serial) == 0 && serial == 1);
    CHECK(session_data(s, (struct slice)SLICE_LIT("2"), true) == 0);
    CHECK(session_end(s, &serial) == 0 && serial == 2);
}

static void
answer(struct session *s, enum session_ind_kind kind, const struct session_ind *ind)
{
    int rc = 0;

    if (kind == SESSION_IND_CONNECT) {
        rc = ind->connect.user_data.n % 5 != 4
                 ? session_accept(s, &plain)
                 : session_refuse(s, SESSION_REFUSE_DATA, ind->connect.user_data);
    } else if (kind == SESSION_IND_MINOR) {
        rc = ind->serial % 7 != 6 ? session_minor_ack(s, ind->serial)
                                  : session_exception(s, SESSION_REASON_LOCAL);
    } else if (kind == SESSION_IND_END) {
        rc = ind->serial % 3 != 2 ? session_end_ack(s) : session_exception(s, 1);
    } else if (kind == SESSION_IND_RELEASE) {
        rc = session_release_ack(s, ind->user_data);
    } else if (kind == SESSION_IND_EXCEPTION) {
        rc = ind->reason % 2 == 0 ? session_interrupt(s, 0) : session_discard(s, 0);
    } else if (kind == SESSION_IND_PLEASE && s->state == SESSION_OPEN && !s->activity) {
        rc = session_give(s);
    } else if ((kind == SESSION_IND_TURN || kind == SESSION_IND_ACCEPTED) && s->our_turn) {
        send_activity(s);
    } else if (kind == SESSION_IND_INTERRUPTED) {
        rc = session_resume(s, ind->activity.n > 0 ? ind->activity : plain.reference.user,
            plain.reference.user, 3, &plain.reference);
    } else if (kind == SESSION_IND_END_ACK || kind == SESSION_IND_DISCARDED) {
        rc = session_release(s, SLICE_NONE);
    }
    CHECK(rc == 0 || rc == BH_ETOOBIG);
}

static void
feed(struct session *s, struct slice piece, bool end, struct told *told)
{
    struct session_ind ind;
    enum session_ind_kind kind;

    for (kind = session_next(s, &piece, end, &ind); kind != SESSION_IND_MORE;
         kind = session_next(s, &piece, end, &ind)) {
        tell_bytes(&told->data, ind.bytes);
        if (kind == SESSION_IND_DATA && !ind.end) {
            continue;
        }
        tell(&told->inds, (uint64_t)kind);
        tell(&told->inds, ind.serial + 1000 * ind.user_data.n);
        CHECK(kind != SESSION_IND_ABORT || (ind.error != NULL && s->state == SESSION_OVER));
        told->error = ind.error;
        answer(s, kind, &ind);
    }
    CHECK(piece.n == 0);
}

static struct told
run(struct slice all, size_t cut, uint8_t how)
{
    struct told told = { .inds = 0 };
    struct session s;
    struct slice tsdu;
    struct tp0 t;

    tp0_init(&t, 1);
    t.state = TP0_OPEN;
    t.tpdu_bytes = 2048;
    session_init(&s, &t);
    if ((how & 0x80) != 0) {
        struct session_connect c = plain;

        c.initiator_has_turn = (how & 0x40) != 0;
        CHECK(session_connect(&s, &c) == 0);
    }
    while (told_next_tsdu(&all, &tsdu)) {
        do {
            struct slice piece = slice_sub(tsdu, 0, cut);

            tsdu = slice_skip(tsdu, piece.n);
            feed(&s, piece, tsdu.n == 0, &told);
        } while (tsdu.n > 0);
        tp0_sent(&t, tp0_out(&t).n);
    }
    told.state = (int)s.state;
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
