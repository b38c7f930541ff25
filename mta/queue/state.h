/* queue/state.h - settings that move with the queue: STATE records, docs/formats/journal.md section
 * 6b. Pure. The table says of each key in which record it stands, and holds that segment; of unset
 * ones as well, as long as there are older segments: a record that is still there may set it. */
#ifndef QUEUE_STATE_H
#define QUEUE_STATE_H

#include "core/list.h"
#include "core/map.h"
#include "queue/segment.h"

#define STATE_KEYS_MAX        8192
#define STATE_KEY_BYTES_MAX   128
#define STATE_VALUE_BYTES_MAX 1024
#define STATE_HEAD_BYTES      4
#define STATE_TRANSID         "transid/" /* begins the keys of queue_transid.c */

struct state_entry {
    struct list link; /* in the order in which they were said */
    struct map_node node;
    uint64_t lsn;                    /* of its last record */
    uint16_t key_bytes, value_bytes; /* no value: unset */
    char text[];                     /* key, value */
};
static inline struct slice
state_key(const struct state_entry *e)
{
    return (struct slice){ e->text, e->key_bytes };
}
static inline struct slice
state_value(const struct state_entry *e)
{
    return (struct slice){ e->text + e->key_bytes, e->value_bytes };
}

/* They have a type of record, and a kind of entry in a snapshot, of their own: a release that does
 * not know them takes more than 256 keys for damage. */
bool state_is_transid(struct slice key);

struct state {
    struct list entries;
    struct map by_key;
    uint32_t count;
};
void state_init(struct state *st);
void state_fini(struct state *st); /* holds no segment any more, or the segments are gone */
struct state_entry *state_find(const struct state *st, struct slice key);

/* A record's payload. */
uint64_t state_payload_bytes(struct slice key, struct slice value);
void state_put(uint8_t *at, struct slice key, struct slice value);
/* BH_EDAMAGED: contradicts itself, or beyond a limit. */
int state_get(struct slice payload, struct slice *key, struct slice *value) MUST_USE;

/* What a record at lsn in segment `in` says becomes so. The segment of the key's record before it
 * (if it had one) is not let go: *before, NULL if there was none, for state_let_go. 0; -ENOMEM
 * and BH_ETOOBIG (too many keys): nothing happened. */
int state_apply(struct state *st, struct segtab *t, uint64_t segment_bytes, struct segment *in,
    uint64_t lsn, struct slice key, struct slice value, struct segment **before) MUST_USE;
void state_let_go(struct segment *before); /* NULL is fine */
void state_drop(struct state *st, struct segtab *t, uint64_t segment_bytes, struct state_entry *e);
/* Forget the keys that were unset in the oldest segment: nothing is left that says otherwise. */
void state_forget_unset(struct state *st, struct segtab *t, uint64_t segment_bytes);
/* All keys are unset, their segments let go. */
void state_clear(struct state *st, struct segtab *t, uint64_t segment_bytes);

#endif
