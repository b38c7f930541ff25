/* smtp/smtp_client.h - the client's side of an SMTP or LMTP session. Pure: replies in, commands and
 * results out.
 *
 * What answers what is one table, smtp_client_row(state, event); docs/protocols/smtp_client.md
 * shows the same rows and test_smtp_client.c compares them. The state names the reply that is
 * awaited, so that pipelined and unpipelined sessions run through the same rows: with PIPELINING
 * the commands of a whole transaction are in `out` at once, without it each follows the reply to
 * the one before.
 *
 * Results   result() is called once for each recipient of a delivery, except for those that have
 *           none yet when the session ends (act ENDED): they get `why`.
 * Safety    a reply counts only for a command whose bytes are in `out` before the reply is fed. The
 *           shell therefore feeds all bytes it was lent before it sends more (the content, the next
 *           delivery): a 250 that came before the dot is a protocol error, never a delivery.
 */
#ifndef SMTP_SMTP_CLIENT_H
#define SMTP_SMTP_CLIENT_H

#include "core/buf.h"
#include "mail/transport.h"
#include "smtp/smtp_reply.h"

#define SMTP_CLIENT_OUT_BYTES_MAX                                                                  \
    (4 * MIB)                          /* ENVELOPE_RECIPIENTS_MAX commands of the longest path */
#define SMTP_CLIENT_PATH_BYTES_MAX 512 /* an address longer than that is ours to refuse */
#define SMTP_CLIENT_TEXT_CAP       512 /* of a peer's reply, kept for results */

/* The reply that is awaited, or what we do. Order and names: the rows of the document. */
enum smtp_client_state {
    SMTP_CLIENT_GREETING,
    SMTP_CLIENT_EHLO, /* LHLO in LMTP */
    SMTP_CLIENT_HELO,
    SMTP_CLIENT_READY, /* no reply is awaited: between deliveries */
    SMTP_CLIENT_RSET,
    SMTP_CLIENT_MAIL,
    SMTP_CLIENT_RCPT,
    SMTP_CLIENT_DATA,
    SMTP_CLIENT_CONTENT, /* ours to send; no reply is awaited */
    SMTP_CLIENT_DOT,     /* LMTP: one reply for each accepted recipient */
    SMTP_CLIENT_NODOT,   /* the dot alone went out, for nobody (RFC 2920 section 3.1) */
    SMTP_CLIENT_OVER,    /* the connection is to be closed */
};
#define SMTP_CLIENT_STATE_COUNT (SMTP_CLIENT_OVER + 1)

enum smtp_client_event {
    SMTP_CLIENT_2XX,
    SMTP_CLIENT_3XX, /* 354 at DATA, 355 at MAIL; any other 3xx is against the protocol */
    SMTP_CLIENT_4XX,
    SMTP_CLIENT_5XX,
    SMTP_CLIENT_421, /* at any time: the peer closes */
    SMTP_CLIENT_BAD, /* not a reply, or beyond a limit */
    SMTP_CLIENT_LOST /* closed, failed or timed out */
};
#define SMTP_CLIENT_EVENT_COUNT (SMTP_CLIENT_LOST + 1)

/* What is done about it. */
enum smtp_client_step {
    SMTP_STEP_HELLO,     /* say EHLO or LHLO */
    SMTP_STEP_FALLBACK,  /* say HELO */
    SMTP_STEP_OPEN,      /* the session is open */
    SMTP_STEP_REFUSE,    /* not here: the next host */
    SMTP_STEP_RESET,     /* RSET is answered: MAIL is awaited */
    SMTP_STEP_SENDER,    /* MAIL accepted */
    SMTP_STEP_RESTART,   /* 355: the peer has the transaction, up to some octet (RFC 1845) */
    SMTP_STEP_NO_SENDER, /* MAIL refused: every recipient gets that */
    SMTP_STEP_RCPT,      /* a recipient accepted */
    SMTP_STEP_NO_RCPT,   /* a recipient refused */
    SMTP_STEP_GO,        /* 354: the content, or the dot alone if nobody was accepted */
    SMTP_STEP_NO_DATA,   /* DATA refused: every accepted recipient gets that */
    SMTP_STEP_FINAL,     /* the message's result; LMTP: one recipient's */
    SMTP_STEP_EARLY,     /* refused while the content is on its way: that is the result; close */
    SMTP_STEP_RELEASED,  /* the dot for nobody is answered */
    SMTP_STEP_CLOSING,   /* the peer closes: what has no result is deferred */
    SMTP_STEP_PROTOCOL,  /* nonsense: close; what has no result is deferred */
    SMTP_STEP_DOUBT,     /* nonsense or loss after the dot: deferred, in doubt */
    SMTP_STEP_LOSE,      /* loss: what has no result is deferred */
    SMTP_STEP_IGNORE
};
#define SMTP_STEP_COUNT (SMTP_STEP_IGNORE + 1)

/* What the shell does after smtp_client_input. */
enum smtp_client_act {
    SMTP_CLIENT_WAIT,     /* all bytes taken; send what is in out and wait */
    SMTP_CLIENT_OPENED,   /* ready for a delivery */
    SMTP_CLIENT_TRANSFER, /* send the content, then smtp_client_dot */
    SMTP_CLIENT_DONE,     /* every recipient has its result; ready for the next */
    SMTP_CLIENT_ENDED     /* close; why says what happened (before OPENED: try the next host) */
};

/* Which time-out applies (RFC 5321 section 4.5.3.2). */
enum smtp_client_timeout {
    SMTP_TIMEOUT_GREETING,
    SMTP_TIMEOUT_COMMAND,
    SMTP_TIMEOUT_DATA_INIT,
    SMTP_TIMEOUT_DATA_BLOCK,
    SMTP_TIMEOUT_DATA_DONE,
    SMTP_TIMEOUT_IDLE
};

typedef void smtp_client_result_fn(void *ctx, uint32_t index, const struct transport_result *r);

/* In the shell's session; smtp_client_init and _fini. Memory is kept from delivery to delivery. */
struct smtp_client {
    enum smtp_client_state state;
    bool lmtp;
    bool fell_back;              /* HELO was needed */
    bool need_rset;              /* the peer may hold an unfinished transaction */
    bool anything_ok;            /* since MAIL: the peer accepted something */
    bool line_start;             /* of content: the next byte begins a line */
    bool dotted;                 /* of content: this line's dot was doubled */
    bool unsent;                 /* the dot is not yet with the kernel: no answer can be to it */
    uint8_t crlf;                /* of content: 2 after CRLF (or nothing), 1 after CR */
    struct smtp_reply_ehlo peer; /* what EHLO offered */
    const char *hostname;
    struct smtp_reply_parser parser;
    struct buf out; /* to be sent, then buf_clear */
    smtp_client_result_fn *result;
    void *ctx;
    /* the current delivery */
    const struct delivery *d;
    uint8_t *marks; /* of each recipient */
    uint32_t mark_capacity;
    uint32_t next;       /* recipient whose RCPT or (LMTP) final reply is awaited */
    uint32_t accepted;   /* without a result yet */
    uint32_t open;       /* recipients without a result */
    bool named;          /* MAIL carried its TRANSID (RFC 1845) */
    bool known;          /* and the peer knows it: it has some or all of this */
    uint64_t skip_bytes; /* of content: what the peer has */
    uint64_t replies;    /* of the session: the shell re-arms the deadline when it grows */
    /* why the session was refused or ended */
    struct transport_result why;
    char status[16];
    char text[SMTP_CLIENT_TEXT_CAP];
};

/* hostname lives as long as c. */
void smtp_client_init(struct smtp_client *c, const char *hostname, bool lmtp,
    smtp_client_result_fn *result, void *ctx);
void smtp_client_fini(struct smtp_client *c);
/* A new connection: awaits the greeting. The delivery of the connection before is forgotten. */
void smtp_client_start(struct smtp_client *c);

/* READY only. The commands are in out. 0; 1: over already, each recipient has its result (larger
 * than the peer takes, addresses no command can carry): still READY; -ENOMEM: nothing happened. d
 * lives until DONE or ENDED. */
int smtp_client_deliver(struct smtp_client *c, const struct delivery *d) MUST_USE;

/* Take bytes up to the first thing to act on; call again until it returns WAIT. */
enum smtp_client_act smtp_client_input(struct smtp_client *c, struct slice *bytes);

/* CONTENT only: the next run to send for *piece, dots doubled; call until it returns an empty
 * slice. Points into piece or is static. */
struct slice smtp_client_content(struct smtp_client *c, struct slice *piece);
/* CONTENT only: all content was sent: the dot is in out. */
int smtp_client_dot(struct smtp_client *c) MUST_USE;
/* All that was in out reached the kernel. Until then a positive answer to the dot is a lie. */
void smtp_client_sent(struct smtp_client *c);
/* The connection ended: status as by conn's on_end. dropped: what the kernel had not taken by then
 * never leaves, so that an unsent dot is not in doubt. Fills why; state OVER. */
void smtp_client_lost(struct smtp_client *c, int status, bool dropped);
/* The delivery cannot go on for a reason of ours (status, text): fills why; state OVER. */
void smtp_client_give_up(struct smtp_client *c, const char *status, const char *text);
/* READY: "QUIT" is in out; state OVER. */
void smtp_client_quit(struct smtp_client *c);

enum smtp_client_timeout smtp_client_timeout(const struct smtp_client *c);

/* The table, by number and by name, for the test that compares the document. */
enum smtp_client_step smtp_client_row(enum smtp_client_state s, enum smtp_client_event e);
const char *smtp_client_state_name(enum smtp_client_state s);
const char *smtp_client_event_name(enum smtp_client_event e);
const char *smtp_client_step_name(enum smtp_client_step s);

#endif
