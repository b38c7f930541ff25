/* bench_bound.c - how much of the disk the journal takes: a day's traffic as fast as it goes, with
 * some of the mail deferred and tried again 24 times a "day" (that many messages). Fails when
 * journal/ is ever larger than docs/formats/journal.md section 7b says, or a message is lost.
 *
 * What is compared is what the filesystem has given to the files, not what the queue believes.
 */
#include "bench_util.h"
#include "core/base.h"
#include "loop/loop.h"
#include "queue/queue.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    WRITERS_MAX = 1024,
    TEXT_BYTES = 512,
    TRIES_A_DAY = 24,
    BOUND_FACTOR = 2,    /* journal.md section 7b */
    BOUND_SEGMENTS = 20, /* the same */
    LOOKS = 4096,        /* of the directory, in a run */
};

struct writer {
    struct queue_intake *in;
    struct loop_task again;
};
struct waiting { /* a deferred message */
    msg_id id;
    uint64_t due;
};

static struct {
    const char *dir;
    uint64_t writers, messages, bytes, percent, segment_kib;
} opt = { .writers = 100, .messages = 1000000, .bytes = 4096, .percent = 5, .segment_kib = 65536 };

static struct {
    struct loop *loop;
    struct queue *queue;
    struct loop_task settle;
    struct writer writer[WRITERS_MAX];
    msg_id fresh[WRITERS_MAX];
    size_t fresh_count;
    struct waiting *waiting; /* a ring: all wait for the same time */
    uint64_t first, last, ring;
    uint64_t running, begun, committed, gone, tries, start_ns;
    uint64_t looked_at, looks, peak_bytes, peak_live;
    double worst; /* segments beyond BOUND_FACTOR times what lives */
    char *content;
} bench;

static void
fail(const char *what, int rc)
{
    bench_die(EXIT_FAILED, "%s: %s", what, error_text(rc));
}

/* ---- the bound */

static uint64_t
directory_bytes(void)
{
    char path[TEXT_BYTES];
    uint64_t bytes = 0;
    struct dirent *e;
    DIR *d;

    (void)snprintf(path, sizeof(path), "%s/journal", opt.dir);
    d = opendir(path);
    if (d == NULL) {
        fail("journal", -errno);
    }
    while ((e = readdir(d)) != NULL) {
        struct stat st;

        if (e->d_name[0] != '.' && fstatat(dirfd(d), e->d_name, &st, 0) == 0) {
            bytes += (uint64_t)st.st_blocks * 512;
        }
    }
    (void)closedir(d);
    return bytes;
}

static void
look(void)
{
    uint64_t bytes = directory_bytes();
    struct queue_stats st;
    double beyond;

    queue_stats(bench.queue, &st);
    beyond = ((double)bytes - (double)BOUND_FACTOR * (double)st.live_bytes) /
             ((double)opt.segment_kib * KIB);
    bench.worst = MAX(bench.worst, beyond);
    bench.peak_bytes = MAX(bench.peak_bytes, bytes);
    bench.peak_live = MAX(bench.peak_live, st.live_bytes);
    bench.looks++;
    if (beyond > BOUND_SEGMENTS) {
        bench_die(EXIT_FAILED,
            "the journal takes %llu bytes while %llu live: %.1f segments beyond the bound of %d",
            (unsigned long long)bytes, (unsigned long long)st.live_bytes, beyond, BOUND_SEGMENTS);
    }
}

/* ---- outcomes */

static void
record(msg_id id, enum outcome_kind kind)
{
    struct queue_outcome o = { .kind = kind,
        .next_wall_ms = kind == OUTCOME_DEFERRED ? 1 : 0,
        .reply = kind == OUTCOME_DEFERRED ? SLICE_LIT("451 4.3.0 mailbox busy, try again later")
                                          : SLICE_LIT("250 2.0.0 ok") };
    struct queue_message *m = queue_find(bench.queue, id);
    int rc = m != NULL ? queue_record(bench.queue, m, &o, 1) : BH_ENOTFOUND;

    if (rc != 0) {
        fail("queue_record", rc);
    }
}

static void
wait_again(msg_id id)
{
    bench.waiting[bench.last++ % bench.ring] =
        (struct waiting){ id, bench.committed + opt.messages / TRIES_A_DAY };
    if (bench.last - bench.first == bench.ring) {
        bench_die(EXIT_FAILED, "more mail waits than was foreseen");
    }
}

/* What is new is delivered, or deferred; what waited long enough is tried again: one in eight is
 * delivered then. */
static void
settle(void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < bench.fresh_count; i++) {
        msg_id id = bench.fresh[i];

        if ((id * 0x9e3779b97f4a7c15u >> 32) % 100 < opt.percent) {
            record(id, OUTCOME_DEFERRED);
            wait_again(id);
        } else {
            record(id, OUTCOME_DELIVERED);
        }
    }
    bench.fresh_count = 0;
    while (bench.first < bench.last &&
           bench.waiting[bench.first % bench.ring].due <= bench.committed) {
        msg_id id = bench.waiting[bench.first++ % bench.ring].id;

        bench.tries++;
        if (bench.tries % 8 == 0) {
            record(id, OUTCOME_DELIVERED);
        } else {
            record(id, OUTCOME_DEFERRED);
            wait_again(id);
        }
    }
    if (bench.committed >= bench.looked_at) {
        bench.looked_at += opt.messages / LOOKS + 1;
        look();
    }
}

static void
on_message(void *ctx, struct queue_message *m)
{
    (void)ctx;
    if (bench.fresh_count == WRITERS_MAX) {
        settle(NULL);
    }
    bench.fresh[bench.fresh_count++] = m->id;
    loop_call_soon(bench.loop, &bench.settle);
}

static void
on_gone(void *ctx, struct queue_message *m)
{
    (void)ctx;
    (void)m;
    bench.gone++;
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

/* ---- writers */

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
report(void)
{
    double seconds = (double)(bench_now_ns() - bench.start_ns) / (double)NS_PER_S;
    struct queue_stats st;

    queue_stats(bench.queue, &st);
    (void)printf(
        "{\"messages\": %llu, \"bytes\": %llu, \"deferred_percent\": %llu, \"tries\": %llu, "
        "\"seconds\": %.1f, \"messages_per_s\": %.0f, \"live_peak\": %llu, \"journal_peak\": %llu, "
        "\"appended\": %llu, \"copied\": %llu, \"segments_beyond_2x\": %.1f, \"looks\": %llu, "
        "\"left\": %llu}\n",
        (unsigned long long)bench.committed, (unsigned long long)opt.bytes,
        (unsigned long long)opt.percent, (unsigned long long)bench.tries, seconds,
        (double)bench.committed / seconds, (unsigned long long)bench.peak_live,
        (unsigned long long)bench.peak_bytes, (unsigned long long)st.appended,
        (unsigned long long)st.copied_bytes, bench.worst, (unsigned long long)bench.looks,
        (unsigned long long)st.messages);
    if (st.messages + bench.gone != bench.committed) {
        bench_die(EXIT_FAILED, "%llu messages are missing",
            (unsigned long long)(bench.committed - bench.gone - st.messages));
    }
}

static void
on_last_sync(void *ctx, int status)
{
    int rc;

    (void)ctx;
    if (status != 0) {
        fail("queue_sync", status);
    }
    report();
    rc = queue_release(bench.queue, on_released, NULL);
    if (rc != 0) {
        fail("queue_release", rc);
    }
}

static void
on_first_sync(void *ctx, int status)
{
    int rc = queue_sync(bench.queue, on_last_sync, ctx); /* what became final in the first one */

    (void)status;
    if (rc != 0) {
        fail("queue_sync", rc);
    }
}

static void
writer_end(void)
{
    int rc;

    bench.running--;
    if (bench.running == 0) {
        settle(NULL);
        rc = queue_sync(bench.queue, on_first_sync, NULL);
        if (rc != 0) {
            fail("queue_sync", rc);
        }
    }
}

static void
on_commit(void *ctx, int status)
{
    struct writer *w = ctx;

    if (status != 0) {
        fail("commit", status);
    }
    bench.committed++;
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

    if (bench.begun == opt.messages) {
        writer_end();
        return;
    }
    bench.begun++;
    rc = queue_begin(bench.queue, writer_commit, w, &w->in, &id);
    if (rc != 0) {
        fail("queue_begin", rc);
    }
    rc = queue_append(w->in, content);
    if (rc < 0) {
        fail("queue_append", rc);
    }
    if (rc == 0) {
        writer_commit(w);
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
        .reserve_bytes = 4 * opt.segment_kib * KIB,
        .lease_ms = 6000,
        .on_message = on_message,
        .on_gone = on_gone,
        .on_space = on_space,
        .on_failure = on_failure,
    };
    struct queue_opening *opening;
    char text[TEXT_BYTES] = "";
    int rc;

    rc = queue_store_init(opt.dir, opt.segment_kib * KIB, getuid(), getgid(), text, sizeof(text));
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
    "Usage: bench_bound --dir EMPTY_DIR [OPTION]...\n"
    "  --dir DIR        an existing, empty directory: becomes a store\n"
    "  --messages N     of a day (1000000)\n"
    "  --defer PERCENT  of them are deferred, and tried again 24 times a day (5)\n"
    "  --size BYTES     of a message (4096)\n"
    "  --writers N      messages in progress at a time (100)\n"
    "  --segment KIB    size of the store's segments (65536)\n"
    "Prints a JSON object; fails when the journal outgrows its bound.\n";

static void
options_parse(int argc, char **argv)
{
    static const struct option options[] = {
        { "dir", required_argument, NULL, 'd' },
        { "messages", required_argument, NULL, 'm' },
        { "defer", required_argument, NULL, 'p' },
        { "size", required_argument, NULL, 'b' },
        { "writers", required_argument, NULL, 'w' },
        { "segment", required_argument, NULL, 'S' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int id;

    while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (id) {
        case 'd':
            opt.dir = optarg;
            break;
        case 'm':
            opt.messages = bench_number("--messages", optarg, 1000000000);
            break;
        case 'p':
            opt.percent = bench_number("--defer", optarg, 100);
            break;
        case 'b':
            opt.bytes = bench_number("--size", optarg, 1 << 20);
            break;
        case 'w':
            opt.writers = bench_number("--writers", optarg, WRITERS_MAX);
            break;
        case 'S':
            opt.segment_kib = bench_number("--segment", optarg, 1 << 20);
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
    bench.ring = opt.messages + WRITERS_MAX;
    bench.waiting = calloc(bench.ring, sizeof(*bench.waiting));
    bench.content = malloc((size_t)opt.bytes);
    if (bench.content == NULL || bench.waiting == NULL) {
        bench_die(EXIT_FAILED, "out of memory");
    }
    memset(bench.content, 'x', (size_t)opt.bytes);
    run();
    free(bench.content);
    free(bench.waiting);
    return fflush(stdout) == 0 ? 0 : EXIT_FAILED;
}
