#include "app/channel.h"
#include <sys/socket.h>
#include <unistd.h>

int
channel_pair(int fds[2])
{
    /* The queue of a socket pair must hold all listeners of a start, while the server does not read
     * yet: some 500 packets, more than the system's limit for an ordinary process. */
    int bytes = 1 << 20;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0) {
        return -errno;
    }
    for (int i = 0; i < 2; i++) {
        if (setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0) {
            (void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
        }
    }
    return 0;
}

int
channel_send(int channel, const struct channel_msg *m, int fd)
{
    struct iovec iov = { .iov_base = (void *)(uintptr_t)m, .iov_len = sizeof(*m) };
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (fd >= 0) {
        struct cmsghdr *c;

        memset(&control, 0, sizeof(control));
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    if (sendmsg(channel, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        return -errno;
    }
    return 0;
}

static int
take_fd(struct msghdr *msg)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    int fd = -1;

    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(&fd, CMSG_DATA(c), sizeof(int));
    }
    return fd;
}

int
channel_recv(int channel, struct channel_msg *m, int *fd)
{
    struct iovec iov = { .iov_base = m, .iov_len = sizeof(*m) };
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr msg = { .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes) };
    ssize_t n = recvmsg(channel, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    *fd = -1;
    if (n < 0 && errno == ECONNRESET) { /* it left ours unread; told once, what it said follows */
        n = recvmsg(channel, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    }
    if (n < 0) {
        return errno == ECONNRESET ? -EPIPE : -errno;
    }
    if (n == 0) {
        return -EPIPE;
    }
    *fd = take_fd(&msg);
    if ((size_t)n != sizeof(*m)) {
        if (*fd >= 0) {
            (void)close(*fd);
            *fd = -1;
        }
        return -EPROTO;
    }
    m->name[sizeof(m->name) - 1] = '\0';
    m->text[sizeof(m->text) - 1] = '\0';
    return 0;
}
