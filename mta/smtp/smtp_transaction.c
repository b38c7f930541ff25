/* smtp_transaction.c - addresses live in pieces of memory that never move, so that slices into them
 * stay good while recipients are added. */
#include "smtp/smtp_transaction.h"
#include "core/map.h"

#include <stdio.h>
#include <stdlib.h>

#define INDEX_FROM_COUNT   8  /* fewer recipients are compared one by one */
#define KEPT_RECIPIENT_MAX 64 /* a pooled transaction keeps room for so many */

void
smtp_transaction_pool_init(struct smtp_transaction_pool *p)
{
    list_init(&p->unused);
    p->unused_count = p->used_count = 0;
}

static void
transaction_free(struct smtp_transaction *t)
{
    free(t->recipients);
    free(t->index);
    free(t);
}

void
smtp_transaction_pool_fini(struct smtp_transaction_pool *p)
{
    CHECK(p->used_count == 0);
    LIST_FOR_SAFE(link, tmp, &p->unused)
    {
        transaction_free(CONTAINER_OF(link, struct smtp_transaction, link));
    }
    smtp_transaction_pool_init(p);
}

struct smtp_transaction *
smtp_transaction_get(struct smtp_transaction_pool *p)
{
    struct list *link = list_pop_front(&p->unused);
    struct smtp_transaction *t;

    if (link != NULL) {
        t = CONTAINER_OF(link, struct smtp_transaction, link);
        p->unused_count--;
    } else {
        t = malloc(sizeof(*t)); /* not zeroed: it is mostly room */
        if (t == NULL) {
            return NULL;
        }
        list_init(&t->link);
        t->recipients = NULL;
        t->recipient_capacity = 0;
        t->index = NULL;
        t->text.next = NULL;
    }
    p->used_count++;
    t->sender = SLICE_NONE;
    t->body = ENVELOPE_BODY_7BIT;
    t->size_bytes = t->said_bytes = 0;
    t->transid = SLICE_NONE;
    t->known = false;
    smtp_data_init(&t->data);
    header_scan_init(&t->header);
    t->recipient_count = 0;
    t->index_mask = 0;
    t->last = &t->text;
    t->text.used = 0;
    return t;
}

void
smtp_transaction_put(struct smtp_transaction_pool *p, struct smtp_transaction *t)
{
    struct smtp_transaction_text *text = t->text.next;

    p->used_count--;
    while (text != NULL) {
        struct smtp_transaction_text *next = text->next;

        free(text);
        text = next;
    }
    t->text.next = NULL;
    free(t->index);
    t->index = NULL;
    if (t->recipient_capacity > KEPT_RECIPIENT_MAX) {
        free(t->recipients);
        t->recipients = NULL;
        t->recipient_capacity = 0;
    }
    if (p->unused_count >= SMTP_TRANSACTION_KEPT_MAX) {
        transaction_free(t);
        return;
    }
    list_push_front(&p->unused, &t->link);
    p->unused_count++;
}

/* A copy of s that lives as long as the transaction. */
static int
copy(struct smtp_transaction *t, struct slice s, struct slice *out)
{
    struct smtp_transaction_text *text = t->last;

    if (s.n > sizeof(text->bytes)) {
        return BH_ETOOBIG; /* no line is that long */
    }
    if (s.n > sizeof(text->bytes) - text->used) {
        text = malloc(sizeof(*text));
        if (text == NULL) {
            return -ENOMEM;
        }
        text->next = NULL;
        text->used = 0;
        t->last->next = text;
        t->last = text;
    }
    if (s.n > 0) {
        memcpy(text->bytes + text->used, s.p, s.n);
    }
    *out = (struct slice){ text->bytes + text->used, s.n };
    text->used += s.n;
    return 0;
}

int
smtp_transaction_set_transid(struct smtp_transaction *t, const struct netaddr *client,
    struct slice helo, struct slice transid)
{
    char address[NETADDR_TEXT_CAP], name[600];
    int n;

    netaddr_text(client, address);
    n = snprintf(name, sizeof(name), "%s %.*s %.*s", address, SLICE_FMT(helo), SLICE_FMT(transid));
    return n < 0 || (size_t)n >= sizeof(name)
               ? BH_ETOOBIG
               : copy(t, (struct slice){ name, (size_t)n }, &t->transid);
}

int
smtp_transaction_set_sender(struct smtp_transaction *t, struct slice sender)
{
    return copy(t, sender, &t->sender);
}

/* ---- duplicates */

static void
split(struct slice address, struct slice *local, struct slice *domain)
{
    size_t at = slice_rfind(address, '@');

    *local = slice_sub(address, 0, at);
    *domain = slice_skip(address, at);
}

static bool
same_address(struct slice a, struct slice b)
{
    struct slice local_a, local_b, domain_a, domain_b;

    if (a.n != b.n) {
        return false;
    }
    split(a, &local_a, &domain_a);
    split(b, &local_b, &domain_b);
    return slice_eq(local_a, local_b) && slice_ieq(domain_a, domain_b);
}

/* hash_bytes is seeded: a peer cannot choose collisions. */
static uint32_t
hash_of(struct slice address)
{
    struct slice local, domain;
    char lower[255];

    split(address, &local, &domain);
    domain = slice_sub(domain, 0, sizeof(lower));
    for (size_t i = 0; i < domain.n; i++) {
        lower[i] = domain.p[i];
        if (lower[i] >= 'A' && lower[i] <= 'Z') {
            lower[i] = (char)(lower[i] | 0x20);
        }
    }
    return (uint32_t)(hash_bytes(local) * 31 + hash_bytes((struct slice){ lower, domain.n }));
}

/* The slot of address in the index: its own, or the free one where it belongs. */
static uint32_t
slot_of(const struct smtp_transaction *t, struct slice address)
{
    uint32_t slot = hash_of(address) & t->index_mask;

    while (
        t->index[slot] != 0 && !same_address(t->recipients[t->index[slot] - 1].address, address)) {
        slot = (slot + 1) & t->index_mask;
    }
    return slot;
}

static int
rebuild_index(struct smtp_transaction *t, uint32_t slots)
{
    uint32_t *index = calloc(slots, sizeof(*index));

    if (index == NULL) {
        return -ENOMEM;
    }
    free(t->index);
    t->index = index;
    t->index_mask = slots - 1;
    for (uint32_t i = 0; i < t->recipient_count; i++) {
        t->index[slot_of(t, t->recipients[i].address)] = i + 1;
    }
    return 0;
}

static bool
is_there(const struct smtp_transaction *t, struct slice address)
{
    if (t->index != NULL) {
        return t->index[slot_of(t, address)] != 0;
    }
    for (uint32_t i = 0; i < t->recipient_count; i++) {
        if (same_address(t->recipients[i].address, address)) {
            return true;
        }
    }
    return false;
}

/* Room for one more, in the array and, from some count on, at most half full, in the index. */
static int
make_room(struct smtp_transaction *t)
{
    if (t->recipient_count == t->recipient_capacity) {
        uint32_t capacity = t->recipient_capacity == 0 ? 4 : t->recipient_capacity * 2;
        void *grown = realloc(t->recipients, capacity * sizeof(*t->recipients));

        if (grown == NULL) {
            return -ENOMEM;
        }
        t->recipients = grown;
        t->recipient_capacity = capacity;
    }
    if (t->recipient_count + 1 < INDEX_FROM_COUNT ||
        (t->index != NULL && (t->recipient_count + 1) * 2 <= t->index_mask)) {
        return 0;
    }
    return rebuild_index(t, t->index == NULL ? 64 : (t->index_mask + 1) * 2);
}

int
smtp_transaction_add(struct smtp_transaction *t, const struct envelope_recipient *r)
{
    struct envelope_recipient kept = *r;
    int rc;

    if (is_there(t, r->address)) {
        return 1;
    }
    rc = make_room(t);
    if (rc == 0) {
        rc = copy(t, r->address, &kept.address);
    }
    if (rc == 0) {
        rc = copy(t, r->orcpt, &kept.orcpt);
    }
    if (rc < 0) {
        return rc;
    }
    if (t->index != NULL) {
        t->index[slot_of(t, kept.address)] = t->recipient_count + 1;
    }
    t->recipients[t->recipient_count++] = kept;
    return 0;
}
