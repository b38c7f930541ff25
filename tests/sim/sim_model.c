/* What was promised, and whether it is so:
 *
 *   acknowledged         there, intact, unless all its outcomes were recorded
 *   on_gone was called   not there, ever again
 *   committed, no answer there intact, or not at all (I4)
 *   never committed      not there
 *   a recipient          in a state between the last one that was synced and the last recorded
 *   failed               the message that tells its sender is there, or was delivered
 *   delivered            the network had it; twice only if the first time may be unknown
 *   transaction          whose message is there, or left lately while its client may not know, is
 * known by its TRANSID; no other is: its client would take it for delivered damage none: a crash
 * must never look like it
 */
#include "fake_pages.h"
#include "sim.h"
#include <stdio.h>
#include <stdlib.h>

#define TABLE_PERIOD 8191
#define TABLE_PIECE  (64 * KIB)

static char table[TABLE_PERIOD + TABLE_PIECE]; /* content repeats; a message begins anywhere */

void
sim_violation(struct sim *s, const struct message *m, const char *what)
{
    s->n->violations++;
    if (!s->quiet) {
        printf("VIOLATION --seed %llu%s, message %llx: %s\n", (unsigned long long)s->seed, s->at,
            m != NULL ? (unsigned long long)m->id : 0, what);
    }
}

bool sim_trace;

void
sim_tell(const struct sim *s, msg_id id, unsigned recipient, const char *what, int rc)
{
    if (sim_trace) {
        printf("%llu ms, epoch %u: %llx/%u %s%s%s\n", (unsigned long long)(s->boot_ns / NS_PER_MS),
            s->q != NULL ? s->q->epoch : 0, (unsigned long long)id, recipient, what,
            rc < 0 ? ": " : "", rc < 0 ? error_text(rc) : "");
    }
}

struct message *
model_find(struct sim *s, msg_id id)
{
    uint32_t low = 0, high = s->count; /* ids grow */

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (s->messages[mid].id < id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < s->count && s->messages[low].id == id ? &s->messages[low] : NULL;
}

uint32_t
model_add(struct sim *s)
{
    if (s->count == s->capacity) {
        s->capacity = MAX(s->capacity * 2, 64U);
        s->messages = realloc(s->messages, s->capacity * sizeof(*s->messages));
        CHECK(s->messages != NULL);
    }
    s->messages[s->count] = (struct message){ .number = s->count, .recipients = RECIPIENTS };
    return s->count++;
}

void
model_copy(struct sim *to, const struct sim *from)
{
    to->messages = malloc(MAX(from->count, 1U) * sizeof(*to->messages));
    CHECK(to->messages != NULL);
    if (from->count > 0) {
        memcpy(to->messages, from->messages, from->count * sizeof(*to->messages));
    }
    to->count = to->capacity = from->count;
    to->asks = from->asks;
    to->lefts = from->lefts;
    memcpy(to->settings, from->settings, sizeof(to->settings));
}

struct slice
model_content(const struct message *m, size_t at, size_t n)
{
    if (table[0] == '\0') {
        uint64_t random = 1;

        for (size_t i = 0; i < sizeof(table); i++) {
            table[i] = i < TABLE_PERIOD ? (char)('a' + fake_random(&random) % 26)
                                        : table[i - TABLE_PERIOD];
        }
    }
    if (m->text != NULL) {
        return (struct slice){ m->text + at, MIN(n, m->bytes - MIN(at, m->bytes)) };
    }
    return (struct slice){ table + (m->id * 4111 + at) % TABLE_PERIOD, MIN(n, TABLE_PIECE) };
}

struct slice
model_transid(const struct message *m, char out[TRANSID_CAP])
{
    int n = snprintf(out, TRANSID_CAP, "192.0.2.1 c <%llx@x>", (unsigned long long)m->id);

    return m->number % 2 == 0 && m->text == NULL ? (struct slice){ out, (size_t)n } : SLICE_NONE;
}

static void
nothing(void *ctx)
{
    (void)ctx;
}

void
model_check_content(struct sim *s, const struct message *m, const struct queue_message *qm)
{
    uint32_t number = m->number;
    struct queue_reader *r;
    size_t at = 0;
    int rc = queue_reader_open(s->q, qm, &r);

    if (rc < 0) {
        return;
    }
    for (;;) {
        struct slice piece;

        rc = queue_reader_next(r, &piece, nothing, NULL);
        if (rc == BH_EBUSY) {
            (void)fake_loop_turn(s->loop);
            m = &s->messages[number]; /* notices may have moved them */
            continue;
        }
        if (rc <= 0) {
            break;
        }
        if (!slice_eq(piece, model_content(m, at, piece.n))) {
            sim_violation(s, m, "content differs");
        }
        at += piece.n;
    }
    queue_reader_close(r);
    if (rc == 0 && at != m->bytes) {
        sim_violation(s, m, "content is cut");
    }
    if (rc < 0 && !fake_disk_failed(s->disk) && !wrap_allocation_failed()) {
        sim_violation(s, m, "content cannot be read");
    }
}

/* ---- what is asked of the queue, whoever asks */

int __real_queue_record(
    struct queue *q, struct queue_message *m, const struct queue_outcome *outcomes, uint32_t count);
int __wrap_queue_record(
    struct queue *q, struct queue_message *m, const struct queue_outcome *outcomes, uint32_t count);
int __real_queue_set_held(struct queue *q, struct queue_message *m, enum queue_hold held);
int __wrap_queue_set_held(struct queue *q, struct queue_message *m, enum queue_hold held);

static void
check_outcome(struct sim *s, const struct message *m, const struct queue_outcome *o)
{
    const struct promise *p = &m->to[o->recipient];

    if (p->final_asked) {
        sim_violation(s, m, "an outcome for a recipient that has its last one");
    }
    if (s->sched != NULL && o->kind == OUTCOME_DELIVERED && p->delivered == 0) {
        sim_violation(s, m, "recorded as delivered, and nobody has it");
    }
    if (s->sched != NULL && o->kind == OUTCOME_FAILED && p->notice == 0 && m->text == NULL) {
        sim_violation(s, m, "recorded as failed, and nobody is told");
    }
}

/* Do these outcomes, with those there are, leave nobody to be tried? */
static bool
leaves(const struct message *m, const struct queue_outcome *outcomes, uint32_t count)
{
    unsigned final = 0;

    for (unsigned r = 0; r < m->recipients; r++) {
        bool now = m->to[r].final_asked;

        for (uint32_t i = 0; i < count; i++) {
            now = now || (outcomes[i].recipient == r && outcomes[i].kind != OUTCOME_DEFERRED);
        }
        final += now;
    }
    return final == m->recipients;
}

int
__wrap_queue_record(
    struct queue *q, struct queue_message *qm, const struct queue_outcome *outcomes, uint32_t count)
{
    msg_id id = qm->id;
    struct message *m = model_find(sim, id);
    char name[TRANSID_CAP];
    int rc;

    if (sim->dead) {
        return __real_queue_record(q, qm, outcomes, count);
    }
    if (m == NULL) {
        sim_violation(sim, NULL, "an outcome for what nobody handed in");
        return __real_queue_record(q, qm, outcomes, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        check_outcome(sim, m, &outcomes[i]);
    }
    rc = __real_queue_record(q, qm, outcomes, count);
    for (uint32_t i = 0; sim_trace && i < count; i++) {
        static const char *const kinds[] = { "delivered", "deferred", "failed", "expanded",
            "removed" };

        sim_tell(sim, id, outcomes[i].recipient,
            outcomes[i].settled    ? "settled"
            : outcomes[i].in_doubt ? "deferred in doubt"
                                   : kinds[outcomes[i].kind],
            rc);
    }
    m = model_find(sim, id);
    if (model_transid(m, name).n > 0 && leaves(m, outcomes, count)) {
        m->left_at = ++sim->lefts; /* whether it can or not */
    }
    if (rc < 0) {
        return rc;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct queue_outcome *o = &outcomes[i];
        struct promise *p = &m->to[o->recipient];

        p->asked_at = ++sim->asks;
        p->attempts_asked +=
            o->kind != OUTCOME_REMOVED && o->kind != OUTCOME_EXPANDED && !o->settled;
        p->has_it = p->has_it && !o->settled && sim->sched != NULL;
        p->final_asked = o->kind != OUTCOME_DEFERRED;
        p->failed_asked = o->kind == OUTCOME_FAILED && sim->sched != NULL;
    }
    return rc;
}

int
__wrap_queue_set_held(struct queue *q, struct queue_message *qm, enum queue_hold held)
{
    struct message *m = model_find(sim, qm->id);
    int rc = __real_queue_set_held(q, qm, held);

    if (rc == 0 && m != NULL) {
        m->held_changes++;
        m->held_asked = (uint8_t)held;
        m->held_at = ++sim->asks;
    }
    return rc;
}

struct sync_call {
    struct sim *s;
    uint64_t at;
};

/* All that was asked for by then is certain now. */
static void
on_sync(void *ctx, int status)
{
    struct sync_call *c = ctx;

    for (uint32_t i = 0; !c->s->dead && status == 0 && i < c->s->count; i++) {
        struct message *m = &c->s->messages[i];

        if (m->held_at <= c->at) {
            m->held_sure = m->held_asked;
            m->held_changes = 0;
        }
        for (unsigned r = 0; r < m->recipients; r++) {
            if (m->to[r].asked_at <= c->at) {
                m->to[r].final_sure = m->to[r].final_asked;
                m->to[r].attempts_sure = m->to[r].attempts_asked;
            }
        }
    }
    for (unsigned k = 0; !c->s->dead && status == 0 && k < SETTINGS; k++) {
        struct setting *set = &c->s->settings[k];

        if (set->asked_at <= c->at) {
            set->sure = set->asked;
            set->changes = 0;
        }
    }
    c->s->certain += status == 0;
    free(c);
}

static const char setting_names[SETTINGS][2] = { "a", "b", "c" };

void
model_set(struct sim *s, unsigned key, char value)
{
    if (queue_state_set(s->q, slice_of(setting_names[key]),
            (struct slice){ &value, value != '\0' ? 1 : 0 }) == 0) {
        sim_tell(
            s, key, 0, value != '\0' ? (char[]){ 's', 'e', 't', ' ', value, '\0' } : "unset", 0);
        s->settings[key].asked = value;
        s->settings[key].changes++;
        s->settings[key].asked_at = ++s->asks;
    }
}

void
model_sync(struct sim *s)
{
    struct sync_call *c = malloc(sizeof(*c));

    CHECK(c != NULL);
    *c = (struct sync_call){ s, s->asks };
    if (queue_sync(s->q, on_sync, c) < 0) {
        free(c);
    }
    s->unsure_at = s->asks;
}

/* ---- after a recovery */

static bool
all_asked(const struct message *m)
{
    bool all = true;

    for (unsigned r = 0; r < m->recipients; r++) {
        all = all && m->to[r].final_asked;
    }
    return all;
}

static void
compare_recipient(
    struct sim *s, const struct message *m, struct promise *p, const struct queue_recipient *r)
{
    bool final = r->state != RECIPIENT_QUEUED;

    if (p->final_sure && !final) {
        sim_violation(s, m, "a final outcome that was synced is forgotten");
    }
    if (!p->final_asked && final) {
        sim_violation(s, m, "an outcome that nobody recorded");
    }
    if (r->attempts < p->attempts_sure || r->attempts > p->attempts_asked) {
        sim_violation(s, m, "attempts differ");
    }
    if (!final && p->has_it && !r->in_doubt && r->attempt != ATTEMPT_TRANSFER) {
        sim_violation(s, m, "DELIVERED, and recovery does not know that it may have been");
    }
    if (!final && p->has_it && r->transaction != p->transaction) {
        sim_violation(s, m, "in doubt, and recovery does not know in which transaction");
    }
    p->again_ok = p->again_ok || (!final && p->delivered > 0);
    p->final_asked = p->final_sure = final;
    p->failed_asked = p->failed_asked && final;
    p->attempts_sure = p->attempts_asked = r->attempts;
    p->asked_at = 0;
}

/* Whose failure counts has its notice there, or done with. Asked before anything is settled. */
static void
compare_notices(struct sim *s, const struct message *m)
{
    const struct queue_message *qm = queue_find(s->q, m->id);

    for (unsigned r = 0; r < m->recipients; r++) {
        const struct promise *p = &m->to[r];
        const struct message *notice;
        bool failed = qm == NULL ? p->failed_asked : qm->recipients[r].state == RECIPIENT_FAILED;

        if (!failed || !p->failed_asked || p->notice == 0 || !m->acked) {
            continue;
        }
        notice = &s->messages[p->notice - 1];
        if (queue_find(s->q, notice->id) == NULL && !notice->gone && !all_asked(notice)) {
            sim_violation(s, m, "LOST: it failed, and the notice of it is not there");
        }
    }
}

/* They are known a little later than messages. */
static void
parts_settle(const struct sim *s)
{
    while (s->failure == 0 && !queue_parts_known(s->q)) {
        (void)fake_loop_turn(s->loop);
    }
}

static const struct queue_message *
part_of(const struct sim *s, msg_id id)
{
    const struct queue_message *part = id != 0 ? queue_part_after(s->q, id - 1) : NULL;

    return part != NULL && part->id == id ? part : NULL;
}

/* Before compare_message: where there is a part the commit did not happen. */
static void
compare_part(struct sim *s, struct message *m)
{
    const struct queue_message *part = part_of(s, m->id);

    if (part == NULL) {
        if (m->part_sure > 0 && !m->part_dropped && !m->committed) {
            sim_violation(s, m, "what was secured of it is not there");
        }
        m->part_sure = 0; /* perhaps it was dropped, and that is not certain: it may come back */
        return;
    }
    if (m->acked || queue_find(s->q, m->id) != NULL) {
        sim_violation(s, m, "it was acknowledged, and a part of it is there");
    }
    if (part->size_bytes < m->part_sure || part->size_bytes > m->part_asked ||
        !slice_eq(part->sender, SLICE_LIT("who")) || !slice_eq(part->envid, SLICE_LIT("where"))) {
        sim_violation(s, m, "another part of it than was secured");
    }
    m->bytes = m->part_sure = m->part_asked = part->size_bytes;
    m->committed = m->part_dropped = false;
    m->to[0] = (struct promise){ 0 }; /* dropping is an outcome */
    model_check_content(s, m, part);
}

static void
compare_message(struct sim *s, struct message *m)
{
    struct queue_message *qm = queue_find(s->q, m->id);

    if (qm == NULL) {
        if (m->acked && !m->gone && !all_asked(m)) {
            sim_violation(s, m, "LOST: acknowledged and not there");
        }
        m->gone = m->gone || m->committed; /* what is not there must not come back */
        m->acked = m->acked || m->committed;
        return;
    }
    if (!m->committed) {
        sim_violation(s, m, "was never committed");
    }
    if (m->gone) {
        sim_violation(s, m, "RESURRECTED: was durably gone");
    }
    if (qm->recipient_count != m->recipients || qm->size_bytes != m->bytes) {
        sim_violation(s, m, "is another message");
        return;
    }
    m->acked = true;
    if (m->held_changes == 0 && qm->held != m->held_sure) {
        sim_violation(s, m, "held differs");
    }
    m->held_asked = m->held_sure = qm->held;
    m->held_changes = 0;
    m->held_at = 0;
    for (unsigned r = 0; r < m->recipients; r++) {
        compare_recipient(s, m, &m->to[r], &qm->recipients[r]);
    }
    model_check_content(s, m, qm);
}

/* Compared before compare_message changes what is promised. */
static void
compare_transid(struct sim *s, const struct message *m)
{
    const struct queue_message *qm = queue_find(s->q, m->id);
    char text[TRANSID_CAP];
    struct slice name = model_transid(m, text);
    uint64_t bytes = 0;
    msg_id id = 0;
    enum queue_transaction found = queue_transaction_find(s->q, name, &id, &bytes);

    if (found == TRANSACTION_BUSY ||
        (found == TRANSACTION_DONE && (id != m->id || bytes != m->number))) {
        sim_violation(s, m, "its TRANSID is another's, or under way");
    }
    if (found != TRANSACTION_NEW && qm == NULL && !all_asked(m)) {
        sim_violation(s, m, "LOST: its client would be told that it is here");
    }
    if (name.n > 0 && found == TRANSACTION_NEW &&
        (qm != NULL ||
            (all_asked(m) && !m->settled && s->lefts - m->left_at < s->q->transids.slots_max))) {
        sim_violation(s, m, "its TRANSID is forgotten");
    }
}

static void
compare_settings(struct sim *s)
{
    for (unsigned k = 0; k < SETTINGS; k++) {
        struct setting *set = &s->settings[k];
        struct slice value = queue_state_get(s->q, slice_of(setting_names[k]));
        char is = value.n == 1 ? value.p[0] : '\0';

        if (set->changes == 0 && is != set->sure) {
            sim_tell(s, k, 0, is != '\0' ? (char[]){ 'i', 's', ' ', is, '\0' } : "is unset", 0);
            sim_violation(s, NULL, "a setting differs");
        }
        *set = (struct setting){ .asked = is, .sure = is };
    }
}

void
model_compare(struct sim *s)
{
    if (s->q == NULL) {
        return;
    }
    compare_settings(s);
    parts_settle(s);
    for (uint32_t i = 0; s->failure == 0 && i < s->count; i++) {
        compare_part(s, &s->messages[i]);
    }
    for (uint32_t i = 0; i < s->count; i++) {
        compare_notices(s, &s->messages[i]);
        compare_transid(s, &s->messages[i]);
    }
    for (uint32_t i = 0; i < s->count; i++) {
        compare_message(s, &s->messages[i]);
    }
    for (struct queue_message *qm = queue_after(s->q, 0); qm != NULL;
         qm = queue_after(s->q, qm->id)) {
        if (model_find(s, qm->id) == NULL) {
            sim_violation(s, NULL, "a message from nowhere");
        }
    }
    s->certain++;
}

uint64_t
model_fingerprint(const struct sim *s)
{
    uint64_t h = 7;

    for (struct queue_message *qm = queue_after(s->q, 0); qm != NULL;
         qm = queue_after(s->q, qm->id)) {
        h = fake_mix(h, qm->id);
        h = fake_mix(h, qm->size_bytes << 16 | (uint64_t)qm->held << 8 | qm->crashes);
        for (uint32_t i = 0; i < qm->recipient_count; i++) {
            const struct queue_recipient *r = &qm->recipients[i];

            h = fake_mix(h, (uint64_t)r->attempts << 24 | (uint64_t)r->attempt << 16 |
                                (uint64_t)r->state << 8 | (uint64_t)r->warned << 1 | r->in_doubt);
            h = fake_mix(h, r->next_wall_ms);
            h = fake_mix_bytes(h, r->last_reply.p, r->last_reply.n);
        }
    }
    parts_settle(s);
    for (const struct queue_message *p = queue_part_after(s->q, 0); p != NULL;
         p = queue_part_after(s->q, p->id)) {
        h = fake_mix(fake_mix(h, p->id), p->size_bytes);
    }
    return h;
}
