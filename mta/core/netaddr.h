/* core/netaddr.h - an IP address with an optional port, as value. Pure. */
#ifndef CORE_NETADDR_H
#define CORE_NETADDR_H

#include "core/slice.h"
#include <sys/socket.h>

struct netaddr {
    uint8_t family;    /* AF_INET, AF_INET6, or 0: none */
    uint16_t port;     /* host byte order; 0: none */
    uint32_t scope_id; /* IPv6 link-local only */
    uint8_t bytes[16]; /* network order; IPv4 in the first four */
};

#define NETADDR_TEXT_CAP 64
int netaddr_parse(
    struct slice s, struct netaddr *out) MUST_USE; /* "192.0.2.1", "2001:db8::1"; BH_ESYNTAX */
/* "[192.0.2.1]:25", "[2001:db8::1]:25", "192.0.2.1:25", or without port. */
int netaddr_parse_port(struct slice s, uint16_t default_port, struct netaddr *out) MUST_USE;
void netaddr_text(const struct netaddr *a, char out[NETADDR_TEXT_CAP]);      /* without port */
void netaddr_text_port(const struct netaddr *a, char out[NETADDR_TEXT_CAP]); /* "[…]:25" */
bool netaddr_eq(const struct netaddr *a, const struct netaddr *b);           /* address only */
bool netaddr_is_loopback(const struct netaddr *a);
/* "0.0.0.0" or "::": to bind(2) every address, to connect(2) this host; of no host its own. */
bool netaddr_is_any(const struct netaddr *a);
socklen_t netaddr_to_sockaddr(const struct netaddr *a, struct sockaddr_storage *out);
int netaddr_from_sockaddr(
    const struct sockaddr *sa, struct netaddr *out) MUST_USE; /* v4-mapped becomes v4 */

struct netaddr_prefix {
    struct netaddr net;
    uint8_t bits;
};
int netaddr_parse_prefix(struct slice s,
    struct netaddr_prefix *out) MUST_USE; /* "127.0.0.0/8"; host bits set: BH_ESYNTAX */
bool netaddr_in(const struct netaddr *a, const struct netaddr_prefix *p);

#endif
