/* smtp_grammar.c - verbs and parameters, by table. */
#include "smtp/smtp_grammar.h"

static const struct slice verb_names[SMTP_VERB_COUNT] = {
    [SMTP_VERB_UNKNOWN] = { "?", 1 },
    [SMTP_VERB_EHLO] = { "EHLO", 4 },
    [SMTP_VERB_HELO] = { "HELO", 4 },
    [SMTP_VERB_MAIL] = { "MAIL", 4 },
    [SMTP_VERB_RCPT] = { "RCPT", 4 },
    [SMTP_VERB_DATA] = { "DATA", 4 },
    [SMTP_VERB_RSET] = { "RSET", 4 },
    [SMTP_VERB_NOOP] = { "NOOP", 4 },
    [SMTP_VERB_VRFY] = { "VRFY", 4 },
    [SMTP_VERB_EXPN] = { "EXPN", 4 },
    [SMTP_VERB_HELP] = { "HELP", 4 },
    [SMTP_VERB_QUIT] = { "QUIT", 4 },
};

const char *
smtp_grammar_verb_name(enum smtp_verb v)
{
    return verb_names[v].p;
}

enum smtp_verb
smtp_grammar_command(struct slice line, struct slice *args)
{
    struct slice verb = slice_sub(line, 0, 4);

    *args = slice_trim(slice_skip(line, 4));
    if (line.n > 4 && line.p[4] != ' ' && line.p[4] != '\t') {
        return SMTP_VERB_UNKNOWN;
    }
    for (int v = SMTP_VERB_UNKNOWN + 1; v < SMTP_VERB_COUNT; v++) {
        if (slice_ieq(verb, verb_names[v])) {
            return (enum smtp_verb)v;
        }
    }
    return SMTP_VERB_UNKNOWN;
}

const struct smtp_grammar_error_reply *
smtp_grammar_error_reply(enum smtp_grammar_error e)
{
    static const struct smtp_grammar_error_reply replies[SMTP_GRAMMAR_ERROR_COUNT] = {
        [SMTP_GRAMMAR_OK] = { 250, "2.0.0", "OK" },
        [SMTP_GRAMMAR_NO_FROM] = { 501, "5.5.4", "Syntax: MAIL FROM:<address>" },
        [SMTP_GRAMMAR_NO_TO] = { 501, "5.5.4", "Syntax: RCPT TO:<address>" },
        [SMTP_GRAMMAR_BAD_SENDER] = { 501, "5.1.7", "Bad sender address syntax" },
        [SMTP_GRAMMAR_BAD_RECIPIENT] = { 501, "5.1.3", "Bad recipient address syntax" },
        [SMTP_GRAMMAR_OR_RECIPIENT] = { 550, "5.1.2",
            "X.400 addresses are not taken here: no gateway between SMTP and X.400" },
        [SMTP_GRAMMAR_TOO_LONG] = { 501, "5.5.4", "Address too long" },
        [SMTP_GRAMMAR_UNKNOWN_PARAM] = { 555, "5.5.4", "Parameter not recognized" },
        [SMTP_GRAMMAR_BAD_PARAM] = { 501, "5.5.4", "Parameter value not valid" },
        [SMTP_GRAMMAR_BAD_HELO] = { 501, "5.5.4", "Syntax: EHLO hostname" },
    };

    return &replies[e];
}

/* ---- xtext */

static bool
is_xchar(char c)
{
    return c >= '!' && c <= '~' && c != '+' && c != '=';
}

static int
hex_value(char c) /* upper case only, RFC 3461 section 4 */
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One character of xtext at s.p[*i]; -1: malformed. */
static int
xtext_next(struct slice s, size_t *i)
{
    int high, low;

    if (s.p[*i] != '+') {
        return is_xchar(s.p[*i]) ? s.p[(*i)++] : -1;
    }
    if (s.n - *i < 3) {
        return -1;
    }
    high = hex_value(s.p[*i + 1]);
    low = hex_value(s.p[*i + 2]);
    *i += 3;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool
smtp_grammar_xtext_valid(struct slice s)
{
    for (size_t i = 0; i < s.n;) {
        if (xtext_next(s, &i) < 0) {
            return false;
        }
    }
    return true;
}

int
smtp_grammar_xtext_decode(struct slice s, char *out, size_t cap)
{
    size_t n = 0;

    if (!smtp_grammar_xtext_valid(s)) {
        return BH_ESYNTAX;
    }
    for (size_t i = 0; i < s.n;) {
        if (n == cap) {
            return -ENOSPC;
        }
        out[n++] = (char)xtext_next(s, &i);
    }
    return (int)n;
}

int
smtp_grammar_xtext_encode(struct slice s, char *out, size_t cap)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        size_t need = is_xchar(s.p[i]) ? 1 : 3;

        if (cap - n < need) {
            return -ENOSPC;
        }
        if (need == 1) {
            out[n++] = s.p[i];
        } else {
            out[n++] = '+';
            out[n++] = hex[c >> 4];
            out[n++] = hex[c & 15];
        }
    }
    return (int)n;
}

/* ---- parameters: "KEYWORD[=value]", RFC 5321 section 4.1.2 */

typedef enum smtp_grammar_error param_fn(void *out, struct slice value);
struct param {
    struct slice name;
    unsigned extension; /* 0: always offered */
    param_fn *take;
};

static enum smtp_grammar_error
take_size(void *ctx, struct slice value)
{
    struct smtp_grammar_mail *out = ctx;
    int rc = value.n > 20 ? BH_ESYNTAX : slice_u64(value, UINT64_MAX, &out->size_bytes);

    if (rc == BH_ETOOBIG) {
        out->size_bytes = UINT64_MAX;
        rc = 0;
    }
    return rc == 0 ? SMTP_GRAMMAR_OK : SMTP_GRAMMAR_BAD_PARAM;
}

static enum smtp_grammar_error
take_body(void *ctx, struct slice value)
{
    struct smtp_grammar_mail *out = ctx;

    if (slice_ieq(value, SLICE_LIT("8BITMIME"))) {
        out->body = ENVELOPE_BODY_8BITMIME;
    } else if (!slice_ieq(value, SLICE_LIT("7BIT"))) {
        return SMTP_GRAMMAR_BAD_PARAM;
    }
    return SMTP_GRAMMAR_OK;
}

static enum smtp_grammar_error
take_ret(void *ctx, struct slice value)
{
    struct smtp_grammar_mail *out = ctx;

    if (slice_ieq(value, SLICE_LIT("FULL"))) {
        out->ret = SMTP_GRAMMAR_RET_FULL;
    } else if (slice_ieq(value, SLICE_LIT("HDRS"))) {
        out->ret = SMTP_GRAMMAR_RET_HDRS;
    } else {
        return SMTP_GRAMMAR_BAD_PARAM;
    }
    return SMTP_GRAMMAR_OK;
}

static enum smtp_grammar_error
take_envid(void *ctx, struct slice value)
{
    struct smtp_grammar_mail *out = ctx;

    if (value.n == 0 || value.n > 100 || !smtp_grammar_xtext_valid(value)) {
        return SMTP_GRAMMAR_BAD_PARAM;
    }
    out->envid = value;
    return SMTP_GRAMMAR_OK;
}

static enum smtp_grammar_error
take_notify(void *ctx, struct slice value)
{
    static const struct {
        struct slice name;
        uint8_t bit;
    } words[] = { { { "NEVER", 5 }, ENVELOPE_NOTIFY_NEVER },
        { { "SUCCESS", 7 }, ENVELOPE_NOTIFY_SUCCESS },
        { { "FAILURE", 7 }, ENVELOPE_NOTIFY_FAILURE }, { { "DELAY", 5 }, ENVELOPE_NOTIFY_DELAY } };
    struct smtp_grammar_rcpt *out = ctx;
    struct slice word;
    uint8_t set = 0;

    while (slice_next(&value, ',', &word)) {
        uint8_t bit = 0;

        for (size_t i = 0; i < ARRAY_LEN(words); i++) {
            bit = slice_ieq(word, words[i].name) ? words[i].bit : bit;
        }
        if (bit == 0 || (set & bit) != 0) {
            return SMTP_GRAMMAR_BAD_PARAM;
        }
        set |= bit;
    }
    if (set == 0 || ((set & ENVELOPE_NOTIFY_NEVER) != 0 && set != ENVELOPE_NOTIFY_NEVER)) {
        return SMTP_GRAMMAR_BAD_PARAM; /* NEVER stands alone */
    }
    out->notify = set;
    return SMTP_GRAMMAR_OK;
}

static enum smtp_grammar_error
take_orcpt(void *ctx, struct slice value)
{
    struct smtp_grammar_rcpt *out = ctx;
    size_t semicolon = slice_find(value, ';');

    if (value.n > 500 || semicolon == 0 || semicolon + 1 >= value.n ||
        !smtp_grammar_xtext_valid(slice_skip(value, semicolon + 1)) ||
        !smtp_grammar_xtext_valid(slice_sub(value, 0, semicolon))) {
        return SMTP_GRAMMAR_BAD_PARAM;
    }
    out->orcpt = value;
    return SMTP_GRAMMAR_OK;
}

/* RFC 1845 section 2: "<" token "@" token ">", tokens of atoms with dots between them. */
static enum smtp_grammar_error
take_transid(void *ctx, struct slice value)
{
    struct smtp_grammar_mail *out = ctx;
    struct slice inner = slice_sub(value, 1, value.n - 2);
    bool atom = false;
    unsigned at = 0;

    if (value.n < 5 || value.n > 80 || value.p[0] != '<' || value.p[value.n - 1] != '>') {
        return SMTP_GRAMMAR_BAD_PARAM;
    }
    for (size_t i = 0; i < inner.n; i++) {
        char c = inner.p[i];

        if (c == '.' || c == '@') {
            at += c == '@';
            if (!atom) {
                return SMTP_GRAMMAR_BAD_PARAM;
            }
            atom = false;
        } else if (c <= ' ' || c >= 0x7f || strchr("()<>,;:\\\"/[]?=", c) != NULL) {
            return SMTP_GRAMMAR_BAD_PARAM;
        } else {
            atom = true;
        }
    }
    if (!atom || at != 1) {
        return SMTP_GRAMMAR_BAD_PARAM;
    }
    out->transid = value;
    return SMTP_GRAMMAR_OK;
}

static const struct param mail_params[] = {
    { { "SIZE", 4 }, 0, take_size },
    { { "BODY", 4 }, 0, take_body },
    { { "RET", 3 }, SMTP_GRAMMAR_EXT_DSN, take_ret },
    { { "ENVID", 5 }, SMTP_GRAMMAR_EXT_DSN, take_envid },
    { { "TRANSID", 7 }, SMTP_GRAMMAR_EXT_CHECKPOINT, take_transid },
};
static const struct param rcpt_params[] = {
    { { "NOTIFY", 6 }, SMTP_GRAMMAR_EXT_DSN, take_notify },
    { { "ORCPT", 5 }, SMTP_GRAMMAR_EXT_DSN, take_orcpt },
};

static enum smtp_grammar_error
take_params(
    struct slice rest, unsigned extensions, const struct param *known, size_t count, void *out)
{
    unsigned seen = 0;
    struct slice word;

    if (rest.n > 0 && rest.p[0] != ' ') {
        return SMTP_GRAMMAR_BAD_PARAM; /* "<a@b>SIZE=1" */
    }
    while (slice_next(&rest, ' ', &word)) {
        size_t equals = slice_find(word, '=');
        struct slice name = slice_sub(word, 0, equals);
        enum smtp_grammar_error e = SMTP_GRAMMAR_UNKNOWN_PARAM;

        for (size_t i = 0; i < count; i++) {
            if ((known[i].extension & ~extensions) == 0 && slice_ieq(name, known[i].name)) {
                e = (seen & 1u << i) != 0 ? SMTP_GRAMMAR_BAD_PARAM
                                          : known[i].take(out, slice_skip(word, equals + 1));
                seen |= 1u << i;
            }
        }
        if (e != SMTP_GRAMMAR_OK && word.n > 0) { /* several spaces are harmless */
            return e;
        }
    }
    return SMTP_GRAMMAR_OK;
}

static enum smtp_grammar_error
path_error(int rc, enum smtp_grammar_error syntax)
{
    return rc == 0 ? SMTP_GRAMMAR_OK : rc == BH_ETOOBIG ? SMTP_GRAMMAR_TOO_LONG : syntax;
}

enum smtp_grammar_error
smtp_grammar_mail(struct slice args, unsigned extensions, struct smtp_grammar_mail *out)
{
    struct slice path;
    int rc;

    if (!slice_istarts(args, SLICE_LIT("FROM:"))) {
        return SMTP_GRAMMAR_NO_FROM;
    }
    memset(out, 0, sizeof(*out));
    path = slice_trim(slice_skip(args, 5)); /* a space after the colon is common, and harmless */
    rc = address_parse_path(path, true, false, &out->from, &path);
    if (rc < 0) {
        return path_error(rc, SMTP_GRAMMAR_BAD_SENDER);
    }
    return take_params(path, extensions, mail_params, ARRAY_LEN(mail_params), out);
}

enum smtp_grammar_error
smtp_grammar_rcpt(struct slice args, unsigned extensions, struct smtp_grammar_rcpt *out)
{
    struct slice whole = slice_trim(slice_skip(args, 3)), path;
    int rc;

    if (!slice_istarts(args, SLICE_LIT("TO:"))) {
        return SMTP_GRAMMAR_NO_TO;
    }
    memset(out, 0, sizeof(*out));
    rc = address_parse_path(whole, false, true, &out->to, &path);
    if (rc < 0) {
        bool is_or = slice_starts(whole, SLICE_LIT("</")) && slice_find(whole, '@') == whole.n;

        return path_error(rc, is_or ? SMTP_GRAMMAR_OR_RECIPIENT : SMTP_GRAMMAR_BAD_RECIPIENT);
    }
    return take_params(path, extensions, rcpt_params, ARRAY_LEN(rcpt_params), out);
}

/* The name only goes into the Received field and the log; RFC 5321 section 4.1.4 forbids to refuse
 * mail because it is not the client's. So anything that cannot break those two is taken. */
enum smtp_grammar_error
smtp_grammar_helo(struct slice args, struct slice *domain)
{
    if (args.n == 0 || args.n > ADDRESS_DOMAIN_BYTES_MAX) {
        return SMTP_GRAMMAR_BAD_HELO;
    }
    for (size_t i = 0; i < args.n; i++) {
        char c = args.p[i];
        bool fine = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                    c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';

        if (!fine) {
            return SMTP_GRAMMAR_BAD_HELO;
        }
    }
    *domain = args;
    return SMTP_GRAMMAR_OK;
}
