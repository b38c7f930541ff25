/* header.c - a header section seen in passing, and our own Received field. */
#include "mail/header.h"
#include "core/ticks.h"

#include <stdio.h>

enum state {
    IN_LINE,      /* the field is not known yet */
    IN_MESSAGE_ID /* the next line may be the value, folded */
};

void
header_scan_init(struct header_scan *h)
{
    /* not the whole struct: line is large and starts empty by its length */
    h->received_count = 0;
    h->done = h->has_date = h->has_message_id = h->has_from = false;
    h->message_id[0] = '\0';
    h->state = IN_LINE;
    h->line_bytes = 0;
}

static void
take_message_id(struct header_scan *h, struct slice value)
{
    value = slice_trim(value);
    value.n = MIN(value.n, sizeof(h->message_id) - 1);
    if (value.n == 0 || h->message_id[0] != '\0') {
        return;
    }
    memcpy(h->message_id, value.p, value.n);
    h->message_id[value.n] = '\0';
}

/* RFC 5322 section 2.2: printable, no colon, then (obsolete) white space, then a colon. */
static bool
field_name(struct slice line, struct slice *name, struct slice *value)
{
    size_t colon = slice_find(line, ':');

    if (colon == line.n || colon == 0) {
        return false;
    }
    *value = slice_skip(line, colon + 1);
    *name = slice_sub(line, 0, colon);
    while (name->n > 0 && (name->p[name->n - 1] == ' ' || name->p[name->n - 1] == '\t')) {
        name->n--;
    }
    for (size_t i = 0; i < name->n; i++) {
        if (name->p[i] <= ' ' || name->p[i] > '~') {
            return false;
        }
    }
    return name->n > 0;
}

/* A whole line without its line end; cut at sizeof(h->line). */
static void
take_line(struct header_scan *h, struct slice line)
{
    struct slice name, value;

    if (line.n > 0 && line.p[line.n - 1] == '\r') {
        line.n--;
    }
    if (line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t')) {
        if (h->state == IN_MESSAGE_ID) {
            take_message_id(h, line);
        }
        return;
    }
    h->state = IN_LINE;
    if (!field_name(line, &name, &value)) {
        h->done = true; /* the empty line, or a body that nothing sets apart */
        return;
    }
    switch (name.n) {
    case 4:
        h->has_date = h->has_date || slice_ieq(name, SLICE_LIT("Date"));
        h->has_from = h->has_from || slice_ieq(name, SLICE_LIT("From"));
        break;
    case 8:
        if (slice_ieq(name, SLICE_LIT("Received")) && h->received_count < UINT32_MAX) {
            h->received_count++;
        }
        break;
    case 10:
        if (slice_ieq(name, SLICE_LIT("Message-ID"))) {
            h->has_message_id = true;
            h->state = IN_MESSAGE_ID;
            take_message_id(h, value);
        }
        break;
    }
}

static void
keep(struct header_scan *h, struct slice part)
{
    size_t n = MIN(part.n, sizeof(h->line) - h->line_bytes);

    memcpy(h->line + h->line_bytes, part.p, n);
    h->line_bytes = (uint16_t)(h->line_bytes + n);
}

void
header_scan_feed(struct header_scan *h, struct slice bytes)
{
    while (!h->done && bytes.n > 0) {
        size_t n = slice_find(bytes, '\n');
        struct slice line = slice_sub(bytes, 0, n);
        bool whole = n < bytes.n;

        bytes = slice_skip(bytes, n + whole);
        if (!whole || h->line_bytes > 0) {
            keep(h, line);
            line = (struct slice){ h->line, h->line_bytes };
        }
        if (whole) {
            h->line_bytes = 0;
            take_line(h, line);
        }
    }
}

int
header_write_received(char *out, size_t cap, const struct header_received *r)
{
    char date[TICKS_RFC5322_CAP];
    int n;

    ticks_rfc5322(r->wall_ms, date);
    n = snprintf(out, cap,
        "Received: from %.*s ([%.*s]) by %.*s (Bridgehead)\r\n"
        "\twith %.*s id %.*s%s%.*s%s; %s\r\n",
        SLICE_FMT(r->helo), SLICE_FMT(r->client_address), SLICE_FMT(r->by_host),
        SLICE_FMT(r->protocol), SLICE_FMT(r->id), r->recipient.n > 0 ? "\r\n\tfor <" : "",
        SLICE_FMT(r->recipient), r->recipient.n > 0 ? ">" : "", date);
    if (n < 0 || (size_t)n >= cap) {
        return BH_ETOOBIG;
    }
    return n;
}
