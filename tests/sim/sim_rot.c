/* Bytes change on a sound store: in the header and the payload of every record, in segment headers,
 * owner files, STORE; a bit, some bytes, a sector gone or in the wrong place. Then:
 *
 *   detected      `store check` or the recovery names it (but in the last batch of an owner that
 * did not release, which cannot be told from a torn tail, and in padding) set aside     nothing is
 * read whose checksum fails; what is damaged is an error the rest      every message beside the
 * damage is there, intact STORE, owner  refused with a cause when it cannot be read
 */
#include "queue/record.h"
#include "queue/store_tools.h"
#include "sim.h"
#include <stdio.h>
#include <stdlib.h>

#define RECORDS_MAX 4096
#define SECTOR      512
#define CHUNKS_MAX  64

struct at_record {
    uint32_t file, offset, length, end; /* end: with padding */
    uint64_t lsn;
    uint8_t type;
};
struct at_file {
    char path[96];
    uint64_t seq;
    uint32_t size;
    bool segment, snapshot;
};
struct truth { /* a message that is there */
    uint32_t number, chunks;
    uint64_t commit_lsn, chunk_lsn[CHUNKS_MAX];
};
struct rot {
    struct sim *s;
    struct at_file files[256];
    uint32_t file_count, snapshot_count; /* snapshots stand behind the segments */
    struct at_record records[RECORDS_MAX];
    uint32_t record_count;
    struct truth *truths;
    uint32_t truth_count;
    uint64_t last_batch; /* LSN of its first byte */
};
struct damage {
    const struct at_file *file;
    uint32_t from, to; /* bytes changed */
    /* what may be lost: this part of the segment's LSNs */
    uint64_t lost_from, lost_to;
    bool quiet; /* need not be detected */
};

/* ---- what is there */

static int
each_file(void *ctx, const char *name)
{
    struct rot *r = ctx;
    struct at_file *f = &r->files[r->file_count];
    uint32_t epoch;

    CHECK(r->file_count < ARRAY_LEN(r->files));
    *f = (struct at_file){ .segment = true };
    if (segment_name_parse(name, &f->seq, &epoch)) {
        (void)snprintf(f->path, sizeof(f->path), STORE "/journal/%s", name);
        r->file_count++;
    }
    return 0;
}

static void
find_records(struct rot *r, uint32_t file, bool last)
{
    static uint8_t bytes[SEGMENT];
    struct at_file *f = &r->files[file];
    struct segment_head head;
    uint32_t offset = SEGMENT_HEADER_BYTES, seed;

    memset(bytes, 0, sizeof(bytes));
    f->size = (uint32_t)fake_disk_peek(r->s->disk, f->path, 0, bytes, sizeof(bytes));
    if (segment_head_get(bytes, sizeof(bytes), &head) < 0) {
        return;
    }
    seed = record_seed(head.salt);
    while (offset + RECORD_HEADER_BYTES <= f->size && r->record_count < RECORDS_MAX) {
        uint64_t lsn = f->seq * SEGMENT + offset;
        struct record_head h;

        if (record_head_get(bytes + offset, f->size - offset, seed, lsn, &h) < 0 ||
            h.length > f->size - offset || !record_payload_valid(bytes + offset, &h, seed)) {
            return;
        }
        r->records[r->record_count++] = (struct at_record){ file, offset, h.length,
            offset + (uint32_t)record_padded(h.length), lsn, h.type };
        offset += (uint32_t)record_padded(h.length);
        if (last) {
            r->last_batch = lsn - h.behind;
        }
    }
}

static void
find_truth(struct rot *r)
{
    struct sim *s = r->s;

    r->truths = calloc(s->count + 1, sizeof(*r->truths));
    CHECK(r->truths != NULL);
    for (uint32_t i = 0; i < s->count; i++) {
        struct queue_message *qm = queue_find(s->q, s->messages[i].id);
        struct truth *t = &r->truths[r->truth_count];
        const struct stored *stored;

        if (qm == NULL || stored_of(qm)->chunk_count > CHUNKS_MAX) {
            continue;
        }
        stored = stored_of(qm);
        *t = (struct truth){ i, stored->chunk_count, stored->commit_lsn, { 0 } };
        memcpy(t->chunk_lsn, stored->chunk_lsn, t->chunks * sizeof(*t->chunk_lsn));
        r->truth_count++;
    }
}

static int
by_path(const void *a, const void *b)
{
    return strcmp(((const struct at_file *)a)->path, ((const struct at_file *)b)->path);
}

/* A store with some history; its owner was killed. */
static bool
build(struct rot *r, uint64_t seed, struct counts *n)
{
    struct sim *s = sim_new(seed, n), *f;

    r->s = s;
    s->calm = true;
    fake_disk_capacity(s->disk, GIB);
    for (uint64_t lives = 1 + dice(s, 3); lives > 0; lives--) {
        life_recover(s);
        model_compare(s);
        if (dice(s, 2) == 0) {
            net_begin(s);
        }
        for (uint64_t items = 100 + dice(s, 300); items > 0 && s->failure == 0; items--) {
            work_item(s);
        }
        work_settle(s);
        life_forget(s);
        life_cut(s, CUT_ALL);
    }
    CHECK(io_list(STORE "/journal", each_file, r) == 0);
    qsort(r->files, r->file_count, sizeof(*r->files), by_path); /* in the order of seq */
    for (uint32_t i = 0; i < r->file_count; i++) {
        find_records(r, i, true);
    }
    s->slack = 1000; /* nothing moves from here on */
    /* what a recovery finds while all is well */
    f = sim_fork(s, fake_disk_clone(s->disk, seed), seed);
    sim = f;
    fake_disk_use(f->disk);
    if (life_open(f) < 0 || f->claim.quarantined > 0) {
        sim_violation(f, NULL, f->text);
        sim_free(f);
        return false;
    }
    model_compare(f);
    r->s = f;
    find_truth(r);
    r->s = s;
    sim_free(f);
    return r->record_count > 0;
}

/* ---- after the damage */

static void
nothing(void *ctx)
{
    (void)ctx;
}

/* Reads what can be read. True: all of it, and all is right. */
static bool
reads(struct sim *f, const struct message *m, const struct queue_message *qm)
{
    struct queue_reader *reader;
    struct slice piece;
    size_t at = 0;
    int rc = queue_reader_open(f->q, qm, &reader);

    while (rc >= 0) {
        rc = queue_reader_next(reader, &piece, nothing, NULL);
        if (rc == BH_EBUSY) {
            (void)fake_loop_turn(f->loop);
            rc = 0;
            continue;
        }
        if (rc <= 0) {
            break;
        }
        if (!slice_eq(piece, model_content(m, at, piece.n))) {
            sim_violation(f, m, "content differs, and its checksum was not looked at");
        }
        at += piece.n;
    }
    queue_reader_close(reader);
    return rc == 0 && at == m->bytes;
}

static bool
hit(const struct damage *d, uint64_t lsn)
{
    return lsn >= d->lost_from && lsn < d->lost_to;
}

static void
compare(const struct rot *r, struct sim *f, const struct damage *d)
{
    for (uint32_t i = 0; i < r->truth_count; i++) {
        const struct truth *t = &r->truths[i];
        const struct message *m = &f->messages[t->number];
        struct queue_message *qm = queue_find(f->q, m->id);
        bool content_hit = false, whole;

        for (uint32_t c = 0; c < t->chunks; c++) {
            content_hit = content_hit || hit(d, t->chunk_lsn[c]);
        }
        if (qm == NULL) {
            if (!hit(d, t->commit_lsn)) {
                sim_violation(f, m, "LOST, and the damage is elsewhere");
            }
            continue;
        }
        whole = reads(f, m, qm);
        /* where its copied COMMIT is gone, it is where it was before: content may be gone there */
        if (!whole && !content_hit && !hit(d, t->commit_lsn)) {
            sim_violation(f, m, "cannot be read, and the damage is elsewhere");
        }
    }
    for (struct queue_message *qm = queue_after(f->q, 0); qm != NULL;
         qm = queue_after(f->q, qm->id)) {
        const struct message *m = model_find(f, qm->id);

        if (m == NULL || !m->committed) {
            sim_violation(f, m, "a message from nowhere");
        }
    }
}

static void
on_finding(void *ctx, const struct queue_finding *f)
{
    *(uint64_t *)ctx += finding_is_damage(f->kind);
}

static void
look_at_it(const struct rot *r, struct sim *f, const struct damage *d)
{
    uint64_t findings = 0;
    struct store_look look = { .path = STORE, .finding = on_finding, .ctx = &findings };
    struct store_totals totals;
    bool named = store_check(&look, &totals) < 0 || findings > 0;

    if (life_open(f) < 0) {
        if (d->file->segment || d->file->snapshot || d->quiet) {
            sim_violation(f, NULL, f->text);
        }
        return;
    }
    named = named || f->claim.quarantined > 0;
    if (!named && !d->quiet) {
        sim_violation(f, NULL, "damage that nobody names");
    }
    if (!d->file->segment && !d->file->snapshot && !d->quiet) {
        sim_violation(f, NULL, "opened, whatever the file says");
    }
    compare(r, f, d);
}

/* ---- damage */

/* Which records do the bytes belong to, and what may be lost with them? */
static void
assess(const struct rot *r, struct damage *d)
{
    uint64_t base = d->file->seq * SEGMENT;

    d->lost_from = base;
    d->lost_to = base + SEGMENT;
    for (uint32_t i = 0; d->from >= SEGMENT_HEADER_BYTES && i < r->record_count; i++) {
        const struct at_record *rec = &r->records[i];

        if (&r->files[rec->file] != d->file || rec->end <= d->from) {
            continue;
        }
        d->lost_from = base + rec->offset;
        if (d->from >= rec->offset + RECORD_HEADER_BYTES && d->to <= rec->end) {
            d->lost_to = base + rec->end; /* a payload: it can be stepped over */
            d->quiet = d->quiet || d->from >= rec->offset + rec->length; /* padding */
        }
        break;
    }
    if (d->lost_to > r->last_batch) {
        d->quiet = true;
        d->lost_to = UINT64_MAX; /* the journal may end there */
    }
}

/* Changes [at, at + n) some way; false: it was like that before. */
static bool
spoil(const struct rot *r, struct sim *f, struct damage *d, uint32_t at)
{
    uint8_t was[SECTOR], now[SECTOR];
    uint32_t n = 1;

    switch (dice(f, 4)) {
    case 0:
        CHECK(fake_disk_peek(f->disk, d->file->path, at, was, n) == n);
        now[0] = was[0] ^ (uint8_t)(1 << dice(f, 8));
        break;
    case 1:
        n = (uint32_t)MIN(1 + dice(f, 16), (uint64_t)d->file->size - at);
        for (uint32_t i = 0; i < n; i++) {
            now[i] = (uint8_t)fake_random(&f->random);
        }
        break;
    case 2:
        at -= at % SECTOR;
        n = SECTOR;
        memset(now, 0, n);
        break;
    default: /* what belongs elsewhere */
        at -= at % SECTOR;
        n = SECTOR;
        (void)fake_disk_peek(
            f->disk, d->file->path, dice(f, d->file->size / SECTOR) * SECTOR, now, n);
        break;
    }
    if (at + n > d->file->size || fake_disk_peek(f->disk, d->file->path, at, was, n) != n ||
        memcmp(was, now, n) == 0) {
        return false;
    }
    fake_disk_poke(f->disk, d->file->path, at, now, n);
    d->from = at;
    d->to = at + n;
    d->quiet = d->file->snapshot; /* padding is not looked at */
    if (d->file->segment) {
        while (d->from < d->to && was[d->from - at] == now[d->from - at]) {
            d->from++;
        }
        while (d->to > d->from && was[d->to - 1 - at] == now[d->to - 1 - at]) {
            d->to--;
        }
        assess(r, d);
    }
    return true;
}

static void
rot_one(const struct rot *r, const struct at_file *file, uint32_t at, const char *what)
{
    struct sim *s = r->s;
    uint64_t random = fake_random(&s->random);
    struct sim *f = sim_fork(s, fake_disk_clone(s->disk, random), random);
    struct damage d = { .file = file };

    sim = f;
    fake_disk_use(f->disk);
    if (spoil(r, f, &d, at)) {
        (void)snprintf(f->at, sizeof(f->at), ", %s at %u..%u of %.60s", what, d.from, d.to,
            strrchr(file->path, '/') + 1);
        f->n->states[STATE_ROT]++;
        look_at_it(r, f, &d);
    }
    sim_free(f);
    sim = s;
    fake_disk_use(s->disk);
}

static void
rot_records(const struct rot *r)
{
    static const char *const names[] = { "?", "CONTENT", "COMMIT", "OUTCOME", "MARK", "SEAL", "END",
        "PAD", "SURVIVORS", "ATTEMPT", "SNAPSHOT", "COPIED_CONTENT", "COPIED_COMMIT" };

    for (uint32_t i = 0; i < r->record_count; i++) {
        const struct at_record *rec = &r->records[i];
        const char *name = names[rec->type < ARRAY_LEN(names) ? rec->type : 0];
        uint32_t payload = rec->length - RECORD_HEADER_BYTES;

        rot_one(
            r, &r->files[rec->file], rec->offset + (uint32_t)dice(r->s, RECORD_HEADER_BYTES), name);
        if (payload > 0) {
            rot_one(r, &r->files[rec->file],
                rec->offset + RECORD_HEADER_BYTES + (uint32_t)dice(r->s, payload), name);
        }
    }
    for (uint32_t i = 0; i < r->file_count; i++) {
        for (unsigned k = 0; k < 4; k++) {
            rot_one(r, &r->files[i], (uint32_t)dice(r->s, 124), "header");
        }
    }
}

/* Nothing depends on a snapshot: whatever its bytes, all is there. */
static int
each_snapshot(void *ctx, const char *name)
{
    struct rot *r = ctx;
    struct at_file *f = &r->files[r->file_count + r->snapshot_count];
    struct io_stat st;

    CHECK(r->file_count + r->snapshot_count < ARRAY_LEN(r->files));
    *f = (struct at_file){ .snapshot = true };
    (void)snprintf(f->path, sizeof(f->path), STORE "/snapshot/%s", name);
    if (io_stat(f->path, &st) == 0 && st.size_bytes > 0) {
        f->size = (uint32_t)st.size_bytes;
        r->snapshot_count++;
    }
    return 0;
}

static void
rot_snapshots(struct rot *r)
{
    (void)!io_list(STORE "/snapshot", each_snapshot, r);
    for (uint32_t i = 0; i < r->snapshot_count; i++) {
        const struct at_file *f = &r->files[r->file_count + i];

        for (unsigned k = 0; k < 40; k++) {
            rot_one(r, f, (uint32_t)dice(r->s, f->size), "snapshot");
        }
    }
}

/* STORE has one place for what it says; an owner file two, and must open with either. */
static void
rot_store(const struct rot *r)
{
    struct at_file file = { .path = STORE "/STORE", .size = 4096 };

    for (unsigned k = 0; k < 16; k++) {
        rot_one(r, &file, (uint32_t)dice(r->s, 508), "STORE");
    }
}

static void
rot_owner(const struct rot *r, uint64_t epoch, unsigned slots)
{
    struct sim *s = r->s;
    uint64_t random = fake_random(&s->random);
    struct sim *f = sim_fork(s, fake_disk_clone(s->disk, random), random);
    char path[64];
    int rc;

    sim = f;
    fake_disk_use(f->disk);
    (void)snprintf(path, sizeof(path), STORE "/owner.%llu", (unsigned long long)epoch);
    for (unsigned k = 0; k < 2; k++) {
        uint64_t at = k * OWNER_SLOT_BYTES + dice(f, 508);
        uint8_t byte;

        if ((slots >> k & 1) != 0) {
            CHECK(fake_disk_peek(f->disk, path, at, &byte, 1) == 1);
            byte ^= (uint8_t)(1 << dice(f, 8));
            fake_disk_poke(f->disk, path, at, &byte, 1);
        }
    }
    (void)snprintf(
        f->at, sizeof(f->at), ", slots %u of owner.%llu", slots, (unsigned long long)epoch);
    f->n->states[STATE_ROT]++;
    rc = life_open(f);
    if (slots == 3 && rc == 0) {
        sim_violation(f, NULL, "opened, whoever owns it");
    } else if (slots != 3 && rc < 0 && rc != BH_EFORMAT) {
        sim_violation(f, NULL, f->text); /* the other slot is good */
    }
    if (rc == 0) {
        model_compare(f);
    }
    sim_free(f);
    sim = s;
    fake_disk_use(s->disk);
}

void
rot_sweep(uint64_t seed, struct counts *n)
{
    struct rot *r = calloc(1, sizeof(*r));
    struct queue_owner owner = { .epoch = 0 };
    char text[512];

    CHECK(r != NULL);
    if (build(r, seed, n)) {
        sim = r->s;
        fake_disk_use(r->s->disk);
        CHECK(queue_store_owner(STORE, &owner, text, sizeof(text)) == 0);
        rot_records(r);
        rot_snapshots(r);
        rot_store(r);
        for (unsigned k = 0; k < 12; k++) {
            rot_owner(r, owner.epoch, 1 + k % 3);
        }
    }
    free(r->truths);
    sim_free(r->s);
    free(r);
    net_forget_texts();
}
