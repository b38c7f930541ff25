/* support/fake_disk.h - a disk in memory behind core/io.h's seam: with a page cache, with names
 * that are durable only when their directory was synced, with a capacity, and with faults.
 *
 * Model     Each 512-byte sector that was written and not synced may be old, new or torn after a
 *           power cut, each independently of others; so may a file's length. Names change in the
 *           order in which they were made to change (as a journaling filesystem does it), but only
 *           a part of what was not synced may be there; with fake_disk_wild any subset of them. A
 *           failed sync forgets what it did not write: later syncs succeed without it, and reads
 *           show what is not on disk (as Linux does).
 * Memory    blocks are shared between a disk and its clones until one of them writes: a clone costs
 *           microseconds.
 * Threads   one.
 */
#ifndef SUPPORT_FAKE_DISK_H
#define SUPPORT_FAKE_DISK_H

#include "core/io.h"

struct fake_disk;

struct fake_disk *fake_disk_new(uint64_t seed, uint64_t capacity_bytes);
void fake_disk_free(struct fake_disk *d);
/* io calls go to d from now on; NULL: to the real disk again. */
void fake_disk_use(struct fake_disk *d);

/* The disk as it is, page cache included, with dice of its own. No descriptors, locks or faults. */
struct fake_disk *fake_disk_clone(struct fake_disk *d, uint64_t seed);
/* Two disks with the same digest have the same names and bytes, in the cache's eyes. */
uint64_t fake_disk_digest(struct fake_disk *d);
/* Called before each call that may change the disk; from inside io. */
void fake_disk_watch(struct fake_disk *d, void (*before)(void *ctx), void *ctx);

/* Calls made so far, and a fault: call number nth (from now on, 1 is the next) fails with error;
 * forever: all later ones as well, as when the power goes. 0 takes the fault back. */
enum fake_fault {
    FAULT_ERROR, /* the call does nothing; a sync loses some of what it was to write */
    FAULT_SHORT, /* nth counts writes: half of it is written, and what follows fails */
    FAULT_TORN,  /* nth counts writes: it fails with half of it written, the last sector torn */
};
uint64_t fake_disk_calls(const struct fake_disk *d);
uint64_t fake_disk_writes(const struct fake_disk *d);
void fake_disk_arm(
    struct fake_disk *d, enum fake_fault what, uint64_t nth, int error, bool forever);
void fake_disk_fail(struct fake_disk *d, uint64_t nth, int error, bool forever);
bool fake_disk_failed(const struct fake_disk *d);             /* the fault was met … */
const char *fake_disk_failed_call(const struct fake_disk *d); /* … in "pwritev PATH" */
/* Call number nth from now on (1 is the next) first calls back: the caller is frozen in it, and the
 * world goes on. after: when it has done what it does. Once. */
void fake_disk_freeze(
    struct fake_disk *d, uint64_t nth, bool after, void (*run)(void *ctx), void *ctx);
/* The locks are another kernel's: who opens now does not see them. */
void fake_disk_forget_locks(struct fake_disk *d);

/* Disks that must not pass: syncs that do nothing; syncs that return and are done only when the
 * next one comes. A test that passes with one of them is none. */
void fake_disk_lie(struct fake_disk *d, bool lie);
void fake_disk_late(struct fake_disk *d, bool late);
/* Names that were not synced may be there in any subset, not only as a prefix of their changes. */
void fake_disk_wild(struct fake_disk *d, bool wild);

/* The process dies: descriptors and locks are gone, the page cache stays. */
void fake_disk_kill(struct fake_disk *d);
/* The machine dies; of what was not synced nothing, all, or some is there. */
enum fake_cut { CUT_NOTHING, CUT_ALL, CUT_SOME };
void fake_disk_cut(struct fake_disk *d, enum fake_cut how);
void fake_disk_power_cut(struct fake_disk *d); /* some */

/* Behind the scenes: a whole file, durable at once. */
void fake_disk_put(struct fake_disk *d, const char *path, const void *bytes, size_t n);
/* Bytes as the cache shows them; how many there are from offset on, at most n. */
size_t fake_disk_peek(struct fake_disk *d, const char *path, uint64_t offset, void *buf, size_t n);
/* Changes cache and disk. */
void fake_disk_poke(
    struct fake_disk *d, const char *path, uint64_t offset, const void *bytes, size_t n);
void fake_disk_remove(struct fake_disk *d, const char *path); /* durably */
void fake_disk_capacity(struct fake_disk *d, uint64_t bytes);
/* Others have every block that is free, and get every one that is freed. */
void fake_disk_full(struct fake_disk *d, bool full);
uint64_t fake_disk_used(const struct fake_disk *d);

/* xorshift; the same seed gives the same numbers. */
uint64_t fake_random(uint64_t *state);

#endif
