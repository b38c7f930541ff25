/* rtse.c - the steps of reliable transfer and its requests. The table is in rtse_table.c, the APDUs
 * that do not stream in rtse_apdu.c.
 *
 * BUGS      a reflected parameter of a peer's RTAB is not looked at: it would tell of a fault of
 *           ours that nobody but a tester can do anything about.
 */
#include "osi/rtse_apdu.h"

#define APDU_BYTES_MAX   SESSION_DATA_BYTES_MAX
#define WRITE_BYTES_MAX  ((size_t)64 * 1024) /* rtse_room gives no more at once */
#define QUEUED_BYTES_MAX ((size_t)128 * 1024)

static const struct slice acse_syntax = SLICE_LIT("\x52\x01\x00\x01");     /* 2.2.1.0.1 */
static const struct rtse_names p1_names = { SLICE_LIT("\x56\x00\x01\x06"), /* 2.6.0.1.6 */
    SLICE_LIT("\x56\x00\x02\x0c"),                                         /* 2.6.0.2.12 */
    SLICE_LIT("\x56\x00\x02\x07") };                                       /* 2.6.0.2.7 */

void
rtse_contexts(struct presentation_context out[RTSE_CONTEXT_COUNT], bool initiator)
{
    const struct slice syntaxes[RTSE_CONTEXT_COUNT] = { acse_syntax, p1_names.rtse,
        p1_names.transfer };

    for (uint32_t i = 0; i < RTSE_CONTEXT_COUNT; i++) {
        out[i].syntax = syntaxes[i];
        out[i].id = initiator ? 2 * i + 1 : 0;
    }
}

void
rtse_init(struct rtse *r, struct presentation *below)
{
    memset(r, 0, sizeof(*r));
    r->below = below;
    r->names = &p1_names;
    buf_init(&r->rt, APDU_BYTES_MAX);
    buf_init(&r->ac, APDU_BYTES_MAX);
}

void
rtse_fini(struct rtse *r)
{
    buf_fini(&r->rt);
    buf_fini(&r->ac);
}

void
rtse_use(struct rtse *r, const struct rtse_names *names)
{
    struct presentation *p = r->below;

    CHECK(r->state == RTSE_IDLE && p->context_count == RTSE_CONTEXT_COUNT);
    r->names = names;
    p->contexts[1].syntax = names->rtse;
    p->contexts[2].syntax = names->transfer;
    p->context_count -= names->transfer.n == 0;
}

void
rtse_lost(struct rtse *r)
{
    r->state = RTSE_OVER;
}

uint32_t
rtse_transfer_context(const struct rtse *r)
{
    return r->mode == PRESENTATION_NORMAL ? presentation_id(r->below, r->names->transfer) : 0;
}

static struct session *
session(const struct rtse *r)
{
    return r->below->below;
}

/* ---- opening */

/* rt holds an APDU of ours; in normal mode the association's goes around it, into ac. */
static int
associate(struct rtse *r, enum acse_kind kind, uint8_t result, struct slice *out)
{
    struct acse_apdu apdu = { .kind = kind, .context = r->names->application, .result = result };
    int rc;

    *out = buf_slice(&r->rt);
    if (r->mode == PRESENTATION_X410) {
        return 0;
    }
    apdu.user = buf_slice(&r->rt);
    apdu.user_context = presentation_id(r->below, r->names->rtse);
    buf_clear(&r->ac);
    rc = acse_write(&r->ac, &apdu);
    *out = buf_slice(&r->ac);
    return rc;
}

static int
write_apdu(struct rtse *r, const struct rtse_apdu *apdu)
{
    buf_clear(&r->rt);
    return rtse_apdu_write(&r->rt, apdu, r->mode);
}

static struct presentation_connect
connect_of(const struct rtse *r, const struct rtse_open *o)
{
    struct presentation_connect c = {
        .mode = r->mode, .calling = o->calling_p, .called = o->called_p, .syntax = acse_syntax
    };

    c.session.calling = o->calling_s;
    c.session.called = o->called_s;
    c.session.reference = o->reference;
    c.session.initiator_has_turn = o->initiator_has_turn;
    return c;
}

static struct rtse_apdu
apdu_of(enum rtse_apdu_kind kind, const struct rtse_open *o)
{
    return (struct rtse_apdu){ .kind = kind,
        .checkpoint = o->checkpoint,
        .window = o->window,
        .dialogue = o->dialogue,
        .protocol = o->application_protocol,
        .recover = o->recover,
        .recovered = o->recovered,
        .user = o->user };
}

void
rtse_recovery_name(struct rtse_recovery *r, const struct session_reference *whose)
{
    r->user_n = (uint8_t)MIN(whose->user.n, sizeof(r->user));
    r->common_n = (uint8_t)MIN(whose->common.n, sizeof(r->common));
    memcpy(r->user, r->user_n > 0 ? whose->user.p : "", r->user_n);
    memcpy(r->common, r->common_n > 0 ? whose->common.p : "", r->common_n);
}

int
rtse_open(struct rtse *r, const struct rtse_open *o)
{
    struct presentation_connect c;
    struct rtse_apdu apdu = apdu_of(RTSE_RTORQ, o);
    int rc;

    CHECK(r->state == RTSE_IDLE);
    CHECK(o->checkpoint <= RTSE_CHECKPOINT_MAX && o->window > 0 && o->window <= RTSE_WINDOW_MAX);
    r->mode = o->mode;
    r->dialogue = o->dialogue;
    r->initiator = true;
    r->checkpoint = o->checkpoint;
    r->window = o->window;
    rtse_recovery_name(&r->self, &o->reference);
    c = connect_of(r, o);
    rc = write_apdu(r, &apdu);
    if (rc == 0) {
        rc = associate(r, ACSE_AARQ, 0, &c.user);
    }
    if (rc == 0) {
        r->state = RTSE_WAIT_OPEN;
        rc = presentation_connect(r->below, &c);
    }
    return rc;
}

static void
opened(struct rtse *r)
{
    r->state = session(r)->our_turn ? RTSE_TURN : RTSE_NO_TURN;
    r->self.checkpoint = r->checkpoint;
}

int
rtse_accept(struct rtse *r, const struct rtse_open *o)
{
    struct presentation_connect c;
    struct rtse_apdu apdu = apdu_of(RTSE_RTOAC, o);
    int rc;

    CHECK(r->state == RTSE_ANSWER);
    /* Never more than was offered; an offer of 0 leaves the checkpoint size to us. */
    r->checkpoint = r->checkpoint == 0 ? o->checkpoint : MIN(r->checkpoint, o->checkpoint);
    r->window = MIN(r->window, o->window);
    apdu.checkpoint = r->checkpoint;
    apdu.window = r->window;
    c = connect_of(r, o);
    rc = write_apdu(r, &apdu);
    if (rc == 0) {
        rc = associate(r, ACSE_AARE, ACSE_ACCEPTED, &c.user);
    }
    if (rc == 0) {
        rc = presentation_accept(r->below, &c);
        opened(r);
    }
    return rc;
}

int
rtse_refuse(struct rtse *r, unsigned reason, struct slice user)
{
    struct rtse_apdu apdu = { .kind = RTSE_RTORJ, .reason = reason, .user = user };
    struct slice out;
    int rc;

    CHECK(r->state == RTSE_ANSWER);
    r->state = RTSE_OVER;
    rc = write_apdu(r, &apdu);
    if (rc == 0) {
        rc = associate(r, ACSE_AARE, ACSE_REJECTED, &out);
    }
    return rc == 0 ? presentation_refuse(r->below, PRESENTATION_REFUSE_USER, acse_syntax, out) : rc;
}

/* ---- sending */

static int
begin_activity(struct rtse *r, uint64_t apdu_bytes, uint64_t done_bytes, char id[6])
{
    struct buf b;
    struct ber_writer w;
    int rc, n;

    CHECK(apdu_bytes > done_bytes && apdu_bytes <= rtse_apdu_max(r));
    r->self.activity = ++r->activities;
    r->apdu_bytes = apdu_bytes;
    r->done_bytes = done_bytes;
    r->segment_left = 0;
    r->open_points = 0;
    r->state = RTSE_SEND;
    buf_init(&b, 6);
    ber_writer_init(&w, &b);
    ber_write_int(&w, BER_UNIVERSAL(BER_INTEGER), (int64_t)r->self.activity);
    rc = ber_write_finish(&w);
    n = (int)buf_len(&b);
    memcpy(id, buf_slice(&b).p, (size_t)n);
    buf_fini(&b);
    return rc < 0 ? rc : n;
}

int
rtse_transfer(struct rtse *r, uint64_t apdu_bytes)
{
    char id[6];
    int n;

    CHECK(r->state == RTSE_TURN);
    r->self.point = 0;
    n = begin_activity(r, apdu_bytes, 0, id);
    return n < 0 ? n : session_start(session(r), (struct slice){ id, (size_t)n });
}

uint64_t
rtse_offset(const struct rtse_recovery *from)
{
    return (uint64_t)from->point * from->checkpoint * RTSE_CHECKPOINT_UNIT_BYTES;
}

uint64_t
rtse_apdu_max(const struct rtse *r)
{
    return r->checkpoint == 0
               ? UINT64_MAX
               : (uint64_t)(SESSION_SERIAL_MAX - 1) * r->checkpoint * RTSE_CHECKPOINT_UNIT_BYTES;
}

int
rtse_resume(struct rtse *r, const struct rtse_recovery *from, uint64_t apdu_bytes)
{
    struct session_reference link = { { from->user, from->user_n },
        { from->common, from->common_n }, SLICE_NONE };
    struct buf old;
    struct ber_writer w;
    char id[6];
    int rc, n;

    CHECK(r->state == RTSE_TURN && from->point > 0 && from->checkpoint == r->checkpoint);
    n = begin_activity(r, apdu_bytes, rtse_offset(from), id);
    r->self.point = from->point;
    buf_init(&old, 6);
    ber_writer_init(&w, &old);
    ber_write_int(&w, BER_UNIVERSAL(BER_INTEGER), (int64_t)from->activity);
    rc = n < 0 ? n : ber_write_finish(&w);
    if (rc == 0) {
        rc = session_resume(
            session(r), (struct slice){ id, (size_t)n }, buf_slice(&old), from->point, &link);
    }
    buf_fini(&old);
    return rc;
}

/* Octets of the next segment: all that is left without checkpoints. */
static uint64_t
segment_octets(const struct rtse *r)
{
    uint64_t left = r->apdu_bytes - r->done_bytes;

    return r->checkpoint == 0 ? left
                              : MIN(left, (uint64_t)r->checkpoint * RTSE_CHECKPOINT_UNIT_BYTES);
}

size_t
rtse_room(const struct rtse *r)
{
    uint64_t room = r->segment_left;

    if (r->state != RTSE_SEND || tp0_queued(session(r)->below) > QUEUED_BYTES_MAX) {
        return 0;
    }
    if (room == 0 && r->open_points < r->window) {
        room = segment_octets(r);
    }
    return (size_t)MIN(room, (uint64_t)WRITE_BYTES_MAX);
}

int
rtse_write(struct rtse *r, struct slice bytes)
{
    uint32_t serial;
    int rc = 0;

    CHECK(bytes.n > 0 && bytes.n <= rtse_room(r));
    if (r->segment_left == 0) {
        r->segment_left = segment_octets(r);
        rc = presentation_begin(r->below, r->names->rtse, r->segment_left);
    }
    r->segment_left -= bytes.n;
    r->done_bytes += bytes.n;
    if (rc == 0) {
        rc = session_data(session(r), bytes, r->segment_left == 0);
    }
    if (rc < 0 || r->segment_left > 0) {
        return rc;
    }
    if (r->done_bytes == r->apdu_bytes) {
        r->state = RTSE_WAIT_SENT;
        return session_end(session(r), &serial);
    }
    r->open_points++;
    return session_minor(session(r), &serial);
}

static int
stop(struct rtse *r, bool keep, unsigned reason)
{
    r->state = RTSE_WAIT_STOP;
    r->stop_keep = keep;
    r->stop_reason = reason;
    return keep ? session_interrupt(session(r), SESSION_REASON_NONE)
                : session_discard(session(r), SESSION_REASON_NONE);
}

int
rtse_stop(struct rtse *r, bool keep)
{
    CHECK(r->state == RTSE_SEND || r->state == RTSE_WAIT_SENT);
    return stop(r, keep, SESSION_REASON_LOCAL);
}

/* ---- receiving, turn, end */

int
rtse_secured(struct rtse *r, uint32_t point)
{
    CHECK(r->state == RTSE_RECEIVE || r->state == RTSE_SECURE);
    if (r->state == RTSE_SECURE && point == r->self.point) {
        r->state = RTSE_NO_TURN;
        return session_end_ack(session(r));
    }
    return session_minor_ack(session(r), point);
}

int
rtse_report(struct rtse *r, unsigned reason)
{
    CHECK(r->state == RTSE_RECEIVE || r->state == RTSE_SECURE);
    r->state = RTSE_REPORTED;
    return session_exception(session(r), reason);
}

int
rtse_please(struct rtse *r, uint32_t priority)
{
    struct ber_writer w;
    struct slice out;
    int rc;

    CHECK(r->state == RTSE_NO_TURN && r->dialogue == RTSE_TWA);
    buf_clear(&r->rt);
    ber_writer_init(&w, &r->rt);
    ber_write_int(&w, BER_UNIVERSAL(BER_INTEGER), priority);
    rc = ber_write_finish(&w);
    if (rc == 0) {
        rc = presentation_wrap(r->below, r->names->rtse, buf_slice(&r->rt), &out);
    }
    return rc == 0 ? session_please(session(r), out) : rc;
}

int
rtse_give(struct rtse *r)
{
    CHECK(r->state == RTSE_TURN && r->dialogue == RTSE_TWA);
    r->state = RTSE_GIVING;
    return session_give(session(r));
}

/* An RLRQ or RLRE around nothing; X.410 mode has none. */
static int
release_data(struct rtse *r, enum acse_kind kind, struct slice *out)
{
    struct acse_apdu apdu = { .kind = kind };
    int rc;

    *out = SLICE_NONE;
    if (r->mode == PRESENTATION_X410) {
        return 0;
    }
    buf_clear(&r->ac);
    rc = acse_write(&r->ac, &apdu);
    return rc == 0 ? presentation_wrap(r->below, acse_syntax, buf_slice(&r->ac), out) : rc;
}

int
rtse_close(struct rtse *r)
{
    struct slice data;
    int rc;

    CHECK(r->state == RTSE_TURN && r->initiator);
    r->state = RTSE_WAIT_CLOSE;
    rc = release_data(r, ACSE_RLRQ, &data);
    return rc == 0 ? session_release(session(r), data) : rc;
}

void
rtse_abort(struct rtse *r, unsigned reason)
{
    struct rtse_apdu apdu = { .kind = RTSE_RTAB, .reason = reason };
    struct slice out = SLICE_NONE;

    r->state = RTSE_OVER;
    if (session(r)->state == SESSION_OVER) {
        return;
    }
    if (write_apdu(r, &apdu) < 0 || associate(r, ACSE_ABRT, 0, &out) < 0) {
        out = SLICE_NONE;
    }
    presentation_abort(r->below, acse_syntax, out);
}

/* ---- in */

static enum rtse_ind_kind
protocol(struct rtse *r, const char *error, struct rtse_ind *ind)
{
    rtse_abort(r, RTSE_ABORT_PROTOCOL);
    *ind = (struct rtse_ind){
        .error = error, .reason = RTSE_ABORT_PROTOCOL, .ours = true, .layer = OSI_RTSE
    };
    return RTSE_IND_ABORT;
}

/* The APDU of ours in user data: in normal mode out of the association's. */
static int
unwrap(const struct rtse *r, struct slice data, enum acse_kind kind, struct acse_apdu *ac,
    struct slice *out, const char **error)
{
    *out = data;
    if (r->mode == PRESENTATION_X410) {
        return 0;
    }
    if (acse_read(data, ac, error) < 0) {
        return BH_ESYNTAX;
    }
    if (ac->kind != kind) {
        *error = "an association APDU in another's place";
        return BH_ESYNTAX;
    }
    *out = ac->user;
    return 0;
}

/* Without the context that segments travel in, nothing could ever be sent. */
static bool
has_context(const struct rtse *r)
{
    return r->mode == PRESENTATION_X410 || presentation_id(r->below, r->names->rtse) != 0;
}

static void
fill_open(const struct rtse *r, const struct presentation_ind *p, const struct rtse_apdu *apdu,
    struct rtse_ind *ind)
{
    const struct session_connect *s = &p->session.connect;

    ind->open = (struct rtse_open){ .mode = r->mode,
        .dialogue = r->dialogue,
        .checkpoint = apdu->checkpoint,
        .window = apdu->window,
        .application_protocol = apdu->protocol == 3072 ? 12 : apdu->protocol,
        .initiator_has_turn = s->initiator_has_turn,
        .recover = apdu->recover,
        .reference = s->reference,
        .recovered = apdu->recovered,
        .calling_s = s->calling,
        .called_s = s->called,
        .calling_p = p->calling,
        .called_p = p->called,
        .user = apdu->user };
}

static enum rtse_ind_kind
ask(struct rtse *r, const struct presentation_ind *p, struct rtse_ind *ind)
{
    struct acse_apdu ac = { .kind = ACSE_AARQ };
    struct rtse_apdu apdu;
    struct slice rtorq;
    const char *error = NULL;
    int rc;

    r->state = RTSE_ANSWER;
    r->mode = p->mode;
    rc = unwrap(r, p->session.connect.user_data, ACSE_AARQ, &ac, &rtorq, &error);
    if (rc == 0 && r->mode == PRESENTATION_NORMAL && !slice_eq(ac.context, r->names->application)) {
        error = "an application context that is not ours";
        rc = BH_ESYNTAX;
    }
    if (rc == 0 && !has_context(r)) {
        error = "the peer does not offer the presentation context of reliable transfer";
        rc = BH_ESYNTAX;
    }
    if (rc == 0) {
        rc = rtse_apdu_read(rtorq, RTSE_RTORQ, r->mode, &apdu, &error);
    }
    if (rc < 0) {
        (void)!rtse_refuse(r, RTSE_REFUSE_VALIDATION, SLICE_NONE);
        ind->error = error;
        ind->ours = true;
        ind->layer = OSI_RTSE;
        return RTSE_IND_ABORT;
    }
    r->dialogue = apdu.dialogue == RTSE_TWA ? RTSE_TWA : RTSE_MONOLOGUE;
    r->checkpoint = MIN(apdu.checkpoint, RTSE_CHECKPOINT_MAX);
    r->window = MIN(MAX(apdu.window, 1u), RTSE_WINDOW_MAX);
    rtse_recovery_name(&r->self, &p->session.connect.reference);
    fill_open(r, p, &apdu, ind);
    return RTSE_IND_OPEN;
}

static enum rtse_ind_kind
accepted(struct rtse *r, const struct presentation_ind *p, struct rtse_ind *ind)
{
    struct acse_apdu ac = { .kind = ACSE_AARE };
    struct rtse_apdu apdu;
    struct slice rtoac;
    const char *error = NULL;

    if (unwrap(r, p->session.connect.user_data, ACSE_AARE, &ac, &rtoac, &error) < 0 ||
        rtse_apdu_read(rtoac, RTSE_RTOAC, r->mode, &apdu, &error) < 0) {
        return protocol(r, error, ind);
    }
    if (ac.result != ACSE_ACCEPTED) {
        return protocol(r, "a rejection in an acceptance", ind);
    }
    if (!has_context(r)) {
        return protocol(r, "the peer refused the presentation context of reliable transfer", ind);
    }
    /* A larger answer than the offer is taken as the offer: aborting cost others the connection. */
    r->checkpoint = r->checkpoint == 0 ? MIN(apdu.checkpoint, RTSE_CHECKPOINT_MAX)
                                       : MIN(r->checkpoint, apdu.checkpoint);
    r->window = MIN(r->window, MAX(apdu.window, 1u));
    opened(r);
    apdu.checkpoint = r->checkpoint; /* what holds, whatever was answered */
    apdu.window = r->window;
    fill_open(r, p, &apdu, ind);
    return RTSE_IND_OPENED;
}

static enum rtse_ind_kind
refused(struct rtse *r, const struct presentation_ind *p, struct rtse_ind *ind)
{
    struct acse_apdu ac = { .kind = ACSE_AARE };
    struct rtse_apdu apdu = { .reason = RTSE_REFUSE_BUSY };
    const char *error = NULL;
    struct slice rtorj;

    r->state = RTSE_OVER;
    ind->layer = OSI_SESSION;
    ind->reason = p->session.reason;
    ind->error = session_refuse_text(p->session.reason);
    if (p->provider_reason >= 0) {
        ind->layer = OSI_PRESENTATION;
        ind->reason = (unsigned)p->provider_reason;
        ind->error = presentation_refuse_text(p->provider_reason);
    } else if (p->session.user_data.n > 0 &&
               unwrap(r, p->session.user_data, ACSE_AARE, &ac, &rtorj, &error) == 0) {
        bool said = rtse_apdu_read(rtorj, RTSE_RTORJ, r->mode, &apdu, &error) == 0 &&
                    (r->mode == PRESENTATION_X410 || apdu.user.n > 0);

        ind->layer = said ? OSI_RTSE : OSI_ASSOCIATION;
        ind->reason = said ? apdu.reason : ac.diagnostic;
        ind->error = said ? rtse_refuse_text(apdu.reason) : "the peer rejects the association";
        ind->user = apdu.user;
        if (apdu.user.n > 0) { /* only normal mode: the bind error says why */
            ind->layer = OSI_USER;
            ind->error = "the peer refuses the bind";
        }
    }
    return RTSE_IND_REFUSED;
}

static bool
activity_number(struct slice id, uint32_t *out)
{
    struct ber_cursor c;
    struct ber_value v;
    uint64_t number;

    ber_cursor_init(&c, id);
    if (ber_take_tag(&c, BER_UNIVERSAL(BER_INTEGER), &v) <= 0 ||
        ber_to_uint(&v, RTSE_ACTIVITY_MAX, &number) < 0) {
        return false;
    }
    *out = (uint32_t)number;
    return true;
}

static enum rtse_ind_kind
began(struct rtse *r, const struct presentation_ind *p, struct rtse_ind *ind)
{
    bool resumed = p->session.old_activity.n > 0;

    if (!activity_number(resumed ? p->session.old_activity : p->session.activity, &ind->activity) ||
        !activity_number(p->session.activity, &ind->renamed)) {
        return protocol(r, "an activity's identifier is no number", ind);
    }
    r->state = RTSE_RECEIVE;
    ind->point = p->session.serial;
    ind->link = p->session.link;
    ind->offset = (uint64_t)ind->point * r->checkpoint * RTSE_CHECKPOINT_UNIT_BYTES;
    r->self.activity = ind->activity;
    r->self.point = ind->point;
    r->done_bytes = ind->offset;
    return resumed ? RTSE_IND_RESUME : RTSE_IND_BEGIN;
}

static enum rtse_ind_kind
octets(struct rtse *r, const struct presentation_ind *p, struct rtse_ind *ind)
{
    if (p->context != 0 && p->context != presentation_id(r->below, r->names->rtse)) {
        return protocol(
            r, "a segment in another presentation context than reliable transfer's", ind);
    }
    ind->bytes = p->session.bytes;
    ind->offset = r->done_bytes;
    r->done_bytes += ind->bytes.n;
    return ind->bytes.n > 0 ? RTSE_IND_OCTETS : RTSE_IND_MORE;
}

static enum rtse_ind_kind
reported(struct rtse *r, const struct presentation_ind *p, struct rtse_ind *ind)
{
    bool keep = p->session.reason != SESSION_REASON_PROCEDURAL;

    if (stop(r, keep, p->session.reason) < 0) {
        return protocol(r, "out of memory", ind);
    }
    return RTSE_IND_MORE;
}

static enum rtse_ind_kind
please(const struct rtse *r, const struct presentation_ind *p, struct rtse_ind *ind)
{
    struct ber_cursor c;
    struct ber_value v;
    uint64_t priority = 0;

    ber_cursor_init(&c, p->session.user_data);
    if (ber_take_tag(&c, BER_UNIVERSAL(BER_INTEGER), &v) > 0 &&
        ber_to_uint(&v, UINT32_MAX, &priority) == 0) {
        ind->priority = (uint32_t)priority;
    }
    return r->dialogue == RTSE_TWA ? RTSE_IND_PLEASE : RTSE_IND_MORE;
}

static enum rtse_ind_kind
close_asked(struct rtse *r, struct rtse_ind *ind)
{
    struct slice data;

    if (release_data(r, ACSE_RLRE, &data) < 0 || session_release_ack(session(r), data) < 0) {
        return protocol(r, "out of memory", ind);
    }
    r->state = RTSE_OVER;
    return RTSE_IND_CLOSED;
}

static enum rtse_ind_kind
aborted(struct rtse *r, const struct presentation_ind *p, struct rtse_ind *ind)
{
    struct acse_apdu ac = { .kind = ACSE_ABRT };
    struct rtse_apdu apdu = { .reason = RTSE_ABORT_SYSTEM };
    const char *error = NULL;
    struct slice rtab;

    r->state = RTSE_OVER;
    ind->by_peer = p->session.by_peer;
    ind->ours = p->session.ours;
    ind->layer = p->session.layer;
    ind->error = p->session.error;
    if (p->session.user_data.n > 0 &&
        unwrap(r, p->session.user_data, ACSE_ABRT, &ac, &rtab, &error) == 0) {
        ind->layer = OSI_ASSOCIATION;
        if (rtse_apdu_read(rtab, RTSE_RTAB, r->mode, &apdu, &error) == 0) {
            ind->layer = OSI_RTSE;
            ind->reason = apdu.reason;
            ind->error = rtse_abort_text(apdu.reason);
        }
    }
    return RTSE_IND_ABORT;
}

/* The steps of an open association. */
static enum rtse_ind_kind
transfer_step(struct rtse *r, enum rtse_step step, const struct presentation_ind *p,
    enum session_ind_kind event, struct rtse_ind *ind)
{
    ind->activity = r->self.activity;
    ind->point = p->session.serial;
    if (step == RTSE_STEP_CONFIRMED) {
        r->open_points -= MIN(r->open_points, ind->point - MIN(ind->point, r->self.point));
        r->self.point = ind->point;
        return RTSE_IND_CONFIRMED;
    }
    if (step == RTSE_STEP_END) {
        r->state = RTSE_SECURE;
        r->self.point = ind->point;
        return RTSE_IND_END;
    }
    if (step == RTSE_STEP_SENT) {
        r->state = RTSE_TURN;
        return RTSE_IND_SENT;
    }
    if (step == RTSE_STEP_STOPPED) {
        r->state = RTSE_NO_TURN;
        ind->keep = event == SESSION_IND_INTERRUPT;
        ind->reason = p->session.reason;
        return RTSE_IND_STOPPED;
    }
    if (step == RTSE_STEP_FAILED) {
        r->state = RTSE_TURN;
        ind->keep = r->stop_keep;
        ind->reason = r->stop_reason;
        ind->point = r->self.point;
        return RTSE_IND_FAILED;
    }
    return RTSE_IND_POINT;
}

static enum rtse_ind_kind
take_step(struct rtse *r, enum session_ind_kind event, const struct presentation_ind *p,
    struct rtse_ind *ind)
{
    enum rtse_step step = rtse_row(r->state, event);

    switch (step) {
    case RTSE_STEP_ASK:
        return ask(r, p, ind);
    case RTSE_STEP_OPENED:
        return accepted(r, p, ind);
    case RTSE_STEP_REFUSED:
        return refused(r, p, ind);
    case RTSE_STEP_BEGIN:
    case RTSE_STEP_RESUME:
        return began(r, p, ind);
    case RTSE_STEP_OCTETS:
        return octets(r, p, ind);
    case RTSE_STEP_POINT:
    case RTSE_STEP_CONFIRMED:
    case RTSE_STEP_END:
    case RTSE_STEP_SENT:
    case RTSE_STEP_STOPPED:
    case RTSE_STEP_FAILED:
        return transfer_step(r, step, p, event, ind);
    case RTSE_STEP_STOP:
        return reported(r, p, ind);
    case RTSE_STEP_PLEASE:
        return please(r, p, ind);
    case RTSE_STEP_TURN:
        r->state = RTSE_TURN;
        return RTSE_IND_TURN;
    case RTSE_STEP_GAVE:
        r->state = RTSE_NO_TURN;
        return RTSE_IND_GAVE;
    case RTSE_STEP_CLOSE:
        return close_asked(r, ind);
    case RTSE_STEP_CLOSED:
        r->state = RTSE_OVER;
        return RTSE_IND_CLOSED;
    case RTSE_STEP_ABORT:
        return aborted(r, p, ind);
    case RTSE_STEP_PROTOCOL:
        return protocol(r, "the peer does what its state does not allow", ind);
    case RTSE_STEP_DROP:
    case RTSE_STEP_LOSE:
    case RTSE_STEP_IGNORE:
        break;
    }
    return RTSE_IND_MORE;
}

enum rtse_ind_kind
rtse_next(struct rtse *r, struct slice *bytes, bool end, struct rtse_ind *ind)
{
    enum rtse_ind_kind kind = RTSE_IND_MORE;
    struct presentation_ind p;
    enum session_ind_kind event;

    do {
        *ind = (struct rtse_ind){ .point = 0 };
        event = presentation_next(r->below, bytes, end, &p);
        if (event != SESSION_IND_MORE) {
            kind = take_step(r, event, &p, ind);
        }
    } while (event != SESSION_IND_MORE && kind == RTSE_IND_MORE);
    return kind;
}
