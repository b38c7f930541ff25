#include "queue/msgindex.h"
#include <stdlib.h>

#define COMPACT_MIN 1024 /* dead entries that are not worth a move */

/* ---- replies, shared */

struct reply {
    struct map_node node;
    uint32_t refs, bytes;
    uint32_t numbering, number; /* of a snapshot in the making */
    char text[];
};

static struct slice
reply_key(const struct map_node *n)
{
    const struct reply *r = CONTAINER_OF(n, const struct reply, node);

    return (struct slice){ r->text, r->bytes };
}

static struct reply *
reply_of(struct slice text)
{
    return (struct reply *)(void *)((char *)(uintptr_t)text.p - offsetof(struct reply, text));
}

static struct slice
reply_ref(struct msgindex *ix, struct slice text)
{
    struct map_node *found;
    struct reply *r;

    text.n = MIN(text.n, (size_t)REPLY_BYTES_MAX);
    if (text.n == 0) {
        return SLICE_NONE;
    }
    found = map_find(&ix->replies, text, reply_key);
    if (found != NULL) {
        r = CONTAINER_OF(found, struct reply, node);
        r->refs++;
        return reply_key(found);
    }
    r = malloc(sizeof(*r) + text.n);
    if (r == NULL) {
        return SLICE_NONE;
    }
    *r = (struct reply){ .refs = 1, .bytes = (uint32_t)text.n };
    memcpy(r->text, text.p, text.n);
    if (map_insert(&ix->replies, &r->node, reply_key) < 0) {
        free(r);
        return SLICE_NONE;
    }
    return reply_key(&r->node);
}

static void
reply_unref(struct msgindex *ix, struct slice *text)
{
    if (text->p != NULL) {
        struct reply *r = reply_of(*text);

        if (--r->refs == 0) {
            map_remove(&ix->replies, &r->node);
            free(r);
        }
        *text = SLICE_NONE;
    }
}

void
msgindex_renumber(struct msgindex *ix)
{
    ix->numbering++;
    ix->numbered = 0;
}

uint32_t
msgindex_reply_number(struct msgindex *ix, struct slice reply, bool *fresh)
{
    struct reply *r = reply_of(reply);

    *fresh = r->numbering != ix->numbering || r->number == 0;
    if (*fresh) {
        r->numbering = ix->numbering;
        r->number = ++ix->numbered;
    }
    return r->number;
}

struct slice
msgindex_reply_new(struct msgindex *ix, struct slice text)
{
    return reply_ref(ix, text);
}

struct slice
msgindex_reply_share(struct slice reply)
{
    reply_of(reply)->refs++;
    return reply;
}

void
msgindex_reply_drop(struct msgindex *ix, struct slice reply)
{
    reply_unref(ix, &reply);
}

/* ---- a message from its COMMIT record */

/* What a COMMIT payload needs in memory. */
static int
measure(struct slice payload, struct stored_room *m)
{
    struct commit_head head;
    struct commit_walk w;
    int rc = commit_walk_begin(&w, payload, &head);

    *m = (struct stored_room){ 0 };
    while (rc == 0 && (rc = commit_walk_next(&w)) > 0) {
        struct envelope_recipient r;

        rc = 0;
        if (w.tag == COMMIT_RECIPIENT) {
            rc = commit_recipient(w.bytes, &r);
            m->recipients++;
            m->strings += rc == 0 ? r.address.n + r.orcpt.n : 0;
        } else if (w.tag == COMMIT_CHUNKS) {
            rc = w.bytes.n % COMMIT_CHUNK_BYTES == 0 ? 0 : BH_EDAMAGED;
            m->chunks += (uint32_t)(w.bytes.n / COMMIT_CHUNK_BYTES);
        } else if (w.tag == COMMIT_SENDER || w.tag == COMMIT_ENVID || w.tag == COMMIT_CLIENT) {
            m->strings += w.bytes.n;
        } else if (w.tag == COMMIT_TRANSID) {
            rc = w.bytes.n > COMMIT_TRANSID_HEAD_BYTES ? 0 : BH_EDAMAGED;
            m->strings += rc == 0 ? w.bytes.n - COMMIT_TRANSID_HEAD_BYTES : 0;
        }
        if (m->recipients > ENVELOPE_RECIPIENTS_MAX) {
            rc = BH_EDAMAGED;
        }
        if (rc < 0) {
            return rc;
        }
    }
    return rc < 0 ? rc : m->recipients == 0 ? BH_EDAMAGED : 0;
}

struct fill { /* where the next bytes of each kind go */
    struct stored *s;
    char *strings;
    uint64_t content;
    uint32_t recipient, chunk;
};

static struct slice
keep(struct fill *f, struct slice s)
{
    char *at = f->strings;

    if (s.n == 0) {
        return SLICE_NONE;
    }
    memcpy(at, s.p, s.n);
    f->strings += s.n;
    return (struct slice){ at, s.n };
}

static void
fill_chunks(struct fill *f, struct slice bytes)
{
    const uint8_t *at = (const uint8_t *)bytes.p;

    for (size_t i = 0; i + COMMIT_CHUNK_BYTES <= bytes.n; i += COMMIT_CHUNK_BYTES) {
        f->s->chunk_lsn[f->chunk] = get_le64(at + i);
        f->s->chunk_bytes[f->chunk] = get_le32(at + i + 8);
        f->content += f->s->chunk_bytes[f->chunk];
        f->chunk++;
    }
}

static uint64_t
number(struct slice bytes)
{
    struct reader r = reader_of(bytes);

    return bytes.n == 1 ? read_u8(&r) : read_u64(&r);
}

static void
fill_field(struct fill *f, uint16_t tag, struct slice bytes)
{
    struct queue_message *m = &f->s->m;
    struct envelope_recipient r;

    switch (tag) {
    case COMMIT_SENDER:
        m->sender = keep(f, bytes);
        break;
    case COMMIT_ENVID:
        m->envid = keep(f, bytes);
        break;
    case COMMIT_CLIENT:
        m->client = keep(f, bytes);
        break;
    case COMMIT_TRANSID:
        m->transid_bytes = get_le64((const uint8_t *)bytes.p);
        m->transid = keep(f, slice_skip(bytes, COMMIT_TRANSID_HEAD_BYTES));
        break;
    case COMMIT_BODY:
        m->body = (uint8_t)number(bytes);
        break;
    case COMMIT_HOPS:
        m->hops = (uint8_t)number(bytes);
        break;
    case COMMIT_RECEIVED:
        m->received_wall_ms = number(bytes);
        break;
    case COMMIT_RECIPIENT:
        if (commit_recipient(bytes, &r) == 0) { /* measure() saw to it */
            m->recipients[f->recipient++] = (struct queue_recipient){
                .address = keep(f, r.address),
                .orcpt = keep(f, r.orcpt),
                .notify = r.notify,
            };
        }
        break;
    case COMMIT_CHUNKS:
        fill_chunks(f, bytes);
        break;
    }
}

struct stored *
stored_alloc(const struct stored_room *need, char **strings)
{
    size_t recipients = need->recipients * sizeof(struct queue_recipient);
    size_t lsns = need->chunks * sizeof(uint64_t), lengths = need->chunks * sizeof(uint32_t);
    struct stored *s = calloc(1, sizeof(*s) + recipients + lsns + lengths + need->strings);
    char *at = (char *)(s + 1);

    if (s == NULL) {
        return NULL;
    }
    s->m.recipients = (struct queue_recipient *)(void *)at;
    s->chunk_lsn = (uint64_t *)(void *)(at + recipients);
    s->chunk_bytes = (uint32_t *)(void *)(at + recipients + lsns);
    s->m.recipient_count = need->recipients;
    s->chunk_count = need->chunks;
    list_init(&s->in_segment);
    *strings = at + recipients + lsns + lengths;
    return s;
}

int
stored_new(struct stored **out, struct slice commit_payload, uint64_t commit_lsn)
{
    struct commit_head head;
    struct stored_room need;
    struct commit_walk w;
    struct stored *s;
    struct fill f = { 0 };
    int rc = measure(commit_payload, &need);

    if (rc < 0) {
        return rc;
    }
    s = f.s = stored_alloc(&need, &f.strings);
    if (s == NULL) {
        return -ENOMEM;
    }
    rc = commit_walk_begin(&w, commit_payload, &head);
    while (rc == 0 && commit_walk_next(&w) > 0) {
        fill_field(&f, w.tag, w.bytes);
    }
    if (rc == 0 && f.content != head.size_bytes) {
        rc = BH_EDAMAGED;
    }
    if (rc < 0) {
        free(s);
        return rc;
    }
    s->m.id = head.id;
    s->m.size_bytes = head.size_bytes;
    s->m.live_count = need.recipients;
    s->commit_lsn = commit_lsn;
    *out = s;
    return 0;
}

uint64_t
stored_commit_bytes(const struct stored *s)
{
    const uint64_t fixed = RECORD_HEADER_BYTES + COMMIT_HEAD_BYTES + 64, each = 12;
    uint64_t bytes = fixed + s->m.sender.n + s->m.envid.n + s->m.client.n;

    for (uint32_t i = 0; i < s->m.recipient_count; i++) {
        bytes += each + s->m.recipients[i].address.n + s->m.recipients[i].orcpt.n;
    }
    return bytes + (uint64_t)COMMIT_CHUNK_BYTES * s->chunk_count;
}

void
stored_free(struct msgindex *ix, struct stored *s)
{
    if (s == NULL) {
        return;
    }
    for (uint32_t i = 0; i < s->m.recipient_count; i++) {
        reply_unref(ix, &s->m.recipients[i].last_reply);
    }
    list_remove(&s->in_segment);
    free(s);
}

/* ---- the sorted array */

void
msgindex_init(struct msgindex *ix)
{
    *ix = (struct msgindex){ 0 };
    map_init(&ix->replies);
    state_init(&ix->state);
}

void
msgindex_fini(struct msgindex *ix)
{
    for (size_t i = 0; i < ix->used; i++) {
        stored_free(ix, ix->entries[i].s);
    }
    free(ix->entries);
    map_fini(&ix->replies);
    state_fini(&ix->state);
    msgindex_init(ix);
}

static void
compact(struct msgindex *ix)
{
    size_t to = 0;

    for (size_t i = 0; i < ix->used; i++) {
        if (ix->entries[i].s != NULL) {
            ix->entries[to++] = ix->entries[i];
        }
    }
    ix->used = to;
    ix->dead = 0;
    ix->first = 0;
}

int
msgindex_reserve(struct msgindex *ix, size_t more)
{
    size_t wanted = MAX(ix->capacity, (size_t)256);
    struct msgindex_entry *grown;

    if (ix->capacity - ix->used >= more) {
        return 0;
    }
    if (ix->dead > ix->used / 2) {
        compact(ix);
    }
    while (wanted - ix->used < more) {
        wanted *= 2;
    }
    if (wanted == ix->capacity) {
        return 0;
    }
    grown = realloc(ix->entries, wanted * sizeof(*grown));
    if (grown == NULL) {
        return -ENOMEM;
    }
    ix->entries = grown;
    ix->capacity = wanted;
    return 0;
}

/* The first entry whose id is not below. */
static size_t
lower_bound(const struct msgindex *ix, uint64_t id)
{
    size_t low = ix->first, high = ix->used;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ix->entries[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static uint64_t
doubts(const struct stored *s)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < s->m.recipient_count; i++) {
        n += s->m.recipients[i].state == RECIPIENT_QUEUED && s->m.recipients[i].in_doubt;
    }
    return n;
}

static uint64_t
attempts(const struct stored *s)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < s->m.recipient_count; i++) {
        n += s->m.recipients[i].attempt != ATTEMPT_NONE;
    }
    return n;
}

/* A part is no message yet. */
static bool
counts(const struct stored *s)
{
    return s->m.body != ENVELOPE_PART;
}

static void
count_in(struct msgindex *ix, const struct stored *s)
{
    if (!counts(s)) {
        return;
    }
    ix->messages++;
    ix->recipients += s->m.live_count;
    ix->held += s->m.held != HOLD_NO;
    ix->in_doubt += doubts(s);
    ix->attempts += attempts(s);
    ix->bytes += s->m.size_bytes;
}

static void
count_out(struct msgindex *ix, const struct stored *s)
{
    if (!counts(s)) {
        return;
    }
    ix->messages--;
    ix->recipients -= s->m.live_count;
    ix->held -= s->m.held != HOLD_NO;
    ix->in_doubt -= doubts(s);
    ix->attempts -= attempts(s);
    ix->bytes -= s->m.size_bytes;
}

int
msgindex_add(struct msgindex *ix, struct stored *s)
{
    size_t at;
    int rc = msgindex_reserve(ix, 1);

    if (rc < 0) {
        return rc;
    }
    at = lower_bound(ix, s->m.id);
    if (at < ix->used && ix->entries[at].id == s->m.id) {
        if (ix->entries[at].s != NULL) {
            return -EEXIST;
        }
        ix->entries[at].s = s;
        ix->dead--;
    } else if (at == ix->first && at > 0) {
        ix->entries[--ix->first] = (struct msgindex_entry){ s->m.id, s };
        ix->dead--;
    } else {
        /* nearly always at the end: ids are given out in order, and only a long transfer commits
         * after younger ones */
        memmove(ix->entries + at + 1, ix->entries + at, (ix->used - at) * sizeof(*ix->entries));
        ix->entries[at] = (struct msgindex_entry){ s->m.id, s };
        ix->used++;
    }
    count_in(ix, s);
    return 0;
}

void
msgindex_remove(struct msgindex *ix, struct stored *s)
{
    size_t at = lower_bound(ix, s->m.id);

    CHECK(at < ix->used && ix->entries[at].s == s);
    count_out(ix, s);
    ix->entries[at].s = NULL;
    ix->dead++;
    while (ix->first < ix->used && ix->entries[ix->first].s == NULL) {
        ix->first++;
    }
    if (ix->dead > COMPACT_MIN && ix->dead > ix->used / 2) {
        compact(ix);
    }
}

struct stored *
msgindex_find(const struct msgindex *ix, uint64_t id)
{
    size_t at = lower_bound(ix, id);

    return at < ix->used && ix->entries[at].id == id ? ix->entries[at].s : NULL;
}

struct stored *
msgindex_after(const struct msgindex *ix, uint64_t id)
{
    size_t at = ix->hint; /* a walk goes on where it was */

    if (at < ix->used && ix->entries[at].id == id) {
        at++;
    } else {
        at = id == UINT64_MAX ? ix->used : lower_bound(ix, id + 1);
    }
    while (at < ix->used && ix->entries[at].s == NULL) {
        at++;
    }
    ((struct msgindex *)(uintptr_t)ix)->hint = at; /* one thread; no part of what the index says */
    return at < ix->used ? ix->entries[at].s : NULL;
}

int
msgindex_join(struct msgindex *ix, struct msgindex *older, size_t room)
{
    int rc = msgindex_reserve(older, ix->used - ix->first + room);

    CHECK(ix->replies.count == 0 && ix->state.count == 0);
    for (size_t i = ix->first; rc == 0 && i < ix->used; i++) {
        rc = msgindex_find(older, ix->entries[i].id) != NULL ? BH_EDAMAGED : 0;
    }
    if (rc < 0) {
        return rc;
    }
    for (size_t i = ix->first; i < ix->used; i++) {
        if (ix->entries[i].s != NULL) {
            CHECK(msgindex_add(older, ix->entries[i].s) == 0); /* room was made */
        }
    }
    free(ix->entries);
    map_fini(&ix->replies);
    *ix = *older;
    list_init(&ix->state.entries);
    list_splice_back(&ix->state.entries, &older->state.entries);
    msgindex_init(older);
    return 0;
}

/* ---- changes */

static const uint8_t state_of[] = {
    [OUTCOME_DELIVERED] = RECIPIENT_DELIVERED,
    [OUTCOME_DEFERRED] = RECIPIENT_QUEUED,
    [OUTCOME_FAILED] = RECIPIENT_FAILED,
    [OUTCOME_EXPANDED] = RECIPIENT_EXPANDED,
    [OUTCOME_REMOVED] = RECIPIENT_REMOVED,
};

bool
msgindex_outcome_valid(const struct stored *s, const struct outcome_entry *e)
{
    return e->recipient < s->m.recipient_count && e->kind < ARRAY_LEN(state_of);
}

int
msgindex_outcome(struct msgindex *ix, struct stored *s, const struct outcome_entry *e)
{
    struct queue_recipient *r;
    struct slice old;
    bool was_live, is_live;

    if (!msgindex_outcome_valid(s, e)) {
        return BH_EDAMAGED;
    }
    r = &s->m.recipients[e->recipient];
    was_live = r->state == RECIPIENT_QUEUED;
    is_live = state_of[e->kind] == RECIPIENT_QUEUED;
    /* unsigned wrap-around makes these right in both directions */
    s->m.live_count += (uint32_t)is_live - (uint32_t)was_live;
    ix->recipients += counts(s) ? (uint64_t)is_live - (uint64_t)was_live : 0;
    ix->in_doubt += (uint64_t)(is_live && e->in_doubt) - (uint64_t)(was_live && r->in_doubt);
    ix->attempts -= r->attempt != ATTEMPT_NONE;
    r->attempt = ATTEMPT_NONE;
    s->m.crashes = 0;
    r->state = state_of[e->kind];
    r->in_doubt = e->in_doubt;
    r->transaction = e->in_doubt ? e->transaction : 0;
    r->attempts = e->attempts;
    r->next_wall_ms = e->next_wall_ms;
    old = r->last_reply;
    r->last_reply = reply_ref(ix, e->reply);
    reply_unref(ix, &old);
    return r->last_reply.n == 0 && e->reply.n > 0 ? -ENOMEM : 0;
}

void
msgindex_mark(struct msgindex *ix, struct stored *s, const struct mark *mark)
{
    uint32_t i;

    switch (mark->what) {
    case MARK_HELD:
        ix->held +=
            counts(s) ? (uint64_t)(mark->value != HOLD_NO) - (uint64_t)(s->m.held != HOLD_NO) : 0;
        s->m.held = (uint8_t)(mark->value > HOLD_POISON ? HOLD_OPERATOR : mark->value);
        break;
    case MARK_CRASHES:
        s->m.crashes = (uint8_t)MIN(mark->value, (uint64_t)UINT8_MAX);
        break;
    case MARK_NEXT:
        for (i = 0; i < s->m.recipient_count; i++) {
            if (s->m.recipients[i].state == RECIPIENT_QUEUED) {
                s->m.recipients[i].next_wall_ms = mark->value;
            }
        }
        break;
    case MARK_WARNED:
        for (i = 0; i < s->m.recipient_count; i++) {
            s->m.recipients[i].warned = true;
        }
        break;
    default: /* of a later release */
        break;
    }
}

int
msgindex_attempt(
    struct msgindex *ix, struct stored *s, uint32_t recipient, uint8_t kind, uint64_t transaction)
{
    struct queue_recipient *r;

    if (recipient >= s->m.recipient_count) {
        return BH_EDAMAGED;
    }
    r = &s->m.recipients[recipient];
    if (r->state == RECIPIENT_QUEUED && kind <= ATTEMPT_READING) {
        ix->attempts += (uint64_t)(kind != ATTEMPT_NONE) - (uint64_t)(r->attempt != ATTEMPT_NONE);
        r->attempt = kind;
        if (kind == ATTEMPT_TRANSFER) {
            r->transaction = transaction;
        } else if (!r->in_doubt) {
            r->transaction = 0;
        }
    }
    return 0;
}
