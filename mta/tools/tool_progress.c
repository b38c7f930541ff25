#include "core/base64.h"
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

json_t *
tool_base64(struct slice s)
{
    char *out = malloc(base64_bytes(s.n) + 1);
    json_t *text;

    if (out == NULL) {
        return NULL;
    }
    base64_encode(s, out);
    text = json_stringn(out, base64_bytes(s.n));
    free(out);
    return text;
}
