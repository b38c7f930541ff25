/* support/fake_world.c - see there. */
#include "fake_world.h"
#include "core/buf.h"

#include <stdio.h>
#include <stdlib.h>

struct transport_session {
    struct heap_node event;
    struct world *w;
    struct host *host;
    struct sched_session *up;
    const struct delivery *d;
    enum { STEP_OPEN, STEP_DELIVER, STEP_IDLE, STEP_CLOSED } step;
    bool opened;
};

uint64_t
world_random(struct world *w)
{
    return hash_u64(++w->random);
}

static void
at(struct transport_session *t, int step, uint64_t in_ms)
{
    struct world *w = t->w;

    t->step = (__typeof__(t->step))step;
    if (heap_has(&t->event)) {
        heap_rekey(&w->events, &t->event, w->now + in_ms);
    } else {
        CHECK(heap_insert(&w->events, &t->event, w->now + in_ms) == 0);
    }
}

/* ---- the transport */

static struct host *
host_of(struct world *w, struct slice name)
{
    for (size_t i = 0; i < w->host_count; i++) {
        if (slice_eq(slice_of(w->hosts[i].name), name)) {
            return &w->hosts[i];
        }
    }
    CHECK(w->host_count < ARRAY_LEN(w->hosts));
    CHECK(slice_copy(name, w->hosts[w->host_count].name, sizeof(w->hosts[0].name)) == 0);
    w->hosts[w->host_count].latency_ms = 5;
    return &w->hosts[w->host_count++];
}

static int
fake_open(void *ctx, struct slice destination, struct sched_session *s,
    const struct delivery *first, struct transport_session **out)
{
    struct world *w = ctx;
    struct transport_session *t = calloc(1, sizeof(*t));

    CHECK(t != NULL);
    heap_node_init(&t->event);
    t->w = w;
    t->host = host_of(w, destination);
    t->up = s;
    t->d = first;
    t->host->opens++;
    t->host->sessions++;
    t->host->peak = MAX(t->host->peak, t->host->sessions);
    at(t, STEP_OPEN,
        t->host->mode == HOST_BLACKHOLE           ? 30 * SECOND
        : t->host->alone && t->host->sessions > 1 ? 0
                                                  : t->host->latency_ms);
    *out = t;
    return 0;
}

static void
fake_work(struct transport_session *t, const struct delivery *d)
{
    CHECK(t->d == NULL && t->step == STEP_IDLE);
    t->d = d;
    at(t, STEP_DELIVER, t->host->mode == HOST_HANG ? 5 * MINUTE : t->host->latency_ms);
}

static void
fake_close(struct transport_session *t, bool abort)
{
    CHECK(abort || t->step == STEP_IDLE);
    t->d = NULL;
    at(t, STEP_CLOSED, 1);
}

static const struct transport_ops fake_ops = { fake_open, fake_work, fake_close, false };
static const struct transport_ops saying_ops = { fake_open, fake_work, fake_close, true };

static void
end(struct transport_session *t, enum outcome_kind kind, const char *status, const char *reply)
{
    struct transport_result r = { .kind = kind,
        .in_doubt = t->host->mode == HOST_DOUBT && t->d != NULL,
        .untried = t->host->untried,
        .resume_ms = t->host->resume_ms,
        .status = slice_of(status),
        .reply = slice_of(reply) };

    heap_remove(&t->w->events, &t->event);
    t->host->sessions--;
    t->host->greeted -= t->opened;
    sched_transport_up()->closed(t->up, &r);
    free(t);
}

static void
opened(struct transport_session *t)
{
    struct host *h = t->host;

    if (h->mode == HOST_REFUSE) {
        end(t, OUTCOME_DEFERRED, "4.4.1", "connection refused");
    } else if (h->mode == HOST_BLACKHOLE) {
        end(t, OUTCOME_DEFERRED, "4.4.1", "no answer");
    } else if (h->mode == HOST_NXDOMAIN) {
        end(t, OUTCOME_FAILED, "5.1.2", "no such domain");
    } else if (h->alone && h->sessions > 1) {
        end(t, OUTCOME_DEFERRED, "4.4.5", "one is enough");
    } else if (h->session_max > 0 && h->greeted >= h->session_max) {
        end(t, OUTCOME_DEFERRED, "4.7.0", "421 4.7.0 too many connections");
    } else {
        t->opened = true;
        h->greeted++;
        sched_transport_up()->opened(t->up);
        at(t, STEP_DELIVER, h->mode == HOST_HANG ? 5 * MINUTE : h->latency_ms);
    }
}

static void
on_content(void *ctx)
{
    struct transport_session *t = ctx;

    at(t, STEP_DELIVER, 0);
}

static struct transport_result
answer(struct world *w, enum host_mode mode)
{
    uint64_t chance = mode == HOST_MIXED ? world_random(w) % 10 : mode == HOST_OK ? 0 : 8;
    struct transport_result r = { .kind = OUTCOME_DELIVERED,
        .code = 250,
        .status = SLICE_LIT("2.1.5"),
        .reply = SLICE_LIT("ok"),
        .remote = SLICE_LIT("mx.example[192.0.2.25]:25"),
        .source = SLICE_LIT("192.0.2.10") };

    if (chance >= 7 && (mode == HOST_DEFER || (mode == HOST_MIXED && chance > 7))) {
        r.kind = OUTCOME_DEFERRED;
        r.code = 450;
        r.status = SLICE_LIT("4.2.1");
        r.reply = SLICE_LIT("450 4.2.1 mailbox busy");
    } else if (chance >= 7) {
        r.kind = OUTCOME_FAILED;
        r.code = 550;
        r.status = SLICE_LIT("5.1.1");
        r.reply = SLICE_LIT("5.1.1 no such user");
    }
    return r;
}

static void
note_delivered(struct world *w, uint64_t id, struct slice rcpt)
{
    unsigned index = 0;

    if (id >= w->seen_capacity) {
        uint64_t old = w->seen_capacity;

        w->seen_capacity = MAX(id + 1, old * 2);
        w->seen = realloc(w->seen, w->seen_capacity * sizeof(*w->seen));
        CHECK(w->seen != NULL);
        memset(w->seen + old, 0, (w->seen_capacity - old) * sizeof(*w->seen));
    }
    if (sscanf(rcpt.p, "u%u@", &index) == 1 && index < 64) {
        w->twice += (w->seen[id] >> index) & 1;
        w->seen[id] |= (uint64_t)1 << index;
    }
}

static void
note_dot(struct world *w, const struct delivery *d)
{
    size_t n = strlen(w->dots);

    n += (size_t)snprintf(w->dots + n, sizeof(w->dots) - n, "%.*s", SLICE_FMT(d->transid));
    for (uint32_t i = 0; i < d->recipient_count && n < sizeof(w->dots); i++) {
        n += (size_t)snprintf(
            w->dots + n, sizeof(w->dots) - n, " %.*s", SLICE_FMT(d->recipients[i]));
    }
    if (n < sizeof(w->dots)) {
        (void)snprintf(w->dots + n, sizeof(w->dots) - n, "\n");
    }
}

static void
deliver(struct transport_session *t)
{
    const struct transport_up *up = sched_transport_up();
    struct host *h = t->host;
    struct slice piece;
    int rc;

    if (h->mode == HOST_LOSE || h->mode == HOST_HANG || h->mode == HOST_REFUSE ||
        h->mode == HOST_BLACKHOLE || h->mode == HOST_NXDOMAIN) {
        end(t, OUTCOME_DEFERRED, "4.4.2", "connection lost");
        return;
    }
    rc = up->begin(t->up, on_content, t);
    if (rc == 0) {
        do {
            rc = up->content(t->up, &piece, on_content, t);
            t->w->first_bytes += rc > 0 ? piece.n : 0;
        } while (rc > 0);
    }
    rc = rc == 0 ? up->dot(t->up, on_content, t) : rc;
    if (rc == BH_EBUSY) {
        at(t, STEP_DELIVER, HOUR); /* on_content comes first */
        return;
    }
    if (rc < 0) {
        end(t, OUTCOME_DEFERRED, "4.3.0", "content or lease");
        return;
    }
    note_dot(t->w, t->d);
    h->rerouted += t->d->rerouted;
    if (h->mode == HOST_DOUBT) {
        end(t, OUTCOME_DEFERRED, "4.4.2", "connection lost after the final dot");
        return;
    }
    for (uint32_t i = 0; i < t->d->recipient_count; i++) {
        struct transport_result r = answer(t->w, h->mode);

        h->attempts++;
        if (r.kind == OUTCOME_DELIVERED) {
            h->delivered++;
            note_delivered(t->w, t->d->id, t->d->recipients[i]);
        }
        up->recipient(t->up, i, &r);
    }
    t->d = up->done(t->up);
    at(t, t->d != NULL ? STEP_DELIVER : STEP_IDLE, t->d != NULL ? h->latency_ms : t->w->idle_ms);
}

static void
step(struct transport_session *t)
{
    switch (t->step) {
    case STEP_OPEN:
        opened(t);
        break;
    case STEP_DELIVER:
        deliver(t);
        break;
    case STEP_IDLE:
    case STEP_CLOSED:
        end(t, OUTCOME_DEFERRED, "4.4.2", "idle or closed");
        break;
    }
}

/* ---- the scheduler's world */

static uint64_t
wall_ms(void *ctx)
{
    return ((struct world *)ctx)->now;
}

static void
set_timer(void *ctx, uint64_t in_ms)
{
    struct world *w = ctx;

    w->timer_at = w->now + in_ms;
}

static bool
find_route(void *ctx, const struct queue_message *m, struct slice recipient, uint16_t *via,
    uint8_t *via_count)
{
    struct world *w = ctx;

    (void)m;
    w->routed++;
    memcpy(via, w->via, sizeof(w->via));
    *via_count = w->via_count;
    return w->via_count > 0 && !slice_iends(recipient, SLICE_LIT("@noroute.example"));
}

static int
notify(void *ctx, struct slice to, struct slice content)
{
    struct world *w = ctx;
    const char *rcpt;

    if (w->notify_rc < 0) {
        return w->notify_rc;
    }
    w->notices++;
    fake_queue_note(w->q, 'n');
    free(w->notice);
    w->notice = slice_dup(content);
    if (w->requeue_notices && w->fresh_count < ARRAY_LEN(w->fresh)) {
        rcpt = slice_dup(to);
        w->fresh[w->fresh_count++] = fake_queue_put(w->q, "", &rcpt, 1, w->now);
        free((void *)(uintptr_t)rcpt);
    }
    return 0;
}

static struct sched_life
life(void *ctx, const struct queue_message *m)
{
    struct world *w = ctx;

    CHECK(m->body >= ENVELOPE_P1_MESSAGE);
    CHECK(m->hops < SCHED_URGENCIES); /* which a test sets so */
    w->lives++;
    return (struct sched_life){ (enum sched_urgency)m->hops, w->expires_wall_ms,
        w->not_before_wall_ms };
}

static uint64_t
report_bytes(void *ctx, const struct queue_message *m, struct slice start)
{
    CHECK(start.n == MIN(m->size_bytes, (uint64_t)32));
    return ((struct world *)ctx)->report_wants;
}

static int
report(void *ctx, const struct sched_report *r)
{
    struct world *w = ctx;
    struct buf out;

    if (w->notify_rc < 0) {
        return w->notify_rc;
    }
    buf_init(&out, MIB);
    CHECK(buf_printf(&out, "%.*s|", SLICE_FMT(r->content)) == 0);
    for (uint32_t i = 0; i < r->failure_count; i++) {
        const struct sched_failure *f = &r->failures[i];

        CHECK(buf_printf(&out, "%.*s %.*s;", SLICE_FMT(f->address), SLICE_FMT(f->status)) == 0);
        (void)snprintf(w->reported_text, sizeof(w->reported_text), "%.*s", SLICE_FMT(f->text));
    }
    w->reports++;
    fake_queue_note(w->q, 'n');
    free(w->reported);
    w->reported = slice_dup(buf_slice(&out));
    buf_fini(&out);
    return 0;
}

static void
on_gone(void *ctx, struct queue_message *m)
{
    struct world *w = ctx;

    if (w->s != NULL) {
        sched_remove(w->s, m);
    }
}

struct world *
world_new(void)
{
    static const struct retry_schedule retry = {
        { 30 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR }, 5
    };
    struct world *w = calloc(1, sizeof(*w));

    CHECK(w != NULL);
    w->now = WORLD_START;
    w->timer_at = UINT64_MAX;
    w->q = fake_queue_new();
    w->q->on_gone = on_gone;
    w->q->ctx = w;
    w->o = (struct sched_options){ .retry = retry,
        .backoff = retry,
        .expire_ms = 5 * (uint64_t)DAY,
        .warn_after_ms = 4 * HOUR,
        .hostname = "mx.example.org" };
    w->connectors[0] = (struct sched_connector){ .name = "mx",
        .protocol = "smtp",
        .transport = { &fake_ops, w },
        .per_domain = true,
        .concurrency = 20,
        .recipients_per_transaction = 50,
        .down_after_ms = 10 * MINUTE };
    w->connector_count = 1;
    w->via_count = 1;
    w->idle_ms = 10 * SECOND;
    return w;
}

void
world_start(struct world *w)
{
    struct sched_env env = { .ctx = w,
        .queue = w->q,
        .set_timer = set_timer,
        .route = find_route,
        .wall_ms = wall_ms,
        .notify = notify,
        .report = report,
        .life = life,
        .report_bytes = report_bytes };

    for (size_t i = 0; w->says_rerouted && i < w->connector_count; i++) {
        w->connectors[i].transport.ops = &saying_ops;
    }
    CHECK(sched_new(&w->s, &w->o, &env, w->connectors, w->connector_count) == 0);
    w->recovered.in_hand = 1;
    CHECK(sched_recovered(w->s, &w->recovered) == 0);
    for (struct queue_message *m = queue_after(w->q, 0); m != NULL; m = queue_after(w->q, m->id)) {
        m->sched = NULL;
        sched_add(w->s, m);
    }
    sched_set_run(w->s, SCHED_RUNNING);
}

void
world_stop(struct world *w)
{
    while (heap_min(&w->events) != NULL) {
        struct transport_session *t =
            CONTAINER_OF(heap_min(&w->events), struct transport_session, event);

        heap_remove(&w->events, &t->event);
        t->host->sessions--;
        t->host->greeted -= t->opened;
        free(t);
    }
    sched_free(w->s);
    w->s = NULL;
    w->timer_at = UINT64_MAX;
}

void
world_free(struct world *w)
{
    if (w->s != NULL) {
        world_stop(w);
    }
    CHECK(w->q->readers == 0);
    fake_queue_free(w->q);
    heap_fini(&w->events);
    free(w->seen);
    free(w->notice);
    free(w->reported);
    free(w);
}

struct host *
world_host(struct world *w, const char *name, enum host_mode mode)
{
    struct host *h = host_of(w, slice_of(name));

    h->mode = mode;
    return h;
}

void
world_add(struct world *w, struct queue_message *m)
{
    sched_add(w->s, m);
}

struct queue_message *
world_put(struct world *w, const char *sender, const char *rcpt)
{
    struct queue_message *m = fake_queue_put(w->q, sender, &rcpt, 1, w->now);

    sched_add(w->s, m);
    return m;
}

struct queue_message *
world_put_many(struct world *w, const char *sender, const char *domain, uint32_t count)
{
    char(*text)[64] = calloc(count, sizeof(*text));
    const char **rcpts = calloc(count, sizeof(char *));
    struct queue_message *m;

    CHECK(text != NULL && rcpts != NULL);
    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(text[i], sizeof(text[i]), "u%u@%s", i, domain);
        rcpts[i] = text[i];
    }
    m = fake_queue_put(w->q, sender, rcpts, count, w->now);
    free(text);
    free((void *)rcpts);
    sched_add(w->s, m);
    return m;
}

static void
add_fresh(struct world *w)
{
    for (size_t i = 0; i < w->fresh_count; i++) {
        sched_add(w->s, w->fresh[i]);
    }
    w->fresh_count = 0;
}

bool
world_run(struct world *w, uint64_t until_ms, bool (*done)(struct world *w))
{
    for (;;) {
        const struct heap_node *n;
        uint64_t next;

        while (fake_queue_ready(w->q) || fake_queue_sync(w->q)) {
        }
        fake_queue_reap(w->q);
        add_fresh(w);
        n = heap_min(&w->events);
        if (done != NULL && done(w)) {
            return true;
        }
        next = MIN(n != NULL ? n->key : UINT64_MAX, w->timer_at);
        if (next > until_ms) {
            w->now = MAX(w->now, until_ms);
            return false;
        }
        w->now = MAX(w->now, next);
        if (w->timer_at <= w->now) {
            w->timer_at = UINT64_MAX;
            sched_tick(w->s);
        } else {
            step(CONTAINER_OF(heap_min(&w->events), struct transport_session, event));
        }
    }
}

bool
world_empty(struct world *w)
{
    return w->q->live == 0 && w->fresh_count == 0;
}
