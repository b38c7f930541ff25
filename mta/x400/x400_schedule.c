#include "x400/x400_schedule.h"
#include <time.h>

#define DAY_MINUTES    (24 * 60)
#define WEEK_MINUTES   (7 * DAY_MINUTES)
#define MINUTE_MS      ((uint64_t)60 * 1000)
#define LOOK_STEPS_MAX 64 /* clock changes and windows looked at: of weeks */

/* ---- reading */

/* "08:00"; 24:00 is the end of the day. */
static int
read_minute(struct slice s, uint16_t *out)
{
    struct slice hour, minute = s;
    uint64_t h, m;

    if (!slice_next(&minute, ':', &hour) || hour.n == 0 || hour.n > 2 || minute.n != 2 ||
        slice_u64(hour, 24, &h) < 0 || slice_u64(minute, 59, &m) < 0 || (h == 24 && m > 0)) {
        return BH_ESYNTAX;
    }
    *out = (uint16_t)(h * 60 + m);
    return 0;
}

static int
read_day(struct slice s, unsigned *out)
{
    static const char *const names[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };

    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        if (slice_ieq(s, slice_of(names[i]))) {
            *out = i;
            return 0;
        }
    }
    return BH_ESYNTAX;
}

/* "Mon-Fri,Sun"; over the end of the week too. */
static int
read_days(struct slice s, uint8_t *out)
{
    struct slice part;
    unsigned from, to;

    while (slice_next(&s, ',', &part)) {
        struct slice last, first = SLICE_NONE;

        part = last = slice_trim(part);
        (void)slice_next(&last, '-', &first);
        if (read_day(first, &from) < 0 || read_day(last.n > 0 ? last : first, &to) < 0 ||
            (last.n == 0 && slice_find(part, '-') < part.n)) {
            return BH_ESYNTAX;
        }
        *out |= (uint8_t)(1u << to);
        for (unsigned day = from; day != to; day = (day + 1) % 7) {
            *out |= (uint8_t)(1u << day);
        }
    }
    return *out != 0 ? 0 : BH_ESYNTAX;
}

static int
read_window(struct slice text, struct x400_window *w, const char **why)
{
    size_t blank = slice_rfind(text, ' ');
    struct slice days = SLICE_NONE, to = text, from;

    *w = (struct x400_window){ .days = 0x7F };
    if (blank < text.n) {
        days = slice_trim(slice_sub(text, 0, blank));
        to = slice_skip(text, blank + 1);
        w->days = 0;
    }
    if (days.n > 0 && read_days(days, &w->days) < 0) {
        *why = "the days are not written like Mon-Fri or Sat,Sun";
        return BH_ESYNTAX;
    }
    if (!slice_next(&to, '-', &from) || read_minute(from, &w->from) < 0 ||
        read_minute(to, &w->to) < 0 || w->from == DAY_MINUTES) {
        *why = "the times are not written like 08:00-18:00";
        return BH_ESYNTAX;
    }
    if (w->from == w->to) {
        *why = "the window is empty";
        return BH_ESYNTAX;
    }
    return 0;
}

int
x400_schedule_add(struct x400_schedule *s, struct slice text, const char **why)
{
    static const struct {
        const char *word;
        enum x400_schedule_kind kind;
    } words[] = { { "always", X400_ALWAYS }, { "never", X400_NEVER },
        { "remote-initiated", X400_REMOTE_INITIATED } };
    struct x400_window w;
    int rc;

    text = slice_trim(text);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (slice_ieq(text, slice_of(words[i].word))) {
            if (s->count > 0) {
                *why = "always, never and remote-initiated stand alone";
                return BH_ESYNTAX;
            }
            s->kind = words[i].kind;
            s->count = 1; /* nothing may follow */
            return 0;
        }
    }
    if (s->count > 0 && s->kind != X400_WINDOWS) {
        *why = "always, never and remote-initiated stand alone";
        return BH_ESYNTAX;
    }
    if (s->count == X400_SCHEDULE_WINDOWS_MAX) {
        *why = "there are more than 32 windows";
        return BH_ETOOBIG;
    }
    rc = read_window(text, &w, why);
    if (rc == 0) {
        s->kind = X400_WINDOWS;
        s->windows[s->count++] = w;
    }
    return rc;
}

/* ---- looking at the clock */

/* The minute of the week on the wall, and how far the zone is off then. */
static unsigned
minute_of_week(uint64_t wall_ms, long *offset)
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm = { 0 };

    (void)localtime_r(&t, &tm);
    *offset = tm.tm_gmtoff;
    return (unsigned)(tm.tm_wday * DAY_MINUTES + tm.tm_hour * 60 + tm.tm_min);
}

/* Is it open in this minute? *left: for how many minutes nothing of that changes, at most a week.
 */
static bool
look(const struct x400_schedule *s, unsigned minute, unsigned *left)
{
    unsigned until_open = WEEK_MINUTES, until_close = 0;

    for (unsigned i = 0; i < s->count; i++) {
        const struct x400_window *w = &s->windows[i];
        unsigned length =
            (unsigned)(w->to > w->from ? w->to - w->from : w->to + DAY_MINUTES - w->from);

        for (unsigned day = 0; day < 7; day++) {
            unsigned begins = day * DAY_MINUTES + w->from;
            unsigned since = (minute + WEEK_MINUTES - begins) % WEEK_MINUTES;

            if ((w->days & (1u << day)) == 0) {
                continue;
            }
            if (since < length) {
                until_close = MAX(until_close, length - since);
            } else {
                until_open = MIN(until_open, WEEK_MINUTES - since);
            }
        }
    }
    *left = until_close > 0 ? until_close : until_open;
    return until_close > 0;
}

/* The first minute after from_ms, up to to_ms, in which the zone is off otherwise. There is one. */
static uint64_t
clock_change(uint64_t from_ms, uint64_t to_ms, long offset)
{
    while (to_ms - from_ms > MINUTE_MS) {
        uint64_t middle = from_ms + (to_ms - from_ms) / 2 / MINUTE_MS * MINUTE_MS;
        long there;

        (void)minute_of_week(middle, &there);
        if (there == offset) {
            from_ms = middle;
        } else {
            to_ms = middle;
        }
    }
    return to_ms;
}

/* When it is first as wanted, from wall_ms on. The clock is taken to go on as it does; where it is
 * set between here and there, looked at again from that moment. */
static uint64_t
find(const struct x400_schedule *s, uint64_t wall_ms, bool want_open)
{
    for (int i = 0; i < LOOK_STEPS_MAX; i++) {
        unsigned left;
        long offset, there;
        uint64_t next;

        if (look(s, minute_of_week(wall_ms, &offset), &left) == want_open) {
            return wall_ms;
        }
        next = (wall_ms / MINUTE_MS + left) * MINUTE_MS;
        (void)minute_of_week(next, &there);
        wall_ms =
            there == offset ? next : clock_change(wall_ms / MINUTE_MS * MINUTE_MS, next, offset);
    }
    return 0;
}

bool
x400_schedule_open(const struct x400_schedule *s, uint64_t wall_ms)
{
    unsigned left;
    long offset;

    return s->kind == X400_ALWAYS ||
           (s->kind == X400_WINDOWS && look(s, minute_of_week(wall_ms, &offset), &left));
}

uint64_t
x400_schedule_next(const struct x400_schedule *s, uint64_t wall_ms)
{
    return s->kind == X400_ALWAYS ? wall_ms : s->kind == X400_WINDOWS ? find(s, wall_ms, true) : 0;
}

uint64_t
x400_schedule_closes(const struct x400_schedule *s, uint64_t wall_ms)
{
    return s->kind == X400_WINDOWS && x400_schedule_open(s, wall_ms) ? find(s, wall_ms, false) : 0;
}
