/* Others fill the disk to its last block, and get each block that is freed, as root does on ext4:
 * what is to be written has its room in the reserve. Outcomes are recorded, one owner follows the
 * other by a release, a crash or a power cut, and each call of the disk in that is a boundary at
 * which what a crash leaves is tried; nothing stops, and new mail is refused. With room again all
 * is as before, without a restart. */
#include "sim.h"
#include <stdio.h>

#define MESSAGES  60
#define BYTES_MAX 9000
#define OWNERS    3 /* one after the other, on a full disk */
#define BATCHES   6 /* of outcomes, by each */

static void
nothing(void *ctx)
{
    (void)ctx;
}

/* False: it was refused. */
static bool
put_one(struct sim *s)
{
    struct queue_intake *in;
    struct message *m;
    uint32_t number;
    msg_id id;

    if (queue_begin(s->q, nothing, NULL, &in, &id) < 0) {
        s->n->refused++;
        return false;
    }
    number = model_add(s);
    m = &s->messages[number];
    m->id = id;
    m->bytes = 1 + dice(s, BYTES_MAX);
    if (queue_append(in, model_content(m, 0, m->bytes)) < 0) {
        queue_abort(in);
        return false;
    }
    return work_commit_to_all(s, in, number) == 0;
}

static void
work_on(struct sim *s)
{
    for (unsigned b = 0; b < BATCHES && s->failure == 0; b++) {
        for (unsigned i = 0; i < 3; i++) {
            enum outcome_kind kind = dice(s, 2) == 0 ? OUTCOME_REMOVED : OUTCOME_DEFERRED;

            work_outcomes(s, &s->messages[dice(s, s->count)], kind);
        }
        work_rest(s);
    }
    if (s->failure != 0) {
        sim_violation(s, NULL, "stopped on a full disk");
    }
}

static void
next_owner(struct sim *s)
{
    switch (dice(s, 3)) {
    case 0:
        life_release(s);
        fake_disk_kill(s->disk);
        break;
    case 1:
        life_forget(s);
        fake_disk_kill(s->disk);
        break;
    default:
        life_forget(s);
        life_cut(s, CUT_SOME);
        break;
    }
    life_recover(s);
    life_check_files(s);
    if (s->q != NULL) {
        model_compare(s);
    }
}

static void
on_a_full_disk(struct sim *s, unsigned subsets)
{
    fake_disk_full(s->disk, true);
    for (unsigned tries = 0; tries < MESSAGES && s->failure == 0 && put_one(s); tries++) {
        work_settle(s);
    }
    if (s->failure == 0 && !s->low) {
        sim_violation(s, NULL, "a full disk takes mail");
    }
    work_on(s);
    for (unsigned owners = 0; s->q != NULL && owners < OWNERS && s->failure == 0; owners++) {
        (void)snprintf(s->at, sizeof(s->at), ", owner %u", owners + 1);
        s->subsets = owners == 0 ? subsets : 0;
        next_owner(s);
        s->subsets = 0;
        if (s->q != NULL) {
            work_on(s);
        }
    }
    fake_disk_full(s->disk, false);
}

/* All goes, and with it what holds the segments. */
static void
with_room_again(struct sim *s)
{
    struct queue_stats st;

    for (uint32_t i = 0; i < s->count && s->failure == 0; i++) {
        work_outcomes(s, &s->messages[i], OUTCOME_REMOVED);
        if (i % 4 == 0) {
            work_settle(s);
        }
    }
    work_settle(s);
    queue_stats(s->q, &st);
    if (st.messages > 0 || s->low || s->failure != 0) {
        sim_violation(s, NULL, "there is room again, and it is not taken");
    }
}

void
full_scenario(uint64_t seed, unsigned subsets, struct counts *n)
{
    struct sim *s = sim_new(seed, n);

    s->slack = 0;
    s->calm = true;
    fake_disk_capacity(s->disk, GIB);
    fake_disk_watch(s->disk, explore_on_boundary, s);
    life_recover(s);
    for (unsigned i = 0; s->q != NULL && i < MESSAGES && s->failure == 0; i++) {
        (void)put_one(s);
        work_settle(s);
    }
    if (s->q != NULL && s->failure == 0) {
        on_a_full_disk(s, subsets);
    }
    if (s->q != NULL && s->failure == 0) {
        with_room_again(s);
        life_forget(s);
    }
    sim_free(s);
    net_forget_texts();
}
