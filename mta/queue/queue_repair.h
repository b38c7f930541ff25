/* queue/queue_repair.h - what store repair needs of a queue that it has opened with whole_journal,
 * beside the calls of queue.h. Loop's thread. docs/formats/journal.md section 6d.
 */
#ifndef QUEUE_QUEUE_REPAIR_H
#define QUEUE_QUEUE_REPAIR_H

#include "queue/queue.h"
#include "queue/repaired.h"

/* The next message (ids above `id`; 0: the first) some of whose content cannot be read. */
struct queue_message *queue_damaged_after(const struct queue *q, msg_id id);
/* Bytes of its piece i; 0: there is none. Where it begins is the sum of those before it:
 * queue_reader_seek finds it. */
uint32_t queue_piece_bytes(const struct queue_message *m, uint32_t i);
/* Its file is about to be moved away. Once queue_say_missing is durable it is not missed. */
void queue_segment_moves(struct queue *q, uint64_t seq);
/* What is missing is so for good: which segments there are. Durable with the next batch. */
int queue_say_missing(struct queue *q) MUST_USE;
/* Damage at these places of the segment is dealt with: durable with the next batch. Afterwards it
 * is not reported any more, and the segment is freed like any other. count <= REPAIRED_PLACES_MAX.
 */
int queue_settle_damage(
    struct queue *q, uint64_t seq, const struct repaired_place *places, uint32_t count) MUST_USE;

#endif
