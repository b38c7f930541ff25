#include "tools/tools.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_PERCENT 10 /* of lines in a file; a terminal's is written over each percent */

void
tool_progress_begin(struct tool_progress *p, bool asked)
{
    *p = (struct tool_progress){ .terminal = isatty(STDERR_FILENO) == 1 };
    p->wanted = asked || p->terminal;
}

void
tool_progress(struct tool_progress *p, uint64_t done, uint64_t total)
{
    unsigned percent = total > 0 ? (unsigned)((double)MIN(done, total) / (double)total * 100) : 100;
    unsigned step = p->terminal ? 1 : LINE_PERCENT;

    if (!p->wanted || (percent < p->percent + step && percent < 100) || percent == p->percent) {
        return;
    }
    p->percent = percent;
    p->shown = p->terminal;
    (void)fprintf(stderr, p->terminal ? "\r%3u %%" : "%u %%\n", percent);
    (void)fflush(stderr);
}

void
tool_progress_clear(struct tool_progress *p)
{
    if (p->shown) {
        (void)fputs("\r     \r", stderr);
        (void)fflush(stderr);
        p->shown = false;
    }
}

/* ---- base64 */

json_t *
tool_base64(struct slice s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = malloc(s.n / 3 * 4 + 8), *o = out;
    json_t *text;

    if (out == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < s.n; i += 3) {
        size_t left = s.n - i;
        uint32_t v = (uint32_t)(unsigned char)s.p[i] << 16 |
                     (left > 1 ? (uint32_t)(unsigned char)s.p[i + 1] << 8 : 0) |
                     (left > 2 ? (uint32_t)(unsigned char)s.p[i + 2] : 0);

        *o++ = digits[v >> 18];
        *o++ = digits[v >> 12 & 63];
        *o++ = left > 1 ? digits[v >> 6 & 63] : '=';
        *o++ = left > 2 ? digits[v & 63] : '=';
    }
    text = json_stringn(out, (size_t)(o - out));
    free(out);
    return text;
}

static int
digit_of(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

ssize_t
tool_base64_decode(const char *text, char *out)
{
    uint32_t v = 0;
    unsigned bits = 0;
    ssize_t n = 0;

    for (; *text != '\0' && *text != '='; text++) {
        int d = digit_of(*text);

        if (d < 0) {
            return -1;
        }
        v = v << 6 | (uint32_t)d;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (char)(v >> bits & 0xff);
        }
    }
    return n;
}
