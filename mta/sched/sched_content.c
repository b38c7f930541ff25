/* sched_content.c - the content of the delivery in hand, from the queue to the transport. */
#include "core/log.h"
#include "sched/sched_private.h"

void
session_close_content(struct sched_session *ss)
{
    if (ss->reader != NULL) {
        queue_reader_close(ss->reader);
    }
    ss->reader = NULL;
    ss->from = 0;
}

int
session_content(struct sched_session *ss, struct slice *out, transport_ready_fn *ready, void *ctx)
{
    uint64_t left_out;
    int rc;

    if (ss->task == NULL) {
        return -EIO;
    }
    if (ss->reader == NULL) {
        rc = queue_reader_open(ss->s->env.queue, ss->task->entry->m, &ss->reader);
        if (rc < 0) {
            ss->reader = NULL;
            ss->ours = true;
            return rc == BH_EDAMAGED ? rc : -EIO;
        }
        ss->from = queue_reader_seek(ss->reader, ss->from);
    }
    do {
        rc = queue_reader_next(ss->reader, out, ready, ctx);
        left_out = rc > 0 ? MIN(ss->from, (uint64_t)rc) : 0;
        ss->from -= left_out;
    } while (left_out > 0 && left_out == (uint64_t)rc);
    if (left_out > 0) {
        *out = slice_skip(*out, (size_t)left_out);
        rc = (int)out->n;
    }
    if (rc < 0 && rc != BH_EBUSY) {
        ss->ours = true;
        log_event(EV_CONTENT_UNREADABLE, LF_ID("id", ss->delivery.id), LF_ERR("error", rc));
    }
    return rc;
}

void
session_seek(struct sched_session *ss, uint64_t offset)
{
    session_close_content(ss);
    ss->from = offset;
}
