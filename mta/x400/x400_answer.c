/* x400_answer.c - what calls us: whose association it is, and whether it may be now. */
#include "x400/x400_link.h"

#include "core/log.h"
#include "x400/p1_bind.h"

/* A bind's result or error is some hundred octets. */

static void
log_call(const struct x400_link *l, const char *why)
{
    char called[X400_SELECTOR_TEXT_CAP];

    log_event(EV_X400_CALL_REFUSED, LF_STR("client", l->remote), LF_STR("listener", l->listener),
        LF_STR("called_tsel", x400_selector_text(x400_selector_slice(&l->called), called)),
        LF_STR("reason", why));
}

void
x400_answer_broken(struct x400_link *l, const char *why)
{
    l->x->stats.refused_calls++;
    log_call(l, why);
}

void
x400_answer_call(void *ctx, struct slice calling, struct slice called)
{
    struct x400_link *l = ctx;
    struct x400 *x = l->x;

    (void)calling;
    l->called.n = (uint8_t)MIN(called.n, sizeof(l->called.octets));
    memcpy(l->called.octets, called.n > 0 ? called.p : "", l->called.n);
    if (called.n > sizeof(l->called.octets) ||
        !x400_match_transport(x->expected, x->expected_count, called)) {
        x400_answer_broken(l, x400_match_text(X400_MATCH_NO_T));
        x400_conn_refuse_call(l->conn, TP0_REASON_ADDRESS);
        return;
    }
    x400_conn_answer(l->conn, TP0_TPDU_BYTES_DEFAULT);
}

/* ---- the bind */

struct refusal {
    enum p1_bind_error error;
    struct x400_connector *connector; /* whose it seems to be, or NULL */
    const char *why;
};

static void
refuse(struct x400_link *l, const struct rtse_open *offer, enum p1_protocol protocol,
    const struct refusal *r, struct slice mta)
{
    static const char *const modes[] = {
        [P1_1988_NORMAL] = "normal", [P1_1988_X410] = "x410", [P1_1984] = "1984"
    };
    struct slice name = r->connector != NULL ? r->connector->conf->o.name : SLICE_NONE;
    struct p1_bind bind = { .kind = P1_BIND_REFUSAL, .error = r->error };
    char t[X400_SELECTOR_TEXT_CAP], s[X400_SELECTOR_TEXT_CAP], p[X400_SELECTOR_TEXT_CAP];
    struct buf out;

    l->x->stats.refused_binds++;
    log_event(EV_X400_BIND_REFUSED, LF_STR("client", l->remote), LF_STR("listener", l->listener),
        LF_SLICE("connector", name), LF_SLICE("mta", mta),
        LF_STR("called_tsel", x400_selector_text(x400_selector_slice(&l->called), t)),
        LF_STR("called_ssel", x400_selector_text(offer->called_s, s)),
        LF_STR("called_psel", x400_selector_text(offer->called_p, p)),
        LF_STR("mode", modes[protocol]), LF_STR("reason", r->why));
    if (r->connector != NULL) {
        x400_link_note(r->connector, true, OSI_USER, r->error, r->why);
    }
    buf_init(&out, X400_BIND_BYTES_MAX);
    if (protocol == P1_1988_NORMAL && p1_bind_write(&out, protocol, &bind) < 0) {
        buf_clear(&out); /* no memory: refused without a reason */
    }
    x400_conn_refuse(l->conn, p1_bind_refuse_reason(r->error), buf_slice(&out));
    buf_fini(&out);
}

/* All that does not depend on who it is. */
static enum p1_protocol
protocol_of(const struct rtse_open *offer)
{
    if (offer->mode == PRESENTATION_NORMAL) {
        return P1_1988_NORMAL;
    }
    return offer->application_protocol == 1 ? P1_1984 : P1_1988_X410;
}

/* It is connector's: does it call from where it may? As little is told as of a wrong name. */
static bool
from_peer(const struct x400_link *l, struct refusal *r)
{
    const struct x400_connector_options *o = &r->connector->conf->o;
    bool is = o->caller_count == 0;

    for (size_t i = 0; i < o->caller_count; i++) {
        is = is || netaddr_in(&l->peer, &o->callers[i]);
    }
    r->why = "the caller's address is in none of the networks of remote.from";
    return is;
}

/* May it be open now? */
static bool
has_place(const struct x400_link *l, const struct rtse_open *offer, struct refusal *r)
{
    const struct x400_connector *c = r->connector;
    const struct x400_connector_options *o = &c->conf->o;

    r->error = P1_BIND_BUSY;
    if (l->x->draining || c->suspended) {
        r->why = c->suspended ? "the connector is suspended" : "this instance is about to stop";
        return false;
    }
    if (o->in_max != 0 && c->seen.in >= o->in_max) {
        r->why = "the connector has all associations that its limit allows";
        return false;
    }
    if (l->x->stats.associations >= l->x->o.associations_max) {
        r->why = "this instance has all associations that its limit allows";
        return false;
    }
    r->error = P1_BIND_DIALOGUE;
    r->why = "two-way alternate is offered, and the connector's dialogue is monologue";
    return offer->dialogue == RTSE_MONOLOGUE || o->dialogue == RTSE_TWA;
}

/* A connector's now; answer: all but dialogue and window. */
static void
accept_as(struct x400_link *l, struct x400_connector *c, struct rtse_open *answer)
{
    const struct x400_connector_options *o = &c->conf->o;

    answer->window = MIN(answer->window, o->window);
    x400_link_bind(l, c);
    x400_conn_set_times(l->conn, &o->times);
    x400_conn_set_label(l->conn, o->name);
    x400_conn_accept(l->conn, answer);
}

/* No bind comes, and none is answered. */
static void
recover_it(struct x400_link *l, const struct rtse_open *offer, enum p1_protocol protocol)
{
    struct rtse_open answer = *offer;
    struct refusal r = { .why = NULL };

    r.connector = x400_recover_find(l, offer, protocol, &answer.checkpoint, &r.why);
    if (r.connector == NULL || !from_peer(l, &r) || !has_place(l, offer, &r)) {
        l->x->stats.refused_binds++;
        log_call(l, r.why);
        x400_conn_refuse(l->conn, RTSE_REFUSE_CANNOT_RECOVER, SLICE_NONE);
        return;
    }
    answer.user = SLICE_NONE;
    accept_as(l, r.connector, &answer);
    x400_link_opened(l, &answer);
}

static void
accept_it(struct x400_link *l, const struct rtse_open *offer, struct x400_connector *c)
{
    const struct x400_connector_options *o = &c->conf->o;
    struct p1_bind bind = { .kind = P1_BIND_RESULT,
        .authenticated = o->local_mta.n > 0 || o->local_password.n > 0,
        .mta_name = o->local_mta,
        .password = o->local_password };
    struct rtse_open answer = *offer;
    struct buf out;

    buf_init(&out, X400_BIND_BYTES_MAX);
    if (p1_bind_write(&out, o->protocol, &bind) < 0) {
        buf_fini(&out);
        x400_link_abort(l, "out of memory", -ENOMEM);
        return;
    }
    answer.checkpoint = !l->x->o.points ? 0
                        : offer->checkpoint == 0 || o->checkpoint == 0
                            ? MAX(offer->checkpoint, o->checkpoint)
                            : MIN(offer->checkpoint, o->checkpoint);
    answer.user = buf_slice(&out);
    accept_as(l, c, &answer);
    buf_fini(&out);
    x400_link_opened(l, &answer);
}

void
x400_answer_offer(void *ctx, const struct rtse_open *offer)
{
    struct x400_link *l = ctx;
    struct x400 *x = l->x;
    enum p1_protocol protocol = protocol_of(offer);
    struct refusal r = { .error = P1_BIND_AUTHENTICATION };
    struct p1_bind bind;
    struct x400_arrival a = { .called_t = x400_selector_slice(&l->called),
        .called_s = offer->called_s,
        .called_p = offer->called_p,
        .protocol = protocol,
        .bind = &bind };
    enum x400_match m;
    size_t which;

    if (offer->recover) {
        recover_it(l, offer, protocol);
        return;
    }
    if (p1_bind_read(offer->user, protocol, P1_BIND_ARGUMENT, &bind, &r.why) < 0) {
        refuse(l, offer, protocol, &r, SLICE_NONE);
        return;
    }
    m = x400_match_find(x->expected, x->expected_count, &a, &which);
    r.connector = which < x->expected_count ? x->expected_by[which] : NULL;
    r.why = x400_match_text(m);
    if (m != X400_MATCH_FOUND || !from_peer(l, &r) || !has_place(l, offer, &r)) {
        refuse(l, offer, protocol, &r, bind.mta_name);
        return;
    }
    accept_it(l, offer, r.connector);
}
