/* bench_envelope.c - how long an X.400 envelope as large as is taken holds the loop: of the kinds
 * that cost most (support/p1_big.h), what one call of each step takes. Prints ms of CPU, the
 * fastest of some rounds: what it needs, without what else the machine did. With a kind's name only
 * that one.
 */
#include "bench_util.h"
#include "p1_big.h"
#include "x400/or_route.h"
#include "x400/p1_reader.h"
#include "x400/x400_judge.h"
#include "x400/x400_notice.h"
#include "x400/x400_share.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 11, PIECE_BYTES = 64 * 1024, SHARE = 10000 };
#define NOW_MS ((uint64_t)1795216724 * 1000)

enum step { READ, STORE, JUDGE, REFUSE, REPORT, SHARE_ALL, SHARE_SOME, OLD, NOTICE };
static const char *const names[] = { "read", "store", "judge", "refuse", "report", "share",
    "share 100", "1984", "notice" };
#define STEPS (sizeof(names) / sizeof(names[0]))

static const struct p1_domain ours = { { true, 2, "DE" }, { true, 1, " " }, { true, 2, "BH" } };

static uint64_t best[P1_BIG_COUNT][STEPS], begun;

static uint64_t
cpu_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void
begin(void)
{
    begun = cpu_ns();
}

static void
took(enum p1_big kind, enum step step)
{
    uint64_t ns = cpu_ns() - begun;

    if (best[kind][step] == 0 || ns < best[kind][step]) {
        best[kind][step] = ns;
    }
}

static struct or_route
route(void *ctx, const struct or_address *to, struct slice text, const struct p1_envelope *e)
{
    const struct or_route_query q = { .to = to, .came_by = OR_ROUTE_NO_CONNECTOR };
    uint16_t via[4];
    size_t count = 0;
    struct or_route r = { .via = OR_ROUTE_NO_CONNECTOR, .instead_of = OR_ROUTE_NO_CONNECTOR };

    (void)text;
    (void)e;
    r.verdict = or_route_list(ctx, &q, via, 4, &count);
    r.via = count > 0 ? via[0] : r.via;
    return r;
}

static struct or_route_table *
table_to(const char *const *spaces, size_t count)
{
    struct or_route_table *t;

    CHECK(or_route_table_new(&t) == 0);
    for (uint16_t i = 0; i < count; i++) {
        struct or_address space;
        struct or_error error;

        CHECK(or_address_parse_pattern(slice_of(spaces[i]), &space, &error) == 0);
        CHECK(or_route_add(t, &space, i, 1, &error) == 0);
    }
    return t;
}

/* The longest call of the pieces that a connection reads. */
static void
read_it(enum p1_big kind, struct slice stored, struct p1_reader *r)
{
    struct slice content;
    struct buf apdu;
    struct ber_writer w;
    uint64_t longest = 0;
    uint64_t head = 0;
    enum p1_kind k;

    CHECK(p1_stored_bytes(stored, &k, &head) == 0);
    buf_init(&apdu, 2 * P1_ENVELOPE_BYTES_MAX);
    ber_writer_init(&w, &apdu);
    ber_write_begin(&w, BER_CONTEXT(0));
    ber_write_begin(&w, BER_UNIVERSAL(BER_SET));
    ber_write_raw(&w, slice_skip(stored, ber_header_bytes(BER_CONTEXT(0), head - 6)));
    ber_write_end(&w);
    ber_write_bytes(&w, BER_UNIVERSAL(BER_OCTET_STRING), (struct slice)SLICE_LIT("hello"));
    ber_write_end(&w);
    CHECK(ber_write_finish(&w) == 0);
    p1_reader_init(r, P1_1988_X410);
    for (struct slice rest = buf_slice(&apdu); rest.n > 0;) {
        struct slice piece = slice_sub(rest, 0, PIECE_BYTES);
        enum p1_event e;
        uint64_t at = cpu_ns(), ns;

        rest = slice_skip(rest, piece.n);
        do {
            e = p1_reader_next(r, &piece, &content);
        } while (e == P1_GOT_ENVELOPE || e == P1_CONTENT);
        ns = cpu_ns() - at;
        longest = ns > longest ? ns : longest;
        CHECK(e == P1_MORE || e == P1_END);
    }
    if (best[kind][READ] == 0 || longest < best[kind][READ]) {
        best[kind][READ] = longest;
    }
    buf_fini(&apdu);
}

static void
judge_it(enum p1_big kind, const struct p1_envelope *e, struct or_route_table *t, enum step step,
    struct x400_judged *out)
{
    const struct x400_judge by = { .domain = &ours,
        .mta_name = SLICE_LIT("BENCH"),
        .content_bytes = 5,
        .now_wall_ms = NOW_MS,
        .route = route,
        .ctx = t };

    begin();
    CHECK(x400_judge(out, e, &by) == 0);
    took(kind, step);
}

static void
report_it(enum p1_big kind, const struct p1_envelope *e, const struct x400_judged *j)
{
    const struct p1_reporter by = { .domain = &ours,
        .mta_name = SLICE_LIT("BENCH"),
        .local_id = SLICE_LIT("R-1"),
        .now_wall_ms = NOW_MS,
        .arrival_wall_ms = NOW_MS };
    struct buf out;

    buf_init(&out, P1_STORED_BYTES_MAX);
    begin();
    (void)!p1_report_write_fitting(&out, e, j->outcomes, &by);
    took(kind, REPORT);
    buf_fini(&out);
}

static void
share_it(enum p1_big kind, struct slice stored, const struct x400_judged *j, uint32_t count,
    enum p1_protocol protocol, struct x400_places *places, enum step step)
{
    struct slice *to = calloc(SHARE, sizeof(*to));
    const struct x400_connector_options o = { .protocol = protocol };
    const struct delivery d = {
        .id = 1, .received_wall_ms = NOW_MS, .recipient_count = count, .recipients = to
    };
    const struct x400_share_query q = { .conf = &o,
        .domain = &ours,
        .mta_name = SLICE_LIT("BENCH"),
        .context = 5,
        .d = &d,
        .stored = stored,
        .content_bytes = 5,
        .now_wall_ms = NOW_MS,
        .places = places };
    struct x400_share s;
    int rc;

    for (uint32_t i = 0; i < count; i++) {
        to[i] = j->recipients[i].address;
    }
    begin();
    rc = x400_share_make(&s, &q);
    took(kind, step);
    if (rc == 0) {
        buf_fini(&s.head);
        free(s.left_out);
    } else if (s.why == NULL) {
        bench_die(1, "%s: share: %d", p1_big_name(kind), rc);
    }
    free(to);
}

static void
notice_it(enum p1_big kind, struct slice stored, const struct x400_judged *j, uint32_t count)
{
    struct x400_failure *failures = calloc(SHARE, sizeof(*failures));
    const struct x400_notice n = { .domain = &ours,
        .mta_name = SLICE_LIT("BENCH"),
        .local_id = SLICE_LIT("R-1"),
        .now_wall_ms = NOW_MS,
        .arrival_wall_ms = NOW_MS,
        .stored = stored,
        .stored_bytes = stored.n,
        .failures = failures,
        .failure_count = count };
    const char *why;
    struct buf out;
    char *to = NULL;

    for (uint32_t i = 0; i < count; i++) {
        failures[i].address = j->recipients[i].address;
        failures[i].status = (struct slice)SLICE_LIT("5.1.1");
    }
    buf_init(&out, P1_STORED_BYTES_MAX);
    begin();
    (void)!x400_notice_make(&out, &to, &why, &n);
    took(kind, NOTICE);
    buf_fini(&out);
    free(to);
    free(failures);
}

static void
measure(enum p1_big kind, struct or_route_table *all, struct or_route_table *none)
{
    struct x400_judged taken, refused;
    struct x400_places places = { .message = 0 };
    struct p1_reader r;
    struct buf stored, again;
    uint32_t count;

    buf_init(&stored, 2 * P1_ENVELOPE_BYTES_MAX);
    buf_init(&again, P1_STORED_BYTES_MAX);
    p1_big_make(&stored, kind);
    read_it(kind, buf_slice(&stored), &r);
    begin();
    CHECK(p1_stored_write(&again, &r.envelope) == 0);
    took(kind, STORE);
    judge_it(kind, &r.envelope, all, JUDGE, &taken);
    judge_it(kind, &r.envelope, none, REFUSE, &refused);
    count = taken.recipient_count < SHARE ? taken.recipient_count : SHARE;
    report_it(kind, &r.envelope, &refused);
    share_it(kind, buf_slice(&stored), &taken, count, P1_1988_NORMAL, &places, SHARE_ALL);
    share_it(kind, buf_slice(&stored), &taken, count < 100 ? count : 100, P1_1988_NORMAL, &places,
        SHARE_SOME);
    share_it(kind, buf_slice(&stored), &taken, count, P1_1984, NULL, OLD);
    notice_it(kind, buf_slice(&stored), &taken, count);
    x400_places_fini(&places);
    x400_judged_fini(&taken);
    x400_judged_fini(&refused);
    p1_reader_fini(&r);
    buf_fini(&again);
    buf_fini(&stored);
}

int
main(int argc, char **argv)
{
    static const char *const everywhere[] = { "/C=FR/A= /P=ATLAS/", "/C=GB/", "*" };
    static const char *const nowhere[] = { "/C=XX/A=ICAO/P=SWITZ/" };
    struct or_route_table *all = table_to(everywhere, 3), *none = table_to(nowhere, 1);

    printf("%-12s", "ms");
    for (size_t s = 0; s < STEPS; s++) {
        printf("%11s", names[s]);
    }
    for (enum p1_big kind = 0; kind < P1_BIG_COUNT; kind++) {
        if (argc > 1 && strcmp(argv[1], p1_big_name(kind)) != 0) {
            continue;
        }
        for (unsigned i = 0; i < ROUNDS; i++) {
            measure(kind, all, none);
        }
        printf("\n%-12s", p1_big_name(kind));
        for (size_t s = 0; s < STEPS; s++) {
            printf("%11.2f", (double)best[kind][s] / (double)NS_PER_MS);
        }
    }
    printf("\n");
    or_route_table_free(all);
    or_route_table_free(none);
    return 0;
}
