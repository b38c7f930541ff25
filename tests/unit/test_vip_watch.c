#include "net/vip_watch.h"

#include "test_main.h"
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

/* ---- the parser */

struct seen {
    struct vip_message last;
    unsigned count;
};

static void
on_message(void *ctx, const struct vip_message *m)
{
    struct seen *s = ctx;

    s->last = *m;
    s->count++;
}

/* A datagram under construction. */
struct datagram {
    char bytes[1024] __attribute__((aligned(4)));
    size_t n;
    size_t message_at;
};

static void
add_bytes(struct datagram *d, const void *p, size_t n)
{
    CU_ASSERT_FATAL(d->n + n + 3 < sizeof(d->bytes));
    memcpy(d->bytes + d->n, p, n);
    d->n += (n + 3) & ~(size_t)3;
}

static void
begin_message(struct datagram *d, uint16_t type, const void *body, size_t body_bytes)
{
    struct nlmsghdr head = { .nlmsg_type = type };

    d->message_at = d->n;
    add_bytes(d, &head, sizeof(head));
    add_bytes(d, body, body_bytes);
}

static void
end_message(struct datagram *d)
{
    struct nlmsghdr head;

    memcpy(&head, d->bytes + d->message_at, sizeof(head));
    head.nlmsg_len = (uint32_t)(d->n - d->message_at);
    memcpy(d->bytes + d->message_at, &head, sizeof(head));
}

static void
add_attribute(struct datagram *d, uint16_t type, const void *p, size_t n)
{
    struct rtattr head = { .rta_len = (uint16_t)(sizeof(head) + n), .rta_type = type };

    add_bytes(d, &head, sizeof(head));
    add_bytes(d, p, n);
}

static struct slice
datagram_slice(const struct datagram *d)
{
    return (struct slice){ d->bytes, d->n };
}

static bool
is_address(const struct netaddr *a, const char *text)
{
    struct netaddr b;

    return netaddr_parse(slice_of(text), &b) == 0 && netaddr_eq(a, &b);
}

static void
make_v4(struct datagram *d, uint16_t type)
{
    struct ifaddrmsg body = { .ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = 7 };

    begin_message(d, type, &body, sizeof(body));
    add_attribute(d, IFA_ADDRESS, "\300\0\2\376", 4); /* the peer's, on a point-to-point link */
    add_attribute(d, IFA_LOCAL, "\300\0\2\12", 4);
    end_message(d);
}

static void
an_ipv4_address_is_the_local_one(void)
{
    struct datagram d = { .n = 0 };
    struct seen seen = { .count = 0 };
    unsigned flags;

    make_v4(&d, RTM_NEWADDR);
    CU_ASSERT_EQUAL(vip_watch_parse(datagram_slice(&d), on_message, &seen, &flags), 0);
    CU_ASSERT_EQUAL(flags, 0);
    CU_ASSERT_EQUAL(seen.count, 1);
    CU_ASSERT_EQUAL(seen.last.kind, VIP_MESSAGE_ADDRESS);
    CU_ASSERT_EQUAL(seen.last.ifindex, 7);
    CU_ASSERT_EQUAL(seen.last.address.bits, 24);
    CU_ASSERT_EQUAL(seen.last.state, VIP_PRESENT);
    CU_ASSERT_TRUE(is_address(&seen.last.address.net, "192.0.2.10"));
    d.n = 0;
    make_v4(&d, RTM_DELADDR);
    CU_ASSERT_EQUAL(vip_watch_parse(datagram_slice(&d), on_message, &seen, &flags), 0);
    CU_ASSERT_EQUAL(seen.last.state, VIP_ABSENT);
}

static void
a_tentative_or_duplicate_ipv6_address_is_not_present(void)
{
    static const struct {
        uint8_t head_flags;
        bool has_attribute;
        uint32_t attribute_flags;
        enum vip_state state;
    } rows[] = {
        { 0, false, 0, VIP_PRESENT }, { IFA_F_TENTATIVE, false, 0, VIP_TENTATIVE },
        { IFA_F_DADFAILED, false, 0, VIP_TENTATIVE }, { 0, true, IFA_F_TENTATIVE, VIP_TENTATIVE },
        { 0, true, IFA_F_NOPREFIXROUTE | IFA_F_PERMANENT, VIP_PRESENT },
        { IFA_F_TENTATIVE, true, IFA_F_PERMANENT, VIP_PRESENT }, /* the attribute has all bits */
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ifaddrmsg body = { .ifa_family = AF_INET6,
            .ifa_prefixlen = 64,
            .ifa_flags = rows[i].head_flags,
            .ifa_index = 2 };
        struct datagram d = { .n = 0 };
        struct seen seen = { .count = 0 };
        unsigned flags;

        begin_message(&d, RTM_NEWADDR, &body, sizeof(body));
        add_attribute(&d, IFA_ADDRESS, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x10", 16);
        if (rows[i].has_attribute) {
            add_attribute(&d, IFA_FLAGS, &rows[i].attribute_flags, 4);
        }
        end_message(&d);
        CU_ASSERT_EQUAL(vip_watch_parse(datagram_slice(&d), on_message, &seen, &flags), 0);
        CU_ASSERT_EQUAL(seen.count, 1);
        CU_ASSERT_EQUAL(seen.last.state, rows[i].state);
        CU_ASSERT_TRUE(is_address(&seen.last.address.net, "2001:db8::10"));
    }
}

static void
links_tell_up_and_loopback_but_bridge_ports_are_none(void)
{
    struct ifinfomsg body = { .ifi_index = 3, .ifi_flags = IFF_UP | IFF_LOOPBACK };
    struct datagram d = { .n = 0 };
    struct seen seen = { .count = 0 };
    unsigned flags;

    begin_message(&d, RTM_NEWLINK, &body, sizeof(body));
    end_message(&d);
    CU_ASSERT_EQUAL(vip_watch_parse(datagram_slice(&d), on_message, &seen, &flags), 0);
    CU_ASSERT_EQUAL(seen.last.kind, VIP_MESSAGE_LINK);
    CU_ASSERT_TRUE(seen.last.up && seen.last.loopback);
    CU_ASSERT_EQUAL(seen.last.ifindex, 3);

    body.ifi_family = AF_BRIDGE;
    begin_message(&d, RTM_DELLINK, &body, sizeof(body));
    end_message(&d);
    body.ifi_family = AF_UNSPEC;
    begin_message(&d, RTM_DELLINK, &body, sizeof(body));
    end_message(&d);
    seen.count = 0;
    CU_ASSERT_EQUAL(vip_watch_parse(datagram_slice(&d), on_message, &seen, &flags), 0);
    CU_ASSERT_EQUAL(seen.count, 2); /* the first and the last of the datagram */
    CU_ASSERT_FALSE(seen.last.up);
}

static void
the_end_of_a_dump_and_its_troubles_are_flags(void)
{
    int32_t code = 0;
    struct datagram d = { .n = 0 };
    struct seen seen = { .count = 0 };
    unsigned flags;

    begin_message(&d, NLMSG_DONE, &code, sizeof(code));
    end_message(&d);
    CU_ASSERT_EQUAL(vip_watch_parse(datagram_slice(&d), on_message, &seen, &flags), 0);
    CU_ASSERT_EQUAL(flags, VIP_PARSE_DONE);
    d.bytes[6] = NLM_F_DUMP_INTR;
    CU_ASSERT_EQUAL(vip_watch_parse(datagram_slice(&d), on_message, &seen, &flags), 0);
    CU_ASSERT_EQUAL(flags, VIP_PARSE_DONE | VIP_PARSE_INTERRUPTED);
    d.n = 0;
    code = -EPERM;
    begin_message(&d, NLMSG_ERROR, &code, sizeof(code));
    end_message(&d);
    CU_ASSERT_EQUAL(vip_watch_parse(datagram_slice(&d), on_message, &seen, &flags), -EPERM);
}

/* Every cut and every changed byte: whatever it makes of it, it stays inside the datagram (ASan
 * watches) and ends. */
static void
a_damaged_datagram_is_survived(void)
{
    struct datagram d = { .n = 0 };
    struct seen seen = { .count = 0 };
    unsigned flags;
    int rc;

    make_v4(&d, RTM_NEWADDR);
    make_v4(&d, RTM_DELADDR);
    for (size_t n = 0; n < d.n; n++) {
        char *copy = malloc(n + 1);

        CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
        memcpy(copy, d.bytes, n);
        rc = vip_watch_parse((struct slice){ copy, n }, on_message, &seen, &flags);
        CU_ASSERT_EQUAL(rc, n == 0 || n == d.n / 2 ? 0 : BH_ESYNTAX);
        free(copy);
    }
    for (size_t i = 0; i < d.n * 256; i++) {
        struct datagram hurt = d;

        hurt.bytes[i / 256] = (char)(i % 256);
        rc = vip_watch_parse(datagram_slice(&hurt), on_message, &seen, &flags);
        CU_ASSERT_TRUE(rc <= 0);
    }
}

/* ---- the kernel, in a network namespace of our own */

#define CHANGES_MAX 64
struct rig {
    struct loop *loop;
    struct vip_watch *watch;
    struct netaddr vips[8];
    size_t vip_count;
    char changes[CHANGES_MAX]; /* 'a' absent, 't' tentative, 'p' present */
    size_t change_count;
    struct loop_timer timer;
    enum vip_state wanted;
};

static bool
in_namespace(void)
{
    static int state; /* 0: not tried, 1: in, -1: not permitted */

    if (state == 0) {
        state = unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 ? 1 : -1;
        if (state < 0) {
            printf("(no network namespace permitted: kernel part skipped) ");
        }
    }
    return state > 0;
}

static void
ip(const char *arguments)
{
    char command[512];

    CU_ASSERT_FATAL(snprintf(command, sizeof(command), "ip %s", arguments) < (int)sizeof(command));
    CU_ASSERT_EQUAL_FATAL(system(command), 0);
}

static void
on_change(void *ctx, const struct netaddr *address, enum vip_state state)
{
    struct rig *r = ctx;

    (void)address;
    if (r->change_count < CHANGES_MAX - 1) {
        r->changes[r->change_count++] = "atp"[state];
    }
    if (state == r->wanted) {
        loop_stop(r->loop);
    }
}

static void
rig_start(struct rig *r, const char *a, const char *b)
{
    memset(r, 0, sizeof(*r));
    r->wanted = (enum vip_state)99;
    CU_ASSERT_EQUAL_FATAL(netaddr_parse(slice_of(a), &r->vips[r->vip_count++]), 0);
    if (b != NULL) {
        CU_ASSERT_EQUAL_FATAL(netaddr_parse(slice_of(b), &r->vips[r->vip_count++]), 0);
    }
    CU_ASSERT_EQUAL_FATAL(loop_new(&r->loop), 0);
    CU_ASSERT_EQUAL_FATAL(
        vip_watch_new(&r->watch, r->loop, r->vips, r->vip_count, on_change, r), 0);
}

static void
rig_stop(struct rig *r)
{
    vip_watch_free(r->watch);
    loop_free(r->loop);
}

static void
rig_stop_loop(void *ctx)
{
    struct rig *r = ctx;

    loop_stop(r->loop);
}

/* Read what the kernel has told so far: it has queued that before `ip` ended. */
static void
rig_catch_up(struct rig *r)
{
    loop_timer_init(r->loop, &r->timer, rig_stop_loop, r);
    loop_timer_start(&r->timer, 5);
    CU_ASSERT_EQUAL(loop_run(r->loop), 0);
    loop_timer_stop(&r->timer);
}

static void
an_address_is_followed_as_it_comes_and_goes(void)
{
    struct rig r;

    if (!in_namespace()) {
        return;
    }
    ip("link add side0 type veth peer name far0");
    ip("link set side0 up");
    rig_start(&r, "192.0.2.10", "192.0.2.11");
    CU_ASSERT_STRING_EQUAL(r.changes, "aa"); /* told at the first dump */
    ip("addr add 192.0.2.10/24 dev side0");
    rig_catch_up(&r);
    CU_ASSERT_EQUAL(vip_watch_state(r.watch, &r.vips[0]), VIP_PRESENT);
    CU_ASSERT_EQUAL(vip_watch_state(r.watch, &r.vips[1]), VIP_ABSENT); /* same net, not ours */
    ip("link set side0 down");
    rig_catch_up(&r);
    CU_ASSERT_EQUAL(vip_watch_state(r.watch, &r.vips[0]), VIP_ABSENT);
    ip("link set side0 up");
    rig_catch_up(&r);
    CU_ASSERT_EQUAL(vip_watch_state(r.watch, &r.vips[0]), VIP_PRESENT);
    ip("addr del 192.0.2.10/24 dev side0");
    ip("addr add 192.0.2.10/24 dev side0"); /* left and back between two turns: both are told */
    rig_catch_up(&r);
    CU_ASSERT_STRING_EQUAL(r.changes, "aapapap");
    ip("link del side0");
    rig_catch_up(&r);
    CU_ASSERT_EQUAL(vip_watch_state(r.watch, &r.vips[0]), VIP_ABSENT);
    rig_stop(&r);
}

static void
on_two_interfaces_it_stays_until_both_are_gone(void)
{
    struct rig r;

    if (!in_namespace()) {
        return;
    }
    ip("link add side0 type veth peer name far0");
    ip("link add side1 type veth peer name far1");
    ip("link set side0 up");
    ip("link set side1 up");
    ip("addr add 192.0.2.10/32 dev side0");
    ip("addr add 192.0.2.10/32 dev side1");
    rig_start(&r, "192.0.2.10", NULL);
    CU_ASSERT_EQUAL(vip_watch_state(r.watch, &r.vips[0]), VIP_PRESENT);
    ip("link del side0");
    rig_catch_up(&r);
    CU_ASSERT_EQUAL(vip_watch_state(r.watch, &r.vips[0]), VIP_PRESENT);
    ip("addr del 192.0.2.10/32 dev side1");
    rig_catch_up(&r);
    CU_ASSERT_STRING_EQUAL(r.changes, "pa");
    ip("link del side1");
    rig_stop(&r);
}

static void
the_net_of_a_loopback_interface_is_local_as_a_whole(void)
{
    struct rig r;

    if (!in_namespace()) {
        return;
    }
    ip("link set lo down");
    rig_start(&r, "127.0.0.2", "::1");
    CU_ASSERT_EQUAL(vip_watch_state(r.watch, &r.vips[0]), VIP_ABSENT);
    CU_ASSERT_EQUAL(vip_watch_state(r.watch, &r.vips[1]), VIP_ABSENT);
    ip("link set lo up");
    rig_catch_up(&r);
    CU_ASSERT_EQUAL(vip_watch_state(r.watch, &r.vips[0]), VIP_PRESENT);
    CU_ASSERT_EQUAL(vip_watch_state(r.watch, &r.vips[1]), VIP_PRESENT);
    rig_stop(&r);
}

static void
a_tentative_address_becomes_present_when_its_check_ends(void)
{
    struct rig r;

    if (!in_namespace()) {
        return;
    }
    ip("link add veth0 type veth peer name veth1");
    ip("link set veth1 up");
    ip("link set veth0 up");
    rig_start(&r, "2001:db8::10", NULL);
    ip("addr add 2001:db8::10/64 dev veth0");
    r.wanted = VIP_PRESENT;
    loop_run(r.loop);
    CU_ASSERT_STRING_EQUAL(r.changes, "atp");
    ip("link del veth0");
    rig_stop(&r);
}

/* More messages than the socket holds: the kernel drops some, among them that the address left. */
static void
lost_messages_lead_to_a_new_dump(void)
{
    struct rig r;
    FILE *batch;

    if (!in_namespace()) {
        return;
    }
    ip("link add side0 type veth peer name far0");
    ip("link set side0 up");
    ip("addr add 192.0.2.10/32 dev side0");
    rig_start(&r, "192.0.2.10", "192.0.2.12");
    CU_ASSERT_STRING_EQUAL(r.changes, "pa");
    batch = popen("ip -batch -", "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(batch);
    for (int i = 0; i < 4000; i++) {
        fputs("addr add 192.0.2.11/32 dev side0\naddr del 192.0.2.11/32 dev side0\n", batch);
    }
    fputs("addr del 192.0.2.10/32 dev side0\naddr add 192.0.2.12/32 dev side0\n", batch);
    CU_ASSERT_EQUAL(pclose(batch), 0);
    rig_catch_up(&r);
    CU_ASSERT_EQUAL(vip_watch_state(r.watch, &r.vips[0]), VIP_ABSENT);
    CU_ASSERT_EQUAL(vip_watch_state(r.watch, &r.vips[1]), VIP_PRESENT);
    ip("addr del 192.0.2.12/32 dev side0"); /* and it goes on listening */
    rig_catch_up(&r);
    CU_ASSERT_EQUAL(vip_watch_state(r.watch, &r.vips[1]), VIP_ABSENT);
    ip("link del side0");
    rig_stop(&r);
}

static void
what_is_watched_may_be_changed(void)
{
    struct rig r;
    struct netaddr other;
    struct vip_listener listener = { .on_change = on_change, .ctx = &r };

    if (!in_namespace()) {
        return;
    }
    ip("link add side0 type veth peer name far0");
    ip("link set side0 up");
    ip("addr add 192.0.2.10/32 dev side0");
    ip("addr add 192.0.2.11/32 dev side0");
    rig_start(&r, "192.0.2.10", NULL);
    CU_ASSERT_EQUAL_FATAL(netaddr_parse(SLICE_LIT("192.0.2.11"), &other), 0);
    vip_watch_listen(r.watch, &listener);
    CU_ASSERT_EQUAL(vip_watch_set(r.watch, &other, 1), 0);
    CU_ASSERT_STRING_EQUAL(r.changes, "paapp"); /* each change is told to both */
    CU_ASSERT_EQUAL(vip_watch_state(r.watch, &r.vips[0]), VIP_ABSENT);
    CU_ASSERT_EQUAL(vip_watch_state(r.watch, &other), VIP_PRESENT);
    vip_watch_unlisten(&listener);
    ip("link del side0");
    rig_catch_up(&r);
    CU_ASSERT_STRING_EQUAL(r.changes, "paappa");
    rig_stop(&r);
}

TEST_MAIN("vip_watch", TEST(an_ipv4_address_is_the_local_one),
    TEST(a_tentative_or_duplicate_ipv6_address_is_not_present),
    TEST(links_tell_up_and_loopback_but_bridge_ports_are_none),
    TEST(the_end_of_a_dump_and_its_troubles_are_flags), TEST(a_damaged_datagram_is_survived),
    TEST(an_address_is_followed_as_it_comes_and_goes),
    TEST(on_two_interfaces_it_stays_until_both_are_gone),
    TEST(the_net_of_a_loopback_interface_is_local_as_a_whole),
    TEST(a_tentative_address_becomes_present_when_its_check_ends),
    TEST(lost_messages_lead_to_a_new_dump), TEST(what_is_watched_may_be_changed))
