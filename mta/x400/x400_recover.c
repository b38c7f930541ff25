/* x400_recover.c - associations that recover one that broke (X.228, ConnectionData recover): the
 * initiator names the one that broke, there is no bind, and the transfer is resumed over the new
 * one.
 *
 * Who it is  Nobody shows a name or a password. So the peer is believed what the association that
 *            broke had shown: its reference has to be the one of an association of this connector,
 *            gone for no longer than rtse.recovery, and the call has to come from the same address,
 *            to the same selectors, in the same mode and dialogue. Another owner of the queue knows
 *            of that association only by the parts it left in the journal; there remote.from has to
 *            say where the peer may call from.
 * Else       it is refused: cannot recover (in normal mode a rejection without a bind error). The
 *            peer binds then, and may resume by the old reference all the same.
 * Ours       recovers only where the configuration says so: we would send mail to whoever answers.
 */
#include "core/ticks.h"
#include "x400/x400_link.h"

static bool
is_reference(const struct rtse_recovery *r, const struct session_reference *wanted)
{
    return wanted->user.n + wanted->common.n > 0 &&
           slice_eq((struct slice){ r->user, r->user_n }, wanted->user) &&
           slice_eq((struct slice){ r->common, r->common_n }, wanted->common);
}

void
x400_recover_note(const struct x400_link *l)
{
    struct x400_connector *c = l->connector;
    struct x400_gone *at;

    if (!l->incoming || !l->open || l->twin || c == NULL || !l->x->o.points ||
        l->conf->o.recovery_ms == 0) {
        return;
    }
    at = &c->gone[0];
    for (size_t i = 1; i < ARRAY_LEN(c->gone); i++) {
        at = c->gone[i].since_wall_ms < at->since_wall_ms ? &c->gone[i] : at;
    }
    *at = (struct x400_gone){
        .peer = l->peer, .dialogue = l->dialogue, .since_wall_ms = MAX(ticks_wall_ms(), 1u)
    };
    x400_conn_recovery(l->conn, &at->whose);
}

/* A host that lost its power said nothing. */
static void
end_half_open(
    struct x400_connector *c, const struct x400_link *caller, const struct session_reference *whose)
{
    LIST_FOR(it, &c->links)
    {
        struct x400_link *l = CONTAINER_OF(it, struct x400_link, of_connector);
        struct rtse_recovery own;

        if (l->incoming && l->open && netaddr_eq(&l->peer, &caller->peer)) {
            x400_conn_recovery(l->conn, &own);
            if (is_reference(&own, whose)) {
                x400_link_abort(l, "the peer recovers it by another association", 0);
                return;
            }
        }
    }
}

static bool
is_fresh(const struct x400_connector *c, const struct x400_gone *g)
{
    uint64_t now = ticks_wall_ms();

    return g->since_wall_ms != 0 && now - MIN(g->since_wall_ms, now) <= c->conf->o.recovery_ms;
}

static bool
find_gone(const struct x400_connector *c, const struct x400_link *l, const struct rtse_open *offer,
    uint32_t *checkpoint)
{
    for (size_t i = 0; i < ARRAY_LEN(c->gone); i++) {
        const struct x400_gone *g = &c->gone[i];

        if (is_fresh(c, g) && is_reference(&g->whose, &offer->recovered) &&
            netaddr_eq(&g->peer, &l->peer) && g->dialogue == offer->dialogue) {
            *checkpoint = g->whose.checkpoint;
            return true;
        }
    }
    return false;
}

/* Left by the last owner. */
static bool
find_part(
    const struct x400_connector *c, const struct session_reference *reference, uint32_t *checkpoint)
{
    const struct intake *intake = &c->x->env.intake;
    struct intake_part part = { .id = 0 };
    struct rtse_recovery whose = { .activity = 0 };
    struct x400_part state;

    if (c->conf->o.caller_count == 0 || intake->ops->part == NULL ||
        reference->user.n + reference->common.n == 0) {
        return false;
    }
    rtse_recovery_name(&whose, reference);
    while (intake->ops->part(intake->ctx, part.id, &part) == 1) {
        if (x400_part_is_like(part.key, c->conf->o.name, &whose) &&
            x400_part_read(part.state, &state) == 0) {
            *checkpoint = state.checkpoint;
            return true;
        }
    }
    return false;
}

struct x400_connector *
x400_recover_find(struct x400_link *l, const struct rtse_open *offer, enum p1_protocol protocol,
    uint32_t *checkpoint, const char **why)
{
    const struct x400 *x = l->x;
    const struct x400_arrival a = { .called_t = x400_selector_slice(&l->called),
        .called_s = offer->called_s,
        .called_p = offer->called_p,
        .protocol = protocol };
    uint32_t had = 0;

    *why = "it is to recover an association of which nothing is kept here";
    for (size_t i = 0; i < x->expected_count; i++) {
        struct x400_connector *c = x->expected_by[i];

        if (!x400_match_recovers(&x->expected[i], &a)) {
            continue;
        }
        end_half_open(c, l, &offer->recovered);
        if (!find_gone(c, l, offer, &had) && !find_part(c, &offer->recovered, &had)) {
            continue;
        }
        if (offer->checkpoint != 0 && offer->checkpoint < had) {
            *why = "it is to recover an association with another checkpoint size";
            return NULL;
        }
        *checkpoint = had;
        return c;
    }
    return NULL;
}

bool
x400_recover_ours(const struct transport_session *t, struct rtse_recovery *out)
{
    return t->conf->o.recover && !t->connector->recover_refused && x400_resume_of(t, out);
}
