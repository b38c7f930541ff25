/* x400_conn_view.c - what an association looks like from outside. */
#include "x400/x400_conn_int.h"

#include <stdio.h>

static const char *
tcp_state(const struct x400_conn *c)
{
    return c->tcp != NULL ? "open" : c->over ? "closed" : "connecting";
}

static const char *
wait_name(enum stack_wait wait)
{
    static const char *const names[STACK_WAIT_COUNT] = {
        [STACK_WAIT_NOTHING] = "nothing",
        [STACK_WAIT_CALL] = "the answer to the transport connect",
        [STACK_WAIT_CALLED] = "a request for an association",
        [STACK_WAIT_OPEN] = "the answer to the association request",
        [STACK_WAIT_CONFIRM] = "a confirmation of what was sent",
        [STACK_WAIT_OCTETS] = "octets of a transfer",
        [STACK_WAIT_IDLE] = "something to do",
        [STACK_WAIT_ANSWER] = "an answer",
    };

    return names[wait];
}

bool
x400_conn_is_open(const struct x400_conn *c)
{
    return c->opened && !c->over;
}

uint32_t
x400_conn_context(const struct x400_conn *c)
{
    return rtse_transfer_context(&c->stack.rtse);
}

void
x400_conn_recovery(const struct x400_conn *c, struct rtse_recovery *out)
{
    stack_recovery(&c->stack, out);
}

void
x400_conn_view(const struct x400_conn *c, struct x400_view *out)
{
    const struct rtse *r = &c->stack.rtse;
    uint64_t due = loop_timer_due_ms(&c->timer), now = loop_now_ms(c->net->loop);
    struct rtse_recovery self;

    stack_recovery(&c->stack, &self);
    *out = (struct x400_view){
        .incoming = c->incoming,
        .local = c->local,
        .remote = c->remote,
        .tcp = tcp_state(c),
        .transport = tp0_state_name(c->stack.transport.state),
        .session = session_state_name(c->stack.session.state),
        .rtse = rtse_state_name(r->state),
        .mode = r->mode == PRESENTATION_NORMAL ? "normal" : "x410",
        .dialogue = r->dialogue == RTSE_TWA ? "two-way-alternate" : "monologue",
        .waits_for = wait_name(c->wait),
        .waits_ms = due == UINT64_MAX ? UINT64_MAX : due - MIN(due, now),
        .session_version = c->stack.session.version,
        .tpdu_bytes = c->stack.transport.tpdu_bytes,
        .checkpoint = r->checkpoint,
        .window = r->window,
        .our_turn = c->stack.session.our_turn,
        .activity = self.activity,
        .point = self.point,
        .apdu_bytes = r->apdu_bytes,
        .done_bytes = r->done_bytes,
        .octets_in = c->octets_in,
        .octets_out = c->octets_out,
        .transfers_in = c->transfers_in,
        .transfers_out = c->transfers_out,
    };
    memcpy(out->label, c->label, sizeof(out->label));
}

void
x400_conn_describe(const struct x400_conn *c, char *out, size_t cap)
{
    char local[NETADDR_TEXT_CAP], remote[NETADDR_TEXT_CAP];
    struct x400_view v;

    CHECK(cap > 0);
    x400_conn_view(c, &v);
    netaddr_text_port(&v.local, local);
    netaddr_text_port(&v.remote, remote);
    (void)snprintf(out, cap,
        "%s%s%s %s %s: tcp %s, transport %s (%zu), session %s (version %u), %s mode, rtse %s "
        "(checkpoint %u KiB, window %u, %s, %s turn), activity %u, point %u, %llu octets, waits "
        "for %s",
        v.label, v.label[0] != '\0' ? " " : "", local, v.incoming ? "from" : "to", remote, v.tcp,
        v.transport, v.tpdu_bytes, v.session, v.session_version, v.mode, v.rtse, v.checkpoint,
        v.window, v.dialogue, v.our_turn ? "our" : "their", v.activity, v.point,
        (unsigned long long)v.done_bytes, v.waits_for);
}
