#include "core/crc32c.h"
#include "core/base.h"
#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#define HAVE_SSE42 1
#endif

#define POLYNOMIAL 0x82f63b78u /* Castagnoli, bits reversed */

/* table[k][b]: the CRC of byte b followed by k zero bytes ("slicing by 8"). */
static uint32_t table[8][256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void
fill_table(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;

        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL : 0);
        }
        table[0][b] = crc;
    }
    for (uint32_t b = 0; b < 256; b++) {
        for (int k = 1; k < 8; k++) {
            table[k][b] = (table[k - 1][b] >> 8) ^ table[0][table[k - 1][b] & 0xff];
        }
    }
}

static uint32_t
load_le32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t
crc32c_portable(uint32_t crc, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;

    (void)pthread_once(&table_once, fill_table);
    crc = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t low = crc ^ load_le32(p), high = load_le32(p + 4);

        crc = table[7][low & 0xff] ^ table[6][(low >> 8) & 0xff] ^ table[5][(low >> 16) & 0xff] ^
              table[4][low >> 24] ^ table[3][high & 0xff] ^ table[2][(high >> 8) & 0xff] ^
              table[1][(high >> 16) & 0xff] ^ table[0][high >> 24];
    }
    for (; n > 0; n--, p++) {
        crc = (crc >> 8) ^ table[0][(crc ^ *p) & 0xff];
    }
    return ~crc;
}

#ifdef HAVE_SSE42
/* Eight bytes an instruction: 8 GB/s on a 3 GHz core, far above any disk. Interleaving three
 * streams would triple that, for a merge step that nobody needs to maintain. */
__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t crc, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    uint64_t wide = ~crc;

    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;

        memcpy(&word, p, sizeof(word));
        wide = _mm_crc32_u64(wide, word);
    }
    crc = (uint32_t)wide;
    for (; n > 0; n--, p++) {
        crc = _mm_crc32_u8(crc, *p);
    }
    return ~crc;
}
#endif

uint32_t
crc32c(uint32_t crc, const void *bytes, size_t n)
{
#ifdef HAVE_SSE42
    if (__builtin_cpu_supports("sse4.2")) {
        return crc32c_sse42(crc, bytes, n);
    }
#endif
    return crc32c_portable(crc, bytes, n);
}
