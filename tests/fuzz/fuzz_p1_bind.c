/* links: core osi x400 */
#include "x400/p1_bind.h"

/* Whatever the octets: what is read is within its bounds, and what was read and is written again
 * reads the same.
 *
 * Input: byte 0: bits 0-1 the protocol, bits 2-3 the kind. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct p1_bind b, again;
    const char *error = NULL;
    enum p1_protocol p;
    enum p1_bind_kind kind;
    struct buf out;

    if (size == 0) {
        return 0;
    }
    p = (enum p1_protocol)(data[0] & 3u ? (data[0] & 3u) - 1 : 0);
    kind = (enum p1_bind_kind)(data[0] >> 2 & 3u ? (data[0] >> 2 & 3u) - 1 : 0);
    if (p1_bind_read((struct slice){ (const char *)data + 1, size - 1 }, p, kind, &b, &error) < 0) {
        CHECK(error != NULL);
        return 0;
    }
    CHECK(b.mta_name.n <= P1_MTA_NAME_BYTES_MAX && b.password.n <= P1_PASSWORD_BYTES_MAX);
    CHECK(!b.authenticated || b.mta_name.n > 0);
    CHECK(b.strong || p1_bind_match(&b, b.mta_name, b.password) == P1_MATCH);
    buf_init(&out, 256);
    CHECK(p1_bind_write(&out, p, &b) == 0);
    CHECK(p1_bind_read(buf_slice(&out), p, kind, &again, &error) == 0);
    CHECK(again.authenticated == b.authenticated && again.error == b.error);
    CHECK(slice_eq(again.mta_name, b.mta_name) && slice_eq(again.password, b.password));
    buf_fini(&out);
    return 0;
}
