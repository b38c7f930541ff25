/* smtp_out_find.c - from a destination to a connection: next hops or MX, addresses, connect.
 *
 * Candidates are tried one after another until one is connected; the session comes back for the
 * next (smtp_out_find_next) when it turns out to be of no use. The search as a whole has a
 * deadline of FIND_CANDIDATES candidates that take their full time.
 */
#include "core/log.h"
#include "smtp/smtp_out_session.h"

#include <stdio.h>
#include <stdlib.h>

#define FIND_CANDIDATES 2

static void find_next(struct transport_session *t);

static struct transport_result
deferred(const char *status, const char *text)
{
    return (struct transport_result){
        .kind = OUTCOME_DEFERRED, .status = slice_of(status), .reply = slice_of(text)
    };
}

/* A candidate failed. Of all that fail the last DEFERRED one is the session's result; FAILED only
 * if every candidate says so. */
static void
note(struct transport_session *t, const struct transport_result *r)
{
    size_t n = MIN(r->reply.n, sizeof(t->last_text));

    if (t->has_last && t->last.kind == OUTCOME_DEFERRED && r->kind == OUTCOME_FAILED) {
        return;
    }
    t->has_last = true;
    memcpy(t->last_text, n > 0 ? r->reply.p : "", n);
    if (slice_copy(r->status, t->last_status, sizeof(t->last_status)) < 0) {
        t->last_status[0] = '\0';
    }
    memcpy(t->last_remote, t->remote, sizeof(t->last_remote));
    t->last = *r;
    t->last.reply = (struct slice){ t->last_text, n };
    t->last.status = slice_of(t->last_status);
    t->last.remote = slice_of(t->last_remote);
    memcpy(t->last_source, t->source, sizeof(t->last_source));
    t->last.source = slice_of(t->last_source);
}

void
smtp_out_find_cancel(struct transport_session *t)
{
    if (t->query != NULL) {
        resolver_cancel(t->query);
        t->query = NULL;
    }
    if (t->attempt != NULL) {
        egress_cancel(t->attempt);
        t->attempt = NULL;
    }
}

/* ---- finding a host */

static void
note_failure(struct transport_session *t, int rc)
{
    char text[SMTP_CLIENT_TEXT_CAP];
    int n = snprintf(text, sizeof(text), "connect to %s: %s", t->remote, error_text(rc));
    struct transport_result r = deferred("4.4.1", n > 0 ? text : "connect failed");

    log_event(EV_SMTP_OUT_CONNECT_FAILED, LF_STR("connector", t->conf->o.connector),
        LF_STR("destination", t->destination), LF_STR("remote", t->remote), LF_ERR("error", rc));
    note(t, &r);
}

static void
find_on_connected(void *ctx, int status, struct conn *c)
{
    struct transport_session *t = ctx;

    t->attempt = NULL;
    if (status < 0) {
        note_failure(t, status);
        if (status == BH_EQUORUM || status == BH_EFENCED) {
            smtp_out_session_end(t, &t->last);
        } else {
            find_next(t);
        }
        return;
    }
    smtp_out_session_connected(t, c);
}

/* The next candidate. False: it failed at once. */
static bool
connect_next(struct transport_session *t)
{
    const struct smtp_out_options *o = &t->conf->o;
    unsigned index = t->hops->at++;
    int rc;

    smtp_hops_text(t->hops, index, t->remote);
    t->source[0] = '\0';
    rc = egress_connect(&t->attempt, t->out->egress, o->sources, o->source_count,
        &t->hops->list[index].address, o->connect_ms, smtp_out_session_user(), t, find_on_connected,
        t);
    if (rc < 0) {
        t->attempt = NULL;
        note_failure(t, rc);
        return false;
    }
    return true;
}

static void
note_host(struct transport_session *t, enum outcome_kind kind, int code, const char *status,
    const char *text, enum bridgehead_event event)
{
    struct transport_result r = { .kind = kind, .code = code };

    r.status = slice_of(status);
    r.reply = slice_of(text);
    t->remote[0] = t->source[0] = '\0';
    log_event(event, LF_STR("connector", t->conf->o.connector),
        LF_STR("destination", t->destination), LF_STR("why", text));
    note(t, &r);
}

static void
note_verdict(struct transport_session *t, enum smtp_hops_verdict v)
{
    switch (v) {
    case SMTP_HOPS_OK:
        break;
    case SMTP_HOPS_NULL_MX:
        note_host(t, OUTCOME_FAILED, 556, "5.1.10", "the domain accepts no mail (null MX)",
            EV_SMTP_OUT_NO_HOST);
        break;
    case SMTP_HOPS_SELF:
        note_host(t, OUTCOME_FAILED, 0, "5.4.6", "the mail would loop back to this instance",
            EV_SMTP_OUT_LOOP);
        break;
    case SMTP_HOPS_FAMILY:
        note_host(t, OUTCOME_DEFERRED, 0, "4.4.4",
            "no address of a family that a source address has", EV_SMTP_OUT_NO_HOST);
        break;
    }
}

/* A configured next hop that does not exist is a mistake in our configuration or in our DNS: its
 * mail waits. A recipient's domain that is none or does not exist is the sender's mistake. */
static void
note_dns(struct transport_session *t, int status)
{
    bool gone = status == BH_EDNS_NONE || status == BH_ESYNTAX;
    bool theirs = gone && t->conf->o.hop_count == 0;
    const char *derived = theirs ? "5.1.2" : gone ? "4.4.4" : "4.4.3";

    note_host(t, theirs ? OUTCOME_FAILED : OUTCOME_DEFERRED, 0, derived, error_text(status),
        EV_SMTP_OUT_NO_HOST);
}

static struct smtp_hops_self
self_of(const struct transport_session *t)
{
    const struct smtp_out_options *o = &t->conf->o;

    return (
        struct smtp_hops_self){ o->hostname, o->sources, o->vips, o->source_count, o->vip_count };
}

static void
find_on_answer(void *ctx, int status, const struct resolver_answer *answer)
{
    struct transport_session *t = ctx;
    const struct smtp_out_options *o = &t->conf->o;
    struct smtp_hops_self self = self_of(t);

    t->query = NULL;
    if (status < 0) {
        note_dns(t, status);
    } else {
        bool mx = o->hop_count == 0;
        uint16_t port = mx ? o->port : o->hops[t->lookups - 1].port;

        note_verdict(t, smtp_hops_fill(t->hops, answer, port, mx, &self));
    }
    find_next(t);
}

/* A destination that is an address: a single host, unless that is us. */
static void
take_literal(struct transport_session *t, const struct netaddr *address)
{
    struct smtp_hops_self self = self_of(t);

    if (smtp_hops_is_self(&self, address)) {
        note_verdict(t, SMTP_HOPS_SELF);
    } else {
        smtp_hops_one(t->hops, address);
    }
}

/* 1: hops has candidates, or the lookup failed at once (noted); 0: wait for find_on_answer. */
static int
lookup(struct transport_session *t, unsigned index)
{
    const struct smtp_out_options *o = &t->conf->o;
    struct slice destination = slice_of(t->destination);
    struct netaddr address;
    int rc;

    t->hops->count = t->hops->at = 0;
    if (o->hop_count > 0 && o->hops[index].address.family != 0) {
        smtp_hops_one(t->hops, &o->hops[index].address);
        return 1;
    }
    if (o->hop_count > 0) {
        rc =
            resolver_addresses(&t->query, t->out->resolver, o->hops[index].name, find_on_answer, t);
    } else if (smtp_hops_literal(destination, o->port, &address) == 0) {
        take_literal(t, &address);
        return 1;
    } else {
        rc = resolver_mx(&t->query, t->out->resolver, destination, find_on_answer, t);
    }
    if (rc < 0) {
        t->query = NULL;
        note_dns(t, rc);
        return 1;
    }
    return 0;
}

static void
find_next(struct transport_session *t)
{
    unsigned lookups_max = MAX((unsigned)t->conf->o.hop_count, 1u);

    if (t->hops == NULL) {
        t->hops = malloc(sizeof(*t->hops));
        if (t->hops == NULL) {
            struct transport_result r = deferred("4.3.0", error_text(-ENOMEM));

            smtp_out_session_end(t, &r);
            return;
        }
        t->hops->count = t->hops->at = 0;
    }
    for (;;) {
        if (t->hops->at < t->hops->count) {
            if (connect_next(t)) {
                return;
            }
        } else if (t->lookups < lookups_max) {
            t->lookups++;
            if (lookup(t, t->lookups - 1) == 0) {
                return;
            }
        } else {
            smtp_out_session_end(t, &t->last);
            return;
        }
    }
}

/* The search as a whole has a deadline: a destination of many dead hosts must end some day. */
static void
set_phase(struct transport_session *t)
{
    const struct smtp_out_options *o = &t->conf->o;

    t->phase = SMTP_OUT_FINDING;
    loop_timer_start(&t->timer, FIND_CANDIDATES * (o->connect_ms + o->greeting_ms + o->command_ms));
}

void
smtp_out_find(struct transport_session *t)
{
    free(t->hops);
    t->hops = NULL;
    t->lookups = 0;
    t->has_last = false;
    set_phase(t);
    find_next(t);
}

void
smtp_out_find_next(struct transport_session *t, const struct transport_result *why)
{
    note(t, why);
    if (t->phase != SMTP_OUT_FINDING) {
        set_phase(t);
    }
    find_next(t);
}

void
smtp_out_find_timed_out(struct transport_session *t)
{
    struct transport_result r = deferred("4.4.1", "no next hop answered in time");

    if (!t->has_last) {
        note(t, &r);
    }
    log_event(EV_SMTP_OUT_TIMEOUT, LF_STR("connector", t->conf->o.connector),
        LF_STR("destination", t->destination), LF_SLICE("reply", t->last.reply));
    smtp_out_session_end(t, &t->last);
}
