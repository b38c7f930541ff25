/* bench_journal.c - the queue by itself: begin, append, commit, outcome, with no protocol around
 * it.
 *
 * To be read beside bench_disk --replay with the trace of a run: the same bytes in the same batches
 * round the same number of segments. The difference is what the journal costs over a bare
 * append-and-fdatasync loop.
 */
#include "bench_util.h"
#include "core/io.h"
#include "core/slice.h"
#include "loop/loop.h"
#include "queue/queue.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    WRITERS_MAX = 4096,
    TEXT_BYTES = 512,
    FILES_MAX = 1024,
    FDS_MAX = 1024,
    TRACED_MAX = 1 << 20,
};

/* A session that sends one message after the other. */
struct writer {
    struct queue_intake *in;
    struct loop_task again;
    uint64_t begun_ns;
};

static struct {
    const char *dir, *trace;
    uint64_t writers, seconds, warm_up, bytes;
    bool keep;
} opt = { .writers = 100, .seconds = 3, .warm_up = 1, .bytes = 4096 };

static struct {
    struct loop *loop;
    struct queue *queue;
    struct loop_task settle; /* records the outcomes of what became durable in this turn */
    struct writer writer[WRITERS_MAX];
    msg_id durable[WRITERS_MAX];
    size_t durable_count;
    uint64_t running, committed, start_ns, end_ns;
    double start_cpu_s;
    _Atomic bool measuring; /* the writer thread looks */
    struct queue_stats before;
    struct histogram latency;
    char *content;
} bench;

static void writer_next(void *ctx);

/* ---- the trace: what the journal wrote between two syncs, seen at the seam of core/io */

struct traced {
    uint64_t inode, offset, bytes;
};
static struct {
    struct io_ops ops;
    struct traced *syncs;
    size_t count, capacity;
    uint64_t inodes[FILES_MAX]; /* their places are the segments' numbers */
    uint32_t inode_count;
    uint64_t inode_of[FDS_MAX]; /* by descriptor; written before it is passed on */
} trace;
static _Thread_local int traced_fd = -1;
static _Thread_local struct traced traced_now;

/* Records begin with their length; zeros ahead and the heads of files do not count. */
static bool
is_record(const struct iovec *iov)
{
    const char *p = iov->iov_base;
    static const char zeros[4];

    return iov->iov_len >= 8 && memcmp(p, zeros, sizeof(zeros)) != 0 && memcmp(p, "BRIDGE", 6) != 0;
}

static ssize_t
traced_pwritev(int fd, const struct iovec *iov, int count, uint64_t offset)
{
    ssize_t put = io_real.pwritev(fd, iov, count, offset);
    bool goes_on = fd == traced_fd && offset == traced_now.offset + traced_now.bytes;

    if (put > 0 && goes_on) {
        traced_now.bytes += (uint64_t)put;
    } else {
        traced_fd = put > 0 && is_record(iov) ? fd : -1;
        traced_now = (struct traced){ .offset = offset, .bytes = put > 0 ? (uint64_t)put : 0 };
    }
    return put;
}

/* The file is looked at once, when it is opened: where a file's time was looked at, the next write
 * must change it by however little (multigrain timestamps, Linux 6.13), and a look after each sync
 * made every sync write the inode as well. */
static int
traced_open(const char *path, int flags, unsigned mode)
{
    struct io_stat st;
    int fd = io_real.open(path, flags, mode);

    if (fd >= 0 && fd < FDS_MAX) {
        trace.inode_of[fd] = io_real.fstat(fd, &st) == 0 ? st.ino : 0;
    }
    return fd;
}

static int
traced_fdatasync(int fd)
{
    int rc = io_real.fdatasync(fd);

    if (rc == 0 && fd == traced_fd && fd < FDS_MAX && trace.count < trace.capacity &&
        bench.measuring) {
        traced_now.inode = trace.inode_of[fd];
        trace.syncs[trace.count++] = traced_now; /* by the journal's writer alone */
    }
    traced_fd = -1;
    return rc;
}

static void
trace_begin(void)
{
    trace.capacity = TRACED_MAX;
    trace.syncs = calloc(trace.capacity, sizeof(*trace.syncs));
    if (trace.syncs == NULL) {
        bench_die(EXIT_FAILED, "out of memory");
    }
    trace.ops = io_real;
    trace.ops.open = traced_open;
    trace.ops.pwritev = traced_pwritev;
    trace.ops.fdatasync = traced_fdatasync;
    io_set_ops(&trace.ops);
}

static uint32_t
segment_number(uint64_t inode)
{
    uint32_t i = 0;

    while (i < trace.inode_count && trace.inodes[i] != inode) {
        i++;
    }
    if (i == trace.inode_count) {
        if (i == FILES_MAX) {
            bench_die(EXIT_FAILED, "too many segments for a trace");
        }
        trace.inodes[trace.inode_count++] = inode;
    }
    return i;
}

static void
trace_end(void)
{
    FILE *file = fopen(opt.trace, "we");

    if (file == NULL) {
        bench_die(EXIT_FAILED, "%s cannot be written", opt.trace);
    }
    for (size_t i = 0; i < trace.count; i++) {
        const struct traced *t = &trace.syncs[i];

        (void)fprintf(file, "%u %llu %llu\n", segment_number(t->inode),
            (unsigned long long)t->offset, (unsigned long long)t->bytes);
    }
    if (fclose(file) != 0) {
        bench_die(EXIT_FAILED, "%s cannot be written", opt.trace);
    }
    free(trace.syncs);
}

/* ---- the load */

static void
fail(const char *what, int rc)
{
    bench_die(EXIT_FAILED, "%s: %s", what, error_text(rc));
}

/* A sink that takes everything at once: each message gets its final outcome in the next turn. */
static void
settle(void *ctx)
{
    struct queue_outcome outcome = { .kind = OUTCOME_DELIVERED, .reply = SLICE_LIT("250 ok") };

    (void)ctx;
    for (size_t i = 0; i < bench.durable_count; i++) {
        struct queue_message *m = queue_find(bench.queue, bench.durable[i]);
        int rc = m != NULL ? queue_record(bench.queue, m, &outcome, 1) : BH_ENOTFOUND;

        if (rc != 0) {
            fail("queue_record", rc);
        }
    }
    bench.durable_count = 0;
}

static void
on_message(void *ctx, struct queue_message *m)
{
    (void)ctx;
    if (!opt.keep) {
        if (bench.durable_count == WRITERS_MAX) {
            settle(NULL);
        }
        bench.durable[bench.durable_count++] = m->id;
        loop_call_soon(bench.loop, &bench.settle);
    }
}

static void
on_gone(void *ctx, struct queue_message *m)
{
    (void)ctx;
    (void)m;
}

static void
on_space(void *ctx, bool low)
{
    (void)ctx;
    if (low) {
        bench_die(EXIT_FAILED, "the disk is too full");
    }
}

static void
on_failure(void *ctx, int rc)
{
    (void)ctx;
    fail("the queue", rc);
}

static void
on_released(void *ctx, int status)
{
    (void)ctx;
    if (status != 0) {
        fail("queue_release", status);
    }
    queue_free(bench.queue);
    loop_stop(bench.loop);
}

static void
writer_end(void)
{
    int rc;

    bench.running--;
    if (bench.running == 0) {
        settle(NULL); /* nothing may be recorded once the release has begun */
        rc = queue_release(bench.queue, on_released, NULL);
        if (rc != 0) {
            fail("queue_release", rc);
        }
    }
}

static void
report(void)
{
    double seconds = (double)(bench.end_ns - bench.start_ns) / (double)NS_PER_S;
    struct queue_stats after;
    uint64_t syncs;

    queue_stats(bench.queue, &after);
    syncs = after.syncs - bench.before.syncs;
    (void)printf("{\"writers\": %llu, \"record_bytes\": %llu, \"messages_per_s\": %.0f, "
                 "\"syncs_per_s\": %.0f, \"messages_per_sync\": %.1f, "
                 "\"seconds\": %.3f, \"batches_per_sync\": %.3f, "
                 "\"journal_bytes_per_message\": %.0f, \"mib_per_s\": %.0f, "
                 "\"cpu_s_per_10k\": %.3f, ",
        (unsigned long long)opt.writers, (unsigned long long)opt.bytes,
        (double)bench.committed / seconds, (double)syncs / seconds,
        (double)bench.committed / (double)(syncs > 0 ? syncs : 1), seconds,
        (double)(after.batches - bench.before.batches) / (double)MAX(syncs, 1),
        (double)(after.appended - bench.before.appended) / (double)MAX(bench.committed, 1),
        (double)(after.appended - bench.before.appended) / seconds / MIB,
        (bench_cpu_seconds() - bench.start_cpu_s) * 10000 / (double)MAX(bench.committed, 1));
    histogram_print(stdout, "commit_ms", &bench.latency);
    (void)puts("}");
}

/* When the segments go round: the first ones have to be made. */
static void
measure_begin(uint64_t now_ns)
{
    bench.measuring = true;
    bench.start_ns = now_ns;
    bench.committed = 0;
    bench.start_cpu_s = bench_cpu_seconds();
    memset(&bench.latency, 0, sizeof(bench.latency));
    queue_stats(bench.queue, &bench.before);
}

static void
on_commit(void *ctx, int status)
{
    struct writer *w = ctx;
    uint64_t now_ns = bench_now_ns();

    if (status != 0) {
        fail("commit", status);
    }
    bench.committed++;
    histogram_add(&bench.latency, now_ns - w->begun_ns);
    if (!bench.measuring && bench.end_ns == 0 &&
        now_ns - bench.start_ns >= opt.warm_up * NS_PER_S) {
        measure_begin(now_ns);
    }
    if (bench.measuring && now_ns - bench.start_ns >= opt.seconds * NS_PER_S) {
        bench.end_ns = now_ns;
        bench.measuring = false;
        report();
    }
    loop_call_soon(bench.loop, &w->again);
}

static void
writer_commit(void *ctx)
{
    struct writer *w = ctx;
    static const struct envelope_recipient recipient = { .address = SLICE_LIT("r@example.test") };
    struct envelope envelope = { .sender = SLICE_LIT("s@example.test"),
        .client = SLICE_LIT("[192.0.2.1]:25 (bench.test)"),
        .recipient_count = 1,
        .recipients = &recipient };
    int rc = queue_commit(w->in, &envelope, on_commit, w);

    if (rc != 0) {
        fail("queue_commit", rc);
    }
}

static void
writer_next(void *ctx)
{
    struct writer *w = ctx;
    struct slice content = { bench.content, (size_t)opt.bytes };
    msg_id id;
    int rc;

    if (bench.end_ns != 0) {
        writer_end();
        return;
    }
    w->begun_ns = bench_now_ns();
    rc = queue_begin(bench.queue, writer_commit, w, &w->in, &id);
    if (rc != 0) {
        fail("queue_begin", rc);
    }
    rc = queue_append(w->in, content);
    if (rc < 0) {
        fail("queue_append", rc);
    }
    if (rc == 0) {
        writer_commit(w); /* else the queue resumes us there */
    }
}

static void
on_open(void *ctx, int status, struct queue *q, const struct queue_claim *claim, const char *text)
{
    (void)ctx;
    (void)claim;
    if (status != 0) {
        bench_die(EXIT_FAILED, "queue_open: %s: %s", error_text(status), text);
    }
    bench.queue = q;
    bench.start_ns = bench_now_ns();
    bench.running = opt.writers;
    for (uint64_t i = 0; i < opt.writers; i++) {
        loop_task_init(&bench.writer[i].again, writer_next, &bench.writer[i]);
        loop_call_soon(bench.loop, &bench.writer[i].again);
    }
}

static void
run(void)
{
    struct queue_options options = {
        .path = opt.dir,
        .node = "localhost",
        .reserve_bytes = 256 * MIB,
        .lease_ms = 6000,
        .on_message = on_message,
        .on_gone = on_gone,
        .on_space = on_space,
        .on_failure = on_failure,
    };
    struct queue_opening *opening;
    char text[TEXT_BYTES] = "";
    int rc;

    rc = queue_store_init(opt.dir, 64 * MIB, getuid(), getgid(), text, sizeof(text));
    if (rc != 0) {
        bench_die(EXIT_FAILED, "%s: %s: %s", opt.dir, error_text(rc), text);
    }
    rc = loop_new(&bench.loop);
    if (rc != 0) {
        fail("loop_new", rc);
    }
    loop_task_init(&bench.settle, settle, NULL);
    rc = queue_open(&opening, bench.loop, &options, on_open, NULL);
    if (rc != 0) {
        fail("queue_open", rc);
    }
    loop_run(bench.loop);
    loop_free(bench.loop);
}

static const char usage[] =
    "Usage: bench_journal --dir EMPTY_DIR [OPTION]...\n"
    "  --dir DIR        an existing, empty directory on the disk to measure: becomes a store\n"
    "  --writers N      messages in progress at a time (100)\n"
    "  --size BYTES     of a message (4096)\n"
    "  --seconds S      (3)\n"
    "  --warm-up S      before that (1)\n"
    "  --trace FILE     what each sync covered, for bench_disk --replay\n"
    "  --keep           record no outcomes: the queue only grows\n"
    "Prints a JSON object.\n";

static void
options_parse(int argc, char **argv)
{
    static const struct option options[] = {
        { "dir", required_argument, NULL, 'd' },
        { "writers", required_argument, NULL, 'w' },
        { "size", required_argument, NULL, 'b' },
        { "seconds", required_argument, NULL, 's' },
        { "warm-up", required_argument, NULL, 'W' },
        { "trace", required_argument, NULL, 't' },
        { "keep", no_argument, NULL, 'k' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int id;

    while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (id) {
        case 'd':
            opt.dir = optarg;
            break;
        case 'w':
            opt.writers = bench_number("--writers", optarg, WRITERS_MAX);
            break;
        case 'b':
            opt.bytes = bench_number("--size", optarg, 1 << 20);
            break;
        case 's':
            opt.seconds = bench_number("--seconds", optarg, 100000);
            break;
        case 'W':
            opt.warm_up = bench_number("--warm-up", optarg, 100000);
            break;
        case 't':
            opt.trace = optarg;
            break;
        case 'k':
            opt.keep = true;
            break;
        default:
            (void)fputs(usage, id == 'h' ? stdout : stderr);
            exit(id == 'h' ? 0 : EXIT_USAGE);
        }
    }
    if (optind != argc || opt.dir == NULL || opt.writers == 0 || opt.bytes == 0) {
        (void)fputs(usage, stderr);
        exit(EXIT_USAGE);
    }
}

int
main(int argc, char **argv)
{
    options_parse(argc, argv);
    bench.content = malloc((size_t)opt.bytes);
    if (bench.content == NULL) {
        bench_die(EXIT_FAILED, "out of memory");
    }
    memset(bench.content, 'x', (size_t)opt.bytes);
    if (opt.trace != NULL) {
        trace_begin();
    }
    run();
    if (opt.trace != NULL) {
        trace_end();
    }
    free(bench.content);
    return fflush(stdout) == 0 ? 0 : EXIT_FAILED;
}
