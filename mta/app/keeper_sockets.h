/* app/keeper_sockets.h - the listening sockets of an instance, which outlive its servers. */
#ifndef APP_KEEPER_SOCKETS_H
#define APP_KEEPER_SOCKETS_H

#include "app/app_conf.h"

#define KEEPER_SOCKETS_MAX (APP_LISTENERS_MAX * APP_VIPS_MAX)

struct keeper_socket {
    char name[APP_NAME_CAP]; /* the listener's */
    struct netaddr address;
    int fd;
    bool wanted; /* while a configuration is applied */
};
struct keeper_sockets {
    /* while one configuration replaces another there may be those of both */
    struct keeper_socket all[2 * KEEPER_SOCKETS_MAX];
    size_t count;
    bool muted;
};

/* Open what c names and close what it does not name any more. A socket that stays is not touched,
 * also where its listener has another name now. On failure all is as before, and text says which
 * could not be opened and what to do. */
int keeper_sockets_open(
    struct keeper_sockets *s, const struct app_conf *c, char *text, size_t cap) MUST_USE;
/* Without quorum nobody is answered, at none of the sockets that are open and none that is opened
 * before this is said anew. Where that cannot be, callers wait in the backlog. */
void keeper_sockets_mute(struct keeper_sockets *s, bool muted);
void keeper_sockets_close(struct keeper_sockets *s);

#endif
