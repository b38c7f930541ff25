/* smtp_out.c - SMTP and LMTP as a transport: options and the list of sessions. */
#include "smtp/smtp_out_session.h"

#include <stdlib.h>

/* RFC 5321 section 4.5.3.2, for options left at 0. */
enum {
    CONNECT_MS = 30 * 1000,
    GREETING_MS = 5 * 60 * 1000,
    COMMAND_MS = 5 * 60 * 1000,
    DATA_INIT_MS = 2 * 60 * 1000,
    DATA_BLOCK_MS = 3 * 60 * 1000,
    DATA_DONE_MS = 10 * 60 * 1000
};
#define PORT_SMTP 25
#define PORT_LMTP 24

/* ---- options */

static void
set_defaults(struct smtp_out_options *o)
{
    o->port = o->port != 0 ? o->port : o->lmtp ? PORT_LMTP : PORT_SMTP;
    o->connect_ms = o->connect_ms != 0 ? o->connect_ms : CONNECT_MS;
    o->greeting_ms = o->greeting_ms != 0 ? o->greeting_ms : GREETING_MS;
    o->command_ms = o->command_ms != 0 ? o->command_ms : COMMAND_MS;
    o->data_init_ms = o->data_init_ms != 0 ? o->data_init_ms : DATA_INIT_MS;
    o->data_block_ms = o->data_block_ms != 0 ? o->data_block_ms : DATA_BLOCK_MS;
    o->data_done_ms = o->data_done_ms != 0 ? o->data_done_ms : DATA_DONE_MS;
}

static void *
copy_array(const void *from, size_t bytes)
{
    void *to = malloc(MAX(bytes, (size_t)1));

    if (to != NULL && bytes > 0) {
        memcpy(to, from, bytes);
    }
    return to;
}

static void
conf_free(struct smtp_out_conf *conf)
{
    struct smtp_out_hop *hops = (struct smtp_out_hop *)(uintptr_t)conf->o.hops;

    for (size_t i = 0; hops != NULL && i < conf->o.hop_count; i++) {
        free((char *)(uintptr_t)hops[i].name.p);
    }
    free(hops);
    free((void *)(uintptr_t)conf->o.sources);
    free((void *)(uintptr_t)conf->o.vips);
    free((char *)(uintptr_t)conf->o.connector);
    free((char *)(uintptr_t)conf->o.hostname);
    free(conf);
}

/* Next hops with their names; conf_free frees what was made. */
static int
copy_hops(struct smtp_out_conf *conf, const struct smtp_out_options *o)
{
    struct smtp_out_hop *hops = calloc(MAX(o->hop_count, (size_t)1), sizeof(*hops));

    conf->o.hops = hops;
    if (hops == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < o->hop_count; i++) {
        hops[i] = o->hops[i];
        hops[i].port = hops[i].port != 0 ? hops[i].port : conf->o.port;
        hops[i].address.port = hops[i].port;
        hops[i].name = SLICE_NONE;
        if (o->hops[i].name.n > 0) {
            hops[i].name = (struct slice){ slice_dup(o->hops[i].name), o->hops[i].name.n };
        }
        conf->o.hop_count = i + 1;
        if (o->hops[i].name.n > 0 && hops[i].name.p == NULL) {
            return -ENOMEM;
        }
    }
    return 0;
}

int
smtp_out_conf_new(struct smtp_out_conf **out, const struct smtp_out_options *o)
{
    struct smtp_out_conf *conf = calloc(1, sizeof(*conf));

    if (conf == NULL) {
        return -ENOMEM;
    }
    conf->refs = 1;
    conf->o = *o;
    conf->o.hop_count = 0;
    conf->o.connector = slice_dup(slice_of(o->connector));
    conf->o.hostname = slice_dup(slice_of(o->hostname));
    conf->o.sources = copy_array(o->sources, o->source_count * sizeof(*o->sources));
    conf->o.vips = copy_array(o->vips, o->vip_count * sizeof(*o->vips));
    set_defaults(&conf->o);
    if (copy_hops(conf, o) < 0 || conf->o.connector == NULL || conf->o.hostname == NULL ||
        conf->o.sources == NULL || conf->o.vips == NULL) {
        conf_free(conf);
        return -ENOMEM;
    }
    *out = conf;
    return 0;
}

void
smtp_out_conf_unref(struct smtp_out_conf *conf)
{
    CHECK(conf->refs > 0);
    conf->refs--;
    if (conf->refs == 0) {
        conf_free(conf);
    }
}

/* ---- the transport */

static int
smtp_out_on_open(void *ctx, struct slice destination, struct sched_session *s,
    const struct delivery *first, struct transport_session **out)
{
    return smtp_out_session_open(ctx, destination, s, first, out);
}

static const struct transport_ops ops = {
    .open = smtp_out_on_open, .work = smtp_out_session_work, .close = smtp_out_session_close
};

struct transport
smtp_out_transport(struct smtp_out *t)
{
    return (struct transport){ &ops, t };
}

int
smtp_out_new(struct smtp_out **out, struct loop *l, struct egress *e, struct resolver *r,
    const struct smtp_out_options *o, const struct transport_up *up)
{
    struct smtp_out *t = calloc(1, sizeof(*t));
    int rc;

    if (t == NULL) {
        return -ENOMEM;
    }
    rc = smtp_out_conf_new(&t->conf, o);
    if (rc < 0) {
        free(t);
        return rc;
    }
    t->loop = l;
    t->egress = e;
    t->resolver = r;
    t->up = *up;
    list_init(&t->sessions);
    list_init(&t->dead);
    *out = t;
    return 0;
}

int
smtp_out_set_options(struct smtp_out *t, const struct smtp_out_options *o)
{
    struct smtp_out_conf *conf;
    int rc = smtp_out_conf_new(&conf, o);

    if (rc < 0) {
        return rc;
    }
    smtp_out_conf_unref(t->conf);
    t->conf = conf;
    return 0;
}

void
smtp_out_free(struct smtp_out *t)
{
    if (t == NULL) {
        return;
    }
    CHECK(t->count == 0);
    LIST_FOR_SAFE(link, tmp, &t->dead)
    {
        smtp_out_session_free(CONTAINER_OF(link, struct transport_session, link));
    }
    smtp_out_conf_unref(t->conf);
    free(t);
}
