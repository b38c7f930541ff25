/* The queue as its users see it: real loop, real threads, real files in a temporary directory. What
 * a power cut does is the simulation's (tests/sim). */
#include "core/ticks.h"
#include "queue/queue.h"
#include "test_main.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT (256 * KIB)
#define TEXT    512

static struct loop *loop;
static char dir[64], run_lock[96];

/* ---- a queue and what it said */

struct rig {
    struct queue *q;
    struct queue_claim claim;
    int open_status, failure;
    char text[TEXT];
    unsigned messages, gone, low_calls;
    bool low;
    int done_status;
    unsigned done;
};

static void
on_message(void *ctx, struct queue_message *m)
{
    (void)m;
    ((struct rig *)ctx)->messages++;
}

static void
on_gone(void *ctx, struct queue_message *m)
{
    (void)m;
    ((struct rig *)ctx)->gone++;
}

static void
on_space(void *ctx, bool low)
{
    ((struct rig *)ctx)->low = low;
    ((struct rig *)ctx)->low_calls++;
}

static void
on_failure(void *ctx, int rc)
{
    ((struct rig *)ctx)->failure = rc;
    loop_stop(loop);
}

static void
on_open(void *ctx, int status, struct queue *q, const struct queue_claim *claim, const char *text)
{
    struct rig *r = ctx;

    r->open_status = status;
    r->q = q;
    if (claim != NULL) {
        r->claim = *claim;
    }
    (void)snprintf(r->text, sizeof(r->text), "%s", text);
    loop_stop(loop);
}

static void
on_done(void *ctx, int status)
{
    struct rig *r = ctx;

    r->done_status = status;
    r->done++;
    loop_stop(loop);
}

static struct queue_options
options(struct rig *r)
{
    return (struct queue_options){
        .path = dir,
        .node = "node1",
        .run_lock_path = run_lock,
        .reserve_bytes = MIB,
        .lease_ms = 6000,
        .on_message = on_message,
        .on_gone = on_gone,
        .on_space = on_space,
        .on_failure = on_failure,
        .ctx = r,
    };
}

static int
rig_open_with(struct rig *r, const struct queue_options *o)
{
    struct queue_opening *op;

    *r = (struct rig){ 0 };
    CU_ASSERT_EQUAL_FATAL(queue_open(&op, loop, o, on_open, r), 0);
    (void)loop_run(loop);
    return r->open_status;
}

static int
rig_open(struct rig *r)
{
    struct queue_options o = options(r);

    return rig_open_with(r, &o);
}

static int
rig_release(struct rig *r)
{
    CU_ASSERT_EQUAL_FATAL(queue_release(r->q, on_done, r), 0);
    (void)loop_run(loop);
    queue_free(r->q);
    r->q = NULL;
    return r->done_status;
}

static void
no_resume(void *ctx)
{
    (void)ctx;
}

static struct envelope
envelope_of(const struct envelope_recipient *to, uint32_t n)
{
    return (struct envelope){
        .sender = SLICE_LIT("a@example.org"),
        .envid = SLICE_LIT("env"),
        .body = ENVELOPE_BODY_8BITMIME,
        .hops = 3,
        .received_wall_ms = 1700000000000,
        .client = SLICE_LIT("[192.0.2.1]:4711 (helo.example)"),
        .recipient_count = n,
        .recipients = to,
    };
}

/* One message of n bytes of c to two recipients, durable. */
static msg_id
rig_put(struct rig *r, size_t n, char c)
{
    static const struct envelope_recipient to[2] = {
        { { "b@example.com", 13 }, { "rfc822;B@example.com", 20 }, ENVELOPE_NOTIFY_FAILURE },
        { { "c@example.net", 13 }, { NULL, 0 }, 0 },
    };
    struct envelope e = envelope_of(to, 2);
    struct queue_intake *in;
    char *bytes = malloc(n + 1);
    msg_id id;

    memset(bytes, c, n);
    CU_ASSERT_EQUAL_FATAL(queue_begin(r->q, no_resume, NULL, &in, &id), 0);
    CU_ASSERT_TRUE(queue_append(in, (struct slice){ bytes, n }) >= 0);
    CU_ASSERT_EQUAL_FATAL(queue_commit(in, &e, on_done, r), 0);
    (void)loop_run(loop);
    CU_ASSERT_EQUAL(r->done_status, 0);
    free(bytes);
    return id;
}

static void
on_ready(void *ctx)
{
    (void)ctx;
    loop_stop(loop);
}

/* Reads all of m; -1 if a byte is not c. */
static int64_t
rig_read(struct rig *r, const struct queue_message *m, char c)
{
    struct queue_reader *reader;
    struct slice s;
    int64_t total = 0;
    int rc;

    CU_ASSERT_EQUAL_FATAL(queue_reader_open(r->q, m, &reader), 0);
    for (;;) {
        rc = queue_reader_next(reader, &s, on_ready, r);
        if (rc == BH_EBUSY) {
            (void)loop_run(loop);
            continue;
        }
        if (rc <= 0) {
            break;
        }
        for (size_t i = 0; i < s.n; i++) {
            if (s.p[i] != c) {
                total = INT64_MIN / 2;
            }
        }
        total += (int64_t)s.n;
    }
    queue_reader_close(reader);
    return rc < 0 ? rc : total;
}

static void
rig_sync(struct rig *r)
{
    CU_ASSERT_EQUAL_FATAL(queue_sync(r->q, on_done, r), 0);
    (void)loop_run(loop);
    CU_ASSERT_EQUAL(r->done_status, 0);
}

static void
record(struct rig *r, msg_id id, uint32_t recipient, enum outcome_kind kind, const char *reply)
{
    struct queue_outcome o = { recipient, kind, 1800000000000, slice_of(reply), false };

    CU_ASSERT_EQUAL(queue_record(r->q, queue_find(r->q, id), &o, 1), 0);
}

/* ---- the directory */

static void
clear(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    char name[600];

    while (d != NULL && (e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.') {
            (void)snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
            if (unlink(name) < 0) {
                clear(name);
                (void)rmdir(name);
            }
        }
    }
    if (d != NULL) {
        (void)closedir(d);
    }
}

static void
store_begin(void)
{
    char text[TEXT];

    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    (void)snprintf(dir, sizeof(dir), "/tmp/test_queue.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    (void)snprintf(run_lock, sizeof(run_lock), "%s.lock", dir);
    CU_ASSERT_EQUAL_FATAL(
        queue_store_init(dir, SEGMENT, UINT32_MAX, UINT32_MAX, text, sizeof(text)), 0);
}

static void
store_end(void)
{
    clear(dir);
    (void)rmdir(dir);
    (void)unlink(run_lock);
    loop_free(loop);
}

static unsigned
count_files(const char *sub, const char *part)
{
    char path[128];
    unsigned n = 0;
    struct dirent *e;
    DIR *d;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, sub);
    d = opendir(path);
    while (d != NULL && (e = readdir(d)) != NULL) {
        n += strstr(e->d_name, part) != NULL;
    }
    if (d != NULL) {
        (void)closedir(d);
    }
    return n;
}

/* ---- cases */

static void
a_committed_message_is_there_after_release_and_open(void)
{
    struct rig r;
    struct queue_message *m;
    msg_id small, large;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_STRING_EQUAL(r.claim.cause, "first");
    small = rig_put(&r, 4096, 's');
    large = rig_put(&r, 400000, 'l');
    CU_ASSERT_EQUAL(r.messages, 2);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, large), 'l'), 400000);
    CU_ASSERT_EQUAL(rig_release(&r), 0);

    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_STRING_EQUAL(r.claim.cause, "released");
    CU_ASSERT_STRING_EQUAL(r.claim.previous_node, "node1");
    CU_ASSERT_EQUAL(r.claim.epoch, 2);
    CU_ASSERT_EQUAL(r.messages, 2);
    CU_ASSERT_EQUAL(r.claim.quarantined, 0);
    m = queue_find(r.q, small);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_TRUE(slice_eq(m->sender, SLICE_LIT("a@example.org")));
    CU_ASSERT_TRUE(slice_eq(m->envid, SLICE_LIT("env")));
    CU_ASSERT_TRUE(slice_eq(m->client, SLICE_LIT("[192.0.2.1]:4711 (helo.example)")));
    CU_ASSERT_EQUAL(m->hops, 3);
    CU_ASSERT_EQUAL(m->body, ENVELOPE_BODY_8BITMIME);
    CU_ASSERT_EQUAL(m->received_wall_ms, 1700000000000);
    CU_ASSERT_EQUAL(m->recipient_count, 2);
    CU_ASSERT_EQUAL(m->live_count, 2);
    CU_ASSERT_TRUE(slice_eq(m->recipients[0].orcpt, SLICE_LIT("rfc822;B@example.com")));
    CU_ASSERT_EQUAL(m->recipients[0].notify, ENVELOPE_NOTIFY_FAILURE);
    CU_ASSERT_TRUE(slice_eq(m->recipients[1].address, SLICE_LIT("c@example.net")));
    CU_ASSERT_EQUAL(rig_read(&r, m, 's'), 4096);
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, large), 'l'), 400000);
    CU_ASSERT_PTR_EQUAL(queue_after(r.q, 0), m);
    CU_ASSERT_PTR_EQUAL(queue_after(r.q, small), queue_find(r.q, large));
    CU_ASSERT_PTR_NULL(queue_after(r.q, large));
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
outcomes_and_marks_survive_and_final_ones_end_a_message(void)
{
    struct rig r;
    struct queue_message *m;
    msg_id id;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    id = rig_put(&r, 100, 'x');
    record(&r, id, 0, OUTCOME_DEFERRED, "450 4.2.1 later");
    CU_ASSERT_EQUAL(queue_set_held(r.q, queue_find(r.q, id), true), 0);
    CU_ASSERT_EQUAL(queue_set_warned(r.q, queue_find(r.q, id)), 0);
    record(&r, id, 1, OUTCOME_DELIVERED, "250 ok");
    CU_ASSERT_EQUAL(rig_release(&r), 0);

    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    m = queue_find(r.q, id);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL(m->live_count, 1);
    CU_ASSERT_TRUE(m->held);
    CU_ASSERT_TRUE(m->recipients[0].warned);
    CU_ASSERT_EQUAL(m->recipients[0].attempts, 1);
    CU_ASSERT_EQUAL(m->recipients[0].next_wall_ms, 1800000000000);
    CU_ASSERT_TRUE(slice_eq(m->recipients[0].last_reply, SLICE_LIT("450 4.2.1 later")));
    CU_ASSERT_EQUAL(m->recipients[1].state, RECIPIENT_DELIVERED);
    CU_ASSERT_EQUAL(queue_set_next(r.q, m, 0), 0);
    CU_ASSERT_EQUAL(m->recipients[0].next_wall_ms, 0);
    record(&r, id, 0, OUTCOME_FAILED, "550 5.1.1 no");
    CU_ASSERT_EQUAL(r.gone, 0); /* only when it is durable */
    CU_ASSERT_PTR_NULL(queue_find(r.q, id));
    rig_sync(&r);
    CU_ASSERT_EQUAL(r.gone, 1);
    CU_ASSERT_EQUAL(rig_release(&r), 0);

    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.messages, 0);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
a_killed_owner_is_followed_at_once_on_the_same_node_and_boot(void)
{
    struct rig r;
    msg_id id;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    id = rig_put(&r, 5000, 'k');
    queue_free(r.q); /* no seal, no RELEASED: as after a crash */

    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_STRING_EQUAL(r.claim.cause, "same-node");
    CU_ASSERT_EQUAL(rig_read(&r, queue_find(r.q, id), 'k'), 5000);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
a_store_is_never_made_by_opening(void)
{
    struct rig r;
    char text[TEXT];

    store_begin();
    clear(dir);
    CU_ASSERT_EQUAL(rig_open(&r), BH_ENOSTORE);
    CU_ASSERT_PTR_NULL(r.q);
    CU_ASSERT_PTR_NOT_NULL(strstr(r.text, "Mount"));
    CU_ASSERT_EQUAL(count_files(".", "STORE"), 0);
    CU_ASSERT_EQUAL(queue_store_init(dir, SEGMENT, UINT32_MAX, UINT32_MAX, text, sizeof(text)), 0);
    CU_ASSERT_EQUAL(
        queue_store_init(dir, SEGMENT, UINT32_MAX, UINT32_MAX, text, sizeof(text)), -EEXIST);
    store_end();
}

static void
a_second_server_is_refused_while_the_first_lives(void)
{
    struct rig first, second;
    struct queue_options o;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&first), 0);
    CU_ASSERT_EQUAL(rig_open(&second), BH_EOWNED);
    o = options(&second);
    o.run_lock_path = NULL; /* another run directory: the store's own lock decides */
    CU_ASSERT_EQUAL(rig_open_with(&second, &o), BH_EOWNED);
    CU_ASSERT_EQUAL(rig_release(&first), 0);
    CU_ASSERT_EQUAL(rig_open(&second), 0);
    CU_ASSERT_EQUAL(rig_release(&second), 0);
    store_end();
}

static void
another_nodes_store_is_had_when_fenced_or_when_its_lease_is_over(void)
{
    struct rig r;
    struct queue_options o;

    store_begin();
    o = options(&r);
    o.lease_ms = 80;
    CU_ASSERT_EQUAL_FATAL(rig_open_with(&r, &o), 0);
    queue_free(r.q);
    o.node = "node2";
    o.fenced = (struct queue_fenced){ "node1", 1 };
    CU_ASSERT_EQUAL_FATAL(rig_open_with(&r, &o), 0);
    CU_ASSERT_STRING_EQUAL(r.claim.cause, "fenced");
    queue_free(r.q);
    o.node = "node3";
    o.fenced = (struct queue_fenced){ "node2", 1 }; /* not the epoch that is there */
    CU_ASSERT_EQUAL_FATAL(rig_open_with(&r, &o), 0);
    CU_ASSERT_STRING_EQUAL(r.claim.cause, "lease");
    CU_ASSERT_TRUE(r.claim.wait_ms >= 100);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
release_marks_a_dead_owner_of_this_node(void)
{
    struct rig r;
    struct queue_owner owner;
    struct queue_options o;
    char text[TEXT];

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(queue_store_release(dir, run_lock, "node1", text, sizeof(text)), BH_EOWNED);
    CU_ASSERT_EQUAL(queue_store_owner(dir, &owner, text, sizeof(text)), 0);
    CU_ASSERT_STRING_EQUAL(owner.state, "active");
    CU_ASSERT_TRUE(owner.locked);
    queue_free(r.q);
    CU_ASSERT_EQUAL(queue_store_release(dir, run_lock, "node9", text, sizeof(text)), 0);
    CU_ASSERT_EQUAL(queue_store_owner(dir, &owner, text, sizeof(text)), 0);
    CU_ASSERT_STRING_EQUAL(owner.state, "active");
    CU_ASSERT_EQUAL(queue_store_release(dir, run_lock, "node1", text, sizeof(text)), 0);
    CU_ASSERT_EQUAL(queue_store_owner(dir, &owner, text, sizeof(text)), 0);
    CU_ASSERT_STRING_EQUAL(owner.state, "dead");
    CU_ASSERT_FALSE(owner.locked);
    o = options(&r);
    o.node = "node2";
    CU_ASSERT_EQUAL_FATAL(rig_open_with(&r, &o), 0);
    CU_ASSERT_STRING_EQUAL(r.claim.cause, "dead");
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
segments_without_live_messages_go(void)
{
    struct rig r;
    struct queue_stats st;
    char text[TEXT];
    struct queue_check check;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    for (unsigned i = 0; i < 200; i++) {
        msg_id id = rig_put(&r, 30000, 'd');

        record(&r, id, 0, OUTCOME_DELIVERED, "");
        record(&r, id, 1, OUTCOME_DELIVERED, "");
    }
    rig_sync(&r);
    rig_sync(&r);
    queue_stats(r.q, &st);
    CU_ASSERT_EQUAL(st.messages, 0);
    CU_ASSERT_EQUAL(r.gone, 200);
    CU_ASSERT_TRUE(st.segments < 12); /* of 30 that were filled; the freeing runs behind */
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    CU_ASSERT_EQUAL(queue_store_check(dir, &check, NULL, NULL, text, sizeof(text)), 0);
    CU_ASSERT_EQUAL(check.messages, 0);
    CU_ASSERT_EQUAL(check.damaged, 0);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(r.messages, 0);
    CU_ASSERT_EQUAL(rig_release(&r), 0);
    store_end();
}

static void
fencing_ends_everything_with_its_code(void)
{
    struct rig r;
    struct queue_intake *in;
    msg_id id;

    store_begin();
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), 0);
    CU_ASSERT_EQUAL(queue_lease_check(r.q), 0);
    queue_fence(r.q, BH_EFENCED);
    CU_ASSERT_EQUAL(queue_lease_check(r.q), BH_EFENCED);
    (void)loop_run(loop);
    CU_ASSERT_EQUAL(r.failure, BH_EFENCED);
    CU_ASSERT_EQUAL(queue_ready(r.q, 0), BH_EFENCED);
    CU_ASSERT_EQUAL(queue_begin(r.q, no_resume, NULL, &in, &id), BH_EFENCED);
    queue_free(r.q);
    store_end();
}

TEST_MAIN("queue", TEST(a_committed_message_is_there_after_release_and_open),
    TEST(outcomes_and_marks_survive_and_final_ones_end_a_message),
    TEST(a_killed_owner_is_followed_at_once_on_the_same_node_and_boot),
    TEST(a_store_is_never_made_by_opening), TEST(a_second_server_is_refused_while_the_first_lives),
    TEST(another_nodes_store_is_had_when_fenced_or_when_its_lease_is_over),
    TEST(release_marks_a_dead_owner_of_this_node), TEST(segments_without_live_messages_go),
    TEST(fencing_ends_everything_with_its_code))
