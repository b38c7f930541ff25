/* Messages and probes of our own: read again they are what was asked for. */
#include "octets.h"
#include "p1_made.h"
#include "test_main.h"

static const char *const two[] = { "/C=GB/A=TEST/P=PEER2/O=Org/OU1=U/S=Name/G=Given/DDA:t=v/",
    "/C=XX/A=ICAO/P=SWITZ/O=LS/OU1=LSZH/CN=LSZHZTZX/" };

static void
a_message_is_what_was_asked_for(void)
{
    struct p1_made m = { .kind = P1_MESSAGE,
        .content_type = 22,
        .content_id = SLICE_LIT("CID"),
        .eit_bits = 1 << 2,
        .priority = P1_URGENT,
        .indicators = P1_RETURN_CONTENT,
        .deferred_wall_ms = P1_NOW,
        .latest_wall_ms = P1_NOW + 60000 };
    struct p1_recipient r;
    struct ber_cursor c;
    struct p1_held h;

    p1_hold(&h, m, two, 2, P1_REPORT_ASKED);
    CU_ASSERT_EQUAL(h.e.kind, P1_MESSAGE);
    CU_ASSERT_TRUE(p1_domain_equal(&h.e.id.domain, &p1_ours));
    CU_ASSERT_TRUE(slice_eq(p1_text_slice(&h.e.id.local), SLICE_LIT("M-1")));
    CU_ASSERT_STRING_EQUAL(p1_text_of(h.e.originator), "/C=DE/A= /P=BH/S=Meier/");
    CU_ASSERT_EQUAL(h.e.content_type, 22);
    CU_ASSERT_EQUAL(h.e.eit_bits, 1 << 2);
    CU_ASSERT_EQUAL(h.e.priority, P1_URGENT);
    CU_ASSERT_EQUAL(h.e.indicators, P1_RETURN_CONTENT);
    CU_ASSERT_TRUE(slice_eq(p1_text_slice(&h.e.content_id), SLICE_LIT("CID")));
    CU_ASSERT_TRUE(slice_eq(p1_text_slice(&h.e.deferred), SLICE_LIT("261120231844Z")));
    CU_ASSERT_TRUE(slice_eq(p1_text_slice(&h.e.latest), SLICE_LIT("261120231944Z")));
    CU_ASSERT_EQUAL(h.e.trace_count, 0); /* our hop is appended when it is sent */
    CU_ASSERT_FALSE(h.e.critical);
    ber_cursor_init(&c, h.e.recipients);
    for (unsigned i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL_FATAL(p1_recipient_next(&c, &r), 1);
        CU_ASSERT_STRING_EQUAL(p1_text_of(r.name), two[i]);
        CU_ASSERT_EQUAL(r.number, i + 1);
        CU_ASSERT_EQUAL(r.indicators, P1_RESPONSIBLE | P1_MTA_NON_DELIVERY | P1_REPORT_ASKED);
        CU_ASSERT_EQUAL(r.indicators_count, 8);
    }
    CU_ASSERT_EQUAL(p1_recipient_next(&c, &r), 0);
    p1_held_fini(&h);
}

static void
a_probe_has_the_length_that_is_asked_about(void)
{
    struct p1_made m = { .kind = P1_PROBE, .probe_bytes = 200 * MIB, .deferred_wall_ms = P1_NOW };
    struct p1_held h;

    p1_hold(&h, m, two, 1, 0);
    CU_ASSERT_EQUAL(h.e.kind, P1_PROBE);
    CU_ASSERT_EQUAL(h.e.probe_bytes, 200 * MIB);
    CU_ASSERT_EQUAL(h.e.priority, P1_NORMAL);
    p1_held_fini(&h);
    m.content_type = P1_CONTENT_OID;
    m.content_oid = (struct slice)SLICE_LIT("\x2a\x03");
    m.probe_bytes = UINT64_MAX;
    p1_hold(&h, m, two, 1, 0);
    CU_ASSERT_EQUAL(h.e.probe_bytes, UINT64_MAX);
    CU_ASSERT_TRUE(slice_eq(h.e.content_oid, m.content_oid));
    p1_held_fini(&h);
}

TEST_MAIN("p1_make", TEST(a_message_is_what_was_asked_for),
    TEST(a_probe_has_the_length_that_is_asked_about))
