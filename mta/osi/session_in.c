/* session_in.c - SPDUs found in a stream of TSDU pieces, and the steps of the table. */
#include "osi/session_int.h"

#define DEFAULT_REQUIREMENTS 0x0349u /* when a CONNECT or ACCEPT names none (8.3.1.14) */

static const char no_order[] = "an SPDU that may not come now";
static const char no_memory[] = "out of memory";

/* One SPDU, read. */
struct spdu {
    enum session_event event;
    struct spdu_params p, link;
    const char *error; /* BAD: a sentence */
};

static enum session_ind_kind
protocol(struct session *s, const char *error, struct session_ind *ind)
{
    session_send_abort(s, ABORT_PROTOCOL_ERROR, SLICE_NONE);
    ind->error = error;
    ind->ours = true;
    return SESSION_IND_ABORT;
}

/* ---- connecting */

static bool
take_requirements(const struct spdu *u)
{
    uint32_t all = spdu_number(u->p.requirements, DEFAULT_REQUIREMENTS);

    return (all & SESSION_REQUIREMENTS) == SESSION_REQUIREMENTS;
}

static void
fill_connect(const struct spdu *u, struct session_ind *ind)
{
    struct session_connect *c = &ind->connect;

    c->calling = u->p.calling_selector;
    c->called = u->p.called_selector;
    c->reference.common = u->p.common_reference;
    c->reference.additional = u->p.additional_reference;
    c->user_data = u->p.user_data;
}

static enum session_ind_kind
connect_came(struct session *s, const struct spdu *u, struct session_ind *ind)
{
    uint32_t versions = spdu_number(u->p.version, VERSION_1);
    uint32_t tokens = spdu_number(u->p.token_setting, 0);

    if ((versions & (VERSION_1 | VERSION_2)) == 0 || !take_requirements(u)) {
        bool version = (versions & (VERSION_1 | VERSION_2)) == 0;

        (void)!session_send_refuse(
            s, version ? SESSION_REFUSE_VERSION : SESSION_REFUSE_USER, SLICE_NONE);
        ind->error = version ? "the peer offers neither session version 1 nor 2"
                             : "the peer does not offer the functional units of reliable transfer";
        ind->ours = true;
        return SESSION_IND_ABORT;
    }
    s->version = (versions & VERSION_2) != 0 ? 2 : 1;
    s->our_turn = (tokens & 3) == 1; /* 2: our choice; the initiator's, as with 0 */
    s->state = SESSION_ANSWER;
    fill_connect(u, ind);
    ind->connect.reference.user = u->p.calling_reference;
    ind->connect.initiator_has_turn = !s->our_turn;
    ind->connect.version = s->version;
    return SESSION_IND_CONNECT;
}

static enum session_ind_kind
accepted(struct session *s, const struct spdu *u, struct session_ind *ind)
{
    uint32_t versions = spdu_number(u->p.version, VERSION_1);

    if (!take_requirements(u)) {
        return protocol(
            s, "the peer accepts without the functional units of reliable transfer", ind);
    }
    if ((versions & VERSION_2) == 0 || s->version == 1) {
        s->version = 1;
    }
    s->state = SESSION_OPEN;
    fill_connect(u, ind);
    ind->connect.reference.user = u->p.called_reference;
    ind->connect.initiator_has_turn = s->our_turn;
    ind->connect.version = s->version;
    return SESSION_IND_ACCEPTED;
}

static enum session_ind_kind
refused(struct session *s, const struct spdu *u, struct session_ind *ind)
{
    s->state = SESSION_OVER;
    if (u->p.reason.n > 0) {
        ind->reason = (uint8_t)u->p.reason.p[0];
        ind->user_data = slice_skip(u->p.reason, 1);
    }
    return SESSION_IND_REFUSED;
}

static enum session_ind_kind
aborted(struct session *s, const struct spdu *u, struct session_ind *ind)
{
    uint32_t how = spdu_number(u->p.disconnect, 0);

    if ((how & ABORT_RELEASED) == 0 && s->below->state == TP0_OPEN && !s->in_ssdu) {
        (void)!session_send_plain(s, NO_PREFIX, SI_AA);
    }
    s->state = SESSION_OVER;
    ind->by_peer = (how & ABORT_BY_USER) != 0;
    ind->user_data = u->p.user_data;
    ind->error = (how & ABORT_PROTOCOL_ERROR) != 0 ? "the peer met a session protocol error of ours"
                 : ind->by_peer                    ? "the peer's user aborted"
                                                   : "the peer aborted without a reason";
    return SESSION_IND_ABORT;
}

/* ---- activities */

/* The next point: ours to take, if its number is the one that is due. */
static bool
take_serial(struct session *s, const struct spdu *u, struct session_ind *ind)
{
    if (s->our_turn || !s->activity || !spdu_serial(u->p.serial, &ind->serial) ||
        ind->serial != s->next || s->next >= SESSION_SERIAL_MAX) {
        return false;
    }
    s->next++;
    return true;
}

static enum session_ind_kind
point(struct session *s, const struct spdu *u, struct session_ind *ind)
{
    if (!take_serial(s, u, ind)) {
        return protocol(s, "a synchronization point out of order", ind);
    }
    if (u->event == SESSION_AE) {
        s->state = SESSION_END;
        return SESSION_IND_END;
    }
    return SESSION_IND_MINOR;
}

static enum session_ind_kind
point_confirmed(struct session *s, const struct spdu *u, struct session_ind *ind)
{
    bool end = u->event == SESSION_AEA;
    uint32_t points = s->next - (s->state == SESSION_WAIT_AEA); /* the end is not one */

    if (!s->our_turn || !s->activity || !spdu_serial(u->p.serial, &ind->serial) ||
        (end ? ind->serial != s->next - 1
             : ind->serial < s->unconfirmed || ind->serial >= points)) {
        return protocol(s, "a confirmation of a synchronization point that was not set", ind);
    }
    s->unconfirmed = ind->serial + 1;
    if (!end) {
        return SESSION_IND_MINOR_ACK;
    }
    s->state = SESSION_OPEN;
    s->activity = false;
    return SESSION_IND_END_ACK;
}

static enum session_ind_kind
started(struct session *s, const struct spdu *u, struct session_ind *ind)
{
    bool resumed = u->event == SESSION_AR;

    if (s->our_turn || s->activity) {
        return protocol(s, no_order, ind);
    }
    if (u->p.activity.n == 0 ||
        (resumed && (!spdu_serial(u->link.serial, &ind->serial) || u->link.activity.n == 0 ||
                        ind->serial >= SESSION_SERIAL_MAX - 1))) {
        return protocol(s, "an activity starts without its identifiers", ind);
    }
    s->activity = true;
    s->crossed = false;
    s->next = s->unconfirmed = ind->serial + 1;
    ind->activity = u->p.activity;
    ind->old_activity = u->link.activity;
    ind->link.user = u->link.calling_reference;
    ind->link.common = u->link.common_reference;
    ind->link.additional = u->link.additional_reference;
    return resumed ? SESSION_IND_RESUME : SESSION_IND_START;
}

/* Interrupted or discarded by the peer, who has the turn. */
static enum session_ind_kind
stopped(struct session *s, const struct spdu *u, struct session_ind *ind)
{
    bool interrupt = u->event == SESSION_AI, activity = s->activity;

    if (s->our_turn || (!activity && !s->crossed)) {
        return protocol(s, no_order, ind);
    }
    if (session_send_plain(s, SI_PT, interrupt ? SI_AIA : SI_ADA) < 0) {
        return protocol(s, no_memory, ind);
    }
    s->activity = false;
    s->crossed = false;
    s->state = SESSION_OPEN;
    ind->reason = spdu_number(u->p.reason, SESSION_REASON_NONE);
    if (!activity) {
        return SESSION_IND_MORE; /* it crossed our answer to the activity's end */
    }
    return interrupt ? SESSION_IND_INTERRUPT : SESSION_IND_DISCARD;
}

static enum session_ind_kind
stop_confirmed(struct session *s, const struct spdu *u)
{
    s->state = SESSION_OPEN;
    s->activity = false;
    return u->event == SESSION_AIA ? SESSION_IND_INTERRUPTED : SESSION_IND_DISCARDED;
}

static enum session_ind_kind
exception(struct session *s, const struct spdu *u, struct session_ind *ind)
{
    if (!s->our_turn || !s->activity) {
        return protocol(s, no_order, ind);
    }
    s->state = SESSION_EXCEPTION;
    ind->reason = u->event == SESSION_ER ? (unsigned)SESSION_REASON_PROCEDURAL
                                         : spdu_number(u->p.reason, SESSION_REASON_NONE);
    ind->user_data = u->p.user_data;
    return SESSION_IND_EXCEPTION;
}

/* ---- turn and release */

static enum session_ind_kind
turn_came(struct session *s, struct session_ind *ind)
{
    if (s->our_turn || s->activity) {
        return protocol(s, no_order, ind);
    }
    if (session_send_plain(s, NO_PREFIX, SI_GTA) < 0) {
        return protocol(s, no_memory, ind);
    }
    s->our_turn = true;
    s->crossed = false;
    return SESSION_IND_TURN;
}

static enum session_ind_kind
please(struct session *s, const struct spdu *u, struct session_ind *ind)
{
    if (!s->our_turn) {
        return SESSION_IND_MORE; /* it crossed our giving, or the peer is mistaken: harmless */
    }
    ind->user_data = u->p.user_data;
    return SESSION_IND_PLEASE;
}

static enum session_ind_kind
release_came(struct session *s, const struct spdu *u, struct session_ind *ind)
{
    if (s->activity) {
        return protocol(s, no_order, ind);
    }
    s->state = SESSION_RELEASE;
    ind->user_data = u->p.user_data;
    return SESSION_IND_RELEASE;
}

static enum session_ind_kind
take_step(struct session *s, const struct spdu *u, struct session_ind *ind)
{
    switch (session_row(s->state, u->event)) {
    case SESSION_STEP_CONNECT:
        return connect_came(s, u, ind);
    case SESSION_STEP_ACCEPTED:
        return accepted(s, u, ind);
    case SESSION_STEP_REFUSED:
        return refused(s, u, ind);
    case SESSION_STEP_DATA:
        return s->our_turn ? protocol(s, no_order, ind) : SESSION_IND_MORE;
    case SESSION_STEP_MINOR:
    case SESSION_STEP_END:
        return point(s, u, ind);
    case SESSION_STEP_MINOR_ACK:
    case SESSION_STEP_END_ACK:
        return point_confirmed(s, u, ind);
    case SESSION_STEP_START:
    case SESSION_STEP_RESUME:
        return started(s, u, ind);
    case SESSION_STEP_INTERRUPT:
    case SESSION_STEP_DISCARD:
        return stopped(s, u, ind);
    case SESSION_STEP_INTERRUPTED:
    case SESSION_STEP_DISCARDED:
        return stop_confirmed(s, u);
    case SESSION_STEP_PLEASE:
        return please(s, u, ind);
    case SESSION_STEP_TURN:
        return turn_came(s, ind);
    case SESSION_STEP_GAVE:
        s->state = SESSION_OPEN;
        return SESSION_IND_GAVE;
    case SESSION_STEP_EXCEPTION:
        return exception(s, u, ind);
    case SESSION_STEP_RELEASE:
        return release_came(s, u, ind);
    case SESSION_STEP_RELEASED:
        s->state = SESSION_OVER;
        ind->user_data = u->p.user_data;
        return SESSION_IND_RELEASED;
    case SESSION_STEP_ABORT:
        return aborted(s, u, ind);
    case SESSION_STEP_PROTOCOL:
        return protocol(s, u->error != NULL ? u->error : no_order, ind);
    case SESSION_STEP_DROP:
    case SESSION_STEP_LOSE:
    case SESSION_STEP_IGNORE:
        break;
    }
    return SESSION_IND_MORE;
}

/* ---- finding SPDUs */

enum session_event
session_event_of(uint8_t si, bool prefixed)
{
    static const struct {
        uint8_t si;
        bool prefixed;
        uint8_t event;
    } rows[] = { { SI_CN, false, SESSION_CN }, { SI_AC, false, SESSION_AC },
        { SI_RF, false, SESSION_RF }, { SI_DT, true, SESSION_DT }, { SI_MIP, true, SESSION_MIP },
        { SI_MIA, true, SESSION_MIA }, { SI_AS, true, SESSION_AS }, { SI_AR, true, SESSION_AR },
        { SI_AE, true, SESSION_AE }, { SI_AEA, true, SESSION_AEA }, { SI_AI, true, SESSION_AI },
        { SI_AIA, true, SESSION_AIA }, { SI_AD, true, SESSION_AD }, { SI_ADA, true, SESSION_ADA },
        { SI_GTC, false, SESSION_GTC }, { SI_GTA, false, SESSION_GTA }, { SI_ED, true, SESSION_ED },
        { SI_ER, true, SESSION_ER }, { SI_FN, false, SESSION_FN }, { SI_DN, false, SESSION_DN },
        { SI_AB, false, SESSION_AB }, { SI_AA, false, SESSION_AA } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].si == si && rows[i].prefixed == prefixed) {
            return (enum session_event)rows[i].event;
        }
    }
    return SESSION_BAD;
}

/* Gather until the SPDU (a DT's header) is whole: 1, 0: not yet, <0: beyond a limit. */
static int
gather(struct session *s, struct slice *bytes)
{
    if (s->spent) {
        buf_clear(&s->spdu);
        s->spent = false;
    }
    for (;;) {
        struct slice have = buf_slice(&s->spdu), now;
        size_t length, used, need = have.n < 2 ? 2 : 4;

        if (spdu_length(have, &length, &used)) {
            need = 1 + used + length;
            if (need > SESSION_SPDU_BYTES_MAX) {
                return BH_ETOOBIG;
            }
            if (have.n == need) {
                return 1;
            }
        }
        now = slice_sub(*bytes, 0, need - have.n);
        if (now.n == 0) {
            return 0;
        }
        if (buf_append(&s->spdu, now) < 0) {
            return -ENOMEM;
        }
        *bytes = slice_skip(*bytes, now.n);
    }
}

/* A category 0 SPDU: nothing more than a prefix, or a PLEASE TOKENS that means it. */
static enum session_ind_kind
prefix(struct session *s, struct spdu *u, struct session_ind *ind)
{
    bool tokens = spdu_number(u->p.token_item, 0) != 0;

    s->prefix = (uint8_t)buf_slice(&s->spdu).p[0];
    s->where = SESSION_AT_SPDU;
    if (!tokens) {
        return SESSION_IND_MORE;
    }
    u->event = s->prefix == SI_PT ? SESSION_PT : SESSION_BAD;
    u->error = "tokens given without a confirmation, which reliable transfer has not";
    return take_step(s, u, ind);
}

static enum session_ind_kind
spdu_whole(struct session *s, struct session_ind *ind)
{
    struct slice have = buf_slice(&s->spdu);
    uint8_t si = (uint8_t)have.p[0];
    struct spdu u = { .event = SESSION_BAD };
    size_t length, used;

    s->spent = true;
    CHECK(spdu_length(have, &length, &used));
    if (!spdu_read(slice_skip(have, 1 + used), &u.p, &u.link, &u.error)) {
        s->where = SESSION_AT_END;
        return take_step(s, &u, ind);
    }
    if (spdu_number(u.p.enclosure, 3) != 3) {
        u.error = "a segmented SSDU, which was not agreed upon";
        s->where = SESSION_AT_END;
        return take_step(s, &u, ind);
    }
    if (s->where == SESSION_AT_START && (si == SI_GT || si == SI_PT)) {
        return prefix(s, &u, ind);
    }
    u.event = session_event_of(si, s->where == SESSION_AT_SPDU);
    u.error = u.event == SESSION_BAD ? "an SPDU that reliable transfer does not have" : NULL;
    s->where = u.event == SESSION_DT ? SESSION_IN_DATA : SESSION_AT_END;
    s->first_data = true;
    return take_step(s, &u, ind);
}

/* Octets of an SSDU. In REPORTED they are nobody's. */
static enum session_ind_kind
data(struct session *s, struct slice *bytes, bool end, struct session_ind *ind)
{
    ind->bytes = *bytes;
    ind->begin = s->first_data;
    ind->end = end;
    *bytes = slice_skip(*bytes, bytes->n);
    if (end) {
        s->where = SESSION_AT_START;
    }
    if (s->state != SESSION_OPEN || (ind->bytes.n == 0 && !end)) {
        return SESSION_IND_MORE;
    }
    s->first_data = false;
    return SESSION_IND_DATA;
}

bool
session_waits(const struct session *s)
{
    return s->state == SESSION_ANSWER || s->state == SESSION_END || s->state == SESSION_RELEASE;
}

static enum session_ind_kind
bad(struct session *s, const char *error, struct session_ind *ind)
{
    struct spdu u = { .event = SESSION_BAD, .error = error };

    return take_step(s, &u, ind);
}

/* One SPDU, or what there is of it. */
static enum session_ind_kind
spdu(struct session *s, struct slice *bytes, bool end, struct session_ind *ind)
{
    bool begun = bytes->n > 0 || (!s->spent && buf_len(&s->spdu) > 0);
    int whole;

    if (s->where == SESSION_AT_END) {
        return bad(s, "more than one SPDU in a TSDU", ind);
    }
    if (!begun) { /* an empty TSDU, or one of a prefix only: nothing */
        s->where = end ? SESSION_AT_START : s->where;
        return SESSION_IND_MORE;
    }
    whole = gather(s, bytes);
    if (whole > 0) {
        enum session_ind_kind kind = spdu_whole(s, ind);

        /* The TSDU may end here without another call. */
        if (end && bytes->n == 0 && s->where != SESSION_IN_DATA) {
            s->where = SESSION_AT_START;
        }
        return kind;
    }
    if (whole < 0) {
        return bad(s, whole == -ENOMEM ? no_memory : "an SPDU is longer than is taken here", ind);
    }
    return end ? bad(s, "a TSDU ends within an SPDU", ind) : SESSION_IND_MORE;
}

enum session_ind_kind
session_next(struct session *s, struct slice *bytes, bool end, struct session_ind *ind)
{
    enum session_ind_kind kind = SESSION_IND_MORE;
    bool go_on = true;

    *ind = (struct session_ind){ .layer = OSI_SESSION };
    while (kind == SESSION_IND_MORE && go_on && !session_waits(s)) {
        if (s->state == SESSION_OVER) {
            *bytes = slice_skip(*bytes, bytes->n);
            return SESSION_IND_MORE;
        }
        if (s->where == SESSION_IN_DATA) {
            kind = data(s, bytes, end, ind);
            go_on = bytes->n > 0;
        } else if (s->where == SESSION_AT_END && bytes->n == 0) {
            s->where = end ? SESSION_AT_START : SESSION_AT_END;
            go_on = false;
        } else {
            kind = spdu(s, bytes, end, ind);
            go_on = bytes->n > 0 || (s->where == SESSION_IN_DATA && end);
        }
    }
    return kind;
}
