#include "smtp/smtp_client.h"

#include "test_main.h"
#include <stdio.h>

/* A session as text: "C:" what we say, "P:" what the peer says, "=i" a recipient's result, "!" the
 * end with its reason. Each script runs whole and with the peer's bytes split at every place. */

#define TRANSCRIPT_CAP 16384
#define CHUNKS_MAX     24

struct script {
    const char *peer[CHUNKS_MAX]; /* fed one after another; NULL ends */
    uint32_t recipients;          /* 0: one */
    uint32_t deliveries;          /* 0: one */
    bool lmtp;
    uint8_t body;
    uint64_t size_bytes;
    const char *sender;  /* NULL: s@x */
    const char *content; /* NULL: "hi\r\n" */
    bool lost;           /* after the last chunk the connection ends */
    const char *transid; /* NULL: none */
    const char *expect;
};

struct play {
    struct smtp_client c;
    const struct script *s;
    struct slice recipients[16];
    struct delivery d;
    uint32_t delivered, results;
    bool over;
    char text[TRANSCRIPT_CAP];
    size_t n;
};

static void
put(struct play *p, const char *what, struct slice s)
{
    int n = snprintf(p->text + p->n, TRANSCRIPT_CAP - p->n, "%s%.*s", what, SLICE_FMT(s));

    CU_ASSERT_FATAL(n >= 0 && (size_t)n < TRANSCRIPT_CAP - p->n);
    p->n += (size_t)n;
}

static const char *
kind_text(enum outcome_kind kind)
{
    return kind == OUTCOME_DELIVERED ? "ok" : kind == OUTCOME_DEFERRED ? "later" : "failed";
}

static void
put_result(struct play *p, const struct transport_result *r)
{
    char text[64];

    put(p, kind_text(r->kind), SLICE_NONE);
    (void)snprintf(text, sizeof(text), " %d ", r->code);
    put(p, text, r->status);
    put(p, r->in_doubt ? " in doubt " : " ", r->reply);
    put(p, r->can_ask ? " (ask)" : "", SLICE_NONE);
    put(p, r->answered ? " (known)" : "", SLICE_NONE);
    put(p, "\n", SLICE_NONE);
}

static void
on_result(void *ctx, uint32_t index, const struct transport_result *r)
{
    struct play *p = ctx;
    char text[32];

    (void)snprintf(text, sizeof(text), "=%u ", (unsigned)index);
    put(p, text, SLICE_NONE);
    put_result(p, r);
    p->results++;
}

/* What the shell would send now, with line ends shown as line ends. */
static void
take_out(struct play *p)
{
    struct slice rest = buf_slice(&p->c.out);
    struct slice line;

    while (slice_next(&rest, '\n', &line)) {
        if (line.n > 0) {
            CU_ASSERT_EQUAL(line.p[line.n - 1], '\r');
            put(p, "C:", slice_sub(line, 0, line.n - 1));
            put(p, "\n", SLICE_NONE);
        }
    }
    buf_clear(&p->c.out);
}

static void
send_content(struct play *p)
{
    struct slice piece = slice_of(p->s->content != NULL ? p->s->content : "hi\r\n");

    put(p, "D:", SLICE_NONE);
    for (;;) {
        struct slice run = smtp_client_content(&p->c, &piece);

        if (run.n == 0) {
            break;
        }
        put(p, "", run);
    }
    CU_ASSERT_EQUAL(smtp_client_dot(&p->c), 0);
    put(p, "", buf_slice(&p->c.out));
    buf_clear(&p->c.out);
    smtp_client_sent(&p->c);
}

static void
next(struct play *p)
{
    static const char *const names[16] = { "a@y", "b@y", "c@y", "d@y" };

    if (p->delivered == MAX(p->s->deliveries, 1u)) {
        return;
    }
    p->delivered++;
    p->d = (struct delivery){ .id = 1,
        .sender = slice_of(p->s->sender != NULL ? p->s->sender : "s@x"),
        .body = p->s->body,
        .size_bytes = p->s->size_bytes,
        .recipient_count = MAX(p->s->recipients, 1u),
        .recipients = p->recipients,
        .transid = p->s->transid != NULL ? slice_of(p->s->transid) : SLICE_NONE };
    for (uint32_t i = 0; i < p->d.recipient_count; i++) {
        p->recipients[i] = slice_of(names[i]);
    }
    if (smtp_client_deliver(&p->c, &p->d) == 1) {
        put(p, "over\n", SLICE_NONE);
        next(p);
    }
}

static void
feed(struct play *p, struct slice bytes)
{
    bool transfer = false, deliver = false;

    while (bytes.n > 0 && !p->over) {
        switch (smtp_client_input(&p->c, &bytes)) {
        case SMTP_CLIENT_WAIT:
            break;
        case SMTP_CLIENT_TRANSFER:
            transfer = true;
            break;
        case SMTP_CLIENT_OPENED:
        case SMTP_CLIENT_DONE:
            deliver = true;
            break;
        case SMTP_CLIENT_ENDED:
            put(p, "! ", SLICE_NONE);
            put_result(p, &p->c.why);
            p->over = true;
            break;
        }
    }
    if (deliver && !p->over) {
        next(p);
    }
    take_out(p);
    if (transfer && p->c.state == SMTP_CLIENT_CONTENT) {
        send_content(p);
    }
}

/* split: bytes of each chunk that come first; 0: all at once. */
static void
play(struct play *p, const struct script *s, size_t split)
{
    memset(p, 0, sizeof(*p));
    p->s = s;
    smtp_client_init(&p->c, "me", s->lmtp, on_result, p);
    smtp_client_start(&p->c);
    for (size_t i = 0; i < CHUNKS_MAX && s->peer[i] != NULL; i++) {
        struct slice chunk = slice_of(s->peer[i]);
        size_t first = MIN(split, chunk.n);

        feed(p, slice_sub(chunk, 0, first));
        feed(p, slice_skip(chunk, first));
    }
    if (s->lost) {
        smtp_client_lost(&p->c, 0, true);
        put(p, "! ", SLICE_NONE);
        put_result(p, &p->c.why);
    }
    smtp_client_fini(&p->c);
}

static void
check(const struct script *s)
{
    static struct play p;

    for (size_t split = 0; split < 80; split++) {
        play(&p, s, split);
        CU_ASSERT_STRING_EQUAL(p.text, s->expect);
        if (strcmp(p.text, s->expect) != 0) {
            (void)fprintf(
                stderr, "split %zu\n---- got\n%s---- expected\n%s----\n", split, p.text, s->expect);
            break;
        }
    }
}

#define CHECK_SCRIPT(...)                                                                          \
    do {                                                                                           \
        static const struct script script_ = { __VA_ARGS__ };                                      \
        check(&script_);                                                                           \
    } while (0)

#define OPEN          "220 hi\r\n", "250-y\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
#define OPEN_PLAIN    "220 hi\r\n", "250 y\r\n"
#define HELLO         "C:EHLO me\n"
#define ENVELOPE      "C:MAIL FROM:<s@x>\nC:RCPT TO:<a@y>\nC:DATA\n"
#define ENVELOPE2     "C:MAIL FROM:<s@x>\nC:RCPT TO:<a@y>\nC:RCPT TO:<b@y>\nC:DATA\n"
#define ENVELOPE3     "C:MAIL FROM:<s@x>\nC:RCPT TO:<a@y>\nC:RCPT TO:<b@y>\nC:RCPT TO:<c@y>\nC:DATA\n"
#define HI            "D:hi\r\n.\r\n"
#define NOT_THE_ORDER "the peer answered against the protocol "

/* ---- the table */

static void
the_document_shows_the_table(void)
{
    char line[512];
    static const char here[] = "tests/unit/test_smtp_client.c";
    char path[1024];
    unsigned rows = 0;
    FILE *f;

    CU_ASSERT_TRUE_FATAL(slice_iends(slice_of(__FILE__), slice_of(here)));
    (void)snprintf(path, sizeof(path), "%.*sdocs/protocols/smtp_client.md",
        (int)(sizeof(__FILE__) - sizeof(here)), __FILE__);
    f = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    while (fgets(line, sizeof(line), f) != NULL && rows < SMTP_CLIENT_STATE_COUNT) {
        char expect[512];
        int n = snprintf(expect, sizeof(expect), "| %s |", smtp_client_state_name(rows));

        if (strncmp(line, expect, (size_t)n) != 0) {
            continue;
        }
        for (unsigned e = 0; e < SMTP_CLIENT_EVENT_COUNT; e++) {
            n += snprintf(expect + n, sizeof(expect) - (size_t)n, " %s |",
                smtp_client_step_name(smtp_client_row(rows, e)));
        }
        (void)snprintf(expect + n, sizeof(expect) - (size_t)n, "\n");
        CU_ASSERT_STRING_EQUAL(line, expect);
        rows++;
    }
    CU_ASSERT_EQUAL(rows, SMTP_CLIENT_STATE_COUNT);
    (void)fclose(f);
}

static void
every_cell_has_a_step_and_doubt_is_only_after_the_dot(void)
{
    for (unsigned s = 0; s < SMTP_CLIENT_STATE_COUNT; s++) {
        for (unsigned e = 0; e < SMTP_CLIENT_EVENT_COUNT; e++) {
            enum smtp_client_step step = smtp_client_row(s, e);

            CU_ASSERT_TRUE(step == SMTP_STEP_HELLO ? s == SMTP_CLIENT_GREETING : true);
            CU_ASSERT_TRUE(step == SMTP_STEP_DOUBT ? s == SMTP_CLIENT_DOT : true);
            CU_ASSERT_TRUE(step == SMTP_STEP_FINAL ? s == SMTP_CLIENT_DOT : true);
        }
    }
}

static void
each_state_has_the_time_out_of_its_reply(void)
{
    static const struct {
        enum smtp_client_state state;
        enum smtp_client_timeout timeout;
    } rows[] = {
        { SMTP_CLIENT_GREETING, SMTP_TIMEOUT_GREETING },
        { SMTP_CLIENT_EHLO, SMTP_TIMEOUT_COMMAND },
        { SMTP_CLIENT_HELO, SMTP_TIMEOUT_COMMAND },
        { SMTP_CLIENT_READY, SMTP_TIMEOUT_IDLE },
        { SMTP_CLIENT_RSET, SMTP_TIMEOUT_COMMAND },
        { SMTP_CLIENT_MAIL, SMTP_TIMEOUT_COMMAND },
        { SMTP_CLIENT_RCPT, SMTP_TIMEOUT_COMMAND },
        { SMTP_CLIENT_DATA, SMTP_TIMEOUT_DATA_INIT },
        { SMTP_CLIENT_CONTENT, SMTP_TIMEOUT_DATA_BLOCK },
        { SMTP_CLIENT_DOT, SMTP_TIMEOUT_DATA_DONE },
        { SMTP_CLIENT_NODOT, SMTP_TIMEOUT_COMMAND },
    };
    struct smtp_client c;

    smtp_client_init(&c, "me", false, on_result, NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        c.state = rows[i].state;
        CU_ASSERT_EQUAL(smtp_client_timeout(&c), rows[i].timeout);
    }
    smtp_client_fini(&c);
}

/* ---- sessions */

static void
a_pipelined_transaction_is_one_write(void)
{
    CHECK_SCRIPT(.peer = { OPEN, "250 ok\r\n250 ok\r\n354 go\r\n", "250 2.0.0 queued\r\n" },
        .expect = HELLO ENVELOPE HI "=0 ok 250 2.0.0 queued\n");
}

static void
a_message_of_nothing_is_its_dot(void)
{
    CHECK_SCRIPT(.content = "", .peer = { OPEN, "250 ok\r\n250 ok\r\n354 go\r\n", "250 ok\r\n" },
        .expect = HELLO ENVELOPE "D:.\r\n=0 ok 250 2.0.0 ok\n");
}

static void
without_pipelining_each_command_waits_for_its_turn(void)
{
    CHECK_SCRIPT(.recipients = 2,
        .peer = { OPEN_PLAIN, "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n",
            "250 queued\r\n" },
        .expect = HELLO ENVELOPE2 HI "=0 ok 250 2.0.0 queued\n=1 ok 250 2.0.0 queued\n");
}

static void
ehlo_refused_falls_back_to_helo_without_extensions(void)
{
    CHECK_SCRIPT(.peer = { "220 hi\r\n", "502 what\r\n", "250 PIPELINING\r\n", "250 ok\r\n",
                     "250 ok\r\n", "354 go\r\n", "250 queued\r\n" },
        .expect = HELLO "C:HELO me\n" ENVELOPE HI "=0 ok 250 2.0.0 queued\n");
}

static void
size_and_body_are_said_when_offered(void)
{
    CHECK_SCRIPT(.size_bytes = 4, .body = ENVELOPE_BODY_8BITMIME,
        .peer = { "220 hi\r\n", "250-y\r\n250-SIZE 1000\r\n250 8BITMIME\r\n" },
        .expect = HELLO "C:MAIL FROM:<s@x> BODY=8BITMIME SIZE=4\n");
    CHECK_SCRIPT(.size_bytes = 4, .peer = { "220 hi\r\n", "250-y\r\n250 SIZE\r\n" },
        .expect = HELLO "C:MAIL FROM:<s@x> SIZE=4\n");
    /* 8-bit to a peer without 8BITMIME: as it is */
    CHECK_SCRIPT(.body = ENVELOPE_BODY_8BITMIME, .peer = { OPEN_PLAIN },
        .expect = HELLO "C:MAIL FROM:<s@x>\n");
    CHECK_SCRIPT(.sender = "", .peer = { OPEN_PLAIN }, .expect = HELLO "C:MAIL FROM:<>\n");
}

static void
larger_than_the_peers_size_fails_without_a_byte(void)
{
    CHECK_SCRIPT(.size_bytes = 1001, .recipients = 2,
        .peer = { "220 hi\r\n", "250-y\r\n250 SIZE 1000\r\n" },
        .expect = HELLO "=0 failed 0 5.3.4 the message is larger than the next hop accepts\n"
                        "=1 failed 0 5.3.4 the message is larger than the next hop accepts\n"
                        "over\n");
}

/* A transfer envelope and P1's content are nobody's mail. */
static void
what_came_by_x400_fails_without_a_byte(void)
{
    CHECK_SCRIPT(.body = ENVELOPE_P1_MESSAGE, .peer = { OPEN },
        .expect =
            HELLO "=0 failed 0 5.6.3 the message came by X.400, and there is no gateway to SMTP\n"
                  "over\n");
    CHECK_SCRIPT(.body = ENVELOPE_P1_REPORT, .sender = "", .peer = { OPEN },
        .expect =
            HELLO "=0 failed 0 5.6.3 the message came by X.400, and there is no gateway to SMTP\n"
                  "over\n");
}

static void
an_address_with_a_line_end_never_reaches_the_peer(void)
{
    CHECK_SCRIPT(.sender = "a@x>\r\nRCPT TO:<evil@z", .peer = { OPEN },
        .expect = HELLO "=0 failed 0 5.1.7 the sender's address cannot be sent in an SMTP command\n"
                        "over\n");
}

static void
each_recipient_gets_its_own_answer(void)
{
    CHECK_SCRIPT(.recipients = 3,
        .peer = { OPEN, "250 ok\r\n550 5.1.1 nobody\r\n250 ok\r\n450 full\r\n354 go\r\n",
            "250 queued\r\n" },
        .expect = HELLO ENVELOPE3 "=0 failed 550 5.1.1 nobody\n=2 later 450 4.2.0 full\n" HI
                                  "=1 ok 250 2.0.0 queued\n");
}

static void
too_many_recipients_is_for_later(void)
{
    CHECK_SCRIPT(.recipients = 2,
        .peer = { OPEN, "250 ok\r\n250 ok\r\n552 too many\r\n354 go\r\n", "250 queued\r\n" },
        .expect = HELLO ENVELOPE2 "=1 later 552 4.5.3 too many\n" HI "=0 ok 250 2.0.0 queued\n");
    CHECK_SCRIPT(.peer = { OPEN, "250 ok\r\n552 no room\r\n554 none\r\n" },
        .expect = HELLO ENVELOPE "=0 failed 552 5.3.4 no room\n");
}

static void
a_refused_sender_is_everyones_answer_and_needs_no_reset(void)
{
    CHECK_SCRIPT(.recipients = 2, .deliveries = 2,
        .peer = { OPEN, "451 4.3.0 later\r\n503 no\r\n503 no\r\n503 no\r\n" },
        .expect = HELLO ENVELOPE2 "=0 later 451 4.3.0 later\n=1 later 451 4.3.0 later\n" ENVELOPE2);
    CHECK_SCRIPT(.deliveries = 2, .peer = { OPEN_PLAIN, "553 no\r\n" },
        .expect = HELLO "C:MAIL FROM:<s@x>\n=0 failed 553 5.1.3 no\nC:MAIL FROM:<s@x>\n");
}

static void
all_recipients_refused_and_data_refused_needs_a_reset(void)
{
    CHECK_SCRIPT(.deliveries = 2,
        .peer = { OPEN, "250 ok\r\n550 no\r\n554 none\r\n", "250 reset\r\n250 ok\r\n250 ok\r\n" },
        .expect = HELLO ENVELOPE "=0 failed 550 5.2.0 no\nC:RSET\n" ENVELOPE);
    CHECK_SCRIPT(.deliveries = 2,
        .peer = { OPEN_PLAIN, "250 ok\r\n", "550 no\r\n", "250 reset\r\n" },
        .expect = HELLO "C:MAIL FROM:<s@x>\nC:RCPT TO:<a@y>\n=0 failed 550 5.2.0 no\n"
                        "C:RSET\nC:MAIL FROM:<s@x>\n");
    /* RSET refused: nobody knows what the peer remembers */
    CHECK_SCRIPT(.deliveries = 2,
        .peer = { OPEN, "250 ok\r\n550 no\r\n554 none\r\n", "500 what\r\n" },
        .expect = HELLO ENVELOPE "=0 failed 550 5.2.0 no\nC:RSET\n" ENVELOPE
                                 "! later 0 4.5.0 " NOT_THE_ORDER "at RSET\n");
}

static void
data_accepted_for_nobody_gets_the_dot_alone(void)
{
    CHECK_SCRIPT(.deliveries = 2,
        .peer = { OPEN, "250 ok\r\n550 no\r\n354 go\r\n", "554 nothing\r\n" },
        .expect = HELLO ENVELOPE "=0 failed 550 5.2.0 no\nC:.\n" ENVELOPE);
    CHECK_SCRIPT(.peer = { OPEN, "250 ok\r\n550 no\r\n354 go\r\n" }, .lost = true,
        .expect = HELLO ENVELOPE "=0 failed 550 5.2.0 no\nC:.\n"
                                 "! later 0 4.4.2 the peer closed the connection after an empty "
                                 "message\n");
}

static void
a_refused_data_is_the_accepted_recipients_answer(void)
{
    CHECK_SCRIPT(.recipients = 2, .deliveries = 2,
        .peer = { OPEN, "250 ok\r\n250 ok\r\n550 no\r\n451 busy\r\n", "250 reset\r\n" },
        .expect =
            HELLO ENVELOPE2 "=1 failed 550 5.2.0 no\n=0 later 451 4.3.0 busy\nC:RSET\n" ENVELOPE2);
}

static void
the_dots_answer_is_the_result(void)
{
    CHECK_SCRIPT(.peer = { OPEN, "250 ok\r\n250 ok\r\n354 go\r\n", "452 4.3.1 full\r\n" },
        .expect = HELLO ENVELOPE HI "=0 later 452 4.3.1 full\n");
    CHECK_SCRIPT(.deliveries = 2,
        .peer = { OPEN, "250 ok\r\n250 ok\r\n354 go\r\n", "554 spam\r\n" },
        .expect = HELLO ENVELOPE HI "=0 failed 554 5.0.0 spam\n" ENVELOPE);
    /* a reply of several lines */
    CHECK_SCRIPT(.peer = { OPEN, "250 ok\r\n250 ok\r\n354 go\r\n",
                     "550-5.7.1 no\r\n550 5.7.1 never\r\n" },
        .expect = HELLO ENVELOPE HI "=0 failed 550 5.7.1 no\nnever\n");
}

static void
lmtp_answers_for_each_recipient(void)
{
    CHECK_SCRIPT(.lmtp = true, .recipients = 3,
        .peer = { "220 hi\r\n", "250-y\r\n250 PIPELINING\r\n",
            "250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n", "250 ok\r\n452 full\r\n" },
        .expect = "C:LHLO me\n" ENVELOPE3 "=1 failed 550 5.2.0 no\n" HI
                  "=0 ok 250 2.0.0 ok\n=2 later 452 4.3.1 full\n");
    CHECK_SCRIPT(.lmtp = true, .recipients = 2, .lost = true,
        .peer = { "220 hi\r\n", "250-y\r\n250 PIPELINING\r\n",
            "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n", "250 ok\r\n" },
        .expect = "C:LHLO me\n" ENVELOPE2 HI "=0 ok 250 2.0.0 ok\n! later 0 4.4.2 in doubt the "
                  "peer closed the connection after the final dot\n");
    CHECK_SCRIPT(.lmtp = true, .peer = { "220 hi\r\n", "500 no LHLO\r\n" },
        .expect = "C:LHLO me\n! later 500 4.3.2 no LHLO\n");
    CHECK_SCRIPT(.lmtp = true,
        .peer = { "220 hi\r\n", "250-y\r\n250 PIPELINING\r\n", "250 ok\r\n550 no\r\n354 go\r\n" },
        .expect = "C:LHLO me\n" ENVELOPE "=0 failed 550 5.2.0 no\n"
                  "! later 0 4.5.0 " NOT_THE_ORDER "at DATA\n");
}

static void
a_refused_greeting_is_for_the_next_host(void)
{
    CHECK_SCRIPT(.peer = { "450 busy\r\n" }, .expect = "! later 450 4.3.2 busy\n");
    CHECK_SCRIPT(.peer = { "554 no mail here\r\n" }, .expect = "! later 554 4.3.2 no mail here\n");
    CHECK_SCRIPT(.peer = { "521 never\r\n" }, .expect = "! failed 521 5.3.2 never\n");
    CHECK_SCRIPT(.peer = { "220 hi\r\n", "450 busy\r\n" },
        .expect = HELLO "! later 450 4.3.2 busy\n");
    CHECK_SCRIPT(.peer = { "220 hi\r\n", "500 what\r\n", "500 what\r\n" },
        .expect = HELLO "C:HELO me\n! later 500 4.3.2 what\n");
}

static void
closing_with_421_is_understood_anywhere(void)
{
    CHECK_SCRIPT(.peer = { "421 4.3.2 bye\r\n" }, .expect = "! later 421 4.3.2 bye\n");
    CHECK_SCRIPT(.peer = { OPEN, "421 bye\r\n" },
        .expect = HELLO ENVELOPE "! later 421 4.3.2 bye\n");
    CHECK_SCRIPT(.recipients = 2, .peer = { OPEN, "250 ok\r\n550 no\r\n421 bye\r\n" },
        .expect = HELLO ENVELOPE2 "=0 failed 550 5.2.0 no\n! later 421 4.3.2 bye\n");
    CHECK_SCRIPT(.peer = { OPEN, "250 ok\r\n250 ok\r\n421 bye\r\n" },
        .expect = HELLO ENVELOPE "! later 421 4.3.2 bye\n");
    CHECK_SCRIPT(.peer = { OPEN, "250 ok\r\n250 ok\r\n354 go\r\n", "421 bye\r\n" },
        .expect = HELLO ENVELOPE HI "! later 421 4.3.2 bye\n");
    CHECK_SCRIPT(.peer = { OPEN, "250 ok\r\n250 ok\r\n354 go\r\n", "250 done\r\n", "421 bye\r\n" },
        .expect = HELLO ENVELOPE HI "=0 ok 250 2.0.0 done\n! later 421 4.3.2 bye\n");
}

static void
loss_after_the_dot_is_in_doubt_and_only_then(void)
{
#define LOST "the peer closed the connection "
    CHECK_SCRIPT(.lost = true, .peer = { NULL },
        .expect = "! later 0 4.4.2 " LOST "before its greeting\n");
    CHECK_SCRIPT(.lost = true, .peer = { "220 hi\r\n" },
        .expect = HELLO "! later 0 4.4.2 " LOST "at EHLO\n");
    CHECK_SCRIPT(.lost = true, .peer = { OPEN },
        .expect = HELLO ENVELOPE "! later 0 4.4.2 " LOST "at MAIL FROM\n");
    CHECK_SCRIPT(.lost = true, .peer = { OPEN, "250 ok\r\n" },
        .expect = HELLO ENVELOPE "! later 0 4.4.2 " LOST "at RCPT TO\n");
    CHECK_SCRIPT(.lost = true, .peer = { OPEN, "250 ok\r\n250 ok\r\n" },
        .expect = HELLO ENVELOPE "! later 0 4.4.2 " LOST "at DATA\n");
    CHECK_SCRIPT(.lost = true, .peer = { OPEN, "250 ok\r\n250 ok\r\n354 go\r\n" },
        .expect = HELLO ENVELOPE HI "! later 0 4.4.2 in doubt " LOST "after the final dot\n");
    CHECK_SCRIPT(.lost = true, .peer = { OPEN, "250 ok\r\n250 ok\r\n354 go\r\n", "250-half" },
        .expect = HELLO ENVELOPE HI "! later 0 4.4.2 in doubt " LOST "after the final dot\n");
}

static void
nonsense_ends_the_session_and_after_the_dot_in_doubt(void)
{
#define NO_REPLY "the peer sent something that is no SMTP reply "
    CHECK_SCRIPT(.peer = { "HTTP/1.1 400 Bad Request\r\n" },
        .expect = "! later 0 4.5.0 " NO_REPLY "before its greeting\n");
    CHECK_SCRIPT(.peer = { "354 go\r\n" },
        .expect = "! later 0 4.5.0 " NOT_THE_ORDER "before its greeting\n");
    CHECK_SCRIPT(.peer = { OPEN, "250 ok\r\n250 ok\r\n250 not 354\r\n" },
        .expect = HELLO ENVELOPE "! later 0 4.5.0 " NOT_THE_ORDER "at DATA\n");
    CHECK_SCRIPT(.peer = { OPEN, "250 ok\r\n250 ok\r\n334 auth\r\n" },
        .expect = HELLO ENVELOPE "! later 0 4.5.0 " NOT_THE_ORDER "at DATA\n");
    CHECK_SCRIPT(.peer = { OPEN, "250-ok\r\n251 ok\r\n" },
        .expect = HELLO ENVELOPE "! later 0 4.5.0 " NO_REPLY "at MAIL FROM\n");
    CHECK_SCRIPT(.peer = { OPEN, "250 ok\r\n250 ok\r\n354 go\r\n", "\x01\x02\r\n" },
        .expect = HELLO ENVELOPE HI "! later 0 4.4.2 in doubt " NO_REPLY "after the final dot\n");
    CHECK_SCRIPT(.peer = { OPEN, "250 ok\r\n250 ok\r\n354 go\r\n", "354 more\r\n" },
        .expect =
            HELLO ENVELOPE HI "! later 0 4.4.2 in doubt " NOT_THE_ORDER "after the final dot\n");
    CHECK_SCRIPT(.peer = { OPEN, "250 ok\r\n250 ok\r\n354 go\r\n", "250 ok\r\n", "250 ok\r\n" },
        .expect = HELLO ENVELOPE HI "=0 ok 250 2.0.0 ok\n! later 0 4.5.0 " NOT_THE_ORDER
                                    "between deliveries\n");
}

/* Not by CHECK_SCRIPT: the bytes must come together. */
static void
an_answer_before_its_question_delivers_nothing(void)
{
    static const struct script early = { .peer = { OPEN,
                                             "250 ok\r\n250 ok\r\n354 go\r\n250 thanks\r\n" } };
    static struct play p;

    play(&p, &early, 0);
    CU_ASSERT_EQUAL(p.results, 0);
    CU_ASSERT_TRUE(p.over);
    CU_ASSERT_EQUAL(p.c.why.kind, OUTCOME_DEFERRED);
    CU_ASSERT_FALSE(p.c.why.in_doubt);
}

static void
an_answer_while_the_dot_is_queued_delivers_nothing(void)
{
    static const char *const answers[] = { "250 ok\r\n", "550 too big\r\n", "421 bye\r\n" };
    static const enum outcome_kind kinds[] = { OUTCOME_DEFERRED, OUTCOME_FAILED, OUTCOME_DEFERRED };

    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        static const struct script s = { .peer = { OPEN, "250 ok\r\n250 ok\r\n354 go\r\n" } };
        static struct play p;
        struct slice bytes = slice_of(answers[i]);

        memset(&p, 0, sizeof(p));
        p.s = &s;
        smtp_client_init(&p.c, "me", false, on_result, &p);
        smtp_client_start(&p.c);
        feed(&p, slice_of("220 hi\r\n"));
        feed(&p, slice_of("250-y\r\n250 PIPELINING\r\n"));
        feed(&p, slice_of("250 ok\r\n250 ok\r\n354 go\r\n"));
        p.c.unsent = true; /* the kernel took none of it yet */
        CU_ASSERT_EQUAL(smtp_client_input(&p.c, &bytes), SMTP_CLIENT_ENDED);
        CU_ASSERT_EQUAL(p.results, 0);
        CU_ASSERT_EQUAL(p.c.why.kind, kinds[i]);
        CU_ASSERT_EQUAL(p.c.why.in_doubt, i == 0); /* closing may still flush the dot */
        smtp_client_fini(&p.c);
    }
}

static void
an_unsent_dot_is_not_in_doubt_when_it_was_dropped(void)
{
    static const struct {
        bool unsent, dropped, doubt;
    } rows[] = { { true, true, false }, { true, false, true }, { false, true, true } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        static struct play p;
        static const struct script s = { .lmtp = false };

        memset(&p, 0, sizeof(p));
        p.s = &s;
        smtp_client_init(&p.c, "me", false, on_result, &p);
        smtp_client_start(&p.c);
        feed(&p, slice_of("220 hi\r\n"));
        feed(&p, slice_of("250-y\r\n250 PIPELINING\r\n"));
        feed(&p, slice_of("250 ok\r\n250 ok\r\n354 go\r\n"));
        p.c.unsent = rows[i].unsent;
        smtp_client_lost(&p.c, -ECONNRESET, rows[i].dropped);
        CU_ASSERT_EQUAL(p.c.why.in_doubt, rows[i].doubt);
        CU_ASSERT_EQUAL(p.c.state, SMTP_CLIENT_OVER);
        smtp_client_fini(&p.c);
    }
}

static void
a_flood_is_refused_within_the_reply_limit(void)
{
    struct smtp_client c;
    size_t fed = 0;
    enum smtp_client_act act = SMTP_CLIENT_WAIT;

    smtp_client_init(&c, "me", false, on_result, NULL);
    smtp_client_start(&c);
    while (act == SMTP_CLIENT_WAIT && fed < 4 * SMTP_REPLY_TOTAL_BYTES_MAX) {
        struct slice line = SLICE_LIT("220-all work and no play makes jack a dull boy\r\n");

        fed += line.n;
        act = smtp_client_input(&c, &line);
    }
    CU_ASSERT_EQUAL(act, SMTP_CLIENT_ENDED);
    CU_ASSERT_TRUE(fed <= SMTP_REPLY_TOTAL_BYTES_MAX + 64);
    smtp_client_fini(&c);
}

/* ---- content */

static void
dots_are_doubled_wherever_the_content_is_cut(void)
{
    static const struct {
        const char *content, *sent;
    } rows[] = {
        { "", ".\r\n" },
        { "a\r\n", "a\r\n.\r\n" },
        { ".\r\n", "..\r\n.\r\n" },
        { "a\r\n.b\r\n..\r\nc.d\r\n", "a\r\n..b\r\n...\r\nc.d\r\n.\r\n" },
        { "a", "a\r\n.\r\n" },
        { "a\r", "a\r\r\n.\r\n" },
        { "a\n", "a\n\r\n.\r\n" },
        { "a\n.\r\nb\r\n", "a\n..\r\nb\r\n.\r\n" },
        { "\r\n.", "\r\n..\r\n.\r\n" },
        { "a\r\n.\n.\r\n", "a\r\n..\n..\r\n.\r\n" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t size = 1; size <= strlen(rows[i].content) + 1; size++) {
            struct slice rest = slice_of(rows[i].content);
            struct smtp_client c;
            struct buf sent;

            smtp_client_init(&c, "me", false, on_result, NULL);
            buf_init(&sent, 1024);
            c.state = SMTP_CLIENT_CONTENT;
            c.line_start = true;
            c.crlf = 2;
            while (rest.n > 0) {
                struct slice piece = slice_sub(rest, 0, size);
                struct slice run;

                rest = slice_skip(rest, size);
                for (run = smtp_client_content(&c, &piece); run.n > 0;
                     run = smtp_client_content(&c, &piece)) {
                    CU_ASSERT_EQUAL_FATAL(buf_append(&sent, run), 0);
                }
            }
            CU_ASSERT_EQUAL(smtp_client_dot(&c), 0);
            CU_ASSERT_EQUAL_FATAL(buf_append(&sent, buf_slice(&c.out)), 0);
            CU_ASSERT_TRUE(slice_eq(buf_slice(&sent), slice_of(rows[i].sent)));
            buf_fini(&sent);
            smtp_client_fini(&c);
        }
    }
}

static void
quit_is_said_and_ends_the_session(void)
{
    static struct play p;
    static const struct script s = { .peer = { NULL } };

    memset(&p, 0, sizeof(p));
    p.s = &s;
    p.delivered = 1; /* nothing to deliver */
    smtp_client_init(&p.c, "me", false, on_result, &p);
    smtp_client_start(&p.c);
    feed(&p, slice_of("220 hi\r\n"));
    feed(&p, slice_of("250 y\r\n"));
    smtp_client_quit(&p.c);
    take_out(&p);
    CU_ASSERT_STRING_EQUAL(p.text, HELLO "C:QUIT\n");
    CU_ASSERT_EQUAL(p.c.state, SMTP_CLIENT_OVER);
    smtp_client_fini(&p.c);
}

#define OPEN_NAMED "220 hi\r\n", "250-y\r\n250-PIPELINING\r\n250 CHECKPOINT\r\n"
#define NAMED      "C:MAIL FROM:<s@x> TRANSID=<1@me>\nC:RCPT TO:<a@y>\nC:DATA\n"
#define NAMED2     "C:MAIL FROM:<s@x> TRANSID=<1@me>\nC:RCPT TO:<a@y>\nC:RCPT TO:<b@y>\nC:DATA\n"

/* RFC 1845. */
static void
a_transaction_has_a_name_where_the_peer_keeps_it(void)
{
    CHECK_SCRIPT(.transid = "<1@me>", .lost = true,
        .peer = { OPEN_NAMED, "250 ok\r\n250 ok\r\n354 go\r\n" },
        .expect = HELLO NAMED HI "! later 0 4.4.2 in doubt the peer closed the connection after "
                                 "the final dot (ask)\n");
    CHECK_SCRIPT(.transid = "<1@me>", .lost = true,
        .peer = { OPEN, "250 ok\r\n250 ok\r\n354 go\r\n" },
        .expect = HELLO ENVELOPE HI "! later 0 4.4.2 in doubt the peer closed the connection after "
                                    "the final dot\n");
}

static void
what_the_peer_has_is_not_sent_again(void)
{
    CHECK_SCRIPT(.transid = "<1@me>", .size_bytes = 4,
        .peer = { OPEN_NAMED, "355 4 is the transaction offset\r\n250 ok\r\n354 go\r\n",
            "250 queued\r\n" },
        .expect = HELLO NAMED "D:.\r\n=0 ok 250 2.0.0 queued (known)\n");
    CHECK_SCRIPT(.transid = "<1@me>", .size_bytes = 10, .content = "a\r\n.b\r\nc\r\n",
        .peer = { OPEN_NAMED, "355 3 is\r\n250 ok\r\n354 go\r\n", "250 queued\r\n" },
        .expect = HELLO NAMED "D:..b\r\nc\r\n.\r\n=0 ok 250 2.0.0 queued (known)\n");
    CHECK_SCRIPT(.transid = "<1@me>", .size_bytes = 2, .content = "hi", /* we added its CRLF */
        .peer = { OPEN_NAMED, "355 4 is\r\n250 ok\r\n354 go\r\n", "250 queued\r\n" },
        .expect = HELLO NAMED "D:\r\n.\r\n=0 ok 250 2.0.0 queued (known)\n");
}

static void
who_was_not_in_the_transaction_is_known_not_to_be(void)
{
    CHECK_SCRIPT(.transid = "<1@me>", .size_bytes = 4, .recipients = 2,
        .peer = { OPEN_NAMED, "355 4 is\r\n250 ok\r\n451 4.5.0 not in it\r\n354 go\r\n",
            "250 queued\r\n" },
        .expect = HELLO NAMED2 "=1 later 451 4.5.0 not in it (known)\nD:.\r\n"
                               "=0 ok 250 2.0.0 queued (known)\n");
    /* a peer who wants no RCPT: one recipient is no question, of several it stays open */
    CHECK_SCRIPT(.transid = "<1@me>", .size_bytes = 4,
        .peer = { OPEN_NAMED, "355 4 is\r\n503 no\r\n354 go\r\n", "250 queued\r\n" },
        .expect = HELLO NAMED "D:.\r\n=0 ok 250 2.0.0 queued (known)\n");
    CHECK_SCRIPT(.transid = "<1@me>", .size_bytes = 4, .recipients = 2,
        .peer = { OPEN_NAMED, "355 4 is\r\n503 no\r\n503 no\r\n354 go\r\n", "250 ok\r\n" },
        .expect = HELLO NAMED2 "=0 later 503 5.5.1 in doubt no (ask)\n"
                               "=1 later 503 5.5.1 in doubt no (ask)\nC:.\n");
}

static void
who_is_in_the_transaction_stays_in_doubt_until_the_dot_is_answered(void)
{
    CHECK_SCRIPT(.transid = "<1@me>", .size_bytes = 4,
        .peer = { OPEN_NAMED, "355 4 is\r\n250 ok\r\n451 4.3.0 not now\r\n" },
        .expect = HELLO NAMED "=0 later 451 4.3.0 not now\n");
}

/* By the letter of RFC 1845 RCPT is refused, and we cannot tell for whom the part was meant. */
static void
no_dot_makes_a_message_of_the_part_that_a_peer_has(void)
{
    CHECK_SCRIPT(.transid = "<1@me>", .size_bytes = 4, .recipients = 2,
        .peer = { OPEN_NAMED, "355 2 is\r\n503 no\r\n503 no\r\n354 go\r\n" },
        .expect = HELLO NAMED2 "=0 later 503 5.5.1 in doubt no (ask)\n"
                               "=1 later 503 5.5.1 in doubt no (ask)\n"
                               "! later 0 4.5.0 broken off: the peer has a part of the message and "
                               "takes nobody for it\n");
}

static void
a_355_that_makes_no_sense_ends_the_session(void)
{
#define CHECK_NONSENSE(reply)                                                                      \
    CHECK_SCRIPT(.transid = "<1@me>", .size_bytes = 4, .peer = { OPEN_NAMED, reply },              \
        .expect = HELLO NAMED "! later 0 4.5.0 " NOT_THE_ORDER "at MAIL FROM\n")
    CHECK_NONSENSE("355 x\r\n");
    CHECK_NONSENSE("355 7\r\n");
    CHECK_NONSENSE("355 -1\r\n");
    CHECK_NONSENSE("354 4\r\n");
    CHECK_NONSENSE("355 99999999999999999999 is\r\n");
    CHECK_SCRIPT(.peer = { OPEN_NAMED, "355 4 is\r\n" }, .size_bytes = 4, /* it was not asked */
        .expect = HELLO ENVELOPE "! later 0 4.5.0 " NOT_THE_ORDER "at MAIL FROM\n");
}

TEST_MAIN("smtp_client", TEST(a_transaction_has_a_name_where_the_peer_keeps_it),
    TEST(what_the_peer_has_is_not_sent_again),
    TEST(who_was_not_in_the_transaction_is_known_not_to_be),
    TEST(who_is_in_the_transaction_stays_in_doubt_until_the_dot_is_answered),
    TEST(no_dot_makes_a_message_of_the_part_that_a_peer_has),
    TEST(a_355_that_makes_no_sense_ends_the_session), TEST(the_document_shows_the_table),
    TEST(every_cell_has_a_step_and_doubt_is_only_after_the_dot),
    TEST(each_state_has_the_time_out_of_its_reply), TEST(a_pipelined_transaction_is_one_write),
    TEST(a_message_of_nothing_is_its_dot), TEST(without_pipelining_each_command_waits_for_its_turn),
    TEST(ehlo_refused_falls_back_to_helo_without_extensions),
    TEST(size_and_body_are_said_when_offered),
    TEST(larger_than_the_peers_size_fails_without_a_byte),
    TEST(what_came_by_x400_fails_without_a_byte),
    TEST(an_address_with_a_line_end_never_reaches_the_peer),
    TEST(each_recipient_gets_its_own_answer), TEST(too_many_recipients_is_for_later),
    TEST(a_refused_sender_is_everyones_answer_and_needs_no_reset),
    TEST(all_recipients_refused_and_data_refused_needs_a_reset),
    TEST(data_accepted_for_nobody_gets_the_dot_alone),
    TEST(a_refused_data_is_the_accepted_recipients_answer), TEST(the_dots_answer_is_the_result),
    TEST(lmtp_answers_for_each_recipient), TEST(a_refused_greeting_is_for_the_next_host),
    TEST(closing_with_421_is_understood_anywhere),
    TEST(loss_after_the_dot_is_in_doubt_and_only_then),
    TEST(nonsense_ends_the_session_and_after_the_dot_in_doubt),
    TEST(an_answer_before_its_question_delivers_nothing),
    TEST(an_answer_while_the_dot_is_queued_delivers_nothing),
    TEST(an_unsent_dot_is_not_in_doubt_when_it_was_dropped),
    TEST(a_flood_is_refused_within_the_reply_limit),
    TEST(dots_are_doubled_wherever_the_content_is_cut), TEST(quit_is_said_and_ends_the_session))
