/* unbound_event.c - libunbound's events as polls and timers of our loop.
 *
 * The rules are libevent's: an event fires once unless it persists; a persistent one with a timeout
 * starts that anew each time it fires; the callback may free the event, so everything else is done
 * before it runs. Nothing here knows DNS.
 */
#include "net/unbound_event.h"

#include <stdlib.h>
#include <sys/time.h>
#include <unbound-event.h>

struct base {
    struct ub_event_base ub;
    struct loop *loop;
};

struct event {
    struct ub_event ub;
    struct loop *loop;
    int fd;
    int bits;
    void (*cb)(int, short, void *);
    void *arg;
    struct loop_poll *poll; /* of fd, while it is added */
    struct loop_timer timer;
    uint64_t timeout_ms; /* what a persistent event starts anew */
};

static uint64_t
ms_of(const struct timeval *tv)
{
    uint64_t ms;

    if (tv->tv_sec < 0 || tv->tv_usec < 0) {
        return 0;
    }
    ms = (uint64_t)tv->tv_sec * 1000;
    return ms + ((uint64_t)tv->tv_usec + 999) / 1000; /* never early */
}

static struct event *
event_of(struct ub_event *ub)
{
    return CONTAINER_OF(ub, struct event, ub);
}

static unsigned
poll_bits(const struct event *e)
{
    return ((e->bits & UB_EV_READ) != 0 ? LOOP_READABLE : 0u) |
           ((e->bits & UB_EV_WRITE) != 0 ? LOOP_WRITABLE : 0u);
}

/* The poll goes at once, not when the event is freed: libunbound closes the descriptor in between,
 * and what gets its number next would be taken out of epoll with it. */
static void
deactivate(struct event *e)
{
    loop_timer_stop(&e->timer);
    loop_poll_free(e->poll);
    e->poll = NULL;
}

static void
on_poll(void *ctx, int status, unsigned events)
{
    struct event *e = ctx;
    int fired = 0;

    if (status < 0) {
        /* The socket has an error for its reader to find. */
        fired = e->bits & (UB_EV_READ | UB_EV_WRITE);
    }
    if ((events & LOOP_READABLE) != 0) {
        fired |= e->bits & UB_EV_READ;
    }
    if ((events & LOOP_WRITABLE) != 0) {
        fired |= e->bits & UB_EV_WRITE;
    }
    if (fired == 0) {
        return;
    }
    if ((e->bits & UB_EV_PERSIST) == 0) {
        deactivate(e);
    } else {
        if (status < 0 && loop_poll_set(e->poll, poll_bits(e)) < 0) {
            deactivate(e); /* the error had stopped it; the reader will find it all the same */
        }
        if (loop_timer_running(&e->timer)) {
            loop_timer_start(&e->timer, e->timeout_ms);
        }
    }
    e->cb(e->fd, (short)fired, e->arg);
}

static void
on_timeout(void *ctx)
{
    struct event *e = ctx;

    if ((e->bits & UB_EV_PERSIST) == 0) {
        deactivate(e);
    } else {
        loop_timer_start(&e->timer, e->timeout_ms);
    }
    e->cb(e->fd, UB_EV_TIMEOUT, e->arg);
}

static void
on_add_bits(struct ub_event *ub, short bits)
{
    struct event *e = event_of(ub);

    e->bits |= bits;
}

static void
on_del_bits(struct ub_event *ub, short bits)
{
    struct event *e = event_of(ub);

    e->bits &= ~bits;
}

static void
on_set_fd(struct ub_event *ub, int fd)
{
    struct event *e = event_of(ub);

    deactivate(e); /* it was; a poll of another descriptor must not be there in any case */
    e->fd = fd;
}

static void
on_free(struct ub_event *ub)
{
    struct event *e = event_of(ub);

    deactivate(e);
    free(e);
}

static int
on_add(struct ub_event *ub, struct timeval *tv)
{
    struct event *e = event_of(ub);
    unsigned wanted = poll_bits(e);
    int rc = 0;

    if (wanted != 0 && e->poll == NULL) {
        rc = loop_poll_new(e->loop, &e->poll, e->fd, on_poll, e);
    }
    if (wanted != 0 && rc == 0) {
        rc = loop_poll_set(e->poll, wanted);
    }
    if (rc < 0) {
        return -1;
    }
    if ((e->bits & UB_EV_TIMEOUT) != 0 && tv != NULL) {
        e->timeout_ms = ms_of(tv);
        loop_timer_start(&e->timer, e->timeout_ms);
    }
    return 0;
}

static int
on_del(struct ub_event *ub)
{
    deactivate(event_of(ub));
    return 0;
}

static int
on_add_timer(struct ub_event *ub, struct ub_event_base *base, void (*cb)(int, short, void *),
    void *arg, struct timeval *tv)
{
    struct event *e = event_of(ub);

    (void)base;
    e->cb = cb;
    e->arg = arg;
    e->timeout_ms = ms_of(tv);
    loop_timer_start(&e->timer, e->timeout_ms);
    return 0;
}

static int
on_del_timer(struct ub_event *ub)
{
    loop_timer_stop(&event_of(ub)->timer);
    return 0;
}

static struct ub_event_vmt event_methods = {
    .add_bits = on_add_bits,
    .del_bits = on_del_bits,
    .set_fd = on_set_fd,
    .free = on_free,
    .add = on_add,
    .del = on_del,
    .add_timer = on_add_timer,
    .del_timer = on_del_timer,
    /* signals and Windows: libunbound does not call them here */
};

static struct ub_event *
on_new_event(
    struct ub_event_base *ub, int fd, short bits, void (*cb)(int, short, void *), void *arg)
{
    struct base *base = CONTAINER_OF(ub, struct base, ub);
    struct event *e = calloc(1, sizeof(*e));

    if (e == NULL) {
        return NULL;
    }
    e->ub.magic = UB_EVENT_MAGIC;
    e->ub.vmt = &event_methods;
    e->loop = base->loop;
    e->fd = fd;
    e->bits = bits;
    e->cb = cb;
    e->arg = arg;
    loop_timer_init(base->loop, &e->timer, on_timeout, e);
    return &e->ub;
}

static int
on_loopexit(struct ub_event_base *ub, struct timeval *tv)
{
    (void)ub;
    (void)tv;
    return 0; /* the loop is not libunbound's to end */
}

static struct ub_event_base_vmt base_methods = {
    .loopexit = on_loopexit,
    .new_event = on_new_event,
};

int
unbound_event_base_new(struct ub_event_base **out, struct loop *l)
{
    struct base *base = calloc(1, sizeof(*base));

    if (base == NULL) {
        return -ENOMEM;
    }
    base->ub.magic = UB_EVENT_MAGIC;
    base->ub.vmt = &base_methods;
    base->loop = l;
    *out = &base->ub;
    return 0;
}

void
unbound_event_base_free(struct ub_event_base *ub)
{
    if (ub != NULL) {
        free(CONTAINER_OF(ub, struct base, ub));
    }
}
