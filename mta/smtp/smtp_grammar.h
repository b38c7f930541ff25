/* smtp/smtp_grammar.h - the command lines of SMTP (RFC 5321 section 4.1) and the parameters of MAIL
 * and RCPT (RFC 1870, 6152, 3461). Pure; slices point into the line.
 */
#ifndef SMTP_SMTP_GRAMMAR_H
#define SMTP_SMTP_GRAMMAR_H

#include "mail/address.h"
#include "mail/envelope.h"

/* RFC 5321 4.5.3.1.4: 512 with CRLF; RFC 1870 (26), 6152 (17) and 3461 (MAIL 112, RCPT 540) allow
 * parameters beyond it. One limit for all verbs: the longest. */
#define SMTP_GRAMMAR_LINE_BYTES_MAX 1052

enum smtp_verb {
    SMTP_VERB_UNKNOWN,
    SMTP_VERB_EHLO,
    SMTP_VERB_HELO,
    SMTP_VERB_MAIL,
    SMTP_VERB_RCPT,
    SMTP_VERB_DATA,
    SMTP_VERB_RSET,
    SMTP_VERB_NOOP,
    SMTP_VERB_VRFY,
    SMTP_VERB_EXPN,
    SMTP_VERB_HELP,
    SMTP_VERB_QUIT,
};
#define SMTP_VERB_COUNT (SMTP_VERB_QUIT + 1)
const char *smtp_grammar_verb_name(enum smtp_verb v); /* "EHLO" */

/* line is without its CRLF. args: what follows the verb, without white space at its ends. */
enum smtp_verb smtp_grammar_command(struct slice line, struct slice *args);

/* Why an argument is refused; smtp_grammar_error_reply has code, status and text. */
enum smtp_grammar_error {
    SMTP_GRAMMAR_OK,
    SMTP_GRAMMAR_NO_FROM,       /* MAIL without FROM: */
    SMTP_GRAMMAR_NO_TO,         /* RCPT without TO: */
    SMTP_GRAMMAR_BAD_SENDER,    /* not a reverse path */
    SMTP_GRAMMAR_BAD_RECIPIENT, /* not a forward path */
    SMTP_GRAMMAR_OR_RECIPIENT, /* an O/R address, "</C=FR/A=ATLAS/…>": without a gateway nobody's */
    SMTP_GRAMMAR_TOO_LONG,     /* a path beyond RFC 5321 4.5.3.1 */
    SMTP_GRAMMAR_UNKNOWN_PARAM, /* not one of an extension offered */
    SMTP_GRAMMAR_BAD_PARAM,     /* its value, or given twice */
    SMTP_GRAMMAR_BAD_HELO,      /* neither a domain nor an address literal */
};
#define SMTP_GRAMMAR_ERROR_COUNT (SMTP_GRAMMAR_BAD_HELO + 1)
struct smtp_grammar_error_reply {
    int code;
    const char *status, *text;
};
const struct smtp_grammar_error_reply *smtp_grammar_error_reply(enum smtp_grammar_error e);

enum smtp_grammar_ret { SMTP_GRAMMAR_RET_NONE, SMTP_GRAMMAR_RET_FULL, SMTP_GRAMMAR_RET_HDRS };
struct smtp_grammar_mail {
    struct address from;  /* text is empty for the null path */
    uint64_t size_bytes;  /* 0: not given; UINT64_MAX: more digits than a number holds */
    uint8_t body;         /* enum envelope_body */
    uint8_t ret;          /* enum smtp_grammar_ret */
    struct slice envid;   /* xtext as given */
    struct slice transid; /* RFC 1845, with its brackets */
};
struct smtp_grammar_rcpt {
    struct address to;
    uint8_t notify;     /* ENVELOPE_NOTIFY_… set */
    struct slice orcpt; /* "rfc822;" and xtext, as given */
};
/* Parameters of an extension that is not offered are unknown ones. */
#define SMTP_GRAMMAR_EXT_DSN        1u
#define SMTP_GRAMMAR_EXT_CHECKPOINT 2u
enum smtp_grammar_error smtp_grammar_mail(
    struct slice args, unsigned extensions, struct smtp_grammar_mail *out) MUST_USE;
enum smtp_grammar_error smtp_grammar_rcpt(
    struct slice args, unsigned extensions, struct smtp_grammar_rcpt *out) MUST_USE;
/* The argument of EHLO or HELO, as far as it must be looked at: see docs/protocols/smtp.md. */
enum smtp_grammar_error smtp_grammar_helo(struct slice args, struct slice *domain) MUST_USE;

/* RFC 3461 section 4 xtext. Decoding: BH_ESYNTAX, -ENOSPC. Returns the length. */
bool smtp_grammar_xtext_valid(struct slice s);
int smtp_grammar_xtext_decode(struct slice s, char *out, size_t cap) MUST_USE;
int smtp_grammar_xtext_encode(struct slice s, char *out, size_t cap) MUST_USE;

#endif
