/* x400_resume_out.c - transfers that go, and break: a note among the queue's settings, with which
 * the next delivery of the same message to the same recipients goes on, here or on another node.
 *
 * The note is made at the first point that the peer confirmed, renewed each MiB and when the
 * association breaks, and removed when the delivery has its result. It is not waited for: one that
 * is older costs octets, since the receiver takes the sender's word downwards; one that is lost
 * costs all of them. It is followed only if what was sent comes out the same: length and CRC of the
 * head, and the length of all. Resumed is over any association of the connector, by the reference
 * of the one that broke: so the peer has authenticated us by a bind, as ever.
 */
#include "core/crc32c.h"
#include "core/log.h"
#include "core/ticks.h"
#include "x400/x400_link.h"

#define RENEW_BYTES MIB

static const struct x400_settings *
settings_of(const struct transport_session *t)
{
    return &t->connector->x->env.settings;
}

static struct slice
key_of(const struct transport_session *t, char out[X400_NOTE_KEY_CAP], unsigned i)
{
    return x400_note_key(out, t->conf->o.name, i);
}

static uint64_t
recipients_of(const struct delivery *d)
{
    uint64_t sum = 0xcbf29ce484222325u;

    for (uint32_t i = 0; i < d->recipient_count; i++) {
        struct slice a = d->recipients[i];

        for (size_t at = 0; at <= a.n; at++) {
            sum = (sum ^ (at < a.n ? (unsigned char)a.p[at] : 0u)) * 0x100000001b3u;
        }
    }
    return sum;
}

/* ---- which */

static bool
read_note(const struct transport_session *t, unsigned i, struct x400_note *out)
{
    const struct x400_settings *s = settings_of(t);
    char key[X400_NOTE_KEY_CAP];

    return x400_note_read(s->get(s->ctx, key_of(t, key, i)), out) == 0;
}

static void
take(struct transport_session *t, unsigned i)
{
    t->connector->noting[i] = t;
    t->note = i + 1;
}

/* The number of this delivery's note, which nobody is at; X400_NOTES: it has none. */
static unsigned
number_of(const struct transport_session *t, struct x400_note *out)
{
    uint64_t recipients = recipients_of(t->d);
    unsigned i = 0;

    while (i < X400_NOTES && (t->connector->noting[i] != NULL || !read_note(t, i, out) ||
                                 out->message != t->d->id || out->recipients != recipients)) {
        i++;
    }
    return i;
}

static bool
find(struct transport_session *t, struct x400_note *out)
{
    unsigned i = number_of(t, out);

    if (i < X400_NOTES) {
        take(t, i);
    }
    return i < X400_NOTES;
}

/* An empty one, else the oldest that nobody is at. */
static bool
find_free(struct transport_session *t)
{
    uint64_t oldest = UINT64_MAX;
    unsigned best = X400_NOTES;
    struct x400_note n;

    for (unsigned i = 0; i < X400_NOTES && oldest > 0; i++) {
        uint64_t since;

        if (t->connector->noting[i] != NULL) {
            continue;
        }
        since = read_note(t, i, &n) ? MAX(n.noted_wall_ms, (uint64_t)1) : 0;
        if (since < oldest) {
            oldest = since;
            best = i;
        }
    }
    if (best < X400_NOTES) {
        take(t, best);
    }
    return best < X400_NOTES;
}

/* ---- making it */

static void
note_as(struct transport_session *t, const struct rtse_recovery *from)
{
    const struct x400_settings *s = settings_of(t);
    struct x400_note n = { .from = *from,
        .message = t->d->id,
        .recipients = recipients_of(t->d),
        .apdu_bytes = t->bytes,
        .head_bytes = buf_len(&t->head),
        .head_crc = t->head_crc,
        .noted_wall_ms = ticks_wall_ms() };
    char key[X400_NOTE_KEY_CAP];
    struct buf value;
    uint64_t bytes;

    if (n.from.point == 0 || (t->note == 0 && !find_free(t))) {
        return;
    }
    bytes = rtse_offset(&n.from);
    if (t->resumed && bytes <= t->resumed_bytes) {
        n.noted_wall_ms = t->since_wall_ms; /* who never gets further ends some time */
    }
    buf_init(&value, X400_NOTE_BYTES_MAX);
    if (x400_note_write(&value, &n) == 0) {
        /* Without it the transfer begins anew if it breaks. */
        (void)!s->set(s->ctx, key_of(t, key, t->note - 1), buf_slice(&value));
    }
    t->noted_bytes = bytes;
    buf_fini(&value);
}

static void
note(struct transport_session *t)
{
    struct rtse_recovery now;

    x400_conn_recovery(t->at->conn, &now);
    note_as(t, &now);
}

static bool
is_noted(const struct transport_session *t)
{
    return settings_of(t)->set != NULL && t->conf->o.recovery_ms > 0 && t->d != NULL &&
           t->at != NULL && t->headed && !t->small &&
           (t->state == X400_OUT_SEND || t->state == X400_OUT_LAST || t->state == X400_OUT_WAIT);
}

void
x400_resume_confirmed(struct transport_session *t)
{
    struct rtse_recovery now;

    if (!is_noted(t)) {
        return;
    }
    x400_conn_recovery(t->at->conn, &now);
    if (t->noted_bytes == 0 || rtse_offset(&now) >= t->noted_bytes + RENEW_BYTES) {
        note(t);
    }
}

static void
tell_broken(const struct transport_session *t, const struct rtse_recovery *from)
{
    if (t->note != 0) {
        log_event(EV_X400_TRANSFER_BROKEN, LF_UINT("association", t->at->id),
            LF_SLICE("connector", t->conf->o.name), LF_STR("direction", "out"),
            LF_ID("id", t->d->id), LF_UINT("activity", from->activity),
            LF_UINT("point", from->point), LF_UINT("kept", rtse_offset(from)));
    }
}

void
x400_resume_broken(struct transport_session *t, bool by_peer)
{
    struct rtse_recovery now;

    if (!is_noted(t)) {
        return;
    }
    x400_conn_recovery(t->at->conn, &now);
    if (by_peer && t->resumed && rtse_offset(&now) <= t->resumed_bytes) {
        x400_resume_leave(t, true); /* some abort where they should report */
    } else {
        note(t);
        tell_broken(t, &now);
    }
}

void
x400_resume_reported(struct transport_session *t)
{
    struct rtse_recovery now;

    if (!is_noted(t)) {
        return;
    }
    x400_conn_recovery(t->at->conn, &now);
    if (t->resumed && rtse_offset(&now) <= t->resumed_bytes) {
        now = t->resumed_from;
    }
    note_as(t, &now);
    tell_broken(t, &now);
}

void
x400_resume_leave(struct transport_session *t, bool done)
{
    const struct x400_settings *s = settings_of(t);
    char key[X400_NOTE_KEY_CAP];

    if (t->note == 0) {
        return;
    }
    if (done) {
        (void)!s->set(s->ctx, key_of(t, key, t->note - 1), SLICE_NONE);
    }
    t->connector->noting[t->note - 1] = NULL;
    t->note = 0;
    t->noted_bytes = 0;
}

/* ---- following it */

static uint64_t
age_ms(const struct x400_note *n)
{
    uint64_t now = ticks_wall_ms();

    return now - MIN(n->noted_wall_ms, now);
}

static bool
fits(const struct transport_session *t, const struct x400_note *n)
{
    return n->head_bytes == buf_len(&t->head) && n->head_crc == t->head_crc &&
           n->apdu_bytes == t->bytes && age_ms(n) <= t->conf->o.recovery_ms;
}

static uint64_t
left_ms(const struct transport_session *t, const struct x400_note *n)
{
    return t->conf->o.recovery_ms - MIN(age_ms(n), t->conf->o.recovery_ms);
}

/* The one that can wait longest. A message that has none must not make them wait. */
static uint64_t
any_left_ms(const struct transport_session *t)
{
    uint64_t most = 0;
    struct x400_note n;

    for (unsigned i = 0; i < X400_NOTES; i++) {
        if (t->connector->noting[i] == NULL && read_note(t, i, &n)) {
            most = MAX(most, left_ms(t, &n));
        }
    }
    return most;
}

bool
x400_resume_of(const struct transport_session *t, struct rtse_recovery *out)
{
    struct x400_note n;

    if (settings_of(t)->get == NULL || t->conf->o.recovery_ms == 0 || t->d == NULL || t->anew ||
        number_of(t, &n) == X400_NOTES || left_ms(t, &n) == 0) {
        return false;
    }
    *out = n.from;
    return true;
}

uint64_t
x400_resume_left_ms(const struct transport_session *t)
{
    struct x400_note n;
    bool noted = false;

    if (settings_of(t)->get == NULL || t->conf->o.recovery_ms == 0 || t->d == NULL) {
        return 0;
    }
    if (!t->announced) {
        return any_left_ms(t);
    }
    noted = t->note != 0 ? read_note(t, t->note - 1, &n) : number_of(t, &n) < X400_NOTES;
    return noted ? left_ms(t, &n) : 0;
}

bool
x400_resume_out(struct transport_session *t)
{
    struct slice head = buf_slice(&t->head);
    struct x400_note n;
    uint64_t from;

    if (settings_of(t)->get == NULL || t->small) {
        return false;
    }
    t->head_crc = crc32c(0, head.p, head.n);
    if (t->anew || !find(t, &n) || !fits(t, &n) ||
        x400_conn_resume(t->at->conn, &n.from, t->bytes, t->priority) < 0) {
        return false;
    }
    from = rtse_offset(&n.from);
    t->resumed = true;
    t->resumed_bytes = from;
    t->resumed_from = n.from;
    t->since_wall_ms = n.noted_wall_ms;
    t->left = t->bytes - from;
    t->head_done = (size_t)MIN(from, (uint64_t)head.n);
    if (from > head.n) {
        t->piece = SLICE_NONE;
        t->connector->up.seek(t->up, t->stored_bytes + from - head.n);
    }
    log_event(EV_X400_RESUMED, LF_UINT("association", t->at->id),
        LF_SLICE("connector", t->conf->o.name), LF_STR("direction", "out"), LF_ID("id", t->d->id),
        LF_UINT("activity", n.from.activity), LF_UINT("point", n.from.point),
        LF_UINT("kept", from));
    note(t); /* it has another name from now on */
    return true;
}
