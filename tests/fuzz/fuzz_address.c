/* links: core mail */
#include "mail/address.h"

/* What is taken as a path is one: its mailbox is a mailbox by itself, its parts add up, its domain
 * is a domain, and what follows it is the rest of the input. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
inside(struct slice part, struct slice whole)
{
    return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = { (const char *)data, size }, rest;
    struct address a, again;

    if (address_parse_path(all, true, true, &a, &rest) == 0) {
        CHECK(inside(a.text, all) && inside(rest, all) && rest.n < size);
        CHECK(a.text.n + 2 <= ADDRESS_PATH_BYTES_MAX);
        CHECK(rest.p[-1] == '>');
        if (a.domain.n > 0) {
            CHECK(address_parse(a.text, &again) == 0);
            CHECK(slice_eq(again.local, a.local) && slice_eq(again.domain, a.domain));
            CHECK(a.local.n + 1 + a.domain.n == a.text.n);
        } else {
            CHECK(a.text.n == 0 || address_is_postmaster(&a));
        }
    }
    if (address_parse(all, &a) == 0) {
        CHECK(a.text.n == size && a.local.n <= ADDRESS_LOCAL_BYTES_MAX);
        CHECK(address_domain_valid(a.domain));
    }
    (void)address_domain_valid(all);
    return 0;
}
