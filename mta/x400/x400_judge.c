#include "x400/x400_judge.h"
#include "core/map.h"
#include "x400/or_address_ber.h"

#include <stdlib.h>

/* Of the connector it came by: as the rule of that name has it of the one it would go to. */
static const char too_long[] = "too-long";

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
    char **texts;            /* by recipient; NULL: not ours, or its name has none */
    struct or_route *routes; /* by recipient */
    struct p1_share *shares; /* by recipient */
    struct map seen;
    struct known *known;
    uint32_t count, capacity; /* recipients; of known */
};

static struct slice
known_key(const struct map_node *n)
{
    return slice_of(CONTAINER_OF(n, struct known, node)->text);
}

char *
x400_judge_text(struct slice name, struct or_address *address)
{
    char text[OR_ADDRESS_TEXT_BYTES_MAX];
    struct or_error error;

    if (or_address_read(name, address, &error) < 0 || or_address_check(address, &error) < 0 ||
        or_address_text(address, OR_TEXT_SLASH, text, sizeof(text)) < 0) {
        return NULL;
    }
    return slice_dup(slice_of(text));
}

/* FNV-1a, of its octets and a 0. */
static uint64_t
add_name(uint64_t sum, struct slice name)
{
    for (size_t i = 0; i <= name.n; i++) {
        sum = (sum ^ (i < name.n ? (unsigned char)name.p[i] : 0u)) * 0x100000001b3u;
    }
    return sum;
}

static void
ask_route(struct judging *j, uint32_t nth, struct slice name)
{
    struct or_address to;

    j->out->ours++;
    j->texts[nth] = x400_judge_text(name, &to);
    j->out->whom = add_name(j->out->whom, j->texts[nth] != NULL ? slice_of(j->texts[nth]) : name);
    j->routes[nth] = j->texts[nth] != NULL
                         ? j->by->route(j->by->ctx, &to, slice_of(j->texts[nth]), j->e)
                         : (struct or_route){ .verdict = OR_ROUTE_NONE };
}

static void
ask_routes(struct judging *j)
{
    struct p1_recipient r;
    struct ber_cursor c;

    if (j->e->kind == P1_REPORT) {
        ask_route(j, 0, j->e->originator);
        return;
    }
    ber_cursor_init(&c, j->e->recipients);
    for (uint32_t nth = 0; p1_recipient_next(&c, &r) > 0; nth++) {
        if ((r.indicators & P1_RESPONSIBLE) != 0) {
            ask_route(j, nth, r.name);
        }
    }
}

static void
fail(struct x400_judged *out, uint32_t nth, enum p1_cause cause)
{
    const struct p1_code *code = p1_code(cause);

    out->failed++;
    out->why = out->why != NULL ? out->why : code->text;
    if (out->outcomes != NULL) {
        out->outcomes[nth] = (struct p1_outcome){ .is = P1_FAILED,
            .reason = code->reason,
            .diagnostic = code->diagnostic,
            .text = slice_of(code->text) };
    }
}

/* The text is the recipients' from here on. */
static void
take(struct judging *j, uint32_t nth)
{
    struct x400_judged *out = j->out;
    struct known *k = &j->known[out->recipient_count];
    char *text = j->texts[nth];

    if (map_find(&j->seen, slice_of(text), known_key) != NULL) {
        return;
    }
    if (out->recipient_count == j->capacity) {
        fail(out, nth, P1_CAUSE_RECIPIENTS);
        return;
    }
    k->text = text;
    if (map_insert(&j->seen, &k->node, known_key) < 0) {
        fail(out, nth, P1_CAUSE_CONGESTION);
        return;
    }
    j->texts[nth] = NULL;
    out->recipients[out->recipient_count++] =
        (struct envelope_recipient){ .address = slice_of(text), .notify = ENVELOPE_NOTIFY_FAILURE };
}

/* For one message there is one time. */
static uint64_t
longest_life(const struct judging *j)
{
    const struct x400_judge *by = j->by;
    uint64_t life_ms = 0;

    for (uint32_t nth = 0; nth < j->count; nth++) {
        uint16_t via = j->routes[nth].via;

        if (j->texts[nth] != NULL && j->routes[nth].verdict < OR_ROUTE_LOOP &&
            via < by->peer_count && by->peers[via].life_ms != NULL) {
            life_ms = MAX(life_ms, by->peers[via].life_ms[j->e->priority]);
        }
    }
    return life_ms != 0 ? life_ms : p1_plan_life_ms[j->e->priority];
}

static void
judge_shares(struct judging *j)
{
    const struct x400_judge *by = j->by;
    const uint64_t life_ms = longest_life(j), lives_ms[3] = { life_ms, life_ms, life_ms };
    bool long_one = by->message_bytes_max > 0 && by->content_bytes != BER_INDEFINITE &&
                    j->e->kind == P1_MESSAGE && by->content_bytes > by->message_bytes_max;
    const struct p1_plan_query q = { .e = j->e,
        .content_bytes = by->content_bytes == BER_INDEFINITE ? 0 : by->content_bytes,
        .own = by->domain,
        .mta_name = by->mta_name,
        .received_wall_ms = by->now_wall_ms,
        .now_wall_ms = by->now_wall_ms,
        .life_ms = lives_ms,
        .routes = j->routes,
        .peers = by->peers,
        .peer_count = by->peer_count };
    struct p1_plan plan;

    p1_plan_make(&q, j->shares, &plan);
    j->out->life =
        (struct x400_life){ j->e->priority, plan.expires_wall_ms, plan.hold_until_wall_ms };
    for (uint32_t nth = 0; nth < j->count; nth++) {
        if (j->shares[nth].step == P1_NOT_OURS) {
            continue;
        }
        if (long_one) {
            j->out->rule = too_long;
            fail(j->out, nth, P1_CAUSE_TOO_LONG);
        } else if (j->shares[nth].step == P1_REFUSE) {
            const struct p1_plan_rule *rule = p1_plan_rule(j->shares[nth].rule);

            j->out->rule = j->out->failed == 0 ? rule->name : j->out->rule;
            fail(j->out, nth, rule->cause);
        } else {
            take(j, nth);
        }
    }
}

static bool
judging_init(struct judging *j)
{
    struct x400_judged *out = j->out;
    bool report = j->e->kind == P1_REPORT;
    size_t n = MAX(j->count, 1u);
    struct or_address from;

    j->texts = calloc(n, sizeof(*j->texts));
    j->routes = calloc(n, sizeof(*j->routes));
    j->shares = calloc(n, sizeof(*j->shares));
    j->known = calloc(n, sizeof(*j->known));
    out->recipients = calloc(n, sizeof(*out->recipients));
    out->outcomes = report ? NULL : calloc(n, sizeof(*out->outcomes));
    out->sender = report ? NULL : x400_judge_text(j->e->originator, &from);
    out->sender = out->sender != NULL ? out->sender : slice_dup(SLICE_LIT(""));
    return j->texts != NULL && j->routes != NULL && j->shares != NULL && j->known != NULL &&
           out->recipients != NULL && out->sender != NULL && (report || out->outcomes != NULL);
}

int
x400_judge(struct x400_judged *out, const struct p1_envelope *e, const struct x400_judge *by)
{
    struct judging j = { .out = out, .e = e, .by = by, .count = p1_plan_count(e) };
    bool ok;

    *out = (struct x400_judged){ .whom = 0xcbf29ce484222325u };
    j.capacity = MIN(j.count, (uint32_t)ENVELOPE_RECIPIENTS_MAX);
    map_init(&j.seen);
    ok = judging_init(&j);
    if (ok) {
        ask_routes(&j);
        judge_shares(&j);
    }
    map_fini(&j.seen);
    for (uint32_t i = 0; j.texts != NULL && i < j.count; i++) {
        free(j.texts[i]);
    }
    free(j.texts);
    free(j.routes);
    free(j.shares);
    free(j.known);
    return ok ? 0 : -ENOMEM;
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
    j->why = NULL;
    j->rule = too_long;
    ber_cursor_init(&c, e->recipients);
    for (uint32_t i = 0; p1_recipient_next(&c, &r) > 0; i++) {
        if ((r.indicators & P1_RESPONSIBLE) != 0) {
            fail(j, i, P1_CAUSE_TOO_LONG);
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
