/* net/listener.h - listening sockets: made by the keeper (privileged ports), used by the server.
 *
 * listener_open runs in the keeper: socket, SO_REUSEADDR, IP_FREEBIND / IPV6_FREEBIND (an address
 * that comes later is fine), IPV6_V6ONLY, bind, listen(backlog 4096). It never sends.
 * listener_start runs in the server on the inherited descriptor.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "net/conn.h"

/* 0 and *fd; -EADDRINUSE, -EACCES, … BH_ENOVIP is not an error here: the address may come later. */
int listener_open(const struct netaddr *address, int *fd) MUST_USE;
/* Not even the kernel answers: whoever calls goes on asking, and reaches whoever has the address by
 * then, instead of waiting in the backlog of a host that is about to be fenced. The keeper's: some
 * kernels let only root do so (-EPERM). */
int listener_mute(int fd, bool muted) MUST_USE;

struct listener;
/* Takes over the connection's fd; must close it or make a conn of it. */
typedef void listener_accept_fn(void *ctx, int fd, const struct netaddr *peer);
int listener_start(struct listener **out, struct loop *l, int fd, listener_accept_fn *on_accept,
    void *ctx) MUST_USE;
/* Stop accepting for a while: connections wait in the kernel's backlog (limits reached, quorum
 * lost, VIP absent). */
void listener_pause(struct listener *s, bool paused);
/* Stops; closes the fd if close_fd. */
void listener_free(struct listener *s, bool close_fd);

#endif
