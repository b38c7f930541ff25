/* net/conn.h - one TCP (later TLS) stream: bytes in, bytes up, bytes out.
 *
 * Reading   the loop's shared 64 KiB buffer is lent to on_bytes; what the user does not take at
 *           once it copies. While conn_set_reading(c, false) nothing is read, not even the end (the
 *           kernel's window closes: backpressure). Pausing and going on cost no system call.
 * Writing   conn_send queues a copy; all that was queued in this turn goes out in one system call
 *           at its end; what the kernel does not take waits for writability. on_drained runs, never
 *           inside conn_send, each time the queue has become empty. conn_send never blocks and
 *           never fails visibly: an error arrives as on_end.
 * Ending    on_end(status) exactly once: 0 the peer closed its side (replies may still be sent), <0
 *           error (-ETIMEDOUT by conn_set_deadline); never after conn_close. After on_end the user
 *           still calls conn_close. A failed write is told after what can still be read was read.
 * Closing   conn_close flushes what is queued for at most linger_ms, then closes; frees itself; no
 *           callback afterwards. It may be called in any callback. Borrowed bytes not yet sent are
 *           dropped with all that follows them. Of more than CONN_LINGERING_MAX that flush the
 *           oldest is dropped: they are in nobody's count, and must not take all descriptors.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "core/netaddr.h"
#include "loop/loop.h"

struct conn;

struct conn_user {
    void (*on_bytes)(void *ctx, struct slice bytes);
    void (*on_drained)(void *ctx); /* may be NULL */
    void (*on_end)(void *ctx, int status);
};
#define CONN_HIGH_BYTES    ((size_t)128 * 1024)
#define CONN_LINGERING_MAX 1024 /* in one loop */

/* Take over a connected socket (closed on failure as well). Reading is off at first. TCP_NODELAY is
 * set by whoever made the socket: listener (inherited) and egress. user NULL: it is only told
 * something and closed. */
int conn_new(
    struct conn **out, struct loop *l, int fd, const struct conn_user *user, void *ctx) MUST_USE;
/* The kernel asks after the peer's host when nothing was heard for 15 s: one that died, or whose
 * address another has now, is an end (-ECONNRESET, -ETIMEDOUT) though neither side has to send. */
void conn_keep_alive(struct conn *c);
void conn_set_reading(struct conn *c, bool on);
void conn_send(struct conn *c, struct slice bytes); /* copied */
size_t conn_queued(const struct conn *c);           /* bytes not yet taken by the kernel */
/* One deadline for the whole connection: on_end(-ETIMEDOUT) unless set anew. 0: none. Cheap:
 * re-arming is a store. */
void conn_set_deadline(struct conn *c, uint64_t in_ms);
void conn_close(struct conn *c, uint64_t linger_ms);
const struct netaddr *conn_peer(const struct conn *c);
const struct netaddr *conn_local(const struct conn *c);
/* Connections of the process now open (lingering ones too), for limits and leak tests. */
unsigned conn_count(void);

/* Where our end's address left this host: nothing more leaves, no FIN, then on_end(status), unless
 * it was called before. */
void conn_cut(struct conn *c, int status);
/* The same for those that their users have closed, and that still flush. */
void conn_cut_lingering(struct loop *l, const struct netaddr *local);

/* For egress only: it keeps a list of the connections it made, from which they vanish by themselves
 * when their handle closes. */
void conn_join(struct conn *c, struct list *owner);
struct conn *conn_of_owner(struct list *link);

#endif
