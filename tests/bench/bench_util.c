/* bench_util.c - see bench_util.h. */
#include "bench_util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

volatile int bench_stop_asked;

uint64_t
bench_now_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

void
bench_die(int status, const char *format, ...)
{
    va_list args;

    (void)fprintf(stderr, "%s: ", program_invocation_short_name);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(status);
}

uint64_t
bench_number(const char *option, const char *text, uint64_t max)
{
    unsigned long long value;
    char *end = NULL;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || value > max) {
        bench_die(
            2, "%s wants a number from 0 to %llu, not '%s'", option, (unsigned long long)max, text);
    }
    return value;
}

static bool
port_parse(const char *text, uint16_t *port)
{
    unsigned long value;
    char *end = NULL;

    value = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || value > UINT16_MAX) {
        return false;
    }
    *port = (uint16_t)value;
    return true;
}

bool
bench_addr_parse(const char *text, bool port_wanted, struct endpoint_addr *out)
{
    char host[INET6_ADDRSTRLEN + 2];
    const char *colon = port_wanted ? strrchr(text, ':') : NULL;
    size_t host_bytes = colon != NULL ? (size_t)(colon - text) : strlen(text);
    const char *start = text;
    uint16_t port = 0;
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

    if ((port_wanted && (colon == NULL || !port_parse(colon + 1, &port))) || host_bytes == 0) {
        return false;
    }
    if (start[0] == '[' && start[host_bytes - 1] == ']') {
        start++;
        host_bytes -= 2;
    }
    if (host_bytes >= sizeof(host)) {
        return false;
    }
    memcpy(host, start, host_bytes);
    host[host_bytes] = '\0';
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        v4.sin_port = htons(port);
        memcpy(&out->storage, &v4, sizeof(v4));
        out->bytes = sizeof(v4);
        return true;
    }
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        v6.sin6_port = htons(port);
        memcpy(&out->storage, &v6, sizeof(v6));
        out->bytes = sizeof(v6);
        return true;
    }
    return false;
}

void
bench_addr_format(const struct endpoint_addr *addr, char *text, size_t size)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    const char *done;

    if (addr->storage.ss_family == AF_INET6) {
        memcpy(&v6, &addr->storage, sizeof(v6));
        done = inet_ntop(AF_INET6, &v6.sin6_addr, text, (socklen_t)size);
    } else {
        memcpy(&v4, &addr->storage, sizeof(v4));
        done = inet_ntop(AF_INET, &v4.sin_addr, text, (socklen_t)size);
    }
    if (done == NULL) {
        (void)snprintf(text, size, "?");
    }
}

void
bench_raise_fd_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void
on_stop_signal(int number)
{
    (void)number;
    bench_stop_asked = 1;
}

void
bench_catch_signals(void)
{
    struct sigaction stop = { .sa_handler = on_stop_signal }; /* no SA_RESTART: ends the wait */
    struct sigaction ignore = { .sa_handler = SIG_IGN };

    (void)sigaction(SIGTERM, &stop, NULL);
    (void)sigaction(SIGINT, &stop, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL);
}

double
bench_cpu_seconds(void)
{
    struct rusage use;

    (void)getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

/* Values below 2^SUB_BITS have a bucket each; above, each power of two has 2^(SUB_BITS-1). */
static size_t
bucket_of(uint64_t ns)
{
    unsigned shift;

    if (ns < (UINT64_C(1) << HISTOGRAM_SUB_BITS)) {
        return (size_t)ns;
    }
    shift = 63U - (unsigned)__builtin_clzll(ns) - (HISTOGRAM_SUB_BITS - 1U);
    return ((size_t)shift << (HISTOGRAM_SUB_BITS - 1)) + (size_t)(ns >> shift);
}

static uint64_t
bucket_middle(size_t index)
{
    size_t half = (size_t)1 << (HISTOGRAM_SUB_BITS - 1);
    size_t shift;

    if (index < 2 * half) {
        return index;
    }
    shift = index / half - 1;
    return ((uint64_t)(half + index % half) << shift) + (UINT64_C(1) << shift) / 2;
}

void
histogram_add(struct histogram *h, uint64_t ns)
{
    h->count++;
    h->sum_ns += ns;
    if (ns > h->max_ns) {
        h->max_ns = ns;
    }
    h->bucket[bucket_of(ns)]++;
}

uint64_t
histogram_quantile(const struct histogram *h, double q)
{
    uint64_t rank = (uint64_t)((double)h->count * q);
    uint64_t seen = 0;

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen > rank) {
            return bucket_middle(i);
        }
    }
    return h->max_ns;
}

void
histogram_print(FILE *file, const char *name, const struct histogram *h)
{
    double count = h->count > 0 ? (double)h->count : 1.0;

    (void)fprintf(file,
        "\"%s\": {\"count\": %llu, \"mean\": %.3f, \"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, "
        "\"max\": %.3f}",
        name, (unsigned long long)h->count, (double)h->sum_ns / count / 1e6,
        (double)histogram_quantile(h, 0.50) / 1e6, (double)histogram_quantile(h, 0.90) / 1e6,
        (double)histogram_quantile(h, 0.99) / 1e6, (double)h->max_ns / 1e6);
}

void
bench_json_string(FILE *file, const char *text)
{
    (void)fputc('"', file);
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;

        if (c == '"' || c == '\\') {
            (void)fputc('\\', file);
            (void)fputc(c, file);
        } else if (c < 0x20 || c >= 0x7f) {
            (void)fprintf(file, "\\u%04x", c);
        } else {
            (void)fputc(c, file);
        }
    }
    (void)fputc('"', file);
}
