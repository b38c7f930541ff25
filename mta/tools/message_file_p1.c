/* tools/message_file_p1.c - the transfer envelope of an exported message, as JSON for people. */
#include "core/io.h"
#include "tools/tools.h"
#include "x400/or_address_ber.h"
#include "x400/p1_stored.h"

#include <stdlib.h>

static json_t *
domain_json(const struct p1_domain *d)
{
    return json_sprintf("/C=%.*s/A=%.*s/P=%.*s/", SLICE_FMT(p1_text_slice(&d->country)),
        SLICE_FMT(p1_text_slice(&d->admd)), SLICE_FMT(p1_text_slice(&d->prmd)));
}

static json_t *
name_json(struct slice name)
{
    char text[OR_ADDRESS_TEXT_BYTES_MAX];
    struct or_address address;
    struct or_error error;

    return or_address_read(name, &address, &error) == 0 &&
                   or_address_text(&address, OR_TEXT_SLASH, text, sizeof(text)) >= 0
               ? tool_text(slice_of(text))
               : json_null();
}

static json_t *
trace_json(struct slice octets, bool internal)
{
    json_t *list = json_array();
    struct p1_trace t;
    struct ber_cursor c;

    ber_cursor_init(&c, octets);
    while (p1_trace_next(&c, internal, &t) > 0) {
        (void)json_array_append_new(
            list, json_pack("{s:o,s:o,s:o,s:s}", "domain", domain_json(&t.domain), "mta",
                      tool_text(p1_text_slice(&t.mta_name)), "arrival",
                      tool_text(p1_text_slice(&t.arrival)), "action",
                      t.action == 0 ? "relayed" : "rerouted"));
    }
    return list;
}

static json_t *
recipients_json(const struct p1_envelope *e)
{
    json_t *list = json_array();
    struct p1_recipient r;
    struct ber_cursor c;

    ber_cursor_init(&c, e->recipients);
    while (p1_recipient_next(&c, &r) > 0) {
        (void)json_array_append_new(
            list, json_pack("{s:o,s:I,s:b}", "name", name_json(r.name), "number",
                      (json_int_t)r.number, "responsible", (r.indicators & P1_RESPONSIBLE) != 0));
    }
    return list;
}

static json_t *
envelope_json(const struct p1_envelope *e, uint64_t head)
{
    static const char *const kinds[] = {
        [P1_MESSAGE] = "message", [P1_REPORT] = "report", [P1_PROBE] = "probe"
    };

    return json_pack("{s:s,s:o,s:o,s:o,s:s,s:I,s:o,s:o,s:o,s:o,s:I}", "kind", kinds[e->kind],
        "domain", domain_json(&e->id.domain), "identifier", tool_text(p1_text_slice(&e->id.local)),
        e->kind == P1_REPORT ? "destination" : "originator", name_json(e->originator), "priority",
        e->priority == P1_URGENT       ? "urgent"
        : e->priority == P1_NON_URGENT ? "non-urgent"
                                       : "normal",
        "content_type",
        e->content_type == P1_CONTENT_OID ? (json_int_t)-1 : (json_int_t)e->content_type,
        "content_id", tool_text(p1_text_slice(&e->content_id)), "trace",
        trace_json(e->trace, false), "internal_trace", trace_json(e->internal, true), "recipients",
        recipients_json(e), "content_at", (json_int_t)head);
}

json_t *
message_file_p1(int fd)
{
    char start[BER_HEADER_BYTES_MAX], *octets = NULL;
    ssize_t n = io_pread(fd, start, sizeof(start), 0);
    struct p1_envelope e;
    const char *error;
    uint64_t head, at;
    enum p1_kind kind;
    json_t *out = NULL;

    if (n > 0 && p1_stored_bytes((struct slice){ start, (size_t)n }, &kind, &head) == 0 &&
        head <= P1_STORED_BYTES_MAX) {
        octets = malloc((size_t)head);
    }
    if (octets != NULL && io_pread(fd, octets, (size_t)head, 0) == (ssize_t)head &&
        p1_stored_read((struct slice){ octets, (size_t)head }, &e, &error, &at) == 0) {
        out = envelope_json(&e, head);
    }
    free(octets);
    return out;
}
