/* session_table.c - which SPDU does what in which state, and what all of these are called. */
#include "osi/session.h"

#define S(x) [SESSION_##x]
/* The columns are the states, in the enum's order. Where an answer of ours is awaited (answer, end,
 * release) no octet is taken, so that nothing but the loss of the connection can come. */
#define ROW(event, idle, wait_ac, open, wait_aea, wait_aia, wait_ada, wait_gta, reported,          \
    exception, wait_dn)                                                                            \
    [SESSION_##event] = {                                                                          \
        S(IDLE) = SESSION_STEP_##idle,                                                             \
        S(WAIT_AC) = SESSION_STEP_##wait_ac,                                                       \
        S(ANSWER) = SESSION_STEP_IGNORE,                                                           \
        S(OPEN) = SESSION_STEP_##open,                                                             \
        S(WAIT_AEA) = SESSION_STEP_##wait_aea,                                                     \
        S(END) = SESSION_STEP_IGNORE,                                                              \
        S(WAIT_AIA) = SESSION_STEP_##wait_aia,                                                     \
        S(WAIT_ADA) = SESSION_STEP_##wait_ada,                                                     \
        S(WAIT_GTA) = SESSION_STEP_##wait_gta,                                                     \
        S(REPORTED) = SESSION_STEP_##reported,                                                     \
        S(EXCEPTION) = SESSION_STEP_##exception,                                                   \
        S(WAIT_DN) = SESSION_STEP_##wait_dn,                                                       \
        S(RELEASE) = SESSION_STEP_IGNORE,                                                          \
        S(OVER) = SESSION_STEP_IGNORE,                                                             \
    }

/* clang-format off */
static const uint8_t table[SESSION_EVENT_COUNT][SESSION_STATE_COUNT] = {
    /*        idle      wait-ac   open       wait-aea   wait-aia     wait-ada   wait-gta  reported   exception  wait-dn */
    ROW(CN,   CONNECT,  PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL,    PROTOCOL,  PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL),
    ROW(AC,   PROTOCOL, ACCEPTED, PROTOCOL,  PROTOCOL,  PROTOCOL,    PROTOCOL,  PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL),
    ROW(RF,   PROTOCOL, REFUSED,  PROTOCOL,  PROTOCOL,  PROTOCOL,    PROTOCOL,  PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL),
    ROW(DT,   PROTOCOL, PROTOCOL, DATA,      PROTOCOL,  PROTOCOL,    PROTOCOL,  PROTOCOL, DROP,      PROTOCOL,  PROTOCOL),
    ROW(MIP,  PROTOCOL, PROTOCOL, MINOR,     PROTOCOL,  PROTOCOL,    PROTOCOL,  PROTOCOL, DROP,      PROTOCOL,  PROTOCOL),
    ROW(MIA,  PROTOCOL, PROTOCOL, MINOR_ACK, MINOR_ACK, DROP,        DROP,      PROTOCOL, PROTOCOL,  DROP,      PROTOCOL),
    ROW(AS,   PROTOCOL, PROTOCOL, START,     PROTOCOL,  PROTOCOL,    PROTOCOL,  PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL),
    ROW(AR,   PROTOCOL, PROTOCOL, RESUME,    PROTOCOL,  PROTOCOL,    PROTOCOL,  PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL),
    ROW(AE,   PROTOCOL, PROTOCOL, END,       PROTOCOL,  PROTOCOL,    PROTOCOL,  PROTOCOL, DROP,      PROTOCOL,  PROTOCOL),
    ROW(AEA,  PROTOCOL, PROTOCOL, PROTOCOL,  END_ACK,   DROP,        DROP,      PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL),
    ROW(AI,   PROTOCOL, PROTOCOL, INTERRUPT, PROTOCOL,  PROTOCOL,    PROTOCOL,  PROTOCOL, INTERRUPT, PROTOCOL,  PROTOCOL),
    ROW(AIA,  PROTOCOL, PROTOCOL, PROTOCOL,  PROTOCOL,  INTERRUPTED, PROTOCOL,  PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL),
    ROW(AD,   PROTOCOL, PROTOCOL, DISCARD,   PROTOCOL,  PROTOCOL,    PROTOCOL,  PROTOCOL, DISCARD,   PROTOCOL,  PROTOCOL),
    ROW(ADA,  PROTOCOL, PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL,    DISCARDED, PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL),
    ROW(PT,   PROTOCOL, PROTOCOL, PLEASE,    PLEASE,    PLEASE,      PLEASE,    DROP,     DROP,      PLEASE,    DROP),
    ROW(GTC,  PROTOCOL, PROTOCOL, TURN,      PROTOCOL,  PROTOCOL,    PROTOCOL,  PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL),
    ROW(GTA,  PROTOCOL, PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL,    PROTOCOL,  GAVE,     PROTOCOL,  PROTOCOL,  PROTOCOL),
    ROW(ED,   PROTOCOL, PROTOCOL, EXCEPTION, EXCEPTION, DROP,        DROP,      PROTOCOL, PROTOCOL,  DROP,      PROTOCOL),
    ROW(ER,   PROTOCOL, PROTOCOL, EXCEPTION, EXCEPTION, DROP,        DROP,      PROTOCOL, PROTOCOL,  DROP,      PROTOCOL),
    ROW(FN,   PROTOCOL, PROTOCOL, RELEASE,   PROTOCOL,  PROTOCOL,    PROTOCOL,  PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL),
    ROW(DN,   PROTOCOL, PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL,    PROTOCOL,  PROTOCOL, PROTOCOL,  PROTOCOL,  RELEASED),
    ROW(AB,   ABORT,    ABORT,    ABORT,     ABORT,     ABORT,       ABORT,     ABORT,    ABORT,     ABORT,     ABORT),
    ROW(AA,   PROTOCOL, PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL,    PROTOCOL,  PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL),
    ROW(BAD,  PROTOCOL, PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL,    PROTOCOL,  PROTOCOL, PROTOCOL,  PROTOCOL,  PROTOCOL),
    ROW(LOST, LOSE,     LOSE,     LOSE,      LOSE,      LOSE,        LOSE,      LOSE,     LOSE,      LOSE,      LOSE),
};
/* clang-format on */

static const char *const state_names[SESSION_STATE_COUNT] = {
    S(IDLE) = "idle",
    S(WAIT_AC) = "wait-ac",
    S(ANSWER) = "answer",
    S(OPEN) = "open",
    S(WAIT_AEA) = "wait-aea",
    S(END) = "end",
    S(WAIT_AIA) = "wait-aia",
    S(WAIT_ADA) = "wait-ada",
    S(WAIT_GTA) = "wait-gta",
    S(REPORTED) = "reported",
    S(EXCEPTION) = "exception",
    S(WAIT_DN) = "wait-dn",
    S(RELEASE) = "release",
    S(OVER) = "over",
};

static const char *const event_names[SESSION_EVENT_COUNT] = { "cn", "ac", "rf", "dt", "mip", "mia",
    "as", "ar", "ae", "aea", "ai", "aia", "ad", "ada", "pt", "gtc", "gta", "ed", "er", "fn", "dn",
    "ab", "aa", "bad", "lost" };

static const char *const step_names[SESSION_STEP_COUNT] = {
    S(STEP_CONNECT) = "connect",
    S(STEP_ACCEPTED) = "accepted",
    S(STEP_REFUSED) = "refused",
    S(STEP_DATA) = "data",
    S(STEP_MINOR) = "minor",
    S(STEP_MINOR_ACK) = "minor-ack",
    S(STEP_START) = "start",
    S(STEP_RESUME) = "resume",
    S(STEP_END) = "end",
    S(STEP_END_ACK) = "end-ack",
    S(STEP_INTERRUPT) = "interrupt",
    S(STEP_INTERRUPTED) = "interrupted",
    S(STEP_DISCARD) = "discard",
    S(STEP_DISCARDED) = "discarded",
    S(STEP_PLEASE) = "please",
    S(STEP_TURN) = "turn",
    S(STEP_GAVE) = "gave",
    S(STEP_EXCEPTION) = "exception",
    S(STEP_RELEASE) = "release",
    S(STEP_RELEASED) = "released",
    S(STEP_ABORT) = "abort",
    S(STEP_PROTOCOL) = "protocol",
    S(STEP_DROP) = "drop",
    S(STEP_LOSE) = "lose",
    S(STEP_IGNORE) = "ignore",
};

enum session_step
session_row(enum session_state s, enum session_event e)
{
    if (e == SESSION_LOST && s != SESSION_OVER) {
        return SESSION_STEP_LOSE;
    }
    return (enum session_step)table[e][s];
}

const char *
session_state_name(enum session_state s)
{
    return state_names[s];
}

const char *
session_event_name(enum session_event e)
{
    return event_names[e];
}

const char *
session_step_name(enum session_step s)
{
    return step_names[s];
}

struct reason {
    unsigned reason;
    const char *text;
};

static const char *
text_of(const struct reason *known, size_t n, unsigned reason)
{
    for (size_t i = 0; i < n; i++) {
        if (known[i].reason == reason) {
            return known[i].text;
        }
    }
    return "an unknown reason";
}

const char *
session_refuse_text(unsigned reason)
{
    static const struct reason known[] = {
        { SESSION_REFUSE_USER, "refused by the called user, no reason given" },
        { SESSION_REFUSE_CONGESTION, "the called user is congested" },
        { SESSION_REFUSE_DATA, "refused by the called user" },
        { SESSION_REFUSE_SELECTOR, "the called session selector is unknown" },
        { SESSION_REFUSE_NOT_ATTACHED, "nobody is attached to the called session selector" },
        { SESSION_REFUSE_PROVIDER, "congestion at connect time" },
        { SESSION_REFUSE_VERSION, "the proposed protocol versions are not supported" },
    };

    return text_of(known, ARRAY_LEN(known), reason);
}

const char *
session_reason_text(unsigned reason)
{
    static const struct reason known[] = {
        { SESSION_REASON_NONE, "no reason given" },
        { SESSION_REASON_RECEIVING, "the receiver may be unable to go on" },
        { SESSION_REASON_SEQUENCE, "a sequence error" },
        { SESSION_REASON_LOCAL, "an error of the user there" },
        { SESSION_REASON_PROCEDURAL, "an unrecoverable procedural error" },
        { SESSION_REASON_DEMAND_TOKEN, "the data token is demanded" },
    };

    return text_of(known, ARRAY_LEN(known), reason);
}
