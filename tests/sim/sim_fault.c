/* One thing fails, once: each disk call of a scenario, each write in the middle, each allocation.
 * The scenario is run anew for each, since what the daemon makes of it differs from there on. Then
 * the process or the machine dies, and what is left is looked at as after any crash. */
#include "sim.h"
#include <stdio.h>
#include <stdlib.h>

struct sweep {
    const char *name;
    enum state_kind kind;
    enum fake_fault fault;
    int error;
    bool forever, memory;
};

static const struct sweep disk_sweeps[] = {
    { "eio", STATE_EIO, FAULT_ERROR, -EIO, false, false },
    { "eio-cut", STATE_EIO_CUT, FAULT_ERROR, -EIO, true, false },
    { "enospc", STATE_ENOSPC, FAULT_ERROR, -ENOSPC, false, false },
    { "short", STATE_SHORT, FAULT_SHORT, -ENOSPC, false, false },
    { "torn", STATE_TORN, FAULT_TORN, -EIO, false, false },
};
static const struct sweep memory_sweep_kind = {
    .name = "memory", .kind = STATE_MEMORY, .memory = true
};

static bool
met(const struct sim *s)
{
    return s->fault_met || fake_disk_failed(s->disk) || wrap_allocation_failed();
}

/* A write or sync of what holds mail or ownership failed: the daemon must have stopped (I5). */
static void
check_stopped(struct sim *s, const struct sweep *w, uint64_t stops)
{
    const char *call = fake_disk_failed_call(s->disk);
    bool bytes = strncmp(call, "pwritev", 7) == 0 || strncmp(call, "sync", 4) == 0;
    bool ours = strstr(call, ".seg") != NULL || strstr(call, "/owner.") != NULL;

    if (!w->memory && w->error == -EIO && bytes && ours && s->n->failed_stop == stops) {
        char text[200];

        (void)snprintf(text, sizeof(text), "goes on after a failed %s", call);
        sim_violation(s, NULL, text);
    }
}

/* Lives until the fault was met or the scenario is over. */
static void
lives(struct sim *s)
{
    for (uint64_t n = 1 + dice(s, 3); n > 0 && !met(s); n--) {
        if (life_open(s) < 0) {
            s->n->failed_stop++;
            if (!met(s)) {
                sim_violation(s, NULL, s->text);
            }
            return;
        }
        model_compare(s);
        life_live(s);
    }
}

static void
sweep_one(uint64_t seed, const struct sweep *w, uint64_t nth, struct counts *n, bool *was_met)
{
    struct sim *s = sim_new(seed, n);
    uint64_t stops = n->failed_stop;

    s->calm = true;
    s->single = true;
    if (w->memory) {
        wrap_fail_allocation(nth);
    } else {
        fake_disk_arm(s->disk, w->fault, nth, w->error, w->forever);
    }
    (void)snprintf(s->at, sizeof(s->at), " with %s at %llu", w->name, (unsigned long long)nth);
    lives(s);
    *was_met = met(s);
    if (*was_met) {
        check_stopped(s, w, stops);
    }
    wrap_fail_allocation(0);
    fake_disk_fail(s->disk, 0, 0, false);
    fake_loop_kill(s->loop);
    fake_disk_kill(s->disk);
    if (*was_met) {
        bool power = w->forever || dice(s, 2) == 0;

        if (power) {
            life_cut(s, CUT_SOME);
        }
        s->starved = w->memory;
        n->states[w->kind]++;
        explore_probe(s, power);
    }
    sim_free(s);
    net_forget_texts();
}

static void
sweep_all(uint64_t seed, const struct sweep *w, uint64_t at, struct counts *n)
{
    uint64_t nth = MAX(at, (uint64_t)1);
    bool was_met;

    /* once without: what is allocated only once in a process must not shift the numbers */
    sweep_one(seed, w, UINT64_MAX, n, &was_met);
    do {
        sweep_one(seed, w, nth++, n, &was_met);
    } while (was_met && at == 0);
}

void
fault_sweep(uint64_t seed, uint64_t at, struct counts *n)
{
    for (size_t i = 0; i < ARRAY_LEN(disk_sweeps); i++) {
        sweep_all(seed, &disk_sweeps[i], at, n);
    }
}

void
memory_sweep(uint64_t seed, uint64_t at, struct counts *n)
{
    sweep_all(seed, &memory_sweep_kind, at, n);
}
