/* sched/sched_deadline.c - the delay notice and expiry, and failing what waits.
 *
 * One heap node a message: the time of its delay notice or, later, of its expiry. Expiry does not
 * ask whether the destination is down or suspended; recipients in a session are failed when that
 * ends (sched_outcome.c: decide).
 */
#include "sched/sched_private.h"

#include "core/log.h"

#include <stdio.h>
#include <stdlib.h>

struct sched_life
sched_life(const struct sched *s, const struct queue_message *m)
{
    return m->body >= ENVELOPE_P1_MESSAGE && s->env.life != NULL
               ? s->env.life(s->env.ctx, m)
               : (struct sched_life){ .urgency = SCHED_ORDINARY };
}

uint64_t
sched_expiry(const struct sched *s, const struct queue_message *m)
{
    uint64_t own = sched_life(s, m).expires_wall_ms;

    if (own != 0) {
        return own;
    }
    return m->received_wall_ms > NEVER - s->o.expire_ms ? NEVER
                                                        : m->received_wall_ms + s->o.expire_ms;
}

/* Nobody is left to be warned. */
static bool
warned(const struct queue_message *m)
{
    for (uint32_t i = 0; i < m->recipient_count; i++) {
        if (m->recipients[i].state == RECIPIENT_QUEUED && !m->recipients[i].warned) {
            return false;
        }
    }
    return true;
}

static bool
warning_due_later(const struct sched *s, const struct entry *e)
{
    return s->o.warn_after_ms > 0 && e->m->sender.n > 0 && e->delay == NULL && !warned(e->m);
}

void
sched_set_deadline(struct sched *s, struct entry *e, uint64_t from_ms)
{
    const struct queue_message *m = e->m;
    uint64_t at_ms = sched_expiry(s, m);

    if (m->held) { /* the operator's word stops the clock */
        heap_remove(&s->deadlines, &e->deadline);
        return;
    }
    if (warning_due_later(s, e)) {
        at_ms = MIN(at_ms, m->received_wall_ms + s->o.warn_after_ms);
    }
    at_ms = MAX(at_ms, from_ms);
    if (heap_has(&e->deadline)) {
        heap_rekey(&s->deadlines, &e->deadline, at_ms);
    } else if (heap_insert(&s->deadlines, &e->deadline, at_ms) < 0) {
        heap_node_init(&e->deadline); /* no memory: it expires at its next try instead */
    }
}

/* ---- failing what waits */

struct failing {
    struct sched *s;
    struct entry *e;
    const struct task *only; /* NULL: all that wait */
    const char *status, *text;
    bool expired;
    struct notice *notice;
    struct task *told, *left; /* left: no memory for its notice; tried again later */
    struct queue_outcome *outcomes;
    uint32_t outcome_count;
};

static struct slice
fail_text(const struct failing *f, const struct queue_recipient *r, char *text, size_t cap)
{
    struct slice last = slice_sub(r->last_reply, 0, REPLY_BYTES_MAX);
    int n;

    if (!f->expired) {
        n = snprintf(text, cap, "%s %s", f->status, f->text);
    } else if (last.n == 0) {
        n = snprintf(text, cap, "%s %s; it was never tried", f->status, f->text);
    } else {
        n = snprintf(
            text, cap, "%s %s; the last try gave: %.*s", f->status, f->text, SLICE_FMT(last));
    }
    return (struct slice){ text, MIN((size_t)MAX(n, 0), cap - 1) };
}

static struct task *
into(struct failing *f, struct task **t)
{
    if (*t == NULL) {
        *t = task_new_reserved(f->s, f->e);
    }
    return *t;
}

static void
fail_recipient(struct failing *f, uint32_t i)
{
    const struct queue_recipient *r = &f->e->m->recipients[i];
    char text[REPLY_BYTES_MAX + 128];
    struct notice_failure nf = {
        .recipient = i, .status = slice_of(f->status), .reply = fail_text(f, r, text, sizeof(text))
    };

    if (!notice_wanted(f->e->m, r)) {
        f->outcomes[f->outcome_count++] = (struct queue_outcome){
            .recipient = i, .kind = OUTCOME_FAILED, .reply = slice_of(f->text)
        };
    } else if (notice_add(f->notice, &nf) == 0) {
        task_push(into(f, &f->told), i);
    } else {
        task_push(into(f, &f->left), i);
        return;
    }
    f->s->failed++;
    log_event(EV_FAILED, LF_ID("id", f->e->m->id), LF_SLICE("rcpt", r->address), LF_INT("code", 0),
        LF_SLICE("reply", nf.reply));
}

/* The operator's word is waited for: that stops the clock, of a message or of who is in doubt. */
static bool
fails(const struct failing *f, const struct task *t)
{
    return (f->only == NULL || t == f->only) && task_waits(t) &&
           !(f->expired && t->state == TASK_HELD);
}

static void
fail_tasks(struct failing *f)
{
    struct task *next;

    for (struct task *t = f->e->tasks; t != NULL; t = next) {
        uint32_t i = t->first;

        next = t->next; /* new ones come at the head */
        if (!fails(f, t) || t == f->told || t == f->left) {
            continue;
        }
        task_leave(f->s, t);
        while (i != CHAIN_END) {
            uint32_t after = task_after(f->e, i);

            fail_recipient(f, i);
            i = after;
        }
        task_free(f->s, t);
    }
}

static bool
fail_all(struct failing *f)
{
    struct sched *s = f->s;
    uint32_t count = 0;

    for (const struct task *t = f->e->tasks; t != NULL; t = t->next) {
        count += fails(f, t) ? t->count : 0;
    }
    if (count == 0) {
        return true;
    }
    f->outcomes = calloc(count, sizeof(*f->outcomes));
    f->notice = notice_new(s, f->e, count);
    if (f->outcomes == NULL || f->notice == NULL) {
        free(f->outcomes);
        if (f->notice != NULL) {
            notice_free(s, f->notice);
        }
        return false;
    }
    fail_tasks(f);
    if (f->told != NULL) {
        notice_attach(s, f->notice, f->told); /* live until then: the message stays */
    } else {
        notice_free(s, f->notice);
    }
    if (f->left != NULL) {
        task_park(s, f->left);
    }
    if (f->outcome_count > 0) {
        sched_record(s, f->e->m, f->outcomes, f->outcome_count);
    }
    free(f->outcomes);
    if (f->told != NULL) {
        notice_start(s, f->notice);
    }
    return true;
}

bool
sched_fail_waiting(
    struct sched *s, struct entry *e, const char *status, const char *text, bool expired)
{
    struct failing f = { .s = s, .e = e, .status = status, .text = text, .expired = expired };

    return fail_all(&f);
}

bool
sched_fail_task(struct sched *s, struct task *t, const char *status, const char *text)
{
    struct failing f = { .s = s, .e = t->entry, .only = t, .status = status, .text = text };

    return fail_all(&f);
}

/* ---- the deadlines */

static void
deadline_passed(struct sched *s, struct entry *e, uint64_t now)
{
    if (now >= sched_expiry(s, e->m)) {
        /* what is in a session now, or found no memory, is looked at again */
        heap_rekey(&s->deadlines, &e->deadline, now + RETRY_SOON_MS);
        if (!sched_fail_waiting(s, e, "4.4.7", "delivery time expired", true)) {
            log_event(EV_NOTICE_UNSENT, LF_ID("id", e->m->id), LF_STR("kind", "failed"),
                LF_SLICE("to", e->m->sender), LF_ERR("error", -ENOMEM));
        }
        return;
    }
    heap_rekey(&s->deadlines, &e->deadline, now + RETRY_SOON_MS);
    if (warning_due_later(s, e)) {
        notice_start_delay(s, e); /* sets the deadline to expiry when it is done */
    } else {
        sched_set_deadline(s, e, 0);
    }
}

bool
sched_deadlines_run(const struct sched *s)
{
    return s->run != SCHED_STOPPED && !s->draining && !s->broken &&
           s->notices_waiting_count < NOTICES_QUEUE_MAX;
}

void
sched_deadlines(struct sched *s, uint32_t budget)
{
    uint64_t now = sched_now(s);

    while (budget-- > 0 && sched_deadlines_run(s)) {
        struct heap_node *n = heap_min(&s->deadlines);

        if (n == NULL || n->key > now) {
            return;
        }
        deadline_passed(s, CONTAINER_OF(n, struct entry, deadline), now);
    }
}
