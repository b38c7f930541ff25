/* links: core osi */
#include "osi/acse.h"

/* Whatever the octets: what is read lies in them, and what was read and is written again reads the
 * same. */

static void
within(struct slice part, struct slice all)
{
    CHECK(part.n == 0 || (part.p >= all.p && part.p + part.n <= all.p + all.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = { (const char *)data, size };
    struct acse_apdu a, again;
    const char *error = NULL;
    struct buf b;

    if (acse_read(all, &a, &error) < 0) {
        CHECK(error != NULL);
        return 0;
    }
    within(a.context, all);
    within(a.called_ap, all);
    within(a.user, all);
    if (a.context.n > ACSE_OID_BYTES_MAX) {
        return 0;
    }
    buf_init(&b, 2 * size + 256);
    CHECK(acse_write(&b, &a) == 0);
    /* The value is whatever a peer put there: only one that is BER comes back. */
    if (acse_read(buf_slice(&b), &again, &error) == 0) {
        CHECK(again.kind == a.kind && again.result == a.result);
        CHECK(slice_eq(again.context, a.context));
        CHECK(a.kind != ACSE_AARE || again.diagnostic == a.diagnostic);
    } else {
        CHECK(a.user.n > 0);
    }
    buf_fini(&b);
    return 0;
}
