/* vip_netlink.c - rtnetlink datagrams to vip_messages. Pure.
 *
 * The bytes come from the kernel, but are read as if they came from a stranger: structs are copied
 * out, every length is checked against what is left.
 */
#include "net/vip_watch.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

static size_t
align4(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

/* Next attribute of a message; false at the end or when its length makes no sense. */
static bool
next_attribute(struct slice *rest, unsigned *type, struct slice *value)
{
    struct rtattr head;

    if (rest->n < sizeof(head)) {
        return false;
    }
    memcpy(&head, rest->p, sizeof(head));
    if (head.rta_len < sizeof(head) || head.rta_len > rest->n) {
        return false;
    }
    *type = head.rta_type & (unsigned)NLA_TYPE_MASK;
    *value = slice_sub(*rest, sizeof(head), head.rta_len - sizeof(head));
    *rest = slice_skip(*rest, align4(head.rta_len));
    return true;
}

static enum vip_state
state_of_flags(uint32_t flags)
{
    return (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0 ? VIP_TENTATIVE : VIP_PRESENT;
}

static void
parse_address(struct slice body, bool removed, vip_message_fn *each, void *ctx)
{
    struct vip_message m = { .kind = VIP_MESSAGE_ADDRESS };
    struct slice address = SLICE_NONE, local = SLICE_NONE, value;
    struct ifaddrmsg head;
    uint32_t flags;
    unsigned type;
    size_t wanted;

    if (body.n < sizeof(head)) {
        return;
    }
    memcpy(&head, body.p, sizeof(head));
    flags = head.ifa_flags;
    wanted = head.ifa_family == AF_INET ? 4 : head.ifa_family == AF_INET6 ? 16 : 0;
    for (struct slice rest = slice_skip(body, align4(sizeof(head)));
         next_attribute(&rest, &type, &value);) {
        if (type == IFA_LOCAL) {
            local = value;
        } else if (type == IFA_ADDRESS) {
            address = value;
        } else if (type == IFA_FLAGS && value.n == sizeof(flags)) {
            memcpy(&flags, value.p, sizeof(flags)); /* all bits; the head has only eight */
        }
    }
    if (local.n == 0) {
        local = address; /* they differ on point-to-point links, where ADDRESS is the peer's */
    }
    if (wanted == 0 || local.n != wanted || head.ifa_prefixlen > wanted * 8) {
        return;
    }
    m.ifindex = head.ifa_index;
    m.address.net.family = head.ifa_family;
    m.address.bits = head.ifa_prefixlen;
    memcpy(m.address.net.bytes, local.p, wanted);
    if (wanted == 16 && m.address.net.bytes[0] == 0xfe && (m.address.net.bytes[1] & 0xc0) == 0x80) {
        m.address.net.scope_id = head.ifa_index;
    }
    m.state = removed ? VIP_ABSENT : state_of_flags(flags);
    each(ctx, &m);
}

static void
parse_link(struct slice body, bool removed, vip_message_fn *each, void *ctx)
{
    struct vip_message m = { .kind = VIP_MESSAGE_LINK };
    struct ifinfomsg head;

    if (body.n < sizeof(head)) {
        return;
    }
    memcpy(&head, body.p, sizeof(head));
    if (head.ifi_family != AF_UNSPEC || head.ifi_index <= 0) {
        return; /* AF_BRIDGE "removes" a port from its bridge, not the link */
    }
    m.ifindex = (unsigned)head.ifi_index;
    if (!removed) {
        m.up = (head.ifi_flags & IFF_UP) != 0;
        m.loopback = (head.ifi_flags & IFF_LOOPBACK) != 0;
    }
    each(ctx, &m);
}

static int
parse_error(struct slice body)
{
    int32_t code;

    if (body.n < sizeof(code)) {
        return BH_ESYNTAX;
    }
    memcpy(&code, body.p, sizeof(code));
    if (code > 0 || code < -4095) {
        return BH_ESYNTAX;
    }
    return code; /* 0: an acknowledgement */
}

static int
parse_message(const struct nlmsghdr *head, struct slice body, vip_message_fn *each, void *ctx,
    unsigned *flags)
{
    if ((head->nlmsg_flags & NLM_F_DUMP_INTR) != 0) {
        *flags |= VIP_PARSE_INTERRUPTED;
    }
    switch (head->nlmsg_type) {
    case NLMSG_DONE:
        *flags |= VIP_PARSE_DONE;
        return body.n >= 4 ? parse_error(body) : 0;
    case NLMSG_ERROR:
        return parse_error(body);
    case RTM_NEWADDR:
    case RTM_DELADDR:
        parse_address(body, head->nlmsg_type == RTM_DELADDR, each, ctx);
        return 0;
    case RTM_NEWLINK:
    case RTM_DELLINK:
        parse_link(body, head->nlmsg_type == RTM_DELLINK, each, ctx);
        return 0;
    default:
        return 0; /* not asked for */
    }
}

int
vip_watch_parse(struct slice datagram, vip_message_fn *each, void *ctx, unsigned *flags)
{
    struct slice rest = datagram;

    *flags = 0;
    while (rest.n > 0) {
        struct nlmsghdr head;
        int rc;

        if (rest.n < sizeof(head)) {
            return BH_ESYNTAX;
        }
        memcpy(&head, rest.p, sizeof(head));
        if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > rest.n) {
            return BH_ESYNTAX;
        }
        rc = parse_message(&head,
            slice_sub(rest, align4(sizeof(head)), head.nlmsg_len - sizeof(head)), each, ctx, flags);
        if (rc < 0) {
            return rc;
        }
        rest = slice_skip(rest, align4(head.nlmsg_len));
    }
    return 0;
}
