/* app/app_conf_describe.c - a configuration in sentences, for bridgehead check. */
#include "app/app_conf.h"
#include "core/buf.h"
#include <stdarg.h>
#include <stdio.h>

#define LINE_CAP 4096

struct line {
    size_t n;
    char text[LINE_CAP];
};

static void add(struct line *l, const char *fmt, ...) PRINTF(2, 3);

/* A line that is full is cut: it is for people. */
static void
add(struct line *l, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(l->text + l->n, LINE_CAP - l->n, fmt, ap);
    va_end(ap);
    l->n = MIN(l->n + (size_t)MAX(n, 0), (size_t)LINE_CAP - 1);
}

static const char *const protocols[] = {
    [APP_SMTP] = "smtp", [APP_LMTP] = "lmtp", [APP_X400] = "x400"
};

static void
describe_listener(const struct app_listener *l, struct line *out)
{
    char text[NETADDR_TEXT_CAP];

    add(out, "listener %s: %s at", l->name, protocols[l->protocol]);
    for (size_t i = 0; i < l->address_count; i++) {
        netaddr_text(&l->addresses[i], text);
        add(out, " [%s]:%u", text, (unsigned)l->port);
    }
}

static void
add_side(struct line *out, const char *who, const struct app_x400_side *side)
{
    char t[X400_SELECTOR_TEXT_CAP], s[X400_SELECTOR_TEXT_CAP], p[X400_SELECTOR_TEXT_CAP];

    add(out, "; %s %s, %s, T-selector %s, S-selector %s, P-selector %s", who,
        side->mta[0] != '\0' ? side->mta : "nameless (the NULL bind)",
        side->password.n > 0 ? "with a password" : "without a password",
        x400_selector_text(x400_selector_slice(&side->selectors.t), t),
        x400_selector_text(x400_selector_slice(&side->selectors.s), s),
        x400_selector_text(x400_selector_slice(&side->selectors.p), p));
}

static void
describe_x400(const struct app_x400 *x, struct line *out)
{
    static const char *const modes[] = {
        [P1_1988_NORMAL] = "normal mode", [P1_1988_X410] = "X.410 mode", [P1_1984] = "1984"
    };
    static const char *const calls[] = { [X400_ALWAYS] = "at any time",
        [X400_NEVER] = "never",
        [X400_REMOTE_INITIATED] = "never, the peer does",
        [X400_WINDOWS] = "by its windows" };

    add(out, "; %s, %s", modes[x->protocol], x->two_way ? "two-way alternate" : "monologue");
    add_side(out, "we are", &x->local);
    add_side(out, "the peer is", &x->remote);
    add(out, "; calls %s", calls[x->schedule.kind]);
}

static void
describe_connector(const struct app_connector *o, struct line *out)
{
    char text[NETADDR_TEXT_CAP];

    add(out, "connector %s: %s to", o->name, protocols[o->protocol]);
    for (size_t i = 0; i < o->hop_count; i++) {
        if (o->hops[i].name[0] != '\0') {
            add(out, " %s:%u", o->hops[i].name, (unsigned)o->hops[i].port);
        } else {
            netaddr_text(&o->hops[i].address, text);
            add(out, " [%s]:%u", text, (unsigned)o->hops[i].port);
        }
    }
    if (o->hop_count == 0) {
        add(out, "%s", o->protocol == APP_X400 ? " nobody" : " the hosts of the domain (MX)");
    }
    add(out, ", from");
    for (size_t i = 0; i < o->source_count; i++) {
        netaddr_text(&o->sources[i], text);
        add(out, " %s", text);
    }
    if (o->source_count == 0) {
        add(out, " the cluster's virtual IPs");
    }
    if (o->x400 != NULL) {
        describe_x400(o->x400, out);
    }
}

static void
describe_route(const struct app_conf *c, const struct app_route *r, struct line *out)
{
    add(out, "route %.*s:", SLICE_FMT(r->to));
    for (size_t i = 0; i < r->via_count; i++) {
        add(out, "%s %s (cost %u)", i > 0 ? "," : "", c->connectors[r->via[i]].name,
            (unsigned)r->cost[i]);
    }
}

void
app_conf_describe(const struct app_conf *c, void (*put)(void *ctx, const char *line), void *ctx)
{
    struct line line;

    for (size_t i = 0; i < c->listener_count; i++) {
        line.n = 0;
        describe_listener(&c->listeners[i], &line);
        put(ctx, line.text);
    }
    for (size_t i = 0; i < c->connector_count; i++) {
        line.n = 0;
        describe_connector(&c->connectors[i], &line);
        put(ctx, line.text);
    }
    for (size_t i = 0; i < c->route_count; i++) {
        line.n = 0;
        describe_route(c, &c->routes[i], &line);
        put(ctx, line.text);
    }
}
