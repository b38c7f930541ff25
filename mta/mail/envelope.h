/* mail/envelope.h - what travels with a message but is not its content. Pure.
 *
 * Slices are borrowed; whoever keeps an envelope copies it. The queue encodes it into the commit
 * record as tagged fields (docs/formats/journal.md), so that later releases may add some.
 */
#ifndef MAIL_ENVELOPE_H
#define MAIL_ENVELOPE_H

#include "core/slice.h"

/* What the content is. Those of P1 came by X.400: a transfer envelope stands in front of the
 * content's octets (x400/p1_stored.h), and sender and recipients are O/R addresses, /C=../A=../. A
 * part has not come whole: only whoever receives it sees it (queue_secure). */
enum envelope_body {
    ENVELOPE_BODY_7BIT,
    ENVELOPE_BODY_8BITMIME,
    ENVELOPE_P1_MESSAGE,
    ENVELOPE_P1_PROBE,
    ENVELOPE_P1_REPORT,
    ENVELOPE_PART
};
/* Its name, for people and in files: "7BIT", "P1-MESSAGE". */
const char *envelope_body_name(uint8_t body);
/* Of a message that is whole; what is no name is 7BIT. */
enum envelope_body envelope_body_of(struct slice name);
static inline bool
envelope_body_is_p1(uint8_t body)
{
    return body >= ENVELOPE_P1_MESSAGE && body <= ENVELOPE_P1_REPORT;
}

/* RFC 3461 NOTIFY, a set; 0: not given (failure and delay, as RFC 3461 section 4.1 says). */
enum {
    ENVELOPE_NOTIFY_NEVER = 1,
    ENVELOPE_NOTIFY_SUCCESS = 2,
    ENVELOPE_NOTIFY_FAILURE = 4,
    ENVELOPE_NOTIFY_DELAY = 8
};

struct envelope_recipient {
    struct slice address; /* local@domain, or an O/R address */
    struct slice orcpt;   /* RFC 3461, may be empty */
    uint8_t notify;
};

struct envelope {
    struct slice sender; /* empty: the null reverse path; never bounced */
    struct slice envid;  /* RFC 3461; of that which came by X.400: x400/x400_life.h */
    uint8_t body;
    uint8_t hops; /* Received lines counted at intake */
    uint64_t received_wall_ms;
    /* RFC 1845: the client's address, what it calls itself, and its TRANSID, with blanks between,
     * which together no other transaction has; and how many bytes of content it sent. Empty:
     * without one. */
    struct slice transid;
    uint64_t transid_bytes;
    struct slice client; /* "[192.0.2.1]:4711 (helo.example)" for logs and queue show */
    uint32_t recipient_count;
    const struct envelope_recipient *recipients;
};

#define ENVELOPE_RECIPIENTS_MAX                                                                    \
    10000 /* above limits.recipients' range; bounds what a record can ask for */

#endif
