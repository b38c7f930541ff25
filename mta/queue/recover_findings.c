/* What a recovery finds is told at its end: a later REPAIRED record may say that it is dealt with.
 */
#include "queue/recover_int.h"
#include "queue/repaired.h"
#include <stdio.h>
#include <stdlib.h>

#define MISSING_TOLD_MAX 1000 /* nobody reads more, and a record may name a million */

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

/* Once for each. */
void
recover_report_missing(struct run *run, uint64_t seq)
{
    char number[32];
    struct queue_finding finding = { FINDING_SEGMENT_MISSING, "", 0, 0, 0, number };

    if (run->missing_last == seq) {
        return; /* the usual case: a message after the other in the same one */
    }
    run->missing_last = seq;
    (void)snprintf(number, sizeof(number), "segment number %016llx", (unsigned long long)seq);
    for (uint32_t i = run->kept_count; i > 0; i--) {
        if (run->kept[i - 1].f.kind == FINDING_SEGMENT_MISSING &&
            strcmp(run->kept[i - 1].detail, number) == 0) {
            return;
        }
    }
    recover_tell(run, &finding);
}

static int
by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = ((const struct found *)b)->seq;

    return x < y ? -1 : x > y;
}

static bool
is_there(const struct run *run, uint64_t seq)
{
    return run->count > 0 &&
           bsearch(&seq, run->found, run->count, sizeof(*run->found), by_number) != NULL;
}

/* Who released the store said at the very end which segments there are. Nothing tells after a
 * crash: segments may have been freed since. */
void
recover_missing(struct run *run)
{
    struct queue_finding f = { FINDING_SEAL_MISSING, "", 0, 0, 0, "" };
    struct queue_finding more = { FINDING_SEGMENT_MISSING, "", 0, 0, 0, "and more" };
    uint32_t missing = 0;

    if (!run->census.known || run->r->sealed_lsn == 0) {
        return;
    }
    for (uint32_t i = 0; i < run->census.count; i++) {
        if (!is_there(run, run->census.seqs[i]) && ++missing <= MISSING_TOLD_MAX) {
            recover_report_missing(run, run->census.seqs[i]);
        }
    }
    if (missing > MISSING_TOLD_MAX) {
        recover_tell(run, &more);
    }
    if (run->r->stray_count > 0 && missing > 0) {
        run->r->keep_strays = true;
        recover_tell(run, &f);
    }
}
