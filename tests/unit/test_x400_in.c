/* The receiving half against a fake association and a fake intake: what is durable before the end
 * is confirmed, what is reported, what is recognised. */
#include "fake_x400.h"
#include "test_main.h"

#define L(s) ((struct slice)SLICE_LIT(s))

static const char *const good[] = { "/C=GB/A= /P=LDN/S=Jones/" };
static const char *const mixed[] = { "/C=GB/A= /P=LDN/S=Jones/", "/C=GB/A= /P=LDN/O=nobody/S=X/" };
static const char *const bad[] = { "/C=GB/A= /P=LDN/O=nobody/S=X/" };

/* More than the reader gathers of one value: it comes in pieces. */
static char large_octets[3000];
static const struct slice large = { large_octets, sizeof(large_octets) };

struct given {
    const char *const *to;
    uint32_t count;
    enum p1_kind kind;
    struct slice content;
    uint32_t indicators;
};

/* A world with an association of the peer's, and the APDU that is to come. */
struct rig {
    struct fake_world w;
    struct x400_conn *conn;
    struct p1_held held;
    struct buf apdu;
};

static void
rig_apdu(struct rig *g, struct given given)
{
    struct p1_made m = { .kind = given.kind, .indicators = given.indicators };

    p1_hold(&g->held, m, given.to, given.count, P1_MTA_NON_DELIVERY);
    fake_apdu(&g->apdu, &g->held, g->w.o.protocol, given.content);
}

static void
rig_start(struct rig *g, struct given given)
{
    fake_start(&g->w);
    rig_apdu(g, given);
    g->conn = fake_bound(&g->w, RTSE_MONOLOGUE);
}

static void
rig_init(struct rig *g, struct given given)
{
    fake_prepare(&g->w);
    rig_start(g, given);
}

static void
rig_stop(struct rig *g)
{
    if (!g->conn->freed) {
        fake_ends(g->conn, X400_CLOSED, OSI_SESSION, false);
    }
    fake_stop(&g->w);
    p1_held_fini(&g->held);
    buf_fini(&g->apdu);
}

static void
comes(struct rig *g, size_t piece)
{
    fake_begin(g->conn);
    fake_octets(g->conn, buf_slice(&g->apdu), piece);
    fake_end(g->conn);
}

static void
the_end_is_confirmed_only_after_the_sync(void)
{
    for (size_t piece = 1; piece < 200; piece += 7) {
        struct rig g;

        rig_init(&g, (struct given){ good, 1, P1_MESSAGE, L("hello"), 0 });
        comes(&g, piece);
        CU_ASSERT_EQUAL_FATAL(g.w.intake.commit_count, 1);
        CU_ASSERT_EQUAL(g.conn->secured, 0);
        fake_intake_synced(&g.w.intake, 0, 0);
        CU_ASSERT_EQUAL(g.conn->secured, 1);
        CU_ASSERT_EQUAL(g.conn->reported, 0);
        CU_ASSERT_EQUAL(g.w.intake.commits[0].body, ENVELOPE_P1_MESSAGE);
        CU_ASSERT_STRING_EQUAL(g.w.intake.commits[0].to[0], "/C=GB/A= /P=LDN/S=Jones/");
        CU_ASSERT_STRING_EQUAL(g.w.intake.commits[0].sender, "/C=DE/A= /P=BH/S=Meier/");
        CU_ASSERT_TRUE(slice_starts(
            slice_of(g.w.intake.commits[0].transid), L("x400 /paris/DE/%20/BH/M-1 0.0.1.")));
        rig_stop(&g);
    }
}

/* What is stored is what came, and the content behind it. */
static void
the_stored_form_reads_back(void)
{
    struct rig g;
    struct p1_envelope e;
    enum p1_kind kind;
    const char *error;
    uint64_t at, bytes;
    struct slice stored;

    rig_init(&g, (struct given){ mixed, 1, P1_MESSAGE, L("hello"), 0 });
    comes(&g, 100);
    stored = buf_slice(&g.w.intake.commits[0].bytes);
    CU_ASSERT_EQUAL_FATAL(p1_stored_bytes(stored, &kind, &bytes), 0);
    CU_ASSERT_EQUAL_FATAL(p1_stored_read(stored, &e, &error, &at), 0);
    CU_ASSERT_TRUE(slice_eq(e.members, g.held.e.members));
    CU_ASSERT_TRUE(slice_eq(slice_skip(stored, (size_t)bytes), L("hello")));
    fake_intake_synced(&g.w.intake, 0, 0);
    rig_stop(&g);
}

static void
a_failed_sync_is_reported_and_not_confirmed(void)
{
    struct rig g;

    rig_init(&g, (struct given){ good, 1, P1_MESSAGE, L("hello"), 0 });
    comes(&g, 100);
    fake_intake_synced(&g.w.intake, 0, -EIO);
    CU_ASSERT_EQUAL(g.conn->secured, 0);
    CU_ASSERT_EQUAL(g.conn->reported, 1);
    CU_ASSERT_EQUAL(g.conn->report_reason, SESSION_REASON_RECEIVING);
    fake_says(g.conn, RTSE_IND_STOPPED, (struct rtse_ind){ .keep = false }, false);
    rig_stop(&g);
}

/* Whatever intake says no to, and whenever: the peer keeps it. */
static void
what_intake_does_not_take_is_reported(void)
{
    for (unsigned way = 0; way < 4; way++) {
        struct rig g;

        rig_init(&g, (struct given){ good, 1, P1_MESSAGE, L("hello"), 0 });
        g.w.intake.ready = way == 0 ? -ENOSPC : 0;
        g.w.intake.open = way == 1 ? BH_ESTATE : 0;
        g.w.intake.fail_at_bytes = way == 2 ? 100 : 0;
        g.w.intake.commit = way == 3 ? -ENOMEM : 0;
        comes(&g, 50);
        CU_ASSERT_EQUAL(g.conn->reported, 1);
        CU_ASSERT_EQUAL(g.conn->report_reason, SESSION_REASON_RECEIVING);
        CU_ASSERT_EQUAL(g.conn->secured, 0);
        CU_ASSERT_EQUAL(g.w.intake.commit_count, 0);
        CU_ASSERT_EQUAL(g.w.intake.aborted, way == 2);
        fake_says(g.conn, RTSE_IND_STOPPED, (struct rtse_ind){ .keep = false }, false);
        rig_stop(&g);
    }
}

static void
octets_that_are_no_p1_are_refused_for_good(void)
{
    struct rig g;

    rig_init(&g, (struct given){ good, 1, P1_MESSAGE, large, 0 });
    fake_begin(g.conn);
    fake_octets(g.conn, L("this is no APDU at all"), 3);
    fake_end(g.conn);
    CU_ASSERT_EQUAL(g.conn->reported, 1);
    CU_ASSERT_EQUAL(g.conn->report_reason, SESSION_REASON_PROCEDURAL);
    fake_says(g.conn, RTSE_IND_STOPPED, (struct rtse_ind){ .keep = false }, false);
    /* and one that ends too early */
    fake_begin(g.conn);
    fake_octets(g.conn, slice_sub(buf_slice(&g.apdu), 0, buf_len(&g.apdu) - 1), 40);
    fake_end(g.conn);
    CU_ASSERT_EQUAL(g.conn->reported, 2);
    CU_ASSERT_EQUAL(g.w.intake.commit_count, 0);
    CU_ASSERT_EQUAL(g.w.intake.aborted, 1);
    rig_stop(&g);
}

/* The report stands in the journal before the message, and both are waited for. */
static void
a_recipient_without_a_way_is_reported_on_before_the_message(void)
{
    struct rig g;
    const struct fake_commit *c = g.w.intake.commits;

    rig_init(&g, (struct given){ mixed, 2, P1_MESSAGE, L("hello"), 0 });
    comes(&g, 100);
    CU_ASSERT_EQUAL_FATAL(g.w.intake.commit_count, 2);
    CU_ASSERT_EQUAL(c[0].body, ENVELOPE_P1_REPORT);
    CU_ASSERT_STRING_EQUAL(c[0].sender, "");
    CU_ASSERT_STRING_EQUAL(c[0].transid, "");
    CU_ASSERT_STRING_EQUAL(c[0].to[0], "/C=DE/A= /P=BH/S=Meier/");
    CU_ASSERT_EQUAL(c[1].body, ENVELOPE_P1_MESSAGE);
    CU_ASSERT_EQUAL(c[1].recipient_count, 1);
    CU_ASSERT_TRUE(c[1].transid[0] != '\0');
    fake_intake_synced(&g.w.intake, 0, 0);
    CU_ASSERT_EQUAL(g.conn->secured, 0);
    fake_intake_synced(&g.w.intake, 1, 0);
    CU_ASSERT_EQUAL(g.conn->secured, 1);
    rig_stop(&g);
}

/* A failed commit of either is a failure of both: the peer comes again, the report may too. */
static void
a_report_that_is_not_durable_holds_the_confirmation_back(void)
{
    struct rig g;

    rig_init(&g, (struct given){ mixed, 2, P1_MESSAGE, L("hello"), 0 });
    comes(&g, 100);
    fake_intake_synced(&g.w.intake, 0, -ENOSPC);
    fake_intake_synced(&g.w.intake, 1, 0);
    CU_ASSERT_EQUAL(g.conn->secured, 0);
    CU_ASSERT_EQUAL(g.conn->reported, 1);
    rig_stop(&g);
}

/* Nobody gets it: only the report is kept, and it has the transfer's name. */
static void
a_message_that_nobody_gets_leaves_its_report(void)
{
    for (unsigned returns = 0; returns < 2; returns++) {
        struct rig g;
        const struct fake_commit *c = g.w.intake.commits;
        struct p1_envelope e;
        struct p1_report report;
        const char *error;
        uint64_t at;

        rig_init(
            &g, (struct given){ bad, 1, P1_MESSAGE, L("hello"), returns ? P1_RETURN_CONTENT : 0 });
        comes(&g, 100);
        CU_ASSERT_EQUAL_FATAL(g.w.intake.commit_count, 1);
        CU_ASSERT_EQUAL(c[0].body, ENVELOPE_P1_REPORT);
        CU_ASSERT_TRUE(slice_starts(slice_of(c[0].transid), L("x400 /paris/")));
        CU_ASSERT_EQUAL_FATAL(p1_stored_read(buf_slice(&c[0].bytes), &e, &error, &at), 0);
        CU_ASSERT_EQUAL_FATAL(p1_report_parse(e.report_content, &report, &error, &at), 0);
        CU_ASSERT_EQUAL(report.returns, returns == 1);
        fake_intake_synced(&g.w.intake, 0, 0);
        CU_ASSERT_EQUAL(g.conn->secured, 1);
        rig_stop(&g);
    }
}

static void
a_message_beyond_the_limit_is_reported_on(void)
{
    struct rig g;

    rig_init(&g, (struct given){ good, 1, P1_MESSAGE, L("hello"), 0 });
    g.w.o.message_bytes_max = 4; /* by a reload, with the association open */
    CU_ASSERT_EQUAL(x400_connector_set_options(g.w.c, &g.w.o), 0);
    comes(&g, 100);
    CU_ASSERT_EQUAL(g.w.intake.asked_bytes, 4); /* no disk is full for what nobody would take */
    CU_ASSERT_EQUAL_FATAL(g.w.intake.commit_count, 1);
    CU_ASSERT_EQUAL(g.w.intake.commits[0].body, ENVELOPE_P1_REPORT);
    CU_ASSERT_EQUAL(g.w.intake.aborted, 0);
    fake_intake_synced(&g.w.intake, 0, 0);
    CU_ASSERT_EQUAL(g.conn->secured, 1);
    rig_stop(&g);
}

/* The confirmation was lost: confirmed at once, and not taken twice. */
static void
a_repetition_is_confirmed_and_not_kept(void)
{
    struct rig g;
    struct x400_stats stats;

    rig_init(&g, (struct given){ good, 1, P1_MESSAGE, L("hello"), 0 });
    g.w.intake.known = 1;
    comes(&g, 100);
    CU_ASSERT_EQUAL(g.conn->secured, 1);
    CU_ASSERT_EQUAL(g.w.intake.commit_count, 0);
    CU_ASSERT_EQUAL(g.w.intake.opened, 0);
    CU_ASSERT_EQUAL(g.w.intake.settled, 0);
    x400_stats(g.w.x, &stats);
    CU_ASSERT_EQUAL(stats.repeated, 1);
    rig_stop(&g);
}

/* The name under which it is kept, or its report. */
static void
name_of(struct given given, size_t piece, char out[256])
{
    struct rig g;

    rig_init(&g, given);
    comes(&g, piece);
    CU_ASSERT_EQUAL_FATAL(g.w.intake.commit_count, 1);
    CU_ASSERT_EQUAL(slice_copy(slice_of(g.w.intake.commits[0].transid), out, 256), 0);
    fake_intake_synced(&g.w.intake, 0, 0);
    rig_stop(&g);
}

/* Two copies of one message, each for somebody whom nobody takes: the second is no repetition, or
 * its report would never be made. */
static void
copies_for_different_failures_have_different_names(void)
{
    static const char *const other[] = { "/C=GB/A= /P=LDN/O=nobody/S=Y/" };
    const char *const *const to[] = { bad, other, bad };
    char names[ARRAY_LEN(to)][256];

    for (size_t i = 0; i < ARRAY_LEN(to); i++) {
        name_of((struct given){ to[i], 1, P1_MESSAGE, L("hello"), 0 }, 100, names[i]);
    }
    CU_ASSERT_STRING_NOT_EQUAL(names[0], names[1]);
    CU_ASSERT_STRING_EQUAL(names[0], names[2]);
}

/* An MTA that counts from one again after its restart: another message under an old identifier. */
static void
another_content_has_another_name(void)
{
    static const struct slice contents[] = { { "hello", 5 }, { "hello!", 6 }, { "hallo", 5 } };
    char names[ARRAY_LEN(contents)][256];

    for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
        name_of((struct given){ good, 1, P1_MESSAGE, contents[i], 0 }, 1 + i, names[i]);
    }
    CU_ASSERT_STRING_NOT_EQUAL(names[0], names[1]);
    CU_ASSERT_STRING_EQUAL(names[0], names[2]);
    CU_ASSERT_TRUE(slice_iends(slice_of(names[1]), L(".6")));
}

static void
on_stop(void *ctx)
{
    loop_stop(ctx);
}

/* The commit of the association before is still on its way, or the journal is being loaded. */
static void
what_is_not_known_yet_is_asked_again(void)
{
    static const int answers[] = { -EAGAIN, BH_EBUSY };

    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct rig g;
        struct loop_timer timer;

        rig_init(&g, (struct given){ good, 1, P1_MESSAGE, L("hello"), 0 });
        g.w.intake.known = answers[i];
        comes(&g, 100);
        CU_ASSERT_EQUAL(g.w.intake.commit_count, 0);
        CU_ASSERT_EQUAL(g.conn->secured + g.conn->reported, 0);
        g.w.intake.known = 0;
        loop_timer_init(g.w.loop, &timer, on_stop, g.w.loop);
        while (g.w.intake.commit_count == 0) {
            loop_timer_start(&timer, 20);
            CU_ASSERT_EQUAL(loop_run(g.w.loop), 0);
        }
        fake_intake_synced(&g.w.intake, 0, 0);
        CU_ASSERT_EQUAL(g.conn->secured, 1);
        rig_stop(&g);
    }
}

/* Two of one name at the same time: the second commit says so, and only what is durable is
 * confirmed. */
static void
a_name_that_came_in_between_is_confirmed_if_it_is_durable(void)
{
    for (int durable = 0; durable < 2; durable++) {
        struct rig g;

        rig_init(&g, (struct given){ good, 1, P1_MESSAGE, L("hello"), 0 });
        comes(&g, 100);
        g.w.intake.known = durable ? 1 : BH_EBUSY;
        fake_intake_synced(&g.w.intake, 0, -EEXIST);
        CU_ASSERT_EQUAL(g.conn->secured, (unsigned)durable);
        CU_ASSERT_EQUAL(g.conn->reported, (unsigned)!durable);
        rig_stop(&g);
    }
}

static void
a_probe_and_a_report_are_kept_whole(void)
{
    struct rig g;

    rig_init(&g, (struct given){ good, 1, P1_PROBE, L(""), 0 });
    comes(&g, 30);
    CU_ASSERT_EQUAL_FATAL(g.w.intake.commit_count, 1);
    CU_ASSERT_EQUAL(g.w.intake.commits[0].body, ENVELOPE_P1_PROBE);
    fake_intake_synced(&g.w.intake, 0, 0);
    CU_ASSERT_EQUAL(g.conn->secured, 1);
    rig_stop(&g);
}

/* Wherever the association is lost: before the commit nothing is left, from then on the message is
 * here, and will be recognised. */
static void
a_lost_association_leaves_all_or_nothing(void)
{
    struct rig g;
    size_t total;

    rig_init(&g, (struct given){ good, 1, P1_MESSAGE, L("hello"), 0 });
    total = buf_len(&g.apdu);
    rig_stop(&g);
    for (size_t cut = 0; cut <= total + 1; cut++) {
        rig_init(&g, (struct given){ good, 1, P1_MESSAGE, L("hello"), 0 });
        fake_begin(g.conn);
        fake_octets(g.conn, slice_sub(buf_slice(&g.apdu), 0, MIN(cut, total)), 64);
        if (cut == total + 1) {
            fake_end(g.conn);
        }
        fake_ends(g.conn, X400_LOST, OSI_TCP, false);
        CU_ASSERT_EQUAL(g.w.intake.commit_count, cut == total + 1);
        CU_ASSERT_EQUAL(g.w.intake.forgotten, 0);
        CU_ASSERT_EQUAL(g.w.intake.opened, g.w.intake.aborted + g.w.intake.commit_count);
        if (cut == total + 1) {
            fake_intake_synced(&g.w.intake, 0, 0);
        }
        rig_stop(&g);
    }
}

static void
a_transfer_that_the_peer_stops_leaves_nothing(void)
{
    struct rig g;

    rig_init(&g, (struct given){ good, 1, P1_MESSAGE, large, 0 });
    fake_begin(g.conn);
    fake_octets(g.conn, slice_sub(buf_slice(&g.apdu), 0, buf_len(&g.apdu) - 2), 50);
    fake_says(g.conn, RTSE_IND_STOPPED, (struct rtse_ind){ .keep = true }, false);
    CU_ASSERT_EQUAL(g.w.intake.aborted, 1);
    comes(&g, 100); /* and anew */
    fake_intake_synced(&g.w.intake, 0, 0);
    CU_ASSERT_EQUAL(g.conn->secured, 1);
    rig_stop(&g);
}

static void
intake_that_is_full_stops_the_reading(void)
{
    struct rig g;

    rig_init(&g, (struct given){ good, 1, P1_MESSAGE, large, 0 });
    g.w.intake.write = 1;
    fake_begin(g.conn);
    fake_octets(g.conn, slice_sub(buf_slice(&g.apdu), 0, buf_len(&g.apdu) - 2), 50);
    CU_ASSERT_TRUE(g.conn->paused);
    CU_ASSERT_PTR_NOT_NULL_FATAL(g.w.intake.last);
    g.w.intake.last->resume(g.w.intake.last->resume_ctx);
    CU_ASSERT_FALSE(g.conn->paused);
    fake_says(g.conn, RTSE_IND_STOPPED, (struct rtse_ind){ .keep = true }, false);
    rig_stop(&g);
}

/* Whatever comes: the transfer is committed, reported or confirmed, one of them and once. */
static void
every_changed_octet_has_one_answer(void)
{
    static const char masks[] = { 1, 0x20, (char)0x80, (char)0xFF };
    struct rig g;

    rig_init(&g, (struct given){ mixed, 2, P1_MESSAGE, L("hello"), P1_RETURN_CONTENT });
    for (size_t at = 0; at < buf_len(&g.apdu); at++) {
        for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
            char *octet = &g.apdu.base[g.apdu.head + at];
            unsigned reported = g.conn->reported, secured = g.conn->secured;

            *octet ^= masks[i];
            comes(&g, 1 + at % 90);
            for (unsigned k = 0; k < g.w.intake.commit_count; k++) {
                fake_intake_synced(&g.w.intake, k, 0);
            }
            CU_ASSERT_EQUAL(g.conn->reported + g.conn->secured, reported + secured + 1);
            CU_ASSERT_TRUE(g.w.intake.commit_count == 0 || g.conn->secured > secured);
            if (g.conn->reported > reported) {
                fake_says(g.conn, RTSE_IND_STOPPED, (struct rtse_ind){ .keep = false }, false);
            }
            fake_intake_fini(&g.w.intake);
            g.w.intake.commit_count = 0;
            *octet ^= masks[i];
        }
    }
    rig_stop(&g);
}

/* A resumption finds nothing here, and is told to begin anew. */
static void
a_resumption_is_refused(void)
{
    struct rig g;

    rig_init(&g, (struct given){ good, 1, P1_MESSAGE, L("hello"), 0 });
    fake_says(g.conn, RTSE_IND_RESUME, (struct rtse_ind){ .activity = 4, .point = 2 }, false);
    CU_ASSERT_EQUAL(g.conn->reported, 1);
    CU_ASSERT_EQUAL(g.conn->report_reason, SESSION_REASON_PROCEDURAL);
    fake_octets(g.conn, L("what was on its way"), 5);
    fake_says(g.conn, RTSE_IND_STOPPED, (struct rtse_ind){ .keep = false }, false);
    CU_ASSERT_EQUAL(g.w.intake.opened, 0);
    rig_stop(&g);
}

/* Fenced, or the quorum is lost, while the journal is awaited: nothing is said any more. */
static void
an_abort_forgets_what_waits_for_the_journal(void)
{
    struct rig g;

    rig_init(&g, (struct given){ mixed, 2, P1_MESSAGE, L("hello"), 0 });
    comes(&g, 100);
    x400_abort(g.w.x);
    CU_ASSERT_EQUAL(g.w.intake.forgotten, 2);
    CU_ASSERT_TRUE(g.conn->cut && g.conn->freed);
    CU_ASSERT_EQUAL(g.conn->secured, 0);
    rig_stop(&g);
}

static void
on_drained(void *ctx)
{
    (*(unsigned *)ctx)++;
}

/* A drain takes nothing new, and what is being committed is still confirmed. */
static void
a_drain_waits_for_the_commit(void)
{
    struct rig g;
    unsigned drained = 0;

    rig_init(&g, (struct given){ good, 1, P1_MESSAGE, L("hello"), 0 });
    comes(&g, 100);
    x400_drain(g.w.x, 60000, on_drained, &drained);
    run_a_while(g.w.loop);
    CU_ASSERT_EQUAL(drained, 0);
    CU_ASSERT_FALSE(g.conn->closed);
    fake_intake_synced(&g.w.intake, 0, 0);
    CU_ASSERT_EQUAL(g.conn->secured, 1);
    CU_ASSERT_TRUE(g.conn->closed);
    fake_begin(g.conn); /* it crossed our release */
    CU_ASSERT_EQUAL(g.conn->reported, 1);
    fake_ends(g.conn, X400_CLOSED, OSI_SESSION, false);
    run_a_while(g.w.loop);
    CU_ASSERT_EQUAL(drained, 1);
    rig_stop(&g);
}

static void
the_client_of_an_envelope_tells_the_connector(void)
{
    CU_ASSERT_TRUE(
        slice_eq(x400_came_by(SLICE_LIT("[192.0.2.1]:4711 (paris)")), SLICE_LIT("paris")));
    CU_ASSERT_EQUAL(x400_came_by(SLICE_LIT("local")).n, 0);
    CU_ASSERT_EQUAL(x400_came_by(SLICE_LIT("")).n, 0);
    CU_ASSERT_EQUAL(x400_came_by(SLICE_LIT("(")).n, 0);
    CU_ASSERT_EQUAL(x400_came_by(SLICE_LIT("()")).n, 0);
}

TEST_MAIN("x400_in", TEST(the_client_of_an_envelope_tells_the_connector),
    TEST(the_end_is_confirmed_only_after_the_sync), TEST(the_stored_form_reads_back),
    TEST(a_failed_sync_is_reported_and_not_confirmed), TEST(what_intake_does_not_take_is_reported),
    TEST(octets_that_are_no_p1_are_refused_for_good),
    TEST(a_recipient_without_a_way_is_reported_on_before_the_message),
    TEST(a_report_that_is_not_durable_holds_the_confirmation_back),
    TEST(a_message_that_nobody_gets_leaves_its_report),
    TEST(a_message_beyond_the_limit_is_reported_on), TEST(a_repetition_is_confirmed_and_not_kept),
    TEST(copies_for_different_failures_have_different_names),
    TEST(another_content_has_another_name), TEST(what_is_not_known_yet_is_asked_again),
    TEST(a_name_that_came_in_between_is_confirmed_if_it_is_durable),
    TEST(a_probe_and_a_report_are_kept_whole), TEST(a_lost_association_leaves_all_or_nothing),
    TEST(a_transfer_that_the_peer_stops_leaves_nothing),
    TEST(intake_that_is_full_stops_the_reading), TEST(every_changed_octet_has_one_answer),
    TEST(a_resumption_is_refused), TEST(an_abort_forgets_what_waits_for_the_journal),
    TEST(a_drain_waits_for_the_commit))
