/* netaddr.c - IP addresses as values: text to value and back. Pure. */
#include "core/netaddr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>

static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };

/* "%eth0" or "%2". An interface that is not there cannot be meant. */
static int
parse_scope(struct slice s, uint32_t *scope_id)
{
    char name[IF_NAMESIZE];
    uint64_t number;

    if (s.n == 0) {
        return BH_ESYNTAX;
    }
    if (slice_u64(s, UINT32_MAX, &number) == 0) {
        *scope_id = (uint32_t)number;
        return 0;
    }
    if (slice_copy(s, name, sizeof(name)) < 0) {
        return BH_ESYNTAX;
    }
    *scope_id = if_nametoindex(name);
    return *scope_id != 0 ? 0 : BH_ESYNTAX;
}

static int
parse_v6(struct slice s, struct netaddr *out)
{
    struct netaddr a = { .family = AF_INET6 };
    size_t percent = slice_find(s, '%');
    char text[INET6_ADDRSTRLEN];

    if (slice_copy(slice_sub(s, 0, percent), text, sizeof(text)) < 0 ||
        inet_pton(AF_INET6, text, a.bytes) != 1) {
        return BH_ESYNTAX;
    }
    if (percent < s.n && parse_scope(slice_skip(s, percent + 1), &a.scope_id) < 0) {
        return BH_ESYNTAX;
    }
    if (memcmp(a.bytes, v4_mapped, sizeof(v4_mapped)) == 0) {
        /* One host, one spelling: else a comparison with a VIP or an allowed network fails. */
        struct netaddr v4 = { .family = AF_INET };

        memcpy(v4.bytes, a.bytes + 12, 4);
        a = v4;
    }
    *out = a;
    return 0;
}

int
netaddr_parse(struct slice s, struct netaddr *out)
{
    struct netaddr a = { .family = AF_INET };
    char text[INET_ADDRSTRLEN];

    if (memchr(s.n > 0 ? s.p : "", '\0', s.n) != NULL) {
        return BH_ESYNTAX; /* inet_pton would stop there and accept what stands before */
    }
    if (slice_find(s, ':') < s.n) {
        return parse_v6(s, out);
    }
    if (slice_copy(s, text, sizeof(text)) < 0 || inet_pton(AF_INET, text, a.bytes) != 1) {
        return BH_ESYNTAX;
    }
    *out = a;
    return 0;
}

static int
parse_port(struct slice s, uint16_t *port)
{
    uint64_t number;

    if (slice_u64(s, UINT16_MAX, &number) < 0 || number == 0) {
        return BH_ESYNTAX;
    }
    *port = (uint16_t)number;
    return 0;
}

int
netaddr_parse_port(struct slice s, uint16_t default_port, struct netaddr *out)
{
    struct slice address = s;
    struct slice port = SLICE_NONE;
    bool has_port = false;
    uint16_t number = default_port;
    struct netaddr a;

    if (s.n > 0 && s.p[0] == '[') {
        size_t end = slice_find(s, ']');

        if (end == s.n) {
            return BH_ESYNTAX;
        }
        address = slice_sub(s, 1, end - 1);
        port = slice_skip(s, end + 1);
        has_port = port.n > 0;
        if (has_port && port.p[0] != ':') {
            return BH_ESYNTAX;
        }
        port = slice_skip(port, 1);
    } else if (slice_find(s, ':') < s.n && slice_find(s, ':') == slice_rfind(s, ':')) {
        /* just one colon: no IPv6 address has that */
        has_port = true;
        address = slice_sub(s, 0, slice_find(s, ':'));
        port = slice_skip(s, address.n + 1);
    }
    if ((has_port && parse_port(port, &number) < 0) || netaddr_parse(address, &a) < 0) {
        return BH_ESYNTAX;
    }
    a.port = number;
    *out = a;
    return 0;
}

void
netaddr_text(const struct netaddr *a, char out[NETADDR_TEXT_CAP])
{
    size_t used;

    if ((a->family != AF_INET && a->family != AF_INET6) ||
        inet_ntop(a->family, a->bytes, out, NETADDR_TEXT_CAP) == NULL) {
        snprintf(out, NETADDR_TEXT_CAP, "none");
        return;
    }
    if (a->scope_id != 0) {
        used = strlen(out);
        snprintf(out + used, NETADDR_TEXT_CAP - used, "%%%u", a->scope_id);
    }
}

void
netaddr_text_port(const struct netaddr *a, char out[NETADDR_TEXT_CAP])
{
    char text[NETADDR_TEXT_CAP];

    netaddr_text(a, text);
    /* An address with scope has at most 39 + 11 characters: it always fits. */
    snprintf(out, NETADDR_TEXT_CAP, "[%.54s]:%u", text, a->port);
}

static size_t
address_bytes(const struct netaddr *a)
{
    return a->family == AF_INET ? 4 : a->family == AF_INET6 ? 16 : 0;
}

bool
netaddr_eq(const struct netaddr *a, const struct netaddr *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, address_bytes(a)) == 0 &&
           (a->scope_id == b->scope_id || a->scope_id == 0 || b->scope_id == 0);
}

bool
netaddr_is_loopback(const struct netaddr *a)
{
    static const uint8_t v6_loopback[16] = { [15] = 1 };

    if (a->family == AF_INET) {
        return a->bytes[0] == 127;
    }
    return a->family == AF_INET6 && memcmp(a->bytes, v6_loopback, sizeof(v6_loopback)) == 0;
}

bool
netaddr_is_any(const struct netaddr *a)
{
    static const uint8_t zeros[16];

    return a->family != 0 && memcmp(a->bytes, zeros, address_bytes(a)) == 0;
}

socklen_t
netaddr_to_sockaddr(const struct netaddr *a, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (a->family == AF_INET) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;

        v4->sin_family = AF_INET;
        v4->sin_port = htons(a->port);
        memcpy(&v4->sin_addr, a->bytes, 4);
        return sizeof(*v4);
    }
    if (a->family == AF_INET6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;

        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(a->port);
        v6->sin6_scope_id = a->scope_id;
        memcpy(&v6->sin6_addr, a->bytes, 16);
        return sizeof(*v6);
    }
    return 0;
}

int
netaddr_from_sockaddr(const struct sockaddr *sa, struct netaddr *out)
{
    struct netaddr a = { 0 };

    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)sa;

        a.family = AF_INET;
        a.port = ntohs(v4->sin_port);
        memcpy(a.bytes, &v4->sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)sa;

        a.port = ntohs(v6->sin6_port);
        if (memcmp(&v6->sin6_addr, v4_mapped, sizeof(v4_mapped)) == 0) {
            a.family = AF_INET;
            memcpy(a.bytes, v6->sin6_addr.s6_addr + 12, 4);
        } else {
            a.family = AF_INET6;
            a.scope_id = v6->sin6_scope_id;
            memcpy(a.bytes, &v6->sin6_addr, 16);
        }
    } else {
        return -EAFNOSUPPORT;
    }
    *out = a;
    return 0;
}

static bool
bits_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(a, b, whole) != 0) {
        return false;
    }
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

int
netaddr_parse_prefix(struct slice s, struct netaddr_prefix *out)
{
    size_t slash = slice_find(s, '/');
    struct netaddr_prefix p = { .bits = 0 };
    unsigned bits_max;
    uint64_t bits;

    if (netaddr_parse(slice_sub(s, 0, slash), &p.net) < 0) {
        return BH_ESYNTAX;
    }
    bits_max = (unsigned)address_bytes(&p.net) * 8;
    bits = bits_max;
    if (slash < s.n && slice_u64(slice_skip(s, slash + 1), bits_max, &bits) < 0) {
        return BH_ESYNTAX;
    }
    for (unsigned bit = (unsigned)bits; bit < bits_max; bit++) {
        if ((p.net.bytes[bit / 8] & (0x80u >> (bit % 8))) != 0) {
            return BH_ESYNTAX; /* "10.1.2.3/8": was /32 meant, or 10.0.0.0/8? */
        }
    }
    p.bits = (uint8_t)bits;
    *out = p;
    return 0;
}

bool
netaddr_in(const struct netaddr *a, const struct netaddr_prefix *p)
{
    return a->family != 0 && a->family == p->net.family &&
           bits_equal(a->bytes, p->net.bytes, p->bits);
}
