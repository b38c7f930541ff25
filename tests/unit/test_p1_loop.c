/* Traces as words: "A" is an element of that domain, "A!" one that redirected, "A/m" one of MTA m
 * in the internal trace. We are MTA x of domain X. */
#include "octets.h"
#include "test_main.h"
#include "x400/p1_loop.h"

static void
write_element(struct buf *trace, struct buf *internal, const char *word, size_t n)
{
    const char *slash = memchr(word, '/', n);
    struct buf *out = slash != NULL ? internal : trace;
    struct ber_writer w;

    ber_writer_init(&w, out);
    ber_write_begin(&w, BER_UNIVERSAL(BER_SEQUENCE));
    ber_write_begin(&w, BER_APPLICATION(3));
    ber_write_begin(&w, BER_APPLICATION(1));
    ber_write_bytes(&w, BER_UNIVERSAL(BER_PRINTABLE_STRING), SLICE_LIT("GB"));
    ber_write_end(&w);
    ber_write_begin(&w, BER_APPLICATION(2));
    ber_write_bytes(&w, BER_UNIVERSAL(BER_PRINTABLE_STRING), (struct slice){ word, 1 });
    ber_write_end(&w);
    ber_write_end(&w);
    if (slash != NULL) {
        ber_write_bytes(&w, BER_UNIVERSAL(BER_IA5_STRING), (struct slice){ slash + 1, 1 });
    }
    ber_write_begin(&w, BER_UNIVERSAL(BER_SET));
    ber_write_bytes(&w, BER_CONTEXT(0), SLICE_LIT("261120231844Z"));
    ber_write_int(&w, BER_CONTEXT(2), 0);
    if (word[n - 1] == '!') {
        ber_write_bits(&w, BER_CONTEXT(3), 1, 2);
    }
    ber_write_end(&w);
    ber_write_end(&w);
    CU_ASSERT_EQUAL(ber_write_finish(&w), 0);
}

static enum p1_loop
loop_of(const char *words)
{
    static const struct p1_domain own = { .country = { true, 2, "gb" }, .admd = { true, 1, "X" } };
    struct slice rest = slice_of(words), word;
    struct p1_envelope e = { .kind = P1_MESSAGE };
    struct buf trace, internal;
    enum p1_loop result;

    buf_init(&trace, 100000);
    buf_init(&internal, 100000);
    while (slice_next(&rest, ' ', &word)) {
        if (word.n == 0) {
            continue;
        }
        write_element(&trace, &internal, word.p, word.n);
        *(memchr(word.p, '/', word.n) != NULL ? &e.internal_count : &e.trace_count) += 1;
    }
    e.trace = buf_slice(&trace);
    e.internal = buf_slice(&internal);
    result = p1_loop(&e, &own, SLICE_LIT("x"));
    buf_fini(&trace);
    buf_fini(&internal);
    return result;
}

static void
a_message_that_was_here_and_was_not_redirected_since_loops(void)
{
    static const struct {
        const char *words;
        enum p1_loop loop;
    } rows[] = {
        { "", P1_NO_LOOP }, { "A B C", P1_NO_LOOP },
        { "X", P1_NO_LOOP }, /* from another MTA of our domain */
        { "A X X", P1_NO_LOOP }, { "X A", P1_LOOP_DOMAIN }, { "A X B", P1_LOOP_DOMAIN },
        { "A X B X", P1_LOOP_DOMAIN },
        { "X! A", P1_NO_LOOP }, /* we redirected it to A, who sends it back */
        { "X A!", P1_NO_LOOP }, /* A did */
        { "X A! X B", P1_LOOP_DOMAIN }, { "X! A X", P1_NO_LOOP },
        { "X A X! B", P1_LOOP_DOMAIN }, /* twice here before the redirection */
        { "X X/y", P1_NO_LOOP }, { "X X/x", P1_LOOP_MTA }, { "X X/x X/y", P1_LOOP_MTA },
        { "X X/x! X/y", P1_NO_LOOP }, { "X X/x X/y!", P1_NO_LOOP },
        { "X X/x! X/y X/x", P1_LOOP_MTA },
        { "A A/x", P1_NO_LOOP }, /* the same name in another domain */
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CU_ASSERT_EQUAL(loop_of(rows[i].words), rows[i].loop);
    }
}

static void
more_hops_than_fifty_are_a_loop(void)
{
    char words[2][512] = { "", "" };

    for (unsigned n = 1; n <= P1_HOPS_MAX + 1; n++) {
        (void)snprintf(words[0] + 2 * (n - 1), 3, "A ");
        (void)snprintf(words[1] + 4 * (n - 1), 5, "A/b ");
        for (unsigned i = 0; i < 2; i++) {
            CU_ASSERT_EQUAL(loop_of(words[i]), n > P1_HOPS_MAX ? P1_LOOP_HOPS : P1_NO_LOOP);
        }
    }
}

TEST_MAIN("p1_loop", TEST(a_message_that_was_here_and_was_not_redirected_since_loops),
    TEST(more_hops_than_fifty_are_a_loop))
