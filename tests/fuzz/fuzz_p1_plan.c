/* links: core osi x400 */
#include "p1_made.h"
#include "x400/p1_head.h"
#include "x400/p1_plan.h"
#include "x400/p1_reader.h"

/* An APDU that came, stored: what is planned for it hands each recipient that is ours over once or
 * reports on it, and all that is then written (copies, copies for 1984, reports) reads again.
 *
 * Input: byte 0: what connectors are like and how late it is; byte 1: where recipients go; then the
 * APDU, bare. */

enum { PEERS = 3 };

static void
peers_of(uint8_t how, struct p1_peer peers[PEERS])
{
    static const struct p1_peer plain = { .protocol = P1_1988_NORMAL };

    for (unsigned i = 0; i < PEERS; i++) {
        peers[i] = plain;
    }
    peers[0].here = (how & 1) != 0;
    peers[1].protocol = (how & 2) != 0 ? P1_1984 : P1_1988_X410;
    peers[1].how.relabel = (how & 4) != 0;
    peers[2].content_bytes_max = (how & 8) != 0 ? 100 : 0;
    peers[2].content_types = (how & 16) != 0 ? 1 << 22 : 0;
    peers[2].eits = (how & 32) != 0 ? 4 : 0;
}

static struct or_route
route_of(uint8_t where, uint32_t nth)
{
    uint8_t x = (uint8_t)(where * 31 + nth * 7);
    uint16_t via = x % PEERS;

    if (x % 16 == 0) {
        return (struct or_route){ x % 32 == 0 ? OR_ROUTE_NONE : OR_ROUTE_LOOP,
            OR_ROUTE_NO_CONNECTOR, OR_ROUTE_NO_CONNECTOR, 0 };
    }
    return (struct or_route){ x % 5 == 0 ? OR_ROUTE_WAIT : OR_ROUTE_GO, via,
        x % 7 == 0 ? 1 : OR_ROUTE_NO_CONNECTOR, 1 };
}

/* Responsible recipients, by number of occurrences. */
static uint32_t
responsible(const struct p1_envelope *e)
{
    struct p1_recipient r;
    struct ber_cursor c;
    uint32_t n = 0;

    ber_cursor_init(&c, e->recipients);
    while (p1_recipient_next(&c, &r) > 0) {
        n += (r.indicators & P1_RESPONSIBLE) != 0;
    }
    return n;
}

/* As it is sent and as the next MTA reads it. */
static void
send(const struct p1_envelope *e, const uint8_t *bits, enum p1_protocol p, uint32_t expected)
{
    static const struct p1_hop hop = { .domain = { { true, 2, "DE" }, { true, 1, " " }, { 0 } },
        .arrival_wall_ms = P1_NOW,
        .deferred_wall_ms = P1_NOW + 1 };
    struct p1_relay relay = { .protocol = p, .context = 5, .responsible = bits };
    struct buf apdu, trace;
    struct slice rest, content;
    struct p1_reader again;
    enum p1_event event;

    buf_init(&trace, 200);
    buf_init(&apdu, 4 * P1_ENVELOPE_BYTES_MAX);
    CHECK(p1_trace_write(&trace, &hop) == 0);
    relay.trace = buf_slice(&trace);
    CHECK(p1_head_write(&apdu, e, &relay, 0) == 0);
    p1_reader_init(&again, p);
    rest = buf_slice(&apdu);
    do {
        event = p1_reader_next(&again, &rest, &content);
    } while (event == P1_GOT_ENVELOPE);
    CHECK(event == P1_END || e->trace_count == P1_TRACE_MAX);
    if (event == P1_END) {
        CHECK(again.envelope.trace_count == e->trace_count + 1);
        CHECK(e->kind == P1_REPORT || responsible(&again.envelope) == expected);
    }
    p1_reader_fini(&again);
    buf_fini(&apdu);
    buf_fini(&trace);
}

static uint32_t
count_bits(const uint8_t *bits, uint32_t count)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < count; i++) {
        n += bits[i / 8] >> i % 8 & 1;
    }
    return n;
}

static void
send_1984(
    const struct p1_envelope *e, const struct p1_1984 *how, const uint8_t *bits, uint32_t expected)
{
    struct p1_held old, again;
    const char *why;

    buf_init(&old.octets, 4 * P1_ENVELOPE_BYTES_MAX);
    CHECK(p1_1984_write(&old.octets, e, how, bits) == 0);
    p1_held_read(&old);
    CHECK(old.e.extensions.n == 0 && old.e.internal_count == 0);
    CHECK(p1_1984_fits(&old.e, how, &why));
    send(&old.e, NULL, P1_1984, expected);
    /* What is of 1984 stays as it is. */
    buf_init(&again.octets, 4 * P1_ENVELOPE_BYTES_MAX);
    CHECK(p1_1984_write(&again.octets, &old.e, how, NULL) == 0);
    CHECK(slice_eq(buf_slice(&old.octets), buf_slice(&again.octets)));
    p1_held_fini(&again);
    p1_held_fini(&old);
}

static void
report_on(const struct p1_envelope *e, const struct p1_plan *plan)
{
    struct p1_outcome *outcomes = calloc(plan->count, sizeof(*outcomes));
    struct p1_reporter by = { .domain = &p1_ours,
        .mta_name = SLICE_LIT("node-1"),
        .local_id = SLICE_LIT("R"),
        .now_wall_ms = P1_NOW,
        .arrival_wall_ms = P1_NOW,
        .return_content = true,
        .content = SLICE_LIT("content") };
    struct p1_held report;
    struct p1_report r;
    const char *error = "";
    uint64_t at;
    int rc;

    CHECK(outcomes != NULL);
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct p1_code *code = p1_code(plan->shares[i].cause);

        if (plan->shares[i].step == P1_REFUSE) {
            outcomes[i] = (struct p1_outcome){ .is = P1_FAILED,
                .reason = code->reason,
                .diagnostic = code->diagnostic,
                .text = slice_of(code->text) };
        } else if (plan->shares[i].step == P1_DELIVER) {
            outcomes[i] = (struct p1_outcome){ .is = P1_DELIVERED, .delivery_wall_ms = P1_NOW };
        }
    }
    buf_init(&report.octets, 4 * P1_ENVELOPE_BYTES_MAX);
    rc = p1_report_write(&report.octets, e, outcomes, &by);
    CHECK(rc >= 0 && (rc == 0 || e->kind != P1_REPORT));
    if (rc == 1) {
        p1_held_read(&report);
        CHECK(p1_report_parse(report.e.report_content, &r, &error, &at) == 0);
        send(&report.e, NULL, P1_1988_NORMAL, 0);
        if (p1_1984_fits(&report.e, &(struct p1_1984){ false }, &error)) {
            send_1984(&report.e, &(struct p1_1984){ false }, NULL, 0);
        }
    }
    p1_held_fini(&report);
    free(outcomes);
}

static void
plan_it(const struct p1_envelope *e, uint8_t how, uint8_t where)
{
    const uint32_t count = p1_plan_count(e);
    struct or_route *routes = calloc(count, sizeof(*routes));
    struct p1_share *shares = calloc(count, sizeof(*shares));
    uint8_t *bits = calloc(1, count / 8 + 1);
    struct p1_peer peers[PEERS];
    struct p1_plan_query q = { .e = e,
        .content_bytes = how * 2u,
        .own = &p1_ours,
        .mta_name = SLICE_LIT("node-1"),
        .received_wall_ms = P1_NOW,
        .now_wall_ms = P1_NOW + ((how & 192) == 192 ? (uint64_t)864000 * 1000 : 0),
        .routes = routes,
        .peers = peers,
        .peer_count = PEERS };
    struct p1_copy copy = { .step = P1_NOT_OURS };
    struct p1_passed passed;
    struct p1_plan plan;
    uint32_t copied = 0, to_copy = 0;

    CHECK(routes != NULL && shares != NULL && bits != NULL);
    peers_of(how, peers);
    for (uint32_t i = 0; i < count; i++) {
        routes[i] = route_of(where, i);
    }
    p1_plan_passed(e, &passed);
    CHECK(passed.count <= P1_HOPS_MAX);
    p1_plan_make(&q, shares, &plan);
    for (uint32_t i = 0; i < count; i++) {
        to_copy += shares[i].step == P1_SEND || shares[i].step == P1_DELIVER;
    }
    while (p1_plan_next(&plan, &copy, bits)) {
        uint32_t n = count_bits(bits, count);

        CHECK(n > 0);
        copied += n;
        if (copy.step == P1_SEND && peers[copy.via].protocol == P1_1984) {
            send_1984(e, &peers[copy.via].how, bits, n);
        } else {
            send(e, bits, peers[copy.via].protocol, n);
        }
    }
    CHECK(copied == to_copy);
    report_on(e, &plan);
    free(bits);
    free(shares);
    free(routes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest, content;
    struct p1_reader r;
    enum p1_event event;
    struct p1_held h;

    if (size < 3) {
        return 0;
    }
    rest = (struct slice){ (const char *)data + 2, size - 2 };
    p1_reader_init(&r, P1_1984);
    do {
        event = p1_reader_next(&r, &rest, &content);
    } while (event == P1_CONTENT);
    if (event == P1_GOT_ENVELOPE) {
        enum p1_kind kind;
        uint64_t bytes;

        buf_init(&h.octets, P1_STORED_BYTES_MAX);
        CHECK(p1_stored_write(&h.octets, &r.envelope) == 0);
        CHECK(p1_stored_bytes(buf_slice(&h.octets), &kind, &bytes) == 0);
        CHECK(kind == r.envelope.kind && bytes == buf_len(&h.octets));
        p1_held_read(&h);
        CHECK(slice_eq(h.e.members, r.envelope.members));
        CHECK(slice_eq(h.e.report_content, r.envelope.report_content));
        plan_it(&h.e, data[0], data[1]);
        p1_held_fini(&h);
    }
    p1_reader_fini(&r);
    return 0;
}
