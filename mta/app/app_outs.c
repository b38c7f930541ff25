/* app/app_outs.c - the transports of the connectors: smtp_out or x400_connector, one for each, by
 * the configuration's index; and the beginning of X.400, where something of it is configured.
 *
 * A connector that is gone keeps its transport until the process ends: its sessions may still run,
 * and configurations change rarely.
 */
#include "app/app_state.h"
#include "app/app_x400.h"

#include <stdlib.h>

/* ---- smtp */

static int
smtp_make(struct app *a, const struct app_conf *c, const struct app_connector *n,
    struct smtp_out *old, struct smtp_out **out)
{
    struct smtp_out_hop hops[APP_HOPS_MAX];
    struct smtp_out_options o = { .connector = n->name,
        .hostname = c->hostname,
        .lmtp = n->protocol == APP_LMTP,
        .sources = n->sources,
        .source_count = n->source_count,
        .vips = c->vips,
        .vip_count = c->vip_count,
        .hops = hops,
        .hop_count = n->hop_count,
        .port = n->port,
        .messages_per_session = n->messages_per_session,
        .idle_ms = n->idle_ms,
        .connect_ms = n->connect_ms,
        .greeting_ms = n->greeting_ms,
        .command_ms = n->command_ms,
        .data_init_ms = n->data_init_ms,
        .data_block_ms = n->data_block_ms,
        .data_done_ms = n->data_done_ms };

    for (size_t i = 0; i < n->hop_count; i++) {
        hops[i] = (struct smtp_out_hop){ .name = slice_of(n->hops[i].name),
            .address = n->hops[i].address,
            .port = n->hops[i].port };
    }
    *out = old;
    return old != NULL
               ? smtp_out_set_options(old, &o)
               : smtp_out_new(out, a->loop, a->egress, a->resolver, &o, sched_transport_up());
}

/* ---- x400 */

/* Stays where it is as long as its connector lives, whatever index that has. */
struct app_out_ear {
    struct app *app;
    char name[APP_NAME_CAP];
};

static uint32_t
waiting(void *ctx)
{
    const struct app_out_ear *ear = ctx;
    struct sched_connector_info info;
    uint16_t i = app_connector_index(ear->app->conf, slice_of(ear->name));

    if (ear->app->sched == NULL || i >= sched_connector_count(ear->app->sched)) {
        return 0;
    }
    sched_connector_info(ear->app->sched, i, &info);
    return (uint32_t)MIN(info.queued, (uint64_t)UINT32_MAX);
}

static void
reached(void *ctx)
{
    const struct app_out_ear *ear = ctx;

    if (ear->app->sched != NULL) {
        sched_connector_reached(ear->app->sched, slice_of(ear->name));
    }
}

static bool
wants_x400(const struct app_conf *c)
{
    bool wants = false;

    for (size_t i = 0; i < c->listener_count; i++) {
        wants = wants || c->listeners[i].protocol == APP_X400;
    }
    for (size_t i = 0; i < c->connector_count; i++) {
        wants = wants || c->connectors[i].x400 != NULL;
    }
    return wants;
}

/* Of transfers under way, for the queue's next owner. */
static int
note_set(void *ctx, struct slice key, struct slice value)
{
    struct app *a = ctx;

    return a->queue != NULL ? queue_state_set(a->queue, key, value) : BH_ESTATE;
}

static struct slice
note_get(void *ctx, struct slice key)
{
    const struct app *a = ctx;

    return a->queue != NULL ? queue_state_get(a->queue, key) : SLICE_NONE;
}

static const struct p1_peer *
peers(void *ctx, size_t *count)
{
    struct app *a = ctx;

    app_x400_peers(a->conf, a->x400_peers);
    *count = a->conf->connector_count;
    return a->x400_peers;
}

/* Once begun it stays: without listeners and connectors it does nothing. */
static int
x400_begin(struct app *a, const struct app_conf *c)
{
    struct x400_env env = { .loop = a->loop,
        .resolver = a->resolver,
        .intake = a->intake,
        .route = app_x400_route,
        .peers = peers,
        .route_ctx = a,
        .settings = { note_set, note_get, a } };
    struct x400_mta_options o;
    int rc = 0;

    if (!wants_x400(c)) {
        return 0;
    }
    app_x400_mta_options(c, &o);
    if (a->x400 != NULL) {
        return x400_set_options(a->x400, &o);
    }
    if (a->x400_net == NULL) {
        rc = x400_net_new(&a->x400_net, a->loop, a->egress, slice_of(c->hostname));
    }
    env.net = a->x400_net;
    return rc < 0 ? rc : x400_new(&a->x400, &env, &o);
}

static int
x400_make(
    struct app *a, const struct app_connector *n, const struct app_out *old, struct app_out *out)
{
    struct x400_hop hops[APP_HOPS_MAX];
    struct x400_connector_options o;
    struct x400_connector_env env = { .waiting = waiting, .reached = reached };
    int rc;

    app_x400_connector_options(n, hops, &o);
    if (old != NULL) {
        *out = *old;
        return x400_connector_set_options(old->x400, &o);
    }
    out->ear = calloc(1, sizeof(*out->ear));
    if (out->ear == NULL) {
        return -ENOMEM;
    }
    out->ear->app = a;
    memcpy(out->ear->name, n->name, sizeof(n->name));
    env.ctx = out->ear;
    rc = x400_connector_new(&out->x400, a->x400, &o, &env, sched_transport_up());
    if (rc < 0) {
        out->x400 = NULL;
        free(out->ear);
        out->ear = NULL;
    }
    return rc;
}

/* ---- all of them */

static const struct app_out *
old_out(const struct app *a, const struct app_connector *n)
{
    for (size_t i = 0; i < a->out_count; i++) {
        if (strcmp(a->conf->connectors[i].name, n->name) == 0) {
            return (a->outs[i].x400 != NULL) == (n->x400 != NULL) ? &a->outs[i] : NULL;
        }
    }
    return NULL;
}

static void
free_new(struct app_out *o)
{
    if (o->smtp != NULL) {
        smtp_out_free(o->smtp); /* new: it has no session */
    }
    x400_connector_free(o->x400);
    free(o->ear);
}

void
app_outs_drop(const struct app *a, const struct app_conf *c, struct app_out *outs)
{
    for (size_t i = 0; outs != NULL && i < c->connector_count; i++) {
        if (old_out(a, &c->connectors[i]) == NULL) {
            free_new(&outs[i]);
        }
    }
    free(outs);
}

int
app_outs_make(struct app *a, const struct app_conf *c, struct app_out **out)
{
    struct app_out *outs = calloc(c->connector_count + 1, sizeof(*outs));
    int rc = outs == NULL ? -ENOMEM : x400_begin(a, c);

    for (size_t i = 0; rc == 0 && i < c->connector_count; i++) {
        const struct app_connector *n = &c->connectors[i];
        const struct app_out *old = old_out(a, n);

        rc = n->x400 != NULL ? x400_make(a, n, old, &outs[i])
                             : smtp_make(a, c, n, old != NULL ? old->smtp : NULL, &outs[i].smtp);
    }
    if (rc < 0) {
        app_outs_drop(a, c, outs);
        return rc;
    }
    *out = outs;
    return 0;
}

/* What calls is no longer matched to a connector that is gone. */
static void
retire_gone(struct app *a, const struct app_out *outs, size_t count)
{
    for (size_t i = 0; i < a->out_count; i++) {
        bool stays = a->outs[i].x400 == NULL;

        for (size_t j = 0; j < count && !stays; j++) {
            stays = outs[j].x400 == a->outs[i].x400;
        }
        if (!stays) {
            x400_connector_retire(a->outs[i].x400);
        }
    }
}

void
app_outs_take(struct app *a, const struct app_conf *c, struct app_out *outs)
{
    retire_gone(a, outs, c->connector_count);
    free(a->outs);
    a->outs = outs;
    a->out_count = c->connector_count;
}

struct transport
app_out_transport(const struct app_out *o)
{
    return o->x400 != NULL ? x400_connector_transport(o->x400) : smtp_out_transport(o->smtp);
}
