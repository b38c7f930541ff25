/* dns_answer.c - reading a DNS response (RFC 1035 section 4.1). */
#include "net/dns_answer.h"

#include "core/buf.h"

#define CLASS_IN     1
#define HEAD_BYTES   12
#define LABEL_MAX    63
#define POINTERS_MAX 64 /* in one name; real ones have one or two */

/* Numbers on the wire are big-endian; reader is bounds-checked. */
static uint16_t
be16(struct reader *r)
{
    unsigned high = read_u8(r);

    return (uint16_t)(high << 8 | read_u8(r));
}

static bool
host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static char
lower(char c)
{
    if (c < 'A' || c > 'Z') {
        return c;
    }
    return (char)(c - 'A' + 'a');
}

/* Append one label; false if it makes no host name. */
static bool
put_label(struct slice label, char out[DNS_NAME_CAP], size_t *n)
{
    /* 253 characters of text are the most that 255 bytes on the wire can hold */
    if (*n + (*n > 0) + label.n > DNS_NAME_CAP - 3) {
        return false;
    }
    if (*n > 0) {
        out[(*n)++] = '.';
    }
    for (size_t i = 0; i < label.n; i++) {
        char c = lower(label.p[i]);

        if (!host_char(c)) {
            return false;
        }
        out[(*n)++] = c;
    }
    return true;
}

/* Read a name at r, following pointers, which may only point backwards (so it ends). *usable: it
 * makes a host name. r->bad: it is cut or does not end. */
static void
read_name(struct slice packet, struct reader *r, char out[DNS_NAME_CAP], bool *usable)
{
    struct reader at = *r;
    bool jumped = false;
    size_t n = 0;

    *usable = true;
    for (unsigned pointers = 0; pointers <= POINTERS_MAX;) {
        size_t here = packet.n - at.rest.n;
        uint8_t length = read_u8(&at);

        if (at.bad || length == 0) {
            break;
        }
        if (length <= LABEL_MAX) {
            *usable = put_label(read_bytes(&at, length), out, &n) && *usable;
        } else if ((length & 0xc0) == 0xc0) {
            size_t target = (size_t)(length & 0x3f) << 8 | read_u8(&at);

            if (!jumped) {
                *r = at; /* the name ends here in its place */
                jumped = true;
            }
            if (at.bad || target >= here || ++pointers > POINTERS_MAX) {
                at.bad = true;
                break;
            }
            at = reader_of(slice_skip(packet, target));
        } else {
            at.bad = true; /* label types that were never used */
            break;
        }
    }
    out[*usable ? n : 0] = '\0';
    if (!jumped) {
        *r = at;
    }
    r->bad = r->bad || at.bad;
}

/* The data of one record; false if this record is of no use. */
static bool
read_data(struct slice packet, struct slice data, struct dns_record *out)
{
    size_t offset = (size_t)(data.p - packet.p);
    struct reader r;
    bool usable = true;

    if (out->type == DNS_TYPE_A || out->type == DNS_TYPE_AAAA) {
        bool v4 = out->type == DNS_TYPE_A;

        if (data.n != (v4 ? 4u : 16u)) {
            return false;
        }
        out->address.family = v4 ? AF_INET : AF_INET6;
        memcpy(out->address.bytes, data.p, data.n);
        return true;
    }
    r = reader_of(slice_skip(slice_sub(packet, 0, offset + data.n), offset));
    out->preference = be16(&r);
    read_name(slice_sub(packet, 0, offset + data.n), &r, out->name, &usable);
    return usable && !r.bad && r.rest.n == 0;
}

int
dns_answer_code(struct slice packet)
{
    return packet.n < HEAD_BYTES ? -1 : packet.p[3] & 0x0f;
}

int
dns_answer_each(struct slice packet, uint16_t type, dns_record_fn *each, void *ctx)
{
    struct reader r = reader_of(packet);
    char name[DNS_NAME_CAP];
    unsigned questions, answers;
    bool usable;

    (void)read_bytes(&r, 4); /* id and flags: libunbound has looked at them */
    questions = be16(&r);
    answers = be16(&r);
    (void)read_bytes(&r, 4); /* the other sections */
    for (unsigned i = 0; i < questions && !r.bad; i++) {
        read_name(packet, &r, name, &usable);
        (void)read_bytes(&r, 4);
    }
    for (unsigned i = 0; i < answers && !r.bad; i++) {
        struct dns_record record = { 0 };
        struct slice data;
        uint16_t class;

        read_name(packet, &r, name, &usable);
        record.type = be16(&r);
        class = be16(&r);
        (void)read_bytes(&r, 4); /* time to live: libunbound keeps the cache */
        data = read_bytes(&r, be16(&r));
        if (!r.bad && record.type == type && class == CLASS_IN &&
            read_data(packet, data, &record)) {
            each(ctx, &record);
        }
    }
    return r.bad ? BH_ESYNTAX : 0;
}

int
dns_name(struct slice text, char out[DNS_NAME_CAP])
{
    char name[DNS_NAME_CAP];
    struct slice rest, label;
    size_t n = 0;

    if (text.n > 0 && text.p[text.n - 1] == '.') {
        text.n--;
    }
    if (text.n == 0) {
        return BH_ESYNTAX;
    }
    rest = text;
    for (bool more = true; more;) {
        size_t dot = slice_find(rest, '.');

        label = slice_sub(rest, 0, dot);
        more = dot < rest.n;
        rest = slice_skip(rest, dot + 1);
        if (label.n == 0 || label.n > LABEL_MAX || !put_label(label, name, &n)) {
            return BH_ESYNTAX;
        }
    }
    memcpy(out, name, n);
    out[n] = '\0';
    return 0;
}
