/* smtp/smtp_hops.h - the addresses a session tries, in order. Pure.
 *
 * From a literal (never asks DNS), from the addresses of a named next hop, or from an MX answer.
 * Addresses of a family that no source has are left out (loopback is exempt), and so is every host
 * that is no better than ourselves (RFC 5321 section 5.1): mail would come back.
 */
#ifndef SMTP_SMTP_HOPS_H
#define SMTP_SMTP_HOPS_H

#include "net/resolver.h"

#define SMTP_HOPS_MAX 32 /* tried by one session; the open deadline comes before most of them */

struct smtp_hops {
    struct {
        struct netaddr address; /* with its port */
        uint8_t name;           /* of names */
    } list[SMTP_HOPS_MAX];
    unsigned count, at; /* at: the next to try */
    char names[RESOLVER_HOSTS_MAX][256];
};

/* Who we are, for what is left out: sources by their families, vips as what we answer at. */
struct smtp_hops_self {
    const char *hostname;
    const struct netaddr *sources, *vips;
    size_t source_count, vip_count;
};

/* "[192.0.2.1]", "[IPv6:2001:db8::1]", "[2001:db8::1]". BH_ESYNTAX: a name, ask DNS. */
int smtp_hops_literal(struct slice destination, uint16_t port, struct netaddr *out) MUST_USE;

/* Would we ourselves answer there, or, at a loopback address, another program of this host, which
 * trusts whoever comes from inside? */
bool smtp_hops_is_self(const struct smtp_hops_self *self, const struct netaddr *address);

void smtp_hops_one(struct smtp_hops *h, const struct netaddr *address);

enum smtp_hops_verdict {
    SMTP_HOPS_OK,
    SMTP_HOPS_NULL_MX, /* RFC 7505: takes no mail */
    SMTP_HOPS_SELF,    /* we are the best host for it, and nothing is better: a loop */
    SMTP_HOPS_FAMILY   /* no address of a family that a source has */
};
/* mx: look for ourselves (a configured next hop may be on our own address, on another port). */
enum smtp_hops_verdict smtp_hops_fill(struct smtp_hops *h, const struct resolver_answer *a,
    uint16_t port, bool mx, const struct smtp_hops_self *self);

/* "mx.example.org[192.0.2.1]:25", or "[192.0.2.1]:25" for a literal; terminated, cut to cap. */
#define SMTP_HOPS_TEXT_CAP 336
void smtp_hops_text(const struct smtp_hops *h, unsigned index, char out[SMTP_HOPS_TEXT_CAP]);

#endif
