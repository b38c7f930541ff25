/* stack.c - the layers in one: pieces of TSDUs up, and what the shell must know of all of them. */
#include "osi/stack.h"

/* What waits of one read (net/conn lends 64 KiB) or was not taken of what had been kept. */
#define KEPT_BYTES_MAX ((size_t)128 * 1024)

void
stack_init(struct stack *k, uint16_t ref, bool initiator)
{
    struct presentation_context contexts[RTSE_CONTEXT_COUNT];

    memset(k, 0, sizeof(*k));
    rtse_contexts(contexts, initiator);
    tp0_init(&k->transport, ref);
    session_init(&k->session, &k->transport);
    presentation_init(&k->presentation, &k->session, contexts, RTSE_CONTEXT_COUNT);
    rtse_init(&k->rtse, &k->presentation);
    buf_init(&k->kept, KEPT_BYTES_MAX);
    k->initiator = initiator;
}

void
stack_fini(struct stack *k)
{
    rtse_fini(&k->rtse);
    presentation_fini(&k->presentation);
    session_fini(&k->session);
    tp0_fini(&k->transport);
    buf_fini(&k->kept);
}

int
stack_connect(struct stack *k, struct slice calling, struct slice called, size_t tpdu_bytes)
{
    CHECK(k->initiator);
    return tp0_connect(&k->transport, calling, called, tpdu_bytes);
}

int
stack_answer(struct stack *k, size_t tpdu_bytes)
{
    k->anew++;
    return tp0_accept(&k->transport, tpdu_bytes);
}

int
stack_refuse(struct stack *k, unsigned reason)
{
    k->ended = true;
    return tp0_refuse(&k->transport, reason);
}

int
stack_open(struct stack *k, const struct rtse_open *o)
{
    k->anew++;
    return rtse_open(&k->rtse, o);
}

/* ---- octets in */

void
stack_feed(struct stack *k, struct slice bytes)
{
    CHECK(stack_hungry(k));
    k->rest = bytes;
}

bool
stack_hungry(const struct stack *k)
{
    return !k->paused && k->piece.n == 0 && k->rest.n == 0 && !k->has_piece;
}

/* The lender takes its octets back. An empty piece at the end of a TSDU may wait too: has_piece. */
int
stack_keep(struct stack *k)
{
    int rc = 0;

    if (k->piece.n + k->rest.n == 0) {
        k->piece = k->rest = SLICE_NONE;
        k->in_kept = false;
        buf_clear(&k->kept);
        buf_release(&k->kept);
    } else if (!k->in_kept) {
        size_t piece_n = k->piece.n;

        rc = buf_append(&k->kept, k->piece);
        rc = rc == 0 ? buf_append(&k->kept, k->rest) : rc;
        k->piece = slice_sub(buf_slice(&k->kept), 0, rc == 0 ? piece_n : 0);
        k->rest = slice_skip(buf_slice(&k->kept), rc == 0 ? piece_n : buf_len(&k->kept));
        k->in_kept = true;
    }
    return rc;
}

void
stack_rest(struct stack *k)
{
    struct session *s = &k->session;

    buf_release(&k->transport.out);
    if (k->has_piece || session_waits(s)) {
        return; /* what was told may still be looked at */
    }
    if (s->spent) {
        buf_clear(&s->spdu);
    }
    buf_release(&s->spdu);
    buf_clear(&k->presentation.scratch); /* PDUs that went into out */
    buf_release(&k->presentation.scratch);
    buf_clear(&k->rtse.rt);
    buf_release(&k->rtse.rt);
    buf_clear(&k->rtse.ac);
    buf_release(&k->rtse.ac);
}

void
stack_pause(struct stack *k, bool on)
{
    k->paused = on;
    k->anew++;
}

/* ---- what comes of them */

static bool
in_doubt(const struct stack *k, enum rtse_state was)
{
    return was == RTSE_WAIT_SENT || (was == RTSE_WAIT_STOP && k->stopped_late);
}

static enum stack_ind_kind
ended(struct stack *k, struct stack_ind *ind, enum rtse_state was)
{
    k->ended = true;
    k->has_piece = false;
    k->piece = k->rest = SLICE_NONE;
    ind->end.was = was;
    ind->end.in_doubt = in_doubt(k, was);
    return STACK_ENDED;
}

static void
fill_end(enum rtse_ind_kind kind, const struct rtse_ind *ind, struct stack_end *end)
{
    end->layer = ind->layer;
    end->reason = ind->reason;
    end->text = ind->error;
    if (kind == RTSE_IND_CLOSED) {
        end->how = STACK_CLOSED;
        end->layer = OSI_ASSOCIATION;
        end->text = "released";
    } else if (kind == RTSE_IND_REFUSED) {
        end->how = STACK_REFUSED;
        end->user = ind->user;
    } else {
        end->how = ind->ours ? STACK_BROKEN : STACK_ABORTED;
    }
}

/* Begin the wait anew? What a stalling peer could say again and again (PLEASE) does not. */
static bool
is_progress(enum rtse_ind_kind kind)
{
    return kind != RTSE_IND_PLEASE;
}

static enum stack_ind_kind
told(struct stack *k, enum rtse_ind_kind kind, enum rtse_state was, struct stack_ind *ind)
{
    if (kind == RTSE_IND_REFUSED || kind == RTSE_IND_CLOSED || kind == RTSE_IND_ABORT) {
        fill_end(kind, &ind->rtse, &ind->end);
        return ended(k, ind, was);
    }
    k->anew += is_progress(kind);
    if (kind == RTSE_IND_BEGIN || kind == RTSE_IND_RESUME) {
        k->point = k->secured = ind->rtse.point;
    } else if (kind == RTSE_IND_POINT || kind == RTSE_IND_END) {
        k->point = ind->rtse.point;
    } else if (kind == RTSE_IND_TURN) {
        k->wants_turn = k->asked = false;
    } else if (kind == RTSE_IND_FAILED) {
        ind->in_doubt = k->stopped_late;
    }
    if (kind == RTSE_IND_SENT || kind == RTSE_IND_FAILED) {
        k->stopped_late = false;
    }
    ind->rtse_kind = kind;
    return STACK_RTSE;
}

static enum stack_ind_kind
transport_told(struct stack *k, enum tp0_ind_kind kind, const struct tp0_ind *low,
    enum tp0_state was, struct stack_ind *ind)
{
    struct stack_end *end = &ind->end;
    enum rtse_state rtse = k->rtse.state;

    k->anew++;
    ind->calling = low->calling;
    ind->called = low->called;
    if (kind == TP0_IND_CONNECT) {
        return STACK_CALLED;
    }
    if (kind == TP0_IND_CONNECTED) {
        return STACK_CONNECTED;
    }
    session_lost(&k->session);
    rtse_lost(&k->rtse);
    end->layer = OSI_TRANSPORT;
    end->reason = low->reason;
    if (kind == TP0_IND_PROTOCOL) {
        end->how = STACK_BROKEN;
        end->text = low->error;
    } else {
        end->how = was == TP0_WAIT_CC ? STACK_REFUSED : STACK_LOST;
        end->text = tp0_reason_text(low->reason);
    }
    return ended(k, ind, rtse);
}

/* Ask for the turn when it can be asked for. */
static int
ask(struct stack *k)
{
    if (!k->wants_turn || k->asked || k->ended || k->rtse.state != RTSE_NO_TURN ||
        k->rtse.dialogue != RTSE_TWA) {
        return 0;
    }
    k->asked = true;
    k->anew++;
    return rtse_please(&k->rtse, k->priority);
}

/* The piece of a TSDU that is there. MORE: it is used up, or an answer is awaited. */
static enum stack_ind_kind
piece_next(struct stack *k, struct stack_ind *ind)
{
    enum rtse_state was = k->rtse.state;
    enum rtse_ind_kind kind = rtse_next(&k->rtse, &k->piece, k->piece_end, &ind->rtse);

    if (kind != RTSE_IND_MORE) {
        return told(k, kind, was, ind);
    }
    if (!session_waits(&k->session)) {
        k->has_piece = false;
        k->piece = SLICE_NONE;
    }
    return STACK_MORE;
}

enum stack_ind_kind
stack_next(struct stack *k, struct stack_ind *ind)
{
    enum stack_ind_kind kind = STACK_MORE;

    *ind = (struct stack_ind){ .rtse_kind = RTSE_IND_MORE };
    if (k->ended) { /* nobody's any more */
        k->has_piece = false;
        k->piece = k->rest = SLICE_NONE;
    }
    while (kind == STACK_MORE && !k->ended) {
        enum tp0_state was = k->transport.state;
        enum tp0_ind_kind low_kind;
        struct tp0_ind low;

        if (k->has_piece) {
            kind = piece_next(k, ind);
            if (k->has_piece) {
                return kind; /* something to tell, or the session waits */
            }
            continue;
        }
        if (k->paused) {
            break;
        }
        low_kind = tp0_next(&k->transport, &k->rest, &low);
        if (low_kind == TP0_IND_MORE) {
            break;
        }
        if (low_kind == TP0_IND_DATA) {
            k->has_piece = true;
            k->piece = low.bytes;
            k->piece_end = low.end;
        } else {
            kind = transport_told(k, low_kind, &low, was, ind);
        }
    }
    if (kind == STACK_MORE && ask(k) < 0) {
        stack_abort(k, RTSE_ABORT_SYSTEM);
        ind->end = (struct stack_end){
            .how = STACK_BROKEN, .layer = OSI_RTSE, .text = error_text(-ENOMEM)
        };
        return STACK_ENDED;
    }
    return kind;
}

bool
stack_lost(struct stack *k, struct stack_end *end)
{
    struct stack_ind ind = { .end = { .how = STACK_LOST,
                                 .layer = OSI_TCP,
                                 .text = "the connection was closed by the peer" } };
    enum rtse_state was = k->rtse.state;

    if (k->ended) {
        return false;
    }
    tp0_lost(&k->transport);
    session_lost(&k->session);
    rtse_lost(&k->rtse);
    (void)ended(k, &ind, was);
    *end = ind.end;
    return true;
}

/* ---- requests */

static bool
receives(const struct stack *k, uint32_t activity)
{
    return !k->ended && (k->rtse.state == RTSE_RECEIVE || k->rtse.state == RTSE_SECURE) &&
           k->rtse.self.activity == activity;
}

int
stack_secured(struct stack *k, uint32_t activity, uint32_t point)
{
    if (!receives(k, activity) || point <= k->secured || point > k->point) {
        return 0;
    }
    k->secured = point;
    k->anew++;
    return rtse_secured(&k->rtse, point);
}

int
stack_report(struct stack *k, uint32_t activity, unsigned reason)
{
    if (!receives(k, activity)) {
        return 0;
    }
    k->anew++;
    return rtse_report(&k->rtse, reason);
}

int
stack_stop(struct stack *k, bool keep)
{
    if (k->ended || (k->rtse.state != RTSE_SEND && k->rtse.state != RTSE_WAIT_SENT)) {
        return 0;
    }
    k->stopped_late = k->rtse.state == RTSE_WAIT_SENT;
    k->anew++;
    return rtse_stop(&k->rtse, keep);
}

int
stack_please(struct stack *k, uint32_t priority)
{
    k->wants_turn = true;
    k->priority = priority;
    return ask(k);
}

void
stack_abort(struct stack *k, unsigned reason)
{
    if (k->ended) {
        return;
    }
    if (k->rtse.state != RTSE_IDLE && k->rtse.state != RTSE_OVER) {
        rtse_abort(&k->rtse, reason);
    }
    k->ended = true;
}

bool
stack_in_doubt(const struct stack *k)
{
    return in_doubt(k, k->rtse.state);
}

struct rtse *
stack_rtse(struct stack *k)
{
    return &k->rtse;
}

void
stack_recovery(const struct stack *k, struct rtse_recovery *out)
{
    *out = k->rtse.self;
    if (!k->session.our_turn) { /* the receiver's point is the one it confirmed */
        out->point = k->secured;
    }
}

/* ---- octets out */

struct slice
stack_out(const struct stack *k)
{
    return tp0_out(&k->transport);
}

void
stack_sent(struct stack *k, size_t n)
{
    tp0_sent(&k->transport, n);
}

size_t
stack_queued(const struct stack *k)
{
    return tp0_queued(&k->transport);
}

/* ---- what is awaited */

static enum stack_wait
transport_wait(const struct stack *k)
{
    switch (k->transport.state) {
    case TP0_LISTEN:
        return k->initiator ? STACK_WAIT_NOTHING : STACK_WAIT_CALLED;
    case TP0_WAIT_CC:
        return STACK_WAIT_CALL;
    case TP0_ANSWER:
    case TP0_OVER:
        return STACK_WAIT_NOTHING;
    case TP0_OPEN:
        break;
    }
    return k->initiator ? STACK_WAIT_NOTHING : STACK_WAIT_CALLED;
}

enum stack_wait
stack_wait(const struct stack *k)
{
    if (k->ended || k->paused) {
        return STACK_WAIT_NOTHING;
    }
    switch (k->rtse.state) {
    case RTSE_IDLE:
        return transport_wait(k);
    case RTSE_WAIT_OPEN:
        return STACK_WAIT_OPEN;
    case RTSE_TURN:
        return STACK_WAIT_IDLE;
    case RTSE_NO_TURN:
        return k->asked ? STACK_WAIT_ANSWER : STACK_WAIT_IDLE;
    case RTSE_SEND:
    case RTSE_WAIT_SENT:
        return STACK_WAIT_CONFIRM;
    case RTSE_RECEIVE: /* nothing comes while all points of the window are ours to confirm */
        return k->rtse.checkpoint > 0 && k->point - k->secured >= k->rtse.window
                   ? STACK_WAIT_NOTHING
                   : STACK_WAIT_OCTETS;
    case RTSE_WAIT_STOP:
    case RTSE_REPORTED:
    case RTSE_GIVING:
    case RTSE_WAIT_CLOSE:
        return STACK_WAIT_ANSWER;
    case RTSE_ANSWER:
    case RTSE_SECURE:
    case RTSE_OVER:
        break;
    }
    return STACK_WAIT_NOTHING;
}

uint32_t
stack_waits_anew(const struct stack *k)
{
    return k->anew;
}

uint64_t
stack_unconfirmed_bytes(const struct stack *k)
{
    uint64_t unit = (uint64_t)k->rtse.checkpoint * RTSE_CHECKPOINT_UNIT_BYTES;
    uint64_t done = MIN(unit * k->rtse.self.point, k->rtse.apdu_bytes);
    uint64_t left = k->rtse.apdu_bytes - done;

    return unit == 0 ? left : MIN(left, unit * k->rtse.window);
}
