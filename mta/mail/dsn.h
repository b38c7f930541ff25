/* mail/dsn.h - delivery status notifications (RFC 3462, 3464, 3461). Pure: text out of facts. */
#ifndef MAIL_DSN_H
#define MAIL_DSN_H

#include "core/buf.h"
#include "mail/envelope.h"

enum dsn_kind { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED };

struct dsn_recipient {
    enum dsn_kind kind;
    struct slice address, orcpt;
    struct slice status;                                     /* "5.1.1" */
    struct slice diagnostic;                                 /* the peer's reply, or our sentence */
    bool smtp_diagnostic;                                    /* diagnostic is a peer's SMTP reply */
    struct slice remote;                                     /* host, may be empty */
    uint64_t last_attempt_wall_ms, will_retry_until_wall_ms; /* 0: none */
};
struct dsn {
    struct slice reporting_mta; /* hostname */
    struct slice id;            /* of the message, as shown to operators */
    struct slice sender;        /* whom it goes to; never empty */
    struct slice envid;
    uint64_t now_wall_ms, arrival_wall_ms;
    uint64_t unique;              /* for Message-ID and boundary */
    struct slice original_header; /* CRLF text of the original's header section, cut at a limit;
                                     attached as text/rfc822-headers */
    const struct dsn_recipient *recipients;
    uint32_t recipient_count;
};
/* The whole message, CRLF line ends, 7bit. 0, -ENOMEM, BH_ETOOBIG. */
int dsn_write(struct buf *out, const struct dsn *d) MUST_USE;

#endif
