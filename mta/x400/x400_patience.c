#include "x400/x400_patience.h"

void
x400_patience_begin(struct x400_patience *p)
{
    *p = (struct x400_patience){ .bytes = 0 };
}

void
x400_patience_came(struct x400_patience *p, uint64_t bytes)
{
    p->bytes += bytes;
}

uint64_t
x400_patience_wait(struct x400_patience *p, uint64_t now_ms, uint64_t each_ms, uint64_t kib_ms)
{
    uint64_t all_ms = each_ms + p->bytes / KIB * kib_ms;
    uint64_t left_ms = all_ms - MIN(p->waited_ms, all_ms);

    p->waiting = true;
    p->since_ms = now_ms;
    p->slow = left_ms < each_ms;
    return MIN(left_ms, each_ms);
}

void
x400_patience_stop(struct x400_patience *p, uint64_t now_ms)
{
    if (p->waiting) {
        p->waited_ms += now_ms - MIN(p->since_ms, now_ms);
        p->waiting = false;
    }
}
