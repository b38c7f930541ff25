/* app/app_ctl.h - the daemon's side of the operator's commands; for app_ctl*.c only. JSON fields:
 * docs/formats/json.md. */
#ifndef APP_APP_CTL_H
#define APP_APP_CTL_H

#include "app/app_state.h"
#include "bridgehead/exit_codes.h"

/* app_ctl_queue.c */
void app_ctl_queue_list(void *ctx, struct ctl_request *rq, const json_t *args);
void app_ctl_queue_show(void *ctx, struct ctl_request *rq, const json_t *args);
void app_ctl_queue_hold(void *ctx, struct ctl_request *rq, const json_t *args);
void app_ctl_queue_release(void *ctx, struct ctl_request *rq, const json_t *args);
void app_ctl_queue_retry(void *ctx, struct ctl_request *rq, const json_t *args);
void app_ctl_queue_bounce(void *ctx, struct ctl_request *rq, const json_t *args);
void app_ctl_queue_remove(void *ctx, struct ctl_request *rq, const json_t *args);
void app_ctl_queue_content(void *ctx, struct ctl_request *rq, const json_t *args);
/* app_ctl_import.c */
void app_ctl_import_open(void *ctx, struct ctl_request *rq, const json_t *args);
void app_ctl_import_recipients(void *ctx, struct ctl_request *rq, const json_t *args);
void app_ctl_import_data(void *ctx, struct ctl_request *rq, const json_t *args);
void app_ctl_import_commit(void *ctx, struct ctl_request *rq, const json_t *args);
void app_ctl_import_abort(void *ctx, struct ctl_request *rq, const json_t *args);
void app_ctl_why(void *ctx, struct ctl_request *rq, const json_t *args);

/* app_ctl_x400.c */
void app_ctl_x400_ping(void *ctx, struct ctl_request *rq, const json_t *args);
void app_ctl_x400_trace(void *ctx, struct ctl_request *rq, const json_t *args);
/* app_ctl_x400_send.c */
void app_ctl_x400_send(void *ctx, struct ctl_request *rq, const json_t *args);
/* Counters since the start; null without X.400. */
json_t *app_ctl_x400_stats(const struct app *a);
/* What connector show says of an X.400 connector besides. */
void app_ctl_x400_show(const struct app *a, const char *name, json_t *into);

/* app_failover.c: null while the store is not open. */
json_t *app_failover_json(const struct app *a);

/* RFC 3339 text, or null for 0. */
json_t *app_ctl_time(uint64_t wall_ms);
json_t *app_ctl_text(struct slice s); /* peers' bytes that are no UTF-8 become U+FFFD */
/* Refuses with "not ready" and returns false while there is no queue. */
/* A change is answered when it is on disk. */
void app_ctl_reply_durable(struct app *a, struct ctl_request *rq, int status, json_t *body);
bool app_ctl_need_queue(const struct app *a, struct ctl_request *rq);

#endif
