/* queue/snapshot_load.h - snapshot files read again: which there are, what is in one, and their
 * end. docs/formats/journal.md section 6c. Blocking; one thread.
 *
 * Trusts nothing: any bytes in any file end in a result or an error.
 */
#ifndef QUEUE_SNAPSHOT_LOAD_H
#define QUEUE_SNAPSHOT_LOAD_H

#include "queue/replay.h"
#include "queue/snapshot.h"

/* What the directory shows, the newest first; beyond that many the oldest are not listed. */
#define SNAPSHOTS_LISTED_MAX 64
struct snapshot_list {
    struct snapshot_ref list[SNAPSHOTS_LISTED_MAX]; /* salt 0: from names alone */
    uint32_t count;
};
/* 0 (also without a directory), or an error of reading it. */
int snapshot_list(const char *store, struct snapshot_list *out) MUST_USE;

/* Header and trailer of one file: 0; BH_EDAMAGED: not whole, or not what its name says (out->head
 * is set if the header was good); BH_EFORMAT; -EIO … */
struct snapshot_info {
    struct snapshot_head head;
    struct snapshot_trailer trailer;
};
int snapshot_look(const char *store, const uint8_t uuid[16], uint64_t segment_bytes,
    const struct snapshot_ref *ref, struct snapshot_info *out) MUST_USE;

/* All blocks of a file with this header, past the page cache: are they as they were written? */
/* -ECANCELED: *stop was set meanwhile. */
int snapshot_verify(
    const char *path, const struct snapshot_info *info, const _Atomic bool *stop) MUST_USE;

/* All entries of a file with this header, in order: each returns 0, or what ends the walk. 0;
 * BH_EDAMAGED, -EIO …; what each returned. *stop (NULL: never) is asked now and then:
 * -ECANCELED. */
typedef int snapshot_entry_fn(void *ctx, const struct snapshot_entry *e);
int snapshot_each(const char *store, const struct snapshot_info *info, const _Atomic bool *stop,
    snapshot_entry_fn *each, void *ctx) MUST_USE;

/* The whole file into an empty index and a table that has all segments that count, with nothing
 * held or needed. What held and needed says of segments before position's is complete after it;
 * what is damaged is marked. Messages whose COMMIT's segment is gone are left out. 0; BH_EDAMAGED,
 * BH_EFORMAT, -EIO …: it cannot be used, and snapshot_undo is to be called. *stop (NULL: never) is
 * asked now and then: -ECANCELED. */
int snapshot_load(const char *store, const struct snapshot_info *info, struct replay *into,
    const _Atomic bool *stop) MUST_USE;
/* Index and table as before a load. */
void snapshot_undo(struct replay *into);

/* Delete what is not one of these: older ones, strays, files in the making. While *lease_valid. */
struct lease;
void snapshot_prune(
    const char *store, const struct snapshot_ref *keep, uint32_t count, const struct lease *lease);

int snapshot_path(char out[STORE_PATH_CAP], const char *store, const char *name) MUST_USE;

#endif
