/* support/x400_plain.h - for programs that stand where the queue and the scheduler would: those of
 * intake's and the transport's questions that have one plain answer. */
#ifndef SUPPORT_X400_PLAIN_H
#define SUPPORT_X400_PLAIN_H

#include "x400/x400.h"

/* intake: what comes has room. */
static inline int
plain_room(void *ctx, uint64_t size_bytes)
{
    (void)ctx;
    (void)size_bytes;
    return 0;
}

/* x400_env: all that comes is for us to keep. */
static inline struct or_route
plain_way(void *ctx, const struct x400_way *way)
{
    (void)ctx;
    (void)way;
    return (struct or_route){ .verdict = OR_ROUTE_GO, .instead_of = OR_ROUTE_NO_CONNECTOR };
}

/* transport: begin, attempted and dot, with nothing to be written first. */
static inline int
plain_yes(struct sched_session *s, transport_ready_fn *ready, void *ctx)
{
    (void)s;
    (void)ready;
    (void)ctx;
    return 0;
}

static inline void
plain_opened(struct sched_session *s)
{
    (void)s;
}

#endif
