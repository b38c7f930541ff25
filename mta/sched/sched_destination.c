/* sched/sched_destination.c - who may open a session now, back-off, and moving to an alternate.
 *
 * How many sessions: `window`, at most the configured concurrency. It begins small, because nobody
 * knows yet whether the destination answers, grows by one with each finished delivery (so it
 * doubles each round trip), is one after a failure, and is what was open when a further session was
 * refused. A further session is opened only if more tasks are ready than sessions are opening,
 * since each of those takes one as soon as it is through with its first.
 */
#include "sched/sched_private.h"

#include "core/log.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- life */

static struct slice
name_of(const struct destination *d)
{
    return (struct slice){ d->name, d->name_bytes };
}

static struct slice
key_of(const struct map_node *n)
{
    return name_of(CONTAINER_OF(n, struct destination, node));
}

struct destination *
destination_new(struct connector *c, struct slice name)
{
    struct destination *d = calloc(1, sizeof(*d) + name.n + 1);

    if (d == NULL) {
        return NULL;
    }
    d->connector = c;
    d->name_bytes = (uint32_t)name.n;
    memcpy(d->name, name.p, name.n);
    for (unsigned i = 0; i < SCHED_URGENCIES; i++) {
        list_init(&d->ready[i]);
    }
    list_init(&d->idle);
    list_init(&d->wake);
    list_init(&d->waiting);
    list_init(&d->moving);
    heap_node_init(&d->backoff);
    d->window = WINDOW_FIRST;
    if (c != NULL && map_insert(&c->dests, &d->node, key_of) < 0) {
        free(d);
        return NULL;
    }
    return d;
}

/* A place that was free for a destination which has no use for it, or may not take it now, is for
 * the next one in the line. */
static void
pass_on(struct sched *s, struct connector *c)
{
    if (c->limit == 0 || c->sessions < c->limit) {
        connector_slot_free(s, c);
    }
}

void
destination_free(struct sched *s, struct destination *d)
{
    struct connector *c = d->connector;

    list_remove(&d->wake);
    list_remove(&d->waiting);
    list_remove(&d->moving);
    heap_remove(&s->backoffs, &d->backoff);
    if (c != NULL) {
        map_remove(&c->dests, &d->node);
        c->down_dests -= d->down;
        pass_on(s, c);
    }
    free(d->last_error);
    free(d);
}

struct connector *
connector_new(struct sched *s, const struct sched_connector *o)
{
    struct connector *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        return NULL;
    }
    list_init(&c->link);
    list_init(&c->waiting);
    list_init(&c->idle);
    map_init(&c->dests);
    c->s = s;
    c->name = slice_dup(slice_of(o->name));
    c->protocol = slice_dup(slice_of(o->protocol));
    c->per_domain = o->per_domain;
    connector_set(c, o);
    if (c->name == NULL || c->protocol == NULL) {
        connector_free(c);
        return NULL;
    }
    if (!o->per_domain) {
        c->only = destination_new(c, slice_of(o->name));
        if (c->only == NULL) {
            connector_free(c);
            return NULL;
        }
    }
    return c;
}

void
connector_set(struct connector *c, const struct sched_connector *o)
{
    c->transport = o->transport;
    c->concurrency = MAX(o->concurrency, 1u);
    c->limit = o->connector_limit;
    c->per_transaction =
        MIN(MAX(o->recipients_per_transaction, 1u), (uint32_t)SCHED_RECIPIENTS_MAX);
    c->down_after_ms = o->down_after_ms;
    c->in_doubt_hold = o->in_doubt_hold;
    c->open_interval_ms = o->open_interval_ms;
    c->transfer_interval_ms = o->transfer_interval_ms;
    c->open_retries = o->open_retries;
    c->transfer_retries = o->transfer_retries;
}

void
connector_free(struct connector *c)
{
    list_remove(&c->link);
    map_fini(&c->dests);
    free(c->name);
    free(c->protocol);
    free(c);
}

/* A destination nobody needs: no mail, no session, and no back-off that new mail should meet. */
void
destination_check_unused(struct sched *s, struct destination *d)
{
    struct connector *c = d->connector;

    if (c == NULL || d->tasks > 0 || d->sessions > 0) {
        return;
    }
    if (!c->removed && (d == c->only || (d->down && sched_now(s) < d->next_try_ms))) {
        return;
    }
    destination_free(s, d);
    if (c->removed && c->dests.count == 0) {
        connector_free(c);
    }
}

/* ---- choice */

static bool
domain_of(const struct sched *s, struct slice recipient, char out[ADDRESS_DOMAIN_BYTES_MAX],
    struct slice *name)
{
    size_t at = slice_rfind(recipient, '@');
    struct slice domain = slice_skip(recipient, MIN(at, recipient.n - 1) + 1);

    if (recipient.n == 0 || at == recipient.n) {
        domain = slice_of(s->hostname); /* a bare postmaster */
    }
    if (domain.n > 1 && domain.p[domain.n - 1] == '.') {
        domain.n--;
    }
    if (domain.n == 0 || domain.n > ADDRESS_DOMAIN_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < domain.n; i++) {
        char c = domain.p[i];

        out[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    *name = (struct slice){ out, domain.n };
    return true;
}

static struct destination *
find(const struct connector *c, struct slice domain)
{
    const struct map_node *n;

    if (!c->per_domain) {
        return c->only;
    }
    n = map_find(&c->dests, domain, key_of);
    return n != NULL ? CONTAINER_OF(n, struct destination, node) : NULL;
}

/* Down and not to be asked now: the time has not come, or somebody is already asking or about to.
 * So one new message is the probe, and the rest takes the alternate. */
static bool
blocked(const struct sched *s, const struct destination *d)
{
    return d->down && (d->opening > 0 || d->ready_tasks > 0 || sched_now(s) < d->next_try_ms);
}

struct destination *
destination_choose(
    struct sched *s, const struct queue_message *m, uint32_t recipient, struct destination *current)
{
    struct slice to = m->recipients[recipient].address;
    char text[ADDRESS_DOMAIN_BYTES_MAX];
    struct slice domain;
    uint16_t via[ROUTE_VIA_MAX];
    uint8_t count = 0;
    struct connector *fallback = NULL;
    struct destination *d = NULL;
    bool here = false;

    if (!domain_of(s, to, text, &domain) || !s->env.route(s->env.ctx, m, to, via, &count)) {
        return s->noroute;
    }
    for (uint8_t i = 0; i < count; i++) {
        struct connector *c = via[i] < s->connector_count ? s->connectors[via[i]] : NULL;

        if (c == NULL) {
            continue;
        }
        d = find(c, domain);
        here = here || (d != NULL && d == current && !c->suspended);
        if (!c->suspended && (d == NULL || !blocked(s, d))) {
            fallback = c;
            here = false;
            break;
        }
        if (fallback == NULL || (fallback->suspended && !c->suspended)) {
            fallback = c; /* nothing can be reached: wait at the first that will be tried */
        }
    }
    if (fallback == NULL) {
        return s->noroute;
    }
    d = here ? current : find(fallback, domain);
    if (d == NULL) {
        d = destination_new(fallback, domain);
    }
    if (d == NULL) {
        return s->noroute; /* no memory: routed again in some minutes */
    }
    d->alternates = d->alternates || count > 1;
    return d;
}

bool
destination_is_alternate(struct sched *s, const struct destination *d,
    const struct queue_message *m, const uint32_t *recipients, uint32_t count)
{
    uint16_t via[ROUTE_VIA_MAX];
    uint8_t via_count = 0;

    if (!d->alternates || !d->connector->transport.ops->says_rerouted) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (s->env.route(s->env.ctx, m, m->recipients[recipients[i]].address, via, &via_count) &&
            via_count > 1 && via[0] < s->connector_count && s->connectors[via[0]] != d->connector) {
            return true;
        }
    }
    return false;
}

/* ---- sessions */

void
destination_wake(struct sched *s, struct destination *d)
{
    if (list_empty(&d->wake)) {
        list_push_back(&s->wake, &d->wake);
    }
}

void
destination_nap(struct sched *s, struct destination *d, uint64_t until_ms)
{
    d->next_try_ms = until_ms;
    if (heap_has(&d->backoff)) {
        heap_rekey(&s->backoffs, &d->backoff, until_ms);
    } else if (heap_insert(&s->backoffs, &d->backoff, until_ms) < 0) {
        d->next_try_ms = 0; /* no memory to remember it: asked again with the next mail */
    }
}

/* A slot of the connector is wanted: the session that is idle longest gives way. */
static void
evict_idle(struct sched *s, struct connector *c, const struct destination *wanting)
{
    struct list *oldest = c->idle.prev;

    if (oldest != &c->idle) {
        struct sched_session *ss = CONTAINER_OF(oldest, struct sched_session, idle_conn);

        if (ss->dest != wanting) {
            session_close_later(s, ss);
        }
    }
}

static bool
may_open(struct sched *s, struct destination *d)
{
    struct connector *c = d->connector;
    uint32_t limit = d->down ? c->concurrency : MIN(d->window, c->concurrency);

    if (d->next_try_ms > 0 && sched_now(s) < d->next_try_ms) {
        return false;
    }
    if (d->down ? d->opening > 0 : d->ready_tasks <= d->opening) {
        return false;
    }
    if (d->sessions >= limit) {
        return false;
    }
    if (c->limit > 0 && c->sessions >= c->limit) {
        if (list_empty(&d->waiting)) {
            list_push_back(&c->waiting, &d->waiting);
        }
        evict_idle(s, c, d);
        return false;
    }
    return true;
}

void
destination_pump(struct sched *s, struct destination *d)
{
    struct connector *c = d->connector;

    if (c == NULL || c->suspended || c->removed || !sched_may_begin(s)) {
        return;
    }
    while (d->ready_tasks > 0) {
        if (!list_empty(&d->idle)) {
            if (!session_work(s, CONTAINER_OF(d->idle.next, struct sched_session, idle))) {
                break;
            }
        } else if (!may_open(s, d) || !session_open(s, d)) {
            break;
        }
    }
    pass_on(s, c);
}

void
connector_slot_free(struct sched *s, struct connector *c)
{
    struct list *first = list_pop_front(&c->waiting);

    if (first != NULL) {
        destination_wake(s, CONTAINER_OF(first, struct destination, waiting));
    }
}

/* The next to go, which stays where it is; NULL: none is ready. */
static struct task *
first_ready(struct destination *d)
{
    for (unsigned i = 0; i < SCHED_URGENCIES; i++) {
        if (!list_empty(&d->ready[i])) {
            return CONTAINER_OF(d->ready[i].next, struct task, at.link);
        }
    }
    return NULL;
}

struct task *
destination_pick(struct sched *s, struct destination *d, struct sched_session *ss)
{
    uint32_t max = d->connector->per_transaction;
    struct task *t = first_ready(d);

    if (t == NULL) {
        return NULL;
    }
    task_leave(s, t);
    if (!task_split_doubt(s, t) || (t->count > max && !task_split(s, t, max))) {
        task_to_ready(s, t, true);
        destination_nap(s, d, sched_now(s) + 1000); /* no memory */
        return NULL;
    }
    task_to_running(s, t, ss);
    return t;
}

/* ---- what became of sessions */

void
destination_note_error(struct sched *s, struct destination *d, struct slice why)
{
    struct connector *c = d->connector;
    size_t n = MIN(why.n, (size_t)ERROR_TEXT_CAP - 1);

    c->last_error_ms = d->last_error_ms = sched_now(s);
    memcpy(c->last_error, why.p, n);
    c->last_error[n] = '\0';
    free(d->last_error);
    d->last_error = slice_dup((struct slice){ why.p, n }); /* NULL: then it isn't shown */
}

uint64_t
destination_delay_ms(const struct retry_schedule *schedule, uint64_t interval_ms, uint32_t attempts,
    uint64_t seed, uint64_t resume_ms)
{
    const struct retry_schedule own = { { interval_ms }, 1 };
    uint64_t delay_ms = retry_delay_ms(interval_ms != 0 ? &own : schedule, attempts, seed);
    uint64_t soon_ms = MAX(resume_ms / RESUME_PARTS, (uint64_t)ASK_SOON_MS);

    return resume_ms != 0 ? MIN(delay_ms, soon_ms) : delay_ms;
}

bool
destination_gives_up(
    struct sched *s, const struct destination *d, const struct queue_message *m, uint32_t recipient)
{
    const struct connector *c = d->connector;
    uint16_t via[ROUTE_VIA_MAX];
    uint8_t count = 0;

    if (c == NULL || c->suspended || c->open_retries == 0 || d->unopened < c->open_retries) {
        return false;
    }
    /* Intervals are spread by a tenth: what came since the first of so many attempts waits on. */
    if (m->received_wall_ms + (c->open_retries - 1) * (c->open_interval_ms / 10 * 9) >
        sched_now(s)) {
        return false;
    }
    return s->env.route(s->env.ctx, m, m->recipients[recipient].address, via, &count) && count == 1;
}

/* As long as one of its messages can be resumed: also for a message that cannot. */
static uint64_t
backoff_ms(const struct sched *s, const struct destination *d)
{
    uint64_t now = sched_now(s);

    return destination_delay_ms(&s->o.backoff, d->connector->open_interval_ms, d->failures,
        hash_bytes(name_of(d)), d->resume_by_ms - MIN(d->resume_by_ms, now));
}

void
destination_resumable(struct sched *s, struct destination *d, uint64_t resume_ms)
{
    uint64_t now = sched_now(s);

    if (resume_ms == 0) {
        return;
    }
    d->resume_by_ms = MAX(d->resume_by_ms, now + resume_ms);
    if (d->down) {
        destination_nap(s, d, MIN(d->next_try_ms, now + backoff_ms(s, d)));
    }
}

void
destination_failed(struct sched *s, struct destination *d, const struct transport_result *r)
{
    struct connector *c = d->connector;
    uint64_t now = sched_now(s), delay_ms;

    d->failures++;
    d->window = 1;
    d->lost = 0;
    destination_resumable(s, d, r->resume_ms);
    delay_ms = backoff_ms(s, d);
    destination_nap(s, d, now + delay_ms);
    if (!d->down) {
        d->down = true;
        c->down_dests++;
        log_event(EV_DESTINATION_DOWN, LF_STR("connector", c->name),
            LF_SLICE("destination", name_of(d)), LF_MS("again_in", delay_ms),
            LF_SLICE("error", r->reply));
    }
    if (c->failing_since_ms == 0) {
        c->failing_since_ms = now;
    }
    if (d->alternates || (c->open_retries > 0 && d->unopened >= c->open_retries)) {
        destination_move(s, d);
    }
}

void
destination_reached(struct sched *s, struct destination *d)
{
    struct connector *c = d->connector;

    c->failing_since_ms = 0;
    d->unopened = 0;
    if (d->down) {
        d->down = false;
        c->down_dests--;
        d->next_try_ms = 0;
        heap_remove(&s->backoffs, &d->backoff);
        log_event(EV_DESTINATION_UP, LF_STR("connector", c->name),
            LF_SLICE("destination", name_of(d)), LF_UINT("waiting", d->tally.ready));
    }
    destination_wake(s, d);
}

void
destination_proved(struct sched *s, struct destination *d)
{
    d->failures = 0;
    d->lost = 0;
    if (d->down) {
        destination_reached(s, d);
    }
    if (d->window < d->connector->concurrency &&
        (d->grow_after_ms == 0 || sched_now(s) >= d->grow_after_ms)) {
        d->grow_after_ms = 0;
        d->window++;
        if (d->ready_tasks > 0) {
            destination_wake(s, d);
        }
    }
}

void
destination_crowded(struct sched *s, struct destination *d)
{
    d->window = MAX(d->sessions - d->opening - 1, 1u); /* the refused one still counts */
    d->grow_after_ms = sched_now(s) + retry_delay_ms(&s->o.backoff, 1, 0);
}

/* ---- moving */

void
destination_move(struct sched *s, struct destination *d)
{
    memcpy(d->move_left, d->ready_of, sizeof(d->move_left));
    if (d->ready_tasks > 0 && list_empty(&d->moving)) {
        list_push_back(&s->moving, &d->moving);
    }
}

/* Nobody could be reached for so long that it fails? Where there is no room for its notice, or no
 * memory, the next failed attempt asks again. */
static bool
gave_up(struct sched *s, struct destination *d, struct task *t)
{
    char text[ERROR_TEXT_CAP + 128];

    for (uint32_t i = t->first; i != CHAIN_END; i = task_after(t->entry, i)) {
        if (!destination_gives_up(s, d, t->entry->m, i)) {
            return false;
        }
    }
    (void)snprintf(text, sizeof(text), "%u attempts in a row to reach the next hop failed: %s",
        d->unopened, d->last_error != NULL ? d->last_error : "no reason is known");
    return sched_deadlines_run(s) && sched_fail_task(s, t, "4.4.1", text);
}

/* Those of one urgency. */
static uint32_t
move_some_of(struct sched *s, struct destination *d, enum sched_urgency u, uint32_t budget)
{
    while (budget > 0 && d->move_left[u] > 0 && !list_empty(&d->ready[u])) {
        struct task *t = CONTAINER_OF(d->ready[u].next, struct task, at.link);

        budget--;
        d->move_left[u]--;
        if (gave_up(s, d, t)) {
            continue;
        }
        task_leave(s, t);
        task_route(s, t); /* to the end of some line: perhaps, after a full turn, in this order */
    }
    if (list_empty(&d->ready[u])) {
        d->move_left[u] = 0;
    }
    return budget;
}

bool
destination_move_some(struct sched *s, struct destination *d, uint32_t budget)
{
    bool more = false;

    d->tasks++; /* keeps it while its last task leaves */
    for (unsigned u = 0; u < SCHED_URGENCIES; u++) {
        budget = move_some_of(s, d, (enum sched_urgency)u, budget);
        more = more || d->move_left[u] > 0;
    }
    if (!more) {
        list_remove(&d->moving);
    }
    d->tasks--;
    destination_check_unused(s, d);
    return more;
}

bool
connector_down(const struct connector *c, uint64_t now_ms)
{
    if (c->failing_since_ms == 0 || now_ms - c->failing_since_ms < c->down_after_ms) {
        return false;
    }
    return !c->per_domain || (c->down_dests >= 3 && c->down_dests == c->dests.count);
}
