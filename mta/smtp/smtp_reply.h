/* smtp/smtp_reply.h - a peer's replies, for the client: code, enhanced status, text, and what EHLO
 * offers. Pure.
 *
 * Tolerance  a line may end in LF alone (a reply carries nothing worth smuggling) and may be longer
 *            than RFC 5321 4.5.3.1.5 allows; text beyond SMTP_REPLY_TEXT_BYTES_MAX is dropped.
 *            Another code in the middle of a reply, or no code at all, is an error.
 */
#ifndef SMTP_SMTP_REPLY_H
#define SMTP_SMTP_REPLY_H

#include "core/buf.h"

#define SMTP_REPLY_LINE_BYTES_MAX 4096 /* a longer line is not SMTP */
#define SMTP_REPLY_TEXT_BYTES_MAX                                                                  \
    8192                                 /* kept of one reply; EHLO of a large site needs some 600 \
                                          */
#define SMTP_REPLY_TOTAL_BYTES_MAX 65536 /* of one reply: a peer that never ends it is refused */

struct smtp_reply {
    int code;            /* 200..599 */
    struct slice status; /* RFC 3463 "5.1.1"; empty if there is none of the code's class */
    struct slice text;   /* without codes and statuses, lines separated by '\n'; as sent otherwise
                            (may hold any byte but CR and LF) */
};

struct smtp_reply_parser {
    struct buf text;
    uint32_t total_bytes; /* of the reply begun */
    uint32_t line_at;     /* where in text the line begun is */
    int code;             /* of the reply begun; 0: none */
    uint16_t line_bytes;  /* of the line begun */
    uint16_t line_count;  /* complete ones of this reply */
    bool complete;        /* a reply was handed out; text is still its */
    char head[4];         /* "250-" as it comes */
    uint8_t status_bytes; /* at the beginning of text */
};

void smtp_reply_init(struct smtp_reply_parser *p);
void smtp_reply_fini(struct smtp_reply_parser *p);
void smtp_reply_reset(struct smtp_reply_parser *p); /* a new connection; the memory is kept */
/* Give the memory back if no reply is begun: idle sessions cost little. */
void smtp_reply_release(struct smtp_reply_parser *p);

/* Take bytes from *bytes up to the end of one reply.
 * 1: *out is a reply, valid until the next call, and *bytes is what follows it; 0: all taken, more
 * is needed; BH_ESYNTAX, BH_ETOOBIG, -ENOMEM: the session is useless. */
int smtp_reply_feed(
    struct smtp_reply_parser *p, struct slice *bytes, struct smtp_reply *out) MUST_USE;
/* Is a reply begun but not complete? */
bool smtp_reply_partial(const struct smtp_reply_parser *p);

/* What the reply to EHLO or LHLO offers. Unknown keywords are skipped. */
struct smtp_reply_ehlo {
    bool pipelining, eightbitmime, enhancedstatuscodes, dsn, smtputf8, chunking, starttls;
    bool checkpoint;
    bool size;               /* the keyword was there */
    uint64_t size_bytes_max; /* 0: no limit was stated */
};
void smtp_reply_parse_ehlo(const struct smtp_reply *r, struct smtp_reply_ehlo *out);

/* "X.Y.Z" (class 2, 4 or 5) at the beginning of s, followed by a space or the end; else empty. */
struct slice smtp_reply_status_of(struct slice s);

#endif
