/* tools/tools.h - the operator's command: one table of commands, a file for each family.
 *
 * Every command takes --json and --help. Without --json it prints for people. Exit codes:
 * bridgehead/exit_codes.h.
 */
#ifndef TOOLS_TOOLS_H
#define TOOLS_TOOLS_H

#include "bridgehead/exit_codes.h"
#include "core/slice.h"
#include <jansson.h>

struct tool {
    char instance[64];
    char config[256];
    bool json;
    bool config_given;
};

struct tool_command {
    const char *name; /* "queue list" */
    const char *args; /* for the usage line */
    const char *help; /* one sentence, then details */
    int (*run)(
        struct tool *t, int argc, char **argv); /* argv[0] is the first argument behind the name */
};
extern const struct tool_command tool_commands[];
extern const size_t tool_command_count;

/* ---- ctl_client.c: one question, one answer. */
/* *answer is the JSON object (the caller's), also when the status is not 0 and an error is in it.
 * Returns the exit code: the daemon's status, BRIDGEHEAD_EXIT_NOT_RUNNING (no socket), _TIMEOUT (no
 * answer within timeout_ms). With a local failure *answer is an error object too. */
int tool_ask(const struct tool *t, const char *command, json_t *args /* stolen, may be NULL */,
    int timeout_ms, json_t **answer);
/* A lock in the run directory ("keeper.lock"): 1 somebody holds it, 0 nobody, <0 cannot tell. It is
 * only looked at: a daemon that starts meanwhile must find it free. */
int tool_lock_held(const struct tool *t, const char *name);
#define TOOL_TIMEOUT_MS 10000

/* ---- tool_output.c */
/* {"error": …} for our own errors, like the daemon's. */
json_t *tool_error(int code, const char *message, const char *cure);
/* Print an error answer ("bridgehead: message\n  cure: …", or the JSON) and return code. */
int tool_fail(const struct tool *t, int code, json_t *answer /* stolen */);
int tool_usage(const struct tool_command *c);
/* One JSON value a line. */
void tool_print_json(const json_t *value);
/* Text that may be no UTF-8: such bytes become U+FFFD. */
json_t *tool_text(struct slice s);
/* RFC 3339, or null for 0. */
json_t *tool_time(uint64_t wall_ms);
const char *tool_str(const json_t *object, const char *key); /* "" if it is no string */
long long tool_int(const json_t *object, const char *key);
/* "1.2 MiB", "3 h 12 min" */
void tool_size(char out[32], long long bytes);
void tool_duration(char out[32], long long seconds);
/* Print items of a list command, page by page; `line` prints one for people. */
int tool_list(struct tool *t, const char *command, json_t *args /* stolen */, const char *heading,
    void (*line)(const json_t *item));
/* --selector S (repeated) and IDs into args; other options: `--yes`. Returns 0 or an exit code. */
int tool_selection(const struct tool_command *c, int argc, char **argv, json_t *args);

/* ---- tool_progress.c: how far long work is, on standard error: on a terminal, or where asked for.
 */
struct tool_progress {
    bool wanted, terminal, shown;
    unsigned percent;
};
void tool_progress_begin(struct tool_progress *p, bool asked);
void tool_progress(struct tool_progress *p, uint64_t done, uint64_t total);
void tool_progress_clear(struct tool_progress *p); /* before other output */
/* base64 of the bytes, or NULL. */
json_t *tool_base64(struct slice s);

/* ---- cmd_queue.c */
/* What queue show says, from as many answers as it takes; or the error. */
int tool_show(const struct tool *t, const char *id, json_t **out);

/* ---- message_file.c: a message outside the queue: its content in FILE, its envelope as JSON in
 * FILE.json (X.eml: X.json). queue export and store repair write it, queue import reads it:
 * docs/formats/message_file.md. */
void message_file_envelope(const char *file, char *out, size_t cap);
/* From what queue show says; recipients that are final are left out. NULL: out of memory. */
json_t *message_file_from_show(const json_t *shown, uint64_t bytes, uint32_t crc, bool complete);
int message_file_write(const char *envelope_file, const json_t *envelope) MUST_USE;
/* Of a content that came by X.400 what its transfer envelope says, for people, and where in the
 * file the content behind it begins. NULL: it cannot be read. (message_file_p1.c) */
json_t *message_file_p1(int fd);
/* NULL: *fault says why not. */
json_t *message_file_read(const char *envelope_file, const char **fault);

/* ---- cmd_store.c, cmd_store_check.c: what the store commands share. */
/* store.path of the configuration; 0 or an exit code, its message printed. */
int tool_store_path(const struct tool *t, char *out, size_t cap) MUST_USE;
struct conf_error;
/* A fault of the configuration is printed (cmd_daemon.c); ctx is the struct tool. */
void tool_conf_fault(void *ctx, const struct conf_error *e);
struct queue_finding;
void tool_print_finding(const struct tool *t, const struct queue_finding *f);
/* Print the error and return its exit code. */
int tool_store_fail(const struct tool *t, int rc, const char *text);

/* ---- cmd_failover.c */
void tool_print_failover(const json_t *f); /* not an object: nothing */

/* ---- commands */
int cmd_status(struct tool *t, int argc, char **argv);
int cmd_probe(struct tool *t, int argc, char **argv);
int cmd_why(struct tool *t, int argc, char **argv);
int cmd_failover_report(struct tool *t, int argc, char **argv);
int cmd_queue_list(struct tool *t, int argc, char **argv);
int cmd_queue_show(struct tool *t, int argc, char **argv);
int cmd_queue_hold(struct tool *t, int argc, char **argv);
int cmd_queue_release(struct tool *t, int argc, char **argv);
int cmd_queue_retry(struct tool *t, int argc, char **argv);
int cmd_queue_bounce(struct tool *t, int argc, char **argv);
int cmd_queue_remove(struct tool *t, int argc, char **argv);
int cmd_queue_export(struct tool *t, int argc, char **argv);
int cmd_queue_import(struct tool *t, int argc, char **argv);
int cmd_connector_list(struct tool *t, int argc, char **argv);
int cmd_connector_show(struct tool *t, int argc, char **argv);
int cmd_connector_suspend(struct tool *t, int argc, char **argv);
int cmd_connector_resume(struct tool *t, int argc, char **argv);
int cmd_x400_ping(struct tool *t, int argc, char **argv);
int cmd_x400_send(struct tool *t, int argc, char **argv);
int cmd_x400_trace(struct tool *t, int argc, char **argv);
int cmd_handoff(struct tool *t, int argc, char **argv);
int cmd_stop(struct tool *t, int argc, char **argv);
int cmd_reload(struct tool *t, int argc, char **argv);
int cmd_check(struct tool *t, int argc, char **argv);
int cmd_events(struct tool *t, int argc, char **argv);
int cmd_blackbox(struct tool *t, int argc, char **argv);
int cmd_store_init(struct tool *t, int argc, char **argv);
int cmd_store_owner(struct tool *t, int argc, char **argv);
int cmd_store_check(struct tool *t, int argc, char **argv);
int cmd_store_stat(struct tool *t, int argc, char **argv);
int cmd_store_dump(struct tool *t, int argc, char **argv);
int cmd_store_repair(struct tool *t, int argc, char **argv);
int cmd_completion(struct tool *t, int argc, char **argv);

#endif
