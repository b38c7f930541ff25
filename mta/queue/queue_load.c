#include "queue/queue_load.h"
#include "core/log.h"
#include "core/ticks.h"
#include "queue/snapshot_load.h"
#include <stdio.h>
#include <stdlib.h>

#define NS_PER_MS 1000000u

/* ---- in a thread */

static void
on_finding(void *ctx, const struct queue_finding *f)
{
    const struct queue_options *o = &((struct queue_load *)ctx)->q->o;

    if (o->on_finding != NULL) {
        o->on_finding(o->ctx, f);
    }
    if (finding_is_damage(f->kind)) {
        log_event(EV_QUEUE_DAMAGED, LF_STR("finding", finding_name(f->kind)),
            LF_STR("segment", f->file), LF_UINT("offset", f->offset), LF_UINT("bytes", f->length),
            LF_ID("id", f->id), LF_STR("detail", f->detail));
    }
}

static void
on_progress(void *ctx, uint64_t done)
{
    struct queue_load *load = ctx;

    atomic_store(&load->read, load->r.snapshot_bytes + done);
}

int
queue_load_begin(struct queue *q, const struct owner_record *last)
{
    struct queue_load *load = calloc(1, sizeof(*load));

    if (load == NULL) {
        return -ENOMEM;
    }
    q->load = load;
    load->q = q;
    load->previous_epoch = last->epoch;
    segtab_init(&load->segments);
    msgindex_init(&load->index);
    transids_init(&load->transids);
    load->r = (struct recovery){
        .store = q->store,
        .segment_bytes = q->segment_bytes,
        .sealed_lsn = last->state == OWNER_RELEASED ? last->sealed_lsn : 0,
        .sync_tail = true,
        .use_snapshots = !q->o.whole_journal,
        .stop = &load->stop,
        .segments = &load->segments,
        .index = &load->index,
        .finding = on_finding,
        .progress = on_progress,
        .ctx = load,
    };
    memcpy(load->r.uuid, q->head.uuid, sizeof(load->r.uuid));
    return recover_begin(&load->r);
}

/* What does not count is deleted once our seal says so. */
static void
unlink_strays(const struct queue *q, const struct recovery *r)
{
    char dir[STORE_PATH_CAP], path[STORE_PATH_CAP];

    if (store_path(dir, q->store, "journal") < 0) {
        return;
    }
    for (uint32_t i = 0; i < r->stray_count; i++) {
        log_event(EV_QUEUE_STRAY, LF_STR("segment", r->strays[i].name));
        if (!lease_valid(&q->renewal.lease, ticks_boot_ns())) {
            return;
        } else if (r->strays[i].keep) {
            store_set_aside(q->store, r->strays[i].name);
        } else if (store_path(path, dir, r->strays[i].name) == 0) {
            (void)!io_unlink(path);
        }
    }
}

static void
say_unreadable(const struct recovery *r)
{
    for (uint32_t i = 0; i < r->unreadable_count; i++) {
        log_event(EV_QUEUE_SNAPSHOT_UNREADABLE, LF_UINT("position", r->unreadable[i].ref.position),
            LF_UINT("epoch", r->unreadable[i].ref.epoch), LF_ERR("error", r->unreadable[i].rc),
            LF_STR("instead", r->used.epoch != 0 ? "older snapshot" : "whole journal"));
    }
}

void
queue_load_run(struct queue_load *load)
{
    struct queue *q = load->q;
    struct recovery *r = &load->r;
    uint64_t began_ns = ticks_boot_ns();

    load->status = recover_load(r);
    if (load->status == 0) {
        load->status = queue_transid_load(&load->transids, &load->index, q->segment_bytes);
    }
    if (load->status < 0) {
        store_failure_text(load->text, sizeof(load->text), q->store, load->status, r->text,
            "bridgehead store check lists what is wrong");
        return;
    }
    say_unreadable(r);
    unlink_strays(q, r);
    snapshot_prune(q->store, r->snapshots, r->snapshot_count, &q->renewal.lease);
    owner_file_prune(q->store, load->previous_epoch);
    load->quarantined = r->damaged + store_quarantine_holds(q->store);
    load->took_ms = (ticks_boot_ns() - began_ns) / NS_PER_MS;
}

static void *
load_main(void *arg)
{
    struct queue_load *load = arg;

    queue_load_run(load);
    atomic_store(&load->done, true);
    loop_wake_send(load->wake);
    return NULL;
}

/* ---- on the loop */

/* Whatever is in the older tables is older than all in ours. */
static int
join(struct queue *q)
{
    struct queue_load *load = q->load;
    int rc = load->status;

    rc = rc < 0 ? rc : msgindex_join(&q->index, &load->index, q->commits_pending);
    rc = rc < 0 ? rc : segtab_join(&q->segments, &load->segments);
    if (rc == 0) {
        transids_move(&q->transids, &load->transids);
        space_cut(q->space, &q->segments);
    }
    if (rc < 0 && load->status == 0) {
        (void)snprintf(load->text, sizeof(load->text), "%.200s: %s", q->store, error_text(rc));
    }
    return rc;
}

static void
take_claim(struct queue *q)
{
    const struct recovery *r = &q->load->r;
    struct queue_claim *c = &q->claim;

    c->messages = q->load->index.messages;
    c->recipients = q->load->index.recipients;
    c->in_hand = q->load->index.attempts;
    c->replayed_bytes = r->replayed_bytes;
    c->replayed_segments = r->replayed_segments;
    c->quarantined = q->load->quarantined;
    c->snapshot_bytes = r->snapshot_bytes;
    c->snapshot_position = r->used.position;
    c->snapshots_unreadable = r->unreadable_count;
    c->load_ms = q->load->took_ms;
}

static void
take_snapshots(struct queue *q)
{
    const struct recovery *r = &q->load->r;
    struct snapshot_state *st = &q->snapshots;

    memcpy(st->kept, r->snapshots, sizeof(st->kept));
    st->kept_count = r->snapshot_count;
    st->tail_bytes = r->replayed_bytes;
    st->last_bytes = r->snapshot_bytes;
}

/* They are named until a repair takes them off. */
static void
take_missing(struct queue *q)
{
    struct recovery *r = &q->load->r;

    q->missing = r->missing;
    q->missing_count = r->missing_count;
    r->missing = NULL;
    r->missing_count = 0;
}

/* Outside the queue it looks as if it had failed at a write, but that on_loaded says why. */
static void
load_failed(struct queue *q, int rc)
{
    q->failed = rc;
    lease_end(&q->renewal.lease);
    if (q->journal != NULL) {
        journal_fail(q->journal, rc);
    }
    if (q->o.on_loaded != NULL) {
        q->o.on_loaded(q->o.ctx, rc, &q->claim, q->load->text);
    }
}

/* A release was asked for meanwhile. */
static void
release_now(struct queue *q)
{
    int rc;

    q->release_waits = false;
    rc = queue_release(q, q->release_cb, q->release_ctx);
    if (rc < 0) {
        q->release_cb(q->release_ctx, rc);
    }
}

void
queue_load_done(struct queue *q)
{
    int rc;

    if (q->failed != 0) {
        return; /* and that was told */
    }
    take_claim(q); /* before the index is empty */
    rc = join(q);
    if (rc < 0) {
        load_failed(q, rc);
        return;
    }
    take_snapshots(q);
    take_missing(q);
    log_event(EV_QUEUE_LOADED, LF_UINT("epoch", q->epoch), LF_UINT("messages", q->claim.messages),
        LF_UINT("recipients", q->claim.recipients), LF_UINT("quarantined", q->claim.quarantined),
        LF_UINT("snapshot", q->claim.snapshot_bytes), LF_UINT("tail", q->claim.replayed_bytes),
        LF_MS("took", q->claim.load_ms));
    queue_load_free(q);
    if (q->o.on_loaded != NULL) {
        q->o.on_loaded(q->o.ctx, 0, &q->claim, "");
    }
    if (q->release_waits) {
        release_now(q);
        return;
    }
    queue_feed_begin(q);
    if (q->failed == 0) {
        queue_reap(q);
    }
}

static void
on_wake(void *ctx)
{
    struct queue *q = ctx;

    if (atomic_load(&q->load->done)) {
        (void)pthread_join(q->load->thread, NULL);
        q->load->started = false;
        queue_load_done(q);
    }
}

/* In the simulation: in two turns or more, so that mail comes in before, between and behind. */
static void
on_task(void *ctx)
{
    struct queue *q = ctx;
    struct queue_load *load = q->load;

    if (q->o.in_line_waits == NULL || !q->o.in_line_waits(q->o.ctx)) {
        if (atomic_load(&load->done)) {
            queue_load_done(q);
            return;
        }
        queue_load_run(load);
        atomic_store(&load->done, true);
    }
    loop_call_soon(q->loop, &load->task);
}

int
queue_load_start(struct queue *q)
{
    struct queue_load *load = q->load;
    int rc;

    if (q->o.in_line != NULL) {
        loop_task_init(&load->task, on_task, q);
        loop_call_soon(q->loop, &load->task);
        return 0;
    }
    rc = loop_wake_new(q->loop, &load->wake, on_wake, q);
    rc = rc < 0 ? rc : -pthread_create(&load->thread, NULL, load_main, load);
    load->started = rc == 0;
    return rc;
}

void
queue_load_free(struct queue *q)
{
    struct queue_load *load = q->load;

    if (load == NULL) {
        return;
    }
    atomic_store(&load->stop, true);
    if (load->started) {
        (void)pthread_join(load->thread, NULL);
    }
    if (load->task.run != NULL) {
        loop_task_cancel(&load->task);
    }
    if (load->wake != NULL) {
        loop_wake_free(load->wake);
    }
    recover_fini(&load->r);
    msgindex_fini(&load->index);
    transids_fini(&load->transids);
    segtab_fini(&load->segments);
    free(load);
    q->load = NULL;
}
