/* tests/bench/bench_util.h - what the load generator, the sink and the meters share.
 *
 * Owns      nothing: plain helpers of single-threaded programs that exit on a usage error.
 * Time      CLOCK_MONOTONIC in nanoseconds. All processes of one kernel see the same clock (unless
 *           somebody uses time namespaces), so a timestamp may travel inside a message.
 */
#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

/* The header that carries number and timestamps: "X-Bench: NUMBER MAIL_NS DATA_NS". */
#define BENCH_HEADER "X-Bench: "

#define HISTOGRAM_SUB_BITS 7 /* below 1 % error, 30 KiB: cheap enough to be always on */
#define HISTOGRAM_BUCKETS  ((64 - HISTOGRAM_SUB_BITS + 2) << (HISTOGRAM_SUB_BITS - 1))

/* Logarithmic histogram of durations in nanoseconds; zeroed memory is an empty one. */
struct histogram {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t max_ns;
    uint64_t bucket[HISTOGRAM_BUCKETS];
};

struct endpoint_addr {
    struct sockaddr_storage storage;
    socklen_t bytes;
};

uint64_t bench_now_ns(void);

/* Print "PROGRAM: message" to stderr and exit with `status`. */
void bench_die(int status, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* Parse a whole decimal number of at most `max`; anything else ends the program with status 2. */
uint64_t bench_number(const char *option, const char *text, uint64_t max);

/* Parse "ADDR:PORT", "[V6]:PORT" or, with `port_wanted` false, "ADDR". False if it is neither. */
bool bench_addr_parse(const char *text, bool port_wanted, struct endpoint_addr *out);

/* Write the address without its port to `text`, of at least INET6_ADDRSTRLEN bytes. */
void bench_addr_format(const struct endpoint_addr *addr, char *text, size_t size);

/* Raise the soft limit of descriptors to the hard one. */
void bench_raise_fd_limit(void);

/* SIGTERM and SIGINT set *flag (and interrupt a wait); SIGPIPE is ignored. */
extern volatile int bench_stop_asked;
void bench_catch_signals(void);

/* User and system time this process has used. */
double bench_cpu_seconds(void);

void histogram_add(struct histogram *h, uint64_t ns);
uint64_t histogram_quantile(const struct histogram *h, double q);

/* Write `"name": {"count": …, "mean": …, "p50": …, "p90": …, "p99": …, "max": …}`, in ms. */
void histogram_print(FILE *file, const char *name, const struct histogram *h);

/* Write `text` as a JSON string, with quotes. */
void bench_json_string(FILE *file, const char *text);

#endif
