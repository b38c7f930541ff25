/* smtp/smtp_server.h - the server's side of an SMTP session. Pure: bytes and answers in, replies
 * and requests out.
 *
 * What may come when is one table, smtp_server_legal(verb, state); docs/protocols/smtp.md shows the
 * same rows and test_smtp_server.c compares them. Waiting for an answer is a state: while
 * smtp_server_waits no byte is taken.
 *
 * Promise   250 to the final dot comes from smtp_server_committed(status 0) and from nowhere else.
 * Memory    between transactions a session is its struct and the HELO name.
 */
#ifndef SMTP_SMTP_SERVER_H
#define SMTP_SMTP_SERVER_H

#include "mail/intake.h"
#include "smtp/smtp_grammar.h"
#include "smtp/smtp_transaction.h"

/* Order and names: the columns of the document. */
enum smtp_server_state {
    SMTP_SERVER_HELLO, /* connected; EHLO or HELO is to come */
    SMTP_SERVER_READY, /* between transactions */
    SMTP_SERVER_MAIL,  /* a sender, no recipient yet */
    SMTP_SERVER_RCPT,  /* a recipient at least */
    SMTP_SERVER_ASK_SENDER,
    SMTP_SERVER_ASK_RECIPIENT,
    SMTP_SERVER_ASK_OPEN,
    SMTP_SERVER_DATA,   /* content until the final dot */
    SMTP_SERVER_COMMIT, /* the dot came; not durable yet */
    SMTP_SERVER_OVER    /* the last reply is given */
};
#define SMTP_SERVER_STATE_COUNT (SMTP_SERVER_OVER + 1)

enum smtp_server_act {
    SMTP_SERVER_DO_NOTHING,       /* all that can be done is done: more bytes, or the answer */
    SMTP_SERVER_DO_REPLY,         /* send reply */
    SMTP_SERVER_DO_CLOSE,         /* send reply (may be empty), then close */
    SMTP_SERVER_DO_ASK_SENDER,    /* intake.ready(transaction.said_bytes), smtp_server_sender */
    SMTP_SERVER_DO_ASK_RECIPIENT, /* intake.recipient(transaction.asked), smtp_server_recipient */
    SMTP_SERVER_DO_OPEN,          /* intake.open, then smtp_server_opened */
    SMTP_SERVER_DO_WRITE,         /* intake.write(content); on failure smtp_server_write_failed */
    SMTP_SERVER_DO_DROP,          /* the message is refused (refusal): intake.abort */
    SMTP_SERVER_DO_COMMIT         /* intake.commit, then smtp_server_committed */
};

/* Why a message is refused while its content comes; the reply waits for the dot. */
enum smtp_server_refusal {
    SMTP_SERVER_TAKEN, /* it is not */
    SMTP_SERVER_TOO_BIG,
    SMTP_SERVER_BARE,  /* a bare CR or LF */
    SMTP_SERVER_LOOP,  /* HEADER_HOPS_MAX */
    SMTP_SERVER_KNOWN, /* not refused: it is here already (RFC 1845) */
    SMTP_SERVER_NO_SPACE,
    SMTP_SERVER_FAILED
};
#define SMTP_SERVER_REFUSAL_COUNT (SMTP_SERVER_FAILED + 1)
struct slice smtp_server_refusal_reply(enum smtp_server_refusal why);

/* Slices live until the next call for any session of the same shared part, content and asked as
 * long as the bytes that were fed. */
struct smtp_server_action {
    enum smtp_server_act act;
    struct slice reply, content;
};

/* What the sessions of one listener's process share. */
struct smtp_server_shared {
    uint64_t message_bytes_max;
    uint32_t recipients_max, errors_max;
    bool draining; /* 421 at the next command */
    struct smtp_transaction_pool pool;
    struct slice greeting, helo, ehlo, ehlo_checkpoint; /* in text */
    char hostname[ADDRESS_DOMAIN_BYTES_MAX + 1];
    char text[2048];
    char scratch[1024]; /* the reply being made */
};
void smtp_server_shared_init(struct smtp_server_shared *sh);
void smtp_server_shared_fini(struct smtp_server_shared *sh);
/* The replies that name us and our limits. BH_ETOOBIG. */
int smtp_server_shared_set(struct smtp_server_shared *sh, const char *hostname,
    uint64_t message_bytes_max, uint32_t recipients_max, uint32_t errors_max) MUST_USE;

struct smtp_server {
    struct smtp_server_shared *shared;
    struct smtp_transaction *transaction; /* from MAIL to the end of its message */
    char *helo;                           /* what the client calls itself; NULL before */
    const struct netaddr
        *checkpoint;        /* of a client that may use RFC 1845, else NULL: by the shell */
    uint8_t state, refusal; /* enums above */
    bool esmtp;             /* EHLO */
    bool skipping;          /* the rest of a line that was too long */
    uint16_t helo_bytes;
    uint16_t errors, idle_commands, refused_recipients; /* since the last message */
};
void smtp_server_init(struct smtp_server *s, struct smtp_server_shared *shared);
void smtp_server_fini(struct smtp_server *s);

/* The greeting; before anything else. */
struct smtp_server_action smtp_server_greet(struct smtp_server *s);
/* Take bytes up to the next thing to act on. What is left in *bytes when the act is NOTHING is the
 * beginning of a line (at most SMTP_GRAMMAR_LINE_BYTES_MAX), or waits for an answer: feed it again,
 * with more behind it. Every act is to be done before the next call. */
struct smtp_server_action smtp_server_input(struct smtp_server *s, struct slice *bytes);
bool smtp_server_waits(const struct smtp_server *s);

/* Answers, in the state that awaits them. rc is intake's. known, of the transaction with a TRANSID:
 * NULL, it is new; BH_EBUSY for rc: it is under way. */
struct smtp_server_action smtp_server_sender(
    struct smtp_server *s, int rc, const struct intake_known *known);
struct smtp_server_action smtp_server_recipient(
    struct smtp_server *s, const struct intake_verdict *v);
struct smtp_server_action smtp_server_opened(struct smtp_server *s, int rc);
void smtp_server_write_failed(struct smtp_server *s, int rc);
/* rc of intake.commit if it failed, else the callback's status. */
struct smtp_server_action smtp_server_committed(struct smtp_server *s, int rc, uint64_t id);

/* 421 of our own accord, in any state but COMMIT. */
enum smtp_server_farewell { SMTP_SERVER_DRAINING, SMTP_SERVER_TIMED_OUT, SMTP_SERVER_NO_MEMORY };
struct smtp_server_action smtp_server_farewell(
    struct smtp_server *s, enum smtp_server_farewell why);

/* The envelope of the transaction in COMMIT, but for time and client. Slices are the
 * transaction's: it ends with smtp_server_committed. */
void smtp_server_envelope(const struct smtp_server *s, struct envelope *out);

/* The table, by name, for the test that compares the document. */
bool smtp_server_legal(enum smtp_verb v, enum smtp_server_state st);
uint16_t smtp_server_line_bytes_max(enum smtp_verb v); /* with CRLF */
const char *smtp_server_state_name(enum smtp_server_state st);

#endif
