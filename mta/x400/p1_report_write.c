/* p1_report_write.c - reports made. The stored form of it is written at once, without trace of
 * ours: it is appended when the report is sent, as with all that is stored. */
#include "x400/p1_member.h"
#include "x400/p1_report.h"
#include "x400/p1_stored.h"

/* ---- who is told what */

bool
p1_report_due(
    const struct p1_envelope *subject, const struct p1_recipient *r, const struct p1_outcome *o)
{
    if (subject->kind == P1_REPORT || o->is == P1_OPEN) {
        return false;
    }
    return o->is == P1_FAILED || (r->indicators & (P1_MTA_REPORT | P1_REPORT_ASKED)) != 0;
}

bool
p1_report_returns(const struct p1_envelope *subject)
{
    return subject->kind == P1_MESSAGE && (subject->indicators & P1_RETURN_CONTENT) != 0;
}

/* The list of an extension that is a SEQUENCE OF: its contents. */
static struct slice
list_of(const struct p1_extension *x)
{
    struct ber_cursor c;
    struct ber_value v;

    ber_cursor_init(&c, x->value);
    if (ber_take_tag(&c, BER_UNIVERSAL(BER_SEQUENCE), &v) <= 0 || !v.constructed) {
        return SLICE_NONE;
    }
    return v.body;
}

/* The same of the extension of that number, empty if it is not there. */
static struct slice
history(struct slice extensions, uint32_t number)
{
    struct p1_extension x;

    return p1_find_extension(extensions, number, &x) ? list_of(&x) : SLICE_NONE;
}

/* The O/R name in an element: a SEQUENCE that begins with it, perhaps a SEQUENCE deeper. */
static bool
name_in(const struct ber_cursor *around, const struct ber_value *element, struct ber_value *name)
{
    struct ber_cursor c = ber_inside(around, element);

    for (unsigned depth = 0; depth < 2 && element->constructed && ber_take(&c, name) > 0; depth++) {
        if (name->tag == BER_APPLICATION(0)) {
            return name->constructed;
        }
        if (name->tag != BER_UNIVERSAL(BER_SEQUENCE) || !name->constructed) {
            return false;
        }
        c = ber_inside(&c, name);
    }
    return false;
}

/* The name of a history's first or last element. */
static bool
name_of_history(struct slice list, bool last, struct ber_value *name)
{
    struct ber_value element;
    struct ber_cursor c;
    bool found = false;

    ber_cursor_init(&c, list);
    for (unsigned n = 0; n < P1_REDIRECTIONS_MAX && ber_take(&c, &element) > 0; n++) {
        found = name_in(&c, &element, name);
        if (!last || !found) {
            break;
        }
    }
    return found;
}

struct slice
p1_report_destination(const struct p1_envelope *subject)
{
    struct ber_value name;

    return name_of_history(history(subject->extensions, P1_EXT_DL_HISTORY), true, &name)
               ? name.whole
               : subject->originator;
}

/* ---- the envelope */

static void
write_raw_member(struct ber_writer *w, struct slice members, ber_tag tag)
{
    struct ber_value v;

    if (p1_find_member(members, tag, &v)) {
        ber_write_raw(w, v.whole);
    }
}

static void
write_raw_extension(struct ber_writer *w, struct slice extensions, uint32_t number)
{
    struct p1_extension x;

    if (p1_find_extension(extensions, number, &x)) {
        ber_write_raw(w, x.whole);
    }
}

/* Extension 30: the originator and when, then the lists as the subject's history has them. */
static void
write_way_back(struct ber_writer *w, const struct p1_envelope *subject, uint64_t now_wall_ms)
{
    struct slice lists = history(subject->extensions, P1_EXT_DL_HISTORY);
    struct p1_trace first;
    struct ber_cursor c;

    if (lists.n == 0) {
        return;
    }
    ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
    ber_write_int(w, BER_CONTEXT(0), P1_EXT_ORIGINATOR_AND_DL_HISTORY);
    ber_write_begin(w, BER_CONTEXT(2));
    ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
    ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
    ber_write_raw(w, subject->originator);
    ber_cursor_init(&c, subject->trace);
    if (p1_trace_next(&c, false, &first) > 0) {
        ber_write_bytes(w, BER_UNIVERSAL(BER_UTC_TIME), p1_text_slice(&first.arrival));
    } else {
        p1_write_time(w, BER_UNIVERSAL(BER_UTC_TIME), now_wall_ms);
    }
    ber_write_end(w);
    ber_write_raw(w, lists);
    ber_write_end(w);
    ber_write_end(w);
    ber_write_end(w);
}

static void
write_reporting_mta(struct ber_writer *w, const struct p1_reporter *by)
{
    ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
    ber_write_int(w, BER_CONTEXT(0), P1_EXT_REPORTING_MTA);
    ber_write_begin(w, BER_CONTEXT(2));
    ber_write_begin(w, BER_UNIVERSAL(BER_SEQUENCE));
    p1_write_domain(w, by->domain);
    ber_write_bytes(w, BER_UNIVERSAL(BER_IA5_STRING), by->mta_name);
    ber_write_end(w);
    ber_write_end(w);
    ber_write_end(w);
}

static void
write_envelope(
    struct ber_writer *w, const struct p1_envelope *subject, const struct p1_reporter *by)
{
    enum { SECURITY_LABEL = 20 };

    ber_write_begin(w, BER_UNIVERSAL(BER_SET));
    p1_write_identifier(w, by->domain, by->local_id);
    ber_write_raw(w, p1_report_destination(subject));
    ber_write_list(w, BER_APPLICATION(9), SLICE_NONE);
    ber_write_begin(w, BER_CONTEXT(1));
    write_raw_extension(w, subject->extensions, SECURITY_LABEL);
    write_way_back(w, subject, by->now_wall_ms);
    write_reporting_mta(w, by);
    ber_write_end(w);
    ber_write_end(w);
}

/* ---- the content */

/* What PrintableString lacks becomes a blank. */
static void
write_supplementary(struct ber_writer *w, struct slice text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                " '()+,-./:=?";
    char made[P1_SUPPLEMENTARY_BYTES_MAX];
    size_t n = MIN(text.n, sizeof(made));

    for (size_t i = 0; i < n; i++) {
        made[i] = text.p[i] != '\0' && strchr(plain, text.p[i]) != NULL ? text.p[i] : ' ';
    }
    if (n > 0) {
        ber_write_bytes(w, BER_CONTEXT(5), (struct slice){ made, n });
    }
}

static void
write_last_trace(struct ber_writer *w, const struct p1_outcome *o, const struct p1_reporter *by)
{
    ber_write_begin(w, BER_CONTEXT(3));
    p1_write_time(w, BER_CONTEXT(0), by->arrival_wall_ms);
    ber_write_begin(w, BER_CONTEXT(1));
    ber_write_begin(w, BER_CONTEXT(o->is == P1_DELIVERED ? 0 : 1));
    if (o->is == P1_DELIVERED) {
        p1_write_time(w, BER_CONTEXT(0), o->delivery_wall_ms);
        if (o->user != P1_USER_PUBLIC) {
            ber_write_int(w, BER_CONTEXT(1), o->user);
        }
    } else {
        ber_write_int(w, BER_CONTEXT(0), o->reason);
        if (o->diagnostic != P1_NO_DIAGNOSTIC) {
            ber_write_int(w, BER_CONTEXT(1), o->diagnostic);
        }
    }
    ber_write_end(w);
    ber_write_end(w);
    ber_write_end(w);
}

/* An O/R name under another tag. */
static void
write_name(struct ber_writer *w, ber_tag tag, struct slice name)
{
    struct ber_cursor c;
    struct ber_value v;

    ber_cursor_init(&c, name);
    if (ber_take(&c, &v) > 0) {
        ber_write_list(w, tag, v.body);
    }
}

static void
write_recipient(struct ber_writer *w, const struct p1_recipient *r, const struct p1_outcome *o,
    const struct p1_reporter *by)
{
    struct p1_extension x;
    struct ber_value name;
    bool redirected = p1_find_extension(r->extensions, P1_EXT_REDIRECTION_HISTORY, &x);

    ber_write_begin(w, BER_UNIVERSAL(BER_SET));
    write_name(w, BER_CONTEXT(0), r->name);
    ber_write_int(w, BER_CONTEXT(1), r->number);
    ber_write_bits(w, BER_CONTEXT(2), r->indicators, MAX(r->indicators_count, (size_t)8));
    write_last_trace(w, o, by);
    if (redirected && name_of_history(list_of(&x), false, &name)) {
        write_name(w, BER_CONTEXT(4), name.whole);
    }
    write_supplementary(w, by->terse ? SLICE_NONE : o->text);
    if (redirected) {
        ber_write_list(w, BER_CONTEXT(6), x.whole);
    }
    ber_write_end(w);
}

/* What the recipients ask for and got, all together. */
struct due {
    uint32_t count;
    bool failed, audited;
};

static struct due
count_due(const struct p1_envelope *subject, const struct p1_outcome *outcomes)
{
    struct due due = { 0 };
    struct p1_recipient r;
    struct ber_cursor c;

    ber_cursor_init(&c, subject->recipients);
    for (size_t nth = 0; p1_recipient_next(&c, &r) > 0; nth++) {
        if (p1_report_due(subject, &r, &outcomes[nth])) {
            due.count++;
            due.failed = due.failed || outcomes[nth].is == P1_FAILED;
            due.audited = due.audited || (r.indicators & (P1_MTA_REPORT | P1_MTA_NON_DELIVERY)) ==
                                             (P1_MTA_REPORT | P1_MTA_NON_DELIVERY);
        }
    }
    return due;
}

static void
write_content(struct ber_writer *w, const struct p1_envelope *subject,
    const struct p1_outcome *outcomes, const struct p1_reporter *by, struct due due)
{
    struct p1_extension x;
    struct p1_recipient r;
    struct ber_cursor c;

    ber_write_begin(w, BER_UNIVERSAL(BER_SET));
    write_raw_member(w, subject->members, BER_APPLICATION(4));
    if (due.audited && subject->trace_count > 0) {
        write_raw_member(w, subject->members, BER_APPLICATION(9));
    }
    ber_write_raw(w, subject->eits);
    write_raw_member(w, subject->members,
        subject->content_oid.n > 0 ? BER_UNIVERSAL(BER_OID) : BER_APPLICATION(6));
    write_raw_member(w, subject->members, BER_APPLICATION(10));
    if (due.failed && by->return_content && p1_report_returns(subject)) {
        ber_write_bytes(w, BER_CONTEXT(1), by->content);
    }
    if (p1_find_extension(subject->extensions, P1_EXT_CONTENT_CORRELATOR, &x)) {
        ber_write_list(w, BER_CONTEXT(3), x.whole);
    }
    ber_write_begin(w, BER_CONTEXT(0));
    ber_cursor_init(&c, subject->recipients);
    for (size_t nth = 0; w->rc == 0 && p1_recipient_next(&c, &r) > 0; nth++) {
        if (p1_report_due(subject, &r, &outcomes[nth])) {
            write_recipient(w, &r, &outcomes[nth], by);
        }
    }
    ber_write_end(w);
    ber_write_end(w);
}

int
p1_report_write(struct buf *out, const struct p1_envelope *subject,
    const struct p1_outcome *outcomes, const struct p1_reporter *by)
{
    const size_t before = buf_len(out);
    struct due due = { 0 };
    struct ber_writer w;
    int rc;

    CHECK(by->local_id.n > 0 && by->local_id.n <= P1_LOCAL_ID_BYTES_MAX);
    CHECK(by->mta_name.n > 0 && by->mta_name.n <= P1_MTA_NAME_BYTES_MAX);
    if (subject->kind != P1_REPORT) {
        due = count_due(subject, outcomes);
    }
    if (due.count == 0) {
        return 0;
    }
    ber_writer_init(&w, out);
    ber_write_begin(&w, BER_CONTEXT(P1_REPORT));
    write_envelope(&w, subject, by);
    write_content(&w, subject, outcomes, by, due);
    ber_write_end(&w);
    rc = ber_write_finish(&w);
    if (rc < 0) {
        return rc;
    }
    /* Room for the traces of the hops to come. */
    return buf_len(out) - before > P1_ENVELOPE_BYTES_MAX - 64 * KIB ? BH_ETOOBIG : 1;
}

int
p1_report_write_fitting(struct buf *out, const struct p1_envelope *subject,
    const struct p1_outcome *outcomes, const struct p1_reporter *by)
{
    struct p1_reporter less = *by;
    int rc = p1_report_write(out, subject, outcomes, &less);

    if (rc == BH_ETOOBIG && less.return_content) {
        less.return_content = false;
        buf_clear(out);
        rc = p1_report_write(out, subject, outcomes, &less);
    }
    if (rc == BH_ETOOBIG) {
        less.terse = true;
        buf_clear(out);
        rc = p1_report_write(out, subject, outcomes, &less);
    }
    return rc;
}
