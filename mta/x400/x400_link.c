/* x400_link.c - associations: what x400_conn says is handed to the half that it is for; the turn;
 * the end. */
#include "x400/x400_link.h"

#include "core/log.h"
#include "core/ticks.h"
#include "x400/p1_bind.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- life */

struct x400_link *
x400_link_new(struct x400 *x)
{
    struct x400_link *l = calloc(1, sizeof(*l));

    if (l == NULL) {
        return NULL;
    }
    l->x = x;
    l->id = ++x->last_id;
    list_init(&l->of_connector);
    list_push_back(&x->links, &l->link);
    return l;
}

void
x400_link_drop(struct x400_link *l)
{
    struct x400_connector *c = l->connector;

    if (c != NULL) {
        c->seen.in -= l->incoming;
        c->seen.out -= !l->incoming;
        l->x->stats.associations -= l->incoming;
    } else if (l->conn != NULL) {
        l->x->stats.unbound--;
    }
    list_remove(&l->of_connector);
    list_remove(&l->link);
    x400_conf_unref(l->conf);
    x400_conn_free(l->conn);
    if (c != NULL && !l->incoming) {
        x400_out_wake(c);
    }
    x400_drained(l->x);
    free(l);
}

void
x400_link_bind(struct x400_link *l, struct x400_connector *c)
{
    l->connector = c;
    l->conf = x400_conf_ref(c->conf);
    l->protocol = c->conf->o.protocol;
    list_push_back(&c->links, &l->of_connector);
    if (l->incoming) {
        c->seen.in++;
        l->x->stats.unbound--;
        l->x->stats.associations++;
    } else {
        c->seen.out++;
    }
}

/* ---- why */

const char *
x400_link_why(const struct x400_end *end, char out[X400_WHY_CAP])
{
    static const char *const how[] = { [X400_CLOSED] = "released",
        [X400_REFUSED] = "the peer refused",
        [X400_ABORTED] = "the peer aborted",
        [X400_BROKEN] = "the peer broke the protocol",
        [X400_LOST] = "the connection was lost",
        [X400_TIMED_OUT] = "timed out",
        [X400_UNREACHABLE] = "no connection",
        [X400_STOPPED] = "stopped" };
    int n = snprintf(out, X400_WHY_CAP, "%s: %s: %s", osi_layer_name(end->layer), how[end->how],
        end->text != NULL ? end->text : "no reason given");

    n = MIN(MAX(n, 0), X400_WHY_CAP - 1);
    if (end->status < 0) {
        if (end->text == NULL || strcmp(end->text, error_text(end->status)) != 0) {
            (void)snprintf(out + n, X400_WHY_CAP - (size_t)n, " (%s)", error_text(end->status));
        }
    } else if (end->how == X400_REFUSED || end->how == X400_ABORTED) {
        (void)snprintf(out + n, X400_WHY_CAP - (size_t)n, " (reason %u)", end->reason);
    }
    return out;
}

void
x400_link_note(struct x400_connector *c, bool incoming, enum osi_layer layer, unsigned reason,
    const char *text)
{
    struct x400_connector_view *v = &c->seen;

    v->refused_wall_ms = ticks_wall_ms();
    v->refused_incoming = incoming;
    v->refused_layer = layer;
    v->refused_reason = reason;
    (void)snprintf(v->refused, sizeof(v->refused), "%s", text);
}

static struct slice
name_of(const struct x400_link *l)
{
    return l->conf != NULL ? l->conf->o.name : SLICE_NONE;
}

static void
log_end(struct x400_link *l, const struct x400_end *end)
{
    bool broken = end->how == X400_BROKEN || end->how == X400_TIMED_OUT;
    bool well = end->how == X400_CLOSED || end->how == X400_STOPPED || l->closing;
    char why[X400_WHY_CAP], remote[NETADDR_TEXT_CAP];

    x400_link_why(end, why);
    (void)snprintf(remote, sizeof(remote), "%s", l->remote);
    if (remote[0] == '\0' && end->remote.family != 0) { /* it was never open: who was called */
        netaddr_text_port(&end->remote, remote);
    }
    if (l->connector == NULL && l->incoming && broken) {
        x400_answer_broken(l, why);
        return;
    }
    log_event(well || l->connector == NULL ? EV_X400_CLOSED : EV_X400_FAILED,
        LF_UINT("association", l->id), LF_SLICE("connector", name_of(l)), LF_STR("remote", remote),
        LF_STR("local", l->local), LF_STR("why", why));
    if (l->connector != NULL && !well) {
        l->x->stats.failed += !l->incoming;
        x400_link_note(l->connector, l->incoming, end->layer, end->reason, why);
    }
}

/* ---- the end */

void
x400_link_end(struct x400_link *l, const struct x400_end *end)
{
    struct transport_session *t = l->session;

    log_end(l, end);
    if (end->how != X400_CLOSED) {
        x400_recover_note(l);
    }
    if (l->recovers && !l->open && (end->how == X400_REFUSED || end->how == X400_ABORTED)) {
        l->connector->recover_refused = true;
    }
    if (l->receipt != NULL) {
        x400_in_lost(l);
    }
    l->session = NULL;
    l->open = false;
    if (t != NULL) {
        x400_resume_broken(t, end->how != X400_LOST && end->how != X400_STOPPED);
        t->at = NULL;
        x400_out_lost(t, end);
    }
    x400_link_drop(l);
}

void
x400_link_abort(struct x400_link *l, const char *text, int status)
{
    struct x400_end end = { .how = X400_STOPPED,
        .layer = OSI_USER,
        .status = status,
        .text = text,
        .opened = l->open,
        .in_doubt = l->session != NULL && l->session->state == X400_OUT_WAIT };

    x400_link_end(l, &end);
}

void
x400_link_close(struct x400_link *l)
{
    l->closing = true;
    x400_link_turn(l);
}

/* ---- the turn */

static void
turn_ours(struct x400_link *l, bool work)
{
    if (l->wanted && l->dialogue == RTSE_TWA &&
        (!work || l->in_turn >= l->conf->o.messages_per_turn)) {
        l->turn = l->wanted = false;
        l->giving = true;
        l->in_turn = 0;
        x400_conn_give(l->conn);
    } else if (work) {
        x400_out_turn(l->session);
    }
}

void
x400_link_turn(struct x400_link *l)
{
    bool work = l->session != NULL && x400_out_has_work(l->session);

    if (!l->open || l->released || l->sending || l->receipt != NULL || l->giving ||
        (l->session != NULL && l->session->state == X400_OUT_BEGIN)) {
        return;
    }
    if (l->closing && l->session == NULL) {
        l->released = true;
        x400_conn_close(l->conn);
    } else if (l->turn) {
        turn_ours(l, work);
    } else if (work && l->dialogue == RTSE_TWA && !l->pleased) {
        l->pleased = true;
        x400_conn_please(l->conn, l->session->priority);
    }
}

/* ---- what the association says */

void
x400_link_opened(struct x400_link *l, const struct rtse_open *agreed)
{
    struct x400_view v;

    l->open = true;
    l->dialogue = agreed->dialogue;
    l->turn = agreed->initiator_has_turn != l->incoming;
    x400_conn_view(l->conn, &v);
    netaddr_text_port(&v.remote, l->remote);
    netaddr_text(&v.local, l->local);
    log_event(EV_X400_OPENED, LF_UINT("association", l->id), LF_SLICE("connector", name_of(l)),
        LF_STR("direction", l->incoming ? "in" : "out"), LF_STR("remote", l->remote),
        LF_STR("local", l->local), LF_STR("mode", v.mode), LF_STR("dialogue", v.dialogue),
        LF_UINT("checkpoint", agreed->checkpoint), LF_UINT("window", agreed->window));
    x400_resume_opened(l);
    if (l->session != NULL) {
        x400_out_opened(l->session);
    } else {
        x400_out_offer(l);
    }
}

const char *
x400_link_stranger(enum p1_bind_match match)
{
    switch (match) {
    case P1_MATCH:
        break;
    case P1_MATCH_NULL:
        return "the peer's answer has no name, and remote.mta is set";
    case P1_MATCH_NAME:
        return "the peer's answer names another MTA than remote.mta";
    case P1_MATCH_PASSWORD:
    case P1_MATCH_STRONG:
        return "the password in the peer's answer is not that of the connector's remote side";
    }
    return NULL;
}

static void
wrong_peer(struct x400_link *l, const char *why, struct slice name)
{
    struct x400_end end = { .how = X400_BROKEN, .layer = OSI_USER, .text = why };

    log_event(EV_X400_PEER_WRONG, LF_UINT("association", l->id), LF_SLICE("connector", name_of(l)),
        LF_STR("remote", l->remote), LF_SLICE("mta", name), LF_STR("reason", why));
    x400_conn_abort(l->conn, RTSE_ABORT_USER);
    x400_link_end(l, &end);
}

static void
on_opened(void *ctx, const struct rtse_open *agreed)
{
    struct x400_link *l = ctx;
    const struct x400_connector_options *o = &l->conf->o;
    const char *why = NULL;
    struct p1_bind bind;

    l->x->stats.opened++;
    if (l->recovers) {
        x400_link_opened(l, agreed); /* nobody shows a name: x400_recover.c */
        return;
    }
    l->connector->recover_refused = false;
    if (p1_bind_read(agreed->user, l->protocol, P1_BIND_RESULT, &bind, &why) < 0) {
        wrong_peer(l, why, SLICE_NONE);
        return;
    }
    why = x400_link_stranger(p1_bind_match(&bind, o->remote_mta, o->remote_password));
    if (why != NULL) {
        wrong_peer(l, why, bind.mta_name);
    } else {
        x400_link_opened(l, agreed);
    }
}

static void
on_turn(struct x400_link *l, bool ours)
{
    l->turn = ours;
    l->pleased = l->giving = false;
    l->in_turn = 0;
    x400_link_turn(l);
}

static void
on_transfer_over(struct x400_link *l)
{
    l->turn = true;
    l->sending = false;
    l->in_turn++;
}

static void
on_receiving(struct x400_link *l, enum rtse_ind_kind kind, const struct rtse_ind *ind)
{
    if (kind == RTSE_IND_BEGIN) {
        l->pleased = false; /* asked again when it is over */
        x400_in_begin(l, ind->activity);
        x400_resume_numbered(l, ind->activity, true);
    } else if (kind == RTSE_IND_RESUME) {
        l->pleased = false;
        x400_resume_in(l, ind);
        x400_resume_numbered(l, ind->renamed, false);
    } else if (l->receipt == NULL) {
        return; /* there was no memory for it: it is reported, and will be stopped */
    } else if (kind == RTSE_IND_OCTETS) {
        x400_in_octets(l, ind->bytes);
    } else if (kind == RTSE_IND_POINT) {
        x400_in_point(l, ind->point);
    } else if (kind == RTSE_IND_END) {
        x400_in_end(l, ind->point);
    } else {
        x400_in_stopped(l, ind->keep);
    }
}

static void
on_sending(struct x400_link *l, enum rtse_ind_kind kind, const struct rtse_ind *ind, bool in_doubt)
{
    struct transport_session *t = l->session;

    if (kind == RTSE_IND_CONFIRMED) {
        if (t != NULL) {
            x400_resume_confirmed(t);
        }
        return;
    }
    on_transfer_over(l);
    if (t == NULL) {
        x400_link_turn(l);
    } else if (kind == RTSE_IND_SENT) {
        x400_out_sent(t);
    } else {
        x400_out_failed(t, ind, in_doubt);
    }
}

static void
on_rtse(void *ctx, enum rtse_ind_kind kind, const struct rtse_ind *ind, bool in_doubt)
{
    struct x400_link *l = ctx;

    switch (kind) {
    case RTSE_IND_BEGIN:
    case RTSE_IND_RESUME:
    case RTSE_IND_OCTETS:
    case RTSE_IND_POINT:
    case RTSE_IND_END:
    case RTSE_IND_STOPPED:
        on_receiving(l, kind, ind);
        break;
    case RTSE_IND_CONFIRMED:
    case RTSE_IND_SENT:
    case RTSE_IND_FAILED:
        on_sending(l, kind, ind, in_doubt);
        break;
    case RTSE_IND_PLEASE:
        l->wanted = true;
        x400_link_turn(l);
        break;
    case RTSE_IND_TURN:
        on_turn(l, true);
        break;
    case RTSE_IND_GAVE:
        on_turn(l, false);
        break;
    case RTSE_IND_MORE:
    case RTSE_IND_OPEN:
    case RTSE_IND_OPENED:
    case RTSE_IND_REFUSED:
    case RTSE_IND_CLOSED:
    case RTSE_IND_ABORT:
        break;
    }
}

static void
on_room(void *ctx)
{
    struct x400_link *l = ctx;

    if (l->session != NULL) {
        x400_out_room(l->session);
    }
}

/* Who has it but nothing to send finds another one, if something comes before the peer's answer to
 * the release; who is about to send keeps it. */
static bool
on_idle(void *ctx)
{
    struct x400_link *l = ctx;
    struct transport_session *t = l->session;

    if (t != NULL && t->d != NULL) {
        return false;
    }
    if (t != NULL) {
        l->session = NULL;
        t->at = NULL;
        loop_call_soon(l->x->env.loop, &t->task); /* and ends, if nothing comes until then */
    }
    l->closing = l->released = true;
    return true;
}

const char *
x400_link_refused(const struct x400_end *end)
{
    if (end->how == X400_REFUSED && end->layer == OSI_TRANSPORT &&
        end->reason == TP0_REASON_ADDRESS) {
        return "no such TSAP: the peer has nobody by the T-selector that we call, remote.tsel";
    }
    if (end->how == X400_REFUSED && end->layer == OSI_RTSE && /* X.410 mode: a number is all */
        end->reason <= RTSE_REFUSE_DIALOGUE && end->reason != RTSE_REFUSE_CANNOT_RECOVER) {
        return p1_bind_refused_text(p1_bind_error_of(end->reason));
    }
    return end->text;
}

/* A refusal is a matter of names and passwords, of which the layers know nothing. */
static void
on_end(void *ctx, const struct x400_end *end)
{
    struct x400_link *l = ctx;
    struct x400_end said = *end;
    struct p1_bind refusal;
    const char *error;

    if (end->how == X400_REFUSED && end->layer == OSI_USER &&
        p1_bind_read(end->user, P1_1988_NORMAL, P1_BIND_REFUSAL, &refusal, &error) == 0) {
        said.reason = refusal.error;
        said.text = p1_bind_refused_text(refusal.error);
    } else {
        said.text = x400_link_refused(end);
    }
    x400_link_end(l, &said);
}

const struct x400_conn_user x400_link_user = { .on_called = x400_answer_call,
    .on_offer = x400_answer_offer,
    .on_opened = on_opened,
    .on_rtse = on_rtse,
    .on_room = on_room,
    .on_end = on_end,
    .on_idle = on_idle };
