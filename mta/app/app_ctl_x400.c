/* app/app_ctl_x400.c - what the operator sees of X.400: a connector's associations, ping, trace. */
#include "app/app_ctl.h"
#include "core/base64.h"
#include "core/id.h"
#include "core/ticks.h"
#include "x400/x400_trace.h"

#include <stdlib.h>

#define ASSOCIATIONS_MAX 200 /* one message holds them */

/* ---- status, connector show */

json_t *
app_ctl_x400_stats(const struct app *a)
{
    struct x400_stats s;

    if (a->x400 == NULL) {
        return json_null();
    }
    x400_stats(a->x400, &s);
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}",
        "associations", (json_int_t)s.associations, "unbound", (json_int_t)s.unbound, "accepted",
        (json_int_t)s.accepted, "refused_calls", (json_int_t)s.refused_calls, "refused_binds",
        (json_int_t)s.refused_binds, "opened", (json_int_t)s.opened, "failed", (json_int_t)s.failed,
        "messages_in", (json_int_t)s.messages_in, "messages_out", (json_int_t)s.messages_out,
        "probes_in", (json_int_t)s.probes_in, "probes_out", (json_int_t)s.probes_out, "reports_in",
        (json_int_t)s.reports_in, "reports_out", (json_int_t)s.reports_out, "reports_made",
        (json_int_t)s.reports_made, "repeated", (json_int_t)s.repeated, "transfers_refused",
        (json_int_t)s.transfers_refused);
}

static void
add_association(void *ctx, const struct x400_association_view *v)
{
    const struct x400_view *c = &v->conn;
    char local[NETADDR_TEXT_CAP] = "", remote[NETADDR_TEXT_CAP] = "", id[ID_TEXT_CAP];
    json_t *one;

    if (json_array_size(ctx) >= ASSOCIATIONS_MAX) {
        return;
    }
    if (c->local.family != 0) {
        netaddr_text_port(&c->local, local);
    }
    if (c->remote.family != 0) {
        netaddr_text_port(&c->remote, remote);
    }
    one = json_pack("{s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:b,s:s,s:s}", "id",
        (json_int_t)v->id, "direction", c->incoming ? "in" : "out", "local", local, "remote",
        remote, "tcp", c->tcp, "transport", c->transport, "session", c->session, "rtse", c->rtse,
        "mode", c->mode, "dialogue", c->dialogue, "our_turn", c->our_turn, "sending", v->sending,
        "receiving", v->receiving);
    (void)json_object_update_new(one,
        json_pack("{s:I,s:I,s:i,s:I,s:I,s:I,s:I,s:I,s:I,s:s}", "checkpoint",
            (json_int_t)c->checkpoint, "window", (json_int_t)c->window, "session_version",
            (int)c->session_version, "transfer_bytes", (json_int_t)c->apdu_bytes, "done_bytes",
            (json_int_t)c->done_bytes, "octets_in", (json_int_t)c->octets_in, "octets_out",
            (json_int_t)c->octets_out, "messages_in", (json_int_t)v->messages_in, "messages_out",
            (json_int_t)v->messages_out, "waits_for", c->waits_for != NULL ? c->waits_for : ""));
    (void)json_object_set_new(
        one, "message", v->message_id != 0 ? json_string(id_text(v->message_id, id)) : json_null());
    (void)json_array_append_new(ctx, one);
}

void
app_ctl_x400_show(const struct app *a, const char *name, json_t *into)
{
    uint16_t i = app_connector_index(a->conf, slice_of(name));
    struct x400_connector_view v;
    json_t *list;

    if (i >= a->out_count || a->outs[i].x400 == NULL) {
        return;
    }
    list = json_array();
    x400_connector_view(a->outs[i].x400, &v);
    x400_connector_each(a->outs[i].x400, add_association, list);
    (void)json_object_update_new(
        into, json_pack("{s:o,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "associations", list, "in",
                  (json_int_t)v.in, "out", (json_int_t)v.out, "opening", (json_int_t)v.opening,
                  "waiting_for_call", (json_int_t)v.waiting, "messages_in",
                  (json_int_t)v.messages_in, "messages_out", (json_int_t)v.messages_out, "bytes_in",
                  (json_int_t)v.bytes_in, "bytes_out", (json_int_t)v.bytes_out));
    (void)json_object_set_new(into, "last_refusal",
        v.refused_wall_ms == 0
            ? json_null()
            : json_pack("{s:o,s:s,s:s,s:I,s:o}", "time", app_ctl_time(v.refused_wall_ms),
                  "direction", v.refused_incoming ? "in" : "out", "layer",
                  osi_layer_name(v.refused_layer), "reason", (json_int_t)v.refused_reason, "text",
                  app_ctl_text(slice_of(v.refused))));
}

/* ---- ping: one at a time */

struct app_ping {
    struct app *app;
    struct ctl_request *rq;
    char name[APP_NAME_CAP];
    struct resolver_query *query;
    struct x400_ping *ping;
    size_t hop; /* the next one to look up */
    struct netaddr to[X400_CONN_TARGETS_MAX];
    size_t to_count;
};

static void
ping_over(struct app_ping *p)
{
    p->app->ping = NULL;
    free(p);
}

static void
ping_failed(struct app_ping *p, const char *why)
{
    ctl_fail(p->rq, BRIDGEHEAD_EXIT_FAILED, 0, why,
        "Look at next_hop of the connector, and at bridgehead status.");
    ping_over(p);
}

void
app_ping_cancel(struct app *a)
{
    struct app_ping *p = a->ping;

    if (p == NULL) {
        return;
    }
    if (p->query != NULL) {
        resolver_cancel(p->query);
    }
    if (p->ping != NULL) {
        x400_ping_cancel(p->ping);
    }
    ping_failed(p, "nothing may be sent any more");
}

static void
on_ping(void *ctx, const struct x400_ping_result *r)
{
    struct app_ping *p = ctx;
    const struct x400_view *v = &r->at;
    char local[NETADDR_TEXT_CAP] = "", remote[NETADDR_TEXT_CAP] = "";
    struct slice mta = r->has_bind ? r->bind.mta_name : SLICE_NONE;
    struct buf text;
    json_t *body;

    buf_init(&text, (size_t)16 * KIB);
    if (x400_ping_text(r, &text) < 0) {
        buf_clear(&text);
    }
    if (r->end.local.family != 0) {
        netaddr_text_port(&r->end.local, local);
    }
    if (r->end.remote.family != 0) {
        netaddr_text_port(&r->end.remote, remote);
    }
    body = json_pack("{s:s,s:b,s:b,s:s,s:s,s:s,s:I,s:s,s:o,s:f,s:f,s:o}", "name", p->name, "ok",
        r->ok, "opened", r->end.opened, "local", local, "remote", remote, "layer",
        r->stranger != NULL ? osi_layer_name(OSI_USER)
        : r->ok             ? ""
                            : osi_layer_name(r->end.layer),
        "reason", (json_int_t)r->end.reason, "why", r->stranger != NULL ? r->stranger : r->end.text,
        "mta", app_ctl_text(mta), "opened_s", (double)r->opened_ms / 1000, "closed_s",
        (double)r->closed_ms / 1000, "text", app_ctl_text(buf_slice(&text)));
    if (r->end.opened) {
        (void)json_object_update_new(
            body, json_pack("{s:I,s:i,s:s,s:s,s:I,s:I}", "tpdu_bytes", (json_int_t)v->tpdu_bytes,
                      "session_version", (int)v->session_version, "mode", v->mode, "dialogue",
                      v->dialogue, "checkpoint", (json_int_t)v->checkpoint, "window",
                      (json_int_t)v->window));
    }
    buf_fini(&text);
    ctl_reply(p->rq, r->ok ? 0 : BRIDGEHEAD_EXIT_FAILED, body);
    ping_over(p);
}

static void ping_next(struct app_ping *p);

static void
on_ping_addresses(void *ctx, int status, const struct resolver_answer *answer)
{
    struct app_ping *p = ctx;
    const struct app *a = p->app;
    uint16_t i = app_connector_index(a->conf, slice_of(p->name));

    p->query = NULL;
    for (unsigned k = 0; status == 0 && answer->host_count > 0 &&
                         k < answer->hosts[0].address_count && p->to_count < ARRAY_LEN(p->to) &&
                         i < a->out_count && p->hop < a->conf->connectors[i].hop_count;
         k++) {
        p->to[p->to_count] = answer->hosts[0].addresses[k];
        p->to[p->to_count++].port = a->conf->connectors[i].hops[p->hop].port;
    }
    p->hop++;
    ping_next(p);
}

/* The addresses of all next hops, then the call. The connector may be gone meanwhile. */
static void
ping_next(struct app_ping *p)
{
    struct app *a = p->app;
    uint16_t i = app_connector_index(a->conf, slice_of(p->name));
    const struct app_connector *c;

    if (i >= a->out_count || a->outs[i].x400 == NULL) {
        ping_failed(p, "the connector is gone");
        return;
    }
    c = &a->conf->connectors[i];
    for (; p->hop < c->hop_count && p->to_count < ARRAY_LEN(p->to); p->hop++) {
        const struct app_hop *hop = &c->hops[p->hop];

        if (hop->name[0] == '\0') {
            p->to[p->to_count] = hop->address;
            p->to[p->to_count++].port = hop->port;
        } else if (resolver_addresses(
                       &p->query, a->resolver, slice_of(hop->name), on_ping_addresses, p) == 0) {
            return;
        }
    }
    if (p->to_count == 0) {
        ping_failed(p, "no next hop of the connector has an address");
    } else if (x400_connector_ping(&p->ping, a->outs[i].x400, p->to, p->to_count, on_ping, p) < 0) {
        ping_failed(p, "out of memory");
    }
}

void
app_ctl_x400_ping(void *ctx, struct ctl_request *rq, const json_t *args)
{
    struct app *a = ctx;
    const char *name = json_string_value(json_object_get(args, "name"));
    uint16_t i = app_connector_index(a->conf, slice_of(name != NULL ? name : ""));
    struct app_ping *p;

    if (i >= a->out_count || a->outs[i].x400 == NULL) {
        ctl_fail(rq, BRIDGEHEAD_EXIT_NOT_FOUND, 0, "there is no such X.400 connector",
            "bridgehead connector list shows them.");
        return;
    }
    if (!a->role.may_send || a->facts.draining || a->ping != NULL) {
        ctl_fail(rq, BRIDGEHEAD_EXIT_FAILED, 0,
            a->ping != NULL ? "another ping is under way" : "nothing may be sent now",
            "Look at bridgehead status and ask again.");
        return;
    }
    p = calloc(1, sizeof(*p));
    if (p == NULL) {
        ctl_fail(rq, BRIDGEHEAD_EXIT_FAILED, 0, "out of memory", "Ask again.");
        return;
    }
    p->app = a;
    p->rq = rq;
    memcpy(p->name, a->conf->connectors[i].name, sizeof(p->name));
    a->ping = p;
    ping_next(p);
}

/* ---- trace: one at a time, as long as somebody asks for what it has */

#define TRACE_LINES_MAX  ((size_t)1024 * 1024) /* until they are asked for; beyond: dropped */
#define TRACE_PCAP_MAX   ((size_t)4 * 1024 * 1024)
#define TRACE_PAGE_LINES 200
#define TRACE_PAGE_PCAP  ((size_t)96 * 1024)
#define TRACE_LINGER_MS  5000

struct app_trace {
    struct app *app;
    struct x400_trace_sink sink;
    struct loop_timer timer;
    uint64_t id;
    struct buf lines; /* "WALL LABEL\tLINE\n" */
    struct buf pcap;
    uint64_t dropped; /* lines and records */
};

static void
on_line(void *ctx, const char *label, uint64_t wall_ms, const char *line)
{
    struct app_trace *t = ctx;

    t->dropped +=
        buf_printf(&t->lines, "%llu %s\t%s\n", (unsigned long long)wall_ms, label, line) < 0;
}

static void
on_record(void *ctx, struct slice record)
{
    struct app_trace *t = ctx;

    if (buf_space(&t->pcap) < record.n || buf_append(&t->pcap, record) < 0) {
        t->dropped++;
    }
}

static void
trace_end(void *ctx)
{
    struct app_trace *t = ctx;

    x400_net_trace(t->app->x400_net, NULL);
    loop_timer_stop(&t->timer);
    buf_fini(&t->lines);
    buf_fini(&t->pcap);
    t->app->trace = NULL;
    free(t);
}

static struct app_trace *
trace_begin(struct app *a, bool pcap)
{
    static uint64_t last_id;
    struct app_trace *t = calloc(1, sizeof(*t));
    char head[X400_PCAP_HEAD_BYTES];

    if (t == NULL) {
        return NULL;
    }
    t->app = a;
    t->id = ++last_id;
    t->sink = (struct x400_trace_sink){ on_line, pcap ? on_record : NULL, t };
    buf_init(&t->lines, TRACE_LINES_MAX);
    buf_init(&t->pcap, TRACE_PCAP_MAX);
    if (pcap) {
        x400_pcap_head(head);
        on_record(t, (struct slice){ head, sizeof(head) });
    }
    loop_timer_init(a->loop, &t->timer, trace_end, t);
    x400_net_trace(a->x400_net, &t->sink);
    a->trace = t;
    return t;
}

static json_t *
trace_lines(struct app_trace *t)
{
    json_t *list = json_array();
    struct slice rest = buf_slice(&t->lines), line, word;

    while (
        json_array_size(list) < TRACE_PAGE_LINES && rest.n > 0 && slice_next(&rest, '\n', &line)) {
        uint64_t wall_ms = 0;

        (void)slice_next(&line, ' ', &word);
        for (size_t i = 0; i < word.n; i++) {
            wall_ms = wall_ms * 10 + (unsigned)(word.p[i] - '0');
        }
        (void)slice_next(&line, '\t', &word);
        (void)json_array_append_new(
            list, json_pack("{s:o,s:o,s:o}", "time", app_ctl_time(wall_ms), "connector",
                      app_ctl_text(word), "line", app_ctl_text(line)));
    }
    buf_consume(&t->lines, buf_len(&t->lines) - rest.n);
    return list;
}

static json_t *
trace_pcap(struct app_trace *t)
{
    struct slice part = slice_sub(buf_slice(&t->pcap), 0, TRACE_PAGE_PCAP);
    char *text = malloc(base64_bytes(part.n) + 1);
    json_t *out = NULL;

    if (text != NULL) {
        base64_encode(part, text);
        out = json_stringn(text, base64_bytes(part.n));
        buf_consume(&t->pcap, part.n);
        free(text);
    }
    return out != NULL ? out : json_string("");
}

void
app_ctl_x400_trace(void *ctx, struct ctl_request *rq, const json_t *args)
{
    struct app *a = ctx;
    uint64_t id = (uint64_t)json_integer_value(json_object_get(args, "trace"));
    struct app_trace *t = a->trace;
    json_t *lines, *pcap;

    if (a->x400_net == NULL) {
        ctl_fail(rq, BRIDGEHEAD_EXIT_NOT_FOUND, 0, "nothing of X.400 is configured here",
            "Look at the listeners and connectors of the configuration.");
        return;
    }
    if (t == NULL && id == 0) {
        t = trace_begin(a, json_is_true(json_object_get(args, "pcap")));
    } else if (t == NULL || id != t->id) {
        ctl_fail(rq, BRIDGEHEAD_EXIT_FAILED, 0,
            t != NULL ? "another trace is under way" : "the trace has ended",
            "A trace ends five seconds after its command; then ask again.");
        return;
    }
    if (t == NULL) {
        ctl_fail(rq, BRIDGEHEAD_EXIT_FAILED, 0, "out of memory", "Ask again.");
        return;
    }
    loop_timer_start(&t->timer, TRACE_LINGER_MS);
    lines = trace_lines(t);
    pcap = trace_pcap(t);
    ctl_reply(rq, 0,
        json_pack("{s:I,s:o,s:o,s:I,s:b}", "trace", (json_int_t)t->id, "items", lines, "pcap", pcap,
            "dropped", (json_int_t)t->dropped, "more",
            buf_len(&t->lines) > 0 || buf_len(&t->pcap) > 0));
}
