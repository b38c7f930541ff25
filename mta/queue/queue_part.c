/* A message that is secured in part: docs/formats/journal.md section 6g. On disk a part is a
 * message whose envelope says that it is none; each further one, and the message itself in the end,
 * is a COPIED_COMMIT of the one before. */
#include "core/ticks.h"
#include "queue/queue_int.h"
#include <stdlib.h>

struct part *
queue_part_find(const struct queue *q, msg_id id)
{
    LIST_FOR(it, &q->parts)
    {
        struct part *p = CONTAINER_OF(it, struct part, link);

        if (p->id == id) {
            return p;
        }
    }
    return NULL;
}

static struct part *
part_new(struct queue *q, msg_id id)
{
    struct part *p = calloc(1, sizeof(*p));

    if (p != NULL) {
        p->id = id;
        list_init(&p->link);
        list_push_back(&q->parts, &p->link);
    }
    return p;
}

static void
part_free(struct part *p)
{
    if (p->in != NULL) {
        p->in->part = NULL;
    }
    list_remove(&p->link);
    free(p);
}

void
queue_parts_free(struct queue *q)
{
    LIST_FOR_SAFE(it, tmp, &q->parts)
    {
        part_free(CONTAINER_OF(it, struct part, link));
    }
}

int
queue_part_found(struct queue *q, struct stored *s)
{
    struct part *p = queue_part_find(q, s->m.id);

    p = p != NULL ? p : part_new(q, s->m.id);
    if (p == NULL) {
        return -ENOMEM;
    }
    s->told = true;
    p->now = p->now != NULL ? p->now : s;
    return 0;
}

/* ---- securing */

int
queue_secure(
    struct queue_intake *in, struct slice key, struct slice state, queue_done_fn *cb, void *ctx)
{
    const struct envelope_recipient nobody = { .address = SLICE_LIT("part") };
    const struct envelope e = { .sender = key,
        .envid = state,
        .body = ENVELOPE_PART,
        .received_wall_ms = ticks_wall_ms(),
        .recipient_count = 1,
        .recipients = &nobody };
    const struct journal_wait w = { WAIT_PART, cb, ctx, NULL };
    bool first = in->part == NULL;
    int rc;

    if (first) {
        in->part = part_new(in->q, in->id);
        if (in->part == NULL) {
            return -ENOMEM;
        }
        in->part->in = in;
    }
    rc = queue_intake_put(in, &e, &w);
    if (rc == 0) {
        in->part->pending++;
    } else if (first) {
        part_free(in->part);
    }
    return rc;
}

void
queue_part_replaced(struct queue *q, struct stored *s, int status)
{
    struct part *p = list_empty(&q->parts) ? NULL : queue_part_find(q, s->m.id);
    struct stored *before;

    if (p == NULL || status < 0) {
        return; /* nothing was, or the process ends */
    }
    before = p->now;
    p->now = NULL;
    if (before != NULL) {
        msgindex_remove(&q->index, before);
        before->lost = true;
        queue_message_unused(q, before);
    }
    if (stored_is_part(s)) {
        p->now = s;
        p->pending--;
        /* an intake knows its content by its place; and a copy would come behind what is pending */
        s->stays = p->in != NULL || p->pending > 0;
    } else {
        part_free(p);
    }
}

/* ---- leaving it, and coming back */

/* Its only record says that it is gone, unless it is not the last one. */
static bool
can_be_forgotten(const struct queue *q, const struct part *p)
{
    return p->dropped && p->pending == 0 && q->load == NULL && !q->releasing && q->failed == 0;
}

static void
forget(struct queue *q, struct part *p)
{
    static const struct queue_outcome removed = { .kind = OUTCOME_REMOVED };

    if (can_be_forgotten(q, p) &&
        (p->now == NULL || queue_record(q, &p->now->m, &removed, 1) == 0)) {
        part_free(p);
    }
}

void
queue_part_forget(struct queue *q, struct part *p)
{
    p->dropped = true;
    forget(q, p);
}

void
queue_parts_turn(struct queue *q)
{
    LIST_FOR_SAFE(it, tmp, &q->parts)
    {
        forget(q, CONTAINER_OF(it, struct part, link));
    }
}

void
queue_suspend(struct queue_intake *in)
{
    if (in != NULL) {
        if (in->part != NULL && in->part->now != NULL && in->part->pending == 0) {
            in->part->now->stays = false;
        }
        queue_intake_free(in);
    }
}

bool
queue_parts_known(const struct queue *q)
{
    return q->load == NULL && q->feed_after == UINT64_MAX;
}

static bool
waits(const struct part *p)
{
    return p->in == NULL && p->now != NULL && p->pending == 0 && !p->whole && !p->dropped;
}

const struct queue_message *
queue_part_after(const struct queue *q, msg_id id)
{
    const struct part *next = NULL;

    LIST_FOR(it, &q->parts)
    {
        const struct part *p = CONTAINER_OF(it, const struct part, link);

        if (waits(p) && p->id > id && (next == NULL || p->id < next->id)) {
            next = p;
        }
    }
    return next != NULL ? &next->now->m : NULL;
}

static int
take_up(struct queue_intake *in, struct part *p)
{
    const struct stored *s = p->now;
    int rc = queue_intake_chunk_room(in, s->chunk_count);

    if (rc < 0) {
        return rc;
    }
    for (uint32_t i = 0; i < s->chunk_count; i++) {
        in->chunks[i] = (struct commit_chunk){ s->chunk_lsn[i], s->chunk_bytes[i] };
        segtab_find(&in->q->segments, s->chunk_lsn[i] / in->q->segment_bytes)->live++;
    }
    in->chunk_count = s->chunk_count;
    in->size_bytes = s->m.size_bytes;
    in->id = p->id;
    in->part = p;
    p->in = in;
    p->commit_lsn = s->commit_lsn; /* it may have been copied: what follows outlives the copy */
    p->now->stays = true;
    return 0;
}

int
queue_reopen(struct queue *q, msg_id id, loop_fn *resume, void *ctx, struct queue_intake **out)
{
    struct part *p = queue_part_find(q, id);
    int rc = queue_ready(q, 0);

    rc = rc < 0                                        ? rc
         : !queue_parts_known(q)                       ? BH_EBUSY
         : p == NULL || !waits(p)                      ? BH_ENOTFOUND
         : p->now->damaged                             ? BH_EDAMAGED
         : p->now->moving || q->compaction.s == p->now ? BH_EBUSY
                                                       : 0;
    if (rc < 0) {
        return rc;
    }
    *out = queue_intake_new(q, resume, ctx);
    if (*out == NULL) {
        return -ENOMEM;
    }
    rc = take_up(*out, p);
    if (rc < 0) {
        queue_intake_free(*out);
        *out = NULL;
    }
    return rc;
}

void
queue_part_drop(struct queue *q, msg_id id)
{
    struct part *p = queue_part_find(q, id);

    if (p != NULL && p->in == NULL && !p->whole) {
        queue_part_forget(q, p);
    }
}
