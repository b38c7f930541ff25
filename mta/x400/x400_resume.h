/* x400/x400_resume.h - what is kept of a transfer under way, as octets: the state of one that comes
 * (a part of a message in the journal) and the note of one that goes (a setting of the queue). See
 * docs/protocols/x400.md, Checkpoints and the journal. Pure; reads what comes from a disk. */
#ifndef X400_X400_RESUME_H
#define X400_X400_RESUME_H

#include "osi/rtse.h"
#include "x400/p1_resume.h"

/* ---- coming in */

/* The part's key: "x400/CONNECTOR/ACTIVITY/USER/COMMON", the reference as hex. */
#define X400_PART_KEY_CAP 640
struct slice x400_part_key(
    char out[X400_PART_KEY_CAP], struct slice connector, const struct rtse_recovery *whose);
/* Is it one of connector's? Empty: of any. */
bool x400_part_is_of(struct slice key, struct slice connector);
/* Is it of an association of connector's with this reference, whatever the activity? */
bool x400_part_is_like(struct slice key, struct slice connector, const struct rtse_recovery *whose);

/* Parts of one connector that wait to be resumed; of one more the oldest goes. */
#define X400_PARTS_MAX      64u
#define X400_PART_BYTES_MAX (P1_RESUME_BYTES_MAX + 64)
struct x400_part {
    uint32_t point;      /* the last before what is kept */
    uint32_t checkpoint; /* of the association, in units */
    uint64_t arrival_wall_ms, secured_wall_ms;
    struct slice reader; /* p1_reader_load */
};
/* reader is appended by the caller (p1_reader_save). */
int x400_part_write(struct buf *out, const struct x400_part *p) MUST_USE;
int x400_part_read(struct slice state, struct x400_part *out) MUST_USE; /* BH_EDAMAGED */

/* ---- going out */

/* A connector has so many notes: of its transfers under way, and of those that broke. One more
 * takes the place of the oldest that nobody is at. */
#define X400_NOTES        16u
#define X400_NOTE_KEY_CAP 128
struct slice x400_note_key(char out[X400_NOTE_KEY_CAP], struct slice connector, unsigned number);

#define X400_NOTE_BYTES_MAX 256
struct x400_note {
    uint64_t message, recipients; /* recipients: a sum of their addresses */
    struct rtse_recovery from;
    /* What was sent: it must come out the same. */
    uint64_t apdu_bytes, head_bytes;
    uint32_t head_crc;
    uint64_t noted_wall_ms;
};
int x400_note_write(struct buf *out, const struct x400_note *n) MUST_USE;
int x400_note_read(struct slice value, struct x400_note *out) MUST_USE; /* BH_EDAMAGED */

#endif
