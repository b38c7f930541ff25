/* What agrees, and why it must (docs/formats/journal.md section 6c), with P the snapshot's
 * position: every segment before P's that is there stands in the file; a message in both places
 * lies in the same place, or was copied behind P since; its recipients that were done are done; and
 * each message whose COMMIT lies before P and that lives, stands in the file. A message that only
 * the file has has died since, as far as can be told cheaply. */
#include "queue/store_snapshots.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISAGREES BH_ESTATE /* of a comparison; no reader returns it */

/* ---- the directory */

struct names {
    int (*leftover)(void *ctx, const char *name);
    void *ctx;
};

static int
each_name(void *ctx, const char *name)
{
    const struct names *n = ctx;
    uint64_t position;
    uint32_t epoch;

    return snapshot_name_parse(name, &position, &epoch) ? 0 : n->leftover(n->ctx, name);
}

int
store_snapshots_begin(struct store_snapshots *s, const char *store, const uint8_t uuid[16],
    uint64_t segment_bytes, int (*leftover)(void *ctx, const char *name), void *ctx)
{
    struct names n = { leftover, ctx };
    char dir[STORE_PATH_CAP];
    int rc = store_path(dir, store, "snapshot");

    rc = rc < 0 ? rc : snapshot_list(store, &s->list);
    rc = rc < 0 ? rc : io_list(dir, each_name, &n);
    for (uint32_t i = 0; rc == 0 && i < s->list.count; i++) {
        struct snapshot_info *info = &s->looked[i].info;

        *info = (struct snapshot_info){ 0 };
        s->looked[i].rc = snapshot_look(store, uuid, segment_bytes, &s->list.list[i], info);
        s->list.list[i].salt = info->head.salt;
    }
    return rc == -ENOENT ? 0 : rc;
}

uint64_t
store_snapshots_bytes(const struct store_snapshots *s)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < s->list.count; i++) {
        bytes += s->looked[i].rc == 0 ? s->looked[i].info.trailer.file_bytes : 0;
    }
    return bytes;
}

/* ---- does it agree with the journal? */

struct compare {
    const struct recovery *r;
    uint64_t position;
    bool whole; /* the journal */
    const struct list *segment;
    struct snapshot_replies replies;
    struct msgindex replies_of;
    uint64_t messages, last_id, matched;
    char why[96];
};

static int
disagrees(struct compare *c, const char *what, uint64_t number)
{
    (void)snprintf(c->why, sizeof(c->why), "%s %llx", what, (unsigned long long)number);
    return DISAGREES;
}

static const struct segment *
next_segment(const struct compare *c)
{
    return c->segment == &c->r->segments->order
               ? NULL
               : CONTAINER_OF(c->segment, const struct segment, link);
}

static int
compare_segment(struct compare *c, struct slice bytes)
{
    const struct segment *s = next_segment(c);
    struct snapshot_segment in;
    int rc = snapshot_segment_get(bytes, &in);

    if (rc < 0) {
        return rc;
    }
    if (c->whole && s != NULL && s->seq < in.seq) {
        return disagrees(c, "it does not know of segment number", s->seq);
    }
    while (s != NULL && s->seq <= in.seq) {
        if (c->whole && s->seq == in.seq && (s->epoch != in.epoch || s->salt != in.salt)) {
            return disagrees(c, "it knows of another segment number", s->seq);
        }
        c->segment = c->segment->next;
        s = next_segment(c);
    }
    return 0;
}

static bool
same_content(const struct stored *a, const struct stored *b)
{
    if (a->m.size_bytes != b->m.size_bytes || a->chunk_count != b->chunk_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->chunk_count; i++) {
        if (a->chunk_lsn[i] != b->chunk_lsn[i] || a->chunk_bytes[i] != b->chunk_bytes[i]) {
            return false;
        }
    }
    return true;
}

static bool
same_recipients(const struct stored *file, const struct stored *now)
{
    if (file->m.recipient_count != now->m.recipient_count ||
        !slice_eq(file->m.sender, now->m.sender) || !slice_eq(file->m.transid, now->m.transid)) {
        return false;
    }
    for (uint32_t i = 0; i < file->m.recipient_count; i++) {
        const struct queue_recipient *a = &file->m.recipients[i], *b = &now->m.recipients[i];

        if (!slice_eq(a->address, b->address) ||
            (a->state != RECIPIENT_QUEUED && b->state == RECIPIENT_QUEUED)) {
            return false;
        }
    }
    return true;
}

static int
compare_stored(struct compare *c, const struct stored *file)
{
    const struct stored *now = msgindex_after(c->r->index, file->m.id - 1);

    if (now == NULL || now->m.id != file->m.id) {
        return 0;
    }
    if (now->commit_lsn != file->commit_lsn) {
        return now->commit_lsn < MAX(c->position, file->commit_lsn)
                   ? disagrees(c, "it has another place for message", file->m.id)
                   : 0;
    }
    c->matched += now->commit_lsn < c->position;
    return same_content(file, now) && same_recipients(file, now)
               ? 0
               : disagrees(c, "it says other things of message", file->m.id);
}

static int
compare_message(struct compare *c, struct slice bytes)
{
    uint64_t commit = snapshot_message_commit(bytes);
    struct stored *s;
    int rc;

    c->messages++;
    if (segtab_find(c->r->segments, commit / c->r->segment_bytes) == NULL) {
        return 0; /* freed since: it was dead, or copied */
    }
    rc = snapshot_message_get(bytes, &c->replies, &c->replies_of, &s);
    if (rc < 0) {
        return rc;
    }
    rc = s->m.id > c->last_id ? 0 : BH_EDAMAGED;
    c->last_id = s->m.id;
    rc = rc < 0 || !c->whole ? rc : compare_stored(c, s);
    stored_free(&c->replies_of, s);
    return rc;
}

static int
compare_entry(void *ctx, const struct snapshot_entry *e)
{
    struct compare *c = ctx;
    struct snapshot_setting set;

    switch (e->kind) {
    case SNAPSHOT_SEGMENT:
        return compare_segment(c, e->bytes);
    case SNAPSHOT_REPLY:
        return snapshot_reply_get(&c->replies, &c->replies_of, e->bytes);
    case SNAPSHOT_MESSAGE:
        return compare_message(c, e->bytes);
    case SNAPSHOT_STATE:
    case SNAPSHOT_TRANSID:
        return snapshot_state_get(e->bytes, &set);
    default:
        return (e->kind & SNAPSHOT_MUST_UNDERSTAND) != 0 ? BH_EFORMAT : 0;
    }
}

/* All that the file must have, is it there? */
static int
compare_rest(struct compare *c)
{
    const struct segment *left = next_segment(c);
    uint64_t must = 0;

    if (!c->whole) {
        return 0;
    }
    if (left != NULL && left->seq < c->position / c->r->segment_bytes) {
        return disagrees(c, "it does not know of segment number", left->seq);
    }
    for (const struct stored *s = msgindex_after(c->r->index, 0); s != NULL;
         s = msgindex_after(c->r->index, s->m.id)) {
        must += s->commit_lsn < c->position;
    }
    return must == c->matched
               ? 0
               : disagrees(c, "messages of the journal that it has not:", must - c->matched);
}

static int
compare(struct compare *c, const struct snapshot_info *info)
{
    int rc;

    c->position = info->head.position;
    c->segment = c->r->segments->order.next;
    msgindex_init(&c->replies_of);
    rc = snapshot_each(c->r->store, info, NULL, compare_entry, c);
    if (rc == 0 && c->messages != info->trailer.messages) {
        rc = BH_EDAMAGED;
    }
    rc = rc < 0 ? rc : compare_rest(c);
    snapshot_replies_fini(&c->replies, &c->replies_of);
    msgindex_fini(&c->replies_of);
    return rc;
}

/* ---- what it is called */

/* Of another store, or of another place than its name says? */
static bool
is_foreign(const struct recovery *r, const struct snapshot_ref *ref, const struct snapshot_head *h)
{
    return h->segment_bytes != 0 && /* the header was good */
           (memcmp(h->uuid, r->uuid, sizeof(h->uuid)) != 0 || h->position != ref->position ||
               h->epoch != ref->epoch || h->segment_bytes != r->segment_bytes);
}

static void
tell(const struct recovery *r, const struct snapshot_ref *ref, const struct snapshot_info *info,
    int rc, const struct compare *c, queue_finding_fn *finding, void *ctx)
{
    char file[SNAPSHOT_NAME_CAP + 16], name[SNAPSHOT_NAME_CAP];
    struct queue_finding f = { FINDING_SNAPSHOT_DAMAGED, file, 0, info->trailer.file_bytes, 0,
        c->why };

    snapshot_name(name, ref->position, ref->epoch);
    (void)snprintf(file, sizeof(file), "snapshot/%s", name);
    if (rc == 0) {
        f.kind = FINDING_SNAPSHOT_STRAY;
    } else if (rc == BH_EFORMAT) {
        f.kind = FINDING_SNAPSHOT_NEWER;
    } else if (rc == DISAGREES) {
        f.kind = FINDING_SNAPSHOT_DISAGREES;
    } else if (is_foreign(r, ref, &info->head)) {
        f.kind = FINDING_SNAPSHOT_FOREIGN;
    } else if (rc != BH_EDAMAGED) {
        f.detail = error_text(rc);
    }
    finding(ctx, &f);
}

static void
show(const struct snapshot_ref *ref, const struct snapshot_info *info, bool counts, bool good,
    store_snapshot_fn *each, void *ctx)
{
    char name[SNAPSHOT_NAME_CAP];
    struct store_snapshot_stat s = { .name = name,
        .position = ref->position,
        .through = info->trailer.through,
        .size_bytes = info->trailer.file_bytes,
        .messages = info->trailer.messages,
        .recipients = info->trailer.recipients,
        .created_wall_ms = info->head.created_wall_ms,
        .epoch = ref->epoch,
        .counts = counts,
        .good = good };

    snapshot_name(name, ref->position, ref->epoch);
    each(ctx, &s);
}

int
store_snapshots_judge(
    const struct store_snapshots *s, const struct recovery *r, const struct store_snapshots_to *to)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < s->list.count; i++) {
        const struct snapshot_ref *ref = &s->list.list[i];
        const struct snapshot_info *info = &s->looked[i].info;
        struct compare c = { .r = r, .whole = to->whole };
        int rc = s->looked[i].rc;
        bool counts = rc == 0 && recover_snapshot_counts(r, ref);

        rc = counts ? compare(&c, info) : rc;
        if (rc == -ENOMEM) {
            return rc;
        }
        if (rc == -ENOENT) {
            continue; /* a daemon runs, and has deleted it meanwhile */
        }
        if (rc < 0 || !counts) {
            tell(r, ref, info, rc, &c, to->finding, to->ctx);
        }
        if (to->each != NULL) {
            show(ref, info, counts, rc == 0, to->each, to->ctx_each);
        }
        bytes += info->trailer.file_bytes;
        if (to->walked != NULL) {
            to->walked(to->ctx, bytes);
        }
    }
    return 0;
}
