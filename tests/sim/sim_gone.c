/* After a crash one segment's file is not there any more: somebody removed it, a filesystem lost
 * it. Whoever recovers says so, unless nothing needed it and the owner had said that it goes, and
 * goes on saying so; a file that comes back too late is not deleted. */
#include "same_index.h"
#include "sim.h"
#include <stdio.h>

struct gone {
    struct sim *s;
    char names[256][SEGMENT_NAME_CAP], path[96];
    unsigned count;
    uint64_t seq;
    uint32_t epoch;
    bool last; /* of the last epoch: nothing behind it shows that it was there */
};

static int
each_segment(void *ctx, const char *name)
{
    struct gone *g = ctx;
    uint64_t seq;
    uint32_t epoch;

    if (segment_name_parse(name, &seq, &epoch) && g->count < ARRAY_LEN(g->names)) {
        (void)snprintf(g->names[g->count++], sizeof(g->names[0]), "%s", name);
    }
    return 0;
}

static const char *
choose(struct gone *g, uint32_t last_epoch)
{
    const char *name = g->names[dice(g->s, g->count)];

    CHECK(segment_name_parse(name, &g->seq, &g->epoch));
    (void)snprintf(g->path, sizeof(g->path), STORE "/journal/%s", name);
    g->last = g->epoch == last_epoch;
    for (unsigned i = 0; i < g->count; i++) {
        uint64_t seq;
        uint32_t epoch;

        CHECK(segment_name_parse(g->names[i], &seq, &epoch));
        g->last = g->last && (epoch != g->epoch || seq <= g->seq);
    }
    return name;
}

static void
on_finding(void *ctx, const struct queue_finding *f)
{
    *(unsigned *)ctx += f->kind == FINDING_SEGMENT_MISSING;
}

static bool
names(const struct recovery *r, uint64_t seq)
{
    for (uint32_t i = 0; i < r->missing_count; i++) {
        if (r->missing[i] == seq) {
            return true;
        }
    }
    return false;
}

/* True: it is missed. seg: what was known of it while it was there. */
static bool
judge(const struct gone *g, const struct segment *seg, const struct side *before,
    const struct side *after)
{
    bool unneeded = seg->left_out || seg->valid_bytes <= SEGMENT_HEADER_BYTES;
    bool same = same_content(before, after) == NULL, missed = names(&after->r, g->seq);

    if (missed && seg->left_out) {
        sim_violation(g->s, NULL, "a segment is missed that a CENSUS had left out");
    } else if (missed) {
        g->s->n->missed++;
    } else if (same && unneeded) {
        g->s->n->unneeded++;
    } else if (g->last) {
        g->s->n->untold++;
    } else {
        sim_violation(g->s, NULL, "a segment vanished, and nobody misses it");
    }
    return missed;
}

/* A daemon starts without it, and dies; the file comes back; another one starts. */
static void
daemons(const struct gone *g, const char *name, const uint8_t *bytes, size_t n)
{
    char aside[96];
    struct io_stat st;
    struct sim *s = g->s;

    (void)snprintf(aside, sizeof(aside), STORE "/quarantine/%s", name);
    for (unsigned life = 0; life < 2; life++) {
        if (life_open(s) < 0) {
            if (s->open_status != -ENOSPC) {
                sim_violation(s, NULL, s->text);
            }
            return;
        }
        if (s->claim.quarantined == 0) {
            sim_violation(s, NULL,
                life == 0 ? "missing, and the daemon does not say so"
                          : "missing, and the next daemon forgot it");
        }
        life_forget(s);
        life_cut(s, CUT_SOME);
        if (life == 0) {
            fake_disk_put(s->disk, g->path, bytes, n);
        }
    }
    if (io_stat(aside, &st) < 0 && io_stat(g->path, &st) < 0) {
        sim_violation(s, NULL, "a missing segment came back, and was deleted");
    }
}

static void
vanish(struct gone *g, const struct side *before)
{
    static uint8_t bytes[SEGMENT];
    const char *name = choose(g, before->r.epoch);
    const struct segment *seg = segtab_find(&before->segments, g->seq);
    unsigned found = 0;
    struct side after;
    size_t n;

    if (seg == NULL || seg->epoch != g->epoch) {
        return; /* a stray */
    }
    n = fake_disk_peek(g->s->disk, g->path, 0, bytes, sizeof(bytes));
    fake_disk_remove(g->s->disk, g->path);
    g->s->n->states[STATE_GONE]++;
    if (side_load(&after, STORE, dice(g->s, 2) == 0, on_finding, &found) < 0) {
        sim_violation(g->s, NULL, after.r.text);
    } else if (judge(g, seg, before, &after)) {
        if (found == 0) {
            sim_violation(g->s, NULL, "missing, and no finding says so");
        }
        if (dice(g->s, 4) == 0) {
            daemons(g, name, bytes, n);
        }
    }
    side_end(&after);
}

void
gone_probe(struct sim *s)
{
    struct sim *was = sim;
    struct gone g = { .s = sim_fork(s, fake_disk_clone(s->disk, fake_random(&s->random)),
                          fake_random(&s->random)) };
    unsigned found = 0;
    struct side before;

    sim = g.s;
    fake_disk_use(g.s->disk);
    if (side_load(&before, STORE, dice(g.s, 2) == 0, on_finding, &found) == 0 &&
        io_list(STORE "/journal", each_segment, &g) == 0 && g.count > 0) {
        if (found > 0) {
            sim_violation(g.s, NULL, "a crash looks as if a segment were missing");
        }
        vanish(&g, &before);
    }
    side_end(&before);
    sim_free(g.s);
    sim = was;
    fake_disk_use(was->disk);
}
