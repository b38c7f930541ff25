/* smtp_load.c - a fast SMTP load generator: numbered messages over many sessions.
 *
 * One thread, edge-triggered epoll. By default each session speaks like a plain client: one
 * command, one answer. A message's number and two timestamps travel in its X-Bench header
 * (bench_util.h), so that smtp_sink can tell what came through, how late, and what came twice.
 *
 * A message is tried once. It counts as acked (2xx after the dot), failed (any other answer, or no
 * connection left before the dot was sent) or unknown (the dot was sent, no answer came).
 */
#include "bench_util.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EVENTS_MAX = 512,
    DOMAINS_MAX = 64,
    /* Body text is lines of LINE_BYTES; the pattern is sent from one shared buffer, so that a
     * message of 100 MB costs the generator nothing. */
    LINE_BYTES = 64,
    PATTERN_BYTES = 256 * 1024,
    /* Half-open connections at a time: more would only overflow the listener's backlog. */
    CONNECTING_MAX = 64,
};

#define RECONNECT_PAUSE_NS (100 * NS_PER_MS)

enum state {
    ST_CLOSED, /* waits for wake_ns, then connects */
    ST_GREETING,
    ST_EHLO,
    ST_READY, /* waits for a message to be due */
    ST_MAIL,
    ST_RCPT,
    ST_DATA,
    ST_DOT,
    ST_RSET,
    ST_QUIT,
    ST_IDLE, /* --idle: greeted, and silent for ever after */
    ST_DONE,
    STATE_COUNT,
};

struct session {
    int fd;
    enum state state;
    bool connecting;
    bool queued;              /* member of the ready list */
    uint64_t number;          /* of the message in hand */
    uint64_t mail_ns;         /* when MAIL was sent */
    uint64_t dot_ns;          /* when the last byte of content was handed over */
    uint64_t wake_ns;         /* when to connect; then when it was done */
    uint64_t active_ns;       /* last sign of life, for the timeout */
    uint64_t on_connection;   /* messages sent over this connection */
    size_t out_bytes, out_at; /* command or header */
    uint64_t body_left;
    size_t tail_left; /* of the final dot line */
    size_t in_bytes;
    struct session *next; /* ready list */
    char out[1536];
    char in[2048];
};

static struct {
    struct endpoint_addr to, bind;
    bool bound, pipeline, idle;
    uint64_t sessions, messages, size, per_connection, first, timeout_ns, seconds;
    double rate;
    const char *domains[DOMAINS_MAX];
    size_t domain_count;
    const char *sender, *helo, *json, *log_path;
} opt = { .sessions = 1,
    .messages = 1,
    .size = 4096,
    .timeout_ns = 300 * NS_PER_S,
    .sender = "bench@sender.test",
    .helo = "load.bench.test" };

static struct {
    int epoll_fd;
    struct session *session;
    struct session *ready, *ready_tail;
    uint64_t issued, acked, failed, unknown, connections, connect_failures, dropped;
    uint64_t started_ns, first_mail_ns, last_ack_ns;
    uint64_t connecting, closed, done, idle_open;
    bool idle_told;
    FILE *log;
    struct histogram dot, mail, greeting;
    char first_error[256];
    char pattern[PATTERN_BYTES];
} run;

static void session_fail(struct session *s, const char *why);
static void session_end(struct session *s, uint64_t pause_ns);

static void
note_error(const char *why, const char *detail, size_t detail_bytes)
{
    if (run.first_error[0] == '\0') {
        (void)snprintf(
            run.first_error, sizeof(run.first_error), "%s: %.*s", why, (int)detail_bytes, detail);
    }
}

static void
log_message(const char *what, const struct session *s)
{
    if (run.log != NULL) {
        (void)fprintf(run.log, "%s %llu %llu\n", what, (unsigned long long)bench_now_ns(),
            (unsigned long long)s->number);
    }
}

/* Send what the session has pending: command or header, then body, then the dot. */
static void
session_flush(struct session *s)
{
    static char tail[] = ".\r\n";

    while (s->out_at < s->out_bytes || s->body_left > 0 || s->tail_left > 0) {
        struct iovec iov[3];
        int parts = 0;
        size_t chunk = 0;
        ssize_t sent;
        size_t left;

        if (s->out_at < s->out_bytes) {
            iov[parts++] = (struct iovec){ s->out + s->out_at, s->out_bytes - s->out_at };
        }
        if (s->body_left > 0) {
            /* The body ends with the pattern, so its last byte always ends a line. */
            size_t at = (PATTERN_BYTES - (size_t)(s->body_left % PATTERN_BYTES)) % PATTERN_BYTES;

            chunk = PATTERN_BYTES - at;
            iov[parts++] = (struct iovec){ run.pattern + at, chunk };
        }
        if (s->tail_left > 0 && s->body_left == chunk) {
            iov[parts++] = (struct iovec){ tail + sizeof(tail) - 1 - s->tail_left, s->tail_left };
        }
        sent = writev(s->fd, iov, parts);
        if (sent < 0) {
            if (errno != EAGAIN && errno != ENOTCONN) {
                session_fail(s, "write");
            }
            return;
        }
        left = (size_t)sent;
        if (left < s->out_bytes - s->out_at) {
            s->out_at += left;
            continue;
        }
        left -= s->out_bytes - s->out_at;
        s->out_at = s->out_bytes;
        if (left < chunk) {
            s->body_left -= left;
            continue;
        }
        s->body_left -= chunk;
        s->tail_left -= left - chunk;
    }
    s->out_at = 0;
    s->out_bytes = 0;
}

static void session_send(struct session *s, enum state next, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void
session_send(struct session *s, enum state next, const char *format, ...)
{
    va_list args;
    int bytes;

    va_start(args, format);
    bytes = vsnprintf(s->out + s->out_bytes, sizeof(s->out) - s->out_bytes, format, args);
    va_end(args);
    if (bytes < 0 || (size_t)bytes >= sizeof(s->out) - s->out_bytes) {
        bench_die(EXIT_USAGE, "a name in the options is too long");
    }
    s->out_bytes += (size_t)bytes;
    s->state = next;
    session_flush(s);
}

static bool
all_issued(uint64_t now_ns)
{
    return bench_stop_asked || (opt.messages > 0 && run.issued >= opt.messages) ||
           (opt.seconds > 0 && run.first_mail_ns > 0 &&
               now_ns >= run.first_mail_ns + opt.seconds * NS_PER_S);
}

/* When the next message is due; 0 for at once. */
static uint64_t
next_due_ns(void)
{
    if (opt.rate <= 0 || run.first_mail_ns == 0) {
        return 0;
    }
    return run.first_mail_ns + (uint64_t)((double)run.issued / opt.rate * (double)NS_PER_S);
}

static const char *
recipient_domain(uint64_t number)
{
    return opt.domains[number % opt.domain_count];
}

static void
message_start(struct session *s, uint64_t now_ns)
{
    s->number = opt.first + run.issued++;
    s->mail_ns = now_ns;
    s->on_connection++;
    if (run.first_mail_ns == 0) {
        run.first_mail_ns = now_ns;
    }
    session_send(s, ST_MAIL,
        opt.pipeline ? "MAIL FROM:<%s>\r\nRCPT TO:<r%llu@%s>\r\nDATA\r\n" : "MAIL FROM:<%s>\r\n",
        opt.sender, (unsigned long long)(s->number % 1000), recipient_domain(s->number));
}

/* The session has nothing in hand: give it the next message, or let it wait or leave. */
static void
session_ready(struct session *s, uint64_t now_ns)
{
    s->state = ST_READY;
    if (all_issued(now_ns) || (opt.per_connection > 0 && s->on_connection >= opt.per_connection)) {
        session_send(s, ST_QUIT, "QUIT\r\n");
        return;
    }
    if (run.ready == NULL && next_due_ns() <= now_ns) {
        message_start(s, now_ns);
        return;
    }
    s->next = NULL;
    s->queued = true;
    if (run.ready == NULL) {
        run.ready = s;
    } else {
        run.ready_tail->next = s;
    }
    run.ready_tail = s;
}

/* Serve the sessions that wait for a message to become due (or for the end). */
static void
ready_serve(uint64_t now_ns)
{
    while (run.ready != NULL && (next_due_ns() <= now_ns || all_issued(now_ns))) {
        struct session *s = run.ready;

        run.ready = s->next;
        s->queued = false;
        if (all_issued(now_ns)) {
            session_send(s, ST_QUIT, "QUIT\r\n");
        } else {
            message_start(s, now_ns);
        }
    }
}

static void
content_start(struct session *s)
{
    unsigned long long number = s->number;
    uint64_t now_ns = bench_now_ns();
    int bytes;

    bytes = snprintf(s->out, sizeof(s->out),
        BENCH_HEADER "%llu %llu %llu\r\n"
                     "From: <%s>\r\n"
                     "To: <r%llu@%s>\r\n"
                     "Subject: message %llu\r\n"
                     "Message-ID: <%llu.%llu@%s>\r\n"
                     "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
                     "\r\n",
        number, (unsigned long long)s->mail_ns, (unsigned long long)now_ns, opt.sender,
        number % 1000, recipient_domain(number), number, number, (unsigned long long)run.started_ns,
        opt.helo);
    if (bytes < 0 || (size_t)bytes >= sizeof(s->out)) {
        bench_die(EXIT_USAGE, "a name in the options is too long");
    }
    s->out_at = 0;
    s->out_bytes = (size_t)bytes;
    s->body_left = opt.size > s->out_bytes ? opt.size - s->out_bytes : 0;
    if (s->body_left % LINE_BYTES == 1) {
        s->body_left++; /* a first line of one byte would be a bare LF */
    }
    s->tail_left = 3;
    s->dot_ns = now_ns;
    s->state = ST_DOT;
    session_flush(s);
    if (s->state == ST_DOT && s->tail_left == 0) {
        s->dot_ns = bench_now_ns();
    }
}

static void
on_greeting(struct session *s, uint64_t now_ns)
{
    histogram_add(&run.greeting, now_ns - s->wake_ns);
    session_send(s, ST_EHLO, "EHLO %s\r\n", opt.helo);
}

static void
on_ehlo(struct session *s, uint64_t now_ns)
{
    if (opt.idle) {
        s->state = ST_IDLE;
        run.idle_open++;
        return;
    }
    session_ready(s, now_ns);
}

static void
on_mail(struct session *s, uint64_t now_ns)
{
    (void)now_ns;
    if (opt.pipeline) {
        s->state = ST_RCPT;
        return;
    }
    session_send(s, ST_RCPT, "RCPT TO:<r%llu@%s>\r\n", (unsigned long long)(s->number % 1000),
        recipient_domain(s->number));
}

static void
on_rcpt(struct session *s, uint64_t now_ns)
{
    (void)now_ns;
    if (opt.pipeline) {
        s->state = ST_DATA;
        return;
    }
    session_send(s, ST_DATA, "DATA\r\n");
}

static void
on_data(struct session *s, uint64_t now_ns)
{
    (void)now_ns;
    content_start(s);
}

static void
on_dot(struct session *s, uint64_t now_ns)
{
    run.acked++;
    run.last_ack_ns = now_ns;
    histogram_add(&run.dot, now_ns - s->dot_ns);
    histogram_add(&run.mail, now_ns - s->mail_ns);
    log_message("acked", s);
    session_ready(s, now_ns);
}

static void
on_quit(struct session *s, uint64_t now_ns)
{
    (void)now_ns;
    session_end(s, 0);
}

/* What each state expects, and what comes next when it gets it. */
static const struct {
    char want; /* first digit of the reply */
    void (*run)(struct session *s, uint64_t now_ns);
} on_reply[STATE_COUNT] = {
    [ST_GREETING] = { '2', on_greeting },
    [ST_EHLO] = { '2', on_ehlo },
    [ST_MAIL] = { '2', on_mail },
    [ST_RCPT] = { '2', on_rcpt },
    [ST_DATA] = { '3', on_data },
    [ST_DOT] = { '2', on_dot },
    [ST_RSET] = { '2', session_ready },
    [ST_QUIT] = { '2', on_quit },
};

static void
session_reply(struct session *s, const char *line, size_t bytes, uint64_t now_ns)
{
    enum state state = s->state;

    s->active_ns = now_ns;
    if (on_reply[state].run == NULL) {
        session_fail(s, "unexpected reply (the peer gives up?)");
        return;
    }
    if (line[0] == on_reply[state].want) {
        on_reply[state].run(s, now_ns);
        return;
    }
    note_error("refused", line, bytes);
    if (state == ST_QUIT) {
        session_end(s, 0);
    } else if (state < ST_MAIL || line[0] == '2' || line[0] == '3' || memcmp(line, "421", 3) == 0 ||
               (opt.pipeline && state != ST_DOT)) {
        session_fail(s, "refused");
    } else {
        run.failed++;
        log_message("failed", s);
        session_send(s, ST_RSET, "RSET\r\n");
    }
}

static void
session_lines(struct session *s, uint64_t now_ns)
{
    size_t at = 0;

    while (s->fd >= 0) {
        char *line = s->in + at;
        char *end = memchr(line, '\n', s->in_bytes - at);
        size_t bytes;

        if (end == NULL) {
            break;
        }
        bytes = (size_t)(end - line);
        at += bytes + 1;
        if (bytes < 3 || line[0] < '2' || line[0] > '5') {
            session_fail(s, "not an SMTP reply");
            return;
        }
        if (line[3] != '-') {
            session_reply(s, line, bytes - (line[bytes - 1] == '\r'), now_ns);
        }
    }
    if (s->fd >= 0) {
        s->in_bytes -= at;
        memmove(s->in, s->in + at, s->in_bytes);
        if (s->in_bytes == sizeof(s->in)) {
            session_fail(s, "reply line too long");
        }
    }
}

static void
session_read(struct session *s, uint64_t now_ns)
{
    while (s->fd >= 0) {
        size_t space = sizeof(s->in) - s->in_bytes;
        ssize_t got = recv(s->fd, s->in + s->in_bytes, space, 0);

        if (got < 0) {
            if (errno != EAGAIN) {
                session_fail(s, strerror(errno));
            }
            return;
        }
        if (got == 0) {
            session_fail(s, "closed by the peer");
            return;
        }
        s->in_bytes += (size_t)got;
        session_lines(s, now_ns);
        if ((size_t)got < space) {
            return; /* drained: with edge triggering the next byte wakes us again */
        }
    }
}

/* Close the connection; connect again after the pause if there is anything left to do. */
static void
session_end(struct session *s, uint64_t pause_ns)
{
    uint64_t now_ns = bench_now_ns();

    if (s->fd >= 0) {
        (void)close(s->fd);
    }
    run.connecting -= s->connecting ? 1 : 0;
    s->connecting = false;
    s->fd = -1;
    s->in_bytes = s->out_bytes = s->out_at = 0;
    s->body_left = s->tail_left = 0;
    s->on_connection = 0;
    s->wake_ns = now_ns + pause_ns;
    s->state = ST_CLOSED;
    run.closed++;
}

static void
ready_remove(struct session *s)
{
    struct session **at = &run.ready;
    struct session *before = NULL;

    while (*at != s) {
        before = *at;
        at = &before->next;
    }
    *at = s->next;
    if (run.ready_tail == s) {
        run.ready_tail = before;
    }
    s->queued = false;
}

/* The connection is of no more use: settle the message in hand, close, come back later. */
static void
session_fail(struct session *s, const char *why)
{
    note_error("connection", why, strlen(why));
    if (s->queued) {
        ready_remove(s);
    }
    switch (s->state) {
    case ST_GREETING:
    case ST_EHLO:
        run.connect_failures++;
        break;
    case ST_DOT:
        if (s->tail_left == 0) {
            run.unknown++;
            log_message("unknown", s);
            break;
        } /* fall through */
    case ST_MAIL:
    case ST_RCPT:
    case ST_DATA:
        run.failed++;
        log_message("failed", s);
        break;
    case ST_IDLE:
        run.idle_open--;
        run.dropped++;
        break;
    case ST_CLOSED:
    case ST_READY:
    case ST_RSET:
    case ST_QUIT:
    case ST_DONE:
    case STATE_COUNT:
        run.dropped++;
        break;
    }
    session_end(s, RECONNECT_PAUSE_NS);
}

static void
session_connect(struct session *s, uint64_t now_ns)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
    int on = 1;

    s->fd = socket(opt.to.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0) {
        bench_die(EXIT_FAILED, "socket: %s (raise ulimit -n?)", strerror(errno));
    }
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (opt.bound) {
        (void)setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
        if (bind(s->fd, (const struct sockaddr *)&opt.bind.storage, opt.bind.bytes) != 0) {
            bench_die(EXIT_FAILED, "--bind: %s", strerror(errno));
        }
    }
    event.data.ptr = s;
    if (epoll_ctl(run.epoll_fd, EPOLL_CTL_ADD, s->fd, &event) != 0) {
        bench_die(EXIT_FAILED, "epoll_ctl: %s", strerror(errno));
    }
    s->state = ST_GREETING;
    s->active_ns = now_ns;
    s->wake_ns = now_ns;
    s->connecting = true;
    run.closed--;
    run.connecting++;
    run.connections++;
    if (connect(s->fd, (const struct sockaddr *)&opt.to.storage, opt.to.bytes) != 0 &&
        errno != EINPROGRESS) {
        session_fail(s, strerror(errno));
    }
}

static void
session_event(struct session *s, uint32_t events, uint64_t now_ns)
{
    if (s->fd < 0) {
        return;
    }
    if (s->connecting && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
        s->connecting = false; /* "connecting" lasts until the greeting: accept alone says little */
        run.connecting--;
    }
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP)) != 0) {
        session_read(s, now_ns);
    }
    if (s->fd >= 0 && (events & EPOLLOUT) != 0 && (s->out_bytes > 0 || s->tail_left > 0)) {
        s->active_ns = now_ns;
        session_flush(s);
        if (s->fd >= 0 && s->state == ST_DOT && s->tail_left == 0) {
            s->dot_ns = now_ns;
        }
    }
}

/* Connect what is due and end what has been silent for too long. Returns the next time to look. */
static uint64_t
sessions_tend(uint64_t now_ns)
{
    uint64_t next_ns = now_ns + NS_PER_S;

    for (uint64_t i = 0; i < opt.sessions; i++) {
        struct session *s = &run.session[i];

        if (s->state == ST_CLOSED) {
            if (all_issued(now_ns)) {
                s->state = ST_DONE;
                run.done++;
                run.closed--;
            } else if (s->wake_ns <= now_ns && run.connecting < CONNECTING_MAX) {
                session_connect(s, now_ns);
            } else if (s->wake_ns > now_ns && s->wake_ns < next_ns) {
                next_ns = s->wake_ns;
            }
        } else if (s->fd >= 0 && s->state != ST_READY && s->state != ST_IDLE &&
                   s->active_ns + opt.timeout_ns < now_ns) {
            session_fail(s, "timeout");
        }
    }
    return next_ns;
}

static void
idle_report(void)
{
    if (opt.idle && !run.idle_told && run.idle_open == opt.sessions) {
        run.idle_told = true;
        (void)printf("ready %llu\n", (unsigned long long)run.idle_open);
        (void)fflush(stdout);
    }
}

static bool
finished(void)
{
    return (opt.idle && bench_stop_asked) || run.done == opt.sessions;
}

static void
wait_and_serve(uint64_t wake_ns)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t now_ns = bench_now_ns();
    uint64_t wait_ns = wake_ns > now_ns ? wake_ns - now_ns : 0;
    struct timespec wait = { (time_t)(wait_ns / NS_PER_S), (long)(wait_ns % NS_PER_S) };
    int count = epoll_pwait2(run.epoll_fd, events, EVENTS_MAX, &wait, NULL);

    if (count < 0 && errno != EINTR) {
        bench_die(EXIT_FAILED, "epoll_pwait2: %s", strerror(errno));
    }
    for (int i = 0; i < count; i++) {
        /* A clock reading for each event, not for each batch: 20 ns for an honest latency. */
        session_event(events[i].data.ptr, events[i].events, bench_now_ns());
    }
}

static void
load(void)
{
    uint64_t tend_ns = 0;

    while (!finished()) {
        uint64_t now_ns = bench_now_ns();
        uint64_t wake_ns;

        if (now_ns >= tend_ns || (run.closed > 0 && run.connecting < CONNECTING_MAX)) {
            tend_ns = sessions_tend(now_ns);
        }
        ready_serve(now_ns);
        idle_report();
        if (run.log != NULL) {
            (void)fflush(run.log);
        }
        wake_ns = tend_ns;
        if (run.ready != NULL && next_due_ns() < wake_ns) {
            wake_ns = next_due_ns();
        }
        if (!finished()) {
            wait_and_serve(wake_ns);
        }
    }
}

static void
report(FILE *file)
{
    double seconds = 0;

    if (run.acked > 0) {
        seconds = (double)(run.last_ack_ns - run.first_mail_ns) / (double)NS_PER_S;
    }
    (void)fprintf(file,
        "{\"issued\": %llu, \"acked\": %llu, \"failed\": %llu, \"unknown\": %llu, "
        "\"connections\": %llu, \"connect_failures\": %llu, \"dropped\": %llu, \"idle_open\": "
        "%llu, ",
        (unsigned long long)run.issued, (unsigned long long)run.acked,
        (unsigned long long)run.failed, (unsigned long long)run.unknown,
        (unsigned long long)run.connections, (unsigned long long)run.connect_failures,
        (unsigned long long)run.dropped, (unsigned long long)run.idle_open);
    (void)fprintf(file,
        "\"sessions\": %llu, \"size\": %llu, \"seconds\": %.6f, \"rate\": %.2f, \"start_ns\": "
        "%llu, "
        "\"end_ns\": %llu, \"cpu_s\": %.3f, ",
        (unsigned long long)opt.sessions, (unsigned long long)opt.size, seconds,
        seconds > 0 ? (double)run.acked / seconds : 0.0, (unsigned long long)run.first_mail_ns,
        (unsigned long long)run.last_ack_ns, bench_cpu_seconds());
    histogram_print(file, "dot_ms", &run.dot);
    (void)fputs(", ", file);
    histogram_print(file, "mail_ms", &run.mail);
    (void)fputs(", ", file);
    histogram_print(file, "greeting_ms", &run.greeting);
    (void)fputs(", \"first_error\": ", file);
    bench_json_string(file, run.first_error);
    (void)fputs("}\n", file);
}

static const char usage[] =
    "Usage: smtp_load --to ADDR:PORT [OPTION]...\n"
    "  --to ADDR:PORT       where to\n"
    "  --bind ADDR          source address\n"
    "  --sessions N         sessions at a time (1)\n"
    "  --messages N         messages in all (1); 0 with --seconds: until then\n"
    "  --seconds S          begin no message later than S seconds after the first\n"
    "  --size BYTES         of the content, headers included (4096)\n"
    "  --rate R             messages per second over all sessions; 0 (default): as fast as it "
    "goes\n"
    "  --per-connection M   QUIT and connect again after M messages; 0 (default): never\n"
    "  --domains A,B,...    recipient domains, in turn (example.test)\n"
    "  --sender ADDRESS     envelope sender (bench@sender.test)\n"
    "  --helo NAME          name for EHLO\n"
    "  --pipeline           MAIL, RCPT and DATA in one write\n"
    "  --first N            number of the first message (0)\n"
    "  --timeout S          end a session that is silent for S seconds (300)\n"
    "  --idle N             open N sessions, say EHLO, print 'ready N', hold them until SIGTERM\n"
    "  --json FILE          write the result there, not to standard output\n"
    "  --log FILE           a line per message: acked|failed|unknown MONOTONIC_NS NUMBER\n"
    "Exit status: 0 all acknowledged, 1 not all, 2 usage.\n";

enum option_id {
    OPT_TO = 1,
    OPT_BIND,
    OPT_SESSIONS,
    OPT_MESSAGES,
    OPT_SECONDS,
    OPT_SIZE,
    OPT_RATE,
    OPT_PER_CONNECTION,
    OPT_DOMAINS,
    OPT_SENDER,
    OPT_HELO,
    OPT_PIPELINE,
    OPT_FIRST,
    OPT_TIMEOUT,
    OPT_IDLE,
    OPT_JSON,
    OPT_LOG,
    OPT_HELP,
};

static const struct option options[] = {
    { "to", required_argument, NULL, OPT_TO },
    { "bind", required_argument, NULL, OPT_BIND },
    { "sessions", required_argument, NULL, OPT_SESSIONS },
    { "messages", required_argument, NULL, OPT_MESSAGES },
    { "seconds", required_argument, NULL, OPT_SECONDS },
    { "size", required_argument, NULL, OPT_SIZE },
    { "rate", required_argument, NULL, OPT_RATE },
    { "per-connection", required_argument, NULL, OPT_PER_CONNECTION },
    { "domains", required_argument, NULL, OPT_DOMAINS },
    { "sender", required_argument, NULL, OPT_SENDER },
    { "helo", required_argument, NULL, OPT_HELO },
    { "pipeline", no_argument, NULL, OPT_PIPELINE },
    { "first", required_argument, NULL, OPT_FIRST },
    { "timeout", required_argument, NULL, OPT_TIMEOUT },
    { "idle", required_argument, NULL, OPT_IDLE },
    { "json", required_argument, NULL, OPT_JSON },
    { "log", required_argument, NULL, OPT_LOG },
    { "help", no_argument, NULL, OPT_HELP },
    { NULL, 0, NULL, 0 },
};

static void
domains_parse(char *list)
{
    char *rest = NULL;

    for (char *name = strtok_r(list, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest)) {
        if (opt.domain_count == DOMAINS_MAX) {
            bench_die(EXIT_USAGE, "--domains: at most %d", DOMAINS_MAX);
        }
        opt.domains[opt.domain_count++] = name;
    }
}

static double
rate_parse(const char *text)
{
    char *end = NULL;
    double rate = strtod(text, &end);

    if (end == text || *end != '\0' || !(rate >= 0 && rate <= 1e6)) {
        bench_die(EXIT_USAGE, "--rate wants messages per second, not '%s'", text);
    }
    return rate;
}

static void
option_number(int id)
{
    switch (id) {
    case OPT_SESSIONS:
        opt.sessions = bench_number("--sessions", optarg, 100000);
        break;
    case OPT_MESSAGES:
        opt.messages = bench_number("--messages", optarg, UINT32_MAX);
        break;
    case OPT_SECONDS:
        opt.seconds = bench_number("--seconds", optarg, 1000000);
        break;
    case OPT_SIZE:
        opt.size = bench_number("--size", optarg, UINT64_C(1) << 40);
        break;
    case OPT_PER_CONNECTION:
        opt.per_connection = bench_number("--per-connection", optarg, UINT32_MAX);
        break;
    case OPT_FIRST:
        opt.first = bench_number("--first", optarg, UINT32_MAX);
        break;
    case OPT_TIMEOUT:
        opt.timeout_ns = bench_number("--timeout", optarg, 1000000) * NS_PER_S;
        break;
    case OPT_IDLE:
        opt.idle = true;
        opt.sessions = bench_number("--idle", optarg, 100000);
        break;
    default:
        (void)fputs(usage, id == OPT_HELP ? stdout : stderr);
        exit(id == OPT_HELP ? 0 : EXIT_USAGE);
    }
}

static void
options_parse(int argc, char **argv)
{
    int id;

    while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (id) {
        case OPT_TO:
        case OPT_BIND:
            opt.bound |= id == OPT_BIND;
            if (!bench_addr_parse(optarg, id == OPT_TO, id == OPT_TO ? &opt.to : &opt.bind)) {
                bench_die(EXIT_USAGE, "not an address: '%s'", optarg);
            }
            break;
        case OPT_RATE:
            opt.rate = rate_parse(optarg);
            break;
        case OPT_DOMAINS:
            domains_parse(optarg);
            break;
        case OPT_SENDER:
            opt.sender = optarg;
            break;
        case OPT_HELO:
            opt.helo = optarg;
            break;
        case OPT_PIPELINE:
            opt.pipeline = true;
            break;
        case OPT_JSON:
            opt.json = optarg;
            break;
        case OPT_LOG:
            opt.log_path = optarg;
            break;
        default:
            option_number(id);
            break;
        }
    }
    if (opt.to.bytes == 0 || optind != argc || opt.sessions == 0 ||
        (opt.messages == 0 && opt.seconds == 0 && !opt.idle)) {
        option_number(-1);
    }
}

static void
setup(void)
{
    bench_catch_signals();
    bench_raise_fd_limit();
    if (opt.domain_count == 0) {
        opt.domains[opt.domain_count++] = "example.test";
    }
    for (size_t i = 0; i < PATTERN_BYTES; i++) {
        size_t column = i % LINE_BYTES;

        run.pattern[i] = (char)('a' + (char)((i / LINE_BYTES + column) % 26));
        if (column >= LINE_BYTES - 2) {
            run.pattern[i] = column == LINE_BYTES - 2 ? '\r' : '\n';
        }
    }
    run.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    run.session = calloc((size_t)opt.sessions, sizeof(*run.session));
    run.closed = opt.sessions;
    if (run.epoll_fd < 0 || run.session == NULL) {
        bench_die(EXIT_FAILED, "out of descriptors or memory");
    }
    for (uint64_t i = 0; i < opt.sessions; i++) {
        run.session[i].fd = -1;
    }
    if (opt.log_path != NULL) {
        run.log = fopen(opt.log_path, "a");
        if (run.log == NULL) {
            bench_die(EXIT_FAILED, "%s: %s", opt.log_path, strerror(errno));
        }
    }
    run.started_ns = bench_now_ns();
}

int
main(int argc, char **argv)
{
    FILE *file = stdout;

    options_parse(argc, argv);
    setup();
    load();
    if (opt.json != NULL) {
        file = fopen(opt.json, "w");
        if (file == NULL) {
            bench_die(EXIT_FAILED, "%s: %s", opt.json, strerror(errno));
        }
    }
    report(file);
    if (fflush(file) != 0 || (run.log != NULL && fflush(run.log) != 0)) {
        bench_die(EXIT_FAILED, "cannot write the result: %s", strerror(errno));
    }
    return run.failed + run.unknown == 0 && (opt.idle || run.acked > 0) ? 0 : EXIT_FAILED;
}
