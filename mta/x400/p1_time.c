#include "x400/p1_time.h"

#define DAY_SECONDS 86400

struct fields {
    int year; /* of two digits, or of three since 1900 */
    bool whole_year;
    int month, day, hour, minute, second;
    int offset_minutes; /* ahead of UTC */
};

/* Days since 1970-01-01 of a date in the Gregorian calendar. March is a year's first month here, so
 * that a leap day is its last. */
static int64_t
days_of(int year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void
date_of(int64_t days, int *year, int *month, int *day)
{
    int64_t z = days + 719468;
    int64_t era = z / 146097;
    int64_t of_era = z - era * 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * of_year + 2) / 153;

    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(y + era * 400 + (*month <= 2));
}

static bool
take(struct slice *s, size_t digits, int low, int high, int *out)
{
    int v = 0;

    if (s->n < digits) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        if (s->p[i] < '0' || s->p[i] > '9') {
            return false;
        }
        v = v * 10 + (s->p[i] - '0');
    }
    *s = slice_skip(*s, digits);
    *out = v;
    return v >= low && v <= high;
}

static bool
take_zone(struct slice *s, int *offset_minutes)
{
    int sign, hours, minutes;

    *offset_minutes = 0;
    if (s->n == 0) {
        return false;
    }
    sign = s->p[0] == '-' ? -1 : 1;
    if (s->p[0] == 'Z') {
        *s = slice_skip(*s, 1);
        return true;
    }
    if (s->p[0] != '+' && s->p[0] != '-') {
        return false;
    }
    *s = slice_skip(*s, 1);
    if (!take(s, 2, 0, 23, &hours) || !take(s, 2, 0, 59, &minutes)) {
        return false;
    }
    *offset_minutes = sign * (hours * 60 + minutes);
    return true;
}

static bool
parse(struct slice s, struct fields *f)
{
    size_t digits = 0;

    while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9') {
        digits++;
    }
    if (digits < 10 || digits > 13) {
        return false;
    }
    *f = (struct fields){ .whole_year = digits % 2 == 1 };
    if (!take(&s, f->whole_year ? 3 : 2, 0, 999, &f->year) || !take(&s, 2, 1, 12, &f->month) ||
        !take(&s, 2, 1, 31, &f->day) || !take(&s, 2, 0, 23, &f->hour) ||
        !take(&s, 2, 0, 59, &f->minute)) {
        return false;
    }
    if (digits >= 12 && !take(&s, 2, 0, 60, &f->second)) { /* a leap second may be */
        return false;
    }
    return take_zone(&s, &f->offset_minutes) && s.n == 0;
}

bool
p1_time_ok(struct slice text)
{
    struct fields f;

    return parse(text, &f);
}

int
p1_time_read(struct slice text, uint64_t now_wall_ms, uint64_t *out_wall_ms)
{
    struct fields f;
    int year, month, day;
    int64_t seconds;

    if (!parse(text, &f)) {
        return BH_ESYNTAX;
    }
    date_of((int64_t)(now_wall_ms / 1000 / DAY_SECONDS), &year, &month, &day);
    if (f.whole_year) {
        year = 1900 + f.year;
    } else { /* the one that ends so, of the hundred from 50 years ago on */
        year -= 50;
        year += ((f.year - year) % 100 + 100) % 100;
    }
    seconds = days_of(year, f.month, f.day) * DAY_SECONDS + f.hour * 3600 +
              (f.minute - f.offset_minutes) * 60 + f.second;
    if (seconds < 0) {
        return BH_ESYNTAX;
    }
    *out_wall_ms = (uint64_t)seconds * 1000;
    return 0;
}

static void
put_two(char *p, unsigned n)
{
    p[0] = (char)('0' + n / 10 % 10);
    p[1] = (char)('0' + n % 10);
}

/* Once for each recipient of a report. */
void
p1_time_write(uint64_t wall_ms, char out[P1_TIME_WRITTEN_BYTES + 1])
{
    uint64_t seconds = wall_ms / 1000;
    unsigned of_day = (unsigned)(seconds % DAY_SECONDS);
    int year, month, day;

    date_of((int64_t)(seconds / DAY_SECONDS), &year, &month, &day);
    put_two(out, (unsigned)year);
    put_two(out + 2, (unsigned)month);
    put_two(out + 4, (unsigned)day);
    put_two(out + 6, of_day / 3600);
    put_two(out + 8, of_day / 60 % 60);
    put_two(out + 10, of_day % 60);
    out[12] = 'Z';
    out[13] = '\0';
}
