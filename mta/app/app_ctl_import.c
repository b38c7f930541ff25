/* app/app_ctl_import.c - queue import: a message that was exported, or set aside by a store repair,
 * comes back. It takes several questions (envelope, recipients, content in pieces, commit), between
 * which the message in the making waits here: a few at a time, and not for long.
 *
 * Durable when the commit is answered. A message of an earlier epoch of this store gets its old id
 * again, so that it cannot be in the queue twice; else what was imported as what is remembered for
 * the life of the process.
 */
#include "app/app_ctl.h"
#include "core/base64.h"
#include "core/crc32c.h"
#include "core/id.h"
#include "core/ticks.h"
#include "mail/address.h"
#include <stdio.h>
#include <stdlib.h>

#define IMPORTS_MAX 8
#define IDLE_MAX_MS 60000 /* the command asks its next question at once */
#define DONE_MAX    1024  /* of this process's imports whose old ids are remembered */
#define FIELD_MAX   1000
#define PIECE_MAX   (128 * 1024)

struct import {
    struct app_imports *of; /* NULL: free */
    struct queue_intake *in;
    struct ctl_request *waits; /* for room in the journal, or for the commit */
    msg_id id, origin;
    json_t *envelope; /* of the request: the strings stay where they are */
    struct envelope_recipient *recipients;
    json_t *texts; /* the recipients' strings */
    uint32_t count, handle, crc;
    uint64_t bytes, used_ms;
    bool held, committed;
};
struct done {
    msg_id origin, id;
};
struct app_imports {
    struct app *app;
    struct import list[IMPORTS_MAX];
    uint32_t last_handle;
    struct done done[DONE_MAX];
    uint32_t done_count;
};

static void
refuse(struct ctl_request *rq, const char *message, const char *cure)
{
    ctl_fail(rq, BRIDGEHEAD_EXIT_FAILED, 0, message, cure);
}

static void
failed(struct ctl_request *rq, int rc)
{
    ctl_fail(rq, app_exit_code(rc), 0, error_text(rc),
        rc == -ENOSPC ? "Make room on the store's filesystem, then import again."
                      : "Nothing was imported; look at bridgehead status and import again.");
}

static void
forget(struct import *im)
{
    queue_abort(im->in);
    json_decref(im->envelope);
    json_decref(im->texts);
    free(im->recipients);
    *im = (struct import){ .of = NULL };
}

void
app_imports_abort(struct app *a)
{
    for (size_t i = 0; a->imports != NULL && i < IMPORTS_MAX; i++) {
        struct import *im = &a->imports->list[i];

        if (im->of == NULL || im->committed) {
            continue; /* the queue tells a commit's end */
        }
        if (im->waits != NULL) {
            refuse(im->waits, "the daemon is stopping", "Import again where the instance runs.");
        }
        forget(im);
    }
}

/* ---- one import */

/* Is the message with this id being imported? Then the queue does not have it yet. */
static bool
comes_in(const struct app_imports *is, msg_id id)
{
    for (size_t i = 0; i < IMPORTS_MAX; i++) {
        if (is->list[i].of != NULL && is->list[i].id == id) {
            return true;
        }
    }
    return false;
}

static struct import *
find_free(struct app *a)
{
    uint64_t now = ticks_ms();

    if (a->imports == NULL) {
        a->imports = calloc(1, sizeof(*a->imports));
        if (a->imports == NULL) {
            return NULL;
        }
        a->imports->app = a;
    }
    for (size_t i = 0; i < IMPORTS_MAX; i++) {
        struct import *im = &a->imports->list[i];

        if (im->of != NULL && im->waits == NULL && now - im->used_ms > IDLE_MAX_MS) {
            forget(im); /* its command is gone */
        }
        if (im->of == NULL) {
            return im;
        }
    }
    return NULL;
}

static struct import *
find(struct app *a, struct ctl_request *rq, const json_t *args)
{
    json_int_t handle = json_integer_value(json_object_get(args, "import"));

    if (!app_ctl_need_queue(a, rq)) {
        return NULL;
    }
    for (size_t i = 0; a->imports != NULL && handle > 0 && i < IMPORTS_MAX; i++) {
        struct import *im = &a->imports->list[i];

        if (im->of != NULL && im->handle == handle && im->waits == NULL) {
            im->used_ms = ticks_ms();
            return im;
        }
    }
    refuse(rq, "there is no such import (any more)", "Import the file again.");
    return NULL;
}

static void
on_resume(void *ctx)
{
    struct import *im = ctx;
    struct ctl_request *rq = im->waits;

    if (rq != NULL && !im->committed) {
        im->waits = NULL;
        ctl_reply(rq, 0, json_pack("{s:I}", "bytes", (json_int_t)im->bytes));
    }
}

/* The same message in the queue, or on its way there; 0: it is not. */
static msg_id
already_here(const struct app *a, msg_id origin)
{
    const struct app_imports *is = a->imports;

    if (origin == 0) {
        return 0;
    }
    if (queue_find(a->queue, origin) != NULL) {
        return origin;
    }
    for (size_t i = 0; is != NULL && i < IMPORTS_MAX; i++) {
        if (is->list[i].of != NULL && is->list[i].origin == origin) {
            return is->list[i].id;
        }
    }
    for (uint32_t i = 0; is != NULL && i < is->done_count; i++) {
        if (is->done[i].origin == origin && queue_find(a->queue, is->done[i].id) != NULL) {
            return is->done[i].id;
        }
    }
    return 0;
}

/* 0: of another store, or none. */
static msg_id
origin_of(const struct app *a, const json_t *envelope)
{
    const char *id = json_string_value(json_object_get(envelope, "id"));
    const char *store = json_string_value(json_object_get(envelope, "store"));
    char uuid[37];
    msg_id origin;

    queue_store_uuid(a->queue, uuid);
    return id != NULL && store != NULL && strcmp(store, uuid) == 0 &&
                   slice_hex_u64(slice_of(id), &origin) == 0
               ? origin
               : 0;
}

static bool
text_fits(const json_t *envelope, const char *key)
{
    const json_t *value = json_object_get(envelope, key);

    return value == NULL || json_is_null(value) ||
           (json_is_string(value) && json_string_length(value) <= FIELD_MAX);
}

static struct slice
text_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return (struct slice){ json_string_value(value), json_string_length(value) };
}

/* What came by X.400 is from O/R addresses to O/R addresses, and nothing else is. */
static bool
is_address(const json_t *envelope, struct slice text)
{
    struct address address;
    struct or_address name;
    struct or_error error;

    if (envelope_body_is_p1((uint8_t)envelope_body_of(text_of(envelope, "body")))) {
        return app_route_is_or(text) && or_address_parse(text, &name, &error) == 0;
    }
    return address_parse(text, &address) == 0;
}

static const char *
envelope_fault(const json_t *e)
{
    struct slice sender = text_of(e, "sender");

    if (!json_is_object(e) || !json_is_string(json_object_get(e, "sender"))) {
        return "the envelope has no sender";
    }
    if (sender.n > 0 && !is_address(e, sender)) {
        return app_route_is_or(sender)
                   ? "an O/R address is the sender only of what came by X.400, with its envelope"
                   : "the envelope's sender is no address";
    }
    return text_fits(e, "envid") && text_fits(e, "client") && text_fits(e, "body")
               ? NULL
               : "a field of the envelope is no text, or too long";
}

void
app_ctl_import_open(void *ctx, struct ctl_request *rq, const json_t *args)
{
    struct app *a = ctx;
    const json_t *envelope = json_object_get(args, "envelope");
    const char *fault = envelope_fault(envelope);
    struct import *im;
    msg_id origin, there;
    char text[128], id[ID_TEXT_CAP];
    int rc;

    if (!app_ctl_need_queue(a, rq)) {
        return;
    }
    if (fault != NULL) {
        refuse(rq, fault,
            "The file is damaged, or none that queue export or store repair wrote. bridgehead x400 "
            "send makes a new X.400 message.");
        return;
    }
    origin = origin_of(a, envelope);
    there = json_is_true(json_object_get(args, "force")) ? 0 : already_here(a, origin);
    if (there != 0) {
        (void)snprintf(
            text, sizeof(text), "the message is still in the queue, as %s", id_text(there, id));
        refuse(rq, text, "Remove that one first, or add --force to have it twice.");
        return;
    }
    im = find_free(a);
    rc = im == NULL ? BH_EBUSY : queue_begin(a->queue, on_resume, im, &im->in, &im->id);
    if (rc < 0) {
        failed(rq, rc);
        return;
    }
    im->of = a->imports;
    im->handle = ++a->imports->last_handle;
    im->origin = origin;
    im->used_ms = ticks_ms();
    im->held = json_is_true(json_object_get(args, "hold"));
    im->envelope = json_deep_copy(envelope);
    im->texts = json_array();
    if (!comes_in(a->imports, origin) && queue_intake_again(im->in, origin)) {
        im->id = origin;
    }
    ctl_reply(
        rq, 0, json_pack("{s:I,s:s}", "import", (json_int_t)im->handle, "id", id_text(im->id, id)));
}

static bool
add_recipient(struct import *im, json_t *r)
{
    struct slice address = text_of(r, "address"), orcpt = text_of(r, "orcpt");
    json_int_t notify = json_integer_value(json_object_get(r, "notify"));

    if (address.p == NULL || !is_address(im->envelope, address) || orcpt.n > FIELD_MAX ||
        notify < 0 || notify > UINT8_MAX || im->count == ENVELOPE_RECIPIENTS_MAX) {
        return false;
    }
    (void)json_array_append(im->texts, r);
    im->recipients[im->count++] = (struct envelope_recipient){ address, orcpt, (uint8_t)notify };
    return true;
}

void
app_ctl_import_recipients(void *ctx, struct ctl_request *rq, const json_t *args)
{
    struct import *im = find(ctx, rq, args);
    json_t *list = json_object_get(args, "recipients");
    struct envelope_recipient *grown;
    size_t i;
    json_t *r;

    if (im == NULL) {
        return;
    }
    grown = realloc(im->recipients, (im->count + json_array_size(list) + 1) * sizeof(*grown));
    if (grown == NULL) {
        forget(im);
        failed(rq, -ENOMEM);
        return;
    }
    im->recipients = grown;
    list = json_deep_copy(list); /* what args holds goes with the answer */
    json_array_foreach(list, i, r)
    {
        if (!add_recipient(im, r)) {
            json_decref(list);
            forget(im);
            refuse(rq, "a recipient of the envelope is no address, or one too many",
                "Give --recipient LOCAL@DOMAIN; or the envelope file is damaged, or none that "
                "queue export or store repair wrote.");
            return;
        }
    }
    json_decref(list); /* texts holds each of them */
    ctl_reply(rq, 0, json_pack("{s:I}", "recipients", (json_int_t)im->count));
}

void
app_ctl_import_data(void *ctx, struct ctl_request *rq, const json_t *args)
{
    struct import *im = find(ctx, rq, args);
    const char *text = json_string_value(json_object_get(args, "base64"));
    char *bytes;
    ssize_t n = -1;
    int rc;

    if (im == NULL) {
        return;
    }
    bytes = malloc(PIECE_MAX);
    if (bytes != NULL && text != NULL) {
        n = base64_decode(slice_of(text), bytes, PIECE_MAX);
    }
    if (n < 0) {
        free(bytes);
        forget(im);
        refuse(rq, "a piece of content cannot be decoded",
            "Use the bridgehead command of the daemon's version.");
        return;
    }
    im->crc = crc32c(im->crc, bytes, (size_t)n);
    im->bytes += (uint64_t)n;
    rc = queue_append(im->in, (struct slice){ bytes, (size_t)n });
    free(bytes);
    if (rc < 0) {
        forget(im);
        failed(rq, rc);
    } else if (rc > 0) {
        im->waits = rq;
    } else {
        ctl_reply(rq, 0, json_pack("{s:I}", "bytes", (json_int_t)im->bytes));
    }
}

/* ---- commit */

static void
remember(struct app_imports *is, msg_id origin, msg_id id)
{
    if (origin != 0 && origin != id) {
        is->done[is->done_count % DONE_MAX] = (struct done){ origin, id };
        is->done_count = MIN(is->done_count + 1, (uint32_t)DONE_MAX);
    }
}

static void
on_committed(void *ctx, int status)
{
    struct import *im = ctx;
    struct app *a = im->of->app;
    struct ctl_request *rq = im->waits;
    struct queue_message *m = status == 0 ? queue_find(a->queue, im->id) : NULL;
    char id[ID_TEXT_CAP];

    id_text(im->id, id);
    if (status == 0) {
        remember(im->of, im->origin, im->id);
    }
    if (m != NULL && im->held) { /* before anybody schedules it */
        status = queue_set_held(a->queue, m, HOLD_OPERATOR);
    }
    if (status < 0) {
        failed(rq, status);
    } else if (im->held) {
        app_ctl_reply_durable(a, rq, 0, json_pack("{s:s,s:b}", "id", id, "held", 1));
    } else {
        ctl_reply(rq, 0, json_pack("{s:s,s:b}", "id", id, "held", 0));
    }
    forget(im);
}

static struct envelope
envelope_of(const struct import *im)
{
    const json_t *e = im->envelope;
    json_int_t hops = json_integer_value(json_object_get(e, "hops"));
    json_int_t received = json_integer_value(json_object_get(e, "received_ms"));

    return (struct envelope){
        .sender = text_of(e, "sender"),
        .envid = text_of(e, "envid"),
        .body = (uint8_t)envelope_body_of(text_of(e, "body")),
        .hops = (uint8_t)(hops >= 0 && hops <= UINT8_MAX ? hops : 0),
        .received_wall_ms = received > 0 ? (uint64_t)received : ticks_wall_ms(),
        .client = text_of(e, "client").n > 0 ? text_of(e, "client") : SLICE_LIT("import"),
        .recipient_count = im->count,
        .recipients = im->recipients,
    };
}

void
app_ctl_import_commit(void *ctx, struct ctl_request *rq, const json_t *args)
{
    struct import *im = find(ctx, rq, args);
    struct envelope e;
    struct queue_intake *in;
    int rc;

    if (im == NULL) {
        return;
    }
    if (im->count == 0 ||
        json_integer_value(json_object_get(args, "size")) != (json_int_t)im->bytes ||
        json_integer_value(json_object_get(args, "crc32c")) != (json_int_t)im->crc) {
        forget(im);
        refuse(rq, "the import is not complete", "Import the file again.");
        return;
    }
    e = envelope_of(im);
    in = im->in;
    im->in = NULL; /* the queue's from now on */
    im->waits = rq;
    im->committed = true;
    rc = queue_commit(in, &e, on_committed, im);
    if (rc < 0) {
        forget(im);
        failed(rq, rc);
    }
}

void
app_ctl_import_abort(void *ctx, struct ctl_request *rq, const json_t *args)
{
    struct import *im = find(ctx, rq, args);

    if (im != NULL) {
        forget(im);
        ctl_reply(rq, 0, json_object());
    }
}
