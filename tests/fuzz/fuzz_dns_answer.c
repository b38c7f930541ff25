/* links: net */
/* dns_answer_each reads any packet without leaving it, ends, and gives only what is usable. */
#include "net/dns_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_record(void *ctx, const struct dns_record *record)
{
    uint16_t type = *(const uint16_t *)ctx;
    char again[DNS_NAME_CAP];
    struct slice name = slice_of(record->name);

    CHECK(record->type == type);
    if (type == DNS_TYPE_MX) {
        /* A name that came out may be asked for, and is its own lower case. The root may not. */
        CHECK(name.n <= 253);
        CHECK(name.n == 0 || dns_name(name, again) == 0);
        CHECK(name.n == 0 || slice_eq(name, slice_of(again)));
    } else {
        CHECK(record->address.family == (type == DNS_TYPE_A ? AF_INET : AF_INET6));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t types[] = { DNS_TYPE_A, DNS_TYPE_MX, DNS_TYPE_AAAA };
    struct slice packet = { (const char *)data, size };
    char name[DNS_NAME_CAP];

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        uint16_t type = types[i];

        CHECK(dns_answer_each(packet, type, on_record, &type) <= 0);
    }
    CHECK(dns_answer_code(packet) < 16);
    if (dns_name(packet, name) == 0) {
        CHECK(slice_of(name).n <= 253);
    }
    return 0;
}
