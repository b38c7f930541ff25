/* The real scheduler over the real queue, and a network that does what the dice say: refuses,
 * answers each recipient its way, loses the connection anywhere, also behind the final dot. */
#include "sim.h"
#include <stdio.h>
#include <stdlib.h>

enum step { STEP_OPEN, STEP_DELIVER, STEP_DOT, STEP_IDLE, STEP_CLOSED };

struct transport_session {
    struct list link;
    struct sim *s;
    struct sched_session *up;
    const struct delivery *d;
    enum step step;
    bool waiting; /* for leave to begin or to send the dot, or for content */
    bool begun;
    size_t at; /* of the content */
};

static const struct transport_result ok = {
    .kind = OUTCOME_DELIVERED, .code = 250, .status = SLICE_LIT("2.1.5"), .reply = SLICE_LIT("ok")
};
static const struct transport_result busy = { .kind = OUTCOME_DEFERRED,
    .code = 450,
    .status = SLICE_LIT("4.2.1"),
    .reply = SLICE_LIT("450 4.2.1 mailbox busy") };
static const struct transport_result never = { .kind = OUTCOME_FAILED,
    .code = 550,
    .status = SLICE_LIT("5.1.1"),
    .reply = SLICE_LIT("550 5.1.1 no such user") };
static const struct transport_result lost = {
    .kind = OUTCOME_DEFERRED, .status = SLICE_LIT("4.4.2"), .reply = SLICE_LIT("connection lost")
};
static const struct transport_result known = { .kind = OUTCOME_DELIVERED,
    .answered = 1,
    .code = 250,
    .status = SLICE_LIT("2.0.0"),
    .reply = SLICE_LIT("ok, as before") };
static const struct transport_result another = { .kind = OUTCOME_DEFERRED,
    .answered = 1,
    .code = 451,
    .status = SLICE_LIT("4.5.0"),
    .reply = SLICE_LIT("451 4.5.0 in another transaction") };
static const struct transport_result doubt = { .kind = OUTCOME_DEFERRED,
    .in_doubt = true,
    .can_ask = 1,
    .status = SLICE_LIT("4.4.2"),
    .reply = SLICE_LIT("connection lost after the final dot") };

/* ---- the transport */

static int
t_open(void *ctx, struct slice destination, struct sched_session *up, const struct delivery *first,
    struct transport_session **out)
{
    struct sim *s = ctx;
    struct transport_session *t = calloc(1, sizeof(*t));

    (void)destination;
    CHECK(t != NULL);
    t->s = s;
    t->up = up;
    t->d = first;
    list_push_back(&s->sessions, &t->link);
    *out = t;
    return 0;
}

static void
t_work(struct transport_session *t, const struct delivery *d)
{
    CHECK(t->d == NULL && t->step == STEP_IDLE);
    t->d = d;
    t->at = 0;
    t->begun = false;
    t->step = STEP_DELIVER;
}

static void
t_close(struct transport_session *t, bool abort)
{
    CHECK(abort || t->step == STEP_IDLE);
    t->step = STEP_CLOSED;
    t->waiting = false;
}

static const struct transport_ops ops = { .open = t_open, .work = t_work, .close = t_close };

static void
end(struct transport_session *t, const struct transport_result *why)
{
    struct sched_session *up = t->up;

    list_remove(&t->link);
    free(t);
    sched_transport_up()->closed(up, why);
}

static void
on_ready(void *ctx)
{
    ((struct transport_session *)ctx)->waiting = false;
}

/* Every other peer speaks CHECKPOINT (RFC 1845): what it has it tells of. */
static bool
can_be_asked(const struct message *m, unsigned r)
{
    return m->text == NULL && r % 2 == 0;
}

static uint64_t
transaction_of(const struct delivery *d)
{
    size_t dot = slice_find(d->transid, '.');

    return d->transid.n > dot ? strtoull(d->transid.p + dot + 1, NULL, 16) : 0;
}

/* Has the peer of r had this transaction, with whatever recipients? */
static bool
knows(const struct message *m, unsigned r, uint64_t transaction)
{
    bool heard = false;

    for (unsigned i = 0; can_be_asked(m, r) && i < m->recipients; i++) {
        heard = heard || (can_be_asked(m, i) && m->to[i].delivered > 0 &&
                             m->to[i].transaction == transaction);
    }
    return heard;
}

/* The peer has it. */
static void
take(struct sim *s, struct message *m, unsigned r, uint64_t transaction)
{
    struct promise *p = &m->to[r];

    if (p->delivered > 0 && !p->again_ok) {
        sim_violation(s, m, "DUPLICATE: delivered again, and nothing was in doubt");
    }
    if (p->delivered > 0 && p->has_it && can_be_asked(m, r)) {
        sim_violation(s, m, "DUPLICATE: delivered again, and the peer could have been asked");
    }
    p->transaction = transaction;
    s->n->again += p->delivered > 0;
    s->n->delivered++;
    sim_tell(s, m->id, r, "the network has it", 0);
    p->delivered = 1;
    p->has_it = true;
    p->again_ok = false;
}

static unsigned
recipient_number(const struct message *m, struct slice address)
{
    return m->recipients == 1 ? 0 : (unsigned)(address.p[1] - '0');
}

static void
answer(struct transport_session *t, struct message *m)
{
    const struct transport_up *up = sched_transport_up();
    struct sim *s = t->s;
    bool answered = dice(s, 6) != 0;
    uint64_t transaction = transaction_of(t->d);
    uint32_t number = m->number;

    for (uint32_t i = 0; i < t->d->recipient_count; i++) {
        unsigned r = recipient_number(m, t->d->recipients[i]);
        uint64_t chance = dice(s, 8);

        m = &s->messages[number]; /* notices move them */
        if (knows(m, r, transaction)) {
            bool has = m->to[r].delivered > 0 && m->to[r].transaction == transaction;

            if (answered) {
                up->recipient(t->up, i, has ? &known : &another);
            }
            continue;
        }
        if (chance < 5) {
            take(s, m, r, transaction);
            m->to[r].again_ok = !answered;
        }
        if (answered) {
            up->recipient(t->up, i, chance < 5 ? &ok : chance < 7 ? &busy : &never);
        }
    }
    if (!answered) {
        end(t, &doubt);
        return;
    }
    t->d = up->done(t->up);
    t->at = 0;
    t->begun = false;
    t->step = t->d != NULL ? STEP_DELIVER : STEP_IDLE;
}

static void
deliver(struct transport_session *t)
{
    struct sim *s = t->s;
    struct message *m = model_find(s, t->d->id);
    struct slice piece;
    int rc = t->begun ? 1 : sched_transport_up()->begin(t->up, on_ready, t);

    if (m == NULL) {
        sim_violation(s, NULL, "DELIVERED what nobody handed in");
        end(t, &lost);
        return;
    }
    if (!t->begun) {
        t->begun = rc == 0;
        rc = rc == 0 ? 1 : rc;
    }
    while (rc > 0) {
        rc = sched_transport_up()->content(t->up, &piece, on_ready, t);
        if (rc > 0) {
            if (!slice_eq(piece, model_content(m, t->at, piece.n))) {
                sim_violation(s, m, "DELIVERED what was never accepted");
            }
            t->at += piece.n;
        }
    }
    if (rc == BH_EBUSY) {
        t->waiting = true;
    } else if (rc < 0) {
        end(t, &lost);
    } else {
        if (t->at != m->bytes) {
            sim_violation(s, m, "DELIVERED a part of it");
        }
        t->step = STEP_DOT;
    }
}

static void
dot(struct transport_session *t)
{
    struct message *m = model_find(t->s, t->d->id);
    int rc = sched_transport_up()->dot(t->up, on_ready, t);

    if (rc == BH_EBUSY) {
        t->waiting = true;
    } else if (rc < 0 || m == NULL) {
        end(t, &lost);
    } else {
        answer(t, m);
    }
}

static void
step(struct transport_session *t)
{
    struct sim *s = t->s;

    if (t->waiting) {
        return;
    }
    switch (t->step) {
    case STEP_OPEN:
        if (dice(s, 5) == 0) {
            end(t, &lost);
            return;
        }
        sched_transport_up()->opened(t->up);
        t->step = t->step == STEP_OPEN ? STEP_DELIVER : t->step;
        break;
    case STEP_DELIVER:
        if (dice(s, 12) == 0) {
            end(t, &lost);
            return;
        }
        deliver(t);
        break;
    case STEP_DOT:
        dot(t);
        break;
    case STEP_IDLE:
        if (dice(s, 3) == 0) {
            end(t, &lost);
        }
        break;
    case STEP_CLOSED:
        end(t, &lost);
        break;
    }
}

void
net_step(struct sim *s)
{
    uint64_t nth = 0, count = 0;

    LIST_FOR(it, &s->sessions)
    {
        count++;
    }
    nth = count > 0 ? dice(s, count) : 0;
    LIST_FOR(it, &s->sessions)
    {
        if (nth-- == 0) {
            step(CONTAINER_OF(it, struct transport_session, link));
            return;
        }
    }
}

/* ---- the scheduler's world */

static uint64_t
wall_ms(void *ctx)
{
    return ((struct sim *)ctx)->wall_ms;
}

static void
set_timer(void *ctx, uint64_t in_ms)
{
    struct sim *s = ctx;

    s->timer_at = s->wall_ms + in_ms;
}

static bool
find_route(void *ctx, const struct queue_message *m, struct slice recipient, uint16_t *via,
    uint8_t *via_count)
{
    (void)ctx;
    (void)m;
    via[0] = 0;
    *via_count = 1;
    return !slice_iends(recipient, SLICE_LIT("@noroute.example"));
}

/* Texts of notices: worlds that were forked share them. */
static struct text {
    struct text *next;
    char bytes[];
} * texts;

static const char *
keep_text(struct slice content)
{
    struct text *t = malloc(sizeof(*t) + content.n + 1);

    CHECK(t != NULL);
    memcpy(t->bytes, content.p, content.n);
    t->bytes[content.n] = '\0';
    t->next = texts;
    texts = t;
    return t->bytes;
}

void
net_forget_texts(void)
{
    while (texts != NULL) {
        struct text *next = texts->next;

        free(texts);
        texts = next;
    }
}

/* Which failures does this notice tell of? */
static void
note_failures(struct sim *s, uint32_t notice, struct slice content)
{
    static const char mark[] = "Final-Recipient: rfc822;";

    for (const char *at = content.p;
         (at = memmem(at, (size_t)(content.p + content.n - at), mark, sizeof(mark) - 1)) != NULL;) {
        unsigned long long id;
        const char *action;
        unsigned r;

        at += sizeof(mark) - 1;
        action = strstr(at, "\nAction: ");
        if (action != NULL && strncmp(action + 9, "failed", 6) == 0 &&
            sscanf(at, " r%u.%llx@", &r, &id) == 2 && r < RECIPIENTS) {
            struct message *m = model_find(s, id);

            if (m != NULL) {
                m->to[r].notice = notice + 1;
            }
        }
    }
}

static int
notify(void *ctx, struct slice to, struct slice content)
{
    struct sim *s = ctx;
    struct envelope_recipient recipient = { .address = to };
    struct queue_intake *in;
    struct message *m;
    uint32_t number;
    msg_id id;
    int rc;

    rc = queue_begin(s->q, NULL, NULL, &in, &id);
    if (rc < 0) {
        return rc;
    }
    number = model_add(s);
    m = &s->messages[number];
    m->id = id;
    m->recipients = 1;
    m->bytes = content.n;
    m->text = keep_text(content);
    rc = queue_append(in, content);
    if (rc < 0) {
        queue_abort(in);
        return rc;
    }
    rc = work_commit(s, in, number, SLICE_NONE, &recipient);
    if (rc == 0) {
        s->n->notices++;
        note_failures(s, number, (struct slice){ m->text, content.n });
    }
    return rc;
}

void
net_begin(struct sim *s)
{
    static const struct retry_schedule retry = { { 30000, 60000, 300000, 900000 }, 4 };
    struct sched_connector connector = { .name = "mx",
        .protocol = "smtp",
        .transport = { &ops, s },
        .per_domain = true,
        .concurrency = 3,
        .recipients_per_transaction = 2,
        .down_after_ms = 600000,
        .in_doubt_hold = dice(s, 4) == 0 };
    struct sched_options o = { .retry = retry,
        .backoff = retry,
        .expire_ms = 24 * 3600 * 1000,
        .warn_after_ms = 4 * 3600 * 1000,
        .hostname = "mx.example.org" };
    struct sched_env env = { .ctx = s,
        .queue = s->q,
        .set_timer = set_timer,
        .route = find_route,
        .wall_ms = wall_ms,
        .notify = notify };

    struct sched_recovered recovered = { .in_hand = 0 };

    s->timer_at = UINT64_MAX;
    if (sched_new(&s->sched, &o, &env, &connector, 1) < 0) {
        s->sched = NULL;
        return;
    }
    recovered.crashed = strcmp(s->claim.cause, "same-node") == 0;
    recovered.in_hand = s->claim.in_hand;
    if (sched_recovered(s->sched, &recovered) < 0) {
        s->q->failed = s->q->failed == 0 ? -ECANCELED : s->q->failed; /* the daemon gives up */
        net_end(s);
        return;
    }
    /* the queue tells of them in the coming turns; or did, when there was no scheduler yet */
    for (struct queue_message *m = s->q->feed_after > 0 ? queue_after(s->q, 0) : NULL; m != NULL;
         m = queue_after(s->q, m->id)) {
        sched_add(s->sched, m);
    }
    sched_set_run(s->sched, SCHED_RUNNING);
}

/* Messages that are in no index any more, and not known to be durably gone. */
static void
forget_gone(struct sim *s)
{
    LIST_FOR(it, &s->q->segments.order)
    {
        struct segment *seg = CONTAINER_OF(it, struct segment, link);

        LIST_FOR(m, &seg->messages)
        {
            struct stored *stored = CONTAINER_OF(m, struct stored, in_segment);

            if (stored->gone) {
                sched_remove(s->sched, &stored->m);
            }
        }
    }
}

void
net_end(struct sim *s)
{
    struct list *it;

    if (s->sched != NULL) {
        /* readers and notices are closed: their pool work may still come back */
        sched_set_run(s->sched, SCHED_STOPPED);
        while ((it = list_pop_front(&s->sessions)) != NULL) {
            free(CONTAINER_OF(it, struct transport_session, link));
        }
        forget_gone(s);
        sched_free(s->sched);
        s->sched = NULL;
    }
}

static void
on_drained(void *ctx)
{
    ((struct sim *)ctx)->drained = true;
}

/* False: it did not end. */
bool
net_drain(struct sim *s)
{
    s->drained = false;
    if (s->sched == NULL) {
        return true;
    }
    sched_drain(s->sched, on_drained, s);
    for (unsigned turns = 0; !s->drained && s->failure == 0 && turns < 2000; turns++) {
        net_step(s);
        s->timer_at = MIN(s->timer_at, s->wall_ms);
        work_turn(s);
    }
    if (s->drained) {
        sched_set_run(s->sched, SCHED_STOPPED);
    }
    return s->drained;
}

void
net_add(struct sim *s, struct queue_message *m)
{
    if (s->sched != NULL) {
        sched_add(s->sched, m);
    }
}

void
net_remove(struct sim *s, struct queue_message *m)
{
    if (s->sched != NULL) {
        sched_remove(s->sched, m);
    }
}
