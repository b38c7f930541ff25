/* conn.c - a TCP stream on libuv: reads lend the loop's one buffer, writes gather until the turn
 * ends.
 *
 * Hot path, per message some six reads and writes: no malloc (chunks of queued bytes come from a
 * free list of the loop), one read(2) a wake-up, one writev(2) a turn, no epoll_ctl for pausing:
 * conn_set_reading(false) only sets a flag. If bytes do arrive meanwhile, on_alloc hands libuv no
 * buffer, which leaves them in the kernel and comes back as ENOBUFS; only then is the poll stopped.
 *
 * Life: the user closes (user_closed), the uv handle closes (handle_closed), in either order; the
 * memory goes when both are done. Every callback to the user is the last thing its function does
 * with the user's state, or is followed by a look at user_closed.
 */
#include "net/conn.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <uv.h>

#define READ_BUFFER_BYTES (64 * 1024)
#define CHUNK_BYTES       4096 /* a queued run of bytes with its head: one page */
#define CHUNKS_KEPT_MAX   512  /* 2 MiB a loop at most stay in the free list */
#define WRITE_BUFS_MAX    32   /* gathered in one system call */
#define FLUSH_ROUNDS      4    /* for one connection in one turn, when on_drained sends more */

struct chunk {
    struct list link;
    const char *p; /* in data: not yet taken by the kernel */
    uint32_t n;
    uint32_t end; /* of data in use */
    char data[];
};
#define CHUNK_DATA_BYTES (CHUNK_BYTES - sizeof(struct chunk))

/* What the connections of one loop share. */
struct conn_home {
    struct list chunks;    /* free */
    struct list lingering; /* closed by their users, still flushing */
    unsigned chunk_count, lingering_count;
    bool ended; /* the loop is closing: nothing is kept */
    char read_buffer[READ_BUFFER_BYTES];
};

struct conn {
    uv_tcp_t tcp;
    struct loop *loop;
    const struct conn_user *user;
    void *ctx;
    struct list owner;     /* egress' list of connections, or home->lingering */
    struct list queue;     /* chunks, oldest first */
    struct list in_flight; /* chunks libuv writes when the kernel takes them again */
    size_t queued_bytes;   /* in queue */
    struct loop_task flush;
    struct loop_timer timer; /* fires at or before deadline_ms */
    uint64_t deadline_ms;    /* 0: none */
    struct netaddr peer, local;
    int error;           /* to be told to the user by the next flush or read */
    bool reading;        /* what the user wants */
    bool polling;        /* uv_read_start is in effect */
    bool writing;        /* a uv_write is under way */
    bool sent;           /* since the last on_drained */
    bool peer_ended;     /* end of file was read */
    bool ended;          /* on_end was called */
    bool user_closed;    /* conn_close was called */
    bool handle_closing; /* uv_close was called */
    bool handle_closed;  /* its callback ran */
    bool lingering;      /* in home->lingering */
    bool draining;       /* lingering: reading on so that close does not reset */
};
_Static_assert(sizeof(struct conn) < 768, "thousands of idle sessions must cost little");

static _Atomic unsigned open_count;

static void on_flush(void *ctx);
static void on_timer(void *ctx);

/* ---- the user's side is nobody once conn_close was called */

static void
nobody_on_bytes(void *ctx, struct slice bytes)
{
    (void)ctx;
    (void)bytes;
}

static void
nobody_on_end(void *ctx, int status)
{
    (void)ctx;
    (void)status;
}

static const struct conn_user nobody = { nobody_on_bytes, NULL, nobody_on_end };

/* ---- chunks */

static struct conn_home *
home_of(const struct conn *c)
{
    return loop_local(c->loop);
}

static void home_fini(void *ctx);

static int
home_get(struct loop *l)
{
    struct conn_home *home = loop_local(l);

    if (home != NULL) {
        return 0;
    }
    home = malloc(sizeof(*home));
    if (home == NULL) {
        return -ENOMEM;
    }
    list_init(&home->chunks);
    list_init(&home->lingering);
    home->chunk_count = home->lingering_count = 0;
    home->ended = false;
    loop_set_local(l, home, home_fini);
    return 0;
}

static struct chunk *
chunk_new(struct conn *c)
{
    struct conn_home *home = home_of(c);
    struct list *link = list_pop_front(&home->chunks);
    struct chunk *k;

    if (link != NULL) {
        home->chunk_count--;
        k = CONTAINER_OF(link, struct chunk, link);
    } else {
        k = malloc(CHUNK_BYTES);
        if (k == NULL) {
            return NULL;
        }
    }
    k->p = k->data;
    k->n = 0;
    k->end = 0;
    list_push_back(&c->queue, &k->link);
    return k;
}

static void
chunk_free(struct conn_home *home, struct chunk *k)
{
    list_remove(&k->link);
    if (home->ended || home->chunk_count >= CHUNKS_KEPT_MAX) {
        free(k);
        return;
    }
    list_push_front(&home->chunks, &k->link); /* the warmest is used next */
    home->chunk_count++;
}

static void
chunks_free(struct conn_home *home, struct list *chunks)
{
    LIST_FOR_SAFE(link, tmp, chunks)
    {
        chunk_free(home, CONTAINER_OF(link, struct chunk, link));
    }
}

/* ---- the end */

static void
maybe_free(struct conn *c)
{
    if (c->user_closed && c->handle_closed) {
        free(c);
        open_count--;
    }
}

static void
on_handle_closed(uv_handle_t *h)
{
    struct conn *c = h->data;

    chunks_free(home_of(c), &c->in_flight); /* libuv has let go of them */
    c->handle_closed = true;
    maybe_free(c);
}

/* Give the descriptor back now; what is queued is dropped. */
static void
close_handle(struct conn *c)
{
    if (c->handle_closing) {
        return;
    }
    c->handle_closing = true;
    loop_task_cancel(&c->flush);
    loop_timer_stop(&c->timer);
    list_remove(&c->owner);
    home_of(c)->lingering_count -= c->lingering;
    chunks_free(home_of(c), &c->queue);
    c->queued_bytes = 0;
    uv_close((uv_handle_t *)&c->tcp, on_handle_closed);
}

/* The loop is about to close: nobody waits for lingering connections any longer. */
static void
home_fini(void *ctx)
{
    struct conn_home *home = ctx;

    home->ended = true;
    LIST_FOR_SAFE(link, tmp, &home->lingering)
    {
        close_handle(CONTAINER_OF(link, struct conn, owner));
    }
    LIST_FOR_SAFE(link, tmp, &home->chunks)
    {
        chunk_free(home, CONTAINER_OF(link, struct chunk, link));
    }
}

static void
stop_polling(struct conn *c)
{
    if (c->polling) {
        uv_read_stop((uv_stream_t *)&c->tcp);
        c->polling = false;
    }
}

/* Tell the user once. After status 0 it may still send: the peer closed only its own side. */
static void
conn_end(struct conn *c, int status)
{
    if (c->ended || c->user_closed) {
        return;
    }
    c->ended = true;
    c->deadline_ms = 0;
    loop_timer_stop(&c->timer);
    stop_polling(c);
    if (status < 0) {
        chunks_free(home_of(c), &c->queue);
        c->queued_bytes = 0;
    }
    c->user->on_end(c->ctx, status);
}

/* ---- reading */

static void
on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct conn *c = h->data;

    (void)suggested;
    if (!c->reading && !c->draining) {
        *out = uv_buf_init(NULL, 0); /* paused: leave the bytes in the kernel */
        return;
    }
    *out = uv_buf_init(home_of(c)->read_buffer, READ_BUFFER_BYTES);
}

/* After a failed write the kernel reports the end of the stream as a plain end of file: it told
 * the error to the write already. */
static int
end_status(const struct conn *c, ssize_t nread)
{
    if (c->error < 0) {
        return c->error;
    }
    return nread == UV_EOF ? 0 : (int)nread;
}

static void
on_read(uv_stream_t *tcp, ssize_t nread, const uv_buf_t *buf)
{
    struct conn *c = tcp->data;

    if (nread == UV_ENOBUFS && !c->reading && !c->draining) {
        stop_polling(c);
    } else if (nread < 0 && c->user_closed) {
        close_handle(c); /* lingering, and the peer is done too */
    } else if (nread < 0) {
        c->polling = false; /* libuv has stopped by itself */
        c->peer_ended = nread == UV_EOF && c->error == 0;
        conn_end(c, end_status(c, nread));
    } else if (nread > 0) {
        c->user->on_bytes(c->ctx, (struct slice){ buf->base, (size_t)nread });
    }
}

static void
start_polling(struct conn *c)
{
    int rc;

    if (c->polling) {
        return;
    }
    rc = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    if (rc < 0) {
        c->error = rc;
        loop_call_last(c->loop, &c->flush); /* which tells the user */
        return;
    }
    c->polling = true;
}

void
conn_set_reading(struct conn *c, bool on)
{
    CHECK(!c->user_closed);
    c->reading = on;
    if (on && !c->ended && !c->handle_closing) {
        start_polling(c);
    }
}

/* ---- writing */

static void
consume(struct conn *c, size_t n)
{
    struct conn_home *home = home_of(c);

    c->queued_bytes -= n;
    LIST_FOR_SAFE(link, tmp, &c->queue)
    {
        struct chunk *k = CONTAINER_OF(link, struct chunk, link);

        if (n < k->n) {
            k->p += n;
            k->n -= (uint32_t)n;
            return;
        }
        n -= k->n;
        chunk_free(home, k);
    }
}

static unsigned
gather(struct conn *c, uv_buf_t bufs[WRITE_BUFS_MAX])
{
    unsigned count = 0;

    LIST_FOR(link, &c->queue)
    {
        struct chunk *k = CONTAINER_OF(link, struct chunk, link);

        if (count == WRITE_BUFS_MAX) {
            break;
        }
        bufs[count++] = (uv_buf_t){ .base = (char *)(uintptr_t)k->p, .len = k->n };
    }
    return count;
}

/* A reset or a time-out of the kernel ends the reading side too, and there may be bytes to read
 * before that end, such as the 421 that explains it. So while the user reads, leave it to on_read.
 */
static void
write_failed(struct conn *c, int rc)
{
    bool read_will_end = rc == UV_EPIPE || rc == UV_ECONNRESET || rc == UV_ETIMEDOUT;

    chunks_free(home_of(c), &c->queue);
    c->queued_bytes = 0;
    if (c->user_closed) {
        close_handle(c);
        return;
    }
    c->error = rc;
    if (!(read_will_end && c->reading && c->polling)) {
        conn_end(c, rc);
    }
}

static void
on_written(uv_write_t *req, int status)
{
    struct conn *c = req->data;

    free(req);
    c->writing = false;
    chunks_free(home_of(c), &c->in_flight);
    if (c->handle_closing) {
        return;
    }
    if (status < 0) {
        write_failed(c, status);
        return;
    }
    on_flush(c);
}

/* The kernel takes no more: libuv writes the rest when it does. The only allocation, and only for a
 * peer slower than we are. */
static int
write_later(struct conn *c)
{
    uv_buf_t bufs[WRITE_BUFS_MAX];
    unsigned count = gather(c, bufs);
    uv_write_t *req = malloc(sizeof(*req));
    int rc;

    if (req == NULL) {
        return -ENOMEM;
    }
    req->data = c;
    rc = uv_write(req, (uv_stream_t *)&c->tcp, bufs, count, on_written);
    if (rc < 0) {
        free(req);
        return rc;
    }
    c->writing = true;
    for (unsigned i = 0; i < count; i++) {
        struct chunk *k = CONTAINER_OF(list_pop_front(&c->queue), struct chunk, link);

        c->queued_bytes -= k->n;
        list_push_back(&c->in_flight, &k->link);
    }
    return 0;
}

/* Hand what is queued to the kernel. 0: all taken, or the rest is on its way. */
static int
write_now(struct conn *c)
{
    uv_buf_t bufs[WRITE_BUFS_MAX];

    while (!list_empty(&c->queue) && !c->writing) {
        int n = uv_try_write((uv_stream_t *)&c->tcp, bufs, gather(c, bufs));
        int rc = 0;

        if (n > 0) {
            consume(c, (size_t)n);
        } else if (n == UV_EAGAIN) {
            rc = write_later(c);
        } else {
            rc = n;
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* Lingering, and all is sent. Bytes that came and were not read would make close(2) reset the
 * connection, and the peer could lose our last reply: so say that we are done, and read them away
 * until the peer is done too or the linger time is over. */
static void
close_flushed(struct conn *c)
{
    int fd;
    int unread = 0;

    if (c->draining) {
        return;
    }
    if (!c->peer_ended && loop_timer_running(&c->timer) &&
        uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0 && ioctl(fd, FIONREAD, &unread) == 0 &&
        unread > 0 && shutdown(fd, SHUT_WR) == 0) {
        c->draining = true;
        start_polling(c);
        return;
    }
    close_handle(c);
}

static bool
all_sent(const struct conn *c)
{
    return list_empty(&c->queue) && !c->writing;
}

/* The last task of a turn, and what goes on when the kernel took what was in flight. */
static void
on_flush(void *ctx)
{
    struct conn *c = ctx;

    if (c->error < 0) {
        conn_end(c, c->error);
        return;
    }
    for (int round = 0; round < FLUSH_ROUNDS && c->sent; round++) {
        int rc = write_now(c);

        if (rc < 0) {
            write_failed(c, rc);
            return;
        }
        if (!all_sent(c)) {
            return; /* on_written goes on */
        }
        c->sent = false;
        if (c->user_closed) {
            close_flushed(c);
            return;
        }
        if (c->user->on_drained != NULL) {
            c->user->on_drained(c->ctx); /* may send more, or close */
        }
        if (c->handle_closing || c->user_closed) {
            return;
        }
    }
    if (c->sent) {
        loop_call_last(c->loop, &c->flush); /* the others' turn first */
    }
}

/* Room at the end of the queue: in its last chunk, else in a new one. */
static struct chunk *
chunk_with_room(struct conn *c)
{
    if (!list_empty(&c->queue)) {
        struct chunk *k = CONTAINER_OF(c->queue.prev, struct chunk, link);

        if (k->end < CHUNK_DATA_BYTES) {
            return k;
        }
    }
    return chunk_new(c);
}

static bool
may_send(const struct conn *c)
{
    CHECK(!c->user_closed);
    return c->error == 0 && !c->handle_closing && (!c->ended || c->peer_ended);
}

static void
schedule_flush(struct conn *c)
{
    c->sent = true;
    if (!c->writing) {
        loop_call_last(c->loop, &c->flush);
    }
}

static void
send_failed(struct conn *c, int rc)
{
    c->error = rc;
    loop_call_last(c->loop, &c->flush); /* which tells the user */
}

void
conn_send(struct conn *c, struct slice bytes)
{
    if (!may_send(c)) {
        return;
    }
    while (bytes.n > 0) {
        struct chunk *k = chunk_with_room(c);
        size_t n;

        if (k == NULL) {
            send_failed(c, -ENOMEM); /* a gap in the stream is worse than its end */
            return;
        }
        n = MIN(bytes.n, CHUNK_DATA_BYTES - k->end);
        memcpy(k->data + k->end, bytes.p, n);
        k->end += (uint32_t)n;
        k->n += (uint32_t)n;
        c->queued_bytes += n;
        bytes = slice_skip(bytes, n);
    }
    schedule_flush(c);
}

size_t
conn_queued(const struct conn *c)
{
    return c->queued_bytes + uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
}

/* ---- time */

static void
on_timer(void *ctx)
{
    struct conn *c = ctx;
    uint64_t now_ms = loop_now_ms(c->loop);

    if (c->user_closed) {
        close_handle(c); /* lingered long enough */
    } else if (c->deadline_ms == 0) {
        return;
    } else if (now_ms < c->deadline_ms) {
        loop_timer_start(&c->timer, c->deadline_ms - now_ms);
    } else {
        conn_end(c, -ETIMEDOUT);
    }
}

void
conn_set_deadline(struct conn *c, uint64_t in_ms)
{
    CHECK(!c->user_closed);
    if (in_ms == 0 || c->ended) {
        c->deadline_ms = 0; /* a running timer finds that out by itself */
        return;
    }
    c->deadline_ms = loop_now_ms(c->loop) + in_ms;
    if (loop_timer_due_ms(&c->timer) > c->deadline_ms) {
        loop_timer_start(&c->timer, in_ms);
    }
}

/* ---- life */

static void
read_names(struct conn *c, int fd)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof(sa);

    /* A peer that is gone already has no name; the first read says so. */
    if (getpeername(fd, (struct sockaddr *)&sa, &n) < 0 ||
        netaddr_from_sockaddr((struct sockaddr *)&sa, &c->peer) < 0) {
        c->peer = (struct netaddr){ 0 };
    }
    n = sizeof(sa);
    if (getsockname(fd, (struct sockaddr *)&sa, &n) < 0 ||
        netaddr_from_sockaddr((struct sockaddr *)&sa, &c->local) < 0) {
        c->local = (struct netaddr){ 0 };
    }
}

int
conn_new(struct conn **out, struct loop *l, int fd, const struct conn_user *user, void *ctx)
{
    struct conn *c;
    int rc = home_get(l);

    c = rc == 0 ? calloc(1, sizeof(*c)) : NULL;
    if (c == NULL) {
        close(fd);
        return -ENOMEM;
    }
    c->loop = l;
    c->user = user != NULL ? user : &nobody;
    c->ctx = ctx;
    list_init(&c->owner);
    list_init(&c->queue);
    list_init(&c->in_flight);
    loop_task_init(&c->flush, on_flush, c);
    loop_timer_init(l, &c->timer, on_timer, c);
    rc = uv_tcp_init(loop_uv(l), &c->tcp);
    if (rc < 0) {
        close(fd);
        free(c);
        return rc;
    }
    open_count++;
    c->tcp.data = c;
    read_names(c, fd);
    rc = uv_tcp_open(&c->tcp, fd);
    if (rc < 0) {
        close(fd);
        c->user_closed = true;
        close_handle(c);
        return rc;
    }
    *out = c;
    return 0;
}

void
conn_keep_alive(struct conn *c)
{
    static const int on = 1, idle_s = 15, interval_s = 5, count = 6;
    int fd;

    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
    }
}

static void
begin_lingering(struct conn *c, uint64_t linger_ms)
{
    struct conn_home *home = home_of(c);

    if (home->lingering_count == CONN_LINGERING_MAX) {
        close_handle(CONTAINER_OF(home->lingering.next, struct conn, owner));
    }
    c->lingering = true;
    home->lingering_count++;
    list_push_back(&home->lingering, &c->owner);
    loop_timer_start(&c->timer, linger_ms);
    if (all_sent(c)) {
        close_flushed(c);
    }
}

void
conn_close(struct conn *c, uint64_t linger_ms)
{
    bool broken;

    CHECK(!c->user_closed);
    broken = c->error < 0 || (c->ended && !c->peer_ended);
    c->user_closed = true;
    c->user = &nobody;
    if (c->handle_closing) {
        maybe_free(c); /* else the close callback frees it */
        return;
    }
    c->reading = false;
    stop_polling(c);
    loop_timer_stop(&c->timer);
    loop_task_cancel(&c->flush);
    list_remove(&c->owner);
    if (broken || write_now(c) < 0 || (linger_ms == 0 || home_of(c)->ended)) {
        close_handle(c);
        return;
    }
    begin_lingering(c, linger_ms);
}

const struct netaddr *
conn_peer(const struct conn *c)
{
    return &c->peer;
}

const struct netaddr *
conn_local(const struct conn *c)
{
    return &c->local;
}

unsigned
conn_count(void)
{
    return open_count;
}

/* ---- for egress */

void
conn_join(struct conn *c, struct list *owner)
{
    list_remove(&c->owner);
    list_push_back(owner, &c->owner);
}

struct conn *
conn_of_owner(struct list *link)
{
    return CONTAINER_OF(link, struct conn, owner);
}

void
conn_cut(struct conn *c, int status)
{
    static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    int fd;

    if (c->handle_closing) {
        return;
    }
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0) {
        /* No FIN, nothing of the kernel's send queue, and the reset that close sends instead goes
         * to the loopback interface, where it ends: IPv6 would send it from an address that is
         * another host's by now. (Needs no privilege: the socket was tied to no interface.) */
        (void)setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2);
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    close_handle(c);
    if (!c->ended && !c->user_closed) {
        c->ended = true;
        c->user->on_end(c->ctx, status);
    }
}

void
conn_cut_lingering(struct loop *l, const struct netaddr *local)
{
    struct conn_home *home = loop_local(l);

    if (home == NULL) {
        return; /* there never was a connection */
    }
    LIST_FOR_SAFE(link, tmp, &home->lingering)
    {
        struct conn *c = CONTAINER_OF(link, struct conn, owner);

        if (netaddr_eq(&c->local, local)) {
            conn_cut(c, BH_ENOVIP);
        }
    }
}
