/* links: core osi x400 */
#include "told.h"
#include "x400/x400_trace.h"

/* Whatever goes over a connection in either direction: lines that are the same however it is cut,
 * terminated and printable, and whole pcap records.
 *
 * Input: byte 0: bits 0-4 the size of the pieces of the second run. Then pieces of both directions:
 * two octets of length each, whose first bit says which, and octets. */

static void
on_line(void *ctx, const char *label, uint64_t wall_ms, const char *line)
{
    struct told *told = ctx;
    struct slice s = slice_of(line);

    CHECK(s.n > 0 && s.n < X400_TRACE_LINE_CAP && slice_of(label).n == 5 && wall_ms == 1);
    for (size_t i = 0; i < s.n; i++) {
        CHECK(s.p[i] >= ' ' && s.p[i] < 0x7F);
    }
    told->inds++;
    tell_bytes(&told->data, s);
}

static void
on_pcap(void *ctx, struct slice record)
{
    (void)ctx;
    CHECK(record.n >= 16 + 40 && record.n <= 16 + 65535);
}

static struct told
run(struct slice all, size_t cut, uint8_t how)
{
    struct netaddr a = { .family = 2, .port = 102 }, b = { .family = 2, .port = 40000 };
    struct told told = { .inds = 0 };
    struct x400_trace_sink sink = { on_line, on_pcap, &told };
    struct x400_trace *t;

    (void)how;
    CHECK(x400_trace_new(&t, &sink, "paris", &a, &b) == 0);
    while (all.n > 2) {
        size_t n = (size_t)((uint8_t)all.p[0] & 0x7F) << 8 | (uint8_t)all.p[1];
        bool out = (all.p[0] & 0x80) != 0;
        struct slice part = slice_sub(all, 2, n);

        all = slice_skip(all, 2 + part.n);
        while (part.n > 0) {
            x400_trace_octets(t, out, slice_sub(part, 0, cut), 1);
            part = slice_skip(part, MIN(cut, part.n));
        }
    }
    x400_trace_free(t);
    return told;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return told_twice(data, size, 65536, run);
}
