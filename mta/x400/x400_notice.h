/* x400/x400_notice.h - the report on a message of the queue's that failed for some of its
 * recipients, from what is stored of it and what the scheduler knows. Pure.
 *
 * The queue has each address once, however often the envelope names it: all of that address are
 * reported on. Statuses become X.411's codes (p1_code.h). A report is told to nobody.
 */
#ifndef X400_X400_NOTICE_H
#define X400_X400_NOTICE_H

#include "x400/p1_report.h"
#include "x400/p1_stored.h"

struct x400_failure {
    struct slice address; /* as it is queued */
    struct slice status;  /* RFC 3463 */
    struct slice text;    /* why, for people */
};
struct x400_notice { /* borrowed */
    const struct p1_domain *domain;
    struct slice mta_name;
    struct slice local_id; /* of the report */
    uint64_t now_wall_ms, arrival_wall_ms;
    struct slice stored;         /* its beginning: x400_notice_bytes */
    uint64_t stored_bytes;       /* all of it */
    uint64_t returned_bytes_max; /* a longer content is not returned */
    const struct x400_failure *failures;
    uint32_t failure_count;
};

/* How much of what is stored x400_notice_make wants to see, by its first octets (as
 * p1_stored_bytes): the envelope, and a content that is short enough to be returned. */
uint64_t x400_notice_bytes(struct slice start, uint64_t stored_bytes, uint64_t returned_bytes_max);

/* out: empty. 1: the report is in it, as it is stored, and *to (malloc'ed, terminated) is where it
 * goes; 0: there is nobody to tell, and *why says why. -ENOMEM, BH_ETOOBIG (of out); BH_EDAMAGED:
 * what is stored is no envelope. */
int x400_notice_make(
    struct buf *out, char **to, const char **why, const struct x400_notice *n) MUST_USE;

#endif
