/* x400/p1_loop.h - whether a message, probe or report goes round (X.411 section 14.3.1). Pure.
 *
 * By trace: it was in our domain, left it, and comes again. By internal trace: it was at this MTA.
 * A redirection or a DL expansion since (other actions of an element) makes another way of it: what
 * lies before does not count. Whatever the trace says, P1_HOPS_MAX elements are enough: gateways
 * that change the trace were seen to send messages round for days (X.411's bound is 512).
 */
#ifndef X400_P1_LOOP_H
#define X400_P1_LOOP_H

#include "x400/p1_envelope.h"

#define P1_HOPS_MAX 50

enum p1_loop {
    P1_NO_LOOP,
    P1_LOOP_DOMAIN,
    P1_LOOP_MTA,
    P1_LOOP_HOPS /* elements of the trace or of the internal trace */
};
/* e as it came, without our own elements. */
enum p1_loop p1_loop(
    const struct p1_envelope *e, const struct p1_domain *own, struct slice mta_name);

#endif
