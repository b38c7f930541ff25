#include "net/conn.h"

#include "run_a_while.h"
#include "test_main.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* One conn under test on a loop, and the raw, blocking socket of its peer. */
struct rig {
    int fd; /* of conn */
    struct loop *loop;
    struct conn *conn;
    int peer;
    char got[4096];
    size_t got_bytes;
    size_t total_bytes; /* got, whether or not it fitted */
    unsigned drained, ended;
    int status;
    size_t stop_at_bytes; /* loop_stop when that much came; 0: any */
    bool close_in_bytes, close_in_drained, close_in_end, stop_in_drained;
    void (*when_drained)(struct rig *r);
    struct loop_timer timer;
};

static void
rig_close(struct rig *r, uint64_t linger_ms)
{
    conn_close(r->conn, linger_ms);
    r->conn = NULL;
    loop_stop(r->loop);
}

static void
on_bytes(void *ctx, struct slice bytes)
{
    struct rig *r = ctx;
    size_t n = MIN(bytes.n, sizeof(r->got) - r->got_bytes);

    memcpy(r->got + r->got_bytes, bytes.p, n);
    r->got_bytes += n;
    r->total_bytes += bytes.n;
    if (r->close_in_bytes) {
        rig_close(r, 0);
    } else if (r->total_bytes >= r->stop_at_bytes) {
        loop_stop(r->loop);
    }
}

static void
on_drained(void *ctx)
{
    struct rig *r = ctx;

    r->drained++;
    if (r->close_in_drained) {
        rig_close(r, 0);
    } else if (r->when_drained != NULL) {
        r->when_drained(r);
    } else if (r->stop_in_drained) {
        loop_stop(r->loop);
    }
}

static void
on_end(void *ctx, int status)
{
    struct rig *r = ctx;

    r->ended++;
    r->status = status;
    loop_stop(r->loop);
    if (r->close_in_end) {
        rig_close(r, 0);
    }
}

static const struct conn_user user = { on_bytes, on_drained, on_end };

static void
tcp_pair(int out[2])
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(sa);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CU_ASSERT_FATAL(listener >= 0);
    CU_ASSERT_FATAL(bind(listener, (struct sockaddr *)&sa, n) == 0 && listen(listener, 1) == 0);
    CU_ASSERT_FATAL(getsockname(listener, (struct sockaddr *)&sa, &n) == 0);
    out[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_FATAL(connect(out[1], (struct sockaddr *)&sa, n) == 0);
    out[0] = accept(listener, NULL, NULL);
    CU_ASSERT_FATAL(out[0] >= 0);
    close(listener);
}

static void
rig_start(struct rig *r)
{
    int pair[2];

    memset(r, 0, sizeof(*r));
    r->stop_at_bytes = 1;
    tcp_pair(pair);
    r->fd = pair[0];
    r->peer = pair[1];
    CU_ASSERT_EQUAL_FATAL(loop_new(&r->loop), 0);
    CU_ASSERT_EQUAL_FATAL(conn_new(&r->conn, r->loop, pair[0], &user, r), 0);
    CU_ASSERT_EQUAL(conn_count(), 1);
}

static void
rig_stop(struct rig *r)
{
    if (r->conn != NULL) {
        conn_close(r->conn, 0);
    }
    loop_free(r->loop);
    CU_ASSERT_EQUAL(conn_count(), 0);
    if (r->peer >= 0) {
        close(r->peer);
    }
}

static void
peer_send(struct rig *r, const char *text)
{
    CU_ASSERT_EQUAL(send(r->peer, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void
peer_reset(struct rig *r)
{
    static const struct linger reset = { 1, 0 };

    CU_ASSERT_EQUAL(setsockopt(r->peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(r->peer);
    r->peer = -1;
}

static int
option(int fd, int level, int which)
{
    int value = -1;
    socklen_t n = sizeof(value);

    CU_ASSERT_EQUAL(getsockopt(fd, level, which, &value, &n), 0);
    return value;
}

static void
the_kernel_asks_after_a_silent_peer_if_wanted(void)
{
    struct rig r;

    rig_start(&r);
    CU_ASSERT_EQUAL(option(r.fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    conn_keep_alive(r.conn);
    CU_ASSERT_EQUAL(option(r.fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    CU_ASSERT_EQUAL(option(r.fd, IPPROTO_TCP, TCP_KEEPIDLE), 15);
    CU_ASSERT_EQUAL(option(r.fd, IPPROTO_TCP, TCP_KEEPINTVL), 5);
    CU_ASSERT_EQUAL(option(r.fd, IPPROTO_TCP, TCP_KEEPCNT), 6);
    rig_stop(&r);
}

static void
bytes_go_up_and_the_end_after_them(void)
{
    struct rig r;

    rig_start(&r);
    conn_set_reading(r.conn, true);
    peer_send(&r, "hello");
    close(r.peer);
    r.peer = -1;
    r.stop_at_bytes = 100;
    loop_run(r.loop);
    CU_ASSERT_EQUAL(r.got_bytes, 5);
    CU_ASSERT_NSTRING_EQUAL(r.got, "hello", 5);
    CU_ASSERT_EQUAL(r.ended, 1);
    CU_ASSERT_EQUAL(r.status, 0);
    rig_stop(&r);
}

static void
what_is_sent_in_one_turn_arrives_in_one_piece(void)
{
    struct rig r;
    char got[64];

    rig_start(&r);
    r.stop_in_drained = true;
    conn_send(r.conn, SLICE_LIT("one "));
    conn_send(r.conn, SLICE_LIT("two "));
    conn_send(r.conn, SLICE_LIT("three "));
    conn_send(r.conn, SLICE_LIT("four"));
    CU_ASSERT_EQUAL(conn_queued(r.conn), 18);
    loop_run(r.loop);
    CU_ASSERT_EQUAL(conn_queued(r.conn), 0);
    CU_ASSERT_EQUAL(r.drained, 1);
    CU_ASSERT_EQUAL(recv(r.peer, got, sizeof(got), 0), 18);
    CU_ASSERT_NSTRING_EQUAL(got, "one two three four", 18);
    rig_stop(&r);
}

static void
a_paused_connection_reads_neither_bytes_nor_end(void)
{
    struct rig r;

    rig_start(&r);
    conn_set_reading(r.conn, true);
    conn_set_reading(r.conn, false);
    peer_send(&r, "later");
    close(r.peer);
    r.peer = -1;
    run_a_while(r.loop);
    CU_ASSERT_EQUAL(r.total_bytes, 0);
    CU_ASSERT_EQUAL(r.ended, 0);
    conn_set_reading(r.conn, true);
    r.stop_at_bytes = 100;
    loop_run(r.loop);
    CU_ASSERT_EQUAL(r.total_bytes, 5);
    CU_ASSERT_EQUAL(r.ended, 1);
    rig_stop(&r);
}

/* Far more than the kernel buffers: the rest waits for the peer, in order and complete. */
#define MANY_BYTES (8 * MIB)
static char *
many_bytes(void)
{
    char *bytes = malloc(MANY_BYTES);

    CHECK(bytes != NULL);
    for (size_t i = 0; i < MANY_BYTES; i++) {
        bytes[i] = (char)(i * 7 + i / 251);
    }
    return bytes;
}

/* Read n bytes without blocking while the loop of the sender runs. */
static void
peer_reads_all(struct rig *r, const char *expected, size_t n)
{
    static char buffer[256 * KIB];
    size_t done = 0;
    bool equal = true;

    CU_ASSERT_EQUAL(fcntl(r->peer, F_SETFL, O_NONBLOCK), 0);
    while (done < n) {
        ssize_t got = recv(r->peer, buffer, sizeof(buffer), 0);

        if (got < 0 && errno == EAGAIN) {
            loop_timer_init(r->loop, &r->timer, run_a_while_over, r->loop);
            loop_timer_start(&r->timer, 1);
            loop_run(r->loop);
            loop_timer_stop(&r->timer);
            continue;
        }
        CU_ASSERT_FATAL(got > 0);
        equal = equal && memcmp(buffer, expected + done, (size_t)got) == 0;
        done += (size_t)got;
    }
    CU_ASSERT_TRUE(equal);
    CU_ASSERT_EQUAL(fcntl(r->peer, F_SETFL, 0), 0);
}

static void
more_than_the_kernel_takes_waits_and_arrives_in_order(void)
{
    char *bytes = many_bytes();
    struct rig r;

    rig_start(&r);
    conn_send(r.conn, (struct slice){ bytes, MANY_BYTES });
    run_a_while(r.loop);
    CU_ASSERT_TRUE(conn_queued(r.conn) > CONN_HIGH_BYTES);
    CU_ASSERT_EQUAL(r.drained, 0);
    peer_reads_all(&r, bytes, MANY_BYTES);
    run_a_while(r.loop);
    CU_ASSERT_EQUAL(conn_queued(r.conn), 0);
    CU_ASSERT_EQUAL(r.drained, 1);
    rig_stop(&r);
    free(bytes);
}

static void
send_three_times(struct rig *r)
{
    if (r->drained < 30) {
        conn_send(r->conn, SLICE_LIT("0123456789"));
    } else {
        loop_stop(r->loop);
    }
}

static void
on_drained_may_send_the_next_piece(void)
{
    struct rig r;
    char got[1000];

    rig_start(&r);
    r.when_drained = send_three_times;
    conn_send(r.conn, SLICE_LIT("0123456789"));
    loop_run(r.loop);
    CU_ASSERT_EQUAL(r.drained, 30);
    CU_ASSERT_EQUAL(recv(r.peer, got, 300, MSG_WAITALL), 300);
    rig_stop(&r);
}

static void
the_user_may_close_in_any_callback(void)
{
    struct rig r;

    rig_start(&r);
    r.close_in_bytes = true;
    conn_set_reading(r.conn, true);
    peer_send(&r, "x");
    loop_run(r.loop);
    CU_ASSERT_PTR_NULL(r.conn);
    CU_ASSERT_EQUAL(r.ended, 0);
    rig_stop(&r);

    rig_start(&r);
    r.close_in_drained = true;
    conn_send(r.conn, SLICE_LIT("x"));
    loop_run(r.loop);
    CU_ASSERT_PTR_NULL(r.conn);
    rig_stop(&r);

    rig_start(&r);
    r.close_in_end = true;
    conn_set_reading(r.conn, true);
    close(r.peer);
    r.peer = -1;
    loop_run(r.loop);
    CU_ASSERT_PTR_NULL(r.conn);
    CU_ASSERT_EQUAL(r.ended, 1);
    rig_stop(&r);
}

static void
replies_may_follow_the_peers_end(void)
{
    struct rig r;
    char got[8];

    rig_start(&r);
    conn_set_reading(r.conn, true);
    CU_ASSERT_EQUAL(shutdown(r.peer, SHUT_WR), 0);
    loop_run(r.loop);
    CU_ASSERT_EQUAL(r.ended, 1);
    conn_send(r.conn, SLICE_LIT("bye"));
    rig_close(&r, 1000);
    CU_ASSERT_EQUAL(recv(r.peer, got, sizeof(got), 0), 3);
    CU_ASSERT_EQUAL(recv(r.peer, got, sizeof(got), 0), 0);
    rig_stop(&r);
}

static void
a_deadline_ends_the_connection_unless_set_anew(void)
{
    struct rig r;

    rig_start(&r);
    conn_set_reading(r.conn, true);
    conn_set_deadline(r.conn, 1);
    conn_set_deadline(r.conn, 0);
    run_a_while(r.loop);
    CU_ASSERT_EQUAL(r.ended, 0);
    conn_set_deadline(r.conn, 1);
    conn_set_deadline(r.conn, 100000); /* the timer fires early and finds the later deadline */
    run_a_while(r.loop);
    CU_ASSERT_EQUAL(r.ended, 0);
    conn_set_deadline(r.conn, 2); /* earlier than the timer's time */
    loop_run(r.loop);
    CU_ASSERT_EQUAL(r.ended, 1);
    CU_ASSERT_EQUAL(r.status, -ETIMEDOUT);
    rig_stop(&r);
}

static void
close_flushes_while_the_peer_takes_it(void)
{
    char *bytes = many_bytes();
    struct rig r;
    char end;

    rig_start(&r);
    conn_send(r.conn, (struct slice){ bytes, MANY_BYTES });
    rig_close(&r, 600000);
    CU_ASSERT_EQUAL(conn_count(), 1);
    peer_reads_all(&r, bytes, MANY_BYTES);
    while (conn_count() > 0) {
        run_a_while(r.loop);
    }
    CU_ASSERT_EQUAL(recv(r.peer, &end, 1, 0), 0);
    rig_stop(&r);
    free(bytes);
}

static void
close_gives_up_when_the_linger_time_is_over(void)
{
    char *bytes = many_bytes();
    struct rig r;

    rig_start(&r);
    conn_send(r.conn, (struct slice){ bytes, MANY_BYTES });
    rig_close(&r, 1);
    free(bytes); /* it was copied */
    while (conn_count() > 0) {
        run_a_while(r.loop);
    }
    rig_stop(&r);
}

static void
loop_free_does_not_wait_for_lingering(void)
{
    char *bytes = many_bytes();
    struct rig r;

    rig_start(&r);
    conn_send(r.conn, (struct slice){ bytes, MANY_BYTES });
    rig_close(&r, 600000);
    rig_stop(&r);
    free(bytes);
}

/* Clients that are turned away and keep on sending: each stays for its linger time, in nobody's
 * count, but not any number of them. */
static void
who_lingers_does_not_take_all_descriptors(void)
{
    struct rlimit files = { 4096, 4096 };
    int peers[CONN_LINGERING_MAX + 1];
    struct rig r;

    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &files), 0);
    rig_start(&r);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        struct conn *c;
        int pair[2];

        tcp_pair(pair);
        peers[i] = pair[1];
        CU_ASSERT_EQUAL(send(pair[1], "EHLO", 4, MSG_NOSIGNAL), 4);
        CU_ASSERT_EQUAL_FATAL(conn_new(&c, r.loop, pair[0], NULL, NULL), 0);
        conn_send(c, SLICE_LIT("421"));
        conn_close(c, 600000);
    }
    run_a_while(r.loop);
    CU_ASSERT_EQUAL(conn_count(), 1 + CONN_LINGERING_MAX); /* r.conn is no such one */
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        close(peers[i]);
    }
    while (conn_count() > 1) {
        run_a_while(r.loop);
    }
    rig_stop(&r);
}

/* close(2) with unread bytes sends a reset, which may overtake the reply. */
static void
bytes_we_did_not_read_do_not_cost_the_peer_our_last_reply(void)
{
    struct rig r;
    char got[8];

    rig_start(&r);
    peer_send(&r, "pipelined beyond what we want");
    run_a_while(r.loop);
    conn_send(r.conn, SLICE_LIT("421"));
    rig_close(&r, 600000);
    CU_ASSERT_EQUAL(recv(r.peer, got, sizeof(got), 0), 3);
    CU_ASSERT_EQUAL(recv(r.peer, got, sizeof(got), 0), 0);
    peer_send(&r, "and more");
    close(r.peer);
    r.peer = -1;
    while (conn_count() > 0) {
        run_a_while(r.loop);
    }
    rig_stop(&r);
}

static void
a_reset_is_told_as_an_error(void)
{
    struct rig r;

    rig_start(&r);
    conn_set_reading(r.conn, true);
    peer_reset(&r);
    loop_run(r.loop);
    CU_ASSERT_EQUAL(r.ended, 1);
    CU_ASSERT_EQUAL(r.status, -ECONNRESET);
    conn_send(r.conn, SLICE_LIT("nobody listens")); /* harmless */
    CU_ASSERT_EQUAL(conn_queued(r.conn), 0);
    rig_stop(&r);
}

/* An SMTP server says 421 and closes while the client still sends: the client must see the 421. */
static void
what_the_peer_said_before_the_reset_is_read_first(void)
{
    struct rig r;

    rig_start(&r);
    conn_set_reading(r.conn, true);
    peer_send(&r, "421 bye");
    peer_reset(&r);
    conn_send(r.conn, SLICE_LIT("EHLO"));
    r.stop_at_bytes = 100;
    loop_run(r.loop);
    CU_ASSERT_EQUAL(r.ended, 1);
    CU_ASSERT_TRUE(r.status < 0);
    CU_ASSERT_EQUAL(r.total_bytes, 7);
    rig_stop(&r);
}

static void
a_write_error_ends_a_connection_that_does_not_read(void)
{
    struct rig r;

    rig_start(&r);
    peer_reset(&r);
    conn_send(r.conn, SLICE_LIT("x"));
    loop_run(r.loop);
    CU_ASSERT_EQUAL(r.ended, 1);
    CU_ASSERT_TRUE(r.status == -ECONNRESET || r.status == -EPIPE);
    rig_stop(&r);
}

static void
a_cut_connection_sends_nothing_more(void)
{
    struct rig r;
    char got[8];

    rig_start(&r);
    conn_set_reading(r.conn, true);
    conn_send(r.conn, SLICE_LIT("never"));
    conn_cut(r.conn, BH_ENOVIP);
    CU_ASSERT_EQUAL(r.ended, 1);
    CU_ASSERT_EQUAL(r.status, BH_ENOVIP);
    conn_send(r.conn, SLICE_LIT("never"));
    conn_set_reading(r.conn, true);
    run_a_while(r.loop);
    CU_ASSERT_EQUAL(conn_count(), 1); /* until its user closes it */
    CU_ASSERT_EQUAL(recv(r.peer, got, sizeof(got), 0), -1);
    CU_ASSERT_EQUAL(r.ended, 1);
    rig_stop(&r);
}

static void
it_knows_both_addresses(void)
{
    struct rig r;
    struct netaddr localhost;

    rig_start(&r);
    CU_ASSERT_EQUAL_FATAL(netaddr_parse(SLICE_LIT("127.0.0.1"), &localhost), 0);
    CU_ASSERT_TRUE(netaddr_eq(conn_peer(r.conn), &localhost));
    CU_ASSERT_TRUE(netaddr_eq(conn_local(r.conn), &localhost));
    CU_ASSERT_NOT_EQUAL(conn_peer(r.conn)->port, 0);
    rig_stop(&r);
}

TEST_MAIN("conn", TEST(the_kernel_asks_after_a_silent_peer_if_wanted),
    TEST(bytes_go_up_and_the_end_after_them), TEST(what_is_sent_in_one_turn_arrives_in_one_piece),
    TEST(a_paused_connection_reads_neither_bytes_nor_end),
    TEST(more_than_the_kernel_takes_waits_and_arrives_in_order),
    TEST(on_drained_may_send_the_next_piece), TEST(the_user_may_close_in_any_callback),
    TEST(replies_may_follow_the_peers_end), TEST(a_deadline_ends_the_connection_unless_set_anew),
    TEST(close_flushes_while_the_peer_takes_it), TEST(close_gives_up_when_the_linger_time_is_over),
    TEST(loop_free_does_not_wait_for_lingering), TEST(who_lingers_does_not_take_all_descriptors),
    TEST(bytes_we_did_not_read_do_not_cost_the_peer_our_last_reply),
    TEST(a_reset_is_told_as_an_error), TEST(what_the_peer_said_before_the_reset_is_read_first),
    TEST(a_write_error_ends_a_connection_that_does_not_read),
    TEST(a_cut_connection_sends_nothing_more), TEST(it_knows_both_addresses))
