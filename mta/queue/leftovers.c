#include "queue/leftovers.h"
#include "core/io.h"
#include "core/ticks.h"
#include "queue/reserve.h"
#include "queue/segment.h"
#include <stdio.h>
#include <stdlib.h>

#define SWEEP_MAX 128 /* names of one round: a directory is not changed while it is listed */

struct sweep {
    char names[SWEEP_MAX][64];
    size_t count;
    char own[2][64]; /* prefixes of our own, which stay */
    bool journal;
};

static int
each_sweep(void *ctx, const char *name)
{
    struct sweep *w = ctx;
    struct slice s = slice_of(name);
    bool ours = slice_starts(s, slice_of(w->own[0])) || slice_starts(s, slice_of(w->own[1])) ||
                reserve_name(s);
    bool kind =
        w->journal
            ? slice_iends(s, SLICE_LIT(".tmp")) || slice_starts(s, SLICE_LIT("spare-"))
            : slice_starts(s, SLICE_LIT("reserve.")) ||
                  (slice_starts(s, SLICE_LIT("owner.")) && slice_iends(s, SLICE_LIT(".tmp")));

    if (kind && !ours && s.n < sizeof(w->names[0]) && w->count < SWEEP_MAX) {
        (void)!slice_copy(s, w->names[w->count++], sizeof(w->names[0]));
    }
    return 0;
}

static int
sweep_dir(const char *dir, bool journal, uint32_t epoch, const struct lease *lease)
{
    struct sweep *w = calloc(1, sizeof(*w));
    char path[STORE_PATH_CAP];
    size_t gone;
    int rc;

    if (w == NULL) {
        return -ENOMEM;
    }
    w->journal = journal;
    (void)snprintf(w->own[0], sizeof(w->own[0]), "spare-%08x-", epoch);
    (void)snprintf(w->own[1], sizeof(w->own[1]), "reserve.new-%08x-", epoch);
    do {
        w->count = gone = 0;
        rc = io_list(dir, each_sweep, w);
        for (size_t i = 0; rc == 0 && i < w->count; i++) {
            if (!lease_valid(lease, ticks_boot_ns())) {
                rc = BH_EFENCED;
                break;
            }
            rc = store_path(path, dir, w->names[i]);
            rc = rc < 0 ? rc : io_unlink(path);
            gone += rc == 0;
            rc = rc == -ENOENT || rc == -EISDIR ? 0 : rc; /* a directory is nobody's leftover */
        }
    } while (rc == 0 && w->count == SWEEP_MAX && gone > 0);
    free(w);
    return rc;
}

int
leftovers_sweep(const char *store, const char *journal, uint32_t epoch, const struct lease *lease)
{
    int rc = sweep_dir(journal, true, epoch, lease);

    return rc < 0 ? rc : sweep_dir(store, false, epoch, lease);
}

struct old_reserves {
    char names[8][32];
    size_t count;
    uint64_t up_to_epoch;
};

static int
each_reserve(void *ctx, const char *name)
{
    struct old_reserves *old = ctx;
    struct slice s = slice_of(name);
    uint64_t epoch;

    if (slice_starts(s, SLICE_LIT("reserve.")) && s.n < sizeof(old->names[0]) &&
        slice_u64(slice_skip(s, SLICE_LIT("reserve.").n), old->up_to_epoch, &epoch) == 0 &&
        old->count < ARRAY_LEN(old->names)) {
        (void)!slice_copy(s, old->names[old->count++], sizeof(old->names[0]));
    }
    return 0;
}

int
leftovers_drop_reserves(const char *store, uint64_t up_to_epoch)
{
    struct old_reserves old = { .up_to_epoch = up_to_epoch };
    char path[STORE_PATH_CAP];
    int rc = io_list(store, each_reserve, &old);

    for (size_t i = 0; rc == 0 && i < old.count; i++) {
        rc = store_path(path, store, old.names[i]);
        rc = rc < 0 ? rc : io_unlink(path);
        rc = rc == -ENOENT ? 0 : rc;
    }
    return rc < 0 ? rc : io_sync_dir(store); /* ext4 gives blocks again once that is committed */
}
