#include "app/app.h"
#include "bridgehead/exit_codes.h"
#include "core/log.h"
#include <stdio.h>

int
app_exit_code(int rc)
{
    switch (rc) {
    case 0:
        return BRIDGEHEAD_EXIT_OK;
    case BH_ECONFIG:
        return BRIDGEHEAD_EXIT_CONFIG;
    case BH_ENOSTORE:
        return BRIDGEHEAD_EXIT_NO_STORE;
    case BH_EOWNED:
        return BRIDGEHEAD_EXIT_OWNED;
    case BH_EFORMAT:
    case BH_EDAMAGED:
        return BRIDGEHEAD_EXIT_DAMAGED;
    case -EADDRINUSE:
    case -EADDRNOTAVAIL:
    case BH_ENOVIP:
        return BRIDGEHEAD_EXIT_ADDRESS;
    case -EIO:
    case -ENOSPC:
        return BRIDGEHEAD_EXIT_WRITE_FAILED;
    case BH_EFENCED:
        return BRIDGEHEAD_EXIT_OWNERSHIP_LOST;
    case BH_EQUORUM:
        return BRIDGEHEAD_EXIT_QUORUM_LOST;
    case BH_ECLUSTER:
        return BRIDGEHEAD_EXIT_NO_COROSYNC;
    case BH_ENOTFOUND:
        return BRIDGEHEAD_EXIT_NOT_FOUND;
    case -ETIMEDOUT:
        return BRIDGEHEAD_EXIT_TIMEOUT;
    default:
        return BRIDGEHEAD_EXIT_FAILED;
    }
}

void
app_report_conf_error(void *ctx, const struct conf_error *e)
{
    char line[1024];

    (void)ctx;
    app_conf_error_text(e, line, sizeof(line));
    (void)fprintf(stderr, "bridgeheadd: %s\n", line);
    log_event(EV_CONF_INVALID, LF_STR("file", e->file), LF_INT("line", e->line),
        LF_STR("key", e->key), LF_STR("why", e->message), LF_STR("cure", e->cure));
}
