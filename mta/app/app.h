/* app/app.h - the two processes of one instance. See docs/architecture.md.
 *
 * main.c parses the command line; keeper.c is the parent (root, listening sockets, corosync), app.c
 * the server.
 */
#ifndef APP_APP_H
#define APP_APP_H

#include "app/app_conf.h"
#include "bridgehead/events.h"

struct app_args {
    const char *config; /* path */
    const char *vip;    /* --vip, or NULL */
    const char *node;
    const char *resource;    /* Pacemaker's id of us, or NULL */
    const char *fenced_node; /* --fenced NODE:EPOCH */
    uint64_t fenced_epoch;
    bool fenced_stdin; /* --fenced -: that, or nothing, comes by standard input */
    bool foreground;
    bool restarted;   /* the server was restarted after a crash */
    const char *self; /* argv[0]'s real path, for exec */
};

/* Become the keeper. Returns the exit code. With !foreground the calling process returns when the
 * start is complete (code 0) or has failed, and the keeper goes on in the background. */
int keeper_main(const struct app_args *args);
/* The server: descriptor CHANNEL_FD is the keeper. Returns the exit code. */
int app_main(const struct app_args *args);

/* NODE:EPOCH; the colon in value becomes the end of *node. 0 or BH_ECONFIG. */
int app_fenced_parse(char *value, const char **node, uint64_t *epoch) MUST_USE;

/* Exit code for an error code of ours. */
int app_exit_code(int rc);
/* The caller ends now: what it still logs may take a few seconds, then the process exits with code
 * even if the log's disk or syslogd hangs. */
void app_end_soon(int code);
/* The event that names why a process could not start or go on. */
enum bridgehead_event app_failure_event(int rc);
const char *app_event_name(enum bridgehead_event event);
/* "TEXT [NUMBER NAME]": what people and the cluster read, so that they find the cure. */
void app_failure_text(enum bridgehead_event event, const char *text, char *out, size_t cap);
/* Print a configuration error to stderr and log it; a conf_error_fn. The other only logs. */
void app_report_conf_error(void *ctx, const struct conf_error *e);
void app_log_conf_error(void *ctx, const struct conf_error *e);

#endif
