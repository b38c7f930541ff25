#include "app/keeper_host.h"
#include "core/io.h"
#include "core/log.h"
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- log */

static void
log_options_of(const struct app_conf *c, char ident[APP_NAME_CAP + 32], struct log_options *o)
{
    (void)snprintf(ident, APP_NAME_CAP + 32, "bridgehead-%s-keeper", c->instance);
    *o = (struct log_options){
        .ident = ident, .to = c->log_to, .level = (enum log_level)c->log_level, .threaded = true
    };
}

/* A file that we, being root, created: the server must be able to open it anew at a reload. By its
 * descriptor: what the name leads to by now may be another's. */
static void
give_log_file(const struct app_conf *c)
{
    const struct passwd *pw = getpwnam(c->user);
    struct stat st;
    int fd, rc;

    if (strncmp(c->log_to, "file:", 5) != 0 || pw == NULL) {
        return;
    }
    fd = io_open(c->log_to + 5, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    rc = fd < 0 ? fd : fstat(fd, &st) < 0 ? -errno : 0;
    if (rc == 0 && S_ISREG(st.st_mode) && fchown(fd, pw->pw_uid, pw->pw_gid) < 0) {
        rc = -errno;
    }
    io_close(&fd);
    if (rc < 0) {
        log_event(EV_APP_LOG_REOPEN, LF_STR("to", c->log_to), LF_ERR("error", rc));
    }
}

int
keeper_log_open(const struct app_conf *c, char *text, size_t cap)
{
    char ident[APP_NAME_CAP + 32];
    struct log_options o;
    int rc;

    log_options_of(c, ident, &o);
    rc = log_open(&o);
    if (rc < 0) {
        (void)snprintf(text, cap, "log.to: %s cannot be opened: %s. %s", c->log_to, error_text(rc),
            geteuid() != 0 ? "Run bridgeheadd as root"
                           : "Make its directory; the file may not be a link");
        return rc;
    }
    give_log_file(c);
    return 0;
}

void
keeper_log_reopen(const struct app_conf *c)
{
    char ident[APP_NAME_CAP + 32];
    struct log_options o;

    log_options_of(c, ident, &o);
    if (log_reopen(&o) < 0) {
        log_event(EV_APP_LOG_REOPEN, LF_STR("to", c->log_to));
        return;
    }
    give_log_file(c);
}

void
keeper_log_conf_errors(const struct app_args *args)
{
    struct log_options o = {
        .ident = "bridgehead-keeper", .to = "syslog", .level = LOG_LEVEL_INFO, .threaded = false
    };
    struct app_conf *c;

    if (log_open(&o) == 0) {
        if (app_conf_load(&c, args->config, args->vip, app_log_conf_error, NULL) == 0) {
            app_conf_free(c); /* it was corrected a moment ago */
        }
        log_close();
    }
}

/* ---- the run directory */

static int
make_dir(const char *path, unsigned mode)
{
    int rc = io_mkdir(path, mode);

    return rc == -EEXIST ? 0 : rc;
}

int
keeper_run_dir_make(const struct app_conf *c, enum bridgehead_event *event, char *text, size_t cap)
{
    char dir[APP_PATH_CAP], sub[APP_PATH_CAP + 16];
    const struct passwd *pw = getpwnam(c->user);
    int rc;

    if (pw == NULL) {
        (void)snprintf(text, cap,
            "%s: user: there is no account \"%s\" (create it: adduser --system --group "
            "--no-create-home %s)",
            c->file, c->user, c->user);
        *event = EV_KEEPER_NO_ACCOUNT;
        return BH_ECONFIG;
    }
    app_run_dir(c, dir);
    (void)snprintf(sub, sizeof(sub), "%s/server", dir);
    rc = make_dir("/run/bridgehead", 0755);
    if (rc == 0) {
        rc = make_dir(dir, 0755);
    }
    if (rc == 0) {
        rc = make_dir(sub, 0750);
    }
    if (rc == 0 && chown(sub, pw->pw_uid, pw->pw_gid) < 0) {
        rc = -errno;
    }
    if (rc < 0) {
        (void)snprintf(
            text, cap, "cannot make %s: %s. Run bridgeheadd as root", sub, error_text(rc));
        *event = EV_KEEPER_RUN_DIR;
    }
    return rc;
}

int
keeper_lock_take(struct keeper_lock *lock, const struct app_conf *c, enum bridgehead_event *event,
    char *text, size_t cap)
{
    char dir[APP_PATH_CAP], path[APP_PATH_CAP + 16], pid[32];
    int rc;

    app_run_dir(c, dir);
    (void)snprintf(path, sizeof(path), "%s/keeper.lock", dir);
    *event = EV_KEEPER_RUN_DIR;
    rc =
        io_open(path, O_RDWR | O_CREAT, 0600); /* whoever can open it for reading can lock us out */
    if (rc < 0) {
        (void)snprintf(text, cap, "cannot open %s: %s", path, error_text(rc));
        return rc;
    }
    lock->fd = rc;
    rc = io_lock(lock->fd, true);
    if (rc < 0) {
        (void)snprintf(text, cap,
            "instance %s is already running on this node (%s is locked). Stop it first: bridgehead "
            "--instance %s handoff",
            c->instance, path, c->instance);
        *event = EV_KEEPER_RUNNING;
        return BH_EOWNED;
    }
    (void)snprintf(lock->pid_path, sizeof(lock->pid_path), "%.*s/pid", 240, dir);
    (void)snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    rc = io_write_file(lock->pid_path, slice_of(pid), 0644);
    if (rc < 0) {
        (void)snprintf(text, cap, "cannot write %s: %s", lock->pid_path, error_text(rc));
    }
    return rc;
}

void
keeper_lock_give(struct keeper_lock *lock)
{
    if (lock->pid_path[0] != '\0' && io_unlink(lock->pid_path) < 0) {
        log_event(EV_KEEPER_RUN_DIR, LF_STR("path", lock->pid_path));
    }
    lock->pid_path[0] = '\0';
}

/* ---- descriptors */

void
keeper_raise_descriptors(const struct app_conf *c)
{
    struct rlimit lim;
    rlim_t wanted = c->sessions_max + 4096;

    for (size_t i = 0; i < c->connector_count; i++) {
        wanted += c->connectors[i].limit;
    }
    if (getrlimit(RLIMIT_NOFILE, &lim) < 0 || lim.rlim_cur >= wanted) {
        return;
    }
    lim.rlim_cur = wanted;
    if (lim.rlim_max < wanted) {
        rlim_t hard = lim.rlim_max;

        lim.rlim_max = wanted;
        if (setrlimit(RLIMIT_NOFILE, &lim) == 0) {
            return;
        }
        lim.rlim_max = hard;
        lim.rlim_cur = hard;
        log_event(EV_KEEPER_DESCRIPTORS, LF_UINT("wanted", wanted), LF_UINT("allowed", hard));
    }
    (void)setrlimit(RLIMIT_NOFILE, &lim);
}
