/* Resumptions that a peer asks for by the wrong point, by a name that two transfers have, or in
 * pieces of another size than was agreed upon: against a fake association and a fake intake. What
 * is committed is what one transfer sent, or nothing. */
#include "fake_x400.h"
#include "test_main.h"

#define CONTENT_BYTES 8000
#define POINT_BYTES   ((size_t)RTSE_CHECKPOINT_UNIT_BYTES)

static const char *const somebody[] = { "/C=GB/A= /P=LDN/S=Jones/" };

struct sent { /* a transfer: its APDU */
    struct p1_held held;
    struct buf apdu;
    char content[CONTENT_BYTES];
};

static struct fake_world w;

static void
start(void)
{
    fake_prepare(&w);
    w.mta.points = true;
    w.o.recovery_ms = 60000;
    w.o.checkpoint = 1;
    fake_start(&w);
}

static void
sent_init(struct sent *s, const char *local_id, char octet)
{
    memset(s->content, octet, sizeof(s->content));
    p1_hold(&s->held, (struct p1_made){ .kind = P1_MESSAGE, .local_id = slice_of(local_id) },
        somebody, 1, P1_MTA_NON_DELIVERY);
    fake_apdu(&s->apdu, &s->held, P1_1988_NORMAL, (struct slice){ s->content, sizeof(s->content) });
}

static void
sent_fini(struct sent *s)
{
    p1_held_fini(&s->held);
    buf_fini(&s->apdu);
}

/* An association of the peer's, by the reference that it gives. */
static struct x400_conn *
bound(const char *user)
{
    struct x400_conn *c = fake_call(&w, "ldn1");
    size_t n = strlen(user);

    c->recovery = (struct rtse_recovery){ .checkpoint = 1, .user_n = (uint8_t)n };
    memcpy(c->recovery.user, user, n);
    fake_offer(c, w.o.protocol, RTSE_MONOLOGUE, "PARIS", "par-secret");
    CHECK(c->accepted);
    return c;
}

/* The octets from here to there, with a point behind each segment. */
static void
octets(struct x400_conn *c, const struct sent *s, size_t from, size_t to, size_t segment)
{
    uint32_t point = (uint32_t)(from / segment);

    while (from < to) {
        struct slice bytes = slice_sub(buf_slice(&s->apdu), from, MIN(segment, to - from));

        fake_octets(c, bytes, bytes.n);
        from += bytes.n;
        if (bytes.n == segment) {
            fake_says(
                c, RTSE_IND_POINT, (struct rtse_ind){ .activity = 1, .point = ++point }, false);
            fake_parts_synced(&w.intake);
        }
    }
}

/* The first transfer, over the association "one". */
static struct x400_conn *
begun(struct sent *s)
{
    struct x400_conn *c;

    start();
    sent_init(s, "M-1", 'a');
    c = bound("one");
    fake_begin(c);
    return c;
}

/* The transfer of that association (the first activity there) goes on at the point. */
static void
resumes(struct x400_conn *c, const char *user, uint32_t point)
{
    struct rtse_ind ind = { .activity = 1,
        .renamed = 7,
        .point = point,
        .offset = point * (uint64_t)RTSE_CHECKPOINT_UNIT_BYTES,
        .link = { .user = slice_of(user) } };

    fake_says(c, RTSE_IND_RESUME, ind, false);
}

static void
end(struct x400_conn *c, uint32_t point)
{
    fake_says(c, RTSE_IND_END, (struct rtse_ind){ .activity = 1, .point = point }, false);
}

static void
lost(struct x400_conn *c)
{
    fake_ends(c, X400_LOST, OSI_TCP, false);
}

static void
finish(struct x400_conn *c, struct sent *s)
{
    lost(c);
    fake_stop(&w);
    sent_fini(s);
}

/* Reported as procedural: the peer begins anew. */
static void
expect_anew(const struct x400_conn *c)
{
    CU_ASSERT_EQUAL(c->reported, 1);
    CU_ASSERT_EQUAL(c->report_reason, SESSION_REASON_PROCEDURAL);
    CU_ASSERT_EQUAL(w.intake.commit_count, 0);
}

static void
expect_committed(const struct sent *s)
{
    struct slice stored, content = { s->content, sizeof(s->content) };

    CU_ASSERT_EQUAL_FATAL(w.intake.commit_count, 1);
    stored = buf_slice(&w.intake.commits[0].bytes);
    CU_ASSERT_TRUE(
        stored.n > content.n && slice_eq(slice_skip(stored, stored.n - content.n), content));
}

static void
what_was_secured_of_it_goes_on(void)
{
    struct sent s;
    struct x400_conn *c = begun(&s);

    octets(c, &s, 0, 3 * POINT_BYTES + 100, POINT_BYTES);
    CU_ASSERT_EQUAL(c->secured_point, 3);
    lost(c);
    c = bound("two");
    resumes(c, "one", 2);
    CU_ASSERT_EQUAL(w.intake.reopened, 1);
    octets(c, &s, 2 * POINT_BYTES, buf_len(&s.apdu), POINT_BYTES);
    end(c, 9);
    expect_committed(&s);
    fake_intake_synced(&w.intake, 0, 0);
    CU_ASSERT_EQUAL(c->secured_point, 9);
    finish(c, &s);
}

/* A resumption at point 0 says that nothing was confirmed. Its end has the number 1, and so must
 * nothing that is told of the part. */
static void
a_part_confirms_no_end(void)
{
    struct sent s;
    struct x400_conn *c = begun(&s);

    octets(c, &s, 0, POINT_BYTES + 100, POINT_BYTES);
    lost(c);
    c = bound("two");
    resumes(c, "one", 0);
    if (c->reported == 0) {
        fake_octets(c, buf_slice(&s.apdu), 1000);
        end(c, 1);
        CU_ASSERT_EQUAL(w.intake.commit_count, 1);
        fake_parts_synced(&w.intake);
        CU_ASSERT_EQUAL(c->secured, 0); /* the commit is not durable yet */
        expect_committed(&s);
        fake_intake_synced(&w.intake, 0, 0);
        CU_ASSERT_EQUAL(c->secured, 1);
    }
    finish(c, &s);
}

/* X.228 has segments of at most the checkpoint size: a point's number does not tell an offset then,
 * and nothing can be resumed. */
static void
shorter_segments_are_not_kept(void)
{
    struct sent s;
    struct x400_conn *c = begun(&s);

    octets(c, &s, 0, 3500, 700);
    CU_ASSERT_EQUAL(c->secured_point, 5); /* or a peer with a window would wait for ever */
    lost(c);
    c = bound("two");
    resumes(c, "one", 3);
    expect_anew(c);
    finish(c, &s);
}

/* The peer ends it before the octets that we have: they were not its own. */
static void
a_resumption_shorter_than_what_came_is_refused(void)
{
    struct sent s;
    struct x400_conn *c = begun(&s);
    size_t n = buf_len(&s.apdu);

    octets(c, &s, 0, n - n % POINT_BYTES, POINT_BYTES);
    lost(c);
    c = bound("two");
    resumes(c, "one", 2);
    fake_octets(c, slice_sub(buf_slice(&s.apdu), 2 * POINT_BYTES, 10), 10);
    end(c, 3);
    expect_anew(c);
    finish(c, &s);
}

/* References have seconds in them, and some peers nothing else that changes. */
static void
a_name_that_two_associations_have_is_nobodys(void)
{
    for (unsigned first_ends = 0; first_ends < 2; first_ends++) {
        struct x400_conn *one, *two, *c;
        struct sent a, b;

        start();
        sent_init(&a, "M-1", 'a');
        sent_init(&b, "M-2", 'b');
        one = bound("same");
        fake_begin(one);
        octets(one, &a, 0, 3 * POINT_BYTES, POINT_BYTES);
        if (first_ends) {
            lost(one);
        }
        two = bound("same");
        fake_begin(two);
        octets(two, &b, 0, 3 * POINT_BYTES, POINT_BYTES);
        if (!first_ends) {
            lost(one);
        }
        lost(two);
        c = bound("other");
        resumes(c, "same", 2);
        if (c->reported == 0) { /* then it has to be one of them, whole */
            octets(c, &b, 2 * POINT_BYTES, buf_len(&b.apdu), POINT_BYTES);
            end(c, 9);
            expect_committed(&b);
            fake_intake_synced(&w.intake, 0, 0);
        }
        finish(c, &a);
        sent_fini(&b);
    }
}

/* The peer gives one number to two transfers of an association: whichever of them it means when it
 * resumes (the first one's part may have been given up here meanwhile), none goes on. */
static void
a_number_that_two_transfers_have_is_nobodys(void)
{
    for (unsigned keep = 0; keep < 2; keep++) {
        struct sent a, b;
        struct x400_conn *one = begun(&a), *c;

        sent_init(&b, "M-2", 'b');
        octets(one, &a, 0, 3 * POINT_BYTES, POINT_BYTES);
        fake_says(one, RTSE_IND_STOPPED, (struct rtse_ind){ .keep = keep != 0 }, false);
        fake_begin(one);
        octets(one, &b, 0, 5 * POINT_BYTES, POINT_BYTES);
        CU_ASSERT_EQUAL(one->secured_point, 5);
        lost(one);
        c = bound("two");
        resumes(c, "one", 3);
        expect_anew(c);
        octets(c, &a, 3 * POINT_BYTES, buf_len(&a.apdu), POINT_BYTES);
        finish(c, &a);
        sent_fini(&b);
    }
}

/* Of two only one has a part; the other one's sender asks for it. */
static void
a_part_is_not_taken_by_another_of_its_name(void)
{
    struct x400_conn *one, *two, *c;
    struct sent a, b;

    start();
    sent_init(&a, "M-1", 'a');
    sent_init(&b, "M-2", 'b');
    one = bound("same");
    two = bound("same");
    fake_begin(one);
    octets(one, &a, 0, 3 * POINT_BYTES, POINT_BYTES);
    lost(one);
    lost(two);
    c = bound("other");
    resumes(c, "same", 2);
    expect_anew(c);
    octets(c, &b, 2 * POINT_BYTES, buf_len(&b.apdu), POINT_BYTES);
    finish(c, &a);
    sent_fini(&b);
}

/* Both say that they are the one who goes on. */
static void
two_resume_one_transfer_and_one_gets_it(void)
{
    struct sent s;
    struct x400_conn *c = begun(&s), *late;

    octets(c, &s, 0, 3 * POINT_BYTES, POINT_BYTES);
    lost(c);
    c = bound("two");
    late = bound("three");
    resumes(c, "one", 2);
    resumes(late, "one", 2);
    CU_ASSERT_EQUAL(w.intake.reopened, 1);
    expect_anew(late);
    octets(c, &s, 2 * POINT_BYTES, buf_len(&s.apdu), POINT_BYTES);
    end(c, 9);
    expect_committed(&s);
    fake_intake_synced(&w.intake, 0, 0);
    lost(c);
    finish(late, &s);
}

TEST_MAIN("x400_resume_find", TEST(what_was_secured_of_it_goes_on), TEST(a_part_confirms_no_end),
    TEST(shorter_segments_are_not_kept), TEST(a_resumption_shorter_than_what_came_is_refused),
    TEST(a_name_that_two_associations_have_is_nobodys),
    TEST(a_number_that_two_transfers_have_is_nobodys),
    TEST(a_part_is_not_taken_by_another_of_its_name), TEST(two_resume_one_transfer_and_one_gets_it))
