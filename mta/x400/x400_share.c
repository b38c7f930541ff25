#include "x400/x400_share.h"

#include "core/crc32c.h"
#include "core/map.h"
#include "x400/or_address_ber.h"
#include "x400/p1_1984.h"
#include "x400/p1_code.h"
#include "x400/p1_head.h"
#include "x400/p1_plan.h"
#include "x400/p1_stored.h"

#include <stdlib.h>

#define TRACE_BYTES_MAX 1024
#define SUMS            ((uint32_t)1 << 16)

struct asked { /* a recipient of the delivery */
    struct map_node node;
    struct slice address;
    uint8_t left_out; /* enum x400_left_out; as long as it was not found */
};

struct sharing {
    const struct x400_share_query *q;
    struct p1_envelope e;
    struct map by_address;
    struct asked *asked;
    uint8_t asked_sums[SUMS / 8];
    uint8_t *bits; /* who is responsible for whom, as p1_relay wants it */
    bool old;      /* the peer is of 1984 */
};

static struct slice
asked_key(const struct map_node *n)
{
    return CONTAINER_OF(n, struct asked, node)->address;
}

static int
unfit(struct x400_share *out, enum p1_cause cause, int rc)
{
    out->status = p1_code(cause)->status;
    out->why = p1_code(cause)->text;
    return rc;
}

/* ---- places */

void
x400_places_fini(struct x400_places *p)
{
    free(p->sums);
    *p = (struct x400_places){ .message = 0 };
}

static uint32_t
sum_of(struct slice address)
{
    return crc32c(0, address.p, address.n) % SUMS;
}

/* Are they this message's? Else room for them, in *made. */
static bool
has_places(const struct sharing *s, uint32_t **made)
{
    struct x400_places *p = s->q->places;

    if (p == NULL) {
        return false;
    }
    if (p->sums != NULL && p->message == s->q->d->id && p->count == s->e.recipient_count) {
        return true;
    }
    x400_places_fini(p);
    *made = calloc(MAX(s->e.recipient_count, 1u), sizeof(**made)); /* without memory: none */
    *p = (struct x400_places){ s->q->d->id, s->e.recipient_count, *made };
    return false;
}

static bool
is_asked(const struct sharing *s, uint32_t nth)
{
    uint32_t sum = s->q->places->sums[nth];

    return (s->asked_sums[sum / 8] >> sum % 8 & 1) != 0;
}

/* ---- who is asked for */

static int
index_asked(struct sharing *s)
{
    const struct delivery *d = s->q->d;

    for (uint32_t i = 0; i < d->recipient_count; i++) {
        uint32_t sum = sum_of(d->recipients[i]);
        int rc;

        s->asked_sums[sum / 8] = (uint8_t)(s->asked_sums[sum / 8] | 1u << sum % 8);
        s->asked[i].address = d->recipients[i];
        rc = map_insert(&s->by_address, &s->asked[i].node, asked_key);
        if (rc < 0 && rc != -EEXIST) {
            return rc;
        }
        /* twice in the delivery: the first one's result */
        s->asked[i].left_out = rc == -EEXIST ? X400_LEFT_NONE : X400_LEFT_UNNAMED;
    }
    return 0;
}

/* Whoever has the text of one that is asked for gets its bit: the queue has each address once,
 * however often the envelope names it. */
static void
match(struct sharing *s)
{
    char text[OR_ADDRESS_TEXT_BYTES_MAX];
    struct p1_recipient r;
    struct ber_cursor c;
    uint32_t *sums = NULL;
    bool places = has_places(s, &sums);

    ber_cursor_init(&c, s->e.recipients);
    for (uint32_t i = 0; p1_recipient_next(&c, &r) > 0; i++) {
        struct or_address a;
        struct or_error error;
        struct map_node *n;
        const char *why;

        if ((places && !is_asked(s, i)) || (r.indicators & P1_RESPONSIBLE) == 0 ||
            or_address_read(r.name, &a, &error) < 0 ||
            or_address_text(&a, OR_TEXT_SLASH, text, sizeof(text)) < 0) {
            continue;
        }
        if (sums != NULL) {
            sums[i] = sum_of(slice_of(text));
        }
        n = map_find(&s->by_address, slice_of(text), asked_key);
        if (n != NULL && s->old && !p1_1984_recipient_fits(&r, &why)) {
            uint8_t *left_out = &CONTAINER_OF(n, struct asked, node)->left_out;

            *left_out = *left_out == X400_LEFT_NONE ? X400_LEFT_NONE : X400_LEFT_DOWNGRADE;
        } else if (n != NULL) {
            CONTAINER_OF(n, struct asked, node)->left_out = X400_LEFT_NONE;
            s->bits[i / 8] = (uint8_t)(s->bits[i / 8] | 1u << (i % 8));
        }
    }
}

static int
note_left_out(const struct sharing *s, struct x400_share *out)
{
    uint32_t count = s->q->d->recipient_count, left = 0, old = 0;

    for (uint32_t i = 0; i < count; i++) {
        left += s->asked[i].left_out != X400_LEFT_NONE;
        old += s->asked[i].left_out == X400_LEFT_DOWNGRADE;
    }
    if (left == 0) {
        return 0;
    }
    if (left == count && old == count) {
        return unfit(out, P1_CAUSE_DOWNGRADE, BH_ESYNTAX);
    }
    if (left == count) {
        out->status = "5.3.0";
        out->why = "the stored envelope does not name these recipients";
        return BH_ESYNTAX;
    }
    out->left_out = calloc(count, sizeof(*out->left_out));
    if (out->left_out == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        out->left_out[i] = s->asked[i].left_out;
    }
    return 0;
}

static int
share_recipients(struct sharing *s, struct x400_share *out)
{
    uint32_t count = s->q->d->recipient_count;
    int rc;

    s->asked = calloc(MAX(count, 1u), sizeof(*s->asked));
    s->bits = calloc(1, s->e.recipient_count / 8 + 1);
    if (s->asked == NULL || s->bits == NULL) {
        return -ENOMEM;
    }
    rc = index_asked(s);
    if (rc < 0) {
        return rc;
    }
    match(s);
    return note_left_out(s, out);
}

/* e: the stored one, or what 1984 makes of it (which has its responsibility already). */
static int
write_head(const struct sharing *s, const struct p1_envelope *e, struct x400_share *out)
{
    const struct x400_share_query *q = s->q;
    struct p1_hop hop = { .domain = *q->domain,
        .arrival_wall_ms = q->d->received_wall_ms,
        .deferred_wall_ms = p1_plan_hold(&s->e, q->domain, q->d->received_wall_ms),
        .rerouted = q->d->rerouted };
    struct p1_relay relay = { .protocol = q->conf->protocol,
        .context = q->context,
        .strip_internal = q->conf->strip_internal,
        .strip_bilateral = q->conf->strip_bilateral,
        .responsible = s->old ? NULL : s->bits };
    struct buf trace, internal;
    int rc;

    buf_init(&trace, TRACE_BYTES_MAX);
    buf_init(&internal, TRACE_BYTES_MAX);
    rc = p1_trace_write(&trace, &hop);
    if (rc == 0 && !s->old) {
        hop.mta_name = q->mta_name;
        rc = p1_trace_write(&internal, &hop);
    }
    relay.trace = buf_slice(&trace);
    relay.internal = buf_slice(&internal);
    rc = rc < 0 ? rc : p1_head_write(&out->head, e, &relay, q->content_bytes);
    buf_fini(&trace);
    buf_fini(&internal);
    return rc == BH_ETOOBIG ? unfit(out, P1_CAUSE_SIZE, rc) : rc;
}

static int
write_old(const struct sharing *s, struct x400_share *out)
{
    struct p1_envelope e;
    struct buf stored;
    const char *error;
    uint64_t at;
    int rc;

    buf_init(&stored, P1_STORED_BYTES_MAX);
    rc = p1_1984_write(&stored, &s->e, &s->q->conf->how, s->bits);
    if (rc == BH_ESYNTAX || rc == BH_ETOOBIG) {
        rc = unfit(out, P1_CAUSE_DOWNGRADE, rc);
    }
    rc = rc < 0 ? rc : p1_stored_read(buf_slice(&stored), &e, &error, &at);
    rc = rc < 0 ? rc : write_head(s, &e, out);
    buf_fini(&stored);
    return rc;
}

/* Neither before its deferred delivery time nor after its latest. How long we try is the
 * scheduler's affair. */
static int
in_time(const struct sharing *s, struct x400_share *out)
{
    static const uint64_t forever[3] = { UINT64_MAX / 4, UINT64_MAX / 4, UINT64_MAX / 4 };
    const struct x400_share_query *q = s->q;

    if (q->now_wall_ms >= p1_plan_expires(&s->e, q->d->received_wall_ms, forever)) {
        return unfit(out, P1_CAUSE_EXPIRED, BH_ETOOBIG);
    }
    if (p1_plan_hold(&s->e, q->domain, q->now_wall_ms) == 0) {
        return 0;
    }
    out->status = "4.4.0";
    out->why = "its deferred delivery time is to come";
    return BH_EBUSY;
}

/* R2 again (or_route.h): the scheduler, which takes the next connector while the first is
 * down, knows no trace. Over there it would be a loop, and be given up; here it waits. */
static int
not_back(const struct sharing *s, struct x400_share *out)
{
    struct p1_passed passed;

    p1_plan_passed(&s->e, &passed);
    for (size_t i = 0; i < passed.count; i++) {
        if (passed.slices[i].n > 0 && slice_ieq(passed.slices[i], s->q->conf->remote_mta)) {
            out->status = "4.4.6";
            out->why = "it came from where this connector leads, and waits for another way";
            return -ELOOP;
        }
    }
    return 0;
}

static int
make(struct sharing *s, struct x400_share *out)
{
    const struct x400_share_query *q = s->q;
    uint64_t max = q->conf->message_bytes_max, at;
    const char *error;
    int rc = p1_stored_read(q->stored, &s->e, &error, &at);

    if (rc < 0) {
        return rc == -ENOMEM ? rc : BH_EDAMAGED;
    }
    if (s->e.kind != P1_MESSAGE && q->content_bytes > 0) {
        return BH_EDAMAGED; /* a probe or report is all envelope: out of a file that was changed */
    }
    rc = in_time(s, out);
    rc = rc < 0 ? rc : not_back(s, out);
    if (rc < 0) {
        return rc;
    }
    out->id = s->e.id;
    out->priority = s->e.priority;
    out->content_type = s->e.content_type;
    if (max > 0 && q->content_bytes > max) {
        return unfit(out, P1_CAUSE_TOO_LONG, BH_ETOOBIG);
    }
    if (s->old && !p1_1984_fits(&s->e, &q->conf->how, &error)) {
        return unfit(out, P1_CAUSE_DOWNGRADE, BH_ESYNTAX);
    }
    rc = s->e.kind == P1_REPORT ? 0 : share_recipients(s, out);
    if (rc < 0) {
        return rc;
    }
    return s->old ? write_old(s, out) : write_head(s, &s->e, out);
}

int
x400_share_make(struct x400_share *out, const struct x400_share_query *q)
{
    struct sharing s = { .q = q, .old = q->conf->protocol == P1_1984 };
    int rc;

    *out = (struct x400_share){ .why = NULL };
    buf_init(&out->head, 2 * P1_STORED_BYTES_MAX);
    map_init(&s.by_address);
    rc = make(&s, out);
    map_fini(&s.by_address);
    free(s.asked);
    free(s.bits);
    if (rc < 0) {
        buf_fini(&out->head);
        free(out->left_out);
        out->left_out = NULL;
    }
    return rc;
}
