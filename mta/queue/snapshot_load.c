#include "queue/snapshot_load.h"
#include "core/ticks.h"
#include "queue/ownership.h"
#include <fcntl.h>
#include <stdlib.h>

#define STEP_BYTES (1 * MIB) /* read at once */
#define PRUNE_MAX  64        /* names of one round: a directory is not changed while it is listed */

int
snapshot_path(char out[STORE_PATH_CAP], const char *store, const char *name)
{
    char dir[STORE_PATH_CAP];
    int rc = store_path(dir, store, "snapshot");

    return rc < 0 ? rc : store_path(out, dir, name);
}

/* ---- the directory */

static int
each_name(void *ctx, const char *name)
{
    struct snapshot_list *l = ctx;
    struct snapshot_ref ref = { 0 };
    uint32_t at = l->count;

    if (!snapshot_name_parse(name, &ref.position, &ref.epoch)) {
        return 0;
    }
    while (at > 0 &&
           (l->list[at - 1].position < ref.position ||
               (l->list[at - 1].position == ref.position && l->list[at - 1].epoch < ref.epoch))) {
        at--;
    }
    if (at == SNAPSHOTS_LISTED_MAX) {
        return 0;
    }
    l->count = MIN(l->count + 1, (uint32_t)SNAPSHOTS_LISTED_MAX);
    memmove(&l->list[at + 1], &l->list[at], (l->count - at - 1) * sizeof(l->list[0]));
    l->list[at] = ref;
    return 0;
}

int
snapshot_list(const char *store, struct snapshot_list *out)
{
    char dir[STORE_PATH_CAP];
    int rc = store_path(dir, store, "snapshot");

    out->count = 0;
    rc = rc < 0 ? rc : io_list(dir, each_name, out);
    return rc == -ENOENT ? 0 : rc;
}

/* ---- header and trailer */

static int
look(int fd, const struct snapshot_ref *ref, struct snapshot_info *out)
{
    uint8_t *block = io_alloc_blocks(SNAPSHOT_HEADER_BYTES);
    struct io_stat st;
    ssize_t got;
    int rc = block == NULL ? -ENOMEM : io_fstat(fd, &st);

    if (rc == 0) {
        got = io_pread(fd, block, SNAPSHOT_HEADER_BYTES, 0);
        rc = got < 0 ? (int)got : snapshot_head_get(block, (size_t)got, &out->head);
    }
    if (rc == 0 && (out->head.position != ref->position || out->head.epoch != ref->epoch ||
                       st.size_bytes < SNAPSHOT_HEADER_BYTES + SNAPSHOT_TRAILER_BYTES)) {
        rc = BH_EDAMAGED;
    }
    if (rc == 0) {
        got = io_pread(fd, block, SNAPSHOT_TRAILER_BYTES, st.size_bytes - SNAPSHOT_TRAILER_BYTES);
        rc = got < 0 ? (int)got : snapshot_trailer_get(block, (size_t)got, &out->trailer);
    }
    if (rc == 0 &&
        (out->trailer.salt != out->head.salt || out->trailer.file_bytes != st.size_bytes ||
            out->trailer.through < out->head.position)) {
        rc = BH_EDAMAGED;
    }
    free(block);
    return rc;
}

int
snapshot_look(const char *store, const uint8_t uuid[16], uint64_t segment_bytes,
    const struct snapshot_ref *ref, struct snapshot_info *out)
{
    char path[STORE_PATH_CAP], name[SNAPSHOT_NAME_CAP];
    int fd, rc;

    snapshot_name(name, ref->position, ref->epoch);
    rc = snapshot_path(path, store, name);
    if (rc < 0) {
        return rc;
    }
    fd = io_open(path, O_RDONLY, 0);
    if (fd < 0) {
        return fd;
    }
    rc = look(fd, ref, out);
    io_close(&fd);
    if (rc == 0 && (memcmp(out->head.uuid, uuid, sizeof(out->head.uuid)) != 0 ||
                       out->head.segment_bytes != segment_bytes)) {
        rc = BH_EDAMAGED;
    }
    return rc;
}

/* ---- block by block */

struct walk {
    int fd;
    uint8_t *bytes;
    size_t capacity, filled;
    uint64_t at, end; /* of the file: bytes[0], and where the trailer begins */
    uint32_t seed, number;
    uint64_t blocks;
};

static int
walk_open(struct walk *w, int fd, const struct snapshot_info *info)
{
    *w = (struct walk){ .fd = fd,
        .at = SNAPSHOT_HEADER_BYTES,
        .end = info->trailer.file_bytes - SNAPSHOT_TRAILER_BYTES,
        .seed = record_seed(info->head.salt),
        .blocks = info->trailer.blocks,
        .capacity = 2 * STEP_BYTES };
    w->bytes = io_alloc_blocks(w->capacity);
    return w->bytes == NULL ? -ENOMEM : 0;
}

/* n bytes from offset in the file on (not before those of the last call); what is behind them comes
 * with them. Whole blocks of the disk only. */
static int
walk_get(struct walk *w, uint64_t offset, size_t n, const uint8_t **out)
{
    uint64_t from = offset - offset % IO_BLOCK_BYTES;
    size_t need = (size_t)(offset - from) + n, wanted;
    uint8_t *grown;
    ssize_t got;

    if (offset + n > w->end) {
        return BH_EDAMAGED;
    }
    if (offset < w->at || offset + n > w->at + w->filled) {
        wanted =
            (MAX(need, (size_t)STEP_BYTES) + IO_BLOCK_BYTES - 1) & ~(size_t)(IO_BLOCK_BYTES - 1);
        if (wanted > w->capacity) {
            grown = io_alloc_blocks(wanted);
            if (grown == NULL) {
                return -ENOMEM;
            }
            free(w->bytes);
            w->bytes = grown;
            w->capacity = wanted;
        }
        w->filled = 0;
        w->at = from;
        got = io_pread(w->fd, w->bytes, wanted, from);
        if (got < 0) {
            return (int)got;
        }
        w->filled = (size_t)got;
        if (w->filled < need) {
            return BH_EDAMAGED;
        }
    }
    *out = w->bytes + (offset - w->at);
    return 0;
}

/* The next block's payload, checked. 1; 0: that was the last one; or an error. */
static int
walk_next(struct walk *w, uint64_t *offset, struct slice *payload)
{
    struct snapshot_block_head h;
    const uint8_t *at;
    int rc;

    if (w->number == w->blocks) {
        return 0;
    }
    rc = walk_get(w, *offset, SNAPSHOT_BLOCK_HEAD_BYTES, &at);
    rc = rc < 0 ? rc : snapshot_block_head_get(at, w->seed, &h);
    rc = rc < 0 ? rc : walk_get(w, *offset, SNAPSHOT_BLOCK_HEAD_BYTES + (size_t)h.bytes, &at);
    if (rc < 0) {
        return rc;
    }
    if (h.number != w->number || !snapshot_block_valid(at, &h, w->seed)) {
        return BH_EDAMAGED;
    }
    *payload = (struct slice){ (const char *)at + SNAPSHOT_BLOCK_HEAD_BYTES, h.bytes };
    *offset += SNAPSHOT_BLOCK_HEAD_BYTES + (uint64_t)h.bytes;
    w->number++;
    return 1;
}

int
snapshot_verify(const char *path, const struct snapshot_info *info, const _Atomic bool *stop)
{
    uint64_t offset = SNAPSHOT_HEADER_BYTES;
    struct snapshot_ref ref = { info->head.position, info->head.salt, info->head.epoch };
    struct snapshot_info seen;
    struct slice payload;
    struct walk w;
    int fd = store_open_direct(path, O_RDONLY), rc;

    if (fd < 0) {
        return fd;
    }
    rc = look(fd, &ref, &seen);
    if (rc == 0 && (seen.head.salt != info->head.salt ||
                       seen.trailer.file_bytes != info->trailer.file_bytes)) {
        rc = BH_EDAMAGED;
    }
    if (rc == 0) {
        rc = walk_open(&w, fd, info);
        while (rc == 0 && (rc = walk_next(&w, &offset, &payload)) > 0) {
            rc = atomic_load(stop) ? -ECANCELED : 0;
        }
        free(w.bytes);
    }
    io_close(&fd);
    return rc;
}

/* ---- each entry */

static int
each_of_block(struct slice payload, snapshot_entry_fn *each, void *ctx)
{
    struct snapshot_entry e;
    int rc = 0;

    while (rc == 0 && (rc = snapshot_next(&payload, &e)) > 0) {
        rc = each(ctx, &e);
    }
    return rc;
}

int
snapshot_each(const char *store, const struct snapshot_info *info, const _Atomic bool *stop,
    snapshot_entry_fn *each, void *ctx)
{
    uint64_t offset = SNAPSHOT_HEADER_BYTES;
    char path[STORE_PATH_CAP], name[SNAPSHOT_NAME_CAP];
    struct slice payload;
    struct walk w;
    int fd, rc;

    snapshot_name(name, info->head.position, info->head.epoch);
    rc = snapshot_path(path, store, name);
    if (rc < 0) {
        return rc;
    }
    fd = io_open(path, O_RDONLY, 0);
    if (fd < 0) {
        return fd;
    }
    rc = walk_open(&w, fd, info);
    while (rc == 0 && (rc = walk_next(&w, &offset, &payload)) > 0) {
        rc = stop != NULL && atomic_load(stop) ? -ECANCELED : each_of_block(payload, each, ctx);
    }
    free(w.bytes);
    io_close(&fd);
    return rc;
}

/* ---- loading */

struct load {
    struct replay *into;
    uint64_t position_seq; /* the segment with P */
    struct list *segment;  /* the next one of the table that the file must know */
    bool segments_done;
    struct snapshot_replies replies;
    uint64_t messages, last_id;
};

static const struct segment *
segment_of(const struct load *l)
{
    return CONTAINER_OF(l->segment, struct segment, link);
}

/* Both the table and the file are in order of seq. Is there a segment that the file does not know,
 * before this one? */
static bool
unknown_before(const struct load *l, uint64_t seq)
{
    return l->segment != &l->into->segments->order && segment_of(l)->seq < seq;
}

static int
load_segment(struct load *l, struct slice bytes)
{
    struct snapshot_segment in;
    struct segment *s;
    int rc = snapshot_segment_get(bytes, &in);

    if (rc < 0 || l->segments_done || in.seq > l->position_seq || unknown_before(l, in.seq)) {
        return BH_EDAMAGED;
    }
    if (l->segment == &l->into->segments->order || segment_of(l)->seq != in.seq) {
        return 0; /* it was freed since */
    }
    s = CONTAINER_OF(l->segment, struct segment, link);
    l->segment = l->segment->next;
    if (s->epoch != in.epoch || (s->salt != in.salt && !s->damaged) ||
        in.valid_bytes > l->into->segment_bytes) {
        return BH_EDAMAGED;
    }
    s->damaged = s->damaged || in.damaged;
    s->mended = s->mended || in.mended;
    if (in.seq < l->position_seq && in.valid_bytes >= SEGMENT_HEADER_BYTES &&
        (s->valid_bytes == SEGMENT_HEADER_BYTES || in.valid_bytes < s->valid_bytes)) {
        s->valid_bytes = in.valid_bytes; /* no seal says, or it did not know where END is */
    }
    for (uint32_t i = 0; rc == 0 && i < in.need_count; i++) {
        rc = segtab_need(l->into->segments, s, read_u64(&in.needs));
    }
    return rc;
}

static int
load_message(struct load *l, struct slice bytes)
{
    uint64_t commit = snapshot_message_commit(bytes);
    struct stored *s;
    int rc;

    l->messages++;
    l->segments_done = true;
    if (segtab_find(l->into->segments, commit / l->into->segment_bytes) == NULL) {
        return 0; /* it died, or was copied: what says so comes later, or is gone as well */
    }
    rc = snapshot_message_get(bytes, &l->replies, l->into->index, &s);
    if (rc < 0) {
        return rc;
    }
    rc = s->m.id > l->last_id && replay_plausible(l->into, s) ? msgindex_add(l->into->index, s)
                                                              : BH_EDAMAGED;
    if (rc < 0) {
        stored_free(l->into->index, s);
        return rc;
    }
    l->last_id = s->m.id;
    s->damaged = !replay_hold(l->into, s);
    return 0;
}

static int
load_state(struct load *l, struct slice bytes)
{
    struct replay *into = l->into;
    struct snapshot_setting set;
    struct segment *in, *before;
    int rc = snapshot_state_get(bytes, &set);

    in = rc < 0 ? NULL : segtab_find(into->segments, set.lsn / into->segment_bytes);
    if (in == NULL) {
        return rc; /* it was said again since: behind P */
    }
    rc = state_find(&into->index->state, set.key) != NULL ? BH_EDAMAGED : 0;
    return rc < 0 ? rc
                  : state_apply(&into->index->state, into->segments, into->segment_bytes, in,
                        set.lsn, set.key, set.value, &before);
}

static int
load_entry(void *ctx, const struct snapshot_entry *e)
{
    struct load *l = ctx;

    switch (e->kind) {
    case SNAPSHOT_SEGMENT:
        return load_segment(l, e->bytes);
    case SNAPSHOT_REPLY:
        return snapshot_reply_get(&l->replies, l->into->index, e->bytes);
    case SNAPSHOT_MESSAGE:
        return load_message(l, e->bytes);
    case SNAPSHOT_STATE:
    case SNAPSHOT_TRANSID:
        return load_state(l, e->bytes);
    default:
        return (e->kind & SNAPSHOT_MUST_UNDERSTAND) != 0 ? BH_EFORMAT : 0;
    }
}

int
snapshot_load(const char *store, const struct snapshot_info *info, struct replay *into,
    const _Atomic bool *stop)
{
    struct load l = { .into = into,
        .position_seq = info->head.position / into->segment_bytes,
        .segment = into->segments->order.next };
    int rc = info->trailer.messages <= info->trailer.file_bytes
                 ? msgindex_reserve(into->index, info->trailer.messages)
                 : 0;

    rc = rc < 0 ? rc : snapshot_each(store, info, stop, load_entry, &l);
    if (rc == 0 && (l.messages != info->trailer.messages || unknown_before(&l, l.position_seq))) {
        rc = BH_EDAMAGED;
    }
    snapshot_replies_fini(&l.replies, into->index);
    return rc;
}

void
snapshot_undo(struct replay *into)
{
    msgindex_fini(into->index);
    LIST_FOR(it, &into->segments->order)
    {
        struct segment *s = CONTAINER_OF(it, struct segment, link);

        s->live = 0;
        s->live_bytes = 0;
        s->commit_bytes = 0;
        s->guest_count = 0;
        s->state = 0;
        s->need_count = 0;
    }
}

/* ---- what is not to be kept */

struct prune {
    const struct snapshot_ref *keep;
    uint32_t keep_count, count;
    char names[PRUNE_MAX][SNAPSHOT_NAME_CAP];
};

static int
each_prune(void *ctx, const char *name)
{
    struct prune *p = ctx;
    struct slice s = slice_of(name);
    struct snapshot_ref ref;
    bool ours = snapshot_name_parse(name, &ref.position, &ref.epoch);

    for (uint32_t i = 0; ours && i < p->keep_count; i++) {
        if (ref.position == p->keep[i].position && ref.epoch == p->keep[i].epoch) {
            return 0;
        }
    }
    if ((ours || slice_iends(s, SLICE_LIT(".tmp"))) && s.n < SNAPSHOT_NAME_CAP &&
        p->count < PRUNE_MAX) {
        (void)!slice_copy(s, p->names[p->count++], SNAPSHOT_NAME_CAP);
    }
    return 0;
}

void
snapshot_prune(
    const char *store, const struct snapshot_ref *keep, uint32_t count, const struct lease *lease)
{
    struct prune *p = calloc(1, sizeof(*p));
    char dir[STORE_PATH_CAP], path[STORE_PATH_CAP];
    int rc = p == NULL ? -ENOMEM : store_path(dir, store, "snapshot");

    if (rc == 0) {
        p->keep = keep;
        p->keep_count = count;
        rc = io_list(dir, each_prune, p);
    }
    for (uint32_t i = 0; rc == 0 && i < p->count; i++) {
        if (lease_valid(lease, ticks_boot_ns()) && store_path(path, dir, p->names[i]) == 0) {
            (void)!io_unlink(path); /* the next one deletes what stays */
        }
    }
    free(p);
}
