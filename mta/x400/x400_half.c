/* x400_half.c - the tables of both halves, and their names. */
#include "x400/x400_half.h"

/* clang-format off */
#define IN(event, head, take, skip, refused, ask, commit)                                          \
    [X400_IN_##event] = { X400_IN_##head, X400_IN_##take, X400_IN_##skip, X400_IN_##refused,       \
        X400_IN_##ask, X400_IN_##commit, X400_IN_NEVER }
static const uint8_t in_table[X400_IN_EVENT_COUNT][X400_IN_STATE_COUNT] = {
    /*           head         take         skip         refused ask          commit */
    IN(OCTETS,   READ,        READ,        READ,        DROP,   NEVER,       NEVER),
    IN(ACCEPTED, OPEN,        NEVER,       NEVER,       NEVER,  NEVER,       NEVER),
    IN(NOBODY,   SKIP_REST,   SKIP_REST,   NEVER,       NEVER,  NEVER,       NEVER),
    IN(BAD,      REPORT_BAD,  REPORT_BAD,  REPORT_BAD,  NEVER,  NEVER,       REPORT_BAD),
    IN(NO_ROOM,  REPORT_BUSY, REPORT_BUSY, REPORT_BUSY, NEVER,  REPORT_BUSY, REPORT_BUSY),
    IN(END,      NEVER,       ASK_KNOWN,   ASK_KNOWN,   DROP,   NEVER,       NEVER),
    IN(NEW,      NEVER,       NEVER,       NEVER,       NEVER,  WRITE_DOWN,  NEVER),
    IN(KNOWN,    NEVER,       NEVER,       NEVER,       NEVER,  CONFIRM,     CONFIRM),
    IN(UNKNOWN,  NEVER,       NEVER,       NEVER,       NEVER,  ASK_AGAIN,   NEVER),
    IN(NOTHING,  NEVER,       NEVER,       NEVER,       NEVER,  NEVER,       CONFIRM),
    IN(DURABLE,  NEVER,       NEVER,       NEVER,       NEVER,  NEVER,       CONFIRM),
    IN(UNSURE,   NEVER,       NEVER,       NEVER,       NEVER,  NEVER,       REPORT_BUSY),
    IN(STOPPED,  FORGET,      FORGET,      FORGET,      FORGET, FORGET,      GO_ON),
    IN(LOST,     FORGET,      FORGET,      FORGET,      FORGET, FORGET,      GO_ON),
};

#define OUT(event, find, turn, begin, send, last, wait, stop, idle)                                \
    [X400_OUT_##event] = { X400_OUT_##find, X400_OUT_##turn, X400_OUT_##begin, X400_OUT_##send,    \
        X400_OUT_##last, X400_OUT_##wait, X400_OUT_##stop, X400_OUT_##idle, X400_OUT_IGNORE }
static const uint8_t out_table[X400_OUT_EVENT_COUNT][X400_OUT_STATE_COUNT] = {
    /*            find       turn       begin      send       last       wait       stop       idle */
    OUT(OPENED,   ASK_TURN,  NEVER,     NEVER,     NEVER,     NEVER,     NEVER,     NEVER,     NEVER),
    OUT(HAS_TURN, NEVER,     PREPARE,   IGNORE,    IGNORE,    IGNORE,    IGNORE,    IGNORE,    IGNORE),
    OUT(READY,    IGNORE,    IGNORE,    PREPARE,   WRITE,     PERMIT,    IGNORE,    IGNORE,    IGNORE),
    OUT(ROOM,     NEVER,     IGNORE,    IGNORE,    WRITE,     IGNORE,    IGNORE,    IGNORE,    IGNORE),
    OUT(UNFIT,    NEVER,     NEVER,     FAIL,      NEVER,     NEVER,     NEVER,     NEVER,     NEVER),
    OUT(OURS,     NEVER,     NEVER,     END_DEFER, DISCARD,   END_DEFER, NEVER,     NEVER,     NEVER),
    OUT(WRITTEN,  NEVER,     NEVER,     NEVER,     AWAIT,     AWAIT,     NEVER,     NEVER,     NEVER),
    OUT(SENT,     NEVER,     NEVER,     NEVER,     NEVER,     NEVER,     DELIVER,   NEVER,     NEVER),
    OUT(FAILED,   NEVER,     NEVER,     NEVER,     DEFER,     DEFER,     DEFER,     DEFER,     NEVER),
    OUT(WORK,     NEVER,     NEVER,     NEVER,     NEVER,     NEVER,     NEVER,     NEVER,     ASK_TURN),
    OUT(CLOSE,    END_DEFER, IGNORE,    IGNORE,    IGNORE,    IGNORE,    IGNORE,    IGNORE,    END),
    OUT(ABORT,    END_DEFER, END_DEFER, END_DEFER, END_DEFER, END_DEFER, END_DOUBT, END_DEFER, END),
    OUT(LOST,     END_DEFER, END_DEFER, END_DEFER, END_DEFER, END_DEFER, END_DOUBT, END_DEFER, END),
};
/* clang-format on */

enum x400_in_step
x400_in_row(enum x400_in_state s, enum x400_in_event e)
{
    CHECK((unsigned)s < X400_IN_STATE_COUNT && (unsigned)e < X400_IN_EVENT_COUNT);
    return (enum x400_in_step)in_table[e][s];
}

enum x400_out_step
x400_out_row(enum x400_out_state s, enum x400_out_event e)
{
    CHECK((unsigned)s < X400_OUT_STATE_COUNT && (unsigned)e < X400_OUT_EVENT_COUNT);
    return (enum x400_out_step)out_table[e][s];
}

#define NAMES(function, type, count, ...)                                                          \
    const char *function(type value)                                                               \
    {                                                                                              \
        static const char *const names[] = { __VA_ARGS__ };                                        \
        _Static_assert(ARRAY_LEN(names) == (count), "each has a name");                            \
        return (size_t)value < (count) ? names[value] : "?";                                       \
    }

NAMES(x400_in_state_name, enum x400_in_state, X400_IN_STATE_COUNT, "head", "take", "skip",
    "refused", "ask", "commit", "over")
NAMES(x400_in_event_name, enum x400_in_event, X400_IN_EVENT_COUNT, "octets", "accepted", "nobody",
    "bad", "no-room", "end", "new", "known", "unknown", "nothing", "durable", "unsure", "stopped",
    "lost")
NAMES(x400_in_step_name, enum x400_in_step, X400_IN_STEP_COUNT, "read", "drop", "open", "skip-rest",
    "report-bad", "report-busy", "ask-known", "ask-again", "write-down", "confirm", "forget",
    "go-on", "-")
NAMES(x400_out_state_name, enum x400_out_state, X400_OUT_STATE_COUNT, "find", "turn", "begin",
    "send", "last", "wait", "stop", "idle", "over")
NAMES(x400_out_event_name, enum x400_out_event, X400_OUT_EVENT_COUNT, "opened", "has-turn", "ready",
    "room", "unfit", "ours", "written", "sent", "failed", "work", "close", "abort", "lost")
NAMES(x400_out_step_name, enum x400_out_step, X400_OUT_STEP_COUNT, "ask-turn", "prepare", "write",
    "permit", "fail", "discard", "await", "deliver", "defer", "end", "end-defer", "end-doubt",
    "ignore", "-")
