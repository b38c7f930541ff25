/* listener.c - listening sockets and accept(2).
 *
 * accept is called here and not by libuv, which would keep one connection back in its own handle:
 * what we do not accept stays in the kernel's backlog, also across a restart of the server.
 */
#include "net/listener.h"

#include "core/log.h"
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#define BACKLOG              4096
#define ACCEPTS_PER_WAKEUP   64  /* a flood of connections must not starve the sessions */
#define RETRY_AFTER_ERROR_MS 100 /* no descriptor is free: closing sessions will change that */

struct listener {
    struct loop *loop;
    struct loop_poll *poll;
    struct loop_timer retry;
    int fd;
    listener_accept_fn *on_accept;
    void *ctx;
    bool paused;  /* by the user */
    bool waiting; /* for the retry timer */
    bool freed;   /* inside on_accept */
    bool accepting;
};

static int
set_flag(int fd, int level, int option)
{
    static const int on = 1;

    return setsockopt(fd, level, option, &on, sizeof(on)) < 0 ? -errno : 0;
}

/* Freebind: the daemon listens before the cluster brings the address, so that no client is refused
 * once it is there. */
static int
prepare_socket(int fd, const struct netaddr *address)
{
    struct sockaddr_storage sa;
    socklen_t n = netaddr_to_sockaddr(address, &sa);
    int rc = set_flag(fd, SOL_SOCKET, SO_REUSEADDR);

    if (rc == 0 && address->family == AF_INET6) {
        rc = set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    }
    if (rc == 0) {
        rc = address->family == AF_INET ? set_flag(fd, IPPROTO_IP, IP_FREEBIND)
                                        : set_flag(fd, IPPROTO_IPV6, IPV6_FREEBIND);
    }
    if (rc == 0) {
        rc = set_flag(fd, IPPROTO_TCP, TCP_NODELAY); /* accepted sockets inherit it */
    }
    if (rc == 0 && bind(fd, (struct sockaddr *)&sa, n) < 0) {
        rc = -errno;
    }
    if (rc == 0 && listen(fd, BACKLOG) < 0) {
        rc = -errno;
    }
    return rc;
}

int
listener_open(const struct netaddr *address, int *fd)
{
    int made;
    int rc;

    if (address->family != AF_INET && address->family != AF_INET6) {
        return -EAFNOSUPPORT;
    }
    made = socket(address->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0) {
        return -errno;
    }
    rc = prepare_socket(made, address);
    if (rc < 0) {
        close(made);
        return rc;
    }
    *fd = made;
    return 0;
}

static void
update_poll(struct listener *s)
{
    unsigned events = s->paused || s->waiting ? 0 : LOOP_READABLE;

    CHECK(loop_poll_set(s->poll, events) == 0); /* fails on a closed handle only */
}

static void
on_retry(void *ctx)
{
    struct listener *s = ctx;

    s->waiting = false;
    update_poll(s);
}

/* A connection that was reset while it waited is nobody's failure; anything else would come again
 * at once. */
static void
accept_failed(struct listener *s, int rc)
{
    if (rc == -EAGAIN || rc == -ECONNABORTED || rc == -EINTR) {
        return;
    }
    if (!s->waiting) {
        log_event(EV_ACCEPT_FAILED, LF_ERR("error", rc));
    }
    s->waiting = true;
    loop_timer_start(&s->retry, RETRY_AFTER_ERROR_MS);
    update_poll(s);
}

static void
on_readable(void *ctx, int status, unsigned events)
{
    struct listener *s = ctx;

    (void)events;
    if (status < 0) {
        accept_failed(s, status); /* polling has stopped: again after the retry */
        return;
    }
    s->accepting = true;
    for (int i = 0; i < ACCEPTS_PER_WAKEUP && !s->paused && !s->freed; i++) {
        struct sockaddr_storage sa;
        socklen_t n = sizeof(sa);
        struct netaddr peer;
        int fd = accept4(s->fd, (struct sockaddr *)&sa, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0) {
            accept_failed(s, -errno);
            break;
        }
        if (netaddr_from_sockaddr((struct sockaddr *)&sa, &peer) < 0) {
            close(fd);
            continue;
        }
        s->on_accept(s->ctx, fd, &peer);
    }
    s->accepting = false;
    if (s->freed) {
        free(s);
    }
}

int
listener_start(
    struct listener **out, struct loop *l, int fd, listener_accept_fn *on_accept, void *ctx)
{
    struct listener *s = calloc(1, sizeof(*s));
    int rc;

    if (s == NULL) {
        return -ENOMEM;
    }
    s->loop = l;
    s->fd = fd;
    s->on_accept = on_accept;
    s->ctx = ctx;
    loop_timer_init(l, &s->retry, on_retry, s);
    rc = loop_poll_new(l, &s->poll, fd, on_readable, s);
    if (rc < 0) {
        free(s);
        return rc;
    }
    update_poll(s);
    *out = s;
    return 0;
}

void
listener_pause(struct listener *s, bool paused)
{
    s->paused = paused;
    update_poll(s);
}

int
listener_mute(int fd, bool muted)
{
    static struct sock_filter nothing[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
    static const struct sock_fprog drop = { ARRAY_LEN(nothing), nothing };
    static const int unused = 0;
    int rc = muted ? setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &drop, sizeof(drop))
                   : setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused));

    return rc == 0 || (!muted && errno == ENOENT) ? 0 : -errno;
}

void
listener_free(struct listener *s, bool close_fd)
{
    if (s == NULL) {
        return;
    }
    loop_timer_stop(&s->retry);
    loop_poll_free(s->poll);
    if (close_fd) {
        close(s->fd);
    }
    if (s->accepting) {
        s->freed = true; /* on_readable is on the stack */
        return;
    }
    free(s);
}
