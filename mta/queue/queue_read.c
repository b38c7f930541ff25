/* I11: nothing whose checksum fails is handed out. A chunk is read and checked as a whole each
 * time; the page cache is trusted no more than the disk. */
#include "core/log.h"
#include "queue/queue_int.h"
#include <fcntl.h>
#include <stdlib.h>

#define BUFFER_BYTES (RECORD_HEADER_BYTES + CONTENT_PREFIX_BYTES + CONTENT_BYTES_MAX)

struct queue_reader {
    struct queue *q;
    struct stored *s;
    uint32_t next; /* chunk */
    uint8_t *buffer;
    loop_fn *ready;
    void *ready_ctx;
    struct loop_work work;
    char path[STORE_PATH_CAP];
    /* of the read in hand */
    struct segment *segment; /* until the pool is done */
    uint64_t lsn, offset;
    uint32_t seed;
    size_t bytes;
    int fd; /* -1: open path first */
    int opened;
    int kept; /* the segment's, of a reader that outlives the queue; else -1 */
    ssize_t got;
    bool busy, have, closed;
};

static uint8_t *
buffer_get(struct queue *q)
{
    return q->buffer_count > 0 ? q->buffers[--q->buffer_count] : malloc(BUFFER_BYTES);
}

static void
buffer_put(struct queue *q, uint8_t *buffer)
{
    if (buffer != NULL && q->buffer_count < READER_BUFFERS) {
        q->buffers[q->buffer_count++] = buffer;
    } else {
        free(buffer);
    }
}

void
queue_buffers_free(struct queue *q)
{
    while (q->buffer_count > 0) {
        free(q->buffers[--q->buffer_count]);
    }
}

int
queue_reader_open(struct queue *q, const struct queue_message *m, struct queue_reader **out)
{
    struct queue_reader *r;

    if (q->failed != 0) {
        return q->failed;
    }
    r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return -ENOMEM;
    }
    r->buffer = buffer_get(q);
    if (r->buffer == NULL) {
        free(r);
        return -ENOMEM;
    }
    r->q = q;
    r->s = (struct stored *)(uintptr_t)stored_of_const(m);
    r->opened = -1;
    r->kept = -1;
    r->s->readers++;
    *out = r;
    return 0;
}

static void
reader_free(struct queue_reader *r)
{
    struct queue *q = r->q;

    r->s->readers--;
    queue_message_unused(q, r->s);
    buffer_put(q, r->buffer);
    free(r);
    if (q->reap_wanted && q->failed == 0 && !q->releasing) {
        queue_reap(q);
    }
}

void
queue_reader_close(struct queue_reader *r)
{
    if (r == NULL) {
        return;
    }
    if (r->busy) {
        r->closed = true; /* freed when the pool is done with it */
    } else {
        reader_free(r);
    }
}

void
queue_reader_orphan(struct queue_reader *r)
{
    if (r != NULL && r->busy) {
        r->q = NULL;
        r->kept = r->segment->fd; /* the pool may be reading from it: closed when it is done */
        r->segment->fd = -1;
    } else if (r != NULL) {
        queue_reader_close(r);
    }
}

/* In the pool. The segment cannot go: its count of readers holds it. */
static void
read_work(void *ctx)
{
    struct queue_reader *r = ctx;

    if (r->fd < 0) {
        r->opened = io_open(r->path, O_RDONLY, 0);
        if (r->opened < 0) {
            r->got = r->opened;
            return;
        }
        r->fd = r->opened;
    }
    r->got = io_pread(r->fd, r->buffer, r->bytes, r->offset);
}

static void
read_done(void *ctx, int status)
{
    struct queue_reader *r = ctx;

    r->busy = false;
    if (r->q == NULL) {
        io_close(&r->opened);
        io_close(&r->kept);
        free(r->buffer);
        free(r);
        return;
    }
    r->segment->readers--;
    if (r->opened >= 0 && r->segment->fd < 0) {
        r->segment->fd = r->opened;
        r->opened = -1;
    }
    io_close(&r->opened);
    if (status < 0) {
        r->got = status;
    }
    if (r->closed) {
        reader_free(r);
        return;
    }
    r->have = true;
    r->ready(r->ready_ctx);
}

static int
read_in_pool(struct queue_reader *r, loop_fn *ready, void *ctx)
{
    char name[SEGMENT_NAME_CAP], dir[STORE_PATH_CAP];
    int rc = 0;

    r->fd = r->segment->fd;
    if (r->fd < 0) {
        segment_name(name, r->segment->seq, r->segment->epoch);
        rc = store_path(dir, r->q->store, "journal");
        rc = rc < 0 ? rc : store_path(r->path, dir, name);
    }
    r->ready = ready;
    r->ready_ctx = ctx;
    r->work = (struct loop_work){ .work = read_work, .done = read_done, .ctx = r };
    rc = rc < 0 ? rc : loop_work_start(r->q->loop, &r->work);
    if (rc < 0) {
        return rc;
    }
    r->busy = true;
    r->segment->readers++;
    return BH_EBUSY;
}

static int
damaged(const struct queue_reader *r, int rc)
{
    log_event(EV_QUEUE_READ_FAILED, LF_ID("id", r->s->m.id), LF_UINT("chunk", r->next),
        LF_UINT("lsn", r->lsn), LF_ERR("error", rc));
    return rc;
}

/* The chunk is in the buffer: is it the right one, and whole? */
static int
deliver(struct queue_reader *r, struct slice *out)
{
    const uint8_t *content = r->buffer + RECORD_HEADER_BYTES;
    struct record_head h;

    r->have = false;
    if (r->got < 0) {
        return damaged(r, (int)r->got);
    }
    if ((size_t)r->got != r->bytes ||
        record_head_get(r->buffer, r->bytes, r->seed, r->lsn, &h) < 0 ||
        (h.type != RECORD_CONTENT && h.type != RECORD_COPIED_CONTENT) || h.length != r->bytes ||
        !record_payload_valid(r->buffer, &h, r->seed) || get_le64(content) != r->s->m.id ||
        get_le32(content + 8) != r->next) {
        return damaged(r, BH_EDAMAGED);
    }
    *out =
        (struct slice){ (const char *)content + CONTENT_PREFIX_BYTES, r->s->chunk_bytes[r->next] };
    r->next++;
    return (int)out->n;
}

uint64_t
queue_reader_seek(struct queue_reader *r, uint64_t offset)
{
    while (r->next < r->s->chunk_count && offset >= r->s->chunk_bytes[r->next]) {
        offset -= r->s->chunk_bytes[r->next++];
    }
    return offset;
}

void
queue_reader_chunk(struct queue_reader *r, uint32_t chunk)
{
    CHECK(!r->busy && chunk < r->s->chunk_count);
    r->have = r->have && r->next == chunk; /* else it was read for nothing */
    r->next = chunk;
}

int
queue_reader_next(struct queue_reader *r, struct slice *out, loop_fn *ready, void *ctx)
{
    if (r->busy) {
        r->ready = ready;
        r->ready_ctx = ctx;
        return BH_EBUSY;
    }
    if (r->have) {
        return deliver(r, out);
    }
    if (r->next == r->s->chunk_count) {
        return 0;
    }
    /* a copy that is not yet on disk cannot be read: until then the old place holds (I10) */
    r->lsn = r->s->moving ? queue_moving_chunk(r->q, r->s, r->next) : r->s->chunk_lsn[r->next];
    r->segment = segtab_find(&r->q->segments, r->lsn / r->q->segment_bytes);
    if (r->segment == NULL || r->s->chunk_bytes[r->next] > CONTENT_BYTES_MAX) {
        return damaged(r, BH_EDAMAGED);
    }
    r->seed = r->segment->seed;
    r->offset = r->lsn % r->q->segment_bytes;
    r->bytes = RECORD_HEADER_BYTES + CONTENT_PREFIX_BYTES + r->s->chunk_bytes[r->next];
    if (r->segment->fd >= 0) {
        r->got = io_pread_nowait(r->segment->fd, r->buffer, r->bytes, r->offset);
        if (r->got >= 0 && (size_t)r->got == r->bytes) {
            return deliver(r, out);
        }
    }
    return read_in_pool(r, ready, ctx);
}
