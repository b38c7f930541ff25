/* smtp_sink.c - a fast SMTP server that counts, times and forgets, and can misbehave on request.
 *
 * One thread, edge-triggered epoll, several listening addresses, each with a mode of its own.
 * Messages from smtp_load carry a number and timestamps (bench_util.h); from them come distinct and
 * repeated messages and the end-to-end latency: from the loader's content (or its MAIL) to the
 * final dot here.
 */
#include "bench_util.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EVENTS_MAX = 512,
    ENDPOINTS_MAX = 32,
    PEERS_MAX = 64,
    READ_BYTES = 256 * 1024,
    LINE_MAX_BYTES = 2048,
    HEADER_BYTES = 4096, /* our header stands within this, after the relay's own Received lines */
    TAIL_BYTES = 4,      /* of "\r\n.\r\n", the most that an earlier read may have brought */
    DRIP_MS = 1000,
    /* A message number above this is not counted as distinct: 32 MiB of bitmap at most. */
    NUMBERS_MAX = 1 << 28,
};

enum mode {
    MODE_NORMAL,
    MODE_DELAY,     /* the answer to the dot comes MS later */
    MODE_BLACKHOLE, /* accepts the connection and never says a word */
    MODE_DOTHOLE,   /* takes the message and never answers the dot */
    MODE_DRIP,      /* a byte of the answer a second */
    MODE_FLOOD,     /* a greeting that never ends */
    MODE_RCPT4,     /* but for each Nth, if rcpt4:N */
    MODE_RCPT5,
    MODE_DOT4,
    MODE_DOT5,
    MODE_GREET4,
    MODE_GREET5,
    MODE_COUNT,
};

static const char *const mode_names[MODE_COUNT] = { "normal", "delay", "blackhole", "dothole",
    "drip", "flood", "rcpt4", "rcpt5", "dot4", "dot5", "greet4", "greet5" };

struct peer {
    char address[INET6_ADDRSTRLEN];
    uint64_t connections;
};

struct endpoint {
    int fd;
    enum mode mode;
    uint64_t delay_ns;
    uint64_t nth, recipients; /* MODE_RCPT4: each nth is taken; 0: none */
    const char *text;         /* as given */
    struct endpoint_addr addr;
    uint64_t connections, open, open_peak, transactions, messages, refused, bytes;
    uint64_t first_ns, last_ns;
    struct histogram from_data, from_mail;
    struct peer peer[PEERS_MAX];
    size_t peer_count;
    struct session *due, *due_tail; /* MODE_DELAY: in the order of their time */
};

struct session {
    int fd;
    struct endpoint *at;
    bool in_data, closing, waiting; /* waiting: answers are held back until due_ns */
    uint64_t due_ns;
    uint64_t number;
    bool numbered;
    uint64_t message_bytes;
    size_t header_bytes, line_bytes, out_bytes, out_at;
    struct session *due_next;
    struct session *prev, *next; /* all sessions */
    char tail[TAIL_BYTES];
    char peer[INET6_ADDRSTRLEN];
    char line[LINE_MAX_BYTES];
    char out[8192];
    char header[HEADER_BYTES];
};

static struct {
    int epoll_fd;
    struct endpoint *endpoint[ENDPOINTS_MAX];
    size_t endpoint_count;
    struct session *sessions;
    uint64_t count_wanted, messages, distinct, duplicates, unnumbered, drip_ns;
    uint64_t unanswered; /* messages whose answer is still held back */
    bool quickack;
    const char *json, *log_path, *ready_path;
    FILE *log;
    unsigned char *seen;
    size_t seen_bytes;
    char buffer[READ_BYTES];
} sink;

static void
session_close(struct session *s)
{
    struct session **at = &s->at->due;

    while (s->waiting && *at != NULL) {
        if (*at == s) {
            *at = s->due_next;
            s->waiting = false;
            sink.unanswered--;
        } else {
            at = &(*at)->due_next;
        }
    }
    s->at->due_tail = NULL;
    for (struct session *last = s->at->due; last != NULL; last = last->due_next) {
        s->at->due_tail = last;
    }
    if (s->prev != NULL) {
        s->prev->next = s->next;
    } else {
        sink.sessions = s->next;
    }
    if (s->next != NULL) {
        s->next->prev = s->prev;
    }
    s->at->open--;
    (void)close(s->fd);
    free(s); /* a descriptor has one event in a batch: nothing names it any more */
}

static void
session_flush(struct session *s)
{
    size_t left = s->out_bytes - s->out_at;
    ssize_t sent;

    if (s->waiting || left == 0) {
        return;
    }
    if (s->at->mode == MODE_DRIP) {
        left = 1;
    }
    sent = send(s->fd, s->out + s->out_at, left, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN) {
            s->closing = true;
            s->out_bytes = s->out_at = 0;
        }
        return;
    }
    s->out_at += (size_t)sent;
    if (s->out_at == s->out_bytes) {
        s->out_at = s->out_bytes = 0;
    }
}

static void
session_say(struct session *s, const char *text)
{
    size_t bytes = strlen(text);

    if (s->out_bytes + bytes > sizeof(s->out)) {
        s->closing = true; /* a client that sends commands and never reads answers */
        return;
    }
    memcpy(s->out + s->out_bytes, text, bytes);
    s->out_bytes += bytes;
}

static void
log_message(const char *what, const struct session *s)
{
    if (sink.log != NULL && s->numbered) {
        (void)fprintf(sink.log, "%s %llu %llu %s %s\n", what, (unsigned long long)bench_now_ns(),
            (unsigned long long)s->number, s->at->text, s->peer);
    }
}

/* Count a number as new or repeated. */
static void
number_seen(uint64_t number)
{
    size_t at = (size_t)(number / 8);
    unsigned char bit = (unsigned char)(1U << (number % 8));

    if (number >= NUMBERS_MAX) {
        sink.unnumbered++;
        return;
    }
    if (at >= sink.seen_bytes) {
        size_t bytes = at * 2 + 4096;
        unsigned char *grown = realloc(sink.seen, bytes);

        if (grown == NULL) {
            bench_die(EXIT_FAILED, "out of memory");
        }
        memset(grown + sink.seen_bytes, 0, bytes - sink.seen_bytes);
        sink.seen = grown;
        sink.seen_bytes = bytes;
    }
    if ((sink.seen[at] & bit) != 0) {
        sink.duplicates++;
    } else {
        sink.seen[at] |= bit;
        sink.distinct++;
    }
}

/* Read number and timestamps of our header. False if the message has none. */
static bool
header_parse(const struct session *s, unsigned long long value[3])
{
    static const char name[] = "\n" BENCH_HEADER;
    char text[80];
    const char *at = s->header;
    size_t left = s->header_bytes;

    if (left < sizeof(name) || memcmp(at, name + 1, sizeof(name) - 2) != 0) {
        at = memmem(at, left, name, sizeof(name) - 1);
        if (at == NULL) {
            return false;
        }
        at++;
    }
    at += sizeof(name) - 2;
    left -= (size_t)(at - s->header);
    left = left < sizeof(text) - 1 ? left : sizeof(text) - 1;
    memcpy(text, at, left);
    text[left] = '\0';
    for (int i = 0; i < 3; i++) {
        char *end = NULL;
        const char *start = i == 0 ? text : at;

        value[i] = strtoull(start, &end, 10);
        if (end == start) {
            return false;
        }
        at = end;
    }
    return true;
}

static bool
refuses_dot(const struct session *s)
{
    return s->at->mode == MODE_DOT4 || s->at->mode == MODE_DOT5;
}

static void
message_count(struct session *s)
{
    struct endpoint *at = s->at;
    unsigned long long value[3];
    uint64_t now_ns = bench_now_ns();

    s->numbered = header_parse(s, value);
    s->number = s->numbered ? value[0] : 0;
    if (refuses_dot(s)) {
        at->refused++;
        return;
    }
    at->first_ns = at->messages == 0 ? now_ns : at->first_ns;
    at->last_ns = now_ns;
    at->messages++;
    at->bytes += s->message_bytes;
    sink.messages++;
    if (!s->numbered) {
        sink.unnumbered++;
        return;
    }
    number_seen(value[0]);
    if (now_ns >= value[1] && now_ns >= value[2]) {
        histogram_add(&at->from_mail, now_ns - value[1]);
        histogram_add(&at->from_data, now_ns - value[2]);
    }
    log_message("dot", s);
}

static void
answer_hold(struct session *s)
{
    struct endpoint *at = s->at;

    if (s->waiting) {
        return; /* a pipelined second message rides with the first */
    }
    s->waiting = true;
    s->due_ns = bench_now_ns() + at->delay_ns;
    s->due_next = NULL;
    sink.unanswered++;
    if (at->due == NULL) {
        at->due = s;
    } else {
        at->due_tail->due_next = s;
    }
    at->due_tail = s;
}

static void
message_end(struct session *s)
{
    s->in_data = false;
    message_count(s);
    switch (s->at->mode) {
    case MODE_DOT4:
        session_say(s, "451 4.3.0 not now\r\n");
        return;
    case MODE_DOT5:
        session_say(s, "554 5.7.1 not ever\r\n");
        return;
    case MODE_DOTHOLE:
        return;
    case MODE_DELAY:
        session_say(s, "250 2.0.0 taken\r\n");
        answer_hold(s);
        return;
    case MODE_NORMAL:
    case MODE_BLACKHOLE:
    case MODE_DRIP:
    case MODE_FLOOD:
    case MODE_RCPT4:
    case MODE_RCPT5:
    case MODE_GREET4:
    case MODE_GREET5:
    case MODE_COUNT:
        session_say(s, "250 2.0.0 taken\r\n");
        break;
    }
}

/* Find the final dot. Returns the bytes used; sets in_data to false when it was there. */
static size_t
content_eat(struct session *s, const char *data, size_t bytes)
{
    static const char dot[] = "\r\n.\r\n";
    char seam[2 * TAIL_BYTES];
    size_t head = bytes < TAIL_BYTES ? bytes : TAIL_BYTES;
    size_t used = bytes;
    const char *found;
    size_t keep;

    memcpy(seam, s->tail, TAIL_BYTES);
    memcpy(seam + TAIL_BYTES, data, head);
    found = memmem(seam, TAIL_BYTES + head, dot, sizeof(dot) - 1);
    if (found != NULL) {
        used = (size_t)(found - seam) + sizeof(dot) - 1 - TAIL_BYTES;
    } else {
        found = memmem(data, bytes, dot, sizeof(dot) - 1);
        if (found != NULL) {
            used = (size_t)(found - data) + sizeof(dot) - 1;
        }
    }
    s->message_bytes += used;
    keep = sizeof(s->header) - s->header_bytes;
    keep = keep < used ? keep : used;
    memcpy(s->header + s->header_bytes, data, keep);
    s->header_bytes += keep;
    if (found != NULL) {
        message_end(s);
    } else {
        memcpy(s->tail, seam + head, TAIL_BYTES);
        if (bytes > TAIL_BYTES) {
            memcpy(s->tail, data + bytes - TAIL_BYTES, TAIL_BYTES);
        }
    }
    return used;
}

static void
on_rcpt(struct session *s)
{
    bool taken = s->at->nth != 0 && ++s->at->recipients % s->at->nth == 0;

    s->at->refused += !taken && (s->at->mode == MODE_RCPT4 || s->at->mode == MODE_RCPT5) ? 1 : 0;
    if (s->at->mode == MODE_RCPT4 && !taken) {
        session_say(s, "450 4.2.1 not now\r\n");
    } else if (s->at->mode == MODE_RCPT5) {
        session_say(s, "550 5.1.1 no such user\r\n");
    } else {
        session_say(s, "250 2.1.5 ok\r\n");
    }
}

static void
on_data(struct session *s)
{
    s->in_data = true;
    s->at->transactions++;
    s->header_bytes = 0;
    s->message_bytes = 0;
    memcpy(s->tail, "xx\r\n", TAIL_BYTES); /* the content begins at the start of a line */
    session_say(s, "354 go on\r\n");
}

static void
command(struct session *s, const char *line)
{
    if (strncasecmp(line, "MAIL", 4) == 0) {
        session_say(s, "250 2.1.0 ok\r\n");
    } else if (strncasecmp(line, "RCPT", 4) == 0) {
        on_rcpt(s);
    } else if (strncasecmp(line, "DATA", 4) == 0) {
        on_data(s);
    } else if (strncasecmp(line, "EHLO", 4) == 0) {
        session_say(s, "250-sink.bench.test\r\n250-PIPELINING\r\n250-SIZE\r\n250-8BITMIME\r\n"
                       "250 ENHANCEDSTATUSCODES\r\n");
    } else if (strncasecmp(line, "QUIT", 4) == 0) {
        session_say(s, "221 2.0.0 bye\r\n");
        s->closing = true;
    } else if (strncasecmp(line, "HELO", 4) == 0 || strncasecmp(line, "RSET", 4) == 0 ||
               strncasecmp(line, "NOOP", 4) == 0) {
        session_say(s, "250 2.0.0 ok\r\n");
    } else {
        session_say(s, "500 5.5.2 what?\r\n");
    }
}

/* Take one command line, or a part of it, from the data. Returns the bytes used. */
static size_t
line_eat(struct session *s, const char *data, size_t bytes)
{
    const char *end = memchr(data, '\n', bytes);
    size_t used = end != NULL ? (size_t)(end - data) + 1 : bytes;

    if (s->line_bytes + used >= sizeof(s->line)) {
        session_say(s, "500 5.5.2 line too long\r\n");
        s->closing = true;
        return bytes;
    }
    memcpy(s->line + s->line_bytes, data, used);
    s->line_bytes += used;
    if (end != NULL) {
        s->line[s->line_bytes] = '\0';
        s->line_bytes = 0;
        command(s, s->line);
    }
    return used;
}

static void
session_bytes(struct session *s, const char *data, size_t bytes)
{
    if (s->at->mode == MODE_BLACKHOLE || s->at->mode == MODE_FLOOD) {
        return;
    }
    while (bytes > 0 && !s->closing) {
        size_t used = s->in_data ? content_eat(s, data, bytes) : line_eat(s, data, bytes);

        data += used;
        bytes -= used;
    }
}

static void
session_read(struct session *s)
{
    int on = 1;

    for (;;) {
        ssize_t got = recv(s->fd, sink.buffer, sizeof(sink.buffer), 0);

        if (got <= 0) {
            if (got == 0 || errno != EAGAIN) {
                s->closing = true;
                s->out_bytes = s->out_at = 0;
            }
            return;
        }
        session_bytes(s, sink.buffer, (size_t)got);
        if (sink.quickack) {
            (void)setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
        }
        if ((size_t)got < sizeof(sink.buffer)) {
            return; /* drained: edge triggering wakes us for the next byte */
        }
    }
}

static void
session_flood(struct session *s)
{
    static const char line[] = "220-and on and on and on and on and on and on and on and on\r\n";

    for (int burst = 0; burst < 1000; burst++) { /* then let the others have a turn */
        if (send(s->fd, line, sizeof(line) - 1, MSG_NOSIGNAL) < 0) {
            s->closing |= errno != EAGAIN;
            return;
        }
    }
}

/* Answer, and close if that is over. The session may be gone afterwards. */
static void
session_finish_turn(struct session *s)
{
    if (s->at->mode != MODE_DRIP) {
        session_flush(s);
    }
    if (s->closing && s->out_at == s->out_bytes) {
        session_close(s);
    }
}

static void
peer_count(struct endpoint *at, const char *address)
{
    for (size_t i = 0; i < at->peer_count; i++) {
        if (strcmp(at->peer[i].address, address) == 0) {
            at->peer[i].connections++;
            return;
        }
    }
    if (at->peer_count < PEERS_MAX) {
        struct peer *peer = &at->peer[at->peer_count++];

        (void)snprintf(peer->address, sizeof(peer->address), "%s", address);
        peer->connections = 1;
    }
}

static void
session_greet(struct session *s)
{
    switch (s->at->mode) {
    case MODE_BLACKHOLE:
    case MODE_FLOOD:
        return;
    case MODE_GREET4:
        s->at->refused++;
        session_say(s, "421 4.3.2 not now\r\n");
        s->closing = true;
        break;
    case MODE_GREET5:
        s->at->refused++;
        session_say(s, "554 5.3.2 not ever\r\n");
        s->closing = true;
        break;
    case MODE_NORMAL:
    case MODE_DELAY:
    case MODE_DOTHOLE:
    case MODE_DRIP:
    case MODE_RCPT4:
    case MODE_RCPT5:
    case MODE_DOT4:
    case MODE_DOT5:
    case MODE_COUNT:
        session_say(s, "220 sink.bench.test ESMTP\r\n");
        break;
    }
    session_finish_turn(s);
}

static void
endpoint_accept(struct endpoint *at)
{
    for (;;) {
        struct endpoint_addr from = { .bytes = sizeof(from.storage) };
        struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
        struct session *s;
        int on = 1;
        int fd = accept4(
            at->fd, (struct sockaddr *)&from.storage, &from.bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0) {
            return;
        }
        s = calloc(1, sizeof(*s));
        if (s == NULL) {
            (void)close(fd);
            return;
        }
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        s->fd = fd;
        s->at = at;
        s->next = sink.sessions;
        if (sink.sessions != NULL) {
            sink.sessions->prev = s;
        }
        sink.sessions = s;
        bench_addr_format(&from, s->peer, sizeof(s->peer));
        peer_count(at, s->peer);
        at->connections++;
        at->open++;
        at->open_peak = at->open > at->open_peak ? at->open : at->open_peak;
        event.data.ptr = s;
        if (epoll_ctl(sink.epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
            bench_die(EXIT_FAILED, "epoll_ctl: %s", strerror(errno));
        }
        session_greet(s);
    }
}

/* Send the answers whose time has come. Returns when the next one is due. */
static uint64_t
answers_release(uint64_t now_ns)
{
    uint64_t next_ns = now_ns + NS_PER_S;

    for (size_t i = 0; i < sink.endpoint_count; i++) {
        struct endpoint *at = sink.endpoint[i];

        while (at->due != NULL && at->due->due_ns <= now_ns) {
            struct session *s = at->due;

            at->due = s->due_next;
            s->waiting = false;
            sink.unanswered--;
            log_message("answered", s);
            session_finish_turn(s);
        }
        if (at->due != NULL && at->due->due_ns < next_ns) {
            next_ns = at->due->due_ns;
        }
    }
    return next_ns;
}

static void
drip(uint64_t now_ns)
{
    struct session *next;

    if (now_ns < sink.drip_ns) {
        return;
    }
    sink.drip_ns = now_ns + DRIP_MS * NS_PER_MS;
    for (struct session *s = sink.sessions; s != NULL; s = next) {
        next = s->next;
        if (s->at->mode == MODE_DRIP) {
            session_flush(s);
            if (s->closing && s->out_at == s->out_bytes) {
                session_close(s);
            }
        }
    }
}

static bool
is_endpoint(const void *ptr)
{
    for (size_t i = 0; i < sink.endpoint_count; i++) {
        if (ptr == sink.endpoint[i]) {
            return true;
        }
    }
    return false;
}

static void
session_event(struct session *s, uint32_t events)
{
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP)) != 0) {
        session_read(s);
    }
    if (s->at->mode == MODE_FLOOD && !s->closing) {
        session_flood(s);
    }
    session_finish_turn(s);
}

static void
serve_turn(uint64_t wake_ns)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t now_ns = bench_now_ns();
    uint64_t wait_ns = wake_ns > now_ns ? wake_ns - now_ns : 0;
    struct timespec wait = { (time_t)(wait_ns / NS_PER_S), (long)(wait_ns % NS_PER_S) };
    int count = epoll_pwait2(sink.epoll_fd, events, EVENTS_MAX, &wait, NULL);

    if (count < 0 && errno != EINTR) {
        bench_die(EXIT_FAILED, "epoll_pwait2: %s", strerror(errno));
    }
    for (int i = 0; i < count; i++) {
        struct session *s = events[i].data.ptr;

        if (is_endpoint(s)) {
            endpoint_accept(events[i].data.ptr);
            continue;
        }
        session_event(s, events[i].events);
    }
}

static void
serve(void)
{
    uint64_t wake_ns = 0;

    while (!bench_stop_asked) {
        serve_turn(wake_ns);
        drip(bench_now_ns());
        wake_ns = answers_release(bench_now_ns());
        if (sink.log != NULL) {
            (void)fflush(sink.log);
        }
        if (sink.count_wanted > 0 && sink.distinct >= sink.count_wanted && sink.unanswered == 0) {
            return;
        }
    }
}

static void
endpoint_report(FILE *file, const struct endpoint *at)
{
    (void)fputs("{\"listen\": ", file);
    bench_json_string(file, at->text);
    (void)fprintf(file,
        ", \"mode\": \"%s\", \"connections\": %llu, \"open_peak\": %llu, \"transactions\": %llu, "
        "\"messages\": %llu, \"refused\": %llu, \"bytes\": %llu, \"first_ns\": %llu, "
        "\"last_ns\": %llu, ",
        mode_names[at->mode], (unsigned long long)at->connections,
        (unsigned long long)at->open_peak, (unsigned long long)at->transactions,
        (unsigned long long)at->messages, (unsigned long long)at->refused,
        (unsigned long long)at->bytes, (unsigned long long)at->first_ns,
        (unsigned long long)at->last_ns);
    histogram_print(file, "from_data_ms", &at->from_data);
    (void)fputs(", ", file);
    histogram_print(file, "from_mail_ms", &at->from_mail);
    (void)fputs(", \"peers\": {", file);
    for (size_t i = 0; i < at->peer_count; i++) {
        (void)fprintf(file, "%s\"%s\": %llu", i > 0 ? ", " : "", at->peer[i].address,
            (unsigned long long)at->peer[i].connections);
    }
    (void)fputs("}}", file);
}

static void
report(FILE *file)
{
    uint64_t first_ns = UINT64_MAX;
    uint64_t last_ns = 0;

    for (size_t i = 0; i < sink.endpoint_count; i++) {
        const struct endpoint *at = sink.endpoint[i];

        if (at->messages > 0) {
            first_ns = at->first_ns < first_ns ? at->first_ns : first_ns;
            last_ns = at->last_ns > last_ns ? at->last_ns : last_ns;
        }
    }
    (void)fprintf(file,
        "{\"messages\": %llu, \"distinct\": %llu, \"duplicates\": %llu, \"unnumbered\": %llu, "
        "\"first_ns\": %llu, \"last_ns\": %llu, \"cpu_s\": %.3f,\n \"endpoints\": [",
        (unsigned long long)sink.messages, (unsigned long long)sink.distinct,
        (unsigned long long)sink.duplicates, (unsigned long long)sink.unnumbered,
        (unsigned long long)(last_ns > 0 ? first_ns : 0), (unsigned long long)last_ns,
        bench_cpu_seconds());
    for (size_t i = 0; i < sink.endpoint_count; i++) {
        (void)fputs(i > 0 ? ",\n  " : "\n  ", file);
        endpoint_report(file, sink.endpoint[i]);
    }
    (void)fputs("]}\n", file);
}

static const char usage[] =
    "Usage: smtp_sink --listen ADDR:PORT[=MODE] [--listen ...] [OPTION]...\n"
    "  MODE: normal, delay:MS (answer to the dot), blackhole (accepts, never answers),\n"
    "        dothole (never answers the dot), drip (a byte a second), flood (endless greeting),\n"
    "        rcpt4 rcpt5 dot4 dot5 greet4 greet5 (refuse there, for now or for ever),\n"
    "        rcpt4:N (but for each Nth recipient)\n"
    "  --count N       report and exit after N distinct messages\n"
    "  --json FILE     write the report there, not to standard output\n"
    "  --log FILE      a line per message: dot|answered MONOTONIC_NS NUMBER LISTEN PEER\n"
    "                  (answered: mode delay only)\n"
    "  --ready FILE    write ADDR:PORT of each address there once all are listened on (port 0: "
    "any)\n"
    "  --quickack      acknowledge TCP data at once\n"
    "Reports on SIGTERM, too.\n";

static enum mode
mode_parse(const char *text, uint64_t *delay_ns, uint64_t *nth)
{
    if (strncmp(text, "delay:", 6) == 0) {
        *delay_ns = bench_number("delay", text + 6, 1000000) * NS_PER_MS;
        return MODE_DELAY;
    }
    if (strncmp(text, "rcpt4:", 6) == 0) {
        *nth = bench_number("rcpt4", text + 6, 1000000);
        return MODE_RCPT4;
    }
    for (int i = 0; i < MODE_COUNT; i++) {
        if (i != MODE_DELAY && strcmp(text, mode_names[i]) == 0) {
            return (enum mode)i;
        }
    }
    bench_die(EXIT_USAGE, "no such mode: '%s' (see --help)", text);
}

/* With port 0 the kernel chose one: name that in report and ready file. */
static void
endpoint_name_port(struct endpoint *at)
{
    struct endpoint_addr actual = { .bytes = sizeof(actual.storage) };
    struct sockaddr_in6 v6; /* the port stands at the same place in both families */
    char *text;

    if (getsockname(at->fd, (struct sockaddr *)&actual.storage, &actual.bytes) != 0) {
        bench_die(EXIT_FAILED, "getsockname: %s", strerror(errno));
    }
    memcpy(&v6, &actual.storage, sizeof(v6));
    if (asprintf(&text, "%.*s:%u", (int)(strrchr(at->text, ':') - at->text), at->text,
            ntohs(v6.sin6_port)) < 0) {
        bench_die(EXIT_FAILED, "out of memory");
    }
    at->text = text;
}

static void
endpoint_add(char *text)
{
    struct endpoint *at = calloc(1, sizeof(*at));
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = at };
    char *mode = strchr(text, '=');
    int on = 1;

    if (at == NULL || sink.endpoint_count == ENDPOINTS_MAX) {
        bench_die(EXIT_USAGE, "--listen: at most %d", ENDPOINTS_MAX);
    }
    if (mode != NULL) {
        *mode = '\0';
        at->mode = mode_parse(mode + 1, &at->delay_ns, &at->nth);
    }
    at->text = text;
    if (!bench_addr_parse(text, true, &at->addr)) {
        bench_die(EXIT_USAGE, "not ADDR:PORT: '%s'", text);
    }
    at->fd = socket(at->addr.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)setsockopt(at->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (at->fd < 0 ||
        bind(at->fd, (const struct sockaddr *)&at->addr.storage, at->addr.bytes) != 0 ||
        listen(at->fd, 4096) != 0) {
        bench_die(EXIT_FAILED, "cannot listen on %s: %s", text, strerror(errno));
    }
    if (epoll_ctl(sink.epoll_fd, EPOLL_CTL_ADD, at->fd, &event) != 0) {
        bench_die(EXIT_FAILED, "epoll_ctl: %s", strerror(errno));
    }
    endpoint_name_port(at);
    sink.endpoint[sink.endpoint_count++] = at;
}

static FILE *
open_or_die(const char *path, const char *how)
{
    FILE *file = fopen(path, how);

    if (file == NULL) {
        bench_die(EXIT_FAILED, "%s: %s", path, strerror(errno));
    }
    return file;
}

static void
options_parse(int argc, char **argv)
{
    static const struct option options[] = {
        { "listen", required_argument, NULL, 'l' },
        { "count", required_argument, NULL, 'c' },
        { "json", required_argument, NULL, 'j' },
        { "log", required_argument, NULL, 'L' },
        { "ready", required_argument, NULL, 'r' },
        { "quickack", no_argument, NULL, 'q' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int id;

    while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (id) {
        case 'l':
            endpoint_add(optarg);
            break;
        case 'c':
            sink.count_wanted = bench_number("--count", optarg, UINT32_MAX);
            break;
        case 'j':
            sink.json = optarg;
            break;
        case 'L':
            sink.log_path = optarg;
            break;
        case 'r':
            sink.ready_path = optarg;
            break;
        case 'q':
            sink.quickack = true;
            break;
        default:
            (void)fputs(usage, id == 'h' ? stdout : stderr);
            exit(id == 'h' ? 0 : EXIT_USAGE);
        }
    }
    if (sink.endpoint_count == 0 || optind != argc) {
        (void)fputs(usage, stderr);
        exit(EXIT_USAGE);
    }
}

int
main(int argc, char **argv)
{
    FILE *file;

    bench_catch_signals();
    bench_raise_fd_limit();
    sink.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (sink.epoll_fd < 0) {
        bench_die(EXIT_FAILED, "epoll_create1: %s", strerror(errno));
    }
    options_parse(argc, argv);
    if (sink.log_path != NULL) {
        sink.log = open_or_die(sink.log_path, "a");
    }
    if (sink.ready_path != NULL) {
        file = open_or_die(sink.ready_path, "w");
        for (size_t i = 0; i < sink.endpoint_count; i++) {
            (void)fprintf(file, "%s\n", sink.endpoint[i]->text);
        }
        (void)fclose(file);
    }
    serve();
    file = sink.json != NULL ? open_or_die(sink.json, "w") : stdout;
    report(file);
    if (fflush(file) != 0 || (sink.log != NULL && fflush(sink.log) != 0)) {
        bench_die(EXIT_FAILED, "cannot write the report: %s", strerror(errno));
    }
    return 0;
}
