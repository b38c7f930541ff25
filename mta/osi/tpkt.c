#include "osi/tpkt.h"

void
tpkt_init(struct tpkt *t)
{
    *t = (struct tpkt){ .head_n = 0 };
}

static enum tpkt_event
bad(struct tpkt *t, const char *error)
{
    t->error = error;
    return TPKT_BAD;
}

/* One octet of a header. */
static enum tpkt_event
header(struct tpkt *t, uint8_t octet)
{
    size_t length;

    t->head[t->head_n++] = octet;
    if (t->head[0] != 3) { /* at once: who speaks HTTP here may never send a fourth octet */
        return bad(t, "not a TPKT: its first octet is not 3 (is the peer's port an RFC 1006 one?)");
    }
    if (t->head_n < TPKT_HEADER_BYTES) {
        return TPKT_MORE;
    }
    length = (size_t)t->head[2] << 8 | t->head[3];
    if (length < TPKT_BYTES_MIN) {
        return bad(t, "a TPKT's length is below 7");
    }
    t->left = (uint16_t)(length - TPKT_HEADER_BYTES);
    t->head_n = 0;
    t->begun = false;
    return TPKT_MORE;
}

enum tpkt_event
tpkt_next(struct tpkt *t, struct slice *bytes, struct tpkt_piece *piece)
{
    if (t->error != NULL) {
        return TPKT_BAD;
    }
    while (t->left == 0) {
        uint8_t octet;

        if (bytes->n == 0) {
            return TPKT_MORE;
        }
        octet = (uint8_t)bytes->p[0];
        *bytes = slice_skip(*bytes, 1);
        if (header(t, octet) == TPKT_BAD) {
            return TPKT_BAD;
        }
    }
    if (bytes->n == 0) {
        return TPKT_MORE;
    }
    piece->bytes = slice_sub(*bytes, 0, t->left);
    *bytes = slice_skip(*bytes, piece->bytes.n);
    t->left = (uint16_t)(t->left - piece->bytes.n);
    piece->first = !t->begun;
    piece->last = t->left == 0;
    t->begun = true;
    return TPKT_PIECE;
}

void
tpkt_header(char out[TPKT_HEADER_BYTES], size_t packet_bytes)
{
    CHECK(packet_bytes >= TPKT_BYTES_MIN && packet_bytes <= TPKT_BYTES_MAX);
    out[0] = 3;
    out[1] = 0;
    out[2] = (char)(packet_bytes >> 8);
    out[3] = (char)packet_bytes;
}
