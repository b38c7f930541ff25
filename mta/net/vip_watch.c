/* vip_watch.c - the kernel's addresses, kept in step by rtnetlink.
 *
 * One socket carries both the dumps and the notifications, so they come in the order in which they
 * happened: what the dump shows can be overtaken only by later messages. Only what concerns a
 * watched address is kept. The state of each is worked out anew after every message, not after
 * every batch, so that an address that left and came back at once is seen to have left.
 */
#include "net/vip_watch.h"

#include "core/log.h"
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_BYTES         (64 * KIB) /* the kernel sends at most 32 KiB at once */
#define RECEIVE_BUFFER_BYTES (1024 * 1024)
#define DATAGRAMS_PER_WAKEUP 64
#define DUMP_TRIES           8    /* a dump that changes underneath is asked for again */
#define DUMP_WAIT_MS         1000 /* the kernel answers while we ask; this is for its bugs */
#define RETRY_MS             1000
#define RECORDS_MAX          65536 /* nobody has so many; a limit on everything */

struct vip {
    struct netaddr address;
    enum vip_state state;
};

struct vip_record {
    struct netaddr_prefix address;
    unsigned ifindex;
    enum vip_state state;
};

struct vip_link {
    unsigned ifindex;
    bool up, loopback;
};

struct vip_watch {
    struct loop *loop;
    int fd;
    struct loop_poll *poll;
    struct loop_timer retry;
    vip_change_fn *on_change;
    void *ctx;
    struct list listeners;
    struct vip *vips;
    size_t vip_count;
    struct vip_record *records;
    size_t record_count, record_capacity;
    struct vip_link *links;
    size_t link_count, link_capacity;
    bool in_step; /* false: nothing counts as present */
    bool quiet;   /* during a dump: states are worked out at its end */
    int failed;   /* -ENOMEM while applying messages */
    uint32_t seq;
    char *buffer;
};

/* ---- the table */

static const struct vip_link *
find_link(const struct vip_watch *w, unsigned ifindex)
{
    for (size_t i = 0; i < w->link_count; i++) {
        if (w->links[i].ifindex == ifindex) {
            return &w->links[i];
        }
    }
    return NULL;
}

/* Grow an array to hold one more. */
static int
grow(void **items, size_t *capacity, size_t count, size_t item_bytes)
{
    size_t wanted;
    void *grown;

    if (count < *capacity) {
        return 0;
    }
    if (count >= RECORDS_MAX) {
        return BH_ETOOBIG;
    }
    wanted = *capacity == 0 ? 16 : *capacity * 2;
    grown = realloc(*items, wanted * item_bytes);
    if (grown == NULL) {
        return -ENOMEM;
    }
    *items = grown;
    *capacity = wanted;
    return 0;
}

static void
apply_link(struct vip_watch *w, const struct vip_message *m)
{
    for (size_t i = 0; i < w->link_count; i++) {
        if (w->links[i].ifindex == m->ifindex) {
            w->links[i].up = m->up;
            w->links[i].loopback = m->loopback;
            return;
        }
    }
    void *links = w->links;
    int rc = grow(&links, &w->link_capacity, w->link_count, sizeof(*w->links));

    w->links = links;
    if (rc < 0) {
        w->failed = rc;
        return;
    }
    w->links[w->link_count++] = (struct vip_link){ m->ifindex, m->up, m->loopback };
}

static bool
concerns_us(const struct vip_watch *w, const struct netaddr_prefix *p)
{
    for (size_t i = 0; i < w->vip_count; i++) {
        const struct netaddr *vip = &w->vips[i].address;

        if (netaddr_eq(vip, &p->net) || (vip->family == AF_INET && netaddr_in(vip, p))) {
            return true;
        }
    }
    return false;
}

static void
apply_address(struct vip_watch *w, const struct vip_message *m)
{
    if (!concerns_us(w, &m->address)) {
        return;
    }
    for (size_t i = 0; i < w->record_count; i++) {
        struct vip_record *r = &w->records[i];

        if (r->ifindex == m->ifindex && r->address.bits == m->address.bits &&
            netaddr_eq(&r->address.net, &m->address.net)) {
            r->state = m->state;
            if (m->state == VIP_ABSENT) {
                *r = w->records[--w->record_count];
            }
            return;
        }
    }
    if (m->state == VIP_ABSENT) {
        return;
    }
    void *records = w->records;
    int rc = grow(&records, &w->record_capacity, w->record_count, sizeof(*w->records));

    w->records = records;
    if (rc < 0) {
        w->failed = rc;
        return;
    }
    w->records[w->record_count++] = (struct vip_record){ m->address, m->ifindex, m->state };
}

static enum vip_state
work_out(const struct vip_watch *w, const struct netaddr *vip)
{
    enum vip_state best = VIP_ABSENT;

    for (size_t i = 0; w->in_step && i < w->record_count; i++) {
        const struct vip_record *r = &w->records[i];
        const struct vip_link *link = find_link(w, r->ifindex);
        bool is_it;

        if (link == NULL || !link->up) {
            continue;
        }
        is_it = netaddr_eq(vip, &r->address.net) ||
                (link->loopback && vip->family == AF_INET && netaddr_in(vip, &r->address));
        if (is_it && r->state > best) {
            best = r->state;
        }
    }
    return best;
}

/* ---- telling */

static void
tell(struct vip_watch *w, const struct vip *vip)
{
    static const enum bridgehead_event events[] = {
        [VIP_ABSENT] = EV_VIP_ABSENT,
        [VIP_TENTATIVE] = EV_VIP_TENTATIVE,
        [VIP_PRESENT] = EV_VIP_PRESENT,
    };
    struct vip copy = *vip; /* a listener may make us forget the array */
    char text[NETADDR_TEXT_CAP];

    netaddr_text(&copy.address, text);
    log_event(events[copy.state], LF_STR("vip", text));
    LIST_FOR_SAFE(link, tmp, &w->listeners)
    {
        struct vip_listener *listener = CONTAINER_OF(link, struct vip_listener, link);

        listener->on_change(listener->ctx, &copy.address, copy.state);
    }
    if (w->on_change != NULL) {
        w->on_change(w->ctx, &copy.address, copy.state);
    }
}

/* Work out every state and tell what changed, or all. */
static void
update(struct vip_watch *w, bool all)
{
    for (size_t i = 0; i < w->vip_count; i++) {
        enum vip_state state = work_out(w, &w->vips[i].address);

        if (all || state != w->vips[i].state) {
            w->vips[i].state = state;
            tell(w, &w->vips[i]);
        }
    }
}

static void
on_message(void *ctx, const struct vip_message *m)
{
    struct vip_watch *w = ctx;

    if (m->kind == VIP_MESSAGE_LINK) {
        apply_link(w, m);
    } else {
        apply_address(w, m);
    }
    if (!w->quiet) {
        update(w, false);
    }
}

/* ---- the socket */

static int
open_netlink(int *out)
{
    struct sockaddr_nl sa = { .nl_family = AF_NETLINK,
        .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };
    int bytes = RECEIVE_BUFFER_BYTES;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    if (fd < 0) {
        return -errno;
    }
    /* Less is fine: what does not fit is noticed and dumped anew. */
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    *out = fd;
    return 0;
}

/* One datagram into the table. *flags as vip_watch_parse gives them. */
static int
receive(struct vip_watch *w, unsigned *flags)
{
    struct sockaddr_nl from = { 0 };
    socklen_t n = sizeof(from);
    ssize_t got = recvfrom(w->fd, w->buffer, BUFFER_BYTES, MSG_TRUNC, (struct sockaddr *)&from, &n);

    *flags = 0;
    if (got < 0) {
        return -errno;
    }
    if (from.nl_pid != 0) {
        return 0; /* not the kernel: any local process may send to us */
    }
    if ((size_t)got > BUFFER_BYTES) {
        return -ENOBUFS;
    }
    return vip_watch_parse((struct slice){ w->buffer, (size_t)got }, on_message, w, flags);
}

static int
request(struct vip_watch *w, uint16_t type)
{
    struct {
        struct nlmsghdr head;
        struct rtgenmsg body;
    } message = { .head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct rtgenmsg)),
                      .nlmsg_type = type,
                      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                      .nlmsg_seq = ++w->seq },
        .body = { .rtgen_family = AF_UNSPEC } };
    struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

    if (sendto(w->fd, &message, message.head.nlmsg_len, 0, (struct sockaddr *)&kernel,
            sizeof(kernel)) < 0) {
        return -errno;
    }
    return 0;
}

/* Read up to the end of a dump. The kernel makes its pieces while we read them, so this does not
 * wait. */
static int
receive_dump(struct vip_watch *w, bool *interrupted)
{
    unsigned flags = 0;

    while ((flags & VIP_PARSE_DONE) == 0) {
        int rc = receive(w, &flags);

        if (rc == -EAGAIN) {
            struct pollfd p = { .fd = w->fd, .events = POLLIN };

            rc = poll(&p, 1, DUMP_WAIT_MS) == 0 ? -ETIMEDOUT : 0;
        }
        if (rc < 0 && rc != -EINTR) {
            return rc;
        }
        *interrupted = *interrupted || (flags & VIP_PARSE_INTERRUPTED) != 0;
    }
    return 0;
}

static int
dump_once(struct vip_watch *w)
{
    static const uint16_t types[] = { RTM_GETLINK, RTM_GETADDR };
    bool interrupted = false;

    w->record_count = 0;
    w->link_count = 0;
    w->failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        int rc = request(w, types[i]);

        if (rc == 0) {
            rc = receive_dump(w, &interrupted);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return w->failed < 0 ? w->failed : interrupted ? -EAGAIN : 0;
}

/* A socket of its own for each attempt but the first: an unfinished dump must not mix with the
 * next. */
static int
reopen(struct vip_watch *w)
{
    int fd = -1;
    int rc = open_netlink(&fd);

    if (rc < 0) {
        return rc;
    }
    loop_poll_free(w->poll);
    w->poll = NULL;
    close(w->fd);
    w->fd = fd;
    return 0;
}

static void on_readable(void *ctx, int status, unsigned events);

static int
start_polling(struct vip_watch *w)
{
    int rc = 0;

    if (w->poll == NULL) {
        rc = loop_poll_new(w->loop, &w->poll, w->fd, on_readable, w);
    }
    return rc < 0 ? rc : loop_poll_set(w->poll, LOOP_READABLE);
}

/* Nothing is present; a full dump; then what it shows. `all`: tell also what did not change. */
static int
resync(struct vip_watch *w, bool all)
{
    int rc = -EAGAIN;

    w->in_step = false;
    w->quiet = true;
    for (int i = 0; i < DUMP_TRIES && (rc == -EAGAIN || rc == -ENOBUFS); i++) {
        rc = i == 0 && all ? 0 : reopen(w);
        if (rc == 0) {
            rc = dump_once(w);
        }
    }
    if (rc == 0) {
        rc = start_polling(w);
    }
    w->quiet = false;
    w->in_step = rc == 0;
    if (rc < 0 && !all) {
        log_event(EV_VIP_WATCH_FAILED, LF_ERR("error", rc));
        loop_timer_start(&w->retry, RETRY_MS);
    }
    if (rc == 0 || !all) {
        update(w, all);
    }
    return rc;
}

static void
on_retry(void *ctx)
{
    (void)resync(ctx, false); /* which starts the timer again if it fails */
}

static void
on_readable(void *ctx, int status, unsigned events)
{
    struct vip_watch *w = ctx;
    int rc = 0;

    /* An error of the socket (ENOBUFS) comes as a status and stops the poll; recvfrom tells it. */
    (void)status;
    (void)events;
    for (int i = 0; i < DATAGRAMS_PER_WAKEUP && rc == 0; i++) {
        unsigned flags;

        rc = receive(w, &flags);
        rc = rc == 0 ? w->failed : rc;
    }
    if (rc == 0 || rc == -EAGAIN || rc == -EINTR) {
        rc = loop_poll_set(w->poll, LOOP_READABLE);
    }
    if (rc < 0) {
        log_event(EV_VIP_LOST_SYNC, LF_ERR("error", rc));
        (void)resync(w, false);
    }
}

/* ---- life */

static int
copy_vips(const struct netaddr *vips, size_t count, struct vip **out)
{
    struct vip *copy = calloc(count + 1, sizeof(*copy)); /* never of size 0 */

    if (copy == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        copy[i].address = vips[i];
        copy[i].state = VIP_ABSENT;
    }
    *out = copy;
    return 0;
}

int
vip_watch_new(struct vip_watch **out, struct loop *l, const struct netaddr *vips, size_t count,
    vip_change_fn *on_change, void *ctx)
{
    struct vip_watch *w = calloc(1, sizeof(*w));
    int rc;

    if (w == NULL) {
        return -ENOMEM;
    }
    w->loop = l;
    w->fd = -1;
    w->on_change = on_change;
    w->ctx = ctx;
    list_init(&w->listeners);
    loop_timer_init(l, &w->retry, on_retry, w);
    w->vip_count = count;
    w->buffer = malloc(BUFFER_BYTES);
    rc = w->buffer == NULL ? -ENOMEM : copy_vips(vips, count, &w->vips);
    if (rc == 0) {
        rc = open_netlink(&w->fd);
    }
    if (rc == 0) {
        rc = resync(w, true);
    }
    if (rc < 0) {
        vip_watch_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

void
vip_watch_free(struct vip_watch *w)
{
    if (w == NULL) {
        return;
    }
    loop_timer_stop(&w->retry);
    loop_poll_free(w->poll);
    if (w->fd >= 0) {
        close(w->fd);
    }
    free(w->buffer);
    free(w->vips);
    free(w->records);
    free(w->links);
    free(w);
}

int
vip_watch_set(struct vip_watch *w, const struct netaddr *vips, size_t count)
{
    struct vip *copy;
    int rc = copy_vips(vips, count, &copy);

    if (rc < 0) {
        return rc;
    }
    /* Those that are no longer watched count as absent from now on: whoever speaks from them must
     * hear it. */
    for (size_t i = 0; i < w->vip_count; i++) {
        struct vip gone = w->vips[i];
        bool stays = false;

        for (size_t k = 0; k < count && !stays; k++) {
            stays = netaddr_eq(&vips[k], &gone.address);
            copy[k].state = stays ? gone.state : copy[k].state;
        }
        if (!stays && gone.state != VIP_ABSENT) {
            gone.state = VIP_ABSENT;
            tell(w, &gone);
        }
    }
    free(w->vips);
    w->vips = copy;
    w->vip_count = count;
    (void)resync(w, false); /* a failure makes all absent and is tried again */
    return 0;
}

enum vip_state
vip_watch_state(const struct vip_watch *w, const struct netaddr *address)
{
    for (size_t i = 0; i < w->vip_count; i++) {
        if (netaddr_eq(&w->vips[i].address, address)) {
            return w->vips[i].state;
        }
    }
    return VIP_ABSENT;
}

void
vip_watch_listen(struct vip_watch *w, struct vip_listener *listener)
{
    list_push_back(&w->listeners, &listener->link);
}

void
vip_watch_unlisten(struct vip_listener *listener)
{
    list_remove(&listener->link);
}
