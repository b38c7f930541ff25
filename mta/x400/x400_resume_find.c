/* x400_resume_find.c - which part of a message a resumption names.
 *
 * The name     is the connector, the reference that the peer gave its association, and the activity
 *              there. A reference has seconds in it, and from some peers nothing else that changes,
 *              and activities count from 1: two associations may have one, and then two transfers.
 * Nobody's     A name that two have had names nothing, so that no message goes on with another's
 *              octets: what is under way over associations of one reference is not kept, what waits
 *              from an earlier one is dropped when there is another of that reference, and where
 *              two parts are found after all (one came with the last owner's queue, say) it is
 *              neither. Nor are two kept that a peer gave one number on one association, as some
 *              do that count badly. Their senders begin anew.
 * Half open    The sender may resume before we hear that its association is gone (a host without
 *              power says nothing): then that one is ended, and leaves its part.
 */
#include "x400/x400_link.h"

static const struct intake *
intake_of(const struct x400 *x)
{
    return &x->env.intake;
}

struct slice
x400_resume_key(
    const struct x400_receipt *r, char out[X400_PART_KEY_CAP], struct rtse_recovery *whose)
{
    x400_conn_recovery(r->at->conn, whose);
    whose->activity = r->renamed;
    return x400_part_key(out, r->conf->o.name, whose);
}

void
x400_resume_whose(const struct x400_link *l, const struct rtse_ind *ind, struct rtse_recovery *out)
{
    x400_conn_recovery(l->conn, out);
    out->activity = ind->activity;
    if (ind->link.user.n + ind->link.common.n > 0) { /* else of this association */
        rtse_recovery_name(out, &ind->link);
    }
}

/* ---- one of a name */

/* The next one behind after. 1; 0: there is none; -EAGAIN. */
static int
next(const struct x400 *x, struct slice key, uint64_t after, struct intake_part *out)
{
    const struct intake *intake = intake_of(x);
    int rc = intake->ops->part == NULL ? 0 : intake->ops->part(intake->ctx, after, out);

    while (rc == 1 && !slice_eq(out->key, key)) {
        after = out->id;
        rc = intake->ops->part(intake->ctx, after, out);
    }
    return rc;
}

static int
find(const struct x400 *x, struct slice key, struct intake_part *out)
{
    struct intake_part first, second;
    int rc = next(x, key, 0, &first);

    if (rc == 1 && next(x, key, first.id, &second) == 1) {
        return 0;
    }
    return rc == 1 ? next(x, key, 0, out) : rc; /* its slices live until the next call */
}

static int
find_held(const struct x400_receipt *r, struct slice key, struct intake_part *out)
{
    LIST_FOR(it, &r->x->receipts)
    {
        struct x400_receipt *o = CONTAINER_OF(it, struct x400_receipt, link);
        char text[X400_PART_KEY_CAP];
        struct rtse_recovery whose;

        if (o != r && o->at != NULL && o->has_part &&
            slice_eq(x400_resume_key(o, text, &whose), key)) {
            x400_link_abort(o->at, "the peer resumed its transfer over another association", 0);
            return find(r->x, key, out);
        }
    }
    return 0;
}

int
x400_resume_find(const struct x400_receipt *r, struct slice key, struct intake_part *out)
{
    int rc = find(r->x, key, out);

    return rc == 0 ? find_held(r, key, out) : rc;
}

/* ---- two of a number */

void
x400_resume_numbered(struct x400_link *l, uint32_t number, bool anew)
{
    struct x400_receipt *r = l->receipt;
    bool again = number <= l->activities;
    char text[X400_PART_KEY_CAP];
    struct rtse_recovery whose;
    struct intake_part part;
    struct slice key;

    l->activities = MAX(l->activities, number);
    if (!again || !anew || r == NULL) {
        return;
    }
    r->odd = true;
    key = x400_resume_key(r, text, &whose);
    for (int rc = next(l->x, key, 0, &part); rc == 1; rc = next(l->x, key, part.id, &part)) {
        x400_resume_drop(l->x, part.id, part.size_bytes);
    }
}

/* ---- two of a reference */

static bool
is_twin(const struct rtse_recovery *a, const struct rtse_recovery *b)
{
    return slice_eq((struct slice){ a->user, a->user_n }, (struct slice){ b->user, b->user_n }) &&
           slice_eq(
               (struct slice){ a->common, a->common_n }, (struct slice){ b->common, b->common_n });
}

static void
mark_twins(struct x400_link *l, const struct rtse_recovery *whose)
{
    LIST_FOR(it, &l->connector->links)
    {
        struct x400_link *o = CONTAINER_OF(it, struct x400_link, of_connector);
        struct rtse_recovery other;

        if (o == l || !o->open || !o->incoming) {
            continue;
        }
        x400_conn_recovery(o->conn, &other);
        if (is_twin(whose, &other)) {
            l->twin = o->twin = true;
            if (o->receipt != NULL) {
                o->receipt->has_part = false; /* given up with its message, or whole */
            }
        }
    }
}

void
x400_resume_opened(struct x400_link *l)
{
    const struct intake *intake = intake_of(l->x);
    struct intake_part part = { .id = 0 };
    struct rtse_recovery whose;

    if (!l->incoming || !l->x->o.points || intake->ops->part == NULL) {
        return; /* a reference of ours is like no other */
    }
    x400_conn_recovery(l->conn, &whose);
    mark_twins(l, &whose);
    while (intake->ops->part(intake->ctx, part.id, &part) == 1) {
        if (x400_part_is_like(part.key, l->conf->o.name, &whose)) {
            x400_resume_drop(l->x, part.id, part.size_bytes);
        }
    }
}
