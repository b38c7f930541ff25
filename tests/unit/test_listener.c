#include "net/listener.h"

#include "run_a_while.h"
#include "test_main.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

struct rig {
    struct loop *loop;
    struct listener *listener;
    int fd;
    struct netaddr address; /* with the port that was chosen */
    unsigned accepted;
    unsigned stop_at;
    bool free_in_accept, pause_in_accept;
    int last_fd;
    struct netaddr last_peer;
};

static void
on_accept(void *ctx, int fd, const struct netaddr *peer)
{
    struct rig *r = ctx;

    if (r->last_fd >= 0) {
        close(r->last_fd);
    }
    r->last_fd = fd;
    r->last_peer = *peer;
    r->accepted++;
    if (r->pause_in_accept) {
        listener_pause(r->listener, true);
        loop_stop(r->loop);
    }
    if (r->free_in_accept) {
        listener_free(r->listener, false);
        r->listener = NULL;
        loop_stop(r->loop);
    }
    if (r->accepted == r->stop_at) {
        loop_stop(r->loop);
    }
}

static void
rig_start(struct rig *r, const char *address)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof(sa);

    memset(r, 0, sizeof(*r));
    r->last_fd = -1;
    r->stop_at = 1;
    CU_ASSERT_EQUAL_FATAL(loop_new(&r->loop), 0);
    CU_ASSERT_EQUAL_FATAL(netaddr_parse(slice_of(address), &r->address), 0);
    CU_ASSERT_EQUAL_FATAL(listener_open(&r->address, &r->fd), 0);
    CU_ASSERT_EQUAL(getsockname(r->fd, (struct sockaddr *)&sa, &n), 0);
    CU_ASSERT_EQUAL_FATAL(netaddr_from_sockaddr((struct sockaddr *)&sa, &r->address), 0);
    CU_ASSERT_EQUAL_FATAL(listener_start(&r->listener, r->loop, r->fd, on_accept, r), 0);
}

static void
rig_stop(struct rig *r)
{
    if (r->listener != NULL) {
        listener_free(r->listener, true);
    } else {
        close(r->fd);
    }
    loop_free(r->loop);
    if (r->last_fd >= 0) {
        close(r->last_fd);
    }
}

static int
client(const struct rig *r)
{
    struct sockaddr_storage sa;
    socklen_t n = netaddr_to_sockaddr(&r->address, &sa);
    int fd = socket(r->address.family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&sa, n), 0);
    return fd;
}

static void
a_connection_is_handed_over_without_delay_and_not_inheritable(void)
{
    static const char *const rows[] = { "127.0.0.1", "::1" };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig r;
        int fd, nodelay = 0;
        socklen_t n = sizeof(nodelay);

        rig_start(&r, rows[i]);
        fd = client(&r);
        loop_run(r.loop);
        CU_ASSERT_EQUAL_FATAL(r.accepted, 1);
        CU_ASSERT_TRUE(netaddr_eq(&r.last_peer, &r.address));
        CU_ASSERT_EQUAL(getsockopt(r.last_fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &n), 0);
        CU_ASSERT_TRUE(nodelay != 0);
        CU_ASSERT_TRUE((fcntl(r.last_fd, F_GETFD) & FD_CLOEXEC) != 0);
        CU_ASSERT_TRUE((fcntl(r.last_fd, F_GETFL) & O_NONBLOCK) != 0);
        close(fd);
        rig_stop(&r);
    }
}

static void
more_than_one_wakeups_worth_is_accepted(void)
{
    struct rig r;
    int fds[150];

    rig_start(&r, "127.0.0.1");
    r.stop_at = ARRAY_LEN(fds);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = client(&r);
    }
    loop_run(r.loop);
    CU_ASSERT_EQUAL(r.accepted, ARRAY_LEN(fds));
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        close(fds[i]);
    }
    rig_stop(&r);
}

static void
while_paused_connections_wait_in_the_kernel(void)
{
    struct rig r;
    int fds[3];

    rig_start(&r, "127.0.0.1");
    r.pause_in_accept = true;
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = client(&r);
    }
    loop_run(r.loop);
    CU_ASSERT_EQUAL(r.accepted, 1); /* paused in the first: the others wait, unrefused */
    run_a_while(r.loop);
    CU_ASSERT_EQUAL(r.accepted, 1);
    r.pause_in_accept = false;
    r.stop_at = 3;
    listener_pause(r.listener, false);
    loop_run(r.loop);
    CU_ASSERT_EQUAL(r.accepted, 3);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        close(fds[i]);
    }
    rig_stop(&r);
}

static bool
connected(int fd)
{
    struct tcp_info info;
    socklen_t n = sizeof(info);

    CU_ASSERT_EQUAL_FATAL(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n), 0);
    return info.tcpi_state == TCP_ESTABLISHED;
}

static int
caller(const struct rig *r)
{
    struct sockaddr_storage sa;
    socklen_t n = netaddr_to_sockaddr(&r->address, &sa);
    int fd = socket(r->address.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_TRUE(connect(fd, (struct sockaddr *)&sa, n) < 0 && errno == EINPROGRESS);
    return fd;
}

static void
while_muted_a_caller_is_not_answered(void)
{
    static const char *const rows[] = { "127.0.0.1", "::1" };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig r;
        int fd, rc;

        rig_start(&r, rows[i]);
        rc = listener_mute(r.fd, true);
        if (rc == -EPERM && geteuid() != 0) {
            rig_stop(&r);
            continue; /* this kernel lets only root do so */
        }
        CU_ASSERT_EQUAL(rc, 0);
        CU_ASSERT_EQUAL(listener_mute(r.fd, true), 0);
        fd = caller(&r);
        run_a_while(r.loop);
        CU_ASSERT_EQUAL(r.accepted, 0);
        CU_ASSERT_FALSE(connected(fd));
        CU_ASSERT_EQUAL(listener_mute(r.fd, false), 0);
        CU_ASSERT_EQUAL(listener_mute(r.fd, false), 0);
        loop_run(r.loop); /* it asks again */
        CU_ASSERT_EQUAL(r.accepted, 1);
        CU_ASSERT_TRUE(connected(fd));
        close(fd);
        rig_stop(&r);
    }
}

static void
the_user_may_free_it_while_accepting(void)
{
    struct rig r;
    int a, b;

    rig_start(&r, "127.0.0.1");
    r.free_in_accept = true;
    a = client(&r);
    b = client(&r);
    loop_run(r.loop);
    CU_ASSERT_EQUAL(r.accepted, 1);
    close(a);
    close(b);
    rig_stop(&r);
}

static void
an_address_that_comes_later_can_be_listened_on_now(void)
{
    static const char *const rows[] = { "192.0.2.77", "2001:db8::77" };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct netaddr a;
        int fd = -1;

        CU_ASSERT_EQUAL_FATAL(netaddr_parse(slice_of(rows[i]), &a), 0);
        CU_ASSERT_EQUAL(listener_open(&a, &fd), 0);
        CU_ASSERT_TRUE(fd >= 0);
        close(fd);
    }
}

static void
a_port_in_use_is_an_error_and_no_descriptor(void)
{
    struct rig r;
    int fd = -1;

    rig_start(&r, "127.0.0.1");
    CU_ASSERT_EQUAL(listener_open(&r.address, &fd), -EADDRINUSE);
    CU_ASSERT_EQUAL(fd, -1);
    rig_stop(&r);
}

/* Without free descriptors the loop must neither spin nor lose the connection. */
static void
without_descriptors_connections_wait(void)
{
    struct rig r;
    struct rlimit old, tight;
    int fd;

    rig_start(&r, "127.0.0.1");
    fd = client(&r);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &old), 0);
    tight = old;
    tight.rlim_cur = (rlim_t)fd; /* all below are in use, or will be by nobody */
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &tight), 0);
    run_a_while(r.loop);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &old), 0);
    if (r.accepted == 0) {
        loop_run(r.loop);
    }
    CU_ASSERT_EQUAL(r.accepted, 1);
    close(fd);
    rig_stop(&r);
}

TEST_MAIN("listener", TEST(a_connection_is_handed_over_without_delay_and_not_inheritable),
    TEST(more_than_one_wakeups_worth_is_accepted),
    TEST(while_paused_connections_wait_in_the_kernel), TEST(while_muted_a_caller_is_not_answered),
    TEST(the_user_may_free_it_while_accepting),
    TEST(an_address_that_comes_later_can_be_listened_on_now),
    TEST(a_port_in_use_is_an_error_and_no_descriptor), TEST(without_descriptors_connections_wait))
