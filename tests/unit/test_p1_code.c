/* Reason and diagnostic codes: the table of the document, and what our statuses become. */
#include "octets.h"
#include "test_main.h"
#include "x400/p1_code.h"

static const char *const causes[] = { "unknown-name", "ambiguous-name", "congestion", "loop",
    "unavailable", "expired", "eits", "too-long", "conversion", "no-conversion", "arguments",
    "content-syntax", "size", "protocol", "content-type", "recipients", "critical", "loss",
    "no-reassignment", "no-dl-expansion", "dl-permission", "restricted", "security", "downgrade",
    "attempts", "other" };
_Static_assert(ARRAY_LEN(causes) == P1_CAUSE_COUNT, "a cause has no name");

static void
the_document_has_the_same_rows(void)
{
    for (unsigned i = 0; i < ARRAY_LEN(causes); i++) {
        const struct p1_code *c = p1_code((enum p1_cause)i);
        char row[400], line[400], diagnostic[100] = "none";

        if (c->diagnostic != P1_NO_DIAGNOSTIC) {
            (void)snprintf(diagnostic, sizeof(diagnostic), "%u %s", c->diagnostic,
                p1_code_diagnostic(c->diagnostic));
        }
        (void)snprintf(row, sizeof(row), "| %s | %u %s | %s | %s | %s |\n", causes[i], c->reason,
            p1_code_reason(c->reason), diagnostic, c->status, c->text);
        CU_ASSERT_TRUE(octets_doc_row(
            __FILE__, "docs/protocols/x400.md", "### Table: codes", causes[i], line, sizeof(line)));
        CU_ASSERT_STRING_EQUAL(line, row);
    }
}

static void
a_status_of_any_class_is_its_row(void)
{
    for (unsigned i = 0; i < P1_CAUSE_COUNT; i++) {
        const struct p1_code *c = p1_code((enum p1_cause)i);
        char soft[10];

        (void)snprintf(soft, sizeof(soft), "4%s", c->status + 1);
        if (i != P1_CAUSE_EITS) { /* shares its status with the content type */
            CU_ASSERT_EQUAL(p1_code_cause(slice_of(c->status)), i);
            CU_ASSERT_EQUAL(p1_code_cause(slice_of(soft)), i);
        }
        CU_ASSERT_STRING_EQUAL(p1_code_status(c->reason, c->diagnostic), c->status);
    }
}

static void
other_statuses_are_the_nearest_row(void)
{
    static const struct {
        const char *status;
        enum p1_cause cause;
    } rows[] = { { "5.1.3", P1_CAUSE_UNKNOWN_NAME }, { "5.2.2", P1_CAUSE_CONGESTION },
        { "4.4.1", P1_CAUSE_ATTEMPTS }, { "5.4.4", P1_CAUSE_UNKNOWN_NAME },
        { "4.4.7", P1_CAUSE_EXPIRED }, { "5.4.3", P1_CAUSE_OTHER },
        { "4.3.9", P1_CAUSE_CONGESTION }, { "5.5.1", P1_CAUSE_PROTOCOL },
        { "5.6.7", P1_CAUSE_CONVERSION }, { "5.7.9", P1_CAUSE_RESTRICTED },
        { "5.9.9", P1_CAUSE_OTHER }, { "5.0.0", P1_CAUSE_OTHER }, { "", P1_CAUSE_OTHER },
        { "5", P1_CAUSE_OTHER }, { "5.", P1_CAUSE_OTHER }, { "xyzzy", P1_CAUSE_OTHER } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CU_ASSERT_EQUAL(p1_code_cause(slice_of(rows[i].status)), rows[i].cause);
    }
}

static void
codes_that_nobody_knows_have_no_name_and_a_plain_status(void)
{
    CU_ASSERT_STRING_EQUAL(p1_code_reason(8), "transfer-failure-for-security-reason");
    CU_ASSERT_STRING_EQUAL(p1_code_reason(9), "");
    CU_ASSERT_STRING_EQUAL(p1_code_diagnostic(78), "unsupported-security-policy");
    CU_ASSERT_STRING_EQUAL(p1_code_diagnostic(79), "");
    CU_ASSERT_STRING_EQUAL(p1_code_diagnostic(P1_NO_DIAGNOSTIC), "");
    CU_ASSERT_STRING_EQUAL(p1_code_status(1, 79), "5.0.0");
    CU_ASSERT_STRING_EQUAL(p1_code_status(7, P1_NO_DIAGNOSTIC), "5.0.0");
    CU_ASSERT_STRING_EQUAL(p1_code_status(0, 0), "5.1.1"); /* the diagnostic says more */
}

TEST_MAIN("p1_code", TEST(the_document_has_the_same_rows), TEST(a_status_of_any_class_is_its_row),
    TEST(other_statuses_are_the_nearest_row),
    TEST(codes_that_nobody_knows_have_no_name_and_a_plain_status))
