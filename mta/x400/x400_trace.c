/* x400_trace.c - octets of both directions to lines and to pcap records. */
#include "x400/x400_trace.h"

#include "osi/explain.h"
#include "x400/p1_bind.h"
#include <stdio.h>
#include <stdlib.h>

#define LABEL_CAP           64
#define SEGMENT_BYTES_MAX   16384 /* of a record: an IP packet has at most 65535 */
#define TPDU_HEADER_MAX     256
#define TCP_HEADER_BYTES    20
#define RECORD_HEADER_BYTES 16
enum { FLAG_FIN = 1, FLAG_SYN = 2, FLAG_PSH = 8, FLAG_ACK = 16 };

/* One direction. */
struct way {
    struct tpkt packets;
    size_t skip;   /* octets of a packet that began before us */
    bool lost;     /* no packets any more: silence */
    size_t head_n; /* of the TPDU, gathered */
    uint8_t head[TPDU_HEADER_MAX];
    uint64_t tsdu_bytes;
    struct buf tsdu; /* its first octets; limit EXPLAIN_HEAD_BYTES */
    uint32_t seq;    /* of the next octet, in the pcap file */
    uint16_t ip_id;
};

struct x400_trace {
    const struct x400_trace_sink *sink;
    struct netaddr local, remote;
    struct explain explain;
    struct way in, out;
    char label[LABEL_CAP];
};

int
x400_trace_new(struct x400_trace **out, const struct x400_trace_sink *sink, const char *label,
    const struct netaddr *local, const struct netaddr *remote)
{
    struct x400_trace *t = calloc(1, sizeof(*t));

    if (t == NULL) {
        return -ENOMEM;
    }
    t->sink = sink;
    t->local = *local;
    t->remote = *remote;
    t->explain.mode = PRESENTATION_NORMAL;
    tpkt_init(&t->in.packets);
    tpkt_init(&t->out.packets);
    buf_init(&t->in.tsdu, EXPLAIN_HEAD_BYTES);
    buf_init(&t->out.tsdu, EXPLAIN_HEAD_BYTES);
    t->in.seq = t->out.seq = 1;
    x400_trace_label(t, label);
    *out = t;
    return 0;
}

void
x400_trace_free(struct x400_trace *t)
{
    if (t != NULL) {
        buf_fini(&t->in.tsdu);
        buf_fini(&t->out.tsdu);
        free(t);
    }
}

void
x400_trace_label(struct x400_trace *t, const char *label)
{
    (void)snprintf(t->label, sizeof(t->label), "%s", label);
}

/* ---- pcap */

static void
put_le(char *p, uint32_t v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        p[i] = (char)(v >> (8 * i));
    }
}

static void
put_be(char *p, uint32_t v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        p[i] = (char)(v >> (8 * (n - 1 - i)));
    }
}

void
x400_pcap_head(char out[X400_PCAP_HEAD_BYTES])
{
    memset(out, 0, X400_PCAP_HEAD_BYTES);
    put_le(out, 0xA1B2C3D4, 4);
    put_le(out + 4, 2, 2);
    put_le(out + 6, 4, 2);
    put_le(out + 16, 65535, 4);
    put_le(out + 20, 101, 4); /* LINKTYPE_RAW: IPv4 or IPv6 */
}

/* The Internet checksum's sum, not yet folded. */
static uint32_t
add_up(uint32_t sum, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sum += (uint32_t)(uint8_t)p[i] << (i % 2 == 0 ? 8 : 0);
    }
    return sum;
}

static uint16_t
fold(uint32_t sum)
{
    while (sum > 0xFFFF) {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

/* Returns its length. */
static size_t
put_ip(char *p, const struct netaddr *from, const struct netaddr *to, size_t payload, uint16_t id)
{
    if (from->family == AF_INET6) {
        memset(p, 0, 40);
        p[0] = 0x60;
        put_be(p + 4, (uint32_t)payload, 2);
        p[6] = 6; /* TCP */
        p[7] = 64;
        memcpy(p + 8, from->bytes, 16);
        memcpy(p + 24, to->bytes, 16);
        return 40;
    }
    memset(p, 0, 20);
    p[0] = 0x45;
    put_be(p + 2, (uint32_t)payload + 20, 2);
    put_be(p + 4, id, 2);
    p[6] = 0x40; /* don't fragment */
    p[8] = 64;
    p[9] = 6;
    memcpy(p + 12, from->bytes, 4);
    memcpy(p + 16, to->bytes, 4);
    put_be(p + 10, fold(add_up(0, p, 20)), 2);
    return 20;
}

static void
put_record(struct x400_trace *t, bool out, unsigned flags, struct slice bytes, uint64_t wall_ms)
{
    const struct netaddr *from = out ? &t->local : &t->remote, *to = out ? &t->remote : &t->local;
    struct way *way = out ? &t->out : &t->in, *back = out ? &t->in : &t->out;
    size_t address_n = from->family == AF_INET6 ? 16 : 4;
    char *record = malloc(RECORD_HEADER_BYTES + 40 + TCP_HEADER_BYTES + bytes.n), *tcp;
    size_t tcp_n = TCP_HEADER_BYTES + bytes.n, n;
    uint32_t sum;

    if (record == NULL) {
        return; /* a gap in a trace */
    }
    n = put_ip(record + RECORD_HEADER_BYTES, from, to, tcp_n, way->ip_id++);
    put_le(record, (uint32_t)(wall_ms / 1000), 4);
    put_le(record + 4, (uint32_t)(wall_ms % 1000) * 1000, 4);
    put_le(record + 8, (uint32_t)(n + tcp_n), 4);
    put_le(record + 12, (uint32_t)(n + tcp_n), 4);
    tcp = record + RECORD_HEADER_BYTES + n;
    memset(tcp, 0, TCP_HEADER_BYTES);
    put_be(tcp, from->port, 2);
    put_be(tcp + 2, to->port, 2);
    put_be(tcp + 4, way->seq, 4);
    put_be(tcp + 8, (flags & FLAG_ACK) != 0 ? back->seq : 0, 4);
    tcp[12] = 0x50;
    tcp[13] = (char)flags;
    put_be(tcp + 14, 65535, 2);
    memcpy(tcp + TCP_HEADER_BYTES, bytes.n > 0 ? bytes.p : "", bytes.n);
    sum = add_up(6 + (uint32_t)tcp_n, (const char *)from->bytes, address_n);
    sum = add_up(sum, (const char *)to->bytes, address_n);
    put_be(tcp + 16, fold(add_up(sum, tcp, tcp_n)), 2);
    way->seq += (uint32_t)bytes.n + ((flags & (FLAG_SYN | FLAG_FIN)) != 0);
    t->sink->on_pcap(t->sink->ctx, (struct slice){ record, RECORD_HEADER_BYTES + n + tcp_n });
    free(record);
}

void
x400_trace_begin(struct x400_trace *t, bool incoming, uint64_t wall_ms)
{
    if (t->sink->on_pcap == NULL) {
        return;
    }
    t->in.seq = t->out.seq = 0;
    put_record(t, !incoming, FLAG_SYN, SLICE_NONE, wall_ms);
    put_record(t, incoming, FLAG_SYN | FLAG_ACK, SLICE_NONE, wall_ms);
    put_record(t, !incoming, FLAG_ACK, SLICE_NONE, wall_ms);
}

/* ---- lines */

static void
tell(struct x400_trace *t, bool out, const char *text, uint64_t wall_ms)
{
    char local[NETADDR_TEXT_CAP], remote[NETADDR_TEXT_CAP], line[X400_TRACE_LINE_CAP];

    netaddr_text_port(&t->local, local);
    netaddr_text_port(&t->remote, remote);
    (void)snprintf(line, sizeof(line), "%s %s %s %s", local, out ? ">" : "<", remote, text);
    t->sink->on_line(t->sink->ctx, t->label, wall_ms, line);
}

void
x400_trace_end(struct x400_trace *t, uint64_t wall_ms)
{
    if (t->sink->on_pcap != NULL) {
        put_record(t, true, FLAG_FIN | FLAG_ACK, SLICE_NONE, wall_ms);
        put_record(t, false, FLAG_FIN | FLAG_ACK, SLICE_NONE, wall_ms);
        put_record(t, true, FLAG_ACK, SLICE_NONE, wall_ms);
    }
    if (t->sink->on_line != NULL) {
        tell(t, true, "closed", wall_ms);
    }
}

static void
append(char *line, size_t cap, const char *what, struct slice text)
{
    size_t n = strlen(line);

    (void)snprintf(line + n, cap - n, "%s", what);
    n = strlen(line);
    for (size_t i = 0; i < MIN(text.n, (size_t)32) && n + 1 < cap; i++) {
        line[n++] = text.p[i] >= ' ' && text.p[i] < 0x7F ? text.p[i] : '?';
        line[n] = '\0';
    }
}

/* The name in a bind; never the password. */
static void
explain_bind(const struct explain *e, const struct explained *x, char *line, size_t cap)
{
    static const enum p1_bind_kind kinds[] = { [EXPLAIN_ARGUMENT] = P1_BIND_ARGUMENT,
        [EXPLAIN_RESULT] = P1_BIND_RESULT,
        [EXPLAIN_REFUSAL] = P1_BIND_REFUSAL };
    const char *error = NULL;
    struct p1_bind bind;
    enum p1_protocol protocol = e->mode == PRESENTATION_NORMAL ? P1_1988_NORMAL : P1_1988_X410;

    if (p1_bind_read(x->user, protocol, kinds[x->kind], &bind, &error) < 0) {
        append(line, cap, "; a bind that is none: ", slice_of(error));
    } else if (bind.kind == P1_BIND_REFUSAL) {
        append(line, cap, "; bind error: ", slice_of(p1_bind_error_text(bind.error)));
    } else {
        append(line, cap, kinds[x->kind] == P1_BIND_RESULT ? "; bind result " : "; bind ",
            bind.authenticated ? bind.mta_name : slice_of("without a name"));
    }
    explicit_bzero(&bind, sizeof(bind));
}

/* The first octets of an APDU: what it is, and the first IA5String in it, which is the local
 * identifier wherever the message identifier comes first, as all write it. */
static void
explain_apdu(const struct explain *e, struct slice bytes, char *line, size_t cap)
{
    static const char *const names[] = { "message", "report", "probe" };
    unsigned depth = e->mode == PRESENTATION_NORMAL ? 2 : 0; /* EXTERNAL, its value */
    enum ber_event event = BER_OPEN;
    struct ber_reader r;
    struct ber_item item;
    bool named = false;

    ber_reader_init(&r, BER_BYTES_MAX);
    while (event == BER_OPEN || event == BER_BYTES || event == BER_CLOSE) {
        event = ber_next(&r, &bytes, &item);
        if (event == BER_OPEN && !named && depth-- == 0) {
            unsigned kind = item.tag - BER_CONTEXT(0);

            append(line, cap, "; ", slice_of(kind < ARRAY_LEN(names) ? names[kind] : "an APDU"));
            named = true;
        } else if (event == BER_BYTES && named && item.tag == BER_UNIVERSAL(22)) {
            append(line, cap, " ", item.bytes);
            return;
        }
    }
}

static void
tsdu_whole(struct x400_trace *t, struct way *way, uint64_t wall_ms)
{
    struct explained x;

    explain_tsdu(&t->explain, buf_slice(&way->tsdu), way->tsdu_bytes, &x);
    if (x.kind == EXPLAIN_SEGMENT && x.first) {
        explain_apdu(&t->explain, x.user, x.line, sizeof(x.line));
    } else if (x.kind != EXPLAIN_NONE && x.kind != EXPLAIN_SEGMENT) {
        explain_bind(&t->explain, &x, x.line, sizeof(x.line));
    }
    tell(t, way == &t->out, x.line, wall_ms);
    buf_clear(&way->tsdu);
    buf_release(&way->tsdu);
    way->tsdu_bytes = 0;
}

/* A piece of a packet. A DT's header has three octets, the others are all header. */
static void
packet(struct x400_trace *t, struct way *way, const struct tpkt_piece *p, uint64_t wall_ms)
{
    struct slice bytes = p->bytes;

    way->head_n = p->first ? 0 : way->head_n;
    while (bytes.n > 0 && way->head_n < sizeof(way->head) &&
           (way->head_n < 3 || (way->head[1] & 0xF0) != 0xF0)) {
        way->head[way->head_n++] = (uint8_t)bytes.p[0];
        bytes = slice_skip(bytes, 1);
    }
    if (way->head_n >= 3 && (way->head[1] & 0xF0) == 0xF0) {
        way->tsdu_bytes += bytes.n;
        /* Only what has room; without memory it is explained as what there is. */
        (void)!buf_append(&way->tsdu, slice_sub(bytes, 0, buf_space(&way->tsdu)));
        if (p->last && (way->head[2] & 0x80) != 0) {
            tsdu_whole(t, way, wall_ms);
        }
    } else if (p->last) {
        struct explained x;

        explain_tpdu((struct slice){ (const char *)way->head, way->head_n }, &x);
        tell(t, way == &t->out, x.line, wall_ms);
    }
}

void
x400_trace_skip(struct x400_trace *t, bool out, size_t n)
{
    (out ? &t->out : &t->in)->skip = n;
}

void
x400_trace_octets(struct x400_trace *t, bool out, struct slice bytes, uint64_t wall_ms)
{
    struct way *way = out ? &t->out : &t->in;
    size_t skipped = MIN(way->skip, bytes.n);
    struct tpkt_piece p;
    enum tpkt_event event;

    bytes = slice_skip(bytes, skipped);
    way->skip -= skipped;
    for (struct slice rest = bytes; rest.n > 0 && t->sink->on_pcap != NULL;) {
        struct slice now = slice_sub(rest, 0, SEGMENT_BYTES_MAX);

        put_record(t, out, FLAG_PSH | FLAG_ACK, now, wall_ms);
        rest = slice_skip(rest, now.n);
    }
    if (t->sink->on_line == NULL || way->lost) {
        return;
    }
    for (event = tpkt_next(&way->packets, &bytes, &p); event == TPKT_PIECE;
         event = tpkt_next(&way->packets, &bytes, &p)) {
        packet(t, way, &p, wall_ms);
    }
    if (event == TPKT_BAD) {
        way->lost = true;
        tell(t, out, "not a packet of RFC 1006: nothing of this direction is shown any more",
            wall_ms);
    }
}
