/* What a trace says of conversations of others, and of two shells. tests/integration/76 has tshark
 * read its pcap file. */
#include "x400/x400_trace.h"

#include "octets.h"
#include "x400_rig.h"

struct sink {
    struct x400_trace_sink s;
    struct buf lines, pcap;
    char label[64];
};

static void
on_line(void *ctx, const char *label, uint64_t wall_ms, const char *line)
{
    struct sink *s = ctx;

    CHECK(wall_ms > 0 && strlen(line) < X400_TRACE_LINE_CAP);
    (void)!slice_copy(slice_of(label), s->label, sizeof(s->label));
    CHECK(buf_append(&s->lines, slice_of(line)) == 0);
    CHECK(buf_append(&s->lines, SLICE_LIT("\n")) == 0);
}

static void
on_pcap(void *ctx, struct slice record)
{
    struct sink *s = ctx;

    CHECK(buf_append(&s->pcap, record) == 0);
}

static void
sink_init(struct sink *s)
{
    *s = (struct sink){ .s = { on_line, on_pcap, s } };
    buf_init(&s->lines, 4 << 20);
    buf_init(&s->pcap, 4 << 20);
}

static void
sink_fini(struct sink *s)
{
    buf_fini(&s->lines);
    buf_fini(&s->pcap);
}

static struct x400_trace *
new_trace(const struct sink *s)
{
    struct netaddr local, remote;
    struct x400_trace *t;

    CHECK(netaddr_parse_port(SLICE_LIT("[192.0.2.10]:102"), 0, &local) == 0);
    CHECK(netaddr_parse_port(SLICE_LIT("[198.51.100.7]:40000"), 0, &remote) == 0);
    CHECK(x400_trace_new(&t, &s->s, "paris", &local, &remote) == 0);
    return t;
}

static bool
says(struct sink *s, const char *line)
{
    struct slice rest = buf_slice(&s->lines), one;

    while (slice_next(&rest, '\n', &one)) {
        if (slice_eq(one, slice_of(line))) {
            return true;
        }
    }
    printf("not said: %s\nsaid:\n%.*s", line, SLICE_FMT(buf_slice(&s->lines)));
    return false;
}

#define PAIR(dir) "[192.0.2.10]:102 " dir " [198.51.100.7]:40000 "

static void
a_captured_conversation_is_told_line_by_line_at_every_cut(void)
{
    static const char *const lines[] = {
        PAIR("<") "CR class 0 called \"x400\" size 2048",
        PAIR("<") "CONNECT version 2; CP normal contexts 1=acse 3=rtse 5=mts; AARQ; RTORQ "
                  "checkpoint 1 window 3 monologue; bind MTA1",
        PAIR("<") "ACTIVITY START 1",
        PAIR("<") "DATA 711 octets; RTTR; message MSG-1795216724-0",
        PAIR("<") "ACTIVITY END 1",
        PAIR("<") "FINISH; RLRQ",
    };
    struct slice file = octets_of_file(__FILE__, "tests/data/x400/p1-python.initiator");
    struct sink first;

    sink_init(&first);
    for (size_t cut = 0; cut <= file.n; cut++) {
        struct x400_trace *t;
        struct sink s;

        sink_init(&s);
        t = new_trace(&s);
        x400_trace_octets(t, false, slice_sub(file, 0, cut), 1000);
        x400_trace_octets(t, false, slice_skip(file, cut), 1000);
        x400_trace_free(t);
        CU_ASSERT_STRING_EQUAL(s.label, "paris");
        if (cut == 0) {
            CHECK(buf_append(&first.lines, buf_slice(&s.lines)) == 0);
        }
        CU_ASSERT_TRUE(slice_eq(buf_slice(&s.lines), buf_slice(&first.lines)));
        sink_fini(&s);
    }
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        CU_ASSERT_TRUE(says(&first, lines[i]));
    }
    sink_fini(&first);
    free((void *)(uintptr_t)file.p);
}

static void
nonsense_is_said_to_be_nonsense(void)
{
    struct slice file = octets_of_file(__FILE__, "tests/data/x400/rtse-echo.initiator");
    char *p = (char *)(uintptr_t)file.p;

    for (size_t at = 0; at < file.n; at++) {
        struct x400_trace *t;
        struct sink s;

        sink_init(&s);
        t = new_trace(&s);
        p[at] = (char)~p[at];
        x400_trace_octets(t, false, file, 1000);
        p[at] = (char)~p[at];
        x400_trace_free(t);
        CU_ASSERT_TRUE(at == 2 || buf_len(&s.lines) > 0); /* 2: the first length, now too large */
        sink_fini(&s);
    }
    free(p);
}

static void
two_shells_are_traced_from_the_beginning_or_from_the_middle(void)
{
    static struct x400_rig r;
    struct x400_options o;
    struct sink s;

    for (unsigned late = 0; late < 2; late++) {
        sink_init(&s);
        rig_start(&r);
        if (!late) {
            x400_net_trace(r.net, &s.s);
        }
        o = rig_options(&r, PRESENTATION_NORMAL, 0);
        o.open.checkpoint = 1;
        rig_opened(&r, &o);
        if (late) {
            x400_net_trace(r.net, &s.s);
        }
        rig_transfer(&r.out, 2500, 0);
        CU_ASSERT_TRUE(rig_until(&r.out, "sent "));
        x400_conn_close(r.out.c);
        CU_ASSERT_TRUE(rig_until(&r.out, "ended "));
        CU_ASSERT_TRUE(rig_until(&r.in, "ended "));
        CHECK(buf_append(&s.lines, (struct slice){ "", 1 }) == 0);
        CU_ASSERT_EQUAL(strstr(s.lines.base, "CONNECT version 1+2") != NULL, !late);
        CU_ASSERT_EQUAL(strstr(s.lines.base,
                            "; CP normal contexts 1=acse 3=rtse 5=mts; AARQ; RTORQ checkpoint 1 "
                            "window 3 monologue") != NULL,
            !late);
        CU_ASSERT_PTR_NOT_NULL(strstr(s.lines.base, "ACTIVITY START 1\n"));
        CU_ASSERT_PTR_NOT_NULL(strstr(s.lines.base, " > "));
        CU_ASSERT_PTR_NOT_NULL(strstr(s.lines.base, " < "));
        CU_ASSERT_PTR_NOT_NULL(strstr(s.lines.base, "MINOR SYNC POINT 2\n"));
        CU_ASSERT_PTR_NOT_NULL(strstr(s.lines.base, "MINOR SYNC ACK 1\n"));
        CU_ASSERT_PTR_NOT_NULL(strstr(s.lines.base, "ACTIVITY END 3\n"));
        CU_ASSERT_PTR_NOT_NULL(strstr(s.lines.base, "ACTIVITY END ACK 3\n"));
        CU_ASSERT_PTR_NOT_NULL(strstr(s.lines.base, "FINISH; RLRQ\n"));
        CU_ASSERT_PTR_NOT_NULL(strstr(s.lines.base, "DISCONNECT; RLRE\n"));
        CU_ASSERT_PTR_NOT_NULL(strstr(s.lines.base, "closed\n"));
        CU_ASSERT_PTR_NULL(strstr(s.lines.base, "no SPDU"));
        CU_ASSERT_TRUE(buf_len(&s.pcap) > 2 * 2500);
        x400_net_trace(r.net, NULL);
        rig_stop(&r);
        sink_fini(&s);
    }
}

TEST_MAIN("x400_trace", TEST(a_captured_conversation_is_told_line_by_line_at_every_cut),
    TEST(nonsense_is_said_to_be_nonsense),
    TEST(two_shells_are_traced_from_the_beginning_or_from_the_middle))
