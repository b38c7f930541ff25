#include "app/channel.h"
#include "test_main.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static void
a_message_arrives_whole_with_its_descriptor(void)
{
    struct channel_msg sent = { .kind = CHANNEL_LISTENER, .epoch = 7, .joined = true }, got;
    char b = 'x';
    int fds[2], pipe_fds[2], fd = -1;

    CU_ASSERT_EQUAL_FATAL(channel_pair(fds), 0);
    CU_ASSERT_EQUAL_FATAL(pipe2(pipe_fds, O_CLOEXEC), 0);
    memcpy(sent.name, "mx", 3);
    CU_ASSERT_EQUAL(netaddr_parse(SLICE_LIT("192.0.2.10"), &sent.address), 0);
    sent.address.port = 25;
    CU_ASSERT_EQUAL(channel_send(fds[0], &sent, pipe_fds[1]), 0);
    CU_ASSERT_EQUAL_FATAL(channel_recv(fds[1], &got, &fd), 0);
    CU_ASSERT_EQUAL(got.kind, CHANNEL_LISTENER);
    CU_ASSERT_EQUAL(got.epoch, 7);
    CU_ASSERT_TRUE(got.joined && !got.quorate);
    CU_ASSERT_STRING_EQUAL(got.name, "mx");
    CU_ASSERT_TRUE(netaddr_eq(&got.address, &sent.address) && got.address.port == 25);
    /* it is the pipe, it is ours, and it does not survive an exec */
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, &b, 1), 1);
    CU_ASSERT_EQUAL(read(pipe_fds[0], &b, 1), 1);
    CU_ASSERT_TRUE((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    (void)close(fd);
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void
messages_keep_their_order_and_an_empty_channel_says_so(void)
{
    struct channel_msg m = { .kind = CHANNEL_STOP }, got;
    int fds[2], fd;

    CU_ASSERT_EQUAL_FATAL(channel_pair(fds), 0);
    CU_ASSERT_EQUAL(channel_recv(fds[1], &got, &fd), -EAGAIN);
    CU_ASSERT_EQUAL(fd, -1);
    for (uint64_t i = 0; i < 100; i++) {
        m.epoch = i;
        CU_ASSERT_EQUAL_FATAL(channel_send(fds[0], &m, -1), 0);
    }
    for (uint64_t i = 0; i < 100; i++) {
        CU_ASSERT_EQUAL_FATAL(channel_recv(fds[1], &got, &fd), 0);
        CU_ASSERT_EQUAL(got.epoch, i);
        CU_ASSERT_EQUAL(fd, -1);
    }
    CU_ASSERT_EQUAL(channel_recv(fds[1], &got, &fd), -EAGAIN);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void
the_end_of_one_side_is_seen_by_the_other_after_what_it_said_last(void)
{
    struct channel_msg m = { .kind = CHANNEL_FAILED, .code = 9 }, got;
    int fds[2], fd;

    for (int unread = 0; unread < 2; unread++) { /* by the one that ends: the kernel tells of it */
        CU_ASSERT_EQUAL_FATAL(channel_pair(fds), 0);
        for (int i = 0; i < unread; i++) {
            CU_ASSERT_EQUAL(channel_send(fds[1], &m, -1), 0);
        }
        CU_ASSERT_EQUAL(channel_send(fds[0], &m, -1), 0);
        (void)close(fds[0]);
        CU_ASSERT_EQUAL(channel_recv(fds[1], &got, &fd), 0);
        CU_ASSERT_EQUAL(got.code, 9);
        CU_ASSERT_EQUAL(channel_recv(fds[1], &got, &fd), -EPIPE);
        CU_ASSERT_EQUAL(channel_send(fds[1], &m, -1), -EPIPE); /* and no signal */
        (void)close(fds[1]);
    }
}

static void
who_does_not_read_holds_nobody_up(void)
{
    struct channel_msg m = { .kind = CHANNEL_RELOAD };
    int fds[2], rc = 0, bytes = 1 << 20;
    unsigned n = 0;
    bool forced;

    CU_ASSERT_EQUAL_FATAL(channel_pair(fds), 0);
    forced = setsockopt(fds[1], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) == 0;
    while (rc == 0 && n < 1000000) {
        rc = channel_send(fds[0], &m, -1);
        n++;
    }
    CU_ASSERT_EQUAL(rc, -EAGAIN);
    /* the sockets of a start, if the system lets us: it does let the keeper */
    CU_ASSERT_TRUE(n > (forced ? 32 * 16 : 100));
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void
what_is_no_message_is_refused_and_leaks_no_descriptor(void)
{
    struct channel_msg got;
    char bytes[16] = { 0 };
    struct iovec iov = { bytes, sizeof(bytes) };
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { { 0 } };
    struct msghdr msg = { .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes) };
    int fds[2], pipe_fds[2], fd, before, after;

    CU_ASSERT_EQUAL_FATAL(channel_pair(fds), 0);
    CU_ASSERT_EQUAL_FATAL(pipe2(pipe_fds, O_CLOEXEC), 0);
    CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
    CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
    CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &pipe_fds[0], sizeof(int));
    before = dup(0);
    (void)close(before);
    CU_ASSERT_EQUAL(sendmsg(fds[0], &msg, 0), (ssize_t)sizeof(bytes));
    CU_ASSERT_EQUAL(channel_recv(fds[1], &got, &fd), -EPROTO);
    CU_ASSERT_EQUAL(fd, -1);
    after = dup(0);
    (void)close(after);
    CU_ASSERT_EQUAL(after, before);
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void
texts_end_whatever_the_sender_did(void)
{
    struct channel_msg m = { .kind = CHANNEL_FAILED }, got;
    int fds[2], fd;

    CU_ASSERT_EQUAL_FATAL(channel_pair(fds), 0);
    memset(m.name, 'n', sizeof(m.name));
    memset(m.text, 't', sizeof(m.text));
    CU_ASSERT_EQUAL(channel_send(fds[0], &m, -1), 0);
    CU_ASSERT_EQUAL(channel_recv(fds[1], &got, &fd), 0);
    CU_ASSERT_EQUAL(strlen(got.name), sizeof(got.name) - 1);
    CU_ASSERT_EQUAL(strlen(got.text), sizeof(got.text) - 1);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

TEST_MAIN("channel", TEST(a_message_arrives_whole_with_its_descriptor),
    TEST(messages_keep_their_order_and_an_empty_channel_says_so),
    TEST(the_end_of_one_side_is_seen_by_the_other_after_what_it_said_last),
    TEST(who_does_not_read_holds_nobody_up),
    TEST(what_is_no_message_is_refused_and_leaks_no_descriptor),
    TEST(texts_end_whatever_the_sender_did))
