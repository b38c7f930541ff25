/* sched/sched_private.h - what the files of sched/ share.
 *
 *   sched.c              the tick, the queue's hooks, run state, beginning and end
 *   sched_operator.c     the operator's calls, reload
 *   sched_deadline.c     delay notice and expiry; failing what waits
 *   sched_task.c         tasks: which recipients, in which state, counted where
 *   sched_destination.c  who may open a session now; back-off; moving mail to an alternate
 *   sched_session.c      sessions: their beginning and end, one delivery after the other
 *   sched_outcome.c      what the transport says of each recipient, made into outcomes
 *   sched_notice.c       failure and delay notices
 *   sched_doubt.c        what the last owner had in hand
 *   sched_report.c       infos, why, totals
 *
 * Rules that all of them keep:
 *   R1  Each live recipient of a message that sched_add saw is in exactly one task.
 *   R2  A task is counted by its recipients in its destination's, connector's and the scheduler's
 *       tally under its state; task_leave and the task_to_* calls are the only ones that count.
 *   R3  queue_record may free the message (on_gone, sched_remove) before it returns: tasks are put
 *       right before it, and neither the message nor its tasks are touched after it, unless a
 *       recipient is known to be live.
 *   R4  Inside a call of a transport nothing calls a transport: work is marked (destination_wake,
 *       session_close_later) and done by sched_settle, at once or in the next tick.
 */
#ifndef SCHED_SCHED_PRIVATE_H
#define SCHED_SCHED_PRIVATE_H

#include "core/buf.h"
#include "core/heap.h"
#include "core/list.h"
#include "core/map.h"
#include "route/route.h"
#include "sched/sched.h"

#define CHAIN_END          UINT32_MAX
#define NEVER              UINT64_MAX
#define WINDOW_FIRST       5    /* sessions opened to a destination not yet known to answer */
#define LOST_IN_A_ROW      3    /* sessions lost before anything was carried: as if unreachable */
#define WORK_PER_TICK      1000 /* tasks moved in one tick: the loop's other users wait meanwhile */
#define NOTICES_ACTIVE_MAX 16   /* headers read at a time */
#define NOTICES_QUEUE_MAX  1000 /* beyond: expiry waits; each holds its replies in memory */
#define RETRY_SOON_MS                                                                              \
    (60 * UINT64_C(1000))     /* after a failure of ours: no memory, no space for a DSN */
#define ASK_SOON_MS      1000 /* what is in doubt, of a peer who can tell */
#define RESUME_PARTS     8 /* of the time in which a transfer goes on: the next try, at least 1 s */
#define NOROUTE_CHECK_MS (UINT64_C(5) * 60 * UINT64_C(1000))
#define TIMER_MAX_MS     (60 * UINT64_C(1000)) /* so that a step of the wall clock is noticed */
#define REPLY_BYTES_MAX  512
#define ERROR_TEXT_CAP   256

struct connector;
struct destination;
struct entry;
struct notice;

/* ---- memory: equal pieces from slabs, kept for reuse; the hot path never meets malloc. */
struct pool {
    void *free; /* first word of a free piece: the next */
    void *slabs;
    size_t piece_bytes, free_count;
    size_t kept_back; /* for pool_get_reserved */
};
void pool_init(struct pool *p, size_t piece_bytes, size_t kept_back);
void pool_fini(struct pool *p);
bool pool_reserve(struct pool *p, size_t free_count) MUST_USE;
void *pool_get(struct pool *p) MUST_USE;          /* not zeroed; NULL: no memory */
void *pool_get_reserved(struct pool *p) MUST_USE; /* for where there is no way back */
void pool_put(struct pool *p, void *piece);

struct tally { /* recipients */
    uint64_t ready, active, deferred;
};

/* ---- a message: m->sched. */
struct entry {
    struct heap_node deadline; /* delay notice or expiry, whichever is next */
    struct queue_message *m;
    struct task *tasks;   /* all of its tasks (task->next) */
    uint32_t *chain;      /* chain[i]: the recipient after i in i's task; NULL: one recipient */
    struct notice *delay; /* the delay notice being written */
    enum { FATE_NONE, FATE_BOUNCE, FATE_DROP } fate; /* of what comes back undelivered */
    uint8_t urgency; /* of its sched_life, which is text: read once */
    bool postponed;  /* that has a time before which it waits */
};

enum task_state {
    TASK_NONE, /* between two states, inside one call */
    TASK_READY,
    TASK_RUNNING,
    TASK_DEFERRED,
    TASK_HELD,
    TASK_NOTICE /* failed; recorded once its notice is queued */
};

struct task {
    union {
        struct list link;              /* READY: destination's; HELD: sched's doubts, or none */
        struct heap_node due;          /* DEFERRED */
        struct sched_session *session; /* RUNNING */
        struct notice *notice;         /* NOTICE */
    } at;
    struct entry *entry;
    struct destination *dest;
    struct task *next, *prev; /* of the entry */
    uint32_t first, count;    /* recipients: entry's chain from first */
    uint8_t state;
    bool requeued; /* put back once without an outcome already */
};
_Static_assert(sizeof(struct task) + sizeof(struct entry) <= 128, "a million messages wait");

struct destination {
    struct map_node node;               /* connector's map */
    struct connector *connector;        /* NULL: the one without a route */
    struct list ready[SCHED_URGENCIES]; /* tasks */
    struct list idle;                   /* sessions, last used first */
    struct list wake, waiting, moving; /* sched's: to be looked at; connector's: for a session slot;
                                          sched's: its waiting tasks are routed again */
    struct heap_node backoff;          /* when to look again */
    struct tally tally;
    uint32_t tasks, ready_tasks;
    uint32_t sessions, opening, idle_count, window;
    uint32_t failures; /* in a row, for the back-off; 0 after a finished delivery */
    uint32_t lost;     /* sessions lost before anything was carried, in a row */
    uint32_t unopened; /* attempts in a row that opened no session, for open_retries */
    uint32_t ready_of[SCHED_URGENCIES], move_left[SCHED_URGENCIES];
    uint64_t next_try_ms;   /* no session is opened before */
    uint64_t grow_after_ms; /* the window stays until then */
    uint64_t resume_by_ms;  /* something of it can go on where it stopped until then */
    uint64_t stamp;         /* see task_route */
    struct task *group[3];
    char *last_error; /* malloc'ed, or NULL */
    uint64_t last_error_ms;
    bool down;
    bool alternates; /* some task here has a route with another connector */
    uint32_t name_bytes;
    char name[];
};

struct connector {
    struct list link; /* sched's connectors: configured, or removed and not yet empty */
    struct sched *s;
    char *name, *protocol;
    struct destination *only; /* unless per_domain: exists as long as the connector */
    struct transport transport;
    bool per_domain, suspended, removed;
    bool keep; /* during a reload */
    uint32_t concurrency, limit, per_transaction;
    uint64_t down_after_ms;
    bool in_doubt_hold;
    uint64_t open_interval_ms, transfer_interval_ms; /* see struct sched_connector */
    uint32_t open_retries, transfer_retries;
    struct map dests;
    struct list waiting; /* destinations that wait for one of `limit` sessions */
    struct list idle;    /* sessions, last used first */
    uint32_t sessions, idle_count, down_dests;
    struct tally tally;
    uint64_t failing_since_ms; /* 0: reached last time */
    char last_error[ERROR_TEXT_CAP];
    uint64_t last_error_ms;
};

struct span { /* in session->text */
    uint32_t at, n;
};
struct result { /* of one recipient of a delivery */
    bool known, in_doubt;
    bool soon;     /* in doubt, and the peer can be asked */
    bool answered; /* the peer knows the transaction that was in doubt */
    bool untried;
    uint8_t kind; /* enum outcome_kind */
    uint16_t code;
    struct span status, reply, remote, source; /* reply: "450 4.2.1 text" */
    uint64_t resume_ms, next_ms;
};

/* The record that says so of a delivery (journal.md section 6a). */
enum session_try { TRY_NONE, TRY_QUEUED, TRY_DURABLE };

enum session_state { SESSION_OPENING, SESSION_BUSY, SESSION_IDLE, SESSION_CLOSING };

#define TRANSID_CAP 81 /* 80 is RFC 1845's limit */

struct sched_session {
    struct list link;       /* sched's sessions, or its free ones */
    struct list idle;       /* destination's */
    struct list idle_conn;  /* connector's */
    struct list close_link; /* sched's to be closed */
    struct sched *s;
    struct destination *dest;
    const struct transport_ops *ops;
    struct transport_session *transport;
    enum session_state state;
    bool opened;
    bool opening;              /* counted in the destination's opening */
    bool probe;                /* opened while it was down */
    bool aborted;              /* by us: what it still says is not heard */
    bool ours;                 /* the delivery cannot go on for a reason of ours */
    bool dot;                  /* the final dot of this delivery was permitted */
    uint8_t tried;             /* enum session_try, of this delivery */
    transport_ready_fn *ready; /* the transport waits for TRY_DURABLE; NULL: it does not */
    void *ready_ctx;
    uint32_t finished; /* deliveries */
    struct task *task; /* RUNNING, or NULL */
    struct delivery delivery;
    uint64_t transaction; /* of the delivery, see transid_of */
    char transid[TRANSID_CAP];
    struct slice *addresses; /* the arrays have `capacity` places */
    uint32_t *indexes;       /* of the delivery's recipients in the message */
    struct result *results;
    struct queue_outcome *outcomes;
    uint32_t capacity;
    struct buf text;
    struct queue_reader *reader;
    uint64_t from; /* where the reader begins; then how much of what it gives is left out */
};

struct sched {
    struct sched_options o; /* hostname is ours */
    char *hostname;
    struct sched_env env;
    char store_uuid[37];
    struct loop_timer *timer; /* with env.loop */
    enum sched_run run;
    bool broken; /* an outcome could not be recorded: nothing more is begun */
    bool draining;
    loop_fn *drained;
    void *drained_ctx;
    uint32_t depth; /* > 0: inside a call of a transport, or settling */

    struct connector **connectors; /* by env->route's index */
    size_t connector_count;
    struct list all; /* connectors, removed ones too */
    struct destination *noroute;

    struct heap deferred;  /* tasks by due time */
    struct heap backoffs;  /* destinations */
    struct heap deadlines; /* entries */
    struct list wake, moving, closing, sessions, spare_sessions;
    struct list doubts;     /* HELD tasks whose connectors hold what is in doubt */
    struct list unrecorded; /* see sched.c */
    uint32_t session_count, spare_count, active; /* active: deliveries under way */
    struct list notices_waiting, notices_active;
    uint32_t notices_waiting_count, notices_active_count;
    struct pool tasks, entries;
    bool orphans; /* a message found no memory in sched_add: the queue is walked again */
    uint64_t orphans_at_ms;
    uint64_t stamp, unique;
    uint64_t timer_at_ms; /* NEVER: not set */

    struct tally tally;
    uint64_t delivered, failed, deferrals;
    uint64_t careful_until_ms, first_delivered_ms;
};

/* ---- sched.c */
uint64_t sched_now(const struct sched *s);
bool sched_may_begin(const struct sched *s); /* deliveries */
/* Do what was marked: now, or in the next tick when inside a transport's call (R4). */
void sched_settle(struct sched *s);
/* Every call from a transport is between these two. */
void sched_enter(struct sched *s);
void sched_leave(struct sched *s);
/* queue_record; what finds no memory there is recorded later, and nothing is begun until then. */
void sched_record(
    struct sched *s, struct queue_message *m, const struct queue_outcome *outcomes, uint32_t count);
void sched_record_unrecorded(struct sched *s);
void sched_broken(struct sched *s, int rc);

/* ---- sched_operator.c */
/* Free those of the list that are new. */
void sched_connectors_undo(struct sched *s, struct connector **list, size_t count);

/* ---- sched_doubt.c */
/* After a crash: a message is in hand on disk before anything of it is touched. */
bool sched_careful(const struct sched *s);
/* The operator takes the doubt off the recipients that are held. 0 or the queue's code. */
int sched_settle_doubts(struct sched *s, struct entry *e) MUST_USE;
void sched_route_doubts(struct sched *s); /* after a reload */

/* ---- sched_deadline.c */
struct sched_life sched_life(const struct sched *s, const struct queue_message *m);
uint64_t sched_expiry(const struct sched *s, const struct queue_message *m);
/* (Re)set the entry's place among the deadlines, not before `from_ms`. */
void sched_set_deadline(struct sched *s, struct entry *e, uint64_t from_ms);
/* Fail every recipient that waits (held ones too) with this reply; expired: with its last reply
 * added. False: no memory, nothing happened. The message may be gone afterwards. */
bool sched_fail_waiting(
    struct sched *s, struct entry *e, const char *status, const char *text, bool expired) MUST_USE;
/* The same for one task (READY) of e; text is copied. */
bool sched_fail_task(
    struct sched *s, struct task *t, const char *status, const char *text) MUST_USE;
/* They are looked at: not while stopped or draining, nor with too many notices unwritten. */
bool sched_deadlines_run(const struct sched *s);
/* Work off the deadlines that are due, at most budget. */
void sched_deadlines(struct sched *s, uint32_t budget);

/* ---- sched_task.c */
struct task *task_new(struct sched *s, struct entry *e) MUST_USE;          /* NONE, no recipients */
struct task *task_new_reserved(struct sched *s, struct entry *e) MUST_USE; /* never NULL */
void task_free(struct sched *s, struct task *t);    /* in state NONE; may free its destination */
void task_push(struct task *t, uint32_t recipient); /* in state NONE */
static inline uint32_t
task_after(const struct entry *e, uint32_t recipient)
{
    return e->chain == NULL ? CHAIN_END : e->chain[recipient];
}
void task_set_dest(struct sched *s, struct task *t, struct destination *d); /* in state NONE */
void task_leave(struct sched *s, struct task *t);                           /* to state NONE */
uint64_t task_not_before(const struct sched *s, const struct task *t);      /* its message's */
void task_to_ready(struct sched *s, struct task *t, bool front); /* of those of its urgency */
void task_to_deferred(struct sched *s, struct task *t, uint64_t due_ms);
void task_to_running(struct sched *s, struct task *t, struct sched_session *ss);
void task_to_held(struct sched *s, struct task *t);
void task_to_doubt(struct sched *s, struct task *t); /* held by its connector, not the message */
void task_to_notice(struct sched *s, struct task *t, struct notice *n);
bool task_waits(const struct task *t); /* READY, DEFERRED or HELD */
/* t (NONE) to wait without a route; routed again in some minutes. */
void task_park(struct sched *s, struct task *t);
/* t (NONE) to ready or deferred, as its recipients' times in the index say, at the destinations its
 * routes say; splits it as needed. */
void task_route(struct sched *s, struct task *t);
/* Of a ready task with more recipients than max, the rest as a new task at the end of the line.
 * False: no memory, t is as it was. */
bool task_split(struct sched *s, struct task *t, uint32_t max) MUST_USE;
/* The transaction that left the recipient in doubt; 0: it is not, or nobody knows. */
uint64_t task_doubt(const struct queue_message *m, uint32_t recipient);
/* Those of another transaction than the first recipient's, likewise. */
bool task_split_doubt(struct sched *s, struct task *t) MUST_USE;

/* ---- sched_destination.c */
/* Where a recipient goes now. current: where it waits (NULL or noroute: nowhere yet). Never NULL;
 * sets alternates. */
struct destination *destination_choose(struct sched *s, const struct queue_message *m,
    uint32_t recipient, struct destination *current);
/* Does the route of one of these recipients name another connector than d's first? false where its
 * transport does not want to know: it routes each of them. */
bool destination_is_alternate(struct sched *s, const struct destination *d,
    const struct queue_message *m, const uint32_t *recipients, uint32_t count);
struct destination *destination_new(struct connector *c, struct slice name) MUST_USE;
void destination_check_unused(struct sched *s, struct destination *d); /* may free it */
void destination_free(struct sched *s, struct destination *d);
void destination_wake(struct sched *s, struct destination *d); /* look at it in sched_settle */
void destination_pump(struct sched *s, struct destination *d);
/* A session to it could not be opened, or was lost empty: down, with back-off. */
void destination_failed(struct sched *s, struct destination *d, const struct transport_result *r);
/* So often in a row no session could be opened that this recipient fails. */
bool destination_gives_up(struct sched *s, const struct destination *d,
    const struct queue_message *m, uint32_t recipient);
/* The connector's own interval (0: it has none), else the schedule's step; well within resume_ms,
 * if there is something to resume. */
uint64_t destination_delay_ms(const struct retry_schedule *schedule, uint64_t interval_ms,
    uint32_t attempts, uint64_t seed, uint64_t resume_ms);
/* Something of it can go on where it stopped, for so long (0: nothing): its back-off is short of
 * that, whoever meets it. */
void destination_resumable(struct sched *s, struct destination *d, uint64_t resume_ms);
void destination_reached(struct sched *s, struct destination *d);
/* A delivery ended by the peer's answers. */
void destination_proved(struct sched *s, struct destination *d);
/* A further session was refused while others are open. */
void destination_crowded(struct sched *s, struct destination *d);
void destination_note_error(struct sched *s, struct destination *d, struct slice why);
/* Not before. */
void destination_nap(struct sched *s, struct destination *d, uint64_t until_ms);
/* Its next ready task as a running one of ss, or NULL. */
struct task *destination_pick(struct sched *s, struct destination *d, struct sched_session *ss);
/* Route its waiting tasks again, some in each tick. */
void destination_move(struct sched *s, struct destination *d);
/* Some of that; true: more is left. */
bool destination_move_some(struct sched *s, struct destination *d, uint32_t budget);
bool connector_down(const struct connector *c, uint64_t now_ms);
struct connector *connector_new(struct sched *s, const struct sched_connector *o) MUST_USE;
void connector_set(struct connector *c, const struct sched_connector *o); /* what may change */
void connector_free(struct connector *c); /* no destination is left */
void connector_slot_free(struct sched *s, struct connector *c);

/* ---- sched_session.c */
/* Open a session to d with its next ready task; false: not now (the destination naps). */
bool session_open(struct sched *s, struct destination *d);
/* Give d's next ready task to the idle session; false: there is none. */
bool session_work(struct sched *s, struct sched_session *ss);
void session_close_later(struct sched *s, struct sched_session *ss); /* idle: QUIT */
void session_close_marked(struct sched *s); /* those of session_close_later */
/* At once; results that are known count, in doubt is recorded, the rest waits again. */
void session_break_off(struct sched *s, struct sched_session *ss);
void session_free(struct sched_session *ss);
/* sched_content.c: transport_up's content and seek; and its end. */
int session_content(
    struct sched_session *ss, struct slice *out, transport_ready_fn *ready, void *ctx);
void session_seek(struct sched_session *ss, uint64_t offset);
void session_close_content(struct sched_session *ss);
/* It is no longer told when its attempt's record is durable. */
void session_forget_try(struct sched_session *ss);

/* ---- sched_outcome.c */
/* What became of the delivery's index-th recipient; kept until the delivery is over. */
void session_note_result(
    struct sched_session *ss, uint32_t index, const struct transport_result *r);
/* It is: what is known is recorded, and the task is gone. Recipients without a result go back to
 * their destination's front, or (reroute) by their route. */
void session_finish(struct sched_session *ss, bool reroute);

/* ---- sched_notice.c */
/* One failure to be told to the sender. Slices are copied. */
struct notice_failure {
    uint32_t recipient;
    uint16_t code; /* of the peer, 0: ours */
    struct slice status, reply, remote;
};
/* Does RFC 3461 and the sender let a failure of this recipient be reported? Logs when a bounce
 * would bounce. */
bool notice_wanted(const struct queue_message *m, const struct queue_recipient *r);
/* For at most count recipients: notice_add each, give it the task (NONE) that holds them, start. */
struct notice *notice_new(struct sched *s, struct entry *e, uint32_t count) MUST_USE;
int notice_add(struct notice *n, const struct notice_failure *f) MUST_USE;
void notice_free(struct sched *s, struct notice *n);
void notice_attach(struct sched *s, struct notice *n, struct task *t);
void notice_start(struct sched *s, struct notice *n);
void notice_start_delay(struct sched *s, struct entry *e);
void notice_cancel_all(struct sched *s); /* their recipients wait again */
void notice_pump(struct sched *s);

#endif
