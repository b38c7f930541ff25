/* smtp_grammar.c: command lines and parameters, as tables. */
#include "smtp/smtp_grammar.h"
#include "test_main.h"

static void
verbs_are_told_apart(void)
{
    static const struct {
        const char *line;
        enum smtp_verb verb;
        const char *args;
    } rows[] = {
        { "EHLO x", SMTP_VERB_EHLO, "x" },
        { "helo x ", SMTP_VERB_HELO, "x" },
        { "MaIl FROM:<a@b>", SMTP_VERB_MAIL, "FROM:<a@b>" },
        { "RCPT\tTO:<a@b>", SMTP_VERB_RCPT, "TO:<a@b>" },
        { "DATA", SMTP_VERB_DATA, "" },
        { "DATA  ", SMTP_VERB_DATA, "" },
        { "RSET", SMTP_VERB_RSET, "" },
        { "NOOP a b", SMTP_VERB_NOOP, "a b" },
        { "VRFY a", SMTP_VERB_VRFY, "a" },
        { "EXPN a", SMTP_VERB_EXPN, "a" },
        { "HELP", SMTP_VERB_HELP, "" },
        { "QUIT", SMTP_VERB_QUIT, "" },
        { "QUITE", SMTP_VERB_UNKNOWN, NULL },
        { "QUI", SMTP_VERB_UNKNOWN, NULL },
        { "", SMTP_VERB_UNKNOWN, NULL },
        { " QUIT", SMTP_VERB_UNKNOWN, NULL },
        { "?", SMTP_VERB_UNKNOWN, NULL },
        { "BDAT 1", SMTP_VERB_UNKNOWN, NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice args;

        CU_ASSERT_EQUAL(smtp_grammar_command(slice_of(rows[i].line), &args), rows[i].verb);
        if (rows[i].args != NULL) {
            CU_ASSERT_TRUE(slice_eq(args, slice_of(rows[i].args)));
        }
    }
    CU_ASSERT_EQUAL(smtp_grammar_command((struct slice){ "DATA\0", 5 }, &(struct slice){ NULL, 0 }),
        SMTP_VERB_UNKNOWN);
}

static void
mail_takes_its_parameters(void)
{
    static const struct {
        const char *args;
        enum smtp_grammar_error error;
        const char *from;
        uint64_t size_bytes;
        uint8_t body;
    } rows[] = {
        { "FROM:<a@b>", SMTP_GRAMMAR_OK, "a@b", 0, 0 },
        { "from: <a@b>", SMTP_GRAMMAR_OK, "a@b", 0, 0 },
        { "FROM:<>", SMTP_GRAMMAR_OK, "", 0, 0 },
        { "FROM:<a@b> SIZE=100", SMTP_GRAMMAR_OK, "a@b", 100, 0 },
        { "FROM:<a@b> size=100  body=8bitMIME", SMTP_GRAMMAR_OK, "a@b", 100, 1 },
        { "FROM:<a@b> BODY=7BIT", SMTP_GRAMMAR_OK, "a@b", 0, 0 },
        { "FROM:<a@b> SIZE=99999999999999999999", SMTP_GRAMMAR_OK, "a@b", UINT64_MAX, 0 },
        { "FROM:<a@b> SIZE=999999999999999999999", SMTP_GRAMMAR_BAD_PARAM, NULL, 0, 0 },
        { "FROM:<a@b> SIZE=", SMTP_GRAMMAR_BAD_PARAM, NULL, 0, 0 },
        { "FROM:<a@b> SIZE", SMTP_GRAMMAR_BAD_PARAM, NULL, 0, 0 },
        { "FROM:<a@b> SIZE=-1", SMTP_GRAMMAR_BAD_PARAM, NULL, 0, 0 },
        { "FROM:<a@b> SIZE=1 SIZE=1", SMTP_GRAMMAR_BAD_PARAM, NULL, 0, 0 },
        { "FROM:<a@b> BODY=BINARYMIME", SMTP_GRAMMAR_BAD_PARAM, NULL, 0, 0 },
        { "FROM:<a@b>SIZE=1", SMTP_GRAMMAR_BAD_PARAM, NULL, 0, 0 },
        { "FROM:<a@b> SMTPUTF8", SMTP_GRAMMAR_UNKNOWN_PARAM, NULL, 0, 0 },
        { "FROM:<a@b> RET=FULL", SMTP_GRAMMAR_UNKNOWN_PARAM, NULL, 0, 0 },
        { "FROM:<a@b> NOTIFY=NEVER", SMTP_GRAMMAR_UNKNOWN_PARAM, NULL, 0, 0 },
        { "FROM:a@b", SMTP_GRAMMAR_BAD_SENDER, NULL, 0, 0 },
        { "FROM:<a>", SMTP_GRAMMAR_BAD_SENDER, NULL, 0, 0 },
        { "FROM:", SMTP_GRAMMAR_BAD_SENDER, NULL, 0, 0 },
        { "FROM:<postmaster>", SMTP_GRAMMAR_BAD_SENDER, NULL, 0, 0 },
        { "TO:<a@b>", SMTP_GRAMMAR_NO_FROM, NULL, 0, 0 },
        { "", SMTP_GRAMMAR_NO_FROM, NULL, 0, 0 },
        { "FROM :<a@b>", SMTP_GRAMMAR_NO_FROM, NULL, 0, 0 },
        { "FROM:<0123456789012345678901234567890123456789012345678901234567890123x@b>",
            SMTP_GRAMMAR_TOO_LONG, NULL, 0, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_grammar_mail m;
        enum smtp_grammar_error e = smtp_grammar_mail(slice_of(rows[i].args), 0, &m);

        CU_ASSERT_EQUAL(e, rows[i].error);
        if (e == SMTP_GRAMMAR_OK && rows[i].from != NULL) {
            CU_ASSERT_TRUE(slice_eq(m.from.text, slice_of(rows[i].from)));
            CU_ASSERT_EQUAL(m.size_bytes, rows[i].size_bytes);
            CU_ASSERT_EQUAL(m.body, rows[i].body);
        }
    }
}

static void
rcpt_takes_its_parameters(void)
{
    static const struct {
        const char *args;
        enum smtp_grammar_error error;
        const char *to;
        uint8_t notify;
        const char *orcpt;
    } rows[] = {
        { "TO:<a@b>", SMTP_GRAMMAR_OK, "a@b", 0, "" },
        { "TO:<postmaster>", SMTP_GRAMMAR_OK, "postmaster", 0, "" },
        { "TO:<a@b> NOTIFY=NEVER", SMTP_GRAMMAR_OK, "a@b", ENVELOPE_NOTIFY_NEVER, "" },
        { "TO:<a@b> NOTIFY=success,Delay ORCPT=rfc822;a+40b", SMTP_GRAMMAR_OK, "a@b",
            ENVELOPE_NOTIFY_SUCCESS | ENVELOPE_NOTIFY_DELAY, "rfc822;a+40b" },
        { "TO:<a@b> NOTIFY=", SMTP_GRAMMAR_BAD_PARAM, NULL, 0, NULL },
        { "TO:<a@b> NOTIFY=NEVER,DELAY", SMTP_GRAMMAR_BAD_PARAM, NULL, 0, NULL },
        { "TO:<a@b> NOTIFY=DELAY,DELAY", SMTP_GRAMMAR_BAD_PARAM, NULL, 0, NULL },
        { "TO:<a@b> NOTIFY=SOON", SMTP_GRAMMAR_BAD_PARAM, NULL, 0, NULL },
        { "TO:<a@b> ORCPT=a", SMTP_GRAMMAR_BAD_PARAM, NULL, 0, NULL },
        { "TO:<a@b> ORCPT=;a", SMTP_GRAMMAR_BAD_PARAM, NULL, 0, NULL },
        { "TO:<a@b> ORCPT=rfc822;", SMTP_GRAMMAR_BAD_PARAM, NULL, 0, NULL },
        { "TO:<a@b> ORCPT=rfc822;a+4", SMTP_GRAMMAR_BAD_PARAM, NULL, 0, NULL },
        { "TO:<a@b> ORCPT=rfc822;a=b", SMTP_GRAMMAR_BAD_PARAM, NULL, 0, NULL },
        { "TO:<a@b> SIZE=1", SMTP_GRAMMAR_UNKNOWN_PARAM, NULL, 0, NULL },
        { "TO:<>", SMTP_GRAMMAR_BAD_RECIPIENT, NULL, 0, NULL },
        { "TO:<a>", SMTP_GRAMMAR_BAD_RECIPIENT, NULL, 0, NULL },
        { "TO:</C=FR/A=ATLAS/S=x/>", SMTP_GRAMMAR_OR_RECIPIENT, NULL, 0, NULL },
        { "FROM:<a@b>", SMTP_GRAMMAR_NO_TO, NULL, 0, NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_grammar_rcpt r;
        enum smtp_grammar_error e =
            smtp_grammar_rcpt(slice_of(rows[i].args), SMTP_GRAMMAR_EXT_DSN, &r);

        CU_ASSERT_EQUAL(e, rows[i].error);
        if (e == SMTP_GRAMMAR_OK && rows[i].to != NULL) {
            CU_ASSERT_TRUE(slice_eq(r.to.text, slice_of(rows[i].to)));
            CU_ASSERT_EQUAL(r.notify, rows[i].notify);
            CU_ASSERT_TRUE(slice_eq(r.orcpt, slice_of(rows[i].orcpt)));
        }
    }
}

static void
dsn_parameters_of_mail_are_read_when_offered(void)
{
    struct smtp_grammar_mail m;

    CU_ASSERT_EQUAL(
        smtp_grammar_mail(SLICE_LIT("FROM:<a@b> RET=hdrs ENVID=QQ+3D1"), SMTP_GRAMMAR_EXT_DSN, &m),
        SMTP_GRAMMAR_OK);
    CU_ASSERT_EQUAL(m.ret, SMTP_GRAMMAR_RET_HDRS);
    CU_ASSERT_TRUE(slice_eq(m.envid, SLICE_LIT("QQ+3D1")));
    CU_ASSERT_EQUAL(smtp_grammar_mail(SLICE_LIT("FROM:<a@b> RET=ALL"), SMTP_GRAMMAR_EXT_DSN, &m),
        SMTP_GRAMMAR_BAD_PARAM);
    CU_ASSERT_EQUAL(smtp_grammar_mail(SLICE_LIT("FROM:<a@b> ENVID=a+b"), SMTP_GRAMMAR_EXT_DSN, &m),
        SMTP_GRAMMAR_BAD_PARAM);
}

static void
helo_takes_whatever_cannot_harm(void)
{
    static const struct {
        const char *args;
        bool ok;
    } rows[] = { { "mx.example.org", true }, { "[192.0.2.1]", true },
        { "[IPv6:2001:db8::1]", true }, { "my_pc", true }, { "", false }, { "a b", false },
        { "a(b)", false }, { "a\nb", false }, { "\xc3\xa4", false } };
    struct slice domain;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CU_ASSERT_EQUAL(
            smtp_grammar_helo(slice_of(rows[i].args), &domain) == SMTP_GRAMMAR_OK, rows[i].ok);
    }
}

static void
xtext_goes_there_and_back(void)
{
    char encoded[1024], decoded[1024], all[256];
    int n, back;

    for (int i = 0; i < 256; i++) {
        all[i] = (char)i;
    }
    n = smtp_grammar_xtext_encode((struct slice){ all, 256 }, encoded, sizeof(encoded));
    CU_ASSERT_TRUE_FATAL(n > 0);
    CU_ASSERT_TRUE(smtp_grammar_xtext_valid((struct slice){ encoded, (size_t)n }));
    back = smtp_grammar_xtext_decode((struct slice){ encoded, (size_t)n }, decoded, 256);
    CU_ASSERT_EQUAL(back, 256);
    CU_ASSERT_EQUAL(memcmp(decoded, all, 256), 0);
    CU_ASSERT_EQUAL(
        smtp_grammar_xtext_decode((struct slice){ encoded, (size_t)n }, decoded, 255), -ENOSPC);
    CU_ASSERT_EQUAL(
        smtp_grammar_xtext_encode((struct slice){ all, 256 }, encoded, (size_t)n - 1), -ENOSPC);
    CU_ASSERT_EQUAL(smtp_grammar_xtext_decode(SLICE_LIT("+0a"), decoded, 9), BH_ESYNTAX);
}

TEST_MAIN("smtp_grammar", TEST(verbs_are_told_apart), TEST(mail_takes_its_parameters),
    TEST(rcpt_takes_its_parameters), TEST(dsn_parameters_of_mail_are_read_when_offered),
    TEST(helo_takes_whatever_cannot_harm), TEST(xtext_goes_there_and_back))
