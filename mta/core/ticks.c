#include "core/ticks.h"
#include <stdio.h>
#include <time.h>

#define MS_PER_S  1000u
#define NS_PER_MS 1000000u

static struct timespec
now(clockid_t clock)
{
    struct timespec ts;

    CHECK(clock_gettime(clock, &ts) == 0);
    return ts;
}

static uint64_t
to_ms(struct timespec ts)
{
    return (uint64_t)ts.tv_sec * MS_PER_S + (uint64_t)ts.tv_nsec / NS_PER_MS;
}

uint64_t
ticks_ms(void)
{
    return to_ms(now(CLOCK_MONOTONIC));
}

uint64_t
ticks_boot_ns(void)
{
    struct timespec ts = now(CLOCK_BOOTTIME);

    return (uint64_t)ts.tv_sec * MS_PER_S * NS_PER_MS + (uint64_t)ts.tv_nsec;
}

uint64_t
ticks_wall_ms(void)
{
    return to_ms(now(CLOCK_REALTIME));
}

struct timespec
ticks_until(uint64_t ns)
{
    struct timespec ts = now(CLOCK_MONOTONIC);

    ns += (uint64_t)ts.tv_nsec;
    ts.tv_sec += (time_t)(ns / (MS_PER_S * NS_PER_MS));
    ts.tv_nsec = (long)(ns % (MS_PER_S * NS_PER_MS));
    return ts;
}

/* A time read from a disk may be any number; the year must stay in four digits. */
#define WALL_MS_MAX 253402300799999u /* 9999-12-31T23:59:59.999Z */

static struct tm
broken_down(uint64_t wall_ms)
{
    time_t seconds = (time_t)(MIN(wall_ms, WALL_MS_MAX) / MS_PER_S);
    struct tm tm;

    CHECK(gmtime_r(&seconds, &tm) != NULL);
    return tm;
}

void
ticks_rfc3339(uint64_t wall_ms, char out[TICKS_RFC3339_CAP])
{
    struct tm tm = broken_down(wall_ms);
    unsigned ms = (unsigned)(MIN(wall_ms, WALL_MS_MAX) % MS_PER_S);
    size_t n = strftime(out, TICKS_RFC3339_CAP, "%Y-%m-%dT%H:%M:%S", &tm);

    (void)snprintf(out + n, TICKS_RFC3339_CAP - n, ".%03uZ", ms);
}

void
ticks_rfc5322(uint64_t wall_ms, char out[TICKS_RFC5322_CAP])
{
    /* Not strftime's %a and %b: those follow the locale, a mail header does not. */
    static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
        "Oct", "Nov", "Dec" };
    struct tm tm = broken_down(wall_ms);

    (void)snprintf(out, TICKS_RFC5322_CAP, "%s, %d %s %d %02d:%02d:%02d +0000", days[tm.tm_wday],
        tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit duration_units[] = { { "ms", 1 }, { "s", 1000 }, { "min", 60000 },
    { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 } };
static const struct unit size_units[] = { { "KiB", KIB }, { "MiB", MIB }, { "GiB", GIB },
    { "TiB", 1024 * GIB }, { "B", 1 }, { "", 1 }, { NULL, 0 } };

/* Take "12min" off the front of *rest. */
static int
take_quantity(struct slice *rest, const struct unit *units, uint64_t *out)
{
    size_t digits = 0, letters;
    struct slice name;
    uint64_t number;
    int rc;

    while (digits < rest->n && rest->p[digits] >= '0' && rest->p[digits] <= '9') {
        digits++;
    }
    rc = slice_u64(slice_sub(*rest, 0, digits), UINT64_MAX, &number);
    if (rc < 0) {
        return rc;
    }
    letters = digits;
    while (letters < rest->n && (rest->p[letters] < '0' || rest->p[letters] > '9')) {
        letters++;
    }
    name = slice_sub(*rest, digits, letters - digits);
    *rest = slice_skip(*rest, letters);
    for (; units->name != NULL; units++) {
        if (slice_eq(name, slice_of(units->name))) {
            return __builtin_mul_overflow(number, units->factor, out) ? BH_ETOOBIG : 0;
        }
    }
    return BH_ESYNTAX;
}

static int
parse_sum(struct slice s, const struct unit *units, uint64_t *out)
{
    uint64_t sum = 0, part;
    int rc;

    do {
        rc = take_quantity(&s, units, &part);
        if (rc < 0) {
            return rc;
        }
        if (__builtin_add_overflow(sum, part, &sum)) {
            return BH_ETOOBIG;
        }
    } while (s.n > 0);
    *out = sum;
    return 0;
}

int
ticks_parse_duration(struct slice s, uint64_t *ms)
{
    return parse_sum(s, duration_units, ms);
}

int
ticks_parse_size(struct slice s, uint64_t *bytes)
{
    return parse_sum(s, size_units, bytes);
}
