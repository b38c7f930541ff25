#include "x400/x400_ping.h"

#include "x400_rig.h"

struct pinged {
    struct loop *loop;
    unsigned calls;
    bool ok, has_bind;
    enum x400_end_how how;
    char name[64];
    unsigned error;
    struct buf text;
};

static void
on_pinged(void *ctx, const struct x400_ping_result *r)
{
    struct pinged *p = ctx;

    p->calls++;
    p->ok = r->ok;
    p->how = r->end.how;
    p->has_bind = r->has_bind;
    p->error = r->bind.error;
    (void)!slice_copy(slice_sub(r->bind.mta_name, 0, 63), p->name, sizeof(p->name));
    CU_ASSERT_EQUAL(x400_ping_text(r, &p->text), 0);
    CU_ASSERT_EQUAL(buf_append(&p->text, (struct slice){ "", 1 }), 0); /* terminated */
    loop_stop(p->loop);
}

/* The responder of the rig answers a bind with this, in normal mode. */
static void
on_offer(void *ctx, const struct rtse_open *offer)
{
    struct rig_end *e = ctx;
    struct p1_bind bind = { .kind = P1_BIND_RESULT,
        .authenticated = true,
        .mta_name = SLICE_LIT("PARIS"),
        .password = SLICE_LIT("secret") };
    struct buf value;

    (void)offer;
    buf_init(&value, 256);
    if (e->refuse_bind) {
        bind = (struct p1_bind){ .kind = P1_BIND_REFUSAL, .error = P1_BIND_AUTHENTICATION };
        CHECK(p1_bind_write(&value, P1_1988_NORMAL, &bind) == 0);
        x400_conn_refuse(e->c, RTSE_REFUSE_VALIDATION, buf_slice(&value));
    } else {
        CHECK(p1_bind_write(&value, P1_1988_NORMAL, &bind) == 0);
        x400_conn_accept(
            e->c, &(struct rtse_open){ .checkpoint = 5, .window = 2, .user = buf_slice(&value) });
    }
    buf_fini(&value);
}

static const struct x400_conn_user answers = { rig_on_called, on_offer, NULL, rig_on_rtse, NULL,
    rig_on_end, NULL };

static void
on_accept(void *ctx, int fd, const struct netaddr *peer)
{
    struct x400_rig *r = ctx;

    (void)peer;
    CHECK(x400_conn_adopt(&r->in.c, r->net, fd, &r->in_times, &answers, &r->in) == 0);
}

static void
ping(struct x400_rig *r, struct pinged *p)
{
    struct x400_options o = rig_options(r, PRESENTATION_NORMAL, 0);
    struct x400_ping *ping;

    *p = (struct pinged){ .loop = r->loop };
    buf_init(&p->text, 4096);
    CU_ASSERT_EQUAL(x400_ping_start(&ping, r->net, &o, P1_1988_NORMAL, on_pinged, p), 0);
    CU_ASSERT_EQUAL(p->calls, 0);
    loop_timer_start(&r->guard, RIG_GUARD_MS);
    while (p->calls == 0 && !r->guarded) {
        CHECK(loop_run(r->loop) == 0);
    }
    loop_timer_stop(&r->guard);
}

static void
rig_start_answering(struct x400_rig *r)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof(sa);
    int fd;

    rig_start(r);
    listener_free(r->listener, true);
    r->to.port = 0;
    CHECK(listener_open(&r->to, &fd) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&sa, &n) == 0);
    CHECK(netaddr_from_sockaddr((struct sockaddr *)&sa, &r->to) == 0);
    CHECK(listener_start(&r->listener, r->loop, fd, on_accept, r) == 0);
}

static void
a_ping_tells_what_each_layer_negotiated(void)
{
    static struct x400_rig r;
    struct pinged p;
    const char *text;

    rig_start_answering(&r);
    ping(&r, &p);
    text = buf_slice(&p.text).p;
    CU_ASSERT_EQUAL(p.calls, 1);
    CU_ASSERT_TRUE(p.ok && p.has_bind);
    CU_ASSERT_STRING_EQUAL(p.name, "PARIS");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "[127.0.0.2]:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "TPDU size 2048\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "version 2\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "normal mode\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "checkpoint 5 KiB, window 2, monologue\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "PARIS\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "released after "));
    CU_ASSERT_PTR_NULL(strstr(text, "secret"));
    buf_fini(&p.text);
    rig_stop(&r);
}

static void
a_refused_ping_names_the_layer_and_the_reason(void)
{
    for (unsigned i = 0; i < 3; i++) {
        static const char *const parts[] = { ("refused by the peer's bind layer: the peer refuses "
                                              "the bind: authentication error; it compares "
                                              "local.mta and local.password_file"),
            "refused by the peer's transport layer: no such TSAP: ", "failed in our tcp layer: " };
        static struct x400_rig r;
        struct pinged p;

        rig_start_answering(&r);
        r.in.refuse_bind = i == 0;
        r.in.refuse_call = i == 1 ? TP0_REASON_ADDRESS + 1 : 0;
        r.to.port = i == 2 ? 1 : r.to.port;
        ping(&r, &p);
        CU_ASSERT_FALSE(p.ok);
        CU_ASSERT_EQUAL(p.has_bind, i == 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(buf_slice(&p.text).p, parts[i]));
        buf_fini(&p.text);
        rig_stop(&r);
    }
}

/* In X.410 mode a refusal is a number, and means as much. */
static void
a_refusal_by_number_names_the_settings_too(void)
{
    static const struct {
        unsigned reason;
        const char *part;
    } rows[] = { { RTSE_REFUSE_BUSY, "busy" },
        { RTSE_REFUSE_CANNOT_RECOVER, "as the stack has it" },
        { RTSE_REFUSE_VALIDATION, "local.mta and local.password_file, and perhaps mode" },
        { RTSE_REFUSE_DIALOGUE, "rtse.dialogue" }, { 9, "as the stack has it" } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct x400_ping_result r = { .end = { .how = X400_REFUSED,
                                          .layer = OSI_RTSE,
                                          .reason = rows[i].reason,
                                          .text = "as the stack has it" } };
        struct buf text;

        buf_init(&text, 4096);
        CU_ASSERT_EQUAL(x400_ping_text(&r, &text), 0);
        CU_ASSERT_EQUAL(buf_append(&text, (struct slice){ "", 1 }), 0); /* terminated */
        CU_ASSERT_PTR_NOT_NULL(strstr(buf_slice(&text).p, rows[i].part));
        buf_fini(&text);
    }
}

static void
a_cancelled_ping_calls_nobody(void)
{
    static struct x400_rig r;
    struct x400_options o;
    struct x400_ping *ping;
    struct pinged p = { .calls = 0 };

    rig_start_answering(&r);
    o = rig_options(&r, PRESENTATION_NORMAL, 0);
    p.loop = r.loop;
    CU_ASSERT_EQUAL(x400_ping_start(&ping, r.net, &o, P1_1988_NORMAL, on_pinged, &p), 0);
    CU_ASSERT_TRUE(rig_until(&r.in, "called "));
    x400_ping_cancel(ping);
    CU_ASSERT_TRUE(rig_until(&r.in, "ended "));
    CU_ASSERT_EQUAL(p.calls, 0);
    rig_stop(&r);
}

TEST_MAIN("x400_ping", TEST(a_ping_tells_what_each_layer_negotiated),
    TEST(a_refused_ping_names_the_layer_and_the_reason),
    TEST(a_refusal_by_number_names_the_settings_too), TEST(a_cancelled_ping_calls_nobody))
