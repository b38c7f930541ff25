/* cluster/cluster_corosync.c - libquorum and libcpg on one helper thread: their calls block.
 *
 * The thread polls the two descriptors and a pipe of its own; events go to the loop through a small
 * queue and one wake. Losing either library's connection means corosync is gone: LEFT, then a new
 * try every second.
 *
 * The CPG message is {magic, version, epoch, node}; an owner says it when it claims and whenever
 * the membership changes, so that a node that was cut off and comes back learns of a higher epoch
 * from the first membership it sees.
 */
#include "cluster/cluster_impl.h"
#include "core/log.h"
#include <corosync/cpg.h>
#include <corosync/quorum.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RETRY_MS     1000
#define EVENTS_MAX   128
#define WIRE_MAGIC   0x62726864u /* "brhd" */
#define WIRE_VERSION 1u

/* Little-endian on every machine that Debian builds corosync clusters of; mixed ones are told apart
 * by the magic. */
struct wire {
    uint32_t magic, version;
    uint64_t epoch;
    char node[64];
};
_Static_assert(sizeof(struct wire) == 80, "the message has no holes");

struct cluster_corosync {
    struct cluster base;
    char instance[64], node[64];
    cluster_fn *on_event;
    void *ctx;
    struct loop_wake *wake;
    pthread_t thread;
    int pipe[2]; /* wakes the thread: a byte for each order */

    pthread_mutex_t lock; /* guards what follows */
    struct cluster_event events[EVENTS_MAX];
    size_t head, count;
    uint64_t epoch;
    bool epoch_changed, stop;

    /* the thread's own */
    cpg_handle_t cpg;
    quorum_handle_t quorum;
    bool have_cpg, have_quorum, joined;
    struct cpg_name group;
};

/* ---- to the loop */

/* An event that waits already and that this one makes moot: the latest word of a peer, or on
 * quorum. */
static struct cluster_event *
superseded(struct cluster_corosync *c, const struct cluster_event *e)
{
    for (size_t i = 0; i < c->count; i++) {
        struct cluster_event *old = &c->events[(c->head + i) % EVENTS_MAX];

        if (old->kind == e->kind && e->kind == CLUSTER_PEER && strcmp(old->node, e->node) == 0) {
            return old;
        }
    }
    return NULL;
}

/* A cluster has fewer nodes than the queue has places, and a peer takes one at most, so it is full
 * only of changes of quorum and connection while the loop stands still: then the oldest is moot. */
static void
post(struct cluster_corosync *c, const struct cluster_event *e)
{
    struct cluster_event *old;

    (void)pthread_mutex_lock(&c->lock);
    old = superseded(c, e);
    if (old != NULL) {
        old->epoch = MAX(old->epoch, e->epoch);
    } else {
        if (c->count == EVENTS_MAX) {
            c->head = (c->head + 1) % EVENTS_MAX;
            c->count--;
        }
        c->events[(c->head + c->count++) % EVENTS_MAX] = *e;
    }
    (void)pthread_mutex_unlock(&c->lock);
    loop_wake_send(c->wake);
}

static bool
take(struct cluster_corosync *c, struct cluster_event *e)
{
    bool any;

    (void)pthread_mutex_lock(&c->lock);
    any = c->count > 0;
    if (any) {
        *e = c->events[c->head];
        c->head = (c->head + 1) % EVENTS_MAX;
        c->count--;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return any;
}

static void
on_wake(void *ctx)
{
    struct cluster_corosync *c = ctx;
    struct cluster_event e;

    while (take(c, &e)) {
        switch (e.kind) {
        case CLUSTER_JOINED:
            log_event(EV_CLUSTER_JOINED, LF_STR("node", c->node));
            break;
        case CLUSTER_LEFT:
            log_event(EV_CLUSTER_LEFT, LF_STR("node", c->node));
            break;
        case CLUSTER_QUORUM:
            log_event(EV_CLUSTER_QUORUM, LF_INT("quorate", e.quorate));
            break;
        case CLUSTER_PEER:
            log_event(EV_CLUSTER_PEER, LF_STR("node", e.node), LF_UINT("epoch", e.epoch));
            break;
        }
        c->on_event(c->ctx, &e);
    }
}

/* ---- the thread */

static void
say_epoch(struct cluster_corosync *c)
{
    struct wire w = { .magic = WIRE_MAGIC, .version = WIRE_VERSION };
    struct iovec iov = { .iov_base = &w, .iov_len = sizeof(w) };

    (void)pthread_mutex_lock(&c->lock);
    w.epoch = c->epoch;
    c->epoch_changed = false;
    (void)pthread_mutex_unlock(&c->lock);
    if (w.epoch == 0 || !c->have_cpg) {
        return;
    }
    (void)snprintf(w.node, sizeof(w.node), "%s", c->node);
    if (cpg_mcast_joined(c->cpg, CPG_TYPE_AGREED, &iov, 1) == CS_ERR_TRY_AGAIN) {
        (void)pthread_mutex_lock(&c->lock);
        c->epoch_changed = true; /* said at the next turn */
        (void)pthread_mutex_unlock(&c->lock);
    }
}

static void
on_cpg_message(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
    void *bytes, size_t n)
{
    struct cluster_event e = { .kind = CLUSTER_PEER };
    struct cluster_corosync *c = NULL;
    struct wire w;
    void *context = NULL;

    (void)group;
    (void)nodeid;
    (void)pid;
    if (cpg_context_get(handle, &context) != CS_OK || n != sizeof(w)) {
        return;
    }
    c = context;
    memcpy(&w, bytes, sizeof(w));
    w.node[sizeof(w.node) - 1] = '\0';
    if (w.magic != WIRE_MAGIC || w.version != WIRE_VERSION || strcmp(w.node, c->node) == 0) {
        return;
    }
    e.epoch = w.epoch;
    memcpy(e.node, w.node, sizeof(e.node));
    post(c, &e);
}

static void
on_cpg_change(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
    size_t member_count, const struct cpg_address *left, size_t left_count,
    const struct cpg_address *joined, size_t joined_count)
{
    void *context = NULL;

    (void)group;
    (void)members;
    (void)member_count;
    (void)left;
    (void)left_count;
    (void)joined;
    if (cpg_context_get(handle, &context) == CS_OK && joined_count > 0) {
        struct cluster_corosync *c = context;

        (void)pthread_mutex_lock(&c->lock);
        c->epoch_changed = true;
        (void)pthread_mutex_unlock(&c->lock);
    }
}

static void
on_quorum(
    quorum_handle_t handle, uint32_t quorate, uint64_t ring, uint32_t count, uint32_t *members)
{
    struct cluster_event e = { .kind = CLUSTER_QUORUM, .quorate = quorate != 0 };
    const void *context = NULL;

    (void)ring;
    (void)count;
    (void)members;
    if (quorum_context_get(handle, &context) == CS_OK) {
        post((struct cluster_corosync *)(uintptr_t)context, &e);
    }
}

static void
disconnect(struct cluster_corosync *c)
{
    if (c->have_cpg) {
        (void)cpg_finalize(c->cpg);
        c->have_cpg = false;
    }
    if (c->have_quorum) {
        (void)quorum_finalize(c->quorum);
        c->have_quorum = false;
    }
}

static bool
connect_quorum(struct cluster_corosync *c)
{
    quorum_callbacks_t callbacks = { .quorum_notify_fn = on_quorum };
    uint32_t type;

    c->have_quorum = quorum_initialize(&c->quorum, &callbacks, &type) == CS_OK;
    return c->have_quorum && quorum_context_set(c->quorum, c) == CS_OK;
}

static bool
connect_cpg(struct cluster_corosync *c)
{
    cpg_model_v1_data_t model = { .cpg_deliver_fn = on_cpg_message,
        .cpg_confchg_fn = on_cpg_change };

    c->have_cpg =
        cpg_model_initialize(&c->cpg, CPG_MODEL_V1, (cpg_model_data_t *)&model, c) == CS_OK;
    return c->have_cpg && cpg_join(c->cpg, &c->group) == CS_OK;
}

/* JOINED is posted before anything is dispatched, so that the first QUORUM event follows it. */
static bool
reconnect(struct cluster_corosync *c)
{
    struct cluster_event e = { .kind = CLUSTER_JOINED };

    if (!connect_cpg(c) || !connect_quorum(c) ||
        quorum_trackstart(c->quorum, CS_TRACK_CURRENT | CS_TRACK_CHANGES) != CS_OK) {
        disconnect(c);
        return false;
    }
    post(c, &e);
    return true;
}

/* Wait for something to do. False when the connection broke. */
static bool
serve(struct cluster_corosync *c, int timeout_ms)
{
    struct pollfd fds[3] = { { .fd = c->pipe[0], .events = POLLIN }, { .fd = -1, .events = POLLIN },
        { .fd = -1, .events = POLLIN } };
    char drop[64];

    if (c->have_cpg && (cpg_fd_get(c->cpg, &fds[1].fd) != CS_OK ||
                           quorum_fd_get(c->quorum, &fds[2].fd) != CS_OK)) {
        return false;
    }
    if (poll(fds, ARRAY_LEN(fds), timeout_ms) < 0 && errno != EINTR) {
        return false;
    }
    if ((fds[0].revents & POLLIN) != 0 && read(c->pipe[0], drop, sizeof(drop)) < 0 &&
        errno != EAGAIN) {
        return false;
    }
    if (fds[1].revents != 0 && cpg_dispatch(c->cpg, CS_DISPATCH_ALL) != CS_OK) {
        return false;
    }
    return fds[2].revents == 0 || quorum_dispatch(c->quorum, CS_DISPATCH_ALL) == CS_OK;
}

static void *
run(void *arg)
{
    struct cluster_corosync *c = arg;
    struct cluster_event left = { .kind = CLUSTER_LEFT };
    bool said_left = false;

    for (;;) {
        bool stop, speak;

        (void)pthread_mutex_lock(&c->lock);
        stop = c->stop;
        speak = c->epoch_changed;
        (void)pthread_mutex_unlock(&c->lock);
        if (stop) {
            break;
        }
        if (!c->joined) {
            c->joined = reconnect(c);
            if (!c->joined && !said_left) {
                said_left = true;
                post(c, &left);
            }
        }
        if (c->joined && speak) {
            say_epoch(c);
        }
        if (!serve(c, RETRY_MS) && c->joined) {
            disconnect(c);
            c->joined = false;
            said_left = true;
            post(c, &left);
        } else if (c->joined) {
            said_left = false;
        }
    }
    /* No finalize: its round trips would be part of each failover. The end of the process, which
     * follows, closes the connections, and corosync tells the group at once. */
    return NULL;
}

/* ---- from the loop */

static void
nudge(struct cluster_corosync *c)
{
    char one = 1;

    if (write(c->pipe[1], &one, 1) < 0) {
        return; /* full: the thread is awake anyway */
    }
}

static void
corosync_announce(struct cluster *base, uint64_t epoch)
{
    struct cluster_corosync *c = CONTAINER_OF(base, struct cluster_corosync, base);

    (void)pthread_mutex_lock(&c->lock);
    c->epoch = epoch;
    c->epoch_changed = true;
    (void)pthread_mutex_unlock(&c->lock);
    nudge(c);
}

static void
release(struct cluster_corosync *c)
{
    if (c->wake != NULL) {
        loop_wake_free(c->wake);
    }
    if (c->pipe[0] >= 0) {
        (void)close(c->pipe[0]);
        (void)close(c->pipe[1]);
    }
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

static bool
corosync_free(struct cluster *base)
{
    struct cluster_corosync *c = CONTAINER_OF(base, struct cluster_corosync, base);
    struct timespec until;

    (void)pthread_mutex_lock(&c->lock);
    c->stop = true;
    (void)pthread_mutex_unlock(&c->lock);
    nudge(c);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1;
    if (pthread_timedjoin_np(c->thread, NULL, &until) != 0) {
        return false; /* the process is about to end, and its memory with it */
    }
    release(c);
    return true;
}

int
cluster_corosync_start(struct cluster **out, struct loop *l, const struct cluster_options *o,
    cluster_fn *on_event, void *ctx)
{
    struct cluster_corosync *c = calloc(1, sizeof(*c));
    int rc;

    if (c == NULL) {
        return -ENOMEM;
    }
    c->base = (struct cluster){ corosync_announce, corosync_free };
    c->on_event = on_event;
    c->ctx = ctx;
    c->pipe[0] = c->pipe[1] = -1;
    (void)snprintf(c->instance, sizeof(c->instance), "%s", o->instance);
    (void)snprintf(c->node, sizeof(c->node), "%s", o->node);
    c->group.length =
        (uint32_t)snprintf(c->group.value, sizeof(c->group.value), "bridgehead-%s", c->instance);
    (void)pthread_mutex_init(&c->lock, NULL);
    rc = pipe2(c->pipe, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno
                                                    : loop_wake_new(l, &c->wake, on_wake, c);
    if (rc == 0) {
        rc = -pthread_create(&c->thread, NULL, run, c);
    }
    if (rc < 0) {
        release(c);
        return rc;
    }
    *out = &c->base;
    return 0;
}
