/* egress.c - the only connect(2) of the source tree.
 *
 * E1 A socket is bound to a source before connect, or there is no connect.
 * E2 The source was PRESENT by vip_watch when the socket was bound, and when it is handed over.
 * E3 When the source leaves, the socket is closed in the turn that says so, unsent bytes with it.
 * E4 No error leads to another source: the caller hears of it and defers.
 */
#include "net/egress.h"

#include "core/log.h"
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

struct egress {
    struct loop *loop;
    struct vip_watch *watch;
    struct vip_listener vip_listener;
    struct list attempts;
    struct list conns; /* they leave it by themselves when they close */
    bool forbidden;
};

struct egress_attempt {
    struct list link;
    struct egress *egress;
    int fd;
    struct loop_poll *poll;
    struct loop_timer timer;
    struct netaddr source;
    const struct conn_user *user;
    void *user_ctx;
    egress_fn *cb;
    void *ctx;
};

/* ---- the end of an attempt */

static void
attempt_free(struct egress_attempt *a)
{
    list_remove(&a->link);
    loop_timer_stop(&a->timer);
    loop_poll_free(a->poll);
    if (a->fd >= 0) {
        close(a->fd);
    }
    free(a);
}

static void
attempt_fail(struct egress_attempt *a, int status)
{
    egress_fn *cb = a->cb;
    void *ctx = a->ctx;

    attempt_free(a);
    cb(ctx, status, NULL);
}

static void
on_timeout(void *ctx)
{
    attempt_fail(ctx, -ETIMEDOUT);
}

/* E2 again, and a look at what the kernel really bound: this must never differ, so it is looked at
 * each time. */
static bool
still_from_source(const struct egress_attempt *a)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof(sa);
    struct netaddr local;

    return getsockname(a->fd, (struct sockaddr *)&sa, &n) == 0 &&
           netaddr_from_sockaddr((struct sockaddr *)&sa, &local) == 0 &&
           netaddr_eq(&local, &a->source) &&
           vip_watch_state(a->egress->watch, &a->source) == VIP_PRESENT;
}

static void
on_connected(void *ctx, int status, unsigned events)
{
    struct egress_attempt *a = ctx;
    struct egress *e = a->egress;
    egress_fn *cb = a->cb;
    void *cb_ctx = a->ctx;
    struct conn *c = NULL;
    int error = 0;
    socklen_t n = sizeof(error);

    (void)events;
    if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0) {
        error = errno;
    }
    if (error != 0 || status < 0) {
        attempt_fail(a, error != 0 ? -error : status);
        return;
    }
    if (!still_from_source(a)) {
        attempt_fail(a, BH_ENOVIP);
        return;
    }
    loop_poll_free(a->poll); /* before the descriptor gets another watcher */
    a->poll = NULL;
    status = conn_new(&c, e->loop, a->fd, a->user, a->user_ctx);
    a->fd = -1;
    attempt_free(a);
    if (status == 0) {
        conn_join(c, &e->conns);
    }
    cb(cb_ctx, status, c);
}

/* ---- the start */

static const struct netaddr *
choose_source(
    const struct egress *e, const struct netaddr *sources, size_t count, const struct netaddr *to)
{
    for (size_t i = 0; i < count; i++) {
        if (sources[i].family == to->family &&
            vip_watch_state(e->watch, &sources[i]) == VIP_PRESENT) {
            return &sources[i];
        }
    }
    return NULL;
}

/* A socket bound to source with its connect under way. */
static int
open_socket(const struct netaddr *source, const struct netaddr *to, int *out)
{
    static const int on = 1;
    struct sockaddr_storage sa;
    struct netaddr any_port = *source;
    socklen_t n;
    int fd = socket(to->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc = 0;

    if (fd < 0) {
        return -errno;
    }
    any_port.port = 0;
    n = netaddr_to_sockaddr(&any_port, &sa);
    /* The port is chosen by connect then, so it need be free for this peer only. Without it we run
     * out of ports sooner, but are no less correct. */
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&sa, n) < 0) {
        rc = errno == EADDRNOTAVAIL ? BH_ENOVIP : -errno;
    }
    if (rc == 0) {
        n = netaddr_to_sockaddr(to, &sa);
        if (connect(fd, (struct sockaddr *)&sa, n) < 0 && errno != EINPROGRESS) {
            rc = -errno;
        }
    }
    if (rc < 0) {
        close(fd);
        return rc;
    }
    *out = fd;
    return 0;
}

int
/* NOLINTNEXTLINE(readability-function-size): whom, from where, for whom, in which time */
egress_connect(struct egress_attempt **out, struct egress *e, const struct netaddr *sources,
    size_t source_count, const struct netaddr *to, uint64_t timeout_ms,
    const struct conn_user *user, void *user_ctx, egress_fn *cb, void *ctx)
{
    const struct netaddr *source = choose_source(e, sources, source_count, to);
    struct egress_attempt *a;
    int rc;

    if (e->forbidden) {
        return BH_EQUORUM;
    }
    if (source == NULL) {
        return BH_ENOVIP;
    }
    a = calloc(1, sizeof(*a));
    if (a == NULL) {
        return -ENOMEM;
    }
    list_init(&a->link);
    a->egress = e;
    a->fd = -1;
    a->source = *source;
    a->user = user;
    a->user_ctx = user_ctx;
    a->cb = cb;
    a->ctx = ctx;
    loop_timer_init(e->loop, &a->timer, on_timeout, a);
    rc = open_socket(source, to, &a->fd);
    if (rc == 0) {
        rc = loop_poll_new(e->loop, &a->poll, a->fd, on_connected, a);
    }
    if (rc == 0) {
        rc = loop_poll_set(a->poll, LOOP_WRITABLE);
    }
    if (rc < 0) {
        attempt_free(a);
        return rc;
    }
    loop_timer_start(&a->timer, timeout_ms);
    list_push_back(&e->attempts, &a->link);
    *out = a;
    return 0;
}

void
egress_cancel(struct egress_attempt *a)
{
    attempt_free(a);
}

/* ---- the stop */

/* End all that speaks from source (NULL: from any). Users close and connect in the callbacks, so
 * the lists are taken over first. */
static void
cut(struct egress *e, const struct netaddr *source, int status)
{
    struct list attempts, conns;
    unsigned count = 0;

    list_init(&attempts);
    list_init(&conns);
    list_splice_back(&attempts, &e->attempts);
    list_splice_back(&conns, &e->conns);
    for (struct list *link = list_pop_front(&conns); link != NULL; link = list_pop_front(&conns)) {
        struct conn *c = conn_of_owner(link);

        if (source != NULL && !netaddr_eq(conn_local(c), source)) {
            list_push_back(&e->conns, link);
            continue;
        }
        count++;
        conn_cut(c, status);
    }
    for (struct list *link = list_pop_front(&attempts); link != NULL;
         link = list_pop_front(&attempts)) {
        struct egress_attempt *a = CONTAINER_OF(link, struct egress_attempt, link);

        if (source != NULL && !netaddr_eq(&a->source, source)) {
            list_push_back(&e->attempts, link);
            continue;
        }
        count++;
        attempt_fail(a, status);
    }
    if (count > 0) {
        char text[NETADDR_TEXT_CAP] = "all";

        if (source != NULL) {
            netaddr_text(source, text);
        }
        log_event(EV_EGRESS_CUT, LF_STR("source", text), LF_UINT("connections", count),
            LF_ERR("reason", status));
    }
}

static void
on_vip_change(void *ctx, const struct netaddr *address, enum vip_state state)
{
    struct egress *e = ctx;

    if (state != VIP_PRESENT) {
        cut(e, address, BH_ENOVIP);
        conn_cut_lingering(e->loop, address); /* a QUIT or a last reply on its way */
    }
}

void
egress_forbid(struct egress *e, bool forbidden)
{
    e->forbidden = forbidden;
    if (forbidden) {
        cut(e, NULL, BH_EQUORUM);
    }
}

/* ---- life */

int
egress_new(struct egress **out, struct loop *l, struct vip_watch *w)
{
    struct egress *e = calloc(1, sizeof(*e));

    if (e == NULL) {
        return -ENOMEM;
    }
    e->loop = l;
    e->watch = w;
    list_init(&e->attempts);
    list_init(&e->conns);
    e->vip_listener.on_change = on_vip_change;
    e->vip_listener.ctx = e;
    vip_watch_listen(w, &e->vip_listener);
    *out = e;
    return 0;
}

void
egress_free(struct egress *e)
{
    if (e == NULL) {
        return;
    }
    vip_watch_unlisten(&e->vip_listener);
    LIST_FOR_SAFE(link, tmp, &e->attempts)
    {
        attempt_free(CONTAINER_OF(link, struct egress_attempt, link));
    }
    LIST_FOR_SAFE(link2, tmp2, &e->conns)
    {
        list_remove(link2);
    }
    free(e);
}
