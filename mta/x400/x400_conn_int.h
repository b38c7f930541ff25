/* x400/x400_conn_int.h - what x400_conn*.c share. Private.
 *
 * Turns     whatever happens (octets, a timer, a call of the user's) leads to one place, pump: the
 *           stack is asked until it has nothing to say, then octets out, room, reading, deadline. A
 *           call of the user's only schedules it, so that no callback runs inside.
 * Ending    x400_conn_finish notes the end, lets what is written go out and gives the connection
 *           back at once; on_end comes from the task, last.
 */
#ifndef X400_X400_CONN_INT_H
#define X400_X400_CONN_INT_H

#include "x400/x400_conn.h"
#include "x400/x400_patience.h"
#include "x400/x400_trace.h"

#define X400_END_USER_MAX 64 /* a bind error is an INTEGER */

struct x400_net {
    struct loop *loop;
    struct egress *egress;
    struct list conns;
    unsigned count;
    uint32_t reference; /* of the next association */
    uint16_t transport_ref;
    const struct x400_trace_sink *sink;
    size_t name_n;
    char name[X400_CONN_NAME_MAX];
};

/* A copy of struct x400_options with all that it points to, until the association is open. */
struct x400_plan {
    struct x400_options o;
    struct rtse_recovery recover;
    size_t bytes; /* of this block: it has a password */
};
int x400_plan_new(struct x400_plan **out, const struct x400_options *o) MUST_USE;
void x400_plan_free(struct x400_plan *plan);

struct x400_conn {
    struct x400_net *net;
    struct list link;
    const struct x400_conn_user *user;
    void *ctx;
    struct stack stack;
    struct loop_task task;
    struct loop_timer timer;
    struct x400_times times;
    struct x400_trace *trace; /* NULL: nobody looks */
    char label[X400_CONN_LABEL_CAP];

    /* the connection */
    struct x400_plan *plan; /* outgoing, until it is open */
    size_t at;              /* which of its addresses */
    struct egress_attempt *attempt;
    struct conn *tcp;
    struct netaddr local, remote;
    uint64_t octets_in, octets_out;
    enum stack_wait wait; /* what the timer is for */
    uint32_t anew;

    unsigned priority;             /* of the transfer under way, if it is ours */
    struct x400_patience patience; /* with the peer's */
    uint32_t transfers_in, transfers_out;
    struct session_reference recovered; /* offered to us; into recovered_text */
    char recovered_text[2 * SESSION_REFERENCE_BYTES_MAX];

    bool incoming, dial_due, connected, opened, recovers;
    bool room_due; /* tell the user when there is room */
    bool closing;  /* as soon as we may */
    bool over;     /* end is there; on_end is to come, or came */
    bool told;     /* on_end was called */
    bool busy;     /* within a callback of the loop */
    bool freed;    /* by the user, while busy */
    struct x400_end end;
    char end_user[X400_END_USER_MAX];
};

/* over, unless it is. text: static. */
void x400_conn_finish(
    struct x400_conn *c, enum x400_end_how how, enum osi_layer layer, int status, const char *text);
/* Every callback of the loop is between these; leave may free c. */
void x400_conn_enter(struct x400_conn *c);
void x400_conn_leave(struct x400_conn *c);
void x400_conn_pump(struct x400_conn *c);
/* The connection is there; octets may flow. */
int x400_conn_begin(struct x400_conn *c, struct conn *tcp) MUST_USE;
extern const struct conn_user x400_conn_tcp_user;

/* x400_conn_out.c: the next address, or the first. */
void x400_conn_dial(struct x400_conn *c);
/* An address was of no use: the next, or the end. */
void x400_conn_dial_failed(struct x400_conn *c, const struct x400_end *why);
/* The CC came: CONNECT and bind. 0 or negative. */
int x400_conn_call(struct x400_conn *c) MUST_USE;

#endif
