/* A small disk and one change of owner after the other, each leaving a partly filled segment, while
 * less than half of the disk is needed by mail that lives: new mail is never refused. What
 * compaction could win back later does not count, and neither does the bound, which is larger than
 * the disk. */
#include "sim.h"
#include <stdio.h>

#define LIVES        24
#define LIVE_PERCENT 45 /* of the disk */
#define SEGMENTS_MIN 48
#define BYTES_MAX    9000
#define BATCH        6

static void
nothing(void *ctx)
{
    (void)ctx;
}

static void
put_one(struct sim *s)
{
    struct envelope_recipient to[RECIPIENTS] = { { .address = SLICE_LIT("a@example.com") },
        { .address = SLICE_LIT("b@example.com") }, { .address = SLICE_LIT("c@example.net") } };
    struct queue_intake *in;
    struct message *m;
    uint32_t number;
    msg_id id;

    if (queue_begin(s->q, nothing, NULL, &in, &id) < 0) {
        s->n->refused++;
        sim_violation(s, NULL, "new mail is refused, and less than half of the disk lives");
        return;
    }
    number = model_add(s); /* moves them */
    m = &s->messages[number];
    m->id = id;
    while (m->bytes == 0 || dice(s, 3) > 0) {
        struct slice bytes = model_content(m, m->bytes, 1 + dice(s, BYTES_MAX / 3));

        if (queue_append(in, bytes) < 0) {
            break;
        }
        m->bytes += bytes.n;
    }
    (void)!work_commit(s, in, m->number, SLICE_LIT("me@example.org"), to);
}

static uint64_t
live_bytes(const struct sim *s)
{
    struct queue_stats st;

    queue_stats(s->q, &st);
    return st.live_bytes;
}

/* Not the oldest first. */
static const struct message *
any(struct sim *s)
{
    return &s->messages[dice(s, s->count)];
}

/* Some mail comes, some is deferred, and as much goes as must, so that no more than half lives. */
static void
live_once(struct sim *s, uint64_t live_max)
{
    uint64_t batches = 1 + dice(s, 30);

    for (uint64_t b = 0; b < batches && s->failure == 0; b++) {
        for (unsigned i = 0; i < BATCH; i++) {
            if (live_bytes(s) + BATCH * 2 * BYTES_MAX < live_max) {
                put_one(s);
            }
        }
        work_outcomes(s, any(s), OUTCOME_DEFERRED);
        work_settle(s);
        for (unsigned tries = 0; tries < s->count && dice(s, 8) > 0; tries++) {
            work_outcomes(s, any(s), OUTCOME_DELIVERED);
        }
        work_rest(s);
    }
}

void
room_scenario(uint64_t seed, struct counts *n)
{
    struct sim *s = sim_new(seed, n);
    uint64_t disk = (SEGMENTS_MIN + dice(s, 80)) * SEGMENT;
    const uint64_t starts = 2 * SEGMENT; /* of the reserve; next to nothing in earnest */

    s->slack = 0; /* as in earnest: the bound is larger than the disk */
    s->calm = true;
    fake_disk_capacity(s->disk, disk + starts);
    life_recover(s);
    for (unsigned lives = 0; s->q != NULL && lives < LIVES && s->failure == 0; lives++) {
        (void)snprintf(s->at, sizeof(s->at), ", owner %u", lives + 1);
        live_once(s, disk * LIVE_PERCENT / 100);
        if (s->low) {
            sim_violation(s, NULL, "the reserve is in use, and less than half of the disk lives");
        }
        life_forget(s);
        n->states[STATE_CUT_SOME]++;
        life_cut(s, CUT_SOME);
        life_recover(s);
        life_check_files(s);
        model_compare(s);
    }
    sim_free(s);
    net_forget_texts();
}
