/* queue/space.h - room on the disk: segments are prepared ahead, dead ones are used again or
 * deleted, and a reserve is kept for the day when the disk is full.
 *
 * Owns      one thread, so that neither the loop nor the journal's writer waits for it.
 * Files     journal/new-*.tmp while a segment is made, journal/spare-* of our epoch between two
 *           lives, and the reserve (queue/reserve.h).
 * Rules     I9: other epochs' files are only unlinked or cut to their sealed length, with a valid
 *           lease.
 */
#ifndef QUEUE_SPACE_H
#define QUEUE_SPACE_H

#include "queue/leftovers.h"
#include "queue/ownership.h"
#include "queue/segment.h"

struct space;
struct space_options {
    const char *store;
    uint8_t uuid[16];
    uint32_t epoch;
    uint64_t segment_bytes, reserve_bytes;
    const struct lease *lease;
    /* Something to fetch with space_poll; from any thread. */
    void (*notify)(void *ctx);
    void *ctx;
    bool in_line; /* no thread: everything is done inside the calls (simulation) */
};

int space_new(struct space **out, const struct space_options *o) MUST_USE;
/* The thread, when the store is sealed. */
int space_start(struct space *s) MUST_USE;
/* Loop, once, when all older segments are known: what their files have behind their valid bytes is
 * cut off, unless damage is known (section 7a); their size_bytes are at once what they will be. */
void space_cut(struct space *s, struct segtab *segments);
/* The epoch's first segment, made inside the call, before space_start; these records stand in it
 * behind the header, and all of it is durable on return. On a disk that is nearly full it is small
 * (seg->limit_bytes says), so that restarts do not eat the room that outcomes need. */
int space_make_first(struct space *s, struct segment *seg, struct slice records) MUST_USE;

void space_stop(struct space *s); /* waits for the job in hand; nothing is done afterwards */
void space_free(struct space *s); /* stopped before; the reserve file stays for the next start */

/* Loop: make seg's file, seal_lsn in its header. zero: fill it ahead, so that later syncs write no
 * metadata (unless the writer comes to wait for it first). */
void space_prepare(struct space *s, struct segment *seg, uint64_t seal_lsn, bool zero);
/* Writer: wait until seg is ready. 0, -ENOSPC, -EIO … */
int space_wait(struct space *s, struct segment *seg) MUST_USE;
/* Loop: seg is dead, has left nobody who uses it, and is the space's until space_poll gives it
 * back. */
void space_reclaim(struct space *s, struct segment *seg);

/* Loop: how many dead segments may be kept to be used again (a few in any case). */
void space_keep(struct space *s, uint32_t spares);
/* Loop: the release has begun. None is kept; what is deleted now, space_clear need not. */
void space_leave(struct space *s);

struct space_news {
    struct list gone; /* segments (by job) whose names are durably gone */
    bool low;         /* the reserve is not whole: take no new mail */
    bool is_short;    /* there is room for a few segments only: win some back */
    int failure;      /* a write or sync failed: fail stop */
};
/* Loop. */
void space_poll(struct space *s, struct space_news *news);
bool space_is_ready(struct space *s, const struct segment *seg, bool *zeroed);
uint64_t space_free_bytes(struct space *s); /* as last seen */
/* As last seen: what segments may be made of without the reserve; and what is left of that. */
uint64_t space_room_bytes(struct space *s, uint64_t *reserve_left);
/* As last seen: is its room ours again when seg is dead? Where not one block is free, what is freed
 * falls to others first (section 7a). */
bool space_regains(struct space *s, const struct segment *seg);
/* At release, stopped before: give back what the next owner would only delete: spares, and a
 * segment that was prepared but never used (may be NULL). What the reserve lacks goes there
 * instead. */
void space_clear(struct space *s, const struct segment *unused);
/* Delete what other epochs left (queue/leftovers.h), with a valid lease: at once if their room is
 * needed, else in the thread, since a deletion may take longer than the rest of a start. */
int space_sweep(struct space *s) MUST_USE;

#endif
