/* queue/distrust.h - after a failed write or sync, the mount that failed is not believed any more
 * on this boot.
 *
 * The kernel tells of a failed write-back once and then calls the pages clean: whoever opens the
 * store again on the same mount may read and "sync" what the disk never got. So the failure leaves
 * a mark in the run directory (a tmpfs: it ends with the boot) with the identity of the mount, and
 * no owner begins on that mount again. Another mount, another node, or a reboot may.
 */
#ifndef QUEUE_DISTRUST_H
#define QUEUE_DISTRUST_H

#include "core/slice.h"

/* The mark lies beside run_lock ("" or NULL: no run directory, nothing is done). Best effort: the
 * process is about to exit. */
void distrust_mount(const char *run_lock, const char *store);
/* 0; -EIO and *mark names the file, when the store is on the mount that failed. A mark of another
 * mount is removed. */
int distrust_check(const char *run_lock, const char *store, char *mark, size_t cap) MUST_USE;

#endif
