#include "x400/x400_resume.h"

#include <stdio.h>

#define VERSION 1
#define PREFIX  "x400/"

/* ---- coming in */

static size_t
put_hex(char *out, size_t at, const char *octets, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        unsigned c = (unsigned char)octets[i];

        out[at++] = digits[c >> 4];
        out[at++] = digits[c & 15u];
    }
    return at;
}

struct slice
x400_part_key(
    char out[X400_PART_KEY_CAP], struct slice connector, const struct rtse_recovery *whose)
{
    int n;
    size_t at;

    connector = slice_sub(connector, 0, 255);
    n = snprintf(out, X400_PART_KEY_CAP, PREFIX "%.*s/%u/", SLICE_FMT(connector), whose->activity);
    at = put_hex(out, (size_t)n, whose->user, whose->user_n);
    out[at++] = '/';
    at = put_hex(out, at, whose->common, whose->common_n);
    return (struct slice){ out, at };
}

bool
x400_part_is_of(struct slice key, struct slice connector)
{
    if (!slice_starts(key, SLICE_LIT(PREFIX))) {
        return false;
    }
    key = slice_skip(key, sizeof(PREFIX) - 1);
    return connector.n == 0 || (slice_starts(key, connector) &&
                                   slice_starts(slice_skip(key, connector.n), SLICE_LIT("/")));
}

/* "/USER/COMMON" of a key that is connector's. */
static struct slice
reference_of(struct slice key, struct slice connector)
{
    key = slice_skip(key, sizeof(PREFIX) - 1 + connector.n + 1);
    return slice_skip(key, slice_find(key, '/'));
}

bool
x400_part_is_like(struct slice key, struct slice connector, const struct rtse_recovery *whose)
{
    char text[X400_PART_KEY_CAP];

    connector = slice_sub(connector, 0, 255); /* as in x400_part_key */
    return x400_part_is_of(key, connector) &&
           slice_eq(reference_of(key, connector),
               reference_of(x400_part_key(text, connector, whose), connector));
}

int
x400_part_write(struct buf *out, const struct x400_part *p)
{
    int rc = buf_put_u8(out, VERSION);

    rc = rc < 0 ? rc : buf_put_u32(out, p->point);
    rc = rc < 0 ? rc : buf_put_u32(out, p->checkpoint);
    rc = rc < 0 ? rc : buf_put_u64(out, p->arrival_wall_ms);
    return rc < 0 ? rc : buf_put_u64(out, p->secured_wall_ms);
}

int
x400_part_read(struct slice state, struct x400_part *out)
{
    struct reader in = reader_of(state);
    uint8_t version = read_u8(&in);
    struct x400_part p;

    p.point = read_u32(&in);
    p.checkpoint = read_u32(&in);
    p.arrival_wall_ms = read_u64(&in);
    p.secured_wall_ms = read_u64(&in);
    p.reader = in.rest;
    if (in.bad || version != VERSION || p.checkpoint == 0 || p.checkpoint > RTSE_CHECKPOINT_MAX) {
        return BH_EDAMAGED;
    }
    *out = p;
    return 0;
}

/* ---- going out */

struct slice
x400_note_key(char out[X400_NOTE_KEY_CAP], struct slice connector, unsigned number)
{
    int n;

    connector = slice_sub(connector, 0, 100);
    n = snprintf(out, X400_NOTE_KEY_CAP, PREFIX "out/%.*s/%u", SLICE_FMT(connector), number);
    return (struct slice){ out, (size_t)n };
}

int
x400_note_write(struct buf *out, const struct x400_note *n)
{
    int rc = buf_put_u8(out, VERSION);

    rc = rc < 0 ? rc : buf_put_u64(out, n->message);
    rc = rc < 0 ? rc : buf_put_u64(out, n->recipients);
    rc = rc < 0 ? rc : buf_put_u64(out, n->apdu_bytes);
    rc = rc < 0 ? rc : buf_put_u64(out, n->head_bytes);
    rc = rc < 0 ? rc : buf_put_u32(out, n->head_crc);
    rc = rc < 0 ? rc : buf_put_u64(out, n->noted_wall_ms);
    rc = rc < 0 ? rc : buf_put_u32(out, n->from.activity);
    rc = rc < 0 ? rc : buf_put_u32(out, n->from.point);
    rc = rc < 0 ? rc : buf_put_u32(out, n->from.checkpoint);
    rc = rc < 0 ? rc : buf_put_bytes16(out, (struct slice){ n->from.user, n->from.user_n });
    return rc < 0 ? rc : buf_put_bytes16(out, (struct slice){ n->from.common, n->from.common_n });
}

static bool
get_reference(struct reader *in, char out[SESSION_REFERENCE_BYTES_MAX], uint8_t *n)
{
    struct slice s = read_bytes16(in);

    if (in->bad || s.n > SESSION_REFERENCE_BYTES_MAX) {
        return false;
    }
    memcpy(out, s.n > 0 ? s.p : "", s.n);
    *n = (uint8_t)s.n;
    return true;
}

int
x400_note_read(struct slice value, struct x400_note *out)
{
    struct reader in = reader_of(value);
    struct x400_note n = { .message = 0 };
    uint8_t version = read_u8(&in);

    n.message = read_u64(&in);
    n.recipients = read_u64(&in);
    n.apdu_bytes = read_u64(&in);
    n.head_bytes = read_u64(&in);
    n.head_crc = read_u32(&in);
    n.noted_wall_ms = read_u64(&in);
    n.from.activity = read_u32(&in);
    n.from.point = read_u32(&in);
    n.from.checkpoint = read_u32(&in);
    if (!get_reference(&in, n.from.user, &n.from.user_n) ||
        !get_reference(&in, n.from.common, &n.from.common_n) || in.rest.n > 0 ||
        version != VERSION || n.from.activity > RTSE_ACTIVITY_MAX || n.from.checkpoint == 0 ||
        n.from.checkpoint > RTSE_CHECKPOINT_MAX || n.from.point == 0 ||
        n.head_bytes > n.apdu_bytes || rtse_offset(&n.from) >= n.apdu_bytes) {
        return BH_EDAMAGED;
    }
    *out = n;
    return 0;
}
