/* The store's simulation: see sim.h, docs/testing.md.
 *
 *   sim_queue [cuts] [faults] [memory] [rot] [room] [full] [--seed S | --first S] [--seeds N]
 *             [--states N] [--subsets K] [--wild] [--broken NAME] [--at N] [--trace] [--quiet]
 *
 * Without words all six. --seed S runs that seed alone: what it prints is what it printed before;
 * --at N only fault number N of it; --trace tells what happens to each message.
 * --wild: names that were not synced come in any subset, not only in the order they were made; else
 * only with every third seed.
 * --states: no new seed once so many states were tried. --broken: the queue is broken in one place
 * (no-sync, late-sync, no-dir-sync, no-needs, early-free, early-compact, early-census, no-missing,
 * no-seal, no-crc, no-attempt, no-name, no-number, deaf), and the exit status says whether that was
 * found. */
#include "fake_pages.h"
#include "sim.h"
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    RUN_CUTS = 1,
    RUN_FAULTS = 2,
    RUN_MEMORY = 4,
    RUN_ROT = 8,
    RUN_ROOM = 16,
    RUN_FULL = 32,
    RUN_ALL = 63
};

static const char *const run_names[] = { "cuts", "faults", "memory", "rot", "room", "full" };
static const char *const kind_names[STATE_KINDS] = {
    [STATE_CUT_NOTHING] = "power cut, nothing unsynced there",
    [STATE_CUT_ALL] = "power cut, all of it there",
    [STATE_CUT_SOME] = "power cut, some of it, torn",
    [STATE_KILL] = "process killed",
    [STATE_CUT_RECOVERY] = "cut again during the recovery",
    [STATE_CUT_AGAIN] = "cut again after the recovery",
    [STATE_EIO] = "a call fails with EIO",
    [STATE_EIO_CUT] = "... and all later ones, then power cut",
    [STATE_ENOSPC] = "a call fails with ENOSPC",
    [STATE_SHORT] = "a write is short, then ENOSPC",
    [STATE_TORN] = "a write fails half done, a sector torn",
    [STATE_MEMORY] = "an allocation fails",
    [STATE_ROT] = "bytes rot",
    [STATE_GONE] = "a segment vanishes",
};

struct arguments {
    unsigned run;
    uint64_t first, seeds, states, subsets, at;
    bool quiet, wild;
};

static uint64_t
states(const struct counts *n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < STATE_KINDS; i++) {
        sum += n->states[i];
    }
    return sum;
}

static void
cuts(uint64_t seed, const struct arguments *a, struct counts *n)
{
    struct sim *s = sim_new(seed, n);

    s->subsets = (unsigned)a->subsets;
    s->quiet = a->quiet;
    s->calm = seed % 2 == 0;
    fake_disk_wild(s->disk, a->wild || seed % 3 == 0);
    fake_disk_watch(s->disk, explore_on_boundary, s);
    life_scenario(s);
    sim_free(s);
    net_forget_texts();
}

static void
run_seed(const struct arguments *a, uint64_t seed, struct counts *n)
{
    if ((a->run & RUN_CUTS) != 0) {
        cuts(seed, a, n);
    }
    if ((a->run & RUN_FAULTS) != 0) {
        fault_sweep(seed, a->at, n);
    }
    if ((a->run & RUN_MEMORY) != 0) {
        memory_sweep(seed, a->at, n);
    }
    if ((a->run & RUN_ROT) != 0) {
        rot_sweep(seed, n);
    }
    if ((a->run & RUN_ROOM) != 0) {
        room_scenario(seed, n);
    }
    if ((a->run & RUN_FULL) != 0) {
        full_scenario(seed, (unsigned)a->subsets, n);
    }
}

/* Seeds that failed once. at 0: all faults of it. */
static const struct {
    unsigned run;
    uint64_t seed, at;
    const char *what;
} cases[] = {
    { RUN_CUTS, 125420001700, 0, "a setting that was unset came back when its segment was tidied" },
    { RUN_CUTS, 90020, 0, "compaction of a short disk did not end" },
    { RUN_CUTS, 90011, 0, "deferrals used the reserve up, and no round was begun for them" },
    { RUN_ROOM, 15, 0, "a segment that no round could free was chosen each time" },
    { RUN_ROOM, 78, 0, "a dead segment that twelve others held hid those that would pay" },
    { RUN_FAULTS, 39, 0, "an end of the daemon right behind a failed renewal" },
    { RUN_MEMORY, 205129000403, 0, "no memory for the notice of a bounce that hit a lost answer" },
};

static void
run_cases(const struct arguments *a, struct counts *n)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if ((a->run & cases[i].run) != 0) {
            struct arguments one = {
                .run = cases[i].run, .at = cases[i].at, .subsets = a->subsets
            };
            uint64_t before = n->violations;

            run_seed(&one, cases[i].seed, n);
            if (n->violations > before) {
                printf("a fixed case fails again: %s\n", cases[i].what);
            }
        }
    }
}

static void
report(const struct counts *n, uint64_t first, uint64_t next)
{
    printf("sim_queue: seeds %llu to %llu, %llu crash states:\n", (unsigned long long)first,
        (unsigned long long)next - 1, (unsigned long long)states(n));
    for (size_t i = 0; i < STATE_KINDS; i++) {
        if (n->states[i] > 0) {
            printf("  %10llu  %s\n", (unsigned long long)n->states[i], kind_names[i]);
        }
    }
    printf("  at %llu boundaries (%llu states met before were left out), %llu recoveries\n",
        (unsigned long long)n->boundaries, (unsigned long long)n->same,
        (unsigned long long)n->recoveries);
    printf("  %llu acknowledged, %llu deliveries "
           "(%llu of them again), %llu notices, %llu refused, "
           "%llu failed stop, %llu lapsed leases, %llu pieces of compaction, %llu stopped by a "
           "full disk\n",
        (unsigned long long)n->acked, (unsigned long long)n->delivered,
        (unsigned long long)n->again, (unsigned long long)n->notices,
        (unsigned long long)n->refused, (unsigned long long)n->failed_stop,
        (unsigned long long)n->lapses, (unsigned long long)n->compacted,
        (unsigned long long)n->full);
    printf("  %llu snapshots written, %llu recoveries began at one, %llu compared with the whole "
           "journal; %llu messages acknowledged before all was loaded\n",
        (unsigned long long)n->snapshots, (unsigned long long)n->read_snapshots,
        (unsigned long long)n->compared, (unsigned long long)n->early);
    if (n->states[STATE_GONE] > 0) {
        printf("  of the segments that vanished %llu were missed, %llu needed by nothing, %llu the "
               "last of an owner that crashed\n",
            (unsigned long long)n->missed, (unsigned long long)n->unneeded,
            (unsigned long long)n->untold);
    }
    printf("  %llu parts secured, %llu resumed\n", (unsigned long long)n->parts,
        (unsigned long long)n->resumed);
    printf("sim_queue: %llu violations%s%s\n", (unsigned long long)n->violations,
        wrap_broken != BROKEN_NOTHING ? " found with " : "",
        wrap_broken != BROKEN_NOTHING ? wrap_broken_names[wrap_broken] : "");
}

static bool
read_number(const char *text, uint64_t *out)
{
    return text != NULL && slice_u64(slice_of(text), UINT64_MAX, out) == 0;
}

static bool
read_word(struct arguments *a, const char *word)
{
    for (unsigned i = 0; i < ARRAY_LEN(run_names); i++) {
        if (strcmp(word, run_names[i]) == 0) {
            a->run |= 1u << i;
            return true;
        }
    }
    return false;
}

static bool
read_broken(const char *name)
{
    for (unsigned i = 0; name != NULL && i < BROKEN_KINDS; i++) {
        if (strcmp(name, wrap_broken_names[i]) == 0) {
            wrap_broken = (enum broken)i;
            return true;
        }
    }
    return false;
}

static bool
read_arguments(struct arguments *a, int argc, char **argv)
{
    *a = (struct arguments){ .first = 1, .seeds = 4, .states = UINT64_MAX, .subsets = 4 };
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        bool ok = true;

        if (strcmp(argv[i], "--quiet") == 0 || strcmp(argv[i], "--wild") == 0) {
            a->quiet = a->quiet || argv[i][2] == 'q';
            a->wild = a->wild || argv[i][2] == 'w';
            continue;
        }
        if (strcmp(argv[i], "--trace") == 0) {
            sim_trace = true;
            continue;
        }
        if (argv[i][0] != '-') {
            if (!read_word(a, argv[i])) {
                return false;
            }
            continue;
        }
        if (strcmp(argv[i], "--seed") == 0) {
            ok = read_number(next, &a->first);
            a->seeds = 1;
        } else if (strcmp(argv[i], "--first") == 0) {
            ok = read_number(next, &a->first);
        } else if (strcmp(argv[i], "--seeds") == 0) {
            ok = read_number(next, &a->seeds);
        } else if (strcmp(argv[i], "--states") == 0) {
            ok = read_number(next, &a->states);
        } else if (strcmp(argv[i], "--subsets") == 0) {
            ok = read_number(next, &a->subsets);
        } else if (strcmp(argv[i], "--at") == 0) {
            ok = read_number(next, &a->at);
        } else if (strcmp(argv[i], "--broken") == 0) {
            ok = read_broken(next);
        } else {
            ok = false;
        }
        if (!ok) {
            return false;
        }
        i++;
    }
    a->run = a->run == 0 ? RUN_ALL : a->run;
    return true;
}

int
main(int argc, char **argv)
{
    struct counts n = { 0 };
    struct arguments a;
    uint64_t seed;
    bool broken;

    if (!read_arguments(&a, argc, argv)) {
        (void)fprintf(stderr, "sim_queue: usage: see the head of sim_queue.c\n");
        return 2;
    }
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 28); /* not back to the kernel after each of its lives */
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 28);
    broken = wrap_broken != BROKEN_NOTHING;
    if (!broken && a.first == 1) {
        run_cases(&a, &n);
    }
    for (seed = a.first; seed < a.first + a.seeds && states(&n) < a.states; seed++) {
        run_seed(&a, seed, &n);
        if (broken && n.violations > 0) {
            seed++;
            break;
        }
    }
    report(&n, a.first, seed);
    return broken ? n.violations == 0 : n.violations > 0;
}
