/* links: core osi */
#include "osi/stack.h"
#include "told.h"

#include <stdlib.h>

/* Whatever comes over a connection: the same indications, octets and end however it is cut, what is
 * lent is not touched later, one end with a sentence, and out within its limit.
 *
 * Input: byte 0: bit 7 we called, bit 6 in X.410 mode, bit 5 we report instead of securing, bits
 * 0-4 the size of the pieces of the second run. Then the octets of the TCP stream. */

static const struct rtse_open offer = { .mode = PRESENTATION_NORMAL,
    .checkpoint = 1,
    .window = 3,
    .application_protocol = 12,
    .initiator_has_turn = true,
    .dialogue = RTSE_TWA,
    .reference = { SLICE_LIT("\x04\x01"
                             "A"),
        SLICE_LIT("\x17\x01"
                  "1"),
        { NULL, 0 } },
    .user = SLICE_LIT("\x05\x00") };

static int
send_something(struct stack *k)
{
    static const char text[3000];
    int rc = rtse_transfer(&k->rtse, sizeof(text));

    while (rc == 0 && rtse_room(&k->rtse) > 0) {
        rc = rtse_write(&k->rtse, (struct slice){ text, rtse_room(&k->rtse) });
    }
    return rc;
}

/* Reported at its first octets, however many these are: so they are not told. */
static bool
unwanted(const struct stack *k, uint8_t how)
{
    return (how & 0x20) != 0 && k->rtse.self.activity % 4 == 3;
}

static int
answer(struct stack *k, const struct stack_ind *ind, uint8_t how)
{
    bool report = (how & 0x20) != 0;
    const struct rtse_ind *r = &ind->rtse;
    struct rtse_open o = r->open;

    switch (ind->rtse_kind) {
    case RTSE_IND_OPEN:
        o.calling_s = o.called_s = o.calling_p = o.called_p = SLICE_NONE;
        o.checkpoint = MIN(o.checkpoint, 4u);
        o.window = 2;
        return o.recover && report ? rtse_refuse(&k->rtse, 1, SLICE_NONE)
                                   : rtse_accept(&k->rtse, &o);
    case RTSE_IND_OCTETS:
        return unwanted(k, how) ? stack_report(k, k->rtse.self.activity, 5) : 0;
    case RTSE_IND_POINT:
    case RTSE_IND_END:
        return report && r->point % 3 == 2 ? stack_report(k, r->activity, SESSION_REASON_LOCAL)
                                           : stack_secured(k, r->activity, r->point);
    case RTSE_IND_PLEASE:
        return k->rtse.state == RTSE_TURN ? rtse_give(&k->rtse) : stack_stop(k, report);
    case RTSE_IND_GAVE:
        return stack_please(k, 1);
    case RTSE_IND_BEGIN:
        return stack_please(k, 2); /* as soon as it may */
    case RTSE_IND_OPENED:
    case RTSE_IND_SENT:
    case RTSE_IND_FAILED:
    case RTSE_IND_STOPPED:
    case RTSE_IND_TURN:
        return k->rtse.state == RTSE_TURN ? send_something(k) : 0;
    case RTSE_IND_MORE:
    case RTSE_IND_REFUSED:
    case RTSE_IND_RESUME:
    case RTSE_IND_CONFIRMED:
    case RTSE_IND_CLOSED:
    case RTSE_IND_ABORT:
        break;
    }
    return 0;
}

static void
feed(struct stack *k, struct slice piece, uint8_t how, struct told *told)
{
    char *lent = malloc(piece.n + 1);
    struct stack_ind ind;
    enum stack_ind_kind kind;
    int rc = 0;

    CHECK(lent != NULL);
    memcpy(lent, piece.p, piece.n);
    stack_feed(k, (struct slice){ lent, piece.n });
    for (kind = stack_next(k, &ind); kind != STACK_MORE; kind = stack_next(k, &ind)) {
        struct rtse_open o = offer;

        o.mode = (how & 0x40) != 0 ? PRESENTATION_X410 : PRESENTATION_NORMAL;
        if (kind == STACK_RTSE && ind.rtse_kind == RTSE_IND_OCTETS) {
            tell_bytes(&told->data, unwanted(k, how) ? SLICE_NONE : ind.rtse.bytes);
        } else {
            tell(&told->inds, (uint64_t)kind + 10 * ind.rtse_kind + 1000 * ind.rtse.point);
            tell(&told->inds, ind.end.how + 10 * ind.end.layer + 100 * ind.end.reason);
        }
        if (kind == STACK_ENDED) {
            CHECK(ind.end.text != NULL && told->error == NULL);
            told->error = ind.end.text;
        }
        rc = kind == STACK_CALLED      ? stack_answer(k, 2048)
             : kind == STACK_CONNECTED ? stack_open(k, &o)
             : kind == STACK_RTSE      ? answer(k, &ind, how)
                                       : 0;
        CHECK(rc == 0);
    }
    CHECK(stack_keep(k) == 0);
    free(lent);
    /* All is answered at once, so nothing is left; what waits has a name. */
    CHECK(stack_hungry(k) && (told->error == NULL || stack_wait(k) == STACK_WAIT_NOTHING));
    CHECK(stack_queued(k) < TP0_OUT_BYTES_MAX);
    stack_sent(k, stack_out(k).n);
}

static struct told
run(struct slice all, size_t cut, uint8_t how)
{
    struct told told = { .inds = 0 };
    struct stack_end end;
    struct stack k;

    stack_init(&k, 1, (how & 0x80) != 0);
    CHECK((how & 0x80) == 0 || stack_connect(&k, SLICE_NONE, SLICE_LIT("x400"), 2048) == 0);
    stack_sent(&k, stack_out(&k).n);
    while (all.n > 0) {
        struct slice piece = slice_sub(all, 0, cut);

        all = slice_skip(all, piece.n);
        feed(&k, piece, how, &told);
    }
    told.state = (int)k.rtse.state;
    CHECK(stack_lost(&k, &end) == (told.error == NULL));
    stack_fini(&k);
    return told;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return told_twice(data, size, 65536, run);
}
