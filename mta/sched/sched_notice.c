/* sched/sched_notice.c - failure and delay notices: read the original's header, write the DSN,
 * queue it, then record.
 *
 * Why no bounce is lost. A recipient whose failure is to be told stays live (in a task in state
 * NOTICE) while its message's header is read. Then, in one turn: (1) the DSN is committed to the
 * queue, (2) the outcome FAILED is recorded. Both are records in one journal, in this order, and
 * the journal is valid up to a point and nothing after it. So after a crash there is either
 *   - neither: the recipient is still queued and is tried again; it fails again and is told then;
 *   - the DSN alone: the same, and the sender is told twice;
 *   - both: as intended.
 * The outcome without the DSN cannot be. If the DSN's write fails later, so does everything behind
 * it, the outcome first of all: the process ends, the next owner finds one of the three.
 * Where the DSN cannot be queued at all (reserve in use, no memory) the recipient is deferred for a
 * minute instead of failed.
 *
 * Content that cannot be read does not stop the notice: it goes without the header.
 *
 * A message that came by X.400 gets a report instead, made by who knows P1 (sched_env.report) from
 * the envelope in front of its content. There are no delay notices in X.400.
 */
#include "sched/sched_private.h"

#include "core/id.h"
#include "core/log.h"
#include "mail/dsn.h"

#include <stdio.h>
#include <stdlib.h>

#define HEADER_BYTES_MAX ((size_t)64 * 1024)        /* of the original, in the notice */
#define DSN_BYTES_MAX    ((size_t)64 * 1024 * 1024) /* 10,000 recipients with long replies: 30 MB */
#define TEXT_BYTES_MAX   ((size_t)16 * 1024 * 1024) /* their replies */
#define START_BYTES      32 /* of a content from X.400, that tell how long its envelope is */
#define STARTS_PER_CALL  64 /* notices written in one go while headers are cached */

struct notice_item {
    uint32_t recipient;
    uint16_t code;
    struct span status, reply, remote;
};

struct notice {
    struct list link; /* waiting or active */
    struct sched *s;
    struct entry *entry;
    struct task *task; /* NULL: a delay notice */
    bool active;
    bool waits;     /* for the record that says it is read */
    uint32_t taken; /* the recipient in that record; CHAIN_END: there is none */
    struct queue_reader *reader;
    struct buf header, text;
    uint64_t failed_ms;
    uint32_t count, capacity;
    struct queue_outcome *outcomes; /* allocated beforehand: recording must not fail for memory */
    struct notice_item items[];
};

static bool
by_x400(const struct sched *s, const struct queue_message *m)
{
    return m->body >= ENVELOPE_P1_MESSAGE && s->env.report != NULL;
}

static bool
never(const struct queue_recipient *r, uint8_t kind)
{
    return (r->notify & ENVELOPE_NOTIFY_NEVER) != 0 || (r->notify != 0 && (r->notify & kind) == 0);
}

bool
notice_wanted(const struct queue_message *m, const struct queue_recipient *r)
{
    if (m->sender.n == 0) {
        log_event(EV_NOTICE_DROPPED, LF_ID("id", m->id), LF_SLICE("rcpt", r->address));
        return false;
    }
    return !never(r, ENVELOPE_NOTIFY_FAILURE);
}

struct notice *
notice_new(struct sched *s, struct entry *e, uint32_t count)
{
    struct notice *n = calloc(1, sizeof(*n) + count * sizeof(n->items[0]));

    if (n == NULL) {
        return NULL;
    }
    n->outcomes = calloc(count, sizeof(*n->outcomes));
    if (n->outcomes == NULL) {
        free(n);
        return NULL;
    }
    list_init(&n->link);
    n->s = s;
    n->entry = e;
    n->capacity = count;
    n->taken = CHAIN_END;
    n->failed_ms = sched_now(s);
    buf_init(&n->header, HEADER_BYTES_MAX);
    buf_init(&n->text, TEXT_BYTES_MAX);
    return n;
}

static int
keep(struct notice *n, struct slice s, struct span *out)
{
    struct slice part = slice_sub(s, 0, REPLY_BYTES_MAX);

    *out = (struct span){ (uint32_t)buf_len(&n->text), (uint32_t)part.n };
    return buf_append(&n->text, part);
}

int
notice_add(struct notice *n, const struct notice_failure *f)
{
    struct notice_item *i = &n->items[n->count];
    int rc;

    CHECK(n->count < n->capacity);
    i->recipient = f->recipient;
    i->code = f->code;
    rc = keep(n, f->status, &i->status);
    if (rc == 0) {
        rc = keep(n, f->reply, &i->reply);
    }
    if (rc == 0) {
        rc = keep(n, f->remote, &i->remote);
    }
    n->count += rc == 0;
    return rc;
}

/* ---- that it is in hand, while the scheduler is careful (journal.md section 6a) */

static void on_taken(void *ctx, int status);

/* One recipient stands for the message. Not one that is being delivered, or in doubt: there the
 * attempt says more. */
static uint32_t
stands_for(const struct notice *n)
{
    const struct queue_message *m = n->entry->m;

    for (uint32_t i = 0; n->task != NULL && i < n->count; i++) {
        /* who is in doubt stays so until the failure is recorded, and keeps the message in hand */
        if (m->recipients[n->items[i].recipient].attempt == ATTEMPT_NONE) {
            return n->items[i].recipient;
        }
    }
    for (uint32_t i = 0; n->task == NULL && i < m->recipient_count; i++) {
        if (m->recipients[i].state == RECIPIENT_QUEUED &&
            m->recipients[i].attempt == ATTEMPT_NONE) {
            return i;
        }
    }
    return CHAIN_END;
}

/* True: nothing of the message is touched before on_taken. */
static bool
take_in_hand(struct notice *n)
{
    uint32_t i = sched_careful(n->s) ? stands_for(n) : CHAIN_END;

    if (i == CHAIN_END ||
        queue_attempt(n->s->env.queue, n->entry->m, &i, 1, ATTEMPT_READING, 0, on_taken, n) < 0) {
        return false;
    }
    n->taken = i;
    n->waits = true;
    return true;
}

/* Out of the hand. A delivery that began meanwhile says so in its stead. */
static void
let_go(struct notice *n)
{
    uint32_t i = n->taken;

    if (n->waits) {
        queue_forget(n->s->env.queue, on_taken, n);
        n->waits = false;
    }
    n->taken = CHAIN_END;
    if (i != CHAIN_END && n->entry->m->recipients[i].attempt == ATTEMPT_READING &&
        queue_withdraw(n->s->env.queue, n->entry->m, &i, 1) < 0) {
        return; /* over-reported, should the server crash */
    }
}

/* Out of the lists, the reader closed. */
static void
leave(struct notice *n)
{
    struct sched *s = n->s;

    let_go(n);
    if (n->reader != NULL) {
        queue_reader_close(n->reader);
        n->reader = NULL;
    }
    if (!list_empty(&n->link)) {
        list_remove(&n->link);
        s->notices_active_count -= n->active;
        s->notices_waiting_count -= !n->active;
    }
}

void
notice_free(struct sched *s, struct notice *n)
{
    (void)s;
    leave(n);
    buf_fini(&n->header);
    buf_fini(&n->text);
    free(n->outcomes);
    free(n);
}

/* Its recipients wait again, and fail again. */
static void
cancel(struct notice *n)
{
    struct sched *s = n->s;

    leave(n);
    if (n->task == NULL) {
        n->entry->delay = NULL;
        sched_set_deadline(s, n->entry, sched_now(s) + RETRY_SOON_MS);
    } else {
        task_leave(s, n->task);
        task_route(s, n->task);
    }
    notice_free(s, n);
}

void
notice_cancel_all(struct sched *s)
{
    struct list *const lists[] = { &s->notices_active, &s->notices_waiting };

    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        while (!list_empty(lists[i])) {
            cancel(CONTAINER_OF(lists[i]->next, struct notice, link));
        }
    }
}

/* ---- the text */

static struct slice
text_at(const struct notice *n, struct span sp)
{
    return slice_sub(buf_slice(&n->text), sp.at, sp.n);
}

/* "4.2.1" of "450 4.2.1 mailbox busy", as it stands in the index; empty: none. */
static struct slice
status_of(struct slice reply)
{
    struct slice rest = reply, word;

    for (int i = 0; i < 2 && slice_next(&rest, ' ', &word); i++) {
        if (word.n >= 5 && word.p[1] == '.') {
            return word;
        }
    }
    return SLICE_NONE;
}

static struct dsn_recipient
delayed_recipient(const struct notice *n, const struct queue_recipient *r)
{
    return (struct dsn_recipient){ .kind = DSN_DELAYED,
        .address = r->address,
        .orcpt = r->orcpt,
        .status = status_of(r->last_reply),
        .diagnostic = r->last_reply.n > 0 ? r->last_reply : SLICE_LIT("not yet tried"),
        .smtp_diagnostic = r->last_reply.n > 3 && r->last_reply.p[3] == ' ',
        .will_retry_until_wall_ms = sched_expiry(n->s, n->entry->m) };
}

static struct dsn_recipient
failed_recipient(const struct notice *n, const struct notice_item *i)
{
    const struct queue_recipient *r = &n->entry->m->recipients[i->recipient];

    return (struct dsn_recipient){ .kind = DSN_FAILED,
        .address = r->address,
        .orcpt = r->orcpt,
        .status = text_at(n, i->status),
        .diagnostic = text_at(n, i->reply),
        .smtp_diagnostic = i->code > 0,
        .remote = text_at(n, i->remote),
        .last_attempt_wall_ms = n->failed_ms };
}

static uint32_t
collect(const struct notice *n, struct dsn_recipient *to)
{
    const struct queue_message *m = n->entry->m;
    uint32_t count = 0;

    if (n->task != NULL) {
        for (uint32_t i = 0; i < n->count; i++) {
            to[i] = failed_recipient(n, &n->items[i]);
        }
        return n->count;
    }
    for (uint32_t i = 0; i < m->recipient_count; i++) {
        const struct queue_recipient *r = &m->recipients[i];

        if (r->state == RECIPIENT_QUEUED && !r->warned && !never(r, ENVELOPE_NOTIFY_DELAY)) {
            to[count++] = delayed_recipient(n, r);
        }
    }
    return count;
}

static uint64_t
unique(const struct notice *n)
{
    struct sched *s = n->s;

    return hash_u64(n->entry->m->id ^ hash_u64(sched_now(s) ^ ++s->unique));
}

/* Queue it. *sent: recipients it tells about, 0 when there was nothing to tell. */
static int
send_notice(struct notice *n, uint32_t *sent)
{
    struct sched *s = n->s;
    const struct queue_message *m = n->entry->m;
    uint32_t most = n->task != NULL ? n->count : m->recipient_count;
    struct dsn_recipient *recipients = calloc(most, sizeof(*recipients));
    char id[ID_TEXT_CAP];
    struct dsn d = { .reporting_mta = slice_of(s->hostname),
        .id = slice_of(id_text(m->id, id)),
        .sender = m->sender,
        .envid = m->envid,
        .now_wall_ms = sched_now(s),
        .arrival_wall_ms = m->received_wall_ms,
        .original_header = buf_slice(&n->header),
        .recipients = recipients };
    struct buf out;
    int rc = -ENOMEM;

    buf_init(&out, DSN_BYTES_MAX);
    if (recipients != NULL) {
        d.unique = unique(n);
        d.recipient_count = collect(n, recipients);
        rc = d.recipient_count > 0 ? dsn_write(&out, &d) : 0;
    }
    if (rc == 0 && d.recipient_count > 0) {
        rc = s->env.notify(s->env.ctx, m->sender, buf_slice(&out));
    }
    *sent = d.recipient_count;
    buf_fini(&out);
    free(recipients);
    return rc;
}

/* The same, of a message that came by X.400. */
static int
send_report(struct notice *n, uint32_t *sent)
{
    struct sched *s = n->s;
    struct sched_failure *failures = calloc(MAX(n->count, 1u), sizeof(*failures));
    struct sched_report r = { .message = n->entry->m,
        .content = buf_slice(&n->header),
        .failures = failures,
        .failure_count = n->count,
        .unique = unique(n) };
    int rc;

    *sent = 0;
    if (failures == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < n->count; i++) {
        failures[i] =
            (struct sched_failure){ n->entry->m->recipients[n->items[i].recipient].address,
                text_at(n, n->items[i].status), text_at(n, n->items[i].reply) };
    }
    rc = n->count > 0 ? s->env.report(s->env.ctx, &r) : 0;
    *sent = n->count;
    free(failures);
    return rc;
}

static void
log_sent(const struct notice *n, uint32_t sent, int rc)
{
    const struct queue_message *m = n->entry->m;
    const char *kind = n->task != NULL ? "failed" : "delayed";

    if (rc < 0) {
        log_event(EV_NOTICE_UNSENT, LF_ID("id", m->id), LF_STR("kind", kind),
            LF_SLICE("to", m->sender), LF_ERR("error", rc));
    } else if (sent > 0) {
        log_event(EV_NOTICE_SENT, LF_ID("id", m->id), LF_STR("kind", kind),
            LF_SLICE("to", m->sender), LF_UINT("recipients", sent));
    }
}

/* ---- its end */

static void
finish_delay(struct notice *n)
{
    struct sched *s = n->s;
    struct entry *e = n->entry;
    uint32_t sent = 0;
    int rc;

    e->delay = NULL;
    if (e->m->live_count == 0) { /* its last outcome came first; it goes when that is durable */
        notice_free(s, n);
        return;
    }
    rc = by_x400(s, e->m) ? 0 : send_notice(n, &sent);
    log_sent(n, sent, rc);
    if (rc == 0) {
        rc = queue_set_warned(s->env.queue, e->m); /* no memory: the sender is told once more */
        if (rc < 0 && rc != -ENOMEM) {
            sched_broken(s, rc);
        }
    }
    sched_set_deadline(s, e, rc < 0 ? sched_now(s) + RETRY_SOON_MS : 0);
    notice_free(s, n);
}

static void
finish_failed(struct notice *n)
{
    struct sched *s = n->s;
    struct entry *e = n->entry;
    struct queue_message *m = e->m;
    uint64_t soon = sched_now(s) + RETRY_SOON_MS;
    uint32_t sent = 0;
    int rc = by_x400(s, m) ? send_report(n, &sent) : send_notice(n, &sent);

    log_sent(n, sent, rc);
    for (uint32_t i = 0; i < n->count; i++) {
        n->outcomes[i] = (struct queue_outcome){ .recipient = n->items[i].recipient,
            .kind = rc == 0 ? OUTCOME_FAILED : OUTCOME_DEFERRED,
            .next_wall_ms = rc == 0 ? 0 : soon,
            .reply = text_at(n, n->items[i].reply),
            /* an attempt that is still open: it failed for want of an answer to its final dot */
            .in_doubt =
                rc != 0 && m->recipients[n->items[i].recipient].attempt == ATTEMPT_TRANSFER };
    }
    task_leave(s, n->task);
    leave(n); /* its reader first: the message may be freed with the record */
    if (rc == 0) {
        task_free(s, n->task);
        sched_record(s, m, n->outcomes, n->count);
    } else { /* live: the message stays */
        sched_record(s, m, n->outcomes, n->count);
        task_route(s, n->task);
    }
    notice_free(s, n);
}

static void
finish(struct notice *n)
{
    if (n->reader != NULL) {
        queue_reader_close(n->reader);
        n->reader = NULL;
    }
    if (n->task == NULL) {
        finish_delay(n);
    } else {
        finish_failed(n);
    }
}

/* ---- the header */

/* Take what belongs to the header section; true: it is complete (or cut at the limit). */
static bool
take_header(struct notice *n, struct slice bytes)
{
    size_t room = buf_space(&n->header), before = buf_len(&n->header);
    size_t from = before > 3 ? before - 3 : 0;
    struct slice all, rest;
    const char *end;
    size_t cut;

    if (buf_append(&n->header, slice_sub(bytes, 0, room)) < 0) {
        buf_clear(&n->header);
        return true;
    }
    all = buf_slice(&n->header);
    if (slice_starts(all, SLICE_LIT("\r\n"))) {
        buf_clear(&n->header); /* no header at all */
        return true;
    }
    rest = slice_skip(all, from);
    end = memmem(rest.p, rest.n, "\r\n\r\n", 4);
    if (end == NULL && bytes.n < room) {
        return false;
    }
    if (end != NULL) {
        cut = (size_t)(end - all.p) + 2;
    } else { /* too long: at its last whole line */
        for (cut = all.n; cut >= 2 && (all.p[cut - 2] != '\r' || all.p[cut - 1] != '\n');) {
            cut--;
        }
        cut = cut >= 2 ? cut : 0;
    }
    n->header.tail = n->header.head + cut;
    return true;
}

static int
take_at_most(struct notice *n, size_t limit, struct slice *bytes)
{
    size_t room = limit - MIN(limit, buf_len(&n->header));
    struct slice part = slice_sub(*bytes, 0, room);

    *bytes = slice_skip(*bytes, part.n);
    return buf_append(&n->header, part);
}

/* Of a message that came by X.400: as much as the report wants, which its first octets tell. */
static bool
take_start(struct notice *n, struct slice bytes)
{
    const struct queue_message *m = n->entry->m;
    size_t first = (size_t)MIN((uint64_t)START_BYTES, m->size_bytes);
    int rc = take_at_most(n, first, &bytes);

    if (rc == 0 && n->header.limit == HEADER_BYTES_MAX && buf_len(&n->header) == first) {
        uint64_t wanted = n->s->env.report_bytes(n->s->env.ctx, m, buf_slice(&n->header));

        n->header.limit = MAX((size_t)MIN(wanted, m->size_bytes), first);
    }
    if (rc == 0 && buf_len(&n->header) >= first) {
        rc = take_at_most(n, n->header.limit, &bytes);
    }
    if (rc < 0) {
        buf_clear(&n->header);
    }
    return rc < 0 || buf_space(&n->header) == 0;
}

static bool
take(struct notice *n, struct slice bytes)
{
    return by_x400(n->s, n->entry->m) ? take_start(n, bytes) : take_header(n, bytes);
}

static void on_readable(void *ctx);

/* True: the header is there, as far as it can be. */
static bool
read_header(struct notice *n)
{
    struct slice bytes;
    int rc;

    do {
        rc = queue_reader_next(n->reader, &bytes, on_readable, n);
        if (rc == BH_EBUSY) {
            return false;
        }
        if (rc < 0) {
            log_event(EV_CONTENT_UNREADABLE, LF_ID("id", n->entry->m->id), LF_ERR("error", rc));
            buf_clear(&n->header);
        }
    } while (rc > 0 && !take(n, bytes));
    return true;
}

static void
on_readable(void *ctx)
{
    struct notice *n = ctx;
    struct sched *s = n->s;

    if (read_header(n)) {
        finish(n);
        notice_pump(s);
        sched_settle(s);
    }
}

static void
read_original(struct notice *n)
{
    struct sched *s = n->s;
    int rc = queue_reader_open(s->env.queue, n->entry->m, &n->reader);

    if (rc < 0) {
        n->reader = NULL;
        log_event(EV_CONTENT_UNREADABLE, LF_ID("id", n->entry->m->id), LF_ERR("error", rc));
    }
    if (rc < 0 || read_header(n)) {
        finish(n);
    }
}

static void
on_taken(void *ctx, int status)
{
    struct notice *n = ctx;
    struct sched *s = n->s;

    n->waits = false;
    if (status == 0) { /* else the process ends */
        read_original(n);
        notice_pump(s);
        sched_settle(s);
    }
}

static void
begin(struct notice *n)
{
    struct sched *s = n->s;

    list_remove(&n->link);
    s->notices_waiting_count--;
    n->active = true;
    list_push_back(&s->notices_active, &n->link);
    s->notices_active_count++;
    if (!take_in_hand(n)) {
        read_original(n);
    }
}

void
notice_pump(struct sched *s)
{
    for (int i = 0; i < STARTS_PER_CALL; i++) {
        if (s->notices_active_count >= NOTICES_ACTIVE_MAX || list_empty(&s->notices_waiting) ||
            s->run == SCHED_STOPPED || s->broken) {
            return;
        }
        begin(CONTAINER_OF(s->notices_waiting.next, struct notice, link));
    }
}

void
notice_attach(struct sched *s, struct notice *n, struct task *t)
{
    n->task = t;
    task_to_notice(s, t, n);
}

static void
enqueue(struct sched *s, struct notice *n)
{
    list_push_back(&s->notices_waiting, &n->link);
    s->notices_waiting_count++;
}

void
notice_start(struct sched *s, struct notice *n)
{
    enqueue(s, n);
    notice_pump(s);
}

void
notice_start_delay(struct sched *s, struct entry *e)
{
    struct notice *n = e->delay == NULL ? notice_new(s, e, 1) : NULL;

    if (n == NULL) {
        return; /* being written; or no memory: the deadline comes again */
    }
    e->delay = n;
    enqueue(s, n);
    notice_pump(s);
}
