#include "net/egress.h"

#include "net/listener.h"
#include "run_a_while.h"
#include "test_main.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

struct rig {
    struct loop *loop;
    struct vip_watch *watch;
    struct egress *egress;
    struct netaddr vips[3];
    struct netaddr to; /* a listening socket that accepts */
    int listen_fd;
    struct listener *listener;
    struct netaddr seen_peer;
    int accepted_fd;
    struct conn *conn;
    struct egress_attempt *attempt;
    unsigned calls, ended;
    int status, end_status;
};

static void
on_bytes(void *ctx, struct slice bytes)
{
    (void)ctx;
    (void)bytes;
}

static void
on_end(void *ctx, int status)
{
    struct rig *r = ctx;

    r->ended++;
    r->end_status = status;
    conn_close(r->conn, 0);
    r->conn = NULL;
}

static const struct conn_user user = { on_bytes, NULL, on_end };

static void
on_attempt(void *ctx, int status, struct conn *c)
{
    struct rig *r = ctx;

    r->calls++;
    r->status = status;
    r->conn = c;
    r->attempt = NULL;
    loop_stop(r->loop);
}

static void
on_accept(void *ctx, int fd, const struct netaddr *peer)
{
    struct rig *r = ctx;

    r->accepted_fd = fd;
    r->seen_peer = *peer;
}

static struct netaddr
address(const char *text)
{
    struct netaddr a;

    CU_ASSERT_EQUAL_FATAL(netaddr_parse(slice_of(text), &a), 0);
    return a;
}

static void
rig_start(struct rig *r, const char *listen_on)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof(sa);

    memset(r, 0, sizeof(*r));
    r->accepted_fd = -1;
    r->vips[0] = address("127.0.0.2");
    r->vips[1] = address("192.0.2.99"); /* not here */
    r->vips[2] = address("::1");
    r->to = address(listen_on);
    CU_ASSERT_EQUAL_FATAL(loop_new(&r->loop), 0);
    CU_ASSERT_EQUAL_FATAL(vip_watch_new(&r->watch, r->loop, r->vips, 3, NULL, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(egress_new(&r->egress, r->loop, r->watch), 0);
    CU_ASSERT_EQUAL_FATAL(listener_open(&r->to, &r->listen_fd), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(r->listen_fd, (struct sockaddr *)&sa, &n), 0);
    CU_ASSERT_EQUAL_FATAL(netaddr_from_sockaddr((struct sockaddr *)&sa, &r->to), 0);
    CU_ASSERT_EQUAL_FATAL(listener_start(&r->listener, r->loop, r->listen_fd, on_accept, r), 0);
}

static void
rig_stop(struct rig *r)
{
    if (r->conn != NULL) {
        conn_close(r->conn, 0);
    }
    if (r->accepted_fd >= 0) {
        close(r->accepted_fd);
    }
    egress_free(r->egress);
    vip_watch_free(r->watch);
    if (r->listener != NULL) {
        listener_free(r->listener, true);
    }
    loop_free(r->loop);
    CU_ASSERT_EQUAL(conn_count(), 0);
}

static int
rig_connect(struct rig *r, const struct netaddr *sources, size_t count)
{
    return egress_connect(
        &r->attempt, r->egress, sources, count, &r->to, 600000, &user, r, on_attempt, r);
}

static void
the_peer_sees_the_vip(void)
{
    struct rig r;

    rig_start(&r, "127.0.0.1");
    CU_ASSERT_EQUAL_FATAL(rig_connect(&r, r.vips, 3), 0);
    CU_ASSERT_EQUAL(r.calls, 0); /* never inside */
    loop_run(r.loop);
    CU_ASSERT_EQUAL(r.calls, 1);
    CU_ASSERT_EQUAL(r.status, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r.conn);
    run_a_while(r.loop);
    CU_ASSERT_TRUE(netaddr_eq(&r.seen_peer, &r.vips[0]));
    CU_ASSERT_TRUE(netaddr_eq(conn_local(r.conn), &r.vips[0]));
    CU_ASSERT_TRUE(netaddr_eq(conn_peer(r.conn), &r.to));
    rig_stop(&r);
}

static void
the_source_is_of_the_destinations_family(void)
{
    struct rig r;

    rig_start(&r, "::1");
    CU_ASSERT_EQUAL_FATAL(rig_connect(&r, r.vips, 3), 0);
    loop_run(r.loop);
    CU_ASSERT_EQUAL(r.status, 0);
    run_a_while(r.loop);
    CU_ASSERT_TRUE(netaddr_eq(&r.seen_peer, &r.vips[2]));
    rig_stop(&r);
}

static void
without_a_present_source_there_is_no_attempt(void)
{
    struct netaddr stranger = address("127.0.0.3"); /* on this host, but no VIP */
    struct rig r;

    rig_start(&r, "127.0.0.1");
    CU_ASSERT_EQUAL(rig_connect(&r, &r.vips[1], 1), BH_ENOVIP); /* absent */
    CU_ASSERT_EQUAL(rig_connect(&r, &r.vips[2], 1), BH_ENOVIP); /* other family */
    CU_ASSERT_EQUAL(rig_connect(&r, NULL, 0), BH_ENOVIP);
    CU_ASSERT_EQUAL(rig_connect(&r, &stranger, 1), BH_ENOVIP);
    run_a_while(r.loop);
    CU_ASSERT_EQUAL(r.calls, 0);
    CU_ASSERT_EQUAL(r.accepted_fd, -1);
    rig_stop(&r);
}

static void
an_absent_first_source_is_passed_over(void)
{
    struct rig r;
    struct netaddr sources[2];

    rig_start(&r, "127.0.0.1");
    sources[0] = r.vips[1];
    sources[1] = r.vips[0];
    CU_ASSERT_EQUAL_FATAL(rig_connect(&r, sources, 2), 0);
    loop_run(r.loop);
    run_a_while(r.loop);
    CU_ASSERT_TRUE(netaddr_eq(&r.seen_peer, &r.vips[0]));
    rig_stop(&r);
}

static void
a_refusal_is_told(void)
{
    struct rig r;
    int rc;

    rig_start(&r, "127.0.0.1");
    listener_free(r.listener, true);
    r.listener = NULL;
    rc = rig_connect(&r, r.vips, 1);
    if (rc == 0) {
        loop_run(r.loop);
        CU_ASSERT_EQUAL(r.calls, 1);
        rc = r.status;
    }
    CU_ASSERT_EQUAL(rc, -ECONNREFUSED);
    CU_ASSERT_PTR_NULL(r.conn);
    rig_stop(&r);
}

/* A listener whose backlog is full takes no SYN: a black hole on loopback. */
static void
fill_backlog(struct rig *r, int fds[8])
{
    struct sockaddr_storage sa;
    socklen_t n = netaddr_to_sockaddr(&r->to, &sa);

    listener_pause(r->listener, true);
    CU_ASSERT_EQUAL(listen(r->listen_fd, 0), 0);
    for (int i = 0; i < 8; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fds[i], (struct sockaddr *)&sa, n);
    }
}

static void
an_attempt_ends_at_its_time_or_is_cancelled_or_forbidden(void)
{
    struct rig r;
    int fds[8];

    rig_start(&r, "127.0.0.1");
    fill_backlog(&r, fds);
    CU_ASSERT_EQUAL_FATAL(
        egress_connect(&r.attempt, r.egress, r.vips, 1, &r.to, 1, &user, &r, on_attempt, &r), 0);
    loop_run(r.loop);
    CU_ASSERT_EQUAL(r.calls, 1);
    CU_ASSERT_EQUAL(r.status, -ETIMEDOUT);

    CU_ASSERT_EQUAL_FATAL(rig_connect(&r, r.vips, 1), 0);
    egress_cancel(r.attempt);
    run_a_while(r.loop);
    CU_ASSERT_EQUAL(r.calls, 1);

    CU_ASSERT_EQUAL_FATAL(rig_connect(&r, r.vips, 1), 0);
    egress_forbid(r.egress, true);
    CU_ASSERT_EQUAL(r.calls, 2);
    CU_ASSERT_EQUAL(r.status, BH_EQUORUM);
    CU_ASSERT_EQUAL(rig_connect(&r, r.vips, 1), BH_EQUORUM);
    egress_forbid(r.egress, false);
    CU_ASSERT_EQUAL(rig_connect(&r, r.vips, 1), 0);
    for (int i = 0; i < 8; i++) {
        close(fds[i]);
    }
    rig_stop(&r); /* with an attempt under way */
    CU_ASSERT_EQUAL(r.calls, 2);
}

/* What the kernel does then is shown by tests/integration/NN-egress-source; here the watch is told
 * to watch other addresses, which makes the source absent as well. */
static void
when_the_source_leaves_its_connections_end_and_others_stay(void)
{
    struct rig r;
    struct netaddr six = address("::1");
    struct conn *other;

    rig_start(&r, "127.0.0.1");
    CU_ASSERT_EQUAL_FATAL(rig_connect(&r, r.vips, 1), 0);
    loop_run(r.loop);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r.conn);
    other = r.conn;
    CU_ASSERT_EQUAL(vip_watch_set(r.watch, r.vips, 1), 0);
    CU_ASSERT_EQUAL(r.ended, 0);
    CU_ASSERT_PTR_EQUAL(r.conn, other);
    CU_ASSERT_EQUAL(vip_watch_set(r.watch, &six, 1), 0);
    CU_ASSERT_EQUAL(r.ended, 1);
    CU_ASSERT_EQUAL(r.end_status, BH_ENOVIP);
    CU_ASSERT_PTR_NULL(r.conn);
    rig_stop(&r);
}

static void
quorum_lost_ends_every_connection(void)
{
    struct rig r;

    rig_start(&r, "127.0.0.1");
    CU_ASSERT_EQUAL_FATAL(rig_connect(&r, r.vips, 1), 0);
    loop_run(r.loop);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r.conn);
    egress_forbid(r.egress, true);
    CU_ASSERT_EQUAL(r.ended, 1);
    CU_ASSERT_EQUAL(r.end_status, BH_EQUORUM);
    rig_stop(&r);
}

TEST_MAIN("egress", TEST(the_peer_sees_the_vip), TEST(the_source_is_of_the_destinations_family),
    TEST(without_a_present_source_there_is_no_attempt), TEST(an_absent_first_source_is_passed_over),
    TEST(a_refusal_is_told), TEST(an_attempt_ends_at_its_time_or_is_cancelled_or_forbidden),
    TEST(when_the_source_leaves_its_connections_end_and_others_stay),
    TEST(quorum_lost_ends_every_connection))
