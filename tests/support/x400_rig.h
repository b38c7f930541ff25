/* support/x400_rig.h - two shells of the OSI stack on one loop, over loopback: what they are told,
 * and answers by themselves unless the test wants others. */
#ifndef SUPPORT_X400_RIG_H
#define SUPPORT_X400_RIG_H

#include "net/listener.h"
#include "test_main.h"
#include "x400/x400_conn.h"
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define RIG_LONG_MS   ((uint64_t)3600 * 1000)
#define RIG_SHORT_MS  ((uint64_t)20)
#define RIG_GUARD_MS  ((uint64_t)30 * 1000) /* a test that waits for what never comes */
#define RIG_TEXT_SIZE ((size_t)1 << 16)

struct x400_rig;

struct rig_end {
    struct x400_rig *rig;
    struct x400_conn *c;
    char told[1024];
    char called[64], user[128]; /* TSAP; bind argument, result or error */
    struct rtse_open open;      /* offered or agreed; its slices are dead */
    struct rtse_ind last;
    struct x400_end end;
    char end_text[128];
    unsigned ended;
    bool in_doubt;
    uint64_t octets, octets_wrong, at; /* received */
    uint64_t send_bytes, sent;         /* written of the transfer */
    uint64_t stops_at;                 /* the user writes no further; 0: all */
    unsigned priority;
    /* what it does not do by itself */
    bool mute_call, mute_offer, holds, mute_please, keeps;
    unsigned refuse_call; /* TP0_REASON_ + 1 */
    unsigned stays;       /* so often it is not idle */
    bool refuse_bind;
    const char *free_at; /* a word: freed in that callback */
};

struct x400_rig {
    struct loop *loop;
    struct vip_watch *watch;
    struct egress *egress;
    struct x400_net *net;
    struct listener *listener;
    struct netaddr vip, to;
    struct x400_times in_times, out_times;
    struct rig_end in, out;
    unsigned accepted;
    struct loop_timer guard;
    bool guarded;       /* it fired */
    bool ignore;        /* accepted connections are kept open, and nobody speaks but ... */
    struct slice reply; /* ... these octets, and the end */
    int ignored[8];
    unsigned ignored_count;
    char text[RIG_TEXT_SIZE];
};

static inline void
rig_hear(struct rig_end *e, const char *word)
{
    strncat(e->told, word, sizeof(e->told) - strlen(e->told) - 1);
    if (e->free_at != NULL && strcmp(e->free_at, word) == 0) {
        x400_conn_free(e->c);
        e->c = NULL;
    }
    loop_stop(e->rig->loop);
}

static inline void
rig_on_called(void *ctx, struct slice calling, struct slice called)
{
    struct rig_end *e = ctx;

    (void)calling;
    (void)!slice_copy(slice_sub(called, 0, 60), e->called, sizeof(e->called));
    rig_hear(e, "called ");
    if (e->c != NULL && e->refuse_call > 0) {
        x400_conn_refuse_call(e->c, e->refuse_call - 1);
    } else if (e->c != NULL && !e->mute_call) {
        x400_conn_answer(e->c, 2048);
    }
}

static inline void
rig_on_offer(void *ctx, const struct rtse_open *offer)
{
    struct rig_end *e = ctx;
    struct rtse_open o = { .checkpoint = 4096, .window = 5, .user = SLICE_LIT("\x04\x02ok") };

    e->open = *offer;
    (void)!slice_copy(slice_sub(offer->user, 0, 100), e->user, sizeof(e->user));
    o.checkpoint = offer->checkpoint;
    rig_hear(e, "offer ");
    if (e->c != NULL && e->refuse_bind) {
        x400_conn_refuse(e->c, RTSE_REFUSE_VALIDATION, SLICE_LIT("\x02\x01\x02"));
    } else if (e->c != NULL && !e->mute_offer) {
        x400_conn_accept(e->c, &o);
    }
}

static inline void
rig_on_opened(void *ctx, const struct rtse_open *agreed)
{
    struct rig_end *e = ctx;

    e->open = *agreed;
    (void)!slice_copy(slice_sub(agreed->user, 0, 100), e->user, sizeof(e->user));
    rig_hear(e, "opened ");
}

static inline void
rig_octets(struct rig_end *e, const struct rtse_ind *ind)
{
    e->at = ind->offset;
    for (size_t i = 0; i < ind->bytes.n; i += 997) { /* a sample is enough */
        e->octets_wrong +=
            ind->bytes.p[i] != e->rig->text[(size_t)((ind->offset + i) % RIG_TEXT_SIZE)];
    }
    e->octets += ind->bytes.n;
}

static inline void
rig_on_rtse(void *ctx, enum rtse_ind_kind kind, const struct rtse_ind *ind, bool in_doubt)
{
    static const char *const words[] = { "", "", "", "", "begin ", "resume ", "", "point ", "end ",
        "stopped ", "confirmed ", "sent ", "failed ", "please ", "turn ", "gave " };
    struct rig_end *e = ctx;

    CHECK(kind >= RTSE_IND_BEGIN && kind <= RTSE_IND_GAVE);
    e->last = *ind;
    e->in_doubt = in_doubt;
    if (kind == RTSE_IND_OCTETS) {
        rig_octets(e, ind);
        return;
    }
    rig_hear(e, words[kind]);
    if (e->c == NULL) {
        return;
    }
    if ((kind == RTSE_IND_POINT || kind == RTSE_IND_END) && !e->holds) {
        x400_conn_secured(e->c, ind->activity, ind->point);
    } else if (kind == RTSE_IND_PLEASE && !e->mute_please &&
               strstr(e->told, "sent ") >= strstr(e->told, "begin ")) {
        x400_conn_give(e->c);
    }
}

static inline void
rig_on_room(void *ctx)
{
    struct rig_end *e = ctx;
    uint64_t until = e->stops_at > 0 ? MIN(e->stops_at, e->send_bytes) : e->send_bytes;

    while (e->sent < until && x400_conn_room(e->c) > 0) {
        size_t at = (size_t)(e->sent % RIG_TEXT_SIZE);
        uint64_t n = MIN(MIN(x400_conn_room(e->c), until - e->sent), RIG_TEXT_SIZE - at);

        x400_conn_write(e->c, (struct slice){ e->rig->text + at, (size_t)n });
        e->sent += n;
    }
    if (e->free_at != NULL && strcmp(e->free_at, "room ") == 0) {
        rig_hear(e, "room ");
    }
}

static inline void
rig_on_end(void *ctx, const struct x400_end *end)
{
    struct rig_end *e = ctx;

    CHECK(end->text != NULL);
    e->end = *end;
    if (end->user.n > 0) {
        (void)!slice_copy(slice_sub(end->user, 0, 100), e->user, sizeof(e->user));
    }
    (void)!slice_copy(slice_sub(slice_of(end->text), 0, 127), e->end_text, sizeof(e->end_text));
    e->end.text = e->end_text;
    e->ended++;
    rig_hear(e, "ended ");
    if (e->c != NULL && !e->keeps) {
        x400_conn_free(e->c);
        e->c = NULL;
    }
}

static inline bool
rig_on_idle(void *ctx)
{
    struct rig_end *e = ctx;
    bool stays = e->stays > 0;

    e->stays -= stays;
    return !stays;
}

static const struct x400_conn_user rig_user = { rig_on_called, rig_on_offer, rig_on_opened,
    rig_on_rtse, rig_on_room, rig_on_end, rig_on_idle };

static inline void
rig_on_accept(void *ctx, int fd, const struct netaddr *peer)
{
    struct x400_rig *r = ctx;

    (void)peer;
    r->accepted++;
    if (r->ignore) {
        CHECK(r->ignored_count < ARRAY_LEN(r->ignored));
        r->ignored[r->ignored_count++] = fd;
        if (r->reply.n > 0) {
            (void)!send(fd, r->reply.p, r->reply.n, 0);
            (void)shutdown(fd, SHUT_WR);
        }
    } else if (r->in.c != NULL) { /* one at a time */
        close(fd);
    } else {
        CHECK(x400_conn_adopt(&r->in.c, r->net, fd, &r->in_times, &rig_user, &r->in) == 0);
    }
}

static inline void
rig_on_guard(void *ctx)
{
    struct x400_rig *r = ctx;

    r->guarded = true;
    loop_stop(r->loop);
}

static inline struct x400_times
rig_long_times(void)
{
    return (struct x400_times){ RIG_LONG_MS, RIG_LONG_MS, RIG_LONG_MS, RIG_LONG_MS, { 0, 0, 0 },
        RIG_LONG_MS, RIG_LONG_MS, RIG_LONG_MS, 1000 };
}

static inline void
rig_start(struct x400_rig *r)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof(sa);
    int fd;

    (void)signal(SIGPIPE, SIG_IGN);
    memset(r, 0, sizeof(*r));
    for (size_t i = 0; i < sizeof(r->text); i++) {
        r->text[i] = (char)(i * 2654435761u >> 13);
    }
    r->in.rig = r->out.rig = r;
    r->in_times = r->out_times = rig_long_times();
    CHECK(netaddr_parse(SLICE_LIT("127.0.0.2"), &r->vip) == 0);
    CHECK(netaddr_parse(SLICE_LIT("127.0.0.1"), &r->to) == 0);
    CHECK(loop_new(&r->loop) == 0);
    CHECK(vip_watch_new(&r->watch, r->loop, &r->vip, 1, NULL, NULL) == 0);
    CHECK(egress_new(&r->egress, r->loop, r->watch) == 0);
    CHECK(x400_net_new(&r->net, r->loop, r->egress, SLICE_LIT("mta.example.org")) == 0);
    CHECK(listener_open(&r->to, &fd) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&sa, &n) == 0);
    CHECK(netaddr_from_sockaddr((struct sockaddr *)&sa, &r->to) == 0);
    CHECK(listener_start(&r->listener, r->loop, fd, rig_on_accept, r) == 0);
    loop_timer_init(r->loop, &r->guard, rig_on_guard, r);
}

static inline void
rig_stop(struct x400_rig *r)
{
    x400_conn_free(r->in.c);
    x400_conn_free(r->out.c);
    for (unsigned i = 0; i < r->ignored_count; i++) {
        close(r->ignored[i]);
    }
    loop_timer_stop(&r->guard);
    CU_ASSERT_EQUAL(x400_net_count(r->net), 0);
    x400_net_free(r->net);
    egress_free(r->egress);
    vip_watch_free(r->watch);
    listener_free(r->listener, true);
    loop_free(r->loop);
    CU_ASSERT_EQUAL(conn_count(), 0);
    CU_ASSERT_FALSE(r->guarded);
}

static inline struct x400_options
rig_options(struct x400_rig *r, enum presentation_mode mode, uint32_t protocol)
{
    return (struct x400_options){ .sources = &r->vip,
        .source_count = 1,
        .to = &r->to,
        .to_count = 1,
        .calling_t = SLICE_LIT("here"),
        .called_t = SLICE_LIT("there"),
        .tpdu_bytes = TP0_TPDU_BYTES_DEFAULT,
        .open = { .mode = mode,
            .checkpoint = 30,
            .window = 3,
            .application_protocol = protocol,
            .initiator_has_turn = true,
            .user = SLICE_LIT("\x04\x04"
                              "bind") },
        .times = r->out_times,
        .label = SLICE_LIT("paris") };
}

/* Until e was told this, or the guard. False: the guard. */
static inline bool
rig_until(struct rig_end *e, const char *word)
{
    struct x400_rig *r = e->rig;

    loop_timer_start(&r->guard, RIG_GUARD_MS);
    while (!r->guarded && strstr(e->told, word) == NULL) {
        CHECK(loop_run(r->loop) == 0);
    }
    loop_timer_stop(&r->guard);
    CU_ASSERT_FALSE(r->guarded);
    return !r->guarded;
}

static inline void
rig_open(struct x400_rig *r, const struct x400_options *o)
{
    CHECK(x400_conn_open(&r->out.c, r->net, o, &rig_user, &r->out) == 0);
}

/* Both sides open. */
static inline void
rig_opened(struct x400_rig *r, const struct x400_options *o)
{
    rig_open(r, o);
    CU_ASSERT_TRUE(rig_until(&r->out, "opened "));
}

static inline void
rig_transfer(struct rig_end *e, uint64_t bytes, uint64_t stops_at)
{
    e->send_bytes = bytes;
    e->sent = 0;
    e->stops_at = stops_at;
    e->told[0] = '\0';
    CHECK(e->c != NULL);
    x400_conn_transfer(e->c, bytes, e->priority);
}

#endif
