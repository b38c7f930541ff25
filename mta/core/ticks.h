/* core/ticks.h - time: three clocks with their own names, and text for them.
 *   ticks   CLOCK_MONOTONIC, for timers; passed into pure code as now_ms
 *   boot    CLOCK_BOOTTIME, for the lease only (goes on in suspend)
 *   wall    CLOCK_REALTIME, for people, and for retry times that another node must understand */
#ifndef CORE_TICKS_H
#define CORE_TICKS_H

#include "core/slice.h"

#include <time.h>

uint64_t ticks_ms(void);
uint64_t ticks_boot_ns(void);
uint64_t ticks_wall_ms(void); /* since 1970 */
/* CLOCK_MONOTONIC ns from now: until when a thread waits, whatever becomes of the wall clock. */
struct timespec ticks_until(uint64_t ns);

#define TICKS_RFC3339_CAP 32
/* "2026-11-21T08:30:00.123Z", always terminated. */
void ticks_rfc3339(uint64_t wall_ms, char out[TICKS_RFC3339_CAP]);
/* RFC 5322 date-time in UTC: "Sat, 21 Nov 2026 08:30:00 +0000". */
#define TICKS_RFC5322_CAP 40
void ticks_rfc5322(uint64_t wall_ms, char out[TICKS_RFC5322_CAP]);

/* "250ms", "30s", "5min", "4h", "5d" (and sums: "1h30min") to milliseconds; "256MiB", "4KiB", "100"
 * to bytes. */
int ticks_parse_duration(struct slice s, uint64_t *ms) MUST_USE;
int ticks_parse_size(struct slice s, uint64_t *bytes) MUST_USE;

#endif
