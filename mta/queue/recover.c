/* Invariants (docs/formats/journal.md): I2 makes a later segment prove an earlier one; I6 says what
 * counts of older epochs; I7 is re-established as `needs` of each segment; I11 is the reader's. */
#include "queue/recover_int.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- what is there */

static int
each_segment(void *ctx, const char *name)
{
    struct run *run = ctx;
    struct found f = { 0 };

    if (!segment_name_parse(name, &f.seq, &f.epoch) ||
        f.seq >= (uint64_t)INT64_MAX / run->r->segment_bytes) {
        return 0; /* not a name that we make */
    }
    if (run->count == run->capacity) {
        uint32_t capacity = MAX(run->capacity * 2, 64U);
        struct found *grown = realloc(run->found, capacity * sizeof(*grown));

        if (grown == NULL) {
            return -ENOMEM;
        }
        run->found = grown;
        run->capacity = capacity;
    }
    run->found[run->count++] = f;
    return 0;
}

static int
by_seq(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    if (x->seq != y->seq) {
        return x->seq < y->seq ? -1 : 1;
    }
    return x->epoch < y->epoch ? -1 : x->epoch > y->epoch;
}

/* A good header that is not of this file proves more than a bad one: it says nothing about us. */
static void
judge_place(struct run *run, struct found *f)
{
    char name[SEGMENT_NAME_CAP];

    if (memcmp(f->head.uuid, run->r->uuid, sizeof(f->head.uuid)) != 0) {
        f->stranger = true;
        f->fault = FINDING_SEGMENT_FOREIGN;
        recover_report(run, f, 0, f->size_bytes, f->fault, "");
    } else if (f->head.seq != f->seq || f->head.epoch != f->epoch ||
               f->head.segment_bytes != run->r->segment_bytes) {
        f->stranger = true;
        f->fault = FINDING_SEGMENT_MISPLACED;
        segment_name(name, f->head.seq, f->head.epoch);
        recover_report(run, f, 0, f->size_bytes, f->fault, name);
    }
    f->head_rc = f->stranger ? BH_EDAMAGED : 0;
}

static int
read_head(struct run *run, struct found *f)
{
    const uint8_t *block;
    struct io_stat st;
    size_t got;
    int rc = recover_window_open(&run->window, run->r, f, true);

    rc = rc < 0 ? rc : io_fstat(run->window.fd, &st);
    rc = rc < 0 ? rc : recover_window_get(&run->window, 0, SEGMENT_HEADER_BYTES, &block, &got);
    io_close(&run->window.fd);
    if (io_is_no_file(rc)) {
        f->fault = FINDING_SEGMENT_HEADER;
        f->head_rc = BH_EDAMAGED;
        return 0;
    }
    if (rc < 0) {
        return recover_fail(run, f, 0, rc, "cannot be read");
    }
    f->size_bytes = st.size_bytes;
    f->head_rc = segment_head_get(block, got, &f->head);
    if (f->head_rc == BH_EFORMAT) {
        recover_report(run, f, 0, 0, FINDING_SEGMENT_NEWER, "");
        return recover_fail(run, f, 0, BH_EFORMAT, "written by a newer release");
    }
    f->fault = FINDING_SEGMENT_HEADER;
    if (f->head_rc == 0) {
        judge_place(run, f);
    }
    return 0;
}

static int
list_segments(struct run *run)
{
    char dir[STORE_PATH_CAP];
    int rc = store_path(dir, run->r->store, "journal");

    rc = rc < 0 ? rc : io_list(dir, each_segment, run);
    if (rc < 0) {
        (void)snprintf(run->r->text, sizeof(run->r->text), "journal directory: %s", error_text(rc));
        return rc;
    }
    if (run->count > 0) {
        qsort(run->found, run->count, sizeof(*run->found), by_seq);
    }
    run->r->next_seq = 1;
    for (uint32_t i = 0; i < run->count; i++) {
        struct found *f = &run->found[i];

        rc = read_head(run, f);
        if (rc == 0 && f->seq >= (uint64_t)INT64_MAX / run->r->segment_bytes / 2) {
            /* what is made behind it would have no name (each_segment), and be lost */
            rc = recover_fail(
                run, f, 0, BH_EDAMAGED, "has a number that no owner reaches (move it away)");
        }
        if (rc < 0) {
            return rc;
        }
        run->r->next_seq = MAX(run->r->next_seq, f->seq + 1);
        run->r->epoch_max = MAX(run->r->epoch_max, f->epoch);
    }
    return 0;
}

/* ---- the last seal */

static int
seal_part(struct run *run, const uint8_t *at, const struct record_head *h, uint32_t part,
    struct seal_head *seal)
{
    struct seal_entry *grown =
        realloc(run->seal, (run->seal_count + SEAL_ENTRIES_MAX) * sizeof(*run->seal));
    struct slice payload = { (const char *)at + RECORD_HEADER_BYTES,
        h->length - RECORD_HEADER_BYTES };

    if (grown == NULL) {
        return -ENOMEM;
    }
    run->seal = grown;
    if (h->type != RECORD_SEAL || seal_get(payload, seal, run->seal + run->seal_count) < 0 ||
        seal->part != part) {
        return BH_EDAMAGED;
    }
    run->seal_count += seal->count;
    return 0;
}

/* The record behind the SEAL that names snapshots of older epochs; there may be none. */
static int
read_named(struct run *run, const struct cursor *c)
{
    struct record_head h;
    const uint8_t *at;
    int look = recover_look(run, c, &h, &at);

    if (look == LOOK_GOOD && h.type == RECORD_SNAPSHOT &&
        snapshot_record_get((struct slice){ (const char *)at + RECORD_HEADER_BYTES,
                                h.length - RECORD_HEADER_BYTES },
            run->r->named, &run->r->named_count) < 0) {
        run->r->named_count = 0;
    }
    return MIN(look, 0);
}

static void
seal_forget(struct run *run)
{
    free(run->seal);
    run->seal = NULL;
    run->seal_count = 0;
}

/* The whole SEAL at the start of a segment. 1: read; 0: there is no whole one. */
static int
read_seal(struct run *run, const struct found *f)
{
    struct cursor c = recover_cursor(run->r, f);
    struct seal_head seal = { .parts = 1 };
    int rc = recover_window_open(&run->window, run->r, f, true);

    for (uint32_t part = 0; rc == 0 && part < seal.parts; part++) {
        struct record_head h;
        const uint8_t *at;

        rc = recover_look(run, &c, &h, &at);
        if (rc >= 0) {
            rc = rc == LOOK_GOOD ? seal_part(run, at, &h, part, &seal) : BH_EDAMAGED;
        }
        c.offset += rc == 0 ? record_padded(h.length) : 0;
    }
    rc = rc < 0 ? rc : read_named(run, &c);
    io_close(&run->window.fd);
    if (rc < 0) {
        seal_forget(run);
        return rc == BH_EDAMAGED ? 0 : rc;
    }
    return 1;
}

/* There is no whole SEAL at its start: because it never was, or because it is damaged? */
static int
seal_was_durable(struct run *run, const struct found *f, bool *yes)
{
    struct tail t = { 0 };
    int rc = recover_window_open(&run->window, run->r, f, true);

    rc = rc < 0 ? rc : recover_probe(run, recover_cursor(run->r, f), &t);
    io_close(&run->window.fd);
    *yes = *yes || t.was_durable;
    return rc;
}

/* Is this epoch sealed (step 2 of section 6)? 1, 0, or an error. */
static int
epoch_is_sealed(struct run *run, uint32_t epoch)
{
    const struct found *first = NULL;
    bool proved = false, unreadable = false;
    int rc;

    for (uint32_t i = 0; i < run->count; i++) {
        const struct found *f = &run->found[i];

        if (f->epoch != epoch || f->stranger) {
            continue;
        }
        if (f->head_rc < 0) {
            unreadable = true;
        } else if (f->head.seal_lsn != 0) {
            proved = true;
        } else if (first == NULL) {
            first = f;
        }
    }
    if (first != NULL) {
        rc = read_seal(run, first);
        rc = rc != 0 ? rc : seal_was_durable(run, first, &proved);
        if (rc != 0) {
            return rc;
        }
    }
    /* Proved, but its seal cannot be read: if the segment is gone, nothing older counts (I8); if it
     * is there and damaged, older segments are read as far as they go. A header was durable before
     * it had a name: one that cannot be read is damage, and may have been the sealed one's. */
    run->seal_lost = (proved && first != NULL) || unreadable;
    return proved || unreadable ? 1 : 0;
}

static int
find_sealed_epoch(struct run *run)
{
    uint32_t below = UINT32_MAX;

    for (;;) {
        uint32_t epoch = 0;
        int rc;

        for (uint32_t i = 0; i < run->count; i++) {
            if (run->found[i].epoch < below) {
                epoch = MAX(epoch, run->found[i].epoch);
            }
        }
        if (epoch == 0) {
            return 0;
        }
        rc = epoch_is_sealed(run, epoch);
        if (rc != 0) {
            run->r->epoch = epoch;
            return rc < 0 ? rc : 0;
        }
        below = epoch;
    }
}

/* Where there is no readable first segment, its header was reported, or there is nothing to show.
 */
static void
report_lost_seal(struct run *run)
{
    for (uint32_t i = 0; run->seal_lost && i < run->count; i++) {
        const struct found *f = &run->found[i];

        if (f->epoch == run->r->epoch && f->head_rc == 0 && f->head.seal_lsn == 0) {
            recover_report(run, f, SEGMENT_HEADER_BYTES, 0, FINDING_SEAL_DAMAGED, "");
        }
    }
}

static const struct seal_entry *
seal_find(const struct run *run, const struct found *f)
{
    for (uint32_t i = 0; i < run->seal_count; i++) {
        if (run->seal[i].seq == f->seq && run->seal[i].epoch == f->epoch &&
            (f->head_rc < 0 || run->seal[i].salt == f->head.salt)) {
            return &run->seal[i];
        }
    }
    return NULL;
}

/* Which segments count, and how much of them. */
static void
choose(struct run *run)
{
    for (uint32_t i = 0; i < run->count; i++) {
        struct found *f = &run->found[i];
        const struct seal_entry *e;

        if (f->stranger) {
            continue;
        }
        if (f->epoch == run->r->epoch) {
            f->counts = true;
        } else if (f->epoch < run->r->epoch) {
            e = seal_find(run, f);
            f->counts = e != NULL || run->seal_lost;
            f->sealed = e != NULL;
            f->valid_bytes = e != NULL ? e->valid_bytes : 0;
            if (!f->counts) {
                run->r->late_bytes += f->size_bytes;
            }
        }
    }
}

static int
add_strays(struct run *run)
{
    struct recovery *r = run->r;

    r->strays = calloc(run->count + 1, sizeof(*r->strays));
    if (r->strays == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < run->count; i++) {
        const struct found *f = &run->found[i];

        if (!f->counts && f->head_rc == 0) {
            segment_name(r->strays[r->stray_count++].name, f->seq, f->epoch);
            recover_report(run, f, 0, f->size_bytes, FINDING_SEGMENT_STRAY, "");
        }
    }
    return 0;
}

static int
add_to_table(struct run *run)
{
    for (uint32_t i = 0; i < run->count; i++) {
        struct found *f = &run->found[i];
        struct segment *s;

        if (!f->counts) {
            continue;
        }
        s = segtab_add(run->r->segments, f->seq, f->epoch, f->head.salt);
        if (s == NULL) {
            /* the same number in two epochs that both count: cannot be, but for damage */
            if (segtab_find(run->r->segments, f->seq) == NULL) {
                return -ENOMEM;
            }
            f->counts = false;
            recover_report(run, f, 0, f->size_bytes, FINDING_SEGMENT_DUPLICATE, "");
            continue;
        }
        s->closed = true;
        s->ready = true;
        s->size_bytes = f->size_bytes;
        s->valid_bytes = f->sealed ? f->valid_bytes : SEGMENT_HEADER_BYTES;
        if (f->head_rc < 0) {
            s->damaged = true;
            s->valid_bytes = f->size_bytes;
            recover_report(run, f, 0, f->size_bytes, f->fault, "");
        }
    }
    return 0;
}

/* The record that a segment begins with is only written when all segments before it are durable
 * (I2): those can be read through the page cache, and need not be read to be sealed. */
static int
find_complete(struct run *run)
{
    uint64_t durable = run->r->sealed_lsn / run->r->segment_bytes;
    bool behind = false;

    for (uint32_t i = run->count; i-- > 0;) {
        struct found *f = &run->found[i];
        struct record_head h;
        const uint8_t *at;
        struct cursor c;
        int rc;

        if (!f->counts || f->epoch != run->r->epoch || f->head_rc < 0) {
            continue;
        }
        f->complete = behind || f->seq < durable;
        if (behind) {
            continue;
        }
        c = recover_cursor(run->r, f);
        rc = recover_window_open(&run->window, run->r, f, true);
        rc = rc < 0 ? rc : recover_look(run, &c, &h, &at);
        io_close(&run->window.fd);
        if (rc < 0) {
            return recover_fail(run, f, 0, rc, "cannot be read");
        }
        behind = rc == LOOK_GOOD;
    }
    return 0;
}

/* A killed process leaves pages behind that are not on disk, and that a read would show: first they
 * are written, then they are dropped, then we read the disk itself. */
static int
sync_tail(struct run *run)
{
    for (uint32_t i = 0; run->r->sync_tail && i < run->count; i++) {
        const struct found *f = &run->found[i];
        int rc;

        if (!f->counts || f->epoch != run->r->epoch || f->complete || f->head_rc < 0) {
            continue; /* of a bad header nothing is read */
        }
        rc = recover_window_open(&run->window, run->r, f, false);
        rc = rc < 0 ? rc : io_fdatasync(run->window.fd);
        rc = rc < 0 ? rc : io_drop_cache(run->window.fd);
        io_close(&run->window.fd);
        if (rc < 0) {
            return recover_fail(run, f, 0, rc, "cannot be synced before it is read");
        }
    }
    return 0;
}

/* Ends that nobody knows: of the last epoch's last segment, and where the SEAL is lost. */
static int
find_ends(struct run *run)
{
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < run->count; i++) {
        struct found *f = &run->found[i];

        if (f->counts && f->head_rc == 0 && !f->sealed && !f->complete) {
            rc = recover_find_end(run, f);
            segtab_find(run->r->segments, f->seq)->valid_bytes = f->valid_bytes;
        }
    }
    return rc;
}

static uint64_t
end_of(const struct run *run, const struct found *f)
{
    return f->head_rc < 0 ? f->size_bytes : f->sealed ? f->valid_bytes : run->r->segment_bytes;
}

/* For the next SEAL. */
static int
list_counting(struct run *run)
{
    struct recovery *r = run->r;
    uint64_t from = r->snapshot_count > 0 ? r->snapshots[0].position : 0;
    uint64_t durable = recover_durable_seq(run);

    r->counting = calloc(run->count + (size_t)1, sizeof(*r->counting));
    if (r->counting == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < run->count; i++) {
        const struct found *f = &run->found[i];

        if (f->counts) {
            r->counting[r->counting_count++] =
                (struct seal_entry){ f->seq, f->head.salt, end_of(run, f), f->epoch };
            r->to_read += f->seq >= from / r->segment_bytes ? end_of(run, f) : 0;
        }
    }
    /* The end is missing. Only the owner file, or a snapshot, said that it must be there: from here
     * on, our seal does. */
    if (durable > (run->count > 0 ? run->found[run->count - 1].seq : 0)) {
        r->counting[r->counting_count++] =
            (struct seal_entry){ durable, 0, r->segment_bytes, r->epoch };
    }
    r->to_read += r->snapshot_count > 0 ? run->looked[0].trailer.file_bytes : 0;
    return 0;
}

/* ---- what the journal says */

/* In an epoch without a seal after it, a segment that ends without END ends the journal: what a
 * later one of the same epoch holds then was never acknowledged. But such a one is empty (I2), or
 * the bad place is called damage; so there is nothing to do here but to read them all. */
static int
read_all(struct run *run)
{
    for (uint32_t i = 0; i < run->count; i++) {
        const struct found *f = &run->found[i];
        int rc;

        if (!f->counts || recover_knows(run, f)) {
            continue;
        }
        if (f->head_rc < 0) {
            expected_unknown(&run->expected, f->seq);
            continue;
        }
        rc = recover_read(run, f, segtab_find(run->r->segments, f->seq));
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static const struct found *
found_of(const struct run *run, uint64_t seq)
{
    for (uint32_t i = 0; i < run->count; i++) {
        if (run->found[i].counts && run->found[i].seq == seq) {
            return &run->found[i];
        }
    }
    return NULL;
}

static const struct segment *
segment_of(const struct run *run, uint64_t lsn)
{
    return segtab_find(run->r->segments, lsn / run->r->segment_bytes);
}

/* Can this chunk be read? Asked for segments with damage only. */
static bool
chunk_reads(struct run *run, const struct stored *s, uint32_t i)
{
    const struct found *f = found_of(run, s->chunk_lsn[i] / run->r->segment_bytes);
    struct record_head h;
    struct cursor c;
    const uint8_t *at;
    int look;

    if (f == NULL || f->head_rc < 0 || recover_window_open(&run->window, run->r, f, false) < 0) {
        return false;
    }
    c = recover_cursor(run->r, f);
    c.offset = s->chunk_lsn[i] % run->r->segment_bytes;
    look = recover_look(run, &c, &h, &at);
    io_close(&run->window.fd);
    return look == LOOK_GOOD && (h.type == RECORD_CONTENT || h.type == RECORD_COPIED_CONTENT);
}

static bool
chunk_is_lost(struct run *run, const struct stored *s, uint32_t i)
{
    const struct segment *seg = segment_of(run, s->chunk_lsn[i]);

    if (seg == NULL) {
        return true;
    }
    if (seg->damaged) {
        return !chunk_reads(run, s, i);
    }
    return s->chunk_lsn[i] % run->r->segment_bytes + s->chunk_bytes[i] > seg->valid_bytes;
}

static void
hold(struct run *run, struct stored *s, uint32_t chunk)
{
    struct mark held = { .what = MARK_HELD, .value = 1 };
    const struct segment *seg = segment_of(run, s->chunk_lsn[chunk]);
    char name[SEGMENT_NAME_CAP] = "", detail[64];
    struct queue_finding finding = { FINDING_MESSAGE_DAMAGED, name,
        s->chunk_lsn[chunk] % run->r->segment_bytes, s->chunk_bytes[chunk], s->m.id, detail };

    (void)snprintf(detail, sizeof(detail), "chunk %u of %u, segment number %llx", chunk + 1,
        s->chunk_count, (unsigned long long)(s->chunk_lsn[chunk] / run->r->segment_bytes));
    if (seg != NULL) {
        segment_name(name, seg->seq, seg->epoch);
    } else {
        finding.kind = FINDING_MESSAGE_MISSING;
        recover_report_missing(run, s->chunk_lsn[chunk] / run->r->segment_bytes);
    }
    s->damaged = true;
    msgindex_mark(run->r->index, s, &held);
    recover_tell(run, &finding);
}

/* Messages with content in a place that is damaged or gone are held, so that nobody tries to send
 * them again and again; an operator can look at them and remove them. */
static void
hold_damaged(struct run *run)
{
    for (struct stored *s = msgindex_after(run->r->index, 0); s != NULL;
         s = msgindex_after(run->r->index, s->m.id)) {
        for (uint32_t i = 0; i < s->chunk_count; i++) {
            if (chunk_is_lost(run, s, i)) {
                hold(run, s, i);
                break;
            }
        }
    }
}

static void
run_free(struct recovery *r)
{
    struct run *run = r->run;

    if (run != NULL) {
        seal_forget(run);
        free(run->kept);
        expected_fini(&run->expected);
        free(run->found);
        free(run->window.bytes);
        free(run);
        r->run = NULL;
    }
}

static int
ended(struct recovery *r, int rc)
{
    if (rc < 0 && r->text[0] == '\0') {
        (void)snprintf(r->text, sizeof(r->text), "reading the journal: %s", error_text(rc));
    }
    recover_tell_all(r->run);
    run_free(r);
    return rc;
}

int
recover_begin(struct recovery *r)
{
    struct run *run = r->run = calloc(1, sizeof(*run));
    int rc;

    r->text[0] = '\0';
    if (run == NULL) {
        (void)snprintf(r->text, sizeof(r->text), "%s", error_text(-ENOMEM));
        return -ENOMEM;
    }
    run->r = r;
    run->window.fd = -1;
    rc = list_segments(run);
    rc = rc < 0 ? rc : find_sealed_epoch(run);
    if (rc == 0) {
        report_lost_seal(run);
        choose(run);
        rc = add_strays(run);
    }
    rc = rc < 0 ? rc : add_to_table(run);
    rc = rc < 0 ? rc : recover_look_for_snapshots(run);
    /* a position that was durable is not used again, though its segment may be missing */
    if (r->sealed_lsn < (uint64_t)INT64_MAX / 2) {
        r->next_seq = MAX(r->next_seq, r->sealed_lsn / r->segment_bytes + 1);
    }
    rc = rc < 0 ? rc : find_complete(run);
    rc = rc < 0 ? rc : sync_tail(run);
    rc = rc < 0 ? rc : find_ends(run);
    rc = rc < 0 ? rc : list_counting(run);
    return rc < 0 ? ended(r, rc) : 0;
}

int
recover_load(struct recovery *r)
{
    int rc = recover_load_snapshot(r->run);

    expected_begin(&r->run->expected, r->run->from / r->segment_bytes);
    rc = rc < 0 ? rc : read_all(r->run);
    rc = rc < 0 ? rc : recover_missing(r->run);
    if (rc == 0) {
        hold_damaged(r->run);
        /* A snapshot does not know those that its writer had forgotten already. */
        state_forget_unset(&r->index->state, r->segments, r->segment_bytes);
    }
    return ended(r, rc);
}

int
recover_run(struct recovery *r)
{
    int rc = recover_begin(r);

    return rc < 0 ? rc : recover_load(r);
}

void
recover_fini(struct recovery *r)
{
    run_free(r);
    free(r->strays);
    free(r->counting);
    free(r->missing);
    r->strays = NULL;
    r->counting = NULL;
    r->missing = NULL;
    r->stray_count = r->counting_count = r->missing_count = 0;
}

static int
each_epoch(void *ctx, const char *name)
{
    uint32_t *highest = ctx, epoch;
    uint64_t seq;

    if (segment_name_parse(name, &seq, &epoch)) {
        *highest = MAX(*highest, epoch);
    }
    return 0;
}

int
recover_epoch_highest(const char *store, uint32_t *epoch)
{
    char dir[STORE_PATH_CAP];
    uint32_t highest = 0;
    int rc = store_path(dir, store, "journal");

    rc = rc < 0 ? rc : io_list(dir, each_epoch, &highest);
    if (rc == 0) {
        *epoch = highest;
    }
    return rc;
}
