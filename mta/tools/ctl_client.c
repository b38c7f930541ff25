/* tools/ctl_client.c - the client's side of bridgehead/ctl_wire.h. */
#include "bridgehead/ctl_wire.h"
#include "bridgehead/events.h"
#include "core/io.h"
#include "core/ticks.h"
#include "tools/tools.h"
#include <fcntl.h>
#include <poll.h>
#include <qb/qbipcc.h>
#include <qb/qblog.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOADING_MS       5000
#define LOADING_PAUSE_NS 20000000

int
tool_lock_held(const struct tool *t, const char *name)
{
    struct flock look = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    char path[192];
    int fd, rc;

    (void)snprintf(path, sizeof(path), "/run/bridgehead/%s/%s", t->instance, name);
    fd = io_open(path, O_RDONLY, 0);
    if (fd < 0) {
        return fd == -ENOENT ? 0 : fd;
    }
    rc = fcntl(fd, F_OFD_GETLK, &look) < 0 ? -errno : look.l_type != F_UNLCK;
    io_close(&fd);
    return rc;
}

/* The socket's name is in nobody's directory: while no daemon runs, anybody may listen there and
 * say that it does. The daemon's account is the one that root gave the server's directory to. */
static bool
is_daemon(const struct tool *t, qb_ipcc_connection_t *conn)
{
    char path[160];
    struct stat st;
    pid_t pid;
    uid_t uid;
    gid_t gid;

    (void)snprintf(path, sizeof(path), "/run/bridgehead/%s/server", t->instance);
    return qb_ipcc_auth_get(conn, &pid, &uid, &gid) == 0 &&
           (uid == 0 || (stat(path, &st) == 0 && st.st_uid == uid));
}

/* A server that hangs still gets connections from its kernel, so libqb's own connect would wait for
 * ever. NULL: errno says why. */
static qb_ipcc_connection_t *
connect_within(const struct tool *t, int timeout_ms)
{
    qb_ipcc_connection_t *conn;
    char name[128];
    int fd = -1, rc;

    if (tool_lock_held(t, "keeper.lock") == 0) {
        errno = ECONNREFUSED; /* whoever listens there, it is no daemon of this instance */
        return NULL;
    }
    (void)snprintf(name, sizeof(name), BRIDGEHEAD_CTL_NAME_PREFIX "%s", t->instance);
    conn = qb_ipcc_connect_async(name, BRIDGEHEAD_CTL_BYTES_MAX, &fd);
    if (conn == NULL) {
        return NULL;
    }
    rc = poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, timeout_ms);
    if (rc <= 0) {
        (void)close(fd);
        qb_ipcc_disconnect(conn);
        errno = ETIMEDOUT;
        return NULL;
    }
    rc = qb_ipcc_connect_continue(conn); /* a failure frees it */
    if (rc != 0) {
        errno = rc < 0 ? -rc : rc;
        return NULL;
    }
    if (!is_daemon(t, conn)) {
        qb_ipcc_disconnect(conn);
        errno = ECONNREFUSED;
        return NULL;
    }
    return conn;
}

static int
cannot_connect(const struct tool *t, int err, json_t **answer)
{
    char text[256];

    if (err == EACCES || err == EPERM) {
        *answer = tool_error(BRIDGEHEAD_EXIT_FAILED, "no permission to ask the daemon",
            "Run it as root, or as a member of the daemon's group.");
        return BRIDGEHEAD_EXIT_FAILED;
    }
    if (err == ETIMEDOUT) {
        *answer = tool_error(BRIDGEHEAD_EXIT_TIMEOUT, "the server does not answer: it hangs",
            "Stop it (bridgehead stop kills what does not end), or let the cluster do it.");
        return BRIDGEHEAD_EXIT_TIMEOUT;
    }
    if (tool_lock_held(t, "keeper.lock") > 0) {
        (void)snprintf(text, sizeof(text),
            "the server of instance %s does not answer yet: it is starting, or was started again "
            "after a crash",
            t->instance);
        *answer = tool_error(
            BRIDGEHEAD_EXIT_TIMEOUT, text, "Ask again in a moment; the log names a crash.");
        return BRIDGEHEAD_EXIT_TIMEOUT;
    }
    (void)snprintf(text, sizeof(text), "instance %s is not running on this node", t->instance);
    *answer = tool_error(BRIDGEHEAD_EXIT_NOT_RUNNING, text,
        "crm_mon tells on which node it runs; bridgeheadd --config FILE starts it without a "
        "cluster.");
    return BRIDGEHEAD_EXIT_NOT_RUNNING;
}

static int
send_question(qb_ipcc_connection_t *conn, const char *text, int timeout_ms, char *buf, size_t cap)
{
    size_t n = strlen(text);
    struct bridgehead_ctl_request h = { .id = BRIDGEHEAD_CTL_MSG_REQUEST,
        .size = (int32_t)(sizeof(h) + n),
        .version = BRIDGEHEAD_CTL_VERSION,
        .json_bytes = (uint32_t)n };
    struct iovec iov[2] = { { .iov_base = &h, .iov_len = sizeof(h) },
        { .iov_base = (void *)(uintptr_t)text, .iov_len = n } };

    return (int)qb_ipcc_sendv_recv(conn, iov, 2, buf, cap, timeout_ms);
}

static int
read_answer(const char *buf, int n, json_t **answer)
{
    struct bridgehead_ctl_response h;

    if (n < (int)sizeof(h)) {
        *answer = tool_error(BRIDGEHEAD_EXIT_FAILED,
            n < 0 ? error_text(n) : "the daemon's answer is too short",
            "Ask again; use the bridgehead command of the daemon's version.");
        return n == -ETIMEDOUT || n == -EAGAIN ? BRIDGEHEAD_EXIT_TIMEOUT : BRIDGEHEAD_EXIT_FAILED;
    }
    memcpy(&h, buf, sizeof(h));
    *answer = h.version == BRIDGEHEAD_CTL_VERSION && h.json_bytes <= (size_t)n - sizeof(h)
                  ? json_loadb(buf + sizeof(h), h.json_bytes, 0, NULL)
                  : NULL;
    if (*answer == NULL) {
        *answer = tool_error(BRIDGEHEAD_EXIT_FAILED, "the daemon's answer cannot be read",
            "Use the bridgehead command of the daemon's version.");
        return BRIDGEHEAD_EXIT_FAILED;
    }
    return h.status;
}

static bool
is_loading(int code, const json_t *answer)
{
    return code == BRIDGEHEAD_EXIT_NOT_RUNNING &&
           json_integer_value(json_object_get(json_object_get(answer, "error"), "event")) ==
               EV_QUEUE_OPENED;
}

/* Right after a takeover the queue is not all there yet, mostly for less time than an operator
 * needs to ask again. */
static int
ask_patiently(
    qb_ipcc_connection_t *conn, const char *text, int timeout_ms, char *buf, json_t **answer)
{
    uint64_t began = ticks_ms();

    for (;;) {
        int code = read_answer(
            buf, send_question(conn, text, timeout_ms, buf, BRIDGEHEAD_CTL_BYTES_MAX), answer);

        if (!is_loading(code, *answer) || ticks_ms() - began >= LOADING_MS) {
            return code;
        }
        json_decref(*answer);
        (void)nanosleep(&(struct timespec){ .tv_nsec = LOADING_PAUSE_NS }, NULL);
    }
}

int
tool_ask(const struct tool *t, const char *command, json_t *args, int timeout_ms, json_t **answer)
{
    json_t *question =
        json_pack("{s:s,s:o}", "command", command, "args", args != NULL ? args : json_object());
    char *text = json_dumps(question, JSON_COMPACT);
    char *buf = malloc(BRIDGEHEAD_CTL_BYTES_MAX);
    qb_ipcc_connection_t *conn = NULL;
    int code;

    json_decref(question);
    if (text == NULL || buf == NULL) {
        *answer = tool_error(BRIDGEHEAD_EXIT_FAILED, "out of memory", "Try again.");
        code = BRIDGEHEAD_EXIT_FAILED;
    } else if ((conn = connect_within(t, timeout_ms)) == NULL) {
        code = cannot_connect(t, errno, answer);
    } else {
        code = ask_patiently(conn, text, timeout_ms, buf, answer);
        qb_ipcc_disconnect(conn);
    }
    free(text);
    free(buf);
    return code;
}
