/* smtp/smtp_transaction.h - the memory of one mail transaction: sender, recipients, what the header
 * says. Pure.
 *
 * A session has one only between MAIL and the end of its message. They come from a pool, so that
 * neither an idle session nor a command costs an allocation.
 */
#ifndef SMTP_SMTP_TRANSACTION_H
#define SMTP_SMTP_TRANSACTION_H

#include "core/list.h"
#include "core/netaddr.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "smtp/smtp_data.h"

#define SMTP_TRANSACTION_TEXT_BYTES 4000 /* of addresses in one piece of memory */
#define SMTP_TRANSACTION_KEPT_MAX   256  /* unused ones in a pool: some 2 MiB */

struct smtp_transaction_text {
    struct smtp_transaction_text *next;
    size_t used;
    char bytes[SMTP_TRANSACTION_TEXT_BYTES];
};

struct smtp_transaction {
    struct list link; /* in the pool */
    struct slice sender;
    uint8_t body;         /* enum envelope_body */
    uint64_t size_bytes;  /* of content so far */
    uint64_t said_bytes;  /* SIZE= of MAIL */
    struct slice transid; /* see mail/envelope.h; or empty */
    bool known;           /* it came before, as known_id and with known_bytes */
    uint64_t known_id, known_bytes;
    struct envelope_recipient asked; /* the recipient a verdict is awaited for; not copied */
    struct smtp_data data;
    struct header_scan header;
    struct envelope_recipient *recipients;
    uint32_t recipient_count, recipient_capacity;
    uint32_t *index; /* of recipients by hash, open addressing; 0: free, else 1 + number */
    uint32_t index_mask;
    struct smtp_transaction_text *last;
    struct smtp_transaction_text text;
};

struct smtp_transaction_pool {
    struct list unused;
    unsigned unused_count, used_count;
};
void smtp_transaction_pool_init(struct smtp_transaction_pool *p);
void smtp_transaction_pool_fini(struct smtp_transaction_pool *p);

/* NULL: out of memory. */
struct smtp_transaction *smtp_transaction_get(struct smtp_transaction_pool *p) MUST_USE;
void smtp_transaction_put(struct smtp_transaction_pool *p, struct smtp_transaction *t);

int smtp_transaction_set_transid(struct smtp_transaction *t, const struct netaddr *client,
    struct slice helo, struct slice transid) MUST_USE;
int smtp_transaction_set_sender(struct smtp_transaction *t, struct slice sender) MUST_USE;
/* 0: added; 1: it was there already (the same local part, the domain in any case); -ENOMEM. The
 * slices are copied. */
int smtp_transaction_add(struct smtp_transaction *t, const struct envelope_recipient *r) MUST_USE;

#endif
