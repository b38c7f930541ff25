/* x400.c - the protocol in the process: who may connect, how it drains and stops. */
#include "x400/x400_link.h"

#include "core/io.h"
#include "core/log.h"

#include <stdio.h>
#include <stdlib.h>

static struct x400_link *
link_of(struct list *it)
{
    return CONTAINER_OF(it, struct x400_link, link);
}

/* ---- life */

static void on_drain_timer(void *ctx);
static void on_drain_task(void *ctx);

static int
set_name(struct x400 *x, const struct x400_mta_options *o)
{
    char *name = slice_dup(o->mta_name);

    if (name == NULL) {
        return -ENOMEM;
    }
    free((char *)(uintptr_t)x->o.mta_name.p);
    x->o = *o;
    x->o.mta_name = (struct slice){ name, o->mta_name.n };
    return 0;
}

int
x400_new(struct x400 **out, const struct x400_env *env, const struct x400_mta_options *o)
{
    struct x400 *x = calloc(1, sizeof(*x));

    if (x == NULL || set_name(x, o) < 0) {
        free(x);
        return -ENOMEM;
    }
    x->env = *env;
    list_init(&x->links);
    list_init(&x->connectors);
    list_init(&x->receipts);
    loop_timer_init(env->loop, &x->drain_timer, on_drain_timer, x);
    loop_task_init(&x->drain_task, on_drain_task, x);
    x400_resume_start(x);
    *out = x;
    return 0;
}

int
x400_set_options(struct x400 *x, const struct x400_mta_options *o)
{
    return set_name(x, o);
}

void
x400_free(struct x400 *x)
{
    if (x == NULL) {
        return;
    }
    CHECK(list_empty(&x->connectors));
    x->drain_cb = NULL;
    x400_abort(x);
    loop_timer_stop(&x->drain_timer);
    loop_timer_stop(&x->parts_timer);
    loop_task_cancel(&x->drain_task);
    x400_places_fini(&x->places);
    free(x->expected);
    free(x->expected_by);
    free((char *)(uintptr_t)x->o.mta_name.p);
    free(x);
}

/* ---- connections in */

static const char *
no_room(const struct x400 *x, const struct netaddr *peer)
{
    uint32_t of_client = 0;

    if (x->draining) {
        return "this instance is about to stop";
    }
    if (x->stats.unbound >= x->o.unbound_max) {
        return "too many connections that have not bound";
    }
    LIST_FOR(it, &x->links)
    {
        const struct x400_link *l = link_of(it);

        of_client += l->incoming && !l->open && netaddr_eq(&l->peer, peer);
    }
    return of_client >= x->o.unbound_per_client_max
               ? "too many connections of this client that have not bound"
               : NULL;
}

static void
turn_away(struct x400 *x, const struct netaddr *peer, const char *listener, const char *why)
{
    char address[NETADDR_TEXT_CAP];

    x->stats.refused_calls++;
    netaddr_text_port(peer, address);
    log_event(EV_X400_CALL_REFUSED, LF_STR("client", address), LF_STR("listener", listener),
        LF_STR("reason", why));
}

void
x400_accept(struct x400 *x, int fd, const struct netaddr *peer, const char *listener)
{
    const char *why = no_room(x, peer);
    struct x400_link *l;

    if (why != NULL) {
        turn_away(x, peer, listener, why);
        io_close(&fd);
        return;
    }
    l = x400_link_new(x);
    if (l == NULL) {
        io_close(&fd);
        return; /* the client finds the connection closed and tries again */
    }
    l->incoming = true;
    l->peer = *peer;
    (void)snprintf(l->listener, sizeof(l->listener), "%s", listener);
    netaddr_text_port(peer, l->remote);
    if (x400_conn_adopt(&l->conn, x->env.net, fd, &x->o.times, &x400_link_user, l) < 0) {
        x400_link_drop(l);
        return;
    }
    x->stats.accepted++;
    x->stats.unbound++;
}

/* ---- ending */

void
x400_drained(struct x400 *x)
{
    if (x->drain_cb != NULL && list_empty(&x->links) && list_empty(&x->receipts)) {
        loop_call_soon(x->env.loop, &x->drain_task);
    }
}

static void
on_drain_task(void *ctx)
{
    struct x400 *x = ctx;
    loop_fn *cb = x->drain_cb;

    loop_timer_stop(&x->drain_timer);
    x->drain_cb = NULL;
    if (cb != NULL) {
        cb(x->drain_ctx);
    }
}

/* Time is up for whoever has not sent his last octet. A commit under way has earned its
 * confirmation and ends with the sync, or with x400_abort. */
static void
on_drain_timer(void *ctx)
{
    struct x400 *x = ctx;

    LIST_FOR_SAFE(it, tmp, &x->links)
    {
        struct x400_link *l = link_of(it);

        if (l->receipt == NULL || l->receipt->state != X400_IN_COMMIT) {
            x400_link_abort(l, "this instance is about to stop", 0);
        }
    }
}

void
x400_drain(struct x400 *x, uint64_t budget_ms, loop_fn *cb, void *ctx)
{
    x->draining = true;
    x->drain_cb = cb;
    x->drain_ctx = ctx;
    loop_timer_start(&x->drain_timer, budget_ms);
    LIST_FOR_SAFE(it, tmp, &x->links)
    {
        struct x400_link *l = link_of(it);

        if (!l->open && l->incoming) {
            x400_link_abort(l, "this instance is about to stop", 0);
        } else if (l->session == NULL) {
            x400_link_close(l);
        }
    }
    x400_drained(x);
}

void
x400_abort(struct x400 *x)
{
    LIST_FOR_SAFE(it, tmp, &x->links)
    {
        struct x400_link *l = link_of(it);

        x400_conn_cut(l->conn, BH_ESTATE);
        x400_link_abort(l, "this instance stopped", BH_ESTATE);
    }
    LIST_FOR_SAFE(it, tmp, &x->receipts)
    {
        x400_in_forget(CONTAINER_OF(it, struct x400_receipt, link));
    }
}

void
x400_cut(struct x400 *x, const struct netaddr *local)
{
    LIST_FOR_SAFE(it, tmp, &x->links)
    {
        struct x400_link *l = link_of(it);
        struct x400_view v;

        x400_conn_view(l->conn, &v);
        if (l->incoming && netaddr_eq(&v.local, local)) {
            x400_conn_cut(l->conn, BH_ENOVIP);
        }
    }
}

void
x400_stats(const struct x400 *x, struct x400_stats *out)
{
    *out = x->stats;
}
