#include "queue/transid.h"
#include "core/buf.h"
#include "core/crc32c.h"
#include "queue/record.h"
#include <stdlib.h>

#define VALUE_HEAD_BYTES 32
#define TURNS_MAX        (UINT64_MAX / 2) /* as a store can have seen */

struct slice
transid_name(const struct transid *e)
{
    return (struct slice){ (const char *)(e->recipients + e->count), e->name_bytes };
}

static struct slice
key_of(const struct map_node *n)
{
    return transid_name(CONTAINER_OF(n, const struct transid, node));
}

void
transids_init(struct transids *t)
{
    *t = (struct transids){ .slots_max = 0 };
    map_init(&t->by_name);
    list_init(&t->kept);
}

void
transids_fini(struct transids *t)
{
    for (struct map_node *n = map_first(&t->by_name), *next; n != NULL; n = next) {
        next = map_next(&t->by_name, n);
        free(CONTAINER_OF(n, struct transid, node));
    }
    map_fini(&t->by_name);
    free(t->slots);
    free(t->free);
    transids_init(t);
}

void
transids_move(struct transids *t, struct transids *from)
{
    CHECK(t->by_name.count == 0 && t->slots == NULL);
    map_fini(&t->by_name);
    *t = *from;
    list_init(&t->kept);
    list_splice_back(&t->kept, &from->kept);
    transids_init(from);
}

int
transids_set_slots(struct transids *t, uint32_t slots_max)
{
    CHECK(t->slots == NULL && slots_max > 0);
    t->slots = calloc(slots_max, sizeof(struct transid *));
    t->free = calloc(slots_max, sizeof(uint32_t));
    if (t->slots == NULL || t->free == NULL) {
        return -ENOMEM; /* transids_fini frees what there is */
    }
    t->slots_max = slots_max;
    return 0;
}

static int
by_turn(const void *a, const void *b)
{
    const struct transid *const *x = a, *const *y = b;

    return (*x)->turn < (*y)->turn ? -1 : (*x)->turn > (*y)->turn;
}

int
transids_begin(struct transids *t)
{
    struct transid **order = calloc(t->slots_max, sizeof(struct transid *));
    uint32_t n = 0;

    if (order == NULL) {
        return -ENOMEM;
    }
    t->free_count = 0;
    for (uint32_t slot = t->slots_max; slot-- > 0;) {
        if (t->slots[slot] == NULL) {
            t->free[t->free_count++] = slot;
        } else {
            order[n++] = t->slots[slot];
        }
    }
    qsort(order, n, sizeof(struct transid *), by_turn);
    for (uint32_t i = 0; i < n; i++) {
        list_remove(&order[i]->link);
        list_push_back(&t->kept, &order[i]->link);
    }
    free(order);
    return 0;
}

struct transid *
transids_find(const struct transids *t, struct slice name)
{
    struct map_node *n = map_find(&t->by_name, name, key_of);

    return n != NULL ? CONTAINER_OF(n, struct transid, node) : NULL;
}

int
transids_add(struct transids *t, struct slice name, uint64_t id, uint64_t size_bytes,
    uint32_t recipient_count, struct transid **out)
{
    size_t recipients = recipient_count * sizeof(uint32_t);
    struct transid *e;
    int rc;

    if (name.n == 0 || name.n > TRANSID_NAME_BYTES_MAX) {
        return BH_ETOOBIG;
    }
    e = calloc(1, sizeof(*e) + recipients + name.n);
    if (e == NULL) {
        return -ENOMEM;
    }
    list_init(&e->link);
    e->slot = TRANSID_NO_SLOT;
    e->id = id;
    e->size_bytes = size_bytes;
    e->count = recipient_count;
    e->name_bytes = (uint16_t)name.n;
    memcpy(e->recipients + recipient_count, name.p, name.n);
    rc = map_insert(&t->by_name, &e->node, key_of);
    if (rc < 0) {
        free(e);
        return rc;
    }
    *out = e;
    return 0;
}

/* A sum is enough: what is asked for is one of the few of the same transaction. */
static uint32_t
sum_of(struct slice address)
{
    size_t at = slice_rfind(address, '@');
    uint32_t sum = crc32c(0, (const uint8_t *)address.p, MIN(at, address.n));

    for (size_t i = at; i < address.n; i++) {
        uint8_t c = (uint8_t)address.p[i];

        c = c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
        sum = crc32c(sum, &c, 1);
    }
    return sum;
}

void
transids_set_recipient(struct transid *e, uint32_t i, struct slice address)
{
    CHECK(i < e->count);
    e->recipients[i] = sum_of(address);
}

bool
transid_has(const struct transid *e, struct slice address)
{
    uint32_t sum = sum_of(address);

    for (uint32_t i = 0; i < e->count; i++) {
        if (e->recipients[i] == sum) {
            return true;
        }
    }
    return false;
}

static void
give_back(struct transids *t, struct transid *e)
{
    if (e->slot != TRANSID_NO_SLOT) {
        t->slots[e->slot] = NULL;
        if (t->free_count < t->slots_max) { /* while they are read it is not in use */
            t->free[t->free_count++] = e->slot;
        }
        e->slot = TRANSID_NO_SLOT;
        list_remove(&e->link);
    }
}

void
transids_drop(struct transids *t, struct transid *e)
{
    give_back(t, e);
    map_remove(&t->by_name, &e->node);
    free(e);
}

static void
take(struct transids *t, struct transid *e, uint32_t slot, uint64_t turn)
{
    t->slots[slot] = e;
    e->slot = slot;
    e->turn = turn;
    list_push_back(&t->kept, &e->link);
    t->turn = MAX(t->turn, turn);
}

static struct transid *
oldest(const struct transids *t)
{
    return CONTAINER_OF(t->kept.next, struct transid, link);
}

uint32_t
transids_next_slot(const struct transids *t)
{
    return t->free_count > 0 ? t->free[t->free_count - 1] : oldest(t)->slot;
}

void
transids_keep(struct transids *t, struct transid *e)
{
    uint32_t slot = transids_next_slot(t);
    struct transid *was = t->slots[slot];

    if (was != NULL && was != e && !was->live) {
        transids_drop(t, was);
    } else if (was != NULL) {
        give_back(t, was); /* its message says the name, as long as it is there */
    }
    t->free_count--; /* slot is the last of the free ones in any case */
    give_back(t, e); /* of before a crash */
    take(t, e, slot, t->turn + 1);
}

void
transids_settle(struct transids *t, struct transid *e)
{
    e->settled = true;
    give_back(t, e);
    if (!e->live) {
        transids_drop(t, e);
    }
}

size_t
transid_encode(const struct transid *e, uint64_t turn, uint8_t out[TRANSID_VALUE_BYTES_MAX])
{
    size_t n = VALUE_HEAD_BYTES + (size_t)e->name_bytes + (size_t)e->count * 4;
    uint8_t *at = out + VALUE_HEAD_BYTES + e->name_bytes;

    if (n > TRANSID_VALUE_BYTES_MAX) {
        return 0;
    }
    put_le64(out, e->id);
    put_le64(out + 8, e->size_bytes);
    put_le64(out + 16, turn);
    put_le32(out + 24, e->count);
    put_le16(out + 28, e->name_bytes);
    put_le16(out + 30, 0);
    memcpy(out + VALUE_HEAD_BYTES, transid_name(e).p, e->name_bytes);
    for (uint32_t i = 0; i < e->count; i++, at += 4) {
        put_le32(at, e->recipients[i]);
    }
    return n;
}

int
transids_decode(struct transids *t, uint32_t slot, struct slice value)
{
    struct reader r = reader_of(value);
    uint64_t id = read_u64(&r), size_bytes = read_u64(&r), turn = read_u64(&r);
    uint32_t count = read_u32(&r);
    uint16_t name_bytes = read_u16(&r);
    struct transid *e;
    struct slice name;
    int rc;

    (void)read_u16(&r);
    name = read_bytes(&r, name_bytes);
    if (r.bad || slot >= t->slots_max || turn == 0 || turn > TURNS_MAX || t->slots[slot] != NULL ||
        count > r.rest.n / 4) {
        return BH_EDAMAGED;
    }
    e = transids_find(t, name);
    if (e != NULL && e->turn > turn) {
        t->turn = MAX(t->turn, turn);
        return 0; /* it left, came back with a crash, and left again */
    }
    if (e != NULL) {
        transids_drop(t, e);
    }
    rc = transids_add(t, name, id, size_bytes, count, &e);
    if (rc < 0) {
        return rc;
    }
    e->phase = TRANSID_DONE;
    for (uint32_t i = 0; i < count; i++) {
        e->recipients[i] = read_u32(&r);
    }
    take(t, e, slot, turn);
    return 0;
}
