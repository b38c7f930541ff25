/* links: core osi x400 */
#include "x400/p1_head.h"
#include "x400/p1_reader.h"

#include <stdlib.h>

/* Whatever a peer sends: the same is told however it is cut, what was checked can be walked, and
 * what a relay makes of it reads the same but for what it added.
 *
 * Input: byte 0: bits 0-1 the protocol, bits 2-6 the size of the pieces of the second run; byte 1:
 * what the relay changes. */

struct told {
    enum p1_event last;
    uint64_t hash, bytes;
    bool envelope;
};

static struct told
feed(struct p1_reader *r, struct slice all, size_t piece_bytes)
{
    struct told t = { .last = P1_MORE };

    while (all.n > 0 && t.last != P1_BAD) {
        struct slice piece = slice_sub(all, 0, piece_bytes);

        all = slice_skip(all, piece.n);
        do {
            struct slice content = SLICE_NONE;

            t.last = p1_reader_next(r, &piece, &content);
            t.envelope = t.envelope || t.last == P1_GOT_ENVELOPE;
            CHECK(t.last != P1_CONTENT || (t.envelope && content.n > 0));
            for (size_t i = 0; i < content.n; i++) {
                t.hash = (t.hash ^ (uint8_t)content.p[i]) * 1099511628211u;
            }
            t.bytes += content.n;
        } while (t.last == P1_GOT_ENVELOPE || t.last == P1_CONTENT);
        CHECK(piece.n == 0 || t.last == P1_BAD);
    }
    return t;
}

static unsigned
walk(const struct p1_envelope *e)
{
    struct p1_recipient r;
    struct p1_trace t;
    struct ber_cursor c;
    unsigned n[3] = { 0 };
    int rc;

    ber_cursor_init(&c, e->recipients);
    for (rc = p1_recipient_next(&c, &r); rc > 0; rc = p1_recipient_next(&c, &r)) {
        CHECK(r.number > 0 && r.name.n > 0);
        n[0]++;
    }
    CHECK(rc == 0 && n[0] == e->recipient_count);
    ber_cursor_init(&c, e->trace);
    for (rc = p1_trace_next(&c, false, &t); rc > 0; rc = p1_trace_next(&c, false, &t)) {
        n[1]++;
    }
    CHECK(rc == 0 && n[1] == e->trace_count);
    ber_cursor_init(&c, e->internal);
    for (rc = p1_trace_next(&c, true, &t); rc > 0; rc = p1_trace_next(&c, true, &t)) {
        n[2]++;
    }
    CHECK(rc == 0 && n[2] == e->internal_count);
    return n[0];
}

static void
relay_it(const struct p1_reader *r, enum p1_protocol p, uint8_t how)
{
    static const struct p1_hop hop = { .domain = { { true, 2, "DE" }, { true, 1, " " }, { 0 } },
        .mta_name = { "node-1", 6 } };
    struct p1_relay relay = { .protocol = p, .context = 5 };
    struct buf out, internal;
    struct p1_reader again;
    uint8_t *responsible = calloc(1, r->envelope.recipient_count / 8 + 1);
    struct told t;

    CHECK(responsible != NULL);
    buf_init(&out, 4 * P1_ENVELOPE_BYTES_MAX);
    buf_init(&internal, 200);
    CHECK(p1_trace_write(&internal, &hop) == 0);
    relay.internal = (how & 1) != 0 ? buf_slice(&internal) : SLICE_NONE;
    relay.responsible = (how & 2) != 0 ? responsible : NULL;
    relay.strip_bilateral = (how & 4) != 0;
    relay.strip_internal = (how & 8) != 0;
    CHECK(p1_head_write(&out, &r->envelope, &relay, 0) == 0);
    p1_reader_init(&again, p);
    t = feed(&again, buf_slice(&out), SIZE_MAX);
    /* One hop more may be one too many. */
    if (t.last != P1_END) {
        CHECK(r->envelope.internal_count == P1_TRACE_MAX);
    } else {
        CHECK(walk(&again.envelope) == r->envelope.recipient_count);
        CHECK(again.envelope.internal_count ==
              (relay.strip_internal ? 0 : r->envelope.internal_count) + (how & 1u));
        CHECK(slice_eq(again.envelope.originator, r->envelope.originator));
        CHECK(how % 16 != 0 || slice_eq(again.envelope.members, r->envelope.members));
    }
    p1_reader_fini(&again);
    buf_fini(&internal);
    buf_fini(&out);
    free(responsible);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct p1_reader whole, pieces;
    struct slice all;
    struct told a, b;
    enum p1_protocol p;

    if (size < 3) {
        return 0;
    }
    p = (data[0] & 3u) != 0 ? (enum p1_protocol)((data[0] & 3u) - 1) : P1_1988_NORMAL;
    all = (struct slice){ (const char *)data + 2, size - 2 };
    p1_reader_init(&whole, p);
    p1_reader_init(&pieces, p);
    a = feed(&whole, all, SIZE_MAX);
    b = feed(&pieces, all, (data[0] >> 2 & 31u) + 1);
    CHECK(a.last == b.last && a.hash == b.hash && a.bytes == b.bytes && a.envelope == b.envelope);
    CHECK(whole.error == pieces.error && whole.error_at == pieces.error_at);
    CHECK((a.last == P1_BAD) == (whole.error != NULL) && whole.error_at <= all.n);
    CHECK((p1_reader_end(&whole) == 0) == (a.last == P1_END));
    if (a.envelope) {
        (void)walk(&whole.envelope);
        relay_it(&whole, p, data[1]);
    }
    p1_reader_fini(&whole);
    p1_reader_fini(&pieces);
    return 0;
}
