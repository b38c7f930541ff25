/* What a recovery finds is told at its end: a later REPAIRED record may say that it is dealt with.
 */
#include "queue/recover_int.h"
#include "queue/repaired.h"
#include <stdio.h>
#include <stdlib.h>

#define MISSING_TOLD_MAX   1000 /* nobody reads more, and a record may name a million */
#define SEGMENT_NUMBER_CAP 40

static void
tell_now(struct run *run, const struct queue_finding *finding)
{
    run->r->damaged += finding_is_damage(finding->kind);
    if (run->r->finding != NULL) {
        run->r->finding(run->r->ctx, finding);
    }
}

/* They are told at the end: a later REPAIRED record may say that one is dealt with. */
void
recover_tell(struct run *run, const struct queue_finding *finding)
{
    struct finding_kept *k;
    uint32_t epoch;

    if (run->kept_count == run->kept_capacity) {
        uint32_t capacity = MAX(run->kept_capacity * 2, 16U);
        struct finding_kept *grown = realloc(run->kept, capacity * sizeof(*grown));

        if (grown == NULL) {
            tell_now(run, finding);
            return;
        }
        run->kept = grown;
        run->kept_capacity = capacity;
    }
    k = &run->kept[run->kept_count++];
    *k = (struct finding_kept){ .f = *finding };
    (void)snprintf(k->file, sizeof(k->file), "%s", finding->file);
    (void)snprintf(k->detail, sizeof(k->detail), "%s", finding->detail);
    (void)!segment_name_parse(k->file, &k->seq, &epoch);
}

void
recover_tell_all(struct run *run)
{
    for (uint32_t i = 0; i < run->kept_count; i++) {
        struct finding_kept *k = &run->kept[i];

        k->f.file = k->file;
        k->f.detail = k->detail;
        tell_now(run, &k->f);
    }
}

static bool
is_settled(const struct finding_kept *k, const struct repaired *r, const struct repaired_place *p)
{
    for (uint32_t i = 0; k->seq == r->seq && k->f.id == 0 && i < r->count; i++) {
        if (k->f.offset == p[i].offset && (uint32_t)k->f.kind == p[i].kind) {
            return true;
        }
    }
    return false;
}

/* A REPAIRED record: what it names is dealt with. A segment of which nothing else is known is as
 * good as any other. */
int
recover_settle(struct run *run, struct slice payload)
{
    struct repaired_place *places = calloc(REPAIRED_PLACES_MAX, sizeof(*places));
    uint32_t left = 0, of_segment = 0;
    struct segment *seg;
    struct repaired r;
    int rc = places != NULL ? repaired_get(payload, &r, places) : -ENOMEM;

    if (rc < 0) {
        free(places);
        return rc;
    }
    for (uint32_t i = 0; i < run->kept_count; i++) {
        if (!is_settled(&run->kept[i], &r, places)) {
            of_segment += run->kept[i].seq == r.seq && finding_is_damage(run->kept[i].f.kind);
            run->kept[left++] = run->kept[i];
        }
    }
    run->kept_count = left;
    seg = segtab_find(run->r->segments, r.seq);
    if (seg != NULL && seg->epoch == r.epoch && of_segment == 0) {
        seg->damaged = false;
    }
    free(places);
    return 0;
}

void
recover_report(struct run *run, const struct found *f, uint64_t offset, uint64_t length,
    enum bridgehead_finding kind, const char *detail)
{
    char name[SEGMENT_NAME_CAP];
    struct queue_finding finding = { kind, name, offset, length, 0, detail };

    segment_name(name, f->seq, f->epoch);
    recover_tell(run, &finding);
}

/* Once for each. unless: a missing one that may have said that it was freed; 0: there is none. */
static void
report_missing(struct run *run, uint64_t seq, uint64_t unless)
{
    char number[SEGMENT_NUMBER_CAP], detail[96];
    struct queue_finding finding = { FINDING_SEGMENT_MISSING, "", 0, 0, 0, detail };
    int n;

    if (run->missing_last == seq) {
        return; /* the usual case: a message after the other in the same one */
    }
    run->missing_last = seq;
    n = snprintf(number, sizeof(number), "segment number %016llx", (unsigned long long)seq);
    for (uint32_t i = run->kept_count; i > 0; i--) {
        if (run->kept[i - 1].f.kind == FINDING_SEGMENT_MISSING &&
            strncmp(run->kept[i - 1].detail, number, (size_t)n) == 0) {
            return;
        }
    }
    if (unless != 0) {
        (void)snprintf(detail, sizeof(detail), "%s, unless it was freed: %016llx would tell",
            number, (unsigned long long)unless);
    } else {
        (void)snprintf(detail, sizeof(detail), "%s", number);
    }
    recover_tell(run, &finding);
}

void
recover_report_missing(struct run *run, uint64_t seq)
{
    report_missing(run, seq, 0);
}

/* Is there a file of that number? Where the SEAL's segment is missing, of those that it listed none
 * counts. */
static bool
is_there(const struct run *run, uint64_t seq, bool seal_missing)
{
    uint32_t low = 0, high = run->count;

    while (low < high) { /* the first of that number */
        uint32_t mid = low + (high - low) / 2;

        if (run->found[mid].seq < seq) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    for (; low < run->count && run->found[low].seq == seq; low++) {
        if (run->found[low].counts || (seal_missing && !run->found[low].stranger)) {
            return true;
        }
    }
    return false;
}

/* Is it the last epoch's first segment, the one with the SEAL, that must be there and is not? */
static bool
is_seal_missing(const struct run *run)
{
    const struct expected *e = &run->expected;
    uint64_t first = 0;

    if (run->seal != NULL || run->seal_lost) {
        return false;
    }
    for (uint32_t i = 0; i < run->count; i++) {
        const struct found *f = &run->found[i];

        if (f->counts && f->epoch == run->r->epoch && f->head_rc == 0) {
            first = f->head.seal_lsn / run->r->segment_bytes;
        }
    }
    for (uint32_t i = 0; i < e->count; i++) {
        if (e->seqs[i] == first) {
            return first != 0;
        }
    }
    return false;
}

/* A file that came back too late, or what only a missing SEAL listed. */
static void
keep_strays(struct run *run, bool seal_missing)
{
    struct queue_finding f = { FINDING_SEAL_MISSING, "", 0, 0, 0, "" };
    struct recovery *r = run->r;

    for (uint32_t i = 0; i < r->stray_count; i++) {
        struct recover_stray *s = &r->strays[i];
        uint64_t seq;
        uint32_t epoch;

        s->keep = seal_missing;
        (void)!segment_name_parse(s->name, &seq, &epoch);
        for (uint32_t k = 0; k < r->missing_count; k++) {
            s->keep = s->keep || r->missing[k] == seq;
        }
    }
    if (seal_missing && r->stray_count > 0) {
        recover_tell(run, &f);
    }
}

static int
find_missing(struct run *run, bool seal_missing)
{
    const struct expected *e = &run->expected;
    struct recovery *r = run->r;

    r->missing = malloc((e->count + (size_t)1) * sizeof(*r->missing));
    if (r->missing == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < e->count; i++) {
        if (!is_there(run, e->seqs[i], seal_missing)) {
            r->missing[r->missing_count++] = e->seqs[i];
        }
    }
    return 0;
}

/* A later one that is missing, too, and was not there yet at the last CENSUS that is read, may have
 * held one that left this one out. */
static void
tell_missing(struct run *run)
{
    struct queue_finding more = { FINDING_SEGMENT_MISSING, "", 0, 0, 0, "and more" };
    struct recovery *r = run->r;
    uint64_t last = r->missing_count > 0 ? r->missing[r->missing_count - 1] : 0;

    if (r->missing_count > MISSING_TOLD_MAX) {
        recover_tell(run, &more);
        r->missing_count = MISSING_TOLD_MAX;
    }
    for (uint32_t i = 0; i < r->missing_count; i++) {
        uint64_t seq = r->missing[i];

        report_missing(run, seq, seq < last && last > run->expected.said ? last : 0);
    }
}

uint64_t
recover_durable_seq(const struct run *run)
{
    uint64_t seq = run->r->sealed_lsn / run->r->segment_bytes;
    bool begun = run->r->sealed_lsn % run->r->segment_bytes > SEGMENT_HEADER_BYTES;

    return begun || seq == 0 ? seq : seq - 1;
}

int
recover_missing(struct run *run)
{
    struct expected *e = &run->expected;
    bool seal_missing;
    int rc = expected_through(e, recover_durable_seq(run));

    expected_settle(e);
    seal_missing = rc == 0 && is_seal_missing(run);
    rc = rc < 0 ? rc : find_missing(run, seal_missing);
    if (rc < 0) {
        return rc;
    }
    tell_missing(run);
    keep_strays(run, seal_missing);
    LIST_FOR(it, &run->r->segments->order)
    {
        struct segment *s = CONTAINER_OF(it, struct segment, link);

        s->left_out = expected_leaves_out(e, s->seq);
    }
    return 0;
}
