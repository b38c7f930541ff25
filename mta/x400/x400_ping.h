/* x400/x400_ping.h - bridgehead x400 ping: connect, bind, unbind, and tell what each layer
 * negotiated, or which layer refused and why. */
#ifndef X400_X400_PING_H
#define X400_X400_PING_H

#include "x400/p1_bind.h"
#include "x400/x400_conn.h"

struct x400_ping;

struct x400_ping_result {
    bool ok;             /* bound and unbound, with whom the connector names */
    struct x400_view at; /* when it was open; else when it ended */
    struct x400_end end; /* CLOSED if ok */
    bool has_bind;       /* the peer's name (result), or its error */
    struct p1_bind bind;
    const char *stranger; /* why the peer that answered is not the connector's; NULL: it is */
    uint64_t opened_ms, closed_ms; /* since the start */
};

typedef void x400_ping_fn(void *ctx, const struct x400_ping_result *r);
/* cb exactly once, never inside; o->times hold. protocol: how the bind is written. */
int x400_ping_start(struct x400_ping **out, struct x400_net *n, const struct x400_options *o,
    enum p1_protocol protocol, x400_ping_fn *cb, void *ctx) MUST_USE;
void x400_ping_cancel(struct x400_ping *p); /* cb will not run */
/* A few lines for people. */
int x400_ping_text(const struct x400_ping_result *r, struct buf *out) MUST_USE;

#endif
