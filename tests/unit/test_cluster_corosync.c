/* The helper thread and the loop, with a corosync of ours: the functions of libcpg and libquorum
 * are defined here, and found first. */
#include "cluster/cluster.h"
#include "test_main.h"
#include <corosync/cpg.h>
#include <corosync/quorum.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SAID_NOTHING UINT64_MAX

struct wire { /* as in cluster_corosync.c */
    uint32_t magic, version;
    uint64_t epoch;
    char node[64];
};
#define MAGIC 0x62726864u

/* What corosync does; under lock. CUnit is the main thread's alone. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_down, holds, entered; /* holds: whoever connects stays inside */
    unsigned failing_tracks;      /* so many calls of trackstart fail */
    int cpg[2], quorum[2];        /* a byte for each thing to dispatch */
    cpg_model_v1_data_t model;
    quorum_callbacks_t callbacks;
    void *cpg_context;
    const void *quorum_context;
    bool quorate, joins;
    struct wire message;
    size_t message_bytes; /* 0: none */
    uint64_t said;        /* the last epoch that was multicast */
    bool wrong;           /* something was not asked for as it should be */
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void
lock(void)
{
    (void)pthread_mutex_lock(&fake.lock);
}

static void
unlock(void)
{
    (void)pthread_cond_broadcast(&fake.changed);
    (void)pthread_mutex_unlock(&fake.lock);
}

static cs_error_t
up_or_down(void)
{
    return fake.is_down ? CS_ERR_LIBRARY : CS_OK;
}

static void
ring(const int pipe[2])
{
    fake.wrong = write(pipe[1], "x", 1) != 1 || fake.wrong;
}

static bool
drain(const int pipe[2])
{
    char bytes[64];

    return read(pipe[0], bytes, sizeof(bytes)) > 0;
}

/* ---- libcpg */

cs_error_t
cpg_model_initialize(cpg_handle_t *handle, cpg_model_t model, cpg_model_data_t *data, void *context)
{
    cs_error_t rc;

    (void)model;
    lock();
    while (fake.holds) {
        fake.entered = true;
        (void)pthread_cond_broadcast(&fake.changed);
        (void)pthread_cond_wait(&fake.changed, &fake.lock);
    }
    *handle = 1;
    memcpy(&fake.model, data, sizeof(fake.model));
    fake.cpg_context = context;
    rc = up_or_down();
    unlock();
    return rc;
}

cs_error_t
cpg_finalize(cpg_handle_t handle)
{
    (void)handle;
    return CS_OK;
}

cs_error_t
cpg_context_get(cpg_handle_t handle, void **context)
{
    (void)handle;
    *context = fake.cpg_context; /* from dispatch only, in the thread that set it */
    return CS_OK;
}

cs_error_t
cpg_fd_get(cpg_handle_t handle, int *fd)
{
    (void)handle;
    *fd = fake.cpg[0];
    return CS_OK;
}

cs_error_t
cpg_join(cpg_handle_t handle, const struct cpg_name *group)
{
    static const char name[] = "bridgehead-relay";

    (void)handle;
    lock();
    fake.wrong = fake.wrong || group->length != sizeof(name) - 1 ||
                 memcmp(group->value, name, sizeof(name) - 1) != 0;
    unlock();
    return CS_OK;
}

cs_error_t
cpg_mcast_joined(
    cpg_handle_t handle, cpg_guarantee_t guarantee, const struct iovec *iov, unsigned int count)
{
    struct wire w = { .magic = 0 };

    (void)handle;
    lock();
    if (count == 1 && iov->iov_len == sizeof(w)) {
        memcpy(&w, iov->iov_base, sizeof(w));
    }
    fake.said = w.epoch;
    fake.wrong = fake.wrong || guarantee != CPG_TYPE_AGREED || w.magic != MAGIC ||
                 strcmp(w.node, "node1") != 0;
    unlock();
    return CS_OK;
}

cs_error_t
cpg_dispatch(cpg_handle_t handle, cs_dispatch_flags_t flags)
{
    struct cpg_name group = { .length = 0 };
    struct cpg_address who = { .nodeid = 2 };
    struct wire w;
    size_t bytes;
    bool joins;
    cs_error_t rc;

    (void)flags;
    lock();
    rc = up_or_down();
    joins = fake.joins;
    w = fake.message;
    bytes = fake.message_bytes;
    if (drain(fake.cpg)) {
        fake.joins = false;
        fake.message_bytes = 0;
    }
    unlock();
    if (rc == CS_OK && joins) {
        fake.model.cpg_confchg_fn(handle, &group, &who, 1, NULL, 0, &who, 1);
    }
    if (rc == CS_OK && bytes > 0) {
        fake.model.cpg_deliver_fn(handle, &group, 2, 4711, &w, bytes);
    }
    return rc;
}

/* ---- libquorum */

cs_error_t
quorum_initialize(quorum_handle_t *handle, quorum_callbacks_t *callbacks, uint32_t *type)
{
    *handle = 1;
    *type = QUORUM_SET;
    fake.callbacks = *callbacks;
    return CS_OK;
}

cs_error_t
quorum_finalize(quorum_handle_t handle)
{
    (void)handle;
    return CS_OK;
}

cs_error_t
quorum_context_set(quorum_handle_t handle, const void *context)
{
    (void)handle;
    fake.quorum_context = context;
    return CS_OK;
}

cs_error_t
quorum_context_get(quorum_handle_t handle, const void **context)
{
    (void)handle;
    *context = fake.quorum_context;
    return CS_OK;
}

cs_error_t
quorum_fd_get(quorum_handle_t handle, int *fd)
{
    (void)handle;
    *fd = fake.quorum[0];
    return CS_OK;
}

/* The first notice is there at once, as with corosync; it is told by dispatch. */
cs_error_t
quorum_trackstart(quorum_handle_t handle, unsigned int flags)
{
    cs_error_t rc = CS_OK;

    (void)handle;
    (void)flags;
    lock();
    if (fake.failing_tracks > 0) {
        fake.failing_tracks--;
        rc = CS_ERR_TRY_AGAIN;
    } else {
        ring(fake.quorum);
    }
    unlock();
    return rc;
}

cs_error_t
quorum_dispatch(quorum_handle_t handle, cs_dispatch_flags_t flags)
{
    bool any, quorate;
    cs_error_t rc;

    (void)flags;
    lock();
    any = drain(fake.quorum);
    quorate = fake.quorate;
    rc = up_or_down();
    unlock();
    if (rc == CS_OK && any) {
        fake.callbacks.quorum_notify_fn(handle, quorate, 1, 0, NULL);
    }
    return rc;
}

/* ---- what the keeper sees */

#define SEEN_MAX 16
static struct {
    struct loop *loop;
    struct cluster *cluster;
    struct cluster_event events[SEEN_MAX];
    size_t count, wanted;
} seen;

static void
on_event(void *ctx, const struct cluster_event *e)
{
    (void)ctx;
    if (seen.count < SEEN_MAX) {
        seen.events[seen.count++] = *e;
    }
    if (seen.count >= seen.wanted) {
        loop_stop(seen.loop);
    }
}

/* n more events. */
static const struct cluster_event *
next_events(size_t n)
{
    size_t before = seen.count;

    seen.wanted = before + n;
    while (seen.count < seen.wanted) {
        (void)loop_run(seen.loop);
    }
    return &seen.events[before];
}

static void
begin(void)
{
    struct cluster_options o = { .instance = "relay", .node = "node1" };

    fake.is_down = fake.holds = fake.entered = fake.joins = fake.wrong = false;
    fake.failing_tracks = 0;
    fake.message_bytes = 0;
    fake.quorate = true;
    fake.said = SAID_NOTHING;
    CU_ASSERT_EQUAL_FATAL(pipe2(fake.cpg, O_CLOEXEC | O_NONBLOCK), 0);
    CU_ASSERT_EQUAL_FATAL(pipe2(fake.quorum, O_CLOEXEC | O_NONBLOCK), 0);
    CU_ASSERT_EQUAL_FATAL(loop_new(&seen.loop), 0);
    seen.count = 0;
    CU_ASSERT_EQUAL_FATAL(cluster_corosync_start(&seen.cluster, seen.loop, &o, on_event, NULL), 0);
}

static void
end(void)
{
    CU_ASSERT_TRUE_FATAL(cluster_free(seen.cluster));
    CU_ASSERT_FALSE(fake.wrong);
    loop_free(seen.loop);
    for (int i = 0; i < 2; i++) {
        (void)close(fake.cpg[i]);
        (void)close(fake.quorum[i]);
    }
}

static void
wait_until_said(uint64_t epoch)
{
    lock();
    while (fake.said != epoch) {
        (void)pthread_cond_wait(&fake.changed, &fake.lock);
    }
    fake.said = SAID_NOTHING;
    unlock();
}

static void
deliver(uint32_t magic, uint64_t epoch, const char *node, size_t bytes)
{
    lock();
    while (fake.message_bytes > 0) { /* the last one is not told yet */
        (void)pthread_cond_wait(&fake.changed, &fake.lock);
    }
    fake.message = (struct wire){ .magic = magic, .version = 1, .epoch = epoch };
    (void)snprintf(fake.message.node, sizeof(fake.message.node), "%s", node);
    fake.message_bytes = bytes;
    ring(fake.cpg);
    unlock();
}

static void
expect_joined(const struct cluster_event *e)
{
    CU_ASSERT_EQUAL(e[0].kind, CLUSTER_JOINED);
    CU_ASSERT_EQUAL(e[1].kind, CLUSTER_QUORUM);
    CU_ASSERT_TRUE(e[1].quorate);
}

static void
begin_joined(void)
{
    begin();
    expect_joined(next_events(2));
}

/* It ends, as one of its descriptors tells; next time so many calls of trackstart fail. */
static void
corosync_ends(const int pipe[2], unsigned failing_tracks)
{
    lock();
    fake.is_down = true;
    fake.failing_tracks = failing_tracks;
    ring(pipe);
    unlock();
    CU_ASSERT_EQUAL(next_events(1)->kind, CLUSTER_LEFT);
}

static void
corosync_comes_back(void)
{
    lock();
    fake.is_down = false;
    unlock();
    expect_joined(next_events(2));
}

static void
who_joins_is_told_so_and_then_of_quorum(void)
{
    const struct cluster_event *e;

    begin_joined();
    lock();
    fake.quorate = false;
    ring(fake.quorum);
    unlock();
    e = next_events(1);
    CU_ASSERT_EQUAL(e->kind, CLUSTER_QUORUM);
    CU_ASSERT_FALSE(e->quorate);
    end();
}

static void
an_owner_says_its_epoch_and_again_to_who_joins(void)
{
    begin_joined();
    cluster_announce(seen.cluster, 7);
    wait_until_said(7);
    lock();
    fake.joins = true;
    ring(fake.cpg);
    unlock();
    wait_until_said(7);
    cluster_announce(seen.cluster, 8);
    wait_until_said(8);
    end();
}

static void
a_peers_epoch_is_told_and_nothing_else(void)
{
    const struct cluster_event *e;

    begin_joined();
    deliver(MAGIC, 9, "node1", sizeof(struct wire)); /* ourselves */
    deliver(MAGIC + 1, 10, "node2", sizeof(struct wire));
    deliver(MAGIC, 11, "node2", sizeof(struct wire) - 1);
    deliver(MAGIC, 12, "node2", sizeof(struct wire));
    e = next_events(1);
    CU_ASSERT_EQUAL(e->kind, CLUSTER_PEER);
    CU_ASSERT_EQUAL(e->epoch, 12);
    CU_ASSERT_STRING_EQUAL(e->node, "node2");
    end();
}

static void
corosync_that_ends_is_left_and_joined_again(void)
{
    begin_joined();
    cluster_announce(seen.cluster, 7);
    wait_until_said(7);
    corosync_ends(fake.cpg, 0);
    corosync_comes_back();
    end();
}

/* It would look as if corosync were there. */
static void
a_join_that_fails_half_way_is_none(void)
{
    begin_joined();
    corosync_ends(fake.quorum, 1);
    corosync_comes_back();
    CU_ASSERT_EQUAL(fake.failing_tracks, 0);
    end();
}

static void
a_thread_that_corosync_holds_up_holds_up_nobody(void)
{
    begin_joined();
    lock();
    fake.is_down = fake.holds = true;
    ring(fake.cpg);
    while (!fake.entered) {
        (void)pthread_cond_wait(&fake.changed, &fake.lock);
    }
    unlock();
    CU_ASSERT_FALSE(cluster_free(seen.cluster));
    lock();
    fake.holds = false;
    unlock();
    end();
}

TEST_MAIN("cluster_corosync", TEST(who_joins_is_told_so_and_then_of_quorum),
    TEST(an_owner_says_its_epoch_and_again_to_who_joins),
    TEST(a_peers_epoch_is_told_and_nothing_else), TEST(corosync_that_ends_is_left_and_joined_again),
    TEST(a_join_that_fails_half_way_is_none), TEST(a_thread_that_corosync_holds_up_holds_up_nobody))
