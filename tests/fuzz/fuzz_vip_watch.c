/* links: net */
/* vip_watch_parse reads any datagram without leaving it, and what it gives is in range. */
#include "net/vip_watch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_message(void *ctx, const struct vip_message *m)
{
    unsigned *count = ctx;

    (*count)++;
    CHECK(m->kind == VIP_MESSAGE_ADDRESS || m->kind == VIP_MESSAGE_LINK);
    if (m->kind == VIP_MESSAGE_ADDRESS) {
        CHECK(m->address.net.family != 0 && m->address.bits <= 128);
        CHECK(m->state == VIP_ABSENT || m->state == VIP_TENTATIVE || m->state == VIP_PRESENT);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned count = 0, flags;
    int rc =
        vip_watch_parse((struct slice){ (const char *)data, size }, on_message, &count, &flags);

    CHECK(rc <= 0);
    CHECK(count <= size / 16); /* a message has a head */
    return 0;
}
