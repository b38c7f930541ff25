/* queue/reserve.h - ready files, for what must be written when others have filled the disk to its
 * last block (docs/formats/journal.md section 7a).
 *
 * Rule      a file of the reserve has no writer: it gets its name when it is whole, synced and
 *           closed; who wants it renames it first and opens it then. So it is nobody's, and of two
 *           that want it one has it.
 * Threads   one at a time.
 */
#ifndef QUEUE_RESERVE_H
#define QUEUE_RESERVE_H

#include "queue/ownership.h"
#include "queue/segment.h"

enum reserve_kind { /* the smaller first */
    RESERVE_OWNER,  /* an owner file */
    RESERVE_FIRST,  /* the first segment of an epoch */
    RESERVE_SEGMENT,
    RESERVE_KINDS
};

struct reserve {
    const char *store;
    uint64_t bytes[RESERVE_KINDS];
    uint32_t wanted[RESERVE_KINDS], have[RESERVE_KINDS];
    uint32_t epoch, made; /* of names */
    const uint8_t *zeros; /* of zeros_bytes; borrowed */
    uint64_t zeros_bytes;
    int fd; /* of the one in the making; -1: none */
    enum reserve_kind kind;
    uint64_t filled_bytes;
    char tmp[STORE_PATH_CAP];
};

/* store and zeros are borrowed. */
void reserve_init(struct reserve *r, const char *store, uint32_t epoch, uint64_t segment_bytes,
    uint64_t reserve_bytes);
void reserve_fini(struct reserve *r); /* one in the making is left to the next start */
/* Count what is there, whoever made it. What has not all its blocks is deleted, with a valid lease:
 * BH_EFENCED else. */
int reserve_count(struct reserve *r, const struct lease *lease) MUST_USE;
/* How many bytes of segments there are, and how many are missing. */
uint64_t reserve_bytes(const struct reserve *r);
uint64_t reserve_lacking(const struct reserve *r);

/* One step of making it whole, of at most zeros_bytes: 1: come again; 0: nothing is missing;
 * -ENOSPC: no room, if keep_free bytes are to stay; or a failed write or sync. What is too much is
 * deleted. */
int reserve_step(struct reserve *r, uint64_t keep_free) MUST_USE;
void reserve_give_up(struct reserve *r); /* the one in the making, and its room */
/* The file `from`, of a whole segment, durable, closed and nobody's, becomes one of the reserve,
 * durably. */
int reserve_put(struct reserve *r, const char *from) MUST_USE;
/* Take one of this kind, or else a larger one: *path is its name then, durably, and it is this
 * process's to write, all its blocks being there. *bytes: its length. -ENOSPC: there is none. */
int reserve_take(
    struct reserve *r, enum reserve_kind kind, char path[STORE_PATH_CAP], uint64_t *bytes) MUST_USE;
/* Likewise for a claim, before there is an epoch: a file for an owner file is renamed to `path`. */
int reserve_take_owner(const char *store, const char *path) MUST_USE;

/* Is this the name, in the store's directory, of a file of the reserve? */
bool reserve_name(struct slice name);

#endif
