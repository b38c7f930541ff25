#include "x400/x400_share.h"

#include "core/map.h"
#include "x400/or_address_ber.h"
#include "x400/p1_code.h"
#include "x400/p1_head.h"
#include "x400/p1_stored.h"

#include <stdlib.h>

#define TRACE_BYTES_MAX 1024

struct asked { /* a recipient of the delivery */
    struct map_node node;
    struct slice address;
    bool found;
};

struct sharing {
    const struct x400_share_query *q;
    struct p1_envelope e;
    struct map by_address;
    struct asked *asked;
    uint8_t *bits; /* who is responsible for whom, as p1_relay wants it */
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

static int
index_asked(struct sharing *s)
{
    const struct delivery *d = s->q->d;

    for (uint32_t i = 0; i < d->recipient_count; i++) {
        int rc;

        s->asked[i].address = d->recipients[i];
        rc = map_insert(&s->by_address, &s->asked[i].node, asked_key);
        if (rc < 0 && rc != -EEXIST) {
            return rc;
        }
        s->asked[i].found = rc == -EEXIST; /* twice in the delivery: the first one's result */
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

    ber_cursor_init(&c, s->e.recipients);
    for (uint32_t i = 0; p1_recipient_next(&c, &r) > 0; i++) {
        struct or_address a;
        struct or_error error;
        struct map_node *n;

        if ((r.indicators & P1_RESPONSIBLE) == 0 || or_address_read(r.name, &a, &error) < 0 ||
            or_address_text(&a, OR_TEXT_SLASH, text, sizeof(text)) < 0) {
            continue;
        }
        n = map_find(&s->by_address, slice_of(text), asked_key);
        if (n != NULL) {
            CONTAINER_OF(n, struct asked, node)->found = true;
            s->bits[i / 8] = (uint8_t)(s->bits[i / 8] | 1u << (i % 8));
        }
    }
}

static int
note_unmatched(const struct sharing *s, struct x400_share *out)
{
    uint32_t count = s->q->d->recipient_count, lost = 0;

    for (uint32_t i = 0; i < count; i++) {
        lost += !s->asked[i].found;
    }
    if (lost == 0) {
        return 0;
    }
    if (lost == count) {
        out->status = "5.3.0";
        out->why = "the stored envelope does not name these recipients";
        return BH_ESYNTAX;
    }
    out->unmatched = calloc(count, sizeof(*out->unmatched));
    if (out->unmatched == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        out->unmatched[i] = !s->asked[i].found;
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
    return note_unmatched(s, out);
}

static int
write_head(const struct sharing *s, struct x400_share *out)
{
    const struct x400_share_query *q = s->q;
    struct p1_hop hop = { .domain = *q->domain, .arrival_wall_ms = q->d->received_wall_ms };
    struct p1_relay relay = { .protocol = q->conf->protocol,
        .context = q->context,
        .strip_internal = q->conf->strip_internal,
        .strip_bilateral = q->conf->strip_bilateral,
        .responsible = s->bits };
    struct buf trace, internal;
    int rc;

    buf_init(&trace, TRACE_BYTES_MAX);
    buf_init(&internal, TRACE_BYTES_MAX);
    rc = p1_trace_write(&trace, &hop);
    if (rc == 0 && q->conf->protocol != P1_1984) {
        hop.mta_name = q->mta_name;
        rc = p1_trace_write(&internal, &hop);
    }
    relay.trace = buf_slice(&trace);
    relay.internal = buf_slice(&internal);
    rc = rc < 0 ? rc : p1_head_write(&out->head, &s->e, &relay, q->content_bytes);
    buf_fini(&trace);
    buf_fini(&internal);
    return rc == BH_ETOOBIG ? unfit(out, P1_CAUSE_SIZE, rc) : rc;
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
    out->id = s->e.id;
    out->priority = s->e.priority;
    out->content_type = s->e.content_type;
    if (max > 0 && q->content_bytes > max) {
        return unfit(out, P1_CAUSE_TOO_LONG, BH_ETOOBIG);
    }
    rc = s->e.kind == P1_REPORT ? 0 : share_recipients(s, out);
    return rc < 0 ? rc : write_head(s, out);
}

int
x400_share_make(struct x400_share *out, const struct x400_share_query *q)
{
    struct sharing s = { .q = q };
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
        free(out->unmatched);
        out->unmatched = NULL;
    }
    return rc;
}
