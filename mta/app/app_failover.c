/* app/app_failover.c - the last change of owner: what was found, and how long each part of it took.
 * JSON fields: docs/formats/json.md. */
#include "app/app_ctl.h"
#include "core/log.h"

/* What its last owner had in hand; before anything of it is tried again. A process that died while
 * its machine lived on may have died of a message; a machine that was lost tells nothing. */
int
app_settle_doubts(struct app *a)
{
    struct sched_recovered *r = &a->failover.recovered;
    int rc;

    r->crashed = strcmp(a->claim.cause, "same-node") == 0 || strcmp(a->claim.cause, "dead") == 0;
    r->in_hand = a->claim.in_hand;
    rc = sched_recovered(a->sched, r);
    if (rc == 0 && r->messages > 0) {
        log_event(EV_TAKEOVER_IN_DOUBT, LF_UINT("recipients", r->in_doubt),
            LF_UINT("messages", r->messages), LF_UINT("suspects", r->suspects),
            LF_UINT("held", r->poison));
    }
    return rc;
}

static json_t *
seconds(uint64_t ms)
{
    return json_real((double)ms / 1000);
}

/* Since the server was started; null: not yet. */
static json_t *
since_start(const struct app *a, uint64_t wall_ms)
{
    uint64_t started = a->failover.started_wall_ms;

    return wall_ms == 0 ? json_null() : seconds(wall_ms > started ? wall_ms - started : 0);
}

static json_t *
phases_json(const struct app *a)
{
    const struct queue_claim *c = &a->claim;
    const struct app_failover *f = &a->failover;

    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "lock_s", seconds(c->lock_ms), "wait_s",
        seconds(c->wait_ms), "claim_s", seconds(c->claim_ms), "replay_s", seconds(c->replay_ms),
        "seal_s", seconds(c->seal_ms), "load_s",
        f->loaded_wall_ms == 0 ? json_null() : seconds(f->loaded_wall_ms - f->opened_wall_ms),
        "schedule_s",
        f->scheduled_wall_ms == 0 ? json_null() : seconds(f->scheduled_wall_ms - f->opened_wall_ms),
        "listen_s",
        f->listening_wall_ms == 0 ? json_null()
                                  : seconds(f->listening_wall_ms - f->opened_wall_ms));
}

static json_t *
since_start_json(const struct app *a)
{
    const struct app_failover *f = &a->failover;
    struct sched_totals t;
    struct queue_stats q;

    sched_totals(a->sched, &t);
    queue_stats(a->queue, &q);
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "opened_s", since_start(a, f->opened_wall_ms),
        "listening_s", since_start(a, f->listening_wall_ms), "first_client_s",
        since_start(a, f->first_accept_wall_ms), "first_250_s",
        since_start(a, q.first_commit_wall_ms), "loaded_s", since_start(a, f->loaded_wall_ms),
        "first_delivery_s", since_start(a, t.first_delivered_wall_ms));
}

static void
add_times(const struct app *a, json_t *to)
{
    const struct app_failover *f = &a->failover;
    struct sched_totals t;
    struct queue_stats q;

    sched_totals(a->sched, &t);
    queue_stats(a->queue, &q);
    (void)json_object_set_new(to, "started", app_ctl_time(f->started_wall_ms));
    (void)json_object_set_new(to, "opened", app_ctl_time(f->opened_wall_ms));
    (void)json_object_set_new(to, "listening", app_ctl_time(f->listening_wall_ms));
    (void)json_object_set_new(to, "first_client", app_ctl_time(f->first_accept_wall_ms));
    (void)json_object_set_new(to, "first_250", app_ctl_time(q.first_commit_wall_ms));
    (void)json_object_set_new(to, "loaded", app_ctl_time(f->loaded_wall_ms));
    (void)json_object_set_new(to, "first_delivery", app_ctl_time(t.first_delivered_wall_ms));
}

json_t *
app_failover_json(const struct app *a)
{
    const struct queue_claim *c = &a->claim;
    const struct sched_recovered *r = &a->failover.recovered;
    json_t *body;

    if (a->queue == NULL || a->sched == NULL) {
        return json_null();
    }
    body = json_pack("{s:s,s:I,s:I,s:s,s:b,s:o,s:o,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "cause",
        c->cause, "epoch", (json_int_t)c->epoch, "previous_epoch", (json_int_t)c->previous_epoch,
        "previous_node", c->previous_node, "crashed", r->crashed, "phases", phases_json(a),
        "since_start", since_start_json(a), "messages", (json_int_t)c->messages, "recipients",
        (json_int_t)c->recipients, "in_doubt", (json_int_t)r->in_doubt, "suspects",
        (json_int_t)r->suspects, "poison", (json_int_t)r->poison, "replayed_bytes",
        (json_int_t)c->replayed_bytes, "torn_bytes", (json_int_t)c->torn_bytes, "late_bytes",
        (json_int_t)c->late_bytes, "late_segments", (json_int_t)c->late_segments);
    if (body != NULL) {
        add_times(a, body);
        (void)json_object_set_new(
            body, "replayed_segments", json_integer((json_int_t)c->replayed_segments));
        (void)json_object_set_new(body, "snapshot",
            json_pack("{s:b,s:I,s:I}", "used", c->snapshot_bytes > 0, "bytes",
                (json_int_t)c->snapshot_bytes, "unreadable", (json_int_t)c->snapshots_unreadable));
    }
    return body;
}
