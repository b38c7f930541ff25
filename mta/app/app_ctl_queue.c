/* app/app_ctl_queue.c - the queue commands. No request looks at more than SELECT_SCAN_MAX messages:
 * a longer list or change goes on with the cursor of its answer. */
#include "app/app_ctl.h"
#include "app/app_select.h"
#include "core/base64.h"
#include "core/id.h"
#include "core/log.h"
#include "core/ticks.h"
#include <stdio.h>
#include <stdlib.h>

#define PAGE_MAX   200
#define PAGE_BYTES (160 * 1024) /* of an answer's 256 KiB */
#define RCPTS_MAX  50           /* recipients shown in a list; queue show has all */
#define CHUNK_B64  (96 * 1024)

/* ---- which messages */

static struct queue_message *
find(void *ctx, msg_id id)
{
    const struct app *a = ctx;

    return queue_find(a->queue, id);
}

static struct queue_message *
after(void *ctx, msg_id id)
{
    const struct app *a = ctx;

    return queue_after(a->queue, id);
}

static const char *
connector_of(void *ctx, const struct queue_message *m, uint32_t recipient)
{
    const struct app *a = ctx;
    struct sched_why why;

    sched_why(a->sched, m, recipient, &why);
    return why.connector;
}

/* False after a refusal. */
static bool
begin(struct selection *s, struct app *a, struct ctl_request *rq, const json_t *args)
{
    struct select_source source = { .ctx = a,
        .find = find,
        .after = after,
        .connector = connector_of,
        .now_wall_ms = ticks_wall_ms() };
    char text[SELECT_TEXT_CAP];
    const char *cure;

    if (!app_ctl_need_queue(a, rq)) {
        return false;
    }
    if (selection_begin(s, &source, args, text, &cure) < 0) {
        ctl_fail(rq, BRIDGEHEAD_EXIT_USAGE, 0, text, cure);
        return false;
    }
    return true;
}

/* ---- looking */

static json_t *
recipient_json(const struct app *a, const struct queue_message *m, uint32_t i)
{
    const struct queue_recipient *r = &m->recipients[i];
    struct sched_why why = { .connector = NULL };

    if (r->state == RECIPIENT_QUEUED) {
        sched_why(a->sched, m, i, &why);
    }
    return json_pack("{s:o,s:s,s:o,s:o,s:i,s:o,s:o,s:b}", "address", app_ctl_text(r->address),
        "state", select_recipient_state(m, r), "connector",
        why.connector != NULL ? json_string(why.connector) : json_null(), "destination",
        why.connector != NULL ? app_ctl_text(slice_of(why.destination)) : json_null(), "attempts",
        (int)r->attempts, "next",
        app_ctl_time(why.next_wall_ms != 0 ? why.next_wall_ms : r->next_wall_ms), "last_reply",
        r->last_reply.n > 0 ? app_ctl_text(r->last_reply) : json_null(), "in_doubt", r->in_doubt);
}

/* For queue show, and so for export: all that a message is. */
static void
add_envelope(const struct app *a, const struct queue_message *m, json_t *body)
{
    char uuid[37];

    queue_store_uuid(a->queue, uuid);
    (void)json_object_set_new(body, "envid", app_ctl_text(m->envid));
    (void)json_object_set_new(body, "body", json_string(envelope_body_name(m->body)));
    (void)json_object_set_new(body, "hops", json_integer(m->hops));
    (void)json_object_set_new(body, "received_ms", json_integer((json_int_t)m->received_wall_ms));
    (void)json_object_set_new(body, "store", json_string(uuid));
}

static json_t *
message_json(const struct app *a, const struct queue_message *m, uint32_t recipients_max)
{
    static const char *const held_by[] = {
        [HOLD_NO] = NULL, [HOLD_OPERATOR] = "operator", [HOLD_POISON] = "poison"
    };
    json_t *list = json_array();
    char id[ID_TEXT_CAP];

    for (uint32_t i = 0; i < m->recipient_count && i < recipients_max; i++) {
        (void)json_array_append_new(list, recipient_json(a, m, i));
    }
    return json_pack("{s:s,s:o,s:I,s:o,s:b,s:s?,s:i,s:o,s:I,s:o}", "id", id_text(m->id, id),
        "sender", app_ctl_text(m->sender), "size", (json_int_t)m->size_bytes, "received",
        app_ctl_time(m->received_wall_ms), "held", m->held != HOLD_NO, "held_by",
        held_by[MIN(m->held, HOLD_POISON)], "crashes", (int)m->crashes, "client",
        app_ctl_text(m->client), "recipient_count", (json_int_t)m->recipient_count, "recipients",
        list);
}

static void
not_in_queue(struct ctl_request *rq)
{
    ctl_fail(rq, BRIDGEHEAD_EXIT_NOT_FOUND, 0, "the message is not in the queue",
        "It may have been delivered; look in the log for its id.");
}

void
app_ctl_queue_list(void *ctx, struct ctl_request *rq, const json_t *args)
{
    struct app *a = ctx;
    json_t *items, *body;
    struct queue_message *m;
    struct selection w;
    size_t bytes = 0, count = 0;

    if (!begin(&w, a, rq, args)) {
        return;
    }
    items = json_array();
    while (count < PAGE_MAX && bytes < PAGE_BYTES && (m = selection_next(&w)) != NULL) {
        json_t *item = message_json(a, m, RCPTS_MAX);

        bytes += json_dumpb(item, NULL, 0, JSON_COMPACT);
        (void)json_array_append_new(items, item);
        count++;
    }
    body = json_pack("{s:o}", "items", items);
    selection_add_cursor(&w, body);
    if (w.unknown > 0 && count == 0 && json_object_get(args, "cursor") == NULL &&
        json_object_get(body, "cursor") == NULL) {
        json_decref(body);
        not_in_queue(rq);
        return;
    }
    ctl_reply(rq, 0, body);
}

static struct queue_message *
find_one(const struct app *a, struct ctl_request *rq, const json_t *args)
{
    const char *text = json_string_value(json_object_get(args, "id"));
    struct queue_message *m = NULL;
    msg_id id;

    if (!app_ctl_need_queue(a, rq)) {
        return NULL;
    }
    if (text != NULL && slice_hex_u64(slice_of(text), &id) == 0) {
        m = queue_find(a->queue, id);
    }
    if (m == NULL) {
        not_in_queue(rq);
    }
    return m;
}

void
app_ctl_queue_show(void *ctx, struct ctl_request *rq, const json_t *args)
{
    const struct app *a = ctx;
    const struct queue_message *m = find_one(a, rq, args);

    const char *cursor = json_string_value(json_object_get(args, "cursor"));
    uint64_t i = 0;
    size_t bytes = 0;
    json_t *body, *list;
    char text[24];

    if (m == NULL) {
        return;
    }
    if (cursor != NULL && slice_u64(slice_of(cursor), UINT32_MAX, &i) < 0) {
        ctl_fail(rq, BRIDGEHEAD_EXIT_USAGE, 0, "no such cursor", "Ask again without one.");
        return;
    }
    body = message_json(a, m, 0);
    add_envelope(a, m, body);
    list = json_object_get(body, "recipients");
    for (; i < m->recipient_count && bytes < PAGE_BYTES; i++) {
        json_t *r = recipient_json(a, m, (uint32_t)i);

        (void)json_object_set_new(r, "orcpt", app_ctl_text(m->recipients[i].orcpt));
        (void)json_object_set_new(r, "notify", json_integer(m->recipients[i].notify));
        bytes += json_dumpb(r, NULL, 0, JSON_COMPACT);
        (void)json_array_append_new(list, r);
    }
    if (i < m->recipient_count) { /* the answer's 256 KiB are not enough: there is more */
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)i);
        (void)json_object_set_new(body, "cursor", json_string(text));
    }
    ctl_reply(rq, 0, body);
}

static json_t *
why_message(const struct app *a, const struct queue_message *m)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < m->recipient_count && i < 200; i++) {
        struct sched_why why = { .connector = NULL };

        if (m->recipients[i].state != RECIPIENT_QUEUED) {
            continue;
        }
        sched_why(a->sched, m, i, &why);
        (void)json_array_append_new(list,
            json_pack("{s:o,s:o,s:o,s:o}", "recipient", app_ctl_text(m->recipients[i].address),
                "why", app_ctl_text(slice_of(why.text)), "destination",
                why.connector != NULL ? app_ctl_text(slice_of(why.destination)) : json_null(),
                "next", app_ctl_time(why.next_wall_ms)));
    }
    return list;
}

struct why_destination {
    struct slice name;
    json_t *list;
};

/* The same destination may exist for several connectors. */
static bool
add_why_destination(void *ctx, const struct sched_destination_info *d)
{
    struct why_destination *w = ctx;
    char text[512], next[TICKS_RFC3339_CAP];

    if (!slice_ieq(slice_of(d->name), w->name) && !slice_eq(slice_of(d->connector), w->name)) {
        return true;
    }
    if (d->down && d->next_wall_ms > 0) {
        ticks_rfc3339(d->next_wall_ms, next);
        (void)snprintf(text, sizeof(text), "is down until %s after %u failures: %s", next,
            (unsigned)d->failures, d->last_error);
    } else if (d->down) { /* its back-off is over */
        (void)snprintf(text, sizeof(text),
            "is down after %u failures, and asked with the next delivery (%llu active, %llu ready, "
            "%llu deferred): %s",
            (unsigned)d->failures, (unsigned long long)d->active, (unsigned long long)d->ready,
            (unsigned long long)d->deferred, d->last_error);
    } else {
        (void)snprintf(text, sizeof(text),
            "is up: %u of %u sessions, %llu active, %llu ready, %llu deferred%s%s",
            (unsigned)d->sessions, (unsigned)d->limit, (unsigned long long)d->active,
            (unsigned long long)d->ready, (unsigned long long)d->deferred,
            d->last_error[0] != '\0' ? "; last error: " : "", d->last_error);
    }
    (void)json_array_append_new(w->list,
        json_pack("{s:n,s:o,s:o,s:s,s:o}", "recipient", "why", app_ctl_text(slice_of(text)),
            "destination", app_ctl_text(slice_of(d->name)), "connector", d->connector, "next",
            d->down ? app_ctl_time(d->next_wall_ms) : json_null()));
    return json_array_size(w->list) < 200;
}

/* Of an O/R address: the connectors that its route names, in order. */
static void
add_why_route(const struct app *a, struct why_destination *w)
{
    struct or_address address;
    struct or_error error;
    char text[OR_ADDRESS_TEXT_BYTES_MAX];
    struct route r;

    if (or_address_parse(w->name, &address, &error) < 0 ||
        or_address_text(&address, OR_TEXT_SLASH, text, sizeof(text)) < 0 ||
        app_routes_find(a->routes, slice_of(text), OR_ROUTE_NO_CONNECTOR, NULL, &r) < 0) {
        return;
    }
    for (size_t i = 0; i < r.via_count; i++) {
        w->name = slice_of(a->conf->connectors[r.via[i]].name);
        sched_each_destination(a->sched, add_why_destination, w);
    }
}

/* ID, O/R ADDRESS or DESTINATION: what is no message's id is the name of a destination or of a
 * connector. */
void
app_ctl_why(void *ctx, struct ctl_request *rq, const json_t *args)
{
    const struct app *a = ctx;
    const char *text = json_string_value(json_object_get(args, "id"));
    struct why_destination w = { slice_of(text), NULL };
    const struct queue_message *m = NULL;
    msg_id id;

    if (!app_ctl_need_queue(a, rq)) {
        return;
    }
    if (slice_hex_u64(w.name, &id) == 0) {
        m = queue_find(a->queue, id);
    }
    if (m != NULL) {
        ctl_reply(rq, 0, json_pack("{s:o}", "items", why_message(a, m)));
        return;
    }
    w.list = json_array();
    if (app_route_is_space(w.name)) {
        add_why_route(a, &w);
    } else {
        sched_each_destination(a->sched, add_why_destination, &w);
    }
    if (json_array_size(w.list) == 0) {
        json_decref(w.list);
        ctl_fail(rq, BRIDGEHEAD_EXIT_NOT_FOUND, 0,
            "neither a message in the queue nor a destination with mail has this name",
            "bridgehead queue list and bridgehead connector show NAME list them; what was "
            "delivered is in the log.");
        return;
    }
    ctl_reply(rq, 0, json_pack("{s:o}", "items", w.list));
}

/* ---- changing */

typedef int change_fn(struct app *a, struct queue_message *m);

static int
do_hold(struct app *a, struct queue_message *m)
{
    return sched_hold(a->sched, m, true);
}

static int
do_release(struct app *a, struct queue_message *m)
{
    return sched_hold(a->sched, m, false);
}

static int
do_retry(struct app *a, struct queue_message *m)
{
    return sched_retry(a->sched, m);
}

static int
do_bounce(struct app *a, struct queue_message *m)
{
    return sched_bounce(a->sched, m);
}

static int
do_remove(struct app *a, struct queue_message *m)
{
    return sched_drop(a->sched, m);
}

/* A change that waits for the journal before it is reported. */
struct pending {
    struct ctl_request *rq;
    json_t *body;
    int status;
};

static void
on_durable(void *ctx, int status)
{
    struct pending *p = ctx;

    if (status < 0) {
        json_decref(p->body);
        ctl_fail(p->rq, BRIDGEHEAD_EXIT_WRITE_FAILED, 0, error_text(status),
            "The store failed; the cluster moves the resource.");
    } else {
        ctl_reply(p->rq, p->status, p->body);
    }
    free(p);
}

void
app_ctl_reply_durable(struct app *a, struct ctl_request *rq, int status, json_t *body)
{
    struct pending *p = calloc(1, sizeof(*p));
    int rc = -ENOMEM;

    if (p != NULL) {
        *p = (struct pending){ rq, body, status };
        rc = queue_sync(a->queue, on_durable, p);
    }
    if (rc < 0) {
        free(p);
        json_decref(body);
        ctl_fail(rq, app_exit_code(rc), 0, error_text(rc), "Ask again.");
    }
}

static void
change(struct app *a, struct ctl_request *rq, const json_t *args, change_fn *run, bool destructive)
{
    struct queue_message *m;
    struct selection w;
    json_t *body;
    json_int_t changed = 0;
    unsigned failed = 0;

    if (!begin(&w, a, rq, args)) {
        return;
    }
    if (!selection_named(&w)) {
        ctl_fail(rq, BRIDGEHEAD_EXIT_USAGE, 0, "no message is named", "Give ids or --selector.");
        return;
    }
    if (destructive && !selection_by_ids(&w) && !json_is_true(json_object_get(args, "yes"))) {
        ctl_fail(rq, BRIDGEHEAD_EXIT_USAGE, 0, "this ends messages by selector",
            "Look at them with queue list, then add --yes.");
        return;
    }
    while ((m = selection_next(&w)) != NULL) {
        if (run(a, m) < 0) {
            failed++;
        } else {
            changed++;
        }
    }
    body = json_pack(
        "{s:I,s:i,s:i}", "changed", changed, "not_found", (int)w.unknown, "failed", (int)failed);
    selection_add_cursor(&w, body);
    app_ctl_reply_durable(a, rq,
        failed > 0      ? BRIDGEHEAD_EXIT_FAILED
        : w.unknown > 0 ? BRIDGEHEAD_EXIT_NOT_FOUND
                        : 0,
        body);
}

void
app_ctl_queue_hold(void *ctx, struct ctl_request *rq, const json_t *args)
{
    change(ctx, rq, args, do_hold, false);
}

void
app_ctl_queue_release(void *ctx, struct ctl_request *rq, const json_t *args)
{
    change(ctx, rq, args, do_release, false);
}

void
app_ctl_queue_retry(void *ctx, struct ctl_request *rq, const json_t *args)
{
    change(ctx, rq, args, do_retry, false);
}

void
app_ctl_queue_bounce(void *ctx, struct ctl_request *rq, const json_t *args)
{
    change(ctx, rq, args, do_bounce, true);
}

void
app_ctl_queue_remove(void *ctx, struct ctl_request *rq, const json_t *args)
{
    change(ctx, rq, args, do_remove, true);
}

/* ---- content, for export: a piece at a time, from an offset on. Each question opens the message
 * anew and seeks, so nothing is held between questions; a piece is CHUNK_B64 of base64 at most. */

struct content {
    struct app *a;
    struct ctl_request *rq;
    struct queue_reader *reader;
    uint64_t skip;
};

static json_t *
base64(struct slice s)
{
    char *out = malloc(base64_bytes(s.n) + 1);
    json_t *text;

    if (out == NULL) {
        return NULL;
    }
    base64_encode(s, out);
    text = json_stringn(out, base64_bytes(s.n));
    free(out);
    return text;
}

static void
content_step(void *ctx)
{
    struct content *c = ctx;
    struct slice piece;
    int n;

    while ((n = queue_reader_next(c->reader, &piece, content_step, c)) > 0) {
        if (c->skip < piece.n) {
            struct slice part = slice_sub(piece, (size_t)c->skip, CHUNK_B64 / 4 * 3);

            ctl_reply(
                c->rq, 0, json_pack("{s:o,s:i}", "base64", base64(part), "bytes", (int)part.n));
            break;
        }
        c->skip -= piece.n;
    }
    if (n == BH_EBUSY) {
        return;
    }
    if (n == 0) {
        ctl_reply(c->rq, 0, json_pack("{s:s,s:i}", "base64", "", "bytes", 0));
    } else if (n < 0) {
        ctl_fail(c->rq, app_exit_code(n), 0, error_text(n),
            "bridgehead store check tells what is damaged.");
    }
    queue_reader_close(c->reader);
    free(c);
}

void
app_ctl_queue_content(void *ctx, struct ctl_request *rq, const json_t *args)
{
    struct app *a = ctx;
    const struct queue_message *m = find_one(a, rq, args);
    struct content *c;
    int rc = -ENOMEM;

    if (m == NULL) {
        return;
    }
    c = calloc(1, sizeof(*c));
    if (c != NULL) {
        *c = (struct content){ .a = a, .rq = rq };
        rc = queue_reader_open(a->queue, m, &c->reader);
    }
    if (rc == 0) {
        c->skip = queue_reader_seek(
            c->reader, (uint64_t)json_integer_value(json_object_get(args, "offset")));
    }
    if (rc < 0) {
        free(c);
        ctl_fail(rq, app_exit_code(rc), 0, error_text(rc), "Ask again.");
        return;
    }
    content_step(c);
}
