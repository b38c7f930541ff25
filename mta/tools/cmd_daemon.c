/* tools/cmd_daemon.c - handoff, stop, reload, check, events, blackbox, completion. */
#include "app/app.h"
#include "core/io.h"
#include "core/log.h"
#include "core/ticks.h"
#include "queue/queue.h"
#include "tools/tools.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int
simple(struct tool *t, const char *command, json_t *args, int timeout_ms, const char *done)
{
    json_t *a;
    int code = tool_ask(t, command, args, timeout_ms, &a);

    if (code != 0) {
        return tool_fail(t, code, a);
    }
    if (t->json) {
        tool_print_json(a);
    } else {
        (void)puts(done);
    }
    json_decref(a);
    return 0;
}

int
cmd_handoff(struct tool *t, int argc, char **argv)
{
    bool force = argc == 1 && strcmp(argv[0], "--force") == 0;

    if (argc > 0 && !force) {
        (void)fputs("usage: bridgehead handoff [--force]\n", stderr);
        return BRIDGEHEAD_EXIT_USAGE;
    }
    return simple(t, "handoff", json_pack("{s:b}", "force", force), 6 * 60 * 1000, "released");
}

int
cmd_reload(struct tool *t, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return simple(t, "reload", NULL, TOOL_TIMEOUT_MS, "reloaded");
}

/* ---- stop: by the keeper's process, so that it works when nothing answers any more */

/* The pid file of a keeper that was killed stays, and its number may be another process's by now:
 * the keeper is the one that has the lock file open. */
static bool
is_keeper(const struct tool *t, uint64_t pid)
{
    char lock[192], path[64], to[192];

    (void)snprintf(lock, sizeof(lock), "/run/bridgehead/%s/keeper.lock", t->instance);
    for (int fd = 0; fd < 256; fd++) {
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/proc/%llu/fd/%d", (unsigned long long)pid, fd);
        n = readlink(path, to, sizeof(to) - 1);
        if (n > 0) {
            to[n] = '\0';
            if (strcmp(to, lock) == 0) {
                return true;
            }
        }
    }
    return false;
}

static int
keeper_pidfd(const struct tool *t)
{
    char path[192], text[32];
    uint64_t pid;
    size_t n;
    int rc, fd;

    (void)snprintf(path, sizeof(path), "/run/bridgehead/%s/pid", t->instance);
    rc = io_read_file(path, text, sizeof(text), &n);
    if (rc < 0) {
        return rc;
    }
    while (n > 0 && text[n - 1] == '\n') {
        n--;
    }
    rc = slice_u64((struct slice){ text, n }, INT32_MAX, &pid);
    if (rc < 0 || pid == 0) {
        return BH_ESYNTAX;
    }
    fd = pidfd_open((pid_t)pid, 0);
    if (fd < 0) {
        return -errno;
    }
    if (!is_keeper(t, pid)) { /* looked at after pidfd_open: the number cannot change hands */
        io_close(&fd);
        return -ESRCH;
    }
    return fd;
}

static void
pause_briefly(void)
{
    (void)nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
}

/* A keeper that has just begun has its lock before its pid is written down. */
static int
find_keeper(const struct tool *t, uint64_t until_ms)
{
    int pidfd = keeper_pidfd(t);

    while (pidfd < 0 && tool_lock_held(t, "keeper.lock") > 0 && ticks_ms() < until_ms) {
        pause_briefly();
        pidfd = keeper_pidfd(t);
    }
    return pidfd;
}

/* Wait until both locks are free: the keeper's end is seen by pidfd, the server's follows by its
 * parent-death signal. */
static bool
wait_gone(const struct tool *t, int pidfd, uint64_t until_ms)
{
    struct pollfd p = { .fd = pidfd, .events = POLLIN };
    uint64_t now = ticks_ms();

    if (pidfd >= 0 && poll(&p, 1, now < until_ms ? (int)(until_ms - now) : 0) <= 0) {
        return false;
    }
    while (tool_lock_held(t, "server/lock") > 0 || tool_lock_held(t, "keeper.lock") > 0) {
        if (ticks_ms() >= until_ms) {
            return false;
        }
        pause_briefly();
    }
    return true;
}

/* SIGTERM, and SIGKILL when the time is over. False: something of the instance cannot be ended. */
static bool
end_daemon(const struct tool *t, uint64_t timeout_ms)
{
    uint64_t until_ms = ticks_ms() + timeout_ms;
    int pidfd;
    bool gone;

    if (tool_lock_held(t, "keeper.lock") == 0 && tool_lock_held(t, "server/lock") == 0) {
        return true;
    }
    pidfd = find_keeper(t, until_ms);
    if (pidfd >= 0) {
        (void)pidfd_send_signal(pidfd, SIGTERM, NULL, 0);
    }
    gone = wait_gone(t, pidfd, until_ms);
    if (!gone && pidfd >= 0) {
        (void)fprintf(stderr, "bridgehead: not ended within %llu s, killing it\n",
            (unsigned long long)(timeout_ms / 1000));
        (void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
        gone = wait_gone(t, pidfd, ticks_ms() + 5000);
    }
    io_close(&pidfd);
    return gone;
}

static void
ignore_fault(void *ctx, const struct conf_error *e)
{
    (void)ctx;
    (void)e;
}

/* What bridgeheadd --release does, without another process in a failover's way. A failure costs the
 * next owner the wait for the lease, never the stop its success. */
static void
give_up_store(const struct tool *t, const char *node)
{
    char lock[APP_PATH_CAP], text[512] = "";
    struct app_conf *c;
    int rc = app_conf_load(&c, t->config, NULL, ignore_fault, NULL);

    if (rc == 0) {
        app_server_lock(c->instance, lock);
        rc = queue_store_release(c->store_path, lock, node, text, sizeof(text));
        app_conf_free(c);
    }
    if (rc < 0) {
        (void)fprintf(stderr, "bridgehead: the store could not be marked as free: %s\n",
            text[0] != '\0' ? text : error_text(rc));
    }
}

int
cmd_stop(struct tool *t, int argc, char **argv)
{
    const char *node = NULL;
    uint64_t timeout_s = 30;

    for (int i = 0; i < argc; i += 2) {
        bool has_value = i + 1 < argc;

        if (has_value && strcmp(argv[i], "--node") == 0) {
            node = argv[i + 1];
        } else if (!has_value || strcmp(argv[i], "--timeout") != 0 ||
                   slice_u64(slice_of(argv[i + 1]), 3600, &timeout_s) < 0) {
            (void)fputs("usage: bridgehead stop [--timeout SECONDS] [--node NAME]\n", stderr);
            return BRIDGEHEAD_EXIT_USAGE;
        }
    }
    if (tool_lock_held(t, "keeper.lock") < 0) {
        return tool_fail(t, BRIDGEHEAD_EXIT_FAILED,
            tool_error(
                BRIDGEHEAD_EXIT_FAILED, "no permission to stop the daemon", "Run it as root."));
    }
    if (!end_daemon(t, timeout_s * 1000)) {
        return tool_fail(t, BRIDGEHEAD_EXIT_TIMEOUT,
            tool_error(BRIDGEHEAD_EXIT_TIMEOUT, "a process of the instance cannot be ended",
                "It waits for a dead disk; only fencing the node helps."));
    }
    if (node != NULL) {
        give_up_store(t, node);
    }
    return 0;
}

/* ---- check: the same code as the daemon's */

void
tool_conf_fault(void *ctx, const struct conf_error *e)
{
    const struct tool *t = ctx;
    enum bridgehead_event event = app_conf_error_event(e);
    char line[1024], tagged[1100];

    if (t->json) {
        json_t *a = json_pack("{s:{s:i,s:i,s:s,s:s,s:s,s:i,s:s}}", "error", "code",
            BRIDGEHEAD_EXIT_CONFIG, "event", (int)event, "message", e->message, "cure", e->cure,
            "file", e->file, "line", e->line, "key", e->key);

        tool_print_json(a);
        json_decref(a);
        return;
    }
    app_conf_error_text(e, line, sizeof(line));
    app_failure_text(event, line, tagged, sizeof(tagged));
    (void)fprintf(stderr, "bridgehead: %s\n", tagged);
}

static void
print_line(void *ctx, const char *line)
{
    (void)ctx;
    (void)printf("%s\n", line);
}

static void
append_line(void *ctx, const char *line)
{
    (void)json_array_append_new(ctx, json_string(line));
}

int
cmd_check(struct tool *t, int argc, char **argv)
{
    struct app_conf *c;

    (void)argc;
    (void)argv;
    if (app_conf_load(&c, t->config, NULL, tool_conf_fault, t) < 0) {
        return BRIDGEHEAD_EXIT_CONFIG;
    }
    if (t->json) {
        json_t *lines = json_array();
        json_t *a;

        app_conf_describe(c, append_line, lines);
        a = json_pack("{s:s,s:s,s:b,s:o}", "file", c->file, "instance", c->instance, "valid", 1,
            "understood", lines);
        tool_print_json(a);
        json_decref(a);
    } else {
        (void)printf("%s: instance %s: the configuration is valid\n", c->file, c->instance);
        app_conf_describe(c, print_line, NULL);
    }
    app_conf_free(c);
    return 0;
}

/* ---- events */

static void
print_event(const struct tool *t, const json_t *e)
{
    if (t->json) {
        tool_print_json(e);
    } else {
        (void)printf("%s %s\n", tool_str(e, "time"), tool_str(e, "text"));
    }
}

int
cmd_events(struct tool *t, int argc, char **argv)
{
    bool follow = argc == 1 && strcmp(argv[0], "--follow") == 0;
    json_int_t since = 0;

    if (argc > 0 && !follow) {
        (void)fputs("usage: bridgehead events [--follow]\n", stderr);
        return BRIDGEHEAD_EXIT_USAGE;
    }
    for (;;) {
        json_t *a, *item;
        bool more;
        size_t i;
        int code = tool_ask(t, "events", json_pack("{s:I}", "since", since), TOOL_TIMEOUT_MS, &a);

        if (code != 0) {
            return tool_fail(t, code, a);
        }
        json_array_foreach(json_object_get(a, "items"), i, item)
        {
            print_event(t, item);
        }
        (void)fflush(stdout);
        since = json_integer_value(json_object_get(a, "last"));
        more = json_is_true(json_object_get(a, "more"));
        json_decref(a);
        if (!more && !follow) {
            return 0;
        }
        if (!more) {
            (void)nanosleep(&(struct timespec){ .tv_nsec = 500000000 }, NULL);
        }
    }
}

int
cmd_blackbox(struct tool *t, int argc, char **argv)
{
    const char *path;
    json_t *a;
    int code = tool_ask(t, "blackbox", NULL, TOOL_TIMEOUT_MS, &a);

    (void)argc;
    (void)argv;
    if (code != 0) {
        return tool_fail(t, code, a);
    }
    path = tool_str(a, "path");
    if (t->json) {
        tool_print_json(a);
    } else if (log_print_blackbox(path) < 0) {
        json_decref(a);
        return tool_fail(t, BRIDGEHEAD_EXIT_FAILED,
            tool_error(BRIDGEHEAD_EXIT_FAILED, "the flight recorder cannot be read",
                "Look at the space in the run directory."));
    }
    json_decref(a);
    return 0;
}

int
cmd_completion(struct tool *t, int argc, char **argv)
{
    (void)t;
    (void)argc;
    (void)argv;
    (void)fputs(
        "# bash completion for bridgehead(8)\n"
        "_bridgehead() {\n"
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} said=\"\" "
        "list=\"\" w i\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        case ${COMP_WORDS[i]} in\n"
        "        --config | --instance) ((++i)) ;;\n"
        "        --json | --help) ;;\n"
        "        *) said=\"$said${COMP_WORDS[i]} \" ;;\n"
        "        esac\n"
        "    done\n"
        "    case $prev in\n"
        "    --config | --output)\n"
        "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\" || true)\n"
        "        return ;;\n"
        "    esac\n"
        "    while read -r w; do\n"
        "        case $w in \"$said\"*) w=${w#\"$said\"}; list=\"$list ${w%% *}\" ;; esac\n"
        "    done <<'COMMANDS'\n",
        stdout);
    for (size_t i = 0; i < tool_command_count; i++) {
        (void)puts(tool_commands[i].name);
    }
    (void)fputs("COMMANDS\n"
                "    mapfile -t COMPREPLY < <(compgen -W \"$list --json --config --instance "
                "--help\" -- \"$cur\" | sort -u)\n"
                "}\n"
                "complete -F _bridgehead bridgehead\n",
        stdout);
    return 0;
}
