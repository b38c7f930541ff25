/* smtp_client.c - the table of the client, its commands and its results. Pure.
 *
 * BUGS  a message with 8-bit content goes to a peer without 8BITMIME as it is, without BODY (like
 *       Postfix with disable_mime_output_conversion): conversion would break signatures, and such
 *       peers are nearly all 8-bit clean.
 */
#include "smtp/smtp_client.h"

#include <stdio.h>
#include <stdlib.h>

enum mark {
    MARK_PENDING,  /* no answer to RCPT yet */
    MARK_ACCEPTED, /* waits for the message's result */
    MARK_DONE,     /* has its result */
    MARK_UNSENT    /* has its result, and no RCPT is sent for it */
};

#define S(x) [SMTP_CLIENT_##x]
#define ROW(two, three, four, five, closing, bad, lost)                                            \
    {                                                                                              \
        SMTP_STEP_##two, SMTP_STEP_##three, SMTP_STEP_##four, SMTP_STEP_##five,                    \
            SMTP_STEP_##closing, SMTP_STEP_##bad, SMTP_STEP_##lost                                 \
    }

/* clang-format off */
static const uint8_t table[SMTP_CLIENT_STATE_COUNT][SMTP_CLIENT_EVENT_COUNT] = {
    /*                2xx       3xx       4xx        5xx        421      bad       lost */
    S(GREETING) = ROW(HELLO,    PROTOCOL, REFUSE,    REFUSE,    REFUSE,  PROTOCOL, LOSE),
    S(EHLO)     = ROW(OPEN,     PROTOCOL, REFUSE,    FALLBACK,  REFUSE,  PROTOCOL, LOSE),
    S(HELO)     = ROW(OPEN,     PROTOCOL, REFUSE,    REFUSE,    REFUSE,  PROTOCOL, LOSE),
    S(READY)    = ROW(PROTOCOL, PROTOCOL, PROTOCOL,  PROTOCOL,  CLOSING, PROTOCOL, LOSE),
    S(RSET)     = ROW(RESET,    PROTOCOL, PROTOCOL,  PROTOCOL,  CLOSING, PROTOCOL, LOSE),
    S(MAIL)     = ROW(SENDER,   RESTART,  NO_SENDER, NO_SENDER, CLOSING, PROTOCOL, LOSE),
    S(RCPT)     = ROW(RCPT,     PROTOCOL, NO_RCPT,   NO_RCPT,   CLOSING, PROTOCOL, LOSE),
    S(DATA)     = ROW(PROTOCOL, GO,       NO_DATA,   NO_DATA,   CLOSING, PROTOCOL, LOSE),
    S(CONTENT)  = ROW(PROTOCOL, PROTOCOL, EARLY,     EARLY,     CLOSING, PROTOCOL, LOSE),
    S(DOT)      = ROW(FINAL,    DOUBT,    FINAL,     FINAL,     CLOSING, DOUBT,    DOUBT),
    S(NODOT)    = ROW(RELEASED, PROTOCOL, RELEASED,  RELEASED,  CLOSING, PROTOCOL, LOSE),
    S(OVER)     = ROW(IGNORE,   IGNORE,   IGNORE,    IGNORE,    IGNORE,  IGNORE,   IGNORE),
};

static const char *const state_names[SMTP_CLIENT_STATE_COUNT] = {
    S(GREETING) = "greeting", S(EHLO) = "ehlo", S(HELO) = "helo", S(READY) = "ready", S(RSET) = "rset",
    S(MAIL) = "mail", S(RCPT) = "rcpt", S(DATA) = "data", S(CONTENT) = "content", S(DOT) = "dot",
    S(NODOT) = "nodot", S(OVER) = "over",
};

/* For sentences: "the peer closed the connection at MAIL". */
static const char *const state_places[SMTP_CLIENT_STATE_COUNT] = {
    S(GREETING) = "before its greeting", S(EHLO) = "at EHLO", S(HELO) = "at HELO",
    S(READY) = "between deliveries", S(RSET) = "at RSET", S(MAIL) = "at MAIL FROM",
    S(RCPT) = "at RCPT TO", S(DATA) = "at DATA", S(CONTENT) = "while the message was being sent",
    S(DOT) = "after the final dot", S(NODOT) = "after an empty message", S(OVER) = "at the end",
};
/* clang-format on */

static const char *const event_names[SMTP_CLIENT_EVENT_COUNT] = {
    S(2XX) = "2xx",
    S(3XX) = "3xx",
    S(4XX) = "4xx",
    S(5XX) = "5xx",
    S(421) = "421",
    S(BAD) = "bad",
    S(LOST) = "lost",
};

static const char *const step_names[SMTP_STEP_COUNT] = {
    [SMTP_STEP_HELLO] = "hello",
    [SMTP_STEP_FALLBACK] = "fallback",
    [SMTP_STEP_OPEN] = "open",
    [SMTP_STEP_REFUSE] = "refuse",
    [SMTP_STEP_RESET] = "reset",
    [SMTP_STEP_SENDER] = "sender",
    [SMTP_STEP_RESTART] = "restart",
    [SMTP_STEP_NO_SENDER] = "no-sender",
    [SMTP_STEP_RCPT] = "rcpt",
    [SMTP_STEP_NO_RCPT] = "no-rcpt",
    [SMTP_STEP_GO] = "go",
    [SMTP_STEP_NO_DATA] = "no-data",
    [SMTP_STEP_FINAL] = "final",
    [SMTP_STEP_EARLY] = "early",
    [SMTP_STEP_RELEASED] = "released",
    [SMTP_STEP_CLOSING] = "closing",
    [SMTP_STEP_PROTOCOL] = "protocol",
    [SMTP_STEP_DOUBT] = "doubt",
    [SMTP_STEP_LOSE] = "lose",
    [SMTP_STEP_IGNORE] = "ignore",
};

enum smtp_client_step
smtp_client_row(enum smtp_client_state s, enum smtp_client_event e)
{
    return (enum smtp_client_step)table[s][e];
}

const char *
smtp_client_state_name(enum smtp_client_state s)
{
    return state_names[s];
}

const char *
smtp_client_event_name(enum smtp_client_event e)
{
    return event_names[e];
}

const char *
smtp_client_step_name(enum smtp_client_step s)
{
    return step_names[s];
}

enum smtp_client_timeout
smtp_client_timeout(const struct smtp_client *c)
{
    static const uint8_t timeouts[SMTP_CLIENT_STATE_COUNT] = {
        S(GREETING) = SMTP_TIMEOUT_GREETING,
        S(EHLO) = SMTP_TIMEOUT_COMMAND,
        S(HELO) = SMTP_TIMEOUT_COMMAND,
        S(READY) = SMTP_TIMEOUT_IDLE,
        S(RSET) = SMTP_TIMEOUT_COMMAND,
        S(MAIL) = SMTP_TIMEOUT_COMMAND,
        S(RCPT) = SMTP_TIMEOUT_COMMAND,
        S(DATA) = SMTP_TIMEOUT_DATA_INIT,
        S(CONTENT) = SMTP_TIMEOUT_DATA_BLOCK,
        S(DOT) = SMTP_TIMEOUT_DATA_DONE,
        S(NODOT) = SMTP_TIMEOUT_COMMAND, /* nobody's result depends on it */
        S(OVER) = SMTP_TIMEOUT_COMMAND,
    };

    return (enum smtp_client_timeout)timeouts[c->state];
}

/* ---- life */

void
smtp_client_init(struct smtp_client *c, const char *hostname, bool lmtp,
    smtp_client_result_fn *result, void *ctx)
{
    memset(c, 0, sizeof(*c));
    c->hostname = hostname;
    c->lmtp = lmtp;
    c->result = result;
    c->ctx = ctx;
    buf_init(&c->out, SMTP_CLIENT_OUT_BYTES_MAX);
    smtp_reply_init(&c->parser);
    c->state = SMTP_CLIENT_OVER;
}

void
smtp_client_fini(struct smtp_client *c)
{
    smtp_reply_fini(&c->parser);
    buf_fini(&c->out);
    free(c->marks);
    c->marks = NULL;
    c->mark_capacity = 0;
}

void
smtp_client_start(struct smtp_client *c)
{
    smtp_reply_reset(&c->parser);
    buf_clear(&c->out);
    memset(&c->peer, 0, sizeof(c->peer));
    memset(&c->why, 0, sizeof(c->why));
    c->fell_back = false;
    c->need_rset = false;
    c->unsent = false;
    c->d = NULL;
    c->state = SMTP_CLIENT_GREETING;
}

/* ---- results */

static enum outcome_kind
kind_of(int code)
{
    return code < 400 ? OUTCOME_DELIVERED : code < 500 ? OUTCOME_DEFERRED : OUTCOME_FAILED;
}

/* The peer's enhanced status, or the nearest to its code (RFC 3463 has no such mapping; these say
 * no more than the code does). */
static const char *
derived_status(int code)
{
    static const struct {
        int code;
        const char *status;
    } known[] = { { 421, "4.3.2" }, { 450, "4.2.0" }, { 451, "4.3.0" }, { 452, "4.3.1" },
        { 500, "5.5.2" }, { 501, "5.5.4" }, { 502, "5.5.1" }, { 503, "5.5.1" }, { 504, "5.5.4" },
        { 521, "5.3.2" }, { 550, "5.2.0" }, { 551, "5.1.6" }, { 552, "5.3.4" }, { 553, "5.1.3" },
        { 556, "5.1.10" } };

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (known[i].code == code) {
            return known[i].status;
        }
    }
    return code < 400 ? "2.0.0" : code < 500 ? "4.0.0" : "5.0.0";
}

static struct transport_result
result_of(const struct smtp_client *c, const struct smtp_reply *r)
{
    struct transport_result out = {
        .kind = kind_of(r->code), .code = r->code, .answered = c->known && c->d != NULL
    };

    out.status = r->status.n > 0 ? r->status : slice_of(derived_status(r->code));
    out.reply = r->text;
    return out;
}

static void
give(struct smtp_client *c, uint32_t index, enum mark mark, const struct transport_result *r)
{
    c->marks[index] = (uint8_t)mark;
    c->open--;
    c->result(c->ctx, index, r);
}

static void
give_all(struct smtp_client *c, const struct transport_result *r)
{
    for (uint32_t i = 0; i < c->d->recipient_count && c->open > 0; i++) {
        if (c->marks[i] < MARK_DONE) {
            give(c, i, MARK_DONE, r);
        }
    }
    c->accepted = 0;
}

/* why: kept in c, since the session's end is told after the bytes of the reply are gone. */
static void
set_why(
    struct smtp_client *c, enum outcome_kind kind, int code, struct slice status, struct slice text)
{
    size_t n = MIN(text.n, sizeof(c->text));

    memcpy(c->text, text.p == NULL ? "" : text.p, n);
    if (slice_copy(status, c->status, sizeof(c->status)) < 0) {
        c->status[0] = '\0';
    }
    c->why = (struct transport_result){
        .kind = kind, .code = code, .status = slice_of(c->status), .reply = { c->text, n }
    };
    c->state = SMTP_CLIENT_OVER;
}

/* A sentence of ours: what happened, and where. */
static void
set_why_here(struct smtp_client *c, const char *status, const char *what, bool in_doubt)
{
    char text[SMTP_CLIENT_TEXT_CAP];
    int n = snprintf(text, sizeof(text), "%s %s", what, state_places[c->state]);

    CHECK(n > 0);
    set_why(c, OUTCOME_DEFERRED, 0, slice_of(status),
        (struct slice){ text, MIN((size_t)n, sizeof(text) - 1) });
    c->why.in_doubt = in_doubt;
    c->why.can_ask = in_doubt && c->named;
}

/* ---- commands */

static int
say(struct smtp_client *c, struct slice a, struct slice b, struct slice z)
{
    char *at;
    int rc = buf_reserve(&c->out, a.n + b.n + z.n, &at);

    if (rc < 0) {
        return rc;
    }
    memcpy(at, a.p, a.n);
    memcpy(at + a.n, b.n > 0 ? b.p : "", b.n);
    memcpy(at + a.n + b.n, z.n > 0 ? z.p : "", z.n);
    buf_commit(&c->out, a.n + b.n + z.n);
    return 0;
}

static int
say_hello(struct smtp_client *c, const char *verb)
{
    return buf_printf(&c->out, "%s %s\r\n", verb, c->hostname);
}

static int
say_mail(struct smtp_client *c)
{
    const struct delivery *d = c->d;
    bool eight = c->peer.eightbitmime && d->body == ENVELOPE_BODY_8BITMIME;
    int rc = say(c, SLICE_LIT("MAIL FROM:<"), d->sender,
        eight ? SLICE_LIT("> BODY=8BITMIME") : SLICE_LIT(">"));

    if (rc == 0 && c->peer.size) {
        rc = buf_printf(&c->out, " SIZE=%llu", (unsigned long long)d->size_bytes);
    }
    if (rc == 0 && c->named) {
        rc = say(c, SLICE_LIT(" TRANSID="), d->transid, SLICE_NONE);
    }
    return rc < 0 ? rc : buf_append(&c->out, SLICE_LIT("\r\n"));
}

static int
say_rcpt(struct smtp_client *c, uint32_t index)
{
    return say(c, SLICE_LIT("RCPT TO:<"), c->d->recipients[index], SLICE_LIT(">\r\n"));
}

static int
say_all_rcpts(struct smtp_client *c)
{
    for (uint32_t i = 0; i < c->d->recipient_count; i++) {
        int rc = c->marks[i] == MARK_UNSENT ? 0 : say_rcpt(c, i);

        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* The first commands of a delivery: all of them when the peer takes them pipelined. */
static int
say_envelope(struct smtp_client *c)
{
    int rc = 0;

    if (c->need_rset) {
        rc = buf_append(&c->out, SLICE_LIT("RSET\r\n"));
        if (rc < 0 || !c->peer.pipelining) {
            return rc;
        }
    }
    rc = say_mail(c);
    if (rc < 0 || !c->peer.pipelining) {
        return rc;
    }
    rc = say_all_rcpts(c);
    return rc < 0 ? rc : buf_append(&c->out, SLICE_LIT("DATA\r\n"));
}

/* ---- a delivery begins */

/* Addresses come from a grammar that excludes these; an imported queue or a later protocol must not
 * be able to put a command of its own into the session. */
static bool
can_say(struct slice address)
{
    return address.n <= SMTP_CLIENT_PATH_BYTES_MAX &&
           (address.n == 0 || (memchr(address.p, '\r', address.n) == NULL &&
                                  memchr(address.p, '\n', address.n) == NULL &&
                                  memchr(address.p, '\0', address.n) == NULL));
}

static int
need_marks(struct smtp_client *c, uint32_t count)
{
    uint32_t capacity = MAX(count, MIN(c->mark_capacity * 2, (uint32_t)ENVELOPE_RECIPIENTS_MAX));
    uint8_t *marks;

    if (count <= c->mark_capacity) {
        return 0;
    }
    marks = realloc(c->marks, capacity);
    if (marks == NULL) {
        return -ENOMEM;
    }
    c->marks = marks;
    c->mark_capacity = capacity;
    return 0;
}

/* What no command can carry is refused here; so is everything when the message is larger than the
 * peer takes (RFC 1870 section 6.2: do not even try). */
static void
refuse_unsendable(struct smtp_client *c)
{
    static const struct transport_result bad = { .kind = OUTCOME_FAILED,
        .status = { "5.1.3", 5 },
        .reply = { "the address cannot be sent in an SMTP command", 45 } };
    static const struct transport_result bad_sender = { .kind = OUTCOME_FAILED,
        .status = { "5.1.7", 5 },
        .reply = { "the sender's address cannot be sent in an SMTP command", 54 } };
    /* The octets of a P1 envelope are nobody's mail. */
    static const struct transport_result no_gateway = { .kind = OUTCOME_FAILED,
        .status = { "5.6.3", 5 },
        .reply = { "the message came by X.400, and there is no gateway to SMTP", 58 } };
    static const struct transport_result too_big = { .kind = OUTCOME_FAILED,
        .status = { "5.3.4", 5 },
        .reply = { "the message is larger than the next hop accepts", 47 } };

    if (c->d->body > ENVELOPE_BODY_8BITMIME) {
        give_all(c, &no_gateway);
    } else if (c->peer.size && c->peer.size_bytes_max > 0 &&
               c->d->size_bytes > c->peer.size_bytes_max) {
        give_all(c, &too_big);
    } else if (!can_say(c->d->sender)) {
        give_all(c, &bad_sender);
    }
    for (uint32_t i = 0; i < c->d->recipient_count && c->open > 0; i++) {
        if (!can_say(c->d->recipients[i])) {
            give(c, i, MARK_UNSENT, &bad);
        }
    }
}

static void
skip_unsent(struct smtp_client *c)
{
    while (c->next < c->d->recipient_count && c->marks[c->next] == MARK_UNSENT) {
        c->next++;
    }
}

int
smtp_client_deliver(struct smtp_client *c, const struct delivery *d)
{
    int rc = need_marks(c, d->recipient_count);

    CHECK(c->state == SMTP_CLIENT_READY && c->d == NULL);
    if (rc < 0) {
        return rc;
    }
    memset(c->marks, MARK_PENDING, d->recipient_count);
    c->d = d;
    c->open = d->recipient_count;
    c->accepted = 0;
    c->next = 0;
    c->anything_ok = false;
    c->line_start = true;
    c->dotted = false;
    c->crlf = 2;
    c->named = c->peer.checkpoint && !c->lmtp && d->transid.n > 0;
    c->known = false;
    c->skip_bytes = 0;
    refuse_unsendable(c);
    if (c->open == 0) {
        c->d = NULL;
        return 1;
    }
    skip_unsent(c);
    rc = say_envelope(c);
    if (rc < 0) {
        c->state = SMTP_CLIENT_OVER; /* half an envelope is in out */
        return rc;
    }
    c->state = c->need_rset ? SMTP_CLIENT_RSET : SMTP_CLIENT_MAIL;
    return 0;
}

/* ---- steps: each returns what the shell does */

static enum smtp_client_act
ended(struct smtp_client *c)
{
    c->state = SMTP_CLIENT_OVER;
    return SMTP_CLIENT_ENDED;
}

/* Out of memory for a command. */
static enum smtp_client_act
said(struct smtp_client *c, int rc, enum smtp_client_state next)
{
    if (rc < 0) {
        set_why_here(c, "4.3.0", error_text(rc), false);
        return ended(c);
    }
    c->state = next;
    return SMTP_CLIENT_WAIT;
}

static enum smtp_client_act
done(struct smtp_client *c)
{
    c->d = NULL;
    c->state = SMTP_CLIENT_READY;
    return SMTP_CLIENT_DONE;
}

static enum smtp_client_act
step_hello(struct smtp_client *c)
{
    return said(c, say_hello(c, c->lmtp ? "LHLO" : "EHLO"), SMTP_CLIENT_EHLO);
}

/* The peer speaks and does not want us. 521 (RFC 7504) is the only such answer that is for good:
 * other 5xx here are mostly about our address or the peer's mood, and another host may take it. */
static enum smtp_client_act
step_refuse(struct smtp_client *c, const struct smtp_reply *r)
{
    struct transport_result t = result_of(c, r);
    enum outcome_kind kind = r->code == 521 ? OUTCOME_FAILED : OUTCOME_DEFERRED;
    const char *derived = r->code == 521 ? "5.3.2" : "4.3.2";

    set_why(c, kind, r->code, r->status.n > 0 ? t.status : slice_of(derived), t.reply);
    return ended(c);
}

static enum smtp_client_act
step_fallback(struct smtp_client *c, const struct smtp_reply *r)
{
    if (c->lmtp) {
        return step_refuse(c, r); /* LMTP has no other greeting */
    }
    c->fell_back = true;
    return said(c, say_hello(c, "HELO"), SMTP_CLIENT_HELO);
}

static enum smtp_client_act
step_open(struct smtp_client *c, const struct smtp_reply *r)
{
    if (c->state == SMTP_CLIENT_EHLO) {
        smtp_reply_parse_ehlo(r, &c->peer);
    }
    c->state = SMTP_CLIENT_READY;
    return SMTP_CLIENT_OPENED;
}

static enum smtp_client_act
step_reset(struct smtp_client *c)
{
    c->need_rset = false;
    return said(c, c->peer.pipelining ? 0 : say_mail(c), SMTP_CLIENT_MAIL);
}

static enum smtp_client_act
step_sender(struct smtp_client *c)
{
    c->anything_ok = true;
    return said(c, c->peer.pipelining ? 0 : say_rcpt(c, c->next), SMTP_CLIENT_RCPT);
}

static void set_why_protocol(struct smtp_client *c, const char *what, bool in_doubt);

/* "355 6135 is the transaction offset". RCPT follows all the same: RFC 1845 does not want it, but
 * who was refused the first time must not be taken for delivered. */
static enum smtp_client_act
step_restart(struct smtp_client *c, const struct smtp_reply *r)
{
    struct slice text = r->text, word;

    if (r->code != 355 || !c->named || !slice_next(&text, ' ', &word) ||
        slice_u64(word, c->d->size_bytes + 2, &c->skip_bytes) < 0) { /* CRLF was added, at most */
        set_why_protocol(c, "the peer answered against the protocol", false);
        return ended(c);
    }
    c->known = true;
    return step_sender(c);
}

static enum smtp_client_act
step_no_sender(struct smtp_client *c, const struct smtp_reply *r)
{
    struct transport_result t = result_of(c, r);

    give_all(c, &t);
    if (!c->peer.pipelining) {
        return done(c);
    }
    c->state = SMTP_CLIENT_RCPT; /* their replies are on the way */
    return SMTP_CLIENT_WAIT;
}

/* After a reply to RCPT. */
static enum smtp_client_act
next_rcpt(struct smtp_client *c)
{
    c->next++;
    skip_unsent(c);
    if (c->next < c->d->recipient_count) {
        return said(c, c->peer.pipelining ? 0 : say_rcpt(c, c->next), SMTP_CLIENT_RCPT);
    }
    if (c->peer.pipelining) {
        c->state = SMTP_CLIENT_DATA;
        return SMTP_CLIENT_WAIT;
    }
    if (c->accepted == 0) {
        c->need_rset = true; /* MAIL was accepted */
        return done(c);
    }
    return said(c, buf_append(&c->out, SLICE_LIT("DATA\r\n")), SMTP_CLIENT_DATA);
}

static enum smtp_client_act
step_rcpt(struct smtp_client *c)
{
    c->anything_ok = true;
    if (c->marks[c->next] == MARK_PENDING) {
        c->marks[c->next] = MARK_ACCEPTED;
        c->accepted++;
    }
    return next_rcpt(c);
}

static enum smtp_client_act
step_no_rcpt(struct smtp_client *c, const struct smtp_reply *r)
{
    struct transport_result t = result_of(c, r);

    if (r->code == 552 && c->accepted > 0) {
        t.kind = OUTCOME_DEFERRED; /* RFC 5321 4.5.3.1.10: old servers mean "too many recipients" */
        t.status = SLICE_LIT("4.5.3");
    }
    if (c->known && r->code == 503) { /* a peer who takes RFC 1845 by the letter */
        if (c->d->recipient_count == 1) {
            return step_rcpt(c); /* who else could it have been accepted for? */
        }
        t.kind = OUTCOME_DEFERRED;
        t.in_doubt = t.can_ask = 1;
        t.answered = 0;
    }
    if (c->marks[c->next] == MARK_PENDING) {
        give(c, c->next, MARK_DONE, &t);
    }
    return next_rcpt(c);
}

static void
set_why_protocol(struct smtp_client *c, const char *what, bool in_doubt)
{
    set_why_here(c, in_doubt ? "4.4.2" : "4.5.0", what, in_doubt);
}

static enum smtp_client_act
step_go(struct smtp_client *c, const struct smtp_reply *r)
{
    if (r->code != 354 || (c->lmtp && c->accepted == 0)) {
        /* In LMTP nobody would ever answer the dot (RFC 2033 section 4.2). */
        set_why_protocol(c, "the peer answered against the protocol", false);
        return ended(c);
    }
    if (c->accepted > 0) {
        c->state = SMTP_CLIENT_CONTENT;
        return SMTP_CLIENT_TRANSFER;
    }
    if (c->known && c->skip_bytes < c->d->size_bytes) {
        /* the peer keeps a part, and a dot here would make a message of it */
        set_why(c, OUTCOME_DEFERRED, 0, SLICE_LIT("4.5.0"),
            SLICE_LIT("broken off: the peer has a part of the message and takes nobody for it"));
        return ended(c);
    }
    return said(c, buf_append(&c->out, SLICE_LIT(".\r\n")), SMTP_CLIENT_NODOT);
}

static enum smtp_client_act
step_no_data(struct smtp_client *c, const struct smtp_reply *r)
{
    struct transport_result t = result_of(c, r);

    t.answered =
        0; /* the peer has them in that transaction: they are asked for by its name again */
    give_all(c, &t);
    c->need_rset = c->anything_ok;
    return done(c);
}

static enum smtp_client_act
step_final(struct smtp_client *c, const struct smtp_reply *r)
{
    struct transport_result t = result_of(c, r);

    if (!c->lmtp) {
        give_all(c, &t);
        return done(c);
    }
    while (c->marks[c->next] != MARK_ACCEPTED) {
        c->next++;
    }
    c->accepted--;
    give(c, c->next, MARK_DONE, &t);
    return c->accepted == 0 ? done(c) : SMTP_CLIENT_WAIT;
}

/* The peer wants no more of this message and said so before its end: its word counts, but nobody
 * knows what it makes of the bytes under way. */
static enum smtp_client_act
step_early(struct smtp_client *c, const struct smtp_reply *r)
{
    struct transport_result t = result_of(c, r);

    set_why(c, t.kind, t.code, t.status, t.reply);
    return ended(c);
}

static enum smtp_client_act
step_closing(struct smtp_client *c, const struct smtp_reply *r)
{
    struct transport_result t = result_of(c, r);

    set_why(c, OUTCOME_DEFERRED, r->code, t.status, t.reply);
    return ended(c);
}

/* ---- input */

static enum smtp_client_event
event_of(int code)
{
    if (code == 421) {
        return SMTP_CLIENT_421;
    }
    switch (code / 100) {
    case 2:
        return SMTP_CLIENT_2XX;
    case 3:
        return SMTP_CLIENT_3XX;
    case 4:
        return SMTP_CLIENT_4XX;
    case 5:
        return SMTP_CLIENT_5XX;
    default:
        return SMTP_CLIENT_BAD;
    }
}

/* bad: what is wrong with it, when it is no reply. */
static enum smtp_client_act
step(struct smtp_client *c, enum smtp_client_event e, const struct smtp_reply *r, const char *bad)
{
    /* The end of the content is still queued: what comes now answers the middle of the message. */
    bool early = c->state == SMTP_CLIENT_DOT && c->unsent;

    switch (smtp_client_row(early ? SMTP_CLIENT_CONTENT : c->state, e)) {
    case SMTP_STEP_HELLO:
        return step_hello(c);
    case SMTP_STEP_FALLBACK:
        return step_fallback(c, r);
    case SMTP_STEP_OPEN:
        return step_open(c, r);
    case SMTP_STEP_REFUSE:
        return step_refuse(c, r);
    case SMTP_STEP_RESET:
        return step_reset(c);
    case SMTP_STEP_SENDER:
        return step_sender(c);
    case SMTP_STEP_RESTART:
        return step_restart(c, r);
    case SMTP_STEP_NO_SENDER:
        return step_no_sender(c, r);
    case SMTP_STEP_RCPT:
        return step_rcpt(c);
    case SMTP_STEP_NO_RCPT:
        return step_no_rcpt(c, r);
    case SMTP_STEP_GO:
        return step_go(c, r);
    case SMTP_STEP_NO_DATA:
        return step_no_data(c, r);
    case SMTP_STEP_FINAL:
        return step_final(c, r);
    case SMTP_STEP_EARLY:
        return step_early(c, r);
    case SMTP_STEP_RELEASED:
        return done(c);
    case SMTP_STEP_CLOSING:
        return step_closing(c, r);
    case SMTP_STEP_PROTOCOL:
        set_why_protocol(c, bad, early); /* closing may flush the dot */
        return ended(c);
    case SMTP_STEP_DOUBT:
        set_why_protocol(c, bad, true);
        return ended(c);
    case SMTP_STEP_LOSE:
    case SMTP_STEP_IGNORE:
        break;
    }
    return ended(c);
}

enum smtp_client_act
smtp_client_input(struct smtp_client *c, struct slice *bytes)
{
    enum smtp_client_act act = SMTP_CLIENT_WAIT;

    while (act == SMTP_CLIENT_WAIT) {
        struct smtp_reply r;
        int rc;

        if (c->state == SMTP_CLIENT_OVER) {
            *bytes = slice_skip(*bytes, bytes->n);
            return SMTP_CLIENT_WAIT;
        }
        rc = smtp_reply_feed(&c->parser, bytes, &r);
        if (rc == 0) {
            return SMTP_CLIENT_WAIT;
        }
        if (rc < 0) {
            act = step(c, SMTP_CLIENT_BAD, NULL,
                rc == BH_ETOOBIG ? "the peer's reply exceeds the limits"
                                 : "the peer sent something that is no SMTP reply");
        } else {
            c->replies++;
            act = step(c, event_of(r.code), &r, "the peer answered against the protocol");
        }
    }
    return act;
}

/* ---- content */

/* What run ends with, for the next byte and for the dot. */
static void
note_end(struct smtp_client *c, struct slice run)
{
    char last = run.p[run.n - 1];

    c->line_start = last == '\n';
    if (last == '\n') {
        c->crlf = (run.n > 1 ? run.p[run.n - 2] == '\r' : c->crlf == 1) ? 2 : 0;
    } else {
        c->crlf = last == '\r' ? 1 : 0;
    }
}

struct slice
smtp_client_content(struct smtp_client *c, struct slice *piece)
{
    struct slice run;
    size_t from = 0;

    CHECK(c->state == SMTP_CLIENT_CONTENT);
    if (c->skip_bytes > 0 && piece->n > 0) {
        run = slice_sub(*piece, 0, MIN(c->skip_bytes, (uint64_t)piece->n));
        note_end(c, run);
        c->skip_bytes -= run.n;
        *piece = slice_skip(*piece, run.n);
    }
    run = *piece;
    if (run.n == 0) {
        return run;
    }
    if (c->line_start && run.p[0] == '.' && !c->dotted) {
        c->dotted = true;
        return SLICE_LIT(".");
    }
    c->dotted = false;
    /* Up to the next line that begins with a dot. Lines end with LF here, CR or not: the dot must
     * be doubled for every peer's idea of a line. */
    for (;;) {
        const char *lf = memchr(run.p + from, '\n', run.n - from);

        from = lf == NULL ? run.n : (size_t)(lf - run.p) + 1;
        if (from == run.n || run.p[from] == '.') {
            break;
        }
    }
    run.n = from;
    note_end(c, run);
    *piece = slice_skip(*piece, from);
    return run;
}

int
smtp_client_dot(struct smtp_client *c)
{
    int rc;

    CHECK(c->state == SMTP_CLIENT_CONTENT);
    rc = buf_append(&c->out, c->crlf == 2 ? SLICE_LIT(".\r\n") : SLICE_LIT("\r\n.\r\n"));
    if (rc < 0) {
        return rc;
    }
    c->next = 0; /* LMTP: the first accepted recipient is answered first */
    c->unsent = true;
    c->state = SMTP_CLIENT_DOT;
    return 0;
}

/* ---- ends */

void
smtp_client_sent(struct smtp_client *c)
{
    c->unsent = false;
}

void
smtp_client_lost(struct smtp_client *c, int status, bool dropped)
{
    const char *what = status == 0            ? "the peer closed the connection"
                       : status == -ETIMEDOUT ? "the peer did not answer in time"
                                              : error_text(status);
    enum smtp_client_step s = smtp_client_row(c->state, SMTP_CLIENT_LOST);

    if (s != SMTP_STEP_IGNORE) {
        set_why_here(c, "4.4.2", what, s == SMTP_STEP_DOUBT && !(dropped && c->unsent));
    }
}

void
smtp_client_give_up(struct smtp_client *c, const char *status, const char *text)
{
    set_why(c, OUTCOME_DEFERRED, 0, slice_of(status), slice_of(text));
}

void
smtp_client_quit(struct smtp_client *c)
{
    CHECK(c->state == SMTP_CLIENT_READY);
    c->state = SMTP_CLIENT_OVER;
    if (buf_append(&c->out, SLICE_LIT("QUIT\r\n")) < 0) {
        return; /* then without it */
    }
}
