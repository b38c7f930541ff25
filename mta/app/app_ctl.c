/* app/app_ctl.c - status, probe, connectors, handoff, reload, events: the daemon's side of the
 * operator's commands. */
#include "app/app_ctl.h"
#include "bridgehead/ctl_wire.h"
#include "core/log.h"
#include "core/ticks.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SYNC_SLOW_MS    10000           /* a sync under way for so long is worth a warning ... */
#define SYNC_HUNG_MS    30000           /* ... and for so long a failure: the disk is gone */
#define OPENING_HUNG_MS (5 * 60 * 1000) /* for the store's opening */
#define EVENTS_PAGE     500

json_t *
app_ctl_time(uint64_t wall_ms)
{
    char text[TICKS_RFC3339_CAP];

    if (wall_ms == 0) {
        return json_null();
    }
    ticks_rfc3339(wall_ms, text);
    return json_string(text);
}

json_t *
app_ctl_text(struct slice s)
{
    json_t *text = json_stringn(s.p != NULL ? s.p : "", s.n);
    char clean[1024];
    size_t n = 0;

    if (text != NULL) {
        return text;
    }
    for (size_t i = 0; i < s.n && n + 3 < sizeof(clean); i++) {
        if ((unsigned char)s.p[i] < 0x80) {
            clean[n++] = s.p[i];
        } else {
            memcpy(clean + n, "\xEF\xBF\xBD", 3);
            n += 3;
        }
    }
    return json_stringn(clean, n);
}

/* Of the queue that the last owner left; -1: there is none to load any more. */
static int
loaded_percent(const struct app *a)
{
    struct queue_stats q = { 0 };

    if (a->queue == NULL || queue_is_loaded(a->queue)) {
        return -1;
    }
    queue_stats(a->queue, &q);
    return (int)q.loaded_percent;
}

static bool
need_open(const struct app *a, struct ctl_request *rq)
{
    if (a->queue != NULL && a->sched != NULL && !a->releasing) {
        return true;
    }
    ctl_fail(rq, BRIDGEHEAD_EXIT_NOT_RUNNING, 0,
        "the queue is not open (the daemon is starting or stopping)",
        "Look at bridgehead status and ask again.");
    return false;
}

bool
app_ctl_need_queue(const struct app *a, struct ctl_request *rq)
{
    char text[96];

    if (!need_open(a, rq)) {
        return false;
    }
    if (queue_is_loaded(a->queue)) {
        return true;
    }
    (void)snprintf(text, sizeof(text),
        "what the last owner left in the queue is still being loaded (%d %%)", loaded_percent(a));
    ctl_fail(rq, BRIDGEHEAD_EXIT_NOT_RUNNING, EV_QUEUE_OPENED, text,
        "New mail is accepted meanwhile; ask again when it is done.");
    return false;
}

static json_t *
reasons_by(const struct app *a, const char *(*word)(enum role_reason r))
{
    json_t *list = json_array();

    for (unsigned bit = 1; bit < ROLE_REASONS_END; bit <<= 1) {
        if ((a->role.reasons & bit) != 0) {
            (void)json_array_append_new(list, json_string(word((enum role_reason)bit)));
        }
    }
    return list;
}

static json_t *
reasons_of(const struct app *a)
{
    return reasons_by(a, role_reason_name);
}

static json_t *
vips_of(const struct app *a)
{
    json_t *list = json_array();
    char text[NETADDR_TEXT_CAP];

    for (size_t i = 0; i < a->conf->vip_count; i++) {
        netaddr_text(&a->conf->vips[i], text);
        (void)json_array_append_new(
            list, json_pack("{s:s,s:b}", "address", text, "present",
                      vip_watch_state(a->vips, &a->conf->vips[i]) == VIP_PRESENT));
    }
    return list;
}

static json_t *
connector_of(const struct app *a, size_t i)
{
    struct sched_connector_info c;

    sched_connector_info(a->sched, i, &c);
    return json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:o,s:o}", "name", c.name, "protocol",
        c.protocol, "state",
        c.suspended ? "suspended"
        : c.down    ? "down"
                    : "up",
        "queued", (json_int_t)c.queued, "active", (json_int_t)c.active, "deferred",
        (json_int_t)c.deferred, "sessions", (json_int_t)c.sessions, "destinations",
        (json_int_t)c.destinations, "last_error",
        c.last_error[0] != '\0' ? app_ctl_text(slice_of(c.last_error)) : json_null(),
        "last_error_at", app_ctl_time(c.last_error_wall_ms));
}

static json_t *
connectors_of(const struct app *a)
{
    json_t *list = json_array();

    for (size_t i = 0; a->sched != NULL && i < sched_connector_count(a->sched); i++) {
        (void)json_array_append_new(list, connector_of(a, i));
    }
    return list;
}

static uint64_t
oldest_s(const struct queue_stats *q)
{
    uint64_t now = ticks_wall_ms();

    return q->oldest_wall_ms > 0 && now > q->oldest_wall_ms ? (now - q->oldest_wall_ms) / 1000 : 0;
}

static json_t *
queue_of(const struct app *a)
{
    struct queue_stats q = { 0 };
    struct sched_totals t = { 0 };

    if (a->queue != NULL) {
        queue_stats(a->queue, &q);
    }
    if (a->sched != NULL) {
        sched_totals(a->sched, &t);
    }
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:I,s:I,s:I,s:b}",
        "messages", (json_int_t)q.messages, "recipients", (json_int_t)q.recipients, "active",
        (json_int_t)t.active, "deferred", (json_int_t)t.deferred, "held", (json_int_t)q.held,
        "in_doubt", (json_int_t)q.in_doubt, "bytes", (json_int_t)q.bytes, "oldest_s",
        (json_int_t)oldest_s(&q), "journal_bytes", (json_int_t)q.journal_bytes, "live_bytes",
        (json_int_t)q.live_bytes, "copied_bytes", (json_int_t)q.copied_bytes, "compacting",
        q.compacting, "compaction_blocked", (json_int_t)q.compaction_blocked, "free_bytes",
        (json_int_t)q.free_bytes, "quarantined", (json_int_t)q.quarantined, "reserve_in_use",
        q.space_low);
}

/* Counters since the start. */
static json_t *
journal_of(const struct app *a)
{
    struct queue_stats q = { 0 };

    if (a->queue != NULL) {
        queue_stats(a->queue, &q);
    }
    return json_pack("{s:I,s:I,s:I,s:I}", "batches", (json_int_t)q.batches, "syncs",
        (json_int_t)q.syncs, "bytes", (json_int_t)q.appended, "committed", (json_int_t)q.committed);
}

static json_t *
smtp_of(const struct app *a)
{
    struct smtp_in_stats s;

    smtp_in_stats(a->smtp_in, &s);
    return json_pack("{s:I,s:I,s:I,s:I,s:I}", "sessions", (json_int_t)s.open, "sessions_total",
        (json_int_t)s.sessions, "accepted", (json_int_t)s.accepted, "refused_recipients",
        (json_int_t)s.refused_recipients, "rejected_messages", (json_int_t)s.rejected_messages);
}

/* null: what queue says is all there is. */
static json_t *
loaded_json(const struct app *a)
{
    int percent = loaded_percent(a);

    return percent < 0 ? json_null() : json_integer(percent);
}

static void
on_status(void *ctx, struct ctl_request *rq, const json_t *args)
{
    const struct app *a = ctx;

    (void)args;
    ctl_reply(rq, 0,
        json_pack("{s:s,s:s,s:s,s:o,s:{s:s,s:I,s:o},s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:I,s:o,s:o}",
            "instance", a->conf->instance, "version", BRIDGEHEAD_VERSION, "state",
            role_state_name(a->role.state), "reasons", reasons_of(a), "owner", "node",
            a->args->node, "epoch", (json_int_t)(a->queue != NULL ? a->claim.epoch : 0), "since",
            app_ctl_time(a->since_wall_ms), "vips", vips_of(a), "queue", queue_of(a), "journal",
            journal_of(a), "smtp", smtp_of(a), "x400", app_ctl_x400_stats(a), "connectors",
            connectors_of(a), "last_failover", app_failover_json(a), "pid", (json_int_t)getpid(),
            "loaded_percent", loaded_json(a), "advice", reasons_by(a, role_reason_text)));
}

/* What the agent's monitor asks. It never touches the disk: it knows how long the oldest sync has
 * been under way. level 0: alive and in what state; 10: and the disk answers; 20: and every
 * degraded reason counts. */
static void
on_probe(void *ctx, struct ctl_request *rq, const json_t *args)
{
    const struct app *a = ctx;
    json_int_t level = json_integer_value(json_object_get(args, "level"));
    struct queue_stats q = { 0 };
    struct sched_totals t = { 0 };
    const char *why = "";
    int status = 0;

    if (a->queue != NULL && !a->releasing) {
        queue_stats(a->queue, &q);
        sched_totals(a->sched, &t);
    }
    if (a->role.state == ROLE_DEGRADED) {
        status = BRIDGEHEAD_EXIT_DEGRADED;
        why = "degraded";
    }
    if (a->queue == NULL) { /* lease, recovery; the syncs of these are in no statistics */
        uint64_t since_ms =
            a->opening_since_ms > 0 ? loop_now_ms(a->loop) - a->opening_since_ms : 0;

        status = level >= 10 && since_ms > OPENING_HUNG_MS ? BRIDGEHEAD_EXIT_FAILED
                                                           : BRIDGEHEAD_EXIT_DEGRADED;
        why = "the store is not open yet; if that lasts, look at the disk";
    }
    if (level >= 10 && q.oldest_sync_ms >= SYNC_HUNG_MS) {
        status = BRIDGEHEAD_EXIT_FAILED;
        why = "a sync of the store has not returned for 30 s; look at the disk";
    } else if (q.oldest_sync_ms >= SYNC_SLOW_MS) {
        status = BRIDGEHEAD_EXIT_DEGRADED;
        why = "a sync of the store takes more than 10 s; look at the disk";
    }
    ctl_reply(rq, status,
        json_pack("{s:s,s:o,s:s,s:I,s:I,s:I,s:I,s:f}", "state", role_state_name(a->role.state),
            "reasons", reasons_of(a), "why", why, "queue", (json_int_t)q.recipients, "oldest_s",
            (json_int_t)oldest_s(&q), "connectors_down", (json_int_t)t.connectors_down, "epoch",
            (json_int_t)q.epoch, "oldest_sync_s", (double)q.oldest_sync_ms / 1000));
}

static void
on_connector_list(void *ctx, struct ctl_request *rq, const json_t *args)
{
    const struct app *a = ctx;

    (void)args;
    if (app_ctl_need_queue(a, rq)) {
        ctl_reply(rq, 0, json_pack("{s:o}", "items", connectors_of(a)));
    }
}

struct destinations {
    json_t *list;
    const char *connector;
};

static bool
add_destination(void *ctx, const struct sched_destination_info *d)
{
    struct destinations *to = ctx;

    if (strcmp(d->connector, to->connector) == 0) {
        (void)json_array_append_new(to->list,
            json_pack("{s:o,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:o}", "name",
                app_ctl_text(slice_of(d->name)), "state", d->down ? "down" : "up", "sessions",
                (json_int_t)d->sessions, "idle", (json_int_t)d->idle, "limit", (json_int_t)d->limit,
                "ready", (json_int_t)d->ready, "active", (json_int_t)d->active, "deferred",
                (json_int_t)d->deferred, "failures", (json_int_t)d->failures, "next",
                app_ctl_time(d->next_wall_ms), "last_error",
                d->last_error[0] != '\0' ? app_ctl_text(slice_of(d->last_error)) : json_null()));
    }
    return json_array_size(to->list) < 500; /* one message holds them */
}

static void
on_connector_show(void *ctx, struct ctl_request *rq, const json_t *args)
{
    const struct app *a = ctx;
    const char *name = json_string_value(json_object_get(args, "name"));
    struct destinations to = { .connector = name };

    if (!app_ctl_need_queue(a, rq)) {
        return;
    }
    for (size_t i = 0; name != NULL && i < sched_connector_count(a->sched); i++) {
        json_t *c = connector_of(a, i);

        if (strcmp(json_string_value(json_object_get(c, "name")), name) == 0) {
            to.list = json_array();
            sched_each_destination(a->sched, add_destination, &to);
            (void)json_object_set_new(c, "destination_list", to.list);
            app_ctl_x400_show(a, name, c);
            ctl_reply(rq, 0, c);
            return;
        }
        json_decref(c);
    }
    ctl_fail(rq, BRIDGEHEAD_EXIT_NOT_FOUND, 0, "there is no such connector",
        "bridgehead connector list shows them.");
}

static void
suspend(struct app *a, struct ctl_request *rq, const json_t *args, bool suspended)
{
    const char *name = json_string_value(json_object_get(args, "name"));
    int rc;

    if (!app_ctl_need_queue(a, rq)) {
        return;
    }
    if (name == NULL || app_suspend(a, name, suspended) < 0) {
        ctl_fail(rq, BRIDGEHEAD_EXIT_NOT_FOUND, 0, "there is no such connector",
            "bridgehead connector list shows them.");
        return;
    }
    rc = app_keep_suspended(a, name, suspended);
    if (rc < 0) {
        ctl_fail(rq, app_exit_code(rc), 0, error_text(rc),
            "It holds for this process, and is not recorded for the next owner: ask again.");
        return;
    }
    app_ctl_reply_durable(
        a, rq, 0, json_pack("{s:s,s:s}", "name", name, "state", suspended ? "suspended" : "up"));
}

static void
on_connector_suspend(void *ctx, struct ctl_request *rq, const json_t *args)
{
    suspend(ctx, rq, args, true);
}

static void
on_connector_resume(void *ctx, struct ctl_request *rq, const json_t *args)
{
    suspend(ctx, rq, args, false);
}

static void
on_handoff(void *ctx, struct ctl_request *rq, const json_t *args)
{
    struct app *a = ctx;

    if ((a->args->resource != NULL || a->conf->pacemaker) &&
        !json_is_true(json_object_get(args, "force"))) {
        ctl_fail(rq, BRIDGEHEAD_EXIT_USAGE, 0,
            "this instance belongs to Pacemaker, which would see a failure",
            "Use crm_resource --move, or --force if you mean it.");
        return;
    }
    if (a->handoff != NULL) {
        ctl_fail(rq, BRIDGEHEAD_EXIT_FAILED, 0, "a handoff is under way", "Wait for it.");
        return;
    }
    a->handoff = rq;
    app_begin_drain(a);
}

static void
on_reload(void *ctx, struct ctl_request *rq, const json_t *args)
{
    (void)args;
    app_reload(ctx, rq);
}

struct event_page {
    json_t *list;
    uint64_t last;
};

static bool
add_event(void *ctx, uint64_t seq, uint64_t wall_ms, enum bridgehead_event event, struct slice text)
{
    struct event_page *p = ctx;

    (void)json_array_append_new(p->list,
        json_pack("{s:I,s:o,s:i,s:s,s:o}", "seq", (json_int_t)seq, "time", app_ctl_time(wall_ms),
            "event", (int)event, "name", app_event_name(event), "text", app_ctl_text(text)));
    p->last = seq;
    return json_array_size(p->list) < EVENTS_PAGE;
}

static void
on_events(void *ctx, struct ctl_request *rq, const json_t *args)
{
    uint64_t since = (uint64_t)json_integer_value(json_object_get(args, "since"));
    struct event_page p = { .list = json_array(), .last = since };

    (void)ctx;
    log_recent(since, add_event, &p);
    ctl_reply(rq, 0,
        json_pack("{s:o,s:I,s:b}", "items", p.list, "last", (json_int_t)p.last, "more",
            json_array_size(p.list) == EVENTS_PAGE));
}

static void
on_blackbox(void *ctx, struct ctl_request *rq, const json_t *args)
{
    const struct app *a = ctx;
    char dir[APP_PATH_CAP], path[APP_PATH_CAP + 32];
    int rc = log_dump_blackbox();

    (void)args;
    if (rc < 0) {
        ctl_fail(rq, BRIDGEHEAD_EXIT_FAILED, EV_APP_NO_BLACKBOX, error_text(rc),
            "Look at the space in the run directory.");
        return;
    }
    app_run_dir(a->conf, dir);
    (void)snprintf(path, sizeof(path), "%s/server/blackbox", dir);
    ctl_reply(rq, 0, json_pack("{s:s}", "path", path));
}

static void
on_failover_report(void *ctx, struct ctl_request *rq, const json_t *args)
{
    const struct app *a = ctx;

    (void)args;
    if (need_open(a, rq)) {
        ctl_reply(rq, 0, app_failover_json(a));
    }
}

int
app_ctl_start(struct app *a)
{
    static const struct ctl_command commands[] = {
        { "status", false, on_status },
        { "probe", false, on_probe },
        { "queue list", false, app_ctl_queue_list },
        { "queue show", false, app_ctl_queue_show },
        { "queue hold", true, app_ctl_queue_hold },
        { "queue release", true, app_ctl_queue_release },
        { "queue retry", true, app_ctl_queue_retry },
        { "queue bounce", true, app_ctl_queue_bounce },
        { "queue remove", true, app_ctl_queue_remove },
        { "queue content", true, app_ctl_queue_content },
        { "queue import open", true, app_ctl_import_open },
        { "queue import recipients", false, app_ctl_import_recipients },
        { "queue import data", false, app_ctl_import_data },
        { "queue import commit", false, app_ctl_import_commit },
        { "queue import abort", false, app_ctl_import_abort },
        { "why", false, app_ctl_why },
        { "connector list", false, on_connector_list },
        { "connector show", false, on_connector_show },
        { "connector suspend", true, on_connector_suspend },
        { "connector resume", true, on_connector_resume },
        { "x400 ping", true, app_ctl_x400_ping },
        { "x400 send", true, app_ctl_x400_send },
        { "x400 trace", false, app_ctl_x400_trace },
        { "handoff", true, on_handoff },
        { "reload", true, on_reload },
        { "events", false, on_events },
        { "blackbox", false, on_blackbox },
        { "failover report", false, on_failover_report },
    };
    char why[160];
    int rc = ctl_start(
        &a->ctl, a->loop, a->conf->instance, (uint32_t)getgid(), commands, ARRAY_LEN(commands), a);

    if (rc == -EADDRINUSE) { /* its name is in nobody's directory: whoever comes first has it */
        (void)snprintf(why, sizeof(why),
            "another process has the control socket @" BRIDGEHEAD_CTL_NAME_PREFIX
            "%s. Find it with ss -xlp, and end it",
            a->conf->instance);
        app_fail(a, rc, why);
    }
    return rc;
}
