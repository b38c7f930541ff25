/* sched/sched.h - what to try now. A queue, limits and back-off for each destination of each
 * connector.
 *
 * Unit of isolation: the destination (connector, next hop). A destination that cannot be reached is
 * asked again by one delivery after its own back-off; the rest of its mail waits behind it without
 * being touched, and no other destination knows. Messages wait in memory of about a hundred bytes
 * each; there is no global active queue that could fill up.
 *
 * A task is some of one message's live recipients, for one destination. Life of a task: ready
 * (destination's list, longest ready first) - running (in a session's delivery) - done, or deferred
 * (a heap by time) - ready. A message with more recipients than one transaction takes goes to the
 * end of the line after each transaction, so that it does not hold up the others.
 *
 * Failures. A recipient the peer deferred gets its own next time (retry schedule). When a session
 * cannot be opened and no other one to the destination is open, only the delivery that tried gets
 * an outcome, and the destination gets the back-off. Where the route names a further connector that
 * can be reached, mail goes there instead, that delivery and all that waits included; new mail
 * returns to the first connector once it is back, what has moved stays where it is.
 * A session that is lost before it carried anything counts as well, from the third in a row.
 * What can be gone on with where it stopped (resume_ms) is tried well within that time, whatever
 * the schedules say, and so is its destination, whoever of its messages met the failure.
 *
 * Order on disk. A failure that is to be reported is recorded after its notification was queued, in
 * one journal: a crash between the two repeats the notification, never loses it (notice.c).
 *
 * Pure but for struct sched_env: time comes from env->wall_ms, and all else by calls. Loop thread
 * only.
 */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "mail/transport.h"
#include "queue/queue.h"
#include "sched/retry.h"

/* Recipients of one transaction that the transport may rely on, whatever the configuration says. */
#define SCHED_RECIPIENTS_MAX 1000

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
    uint64_t down_after_ms; /* not reached for so long: counted as down (degraded). With per_domain
                               only while at least three destinations are down and none is up: a
                               dead stranger is no fault of the connector */
    bool in_doubt_hold;     /* a recipient in doubt waits for the operator: sched_hold (released) or
                               sched_retry settle it */
    /* Its own times in the place of the options' schedules; 0: theirs. open: between attempts to
     * open a session, and of whom such an attempt was for; transfer: of who was deferred in one. */
    uint64_t open_interval_ms, transfer_interval_ms;
    /* 0: by age alone. open: from so many failed attempts in a row on, what has waited through them
     * and is routed nowhere else fails. transfer: further attempts of one recipient. Counted by
     * this scheduler; the second survives it. Attempts that a reason of ours ended are none. */
    uint32_t open_retries, transfer_retries;
};

struct sched_options {
    struct retry_schedule retry;       /* of messages */
    struct retry_schedule backoff;     /* of destinations */
    uint64_t expire_ms, warn_after_ms; /* of a message's age; warn_after 0: no delay notice */
    const char *hostname;
};

enum sched_urgency { SCHED_URGENT, SCHED_ORDINARY, SCHED_UNHURRIED };
#define SCHED_URGENCIES (SCHED_UNHURRIED + 1)

/* What a message that came by X.400 asks for. */
struct sched_life {
    enum sched_urgency urgency;  /* of what is ready for one destination the lowest goes first */
    uint64_t expires_wall_ms;    /* when it is given up; 0: as the options say */
    uint64_t not_before_wall_ms; /* not to be tried before; 0: at once */
};

/* A message that came by X.400 failed for some recipients. */
struct sched_failure {
    struct slice address, status, text; /* status as in RFC 3463; text for people */
};
struct sched_report { /* borrowed */
    const struct queue_message *message;
    struct slice content; /* its beginning, as much as was wanted; empty: it cannot be read */
    const struct sched_failure *failures;
    uint32_t failure_count;
    uint64_t unique; /* another one for each report, after a restart too */
};

/* The world of a scheduler; app/ fills it, tests fake it. */
struct sched_env {
    void *ctx;
    struct queue *queue; /* for queue_* calls; the fake queue of tests links in its place */
    struct loop *loop;   /* for a timer of its own; NULL: set_timer and sched_tick instead */
    /* Call sched_tick in in_ms (0: in this turn or the next, not inside this call); replaces what
     * was set before. Unused with a loop. */
    void (*set_timer)(void *ctx, uint64_t in_ms);
    /* Connector indexes for a recipient of m, in order of preference; false: no route. */
    bool (*route)(void *ctx, const struct queue_message *m, struct slice recipient, uint16_t *via,
        uint8_t *via_count);
    uint64_t (*wall_ms)(void *ctx);
    /* Queue a notification as a new message from the null sender: content is complete. 0: its
     * commit is in the journal's batch (queue_commit was called) before this returns, so that what
     * queue_record is told afterwards lies behind it. <0: nothing was queued. Not calling back. */
    int (*notify)(void *ctx, struct slice to, struct slice content);
    /* The same for a message that came by X.400 (mail/envelope.h's body), for which no DSN is
     * written: the report on it; 0 also if there is nobody to tell. NULL: none comes so. */
    int (*report)(void *ctx, const struct sched_report *r);
    /* Such a message's; the same as long as it is queued. NULL, and all other mail: ordinary, at
     * once, as the options say. */
    struct sched_life (*life)(void *ctx, const struct queue_message *m);
    /* How much of such a message's content report wants to see, by its first octets. */
    uint64_t (*report_bytes)(void *ctx, const struct queue_message *m, struct slice start);
};

int sched_new(struct sched **out, const struct sched_options *o, const struct sched_env *env,
    const struct sched_connector *connectors, size_t count) MUST_USE;
/* Sessions may be left only if their transports never call up again. */
void sched_free(struct sched *s);
/* The timer fired (unless env->loop): what is due. Bounded work; sets the timer anew. */
void sched_tick(struct sched *s);
const struct transport_up *sched_transport_up(void);

/* The queue's hooks. add: m is durable; its live recipients are scheduled by their next_wall_ms.
 * remove: m is about to be freed. Other than by the queue's calling it from a call of ours, no
 * recipient of m may be in a session. */
void sched_add(struct sched *s, struct queue_message *m);
void sched_remove(struct sched *s, struct queue_message *m);
/* Once, with a queue that was just opened, before its messages are added: what its last owner had
 * in hand is in doubt, and a message it crashed with again and again is held. Recorded, not yet
 * durable. 0, -ENOMEM or the queue's failure: to be done again by the next owner. */
struct sched_recovered {
    uint64_t in_hand; /* in: of queue_claim */
    bool crashed;     /* in: the last owner ended by itself, and its machine lived on */
    uint64_t messages, in_doubt /* recipients */, suspects, poison; /* poison: held */
};
int sched_recovered(struct sched *s, struct sched_recovered *x) MUST_USE;
/* Deliveries may begin (serving, VIP present, quorum) or not. paused: running ones go on. stopped:
 * they are aborted, with what is in doubt recorded before this returns, and readers and notices are
 * closed: no call of the queue follows until it is running again. Begins as stopped. */
enum sched_run { SCHED_STOPPED, SCHED_PAUSED, SCHED_RUNNING };
void sched_set_run(struct sched *s, enum sched_run run);
unsigned sched_active(const struct sched *s);   /* deliveries under way, for the drain */
unsigned sched_sessions(const struct sched *s); /* open, opening or closing */
/* A drain began: no new delivery, idle sessions are closed, and those whose final dot is not out
 * are cut (their mail waits in the queue). cb, from a later sched_tick, when no delivery runs, no
 * notification is being written and every outcome is recorded. */
void sched_drain(struct sched *s, loop_fn *cb, void *ctx);

/* Operator. 0, or a code of the queue's (then nothing more can be recorded). */
int sched_connector_suspend(
    struct sched *s, struct slice name, bool suspended) MUST_USE; /* BH_ENOTFOUND */
/* The peer of this connector called, or may be called from now on: its destinations are tried at
 * once, whatever their back-off. */
void sched_connector_reached(struct sched *s, struct slice name);
/* Now, whatever the back-off of its destinations, and who waits in doubt. BH_ESTATE: it is held. */
int sched_retry(struct sched *s, struct queue_message *m) MUST_USE;
/* What is in a session ends there; it waits no more. Released: nobody is in doubt any more. */
int sched_hold(struct sched *s, struct queue_message *m, bool held) MUST_USE;
/* Live recipients fail with a DSN "by the operator"; those in a session if it doesn't deliver. */
int sched_bounce(struct sched *s, struct queue_message *m) MUST_USE;
/* Live recipients are removed, no DSN; sessions that have it are cut. m may be freed inside. */
int sched_drop(struct sched *s, struct queue_message *m) MUST_USE;
/* Reload: new options and connectors (matched by name and per_domain; sessions of those that stay
 * go on). env->route must give the new indexes. What waits follows the new routes in the next
 * ticks. -ENOMEM: nothing changed. */
int sched_reconfigure(struct sched *s, const struct sched_options *o,
    const struct sched_connector *connectors, size_t count) MUST_USE;

/* Looking. queued, active, deferred, ready, delivered ... count recipients; queued: all that wait
 * or run for it. */
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
    uint64_t first_delivered_wall_ms; /* 0: nothing yet */
};
void sched_totals(const struct sched *s, struct sched_totals *out);

#endif
