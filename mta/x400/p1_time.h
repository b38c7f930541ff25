/* x400/p1_time.h - times in P1: UTCTime (X.680 section 43). Pure.
 *
 * Read: YYMMDDhhmm, seconds or none, Z or an offset; three digits of year (a peer with a bug of the
 * year 2000: 126 is 2026). Two digits of year are within 50 years of now, which includes what is
 * asked for by ICAO Doc 9880 (10 back, 40 ahead). Written: YYMMDDhhmmssZ. */
#ifndef X400_P1_TIME_H
#define X400_P1_TIME_H

#include "core/slice.h"
#include "x400/p1.h"

#define P1_TIME_WRITTEN_BYTES 13

/* Whether it is one, whatever the century. */
bool p1_time_ok(struct slice text);
/* Milliseconds since 1970. BH_ESYNTAX: no time, or one before 1970. */
int p1_time_read(struct slice text, uint64_t now_wall_ms, uint64_t *out_wall_ms) MUST_USE;
void p1_time_write(uint64_t wall_ms, char out[P1_TIME_WRITTEN_BYTES + 1]);

#endif
