/* links: core osi */
/* driver CAPTURE [stop | apdu FILE]: two whole stacks, for decode.sh: "I hex" is what the initiator
 * writes. The APDU is the capture's message (tests/data/x400/p1-python.initiator), sent in
 * checkpointed segments, or what FILE has. With "stop" it is interrupted after the first and
 * resumed. */
#include "osi/rtse.h"

#include <stdio.h>
#include <stdlib.h>

struct side {
    char who;
    struct tp0 t;
    struct session s;
    struct presentation p;
    struct rtse r;
};

#define BIND(tag)                                                                                  \
    tag "\x11\xa1\x0f\x80\x04"                                                                     \
        "MTA1\xa1\x07\x04\x05"                                                                     \
        "pass1"

static void
answer(struct side *x, enum rtse_ind_kind kind, const struct rtse_ind *ind)
{
    struct rtse_open o = ind->open;
    int rc = 0;

    if (kind == RTSE_IND_OPEN) {
        o.user = (struct slice)SLICE_LIT(BIND("\xb1"));
        o.called_s = o.called_p = SLICE_NONE;
        rc = rtse_accept(&x->r, &o);
    } else if (kind == RTSE_IND_POINT || kind == RTSE_IND_END) {
        rc = rtse_secured(&x->r, ind->point);
    } else if (kind == RTSE_IND_PLEASE) {
        rc = rtse_give(&x->r);
    }
    CHECK(rc == 0 && kind != RTSE_IND_ABORT && kind != RTSE_IND_REFUSED);
}

static bool
pass(struct side *from, struct side *to)
{
    struct slice out = tp0_out(&from->t), bytes = out;
    struct tp0_ind low;
    enum tp0_ind_kind kind;

    if (out.n == 0) {
        return false;
    }
    printf("%c ", from->who);
    for (size_t i = 0; i < out.n; i++) {
        printf("%02x", (uint8_t)out.p[i]);
    }
    printf("\n");
    for (kind = tp0_next(&to->t, &bytes, &low); kind != TP0_IND_MORE;
         kind = tp0_next(&to->t, &bytes, &low)) {
        struct rtse_ind ind;
        enum rtse_ind_kind told;

        CHECK(kind != TP0_IND_CONNECT || tp0_accept(&to->t, 2048) == 0);
        for (told = kind == TP0_IND_DATA ? rtse_next(&to->r, &low.bytes, low.end, &ind)
                                         : RTSE_IND_MORE;
             told != RTSE_IND_MORE; told = rtse_next(&to->r, &low.bytes, low.end, &ind)) {
            answer(to, told, &ind);
        }
    }
    tp0_sent(&from->t, out.n);
    return true;
}

static void
settle(struct side *a, struct side *b)
{
    while (pass(a, b) || pass(b, a)) {
    }
}

static void
side_init(struct side *x, char who)
{
    struct presentation_context contexts[RTSE_CONTEXT_COUNT];

    rtse_contexts(contexts, who == 'I');
    x->who = who;
    tp0_init(&x->t, (uint16_t)who);
    session_init(&x->s, &x->t);
    presentation_init(&x->p, &x->s, contexts, RTSE_CONTEXT_COUNT);
    rtse_init(&x->r, &x->p);
}

static void
side_fini(struct side *x)
{
    rtse_fini(&x->r);
    presentation_fini(&x->p);
    session_fini(&x->s);
    tp0_fini(&x->t);
}

/* Until octets of the APDU were written. */
static void
write_to(struct side *a, struct side *b, struct slice apdu, size_t end)
{
    while (a->r.done_bytes < end && a->r.state == RTSE_SEND) {
        size_t at = (size_t)a->r.done_bytes, room = MIN(rtse_room(&a->r), end - at);

        CHECK(room == 0 || rtse_write(&a->r, slice_sub(apdu, at, room)) == 0);
        settle(a, b);
    }
}

/* What tshark rightly dislikes in the captured message: indicators with unused bits. */
static void
patch(char *octets, size_t n)
{
    for (size_t i = 0; i + 4 <= n; i++) {
        if (memcmp(octets + i, "\x81\x02\x03\xa8", 4) == 0) {
            octets[i + 2] = 0;
        }
    }
}

/* An APDU that another driver wrote. */
static struct slice
read_apdu(const char *path, char *octets, size_t cap)
{
    FILE *f = fopen(path, "re");
    size_t n;

    CHECK(f != NULL);
    n = fread(octets, 1, cap, f);
    CHECK(n > 0 && n < cap);
    (void)fclose(f);
    return (struct slice){ octets, n };
}

int
main(int argc, char **argv)
{
    static char octets[4096], large[2000], apdu_octets[16384];
    struct rtse_open o = { .mode = PRESENTATION_NORMAL,
        .checkpoint = 1,
        .window = 5,
        .dialogue = RTSE_TWA,
        .initiator_has_turn = true,
        .reference = { SLICE_LIT("\x04\x02"
                                 "AB"),
            SLICE_LIT("\x17\x0d"
                      "261120231844Z"),
            { NULL, 0 } },
        .called_s = SLICE_LIT("SSEL"),
        .called_p = SLICE_LIT("PSEL"),
        .user = SLICE_LIT(BIND("\xb0")) };
    struct side a, b;
    FILE *f = argc > 1 ? fopen(argv[1], "re") : NULL;
    struct slice message = { octets + 245, 692 };

    if (f == NULL || fread(octets, 1, sizeof(octets), f) != 979) {
        return 2;
    }
    (void)fclose(f);
    patch(octets, sizeof(octets));
    if (argc > 3) {
        message = read_apdu(argv[3], apdu_octets, sizeof(apdu_octets));
    }
    side_init(&a, 'I');
    side_init(&b, 'O');
    CHECK(tp0_connect(&a.t, SLICE_NONE, (struct slice)SLICE_LIT("x400"), 2048) == 0);
    settle(&a, &b);
    CHECK(rtse_open(&a.r, &o) == 0);
    settle(&a, &b);
    CHECK(a.r.state == RTSE_TURN && message.p[0] == 0x28);
    if (argc == 3) {
        struct slice apdu = { large, sizeof(large) };

        CHECK(rtse_transfer(&a.r, apdu.n) == 0);
        write_to(&a, &b, apdu, 1024);
        CHECK(rtse_stop(&a.r, true) == 0);
        settle(&a, &b);
        CHECK(a.r.state == RTSE_TURN && a.r.self.point == 1);
        CHECK(rtse_resume(&a.r, &a.r.self, apdu.n) == 0);
        settle(&a, &b);
        rtse_abort(&a.r, RTSE_ABORT_TEMPORARY);
        (void)pass(&a, &a); /* shown; nobody listens */
    } else {
        CHECK(rtse_transfer(&a.r, message.n) == 0);
        write_to(&a, &b, message, message.n);
        CHECK(rtse_please(&b.r, 3) == 0);
        settle(&a, &b);
        CHECK(rtse_transfer(&b.r, message.n) == 0);
        write_to(&b, &a, message, message.n);
        CHECK(b.r.state == RTSE_TURN && rtse_give(&b.r) == 0);
        settle(&a, &b);
        CHECK(rtse_close(&a.r) == 0);
        settle(&a, &b);
        CHECK(a.r.state == RTSE_OVER && b.r.state == RTSE_OVER);
    }
    side_fini(&a);
    side_fini(&b);
    return 0;
}
