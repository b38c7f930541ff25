/* links: net */
/* driver.c - egress at work, for run.sh to capture.
 *
 *   driver sink ADDRESS        accept on port 2525 and read all; port 2526 is a black hole
 *   driver send VIP ADDRESS    keep connections to 2525 busy and one attempt to 2526 under way, all
 *                              from VIP; what happens is said on stdout, a word a line:
 *                                flowing   every connection is up, the attempt under way
 *                                silent    none is, and a new one is refused with BH_ENOVIP
 */
#include "net/egress.h"
#include "net/listener.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define PORT       2525
#define BLACK_HOLE 2526
#define FLOWS      4
#define RETRY_MS   5

static struct loop *loop;

static struct netaddr
address(const char *text, uint16_t port)
{
    struct netaddr a;

    if (netaddr_parse(slice_of(text), &a) < 0) {
        fprintf(stderr, "driver: %s is no address\n", text);
        exit(2);
    }
    a.port = port;
    return a;
}

static void
must(int rc, const char *what)
{
    if (rc < 0) {
        fprintf(stderr, "driver: %s: %s\n", what, error_text(rc));
        exit(1);
    }
}

static void
say(const char *word)
{
    printf("%s\n", word);
    fflush(stdout);
}

/* ---- sink */

struct drain {
    struct conn *conn;
};

static void
drain_on_bytes(void *ctx, struct slice bytes)
{
    (void)ctx;
    (void)bytes;
}

static void
drain_on_end(void *ctx, int status)
{
    struct drain *d = ctx;

    (void)status;
    conn_close(d->conn, 0);
    free(d);
}

static const struct conn_user drain_user = { drain_on_bytes, NULL, drain_on_end };

static void
on_accept(void *ctx, int fd, const struct netaddr *peer)
{
    struct drain *d = calloc(1, sizeof(*d));

    (void)ctx;
    (void)peer;
    must(d == NULL ? -ENOMEM : conn_new(&d->conn, loop, fd, &drain_user, d), "conn");
    conn_set_reading(d->conn, true);
}

/* A backlog of one that nobody empties, filled from this host: later SYNs get no answer. */
static void
black_hole(const char *text)
{
    struct netaddr at = address(text, BLACK_HOLE);
    struct sockaddr_storage sa;
    socklen_t n = netaddr_to_sockaddr(&at, &sa);
    int fd;

    must(listener_open(&at, &fd), "listen");
    must(listen(fd, 0), "listen");
    for (int i = 0; i < 4; i++) {
        int client = socket(at.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        (void)connect(client, (struct sockaddr *)&sa, n); /* stays open */
    }
}

static int
sink(const char *text)
{
    struct netaddr at = address(text, PORT);
    struct listener *listener;
    int fd;

    black_hole(text);
    must(listener_open(&at, &fd), "listen");
    must(listener_start(&listener, loop, fd, on_accept, NULL), "listen");
    say("ready");
    return loop_run(loop);
}

/* ---- send */

static struct sender {
    struct egress *egress;
    struct netaddr vip;
    unsigned flowing, attempting, refused;
    const char *said;
} sender;

struct flow {
    struct netaddr to;
    struct conn *conn;
    struct egress_attempt *attempt;
    struct loop_timer again;
};

static char noise[32 * 1024];

static void
judge(void)
{
    const char *word = NULL;

    if (sender.flowing == FLOWS && sender.attempting == 1) {
        word = "flowing";
    } else if (sender.refused == FLOWS + 1) {
        word = "silent";
    }
    if (word != NULL && word != sender.said) {
        sender.said = word;
        say(word);
    }
}

static void
flow_retry(struct flow *f)
{
    loop_timer_start(&f->again, RETRY_MS);
}

static void
on_bytes(void *ctx, struct slice bytes)
{
    (void)ctx;
    (void)bytes;
}

static void
on_drained(void *ctx)
{
    struct flow *f = ctx;

    conn_send(f->conn, (struct slice){ noise, sizeof(noise) });
}

static void
on_end(void *ctx, int status)
{
    struct flow *f = ctx;

    if (status != BH_ENOVIP) {
        fprintf(stderr, "driver: ended: %s\n", error_text(status));
    }
    conn_close(f->conn, 0);
    f->conn = NULL;
    sender.flowing--;
    flow_retry(f);
}

static const struct conn_user flow_user = { on_bytes, on_drained, on_end };

static void
on_attempt(void *ctx, int status, struct conn *c)
{
    struct flow *f = ctx;

    sender.attempting -= f->to.port == BLACK_HOLE;
    f->attempt = NULL;
    if (status < 0) {
        flow_retry(f);
        return;
    }
    f->conn = c;
    sender.flowing++;
    conn_set_reading(c, true);
    on_drained(f);
    judge();
}

static void
flow_begin(void *ctx)
{
    struct flow *f = ctx;
    int rc = egress_connect(
        &f->attempt, sender.egress, &sender.vip, 1, &f->to, 600000, &flow_user, f, on_attempt, f);

    if (rc == 0) {
        sender.refused = 0;
        sender.attempting += f->to.port == BLACK_HOLE;
    } else {
        sender.refused += rc == BH_ENOVIP && sender.refused <= FLOWS;
        flow_retry(f);
    }
    judge();
}

static void
on_vip_change(void *ctx, const struct netaddr *vip, enum vip_state state)
{
    (void)ctx;
    (void)vip;
    (void)state;
    sender.refused = 0; /* counted anew from here */
}

static int
send_from(const char *vip, const char *to)
{
    static struct flow flows[FLOWS + 1];
    struct vip_watch *watch;

    sender.vip = address(vip, 0);
    must(vip_watch_new(&watch, loop, &sender.vip, 1, on_vip_change, NULL), "vip_watch");
    must(egress_new(&sender.egress, loop, watch), "egress");
    for (int i = 0; i <= FLOWS; i++) {
        flows[i].to = address(to, i < FLOWS ? PORT : BLACK_HOLE);
        loop_timer_init(loop, &flows[i].again, flow_begin, &flows[i]);
        flow_begin(&flows[i]);
    }
    return loop_run(loop);
}

int
main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    must(loop_new(&loop), "loop");
    if (argc == 3 && strcmp(argv[1], "sink") == 0) {
        return sink(argv[2]);
    }
    if (argc == 4 && strcmp(argv[1], "send") == 0) {
        return send_from(argv[2], argv[3]);
    }
    fprintf(stderr, "usage: driver sink ADDRESS | send VIP ADDRESS\n");
    return 2;
}
