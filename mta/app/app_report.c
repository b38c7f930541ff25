#include "app/app_state.h"
#include "app/app_x400.h"
#include "core/log.h"
#include "x400/x400_life.h"
#include "x400/x400_notice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t
app_report_bytes(void *ctx, const struct queue_message *m, struct slice start)
{
    struct app *a = ctx;
    struct x400_mta_options o;

    app_x400_mta_options(a->conf, &o);
    return x400_notice_bytes(start, m->size_bytes, o.returned_bytes_max);
}

struct sched_life
app_life(void *ctx, const struct queue_message *m)
{
    static const enum sched_urgency of[] = {
        [P1_NORMAL] = SCHED_ORDINARY, [P1_NON_URGENT] = SCHED_UNHURRIED, [P1_URGENT] = SCHED_URGENT
    };
    struct x400_life life;

    (void)ctx;
    if (!x400_life_read(m->envid, &life)) {
        return (struct sched_life){ .urgency = SCHED_ORDINARY };
    }
    return (struct sched_life){ of[life.priority], life.expires_wall_ms, life.hold_until_wall_ms };
}

static void
nobody(const struct queue_message *m, const char *why)
{
    log_event(EV_X400_DROPPED, LF_ID("id", m->id), LF_STR("reason", why));
}

static int
queue_report(struct app *a, const struct x400_notice *n, const struct queue_message *m)
{
    const char *why = "its envelope cannot be read any more";
    struct buf out;
    char *to = NULL;
    int rc;

    buf_init(&out, P1_STORED_BYTES_MAX);
    rc = x400_notice_make(&out, &to, &why, n);
    if (rc > 0) {
        rc = app_queue_notice(a, ENVELOPE_P1_REPORT, slice_of(to), buf_slice(&out));
    } else if (rc != -ENOMEM) {
        nobody(m, rc == BH_ETOOBIG ? "the report would be too big" : why);
        rc = 0;
    }
    free(to);
    buf_fini(&out);
    return rc;
}

int
app_report(void *ctx, const struct sched_report *r)
{
    struct app *a = ctx;
    const struct queue_message *m = r->message;
    char local[P1_LOCAL_ID_BYTES_MAX + 1];
    struct x400_failure *failures = calloc(MAX(r->failure_count, 1u), sizeof(*failures));
    struct x400_mta_options o;
    struct x400_notice n;
    int rc;

    if (failures == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < r->failure_count; i++) {
        const struct sched_failure *f = &r->failures[i];

        failures[i] = (struct x400_failure){ f->address, f->status, f->text };
    }
    app_x400_mta_options(a->conf, &o);
    (void)snprintf(local, sizeof(local), "BH-%" PRIx64, r->unique);
    n = (struct x400_notice){ .domain = &o.domain,
        .mta_name = o.mta_name,
        .local_id = slice_of(local),
        .now_wall_ms = app_wall_ms(a),
        .arrival_wall_ms = m->received_wall_ms,
        .stored = r->content,
        .stored_bytes = m->size_bytes,
        .returned_bytes_max = o.returned_bytes_max,
        .failures = failures,
        .failure_count = r->failure_count };
    rc = queue_report(a, &n, m);
    free(failures);
    return rc;
}
