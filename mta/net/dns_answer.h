/* net/dns_answer.h - the records of a DNS response that mail needs. Pure; inside net/ only.
 *
 * libunbound gives what it has checked and scrubbed, but as the packet's bytes: they are read as
 * what they are, a stranger's. Names that could not be host names (RFC 1123, and '_') are left out.
 */
#ifndef NET_DNS_ANSWER_H
#define NET_DNS_ANSWER_H

#include "core/netaddr.h"

#define DNS_TYPE_A    1
#define DNS_TYPE_MX   15
#define DNS_TYPE_AAAA 28
#define DNS_NAME_CAP  256

struct dns_record {
    uint16_t type;
    struct netaddr address;  /* A, AAAA */
    uint16_t preference;     /* MX */
    char name[DNS_NAME_CAP]; /* MX: lower case, no dot at the end; "" is the root (null MX) */
};
typedef void dns_record_fn(void *ctx, const struct dns_record *record);

/* The response code of the packet's head; -1 if it has none. */
int dns_answer_code(struct slice packet);

/* Each record of this type in the answer section, whoever owns it: libunbound has followed the
 * CNAMEs. 0, or BH_ESYNTAX for a packet that is cut or contradicts itself. */
int dns_answer_each(struct slice packet, uint16_t type, dns_record_fn *each, void *ctx) MUST_USE;

/* A name that may be asked for, without dot at the end, in lower case; BH_ESYNTAX. */
int dns_name(struct slice text, char out[DNS_NAME_CAP]) MUST_USE;

#endif
