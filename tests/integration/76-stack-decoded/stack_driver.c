/* links: core osi x400 loop net */
/* driver SCENARIO PCAP: two shells over loopback, the initiator traced: lines to stdout, the octets
 * into PCAP. SCENARIO: normal (two-way alternate: a message each way), x410, p1984; recover (broken
 * in the middle, opened again, resumed); report (the receiver cannot go on); refused (the bind);
 * abort. */
#include "net/listener.h"
#include "x400/p1_bind.h"
#include "x400/p1_head.h"
#include "x400/p1_make.h"
#include "x400/p1_stored.h"
#include "x400/x400_conn.h"
#include "x400/x400_trace.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define TEXT_BYTES 5000
#define WHOLE_MS   20000

enum scenario { NORMAL, X410, P1984, RECOVER, REPORT, REFUSED, ABORT, SCENARIOS };
static const char *const names[] = { "normal", "x410", "p1984", "recover", "report", "refused",
    "abort" };

struct side {
    struct x400_conn *c;
    struct world *w;
    const char *mta;
    struct buf apdu;
    uint64_t sent, stops_at;
    bool twice; /* this association recovers */
    bool gave;
};

struct world {
    enum scenario scenario;
    enum p1_protocol protocol;
    struct loop *loop;
    struct netaddr to;
    struct x400_net *nets[2];
    struct side in, out;
    struct rtse_recovery recovery;
    struct loop_timer timer;
    FILE *pcap;
    unsigned ends;
};

static void begin(struct world *w);

/* ---- P1 */

static struct slice
bind_value(struct world *w, struct buf *out, enum p1_bind_kind kind, const char *mta)
{
    struct p1_bind b = { .kind = kind,
        .authenticated = true,
        .mta_name = slice_of(mta),
        .password = SLICE_LIT("open sesame"),
        .error = P1_BIND_AUTHENTICATION };

    buf_init(out, 512);
    CHECK(kind == P1_BIND_REFUSAL && w->protocol != P1_1988_NORMAL
              ? true
              : p1_bind_write(out, w->protocol, &b) == 0);
    return buf_slice(out);
}

/* An interpersonal message (P22): this-IPM "1", one body part of IA5 text. */
static void
make_content(struct buf *out)
{
    static char text[TEXT_BYTES];
    struct ber_writer w;

    memset(text, 'x', sizeof(text));
    buf_init(out, 2 * TEXT_BYTES);
    ber_writer_init(&w, out);
    ber_write_begin(&w, BER_CONTEXT(0));
    ber_write_raw(&w, SLICE_LIT("\x31\x05\x6b\x03\x13\x01"
                                "1"));
    ber_write_begin(&w, BER_UNIVERSAL(BER_SEQUENCE));
    ber_write_begin(&w, BER_CONTEXT(0));
    ber_write_raw(&w, SLICE_LIT("\x31\x00"));
    ber_write_bytes(&w, BER_UNIVERSAL(22), (struct slice){ text, sizeof(text) });
    ber_write_end(&w);
    ber_write_end(&w);
    ber_write_end(&w);
    CHECK(ber_write_finish(&w) == 0);
}

/* A message with a content that has several segments. */
static void
make_apdu(struct side *s, uint32_t context)
{
    static const struct p1_domain ours = { { true, 2, "DE" }, { true, 1, " " }, { true, 2, "BH" } };
    static const uint8_t nobody[1];
    struct p1_relay relay = {
        .protocol = s->w->protocol, .context = context, .responsible = nobody
    };
    struct p1_hop hop = { .domain = ours, .arrival_wall_ms = (uint64_t)1795216724 * 1000 };
    struct or_address from, to;
    struct p1_made_recipient recipient = { &to, 0 };
    struct p1_made m = { .kind = P1_MESSAGE,
        .domain = &ours,
        .originator = &from,
        .recipients = &recipient,
        .recipient_count = 1,
        .content_type = 22 };
    const char *read_error = "";
    struct p1_envelope e;
    struct or_error error;
    struct buf stored, trace, content;
    uint64_t at;

    m.local_id = slice_of(s->mta);
    CHECK(or_address_parse(SLICE_LIT("/C=DE/A= /P=BH/S=Meier/"), &from, &error) == 0);
    CHECK(or_address_parse(
              SLICE_LIT("/C=XX/A=ICAO/P=SWITZ/O=LS/OU1=LSZH/CN=LSZHZTZX/"), &to, &error) == 0);
    make_content(&content);
    buf_init(&stored, 10000);
    buf_init(&trace, 1000);
    CHECK(p1_make(&stored, &m) == 0);
    CHECK(p1_stored_read(buf_slice(&stored), &e, &read_error, &at) == 0);
    CHECK(p1_trace_write(&trace, &hop) == 0);
    relay.trace = buf_slice(&trace);
    buf_init(&s->apdu, 20000);
    CHECK(p1_head_write(&s->apdu, &e, &relay, buf_len(&content)) == 0);
    CHECK(buf_append(&s->apdu, buf_slice(&content)) == 0);
    buf_fini(&content);
    buf_fini(&trace);
    buf_fini(&stored);
}

static void
send_apdu(struct side *s)
{
    make_apdu(s, x400_conn_context(s->c));
    s->sent = 0;
    x400_conn_transfer(s->c, buf_len(&s->apdu), X400_NORMAL);
}

/* ---- callbacks */

static void
on_called(void *ctx, struct slice calling, struct slice called)
{
    struct side *s = ctx;

    (void)calling;
    (void)called;
    x400_conn_answer(s->c, 1024);
}

static void
on_offer(void *ctx, const struct rtse_open *offer)
{
    struct side *s = ctx;
    bool refuse = s->w->scenario == REFUSED;
    struct rtse_open o = { .checkpoint = 1, .window = 2 };
    struct buf value;

    (void)offer;
    o.user = bind_value(s->w, &value, refuse ? P1_BIND_REFUSAL : P1_BIND_RESULT, s->mta);
    if (refuse) {
        x400_conn_refuse(s->c, RTSE_REFUSE_VALIDATION, o.user);
    } else {
        x400_conn_accept(s->c, &o);
    }
    buf_fini(&value);
}

static void
on_opened(void *ctx, const struct rtse_open *agreed)
{
    struct side *s = ctx;

    (void)agreed;
    if (s->twice) {
        s->stops_at = 0;
        s->sent = rtse_offset(&s->w->recovery);
        CHECK(x400_conn_resume(s->c, &s->w->recovery, buf_len(&s->apdu), X400_NORMAL) == 0);
        return;
    }
    send_apdu(s);
}

static void
on_room(void *ctx)
{
    struct side *s = ctx;
    uint64_t end = s->stops_at > 0 ? s->stops_at : buf_len(&s->apdu);

    while (s->sent < end && x400_conn_room(s->c) > 0) {
        struct slice now = slice_sub(buf_slice(&s->apdu), (size_t)s->sent,
            MIN(x400_conn_room(s->c), (size_t)(end - s->sent)));

        x400_conn_write(s->c, now);
        s->sent += now.n;
    }
}

/* What the initiator does when its message went, or did not. */
static void
after_sending(struct side *s)
{
    buf_fini(&s->apdu);
    if (s->w->protocol == P1_1988_NORMAL && s->w->scenario == NORMAL && s == &s->w->out &&
        !s->gave) {
        return; /* the other side asks for the turn */
    }
    if (s == &s->w->out) {
        x400_conn_close(s->c);
    } else {
        x400_conn_give(s->c);
    }
}

static void
on_rtse(void *ctx, enum rtse_ind_kind kind, const struct rtse_ind *ind, bool in_doubt)
{
    struct side *s = ctx;
    struct world *w = s->w;

    (void)in_doubt;
    if (kind == RTSE_IND_POINT && w->scenario == REPORT && ind->point == 2) {
        x400_conn_report(s->c, ind->activity, SESSION_REASON_LOCAL);
    } else if (kind == RTSE_IND_POINT && w->scenario == ABORT && ind->point == 2) {
        x400_conn_abort(s->c, RTSE_ABORT_TEMPORARY);
    } else if (kind == RTSE_IND_POINT || kind == RTSE_IND_END) {
        x400_conn_secured(s->c, ind->activity, ind->point);
        if (kind == RTSE_IND_END && w->scenario == NORMAL && s == &w->in) {
            x400_conn_please(s->c, 2);
        }
    } else if (kind == RTSE_IND_PLEASE) {
        s->gave = true;
        x400_conn_give(s->c);
    } else if (kind == RTSE_IND_TURN && s == &w->in) {
        send_apdu(s);
    } else if (kind == RTSE_IND_TURN) {
        x400_conn_close(s->c);
    } else if (kind == RTSE_IND_SENT || kind == RTSE_IND_FAILED) {
        after_sending(s);
    } else if (kind == RTSE_IND_CONFIRMED && ind->point == 2 && w->scenario == RECOVER &&
               !s->twice) {
        x400_conn_recovery(s->c, &w->recovery);
        x400_conn_cut(w->in.c, -ECONNRESET);
    }
}

static void
on_end(void *ctx, const struct x400_end *end)
{
    struct side *s = ctx;
    struct world *w = s->w;

    fprintf(
        stderr, "%s: %s: %s\n", s == &w->in ? "in" : "out", osi_layer_name(end->layer), end->text);
    x400_conn_free(s->c);
    s->c = NULL;
    w->ends++;
    if (w->ends == 2 && w->scenario == RECOVER && !w->out.twice) {
        w->out.twice = true;
        w->ends = 0;
        begin(w);
    } else if (w->ends == 2) {
        loop_stop(w->loop);
    }
}

static const struct x400_conn_user user = { on_called, on_offer, on_opened, on_rtse, on_room,
    on_end, NULL };

static void
on_accept(void *ctx, int fd, const struct netaddr *peer)
{
    struct world *w = ctx;

    (void)peer;
    CHECK(x400_conn_adopt(&w->in.c, w->nets[1], fd, &x400_times_default, &user, &w->in) == 0);
}

/* ---- the world */

static void
begin(struct world *w)
{
    static struct netaddr source;
    struct x400_options o = { .sources = &source,
        .source_count = 1,
        .to = &w->to,
        .to_count = 1,
        .calling_t = SLICE_LIT("LDN"),
        .called_t = SLICE_LIT("\x01\x02PAR"),
        .tpdu_bytes = TP0_TPDU_BYTES_DEFAULT,
        .times = x400_times_default,
        .label = SLICE_LIT("paris") };
    struct buf value;

    CHECK(netaddr_parse(SLICE_LIT("127.0.0.1"), &source) == 0);
    o.open.mode = w->protocol == P1_1988_NORMAL ? PRESENTATION_NORMAL : PRESENTATION_X410;
    o.open.dialogue = w->scenario == NORMAL ? RTSE_TWA : RTSE_MONOLOGUE;
    o.open.checkpoint = 1;
    o.open.window = 2;
    o.open.application_protocol = w->protocol == P1_1984 ? 1 : 12;
    o.open.initiator_has_turn = true;
    if (w->protocol == P1_1988_NORMAL) {
        o.open.calling_s = SLICE_LIT("S1");
        o.open.called_s = SLICE_LIT("S2");
        o.open.called_p = SLICE_LIT("P2");
    }
    o.open.user = bind_value(w, &value, P1_BIND_ARGUMENT, w->out.mta);
    o.recover = w->out.twice ? &w->recovery : NULL;
    w->out.stops_at = w->scenario == RECOVER && !w->out.twice ? 2600 : 0;
    CHECK(x400_conn_open(&w->out.c, w->nets[0], &o, &user, &w->out) == 0);
    buf_fini(&value);
}

static void
on_line(void *ctx, const char *label, uint64_t wall_ms, const char *line)
{
    (void)ctx;
    (void)wall_ms;
    printf("%s %s\n", label, line);
}

static void
on_pcap(void *ctx, struct slice record)
{
    struct world *w = ctx;

    CHECK(fwrite(record.p, 1, record.n, w->pcap) == record.n);
}

static void
on_timeout(void *ctx)
{
    (void)ctx;
    fprintf(stderr, "it does not come to an end\n");
    abort();
}

static void
run(struct world *w)
{
    struct x400_trace_sink sink = { on_line, on_pcap, w };
    struct netaddr vip;
    struct sockaddr_storage sa;
    socklen_t n = sizeof(sa);
    struct vip_watch *watch;
    struct egress *egress;
    struct listener *listener;
    int fd;

    CHECK(netaddr_parse(SLICE_LIT("127.0.0.1"), &vip) == 0);
    w->to = vip;
    CHECK(loop_new(&w->loop) == 0);
    CHECK(vip_watch_new(&watch, w->loop, &vip, 1, NULL, NULL) == 0);
    CHECK(egress_new(&egress, w->loop, watch) == 0);
    CHECK(x400_net_new(&w->nets[0], w->loop, egress, SLICE_LIT("ldn.example.org")) == 0);
    CHECK(x400_net_new(&w->nets[1], w->loop, NULL, SLICE_LIT("par.example.org")) == 0);
    x400_net_trace(w->nets[0], &sink);
    CHECK(listener_open(&w->to, &fd) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&sa, &n) == 0);
    CHECK(netaddr_from_sockaddr((struct sockaddr *)&sa, &w->to) == 0);
    CHECK(listener_start(&listener, w->loop, fd, on_accept, w) == 0);
    loop_timer_init(w->loop, &w->timer, on_timeout, w);
    loop_timer_start(&w->timer, WHOLE_MS);
    begin(w);
    CHECK(loop_run(w->loop) == 0);
    loop_timer_stop(&w->timer);
    printf("port %u\n", w->to.port);
    listener_free(listener, true);
    x400_net_free(w->nets[0]);
    x400_net_free(w->nets[1]);
    egress_free(egress);
    vip_watch_free(watch);
    loop_free(w->loop);
}

int
main(int argc, char **argv)
{
    static struct world w = { .scenario = SCENARIOS };
    char head[X400_PCAP_HEAD_BYTES];

    for (unsigned i = 0; i < SCENARIOS && argc == 3; i++) {
        if (strcmp(argv[1], names[i]) == 0) {
            w.scenario = (enum scenario)i;
        }
    }
    w.pcap = w.scenario != SCENARIOS ? fopen(argv[2], "we") : NULL;
    if (w.pcap == NULL) {
        fprintf(stderr, "usage: driver SCENARIO PCAP\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    w.protocol = w.scenario == X410 ? P1_1988_X410 : w.scenario == P1984 ? P1_1984 : P1_1988_NORMAL;
    w.in.w = w.out.w = &w;
    w.in.mta = "PARIS";
    w.out.mta = "LONDON";
    x400_pcap_head(head);
    CHECK(fwrite(head, 1, sizeof(head), w.pcap) == sizeof(head));
    run(&w);
    return fclose(w.pcap) == 0 ? 0 : 1;
}
