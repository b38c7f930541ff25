/* mail/dsn.c - a multipart/report of three parts: for people, for programs, the original's header.
 *
 * Everything that came from a peer (addresses, replies, the original header) is bytes of a stranger
 * here: fields are cut to one printable ASCII line, so that nobody can inject a header or a MIME
 * boundary, and the header part is quoted-printable unless it is already plain 7-bit lines.
 */
#include "mail/dsn.h"

#include "core/ticks.h"

#include <stdio.h>

#define FIELD_BYTES_MAX 900 /* of one value: a line has at most 998 bytes (RFC 5322 2.1.1) */
#define LINE_BYTES_MAX  998
#define QP_LINE_BYTES   75 /* RFC 2045 6.7 (5): 76 with the "=" of a soft break */

struct kind_row {
    const char *action;  /* RFC 3464 2.3.3 */
    const char *heading; /* above the recipients in the part for people */
    char status_class;
};

static const struct kind_row kinds[] = {
    [DSN_FAILED] = { "failed",
        "Your message could not be delivered to the following recipients, and no further\r\n"
        "attempt will be made:\r\n",
        '5' },
    [DSN_DELAYED] = { "delayed",
        "Your message has not been delivered to the following recipients yet. Nothing is to be\r\n"
        "done now: further attempts will be made.\r\n",
        '4' },
    [DSN_DELIVERED] = { "delivered", "Your message was delivered to the following recipients:\r\n",
        '2' },
    [DSN_RELAYED] = { "relayed",
        "Your message was passed on for the following recipients, to a system that does not\r\n"
        "confirm deliveries:\r\n",
        '2' },
    [DSN_EXPANDED] = { "expanded",
        "Your message was passed to more addresses in place of the following recipients:\r\n",
        '2' },
};
_Static_assert(ARRAY_LEN(kinds) == DSN_EXPANDED + 1, "a kind has no row");

static int
put(struct buf *out, const char *text)
{
    return buf_append(out, slice_of(text));
}

/* One line of printable ASCII, cut at max bytes: what may stand in a header field. */
static int
put_clean(struct buf *out, struct slice s, size_t max)
{
    size_t n = MIN(s.n, max);
    char *p;
    int rc = buf_reserve(out, n, &p);

    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        p[i] = (char)(c == '\r' || c == '\n' || c == '\t' ? ' ' : c >= 0x20 && c < 0x7f ? c : '?');
    }
    buf_commit(out, n);
    return 0;
}

static int
put_field(struct buf *out, const char *prefix, struct slice value)
{
    int rc = put(out, prefix);

    if (rc == 0) {
        rc = put_clean(out, value, FIELD_BYTES_MAX);
    }
    return rc == 0 ? put(out, "\r\n") : rc;
}

static int
put_date(struct buf *out, const char *prefix, uint64_t wall_ms)
{
    char date[TICKS_RFC5322_CAP];

    ticks_rfc5322(wall_ms, date);
    return put_field(out, prefix, slice_of(date));
}

static bool
has_kind(const struct dsn *d, enum dsn_kind kind)
{
    for (uint32_t i = 0; i < d->recipient_count; i++) {
        if (d->recipients[i].kind == kind) {
            return true;
        }
    }
    return false;
}

static const char *
subject(const struct dsn *d)
{
    if (has_kind(d, DSN_FAILED)) {
        return "Undelivered mail returned to sender";
    }
    return has_kind(d, DSN_DELAYED) ? "Delayed mail (still being tried)" : "Delivery notification";
}

/* RFC 3463: class "." subject "." detail, of which only 2, 4 and 5 are classes. */
static bool
status_valid(struct slice s)
{
    struct slice rest = s, part;
    unsigned parts = 0;
    uint64_t v;

    while (slice_next(&rest, '.', &part)) {
        if (part.n > 3 || slice_u64(part, 999, &v) < 0 || ++parts > 3) {
            return false;
        }
        if (parts == 1 && v != 2 && v != 4 && v != 5) {
            return false;
        }
    }
    return parts == 3 && s.p[s.n - 1] != '.';
}

/* The original header is 7-bit text of CRLF lines that a message may carry as it is. */
static bool
plain(struct slice s)
{
    size_t line = 0;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '\r' && i + 1 < s.n && s.p[i + 1] == '\n') {
            i++;
            line = 0;
        } else if (c == '\0' || c == '\r' || c == '\n' || c >= 0x80 || ++line > LINE_BYTES_MAX) {
            return false;
        }
    }
    return s.n == 0 || line == 0; /* ends with its line */
}

/* Quoted-printable, RFC 2045 6.7: CRLF stays a line end, all else that is not plain is =XX. */
static int
put_quoted(struct buf *out, struct slice s)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t line = 0;
    int rc = 0;

    for (size_t i = 0; i < s.n && rc == 0; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool end_next = i + 1 >= s.n || (s.p[i + 1] == '\r' && i + 2 < s.n && s.p[i + 2] == '\n');
        char code[3] = { '=', hex[c >> 4], hex[c & 15] };
        bool safe = (c > 0x20 && c < 0x7f && c != '=') || ((c == ' ' || c == '\t') && !end_next);

        if (c == '\r' && i + 1 < s.n && s.p[i + 1] == '\n') {
            rc = put(out, "\r\n");
            line = 0;
            i++;
            continue;
        }
        if (line + (safe ? 1 : 3) > QP_LINE_BYTES) {
            rc = put(out, "=\r\n");
            line = 0;
        }
        if (rc == 0) {
            rc = buf_append(out, safe ? (struct slice){ &s.p[i], 1 } : (struct slice){ code, 3 });
        }
        line += safe ? 1 : 3;
    }
    return rc == 0 && line > 0 ? put(out, "\r\n") : rc;
}

/* A boundary that is in no line of the original header; the other parts are ours, and clean lines
 * of them begin with a field name or a space. */
static void
boundary_choose(char out[64], const struct dsn *d)
{
    struct slice h = d->original_header;

    for (uint64_t salt = d->unique;; salt += 0x9e3779b97f4a7c15u) {
        int n = snprintf(out, 64, "=_bridgehead_%016llx", (unsigned long long)salt);

        if (h.n == 0 || memmem(h.p, h.n, out, (size_t)n) == NULL) {
            return;
        }
    }
}

static int
put_header(struct buf *out, const struct dsn *d, const char *boundary)
{
    int rc = put(out, "From: Mail Delivery System <MAILER-DAEMON@");

    if (rc == 0) {
        rc = put_clean(out, d->reporting_mta, 255);
    }
    if (rc == 0) {
        rc = put(out, ">\r\nTo: <");
    }
    if (rc == 0) {
        rc = put_clean(out, d->sender, FIELD_BYTES_MAX);
    }
    if (rc == 0) {
        rc = put_date(out, ">\r\nDate: ", d->now_wall_ms);
    }
    if (rc == 0) {
        rc = buf_printf(out, "Subject: %s\r\nMessage-ID: <%016llx.%llx@", subject(d),
            (unsigned long long)d->unique, (unsigned long long)d->now_wall_ms);
    }
    if (rc == 0) {
        rc = put_clean(out, d->reporting_mta, 255);
    }
    if (rc == 0) { /* RFC 3834: so that no responder answers it */
        rc = buf_printf(out,
            ">\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
            "Content-Type: multipart/report; report-type=delivery-status;\r\n"
            "\tboundary=\"%s\"\r\n\r\n"
            "This is a delivery report in MIME format (RFC 3464).\r\n",
            boundary);
    }
    return rc;
}

/* "<address>:" and why, below the heading of its kind. */
static int
put_person_recipient(struct buf *out, const struct dsn_recipient *r)
{
    int rc = put(out, "\r\n  <");

    if (rc == 0) {
        rc = put_clean(out, r->address, FIELD_BYTES_MAX);
    }
    if (rc == 0) {
        rc = put(out, ">\r\n");
    }
    if (rc == 0 && r->remote.n > 0) {
        rc = put_field(out, "    at: ", r->remote);
    }
    if (rc == 0 && r->diagnostic.n > 0) {
        rc = put_field(
            out, r->smtp_diagnostic ? "    the remote host said: " : "    ", r->diagnostic);
    }
    if (rc == 0 && r->will_retry_until_wall_ms > 0) {
        rc = put_date(out, "    will be tried until: ", r->will_retry_until_wall_ms);
    }
    return rc;
}

static int
put_person_part(struct buf *out, const struct dsn *d, const char *boundary)
{
    int rc = buf_printf(out,
        "\r\n--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n"
        "Content-Description: Notification\r\n\r\n"
        "This is the mail system at host ",
        boundary);

    if (rc == 0) {
        rc = put_field(out, "", d->reporting_mta);
    }
    for (size_t kind = 0; kind < ARRAY_LEN(kinds) && rc == 0; kind++) {
        if (!has_kind(d, (enum dsn_kind)kind)) {
            continue;
        }
        rc = put(out, "\r\n");
        if (rc == 0) {
            rc = put(out, kinds[kind].heading);
        }
        for (uint32_t i = 0; i < d->recipient_count && rc == 0; i++) {
            if (d->recipients[i].kind == (enum dsn_kind)kind) {
                rc = put_person_recipient(out, &d->recipients[i]);
            }
        }
    }
    if (rc == 0) {
        rc = put_field(out,
            "\r\nThe technical details are attached, with the header of your message.\r\n"
            "The message is known here as ",
            d->id);
    }
    return rc;
}

/* "dns; mx.example.org" of "mx.example.org[192.0.2.1]:25"; a literal where there is no name. */
static struct slice
remote_name(struct slice remote)
{
    size_t bracket = slice_find(remote, '[');
    size_t close = slice_find(remote, ']');

    if (bracket > 0) {
        return slice_sub(remote, 0, bracket);
    }
    return slice_sub(remote, 0, close + 1);
}

/* RFC 3464 2.3: one block for each recipient. */
static int
put_status_recipient(struct buf *out, const struct dsn_recipient *r)
{
    const struct kind_row *kind = &kinds[r->kind];
    int rc = put(out, "\r\n");

    if (rc == 0 && r->orcpt.n > 0) {
        rc = put_field(out, "Original-Recipient: ", r->orcpt);
    }
    if (rc == 0) {
        rc = put_field(out, "Final-Recipient: rfc822; ", r->address);
    }
    if (rc == 0) {
        rc = buf_printf(out, "Action: %s\r\n", kind->action);
    }
    if (rc == 0 && status_valid(r->status)) {
        rc = put_field(out, "Status: ", r->status);
    } else if (rc == 0) {
        rc = buf_printf(out, "Status: %c.0.0\r\n", kind->status_class);
    }
    if (rc == 0 && r->remote.n > 0) {
        rc = put_field(out, "Remote-MTA: dns; ", remote_name(r->remote));
    }
    if (rc == 0 && r->diagnostic.n > 0) {
        rc = put_field(out,
            r->smtp_diagnostic ? "Diagnostic-Code: smtp; " : "Diagnostic-Code: X-Bridgehead; ",
            r->diagnostic);
    }
    if (rc == 0 && r->last_attempt_wall_ms > 0) {
        rc = put_date(out, "Last-Attempt-Date: ", r->last_attempt_wall_ms);
    }
    if (rc == 0 && r->will_retry_until_wall_ms > 0) {
        rc = put_date(out, "Will-Retry-Until: ", r->will_retry_until_wall_ms);
    }
    return rc;
}

static int
put_status_part(struct buf *out, const struct dsn *d, const char *boundary)
{
    int rc = buf_printf(out,
        "\r\n--%s\r\nContent-Type: message/delivery-status\r\n"
        "Content-Description: Delivery report\r\n\r\n",
        boundary);

    if (rc == 0 && d->envid.n > 0) {
        rc = put_field(out, "Original-Envelope-Id: ", d->envid);
    }
    if (rc == 0) {
        rc = put_field(out, "Reporting-MTA: dns; ", d->reporting_mta);
    }
    if (rc == 0 && d->id.n > 0) {
        rc = put_field(out, "X-Bridgehead-Queue-ID: ", d->id);
    }
    if (rc == 0 && d->arrival_wall_ms > 0) {
        rc = put_date(out, "Arrival-Date: ", d->arrival_wall_ms);
    }
    for (uint32_t i = 0; i < d->recipient_count && rc == 0; i++) {
        rc = put_status_recipient(out, &d->recipients[i]);
    }
    return rc;
}

static int
put_original_part(struct buf *out, const struct dsn *d, const char *boundary)
{
    bool as_is = plain(d->original_header);
    int rc = buf_printf(out,
        "\r\n--%s\r\nContent-Type: text/rfc822-headers\r\n"
        "Content-Description: Header of the undelivered message\r\n"
        "Content-Transfer-Encoding: %s\r\n\r\n",
        boundary, as_is ? "7bit" : "quoted-printable");

    if (rc < 0) {
        return rc;
    }
    return as_is ? buf_append(out, d->original_header) : put_quoted(out, d->original_header);
}

int
dsn_write(struct buf *out, const struct dsn *d)
{
    char boundary[64];
    int rc;

    CHECK(d->sender.n > 0); /* never a bounce for a bounce */
    CHECK(d->recipient_count > 0);
    boundary_choose(boundary, d);
    rc = put_header(out, d, boundary);
    if (rc == 0) {
        rc = put_person_part(out, d, boundary);
    }
    if (rc == 0) {
        rc = put_status_part(out, d, boundary);
    }
    if (rc == 0 && d->original_header.n > 0) {
        rc = put_original_part(out, d, boundary);
    }
    return rc == 0 ? buf_printf(out, "\r\n--%s--\r\n", boundary) : rc;
}
