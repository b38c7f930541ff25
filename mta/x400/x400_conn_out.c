/* x400_conn_out.c - an outgoing association: one address after another, then CONNECT and bind. */
#include "core/ticks.h"
#include "x400/x400_conn_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- the plan */

static struct slice
keep(char **at, struct slice s)
{
    char *p = *at;

    memcpy(p, s.n > 0 ? s.p : "", s.n);
    *at += s.n;
    return (struct slice){ p, s.n };
}

int
x400_plan_new(struct x400_plan **out, const struct x400_options *o)
{
    const struct slice *texts[] = { &o->calling_t, &o->called_t, &o->open.calling_s,
        &o->open.called_s, &o->open.calling_p, &o->open.called_p, &o->open.user };
    size_t addresses = o->source_count + o->to_count, n = 0;
    struct x400_plan *plan;
    struct netaddr *a;
    char *at;

    CHECK(o->to_count > 0 && o->to_count <= X400_CONN_TARGETS_MAX);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        n += texts[i]->n;
    }
    n += sizeof(*plan) + addresses * sizeof(struct netaddr);
    plan = calloc(1, n);
    if (plan == NULL) {
        return -ENOMEM;
    }
    plan->bytes = n;
    plan->o = *o;
    a = (struct netaddr *)(plan + 1);
    memcpy(a, o->sources, o->source_count * sizeof(*a));
    memcpy(a + o->source_count, o->to, o->to_count * sizeof(*a));
    plan->o.sources = a;
    plan->o.to = a + o->source_count;
    at = (char *)(a + addresses);
    plan->o.calling_t = keep(&at, o->calling_t);
    plan->o.called_t = keep(&at, o->called_t);
    plan->o.open.calling_s = keep(&at, o->open.calling_s);
    plan->o.open.called_s = keep(&at, o->open.called_s);
    plan->o.open.calling_p = keep(&at, o->open.calling_p);
    plan->o.open.called_p = keep(&at, o->open.called_p);
    plan->o.open.user = keep(&at, o->open.user);
    plan->o.label = SLICE_NONE; /* the connection has it */
    if (o->recover != NULL) {
        plan->recover = *o->recover;
        plan->o.recover = &plan->recover;
    }
    *out = plan;
    return 0;
}

void
x400_plan_free(struct x400_plan *plan)
{
    if (plan != NULL) {
        explicit_bzero(plan, plan->bytes);
        free(plan);
    }
}

/* ---- addresses */

static void
on_attempt(void *ctx, int status, struct conn *tcp)
{
    struct x400_conn *c = ctx;

    x400_conn_enter(c);
    c->attempt = NULL;
    if (status < 0) {
        x400_conn_dial_failed(c, &(struct x400_end){ .how = X400_UNREACHABLE,
                                     .layer = OSI_TCP,
                                     .status = status,
                                     .text = error_text(status) });
    } else if (x400_conn_begin(c, tcp) < 0) {
        x400_conn_finish(c, X400_STOPPED, OSI_TRANSPORT, -ENOMEM, error_text(-ENOMEM));
    }
    x400_conn_pump(c);
    x400_conn_leave(c);
}

void
x400_conn_dial(struct x400_conn *c)
{
    const struct x400_options *o = &c->plan->o;
    int rc;

    c->remote = o->to[c->at];
    rc = egress_connect(&c->attempt, c->net->egress, o->sources, o->source_count, &c->remote,
        c->times.connect_ms, &x400_conn_tcp_user, c, on_attempt, c);
    if (rc < 0) {
        x400_conn_dial_failed(c,
            &(struct x400_end){
                .how = X400_UNREACHABLE, .layer = OSI_TCP, .status = rc, .text = error_text(rc) });
    }
}

void
x400_conn_dial_failed(struct x400_conn *c, const struct x400_end *why)
{
    uint16_t ref = c->stack.transport.local_ref;

    if (c->over) {
        return;
    }
    if (c->at + 1 == c->plan->o.to_count || c->closing) {
        c->end.reason = why->reason;
        x400_conn_finish(c, why->how, why->layer, why->status, why->text);
        return;
    }
    c->at++;
    if (c->tcp != NULL) {
        x400_trace_free(c->trace);
        c->trace = NULL;
        conn_close(c->tcp, 0);
        c->tcp = NULL;
    }
    loop_timer_stop(&c->timer);
    c->wait = STACK_WAIT_NOTHING;
    stack_fini(&c->stack);
    stack_init(&c->stack, ref, true);
    c->dial_due = true;
    loop_call_soon(c->net->loop, &c->task);
}

/* ---- CONNECT */

#define REFERENCE_CAP 96

/* X.228's SessionConnectionIdentifier, which is also the session's: the caller's name (T61String in
 * X.410 mode, else OCTET STRING) and a UTCTime. One value in out behind another. */
static int
make_reference(
    struct x400_net *n, enum presentation_mode mode, struct session_reference *r, struct buf *out)
{
    time_t now = (time_t)(ticks_wall_ms() / 1000);
    char name[X400_CONN_NAME_MAX + 16], when[16];
    struct ber_writer w;
    struct tm tm;
    size_t user_n;
    int rc, name_n;

    (void)gmtime_r(&now, &tm);
    name_n = snprintf(name, sizeof(name), "%.*s-%08x", (int)n->name_n, n->name, n->reference++);
    (void)snprintf(when, sizeof(when), "%02d%02d%02d%02d%02d%02dZ", tm.tm_year % 100, tm.tm_mon + 1,
        tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    ber_writer_init(&w, out);
    ber_write_bytes(&w, BER_UNIVERSAL(mode == PRESENTATION_X410 ? 20 : BER_OCTET_STRING),
        (struct slice){ name, (size_t)name_n });
    rc = ber_write_finish(&w);
    user_n = buf_len(out);
    if (rc == 0) {
        ber_writer_init(&w, out);
        ber_write_bytes(&w, BER_UNIVERSAL(23), slice_of(when));
        rc = ber_write_finish(&w);
    }
    r->user = slice_sub(buf_slice(out), 0, user_n);
    r->common = slice_skip(buf_slice(out), user_n);
    return rc;
}

int
x400_conn_call(struct x400_conn *c)
{
    const struct rtse_recovery *from = c->plan->o.recover;
    struct rtse_open o = c->plan->o.open;
    struct buf reference;
    int rc;

    buf_init(&reference, REFERENCE_CAP);
    rc = make_reference(c->net, o.mode, &o.reference, &reference);
    if (from != NULL) {
        o.recover = true;
        o.checkpoint = from->checkpoint;
        o.recovered = (struct session_reference){ { from->user, from->user_n },
            { from->common, from->common_n }, SLICE_NONE };
        o.user = SLICE_NONE;
    }
    rc = rc == 0 ? stack_open(&c->stack, &o) : rc;
    buf_fini(&reference);
    return rc;
}
