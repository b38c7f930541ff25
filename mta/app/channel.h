/* app/channel.h - what keeper and server tell each other, over a SOCK_SEQPACKET pair.
 *
 * One struct is one packet; a listening socket travels with its packet. Either side ends when the
 * other is gone. Both are the same binary of the same build, so the layout needs no version.
 */
#ifndef APP_CHANNEL_H
#define APP_CHANNEL_H

#include "core/netaddr.h"

enum channel_kind {
    /* keeper to server */
    CHANNEL_LISTENER = 1,  /* a socket: name, address */
    CHANNEL_LISTENERS_END, /* those were all (at start, and after a reload: what did not come is
                              gone); code <0: what the file now says could not be opened, see text
                            */
    CHANNEL_CLUSTER,       /* joined, quorate */
    CHANNEL_PEER,          /* text: node; epoch */
    CHANNEL_STOP,          /* drain, seal, release, exit */
    CHANNEL_RELOAD,        /* read the configuration again */
    /* server to keeper */
    CHANNEL_EPOCH,          /* the store is ours under epoch: announce it; 0: not any more */
    CHANNEL_READY,          /* listening: the start is complete */
    CHANNEL_FAILED,         /* about to exit: text says why, code is the exit code */
    CHANNEL_STOPPING,       /* a handoff was asked for: when the server ends, so does the keeper */
    CHANNEL_WANT_LISTENERS, /* reload: open what the file now says, and send it all */
};

struct channel_msg {
    uint32_t kind;
    int32_t code;
    uint64_t epoch;
    bool joined, quorate;
    struct netaddr address;
    char name[64];
    char text[512];
};

#define CHANNEL_FD 3 /* the server's end, after exec */

int channel_pair(int fds[2]) MUST_USE;
/* Never blocks. fd -1: none. -EAGAIN when the other side does not read: the caller treats it as
 * gone. */
int channel_send(int channel, const struct channel_msg *m, int fd) MUST_USE;
/* 0 and *m (and *fd, -1 if none came); -EAGAIN: nothing more now; -EPIPE: the other side is gone.
 */
int channel_recv(int channel, struct channel_msg *m, int *fd) MUST_USE;

#endif
