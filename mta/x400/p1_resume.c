#include "x400/p1_resume.h"
#include "x400/p1_stored.h"

#define VERSION 1

/* ---- out */

static int
put_flags(struct buf *out, const struct p1_reader *r)
{
    int rc = buf_put_u8(out, VERSION);

    rc = rc < 0 ? rc : buf_put_u8(out, (uint8_t)r->state);
    rc = rc < 0 ? rc : buf_put_u8(out, r->wrapped ? 1 : 0);
    rc = rc < 0 ? rc : buf_put_u32(out, r->context);
    rc = rc < 0 ? rc : buf_put_u64(out, r->content_bytes);
    return rc < 0 ? rc : buf_put_u64(out, r->content_done);
}

static int
put_frames(struct buf *out, const struct ber_reader *b)
{
    int rc = buf_put_u8(out, (uint8_t)b->depth);

    for (unsigned i = 0; rc == 0 && i < b->depth; i++) {
        const struct ber_frame *f = &b->stack[i];

        rc = buf_put_u64(out, f->at);
        rc = rc < 0 ? rc : buf_put_u64(out, f->end);
        rc = rc < 0 ? rc : buf_put_u32(out, f->tag);
        rc = rc < 0 ? rc : buf_put_u8(out, f->indefinite ? 1 : 0);
    }
    return rc;
}

static int
put_value(struct buf *out, const struct ber_reader *b)
{
    int rc = buf_put_u8(out, b->in_value ? 1 : 0);

    if (rc < 0 || !b->in_value) {
        return rc;
    }
    rc = buf_put_u32(out, b->value.tag);
    rc = rc < 0 ? rc : buf_put_u64(out, b->value.at);
    rc = rc < 0 ? rc : buf_put_u64(out, b->value.length);
    return rc < 0 ? rc : buf_put_u64(out, b->value.offset);
}

/* Octets that were taken and said nothing yet: of a header, or of a short value. */
static struct slice
gathered(const struct ber_reader *b)
{
    return b->in_value ? (struct slice){ b->held, b->held_n }
                       : (struct slice){ (const char *)b->head, b->head_n };
}

static int
put_ber(struct buf *out, const struct ber_reader *b)
{
    struct slice again = gathered(b);
    int rc = buf_put_u64(out, b->at - again.n);

    rc = rc < 0 ? rc : put_frames(out, b);
    rc = rc < 0 ? rc : buf_put_u8(out, (uint8_t)b->join_depth);
    rc = rc < 0 ? rc : buf_put_u64(out, b->join_offset);
    rc = rc < 0 ? rc : put_value(out, b);
    return rc < 0 ? rc : buf_put_bytes16(out, again);
}

int
p1_reader_save(const struct p1_reader *r, struct buf *out)
{
    struct buf envelope;
    int rc;

    if (r->error != NULL || r->ber.done || r->kind != P1_MESSAGE || r->state < P1_AT_CONTENT ||
        r->state > P1_AT_TAIL) {
        return BH_ESTATE;
    }
    buf_init(&envelope, P1_RESUME_ENVELOPE_BYTES_MAX);
    rc = p1_stored_write(&envelope, &r->envelope);
    rc = rc < 0 ? rc : put_flags(out, r);
    rc = rc < 0 ? rc : put_ber(out, &r->ber);
    rc = rc < 0 ? rc : buf_put_bytes16(out, buf_slice(&envelope));
    buf_fini(&envelope);
    return rc;
}

/* ---- and back */

/* What ber_next relies on: each frame within the one around it, all of them begun and none over. */
static bool
frames_hold(const struct ber_reader *b)
{
    uint64_t end = b->limit, at = 0;

    for (unsigned i = 0; i < b->depth; i++) {
        const struct ber_frame *f = &b->stack[i];

        if (f->at < at || f->at >= b->at || f->end > end || f->end < b->at ||
            (f->indefinite && f->end != end)) {
            return false;
        }
        at = f->at + 1;
        end = f->end;
    }
    return true;
}

static bool
value_holds(const struct ber_reader *b)
{
    const struct ber_item *v = &b->value;

    return !b->in_value || (v->at < b->at && v->offset <= v->length &&
                               v->length - v->offset <= b->stack[b->depth - 1].end - b->at);
}

/* ber_join is called when a string opens, and holds until its end. */
static bool
join_holds(const struct p1_reader *r)
{
    const struct ber_reader *b = &r->ber;

    if (r->state != P1_IN_CONTENT) {
        return b->join_depth == 0;
    }
    return b->join_depth > 0 ? b->join_depth <= b->depth : b->in_value;
}

static bool
get_frames(struct ber_reader *b, struct reader *in)
{
    b->depth = read_u8(in);
    if (in->bad || b->depth == 0 || b->depth > BER_DEPTH_MAX) {
        return false;
    }
    for (unsigned i = 0; i < b->depth; i++) {
        struct ber_frame *f = &b->stack[i];

        f->at = read_u64(in);
        f->end = read_u64(in);
        f->tag = read_u32(in);
        f->indefinite = read_u8(in) != 0;
    }
    return !in->bad && frames_hold(b);
}

static bool
get_value(struct ber_reader *b, struct reader *in)
{
    b->in_value = read_u8(in) != 0;
    if (b->in_value) {
        b->value.tag = read_u32(in);
        b->value.depth = b->depth;
        b->value.at = read_u64(in);
        b->value.length = read_u64(in);
        b->value.offset = read_u64(in);
    }
    return !in->bad && value_holds(b);
}

static bool
get_ber(struct p1_reader *r, struct reader *in, struct slice *again)
{
    struct ber_reader *b = &r->ber;

    b->at = read_u64(in);
    if (b->at > b->limit || !get_frames(b, in)) {
        return false;
    }
    b->join_depth = read_u8(in);
    b->join_offset = read_u64(in);
    b->join_segment = BER_UNIVERSAL(BER_OCTET_STRING);
    if (b->join_offset > b->limit || !get_value(b, in) || !join_holds(r)) {
        return false;
    }
    *again = read_bytes16(in);
    return !in->bad;
}

static bool
get_flags(struct p1_reader *r, struct reader *in)
{
    uint8_t version = read_u8(in), state = read_u8(in);

    r->wrapped = read_u8(in) != 0;
    r->context = read_u32(in);
    r->content_bytes = read_u64(in);
    r->content_done = read_u64(in);
    if (in->bad || version != VERSION || state < P1_AT_CONTENT || state > P1_AT_TAIL) {
        return false;
    }
    r->kind = P1_MESSAGE;
    r->state = (enum p1_reader_state)state;
    return r->content_done <= BER_BYTES_MAX &&
           (r->content_bytes == BER_INDEFINITE || r->content_done <= r->content_bytes);
}

static int
get_envelope(struct p1_reader *r, struct reader *in)
{
    struct slice stored = read_bytes16(in);
    enum p1_kind kind;
    const char *error;
    uint64_t bytes, at;
    int rc;

    if (in->bad || in->rest.n > 0 || p1_stored_bytes(stored, &kind, &bytes) < 0 ||
        kind != P1_MESSAGE || bytes != stored.n) {
        return BH_EDAMAGED;
    }
    rc = buf_append(&r->gathered, stored);
    if (rc == 0) {
        rc = p1_stored_read(buf_slice(&r->gathered), &r->envelope, &error, &at);
    }
    return rc == 0 || rc == -ENOMEM ? rc : BH_EDAMAGED;
}

/* They say nothing this time either. */
static bool
read_again(struct ber_reader *b, struct slice octets)
{
    struct ber_item item;

    return octets.n == 0 || (ber_next(b, &octets, &item) == BER_MORE && octets.n == 0);
}

int
p1_reader_load(struct p1_reader *r, struct slice saved)
{
    struct reader in = reader_of(saved);
    struct slice again = SLICE_NONE;
    int rc = BH_EDAMAGED;

    p1_reader_init(r, P1_1988_X410);
    if (get_flags(r, &in) && get_ber(r, &in, &again)) {
        rc = get_envelope(r, &in);
    }
    if (rc == 0 && !read_again(&r->ber, again)) {
        rc = BH_EDAMAGED;
    }
    if (rc < 0) {
        p1_reader_fini(r);
    }
    return rc;
}
