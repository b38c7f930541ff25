#include "x400/x400_judge.h"
#include "core/map.h"
#include "x400/or_address_ber.h"
#include "x400/p1_loop.h"

#include <stdlib.h>

/* Envelopes say a recipient twice, and lists of addresses come together: the queue has each once,
 * and what goes out names all recipients of that address (x400_out.c). */
struct known {
    struct map_node node;
    char *text;
};

struct judging {
    struct x400_judged *out;
    const struct p1_envelope *e;
    const struct x400_judge *by;
    struct map seen;
    struct known *known;
    uint32_t capacity;
};

static struct slice
known_key(const struct map_node *n)
{
    return slice_of(CONTAINER_OF(n, struct known, node)->text);
}

/* Why all of it cannot go on; P1_CAUSE_COUNT: it can. */
static enum p1_cause
whole_cause(const struct p1_envelope *e, const struct x400_judge *by)
{
    uint64_t bytes = e->kind == P1_PROBE ? e->probe_bytes : by->content_bytes;

    if (p1_loop(e, by->domain, by->mta_name) != P1_NO_LOOP) {
        return P1_CAUSE_LOOP;
    }
    if (e->critical) {
        return P1_CAUSE_CRITICAL;
    }
    if (by->message_bytes_max > 0 && bytes != UINT64_MAX && bytes > by->message_bytes_max) {
        return P1_CAUSE_TOO_LONG;
    }
    return (enum p1_cause)P1_CAUSE_COUNT;
}

static char *
name_text(struct slice name, struct or_address *address)
{
    char text[OR_ADDRESS_TEXT_BYTES_MAX];
    struct or_error error;

    if (or_address_read(name, address, &error) < 0 || or_address_check(address, &error) < 0 ||
        or_address_text(address, OR_TEXT_SLASH, text, sizeof(text)) < 0) {
        return NULL;
    }
    return slice_dup(slice_of(text));
}

/* P1_CAUSE_COUNT: it is taken, or was before. */
static enum p1_cause
take(struct judging *j, const struct or_address *to, char *text)
{
    struct x400_judged *out = j->out;
    struct known *k;

    if (map_find(&j->seen, slice_of(text), known_key) != NULL) {
        free(text);
        return (enum p1_cause)P1_CAUSE_COUNT;
    }
    switch (j->by->route(j->by->ctx, to, slice_of(text), j->e).verdict) {
    case OR_ROUTE_GO:
    case OR_ROUTE_WAIT:
        break;
    case OR_ROUTE_LOOP:
        free(text);
        return P1_CAUSE_LOOP;
    case OR_ROUTE_NONE:
        free(text);
        return P1_CAUSE_UNKNOWN_NAME;
    }
    if (out->recipient_count == j->capacity) {
        free(text);
        return P1_CAUSE_RECIPIENTS;
    }
    k = &j->known[out->recipient_count];
    k->text = text;
    if (map_insert(&j->seen, &k->node, known_key) < 0) {
        free(text);
        return P1_CAUSE_CONGESTION;
    }
    out->recipients[out->recipient_count++] =
        (struct envelope_recipient){ .address = slice_of(text), .notify = ENVELOPE_NOTIFY_FAILURE };
    return (enum p1_cause)P1_CAUSE_COUNT;
}

static enum p1_cause
judge_name(struct judging *j, struct slice name)
{
    struct or_address to;
    char *text = name_text(name, &to);

    return text == NULL ? P1_CAUSE_ARGUMENTS : take(j, &to, text);
}

static void
fail(struct x400_judged *out, struct p1_outcome *o, enum p1_cause cause)
{
    const struct p1_code *code = p1_code(cause);

    out->failed++;
    out->why = out->why != NULL ? out->why : code->text;
    if (o != NULL) {
        *o = (struct p1_outcome){ .is = P1_FAILED,
            .reason = code->reason,
            .diagnostic = code->diagnostic,
            .text = slice_of(code->text) };
    }
}

static void
judge_recipients(struct judging *j, enum p1_cause whole)
{
    struct p1_outcome *o = j->out->outcomes;
    struct p1_recipient r;
    struct ber_cursor c;

    ber_cursor_init(&c, j->e->recipients);
    for (; p1_recipient_next(&c, &r) > 0; o++) {
        enum p1_cause cause = whole;

        if ((r.indicators & P1_RESPONSIBLE) == 0) {
            continue;
        }
        j->out->ours++;
        if (cause == P1_CAUSE_COUNT && r.critical) {
            cause = P1_CAUSE_CRITICAL;
        }
        if (cause == P1_CAUSE_COUNT) {
            cause = judge_name(j, r.name);
        }
        if (cause != P1_CAUSE_COUNT) {
            fail(j->out, o, cause);
        }
    }
}

int
x400_judge(struct x400_judged *out, const struct p1_envelope *e, const struct x400_judge *by)
{
    struct judging j = { .out = out, .e = e, .by = by };
    enum p1_cause whole = whole_cause(e, by);
    struct or_address from;
    uint32_t count = e->kind == P1_REPORT ? 1 : e->recipient_count;

    *out = (struct x400_judged){ .why = NULL };
    j.capacity = MIN(count, (uint32_t)ENVELOPE_RECIPIENTS_MAX);
    j.known = calloc(MAX(j.capacity, 1u), sizeof(*j.known));
    out->recipients = calloc(MAX(j.capacity, 1u), sizeof(*out->recipients));
    out->outcomes = e->kind == P1_REPORT ? NULL : calloc(MAX(count, 1u), sizeof(*out->outcomes));
    out->sender = e->kind == P1_REPORT ? NULL : name_text(e->originator, &from);
    out->sender = out->sender != NULL ? out->sender : slice_dup(SLICE_LIT(""));
    if (j.known == NULL || out->recipients == NULL || out->sender == NULL ||
        (e->kind != P1_REPORT && out->outcomes == NULL)) {
        free(j.known);
        return -ENOMEM;
    }
    map_init(&j.seen);
    if (e->kind == P1_REPORT) {
        out->ours = 1;
        whole = whole == P1_CAUSE_COUNT ? judge_name(&j, e->originator) : whole;
        if (whole != P1_CAUSE_COUNT) {
            fail(out, NULL, whole);
        }
    } else {
        judge_recipients(&j, whole);
    }
    map_fini(&j.seen);
    free(j.known);
    return 0;
}

static void
free_recipients(struct x400_judged *j)
{
    for (uint32_t i = 0; i < j->recipient_count; i++) {
        free((char *)(uintptr_t)j->recipients[i].address.p);
    }
    j->recipient_count = 0;
}

void
x400_judged_too_long(struct x400_judged *j, const struct p1_envelope *e)
{
    struct p1_recipient r;
    struct ber_cursor c;

    free_recipients(j);
    j->failed = 0;
    ber_cursor_init(&c, e->recipients);
    for (uint32_t i = 0; p1_recipient_next(&c, &r) > 0; i++) {
        if ((r.indicators & P1_RESPONSIBLE) != 0) {
            fail(j, &j->outcomes[i], P1_CAUSE_TOO_LONG);
        }
    }
}

void
x400_judged_fini(struct x400_judged *j)
{
    free_recipients(j);
    free(j->recipients);
    free(j->outcomes);
    free(j->sender);
    *j = (struct x400_judged){ .why = NULL };
}
