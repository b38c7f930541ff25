/* smtp_data.c - what came before the next byte is the state; within lines memchr does the work. */
#include "smtp/smtp_data.h"

enum state {
    LINE_START, /* after CRLF, or at the very beginning */
    TEXT,
    CR,         /* after a CR within a line; it was handed out: it is content in any case */
    DOT,        /* after CRLF "."; not handed out */
    DOT_CR,     /* after CRLF "." CR */
    BARE_START, /* after a CR or LF alone: a line begins here for some servers */
    BARE_DOT    /* after that and "." */
};

void
smtp_data_init(struct smtp_data *d)
{
    d->state = LINE_START;
    d->bare = false;
}

/* The states that hang on one byte. Returns how many bytes are taken (0 or 1; 0 only on the way to
 * TEXT or BARE_START); *verdict is set where the data ends. */
static size_t
step(struct smtp_data *d, char c, enum smtp_data_result *verdict)
{
    switch ((enum state)d->state) {
    case CR:
        if (c == '\n') {
            d->state = LINE_START;
            return 1;
        }
        d->bare = true;
        d->state = BARE_START;
        return 0;
    case DOT:
        if (c == '\n') {
            *verdict = SMTP_DATA_FORGED;
        }
        d->state = c == '\r' ? DOT_CR : TEXT;
        return c == '\r';
    case DOT_CR:
        *verdict = c == '\n' ? SMTP_DATA_END : SMTP_DATA_FORGED;
        return 1;
    case BARE_START:
        d->state = c == '.' ? BARE_DOT : TEXT;
        return c == '.';
    case BARE_DOT:
        if (c == '\r' || c == '\n') {
            *verdict = SMTP_DATA_FORGED;
        }
        d->state = TEXT;
        return 0;
    case LINE_START:
    case TEXT:
        break;
    }
    return 0;
}

/* Whole lines and the rest of one, from s.p[at] in state LINE_START or TEXT. Returns where that
 * stops: at the end, at a dot that begins a line, or behind a CR or LF that step() must judge. */
static size_t
scan_lines(struct smtp_data *d, struct slice s, size_t at)
{
    while (at < s.n) {
        size_t end, lf;

        if (d->state == LINE_START && s.p[at] == '.') {
            return at;
        }
        end = at + slice_find(slice_skip(s, at), '\r');
        lf = at + slice_find(slice_sub(s, at, end - at), '\n');
        if (lf < end) {
            d->bare = true;
            d->state = BARE_START;
            return lf + 1;
        }
        d->state = TEXT;
        if (end == s.n) {
            return end;
        }
        if (end + 1 == s.n || s.p[end + 1] != '\n') {
            d->state = CR;
            return end + 1;
        }
        d->state = LINE_START;
        at = end + 2;
    }
    return at;
}

enum smtp_data_result
smtp_data_next(struct smtp_data *d, struct slice *bytes, struct slice *content)
{
    struct slice s = *bytes;
    enum smtp_data_result verdict = SMTP_DATA_MORE;
    size_t from = 0, at = 0; /* [from, at) is content */

    while (at < s.n && verdict == SMTP_DATA_MORE) {
        if (d->state == LINE_START && s.p[at] == '.') {
            if (at > from) {
                break; /* the dot is seen again at the next call */
            }
            d->state = DOT;
            from = ++at;
        } else if (d->state == LINE_START || d->state == TEXT) {
            at = scan_lines(d, s, at);
        } else {
            bool dropped = d->state == DOT || d->state == DOT_CR;

            at += step(d, s.p[at], &verdict);
            from = dropped ? at : from;
        }
    }
    *content = slice_sub(s, from, at - from);
    *bytes = slice_skip(s, at);
    if (verdict != SMTP_DATA_MORE) {
        return verdict; /* a refused message's last run does not matter, and END has none */
    }
    return content->n > 0 ? SMTP_DATA_CONTENT : SMTP_DATA_MORE;
}
