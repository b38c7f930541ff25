/* x400/x400_share.h - what one delivery sends: the stored envelope as this peer gets it, with the
 * responsibility for this delivery's recipients and our trace element. Pure.
 */
#ifndef X400_X400_SHARE_H
#define X400_X400_SHARE_H

#include "mail/transport.h"
#include "x400/p1_envelope.h"
#include "x400/x400.h"

struct x400_share_query { /* borrowed */
    const struct x400_connector_options *conf;
    const struct p1_domain *domain; /* ours */
    struct slice mta_name;
    uint32_t context; /* normal mode */
    const struct delivery *d;
    struct slice stored; /* all before the content */
    uint64_t content_bytes;
};
struct x400_share {
    struct buf head; /* all before the content, as it is sent; the caller's */
    struct p1_identifier id;
    unsigned priority;
    uint32_t content_type;
    bool
        *unmatched; /* by recipient of d: the envelope does not name it; NULL: all are. malloc'ed */
    const char *status, *why; /* error: it cannot go over this connector at all; NULL: ours */
};
/* 0; -ENOMEM, BH_EDAMAGED; with why: BH_ETOOBIG, BH_ESYNTAX. On errors nothing is the caller's. */
int x400_share_make(struct x400_share *out, const struct x400_share_query *q) MUST_USE;

#endif
