/* queue/finding.h - what is wrong with a store, or worth knowing: rows in bridgehead/findings.h.
 * Pure. */
#ifndef QUEUE_FINDING_H
#define QUEUE_FINDING_H

#include "bridgehead/findings.h"
#include "core/base.h"

struct queue_finding {
    enum bridgehead_finding kind;
    const char *file; /* as in the store's directory, or a segment's name; valid in the call */
    uint64_t offset, length; /* in the file; length 0: not known */
    uint64_t id;             /* of the message that is hurt; 0: none, or not known */
    const char *detail;      /* "", or what the row does not say; valid in the call */
};
typedef void queue_finding_fn(void *ctx, const struct queue_finding *f);

const char *finding_name(enum bridgehead_finding kind);
const char *finding_what(enum bridgehead_finding kind);
const char *finding_cure(enum bridgehead_finding kind);
const char *finding_level(enum bridgehead_finding kind); /* "damage", "warning", "note" */
/* Is the store not whole? */
bool finding_is_damage(enum bridgehead_finding kind);

#endif
