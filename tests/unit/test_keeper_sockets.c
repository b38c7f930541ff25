#include "app/keeper_sockets.h"
#include "test_main.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* A configuration with these listeners on the loopback: {name, port}. */
struct row {
    const char *name;
    uint16_t port;
};

static struct app_conf *
conf_of(const struct row *rows, size_t count)
{
    struct app_conf *c = calloc(1, sizeof(*c));

    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    for (size_t i = 0; i < count; i++) {
        struct app_listener *l = &c->listeners[i];

        (void)snprintf(l->name, sizeof(l->name), "%s", rows[i].name);
        CU_ASSERT_EQUAL_FATAL(netaddr_parse(SLICE_LIT("127.0.0.1"), &l->addresses[0]), 0);
        l->addresses[0].port = rows[i].port;
        l->address_count = 1;
    }
    c->listener_count = count;
    return c;
}

/* A port that is free now, or one that stays taken while *fd is open. */
static uint16_t
a_port(int *fd)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(sa);
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CU_ASSERT_FATAL(s >= 0);
    CU_ASSERT_EQUAL_FATAL(bind(s, (struct sockaddr *)&sa, sizeof(sa)), 0);
    CU_ASSERT_EQUAL_FATAL(listen(s, 1), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(s, (struct sockaddr *)&sa, &n), 0);
    if (fd != NULL) {
        *fd = s;
    } else {
        (void)close(s);
    }
    return ntohs(sa.sin_port);
}

static int
apply(struct keeper_sockets *s, const struct row *rows, size_t count, char text[256])
{
    struct app_conf *c = conf_of(rows, count);
    int rc;

    text[0] = '\0';
    rc = keeper_sockets_open(s, c, text, 256);
    free(c);
    return rc;
}

static bool
is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void
a_socket_that_stays_is_not_touched(void)
{
    static struct keeper_sockets s;
    uint16_t a = a_port(NULL), b = a_port(NULL), c = a_port(NULL);
    char text[256];
    int fd_a, fd_b;

    CU_ASSERT_EQUAL_FATAL(apply(&s, (const struct row[]){ { "a", a }, { "b", b } }, 2, text), 0);
    CU_ASSERT_EQUAL(s.count, 2);
    fd_a = s.all[0].fd;
    fd_b = s.all[1].fd;
    /* a goes, b stays under another name, c comes */
    CU_ASSERT_EQUAL(apply(&s, (const struct row[]){ { "c", c }, { "bb", b } }, 2, text), 0);
    CU_ASSERT_EQUAL(s.count, 2);
    CU_ASSERT_EQUAL(s.all[0].fd, fd_b);
    CU_ASSERT_STRING_EQUAL(s.all[0].name, "bb");
    CU_ASSERT_STRING_EQUAL(s.all[1].name, "c");
    CU_ASSERT(!is_open(fd_a) || s.all[1].fd == fd_a);
    CU_ASSERT_EQUAL(apply(&s, NULL, 0, text), 0);
    CU_ASSERT_EQUAL(s.count, 0);
    CU_ASSERT_FALSE(is_open(fd_b));
    keeper_sockets_close(&s);
}

static void
a_port_in_use_leaves_all_as_it_was(void)
{
    static struct keeper_sockets s;
    uint16_t a = a_port(NULL), b = a_port(NULL), taken;
    char text[256];
    int fd, fd_a, before, after;

    CU_ASSERT_EQUAL_FATAL(apply(&s, (const struct row[]){ { "a", a } }, 1, text), 0);
    fd_a = s.all[0].fd;
    taken = a_port(&fd);
    before = dup(0);
    (void)close(before);
    CU_ASSERT_EQUAL(
        apply(&s, (const struct row[]){ { "other", a }, { "b", b }, { "c", taken } }, 3, text),
        -EADDRINUSE);
    after = dup(0);
    (void)close(after);
    CU_ASSERT_EQUAL(after, before);
    CU_ASSERT_EQUAL(s.count, 1);
    CU_ASSERT_EQUAL(s.all[0].fd, fd_a);
    CU_ASSERT_STRING_EQUAL(s.all[0].name, "a");
    CU_ASSERT_TRUE(is_open(fd_a));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "listener.c"));
    (void)close(fd);
    keeper_sockets_close(&s);
    CU_ASSERT_FALSE(is_open(fd_a));
}

static void
an_address_that_is_not_here_yet_can_be_listened_on(void)
{
    static struct keeper_sockets s;
    struct app_conf *c = conf_of((const struct row[]){ { "mx", 0 } }, 1);
    char text[256] = "";

    CU_ASSERT_EQUAL(netaddr_parse(SLICE_LIT("192.0.2.77"), &c->listeners[0].addresses[0]), 0);
    c->listeners[0].addresses[0].port = a_port(NULL);
    CU_ASSERT_EQUAL(keeper_sockets_open(&s, c, text, sizeof(text)), 0); /* the VIP comes later */
    keeper_sockets_close(&s);
    free(c);
}

/* Does it drop what comes? The kernel knows how long its filter is. */
static bool
is_muted(int fd)
{
    socklen_t instructions = 0;

    CU_ASSERT_EQUAL(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &instructions), 0);
    return instructions > 0;
}

static void
what_is_opened_while_muted_is_muted(void)
{
    static struct keeper_sockets s;
    uint16_t a = a_port(NULL), b = a_port(NULL), c = a_port(NULL);
    char text[256];

    CU_ASSERT_EQUAL_FATAL(apply(&s, (const struct row[]){ { "a", a } }, 1, text), 0);
    keeper_sockets_mute(&s, true);
    if (!is_muted(s.all[0].fd) && geteuid() != 0) {
        keeper_sockets_close(&s);
        return; /* this kernel lets only root do so */
    }
    CU_ASSERT_EQUAL(apply(&s, (const struct row[]){ { "a", a }, { "b", b } }, 2, text), 0);
    CU_ASSERT_EQUAL_FATAL(s.count, 2);
    CU_ASSERT_TRUE(is_muted(s.all[0].fd));
    CU_ASSERT_TRUE(is_muted(s.all[1].fd));
    keeper_sockets_mute(&s, false);
    CU_ASSERT_EQUAL(apply(&s, (const struct row[]){ { "b", b }, { "c", c } }, 2, text), 0);
    CU_ASSERT_EQUAL_FATAL(s.count, 2);
    CU_ASSERT_FALSE(is_muted(s.all[0].fd));
    CU_ASSERT_FALSE(is_muted(s.all[1].fd));
    keeper_sockets_close(&s);
}

TEST_MAIN("keeper_sockets", TEST(a_socket_that_stays_is_not_touched),
    TEST(what_is_opened_while_muted_is_muted), TEST(a_port_in_use_leaves_all_as_it_was),
    TEST(an_address_that_is_not_here_yet_can_be_listened_on))
