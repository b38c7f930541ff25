/* bench_meter.c - CPU time and memory of a server with all its processes, while it is under load.
 *
 * The processes are those of a cgroup (version 2), or a process and its descendants. CPU time comes
 * from the cgroup, which is exact and counts the dead; without one it is summed over
 * /proc/PID/stat, where each process is rounded down to a clock tick: with hundreds of processes
 * some percent too low.
 */
#include "bench_util.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    PROCESSES_MAX = 16384,
    PATH_BYTES = 512,
};

struct sample {
    uint64_t pss_kib;     /* shared pages counted once, files mapped included */
    uint64_t private_kib; /* RssAnon + RssShmem */
    uint64_t processes;
};

struct cpu {
    double user_s;
    double system_s;
};

static struct {
    const char *cgroup, *json, *ready;
    long root; /* without a cgroup: the ancestor of all */
    uint64_t interval_ms;
    bool once;
    long pid[PROCESSES_MAX];
    long parent[PROCESSES_MAX];
    size_t count;
} meter = { .interval_ms = 500 };

/* Add up the values of the lines "NAME: VALUE kB" in a file of /proc. Absent: 0. */
static uint64_t
proc_sum_kib(long pid, const char *file_name, const char *const *names)
{
    char path[64];
    char line[256];
    uint64_t sum = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%ld/%s", pid, file_name);
    file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        for (const char *const *name = names; *name != NULL; name++) {
            size_t bytes = strlen(*name);

            if (strncmp(line, *name, bytes) == 0 && line[bytes] == ':') {
                sum += strtoull(line + bytes + 1, NULL, 10);
            }
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return sum;
}

/* Read parent and the four CPU times (own and of reaped children, in ticks). */
static bool
proc_stat(long pid, long *parent, uint64_t ticks[4])
{
    char path[64];
    char text[1024];
    char *at;
    size_t bytes;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    bytes = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    text[bytes] = '\0';
    at = strrchr(text, ')'); /* the name may hold anything, spaces and parentheses too */
    if (at == NULL || strlen(at) < 4) {
        return false;
    }
    *parent = strtol(at + 4, &at, 10);
    for (int field = 5; field <= 17; field++) {
        uint64_t value = strtoull(at, &at, 10);

        if (field >= 14) {
            ticks[field - 14] = value;
        }
    }
    return true;
}

static void
list_cgroup(void)
{
    char path[PATH_BYTES];
    char line[64];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/cgroup.procs", meter.cgroup);
    file = fopen(path, "re");
    if (file == NULL) {
        bench_die(EXIT_FAILED, "%s: %s", path, strerror(errno));
    }
    while (meter.count < PROCESSES_MAX && fgets(line, sizeof(line), file) != NULL) {
        meter.pid[meter.count++] = strtol(line, NULL, 10);
    }
    (void)fclose(file);
}

static void
list_all(void)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;
    uint64_t ticks[4];

    while (dir != NULL && meter.count < PROCESSES_MAX && (entry = readdir(dir)) != NULL) {
        long pid = strtol(entry->d_name, NULL, 10);

        if (pid > 0 && proc_stat(pid, &meter.parent[meter.count], ticks)) {
            meter.pid[meter.count++] = pid;
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
}

/* Keep the root and its descendants: repeat until no round finds another child. */
static void
list_descendants(void)
{
    size_t kept = 0;
    size_t before;

    list_all();
    do {
        before = kept;
        for (size_t i = kept; i < meter.count; i++) {
            bool wanted = meter.pid[i] == meter.root;

            for (size_t k = 0; k < kept && !wanted; k++) {
                wanted = meter.pid[k] == meter.parent[i];
            }
            if (wanted) {
                long pid = meter.pid[i];
                long parent = meter.parent[i];

                meter.pid[i] = meter.pid[kept];
                meter.parent[i] = meter.parent[kept];
                meter.pid[kept] = pid;
                meter.parent[kept++] = parent;
            }
        }
    } while (kept > before);
    meter.count = kept;
}

static void
list_processes(void)
{
    meter.count = 0;
    if (meter.cgroup != NULL) {
        list_cgroup();
    } else {
        list_descendants();
    }
}

static struct sample
take_sample(void)
{
    static const char *const pss[] = { "Pss", NULL };
    static const char *const private[] = { "RssAnon", "RssShmem", NULL };
    struct sample sample = { 0 };

    list_processes();
    sample.processes = meter.count;
    for (size_t i = 0; i < meter.count; i++) {
        sample.pss_kib += proc_sum_kib(meter.pid[i], "smaps_rollup", pss);
        sample.private_kib += proc_sum_kib(meter.pid[i], "status", private);
    }
    return sample;
}

static struct cpu
cpu_of_cgroup(void)
{
    struct cpu cpu = { 0 };
    char path[PATH_BYTES];
    char line[128];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/cpu.stat", meter.cgroup);
    file = fopen(path, "re");
    if (file == NULL) {
        bench_die(EXIT_FAILED, "%s: %s", path, strerror(errno));
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "user_usec ", 10) == 0) {
            cpu.user_s = strtod(line + 10, NULL) / 1e6;
        } else if (strncmp(line, "system_usec ", 12) == 0) {
            cpu.system_s = strtod(line + 12, NULL) / 1e6;
        }
    }
    (void)fclose(file);
    return cpu;
}

static struct cpu
cpu_now(void)
{
    double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    struct cpu cpu = { 0 };
    uint64_t ticks[4];
    long parent;

    if (meter.cgroup != NULL) {
        return cpu_of_cgroup();
    }
    list_processes();
    for (size_t i = 0; i < meter.count; i++) {
        if (proc_stat(meter.pid[i], &parent, ticks)) {
            cpu.user_s += (double)(ticks[0] + ticks[2]) * tick;
            cpu.system_s += (double)(ticks[1] + ticks[3]) * tick;
        }
    }
    return cpu;
}

/* Busy time of all processors since boot: what is not ours in it tells how quiet the machine was.
 */
static double
host_busy_s(void)
{
    char line[256];
    uint64_t busy = 0;
    char *at = line + 4; /* after "cpu " */
    FILE *file = fopen("/proc/stat", "re");

    if (file == NULL || fgets(line, sizeof(line), file) == NULL) {
        bench_die(EXIT_FAILED, "/proc/stat: %s", strerror(errno));
    }
    (void)fclose(file);
    for (int field = 0; field < 8; field++) { /* user nice system idle iowait irq softirq steal */
        uint64_t ticks = strtoull(at, &at, 10);

        busy += field == 3 || field == 4 ? 0 : ticks;
    }
    return (double)busy / (double)sysconf(_SC_CLK_TCK);
}

static void
nap(void)
{
    struct timespec wait = { (time_t)(meter.interval_ms / 1000),
        (long)(meter.interval_ms % 1000 * NS_PER_MS) };

    (void)nanosleep(&wait, NULL); /* a signal ends it early */
}

static void
keep_peak(uint64_t *peak, uint64_t value)
{
    *peak = value > *peak ? value : *peak;
}

static void
measure(FILE *file)
{
    struct cpu before = cpu_now();
    struct cpu after;
    struct sample first = take_sample();
    struct sample last = first;
    struct sample peak = first;
    double busy_s = host_busy_s();
    uint64_t began_ns = bench_now_ns();

    while (!bench_stop_asked && !meter.once) {
        nap();
        last = take_sample();
        keep_peak(&peak.pss_kib, last.pss_kib);
        keep_peak(&peak.private_kib, last.private_kib);
        keep_peak(&peak.processes, last.processes);
    }
    after = cpu_now();
    busy_s = host_busy_s() - busy_s;
    (void)fprintf(file,
        "{\"cpu_user_s\": %.3f, \"cpu_system_s\": %.3f, \"cpu_s\": %.3f, \"cpu_exact\": %s, "
        "\"host_busy_s\": %.3f, \"elapsed_s\": %.3f, "
        "\"first_pss_kib\": %llu, \"last_pss_kib\": %llu, \"peak_pss_kib\": %llu, "
        "\"first_private_kib\": %llu, \"last_private_kib\": %llu, \"peak_private_kib\": %llu, "
        "\"processes\": %llu}\n",
        after.user_s - before.user_s, after.system_s - before.system_s,
        after.user_s + after.system_s - before.user_s - before.system_s,
        meter.cgroup != NULL ? "true" : "false", busy_s,
        (double)(bench_now_ns() - began_ns) / (double)NS_PER_S, (unsigned long long)first.pss_kib,
        (unsigned long long)last.pss_kib, (unsigned long long)peak.pss_kib,
        (unsigned long long)first.private_kib, (unsigned long long)last.private_kib,
        (unsigned long long)peak.private_kib, (unsigned long long)peak.processes);
}

static const char usage[] =
    "Usage: bench_meter (--cgroup DIR | --pid PID) [OPTION]...\n"
    "  --cgroup DIR     a cgroup (version 2) that holds the server and nothing else\n"
    "  --pid PID        the server's first process; its descendants are counted\n"
    "  --interval MS    between looks at the memory (500)\n"
    "  --once           one look, no waiting for SIGTERM\n"
    "  --json FILE      write the result there, not to standard output\n"
    "Measures until SIGTERM.\n";

static void
options_parse(int argc, char **argv)
{
    static const struct option options[] = {
        { "cgroup", required_argument, NULL, 'c' },
        { "pid", required_argument, NULL, 'p' },
        { "interval", required_argument, NULL, 'i' },
        { "once", no_argument, NULL, 'o' },
        { "json", required_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int id;

    while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (id) {
        case 'c':
            meter.cgroup = optarg;
            break;
        case 'p':
            meter.root = (long)bench_number("--pid", optarg, 1U << 30);
            break;
        case 'i':
            meter.interval_ms = bench_number("--interval", optarg, 3600000);
            break;
        case 'o':
            meter.once = true;
            break;
        case 'j':
            meter.json = optarg;
            break;
        default:
            (void)fputs(usage, id == 'h' ? stdout : stderr);
            exit(id == 'h' ? 0 : EXIT_USAGE);
        }
    }
    if ((meter.cgroup == NULL) == (meter.root == 0) || optind != argc) {
        (void)fputs(usage, stderr);
        exit(EXIT_USAGE);
    }
}

int
main(int argc, char **argv)
{
    FILE *file = stdout;

    bench_catch_signals();
    options_parse(argc, argv);
    if (meter.json != NULL) {
        file = fopen(meter.json, "we");
        if (file == NULL) {
            bench_die(EXIT_FAILED, "%s: %s", meter.json, strerror(errno));
        }
    }
    measure(file);
    if (fflush(file) != 0) {
        bench_die(EXIT_FAILED, "cannot write the result: %s", strerror(errno));
    }
    return 0;
}
