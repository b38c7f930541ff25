/* support/fake_queue.c - see there. Out of memory ends the test. */
#include "fake_queue.h"

#include <stdio.h>
#include <stdlib.h>

struct message {
    struct queue_message m;
    struct slice content;
};

struct queue_reader {
    struct queue *q;
    struct queue_message *m;
    size_t at;
    bool granted;
    loop_fn *ready;
    void *ctx;
    struct queue_reader *next;
};

struct fake_wait {
    struct fake_wait *next;
    queue_done_fn *cb;
    void *ctx;
};

static void *
need(void *p)
{
    CHECK(p != NULL);
    return p;
}

static struct slice
copy(struct slice s)
{
    return (struct slice){ need(slice_dup(s)), s.n };
}

static void
drop(struct slice s)
{
    free((void *)(uintptr_t)s.p);
}

struct queue *
fake_queue_new(void)
{
    struct queue *q = need(calloc(1, sizeof(*q)));

    q->piece_bytes = SIZE_MAX;
    return q;
}

static void
message_free(struct queue_message *m)
{
    for (uint32_t i = 0; i < m->recipient_count; i++) {
        drop(m->recipients[i].address);
        drop(m->recipients[i].orcpt);
        drop(m->recipients[i].last_reply);
    }
    drop(m->sender);
    drop(CONTAINER_OF(m, struct message, m)->content);
    free(m->recipients);
    free(CONTAINER_OF(m, struct message, m));
}

void
fake_queue_free(struct queue *q)
{
    for (uint64_t i = 0; i < q->count; i++) {
        if (q->messages[i] != NULL) {
            message_free(q->messages[i]);
        }
    }
    fake_queue_reap(q);
    free(q->messages);
    free(q->gone);
    free(q);
}

struct queue_message *
fake_queue_put(struct queue *q, const char *sender, const char *const *rcpts, uint32_t count,
    uint64_t received_wall_ms)
{
    struct message *x = need(calloc(1, sizeof(*x)));
    struct queue_message *m = &x->m;

    if (q->count == q->capacity) {
        q->capacity = MAX(64u, q->capacity * 2);
        q->messages = need(realloc(q->messages, q->capacity * sizeof(struct queue_message *)));
    }
    q->messages[q->count++] = m;
    q->live++;
    m->id = q->count;
    m->sender = copy(slice_of(sender));
    m->received_wall_ms = received_wall_ms;
    m->recipient_count = m->live_count = count;
    m->recipients = need(calloc(count, sizeof(*m->recipients)));
    for (uint32_t i = 0; i < count; i++) {
        m->recipients[i].address = copy(slice_of(rcpts[i]));
        m->recipients[i].orcpt = copy(SLICE_NONE);
        m->recipients[i].last_reply = copy(SLICE_NONE);
    }
    x->content = copy(SLICE_LIT("Subject: test\r\nFrom: a\r\n\r\nbody\r\n"));
    return m;
}

void
fake_queue_content(struct queue *q, struct queue_message *m, struct slice content)
{
    struct message *x = CONTAINER_OF(m, struct message, m);

    (void)q;
    drop(x->content);
    x->content = copy(content);
}

void
fake_queue_note(struct queue *q, char what)
{
    if (q->journal_count < FAKE_JOURNAL_MAX - 1) {
        q->journal[q->journal_count++] = what;
        q->journal[q->journal_count] = '\0';
    }
}

void
fake_queue_reap(struct queue *q)
{
    for (size_t i = 0; i < q->gone_count; i++) {
        if (q->on_gone != NULL) {
            q->on_gone(q->ctx, q->gone[i]);
        }
        message_free(q->gone[i]);
    }
    q->gone_count = 0;
}

static void
gone(struct queue *q, struct queue_message *m)
{
    q->messages[m->id - 1] = NULL;
    q->live--;
    if (q->late_gone) {
        if (q->gone_count == q->gone_capacity) {
            q->gone_capacity = MAX(64u, q->gone_capacity * 2);
            q->gone = need(realloc(q->gone, q->gone_capacity * sizeof(struct queue_message *)));
        }
        q->gone[q->gone_count++] = m;
        return;
    }
    if (q->on_gone != NULL) {
        q->on_gone(q->ctx, m);
    }
    message_free(m);
}

static bool
known(struct queue *q, const struct queue_message *m)
{
    if (m->id == 0 || m->id > q->count || q->messages[m->id - 1] != m) {
        q->violations++;
        return false;
    }
    return true;
}

static void
apply(struct queue *q, struct queue_message *m, const struct queue_outcome *o)
{
    static const uint8_t states[] = { [OUTCOME_DELIVERED] = RECIPIENT_DELIVERED,
        [OUTCOME_DEFERRED] = RECIPIENT_QUEUED,
        [OUTCOME_FAILED] = RECIPIENT_FAILED,
        [OUTCOME_EXPANDED] = RECIPIENT_EXPANDED,
        [OUTCOME_REMOVED] = RECIPIENT_REMOVED };
    struct queue_recipient *r = &m->recipients[o->recipient];

    if (o->recipient >= m->recipient_count || r->state != RECIPIENT_QUEUED) {
        q->violations++;
        return;
    }
    fake_queue_note(q, "Ddfex"[o->kind]);
    q->outcomes[o->kind]++;
    q->in_doubt += o->in_doubt;
    r->in_doubt =
        o->in_doubt || (o->kind == OUTCOME_DEFERRED && r->in_doubt && !o->settled && !o->answered);
    r->transaction = r->in_doubt ? r->transaction : 0;
    r->attempt = ATTEMPT_NONE;
    m->crashes = 0;
    r->state = states[o->kind];
    drop(r->last_reply);
    r->last_reply = copy(o->reply);
    if (o->kind == OUTCOME_DEFERRED) {
        r->attempts = (uint16_t)(r->attempts + (!o->settled && !o->untried));
        r->next_wall_ms = o->next_wall_ms;
    } else {
        m->live_count--;
    }
}

int
queue_record(
    struct queue *q, struct queue_message *m, const struct queue_outcome *outcomes, uint32_t count)
{
    if (q->record_rc < 0) {
        return q->record_rc;
    }
    if (!known(q, m) || count == 0) {
        q->violations += count == 0;
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        apply(q, m, &outcomes[i]);
    }
    if (m->live_count == 0) {
        gone(q, m);
    }
    return 0;
}

static int
attempt(struct queue *q, struct queue_message *m, const uint32_t *recipients, uint32_t count,
    enum queue_attempt_kind kind, uint64_t transaction)
{
    if (q->attempt_rc < 0) {
        return q->attempt_rc;
    }
    q->violations += count == 0;
    for (uint32_t i = 0; known(q, m) && i < count; i++) {
        if (recipients[i] >= m->recipient_count ||
            m->recipients[recipients[i]].state != RECIPIENT_QUEUED) {
            q->violations++;
        } else {
            struct queue_recipient *r = &m->recipients[recipients[i]];

            r->attempt = (uint8_t)kind;
            r->transaction = kind == ATTEMPT_TRANSFER ? transaction
                             : r->in_doubt            ? r->transaction
                                                      : 0;
        }
    }
    return 0;
}

int
queue_attempt(struct queue *q, struct queue_message *m, const uint32_t *recipients, uint32_t count,
    enum queue_attempt_kind kind, uint64_t transaction, queue_done_fn *cb, void *ctx)
{
    int rc = attempt(q, m, recipients, count, kind, transaction);

    if (rc == 0) {
        q->attempted++;
    }
    if (rc == 0 && cb != NULL) {
        struct fake_wait *w = need(malloc(sizeof(*w)));

        *w = (struct fake_wait){ q->attempts, cb, ctx };
        q->attempts = w;
    }
    return rc;
}

int
queue_withdraw(struct queue *q, struct queue_message *m, const uint32_t *recipients, uint32_t count)
{
    q->withdrawn++;
    return attempt(q, m, recipients, count, ATTEMPT_NONE, 0);
}

uint64_t
queue_transaction_new(struct queue *q)
{
    return ++q->transactions;
}

void
queue_store_uuid(const struct queue *q, char out[37])
{
    (void)q;
    memcpy(out, "01234567-89ab-4def-8123-456789abcdef", 37);
}

void
queue_forget(struct queue *q, queue_done_fn *cb, void *ctx)
{
    for (struct fake_wait **p = &q->attempts; *p != NULL;) {
        struct fake_wait *w = *p;

        if (w->cb == cb && w->ctx == ctx) {
            *p = w->next;
            free(w);
        } else {
            p = &w->next;
        }
    }
}

bool
fake_queue_sync(struct queue *q)
{
    struct fake_wait *w = q->attempts;

    if (w == NULL || q->stalled) {
        return false;
    }
    q->attempts = w->next;
    w->cb(w->ctx, 0);
    free(w);
    return true;
}

int
queue_set_crashes(struct queue *q, struct queue_message *m, uint8_t crashes)
{
    if (known(q, m)) {
        m->crashes = crashes;
    }
    return q->record_rc;
}

int
queue_set_held(struct queue *q, struct queue_message *m, enum queue_hold held)
{
    if (known(q, m)) {
        m->held = (uint8_t)held;
    }
    return q->record_rc;
}

int
queue_set_next(struct queue *q, struct queue_message *m, uint64_t next_wall_ms)
{
    if (known(q, m)) {
        for (uint32_t i = 0; i < m->recipient_count; i++) {
            if (m->recipients[i].state == RECIPIENT_QUEUED) {
                m->recipients[i].next_wall_ms = next_wall_ms;
            }
        }
    }
    return q->record_rc;
}

int
queue_set_warned(struct queue *q, struct queue_message *m)
{
    if (known(q, m)) {
        for (uint32_t i = 0; i < m->recipient_count; i++) {
            m->recipients[i].warned = true;
        }
        q->warned++;
    }
    return q->record_rc;
}

int
queue_lease_check(const struct queue *q)
{
    return q->lease_rc;
}

struct queue_message *
queue_find(const struct queue *q, msg_id id)
{
    return id > 0 && id <= q->count ? q->messages[id - 1] : NULL;
}

struct queue_message *
queue_after(const struct queue *q, msg_id id)
{
    for (uint64_t i = id; i < q->count; i++) {
        if (q->messages[i] != NULL) {
            return q->messages[i];
        }
    }
    return NULL;
}

int
queue_reader_open(struct queue *q, const struct queue_message *m, struct queue_reader **out)
{
    struct queue_reader *r;

    if (!known(q, m) || q->reader_rc < 0) {
        return q->reader_rc < 0 ? q->reader_rc : BH_ENOTFOUND;
    }
    r = need(calloc(1, sizeof(*r)));
    r->q = q;
    r->m = q->messages[m->id - 1];
    q->readers++;
    *out = r;
    return 0;
}

uint64_t
queue_reader_seek(struct queue_reader *r, uint64_t offset)
{
    r->at = (size_t)offset / r->q->piece_bytes * r->q->piece_bytes;
    return offset - r->at;
}

int
queue_reader_next(struct queue_reader *r, struct slice *out, loop_fn *ready, void *ctx)
{
    struct slice all = CONTAINER_OF(r->m, struct message, m)->content;

    if (r->q->busy && !r->granted) {
        r->ready = ready;
        r->ctx = ctx;
        r->next = r->q->waiting;
        r->q->waiting = r;
        return BH_EBUSY;
    }
    r->granted = false;
    *out = slice_sub(all, r->at, r->q->piece_bytes);
    r->at += out->n;
    return (int)out->n;
}

static void
unwait(struct queue_reader *r)
{
    for (struct queue_reader **p = &r->q->waiting; *p != NULL; p = &(*p)->next) {
        if (*p == r) {
            *p = r->next;
            return;
        }
    }
}

void
queue_reader_close(struct queue_reader *r)
{
    unwait(r);
    r->q->readers--;
    free(r);
}

bool
fake_queue_ready(struct queue *q)
{
    struct queue_reader *r = q->waiting;

    if (r == NULL) {
        return false;
    }
    q->waiting = r->next;
    r->granted = true;
    r->ready(r->ctx);
    return true;
}
