/* tools/ctl_client.c - the client's side of bridgehead/ctl_wire.h. */
#include "bridgehead/ctl_wire.h"
#include "core/io.h"
#include "tools/tools.h"
#include <fcntl.h>
#include <poll.h>
#include <qb/qbipcc.h>
#include <qb/qblog.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Is there a keeper? It holds a lock in the run directory for its life. */
static bool
keeper_lives(const struct tool *t)
{
    char path[160];
    int fd, rc;

    (void)snprintf(path, sizeof(path), "/run/bridgehead/%s/keeper.lock", t->instance);
    fd = io_open(path, O_RDWR, 0);
    if (fd < 0) {
        return false;
    }
    rc = io_lock(fd, true);
    io_close(&fd);
    return rc < 0;
}

/* A server that hangs still gets connections from its kernel, so libqb's own connect would wait for
 * ever. NULL: errno says why. */
static qb_ipcc_connection_t *
connect_within(const char *name, int timeout_ms)
{
    qb_ipcc_connection_t *conn;
    int fd = -1, rc;

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
    if (keeper_lives(t)) {
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

int
tool_ask(const struct tool *t, const char *command, json_t *args, int timeout_ms, json_t **answer)
{
    json_t *question =
        json_pack("{s:s,s:o}", "command", command, "args", args != NULL ? args : json_object());
    char *text = json_dumps(question, JSON_COMPACT);
    char *buf = malloc(BRIDGEHEAD_CTL_BYTES_MAX);
    qb_ipcc_connection_t *conn = NULL;
    char name[128];
    int code;

    json_decref(question);
    (void)snprintf(name, sizeof(name), BRIDGEHEAD_CTL_NAME_PREFIX "%s", t->instance);
    if (text == NULL || buf == NULL) {
        *answer = tool_error(BRIDGEHEAD_EXIT_FAILED, "out of memory", "Try again.");
        code = BRIDGEHEAD_EXIT_FAILED;
    } else if ((conn = connect_within(name, timeout_ms)) == NULL) {
        code = cannot_connect(t, errno, answer);
    } else {
        code = read_answer(
            buf, send_question(conn, text, timeout_ms, buf, BRIDGEHEAD_CTL_BYTES_MAX), answer);
        qb_ipcc_disconnect(conn);
    }
    free(text);
    free(buf);
    return code;
}
