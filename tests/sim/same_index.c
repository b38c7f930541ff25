#include "same_index.h"
#include "queue/queue_int.h"
#include "queue/recover.h"

int
side_load(struct side *s, const char *store, bool snapshots, queue_finding_fn *finding, void *ctx)
{
    struct queue_owner owner = { .epoch = 0 };
    struct owner_record last = { .state = OWNER_NONE };
    struct store_head head;
    char text[512];

    segtab_init(&s->segments);
    msgindex_init(&s->index);
    s->r = (struct recovery){ .store = store, .segments = &s->segments, .index = &s->index };
    if (store_read(store, &head, text, sizeof(text)) < 0 ||
        queue_store_owner(store, &owner, text, sizeof(text)) < 0 || owner.epoch == 0 ||
        owner_file_read(store, owner.epoch, &last) < 0) {
        return BH_ENOTFOUND;
    }
    s->r.segment_bytes = head.segment_bytes;
    s->r.sealed_lsn = last.state == OWNER_RELEASED ? last.sealed_lsn : 0;
    s->r.use_snapshots = snapshots;
    s->r.finding = finding;
    s->r.ctx = ctx;
    memcpy(s->r.uuid, head.uuid, sizeof(s->r.uuid));
    return recover_run(&s->r);
}

void
side_end(struct side *s)
{
    recover_fini(&s->r);
    msgindex_fini(&s->index);
    segtab_fini(&s->segments);
}

static const char *
same_recipient(const struct queue_recipient *a, const struct queue_recipient *b)
{
    return !slice_eq(a->address, b->address)         ? "address"
           : !slice_eq(a->orcpt, b->orcpt)           ? "orcpt"
           : !slice_eq(a->last_reply, b->last_reply) ? "reply"
           : a->next_wall_ms != b->next_wall_ms      ? "next try"
           : a->attempts != b->attempts              ? "attempts"
           : a->state != b->state                    ? "state"
           : a->notify != b->notify                  ? "notify"
           : a->in_doubt != b->in_doubt              ? "in doubt"
           : a->warned != b->warned                  ? "warned"
           : a->attempt != b->attempt                ? "attempt"
           : a->transaction != b->transaction        ? "transaction"
                                                     : NULL;
}

/* a: through a snapshot. */
static const char *
same_message(const struct stored *a, const struct stored *b)
{
    const char *differs = a->m.id != b->m.id                                 ? "id"
                          : a->commit_lsn != b->commit_lsn                   ? "commit's place"
                          : !slice_eq(a->m.sender, b->m.sender)              ? "sender"
                          : !slice_eq(a->m.envid, b->m.envid)                ? "envid"
                          : !slice_eq(a->m.client, b->m.client)              ? "client"
                          : !slice_eq(a->m.transid, b->m.transid)            ? "transid"
                          : a->m.transid_bytes != b->m.transid_bytes         ? "transid's bytes"
                          : a->m.received_wall_ms != b->m.received_wall_ms   ? "received"
                          : a->m.size_bytes != b->m.size_bytes               ? "size"
                          : a->m.recipient_count != b->m.recipient_count     ? "recipients"
                          : a->m.live_count != b->m.live_count               ? "live recipients"
                          : a->m.body != b->m.body || a->m.hops != b->m.hops ? "body or hops"
                          : a->m.held != b->m.held                           ? "held"
                          : a->m.crashes != b->m.crashes                     ? "crashes"
                          : a->damaged != b->damaged                         ? "damaged"
                          : a->chunk_count != b->chunk_count                 ? "chunks"
                                                                             : NULL;

    for (uint32_t i = 0; differs == NULL && i < a->m.recipient_count; i++) {
        differs = same_recipient(&a->m.recipients[i], &b->m.recipients[i]);
    }
    for (uint32_t i = 0; differs == NULL && i < a->chunk_count; i++) {
        differs = a->chunk_lsn[i] != b->chunk_lsn[i] || a->chunk_bytes[i] != b->chunk_bytes[i]
                      ? "chunk"
                      : NULL;
    }
    return differs;
}

static const char *
same_segments(const struct segtab *a, const struct segtab *b)
{
    const struct list *other = b->order.next;

    if (a->count != b->count) {
        return "segments";
    }
    LIST_FOR(it, &a->order)
    {
        const struct segment *x = CONTAINER_OF(it, struct segment, link);
        const struct segment *y = CONTAINER_OF(other, struct segment, link);

        other = other->next;
        if (x->seq != y->seq || x->epoch != y->epoch || x->salt != y->salt) {
            return "segment";
        }
        if (x->valid_bytes != y->valid_bytes) {
            return "segment's end";
        }
        if (x->live != y->live || x->live_bytes != y->live_bytes ||
            x->commit_bytes != y->commit_bytes) {
            return "what lives in a segment";
        }
    }
    return NULL;
}

static const char *
same_state(const struct state *a, const struct state *b)
{
    if (a->count != b->count) {
        return "settings";
    }
    LIST_FOR(it, &a->entries)
    {
        const struct state_entry *x = CONTAINER_OF(it, struct state_entry, link);
        const struct state_entry *y = state_find(b, state_key(x));

        if (y == NULL || x->lsn != y->lsn || !slice_eq(state_value(x), state_value(y))) {
            return "a setting";
        }
    }
    return NULL;
}

/* Is all that is set in a so in b? One that is unset is remembered for as long as older segments
 * are there. */
static bool
has_settings(const struct state *a, const struct state *b)
{
    LIST_FOR(it, &a->entries)
    {
        const struct state_entry *x = CONTAINER_OF(it, struct state_entry, link);
        const struct state_entry *y = state_find(b, state_key(x));

        if (state_value(x).n > 0 && (y == NULL || !slice_eq(state_value(x), state_value(y)))) {
            return false;
        }
    }
    return true;
}

const char *
same_content(const struct side *a, const struct side *b)
{
    const struct stored *x = msgindex_after(&a->index, 0), *y = msgindex_after(&b->index, 0);
    const char *differs = NULL;

    for (; differs == NULL && x != NULL && y != NULL;
         x = msgindex_after(&a->index, x->m.id), y = msgindex_after(&b->index, y->m.id)) {
        differs = same_message(x, y);
        if (differs != NULL) {
            return differs;
        }
    }
    if (x != NULL || y != NULL) {
        return x != NULL ? "a message more" : "a message missing";
    }
    return a->index.recipients != b->index.recipients || a->index.held != b->index.held ||
                   a->index.in_doubt != b->index.in_doubt || a->index.bytes != b->index.bytes
               ? "totals"
           : has_settings(&a->index.state, &b->index.state) &&
                   has_settings(&b->index.state, &a->index.state)
               ? NULL
               : "settings";
}

const char *
same_index(const char *store, bool *used, unsigned *unreadable)
{
    struct side with, without;
    const char *differs = NULL;
    int rc = side_load(&with, store, true, NULL, NULL);

    if (rc < 0 && rc != BH_ENOTFOUND) {
        differs = "recovery with snapshots failed";
    } else if (rc == 0 && side_load(&without, store, false, NULL, NULL) < 0) {
        differs = "recovery failed";
    } else if (rc == 0) {
        *used = with.r.used.epoch != 0;
        *unreadable = with.r.unreadable_count;
        differs = same_content(&with, &without);
        differs = differs != NULL ? differs : same_state(&with.index.state, &without.index.state);
        differs = differs != NULL ? differs : same_segments(&with.segments, &without.segments);
        side_end(&without);
    }
    side_end(&with);
    return differs;
}
