/* queue/transid.h - the transactions of RFC 1845 that completed here, so that a client who did not
 * hear so need not send again: docs/formats/journal.md section 6f. Pure.
 *
 * Memory    one entry for each message in the queue that came with a TRANSID, and the last
 *           slots_max of those that left it while their client may still be in doubt.
 */
#ifndef QUEUE_TRANSID_H
#define QUEUE_TRANSID_H

#include "core/list.h"
#include "core/map.h"
#include "mail/envelope.h"

#define TRANSID_NAME_BYTES_MAX  392 /* an address, a HELO name, 80 of RFC 1845, two blanks */
#define TRANSID_VALUE_BYTES_MAX 1024
#define TRANSID_NO_SLOT         UINT32_MAX

enum transid_phase {
    TRANSID_PENDING, /* its COMMIT is not durable yet */
    TRANSID_DONE     /* acknowledged, or could have been */
};
struct transid {
    struct map_node node;
    uint64_t id; /* the message */
    uint64_t size_bytes;
    struct list link; /* of those that have a slot, by turn */
    uint64_t turn;    /* of all that got a slot: 1 … */
    uint32_t slot;    /* where it is remembered when the message is gone; or TRANSID_NO_SLOT */
    uint8_t phase;
    bool live;    /* the message is there */
    bool said;    /* it leaves, and this owner has written its slot */
    bool settled; /* its client knows, durably */
    uint16_t name_bytes;
    uint32_t count;
    uint32_t recipients[]; /* a sum of each address; then the name */
};

struct transids {
    struct map by_name;
    struct list kept; /* in slots, the oldest first */
    struct transid **slots;
    uint32_t *free; /* numbers of slots */
    uint32_t slots_max, free_count;
    uint64_t turn; /* the last one */
};
void transids_init(struct transids *t);
void transids_fini(struct transids *t);
/* What is in from comes to the empty t, and from is empty. */
void transids_move(struct transids *t, struct transids *from);
/* Once, before any is read; and once behind them, before any is given a slot. -ENOMEM */
int transids_set_slots(struct transids *t, uint32_t slots_max) MUST_USE;
int transids_begin(struct transids *t) MUST_USE;

struct slice transid_name(const struct transid *e);
struct transid *transids_find(const struct transids *t, struct slice name);
/* Pending. -ENOMEM; -EEXIST; BH_ETOOBIG. */
int transids_add(struct transids *t, struct slice name, uint64_t id, uint64_t size_bytes,
    uint32_t recipient_count, struct transid **out) MUST_USE;
void transids_set_recipient(struct transid *e, uint32_t i, struct slice address);
void transids_drop(struct transids *t, struct transid *e);
/* The same local part, the domain in any case. */
bool transid_has(const struct transid *e, struct slice address);

/* The next slot is e's from now on: a free one, or the oldest's, who is dropped if its message is
 * gone. */
void transids_keep(struct transids *t, struct transid *e);
uint32_t transids_next_slot(const struct transids *t);
/* It need not be remembered beyond its message; e may be gone. */
void transids_settle(struct transids *t, struct transid *e);

/* As it is written for a turn; 0: too long. */
size_t transid_encode(const struct transid *e, uint64_t turn, uint8_t out[TRANSID_VALUE_BYTES_MAX]);
/* From slot's value: DONE and kept. BH_EDAMAGED; -ENOMEM. */
int transids_decode(struct transids *t, uint32_t slot, struct slice value) MUST_USE;

#endif
