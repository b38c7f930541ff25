/* ctl/ctl_server.c - libqb's IPC server on our loop.
 *
 * libqb wants somebody's main loop: it asks for descriptors to be polled (dispatch_*) and for jobs
 * to run soon (job_add). Both map to loop.h one to one. Clients are root, the daemon's own account,
 * and members of its group; the list of members is read at start, so that no connection waits for a
 * name service.
 */
#include "bridgehead/ctl_wire.h"
#include "bridgehead/exit_codes.h"
#include "core/log.h"
#include "ctl/ctl.h"
#include <grp.h>
#include <pwd.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MEMBERS_MAX 64
#define SLOW_CLIENT "The answer is too long for one message; ask for a page (limit)."

struct watched { /* a descriptor libqb gave us */
    struct list link;
    struct ctl *ctl;
    struct loop_poll *poll;
    int fd;
    qb_ipcs_dispatch_fn_t run;
    void *data;
};

struct job {
    struct list link;
    struct loop_task task;
    qb_loop_job_dispatch_fn run;
    void *data;
};

struct ctl_request {
    struct list link;
    struct ctl *ctl;
    qb_ipcs_connection_t *conn; /* referenced */
    bool closed;
};

struct ctl {
    struct loop *loop;
    qb_ipcs_service_t *service;
    const struct ctl_command *commands;
    size_t command_count;
    void *ctx;
    struct list watched, jobs, requests;
    gid_t gid;
    uid_t members[MEMBERS_MAX];
    size_t member_count;
};

/* libqb's callbacks for polling carry no context: the process has one control socket. */
static struct ctl *the_ctl;

/* ---- libqb's poll interface on the loop */

static unsigned
to_loop(int32_t events)
{
    return ((events & POLLIN) != 0 ? LOOP_READABLE : 0u) |
           ((events & POLLOUT) != 0 ? LOOP_WRITABLE : 0u);
}

static struct watched *
find_watched(const struct ctl *c, int32_t fd)
{
    LIST_FOR(it, &c->watched)
    {
        struct watched *w = CONTAINER_OF(it, struct watched, link);

        if (w->fd == fd) {
            return w;
        }
    }
    return NULL;
}

static void
unwatch(struct watched *w)
{
    loop_poll_free(w->poll);
    list_remove(&w->link);
    free(w);
}

static void
on_ready(void *ctx, int status, unsigned events)
{
    struct watched *w = ctx;
    struct ctl *c = w->ctl;
    int fd = w->fd;
    int32_t revents = ((events & LOOP_READABLE) != 0 ? POLLIN : 0) |
                      ((events & LOOP_WRITABLE) != 0 ? POLLOUT : 0) | (status < 0 ? POLLERR : 0);

    if (w->run(fd, revents, w->data) < 0) {
        w = find_watched(c, fd); /* run may have removed it */
        if (w != NULL) {
            unwatch(w);
        }
    }
}

static int32_t
dispatch_add(
    enum qb_loop_priority p, int32_t fd, int32_t events, void *data, qb_ipcs_dispatch_fn_t fn)
{
    struct watched *w = calloc(1, sizeof(*w));
    int rc;

    (void)p;
    if (w == NULL) {
        return -ENOMEM;
    }
    w->ctl = the_ctl;
    w->fd = fd;
    w->run = fn;
    w->data = data;
    rc = loop_poll_new(the_ctl->loop, &w->poll, fd, on_ready, w);
    if (rc == 0) {
        rc = loop_poll_set(w->poll, to_loop(events));
        if (rc < 0) {
            loop_poll_free(w->poll);
        }
    }
    if (rc < 0) {
        free(w);
        return rc;
    }
    list_push_back(&the_ctl->watched, &w->link);
    return 0;
}

static int32_t
dispatch_mod(
    enum qb_loop_priority p, int32_t fd, int32_t events, void *data, qb_ipcs_dispatch_fn_t fn)
{
    struct watched *w = find_watched(the_ctl, fd);

    (void)p;
    if (w == NULL) {
        return -EBADF;
    }
    w->data = data;
    w->run = fn;
    return loop_poll_set(w->poll, to_loop(events));
}

static int32_t
dispatch_del(int32_t fd)
{
    struct watched *w = find_watched(the_ctl, fd);

    if (w != NULL) {
        unwatch(w);
    }
    return 0;
}

static void
run_job(void *ctx)
{
    struct job *j = ctx;

    list_remove(&j->link);
    j->run(j->data);
    free(j);
}

static int32_t
job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
    struct job *j = calloc(1, sizeof(*j));

    (void)p;
    if (j == NULL) {
        return -ENOMEM;
    }
    j->run = fn;
    j->data = data;
    loop_task_init(&j->task, run_job, j);
    list_push_back(&the_ctl->jobs, &j->link);
    loop_call_soon(the_ctl->loop, &j->task);
    return 0;
}

/* ---- answers */

static void
free_request(struct ctl_request *rq)
{
    list_remove(&rq->link);
    qb_ipcs_connection_unref(rq->conn);
    free(rq);
}

static int
send_text(struct ctl_request *rq, int status, const char *text, size_t n)
{
    struct bridgehead_ctl_response h = { .id = BRIDGEHEAD_CTL_MSG_REQUEST,
        .size = (int32_t)(sizeof(h) + n),
        .version = BRIDGEHEAD_CTL_VERSION,
        .status = status,
        .json_bytes = (uint32_t)n };
    struct iovec iov[2] = { { .iov_base = &h, .iov_len = sizeof(h) },
        { .iov_base = (void *)(uintptr_t)text, .iov_len = n } };
    ssize_t rc = qb_ipcs_response_sendv(rq->conn, iov, 2);

    return rc < 0 ? (int)rc : 0;
}

void
ctl_reply(struct ctl_request *rq, int status, json_t *body)
{
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    size_t n = text != NULL ? strlen(text) : 0;
    int rc = 0;

    json_decref(body);
    if (rq->closed) {
        free_request(rq);
    } else if (text == NULL) {
        ctl_fail(rq, BRIDGEHEAD_EXIT_FAILED, 0, "no memory for the answer", "Try again.");
    } else if (n + sizeof(struct bridgehead_ctl_response) > BRIDGEHEAD_CTL_BYTES_MAX) {
        ctl_fail(rq, BRIDGEHEAD_EXIT_FAILED, 0, "the answer is too long", SLOW_CLIENT);
    } else {
        rc = send_text(rq, status, text, n);
        if (rc < 0) {
            log_event(EV_CTL_REPLY_FAILED, LF_ERR("error", rc));
        }
        free_request(rq);
    }
    free(text);
}

void
ctl_fail(struct ctl_request *rq, int status, int event, const char *message, const char *cure)
{
    static const char no_memory[] = "{\"error\":{\"code\":1,\"event\":0,\"message\":\"out of "
                                    "memory\",\"cure\":\"Try again.\"}}";
    json_t *body = json_pack("{s:{s:i,s:i,s:s,s:s}}", "error", "code", status, "event", event,
        "message", message, "cure", cure);

    if (body != NULL) {
        ctl_reply(rq, status, body);
        return;
    }
    if (!rq->closed &&
        send_text(rq, BRIDGEHEAD_EXIT_FAILED, no_memory, sizeof(no_memory) - 1) < 0) {
        log_event(EV_CTL_REPLY_FAILED, LF_ERR("error", -ENOMEM));
    }
    free_request(rq);
}

/* ---- questions */

static int32_t
on_accept(qb_ipcs_connection_t *conn, uid_t uid, gid_t gid)
{
    const struct ctl *c = the_ctl;

    qb_ipcs_context_set(conn, (void *)(uintptr_t)uid); /* for the log */
    /* libqb's files of the connection: members of the group must be able to open them */
    qb_ipcs_connection_auth_set(conn, geteuid(), c->gid, 0660);
    if (uid == 0 || uid == geteuid() || gid == c->gid) {
        return 0;
    }
    for (size_t i = 0; i < c->member_count; i++) {
        if (c->members[i] == uid) {
            return 0;
        }
    }
    log_event(EV_CTL_REFUSED, LF_UINT("uid", uid), LF_UINT("gid", gid));
    return -EACCES;
}

/* Who changed what: the beginning of the arguments names it. "text" is a message's content (x400
 * send), which is never logged. */
static void
log_command(const struct ctl_request *rq, const char *name, const json_t *args)
{
    struct qb_ipcs_connection_stats stats = { 0 };
    json_t *told = json_copy((json_t *)(uintptr_t)args);
    char text[256];
    size_t n;

    (void)json_object_del(told, "text");
    n = told != NULL ? json_dumpb(told, text, sizeof(text), JSON_COMPACT) : 0;
    json_decref(told);
    (void)qb_ipcs_connection_stats_get(rq->conn, &stats, 0);
    log_event(EV_CTL_COMMAND, LF_STR("command", name),
        LF_UINT("uid", (uintptr_t)qb_ipcs_context_get(rq->conn)), LF_INT("pid", stats.client_pid),
        LF_SLICE("args", ((struct slice){ text, MIN(n, sizeof(text)) })));
}

static void
dispatch(struct ctl_request *rq, const json_t *question)
{
    const struct ctl *c = rq->ctl;
    const char *name = json_string_value(json_object_get(question, "command"));
    const json_t *args = json_object_get(question, "args");

    for (size_t i = 0; name != NULL && i < c->command_count; i++) {
        if (strcmp(c->commands[i].name, name) == 0) {
            if (c->commands[i].changes) {
                log_command(rq, name, args);
            }
            c->commands[i].run(c->ctx, rq, args);
            return;
        }
    }
    ctl_fail(rq, BRIDGEHEAD_EXIT_USAGE, 0, "this daemon does not know the command",
        "Use a bridgehead command of the daemon's version.");
}

static int32_t
on_message(qb_ipcs_connection_t *conn, void *data, size_t size)
{
    struct bridgehead_ctl_request h;
    struct ctl_request *rq;
    json_t *question = NULL;

    if (size < sizeof(h)) {
        return -EINVAL;
    }
    memcpy(&h, data, sizeof(h));
    rq = calloc(1, sizeof(*rq));
    if (rq == NULL) {
        return -ENOMEM;
    }
    rq->ctl = the_ctl;
    rq->conn = conn;
    qb_ipcs_connection_ref(conn);
    list_push_back(&the_ctl->requests, &rq->link);
    if (h.version == BRIDGEHEAD_CTL_VERSION && h.json_bytes <= size - sizeof(h)) {
        question = json_loadb((const char *)data + sizeof(h), h.json_bytes, 0, NULL);
    }
    if (question == NULL) {
        ctl_fail(rq, BRIDGEHEAD_EXIT_USAGE, 0, "the request cannot be read",
            "Use a bridgehead command of the daemon's version.");
        return 0;
    }
    dispatch(rq, question);
    json_decref(question);
    return 0;
}

static int32_t
on_closed(qb_ipcs_connection_t *conn)
{
    LIST_FOR(it, &the_ctl->requests)
    {
        struct ctl_request *rq = CONTAINER_OF(it, struct ctl_request, link);

        if (rq->conn == conn) {
            rq->closed = true;
        }
    }
    return 0;
}

static void
read_members(struct ctl *c)
{
    const struct group *gr = getgrgid(c->gid);

    for (size_t i = 0; gr != NULL && gr->gr_mem[i] != NULL && c->member_count < MEMBERS_MAX; i++) {
        const struct passwd *pw = getpwnam(gr->gr_mem[i]);

        if (pw != NULL) {
            c->members[c->member_count++] = pw->pw_uid;
        }
    }
}

int
ctl_start(struct ctl **out, struct loop *l, const char *instance, uint32_t group_gid,
    const struct ctl_command *commands, size_t count, void *ctx)
{
    static struct qb_ipcs_service_handlers handlers = {
        .connection_accept = on_accept, .msg_process = on_message, .connection_closed = on_closed
    };
    static struct qb_ipcs_poll_handlers poll = { .job_add = job_add,
        .dispatch_add = dispatch_add,
        .dispatch_mod = dispatch_mod,
        .dispatch_del = dispatch_del };
    struct ctl *c = calloc(1, sizeof(*c));
    char name[128];
    int rc;

    CHECK(the_ctl == NULL);
    if (c == NULL) {
        return -ENOMEM;
    }
    c->loop = l;
    c->commands = commands;
    c->command_count = count;
    c->ctx = ctx;
    c->gid = group_gid;
    list_init(&c->watched);
    list_init(&c->jobs);
    list_init(&c->requests);
    read_members(c);
    the_ctl = c;
    (void)snprintf(name, sizeof(name), BRIDGEHEAD_CTL_NAME_PREFIX "%s", instance);
    c->service = qb_ipcs_create(name, 0, QB_IPC_SOCKET, &handlers);
    if (c->service == NULL) {
        the_ctl = NULL;
        free(c);
        return -ENOMEM;
    }
    qb_ipcs_enforce_buffer_size(c->service, BRIDGEHEAD_CTL_BYTES_MAX);
    qb_ipcs_poll_handlers_set(c->service, &poll);
    rc = qb_ipcs_run(c->service);
    if (rc < 0) {
        c->service = NULL; /* libqb has freed it */
        ctl_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

void
ctl_free(struct ctl *c)
{
    if (c == NULL) {
        return;
    }
    LIST_FOR_SAFE(it, next, &c->requests)
    {
        ctl_fail(CONTAINER_OF(it, struct ctl_request, link), BRIDGEHEAD_EXIT_NOT_RUNNING, 0,
            "the daemon is stopping", "Ask again when it runs.");
    }
    if (c->service != NULL) {
        qb_ipcs_destroy(c->service);
    }
    LIST_FOR_SAFE(it, next, &c->jobs)
    {
        struct job *j = CONTAINER_OF(it, struct job, link);

        loop_task_cancel(&j->task);
        list_remove(&j->link);
        j->run(j->data); /* libqb's last references */
        free(j);
    }
    LIST_FOR_SAFE(it, next, &c->watched)
    {
        unwatch(CONTAINER_OF(it, struct watched, link));
    }
    the_ctl = NULL;
    free(c);
}
