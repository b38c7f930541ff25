/* links: core osi */
/* A connection opened, data both ways, for decode.sh: "I hex" is what the initiator writes. With
 * "refuse", or "nonsense", what is written then. */
#include "osi/tp0.h"

#include <stdio.h>

static void
show(char who, struct tp0 *t, struct slice *to)
{
    *to = tp0_out(t);
    printf("%c ", who);
    for (size_t i = 0; i < to->n; i++) {
        printf("%02x", (uint8_t)to->p[i]);
    }
    printf("\n");
}

static enum tp0_ind_kind
feed(struct tp0 *t, struct slice bytes)
{
    struct tp0_ind ind;

    return tp0_next(t, &bytes, &ind);
}

int
main(int argc, char **argv)
{
    /* GIVE TOKENS and ACTIVITY START, so that the layers above have something to read */
    static const char spdus[] = "\x01\x00\x2d\x05\x29\x03\x02\x01\x01";
    struct slice ssdu = { spdus, sizeof(spdus) - 1 }, written;
    const char *mode = argc > 1 ? argv[1] : "";
    struct tp0 a, b;

    tp0_init(&a, 0x002a);
    tp0_init(&b, 0x0b0b);
    CHECK(tp0_connect(&a, (struct slice)SLICE_LIT("LOCAL1"),
              (struct slice)SLICE_LIT("PEER-1\x00\xff"), 1024) == 0);
    show('I', &a, &written);
    CHECK(feed(&b, written) == TP0_IND_CONNECT);
    tp0_sent(&a, written.n);
    CHECK(strcmp(mode, "refuse") == 0 ? tp0_refuse(&b, TP0_REASON_ADDRESS) == 0
                                      : tp0_accept(&b, 512) == 0);
    show('O', &b, &written);
    if (feed(&a, written) == TP0_IND_CONNECTED) {
        tp0_sent(&b, written.n);
        CHECK(tp0_send(&a, ssdu, true) == 0);
        show('I', &a, &written);
        if (strcmp(mode, "nonsense") == 0) {
            CHECK(feed(&b, (struct slice)SLICE_LIT("\x03\x00\x00\x07\x02\x10\x00")) ==
                  TP0_IND_PROTOCOL);
            show('O', &b, &written);
        }
    }
    tp0_fini(&a);
    tp0_fini(&b);
    return 0;
}
