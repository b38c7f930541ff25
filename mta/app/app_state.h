/* app/app_state.h - the one struct of the server, for the files of app/ only. All of it lives on
 * the loop's thread. */
#ifndef APP_APP_STATE_H
#define APP_APP_STATE_H

#include "app/app.h"
#include "app/app_route.h"
#include "app/channel.h"
#include "cluster/role.h"
#include "ctl/ctl.h"
#include "loop/loop.h"
#include "net/egress.h"
#include "net/listener.h"
#include "net/resolver.h"
#include "net/vip_watch.h"
#include "queue/queue.h"
#include "sched/sched.h"
#include "smtp/smtp.h"
#include "x400/x400.h"

struct app_socket {
    char name[APP_NAME_CAP];
    struct netaddr address;
    int fd;
    struct app *app;
    struct listener *listener; /* NULL until the queue is open */
    bool wanted;               /* during a reload */
};
#define APP_SOCKETS_MAX (APP_LISTENERS_MAX * APP_VIPS_MAX)

/* A connector's transport: one of the two. */
struct app_out {
    struct smtp_out *smtp;
    struct x400_connector *x400;
    struct app_out_ear *ear; /* of x400: what it asks of us; app_outs.c */
};

struct app_failover { /* for `failover report` */
    struct sched_recovered recovered;
    uint64_t started_wall_ms, opened_wall_ms, listening_wall_ms, loaded_wall_ms, scheduled_wall_ms,
        first_accept_wall_ms;
};

struct app_fenced {   /* the cluster's word that the last owner is dead */
    const char *node; /* NULL: not confirmed */
    uint64_t epoch;
    bool awaited; /* it may still come; the store is not opened before */
    struct loop_poll *poll;
    struct loop_timer timer;
    char text[128];
    size_t n;
};

struct app {
    const struct app_args *args;
    struct app_conf *conf;
    struct loop *loop;
    struct loop_poll *channel_poll;
    struct vip_watch *vips;
    struct egress *egress;
    struct resolver *resolver;
    struct app_routes *routes;
    struct app_fenced fenced;
    uint64_t opening_since_ms; /* loop's clock */
    struct queue_opening *opening;
    struct queue *queue;
    struct sched *sched;
    struct smtp_in *smtp_in;
    struct x400_net *x400_net; /* both NULL while nothing of X.400 is configured */
    struct x400 *x400;
    struct p1_peer x400_peers[APP_CONNECTORS_MAX]; /* as they were asked for last */
    struct app_out *outs;                          /* one for each connector, same index */
    size_t out_count;
    struct app_imports *imports; /* app_ctl_import.c; NULL at first */
    struct ctl *ctl;
    struct app_ping *ping; /* app_ctl_x400.c; NULL: none is under way */
    struct app_trace *trace;
    struct intake intake;
    struct app_socket *sockets[2 * APP_SOCKETS_MAX]; /* within a reload those of both */
    size_t socket_count;
    struct role_facts facts;
    uint64_t refused_bytes; /* the most that found no room: facts.disk_full; 0: none did */
    struct role role;
    struct role applied; /* what the parts were last told */
    struct loop_timer role_timer, tick, drain_timer;
    struct loop_task leave_task;
    struct app_failover failover;
    struct queue_claim claim;
    uint64_t since_wall_ms;      /* owner since */
    struct ctl_request *handoff; /* answered when the release is done */
    struct app_conf *fresh;      /* of a reload that waits for the keeper */
    struct ctl_request *reload_request;
    uint64_t drain_until_ms; /* loop's clock; 0: no stop is asked for */
    unsigned drain_waits;    /* parts not yet drained */
    bool listeners_complete, ready_sent, releasing;
    int exit_code;
};

/* app.c */
void app_update_role(struct app *a);
void app_begin_drain(struct app *a);
/* Once quorum and the word about the last owner are there; till then it does nothing. */
void app_open_queue(struct app *a);
/* Leave now: acknowledge and flush nothing more. */
void app_fail(struct app *a, int rc, const char *why);
uint64_t app_wall_ms(void *ctx);

/* app_fenced.c */
int app_fenced_start(struct app *a) MUST_USE;

/* app_intake.c */
struct intake app_intake(struct app *a);
int app_notify(void *ctx, struct slice to, struct slice content);
/* A message of our own from the null sender; as sched_env.notify says. */
int app_queue_notice(
    struct app *a, enum envelope_body body, struct slice to, struct slice content) MUST_USE;
struct or_route app_x400_route(void *ctx, const struct x400_way *way);
bool app_route(void *ctx, const struct queue_message *m, struct slice recipient, uint16_t *via,
    uint8_t *via_count);

/* app_report.c: what failed of a message that came by X.400 (sched_env.report) */
int app_report(void *ctx, const struct sched_report *r);
struct sched_life app_life(void *ctx, const struct queue_message *m);
uint64_t app_report_bytes(void *ctx, const struct queue_message *m, struct slice start);

/* app_failover.c: when the queue is loaded, before its messages are scheduled. */
int app_settle_doubts(struct app *a) MUST_USE;

/* app_outs.c: the connectors' transports */
/* Those of c's connectors: of the same name and protocol they are kept, with new options. Nothing
 * of a changes but the options (and X.400 begins with the first of its listeners or connectors).
 * Then either drop (free what is new) or take. */
int app_outs_make(struct app *a, const struct app_conf *c, struct app_out **out) MUST_USE;
void app_outs_drop(const struct app *a, const struct app_conf *c, struct app_out *outs);
void app_outs_take(struct app *a, const struct app_conf *c, struct app_out *outs);
struct transport app_out_transport(const struct app_out *o);

/* app_wire.c: conf to the parts' options */
int app_make_sched(struct app *a) MUST_USE;
void app_smtp_in_options(const struct app_conf *c, struct smtp_in_options *o);
int app_make_resolver(struct app *a) MUST_USE;
int app_suspend(struct app *a, const char *connector, bool suspended) MUST_USE; /* BH_ENOTFOUND */
/* Suspended connectors are the queue's to remember: with the next batch; and as they were when it
 * was opened. */
int app_keep_suspended(struct app *a, const char *connector, bool suspended) MUST_USE;
void app_restore_suspended(struct app *a, const struct app_conf *c);
/* Re-read the file; rq (NULL: nobody asked) is answered when it is in force or refused. */
void app_reload(struct app *a, struct ctl_request *rq);
void app_reload_listeners(struct app *a, int code, const char *text); /* the keeper's answer */

/* app_ctl_import.c: imports that are not complete go. */
void app_imports_abort(struct app *a);

/* app_ctl_x400.c: nothing may be sent any more */
void app_ping_cancel(struct app *a);

/* app_ctl.c */
int app_ctl_start(struct app *a) MUST_USE;

#endif
