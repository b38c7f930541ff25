/* sched/sched.h - what to try now. A queue, limits and back-off for each destination of each
 * connector.
 *
 * Unit of isolation: the destination (connector, next hop). A destination that cannot be reached is
 * asked again by one delivery after its own back-off; the rest of its mail waits behind it without
 * being touched, and no other destination knows. Messages wait in memory of a few dozen bytes each;
 * there is no global active queue that could fill up.
 *
 * A task is one message's live recipients for one destination. Life of a task: ready (destination's
 * list, oldest first) - running (in a session's delivery) - done, or deferred (a heap by time) -
 * ready. Recipients the peer deferred get their own next time (retry schedule); when a session
 * cannot be opened only the delivery that tried gets an outcome, the destination gets the back-off.
 *
 * Pure but for struct sched_env: time comes from sched_tick's caller via env->now, and all else by
 * calls. Loop thread only.
 */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "mail/transport.h"
#include "queue/queue.h"
#include "sched/retry.h"

struct sched;

struct sched_connector {
    const char *name;
    const char *protocol; /* "smtp", "lmtp", "x400" */
    struct transport transport;
    bool per_domain; /* destinations are recipient domains (MX); false: the connector's next hops
                        are one destination, "connector name" */
    uint32_t concurrency;     /* sessions to one destination */
    uint32_t connector_limit; /* sessions of the connector; 0: no limit */
    uint32_t recipients_per_transaction;
    uint64_t down_after_ms; /* not reached for so long: counted as down (degraded) */
};

struct sched_options {
    struct retry_schedule retry;   /* of messages */
    struct retry_schedule backoff; /* of destinations */
    uint64_t expire_ms, warn_after_ms;
    const char *hostname;
    bool in_doubt_hold;
};

/* The world of a scheduler; app/ fills it, tests fake it. */
struct sched_env {
    void *ctx;
    struct queue *queue; /* for queue_* calls; the fake queue of tests links in its place */
    struct loop *loop;   /* timers */
    /* Connector indexes for a recipient, in order of preference; false: no route. */
    bool (*route)(void *ctx, struct slice recipient, uint16_t *via, uint8_t *via_count);
    uint64_t (*wall_ms)(void *ctx);
    /* Queue a notification as a new message from the null sender: content is complete. Calls cb
     * when durable. 0 or <0. */
    int (*notify)(void *ctx, struct slice to, struct slice content);
};

int sched_new(struct sched **out, const struct sched_options *o, const struct sched_env *env,
    const struct sched_connector *connectors, size_t count) MUST_USE;
void sched_free(struct sched *s);
const struct transport_up *sched_transport_up(void);

/* The queue's hooks. */
void sched_add(struct sched *s, struct queue_message *m);
void sched_remove(struct sched *s, struct queue_message *m);
/* Deliveries may begin (serving, VIP present, quorum) or not. paused: running ones go on; stop:
 * they are aborted. */
enum sched_run { SCHED_STOPPED, SCHED_PAUSED, SCHED_RUNNING };
void sched_set_run(struct sched *s, enum sched_run run);
unsigned sched_active(const struct sched *s); /* deliveries under way, for the drain */
/* A drain began: idle sessions are closed, no new delivery; cb when none runs. */
void sched_drain(struct sched *s, loop_fn *cb, void *ctx);

/* Operator. */
int sched_connector_suspend(
    struct sched *s, struct slice name, bool suspended) MUST_USE; /* BH_ENOTFOUND */
int sched_retry(struct sched *s,
    struct queue_message *m) MUST_USE; /* now, whatever the back-off of its destinations */
int sched_hold(struct sched *s, struct queue_message *m, bool held) MUST_USE;
int sched_bounce(struct sched *s,
    struct queue_message *m) MUST_USE; /* live recipients fail with a DSN "by the operator" */
int sched_drop(
    struct sched *s, struct queue_message *m) MUST_USE; /* live recipients are removed, no DSN */
/* Reload: new options and connectors (matched by name; sessions of those that stay go on). */
int sched_reconfigure(struct sched *s, const struct sched_options *o,
    const struct sched_connector *connectors, size_t count) MUST_USE;

/* Looking. */
struct sched_connector_info {
    const char *name, *protocol;
    bool suspended, down;
    uint32_t destinations, sessions, idle;
    uint64_t queued, active, deferred;
    char last_error[256];
    uint64_t last_error_wall_ms;
};
size_t sched_connector_count(const struct sched *s);
void sched_connector_info(const struct sched *s, size_t i, struct sched_connector_info *out);
struct sched_destination_info {
    const char *connector, *name;
    uint32_t sessions, idle, limit;
    uint64_t ready, active, deferred;
    bool down;
    uint32_t failures;     /* in a row */
    uint64_t next_wall_ms; /* of the back-off; 0: none */
    char last_error[256];
    uint64_t last_error_wall_ms;
};
/* Each destination in any order; returns false from each to stop. */
void sched_each_destination(const struct sched *s,
    bool (*each)(void *ctx, const struct sched_destination_info *d), void *ctx);
/* What one recipient waits for, in a sentence: "next try at … after 450 4.2.1 …", "destination … is
 * down until …", "connector suspended", "held". */
struct sched_why {
    char text[512];
    const char *connector; /* NULL: no route */
    char destination[256];
    uint64_t next_wall_ms;
};
void sched_why(const struct sched *s, const struct queue_message *m, uint32_t recipient,
    struct sched_why *out);
struct sched_totals {
    uint64_t active, deferred, ready, delivered, failed, deferrals;
    uint32_t connectors_down;
};
void sched_totals(const struct sched *s, struct sched_totals *out);

#endif
