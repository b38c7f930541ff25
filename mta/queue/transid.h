/* queue/transid.h - the transactions of RFC 1845 that completed here, so that a client who did not
 * hear so need not send again: docs/formats/journal.md section 6f. Pure.
 *
 * Memory    one entry for each message in the queue that came with a TRANSID, and the last
 *           slots_max of those that left it: the slots go round.
 */
#ifndef QUEUE_TRANSID_H
#define QUEUE_TRANSID_H

#include "core/map.h"
#include "mail/envelope.h"

#define TRANSID_NAME_BYTES_MAX  392 /* an address, a HELO name, 80 of RFC 1845, two blanks */
#define TRANSID_VALUE_BYTES_MAX 1024

enum transid_phase {
    TRANSID_PENDING, /* its COMMIT is not durable yet */
    TRANSID_DONE     /* acknowledged, or could have been */
};
struct transid {
    struct map_node node;
    uint64_t id; /* the message */
    uint64_t size_bytes;
    uint64_t turn; /* 1 …: it is remembered in slot turn % slots_max; 0: it has none */
    uint8_t phase;
    bool live; /* the message is there */
    bool said; /* it leaves, and this owner has written its slot */
    uint16_t name_bytes;
    uint32_t count;
    uint32_t recipients[]; /* a sum of each address; then the name */
};

struct transids {
    struct map by_name;
    struct transid **slots;
    uint32_t slots_max;
    uint64_t turn; /* the last one */
};
void transids_init(struct transids *t);
void transids_fini(struct transids *t);
/* Once, before any is given a slot. */
int transids_set_slots(struct transids *t, uint32_t slots_max) MUST_USE;

struct slice transid_name(const struct transid *e);
struct transid *transids_find(const struct transids *t, struct slice name);
/* Pending. -ENOMEM; -EEXIST; BH_ETOOBIG. */
int transids_add(struct transids *t, struct slice name, uint64_t id, uint64_t size_bytes,
    uint32_t recipient_count, struct transid **out) MUST_USE;
void transids_set_recipient(struct transid *e, uint32_t i, struct slice address);
void transids_drop(struct transids *t, struct transid *e);
/* The same local part, the domain in any case. */
bool transid_has(const struct transid *e, struct slice address);

/* The slot of the next turn is e's from now on. Whose it was is dropped, if its message is gone. */
void transids_keep(struct transids *t, struct transid *e);
static inline uint32_t
transids_next_slot(const struct transids *t)
{
    return (uint32_t)((t->turn + 1) % t->slots_max);
}

/* As it is written for a turn; 0: too long. */
size_t transid_encode(const struct transid *e, uint64_t turn, uint8_t out[TRANSID_VALUE_BYTES_MAX]);
/* From slot's value: DONE and kept. BH_EDAMAGED; -ENOMEM. */
int transids_decode(struct transids *t, uint32_t slot, struct slice value) MUST_USE;

#endif
