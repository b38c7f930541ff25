#include "osi/rtse_apdu.h"

/* ---- reading */

static int
bad(const char **error, const char *text)
{
    *error = text;
    return BH_ESYNTAX;
}

/* SessionConnectionIdentifier: its first two stand as they stand in the session's reference. */
static bool
read_reference(struct ber_cursor *in, struct session_reference *out)
{
    struct ber_value v;

    if (ber_take(in, &v) <= 0) {
        return false;
    }
    out->user = v.whole;
    if (ber_take_tag(in, BER_UNIVERSAL(BER_UTC_TIME), &v) <= 0) {
        return false;
    }
    out->common = v.whole;
    if (ber_take_tag(in, BER_CONTEXT(0), &v) > 0) {
        out->additional = v.body;
    }
    return out->user.n <= SESSION_REFERENCE_BYTES_MAX &&
           out->common.n <= SESSION_REFERENCE_BYTES_MAX;
}

static bool
read_connection_data(struct ber_cursor in, struct rtse_apdu *out)
{
    struct ber_value v;
    int rc = ber_take_tag(&in, BER_CONTEXT(0), &v);

    if (rc > 0) {
        out->user = v.body;
        return true;
    }
    if (rc < 0 || ber_take_tag(&in, BER_CONTEXT(1), &v) <= 0) {
        return false;
    }
    out->recover = true;
    in = ber_inside(&in, &v);
    return read_reference(&in, &out->recovered);
}

/* One member; those that are not known are stepped over. */
static bool
read_member(const struct ber_cursor *in, const struct ber_value *m, struct rtse_apdu *out)
{
    bool open = out->kind == RTSE_RTORQ || out->kind == RTSE_RTOAC;
    uint32_t number = m->tag & 0xFF;
    uint64_t value = 0;

    if ((m->tag & BER_PRIVATE(0)) != BER_CONTEXT(0)) {
        return true;
    }
    if ((out->kind == RTSE_RTORQ && number == 3) || (out->kind == RTSE_RTOAC && number == 2)) {
        return read_connection_data(ber_inside(in, m), out);
    }
    if ((out->kind == RTSE_RTORJ && number == 1) || (out->kind == RTSE_RTAB && number == 2)) {
        out->user = m->body;
        return true;
    }
    if (number > 4 || (number > 1 && out->kind != RTSE_RTORQ) || (!open && number != 0)) {
        return true;
    }
    if (ber_to_uint(m, INT32_MAX, &value) < 0) {
        return false;
    }
    if (!open) {
        out->reason = (unsigned)value;
    } else if (number == 0) {
        out->checkpoint = (uint32_t)value;
    } else if (number == 1) {
        out->window = (uint32_t)value;
    } else if (number == 2) {
        out->dialogue = (uint32_t)value;
    } else {
        out->protocol = (uint32_t)value;
    }
    return true;
}

int
rtse_apdu_read(struct slice bytes, enum rtse_apdu_kind kind, enum presentation_mode mode,
    struct rtse_apdu *out, const char **error)
{
    struct ber_cursor c;
    struct ber_value v;
    int rc;

    *out = (struct rtse_apdu){ .kind = kind, .window = RTSE_WINDOW_DEFAULT, .protocol = 1 };
    ber_cursor_init(&c, bytes);
    if (mode == PRESENTATION_NORMAL) {
        if (ber_take_tag(&c, BER_CONTEXT(kind), &v) <= 0 || c.rest.n > 0) {
            return bad(error, "not the APDU of reliable transfer that belongs here");
        }
        c = ber_inside(&c, &v);
    }
    for (rc = ber_take(&c, &v); rc > 0; rc = ber_take(&c, &v)) {
        if (!read_member(&c, &v, out)) {
            return bad(error, "a member of an APDU of reliable transfer is malformed");
        }
    }
    if (rc < 0) {
        return bad(error, c.error);
    }
    if ((kind == RTSE_RTORQ || kind == RTSE_RTOAC) && out->user.n == 0 && !out->recover) {
        return bad(error, "an association is opened without connection data");
    }
    return 0;
}

/* ---- writing */

static void
write_explicit(struct ber_writer *w, uint32_t number, struct slice value)
{
    ber_write_begin(w, BER_CONTEXT(number));
    ber_write_raw(w, value);
    ber_write_end(w);
}

static void
write_connection_data(struct ber_writer *w, uint32_t number, const struct rtse_apdu *apdu)
{
    ber_write_begin(w, BER_CONTEXT(number));
    if (apdu->recover) {
        ber_write_begin(w, BER_CONTEXT(1));
        ber_write_raw(w, apdu->recovered.user);
        ber_write_raw(w, apdu->recovered.common);
        if (apdu->recovered.additional.n > 0) {
            ber_write_bytes(w, BER_CONTEXT(0), apdu->recovered.additional);
        }
        ber_write_end(w);
    } else {
        write_explicit(w, 0, apdu->user);
    }
    ber_write_end(w);
}

int
rtse_apdu_write(struct buf *out, const struct rtse_apdu *apdu, enum presentation_mode mode)
{
    struct ber_writer w;

    ber_writer_init(&w, out);
    if (mode == PRESENTATION_NORMAL) {
        ber_write_begin(&w, BER_CONTEXT(apdu->kind));
    }
    switch (apdu->kind) {
    case RTSE_RTORQ:
    case RTSE_RTOAC:
        ber_write_int(&w, BER_CONTEXT(0), apdu->checkpoint);
        ber_write_int(&w, BER_CONTEXT(1), apdu->window);
        if (apdu->kind == RTSE_RTORQ) {
            ber_write_int(&w, BER_CONTEXT(2), apdu->dialogue);
        }
        write_connection_data(&w, apdu->kind == RTSE_RTORQ ? 3 : 2, apdu);
        if (apdu->kind == RTSE_RTORQ && mode == PRESENTATION_X410) {
            ber_write_int(&w, BER_CONTEXT(4), apdu->protocol);
        }
        break;
    case RTSE_RTORJ:
        if (mode == PRESENTATION_X410) {
            ber_write_int(&w, BER_CONTEXT(0), apdu->reason);
        } else if (apdu->user.n > 0) {
            write_explicit(&w, 1, apdu->user);
        }
        break;
    case RTSE_RTAB:
        ber_write_int(&w, BER_CONTEXT(0), apdu->reason);
        break;
    }
    if (mode == PRESENTATION_NORMAL) {
        ber_write_end(&w);
    }
    return ber_write_finish(&w);
}
