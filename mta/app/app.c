/* app/app.c - the server: wires the parts, and is the order in which they start and stop.
 *
 * Start: log, no privileges, loop, control socket, VIP watch, queue (claim and seal, in a thread),
 * scheduler, listeners, "ready" to the keeper. What the last owner left is loaded behind that, in a
 * thread, and delivered when all of it is there.
 * Stop: no new transaction (421); replies earned leave, final dots out are waited for, within the
 * drain budget; seal, RELEASED, exit 0.
 * Fault, a failed sync, a lost lease, a higher epoch: one event, one word to the keeper, _exit.
 * Nothing is flushed or acknowledged.
 */
#include "app/app_state.h"
#include "bridgehead/exit_codes.h"
#include "core/log.h"
#include "core/map.h"
#include "core/ticks.h"
#include <grp.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#define TICK_MS            1000
#define HEAP_STEP_BYTES    (16 * 1024 * 1024)
#define HANDOFF_TAIL_MIN   MIB /* of journal: read faster than a snapshot is written */
#define DRAIN_DATA_MS      200 /* for a client in the middle of a message: nothing was promised yet */
#define RESTARTED_SHOWN_MS (5 * 60 * 1000)

uint64_t
app_wall_ms(void *ctx)
{
    (void)ctx;
    return ticks_wall_ms();
}

static void
tell_keeper(uint32_t kind, uint64_t epoch, int code, const char *text)
{
    struct channel_msg m = { .kind = kind, .epoch = epoch, .code = code };

    (void)snprintf(m.text, sizeof(m.text), "%s", text);
    if (channel_send(CHANNEL_FD, &m, -1) < 0) {
        return; /* a keeper that is gone takes us with it */
    }
}

void
app_fail(struct app *a, int rc, const char *why)
{
    int code = app_exit_code(rc);
    char text[512];

    a->facts.fenced = rc == BH_EFENCED;
    a->facts.stopped = true;
    log_event(app_failure_event(rc), LF_INT("code", code), LF_ERR("error", rc), LF_STR("why", why));
    app_failure_text(app_failure_event(rc), why, text, sizeof(text));
    tell_keeper(CHANNEL_FAILED, 0, code, text);
    app_end_soon(code);
    if (log_dump_blackbox() < 0) {
        log_event(EV_APP_NO_BLACKBOX, LF_INT("code", code));
    }
    log_close();
    _exit(code); /* flush nothing: what was not acknowledged must not look as if it had been */
}

/* ---- the role: facts to permissions to the parts */

static void
apply_sending(struct app *a)
{
    enum sched_run run = a->role.must_stop_now ? SCHED_STOPPED
                         : a->role.may_send    ? SCHED_RUNNING
                                               : SCHED_PAUSED;

    egress_forbid(a->egress, a->role.must_stop_now);
    if (a->sched != NULL && !a->facts.draining) {
        sched_set_run(a->sched, run);
    }
}

static void
apply_accepting(struct app *a)
{
    if (a->role.must_stop_now && !a->applied.must_stop_now && a->smtp_in != NULL) {
        smtp_in_abort(a->smtp_in);
        app_imports_abort(a);
        if (a->x400 != NULL) {
            app_ping_cancel(a);
            x400_abort(a->x400);
        }
    }
    for (size_t i = 0; i < a->socket_count; i++) {
        if (a->sockets[i]->listener != NULL) {
            /* a drain goes on accepting, to answer 421 rather than refuse */
            listener_pause(a->sockets[i]->listener, !a->role.may_accept && !a->facts.draining);
        }
    }
}

static void
log_role(const struct app *a)
{
    char reasons[128] = "";
    size_t n = 0;

    for (unsigned bit = 1; bit < ROLE_REASONS_END; bit <<= 1) {
        if ((a->role.reasons & bit) != 0) {
            n += (size_t)snprintf(reasons + n, sizeof(reasons) - n, "%s%s", n > 0 ? "," : "",
                role_reason_name((enum role_reason)bit));
        }
    }
    if (a->role.state == ROLE_DEGRADED) {
        log_event(EV_APP_DEGRADED, LF_STR("from", role_state_name(a->applied.state)),
            LF_STR("reasons", reasons));
    } else {
        log_event(EV_APP_STATE, LF_STR("from", role_state_name(a->applied.state)),
            LF_STR("to", role_state_name(a->role.state)));
    }
}

void
app_update_role(struct app *a)
{
    a->facts.disk_full = a->refused_bytes > 0;
    role_update(&a->role, &a->facts, loop_now_ms(a->loop));
    if (a->role.again_at_ms > 0) {
        uint64_t now = loop_now_ms(a->loop);

        loop_timer_start(&a->role_timer, a->role.again_at_ms > now ? a->role.again_at_ms - now : 1);
    }
    apply_sending(a);
    apply_accepting(a);
    if (a->role.state != a->applied.state ||
        (a->role.state == ROLE_DEGRADED && a->role.reasons != a->applied.reasons)) {
        log_role(a);
    }
    a->applied = a->role;
}

static void
on_role_timer(void *ctx)
{
    app_update_role(ctx);
}

/* What nobody reports as it happens is looked at once a second. */
static void
on_tick(void *ctx)
{
    struct app *a = ctx;
    struct sched_totals totals;
    struct queue_stats stats;

    loop_timer_start(&a->tick, TICK_MS);
    if (a->queue == NULL || a->releasing) {
        return;
    }
    sched_totals(a->sched, &totals);
    queue_stats(a->queue, &stats);
    a->facts.connector_down = totals.connectors_down > 0;
    a->facts.quarantine = stats.quarantined > 0;
    if (a->refused_bytes > 0 && queue_ready(a->queue, a->refused_bytes) != -ENOSPC) {
        a->refused_bytes = 0;
    }
    a->facts.restarted =
        a->args->restarted && app_wall_ms(NULL) - a->failover.started_wall_ms < RESTARTED_SHOWN_MS;
    app_update_role(a);
}

/* ---- addresses */

static void
on_vip(void *ctx, const struct netaddr *address, enum vip_state state)
{
    struct app *a = ctx;
    unsigned present = 0;

    if (a->vips == NULL) {
        return; /* the first dump: counted when vip_watch_new returned */
    }
    if (a->smtp_in != NULL && address != NULL && state != VIP_PRESENT) {
        smtp_in_cut(a->smtp_in, address);
    }
    if (a->x400 != NULL && address != NULL && state != VIP_PRESENT) {
        x400_cut(a->x400, address);
    }
    for (size_t i = 0; i < a->conf->vip_count; i++) {
        present += vip_watch_state(a->vips, &a->conf->vips[i]) == VIP_PRESENT ? 1 : 0;
    }
    if (present < a->facts.vips_present) { /* it left while serving: no grace */
        a->facts.vip_grace_until_ms = 0;
    }
    a->facts.vips_present = present;
    if (a->resolver != NULL && app_make_resolver(a) < 0) {
        log_event(EV_APP_NO_RESOLVER, LF_UINT("vips", present));
    }
    app_update_role(a);
}

/* ---- listening */

static bool
speaks_x400(const struct app *a, const char *listener)
{
    for (size_t i = 0; a->x400 != NULL && i < a->conf->listener_count; i++) {
        if (strcmp(a->conf->listeners[i].name, listener) == 0) {
            return a->conf->listeners[i].protocol == APP_X400;
        }
    }
    return false;
}

static void
on_accept(void *ctx, int fd, const struct netaddr *peer)
{
    struct app_socket *s = ctx;
    struct app *a = s->app;

    if (a->failover.first_accept_wall_ms == 0) {
        a->failover.first_accept_wall_ms = app_wall_ms(NULL);
    }
    if (speaks_x400(a, s->name)) {
        x400_accept(a->x400, fd, peer, s->name);
        return;
    }
    smtp_in_accept(
        a->smtp_in, fd, peer, route_permits(a->routes->domains, peer, SLICE_NONE), s->name);
}

static void
start_listener(struct app *a, struct app_socket *s)
{
    int rc = listener_start(&s->listener, a->loop, s->fd, on_accept, s);

    if (rc < 0) {
        app_fail(a, rc, "cannot use a listening socket");
    }
}

/* Listening begins when the tail is sealed and the epoch is durable: queue_open has said so. */
static void
start_listening(struct app *a)
{
    if (a->queue == NULL || !a->listeners_complete) {
        return;
    }
    for (size_t i = 0; i < a->socket_count; i++) {
        if (a->sockets[i]->listener == NULL) {
            start_listener(a, a->sockets[i]);
        }
    }
    app_update_role(a);
    if (!a->ready_sent) {
        a->ready_sent = true;
        a->failover.listening_wall_ms = app_wall_ms(NULL);
        tell_keeper(CHANNEL_READY, 0, 0, "");
    }
}

static void
free_socket(struct app_socket *s)
{
    if (s->listener != NULL) {
        listener_free(s->listener, true);
    } else {
        (void)close(s->fd);
    }
    free(s);
}

static void
on_listener_msg(struct app *a, const struct channel_msg *m, int fd)
{
    struct app_socket *s;

    for (size_t i = 0; i < a->socket_count; i++) {
        s = a->sockets[i];
        if (strcmp(s->name, m->name) == 0 && netaddr_eq(&s->address, &m->address) &&
            s->address.port == m->address.port) {
            s->wanted = true;
            (void)close(fd);
            return;
        }
    }
    s = a->socket_count < ARRAY_LEN(a->sockets) ? calloc(1, sizeof(*s)) : NULL;
    if (s == NULL) {
        (void)close(fd);
        app_fail(a, -ENOMEM, "no memory for a listener");
        return;
    }
    (void)snprintf(s->name, sizeof(s->name), "%s", m->name);
    s->address = m->address;
    s->fd = fd;
    s->app = a;
    s->wanted = true;
    a->sockets[a->socket_count++] = s;
}

static void
on_listeners_end(struct app *a)
{
    size_t kept = 0;

    for (size_t i = 0; i < a->socket_count; i++) {
        if (a->sockets[i]->wanted) {
            a->sockets[i]->wanted = false;
            a->sockets[kept++] = a->sockets[i];
        } else {
            free_socket(a->sockets[i]);
        }
    }
    a->socket_count = kept;
    a->listeners_complete = true;
    start_listening(a);
}

/* ---- the queue's hooks */

static void
on_message(void *ctx, struct queue_message *m)
{
    sched_add(((struct app *)ctx)->sched, m);
}

static void
on_recovered(void *ctx)
{
    ((struct app *)ctx)->failover.scheduled_wall_ms = app_wall_ms(NULL);
}

static void
on_gone(void *ctx, struct queue_message *m)
{
    struct app *a = ctx;

    if (a->sched != NULL) {
        sched_remove(a->sched, m);
    }
}

static void
on_space(void *ctx, bool low)
{
    struct app *a = ctx;

    a->facts.reserve_in_use = low;
    app_update_role(a);
}

static void
on_queue_failure(void *ctx, int rc)
{
    app_fail(ctx, rc,
        rc == BH_EFENCED ? "the ownership of the store is lost"
                         : "a write or sync of the store failed");
}

/* What the last owner left is there, and goes to the scheduler from now on. */
static void
on_loaded(void *ctx, int status, const struct queue_claim *claim, const char *text)
{
    struct app *a = ctx;
    int rc;

    if (status < 0) {
        app_fail(a, status, text);
        return;
    }
    a->claim = *claim;
    app_restore_suspended(a, a->conf);
    rc = app_settle_doubts(a);
    if (rc < 0) {
        app_fail(a, rc, "what the last owner had in hand cannot be recorded");
        return;
    }
    a->failover.loaded_wall_ms = app_wall_ms(NULL);
}

/* Mail can be taken in, and that is what a start promises. */
static void
on_open(void *ctx, int status, struct queue *q, const struct queue_claim *claim, const char *text)
{
    struct app *a = ctx;
    int rc = status;

    a->opening = NULL;
    a->facts.queue_opening = false;
    if (rc < 0) {
        app_fail(a, rc, text);
        return;
    }
    a->queue = q;
    a->claim = *claim;
    a->since_wall_ms = app_wall_ms(NULL);
    a->failover.opened_wall_ms = a->since_wall_ms;
    tell_keeper(CHANNEL_EPOCH, claim->epoch, 0, "");
    rc = app_make_sched(a);
    if (rc < 0) {
        app_fail(a, rc, "cannot start the scheduler");
        return;
    }
    a->facts.queue_open = true;
    a->facts.vip_grace_until_ms = loop_now_ms(a->loop) + a->conf->vip_grace_ms;
    start_listening(a);
}

static int
open_queue(struct app *a)
{
    static char lock[APP_PATH_CAP]; /* read by the opening thread */
    struct queue_options o = { .path = a->conf->store_path,
        .node = a->args->node,
        .reserve_bytes = a->conf->store_reserve_bytes,
        .lease_ms = a->conf->store_lease_ms,
        .fenced = { a->fenced.node, a->fenced.epoch },
        .snapshot_bytes = a->conf->store_snapshot_bytes,
        .on_loaded = on_loaded,
        .on_message = on_message,
        .on_recovered = on_recovered,
        .on_gone = on_gone,
        .on_space = on_space,
        .on_failure = on_queue_failure,
        .ctx = a };

    app_server_lock(a->conf->instance, lock);
    o.run_lock_path = lock;
    a->facts.queue_opening = true;
    a->opening_since_ms = loop_now_ms(a->loop);
    return queue_open(&a->opening, a->loop, &o, on_open, a);
}

/* Nothing may own the store without quorum. The server is started before the keeper knows: what it
 * does until here takes as long as joining corosync. */
void
app_open_queue(struct app *a)
{
    int rc;

    if (a->opening_since_ms > 0 || a->facts.draining || !a->facts.joined || !a->facts.quorate ||
        a->fenced.awaited) {
        return;
    }
    rc = open_queue(a);
    if (rc < 0) {
        app_fail(a, rc, "the store cannot be opened");
    }
}

/* ---- stop */

static void
on_released(void *ctx, int status)
{
    struct app *a = ctx;

    if (status < 0) {
        app_fail(a, status, "the store could not be released");
        return;
    }
    tell_keeper(CHANNEL_EPOCH, 0, 0, "");
    a->facts.released = true;
    a->exit_code = 0;
    if (a->handoff != NULL) {
        ctl_reply(a->handoff, 0, json_pack("{s:s}", "state", "released"));
        a->handoff = NULL;
    }
    loop_call_soon(a->loop, &a->leave_task);
}

static void
leave(void *ctx)
{
    struct app *a = ctx;

    app_end_soon(a->exit_code);
    log_event(EV_APP_STOPPED, LF_STR("process", "server"), LF_INT("code", a->exit_code));
    log_close();
    /* The store is released and every reply is out: the process's end closes the rest faster than
     * we could. */
    _exit(a->exit_code);
}

static void
release_store(struct app *a)
{
    int rc;

    if (a->releasing) {
        return;
    }
    a->releasing = true;
    loop_timer_stop(&a->drain_timer);
    smtp_in_abort(a->smtp_in); /* what outlived the budget: nothing was promised to it */
    sched_set_run(a->sched, SCHED_STOPPED);
    if (a->x400 != NULL) {
        x400_abort(a->x400);
    }
    rc = queue_release(a->queue, on_released, a);
    if (rc < 0) {
        app_fail(a, rc, "the store could not be released");
    }
}

static void
on_part_drained(void *ctx)
{
    struct app *a = ctx;

    if (--a->drain_waits == 0) {
        release_store(a);
    }
}

/* Nobody is refused before the next owner's snapshot is there, or half of the time is over. */
static void
drain(struct app *a)
{
    uint64_t left_ms;

    if (a->facts.draining) {
        return;
    }
    a->facts.draining = true;
    app_update_role(a);
    if (a->queue == NULL) { /* still opening: nothing was accepted under this epoch, and the claim
                               ends with the process */
        if (a->opening != NULL) {
            queue_open_cancel(a->opening);
        }
        a->exit_code = 0;
        loop_call_soon(a->loop, &a->leave_task);
        return;
    }
    app_ping_cancel(a);
    a->drain_waits = a->x400 != NULL ? 3 : 2;
    app_imports_abort(a);
    left_ms = a->drain_until_ms - MIN(a->drain_until_ms, loop_now_ms(a->loop));
    loop_timer_start(&a->drain_timer, left_ms);
    smtp_in_drain(a->smtp_in, MIN(left_ms, DRAIN_DATA_MS), on_part_drained, a);
    if (a->x400 != NULL) {
        x400_drain(a->x400, MIN(left_ms, DRAIN_DATA_MS), on_part_drained, a);
    }
    sched_drain(a->sched, on_part_drained, a);
}

static void
on_drain_timeout(void *ctx)
{
    struct app *a = ctx;

    if (!a->facts.draining) { /* the snapshot takes too long */
        drain(a);
    } else {
        release_store(a);
    }
}

static void
on_handoff_snapshot(void *ctx, int status)
{
    (void)status; /* without it the next owner reads more */
    drain(ctx);
}

void
app_begin_drain(struct app *a)
{
    if (a->drain_until_ms > 0) {
        return;
    }
    tell_keeper(CHANNEL_STOPPING, 0, 0, "");
    a->drain_until_ms = loop_now_ms(a->loop) + a->conf->drain_ms;
    if (a->queue != NULL &&
        queue_snapshot(a->queue, HANDOFF_TAIL_MIN, on_handoff_snapshot, a) == 0) {
        loop_timer_start(&a->drain_timer, a->conf->drain_ms / 2);
        return;
    }
    drain(a);
}

/* ---- the keeper's words */

static void
on_peer(struct app *a, const char *node, uint64_t epoch)
{
    if (a->queue != NULL && epoch > a->claim.epoch) {
        log_event(EV_CLUSTER_HIGHER_EPOCH, LF_STR("node", node), LF_UINT("theirs", epoch),
            LF_UINT("ours", a->claim.epoch));
        queue_fence(a->queue, BH_EFENCED);
        app_fail(a, BH_EFENCED, "another node owns the store under a higher epoch");
    }
}

static void
on_keeper_msg(struct app *a, const struct channel_msg *m, int fd)
{
    switch (m->kind) {
    case CHANNEL_LISTENER:
        if (fd >= 0) {
            on_listener_msg(a, m, fd);
        }
        break;
    case CHANNEL_LISTENERS_END:
        app_reload_listeners(a, m->code, m->text);
        on_listeners_end(a);
        break;
    case CHANNEL_CLUSTER:
        a->facts.joined = m->joined;
        a->facts.quorate = m->quorate;
        app_open_queue(a);
        app_update_role(a);
        break;
    case CHANNEL_PEER:
        on_peer(a, m->text, m->epoch);
        break;
    case CHANNEL_STOP:
        app_begin_drain(a);
        break;
    case CHANNEL_RELOAD:
        app_reload(a, NULL);
        break;
    default:
        break;
    }
}

static void
on_channel(void *ctx, int status, unsigned events)
{
    struct app *a = ctx;
    struct channel_msg m;
    int fd, rc = 0;

    (void)events;
    while (status == 0 && (rc = channel_recv(CHANNEL_FD, &m, &fd)) == 0) {
        on_keeper_msg(a, &m, fd);
    }
    if (status < 0 || (rc < 0 && rc != -EAGAIN)) {
        app_end_soon(BRIDGEHEAD_EXIT_FAILED);
        log_event(EV_APP_KEEPER_GONE, LF_ERR("error", rc < 0 ? rc : status));
        log_close();
        _exit(BRIDGEHEAD_EXIT_FAILED); /* the server dies with its keeper */
    }
}

/* ---- start */

static int
open_log(const struct app *a, const char *run_dir)
{
    char ident[APP_NAME_CAP + 32], blackbox[APP_PATH_CAP + 32];
    struct log_options o = { .ident = ident,
        .to = a->conf->log_to,
        .level = (enum log_level)a->conf->log_level,
        .blackbox_path = blackbox,
        .threaded = true };

    (void)snprintf(ident, sizeof(ident), "bridgehead-%s", a->conf->instance);
    (void)snprintf(blackbox, sizeof(blackbox), "%s/server/blackbox", run_dir);
    return log_open(&o);
}

/* From root to the account of the configuration; and die with the keeper from here on. */
static int
drop_privileges(const struct app *a)
{
    const struct passwd *pw = getpwnam(a->conf->user);
    pid_t keeper = getppid();

    if (pw == NULL) {
        return BH_ECONFIG;
    }
    if (geteuid() == 0 && (initgroups(pw->pw_name, pw->pw_gid) < 0 || setgid(pw->pw_gid) < 0 ||
                              setuid(pw->pw_uid) < 0)) {
        return -errno;
    }
    /* after setuid, which clears it; then look whether the keeper died before */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return -errno;
    }
    (void)prctl(PR_SET_DUMPABLE, 1); /* core dumps of a failed CHECK; setuid switched them off */
    return getppid() == keeper ? 0 : -ESRCH;
}

static int
start_parts(struct app *a)
{
    struct smtp_in_options in;
    struct app_out *outs;
    int rc = vip_watch_new(&a->vips, a->loop, a->conf->vips, a->conf->vip_count, on_vip, a);

    if (rc == 0) {
        a->facts.vips = (unsigned)a->conf->vip_count;
        rc = egress_new(&a->egress, a->loop, a->vips);
    }
    if (rc == 0) {
        rc = app_make_resolver(a);
    }
    if (rc == 0) {
        on_vip(a, NULL, VIP_ABSENT); /* counts what the first dump found */
        rc = app_routes_make(&a->routes, a->conf);
    }
    a->intake = app_intake(a);
    if (rc == 0) {
        rc = app_outs_make(a, a->conf, &outs);
    }
    if (rc == 0) {
        app_outs_take(a, a->conf, outs);
        app_smtp_in_options(a->conf, &in);
        rc = smtp_in_new(&a->smtp_in, a->loop, &in, &a->intake);
    }
    return rc;
}

static int
start(struct app *a)
{
    int rc = loop_new(&a->loop);

    if (rc == 0) {
        loop_timer_init(a->loop, &a->role_timer, on_role_timer, a);
        loop_timer_init(a->loop, &a->tick, on_tick, a);
        loop_timer_init(a->loop, &a->drain_timer, on_drain_timeout, a);
        loop_task_init(&a->leave_task, leave, a);
        loop_timer_start(&a->tick, TICK_MS);
        rc = loop_poll_new(a->loop, &a->channel_poll, CHANNEL_FD, on_channel, a);
    }
    if (rc == 0) {
        rc = loop_poll_set(a->channel_poll, LOOP_READABLE);
    }
    if (rc == 0) {
        rc = start_parts(a);
    }
    if (rc == 0) {
        rc = app_ctl_start(a);
    }
    if (rc == 0) {
        rc = app_fenced_start(a);
    }
    return rc;
}

static void
seed_maps(void)
{
    uint64_t seed = ticks_wall_ms();

    if (getrandom(&seed, sizeof(seed), 0) < 0) {
        seed ^= (uint64_t)getpid() << 32;
    }
    map_seed(seed);
}

int
app_main(const struct app_args *args)
{
    static struct app app; /* the one struct; too big for the stack */
    struct app *a = &app;
    char run_dir[APP_PATH_CAP];
    int rc;

    a->args = args;
    (void)prctl(PR_SET_NAME, "bridgeheadd"); /* executed as /proc/self/exe */
    a->failover.started_wall_ms = ticks_wall_ms();
    /* One heap that grows in large steps: a million recovered messages in the heap of a thread of
     * their own cost a system call for each 4 KiB, and the loop is what frees them. */
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_TOP_PAD, HEAP_STEP_BYTES);
    seed_maps(); /* before the first map, that of the configuration */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN); /* the keeper decides; a terminal's ^C reaches both */
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    rc = app_conf_load(&a->conf, args->config, args->vip, app_report_conf_error, NULL);
    if (rc < 0) {
        tell_keeper(CHANNEL_FAILED, 0, app_exit_code(rc),
            "the configuration is not valid; bridgeheadd --check says why");
        return app_exit_code(rc);
    }
    app_run_dir(a->conf, run_dir);
    rc = open_log(a, run_dir);
    if (rc == 0) {
        rc = drop_privileges(a);
    }
    if (rc == 0) {
        log_event(EV_APP_STARTED, LF_STR("process", "server"),
            LF_STR("version", BRIDGEHEAD_VERSION), LF_STR("instance", a->conf->instance),
            LF_STR("node", args->node));
        rc = start(a);
    }
    if (rc < 0) {
        app_fail(a, rc, "the server cannot start");
    }
    (void)loop_run(a->loop);
    return a->exit_code;
}
