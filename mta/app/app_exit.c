#include "app/app.h"
#include "bridgehead/exit_codes.h"
#include "core/log.h"
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define END_MAX_S 3 /* for the last lines and the flight recorder */

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

enum bridgehead_event
app_failure_event(int rc)
{
    switch (rc) {
    case BH_ENOSTORE:
        return EV_APP_NO_STORE;
    case BH_EOWNED:
        return EV_APP_STORE_OWNED;
    case BH_EFORMAT:
    case BH_EDAMAGED:
        return EV_APP_STORE_DAMAGED;
    default:
        return EV_APP_FAILED;
    }
}

const char *
app_event_name(enum bridgehead_event event)
{
    static const struct {
        enum bridgehead_event event;
        const char *name;
    } names[] = {
#define EVENT_NAME(symbol, number, name, level, what, cure) { symbol, name },
        BRIDGEHEAD_EVENTS(EVENT_NAME)
#undef EVENT_NAME
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (names[i].event == event) {
            return names[i].name;
        }
    }
    return "";
}

void
app_failure_text(enum bridgehead_event event, const char *text, char *out, size_t cap)
{
    (void)snprintf(out, cap, "%s [%d %s]", text, (int)event, app_event_name(event));
}

void
app_log_conf_error(void *ctx, const struct conf_error *e)
{
    (void)ctx;
    log_event(app_conf_error_event(e), LF_STR("file", e->file), LF_INT("line", e->line),
        LF_STR("key", e->key), LF_STR("why", e->message), LF_STR("cure", e->cure));
}

void
app_report_conf_error(void *ctx, const struct conf_error *e)
{
    char line[1024], tagged[1100];

    app_conf_error_text(e, line, sizeof(line));
    app_failure_text(app_conf_error_event(e), line, tagged, sizeof(tagged));
    (void)fprintf(stderr, "bridgeheadd: %s\n", tagged);
    app_log_conf_error(ctx, e);
}

static volatile sig_atomic_t end_code;

static void
on_end_alarm(int signo)
{
    (void)signo;
    _exit(end_code);
}

void
app_end_soon(int code)
{
    end_code = code;
    (void)signal(SIGALRM, on_end_alarm);
    (void)alarm(END_MAX_S);
}
