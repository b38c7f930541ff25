/* app/keeper.c - the small root process: opens the listening sockets, watches the server and
 * corosync, gives up by telling Pacemaker.
 *
 * The sockets stay open while the server is restarted after a crash, so no client is refused. The
 * keeper has no protocol, no store, and no descriptor or working directory on the store's
 * filesystem.
 *
 * If this dies ...: the server's parent-death signal kills it, the next monitor sees it, Pacemaker
 * restarts both. If the server dies: by a signal or a failed CHECK it is started again at once, at
 * most RESTARTS_MAX times in RESTART_WINDOW_MS; by a named reason (failed sync, lost ownership,
 * refused store) it is not: the cluster moves the resource.
 */
#include "app/app.h"
#include "app/channel.h"
#include "app/keeper_host.h"
#include "app/keeper_sockets.h"
#include "bridgehead/exit_codes.h"
#include "cluster/cluster.h"
#include "core/io.h"
#include "core/log.h"
#include "core/ticks.h"
#include "loop/loop.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_WAIT_MS       5000 /* a keeper whose start failed; its log may hang */
#define RESTARTS_MAX      3
#define RESTART_WINDOW_MS (5 * 60 * 1000)
#define START_TEXT_CAP    1024
/* A stop: the server's loop says at once that it has begun to drain, or it hangs; then it has its
 * drain and this much more for the last batch, the seal and the release. */
#define STOP_ANSWER_MS 5000
#define STOP_MARGIN_MS 20000

struct keeper {
    const struct app_args *args;
    struct app_conf *conf;
    struct loop *loop;
    struct cluster *cluster;
    struct loop_signal *sigs[4];
    struct loop_poll *poll;
    struct loop_timer stop_timer;
    struct keeper_sockets sockets;
    int channel; /* our end; -1: no server */
    pid_t server;
    struct keeper_lock lock;
    int fenced_fd;  /* standard input with --fenced -, for the first server; else -1 */
    int ready_pipe; /* to the process that waits for our start; -1: nobody (any more) */
    bool joined, quorate;
    bool started;  /* start was reported complete */
    bool stopping; /* a stop or a handoff is under way */
    bool exit_now;
    int exit_code;
    enum bridgehead_event failure; /* what names the cause of a failed start */
    int server_code;               /* from CHANNEL_FAILED; 0: none came */
    char server_text[512];
    uint64_t restarts_ms[RESTARTS_MAX]; /* ring */
    unsigned restart_count;
};

/* What the waiting parent of the start reads: one of these. */
struct start_report {
    int code;
    char text[START_TEXT_CAP];
};

static void
report_start(struct keeper *k, int code, const char *text)
{
    struct start_report r = { .code = code };

    if (code == 0) {
        k->started = true;
    }
    if (k->ready_pipe < 0) {
        if (code != 0) {
            (void)fprintf(stderr, "bridgeheadd: %s\n", text);
        }
        return;
    }
    (void)snprintf(r.text, sizeof(r.text), "%s", text);
    if (write(k->ready_pipe, &r, sizeof(r)) < 0) { /* the parent is gone: nobody to tell */
        k->started = code == 0;
    }
    if (code == 0) {
        (void)close(k->ready_pipe);
    } /* else it is open until we end: wait_for_end */
    k->ready_pipe = -1;
}

/* Why the start failed, as people read it, and the event that has the cure. */
static void
report_failure(struct keeper *k, int code, const char *why)
{
    char text[START_TEXT_CAP];

    log_event(k->failure, LF_INT("code", code), LF_STR("why", why));
    app_failure_text(k->failure, why, text, sizeof(text));
    report_start(k, code, text);
}

static void
leave(struct keeper *k, int code, const char *text)
{
    k->exit_code = code;
    k->exit_now = true;
    if (!k->started && code == 0) { /* a clean stop, but whoever waits for the start got none */
        report_start(k, BRIDGEHEAD_EXIT_FAILED, "stopped before the start was complete");
    } else if (!k->started) {
        report_start(k, code, text);
    }
    loop_stop(k->loop);
}

static void
fail_start(struct keeper *k, int code, const char *why)
{
    report_failure(k, code, why);
    k->exit_code = code;
    k->exit_now = true;
    loop_stop(k->loop);
}

/* crm_resource --fail, in the background, so that the cluster acts now and not at the next monitor.
 * Only after a complete start and never during a stop: on a resource that is not started it leaves
 * a failed action behind. */
static void
tell_pacemaker(const struct keeper *k)
{
    pid_t pid;

    if (k->args->resource == NULL || !k->started || k->stopping || !k->conf->pacemaker) {
        return;
    }
    pid = fork();
    if (pid != 0) {
        return; /* a failed fork: the monitor will notice */
    }
    (void)setsid();
    (void)signal(SIGALRM, SIG_DFL);
    (void)alarm(5);
    (void)execlp("crm_resource", "crm_resource", "--fail", "--resource", k->args->resource,
        "--node", k->args->node, (char *)NULL);
    _exit(127);
}

/* ---- talking to the server */

static void
tell_server(struct keeper *k, const struct channel_msg *m, int fd)
{
    int rc;

    if (k->channel < 0) {
        return;
    }
    rc = channel_send(k->channel, m, fd);
    if (rc < 0 && rc != -EPIPE) { /* it does not read: hung; the monitor's probe judges that */
        log_event(EV_KEEPER_CHANNEL, LF_ERR("error", rc), LF_UINT("kind", m->kind));
    }
}

static void
tell_cluster_state(struct keeper *k)
{
    struct channel_msg m = { .kind = CHANNEL_CLUSTER, .joined = k->joined, .quorate = k->quorate };

    tell_server(k, &m, -1);
}

static void
send_listeners(struct keeper *k, int code, const char *text)
{
    struct channel_msg end = { .kind = CHANNEL_LISTENERS_END, .code = code };

    (void)snprintf(end.text, sizeof(end.text), "%s", text);
    for (size_t i = 0; i < k->sockets.count; i++) {
        struct channel_msg m = { .kind = CHANNEL_LISTENER, .address = k->sockets.all[i].address };

        (void)snprintf(m.name, sizeof(m.name), "%s", k->sockets.all[i].name);
        tell_server(k, &m, k->sockets.all[i].fd);
    }
    tell_server(k, &end, -1);
}

/* The server asks for the sockets of the file as it is now. A fault changes nothing. */
static void
reopen_listeners(struct keeper *k)
{
    struct app_conf *fresh;
    char text[START_TEXT_CAP] = "";
    int rc = app_conf_load(&fresh, k->args->config, k->args->vip, app_report_conf_error, NULL);

    if (rc == 0) {
        rc = keeper_sockets_open(&k->sockets, fresh, text, sizeof(text));
        if (rc < 0) {
            log_event(
                EV_KEEPER_LISTEN_FAILED, LF_INT("code", app_exit_code(rc)), LF_STR("why", text));
            app_conf_free(fresh);
        } else {
            app_conf_free(k->conf);
            k->conf = fresh;
            keeper_log_reopen(k->conf);
        }
    } else {
        (void)snprintf(text, sizeof(text), "the file changed meanwhile and has a fault");
    }
    send_listeners(k, rc, text);
}

static void
on_server_msg(struct keeper *k, const struct channel_msg *m)
{
    switch (m->kind) {
    case CHANNEL_EPOCH:
        cluster_announce(k->cluster, m->epoch);
        break;
    case CHANNEL_READY:
        report_start(k, 0, "");
        break;
    case CHANNEL_FAILED:
        k->server_code = m->code;
        (void)snprintf(k->server_text, sizeof(k->server_text), "%s", m->text);
        break;
    case CHANNEL_STOPPING:
        k->stopping = true;
        loop_timer_start(&k->stop_timer, k->conf->drain_ms + STOP_MARGIN_MS);
        break;
    case CHANNEL_WANT_LISTENERS:
        reopen_listeners(k);
        break;
    default:
        log_event(EV_KEEPER_CHANNEL, LF_ERR("error", -EPROTO), LF_UINT("kind", m->kind));
        break;
    }
}

static void
drop_channel(struct keeper *k)
{
    if (k->poll != NULL) {
        loop_poll_free(k->poll);
        k->poll = NULL;
    }
    if (k->channel >= 0) {
        (void)close(k->channel);
        k->channel = -1;
    }
}

static void
on_channel(void *ctx, int status, unsigned events)
{
    struct keeper *k = ctx;
    struct channel_msg m;
    int fd, rc = 0;

    (void)events; /* with a status too: what it said before it ended is still there */
    while (k->channel >= 0 && (rc = channel_recv(k->channel, &m, &fd)) == 0) {
        if (fd >= 0) { /* a server never sends one */
            (void)close(fd);
        }
        on_server_msg(k, &m);
    }
    if (status < 0 || (rc < 0 && rc != -EAGAIN)) {
        drop_channel(k); /* its end is reported by SIGCHLD */
    }
}

/* ---- the server's life */

static void
exec_server(const struct keeper *k, int channel, bool restarted)
{
    const struct app_args *a = k->args;
    char fenced[128];
    const char *argv[20];
    size_t n = 0;

    if (channel == CHANNEL_FD) {
        (void)fcntl(channel, F_SETFD, 0);
    } else if (dup2(channel, CHANNEL_FD) < 0) {
        _exit(BRIDGEHEAD_EXIT_FAILED);
    }
    argv[n++] = a->self;
    argv[n++] = "--server";
    argv[n++] = "--config";
    argv[n++] = a->config;
    argv[n++] = "--node";
    argv[n++] = a->node;
    if (a->vip != NULL) {
        argv[n++] = "--vip";
        argv[n++] = a->vip;
    }
    if (a->resource != NULL) { /* handoff must know that the cluster would see a failure */
        argv[n++] = "--resource";
        argv[n++] = a->resource;
    }
    if (k->fenced_fd >= 0 && dup2(k->fenced_fd, STDIN_FILENO) >= 0) {
        argv[n++] = "--fenced";
        argv[n++] = "-";
    } else if (a->fenced_node != NULL) {
        (void)snprintf(
            fenced, sizeof(fenced), "%s:%llu", a->fenced_node, (unsigned long long)a->fenced_epoch);
        argv[n++] = "--fenced";
        argv[n++] = fenced;
    }
    if (restarted) {
        argv[n++] = "--restarted";
    }
    argv[n] = NULL;
    (void)execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
    _exit(BRIDGEHEAD_EXIT_FAILED);
}

static int
start_server(struct keeper *k, bool restarted)
{
    int fds[2];
    int rc = channel_pair(fds);

    if (rc < 0) {
        return rc;
    }
    k->server_code = 0;
    k->server_text[0] = '\0';
    k->server = fork();
    if (k->server < 0) {
        rc = -errno;
        (void)close(fds[0]);
        (void)close(fds[1]);
        return rc;
    }
    if (k->server == 0) {
        exec_server(k, fds[1], restarted);
    }
    (void)close(fds[1]);
    io_close(&k->fenced_fd);
    k->channel = fds[0];
    rc = loop_poll_new(k->loop, &k->poll, k->channel, on_channel, k);
    if (rc == 0) {
        rc = loop_poll_set(k->poll, LOOP_READABLE);
    }
    if (rc < 0) {
        (void)kill(k->server, SIGKILL);
        return rc;
    }
    tell_cluster_state(k);
    send_listeners(k, 0, "");
    return 0;
}

/* May a crashed server be started once more? Remembers this start if so. */
static bool
may_restart(struct keeper *k, uint64_t now_ms)
{
    uint64_t oldest = k->restarts_ms[k->restart_count % RESTARTS_MAX];

    if (k->restart_count >= RESTARTS_MAX && now_ms - oldest < RESTART_WINDOW_MS) {
        return false;
    }
    k->restarts_ms[k->restart_count++ % RESTARTS_MAX] = now_ms;
    return true;
}

static void
server_crashed(struct keeper *k, int wait_status)
{
    log_event(EV_KEEPER_SERVER_CRASHED,
        LF_INT("signal", WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0),
        LF_INT("code", WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1),
        LF_UINT("restarts", k->restart_count));
    if (!k->started) {
        k->failure = EV_KEEPER_SERVER_CRASHED;
        fail_start(k, BRIDGEHEAD_EXIT_FAILED,
            "the server crashed while starting; see the log and the blackbox");
    } else if (k->stopping || !may_restart(k, ticks_ms())) {
        log_event(EV_KEEPER_GIVES_UP, LF_STR("why", k->stopping ? "stopping" : "too many crashes"));
        tell_pacemaker(k);
        leave(k, BRIDGEHEAD_EXIT_FAILED, "");
    } else if (start_server(k, true) < 0) {
        log_event(EV_KEEPER_GIVES_UP, LF_STR("why", "cannot start the server"));
        tell_pacemaker(k);
        leave(k, BRIDGEHEAD_EXIT_FAILED, "");
    }
}

static void
server_ended(struct keeper *k, int code)
{
    if (code == 0) { /* released: a stop, or a handoff */
        leave(k, 0, "");
        return;
    }
    log_event(EV_KEEPER_GIVES_UP, LF_INT("code", code), LF_STR("why", k->server_text));
    tell_pacemaker(k);
    leave(k, code,
        k->server_text[0] != '\0' ? k->server_text : "the server ended without saying why");
}

/* Does the code alone say enough? The word that explains it may be lost, and never is a server
 * started again behind a failed sync or a lost ownership. */
static bool
has_reason(int code)
{
    return code == BRIDGEHEAD_EXIT_OK || code == BRIDGEHEAD_EXIT_WRITE_FAILED ||
           code == BRIDGEHEAD_EXIT_OWNERSHIP_LOST || code == BRIDGEHEAD_EXIT_OWNED ||
           code == BRIDGEHEAD_EXIT_DAMAGED;
}

static void
on_sigchld(void *ctx)
{
    struct keeper *k = ctx;
    int wait_status;
    pid_t pid;

    while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0) {
        if (pid != k->server) {
            continue; /* crm_resource */
        }
        if (k->channel >= 0) { /* what it said last */
            on_channel(k, 0, LOOP_READABLE);
        }
        drop_channel(k);
        k->server = -1;
        cluster_announce(k->cluster, 0);
        if (k->server_code != 0) { /* however it came to its end then */
            server_ended(k, k->server_code);
        } else if (WIFEXITED(wait_status) && has_reason(WEXITSTATUS(wait_status))) {
            server_ended(k, WEXITSTATUS(wait_status));
        } else {
            server_crashed(k, wait_status);
        }
    }
}

static void
on_stop_timer(void *ctx)
{
    struct keeper *k = ctx;

    if (k->server > 0) {
        log_event(EV_KEEPER_KILLS, LF_INT("pid", k->server));
        (void)kill(k->server, SIGKILL); /* the rest follows from its end */
    }
}

static void
on_sigterm(void *ctx)
{
    struct keeper *k = ctx;
    struct channel_msg m = { .kind = CHANNEL_STOP };

    k->stopping = true;
    if (k->server <= 0) {
        leave(k, 0, "stopped");
        return;
    }
    tell_server(k, &m, -1);
    if (!loop_timer_running(&k->stop_timer)) { /* a second signal gives no second grace */
        loop_timer_start(&k->stop_timer, STOP_ANSWER_MS);
    }
}

static void
on_sighup(void *ctx)
{
    struct channel_msg m = { .kind = CHANNEL_RELOAD };

    tell_server(ctx, &m, -1);
}

/* ---- cluster */

static void
on_cluster(void *ctx, const struct cluster_event *e)
{
    struct keeper *k = ctx;
    struct channel_msg peer = { .kind = CHANNEL_PEER, .epoch = e->epoch };

    switch (e->kind) {
    case CLUSTER_JOINED:
        k->joined = true;
        break;
    case CLUSTER_LEFT:
        k->joined = false;
        k->quorate = false;
        if (!k->started) {
            k->failure = EV_KEEPER_NO_COROSYNC;
            fail_start(k, BRIDGEHEAD_EXIT_NO_COROSYNC,
                "corosync cannot be reached. Start it, or set cluster.mode = \"none\" for a single "
                "node");
            return;
        }
        break;
    case CLUSTER_QUORUM:
        k->quorate = e->quorate;
        if (!k->started && !e->quorate) {
            k->failure = EV_KEEPER_NO_QUORUM;
            fail_start(k, BRIDGEHEAD_EXIT_QUORUM_LOST,
                "this partition has no quorum. Start more nodes; nothing may own the store without "
                "quorum");
            return;
        }
        break;
    case CLUSTER_PEER:
        (void)snprintf(peer.text, sizeof(peer.text), "%s", e->node);
        tell_server(k, &peer, -1);
        return;
    }
    if (k->started) {
        keeper_sockets_mute(&k->sockets, !k->quorate);
    }
    tell_cluster_state(k);
}

/* ---- start */

static int
start_loop(struct keeper *k)
{
    const struct {
        int signo;
        loop_fn *run;
    } signals[] = { { SIGCHLD, on_sigchld }, { SIGTERM, on_sigterm }, { SIGINT, on_sigterm },
        { SIGHUP, on_sighup } };
    struct cluster_options o = { .instance = k->conf->instance, .node = k->args->node };
    int rc = loop_new(&k->loop);

    if (rc == 0) {
        loop_timer_init(k->loop, &k->stop_timer, on_stop_timer, k);
    }
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(signals); i++) {
        rc = loop_signal_new(k->loop, &k->sigs[i], signals[i].signo, signals[i].run, k);
    }
    if (rc == 0) { /* while we join corosync; it waits for quorum before it touches the store */
        rc = start_server(k, false);
    }
    if (rc == 0) {
        rc = k->conf->pacemaker ? cluster_corosync_start(&k->cluster, k->loop, &o, on_cluster, k)
                                : cluster_none_start(&k->cluster, k->loop, &o, on_cluster, k);
    }
    return rc;
}

static void
stop_loop(struct keeper *k)
{
    if (k->server > 0) { /* never leave it without a keeper */
        (void)kill(k->server, SIGKILL);
        (void)waitpid(k->server, NULL, 0);
    }
    drop_channel(k);
    if (!cluster_free(k->cluster)) {
        return; /* its thread may still wake the loop: the process ends with both */
    }
    for (size_t i = 0; i < ARRAY_LEN(k->sigs); i++) {
        if (k->sigs[i] != NULL) {
            loop_signal_free(k->sigs[i]);
        }
    }
    if (k->loop != NULL) {
        loop_timer_stop(&k->stop_timer);
        loop_free(k->loop);
    }
}

static int
keeper_run(struct keeper *k)
{
    char text[START_TEXT_CAP] = "";
    int rc = keeper_log_open(k->conf, text, sizeof(text));

    if (rc == 0) {
        rc = keeper_run_dir_make(k->conf, &k->failure, text, sizeof(text));
    }
    if (rc == 0) {
        rc = keeper_lock_take(&k->lock, k->conf, &k->failure, text, sizeof(text));
    }
    if (rc == 0) {
        k->failure = EV_APP_FAILED;
        log_event(EV_APP_STARTED, LF_STR("process", "keeper"),
            LF_STR("version", BRIDGEHEAD_VERSION), LF_STR("instance", k->conf->instance),
            LF_STR("node", k->args->node));
        keeper_raise_descriptors(k->conf);
        k->failure = EV_KEEPER_LISTEN_FAILED;
        rc = keeper_sockets_open(&k->sockets, k->conf, text, sizeof(text));
    }
    if (rc == 0) {
        k->failure = EV_APP_FAILED;
        rc = start_loop(k);
    }
    if (rc < 0) {
        report_failure(k, app_exit_code(rc), text[0] != '\0' ? text : error_text(rc));
        k->exit_code = app_exit_code(rc);
        k->exit_now = true;
    }
    if (!k->exit_now) {
        (void)loop_run(k->loop);
    }
    stop_loop(k);
    keeper_lock_give(&k->lock);
    app_end_soon(k->exit_code);
    log_event(EV_APP_STOPPED, LF_STR("process", "keeper"), LF_INT("code", k->exit_code));
    log_close();
    (void)alarm(0);
    return k->exit_code;
}

/* After a failed start whoever tries again at once finds nothing of this one. */
static void
wait_for_end(int pipe_fd)
{
    struct pollfd p = { .fd = pipe_fd };

    (void)poll(&p, 1, END_WAIT_MS);
}

/* Detach; the caller's process returns the start's result as its own exit code. */
static int
daemonize(struct keeper *k, bool *is_parent, int *parent_code)
{
    struct start_report r = { .code = BRIDGEHEAD_EXIT_FAILED };
    int fds[2], null;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) < 0) {
        return -errno;
    }
    pid = fork();
    if (pid < 0) {
        return -errno;
    }
    *is_parent = pid > 0;
    if (*is_parent) {
        (void)close(fds[1]);
        if (read(fds[0], &r, sizeof(r)) != (ssize_t)sizeof(r)) {
            (void)snprintf(r.text, sizeof(r.text), "the keeper ended while starting; see the log");
        }
        if (r.code != 0) {
            (void)fprintf(stderr, "bridgeheadd: %s\n", r.text);
            wait_for_end(fds[0]);
        }
        *parent_code = r.code;
        return 0;
    }
    (void)close(fds[0]);
    k->ready_pipe = fds[1];
    (void)setsid();
    null = io_open("/dev/null", O_RDWR, 0);
    if (null >= 0) {
        (void)dup2(null, 0);
        (void)dup2(null, 1);
        (void)dup2(
            null, 2); /* faults go by the pipe until the start is complete, then to the log */
    }
    return 0;
}

int
keeper_main(const struct app_args *args)
{
    struct keeper k = { .args = args,
        .channel = -1,
        .lock = { .fd = -1 },
        .fenced_fd = -1,
        .ready_pipe = -1,
        .failure = EV_APP_FAILED };
    bool is_parent = false;
    int code = 0, rc;

    /* What a shell or an agent left open is not ours: on the store's filesystem it would keep it
     * from being unmounted when the resource moves. Older kernels: then it stays. */
    (void)close_range(STDERR_FILENO + 1, ~0U, 0);
    if (args->fenced_stdin) {
        k.fenced_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, CHANNEL_FD + 1);
    }
    rc = app_conf_load(&k.conf, args->config, args->vip, app_report_conf_error, NULL);
    if (rc < 0) {
        keeper_log_conf_errors(args);
        return app_exit_code(rc);
    }
    if (k.conf->vip_count == 0) {
        k.failure = EV_KEEPER_NO_VIP;
        report_failure(&k, BRIDGEHEAD_EXIT_CONFIG,
            "no virtual IP is given (the agent passes --vip; else add vip = [\"ADDRESS\"])");
        app_conf_free(k.conf);
        return BRIDGEHEAD_EXIT_CONFIG;
    }
    rc = chdir("/") < 0 ? -errno : 0; /* never keep a filesystem busy */
    (void)signal(SIGPIPE, SIG_IGN);
    if (rc == 0 && !args->foreground) {
        rc = daemonize(&k, &is_parent, &code);
    }
    if (rc < 0) {
        (void)fprintf(stderr, "bridgeheadd: cannot detach: %s\n", error_text(rc));
        code = BRIDGEHEAD_EXIT_FAILED;
    } else if (!is_parent) {
        code = keeper_run(&k);
    }
    keeper_sockets_close(&k.sockets);
    io_close(&k.lock.fd);
    app_conf_free(k.conf);
    return code;
}
