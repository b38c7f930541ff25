/* mail/header.h - the header section of a message, while it streams by. Pure.
 *
 * Counts Received lines (loop detection, RFC 5321 section 6.3) and remembers a few fields for DSNs
 * and logs; never changes a byte.
 */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include "core/slice.h"

#define HEADER_HOPS_MAX 100

struct header_scan {
    uint32_t received_count;
    bool done; /* the empty line was seen */
    bool has_date, has_message_id, has_from;
    char message_id[256]; /* terminated, cut if longer; empty: none */
    /* internal */
    uint8_t state;
    uint16_t line_bytes;
    char line[512];
};
void header_scan_init(struct header_scan *h);
/* Feed content in pieces of any size, CRLF line ends. */
void header_scan_feed(struct header_scan *h, struct slice bytes);

/* "Received: from HELO ([ADDR]) by HOST (Bridgehead)\r\n\twith PROTO id ID\r\n\tfor <RCPT>;
 * DATE\r\n" (RFC 5321 4.4); recipient empty unless there is exactly one. client_address is as in an
 * address literal ("IPv6:…"). Returns the length, or BH_ETOOBIG. */
struct header_received {
    struct slice helo, client_address, by_host, protocol, id, recipient;
    uint64_t wall_ms;
};
int header_write_received(char *out, size_t cap, const struct header_received *r) MUST_USE;

#endif
