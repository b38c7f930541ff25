/* smtp/smtp_out_session.h - one session of smtp_out: private to smtp_out*.c.
 *
 * Life      open() makes it and schedules its first turn; `closed` to the scheduler is its end; the
 *           memory goes with the turn after, so that no caller in the stack holds a dead pointer.
 * Phases    FINDING (DNS, connect, greeting, EHLO; one after another the candidates) - BUSY (a
 *           delivery) - IDLE - ENDED. A session may go back to FINDING with its delivery in hand:
 *           see "Resending" in the .c.
 */
#ifndef SMTP_SMTP_OUT_SESSION_H
#define SMTP_SMTP_OUT_SESSION_H

#include "smtp/smtp.h"
#include "smtp/smtp_client.h"
#include "smtp/smtp_hops.h"

/* Options as given, copied, shared by the sessions that began with them. */
struct smtp_out_conf {
    unsigned refs;
    struct smtp_out_options o; /* into the memory behind this struct */
};
int smtp_out_conf_new(struct smtp_out_conf **out, const struct smtp_out_options *o) MUST_USE;
void smtp_out_conf_unref(struct smtp_out_conf *conf);

struct smtp_out {
    struct loop *loop;
    struct egress *egress;
    struct resolver *resolver;
    struct transport_up up;
    struct smtp_out_conf *conf;
    struct list sessions, dead; /* of transport_session.link */
    unsigned count;             /* of sessions */
};

enum smtp_out_phase { SMTP_OUT_FINDING, SMTP_OUT_BUSY, SMTP_OUT_IDLE, SMTP_OUT_ENDED };

struct transport_session {
    struct smtp_out *out;
    struct smtp_out_conf *conf;
    struct sched_session *up;
    struct list link;
    struct loop_task task;   /* the first turn, new work, close, content or dot ready */
    struct loop_timer timer; /* FINDING: the whole search; IDLE: the idle time-out */
    enum smtp_out_phase phase;

    /* finding */
    struct resolver_query *query;
    struct egress_attempt *attempt;
    struct smtp_hops *hops;       /* until the first delivery of a connection is over */
    unsigned lookups;             /* next hops looked up so far */
    bool announced;               /* `opened` was called */
    struct transport_result last; /* why the latest candidate failed; kind DEFERRED wins */
    bool has_last;
    char last_text[SMTP_CLIENT_TEXT_CAP], last_status[16], last_remote[SMTP_HOPS_TEXT_CAP];
    char last_source[NETADDR_TEXT_CAP];

    /* the connection */
    struct conn *conn;
    struct smtp_client proto;
    uint32_t deliveries;    /* over on this connection */
    uint64_t replies_begun; /* proto.replies when the delivery came */
    char remote[SMTP_HOPS_TEXT_CAP], source[NETADDR_TEXT_CAP];

    /* the delivery */
    const struct delivery *d;
    uint32_t results;
    struct slice piece; /* of content, not yet sent */
    bool has_piece, content_over, content_waits, dot_waits, begin_waits;
    bool begin_due; /* it may begin now */
    bool content_begun;
    bool data_taken;   /* 354 came: from here on what happens is a result */
    bool finished;     /* every recipient has its result; `done` is still to be called */
    int content_error; /* <0: the content cannot be had */

    bool closing, aborting; /* as asked by the scheduler */
    char destination[];     /* terminated */
};

int smtp_out_session_open(struct smtp_out *out, struct slice destination, struct sched_session *up,
    const struct delivery *first, struct transport_session **t) MUST_USE;
void smtp_out_session_work(struct transport_session *t, const struct delivery *d);
void smtp_out_session_close(struct transport_session *t, bool abort);
void smtp_out_session_free(struct transport_session *t); /* ENDED ones */
/* For smtp_out_find.c. r may live in t. */
void smtp_out_session_end(struct transport_session *t, const struct transport_result *r);
void smtp_out_session_connected(struct transport_session *t, struct conn *c);
const struct conn_user *smtp_out_session_user(void);

/* smtp_out_find.c: leads to smtp_out_session_connected, or to the session's end with the reason of
 * the last candidate; either may come before these return. */
void smtp_out_find(struct transport_session *t); /* from the first candidate on */
void smtp_out_find_next(struct transport_session *t, const struct transport_result *why);
void smtp_out_find_cancel(struct transport_session *t);
void smtp_out_find_timed_out(struct transport_session *t);

#endif
