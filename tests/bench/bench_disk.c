/* bench_disk.c - what the disk gives to one writer that appends and calls fdatasync.
 *
 * The bare loop below any journal: batches of records into preallocated (and once overwritten)
 * segments, or, with --grow, at the end of a growing file. What a journal reaches is to be compared
 * with this.
 */
#include "bench_util.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    PATH_BYTES = 512,
    ALIGN_BYTES = 4096,
};

static struct {
    const char *dir, *batches;
    uint64_t record_bytes, seconds, segment_bytes;
    bool grow, direct;
} opt = {
    .dir = ".", .batches = "1,32,128", .record_bytes = 4096, .seconds = 3, .segment_bytes = 64 << 20
};

static void
write_all(int fd, const char *data, size_t bytes, uint64_t at)
{
    while (bytes > 0) {
        ssize_t wrote = pwrite(fd, data, bytes, (off_t)at);

        if (wrote < 0) {
            bench_die(EXIT_FAILED, "write: %s", strerror(errno));
        }
        data += wrote;
        at += (uint64_t)wrote;
        bytes -= (size_t)wrote;
    }
}

static void
sync_or_die(int fd)
{
    if (fdatasync(fd) != 0) {
        bench_die(EXIT_FAILED, "fdatasync: %s", strerror(errno));
    }
}

/* Fill the file once, so that a later sync has no extents to convert and no size to change. */
static void
preallocate(int fd, const char *data, size_t bytes)
{
    for (uint64_t at = 0; at < opt.segment_bytes; at += bytes) {
        size_t part = opt.segment_bytes - at < bytes ? (size_t)(opt.segment_bytes - at) : bytes;

        write_all(fd, data, part, at);
    }
    if (fsync(fd) != 0) {
        bench_die(EXIT_FAILED, "fsync: %s", strerror(errno));
    }
}

static void
measure(int fd, uint64_t batch)
{
    static struct histogram latency;
    size_t bytes = (size_t)(batch * opt.record_bytes);
    size_t allocated = (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    char *data = aligned_alloc(ALIGN_BYTES, allocated);
    uint64_t start_ns, now_ns;
    uint64_t at = 0;
    uint64_t syncs = 0;
    double seconds;

    if (data == NULL) {
        bench_die(EXIT_FAILED, "out of memory");
    }
    memset(data, 'x', allocated);
    if (!opt.grow) {
        preallocate(fd, data, bytes);
    }
    memset(&latency, 0, sizeof(latency));
    start_ns = now_ns = bench_now_ns();
    while (now_ns - start_ns < opt.seconds * NS_PER_S && !bench_stop_asked) {
        uint64_t before_ns = now_ns;

        if (!opt.grow && at + bytes > opt.segment_bytes) {
            at = 0; /* the next segment is a recycled one: this one will do */
        }
        write_all(fd, data, bytes, at);
        sync_or_die(fd);
        at += bytes;
        syncs++;
        now_ns = bench_now_ns();
        histogram_add(&latency, now_ns - before_ns);
    }
    seconds = (double)(now_ns - start_ns) / (double)NS_PER_S;
    (void)printf("{\"pattern\": \"%s%s\", \"record_bytes\": %llu, \"batch\": %llu, "
                 "\"syncs_per_s\": %.0f, \"records_per_s\": %.0f, ",
        opt.grow ? "grow" : "preallocated", opt.direct ? ", direct" : "",
        (unsigned long long)opt.record_bytes, (unsigned long long)batch, (double)syncs / seconds,
        (double)(syncs * batch) / seconds);
    histogram_print(stdout, "sync_ms", &latency);
    (void)puts("}");
    free(data);
}

static void
run_batch(uint64_t batch)
{
    char path[PATH_BYTES];
    int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | (opt.direct ? O_DIRECT : 0);
    int fd;

    if (batch == 0 || batch * opt.record_bytes > opt.segment_bytes) {
        bench_die(EXIT_USAGE, "a batch must fit into a segment");
    }
    if (opt.direct && opt.record_bytes % ALIGN_BYTES != 0) {
        bench_die(EXIT_USAGE, "--direct wants records of whole %d bytes", ALIGN_BYTES);
    }
    (void)snprintf(path, sizeof(path), "%s/bench_disk.%ld", opt.dir, (long)getpid());
    fd = open(path, flags, 0600);
    if (fd < 0 || unlink(path) != 0) {
        bench_die(EXIT_FAILED, "%s: %s", path, strerror(errno));
    }
    measure(fd, batch);
    (void)close(fd);
}

static const char usage[] = "Usage: bench_disk [OPTION]...\n"
                            "  --dir DIR        on the disk to measure (.)\n"
                            "  --batch N,N,...  records per sync (1,32,128)\n"
                            "  --record BYTES   bytes of a record (4096)\n"
                            "  --seconds S      for each batch size (3)\n"
                            "  --segment MIB    size of the preallocated file (64)\n"
                            "  --grow           append to a growing file instead\n"
                            "  --direct         O_DIRECT\n"
                            "Prints a JSON object per batch size.\n";

static void
options_parse(int argc, char **argv)
{
    static const struct option options[] = {
        { "dir", required_argument, NULL, 'd' },
        { "batch", required_argument, NULL, 'b' },
        { "record", required_argument, NULL, 'r' },
        { "seconds", required_argument, NULL, 's' },
        { "segment", required_argument, NULL, 'S' },
        { "grow", no_argument, NULL, 'g' },
        { "direct", no_argument, NULL, 'D' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int id;

    while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (id) {
        case 'd':
            opt.dir = optarg;
            break;
        case 'b':
            opt.batches = optarg;
            break;
        case 'r':
            opt.record_bytes = bench_number("--record", optarg, 1 << 20);
            break;
        case 's':
            opt.seconds = bench_number("--seconds", optarg, 100000);
            break;
        case 'S':
            opt.segment_bytes = bench_number("--segment", optarg, 1 << 20) << 20;
            break;
        case 'g':
            opt.grow = true;
            break;
        case 'D':
            opt.direct = true;
            break;
        default:
            (void)fputs(usage, id == 'h' ? stdout : stderr);
            exit(id == 'h' ? 0 : EXIT_USAGE);
        }
    }
    if (optind != argc || opt.record_bytes == 0) {
        (void)fputs(usage, stderr);
        exit(EXIT_USAGE);
    }
}

int
main(int argc, char **argv)
{
    char *list;
    char *rest = NULL;

    bench_catch_signals();
    options_parse(argc, argv);
    list = strdup(opt.batches);
    if (list == NULL) {
        bench_die(EXIT_FAILED, "out of memory");
    }
    for (char *item = strtok_r(list, ",", &rest); item != NULL; item = strtok_r(NULL, ",", &rest)) {
        run_batch(bench_number("--batch", item, 1 << 20));
    }
    free(list);
    return fflush(stdout) == 0 ? 0 : EXIT_FAILED;
}
