/* sim/same_index.h - recovery with snapshots and recovery of the whole journal, compared. */
#ifndef SIM_SAME_INDEX_H
#define SIM_SAME_INDEX_H

#include "core/slice.h"

/* Both are run without changing anything on the disk. Returns NULL, or what differs; *used: a
 * snapshot was read; *unreadable: how many could not be. */
const char *same_index(const char *store, bool *used, unsigned *unreadable);

#endif
