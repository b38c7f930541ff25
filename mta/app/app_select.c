#include "app/app_select.h"
#include "app/app_route.h"
#include "core/ticks.h"
#include "mail/address.h"
#include <stdio.h>

#define RCPTS_A_SCAN 8 /* so many recipients take as long as one message more */

/* As select_recipient_state says them. */
static int
check_state(struct slice s)
{
    static const char *const states[] = { "queued", "deferred", "held", "in-doubt", "delivered",
        "failed", "expanded", "removed" };

    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (slice_eq(s, slice_of(states[i]))) {
            return 0;
        }
    }
    return BH_ESYNTAX;
}

/* An O/R address may be written in either form, with its attributes in any order. */
static int
read_or_address(struct selector *s)
{
    struct or_address a;
    struct or_error error;

    if (!app_route_is_space(s->text) || slice_find(s->text, '@') < s->text.n) {
        return 0;
    }
    if (or_address_parse(s->text, &a, &error) < 0) {
        return BH_ESYNTAX;
    }
    s->is_or = true;
    s->number = or_address_hash(&a);
    return 0;
}

/* The selector is parsed again only for its equals (an address takes 2 KiB, a selection 16 of
 * them). */
static bool
same_person(const struct selector *s, struct slice address)
{
    struct or_address a, b;
    struct or_error error;

    if (slice_ieq(address, s->text)) {
        return true;
    }
    return s->is_or && app_route_is_or(address) && or_address_parse(address, &a, &error) == 0 &&
           or_address_hash(&a) == s->number && or_address_parse(s->text, &b, &error) == 0 &&
           or_address_equal(&a, &b);
}

/* What cannot be is refused: it would look as if the queue had none. */
static int
parse_selector(struct slice s, struct selector *out)
{
    static const struct {
        const char *prefix;
        enum selector_kind kind;
    } kinds[] = { { "state=", SEL_STATE }, { "domain=", SEL_DOMAIN },
        { "connector=", SEL_CONNECTOR }, { "sender=", SEL_SENDER }, { "recipient=", SEL_RECIPIENT },
        { "older=", SEL_OLDER }, { "larger=", SEL_LARGER } };

    if (slice_eq(s, SLICE_LIT("all")) || slice_eq(s, SLICE_LIT("in-doubt"))) {
        out->kind = s.n == 3 ? SEL_ALL : SEL_IN_DOUBT;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (slice_starts(s, slice_of(kinds[i].prefix))) {
            out->kind = kinds[i].kind;
            out->text = slice_skip(s, strlen(kinds[i].prefix));
            if (out->kind == SEL_RECIPIENT || out->kind == SEL_SENDER) {
                return read_or_address(out);
            }
            if (out->kind == SEL_OLDER) {
                return ticks_parse_duration(out->text, &out->number);
            }
            return out->kind == SEL_LARGER  ? ticks_parse_size(out->text, &out->number)
                   : out->kind == SEL_STATE ? check_state(out->text)
                                            : 0;
        }
    }
    return BH_ESYNTAX;
}

const char *
select_recipient_state(const struct queue_message *m, const struct queue_recipient *r)
{
    static const char *const final[] = { [RECIPIENT_QUEUED] = "queued",
        [RECIPIENT_DELIVERED] = "delivered",
        [RECIPIENT_FAILED] = "failed",
        [RECIPIENT_EXPANDED] = "expanded",
        [RECIPIENT_REMOVED] = "removed" };

    if (r->state != RECIPIENT_QUEUED) {
        return r->state < ARRAY_LEN(final) ? final[r->state] : "unknown";
    }
    if (m->held) {
        return "held";
    }
    return r->in_doubt ? "in-doubt" : r->attempts > 0 ? "deferred" : "queued";
}

static bool
recipient_matches(const struct select_source *source, const struct queue_message *m, uint32_t index,
    const struct selector *s)
{
    const struct queue_recipient *r = &m->recipients[index];
    const char *connector;
    struct address addr;

    switch (s->kind) {
    case SEL_IN_DOUBT:
        return r->in_doubt && r->state == RECIPIENT_QUEUED;
    case SEL_STATE:
        return slice_eq(slice_of(select_recipient_state(m, r)), s->text);
    case SEL_DOMAIN:
        return address_parse(r->address, &addr) == 0 && slice_ieq(addr.domain, s->text);
    case SEL_RECIPIENT:
        return same_person(s, r->address);
    case SEL_CONNECTOR:
        connector = r->state == RECIPIENT_QUEUED ? source->connector(source->ctx, m, index) : NULL;
        return connector != NULL && slice_eq(slice_of(connector), s->text);
    case SEL_ALL:
    case SEL_SENDER:
    case SEL_OLDER:
    case SEL_LARGER:
        break;
    }
    return false;
}

static bool
message_matches(
    const struct select_source *source, const struct queue_message *m, const struct selector *s)
{
    switch (s->kind) {
    case SEL_ALL:
        return true;
    case SEL_SENDER:
        return same_person(s, m->sender) ||
               (m->sender.n == 0 && slice_eq(s->text, SLICE_LIT("<>")));
    case SEL_OLDER:
        return source->now_wall_ms > m->received_wall_ms &&
               source->now_wall_ms - m->received_wall_ms > s->number;
    case SEL_LARGER:
        return m->size_bytes > s->number;
    case SEL_IN_DOUBT:
    case SEL_STATE:
    case SEL_DOMAIN:
    case SEL_CONNECTOR:
    case SEL_RECIPIENT:
        break;
    }
    for (uint32_t i = 0; i < m->recipient_count; i++) {
        if (recipient_matches(source, m, i, s)) {
            return true;
        }
    }
    return false;
}

/* Cut and in ASCII: the text goes into JSON, and a cut in the middle of a character would be none.
 */
static void
say_unknown(const char *selector, char text[SELECT_TEXT_CAP])
{
    int n = snprintf(text, SELECT_TEXT_CAP, "the selector \"%.80s\" is not known", selector);

    for (int i = 0; i < n && i < SELECT_TEXT_CAP - 1; i++) {
        text[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
    }
}

int
selection_begin(struct selection *s, const struct select_source *source, const json_t *args,
    char text[SELECT_TEXT_CAP], const char **cure)
{
    const json_t *selectors = json_object_get(args, "selectors");
    const json_t *cursor = json_object_get(args, "cursor");

    *s = (struct selection){ .source = *source, .ids = json_object_get(args, "ids") };
    for (size_t i = 0; i < json_array_size(selectors); i++) {
        const char *one = json_string_value(json_array_get(selectors, i));

        if (one == NULL || i == SELECTORS_MAX ||
            parse_selector(slice_of(one), &s->selectors[i]) < 0) {
            say_unknown(one != NULL ? one : "", text);
            *cure = "Use all, in-doubt, state= (queued, deferred, held, in-doubt), domain=, "
                    "connector=, sender=, recipient=, older= (2h) or larger= (1MiB), 16 at most.";
            return BH_ESYNTAX;
        }
        s->selector_count++;
    }
    if (cursor != NULL && (!json_is_string(cursor) ||
                              slice_hex_u64(slice_of(json_string_value(cursor)), &s->at) < 0)) {
        (void)snprintf(text, SELECT_TEXT_CAP, "the cursor is not one of ours");
        *cure = "Begin anew without a cursor.";
        return BH_ESYNTAX;
    }
    return 0;
}

bool
selection_by_ids(const struct selection *s)
{
    return json_array_size(s->ids) > 0;
}

bool
selection_named(const struct selection *s)
{
    return selection_by_ids(s) || s->selector_count > 0;
}

static struct queue_message *
next_by_id(struct selection *s)
{
    while (s->at < json_array_size(s->ids)) {
        const char *text = json_string_value(json_array_get(s->ids, (size_t)s->at++));
        struct queue_message *m = NULL;
        msg_id id;

        if (text != NULL && slice_hex_u64(slice_of(text), &id) == 0) {
            m = s->source.find(s->source.ctx, id);
        }
        if (m != NULL) {
            return m;
        }
        s->unknown++;
    }
    s->ended = true;
    return NULL;
}

struct queue_message *
selection_next(struct selection *s)
{
    if (selection_by_ids(s)) {
        return next_by_id(s);
    }
    while (s->scanned < SELECT_SCAN_MAX) {
        struct queue_message *m = s->source.after(s->source.ctx, s->at);
        bool match = true;

        if (m == NULL) {
            s->ended = true;
            return NULL;
        }
        s->at = m->id;
        s->scanned += 1 + m->recipient_count / RCPTS_A_SCAN;
        for (size_t i = 0; match && i < s->selector_count; i++) {
            match = message_matches(&s->source, m, &s->selectors[i]);
        }
        if (match) {
            return m;
        }
    }
    return NULL;
}

void
selection_add_cursor(const struct selection *s, json_t *body)
{
    char cursor[24];

    if (!s->ended) {
        (void)snprintf(cursor, sizeof(cursor), "%llx", (unsigned long long)s->at);
        (void)json_object_set_new(body, "cursor", json_string(cursor));
    }
}
