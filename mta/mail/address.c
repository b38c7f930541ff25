/* address.c - mailboxes and paths by RFC 5321 section 4.1.2, in one pass over the bytes. */
#include "mail/address.h"
#include "core/netaddr.h"

#define LABEL_BYTES_MAX 63 /* RFC 1035 section 2.3.4 */

static bool
is_let_dig(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* RFC 5322 atext. */
static const bool atext[256] = { ['!'] = true,
    ['#'] = true,
    ['$'] = true,
    ['%'] = true,
    ['&'] = true,
    ['\''] = true,
    ['*'] = true,
    ['+'] = true,
    ['-'] = true,
    ['/'] = true,
    ['='] = true,
    ['?'] = true,
    ['^'] = true,
    ['_'] = true,
    ['`'] = true,
    ['{'] = true,
    ['|'] = true,
    ['}'] = true,
    ['~'] = true,
    ['0' ... '9'] = true,
    ['A' ... 'Z'] = true,
    ['a' ... 'z'] = true };

/* Each returns the length of what it names at the beginning of s, 0 if that is not there. */

static size_t
dot_string_bytes(struct slice s)
{
    size_t i = 0;

    while (i < s.n) {
        size_t atom = i;

        while (i < s.n && atext[(unsigned char)s.p[i]]) {
            i++;
        }
        if (i == atom) {
            return 0; /* nothing, or a dot at an end or beside another */
        }
        if (i == s.n || s.p[i] != '.') {
            return i;
        }
        i++;
    }
    return 0;
}

static size_t
quoted_string_bytes(struct slice s)
{
    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i] == '"') {
            return i + 1;
        }
        if (s.p[i] == '\\') {
            i++; /* any printable one may follow */
        }
        if (i < s.n && (s.p[i] < ' ' || s.p[i] > '~')) {
            return 0;
        }
    }
    return 0;
}

static size_t
local_bytes(struct slice s)
{
    return s.n > 0 && s.p[0] == '"' ? quoted_string_bytes(s) : dot_string_bytes(s);
}

static size_t
label_bytes(struct slice s)
{
    size_t i = 0;

    while (i < s.n && (is_let_dig(s.p[i]) || s.p[i] == '-')) {
        i++;
    }
    if (i == 0 || i > LABEL_BYTES_MAX || s.p[0] == '-' || s.p[i - 1] == '-') {
        return 0;
    }
    return i;
}

static size_t
literal_bytes(struct slice s)
{
    static const struct slice tag = { "IPv6:", 5 };
    size_t end = slice_find(s, ']');
    struct slice inside = slice_sub(s, 1, end - 1);
    struct netaddr a;
    bool v6;

    if (s.n == 0 || s.p[0] != '[' || end == s.n) {
        return 0;
    }
    v6 = slice_istarts(inside, tag);
    if (v6) {
        inside = slice_skip(inside, tag.n);
    }
    if (slice_find(inside, '%') < inside.n || netaddr_parse(inside, &a) < 0 ||
        a.family != (v6 ? AF_INET6 : AF_INET)) {
        return 0;
    }
    return end + 1;
}

static size_t
domain_bytes(struct slice s)
{
    size_t i = 0;

    if (s.n > 0 && s.p[0] == '[') {
        return literal_bytes(s);
    }
    for (;;) {
        size_t n = label_bytes(slice_skip(s, i));

        if (n == 0) {
            return 0;
        }
        i += n;
        if (i == s.n || s.p[i] != '.') {
            return i;
        }
        i++;
    }
}

bool
address_domain_valid(struct slice domain)
{
    return domain.n > 0 && domain.n <= ADDRESS_DOMAIN_BYTES_MAX && domain_bytes(domain) == domain.n;
}

/* A mailbox at the beginning of s; *n is its length. */
static int
parse_mailbox(struct slice s, struct address *out, size_t *n)
{
    size_t local = local_bytes(s);
    size_t domain;

    if (local == 0 || local >= s.n || s.p[local] != '@') {
        return BH_ESYNTAX;
    }
    domain = domain_bytes(slice_skip(s, local + 1));
    if (domain == 0) {
        return BH_ESYNTAX;
    }
    *n = local + 1 + domain;
    if (local > ADDRESS_LOCAL_BYTES_MAX || domain > ADDRESS_DOMAIN_BYTES_MAX ||
        *n > ADDRESS_PATH_BYTES_MAX - 2) {
        return BH_ETOOBIG;
    }
    *out = (struct address){ .text = slice_sub(s, 0, *n),
        .local = slice_sub(s, 0, local),
        .domain = slice_sub(s, local + 1, domain),
        .literal = s.p[local + 1] == '[' };
    return 0;
}

int
address_parse(struct slice s, struct address *out)
{
    struct address a;
    size_t n;
    int rc = parse_mailbox(s, &a, &n);

    if (rc < 0) {
        return rc;
    }
    if (n != s.n) {
        return BH_ESYNTAX;
    }
    *out = a;
    return 0;
}

/* "@a,@b:" (RFC 5321 appendix C): accepted, ignored. Its length; 0 if it is malformed. */
static size_t
source_route_bytes(struct slice s)
{
    size_t i = 0;

    while (i < s.n && s.p[i] == '@') {
        size_t n = domain_bytes(slice_skip(s, i + 1));

        i += 1 + n;
        if (n == 0 || i >= s.n) {
            return 0;
        }
        if (s.p[i] == ':') {
            return i + 1;
        }
        if (s.p[i] != ',') {
            return 0;
        }
        i++;
    }
    return 0;
}

/* "<>" or "<postmaster>", which are no mailboxes. Its length with the brackets, or 0. */
static size_t
special_path(struct slice s, bool null_ok, bool postmaster_ok, struct address *out)
{
    static const struct slice name = { "<postmaster>", 12 };

    if (null_ok && s.n >= 2 && s.p[1] == '>') {
        *out = (struct address){ .text = { s.p + 1, 0 } };
        return 2;
    }
    if (postmaster_ok && slice_istarts(s, name)) {
        *out = (struct address){ .text = slice_sub(s, 1, name.n - 2) };
        out->local = out->text;
        return name.n;
    }
    return 0;
}

int
address_parse_path(
    struct slice s, bool null_ok, bool postmaster_ok, struct address *out, struct slice *rest)
{
    struct address a;
    size_t n, route = 0;
    int rc;

    if (s.n < 2 || s.p[0] != '<') {
        return BH_ESYNTAX;
    }
    n = special_path(s, null_ok, postmaster_ok, &a);
    if (n > 0) {
        *out = a;
        *rest = slice_skip(s, n);
        return 0;
    }
    if (s.p[1] == '@') {
        route = source_route_bytes(slice_skip(s, 1));
        if (route == 0) {
            return BH_ESYNTAX;
        }
    }
    rc = parse_mailbox(slice_skip(s, 1 + route), &a, &n);
    if (rc < 0) {
        return rc;
    }
    n += 1 + route;
    if (n >= s.n || s.p[n] != '>') {
        return BH_ESYNTAX;
    }
    if (n + 1 > ADDRESS_PATH_BYTES_MAX) {
        return BH_ETOOBIG;
    }
    *out = a;
    *rest = slice_skip(s, n + 1);
    return 0;
}

bool
address_is_postmaster(const struct address *a)
{
    struct slice local = a->local;

    if (local.n > 2 && local.p[0] == '"') {
        local = slice_sub(local, 1, local.n - 2);
    }
    return slice_ieq(local, SLICE_LIT("postmaster"));
}
