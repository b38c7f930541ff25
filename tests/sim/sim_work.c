/* Random work, an item at a time: what sessions, operators and time do to the queue. */
#include "core/ticks.h"
#include "sim.h"
#include <stdio.h>
#include <stdlib.h>

#define PIECE_MAX  60000
#define REST_MS    200
#define REST_TURNS 40

struct commit_call {
    struct sim *s;
    uint32_t m;
    size_t bytes; /* of a part */
};

static void
nothing(void *ctx)
{
    (void)ctx;
}

static void
on_commit(void *ctx, int status)
{
    struct commit_call *c = ctx;

    if (!c->s->dead && status == 0) {
        struct message *m = &c->s->messages[c->m];

        if (c->s->failure != 0) {
            sim_violation(c->s, m, "acknowledged after a failure");
        }
        m->acked = true;
        if (m->number % 4 == 0 && m->text == NULL) {
            char name[TRANSID_CAP];

            queue_transaction_settled(c->s->q, model_transid(m, name));
            m->settled = true;
        }
        c->s->certain++;
        c->s->n->acked++;
        c->s->n->early += !queue_is_loaded(c->s->q);
    }
    free(c);
}

int
work_commit(struct sim *s, struct queue_intake *in, uint32_t number, struct slice sender,
    const struct envelope_recipient *to)
{
    char transid[TRANSID_CAP];
    struct envelope e = { .sender = sender,
        .recipient_count = s->messages[number].recipients,
        .recipients = to,
        .transid = model_transid(&s->messages[number], transid),
        .transid_bytes = number,
        .received_wall_ms = s->wall_ms };
    struct commit_call *c = malloc(sizeof(*c));
    int rc;

    CHECK(c != NULL);
    *c = (struct commit_call){ s, number, 0 };
    rc = queue_commit(in, &e, on_commit, c);
    if (rc == 0) {
        s->messages[number].committed = true;
    } else {
        s->messages[number].part_dropped = true;
        free(c);
    }
    return rc;
}

/* One of the last owner's, or of a sender who went away. */
static bool
do_resume(struct sim *s, struct intake *in)
{
    const struct queue_message *part = queue_part_after(s->q, 0);
    struct message *m = part != NULL ? model_find(s, part->id) : NULL;

    if (m == NULL || dice(s, 2) == 0 || queue_reopen(s->q, m->id, nothing, NULL, &in->in) < 0) {
        in->in = NULL;
        return false;
    }
    in->m = m->number;
    m->bytes = part->size_bytes;
    s->n->resumed++;
    return true;
}

static void
do_begin(struct sim *s)
{
    for (unsigned i = 0; i < INTAKES_MAX; i++) {
        struct intake *in = &s->intakes[i];
        msg_id id;

        if (in->in == NULL) {
            if (do_resume(s, in)) {
                return;
            }
            if (queue_begin(s->q, nothing, NULL, &in->in, &id) == 0) {
                in->m = model_add(s);
                s->messages[in->m].id = id;
            } else {
                in->in = NULL;
                s->n->refused++;
            }
            return;
        }
    }
}

static size_t
piece_bytes(struct sim *s)
{
    switch (dice(s, 8)) {
    case 0:
        return 1;
    case 1:
        return PIECE_MAX / 3 + dice(s, PIECE_MAX * 2 / 3);
    default:
        return 1 + dice(s, 3000);
    }
}

static void
do_append(struct sim *s, const struct intake *i)
{
    struct message *m = &s->messages[i->m];
    struct slice bytes = model_content(m, m->bytes, piece_bytes(s));

    if (queue_append(i->in, bytes) >= 0) {
        m->bytes += bytes.n;
    }
}

static void
on_secured(void *ctx, int status)
{
    struct commit_call *c = ctx;

    if (!c->s->dead && status == 0) {
        struct message *m = &c->s->messages[c->m];

        m->part_sure = MAX(m->part_sure, c->bytes);
        c->s->certain++;
        c->s->n->parts++;
    }
    free(c);
}

static void
do_secure(struct sim *s, const struct intake *i)
{
    struct message *m = &s->messages[i->m];
    struct commit_call *c = malloc(sizeof(*c));

    CHECK(c != NULL);
    *c = (struct commit_call){ s, i->m, m->bytes };
    if (queue_secure(i->in, SLICE_LIT("who"), SLICE_LIT("where"), on_secured, c) == 0) {
        m->part_asked = m->bytes;
    } else {
        free(c);
    }
}

/* Its sender is gone, for good or for a while. */
static void
do_leave(struct sim *s, struct intake *i)
{
    struct queue_intake *in = i->in;

    i->in = NULL;
    if (in != NULL && dice(s, 2) == 0) {
        s->messages[i->m].part_dropped = true;
        queue_abort(in);
    } else {
        queue_suspend(in);
    }
}

int
work_commit_to_all(struct sim *s, struct queue_intake *in, uint32_t number)
{
    static const char *const domains[RECIPIENTS] = { "example.com", "example.net", "example.com" };
    struct envelope_recipient to[RECIPIENTS] = { { .notify = 0 } };
    char text[RECIPIENTS][64];

    for (unsigned r = 0; r < RECIPIENTS; r++) {
        (void)snprintf(text[r], sizeof(text[r]), "r%u.%llx@%s", r,
            (unsigned long long)s->messages[number].id, domains[r]);
        to[r].address = slice_of(text[r]);
    }
    return work_commit(s, in, number, SLICE_LIT("me@example.org"), to);
}

static void
do_end(struct sim *s, struct intake *i)
{
    struct queue_intake *in = i->in;

    if (dice(s, 6) == 0) {
        do_leave(s, i);
        return;
    }
    i->in = NULL;
    (void)!work_commit_to_all(s, in, i->m);
}

static struct message *
any_live(struct sim *s)
{
    for (unsigned tries = 0; s->count > 0 && tries < 20; tries++) {
        struct message *m = &s->messages[dice(s, s->count)];

        if (queue_find(s->q, m->id) != NULL) {
            return m;
        }
    }
    return NULL;
}

/* Without a scheduler: whatever outcome. */
static void
do_outcome(struct sim *s, const struct message *m, bool final)
{
    struct queue_outcome o = { .recipient = (uint32_t)dice(s, m->recipients),
        .kind = OUTCOME_DEFERRED,
        .next_wall_ms = s->wall_ms + dice(s, 100000),
        .reply = SLICE_LIT("450 4.2.1 come again") };

    if (m->to[o.recipient].final_asked ||
        o.recipient >= queue_find(s->q, m->id)->recipient_count) { /* a lying disk: another's id */
        return;
    }
    if (final || dice(s, 2) == 0) {
        static const enum outcome_kind kinds[] = { OUTCOME_DELIVERED, OUTCOME_FAILED,
            OUTCOME_EXPANDED, OUTCOME_REMOVED };

        o.kind = kinds[dice(s, ARRAY_LEN(kinds))];
    }
    (void)!queue_record(s->q, queue_find(s->q, m->id), &o, 1);
}

/* An operator. */
static void
do_operate(struct sim *s, const struct message *m)
{
    struct queue_message *qm = queue_find(s->q, m->id);

    if (s->sched == NULL) {
        switch (dice(s, 3)) {
        case 0:
            (void)!queue_set_next(s->q, qm, s->wall_ms);
            break;
        case 1:
            (void)!queue_set_warned(s->q, qm);
            break;
        default:
            (void)!queue_set_held(s->q, qm, m->held_asked == HOLD_NO ? HOLD_OPERATOR : HOLD_NO);
            break;
        }
        return;
    }
    switch (dice(s, 8)) {
    case 0:
        (void)!sched_drop(s->sched, qm);
        break;
    case 1:
        (void)!sched_bounce(s->sched, qm);
        break;
    case 2:
        (void)!sched_retry(s->sched, qm);
        break;
    default:
        (void)!sched_hold(s->sched, qm, qm->held == HOLD_NO);
        break;
    }
}

static void
on_snapshot(void *ctx, int status)
{
    ((struct sim *)ctx)->n->snapshots += status == 0;
}

/* What the store does beside mail. */
static void
do_beside(struct sim *s)
{
    switch (dice(s, 4)) {
    case 0:
        (void)!queue_snapshot(s->q, 0, on_snapshot, s);
        break;
    case 1:
        model_set(
            s, (unsigned)dice(s, SETTINGS), dice(s, 3) == 0 ? '\0' : (char)('0' + dice(s, 10)));
        break;
    default:
        model_sync(s);
        break;
    }
}

/* The renewal thread's work, and time. */
void
work_pass(struct sim *s, uint64_t ms)
{
    s->boot_ns += ms * NS_PER_MS;
    s->wall_ms += ms;
    if (s->q != NULL && s->failure == 0 &&
        s->boot_ns - s->renewed_ns >= LEASE_MS * (uint64_t)NS_PER_MS / 3) {
        int rc = renewal_step(&s->q->renewal);

        s->renewed_ns = s->boot_ns;
        if (rc < 0) {
            s->n->lapses++;
            queue_fence(s->q, rc);
        }
    }
}

static void
do_time(struct sim *s)
{
    static const uint64_t jumps_ms[] = { 1000, 40000, 400000, 2 * 3600 * 1000, 5 * 3600 * 1000 };

    switch (dice(s, 8)) {
    case 0:
        /* only clocks on walls jump */
        s->wall_ms += jumps_ms[dice(s, ARRAY_LEN(jumps_ms))];
        break;
    case 1:
        work_pass(s, dice(s, 60) == 0 && !s->calm ? 2 * LEASE_MS : LEASE_MS / 3);
        break;
    default:
        work_pass(s, dice(s, LEASE_MS / 4));
        break;
    }
}

void
work_turn(struct sim *s)
{
    if (s->asks > s->unsure_at && s->failure == 0) {
        model_sync(s);
    }
    (void)fake_loop_turn(s->loop);
    if (s->sched != NULL && s->failure == 0 && s->timer_at <= s->wall_ms) {
        s->timer_at = UINT64_MAX;
        sched_tick(s->sched);
    }
}

void
work_settle(struct sim *s)
{
    if (s->failure == 0) {
        model_sync(s);
    }
    fake_loop_settle(s->loop);
}

/* What a sender does, by a throw below 5. */
static void
intake_step(struct sim *s, struct intake *i, uint64_t throw)
{
    if (throw < 2) {
        do_begin(s);
    } else if (i->in != NULL && throw < 4) {
        do_append(s, i);
        if (i->m % 3 == 0 && dice(s, 3) == 0) {
            do_secure(s, i);
        }
    } else if (i->in != NULL) {
        do_end(s, i);
    }
}

/* The queue may fail in it. */
void
work_item(struct sim *s)
{
    struct intake *i = &s->intakes[dice(s, INTAKES_MAX)];
    struct message *m;
    uint64_t throw = dice(s, 11);

    switch (throw) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        intake_step(s, i, throw);
        break;
    case 5:
        if (s->sched != NULL) {
            net_step(s);
            break;
        }
        m = any_live(s);
        if (m != NULL) {
            do_outcome(s, m, false);
        }
        break;
    case 6:
        m = any_live(s);
        if (m != NULL && dice(s, 3) == 0) {
            do_operate(s, m);
        } else if (m != NULL && dice(s, 4) == 0) {
            model_check_content(s, m, queue_find(s->q, m->id));
        }
        break;
    case 7:
        if (dice(s, 4) == 0) {
            do_beside(s);
        } else {
            do_time(s);
        }
        break;
    default:
        if (s->sched != NULL) {
            net_step(s);
        }
        work_turn(s);
        break;
    }
}

/* What else it is asked must be refused, and do no harm. */
static void
ask_too_early(struct sim *s)
{
    struct message *m = any_live(s);
    struct queue_outcome o = { .kind = OUTCOME_DELIVERED };

    if (queue_snapshot(s->q, 0, NULL, NULL) >= 0 ||
        queue_state_set(s->q, SLICE_LIT("a"), SLICE_LIT("early")) >= 0) {
        sim_violation(s, NULL, "does what it cannot do before all is loaded");
    }
    if (m != NULL && queue_record(s->q, queue_find(s->q, m->id), &o, 1) >= 0) {
        sim_violation(s, m, "an outcome of what nobody was told of");
    }
}

void
work_early(struct sim *s)
{
    struct intake *i = &s->intakes[dice(s, INTAKES_MAX)];
    uint64_t throw = dice(s, 8);

    switch (throw) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        intake_step(s, i, throw);
        break;
    case 5:
        if (!queue_is_loaded(s->q)) {
            ask_too_early(s);
        }
        break;
    case 6:
        work_pass(s, dice(s, LEASE_MS / 4));
        break;
    default:
        work_turn(s);
        break;
    }
}

void
work_outcomes(struct sim *s, const struct message *m, enum outcome_kind kind)
{
    struct queue_message *qm = queue_find(s->q, m->id);

    for (uint32_t i = 0; qm != NULL && i < RECIPIENTS; i++) {
        struct queue_outcome o = { .recipient = i,
            .kind = kind,
            .next_wall_ms = s->wall_ms + 60000,
            .reply = SLICE_LIT("450 4.2.1 come again") };

        if (!m->to[i].final_asked) {
            (void)!queue_record(s->q, qm, &o, 1);
        }
    }
}

void
work_rest(struct sim *s)
{
    work_pass(s, REST_MS);
    work_settle(s);
    for (unsigned turns = 0; turns < REST_TURNS && s->failure == 0; turns++) {
        work_turn(s);
    }
}

void
work_deliver_all(struct sim *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        s->messages[i].part_dropped = true;
        queue_part_drop(s->q, s->messages[i].id);
    }
    for (unsigned round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < s->count; i++) {
            while (queue_find(s->q, s->messages[i].id) != NULL && s->failure == 0) {
                do_outcome(s, &s->messages[i], true);
            }
            if (i % 4 == 0) { /* a batch costs a block: smallest segments, largest waste */
                work_settle(s);
            }
        }
        work_settle(s);
    }
}

void
work_drop_intakes(struct sim *s)
{
    for (unsigned i = 0; i < INTAKES_MAX; i++) {
        do_leave(s, &s->intakes[i]);
    }
}
