/* net/unbound_event.h - libunbound's pluggable event base on our loop. Inside net/ only. */
#ifndef NET_UNBOUND_EVENT_H
#define NET_UNBOUND_EVENT_H

#include "loop/loop.h"

struct ub_event_base;
int unbound_event_base_new(struct ub_event_base **out, struct loop *l) MUST_USE;
/* After ub_ctx_delete, which frees its events. */
void unbound_event_base_free(struct ub_event_base *base);

#endif
