/* session.c - the session's requests: what we send. What comes is in session_in.c, the table in
 * session_table.c, the SPDUs' parameters in session_spdu.c.
 *
 * BUGS      segmented SSDUs (enclosure items) are refused: they are never agreed upon, since we
 *           offer and accept no maximum TSDU size. CONNECT DATA OVERFLOW too: a bind is far below
 *           10,240 octets.
 */
#include "osi/session_int.h"

#define TOKENS_RESPONDER  0x15 /* data, minor and major at the acceptor's side */
#define TOKEN_DATA        1    /* in a token item */
#define RELEASE_TRANSPORT 1    /* transport disconnect: not kept */

void
session_init(struct session *s, struct tp0 *below)
{
    memset(s, 0, sizeof(*s));
    s->below = below;
    s->state = SESSION_IDLE;
    buf_init(&s->spdu, SESSION_SPDU_BYTES_MAX);
}

void
session_fini(struct session *s)
{
    buf_fini(&s->spdu);
}

void
session_lost(struct session *s)
{
    s->state = SESSION_OVER;
}

/* ---- out */

int
session_send_plain(struct session *s, int prefix, uint8_t si)
{
    const struct spdu_writer none = { .n = 0 };

    return spdu_send(s->below, prefix, si, &none, SPDU_USER_DATA, SLICE_NONE);
}

void
session_send_abort(struct session *s, uint8_t reason, struct slice user_data)
{
    size_t room = s->version >= 2 ? SESSION_DATA_BYTES_MAX : SESSION_ABORT_DATA_V1_BYTES_MAX;
    struct spdu_writer w = { .n = 0 };

    if (s->below->state == TP0_OPEN) {
        if (s->in_ssdu) { /* the TSDU under way ends here, whatever was in it */
            (void)!tp0_send(s->below, SLICE_NONE, true);
        }
        spdu_put_octet(&w, SPDU_TRANSPORT_DISCONNECT, (uint8_t)(RELEASE_TRANSPORT | reason));
        if (s->below->state == TP0_OPEN) {
            (void)!spdu_send(s->below, NO_PREFIX, SI_AB, &w, SPDU_USER_DATA,
                user_data.n <= room ? user_data : SLICE_NONE);
        }
    }
    s->state = SESSION_OVER;
}

void
session_abort(struct session *s, struct slice user_data)
{
    CHECK(s->state != SESSION_OVER);
    if (s->state == SESSION_IDLE) {
        s->state = SESSION_OVER;
        return;
    }
    session_send_abort(s, ABORT_BY_USER, user_data);
}

static void
put_reference(struct spdu_writer *w, enum spdu_pi user, const struct session_reference *r)
{
    spdu_begin(w, SPDU_CONNECTION_ID);
    spdu_put(w, user, r->user);
    spdu_put(w, SPDU_COMMON_REFERENCE, r->common);
    if (r->additional.n > 0) {
        spdu_put(w, SPDU_ADDITIONAL_REFERENCE, r->additional);
    }
    spdu_end(w);
}

static void
put_requirements(struct spdu_writer *w)
{
    static const char requirements[] = { (char)(SESSION_REQUIREMENTS >> 8),
        (char)(SESSION_REQUIREMENTS & 0xFF) };

    spdu_put(w, SPDU_REQUIREMENTS, (struct slice){ requirements, sizeof(requirements) });
}

static void
put_connect_item(struct spdu_writer *w, uint8_t versions, uint8_t tokens)
{
    spdu_begin(w, SPDU_CONNECT_ITEM);
    spdu_put_octet(w, SPDU_PROTOCOL_OPTIONS, 0); /* no extended concatenation */
    spdu_put_octet(w, SPDU_VERSION, versions);
    spdu_put_octet(w, SPDU_TOKEN_SETTING, tokens);
    spdu_end(w);
}

static void
check_connect(const struct session_connect *c)
{
    CHECK(c->calling.n <= SESSION_SELECTOR_BYTES_MAX && c->called.n <= SESSION_SELECTOR_BYTES_MAX);
    CHECK(c->reference.user.n <= SESSION_REFERENCE_BYTES_MAX);
    CHECK(c->reference.common.n <= SESSION_REFERENCE_BYTES_MAX);
    CHECK(c->reference.additional.n <= SESSION_ADDITIONAL_BYTES_MAX);
    CHECK(c->user_data.n <= SESSION_DATA_BYTES_MAX);
}

int
session_connect(struct session *s, const struct session_connect *c)
{
    bool extended = c->user_data.n > SESSION_DATA_V1_BYTES_MAX;
    struct spdu_writer w = { .n = 0 };
    uint8_t versions = VERSION_1 | VERSION_2;

    CHECK(s->state == SESSION_IDLE);
    CHECK(!(extended && c->version_1_only));
    check_connect(c);
    versions = c->version_1_only ? VERSION_1 : extended ? VERSION_2 : versions;
    put_reference(&w, SPDU_CALLING_REFERENCE, &c->reference);
    put_connect_item(&w, versions, c->initiator_has_turn ? 0 : TOKENS_RESPONDER);
    put_requirements(&w);
    if (c->calling.n > 0) {
        spdu_put(&w, SPDU_CALLING_SELECTOR, c->calling);
    }
    if (c->called.n > 0) {
        spdu_put(&w, SPDU_CALLED_SELECTOR, c->called);
    }
    s->initiator = true;
    s->our_turn = c->initiator_has_turn;
    s->version = c->version_1_only ? 1 : 2;
    s->state = SESSION_WAIT_AC;
    return spdu_send(s->below, NO_PREFIX, SI_CN, &w,
        extended ? SPDU_EXTENDED_USER_DATA : SPDU_USER_DATA, c->user_data);
}

int
session_accept(struct session *s, const struct session_connect *c)
{
    struct spdu_writer w = { .n = 0 };

    CHECK(s->state == SESSION_ANSWER);
    check_connect(c);
    if (s->version == 1 && c->user_data.n > SESSION_DATA_V1_BYTES_MAX) {
        return BH_ETOOBIG;
    }
    put_reference(&w, SPDU_CALLED_REFERENCE, &c->reference);
    put_connect_item(&w, s->version >= 2 ? VERSION_2 : VERSION_1, 0);
    put_requirements(&w);
    if (c->called.n > 0) {
        spdu_put(&w, SPDU_CALLED_SELECTOR, c->called);
    }
    s->state = SESSION_OPEN;
    return spdu_send(s->below, NO_PREFIX, SI_AC, &w, SPDU_USER_DATA, c->user_data);
}

/* A REFUSE's user data stand behind the reason, in its parameter (8.3.5.9). */
int
session_send_refuse(struct session *s, unsigned reason, struct slice user_data)
{
    struct spdu_writer w = { .n = 0 };
    const char octet = (char)reason;
    struct buf b;
    int rc;

    spdu_put_octet(&w, SPDU_TRANSPORT_DISCONNECT, RELEASE_TRANSPORT);
    buf_init(&b, 1 + SESSION_DATA_BYTES_MAX);
    rc = buf_append(&b, (struct slice){ &octet, 1 });
    if (rc == 0) {
        rc = buf_append(&b, user_data);
    }
    if (rc == 0) {
        rc = spdu_send(s->below, NO_PREFIX, SI_RF, &w, SPDU_REASON, buf_slice(&b));
    }
    buf_fini(&b);
    s->state = SESSION_OVER;
    return rc;
}

int
session_refuse(struct session *s, unsigned reason, struct slice user_data)
{
    CHECK(s->state == SESSION_ANSWER);
    CHECK(user_data.n == 0 || reason == SESSION_REFUSE_DATA);
    return session_send_refuse(s, reason, user_data);
}

int
session_data(struct session *s, struct slice bytes, bool end)
{
    static const char head[] = { SI_GT, 0, SI_DT, 0 };
    int rc = 0;

    CHECK(s->state == SESSION_OPEN && s->our_turn);
    if (!s->in_ssdu) {
        rc = tp0_send(s->below, (struct slice){ head, sizeof(head) }, false);
    }
    s->in_ssdu = !end;
    return rc == 0 ? tp0_send(s->below, bytes, end) : rc;
}

/* What only whoever has the turn may send, between SSDUs. */
static void
check_turn(const struct session *s, bool activity)
{
    CHECK(s->state == SESSION_OPEN && s->our_turn && s->activity == activity && !s->in_ssdu);
}

static int
send_point(struct session *s, uint8_t si, uint32_t *serial)
{
    struct spdu_writer w = { .n = 0 };

    *serial = s->next;
    spdu_put_serial(&w, *serial);
    s->next++;
    return spdu_send(s->below, SI_GT, si, &w, SPDU_USER_DATA, SLICE_NONE);
}

int
session_minor(struct session *s, uint32_t *serial)
{
    check_turn(s, true);
    CHECK(s->next < SESSION_SERIAL_MAX);
    return send_point(s, SI_MIP, serial);
}

int
session_end(struct session *s, uint32_t *serial)
{
    check_turn(s, true);
    s->state = SESSION_WAIT_AEA;
    return send_point(s, SI_AE, serial);
}

int
session_minor_ack(struct session *s, uint32_t serial)
{
    struct spdu_writer w = { .n = 0 };

    CHECK(s->state == SESSION_OPEN || s->state == SESSION_END || s->state == SESSION_REPORTED);
    CHECK(!s->our_turn && serial >= s->unconfirmed);
    CHECK(serial < s->next - (s->state == SESSION_END)); /* the end has an answer of its own */
    s->unconfirmed = serial + 1;
    spdu_put_serial(&w, serial);
    return spdu_send(s->below, SI_PT, SI_MIA, &w, SPDU_USER_DATA, SLICE_NONE);
}

int
session_end_ack(struct session *s)
{
    struct spdu_writer w = { .n = 0 };

    CHECK(s->state == SESSION_END);
    spdu_put_serial(&w, s->next - 1);
    s->state = SESSION_OPEN;
    s->activity = false;
    s->crossed = true;
    return spdu_send(s->below, SI_PT, SI_AEA, &w, SPDU_USER_DATA, SLICE_NONE);
}

int
session_start(struct session *s, struct slice activity)
{
    struct spdu_writer w = { .n = 0 };

    check_turn(s, false);
    CHECK(activity.n > 0 && activity.n <= SESSION_ACTIVITY_ID_BYTES_MAX);
    s->activity = true;
    s->next = s->unconfirmed = 1;
    spdu_put(&w, SPDU_ACTIVITY_ID, activity);
    return spdu_send(s->below, SI_GT, SI_AS, &w, SPDU_USER_DATA, SLICE_NONE);
}

int
session_resume(struct session *s, struct slice activity, struct slice old_activity, uint32_t serial,
    const struct session_reference *link)
{
    struct spdu_writer w = { .n = 0 };

    check_turn(s, false);
    CHECK(activity.n > 0 && activity.n <= SESSION_ACTIVITY_ID_BYTES_MAX);
    CHECK(serial < SESSION_SERIAL_MAX);
    s->activity = true;
    s->next = s->unconfirmed = serial + 1;
    spdu_begin(&w, SPDU_LINKING);
    if (link->user.n > 0) { /* begun in another session connection */
        spdu_put(&w, SPDU_CALLING_REFERENCE, link->user);
        spdu_put(&w, SPDU_COMMON_REFERENCE, link->common);
        if (link->additional.n > 0) {
            spdu_put(&w, SPDU_ADDITIONAL_REFERENCE, link->additional);
        }
    }
    spdu_put(&w, SPDU_ACTIVITY_ID, old_activity);
    spdu_put_serial(&w, serial);
    spdu_end(&w);
    spdu_put(&w, SPDU_ACTIVITY_ID, activity);
    return spdu_send(s->below, SI_GT, SI_AR, &w, SPDU_USER_DATA, SLICE_NONE);
}

/* An SSDU under way is cut: what is behind it says that it counts for nothing. */
static int
stop_activity(struct session *s, uint8_t si, enum session_state state, unsigned reason)
{
    struct spdu_writer w = { .n = 0 };
    int rc = 0;

    CHECK(s->our_turn && s->activity);
    CHECK(
        s->state == SESSION_OPEN || s->state == SESSION_WAIT_AEA || s->state == SESSION_EXCEPTION);
    if (s->in_ssdu) {
        s->in_ssdu = false;
        rc = tp0_send(s->below, SLICE_NONE, true);
    }
    s->state = state;
    spdu_put_octet(&w, SPDU_REASON, (uint8_t)reason);
    return rc == 0 ? spdu_send(s->below, SI_GT, si, &w, SPDU_USER_DATA, SLICE_NONE) : rc;
}

int
session_interrupt(struct session *s, unsigned reason)
{
    return stop_activity(s, SI_AI, SESSION_WAIT_AIA, reason);
}

int
session_discard(struct session *s, unsigned reason)
{
    return stop_activity(s, SI_AD, SESSION_WAIT_ADA, reason);
}

int
session_exception(struct session *s, unsigned reason)
{
    struct spdu_writer w = { .n = 0 };

    CHECK((s->state == SESSION_OPEN || s->state == SESSION_END) && !s->our_turn && s->activity);
    s->state = SESSION_REPORTED;
    spdu_put_octet(&w, SPDU_REASON, (uint8_t)reason);
    return spdu_send(s->below, SI_PT, SI_ED, &w, SPDU_USER_DATA, SLICE_NONE);
}

int
session_please(struct session *s, struct slice user_data)
{
    struct spdu_writer w = { .n = 0 };

    CHECK(s->state == SESSION_OPEN && !s->our_turn);
    CHECK(user_data.n <= SESSION_DATA_V1_BYTES_MAX);
    spdu_put_octet(&w, SPDU_TOKEN_ITEM, TOKEN_DATA);
    return spdu_send(s->below, NO_PREFIX, SI_PT, &w, SPDU_USER_DATA, user_data);
}

int
session_give(struct session *s)
{
    check_turn(s, false);
    s->our_turn = false;
    s->state = SESSION_WAIT_GTA;
    return session_send_plain(s, NO_PREFIX, SI_GTC);
}

int
session_release(struct session *s, struct slice user_data)
{
    struct spdu_writer w = { .n = 0 };

    check_turn(s, false);
    s->state = SESSION_WAIT_DN;
    spdu_put_octet(&w, SPDU_TRANSPORT_DISCONNECT, RELEASE_TRANSPORT);
    return spdu_send(s->below, NO_PREFIX, SI_FN, &w, SPDU_USER_DATA, user_data);
}

int
session_release_ack(struct session *s, struct slice user_data)
{
    const struct spdu_writer none = { .n = 0 };

    CHECK(s->state == SESSION_RELEASE);
    s->state = SESSION_OVER;
    return spdu_send(s->below, NO_PREFIX, SI_DN, &none, SPDU_USER_DATA, user_data);
}
