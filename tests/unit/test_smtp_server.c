/* smtp_server.c: dialogs as tables, each at every split of the client's bytes. The answers of
 * intake come from the test: a recipient at refused.example is refused, and so on. */
#include "core/buf.h"
#include "smtp/smtp_server.h"
#include "test_main.h"

#include <stdio.h>
#include <stdlib.h>

static const struct netaddr client = { .family = AF_INET, .bytes = { 192, 0, 2, 1 } };

struct rig {
    struct smtp_server_shared shared;
    struct smtp_server s;
    struct buf replies, content, committed; /* content: of the message begun */
    unsigned messages, drops, commits;
    int ready_rc, open_rc, write_rc, commit_rc;
    bool closed;
    struct intake_known known; /* of the transaction with a TRANSID; id 0: it is new */
};

static void
rig_start(struct rig *r)
{
    memset(r, 0, sizeof(*r));
    smtp_server_shared_init(&r->shared);
    CU_ASSERT_EQUAL_FATAL(smtp_server_shared_set(&r->shared, "mx.test", 1000, 3, 5), 0);
    smtp_server_init(&r->s, &r->shared);
    buf_init(&r->replies, MIB);
    buf_init(&r->content, MIB);
    buf_init(&r->committed, MIB);
}

static void
rig_stop(struct rig *r)
{
    smtp_server_fini(&r->s);
    smtp_server_shared_fini(&r->shared);
    buf_fini(&r->replies);
    buf_fini(&r->content);
    buf_fini(&r->committed);
}

static bool
slice_find_text(struct slice in, const char *text)
{
    return memmem(in.p, in.n, text, strlen(text)) != NULL;
}

static struct smtp_server_action
answer_recipient(struct rig *r)
{
    struct intake_verdict ok = { 250, "2.1.5", "Recipient OK" };
    struct intake_verdict no = { 550, "5.7.1", "Relaying denied" };
    struct slice asked = r->s.transaction->asked.address;

    return smtp_server_recipient(
        &r->s, slice_iends(asked, SLICE_LIT("@refused.example")) ? &no : &ok);
}

static struct smtp_server_action
answer_commit(struct rig *r)
{
    struct envelope e;

    smtp_server_envelope(&r->s, &e);
    CU_ASSERT_TRUE(buf_printf(&r->committed, "<%.*s>", SLICE_FMT(e.sender)) == 0);
    for (uint32_t i = 0; i < e.recipient_count; i++) {
        CU_ASSERT_TRUE(
            buf_printf(&r->committed, "<%.*s>", SLICE_FMT(e.recipients[i].address)) == 0);
    }
    CU_ASSERT_TRUE(buf_append(&r->committed, buf_slice(&r->content)) == 0);
    CU_ASSERT_TRUE(smtp_server_waits(&r->s));
    r->commits++;
    return smtp_server_committed(&r->s, r->commit_rc, 0xabc);
}

static struct smtp_server_action
act(struct rig *r, struct smtp_server_action a)
{
    struct smtp_server_action nothing = { .act = SMTP_SERVER_DO_NOTHING };

    switch (a.act) {
    case SMTP_SERVER_DO_CLOSE:
        r->closed = true;
        CU_ASSERT_TRUE(buf_append(&r->replies, a.reply) == 0);
        return nothing;
    case SMTP_SERVER_DO_REPLY:
        CU_ASSERT_TRUE(buf_append(&r->replies, a.reply) == 0);
        return nothing;
    case SMTP_SERVER_DO_ASK_SENDER:
        return smtp_server_sender(&r->s, r->ready_rc, r->known.id != 0 ? &r->known : NULL);
    case SMTP_SERVER_DO_ASK_RECIPIENT:
        return answer_recipient(r);
    case SMTP_SERVER_DO_OPEN:
        r->messages++;
        buf_clear(&r->content);
        return smtp_server_opened(&r->s, r->open_rc);
    case SMTP_SERVER_DO_WRITE:
        if (r->write_rc < 0) {
            smtp_server_write_failed(&r->s, r->write_rc);
        } else {
            CU_ASSERT_TRUE(buf_append(&r->content, a.content) == 0);
        }
        return nothing;
    case SMTP_SERVER_DO_DROP:
        r->drops++;
        return nothing;
    case SMTP_SERVER_DO_COMMIT:
        return answer_commit(r);
    case SMTP_SERVER_DO_NOTHING:
        break;
    }
    return nothing;
}

/* Feed one piece behind what the server left, as the shell does. */
static void
feed(struct rig *r, struct buf *left, struct slice piece)
{
    struct smtp_server_action a;
    struct slice bytes;

    CU_ASSERT_EQUAL_FATAL(buf_append(left, piece), 0);
    bytes = buf_slice(left);
    do {
        a = smtp_server_input(&r->s, &bytes);
        for (struct smtp_server_action b = a; b.act != SMTP_SERVER_DO_NOTHING;) {
            b = act(r, b);
        }
    } while (a.act != SMTP_SERVER_DO_NOTHING && !r->closed);
    buf_consume(left, buf_len(left) - bytes.n);
}

static void
say(struct rig *r, struct slice all, size_t split)
{
    struct buf left;

    buf_init(&left, MIB);
    feed(r, &left, slice_sub(all, 0, split));
    if (!r->closed) {
        feed(r, &left, slice_skip(all, split));
    }
    buf_fini(&left);
}

/* The codes of the replies, continuation lines left out: "250 250 354". */
static void
codes(struct slice replies, char *out, size_t cap)
{
    struct slice line;
    size_t n = 0;

    out[0] = '\0';
    while (slice_next(&replies, '\n', &line)) {
        CU_ASSERT_TRUE_FATAL(line.n >= 5 && line.p[line.n - 1] == '\r');
        if (line.p[3] == ' ') {
            n += (size_t)snprintf(out + n, cap - n, "%s%.3s", n > 0 ? " " : "", line.p);
        }
    }
}

#define HELLO       "EHLO c\r\n"
#define BEGIN       HELLO "MAIL FROM:<s@x>\r\nRCPT TO:<r@y>\r\nDATA\r\n"
#define BEGUN       "250 250 250 354"
#define X10         "xxxxxxxxxx"
#define X50         X10 X10 X10 X10 X10
#define X100        X50 X50
#define X500        X100 X100 X100 X100 X100
#define RECEIVED_10 RX RX RX RX RX RX RX RX RX RX
#define RX          "Received:a\r\n"

struct dialog {
    const char *says, *codes;
    bool closed;
    const char *committed; /* envelopes and contents */
    uint64_t message_bytes_max;
};

static const struct dialog dialogs[] = {
    /* verbs and sequence */
    { "NOOP\r\nHELP\r\nVRFY x\r\nRSET\r\nQUIT\r\n", "250 214 252 250 221", true, "", 0 },
    { "MAIL FROM:<a@b>\r\n", "503", false, "", 0 },
    { "RCPT TO:<a@b>\r\nDATA\r\n", "503 503", false, "", 0 },
    { "HELO c\r\nMAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\n", "250 250 503", false, "", 0 },
    { HELLO "MAIL FROM:<a@b>\r\nDATA\r\n", "250 250 503", false, "", 0 },
    { HELLO "MAIL FROM:<a@b>\r\nRCPT TO:<a@refused.example>\r\nDATA\r\n", "250 250 550 503", false,
        "", 0 },
    { HELLO "MAIL FROM:<a@b>\r\nEHLO d\r\nRCPT TO:<a@b>\r\n", "250 250 250 503", false, "", 0 },
    { HELLO "MAIL FROM:<a@b>\r\nRSET\r\nRCPT TO:<a@b>\r\n", "250 250 250 503", false, "", 0 },
    { "EXPN l\r\nFOO\r\n\r\nEHLO\r\nQUIT now\r\n", "502 500 500 501 501", false, "", 0 },
    { "A\r\nB\r\nC\r\nD\r\nE\r\nF\r\nNOOP\r\n", "500 500 500 500 500 421", true, "", 0 },
    { "ehlo c\r\nmail from:<a@b> body=8bitmime size=10\r\nrcpt to:<c@d>\r\n", "250 250 250", false,
        "", 0 },
    { HELLO "MAIL FROM:<a@b> SIZE=1001\r\nMAIL FROM:<a@b> SIZE=1000\r\n", "250 552 250", false, "",
        0 },
    { HELLO "MAIL FROM:<a@b> RET=HDRS\r\n", "250 555", false, "", 0 },
    /* messages */
    { BEGIN "hi\r\n.\r\n", BEGUN " 250", false, "<s@x><r@y>hi\r\n", 0 },
    { BEGIN ".\r\nQUIT\r\n", BEGUN " 250 221", true, "<s@x><r@y>", 0 },
    { BEGIN "..\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\nb\r\n.\r\n",
        BEGUN " 250 250 250 354 250", false, "<s@x><r@y>.\r\n<><postmaster>b\r\n", 0 },
    { BEGIN "QUIT\r\n.\r\n", BEGUN " 250", false, "<s@x><r@y>QUIT\r\n", 0 },
    { HELLO "MAIL FROM:<s@x>\r\nRCPT TO:<a@y>\r\nRCPT TO:<a@Y>\r\nRCPT TO:<A@y>\r\nRCPT "
            "TO:<b@refused.example>\r\nDATA\r\n.\r\n",
        "250 250 250 250 250 550 354 250", false, "<s@x><a@y><A@y>", 0 },
    { HELLO "MAIL FROM:<s@x>\r\nRCPT TO:<a@y>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\nRCPT "
            "TO:<d@y>\r\nDATA\r\n.\r\n",
        "250 250 250 250 250 452 354 250", false, "<s@x><a@y><b@y><c@y>", 0 },
    /* size while it streams */
    { BEGIN "12345678\r\n.\r\n", BEGUN " 250", false, "<s@x><r@y>12345678\r\n", 10 },
    { BEGIN "123456789\r\n.\r\nNOOP\r\n", BEGUN " 552 250", false, "", 10 },
    /* too big and bare: the same answer wherever it was cut */
    { BEGIN "123456789\r\na\nb\r\n.\r\nNOOP\r\n", BEGUN " 554 250", false, "", 10 },
    /* loops */
    { BEGIN RECEIVED_10 RECEIVED_10 RECEIVED_10 RECEIVED_10 RECEIVED_10 RECEIVED_10 RECEIVED_10
            RECEIVED_10 RECEIVED_10 RECEIVED_10 "\r\n.\r\n",
        BEGUN " 250", false,
        "<s@x><r@y>" RECEIVED_10 RECEIVED_10 RECEIVED_10 RECEIVED_10 RECEIVED_10 RECEIVED_10
            RECEIVED_10 RECEIVED_10 RECEIVED_10 RECEIVED_10 "\r\n",
        5000 },
    { BEGIN RECEIVED_10 RECEIVED_10 RECEIVED_10 RECEIVED_10 RECEIVED_10 RECEIVED_10 RECEIVED_10
            RECEIVED_10 RECEIVED_10 RECEIVED_10 RX "\r\n.\r\nNOOP\r\n",
        BEGUN " 554 250", false, "", 5000 },
    /* line ends */
    { "NOOP\nNOOP\r\n", "500", true, "", 0 },
    { "\nNOOP\r\n", "500", true, "", 0 },
    { HELLO "MAIL FROM:<a@b>\nRCPT TO:<c@d>\r\n", "250 500", true, "", 0 },
    { "NOOP\rNOOP\r\n", "500", false, "", 0 },
    { "NOOP\r\r\n", "500", false, "", 0 },
    { "NOOP a\rb\r\nNOOP a\x01\r\n", "500 500", false, "", 0 },
    { "\xff\xfb\r\nEHLO \xc3\xa4\r\n", "500 501", false, "", 0 },
    { BEGIN "a\nb\r\n.\r\nNOOP\r\n", BEGUN " 554 250", false, "", 0 },
    { BEGIN "a\rb\r\n.\r\nNOOP\r\n", BEGUN " 554 250", false, "", 0 },
    { BEGIN "a\n.\nMAIL FROM:<evil@x>\r\n", BEGUN " 554", true, "", 0 },
    { BEGIN "a\n.\r\nMAIL FROM:<evil@x>\r\nRCPT TO:<v@y>\r\nDATA\r\nboo\r\n.\r\n", BEGUN " 554",
        true, "", 0 },
    { BEGIN "a\r\n.\nMAIL FROM:<evil@x>\r\n", BEGUN " 554", true, "", 0 },
    { BEGIN "a\r.\r\nMAIL FROM:<evil@x>\r\n", BEGUN " 554", true, "", 0 },
    { BEGIN "a\r\n.\rMAIL FROM:<evil@x>\r\n", BEGUN " 554", true, "", 0 },
    /* long lines */
    { "NOOP " X500 "12345\r\nNOOP\r\n", "250 250", false, "", 0 },
    { "NOOP " X500 "123456\r\nNOOP\r\n", "500 250", false, "", 0 },
    { "NOOP " X500 X500 X500 "\r\nNOOP\r\n", "500 250", false, "", 0 },
    { "NOOP " X500 X500 X500 "\r\rQUIT\r\r\r\nNOOP\r\n", "500 250", false, "", 0 },
    { "NOOP " X500 X500 X500 "\nQUIT\r\nNOOP\r\n", "500 500", true, "", 0 },
    { BEGIN X500 X500 X500 "\r\n.\r\n", BEGUN " 250", false, "<s@x><r@y>" X500 X500 X500 "\r\n",
        5000 },
};

static void
play(const struct dialog *d, size_t split)
{
    struct slice says = slice_of(d->says);
    struct rig r;
    char got[512];

    rig_start(&r);
    if (d->message_bytes_max > 0) {
        r.shared.message_bytes_max = d->message_bytes_max;
    }
    say(&r, says, split);
    codes(buf_slice(&r.replies), got, sizeof(got));
    if (strcmp(got, d->codes) != 0 || r.closed != d->closed ||
        !slice_eq(buf_slice(&r.committed), slice_of(d->committed))) {
        printf("\n%s\n split at %zu: %s, wanted %s; committed %.*s\n", d->says, split, got,
            d->codes, SLICE_FMT(buf_slice(&r.committed)));
        CU_FAIL("a dialog went another way");
    }
    rig_stop(&r);
}

static void
dialogs_go_the_same_way_at_every_split(void)
{
    for (size_t i = 0; i < ARRAY_LEN(dialogs); i++) {
        for (size_t split = 0; split <= strlen(dialogs[i].says); split++) {
            play(&dialogs[i], split);
        }
    }
}

/* RFC 1845: what came before is not asked for again, and never taken twice. */
static void
a_transaction_that_completed_is_told_of(void)
{
    static const struct {
        uint64_t id;
        int rc;
        const char *says, *replies, *committed;
    } rows[] = {
        { 0, 0, "MAIL FROM:<s@x> TRANSID=<1@c>\r\nRCPT TO:<r@y>\r\nDATA\r\nhi\r\n.\r\n",
            "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n354 End data with "
            "<CR><LF>.<CR><LF>\r\n250 2.0.0 Queued as abc\r\n",
            "<s@x><r@y>hi\r\n" },
        { 0x77, 0, "MAIL FROM:<s@x> TRANSID=<1@c>\r\nDATA\r\n.\r\n", /* by the letter */
            "355 4 is the transaction offset\r\n354 Send previously checkpointed message starting "
            "at octet 4\r\n250 2.0.0 Queued as 77\r\n",
            "" },
        { 0x77, 0, /* with recipients, and a client who counts otherwise */
            "MAIL FROM:<s@x> TRANSID=<1@c>\r\nRCPT TO:<r@y>\r\nRCPT TO:<n@refused.example>\r\n"
            "DATA\r\nb\nare\r\n.\r\nNOOP\r\n",
            "355 4 is the transaction offset\r\n250 2.1.5 Recipient OK\r\n550 5.7.1 Relaying "
            "denied\r\n354 Send previously checkpointed message starting at octet 4\r\n250 2.0.0 "
            "Queued as 77\r\n250 2.0.0 OK\r\n",
            "" },
        { 0x77, 0, "MAIL FROM:<s@x> TRANSID=<1@c>\r\nRSET\r\nDATA\r\n",
            "355 4 is the transaction offset\r\n250 2.0.0 OK\r\n503 5.5.1 Send MAIL first\r\n",
            "" },
        { 0x77, BH_EBUSY, "MAIL FROM:<s@x> TRANSID=<1@c>\r\nNOOP\r\n",
            "451 4.5.0 That transaction is under way\r\n250 2.0.0 OK\r\n", "" },
        { 0, 0, "MAIL FROM:<s@x> TRANSID=1@c\r\n", "501 5.5.4 Parameter value not valid\r\n", "" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t split = 0; split <= strlen(rows[i].says); split++) {
            struct rig r;

            rig_start(&r);
            r.s.checkpoint = &client;
            r.ready_rc = rows[i].rc;
            r.known = (struct intake_known){ rows[i].id, 4 };
            say(&r, SLICE_LIT(HELLO), 0);
            CU_ASSERT_TRUE(slice_find_text(buf_slice(&r.replies), "CHECKPOINT"));
            buf_clear(&r.replies);
            say(&r, slice_of(rows[i].says), split);
            if (!slice_eq(buf_slice(&r.replies), slice_of(rows[i].replies)) ||
                !slice_eq(buf_slice(&r.committed), slice_of(rows[i].committed))) {
                printf("\n%s\n%.*s%.*s\n", rows[i].says, SLICE_FMT(buf_slice(&r.replies)),
                    SLICE_FMT(buf_slice(&r.committed)));
                CU_FAIL("a dialog went another way");
            }
            rig_stop(&r);
        }
    }
}

/* Nobody completes another's transaction, whatever he calls himself: it would never be taken. */
static void
a_transactions_name_begins_with_its_clients_address(void)
{
    struct rig r;

    rig_start(&r);
    r.s.checkpoint = &client;
    say(&r, SLICE_LIT(HELLO "MAIL FROM:<s@x> TRANSID=<1@c>\r\n"), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r.s.transaction);
    CU_ASSERT_TRUE(slice_starts(r.s.transaction->transid, SLICE_LIT("192.0.2.1 ")));
    CU_ASSERT_TRUE(slice_find_text(r.s.transaction->transid, " <1@c>"));
    rig_stop(&r);
}

/* To whom it is not offered it is an unknown parameter. */
static void
checkpoint_is_for_those_whom_it_was_offered_to(void)
{
    struct rig r;
    char got[64];

    rig_start(&r);
    say(&r, SLICE_LIT(HELLO "MAIL FROM:<s@x> TRANSID=<1@c>\r\n"), 0);
    codes(buf_slice(&r.replies), got, sizeof(got));
    CU_ASSERT_STRING_EQUAL(got, "250 555");
    CU_ASSERT_FALSE(slice_find_text(buf_slice(&r.replies), "CHECKPOINT"));
    rig_stop(&r);
}

static void
a_byte_at_a_time_is_the_same_too(void)
{
    struct slice says = slice_of(BEGIN "..a\r\n.\r\nQUIT\r\n");
    struct buf left;
    struct rig r;
    char got[64];

    rig_start(&r);
    buf_init(&left, MIB);
    for (size_t i = 0; i < says.n; i++) {
        feed(&r, &left, slice_sub(says, i, 1));
    }
    codes(buf_slice(&r.replies), got, sizeof(got));
    CU_ASSERT_STRING_EQUAL(got, BEGUN " 250 221");
    CU_ASSERT_TRUE(slice_eq(buf_slice(&r.committed), SLICE_LIT("<s@x><r@y>.a\r\n")));
    buf_fini(&left);
    rig_stop(&r);
}

static void
what_intake_says_becomes_a_reply(void)
{
    static const struct {
        int ready_rc, open_rc, write_rc, commit_rc;
        const char *codes;
        bool closed;
    } rows[] = {
        { 0, 0, 0, 0, "250 250 250 354 250 250", false },
        { -ENOSPC, 0, 0, 0, "250 452 503 503 500 500 250", false },
        { BH_ESTATE, 0, 0, 0, "250 421", true },
        { BH_EQUORUM, 0, 0, 0, "250 421", true },
        { 0, -ENOSPC, 0, 0, "250 250 250 452 500 500 250", false },
        { 0, -ENOMEM, 0, 0, "250 250 250 452 500 500 250", false },
        { 0, BH_ESTATE, 0, 0, "250 250 250 421", true },
        { 0, 0, -ENOSPC, 0, "250 250 250 354 452 250", false },
        { 0, 0, -EIO, 0, "250 250 250 354 451 250", false },
        { 0, 0, 0, -ENOSPC, "250 250 250 354 452 250", false },
        { 0, 0, 0, -ENOMEM, "250 250 250 354 452 250", false },
        { 0, 0, 0, -EINVAL, "250 250 250 354 451 250", false },
        { 0, 0, 0, -EIO, "250 250 250 354 451", true },
        { 0, 0, 0, BH_EFENCED, "250 250 250 354 451", true },
        { 0, 0, 0, BH_EQUORUM, "250 250 250 354 421", true },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig r;
        char got[128];

        rig_start(&r);
        r.ready_rc = rows[i].ready_rc;
        r.open_rc = rows[i].open_rc;
        r.write_rc = rows[i].write_rc;
        r.commit_rc = rows[i].commit_rc;
        say(&r, slice_of(BEGIN "hi\r\n.\r\nNOOP\r\n"), 0);
        codes(buf_slice(&r.replies), got, sizeof(got));
        CU_ASSERT_STRING_EQUAL(got, rows[i].codes);
        CU_ASSERT_EQUAL(r.closed, rows[i].closed);
        rig_stop(&r);
    }
}

/* A session that brings no mail ends, whatever it does instead of that; a message starts the count
 * anew. */
static void
commands_without_a_message_have_an_end(void)
{
    static const struct {
        const char *before, *again, *reply;
        int times; /* that are answered */
    } rows[] = {
        { "", "NOOP\r\n", "421 4.7.0 Too many commands without a message\r\n", 99 },
        { "", "EHLO c.test\r\n", "421 4.7.0 Too many commands without a message\r\n", 99 },
        { "", "MAIL FROM:<s@x>\r\nRSET\r\n", "421 4.7.0 Too many commands without a message\r\n",
            99 },
        { "MAIL FROM:<s@x>\r\n", "RCPT TO:<a@refused.example>\r\n",
            "421 4.7.0 Too many refused recipients\r\n", 1000 },
    };
    static const char *const message =
        "RSET\r\nMAIL FROM:<s@x>\r\nRCPT TO:<r@y>\r\nDATA\r\nhi\r\n.\r\n";

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig r;

        rig_start(&r);
        say(&r, slice_of(HELLO), 0);
        for (int round = 0; round < 2; round++) {
            say(&r, slice_of(rows[i].before), 0);
            for (int n = 0; n < rows[i].times - (round == 0); n++) {
                say(&r, slice_of(rows[i].again), 0);
            }
            CU_ASSERT_FALSE(r.closed);
            if (round == 0) {
                say(&r, slice_of(message), 0);
                say(&r, SLICE_LIT("NOOP\r\n"), 0); /* as the EHLO counted */
            }
        }
        buf_clear(&r.replies);
        say(&r, slice_of(rows[i].again), 0);
        CU_ASSERT_TRUE(r.closed);
        CU_ASSERT_TRUE(slice_iends(buf_slice(&r.replies), slice_of(rows[i].reply)));
        rig_stop(&r);
    }
}

static void
nothing_is_read_while_an_answer_is_awaited(void)
{
    struct slice bytes = SLICE_LIT(HELLO "MAIL FROM:<a@b>\r\nNOOP\r\n");
    struct smtp_server_action a;
    struct rig r;

    rig_start(&r);
    (void)smtp_server_input(&r.s, &bytes);
    a = smtp_server_input(&r.s, &bytes);
    CU_ASSERT_EQUAL(a.act, SMTP_SERVER_DO_ASK_SENDER);
    CU_ASSERT_TRUE(smtp_server_waits(&r.s));
    CU_ASSERT_EQUAL(smtp_server_input(&r.s, &bytes).act, SMTP_SERVER_DO_NOTHING);
    CU_ASSERT_EQUAL(bytes.n, 6);
    (void)smtp_server_sender(&r.s, 0, NULL);
    CU_ASSERT_FALSE(smtp_server_waits(&r.s));
    CU_ASSERT_EQUAL(smtp_server_input(&r.s, &bytes).act, SMTP_SERVER_DO_REPLY);
    rig_stop(&r);
}

static void
a_refused_message_is_dropped_once_and_early(void)
{
    struct buf left;
    struct rig r;

    rig_start(&r);
    r.shared.message_bytes_max = 4;
    buf_init(&left, MIB);
    feed(&r, &left, slice_of(BEGIN "12345678\r\n"));
    CU_ASSERT_EQUAL(r.drops, 1);
    feed(&r, &left, slice_of("a\nb\r\n.\r\n"));
    CU_ASSERT_EQUAL(r.drops, 1);
    CU_ASSERT_EQUAL(r.commits, 0);
    CU_ASSERT_EQUAL(r.s.state, SMTP_SERVER_READY);
    buf_fini(&left);
    rig_stop(&r);
}

static void
draining_ends_the_session_at_the_next_command(void)
{
    struct buf left;
    struct rig r;
    char got[64];

    rig_start(&r);
    buf_init(&left, MIB);
    feed(&r, &left, slice_of(BEGIN "hi\r\n"));
    r.shared.draining = true;
    feed(&r, &left, slice_of(".\r\nMAIL FROM:<a@b>\r\n"));
    codes(buf_slice(&r.replies), got, sizeof(got));
    CU_ASSERT_STRING_EQUAL(got, BEGUN " 250 421");
    CU_ASSERT_TRUE(r.closed);
    CU_ASSERT_EQUAL(r.commits, 1);
    buf_fini(&left);
    rig_stop(&r);
}

static void
thousands_of_recipients_are_told_apart(void)
{
    struct smtp_transaction_pool pool;
    struct smtp_transaction *t;

    smtp_transaction_pool_init(&pool);
    t = smtp_transaction_get(&pool);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5000; i++) {
            char text[64];
            int n = snprintf(text, sizeof(text), "user%d@%s", i, round ? "Y.example" : "y.EXAMPLE");
            struct envelope_recipient r = { .address = { text, (size_t)n } };

            CU_ASSERT_EQUAL(smtp_transaction_add(t, &r), round);
        }
    }
    CU_ASSERT_EQUAL(t->recipient_count, 5000);
    CU_ASSERT_TRUE(slice_eq(t->recipients[4999].address, SLICE_LIT("user4999@y.EXAMPLE")));
    CU_ASSERT_TRUE(slice_eq(t->recipients[0].address, SLICE_LIT("user0@y.EXAMPLE")));
    smtp_transaction_put(&pool, t);
    t = smtp_transaction_get(&pool);
    CU_ASSERT_EQUAL(t->recipient_count, 0);
    smtp_transaction_put(&pool, t);
    smtp_transaction_pool_fini(&pool);
}

static void
ehlo_offers_what_is_honoured(void)
{
    struct rig r;

    rig_start(&r);
    say(&r, SLICE_LIT(HELLO), 0);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&r.replies),
        SLICE_LIT("250-mx.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n"
                  "250 ENHANCEDSTATUSCODES\r\n")));
    rig_stop(&r);
}

/* ---- the document */

static void
check_row(struct slice line, bool *known)
{
    struct slice cell;
    int v;

    (void)slice_next(&line, '|', &cell);
    CU_ASSERT_TRUE_FATAL(slice_next(&line, '|', &cell));
    cell = slice_trim(cell);
    for (v = 0; v < SMTP_VERB_COUNT; v++) {
        if (slice_eq(cell, slice_of(smtp_grammar_verb_name((enum smtp_verb)v)))) {
            break;
        }
    }
    if (v == SMTP_VERB_COUNT) {
        return; /* a row of another table */
    }
    known[v] = true;
    for (int st = SMTP_SERVER_HELLO; st <= SMTP_SERVER_RCPT; st++) {
        bool legal = smtp_server_legal((enum smtp_verb)v, (enum smtp_server_state)st);

        CU_ASSERT_TRUE_FATAL(slice_next(&line, '|', &cell));
        CU_ASSERT_TRUE(slice_eq(slice_trim(cell), slice_of(legal ? "yes" : "503")));
    }
    for (int st = SMTP_SERVER_ASK_SENDER; st < SMTP_SERVER_STATE_COUNT; st++) {
        CU_ASSERT_FALSE(smtp_server_legal((enum smtp_verb)v, (enum smtp_server_state)st));
    }
    if (slice_next(&line, '|', &cell)) {
        uint64_t bytes = 0;

        CU_ASSERT_EQUAL(slice_u64(slice_trim(cell), 9999, &bytes), 0);
        CU_ASSERT_EQUAL(bytes, smtp_server_line_bytes_max((enum smtp_verb)v));
    }
}

static void
the_document_shows_the_code_s_table(void)
{
    static const char here[] = "tests/unit/test_smtp_server.c";
    bool known[SMTP_VERB_COUNT] = { false }, states[SMTP_SERVER_STATE_COUNT] = { false };
    char path[4096], line[1024], name[64];
    FILE *f;

    CU_ASSERT_TRUE_FATAL(slice_iends(slice_of(__FILE__), slice_of(here)));
    (void)snprintf(path, sizeof(path), "%.*sdocs/protocols/smtp.md",
        (int)(sizeof(__FILE__) - sizeof(here)), __FILE__);
    f = fopen(path, "re");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (line[0] == '|') {
            check_row(slice_of(line), known);
        }
        for (int st = 0; st < SMTP_SERVER_STATE_COUNT; st++) {
            (void)snprintf(
                name, sizeof(name), "| %s |", smtp_server_state_name((enum smtp_server_state)st));
            states[st] = states[st] || strncmp(line, name, strlen(name)) == 0;
        }
    }
    fclose(f);
    for (int v = 0; v < SMTP_VERB_COUNT; v++) {
        CU_ASSERT_TRUE(known[v]);
    }
    for (int st = 0; st < SMTP_SERVER_STATE_COUNT; st++) {
        CU_ASSERT_TRUE(states[st]);
    }
}

TEST_MAIN("smtp_server", TEST(dialogs_go_the_same_way_at_every_split),
    TEST(a_byte_at_a_time_is_the_same_too), TEST(what_intake_says_becomes_a_reply),
    TEST(commands_without_a_message_have_an_end), TEST(nothing_is_read_while_an_answer_is_awaited),
    TEST(a_transaction_that_completed_is_told_of),
    TEST(a_transactions_name_begins_with_its_clients_address),
    TEST(checkpoint_is_for_those_whom_it_was_offered_to),
    TEST(a_refused_message_is_dropped_once_and_early),
    TEST(draining_ends_the_session_at_the_next_command),
    TEST(thousands_of_recipients_are_told_apart), TEST(ehlo_offers_what_is_honoured),
    TEST(the_document_shows_the_code_s_table))
