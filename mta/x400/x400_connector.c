/* x400_connector.c - connectors: their options, their place in the matching of what calls, and
 * when they may call themselves. */
#include "core/log.h"
#include "core/secret.h"
#include "core/ticks.h"
#include "x400/x400_link.h"

#include <stdlib.h>

#define PORT_RFC1006      102
#define MESSAGES_PER_TURN 10
#define WAITING_MS        (10 * 60 * 1000)

/* ---- options */

static void
free_slice(struct slice *s)
{
    free((char *)(uintptr_t)s->p);
    *s = SLICE_NONE;
}

static bool
copy_slice(struct slice *s)
{
    struct slice from = *s;

    *s = (struct slice){ slice_dup(from), from.n };
    return s->p != NULL;
}

static bool
copy_slices(struct x400_connector_options *o, const struct x400_connector_options *from)
{
    struct x400_hop *hops = calloc(MAX(from->hop_count, (size_t)1), sizeof(*hops));
    struct netaddr *sources = calloc(MAX(from->source_count, (size_t)1), sizeof(*sources));
    struct netaddr_prefix *callers = calloc(MAX(from->caller_count, (size_t)1), sizeof(*callers));
    bool ok = hops != NULL && sources != NULL && callers != NULL;

    o->hops = hops;
    o->sources = sources;
    o->callers = callers;
    o->hop_count = 0;
    for (size_t i = 0; ok && i < from->hop_count; i++) {
        hops[i] = from->hops[i];
        hops[i].port = hops[i].port != 0 ? hops[i].port : PORT_RFC1006;
        hops[i].address.port = hops[i].port;
        ok = copy_slice(&hops[i].name);
        o->hop_count++;
    }
    for (size_t i = 0; ok && i < from->source_count; i++) {
        sources[i] = from->sources[i];
    }
    for (size_t i = 0; ok && i < from->caller_count; i++) {
        callers[i] = from->callers[i];
    }
    ok = copy_slice(&o->name) && ok;
    ok = copy_slice(&o->local_mta) && ok;
    return copy_slice(&o->remote_mta) && ok;
}

/* They stay in memory of their kind, and are the conf's own: the configuration they come from ends
 * before the last association that began with them. */
static int
copy_passwords(struct x400_conf *conf, const struct x400_connector_options *from)
{
    size_t bytes = from->local_password.n + from->remote_password.n;
    int rc = bytes > 0 ? secrets_new(&conf->passwords, bytes) : 0;

    if (rc < 0 || bytes == 0) {
        return rc;
    }
    rc = secrets_copy(conf->passwords, from->local_password, &conf->o.local_password);
    return rc < 0 ? rc
                  : secrets_copy(conf->passwords, from->remote_password, &conf->o.remote_password);
}

int
x400_conf_new(struct x400_conf **out, const struct x400_connector_options *o)
{
    struct x400_conf *conf = calloc(1, sizeof(*conf));

    if (conf == NULL) {
        return -ENOMEM;
    }
    conf->refs = 1;
    conf->o = *o;
    conf->o.local_password = conf->o.remote_password = SLICE_NONE;
    if (!copy_slices(&conf->o, o) || copy_passwords(conf, o) < 0) {
        x400_conf_unref(conf);
        return -ENOMEM;
    }
    conf->o.messages_per_turn =
        o->messages_per_turn != 0 ? o->messages_per_turn : MESSAGES_PER_TURN;
    conf->o.waiting_ms = o->waiting_ms != 0 ? o->waiting_ms : WAITING_MS;
    *out = conf;
    return 0;
}

struct x400_conf *
x400_conf_ref(struct x400_conf *conf)
{
    conf->refs++;
    return conf;
}

void
x400_conf_unref(struct x400_conf *conf)
{
    if (conf == NULL || --conf->refs > 0) {
        return;
    }
    for (size_t i = 0; i < conf->o.hop_count; i++) {
        free_slice((struct slice *)(uintptr_t)&conf->o.hops[i].name);
    }
    free((void *)(uintptr_t)conf->o.hops);
    free((void *)(uintptr_t)conf->o.sources);
    free((void *)(uintptr_t)conf->o.callers);
    free_slice(&conf->o.name);
    free_slice(&conf->o.local_mta);
    free_slice(&conf->o.remote_mta);
    secrets_free(conf->passwords);
    free(conf);
}

void
x400_conf_take(struct x400_conf **held, const struct x400_connector *c, const struct x400_link *l)
{
    struct x400_conf *old = *held;

    *held = x400_conf_ref(l == NULL || l->protocol == c->conf->o.protocol ? c->conf : l->conf);
    x400_conf_unref(old);
}

/* ---- calling */

int
x400_conf_open(const struct x400_conf *conf, struct x400_options *out, struct buf *bind)
{
    const struct x400_connector_options *o = &conf->o;
    const struct p1_bind b = { .kind = P1_BIND_ARGUMENT,
        .authenticated = o->local_mta.n > 0 || o->local_password.n > 0,
        .mta_name = o->local_mta,
        .password = o->local_password };
    int rc;
    bool normal = o->protocol == P1_1988_NORMAL;

    *out = (struct x400_options){ .sources = o->sources,
        .source_count = o->source_count,
        .calling_t = x400_selector_slice(&o->local.t),
        .called_t = x400_selector_slice(&o->remote.t),
        .tpdu_bytes = o->tpdu_bytes != 0 ? o->tpdu_bytes : TP0_TPDU_BYTES_DEFAULT,
        .open = { .mode = normal ? PRESENTATION_NORMAL : PRESENTATION_X410,
            .dialogue = o->dialogue,
            .checkpoint = o->checkpoint,
            .window = o->window,
            .application_protocol = o->protocol == P1_1984 ? 1 : 12,
            .initiator_has_turn = true,
            .calling_s = x400_selector_slice(&o->local.s),
            .called_s = x400_selector_slice(&o->remote.s),
            .calling_p = x400_selector_slice(&o->local.p),
            .called_p = x400_selector_slice(&o->remote.p) },
        .times = o->times,
        .label = o->name };
    if (!normal) { /* it has none, and some refuse one (Q152932) */
        out->open.calling_p = out->open.called_p = SLICE_NONE;
    }
    rc = p1_bind_write(bind, o->protocol, &b);
    out->open.user = buf_slice(bind);
    return rc;
}

/* ---- whose is what calls */

static int
expect_room(struct x400 *x)
{
    struct x400_expected *expected;
    struct x400_connector **by;
    size_t count = 1; /* one more than there are */

    LIST_FOR(it, &x->connectors)
    {
        count++;
    }
    expected = calloc(count, sizeof(*expected));
    by = calloc(count, sizeof(*by));
    if (expected == NULL || by == NULL) {
        free(expected);
        free(by);
        return -ENOMEM;
    }
    free(x->expected);
    free(x->expected_by);
    x->expected = expected;
    x->expected_by = by;
    return 0;
}

/* There is room for all connectors. */
static void
expect(struct x400 *x)
{
    x->expected_count = 0;
    LIST_FOR(it, &x->connectors)
    {
        struct x400_connector *c = CONTAINER_OF(it, struct x400_connector, link);
        const struct x400_connector_options *o = &c->conf->o;

        if (c->retired) {
            continue;
        }
        x->expected_by[x->expected_count] = c;
        x->expected[x->expected_count++] = (struct x400_expected){ .called = o->local,
            .mta_name = o->remote_mta,
            .password = o->remote_password,
            .protocol = o->protocol };
    }
}

/* ---- when it calls */

static void
tell_reached(void *ctx)
{
    struct x400_connector *c = ctx;

    if (c->env.reached != NULL) {
        c->env.reached(c->env.ctx);
    }
}

void
x400_connector_arm(struct x400_connector *c)
{
    const struct x400_schedule *s = &c->conf->o.schedule;
    uint64_t now = ticks_wall_ms(), next;

    loop_timer_stop(&c->opens);
    if (s->kind != X400_WINDOWS) {
        return;
    }
    next = x400_schedule_open(s, now) ? x400_schedule_closes(s, now) : x400_schedule_next(s, now);
    if (next > now) {
        loop_timer_start(&c->opens, next - now);
    }
}

static void
on_opens(void *ctx)
{
    struct x400_connector *c = ctx;

    if (x400_schedule_open(&c->conf->o.schedule, ticks_wall_ms())) {
        tell_reached(c);
    }
    x400_connector_arm(c);
}

static uint32_t
closing_count(const struct x400_connector *c)
{
    uint32_t n = 0;

    LIST_FOR(it, &c->links)
    {
        const struct x400_link *l = CONTAINER_OF(it, struct x400_link, of_connector);

        n += !l->incoming && l->closing;
    }
    return n;
}

enum x400_may
x400_connector_may_call(const struct x400_connector *c, const char **why)
{
    const struct x400_connector_options *o = &c->conf->o;
    uint32_t out = c->seen.out, used = out - closing_count(c);

    *why = o->schedule.kind == X400_NEVER ? "the connector never calls"
           : o->schedule.kind == X400_REMOTE_INITIATED
               ? "the peer has not called; this connector waits for that"
               : "the connector's schedule does not let it call now";
    if (o->schedule.kind == X400_REMOTE_INITIATED ||
        !x400_schedule_open(&o->schedule, ticks_wall_ms())) {
        return X400_MAY_NOT;
    }
    *why = "all associations that the connector may open are in use";
    if (o->out_max != 0 && out >= o->out_max) {
        return used < o->out_max ? X400_MAY_SOON : X400_MAY_NOT;
    }
    *why = "what waits does not need another association";
    return used == 0 || o->threshold == 0 || c->env.waiting == NULL ||
                   c->env.waiting(c->env.ctx) / o->threshold >= used
               ? X400_MAY
               : X400_MAY_NOT;
}

/* ---- life */

int
x400_connector_new(struct x400_connector **out, struct x400 *x,
    const struct x400_connector_options *o, const struct x400_connector_env *env,
    const struct transport_up *up)
{
    struct x400_connector *c = calloc(1, sizeof(*c));
    int rc = c == NULL ? -ENOMEM : x400_conf_new(&c->conf, o);

    if (rc == 0) {
        rc = expect_room(x);
        if (rc < 0) {
            x400_conf_unref(c->conf);
        }
    }
    if (rc < 0) {
        free(c);
        return rc;
    }
    c->x = x;
    c->env = *env;
    c->up = *up;
    list_init(&c->links);
    list_init(&c->sessions);
    list_init(&c->dead);
    loop_timer_init(x->env.loop, &c->opens, on_opens, c);
    loop_task_init(&c->reached, tell_reached, c);
    list_push_back(&x->connectors, &c->link);
    expect(x);
    x400_connector_arm(c);
    *out = c;
    return 0;
}

/* For the peer's call, which nobody has to make any more, or which would be another connector's. */
static void
wait_no_longer(struct x400_connector *c)
{
    LIST_FOR(it, &c->sessions)
    {
        struct transport_session *t = CONTAINER_OF(it, struct transport_session, link);

        if (loop_timer_running(&t->timer)) {
            loop_timer_start(&t->timer, 0);
        }
    }
}

int
x400_connector_set_options(struct x400_connector *c, const struct x400_connector_options *o)
{
    struct x400_conf *conf;
    int rc = x400_conf_new(&conf, o);

    if (rc < 0) {
        return rc;
    }
    x400_conf_unref(c->conf);
    c->conf = conf;
    expect(c->x);
    x400_connector_arm(c);
    if (conf->o.schedule.kind != X400_REMOTE_INITIATED) {
        wait_no_longer(c);
    }
    return 0;
}

void
x400_connector_suspend(struct x400_connector *c, bool suspended)
{
    c->suspended = suspended;
    if (!suspended) {
        return;
    }
    LIST_FOR_SAFE(it, tmp, &c->links)
    {
        struct x400_link *l = CONTAINER_OF(it, struct x400_link, of_connector);

        if (l->open && l->session == NULL) {
            x400_link_close(l);
        }
    }
}

void
x400_connector_retire(struct x400_connector *c)
{
    c->retired = true;
    expect(c->x);
    wait_no_longer(c);
    x400_connector_suspend(c, true);
}

struct transport
x400_connector_transport(struct x400_connector *c)
{
    return (struct transport){ &x400_out_ops, c };
}

void
x400_connector_free(struct x400_connector *c)
{
    struct x400 *x;

    if (c == NULL) {
        return;
    }
    x = c->x;
    CHECK(c->session_count == 0);
    LIST_FOR_SAFE(it, tmp, &c->links)
    {
        x400_link_abort(
            CONTAINER_OF(it, struct x400_link, of_connector), "the connector was removed", 0);
    }
    LIST_FOR_SAFE(it, tmp, &c->dead)
    {
        x400_out_free(CONTAINER_OF(it, struct transport_session, link));
    }
    LIST_FOR(it, &x->receipts)
    {
        struct x400_receipt *r = CONTAINER_OF(it, struct x400_receipt, link);

        r->connector = r->connector == c ? NULL : r->connector;
    }
    loop_timer_stop(&c->opens);
    loop_task_cancel(&c->reached);
    list_remove(&c->link);
    expect(x);
    x400_conf_unref(c->conf);
    free(c);
}

/* ---- to look at */

void
x400_connector_view(const struct x400_connector *c, struct x400_connector_view *out)
{
    *out = c->seen;
    out->in = out->out = 0;
    LIST_FOR(it, &c->links)
    {
        const struct x400_link *l = CONTAINER_OF(it, struct x400_link, of_connector);

        out->in += l->open && l->incoming;
        out->out += l->open && !l->incoming;
    }
    LIST_FOR(it, &c->sessions)
    {
        const struct transport_session *t = CONTAINER_OF(it, struct transport_session, link);

        out->opening += t->state == X400_OUT_FIND && !loop_timer_running(&t->timer);
        out->waiting += loop_timer_running(&t->timer);
    }
}

void
x400_connector_each(const struct x400_connector *c, x400_each_fn *each, void *ctx)
{
    LIST_FOR(it, &c->links)
    {
        const struct x400_link *l = CONTAINER_OF(it, struct x400_link, of_connector);
        const struct x400_receipt *r = l->receipt;
        const struct transport_session *t = l->session;
        struct x400_association_view v = {
            .id = l->id, .messages_in = l->messages_in, .messages_out = l->messages_out
        };

        x400_conn_view(l->conn, &v.conn);
        v.sending = t != NULL ? x400_out_state_name(t->state) : "none";
        v.receiving = r != NULL ? x400_in_state_name(r->state) : "none";
        v.message_id = t != NULL && t->d != NULL ? t->d->id : r != NULL ? r->id : 0;
        each(ctx, &v);
    }
}
