/* sim/same_index.h - what recoveries find, compared: with snapshots and of the whole journal;
 * before something happened to the disk and after. */
#ifndef SIM_SAME_INDEX_H
#define SIM_SAME_INDEX_H

#include "queue/recover.h"

struct side {
    struct segtab segments;
    struct msgindex index;
    struct recovery r;
};
/* A recovery that changes nothing on the disk. BH_ENOTFOUND: nobody owned the store yet. Whatever
 * it returns, side_end is due; but for an error, s->r is as after recover_load. */
int side_load(struct side *s, const char *store, bool snapshots, queue_finding_fn *finding,
    void *ctx) MUST_USE;
void side_end(struct side *s);
/* Messages and settings. NULL, or what differs. */
const char *same_content(const struct side *a, const struct side *b);

/* Both ways. Returns NULL, or what differs; *used: a snapshot was read; *unreadable: how many could
 * not be. */
const char *same_index(const char *store, bool *used, unsigned *unreadable);

#endif
