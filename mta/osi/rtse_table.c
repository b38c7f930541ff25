/* rtse_table.c - what the session tells, and what that does in which state. */
#include "osi/rtse.h"

#define S(x) [RTSE_##x]
/* The columns are the states. In answer and secure nothing is taken from below. */
#define ROW(event, idle, wait_open, turn, no_turn, send, wait_sent, wait_stop, receive, reported,  \
    giving, wait_close)                                                                            \
    [SESSION_IND_##event] = {                                                                      \
        S(IDLE) = RTSE_STEP_##idle,                                                                \
        S(WAIT_OPEN) = RTSE_STEP_##wait_open,                                                      \
        S(ANSWER) = RTSE_STEP_IGNORE,                                                              \
        S(TURN) = RTSE_STEP_##turn,                                                                \
        S(NO_TURN) = RTSE_STEP_##no_turn,                                                          \
        S(SEND) = RTSE_STEP_##send,                                                                \
        S(WAIT_SENT) = RTSE_STEP_##wait_sent,                                                      \
        S(WAIT_STOP) = RTSE_STEP_##wait_stop,                                                      \
        S(RECEIVE) = RTSE_STEP_##receive,                                                          \
        S(SECURE) = RTSE_STEP_IGNORE,                                                              \
        S(REPORTED) = RTSE_STEP_##reported,                                                        \
        S(GIVING) = RTSE_STEP_##giving,                                                            \
        S(WAIT_CLOSE) = RTSE_STEP_##wait_close,                                                    \
        S(OVER) = RTSE_STEP_IGNORE,                                                                \
    }

/* clang-format off */
static const uint8_t table[RTSE_LOST][RTSE_STATE_COUNT] = {
    /*               idle      wait-open turn      no-turn   send       wait-sent  wait-stop receive   reported  giving    wait-close */
    ROW(CONNECT,     ASK,      PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL),
    ROW(ACCEPTED,    PROTOCOL, OPENED,   PROTOCOL, PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL),
    ROW(REFUSED,     PROTOCOL, REFUSED,  PROTOCOL, PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL),
    ROW(DATA,        PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL, OCTETS,   DROP,     PROTOCOL, PROTOCOL),
    ROW(MINOR,       PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL, POINT,    DROP,     PROTOCOL, PROTOCOL),
    ROW(MINOR_ACK,   PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, CONFIRMED, CONFIRMED, DROP,     PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL),
    ROW(START,       PROTOCOL, PROTOCOL, PROTOCOL, BEGIN,    PROTOCOL,  PROTOCOL,  PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL),
    ROW(RESUME,      PROTOCOL, PROTOCOL, PROTOCOL, RESUME,   PROTOCOL,  PROTOCOL,  PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL),
    ROW(END,         PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL, END,      DROP,     PROTOCOL, PROTOCOL),
    ROW(END_ACK,     PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL,  SENT,      DROP,     PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL),
    ROW(INTERRUPT,   PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL, STOPPED,  STOPPED,  PROTOCOL, PROTOCOL),
    ROW(INTERRUPTED, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL,  PROTOCOL,  FAILED,   PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL),
    ROW(DISCARD,     PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL, STOPPED,  STOPPED,  PROTOCOL, PROTOCOL),
    ROW(DISCARDED,   PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL,  PROTOCOL,  FAILED,   PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL),
    ROW(PLEASE,      PROTOCOL, PROTOCOL, PLEASE,   DROP,     PLEASE,    PLEASE,    PLEASE,   DROP,     DROP,     DROP,     DROP),
    ROW(TURN,        PROTOCOL, PROTOCOL, PROTOCOL, TURN,     PROTOCOL,  PROTOCOL,  PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL),
    ROW(GAVE,        PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL, PROTOCOL, PROTOCOL, GAVE,     PROTOCOL),
    ROW(EXCEPTION,   PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, STOP,      STOP,      DROP,     PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL),
    ROW(RELEASE,     PROTOCOL, PROTOCOL, CLOSE,    CLOSE,    PROTOCOL,  PROTOCOL,  PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL),
    ROW(RELEASED,    PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, CLOSED),
    ROW(ABORT,       ABORT,    ABORT,    ABORT,    ABORT,    ABORT,     ABORT,     ABORT,    ABORT,    ABORT,    ABORT,    ABORT),
};
/* clang-format on */

static const char *const state_names[RTSE_STATE_COUNT] = {
    S(IDLE) = "idle",
    S(WAIT_OPEN) = "wait-open",
    S(ANSWER) = "answer",
    S(TURN) = "turn",
    S(NO_TURN) = "no-turn",
    S(SEND) = "send",
    S(WAIT_SENT) = "wait-sent",
    S(WAIT_STOP) = "wait-stop",
    S(RECEIVE) = "receive",
    S(SECURE) = "secure",
    S(REPORTED) = "reported",
    S(GIVING) = "giving",
    S(WAIT_CLOSE) = "wait-close",
    S(OVER) = "over",
};

static const char *const event_names[RTSE_EVENT_COUNT] = { "more", "connect", "accepted", "refused",
    "data", "minor", "minor-ack", "start", "resume", "end", "end-ack", "interrupt", "interrupted",
    "discard", "discarded", "please", "turn", "gave", "exception", "release", "released", "abort",
    "lost" };

static const char *const step_names[RTSE_STEP_COUNT] = { "ask", "opened", "refused", "begin",
    "resume", "octets", "point", "confirmed", "end", "sent", "stopped", "failed", "stop", "please",
    "turn", "gave", "close", "closed", "abort", "protocol", "drop", "lose", "ignore" };

enum rtse_step
rtse_row(enum rtse_state s, unsigned event)
{
    CHECK(event > SESSION_IND_MORE && event < RTSE_EVENT_COUNT);
    if (event == RTSE_LOST) {
        return s == RTSE_OVER ? RTSE_STEP_IGNORE : RTSE_STEP_LOSE;
    }
    return (enum rtse_step)table[event][s];
}

const char *
rtse_state_name(enum rtse_state s)
{
    return state_names[s];
}

const char *
rtse_event_name(unsigned event)
{
    return event_names[event];
}

const char *
rtse_step_name(enum rtse_step s)
{
    return step_names[s];
}

const char *
rtse_abort_text(unsigned reason)
{
    static const char *const texts[] = { "the peer aborted: a local system problem",
        "the peer aborted: an invalid parameter", "the peer aborted: an unrecognized activity",
        "the peer aborted: a temporary problem", "the peer aborted: a protocol error of ours",
        "the peer aborted: a permanent error", "the peer's user aborted",
        "the peer aborted: this transfer is already completed" };

    return reason < ARRAY_LEN(texts) ? texts[reason] : "the peer aborted, its reason is unknown";
}

const char *
rtse_refuse_text(unsigned reason)
{
    static const char *const texts[] = { "the peer is busy",
        "the peer cannot recover the association",
        "the peer does not accept the names or passwords of the bind",
        "the peer does not accept the dialogue mode" };

    return reason < ARRAY_LEN(texts) ? texts[reason]
                                     : "the peer refuses the association, its reason is unknown";
}
