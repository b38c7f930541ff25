/* links: core osi x400 */
#include "x400/or_address_ber.h"

/* What is read as an O/R address has a text that is the same address; if it can be somebody's, it
 * is written as BER that reads as the same. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[OR_ADDRESS_TEXT_BYTES_MAX];
    struct or_address a, again;
    struct or_error error;
    struct buf out;
    int n;

    if (or_address_read((struct slice){ (const char *)data, size }, &a, &error) < 0) {
        CHECK(strnlen(error.text, sizeof(error.text)) < sizeof(error.text));
        CHECK(error.text[0] != '\0');
        return 0;
    }
    n = or_address_text(&a, OR_TEXT_SEMICOLON, text, sizeof(text));
    CHECK(n >= 0);
    CHECK(n == 0 || or_address_parse((struct slice){ text, (size_t)n }, &again, &error) == 0);
    CHECK(n == 0 || or_address_equal(&a, &again));
    buf_init(&out, 8192);
    CHECK(or_address_write(&a, BER_APPLICATION(0), &out) == 0);
    CHECK(or_address_read(buf_slice(&out), &again, &error) == 0);
    CHECK(or_address_check(&a, &error) < 0 || or_address_equal(&a, &again));
    buf_fini(&out);
    return 0;
}
