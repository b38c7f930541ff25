#include "core/crc32c.h"
#include "core/base.h"
#include "core/le.h"
#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
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

uint32_t
crc32c_portable(uint32_t crc, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;

    (void)pthread_once(&table_once, fill_table);
    crc = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t low = crc ^ get_le32(p), high = get_le32(p + 4);

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
/* The instruction takes eight bytes, has its result three cycles later, and could begin again each
 * cycle: so three stretches of the bytes are done side by side, and their CRCs put together. A CRC
 * is linear: that of A followed by B is that of A followed by zeros, xor that of B from 0. */
#define LONG_BYTES  1024
#define SHORT_BYTES 256

static uint32_t long_zeros[4][256], short_zeros[4][256]; /* by byte of the CRC before the zeros */
static pthread_once_t zeros_once = PTHREAD_ONCE_INIT;

static void
fill_zeros(uint32_t zeros[4][256], size_t n)
{
    uint32_t bit[32];

    for (uint32_t i = 0; i < 32; i++) {
        bit[i] = 1u << i;
        for (size_t k = 0; k < n; k++) {
            bit[i] = (bit[i] >> 8) ^ table[0][bit[i] & 0xff];
        }
    }
    for (uint32_t k = 0; k < 4; k++) {
        for (uint32_t b = 0; b < 256; b++) {
            zeros[k][b] = 0;
            for (uint32_t i = 0; i < 8; i++) {
                zeros[k][b] ^= (b >> i & 1) != 0 ? bit[8 * k + i] : 0;
            }
        }
    }
}

static void
fill_both_zeros(void)
{
    (void)pthread_once(&table_once, fill_table);
    fill_zeros(long_zeros, LONG_BYTES);
    fill_zeros(short_zeros, SHORT_BYTES);
}

static uint32_t
followed_by_zeros(uint32_t zeros[4][256], uint32_t crc)
{
    return zeros[0][crc & 0xff] ^ zeros[1][(crc >> 8) & 0xff] ^ zeros[2][(crc >> 16) & 0xff] ^
           zeros[3][crc >> 24];
}

static uint64_t
load64(const unsigned char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
    return word;
}

/* Three stretches of n bytes each. */
__attribute__((target("sse4.2"))) static uint32_t
three(uint32_t crc, const unsigned char *p, size_t n, uint32_t zeros[4][256])
{
    uint64_t first = crc, second = 0, third = 0;

    for (const unsigned char *end = p + n; p < end; p += 8) {
        first = _mm_crc32_u64(first, load64(p));
        second = _mm_crc32_u64(second, load64(p + n));
        third = _mm_crc32_u64(third, load64(p + 2 * n));
    }
    crc = followed_by_zeros(zeros, (uint32_t)first) ^ (uint32_t)second;
    return followed_by_zeros(zeros, crc) ^ (uint32_t)third;
}

/* Where there are wide carry-less products, a stretch of 64 bytes is folded into one that lies
 * further behind: for a CRC, A followed by n bits is the same as n bits of zeros with A times x^n
 * added, each 64-bit half of A by a key of its own. Four stretches go side by side, 256 bytes at a
 * time; what they leave has the CRC of it all. (Intel, "Fast CRC Computation for Generic
 * Polynomials Using PCLMULQDQ".) */
#define FOLD_BYTES 256

static uint64_t far_key[2], near_key[2]; /* over 256 bytes, and over 64 */
static pthread_once_t keys_once = PTHREAD_ONCE_INIT;

/* x^n in the field, bits reversed as in the table; one place up, since products are one bit short.
 */
static uint64_t
power(unsigned n)
{
    uint32_t v = 0x80000000U;

    for (; n > 0; n--) {
        v = (v >> 1) ^ ((v & 1) != 0 ? POLYNOMIAL : 0);
    }
    return (uint64_t)v << 1;
}

static void
fill_keys(void)
{
    far_key[0] = power(8 * FOLD_BYTES + 32);
    far_key[1] = power(8 * FOLD_BYTES - 32);
    near_key[0] = power(8 * 64 + 32);
    near_key[1] = power(8 * 64 - 32);
}

#define FOLD_TARGET __attribute__((target("avx512f,vpclmulqdq,sse4.2")))

FOLD_TARGET static inline __m512i
fold(__m512i a, __m512i key, __m512i onto)
{
    __m512i low = _mm512_clmulepi64_epi128(a, key, 0x00);
    __m512i high = _mm512_clmulepi64_epi128(a, key, 0x11);

    return _mm512_xor_si512(_mm512_xor_si512(low, high), onto);
}

/* Both words in each quarter. */
FOLD_TARGET static inline __m512i
keys(const uint64_t word[2])
{
    return _mm512_broadcast_i32x4(_mm_set_epi64x((long long)word[1], (long long)word[0]));
}

/* n bytes, a multiple of FOLD_BYTES and not 0. */
FOLD_TARGET static uint32_t
folded(uint32_t crc, const unsigned char *p, size_t n)
{
    __m512i key, a[4];
    uint64_t left[8], wide = 0;

    (void)pthread_once(&keys_once, fill_keys);
    key = keys(far_key);
    for (int i = 0; i < 4; i++) {
        a[i] = _mm512_loadu_si512(p + 64 * i);
    }
    a[0] = _mm512_xor_si512(a[0], _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)crc)));
    for (const unsigned char *end = p + n; (p += FOLD_BYTES) < end;) {
        for (int i = 0; i < 4; i++) {
            a[i] = fold(a[i], key, _mm512_loadu_si512(p + 64 * i));
        }
    }
    key = keys(near_key);
    a[1] = fold(a[0], key, a[1]);
    a[2] = fold(a[1], key, a[2]);
    a[3] = fold(a[2], key, a[3]);
    _mm512_storeu_si512(left, a[3]);
    for (int i = 0; i < 8; i++) {
        wide = _mm_crc32_u64(wide, left[i]);
    }
    return (uint32_t)wide;
}

static bool
can_fold(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq");
}

__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t crc, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    uint64_t wide;

    crc = ~crc;
    if (n >= 2 * (size_t)FOLD_BYTES && can_fold()) {
        size_t whole = n - n % FOLD_BYTES;

        crc = folded(crc, p, whole);
        p += whole;
        n -= whole;
    }
    if (n >= 3 * SHORT_BYTES) {
        (void)pthread_once(&zeros_once, fill_both_zeros);
    }
    for (; n >= 3 * LONG_BYTES; n -= 3 * LONG_BYTES, p += 3 * LONG_BYTES) {
        crc = three(crc, p, LONG_BYTES, long_zeros);
    }
    for (; n >= 3 * SHORT_BYTES; n -= 3 * SHORT_BYTES, p += 3 * SHORT_BYTES) {
        crc = three(crc, p, SHORT_BYTES, short_zeros);
    }
    wide = crc;
    for (; n >= 8; n -= 8, p += 8) {
        wide = _mm_crc32_u64(wide, load64(p));
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
