/* Two shells over loopback: associations, large transfers, refusals, every deadline, and that
 * nothing is left behind. */
#include "x400/x400_conn.h"

#include "octets.h"
#include "x400_rig.h"
#include <dirent.h>
#include <malloc.h>
#include <sys/socket.h>

static const struct {
    enum presentation_mode mode;
    uint32_t protocol;
    const char *name;
} protocols[] = { { PRESENTATION_NORMAL, 0, "normal" }, { PRESENTATION_X410, 12, "x410" },
    { PRESENTATION_X410, 1, "x410" } };

static void
three_protocols_bind_transfer_and_unbind(void)
{
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        static struct x400_rig r;
        struct x400_options o;
        struct x400_view v;
        char line[512];

        rig_start(&r);
        o = rig_options(&r, protocols[i].mode, protocols[i].protocol);
        rig_opened(&r, &o);
        CU_ASSERT_STRING_EQUAL(r.in.told, "called offer ");
        CU_ASSERT_STRING_EQUAL(r.in.called, "there");
        CU_ASSERT_STRING_EQUAL(r.in.user, "\x04\x04"
                                          "bind");
        CU_ASSERT_STRING_EQUAL(r.out.user, "\x04\x02ok");
        CU_ASSERT_TRUE(x400_conn_is_open(r.out.c) && x400_conn_is_open(r.in.c));
        x400_conn_view(r.out.c, &v);
        CU_ASSERT_STRING_EQUAL(v.label, "paris");
        CU_ASSERT_STRING_EQUAL(v.tcp, "open");
        CU_ASSERT_STRING_EQUAL(v.transport, "open");
        CU_ASSERT_STRING_EQUAL(v.session, "open");
        CU_ASSERT_STRING_EQUAL(v.rtse, "turn");
        CU_ASSERT_STRING_EQUAL(v.mode, protocols[i].name);
        CU_ASSERT_EQUAL(v.session_version, 2);
        CU_ASSERT_EQUAL(v.tpdu_bytes, 2048);
        CU_ASSERT_EQUAL(v.checkpoint, 30);
        CU_ASSERT_EQUAL(v.window, 3);
        CU_ASSERT_TRUE(v.our_turn);
        CU_ASSERT_TRUE(netaddr_eq(&v.local, &r.vip));
        x400_conn_view(r.in.c, &v);
        CU_ASSERT_TRUE(netaddr_eq(&v.remote, &r.vip)); /* it came from the VIP */
        CU_ASSERT_EQUAL(
            x400_conn_context(r.in.c), protocols[i].mode == PRESENTATION_NORMAL ? 5 : 0);
        rig_transfer(&r.out, 200000, 0);
        CU_ASSERT_TRUE(rig_until(&r.out, "sent "));
        CU_ASSERT_EQUAL(r.in.octets, 200000);
        CU_ASSERT_EQUAL(r.in.octets_wrong, 0);
        rig_transfer(&r.out, 1, 0);
        CU_ASSERT_TRUE(rig_until(&r.out, "sent "));
        x400_conn_view(r.in.c, &v);
        CU_ASSERT_EQUAL(v.transfers_in, 2);
        CU_ASSERT_EQUAL(v.activity, 2);
        x400_conn_describe(r.out.c, line, sizeof(line));
        CU_ASSERT_PTR_NOT_NULL(strstr(line, "paris [127.0.0.2]:"));
        CU_ASSERT_PTR_NOT_NULL(strstr(line, "waits for something to do"));
        x400_conn_close(r.out.c);
        CU_ASSERT_TRUE(rig_until(&r.out, "ended "));
        CU_ASSERT_TRUE(rig_until(&r.in, "ended "));
        CU_ASSERT_EQUAL(r.out.end.how, X400_CLOSED);
        CU_ASSERT_EQUAL(r.in.end.how, X400_CLOSED);
        CU_ASSERT_FALSE(r.in.end.broken || r.out.end.broken);
        rig_stop(&r);
    }
}

static size_t
heap_bytes(void)
{
    return mallinfo2().uordblks;
}

/* A large transfer to a receiver that pauses now and then, and what it costs at the most. */
static void
a_transfer_of_any_size_takes_bounded_memory(void)
{
    static struct x400_rig r;
    struct x400_options o;
    size_t before, most = 0;
    uint64_t bytes = 200 * MIB, paused_at = 0;

    rig_start(&r);
    o = rig_options(&r, PRESENTATION_NORMAL, 0);
    o.open.checkpoint = 1024;
    rig_opened(&r, &o);
    before = heap_bytes();
    rig_transfer(&r.out, bytes, 0);
    loop_timer_start(&r.guard, RIG_GUARD_MS);
    while (!r.guarded && strstr(r.out.told, "sent ") == NULL) {
        CHECK(loop_run(r.loop) == 0); /* returns at each point */
        most = MAX(most, heap_bytes());
        if (r.in.octets >= paused_at + 16 * MIB) {
            x400_conn_pause(r.in.c, true);
            x400_conn_pause(r.in.c, false);
            paused_at = r.in.octets;
        }
        r.out.told[0] = strstr(r.out.told, "sent ") == NULL ? '\0' : r.out.told[0];
        r.in.told[0] = '\0';
    }
    CU_ASSERT_EQUAL(r.in.octets, bytes);
    CU_ASSERT_EQUAL(r.in.octets_wrong, 0);
    CU_ASSERT_TRUE(most - before < 2 * X400_CONN_BYTES_MAX); /* both ends are in this process */
    rig_stop(&r);
}

static void
a_paused_receiver_stops_the_sender(void)
{
    static struct x400_rig r;
    struct x400_options o;
    uint64_t sent;
    size_t before;

    rig_start(&r);
    o = rig_options(&r, PRESENTATION_NORMAL, 0);
    o.open.checkpoint = 0;
    rig_opened(&r, &o);
    before = heap_bytes();
    rig_transfer(&r.out, 64 * MIB, 0);
    CU_ASSERT_TRUE(rig_until(&r.in, "begin "));
    x400_conn_pause(r.in.c, true);
    do { /* until the kernel's buffers and ours are full: then nothing moves any more */
        sent = r.out.sent;
        loop_timer_start(&r.guard, 50);
        CHECK(loop_run(r.loop) == 0);
        r.guarded = false;
    } while (r.out.sent != sent);
    CU_ASSERT_TRUE(r.out.sent < 64 * MIB);
    CU_ASSERT_TRUE(heap_bytes() - before < 2 * X400_CONN_BYTES_MAX);
    x400_conn_pause(r.in.c, false);
    CU_ASSERT_TRUE(rig_until(&r.out, "sent "));
    CU_ASSERT_EQUAL(r.in.octets, 64 * MIB);
    CU_ASSERT_EQUAL(r.in.octets_wrong, 0);
    rig_stop(&r);
}

static void
the_turn_is_asked_for_and_given_and_asked_back_to_close(void)
{
    static struct x400_rig r;
    struct x400_options o;

    rig_start(&r);
    o = rig_options(&r, PRESENTATION_NORMAL, 0);
    o.open.dialogue = RTSE_TWA;
    rig_opened(&r, &o);
    x400_conn_please(r.in.c, 5);
    CU_ASSERT_TRUE(rig_until(&r.in, "turn "));
    CU_ASSERT_PTR_NOT_NULL(strstr(r.out.told, "please "));
    rig_transfer(&r.in, 5000, 0);
    CU_ASSERT_TRUE(rig_until(&r.in, "sent "));
    CU_ASSERT_EQUAL(r.out.octets, 5000);
    x400_conn_close(r.out.c); /* without the turn: it asks, gets it, releases */
    CU_ASSERT_TRUE(rig_until(&r.out, "ended "));
    CU_ASSERT_EQUAL(r.out.end.how, X400_CLOSED);
    CU_ASSERT_PTR_NOT_NULL(strstr(r.in.told, "please "));
    rig_stop(&r);
}

static void
a_broken_association_is_recovered_where_it_was(void)
{
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        static struct x400_rig r;
        struct x400_options o;
        struct rtse_recovery from, theirs;

        rig_start(&r);
        o = rig_options(&r, protocols[i].mode, protocols[i].protocol);
        o.open.checkpoint = 1;
        rig_opened(&r, &o);
        r.out.keeps = r.in.keeps = true;
        rig_transfer(&r.out, 10000, 4600);
        while (strstr(r.out.told, "confirmed confirmed confirmed confirmed ") == NULL) {
            CHECK(rig_until(&r.out, "confirmed "));
            CHECK(loop_run(r.loop) == 0);
        }
        x400_conn_cut(r.in.c, BH_ENOVIP); /* the receiver's address leaves: not a word more */
        CU_ASSERT_TRUE(rig_until(&r.in, "ended "));
        CU_ASSERT_EQUAL(r.in.end.how, X400_LOST);
        CU_ASSERT_EQUAL(r.in.end.status, BH_ENOVIP);
        CU_ASSERT_TRUE(r.in.end.broken);
        x400_conn_cut(r.out.c, -ECONNRESET); /* and the sender finds out, some day */
        CU_ASSERT_TRUE(rig_until(&r.out, "ended "));
        CU_ASSERT_TRUE(r.out.end.broken);
        CU_ASSERT_FALSE(r.out.end.in_doubt);
        x400_conn_recovery(r.out.c, &from);
        x400_conn_recovery(r.in.c, &theirs);
        CU_ASSERT_EQUAL(from.point, 4);
        CU_ASSERT_EQUAL(theirs.point, 4);
        CU_ASSERT_EQUAL(from.user_n, theirs.user_n);
        CU_ASSERT_EQUAL(memcmp(from.user, theirs.user, from.user_n), 0);
        x400_conn_free(r.in.c);
        x400_conn_free(r.out.c);
        r.in = (struct rig_end){ .rig = &r };
        r.out = (struct rig_end){ .rig = &r };
        o.recover = &from;
        rig_opened(&r, &o);
        CU_ASSERT_TRUE(r.in.open.recover);
        CU_ASSERT_STRING_EQUAL(r.in.user, "");
        r.out.send_bytes = 10000;
        r.out.sent = rtse_offset(&from);
        CU_ASSERT_EQUAL(x400_conn_resume(r.out.c, &from, 4096, X400_NORMAL), -EINVAL);
        CU_ASSERT_EQUAL(x400_conn_resume(r.out.c, &from, 10000, X400_NORMAL), 0);
        CU_ASSERT_TRUE(rig_until(&r.out, "sent "));
        CU_ASSERT_PTR_NOT_NULL(strstr(r.in.told, "resume "));
        CU_ASSERT_EQUAL(r.in.octets, 10000 - 4096);
        CU_ASSERT_EQUAL(r.in.octets_wrong, 0);
        rig_stop(&r);
    }
}

static void
a_refusal_names_its_layer_and_reason(void)
{
    static const struct {
        bool call;
        enum presentation_mode mode;
        enum osi_layer layer;
        unsigned reason;
        const char *user;
    } rows[] = {
        { true, PRESENTATION_NORMAL, OSI_TRANSPORT, TP0_REASON_ADDRESS, "" },
        { false, PRESENTATION_NORMAL, OSI_USER, 0, "\x02\x01\x02" },
        { false, PRESENTATION_X410, OSI_RTSE, RTSE_REFUSE_VALIDATION, "" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        static struct x400_rig r;
        struct x400_options o;

        rig_start(&r);
        o = rig_options(&r, rows[i].mode, 12);
        r.in.refuse_call = rows[i].call ? TP0_REASON_ADDRESS + 1 : 0;
        r.in.refuse_bind = !rows[i].call;
        rig_open(&r, &o);
        CU_ASSERT_TRUE(rig_until(&r.out, "ended "));
        CU_ASSERT_TRUE(rig_until(&r.in, "ended "));
        CU_ASSERT_EQUAL(r.out.end.how, X400_REFUSED);
        CU_ASSERT_EQUAL(r.out.end.layer, rows[i].layer);
        CU_ASSERT_EQUAL(r.out.end.reason, rows[i].reason);
        CU_ASSERT_STRING_EQUAL(r.out.user, rows[i].user);
        CU_ASSERT_EQUAL(r.in.end.how, X400_STOPPED);
        CU_ASSERT_FALSE(r.out.end.opened);
        rig_stop(&r);
    }
}

static void
one_address_after_another_is_tried(void)
{
    static struct x400_rig r;
    struct netaddr to[3];
    struct x400_options o;

    rig_start(&r);
    to[0] = to[1] = to[2] = r.to;
    CHECK(netaddr_parse(SLICE_LIT("127.0.0.3"), &to[0]) == 0);
    to[0].port = r.to.port; /* nobody listens there */
    r.out_times.connect_ms = 200;
    r.ignore = true; /* the second is deaf */
    o = rig_options(&r, PRESENTATION_NORMAL, 0);
    o.to = to;
    o.to_count = 3;
    rig_open(&r, &o);
    loop_timer_start(&r.guard, RIG_GUARD_MS);
    while (r.accepted == 0 && !r.guarded) {
        loop_timer_start(&r.guard, 5);
        CHECK(loop_run(r.loop) == 0);
        r.guarded = false;
    }
    r.ignore = false;
    x400_conn_set_times(r.out.c, &r.in_times); /* only the deaf one is short of time */
    CU_ASSERT_TRUE(rig_until(&r.out, "opened "));
    CU_ASSERT_EQUAL(r.accepted, 2);
    CU_ASSERT_EQUAL(r.out.ended, 0);
    rig_stop(&r);
    rig_start(&r);
    CHECK(netaddr_parse(SLICE_LIT("192.0.2.99"), &r.vip) == 0); /* not here */
    o = rig_options(&r, PRESENTATION_NORMAL, 0);
    rig_open(&r, &o);
    CU_ASSERT_TRUE(rig_until(&r.out, "ended "));
    CU_ASSERT_EQUAL(r.out.end.how, X400_UNREACHABLE);
    CU_ASSERT_EQUAL(r.out.end.layer, OSI_TCP);
    CU_ASSERT_EQUAL(r.out.end.status, BH_ENOVIP);
    CU_ASSERT_EQUAL(r.accepted, 0);
    rig_stop(&r);
}

/* ---- a peer that stalls: one short deadline, all others an hour */

enum stall {
    STALL_CALL,     /* no CC */
    STALL_CALLED,   /* no CR */
    STALL_CONNECT,  /* CR, then no CONNECT */
    STALL_OPEN,     /* no ACCEPT */
    STALL_CONFIRM,  /* no point confirmed, and no answer to the interrupt */
    STALL_END,      /* the end not confirmed: in doubt */
    STALL_OCTETS,   /* the sender stops */
    STALL_PLEASE,   /* nobody gives the turn */
    STALL_GIVE,     /* nobody takes the turn */
    STALL_RELEASE,  /* no answer to the release */
    STALL_IDLE_OUT, /* nothing to do: released */
    STALL_IDLE_IN,  /* and the initiator does not release */
    STALLS
};

static int
raw_client(const struct x400_rig *r, const char *octets, size_t n)
{
    struct sockaddr_storage sa;
    socklen_t len = netaddr_to_sockaddr(&r->to, &sa);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&sa, len) == 0);
    CHECK(n == 0 || send(fd, octets, n, 0) == (ssize_t)n);
    return fd;
}

static void
set_times(struct x400_rig *r, enum stall stall)
{
    r->out_times.connect_ms = stall == STALL_CALL ? RIG_SHORT_MS : RIG_LONG_MS;
    r->in_times.called_ms =
        stall == STALL_CALLED || stall == STALL_CONNECT ? RIG_SHORT_MS : RIG_LONG_MS;
    r->out_times.open_ms = stall == STALL_OPEN ? RIG_SHORT_MS : RIG_LONG_MS;
    if (stall == STALL_CONFIRM || stall == STALL_END) {
        r->out_times.confirm_ms = r->out_times.answer_ms = RIG_SHORT_MS;
    } else if (stall == STALL_OCTETS) {
        r->in_times.octets_ms = RIG_SHORT_MS;
        r->in_times.kib_ms[X400_NORMAL] = RIG_LONG_MS; /* it stops, and was not slow */
    } else if (stall == STALL_PLEASE) {
        r->in_times.answer_ms = RIG_SHORT_MS;
    } else if (stall == STALL_GIVE || stall == STALL_RELEASE) {
        r->out_times.answer_ms = RIG_SHORT_MS;
    } else if (stall == STALL_IDLE_OUT) {
        r->out_times.idle_ms = RIG_SHORT_MS;
    } else if (stall == STALL_IDLE_IN) {
        r->in_times.idle_ms = RIG_SHORT_MS;
    }
}

/* Until it stalls. The end that notices. */
static struct rig_end *
stall_at(struct x400_rig *r, enum stall stall, int *fd)
{
    static const char cr[] = "\x03\x00\x00\x0b\x06\xe0\x00\x00\x00\x01\x00";
    struct x400_options o;

    set_times(r, stall);
    o = rig_options(r, PRESENTATION_NORMAL, 0);
    o.open.dialogue = stall == STALL_PLEASE || stall == STALL_GIVE ? RTSE_TWA : RTSE_MONOLOGUE;
    r->ignore = stall == STALL_CALL;
    r->in.mute_offer = stall == STALL_OPEN;
    r->out.mute_please = stall == STALL_PLEASE;
    if (stall == STALL_CALLED || stall == STALL_CONNECT) {
        *fd = raw_client(r, cr, stall == STALL_CONNECT ? sizeof(cr) - 1 : 0);
        return &r->in;
    }
    rig_open(r, &o);
    if (stall <= STALL_OPEN) {
        return &r->out;
    }
    CU_ASSERT_TRUE(rig_until(&r->out, "opened "));
    if (stall != STALL_OCTETS && stall != STALL_PLEASE && stall < STALL_IDLE_OUT) {
        x400_conn_pause(r->in.c, true); /* deaf from here on */
    }
    if (stall == STALL_CONFIRM || stall == STALL_END || stall == STALL_OCTETS) {
        rig_transfer(&r->out, stall == STALL_END ? 20000 : 100000, 50000);
    }
    if (stall == STALL_PLEASE) {
        x400_conn_please(r->in.c, 1);
    } else if (stall == STALL_GIVE) {
        x400_conn_give(r->out.c);
    } else if (stall == STALL_RELEASE) {
        x400_conn_close(r->out.c);
    }
    return stall == STALL_OCTETS || stall == STALL_PLEASE || stall == STALL_IDLE_IN ? &r->in
                                                                                    : &r->out;
}

static void
a_peer_that_stalls_in_any_state_is_given_up(void)
{
    static const struct {
        enum x400_end_how how;
        bool broken, in_doubt;
        const char *part;
    } rows[STALLS] = {
        [STALL_CALL] = { X400_TIMED_OUT, false, false, "transport connect" },
        [STALL_CALLED] = { X400_TIMED_OUT, false, false, "ask for an association" },
        [STALL_CONNECT] = { X400_TIMED_OUT, false, false, "ask for an association" },
        [STALL_OPEN] = { X400_TIMED_OUT, false, false, "association request" },
        [STALL_CONFIRM] = { X400_TIMED_OUT, true, false, "did not answer" },
        [STALL_END] = { X400_TIMED_OUT, true, true, "did not answer" },
        [STALL_OCTETS] = { X400_TIMED_OUT, true, false, "middle of a transfer" },
        [STALL_PLEASE] = { X400_TIMED_OUT, false, false, "did not answer" },
        [STALL_GIVE] = { X400_TIMED_OUT, false, false, "did not answer" },
        [STALL_RELEASE] = { X400_TIMED_OUT, false, false, "did not answer" },
        [STALL_IDLE_OUT] = { X400_CLOSED, false, false, "released" },
        [STALL_IDLE_IN] = { X400_TIMED_OUT, false, false, "idle time" },
    };

    for (unsigned stall = 0; stall < STALLS; stall++) {
        static struct x400_rig r;
        struct rig_end *e;
        int fd = -1;

        rig_start(&r);
        e = stall_at(&r, (enum stall)stall, &fd);
        CU_ASSERT_TRUE(rig_until(e, "ended "));
        CU_ASSERT_EQUAL(e->end.how, rows[stall].how);
        CU_ASSERT_EQUAL(e->end.broken, rows[stall].broken);
        CU_ASSERT_EQUAL(e->end.in_doubt, rows[stall].in_doubt);
        CU_ASSERT_PTR_NOT_NULL(strstr(e->end.text, rows[stall].part));
        CU_ASSERT_EQUAL(e->ended, 1);
        if (fd >= 0) {
            close(fd);
        }
        rig_stop(&r);
    }
}

/* Whoever is about to use it says so, and is asked again. */
static void
an_association_is_released_when_its_user_has_no_use_for_it(void)
{
    static struct x400_rig r;
    struct x400_options o;

    rig_start(&r);
    set_times(&r, STALL_IDLE_OUT);
    o = rig_options(&r, PRESENTATION_NORMAL, 0);
    r.out.stays = 2;
    rig_open(&r, &o);
    CU_ASSERT_TRUE(rig_until(&r.out, "ended "));
    CU_ASSERT_EQUAL(r.out.stays, 0);
    CU_ASSERT_EQUAL(r.out.end.how, X400_CLOSED);
    rig_stop(&r);
}

struct drip {
    struct rig_end *from;
    struct loop_timer timer;
};

static void
on_drip(void *ctx)
{
    struct drip *d = ctx;

    if (d->from->c != NULL) {
        d->from->stops_at += 100;
        rig_on_room(d->from);
    }
    loop_timer_start(&d->timer, 2);
}

/* Each piece comes well before its own deadline. */
static void
a_peer_that_drips_is_given_up(void)
{
    static struct x400_rig r;
    struct drip d = { .from = &r.out };
    struct x400_options o;

    rig_start(&r);
    set_times(&r, STALLS);
    r.in_times.octets_ms = 10 * RIG_SHORT_MS;
    o = rig_options(&r, PRESENTATION_NORMAL, 0);
    rig_open(&r, &o);
    CU_ASSERT_TRUE(rig_until(&r.out, "opened "));
    rig_transfer(&r.out, 10 * MIB, 50000);
    loop_timer_init(r.loop, &d.timer, on_drip, &d);
    loop_timer_start(&d.timer, 2);
    CU_ASSERT_TRUE(rig_until(&r.in, "ended "));
    CU_ASSERT_EQUAL(r.in.end.how, X400_TIMED_OUT);
    CU_ASSERT_TRUE(r.in.end.broken);
    loop_timer_stop(&d.timer);
    rig_stop(&r);
}

/* The deadline rests. */
static void
waits_for_us(const struct x400_conn *c)
{
    struct x400_view v;

    x400_conn_view(c, &v);
    CU_ASSERT_EQUAL(v.waits_ms, UINT64_MAX);
    CU_ASSERT_STRING_EQUAL(v.waits_for, "nothing");
}

static void
an_answer_of_ours_that_takes_its_time_is_no_stall(void)
{
    static struct x400_rig r;
    struct x400_options o;

    rig_start(&r);
    r.in.mute_call = r.in.mute_offer = r.in.holds = true;
    o = rig_options(&r, PRESENTATION_NORMAL, 0);
    o.open.checkpoint = 1;
    rig_open(&r, &o);
    CU_ASSERT_TRUE(rig_until(&r.in, "called "));
    waits_for_us(r.in.c);
    x400_conn_answer(r.in.c, 2048);
    CU_ASSERT_TRUE(rig_until(&r.in, "offer "));
    waits_for_us(r.in.c);
    x400_conn_accept(
        r.in.c, &(struct rtse_open){ .checkpoint = 1, .window = 3, .user = SLICE_LIT("\x05\x00") });
    CU_ASSERT_TRUE(rig_until(&r.out, "opened "));
    rig_transfer(&r.out, 3500, 0);
    CU_ASSERT_TRUE(rig_until(&r.in, "point point point "));
    waits_for_us(r.in.c); /* the window is full: nothing can come */
    x400_conn_secured(r.in.c, 1, 3);
    CU_ASSERT_TRUE(rig_until(&r.in, "end "));
    waits_for_us(r.in.c);
    x400_conn_secured(r.in.c, 1, 4);
    CU_ASSERT_TRUE(rig_until(&r.out, "sent "));
    x400_conn_pause(r.in.c, true);
    CU_ASSERT_TRUE(rig_until(&r.out, "sent "));
    rig_stop(&r);
}

static unsigned
open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    CHECK(d != NULL);
    while (readdir(d) != NULL) {
        n++;
    }
    closedir(d);
    return n;
}

static void
thousands_of_failed_binds_leave_nothing_behind(void)
{
    static struct x400_rig r;
    struct x400_options o;
    unsigned descriptors = 0;
    size_t heap = 0;

    rig_start(&r);
    o = rig_options(&r, PRESENTATION_NORMAL, 0);
    for (unsigned i = 0; i < 3000; i++) {
        r.in.refuse_bind = i % 3 == 0;
        r.in.refuse_call = i % 3 == 1 ? 4 : 0;
        r.in.free_at = i % 3 == 2 ? "offer " : NULL;
        r.in.told[0] = r.out.told[0] = '\0';
        rig_open(&r, &o);
        CHECK(rig_until(&r.out, "ended "));
        CHECK(r.in.c == NULL || rig_until(&r.in, "ended "));
        if (i == 300) { /* what is kept for reuse is there by now */
            descriptors = open_descriptors();
            heap = heap_bytes();
        }
    }
    CU_ASSERT_EQUAL(x400_net_count(r.net), 0);
    CU_ASSERT_TRUE(open_descriptors() <= descriptors + 2); /* those that linger */
    CU_ASSERT_TRUE(heap_bytes() < heap + 64 * 1024);
    rig_stop(&r);
}

static uint64_t
xorshift(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Some octets changed, and now and then the end cut off. */
static struct slice
mutate(struct slice from, char *out, uint64_t *state)
{
    size_t n = xorshift(state) % 4 == 0 ? 1 + xorshift(state) % from.n : from.n;

    memcpy(out, from.p, n);
    for (uint64_t i = 1 + xorshift(state) % 6; i > 0; i--) {
        out[xorshift(state) % n] = (char)xorshift(state);
    }
    return (struct slice){ out, n };
}

/* Conversations of others with octets changed, to both sides; more than 2,000 of each with
 * BRIDGEHEAD_MUTATIONS. */
static void
mutated_associations_leave_nothing_behind(void)
{
    static struct x400_rig r;
    struct slice asks = octets_of_file(__FILE__, "tests/data/x400/p1-python.initiator");
    struct slice answers = octets_of_file(__FILE__, "tests/data/x400/p1-pp.responder");
    const char *wanted = getenv("BRIDGEHEAD_MUTATIONS");
    uint64_t count = 2000, state = 88172645463325252u;
    struct x400_options o;
    unsigned descriptors = 0, opened = 0;
    size_t heap = 0;
    char octets[4096];

    CHECK(wanted == NULL || slice_u64(slice_of(wanted), UINT32_MAX, &count) == 0);
    CHECK(asks.n <= sizeof(octets) && answers.n <= sizeof(octets));
    rig_start(&r);
    o = rig_options(&r, PRESENTATION_NORMAL, 0);
    for (uint64_t i = 0; i < count; i++) {
        struct slice bytes = mutate(asks, octets, &state);
        int fd = raw_client(&r, bytes.p, bytes.n);

        close(fd);
        r.in.told[0] = r.out.told[0] = '\0';
        r.ignore = false;
        CHECK(rig_until(&r.in, "ended "));
        opened += strstr(r.in.told, "offer ") != NULL;
        r.reply = mutate(answers, octets, &state);
        r.ignore = true;
        rig_open(&r, &o);
        CHECK(rig_until(&r.out, "ended "));
        opened += strstr(r.out.told, "opened ") != NULL;
        if (r.ignored_count > 0) {
            close(r.ignored[--r.ignored_count]);
        }
        if (i == count / 10) {
            descriptors = open_descriptors();
            heap = heap_bytes();
        }
    }
    CU_ASSERT_TRUE(opened > count / 10 && opened < 2 * count);
    CU_ASSERT_EQUAL(x400_net_count(r.net), 0);
    CU_ASSERT_TRUE(open_descriptors() <= descriptors + 2);
    CU_ASSERT_TRUE(heap_bytes() < heap + 64 * 1024);
    free((void *)(uintptr_t)asks.p);
    free((void *)(uintptr_t)answers.p);
    rig_stop(&r);
}

/* In any callback; the other side hears of it. */
static void
an_association_may_be_freed_in_any_callback(void)
{
    static const char *const words[] = { "called ", "offer ", "opened ", "begin ", "point ", "end ",
        "confirmed ", "sent ", "room ", "ended " };

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        static struct x400_rig r;
        struct x400_options o;
        bool in = i < 2 || (i > 2 && i < 6);
        struct rig_end *e = in ? &r.in : &r.out;

        rig_start(&r);
        o = rig_options(&r, PRESENTATION_NORMAL, 0);
        o.open.checkpoint = 1;
        e->free_at = words[i];
        rig_open(&r, &o);
        while ((e->told[0] == '\0' || e->c != NULL) && !r.guarded) {
            loop_timer_start(&r.guard, RIG_GUARD_MS);
            CHECK(loop_run(r.loop) == 0);
            if (r.out.c != NULL && strstr(r.out.told, "opened ") != NULL) {
                rig_transfer(&r.out, 3000, 0);
            } else if (r.out.c != NULL && strstr(r.out.told, "sent ") != NULL) {
                x400_conn_close(r.out.c);
            }
        }
        CU_ASSERT_PTR_NULL(e->c);
        rig_stop(&r);
    }
}

static void
nothing_is_done_and_nothing_breaks_once_it_is_over(void)
{
    static struct x400_rig r;
    struct x400_options o;

    rig_start(&r);
    o = rig_options(&r, PRESENTATION_NORMAL, 0);
    rig_opened(&r, &o);
    rig_transfer(&r.out, 100000, 40000);
    r.out.keeps = true;
    CU_ASSERT_TRUE(rig_until(&r.in, "point "));
    x400_conn_abort(r.out.c, RTSE_ABORT_TEMPORARY);
    x400_conn_abort(r.out.c, RTSE_ABORT_TEMPORARY);
    for (unsigned i = 0; i < 2; i++) { /* before on_end, and after */
        CU_ASSERT_EQUAL(r.out.ended, i);
        CU_ASSERT_EQUAL(x400_conn_room(r.out.c), 0);
        CU_ASSERT_FALSE(x400_conn_is_open(r.out.c));
        x400_conn_write(r.out.c, SLICE_LIT("some"));
        x400_conn_transfer(r.out.c, 5, X400_URGENT);
        x400_conn_stop(r.out.c, true);
        x400_conn_secured(r.out.c, 1, 1);
        x400_conn_report(r.out.c, 1, SESSION_REASON_LOCAL);
        x400_conn_pause(r.out.c, true);
        x400_conn_please(r.out.c, 1);
        x400_conn_give(r.out.c);
        x400_conn_close(r.out.c);
        x400_conn_cut(r.out.c, -EIO);
        CU_ASSERT_TRUE(rig_until(&r.out, "ended "));
    }
    CU_ASSERT_EQUAL(r.out.ended, 1);
    CU_ASSERT_EQUAL(r.out.end.how, X400_STOPPED);
    CU_ASSERT_TRUE(rig_until(&r.in, "ended "));
    CU_ASSERT_EQUAL(r.in.end.how, X400_ABORTED);
    CU_ASSERT_EQUAL(r.in.end.layer, OSI_RTSE);
    CU_ASSERT_EQUAL(r.in.end.reason, RTSE_ABORT_TEMPORARY);
    CU_ASSERT_TRUE(r.in.end.broken);
    rig_stop(&r);
}

TEST_MAIN("x400_conn", TEST(three_protocols_bind_transfer_and_unbind),
    TEST(a_transfer_of_any_size_takes_bounded_memory), TEST(a_paused_receiver_stops_the_sender),
    TEST(the_turn_is_asked_for_and_given_and_asked_back_to_close),
    TEST(a_broken_association_is_recovered_where_it_was),
    TEST(a_refusal_names_its_layer_and_reason), TEST(one_address_after_another_is_tried),
    TEST(a_peer_that_stalls_in_any_state_is_given_up),
    TEST(an_association_is_released_when_its_user_has_no_use_for_it),
    TEST(a_peer_that_drips_is_given_up), TEST(an_answer_of_ours_that_takes_its_time_is_no_stall),
    TEST(thousands_of_failed_binds_leave_nothing_behind),
    TEST(mutated_associations_leave_nothing_behind),
    TEST(an_association_may_be_freed_in_any_callback),
    TEST(nothing_is_done_and_nothing_breaks_once_it_is_over))
