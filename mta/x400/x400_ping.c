/* x400_ping.c - an association that does nothing but be opened and released. */
#include "x400/x400_ping.h"
#include "x400/x400_link.h"

#include <stdlib.h>

#define VALUE_BYTES_MAX 512 /* of a bind's result or error */

struct x400_ping {
    struct loop *loop;
    struct x400_conn *conn;
    struct x400_conf *conf; /* of the connector whose peer it is to be; NULL: anybody's */
    enum p1_protocol protocol;
    x400_ping_fn *cb;
    void *ctx;
    uint64_t started_ms;
    struct x400_ping_result result;
    char value[VALUE_BYTES_MAX];
};

static void
ping_free(struct x400_ping *p)
{
    x400_conn_free(p->conn);
    x400_conf_unref(p->conf);
    explicit_bzero(p, sizeof(*p)); /* the peer's password */
    free(p);
}

static void
take_bind(struct x400_ping *p, struct slice value, enum p1_bind_kind kind)
{
    const char *error = NULL;

    if (value.n == 0 || value.n > sizeof(p->value)) {
        return;
    }
    memcpy(p->value, value.p, value.n); /* result.bind points to it */
    p->result.has_bind = p1_bind_read((struct slice){ p->value, value.n }, p->protocol, kind,
                             &p->result.bind, &error) == 0;
}

static void
on_opened(void *ctx, const struct rtse_open *agreed)
{
    struct x400_ping *p = ctx;

    p->result.opened_ms = loop_now_ms(p->loop) - p->started_ms;
    x400_conn_view(p->conn, &p->result.at);
    take_bind(p, agreed->user, P1_BIND_RESULT);
    if (p->conf != NULL) {
        p->result.stranger = !p->result.has_bind
                                 ? "the peer's answer cannot be read"
                                 : x400_link_stranger(p1_bind_match(&p->result.bind,
                                       p->conf->o.remote_mta, p->conf->o.remote_password));
    }
    x400_conn_close(p->conn);
}

/* A peer that has the turn may do something; it is reported until we have it. */
static void
on_rtse(void *ctx, enum rtse_ind_kind kind, const struct rtse_ind *ind, bool in_doubt)
{
    struct x400_ping *p = ctx;

    (void)in_doubt;
    if (kind == RTSE_IND_BEGIN || kind == RTSE_IND_RESUME) {
        x400_conn_report(p->conn, ind->activity, SESSION_REASON_RECEIVING);
    }
}

static void
on_end(void *ctx, const struct x400_end *end)
{
    struct x400_ping *p = ctx;

    p->result.ok = end->how == X400_CLOSED && end->opened && p->result.stranger == NULL;
    p->result.closed_ms = loop_now_ms(p->loop) - p->started_ms;
    p->result.end = *end;
    if (!end->opened) {
        x400_conn_view(p->conn, &p->result.at);
        take_bind(p, end->user, P1_BIND_REFUSAL);
    }
    p->cb(p->ctx, &p->result);
    ping_free(p);
}

int
x400_ping_start(struct x400_ping **out, struct x400_net *n, const struct x400_options *o,
    enum p1_protocol protocol, x400_ping_fn *cb, void *ctx)
{
    static const struct x400_conn_user user = {
        .on_opened = on_opened, .on_rtse = on_rtse, .on_end = on_end
    };
    struct x400_ping *p = calloc(1, sizeof(*p));
    int rc;

    if (p == NULL) {
        return -ENOMEM;
    }
    p->loop = x400_net_loop(n);
    p->protocol = protocol;
    p->cb = cb;
    p->ctx = ctx;
    p->started_ms = loop_now_ms(p->loop);
    rc = x400_conn_open(&p->conn, n, o, &user, p);
    if (rc < 0) {
        free(p);
        return rc;
    }
    *out = p;
    return 0;
}

int
x400_connector_ping(struct x400_ping **out, struct x400_connector *c, const struct netaddr *to,
    size_t to_count, x400_ping_fn *cb, void *ctx)
{
    struct x400_options o;
    struct buf bind;
    int rc;

    buf_init(&bind, X400_BIND_BYTES_MAX);
    rc = x400_conf_open(c->conf, &o, &bind);
    o.to = to;
    o.to_count = to_count;
    if (rc == 0) {
        rc = x400_ping_start(out, c->x->env.net, &o, c->conf->o.protocol, cb, ctx);
    }
    if (rc == 0) {
        (*out)->conf = x400_conf_ref(c->conf);
    }
    buf_fini(&bind);
    return rc;
}

void
x400_ping_cancel(struct x400_ping *p)
{
    ping_free(p);
}

/* ---- for people */

/* A refusal with the settings that it is about. */
static const char *
why_of(const struct x400_ping_result *r)
{
    return r->has_bind && !r->end.opened ? p1_bind_refused_text(r->bind.error)
                                         : x400_link_refused(&r->end);
}

static int
text_of_end(const struct x400_ping_result *r, struct buf *out)
{
    const struct x400_end *e = &r->end;
    bool reason = (e->how == X400_REFUSED || e->how == X400_ABORTED) && !r->has_bind;
    const char *what = e->how == X400_REFUSED   ? "refused by the peer's"
                       : e->how == X400_ABORTED ? "aborted by the peer's"
                                                : "failed in our";
    int rc;

    if (r->ok) {
        return buf_printf(out, "opened after %llu ms, released after %llu ms\n",
            (unsigned long long)r->opened_ms, (unsigned long long)r->closed_ms);
    }
    if (r->stranger != NULL) {
        return buf_printf(out, "not who the connector says: %s\n", r->stranger);
    }
    rc = buf_printf(out, "%s %s layer: %s", what, osi_layer_name(e->layer), why_of(r));
    if (rc == 0 && reason) {
        rc = buf_printf(out, " (reason %u)", e->reason);
    }
    return rc == 0 ? buf_append(out, SLICE_LIT("\n")) : rc;
}

int
x400_ping_text(const struct x400_ping_result *r, struct buf *out)
{
    const struct x400_view *v = &r->at;
    char local[NETADDR_TEXT_CAP], remote[NETADDR_TEXT_CAP];
    int rc;

    netaddr_text_port(&r->end.local, local);
    netaddr_text_port(&r->end.remote, remote);
    rc = r->end.local.family != 0 ? buf_printf(out, "%s to %s\n", local, remote)
                                  : buf_printf(out, "to %s\n", remote);
    if (rc == 0 && r->end.opened) {
        rc = buf_printf(out,
            "transport    TPDU size %zu\n"
            "session      version %u\n"
            "presentation %s mode\n"
            "rtse         checkpoint %u KiB, window %u, %s\n"
            "bind         %.*s\n",
            v->tpdu_bytes, v->session_version, v->mode, v->checkpoint, v->window, v->dialogue,
            r->has_bind ? (int)r->bind.mta_name.n : 0,
            r->has_bind && r->bind.mta_name.n > 0 ? r->bind.mta_name.p : "");
    }
    return rc == 0 ? text_of_end(r, out) : rc;
}
