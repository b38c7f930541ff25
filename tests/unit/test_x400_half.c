/* The tables of both halves, and the document. */
#include "octets.h"
#include "test_main.h"
#include "x400/x400_half.h"

#define DOC "docs/protocols/x400.md"

typedef const char *cell_fn(unsigned state, unsigned event);

static void
same_row(const char *heading, const char *first, cell_fn *cell, unsigned event, unsigned states)
{
    char line[512] = "", expect[512];
    int n = snprintf(expect, sizeof(expect), "| %s |", first);

    for (unsigned s = 0; s < states; s++) {
        n += snprintf(expect + n, sizeof(expect) - (size_t)n, " %s |", cell(s, event));
    }
    (void)snprintf(expect + n, sizeof(expect) - (size_t)n, "\n");
    CU_ASSERT_TRUE(octets_doc_row(__FILE__, DOC, heading, first, line, sizeof(line)));
    CU_ASSERT_STRING_EQUAL(line, expect);
}

static const char *
in_cell(unsigned state, unsigned event)
{
    return x400_in_step_name(x400_in_row((enum x400_in_state)state, (enum x400_in_event)event));
}

static const char *
out_cell(unsigned state, unsigned event)
{
    return x400_out_step_name(x400_out_row((enum x400_out_state)state, (enum x400_out_event)event));
}

static void
the_document_shows_both_tables(void)
{
    for (unsigned e = 0; e < X400_IN_EVENT_COUNT; e++) {
        same_row("### Table: receiving a transfer", x400_in_event_name((enum x400_in_event)e),
            in_cell, e, X400_IN_OVER);
    }
    for (unsigned e = 0; e < X400_OUT_EVENT_COUNT; e++) {
        same_row("### Table: sending", x400_out_event_name((enum x400_out_event)e), out_cell, e,
            X400_OUT_OVER);
    }
}

/* The invariant, in the table: a confirmation follows the journal, or that there is nothing to
 * keep, and nothing else. */
static void
only_the_journal_leads_to_a_confirmation(void)
{
    for (unsigned s = 0; s < X400_IN_STATE_COUNT; s++) {
        for (unsigned e = 0; e < X400_IN_EVENT_COUNT; e++) {
            bool may = (s == X400_IN_COMMIT &&
                           (e == X400_IN_DURABLE || e == X400_IN_NOTHING || e == X400_IN_KNOWN)) ||
                       (s == X400_IN_ASK && e == X400_IN_KNOWN);

            CU_ASSERT_TRUE(may || x400_in_row((enum x400_in_state)s, (enum x400_in_event)e) !=
                                      X400_IN_CONFIRM);
        }
    }
}

/* Nothing that happens to a session after its end does anything. */
static void
a_session_that_is_over_stays_over(void)
{
    for (unsigned e = 0; e < X400_OUT_EVENT_COUNT; e++) {
        CU_ASSERT_EQUAL(x400_out_row(X400_OUT_OVER, (enum x400_out_event)e), X400_OUT_IGNORE);
    }
}

TEST_MAIN("x400_half", TEST(the_document_shows_both_tables),
    TEST(only_the_journal_leads_to_a_confirmation), TEST(a_session_that_is_over_stays_over))
