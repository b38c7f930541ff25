/* core/log.h - events with stable numbers, on libqb's qblog with its blackbox.
 *
 * Every log line is an event of include/bridgehead/events.h: `log_event(EV_SMTP_RCPT_REFUSED,
 * LF_ID("id", id), LF_SLICE("rcpt", addr), LF_INT("code", 550))` gives the line
 *   1203 smtp.rcpt.refused id=30000000001 rcpt="a@b" code=550
 * Text from peers is escaped here. Message content is never logged.
 *
 * Threads   log_event from any thread; it formats into a bounded ring and returns; one log thread
 *           of ours writes (qblog's own threaded target crashed in a test), so that a stalled disk
 *           or syslog never stalls the loop. A full ring drops lines of level info and below and
 *           counts them; the count is logged as log.dropped.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include "bridgehead/events.h"
#include "core/slice.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log_field {
    const char *key; /* NULL ends the list */
    enum { LF_KIND_INT, LF_KIND_UINT, LF_KIND_ID, LF_KIND_SLICE, LF_KIND_ERR, LF_KIND_MS } kind;
    union {
        int64_t i;
        uint64_t u;
        struct slice s;
    } v;
};
/* ID is written in hexadecimal, SLICE and STR quoted and escaped, ERR as error_text(rc), MS in
 * seconds. */
#define LF_FIELD(k, what, member, x) ((struct log_field){ k, LF_KIND_##what, { .member = x } })
#define LF_INT(k, x)                 LF_FIELD(k, INT, i, (int64_t)(x))
#define LF_UINT(k, x)                LF_FIELD(k, UINT, u, (uint64_t)(x))
#define LF_ID(k, x)                  LF_FIELD(k, ID, u, (uint64_t)(x))
#define LF_SLICE(k, x)               LF_FIELD(k, SLICE, s, (x))
#define LF_STR(k, x)                 LF_FIELD(k, SLICE, s, slice_of(x))
#define LF_ERR(k, rc)                LF_FIELD(k, ERR, i, (int64_t)(rc))
#define LF_MS(k, x)                  LF_FIELD(k, MS, u, (uint64_t)(x))

#define log_event(event, ...)                                                                      \
    log_event_fields(event,                                                                        \
        (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(, ){ NULL, LF_KIND_INT, { 0 } } })
void log_event_fields(enum bridgehead_event event, const struct log_field *fields);

/* One field for a format string of our own: bounded, for use as LF_SLICE. */
#define LOG_TEXT_CAP 256
struct slice log_text(char out[LOG_TEXT_CAP], const char *fmt, ...) PRINTF(2, 3);

struct log_options {
    const char *ident; /* syslog tag: "bridgehead-NAME/server" */
    const char *to;    /* "syslog", "stderr" or "file:PATH" */
    enum log_level level;
    const char *blackbox_path; /* where a dump goes; NULL: no blackbox */
    bool threaded;             /* false in short-lived commands and tests: written at once */
};
/* Before it, and after log_close, events reach only log_recent. After the last fork without exec:
 * the log thread does not follow. -EINVAL: no such target; -errno of a file that cannot be opened.
 */
int log_open(const struct log_options *o) MUST_USE;
int log_reopen(const struct log_options *o) MUST_USE; /* reload: level, target */
void log_close(void);                                 /* flushes */

/* The newest events in memory, oldest first, for `bridgehead events`. each returns false to stop.
 * seq counts from 1 for the process; since = 0 gives all that are kept (at least 1,000). */
typedef bool log_each_fn(
    void *ctx, uint64_t seq, uint64_t wall_ms, enum bridgehead_event event, struct slice text);
void log_recent(uint64_t since_seq, log_each_fn *each, void *ctx);
/* Write the flight recorder to its path now; 0 or -errno. Also called on a failed CHECK. */
int log_dump_blackbox(void);
/* Print a dump to stdout; 0 (also where the file is cut short: what there is) or -errno. For a
 * command: it moves stderr aside meanwhile. */
int log_print_blackbox(const char *path);

#endif
