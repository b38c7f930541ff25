#include "app/keeper_sockets.h"
#include "net/listener.h"
#include <stdio.h>
#include <unistd.h>

static struct keeper_socket *
find(struct keeper_sockets *s, const struct netaddr *a)
{
    for (size_t i = 0; i < s->count; i++) {
        if (netaddr_eq(&s->all[i].address, a) && s->all[i].address.port == a->port) {
            return &s->all[i];
        }
    }
    return NULL;
}

static int
open_one(struct keeper_sockets *s, const struct app_listener *l, const struct netaddr *a,
    char *text, size_t cap)
{
    struct keeper_socket *one = find(s, a);
    char addr[NETADDR_TEXT_CAP];
    int rc;

    if (one != NULL) {
        one->wanted = true;
        return 0;
    }
    CHECK(s->count < ARRAY_LEN(s->all));
    one = &s->all[s->count];
    rc = listener_open(a, &one->fd);
    if (rc < 0) {
        netaddr_text_port(a, addr);
        (void)snprintf(text, cap,
            "cannot listen on %s (listener %s): %s. Stop what uses the port, or change listener.%s",
            addr, l->name, error_text(rc), l->name);
        return rc;
    }
    if (s->muted) {
        (void)!listener_mute(one->fd, true);
    }
    one->address = *a;
    one->wanted = true;
    s->count++;
    return 0;
}

static void
close_from(struct keeper_sockets *s, size_t first)
{
    while (s->count > first) {
        (void)close(s->all[--s->count].fd);
    }
}

static int
open_all(struct keeper_sockets *s, const struct app_conf *c, char *text, size_t cap)
{
    for (size_t i = 0; i < c->listener_count; i++) {
        for (size_t j = 0; j < c->listeners[i].address_count; j++) {
            int rc = open_one(s, &c->listeners[i], &c->listeners[i].addresses[j], text, cap);

            if (rc < 0) {
                return rc;
            }
        }
    }
    return 0;
}

/* Only once all are open: a failure must leave the old names. */
static void
name_all(struct keeper_sockets *s, const struct app_conf *c)
{
    for (size_t i = 0; i < c->listener_count; i++) {
        const struct app_listener *l = &c->listeners[i];

        for (size_t j = 0; j < l->address_count; j++) {
            struct keeper_socket *one = find(s, &l->addresses[j]);

            CHECK(one != NULL);
            (void)snprintf(one->name, sizeof(one->name), "%s", l->name);
        }
    }
}

int
keeper_sockets_open(struct keeper_sockets *s, const struct app_conf *c, char *text, size_t cap)
{
    size_t kept = 0, before = s->count;
    int rc;

    for (size_t i = 0; i < s->count; i++) {
        s->all[i].wanted = false;
    }
    rc = open_all(s, c, text, cap);
    if (rc < 0) {
        close_from(s, before);
        return rc;
    }
    name_all(s, c);
    for (size_t i = 0; i < s->count; i++) {
        if (s->all[i].wanted) {
            s->all[kept++] = s->all[i];
        } else {
            (void)close(s->all[i].fd);
        }
    }
    s->count = kept;
    return 0;
}

void
keeper_sockets_mute(struct keeper_sockets *s, bool muted)
{
    s->muted = muted;
    for (size_t i = 0; i < s->count; i++) {
        (void)!listener_mute(s->all[i].fd, muted);
    }
}

void
keeper_sockets_close(struct keeper_sockets *s)
{
    close_from(s, 0);
}
