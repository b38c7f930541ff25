/* x400_in.c - the receiving half: an APDU from its first octet to the confirmation of its end.
 *
 * Order      The end is confirmed in CONFIRM only, and that is reached from the journal's callback
 *            with status 0, or when nothing is left to be kept. A report of ours on the message is
 *            committed before the message: both commits stand in the journal in this order, so the
 *            message, and with it the name by which a repetition is known, is never durable without
 *            the report. A crash between the two repeats the report and loses none.
 * Repetition A transfer whose confirmation was lost comes again under the name of
 *            docs/protocols/x400.md, Repetitions. It is asked for at the envelope (then the content
 *            is skipped) and once more at the end, before the commit.
 * Reports    to the peer (x400_conn_report): it keeps the message and comes again, or gives it up
 *            and tells its sender; what intake has of it is dropped.
 */
#include "core/log.h"
#include "core/ticks.h"
#include "x400/p1_stored.h"
#include "x400/x400_life.h"
#include "x400/x400_link.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* What intake cannot tell yet (a journal that is being loaded, a commit of the connection before)
 * is asked for again, half a minute long. */
#define KNOWN_AGAIN_MS  20
#define KNOWN_TRIES_MAX 1500

#define TRANS_BYTES_MAX 512
#define PIECE_BYTES     (64 * KIB)

static void happens(struct x400_receipt *r, enum x400_in_event e);
static void on_commit(void *ctx, int status);
static void on_known_timer(void *ctx);

static const struct intake *
intake_of(const struct x400_receipt *r)
{
    return &r->x->env.intake;
}

/* ---- life */

static void
drop_messages(struct x400_receipt *r)
{
    x400_resume_end(r);
    if (r->message != NULL) {
        intake_of(r)->ops->abort(r->message);
    }
    if (r->report != NULL) {
        intake_of(r)->ops->abort(r->report);
    }
    r->message = r->report = NULL;
    if (r->at != NULL) {
        x400_conn_pause(r->at->conn, false);
    }
}

static void
receipt_free(struct x400_receipt *r)
{
    struct x400 *x = r->x;
    struct x400_link *l = r->at;

    if (r->commits > 0) {
        intake_of(r)->ops->forget(intake_of(r)->ctx, on_commit, r);
    }
    drop_messages(r);
    loop_timer_stop(&r->timer);
    p1_reader_fini(&r->reader);
    x400_judged_fini(&r->judged);
    buf_fini(&r->trans);
    buf_fini(&r->returned);
    x400_conf_unref(r->conf);
    list_remove(&r->link);
    free(r);
    if (l != NULL) {
        l->receipt = NULL;
        x400_link_turn(l);
    }
    x400_drained(x);
}

void
x400_in_forget(struct x400_receipt *r)
{
    receipt_free(r);
}

void
x400_in_begin(struct x400_link *l, uint32_t activity)
{
    struct x400_receipt *r = calloc(1, sizeof(*r));

    if (r == NULL) {
        x400_conn_report(l->conn, activity, SESSION_REASON_RECEIVING);
        return;
    }
    r->x = l->x;
    r->connector = l->connector;
    x400_conf_take(&r->conf, l->connector, l);
    r->at = l;
    r->activity = r->renamed = activity;
    r->arrival_wall_ms = ticks_wall_ms();
    p1_reader_init(&r->reader, l->protocol);
    buf_init(&r->trans, TRANS_BYTES_MAX);
    buf_init(&r->returned, (size_t)l->x->o.returned_bytes_max);
    loop_timer_init(l->x->env.loop, &r->timer, on_known_timer, r);
    list_push_back(&l->x->receipts, &r->link);
    l->receipt = r;
    l->turn = false;
    if (l->x->draining || l->connector->suspended) {
        r->why = "no transfer is taken: this side is about to stop";
        happens(r, X400_IN_NO_ROOM);
    }
}

/* ---- the envelope */

struct routing {
    struct x400_receipt *r;
    struct p1_passed passed;
};

static struct or_route
route(void *ctx, const struct or_address *to, struct slice text, const struct p1_envelope *e)
{
    const struct routing *routing = ctx;
    const struct x400_receipt *r = routing->r;
    struct x400_way way = { .came_by = r->conf->o.name,
        .to = to,
        .text = text,
        .envelope = e,
        .passed = &routing->passed };

    return r->x->env.route(r->x->env.route_ctx, &way);
}

/* Repetitions: the connector, the MTS identifier, how long the trace is, whom we are responsible
 * for, and how long the content is. Octets that are no plain characters are told as hex. */
static int
put_plain(struct buf *out, struct slice text)
{
    int rc = buf_append(out, SLICE_LIT("/"));

    for (size_t i = 0; rc == 0 && i < text.n; i++) {
        unsigned c = (unsigned char)text.p[i];
        bool plain = c > ' ' && c < 0x7F && c != '/' && c != '%';

        rc = plain ? buf_append(out, slice_sub(text, i, 1)) : buf_printf(out, "%%%02X", c);
    }
    return rc;
}

static int
name_it(struct x400_receipt *r)
{
    const struct p1_envelope *e = &r->reader.envelope;
    const struct slice parts[] = { r->conf->o.name, p1_text_slice(&e->id.domain.country),
        p1_text_slice(&e->id.domain.admd), p1_text_slice(&e->id.domain.prmd),
        p1_text_slice(&e->id.local) };
    int rc = buf_append(&r->trans, SLICE_LIT("x400 "));

    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(parts); i++) {
        rc = put_plain(&r->trans, parts[i]);
    }
    return rc < 0 ? rc
                  : buf_printf(&r->trans, " %u.%u.%u.%016" PRIx64, (unsigned)e->kind,
                        e->trace_count, r->judged.ours, r->judged.whom);
}

/* The end of the name: of content whose length was not declared only when all of it came. */
static int
size_it(struct x400_receipt *r, uint64_t content_bytes)
{
    r->named = true;
    return buf_printf(&r->trans, ".%" PRIu64, content_bytes);
}

static int
known(const struct x400_receipt *r)
{
    struct intake_known k;

    return intake_of(r)->ops->known(intake_of(r)->ctx, buf_slice(&r->trans), &k);
}

bool
x400_in_judge(struct x400_receipt *r)
{
    const struct p1_envelope *e = &r->reader.envelope;
    struct x400 *x = r->x;
    struct routing routing = { .r = r };
    struct x400_judge by = { .domain = &x->o.domain,
        .mta_name = x->o.mta_name,
        .content_bytes = r->reader.content_bytes,
        .message_bytes_max = r->conf->o.message_bytes_max,
        .now_wall_ms = r->arrival_wall_ms,
        .route = route,
        .ctx = &routing };

    p1_plan_passed(&r->reader.envelope, &routing.passed);
    if (x->env.peers != NULL) {
        by.peers = x->env.peers(x->env.route_ctx, &by.peer_count);
    }
    if (x400_judge(&r->judged, e, &by) < 0 || name_it(r) < 0) {
        return false;
    }
    if (e->kind != P1_MESSAGE || r->reader.content_bytes != BER_INDEFINITE) {
        if (size_it(r, e->kind == P1_MESSAGE ? r->reader.content_bytes : 0) < 0) {
            return false;
        }
        r->knows = known(r) == 1;
    }
    r->returning = r->judged.failed > 0 && !r->knows && e->kind == P1_MESSAGE &&
                   x->o.returned_bytes_max > 0 && p1_report_returns(e);
    return true;
}

static void
envelope_came(struct x400_receipt *r)
{
    uint64_t declared = r->reader.content_bytes == BER_INDEFINITE ? 0 : r->reader.content_bytes;
    uint64_t max = r->conf->o.message_bytes_max;
    int rc;

    if (r->envelope) {
        return;
    }
    r->envelope = true;
    /* What is too long is refused for good, whatever room there is. */
    rc = intake_of(r)->ops->ready(intake_of(r)->ctx, max > 0 ? MIN(declared, max) : declared);
    if (rc < 0 || !x400_in_judge(r)) {
        r->why = rc < 0 ? error_text(rc) : "out of memory";
        happens(r, X400_IN_NO_ROOM);
        return;
    }
    happens(r, r->knows || r->judged.recipient_count == 0 ? X400_IN_NOBODY : X400_IN_ACCEPTED);
}

/* ---- octets */

void
x400_in_writable(void *ctx)
{
    struct x400_receipt *r = ctx;

    if (r->at != NULL) {
        x400_conn_pause(r->at->conn, false);
    }
}

static void
write_stored(struct x400_receipt *r, struct slice bytes)
{
    while (bytes.n > 0 && r->message != NULL) {
        struct slice piece = slice_sub(bytes, 0, PIECE_BYTES);
        int rc = intake_of(r)->ops->write(r->message, piece);

        bytes = slice_skip(bytes, piece.n);
        if (rc < 0) {
            r->why = error_text(rc);
            happens(r, X400_IN_NO_ROOM);
        } else if (rc > 0 && r->at != NULL) {
            x400_conn_pause(r->at->conn, true);
        }
    }
}

static void
open_message(struct x400_receipt *r)
{
    const struct intake *intake = intake_of(r);
    struct buf head;
    int rc = intake->ops->open(intake->ctx, x400_in_writable, r, &r->message, &r->id);

    if (rc < 0) {
        r->why = error_text(rc);
        r->message = NULL;
        happens(r, X400_IN_NO_ROOM);
        return;
    }
    r->state = X400_IN_TAKE;
    buf_init(&head, P1_STORED_BYTES_MAX);
    rc = p1_stored_write(&head, &r->reader.envelope);
    if (rc == 0) {
        write_stored(r, buf_slice(&head));
    } else {
        r->why = error_text(rc);
        happens(r, X400_IN_NO_ROOM);
    }
    buf_fini(&head);
}

/* A size that was not declared goes beyond the limit. */
static void
too_long(struct x400_receipt *r)
{
    x400_judged_too_long(&r->judged, &r->reader.envelope);
    happens(r, X400_IN_NOBODY);
}

static void
content_came(struct x400_receipt *r, struct slice content)
{
    uint64_t max = r->conf->o.message_bytes_max;

    if (r->state == X400_IN_REFUSED) {
        return;
    }
    r->content_bytes += content.n;
    if (r->returning && buf_append(&r->returned, content) < 0) {
        r->returning = false; /* more than a report of ours returns */
    }
    if (r->state == X400_IN_TAKE && max > 0 && r->content_bytes > max) {
        too_long(r);
    }
    if (r->state == X400_IN_TAKE) {
        write_stored(r, content);
    }
}

static void
read_octets(struct x400_receipt *r, struct slice bytes)
{
    for (;;) {
        struct slice content = SLICE_NONE;

        switch (p1_reader_next(&r->reader, &bytes, &content)) {
        case P1_MORE:
            return;
        case P1_GOT_ENVELOPE:
            break; /* how long the content says to be comes next */
        case P1_CONTENT:
            envelope_came(r);
            content_came(r, content);
            break;
        case P1_END:
            envelope_came(r);
            if (bytes.n == 0) {
                return;
            }
            break; /* octets behind it: bad */
        case P1_BAD:
            r->why = r->reader.error;
            happens(r, r->reader.rc == -ENOMEM ? X400_IN_NO_ROOM : X400_IN_BAD);
            return;
        }
        if (r->state == X400_IN_REFUSED || r->state == X400_IN_OVER) {
            return;
        }
    }
}

/* ---- the end */

static void
ask_known(struct x400_receipt *r)
{
    int rc = r->named ? 0 : size_it(r, r->content_bytes);

    r->state = X400_IN_ASK;
    if (rc < 0) {
        r->why = error_text(rc);
        happens(r, X400_IN_NO_ROOM);
        return;
    }
    rc = r->knows ? 1 : r->judged.ours == 0 ? 0 : known(r);
    happens(r, rc == 1 ? X400_IN_KNOWN : rc == 0 ? X400_IN_NEW : X400_IN_UNKNOWN);
}

static void
on_known_timer(void *ctx)
{
    ask_known(ctx);
}

static void
ask_again(struct x400_receipt *r)
{
    if (++r->asked > KNOWN_TRIES_MAX) {
        r->why = "it is not known in time whether this transfer came before";
        happens(r, X400_IN_NO_ROOM);
        return;
    }
    loop_timer_start(&r->timer, KNOWN_AGAIN_MS);
}

/* A report of ours, as it is stored. 1: there is one; 0: there is none to make. */
static int
make_report(struct x400_receipt *r, struct buf *out)
{
    char local[P1_LOCAL_ID_BYTES_MAX + 1];
    int n = snprintf(
        local, sizeof(local), "BH-%" PRIx64 "-%" PRIx64, r->report_id, ticks_wall_ms() / 1000);
    struct p1_reporter by = { .domain = &r->x->o.domain,
        .mta_name = r->x->o.mta_name,
        .local_id = { local, (size_t)MIN(n, P1_LOCAL_ID_BYTES_MAX) },
        .now_wall_ms = ticks_wall_ms(),
        .arrival_wall_ms = r->arrival_wall_ms,
        .return_content = r->returning,
        .content = buf_slice(&r->returned) };

    return p1_report_write_fitting(out, &r->reader.envelope, r->judged.outcomes, &by);
}

static int
commit(struct x400_receipt *r, struct intake_message **m, const struct envelope *e)
{
    struct intake_message *gone = *m;
    int rc;

    *m = NULL; /* consumed, whatever comes */
    rc = intake_of(r)->ops->commit(gone, e, on_commit, r);
    r->commits += rc == 0;
    return rc;
}

static void
log_non_delivery(const struct x400_receipt *r, struct slice to)
{
    log_event(EV_X400_NON_DELIVERY, LF_ID("id", r->report_id),
        LF_SLICE("connector", r->conf->o.name),
        LF_SLICE("subject", p1_text_slice(&r->reader.envelope.id.local)),
        LF_UINT("rcpts", r->judged.failed), LF_SLICE("to", to), LF_STR("reason", r->judged.why),
        LF_STR("rule", r->judged.rule != NULL ? r->judged.rule : ""));
}

/* For the last commit of the two: the name by which a repetition is known. */
static void
set_trans(const struct x400_receipt *r, struct envelope *e)
{
    e->transid = buf_slice(&r->trans);
    e->transid_bytes = r->content_bytes;
}

static int
commit_report(struct x400_receipt *r, struct slice stored, struct slice to)
{
    struct envelope_recipient recipient = { .address = to, .notify = ENVELOPE_NOTIFY_NEVER };
    struct envelope e = { .body = ENVELOPE_P1_REPORT,
        .received_wall_ms = r->arrival_wall_ms,
        .client = SLICE_LIT("local"),
        .recipient_count = 1,
        .recipients = &recipient };
    const struct intake *intake = intake_of(r);
    int rc = 0;

    while (stored.n > 0 && rc >= 0) {
        rc = intake->ops->write(r->report, slice_sub(stored, 0, PIECE_BYTES));
        stored = slice_skip(stored, PIECE_BYTES);
    }
    if (rc < 0) {
        return rc;
    }
    if (r->message == NULL) {
        set_trans(r, &e);
    }
    return commit(r, &r->report, &e);
}

static int
write_report(struct x400_receipt *r)
{
    const struct intake *intake = intake_of(r);
    struct or_address address;
    char *to = x400_judge_text(p1_report_destination(&r->reader.envelope), &address);
    struct buf stored;
    int rc;

    if (to == NULL) {
        log_event(EV_X400_DROPPED, LF_SLICE("connector", r->conf->o.name),
            LF_SLICE("subject", p1_text_slice(&r->reader.envelope.id.local)),
            LF_STR("reason", "nobody can be told of it: its originator's name has no address"));
        return 0;
    }
    buf_init(&stored, P1_STORED_BYTES_MAX);
    rc = intake->ops->open(intake->ctx, NULL, NULL, &r->report, &r->report_id);
    r->report = rc < 0 ? NULL : r->report;
    rc = rc < 0 ? rc : make_report(r, &stored);
    if (rc == 0) { /* nobody wants one */
        intake->ops->abort(r->report);
        r->report = NULL;
    } else if (rc > 0) {
        rc = commit_report(r, buf_slice(&stored), slice_of(to));
    }
    if (rc == 0 && r->commits > 0) {
        log_non_delivery(r, slice_of(to));
    }
    buf_fini(&stored);
    free(to);
    return rc;
}

/* "[192.0.2.1]:4711 (connector)" */
struct slice
x400_came_by(struct slice client)
{
    size_t at = slice_find(client, '(');

    return at < client.n && client.p[client.n - 1] == ')'
               ? slice_sub(client, at + 1, client.n - at - 2)
               : SLICE_NONE;
}

static int
commit_message(struct x400_receipt *r)
{
    static const uint8_t bodies[] = { [P1_MESSAGE] = ENVELOPE_P1_MESSAGE,
        [P1_REPORT] = ENVELOPE_P1_REPORT,
        [P1_PROBE] = ENVELOPE_P1_PROBE };
    char client[LOG_TEXT_CAP], life[X400_LIFE_CAP];
    struct p1_passed passed;
    struct envelope e = { .sender = slice_of(r->judged.sender),
        .body = bodies[r->reader.envelope.kind],
        .hops = (uint8_t)MIN(r->reader.envelope.trace_count, 255u),
        .received_wall_ms = r->arrival_wall_ms,
        .recipient_count = r->judged.recipient_count,
        .recipients = r->judged.recipients };

    x400_life_write(&r->judged.life, life);
    p1_plan_passed(&r->reader.envelope, &passed);
    x400_past_append(&passed, life);
    e.envid = slice_of(life);
    e.client = log_text(client, "%s (%.*s)", r->at->remote, SLICE_FMT(r->conf->o.name));
    set_trans(r, &e);
    return commit(r, &r->message, &e);
}

/* Another transfer of this name came in between: is that one durable? */
static bool
is_known(const struct x400_receipt *r, int rc)
{
    return rc == -EEXIST && known(r) == 1;
}

static void
log_nothing(const struct x400_receipt *r)
{
    const struct p1_envelope *e = &r->reader.envelope;

    log_event(EV_X400_DROPPED, LF_SLICE("connector", r->conf->o.name),
        LF_SLICE("subject", p1_text_slice(&e->id.local)),
        LF_STR("reason", r->judged.ours == 0     ? "another MTA is responsible for all recipients"
                         : r->judged.why != NULL ? r->judged.why
                                                 : "nobody wants a report"));
}

/* The report first: see the top. */
static void
write_down(struct x400_receipt *r)
{
    bool tell = r->judged.failed > 0 && r->reader.envelope.kind != P1_REPORT;
    int rc = tell ? write_report(r) : 0;

    r->state = X400_IN_COMMIT;
    if (rc == 0 && r->message != NULL) {
        rc = commit_message(r);
    }
    if (rc < 0) {
        r->why = error_text(rc);
        happens(r, is_known(r, rc)    ? X400_IN_KNOWN
                   : rc == BH_ETOOBIG ? X400_IN_BAD /* and so each time: its sender is told by the
                                                       peer */
                                      : X400_IN_NO_ROOM);
    } else if (r->commits == 0) {
        log_nothing(r);
        happens(r, X400_IN_NOTHING);
    }
}

static void
on_commit(void *ctx, int status)
{
    struct x400_receipt *r = ctx;

    r->status = r->status < 0 ? r->status : status;
    if (--r->commits > 0) {
        return;
    }
    if (r->status < 0) {
        r->why = error_text(r->status);
        happens(r, is_known(r, r->status) ? X400_IN_KNOWN : X400_IN_UNSURE);
    } else {
        happens(r, X400_IN_DURABLE);
    }
}

/* ---- steps */

static void
report(struct x400_receipt *r, unsigned reason)
{
    r->x->stats.transfers_refused++;
    log_event(EV_X400_TRANSFER_REFUSED, LF_SLICE("connector", r->conf->o.name),
        LF_STR("remote", r->at != NULL ? r->at->remote : ""),
        LF_SLICE("message", r->envelope ? p1_text_slice(&r->reader.envelope.id.local) : SLICE_NONE),
        LF_UINT("reason", reason), LF_STR("why", r->why != NULL ? r->why : "unknown"));
    if (r->commits > 0) {
        intake_of(r)->ops->forget(intake_of(r)->ctx, on_commit, r);
        r->commits = 0;
    }
    drop_messages(r);
    loop_timer_stop(&r->timer);
    r->state = X400_IN_REFUSED;
    if (r->at == NULL) {
        receipt_free(r);
    } else {
        x400_conn_report(r->at->conn, r->activity, reason);
    }
}

static void
confirm(struct x400_receipt *r, enum x400_in_event e)
{
    if (e == X400_IN_KNOWN) {
        r->x->stats.repeated++;
        log_event(EV_X400_REPEATED, LF_SLICE("connector", r->conf->o.name),
            LF_STR("remote", r->at != NULL ? r->at->remote : ""),
            LF_SLICE("name", buf_slice(&r->trans)));
    } else {
        x400_record_in(r);
    }
    if (r->at != NULL) {
        r->at->messages_in++;
        x400_conn_secured(r->at->conn, r->activity, r->point);
    }
    receipt_free(r);
}

static void
go_on(struct x400_receipt *r)
{
    struct x400_link *l = r->at;

    r->at = NULL;
    if (l != NULL) {
        l->receipt = NULL;
        x400_link_turn(l);
    }
}

static void
happens(struct x400_receipt *r, enum x400_in_event e)
{
    switch (x400_in_row(r->state, e)) {
    case X400_IN_OPEN:
        open_message(r);
        break;
    case X400_IN_SKIP_REST:
        x400_resume_skip(r);
        drop_messages(r);
        r->state = X400_IN_SKIP;
        break;
    case X400_IN_REPORT_BAD:
        report(r, SESSION_REASON_PROCEDURAL);
        break;
    case X400_IN_REPORT_BUSY:
        report(r, SESSION_REASON_RECEIVING);
        break;
    case X400_IN_ASK_KNOWN:
        ask_known(r);
        break;
    case X400_IN_ASK_AGAIN:
        ask_again(r);
        break;
    case X400_IN_WRITE_DOWN:
        write_down(r);
        break;
    case X400_IN_CONFIRM:
        confirm(r, e);
        break;
    case X400_IN_FORGET:
        receipt_free(r);
        break;
    case X400_IN_GO_ON:
        go_on(r);
        break;
    case X400_IN_READ:
    case X400_IN_DROP:
        break;
    case X400_IN_NEVER:
        CHECK(false); /* the association's own table lets none of these pass */
    }
}

/* ---- what the association says */

void
x400_in_octets(struct x400_link *l, struct slice bytes)
{
    struct x400_receipt *r = l->receipt;
    size_t again = (size_t)MIN(r->again_bytes, (uint64_t)bytes.n);

    r->again_bytes -= again;
    bytes = slice_skip(bytes, again);
    if (bytes.n > 0 && x400_in_row(r->state, X400_IN_OCTETS) == X400_IN_READ) {
        read_octets(r, bytes);
    }
}

void
x400_in_point(struct x400_link *l, uint32_t point)
{
    if (l->receipt->state != X400_IN_REFUSED) {
        x400_resume_point(l->receipt, point);
    }
}

void
x400_in_end(struct x400_link *l, uint32_t point)
{
    struct x400_receipt *r = l->receipt;

    if (r->state == X400_IN_REFUSED) {
        return;
    }
    r->point = point;
    if (p1_reader_end(&r->reader) < 0) {
        r->why = r->reader.error != NULL ? r->reader.error : "the APDU is cut short";
        happens(r, X400_IN_BAD);
        return;
    }
    envelope_came(r);
    if (r->state != X400_IN_REFUSED) {
        happens(r, X400_IN_END);
    }
}

void
x400_in_refuse(struct x400_receipt *r, const char *why, bool busy)
{
    r->why = why;
    happens(r, busy ? X400_IN_NO_ROOM : X400_IN_BAD);
}

void
x400_in_stopped(struct x400_link *l, bool keep)
{
    l->receipt->keeps = keep;
    happens(l->receipt, X400_IN_STOPPED);
}

void
x400_in_lost(struct x400_link *l)
{
    struct x400_receipt *r = l->receipt;

    l->receipt = NULL;
    r->at = NULL;
    r->keeps = true;
    happens(r, X400_IN_LOST);
}
