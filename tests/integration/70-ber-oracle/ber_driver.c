/* links: core osi */
/* driver list        stdin's BER as openssl asn1parse lists it: "position depth header length form
 * tag" driver write SEED  a random value, written by our writer */
#include "osi/ber.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void
list(const struct ber_item *item, bool constructed, size_t header)
{
    static const char *const classes[] = { "univ", "appl", "cont", "priv" };
    char length[32];

    (void)snprintf(length, sizeof(length), "%ju", (uintmax_t)item->length);
    printf("%ju %u %zu %s %s %s %u\n", (uintmax_t)item->at, item->depth, header,
        item->length == BER_INDEFINITE ? "inf" : length, constructed ? "cons" : "prim",
        classes[item->tag >> 30], item->tag & 0x3FFFFFFFu);
}

/* Octet by octet, so that the position tells how long a header is. */
static int
list_all(void)
{
    struct ber_reader r;
    struct ber_item item;
    enum ber_event e = BER_MORE;
    bool begun = false;
    char octet;

    ber_reader_init(&r, BER_BYTES_MAX);
    while (e != BER_BAD && e != BER_DONE && read(STDIN_FILENO, &octet, 1) == 1) {
        struct slice piece = { &octet, 1 };

        for (e = ber_next(&r, &piece, &item); e < BER_DONE && e != BER_MORE;
             e = ber_next(&r, &piece, &item)) {
            if (e == BER_OPEN) {
                list(&item, true, (size_t)(r.at - item.at));
            } else if (e == BER_BYTES && !begun) {
                list(&item, false, (size_t)(r.at - item.at - item.bytes.n));
            }
            begun = e == BER_BYTES && !item.last;
        }
    }
    if (e == BER_BAD) {
        fprintf(stderr, "%s at %ju\n", r.error, (uintmax_t)r.error_at);
    }
    return e == BER_DONE ? 0 : 1;
}

static uint64_t
any(uint64_t *seed, uint64_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 33) % below;
}

static ber_tag
any_tag(uint64_t *seed, bool constructed)
{
    static const uint64_t numbers[] = { 30, 128, 20000, BER_TAG_NUMBER_MAX };
    ber_tag class = (ber_tag)any(seed, 4) << 30;

    if (class == 0) {
        return constructed ? BER_UNIVERSAL(BER_SEQUENCE) : BER_UNIVERSAL(BER_OCTET_STRING);
    }
    return class | (ber_tag)any(seed, numbers[any(seed, 4)]);
}

static int
write_one(uint64_t seed)
{
    static char filler[70000];
    struct buf b;
    struct ber_writer w;
    unsigned open = 1;

    buf_init(&b, 1 << 20);
    ber_writer_init(&w, &b);
    ber_write_begin(&w, BER_UNIVERSAL(BER_SEQUENCE));
    for (uint64_t steps = 20 + any(&seed, 100); steps > 0; steps--) {
        uint64_t what = any(&seed, 8);

        if (what < 3 && open < 20) {
            ber_write_begin(&w, any_tag(&seed, true));
            open++;
        } else if (what < 5 && open > 1) {
            ber_write_end(&w);
            open--;
        } else if (what == 5) {
            ber_write_int(&w, BER_CONTEXT(2), (int64_t)(any(&seed, 1 << 20) << any(&seed, 44)));
        } else {
            size_t n = (size_t)any(&seed, steps % 10 == 0 ? sizeof(filler) : 200);

            ber_write_bytes(&w, any_tag(&seed, false), (struct slice){ filler, n });
        }
    }
    while (open-- > 0) {
        ber_write_end(&w);
    }
    if (ber_write_finish(&w) < 0 || fwrite(buf_slice(&b).p, 1, buf_len(&b), stdout) == 0) {
        return 1;
    }
    buf_fini(&b);
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        return list_all();
    }
    if (argc == 3 && strcmp(argv[1], "write") == 0) {
        return write_one(strtoull(argv[2], NULL, 10));
    }
    return 2;
}
