/* x400/x400_schedule.h - when a connector may open associations. Pure but for the time zone, which
 * is the process's (TZ, /etc/localtime): windows are in local time.
 *
 * Text      "always"; "never"; "remote-initiated": the peer calls, and mail goes when it gives the
 *           turn; or windows, "Mon-Fri 08:00-18:00", "Sat,Sun 10:00-12:00", "22:00-02:00" (each
 *           day, past midnight; the days are those on which it begins). The words stand alone.
 * Clocks    a window is open while the clock on the wall shows a time in it. Where clocks are set
 *           forward what they leave out does not come (a window within it is missing that day);
 *           where they are set back what comes twice is open twice.
 * Incoming  associations are taken at any time: the schedule is about calling.
 */
#ifndef X400_X400_SCHEDULE_H
#define X400_X400_SCHEDULE_H

#include "core/slice.h"

#define X400_SCHEDULE_WINDOWS_MAX 32

enum x400_schedule_kind { X400_ALWAYS, X400_NEVER, X400_REMOTE_INITIATED, X400_WINDOWS };

struct x400_window {
    uint8_t days;      /* 1 << 0 Sunday ... 1 << 6 Saturday */
    uint16_t from, to; /* minutes of the day, to exclusive; to <= from: past midnight */
};
struct x400_schedule {
    enum x400_schedule_kind kind;
    unsigned count;
    struct x400_window windows[X400_SCHEDULE_WINDOWS_MAX];
};

/* Begins as X400_ALWAYS with no windows (zeroes). Adds one text. BH_ESYNTAX: *why is a sentence;
 * BH_ETOOBIG. */
int x400_schedule_add(struct x400_schedule *s, struct slice text, const char **why) MUST_USE;

bool x400_schedule_open(const struct x400_schedule *s, uint64_t wall_ms);
/* When it is open next: wall_ms if it is open then; 0: never. A few weeks ahead at most, which is
 * more than a window can be away: then 0 as well. */
uint64_t x400_schedule_next(const struct x400_schedule *s, uint64_t wall_ms);
/* When it closes, of an open one; 0: never (open all week, or not open). */
uint64_t x400_schedule_closes(const struct x400_schedule *s, uint64_t wall_ms);

#endif
