/* support/x400_pair.h - two X.400 MTAs on one loop, over loopback and the whole stack: each with a
 * queue in memory (intake) and a scheduler of a few lines, and between them a wire that counts
 * octets and breaks where a test wants it. */
#ifndef SUPPORT_X400_PAIR_H
#define SUPPORT_X400_PAIR_H

#include "net/listener.h"
#include "p1_made.h"
#include "test_main.h"
#include "x400/x400.h"
#include "x400/x400_resume.h"
#include "x400/x400_trace.h"
#include "x400_plain.h"
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIR_GUARD_MS    ((uint64_t)60 * 1000)
#define PAIR_ENTRIES_MAX 256
#define PAIR_HEAD_MAX    ((size_t)16 * 1024) /* of what is kept of a message */
#define PAIR_PATTERN     ((size_t)64 * 1024)
#define PAIR_PIECE       ((size_t)32 * 1024)
#define PAIR_SESSIONS    8
#define PAIR_WIRES       16
#define PAIR_PARTS       80
#define PAIR_SETTINGS    32

struct pair;
struct pair_mta;

/* A message: in the queue of whom it is to leave, or come to the other. */
struct pair_entry {
    uint8_t body;
    struct buf stored;      /* head, and of what came the content's beginning */
    uint64_t content_bytes; /* behind the head, when it is sent */
    uint64_t bytes, sum;    /* of all, when it came */
    char to[128], transid[256];
    bool in_hand, done, durable;
    unsigned attempts, doubts, failures;
};

struct intake_message {
    struct pair_mta *mta;
    uint64_t id;
    struct pair_entry entry;
    intake_commit_fn *cb;
    void *ctx;
};

/* What was secured of a message; durable with the next sync. */
struct pair_part {
    bool used, durable;
    struct intake_message *open; /* it is being gone on with */
    uint64_t id;
    char key[X400_PART_KEY_CAP], state[X400_PART_BYTES_MAX];
    size_t key_bytes, state_bytes;
    struct pair_entry entry;
    intake_commit_fn *cb; /* of a part that is not durable yet */
    void *ctx;
};

struct pair_setting {
    char key[X400_NOTE_KEY_CAP], value[X400_NOTE_BYTES_MAX];
    size_t bytes;
};

struct sched_session {
    struct pair_mta *mta;
    struct transport_session *transport;
    struct pair_entry *entry; /* in hand */
    struct delivery d;
    struct slice to;
    uint64_t read;
    bool used, idle, doubt;
};

struct pair_mta {
    struct pair *pair;
    struct x400_net *net;
    struct x400 *x;
    struct x400_connector *c;
    struct x400_connector_options o;
    struct x400_hop hop;
    struct listener *listener;
    struct netaddr at;
    const char *name;
    struct pair_entry out[PAIR_ENTRIES_MAX], in[PAIR_ENTRIES_MAX];
    unsigned out_count, in_count;
    struct intake_message *pending[PAIR_ENTRIES_MAX];
    unsigned pending_count;
    struct pair_part parts[PAIR_PARTS];
    struct pair_setting settings[PAIR_SETTINGS];
    unsigned reopened, suspended, dropped, noted, seeks;
    unsigned parts_unknown; /* so often: the queue is being loaded */
    uint64_t resume_ms;     /* of the last delivery that ended without being delivered */
    unsigned tried;         /* those that count as attempts */
    bool points, no_sync;   /* no_sync: the disk takes its time */
    struct loop_task sync, pump;
    struct sched_session sessions[PAIR_SESSIONS];
    unsigned sessions_max;
    uint64_t last_id;
    bool stopped; /* nothing is tried anew */
    bool nobody;  /* no recipient has a way */
};

/* Octets between the two. */
struct pair_wire {
    struct pair *pair;
    struct conn *from, *to;
    struct egress_attempt *dial;
    struct buf early;
    bool used;
};

struct pair {
    struct loop *loop;
    struct vip_watch *watch;
    struct egress *egress;
    struct netaddr vip;
    struct pair_mta a, b; /* a calls */
    struct listener *listener;
    struct netaddr wire_at;
    struct pair_wire wires[PAIR_WIRES];
    uint64_t octets, cut_at; /* 0: never */
    bool black_hole;
    bool half_open; /* who is called does not hear of a cut */
    unsigned cuts;
    struct loop_timer guard;
    bool guarded;
    char pattern[PAIR_PATTERN];
    FILE *pcap; /* what a says and hears, for tshark; see pair_trace */
    struct x400_trace_sink sink;
};

/* ---- the queue */

static inline int
pair_known(void *ctx, struct slice transid, struct intake_known *out)
{
    struct pair_mta *m = ctx;

    *out = (struct intake_known){ 1, 0 };
    for (unsigned i = 0; i < m->in_count; i++) {
        if (slice_eq(transid, slice_of(m->in[i].transid))) {
            return 1;
        }
    }
    for (unsigned i = 0; i < m->pending_count; i++) {
        if (slice_eq(transid, slice_of(m->pending[i]->entry.transid))) {
            return BH_EBUSY;
        }
    }
    return 0;
}

static inline int
pair_open(void *ctx, intake_resume_fn *resume, void *resume_ctx, struct intake_message **out,
    uint64_t *id)
{
    struct pair_mta *mta = ctx;
    struct intake_message *m = calloc(1, sizeof(*m));

    (void)resume;
    (void)resume_ctx;
    CHECK(m != NULL);
    m->mta = mta;
    buf_init(&m->entry.stored, PAIR_HEAD_MAX);
    *id = m->id = ++mta->last_id;
    *out = m;
    return 0;
}

static inline uint64_t
pair_sum(struct slice bytes)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < bytes.n; i++) {
        sum += (unsigned char)bytes.p[i];
    }
    return sum;
}

static inline int
pair_write(struct intake_message *m, struct slice bytes)
{
    struct pair_entry *e = &m->entry;

    e->bytes += bytes.n;
    e->sum += pair_sum(bytes);
    CHECK(buf_append(&e->stored, slice_sub(bytes, 0, buf_space(&e->stored))) == 0);
    return 0;
}

/* ---- parts */

static inline void
pair_part_free(struct pair_part *part)
{
    buf_fini(&part->entry.stored);
    part->used = false;
}

/* Of a message; all, or what is durable. */
static inline void
pair_parts_forget(struct pair_mta *mta, uint64_t id, bool all)
{
    for (unsigned i = 0; i < PAIR_PARTS; i++) {
        struct pair_part *part = &mta->parts[i];

        if (part->used && part->id == id && (all || part->durable)) {
            pair_part_free(part);
        }
    }
}

static inline struct pair_entry
pair_entry_copy(const struct pair_entry *e)
{
    struct pair_entry copy = *e;

    buf_init(&copy.stored, PAIR_HEAD_MAX);
    CHECK(buf_append(&copy.stored, buf_slice(&e->stored)) == 0);
    return copy;
}

static inline int
pair_secure(
    struct intake_message *m, struct slice key, struct slice state, intake_commit_fn *cb, void *ctx)
{
    struct pair_mta *mta = m->mta;

    for (unsigned i = 0; i < PAIR_PARTS; i++) {
        struct pair_part *part = &mta->parts[i];

        if (!part->used) {
            CHECK(key.n <= sizeof(part->key) && state.n <= sizeof(part->state));
            *part = (struct pair_part){ .used = true, .open = m, .id = m->id, .cb = cb };
            part->ctx = ctx;
            part->key_bytes = key.n;
            part->state_bytes = state.n;
            memcpy(part->key, key.p, key.n);
            memcpy(part->state, state.p, state.n);
            part->entry = pair_entry_copy(&m->entry);
            loop_call_soon(mta->pair->loop, &mta->sync);
            return 0;
        }
    }
    CHECK(false);
    return -ENOMEM;
}

static inline void
pair_suspend(struct intake_message *m)
{
    m->mta->suspended++;
    for (unsigned i = 0; i < PAIR_PARTS; i++) {
        struct pair_part *part = &m->mta->parts[i];

        part->open = part->open == m ? NULL : part->open;
    }
    buf_fini(&m->entry.stored);
    free(m);
}

static inline int
pair_part(void *ctx, uint64_t after, struct intake_part *out)
{
    struct pair_mta *mta = ctx;
    const struct pair_part *next = NULL;

    if (mta->parts_unknown > 0) {
        mta->parts_unknown--;
        return -EAGAIN;
    }
    for (unsigned i = 0; i < PAIR_PARTS; i++) {
        const struct pair_part *part = &mta->parts[i];

        if (part->used && part->durable && part->open == NULL && part->id > after &&
            (next == NULL || part->id < next->id)) {
            next = part;
        }
    }
    if (next != NULL) {
        *out = (struct intake_part){ next->id, next->entry.bytes, { next->key, next->key_bytes },
            { next->state, next->state_bytes } };
    }
    return next != NULL;
}

static inline int
pair_reopen(
    void *ctx, uint64_t id, intake_resume_fn *resume, void *resume_ctx, struct intake_message **out)
{
    struct pair_mta *mta = ctx;

    (void)resume;
    (void)resume_ctx;
    for (unsigned i = 0; i < PAIR_PARTS; i++) {
        struct pair_part *part = &mta->parts[i];

        if (part->used && part->id == id && part->open == NULL && part->durable) {
            struct intake_message *m = calloc(1, sizeof(*m));

            CHECK(m != NULL);
            m->mta = mta;
            m->id = id;
            m->entry = pair_entry_copy(&part->entry);
            part->open = m;
            mta->reopened++;
            *out = m;
            return 0;
        }
    }
    return BH_ENOTFOUND;
}

static inline void
pair_drop(void *ctx, uint64_t id)
{
    struct pair_mta *mta = ctx;

    mta->dropped++;
    pair_parts_forget(mta, id, true);
}

/* The one that takes another's place, and whoever waits for it. */
static inline void
pair_parts_sync(struct pair_mta *mta)
{
    for (unsigned i = 0; i < PAIR_PARTS; i++) {
        struct pair_part *part = &mta->parts[i];

        if (part->used && !part->durable) {
            intake_commit_fn *cb = part->cb;

            pair_parts_forget(mta, part->id, false);
            part->durable = true;
            part->cb = NULL;
            if (cb != NULL) {
                cb(part->ctx, 0);
            }
        }
    }
}

/* ---- settings */

static inline struct pair_setting *
pair_setting(struct pair_mta *m, struct slice key, bool make)
{
    for (unsigned i = 0; i < PAIR_SETTINGS; i++) {
        struct pair_setting *s = &m->settings[i];

        if (s->bytes > 0 && slice_eq(key, slice_of(s->key))) {
            return s;
        }
    }
    for (unsigned i = 0; make && i < PAIR_SETTINGS; i++) {
        if (m->settings[i].bytes == 0) {
            CHECK(slice_copy(key, m->settings[i].key, sizeof(m->settings[i].key)) == 0);
            return &m->settings[i];
        }
    }
    CHECK(!make);
    return NULL;
}

static inline int
pair_set(void *ctx, struct slice key, struct slice value)
{
    struct pair_setting *s = pair_setting(ctx, key, value.n > 0);

    ((struct pair_mta *)ctx)->noted += value.n > 0;
    if (s != NULL) {
        CHECK(value.n <= sizeof(s->value));
        s->bytes = value.n;
        memcpy(s->value, value.n > 0 ? value.p : "", value.n);
    }
    return 0;
}

static inline struct slice
pair_get(void *ctx, struct slice key)
{
    const struct pair_setting *s = pair_setting(ctx, key, false);

    return s != NULL ? (struct slice){ s->value, s->bytes } : SLICE_NONE;
}

/* ---- the end of a message */

static inline void
pair_abort(struct intake_message *m)
{
    pair_parts_forget(m->mta, m->id, true);
    buf_fini(&m->entry.stored);
    free(m);
}

/* The journal: what is pending is durable in the loop's next task. */
static inline void
pair_on_sync(void *ctx)
{
    struct pair_mta *mta = ctx;

    if (mta->no_sync) {
        return;
    }
    pair_parts_sync(mta);
    while (mta->pending_count > 0) {
        struct intake_message *m = mta->pending[0];

        memmove(mta->pending, mta->pending + 1, --mta->pending_count * sizeof(*mta->pending));
        CHECK(mta->in_count < PAIR_ENTRIES_MAX);
        m->entry.durable = true;
        pair_parts_forget(mta, m->id, true);
        mta->in[mta->in_count++] = m->entry;
        if (m->cb != NULL) {
            m->cb(m->ctx, 0);
        }
        free(m);
    }
    loop_stop(mta->pair->loop);
}

static inline int
pair_commit(struct intake_message *m, const struct envelope *e, intake_commit_fn *cb, void *ctx)
{
    struct pair_mta *mta = m->mta;

    CHECK(e->recipient_count > 0 && mta->pending_count < PAIR_ENTRIES_MAX);
    m->entry.body = e->body;
    CHECK(slice_copy(e->recipients[0].address, m->entry.to, sizeof(m->entry.to)) == 0);
    CHECK(slice_copy(e->transid, m->entry.transid, sizeof(m->entry.transid)) == 0);
    m->cb = cb;
    m->ctx = ctx;
    mta->pending[mta->pending_count++] = m;
    loop_call_soon(mta->pair->loop, &mta->sync);
    return 0;
}

static inline void
pair_forget(void *ctx, intake_commit_fn *cb, void *cb_ctx)
{
    struct pair_mta *m = ctx;

    for (unsigned i = 0; i < m->pending_count; i++) {
        if (m->pending[i]->ctx == cb_ctx && m->pending[i]->cb == cb) {
            m->pending[i]->cb = NULL;
        }
    }
    for (unsigned i = 0; i < PAIR_PARTS; i++) {
        if (m->parts[i].used && m->parts[i].ctx == cb_ctx && m->parts[i].cb == cb) {
            m->parts[i].cb = NULL;
        }
    }
}

static inline struct or_route
pair_route(void *ctx, const struct x400_way *way)
{
    struct pair_mta *m = ctx;

    (void)way;
    return (struct or_route){ .verdict = m->nobody ? OR_ROUTE_NONE : OR_ROUTE_GO };
}

/* ---- the scheduler */

static inline bool
pair_take(struct sched_session *s)
{
    struct pair_mta *m = s->mta;

    for (unsigned i = 0; i < m->out_count && !m->stopped; i++) {
        struct pair_entry *e = &m->out[i];

        if (!e->done && !e->in_hand) {
            e->in_hand = true;
            e->attempts++;
            s->entry = e;
            s->read = 0;
            s->doubt = false;
            s->to = slice_of(e->to);
            s->d = (struct delivery){ .id = i + 1,
                .body = e->body,
                .size_bytes = buf_len(&e->stored) + e->content_bytes,
                .received_wall_ms = P1_NOW,
                .recipient_count = 1,
                .recipients = &s->to };
            return true;
        }
    }
    return false;
}

static inline void
pair_pump(void *ctx)
{
    struct pair_mta *m = ctx;

    for (unsigned i = 0; i < m->sessions_max; i++) {
        struct sched_session *s = &m->sessions[i];
        struct transport t = x400_connector_transport(m->c);

        if (s->used && !s->idle) {
            continue;
        }
        s->mta = m;
        if (!pair_take(s)) {
            return;
        }
        if (s->used) {
            s->idle = false;
            t.ops->work(s->transport, &s->d);
            continue;
        }
        s->used = true;
        CHECK(t.ops->open(t.ctx, SLICE_LIT("peer"), s, &s->d, &s->transport) == 0);
    }
}

static inline int
pair_up_content(struct sched_session *s, struct slice *out, transport_ready_fn *ready, void *ctx)
{
    const struct pair_entry *e = s->entry;
    uint64_t head = buf_len(&e->stored), at;

    (void)ready;
    (void)ctx;
    if (s->read < head) {
        *out = slice_skip(buf_slice(&e->stored), (size_t)s->read);
    } else {
        at = (s->read - head) % PAIR_PATTERN;
        *out = (struct slice){ s->mta->pair->pattern + at,
            (size_t)MIN(
                MIN((uint64_t)PAIR_PIECE, PAIR_PATTERN - at), head + e->content_bytes - s->read) };
    }
    s->read += out->n;
    return (int)out->n;
}

static inline void
pair_up_seek(struct sched_session *s, uint64_t offset)
{
    s->read = offset;
    s->mta->seeks++;
}

/* How often the i-th of from is with to. */
static inline unsigned
pair_came(const struct pair_mta *from, const struct pair_mta *to, unsigned i)
{
    unsigned came = 0;
    char id[24];

    (void)snprintf(id, sizeof(id), "/M-%u ", i + 1);
    for (unsigned k = 0; k < to->in_count; k++) {
        came += strstr(to->in[k].transid, id) != NULL && to->in[k].body == from->out[i].body;
    }
    return came;
}

/* Delivered means that it is there; deferred without a doubt, that it is not. */
static inline void
pair_result(struct sched_session *s, const struct transport_result *r)
{
    struct pair *p = s->mta->pair;
    struct pair_entry *e = s->entry;
    const struct pair_mta *other = s->mta == &p->a ? &p->b : &p->a;
    unsigned came = pair_came(s->mta, other, (unsigned)(e - s->mta->out));

    if (e->doubts == 0 && !other->nobody) {
        CU_ASSERT_TRUE(r->kind != OUTCOME_DELIVERED || came == 1);
        CU_ASSERT_TRUE(r->kind != OUTCOME_DEFERRED || r->in_doubt || came == 0);
    }
    e->done = r->kind == OUTCOME_DELIVERED || r->kind == OUTCOME_FAILED;
    e->failures += r->kind == OUTCOME_FAILED;
    e->doubts += r->in_doubt != 0;
    e->in_hand = false;
    s->entry = NULL;
    s->mta->resume_ms = e->done ? s->mta->resume_ms : r->resume_ms;
    s->mta->tried += !e->done && !r->untried;
    loop_stop(s->mta->pair->loop);
}

static inline void
pair_up_recipient(struct sched_session *s, uint32_t index, const struct transport_result *r)
{
    CHECK(index == 0);
    pair_result(s, r);
}

static inline const struct delivery *
pair_up_done(struct sched_session *s)
{
    if (pair_take(s)) {
        return &s->d;
    }
    s->idle = true;
    return NULL;
}

static inline void
pair_up_closed(struct sched_session *s, const struct transport_result *r)
{
    if (s->entry != NULL) {
        pair_result(s, r);
    }
    s->used = s->idle = false;
    s->transport = NULL;
    loop_call_soon(s->mta->pair->loop, &s->mta->pump);
    loop_stop(s->mta->pair->loop);
}

static const struct transport_up pair_up = { plain_yes, plain_yes, pair_up_content, pair_up_seek,
    plain_yes, pair_up_recipient, pair_up_done, plain_opened, pair_up_closed };

static inline void
pair_reached(void *ctx)
{
    struct pair_mta *m = ctx;

    loop_call_soon(m->pair->loop, &m->pump);
}

/* ---- the wire */

static inline void
pair_wire_break(struct pair_wire *w)
{
    if (w->dial != NULL) {
        egress_cancel(w->dial);
    }
    if (w->from != NULL) {
        conn_close(w->from, 0);
    }
    if (w->to != NULL) {
        conn_close(w->to, 0);
    }
    buf_fini(&w->early);
    *w = (struct pair_wire){ .pair = w->pair };
}

static inline void
pair_wire_bytes(struct pair_wire *w, struct conn *to, struct slice bytes)
{
    struct pair *p = w->pair;

    if (p->cut_at > 0 && p->octets + bytes.n >= p->cut_at) {
        p->cut_at = 0;
        p->cuts++;
        if (p->half_open) {
            conn_close(w->from, 0);
            w->from = NULL;
        } else {
            pair_wire_break(w);
        }
        return;
    }
    p->octets += bytes.n;
    if (p->black_hole || w->from == NULL) {
        return;
    }
    if (to == NULL) {
        CHECK(buf_append(&w->early, bytes) == 0);
        return;
    }
    conn_send(to, bytes);
    if (conn_queued(to) > CONN_HIGH_BYTES) {
        conn_set_reading(to == w->to ? w->from : w->to, false);
    }
}

static inline void
pair_from_bytes(void *ctx, struct slice bytes)
{
    struct pair_wire *w = ctx;

    pair_wire_bytes(w, w->to, bytes);
}

static inline void
pair_to_bytes(void *ctx, struct slice bytes)
{
    struct pair_wire *w = ctx;

    pair_wire_bytes(w, w->from, bytes);
}

static inline void
pair_wire_drained(void *ctx)
{
    struct pair_wire *w = ctx;

    if (w->from != NULL) {
        conn_set_reading(w->from, true);
    }
    if (w->to != NULL) {
        conn_set_reading(w->to, true);
    }
}

static inline void
pair_wire_end(void *ctx, int status)
{
    struct pair_wire *w = ctx;

    (void)status;
    if (w->from != NULL) {
        conn_close(w->from, 1000);
    }
    if (w->to != NULL) {
        conn_close(w->to, 1000);
    }
    w->from = w->to = NULL;
    pair_wire_break(w);
}

static const struct conn_user pair_from_user = { pair_from_bytes, pair_wire_drained,
    pair_wire_end };
static const struct conn_user pair_to_user = { pair_to_bytes, pair_wire_drained, pair_wire_end };

static inline void
pair_wire_dialled(void *ctx, int status, struct conn *c)
{
    struct pair_wire *w = ctx;

    w->dial = NULL;
    if (status < 0) {
        pair_wire_break(w);
        return;
    }
    w->to = c;
    conn_send(c, buf_slice(&w->early));
    conn_set_reading(c, true);
}

static inline void
pair_on_accept(void *ctx, int fd, const struct netaddr *peer)
{
    struct pair *p = ctx;

    (void)peer;
    for (unsigned i = 0; i < PAIR_WIRES; i++) {
        struct pair_wire *w = &p->wires[i];

        if (!w->used) {
            *w = (struct pair_wire){ .pair = p, .used = true };
            buf_init(&w->early, MIB);
            CHECK(conn_new(&w->from, p->loop, fd, &pair_from_user, w) == 0);
            conn_set_reading(w->from, true);
            CHECK(egress_connect(&w->dial, p->egress, &p->vip, 1, &p->b.at, 10000, &pair_to_user, w,
                      pair_wire_dialled, w) == 0);
            return;
        }
    }
    CHECK(false);
}

static inline void
pair_b_accept(void *ctx, int fd, const struct netaddr *peer)
{
    struct pair_mta *m = ctx;

    if (m->stopped) {
        (void)close(fd);
        return;
    }
    x400_accept(m->x, fd, peer, "p1");
}

/* ---- both */

static inline void
pair_listen(
    struct pair *p, struct listener **out, struct netaddr *at, listener_accept_fn *cb, void *ctx)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof(sa);
    int fd;

    CHECK(netaddr_parse(SLICE_LIT("127.0.0.1"), at) == 0);
    CHECK(listener_open(at, &fd) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&sa, &n) == 0);
    CHECK(netaddr_from_sockaddr((struct sockaddr *)&sa, at) == 0);
    CHECK(listener_start(out, p->loop, fd, cb, ctx) == 0);
}

static inline void
pair_selector(struct x400_selector *s, const char *text)
{
    s->n = (uint8_t)strlen(text);
    memcpy(s->octets, text, s->n);
}

static inline void
pair_mta_init(struct pair *p, struct pair_mta *m, const char *name, const char *peer)
{
    m->pair = p;
    m->name = name;
    m->sessions_max = 1;
    loop_task_init(&m->sync, pair_on_sync, m);
    loop_task_init(&m->pump, pair_pump, m);
    m->o = (struct x400_connector_options){ .name = slice_of(peer),
        .protocol = P1_1988_NORMAL,
        .local_mta = slice_of(name),
        .local_password = SLICE_LIT("open sesame"),
        .remote_mta = slice_of(peer),
        .remote_password = SLICE_LIT("open sesame"),
        .sources = &p->vip,
        .source_count = 1,
        .hops = &m->hop,
        .hop_count = 1,
        .dialogue = RTSE_MONOLOGUE,
        .checkpoint = 30,
        .window = 5,
        .recovery_ms = PAIR_GUARD_MS,
        .times = x400_times_default };
    pair_selector(&m->o.local.t, name);
    pair_selector(&m->o.remote.t, peer);
}

static inline void
pair_on_guard(void *ctx)
{
    struct pair *p = ctx;

    p->guarded = true;
    loop_stop(p->loop);
}

static inline void
pair_on_pcap(void *ctx, struct slice record)
{
    struct pair *p = ctx;

    CHECK(fwrite(record.p, record.n, 1, p->pcap) == 1);
}

/* X400_PAIR_PCAP=PREFIX in the environment: the first pairs of the process leave PREFIX.1.pcap and
 * so on, and in PREFIX.1.port the port that a calls. */
static inline void
pair_trace(struct pair *p)
{
    static unsigned nth;
    const char *prefix = getenv("X400_PAIR_PCAP");
    char path[512], head[X400_PCAP_HEAD_BYTES];
    FILE *port;

    if (prefix == NULL || ++nth > 7) {
        return;
    }
    (void)snprintf(path, sizeof(path), "%s.%u.port", prefix, nth);
    port = fopen(path, "w");
    CHECK(port != NULL && fprintf(port, "%u\n", p->wire_at.port) > 0 && fclose(port) == 0);
    (void)snprintf(path, sizeof(path), "%s.%u.pcap", prefix, nth);
    p->pcap = fopen(path, "w");
    x400_pcap_head(head);
    CHECK(p->pcap != NULL && fwrite(head, sizeof(head), 1, p->pcap) == 1);
    p->sink = (struct x400_trace_sink){ .on_pcap = pair_on_pcap, .ctx = p };
    x400_net_trace(p->a.net, &p->sink);
}

/* Then a test changes a.o and b.o, and calls pair_start. */
static inline void
pair_init(struct pair *p)
{
    (void)signal(SIGPIPE, SIG_IGN);
    memset(p, 0, sizeof(*p));
    for (size_t i = 0; i < sizeof(p->pattern); i++) {
        p->pattern[i] = (char)(i * 2654435761u >> 13);
    }
    CHECK(netaddr_parse(SLICE_LIT("127.0.0.2"), &p->vip) == 0);
    CHECK(loop_new(&p->loop) == 0);
    CHECK(vip_watch_new(&p->watch, p->loop, &p->vip, 1, NULL, NULL) == 0);
    CHECK(egress_new(&p->egress, p->loop, p->watch) == 0);
    loop_timer_init(p->loop, &p->guard, pair_on_guard, p);
    pair_mta_init(p, &p->a, "london", "paris");
    pair_mta_init(p, &p->b, "paris", "london");
    pair_listen(p, &p->b.listener, &p->b.at, pair_b_accept, &p->b);
    pair_listen(p, &p->listener, &p->wire_at, pair_on_accept, p);
    p->a.hop = (struct x400_hop){ .address = p->wire_at, .port = p->wire_at.port };
    p->b.o.schedule.kind = X400_REMOTE_INITIATED;
}

static inline void
pair_mta_start(struct pair *p, struct pair_mta *m, const char *prmd)
{
    static const struct intake_ops ops = { .ready = plain_room,
        .known = pair_known,
        .open = pair_open,
        .write = pair_write,
        .commit = pair_commit,
        .abort = pair_abort,
        .forget = pair_forget,
        .secure = pair_secure,
        .suspend = pair_suspend,
        .part = pair_part,
        .reopen = pair_reopen,
        .drop = pair_drop };
    const struct x400_connector_env env = { NULL, pair_reached, m };
    const struct x400_env x = { .loop = p->loop,
        .net = m->net,
        .intake = { &ops, m },
        .route = pair_route,
        .route_ctx = m,
        .settings = { pair_set, pair_get, m } };
    struct x400_mta_options o = { .mta_name = slice_of(m->name),
        .domain = { { true, 2, "GB" }, { true, 1, " " }, { true, 1, "L" } },
        .associations_max = 20,
        .unbound_max = 20,
        .unbound_per_client_max = 20,
        .returned_bytes_max = 4096,
        .times = x400_times_default,
        .points = m->points };

    o.domain.prmd.octets[0] = prmd[0];
    (void)env;
    CHECK(x400_new(&m->x, &x, &o) == 0);
    CHECK(x400_connector_new(&m->c, m->x, &m->o, &env, &pair_up) == 0);
}

static inline void
pair_start(struct pair *p)
{
    CHECK(x400_net_new(&p->a.net, p->loop, p->egress, SLICE_LIT("london")) == 0);
    CHECK(x400_net_new(&p->b.net, p->loop, p->egress, SLICE_LIT("paris")) == 0);
    pair_trace(p);
    pair_mta_start(p, &p->a, "L");
    pair_mta_start(p, &p->b, "P");
}

/* Queue one for the other side. */
static inline struct pair_entry *
pair_put(struct pair_mta *m, enum p1_kind kind, uint64_t content_bytes)
{
    static const uint8_t bodies[] = { [P1_MESSAGE] = ENVELOPE_P1_MESSAGE,
        [P1_REPORT] = ENVELOPE_P1_REPORT,
        [P1_PROBE] = ENVELOPE_P1_PROBE };
    const char *to[] = { "/C=FR/A= /P=X/S=Dupont/" };
    struct pair_entry *e = &m->out[m->out_count++];
    struct p1_held h;
    char id[16];

    CHECK(m->out_count <= PAIR_ENTRIES_MAX);
    (void)snprintf(id, sizeof(id), "M-%u", m->out_count);
    p1_hold(&h,
        (struct p1_made){
            .kind = kind == P1_PROBE ? P1_PROBE : P1_MESSAGE,
            .local_id = slice_of(id),
        },
        to, 1, P1_MTA_NON_DELIVERY);
    buf_init(&e->stored, PAIR_HEAD_MAX);
    e->body = bodies[kind];
    e->content_bytes = kind == P1_MESSAGE ? content_bytes : 0;
    CHECK(slice_copy(slice_of(to[0]), e->to, sizeof(e->to)) == 0);
    if (kind == P1_REPORT) {
        struct p1_outcome o = { .is = P1_FAILED, .reason = 1, .diagnostic = 0 };
        const struct p1_reporter by = { .domain = &p1_ours,
            .mta_name = SLICE_LIT("x"),
            .local_id = slice_of(id),
            .now_wall_ms = P1_NOW,
            .arrival_wall_ms = P1_NOW };

        CHECK(p1_report_write(&e->stored, &h.e, &o, &by) == 1);
        CHECK(slice_copy(SLICE_LIT("/C=DE/A= /P=BH/S=Meier/"), e->to, sizeof(e->to)) == 0);
    } else {
        CHECK(buf_append(&e->stored, buf_slice(&h.octets)) == 0);
    }
    p1_held_fini(&h);
    return e;
}

static inline bool
pair_all_done(const struct pair_mta *m)
{
    for (unsigned i = 0; i < m->out_count; i++) {
        if (!m->out[i].done) {
            return false;
        }
    }
    return true;
}

/* Only a calls: where b's mail waits and no association is left, something of a's opens one. */
static inline void
pair_nudge(struct pair *p)
{
    struct x400_connector_view v;

    x400_connector_view(p->a.c, &v);
    if (pair_all_done(&p->a) && !pair_all_done(&p->b) && v.out == 0 && !p->a.sessions[0].used) {
        (void)pair_put(&p->a, P1_MESSAGE, 1);
        pair_pump(&p->a);
    }
}

/* Until everything is handed over, or the guard. */
static inline void
pair_run(struct pair *p)
{
    loop_timer_start(&p->guard, PAIR_GUARD_MS);
    pair_pump(&p->a);
    pair_pump(&p->b);
    while (!p->guarded && !(pair_all_done(&p->a) && pair_all_done(&p->b))) {
        CHECK(loop_run(p->loop) == 0);
        pair_nudge(p);
    }
    loop_timer_stop(&p->guard);
    CU_ASSERT_FALSE(p->guarded);
}

static inline void
pair_mta_stop(struct pair_mta *m)
{
    m->stopped = true;
    x400_abort(m->x);
    for (unsigned i = 0; i < PAIR_SESSIONS; i++) {
        if (m->sessions[i].used) {
            x400_connector_transport(m->c).ops->close(m->sessions[i].transport, true);
        }
    }
}

static inline void
pair_mta_free(struct pair_mta *m)
{
    loop_task_cancel(&m->pump);
    x400_connector_free(m->c);
    x400_free(m->x);
    x400_net_free(m->net);
    for (unsigned i = 0; i < m->out_count; i++) {
        buf_fini(&m->out[i].stored);
    }
    for (unsigned i = 0; i < m->in_count; i++) {
        buf_fini(&m->in[i].stored);
    }
    for (unsigned i = 0; i < PAIR_PARTS; i++) {
        if (m->parts[i].used) {
            pair_part_free(&m->parts[i]);
        }
    }
}

static inline bool
pair_quiet(const struct pair *p)
{
    unsigned used = 0;

    for (unsigned i = 0; i < PAIR_SESSIONS; i++) {
        used += p->a.sessions[i].used + p->b.sessions[i].used;
    }
    return used + p->a.pending_count + p->b.pending_count == 0;
}

static inline void
pair_stop(struct pair *p)
{
    pair_mta_stop(&p->a);
    pair_mta_stop(&p->b);
    loop_timer_start(&p->guard, PAIR_GUARD_MS);
    while (!p->guarded && !pair_quiet(p)) {
        CHECK(loop_run(p->loop) == 0);
    }
    loop_timer_stop(&p->guard);
    CU_ASSERT_FALSE(p->guarded);
    for (unsigned i = 0; i < PAIR_WIRES; i++) {
        if (p->wires[i].used) {
            pair_wire_break(&p->wires[i]);
        }
    }
    pair_mta_free(&p->a);
    pair_mta_free(&p->b);
    listener_free(p->listener, true);
    listener_free(p->b.listener, true);
    egress_free(p->egress);
    vip_watch_free(p->watch);
    loop_free(p->loop);
    CU_ASSERT_EQUAL(conn_count(), 0);
    if (p->pcap != NULL) {
        CHECK(fclose(p->pcap) == 0);
    }
}

#endif
