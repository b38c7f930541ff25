#include "bridgehead/ctl_wire.h"
#include "bridgehead/exit_codes.h"
#include "ctl/ctl.h"
#include "test_main.h"
#include <poll.h>
#include <pthread.h>
#include <qb/qbipcc.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The server on a loop in this thread; the client, whose calls block, in another one. */
struct rig {
    struct loop *loop;
    struct ctl *ctl;
    struct loop_wake *done; /* the client has ended */
    struct ctl_request *parked;
    char name[64];
    unsigned asked, parked_count;
    bool free_when_parked;
    struct loop_timer timer;
    /* the client's */
    void (*script)(struct rig *r);
    int status[8];
    char text[8][256];
};

/* ---- commands */

static void
on_echo(void *ctx, struct ctl_request *rq, const json_t *args)
{
    struct rig *r = ctx;

    r->asked++;
    ctl_reply(rq, 0, json_pack("{s:O?}", "args", (json_t *)(uintptr_t)args));
}

static void
on_park(void *ctx, struct ctl_request *rq, const json_t *args)
{
    struct rig *r = ctx;

    (void)args;
    r->parked = rq;
    r->parked_count++;
    if (r->free_when_parked) {
        loop_stop(r->loop);
    }
}

static void
on_unpark(void *ctx, struct ctl_request *rq, const json_t *args)
{
    struct rig *r = ctx;

    (void)args;
    if (r->parked != NULL) { /* its client may be gone */
        ctl_reply(r->parked, 0, json_pack("{s:s}", "state", "released"));
        r->parked = NULL;
    }
    ctl_reply(rq, 0, json_object());
}

static void
on_long(void *ctx, struct ctl_request *rq, const json_t *args)
{
    size_t n = (size_t)json_integer_value(json_object_get(args, "bytes"));
    char *text = calloc(1, n + 1);

    (void)ctx;
    memset(text, 'x', n);
    ctl_reply(rq, 0, json_pack("{s:s}", "text", text));
    free(text);
}

static void
on_no_memory(void *ctx, struct ctl_request *rq, const json_t *args)
{
    (void)ctx;
    (void)args;
    ctl_reply(rq, 0, NULL); /* what json_pack gives when it has none */
}

static void
on_failing(void *ctx, struct ctl_request *rq, const json_t *args)
{
    (void)ctx;
    (void)args;
    ctl_fail(rq, BRIDGEHEAD_EXIT_NOT_FOUND, 1100, "not \"here\"", "Look elsewhere.");
}

static const struct ctl_command commands[] = {
    { "echo", false, on_echo },
    { "echo changes", true, on_echo },
    { "park", true, on_park },
    { "unpark", false, on_unpark },
    { "long", false, on_long },
    { "no memory", false, on_no_memory },
    { "failing", false, on_failing },
};

/* ---- the client */

static qb_ipcc_connection_t *
connect_to(const struct rig *r)
{
    char name[128];

    (void)snprintf(name, sizeof(name), BRIDGEHEAD_CTL_NAME_PREFIX "%s", r->name);
    return qb_ipcc_connect(name, BRIDGEHEAD_CTL_BYTES_MAX);
}

static int
send_raw(qb_ipcc_connection_t *conn, uint32_t version, uint32_t claimed_bytes, const char *text,
    size_t n)
{
    struct bridgehead_ctl_request h = { .id = BRIDGEHEAD_CTL_MSG_REQUEST,
        .size = (int32_t)(sizeof(h) + n),
        .version = version,
        .json_bytes = claimed_bytes };
    struct iovec iov[2] = { { .iov_base = &h, .iov_len = sizeof(h) },
        { .iov_base = (void *)(uintptr_t)text, .iov_len = n } };

    return (int)qb_ipcc_sendv(conn, iov, 2);
}

/* The status, or a negative code; the answer's beginning in text. */
static int
receive(qb_ipcc_connection_t *conn, char text[256])
{
    static char buf[BRIDGEHEAD_CTL_BYTES_MAX];
    struct bridgehead_ctl_response h;
    int n = (int)qb_ipcc_recv(conn, buf, sizeof(buf), 5000);

    text[0] = '\0';
    if (n < (int)sizeof(h)) {
        return n < 0 ? n : -EPROTO;
    }
    memcpy(&h, buf, sizeof(h));
    (void)snprintf(text, 256, "%.*s", (int)MIN(h.json_bytes, 255), buf + sizeof(h));
    return h.version == BRIDGEHEAD_CTL_VERSION && h.json_bytes == (size_t)n - sizeof(h) ? h.status
                                                                                        : -EPROTO;
}

static int
ask(qb_ipcc_connection_t *conn, const char *json, char text[256])
{
    int rc = send_raw(conn, BRIDGEHEAD_CTL_VERSION, (uint32_t)strlen(json), json, strlen(json));

    return rc < 0 ? rc : receive(conn, text);
}

static void *
run_client(void *arg)
{
    struct rig *r = arg;

    r->script(r);
    loop_wake_send(r->done);
    return NULL;
}

static void
on_done(void *ctx)
{
    struct rig *r = ctx;

    loop_stop(r->loop);
}

static void
rig_start(struct rig *r)
{
    static unsigned n;

    memset(r, 0, sizeof(*r));
    (void)snprintf(r->name, sizeof(r->name), "test-%ld-%u", (long)getpid(), n++);
    CU_ASSERT_EQUAL_FATAL(loop_new(&r->loop), 0);
    CU_ASSERT_EQUAL_FATAL(loop_wake_new(r->loop, &r->done, on_done, r), 0);
    CU_ASSERT_EQUAL_FATAL(
        ctl_start(&r->ctl, r->loop, r->name, (uint32_t)getgid(), commands, ARRAY_LEN(commands), r),
        0);
}

static void
rig_stop(struct rig *r)
{
    ctl_free(r->ctl);
    loop_wake_free(r->done);
    loop_free(r->loop);
}

static void
play(struct rig *r, void (*script)(struct rig *r))
{
    pthread_t client;

    r->script = script;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&client, NULL, run_client, r), 0);
    CU_ASSERT_EQUAL(loop_run(r->loop), 0);
    pthread_join(client, NULL);
}

/* ---- cases */

static void
ask_in_turn(struct rig *r)
{
    qb_ipcc_connection_t *conn = connect_to(r);

    if (conn == NULL) {
        r->status[0] = -errno;
        return;
    }
    r->status[0] = ask(conn, "{\"command\":\"echo\",\"args\":{\"a\":[1,2]}}", r->text[0]);
    r->status[1] = ask(conn, "{\"command\":\"echo changes\",\"args\":{}}", r->text[1]);
    r->status[2] = ask(conn, "{\"command\":\"failing\"}", r->text[2]);
    r->status[3] = ask(conn, "{\"command\":\"unheard of\"}", r->text[3]);
    r->status[4] = ask(conn, "{\"command\":\"no memory\"}", r->text[4]);
    r->status[5] = ask(conn, "{\"command\":\"echo\"}", r->text[5]);
    qb_ipcc_disconnect(conn);
}

static void
a_connection_asks_as_often_as_it_likes(void)
{
    struct rig r;

    rig_start(&r);
    play(&r, ask_in_turn);
    CU_ASSERT_EQUAL(r.status[0], 0);
    CU_ASSERT_STRING_EQUAL(r.text[0], "{\"args\":{\"a\":[1,2]}}");
    CU_ASSERT_EQUAL(r.status[1], 0);
    CU_ASSERT_EQUAL(r.status[2], BRIDGEHEAD_EXIT_NOT_FOUND);
    CU_ASSERT_STRING_EQUAL(r.text[2], "{\"error\":{\"code\":13,\"event\":1100,\"message\":\"not "
                                      "\\\"here\\\"\",\"cure\":\"Look elsewhere.\"}}");
    CU_ASSERT_EQUAL(r.status[3], BRIDGEHEAD_EXIT_USAGE);
    CU_ASSERT_EQUAL(r.status[4], BRIDGEHEAD_EXIT_FAILED);
    CU_ASSERT_EQUAL(r.status[5], 0);
    CU_ASSERT_STRING_EQUAL(r.text[5], "{\"args\":null}");
    CU_ASSERT_EQUAL(r.asked, 3);
    rig_stop(&r);
}

static void
ask_nonsense(struct rig *r)
{
    static const char good[] = "{\"command\":\"echo\"}";
    static const char *const bad[] = { "", "{", "[1,2]", "\"echo\"", "{\"command\":7}",
        "{\"command\":\"\xff\"}", "{\"args\":{}}" };
    qb_ipcc_connection_t *conn = connect_to(r);
    char text[256];
    int rc = 0;

    if (conn == NULL) {
        r->status[0] = -errno;
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(bad) && rc == 0; i++) {
        rc = ask(conn, bad[i], text);
        rc = rc == BRIDGEHEAD_EXIT_USAGE && strstr(text, "\"error\"") != NULL ? 0 : -EPROTO;
    }
    r->status[0] = rc;
    (void)send_raw(conn, 99, sizeof(good) - 1, good, sizeof(good) - 1); /* another version */
    r->status[1] = receive(conn, text);
    /* more bytes claimed than there are, by one and by all that fits a number */
    (void)send_raw(conn, BRIDGEHEAD_CTL_VERSION, sizeof(good), good, sizeof(good) - 1);
    r->status[2] = receive(conn, text);
    (void)send_raw(conn, BRIDGEHEAD_CTL_VERSION, UINT32_MAX, good, sizeof(good) - 1);
    r->status[3] = receive(conn, text);
    r->status[4] = ask(conn, good, text); /* and the connection still serves */
    qb_ipcc_disconnect(conn);
}

static void
what_cannot_be_read_is_refused_and_the_next_question_answered(void)
{
    struct rig r;

    rig_start(&r);
    play(&r, ask_nonsense);
    CU_ASSERT_EQUAL(r.status[0], 0);
    CU_ASSERT_EQUAL(r.status[1], BRIDGEHEAD_EXIT_USAGE);
    CU_ASSERT_EQUAL(r.status[2], BRIDGEHEAD_EXIT_USAGE);
    CU_ASSERT_EQUAL(r.status[3], BRIDGEHEAD_EXIT_USAGE);
    CU_ASSERT_EQUAL(r.status[4], 0);
    CU_ASSERT_EQUAL(r.asked, 1);
    rig_stop(&r);
}

static void
send_less_than_a_header(struct rig *r)
{
    struct qb_ipc_request_header h = { .id = BRIDGEHEAD_CTL_MSG_REQUEST, .size = sizeof(h) };
    qb_ipcc_connection_t *conn = connect_to(r);
    char text[256];

    if (conn != NULL) {
        (void)qb_ipcc_send(conn, &h, sizeof(h));
        r->status[0] = receive(conn, text);
        qb_ipcc_disconnect(conn);
    }
    conn = connect_to(r);
    if (conn != NULL) {
        r->status[1] = ask(conn, "{\"command\":\"echo\"}", text);
        qb_ipcc_disconnect(conn);
    }
}

static void
a_message_shorter_than_its_header_harms_nobody_else(void)
{
    struct rig r;

    rig_start(&r);
    r.status[1] = -1;
    play(&r, send_less_than_a_header);
    CU_ASSERT_NOT_EQUAL(r.status[0], 0);
    CU_ASSERT_EQUAL(r.status[1], 0);
    rig_stop(&r);
}

static void
ask_for_long_answers(struct rig *r)
{
    qb_ipcc_connection_t *conn = connect_to(r);

    if (conn == NULL) {
        r->status[0] = -errno;
        return;
    }
    r->status[0] = ask(conn, "{\"command\":\"long\",\"args\":{\"bytes\":200000}}", r->text[0]);
    r->status[1] = ask(conn, "{\"command\":\"long\",\"args\":{\"bytes\":262144}}", r->text[1]);
    r->status[2] = ask(conn, "{\"command\":\"echo\"}", r->text[2]);
    qb_ipcc_disconnect(conn);
}

static void
an_answer_that_is_too_long_asks_for_paging(void)
{
    struct rig r;

    rig_start(&r);
    play(&r, ask_for_long_answers);
    CU_ASSERT_EQUAL(r.status[0], 0);
    CU_ASSERT_EQUAL(r.status[1], BRIDGEHEAD_EXIT_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(r.text[1], "too long"));
    CU_ASSERT_EQUAL(r.status[2], 0);
    rig_stop(&r);
}

static void
park_and_vanish(struct rig *r)
{
    static const char park[] = "{\"command\":\"park\"}";
    qb_ipcc_connection_t *conn = connect_to(r);
    char text[256];

    if (conn != NULL) {
        (void)send_raw(conn, BRIDGEHEAD_CTL_VERSION, sizeof(park) - 1, park, sizeof(park) - 1);
        r->status[0] = (int)qb_ipcc_recv(conn, text, sizeof(text), 50); /* none comes */
        qb_ipcc_disconnect(conn);
    }
    conn = connect_to(r);
    if (conn != NULL) {
        r->status[1] = ask(conn, "{\"command\":\"unpark\"}", text);
        r->status[2] = ask(conn, "{\"command\":\"echo\"}", text);
        qb_ipcc_disconnect(conn);
    }
}

static void
a_client_that_vanishes_leaves_its_answer_to_nobody(void)
{
    struct rig r;

    rig_start(&r);
    r.status[1] = r.status[2] = -1;
    play(&r, park_and_vanish);
    CU_ASSERT(r.status[0] < 0);
    CU_ASSERT_EQUAL(r.parked_count, 1);
    CU_ASSERT_PTR_NULL(r.parked);
    CU_ASSERT_EQUAL(r.status[1], 0);
    CU_ASSERT_EQUAL(r.status[2], 0);
    rig_stop(&r);
}

static void
two_clients(struct rig *r)
{
    static const char park[] = "{\"command\":\"park\"}";
    qb_ipcc_connection_t *waits = connect_to(r), *other = connect_to(r);

    if (waits != NULL && other != NULL) {
        (void)send_raw(waits, BRIDGEHEAD_CTL_VERSION, sizeof(park) - 1, park, sizeof(park) - 1);
        r->status[0] = ask(other, "{\"command\":\"echo\"}", r->text[0]);
        r->status[1] = ask(other, "{\"command\":\"unpark\"}", r->text[1]);
        r->status[2] = receive(waits, r->text[2]);
        qb_ipcc_disconnect(waits);
        qb_ipcc_disconnect(other);
    }
}

static void
an_answer_may_come_later_and_holds_up_no_other(void)
{
    struct rig r;

    rig_start(&r);
    r.status[0] = r.status[1] = r.status[2] = -1;
    play(&r, two_clients);
    CU_ASSERT_EQUAL(r.status[0], 0);
    CU_ASSERT_EQUAL(r.status[1], 0);
    CU_ASSERT_EQUAL(r.status[2], 0);
    CU_ASSERT_STRING_EQUAL(r.text[2], "{\"state\":\"released\"}");
    rig_stop(&r);
}

static void
park_and_wait(struct rig *r)
{
    qb_ipcc_connection_t *conn = connect_to(r);

    if (conn == NULL) {
        r->status[0] = -errno;
        return;
    }
    r->status[0] = ask(conn, "{\"command\":\"park\"}", r->text[0]);
    qb_ipcc_disconnect(conn);
}

static void
open_questions_are_answered_when_the_server_ends(void)
{
    pthread_t client;
    struct rig r;

    rig_start(&r);
    r.free_when_parked = true;
    r.script = park_and_wait;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&client, NULL, run_client, &r), 0);
    CU_ASSERT_EQUAL(loop_run(r.loop), 0);
    CU_ASSERT_EQUAL(r.parked_count, 1);
    ctl_free(r.ctl);
    pthread_join(client, NULL);
    CU_ASSERT_EQUAL(r.status[0], BRIDGEHEAD_EXIT_NOT_RUNNING);
    CU_ASSERT_PTR_NOT_NULL(strstr(r.text[0], "stopping"));
    loop_wake_free(r.done);
    loop_free(r.loop);
}

static void
many_clients(struct rig *r)
{
    qb_ipcc_connection_t *conn[24];
    char text[256];
    int served = 0;

    for (size_t i = 0; i < ARRAY_LEN(conn); i++) {
        conn[i] = connect_to(r);
    }
    for (size_t i = 0; i < ARRAY_LEN(conn); i++) {
        served += conn[i] != NULL && ask(conn[i], "{\"command\":\"echo\"}", text) == 0 ? 1 : 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(conn); i++) {
        if (conn[i] != NULL) {
            qb_ipcc_disconnect(conn[i]);
        }
    }
    r->status[0] = served;
}

static void
clients_come_and_go(void)
{
    struct rig r;

    rig_start(&r);
    play(&r, many_clients);
    CU_ASSERT_EQUAL(r.status[0], 24);
    play(&r, ask_in_turn);
    CU_ASSERT_EQUAL(r.status[5], 0);
    rig_stop(&r);
}

/* Anybody on the host may have taken the name. */
static void
a_name_that_is_taken_is_an_error(void)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    struct ctl *ctl = NULL;
    struct loop *loop;
    char name[64];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(name, sizeof(name), "taken%d", (int)getpid());
    (void)snprintf(sa.sun_path + 1, sizeof(sa.sun_path) - 1, BRIDGEHEAD_CTL_NAME_PREFIX "%s", name);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    CU_ASSERT_EQUAL(ctl_start(&ctl, loop, name, (uint32_t)getgid(), NULL, 0, NULL), -EADDRINUSE);
    CU_ASSERT_PTR_NULL(ctl);
    loop_free(loop);
    close(fd);
}

TEST_MAIN("ctl_server", TEST(a_name_that_is_taken_is_an_error),
    TEST(a_connection_asks_as_often_as_it_likes),
    TEST(what_cannot_be_read_is_refused_and_the_next_question_answered),
    TEST(a_message_shorter_than_its_header_harms_nobody_else),
    TEST(an_answer_that_is_too_long_asks_for_paging),
    TEST(a_client_that_vanishes_leaves_its_answer_to_nobody),
    TEST(an_answer_may_come_later_and_holds_up_no_other),
    TEST(open_questions_are_answered_when_the_server_ends), TEST(clients_come_and_go))
