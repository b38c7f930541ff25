#include "queue/state.h"
#include "core/buf.h"
#include "queue/record.h"
#include <stdlib.h>

void
state_init(struct state *st)
{
    list_init(&st->entries);
    map_init(&st->by_key);
    st->count = 0;
}

void
state_fini(struct state *st)
{
    for (struct list *it = list_pop_front(&st->entries); it != NULL;
         it = list_pop_front(&st->entries)) {
        free(CONTAINER_OF(it, struct state_entry, link));
    }
    map_fini(&st->by_key);
    st->count = 0;
}

static struct slice
key_of(const struct map_node *n)
{
    return state_key(CONTAINER_OF(n, const struct state_entry, node));
}

bool
state_is_transid(struct slice key)
{
    return slice_starts(key, SLICE_LIT(STATE_TRANSID));
}

struct state_entry *
state_find(const struct state *st, struct slice key)
{
    struct map_node *n = map_find(&st->by_key, key, key_of);

    return n != NULL ? CONTAINER_OF(n, struct state_entry, node) : NULL;
}

uint64_t
state_payload_bytes(struct slice key, struct slice value)
{
    return STATE_HEAD_BYTES + (uint64_t)key.n + value.n;
}

void
state_put(uint8_t *at, struct slice key, struct slice value)
{
    CHECK(key.n <= STATE_KEY_BYTES_MAX && value.n <= STATE_VALUE_BYTES_MAX);
    put_le16(at, (uint16_t)key.n);
    put_le16(at + 2, (uint16_t)value.n);
    memcpy(at + STATE_HEAD_BYTES, key.p, key.n);
    if (value.n > 0) {
        memcpy(at + STATE_HEAD_BYTES + key.n, value.p, value.n);
    }
}

int
state_get(struct slice payload, struct slice *key, struct slice *value)
{
    struct reader r = reader_of(payload);
    uint16_t key_bytes = read_u16(&r), value_bytes = read_u16(&r);

    if (r.bad || key_bytes == 0 || key_bytes > STATE_KEY_BYTES_MAX ||
        value_bytes > STATE_VALUE_BYTES_MAX || (size_t)key_bytes + value_bytes > r.rest.n) {
        return BH_EDAMAGED;
    }
    *key = slice_sub(r.rest, 0, key_bytes);
    *value = slice_sub(r.rest, key_bytes, value_bytes);
    return 0;
}

static void
hold(struct segment *s)
{
    s->live++;
    s->state++;
}

void
state_let_go(struct segment *before)
{
    if (before != NULL) {
        CHECK(before->live > 0 && before->state > 0);
        before->live--;
        before->state--;
    }
}

static struct state_entry *
entry_new(struct slice key, struct slice value, uint64_t lsn)
{
    struct state_entry *e = malloc(sizeof(*e) + key.n + value.n);

    if (e != NULL) {
        e->lsn = lsn;
        e->key_bytes = (uint16_t)key.n;
        e->value_bytes = (uint16_t)value.n;
        memcpy(e->text, key.p, key.n);
        if (value.n > 0) {
            memcpy(e->text + key.n, value.p, value.n);
        }
    }
    return e;
}

static void
forget(struct state *st, struct state_entry *e)
{
    list_remove(&e->link);
    map_remove(&st->by_key, &e->node);
    free(e);
    st->count--;
}

int
state_apply(struct state *st, struct segtab *t, uint64_t segment_bytes, struct segment *in,
    uint64_t lsn, struct slice key, struct slice value, struct segment **before)
{
    struct state_entry *old = state_find(st, key), *e;

    if (old == NULL && st->count == STATE_KEYS_MAX) {
        return BH_ETOOBIG;
    }
    e = entry_new(key, value, lsn);
    if (e == NULL) {
        return -ENOMEM;
    }
    if (old == NULL && map_insert(&st->by_key, &e->node, key_of) < 0) {
        free(e);
        return -ENOMEM;
    }
    *before = NULL;
    if (old != NULL) {
        *before = segtab_find(t, old->lsn / segment_bytes);
        forget(st, old);
        CHECK(map_insert(&st->by_key, &e->node, key_of) == 0); /* takes its place */
    }
    list_push_back(&st->entries, &e->link);
    st->count++;
    hold(in);
    return 0;
}

void
state_drop(struct state *st, struct segtab *t, uint64_t segment_bytes, struct state_entry *e)
{
    state_let_go(segtab_find(t, e->lsn / segment_bytes));
    forget(st, e);
}

void
state_forget_unset(struct state *st, struct segtab *t, uint64_t segment_bytes)
{
    const struct segment *oldest;

    if (list_empty(&t->order)) {
        return;
    }
    oldest = CONTAINER_OF(t->order.next, struct segment, link);
    LIST_FOR_SAFE(it, tmp, &st->entries)
    {
        struct state_entry *e = CONTAINER_OF(it, struct state_entry, link);

        if (e->value_bytes == 0 && e->lsn / segment_bytes == oldest->seq) {
            state_drop(st, t, segment_bytes, e);
        }
    }
}

void
state_clear(struct state *st, struct segtab *t, uint64_t segment_bytes)
{
    while (!list_empty(&st->entries)) {
        state_drop(st, t, segment_bytes, CONTAINER_OF(st->entries.next, struct state_entry, link));
    }
}
