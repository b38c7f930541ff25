/* mail/address.h - RFC 5321 section 4.1.2 mailboxes and paths. Pure. */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include "core/slice.h"

#define ADDRESS_LOCAL_BYTES_MAX  64  /* RFC 5321 4.5.3.1.1 */
#define ADDRESS_DOMAIN_BYTES_MAX 255 /* 4.5.3.1.2 */
#define ADDRESS_PATH_BYTES_MAX   256 /* 4.5.3.1.3, with the angle brackets */

/* All slices point into the parsed text. */
struct address {
    struct slice text;   /* local@domain as given; empty for the null path */
    struct slice local;  /* with its quotes, if any */
    struct slice domain; /* empty only for the null path and for a bare "postmaster" */
    bool literal;        /* domain is an address literal "[192.0.2.1]" or "[IPv6:…]" */
};

/* A whole mailbox without angle brackets. BH_ESYNTAX, BH_ETOOBIG. */
int address_parse(struct slice s, struct address *out) MUST_USE;
/* A path "<…>" at the beginning of s; *rest is what follows. Source routes (@a,@b:x@y) are accepted
 * and dropped. null_ok: "<>" (reverse path); postmaster_ok: "<postmaster>" (forward path). */
int address_parse_path(struct slice s, bool null_ok, bool postmaster_ok, struct address *out,
    struct slice *rest) MUST_USE;
bool address_is_postmaster(const struct address *a);
bool address_domain_valid(struct slice domain); /* LDH labels, or an address literal */

#endif
