/* app/keeper_host.h - what the keeper needs of its host before it begins: a log, the run directory
 * and its lock, descriptors.
 *
 * Functions that fail say why in text, with the cure, and set *event to what documents it.
 */
#ifndef APP_KEEPER_HOST_H
#define APP_KEEPER_HOST_H

#include "app/app.h"

int keeper_log_open(const struct app_conf *c, char *text, size_t cap) MUST_USE;
void keeper_log_reopen(const struct app_conf *c); /* the old one stays where the new cannot be */
/* The faults of a file that was refused, to syslog: being broken, it does not say where to. */
void keeper_log_conf_errors(const struct app_args *args);

/* /run/bridgehead/NAME, and in it a directory of the server's own. */
int keeper_run_dir_make(
    const struct app_conf *c, enum bridgehead_event *event, char *text, size_t cap) MUST_USE;
/* The lock that a keeper holds for its life, and the pid file. BH_EOWNED: another one runs. */
struct keeper_lock {
    int fd; /* -1: none */
    char pid_path[APP_PATH_CAP];
};
int keeper_lock_take(struct keeper_lock *lock, const struct app_conf *c,
    enum bridgehead_event *event, char *text, size_t cap) MUST_USE;
void keeper_lock_give(struct keeper_lock *lock);

/* Every session, delivery and file is a descriptor; the server inherits the limit. */
void keeper_raise_descriptors(const struct app_conf *c);

#endif
