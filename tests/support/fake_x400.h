/* support/fake_x400.h - what stands around the connectors, for their tests: x400_conn (its
 * functions stand in for the real ones), intake and the scheduler. A test says what the peer does
 * by calling conn->user; it looks at what was asked for. */
#ifndef SUPPORT_FAKE_X400_H
#define SUPPORT_FAKE_X400_H

#include "p1_apdus.h"
#include "p1_made.h"
#include "run_a_while.h"
#include "x400/p1_bind.h"
#include "x400/p1_head.h"
#include "x400/p1_reader.h"
#include "x400/x400.h"

/* ---- x400_conn */

#define FAKE_CONNS_MAX 8

struct x400_conn {
    const struct x400_conn_user *user;
    void *ctx;
    bool freed, incoming, answered, accepted, refused, closed, aborted, cut, paused;
    bool pleased, gave;
    struct rtse_open offer; /* of ours; accepted: our answer */
    char user_value[512];
    size_t user_bytes;
    unsigned call_reason, refuse_reason;
    unsigned secured, reported, report_reason, stopped;
    uint32_t secured_point;
    uint64_t apdu_bytes;
    size_t room;
    struct buf out;
    struct netaddr local;
    struct rtse_recovery recovery, resumed; /* what the test says; what we asked for */
};

static struct x400_conn fake_conns[FAKE_CONNS_MAX];
static unsigned fake_conn_count;
static int fake_open_status;
static size_t fake_room;
static uint64_t fake_apdu_max;

const struct x400_times x400_times_default;

static inline struct x400_conn *
fake_conn_new(const struct x400_conn_user *user, void *ctx)
{
    struct x400_conn *c = &fake_conns[fake_conn_count++];

    CHECK(fake_conn_count <= FAKE_CONNS_MAX);
    buf_fini(&c->out);
    *c = (struct x400_conn){ .user = user, .ctx = ctx, .room = fake_room };
    buf_init(&c->out, 64 * MIB);
    CHECK(netaddr_parse(SLICE_LIT("192.0.2.10"), &c->local) == 0);
    return c;
}

static inline void
fake_keep_user(struct x400_conn *c, struct slice user)
{
    CHECK(user.n <= sizeof(c->user_value));
    memcpy(c->user_value, user.n > 0 ? user.p : "", user.n);
    c->user_bytes = user.n;
}

int
x400_conn_open(struct x400_conn **out, struct x400_net *n, const struct x400_options *o,
    const struct x400_conn_user *user, void *ctx)
{
    (void)n;
    if (fake_open_status < 0) {
        return fake_open_status;
    }
    *out = fake_conn_new(user, ctx);
    (*out)->offer = o->open;
    fake_keep_user(*out, o->open.user);
    return 0;
}

int
x400_conn_adopt(struct x400_conn **out, struct x400_net *n, int fd, const struct x400_times *times,
    const struct x400_conn_user *user, void *ctx)
{
    (void)n;
    (void)fd;
    (void)times;
    *out = fake_conn_new(user, ctx);
    (*out)->incoming = true;
    return 0;
}

void
x400_conn_free(struct x400_conn *c)
{
    if (c != NULL) {
        CHECK(!c->freed);
        c->freed = true;
    }
}

void
x400_conn_answer(struct x400_conn *c, size_t tpdu_bytes)
{
    (void)tpdu_bytes;
    c->answered = true;
}

void
x400_conn_refuse_call(struct x400_conn *c, unsigned reason)
{
    c->call_reason = reason;
}

void
x400_conn_accept(struct x400_conn *c, const struct rtse_open *o)
{
    c->accepted = true;
    c->offer = *o;
    fake_keep_user(c, o->user);
}

void
x400_conn_refuse(struct x400_conn *c, unsigned reason, struct slice user)
{
    c->refused = true;
    c->refuse_reason = reason;
    fake_keep_user(c, user);
}

void
x400_conn_set_times(struct x400_conn *c, const struct x400_times *times)
{
    (void)c;
    (void)times;
}

void
x400_conn_set_label(struct x400_conn *c, struct slice label)
{
    (void)c;
    (void)label;
}

uint64_t
x400_conn_apdu_max(const struct x400_conn *c)
{
    (void)c;
    return fake_apdu_max;
}

void
x400_conn_transfer(struct x400_conn *c, uint64_t apdu_bytes, unsigned priority)
{
    (void)priority;
    buf_clear(&c->out);
    c->apdu_bytes = apdu_bytes;
}

size_t
x400_conn_room(const struct x400_conn *c)
{
    return c->room;
}

void
x400_conn_write(struct x400_conn *c, struct slice bytes)
{
    CHECK(bytes.n > 0 && bytes.n <= c->room);
    CHECK(buf_append(&c->out, bytes) == 0 && buf_len(&c->out) <= c->apdu_bytes);
    c->room -= bytes.n;
}

void
x400_conn_stop(struct x400_conn *c, bool keep)
{
    (void)keep;
    c->stopped++;
}

void
x400_conn_secured(struct x400_conn *c, uint32_t activity, uint32_t point)
{
    (void)activity;
    c->secured++;
    c->secured_point = point;
}

void
x400_conn_report(struct x400_conn *c, uint32_t activity, unsigned reason)
{
    (void)activity;
    c->reported++;
    c->report_reason = reason;
}

void
x400_conn_pause(struct x400_conn *c, bool on)
{
    CHECK(!c->freed);
    c->paused = on;
}

void
x400_conn_please(struct x400_conn *c, uint32_t priority)
{
    (void)priority;
    c->pleased = true;
}

void
x400_conn_give(struct x400_conn *c)
{
    c->gave = true;
}

void
x400_conn_close(struct x400_conn *c)
{
    c->closed = true;
}

void
x400_conn_abort(struct x400_conn *c, unsigned reason)
{
    (void)reason;
    c->aborted = true;
}

void
x400_conn_cut(struct x400_conn *c, int status)
{
    (void)status;
    c->cut = true;
}

uint32_t
x400_conn_context(const struct x400_conn *c)
{
    return c->offer.mode == PRESENTATION_NORMAL ? 5 : 0;
}

int
x400_conn_resume(
    struct x400_conn *c, const struct rtse_recovery *from, uint64_t apdu_bytes, unsigned priority)
{
    (void)priority;
    if (from->checkpoint != c->recovery.checkpoint) {
        return -EINVAL;
    }
    buf_clear(&c->out);
    c->resumed = *from;
    c->recovery.point = from->point;
    c->apdu_bytes = apdu_bytes - rtse_offset(from);
    return 0;
}

void
x400_conn_recovery(const struct x400_conn *c, struct rtse_recovery *out)
{
    *out = c->recovery;
}

void
x400_conn_view(const struct x400_conn *c, struct x400_view *out)
{
    *out = (struct x400_view){ .incoming = c->incoming,
        .local = c->local,
        .mode = "normal",
        .dialogue = "monologue",
        .our_turn = false };
    out->remote = c->local;
    out->remote.bytes[3] = 20;
    out->remote.port = 102;
}

static inline void
fake_says(struct x400_conn *c, enum rtse_ind_kind kind, struct rtse_ind ind, bool in_doubt)
{
    CHECK(!c->freed);
    c->user->on_rtse(c->ctx, kind, &ind, in_doubt);
}

static inline void
fake_ends(struct x400_conn *c, enum x400_end_how how, enum osi_layer layer, bool in_doubt)
{
    struct x400_end end = {
        .how = how, .layer = layer, .text = "as the test says", .opened = true, .in_doubt = in_doubt
    };

    CHECK(!c->freed);
    c->user->on_end(c->ctx, &end);
    CHECK(c->freed);
}

/* ---- intake */

#define FAKE_COMMITS_MAX 8
#define FAKE_PARTS_MAX   8

struct intake_message {
    uint64_t id;
    struct buf bytes;
    intake_resume_fn *resume;
    void *resume_ctx;
};
struct fake_commit {
    struct buf bytes;
    uint8_t body;
    char sender[128], to[8][128], transid[256];
    uint32_t recipient_count;
    intake_commit_fn *cb; /* NULL: called, or forgotten */
    void *ctx;
};
/* What was secured of a message; a test says when it is durable. */
struct fake_part {
    uint64_t id; /* 0: none */
    struct intake_message *open;
    struct buf bytes, key, state;
    intake_commit_fn *cb; /* NULL: called, or forgotten */
    void *ctx;
};
struct fake_intake {
    int ready, open, write, commit; /* what the calls say */
    int known;
    unsigned writes, opened, aborted, forgotten, settled;
    uint64_t asked_bytes; /* last, by ready */
    size_t fail_at_bytes; /* of one message; 0: never */
    struct intake_message *last;
    struct fake_commit commits[FAKE_COMMITS_MAX];
    unsigned commit_count;
    struct fake_part parts[FAKE_PARTS_MAX];
    unsigned dropped, reopened;
};

static inline int
fake_intake_ready(void *ctx, uint64_t size_bytes)
{
    struct fake_intake *f = ctx;

    f->asked_bytes = size_bytes;
    return f->ready;
}

static inline int
fake_intake_known(void *ctx, struct slice transid, struct intake_known *out)
{
    const struct fake_intake *f = ctx;

    CU_ASSERT(transid.n > 0);
    *out = (struct intake_known){ 7, 0 };
    return f->known;
}

static inline void
fake_intake_settled(void *ctx, struct slice transid)
{
    (void)transid;
    ((struct fake_intake *)ctx)->settled++;
}

static struct fake_intake *fake_intake_now;

static inline struct intake_message *
fake_intake_message(uint64_t id, intake_resume_fn *resume, void *resume_ctx)
{
    struct intake_message *m = calloc(1, sizeof(*m));

    CHECK(m != NULL);
    m->id = id;
    buf_init(&m->bytes, 64 * MIB);
    m->resume = resume;
    m->resume_ctx = resume_ctx;
    return m;
}

static inline int
fake_intake_open(void *ctx, intake_resume_fn *resume, void *resume_ctx, struct intake_message **out,
    uint64_t *id)
{
    struct fake_intake *f = ctx;

    if (f->open < 0) {
        return f->open;
    }
    *id = 0x100 + ++f->opened;
    f->last = *out = fake_intake_message(*id, resume, resume_ctx);
    return 0;
}

static inline int
fake_intake_write(struct intake_message *m, struct slice bytes)
{
    struct fake_intake *f = fake_intake_now;

    f->writes++;
    CHECK(buf_append(&m->bytes, bytes) == 0);
    if (f->fail_at_bytes > 0 && buf_len(&m->bytes) >= f->fail_at_bytes) {
        return -ENOSPC;
    }
    return f->write;
}

static inline void
fake_intake_free(struct intake_message *m)
{
    buf_fini(&m->bytes);
    free(m);
}

/* ---- parts */

static inline void
fake_part_free(struct fake_part *part)
{
    buf_fini(&part->bytes);
    buf_fini(&part->key);
    buf_fini(&part->state);
    *part = (struct fake_part){ .id = 0 };
}

/* Of this message; 0: a free place. */
static inline struct fake_part *
fake_part_of(struct fake_intake *f, uint64_t id)
{
    for (unsigned i = 0; i < FAKE_PARTS_MAX; i++) {
        if (f->parts[i].id == id) {
            return &f->parts[i];
        }
    }
    return NULL;
}

static inline void
fake_part_forget(struct fake_intake *f, uint64_t id)
{
    struct fake_part *part = fake_part_of(f, id);

    if (part != NULL) {
        fake_part_free(part);
    }
}

static inline void
fake_part_copy(struct buf *out, struct slice bytes)
{
    buf_init(out, 64 * MIB);
    CHECK(buf_append(out, bytes) == 0);
}

static inline int
fake_intake_secure(
    struct intake_message *m, struct slice key, struct slice state, intake_commit_fn *cb, void *ctx)
{
    struct fake_intake *f = fake_intake_now;
    struct fake_part *part;

    fake_part_forget(f, m->id);
    part = fake_part_of(f, 0);
    CHECK(part != NULL);
    *part = (struct fake_part){ .id = m->id, .open = m, .cb = cb, .ctx = ctx };
    fake_part_copy(&part->bytes, buf_slice(&m->bytes));
    fake_part_copy(&part->key, key);
    fake_part_copy(&part->state, state);
    return 0;
}

static inline void
fake_intake_suspend(struct intake_message *m)
{
    fake_part_of(fake_intake_now, m->id)->open = NULL;
    fake_intake_free(m);
}

static inline int
fake_intake_part(void *ctx, uint64_t after, struct intake_part *out)
{
    struct fake_part *next = NULL;

    for (unsigned i = 0; i < FAKE_PARTS_MAX; i++) {
        struct fake_part *part = &((struct fake_intake *)ctx)->parts[i];

        if (part->id > after && part->open == NULL && (next == NULL || part->id < next->id)) {
            next = part;
        }
    }
    if (next != NULL) {
        *out = (struct intake_part){ next->id, buf_len(&next->bytes), buf_slice(&next->key),
            buf_slice(&next->state) };
    }
    return next != NULL;
}

static inline int
fake_intake_reopen(
    void *ctx, uint64_t id, intake_resume_fn *resume, void *resume_ctx, struct intake_message **out)
{
    struct fake_intake *f = ctx;
    struct fake_part *part = fake_part_of(f, id);

    CHECK(part != NULL && part->open == NULL);
    f->reopened++;
    f->last = *out = part->open = fake_intake_message(id, resume, resume_ctx);
    CHECK(buf_append(&f->last->bytes, buf_slice(&part->bytes)) == 0);
    return 0;
}

static inline void
fake_intake_drop(void *ctx, uint64_t id)
{
    ((struct fake_intake *)ctx)->dropped++;
    fake_part_forget(ctx, id);
}

/* The sync returned for all parts. */
static inline void
fake_parts_synced(struct fake_intake *f)
{
    for (unsigned i = 0; i < FAKE_PARTS_MAX; i++) {
        intake_commit_fn *cb = f->parts[i].cb;

        f->parts[i].cb = NULL;
        if (cb != NULL) {
            cb(f->parts[i].ctx, 0);
        }
    }
}

/* ---- the end of a message */

static inline int
fake_intake_commit(
    struct intake_message *m, const struct envelope *e, intake_commit_fn *cb, void *ctx)
{
    struct fake_intake *f = fake_intake_now;
    struct fake_commit *c = &f->commits[f->commit_count];

    if (f->commit < 0) {
        fake_intake_free(m);
        return f->commit;
    }
    CHECK(++f->commit_count <= FAKE_COMMITS_MAX);
    *c = (struct fake_commit){ .bytes = m->bytes, .body = e->body, .cb = cb, .ctx = ctx };
    CHECK(slice_copy(e->sender, c->sender, sizeof(c->sender)) == 0);
    CHECK(slice_copy(e->transid, c->transid, sizeof(c->transid)) == 0);
    c->recipient_count = e->recipient_count;
    for (uint32_t i = 0; i < e->recipient_count; i++) {
        CHECK(slice_copy(e->recipients[i].address, c->to[i], sizeof(c->to[i])) == 0);
    }
    if (fake_part_of(f, m->id) != NULL) { /* the message takes its place with the same sync */
        fake_part_of(f, m->id)->open = m;
    }
    free(m);
    return 0;
}

static inline void
fake_intake_abort(struct intake_message *m)
{
    fake_intake_now->aborted++;
    fake_part_forget(fake_intake_now, m->id);
    fake_intake_free(m);
}

static inline void
fake_intake_forget(void *ctx, intake_commit_fn *cb, void *cb_ctx)
{
    struct fake_intake *f = ctx;

    for (unsigned i = 0; i < f->commit_count; i++) {
        if (f->commits[i].ctx == cb_ctx && f->commits[i].cb == cb) {
            f->commits[i].cb = NULL;
            f->forgotten++;
        }
    }
    for (unsigned i = 0; i < FAKE_PARTS_MAX; i++) {
        if (f->parts[i].ctx == cb_ctx && f->parts[i].cb == cb) {
            f->parts[i].cb = NULL;
        }
    }
}

/* The sync returned for the i-th commit. */
static inline void
fake_intake_synced(struct fake_intake *f, unsigned i, int status)
{
    intake_commit_fn *cb = f->commits[i].cb;

    f->commits[i].cb = NULL;
    CU_ASSERT_PTR_NOT_NULL_FATAL(cb);
    cb(f->commits[i].ctx, status);
}

static inline struct intake
fake_intake_init(struct fake_intake *f)
{
    static const struct intake_ops ops = { .ready = fake_intake_ready,
        .known = fake_intake_known,
        .settled = fake_intake_settled,
        .open = fake_intake_open,
        .write = fake_intake_write,
        .commit = fake_intake_commit,
        .abort = fake_intake_abort,
        .forget = fake_intake_forget,
        .secure = fake_intake_secure,
        .suspend = fake_intake_suspend,
        .part = fake_intake_part,
        .reopen = fake_intake_reopen,
        .drop = fake_intake_drop };

    *f = (struct fake_intake){ .known = 0 };
    fake_intake_now = f;
    return (struct intake){ &ops, f };
}

static inline void
fake_intake_fini(struct fake_intake *f)
{
    for (unsigned i = 0; i < f->commit_count; i++) {
        buf_fini(&f->commits[i].bytes);
    }
    for (unsigned i = 0; i < FAKE_PARTS_MAX; i++) {
        fake_part_free(&f->parts[i]);
    }
}

/* ---- the scheduler */

struct sched_session {
    struct delivery *list;
    unsigned count, at; /* at: deliveries handed out */
    struct slice *stored;
    size_t piece_bytes, read;
    int begin, attempted, content, dot; /* 0, BH_EBUSY once, or an error */
    unsigned begins, attempts, dots, seeks;
    transport_ready_fn *ready;
    void *ready_ctx;
    unsigned opened, closed, done;
    enum outcome_kind kinds[16];
    bool in_doubt[16];
    char status[16][16], reply[16][256];
    unsigned results;
    enum outcome_kind end_kind;
    bool end_in_doubt, end_untried;
    char end_reply[256], end_status[16];
    struct transport_session *transport;
};

static inline int
fake_answer(struct sched_session *s, int *what, transport_ready_fn *ready, void *ctx)
{
    int rc = *what;

    if (rc == BH_EBUSY) {
        *what = 0;
        s->ready = ready;
        s->ready_ctx = ctx;
    }
    return rc;
}

static inline int
fake_up_begin(struct sched_session *s, transport_ready_fn *ready, void *ctx)
{
    s->begins++;
    return fake_answer(s, &s->begin, ready, ctx);
}

static inline int
fake_up_attempted(struct sched_session *s, transport_ready_fn *ready, void *ctx)
{
    s->attempts++;
    return fake_answer(s, &s->attempted, ready, ctx);
}

static inline int
fake_up_dot(struct sched_session *s, transport_ready_fn *ready, void *ctx)
{
    s->dots++;
    return fake_answer(s, &s->dot, ready, ctx);
}

static inline int
fake_up_content(struct sched_session *s, struct slice *out, transport_ready_fn *ready, void *ctx)
{
    struct slice all = s->stored[s->at - 1];
    int rc = s->read > 0 ? fake_answer(s, &s->content, ready, ctx) : 0;

    if (rc < 0) {
        return rc;
    }
    *out = slice_sub(all, s->read, s->piece_bytes);
    s->read += out->n;
    return (int)out->n;
}

static inline void
fake_up_seek(struct sched_session *s, uint64_t offset)
{
    s->read = (size_t)offset;
    s->seeks++;
}

static inline void
fake_up_recipient(struct sched_session *s, uint32_t index, const struct transport_result *r)
{
    (void)index;
    CHECK(s->results < ARRAY_LEN(s->kinds));
    s->kinds[s->results] = r->kind;
    s->in_doubt[s->results] = r->in_doubt != 0;
    CHECK(slice_copy(r->status, s->status[s->results], sizeof(s->status[0])) == 0);
    CHECK(slice_copy(r->reply, s->reply[s->results], sizeof(s->reply[0])) == 0);
    s->results++;
}

static const struct delivery *
fake_up_done(struct sched_session *s)
{
    s->done++;
    s->read = 0;
    return s->at < s->count ? &s->list[s->at++] : NULL;
}

static inline void
fake_up_opened(struct sched_session *s)
{
    s->opened++;
}

static inline void
fake_up_closed(struct sched_session *s, const struct transport_result *r)
{
    s->closed++;
    s->end_kind = r->kind;
    s->end_in_doubt = r->in_doubt != 0;
    s->end_untried = r->untried != 0;
    CHECK(slice_copy(r->status, s->end_status, sizeof(s->end_status)) == 0);
    CHECK(slice_copy(r->reply, s->end_reply, sizeof(s->end_reply)) == 0);
}

static const struct transport_up fake_up = { fake_up_begin, fake_up_attempted, fake_up_content,
    fake_up_seek, fake_up_dot, fake_up_recipient, fake_up_done, fake_up_opened, fake_up_closed };

/* ---- a protocol with one connector */

struct fake_world {
    struct loop *loop;
    struct x400 *x;
    struct x400_connector *c;
    struct fake_intake intake;
    struct x400_mta_options mta;
    struct x400_connector_options o;
    struct x400_hop hop;
    struct netaddr source;
    enum or_route_verdict route; /* of all addresses but those in O=nobody */
    unsigned reached;
    uint32_t waiting;
};

static inline struct or_route
fake_route(void *ctx, const struct x400_way *way)
{
    struct fake_world *w = ctx;
    bool nobody = slice_eq(or_address_value(way->to, OR_O, OR_PRINTABLE), SLICE_LIT("nobody"));

    CU_ASSERT_TRUE(slice_eq(way->came_by, SLICE_LIT("paris")));
    CU_ASSERT_PTR_NOT_NULL(way->passed);
    return (struct or_route){ .verdict = nobody ? OR_ROUTE_NONE : w->route };
}

static inline void
fake_reached(void *ctx)
{
    ((struct fake_world *)ctx)->reached++;
}

static inline uint32_t
fake_waiting(void *ctx)
{
    return ((struct fake_world *)ctx)->waiting;
}

static inline void
fake_selector(struct x400_selector *s, const char *text)
{
    s->n = (uint8_t)strlen(text);
    memcpy(s->octets, text, s->n);
}

/* The defaults; a test changes w->o and w->mta before fake_start. */
static inline void
fake_prepare(struct fake_world *w)
{
    static const struct p1_domain ours = { { true, 2, "GB" }, { true, 1, " " },
        { true, 3, "LDN" } };

    *w = (struct fake_world){ .route = OR_ROUTE_GO };
    w->mta = (struct x400_mta_options){ .mta_name = SLICE_LIT("LONDON"),
        .domain = ours,
        .associations_max = 10,
        .unbound_max = 4,
        .unbound_per_client_max = 4,
        .returned_bytes_max = 4096 };
    w->hop = (struct x400_hop){ .port = 102 };
    CHECK(netaddr_parse(SLICE_LIT("192.0.2.20"), &w->hop.address) == 0);
    w->o = (struct x400_connector_options){ .name = SLICE_LIT("paris"),
        .protocol = P1_1988_NORMAL,
        .local_mta = SLICE_LIT("LONDON"),
        .local_password = SLICE_LIT("ldn-secret"),
        .remote_mta = SLICE_LIT("PARIS"),
        .remote_password = SLICE_LIT("par-secret"),
        .hops = &w->hop,
        .hop_count = 1,
        .checkpoint = 30,
        .window = 5 };
    fake_selector(&w->o.local.t, "ldn1");
    fake_selector(&w->o.remote.t, "par1");
}

static inline void
fake_start(struct fake_world *w)
{
    const struct x400_connector_env env = { fake_waiting, fake_reached, w };
    struct x400_env x = { .route = fake_route, .route_ctx = w };

    fake_conn_count = 0;
    fake_open_status = 0;
    fake_room = 256 * KIB;
    fake_apdu_max = UINT64_MAX;
    CHECK(loop_new(&w->loop) == 0);
    x.loop = w->loop;
    x.intake = fake_intake_init(&w->intake);
    CHECK(x400_new(&w->x, &x, &w->mta) == 0);
    CHECK(x400_connector_new(&w->c, w->x, &w->o, &env, &fake_up) == 0);
}

static inline void
fake_stop(struct fake_world *w)
{
    run_a_while(w->loop);
    x400_connector_free(w->c);
    x400_free(w->x);
    for (unsigned i = 0; i < fake_conn_count; i++) {
        CU_ASSERT_TRUE(fake_conns[i].freed);
        buf_fini(&fake_conns[i].out);
    }
    fake_intake_fini(&w->intake);
    loop_free(w->loop);
}

/* A bind of the peer's into out. */
static inline struct slice
fake_bind(struct buf *out, enum p1_protocol p, enum p1_bind_kind kind, const char *name,
    const char *password)
{
    struct p1_bind b = { .kind = kind,
        .authenticated = true,
        .mta_name = slice_of(name),
        .password = slice_of(password) };

    buf_init(out, 512);
    CHECK(p1_bind_write(out, p, &b) == 0);
    return buf_slice(out);
}

/* The peer calls. */
static inline struct x400_conn *
fake_call_from(struct fake_world *w, const char *called_t, const struct netaddr *peer)
{
    x400_accept(w->x, -1, peer, "p1");
    fake_conns[fake_conn_count - 1].user->on_called(
        fake_conns[fake_conn_count - 1].ctx, SLICE_NONE, slice_of(called_t));
    return &fake_conns[fake_conn_count - 1];
}

static inline struct x400_conn *
fake_call(struct fake_world *w, const char *called_t)
{
    struct netaddr peer;

    CHECK(netaddr_parse(SLICE_LIT("192.0.2.20"), &peer) == 0);
    return fake_call_from(w, called_t, &peer);
}

static inline void
fake_offer(struct x400_conn *c, enum p1_protocol p, enum rtse_dialogue dialogue, const char *name,
    const char *password)
{
    struct buf bind;
    struct rtse_open offer = { .mode =
                                   p == P1_1988_NORMAL ? PRESENTATION_NORMAL : PRESENTATION_X410,
        .application_protocol = p == P1_1984 ? 1 : 12,
        .dialogue = dialogue,
        .checkpoint = 30,
        .window = 3,
        .initiator_has_turn = true };

    offer.user = fake_bind(&bind, p, P1_BIND_ARGUMENT, name, password);
    c->user->on_offer(c->ctx, &offer);
    buf_fini(&bind);
}

/* ... and asks to be bound, as the connector would have it. */
static inline struct x400_conn *
fake_asked(struct fake_world *w, enum rtse_dialogue dialogue)
{
    struct x400_conn *c = fake_call(w, "ldn1");

    fake_offer(c, w->o.protocol, dialogue, "PARIS", "par-secret");
    return c;
}

/* ... and is. */
static inline struct x400_conn *
fake_bound(struct fake_world *w, enum rtse_dialogue dialogue)
{
    struct x400_conn *c = fake_asked(w, dialogue);

    CHECK(c->accepted);
    return c;
}

/* The peer answers ours. */
static inline void
fake_opened(struct x400_conn *c, enum p1_protocol p, const char *name, const char *password)
{
    struct rtse_open agreed = c->offer;
    struct buf bind;

    agreed.user = fake_bind(&bind, p, P1_BIND_RESULT, name, password);
    c->user->on_opened(c->ctx, &agreed);
    buf_fini(&bind);
}

/* An APDU of the peer's, from what is stored. */
static inline void
fake_apdu(struct buf *out, const struct p1_held *h, enum p1_protocol p, struct slice content)
{
    const struct p1_relay relay = { .protocol = p, .context = 5 };

    buf_init(out, 64 * MIB);
    CHECK(p1_head_write(out, &h->e, &relay, content.n) == 0);
    CHECK(buf_append(out, content) == 0);
}

static inline void
fake_begin(struct x400_conn *c)
{
    fake_says(c, RTSE_IND_BEGIN, (struct rtse_ind){ .activity = 1 }, false);
}

static inline void
fake_octets(struct x400_conn *c, struct slice bytes, size_t piece)
{
    while (bytes.n > 0) {
        fake_says(
            c, RTSE_IND_OCTETS, (struct rtse_ind){ .bytes = slice_sub(bytes, 0, piece) }, false);
        bytes = slice_skip(bytes, piece);
    }
}

static inline void
fake_end(struct x400_conn *c)
{
    fake_says(c, RTSE_IND_END, (struct rtse_ind){ .activity = 1, .point = 1 }, false);
}

#endif
