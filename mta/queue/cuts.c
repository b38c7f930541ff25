#include "queue/cuts.h"
#include "core/ticks.h"
#include <fcntl.h>
#include <stdlib.h>

struct cut {
    uint64_t seq, bytes;
    uint32_t epoch;
};

static void
note_one(struct cuts *c, struct segment *seg, uint32_t epoch)
{
    uint64_t bytes = segment_block_up(seg->valid_bytes);
    struct cut *grown;

    if (seg->epoch == epoch || seg->size_bytes <= bytes) {
        return;
    }
    grown = realloc(c->list, (c->count + 1) * sizeof(*grown));
    if (grown != NULL) { /* else the next owner does it */
        c->list = grown;
        c->list[c->count++] = (struct cut){ seg->seq, bytes, seg->epoch };
        seg->size_bytes = bytes;
    }
}

void
cuts_note(struct cuts *c, struct segtab *segments, uint32_t epoch)
{
    bool damaged = false;

    LIST_FOR(it, &segments->order)
    {
        damaged = damaged || CONTAINER_OF(it, struct segment, link)->damaged;
    }
    LIST_FOR(it, &segments->order)
    {
        if (!damaged) {
            note_one(c, CONTAINER_OF(it, struct segment, link), epoch);
        }
    }
}

void
cuts_do(const struct cuts *c, const char *journal, const struct lease *lease)
{
    char name[SEGMENT_NAME_CAP], path[STORE_PATH_CAP];

    for (uint32_t i = 0; i < c->count; i++) {
        int fd;

        segment_name(name, c->list[i].seq, c->list[i].epoch);
        fd = store_path(path, journal, name) < 0 ? -1 : io_open(path, O_RDWR, 0);
        if (fd >= 0 && lease_valid(lease, ticks_boot_ns())) {
            (void)!io_ftruncate(fd, c->list[i].bytes);
        }
        io_close(&fd);
    }
}

void
cuts_fini(struct cuts *c)
{
    free(c->list);
    *c = (struct cuts){ 0 };
}
