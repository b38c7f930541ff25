/* smtp_hops.c - candidates of a session. Pure. */
#include "smtp/smtp_hops.h"

#include <stdio.h>

#define PORT_SMTP 25

int
smtp_hops_literal(struct slice destination, uint16_t port, struct netaddr *out)
{
    struct slice inner;

    if (destination.n < 2 || destination.p[0] != '[' || destination.p[destination.n - 1] != ']') {
        return BH_ESYNTAX;
    }
    inner = slice_sub(destination, 1, destination.n - 2);
    if (slice_istarts(inner, SLICE_LIT("IPv6:"))) {
        inner = slice_skip(inner, 5);
    }
    if (netaddr_parse(inner, out) < 0) {
        return BH_ESYNTAX;
    }
    out->port = port;
    return 0;
}

/* At another port somebody else may live on our address. */
bool
smtp_hops_is_self(const struct smtp_hops_self *self, const struct netaddr *a)
{
    if (a->port != PORT_SMTP) {
        return false;
    }
    for (size_t i = 0; i < self->vip_count; i++) {
        if (netaddr_eq(&self->vips[i], a)) {
            return true;
        }
    }
    return netaddr_is_loopback(a) || netaddr_is_any(a);
}

void
smtp_hops_one(struct smtp_hops *h, const struct netaddr *address)
{
    h->count = 1;
    h->at = 0;
    h->list[0].address = *address;
    h->list[0].name = 0;
    h->names[0][0] = '\0';
}

static bool
has_family(const struct smtp_hops_self *self, const struct netaddr *a)
{
    if (netaddr_is_loopback(a)) {
        return true; /* does not leave the host */
    }
    for (size_t i = 0; i < self->source_count; i++) {
        if (self->sources[i].family == a->family) {
            return true;
        }
    }
    return false;
}

/* Our name, or one of our addresses. */
static bool
host_is_self(const struct resolver_host *host, uint16_t port, const struct smtp_hops_self *self)
{
    struct slice name = slice_of(host->name);

    if (name.n > 0 && name.p[name.n - 1] == '.') {
        name.n--;
    }
    if (slice_ieq(name, slice_of(self->hostname))) {
        return true;
    }
    for (unsigned i = 0; i < host->address_count; i++) {
        struct netaddr a = host->addresses[i];

        a.port = port;
        if (smtp_hops_is_self(self, &a)) {
            return true;
        }
    }
    return false;
}

static void
add_host(struct smtp_hops *h, const struct resolver_host *host, unsigned name, uint16_t port,
    const struct smtp_hops_self *self)
{
    memcpy(h->names[name], host->name, sizeof(h->names[name]));
    h->names[name][sizeof(h->names[name]) - 1] = '\0';
    for (unsigned i = 0; i < host->address_count && h->count < SMTP_HOPS_MAX; i++) {
        if (has_family(self, &host->addresses[i])) {
            h->list[h->count].address = host->addresses[i];
            h->list[h->count].address.port = port;
            h->list[h->count].name = (uint8_t)name;
            h->count++;
        }
    }
}

enum smtp_hops_verdict
smtp_hops_fill(struct smtp_hops *h, const struct resolver_answer *a, uint16_t port, bool mx,
    const struct smtp_hops_self *self)
{
    unsigned host_count = MIN(a->host_count, (unsigned)RESOLVER_HOSTS_MAX);
    uint32_t limit = UINT32_MAX; /* preferences from here on lead back to us */

    h->count = 0;
    h->at = 0;
    if (a->null_mx) {
        return SMTP_HOPS_NULL_MX;
    }
    for (unsigned i = 0; mx && i < host_count; i++) {
        if (a->hosts[i].preference < limit && host_is_self(&a->hosts[i], port, self)) {
            limit = a->hosts[i].preference;
        }
    }
    for (unsigned i = 0; i < host_count; i++) {
        if (a->hosts[i].preference < limit) {
            add_host(h, &a->hosts[i], i, port, self);
        }
    }
    if (h->count > 0) {
        return SMTP_HOPS_OK;
    }
    return limit != UINT32_MAX ? SMTP_HOPS_SELF : SMTP_HOPS_FAMILY;
}

void
smtp_hops_text(const struct smtp_hops *h, unsigned index, char out[SMTP_HOPS_TEXT_CAP])
{
    char address[NETADDR_TEXT_CAP];
    int n;

    netaddr_text_port(&h->list[index].address, address);
    n = snprintf(out, SMTP_HOPS_TEXT_CAP, "%s%s", h->names[h->list[index].name], address);
    CHECK(n > 0);
}
