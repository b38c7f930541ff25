/* smtp_reply.c - replies, line by line as the bytes come. The first line's status stays at the
 * beginning of the gathered text, the same one on later lines is cut out. */
#include "smtp/smtp_reply.h"

#define HEAD_BYTES 4 /* "250-" */

void
smtp_reply_init(struct smtp_reply_parser *p)
{
    memset(p, 0, sizeof(*p));
    buf_init(&p->text, SMTP_REPLY_TEXT_BYTES_MAX);
}

void
smtp_reply_fini(struct smtp_reply_parser *p)
{
    buf_fini(&p->text);
}

void
smtp_reply_reset(struct smtp_reply_parser *p)
{
    buf_clear(&p->text);
    p->total_bytes = p->line_at = 0;
    p->line_bytes = p->line_count = 0;
    p->code = 0;
    p->complete = false;
    p->status_bytes = 0;
}

bool
smtp_reply_partial(const struct smtp_reply_parser *p)
{
    return !p->complete && p->total_bytes > 0;
}

void
smtp_reply_release(struct smtp_reply_parser *p)
{
    if (!smtp_reply_partial(p)) {
        smtp_reply_reset(p);
        buf_release(&p->text);
    }
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

struct slice
smtp_reply_status_of(struct slice s)
{
    size_t i = 2;

    if (s.n < 5 || (s.p[0] != '2' && s.p[0] != '4' && s.p[0] != '5') || s.p[1] != '.') {
        return SLICE_NONE;
    }
    for (int part = 0; part < 2; part++) {
        size_t digits = i;

        while (i < s.n && is_digit(s.p[i]) && i - digits < 3) {
            i++;
        }
        if (i == digits || (part == 0 && (i == s.n || s.p[i] != '.'))) {
            return SLICE_NONE;
        }
        i += part == 0;
    }
    if (i < s.n && s.p[i] != ' ') {
        return SLICE_NONE;
    }
    return slice_sub(s, 0, i);
}

/* Keep what there is room for: a reply that says more is no less a reply. */
static int
keep(struct smtp_reply_parser *p, struct slice s)
{
    return buf_append(&p->text, slice_sub(s, 0, buf_space(&p->text)));
}

/* head is whole, or the line ended before it was. */
static int
take_head(struct smtp_reply_parser *p)
{
    const char *h = p->head;
    int code;

    if (p->line_bytes < 3 || h[0] < '2' || h[0] > '5' || !is_digit(h[1]) || !is_digit(h[2])) {
        return BH_ESYNTAX;
    }
    if (p->line_bytes > 3 && h[3] != ' ' && h[3] != '-' && h[3] != '\r') {
        return BH_ESYNTAX;
    }
    code = (h[0] - '0') * 100 + (h[1] - '0') * 10 + (h[2] - '0');
    if (p->code != 0 && code != p->code) {
        return BH_ESYNTAX;
    }
    if (p->code != 0) {
        int rc = keep(p, SLICE_LIT("\n"));

        if (rc < 0) {
            return rc;
        }
    }
    p->code = code;
    p->line_at = (uint32_t)buf_len(&p->text);
    return 0;
}

/* The line in text is complete: no CR, and its status told apart or cut out. */
static void
finish_line(struct smtp_reply_parser *p)
{
    size_t n = buf_len(&p->text) - p->line_at;
    struct slice status;
    char *line;

    if (n == 0) {
        return;
    }
    line = p->text.base + p->text.head + p->line_at;
    if (line[n - 1] == '\r') {
        n--;
        p->text.tail--;
    }
    for (size_t i = 0; i < n; i++) {
        if (line[i] == '\r') {
            line[i] = ' ';
        }
    }
    status = smtp_reply_status_of((struct slice){ line, n });
    if (status.n == 0 || status.p[0] != p->head[0]) {
        return;
    }
    if (p->line_count == 0) {
        p->status_bytes = (uint8_t)status.n;
    } else if (slice_eq(status, slice_sub(buf_slice(&p->text), 0, p->status_bytes))) {
        size_t cut = MIN(status.n + 1, n); /* with the space */

        memmove(line, line + cut, n - cut);
        p->text.tail -= cut;
    }
}

/* Take bytes of one line; *ended: its LF was among them. */
static int
take_line(struct smtp_reply_parser *p, struct slice *bytes, bool *ended)
{
    size_t n = slice_find(*bytes, '\n');
    struct slice part = slice_sub(*bytes, 0, n);
    int rc;

    *ended = n < bytes->n;
    *bytes = slice_skip(*bytes, n + *ended);
    p->total_bytes += (uint32_t)MIN(n + *ended, SMTP_REPLY_TOTAL_BYTES_MAX);
    if (p->total_bytes > SMTP_REPLY_TOTAL_BYTES_MAX ||
        p->line_bytes + n > SMTP_REPLY_LINE_BYTES_MAX) {
        return BH_ETOOBIG;
    }
    while (p->line_bytes < HEAD_BYTES && part.n > 0) {
        p->head[p->line_bytes++] = part.p[0];
        part = slice_skip(part, 1);
        if (p->line_bytes == HEAD_BYTES) {
            rc = take_head(p);
            if (rc < 0) {
                return rc;
            }
        }
    }
    p->line_bytes = (uint16_t)(p->line_bytes + part.n);
    if (*ended && p->line_bytes < HEAD_BYTES) {
        p->head[3] = ' ';
        return take_head(p);
    }
    return keep(p, part);
}

static void
hand_out(struct smtp_reply_parser *p, struct smtp_reply *out)
{
    struct slice all = buf_slice(&p->text);
    size_t from = p->status_bytes;

    from += from > 0 && from < all.n && all.p[from] == ' ';
    *out = (struct smtp_reply){
        .code = p->code, .status = slice_sub(all, 0, p->status_bytes), .text = slice_skip(all, from)
    };
    p->complete = true;
}

int
smtp_reply_feed(struct smtp_reply_parser *p, struct slice *bytes, struct smtp_reply *out)
{
    if (p->complete) {
        smtp_reply_reset(p);
    }
    while (bytes->n > 0) {
        bool ended;
        int rc = take_line(p, bytes, &ended);

        if (rc < 0) {
            return rc;
        }
        if (ended) {
            if (p->head[3] == '\r' && p->line_bytes > HEAD_BYTES) {
                return BH_ESYNTAX;
            }
            finish_line(p);
            p->line_bytes = 0;
            p->line_count++;
            if (p->head[3] != '-') {
                hand_out(p, out);
                return 1;
            }
        }
    }
    return 0;
}

void
smtp_reply_parse_ehlo(const struct smtp_reply *r, struct smtp_reply_ehlo *out)
{
    struct slice rest = r->text, line, word;
    const struct {
        struct slice name;
        bool *flag;
    } keywords[] = { { SLICE_LIT("PIPELINING"), &out->pipelining },
        { SLICE_LIT("8BITMIME"), &out->eightbitmime },
        { SLICE_LIT("ENHANCEDSTATUSCODES"), &out->enhancedstatuscodes },
        { SLICE_LIT("DSN"), &out->dsn }, { SLICE_LIT("SMTPUTF8"), &out->smtputf8 },
        { SLICE_LIT("CHUNKING"), &out->chunking }, { SLICE_LIT("STARTTLS"), &out->starttls },
        { SLICE_LIT("CHECKPOINT"), &out->checkpoint }, { SLICE_LIT("SIZE"), &out->size } };

    memset(out, 0, sizeof(*out));
    (void)slice_next(&rest, '\n', &line); /* the greeting */
    while (slice_next(&rest, '\n', &line)) {
        line = slice_trim(line);
        if (!slice_next(&line, ' ', &word)) {
            continue;
        }
        for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
            if (slice_ieq(word, keywords[i].name)) {
                *keywords[i].flag = true;
            }
        }
        if (slice_ieq(word, SLICE_LIT("SIZE")) &&
            slice_u64(slice_trim(line), UINT64_MAX, &out->size_bytes_max) < 0) {
            out->size_bytes_max = 0; /* no number, or one too large to matter */
        }
    }
}
