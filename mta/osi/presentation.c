/* presentation.c - the wrapping of what the session carries. PDUs are read and written in
 * presentation_pdu.c; data, which stream, are read here. */
#include "osi/presentation_pdu.h"

#define FULLY_ENCODED BER_APPLICATION(1)

/* Where the reader is in a PDV-list: FULLY_ENCODED { SEQUENCE { context, value } }. */
enum place {
    PLACE_NONE, /* between SSDUs */
    PLACE_OUTSIDE,
    PLACE_LIST,
    PLACE_MEMBERS,
    PLACE_VALUE,   /* in single-ASN1-type */
    PLACE_ALIGNED, /* in octet-aligned */
    PLACE_BEHIND
};

enum { ARP_UNRECOGNIZED_PPDU = 1, ARP_INVALID_VALUE = 6 }; /* abort reasons, X.226 8.4.4.3 */

void
presentation_init(struct presentation *p, struct session *below,
    const struct presentation_context *contexts, unsigned count)
{
    CHECK(count <= PRESENTATION_CONTEXTS_MAX);
    memset(p, 0, sizeof(*p));
    p->below = below;
    p->mode = PRESENTATION_NORMAL;
    memcpy(p->contexts, contexts, count * sizeof(*contexts));
    p->context_count = count;
    buf_init(&p->scratch, SESSION_DATA_BYTES_MAX);
}

void
presentation_fini(struct presentation *p)
{
    buf_fini(&p->scratch);
}

uint32_t
presentation_id(const struct presentation *p, struct slice syntax)
{
    for (unsigned i = 0; i < p->context_count; i++) {
        if (slice_eq(p->contexts[i].syntax, syntax)) {
            return p->contexts[i].id;
        }
    }
    return 0;
}

static bool
agreed(const struct presentation *p, uint32_t id)
{
    for (unsigned i = 0; i < p->context_count; i++) {
        if (id != 0 && p->contexts[i].id == id) {
            return true;
        }
    }
    return false;
}

/* ---- out */

static void
begin_pdu(struct presentation *p, struct ber_writer *w)
{
    buf_clear(&p->scratch);
    ber_writer_init(w, &p->scratch);
}

static void
write_selector(struct ber_writer *w, ber_tag tag, struct slice selector)
{
    CHECK(selector.n <= PRESENTATION_SELECTOR_BYTES_MAX);
    if (selector.n > 0) {
        ber_write_bytes(w, tag, selector);
    }
}

/* CP and CPA are the same but for the selectors and the contexts. */
static int
write_connect(struct presentation *p, const struct presentation_connect *c, bool answer)
{
    struct ber_writer w;

    begin_pdu(p, &w);
    ber_write_begin(&w, BER_UNIVERSAL(BER_SET));
    pdu_write_mode(&w, c->mode);
    if (c->mode == PRESENTATION_X410) {
        ber_write_begin(&w, BER_CONTEXT(1));
        ber_write_raw(&w, c->user);
        ber_write_end(&w);
        ber_write_end(&w);
        return ber_write_finish(&w);
    }
    ber_write_begin(&w, BER_CONTEXT(2));
    if (!answer) {
        write_selector(&w, BER_CONTEXT(1), c->calling);
    }
    write_selector(&w, BER_CONTEXT(answer ? 3 : 2), c->called);
    ber_write_begin(&w, BER_CONTEXT(answer ? 5 : 4));
    for (uint32_t i = 0; answer && i < p->offer_count; i++) {
        pdu_write_result(&w, (p->offers_agreed >> i & 1) != 0);
    }
    for (unsigned i = 0; !answer && i < p->context_count; i++) {
        pdu_write_offer(&w, p->contexts[i].id, p->contexts[i].syntax);
    }
    ber_write_end(&w);
    pdu_write_user(&w, presentation_id(p, c->syntax), c->user);
    ber_write_end(&w);
    ber_write_end(&w);
    return ber_write_finish(&w);
}

int
presentation_connect(struct presentation *p, const struct presentation_connect *c)
{
    struct session_connect s = c->session;
    int rc = write_connect(p, c, false);

    p->mode = c->mode;
    s.user_data = buf_slice(&p->scratch);
    return rc == 0 ? session_connect(p->below, &s) : rc;
}

int
presentation_accept(struct presentation *p, const struct presentation_connect *c)
{
    struct session_connect s = c->session;
    int rc;

    CHECK(c->mode == p->mode);
    rc = write_connect(p, c, true);
    s.user_data = buf_slice(&p->scratch);
    return rc == 0 ? session_accept(p->below, &s) : rc;
}

int
presentation_refuse(
    struct presentation *p, int provider_reason, struct slice syntax, struct slice user)
{
    bool normal = p->mode == PRESENTATION_NORMAL;
    struct ber_writer w;
    int rc;

    begin_pdu(p, &w);
    ber_write_begin(&w, BER_UNIVERSAL(normal ? BER_SEQUENCE : BER_SET));
    if (!normal) {
        ber_write_raw(&w, user);
    } else if (provider_reason >= 0) {
        ber_write_int(&w, BER_CONTEXT(10), provider_reason);
    } else {
        ber_write_begin(&w, BER_CONTEXT(5));
        for (uint32_t i = 0; i < p->offer_count; i++) {
            pdu_write_result(&w, (p->offers_agreed >> i & 1) != 0);
        }
        ber_write_end(&w);
        if (user.n > 0) {
            pdu_write_user(&w, presentation_id(p, syntax), user);
        }
    }
    ber_write_end(&w);
    rc = ber_write_finish(&w);
    return rc == 0 ? session_refuse(p->below, SESSION_REFUSE_DATA, buf_slice(&p->scratch)) : rc;
}

/* Octets from the inside out, since each wrapping has the length of what is in it. */
int
presentation_begin(struct presentation *p, struct slice syntax, uint64_t octets)
{
    uint32_t id = presentation_id(p, syntax);
    uint64_t value = octets + ber_header_bytes(BER_UNIVERSAL(BER_OCTET_STRING), octets);
    uint64_t members = value + ber_header_bytes(BER_CONTEXT(0), value);
    struct ber_writer w;
    uint64_t list;
    int rc;

    if (p->mode == PRESENTATION_X410) {
        return 0;
    }
    CHECK(id != 0 && octets < BER_BYTES_MAX / 2);
    begin_pdu(p, &w);
    ber_write_int(&w, BER_UNIVERSAL(BER_INTEGER), (int64_t)id); /* only for its length */
    list = members + buf_len(&p->scratch);
    begin_pdu(p, &w);
    ber_write_header(
        &w, FULLY_ENCODED, true, list + ber_header_bytes(BER_UNIVERSAL(BER_SEQUENCE), list));
    ber_write_header(&w, BER_UNIVERSAL(BER_SEQUENCE), true, list);
    ber_write_int(&w, BER_UNIVERSAL(BER_INTEGER), (int64_t)id);
    ber_write_header(&w, BER_CONTEXT(0), true, value);
    ber_write_header(&w, BER_UNIVERSAL(BER_OCTET_STRING), false, octets);
    rc = ber_write_finish(&w);
    return rc == 0 ? session_data(p->below, buf_slice(&p->scratch), false) : rc;
}

int
presentation_wrap(
    struct presentation *p, struct slice syntax, struct slice value, struct slice *out)
{
    struct ber_writer w;
    int rc;

    if (p->mode == PRESENTATION_X410) {
        *out = value;
        return 0;
    }
    begin_pdu(p, &w);
    pdu_write_user(&w, presentation_id(p, syntax), value);
    rc = ber_write_finish(&w);
    *out = buf_slice(&p->scratch);
    return rc;
}

void
presentation_abort(struct presentation *p, struct slice syntax, struct slice value)
{
    bool normal = p->mode == PRESENTATION_NORMAL;
    uint32_t id = presentation_id(p, syntax);
    struct ber_writer w;

    begin_pdu(p, &w);
    ber_write_begin(&w, normal ? BER_CONTEXT(0) : BER_UNIVERSAL(BER_SET));
    if (!normal) {
        ber_write_raw(&w, value);
    } else if (value.n > 0 && id != 0) {
        pdu_write_user(&w, id, value);
    }
    ber_write_end(&w);
    session_abort(p->below, ber_write_finish(&w) == 0 ? buf_slice(&p->scratch) : SLICE_NONE);
}

/* ---- in: what is nonsense */

static enum session_ind_kind
broken(const char *error, struct presentation_ind *ind)
{
    *ind = (struct presentation_ind){
        .session = { .error = error, .ours = true, .layer = OSI_PRESENTATION }
    };
    return SESSION_IND_ABORT;
}

static enum session_ind_kind
abort_provider(struct presentation *p, int reason, const char *error, struct presentation_ind *ind)
{
    struct ber_writer w;

    begin_pdu(p, &w);
    ber_write_begin(&w, BER_UNIVERSAL(BER_SEQUENCE));
    ber_write_int(&w, BER_CONTEXT(0), reason);
    ber_write_end(&w);
    session_abort(p->below, ber_write_finish(&w) == 0 ? buf_slice(&p->scratch) : SLICE_NONE);
    return broken(error, ind);
}

/* A connect that can't be: refused by the provider. */
static enum session_ind_kind
refuse(struct presentation *p, int reason, const char *error, struct presentation_ind *ind)
{
    (void)!presentation_refuse(p, reason, SLICE_NONE, SLICE_NONE);
    return broken(error, ind);
}

/* ---- in: connecting */

/* Which of the peer's offers are ours. False: too many, or malformed. */
static bool
take_offers(struct presentation *p, const struct pdu *pdu)
{
    struct ber_cursor list;
    struct slice syntax;
    uint32_t id;
    bool ber;
    int rc;

    ber_cursor_init(&list, pdu->contexts);
    p->offer_count = p->offers_agreed = 0;
    for (rc = pdu_read_offer(&list, &id, &syntax, &ber); rc > 0;
         rc = pdu_read_offer(&list, &id, &syntax, &ber)) {
        if (p->offer_count == PRESENTATION_OFFERS_MAX) {
            return false;
        }
        for (unsigned i = 0; i < p->context_count; i++) {
            if (ber && id != 0 && p->contexts[i].id == 0 && !agreed(p, id) &&
                slice_eq(p->contexts[i].syntax, syntax)) {
                p->contexts[i].id = id;
                p->offers_agreed |= (uint32_t)1 << p->offer_count;
            }
        }
        p->offer_count++;
    }
    return rc == 0;
}

static enum session_ind_kind
connect_came(struct presentation *p, struct presentation_ind *ind)
{
    const char *error = NULL;
    struct pdu pdu;

    for (unsigned i = 0; i < p->context_count; i++) {
        p->contexts[i].id = 0;
    }
    if (pdu_read_connect(ind->session.connect.user_data, &pdu, &error) < 0) {
        return refuse(p, PRESENTATION_REFUSE_NONE, error, ind);
    }
    p->mode = pdu.mode;
    ind->mode = pdu.mode;
    ind->session.connect.user_data = pdu.user;
    if (pdu.mode == PRESENTATION_X410) {
        return SESSION_IND_CONNECT;
    }
    if (!take_offers(p, &pdu)) {
        return refuse(p, PRESENTATION_REFUSE_LIMIT,
            "the peer's presentation contexts are malformed or too many", ind);
    }
    if (!agreed(p, pdu.context)) {
        return refuse(
            p, PRESENTATION_REFUSE_NONE, "a connect in a presentation context not of ours", ind);
    }
    ind->calling = pdu.calling;
    ind->called = pdu.called;
    ind->context = pdu.context;
    return SESSION_IND_CONNECT;
}

static bool
take_results(struct presentation *p, const struct pdu *pdu)
{
    struct ber_cursor list;
    bool accepted;
    unsigned i = 0;
    int rc;

    ber_cursor_init(&list, pdu->contexts);
    for (rc = pdu_read_result(&list, &accepted); rc > 0; rc = pdu_read_result(&list, &accepted)) {
        if (i == p->context_count) {
            return false;
        }
        p->contexts[i].id = accepted ? p->contexts[i].id : 0;
        i++;
    }
    return rc == 0 && i == p->context_count;
}

static enum session_ind_kind
accepted_came(struct presentation *p, struct presentation_ind *ind)
{
    const char *error = NULL;
    struct pdu pdu;

    if (pdu_read_connect(ind->session.connect.user_data, &pdu, &error) < 0) {
        return abort_provider(p, ARP_UNRECOGNIZED_PPDU, error, ind);
    }
    if (pdu.mode != p->mode) {
        return abort_provider(p, ARP_INVALID_VALUE, "the peer answers in another mode", ind);
    }
    ind->mode = pdu.mode;
    ind->session.connect.user_data = pdu.user;
    if (pdu.mode == PRESENTATION_X410) {
        return SESSION_IND_ACCEPTED;
    }
    if (!take_results(p, &pdu) || !agreed(p, pdu.context)) {
        return abort_provider(
            p, ARP_INVALID_VALUE, "the peer's presentation contexts do not fit ours", ind);
    }
    ind->called = pdu.responding;
    ind->context = pdu.context;
    return SESSION_IND_ACCEPTED;
}

static enum session_ind_kind
refused_came(struct presentation *p, struct presentation_ind *ind)
{
    const char *error;
    struct pdu pdu;

    ind->provider_reason = PRESENTATION_REFUSE_USER;
    if (ind->session.user_data.n == 0 ||
        pdu_read_refusal(ind->session.user_data, &pdu, &error) < 0 || pdu.mode != p->mode) {
        ind->session.user_data = SLICE_NONE; /* the session's reason says enough */
        return SESSION_IND_REFUSED;
    }
    ind->provider_reason = pdu.provider_reason;
    ind->context = pdu.context;
    ind->session.user_data = pdu.user;
    return SESSION_IND_REFUSED;
}

/* User data of the others: what is no PDV-list is nobody's. */
static void
unwrap(const struct presentation *p, struct presentation_ind *ind)
{
    struct slice *data = &ind->session.user_data;
    struct ber_cursor c;
    struct ber_value v;

    ber_cursor_init(&c, *data);
    if (p->mode == PRESENTATION_X410 && ber_take_tag(&c, BER_UNIVERSAL(BER_SET), &v) > 0) {
        *data = v.body; /* an ARU: the members of the RTAB */
    }
    if (p->mode == PRESENTATION_NORMAL && ind->session.by_peer && data->n > 0 &&
        data->p[0] == 0x30) { /* an ARP; an ARU has a tag of its own */
        ind->session.layer = OSI_PRESENTATION;
        ind->session.by_peer = false;
        ind->session.error = "the peer met a presentation protocol error of ours";
    }
    if (p->mode == PRESENTATION_NORMAL && data->n > 0 &&
        (!pdu_read_user(*data, &ind->context, data) || !agreed(p, ind->context))) {
        *data = SLICE_NONE;
        ind->context = 0;
    }
}

/* ---- in: data */

/* One event of the outer reader; *bytes: octets of the value. A sentence: it is no datum. */
static const char *
pdv_event(
    struct presentation *p, enum ber_event e, const struct ber_item *item, struct slice *bytes)
{
    static const char *const wrong = "data that are not an OCTET STRING in a PDV-list";
    bool open = e == BER_OPEN, whole = e == BER_BYTES && item->offset == 0 && item->last;

    switch ((enum place)p->place) {
    case PLACE_OUTSIDE:
        p->place = PLACE_LIST;
        return open && item->tag == FULLY_ENCODED ? NULL : wrong;
    case PLACE_LIST:
        p->place = PLACE_MEMBERS;
        return open && item->tag == BER_UNIVERSAL(BER_SEQUENCE) ? NULL : wrong;
    case PLACE_MEMBERS:
        if (whole && item->tag == BER_UNIVERSAL(BER_INTEGER) && p->context == 0) {
            struct ber_value v = { .body = item->bytes };
            uint64_t id;

            p->context = ber_to_uint(&v, UINT32_MAX, &id) == 0 ? (uint32_t)id : 0;
            return agreed(p, p->context) ? NULL : "data in a context that was not agreed upon";
        }
        if (open && item->tag == BER_CONTEXT(0) && p->context != 0) {
            p->place = PLACE_VALUE;
            return NULL;
        }
        if (item->tag == BER_CONTEXT(1) && p->context != 0) {
            p->place = PLACE_ALIGNED;
            p->aligned = true;
            if (open) {
                ber_join(&p->outer);
                return NULL;
            }
            break; /* its first octets are here */
        }
        return whole && item->tag == BER_UNIVERSAL(BER_OID) ? NULL : wrong;
    case PLACE_VALUE:
        if (item->tag != BER_UNIVERSAL(BER_OCTET_STRING) || e == BER_CLOSE) {
            return wrong;
        }
        if (open) {
            ber_join(&p->outer);
            return NULL;
        }
        break;
    case PLACE_ALIGNED:
        break;
    case PLACE_BEHIND:
    case PLACE_NONE:
        return e == BER_CLOSE ? NULL : "data of several values in a PDV-list";
    }
    *bytes = item->bytes;
    if (item->last) {
        p->place = PLACE_BEHIND;
    }
    return NULL;
}

/* Octets of an octet-aligned value: the OCTET STRING is encoded in them. The next of its octets, or
 * none: *error if there is one. */
static struct slice
aligned_octets(struct presentation *p, const char **error)
{
    struct ber_item item = { .tag = BER_UNIVERSAL(BER_OCTET_STRING) };

    for (;;) {
        enum ber_event e = ber_next(&p->inner, &p->aligned_rest, &item);

        if (e == BER_BAD || (e == BER_DONE && p->aligned_rest.n > 0) ||
            item.tag != BER_UNIVERSAL(BER_OCTET_STRING)) {
            *error = "an octet-aligned value that is no OCTET STRING";
            return SLICE_NONE;
        }
        if (e == BER_OPEN) {
            ber_join(&p->inner);
        } else if (e != BER_BYTES) {
            return SLICE_NONE;
        } else if (item.bytes.n > 0) {
            return item.bytes;
        }
    }
}

/* The next octets of the datum in the piece that is pending; none: it is used up. done: it is
 * whole. */
static struct slice
datum_octets(struct presentation *p, bool *done, const char **error)
{
    struct ber_item item;

    while (*error == NULL) {
        struct slice bytes = SLICE_NONE;
        enum ber_event e;

        if (p->aligned_rest.n > 0) {
            bytes = aligned_octets(p, error);
            if (bytes.n > 0) {
                return bytes;
            }
            continue;
        }
        e = ber_next(&p->outer, &p->rest, &item);
        if (e == BER_BAD) {
            *error = p->outer.error;
        } else if (e == BER_MORE || e == BER_DONE) {
            *done = e == BER_DONE && (!p->aligned || p->inner.done);
            if (p->rest.n > 0) {
                *error = "octets behind a PDV-list";
            }
            return SLICE_NONE;
        } else {
            *error = pdv_event(p, e, &item, &bytes);
            if (p->aligned) {
                p->aligned_rest = bytes;
            } else if (bytes.n > 0) {
                return bytes;
            }
        }
    }
    return SLICE_NONE;
}

/* Something to tell of the piece that is pending, or MORE. */
static enum session_ind_kind
data(struct presentation *p, struct presentation_ind *ind)
{
    const char *error = NULL;
    bool done = false;

    *ind = (struct presentation_ind){ .context = 0 };
    if (p->place == PLACE_NONE) {
        ber_reader_init(&p->outer, BER_BYTES_MAX);
        ber_reader_init(&p->inner, BER_BYTES_MAX);
        p->place = PLACE_OUTSIDE;
        p->aligned = false;
        p->begin = true;
        p->context = 0;
    }
    ind->session.bytes = datum_octets(p, &done, &error);
    if (error == NULL && ind->session.bytes.n == 0) {
        p->pending = false;
        if (!p->pending_end) {
            return SESSION_IND_MORE;
        }
        p->place = PLACE_NONE;
        p->torn = !done;
        if (p->torn) {
            return SESSION_IND_MORE;
        }
        ind->session.end = true;
    }
    if (error != NULL) {
        return abort_provider(p, ARP_UNRECOGNIZED_PPDU, error, ind);
    }
    ind->context = p->context;
    ind->session.begin = p->begin;
    p->begin = false;
    return SESSION_IND_DATA;
}

/* An SSDU that was cut short is no error if this comes next. */
static bool
mends(enum session_ind_kind kind)
{
    return kind == SESSION_IND_INTERRUPT || kind == SESSION_IND_DISCARD ||
           kind == SESSION_IND_ABORT;
}

enum session_ind_kind
presentation_next(
    struct presentation *p, struct slice *bytes, bool end, struct presentation_ind *ind)
{
    enum session_ind_kind kind;

    for (;;) {
        if (p->pending && p->below->state != SESSION_OPEN) {
            p->pending = false; /* the user reported, or it is over: nobody's */
            p->place = PLACE_NONE;
        }
        if (p->pending) {
            kind = data(p, ind);
            if (kind != SESSION_IND_MORE) {
                return kind;
            }
        }
        *ind = (struct presentation_ind){ .context = 0 };
        kind = session_next(p->below, bytes, end, &ind->session);
        if (p->torn && kind != SESSION_IND_MORE) {
            p->torn = false;
            if (!mends(kind) && p->below->state != SESSION_OVER) {
                return abort_provider(
                    p, ARP_UNRECOGNIZED_PPDU, "an SSDU ends within its PDV-list", ind);
            }
        }
        if (kind != SESSION_IND_DATA || p->mode == PRESENTATION_X410) {
            break;
        }
        if (ind->session.begin) {
            p->place = PLACE_NONE; /* the one before may have been torn */
            p->aligned_rest = SLICE_NONE;
        }
        p->pending = true;
        p->pending_end = ind->session.end;
        p->rest = ind->session.bytes;
    }
    if (kind == SESSION_IND_CONNECT) {
        return connect_came(p, ind);
    }
    if (kind == SESSION_IND_ACCEPTED) {
        return accepted_came(p, ind);
    }
    if (kind == SESSION_IND_REFUSED) {
        return refused_came(p, ind);
    }
    unwrap(p, ind);
    return kind;
}
