/* x400/x400_share.h - what one delivery sends: the stored envelope as this peer gets it, with the
 * responsibility for this delivery's recipients and our trace element; for a peer of 1984 as 1984
 * tells it (p1_1984.h). Pure.
 */
#ifndef X400_X400_SHARE_H
#define X400_X400_SHARE_H

#include "mail/transport.h"
#include "x400/p1_envelope.h"
#include "x400/x400.h"

/* Which recipients of a stored envelope may have which address, remembered from one delivery of a
 * message to the next: reading 10,000 addresses is most of the work, and each delivery of such a
 * message would do it again for its few. Of one message; zeroed: of none. */
struct x400_places {
    uint64_t message;
    uint32_t count;
    uint32_t *sums; /* by recipient */
};
void x400_places_fini(struct x400_places *p);

struct x400_share_query { /* borrowed */
    const struct x400_connector_options *conf;
    const struct p1_domain *domain; /* ours */
    struct slice mta_name;
    uint32_t context; /* normal mode */
    const struct delivery *d;
    struct slice stored; /* all before the content */
    uint64_t content_bytes;
    uint64_t now_wall_ms;
    struct x400_places *places; /* asked and made; NULL: it is not worth it */
};
enum x400_left_out {
    X400_LEFT_NONE,
    X400_LEFT_UNNAMED,  /* the stored envelope does not name it */
    X400_LEFT_DOWNGRADE /* a peer of 1984, and its name cannot be told in it */
};
struct x400_share {
    struct buf head; /* all before the content, as it is sent; the caller's */
    struct p1_identifier id;
    unsigned priority;
    uint32_t content_type;
    /* By recipient of d: enum x400_left_out. NULL: none is. malloc'ed. */
    uint8_t *left_out;
    const char *status, *why; /* error: it cannot go over this connector at all; NULL: ours */
};
/* 0; -ENOMEM, BH_EDAMAGED; with why: BH_ETOOBIG, BH_ESYNTAX; BH_EBUSY: not now, since its deferred
 * delivery time is to come; -ELOOP: not this way, since it came from there. On errors nothing is
 * the caller's. */
int x400_share_make(struct x400_share *out, const struct x400_share_query *q) MUST_USE;

#endif
