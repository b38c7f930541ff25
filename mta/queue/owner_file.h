/* queue/owner_file.h - owner.<epoch>: bytes and I/O (docs/formats/journal.md section 1). Blocking;
 * one thread at a time for each struct.
 *
 * Read and written with O_DIRECT: through a page cache a counter on a shared disk stands still for
 * ever. A filesystem without it (tmpfs) is one that no other node can see: plain I/O then.
 */
#ifndef QUEUE_OWNER_FILE_H
#define QUEUE_OWNER_FILE_H

#include "core/io.h"
#include "queue/ownership.h"

#define OWNER_SLOT_BYTES ((size_t)4096)
#define OWNER_FILE_BYTES (2 * OWNER_SLOT_BYTES)

void owner_slot_put(uint8_t slot[OWNER_SLOT_BYTES], const struct owner_record *o);
/* 0, BH_EDAMAGED, BH_EFORMAT */
int owner_slot_get(const uint8_t *slot, struct owner_record *out) MUST_USE;
/* The newer valid one of both slots. */
int owner_file_parse(const uint8_t *bytes, size_t n, struct owner_record *out) MUST_USE;

bool owner_file_name_parse(const char *name, uint64_t *epoch);
/* The highest epoch of any owner file in the store; 0: none. */
int owner_file_highest(const char *store, uint64_t *epoch) MUST_USE;
/* Opened anew for each read: NFS revalidates only then. */
int owner_file_read(const char *store, uint64_t epoch, struct owner_record *out) MUST_USE;
/* Claim o->epoch: made whole, synced, linked, directory synced. -EEXIST: lost the race. */
int owner_file_create(const char *store, const struct owner_record *o) MUST_USE;
/* Remove owner files of epochs below `below`; errors are ignored: they only cost a little room. */
void owner_file_prune(const char *store, uint64_t below);

struct owner_file {
    int fd;
    uint8_t *block;
    struct owner_record record;
};
/* For writing. rec: what it holds now. */
int owner_file_open(
    struct owner_file *f, const char *store, const struct owner_record *rec) MUST_USE;
/* counter + 1 with this state, durably. */
int owner_file_write(struct owner_file *f, enum owner_state state, uint64_t sealed_lsn) MUST_USE;
void owner_file_close(struct owner_file *f);

#endif
