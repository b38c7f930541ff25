/* links: core osi x400 */
/* driver message|probe|report 1988|1984 bare|normal: an APDU of our own making with our hop, as it
 * is sent to a peer of that year, to stdout; within the EXTERNAL of normal mode or without.
 * driver codes: every reason and diagnostic code with its name.
 */
#include "../../support/p1_made.h"
#include "x400/p1_1984.h"
#include "x400/p1_head.h"

static const char *const to[] = { "/C=GB/A=TEST/P=PEER2/O=Org/OU1=U/S=Name/G=Given/DDA:t=v/",
    "/C=XX/A=ICAO/P=SWITZ/O=LS/OU1=LSZH/CN=LSZHZTZX/", "/C=DE/A= /X121=4912345/" };

static void
make(struct p1_held *h, bool probe, bool old)
{
    struct p1_made m = { .kind = probe ? P1_PROBE : P1_MESSAGE,
        .content_type = old ? 2 : 22,
        .content_id = SLICE_LIT("CID 1"),
        .eit_bits = 1 << 2,
        .probe_bytes = 1000,
        .priority = P1_URGENT,
        .indicators = P1_RETURN_CONTENT | P1_ALTERNATE_ALLOWED,
        .deferred_wall_ms = P1_NOW + 60000,
        .latest_wall_ms = old ? 0 : P1_NOW + 3600000 };

    p1_hold(h, m, to, 3, P1_MTA_REPORT | P1_REPORT_ASKED);
}

static void
report(struct p1_held *h, struct slice content)
{
    const struct p1_code *loop = p1_code(P1_CAUSE_LOOP), *refused = p1_code(P1_CAUSE_RESTRICTED);
    struct p1_outcome outcomes[3] = {
        { .is = P1_DELIVERED, .delivery_wall_ms = P1_NOW + 2000, .user = P1_USER_MS },
        { .is = P1_FAILED, .reason = loop->reason, .diagnostic = loop->diagnostic },
        { .is = P1_FAILED, .reason = refused->reason, .diagnostic = refused->diagnostic },
    };
    struct p1_reporter by = { .domain = &p1_ours,
        .mta_name = SLICE_LIT("node-1"),
        .local_id = SLICE_LIT("R-1"),
        .now_wall_ms = P1_NOW + 3000,
        .arrival_wall_ms = P1_NOW,
        .return_content = content.n > 0,
        .content = content };
    struct p1_held subject;

    outcomes[1].text = slice_of(loop->text);
    make(&subject, false, false);
    buf_init(&h->octets, 100000);
    CHECK(p1_report_write(&h->octets, &subject.e, outcomes, &by) == 1);
    p1_held_fini(&subject);
    p1_held_read(h);
}

static void
send(const struct p1_envelope *e, struct slice content, bool old, bool normal)
{
    struct p1_hop hop = { .domain = p1_ours,
        .arrival_wall_ms = P1_NOW,
        .deferred_wall_ms = e->deferred.given ? P1_NOW + 60000 : 0 };
    struct p1_relay r = { .protocol = normal ? P1_1988_NORMAL : P1_1984, .context = 5 };
    struct buf out, trace, internal;

    buf_init(&out, 100000);
    buf_init(&trace, 1000);
    buf_init(&internal, 1000);
    CHECK(p1_trace_write(&trace, &hop) == 0);
    hop.mta_name = (struct slice)SLICE_LIT("node-1");
    CHECK(p1_trace_write(&internal, &hop) == 0);
    r.trace = buf_slice(&trace);
    r.internal = old ? SLICE_NONE : buf_slice(&internal);
    content = e->kind == P1_MESSAGE ? content : SLICE_NONE;
    CHECK(p1_head_write(&out, e, &r, content.n) == 0);
    CHECK(content.n == 0 || buf_append(&out, content) == 0);
    CHECK(fwrite(buf_slice(&out).p, 1, buf_len(&out), stdout) == buf_len(&out));
    buf_fini(&internal);
    buf_fini(&trace);
    buf_fini(&out);
}

static void
codes(void)
{
    for (uint32_t i = 0; p1_code_reason(i)[0] != '\0'; i++) {
        printf("reason %u %s\n", i, p1_code_reason(i));
    }
    for (uint32_t i = 0; p1_code_diagnostic(i)[0] != '\0'; i++) {
        printf("diagnostic %u %s\n", i, p1_code_diagnostic(i));
    }
}

int
main(int argc, char **argv)
{
    /* An interpersonal message without a body, "123". */
    const struct slice content = SLICE_LIT("\xa0\x0b\x31\x07\x6b\x05\x13\x03"
                                           "123\x30\x00");
    struct p1_held h, downgraded;
    bool old;

    if (argc == 2 && strcmp(argv[1], "codes") == 0) {
        codes();
        return 0;
    }
    if (argc != 4) {
        return 2;
    }
    old = strcmp(argv[2], "1984") == 0;
    if (strcmp(argv[1], "report") == 0) {
        /* A report of 1984 has no content type: tshark cannot read a content in it. */
        report(&h, old ? SLICE_NONE : content);
    } else {
        make(&h, strcmp(argv[1], "probe") == 0, old);
    }
    if (old) {
        buf_init(&downgraded.octets, 100000);
        CHECK(p1_1984_write(&downgraded.octets, &h.e, &(struct p1_1984){ false }, NULL) == 0);
        p1_held_read(&downgraded);
        p1_held_fini(&h);
        h = downgraded;
    }
    send(&h.e, content, old, strcmp(argv[3], "normal") == 0);
    p1_held_fini(&h);
    return 0;
}
