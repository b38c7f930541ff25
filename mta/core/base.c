#include "core/base.h"
#include "core/log.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libuv passes -errno, but for the end of a stream: uv.h is not ours to include here. */
#define LIBUV_EOF (-4095)

static const char *
own_error_text(enum bh_error code)
{
    switch (code) {
    case BH_EFENCED:
        return "ownership of the store was lost";
    case BH_EOWNED:
        return "the store belongs to another owner";
    case BH_EFORMAT:
        return "a format or version that this release does not read";
    case BH_EDAMAGED:
        return "damaged: a checksum failed";
    case BH_ENOSTORE:
        return "no store here, or its filesystem is not mounted";
    case BH_ESYNTAX:
        return "syntax error";
    case BH_ETOOBIG:
        return "beyond a limit";
    case BH_ECONFIG:
        return "the configuration was refused";
    case BH_ENOVIP:
        return "the source address is not on this host";
    case BH_ENOTFOUND:
        return "not found";
    case BH_EQUORUM:
        return "quorum lost";
    case BH_ECLUSTER:
        return "corosync cannot be reached";
    case BH_EBUSY:
        return "busy: not now";
    case BH_ESTATE:
        return "not possible in this state";
    case BH_EDNS_NONE:
        return "DNS: the name or record does not exist";
    case BH_EDNS_TEMP:
        return "DNS: temporary failure";
    }
    return "unknown error";
}

const char *
error_text(int code)
{
    const char *text;

    if (code == 0) {
        return "success";
    }
    if (code == LIBUV_EOF) {
        return "end of stream";
    }
    if (code <= -20000) {
        return own_error_text((enum bh_error)code);
    }
    /* strerror shares a buffer between threads; this is constant text */
    text = code < 0 ? strerrordesc_np(-code) : NULL;
    return text != NULL ? text : "unknown error";
}

void
check_failed(const char *cond, const char *file, int line)
{
    static atomic_flag dumping = ATOMIC_FLAG_INIT;

    fprintf(stderr, "%s:%d: CHECK failed: %s\n", file, line, cond);
    /* A CHECK inside the dump itself must not come back here. */
    if (!atomic_flag_test_and_set(&dumping)) {
        (void)log_dump_blackbox();
    }
    abort();
}
