/* ctl/ctl.h - the control socket of the server: commands in, JSON out, on the loop.
 *
 * app/ gives a table of commands. A handler answers at once or later (handoff), exactly once, with
 * ctl_reply or ctl_fail. Every command that changes something is logged with the caller's uid
 * (event ctl.command).
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "loop/loop.h"
#include <jansson.h>

struct ctl;
struct ctl_request; /* one question under way; freed by its answer */

typedef void ctl_handler(void *ctx, struct ctl_request *rq, const json_t *args);
struct ctl_command {
    const char *name; /* "queue list" */
    bool changes;     /* logged, but for "text" among its arguments */
    ctl_handler *run;
};
int ctl_start(struct ctl **out, struct loop *l, const char *instance, uint32_t group_gid,
    const struct ctl_command *commands, size_t count, void *ctx) MUST_USE;
void ctl_free(struct ctl *c); /* open requests are answered with "stopping" */

void ctl_reply(struct ctl_request *rq, int status,
    json_t *body); /* steals body; too big for a message: an error asks for paging */
/* {"error": {...}}; event 0: none. */
void ctl_fail(struct ctl_request *rq, int status, int event, const char *message, const char *cure);

#endif
