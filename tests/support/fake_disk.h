/* support/fake_disk.h - a disk in memory behind core/io.h's seam: with a page cache, with names
 * that are durable only when their directory was synced, with a capacity, and with faults.
 *
 * Model     Each 512-byte sector that was written and not synced may be old or new after a power
 *           cut, each independently of others; so may a file's length. Names change in the order in
 *           which they were made to change (as a journaling filesystem does it), but only a part of
 *           what was not synced may be there. A failed sync forgets what it did not write: later
 *           syncs succeed without it, and reads show what is not on disk (as Linux does).
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

/* Calls made so far, and a fault: call number nth (from now on, 1 is the next) fails with error;
 * forever: all later ones as well, as when the power goes. 0 takes the fault back. */
uint64_t fake_disk_calls(const struct fake_disk *d);
void fake_disk_fail(struct fake_disk *d, uint64_t nth, int error, bool forever);
bool fake_disk_failed(const struct fake_disk *d); /* the fault was met */
/* Call number nth from now on (1 is the next) first calls back: the caller is frozen in it, and the
 * world goes on. after: when it has done what it does. Once. */
void fake_disk_freeze(
    struct fake_disk *d, uint64_t nth, bool after, void (*run)(void *ctx), void *ctx);
/* The locks are another kernel's: who opens now does not see them. */
void fake_disk_forget_locks(struct fake_disk *d);
/* Syncs that do nothing: what a disk with a lying cache does. A test that passes with it is none.
 */
void fake_disk_lie(struct fake_disk *d, bool lie);

/* The process dies: descriptors and locks are gone, the page cache stays. */
void fake_disk_kill(struct fake_disk *d);
/* The machine dies. */
void fake_disk_power_cut(struct fake_disk *d);

/* Behind the scenes: a whole file, durable at once; and its bytes, to look at or to damage. */
void fake_disk_put(struct fake_disk *d, const char *path, const void *bytes, size_t n);
uint8_t *fake_disk_bytes(struct fake_disk *d, const char *path, size_t *n); /* NULL: no such file */
/* After a change through fake_disk_bytes: what the cache shows is what the disk has. */
void fake_disk_touch(struct fake_disk *d, const char *path);
void fake_disk_capacity(struct fake_disk *d, uint64_t bytes);
uint64_t fake_disk_used(const struct fake_disk *d);

/* xorshift; the same seed gives the same numbers. */
uint64_t fake_random(uint64_t *state);

#endif
