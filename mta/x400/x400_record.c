/* x400_record.c - the log record of each transfer, with the fields of ICAO Doc 9880 Part II, 3.2.3:
 * identifier, priority, content type, originator, recipients on the responsibility list, size, last
 * trace element, times. What became of each recipient, and when, is delivery.delivered and so on;
 * what a report says of its subject's has a line of its own.
 */
#include "core/log.h"
#include "core/ticks.h"
#include "x400/p1_report.h"
#include "x400/x400_link.h"

#include <stdio.h>
#include <stdlib.h>

#define RECIPIENTS_MAX 20 /* in a line; then ", ..." */
#define RECIPIENTS_CAP 2048
#define IDENTIFIER_CAP 160
#define TRACE_CAP      160
#define REPORTED_CAP   1024 /* of one recipient of a report */

static const char *
kind_text(enum p1_kind kind)
{
    return kind == P1_MESSAGE ? "message" : kind == P1_PROBE ? "probe" : "report";
}

static const char *
priority_text(unsigned priority)
{
    return priority == P1_URGENT ? "urgent" : priority == P1_NON_URGENT ? "non-urgent" : "normal";
}

/* "/C=GB/A=TEST/P=PEER2/ local" */
static const char *
identifier_text(const struct p1_identifier *id, char out[IDENTIFIER_CAP])
{
    (void)snprintf(out, IDENTIFIER_CAP, "/C=%.*s/A=%.*s/P=%.*s/ %.*s",
        SLICE_FMT(p1_text_slice(&id->domain.country)), SLICE_FMT(p1_text_slice(&id->domain.admd)),
        SLICE_FMT(p1_text_slice(&id->domain.prmd)), SLICE_FMT(p1_text_slice(&id->local)));
    return out;
}

static const char *
last_trace(const struct p1_envelope *e, char out[TRACE_CAP])
{
    struct p1_trace t;
    struct ber_cursor c;

    out[0] = '\0';
    ber_cursor_init(&c, e->trace);
    while (p1_trace_next(&c, false, &t) > 0) {
        (void)snprintf(out, TRACE_CAP, "/C=%.*s/A=%.*s/P=%.*s/ %.*s %s",
            SLICE_FMT(p1_text_slice(&t.domain.country)), SLICE_FMT(p1_text_slice(&t.domain.admd)),
            SLICE_FMT(p1_text_slice(&t.domain.prmd)), SLICE_FMT(p1_text_slice(&t.arrival)),
            t.action == 0 ? "relayed" : "rerouted");
    }
    return out;
}

static struct slice
put_recipient(struct buf *out, struct slice address, uint32_t i)
{
    if (i == RECIPIENTS_MAX && buf_append(out, SLICE_LIT(", ...")) == 0) {
        return buf_slice(out);
    }
    if (i < RECIPIENTS_MAX && (i == 0 || buf_append(out, SLICE_LIT(", ")) == 0) &&
        buf_append(out, address) == 0) {
        return buf_slice(out);
    }
    return buf_slice(out); /* cut: the count is told too */
}

/* "/C=FR/.../ failed unable-to-transfer unrecognised-OR-name (the address is not known here)" */
static struct slice
reported_text(const struct p1_reported *one, char out[REPORTED_CAP])
{
    struct or_address address;
    char *name = x400_judge_text(one->name, &address);
    int n;

    if (one->delivered) {
        n = snprintf(out, REPORTED_CAP, "%s delivered %.*s", name != NULL ? name : "?",
            SLICE_FMT(p1_text_slice(&one->delivery)));
    } else {
        n = snprintf(out, REPORTED_CAP, "%s failed %u %s", name != NULL ? name : "?", one->reason,
            p1_code_reason(one->reason));
    }
    n = MIN(MAX(n, 0), REPORTED_CAP - 1);
    if (!one->delivered && one->diagnostic != P1_NO_DIAGNOSTIC) {
        n += snprintf(out + n, REPORTED_CAP - (size_t)n, ", %u %s", one->diagnostic,
            p1_code_diagnostic(one->diagnostic));
        n = MIN(n, REPORTED_CAP - 1);
    }
    if (one->supplementary.n > 0) {
        n += snprintf(out + n, REPORTED_CAP - (size_t)n, " (%.*s)", SLICE_FMT(one->supplementary));
    }
    free(name);
    return (struct slice){ out, (size_t)MIN(n, REPORTED_CAP - 1) };
}

/* A relay passes a report's content on unread: one that cannot be read is no fault of its. */
static void
record_report(const struct x400_receipt *r)
{
    char subject[IDENTIFIER_CAP], text[REPORTED_CAP];
    uint32_t delivered = 0, failed = 0;
    const char *error = "";
    struct p1_report report;
    struct p1_reported one;
    struct ber_cursor c;
    struct buf what;
    uint64_t at;

    buf_init(&what, RECIPIENTS_CAP);
    subject[0] = '\0';
    if (p1_report_parse(r->reader.envelope.report_content, &report, &error, &at) == 0) {
        (void)identifier_text(&report.subject, subject);
        ber_cursor_init(&c, report.recipients);
        while (p1_reported_next(&c, &one) > 0) {
            if (delivered + failed <= RECIPIENTS_MAX) {
                (void)put_recipient(&what, reported_text(&one, text), delivered + failed);
            }
            delivered += one.delivered;
            failed += !one.delivered;
        }
    }
    log_event(EV_X400_REPORT_IN, LF_ID("id", r->id), LF_SLICE("connector", r->conf->o.name),
        LF_STR("subject", subject), LF_UINT("delivered", delivered), LF_UINT("failed", failed),
        LF_SLICE("rcpts", buf_slice(&what)), LF_STR("error", error));
    buf_fini(&what);
}

void
x400_record_in(const struct x400_receipt *r)
{
    const struct p1_envelope *e = &r->reader.envelope;
    struct x400_stats *stats = &r->x->stats;
    char id[IDENTIFIER_CAP], trace[TRACE_CAP], at[TICKS_RFC3339_CAP];
    struct buf to;

    stats->messages_in += e->kind == P1_MESSAGE;
    stats->probes_in += e->kind == P1_PROBE;
    stats->reports_in += e->kind == P1_REPORT;
    stats->reports_made += r->report_id != 0;
    if (r->connector != NULL) {
        r->connector->seen.messages_in++;
        r->connector->seen.bytes_in += r->content_bytes;
    }
    buf_init(&to, RECIPIENTS_CAP);
    for (uint32_t i = 0; i < r->judged.recipient_count; i++) {
        (void)put_recipient(&to, r->judged.recipients[i].address, i);
    }
    ticks_rfc3339(r->arrival_wall_ms, at);
    log_event(EV_X400_MESSAGE_IN, LF_ID("id", r->id), LF_SLICE("connector", r->conf->o.name),
        LF_STR("remote", r->at != NULL ? r->at->remote : ""), LF_STR("kind", kind_text(e->kind)),
        LF_STR("mts", identifier_text(&e->id, id)), LF_STR("priority", priority_text(e->priority)),
        LF_INT("type", e->content_type == P1_CONTENT_OID ? -1 : (int64_t)e->content_type),
        LF_STR("from", r->judged.sender), LF_SLICE("to", buf_slice(&to)),
        LF_UINT("rcpts", r->judged.ours), LF_UINT("failed", r->judged.failed),
        LF_ID("report", r->report_id), LF_UINT("size", r->content_bytes),
        LF_STR("trace", last_trace(e, trace)), LF_STR("arrived", at));
    buf_fini(&to);
    if (e->kind == P1_REPORT) {
        record_report(r);
    }
}

void
x400_record_out(const struct transport_session *t)
{
    struct x400_stats *stats = &t->connector->x->stats;
    const struct delivery *d = t->d;
    char id[IDENTIFIER_CAP], at[TICKS_RFC3339_CAP];
    struct buf to;

    stats->messages_out += t->kind == P1_MESSAGE;
    stats->probes_out += t->kind == P1_PROBE;
    stats->reports_out += t->kind == P1_REPORT;
    t->connector->seen.messages_out++;
    t->connector->seen.bytes_out += t->content_bytes;
    buf_init(&to, RECIPIENTS_CAP);
    for (uint32_t i = 0; i < d->recipient_count; i++) {
        (void)put_recipient(&to, d->recipients[i], i);
    }
    ticks_rfc3339(d->received_wall_ms, at);
    log_event(EV_X400_MESSAGE_OUT, LF_ID("id", d->id), LF_SLICE("connector", t->conf->o.name),
        LF_STR("remote", t->remote), LF_STR("source", t->source),
        LF_STR("kind", kind_text(t->kind)), LF_STR("mts", identifier_text(&t->message, id)),
        LF_STR("priority", priority_text(t->priority)),
        LF_INT("type", t->content_type == P1_CONTENT_OID ? -1 : (int64_t)t->content_type),
        LF_SLICE("from", d->sender), LF_SLICE("to", buf_slice(&to)),
        LF_UINT("rcpts", d->recipient_count), LF_UINT("size", t->content_bytes),
        LF_STR("arrived", at));
    buf_fini(&to);
}
