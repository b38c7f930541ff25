/* queue/store_ahead.h - a thread that reads segments into the page cache ahead of one who walks
 * them in order, so that the disk never waits for a checksum. What is cached already costs a look a
 * MiB.
 *
 * Nothing depends on it: what it cannot read is met again by the one who walks.
 */
#ifndef QUEUE_STORE_AHEAD_H
#define QUEUE_STORE_AHEAD_H

#include "core/base.h"

struct store_ahead;
/* *total: bytes of all segments. 0; -ENOMEM; an error of listing the journal. */
int store_ahead_start(struct store_ahead **out, const char *store, uint64_t *total) MUST_USE;
/* The walker has come so far: go on ahead of it. */
void store_ahead_done(struct store_ahead *a, uint64_t bytes);
void store_ahead_stop(struct store_ahead *a); /* frees it */

/* The names of all segments in order of seq, malloced; also for dump. */
int store_segments(const char *store, char (**out)[32], size_t *count) MUST_USE;

#endif
