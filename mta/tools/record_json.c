#include "tools/record_json.h"
#include "core/id.h"
#include "queue/repaired.h"
#include "queue/segment.h"
#include "queue/snapshot.h"
#include "queue/state.h"
#include "tools/tools.h"
#include <stdio.h>
#include <stdlib.h>

static json_t *
id_json(uint64_t id)
{
    char text[ID_TEXT_CAP];

    return json_string(id_text(id, text));
}

static json_t *
lsn_json(uint64_t lsn)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%llx", (unsigned long long)lsn);
    return json_string(text);
}

/* ---- what the payload says; false: it contradicts itself */

static bool
add_content(json_t *a, struct slice payload, bool content)
{
    struct reader r = reader_of(payload);
    uint64_t id = read_u64(&r);
    uint32_t chunk = read_u32(&r);

    (void)read_u32(&r);
    if (r.bad) {
        return false;
    }
    (void)json_object_set_new(a, "id", id_json(id));
    (void)json_object_set_new(a, "chunk", json_integer(chunk));
    (void)json_object_set_new(a, "bytes", json_integer((json_int_t)r.rest.n));
    if (content) {
        (void)json_object_set_new(a, "base64", tool_base64(r.rest));
    }
    return true;
}

static void
add_chunks(json_t *list, struct slice bytes)
{
    struct reader r = reader_of(bytes);

    while (r.rest.n >= COMMIT_CHUNK_BYTES) {
        uint64_t lsn = read_u64(&r);

        (void)json_array_append_new(
            list, json_pack("{s:o,s:I}", "lsn", lsn_json(lsn), "bytes", (json_int_t)read_u32(&r)));
    }
}

static void add_statement(json_t *a, struct slice field);

static void
add_commit_field(json_t *a, json_t *recipients, json_t *chunks, uint16_t tag, struct slice bytes)
{
    struct reader r = reader_of(bytes);
    struct envelope_recipient to;

    switch (tag) {
    case COMMIT_SENDER:
        (void)json_object_set_new(a, "sender", tool_text(bytes));
        break;
    case COMMIT_ENVID:
        (void)json_object_set_new(a, "envid", tool_text(bytes));
        break;
    case COMMIT_CLIENT:
        (void)json_object_set_new(a, "client", tool_text(bytes));
        break;
    case COMMIT_BODY:
        (void)json_object_set_new(a, "body", json_integer(read_u8(&r)));
        break;
    case COMMIT_HOPS:
        (void)json_object_set_new(a, "hops", json_integer(read_u8(&r)));
        break;
    case COMMIT_RECEIVED:
        (void)json_object_set_new(a, "received", tool_time(read_u64(&r)));
        break;
    case COMMIT_RECIPIENT:
        if (commit_recipient(bytes, &to) == 0) {
            (void)json_array_append_new(
                recipients, json_pack("{s:o,s:o,s:i}", "address", tool_text(to.address), "orcpt",
                                tool_text(to.orcpt), "notify", (int)to.notify));
        }
        break;
    case COMMIT_CHUNKS:
        add_chunks(chunks, bytes);
        break;
    case COMMIT_TRANSID:
        (void)read_u64(&r);
        (void)json_object_set_new(a, "transid", tool_text(r.rest));
        break;
    case COMMIT_STATEMENT:
        add_statement(a, bytes);
        break;
    case COMMIT_ORIGIN: /* of a COPIED_COMMIT: the one that it stands for */
        (void)json_object_set_new(a, "commit", lsn_json(read_u64(&r)));
        break;
    default:
        break;
    }
}

static bool
add_commit(json_t *a, struct slice payload)
{
    json_t *recipients = json_array(), *chunks = json_array();
    struct commit_head head;
    struct commit_walk w;
    int rc = commit_walk_begin(&w, payload, &head);

    if (rc == 0) {
        (void)json_object_set_new(a, "id", id_json(head.id));
        (void)json_object_set_new(a, "size", json_integer((json_int_t)head.size_bytes));
        do {
            rc = commit_walk_next(&w);
            if (rc > 0) {
                add_commit_field(a, recipients, chunks, w.tag, w.bytes);
            }
        } while (rc > 0);
    }
    (void)json_object_set_new(a, "recipients", recipients);
    (void)json_object_set_new(a, "chunks", chunks);
    return rc == 0;
}

static bool
add_outcome(json_t *a, struct slice payload)
{
    static const char *const kinds[] = { "delivered", "deferred", "failed", "expanded", "removed" };
    struct reader r = reader_of(payload);
    json_t *list = json_array();
    struct outcome_head head;
    struct outcome_entry e;
    bool good = outcome_head_get(&r, &head) == 0;

    (void)json_object_set_new(a, "entries", list);
    if (!good) {
        return false;
    }
    (void)json_object_set_new(a, "id", id_json(head.id));
    (void)json_object_set_new(a, "commit", lsn_json(head.commit_lsn));
    for (uint32_t i = 0; good && i < head.count; i++) {
        good = outcome_entry_get(&r, &e) == 0;
        if (good) {
            (void)json_array_append_new(
                list, json_pack("{s:I,s:s,s:b,s:i,s:o,s:o}", "recipient", (json_int_t)e.recipient,
                          "kind", e.kind < ARRAY_LEN(kinds) ? kinds[e.kind] : "unknown", "in_doubt",
                          e.in_doubt, "attempts", (int)e.attempts, "next",
                          tool_time(e.next_wall_ms), "reply", tool_text(e.reply)));
        }
    }
    return good;
}

static bool
add_mark(json_t *a, struct slice payload)
{
    static const char *const whats[] = { "unknown", "held", "next", "warned", "crashes" };
    struct mark m;

    if (mark_get(payload, &m) < 0) {
        return false;
    }
    (void)json_object_set_new(a, "id", id_json(m.id));
    (void)json_object_set_new(a, "commit", lsn_json(m.commit_lsn));
    (void)json_object_set_new(
        a, "what", json_string(m.what < ARRAY_LEN(whats) ? whats[m.what] : whats[0]));
    (void)json_object_set_new(a, "value", json_integer((json_int_t)m.value));
    return true;
}

static bool
add_seal(json_t *a, struct slice payload)
{
    struct seal_entry *entries = calloc(SEAL_ENTRIES_MAX, sizeof(*entries));
    json_t *list = json_array();
    char name[SEGMENT_NAME_CAP];
    struct seal_head h;
    bool good = entries != NULL && seal_get(payload, &h, entries) == 0;

    for (uint32_t i = 0; good && i < h.count; i++) {
        segment_name(name, entries[i].seq, entries[i].epoch);
        (void)json_array_append_new(list,
            json_pack("{s:s,s:I}", "segment", name, "valid", (json_int_t)entries[i].valid_bytes));
    }
    if (good) {
        (void)json_object_set_new(a, "part", json_integer(h.part));
        (void)json_object_set_new(a, "parts", json_integer(h.parts));
        (void)json_object_set_new(a, "previous_epoch", json_integer(h.previous_epoch));
    }
    (void)json_object_set_new(a, "segments", list);
    free(entries);
    return good;
}

static bool
add_survivors(json_t *a, struct slice payload)
{
    struct reader r = reader_of(payload);
    json_t *list = json_array();
    struct survivors_head h;
    char name[SEGMENT_NAME_CAP];

    (void)json_object_set_new(a, "offsets", list);
    if (survivors_head_get(&r, &h) < 0) {
        return false;
    }
    segment_name(name, h.seq, h.epoch);
    (void)json_object_set_new(a, "about", json_string(name));
    (void)json_object_set_new(a, "from", json_integer(h.from));
    (void)json_object_set_new(a, "to", json_integer(h.to));
    for (uint32_t i = 0; i < h.count; i++) {
        (void)json_array_append_new(list, json_integer(read_u32(&r)));
    }
    return true;
}

static bool
add_attempt(json_t *a, struct slice payload)
{
    struct reader r = reader_of(payload);
    json_t *list = json_array();
    struct attempt_head h;

    (void)json_object_set_new(a, "attempted", list);
    if (attempt_head_get(&r, &h) < 0) {
        return false;
    }
    (void)json_object_set_new(a, "id", id_json(h.id));
    (void)json_object_set_new(a, "commit", lsn_json(h.commit_lsn));
    (void)json_object_set_new(a, "kind", json_integer(h.kind));
    for (uint32_t i = 0; i < h.count; i++) {
        (void)json_array_append_new(list, json_integer(read_u32(&r)));
    }
    return !r.bad;
}

static bool
add_state(json_t *a, struct slice payload)
{
    struct slice key, value;

    if (state_get(payload, &key, &value) < 0) {
        return false;
    }
    (void)json_object_set_new(a, "key", tool_text(key));
    (void)json_object_set_new(a, "set", tool_text(value));
    return true;
}

static bool
add_repaired(json_t *a, struct slice payload)
{
    struct repaired_place *places = calloc(REPAIRED_PLACES_MAX, sizeof(*places));
    json_t *list = json_array();
    struct repaired r;
    char name[SEGMENT_NAME_CAP];
    bool good = places != NULL && repaired_get(payload, &r, places) == 0;

    if (good) {
        segment_name(name, r.seq, r.epoch);
        (void)json_object_set_new(a, "about", json_string(name));
    }
    for (uint32_t i = 0; good && i < r.count; i++) {
        (void)json_array_append_new(
            list, json_pack("{s:I,s:i}", "offset", (json_int_t)places[i].offset, "number",
                      (int)places[i].kind));
    }
    (void)json_object_set_new(a, "places", list);
    free(places);
    return good;
}

static bool
add_snapshot(json_t *a, struct slice payload)
{
    struct snapshot_ref refs[SNAPSHOT_REFS_MAX];
    json_t *list = json_array();
    uint32_t count = 0;
    char name[SNAPSHOT_NAME_CAP];
    bool good = snapshot_record_get(payload, refs, &count) == 0;

    for (uint32_t i = 0; good && i < count; i++) {
        snapshot_name(name, refs[i].position, refs[i].epoch);
        (void)json_array_append_new(
            list, json_pack("{s:s,s:o,s:o}", "snapshot", name, "position",
                      lsn_json(refs[i].position), "salt", lsn_json(refs[i].salt)));
    }
    (void)json_object_set_new(a, "snapshots", list);
    return good;
}

static bool
add_census(json_t *a, struct slice payload)
{
    struct reader r = reader_of(payload);
    uint32_t count = read_u32(&r);
    json_t *list = json_array();

    (void)read_u32(&r);
    (void)json_object_set_new(a, "ranges", list);
    for (uint32_t i = 0; i < count && !r.bad; i++) {
        uint64_t first = read_u64(&r), last = read_u64(&r);

        if (!r.bad) {
            (void)json_array_append_new(
                list, json_pack("{s:o,s:o}", "first", lsn_json(first), "last", lsn_json(last)));
        }
    }
    return !r.bad;
}

static bool
add_payload(json_t *a, const struct store_record *r, bool content)
{
    switch (r->head.type) {
    case RECORD_CONTENT:
    case RECORD_COPIED_CONTENT:
        return add_content(a, r->payload, content);
    case RECORD_COMMIT:
    case RECORD_COPIED_COMMIT:
        return add_commit(a, r->payload);
    case RECORD_OUTCOME:
        return add_outcome(a, r->payload);
    case RECORD_MARK:
        return add_mark(a, r->payload);
    case RECORD_SEAL:
        return add_seal(a, r->payload);
    case RECORD_SURVIVORS:
        return add_survivors(a, r->payload);
    case RECORD_ATTEMPT:
        return add_attempt(a, r->payload);
    case RECORD_REPAIRED:
        return add_repaired(a, r->payload);
    case RECORD_STATE:
    case RECORD_TRANSID:
        return add_state(a, r->payload);
    case RECORD_SNAPSHOT:
        return add_snapshot(a, r->payload);
    case RECORD_CENSUS:
        return add_census(a, r->payload);
    default:
        return true;
    }
}

/* ---- all of it */

const char *
record_type_name(uint8_t type)
{
    static const char *const names[] = { "UNKNOWN", "CONTENT", "COMMIT", "OUTCOME", "MARK", "SEAL",
        "END", "PAD", "SURVIVORS", "ATTEMPT", "SNAPSHOT", "COPIED_CONTENT", "COPIED_COMMIT",
        "TRANSID", "UNKNOWN", "STATE", "UNKNOWN", "REPAIRED", "CENSUS" };

    return type < ARRAY_LEN(names) ? names[type] : names[0];
}

/* What a COPIED_COMMIT says again: each as the record that it stands for. */
static void
add_statement(json_t *a, struct slice field)
{
    json_t *list = json_object_get(a, "statements"), *said = json_object();
    struct slice payload = { NULL, 0 };
    uint8_t type = 0;
    bool good = copied_statement_get(field, &type, &payload) == 0;

    if (list == NULL) {
        list = json_array();
        (void)json_object_set_new(a, "statements", list);
    }
    (void)json_object_set_new(said, "type", json_string(record_type_name(type)));
    switch (good ? type : 0) {
    case RECORD_OUTCOME:
        good = add_outcome(said, payload);
        break;
    case RECORD_ATTEMPT:
        good = add_attempt(said, payload);
        break;
    case RECORD_MARK:
        good = add_mark(said, payload);
        break;
    default:
        good = false;
        break;
    }
    if (!good) {
        (void)json_object_set_new(said, "damage", json_string("contradiction"));
    }
    (void)json_array_append_new(list, said);
}

json_t *
record_json(const struct store_record *r, bool content)
{
    json_t *a = json_pack("{s:s,s:I,s:o,s:I,s:b}", "segment", r->segment, "offset",
        (json_int_t)r->offset, "lsn", lsn_json(r->lsn), "length", (json_int_t)r->length, "valid",
        r->header_valid && r->payload_valid);

    if (!r->header_valid) {
        if (r->followed) {
            (void)json_object_set_new(a, "damage", json_string("header"));
        }
        return a;
    }
    (void)json_object_set_new(a, "type", json_string(record_type_name(r->head.type)));
    (void)json_object_set_new(a, "type_number", json_integer(r->head.type));
    (void)json_object_set_new(a, "epoch", json_integer(r->head.epoch));
    (void)json_object_set_new(a, "behind", json_integer(r->head.behind));
    if (!r->payload_valid) {
        (void)json_object_set_new(a, "damage", json_string("payload"));
    } else if (!add_payload(a, r, content)) {
        (void)json_object_set_new(a, "damage", json_string("contradiction"));
    }
    return a;
}
