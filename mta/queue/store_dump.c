/* store dump: what stands on the disk, record by record. Only checksums are judged here: what
 * counts (seals, tails) is store check's to say. */
#include "queue/queue_int.h"
#include "queue/store_ahead.h"
#include "queue/store_tools.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

struct dump {
    struct store_look *look;
    const struct store_dump_filter *filter;
    store_record_fn *each;
    struct store_head head;
    const char *name; /* of the segment in hand */
    uint8_t *bytes;   /* all of it */
    size_t size, capacity;
    bool stopped;
};

static void
tell(const struct dump *d, enum bridgehead_finding kind)
{
    struct queue_finding f = { .kind = kind, .file = d->name, .length = d->size, .detail = "" };

    if (d->look->finding != NULL) {
        d->look->finding(d->look->ctx, &f);
    }
}

/* ---- does a record name this message? */

static bool
names_message(const struct store_record *r, uint64_t id)
{
    switch (r->head.type) {
    case RECORD_CONTENT:
    case RECORD_COMMIT:
    case RECORD_OUTCOME:
    case RECORD_MARK:
    case RECORD_ATTEMPT:
    case RECORD_COPIED_CONTENT:
    case RECORD_COPIED_COMMIT:
        return r->payload.n >= sizeof(uint64_t) && get_le64((const uint8_t *)r->payload.p) == id;
    default:
        return false;
    }
}

static bool
is_wanted(const struct dump *d, const struct store_record *r)
{
    const struct store_dump_filter *f = d->filter;

    if (r->lsn + r->length <= f->from_lsn || (f->to_lsn != 0 && r->lsn >= f->to_lsn)) {
        return false;
    }
    return f->id == 0 || (r->header_valid && names_message(r, f->id));
}

static void
emit(struct dump *d, const struct store_record *r)
{
    if (is_wanted(d, r)) {
        d->stopped = !d->each(d->look->ctx, r);
    }
}

/* ---- one segment */

static int
load(struct dump *d, const char *path)
{
    struct io_stat st;
    ssize_t n;
    int fd = io_open(path, O_RDONLY, 0);
    int rc = fd < 0 ? fd : io_fstat(fd, &st);

    if (rc < 0) {
        io_close(&fd);
        return rc;
    }
    d->size = (size_t)MIN(st.size_bytes, (uint64_t)SEGMENT_BYTES_MAX);
    if (d->size > d->capacity) {
        free(d->bytes);
        d->bytes = malloc(d->size);
        d->capacity = d->bytes != NULL ? d->size : 0;
    }
    n = d->bytes != NULL || d->size == 0 ? io_pread(fd, d->bytes, d->size, 0) : -ENOMEM;
    io_close(&fd);
    d->size = n < 0 ? 0 : (size_t)n;
    return n < 0 ? (int)n : 0;
}

static bool
is_zero(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

static bool
record_follows(const struct dump *d, uint64_t lsn, size_t at, uint32_t seed)
{
    struct record_head h;

    for (size_t i = RECORD_ALIGN; i < d->size - at; i += RECORD_ALIGN) {
        if (record_head_get(d->bytes + at + i, d->size - at - i, seed, lsn + i, &h) == 0) {
            return true;
        }
    }
    return false;
}

/* What is behind the last record: nothing, what was never written, or what does not validate. */
static void
walk_rest(struct dump *d, uint64_t lsn, size_t at, uint32_t seed)
{
    struct store_record r = { .segment = d->name, .offset = at, .lsn = lsn };

    r.length = d->size - at;
    r.followed = record_follows(d, lsn, at, seed);
    if (!is_zero(d->bytes + at, d->size - at)) {
        emit(d, &r);
    }
}

static void
walk(struct dump *d, uint64_t base, uint32_t seed)
{
    size_t at = SEGMENT_HEADER_BYTES;

    while (!d->stopped && at < d->size) {
        struct store_record r = { .segment = d->name, .offset = at, .lsn = base + at };
        size_t left = d->size - at;

        if (record_head_get(d->bytes + at, left, seed, r.lsn, &r.head) < 0 ||
            r.head.length > left) {
            walk_rest(d, r.lsn, at, seed);
            return;
        }
        r.header_valid = true;
        r.length = r.head.length;
        r.payload = (struct slice){ (const char *)d->bytes + at + RECORD_HEADER_BYTES,
            r.head.length - RECORD_HEADER_BYTES };
        r.payload_valid = record_payload_valid(d->bytes + at, &r.head, seed);
        emit(d, &r);
        if (r.head.type == RECORD_END) {
            return;
        }
        at += record_padded(r.head.length);
    }
}

static int
dump_segment(struct dump *d, const char *name)
{
    char dir[STORE_PATH_CAP], path[STORE_PATH_CAP];
    struct segment_head head;
    uint64_t seq, base;
    uint32_t epoch;
    int rc = store_path(dir, d->look->path, "journal");

    rc = rc < 0 ? rc : store_path(path, dir, name);
    if (rc < 0 || !segment_name_parse(name, &seq, &epoch) ||
        (d->filter->seq != 0 && d->filter->seq != seq)) {
        return rc;
    }
    base = seq * d->head.segment_bytes;
    if (base + d->head.segment_bytes <= d->filter->from_lsn ||
        (d->filter->to_lsn != 0 && base >= d->filter->to_lsn)) {
        return 0;
    }
    d->name = name;
    rc = load(d, path);
    if (io_is_no_file(rc)) {
        rc = 0; /* of size 0: it has no header */
    }
    if (rc < 0) {
        return rc == -ENOENT ? 0 : rc; /* a daemon runs, and has freed it meanwhile */
    }
    rc = segment_head_get(d->bytes, d->size, &head);
    if (rc < 0) {
        tell(d, rc == BH_EFORMAT ? FINDING_SEGMENT_NEWER : FINDING_SEGMENT_HEADER);
        return 0;
    }
    if (memcmp(head.uuid, d->head.uuid, sizeof(head.uuid)) != 0) {
        tell(d, FINDING_SEGMENT_FOREIGN);
        return 0;
    }
    if (head.seq != seq || head.epoch != epoch) {
        tell(d, FINDING_SEGMENT_MISPLACED);
        base = head.seq * d->head.segment_bytes;
    }
    walk(d, base, record_seed(head.salt));
    return 0;
}

int
store_dump(struct store_look *l, const struct store_dump_filter *filter, store_record_fn *each)
{
    struct dump d = { .look = l, .filter = filter, .each = each };
    char(*names)[SEGMENT_NAME_CAP] = NULL;
    size_t count = 0;
    int rc = store_read(l->path, &d.head, l->text, sizeof(l->text));

    if (rc < 0) {
        return rc;
    }
    rc = store_segments(l->path, &names, &count);
    for (size_t i = 0; rc == 0 && !d.stopped && i < count; i++) {
        rc = dump_segment(&d, names[i]);
        if (l->progress != NULL) {
            l->progress(l->ctx, i + 1, count);
        }
    }
    if (rc < 0) {
        (void)snprintf(l->text, sizeof(l->text), "%s: %s", l->path, error_text(rc));
    }
    free(names);
    free(d.bytes);
    return rc;
}
