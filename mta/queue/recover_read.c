/* One segment, record by record; and where the journal ends. */
#include "queue/recover_int.h"
#include "queue/replay.h"
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define WINDOW_BYTES (1 * MIB)

/* ---- the window */

int
recover_window_get(struct window *w, uint64_t offset, size_t n, const uint8_t **out, size_t *got)
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

int
recover_window_open(struct window *w, const struct recovery *r, const struct found *f, bool direct)
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

struct cursor
recover_cursor(const struct recovery *r, const struct found *f)
{
    uint64_t limit = f->sealed ? f->valid_bytes : r->segment_bytes;

    return (struct cursor){ .f = f,
        .offset = SEGMENT_HEADER_BYTES,
        .limit = MIN(limit, r->segment_bytes),
        .seed = record_seed(f->head.salt) };
}

int
recover_look(struct run *run, const struct cursor *c, struct record_head *h, const uint8_t **at)
{
    uint64_t lsn = c->f->seq * run->r->segment_bytes + c->offset;
    size_t got;
    int rc;

    if (c->offset + RECORD_HEADER_BYTES > c->limit) {
        return LOOK_LIMIT;
    }
    rc = recover_window_get(&run->window, c->offset, RECORD_HEADER_BYTES, at, &got);
    if (rc < 0) {
        return rc;
    }
    if (record_head_get(*at, got, c->seed, lsn, h) < 0 || h->epoch != c->f->epoch ||
        h->length > c->limit - c->offset) {
        return LOOK_BAD_HEADER;
    }
    rc = recover_window_get(&run->window, c->offset, h->length, at, &got);
    if (rc < 0) {
        return rc;
    }
    return got == h->length && record_payload_valid(*at, h, c->seed) ? LOOK_GOOD : LOOK_BAD_PAYLOAD;
}

int
recover_fail(struct run *run, const struct found *f, uint64_t offset, int rc, const char *what)
{
    char name[SEGMENT_NAME_CAP];

    segment_name(name, f->seq, f->epoch);
    (void)snprintf(run->r->text, sizeof(run->r->text), "segment %s, offset %llu: %s: %s", name,
        (unsigned long long)offset, what, error_text(rc));
    return rc;
}

/* ---- signs of durability */

/* How far behind a bad record a sign of durability is looked for: further than a batch that was
 * being written reaches, and little enough to cost a takeover no time. */
#define PROBE_BYTES (8 * MIB)

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
        int rc = recover_window_get(&run->window, c->offset, RECORD_HEADER_BYTES, at, got);

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
int
recover_probe(struct run *run, struct cursor c, struct tail *t)
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
        c = recover_cursor(run->r, g);
        run->window = (struct window){ .fd = -1 };
        rc = recover_window_open(&run->window, run->r, g, true);
        rc = rc < 0 ? rc : recover_look(run, &c, &h, &at);
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
    rc = recover_probe(run, *c, t);
    if (rc < 0) {
        return rc;
    }
    if (t->was_durable || run->r->sealed_lsn > lsn) {
        return 1;
    }
    rc = later_has_records(run, c->f, &later);
    return rc < 0 ? rc : later;
}

/* Of a REPAIRED record, whose payload recover_settle has looked at. */
static void
note_mended(const struct run *run, struct slice payload)
{
    struct reader r = reader_of(payload);
    struct segment *about = segtab_find(run->r->segments, read_u64(&r));
    uint32_t epoch = read_u32(&r);

    if (!r.bad && about != NULL && about->epoch == epoch) {
        about->mended = true;
    }
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
        note_mended(run, payload);
    } else if (rc == 0 && h->type == RECORD_CENSUS) {
        rc = expected_census(&run->expected, payload, c->f->seq);
    } else if (rc == 0 && h->type == RECORD_SEAL && recover_says_census(c->f)) {
        rc = expected_seal(&run->expected, payload);
    }
    run->r->records++;
    if (rc == BH_EDAMAGED) {
        recover_report(run, c->f, c->offset, h->length, FINDING_RECORD_CONTRADICTS, "");
        expected_unknown(&run->expected, c->f->seq);
        seg->damaged = true;
        return 0;
    }
    if (rc == BH_EFORMAT) {
        recover_report(run, c->f, c->offset, h->length, FINDING_RECORD_NEWER, "");
        return recover_fail(run, c->f, c->offset, rc, "record of a newer release");
    }
    return rc;
}

/* What is torn is told when the end is looked for (seg NULL), damage when the records are read. */
static void
report_bad(struct run *run, const struct cursor *c, struct segment *seg,
    const struct record_head *h, enum look look)
{
    if (seg == NULL) {
        return;
    }
    seg->damaged = true;
    expected_unknown(&run->expected, c->f->seq);
    if (look == LOOK_BAD_PAYLOAD) {
        recover_report(run, c->f, c->offset, h->length, FINDING_RECORD_DAMAGED, "");
    } else if (c->offset + RECORD_HEADER_BYTES > c->f->size_bytes) {
        recover_report(run, c->f, c->offset, c->limit - c->offset, FINDING_SEGMENT_SHORT, "");
    } else {
        recover_report(run, c->f, c->offset, MIN(c->limit, c->f->size_bytes) - c->offset,
            FINDING_RECORD_HEADER, "");
    }
}

/* 1: go on at c->offset; 0: the segment's valid part ends here; or an error. */
static int
bad_record(struct run *run, struct cursor *c, struct segment *seg, const struct record_head *h,
    enum look look)
{
    struct tail t = { 0 };
    int rc = judge(run, c, &t);

    if (rc < 0) {
        return recover_fail(run, c->f, c->offset, rc, "cannot be read");
    }
    if (rc == 0) {
        if (t.good_end > c->offset) {
            run->r->torn_bytes += t.good_end - c->offset;
            recover_report(run, c->f, c->offset, t.good_end - c->offset, FINDING_TAIL_TORN, "");
        }
        return 0;
    }
    report_bad(run, c, seg, h, look);
    c->offset = look == LOOK_BAD_PAYLOAD ? c->offset + record_padded(h->length) : c->limit;
    return look == LOOK_BAD_PAYLOAD;
}

static int
told(struct run *run, uint64_t *before, uint64_t offset)
{
    struct recovery *r = run->r;

    if (r->progress != NULL && offset >= *before + WINDOW_BYTES) {
        *before = offset;
        r->progress(r->ctx, r->replayed_bytes + offset);
    }
    return r->stop != NULL && atomic_load(r->stop) ? -ECANCELED : 0;
}

/* From c on to where its valid part ends; seg NULL: only to know where that is. 1: at an END. */
static int
walk(struct run *run, struct cursor *c, struct segment *seg)
{
    uint64_t before = 0;
    bool more = true;
    int rc = 0;

    run->window.ahead = MIN((size_t)WINDOW_BYTES, run->r->segment_bytes);
    while (rc == 0 && more) {
        struct record_head h;
        const uint8_t *at;
        int look = recover_look(run, c, &h, &at);

        rc = seg != NULL ? told(run, &before, c->offset) : 0;
        if (look < 0) {
            rc = recover_fail(run, c->f, c->offset, look, "cannot be read");
        } else if (look == LOOK_LIMIT) {
            more = false;
        } else if (look == LOOK_GOOD) {
            rc = rc < 0 || seg == NULL ? rc : apply(run, c, seg, &h, at);
            c->offset += record_padded(h.length);
            if (rc == 0 && h.type == RECORD_END) {
                return 1;
            }
        } else if (rc == 0) {
            rc = bad_record(run, c, seg, &h, (enum look)look);
            more = rc > 0;
            rc = MIN(rc, 0);
        }
    }
    return rc;
}

/* What was synced before is as good as past the page cache: sync_tail() dropped the pages. */
static bool
wants_direct(const struct run *run, const struct found *f)
{
    return f->epoch == run->r->epoch && !f->complete;
}

int
recover_find_end(struct run *run, struct found *f)
{
    struct cursor c = recover_cursor(run->r, f);
    int rc = recover_window_open(&run->window, run->r, f, wants_direct(run, f));

    if (rc < 0) {
        return recover_fail(run, f, 0, rc, "cannot be opened");
    }
    if (run->r->sealed_lsn / run->r->segment_bytes == f->seq) {
        c.offset = MAX(c.offset, run->r->sealed_lsn % run->r->segment_bytes);
    }
    rc = MIN(walk(run, &c, NULL), 0);
    io_close(&run->window.fd);
    if (rc == 0) {
        f->sealed = true;
        f->valid_bytes = MIN(c.offset, c.limit);
        if (f->epoch == run->r->epoch && c.offset > SEGMENT_HEADER_BYTES) {
            run->r->end_lsn = f->seq * run->r->segment_bytes + c.offset;
        }
    }
    return rc;
}

/* Of its epoch, whose numbers run on; 0: its owner does not say what he frees. */
static uint64_t
epoch_first(const struct run *run, const struct found *f)
{
    return !recover_says_census(f) ? 0
           : f->head.seal_lsn == 0 ? f->seq
                                   : f->head.seal_lsn / run->r->segment_bytes;
}

int
recover_read(struct run *run, const struct found *f, struct segment *seg)
{
    struct cursor c = recover_cursor(run->r, f);
    int rc = expected_segment(&run->expected, f->seq, epoch_first(run, f));
    uint64_t begin;

    rc = rc < 0 ? rc : recover_window_open(&run->window, run->r, f, wants_direct(run, f));
    if (rc < 0) {
        return recover_fail(run, f, 0, rc, "cannot be opened");
    }
    if (run->from / run->r->segment_bytes == f->seq) {
        c.offset = MAX(c.offset, run->from % run->r->segment_bytes);
    }
    begin = c.offset;
    rc = walk(run, &c, seg);
    io_close(&run->window.fd);
    expected_segment_end(&run->expected, f->seq);
    run->r->replayed_segments++;
    run->r->replayed_bytes += c.offset - MIN(begin, c.offset);
    if (!f->sealed || rc == 1) { /* sealed before its END was read: nothing is behind it */
        seg->valid_bytes = MIN(c.offset, c.limit);
    }
    return MIN(rc, 0);
}
