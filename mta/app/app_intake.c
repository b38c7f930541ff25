/* app/app_intake.c - mail/intake.h on the queue: relay control and routing for a recipient, the
 * journal for a message. */
#include "app/app_state.h"
#include "app/app_x400.h"
#include "core/log.h"
#include "core/ticks.h"
#include "mail/address.h"
#include <stdio.h>
#include <stdlib.h>

/* An intake_message is a queue_intake and what the commit needs besides. */
struct intake_message {
    struct app *app;
    struct queue_intake *in;
};

static bool
is_local_postmaster(const struct app *a, const struct address *rcpt)
{
    return address_is_postmaster(rcpt) &&
           (rcpt->domain.n == 0 || slice_ieq(rcpt->domain, slice_of(a->conf->hostname)));
}

/* Where mail for our postmaster goes (RFC 5321 section 4.5.1: it is always accepted). */
static struct slice
postmaster_of(const struct app *a, char out[320])
{
    struct slice configured = route_postmaster(a->routes->domains);

    if (configured.n > 0) {
        return configured;
    }
    (void)snprintf(out, 320, "postmaster@%s", a->conf->hostname);
    return slice_of(out);
}

/* "user%elsewhere@here", "elsewhere!user@here", "\"user@elsewhere\"@here": a route that the sender
 * wants the next host to follow. That host trusts us, so what we hand on for strangers would make
 * it an open relay through us; it is for our own clients only. */
static bool
has_route_in_local(const struct address *rcpt)
{
    return slice_find(rcpt->local, '%') < rcpt->local.n ||
           slice_find(rcpt->local, '!') < rcpt->local.n ||
           slice_find(rcpt->local, '@') < rcpt->local.n;
}

static struct intake_verdict
on_recipient(
    void *ctx, const struct intake_client *client, struct slice sender, struct slice recipient)
{
    struct app *a = ctx;
    struct address rcpt;

    (void)sender;
    if (client->connector.n > 0) {
        struct intake_verdict v = app_routes_permit(
            a->routes, recipient, app_connector_index(a->conf, client->connector));

        if (v.code == 550) {
            log_event(EV_ROUTE_NONE, LF_SLICE("rcpt", recipient));
        }
        return v;
    }
    if (slice_ieq(recipient, SLICE_LIT("postmaster"))) {
        return (struct intake_verdict){ 250, "2.1.5", "Recipient ok" };
    }
    if (address_parse(recipient, &rcpt) < 0) {
        return (struct intake_verdict){ 553, "5.1.3", "Recipient address is not valid" };
    }
    if (is_local_postmaster(a, &rcpt)) {
        return (struct intake_verdict){ 250, "2.1.5", "Recipient ok" };
    }
    if (!route_permits(a->routes->domains, &client->address, rcpt.domain)) {
        return (struct intake_verdict){ 550, "5.7.1", "Relaying denied" };
    }
    if (has_route_in_local(&rcpt) &&
        !route_permits(a->routes->domains, &client->address, SLICE_NONE)) {
        return (struct intake_verdict){ 550, "5.7.1", "Relaying denied: a route in the address" };
    }
    if (route_find(a->routes->domains, rcpt.domain) == NULL) {
        log_event(EV_ROUTE_NONE, LF_SLICE("rcpt", recipient));
        return (struct intake_verdict){ 451, "4.3.5", "No route to this domain is configured" };
    }
    return (struct intake_verdict){ 250, "2.1.5", "Recipient ok" };
}

/* Told at once, and shown until so much would have room (app.c looks once a second). Without the
 * reserve in use nothing else tells of it. */
static void
found_no_room(struct app *a, uint64_t size_bytes)
{
    struct queue_stats s;
    bool first;

    if (a->facts.reserve_in_use || size_bytes <= a->refused_bytes) {
        return;
    }
    first = a->refused_bytes == 0;
    a->refused_bytes = size_bytes;
    if (first) {
        queue_stats(a->queue, &s);
        log_event(EV_QUEUE_NO_ROOM, LF_UINT("size", size_bytes), LF_UINT("free", s.free_bytes));
        app_update_role(a);
    }
}

static int
on_ready(void *ctx, uint64_t size_bytes)
{
    struct app *a = ctx;
    int rc;

    if (a->queue == NULL || !a->role.may_accept) {
        return BH_ESTATE;
    }
    rc = queue_ready(a->queue, size_bytes);
    if (rc == -ENOSPC) {
        found_no_room(a, size_bytes);
    }
    return rc;
}

/* Only who may relay through us: memory is kept for each transaction. */
static bool
on_checkpoint(void *ctx, const struct intake_client *client)
{
    const struct app *a = ctx;

    for (size_t i = 0; i < a->conf->listener_count; i++) {
        if (slice_eq(client->listener, slice_of(a->conf->listeners[i].name))) {
            return a->conf->listeners[i].checkpoint &&
                   route_permits(a->routes->domains, &client->address, SLICE_NONE);
        }
    }
    return false;
}

static int
on_known(void *ctx, struct slice transid, struct intake_known *out)
{
    struct app *a = ctx;

    if (a->queue == NULL) {
        return BH_ESTATE;
    }
    if (!queue_is_loaded(a->queue)) {
        return -EAGAIN;
    }
    switch (queue_transaction_find(a->queue, transid, &out->id, &out->size_bytes)) {
    case TRANSACTION_NEW:
        return 0;
    case TRANSACTION_BUSY:
        return BH_EBUSY;
    case TRANSACTION_DONE:
        return 1;
    }
    return 0;
}

static bool names_postmaster(const struct app *a, struct slice text);

static bool
on_known_for(void *ctx, struct slice transid, struct slice recipient)
{
    struct app *a = ctx;
    char text[320];

    if (names_postmaster(a, recipient)) {
        recipient = postmaster_of(a, text); /* as on_commit wrote it down */
    }
    return a->queue != NULL && queue_transaction_has(a->queue, transid, recipient);
}

static void
on_settled(void *ctx, struct slice transid)
{
    struct app *a = ctx;

    if (a->queue != NULL) {
        queue_transaction_settled(a->queue, transid);
    }
}

/* May one come in now, and is there memory for it? Its queue_intake is the caller's to begin. */
static int
message_new(struct app *a, struct intake_message **out)
{
    int rc = on_ready(a, 0);

    if (rc < 0) {
        return rc;
    }
    *out = malloc(sizeof(**out));
    if (*out == NULL) {
        return -ENOMEM;
    }
    (*out)->app = a;
    return 0;
}

static int
begun(struct intake_message *m, int rc, struct intake_message **out)
{
    if (rc < 0) {
        free(m);
        return rc;
    }
    *out = m;
    return 0;
}

static int
on_open(void *ctx, intake_resume_fn *resume, void *resume_ctx, struct intake_message **out,
    uint64_t *id)
{
    struct app *a = ctx;
    struct intake_message *m;
    int rc = message_new(a, &m);

    return rc < 0 ? rc : begun(m, queue_begin(a->queue, resume, resume_ctx, &m->in, id), out);
}

static int
on_write(struct intake_message *m, struct slice bytes)
{
    return queue_append(m->in, bytes);
}

static void
on_abort(struct intake_message *m)
{
    queue_abort(m->in);
    free(m);
}

static bool
names_postmaster(const struct app *a, struct slice text)
{
    struct address rcpt;

    return slice_ieq(text, SLICE_LIT("postmaster")) ||
           (address_parse(text, &rcpt) == 0 && is_local_postmaster(a, &rcpt));
}

/* The rare envelope with a local postmaster in it gets the address that it is delivered to. */
static int
commit_for_postmaster(
    struct intake_message *m, const struct envelope *e, intake_commit_fn *cb, void *ctx)
{
    struct envelope_recipient *list = calloc(e->recipient_count, sizeof(*list));
    struct envelope copy = *e;
    char text[320];
    int rc;

    if (list == NULL) {
        queue_abort(m->in);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < e->recipient_count; i++) {
        list[i] = e->recipients[i];
        if (names_postmaster(m->app, list[i].address)) {
            list[i].address = postmaster_of(m->app, text);
        }
    }
    copy.recipients = list;
    rc = queue_commit(m->in, &copy, cb, ctx);
    free(list);
    return rc;
}

static int
on_commit(struct intake_message *m, const struct envelope *e, intake_commit_fn *cb, void *ctx)
{
    struct slice host = slice_of(m->app->conf->hostname);
    bool postmaster = false;
    int rc;

    for (uint32_t i = 0; i < e->recipient_count && !postmaster; i++) {
        struct slice address = e->recipients[i].address;

        /* cheap test first: nearly no mail is for our own postmaster */
        postmaster =
            address.n == 10 || (slice_iends(address, host) && names_postmaster(m->app, address));
    }
    rc = postmaster ? commit_for_postmaster(m, e, cb, ctx) : queue_commit(m->in, e, cb, ctx);
    free(m);
    return rc;
}

static void
on_forget(void *ctx, intake_commit_fn *cb, void *cb_ctx)
{
    struct app *a = ctx;

    queue_forget(a->queue, cb, cb_ctx);
}

/* ---- parts */

static int
on_secure(
    struct intake_message *m, struct slice key, struct slice state, intake_commit_fn *cb, void *ctx)
{
    return queue_secure(m->in, key, state, cb, ctx);
}

static void
on_suspend(struct intake_message *m)
{
    queue_suspend(m->in);
    free(m);
}

static int
on_part(void *ctx, uint64_t after, struct intake_part *out)
{
    const struct app *a = ctx;
    const struct queue_message *m;

    if (a->queue == NULL || !queue_parts_known(a->queue)) {
        return -EAGAIN;
    }
    m = queue_part_after(a->queue, after);
    if (m == NULL) {
        return 0;
    }
    *out = (struct intake_part){ m->id, m->size_bytes, m->sender, m->envid };
    return 1;
}

static int
on_reopen(
    void *ctx, uint64_t id, intake_resume_fn *resume, void *resume_ctx, struct intake_message **out)
{
    struct app *a = ctx;
    struct intake_message *m;
    int rc = message_new(a, &m);

    return rc < 0 ? rc : begun(m, queue_reopen(a->queue, id, resume, resume_ctx, &m->in), out);
}

static void
on_drop(void *ctx, uint64_t id)
{
    struct app *a = ctx;

    if (a->queue != NULL) {
        queue_part_drop(a->queue, id);
    }
}

struct intake
app_intake(struct app *a)
{
    static const struct intake_ops ops = { on_recipient, on_ready, on_checkpoint, on_known,
        on_known_for, on_settled, on_open, on_write, on_commit, on_abort, on_forget, on_secure,
        on_suspend, on_part, on_reopen, on_drop };

    return (struct intake){ &ops, a };
}

struct or_route
app_x400_route(void *ctx, const struct x400_way *way)
{
    struct app *a = ctx;
    struct or_route r = app_x400_way(a->conf, a->routes, way);

    if (r.verdict == OR_ROUTE_NONE) {
        log_event(EV_ROUTE_NONE, LF_SLICE("rcpt", way->text));
    }
    return r;
}

bool
app_route(void *ctx, const struct queue_message *m, struct slice recipient, uint16_t *via,
    uint8_t *via_count)
{
    struct app *a = ctx;
    uint16_t came_by = OR_ROUTE_NO_CONNECTOR;
    struct x400_past past = { .count = 0 };
    struct route r;

    /* Not back where it came from, nor to whom its trace names. */
    if (envelope_body_is_p1(m->body)) {
        came_by = app_connector_index(a->conf, x400_came_by(m->client));
        x400_past_read(m->envid, &past);
    }
    if (app_routes_find(a->routes, recipient, came_by, &past, &r) < 0) {
        return false;
    }
    memcpy(via, r.via, r.via_count * sizeof(*via));
    *via_count = r.via_count;
    return true;
}

static void
notify_done(void *ctx, int status)
{
    (void)ctx;
    (void)status; /* a failed sync ends the process; the recipient's failure is recorded after the
                     notice, so nothing is lost */
}

int
app_queue_notice(struct app *a, enum envelope_body body, struct slice to, struct slice content)
{
    struct envelope_recipient rcpt = { .address = to, .notify = ENVELOPE_NOTIFY_NEVER };
    struct envelope e = { .sender = SLICE_LIT(""),
        .body = (uint8_t)body,
        .received_wall_ms = ticks_wall_ms(),
        .client = SLICE_LIT("local"),
        .recipient_count = 1,
        .recipients = &rcpt };
    struct queue_intake *in;
    msg_id id;
    int rc = queue_begin(a->queue, NULL, NULL, &in, &id);

    if (rc < 0) {
        return rc;
    }
    rc = queue_append(in, content);
    if (rc < 0) {
        queue_abort(in);
        return rc;
    }
    return queue_commit(in, &e, notify_done, NULL);
}

int
app_notify(void *ctx, struct slice to, struct slice content)
{
    return app_queue_notice(ctx, ENVELOPE_BODY_7BIT, to, content);
}
