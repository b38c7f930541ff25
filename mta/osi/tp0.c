/* tp0.c - the table of transport class 0, its TPDUs and the filling of those that go out.
 *
 * BUGS  references are not compared: on one TCP connection there is one transport connection, and
 *       peers are known that answer with others.
 */
#include "osi/tp0.h"

#define CODE_CR 0xE0
#define CODE_CC 0xD0
#define CODE_DR 0x80
#define CODE_DT 0xF0
#define CODE_ER 0x70

#define PARAM_SIZE    0xC0
#define PARAM_CALLING 0xC1 /* in an ER: the header of the TPDU that was wrong */
#define PARAM_CALLED  0xC2
#define PARAM_CLASSES 0xC7 /* alternative classes */

#define CONNECT_FIXED                                                                              \
    7 /* octets of a CR or CC before its parameters, the length octet included                     \
       */
#define DATA_FIXED (TPKT_HEADER_BYTES + TP0_DATA_HEADER_BYTES)

enum reject_cause { CAUSE_NONE, CAUSE_PARAM_CODE, CAUSE_TYPE, CAUSE_PARAM_VALUE };

#define S(x) [TP0_##x]
#define ROW(cr, cc, dt, dr, er, bad, lost)                                                         \
    {                                                                                              \
        TP0_STEP_##cr, TP0_STEP_##cc, TP0_STEP_##dt, TP0_STEP_##dr, TP0_STEP_##er, TP0_STEP_##bad, \
            TP0_STEP_##lost                                                                        \
    }

/* clang-format off */
static const uint8_t table[TP0_STATE_COUNT][TP0_EVENT_COUNT] = {
    /*             cr        cc        dt        dr       er       bad       lost */
    S(LISTEN)  = ROW(INDICATE, PROTOCOL, PROTOCOL, CLOSING, CLOSING, PROTOCOL, LOSE),
    S(ANSWER)  = ROW(IGNORE,   IGNORE,   IGNORE,   IGNORE,  IGNORE,  IGNORE,   LOSE),
    S(WAIT_CC) = ROW(PROTOCOL, CONFIRM,  PROTOCOL, REFUSED, REFUSED, PROTOCOL, LOSE),
    S(OPEN)    = ROW(PROTOCOL, PROTOCOL, DATA,     CLOSING, CLOSING, PROTOCOL, LOSE),
    S(OVER)    = ROW(IGNORE,   IGNORE,   IGNORE,   IGNORE,  IGNORE,  IGNORE,   IGNORE),
};
/* clang-format on */

static const char *const state_names[TP0_STATE_COUNT] = {
    S(LISTEN) = "listen",
    S(ANSWER) = "answer",
    S(WAIT_CC) = "wait-cc",
    S(OPEN) = "open",
    S(OVER) = "over",
};

static const char *const event_names[TP0_EVENT_COUNT] = {
    S(CR) = "cr",
    S(CC) = "cc",
    S(DT) = "dt",
    S(DR) = "dr",
    S(ER) = "er",
    S(BAD) = "bad",
    S(LOST) = "lost",
};

static const char *const step_names[TP0_STEP_COUNT] = {
    S(STEP_INDICATE) = "indicate",
    S(STEP_CONFIRM) = "confirm",
    S(STEP_DATA) = "data",
    S(STEP_REFUSED) = "refused",
    S(STEP_CLOSING) = "closing",
    S(STEP_PROTOCOL) = "protocol",
    S(STEP_LOSE) = "lose",
    S(STEP_IGNORE) = "ignore",
};

enum tp0_step
tp0_row(enum tp0_state s, enum tp0_event e)
{
    return (enum tp0_step)table[s][e];
}

const char *
tp0_state_name(enum tp0_state s)
{
    return state_names[s];
}

const char *
tp0_event_name(enum tp0_event e)
{
    return event_names[e];
}

const char *
tp0_step_name(enum tp0_step s)
{
    return step_names[s];
}

const char *
tp0_reason_text(unsigned reason)
{
    static const struct {
        unsigned reason;
        const char *text;
    } known[] = { { TP0_REASON_NONE, "no reason given" },
        { TP0_REASON_CONGESTION, "congestion at its TSAP" },
        { TP0_REASON_NO_SESSION, "nobody is attached to that TSAP" },
        { TP0_REASON_ADDRESS, "no such TSAP" }, { 128, "disconnected by the session entity" },
        { 129, "congestion" }, { TP0_REASON_NEGOTIATION, "transport class or options refused" },
        { 133, "protocol error" }, { TP0_REASON_REFUSED, "connection refused" },
        { 138, "a header or parameter has a bad length" } };

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (known[i].reason == reason) {
            return known[i].text;
        }
    }
    return "an unknown reason";
}

/* ---- life */

void
tp0_init(struct tp0 *t, uint16_t ref)
{
    CHECK(ref != 0);
    memset(t, 0, sizeof(*t));
    t->state = TP0_LISTEN;
    t->local_ref = ref;
    tpkt_init(&t->packets);
    buf_init(&t->out, TP0_OUT_BYTES_MAX);
}

void
tp0_fini(struct tp0 *t)
{
    buf_fini(&t->out);
    t->open_bytes = 0;
}

void
tp0_lost(struct tp0 *t)
{
    t->state = TP0_OVER;
}

/* ---- control TPDUs out */

struct tpdu {
    char octets[TPKT_HEADER_BYTES + TP0_HEADER_BYTES_MAX];
    size_t n;
};

static void
put(struct tpdu *p, uint8_t octet)
{
    CHECK(p->n < sizeof(p->octets));
    p->octets[p->n++] = (char)octet;
}

static void
put_ref(struct tpdu *p, uint16_t ref)
{
    put(p, (uint8_t)(ref >> 8));
    put(p, (uint8_t)ref);
}

static void
put_param(struct tpdu *p, uint8_t code, struct slice value)
{
    put(p, code);
    put(p, (uint8_t)value.n);
    for (size_t i = 0; i < value.n; i++) {
        put(p, (uint8_t)value.p[i]);
    }
}

static void
begin_tpdu(struct tpdu *p, uint8_t code, uint16_t dst)
{
    p->n = TPKT_HEADER_BYTES + 1; /* the lengths are filled in at the end */
    put(p, code);
    put_ref(p, dst);
}

static int
end_tpdu(struct tp0 *t, struct tpdu *p)
{
    CHECK(t->open_bytes == 0);
    tpkt_header(p->octets, p->n);
    p->octets[TPKT_HEADER_BYTES] = (char)(p->n - TPKT_HEADER_BYTES - 1);
    return buf_append(&t->out, (struct slice){ p->octets, p->n });
}

/* RFC 1006's own maximum has no code: it is what holds if none is named. */
static void
put_size(struct tpdu *p, size_t tpdu_bytes)
{
    uint8_t code = 0;

    CHECK(tpdu_bytes >= TP0_TPDU_BYTES_MIN);
    if (tpdu_bytes == TP0_TPDU_BYTES_MAX) {
        return;
    }
    CHECK(tpdu_bytes <= TP0_TPDU_BYTES_NAMED && (tpdu_bytes & (tpdu_bytes - 1)) == 0);
    while ((size_t)1 << code != tpdu_bytes) {
        code++;
    }
    put_param(p, PARAM_SIZE, (struct slice){ (const char *)&code, 1 });
}

int
tp0_connect(struct tp0 *t, struct slice calling, struct slice called, size_t tpdu_bytes)
{
    struct tpdu p;
    int rc;

    CHECK(t->state == TP0_LISTEN);
    CHECK(calling.n <= TP0_SELECTOR_BYTES_MAX && called.n <= TP0_SELECTOR_BYTES_MAX);
    begin_tpdu(&p, CODE_CR, 0);
    put_ref(&p, t->local_ref);
    put(&p, 0); /* class 0, no options */
    if (calling.n > 0) {
        put_param(&p, PARAM_CALLING, calling);
    }
    if (called.n > 0) {
        put_param(&p, PARAM_CALLED, called);
    }
    put_size(&p, tpdu_bytes);
    rc = end_tpdu(t, &p);
    if (rc == 0) {
        t->tpdu_bytes = tpdu_bytes;
        t->state = TP0_WAIT_CC;
    }
    return rc;
}

int
tp0_accept(struct tp0 *t, size_t tpdu_bytes)
{
    struct tpdu p;
    int rc;

    CHECK(t->state == TP0_ANSWER);
    tpdu_bytes = MIN(tpdu_bytes, t->tpdu_bytes); /* as the CR has it */
    begin_tpdu(&p, CODE_CC, t->remote_ref);
    put_ref(&p, t->local_ref);
    put(&p, 0);
    put_size(&p, tpdu_bytes);
    rc = end_tpdu(t, &p);
    if (rc == 0) {
        t->tpdu_bytes = tpdu_bytes;
        t->state = TP0_OPEN;
    }
    return rc;
}

static int
put_dr(struct tp0 *t, unsigned reason)
{
    struct tpdu p;

    begin_tpdu(&p, CODE_DR, t->remote_ref);
    put_ref(&p, 0); /* none of ours was ever told */
    put(&p, (uint8_t)reason);
    return end_tpdu(t, &p);
}

int
tp0_refuse(struct tp0 *t, unsigned reason)
{
    CHECK(t->state == TP0_ANSWER);
    t->state = TP0_OVER;
    return put_dr(t, reason);
}

/* ---- data out */

struct slice
tp0_out(const struct tp0 *t)
{
    return slice_sub(buf_slice(&t->out), 0, buf_len(&t->out) - t->open_bytes);
}

void
tp0_sent(struct tp0 *t, size_t n)
{
    CHECK(n <= buf_len(&t->out) - t->open_bytes);
    buf_consume(&t->out, n);
}

size_t
tp0_queued(const struct tp0 *t)
{
    return buf_len(&t->out);
}

static void
close_tpdu(struct tp0 *t, bool end)
{
    char *p = t->out.base + t->out.tail - t->open_bytes;

    tpkt_header(p, t->open_bytes);
    p[TPKT_HEADER_BYTES + 2] = end ? (char)0x80 : 0;
    t->open_bytes = 0;
}

/* Append to the TPDU at the tail, opening one if there is none. */
static int
fill_tpdu(struct tp0 *t, struct slice *bytes)
{
    static const char fixed[DATA_FIXED] = { 3, 0, 0, 0, 2, (char)CODE_DT, 0 };
    struct slice now;
    int rc;

    if (t->open_bytes == 0) {
        rc = buf_append(&t->out, (struct slice){ fixed, sizeof(fixed) });
        if (rc < 0) {
            return rc;
        }
        t->open_bytes = sizeof(fixed);
    }
    now = slice_sub(*bytes, 0, TPKT_HEADER_BYTES + t->tpdu_bytes - t->open_bytes);
    rc = buf_append(&t->out, now);
    if (rc < 0) {
        return rc;
    }
    t->open_bytes += now.n;
    *bytes = slice_skip(*bytes, now.n);
    return 0;
}

int
tp0_send(struct tp0 *t, struct slice bytes, bool end)
{
    CHECK(t->state == TP0_OPEN);
    while (bytes.n > 0 || (end && t->open_bytes == 0)) {
        int rc = fill_tpdu(t, &bytes);

        if (rc < 0) {
            t->state = TP0_OVER;
            return rc;
        }
        if (bytes.n > 0) {
            close_tpdu(t, false);
        } else if (!end) {
            return 0; /* perhaps full: who knows whether it is the last */
        } else {
            break;
        }
    }
    if (end) {
        close_tpdu(t, true);
    }
    return 0;
}

/* ---- in */

static enum tp0_ind_kind
protocol(struct tp0 *t, enum reject_cause cause, const char *error, struct tp0_ind *ind)
{
    /* The header up to the octet that is wrong (X.224 section 13.12.4). */
    struct slice named = { (const char *)t->head, MIN(t->head_n, cause == CAUSE_TYPE ? 2u : 128u) };
    struct tpdu p;

    t->state = TP0_OVER;
    ind->error = error;
    if (named.n > 0 && t->open_bytes == 0) {
        begin_tpdu(&p, CODE_ER, t->remote_ref);
        put(&p, (uint8_t)cause);
        put_param(&p, PARAM_CALLING, named);
        (void)end_tpdu(t, &p); /* a courtesy: without memory the connection just closes */
    }
    return TP0_IND_PROTOCOL;
}

static size_t
size_of_code(uint8_t code)
{
    return (size_t)1 << MIN(MAX(code, (uint8_t)7), (uint8_t)13);
}

struct connect {
    struct slice calling, called, classes;
    size_t tpdu_bytes;
};

/* The parameters of a CR or CC; unknown ones mean nothing to class 0. */
static const char *
parse_connect(const struct tp0 *t, struct connect *c)
{
    struct slice rest = { (const char *)t->head, t->head_n };

    *c = (struct connect){ .tpdu_bytes = TP0_TPDU_BYTES_MAX };
    rest = slice_skip(rest, CONNECT_FIXED);
    while (rest.n > 0) {
        uint8_t code = (uint8_t)rest.p[0];
        size_t n = rest.n > 1 ? (uint8_t)rest.p[1] : 0;
        struct slice value = slice_sub(rest, 2, n);

        if (rest.n < 2 || value.n < n) {
            return "a parameter of a CR or CC is longer than its header";
        }
        rest = slice_skip(rest, 2 + n);
        if (code == PARAM_CALLING) {
            c->calling = value;
        } else if (code == PARAM_CALLED) {
            c->called = value;
        } else if (code == PARAM_CLASSES) {
            c->classes = value;
        } else if (code == PARAM_SIZE) {
            if (n != 1) {
                return "the TPDU size of a CR or CC is not one octet";
            }
            c->tpdu_bytes = size_of_code((uint8_t)value.p[0]);
        }
    }
    return NULL;
}

static bool
class_0_is_offered(const struct tp0 *t, const struct connect *c)
{
    if (t->head[6] >> 4 == 0) {
        return true;
    }
    for (size_t i = 0; i < c->classes.n; i++) {
        if ((uint8_t)c->classes.p[i] >> 4 == 0) {
            return true;
        }
    }
    return false;
}

static enum tp0_ind_kind
indicate(struct tp0 *t, struct tp0_ind *ind)
{
    struct connect c;
    const char *error = parse_connect(t, &c);

    t->remote_ref = (uint16_t)(t->head[4] << 8 | t->head[5]);
    if (error != NULL) {
        return protocol(t, CAUSE_PARAM_VALUE, error, ind);
    }
    if (!class_0_is_offered(t, &c)) {
        t->state = TP0_OVER;
        (void)put_dr(t, TP0_REASON_NEGOTIATION);
        ind->error = "the peer asks for another transport class than 0";
        return TP0_IND_PROTOCOL;
    }
    t->tpdu_bytes = c.tpdu_bytes;
    t->state = TP0_ANSWER;
    ind->calling = c.calling;
    ind->called = c.called;
    return TP0_IND_CONNECT;
}

static enum tp0_ind_kind
confirm(struct tp0 *t, struct tp0_ind *ind)
{
    struct connect c;
    const char *error = parse_connect(t, &c);

    t->remote_ref = (uint16_t)(t->head[4] << 8 | t->head[5]);
    if (error != NULL) {
        return protocol(t, CAUSE_PARAM_VALUE, error, ind);
    }
    if (t->head[6] >> 4 != 0) {
        return protocol(t, CAUSE_PARAM_VALUE, "a CC with another transport class than 0", ind);
    }
    t->tpdu_bytes = MIN(t->tpdu_bytes, c.tpdu_bytes);
    t->state = TP0_OPEN;
    ind->called = c.called;
    return TP0_IND_CONNECTED;
}

static enum tp0_ind_kind
take_step(struct tp0 *t, enum tp0_event e, const char *error, struct tp0_ind *ind)
{
    switch (tp0_row(t->state, e)) {
    case TP0_STEP_INDICATE:
        return indicate(t, ind);
    case TP0_STEP_CONFIRM:
        return confirm(t, ind);
    case TP0_STEP_DATA:
        t->in_data = true;
        t->eot = (t->head[2] & 0x80) != 0;
        return TP0_IND_DATA;
    case TP0_STEP_REFUSED:
    case TP0_STEP_CLOSING:
        t->state = TP0_OVER;
        ind->reason = e == TP0_DR ? t->head[6] : TP0_REASON_REFUSED;
        return TP0_IND_DISCONNECT;
    case TP0_STEP_PROTOCOL:
        return protocol(t, CAUSE_TYPE,
            error != NULL ? error : "a TPDU that may not come now (see its ER)", ind);
    case TP0_STEP_LOSE:
    case TP0_STEP_IGNORE:
        break;
    }
    return TP0_IND_MORE;
}

/* Which TPDU the header in head is; BAD with a sentence. */
static enum tp0_event
event_of(const struct tp0 *t, const char **error)
{
    static const struct {
        uint8_t code, header_bytes_min;
        enum tp0_event event;
    } known[] = { { CODE_DT, 3, TP0_DT }, { CODE_CR, CONNECT_FIXED, TP0_CR },
        { CODE_CC, CONNECT_FIXED, TP0_CC }, { CODE_DR, 7, TP0_DR }, { CODE_ER, 5, TP0_ER } };

    *error = "a TPDU that class 0 does not have";
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if ((t->head[1] & 0xF0) == known[i].code) {
            if (t->head_n < known[i].header_bytes_min || (i == 0 && t->head_n != 3)) {
                *error = "the header of a TPDU has not the length that class 0 gives it";
                return TP0_BAD;
            }
            *error = NULL;
            return known[i].event;
        }
    }
    return TP0_BAD;
}

/* Gather the header: 1 whole, 0 not yet, -1 bad. */
static int
gather(struct tp0 *t, struct tpkt_piece *p, const char **error)
{
    while (t->head_n == 0 || t->head_n < (size_t)t->head[0] + 1) {
        if (p->bytes.n == 0) {
            *error = "a packet ends within the header of a TPDU";
            return p->last ? -1 : 0;
        }
        if (t->head_n == 0 && (p->bytes.p[0] == 0 || (uint8_t)p->bytes.p[0] == 0xFF)) {
            *error = "the header of a TPDU has an impossible length";
            return -1;
        }
        t->head[t->head_n++] = (uint8_t)p->bytes.p[0];
        p->bytes = slice_skip(p->bytes, 1);
    }
    return 1;
}

/* Part of a packet: at most one thing to act on. */
static enum tp0_ind_kind
packet(struct tp0 *t, struct tpkt_piece *p, struct tp0_ind *ind)
{
    const char *error = NULL;
    enum tp0_ind_kind kind = TP0_IND_DATA;

    if (p->first) {
        t->head_n = 0;
        t->in_data = false;
        t->skip = false;
    }
    if (t->skip) {
        return TP0_IND_MORE; /* class 0 has no user data there: nobody's */
    }
    if (!t->in_data) {
        int whole = gather(t, p, &error);
        enum tp0_event e = whole > 0 ? event_of(t, &error) : TP0_BAD;

        if (whole == 0) {
            return TP0_IND_MORE;
        }
        kind = take_step(t, e, error, ind);
        t->skip = !t->in_data;
    }
    if (kind == TP0_IND_DATA) {
        ind->bytes = p->bytes;
        ind->end = p->last && t->eot;
        if (p->bytes.n == 0 && !ind->end) {
            return TP0_IND_MORE;
        }
    }
    return kind;
}

enum tp0_ind_kind
tp0_next(struct tp0 *t, struct slice *bytes, struct tp0_ind *ind)
{
    struct tpkt_piece p;
    enum tp0_ind_kind kind = TP0_IND_MORE;

    *ind = (struct tp0_ind){ .end = false };
    while (kind == TP0_IND_MORE && t->state != TP0_ANSWER) {
        if (t->state == TP0_OVER) {
            *bytes = slice_skip(*bytes, bytes->n);
            return TP0_IND_MORE;
        }
        switch (tpkt_next(&t->packets, bytes, &p)) {
        case TPKT_MORE:
            return TP0_IND_MORE;
        case TPKT_BAD:
            t->head_n = 0; /* no TPDU to name in an ER */
            kind = take_step(t, TP0_BAD, t->packets.error, ind);
            break;
        case TPKT_PIECE:
            kind = packet(t, &p, ind);
            break;
        }
    }
    return kind;
}
