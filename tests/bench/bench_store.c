/* bench_store.c - a store with many queued messages, and how long it takes to open.
 *
 *   bench_store --fill N [--bytes B] [--recipients R] [--domain D] [--owner UID:GID] DIR
 *       a store in DIR (made if it is empty) with N messages, as a killed server leaves it
 *   bench_store --open DIR
 *       phases of one opening, memory per recipient; with --now: then a snapshot
 *
 * The queue by itself, without a server; `million` runs the server on what --fill made.
 */
#include "bench_util.h"
#include "core/io.h"
#include "core/log.h"
#include "core/slice.h"
#include "loop/loop.h"
#include "queue/queue.h"

#include <getopt.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, WRITERS = 1000, TEXT_BYTES = 512, RECIPIENTS_MAX = 16 };

static struct {
    const char *dir, *domain;
    uint64_t fill, bytes, recipients, snapshot_bytes;
    bool open, now;
} opt = { .bytes = 4096, .recipients = 1, .domain = "example.net", .snapshot_bytes = 256 * MIB };

static struct {
    struct loop *loop;
    struct queue *queue;
    struct loop_task more;
    uint64_t begun, committed, recovered, began_ns, opened_ns, fed_ns;
    size_t rss_before;
    char *content;
} bench;

/* Bytes of memory that this process has. */
static size_t
resident(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long size = 0, rss = 0;

    if (f == NULL || fscanf(f, "%lu %lu", &size, &rss) != 2) {
        bench_die(EXIT_FAILED, "/proc/self/statm cannot be read");
    }
    (void)fclose(f);
    return (size_t)rss * (size_t)sysconf(_SC_PAGESIZE);
}

static void
nothing(void *ctx)
{
    (void)ctx;
}

static void
on_message(void *ctx, struct queue_message *m)
{
    (void)ctx;
    (void)m;
    bench.recovered++;
    if (opt.open && bench.queue != NULL &&
        bench.recovered == queue_claim_info(bench.queue)->messages) {
        bench.fed_ns = bench_now_ns();
        loop_stop(bench.loop);
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
        bench_die(EXIT_FAILED, "the disk is full");
    }
}

static void
on_failure(void *ctx, int rc)
{
    (void)ctx;
    bench_die(EXIT_FAILED, "the queue failed: %s", error_text(rc));
}

static void
on_commit(void *ctx, int status)
{
    (void)ctx;
    if (status < 0) {
        bench_die(EXIT_FAILED, "commit: %s", error_text(status));
    }
    if (++bench.committed == opt.fill) {
        loop_stop(bench.loop);
    } else {
        loop_call_soon(bench.loop, &bench.more);
    }
}

static void
put_one(void)
{
    char address[RECIPIENTS_MAX][64];
    struct envelope_recipient to[RECIPIENTS_MAX];
    struct envelope e = { .sender = SLICE_LIT("sender@bench.example.org"),
        .received_wall_ms = 1700000000000,
        .client = SLICE_LIT("[192.0.2.1]:40000 (client.bench.example.org)"),
        .recipients = to,
        .recipient_count = (uint32_t)opt.recipients };
    struct queue_intake *in;
    msg_id id;
    int rc = queue_begin(bench.queue, nothing, NULL, &in, &id);

    for (uint64_t i = 0; i < opt.recipients; i++) {
        (void)snprintf(address[i], sizeof(address[i]), "user%llu.%llu@%s",
            (unsigned long long)bench.begun, (unsigned long long)i, opt.domain);
        to[i] = (struct envelope_recipient){ .address = slice_of(address[i]) };
    }
    rc = rc < 0 ? rc : queue_append(in, (struct slice){ bench.content, opt.bytes });
    rc = rc < 0 ? rc : queue_commit(in, &e, on_commit, NULL);
    if (rc < 0) {
        bench_die(EXIT_FAILED, "message %llu: %s", (unsigned long long)bench.begun, error_text(rc));
    }
    bench.begun++;
}

static void
put_more(void *ctx)
{
    (void)ctx;
    while (bench.begun < opt.fill && bench.begun - bench.committed < WRITERS) {
        put_one();
    }
}

static void
on_open(void *ctx, int status, struct queue *q, const struct queue_claim *claim, const char *text)
{
    (void)ctx;
    if (status < 0) {
        bench_die(EXIT_FAILED, "%s", text);
    }
    bench.queue = q;
    bench.opened_ns = bench_now_ns();
    if (!opt.open || claim->messages == 0 || bench.recovered == claim->messages) {
        bench.fed_ns = bench.opened_ns;
        loop_stop(bench.loop);
    }
}

static void
open_queue(void)
{
    struct queue_opening *opening;
    struct queue_options o = { .path = opt.dir,
        .node = "bench",
        .reserve_bytes = 256 * MIB,
        .lease_ms = 6000,
        .snapshot_bytes = opt.snapshot_bytes,
        .on_message = on_message,
        .on_gone = on_gone,
        .on_space = on_space,
        .on_failure = on_failure };
    struct queue_owner owner;
    char text[TEXT_BYTES];

    if (queue_store_owner(opt.dir, &owner, text, sizeof(text)) == 0 && owner.epoch > 0) {
        o.fenced = (struct queue_fenced){ owner.node, owner.epoch };
    }
    bench.began_ns = bench_now_ns();
    if (queue_open(&opening, bench.loop, &o, on_open, NULL) < 0) {
        bench_die(EXIT_FAILED, "queue_open");
    }
    (void)loop_run(bench.loop);
}

static double
ms(uint64_t ns)
{
    return (double)ns / 1e6;
}

/* As a kill leaves it: not released. */
static void
fill(void)
{
    char text[TEXT_BYTES];
    uint64_t began;
    int rc = queue_store_init(opt.dir, 0, UINT32_MAX, UINT32_MAX, text, sizeof(text));

    if (rc < 0 && rc != -EEXIST) {
        bench_die(EXIT_FAILED, "%s", text);
    }
    open_queue();
    loop_task_init(&bench.more, put_more, NULL);
    bench.content = malloc(opt.bytes);
    if (bench.content == NULL) {
        bench_die(EXIT_FAILED, "no memory");
    }
    memset(bench.content, 'x', opt.bytes);
    for (uint64_t i = 0; i + 2 <= opt.bytes; i += 64) {
        memcpy(bench.content + i, "\r\n", 2);
    }
    began = bench_now_ns();
    loop_call_soon(bench.loop, &bench.more);
    (void)loop_run(bench.loop);
    printf("{\"filled\": %llu, \"seconds\": %.3f}\n", (unsigned long long)opt.fill,
        ms(bench_now_ns() - began) / 1e3);
    (void)fflush(stdout);
    _exit(0);
}

static void
on_snapshot(void *ctx, int status)
{
    (void)ctx;
    if (status < 0) {
        bench_die(EXIT_FAILED, "snapshot: %s", error_text(status));
    }
    loop_stop(bench.loop);
}

static void
write_snapshot(void)
{
    uint64_t began = bench_now_ns();
    double cpu = bench_cpu_seconds();
    struct queue_stats st;
    int rc = queue_snapshot(bench.queue, 0, on_snapshot, NULL);

    if (rc < 0) {
        bench_die(EXIT_FAILED, "snapshot: %s", error_text(rc));
    }
    if (rc == 0) {
        (void)loop_run(bench.loop);
    }
    queue_stats(bench.queue, &st);
    printf("{\"snapshot_ms\": %.1f, \"cpu_s\": %.3f, \"bytes\": %llu}\n",
        ms(bench_now_ns() - began), bench_cpu_seconds() - cpu,
        (unsigned long long)st.snapshot_bytes);
    (void)fflush(stdout);
}

static void
report(void)
{
    const struct queue_claim *c = queue_claim_info(bench.queue);
    size_t grown = resident() - bench.rss_before;

    printf("{\"messages\": %llu, \"recipients\": %llu, \"open_ms\": %.1f, \"fed_ms\": %.1f, "
           "\"replay_ms\": %llu, \"seal_ms\": %llu, \"snapshot_bytes\": %llu, "
           "\"replayed_bytes\": %llu, \"rss_per_recipient\": %.1f, \"cpu_s\": %.3f}\n",
        (unsigned long long)c->messages, (unsigned long long)c->recipients,
        ms(bench.opened_ns - bench.began_ns), ms(bench.fed_ns - bench.began_ns),
        (unsigned long long)c->replay_ms, (unsigned long long)c->seal_ms,
        (unsigned long long)c->snapshot_bytes, (unsigned long long)c->replayed_bytes,
        c->recipients > 0 ? (double)grown / (double)c->recipients : 0, bench_cpu_seconds());
    (void)fflush(stdout);
    if (opt.now) {
        write_snapshot();
    }
    _exit(0);
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {
        { "fill", required_argument, NULL, 'f' },
        { "bytes", required_argument, NULL, 'b' },
        { "recipients", required_argument, NULL, 'r' },
        { "domain", required_argument, NULL, 'd' },
        { "snapshot", required_argument, NULL, 's' },
        { "open", no_argument, NULL, 'o' },
        { "now", no_argument, NULL, 'n' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'f':
            opt.fill = bench_number("--fill", optarg, 1000000000);
            break;
        case 'b':
            opt.bytes = bench_number("--bytes", optarg, 1 << 20);
            break;
        case 'r':
            opt.recipients = bench_number("--recipients", optarg, RECIPIENTS_MAX);
            break;
        case 'd':
            opt.domain = optarg;
            break;
        case 's':
            opt.snapshot_bytes = bench_number("--snapshot", optarg, UINT64_MAX);
            break;
        case 'o':
            opt.open = true;
            break;
        case 'n':
            opt.now = true;
            break;
        default:
            return EXIT_USAGE;
        }
    }
    if (optind + 1 != argc || opt.open == (opt.fill > 0) || loop_new(&bench.loop) < 0) {
        (void)fprintf(stderr, "usage: bench_store --fill N | --open [OPTION]... DIR\n");
        return EXIT_USAGE;
    }
    opt.dir = argv[optind];
    if (!opt.open) {
        fill();
    }
    (void)mallopt(M_ARENA_MAX, 1); /* as the server */
    (void)mallopt(M_TOP_PAD, 16 << 20);
    bench.rss_before = resident();
    open_queue();
    report();
    return 0;
}
