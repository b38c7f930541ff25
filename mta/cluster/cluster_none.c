/* cluster/cluster_none.c - one node without a cluster: joined and quorate, once. */
#include "cluster/cluster.h"
#include "cluster/cluster_impl.h"
#include <stdlib.h>

struct cluster_none {
    struct cluster base;
    struct loop_task task;
    cluster_fn *on_event;
    void *ctx;
};

static void
say_joined(void *ctx)
{
    struct cluster_none *c = ctx;
    struct cluster_event e = { .kind = CLUSTER_JOINED };

    c->on_event(c->ctx, &e);
    e = (struct cluster_event){ .kind = CLUSTER_QUORUM, .quorate = true };
    c->on_event(c->ctx, &e);
}

static void
none_announce(struct cluster *base, uint64_t epoch)
{
    (void)base; /* nobody listens */
    (void)epoch;
}

static bool
none_free(struct cluster *base)
{
    struct cluster_none *c = CONTAINER_OF(base, struct cluster_none, base);

    loop_task_cancel(&c->task);
    free(c);
    return true;
}

int
cluster_none_start(struct cluster **out, struct loop *l, const struct cluster_options *o,
    cluster_fn *on_event, void *ctx)
{
    struct cluster_none *c = calloc(1, sizeof(*c));

    (void)o;
    if (c == NULL) {
        return -ENOMEM;
    }
    c->base = (struct cluster){ none_announce, none_free };
    c->on_event = on_event;
    c->ctx = ctx;
    loop_task_init(&c->task, say_joined, c);
    loop_call_soon(l, &c->task);
    *out = &c->base;
    return 0;
}
