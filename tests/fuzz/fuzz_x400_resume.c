/* links: core osi x400 */
#include "x400/x400_resume.h"

/* What comes back from a disk: a note and a part's state say something within bounds or are damage,
 * and a reader that is loaded goes on, and is kept again, as any other.
 *
 * Input: byte 0: bit 0 a part, else a note; a part: u16 bytes of its state, little-endian, the
 * state, and the octets that come next. */

static void
read_note(struct slice value)
{
    struct x400_note n, again;
    struct buf out;

    if (x400_note_read(value, &n) < 0) {
        return;
    }
    CHECK(rtse_offset(&n.from) > 0 && rtse_offset(&n.from) < n.apdu_bytes);
    CHECK(n.head_bytes <= n.apdu_bytes);
    buf_init(&out, X400_NOTE_BYTES_MAX);
    CHECK(x400_note_write(&out, &n) == 0);
    CHECK(slice_eq(buf_slice(&out), value));
    CHECK(x400_note_read(buf_slice(&out), &again) == 0);
    buf_fini(&out);
}

static enum p1_event
feed(struct p1_reader *r, struct slice piece, uint64_t *content_bytes)
{
    enum p1_event e;

    do {
        struct slice content = SLICE_NONE;

        e = p1_reader_next(r, &piece, &content);
        *content_bytes += content.n;
    } while (e == P1_CONTENT || e == P1_GOT_ENVELOPE);
    return e;
}

/* Kept and loaded once more, it says the same of what comes. */
static void
go_on(struct p1_reader *r, struct slice octets)
{
    uint64_t a = 0, b = 0, at = r->ber.at;
    enum p1_event first, second;
    struct p1_reader again;
    struct buf out;

    buf_init(&out, P1_RESUME_BYTES_MAX);
    CHECK(p1_reader_save(r, &out) == 0);
    CHECK(p1_reader_load(&again, buf_slice(&out)) == 0);
    CHECK(again.ber.at == at);
    first = feed(r, octets, &a);
    second = feed(&again, octets, &b);
    CHECK(first == second && a == b && r->error == again.error);
    p1_reader_fini(&again);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader in = reader_of((struct slice){ (const char *)data, size });
    bool part = (read_u8(&in) & 1) != 0;
    struct p1_reader r;
    struct x400_part p;

    if (!part) {
        read_note(in.rest);
    } else if (x400_part_read(read_bytes16(&in), &p) == 0 && p1_reader_load(&r, p.reader) == 0) {
        go_on(&r, in.rest);
        p1_reader_fini(&r);
    }
    return 0;
}
