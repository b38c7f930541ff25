/* links: core osi x400 */
/* driver CAPTURE message|probe|report: the APDU that a relay makes of one that it got, to stdout.
 * The message is the capture's (tests/data/x400/p1-python.initiator); the others are written here.
 */
#include "x400/p1_head.h"
#include "x400/p1_reader.h"

#include <stdio.h>

#define GDI                                                                                        \
    "\x63\x15\x61\x04\x13\x02"                                                                     \
    "GB\x62\x06\x13\x04TEST\x13\x05PEER2"
#define ID                                                                                         \
    "\x64\x1b" GDI "\x16\x02"                                                                      \
    "P1"
#define SUBJECT                                                                                    \
    "\x64\x1b" GDI "\x16\x02"                                                                      \
    "M1"
#define MEMBERS                                                                                    \
    "\x30\x1e\x61\x04\x13\x02"                                                                     \
    "GB\x62\x06\x13\x04TEST\xa2\x07\x13\x05PEER2\xa5\x05\x80\x03joe"
#define NAME "\x60\x20" MEMBERS
#define TIME                                                                                       \
    "\x80\x0d"                                                                                     \
    "261120231844Z"
#define TRACE "\x69\x2d\x30\x2b" GDI "\x31\x12" TIME "\x82\x01\x00"
#define PROBE                                                                                      \
    "\xa2\x80" ID NAME "\x46\x01\x16\x80\x02\x03\xe8" TRACE "\xa2\x2b\x31\x29" NAME                \
    "\x80\x01\x01\x81\x02\x00\xa8\x00\x00"
/* Non-delivery of its one recipient: unable-to-transfer, loop-detected. */
#define REPORT                                                                                     \
    "\xa1\x80\x31\x80" ID NAME TRACE "\x00\x00\x31\x80" SUBJECT "\xa0\x80\x31\x80"                 \
    "\xa0\x20" MEMBERS "\x81\x01\x01\x82\x02\x00\xa8"                                              \
    "\xa3\x80" TIME "\xa1\x80\xa1\x06\x80\x01\x01\x81\x01\x03\x00\x00\x00\x00"                     \
    "\x00\x00\x00\x00\x00\x00\x00\x00"

static void
print(struct slice s)
{
    CHECK(fwrite(s.p, 1, s.n, stdout) == s.n);
}

/* Of a domain of ours, by its one MTA; another one is responsible from now on. */
static void
relay(const struct p1_envelope *e, struct slice content)
{
    static const uint8_t nobody[1] = { 0 };
    struct p1_hop hop = {
        .domain = { { true, 2, "DE" }, { true, 1, " " }, { true, 2, "BH" } },
        .arrival_wall_ms = (uint64_t)1795216800 * 1000,
    };
    struct p1_relay r = { .protocol = P1_1988_NORMAL, .context = 5, .responsible = nobody };
    struct buf out, trace, internal;

    buf_init(&out, 10000);
    buf_init(&trace, 1000);
    buf_init(&internal, 1000);
    CHECK(p1_trace_write(&trace, &hop) == 0);
    hop.mta_name = (struct slice)SLICE_LIT("node-1");
    CHECK(p1_trace_write(&internal, &hop) == 0);
    r.trace = buf_slice(&trace);
    r.internal = buf_slice(&internal);
    CHECK(p1_head_write(&out, e, &r, content.n) == 0);
    print(buf_slice(&out));
    print(content);
    buf_fini(&internal);
    buf_fini(&trace);
    buf_fini(&out);
}

int
main(int argc, char **argv)
{
    static char octets[4096], held[4096];
    FILE *f = argc == 3 ? fopen(argv[1], "re") : NULL;
    struct slice apdu, content = { held, 0 };
    bool message = argc == 3 && strcmp(argv[2], "message") == 0;
    struct p1_reader r;
    enum p1_event e;

    if (f == NULL || fread(octets, 1, sizeof(octets), f) != 979) {
        return 2;
    }
    (void)fclose(f);
    apdu = strcmp(argv[2], "probe") == 0 ? (struct slice)SLICE_LIT(PROBE)
                                         : (struct slice)SLICE_LIT(REPORT);
    apdu = message ? (struct slice){ octets + 245, 692 } : apdu;
    p1_reader_init(&r, message ? P1_1988_NORMAL : P1_1988_X410);
    do {
        struct slice part = SLICE_NONE;

        e = p1_reader_next(&r, &apdu, &part);
        if (e == P1_CONTENT) {
            CHECK(part.n <= sizeof(held) - content.n);
            memcpy(held + content.n, part.p, part.n);
            content.n += part.n;
        }
    } while (e == P1_GOT_ENVELOPE || e == P1_CONTENT);
    if (e != P1_END) {
        fprintf(stderr, "%s at %ju\n", r.error, (uintmax_t)r.error_at);
        return 1;
    }
    relay(&r.envelope, content);
    p1_reader_fini(&r);
    return 0;
}
