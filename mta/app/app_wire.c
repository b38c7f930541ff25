/* app/app_wire.c - from the configuration to each part's options, at start and at a reload.
 *
 * A reload is all or nothing. The server reads the file and refuses what cannot change; the keeper
 * opens what listeners are new; only then the parts get their options.
 */
#include "app/app_state.h"
#include "bridgehead/exit_codes.h"
#include "core/log.h"
#include "core/ticks.h"
#include <stdio.h>
#include <stdlib.h>

#define STATE_KEY_CAP (APP_NAME_CAP + 32)

void
app_smtp_in_options(const struct app_conf *c, struct smtp_in_options *o)
{
    *o = (struct smtp_in_options){ .hostname = c->hostname,
        .sessions_max = c->sessions_max,
        .sessions_per_client_max = c->sessions_per_client_max,
        .message_bytes_max = c->message_bytes_max,
        .recipients_max = c->recipients_max,
        .command_timeout_ms = c->command_timeout_ms,
        .data_timeout_ms = c->data_timeout_ms,
        .errors_max = c->errors_max };
}

/* Queries leave from the default sources that are there now; none: the resolver sends nothing. */
static size_t
present_sources(const struct app *a, struct netaddr out[APP_VIPS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < a->conf->vip_count; i++) {
        if (vip_watch_state(a->vips, &a->conf->vips[i]) == VIP_PRESENT) {
            out[n++] = a->conf->vips[i];
        }
    }
    return n;
}

int
app_make_resolver(struct app *a)
{
    struct netaddr sources[APP_VIPS_MAX];
    size_t n = present_sources(a, sources);
    struct resolver_options o = { .servers = a->conf->dns_servers,
        .server_count = a->conf->dns_server_count,
        .sources = sources,
        .source_count = n,
        .timeout_ms = a->conf->dns_timeout_ms };

    if (a->resolver != NULL) {
        return resolver_set_sources(a->resolver, sources, n);
    }
    return resolver_new(&a->resolver, a->loop, &o);
}

static struct sched_connector *
sched_connectors(const struct app_out *outs, const struct app_conf *c)
{
    static const char *const protocols[] = {
        [APP_SMTP] = "smtp", [APP_LMTP] = "lmtp", [APP_X400] = "x400"
    };
    struct sched_connector *list = calloc(c->connector_count + 1, sizeof(*list));

    for (size_t i = 0; list != NULL && i < c->connector_count; i++) {
        const struct app_connector *n = &c->connectors[i];

        list[i] = (struct sched_connector){ .name = n->name,
            .protocol = protocols[n->protocol],
            .transport = app_out_transport(&outs[i]),
            .per_domain = n->hop_count == 0 && n->x400 == NULL, /* the peer may call */
            .concurrency = n->concurrency,
            .connector_limit = n->limit,
            .recipients_per_transaction = n->recipients,
            .down_after_ms = n->down_after_ms,
            .in_doubt_hold = n->in_doubt_hold };
        if (n->x400 != NULL) {
            list[i].open_interval_ms = n->x400->open_interval_ms;
            list[i].open_retries = n->x400->open_retries;
            list[i].transfer_interval_ms = n->x400->transfer_interval_ms;
            list[i].transfer_retries = n->x400->transfer_retries;
        }
    }
    return list;
}

static void
sched_options_of(const struct app_conf *c, struct sched_options *o)
{
    *o = (struct sched_options){ .retry = c->retry,
        .backoff = c->backoff,
        .expire_ms = c->expire_ms,
        .warn_after_ms = c->warn_after_ms,
        .hostname = c->hostname };
}

int
app_make_sched(struct app *a)
{
    struct sched_env env = { .ctx = a,
        .queue = a->queue,
        .loop = a->loop,
        .route = app_route,
        .wall_ms = app_wall_ms,
        .notify = app_notify,
        .report = app_report,
        .life = app_life,
        .report_bytes = app_report_bytes };
    struct sched_connector *list = sched_connectors(a->outs, a->conf);
    struct sched_options o;
    int rc;

    if (list == NULL) {
        return -ENOMEM;
    }
    sched_options_of(a->conf, &o);
    rc = sched_new(&a->sched, &o, &env, list, a->conf->connector_count);
    free(list);
    return rc;
}

static struct slice
suspended_key(const char *connector, char out[STATE_KEY_CAP])
{
    int n = snprintf(out, STATE_KEY_CAP, "connector.%s.suspended", connector);

    return (struct slice){ out, (size_t)MAX(n, 0) };
}

int
app_suspend(struct app *a, const char *connector, bool suspended)
{
    uint16_t i = app_connector_index(a->conf, slice_of(connector));

    if (i < a->out_count && a->outs[i].x400 != NULL) {
        x400_connector_suspend(a->outs[i].x400, suspended);
    }
    return sched_connector_suspend(a->sched, slice_of(connector), suspended);
}

int
app_keep_suspended(struct app *a, const char *connector, bool suspended)
{
    char key[STATE_KEY_CAP];

    return queue_state_set(
        a->queue, suspended_key(connector, key), suspended ? SLICE_LIT("1") : SLICE_NONE);
}

void
app_restore_suspended(struct app *a, const struct app_conf *c)
{
    for (size_t i = 0; i < c->connector_count; i++) {
        const char *name = c->connectors[i].name;
        char key[STATE_KEY_CAP];

        if (queue_state_get(a->queue, suspended_key(name, key)).n > 0 &&
            app_suspend(a, name, true) < 0) {
            continue; /* the table has every connector of c */
        }
    }
}

static void
collect_error(void *ctx, const struct conf_error *e)
{
    struct {
        char *text;
        size_t cap;
    } *first = ctx;

    app_report_conf_error(NULL, e);
    if (first->text[0] == '\0') {
        app_conf_error_text(e, first->text, first->cap);
    }
}

static int
reconfigure_sched(struct app *a, const struct app_conf *fresh, const struct app_out *outs)
{
    struct sched_connector *list = sched_connectors(outs, fresh);
    struct sched_options so;
    int rc;

    if (list == NULL) {
        return -ENOMEM;
    }
    sched_options_of(fresh, &so);
    rc = sched_reconfigure(a->sched, &so, list, fresh->connector_count);
    free(list);
    return rc;
}

/* All of it or nothing: what can fail comes first. Routes, transports and the scheduler's
 * connectors are numbered alike, so none of them may be of another configuration than the others.
 * (Kept transports may have new options already when a later step fails: harmless, and the next
 * reload sets them again.) */
static int
apply(struct app *a, struct app_conf *fresh)
{
    struct smtp_in_options in;
    struct app_routes *routes, *old;
    struct app_out *outs;
    int rc = app_routes_make(&routes, fresh);

    if (rc < 0) {
        return rc;
    }
    rc = app_outs_make(a, fresh, &outs);
    if (rc < 0) {
        app_routes_free(routes);
        return rc;
    }
    old = a->routes;
    a->routes = routes; /* the scheduler asks for the new ones while it takes the connectors */
    rc = a->sched != NULL ? reconfigure_sched(a, fresh, outs) : 0;
    if (rc < 0) {
        a->routes = old;
        app_outs_drop(a, fresh, outs);
        app_routes_free(routes);
        return rc;
    }
    app_routes_free(old);
    app_outs_take(a, fresh, outs);
    if (a->sched != NULL) {
        app_restore_suspended(a, fresh);
    }
    app_smtp_in_options(fresh, &in);
    smtp_in_set_options(a->smtp_in, &in);
    return 0;
}

static void
reopen_log(const struct app *a)
{
    char ident[APP_NAME_CAP + 32];
    struct log_options o = { .ident = ident,
        .to = a->conf->log_to,
        .level = (enum log_level)a->conf->log_level,
        .threaded = true };

    (void)snprintf(ident, sizeof(ident), "bridgehead-%s", a->conf->instance);
    if (log_reopen(&o) < 0) {
        log_event(EV_APP_LOG_REOPEN, LF_STR("to", a->conf->log_to));
    }
}

static void
end_reload(struct app *a, int rc, const char *text)
{
    struct ctl_request *rq = a->reload_request;

    a->reload_request = NULL;
    if (rc < 0) {
        log_event(EV_APP_RELOAD_REFUSED, LF_STR("why", text));
    } else {
        log_event(EV_APP_RELOADED, LF_STR("file", a->conf->file));
    }
    if (rq == NULL) { /* SIGHUP */
        return;
    }
    if (rc < 0) {
        ctl_fail(rq, app_exit_code(rc), EV_APP_RELOAD_REFUSED, text,
            "Correct the file; the old configuration stays in force.");
    } else {
        ctl_reply(rq, 0, json_pack("{s:b}", "reloaded", 1));
    }
}

/* Second half: the keeper has opened the listeners of the new file, or says why it cannot. */
void
app_reload_listeners(struct app *a, int code, const char *text)
{
    struct app_conf *fresh = a->fresh;
    int rc;

    a->fresh = NULL;
    if (fresh == NULL) {
        return;
    }
    if (code != 0) {
        app_conf_free(fresh);
        end_reload(a, code, text);
        return;
    }
    rc = apply(a, fresh);
    if (rc < 0) {
        app_conf_free(fresh);
        end_reload(a, rc, "the new configuration could not be put in force");
        return;
    }
    app_conf_free(a->conf);
    a->conf = fresh;
    a->refused_bytes = 0; /* may be too long now; if not, it comes again */
    reopen_log(a);
    end_reload(a, 0, "");
}

static int
check_reloadable(const struct app *a, const struct app_conf *fresh, char *text, size_t cap)
{
    const char *key = conf_changed_unreloadable(a->conf->conf, fresh->conf);

    if (key == NULL) {
        return 0;
    }
    (void)snprintf(text, cap,
        "%s:%d: %s changed, which needs a restart (bridgehead handoff, or move the resource)",
        fresh->file, conf_line_of(fresh->conf, key), key);
    return BH_ECONFIG;
}

/* First half: the file, all of it, before anything changes. */
void
app_reload(struct app *a, struct ctl_request *rq)
{
    char text[512] = "";
    struct {
        char *text;
        size_t cap;
    } first = { text, sizeof(text) };
    struct channel_msg want = { .kind = CHANNEL_WANT_LISTENERS };
    struct app_conf *fresh = NULL;
    int rc;

    if (a->fresh != NULL) {
        if (rq != NULL) {
            ctl_fail(rq, BRIDGEHEAD_EXIT_FAILED, 0, "a reload is under way", "Ask again.");
        }
        return;
    }
    rc = app_conf_load(&fresh, a->args->config, a->args->vip, collect_error, &first);
    if (rc == 0) {
        rc = check_reloadable(a, fresh, text, sizeof(text));
    }
    if (rc == 0) {
        rc = channel_send(CHANNEL_FD, &want, -1);
    }
    a->reload_request = rq;
    if (rc < 0) {
        app_conf_free(fresh);
        end_reload(a, rc, text[0] != '\0' ? text : error_text(rc));
        return;
    }
    a->fresh = fresh;
}
