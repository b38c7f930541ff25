/* Before each call that changes the disk the world stands still, and what a crash at this moment
 * could leave is tried: each state on a copy of the disk, in a world of its own. */
#include "fake_pages.h"
#include "same_index.h"
#include "sim.h"
#include <stdio.h>
#include <stdlib.h>

/* Was it met before in this scenario, with nothing more promised? */
static bool
is_new(struct sim *s, uint64_t key)
{
    size_t mask, at;

    if (s->seen_count * 2 >= s->seen_capacity) {
        uint64_t *old = s->seen;
        size_t n = s->seen_capacity;

        s->seen_capacity = MAX(n * 2, (size_t)4096);
        s->seen = calloc(s->seen_capacity, sizeof(*s->seen));
        CHECK(s->seen != NULL);
        s->seen_count = 0;
        for (size_t i = 0; i < n; i++) {
            if (old[i] != 0) {
                (void)is_new(s, old[i]);
            }
        }
        free(old);
    }
    mask = s->seen_capacity - 1;
    key |= 1;
    for (at = key >> 20 & mask; s->seen[at] != 0; at = (at + 1) & mask) {
        if (s->seen[at] == key) {
            return false;
        }
    }
    s->seen[at] = key;
    s->seen_count++;
    return true;
}

/* The daemon that was opened works a little more, dies, and is compared again: what recovery got
 * wrong without showing it. */
static void
live_on(struct sim *f)
{
    unsigned items = 40;

    if (dice(f, 2) == 0) {
        net_begin(f);
    }
    while (items-- > 0 && f->failure == 0) {
        work_item(f);
    }
    life_forget(f);
    life_cut(f, CUT_SOME);
    f->early = dice(f, 2) == 0;
    if (life_open(f) < 0) {
        if (!f->early || f->open_status != -ENOSPC) {
            sim_violation(f, NULL, f->text);
        }
        return;
    }
    model_compare(f);
}

/* Cut off somewhere in the recovery, and again from what that left. */
static void
cut_in_recovery(struct sim *g, uint64_t calls, uint64_t fingerprint, bool power)
{
    fake_disk_fail(g->disk, 1 + dice(g, calls), -EIO, true);
    if (life_open(g) == 0) {
        life_forget(g);
    }
    fake_disk_fail(g->disk, 0, 0, false);
    fake_loop_kill(g->loop);
    life_cut(g, CUT_SOME);
    g->n->states[STATE_CUT_RECOVERY]++;
    if (life_open(g) < 0) {
        sim_violation(g, NULL, g->text);
        return;
    }
    if (power && model_fingerprint(g) != fingerprint) {
        sim_violation(g, NULL, "recovers differently when it was cut in between");
    }
    model_compare(g);
    life_check_files(g);
}

static void
run_in(struct sim *f)
{
    sim = f;
    fake_disk_use(f != NULL ? f->disk : NULL);
}

/* A snapshot gives what the whole journal gives. */
static void
compare_ways(struct sim *f)
{
    bool used = false;
    unsigned unreadable = 0;
    const char *differs;

    if (dice(f, 4) != 0) {
        return;
    }
    differs = same_index(STORE, &used, &unreadable);
    f->n->compared += used;
    /* without memory for a reply's text it is left out, also of the snapshot */
    if (differs != NULL && !(f->starved && strcmp(differs, "reply") == 0)) {
        char text[120];

        (void)snprintf(text, sizeof(text), "with a snapshot and without one: %s", differs);
        sim_violation(f, NULL, text);
    }
    if (unreadable > 0) {
        sim_violation(f, NULL, "a crash leaves an unreadable snapshot");
    }
}

void
explore_probe(struct sim *s, bool power)
{
    struct sim *was = sim, *f, *g = NULL;
    uint64_t calls, fingerprint;

    f = sim_fork(s, fake_disk_clone(s->disk, fake_random(&s->random)), fake_random(&s->random));
    if (dice(s, 4) == 0) {
        g = sim_fork(s, fake_disk_clone(s->disk, fake_random(&s->random)), fake_random(&s->random));
    }
    run_in(f);
    compare_ways(f);
    calls = fake_disk_calls(f->disk);
    if (life_open(f) < 0) {
        sim_violation(f, NULL, f->text);
    } else {
        calls = fake_disk_calls(f->disk) - calls;
        if (f->claim.quarantined > 0) {
            sim_violation(f, NULL, "a crash looks like damage");
        }
        fingerprint = model_fingerprint(f);
        model_compare(f);
        life_check_files(f);
        life_forget(f);
        life_cut(f, CUT_SOME);
        f->n->states[STATE_CUT_AGAIN]++;
        if (life_open(f) < 0) {
            sim_violation(f, NULL, f->text);
        } else if (model_fingerprint(f) != fingerprint) {
            sim_violation(f, NULL, "recovers differently the second time");
        } else if (dice(f, 8) == 0) {
            live_on(f);
        }
        if (g != NULL) {
            run_in(g);
            cut_in_recovery(g, calls, fingerprint, power);
        }
    }
    sim_free(f);
    if (g != NULL) {
        sim_free(g);
    }
    run_in(was);
    if (dice(s, 8) == 0) {
        gone_probe(s);
    }
}

static void
explore(struct sim *s, enum state_kind kind, unsigned variant)
{
    static const enum fake_cut how[] = {
        [STATE_CUT_NOTHING] = CUT_NOTHING, [STATE_CUT_ALL] = CUT_ALL, [STATE_CUT_SOME] = CUT_SOME
    };
    uint64_t random = fake_mix(fake_mix(s->seed, s->boundary), (uint64_t)kind * 1000 + variant);
    struct fake_disk *d = fake_disk_clone(s->disk, random);
    uint64_t key;

    if (kind != STATE_KILL) {
        fake_disk_cut(d, how[kind]);
    }
    key = fake_mix(fake_mix(fake_disk_digest(d), s->certain), kind == STATE_KILL);
    if (!is_new(s, key)) {
        s->n->same++;
        fake_disk_free(d);
        return;
    }
    s->n->states[kind]++;
    {
        struct sim *f = sim_fork(s, d, random);

        (void)snprintf(f->at, sizeof(f->at), " at boundary %llu, state %d.%u",
            (unsigned long long)s->boundary, (int)kind, variant);
        run_in(f);
        explore_probe(f, kind != STATE_KILL);
        sim_free(f);
        run_in(s);
    }
}

void
explore_on_boundary(void *ctx)
{
    struct sim *s = ctx;

    if (sim != s || s->subsets == 0 || fake_disk_failed(s->disk)) {
        return;
    }
    s->boundary++;
    s->n->boundaries++;
    explore(s, STATE_CUT_NOTHING, 0);
    explore(s, STATE_CUT_ALL, 0);
    explore(s, STATE_KILL, 0);
    for (unsigned i = 0; i < s->subsets; i++) {
        explore(s, STATE_CUT_SOME, i);
    }
}
