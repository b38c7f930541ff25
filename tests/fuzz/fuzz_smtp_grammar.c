/* links: core mail smtp */
#include "smtp/smtp_grammar.h"

/* Any line has a verb or none; what a parameter gives lies in the line and is within its bounds;
 * xtext that decodes says the same when it is encoded anew. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
inside(struct slice part, struct slice whole)
{
    return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void
check_xtext(struct slice s)
{
    char plain[4096], coded[3 * 4096], again[4096];
    int n = smtp_grammar_xtext_decode(s, plain, sizeof(plain));
    int m;

    CHECK(n == BH_ESYNTAX || n == -ENOSPC || smtp_grammar_xtext_valid(s));
    if (n < 0) {
        return;
    }
    m = smtp_grammar_xtext_encode((struct slice){ plain, (size_t)n }, coded, sizeof(coded));
    CHECK(m >= n);
    CHECK(smtp_grammar_xtext_decode((struct slice){ coded, (size_t)m }, again, sizeof(again)) == n);
    CHECK(memcmp(plain, again, (size_t)n) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice line = { (const char *)data, size }, args, domain;
    struct smtp_grammar_mail m;
    struct smtp_grammar_rcpt r;

    CHECK(smtp_grammar_command(line, &args) < SMTP_VERB_COUNT && inside(args, line));
    for (unsigned ext = 0; ext <= (SMTP_GRAMMAR_EXT_DSN | SMTP_GRAMMAR_EXT_CHECKPOINT); ext++) {
        enum smtp_grammar_error e = smtp_grammar_mail(args, ext, &m);

        CHECK(smtp_grammar_error_reply(e)->code >= 250);
        if (e == SMTP_GRAMMAR_OK) {
            CHECK(inside(m.from.text, line) && inside(m.envid, line) && m.envid.n <= 100);
            CHECK(m.body <= ENVELOPE_BODY_8BITMIME && m.ret <= SMTP_GRAMMAR_RET_HDRS);
            check_xtext(m.envid);
        }
        e = smtp_grammar_rcpt(args, ext, &r);
        CHECK(smtp_grammar_error_reply(e)->code >= 250);
        if (e == SMTP_GRAMMAR_OK) {
            CHECK(r.to.text.n > 0 && inside(r.to.text, line) && inside(r.orcpt, line));
            CHECK(r.notify < 16 && (r.notify <= 1 || (r.notify & ENVELOPE_NOTIFY_NEVER) == 0));
        }
    }
    if (smtp_grammar_helo(args, &domain) == SMTP_GRAMMAR_OK) {
        CHECK(domain.n > 0 && slice_find(domain, '\n') == domain.n);
    }
    check_xtext(line);
    return 0;
}
