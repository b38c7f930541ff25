/* queue/cuts.h - what older epochs left behind the last record of their segments, cut off
 * (docs/formats/journal.md section 7a: "What a dead owner leaves"). */
#ifndef QUEUE_CUTS_H
#define QUEUE_CUTS_H

#include "queue/ownership.h"
#include "queue/segment.h"

struct cuts {
    struct cut *list;
    uint32_t count;
};

/* Loop: note what is too long, and set its size_bytes to what it will be; nothing where damage is
 * known. */
void cuts_note(struct cuts *c, struct segtab *segments, uint32_t epoch);
/* Any thread: cut, with a valid lease. Only room is lost where it fails, or is not durable. */
void cuts_do(const struct cuts *c, const char *journal, const struct lease *lease);
void cuts_fini(struct cuts *c);

#endif
