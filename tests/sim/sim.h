/* tests/sim/sim.h - the simulation: the real queue, index and scheduler, a fake disk, clock, loop
 * and network, in one thread, all driven by one number. docs/testing.md says what it proves.
 *
 * A sim is one world: a disk, a daemon on it, and what was promised about each message. sim_model.c
 * notes the promises and compares; sim_work.c and sim_net.c use the queue; sim_life.c begins and
 * ends daemons; sim_explore.c looks at the crash states of a moment, each in a world of its own.
 * Memory of the simulation itself does not go through the allocator that fails (sim_wrap.c).
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "fake_disk.h"
#include "fake_loop.h"
#include "queue/queue_int.h"
#include "sched/sched.h"

#define STORE          "/store"
#define SEGMENT        (64 * KIB)
#define RECIPIENTS     3
#define SNAPSHOT_BYTES (2 * SEGMENT)
#define INTAKES_MAX    4
#define LEASE_MS       6000
#define NS_PER_MS      1000000u
#define WALL_BEGIN_MS  1795250000000u
#define RESERVE_BYTES  (4 * SEGMENT)
#define SEGMENTS_EMPTY 4 /* a drained store has no more */
/* Nor more segments' worth on the disk, with slack: two fewer than journal/ may have (journal.md
 * 7b), spares and all, and two for snapshots, owner files and the reserve's small ones; and the
 * reserve. */
#define SEGMENTS_KEPT 12

struct promise { /* about one recipient */
    bool final_asked, final_sure, failed_asked;
    bool again_ok; /* the network has it, but who sent it may not know: it may come once more */
    bool has_it;   /* the network has it, and nobody said since that this is settled */
    uint8_t delivered;
    unsigned attempts_asked, attempts_sure;
    uint32_t notice;      /* number + 1 of the message that tells of its failure */
    uint64_t transaction; /* in which the network had it last */
    uint64_t asked_at;
};

struct message {
    msg_id id;
    size_t bytes;
    const char *text; /* of a notice; NULL: from the table */
    uint32_t number;
    unsigned recipients, held_changes; /* changes since it was sure */
    bool committed, acked, gone, settled;
    uint8_t held_asked, held_sure; /* enum queue_hold */
    uint64_t held_at;
    uint64_t left_at; /* see sim.lefts */
    /* bytes of it that were secured before it was whole: told to be durable, and asked for */
    size_t part_sure, part_asked;
    bool part_dropped;
    struct promise to[RECIPIENTS];
};

#define TRANSID_CAP 64
#define SETTINGS    3
struct setting {
    char asked, sure; /* its value, a digit; 0: unset */
    unsigned changes; /* since it was sure */
    uint64_t asked_at;
};

struct intake {
    struct queue_intake *in;
    uint32_t m;
};

/* What was tried, by kind; sim_report prints it. */
enum state_kind {
    STATE_CUT_NOTHING,  /* power cut; nothing that was not synced is there */
    STATE_CUT_ALL,      /* … all of it is */
    STATE_CUT_SOME,     /* … some of it, sectors torn */
    STATE_KILL,         /* the process dies, the page cache stays */
    STATE_CUT_RECOVERY, /* a second cut at some call of the recovery */
    STATE_CUT_AGAIN,    /* a second cut after it */
    STATE_EIO,
    STATE_EIO_CUT, /* … from then on, and the power goes */
    STATE_ENOSPC,
    STATE_SHORT,
    STATE_TORN,
    STATE_MEMORY, /* an allocation failed */
    STATE_ROT,    /* bytes changed on a sound store */
    STATE_GONE,   /* a segment's file vanished after a crash */
    STATE_KINDS
};

struct counts {
    uint64_t states[STATE_KINDS], same; /* same: met before in this scenario, not tried again */
    uint64_t boundaries, scenarios, acked, delivered, again, notices, recoveries, refused, lapses;
    uint64_t compacted, snapshots, read_snapshots, compared, full, failed_stop, violations;
    uint64_t early; /* acknowledged before the load was done */
    /* of STATE_GONE: a finding; nothing needed it, and it was left out of a CENSUS or empty; the
     * last of a crashed owner, which nobody can miss */
    uint64_t missed, unneeded, untold;
    uint64_t parts, resumed;
};

struct sim {
    uint64_t random, salts, seed;
    struct fake_disk *disk;
    struct loop *loop;
    struct queue *q;
    bool open_done, dead, quiet, low, fault_met, calm, single, starved;
    bool early; /* mail comes in while the last owner's is being loaded */
    bool loaded;
    unsigned load_turns; /* before that */
    int open_status, failure;
    uint32_t slack;         /* segments: so few that compaction often runs */
    char text[512], at[96]; /* at: where in the scenario, for the report */
    struct message *messages;
    uint32_t count, capacity;
    struct intake intakes[INTAKES_MAX];
    struct setting settings[SETTINGS];
    struct queue_claim claim;
    uint64_t asks, certain; /* asked so far; grows when something became certain */
    uint64_t lefts;         /* messages with a TRANSID that left, or tried to */
    uint64_t boot_ns, renewed_ns, wall_ms, unsure_at;

    /* sim_net.c */
    struct sched *sched;
    struct list sessions;
    uint64_t timer_at;
    bool drained;

    /* sim_explore.c */
    unsigned subsets; /* crash states at each boundary; 0: none */
    uint64_t boundary;
    uint64_t *seen;
    size_t seen_count, seen_capacity;

    struct counts *n;
};

extern struct sim *sim; /* whose code runs */

static inline uint64_t
dice(struct sim *s, uint64_t sides)
{
    return fake_random(&s->random) % sides;
}
/* With --trace: what happens to a message, as it happens. */
extern bool sim_trace;
void sim_tell(const struct sim *s, msg_id id, unsigned recipient, const char *what, int rc);
void sim_violation(struct sim *s, const struct message *m, const char *what);

/* ---- sim_model.c */
struct message *model_find(struct sim *s, msg_id id);
uint32_t model_add(struct sim *s);                       /* a new message's number */
void model_set(struct sim *s, unsigned key, char value); /* a setting */
/* What a client called the transaction; empty: it did not. */
struct slice model_transid(const struct message *m, char out[TRANSID_CAP]);
struct slice model_content(const struct message *m, size_t at, size_t n); /* at most n */
void model_check_content(struct sim *s, const struct message *m, const struct queue_message *qm);
/* After a recovery: what is there against what was promised; it is the promise from then on. */
void model_compare(struct sim *s);
uint64_t model_fingerprint(const struct sim *s); /* of what the queue shows */
void model_sync(struct sim *s);                  /* ask to be told when all so far is certain */
void model_copy(struct sim *to, const struct sim *from);

/* ---- sim_work.c */
void work_item(struct sim *s);
void work_early(struct sim *s); /* an item of what a queue that is still loading can be asked */
void work_turn(struct sim *s);  /* of the loop, with the lease renewed and timers run */
void work_settle(struct sim *s);
void work_pass(struct sim *s, uint64_t ms);
void work_deliver_all(struct sim *s);
/* Each recipient of m that may still have one gets this outcome. */
void work_outcomes(struct sim *s, const struct message *m, enum outcome_kind kind);
/* Time for what runs beside mail: compaction, snapshots, the reserve. */
void work_rest(struct sim *s);
int work_commit(struct sim *s, struct queue_intake *in, uint32_t number, struct slice sender,
    const struct envelope_recipient *to);
/* To the recipients that sim_net.c knows. */
int work_commit_to_all(struct sim *s, struct queue_intake *in, uint32_t number);
void work_drop_intakes(struct sim *s);

/* ---- sim_net.c */
void net_begin(struct sim *s); /* a scheduler over a queue that was just opened */
void net_end(struct sim *s);   /* as in a crash */
void net_step(struct sim *s);
void net_add(struct sim *s, struct queue_message *m);
void net_remove(struct sim *s, struct queue_message *m);
bool net_drain(struct sim *s);
void net_forget_texts(void); /* when no world is left */

/* ---- sim_life.c */
struct sim *sim_new(uint64_t seed, struct counts *n);
/* The world as it would be on this disk: a promise for each, and no daemon. Takes the disk. */
struct sim *sim_fork(struct sim *s, struct fake_disk *disk, uint64_t random);
void sim_free(struct sim *s);
int life_open(struct sim *s);     /* once; all is loaded then, and nothing under way */
void life_recover(struct sim *s); /* until it opens, with tries that are cut off */
void life_forget(struct sim *s);  /* the daemon is gone */
void life_release(struct sim *s);
void life_live(struct sim *s);
void life_cut(struct sim *s, enum fake_cut how);
void life_check_files(struct sim *s);
void life_scenario(struct sim *s);

/* ---- sim_explore.c */
void explore_on_boundary(void *ctx);
/* Recover what is on s's disk, compare, cut again, compare with the first. power: the disk is as
 * after a power cut. */
void explore_probe(struct sim *s, bool power);

/* ---- sim_gone.c */
/* Of what is on s's disk, a segment's file vanishes. */
void gone_probe(struct sim *s);

/* ---- sim_fault.c, sim_rot.c: all of one seed */
/* at: only the fault with this number; 0: all. */
void fault_sweep(uint64_t seed, uint64_t at, struct counts *n);
void memory_sweep(uint64_t seed, uint64_t at, struct counts *n);
void rot_sweep(uint64_t seed, struct counts *n);

/* ---- sim_room.c */
void room_scenario(uint64_t seed, struct counts *n);

/* ---- sim_full.c */
void full_scenario(uint64_t seed, unsigned subsets, struct counts *n);

/* ---- sim_wrap.c */
enum broken {
    BROKEN_NOTHING,
    BROKEN_NO_SYNC,       /* a sync does nothing */
    BROKEN_LATE_SYNC,     /* acknowledged before the sync */
    BROKEN_NO_DIR_SYNC,   /* names are not synced */
    BROKEN_NO_NEEDS,      /* a segment does not outlive those that its records are about (I7) */
    BROKEN_EARLY_FREE,    /* freed before the last outcome is durable (I10) */
    BROKEN_EARLY_COMPACT, /* freed before SURVIVORS is durable (I7) */
    BROKEN_EARLY_CENSUS,  /* freed before the CENSUS that leaves it out is durable (I16) */
    BROKEN_NO_MISSING,    /* nobody asks which segments must be there */
    BROKEN_NO_SEAL,       /* the valid lengths of a SEAL are ignored (I6) */
    BROKEN_NO_CRC,        /* payloads are believed (I11) */
    BROKEN_NO_ATTEMPT,    /* the final dot goes out, and no ATTEMPT says so (I14) */
    BROKEN_NO_NAME,       /* a TRANSID is forgotten with its message */
    BROKEN_NO_NUMBER,     /* an ATTEMPT without its transaction */
    BROKEN_DEAF,          /* a failed sync is taken for a good one (I5) */
    BROKEN_KINDS
};
extern enum broken wrap_broken;
extern const char *const wrap_broken_names[BROKEN_KINDS];
/* Allocations of the code under test since the last call; number nth fails (0: none). */
uint64_t wrap_allocations(void);
void wrap_fail_allocation(uint64_t nth);
bool wrap_allocation_failed(void);

#endif
