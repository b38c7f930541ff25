#include "queue/recover_int.h"
#include "queue/snapshot_load.h"
#include <stdlib.h>

bool
recover_snapshot_counts(const struct recovery *r, const struct snapshot_ref *ref)
{
    for (uint32_t i = 0; i < r->named_count; i++) {
        if (r->named[i].position == ref->position && r->named[i].epoch == ref->epoch) {
            return r->named[i].salt == ref->salt;
        }
    }
    return ref->epoch == r->epoch && ref->epoch != 0;
}

/* I15: which of those that are there count. */
static bool
snapshot_counts(const struct run *run, const struct snapshot_ref *ref)
{
    return recover_snapshot_counts(run->r, ref);
}

static void
unreadable(struct run *run, const struct snapshot_ref *ref, int rc)
{
    struct recovery *r = run->r;

    if (r->unreadable_count < ARRAY_LEN(r->unreadable)) {
        r->unreadable[r->unreadable_count++] = (struct recover_unreadable){ *ref, rc };
    }
}

static int
load_snapshot(struct run *run, const struct snapshot_info *info)
{
    struct recovery *r = run->r;
    struct replay replay = { r->segments, r->index, r->segment_bytes };
    int rc = snapshot_load(r->store, info, &replay, r->stop);

    if (rc < 0) {
        snapshot_undo(&replay);
        return rc;
    }
    run->from = info->head.position;
    r->used = (struct snapshot_ref){ run->from, info->head.salt, info->head.epoch };
    r->snapshot_bytes = info->trailer.file_bytes;
    r->damaged += info->trailer.damaged;
    return 0;
}

int
recover_look_for_snapshots(struct run *run)
{
    struct recovery *r = run->r;
    struct snapshot_list *all = r->use_snapshots ? malloc(sizeof(*all)) : NULL;
    int rc;

    if (!r->use_snapshots) {
        return 0;
    }
    rc = all == NULL ? -ENOMEM : snapshot_list(r->store, all);
    for (uint32_t i = 0; rc == 0 && i < all->count && r->snapshot_count < SNAPSHOT_REFS_MAX; i++) {
        struct snapshot_ref *ref = &all->list[i];
        struct snapshot_info info;
        int seen = snapshot_look(r->store, r->uuid, r->segment_bytes, ref, &info);

        ref->salt = seen < 0 ? 0 : info.head.salt;
        if (seen < 0) {
            unreadable(run, ref, seen);
        } else if (snapshot_counts(run, ref)) {
            if (ref->epoch == r->epoch) { /* all it says was durable */
                r->sealed_lsn = MAX(r->sealed_lsn, info.trailer.through);
            }
            run->looked[r->snapshot_count] = info;
            r->snapshots[r->snapshot_count++] = *ref;
        }
        rc = seen == -ENOMEM ? seen : 0;
    }
    free(all);
    return rc;
}

/* The one after the newest that can be read is kept for the next time, unseen. */
int
recover_load_snapshot(struct run *run)
{
    struct recovery *r = run->r;
    uint32_t kept = 0;
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < r->snapshot_count; i++) {
        int seen = r->used.epoch != 0 ? 0 : load_snapshot(run, &run->looked[i]);

        if (seen < 0) {
            unreadable(run, &r->snapshots[i], seen);
        } else {
            r->snapshots[kept++] = r->snapshots[i];
        }
        rc = seen == -ENOMEM || seen == -ECANCELED ? seen : 0;
    }
    r->snapshot_count = kept;
    return rc;
}
