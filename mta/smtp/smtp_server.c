/* smtp_server.c - one row a verb, one function a row.
 *
 * Line ends: a command ends in CRLF and in nothing else. A bare LF ends the session (whoever sends
 * it would wait for an answer for ever, and what follows could be smuggled); a bare CR, a NUL or
 * any other control character makes a line a syntax error.
 */
#include "smtp/smtp_server.h"
#include "core/id.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES_MAX_RFC 512 /* RFC 5321 section 4.5.3.1.4, with CRLF */
/* A message that is too big is read to its dot, so that the client hears 552 and no reset; but not
 * for ever. */
#define OVERSIZE_READ_BYTES_MAX (256 * MIB)
/* Between two messages: who says no more than this wants to hold a session, or to fill our log. */
#define IDLE_COMMANDS_MAX      100
#define REFUSED_RECIPIENTS_MAX 1000

#define ACT(what) ((struct smtp_server_action){ .act = SMTP_SERVER_DO_##what })
#define REPLY(s)  ((struct smtp_server_action){ .act = SMTP_SERVER_DO_REPLY, .reply = SLICE_LIT(s) })
#define CLOSE(s)  ((struct smtp_server_action){ .act = SMTP_SERVER_DO_CLOSE, .reply = SLICE_LIT(s) })

/* ---- replies */

static struct slice format(struct smtp_server_shared *sh, const char *fmt, ...) PRINTF(2, 3);

static struct slice
format(struct smtp_server_shared *sh, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(sh->scratch, sizeof(sh->scratch), fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(sh->scratch)) {
        return SLICE_LIT("451 4.3.0 Temporary failure\r\n");
    }
    return (struct slice){ sh->scratch, (size_t)n };
}

static struct slice
queued_as(struct smtp_server *s, uint64_t id)
{
    char text[ID_TEXT_CAP];

    return format(s->shared, "250 2.0.0 Queued as %s\r\n", id_text(id, text));
}

struct slice
smtp_server_refusal_reply(enum smtp_server_refusal why)
{
    static const struct slice replies[SMTP_SERVER_REFUSAL_COUNT] = {
#define R(text) { text "\r\n", sizeof(text "\r\n") - 1 }
        [SMTP_SERVER_TAKEN] = R("250 2.0.0 OK"),
        [SMTP_SERVER_TOO_BIG] = R("552 5.3.4 Message size exceeds the limit"),
        [SMTP_SERVER_BARE] = R("554 5.5.2 Bare CR or LF in the message: lines end in CRLF"),
        [SMTP_SERVER_LOOP] = R("554 5.4.6 Too many hops: mail loop"),
        [SMTP_SERVER_KNOWN] = R("250 2.0.0 OK"), /* end_of_data names it */
        [SMTP_SERVER_NO_SPACE] = R("452 4.3.1 Insufficient system storage"),
        [SMTP_SERVER_FAILED] = R("451 4.3.0 Temporary failure"),
#undef R
    };

    return replies[why];
}

static void
end_transaction(struct smtp_server *s)
{
    if (s->transaction != NULL) {
        smtp_transaction_put(&s->shared->pool, s->transaction);
        s->transaction = NULL;
    }
    s->refusal = SMTP_SERVER_TAKEN;
}

static struct smtp_server_action
close_with(struct smtp_server *s, struct slice reply)
{
    end_transaction(s);
    s->state = SMTP_SERVER_OVER;
    return (struct smtp_server_action){ .act = SMTP_SERVER_DO_CLOSE, .reply = reply };
}

struct smtp_server_action
smtp_server_farewell(struct smtp_server *s, enum smtp_server_farewell why)
{
    switch (why) {
    case SMTP_SERVER_DRAINING:
        return close_with(s, SLICE_LIT("421 4.3.2 Service is moving, try again\r\n"));
    case SMTP_SERVER_TIMED_OUT:
        return close_with(s, SLICE_LIT("421 4.4.2 Timeout\r\n"));
    case SMTP_SERVER_NO_MEMORY:
        return close_with(s, SLICE_LIT("421 4.3.0 Out of memory, try again\r\n"));
    }
    return close_with(s, SLICE_NONE);
}

/* A command that is wrong by itself counts; a recipient refused by policy does not (a mailing
 * list's stale addresses must not cost the rest of its mail), unless there is no end of them. */
static struct smtp_server_action
bad(struct smtp_server *s, struct slice reply)
{
    s->errors++;
    if (s->errors > s->shared->errors_max) {
        return close_with(s, SLICE_LIT("421 4.7.0 Too many errors\r\n"));
    }
    return (struct smtp_server_action){ .act = SMTP_SERVER_DO_REPLY, .reply = reply };
}

static struct smtp_server_action
bad_argument(struct smtp_server *s, enum smtp_grammar_error e)
{
    const struct smtp_grammar_error_reply *r = smtp_grammar_error_reply(e);

    return bad(s, format(s->shared, "%d %s %s\r\n", r->code, r->status, r->text));
}

/* What intake said to a question about new mail. */
static struct smtp_server_action
not_now(struct smtp_server *s, int rc)
{
    switch (rc) {
    case BH_ESTATE:
    case BH_EQUORUM:
    case BH_EFENCED:
        return smtp_server_farewell(s, SMTP_SERVER_DRAINING);
    case -ENOSPC:
        return REPLY("452 4.3.1 Insufficient system storage\r\n");
    case -ENOMEM:
        return REPLY("452 4.3.0 Out of memory\r\n");
    default:
        return REPLY("451 4.3.0 Temporary failure\r\n");
    }
}

/* ---- life */

void
smtp_server_shared_init(struct smtp_server_shared *sh)
{
    memset(sh, 0, sizeof(*sh));
    smtp_transaction_pool_init(&sh->pool);
}

void
smtp_server_shared_fini(struct smtp_server_shared *sh)
{
    smtp_transaction_pool_fini(&sh->pool);
}

int
smtp_server_shared_set(struct smtp_server_shared *sh, const char *hostname,
    uint64_t message_bytes_max, uint32_t recipients_max, uint32_t errors_max)
{
    char *at = sh->text;
    int greeting, helo, ehlo, rc;

    rc = slice_copy(slice_of(hostname), sh->hostname, sizeof(sh->hostname));
    if (rc < 0) {
        return BH_ETOOBIG;
    }
    /* four times at most 255 bytes and a few words: it fits */
    greeting = snprintf(at, 400, "220 %s ESMTP Bridgehead\r\n", sh->hostname);
    sh->greeting = (struct slice){ at, (size_t)greeting };
    at += greeting;
    helo = snprintf(at, 400, "250 %s\r\n", sh->hostname);
    sh->helo = (struct slice){ at, (size_t)helo };
    at += helo;
    ehlo = snprintf(at, 600,
        "250-%s\r\n250-PIPELINING\r\n250-SIZE %" PRIu64 "\r\n250-8BITMIME\r\n"
        "250 ENHANCEDSTATUSCODES\r\n",
        sh->hostname, message_bytes_max);
    sh->ehlo = (struct slice){ at, (size_t)ehlo };
    at += ehlo;
    ehlo = snprintf(at, 600,
        "250-%s\r\n250-PIPELINING\r\n250-SIZE %" PRIu64 "\r\n250-8BITMIME\r\n"
        "250-CHECKPOINT\r\n250 ENHANCEDSTATUSCODES\r\n",
        sh->hostname, message_bytes_max);
    sh->ehlo_checkpoint = (struct slice){ at, (size_t)ehlo };
    sh->message_bytes_max = message_bytes_max;
    sh->recipients_max = MIN(recipients_max, ENVELOPE_RECIPIENTS_MAX);
    sh->errors_max = errors_max;
    return 0;
}

void
smtp_server_init(struct smtp_server *s, struct smtp_server_shared *shared)
{
    *s = (struct smtp_server){ .shared = shared, .state = SMTP_SERVER_HELLO };
}

void
smtp_server_fini(struct smtp_server *s)
{
    end_transaction(s);
    free(s->helo);
    s->helo = NULL;
    s->state = SMTP_SERVER_OVER;
}

struct smtp_server_action
smtp_server_greet(struct smtp_server *s)
{
    if (s->shared->draining) {
        return smtp_server_farewell(s, SMTP_SERVER_DRAINING);
    }
    return (struct smtp_server_action){ SMTP_SERVER_DO_REPLY, s->shared->greeting, SLICE_NONE };
}

/* ---- verbs */

static struct smtp_server_action
hello(struct smtp_server *s, struct slice args, bool esmtp)
{
    enum smtp_grammar_error e = smtp_grammar_helo(args, &args);
    char *name;

    if (e != SMTP_GRAMMAR_OK) {
        return bad_argument(s, e);
    }
    name = slice_dup(args);
    if (name == NULL) {
        return smtp_server_farewell(s, SMTP_SERVER_NO_MEMORY);
    }
    free(s->helo);
    s->helo = name;
    s->helo_bytes = (uint16_t)args.n;
    s->esmtp = esmtp;
    end_transaction(s); /* RFC 5321 section 4.1.4: as RSET */
    s->state = SMTP_SERVER_READY;
    return (struct smtp_server_action){ SMTP_SERVER_DO_REPLY,
        !esmtp                  ? s->shared->helo
        : s->checkpoint != NULL ? s->shared->ehlo_checkpoint
                                : s->shared->ehlo,
        SLICE_NONE };
}

static struct smtp_server_action
on_ehlo(struct smtp_server *s, struct slice args)
{
    return hello(s, args, true);
}

static struct smtp_server_action
on_helo(struct smtp_server *s, struct slice args)
{
    return hello(s, args, false);
}

static struct smtp_server_action
on_mail(struct smtp_server *s, struct slice args)
{
    struct smtp_grammar_mail m;
    enum smtp_grammar_error e =
        smtp_grammar_mail(args, s->checkpoint != NULL ? SMTP_GRAMMAR_EXT_CHECKPOINT : 0, &m);

    if (e != SMTP_GRAMMAR_OK) {
        return bad_argument(s, e);
    }
    if (m.size_bytes > s->shared->message_bytes_max) {
        return (struct smtp_server_action){ .act = SMTP_SERVER_DO_REPLY,
            .reply = smtp_server_refusal_reply(SMTP_SERVER_TOO_BIG) };
    }
    s->transaction = smtp_transaction_get(&s->shared->pool);
    if (s->transaction == NULL || smtp_transaction_set_sender(s->transaction, m.from.text) < 0 ||
        (m.transid.n > 0 && smtp_transaction_set_transid(s->transaction, s->checkpoint,
                                (struct slice){ s->helo, s->helo_bytes }, m.transid) < 0)) {
        end_transaction(s);
        return not_now(s, -ENOMEM);
    }
    s->transaction->body = m.body;
    s->transaction->said_bytes = m.size_bytes;
    s->state = SMTP_SERVER_ASK_SENDER;
    return ACT(ASK_SENDER);
}

/* The whole message is here: nothing of it is asked for again. DATA may follow at once, or RCPT
 * for those whom it was meant for: see smtp_server_recipient. */
static struct smtp_server_action
restart(struct smtp_server *s, const struct intake_known *known)
{
    struct smtp_transaction *t = s->transaction;

    t->known = true;
    t->known_id = known->id;
    t->known_bytes = known->size_bytes;
    s->state = SMTP_SERVER_RCPT;
    return (struct smtp_server_action){ .act = SMTP_SERVER_DO_REPLY,
        .reply =
            format(s->shared, "355 %" PRIu64 " is the transaction offset\r\n", known->size_bytes) };
}

struct smtp_server_action
smtp_server_sender(struct smtp_server *s, int rc, const struct intake_known *known)
{
    CHECK(s->state == SMTP_SERVER_ASK_SENDER);
    if (rc < 0) {
        end_transaction(s);
        s->state = SMTP_SERVER_READY;
        return rc == BH_EBUSY ? REPLY("451 4.5.0 That transaction is under way\r\n")
                              : not_now(s, rc);
    }
    if (known != NULL) {
        return restart(s, known);
    }
    s->state = SMTP_SERVER_MAIL;
    return REPLY("250 2.1.0 Sender OK\r\n");
}

static struct smtp_server_action
on_rcpt(struct smtp_server *s, struct slice args)
{
    struct smtp_transaction *t = s->transaction;
    struct smtp_grammar_rcpt r;
    enum smtp_grammar_error e = smtp_grammar_rcpt(args, 0, &r);

    if (e != SMTP_GRAMMAR_OK) {
        return bad_argument(s, e);
    }
    if (t->recipient_count >= s->shared->recipients_max) {
        return REPLY("452 4.5.3 Too many recipients\r\n");
    }
    t->asked = (struct envelope_recipient){ r.to.text, r.orcpt, r.notify };
    s->state = SMTP_SERVER_ASK_RECIPIENT;
    return ACT(ASK_RECIPIENT);
}

struct smtp_server_action
smtp_server_recipient(struct smtp_server *s, const struct intake_verdict *v)
{
    struct smtp_transaction *t = s->transaction;
    struct slice reply;

    CHECK(s->state == SMTP_SERVER_ASK_RECIPIENT);
    if (v->code >= 500 && ++s->refused_recipients > REFUSED_RECIPIENTS_MAX) {
        return close_with(s, SLICE_LIT("421 4.7.0 Too many refused recipients\r\n"));
    }
    if (v->code == 250 && smtp_transaction_add(t, &t->asked) < 0) {
        reply = SLICE_LIT("452 4.3.0 Out of memory\r\n");
    } else {
        reply = format(s->shared, "%d %s %s\r\n", v->code, v->status, v->text);
    }
    t->asked = (struct envelope_recipient){ 0 };
    s->state = t->recipient_count > 0 || t->known ? SMTP_SERVER_RCPT : SMTP_SERVER_MAIL;
    return (struct smtp_server_action){ .act = SMTP_SERVER_DO_REPLY, .reply = reply };
}

static struct smtp_server_action
on_data(struct smtp_server *s, struct slice args)
{
    (void)args;
    if (s->transaction->known) {
        s->refusal = SMTP_SERVER_KNOWN;
        s->state = SMTP_SERVER_DATA;
        return (struct smtp_server_action){ .act = SMTP_SERVER_DO_REPLY,
            .reply = format(s->shared,
                "354 Send previously checkpointed message starting at octet %" PRIu64 "\r\n",
                s->transaction->known_bytes) };
    }
    s->state = SMTP_SERVER_ASK_OPEN;
    return ACT(OPEN);
}

struct smtp_server_action
smtp_server_opened(struct smtp_server *s, int rc)
{
    CHECK(s->state == SMTP_SERVER_ASK_OPEN);
    if (rc < 0) {
        s->state = SMTP_SERVER_READY;
        end_transaction(s);
        return not_now(s, rc);
    }
    s->state = SMTP_SERVER_DATA;
    return REPLY("354 End data with <CR><LF>.<CR><LF>\r\n");
}

static struct smtp_server_action
on_rset(struct smtp_server *s, struct slice args)
{
    (void)args;
    end_transaction(s);
    if (s->state != SMTP_SERVER_HELLO) {
        s->state = SMTP_SERVER_READY;
    }
    return REPLY("250 2.0.0 OK\r\n");
}

static struct smtp_server_action
on_noop(struct smtp_server *s, struct slice args)
{
    (void)s;
    (void)args;
    return REPLY("250 2.0.0 OK\r\n");
}

static struct smtp_server_action
on_vrfy(struct smtp_server *s, struct slice args)
{
    (void)s;
    (void)args;
    return REPLY("252 2.0.0 Cannot verify the user, but will try to deliver\r\n");
}

static struct smtp_server_action
on_expn(struct smtp_server *s, struct slice args)
{
    (void)args;
    return bad(s, SLICE_LIT("502 5.5.1 EXPN is not provided\r\n"));
}

static struct smtp_server_action
on_help(struct smtp_server *s, struct slice args)
{
    (void)s;
    (void)args;
    return REPLY("214 2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT\r\n");
}

static struct smtp_server_action
on_quit(struct smtp_server *s, struct slice args)
{
    (void)args;
    return close_with(s, SLICE_LIT("221 2.0.0 Bye\r\n"));
}

static struct smtp_server_action
on_unknown(struct smtp_server *s, struct slice args)
{
    (void)args;
    return bad(s, SLICE_LIT("500 5.5.1 Command not recognized\r\n"));
}

/* ---- the table */

#define IN(st)      (1u << SMTP_SERVER_##st)
#define IN_COMMANDS (IN(HELLO) | IN(READY) | IN(MAIL) | IN(RCPT))
enum args_rule { ARGS_NONE, ARGS_ANY, ARGS_NEEDED };

typedef struct smtp_server_action verb_fn(struct smtp_server *s, struct slice args);
static const struct {
    verb_fn *run;
    unsigned legal; /* states in which the verb may come; else 503 */
    enum args_rule args;
    bool idle;               /* brings no mail nearer: counted */
    uint16_t line_bytes_max; /* RFC 5321 4.5.3.1.4 and what extensions add; with CRLF */
} verbs[] = {
    [SMTP_VERB_UNKNOWN] = { on_unknown, IN_COMMANDS, ARGS_ANY, false, LINE_BYTES_MAX_RFC },
    [SMTP_VERB_EHLO] = { on_ehlo, IN_COMMANDS, ARGS_NEEDED, true, LINE_BYTES_MAX_RFC },
    [SMTP_VERB_HELO] = { on_helo, IN_COMMANDS, ARGS_NEEDED, true, LINE_BYTES_MAX_RFC },
    /* RFC 1870 adds 26, RFC 6152 17, RFC 1845 88 and a blank */
    [SMTP_VERB_MAIL] = { on_mail, IN(READY), ARGS_NEEDED, false,
        LINE_BYTES_MAX_RFC + 26 + 17 + 89 },
    [SMTP_VERB_RCPT] = { on_rcpt, IN(MAIL) | IN(RCPT), ARGS_NEEDED, false, LINE_BYTES_MAX_RFC },
    [SMTP_VERB_DATA] = { on_data, IN(RCPT), ARGS_NONE, false, LINE_BYTES_MAX_RFC },
    [SMTP_VERB_RSET] = { on_rset, IN_COMMANDS, ARGS_NONE, true, LINE_BYTES_MAX_RFC },
    [SMTP_VERB_NOOP] = { on_noop, IN_COMMANDS, ARGS_ANY, true, LINE_BYTES_MAX_RFC },
    [SMTP_VERB_VRFY] = { on_vrfy, IN_COMMANDS, ARGS_NEEDED, true, LINE_BYTES_MAX_RFC },
    [SMTP_VERB_EXPN] = { on_expn, IN_COMMANDS, ARGS_NEEDED, false, LINE_BYTES_MAX_RFC },
    [SMTP_VERB_HELP] = { on_help, IN_COMMANDS, ARGS_ANY, true, LINE_BYTES_MAX_RFC },
    [SMTP_VERB_QUIT] = { on_quit, IN_COMMANDS, ARGS_NONE, false, LINE_BYTES_MAX_RFC },
};
_Static_assert(sizeof(verbs) / sizeof(verbs[0]) == SMTP_VERB_COUNT, "a verb has no row");

static const char *const state_names[SMTP_SERVER_STATE_COUNT] = {
    [SMTP_SERVER_HELLO] = "hello",
    [SMTP_SERVER_READY] = "ready",
    [SMTP_SERVER_MAIL] = "mail",
    [SMTP_SERVER_RCPT] = "rcpt",
    [SMTP_SERVER_ASK_SENDER] = "ask-sender",
    [SMTP_SERVER_ASK_RECIPIENT] = "ask-recipient",
    [SMTP_SERVER_ASK_OPEN] = "ask-open",
    [SMTP_SERVER_DATA] = "data",
    [SMTP_SERVER_COMMIT] = "commit",
    [SMTP_SERVER_OVER] = "over",
};

bool
smtp_server_legal(enum smtp_verb v, enum smtp_server_state st)
{
    return (verbs[v].legal & 1u << st) != 0;
}

uint16_t
smtp_server_line_bytes_max(enum smtp_verb v)
{
    return verbs[v].line_bytes_max;
}

const char *
smtp_server_state_name(enum smtp_server_state st)
{
    return state_names[st];
}

bool
smtp_server_waits(const struct smtp_server *s)
{
    return (1u << s->state & (IN_COMMANDS | IN(DATA))) == 0;
}

/* What is missing before the verb may come. */
static struct slice
out_of_sequence(const struct smtp_server *s, enum smtp_verb v)
{
    if (s->state == SMTP_SERVER_HELLO) {
        return SLICE_LIT("503 5.5.1 Send EHLO first\r\n");
    }
    if (v == SMTP_VERB_MAIL) {
        return SLICE_LIT("503 5.5.1 A sender is given already\r\n");
    }
    if (s->state == SMTP_SERVER_READY) {
        return SLICE_LIT("503 5.5.1 Send MAIL first\r\n");
    }
    return SLICE_LIT("503 5.5.1 No valid recipient: send RCPT first\r\n");
}

static bool
is_printable(struct slice line)
{
    for (size_t i = 0; i < line.n; i++) {
        unsigned char c = (unsigned char)line.p[i];

        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static struct smtp_server_action
run_line(struct smtp_server *s, struct slice line)
{
    struct slice args;
    enum smtp_verb v = smtp_grammar_command(line, &args);

    if (s->shared->draining && v != SMTP_VERB_QUIT) {
        return smtp_server_farewell(s, SMTP_SERVER_DRAINING);
    }
    if (line.n + 2 > verbs[v].line_bytes_max) {
        return bad(s, SLICE_LIT("500 5.5.2 Line too long\r\n"));
    }
    if (!is_printable(line)) {
        return bad(s, SLICE_LIT("500 5.5.2 Control character in a command\r\n"));
    }
    if ((verbs[v].args == ARGS_NONE && args.n > 0) ||
        (verbs[v].args == ARGS_NEEDED && args.n == 0)) {
        return bad(s, SLICE_LIT("501 5.5.4 Wrong number of arguments\r\n"));
    }
    if (!smtp_server_legal(v, (enum smtp_server_state)s->state)) {
        return bad(s, out_of_sequence(s, v));
    }
    if (verbs[v].idle && ++s->idle_commands > IDLE_COMMANDS_MAX) {
        return close_with(s, SLICE_LIT("421 4.7.0 Too many commands without a message\r\n"));
    }
    return verbs[v].run(s, args);
}

/* ---- content */

/* Called once for a message. */
static struct smtp_server_action
refuse(struct smtp_server *s, enum smtp_server_refusal why)
{
    s->refusal = (uint8_t)why;
    return ACT(DROP);
}

void
smtp_server_write_failed(struct smtp_server *s, int rc)
{
    CHECK(s->state == SMTP_SERVER_DATA);
    s->refusal = rc == -ENOSPC || rc == -ENOMEM ? SMTP_SERVER_NO_SPACE : SMTP_SERVER_FAILED;
}

/* Of several reasons the same one is told however the bytes were cut: what is wrong with the whole
 * message before what was met first. */
static struct slice
refusal_at_dot(const struct smtp_server *s)
{
    const struct smtp_transaction *t = s->transaction;

    if (t->data.bare) {
        return smtp_server_refusal_reply(SMTP_SERVER_BARE);
    }
    if (t->size_bytes > s->shared->message_bytes_max) {
        return smtp_server_refusal_reply(SMTP_SERVER_TOO_BIG);
    }
    return smtp_server_refusal_reply((enum smtp_server_refusal)s->refusal);
}

static struct smtp_server_action
end_of_data(struct smtp_server *s)
{
    struct slice reply;

    if (s->refusal == SMTP_SERVER_TAKEN) {
        s->state = SMTP_SERVER_COMMIT;
        return ACT(COMMIT);
    }
    reply = s->refusal == SMTP_SERVER_KNOWN ? queued_as(s, s->transaction->known_id)
                                            : refusal_at_dot(s);
    end_transaction(s);
    s->state = SMTP_SERVER_READY;
    return (struct smtp_server_action){ .act = SMTP_SERVER_DO_REPLY, .reply = reply };
}

/* A run of content, or what it takes to refuse the message it belongs to. */
static struct smtp_server_action
take_run(struct smtp_server *s, struct slice run)
{
    struct smtp_transaction *t = s->transaction;

    t->size_bytes += run.n;
    if (t->size_bytes > s->shared->message_bytes_max &&
        t->size_bytes - s->shared->message_bytes_max > OVERSIZE_READ_BYTES_MAX) {
        return close_with(s, smtp_server_refusal_reply(SMTP_SERVER_TOO_BIG));
    }
    if (s->refusal != SMTP_SERVER_TAKEN) {
        return ACT(NOTHING);
    }
    if (t->data.bare) {
        return refuse(s, SMTP_SERVER_BARE);
    }
    if (t->size_bytes > s->shared->message_bytes_max) {
        return refuse(s, SMTP_SERVER_TOO_BIG);
    }
    if (!t->header.done) {
        header_scan_feed(&t->header, run);
        if (t->header.received_count > HEADER_HOPS_MAX) {
            return refuse(s, SMTP_SERVER_LOOP);
        }
    }
    return (struct smtp_server_action){ .act = SMTP_SERVER_DO_WRITE, .content = run };
}

static struct smtp_server_action
take_content(struct smtp_server *s, struct slice *bytes)
{
    struct smtp_server_action a = ACT(NOTHING);

    while (a.act == SMTP_SERVER_DO_NOTHING && bytes->n > 0) {
        struct slice run;

        switch (smtp_data_next(&s->transaction->data, bytes, &run)) {
        case SMTP_DATA_MORE:
            return a;
        case SMTP_DATA_CONTENT:
            a = take_run(s, run);
            break;
        case SMTP_DATA_END:
            return end_of_data(s);
        case SMTP_DATA_FORGED:
            return close_with(s, smtp_server_refusal_reply(SMTP_SERVER_BARE));
        }
    }
    return a;
}

/* ---- bytes */

/* Only CRLF ends a line: what follows anything else could be smuggled. */
static struct smtp_server_action
bare_lf(struct smtp_server *s)
{
    return close_with(s, SLICE_LIT("500 5.5.2 Bare LF: lines end in CRLF\r\n"));
}

/* The rest of a line that was too long; its reply is given. A CR at the end is left in *bytes: it
 * may be half of the line end. */
static struct smtp_server_action
skip_line(struct smtp_server *s, struct slice *bytes)
{
    size_t lf = slice_find(*bytes, '\n');

    if (lf == bytes->n) {
        bool half = bytes->n > 0 && bytes->p[bytes->n - 1] == '\r';

        *bytes = slice_skip(*bytes, bytes->n - half);
        return ACT(NOTHING);
    }
    if (lf == 0 || bytes->p[lf - 1] != '\r') {
        return bare_lf(s);
    }
    *bytes = slice_skip(*bytes, lf + 1);
    s->skipping = false;
    return ACT(NOTHING);
}

static struct smtp_server_action
take_line(struct smtp_server *s, struct slice *bytes)
{
    struct slice head = slice_sub(*bytes, 0, SMTP_GRAMMAR_LINE_BYTES_MAX);
    size_t lf = slice_find(head, '\n');

    if (lf == head.n) {
        if (head.n < SMTP_GRAMMAR_LINE_BYTES_MAX) {
            return ACT(NOTHING);
        }
        s->skipping = true;
        return bad(s, SLICE_LIT("500 5.5.2 Line too long\r\n"));
    }
    if (lf == 0 || head.p[lf - 1] != '\r') {
        return bare_lf(s);
    }
    *bytes = slice_skip(*bytes, lf + 1);
    return run_line(s, slice_sub(head, 0, lf - 1));
}

struct smtp_server_action
smtp_server_input(struct smtp_server *s, struct slice *bytes)
{
    if (bytes->n == 0 || smtp_server_waits(s)) {
        return ACT(NOTHING);
    }
    if (s->state == SMTP_SERVER_DATA) {
        return take_content(s, bytes);
    }
    if (s->skipping) {
        struct smtp_server_action a = skip_line(s, bytes);

        if (s->skipping) {
            return a;
        }
    }
    return take_line(s, bytes);
}

/* ---- the end of a message */

void
smtp_server_envelope(const struct smtp_server *s, struct envelope *out)
{
    const struct smtp_transaction *t = s->transaction;

    CHECK(s->state == SMTP_SERVER_COMMIT);
    *out = (struct envelope){ .sender = t->sender,
        .transid = t->transid,
        .transid_bytes = t->size_bytes,
        .body = t->body,
        .hops = (uint8_t)MIN(t->header.received_count, UINT8_MAX),
        .recipient_count = t->recipient_count,
        .recipients = t->recipients };
}

struct smtp_server_action
smtp_server_committed(struct smtp_server *s, int rc, uint64_t id)
{
    CHECK(s->state == SMTP_SERVER_COMMIT);
    if (rc == BH_EFENCED || rc == -EIO) {
        return close_with(s, smtp_server_refusal_reply(SMTP_SERVER_FAILED));
    }
    end_transaction(s);
    s->state = SMTP_SERVER_READY;
    if (rc == 0) {
        s->errors = s->idle_commands = s->refused_recipients = 0;
        return (
            struct smtp_server_action){ .act = SMTP_SERVER_DO_REPLY, .reply = queued_as(s, id) };
    }
    return not_now(s, rc);
}
