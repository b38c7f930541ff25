/* x400_resume_in.c - transfers that come, and break: what came is a part of a message in the
 * journal, and goes on when its sender resumes it. Which part that is: x400_resume_find.c.
 *
 * Order      A point is confirmed in on_secured only, with status 0: what is before it is durable,
 *            with the reader's state behind the last octet that came. One is under way at a time;
 *            the points that come meanwhile share the next. Where nothing can be kept (within the
 *            envelope, a long envelope, content that is skipped or returned) a point is confirmed
 *            at once: who resumes there is told that we do not know it, and begins anew, so that
 *            octets are lost and no message.
 *            Nor is anything kept where a point's number does not tell an offset: of a peer whose
 *            segments are shorter than the checkpoint size, as X.228 allows.
 * Resuming   The sender goes on at a point of ours or before it: what we have is dropped. The part
 *            is secured once more under the name that a second recovery will ask for.
 * Giving up  rtse.recovery after it was last secured, or after we started, a part goes; also one of
 *            a connector that is gone, and one that cannot be read.
 */
#include "core/log.h"
#include "core/ticks.h"
#include "x400/x400_link.h"

#define SWEEP_MS (30 * 1000)

static void on_secured(void *ctx, int status);

static const struct intake *
intake_of(const struct x400 *x)
{
    return &x->env.intake;
}

/* ---- securing */

/* BH_ESTATE, BH_ETOOBIG: nothing can be kept here. */
static int
secure(struct x400_receipt *r)
{
    const struct intake *intake = intake_of(r->x);
    struct x400_part p = { .point = r->last_point, .arrival_wall_ms = r->arrival_wall_ms };
    char text[X400_PART_KEY_CAP];
    struct rtse_recovery whose;
    struct slice key;
    struct buf state;
    int rc;

    if (!r->x->o.points || r->conf->o.recovery_ms == 0 || intake->ops->secure == NULL ||
        r->at == NULL || r->message == NULL || r->state != X400_IN_TAKE || r->returning || r->odd ||
        r->at->twin) {
        return BH_ESTATE;
    }
    key = x400_resume_key(r, text, &whose);
    if (whose.checkpoint == 0) {
        return BH_ESTATE;
    }
    p.checkpoint = whose.checkpoint;
    p.secured_wall_ms = ticks_wall_ms();
    buf_init(&state, X400_PART_BYTES_MAX);
    rc = x400_part_write(&state, &p);
    rc = rc < 0 ? rc : p1_reader_save(&r->reader, &state);
    rc = rc < 0 ? rc : intake->ops->secure(r->message, key, buf_slice(&state), on_secured, r);
    buf_fini(&state);
    if (rc == 0) {
        r->securing = r->has_part = true;
        r->flying = r->last_point;
    }
    return rc;
}

static void
confirm(struct x400_receipt *r, uint32_t point)
{
    if (r->at != NULL) {
        x400_conn_secured(r->at->conn, r->activity, point);
    }
}

static void
secure_or_confirm(struct x400_receipt *r)
{
    int rc = secure(r);

    if (rc == BH_ESTATE || rc == BH_ETOOBIG) {
        confirm(r, r->last_point);
    } else if (rc < 0) {
        x400_in_refuse(r, error_text(rc), true);
    }
}

static void
on_secured(void *ctx, int status)
{
    struct x400_receipt *r = ctx;
    uint32_t point = r->flying;

    r->securing = false;
    if (status < 0) {
        return; /* this instance is about to end, and says nothing more */
    }
    if (point > 0) { /* 0: it was resumed, and no point came since */
        confirm(r, point);
    }
    if (r->last_point > point && r->state == X400_IN_TAKE) {
        secure_or_confirm(r);
    }
}

/* Does the point stand where its number says? r has taken all before it. */
static bool
is_in_place(const struct x400_receipt *r, uint32_t point)
{
    struct rtse_recovery here;

    x400_conn_recovery(r->at->conn, &here);
    here.point = point;
    return rtse_offset(&here) == r->reader.ber.at - r->again_bytes;
}

void
x400_resume_point(struct x400_receipt *r, uint32_t point)
{
    if (r->state == X400_IN_TAKE && !is_in_place(r, point)) {
        r->odd = true;
        r->has_part = false;
    }
    r->last_point = point;
    if (!r->securing) {
        secure_or_confirm(r);
    }
}

static void
forget(struct x400_receipt *r)
{
    if (r->securing) {
        intake_of(r->x)->ops->forget(intake_of(r->x)->ctx, on_secured, r);
        r->securing = false;
    }
}

void
x400_resume_drop(struct x400 *x, uint64_t id, uint64_t size_bytes)
{
    log_event(EV_X400_PART_DROPPED, LF_ID("id", id), LF_UINT("size", size_bytes));
    intake_of(x)->ops->drop(intake_of(x)->ctx, id);
}

/* Whoever begins and breaks off again and again fills neither memory nor disk, nor the turns of the
 * loop in which parts are looked through. */
static void
make_room(const struct x400_receipt *r)
{
    const struct intake *intake = intake_of(r->x);
    struct intake_part part = { .id = 0 };
    uint64_t oldest = 0, bytes = 0;
    unsigned count = 0;

    while (intake->ops->part(intake->ctx, part.id, &part) == 1) {
        if (x400_part_is_of(part.key, r->conf->o.name)) {
            bytes = count == 0 ? part.size_bytes : bytes;
            oldest = count++ == 0 ? part.id : oldest;
        }
    }
    if (count >= X400_PARTS_MAX) {
        x400_resume_drop(r->x, oldest, bytes);
    }
}

void
x400_resume_end(struct x400_receipt *r)
{
    forget(r);
    if (r->message != NULL && r->keeps && r->has_part) {
        make_room(r);
        log_event(EV_X400_TRANSFER_BROKEN, LF_SLICE("connector", r->conf->o.name),
            LF_STR("direction", "in"), LF_ID("id", r->id), LF_UINT("activity", r->activity),
            LF_UINT("point", r->last_point), LF_UINT("kept", r->reader.ber.at));
        intake_of(r->x)->ops->suspend(r->message);
        r->message = NULL;
    }
}

void
x400_resume_skip(struct x400_receipt *r)
{
    forget(r);
    r->has_part = false;
    if (r->last_point > 0) {
        confirm(r, r->last_point);
    }
}

/* ---- going on */

/* The envelope is judged again: routes may be others here. 0; BH_ENOTFOUND: it is to begin anew. */
static int
restore(struct x400_receipt *r, const struct intake_part *part, const struct x400_part *p)
{
    bool wrapped = r->at->protocol == P1_1988_NORMAL;
    struct p1_reader reader;
    int rc = p1_reader_load(&reader, p->reader);

    if (rc < 0) {
        return rc;
    }
    p1_reader_fini(&r->reader);
    r->reader = reader;
    r->content_bytes = reader.content_done;
    r->arrival_wall_ms = p->arrival_wall_ms;
    r->envelope = true;
    if (reader.wrapped != wrapped ||
        part->size_bytes != buf_len(&r->reader.gathered) + reader.content_done) {
        return BH_EDAMAGED;
    }
    if (!x400_in_judge(r)) {
        return -ENOMEM;
    }
    return r->returning || r->knows || r->judged.recipient_count == 0 ? BH_ENOTFOUND : 0;
}

/* 0; -EAGAIN, BH_EBUSY, -ENOMEM and what intake says now: later; else anew. */
static int
take_up(struct x400_receipt *r, const struct rtse_ind *ind)
{
    const struct intake *intake = intake_of(r->x);
    struct rtse_recovery whose;
    char text[X400_PART_KEY_CAP];
    struct intake_part part;
    struct x400_part p;
    struct slice key;
    int rc;

    x400_resume_whose(r->at, ind, &whose);
    key = x400_part_key(text, r->conf->o.name, &whose);
    rc = x400_resume_find(r, key, &part);
    if (rc <= 0 || !r->x->o.points) {
        return rc == 0 ? BH_ENOTFOUND : rc < 0 ? rc : BH_ESTATE;
    }
    r->id = part.id;
    rc = x400_part_read(part.state, &p);
    if (rc == 0 && (p.checkpoint != whose.checkpoint)) {
        rc = BH_ENOTFOUND;
    }
    rc = rc < 0 ? rc : restore(r, &part, &p);
    if (rc == 0 && ind->offset > r->reader.ber.at) {
        rc = BH_ENOTFOUND; /* behind what we have: it was within the envelope, or not of ours */
    }
    rc = rc < 0 ? rc : intake->ops->reopen(intake->ctx, part.id, x400_in_writable, r, &r->message);
    if (rc < 0) {
        r->message = NULL;
        if (rc == BH_ENOTFOUND || rc == BH_EDAMAGED) {
            intake->ops->drop(intake->ctx, part.id);
        }
        return rc;
    }
    r->again_bytes = r->reader.ber.at - ind->offset;
    /* The sender's, not ours, which may be further: its next points wait to be confirmed. */
    r->last_point = ind->point;
    return 0;
}

void
x400_resume_in(struct x400_link *l, const struct rtse_ind *ind)
{
    struct x400_receipt *r;
    int rc;

    x400_in_begin(l, ind->activity);
    r = l->receipt;
    if (r == NULL || r->state == X400_IN_REFUSED) {
        return;
    }
    r->renamed = ind->renamed;
    rc = take_up(r, ind);
    log_event(rc < 0 ? EV_X400_RESUME_REFUSED : EV_X400_RESUMED, LF_UINT("association", l->id),
        LF_SLICE("connector", l->conf->o.name), LF_STR("direction", "in"), LF_ID("id", r->id),
        LF_UINT("activity", ind->activity), LF_UINT("point", ind->point),
        LF_UINT("kept", rc < 0 ? 0 : ind->offset));
    if (rc < 0) {
        bool anew = rc == BH_ENOTFOUND || rc == BH_EDAMAGED || rc == BH_ESTATE;

        x400_in_refuse(r, anew ? "it is not known here any more" : error_text(rc), !anew);
        return;
    }
    r->state = X400_IN_TAKE;
    r->has_part = true;
    rc = secure(r);
    if (rc < 0 && rc != BH_ESTATE && rc != BH_ETOOBIG) {
        x400_in_refuse(r, error_text(rc), true);
    }
}

/* ---- giving up */

static const struct x400_connector *
owner_of(const struct x400 *x, struct slice key)
{
    LIST_FOR(it, &x->connectors)
    {
        const struct x400_connector *c = CONTAINER_OF(it, const struct x400_connector, link);

        if (x400_part_is_of(key, c->conf->o.name)) {
            return c;
        }
    }
    return NULL;
}

static bool
is_over(const struct x400 *x, const struct intake_part *part, uint64_t now_wall_ms)
{
    const struct x400_connector *c = owner_of(x, part->key);
    struct x400_part p;
    uint64_t since;

    if (c == NULL || x400_part_read(part->state, &p) < 0) {
        return true;
    }
    since = MIN(MAX(p.secured_wall_ms, x->started_wall_ms), now_wall_ms);
    return now_wall_ms - since > c->conf->o.recovery_ms;
}

static void
on_sweep(void *ctx)
{
    struct x400 *x = ctx;
    const struct intake *intake = intake_of(x);
    uint64_t now = ticks_wall_ms();
    struct intake_part part = { .id = 0 };

    while (intake->ops->part(intake->ctx, part.id, &part) == 1) {
        if (x400_part_is_of(part.key, SLICE_NONE) && is_over(x, &part, now)) {
            x400_resume_drop(x, part.id, part.size_bytes);
        }
    }
    loop_timer_start(&x->parts_timer, SWEEP_MS);
}

void
x400_resume_start(struct x400 *x)
{
    x->started_wall_ms = ticks_wall_ms();
    loop_timer_init(x->env.loop, &x->parts_timer, on_sweep, x);
    if (intake_of(x)->ops != NULL && intake_of(x)->ops->part != NULL) {
        loop_timer_start(&x->parts_timer, SWEEP_MS);
    }
}
