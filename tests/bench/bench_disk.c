/* bench_disk.c - what the disk gives to one writer that appends and calls fdatasync.
 *
 * The bare loop below any journal: batches of records into preallocated (and once overwritten)
 * segments, or, with --grow, at the end of a growing file. What a journal reaches is to be compared
 * with this: with --replay, the very batches that bench_journal --trace made, in as many segments.
 */
#include "bench_util.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    PATH_BYTES = 512,
    ALIGN_BYTES = 4096,
    FILES_MAX = 1024,
    PREPARE_BYTES = 1 << 20,
};

static struct {
    const char *dir, *batches, *replay;
    uint64_t record_bytes, seconds, segment_bytes, pause_ms;
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

/* A lone sync finds an idle machine: whoever waits with a message finds the same one. */
static void
pause_a_while(void)
{
    struct timespec t = { .tv_sec = (time_t)(opt.pause_ms / 1000),
        .tv_nsec = (long)(opt.pause_ms % 1000 * NS_PER_MS) };

    if (opt.pause_ms > 0) {
        (void)nanosleep(&t, NULL);
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
        uint64_t before_ns;

        pause_a_while();
        before_ns = bench_now_ns();
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

static int
open_file(void)
{
    static unsigned number;
    char path[PATH_BYTES];
    int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | (opt.direct ? O_DIRECT : 0);
    int fd;

    (void)snprintf(path, sizeof(path), "%s/bench_disk.%ld.%u", opt.dir, (long)getpid(), number++);
    fd = open(path, flags, 0600);
    if (fd < 0 || unlink(path) != 0) {
        bench_die(EXIT_FAILED, "%s: %s", path, strerror(errno));
    }
    return fd;
}

static void
run_batch(uint64_t batch)
{
    int fd;

    if (batch == 0 || batch * opt.record_bytes > opt.segment_bytes) {
        bench_die(EXIT_USAGE, "a batch must fit into a segment");
    }
    if (opt.direct && opt.record_bytes % ALIGN_BYTES != 0) {
        bench_die(EXIT_USAGE, "--direct wants records of whole %d bytes", ALIGN_BYTES);
    }
    fd = open_file();
    measure(fd, batch);
    (void)close(fd);
}

/* ---- the batches of another */

struct write {
    uint32_t file;
    size_t bytes;
    uint64_t offset;
};
static struct {
    struct write *writes;
    size_t count, capacity, bytes_max;
    uint32_t files;
    int fd[FILES_MAX];
} replay;

static void
replay_read(void)
{
    FILE *file = fopen(opt.replay, "re");
    char line[PATH_BYTES];

    if (file == NULL) {
        bench_die(EXIT_FAILED, "%s: %s", opt.replay, strerror(errno));
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        char *at = line;
        struct write w = { .file = (uint32_t)strtoul(at, &at, 10) };

        w.offset = strtoull(at, &at, 10);
        w.bytes = strtoull(at, &at, 10);
        if (*at != '\n' || w.file >= FILES_MAX || w.bytes > opt.segment_bytes ||
            w.offset > opt.segment_bytes - w.bytes) {
            bench_die(EXIT_FAILED, "%s: not FILE OFFSET BYTES: %s", opt.replay, line);
        }
        if (replay.count == replay.capacity) {
            replay.capacity = replay.capacity * 2 + 1024;
            replay.writes = realloc(replay.writes, replay.capacity * sizeof(*replay.writes));
            if (replay.writes == NULL) {
                bench_die(EXIT_FAILED, "out of memory");
            }
        }
        replay.writes[replay.count++] = w;
        replay.files = w.file >= replay.files ? w.file + 1 : replay.files;
        replay.bytes_max = w.bytes > replay.bytes_max ? w.bytes : replay.bytes_max;
    }
    (void)fclose(file);
    if (replay.count == 0) {
        bench_die(EXIT_FAILED, "%s: empty", opt.replay);
    }
}

/* Whole batches, each with its sync, as fast as it goes. */
static void
run_replay(void)
{
    static struct histogram latency;
    uint64_t begun_ns, now_ns, total = 0;
    size_t room;
    char *data;
    double seconds;

    replay_read();
    room = replay.bytes_max > PREPARE_BYTES ? replay.bytes_max : PREPARE_BYTES;
    data = malloc(room);
    if (data == NULL) {
        bench_die(EXIT_FAILED, "out of memory");
    }
    memset(data, 'x', room);
    for (uint32_t i = 0; i < replay.files; i++) {
        replay.fd[i] = open_file();
        preallocate(replay.fd[i], data, PREPARE_BYTES);
    }
    begun_ns = now_ns = bench_now_ns();
    for (size_t i = 0; i < replay.count; i++) {
        const struct write *w = &replay.writes[i];
        uint64_t before_ns = now_ns;

        write_all(replay.fd[w->file], data, w->bytes, w->offset);
        sync_or_die(replay.fd[w->file]);
        total += w->bytes;
        now_ns = bench_now_ns();
        histogram_add(&latency, now_ns - before_ns);
    }
    seconds = (double)(now_ns - begun_ns) / (double)NS_PER_S;
    (void)printf("{\"pattern\": \"replay\", \"segments\": %u, \"seconds\": %.3f, \"bytes\": %llu, "
                 "\"syncs\": %zu, \"syncs_per_s\": %.0f, \"mib_per_s\": %.0f, ",
        replay.files, seconds, (unsigned long long)total, replay.count,
        (double)replay.count / seconds, (double)total / seconds / (1 << 20));
    histogram_print(stdout, "sync_ms", &latency);
    (void)puts("}");
    free(data);
    free(replay.writes);
}

static const char usage[] =
    "Usage: bench_disk [OPTION]...\n"
    "  --dir DIR        on the disk to measure (.)\n"
    "  --batch N,N,...  records per sync (1,32,128)\n"
    "  --record BYTES   bytes of a record (4096)\n"
    "  --seconds S      for each batch size (3)\n"
    "  --segment MIB    size of the preallocated file (64)\n"
    "  --grow           append to a growing file instead\n"
    "  --direct         O_DIRECT\n"
    "  --pause MS       before each batch (0)\n"
    "  --replay FILE    the batches that bench_journal --trace made, once; FILE has a\n"
    "                   line for each sync: segment, offset, bytes\n"
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
        { "pause", required_argument, NULL, 'p' },
        { "replay", required_argument, NULL, 'R' },
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
        case 'p':
            opt.pause_ms = bench_number("--pause", optarg, 100000);
            break;
        case 'R':
            opt.replay = optarg;
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
    if (opt.replay != NULL) {
        run_replay();
        return fflush(stdout) == 0 ? 0 : EXIT_FAILED;
    }
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
