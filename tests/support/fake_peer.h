/* support/fake_peer.h - an SMTP server on the test's own loop that says what a script tells it.
 *
 * A reply is a C string; in it '~' at the end closes the connection behind it, NULL says nothing.
 * Each accepted connection takes the next script; the last one stays for all that follow.
 */
#ifndef SUPPORT_FAKE_PEER_H
#define SUPPORT_FAKE_PEER_H

#include "core/buf.h"
#include "net/conn.h"
#include "net/listener.h"
#include "test_main.h"
#include <signal.h>

#define PEER_SAYS_MAX    16
#define PEER_SCRIPTS_MAX 8

enum peer_mood {
    PEER_ANSWERS,
    PEER_DRIPS,      /* a byte of an endless greeting every millisecond */
    PEER_FLOODS,     /* an endless greeting as fast as it goes */
    PEER_NEVER_READS /* after 354 */
};

struct peer_script {
    const char *greeting, *ehlo, *helo, *mail, *data, *dot, *rset;
    const char *rcpt[PEER_SAYS_MAX]; /* of a transaction, in order; the last stays */
    const char *mail_next;           /* of the second transaction on; NULL: as mail */
    enum peer_mood mood;
};

#define PEER_GOOD                                                                                  \
    {                                                                                              \
        .greeting = "220 peer\r\n", .ehlo = "250-peer\r\n250 PIPELINING\r\n",                      \
        .mail = "250 ok\r\n", .rcpt = { "250 ok\r\n" }, .data = "354 go\r\n",                      \
        .dot = "250 2.0.0 queued\r\n", .rset = "250 ok\r\n"                                        \
    }

struct peer {
    struct loop *loop;
    struct listener *listener;
    struct netaddr address; /* with the port */
    struct peer_script scripts[PEER_SCRIPTS_MAX];
    unsigned script_count;
    unsigned connections, open, quits, mails, dots;
    struct buf commands; /* all lines but content, each with '\n' */
    struct buf content;  /* as received, without the dot */
    struct conn *stuck;  /* PEER_NEVER_READS: it reads again when the test says so */
};

struct peer_session {
    struct peer *peer;
    struct conn *c;
    const struct peer_script *s;
    struct buf in;
    struct loop_timer drip;
    unsigned rcpts, mails;
    bool data;
};

static inline void
peer_session_end(struct peer_session *ps)
{
    ps->peer->open--;
    loop_timer_stop(&ps->drip);
    conn_close(ps->c, 100);
    buf_fini(&ps->in);
    free(ps);
}

static inline bool
peer_say(struct peer_session *ps, const char *reply)
{
    struct slice s = slice_of(reply);
    bool close = s.n > 0 && s.p[s.n - 1] == '~';

    conn_send(ps->c, slice_sub(s, 0, close ? s.n - 1 : s.n));
    if (close) {
        peer_session_end(ps);
    }
    return !close;
}

static inline const char *
peer_command(struct peer_session *ps, struct slice line)
{
    const struct peer_script *s = ps->s;

    if (slice_istarts(line, SLICE_LIT("EHLO")) || slice_istarts(line, SLICE_LIT("LHLO"))) {
        return s->ehlo;
    } else if (slice_istarts(line, SLICE_LIT("HELO"))) {
        return s->helo;
    } else if (slice_istarts(line, SLICE_LIT("MAIL"))) {
        ps->rcpts = 0;
        ps->peer->mails++;
        ps->mails++;
        return ps->mails > 1 && s->mail_next != NULL ? s->mail_next : s->mail;
    } else if (slice_istarts(line, SLICE_LIT("RCPT"))) {
        while (ps->rcpts > 0 && s->rcpt[ps->rcpts] == NULL) {
            ps->rcpts--;
        }
        return s->rcpt[ps->rcpts++];
    } else if (slice_istarts(line, SLICE_LIT("DATA"))) {
        ps->data = s->data != NULL && strncmp(s->data, "354", 3) == 0;
        if (ps->data && s->mood == PEER_NEVER_READS) {
            conn_set_reading(ps->c, false);
            ps->peer->stuck = ps->c;
        }
        return s->data;
    } else if (slice_istarts(line, SLICE_LIT("RSET"))) {
        return s->rset;
    } else if (slice_istarts(line, SLICE_LIT("QUIT"))) {
        ps->peer->quits++;
        return "221 bye\r\n~";
    }
    return "500 what\r\n";
}

/* False: the session is gone. */
static inline bool
peer_line(struct peer_session *ps, struct slice line)
{
    const char *reply;

    if (ps->data && !slice_eq(line, SLICE_LIT("."))) {
        CU_ASSERT_EQUAL_FATAL(buf_append(&ps->peer->content, line), 0);
        CU_ASSERT_EQUAL_FATAL(buf_append(&ps->peer->content, SLICE_LIT("\n")), 0);
        return true;
    }
    if (ps->data) {
        ps->data = false;
        ps->peer->dots++;
        reply = ps->s->dot;
    } else {
        CU_ASSERT_EQUAL_FATAL(buf_append(&ps->peer->commands, line), 0);
        CU_ASSERT_EQUAL_FATAL(buf_append(&ps->peer->commands, SLICE_LIT("\n")), 0);
        reply = peer_command(ps, line);
    }
    return reply == NULL || peer_say(ps, reply);
}

static inline void
peer_on_bytes(void *ctx, struct slice bytes)
{
    struct peer_session *ps = ctx;

    CU_ASSERT_EQUAL_FATAL(buf_append(&ps->in, bytes), 0);
    for (;;) {
        struct slice all = buf_slice(&ps->in);
        size_t n = slice_find(all, '\n');

        if (n == all.n) {
            return;
        }
        CU_ASSERT_TRUE(n > 0 && all.p[n - 1] == '\r');
        if (!peer_line(ps, slice_sub(all, 0, n - 1))) {
            return;
        }
        buf_consume(&ps->in, n + 1);
    }
}

static inline void
peer_on_drained(void *ctx)
{
    struct peer_session *ps = ctx;

    if (ps->s->mood == PEER_FLOODS) {
        for (int i = 0; i < 100; i++) {
            conn_send(ps->c, SLICE_LIT("220-and there is more to say about this server\r\n"));
        }
    }
}

static inline void
peer_on_end(void *ctx, int status)
{
    (void)status;
    peer_session_end(ctx);
}

static inline void
peer_on_drip(void *ctx)
{
    struct peer_session *ps = ctx;

    conn_send(ps->c, SLICE_LIT("2"));
    loop_timer_start(&ps->drip, 1);
}

static inline void
peer_on_accept(void *ctx, int fd, const struct netaddr *from)
{
    static const struct conn_user user = { peer_on_bytes, peer_on_drained, peer_on_end };
    struct peer *p = ctx;
    struct peer_session *ps = calloc(1, sizeof(*ps));

    (void)from;
    CU_ASSERT_PTR_NOT_NULL_FATAL(ps);
    ps->peer = p;
    ps->s = &p->scripts[MIN(p->connections, p->script_count - 1)];
    p->connections++;
    p->open++;
    buf_init(&ps->in, 16 * MIB);
    loop_timer_init(p->loop, &ps->drip, peer_on_drip, ps);
    CU_ASSERT_EQUAL_FATAL(conn_new(&ps->c, p->loop, fd, &user, ps), 0);
    conn_set_reading(ps->c, true);
    if (ps->s->mood == PEER_DRIPS) {
        conn_send(ps->c, SLICE_LIT("220-"));
        loop_timer_start(&ps->drip, 1);
    } else if (ps->s->mood == PEER_FLOODS) {
        conn_send(ps->c, SLICE_LIT("220-here it comes\r\n"));
    } else if (ps->s->greeting != NULL) {
        (void)peer_say(ps, ps->s->greeting);
    }
}

/* On address:port; port 0: any. Scripts are added after. */
static inline void
peer_start(struct peer *p, struct loop *l, const char *address, uint16_t port)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof(sa);
    int fd;

    (void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
    memset(p, 0, sizeof(*p));
    p->loop = l;
    buf_init(&p->commands, MIB);
    buf_init(&p->content, 64 * MIB);
    CU_ASSERT_EQUAL_FATAL(netaddr_parse(slice_of(address), &p->address), 0);
    p->address.port = port;
    CU_ASSERT_EQUAL_FATAL(listener_open(&p->address, &fd), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    CU_ASSERT_EQUAL_FATAL(netaddr_from_sockaddr((struct sockaddr *)&sa, &p->address), 0);
    CU_ASSERT_EQUAL_FATAL(listener_start(&p->listener, l, fd, peer_on_accept, p), 0);
}

static inline struct peer_script *
peer_add(struct peer *p)
{
    CU_ASSERT_TRUE_FATAL(p->script_count < PEER_SCRIPTS_MAX);
    p->scripts[p->script_count] = (struct peer_script)PEER_GOOD;
    return &p->scripts[p->script_count++];
}

static inline void
peer_stop(struct peer *p)
{
    if (p->listener != NULL) {
        listener_free(p->listener, true);
    }
    buf_fini(&p->commands);
    buf_fini(&p->content);
}

#endif
