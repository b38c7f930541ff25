/* links: core osi */
/* driver CAPTURE [refuse|stop|abort]: two sessions talk, for decode.sh: "I hex" is what the
 * initiator writes. Presentation octets are the capture's (tests/data/x400/p1-python.initiator), so
 * that the layers above have something to read. */
#include "osi/session.h"

#include <stdio.h>
#include <stdlib.h>

struct side {
    char who;
    struct tp0 t;
    struct session s;
    enum session_ind_kind last;
};

/* What from wrote goes to to, and is shown. */
static void
pass(struct side *from, struct side *to)
{
    struct slice out = tp0_out(&from->t), bytes = out;
    struct tp0_ind ind;
    enum tp0_ind_kind kind;

    if (out.n == 0) {
        return;
    }
    printf("%c ", from->who);
    for (size_t i = 0; i < out.n; i++) {
        printf("%02x", (uint8_t)out.p[i]);
    }
    printf("\n");
    for (kind = tp0_next(&to->t, &bytes, &ind); kind != TP0_IND_MORE;
         kind = tp0_next(&to->t, &bytes, &ind)) {
        struct session_ind up;
        enum session_ind_kind told;

        CHECK(kind != TP0_IND_CONNECT || tp0_accept(&to->t, 2048) == 0);
        for (told = kind == TP0_IND_DATA ? session_next(&to->s, &ind.bytes, ind.end, &up)
                                         : SESSION_IND_MORE;
             told != SESSION_IND_MORE; told = session_next(&to->s, &ind.bytes, ind.end, &up)) {
            to->last = told;
        }
    }
    tp0_sent(&from->t, out.n);
}

static void
side_init(struct side *x, char who)
{
    x->who = who;
    x->last = SESSION_IND_MORE;
    tp0_init(&x->t, (uint16_t)who);
    session_init(&x->s, &x->t);
}

static void
send_activity(struct side *a, struct slice ssdu, bool end)
{
    uint32_t serial;

    CHECK(session_start(&a->s, (struct slice)SLICE_LIT("\x02\x01\x07")) == 0);
    CHECK(session_data(&a->s, ssdu, true) == 0);
    CHECK(session_minor(&a->s, &serial) == 0);
    CHECK(session_data(&a->s, ssdu, true) == 0);
    CHECK(!end || session_end(&a->s, &serial) == 0);
}

static void
ordinary(struct side *a, struct side *b, struct slice ssdu)
{
    send_activity(a, ssdu, true);
    pass(a, b);
    CHECK(b->last == SESSION_IND_END);
    CHECK(session_minor_ack(&b->s, 1) == 0);
    CHECK(session_end_ack(&b->s) == 0);
    pass(b, a);
    CHECK(a->last == SESSION_IND_END_ACK);
    CHECK(session_please(&b->s, SLICE_NONE) == 0);
    pass(b, a);
    CHECK(session_give(&a->s) == 0);
    pass(a, b);
    pass(b, a);
    CHECK(a->last == SESSION_IND_GAVE && b->last == SESSION_IND_TURN);
    CHECK(session_release(&b->s, SLICE_NONE) == 0);
    pass(b, a);
    CHECK(session_release_ack(&a->s, SLICE_NONE) == 0);
    pass(a, b);
    CHECK(b->last == SESSION_IND_RELEASED);
}

static void
stopped(struct side *a, struct side *b, struct slice ssdu)
{
    static const struct session_reference link = { { "\x04\x02"
                                                     "AB",
                                                       4 },
        { "\x17\x0d"
          "261120231844Z",
            15 },
        { NULL, 0 } };

    send_activity(a, ssdu, false);
    pass(a, b);
    CHECK(session_exception(&b->s, SESSION_REASON_LOCAL) == 0);
    pass(b, a);
    CHECK(a->last == SESSION_IND_EXCEPTION);
    CHECK(session_interrupt(&a->s, SESSION_REASON_LOCAL) == 0);
    pass(a, b);
    pass(b, a);
    CHECK(a->last == SESSION_IND_INTERRUPTED && b->last == SESSION_IND_INTERRUPT);
    CHECK(session_resume(&a->s, (struct slice)SLICE_LIT("\x02\x01\x08"),
              (struct slice)SLICE_LIT("\x02\x01\x07"), 1, &link) == 0);
    pass(a, b);
    CHECK(session_discard(&a->s, SESSION_REASON_PROCEDURAL) == 0);
    pass(a, b);
    pass(b, a);
    CHECK(a->last == SESSION_IND_DISCARDED);
}

static void
patch(char *octets, size_t n, const char from[4], const char to[4])
{
    for (size_t i = 0; i + 4 <= n; i++) {
        if (memcmp(octets + i, from, 4) == 0) {
            memcpy(octets + i, to, 4);
        }
    }
}

int
main(int argc, char **argv)
{
    static char octets[4096];
    const char *mode = argc > 2 ? argv[2] : "";
    struct session_connect c = { .initiator_has_turn = true };
    struct side a, b;
    FILE *f = argc > 1 ? fopen(argv[1], "re") : NULL;

    if (f == NULL || fread(octets, 1, sizeof(octets), f) != 979) {
        return 2;
    }
    (void)fclose(f);
    /* per-recipient indicators with unused bits, which tshark rightly dislikes */
    patch(octets, sizeof(octets), "\x81\x02\x03\xa8", "\x81\x02\x00\xa8");
    side_init(&a, 'I');
    side_init(&b, 'O');
    c.reference.user = (struct slice)SLICE_LIT("\x04\x02"
                                               "AB");
    c.reference.common = (struct slice)SLICE_LIT("\x17\x0d"
                                                 "261120231844Z");
    c.calling = (struct slice)SLICE_LIT("OURS");
    c.called = (struct slice)SLICE_LIT("THEIRS");
    c.user_data = (struct slice){ octets + 71, 128 };
    CHECK(tp0_connect(&a.t, SLICE_NONE, (struct slice)SLICE_LIT("x400"), 2048) == 0);
    pass(&a, &b);
    pass(&b, &a);
    CHECK(session_connect(&a.s, &c) == 0);
    pass(&a, &b);
    CHECK(b.last == SESSION_IND_CONNECT);
    c.user_data = SLICE_NONE;
    if (strcmp(mode, "refuse") == 0) {
        CHECK(session_refuse(&b.s, SESSION_REFUSE_SELECTOR, SLICE_NONE) == 0);
        pass(&b, &a);
        CHECK(a.last == SESSION_IND_REFUSED);
    } else {
        struct slice ssdu = { octets + 226, 711 };

        CHECK(session_accept(&b.s, &c) == 0);
        pass(&b, &a);
        CHECK(a.last == SESSION_IND_ACCEPTED);
        if (strcmp(mode, "stop") == 0) {
            stopped(&a, &b, ssdu);
        } else if (strcmp(mode, "abort") == 0) {
            session_abort(&a.s, SLICE_NONE);
            pass(&a, &b);
            CHECK(b.last == SESSION_IND_ABORT);
        } else {
            ordinary(&a, &b, ssdu);
        }
    }
    session_fini(&a.s);
    session_fini(&b.s);
    tp0_fini(&a.t);
    tp0_fini(&b.t);
    return 0;
}
