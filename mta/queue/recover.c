/* Invariants (docs/formats/journal.md): I2 makes a later segment prove an earlier one; I6 says what
 * counts of older epochs; I7 is re-established as `needs` of each segment; I11 is the reader's. */
#include "queue/recover_int.h"
#include "queue/replay.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define WINDOW_BYTES (1 * MIB)

/* ---- the window */

/* n bytes at offset, or fewer at the end of the file. */
static int
window_get(struct window *w, uint64_t offset, size_t n, const uint8_t **out, size_t *got)
{
    ssize_t filled;

    if (offset < w->at || offset + n > w->at + w->filled) {
        size_t wanted = (MAX(w->ahead, n + IO_BLOCK_BYTES) + IO_BLOCK_BYTES - 1) &
                        ~(size_t)(IO_BLOCK_BYTES - 1);

        if (wanted > w->capacity) {
            free(w->bytes);
            w->capacity = 0;
            w->bytes = io_alloc_blocks(wanted);
            if (w->bytes == NULL) {
                return -ENOMEM;
            }
            w->capacity = wanted;
        }
        w->at = offset - offset % IO_BLOCK_BYTES;
        filled = io_pread(w->fd, w->bytes, wanted, w->at);
        if (filled < 0) {
            w->filled = 0;
            return (int)filled;
        }
        w->filled = (size_t)filled;
    }
    *out = w->bytes + (offset - w->at);
    *got = offset - w->at >= w->filled ? 0 : MIN(n, w->filled - (size_t)(offset - w->at));
    return 0;
}

static int
window_open(struct window *w, const struct recovery *r, const struct found *f, bool direct)
{
    char path[STORE_PATH_CAP], name[SEGMENT_NAME_CAP], dir[STORE_PATH_CAP];
    int rc = store_path(dir, r->store, "journal");

    segment_name(name, f->seq, f->epoch);
    rc = rc < 0 ? rc : store_path(path, dir, name);
    if (rc < 0) {
        return rc;
    }
    w->fd = direct && r->sync_tail ? store_open_direct(path, O_RDONLY) : io_open(path, O_RDONLY, 0);
    w->filled = 0;
    w->at = 0;
    w->ahead = IO_BLOCK_BYTES; /* for a look at a place or two; read_segment sets more */
    return w->fd < 0 ? w->fd : 0;
}

/* ---- records of one segment */

struct cursor {
    const struct found *f;
    uint64_t offset, limit; /* bytes of the segment that may count */
    uint32_t seed;
};

static struct cursor
cursor_of(const struct recovery *r, const struct found *f)
{
    uint64_t limit = f->sealed ? f->valid_bytes : r->segment_bytes;

    return (struct cursor){ .f = f,
        .offset = SEGMENT_HEADER_BYTES,
        .limit = MIN(limit, r->segment_bytes),
        .seed = record_seed(f->head.salt) };
}

enum look { LOOK_GOOD, LOOK_BAD_PAYLOAD, LOOK_BAD_HEADER, LOOK_LIMIT };

/* The record at the cursor. Negative: an error of reading. */
static int
look_at(struct run *run, const struct cursor *c, struct record_head *h, const uint8_t **at)
{
    uint64_t lsn = c->f->seq * run->r->segment_bytes + c->offset;
    size_t got;
    int rc;

    if (c->offset + RECORD_HEADER_BYTES > c->limit) {
        return LOOK_LIMIT;
    }
    rc = window_get(&run->window, c->offset, RECORD_HEADER_BYTES, at, &got);
    if (rc < 0) {
        return rc;
    }
    if (record_head_get(*at, got, c->seed, lsn, h) < 0 || h->epoch != c->f->epoch ||
        h->length > c->limit - c->offset) {
        return LOOK_BAD_HEADER;
    }
    rc = window_get(&run->window, c->offset, h->length, at, &got);
    if (rc < 0) {
        return rc;
    }
    return got == h->length && record_payload_valid(*at, h, c->seed) ? LOOK_GOOD : LOOK_BAD_PAYLOAD;
}

static int
fail(struct run *run, const struct found *f, uint64_t offset, int rc, const char *what)
{
    char name[SEGMENT_NAME_CAP];

    segment_name(name, f->seq, f->epoch);
    (void)snprintf(run->r->text, sizeof(run->r->text), "segment %s, offset %llu: %s: %s", name,
        (unsigned long long)offset, what, error_text(rc));
    return rc;
}

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
    int rc = window_open(&run->window, run->r, f, true);

    if (rc < 0) {
        return fail(run, f, 0, rc, "cannot be opened");
    }
    rc = io_fstat(run->window.fd, &st);
    rc = rc < 0 ? rc : window_get(&run->window, 0, SEGMENT_HEADER_BYTES, &block, &got);
    io_close(&run->window.fd);
    if (rc < 0) {
        return fail(run, f, 0, rc, "cannot be read");
    }
    f->size_bytes = st.size_bytes;
    f->head_rc = segment_head_get(block, got, &f->head);
    if (f->head_rc == BH_EFORMAT) {
        recover_report(run, f, 0, 0, FINDING_SEGMENT_NEWER, "");
        return fail(run, f, 0, BH_EFORMAT, "written by a newer release");
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
        if (rc < 0) {
            return rc;
        }
        run->r->next_seq = MAX(run->r->next_seq, f->seq + 1);
        run->r->epoch_max = MAX(run->r->epoch_max, f->epoch);
    }
    return 0;
}

/* ---- signs of durability */

/* How far behind a bad record a sign of durability is looked for: further than a batch that was
 * being written reaches, and little enough to cost a takeover no time. */
#define PROBE_BYTES (8 * MIB)

struct tail {          /* what lies behind the first record that does not validate */
    uint64_t good_end; /* end of the last good header found there */
    bool was_durable;
};

/* The next place from c on that bears its own LSN where a header would; nearly all of what lies
 * behind a tail is zeros, and there may be 8 MiB of it, so this goes through the window itself.
 * 1: at is there, with got bytes of it; 0: there is none. */
static int
find_own_lsn(struct run *run, struct cursor *c, const uint8_t **at, size_t *got)
{
    const struct window *w = &run->window;
    uint64_t base = c->f->seq * run->r->segment_bytes;

    while (c->offset + RECORD_HEADER_BYTES <= c->limit) {
        const uint8_t *end;
        int rc = window_get(&run->window, c->offset, RECORD_HEADER_BYTES, at, got);

        if (rc < 0 || *got < RECORD_HEADER_BYTES) {
            return rc;
        }
        end = w->bytes + MIN(w->filled, (size_t)(c->limit - w->at)) - RECORD_HEADER_BYTES;
        for (; *at <= end; *at += RECORD_ALIGN, c->offset += RECORD_ALIGN) {
            if (get_le64(*at + 8) == base + c->offset) {
                return 1;
            }
        }
    }
    return 0;
}

/* Behind a bad record at c: is there a record that proves it had been durable (I2)? Only headers
 * with a good checksum, our salt and their own LSN are looked at, and nothing is replayed from
 * here, so that content which looks like a record cannot play one. */
static int
probe(struct run *run, struct cursor c, struct tail *t)
{
    uint64_t bad = c.offset;
    const uint8_t *at;
    size_t got;
    int rc;

    run->window.ahead = MIN((size_t)WINDOW_BYTES, run->r->segment_bytes);
    c.limit = MIN(c.limit, bad + PROBE_BYTES);
    c.offset += RECORD_ALIGN;
    while ((rc = find_own_lsn(run, &c, &at, &got)) > 0) {
        struct record_head h;

        if (record_head_get(at, got, c.seed, c.f->seq * run->r->segment_bytes + c.offset, &h) < 0) {
            c.offset += RECORD_ALIGN;
            continue;
        }
        t->good_end = c.offset + record_padded(h.length);
        t->was_durable = t->was_durable || (h.behind <= c.offset && c.offset - h.behind > bad);
        if (t->was_durable) {
            return 0;
        }
        c.offset = t->good_end;
    }
    return rc;
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
    int look = look_at(run, c, &h, &at);

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
    struct cursor c = cursor_of(run->r, f);
    struct seal_head seal = { .parts = 1 };
    int rc = window_open(&run->window, run->r, f, true);

    for (uint32_t part = 0; rc == 0 && part < seal.parts; part++) {
        struct record_head h;
        const uint8_t *at;

        rc = look_at(run, &c, &h, &at);
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
    int rc = window_open(&run->window, run->r, f, true);

    rc = rc < 0 ? rc : probe(run, cursor_of(run->r, f), &t);
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
            segment_name(r->strays[r->stray_count++], f->seq, f->epoch);
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
 * (I2): those can be read through the page cache. */
static int
find_complete(struct run *run)
{
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
        f->complete = behind;
        if (behind) {
            continue;
        }
        c = cursor_of(run->r, f);
        rc = window_open(&run->window, run->r, f, true);
        rc = rc < 0 ? rc : look_at(run, &c, &h, &at);
        io_close(&run->window.fd);
        if (rc < 0) {
            return fail(run, f, 0, rc, "cannot be read");
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

        if (!f->counts || f->epoch != run->r->epoch || f->complete || recover_knows(run, f)) {
            continue; /* what a snapshot knows was durable before it */
        }
        rc = window_open(&run->window, run->r, f, false);
        rc = rc < 0 ? rc : io_fdatasync(run->window.fd);
        rc = rc < 0 ? rc : io_drop_cache(run->window.fd);
        io_close(&run->window.fd);
        if (rc < 0) {
            return fail(run, f, 0, rc, "cannot be synced before it is read");
        }
    }
    return 0;
}

/* ---- reading the journal */

/* Does a later segment of the same epoch hold a record? Then this one was durable to its end (I2).
 */
static int
later_has_records(struct run *run, const struct found *f, bool *yes)
{
    *yes = false;
    for (const struct found *g = f + 1; !*yes && g < run->found + run->count; g++) {
        struct window kept = run->window;
        struct record_head h;
        const uint8_t *at;
        struct cursor c;
        int rc;

        if (!g->counts || g->epoch != f->epoch || g->head_rc < 0) {
            continue;
        }
        c = cursor_of(run->r, g);
        run->window = (struct window){ .fd = -1 };
        rc = window_open(&run->window, run->r, g, true);
        rc = rc < 0 ? rc : look_at(run, &c, &h, &at);
        io_close(&run->window.fd);
        free(run->window.bytes);
        run->window = kept;
        if (rc < 0) {
            return rc;
        }
        *yes = rc == LOOK_GOOD;
    }
    return 0;
}

/* The record at c does not validate. Torn tail (0) or damage (1)? */
static int
judge(struct run *run, const struct cursor *c, struct tail *t)
{
    uint64_t lsn = c->f->seq * run->r->segment_bytes + c->offset;
    bool later;
    int rc;

    if (c->f->sealed) {
        return 1;
    }
    rc = probe(run, *c, t);
    if (rc < 0) {
        return rc;
    }
    if (t->was_durable || run->r->sealed_lsn > lsn) {
        return 1;
    }
    rc = later_has_records(run, c->f, &later);
    return rc < 0 ? rc : later;
}

static int
apply(struct run *run, const struct cursor *c, struct segment *seg, const struct record_head *h,
    const uint8_t *at)
{
    struct replay replay = { run->r->segments, run->r->index, run->r->segment_bytes };
    struct slice payload = { (const char *)at + RECORD_HEADER_BYTES,
        h->length - RECORD_HEADER_BYTES };
    int rc = replay_record(&replay, seg, h, payload);

    if (rc == 0 && h->type == RECORD_REPAIRED) {
        rc = recover_settle(run, payload);
    } else if (rc == 0 && h->type == RECORD_CENSUS && c->f->epoch == run->r->epoch) {
        rc = census_get(payload, &run->census);
    } else if (h->type != RECORD_PAD && h->type != RECORD_END) {
        run->census.known = false; /* of an owner that went on, and may have freed segments since */
    }
    run->r->records++;
    if (rc == BH_EDAMAGED) {
        recover_report(run, c->f, c->offset, h->length, FINDING_RECORD_CONTRADICTS, "");
        seg->damaged = true;
        return 0;
    }
    if (rc == BH_EFORMAT) {
        recover_report(run, c->f, c->offset, h->length, FINDING_RECORD_NEWER, "");
        return fail(run, c->f, c->offset, rc, "record of a newer release");
    }
    return rc;
}

/* 1: go on at c->offset; 0: the segment's valid part ends here; or an error. */
static int
bad_record(struct run *run, struct cursor *c, struct segment *seg, const struct record_head *h,
    enum look look)
{
    struct tail t = { 0 };
    int rc = judge(run, c, &t);

    if (rc < 0) {
        return fail(run, c->f, c->offset, rc, "cannot be read");
    }
    if (rc == 0) {
        if (t.good_end > c->offset) {
            run->r->torn_bytes += t.good_end - c->offset;
            recover_report(run, c->f, c->offset, t.good_end - c->offset, FINDING_TAIL_TORN, "");
        }
        return 0;
    }
    seg->damaged = true;
    if (look == LOOK_BAD_PAYLOAD) {
        recover_report(run, c->f, c->offset, h->length, FINDING_RECORD_DAMAGED, "");
        c->offset += record_padded(h->length);
        return 1;
    }
    if (c->offset + RECORD_HEADER_BYTES > c->f->size_bytes) {
        recover_report(run, c->f, c->offset, c->limit - c->offset, FINDING_SEGMENT_SHORT, "");
    } else {
        recover_report(run, c->f, c->offset, MIN(c->limit, c->f->size_bytes) - c->offset,
            FINDING_RECORD_HEADER, "");
    }
    c->offset = c->limit;
    return 0;
}

static int
read_segment(struct run *run, const struct found *f, struct segment *seg)
{
    struct cursor c = cursor_of(run->r, f);
    int rc = window_open(&run->window, run->r, f, f->epoch == run->r->epoch && !f->complete);
    uint64_t told = 0, begin;
    bool more = true;

    if (rc < 0) {
        return fail(run, f, 0, rc, "cannot be opened");
    }
    if (run->from / run->r->segment_bytes == f->seq) {
        c.offset = MAX(c.offset, run->from % run->r->segment_bytes);
    }
    begin = c.offset;
    run->window.ahead = MIN((size_t)WINDOW_BYTES, run->r->segment_bytes);
    while (rc == 0 && more) {
        struct record_head h;
        const uint8_t *at;
        int look = look_at(run, &c, &h, &at);

        if (run->r->progress != NULL && c.offset >= told + WINDOW_BYTES) {
            told = c.offset;
            run->r->progress(run->r->ctx, run->r->replayed_bytes + told);
        }
        if (look < 0) {
            rc = fail(run, f, c.offset, look, "cannot be read");
        } else if (look == LOOK_LIMIT) {
            more = false;
        } else if (look == LOOK_GOOD) {
            rc = apply(run, &c, seg, &h, at);
            c.offset += record_padded(h.length);
            more = h.type != RECORD_END;
        } else {
            rc = bad_record(run, &c, seg, &h, (enum look)look);
            more = rc > 0;
            rc = MIN(rc, 0);
        }
    }
    io_close(&run->window.fd);
    run->r->replayed_segments++;
    run->r->replayed_bytes += c.offset - begin;
    if (!f->sealed) {
        seg->valid_bytes = MIN(c.offset, c.limit);
        if (f->epoch == run->r->epoch && c.offset > SEGMENT_HEADER_BYTES) {
            run->r->end_lsn = f->seq * run->r->segment_bytes + c.offset;
        }
    }
    return rc;
}

/* In an epoch without a seal after it, a segment that ends without END ends the journal: what a
 * later one of the same epoch holds then was never acknowledged. But such a one is empty (I2), or
 * judge() calls the bad place damage; so there is nothing to do here but to read them all. */
static int
read_all(struct run *run)
{
    for (uint32_t i = 0; i < run->count; i++) {
        const struct found *f = &run->found[i];
        int rc;

        if (!f->counts || f->head_rc < 0 || recover_knows(run, f)) {
            continue;
        }
        rc = read_segment(run, f, segtab_find(run->r->segments, f->seq));
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

    if (f == NULL || f->head_rc < 0 || window_open(&run->window, run->r, f, false) < 0) {
        return false;
    }
    c = cursor_of(run->r, f);
    c.offset = s->chunk_lsn[i] % run->r->segment_bytes;
    look = look_at(run, &c, &h, &at);
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

int
recover_run(struct recovery *r)
{
    struct run run = { .r = r, .window = { .fd = -1 } };
    int rc;

    r->text[0] = '\0';
    rc = list_segments(&run);
    rc = rc < 0 ? rc : find_sealed_epoch(&run);
    if (rc == 0) {
        report_lost_seal(&run);
        choose(&run);
        rc = add_strays(&run);
    }
    rc = rc < 0 ? rc : add_to_table(&run);
    rc = rc < 0 ? rc : recover_from_snapshot(&run);
    rc = rc < 0 ? rc : find_complete(&run);
    rc = rc < 0 ? rc : sync_tail(&run);
    rc = rc < 0 ? rc : read_all(&run);
    if (rc == 0) {
        recover_missing(&run);
        hold_damaged(&run);
    }
    if (rc < 0 && r->text[0] == '\0') {
        (void)snprintf(r->text, sizeof(r->text), "reading the journal: %s", error_text(rc));
    }
    recover_tell_all(&run);
    seal_forget(&run);
    free(run.census.seqs);
    free(run.found);
    free(run.window.bytes);
    return rc;
}

void
recover_fini(struct recovery *r)
{
    free(r->strays);
    r->strays = NULL;
    r->stray_count = 0;
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
