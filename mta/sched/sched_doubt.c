/* sched/sched_doubt.c - what the last owner had in hand when it ended: who is in doubt, and which
 * message may have ended it. The rules are in docs/formats/journal.md section 6a. */
#include "sched/sched_private.h"

#include "core/log.h"
#include "core/ticks.h"

#include <stdio.h>
#include <stdlib.h>

#define CRASHES_SUSPECT 2 /* in a row, with it in hand */
#define SPREAD_MS       1000
#define CAREFUL_MS      (UINT64_C(5) * 60 * 1000) /* as long as the keeper counts crashes */

struct found { /* messages in hand, in the order of arrival */
    struct queue_message **list;
    size_t count, capacity;
    struct queue_message *culprit; /* to be held; NULL: none */
    size_t suspects;
};

static bool
in_hand(const struct queue_message *m)
{
    for (uint32_t i = 0; i < m->recipient_count; i++) {
        if (m->recipients[i].attempt != ATTEMPT_NONE) {
            return true;
        }
    }
    return false;
}

static int
find(struct sched *s, struct found *f)
{
    for (struct queue_message *m = queue_after(s->env.queue, 0); m != NULL;
         m = queue_after(s->env.queue, m->id)) {
        if (!in_hand(m)) {
            continue;
        }
        if (f->count == f->capacity) {
            size_t capacity = MAX(f->capacity * 2, (size_t)64);
            struct queue_message **grown =
                realloc(f->list, capacity * sizeof(struct queue_message *));

            if (grown == NULL) {
                return -ENOMEM;
            }
            f->list = grown;
            f->capacity = capacity;
        }
        f->list[f->count++] = m;
    }
    return 0;
}

static uint8_t
crashes_of(const struct queue_message *m, bool crashed)
{
    return (uint8_t)MIN(m->crashes + (crashed ? 1 : 0), UINT8_MAX);
}

static bool
is_suspect(const struct queue_message *m, bool crashed)
{
    return crashed && crashes_of(m, crashed) >= CRASHES_SUSPECT;
}

/* One alone is it. Of several that were tried apart already, the last that was begun. */
static void
judge(struct found *f, bool crashed)
{
    struct queue_message *last = NULL, *any = NULL;

    for (size_t i = 0; i < f->count; i++) {
        struct queue_message *m = f->list[i];

        if (!is_suspect(m, crashed)) {
            continue;
        }
        f->suspects++;
        any = m;
        if (crashes_of(m, crashed) > CRASHES_SUSPECT &&
            (last == NULL || m->attempt_order > last->attempt_order)) {
            last = m;
        }
    }
    f->culprit = f->suspects == 1 ? any : last;
}

struct settling {
    struct sched *s;
    struct sched_recovered *x;
    uint64_t next_ms;
    struct slice reply;
};

static int
settle_recipient(struct settling *c, struct queue_message *m, uint32_t i)
{
    struct queue_outcome o = { .recipient = i,
        .kind = OUTCOME_DEFERRED,
        .next_wall_ms = c->next_ms,
        .reply = c->reply,
        .in_doubt = true };

    switch ((enum queue_attempt_kind)m->recipients[i].attempt) {
    case ATTEMPT_NONE:
        return 0;
    case ATTEMPT_READING:
        return queue_withdraw(c->s->env.queue, m, &i, 1);
    case ATTEMPT_TRANSFER:
        break;
    }
    c->x->in_doubt++;
    log_event(EV_IN_DOUBT_FOUND, LF_ID("id", m->id), LF_SLICE("rcpt", m->recipients[i].address));
    return queue_record(c->s->env.queue, m, &o, 1);
}

/* All of it stays in one batch, behind which nothing of this message can be tried again. */
static int
settle(struct settling *c, struct queue_message *m, bool culprit)
{
    uint8_t crashes = crashes_of(m, c->x->crashed); /* an outcome clears the message's own */
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < m->recipient_count; i++) {
        rc = settle_recipient(c, m, i);
    }
    if (rc == 0 && crashes > 0) {
        rc = queue_set_crashes(c->s->env.queue, m, crashes);
    }
    if (rc == 0 && culprit && m->held == HOLD_NO) {
        log_event(EV_POISON_HELD, LF_ID("id", m->id), LF_UINT("crashes", crashes));
        c->x->poison++;
        rc = queue_set_held(c->s->env.queue, m, HOLD_POISON);
    }
    return rc;
}

bool
sched_careful(const struct sched *s)
{
    return sched_now(s) < s->careful_until_ms;
}

int
sched_recovered(struct sched *s, struct sched_recovered *x)
{
    struct found f = { .list = NULL };
    char when[TICKS_RFC3339_CAP], text[200];
    struct settling c = { .s = s, .x = x };
    uint64_t now = sched_now(s), apart = 0;
    int rc = x->in_hand > 0 ? find(s, &f) : 0;

    s->careful_until_ms = x->crashed ? now + CAREFUL_MS : 0;
    ticks_rfc3339(now, when);
    (void)snprintf(text, sizeof(text),
        "4.4.2 in doubt since the takeover at %s: its final dot may have been sent, so it may have "
        "been delivered",
        when);
    c.reply = slice_of(text);
    judge(&f, x->crashed);
    for (size_t i = 0; rc == 0 && i < f.count; i++) {
        struct queue_message *m = f.list[i];
        bool suspect = is_suspect(m, x->crashed) && m != f.culprit;

        c.next_ms = suspect ? now + ++apart * SPREAD_MS : 0;
        if (suspect) {
            log_event(EV_POISON_SUSPECT, LF_ID("id", m->id), LF_MS("tried_in", apart * SPREAD_MS));
        }
        rc = settle(&c, m, m == f.culprit);
    }
    x->messages = f.count;
    x->suspects = f.suspects;
    free(f.list);
    return rc;
}

/* ---- held by the connector */

int
sched_settle_doubts(struct sched *s, struct entry *e)
{
    struct queue_outcome *list = calloc(e->m->recipient_count, sizeof(*list));
    uint32_t n = 0;

    if (list == NULL) {
        return -ENOMEM;
    }
    for (const struct task *t = e->tasks; t != NULL; t = t->next) {
        for (uint32_t i = t->first; t->state == TASK_HELD && i != CHAIN_END; i = task_after(e, i)) {
            if (e->m->recipients[i].in_doubt) {
                list[n++] = (struct queue_outcome){ .recipient = i,
                    .kind = OUTCOME_DEFERRED,
                    .reply = SLICE_LIT("was in doubt, and released by the operator"),
                    .settled = true };
            }
        }
    }
    if (n > 0) {
        sched_record(s, e->m, list, n); /* they stay live */
    }
    free(list);
    return s->broken ? -EIO : 0;
}

void
sched_route_doubts(struct sched *s)
{
    struct list doubts;

    list_init(&doubts);
    list_splice_back(&doubts, &s->doubts);
    while (!list_empty(&doubts)) {
        struct task *t = CONTAINER_OF(doubts.next, struct task, at.link);

        task_leave(s, t);
        task_route(s, t);
    }
}
