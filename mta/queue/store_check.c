/* store check and store stat: all of a store is looked at, and nothing is changed. What the
 * journal's bytes mean is judged by recover.c alone, so that the check and the daemon never
 * disagree. */
#include "queue/owner_file.h"
#include "queue/queue_int.h"
#include "queue/recover.h"
#include "queue/store_ahead.h"
#include "queue/store_snapshots.h"
#include <stdio.h>
#include <stdlib.h>

struct check {
    struct store_look *look;
    const char *path;
    struct store_totals *out;
    struct store_head head;
    struct owner_record last; /* of the newest owner file, where it can be read */
    uint64_t epoch;           /* of that file; 0: there is none */
    uint64_t journal_bytes, snapshot_bytes, reserve_bytes;
    struct store_ahead *ahead;
    struct store_snapshots snapshots;
    store_snapshot_fn *each_snapshot; /* NULL: nobody asks */
    struct segtab segments;
    struct msgindex index;
};

static void
on_finding(void *ctx, const struct queue_finding *f)
{
    struct check *c = ctx;

    c->out->damaged += finding_is_damage(f->kind);
    if (c->look->finding != NULL) {
        c->look->finding(c->look->ctx, f);
    }
}

static void
tell(struct check *c, enum bridgehead_finding kind, const char *file, const char *detail)
{
    struct queue_finding f = { .kind = kind, .file = file, .detail = detail };

    on_finding(c, &f);
}

/* ---- STORE */

static int
check_head(struct check *c)
{
    int rc = store_read(c->path, &c->head, c->look->text, sizeof(c->look->text));

    if (rc == BH_EDAMAGED) {
        tell(c, FINDING_STORE_DAMAGED, "STORE", "");
    } else if (rc == BH_EFORMAT) {
        tell(c, FINDING_STORE_NEWER, "STORE", "");
    }
    return rc;
}

/* ---- owner files */

static void
check_newest_owner(struct check *c, const char *name, const uint8_t *bytes, size_t n)
{
    int rc = owner_file_parse(bytes, n, &c->last);
    struct owner_record slot;

    if (rc == BH_EFORMAT) {
        tell(c, FINDING_OWNER_NEWER, name, "");
    } else if (rc < 0 || c->last.epoch != c->epoch) {
        tell(c, FINDING_OWNER_DAMAGED, name, "");
        c->last = (struct owner_record){ .state = OWNER_NONE };
    } else if (memcmp(c->last.uuid, c->head.uuid, sizeof(c->last.uuid)) != 0) {
        tell(c, FINDING_OWNER_FOREIGN, name, "");
        c->last = (struct owner_record){ .state = OWNER_NONE };
    }
    for (unsigned i = 0; rc == 0 && i < 2; i++) {
        if (n < (i + 1) * OWNER_SLOT_BYTES ||
            owner_slot_get(bytes + i * OWNER_SLOT_BYTES, &slot) < 0) {
            tell(c, FINDING_OWNER_SLOT, name, i == 0 ? "slot 0" : "slot 1");
        }
    }
}

/* Its name is there and no file: a link to nothing, and not one that a daemon pruned meanwhile. */
static bool
is_gone_but_newest(const struct check *c, int rc, bool newest)
{
    uint64_t highest;

    return rc == -ENOENT && newest && owner_file_highest(c->path, &highest) == 0 &&
           highest == c->epoch;
}

static int
check_owner_file(struct check *c, const char *name, bool newest)
{
    char path[STORE_PATH_CAP];
    struct owner_record old;
    uint8_t *bytes = io_alloc_blocks(OWNER_FILE_BYTES);
    size_t n;
    int rc = bytes != NULL ? store_path(path, c->path, name) : -ENOMEM;

    rc = rc < 0 ? rc : io_read_file(path, (char *)bytes, OWNER_FILE_BYTES, &n);
    if (rc == BH_ETOOBIG) { /* the buffer has what counts */
        n = OWNER_FILE_BYTES;
        rc = 0;
    } else if (io_is_no_file(rc) || is_gone_but_newest(c, rc, newest)) {
        n = 0;
        rc = 0;
    }
    if (rc == 0 && newest) {
        check_newest_owner(c, name, bytes, n);
    } else if (rc == 0 && owner_file_parse(bytes, n, &old) < 0) {
        tell(c, FINDING_OWNER_OLD, name, "");
    }
    free(bytes);
    return rc == -ENOENT ? 0 : rc; /* a daemon runs, and has pruned it meanwhile */
}

/* ---- the directories */

static uint64_t
size_of(const char *dir, const char *name)
{
    char path[STORE_PATH_CAP];
    struct io_stat st;

    return store_path(path, dir, name) == 0 && io_stat(path, &st) == 0 ? st.size_bytes : 0;
}

static int
each_in_store(void *ctx, const char *name)
{
    static const char *const ours[] = { "LOCK", "STORE", "journal", "snapshot", "lost+found" };
    struct check *c = ctx;
    struct slice s = slice_of(name);
    uint64_t epoch;

    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        if (strcmp(name, ours[i]) == 0) {
            return 0;
        }
    }
    if (owner_file_name_parse(name, &epoch)) {
        return check_owner_file(c, name, epoch == c->epoch);
    }
    if (strcmp(name, "quarantine") == 0) {
        tell(c, FINDING_QUARANTINE, name, "");
    } else if (slice_starts(s, SLICE_LIT("reserve.")) && !slice_iends(s, SLICE_LIT(".tmp"))) {
        c->reserve_bytes += size_of(c->path, name);
    } else {
        tell(c, slice_iends(s, SLICE_LIT(".tmp")) ? FINDING_LEFTOVER : FINDING_UNKNOWN, name, "");
    }
    return 0;
}

static int
each_in_journal(void *ctx, const char *name)
{
    struct check *c = ctx;
    struct slice s = slice_of(name);
    char file[300];
    uint64_t seq;
    uint32_t epoch;

    if (!segment_name_parse(name, &seq, &epoch)) {
        (void)snprintf(file, sizeof(file), "journal/%s", name);
        tell(c,
            slice_starts(s, SLICE_LIT("new-")) || slice_starts(s, SLICE_LIT("spare-"))
                ? FINDING_LEFTOVER
                : FINDING_UNKNOWN,
            file, "");
    }
    return 0;
}

static int
each_in_snapshot(void *ctx, const char *name)
{
    char file[300];

    (void)snprintf(file, sizeof(file), "snapshot/%s", name);
    tell(ctx, slice_starts(slice_of(name), SLICE_LIT("new-")) ? FINDING_LEFTOVER : FINDING_UNKNOWN,
        file, "");
    return 0;
}

static int
check_files(struct check *c)
{
    char journal[STORE_PATH_CAP];
    int rc = owner_file_highest(c->path, &c->epoch);

    rc = rc < 0 ? rc : io_list(c->path, each_in_store, c);
    rc = rc < 0 ? rc : store_path(journal, c->path, "journal");
    rc = rc < 0 ? rc : io_list(journal, each_in_journal, c);
    rc = rc < 0 ? rc
                : store_snapshots_begin(&c->snapshots, c->path, c->head.uuid, c->head.segment_bytes,
                      each_in_snapshot, c);
    c->snapshot_bytes = store_snapshots_bytes(&c->snapshots);
    return rc;
}

/* ---- the journal */

static void
on_progress(void *ctx, uint64_t done)
{
    struct check *c = ctx;

    store_ahead_done(c->ahead, done);
    if (c->look->progress != NULL) {
        c->look->progress(c->look->ctx, done, c->journal_bytes + c->snapshot_bytes);
    }
}

static void
on_snapshot_walked(void *ctx, uint64_t bytes)
{
    struct check *c = ctx;

    if (c->look->progress != NULL) {
        c->look->progress(
            c->look->ctx, c->journal_bytes + bytes, c->journal_bytes + c->snapshot_bytes);
    }
}

static int
judge_snapshots(struct check *c, const struct recovery *r)
{
    struct store_snapshots_to to = { .whole = r->damaged == 0,
        .finding = on_finding,
        .walked = on_snapshot_walked,
        .ctx = c,
        .each = c->each_snapshot,
        .ctx_each = c->look->ctx };
    int rc = store_snapshots_judge(&c->snapshots, r, &to);

    if (rc < 0) {
        (void)snprintf(c->look->text, sizeof(c->look->text), "snapshots: %s", error_text(rc));
    }
    return rc;
}

static void
take_totals(struct check *c, const struct recovery *r)
{
    c->out->segments = c->segments.count;
    c->out->records = r->records;
    c->out->messages = c->index.messages;
    c->out->recipients = c->index.recipients;
    c->out->bytes = c->index.bytes;
    c->out->torn_bytes = r->torn_bytes;
    c->out->late_bytes = r->late_bytes;
    c->out->snapshots = c->snapshots.list.count;
}

static int
read_journal(struct check *c)
{
    struct recovery r = {
        .store = c->path,
        .segment_bytes = c->head.segment_bytes,
        .sealed_lsn = c->last.state == OWNER_RELEASED ? c->last.sealed_lsn : 0,
        .segments = &c->segments,
        .index = &c->index,
        .finding = on_finding,
        .progress = on_progress,
        .ctx = c,
    };
    int rc = store_ahead_start(&c->ahead, c->path, &c->journal_bytes);

    if (rc < 0) {
        (void)snprintf(c->look->text, sizeof(c->look->text), "journal: %s", error_text(rc));
        return rc;
    }
    memcpy(r.uuid, c->head.uuid, sizeof(r.uuid));
    rc = recover_run(&r);
    take_totals(c, &r);
    if (rc < 0) {
        (void)snprintf(c->look->text, sizeof(c->look->text), "%.300s%s", r.text,
            rc == -ENOENT ? ". A daemon runs, and has freed it meanwhile: look again"
            : rc == -EIO  ? ". Look at the disk: what it gives back can be copied to another"
                          : "");
    } else {
        rc = judge_snapshots(c, &r);
    }
    store_ahead_stop(c->ahead);
    on_snapshot_walked(c, c->snapshot_bytes);
    recover_fini(&r);
    return rc;
}

static int
check_all(struct check *c)
{
    int rc = check_head(c);

    if (rc < 0) {
        return rc;
    }
    rc = check_files(c);
    if (rc < 0) {
        (void)snprintf(c->look->text, sizeof(c->look->text),
            "%s: %s. Check permissions and the disk", c->path, error_text(rc));
        return rc;
    }
    return read_journal(c);
}

static void
check_begin(struct check *c, struct store_look *l, struct store_totals *out)
{
    *out = (struct store_totals){ 0 };
    *c = (struct check){ .look = l, .path = l->path, .out = out };
    l->text[0] = '\0';
    segtab_init(&c->segments);
    msgindex_init(&c->index);
}

static void
check_end(struct check *c)
{
    msgindex_fini(&c->index);
    segtab_fini(&c->segments);
}

int
store_check(struct store_look *l, struct store_totals *out)
{
    struct check c;
    int rc;

    check_begin(&c, l, out);
    rc = check_all(&c);
    check_end(&c);
    return rc;
}

/* ---- stat */

struct live { /* of one segment; in order of the table */
    uint64_t seq, bytes;
};

static int
live_by_seq(const void *a, const void *b)
{
    uint64_t x = ((const struct live *)a)->seq, y = ((const struct live *)b)->seq;

    return x < y ? -1 : x > y;
}

static void
count_live(struct live *list, size_t count, uint64_t seq, uint64_t bytes)
{
    struct live key = { .seq = seq };
    struct live *at = bsearch(&key, list, count, sizeof(*list), live_by_seq);

    if (at != NULL) {
        at->bytes += record_padded(RECORD_HEADER_BYTES + bytes);
    }
}

/* Bytes of records that messages need, by segment. The COMMIT's are guessed from what is in it. */
static void
count_message(const struct check *c, const struct stored *s, struct live *list, size_t count)
{
    uint64_t segment = c->head.segment_bytes;
    uint64_t commit = COMMIT_HEAD_BYTES + s->m.sender.n + s->m.client.n + s->m.envid.n +
                      (uint64_t)s->chunk_count * COMMIT_CHUNK_BYTES;

    for (uint32_t i = 0; i < s->m.recipient_count; i++) {
        commit += s->m.recipients[i].address.n + s->m.recipients[i].orcpt.n;
    }
    count_live(list, count, s->commit_lsn / segment, commit);
    for (uint32_t i = 0; i < s->chunk_count; i++) {
        count_live(list, count, s->chunk_lsn[i] / segment,
            CONTENT_PREFIX_BYTES + (uint64_t)s->chunk_bytes[i]);
    }
}

static void
each_segment_stat(
    struct check *c, const struct live *live, struct store_stat *out, store_segment_fn *each)
{
    char journal[STORE_PATH_CAP], name[SEGMENT_NAME_CAP];
    uint32_t epoch = 0;
    size_t i = 0;

    if (store_path(journal, c->path, "journal") < 0) {
        return;
    }
    LIST_FOR(it, &c->segments.order)
    {
        const struct segment *seg = CONTAINER_OF(it, struct segment, link);
        struct store_segment_stat s = { .seq = seg->seq,
            .valid_bytes = seg->valid_bytes,
            .live_bytes = live[i].bytes,
            .epoch = seg->epoch,
            .live_records = seg->live,
            .needs = seg->need_count,
            .damaged = seg->damaged,
            .name = name };

        segment_name(name, seg->seq, seg->epoch);
        s.size_bytes = size_of(journal, name);
        out->live_bytes += s.live_bytes;
        out->epochs += seg->epoch != epoch;
        epoch = seg->epoch;
        i++;
        if (each != NULL) {
            each(c->look->ctx, &s);
        }
    }
}

static int
stat_segments(struct check *c, struct store_stat *out, store_segment_fn *each)
{
    struct live *live = calloc((size_t)c->segments.count + 1, sizeof(*live));
    size_t count = 0;

    if (live == NULL) {
        return -ENOMEM;
    }
    LIST_FOR(it, &c->segments.order)
    {
        live[count++].seq = CONTAINER_OF(it, struct segment, link)->seq;
    }
    for (const struct stored *s = msgindex_after(&c->index, 0); s != NULL;
         s = msgindex_after(&c->index, s->m.id)) {
        count_message(c, s, live, count);
        if (out->oldest_wall_ms == 0 || s->m.received_wall_ms < out->oldest_wall_ms) {
            out->oldest_wall_ms = s->m.received_wall_ms;
        }
    }
    each_segment_stat(c, live, out, each);
    free(live);
    return 0;
}

static void
stat_owner(const struct check *c, struct store_stat *out)
{
    struct store_owner_stat *o = &out->owner;
    struct queue_owner q;
    char text[256];

    o->epoch = c->last.epoch;
    o->lease_ms = c->last.lease_ms;
    o->claimed_wall_ms = c->last.claimed_wall_ms;
    (void)snprintf(o->node, sizeof(o->node), "%s", c->last.node);
    (void)snprintf(o->boot_id, sizeof(o->boot_id), "%s", c->last.boot_id);
    (void)snprintf(o->state, sizeof(o->state), "%s", owner_state_text(c->last.state));
    store_uuid_text(c->head.uuid, o->uuid);
    o->locked = queue_store_owner(c->path, &q, text, sizeof(text)) == 0 && q.locked;
}

int
store_stat(struct store_look *l, struct store_stat *out, store_segment_fn *each,
    store_snapshot_fn *snapshot)
{
    struct store_totals totals;
    struct io_space space = { 0 };
    struct check c;
    int rc;

    *out = (struct store_stat){ 0 };
    check_begin(&c, l, &totals);
    c.each_snapshot = snapshot;
    rc = check_all(&c);
    rc = rc < 0 ? rc : stat_segments(&c, out, each);
    if (rc == 0) {
        (void)!io_space(l->path, &space);
        stat_owner(&c, out);
        out->totals = totals;
        out->segment_bytes = c.head.segment_bytes;
        out->created_wall_ms = c.head.created_wall_ms;
        out->journal_bytes = c.journal_bytes;
        out->reserve_bytes = c.reserve_bytes;
        out->free_bytes = space.free_bytes;
        out->held = c.index.held;
        out->in_doubt = c.index.in_doubt;
    }
    check_end(&c);
    return rc;
}
