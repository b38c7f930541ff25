/* core/crc32c.h - CRC-32C (Castagnoli), in hardware where there is SSE 4.2 or wide carry-less
 * products. Pure. */
#ifndef CORE_CRC32C_H
#define CORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continue crc (0 to begin) over n bytes. crc32c(crc32c(0, a), b) == crc32c(0, ab). */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t n);
/* The table version, for the test that compares both. */
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t n);

#endif
