/* queue/store_snapshots.h - store check's look at snapshot files: are they whole, do they count,
 * and do they say what the journal says? They are a cache (docs/formats/journal.md section 6c), so
 * most of what is wrong with one is a warning. Changes nothing. Blocking; one thread.
 */
#ifndef QUEUE_STORE_SNAPSHOTS_H
#define QUEUE_STORE_SNAPSHOTS_H

#include "queue/recover.h"
#include "queue/snapshot_load.h"
#include "queue/store_tools.h"

struct store_snapshots {
    struct snapshot_list list;
    struct {
        int rc; /* of the look at header and trailer */
        struct snapshot_info info;
    } looked[SNAPSHOTS_LISTED_MAX];
};
/* Before the journal is read: beside a daemon, what they say is then older than what is read.
 * leftover: what has no snapshot's name; -ENOMEM or an error of listing. */
int store_snapshots_begin(struct store_snapshots *s, const char *store, const uint8_t uuid[16],
    uint64_t segment_bytes, int (*leftover)(void *ctx, const char *name), void *ctx) MUST_USE;
uint64_t store_snapshots_bytes(const struct store_snapshots *s);
struct store_snapshots_to {
    bool whole; /* the journal, as recover_run found: the two have to agree */
    queue_finding_fn *finding;
    void (*walked)(void *ctx, uint64_t bytes); /* of files, so far; NULL: nobody asks */
    void *ctx;
    store_snapshot_fn *each; /* NULL: nobody asks */
    void *ctx_each;
};
/* After it was read: r with its index and table. 0 or -ENOMEM. */
int store_snapshots_judge(const struct store_snapshots *s, const struct recovery *r,
    const struct store_snapshots_to *to) MUST_USE;

#endif
