/* support/queue_rig.h - a queue on real files in a temporary directory, with the real loop and
 * threads, for tests that look at it from outside or at its files. */
#ifndef SUPPORT_QUEUE_RIG_H
#define SUPPORT_QUEUE_RIG_H

#include "queue/queue.h"
#include <CUnit/Basic.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
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

static inline void
on_message(void *ctx, struct queue_message *m)
{
    (void)m;
    ((struct rig *)ctx)->messages++;
}

static inline void
on_gone(void *ctx, struct queue_message *m)
{
    (void)m;
    ((struct rig *)ctx)->gone++;
}

static inline void
on_space(void *ctx, bool low)
{
    ((struct rig *)ctx)->low = low;
    ((struct rig *)ctx)->low_calls++;
}

static inline void
on_failure(void *ctx, int rc)
{
    ((struct rig *)ctx)->failure = rc;
    loop_stop(loop);
}

static inline void
on_open(void *ctx, int status, struct queue *q, const struct queue_claim *claim, const char *text)
{
    struct rig *r = ctx;

    r->open_status = status;
    r->q = q;
    if (claim != NULL) {
        r->claim = *claim;
    }
    (void)snprintf(r->text, sizeof(r->text), "%s", text);
    if (status < 0) {
        loop_stop(loop);
    }
}

static inline void
on_recovered(void *ctx)
{
    (void)ctx;
    loop_stop(loop);
}

static inline void
on_done(void *ctx, int status)
{
    struct rig *r = ctx;

    r->done_status = status;
    r->done++;
    loop_stop(loop);
}

static inline struct queue_options
options(struct rig *r)
{
    return (struct queue_options){
        .path = dir,
        .node = "node1",
        .run_lock_path = run_lock,
        .reserve_bytes = MIB,
        .lease_ms = 6000,
        .on_message = on_message,
        .on_recovered = on_recovered,
        .on_gone = on_gone,
        .on_space = on_space,
        .on_failure = on_failure,
        .ctx = r,
    };
}

static inline int
rig_open_with(struct rig *r, const struct queue_options *o)
{
    struct queue_opening *op;

    *r = (struct rig){ 0 };
    CU_ASSERT_EQUAL_FATAL(queue_open(&op, loop, o, on_open, r), 0);
    (void)loop_run(loop);
    return r->open_status;
}

static inline int
rig_open(struct rig *r)
{
    struct queue_options o = options(r);

    return rig_open_with(r, &o);
}

static inline int
rig_release(struct rig *r)
{
    CU_ASSERT_EQUAL_FATAL(queue_release(r->q, on_done, r), 0);
    (void)loop_run(loop);
    queue_free(r->q);
    r->q = NULL;
    return r->done_status;
}

static inline void
no_resume(void *ctx)
{
    (void)ctx;
}

static inline struct envelope
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
static inline msg_id
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

static inline void
on_ready(void *ctx)
{
    (void)ctx;
    loop_stop(loop);
}

/* Reads all of m; -1 if a byte is not c. */
static inline int64_t
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

static inline void
rig_sync(struct rig *r)
{
    CU_ASSERT_EQUAL_FATAL(queue_sync(r->q, on_done, r), 0);
    (void)loop_run(loop);
    CU_ASSERT_EQUAL(r->done_status, 0);
}

static inline void
record(struct rig *r, msg_id id, uint32_t recipient, enum outcome_kind kind, const char *reply)
{
    struct queue_outcome o = { .recipient = recipient,
        .kind = kind,
        .next_wall_ms = 1800000000000,
        .reply = slice_of(reply) };

    CU_ASSERT_EQUAL(queue_record(r->q, queue_find(r->q, id), &o, 1), 0);
}

/* ---- the directory */

static inline void
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

static inline void
store_begin_with(uint64_t segment_bytes)
{
    char text[TEXT];

    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    (void)snprintf(dir, sizeof(dir), "/tmp/test_queue.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    (void)snprintf(run_lock, sizeof(run_lock), "%s.lock", dir);
    CU_ASSERT_EQUAL_FATAL(
        queue_store_init(dir, segment_bytes, UINT32_MAX, UINT32_MAX, text, sizeof(text)), 0);
}

static inline void
store_begin(void)
{
    store_begin_with(SEGMENT);
}

static inline void
store_end(void)
{
    clear(dir);
    (void)rmdir(dir);
    (void)unlink(run_lock);
    loop_free(loop);
}

static inline unsigned
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

#endif
