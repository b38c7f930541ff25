/* smtp/smtp_data.h - the content between 354 and the final dot: dots unstuffed, the end found.
 * Pure; copies nothing.
 *
 * Only CRLF ends a line and only CRLF "." CRLF ends the data (RFC 5321 section 4.1.1.4). A bare CR
 * or LF marks the message as one to be refused (`bare`); and where another server might see the end
 * of data (a lone dot between line ends of which one is not CRLF), the session is FORGED: whatever
 * follows may be commands smuggled past a careless peer, and must not be looked at.
 */
#ifndef SMTP_SMTP_DATA_H
#define SMTP_SMTP_DATA_H

#include "core/slice.h"

enum smtp_data_result {
    SMTP_DATA_MORE,    /* all bytes are taken */
    SMTP_DATA_CONTENT, /* *content is the next run, never empty; it points into the bytes */
    SMTP_DATA_END,     /* the final dot; *bytes is what follows it */
    SMTP_DATA_FORGED   /* a dot that is the end to some, not to others: close */
};

struct smtp_data {
    uint8_t state;
    bool bare; /* a bare CR or LF was seen: refuse the message */
};

void smtp_data_init(struct smtp_data *d);
/* Take bytes from *bytes up to the end of a run. Runs are maximal: they end where a dot is dropped,
 * where the data ends, and where the bytes do. */
enum smtp_data_result smtp_data_next(
    struct smtp_data *d, struct slice *bytes, struct slice *content) MUST_USE;

#endif
